/*
 * A right allocator of pages, sized blocks, objects and objects in bulk, as simple as can be, and its
 * mutants: each is wrong in one thing, MUTANT, which the conformance gate must see. Pages are found first-fit
 * in a table beside the memory, under one lock; all else is made of pages.
 */
#include "scullbench/allocator.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum mutant {
    RIGHT,
    /* pages */
    PAGES_ALIGN_10,      /* blocks of order 10 lie on a border of 1 MiB */
    PAGES_ALIGN_5,       /* those of order 5 on half of theirs */
    PAGES_ZERO_FIRST,    /* from order 4 up the first page alone is cleared */
    PAGES_ZERO_BY_PAGE,  /* alloc_pages clears nothing */
    PAGES_LEAK_8,        /* orders from 8 up are never freed */
    PAGES_LEAK_BY_PAGE,  /* free_pages frees nothing */
    PAGES_LEAK_HALF,     /* from order 2 up half of a block is freed */
    PAGES_FREE_MORE,     /* of order 3 as much again is freed */
    PAGES_PFN,           /* frame numbers are one too high */
    PAGES_PFN_TAIL,      /* that of a later page is its block's */
    PAGES_VIRT_TAIL,     /* virt_to_page of a later page is its block's */
    PAGES_VIRT_NULL,     /* virt_to_page knows first pages alone */
    PAGES_ADDRESS_TAIL,  /* page_address of a later page is its block's */
    PAGES_NULL,          /* alloc_pages gives nothing */
    PAGES_NULL_NODE,     /* alloc_pages gives nothing of a node */
    PAGES_OVERLAP_4,     /* of blocks of order 4 half is taken off the table */
    PAGES_FREE_BLOCKS,   /* twice as many free blocks as there are */
    PAGES_FREE_BLOCKS_9, /* none of order 9 */
    PAGES_HELD,          /* blocks of order 4 and more aren't held */
    PAGES_LIVE,          /* alloc_pages isn't counted */
    PAGES_HANDED,        /* more is handed out than held */
    PAGES_NODE_IGNORED,
    PAGES_NODE_OTHER,     /* the other node */
    PAGES_NODE_HIGH,      /* honoured up to order 3 */
    PAGES_THISNODE,       /* SB_GFP_THISNODE falls back on others */
    PAGES_NODE_ALONE,     /* nothing falls back on others */
    PAGES_CHECK_BLIND_AT, /* free_pages_at of order 7 loses a page from the table, which check() sees */
    PAGES_KMAP,           /* a page that is mapped a second time shows its neighbour */
    PAGES_INSERT,         /* a user's mapping shows the block's neighbour */
    PAGES_COLD,           /* free_cold_page frees nothing */
    /* sized */
    SIZED_ZERO_BIG,    /* over 256 KiB the second half isn't cleared */
    SIZED_OVERLAP_BIG, /* over 1 MiB half is taken off the table */
    SIZED_ALIGN,       /* alignments over a page aren't, at the sizes where that shows */
    SIZED_USABLE_BIG,  /* over 256 KiB a page more is said to be usable */
    SIZED_LEAK_BIG,    /* over 256 KiB nothing is freed */
    /* caches and bulk */
    CACHE_ALIGN,       /* an alignment of 256 is one of 128 */
    CACHE_SHORT_BIG,   /* objects over 8000 bytes lie 16 bytes too close */
    CACHE_LINK_BEHIND, /* freeing an object over 4096 bytes writes behind it */
    CACHE_ZERO_HALF,   /* objects from 4000 bytes up are cleared by half */
    CACHE_CTOR,        /* the constructor is never called */
    CACHE_CTOR_ONCE,   /* an object loses what the constructor wrote when it is freed */
    CACHE_DESTROY,     /* goes with what lives in it */
    CACHE_DESTROY_NEVER,
    BULK_LESS,  /* n - 1 are given, n said */
    BULK_TWICE, /* the last object is the first */
    BULK_FREE,  /* one is not freed */
    BULK_LIVE,  /* isn't counted */
};

static inline int is(enum mutant m)
{
    return MUTANT == m;
}

/* One for each page; what a block's first page says holds for all of it. */
struct sb_page {
    struct frames *of;
    uint64_t first; /* number of its block's first page */
    uint8_t order;
    uint8_t taken;
    uint32_t mapped; /* kmaps */
};

struct frames {
    const struct sb_host *host;
    pthread_mutex_t lock;
    char *base;
    uint64_t n;
    struct sb_page *pages;
    uint64_t live, held; /* blocks; pages */
    uint64_t untold;     /* pages that the books of a mutant lack */
    struct cache *caches;
};

