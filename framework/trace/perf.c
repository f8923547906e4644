/*
 * Lines are `comm pid [cpu] seconds: event: fields`; comm may hold anything, so the CPU is the first number in brackets
 * that a time follows. Fields are found by their names. Kernels differ in which they print: 6.1's kmem_cache_alloc has
 * no name, and its cache is called by the object's size.
 *
 * An allocation may be told by several events. kmalloc above two pages is traced as kmalloc once or twice and as
 * mm_page_alloc; a slab's pages are mm_page_alloc, too. Both show by the address: it lies in those pages. Where the
 * kernel's direct map begins is learned from a page and the object that the same CPU gives out of it right after.
 * A batch of pages freed is traced page by page, as mm_page_free and as mm_page_free_batched.
 */
#define _GNU_SOURCE
#include "trace/perf.h"

#include "base/gfp.h"
#include "base/str.h"
#include "trace/map.h"

#include <unistd.h>

/* An object may come from its new slab only after the slab's own records were allocated. */
enum { READ_AT_ONCE = 1 << 20, MOST_CPUS = 65536, SURE = 3, FRESH_FOR = 4 };
/* No address space has more. */
#define LARGEST          (UINT64_C(1) << 40)
#define DIRECT_MAP_ALIGN (UINT64_C(1) << 30)

struct line {
    const char *at, *end; /* the event's fields */
    uint64_t time_ns;
    uint32_t cpu;
};

struct reader {
    struct sb_builder *b;
    struct sb_perf_counts *counts;
    struct sb_map gfp; /* flags by the hash of their text */
    /* The direct map: where it may begin, and how often that came out. */
    uint64_t base, votes;
    bool base_known;
    struct last_page {
        uint64_t pfn;
        unsigned order;
        unsigned fresh;                        /* objects that may still be the first in it */
    } * last_pages;                            /* of each CPU */
    uint64_t last_kmalloc, last_kmalloc_bytes; /* above two pages */
};

/* ---- fields ---- */

/* Where the value of `key`, which ends with '=' or ':', begins; NULL where there is none. */
static const char *find_field(const struct line *l, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = l->at; at + n < l->end;) {
        if (!memcmp(at, key, n))
            return at + n;
        at = memchr(at, ' ', (size_t)(l->end - at));
        if (!at)
            return NULL;
        while (at < l->end && *at == ' ')
            at++;
    }
    return NULL;
}

/* Decimal, or hexadecimal behind 0x. */
static bool read_number(const char *at, const char *end, uint64_t *value)
{
    const char *from;
    *value = 0;
    while (at < end && *at == ' ')
        at++;
    if (end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x') {
        for (from = at += 2; at < end; at++) {
            unsigned digit = (unsigned)*at - '0';
            if (digit > 9) {
                digit = ((unsigned)*at | 0x20) - 'a';
                if (digit > 5)
                    break;
                digit += 10;
            }
            *value = *value << 4 | digit;
        }
        return at > from;
    }
    for (from = at; at < end && (unsigned)(*at - '0') <= 9; at++)
        *value = *value * 10 + (unsigned)(*at - '0');
    return at > from;
}

static bool number_of(const struct line *l, const char *key, uint64_t *value)
{
    const char *at = find_field(l, key);
    return at && read_number(at, l->end, value);
}

/* An address as printk has it: hexadecimal, with 0x or without; (nil) and (null) are 0. */
static bool address_of(const struct line *l, const char *key, uint64_t *value)
{
    const char *at = find_field(l, key);
    *value = 0;
    if (!at || at == l->end)
        return false;
    if (*at == '(')
        return true;
    if (l->end - at > 1 && at[0] == '0' && at[1] == 'x')
        return read_number(at, l->end, value);
    const char *from = at;
    for (; at < l->end; at++) {
        unsigned c = (unsigned char)*at, digit = c - '0' <= 9            ? c - '0'
                                                 : (c | 0x20) - 'a' <= 5 ? (c | 0x20) - 'a' + 10
                                                                         : 16;
        if (digit > 15)
            break;
        *value = *value << 4 | digit;
    }
    return at > from;
}

/* To the next blank. */
static size_t word_length(const char *at, const char *end)
{
    const char *blank = memchr(at, ' ', (size_t)(end - at));
    return (size_t)((blank ? blank : end) - at);
}

