/*
 * Lookaside caches in the manner of SLUB. See slub.c for the locks and for what it models, and sheaf.c for
 * sheaves. The two call each other: an empty sheaf is filled from the slabs, and a cache asks its sheaves
 * first. So they share this header, and so does slub_debug.c, whose fields lie in the cache.
 */
#ifndef SB_MM_SLUB_H
#define SB_MM_SLUB_H

#include "cpu_stack.h"
#include "page_alloc.h"

/* ---- sheaves: arrays of a cache's objects per CPU, in front of its slabs ---- */

struct sb_kmem_cache;

enum { SB_BARN_SHEAVES = 10 }; /* MAX_FULL_SHEAVES, and as many empty ones */

/* A full sheaf on its way between CPUs and slabs. */
struct sb_sheaf {
    struct sb_sheaf *next;
    void *objects[];
};

/* A node's. */
struct sb_barn {
    struct sb_lock lock; /* of all below */
    uint32_t nr_full, nr_empty;
    struct sb_sheaf *full, *empty;
    char padding[36 - sizeof(struct sb_lock)];
};
_Static_assert(sizeof(struct sb_barn) == 64, "barns share no cache line");

struct sb_sheaves {
    uint32_t capacity; /* objects of a sheaf; 0: the cache has none */
    unsigned nr_nodes;
    struct sb_stacks stacks; /* a CPU's main and spare sheaf, as one stack of twice the capacity */
    struct sb_barn *barns;   /* by node */
};

int sb_sheaves_init(struct sb_sheaves *sheaves, uint32_t capacity, const struct sb_mm *mm);
/* The host's memory only; objects are given back by sb_sheaves_flush. */
void sb_sheaves_exit(struct sb_sheaves *sheaves);

/* NULL: neither the CPU's sheaf nor the barn has one, and the slabs gave none. */
void *sb_sheaf_alloc_slow(struct sb_kmem_cache *cache, sb_gfp_t gfp);
void sb_sheaf_free_slow(struct sb_kmem_cache *cache, void *object);
/* How many of n there were in sheaves; how many were put there. */
size_t sb_sheaf_alloc_bulk(struct sb_kmem_cache *cache, size_t n, void **objects);
size_t sb_sheaf_free_bulk(struct sb_kmem_cache *cache, size_t n, void *const *objects);
/* Everything to the slabs. */
void sb_sheaves_flush(struct sb_kmem_cache *cache);
/* Objects in sheaves, and bytes of the host's that they take; exact while nothing else runs. */
uint64_t sb_sheaves_count(const struct sb_sheaves *sheaves);
uint64_t sb_sheaves_bytes(const struct sb_sheaves *sheaves);

/* ---- slabs ---- */

/* What one CPU has of a cache; a line pair of its own, so that neighbours don't fight. */
struct sb_cpu_slab {
    struct sb_cpu_list list; /* the CPU's free objects, all of list.page, its frozen slab; see rseq.h */
    struct sb_page *partial; /* slabs with free objects kept for this CPU, frozen, linked by `next` */
    uint32_t nr_partial;
    struct sb_lock lock; /* guards all above where there are no restartable sequences; else unused */
    char padding[100 - sizeof(struct sb_lock)];
};
#define SB_CPU_SLAB_SHIFT 7
_Static_assert(sizeof(struct sb_cpu_slab) == 1 << SB_CPU_SLAB_SHIFT,
               "one CPU's part fills two cache lines: adjacent-line prefetch");

/* struct kmem_cache_node: slabs of one node's pages with free objects, which no CPU has. */
struct sb_cache_node {
    struct sb_lock lock; /* the list, and who joins or leaves it */
    struct sb_list partial;
    uint64_t nr_partial;
    char padding[32];
};
_Static_assert(sizeof(struct sb_cache_node) == 64, "nodes share no cache line");

