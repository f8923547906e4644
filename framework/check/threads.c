/* The property "all-threads": two threads that hand blocks to each other, each proved by who gets it. */
#define _GNU_SOURCE
#include "check/properties.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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
                     "%s: a block of %llu bytes at %p, handed over by another thread, doesn't hold what that "
                     "wrote into it",
                     t->w->lanes[p->lane].name, (unsigned long long)p->size, p->block);
        sb_give_block(t->w, &t->w->lanes[p->lane], p->block, p->size);
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
              : lane->kind == SB_LANE_PAGES  ? sb_draw_pages(&t->random, lane->most)
              : lane->kind == SB_LANE_PERCPU ? 8 + sb_random_below(&t->random, 256)
                                             : 8 + sb_random_below(&t->random, MOST_SHARED);
    p->block = sb_take_block(t->w, lane, p->size);
    if (!p->block)
        return;
    p->bytes = lane->kind == SB_LANE_PERCPU ? t->w->a->percpu->per_cpu_ptr(t->w->self, p->block, 0) : p->block;
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

void sb_try_threads(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    static struct ring rings[2];
    struct trader traders[2];
    struct sb_cpus cpus = {0};
    pthread_t threads[2];
    _Atomic bool broken = false;
    char *why = NULL, text[256] = "";
    if (w->a->flags & SB_ALLOCATOR_ALIASES) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "the plugin says that it gives the same blocks to all");
        return;
    }
    sb_topology_cpus(w->topology, "all", SB_PLACE_SCATTER, &cpus, &why);
    free(why);
    const uint64_t now = sb_now_ns(), span = t->quick ? UINT64_C(100000000) : UINT64_C(700000000);
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
        sb_find(f, SB_CHECK_UNTESTED, "the machine: a thread can't be started: %s", strerror(error));
        return;
    }
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    w->a->snapshot(w->self, &s);
    if (broken)
        sb_find(f, SB_CHECK_FAIL, "%s", *traders[0].why ? traders[0].why : traders[1].why);
    /* A pass without a block handed over would be empty. */
    else if (!traders[0].sent || !traders[1].sent)
        sb_find(f, SB_CHECK_UNTESTED, "not one block was given with SB_GFP_NOWAIT");
    else if (w->a->check(w->self, text, sizeof(text)))
        sb_find(f, SB_CHECK_FAIL, "after two threads freed each other's blocks check() says: %s", text);
    else if (s.has & SB_HAS_LIVE && s.live)
        sb_find(f, SB_CHECK_FAIL, "after two threads freed all of each other's blocks %llu are still counted as live",
                (unsigned long long)s.live);
}