static void keep_word(char *to, const char *word, size_t n)
{
    n = n < SB_PERF_WORD - 1 ? n : SB_PERF_WORD - 1;
    memcpy(to, word, n);
    to[n] = '\0';
}

/* What configs don't write: sets for users' pages, and flags of what no model here has: cgroups, writers, tags. */
static bool is_kernels_own(const char *name, sb_gfp_t *gfp)
{
    static const struct sb_gfp_row rows[] = {
        {"GFP_HIGHUSER_MOVABLE", "", SB_GFP_HIGHUSER},
        {"GFP_TRANSHUGE_LIGHT", "", (SB_GFP_HIGHUSER | SB_GFP_COMP | SB_GFP_NOWARN) & ~SB_GFP_DIRECT_RECLAIM},
        {"GFP_TRANSHUGE", "", SB_GFP_HIGHUSER | SB_GFP_COMP | SB_GFP_NOWARN},
        {"GFP_KERNEL_ACCOUNT", "", SB_GFP_KERNEL},
        {"__GFP_ACCOUNT", "", 0},
        {"__GFP_WRITE", "", 0},
        {"__GFP_NOLOCKDEP", "", 0},
        {"__GFP_NO_OBJ_EXT", "", 0},
        {"__GFP_SKIP_ZERO", "", 0},
        {"__GFP_SKIP_KASAN", "", 0},
        {"__GFP_ZEROTAGS", "", 0},
        {"none", "", 0},
        {"0", "", 0},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        if (!strcmp(rows[i].name, name)) {
            *gfp = rows[i].value;
            return true;
        }
    }
    return false;
}

static sb_gfp_t read_flags(struct reader *r, const char *text, size_t n)
{
    char *names = sb_strndup(text, n), *rest = names, *name;
    sb_gfp_t gfp = 0;
    while ((name = strsep(&rest, "|"))) {
        sb_gfp_t one = 0;
        char *why = NULL;
        if (!is_kernels_own(name, &one) && sb_gfp_read(name, &one, &why) && !r->counts->odd_flags++)
            keep_word(r->counts->odd_flag, name, strlen(name));
        free(why);
        gfp |= one;
    }
    free(names);
    return gfp;
}

static sb_gfp_t flags_of(struct reader *r, const struct line *l)
{
    const char *at = find_field(l, "gfp_flags=");
    if (!at)
        return SB_GFP_KERNEL;
    size_t n = word_length(at, l->end);
    uint64_t hash = sb_trace_sum(SB_TRACE_SUM_START, at, n) | 1, *known = sb_map_find(&r->gfp, hash);
    if (known)
        return (sb_gfp_t)*known;
    sb_gfp_t gfp = read_flags(r, at, n);
    sb_map_put(&r->gfp, hash, gfp);
    return gfp;
}

/* ---- slabs in pages ---- */

/* A page that is followed by an object says where the direct map begins, if the object lies in it. */
static void vote(struct reader *r, const struct line *l, uint64_t address)
{
    struct last_page *page = &r->last_pages[l->cpu];
    if (!page->fresh)
        return;
    page->fresh--;
    uint64_t base = address - (page->pfn << SB_PAGE_SHIFT), low = base & (DIRECT_MAP_ALIGN - 1);
    if (low >= SB_PAGE_SIZE << page->order || address >> 47 == 0)
        return;
    base -= low;
    page->fresh = 0;
    if (base == r->base) {
        r->base_known |= ++r->votes >= SURE;
    } else if (!r->base_known) {
        r->base = base;
        r->votes = 1;
    }
}

/* The pages in which an object lies are its slab's. */
static void mark_slab(struct reader *r, const struct line *l, uint64_t address)
{
    enum { HIGHEST = SB_MAX_ORDER };
    vote(r, l, address);
    if (!r->base_known || address < r->base)
        return;
    uint64_t pfn = (address - r->base) >> SB_PAGE_SHIFT;
    for (unsigned order = 0; order <= HIGHEST; order++) {
        uint64_t head = pfn >> order << order;
        if (order && head == pfn >> (order - 1) << (order - 1))
            continue; /* looked at already */
        const struct sb_trace_request *request = sb_builder_find(r->b, SB_OF_PAGES, head);
        if (!request || request->size <= (pfn - head) << SB_PAGE_SHIFT)
            continue;
        if (request->kind == SB_TRACE_PAGES)
            sb_builder_is_slab(r->b, head);
        return;
    }
}