/* Counted under other locks than the table's, too. */
static void count_live(struct frames *f, int64_t n)
{
    __atomic_fetch_add(&f->live, (uint64_t)n, __ATOMIC_RELAXED);
}

/* ---- pages ---- */

static uint64_t node_begin(const struct frames *f, unsigned node)
{
    uint64_t share = f->n / f->host->nr_nodes & ~((UINT64_C(1) << SB_MAX_ORDER) - 1);
    return node >= f->host->nr_nodes ? f->n : node * share;
}

static int is_free(const struct frames *f, uint64_t at, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (f->pages[at + i].taken)
            return 0;
    }
    return 1;
}

static struct sb_page *find_in(struct frames *f, unsigned node, unsigned order)
{
    uint64_t count = UINT64_C(1) << order, step = count, shift = 0;
    uint64_t end = node + 1 < f->host->nr_nodes ? node_begin(f, node + 1) : f->n;
    if (is(PAGES_ALIGN_10) && order == 10)
        shift = 256;
    if (is(PAGES_ALIGN_5) && order == 5)
        shift = 16;
    for (uint64_t at = node_begin(f, node) + shift; at + count <= end; at += step) {
        if (is_free(f, at, count))
            return &f->pages[at];
    }
    return NULL;
}

static struct sb_page *find_page(struct frames *f, int node, sb_gfp_t gfp, unsigned order)
{
    unsigned nodes = f->host->nr_nodes;
    int any = node < 0;
    if (is(PAGES_NODE_IGNORED) || (is(PAGES_NODE_HIGH) && order > 3))
        any = 1;
    if (is(PAGES_NODE_OTHER) && !any)
        node = (node + 1) % (int)nodes;
    struct sb_page *page = any ? NULL : find_in(f, (unsigned)node, order);
    int stays = (gfp & SB_GFP_THISNODE && !is(PAGES_THISNODE)) || is(PAGES_NODE_ALONE);
    for (unsigned i = 0; i < nodes && !page && (any || !stays); i++)
        page = find_in(f, i, order);
    return page;
}

static uint64_t number(const struct sb_page *page)
{
    return (uint64_t)(page - page->of->pages);
}

static char *address(const struct sb_page *page)
{
    return page->of->base + number(page) * SB_PAGE_SIZE;
}

static void take(struct frames *f, struct sb_page *page, unsigned order, int counted)
{
    uint64_t count = UINT64_C(1) << order, off = count;
    if ((is(PAGES_OVERLAP_4) && order == 4) || (is(SIZED_OVERLAP_BIG) && order == 10 && !counted))
        off = count / 2;
    for (uint64_t i = 0; i < count; i++) {
        page[i].first = number(page);
        page[i].order = (uint8_t)order;
        page[i].taken |= i < off;
    }
    f->held += count;
    if (is(PAGES_HELD) && order >= 4)
        f->untold += count;
}

static struct sb_page *alloc_block(struct frames *f, int node, sb_gfp_t gfp, unsigned order, int counted)
{
    if (order > SB_MAX_ORDER)
        return NULL;
    pthread_mutex_lock(&f->lock);
    struct sb_page *page = find_page(f, node, gfp, order);
    if (page)
        take(f, page, order, counted);
    if (page && counted)
        count_live(f, 1);
    pthread_mutex_unlock(&f->lock);
    if (page && gfp & SB_GFP_ZERO)
        memset(address(page), 0, is(PAGES_ZERO_FIRST) && order >= 4 ? SB_PAGE_SIZE : SB_PAGE_SIZE << order);
    return page;
}

static void free_block(struct sb_page *page, unsigned order, int counted)
{
    struct frames *f = page->of;
    uint64_t count = UINT64_C(1) << order, off = count;
    pthread_mutex_lock(&f->lock);
    if (counted)
        count_live(f, -1);
    if (is(PAGES_LEAK_8) && order >= 8)
        goto out;
    if (is(PAGES_LEAK_HALF) && order >= 2)
        off = count / 2;
    if (is(PAGES_FREE_MORE) && order == 3 && number(page) + 2 * count <= f->n)
        off = 2 * count;
    for (uint64_t i = 0; i < off; i++)
        page[i].taken = 0;
    f->held -= count;
    if (is(PAGES_HELD) && order >= 4)
        f->untold -= count;
out:
    pthread_mutex_unlock(&f->lock);
}

