/*
 * How far apart the workers' CPUs are: the time in which a cache line that one has written reaches the other.
 * What crosses between CPUs (a lock, a list, a page that another one filled) costs so much each time. It is
 * no constant of a virtual machine: the host may run two of its CPUs on one core or on two sockets, and move
 * them meanwhile.
 *
 * Neighbours by number play one after the other: worker i answers to i - 1, then serves to i + 1.
 */
#include "trial/inside.h"

#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>

/* Half a millisecond for a pair. A batch in which one was kept from its CPU is far off; the median is not. */
enum { BATCHES = 9, TRIPS = 64 };

struct sb_ball {
    _Alignas(128) _Atomic uint32_t at;
};
_Static_assert(sizeof(struct sb_ball) == 128, "no two balls share a line, nor two that are fetched together");

static void serve(struct worker *w, struct sb_ball *ball)
{
    const struct sb_clock *clock = w->trial->clock;
    double ns[BATCHES];
    for (uint32_t b = 0, n = 0; b < BATCHES; b++) {
        uint64_t start = clock->now();
        for (uint32_t i = 0; i < TRIPS; i++) {
            atomic_store_explicit(&ball->at, ++n, memory_order_release);
            ++n;
            while (atomic_load_explicit(&ball->at, memory_order_acquire) != n)
                ;
        }
        ns[b] = (double)(clock->now() - start) * clock->ns_per_tick / (2 * TRIPS);
    }
    w->distance_ns = sb_median(ns, BATCHES);
}

static void answer(struct sb_ball *ball)
{
    for (uint32_t n = 1; n < 2 * BATCHES * TRIPS; n += 2) {
        while (atomic_load_explicit(&ball->at, memory_order_acquire) != n)
            ;
        atomic_store_explicit(&ball->at, n + 1, memory_order_release);
    }
}

void sb_worker_play(struct worker *w)
{
    struct trial *t = w->trial;
    if (w->index)
        answer(&t->balls[w->index - 1]);
    if (w->index + 1 < t->spec->threads)
        serve(w, &t->balls[w->index]);
}

double sb_trial_distance(struct trial *t, int (*command)(struct trial *t, enum order order))
{
    double most = NAN;
    if (t->spec->threads == 1 || t->simulated)
        return NAN;
    t->balls = aligned_alloc(sizeof(*t->balls), t->spec->threads * sizeof(*t->balls));
    if (!t->balls)
        return NAN;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        atomic_init(&t->balls[i].at, 0);
    command(t, ORDER_DISTANCE);
    for (uint32_t i = 0; i + 1 < t->spec->threads; i++)
        most = fmax(most, t->workers[i].distance_ns);
    free(t->balls);
    t->balls = NULL;
    return most;
}
