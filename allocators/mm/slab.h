/* Lookaside caches as Linux 2.6.10 had them, which LDD3 describes. See slab.c for what it models. */
#ifndef SB_MM_SLAB_H
#define SB_MM_SLAB_H

#include "page_alloc.h"

/* A slab's management: in front of its objects, or off-slab in a general cache. Free objects by number; behind it an
 * entry for each object, which object is free after it (kmem_bufctl_t). */
struct sb_slab {
    struct sb_list link;
    uint64_t colour_offset;
    char *objects;
    uint32_t inuse;
    uint16_t free; /* number of the first free object, or SB_SLAB_END */
};
_Static_assert(sizeof(struct sb_slab) == 40, "struct slab of a 64-bit 2.6.10, which the layout depends on");
#define SB_SLAB_END UINT16_MAX

/* slab_bufctl */
static inline uint16_t *sb_slab_next(struct sb_slab *slab)
{
    return (uint16_t *)(void *)(slab + 1);
}

/* What a cache's owner does to objects; each may be NULL. */
struct sb_slab_methods {
    void (*plain_ctor)(void *object); /* one that is told nothing, as since 2.6.24 */
    void (*ctor)(void *object, uint32_t ctor_flags);
    void (*dtor)(void *object, uint32_t ctor_flags);
};

struct sb_slab_cache {
    struct sb_slab_system *system;
    struct sb_mm *mm;
    uint32_t size;      /* from one object to the next */
    uint32_t requested; /* as asked for */
    uint32_t objects;   /* per slab */
    uint32_t flags;
    uint32_t management; /* bytes of struct sb_slab with its array */
    uint32_t colours, colour_step, colour_next;
    uint8_t order;
    bool off_slab;
    struct sb_slab_methods methods;
    struct sb_slab_cache *management_cache; /* off-slab */
    struct sb_stacks arrays;                /* one stack a CPU, of `limit`; base is NULL without */
    uint32_t limit, batch, shared_limit;
    struct sb_list link; /* system->caches */
    struct sb_lock lock; /* kmem_list3's: all below, and every slab's management */
    struct sb_list full, partial, free;
    void **shared; /* the array that the CPUs share, before slabs are looked at */
    uint32_t nr_shared;
    uint64_t nr_slabs, nr_free_objects, free_limit;
    char name[64];
};

#define SB_SLAB_GENERAL 14 /* size-32 to size-131072, as CACHE() lists them for lines of 64 bytes */

struct sb_slab_system {
    struct sb_mm *mm;
    bool percpu;
    struct sb_lock lock; /* the list of caches */
    struct sb_list caches;
    struct sb_slab_cache *general[2][SB_SLAB_GENERAL]; /* [1]: from the DMA zone */
};

/* Creates the general caches. Needs sb_slab_exit, also after a failure. */
int sb_slab_init(struct sb_slab_system *system, struct sb_mm *mm, bool percpu);
void sb_slab_exit(struct sb_slab_system *system);

/*
 * LDD3's kmem_cache_create: the constructor runs once for each object of a new slab, not at each allocation;
 * the destructor when the slab goes. An object comes back in the state in which it was created. `align` 0: a
 * word. `methods` NULL: there are none.
 */
int sb_slab_cache_create(struct sb_slab_system *system, const char *name, size_t size, size_t align, uint32_t flags,
                         const struct sb_slab_methods *methods, struct sb_slab_cache **cache);
void *sb_slab_cache_alloc(struct sb_slab_cache *cache, sb_gfp_t gfp);
void sb_slab_cache_free(struct sb_slab_cache *cache, void *object);
/* -EBUSY while objects live; the host is told the cache's name and their number. */
int sb_slab_cache_destroy(struct sb_slab_cache *cache);
void sb_slab_cache_shrink(struct sb_slab_cache *cache);
void sb_slab_shrink(struct sb_slab_system *system);
uint64_t sb_slab_cache_live(const struct sb_slab_cache *cache);

/* A slab by its block's first page. */
static inline struct sb_slab *sb_slab_of_page(const struct sb_page *page)
{
    return page->freelist;
}

/* alloc_percpu's and enable_cpucache's figure: so many batches may the CPUs share. */
#define SB_SLAB_SHARED_FACTOR 8

/* kmalloc of 2.6: at most 128 KiB. */
#define SB_SLAB_KMALLOC_MAX 131072
void *sb_slab_kmalloc(struct sb_slab_system *system, size_t size, sb_gfp_t gfp);
void sb_slab_kfree(struct sb_slab_system *system, void *block);
size_t sb_slab_ksize(struct sb_slab_system *system, const void *block);

void sb_slab_snapshot(struct sb_slab_system *system, struct sb_snapshot *snapshot);
int sb_slab_dump(struct sb_slab_system *system, const char *file, const struct sb_sink *sink);
int sb_slab_check(struct sb_slab_system *system, char *why, size_t why_size);

#endif
