/*
 * The properties that the ABI promises, a row each with the function that tries it. Each reports its own fault alone;
 * one that another fault stands in the way of is "untested", so that a plugin with one fault has one failing line.
 */
#define _GNU_SOURCE
#include "check/properties.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How a property is tried: by a function of its own, or by a sequence of operations, which says what is done
 * to the blocks and what is looked at now and then.
 */
struct sb_property_way {
    void (*try)(struct sb_world *, const struct sb_attempt *, struct sb_finding *);
    enum sb_fault own;               /* that the property answers for */
    void (*look)(struct sb_world *); /* at what a sequence has left so far; NULL: nothing */
    uint64_t looks;                  /* so many times in all; 0: after every 64 operations */
    /* Why it can't be held against this plugin; NULL where it can. */
    const char *(*excuse)(const struct sb_world *);
    void (*then)(struct sb_world *, const struct sb_attempt *, struct sb_finding *); /* after a pass */
    unsigned tenths;                   /* of the usual number of operations */
    uint64_t full;                     /* operations of a check that isn't quick, where not the usual; 0: the usual */
    uint64_t full_ns;                  /* that a sequence may take then; 0: the usual */
    void (*before)(struct sb_world *); /* the sequence; NULL: nothing */
    bool fill, judge_align, judge_zero, use_usable, threads;
    bool aliases;    /* who gives the same blocks to all is asked, too */
    bool all_faults; /* but wrong zeroes are its own: what is only wrong on another CPU */
};

static const char *const results[] = {"pass", "fail", "not claimed", "untested"};

const char *sb_check_result_name(enum sb_check_result result)
{
    return results[result];
}

void sb_find(struct sb_finding *f, enum sb_check_result result, const char *format, ...)
{
    va_list args;
    f->result = result;
    va_start(args, format);
    vsnprintf(f->why, sizeof(f->why), format, args);
    va_end(args);
}

/* ---- sequences ---- */

void sb_property_draw(const struct sb_property *p, const struct sb_lane *lanes, size_t lane_count, bool quick,
                      uint64_t seed, struct sb_ops *ops)
{
    /* Enough for slabs to be made, filled, emptied and given back several times over; a tenth of it
       finds what breaks often, in the second that a run can spare before it measures. */
    uint64_t n = (quick ? 30000 : 300000) / 10 * p->way->tenths;
    if (!quick && p->way->full)
        n = p->way->full;
    const struct sb_mix mix = {.threads = p->way->threads, .big = true, .most = 65536};
    sb_ops_draw(ops, lanes, lane_count, &mix, n, seed);
}

/* Free and held pages are all that there are to give, at any time. */
static void compare_with_memory(struct sb_world *w, const struct sb_snapshot *s)
{
    uint64_t free_bytes = 0;
    if (!(s->has & SB_HAS_FREE_BLOCKS) || !(s->has & SB_HAS_HELD) || !w->memory.base)
        return;
    for (unsigned order = 0; order < SB_NR_ORDERS; order++)
        free_bytes += s->free_blocks[order] * (SB_PAGE_SIZE << order);
    uint64_t sum = free_bytes + s->held_bytes;
    if (sum > w->memory.size)
        sb_world_fail(
            w, SB_FAULT_SNAPSHOT, "the snapshot says that %llu bytes are held and %llu free, of %llu that there are",
            (unsigned long long)s->held_bytes, (unsigned long long)free_bytes, (unsigned long long)w->memory.size);
    else if (w->pages_bytes && sum != w->pages_bytes)
        sb_world_fail(
            w, SB_FAULT_SNAPSHOT, "free and held bytes were %llu together, now the snapshot says %llu and %llu",
            (unsigned long long)w->pages_bytes, (unsigned long long)free_bytes, (unsigned long long)s->held_bytes);
    w->pages_bytes = sum;
}

