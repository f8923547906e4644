/*
 * mempool as a plugin: each cache is a pool with a reserve, over slub or over page blocks, and with an array
 * of elements per CPU in front if asked for. See mm/mempool.c.
 */
#include "../mm/mempool.h"
#include "../mm/slub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_PERCPU = SB_MM_OPTIONS, OPTION_MIN_NR, OPTION_BACKING, OPTION_CACHE, OPTION_MAX_WAIT };
enum backing { BACKING_SLUB, BACKING_PAGES };

static const char *const backings[] = {"slub", "pages", NULL};

static const struct sb_option options[] = {
    SB_MM_OPTION_ROWS,
    [OPTION_PERCPU] = SB_SLUB_OPTION_PERCPU,
    [OPTION_MIN_NR] = {"min_nr", SB_OPTION_INT, 0, "16", 1, 1000000, NULL, "elements that every pool holds in reserve"},
    [OPTION_BACKING] = {"backing", SB_OPTION_ENUM, 0, "slub", 0, 0, backings,
                        "what elements are made of: objects of a slub cache, or whole page blocks"},
    [OPTION_CACHE] = {"cache", SB_OPTION_INT, 0, "0", 0, 512, NULL,
                      "elements that each CPU keeps in an array in front of the pool, as DPDK's mempool does; "
                      "0: no arrays"},
    [OPTION_MAX_WAIT] = {"max_wait", SB_OPTION_TIME, 0, "1s", 1000, UINT64_C(3600000000000), NULL,
                         "how long an allocation that may sleep waits for an element (the kernel: for ever)"},
};

struct plugin {
    struct sb_mm mm;
    struct sb_slub slub;
    uint32_t min_nr, cache;
    enum backing backing;
    uint64_t max_wait;
    struct sb_list pools, own_pools;
    struct sb_lock lock; /* pools, own_pools */
};

struct pool {
    struct sb_mempool mempool;
    struct sb_mempool_cache front; /* arrays.base is NULL without */
    struct sb_kmem_cache *cache;   /* BACKING_SLUB */
    struct sb_mempool_pages pages; /* BACKING_PAGES */
    atomic_ullong live;            /* BACKING_PAGES: blocks don't know whose they are */
    struct plugin *plugin;
    struct sb_list link;
    char name[64];
    uint32_t size, handed;
};

/* A pool of elements that its user makes. */
struct own_pool {
    struct sb_mempool mempool;
    struct plugin *plugin;
    struct sb_list link;
};

/* mempool_alloc_slab and mempool_free_slab. */
static void *object_alloc(sb_gfp_t gfp, void *cache)
{
    return sb_cache_alloc(cache, gfp);
}

static void object_free(void *element, void *cache)
{
    sb_cache_free(cache, element);
}

/* Elements in the arrays are the pool's to give, so pressure takes them. */
static void drain_fronts(void *owner)
{
    struct plugin *p = owner;
    struct sb_list *link;
    sb_lock(&p->lock);
    sb_list_for_each (link, &p->pools) {
        struct pool *pool = sb_list_entry(link, struct pool, link);
        if (pool->front.arrays.base)
            sb_mempool_cache_drain(&pool->front);
    }
    sb_unlock(&p->lock);
}

static void mempool_close(void *self)
{
    struct plugin *p = self;
    /* Pools that users forgot: close gives back all the same. */
    while (p->slub.mm && !sb_list_empty(&p->pools)) {
        struct pool *pool = sb_list_entry(p->pools.next, struct pool, link);
        sb_list_del(&pool->link);
        sb_mempool_cache_exit(&pool->front);
        sb_mempool_exit(&pool->mempool);
        free(pool);
    }
    /* Reserves that users forgot are gone with the functions that made their elements. */
    while (p->slub.mm && !sb_list_empty(&p->own_pools)) {
        struct own_pool *pool = sb_list_entry(p->own_pools.next, struct own_pool, link);
        sb_list_del(&pool->link);
        pool->mempool.curr_nr = 0;
        sb_mempool_exit(&pool->mempool);
        free(pool);
    }
    sb_slub_exit(&p->slub);
    sb_mm_exit(&p->mm);
    free(p);
}

static int mempool_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct plugin *p = calloc(1, sizeof(*p));
    if (p)
        sb_lock_init(&p->lock, SB_RANK_POOLS);
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = p ? sb_mm_init(&p->mm, host, &config) : -ENOMEM;
    if (status) {
        if (p)
            mempool_close(p);
        return status;
    }
    sb_list_init(&p->pools);
    sb_list_init(&p->own_pools);
    /* Before slub's: what the arrays give back must be there for it to find. */
    sb_register_shrinker(&p->mm, drain_fronts, p);
    sb_slub_init(&p->slub, &p->mm, &(struct sb_slub_config){.percpu = values[OPTION_PERCPU].u});
    p->min_nr = (uint32_t)values[OPTION_MIN_NR].u;
    p->backing = (enum backing)values[OPTION_BACKING].u;
    p->cache = (uint32_t)values[OPTION_CACHE].u;
    p->max_wait = values[OPTION_MAX_WAIT].u;
    *self = p;
    return 0;
}

