/*
 * One trial, from open to leak check.
 *
 * The main thread directs: it gives an order, all workers carry it out between two barriers, and while they
 * wait it looks at the allocator undisturbed. Workers are pinned before they touch memory. Phases:
 * setup, survey (checkpoints at fixed operation counts), warm-up, measure, snapshot, verify, tear down,
 * leak check. Only the measured phase is counted. What workers do in them is in phases.c.
 *
 * A worker whose step fails does nothing more but keeps coming to the barriers, so no one hangs on it. After
 * wrong contents or a failed check nothing is torn down: the structures are not to be trusted.
 */
#define _GNU_SOURCE
#include "trial/trial.h"

#include "base/diag.h"
#include "measure/footprint.h"
#include "scullbench/random.h"
#include "trial/inside.h"
#include "trial/layout.h"
#include "trial/simulate.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- workers ---- */

/* Pinned before anything is touched, so that first-touch memory of the thread lies near its CPU. */
static void do_setup(struct worker *w)
{
    struct trial *t = w->trial;
    char *why = NULL;
    int status = sb_topology_pin(t->topology, t->spec->cpus[w->index], &why);
    if (!status)
        status = t->workload->workload.thread_setup(t->w, w->index, &w->state);
    if (!status && t->partner)
        status = t->partner->workload->workload.thread_setup(t->partner->w, w->index, &w->partner_state);
    if (status)
        sb_worker_fail(w, status == -ENOMEM ? -EIO : status,
                       why ? why : sb_printf("the workload's thread can't be set up: %s", strerror(-status)));
    /* On this thread, whose counters they are; also after a failure, so that every worker has the same
       to close. */
    sb_pmu_open(&t->pmu, &w->pmu);
    w->readings = sb_calloc(t->pmu.n, sizeof(*w->readings));
    w->counted = sb_calloc(t->pmu.n, sizeof(*w->counted));
    w->opened = sb_calloc(t->pmu.n, sizeof(*w->opened));
    for (size_t i = 0; i < t->pmu.n; i++)
        w->opened[i] = w->pmu.at[i].fd >= 0;
    if (t->spec->trial[SB_TRIAL_LATENCY].u != SB_LATENCY_OFF || t->spec->trial[SB_TRIAL_RATE].u)
        w->histograms = sb_calloc(SB_HISTOGRAMS, sizeof(*w->histograms));
    /* Touched now: what grows later is the allocator's. */
    for (size_t i = 0; i < SB_HISTOGRAMS && w->histograms; i++)
        memset(&w->histograms[i], 0, sizeof(w->histograms[i]));
}

static void do_teardown(struct worker *w)
{
    struct trial *partner = w->trial->partner;
    w->trial->workload->workload.thread_teardown(w->state);
    if (partner)
        partner->workload->workload.thread_teardown(w->partner_state);
    sb_pmu_close(&w->pmu);
}

/* Orders are carried out until the last one. */
static void serve(struct worker *w)
{
    struct trial *t = w->trial;
    enum order order;
    do {
        pthread_barrier_wait(&t->gate);
        order = t->order;
        switch (order) {
        case ORDER_SETUP:
            do_setup(w);
            break;
        case ORDER_SURVEY:
            sb_worker_survey(w);
            break;
        case ORDER_WARMUP:
            sb_worker_warm_up(w);
            break;
        case ORDER_DISTANCE:
            sb_worker_play(w);
            break;
        case ORDER_MEASURE:
            sb_worker_measure(w);
            break;
        case ORDER_TEARDOWN:
            do_teardown(w);
            break;
        }
        pthread_barrier_wait(&t->gate);
    } while (order != ORDER_TEARDOWN);
}

/* The stack is moved before anything of the trial lies on it. */
static void *work(void *argument)
{
    struct worker *w = argument;
    size_t shift = sb_layout_stack_shift(w->trial->spec->trial[SB_TRIAL_LAYOUT].u, w->index);
    char *room = __builtin_alloca(shift + 16);
    __asm__ volatile("" : : "r"(room) : "memory");
    /* The same for the thread's heap, whose arenas begin at whole 64 MiB. */
    void *pad = malloc(sb_layout_heap_shift(w->trial->spec->trial[SB_TRIAL_LAYOUT].u, w->index) + 16);
    serve(w);
    free(pad);
    return NULL;
}

