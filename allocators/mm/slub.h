/* Lookaside caches in the manner of SLUB. See slub.c for the locks and for what it models. */
#ifndef SB_MM_SLUB_H
#define SB_MM_SLUB_H

#include "page_alloc.h"
#include "rseq.h"

/* What one CPU has of a cache. A line pair of its own, so that neighbours don't fight. */
struct sb_cpu_slab {
    struct sb_cpu_list list; /* the CPU's free objects, all of list.page, its frozen slab; see rseq.h */
    struct sb_lock lock;     /* guards `list` where there are no restartable sequences; else unused */
    char padding[108];
};
_Static_assert(sizeof(struct sb_cpu_slab) == 1 << SB_CPU_SHIFT,
               "one CPU's part fills two cache lines: adjacent-line prefetch");

struct sb_kmem_cache {
    struct sb_cpu_slab *cpu; /* one per CPU; NULL without per-CPU slabs */
    bool rseq;               /* CPUs' lists by restartable sequences, else by their locks */
    struct sb_mm *mm;
    struct sb_slub *slub;
    uint32_t offset;      /* of the free pointer in a free object */
    uint32_t size;        /* from one object to the next */
    uint32_t object_size; /* as asked for, rounded up to words */
    uint32_t requested;   /* as asked for */
    uint16_t objects;     /* per slab */
    uint8_t order;        /* of a slab */
    uint8_t pad;
    uint32_t flags;
    void (*ctor)(void *object);
    struct sb_list link; /* slub->caches */
    struct sb_lock lock; /* the node's: partial list, and freelist and inuse of every slab */
    struct sb_list partial;
    uint64_t nr_partial, min_partial;
    uint64_t nr_slabs, nr_objects, nr_pages; /* of all slabs, whatever their order */
    char name[64];
};

/* All caches of one allocator. */
struct sb_slub {
    struct sb_mm *mm;
    bool percpu, rseq;
    struct sb_lock lock; /* the list of caches */
    struct sb_list caches;
};

/* How CPUs' lists are guarded; the plugins' option `cpu_sync`. */
enum sb_cpu_sync { SB_SYNC_AUTO, SB_SYNC_RSEQ, SB_SYNC_LOCK };
extern const char *const sb_cpu_sync_names[];
#define SB_CPU_SYNC_OPTION                                                                                   \
    {                                                                                                        \
        "cpu_sync", SB_OPTION_ENUM, 0, "auto", 0, 0, sb_cpu_sync_names,                                      \
            "how a CPU's list is guarded: by restartable sequences, or by a lock per CPU; auto: by "         \
            "sequences "                                                                                     \
            "where the machine has them"                                                                     \
    }

/* -ENOTSUP: sequences were asked for and aren't to be had. */
int sb_slub_init(struct sb_slub *slub, struct sb_mm *mm, bool percpu, enum sb_cpu_sync sync);
/* Gives back what the host lent; the pages die with the memory file. */
void sb_slub_exit(struct sb_slub *slub);

int sb_cache_create(struct sb_slub *slub, const char *name, size_t size, size_t align, uint32_t flags,
                    void (*ctor)(void *), struct sb_kmem_cache **cache);
void *sb_cache_alloc(struct sb_kmem_cache *cache, sb_gfp_t gfp);
void sb_cache_free(struct sb_kmem_cache *cache, void *object);
/* -EBUSY while objects live. */
int sb_cache_destroy(struct sb_kmem_cache *cache);

/* Objects in users' hands; exact while nothing else runs. */
uint64_t sb_cache_live(struct sb_kmem_cache *cache);

void sb_slub_snapshot(struct sb_slub *slub, struct sb_snapshot *snapshot);
int sb_slub_dump(struct sb_slub *slub, const char *file, const struct sb_sink *sink);
int sb_slub_check(struct sb_slub *slub, char *why, size_t why_size);

#endif
