/*
 * A block of pages has three names: its struct page, its address and its frame number. Whoever offers the
 * first must have them agree, serve by it as well as by address, and take back by one what was given by the
 * other. On nodes pages lie where they were asked for, of those who claim that.
 */
#include "check/properties.h"

#include "base/units.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_HELD = 128 };

/* A block in our hands. */
struct held {
    struct sb_page *page;
    char *at;
    uint64_t size, tag;
};

struct pages {
    struct sb_world *w;
    const struct sb_pages_ops *ops;
    struct sb_finding *f;
    struct sb_random random;
    struct held held[MOST_HELD];
    size_t n;
    uint64_t by_page, by_address, refused; /* served by alloc_pages, by get_free_pages; NULL of the former */
};

static bool fine(const struct pages *p)
{
    return p->f->result == SB_CHECK_PASS;
}

/* One page of a block, by all its names. */
static void judge_page(struct pages *p, const struct held *h, uint64_t in)
{
    char *at = h->at + in, *base = p->w->memory.base;
    struct sb_page *page = in ? p->ops->virt_to_page(p->w->self, at) : h->page;
    unsigned long long size = h->size;
    if (!page || p->ops->virt_to_page(p->w->self, at) != page) {
        sb_find(p->f, SB_CHECK_FAIL, "virt_to_page of %p, in a block of %llu bytes, is not its page", (void *)at, size);
        return;
    }
    if (p->ops->page_address(p->w->self, page) != at) {
        sb_find(p->f, SB_CHECK_FAIL, "page_address of the page at %p, in a block of %llu bytes, says %p", (void *)at,
                size, p->ops->page_address(p->w->self, page));
        return;
    }
    uint64_t pfn = p->ops->page_to_pfn(p->w->self, page), want = (uint64_t)(at - base) / SB_PAGE_SIZE;
    if (base && pfn != want)
        sb_find(p->f, SB_CHECK_FAIL,
                "page_to_pfn of the page at %p says %llu; it is the machine's page %llu, counted from 0", (void *)at,
                (unsigned long long)pfn, (unsigned long long)want);
}

static void judge_held(struct pages *p, const struct held *h, bool zero)
{
    const char *base = p->w->memory.base;
    unsigned long long size = h->size;
    if ((uintptr_t)h->at % h->size)
        sb_find(p->f, SB_CHECK_FAIL, "%llu bytes at %p are not aligned to their size", size, (void *)h->at);
    else if (base && (h->at < base || h->at + h->size > base + p->w->memory.size))
        sb_find(p->f, SB_CHECK_FAIL, "%llu bytes at %p lie outside of the machine's memory", size, (void *)h->at);
    for (size_t i = 0; i < p->n && fine(p); i++) {
        const struct held *other = &p->held[i];
        if (h->at < other->at + other->size && other->at < h->at + h->size)
            sb_find(p->f, SB_CHECK_FAIL, "%llu bytes at %p overlap a live block of %llu bytes at %p", size,
                    (void *)h->at, (unsigned long long)other->size, (void *)other->at);
    }
    if (zero && fine(p) && !sb_is_zero(h->at, h->size))
        sb_find(p->f, SB_CHECK_FAIL, "%llu bytes at %p are not all zero, as was asked for", size, (void *)h->at);
    if (fine(p))
        judge_page(p, h, 0);
    if (fine(p))
        judge_page(p, h, h->size - SB_PAGE_SIZE);
    if (fine(p))
        judge_page(p, h, sb_random_below(&p->random, h->size / SB_PAGE_SIZE) * SB_PAGE_SIZE);
}

static void mark(const struct held *h)
{
    memset(h->at, 0x5a, h->size);
    memcpy(h->at, &h->tag, sizeof(h->tag));
    memcpy(h->at + h->size - sizeof(h->tag), &h->tag, sizeof(h->tag));
}

static bool marked(const struct held *h)
{
    return !memcmp(h->at, &h->tag, sizeof(h->tag)) &&
           !memcmp(h->at + h->size - sizeof(h->tag), &h->tag, sizeof(h->tag));
}