/* ---- events ---- */

static bool take_object(struct reader *r, const struct line *l, struct sb_trace_request *request)
{
    uint64_t address, size, usable = 0;
    if (!address_of(l, "ptr=", &address) || !number_of(l, "bytes_req=", &size))
        return false;
    number_of(l, "bytes_alloc=", &usable);
    if (!address) {
        r->counts->failed++;
        return true;
    }
    /* kmalloc(0) gives an address that nobody frees. */
    if (!size)
        return true;
    if (size > LARGEST)
        return false;
    request->size = size;
    request->usable = usable;
    request->gfp = flags_of(r, l);
    mark_slab(r, l, address);
    sb_builder_alloc(r->b, l->time_ns, l->cpu, SB_OF_OBJECTS, address, request);
    return true;
}

static bool take_kmalloc(struct reader *r, const struct line *l)
{
    uint64_t address, usable;
    if (address_of(l, "ptr=", &address) && number_of(l, "bytes_alloc=", &usable) && usable > 2 * SB_PAGE_SIZE) {
        const struct sb_trace_request *live = sb_builder_find(r->b, SB_OF_OBJECTS, address);
        if (address == r->last_kmalloc && usable == r->last_kmalloc_bytes && live) {
            r->counts->told_twice++;
            r->last_kmalloc = 0;
            return true;
        }
        r->last_kmalloc = address;
        r->last_kmalloc_bytes = usable;
    }
    return take_object(r, l, &(struct sb_trace_request){.kind = SB_TRACE_SIZED});
}

static bool take_cache_alloc(struct reader *r, const struct line *l)
{
    const char *name = find_field(l, "name="), *end;
    char by_size[SB_PERF_WORD];
    uint64_t size;
    if (!number_of(l, "bytes_req=", &size))
        return false;
    if (name) {
        /* A name may hold blanks. */
        end = memmem(name, (size_t)(l->end - name), " bytes_req=", 11);
        if (!end)
            return false;
    } else {
        snprintf(by_size, sizeof(by_size), "%llu bytes", (unsigned long long)size);
        name = by_size;
        end = by_size + strlen(by_size);
    }
    uint32_t cache = sb_builder_cache(r->b, name, (size_t)(end - name));
    return take_object(r, l, &(struct sb_trace_request){.kind = SB_TRACE_CACHE, .cache = cache});
}

static bool take_object_free(struct reader *r, const struct line *l, enum sb_trace_kind kind)
{
    uint64_t address;
    if (!address_of(l, "ptr=", &address))
        return false;
    if (!address)
        r->counts->null_frees++;
    else if (!sb_builder_free(r->b, l->time_ns, l->cpu, SB_OF_OBJECTS, address))
        sb_builder_unknown(r->b, kind);
    return true;
}

static bool take_kfree(struct reader *r, const struct line *l)
{
    return take_object_free(r, l, SB_TRACE_SIZED);
}

static bool take_cache_free(struct reader *r, const struct line *l)
{
    return take_object_free(r, l, SB_TRACE_CACHE);
}

static bool take_pages(struct reader *r, const struct line *l)
{
    uint64_t pfn, order;
    if (!number_of(l, "pfn=", &pfn) || !number_of(l, "order=", &order))
        return false;
    const char *page = find_field(l, "page=");
    if (order > SB_MAX_ORDER || (!pfn && page && *page == '(')) {
        r->counts->failed++;
        return true;
    }
    r->last_pages[l->cpu] = (struct last_page){pfn, (unsigned)order, FRESH_FOR};
    sb_builder_alloc(r->b, l->time_ns, l->cpu, SB_OF_PAGES, pfn,
                     &(struct sb_trace_request){.kind = SB_TRACE_PAGES,
                                                .size = SB_PAGE_SIZE << order,
                                                .usable = SB_PAGE_SIZE << order,
                                                .gfp = flags_of(r, l)});
    return true;
}

static bool take_pages_free(struct reader *r, const struct line *l)
{
    uint64_t pfn;
    if (!number_of(l, "pfn=", &pfn))
        return false;
    if (!sb_builder_free(r->b, l->time_ns, l->cpu, SB_OF_PAGES, pfn))
        sb_builder_unknown(r->b, SB_TRACE_PAGES);
    return true;
}