static void compare_snapshot(struct sb_world *w)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    w->a->snapshot(w->self, &s);
    if (s.has & SB_HAS_LIVE && s.live != w->live)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "%llu blocks live, the snapshot says %llu", (unsigned long long)w->live,
                      (unsigned long long)s.live);
    /* Rounding up may only add: what is handed out is never less than what was asked for. */
    if (s.has & SB_HAS_HANDED && s.handed_bytes < w->live_bytes)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "%llu bytes were asked for, the snapshot says that %llu were handed out",
                      (unsigned long long)w->live_bytes, (unsigned long long)s.handed_bytes);
    if (s.has & SB_HAS_HANDED && !w->live && s.handed_bytes)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "nothing lives, the snapshot says that %llu bytes are handed out",
                      (unsigned long long)s.handed_bytes);
    if (s.has & SB_HAS_HANDED && s.has & SB_HAS_HELD && s.held_bytes < s.handed_bytes)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "the snapshot says that %llu bytes are handed out, but only %llu held",
                      (unsigned long long)s.handed_bytes, (unsigned long long)s.held_bytes);
    if (s.has & SB_HAS_HELD && w->memory.base && s.held_bytes > w->memory.size)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "the snapshot says that %llu bytes are held, of %llu that there are",
                      (unsigned long long)s.held_bytes, (unsigned long long)w->memory.size);
    compare_with_memory(w, &s);
}

static void ask_check(struct sb_world *w)
{
    char why[256] = "";
    if (w->a->check(w->self, why, sizeof(why)))
        sb_world_fail(w, SB_FAULT_CHECK, "check() complains of sound structures: %s", *why ? why : "without a word");
}

/* Looked at more often the shorter the sequence is: a shrunk one shows where it breaks. */
static void run_ops(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    const struct sb_property_way *way = t->property->way;
    const struct sb_ops *ops = t->ops;
    /* Each look costs as much as hundreds of operations: a long sequence is looked at now and then. */
    size_t every = ops->n < 400 ? 1 : way->looks ? ops->n / way->looks : 64;
    /* Allocators that call the OS take long: what they do in this time is enough. */
    uint64_t full = way->full_ns ? way->full_ns : UINT64_C(4000000000);
    uint64_t end_ns = sb_now_ns() + (t->quick ? UINT64_C(500000000) : full);
    for (size_t i = 0; i < ops->n && w->fault == SB_FAULT_NONE; i++) {
        if (i % 256 == 255 && sb_now_ns() > end_ns)
            break;
        /* For the parent, which reads it out of shared memory if this operation is the last. */
        *t->done = i + 1;
        sb_world_do(w, &ops->at[i]);
        if (i % every == 0 && way->look)
            way->look(w);
        if (every == 1)
            sb_world_verify(w);
        f->at = i;
    }
    sb_world_verify(w);
    sb_world_free_all(w);
    if (way->look)
        way->look(w);
}

/* Allowed, and yet it decides which workloads can be measured. */
static void remark_alignment(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    uint64_t never = w->aligned_refused & ~w->aligned_served;
    if (never)
        sb_find(f, SB_CHECK_PASS,
                "where it isn't NULL: an alignment of %llu was never served; "
                "workloads that ask for whole pages (scullp, scullv, pressure) want 4096",
                1ULL << __builtin_ctzll(never));
}

/* Of n trials without a fault: rates of 3/n and more are excluded with 95 % (Hanley and Lippman-Hand, JAMA
 * 1983). */
static void tell_rarest(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    if (w->proved < 3)
        return;
    sb_find(f, SB_CHECK_PASS,
            "%llu blocks were compared when they were freed: "
            "damage that comes once in %llu frees or more often is seen with 95 %%, "
            "rarer damage may not be",
            (unsigned long long)w->proved, (unsigned long long)(w->proved / 3));
}

static void judge_sequence(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    const struct sb_property_way *way = t->property->way;
    /* The parent shrinks only towards the same fault: another one met on the way is another story. */
    f->fault = w->fault;
    if (w->fault == SB_FAULT_NONE) {
        f->result = SB_CHECK_PASS;
        if (w->refused > w->served)
            sb_find(f, SB_CHECK_UNTESTED, "most allocations gave NULL although memory was there: %llu of %llu",
                    (unsigned long long)w->refused, (unsigned long long)(w->refused + w->served));
        else if (way->then)
            way->then(w, t, f);
    } else if (w->fault == SB_FAULT_MACHINE) {
        sb_find(f, SB_CHECK_UNTESTED, "the machine: %s", w->why);
    } else if (way->own == w->fault || (way->all_faults && w->fault != SB_FAULT_ZERO)) {
        sb_find(f, SB_CHECK_FAIL, "%s", w->why);
    } else {
        sb_find(f, SB_CHECK_UNTESTED, "%s failed first: %s", sb_fault_name(w->fault), w->why);
    }
}

