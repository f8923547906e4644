/*
 * pages: blocks by struct page, as the page cache and drivers take them.
 *
 * LDD3, chapter 8: alloc_pages gives a struct page, which need not have an address; kmap gives it one for a while, and
 * __free_pages takes it back, or free_hot_page and free_cold_page (until 2.6.16), of which the second says that the
 * page is not in this CPU's cache. With GFP_HIGHUSER and an allocator's zone HighMem each use of a page is a mapping.
 *
 * An operation is one block allocated, its first page written through kmap, read back through kmap, and freed.
 */
#include "held.h"

#include <stdio.h>
#include <string.h>

enum { OPTION_ORDER, OPTION_COUNT, OPTION_GFP, OPTION_ACCESS, OPTION_FREE, OPTION_BATCH, OPTIONS };
enum access { ACCESS_NONE, ACCESS_KMAP };
enum free_call { FREE_PAGES, FREE_COLD };
enum { COUNT_KMAPS, COUNT_HIGH, COUNTS };

static const char *const accesses[] = {"none", "kmap", NULL};
static const char *const frees[] = {"pages", "cold", NULL};
static const char *const counters[COUNTS] = {"kmaps", "high_pages"};

static const struct sb_option options[OPTIONS] = {
    [OPTION_ORDER] = {"order", SB_OPTION_INT, 0, "0", 0, SB_MAX_ORDER, NULL, "a block is 2^order pages"},
    [OPTION_COUNT] = {"count", SB_OPTION_INT, 0, "1000", 1, 100000000, NULL, "blocks of each thread that live at once"},
    [OPTION_GFP] = {"gfp", SB_OPTION_GFP, 0, "GFP_HIGHUSER", 0, 0, NULL, "with which blocks are asked for"},
    [OPTION_ACCESS] = {"access", SB_OPTION_ENUM, 0, "kmap", 0, 0, accesses,
                       "whether the first page of a block is written and read, each time between kmap and kunmap"},
    [OPTION_FREE] =
        {"free", SB_OPTION_ENUM, 0, "pages", 0, 0, frees,
         "what gives blocks back: __free_pages, which for a single page is free_hot_page, or free_cold_page; "
         "cold needs order = 0"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "512", 1, 65536, NULL,
                      "calls of a step, timed together between two readings of the clock"},
};

struct pages {
    const struct sb_pages_ops *ops;
    unsigned order;
    sb_gfp_t gfp;
    enum access access;
    void (*free_page)(void *self, struct sb_page *page); /* NULL: free_pages */
    char *direct_map;                                    /* address of frame 0, where there is one */
};

static const struct pages *pages_of(const struct held_stream *s)
{
    return s->held->own;
}

static struct sb_page *page_at(const struct held_stream *s, uint64_t i)
{
    return s->blocks[i];
}

static void *pages_take(struct held_stream *s, uint64_t i)
{
    const struct pages *p = pages_of(s);
    (void)i;
    return p->ops->alloc_pages(s->held->bench->self, -1, p->gfp, p->order);
}

static void pages_give(struct held_stream *s, uint64_t i)
{
    const struct pages *p = pages_of(s);
    if (p->free_page)
        p->free_page(s->held->bench->self, page_at(s, i));
    else
        p->ops->free_pages(s->held->bench->self, page_at(s, i), p->order);
}

/* Whether a page's address, or its lack of one, is not that of its frame. */
static bool is_high(const struct held *h, struct sb_page *page, const void *at)
{
    const struct pages *p = h->own;
    return p->direct_map && at != p->direct_map + p->ops->page_to_pfn(h->bench->self, page) * SB_PAGE_SIZE;
}

static void *address_of(const struct held *h, struct sb_page *page)
{
    return ((const struct pages *)h->own)->ops->page_address(h->bench->self, page);
}

/* By a page that has an address of its own. */
static char *find_direct_map(const struct sb_bench *bench, const struct sb_pages_ops *ops)
{
    char *at = ops->get_free_pages(bench->self, SB_GFP_KERNEL, 0);
    if (!at)
        return NULL;
    uint64_t pfn = ops->page_to_pfn(bench->self, ops->virt_to_page(bench->self, at));
    ops->free_pages_at(bench->self, at, 0);
    return at - pfn * SB_PAGE_SIZE;
}

/* Without a kmap every page has an address. NULL: the host has been told. */
static uint64_t *map(struct held_stream *s, uint64_t i)
{
    const struct pages *p = pages_of(s);
    const struct sb_bench *bench = s->held->bench;
    void *at =
        p->ops->kmap ? p->ops->kmap(bench->self, page_at(s, i)) : p->ops->page_address(bench->self, page_at(s, i));
    s->counts->counters[COUNT_KMAPS] += p->ops->kmap != NULL;
    if (!at)
        bench->fail(bench->context, "thread %u: a page has no address: %s gave NULL", s->thread,
                    p->ops->kmap ? "kmap" : "page_address, and there is no kmap,");
    return at;
}