/* Where mm_page_free is recorded as well it has freed the page already. */
static bool take_pages_free_batched(struct reader *r, const struct line *l)
{
    uint64_t pfn;
    if (!number_of(l, "pfn=", &pfn))
        return false;
    if (!sb_builder_free(r->b, l->time_ns, l->cpu, SB_OF_PAGES, pfn))
        r->counts->told_twice++;
    return true;
}

/* With its guard page, which is nobody's to use. */
static bool take_area(struct reader *r, const struct line *l)
{
    uint64_t start, size, failed = 0;
    if (!number_of(l, "va_start: ", &start) && !number_of(l, "va_start=", &start))
        return false;
    if (!number_of(l, "size=", &size))
        return false;
    if (size > LARGEST)
        return false;
    number_of(l, "failed=", &failed);
    if (failed || size <= SB_PAGE_SIZE)
        r->counts->failed++;
    else
        sb_builder_alloc(r->b, l->time_ns, l->cpu, SB_OF_AREAS, start,
                         &(struct sb_trace_request){.kind = SB_TRACE_VMALLOC,
                                                    .size = size - SB_PAGE_SIZE,
                                                    .usable = size - SB_PAGE_SIZE,
                                                    .gfp = SB_GFP_KERNEL});
    return true;
}

static bool take_area_free(struct reader *r, const struct line *l)
{
    uint64_t start;
    if (!number_of(l, "va_start=", &start))
        return false;
    if (!sb_builder_free(r->b, l->time_ns, l->cpu, SB_OF_AREAS, start))
        sb_builder_unknown(r->b, SB_TRACE_VMALLOC);
    return true;
}

static bool take_percpu(struct reader *r, const struct line *l)
{
    uint64_t address, size, align, usable = 0;
    if (!address_of(l, "ptr=", &address) || !number_of(l, "size=", &size) || !number_of(l, "align=", &align) || !size ||
        size > LARGEST || align > LARGEST)
        return false;
    number_of(l, "bytes_alloc=", &usable);
    sb_builder_alloc(r->b, l->time_ns, l->cpu, SB_OF_PERCPU, address,
                     &(struct sb_trace_request){.kind = SB_TRACE_PERCPU,
                                                .size = size,
                                                .usable = usable,
                                                .align = align & (align - 1) ? 0 : align,
                                                .gfp = flags_of(r, l)});
    return true;
}

static bool take_percpu_free(struct reader *r, const struct line *l)
{
    uint64_t address;
    if (!address_of(l, "ptr=", &address))
        return false;
    if (!sb_builder_free(r->b, l->time_ns, l->cpu, SB_OF_PERCPU, address))
        sb_builder_unknown(r->b, SB_TRACE_PERCPU);
    return true;
}

static const struct event {
    const char *group, *name;
    bool (*take)(struct reader *r, const struct line *l); /* false: a field is missing, or can't be */
} events[] = {
    {"kmem", "kmem_cache_alloc", take_cache_alloc},
    {"kmem", "kmem_cache_free", take_cache_free},
    {"kmem", "kmalloc", take_kmalloc},
    {"kmem", "kfree", take_kfree},
    {"kmem", "mm_page_alloc", take_pages},
    {"kmem", "mm_page_free", take_pages_free},
    {"kmem", "mm_page_free_batched", take_pages_free_batched},
    {"kmem", "kmem_cache_alloc_node", take_cache_alloc},
    {"kmem", "kmalloc_node", take_kmalloc},
    {"vmalloc", "alloc_vmap_area", take_area},
    {"vmalloc", "free_vmap_area_noflush", take_area_free},
    {"percpu", "percpu_alloc_percpu", take_percpu},
    {"percpu", "percpu_free_percpu", take_percpu_free},
};

bool sb_perf_event(size_t i, const char **group, const char **name)
{
    if (i >= SB_COUNT(events))
        return false;
    *group = events[i].group;
    *name = events[i].name;
    return true;
}

/* ---- lines ---- */

