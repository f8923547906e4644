/*
 * What the ABI promises, one function a promise. Each answers for its own alone: what it meets of another's
 * is "untested", so that a plugin with one fault has one failing line.
 */
#define _GNU_SOURCE
#include "check/properties.h"

#include "base/clock.h"
#include "base/units.h"
#include "measure/footprint.h"
#include "stats/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which they are tried: a later one may take an earlier one for granted. Their names are
   what users type and what databases hold, so they are never renamed. */
const struct sb_property sb_properties[] = {
    {"alignment", "blocks are aligned as asked for, at every size", true},
    {"memory", "blocks lie in the machine's memory, or in a second mapping of it", true},
    {"overlap", "no two live blocks share a byte", true},
    {"contents", "a block keeps its contents until it is freed", true},
    {"zeroing", "blocks are zero where that is asked for", true},
    {"usable", "what is said to be usable is no less than asked for, and really the block's", true},
    {"snapshot", "the books agree with what was asked for", true},
    {"check", "check() is silent on sound structures, and notices damage", true},
    {"other-cpu", "a block may be freed by another thread, on another CPU", true},
    {"all-threads", "threads may free each other's blocks, all at once", false},
    {"bulk", "n objects at once are like n single ones", false},
    {"exhaustion", "memory that is used up gives NULL, and serves again when freed", false},
    {"destroy", "a cache with live objects refuses to be destroyed, and lives on", false},
    {"double-free", "a block freed twice is reported", false},
    {"foreign-free", "a block that was never given out is reported when freed", false},
    {"options",
     "every option's smallest, largest and default value, and every choice, opens and serves, or says why "
     "not",
     false},
    {"close", "close gives back all that it holds, blocks that live in the machine's memory too", false},
    {"reopen", "it can be opened and closed a thousand times", false},
};
const size_t sb_property_count = SB_COUNT(sb_properties);

static const char *const results[] = {"pass", "fail", "not claimed", "untested"};

const char *sb_check_result_name(enum sb_check_result result)
{
    return results[result];
}

const struct sb_property *sb_property_find(const char *name)
{
    for (size_t i = 0; i < sb_property_count; i++) {
        if (!strcmp(sb_properties[i].name, name))
            return &sb_properties[i];
    }
    return NULL;
}

/* By name and not by index, so that the table above is the only list. */
static bool is(const struct sb_property *p, const char *name)
{
    return !strcmp(p->name, name);
}

static void find(struct sb_finding *f, enum sb_check_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void find(struct sb_finding *f, enum sb_check_result result, const char *format, ...)
{
    va_list args;
    f->result = result;
    va_start(args, format);
    vsnprintf(f->why, sizeof(f->why), format, args);
    va_end(args);
}

/* ---- sequences ---- */

void sb_property_draw(const struct sb_property *p, const struct sb_allocator *a, const struct sb_lane *lanes,
                      size_t lane_count, bool quick, uint64_t seed, struct sb_ops *ops)
{
    struct sb_mix mix = {.most = 65536};
    /* Enough for slabs to be made, filled, emptied and given back several times over; a tenth of it
       finds what breaks often, in the second that a run can spare before it measures. */
    size_t n = quick ? 30000 : 300000;
    /* What is damaged rarely takes many frees to see; to every second operation there is one. */
    enum { PROVED_FREES = 1000000 };
    if (a->sized && a->sized->max_size && a->sized->max_size < mix.most)
        mix.most = a->sized->max_size;
    mix.threads = is(p, "other-cpu");
    /* Handing every operation to another thread costs microseconds. */
    if (mix.threads)
        n /= 10;
    else if (is(p, "contents") && !quick)
        n = 2 * PROVED_FREES + 2 * SB_SLOTS;
    else if (is(p, "overlap") || is(p, "contents"))
        n *= 5;
    sb_ops_draw(ops, lanes, lane_count, &mix, n, seed);
}

static void compare_snapshot(struct sb_world *w)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    w->a->snapshot(w->self, &s);
    if (s.has & SB_HAS_LIVE && s.live != w->live)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "%llu blocks live, the snapshot says %llu",
                      (unsigned long long)w->live, (unsigned long long)s.live);
    /* Rounding up may only add: what is handed out is never less than what was asked for. */
    if (s.has & SB_HAS_HANDED && s.handed_bytes < w->live_bytes)
        sb_world_fail(w, SB_FAULT_SNAPSHOT,
                      "%llu bytes were asked for, the snapshot says that %llu were handed out",
                      (unsigned long long)w->live_bytes, (unsigned long long)s.handed_bytes);
    if (s.has & SB_HAS_HANDED && !w->live && s.handed_bytes)
        sb_world_fail(w, SB_FAULT_SNAPSHOT, "nothing lives, the snapshot says that %llu bytes are handed out",
                      (unsigned long long)s.handed_bytes);
    if (s.has & SB_HAS_HANDED && s.has & SB_HAS_HELD && s.held_bytes < s.handed_bytes)
        sb_world_fail(w, SB_FAULT_SNAPSHOT,
                      "the snapshot says that %llu bytes are handed out, but only %llu held",
                      (unsigned long long)s.handed_bytes, (unsigned long long)s.held_bytes);
    if (s.has & SB_HAS_HELD && w->memory.base && s.held_bytes > w->memory.size)
        sb_world_fail(w, SB_FAULT_SNAPSHOT,
                      "the snapshot says that %llu bytes are held, of %llu that there are",
                      (unsigned long long)s.held_bytes, (unsigned long long)w->memory.size);
}

