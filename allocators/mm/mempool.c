/*
 * mempool.
 *
 * Models mm/mempool.c of Linux 6.1: the backing allocator is asked first, without leave to wait; when it
 * fails the reserve serves; when that is empty too, an ATOMIC allocation fails and one that may sleep waits
 * for an element to come back. A freed element refills the reserve before it goes to the backing.
 *
 * Differs: the kernel waits without end, this waits at most max_wait, in growing naps, so that a workload
 * that can never be served ends with NULL and not with a hang.
 *
 * The cache per CPU (sb_mempool_cache) models lib/mempool of DPDK 22.11: an array of `size` elements per
 * core, which is filled in one go when it is empty and, at one and a half times its size, emptied down to it.
 *
 * Locks: pool->lock, taken alone: the backing is called without it. A CPU's array comes before it.
 */
#define _GNU_SOURCE
#include "mempool.h"

#include "page_alloc.h"

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
int sb_mempool_init(struct sb_mempool *pool, uint32_t min_nr, sb_mempool_alloc_fn alloc, sb_mempool_free_fn free_fn,
                    void *pool_data, uint64_t max_wait_ns)
{
    memset(pool, 0, sizeof(*pool));
    sb_lock_init(&pool->lock, SB_RANK_POOL);
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

/* mempool_resize to less: what is too much is freed, without the lock. */
static void shrink_reserve(struct sb_mempool *pool, uint32_t min_nr)
{
    while (pool->curr_nr > min_nr) {
        void *surplus = pool->elements[pool->curr_nr - 1];
        __atomic_store_n(&pool->curr_nr, pool->curr_nr - 1, __ATOMIC_RELAXED);
        sb_unlock(&pool->lock);
        pool->free(surplus, pool->pool_data);
        sb_lock(&pool->lock);
    }
    __atomic_store_n(&pool->min_nr, min_nr, __ATOMIC_RELAXED);
}

/*
 * Until the reserve is what whoever resized last wants, or there is no element. True: `element` is one too many, for
 * somebody else filled it meanwhile.
 */
static bool fill_reserve(struct sb_mempool *pool, void **element)
{
    while (pool->curr_nr < pool->min_nr) {
        sb_unlock(&pool->lock);
        *element = pool->alloc(SB_GFP_KERNEL, pool->pool_data);
        sb_lock(&pool->lock);
        if (!*element)
            return false;
        if (pool->curr_nr >= pool->min_nr)
            return true;
        pool->elements[pool->curr_nr] = *element;
        __atomic_store_n(&pool->curr_nr, pool->curr_nr + 1, __ATOMIC_RELAXED);
    }
    return false;
}

/* Several may do it at once: who comes with less than there is by then leaves it to the others. */
int sb_mempool_resize(struct sb_mempool *pool, uint32_t min_nr)
{
    void **elements, **unused, *surplus = NULL;
    bool over = false;
    sb_lock(&pool->lock);
    if (min_nr <= pool->min_nr) {
        shrink_reserve(pool, min_nr);
        sb_unlock(&pool->lock);
        return 0;
    }
    sb_unlock(&pool->lock);
    unused = elements = calloc(min_nr, sizeof(*elements));
    if (!elements)
        return -ENOMEM;
    sb_lock(&pool->lock);
    if (min_nr > pool->min_nr) {
        memcpy((void *)elements, (void *)pool->elements, pool->curr_nr * sizeof(*elements));
        unused = pool->elements;
        pool->elements = elements;
        __atomic_store_n(&pool->min_nr, min_nr, __ATOMIC_RELAXED);
        over = fill_reserve(pool, &surplus);
    }
    sb_unlock(&pool->lock);
    free((void *)unused);
    if (over)
        pool->free(surplus, pool->pool_data);
    return 0;
}

/*
 * First without leave to wait, then the reserve, then with it, then waiting. Naps grow from 1 microsecond to
 * 1 ms: short enough to see an element soon, long enough not to spin on the CPU that the one who frees may
 * need.
 */
void *sb_mempool_alloc(struct sb_mempool *pool, sb_gfp_t gfp)
{
    uint64_t deadline = 0, nap = 1000;
    /* The pool has a reserve of its own: the zones' is for others. */
    gfp |= SB_GFP_NOWARN | SB_GFP_NORETRY | SB_GFP_NOMEMALLOC;
    sb_gfp_t try = gfp & ~(SB_GFP_DIRECT_RECLAIM | SB_GFP_IO);
    for (;;) {
        void *element = pool->alloc(try, pool->pool_data);
        if (element)
            return element;
        element = take_reserve(pool);
        if (element) {
            atomic_fetch_add_explicit(&pool->from_reserve, 1, memory_order_relaxed);
            return element;
        }
        if (!(gfp & SB_GFP_DIRECT_RECLAIM))
            return NULL;
        if (!(try & SB_GFP_DIRECT_RECLAIM)) {
            try = gfp;
            continue;
        }
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
    if (__builtin_expect(
            __atomic_load_n(&pool->curr_nr, __ATOMIC_RELAXED) < __atomic_load_n(&pool->min_nr, __ATOMIC_RELAXED), 0)) {
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

void *sb_mempool_alloc_pages(sb_gfp_t gfp, void *pages)
{
    const struct sb_mempool_pages *p = pages;
    return sb_get_free_pages(p->mm, gfp, p->order);
}

void sb_mempool_free_pages(void *element, void *pages)
{
    const struct sb_mempool_pages *p = pages;
    sb_free_pages_at(p->mm, element, p->order);
}

/* ---- the cache per CPU ---- */

int sb_mempool_cache_init(struct sb_mempool_cache *cache, struct sb_mempool *pool, unsigned nr_cpus, uint32_t size,
                          bool rseq)
{
    uint64_t capacity = size + (size > 1 ? size / 2 : 1);
    *cache = (struct sb_mempool_cache){.pool = pool, .size = size};
    int status = sb_stacks_init(&cache->arrays, nr_cpus, sb_stack_bytes(capacity), rseq, SB_RANK_POOL_ARRAY);
    for (unsigned cpu = 0; cpu < nr_cpus && !status; cpu++)
        sb_stack_make(&cache->arrays, cpu, 0, capacity);
    return status;
}

void sb_mempool_cache_drain(struct sb_mempool_cache *cache)
{
    for (unsigned cpu = 0; cpu < cache->arrays.nr_cpus; cpu++) {
        uint64_t count;
        struct sb_cpu_stack *array = sb_stack_seize(&cache->arrays, cpu, 0, &count);
        if (!array)
            continue;
        while (count)
            sb_mempool_free(cache->pool, array->slots[--count]);
        sb_stack_give_back(&cache->arrays, array, 0);
    }
}

void sb_mempool_cache_exit(struct sb_mempool_cache *cache)
{
    if (cache->arrays.base)
        sb_mempool_cache_drain(cache);
    sb_stacks_exit(&cache->arrays);
}

/* Fills the array from the backing, without its reserve: hoarding must not use that up. */
static __attribute__((noinline)) void *cache_refill(struct sb_mempool_cache *cache, sb_gfp_t gfp)
{
    uint64_t count;
    sb_gfp_t easy = (gfp | SB_GFP_NOWARN) & ~(SB_GFP_DIRECT_RECLAIM | SB_GFP_HIGH | SB_GFP_NOFAIL);
    struct sb_cpu_stack *array = sb_stack_take(&cache->arrays, 0, &count);
    void *element = NULL;
    if (array) {
        for (bool fill = !count; fill && count < cache->size;) {
            element = cache->pool->alloc(easy, cache->pool->pool_data);
            if (!element)
                break;
            array->slots[count++] = element;
        }
        element = count ? array->slots[--count] : NULL;
        sb_stack_give_back(&cache->arrays, array, count);
    }
    return element ? element : sb_mempool_alloc(cache->pool, gfp);
}

void *sb_mempool_cache_alloc(struct sb_mempool_cache *cache, sb_gfp_t gfp)
{
    void *element = sb_stack_pop(&cache->arrays, 0);
    return __builtin_expect(element != NULL, 1) ? element : cache_refill(cache, gfp);
}

static __attribute__((noinline)) void cache_flush(struct sb_mempool_cache *cache, void *element)
{
    uint64_t count;
    struct sb_cpu_stack *array = sb_stack_take(&cache->arrays, 0, &count);
    if (!array) {
        sb_mempool_free(cache->pool, element);
        return;
    }
    uint64_t surplus = count >= array->capacity ? count - cache->size : 0;
    for (uint64_t i = 0; i < surplus; i++)
        sb_mempool_free(cache->pool, array->slots[i]);
    sb_stack_drop_oldest(array, &count, surplus);
    array->slots[count++] = element;
    sb_stack_give_back(&cache->arrays, array, count);
}

/* A reserve that isn't full comes first: others may wait for it. */
void sb_mempool_cache_free(struct sb_mempool_cache *cache, void *element)
{
    struct sb_mempool *pool = cache->pool;
    if (__builtin_expect(
            __atomic_load_n(&pool->curr_nr, __ATOMIC_RELAXED) < __atomic_load_n(&pool->min_nr, __ATOMIC_RELAXED), 0))
        sb_mempool_free(pool, element);
    else if (!sb_stack_push(&cache->arrays, 0, element))
        cache_flush(cache, element);
}

uint64_t sb_mempool_cached(const struct sb_mempool_cache *cache)
{
    uint64_t n = 0;
    for (unsigned cpu = 0; cpu < cache->arrays.nr_cpus; cpu++)
        n += sb_stack_of(&cache->arrays, cpu, 0)->count;
    return n;
}