/* By page or by address, of any node or of one. */
static void take_one(struct pages *p)
{
    struct held *h = &p->held[p->n];
    *h = (struct held){.size = sb_draw_pages(&p->random, SB_PAGE_SIZE << SB_MAX_ORDER),
                       .tag = sb_random_next(&p->random)};
    unsigned order = sb_get_order(h->size);
    bool zero = sb_random_below(&p->random, 2), by_page = sb_random_below(&p->random, 2);
    int node = (int)sb_random_below(&p->random, p->w->host.nr_nodes + 1) - 1;
    sb_gfp_t gfp = SB_GFP_KERNEL | SB_GFP_NOWARN | (zero ? SB_GFP_ZERO : 0);
    if (by_page)
        h->page = p->ops->alloc_pages(p->w->self, node, gfp, order);
    else
        h->at = p->ops->get_free_pages(p->w->self, gfp, order);
    if (!h->page && !h->at) {
        p->refused += by_page;
        return;
    }
    p->by_page += by_page;
    p->by_address += !by_page;
    if (by_page)
        h->at = p->ops->page_address(p->w->self, h->page);
    else
        h->page = p->ops->virt_to_page(p->w->self, h->at);
    if (!h->at || !h->page) {
        sb_find(p->f, SB_CHECK_FAIL, "%s of a block of %llu bytes that was just given out is NULL",
                by_page ? "page_address" : "virt_to_page", (unsigned long long)h->size);
        return;
    }
    judge_held(p, h, zero);
    if (fine(p)) {
        mark(h);
        p->n++;
    }
}

static void give_one(struct pages *p)
{
    size_t i = sb_random_below(&p->random, p->n);
    struct held h = p->held[i];
    unsigned order = sb_get_order(h.size);
    p->held[i] = p->held[--p->n];
    if (!marked(&h))
        sb_find(p->f, SB_CHECK_FAIL, "a block of %llu bytes at %p no longer holds what was written into it",
                (unsigned long long)h.size, (void *)h.at);
    else if (sb_random_below(&p->random, 2))
        p->ops->free_pages(p->w->self, h.page, order);
    else
        p->ops->free_pages_at(p->w->self, h.at, order);
}

static void judge_books(struct pages *p)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    char why[256] = "";
    p->w->a->snapshot(p->w->self, &s);
    if (s.has & SB_HAS_LIVE && s.live != p->n)
        sb_find(p->f, SB_CHECK_FAIL, "%zu blocks live, the snapshot says %llu", p->n, (unsigned long long)s.live);
    else if (p->w->a->check(p->w->self, why, sizeof(why)))
        sb_find(p->f, SB_CHECK_FAIL, "check() complains: %s", *why ? why : "without a word");
}

static void try_names(struct pages *p, bool quick)
{
    size_t rounds = quick ? 2000 : 20000;
    for (size_t i = 0; i < rounds && fine(p); i++) {
        /* Fills and empties in turn, so that large blocks have their time. */
        bool fill = i / 256 % 2 == 0;
        if (p->n && (p->n == MOST_HELD || sb_random_below(&p->random, 4) < (fill ? 1 : 3)))
            give_one(p);
        else
            take_one(p);
        if (i % 256 == 255 && fine(p))
            judge_books(p);
    }
    while (p->n && fine(p))
        give_one(p);
    if (fine(p))
        judge_books(p);
    if (fine(p) && !p->by_page && p->refused)
        sb_find(p->f, p->by_address ? SB_CHECK_FAIL : SB_CHECK_UNTESTED,
                p->by_address ? "alloc_pages never gave anything, where get_free_pages did"
                              : "not one block was given");
}

/* ---- kmap, and a user's mapping ---- */

/* More than kmap has windows: those that were unmapped must be dealt out again. */
enum { MAPPED = 1200 };