static void ask_check(struct sb_world *w)
{
    char why[256] = "";
    if (w->a->check(w->self, why, sizeof(why)))
        sb_world_fail(w, SB_FAULT_CHECK, "check() complains of sound structures: %s",
                      *why ? why : "without a word");
}

/* The fault that a property answers for. */
static enum sb_fault own_fault(const struct sb_property *p)
{
    static const struct {
        const char *name;
        enum sb_fault fault;
    } faults[] = {{"alignment", SB_FAULT_ALIGN},   {"memory", SB_FAULT_MEMORY}, {"overlap", SB_FAULT_OVERLAP},
                  {"contents", SB_FAULT_CONTENTS}, {"zeroing", SB_FAULT_ZERO},  {"usable", SB_FAULT_USABLE},
                  {"snapshot", SB_FAULT_SNAPSHOT}, {"check", SB_FAULT_CHECK}};
    for (size_t i = 0; i < SB_COUNT(faults); i++) {
        if (is(p, faults[i].name))
            return faults[i].fault;
    }
    return SB_FAULT_NONE;
}

/* Looked at more often the shorter the sequence is: a shrunk one shows where it breaks. */
static void run_ops(struct sb_world *w, const struct sb_property *p, const struct sb_ops *ops, bool quick,
                    volatile uint64_t *done, struct sb_finding *f)
{
    /* Each look costs as much as hundreds of operations: a long sequence is looked at now and then. */
    size_t every = ops->n < 400 ? 1 : is(p, "check") ? ops->n / 40 : 64;
    /* Allocators that call the OS take long: what they do in this time is enough. */
    uint64_t full = is(p, "contents") ? UINT64_C(20000000000) : UINT64_C(4000000000);
    uint64_t end_ns = sb_now_ns() + (quick ? UINT64_C(500000000) : full);
    for (size_t i = 0; i < ops->n && w->fault == SB_FAULT_NONE; i++) {
        if (i % 256 == 255 && sb_now_ns() > end_ns)
            break;
        /* For the parent, which reads it out of shared memory if this operation is the last. */
        *done = i + 1;
        sb_world_do(w, &ops->at[i]);
        if (i % every == 0 && is(p, "snapshot"))
            compare_snapshot(w);
        if (i % every == 0 && is(p, "check"))
            ask_check(w);
        if (i % every == 0 && is(p, "memory"))
            sb_world_judge_memory(w);
        if (every == 1)
            sb_world_verify(w);
        f->at = i;
    }
    sb_world_verify(w);
    sb_world_free_all(w);
    if (is(p, "snapshot"))
        compare_snapshot(w);
    if (is(p, "check"))
        ask_check(w);
}

/* Allowed, and yet it decides which workloads can be measured. */
static void remark_alignment(const struct sb_world *w, struct sb_finding *f)
{
    uint64_t never = w->aligned_refused & ~w->aligned_served;
    if (never)
        find(f, SB_CHECK_PASS,
             "where it isn't NULL: an alignment of %llu was never served; workloads that ask for whole pages "
             "(scullp, scullv, pressure) want 4096",
             1ULL << __builtin_ctzll(never));
}

static void judge_sequence(struct sb_world *w, const struct sb_property *p, struct sb_finding *f)
{
    /* The parent shrinks only towards the same fault: another one met on the way is another story. */
    f->fault = w->fault;
    if (w->fault == SB_FAULT_NONE) {
        f->result = SB_CHECK_PASS;
        if (w->refused > w->served)
            find(f, SB_CHECK_UNTESTED, "most allocations gave NULL although memory was there: %llu of %llu",
                 (unsigned long long)w->refused, (unsigned long long)(w->refused + w->served));
        /* Of n trials without a fault: rates of 3/n and more are excluded with 95 % (Hanley and Lippman-Hand,
           JAMA 1983). */
        else if (is(p, "contents"))
            find(f, SB_CHECK_PASS,
                 "%llu blocks were compared when they were freed: damage that comes once in %llu "
                 "frees or more often is seen with 95 %%, rarer damage may not be",
                 (unsigned long long)w->proved, (unsigned long long)(w->proved / 3));
    } else if (w->fault == SB_FAULT_MACHINE) {
        find(f, SB_CHECK_UNTESTED, "the machine: %s", w->why);
    } else if (own_fault(p) == w->fault || (is(p, "other-cpu") && w->fault != SB_FAULT_ZERO)) {
        find(f, SB_CHECK_FAIL, "%s", w->why);
    } else {
        find(f, SB_CHECK_UNTESTED, "%s failed first: %s", sb_fault_name(w->fault), w->why);
    }
}