/* "  4735.295180916:", with as many digits as there are; to behind the colon. */
static const char *read_time(const char *at, const char *end, uint64_t *ns)
{
    uint64_t seconds = 0, fraction = 0, unit = UINT64_C(1000000000);
    const char *from = at;
    for (; at < end && (unsigned)(*at - '0') <= 9; at++)
        seconds = seconds * 10 + (unsigned)(*at - '0');
    if (at == from || at == end || *at++ != '.')
        return NULL;
    for (; at < end && (unsigned)(*at - '0') <= 9 && unit > 1; at++) {
        unit /= 10;
        fraction += (unsigned)(*at - '0') * unit;
    }
    if (at == end || *at != ':')
        return NULL;
    *ns = seconds * UINT64_C(1000000000) + fraction;
    return at + 1;
}

/* "[001]", flags as ftrace has them, and a time; the place behind them. */
static const char *read_place(const char *at, const char *end, struct line *l)
{
    uint64_t cpu;
    const char *closed = memchr(at, ']', (size_t)(end - at));
    if (!closed || !read_number(at + 1, closed, &cpu) || cpu >= MOST_CPUS)
        return NULL;
    l->cpu = (uint32_t)cpu;
    for (at = closed + 1; at < end;) {
        while (at < end && *at == ' ')
            at++;
        const char *behind = read_time(at, end, &l->time_ns);
        size_t n = word_length(at, end);
        if (behind)
            return behind;
        /* irqs-off, need-resched, hardirq/softirq, preempt-depth, migrate-disable */
        if (n < 4 || n > 6)
            return NULL;
        at += n;
    }
    return NULL;
}

/* False: no event. */
static bool split(const char *at, const char *end, struct line *l, const char **name, size_t *length)
{
    const char *behind = NULL;
    for (const char *open = at; !behind && (open = memchr(open, '[', (size_t)(end - open))); open++)
        behind = read_place(open, end, l);
    if (!behind)
        return false;
    while (behind < end && *behind == ' ')
        behind++;
    /* "kmem:kfree: " of perf, "kfree: " of ftrace */
    const char *blank = behind + word_length(behind, end), *colon = memchr(behind, ':', (size_t)(blank - behind));
    if (!colon)
        return false;
    if (colon + 1 < blank) {
        behind = colon + 1;
        colon = memchr(behind, ':', (size_t)(blank - behind));
    }
    if (!colon)
        return false;
    *name = behind;
    *length = (size_t)(colon - behind);
    for (l->at = colon + 1; l->at < end && *l->at == ' ';)
        l->at++;
    l->end = end;
    return true;
}

static void take_line(struct reader *r, const char *at, const char *end)
{
    struct line l;
    const char *name;
    size_t length;
    bool good = true;
    r->counts->lines++;
    /* perf and ftrace comment with '#'. */
    if (at == end || *at == '#')
        return;
    if (!split(at, end, &l, &name, &length)) {
        good = false;
        goto out;
    }
    for (size_t i = 0; i < SB_COUNT(events); i++) {
        if (strlen(events[i].name) == length && !memcmp(events[i].name, name, length)) {
            good = events[i].take(r, &l);
            r->counts->events += good;
            goto out;
        }
    }
    if (!r->counts->ignored++)
        keep_word(r->counts->ignored_as, name, length);
out:
    if (!good && !r->counts->unreadable++)
        r->counts->unreadable_line = r->counts->lines;
}

int sb_perf_read(int fd, struct sb_builder *b, struct sb_perf_counts *counts, void (*progress)(void *context),
                 void *context)
{
    struct reader r = {.b = b, .counts = counts, .last_pages = sb_calloc(MOST_CPUS, sizeof(*r.last_pages))};
    char *buffer = sb_calloc(1, READ_AT_ONCE);
    size_t have = 0;
    int status = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + have, READ_AT_ONCE - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            status = n < 0 ? -errno : 0;
            break;
        }
        have += (size_t)n;
        progress(context);
        char *at = buffer, *end;
        while ((end = memchr(at, '\n', have - (size_t)(at - buffer)))) {
            take_line(&r, at, end);
            at = end + 1;
        }
        have -= (size_t)(at - buffer);
        memmove(buffer, at, have);
        if (have == READ_AT_ONCE) {
            status = -E2BIG;
            break;
        }
    }
    if (have && !status)
        take_line(&r, buffer, buffer + have);
    sb_map_free(&r.gfp);
    free(r.last_pages);
    free(buffer);
    return status;
}