/* Has all workers carry out an order; returns the status of the first that failed, ever. */
static int command(struct trial *t, enum order order)
{
    t->order = order;
    pthread_barrier_wait(&t->gate);
    pthread_barrier_wait(&t->gate);
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (t->workers[i].status)
            return t->workers[i].status;
    }
    return 0;
}

static void set_step_calls(struct trial *t, uint32_t calls)
{
    t->bench.step_calls = calls;
    if (t->partner)
        t->partner->bench.step_calls = calls;
}

static void set_proving(struct trial *t, bool proving)
{
    t->bench.proving = proving;
    if (t->partner)
        t->partner->bench.proving = proving;
}

/* Whose step it was that failed: of several workers the first's, as command() tells of them. */
static struct trial *find_failed(struct trial *t)
{
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (t->workers[i].status)
            return t->workers[i].by_partner ? t->partner : t;
    }
    return t;
}

/* What a failed step means. */
static enum sb_status name_failure(struct trial *trial, int status, char **reason)
{
    struct trial *t = find_failed(trial);
    enum sb_status failed = status == -EBADMSG ? SB_STATUS_INVALID : SB_STATUS_ERROR;
    if (status == -ENOMEM) {
        struct sb_account a = {.struct_size = sizeof(a)};
        t->workload->workload.account(t->w, &a);
        *reason = sb_trial_reason(
            t, "the allocator gave NULL with %llu bytes live; asked for are blocks of %llu bytes%s",
            (unsigned long long)a.requested_bytes, (unsigned long long)t->needs.block_size,
            t->needs.want == SB_WANT_PAGES || t->needs.want == SB_WANT_VIRTUAL ? ", aligned to pages" : "");
        failed = SB_STATUS_OUT_OF_MEMORY;
    } else {
        *reason = sb_trial_reason(t, "a step failed: %s", strerror(-status));
    }
    return t == trial ? failed : sb_trial_of_partner(failed, reason);
}

/* Workers free their own devices, on their own CPUs, as a module's exit would. */
static enum sb_status tear_down(struct trial *t, char **reason)
{
    sb_write_phase(t->out, "tear-down");
    *t->fail_text = '\0';
    command(t, ORDER_TEARDOWN);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        pthread_join(t->workers[i].thread, NULL);
    return sb_trial_close(t, reason);
}

/*
 * The first checkpoint is before the first operation: series begin at zero. Proved is early and at the end of
 * the last cycle, when workloads hold much: where the measured phase ends by the clock, nothing may be live
 * to be proved.
 */
static int survey(struct trial *t, enum sb_status *proved, char **reason)
{
    uint64_t cycles = t->spec->trial[SB_TRIAL_SURVEY].u, points = t->spec->trial[SB_TRIAL_SURVEY_POINTS].u;
    int status = 0;
    *proved = SB_STATUS_OK;
    if (!cycles || t->simulated)
        return 0;
    sb_write_phase(t->out, "survey");
    uint64_t each = cycles * t->needs.cycle_operations / points;
    /* Of the first cycle, where most lives as a rule; at the end of one as a rule nothing does. */
    const uint64_t middle = points / (2 * cycles) ? points / (2 * cycles) : 1;
    set_proving(t, true);
    /* A batch that is longer than what lies between two checkpoints would step over what they are to see. */
    set_step_calls(t, each < 1 ? 1 : each < UINT32_MAX ? (uint32_t)each : UINT32_MAX);
    sb_trial_checkpoint(t);
    for (uint64_t i = 1; i <= points && !status && *proved == SB_STATUS_OK; i++) {
        uint64_t all = cycles * t->needs.cycle_operations;
        /* Rounded up: none is reached before anything is done. */
        t->target = (all * i + points - 1) / points;
        t->target_calls = (2 * all * i + points - 1) / points;
        t->whole = i == points;
        status = command(t, ORDER_SURVEY);
        sb_trial_checkpoint(t);
        if (!status && (i == 1 || i == middle || i == points))
            *proved = sb_trial_prove(t, true, i == points, reason);
    }
    set_proving(t, false);
    set_step_calls(t, 0);
    return status;
}

/*
 * So rarely that timing call by call takes less than half a percent of the time: a call timed so costs two
 * readings and a place in the histogram more than one in a batch.
 */
