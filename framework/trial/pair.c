/*
 * Two allocators in one process, measured by turns: what process, layout and moment do to one they do to the
 * other, and what is left is the difference between the two.
 *
 * The partner is a trial of its own kind, with plugin, memory and workload, but without workers: those of the
 * trial step for both. In the measured phase rounds of two segments follow each other, one of each allocator
 * in an order that is drawn from the seed; of a segment the first cycle is dropped, since caches and
 * predictors are still the other's, and whole cycles are counted. Threads change sides together.
 */
#include "trial/inside.h"

#include "scullbench/random.h"
#include "stats/stats.h"

#include <stdlib.h>

enum { SEGMENT_NS = 200000, MOST_ROUNDS = 20000, LEAST_ROUNDS = 8 };

static const char *const few_rounds = "fewer than eight rounds of both allocators fit into the measured phase: "
                                      "raise duration, or make the workload's cycle shorter";

/* Whether the trial's own comes first: in half of all trials, of a round as of a setup. */
static bool own_first(const struct trial *t, uint64_t round)
{
    struct sb_random random = sb_random_fork(t->host.seed ^ UINT64_C(0x70616972), round);
    return sb_random_below(&random, 2);
}

bool sb_pair_own_first(const struct trial *t)
{
    return own_first(t, UINT64_MAX);
}

/* The steps of a worker for either of the two. */
static void step(struct worker *w, bool own)
{
    struct trial *side = own ? w->trial : w->trial->partner;
    int status =
        side->workload->workload.step(own ? w->state : w->partner_state, own ? &w->counts : &w->partner_counts);
    if (!status)
        return;
    w->by_partner = !own;
    sb_worker_fail(w, status, NULL);
}

void sb_pair_survey(struct worker *w)
{
    while (!w->status && !sb_survey_is_there(w->trial, &w->partner_counts))
        step(w, false);
}

/* As long as the trial's own has warmed up, which says how long it takes to be steady. */
void sb_pair_warm_up(struct worker *w)
{
    uint64_t end = sb_now_ns() + (uint64_t)w->warmup_ns;
    while (!w->status && sb_now_ns() < end)
        step(w, false);
}

/* All threads; the last to come says when the segment's time is up, and whether the window is over. */
static bool meet(struct worker *w)
{
    struct trial *t = w->trial;
    uint32_t meeting = atomic_load(&t->meeting);
    if (atomic_fetch_add(&t->met, 1) + 1 == t->spec->threads) {
        uint64_t now = t->clock->now();
        atomic_store(&t->met, 0);
        t->segment_end_tick = now + (uint64_t)(SEGMENT_NS / t->clock->ns_per_tick);
        t->rounds_over |= now >= t->window_end_tick;
        atomic_store(&t->meeting, meeting + 1);
    }
    while (atomic_load(&t->meeting) == meeting)
        (void)t->clock->now();
    return !t->rounds_over;
}

static uint64_t operations_of(const struct worker *w, bool own)
{
    return own ? w->counts.operations : w->partner_counts.operations;
}

/* One cycle that isn't counted, then whole ones until the time is up, wherever in it the workload stands. */
static void run_segment(struct worker *w, bool own, struct segment *s)
{
    const struct trial *t = w->trial;
    uint64_t cycle = t->needs.cycle_operations ? t->needs.cycle_operations : 1, whole = 0;
    uint64_t from = operations_of(w, own), begin, tick;
    bool ended = false;
    while (!w->status && operations_of(w, own) - from < cycle)
        step(w, own);
    from = operations_of(w, own);
    begin = tick = t->clock->now();
    while (!w->status && !ended) {
        step(w, own);
        tick = t->clock->now();
        uint64_t now = (operations_of(w, own) - from) / cycle;
        ended = now > whole && tick >= t->segment_end_tick;
        whole = now;
    }
    s->operations = operations_of(w, own) - from;
    s->ns = (double)(tick - begin) * t->clock->ns_per_tick;
}

void sb_pair_measure(struct worker *w)
{
    struct trial *t = w->trial;
    w->open_tick = t->clock->now();
    for (uint64_t round = 0; round < MOST_ROUNDS && meet(w); round++) {
        struct round r = {0};
        bool first = own_first(t, round);
        run_segment(w, first, first ? &r.own : &r.partner);
        /* Whoever fails keeps coming, so that nobody waits for it. */
        meet(w);
        run_segment(w, !first, first ? &r.partner : &r.own);
        if (!w->status)
            *SB_VEC_ADD(&w->rounds) = r;
        w->closed_operations += r.own.operations;
    }
    w->closed_ns = (double)(t->clock->now() - w->open_tick) * t->clock->ns_per_tick;
}

/* Of all threads, of the rounds that all have. */
static size_t common_rounds(const struct trial *t)
{
    size_t n = SIZE_MAX;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        n = t->workers[i].rounds.n < n ? t->workers[i].rounds.n : n;
    return n;
}

static double rate(const struct segment *s)
{
    return (double)s->operations / s->ns * 1e9;
}

void sb_pair_report(struct trial *t)
{
    size_t n = common_rounds(t);
    double *own = sb_calloc(n + 1, sizeof(*own)), *partner = sb_calloc(n + 1, sizeof(*partner)),
           *ratios = sb_calloc(n + 1, sizeof(*ratios));
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < t->spec->threads; k++) {
            own[i] += rate(&t->workers[k].rounds.at[i].own);
            partner[i] += rate(&t->workers[k].rounds.at[i].partner);
        }
        ratios[i] = own[i] / partner[i];
    }
    sb_write_metric(t->out, SB_METRIC_ROUNDS, (double)n);
    if (n >= LEAST_ROUNDS) {
        sb_write_metric(t->out, SB_METRIC_OPS_PER_S, sb_median(own, n));
        sb_write_metric(t->out, SB_METRIC_BASELINE_OPS_PER_S, sb_median(partner, n));
        sb_write_metric(t->out, SB_METRIC_PAIRED_RATIO, sb_median(ratios, n));
    } else {
        sb_write_unavailable(t->out, SB_NAME(OPS_PER_S), few_rounds);
        sb_write_unavailable(t->out, SB_NAME(BASELINE_OPS_PER_S), few_rounds);
        sb_write_unavailable(t->out, SB_NAME(PAIRED_RATIO), few_rounds);
    }
    free(own);
    free(partner);
    free(ratios);
}
