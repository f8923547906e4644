/*
 * Blocks are known by what lies in them and where they lie: every four bytes of every live block are entered
 * in a map of pages, so an overlap is found when it is handed out, before any contents are lost to it.
 */
#define _GNU_SOURCE
#include "check/world.h"

#include "trial/mappings.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As a reader of the report sees them; each is the name of the property that answers for it, but crash. */
static const char *const fault_names[SB_FAULTS] = {
    "none",    "alignment", "overlap", "contents", "zeroing",     "usable size",
    "check()", "snapshot",  "memory",  "crash",    "the machine",
};

const char *sb_fault_name(enum sb_fault fault)
{
    return fault_names[fault];
}

void sb_world_fail(struct sb_world *w, enum sb_fault fault, const char *format, ...)
{
    va_list args;
    /* The first is the cause as a rule, and what comes after it the consequence. */
    if (w->fault != SB_FAULT_NONE)
        return;
    w->fault = fault;
    va_start(args, format);
    vsnprintf(w->why, sizeof(w->why), format, args);
    va_end(args);
}

/* ---- lanes ---- */

static void add_lane(struct sb_lane *lanes, size_t *n, struct sb_lane lane, const char *name)
{
    snprintf(lane.name, sizeof(lane.name), "%s", name);
    lanes[(*n)++] = lane;
}

size_t sb_lanes_make(const struct sb_allocator *a, struct sb_lane lanes[SB_MAX_LANES])
{
    static const struct {
        uint64_t size, align;
        uint32_t flags;
        /* From a pointer's size to nearly a page, with each way to ask for alignment: slabs of every order,
           with and without room behind the object. */
    } caches[] = {{8, 0, 0},
                  {24, 0, 0},
                  {64, 0, SB_SLAB_HWCACHE_ALIGN},
                  {100, 0, SB_SLAB_HWCACHE_ALIGN},
                  {200, 64, 0},
                  {300, 256, 0},
                  {1000, 0, 0},
                  {4000, 0, SB_SLAB_HWCACHE_ALIGN},
                  {8192, 0, 0},
                  {60000, 0, 0}};
    /* Who states no limit isn't held to the largest cache. */
    const uint64_t largest = a->cache && a->cache->max_size ? a->cache->max_size : 8192;
    const uint64_t big = SB_PAGE_SIZE << SB_MAX_ORDER;
    size_t n = 0;
    if (a->sized)
        add_lane(lanes, &n,
                 (struct sb_lane){.kind = SB_LANE_SIZED,
                                  .most = a->sized->max_size && a->sized->max_size < big ? a->sized->max_size : big},
                 "sized");
    for (size_t i = 0; a->cache && i < SB_COUNT(caches); i++) {
        char name[16];
        snprintf(name, sizeof(name), "cache%zu", i);
        if (caches[i].size <= largest)
            add_lane(lanes, &n,
                     (struct sb_lane){.kind = SB_LANE_CACHE,
                                      .size = caches[i].size,
                                      .most = caches[i].size,
                                      .align = caches[i].align,
                                      .flags = caches[i].flags},
                     name);
    }
    if (a->pages)
        add_lane(lanes, &n, (struct sb_lane){.kind = SB_LANE_PAGES, .most = big}, "pages");
    if (a->percpu)
        add_lane(lanes, &n, (struct sb_lane){.kind = SB_LANE_PERCPU, .most = 16384}, "percpu");
    return n;
}

/* ---- operations ---- */

/* Small sizes as often as large ones: the logarithm is uniform. */
static uint64_t draw_size(struct sb_random *random, uint64_t most)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(most);
    uint64_t size = 1 + sb_random_below(random, UINT64_C(1) << (1 + sb_random_below(random, bits)));
    return size < most ? size : most;
}