static uint32_t latency_period(const struct trial *t)
{
    uint64_t asked = t->spec->trial[SB_TRIAL_LATENCY_PERIOD].u;
    /* Single calls would be timed of one of the two alone. */
    if (t->partner)
        return 0;
    /* An operation is two such calls at most. */
    double extra = 2 * (2 * t->clock->cost_ns + 10), each = 0;
    if (t->spec->trial[SB_TRIAL_LATENCY].u != SB_LATENCY_SAMPLED || t->simulated)
        return t->spec->trial[SB_TRIAL_LATENCY].u == SB_LATENCY_EACH && !t->simulated;
    if (asked)
        return (uint32_t)asked;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        each += t->workers[i].warmup_ns / ((double)t->workers[i].warmup_operations + 1) / t->spec->threads;
    double period = extra / (0.005 * (each > 1 ? each : 1));
    return period < 2 ? 2 : period > 100000 ? 100000 : (uint32_t)period;
}

/* A stopped process sees nothing of its stop but the signal that ends it. */
static volatile sig_atomic_t continued;

static void note_continued(int signal)
{
    (void)signal;
    continued++;
}

static void catch_continue(void)
{
    struct sigaction action = {.sa_handler = note_continued, .sa_flags = SA_RESTART};
    sigaction(SIGCONT, &action, NULL);
}

static uint64_t furthest_place(const struct trial *t)
{
    uint64_t furthest = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        uint64_t place = t->workers[i].counts.operations;
        furthest = place > furthest ? place : furthest;
    }
    return furthest;
}

/* Threads that wait for each other begin at one place, which is drawn for all where it would be for each. */
static int join_places(struct trial *t)
{
    struct sb_random random = sb_random_fork(t->host.seed ^ UINT64_C(0x706c616365), 0);
    uint64_t cycle = t->needs.cycle_operations ? t->needs.cycle_operations : 1;
    bool drawn = t->spec->trial[SB_TRIAL_WARMUP].u && t->spec->threads > 1;
    if (!t->needs.joint)
        return 0;
    t->target = furthest_place(t) + (drawn ? sb_random_below(&random, cycle) : 0);
    t->whole = true;
    int status = command(t, ORDER_SURVEY);
    t->furthest = furthest_place(t);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        t->workers[i].start_phase = (double)(t->workers[i].counts.operations % cycle) / (double)cycle;
    return status;
}

static int measure(struct trial *t)
{
    sb_write_phase(t->out, "warm-up");
    int status = command(t, ORDER_WARMUP);
    if (!status)
        status = join_places(t);
    if (status)
        return status;
    sb_write_phase(t->out, "measure");
    t->bench.latency_period = latency_period(t);
    pthread_t *threads = sb_calloc(t->spec->threads, sizeof(*threads));
    for (uint32_t i = 0; i < t->spec->threads; i++)
        threads[i] = t->workers[i].thread;
    int stops = continued;
    t->distance_ns = sb_trial_distance(t, command);
    sb_trial_look(t, &t->at_begin, &(struct sb_account){0});
    sb_watch_begin(&t->watch, t->spec->cpus, t->spec->threads, threads);
    t->bench.measuring = true;
    status = command(t, ORDER_MEASURE);
    t->bench.measuring = false;
    if (!status && t->workload->workload.measure_count)
        t->workload->workload.report(t->w, t->measures);
    sb_watch_end(&t->watch, t->spec->cpus, t->spec->threads, threads);
    t->stops = continued - stops;
    t->distance_end_ns = sb_trial_distance(t, command);
    free(threads);
    t->bench.latency_period = 0;
    sb_trial_look(t, &t->at_end, &t->account_at_end);
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        t->resident_at_end = sb_resident_bytes();
        t->pss_at_end = sb_pss_bytes();
    }
    return status;
}

/* Structures are proved after a failed step as well: out of memory with damaged lists is damage first. */
static enum sb_status run_phases(struct trial *t, char **reason)
{
    enum sb_status failed = SB_STATUS_OK, proved;
    char *proof = NULL;
    int status = command(t, ORDER_SETUP);
    if (status) {
        for (uint32_t i = 0; i < t->spec->threads && !*reason; i++)
            *reason = t->workers[i].why;
        return SB_STATUS_ERROR;
    }
    /* The harness's own memory, sources and shadows and stacks, is all there now: what grows is the
     * allocator's. */
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        t->resident_before = sb_resident_bytes();
        t->pss_before = sb_pss_bytes();
    }
    status = survey(t, &proved, reason);
    if (proved != SB_STATUS_OK)
        return proved;
    if (!status)
        status = measure(t);
    if (status)
        failed = name_failure(t, status, reason);
    else if (t->spec->trial[SB_TRIAL_DUMP].u && !t->dumps.n)
        sb_trial_take_dumps(t);
    sb_write_phase(t->out, "verify");
    *t->fail_text = '\0';
    if (failed != SB_STATUS_INVALID) {
        proved = sb_trial_prove(t, !status, false, &proof);
        if (proved != SB_STATUS_OK) {
            free(*reason);
            *reason = proof;
            return proved;
        }
    }
    if (failed != SB_STATUS_OK)
        return failed;
    /* Numbers only once nothing can be found against them any more. */
    proved = tear_down(t, reason);
    if (proved != SB_STATUS_OK)
        return proved;
    *reason = t->simulated ? NULL : sb_trial_disturbance(t);
    if (*reason)
        sb_trial_report_disturbed(t);
    else
        sb_trial_report(t);
    return *reason ? SB_STATUS_DISTURBED : SB_STATUS_OK;
}

