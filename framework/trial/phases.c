/*
 * The workers' part of each phase: survey, warm-up, measured phase. Time is the trial's clock alone, and the
 * work is the workload's step(), so a test can put a clock and a step of its own in their place.
 *
 * The common window. Workers line up and begin; the window opens when the last of them has begun, and closes
 * `duration` later, or when the first has done its operations. Each worker starts its counters and its first
 * step when the window opens, and takes its counts at the first step boundary after the close. One that was
 * kept from the CPU at the start so delays the window, and is never measured over what is left of it alone.
 */
#include "trial/inside.h"

#include "base/units.h"
#include "scullbench/random.h"

#include <math.h>
#include <stdlib.h>

/* The first failure is the cause; those after it are its consequences. */
void sb_worker_fail(struct worker *w, int status, char *why)
{
    atomic_store(&w->trial->failed, true);
    if (!w->status) {
        w->status = status;
        w->why = why;
    } else {
        free(why);
    }
}

static void step(struct worker *w)
{
    int status = w->trial->workload->workload.step(w->state, &w->counts);
    if (status)
        sb_worker_fail(w, status, NULL);
}

/* Where an operation ends with a free, the calls before the first are on the way, too: what is allocated is
 * to be seen while it grows. The last checkpoint is at whole cycles. */
bool sb_survey_is_there(const struct trial *t, const struct sb_counts *counts)
{
    /* A place is the same for all threads of a joint workload, a number of calls isn't. */
    bool calls_count = !t->whole && !t->needs.joint;
    return counts->operations >= t->target || (calls_count && counts->allocs + counts->frees >= t->target_calls);
}

/* Targets are cumulative: a step that overshoots one checkpoint shortens the way to the next. */
void sb_worker_survey(struct worker *w)
{
    while (!w->trial->failed && !sb_survey_is_there(w->trial, &w->counts))
        step(w);
    if (w->trial->partner)
        sb_pair_survey(w);
}

/* Coefficient of variation of the last n rates. */
static double variation(const double *rates, size_t have, size_t n)
{
    double sum = 0, squares = 0;
    if (have < n)
        return NAN;
    /* A ring of the last n: older windows are forgotten. */
    for (size_t i = 0; i < n; i++)
        sum += rates[(have - 1 - i) % n];
    for (size_t i = 0; i < n; i++) {
        double d = rates[(have - 1 - i) % n] - sum / (double)n;
        squares += d * d;
    }
    return sqrt(squares / (double)(n - 1)) / (sum / (double)n);
}

static uint64_t cycle_of(const struct trial *t)
{
    return t->needs.cycle_operations ? t->needs.cycle_operations : 1;
}

/*
 * Threads that work in step with each other meet at a shared lock always or never, and stay so. Each goes on
 * by a part of a cycle that is drawn from the seed, so that repetitions see what there is to be seen.
 */
static void draw_start_phase(struct worker *w)
{
    const struct trial *t = w->trial;
    struct sb_random random = sb_random_fork(t->host.seed ^ UINT64_C(0x7068617365), w->index);
    uint64_t target = w->counts.operations + sb_random_below(&random, cycle_of(t));
    if (t->spec->threads == 1)
        return;
    while (!w->status && w->counts.operations < target)
        step(w);
}

/*
 * None where none is asked for; else at least as long as asked, then until the rates of the last windows
 * agree (Georges et al., OOPSLA 2007), for all threads, or to the limit. A window is a whole number of
 * cycles, for the parts of a cycle have rates of their own.
 */