enum { PLANTED = 64 }; /* bytes of damage */

/* An allocator may take the mapping of its memory away, as high memory has none: the kernel can tell. */
static bool mapped(char *at)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return false;
    /* The kernel answers EFAULT where we would get SIGSEGV. */
    bool yes = write(fds[1], at, PLANTED) == PLANTED && read(fds[0], at, PLANTED) == PLANTED;
    close(fds[0]);
    close(fds[1]);
    return yes;
}

/* Damage to the memory that nobody was given; put right again whatever check() says. */
static bool plant(struct sb_world *w, char *at, char *why, size_t why_size)
{
    char saved[PLANTED];
    memcpy(saved, at, sizeof(saved));
    for (size_t i = 0; i < sizeof(saved); i++)
        at[i] = (char)(at[i] ^ 0x5a);
    bool noticed = w->a->check(w->self, why, why_size) != 0;
    memcpy(at, saved, sizeof(saved));
    return noticed;
}

/* Freed blocks first, where free lists run, then pages that hold something. */
static void plant_damage(struct sb_world *w, volatile uint64_t *done, struct sb_finding *f)
{
    enum { FREED = 256 };
    static char *freed[FREED];
    char why[256] = "";
    size_t n = 0, noticed = 0, tried = 0;
    /* Where damage is planted is the same each time, whatever the seed: a plugin passes or doesn't. */
    struct sb_random random = {7};
    *done = UINT64_MAX; /* what breaks from here on is not the sequence's doing */
    f->at = SIZE_MAX;
    for (uint32_t i = 0; i < SB_SLOTS; i++) {
        struct sb_op op = {.slot = i, .lane = (uint8_t)(i % w->lane_count), .size = 200};
        const struct sb_lane *lane = &w->lanes[op.lane];
        op.size = lane->kind == SB_LANE_CACHE ? lane->size : lane->kind == SB_LANE_PAGES ? SB_PAGE_SIZE : 200;
        sb_world_do(w, &op);
    }
    /* Every other one, so that free objects lie between live ones, in slabs that are on lists. */
    for (uint32_t i = 0; i < SB_SLOTS; i += 2) {
        struct sb_op op = {.slot = i, .free = true};
        if (w->slots[i].handle && n < FREED && w->slots[i].size >= 64)
            freed[n++] = w->slots[i].areas[0];
        sb_world_do(w, &op);
    }
    char *base = w->memory.base;
    for (size_t i = 0; i < n && !noticed; i++) {
        if (freed[i] < base || freed[i] >= base + w->memory.size || !mapped(freed[i]))
            continue;
        noticed += plant(w, freed[i], why, sizeof(why));
        tried++;
    }
    for (int i = 0; i < 4000 && !noticed; i++) {
        char *at = base + sb_random_below(&random, w->memory.size / PLANTED) * PLANTED;
        /* Untouched memory may be anything's; what is not zero was written by the allocator. */
        bool empty = true;
        if (!mapped(at) || sb_world_lives(w, at, PLANTED))
            continue;
        for (int k = 0; k < PLANTED; k++)
            empty &= !at[k];
        if (empty)
            continue;
        noticed += plant(w, at, why, sizeof(why));
        tried++;
    }
    if (!tried)
        find(f, SB_CHECK_UNTESTED, "all that the machine's memory holds is blocks: nowhere to plant damage");
    else if (!noticed)
        find(f, SB_CHECK_FAIL, "check() noticed none of %zu damages to memory that nobody was given", tried);
}