static int start_workers(struct trial *t, char **reason)
{
    t->workers = sb_calloc(t->spec->threads, sizeof(*t->workers));
    pthread_barrier_init(&t->gate, NULL, t->spec->threads + 1);
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        t->workers[i].trial = t;
        t->workers[i].index = i;
        int error = pthread_create(&t->workers[i].thread, NULL, work, &t->workers[i]);
        if (error) {
            *reason = sb_printf("thread %u can't be started: %s", i, strerror(error));
            return -error;
        }
    }
    return 0;
}

static void free_trial(struct trial *t)
{
    for (uint32_t i = 0; i < t->spec->threads && t->workers; i++) {
        free(t->workers[i].readings);
        free(t->workers[i].counted);
        free(t->workers[i].opened);
        free(t->workers[i].histograms);
        SB_VEC_FREE(&t->workers[i].rounds);
    }
    free(t->workers);
    for (size_t i = 0; i < t->series.n; i++)
        sb_series_free(&t->series.at[i]);
    for (size_t i = 0; i < t->dumps.n; i++) {
        free(t->dumps.at[i].name);
        free(t->dumps.at[i].text);
    }
    SB_VEC_FREE(&t->series);
    SB_VEC_FREE(&t->dumps);
    sb_trial_free_partner(t->partner);
    free(t->cpu_node);
    free(t->distances);
    free(t->allocator_options);
    free(t->workload_options);
    sb_plugin_free(t->allocator);
    sb_plugin_free(t->workload);
    sb_pmu_free(&t->pmu);
    sb_physmem_close(&t->memory);
    sb_topology_free(t->topology);
    pthread_barrier_destroy(&t->gate);
    pthread_mutex_destroy(&t->fail_lock);
}

static enum sb_status run_all(struct trial *t, struct sb_diag *diag, char **reason)
{
    sb_write_phase(t->out, "setup");
    t->anywhere = sb_affinity_now();
    sb_trial_stay_on_first_cpu(t);
    sb_layout_shift_mappings(t->spec->trial[SB_TRIAL_LAYOUT].u);
    if (!sb_layout_is_fixed())
        sb_write_warning(t->out, sb_layout_not_fixed);
    enum sb_status loaded = sb_trial_load(t, diag, reason);
    if (loaded != SB_STATUS_OK)
        return loaded;
    const char *codes = t->spec->trial[SB_TRIAL_EVENT_CODES].s;
    if (!t->simulated)
        sb_pmu_prepare(&t->pmu, t->spec->trial[SB_TRIAL_EVENTS].s, sb_pmu_encode_code, &codes);
    if (sb_trial_open(t, diag, reason) || start_workers(t, reason))
        return SB_STATUS_ERROR;
    return run_phases(t, reason);
}

enum sb_status sb_trial_run(const struct sb_trial_spec *spec, FILE *out)
{
    /* Not on the stack: after a failure workers still wait at its barrier when this has returned. */
    struct trial *t = sb_calloc(1, sizeof(*t));
    struct sb_diag diag = {.file = "trial"};
    char *reason = NULL;
    *t = (struct trial){.spec = spec,
                        .out = out,
                        .clock = sb_clock_init(strtod(spec->trial[SB_TRIAL_NS_PER_TICK].s, NULL)),
                        .memory = {.fd = -1},
                        .kept_bytes = -1,
                        .simulated = sb_simulated()};
    pthread_mutex_init(&t->fail_lock, NULL);
    catch_continue();
    enum sb_status status = run_all(t, &diag, &reason);
    sb_write_status(out, status, reason);
    if (status == SB_STATUS_OK) {
        sb_affinity_free(t->anywhere);
        free_trial(t);
        free(t);
    }
    free(reason);
    return status;
}
