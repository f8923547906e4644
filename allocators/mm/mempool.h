/* mempool: a reserve behind any allocator of elements; and a cache per CPU in front of it. See mempool.c. */
#ifndef SB_MM_MEMPOOL_H
#define SB_MM_MEMPOOL_H

#include "cpu_stack.h"

struct sb_mm;

/* The policy: how elements are made and given back. */
typedef void *(*sb_mempool_alloc_fn)(sb_gfp_t gfp, void *pool_data);
typedef void (*sb_mempool_free_fn)(void *element, void *pool_data);

struct sb_mempool {
    struct sb_lock lock; /* protects curr_nr and elements */
    uint32_t min_nr, curr_nr;
    void **elements;
    sb_mempool_alloc_fn alloc;
    sb_mempool_free_fn free;
    void *pool_data;
    uint64_t max_wait_ns;       /* how long an allocation that may sleep waits */
    atomic_ullong from_reserve; /* allocations that the reserve served */
    atomic_ullong waits;
};

/* Fills the reserve; -ENOMEM if it can't be filled. */
int sb_mempool_init(struct sb_mempool *pool, uint32_t min_nr, sb_mempool_alloc_fn alloc, sb_mempool_free_fn free,
                    void *pool_data, uint64_t max_wait_ns);
/* Another reserve: what is too much is freed, what lacks is allocated, or comes with the next frees. -ENOMEM: there is
 * no memory for its array. */
int sb_mempool_resize(struct sb_mempool *pool, uint32_t min_nr);
/* Frees the reserve. Elements in use are the caller's to have freed before. */
void sb_mempool_exit(struct sb_mempool *pool);

void *sb_mempool_alloc(struct sb_mempool *pool, sb_gfp_t gfp);
void sb_mempool_free(struct sb_mempool *pool, void *element);

/* mempool_alloc_pages: blocks of an order as elements. The policy's data. */
struct sb_mempool_pages {
    struct sb_mm *mm;
    unsigned order;
};
void *sb_mempool_alloc_pages(sb_gfp_t gfp, void *pages);
void sb_mempool_free_pages(void *element, void *pages);

/* A pool with an array of elements per CPU in front. */
struct sb_mempool_cache {
    struct sb_mempool *pool;
    struct sb_stacks arrays;
    uint32_t size; /* elements that a CPU's array is filled to, and may hold half as many more */
};

int sb_mempool_cache_init(struct sb_mempool_cache *cache, struct sb_mempool *pool, unsigned nr_cpus, uint32_t size,
                          bool rseq);
/* Gives the arrays' elements to the pool. */
void sb_mempool_cache_exit(struct sb_mempool_cache *cache);
void *sb_mempool_cache_alloc(struct sb_mempool_cache *cache, sb_gfp_t gfp);
void sb_mempool_cache_free(struct sb_mempool_cache *cache, void *element);
void sb_mempool_cache_drain(struct sb_mempool_cache *cache);
/* Elements in the arrays; exact while nothing else runs. */
uint64_t sb_mempool_cached(const struct sb_mempool_cache *cache);

#endif
