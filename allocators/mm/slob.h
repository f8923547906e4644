/* Simple List Of Blocks, for small machines. See slob.c. */
#ifndef SB_MM_SLOB_H
#define SB_MM_SLOB_H

#include "page_alloc.h"

enum { SB_SLOB_LISTS = 3 };

struct sb_slob {
    struct sb_mm *mm;
    struct sb_lock lock;                 /* protects all below, and the pages' contents: there is only one */
    struct sb_list lists[SB_SLOB_LISTS]; /* pages with room: for requests under 256, under 1024, and larger */
    uint64_t nr_pages;                   /* pages of the lists, and full ones */
    uint64_t live, live_bytes;           /* blocks, with whole pages for large ones */
    struct sb_list caches;               /* under the lock too */
};

struct sb_slob_cache {
    struct sb_slob *slob;
    struct sb_list link;
    uint32_t size, requested, align;
    void (*ctor)(void *object);
    sb_gfp_t zone; /* SB_GFP_DMA or DMA32, from its flags */
    atomic_ullong live;
    char name[64];
};

void sb_slob_init(struct sb_slob *slob, struct sb_mm *mm);
/* Forgets the caches that nobody destroyed; what lives in them goes with the memory. */
void sb_slob_exit(struct sb_slob *slob);

/* kmalloc: a word in front of the block remembers its size. `align` is a power of two up to a page. */
void *sb_slob_kmalloc(struct sb_slob *slob, size_t size, size_t align, sb_gfp_t gfp);
void sb_slob_kfree(struct sb_slob *slob, void *block);
size_t sb_slob_ksize(struct sb_slob *slob, const void *block);

/* kmem_cache: no slabs, no word in front; the size is the cache's. */
int sb_slob_cache_create(struct sb_slob *slob, const char *name, size_t size, size_t align, uint32_t flags,
                         void (*ctor)(void *), struct sb_slob_cache **cache);
void *sb_slob_cache_alloc(struct sb_slob_cache *cache, sb_gfp_t gfp);
void sb_slob_cache_free(struct sb_slob_cache *cache, void *object);
int sb_slob_cache_destroy(struct sb_slob_cache *cache);

void sb_slob_snapshot(struct sb_slob *slob, struct sb_snapshot *snapshot);
int sb_slob_check(struct sb_slob *slob, char *why, size_t why_size);

#endif