static struct sb_page *mutant_alloc_pages(void *self, int node, sb_gfp_t gfp, unsigned order)
{
    struct frames *f = self;
    if (is(PAGES_NULL) || (is(PAGES_NULL_NODE) && node >= 0))
        return NULL;
    struct sb_page *page = alloc_block(f, node, is(PAGES_ZERO_BY_PAGE) ? gfp & ~SB_GFP_ZERO : gfp, order, 1);
    if (is(PAGES_LIVE) && page)
        count_live(f, -1);
    return page;
}

static void mutant_free_pages(void *self, struct sb_page *page, unsigned order)
{
    (void)self;
    if (!is(PAGES_LEAK_BY_PAGE))
        free_block(page, order, 1);
}

static void *mutant_page_address(void *self, struct sb_page *page)
{
    (void)self;
    return is(PAGES_ADDRESS_TAIL) ? address(&page->of->pages[page->first]) : address(page);
}

static struct sb_page *mutant_virt_to_page(void *self, void *at)
{
    struct frames *f = self;
    struct sb_page *page = &f->pages[(uint64_t)((char *)at - f->base) / SB_PAGE_SIZE];
    if (is(PAGES_VIRT_TAIL))
        return &f->pages[page->first];
    return is(PAGES_VIRT_NULL) && page->first != number(page) ? NULL : page;
}

static uint64_t mutant_page_to_pfn(void *self, struct sb_page *page)
{
    (void)self;
    return is(PAGES_PFN_TAIL) ? page->first : number(page) + (uint64_t)is(PAGES_PFN);
}

static void *mutant_get_free_pages(void *self, sb_gfp_t gfp, unsigned order)
{
    struct sb_page *page = alloc_block(self, -1, gfp, order, 1);
    return page ? address(page) : NULL;
}

static void mutant_free_pages_at(void *self, void *at, unsigned order)
{
    struct frames *f = self;
    struct sb_page *page = &f->pages[(uint64_t)((char *)at - f->base) / SB_PAGE_SIZE];
    free_block(page, order, 1);
    if (is(PAGES_CHECK_BLIND_AT) && order == 7)
        __atomic_fetch_add(&f->held, 1, __ATOMIC_RELAXED);
}

static void mutant_free_cold_page(void *self, struct sb_page *page)
{
    (void)self;
    if (!is(PAGES_COLD))
        free_block(page, 0, 1);
}

/* Its pages all have addresses. */
static void *mutant_kmap(void *self, struct sb_page *page)
{
    (void)self;
    uint32_t n = __atomic_fetch_add(&page->mapped, 1, __ATOMIC_RELAXED);
    return address(page) + (is(PAGES_KMAP) && n ? SB_PAGE_SIZE : 0);
}

static void mutant_kunmap(void *self, struct sb_page *page)
{
    (void)self;
    __atomic_fetch_sub(&page->mapped, 1, __ATOMIC_RELAXED);
}

static int mutant_insert_page(void *self, struct sb_page *page, void *at)
{
    const struct frames *f = self;
    off_t offset = (off_t)((number(page) + (uint64_t)is(PAGES_INSERT)) * SB_PAGE_SIZE);
    void *got = mmap(at, SB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f->host->memory_fd, offset);
    return got == MAP_FAILED ? -errno : 0;
}

/* ---- sized blocks: whole pages ---- */

static const uint64_t big = UINT64_C(256) << 10;

static void *mutant_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    unsigned order = sb_get_order(size > align ? size : align);
    struct sb_page *page = order > SB_MAX_ORDER ? NULL : alloc_block(self, -1, 0, order, 0);
    if (!page)
        return NULL;
    count_live(page->of, 1);
    char *at = address(page);
    if (gfp & SB_GFP_ZERO)
        memset(at, 0, is(SIZED_ZERO_BIG) && size > big ? size / 2 : size);
    /* There is room only where the block is larger than what was asked for. */
    return is(SIZED_ALIGN) && align == 4096 && size <= 2048 ? at + 2048 : at;
}

static void mutant_free(void *self, void *at, size_t size)
{
    struct frames *f = self;
    if (!at)
        return;
    struct sb_page *page = &f->pages[(uint64_t)((char *)at - f->base) / SB_PAGE_SIZE];
    count_live(f, -1);
    if (!(is(SIZED_LEAK_BIG) && size > big))
        free_block(page, page->order, 0);
}

static size_t mutant_usable(void *self, void *at)
{
    struct frames *f = self;
    struct sb_page *page = &f->pages[(uint64_t)((char *)at - f->base) / SB_PAGE_SIZE];
    size_t size = SB_PAGE_SIZE << page->order;
    if (is(SIZED_ALIGN) && (uintptr_t)at % SB_PAGE_SIZE)
        return size - 2048;
    return size + (is(SIZED_USABLE_BIG) && size > big ? SB_PAGE_SIZE : 0);
}