/* Mostly up to PAGE_ALLOC_COSTLY_ORDER, which may be expected to be served; a few of all orders. */
uint64_t sb_draw_pages(struct sb_random *random, uint64_t most)
{
    unsigned orders = sb_random_below(random, 64) ? 4 : SB_NR_ORDERS;
    uint64_t size = SB_PAGE_SIZE << sb_random_below(random, orders);
    return size < most ? size : most;
}

static void draw_block(struct sb_op *op, const struct sb_lane *lane, const struct sb_mix *mix, struct sb_random *random)
{
    /* Large ones cost as much as hundreds of others: few are enough. */
    bool large = mix->big && !sb_random_below(random, 256);
    uint64_t most = large ? UINT64_MAX : mix->most;
    if (most > lane->most)
        most = lane->most;
    switch (lane->kind) {
    case SB_LANE_SIZED:
        op->size = draw_size(random, most);
        if (sb_random_below(random, 2))
            op->align = 1U << (3 + sb_random_below(random, 10));
        break;
    case SB_LANE_CACHE:
        op->size = lane->size;
        break;
    case SB_LANE_PAGES:
        op->size = sb_draw_pages(random, mix->big ? lane->most : 8 * SB_PAGE_SIZE);
        break;
    case SB_LANE_PERCPU:
        op->size = draw_size(random, large ? lane->most : 512);
        if (sb_random_below(random, 2))
            op->align = 1U << (3 + sb_random_below(random, 5));
        break;
    }
}

void sb_ops_draw(struct sb_ops *ops, const struct sb_lane *lanes, size_t lane_count, const struct sb_mix *mix, size_t n,
                 uint64_t seed)
{
    struct sb_random random = sb_random_fork(seed, 1);
    /* As the world will be if no allocation fails: then every drawn operation does something. */
    static bool full[SB_SLOTS];
    memset(full, 0, sizeof(full));
    for (size_t i = 0; i < n; i++) {
        struct sb_op op = {.slot = (uint32_t)sb_random_below(&random, SB_SLOTS)};
        op.free = full[op.slot];
        full[op.slot] = !op.free;
        op.lane = (uint8_t)sb_random_below(&random, lane_count);
        op.thread = mix->threads ? (uint8_t)sb_random_below(&random, 2) : 0;
        if (!op.free)
            draw_block(&op, &lanes[op.lane], mix, &random);
        op.zero = !op.free && sb_random_below(&random, 2);
        *SB_VEC_ADD(ops) = op;
    }
}

char *sb_ops_print(const struct sb_ops *ops, const struct sb_lane *lanes)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < ops->n; i++) {
        const struct sb_op *op = &ops->at[i];
        sb_text_printf(&text, "%s%c%u", i ? " " : "", op->free ? 'f' : 'a', op->slot);
        if (!op->free)
            sb_text_printf(&text, ":%s:%llu:%u%s", lanes[op->lane].name, (unsigned long long)op->size, op->align,
                           op->zero ? "z" : "");
        if (op->thread)
            sb_text_printf(&text, "@%u", op->thread);
    }
    return text.at;
}

/* One word; false where it can't be read. */
static bool read_op(struct sb_op *op, const char *word, const struct sb_lane *lanes, size_t lane_count)
{
    char name[16] = "";
    int used = 0;
    unsigned thread = 0;
    unsigned long long size = 0;
    *op = (struct sb_op){.free = *word == 'f'};
    if (*word != 'a' && *word != 'f')
        return false;
    if (op->free ? sscanf(word + 1, "%u%n", &op->slot, &used) != 1
                 : sscanf(word + 1, "%u:%15[a-z0-9]:%llu:%u%n", &op->slot, name, &size, &op->align, &used) != 4)
        return false;
    op->size = size;
    word += 1 + used;
    op->zero = *word == 'z';
    word += op->zero;
    if (*word == '@' && sscanf(word, "@%u%n", &thread, &used) == 1)
        word += used;
    op->thread = (uint8_t)thread;
    for (size_t i = 0; i < lane_count && !op->free; i++) {
        if (!strcmp(lanes[i].name, name)) {
            op->lane = (uint8_t)i;
            return !*word && op->slot < SB_SLOTS && thread < 2;
        }
    }
    return op->free && !*word && op->slot < SB_SLOTS && thread < 2;
}