void sb_worker_warm_up(struct worker *w)
{
    enum { WINDOW_NS = 5000000, MOST_WINDOWS = 50 };
    struct trial *t = w->trial;
    const union sb_value *spec = t->spec->trial;
    double rates[MOST_WINDOWS] = {0}, limit = sb_share(spec[SB_TRIAL_STEADY]);
    uint64_t begin = sb_now_ns(), least = begin + spec[SB_TRIAL_WARMUP].u, last = begin + spec[SB_TRIAL_WARMUP_LIMIT].u;
    uint64_t cycle = cycle_of(t), now = begin;
    uint64_t from = begin, operations = w->counts.operations, started = operations;
    size_t have = 0, n = spec[SB_TRIAL_STEADY_WINDOWS].u;
    bool wanted = limit > 0 && spec[SB_TRIAL_WARMUP].u;
    w->steady = !wanted;
    w->spread = NAN;
    /* Nothing is timed under valgrind: one cycle fills its caches. */
    if (t->simulated) {
        while (!w->status && w->counts.operations - started < cycle)
            step(w);
        return;
    }
    while (!w->status && (now < least || (wanted && now < last && t->steady_threads < t->spec->threads))) {
        uint64_t cycles = w->counts.operations / cycle;
        step(w);
        now = sb_now_ns();
        if (now - from < WINDOW_NS || w->counts.operations / cycle == cycles)
            continue;
        rates[have++ % n] = (double)(w->counts.operations - operations) / (double)(now - from);
        from = now;
        operations = w->counts.operations;
        double spread = variation(rates, have, n);
        if (!w->steady)
            w->spread = spread;
        if (!w->steady && spread <= limit) {
            w->steady = true;
            t->steady_threads++;
        }
    }
    w->warmup_ns = (double)(now - begin);
    w->warmup_operations = w->counts.operations - started;
    /* Of a joint workload the trial draws one for all. */
    if (spec[SB_TRIAL_WARMUP].u && !t->needs.joint)
        draw_start_phase(w);
    if (t->partner)
        sb_pair_warm_up(w);
    /* Counted from the first operation of the survey on: cycles are whole from there. */
    w->start_phase = (double)(w->counts.operations % cycle) / (double)cycle;
}

/* ---- the measured phase ---- */

/* What lies in the common window: all steps up to the first one that ends after its close. */
static void close_window(struct worker *w, uint64_t tick)
{
    w->closed_operations = w->counts.operations;
    w->closed_bytes = w->counts.bytes;
    w->closed_ns = (double)(tick - w->open_tick) * w->trial->clock->ns_per_tick;
}

static uint64_t duration_in_ticks(const struct trial *t)
{
    return (uint64_t)((double)t->spec->trial[SB_TRIAL_DURATION].u / t->clock->ns_per_tick);
}

/* Spinning, so that all begin within a fraction of a microsecond where nobody is kept from its CPU. */
static void line_up(struct worker *w)
{
    /* Long enough for the others to see it. */
    enum { LEAD_NS = 20000 };
    struct trial *t = w->trial;
    uint64_t start;
    if (atomic_fetch_add(&t->arrived, 1) + 1 == t->spec->threads) {
        start = t->clock->now() + (uint64_t)(LEAD_NS / t->clock->ns_per_tick);
        atomic_store(&t->start_tick, start);
    }
    while (!(start = atomic_load(&t->start_tick)))
        ;
    while (t->clock->now() < start)
        ;
}

/*
 * The last to begin opens the window, and the others wait for that: a step done alone, however long, would
 * lie across the opening. Paced calls are due at times that no delay of a worker may move.
 */
static void begin(struct worker *w)
{
    struct trial *t = w->trial;
    const union sb_value *spec = t->spec->trial;
    uint64_t now = t->clock->now();
    if (spec[SB_TRIAL_RATE].u)
        return;
    if (atomic_fetch_add(&t->begun, 1) + 1 == t->spec->threads)
        atomic_store(&t->window_end_tick, spec[SB_TRIAL_OPERATIONS].u ? UINT64_MAX : now + duration_in_ticks(t));
    /* Reading the clock is as good a pause as any. */
    while (!atomic_load(&t->window_end_tick))
        (void)t->clock->now();
}

static void measure_closed(struct worker *w)
{
    struct trial *t = w->trial;
    uint64_t (*now)(void) = t->clock->now;
    uint64_t operations = t->spec->trial[SB_TRIAL_OPERATIONS].u, never = UINT64_MAX, tick = now();
    bool closed = false;
    w->open_tick = tick;
    for (;; tick = now()) {
        if (!closed && tick >= atomic_load_explicit(&t->window_end_tick, memory_order_relaxed)) {
            close_window(w, tick);
            closed = true;
        }
        /* A fixed number is done by all, also after the first one has closed the window. */
        if (w->status || (operations ? w->counts.operations >= operations : closed))
            break;
        step(w);
    }
    if (!closed) {
        atomic_compare_exchange_strong(&t->window_end_tick, &never, tick);
        close_window(w, tick);
    }
}

/*
 * A fixed number of operations of a joint workload: to one place, which is as far from where the furthest thread began.
 * Who has come there waits for the others, so the window is the same for all; it is their work together.
 */