/* ---- caches: a block of pages holds objects; what is free stands in an array ---- */

struct cache {
    struct frames *of;
    pthread_mutex_t lock;
    size_t size, stride;
    unsigned order;
    void (*ctor)(void *object);
    void **free;
    size_t n, capacity, live;
    struct sb_page **slabs;
    size_t slab_count;
    struct cache *next;
};

static int mutant_create(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                         void (*ctor)(void *object), uint32_t reserve, void **cache)
{
    struct cache *c = calloc(1, sizeof(*c));
    (void)name;
    (void)reserve;
    if (!c)
        return -ENOMEM;
    if (flags & SB_SLAB_HWCACHE_ALIGN && align < 64)
        align = 64;
    if (align < 8)
        align = 8;
    if (is(CACHE_ALIGN) && align == 256)
        align = 128;
    c->of = self;
    c->size = size;
    c->stride = (size + align - 1) / align * align;
    if (is(CACHE_SHORT_BIG) && size > 8000)
        c->stride -= 16;
    c->order = sb_get_order(4 * size);
    c->next = c->of->caches;
    c->of->caches = c;
    c->ctor = is(CACHE_CTOR) ? NULL : ctor;
    pthread_mutex_init(&c->lock, NULL);
    *cache = c;
    return 0;
}

/* The last object needs its own bytes alone. */
static int grow(struct cache *c)
{
    struct sb_page *page = alloc_block(c->of, -1, 0, c->order, 0);
    size_t bytes = SB_PAGE_SIZE << c->order, more = bytes / c->stride;
    if (!page)
        return 0;
    c->free = realloc(c->free, (c->capacity + more) * sizeof(*c->free));
    c->slabs = realloc(c->slabs, (c->slab_count + 1) * sizeof(struct sb_page *));
    if (!c->free || !c->slabs)
        abort();
    c->slabs[c->slab_count++] = page;
    c->capacity += more;
    for (size_t i = 0; i < more; i++) {
        c->free[c->n++] = address(page) + i * c->stride;
        if (c->ctor)
            c->ctor(c->free[c->n - 1]);
    }
    return 1;
}

static void *mutant_cache_alloc(void *cache, sb_gfp_t gfp)
{
    struct cache *c = cache;
    pthread_mutex_lock(&c->lock);
    char *object = c->n || grow(c) ? c->free[--c->n] : NULL;
    if (object) {
        c->live++;
        count_live(c->of, 1);
    }
    pthread_mutex_unlock(&c->lock);
    if (object && gfp & SB_GFP_ZERO)
        memset(object, 0, is(CACHE_ZERO_HALF) && c->size >= 4000 ? c->size / 2 : c->size);
    return object;
}

static void mutant_cache_free(void *cache, void *object)
{
    struct cache *c = cache;
    pthread_mutex_lock(&c->lock);
    if (is(CACHE_LINK_BEHIND) && c->size > 4096 && (uintptr_t)object % (SB_PAGE_SIZE << c->order) == 0)
        memset((char *)object + c->stride, 0, 8);
    if (is(CACHE_CTOR_ONCE))
        memset(object, 0, 8);
    c->free[c->n++] = object;
    c->live--;
    count_live(c->of, -1);
    pthread_mutex_unlock(&c->lock);
}

static void free_cache(struct cache *c)
{
    struct cache **link = &c->of->caches;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    for (size_t i = 0; i < c->slab_count; i++)
        free_block(c->slabs[i], c->order, 0);
    free(c->slabs);
    free(c->free);
    free(c);
}

static int mutant_destroy(void *cache)
{
    struct cache *c = cache;
    if ((c->live && !is(CACHE_DESTROY)) || is(CACHE_DESTROY_NEVER))
        return -EBUSY;
    free_cache(c);
    return 0;
}

static size_t mutant_alloc_bulk(void *cache, sb_gfp_t gfp, size_t n, void **objects)
{
    struct cache *c = cache;
    size_t got = 0;
    while (got < n && (objects[got] = mutant_cache_alloc(cache, gfp)))
        got++;
    if (got < n) {
        while (got)
            mutant_cache_free(cache, objects[--got]);
        return 0;
    }
    if (is(BULK_LESS))
        objects[n - 1] = NULL;
    if (is(BULK_TWICE))
        objects[n - 1] = objects[0];
    if (is(BULK_LIVE))
        count_live(c->of, -(int64_t)n);
    return n;
}