void sb_ops_read(struct sb_ops *ops, const char *text, const struct sb_lane *lanes, size_t lane_count, char **why)
{
    char *copy = sb_strdup(text), *state = NULL;
    for (char *word = strtok_r(copy, " ", &state); word && !*why; word = strtok_r(NULL, " ", &state)) {
        if (!read_op(SB_VEC_ADD(ops), word, lanes, lane_count))
            *why = sb_printf("'%s' is not an operation of this plugin, such as a5:%s:64:0 or f5", word,
                             lane_count ? lanes[0].name : "sized");
    }
    free(copy);
}

/* ---- where blocks lie ---- */

enum { GRANULE = 4, PER_PAGE = 4096 / GRANULE, BUCKETS = 65536 };

struct page {
    struct page *next;
    uintptr_t number;
    uint16_t slots[PER_PAGE]; /* slot + 1 of the block that has this granule; 0: none */
};

struct sb_granules {
    struct page *buckets[BUCKETS];
};

static struct page *page_of(struct sb_granules *g, uintptr_t address, bool make)
{
    uintptr_t number = address / 4096;
    struct page **bucket = &g->buckets[(number * UINT64_C(0x9e3779b97f4a7c15)) >> 48];
    for (struct page *p = *bucket; p; p = p->next) {
        if (p->number == number)
            return p;
    }
    if (!make)
        return NULL;
    struct page *p = sb_calloc(1, sizeof(*p));
    *p = (struct page){.next = *bucket, .number = number};
    return *bucket = p;
}

/* Enters or removes a block; returns the slot + 1 that lay there already, or 0. */
static unsigned mark(struct sb_granules *g, const char *at, uint64_t size, unsigned slot, bool enter)
{
    uintptr_t from = (uintptr_t)at / GRANULE, to = ((uintptr_t)at + size - 1) / GRANULE;
    unsigned before = 0;
    for (uintptr_t i = from; i <= to;) {
        struct page *p = page_of(g, i * GRANULE, true);
        uintptr_t end = (i / PER_PAGE + 1) * PER_PAGE;
        for (; i < end && i <= to; i++) {
            uint16_t *granule = &p->slots[i % PER_PAGE];
            if (enter && *granule && !before)
                before = *granule;
            if (enter ? !*granule : *granule == slot + 1)
                *granule = enter ? (uint16_t)(slot + 1) : 0;
        }
    }
    return before;
}

/* ---- helpers ---- */

struct helper {
    pthread_t thread;
    pthread_barrier_t gate;
    void (*function)(void *);
    void *argument;
    struct sb_topology *topology;
    unsigned cpu;
    bool started;
};
struct sb_helpers {
    struct helper at[2];
};

static void *serve(void *argument)
{
    struct helper *h = argument;
    char *why = NULL;
    sb_topology_pin(h->topology, h->cpu, &why);
    free(why);
    for (;;) {
        pthread_barrier_wait(&h->gate);
        h->function(h->argument);
        pthread_barrier_wait(&h->gate);
    }
    return NULL;
}

static void start_helpers(struct sb_world *w)
{
    struct sb_cpus cpus = {0};
    char *why = NULL;
    sb_topology_cpus(w->topology, "all", SB_PLACE_SCATTER, &cpus, &why);
    free(why);
    w->helpers = sb_calloc(1, sizeof(*w->helpers));
    for (size_t i = 0; i < 2; i++) {
        struct helper *h = &w->helpers->at[i];
        h->topology = w->topology;
        h->cpu = cpus.n ? cpus.at[i % cpus.n].os : 0;
        pthread_barrier_init(&h->gate, NULL, 2);
        int error = pthread_create(&h->thread, NULL, serve, h);
        if (error) {
            sb_world_fail(w, SB_FAULT_MACHINE, "a thread can't be started: %s", strerror(error));
            break;
        }
        h->started = true;
    }
    SB_VEC_FREE(&cpus);
}