static void try_sequence(struct sb_world *w, const struct sb_property *p, const struct sb_ops *ops,
                         bool quick, volatile uint64_t *done, struct sb_finding *f)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    bool aliases = w->a->flags & SB_ALLOCATOR_ALIASES;
    if (aliases && !is(p, "alignment") && !is(p, "memory")) {
        find(f, SB_CHECK_NOT_CLAIMED, "the plugin says that it gives the same blocks to all");
        return;
    }
    if (is(p, "memory") && w->a->flags & SB_ALLOCATOR_OS_MEMORY) {
        find(f, SB_CHECK_NOT_CLAIMED, "the plugin says that it takes memory from the OS");
        return;
    }
    if (is(p, "snapshot")) {
        w->a->snapshot(w->self, &s);
        if (!(s.has & (SB_HAS_LIVE | SB_HAS_HANDED | SB_HAS_HELD))) {
            find(f, SB_CHECK_NOT_CLAIMED, "the snapshot says nothing");
            return;
        }
    }
    if (is(p, "usable") && !(w->a->sized && w->a->sized->usable)) {
        find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't say what is usable");
        return;
    }
    w->judge_align = is(p, "alignment");
    w->judge_zero = is(p, "zeroing");
    w->use_usable = is(p, "usable");
    w->fill = !(is(p, "alignment") || is(p, "memory") || is(p, "overlap"));
    w->ignore_overlap = aliases;
    run_ops(w, p, ops, quick, done, f);
    judge_sequence(w, p, f);
    if (is(p, "alignment") && f->result == SB_CHECK_PASS)
        remark_alignment(w, f);
    if (!is(p, "check") || f->result != SB_CHECK_PASS)
        return;
    if (!(w->a->claims & SB_CLAIM_CHECK))
        find(f, SB_CHECK_NOT_CLAIMED,
             "silent on sound structures; the plugin doesn't claim to notice damage");
    else if (w->memory.base)
        plant_damage(w, done, f);
    else
        find(f, SB_CHECK_UNTESTED,
             "silent on sound structures; in memory from the OS nobody knows where to plant damage");
}

/* As a fresh process would see it. */
static int open_again(struct sb_world *w)
{
    if (w->memory.base)
        memset(w->memory.base, 0, w->memory.size);
    return sb_world_open_allocator(w);
}

/* ---- memory used up ---- */

static void *take(struct sb_world *w, const struct sb_lane *lane, uint64_t size)
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
        return w->a->pages->get_free_pages(w->self, gfp, 0);
    case SB_LANE_PERCPU:
        return w->a->percpu->alloc_percpu(w->self, size, 8);
    }
    return NULL;
}

static void give(struct sb_world *w, const struct sb_lane *lane, void *block, uint64_t size)
{
    switch (lane->kind) {
    case SB_LANE_SIZED:
        w->a->sized->free(w->self, block, size);
        break;
    case SB_LANE_CACHE:
        w->a->cache->free(lane->cache, block);
        break;
    case SB_LANE_PAGES:
        w->a->pages->free_pages_at(w->self, block, 0);
        break;
    case SB_LANE_PERCPU:
        w->a->percpu->free_percpu(w->self, block);
        break;
    }
}

static uint64_t take_all(struct sb_world *w, const struct sb_lane *lane, uint64_t size, void **blocks,
                         uint64_t most)
{
    uint64_t n = 0;
    while (n < most && (blocks[n] = take(w, lane, size)))
        n++;
    return n;
}

static void exhaust(struct sb_world *w, const struct sb_lane *lane, struct sb_finding *f)
{
    uint64_t size = lane->kind == SB_LANE_CACHE    ? lane->size
                    : lane->kind == SB_LANE_PERCPU ? 256
                                                   : (uint64_t)SB_PAGE_SIZE;
    /* More than there can be: an allocator that gets there hands out memory twice, or has more than it
       was lent. */
    uint64_t most = w->memory.size / (size < 8 ? 8 : size) + 1;
    void **blocks = sb_calloc(most, sizeof(*blocks));
    uint64_t first = take_all(w, lane, size, blocks, most);
    if (!first)
        find(f, SB_CHECK_FAIL, "%s: not one block is given with SB_GFP_NOWAIT, of fresh memory", lane->name);
    else if (first == most)
        find(f, SB_CHECK_FAIL, "%s: %llu blocks of %llu bytes were given out of %llu bytes, and no NULL came",
             lane->name, (unsigned long long)first, (unsigned long long)size,
             (unsigned long long)w->memory.size);
    for (uint64_t i = 0; i < first; i++)
        give(w, lane, blocks[i], size);
    uint64_t second = f->result == SB_CHECK_PASS ? take_all(w, lane, size, blocks, most) : 0;
    /* A tenth may stay in caches and in slabs that another lane had; what is lost for good is more than
       that. */
    if (f->result == SB_CHECK_PASS && second < first - first / 10)
        find(f, SB_CHECK_FAIL,
             "%s: of %llu blocks that there was memory for only %llu come after all were freed", lane->name,
             (unsigned long long)first, (unsigned long long)second);
    for (uint64_t i = 0; i < second; i++)
        give(w, lane, blocks[i], size);
    free((void *)blocks);
}

static void try_exhaustion(struct sb_world *w, struct sb_finding *f)
{
    if (w->a->flags & (SB_ALLOCATOR_OS_MEMORY | SB_ALLOCATOR_ALIASES)) {
        find(f, SB_CHECK_NOT_CLAIMED, "its memory has no end");
        return;
    }
    for (size_t i = 0; i < w->lane_count && f->result == SB_CHECK_PASS; i++) {
        /* Tiny objects take long and tell nothing more. */
        if (w->lanes[i].kind == SB_LANE_CACHE && w->lanes[i].size < 1000)
            continue;
        exhaust(w, &w->lanes[i], f);
        /* Memory that went to one kind of blocks need not come back for another. */
        sb_world_close_allocator(w);
        if (open_again(w)) {
            find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
            return;
        }
    }
}