void *sb_take_block(struct sb_world *w, const struct sb_lane *lane, uint64_t size)
{
    /* Reclaim would free what another property counts, and may sleep; a NULL is wanted here, not a
       warning. */
    const sb_gfp_t gfp = SB_GFP_NOWAIT | SB_GFP_NOWARN;
    switch (lane->kind) {
    case SB_LANE_SIZED:
        return w->a->sized->alloc(w->self, size, 0, gfp);
    case SB_LANE_CACHE:
        return w->a->cache->alloc(lane->cache, gfp);
    case SB_LANE_PAGES:
        return w->a->pages->get_free_pages(w->self, gfp, sb_get_order(size));
    case SB_LANE_PERCPU:
        return w->a->percpu->alloc_percpu(w->self, size, 8);
    }
    return NULL;
}

void sb_give_block(struct sb_world *w, const struct sb_lane *lane, void *block, uint64_t size)
{
    switch (lane->kind) {
    case SB_LANE_SIZED:
        w->a->sized->free(w->self, block, size);
        break;
    case SB_LANE_CACHE:
        w->a->cache->free(lane->cache, block);
        break;
    case SB_LANE_PAGES:
        w->a->pages->free_pages_at(w->self, block, sb_get_order(size));
        break;
    case SB_LANE_PERCPU:
        w->a->percpu->free_percpu(w->self, block);
        break;
    }
}

/* Memory that was never anybody's is zero by itself: some of it is written to, and given back. Not all: who
 * keeps large blocks for large ones would have nothing left. */
static void soil(struct sb_world *w)
{
    enum { MOST = 4 };
    void *blocks[MOST];
    for (size_t i = 0; i < w->lane_count; i++) {
        const struct sb_lane *lane = &w->lanes[i];
        size_t n = 0;
        if (lane->kind != SB_LANE_SIZED && lane->kind != SB_LANE_PAGES)
            continue;
        while (n < MOST && (blocks[n] = sb_take_block(w, lane, lane->most)))
            memset(blocks[n++], 0xa5, lane->most);
        while (n)
            sb_give_block(w, lane, blocks[--n], lane->most);
    }
}

static const char *excuse_os_memory(const struct sb_world *w)
{
    return w->a->flags & SB_ALLOCATOR_OS_MEMORY ? "the plugin says that it takes memory from the OS" : NULL;
}

static const char *excuse_no_books(const struct sb_world *w)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    w->a->snapshot(w->self, &s);
    return s.has & (SB_HAS_LIVE | SB_HAS_HANDED | SB_HAS_HELD) ? NULL : "the snapshot says nothing";
}

static const char *excuse_no_usable(const struct sb_world *w)
{
    return w->a->sized && w->a->sized->usable ? NULL : "the plugin doesn't say what is usable";
}

static void try_sequence(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    const struct sb_property_way *way = t->property->way;
    bool aliases = w->a->flags & SB_ALLOCATOR_ALIASES;
    const char *excuse = aliases && !way->aliases ? "the plugin says that it gives the same blocks to all"
                         : way->excuse            ? way->excuse(w)
                                                  : NULL;
    if (excuse) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "%s", excuse);
        return;
    }
    w->judge_align = way->judge_align;
    w->judge_zero = way->judge_zero;
    w->use_usable = way->use_usable;
    w->fill = way->fill;
    w->ignore_overlap = aliases;
    if (way->before)
        way->before(w);
    run_ops(w, t, f);
    judge_sequence(w, t, f);
}

/* ---- memory used up ---- */

static uint64_t take_all(struct sb_world *w, const struct sb_lane *lane, uint64_t size, void **blocks, uint64_t most)
{
    uint64_t n = 0;
    while (n < most && (blocks[n] = sb_take_block(w, lane, size)))
        n++;
    return n;
}