void sb_world_on_thread(struct sb_world *w, unsigned thread, void (*function)(void *), void *argument)
{
    if (!w->helpers)
        start_helpers(w);
    struct helper *h = &w->helpers->at[thread];
    if (!h->started)
        return;
    h->function = function;
    h->argument = argument;
    pthread_barrier_wait(&h->gate);
    pthread_barrier_wait(&h->gate);
}

/* ---- blocks ---- */

/* As the kernel reads SLAB_HWCACHE_ALIGN: small objects share a line, but none straddles two. */
static uint64_t object_align(const struct sb_lane *lane)
{
    uint64_t line = lane->flags & SB_SLAB_HWCACHE_ALIGN ? 64 : 1, align = lane->align ? lane->align : 1;
    while (line > 1 && lane->size <= line / 2)
        line /= 2;
    return line > align ? line : align;
}

/* Sleeping and reclaim are allowed, as they are to most callers: refusals are counted, not judged. */
static bool take_block(struct sb_world *w, const struct sb_op *op, struct sb_block *b)
{
    const struct sb_lane *lane = &w->lanes[op->lane];
    sb_gfp_t gfp = SB_GFP_KERNEL | (op->zero ? SB_GFP_ZERO : 0);
    b->n = 1;
    switch (lane->kind) {
    case SB_LANE_SIZED:
        b->handle = w->a->sized->alloc(w->self, op->size, op->align, gfp);
        b->align = op->align ? op->align : 1;
        break;
    case SB_LANE_CACHE:
        b->handle = w->a->cache->alloc(lane->cache, gfp);
        b->align = object_align(lane);
        break;
    case SB_LANE_PAGES:
        b->handle = w->a->pages->get_free_pages(w->self, gfp, sb_get_order(op->size));
        b->align = op->size;
        break;
    case SB_LANE_PERCPU:
        b->handle = w->a->percpu->alloc_percpu(w->self, op->size, op->align ? op->align : 8);
        b->align = op->align ? op->align : 8;
        /* The first few CPUs' areas are enough to see whether they are apart; a machine may have
           hundreds. */
        b->n = w->host.nr_cpus < SB_MAX_AREAS ? w->host.nr_cpus : SB_MAX_AREAS;
        break;
    }
    for (uint32_t i = 0; b->handle && i < b->n; i++)
        b->areas[i] = lane->kind == SB_LANE_PERCPU ? w->a->percpu->per_cpu_ptr(w->self, b->handle, i) : b->handle;
    return b->handle != NULL;
}

static void give_block(struct sb_world *w, struct sb_block *b)
{
    const struct sb_lane *lane = &w->lanes[b->lane];
    switch (lane->kind) {
    case SB_LANE_SIZED:
        w->a->sized->free(w->self, b->handle, b->asked);
        break;
    case SB_LANE_CACHE:
        w->a->cache->free(lane->cache, b->handle);
        break;
    case SB_LANE_PAGES:
        w->a->pages->free_pages_at(w->self, b->handle, sb_get_order(b->asked));
        break;
    case SB_LANE_PERCPU:
        w->a->percpu->free_percpu(w->self, b->handle);
        break;
    }
}

/* A byte follows from the block's tag and where it lies in it. */
static void fill(const struct sb_block *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        uint64_t word = (b->tag + i) * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t at = 0;
        for (; at + 8 <= b->size; at += 8)
            memcpy(b->areas[i] + at, &word, 8);
        memcpy(b->areas[i] + at, &word, b->size - at);
    }
}