struct sb_kmem_cache {
    struct sb_cpu_slab *cpu; /* one per CPU; NULL without per-CPU slabs */
    struct sb_mm *mm;
    struct sb_sheaves sheaves;
    bool rseq;          /* CPUs' parts by restartable sequences, else by their locks */
    uint8_t order;      /* of a slab */
    uint16_t objects;   /* per slab */
    uint32_t offset;    /* of the free pointer in a free object */
    uint32_t size;      /* from one object to the next */
    uint32_t requested; /* object_size: as asked for */
    uint32_t flags;
    uint32_t debug;                  /* SB_SLAB_DEBUG_FLAGS of them, and of the configuration; 0: none */
    uint32_t inuse, track, left_pad; /* debugged: end of the right red zone, tracks, the left red zone */
    uint32_t cpu_partial_slabs;      /* how many a CPU keeps; 0: none */
    void (*ctor)(void *object);
    struct sb_slub *slub;
    uint32_t *random_order; /* object numbers in the order of a fresh slab's free list; NULL: ascending */
    struct sb_list link;    /* slub->caches */
    struct sb_cache_node *nodes;
    uint64_t min_partial;                         /* of each node */
    atomic_ullong nr_slabs, nr_objects, nr_pages; /* of all slabs, whatever their order */
    char name[64];
};

struct sb_slub_config {
    bool percpu;      /* per-CPU slabs and partial lists */
    bool randomize;   /* shuffled free lists: CONFIG_SLAB_FREELIST_RANDOM */
    uint32_t sheaf;   /* objects of a sheaf; 0: no sheaves */
    unsigned nr_cpus; /* whose layout to compute; 0: the machine's own */
    uint32_t debug;   /* SB_SLAB_DEBUG_FLAGS of every cache: slub_debug */
};

/* All caches of one allocator. */
struct sb_slub {
    struct sb_mm *mm;
    struct sb_slub_config config;
    struct sb_lock lock; /* the list of caches */
    struct sb_list caches;
    atomic_ullong nr_bugs; /* what debugging found */
    char bug[400];         /* the first of them */
};

/* Options of the plugins whose objects come from here. */
#define SB_SLUB_OPTION_PERCPU                                                                                          \
    {                                                                                                                  \
        "percpu", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,                                                                \
            "each CPU allocates from slabs of its own; no: every allocation takes the node's lock"                     \
    }
#define SB_SLUB_OPTION_RANDOMIZE                                                                                       \
    {                                                                                                                  \
        "randomize", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,                                                              \
            "shuffle the free list of each new slab, as CONFIG_SLAB_FREELIST_RANDOM does"                              \
    }
#define SB_SLUB_OPTION_NR_CPUS                                                                                         \
    {                                                                                                                  \
        "nr_cpus", SB_OPTION_INT, 0, "0", 0, 8192, NULL,                                                               \
            "lay slabs out as a machine of so many CPUs does; 0: as many as this one has"                              \
    }

#define SB_SLUB_OPTION_SHEAF                                                                                           \
    {                                                                                                                  \
        "sheaf", SB_OPTION_INT, 0, "0", 0, 4096, NULL,                                                                 \
            "objects of a sheaf: each CPU keeps up to two of them in an array, each node ten more, as Linux "          \
            "6.18 does where a cache asks for it; 0: no sheaves"                                                       \
    }

/*
 * By memcpy: the object's memory had another type a moment ago, and the middle of an object need not
 * be aligned for the compiler to know. It compiles to one load.
 */
static inline void *sb_get_free_pointer(const struct sb_kmem_cache *cache, void *object)
{
    void *next;
    memcpy(&next, (char *)object + cache->offset, sizeof(next));
    return next;
}

/* `mm` must outlive it. Registers a shrinker. */
void sb_slub_init(struct sb_slub *slub, struct sb_mm *mm, const struct sb_slub_config *config);
/* Gives back what the host lent; the pages die with the memory file. */
void sb_slub_exit(struct sb_slub *slub);

int sb_cache_create(struct sb_slub *slub, const char *name, size_t size, size_t align, uint32_t flags,
                    void (*ctor)(void *), struct sb_kmem_cache **cache);