/* ---- threads ---- */

enum { RING = 256, MOST_SHARED = 2000 };

/* What two threads hand to each other: whoever gets it proves its contents and frees it. */
struct parcel {
    void *block; /* as free takes it */
    char *bytes; /* where it can be written */
    uint64_t size, tag;
    uint8_t lane;
};
/* One writer, one reader: head is the writer's, tail the reader's, and nobody waits. */
struct ring {
    struct parcel at[RING];
    _Atomic uint32_t head, tail;
};
struct trader {
    struct sb_world *w;
    struct ring *in, *out;
    struct sb_topology *topology;
    struct sb_random random;
    unsigned cpu;
    uint64_t end_ns, last_ns, sent;
    _Atomic bool *broken;
    _Atomic bool *other_done, done;
    char why[256];
};

/* On a busy machine the two are seldom on their CPUs together: who has handed over little goes on for a
 * while. */
static bool trade_on(const struct trader *t)
{
    const uint64_t now = sb_now_ns(), enough = 10000;
    return !*t->broken && (now < t->end_ns || (t->sent && t->sent < enough && now < t->last_ns));
}

static void fill_parcel(const struct parcel *p)
{
    for (uint64_t i = 0; i + 8 <= p->size; i += 8)
        memcpy(p->bytes + i, &p->tag, 8);
}

static bool parcel_holds(const struct parcel *p)
{
    for (uint64_t i = 0; i + 8 <= p->size; i += 8) {
        if (memcmp(p->bytes + i, &p->tag, 8))
            return false;
    }
    return true;
}

static void receive(struct trader *t)
{
    uint32_t tail = atomic_load_explicit(&t->in->tail, memory_order_relaxed);
    while (tail != atomic_load_explicit(&t->in->head, memory_order_acquire)) {
        struct parcel *p = &t->in->at[tail % RING];
        if (!parcel_holds(p) && !atomic_exchange(t->broken, true))
            snprintf(t->why, sizeof(t->why),
                     "%s: a block of %llu bytes at %p, handed over by another thread, doesn't hold "
                     "what that wrote into it",
                     t->w->lanes[p->lane].name, (unsigned long long)p->size, p->block);
        give(t->w, &t->w->lanes[p->lane], p->block, p->size);
        atomic_store_explicit(&t->in->tail, ++tail, memory_order_release);
    }
}

static void send_one(struct trader *t)
{
    uint32_t head = atomic_load_explicit(&t->out->head, memory_order_relaxed);
    /* Full: the other is behind, and what it frees next is what this test is about. */
    if (head - atomic_load_explicit(&t->out->tail, memory_order_acquire) == RING)
        return;
    struct parcel *p = &t->out->at[head % RING];
    p->lane = (uint8_t)sb_random_below(&t->random, t->w->lane_count);
    const struct sb_lane *lane = &t->w->lanes[p->lane];
    p->size = lane->kind == SB_LANE_CACHE    ? lane->size
              : lane->kind == SB_LANE_PAGES  ? (uint64_t)SB_PAGE_SIZE
              : lane->kind == SB_LANE_PERCPU ? 8 + sb_random_below(&t->random, 256)
                                             : 8 + sb_random_below(&t->random, MOST_SHARED);
    p->block = take(t->w, lane, p->size);
    if (!p->block)
        return;
    p->bytes =
        lane->kind == SB_LANE_PERCPU ? t->w->a->percpu->per_cpu_ptr(t->w->self, p->block, 0) : p->block;
    t->sent++;
    p->tag = sb_random_next(&t->random);
    fill_parcel(p);
    atomic_store_explicit(&t->out->head, head + 1, memory_order_release);
}

static void *trade(void *argument)
{
    struct trader *t = argument;
    char *why = NULL;
    sb_topology_pin(t->topology, t->cpu, &why);
    free(why);
    while (trade_on(t)) {
        /* In bursts, so that both fast paths and refills of a CPU's list are crossed by the other's
           frees. */
        for (int i = 0; i < 64; i++)
            send_one(t);
        receive(t);
    }
    /* Only now: the other stops to look when nothing more can come. */
    t->done = true;
    /* What is still under way is the other's to take, and mine what the other sent. */
    while (!*t->other_done)
        receive(t);
    receive(t);
    return NULL;
}