/* A page's word, through every name it has: kmap twice nested, page_address where there is one, a user's mapping. */
static void judge_mappings(struct pages *p, struct sb_page *page, uint64_t tag, char *user)
{
    uint64_t *at = p->ops->page_address(p->w->self, page), *first = NULL, *second = NULL;
    int status = 0;
    if (p->ops->kmap && p->ops->kunmap) {
        first = p->ops->kmap(p->w->self, page);
        second = p->ops->kmap(p->w->self, page);
        if (!first || !second || *first != tag || *second != tag)
            sb_find(p->f, SB_CHECK_FAIL, "kmap of a page gives %s",
                    first && second ? "an address where another thing stands than was written" : "NULL");
        if (first)
            p->ops->kunmap(p->w->self, page);
        if (second)
            p->ops->kunmap(p->w->self, page);
    }
    if (fine(p) && at && *at != tag)
        sb_find(p->f, SB_CHECK_FAIL, "page_address of a page shows another thing than was written through kmap");
    if (!fine(p) || !p->ops->insert_page)
        return;
    status = p->ops->insert_page(p->w->self, page, user);
    if (status || memcmp(user, &tag, sizeof(tag)))
        sb_find(p->f, SB_CHECK_FAIL, "insert_page %s",
                status ? "fails for a page of a live block" : "maps another page than it was given");
}

/* Pages that need no address, written through kmap, judged, and freed cold. */
static void try_mappings(struct pages *p)
{
    struct sb_page *pages[MAPPED];
    const size_t bytes = SB_PAGE_SIZE;
    char *user = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t n = 0;
    if (user == MAP_FAILED) {
        sb_find(p->f, SB_CHECK_UNTESTED, "the machine: no address for a mapping");
        return;
    }
    while (n < MAPPED && fine(p) &&
           (pages[n] = p->ops->alloc_pages(p->w->self, -1, SB_GFP_HIGHUSER | SB_GFP_NOWARN, 0))) {
        uint64_t *at = p->ops->kmap ? p->ops->kmap(p->w->self, pages[n]) : p->ops->page_address(p->w->self, pages[n]);
        if (at)
            *at = n + 1;
        else
            sb_find(p->f, SB_CHECK_FAIL, "kmap of a page gives NULL");
        if (at && p->ops->kunmap)
            p->ops->kunmap(p->w->self, pages[n]);
        n++;
    }
    for (size_t i = 0; i < n && fine(p); i++)
        judge_mappings(p, pages[i], i + 1, user);
    munmap(user, bytes);
    for (size_t i = 0; i < n; i++) {
        if (p->ops->free_cold_page && i % 2)
            p->ops->free_cold_page(p->w->self, pages[i]);
        else
            p->ops->free_pages(p->w->self, pages[i], 0);
    }
    if (fine(p))
        judge_books(p);
}

/* ---- nodes ---- */

/* Node n's part of the memory, as the host's own header divides it. */
static bool is_on(const struct pages *p, const char *at, unsigned node)
{
    const struct sb_host *host = &p->w->host;
    const char *base = host->memory;
    uint64_t share = host->memory_size / host->nr_nodes & ~((SB_PAGE_SIZE << SB_MAX_ORDER) - 1);
    const char *from = base + node * share, *to = node + 1 < host->nr_nodes ? from + share : base + host->memory_size;
    return at >= from && at < to;
}

/* Blocks of each order, while the node has some. */
static void try_preferred(struct pages *p, unsigned node)
{
    for (unsigned order = 0; order < SB_NR_ORDERS && fine(p); order++) {
        struct sb_page *page = p->ops->alloc_pages(p->w->self, (int)node, SB_GFP_KERNEL | SB_GFP_NOWARN, order);
        const char *at = page ? p->ops->page_address(p->w->self, page) : NULL;
        if (!page && order < 4)
            sb_find(p->f, SB_CHECK_FAIL, "nothing of order %u is given of node %u, of fresh memory", order, node);
        else if (page && !is_on(p, at, node))
            sb_find(p->f, SB_CHECK_FAIL, "a block of order %u asked of node %u, which has some, lies at %p on another",
                    order, node, (const void *)at);
        if (page)
            p->ops->free_pages(p->w->self, page, order);
    }
}