static void exhaust(struct sb_world *w, const struct sb_lane *lane, uint64_t size, struct sb_finding *f)
{
    /* More than there can be: an allocator that gets there hands out memory twice, or has more than it
       was lent. */
    uint64_t most = w->memory.size / (size < 8 ? 8 : size) + 1;
    void **blocks = sb_calloc(most, sizeof(*blocks));
    uint64_t first = take_all(w, lane, size, blocks, most);
    /* Large ones may not be had at all: an allocator's own records cut memory up. */
    if (!first && size <= SB_PAGE_SIZE)
        sb_find(f, SB_CHECK_FAIL, "%s: not one block is given with SB_GFP_NOWAIT, of fresh memory", lane->name);
    else if (first == most)
        sb_find(f, SB_CHECK_FAIL, "%s: %llu blocks of %llu bytes were given out of %llu bytes, and no NULL came",
                lane->name, (unsigned long long)first, (unsigned long long)size, (unsigned long long)w->memory.size);
    for (uint64_t i = 0; i < first; i++)
        sb_give_block(w, lane, blocks[i], size);
    uint64_t second = f->result == SB_CHECK_PASS ? take_all(w, lane, size, blocks, most) : 0;
    /* A tenth may stay in caches and in slabs that another lane had; what is lost for good is more than
       that. */
    uint64_t slack = first / 10;
    /* Of few large ones one: a page of records may lie in its place. */
    if (first && !slack && size > SB_PAGE_SIZE)
        slack = 1;
    if (f->result == SB_CHECK_PASS && second < first - slack)
        sb_find(f, SB_CHECK_FAIL,
                "%s: of %llu blocks of %llu bytes that there was memory for only %llu come after all were freed",
                lane->name, (unsigned long long)first, (unsigned long long)size, (unsigned long long)second);
    for (uint64_t i = 0; i < second; i++)
        sb_give_block(w, lane, blocks[i], size);
    free((void *)blocks);
}

static void try_exhaustion(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    if (w->a->flags & (SB_ALLOCATOR_OS_MEMORY | SB_ALLOCATOR_ALIASES)) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "its memory has no end");
        return;
    }
    for (size_t i = 0; i < w->lane_count && f->result == SB_CHECK_PASS; i++) {
        const struct sb_lane *lane = &w->lanes[i];
        /* Small, middling and the largest; tiny objects take long and tell nothing more. */
        const uint64_t sizes[] = {lane->kind == SB_LANE_PERCPU ? 256 : (uint64_t)SB_PAGE_SIZE, 8 * SB_PAGE_SIZE,
                                  lane->most};
        size_t n = lane->kind == SB_LANE_CACHE || lane->kind == SB_LANE_PERCPU ? 1 : SB_COUNT(sizes);
        if (lane->kind == SB_LANE_CACHE && lane->size < 1000)
            continue;
        for (size_t k = 0; k < n && f->result == SB_CHECK_PASS; k++) {
            uint64_t size = lane->kind == SB_LANE_CACHE ? lane->size : sizes[k];
            if (k && size >= lane->most && k + 1 < n)
                continue;
            exhaust(w, lane, size < lane->most ? size : lane->most, f);
            /* Memory that went to one kind of blocks need not come back for another. */
            sb_world_close_allocator(w);
            if (sb_world_open_afresh(w)) {
                sb_find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
                return;
            }
        }
    }
}

/* ---- caches ---- */

/* Tiny objects could not hold what the tests write into them. */
static struct sb_lane *first_cache(struct sb_world *w, uint64_t least)
{
    for (size_t i = 0; i < w->lane_count; i++) {
        if (w->lanes[i].kind == SB_LANE_CACHE && w->lanes[i].size >= least)
            return &w->lanes[i];
    }
    return NULL;
}

/* n is at most 64: each with each is cheap. */
static bool all_apart(void **objects, size_t n, uint64_t size)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            char *a = objects[i], *b = objects[j];
            if (!a || !b || (a < b ? a + size > b : b + size > a))
                return false;
        }
    }
    return n == 0 || objects[0];
}