/* Byte for byte what fill() wrote; both go by words, for a sequence moves gigabytes. */
static bool holds(const struct sb_block *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        uint64_t word = (b->tag + i) * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t at = 0;
        for (; at + 8 <= b->size; at += 8) {
            if (memcmp(b->areas[i] + at, &word, 8))
                return false;
        }
        if (memcmp(b->areas[i] + at, &word, b->size - at))
            return false;
    }
    return true;
}

bool sb_is_zero(const char *at, uint64_t size)
{
    return !*at && !memcmp(at, at + 1, size - 1);
}

/* All that can be told from a block at the moment in which it is given out. */
static void judge_block(struct sb_world *w, struct sb_block *b, const struct sb_op *op)
{
    const struct sb_lane *lane = &w->lanes[b->lane];
    const char *name = lane->name;
    unsigned long long size = b->asked;
    for (uint32_t i = 0; i < b->n && w->fault == SB_FAULT_NONE; i++) {
        if (w->judge_align && (uintptr_t)b->areas[i] % b->align)
            sb_world_fail(w, SB_FAULT_ALIGN, "%s: %llu bytes at %p are not aligned to %llu", name, size,
                          (void *)b->areas[i], (unsigned long long)b->align);
    }
    if (w->use_usable && lane->kind == SB_LANE_SIZED && w->a->sized->usable) {
        uint64_t usable = w->a->sized->usable(w->self, b->handle);
        if (usable && usable < b->asked)
            sb_world_fail(w, SB_FAULT_USABLE, "%s: of %llu bytes asked for %llu are said to be usable", name, size,
                          (unsigned long long)usable);
        /* From here on all that is usable is written to: it must really be the block's. */
        b->size = usable > b->asked ? usable : b->asked;
    }
    for (uint32_t i = 0; i < b->n && w->fault == SB_FAULT_NONE && !w->ignore_overlap; i++) {
        unsigned slot = (unsigned)(b - w->slots), other = mark(w->granules, b->areas[i], b->size, slot, true);
        /* Of a per-CPU block the areas may not lie in each other either, but the map has one number for
           all of them. */
        if (other && other != slot + 1)
            sb_world_fail(w, w->use_usable ? SB_FAULT_USABLE : SB_FAULT_OVERLAP,
                          "%s: %llu bytes at %p overlap a live block of %llu bytes at %p", name,
                          (unsigned long long)b->size, (void *)b->areas[i],
                          (unsigned long long)w->slots[other - 1].size, (void *)w->slots[other - 1].areas[0]);
    }
    for (uint32_t i = 0; i < b->n && w->fault == SB_FAULT_NONE; i++) {
        /* Per-CPU areas are always zero: alloc_percpu has no flags to say otherwise. */
        if (w->judge_zero && (op->zero || lane->kind == SB_LANE_PERCPU) && !sb_is_zero(b->areas[i], b->asked))
            sb_world_fail(w, SB_FAULT_ZERO, "%s: %llu bytes are not all zero, as was asked for", name, size);
    }
}

static void do_alloc(struct sb_world *w, const struct sb_op *op)
{
    /* Any subset of a sequence is a sequence: that is what shrinking lives on. */
    struct sb_block *b = &w->slots[op->slot];
    if (b->handle)
        return;
    *b = (struct sb_block){.lane = op->lane, .asked = op->size, .size = op->size, .tag = ++w->tag};
    uint64_t aligned =
        w->lanes[op->lane].kind == SB_LANE_SIZED && op->align ? UINT64_C(1) << __builtin_ctz(op->align) : 0;
    if (!take_block(w, op, b)) {
        *b = (struct sb_block){0};
        w->refused++;
        w->aligned_refused |= aligned;
        return;
    }
    w->served++;
    w->aligned_served |= aligned;
    w->live++;
    w->live_bytes += b->asked;
    judge_block(w, b, op);
    if (w->fill && w->fault == SB_FAULT_NONE)
        fill(b);
}