static void mutant_free_bulk(void *cache, size_t n, void **objects)
{
    for (size_t i = is(BULK_FREE); i < n; i++)
        mutant_cache_free(cache, objects[i]);
}

/* ---- the rest ---- */

static int mutant_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    struct frames *f = calloc(1, sizeof(*f));
    (void)options;
    f->host = host;
    f->base = host->memory;
    f->n = host->memory_size / SB_PAGE_SIZE;
    f->pages = calloc(f->n, sizeof(*f->pages));
    pthread_mutex_init(&f->lock, NULL);
    for (uint64_t i = 0; i < f->n; i++)
        f->pages[i].of = f;
    *self = f;
    return 0;
}

static void mutant_close(void *self)
{
    struct frames *f = self;
    while (f->caches)
        free_cache(f->caches);
    free(f->pages);
    free(f);
}

static int mutant_snapshot(void *self, struct sb_snapshot *s)
{
    struct frames *f = self;
    s->has = SB_HAS_LIVE | SB_HAS_HELD | SB_HAS_FREE_BLOCKS | (is(PAGES_HANDED) ? SB_HAS_HANDED : 0);
    s->live = f->live;
    s->held_bytes = (f->held - f->untold) * SB_PAGE_SIZE;
    s->handed_bytes = 2 * s->held_bytes;
    memset(s->free_blocks, 0, sizeof(s->free_blocks));
    for (uint64_t at = 0; at < f->n;) {
        unsigned order = SB_MAX_ORDER;
        while (order && (at % (UINT64_C(1) << order) || at + (UINT64_C(1) << order) > f->n ||
                         !is_free(f, at, UINT64_C(1) << order)))
            order--;
        s->free_blocks[order] += !f->pages[at].taken;
        at += UINT64_C(1) << order;
    }
    for (unsigned order = 0; order < SB_NR_ORDERS; order++)
        s->free_blocks[order] *= 1 + (uint64_t)is(PAGES_FREE_BLOCKS);
    if (is(PAGES_FREE_BLOCKS_9))
        s->free_blocks[9] = 0;
    return 0;
}

static int mutant_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int mutant_check(void *self, char *why, size_t why_size)
{
    struct frames *f = self;
    uint64_t taken = 0;
    for (uint64_t i = 0; i < f->n; i++)
        taken += f->pages[i].taken;
    (void)why;
    (void)why_size;
    /* Of mutants that break the table itself others are to speak. */
    return is(PAGES_CHECK_BLIND_AT) && taken != f->held ? -EUCLEAN : 0;
}

static const struct sb_pages_ops pages = {
    .struct_size = sizeof(pages),
    .alloc_pages = mutant_alloc_pages,
    .free_pages = mutant_free_pages,
    .page_address = mutant_page_address,
    .virt_to_page = mutant_virt_to_page,
    .page_to_pfn = mutant_page_to_pfn,
    .get_free_pages = mutant_get_free_pages,
    .free_pages_at = mutant_free_pages_at,
    .free_cold_page = mutant_free_cold_page,
    .kmap = mutant_kmap,
    .kunmap = mutant_kunmap,
    .insert_page = mutant_insert_page,
};
static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .alloc = mutant_alloc,
    .free = mutant_free,
    .usable = mutant_usable,
};
static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    .max_size = 65536,
    .create = mutant_create,
    .alloc = mutant_cache_alloc,
    .free = mutant_cache_free,
    .destroy = mutant_destroy,
};
static const struct sb_bulk_ops bulk = {
    .struct_size = sizeof(bulk),
    .alloc_bulk = mutant_alloc_bulk,
    .free_bulk = mutant_free_bulk,
};

/* Each has the interface that it is wrong in alone, as a plugin of one interface would; the right one has
 * all. */
const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = NAME,
    .summary = "a right allocator but for one thing",
    .models = "",
    .open = mutant_open,
    .close = mutant_close,
    .snapshot = mutant_snapshot,
    .dump = mutant_dump,
    .check = mutant_check,
    .pages = MUTANT == RIGHT || MUTANT < SIZED_ZERO_BIG ? &pages : NULL,
    .sized = MUTANT == RIGHT || (MUTANT >= SIZED_ZERO_BIG && MUTANT < CACHE_ALIGN) ? &sized : NULL,
    .cache = MUTANT == RIGHT || MUTANT >= CACHE_ALIGN ? &cache : NULL,
    .bulk = MUTANT == RIGHT || MUTANT >= CACHE_ALIGN ? &bulk : NULL,
    .claims = SB_CLAIM_NODES,
};