/* SB_GFP_THISNODE: its own to the last, and nothing of another's. */
static void try_this_node(struct pages *p, unsigned node)
{
    const sb_gfp_t gfp = SB_GFP_NOWAIT | SB_GFP_NOWARN;
    uint64_t most = p->w->host.memory_size / SB_PAGE_SIZE, n = 0;
    struct sb_page **taken = sb_calloc(most, sizeof(struct sb_page *)), *page = NULL;
    while (n < most && fine(p) && (page = p->ops->alloc_pages(p->w->self, (int)node, gfp | SB_GFP_THISNODE, 0))) {
        taken[n++] = page;
        if (!is_on(p, p->ops->page_address(p->w->self, page), node))
            sb_find(p->f, SB_CHECK_FAIL, "with SB_GFP_THISNODE page %llu asked of node %u is another's",
                    (unsigned long long)n, node);
    }
    if (fine(p)) {
        page = p->ops->alloc_pages(p->w->self, (int)node, gfp, 0);
        if (!page)
            sb_find(p->f, SB_CHECK_FAIL,
                    "node %u is full, the others are not: without SB_GFP_THISNODE nothing is given", node);
        else
            p->ops->free_pages(p->w->self, page, 0);
    }
    for (uint64_t i = 0; i < n; i++)
        p->ops->free_pages(p->w->self, taken[i], 0);
    free((void *)taken);
}

/* All the node has is HighMem: requests that want an address have nothing there. */
static bool is_high_alone(const struct pages *p, unsigned node)
{
    const sb_gfp_t gfp = SB_GFP_THISNODE | SB_GFP_NOWARN;
    struct sb_page *low = p->ops->alloc_pages(p->w->self, (int)node, SB_GFP_NOWAIT | gfp, 0),
                   *high = p->ops->alloc_pages(p->w->self, (int)node, SB_GFP_HIGHMEM | gfp, 0);
    if (low)
        p->ops->free_pages(p->w->self, low, 0);
    if (high)
        p->ops->free_pages(p->w->self, high, 0);
    return !low && high;
}

/* In halves, whatever the machine has: of one node nothing can be told, and of many each may lack a largest
 * block. */
static void try_nodes(struct pages *p)
{
    struct sb_world *w = p->w;
    w->host.nr_nodes = 2;
    w->host.cpu_node = w->cpu_node;
    w->host.node_distance = NULL;
    for (uint32_t cpu = 0; cpu < w->host.nr_cpus; cpu++)
        w->cpu_node[cpu] = cpu % 2;
    for (unsigned node = 0; node < w->host.nr_nodes && fine(p); node++) {
        sb_world_close_allocator(w);
        if (sb_world_open_afresh(w)) {
            sb_find(p->f, SB_CHECK_FAIL, "it can't be opened on %u nodes: %s", w->host.nr_nodes, w->said);
            return;
        }
        /* Of such halves nothing that is asked here can come: an option that divides the memory so is none's fault. */
        if (is_high_alone(p, 0) || is_high_alone(p, 1))
            return;
        try_preferred(p, node);
        if (fine(p))
            try_this_node(p, node);
    }
}

/* An option `nodes` other than 0 divides the memory in the host's stead. */
static bool keeps_hosts_nodes(const struct sb_world *w)
{
    const struct sb_option *o = sb_option_find(w->plugin->options, w->plugin->option_count, "nodes");
    return w->a->claims & SB_CLAIM_NODES && (!o || !w->values[o - w->plugin->options].u);
}

void sb_try_pages(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    struct pages p = {.w = w, .ops = w->a->pages, .f = f, .random = sb_random_fork(w->host.seed, 3)};
    const char *excuse = !p.ops                               ? "the plugin doesn't offer pages"
                         : !p.ops->alloc_pages                ? "the plugin gives pages by address alone"
                         : w->a->flags & SB_ALLOCATOR_ALIASES ? "the plugin says that it gives the same blocks to all"
                                                              : NULL;
    if (excuse) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "%s", excuse);
        return;
    }
    try_names(&p, t->quick);
    if (fine(&p))
        try_mappings(&p);
    if (fine(&p) && keeps_hosts_nodes(w) && w->memory.base)
        try_nodes(&p);
}
