/* Sheaves: arrays of a cache's objects per CPU, in front of its slabs. See sheaf.c. */
#ifndef SB_MM_SHEAF_H
#define SB_MM_SHEAF_H

#include "cpu_stack.h"

struct sb_kmem_cache;

enum { SB_BARN_SHEAVES = 10 }; /* MAX_FULL_SHEAVES, and as many empty ones */

/* A full sheaf on its way between CPUs and slabs. */
struct sb_sheaf {
    struct sb_sheaf *next;
    void *objects[];
};

struct sb_sheaves {
    uint32_t capacity; /* objects of a sheaf; 0: the cache has none */
    uint32_t nr_full, nr_empty;
    struct sb_stacks stacks; /* a CPU's main and spare sheaf, as one stack of twice the capacity */
    struct sb_lock lock;     /* the barn's: all below and above that changes */
    struct sb_sheaf *full, *empty;
};

int sb_sheaves_init(struct sb_sheaves *sheaves, uint32_t capacity, unsigned nr_cpus, bool rseq);
/* The host's memory only; objects are given back by sb_sheaves_flush. */
void sb_sheaves_exit(struct sb_sheaves *sheaves);

/* NULL: neither the CPU's sheaf nor the barn has one, and the slabs gave none. */
void *sb_sheaf_alloc_slow(struct sb_kmem_cache *cache, sb_gfp_t gfp);
void sb_sheaf_free_slow(struct sb_kmem_cache *cache, void *object);
/* Everything to the slabs. */
void sb_sheaves_flush(struct sb_kmem_cache *cache);
/* Objects in sheaves; exact while nothing else runs. */
uint64_t sb_sheaves_count(const struct sb_sheaves *sheaves);

#endif