void *sb_cache_alloc(struct sb_kmem_cache *cache, sb_gfp_t gfp);
/* Of that node's memory if it can be had, and with __GFP_THISNODE of no other's; -1: as sb_cache_alloc. */
void *sb_cache_alloc_node(struct sb_kmem_cache *cache, sb_gfp_t gfp, int node);
void sb_cache_free(struct sb_kmem_cache *cache, void *object);
/* For those who have looked up the object's slab already. */
void sb_cache_free_in(struct sb_kmem_cache *cache, struct sb_page *page, void *object);
/* All n or none: 0. */
size_t sb_cache_alloc_bulk(struct sb_kmem_cache *cache, sb_gfp_t gfp, size_t n, void **objects);
void sb_cache_free_bulk(struct sb_kmem_cache *cache, size_t n, void **objects);
/* The same without a look at the sheaves; of n objects, those that come without a new slab. For sheaf.c. */
void *sb_slab_alloc(struct sb_kmem_cache *cache, sb_gfp_t gfp);
void sb_slab_free(struct sb_kmem_cache *cache, void *object);
size_t sb_slabs_alloc(struct sb_kmem_cache *cache, size_t n, void **objects);
void sb_slabs_free(struct sb_kmem_cache *cache, size_t n, void **objects);
/* -EBUSY while objects live; the host is told the cache's name and their number. */
int sb_cache_destroy(struct sb_kmem_cache *cache);
/* Gives all CPUs' slabs back to the node, and the empty ones to the page allocator. One at a time:
 * slub->lock. */
void sb_cache_shrink(struct sb_kmem_cache *cache);
void sb_slub_shrink(struct sb_slub *slub);

/* Objects in users' hands; exact while nothing else runs. */
uint64_t sb_cache_live(struct sb_kmem_cache *cache);

void sb_slub_snapshot(struct sb_slub *slub, struct sb_snapshot *snapshot);
int sb_slub_dump(struct sb_slub *slub, const char *file, const struct sb_sink *sink);
int sb_slub_check(struct sb_slub *slub, char *why, size_t why_size);

/* ---- debugging: red zones, poison, owners, and the checks that look at them (slub_debug.c) ---- */

#define SB_SLAB_DEBUG_FLAGS (SB_SLAB_CONSISTENCY_CHECKS | SB_SLAB_RED_ZONE | SB_SLAB_POISON | SB_SLAB_STORE_USER)

/*
 * calculate_sizes: sets the cache's inuse, offset, track and left_pad. `size` is a multiple of words; what comes back
 * is not aligned yet.
 */
uint32_t sb_debug_lay_out(struct sb_kmem_cache *cache, uint32_t size, uint32_t align);

/* A fresh slab, then each of its objects before it is constructed; while nobody else knows the slab. */
void sb_debug_init_slab(const struct sb_kmem_cache *cache, const struct sb_page *page);
void sb_debug_init_object(const struct sb_kmem_cache *cache, void *object);

/*
 * An object comes off its slab's list, or is to go onto it; with the node's lock. false: something is wrong, and was
 * told. `head` is the slab's free list before.
 */
bool sb_debug_alloc(struct sb_kmem_cache *cache, void *object);
bool sb_debug_free(struct sb_kmem_cache *cache, const struct sb_page *page, void *head, void *object);

/* A free object is as it was left; of a cache with SLAB_CONSISTENCY_CHECKS. -EUCLEAN with the finding in `why`. */
int sb_debug_check_free(const struct sb_kmem_cache *cache, const void *object, char *why, size_t why_size);

/* ---- /proc/slabinfo ---- */

/* Lines of /proc/slabinfo, shared by all slab allocators. */
void sb_slabinfo_header(const struct sb_sink *sink);
struct sb_slabinfo {
    const char *name;
    uint64_t active_objects, objects, slabs, active_slabs, shared_available;
    uint32_t size, per_slab, pages, limit, batch, shared;
};
void sb_slabinfo_line(const struct sb_sink *sink, const struct sb_slabinfo *info);

#endif