/* Damage must be planted where nobody lives. */
bool sb_world_lives(const struct sb_world *w, const char *at, uint64_t size)
{
    for (uintptr_t i = (uintptr_t)at / GRANULE; i <= ((uintptr_t)at + size - 1) / GRANULE; i++) {
        const struct page *p = page_of(w->granules, i * GRANULE, false);
        if (p && p->slots[i % PER_PAGE])
            return true;
    }
    return false;
}

static void verify_block(struct sb_world *w, const struct sb_block *b)
{
    if (w->fill && !holds(b))
        sb_world_fail(w, w->use_usable ? SB_FAULT_USABLE : SB_FAULT_CONTENTS,
                      "%s: a block of %llu bytes at %p no longer holds what was written into it",
                      w->lanes[b->lane].name, (unsigned long long)b->size, (void *)b->areas[0]);
}

static void do_free(struct sb_world *w, uint32_t slot)
{
    struct sb_block *b = &w->slots[slot];
    if (!b->handle)
        return;
    verify_block(w, b);
    w->proved += w->fill;
    /* A block that lost its contents isn't given back: who knows whose memory that is. */
    if (w->fault != SB_FAULT_NONE)
        return;
    for (uint32_t i = 0; i < b->n && !w->ignore_overlap; i++)
        mark(w->granules, b->areas[i], b->size, slot, false);
    give_block(w, b);
    w->live--;
    w->live_bytes -= b->asked;
    *b = (struct sb_block){0};
}

struct task {
    struct sb_world *world;
    const struct sb_op *op;
};

static void do_here(void *argument)
{
    struct task *task = argument;
    if (task->op->free)
        do_free(task->world, task->op->slot);
    else
        do_alloc(task->world, task->op);
}

void sb_world_do(struct sb_world *w, const struct sb_op *op)
{
    struct task task = {w, op};
    if (w->fault != SB_FAULT_NONE)
        return;
    /* Once there are helpers thread 0 is one of them, too: the main thread would be a third. */
    if (op->thread || w->helpers)
        sb_world_on_thread(w, op->thread, do_here, &task);
    else
        do_here(&task);
}

void sb_world_verify(struct sb_world *w)
{
    for (uint32_t i = 0; i < SB_SLOTS; i++) {
        if (w->slots[i].handle)
            verify_block(w, &w->slots[i]);
    }
}

/* In one pass over the kernel's list, which may be long. */
void sb_world_judge_memory(struct sb_world *w)
{
    struct sb_mappings mappings = {0};
    const char *base = w->memory.base;
    for (uint32_t i = 0; i < SB_SLOTS && base && w->fault == SB_FAULT_NONE; i++) {
        const struct sb_block *b = &w->slots[i];
        for (uint32_t k = 0; b->handle && k < b->n; k++) {
            if (b->areas[k] >= base && b->areas[k] + b->size <= base + w->memory.size)
                continue;
            if (!mappings.n)
                mappings = sb_mappings_read(w->memory.fd);
            if (!sb_mappings_cover(&mappings, b->areas[k], b->size))
                sb_world_fail(w, SB_FAULT_MEMORY,
                              "%s: %llu bytes at %p lie neither in the machine's memory nor in a second mapping of it; "
                              "an allocator with memory of its own says SB_ALLOCATOR_OS_MEMORY",
                              w->lanes[b->lane].name, (unsigned long long)b->size, (void *)b->areas[k]);
        }
    }
    sb_mappings_free(&mappings);
}

void sb_world_free_all(struct sb_world *w)
{
    /* In the order of slots, which is none in time or address. */
    for (uint32_t i = 0; i < SB_SLOTS && w->fault == SB_FAULT_NONE; i++) {
        struct sb_op op = {.free = true, .slot = i};
        sb_world_do(w, &op);
    }
}

/* ---- opening ---- */

