/* mempool: a reserve behind any allocator of elements. See mempool.c. */
#ifndef SB_MM_MEMPOOL_H
#define SB_MM_MEMPOOL_H

#include "lock.h"
#include "scullbench/allocator.h"

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
int sb_mempool_init(struct sb_mempool *pool, uint32_t min_nr, sb_mempool_alloc_fn alloc,
                    sb_mempool_free_fn free, void *pool_data, uint64_t max_wait_ns);
/* Frees the reserve. Elements in use are the caller's to have freed before. */
void sb_mempool_exit(struct sb_mempool *pool);

void *sb_mempool_alloc(struct sb_mempool *pool, sb_gfp_t gfp);
void sb_mempool_free(struct sb_mempool *pool, void *element);

#endif