static void try_bulk(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    enum { MOST = 64 };
    struct sb_lane *lane = first_cache(w, 24);
    struct sb_random random = {w->host.seed};
    void *objects[MOST];
    size_t served = 0;
    if (!w->a->bulk || !lane) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't offer bulk");
        return;
    }
    for (int round = 0; round < 3000 && f->result == SB_CHECK_PASS; round++) {
        size_t n = 1 + sb_random_below(&random, MOST);
        struct sb_snapshot s = {.struct_size = sizeof(s)};
        memset(objects, 0, sizeof(objects));
        size_t got = w->a->bulk->alloc_bulk(lane->cache, SB_GFP_KERNEL, n, objects);
        w->a->snapshot(w->self, &s);
        served += got;
        if (got != n && got)
            sb_find(f, SB_CHECK_FAIL, "alloc_bulk of %zu objects gave %zu: it gives all or none", n, got);
        else if (got && !all_apart(objects, n, lane->size))
            sb_find(f, SB_CHECK_FAIL, "alloc_bulk of %zu objects gave NULL, or objects that overlap", n);
        else if (got && s.has & SB_HAS_LIVE && s.live != n)
            sb_find(f, SB_CHECK_FAIL, "after alloc_bulk of %zu objects the snapshot counts %llu live", n,
                    (unsigned long long)s.live);
        else if (got && round % 2)
            w->a->bulk->free_bulk(lane->cache, n, objects);
        /* Taken in bulk, freed singly; in the other rounds freed in bulk, too. */
        for (size_t i = 0; got && i < n && round % 2 == 0 && f->result == SB_CHECK_PASS; i++)
            w->a->cache->free(lane->cache, objects[i]);
        /* Single ones, freed at once: the other way round. */
        for (size_t i = 0; i < n && f->result == SB_CHECK_PASS; i++)
            objects[i] = w->a->cache->alloc(lane->cache, SB_GFP_KERNEL);
        if (f->result == SB_CHECK_PASS && !all_apart(objects, n, lane->size))
            sb_find(f, SB_CHECK_UNTESTED, "%zu single objects were NULL, or overlapped", n);
        else if (f->result == SB_CHECK_PASS)
            w->a->bulk->free_bulk(lane->cache, n, objects);
        s = (struct sb_snapshot){.struct_size = sizeof(s)};
        w->a->snapshot(w->self, &s);
        if (f->result == SB_CHECK_PASS && s.has & SB_HAS_LIVE && s.live)
            sb_find(f, SB_CHECK_FAIL, "after free_bulk of %zu objects the snapshot still counts %llu live", n,
                    (unsigned long long)s.live);
    }
    if (f->result == SB_CHECK_PASS && !served)
        sb_find(f, SB_CHECK_FAIL, "alloc_bulk never gave anything, where single objects could be had");
}

static void try_destroy(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    void *cache = NULL, *object, *second;
    if (!w->a->cache || w->a->flags & SB_ALLOCATOR_ALIASES) {
        sb_find(f, SB_CHECK_NOT_CLAIMED,
                w->a->cache ? "the plugin says that it gives the same blocks to all"
                            : "the plugin doesn't offer caches");
        return;
    }
    if (w->a->cache->create(w->self, "doomed", 64, 0, 0, NULL, 0, &cache) ||
        !(object = w->a->cache->alloc(cache, SB_GFP_KERNEL))) {
        sb_find(f, SB_CHECK_UNTESTED, "a cache of 64 bytes can't be made: %s", w->said);
        return;
    }
    int status = w->a->cache->destroy(cache);
    if (!status) {
        sb_find(f, SB_CHECK_FAIL, "destroy said 0 while an object lived");
        return;
    }
    if (status != -EBUSY)
        sb_find(f, SB_CHECK_FAIL, "destroy said %d (%s) while an object lived, not -EBUSY", status, strerror(-status));
    /* A refusal must have changed nothing: kmem_cache_destroy with live objects leaves the cache usable. */
    second = w->a->cache->alloc(cache, SB_GFP_KERNEL);
    if (!second || second == object)
        sb_find(f, SB_CHECK_FAIL, "after a refused destroy the cache serves no more");
    w->a->cache->free(cache, object);
    if (second && second != object)
        w->a->cache->free(cache, second);
    if (f->result == SB_CHECK_PASS && w->a->cache->destroy(cache))
        sb_find(f, SB_CHECK_FAIL, "destroy refuses although all objects were freed: %s", w->said);
}

enum { BUILT = 200 };

static void build(void *object)
{
    memset(object, 0xc7, BUILT);
}

static bool is_built(const unsigned char *object)
{
    for (size_t i = 0; i < BUILT; i++) {
        if (object[i] != 0xc7)
            return false;
    }
    return true;
}