static void take_words(void *context, const char *format, ...)
{
    struct sb_world *w = context;
    va_list args;
    va_start(args, format);
    vsnprintf(w->said, sizeof(w->said), format, args);
    va_end(args);
}

int sb_world_open_afresh(struct sb_world *w)
{
    if (w->memory.base)
        memset(w->memory.base, 0, w->memory.size);
    return sb_world_open_allocator(w);
}

int sb_world_open_allocator(struct sb_world *w)
{
    w->said[0] = '\0';
    int status = w->a->open(&w->host, w->values, &w->self);
    for (size_t i = 0; i < w->lane_count && !status; i++) {
        struct sb_lane *lane = &w->lanes[i];
        if (lane->kind == SB_LANE_CACHE)
            status =
                w->a->cache->create(w->self, lane->name, lane->size, lane->align, lane->flags, NULL, 0, &lane->cache);
        if (status)
            w->a->close(w->self);
    }
    return status;
}

void sb_world_close_allocator(struct sb_world *w)
{
    w->a->close(w->self);
    /* The map of granules keeps what still lived: callers free all first, or ignore overlaps. */
    memset(w->slots, 0, sizeof(w->slots));
    w->live = w->live_bytes = w->pages_bytes = 0;
    w->self = NULL;
}

/* Memory that is kept per CPU is another one after a migration: less comes back than was given, and a
   sequence doesn't replay. Wherever the kernel put us, so that two gates side by side keep out of each
   other's way; after the opening, so that a plugin's own threads keep all CPUs. */
static int stay_here(const struct sb_world *w, char **why)
{
    return sb_topology_pin(w->topology, (unsigned)sched_getcpu(), why);
}

int sb_world_open(struct sb_world *w, const struct sb_plugin *plugin, const union sb_value *values, uint64_t memory,
                  uint64_t seed, char **why)
{
    union sb_value machine[SB_MACHINE_KEYS] = {
        [SB_MACHINE_MEMORY].u = memory, [SB_MACHINE_PREFAULT].u = 0, [SB_MACHINE_NODE].s = "any"};
    *w = (struct sb_world){.plugin = plugin, .a = &plugin->allocator, .values = values, .fill = true};
    w->granules = sb_calloc(1, sizeof(*w->granules));
    w->lane_count = sb_lanes_make(w->a, w->lanes);
    int status = sb_topology_load(&w->topology, why);
    if (!status && !(w->a->flags & SB_ALLOCATOR_OS_MEMORY))
        status = sb_physmem_open(&w->memory, machine, (struct sb_physmem_given){0}, w->topology, why);
    if (status) {
        w->fault = SB_FAULT_MACHINE;
        return status;
    }
    w->host = (struct sb_host){.struct_size = sizeof(w->host),
                               .nr_cpus = sb_topology_nr_cpus(w->topology),
                               .nr_nodes = 1,
                               .memory_fd = w->memory.base ? w->memory.fd : -1,
                               .memory = w->memory.base,
                               .memory_size = w->memory.base ? w->memory.size : 0,
                               .seed = seed,
                               .context = w,
                               .fail = take_words};
    w->cpu_node = sb_calloc(w->host.nr_cpus, sizeof(*w->cpu_node));
    if (w->memory.base) {
        w->host.nr_nodes = w->memory.nr_nodes;
        sb_topology_cpu_nodes(w->topology, w->cpu_node, w->host.nr_cpus);
        w->host.cpu_node = w->host.nr_nodes > 1 ? w->cpu_node : NULL;
        w->host.node_distance = w->distances = sb_topology_distances(w->topology, w->host.nr_nodes);
    }
    status = sb_world_open_allocator(w);
    if (status)
        *why = sb_printf("the allocator can't be opened: %s", *w->said ? w->said : strerror(-status));
    else if ((status = stay_here(w, why)))
        w->fault = SB_FAULT_MACHINE;
    return status;
}