/* The backing, then the reserve out of it, then the arrays. */
static int make_pool(struct plugin *p, struct pool *pool, size_t size, size_t align, uint32_t flags,
                     void (*ctor)(void *), uint32_t min_nr)
{
    int status = 0;
    if (p->backing == BACKING_PAGES) {
        pool->pages = (struct sb_mempool_pages){&p->mm, sb_get_order(size > align ? size : align)};
        pool->handed = (uint32_t)(SB_PAGE_SIZE << pool->pages.order);
        /* Pages have no constructor: there is no state for one to last in. */
        status = ctor ? -EINVAL
                      : sb_mempool_init(&pool->mempool, min_nr, sb_mempool_alloc_pages, sb_mempool_free_pages,
                                        &pool->pages, p->max_wait);
    } else {
        status = sb_cache_create(&p->slub, pool->name, size, align, flags, ctor, &pool->cache);
        if (!status) {
            pool->handed = pool->cache->size;
            status = sb_mempool_init(&pool->mempool, min_nr, object_alloc, object_free, pool->cache, p->max_wait);
        }
    }
    if (!status && p->cache) {
        status = sb_mempool_cache_init(&pool->front, &pool->mempool, p->mm.nr_cpus, p->cache, p->mm.rseq);
        if (status)
            sb_mempool_exit(&pool->mempool);
    }
    if (status == -ENOMEM)
        p->mm.host->fail(p->mm.host->context, "mempool: no memory for the reserve of %u elements of %zu bytes", min_nr,
                         size);
    if (status && pool->cache)
        sb_cache_destroy(pool->cache);
    return status;
}

/* A caller's own `reserve` counts if it is larger than the option. */
static int pool_create(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *),
                       uint32_t reserve, void **out)
{
    struct plugin *p = self;
    struct pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    /* Longer names are cut: they are for /proc alone. */
    pool->plugin = p;
    pool->size = (uint32_t)size;
    strncat(pool->name, name, sizeof(pool->name) - 1);
    int status = make_pool(p, pool, size, align, flags, ctor, reserve > p->min_nr ? reserve : p->min_nr);
    if (status) {
        free(pool);
        return status;
    }
    sb_lock(&p->lock);
    sb_list_add_tail(&pool->link, &p->pools);
    sb_unlock(&p->lock);
    *out = pool;
    return 0;
}

static void *pool_alloc(void *cache, sb_gfp_t gfp)
{
    struct pool *pool = cache;
    /* The backing must not clear what the reserve would not. */
    sb_gfp_t plain = gfp & ~SB_GFP_ZERO;
    void *element =
        pool->front.arrays.base ? sb_mempool_cache_alloc(&pool->front, plain) : sb_mempool_alloc(&pool->mempool, plain);
    if (element && !pool->cache)
        atomic_fetch_add_explicit(&pool->live, 1, memory_order_relaxed);
    /* Here, not in the backing: an element of the reserve has been used before. */
    if (element && gfp & SB_GFP_ZERO)
        memset(element, 0, pool->size);
    return element;
}

static void pool_free(void *cache, void *object)
{
    struct pool *pool = cache;
    if (!pool->cache)
        atomic_fetch_sub_explicit(&pool->live, 1, memory_order_relaxed);
    if (pool->front.arrays.base)
        sb_mempool_cache_free(&pool->front, object);
    else
        sb_mempool_free(&pool->mempool, object);
}

/* Neither the reserve nor the arrays are live: they are in nobody's hands. */
static uint64_t live_of(const struct pool *pool)
{
    if (!pool->cache)
        return atomic_load(&pool->live);
    return sb_cache_live(pool->cache) - pool->mempool.curr_nr - sb_mempool_cached(&pool->front);
}

static int pool_destroy(void *cache)
{
    struct pool *pool = cache;
    struct plugin *p = pool->plugin;
    /* Both locks: reclaim seizes the arrays under one and the caches' parts under the other. */
    sb_lock(&p->lock);
    sb_lock(&p->slub.lock);
    uint64_t live = live_of(pool);
    sb_unlock(&p->slub.lock);
    if (!live)
        sb_list_del(&pool->link);
    sb_unlock(&p->lock);
    if (live) {
        p->mm.host->fail(p->mm.host->context, "mempool_destroy: pool '%s' still has %llu live elements", pool->name,
                         (unsigned long long)live);
        return -EBUSY;
    }
    sb_mempool_cache_exit(&pool->front);
    sb_mempool_exit(&pool->mempool);
    int status = pool->cache ? sb_cache_destroy(pool->cache) : 0;
    free(pool);
    return status;
}

/* ---- pools of the user's own elements ---- */

