/* mempool over slub as a plugin: each cache is a pool with a reserve. See mm/mempool.c. */
#include "../mm/mempool.h"
#include "../mm/slub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_MIN_NR, OPTION_PERCPU, OPTION_CPU_SYNC, OPTION_MAX_WAIT };

static const struct sb_option options[] = {
    [OPTION_MIN_NR] = {"min_nr", SB_OPTION_INT, 0, "16", 1, 1000000, NULL,
                       "elements that every pool holds in reserve"},
    [OPTION_PERCPU] = {"percpu", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                       "slub's per-CPU slabs, in the backing caches"},
    [OPTION_CPU_SYNC] = SB_CPU_SYNC_OPTION,
    [OPTION_MAX_WAIT] = {"max_wait", SB_OPTION_TIME, 0, "1s", 1000, UINT64_C(3600000000000), NULL,
                         "how long an allocation that may sleep waits for an element (the kernel: for ever)"},
};

struct plugin {
    struct sb_mm mm;
    struct sb_slub slub;
    uint32_t min_nr;
    uint64_t max_wait;
    struct sb_list pools;
    struct sb_lock lock; /* pools */
};

struct pool {
    struct sb_mempool mempool;
    struct sb_kmem_cache *cache;
    struct plugin *plugin;
    struct sb_list link;
};

static void *element_alloc(sb_gfp_t gfp, void *cache)
{
    return sb_cache_alloc(cache, gfp);
}

static void element_free(void *element, void *cache)
{
    sb_cache_free(cache, element);
}

static int mempool_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct plugin *p = calloc(1, sizeof(*p));
    int status = p ? sb_mm_init(&p->mm, host) : -ENOMEM;
    if (!status)
        status = sb_slub_init(&p->slub, &p->mm, values[OPTION_PERCPU].u,
                              (enum sb_cpu_sync)values[OPTION_CPU_SYNC].u);
    if (status) {
        free(p);
        return status;
    }
    p->min_nr = (uint32_t)values[OPTION_MIN_NR].u;
    p->max_wait = values[OPTION_MAX_WAIT].u;
    sb_list_init(&p->pools);
    *self = p;
    return 0;
}

static void mempool_close(void *self)
{
    struct plugin *p = self;
    while (!sb_list_empty(&p->pools)) {
        struct pool *pool = sb_list_entry(p->pools.next, struct pool, link);
        sb_list_del(&pool->link);
        sb_mempool_exit(&pool->mempool);
        free(pool);
    }
    sb_slub_exit(&p->slub);
    free(p);
}

/* A caller's own `reserve` counts if it is larger than the option. */
static int pool_create(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                       void (*ctor)(void *), uint32_t reserve, void **out)
{
    struct plugin *p = self;
    struct pool *pool = calloc(1, sizeof(*pool));
    uint32_t min_nr = reserve > p->min_nr ? reserve : p->min_nr;
    int status = pool ? sb_cache_create(&p->slub, name, size, align, flags, ctor, &pool->cache) : -ENOMEM;
    if (status)
        goto fail;
    status = sb_mempool_init(&pool->mempool, min_nr, element_alloc, element_free, pool->cache, p->max_wait);
    if (status) {
        p->mm.host->fail(p->mm.host->context,
                         "mempool: no memory for the reserve of %u elements of %zu bytes", min_nr, size);
        sb_cache_destroy(pool->cache);
        goto fail;
    }
    pool->plugin = p;
    sb_lock(&p->lock);
    sb_list_add_tail(&pool->link, &p->pools);
    sb_unlock(&p->lock);
    *out = pool;
    return 0;
fail:
    free(pool);
    return status;
}

static void *pool_alloc(void *cache, sb_gfp_t gfp)
{
    struct pool *pool = cache;
    void *element = sb_mempool_alloc(&pool->mempool, gfp & ~SB_GFP_ZERO);
    /* Here, not in the cache: an element of the reserve has been used before. */
    if (element && gfp & SB_GFP_ZERO)
        memset(element, 0, pool->cache->object_size);
    return element;
}

static void pool_free(void *cache, void *object)
{
    sb_mempool_free(&((struct pool *)cache)->mempool, object);
}

/* The reserve isn't live: it is in nobody's hands. */
static int pool_destroy(void *cache)
{
    struct pool *pool = cache;
    struct plugin *p = pool->plugin;
    uint64_t live = sb_cache_live(pool->cache) - pool->mempool.curr_nr;
    if (live) {
        p->mm.host->fail(p->mm.host->context, "mempool_destroy: pool '%s' still has %llu live elements",
                         pool->cache->name, (unsigned long long)live);
        return -EBUSY;
    }
    sb_mempool_exit(&pool->mempool);
    sb_lock(&p->lock);
    sb_list_del(&pool->link);
    sb_unlock(&p->lock);
    int status = sb_cache_destroy(pool->cache);
    free(pool);
    return status;
}

/* The reserve is held, but in nobody's hands. */
static int mempool_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct plugin *p = self;
    struct sb_list *link;
    sb_mm_snapshot(&p->mm, snapshot);
    sb_slub_snapshot(&p->slub, snapshot);
    sb_list_for_each (link, &p->pools) {
        const struct pool *pool = sb_list_entry(link, struct pool, link);
        snapshot->live -= pool->mempool.curr_nr;
        snapshot->handed_bytes -= (uint64_t)pool->mempool.curr_nr * pool->cache->size;
    }
    return 0;
}

static int mempool_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_slub_dump(&((struct plugin *)self)->slub, file, sink);
}

static int mempool_check(void *self, char *why, size_t why_size)
{
    struct plugin *p = self;
    struct sb_list *link;
    int status = sb_slub_check(&p->slub, why, why_size);
    if (status)
        return status;
    sb_list_for_each (link, &p->pools) {
        const struct pool *pool = sb_list_entry(link, struct pool, link);
        if (pool->mempool.curr_nr > pool->mempool.min_nr)
            return sb_check_failed(why, why_size, "mempool %s: %u elements in a reserve of %u",
                                   pool->cache->name, pool->mempool.curr_nr, pool->mempool.min_nr);
        for (uint32_t i = 0; i < pool->mempool.curr_nr; i++) {
            if (sb_virt_to_page(&p->mm, pool->mempool.elements[i])->head->cache != pool->cache)
                return sb_check_failed(why, why_size,
                                       "mempool %s: element %u of the reserve is not of its cache",
                                       pool->cache->name, i);
        }
    }
    return 0;
}

static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .create = pool_create,
    .alloc = pool_alloc,
    .free = pool_free,
    .destroy = pool_destroy,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "mempool",
    .summary = "slub caches with a reserve that serves when the pages are gone",
    .models = "mm/mempool.c, Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = mempool_open,
    .close = mempool_close,
    .snapshot = mempool_snapshot,
    .dump = mempool_dump,
    .dump_files = "buddyinfo slabinfo",
    .check = mempool_check,
    .cache = &cache,
};