static void measure_joint(struct worker *w, uint64_t operations)
{
    struct trial *t = w->trial;
    const uint64_t mine = t->furthest + operations - w->begun_at;
    w->open_tick = t->clock->now();
    while (!t->failed && w->counts.operations < mine)
        step(w);
    atomic_fetch_add(&t->done, 1);
    while (atomic_load(&t->done) < t->spec->threads && !t->failed)
        (void)t->clock->now();
    close_window(w, t->clock->now());
}

/*
 * Calls are due at equal distances, threads evenly between each other's, and a late one waits for nobody: its
 * latency counts from when it was due, so a stall is felt by all that came meanwhile (Tene's coordinated
 * omission). What was due in the window is served also after its end, for as long again; what is not served
 * even then is entered as longer than anything.
 */
static void measure_paced(struct worker *w)
{
    struct trial *t = w->trial;
    uint64_t (*now)(void) = t->clock->now;
    double distance = 1e9 / (double)t->spec->trial[SB_TRIAL_RATE].u / t->clock->ns_per_tick;
    double first = (double)t->start_tick + distance * w->index / t->spec->threads;
    uint64_t operations = t->spec->trial[SB_TRIAL_OPERATIONS].u, calls = 0, tick = now();
    uint64_t end = operations ? UINT64_MAX : t->start_tick + duration_in_ticks(t);
    uint64_t last = operations ? UINT64_MAX : end + (end - t->start_tick);
    bool closed = false;
    w->open_tick = tick;
    while (!w->status && tick < last && (!operations || w->counts.operations < operations)) {
        uint64_t due = (uint64_t)(first + distance * (double)calls);
        if (due >= end)
            break;
        while ((tick = now()) < due)
            ;
        if (!closed && tick >= end) {
            close_window(w, tick);
            closed = true;
        }
        step(w);
        tick = now();
        sb_histogram_add(&w->histograms[SB_RESPONSE],
                         (uint64_t)((double)(tick - due) * t->clock->ns_per_tick * SB_HISTOGRAM_UNITS));
        calls++;
    }
    if (!operations) {
        double due = ((double)end - first) / distance;
        w->backlog = ceil(due) > (double)calls ? (uint64_t)(ceil(due) - (double)calls) : 0;
        sb_histogram_add_longest(&w->histograms[SB_RESPONSE], w->backlog);
    }
    /* The window is what it was to be, not what the last call left of it. */
    if (!closed)
        close_window(w, operations || w->status || tick > end ? tick : end);
}

/*
 * Whole cycles, and no clock but the workload's own: what depends on time would not come out the same again.
 * Short cycles are repeated, so that what is done once weighs little.
 */
static void measure_simulated(struct worker *w)
{
    enum { LEAST = 10000 };
    uint64_t cycle = cycle_of(w->trial), operations = (LEAST + cycle - 1) / cycle * cycle;
    while (!w->status && w->counts.operations < operations)
        step(w);
    w->closed_operations = w->counts.operations;
    w->closed_ns = 1;
}

/* Its name is known to simulate.c: under valgrind counting is on while this function runs. */
#ifdef __clang__
#define KEPT __attribute__((noinline))
#else
#define KEPT __attribute__((noinline, noclone))
#endif
KEPT void sb_measured_phase(struct worker *w);
void sb_measured_phase(struct worker *w)
{
    if (w->trial->simulated)
        measure_simulated(w);
    else if (w->trial->partner)
        sb_pair_measure(w);
    else if (w->trial->spec->trial[SB_TRIAL_RATE].u)
        measure_paced(w);
    else if (w->trial->spec->trial[SB_TRIAL_OPERATIONS].u && w->trial->needs.joint)
        measure_joint(w, w->trial->spec->trial[SB_TRIAL_OPERATIONS].u);
    else
        measure_closed(w);
}

void sb_worker_measure(struct worker *w)
{
    struct trial *t = w->trial;
    w->begun_at = w->counts.operations;
    w->counts = w->partner_counts = (struct sb_counts){0};
    if (!t->simulated) {
        line_up(w);
        begin(w);
    }
    /* Waiting for others is in no count, nor are the system calls that start the counters. */
    struct sb_usage before = sb_usage_now();
    sb_pmu_start(&w->pmu);
    sb_measured_phase(w);
    sb_pmu_stop(&w->pmu);
    w->usage = sb_usage_since(&before);
    for (size_t i = 0; i < t->pmu.n; i++)
        w->counted[i] = sb_pmu_read(&w->pmu, i, &w->readings[i]);
}