static int own_create(void *self, uint32_t min_nr, void *(*alloc)(sb_gfp_t gfp, void *data),
                      void (*free_fn)(void *element, void *data), void *data, void **out)
{
    struct plugin *p = self;
    struct own_pool *pool = calloc(1, sizeof(*pool));
    int status = pool ? sb_mempool_init(&pool->mempool, min_nr, alloc, free_fn, data, p->max_wait) : -ENOMEM;
    if (status) {
        p->mm.host->fail(p->mm.host->context, "mempool: no memory for a reserve of %u elements of one's own", min_nr);
        free(pool);
        return status;
    }
    pool->plugin = p;
    sb_lock(&p->lock);
    sb_list_add_tail(&pool->link, &p->own_pools);
    sb_unlock(&p->lock);
    *out = pool;
    return 0;
}

static void *own_alloc(void *pool, sb_gfp_t gfp)
{
    return sb_mempool_alloc(&((struct own_pool *)pool)->mempool, gfp);
}

static void own_free(void *pool, void *element)
{
    sb_mempool_free(&((struct own_pool *)pool)->mempool, element);
}

static int own_resize(void *pool, uint32_t min_nr)
{
    return sb_mempool_resize(&((struct own_pool *)pool)->mempool, min_nr);
}

static void own_destroy(void *self)
{
    struct own_pool *pool = self;
    sb_lock(&pool->plugin->lock);
    sb_list_del(&pool->link);
    sb_unlock(&pool->plugin->lock);
    sb_mempool_exit(&pool->mempool);
    free(pool);
}

static int mempool_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct plugin *p = self;
    const struct sb_list *link;
    sb_mm_snapshot(&p->mm, snapshot);
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    sb_list_for_each (link, &p->pools) {
        const struct pool *pool = sb_list_entry(link, struct pool, link);
        snapshot->live += live_of(pool);
        snapshot->handed_bytes += live_of(pool) * pool->handed;
        snapshot->metadata_bytes +=
            sizeof(*pool) + pool->mempool.min_nr * sizeof(void *) + sb_stacks_bytes(&pool->front.arrays);
    }
    sb_list_for_each (link, &p->own_pools) {
        const struct own_pool *pool = sb_list_entry(link, struct own_pool, link);
        snapshot->metadata_bytes += sizeof(*pool) + pool->mempool.min_nr * sizeof(void *);
    }
    return 0;
}

static int mempool_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_slub_dump(&((struct plugin *)self)->slub, file, sink);
}

/* What the reserve holds must be allocated from the backing, or a user would get what somebody else has. */
static int check_pool(struct plugin *p, const struct pool *pool, char *why, size_t why_size)
{
    const struct sb_mempool *m = &pool->mempool;
    if (m->curr_nr > m->min_nr)
        return sb_check_failed(why, why_size, "mempool %s: %u elements in a reserve of %u", pool->name, m->curr_nr,
                               m->min_nr);
    for (uint32_t i = 0; i < m->curr_nr; i++) {
        const struct sb_page *page = sb_virt_to_head(&p->mm, m->elements[i]);
        if (!page || sb_page_flags(page) != SB_PG_ALLOCATED || page->owner != pool->cache)
            return sb_check_failed(why, why_size, "mempool %s: element %u of the reserve is not of its backing",
                                   pool->name, i);
    }
    return 0;
}

static int mempool_check(void *self, char *why, size_t why_size)
{
    struct plugin *p = self;
    const struct sb_list *link;
    int status = sb_slub_check(&p->slub, why, why_size);
    sb_list_for_each (link, &p->pools) {
        if (!status)
            status = check_pool(p, sb_list_entry(link, struct pool, link), why, why_size);
    }
    sb_list_for_each (link, &p->own_pools) {
        const struct sb_mempool *m = &sb_list_entry(link, struct own_pool, link)->mempool;
        if (!status && m->curr_nr > m->min_nr)
            status = sb_check_failed(why, why_size, "a mempool of its user's elements has %u in a reserve of %u",
                                     m->curr_nr, m->min_nr);
    }
    return status;
}

static void mempool_shrink(void *self)
{
    sb_mm_reclaim(&((struct plugin *)self)->mm);
}

static const struct sb_pool_ops own = {
    .struct_size = sizeof(own),
    .create = own_create,
    .alloc = own_alloc,
    .free = own_free,
    .resize = own_resize,
    .destroy = own_destroy,
};

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
    .summary = "slub caches or page blocks with a reserve that serves when the pages are gone",
    .models = "mm/mempool.c, Linux 6.1; the option cache: lib/mempool, DPDK 22.11",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = mempool_open,
    .close = mempool_close,
    .snapshot = mempool_snapshot,
    .dump = mempool_dump,
    .dump_files = SB_MM_DUMP_FILES " slabinfo",
    .check = mempool_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = mempool_shrink,
    .cache = &cache,
    .pool = &own,
};