/* Freed as it came an object comes again as it was: that is what a constructor is for. */
static void try_ctor(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    enum { OBJECTS = 2000 };
    static void *objects[OBJECTS];
    void *cache = NULL;
    size_t served = 0;
    (void)t;
    if (!w->a->cache || w->a->flags & SB_ALLOCATOR_ALIASES) {
        sb_find(f, SB_CHECK_NOT_CLAIMED,
                w->a->cache ? "the plugin says that it gives the same blocks to all"
                            : "the plugin doesn't offer caches");
        return;
    }
    if (w->a->cache->create(w->self, "built", BUILT, 0, 0, build, 0, &cache)) {
        sb_find(f, SB_CHECK_UNTESTED, "a cache of %d bytes with a constructor can't be made: %s", BUILT, w->said);
        return;
    }
    for (int round = 0; round < 2 && f->result == SB_CHECK_PASS; round++) {
        for (size_t i = 0; i < OBJECTS; i++) {
            objects[i] = w->a->cache->alloc(cache, SB_GFP_KERNEL);
            served += objects[i] != NULL;
            if (objects[i] && !is_built(objects[i]) && f->result == SB_CHECK_PASS)
                sb_find(f, SB_CHECK_FAIL, "an object of a cache with a constructor came without what that wrote%s",
                        round ? ", the second time" : "");
        }
        for (size_t i = 0; i < OBJECTS; i++) {
            if (objects[i])
                w->a->cache->free(cache, objects[i]);
        }
    }
    if (!served)
        sb_find(f, SB_CHECK_UNTESTED, "not one object was given");
    if (w->a->cache->destroy(cache) && f->result == SB_CHECK_PASS)
        sb_find(f, SB_CHECK_UNTESTED, "the cache can't be destroyed: %s", w->said);
    if (f->result == SB_CHECK_PASS)
        sb_try_destructor(w, f);
}

/* ---- mistakes of users ---- */

static bool reported(struct sb_world *w)
{
    char why[256];
    return *w->said || w->a->check(w->self, why, sizeof(why));
}

static void try_mistake(struct sb_world *w, bool foreign, struct sb_finding *f)
{
    uint64_t claim = foreign ? SB_CLAIM_FOREIGN_FREE : SB_CLAIM_DOUBLE_FREE;
    if (!(w->a->claims & claim)) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't claim to notice it");
        return;
    }
    size_t tried = 0;
    for (size_t i = 0; i < w->lane_count && f->result == SB_CHECK_PASS; i++) {
        const struct sb_lane *lane = &w->lanes[i];
        uint64_t size = lane->kind == SB_LANE_CACHE ? lane->size : 200;
        /* Page-aligned memory of our own, so that no allocator can refuse it for its alignment alone. */
        static char foreign_block[8192] __attribute__((aligned(4096)));
        void *block = foreign ? foreign_block : sb_take_block(w, lane, size);
        if (!block)
            continue;
        if (!foreign)
            sb_give_block(w, lane, block, size);
        /* Only words about this free count. */
        w->said[0] = '\0';
        sb_give_block(w, lane, block, size);
        tried++;
        if (!reported(w))
            sb_find(f, SB_CHECK_FAIL, "%s: %s, and neither fail() nor check() said so", lane->name,
                    foreign ? "a block that was never given out was freed" : "a block was freed twice");
        /* What one lane's mistake has damaged must not speak for the next. */
        sb_world_close_allocator(w);
        if (sb_world_open_afresh(w)) {
            sb_find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
            return;
        }
    }
    if (f->result == SB_CHECK_PASS && !tried)
        sb_find(f, SB_CHECK_UNTESTED, "not one block was given with SB_GFP_NOWAIT");
}

static void try_double_free(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    try_mistake(w, false, f);
}

static void try_foreign_free(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    try_mistake(w, true, f);
}

/* In the order in which they are tried: a later one may take an earlier one for granted. Their names are
   what users type and what databases hold, so they are never renamed. */
#define TRIED_BY(NAME, WHAT, FUNCTION)                                                                                 \
    {                                                                                                                  \
        NAME, WHAT, false, &(const struct sb_property_way)                                                             \
        {                                                                                                              \
            .try = (FUNCTION)                                                                                          \
        }                                                                                                              \
    }