static void try_all_threads(struct sb_world *w, bool quick, struct sb_finding *f)
{
    static struct ring rings[2];
    struct trader traders[2];
    struct sb_cpus cpus = {0};
    pthread_t threads[2];
    _Atomic bool broken = false;
    char *why = NULL, text[256] = "";
    if (w->a->flags & SB_ALLOCATOR_ALIASES) {
        find(f, SB_CHECK_NOT_CLAIMED, "the plugin says that it gives the same blocks to all");
        return;
    }
    sb_topology_cpus(w->topology, "all", SB_PLACE_SCATTER, &cpus, &why);
    free(why);
    const uint64_t now = sb_now_ns(), span = quick ? UINT64_C(100000000) : UINT64_C(700000000);
    for (size_t i = 0; i < 2; i++)
        traders[i] = (struct trader){.w = w,
                                     .in = &rings[i],
                                     .out = &rings[1 - i],
                                     .topology = w->topology,
                                     .random = sb_random_fork(w->host.seed, i),
                                     .cpu = cpus.n ? cpus.at[i % cpus.n].os : 0,
                                     .end_ns = now + span,
                                     .last_ns = now + 10 * span,
                                     .broken = &broken,
                                     .other_done = &traders[1 - i].done};
    size_t started = 0;
    int error = 0;
    while (started < 2 && !(error = pthread_create(&threads[started], NULL, trade, &traders[started])))
        started++;
    /* Whoever was started waits for one that never comes. */
    for (size_t i = started; i < 2; i++)
        traders[i].done = true;
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    SB_VEC_FREE(&cpus);
    if (error) {
        f->fault = SB_FAULT_MACHINE;
        find(f, SB_CHECK_UNTESTED, "the machine: a thread can't be started: %s", strerror(error));
        return;
    }
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    w->a->snapshot(w->self, &s);
    if (broken)
        find(f, SB_CHECK_FAIL, "%s", *traders[0].why ? traders[0].why : traders[1].why);
    /* A pass without a block handed over would be empty. */
    else if (!traders[0].sent || !traders[1].sent)
        find(f, SB_CHECK_UNTESTED, "not one block was given with SB_GFP_NOWAIT");
    else if (w->a->check(w->self, text, sizeof(text)))
        find(f, SB_CHECK_FAIL, "after two threads freed each other's blocks check() says: %s", text);
    else if (s.has & SB_HAS_LIVE && s.live)
        find(f, SB_CHECK_FAIL,
             "after two threads freed all of each other's blocks %llu are still counted as live",
             (unsigned long long)s.live);
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

static void try_bulk(struct sb_world *w, struct sb_finding *f)
{
    enum { MOST = 64 };
    struct sb_lane *lane = first_cache(w, 24);
    struct sb_random random = {w->host.seed};
    void *objects[MOST];
    size_t served = 0;
    if (!w->a->bulk || !lane) {
        find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't offer bulk");
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
            find(f, SB_CHECK_FAIL, "alloc_bulk of %zu objects gave %zu: it gives all or none", n, got);
        else if (got && !all_apart(objects, n, lane->size))
            find(f, SB_CHECK_FAIL, "alloc_bulk of %zu objects gave NULL, or objects that overlap", n);
        else if (got && s.has & SB_HAS_LIVE && s.live != n)
            find(f, SB_CHECK_FAIL, "after alloc_bulk of %zu objects the snapshot counts %llu live", n,
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
            find(f, SB_CHECK_UNTESTED, "%zu single objects were NULL, or overlapped", n);
        else if (f->result == SB_CHECK_PASS)
            w->a->bulk->free_bulk(lane->cache, n, objects);
        s = (struct sb_snapshot){.struct_size = sizeof(s)};
        w->a->snapshot(w->self, &s);
        if (f->result == SB_CHECK_PASS && s.has & SB_HAS_LIVE && s.live)
            find(f, SB_CHECK_FAIL, "after free_bulk of %zu objects the snapshot still counts %llu live", n,
                 (unsigned long long)s.live);
    }
    if (f->result == SB_CHECK_PASS && !served)
        find(f, SB_CHECK_FAIL, "alloc_bulk never gave anything, where single objects could be had");
}

static void try_destroy(struct sb_world *w, struct sb_finding *f)
{
    void *cache = NULL, *object, *second;
    if (!w->a->cache || w->a->flags & SB_ALLOCATOR_ALIASES) {
        find(f, SB_CHECK_NOT_CLAIMED,
             w->a->cache ? "the plugin says that it gives the same blocks to all"
                         : "the plugin doesn't offer caches");
        return;
    }
    if (w->a->cache->create(w->self, "doomed", 64, 0, 0, NULL, 0, &cache) ||
        !(object = w->a->cache->alloc(cache, SB_GFP_KERNEL))) {
        find(f, SB_CHECK_UNTESTED, "a cache of 64 bytes can't be made: %s", w->said);
        return;
    }
    int status = w->a->cache->destroy(cache);
    if (!status) {
        find(f, SB_CHECK_FAIL, "destroy said 0 while an object lived");
        return;
    }
    if (status != -EBUSY)
        find(f, SB_CHECK_FAIL, "destroy said %d (%s) while an object lived, not -EBUSY", status,
             strerror(-status));
    /* A refusal must have changed nothing: kmem_cache_destroy with live objects leaves the cache usable. */
    second = w->a->cache->alloc(cache, SB_GFP_KERNEL);
    if (!second || second == object)
        find(f, SB_CHECK_FAIL, "after a refused destroy the cache serves no more");
    w->a->cache->free(cache, object);
    if (second && second != object)
        w->a->cache->free(cache, second);
    if (f->result == SB_CHECK_PASS && w->a->cache->destroy(cache))
        find(f, SB_CHECK_FAIL, "destroy refuses although all objects were freed: %s", w->said);
}

/* ---- opening ---- */

/* What any user would do, to have structures made that close must give back. */
static void exercise(struct sb_world *w, size_t n)
{
    struct sb_ops ops = {0};
    struct sb_mix mix = {.most = 4000};
    if (w->a->sized && w->a->sized->max_size && w->a->sized->max_size < mix.most)
        mix.most = w->a->sized->max_size;
    sb_ops_draw(&ops, w->lanes, w->lane_count, &mix, n, w->host.seed);
    for (size_t i = 0; i < ops.n; i++)
        sb_world_do(w, &ops.at[i]);
    SB_VEC_FREE(&ops);
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
        find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't claim to notice it");
        return;
    }
    size_t tried = 0;
    for (size_t i = 0; i < w->lane_count && f->result == SB_CHECK_PASS; i++) {
        const struct sb_lane *lane = &w->lanes[i];
        uint64_t size = lane->kind == SB_LANE_CACHE ? lane->size : 200;
        /* Page-aligned memory of our own, so that no allocator can refuse it for its alignment alone. */
        static char foreign_block[8192] __attribute__((aligned(4096)));
        void *block = foreign ? foreign_block : take(w, lane, size);
        if (!block)
            continue;
        if (!foreign)
            give(w, lane, block, size);
        /* Only words about this free count. */
        w->said[0] = '\0';
        give(w, lane, block, size);
        tried++;
        if (!reported(w))
            find(f, SB_CHECK_FAIL, "%s: %s, and neither fail() nor check() said so", lane->name,
                 foreign ? "a block that was never given out was freed" : "a block was freed twice");
        /* What one lane's mistake has damaged must not speak for the next. */
        sb_world_close_allocator(w);
        if (open_again(w)) {
            find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
            return;
        }
    }
    if (f->result == SB_CHECK_PASS && !tried)
        find(f, SB_CHECK_UNTESTED, "not one block was given with SB_GFP_NOWAIT");
}

/* ---- options ---- */

static void try_option_value(struct sb_world *w, const struct sb_option *o, uint64_t value,
                             volatile uint64_t *done, struct sb_finding *f)
{
    union sb_value *values = (union sb_value *)w->values, *slot = &values[o - w->plugin->options],
                   saved = *slot;
    /* As a user would write it, for the message. */
    char *text = sb_option_write(o, value);
    slot->u = value;
    /* For the parent, should this be the last that is done. */
    snprintf((char *)(done + 1), SB_PROGRESS_BYTES - sizeof(*done), "with %s = %s", o->name, text);
    if (!open_again(w)) {
        exercise(w, 500);
        sb_world_free_all(w);
        if (w->fault != SB_FAULT_NONE && !(w->a->flags & SB_ALLOCATOR_ALIASES))
            find(f, SB_CHECK_FAIL, "with %s = %s: %s", o->name, text, w->why);
        sb_world_close_allocator(w);
        /* A refusal is allowed: two options may exclude each other. Silence is not. */
    } else if (!*w->said) {
        find(f, SB_CHECK_FAIL, "%s = %s is refused without a word of why: call host->fail", o->name, text);
    }
    free(text);
    *slot = saved;
}

static void try_options(struct sb_world *w, volatile uint64_t *done, struct sb_finding *f)
{
    size_t tried = 0;
    sb_world_close_allocator(w);
    w->ignore_overlap = w->a->flags & SB_ALLOCATOR_ALIASES;
    w->fill = !w->ignore_overlap;
    for (uint32_t i = 0; i < w->plugin->option_count && f->result == SB_CHECK_PASS; i++) {
        /* One option at a time, all others at their defaults: combinations are the shipped plugins' own
           tests'. */
        const struct sb_option *o = &w->plugin->options[i];
        uint64_t values[32] = {0, 1};
        size_t n = o->kind == SB_OPTION_BOOL ? 2 : 0;
        for (; o->kind == SB_OPTION_ENUM && o->choices[n] && n < SB_COUNT(values); n++)
            values[n] = n;
        if (o->kind != SB_OPTION_BOOL && o->kind != SB_OPTION_ENUM && o->kind != SB_OPTION_TEXT && o->max) {
            values[n++] = o->min;
            values[n++] = o->max;
        }
        for (size_t v = 0; v < n && f->result == SB_CHECK_PASS; v++, tried++)
            try_option_value(w, o, values[v], done, f);
    }
    if (!tried && f->result == SB_CHECK_PASS)
        find(f, SB_CHECK_NOT_CLAIMED, "it has no options that can be tried");
    *(char *)(done + 1) = '\0';
    open_again(w);
}

/* What a process holds, as the kernel and the C library count it. */
struct holding {
    size_t heap, maps, files;
    int64_t resident;
};

static size_t count_files(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* A sanitizer's own malloc answers in glibc's stead, and its shadow and quarantine grow with every block ever
   freed: there the heap is asked of it, and mappings and resident pages say nothing. */
#if SB_SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void); /* in no header that gcc brings */

static struct holding look(void)
{
    return (struct holding){.heap = __sanitizer_get_current_allocated_bytes(), .files = count_files()};
}
#else
static size_t count_maps(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t n = 0;
    int c;
    while (file && (c = getc(file)) != EOF)
        n += c == '\n';
    if (file)
        fclose(file);
    return n;
}

static struct holding look(void)
{
    struct mallinfo2 info = mallinfo2();
    return (struct holding){info.uordblks + info.hblkhd, count_maps(), count_files(), sb_resident_bytes()};
}
#endif

/*
 * After some rounds, so that what is made once is made; then what every round leaves behind adds up. Of the
 * heap the median of what the rounds add: what is made once and late is no leak.
 */
static void try_close(struct sb_world *w, struct sb_finding *f)
{
    enum { FIRST = 4, ROUNDS = 16 };
    struct holding before = {0}, after = {0};
    double grown[ROUNDS];
    bool os = w->a->flags & SB_ALLOCATOR_OS_MEMORY;
    w->fill = false;
    w->ignore_overlap = true;
    for (int round = 0; round < FIRST + ROUNDS; round++) {
        exercise(w, 2000);
        /* Blocks of the OS's memory are their users'. */
        if (os)
            sb_world_free_all(w);
        sb_world_close_allocator(w);
        size_t heap = after.heap;
        after = look();
        if (round >= FIRST)
            grown[round - FIRST] = (double)after.heap - (double)heap;
        else
            before = after;
        if (open_again(w)) {
            find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
            return;
        }
    }
    double leak = sb_median(grown, ROUNDS);
    if (leak > 0)
        find(f, SB_CHECK_FAIL, "every open and close leaves %.0f bytes of the process's heap behind", leak);
    /* Half of the rounds: the C library's own arenas map something now and then. */
    else if (after.maps > before.maps + ROUNDS / 2)
        find(f, SB_CHECK_FAIL, "every open and close leaves mappings behind: %zu before, %zu after %d rounds",
             before.maps, after.maps, ROUNDS);
    else if (after.files > before.files + ROUNDS / 2)
        find(f, SB_CHECK_FAIL, "every open and close leaves files open: %zu before, %zu after %d rounds",
             before.files, after.files, ROUNDS);
    /* 128 KiB a round: less is the heap's own coming and going, glibc's trim threshold. */
    else if (after.resident > before.resident + ROUNDS * INT64_C(131072))
        find(f, SB_CHECK_FAIL, "every open and close leaves %lld KiB resident",
             (long long)(after.resident - before.resident) / ROUNDS / 1024);
}

static void try_reopen(struct sb_world *w, bool quick, struct sb_finding *f)
{
    w->fill = false;
    w->ignore_overlap = true;
    for (int round = 0; round < (quick ? 100 : 1000); round++) {
        /* Opening is what is tried; a few blocks make the lazy parts come alive. */
        exercise(w, 4);
        sb_world_free_all(w);
        sb_world_close_allocator(w);
        if (sb_world_open_allocator(w)) {
            find(f, SB_CHECK_FAIL, "it can't be opened the %dth time: %s", round + 2,
                 *w->said ? w->said : "without a word");
            return;
        }
    }
}

void sb_property_try(struct sb_world *w, const struct sb_property *p, const struct sb_ops *ops, bool quick,
                     volatile uint64_t *done, struct sb_finding *f)
{
    *f = (struct sb_finding){.result = SB_CHECK_PASS};
    if (p->sequence)
        try_sequence(w, p, ops, quick, done, f);
    else if (is(p, "all-threads"))
        try_all_threads(w, quick, f);
    else if (is(p, "bulk"))
        try_bulk(w, f);
    else if (is(p, "exhaustion"))
        try_exhaustion(w, f);
    else if (is(p, "destroy"))
        try_destroy(w, f);
    else if (is(p, "double-free") || is(p, "foreign-free"))
        try_mistake(w, is(p, "foreign-free"), f);
    else if (is(p, "options"))
        try_options(w, done, f);
    else if (is(p, "close"))
        try_close(w, f);
    else if (is(p, "reopen"))
        try_reopen(w, quick, f);
}