static void unmap(const struct held_stream *s, uint64_t i)
{
    const struct pages *p = pages_of(s);
    if (p->ops->kunmap)
        p->ops->kunmap(s->held->bench->self, page_at(s, i));
}

enum { LAST_WORD = SB_PAGE_SIZE / sizeof(uint64_t) - 1 };

static int pages_use(struct held_stream *s, uint64_t i)
{
    if (pages_of(s)->access == ACCESS_NONE)
        return 0;
    uint64_t *at = map(s, i);
    if (!at)
        return -ENOMEM;
    s->counts->counters[COUNT_HIGH] += is_high(s->held, page_at(s, i), at);
    at[0] = at[LAST_WORD] = held_tag(s, i);
    unmap(s, i);
    return 0;
}

static int pages_prove(struct held_stream *s, uint64_t i)
{
    if (pages_of(s)->access == ACCESS_NONE || s->held->bench->allocator->flags & SB_ALLOCATOR_ALIASES)
        return 0;
    const uint64_t *at = map(s, i);
    if (!at)
        return -ENOMEM;
    bool good = at[0] == held_tag(s, i) && at[LAST_WORD] == held_tag(s, i);
    unmap(s, i);
    return good ? 0 : held_bad(s, i);
}

/* A window of kmap is another page's soon: of HighMem the contents alone are compared. */
static const void *pages_address(const struct held_stream *s, uint64_t i)
{
    const void *at = address_of(s->held, page_at(s, i));
    return is_high(s->held, page_at(s, i), at) ? NULL : at;
}

static const struct held_kind kind = {
    .take = pages_take,
    .give = pages_give,
    .use = pages_use,
    .prove = pages_prove,
    .address = pages_address,
    .counted = true,
};

static int pages_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    uint64_t size = SB_PAGE_SIZE << values[OPTION_ORDER].u;
    if (values[OPTION_FREE].u != FREE_PAGES && values[OPTION_ORDER].u) {
        snprintf(why, why_size, "free: free_cold_page takes single pages: order = 0");
        return -EINVAL;
    }
    needs->want = SB_WANT_PAGE_STRUCTS;
    needs->block_size = size;
    needs->live_bytes = size * values[OPTION_COUNT].u;
    needs->cycle_operations = values[OPTION_COUNT].u;
    needs->contents = false;
    return 0;
}

static int pages_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct held *h = NULL;
    if (values[OPTION_FREE].u == FREE_COLD && !bench->allocator->pages->free_cold_page) {
        bench->fail(bench->context, "%s has no free_cold_page", bench->allocator->name);
        return -EOPNOTSUPP;
    }
    int status = held_setup(bench, &kind, values[OPTION_COUNT].u, values[OPTION_BATCH].u, sizeof(struct pages), &h);
    if (status)
        return status;
    struct pages *p = h->own;
    p->ops = bench->allocator->pages;
    p->order = (unsigned)values[OPTION_ORDER].u;
    p->gfp = (sb_gfp_t)values[OPTION_GFP].u;
    p->access = (enum access)values[OPTION_ACCESS].u;
    p->free_page = values[OPTION_FREE].u == FREE_COLD ? p->ops->free_cold_page : NULL;
    p->direct_map = find_direct_map(bench, p->ops);
    h->size = h->align = SB_PAGE_SIZE << p->order;
    *self = h;
    return 0;
}

/* One line a block, as /proc/kpageflags would number them: the frame, and the address where it has one. */
static int pages_dump(void *self, const char *file, const struct sb_sink *sink)
{
    const struct held *h = self;
    const struct pages *p = h->own;
    if (strcmp(file, "pages"))
        return -ENOENT;
    for (uint32_t t = 0; t < h->bench->threads; t++) {
        const struct held_stream *s = h->streams[t];
        for (uint64_t i = s->freeing ? s->at : 0; i < (s->freeing ? h->count : s->at); i++) {
            char line[96];
            int n = snprintf(line, sizeof(line), "page %8llu order %u %s\n",
                             (unsigned long long)p->ops->page_to_pfn(h->bench->self, page_at(s, i)), p->order,
                             is_high(h, page_at(s, i), address_of(h, page_at(s, i))) ? "high, by kmap" : "low");
            sink->write(sink->context, line, (size_t)n);
        }
    }
    return 0;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "pages",
    .summary = "blocks by struct page, used through kmap, freed hot or cold",
    .models = "alloc_pages, kmap and __free_pages of LDD3, chapter 8",
    .options = options,
    .option_count = OPTIONS,
    .counter_count = COUNTS,
    .counters = counters,
    .operation = "a block allocated, used and freed",
    .needs = pages_needs,
    .setup = pages_setup,
    .thread_setup = held_thread_setup,
    .step = held_step,
    .verify = held_verify,
    .account = held_account,
    .dump = pages_dump,
    .dump_files = "pages",
    .thread_teardown = held_thread_teardown,
    .teardown = held_teardown,
};