#define SEQUENCE(NAME, WHAT, ...)                                                                                      \
    {                                                                                                                  \
        NAME, WHAT, true, &(const struct sb_property_way)                                                              \
        {                                                                                                              \
            .try = try_sequence, __VA_ARGS__                                                                           \
        }                                                                                                              \
    }
const struct sb_property sb_properties[] = {
    SEQUENCE("alignment", "blocks are aligned as asked for, at every size", .own = SB_FAULT_ALIGN, .tenths = 10,
             .judge_align = true, .aliases = true, .then = remark_alignment),
    SEQUENCE("memory", "blocks lie in the machine's memory, or in a second mapping of it", .own = SB_FAULT_MEMORY,
             .tenths = 10, .look = sb_world_judge_memory, .aliases = true, .excuse = excuse_os_memory),
    SEQUENCE("overlap", "no two live blocks share a byte", .own = SB_FAULT_OVERLAP, .tenths = 50),
    /* What is damaged rarely takes many frees to see: a million, and to every second operation there is one.
     */
    SEQUENCE("contents", "a block keeps its contents until it is freed", .own = SB_FAULT_CONTENTS, .tenths = 50,
             .full = 2000000 + 2 * SB_SLOTS, .full_ns = UINT64_C(20000000000), .fill = true, .then = tell_rarest),
    SEQUENCE("zeroing", "blocks are zero where that is asked for", .own = SB_FAULT_ZERO, .tenths = 10, .fill = true,
             .judge_zero = true, .before = soil),
    SEQUENCE("usable", "what is said to be usable is no less than asked for, and really the block's",
             .own = SB_FAULT_USABLE, .tenths = 10, .fill = true, .use_usable = true, .excuse = excuse_no_usable),
    SEQUENCE("snapshot", "the books agree with what was asked for, and with the machine's memory",
             .own = SB_FAULT_SNAPSHOT, .tenths = 10, .fill = true, .look = compare_snapshot, .excuse = excuse_no_books),
    SEQUENCE("check", "check() is silent on sound structures, and notices damage", .own = SB_FAULT_CHECK, .tenths = 10,
             .fill = true, .look = ask_check, .looks = 40, .then = sb_try_damage),
    TRIED_BY("page-structs", "pages by struct page, by address and by frame number are the same pages", sb_try_pages),
    /* Handing every operation to another thread costs microseconds. */
    SEQUENCE("other-cpu", "a block may be freed by another thread, on another CPU", .tenths = 1, .fill = true,
             .threads = true, .all_faults = true),
    TRIED_BY("all-threads", "threads may free each other's blocks, all at once", sb_try_threads),
    TRIED_BY("bulk", "n objects at once are like n single ones", try_bulk),
    TRIED_BY("device", "mappings of a device all show the same device, and nothing beyond its end", sb_try_device),
    TRIED_BY("boot", "pieces of boot memory are apart, aligned and kept, and whole pages of them come back",
             sb_try_boot),
    TRIED_BY("pool", "a pool has its reserve in hand, gives all elements there are and none twice", sb_try_pool),
    TRIED_BY("exhaustion", "memory that is used up gives NULL, and serves again when freed", try_exhaustion),
    TRIED_BY("ctor",
             "objects of a cache with a constructor come constructed, the second time too, and are destroyed once",
             try_ctor),
    TRIED_BY("destroy", "a cache with live objects refuses to be destroyed, and lives on", try_destroy),
    TRIED_BY("double-free", "a block freed twice is reported", try_double_free),
    TRIED_BY("foreign-free", "a block that was never given out is reported when freed", try_foreign_free),
    TRIED_BY("options",
             "every option's smallest, largest and default value, and every choice, opens and serves, "
             "or says why not",
             sb_try_options),
    TRIED_BY("close", "close gives back all that it holds, blocks that live in the machine's memory too", sb_try_close),
    TRIED_BY("reopen", "it can be opened and closed a thousand times", sb_try_reopen),
};
const size_t sb_property_count = SB_COUNT(sb_properties);

const struct sb_property *sb_property_find(const char *name)
{
    for (size_t i = 0; i < sb_property_count; i++) {
        if (!strcmp(sb_properties[i].name, name))
            return &sb_properties[i];
    }
    return NULL;
}

void sb_property_try(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *f)
{
    *f = (struct sb_finding){.result = SB_CHECK_PASS};
    attempt->property->way->try(w, attempt, f);
}
