/*
 * mempool.
 *
 * Models mm/mempool.c of Linux 6.1: the backing allocator is asked first, without leave to wait; when it
 * fails the reserve serves; when that is empty too, an ATOMIC allocation fails and one that may sleep waits
 * for an element to come back. A freed element refills the reserve before it goes to the backing.
 *
 * Differs: the kernel asks the backing once more, with leave to reclaim, before it waits; and it waits
 * without end, this waits at most max_wait, in growing naps, so that a workload that can never be served ends
 * with NULL and not with a hang.
 *
 * Locks: pool->lock, taken alone: the backing is called without it.
 */
#define _GNU_SOURCE
#include "mempool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* curr_nr is written atomically because sb_mempool_free looks at it without the lock. */
static void *take_reserve(struct sb_mempool *pool)
{
    void *element = NULL;
    sb_lock(&pool->lock);
    if (pool->curr_nr) {
        element = pool->elements[pool->curr_nr - 1];
        __atomic_store_n(&pool->curr_nr, pool->curr_nr - 1, __ATOMIC_RELAXED);
    }
    sb_unlock(&pool->lock);
    return element;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* The reserve is filled now, while memory is there: that is the point of a pool. */
int sb_mempool_init(struct sb_mempool *pool, uint32_t min_nr, sb_mempool_alloc_fn alloc,
                    sb_mempool_free_fn free_fn, void *pool_data, uint64_t max_wait_ns)
{
    memset(pool, 0, sizeof(*pool));
    pool->elements = calloc(min_nr ? min_nr : 1, sizeof(*pool->elements));
    if (!pool->elements)
        return -ENOMEM;
    pool->min_nr = min_nr;
    pool->alloc = alloc;
    pool->free = free_fn;
    pool->pool_data = pool_data;
    pool->max_wait_ns = max_wait_ns;
    while (pool->curr_nr < min_nr) {
        void *element = alloc(SB_GFP_KERNEL, pool_data);
        if (!element) {
            sb_mempool_exit(pool);
            return -ENOMEM;
        }
        pool->elements[pool->curr_nr++] = element;
    }
    return 0;
}

void sb_mempool_exit(struct sb_mempool *pool)
{
    while (pool->curr_nr)
        pool->free(pool->elements[--pool->curr_nr], pool->pool_data);
    free(pool->elements);
    pool->elements = NULL;
}

/*
 * Naps grow from 1 microsecond to 1 ms: short enough to see an element soon, long enough not to spin
 * on the CPU that the one who frees may need.
 */
void *sb_mempool_alloc(struct sb_mempool *pool, sb_gfp_t gfp)
{
    uint64_t deadline = 0, nap = 1000;
    for (;;) {
        void *element = pool->alloc(gfp & ~SB_GFP_DIRECT_RECLAIM, pool->pool_data);
        if (element)
            return element;
        element = take_reserve(pool);
        if (element) {
            atomic_fetch_add_explicit(&pool->from_reserve, 1, memory_order_relaxed);
            return element;
        }
        if (!(gfp & SB_GFP_DIRECT_RECLAIM))
            return NULL;
        uint64_t now = now_ns();
        if (!deadline) {
            deadline = now + pool->max_wait_ns;
            atomic_fetch_add_explicit(&pool->waits, 1, memory_order_relaxed);
        }
        if (now >= deadline)
            return NULL;
        struct timespec t = {0, (long)nap};
        nanosleep(&t, NULL);
        if (nap < 1000000)
            nap *= 2;
    }
}

void sb_mempool_free(struct sb_mempool *pool, void *element)
{
    /* Unlocked look first, as in the kernel: the reserve is nearly always full. */
    if (__builtin_expect(__atomic_load_n(&pool->curr_nr, __ATOMIC_RELAXED) < pool->min_nr, 0)) {
        sb_lock(&pool->lock);
        if (pool->curr_nr < pool->min_nr) {
            __atomic_store_n(&pool->curr_nr, pool->curr_nr + 1, __ATOMIC_RELAXED);
            pool->elements[pool->curr_nr - 1] = element;
            sb_unlock(&pool->lock);
            return;
        }
        sb_unlock(&pool->lock);
    }
    pool->free(element, pool->pool_data);
}
