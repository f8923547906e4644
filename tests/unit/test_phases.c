/*
 * The measured phase on a clock and a workload of the test's own, so that every rate, window and response
 * time is known to the digit. One worker runs; what another one does is written into the trial at a given
 * time.
 *
 * The clock has nanoseconds for ticks and takes one for each reading, a step takes 999: a turn of the loop is
 * a microsecond.
 */
#include "test.h"

#include "base/str.h"
#include "store/store.h"
#include "trial/inside.h"

#include <errno.h>
#include <math.h>

enum { OPERATIONS = 10, BYTES = 7, STEP = 999, MS = 1000000 };

static uint64_t ticks, steps;
static struct {
    uint64_t begins;          /* when the other worker begins; 0: there is none */
    uint64_t kept;            /* for so long this one is then kept from its CPU */
    uint64_t stalls, stalled; /* a step that takes so much */
    bool idle;                /* steps finish no operation */
    uint64_t changed;         /* of a pair, the first step after each change takes so much more */
    const void *last;         /* whose step was the last */
    uint64_t changes;         /* of sides */
    uint64_t done;            /* when the other one of a joint workload has come to the end */
    uint64_t fails;           /* when it fails in place of that */
} script;
static struct trial trial;
static struct worker workers[2];
static struct sb_trial_spec spec;
static unsigned cpus[2];

/* As the last one to begin does it. */
static void other_begins(void)
{
    script.begins = 0;
    trial.begun++;
    trial.window_end_tick = spec.trial[SB_TRIAL_OPERATIONS].u ? UINT64_MAX : ticks + spec.trial[SB_TRIAL_DURATION].u;
    ticks += script.kept;
}

static uint64_t fake_now(void)
{
    if (script.begins && ticks >= script.begins)
        other_begins();
    if (script.done && ticks >= script.done) {
        script.done = 0;
        trial.done++;
    }
    return ++ticks;
}

static int fake_step(void *state, struct sb_counts *counts)
{
    steps++;
    trial.failed = trial.failed || (script.fails && ticks >= script.fails);
    script.changes += state != script.last;
    if (script.changed && state != script.last)
        ticks += script.changed;
    script.last = state;
    /* The partner's steps take twice the time. */
    if (state == &trial)
        ticks += STEP + 1;
    ticks += steps == script.stalls ? script.stalled : STEP;
    if (!script.idle) {
        counts->operations += OPERATIONS;
        counts->bytes += OPERATIONS * BYTES;
    }
    return 0;
}

static const struct sb_clock fake_clock = {.now = fake_now, .ns_per_tick = 1, .name = "fake"};
static struct sb_plugin allocator, workload = {.workload.step = fake_step};

static int set_up(void **state)
{
    (void)state;
    ticks = 5000;
    steps = 0;
    memset(&script, 0, sizeof(script));
    memset(workers, 0, sizeof(workers));
    spec = (struct sb_trial_spec){.threads = 1, .cpus = cpus};
    spec.trial[SB_TRIAL_DURATION].u = MS;
    spec.trial[SB_TRIAL_LOST_TIME].u = 5000; /* thousandths of a percent */
    trial = (struct trial){.spec = &spec,
                           .clock = &fake_clock,
                           .allocator = &allocator,
                           .workload = &workload,
                           .workers = workers,
                           .needs.cycle_operations = OPERATIONS};
    for (int i = 0; i < 2; i++) {
        workers[i].trial = &trial;
        workers[i].index = (uint32_t)i;
    }
    workers[0].histograms = sb_calloc(SB_HISTOGRAMS, sizeof(*workers[0].histograms));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(workers[0].histograms);
    return 0;
}

/* The other one is there, and did in the window what this one did. */
static void measure_beside_another(void)
{
    spec.threads = 2;
    trial.arrived = 1;
    sb_worker_measure(&workers[0]);
    struct sb_histogram *none = workers[1].histograms;
    workers[1] = workers[0];
    workers[1].histograms = none;
}

/* What the trial would write. */
static struct sb_result report(void)
{
    struct sb_result result = {0};
    char *text = NULL, *rest = NULL;
    size_t n = 0;
    struct sb_histogram *histograms = workers[0].histograms;
    if (!spec.trial[SB_TRIAL_RATE].u)
        workers[0].histograms = NULL;
    trial.out = open_memstream(&text, &n);
    sb_write_phase(trial.out, "measure");
    sb_write_phase(trial.out, "verify");
    sb_write_phase(trial.out, "tear-down");
    sb_trial_report(&trial);
    fclose(trial.out);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_int_equal(sb_result_take(&result, line, strlen(line)), 0);
    workers[0].histograms = histograms;
    free(text);
    return result;
}

static void assert_metric(const struct sb_result *r, const char *name, double value)
{
    const struct sb_metric *m = sb_metrics_find(&r->metrics, name);
    assert_non_null(m);
    assert_true(fabs(m->value - value) <= 1e-9 * fabs(value));
}

static void rates_are_of_the_window(void **state)
{
    (void)state;
    sb_worker_measure(&workers[0]);
    struct sb_result r = report();
    assert_metric(&r, "window_ns", MS);
    assert_metric(&r, "ops_per_s", 1e7);
    assert_metric(&r, "bytes_per_s", 7e7);
    assert_metric(&r, "shortest_window", 100);
    assert_null(sb_trial_disturbance(&trial));
    sb_result_free(&r);
}

/* Its first step begins when the other has, and not before, however late that is. */
static void the_window_counts_from_the_latest_begin(void **state)
{
    (void)state;
    script.begins = 30 * MS;
    measure_beside_another();
    struct sb_result r = report();
    assert_int_equal(workers[0].counts.operations, 1000 * OPERATIONS);
    assert_true(workers[0].open_tick >= 30 * MS && workers[0].open_tick < 30 * MS + 5);
    assert_metric(&r, "ops_per_s", 2e7);
    assert_metric(&r, "bytes_per_s", 14e7);
    assert_null(sb_trial_disturbance(&trial));
    sb_result_free(&r);
}

/* A step may be longer than the window: what is cut short by that is no window. */
static void a_long_step_disturbs_nothing(void **state)
{
    (void)state;
    script.begins = 30 * MS;
    script.stalls = 1;
    script.stalled = 3 * MS;
    measure_beside_another();
    assert_int_equal(steps, 1);
    assert_true(workers[0].closed_ns >= 3 * MS && workers[0].closed_ns < 3 * MS + 5);
    assert_null(sb_trial_disturbance(&trial));
}

/* Kept from its CPU as the window opens, a worker sees it late, and is measured over the rest. */
static void a_short_window_is_no_result(void **state)
{
    (void)state;
    script.begins = 30 * MS;
    script.kept = 0.11 * MS;
    measure_beside_another();
    assert_true(fabs(sb_trial_window_share(&trial) - 0.89) < 0.001);
    char *why = sb_trial_disturbance(&trial);
    assert_string_equal(why, "a thread was measured over 89 % of the window that was asked for, less than 90 %: "
                             "it was kept from its CPU when the window opened");
    free(why);
    workers[1].closed_ns = workers[0].closed_ns = 0.9 * MS;
    assert_null(sb_trial_disturbance(&trial));
}

/* Of a fixed number of operations the window is that of the first to have done them. */
static void operations_end_with_the_first(void **state)
{
    (void)state;
    spec.trial[SB_TRIAL_OPERATIONS].u = 500 * OPERATIONS;
    script.begins = 30 * MS;
    measure_beside_another();
    assert_int_equal(steps, 500);
    assert_true(workers[0].closed_ns >= 500000 && workers[0].closed_ns < 500005);
    assert_null(sb_trial_disturbance(&trial));
    /* The other one saw the window late, when this one had nearly done. */
    workers[1].closed_ns = 1000;
    char *why = sb_trial_disturbance(&trial);
    assert_non_null(strstr(why, "over 0.2 % of the window"));
    free(why);
}

static void operations_have_the_window_that_they_take(void **state)
{
    (void)state;
    spec.trial[SB_TRIAL_OPERATIONS].u = 500 * OPERATIONS;
    sb_worker_measure(&workers[0]);
    struct sb_result r = report();
    assert_metric(&r, "window_ns", 500000);
    assert_metric(&r, "ops_per_s", 1e7);
    assert_metric(&r, "shortest_window", 100);
    assert_null(sb_trial_disturbance(&trial));
    sb_result_free(&r);
}

static void no_operation_is_no_result(void **state)
{
    (void)state;
    script.idle = true;
    sb_worker_measure(&workers[0]);
    char *why = sb_trial_disturbance(&trial);
    assert_non_null(strstr(why, "not one operation was finished in the window"));
    free(why);
}

/* Two seconds passed, one of them on the CPU. */
static const struct sb_usage half_lost = {.wall = 2, .ran = 1, .waited_known = true};

static void time_of_nobody_is_no_result(void **state)
{
    static const char lost[] = "for 50 % of the measured phase, more than lost_time = 5 %, a thread neither "
                               "ran nor waited for its CPU";
    (void)state;
    sb_worker_measure(&workers[0]);
    struct sb_usage *u = &workers[0].usage;
    *u = half_lost;
    assert_true(sb_trial_lost_share(&trial) == 0.5);
    char *why = sb_trial_disturbance(&trial);
    assert_string_equal(why, lost);
    free(why);
    /* Stopped, which the kernel counts as one sleep. */
    u->voluntary = 1;
    trial.stops = 1;
    why = sb_trial_disturbance(&trial);
    assert_int_equal(strncmp(why, lost, strlen(lost)), 0);
    assert_string_equal(why + strlen(lost), ": the process was stopped");
    free(why);
    trial.stops = 0;
    u->suspended = 1;
    why = sb_trial_disturbance(&trial);
    assert_string_equal(why + strlen(lost), ": the machine slept");
    free(why);
    /* As much as is allowed, and none asked for. */
    u->suspended = 0;
    u->voluntary = 0;
    u->ran = 1.91;
    assert_null(sb_trial_disturbance(&trial));
    u->ran = 1;
    spec.trial[SB_TRIAL_LOST_TIME].u = 0;
    assert_null(sb_trial_disturbance(&trial));
}

static void time_of_somebody_is_a_result(void **state)
{
    (void)state;
    sb_worker_measure(&workers[0]);
    struct sb_usage *u = &workers[0].usage;
    *u = half_lost;
    u->waited = 0.95; /* others ran */
    assert_null(sb_trial_disturbance(&trial));
    *u = half_lost;
    trial.watch.after.steal = 0.95; /* the hypervisor took it */
    assert_null(sb_trial_disturbance(&trial));
    trial.watch.after.steal = 0;
    u->voluntary = 1000; /* slept at a lock: the allocator's own cost */
    assert_null(sb_trial_disturbance(&trial));
    assert_true(sb_trial_lost_share(&trial) == 0.5);
    *u = half_lost;
    u->waited_known = false; /* not told: not guessed */
    assert_null(sb_trial_disturbance(&trial));
    assert_true(isnan(sb_trial_lost_share(&trial)));
}

/* A call is due every 10 us; the third takes 50, and those due meanwhile are late by what is left of that. */
static void a_stall_is_felt_by_all_calls_due_meanwhile(void **state)
{
    (void)state;
    spec.trial[SB_TRIAL_RATE].u = 100000;
    script.stalls = 3;
    script.stalled = 50000;
    sb_worker_measure(&workers[0]);
    const struct sb_histogram *h = &workers[0].histograms[SB_RESPONSE];
    /* 1 ms holds a hundred. From when they were due: 2 of 1 us, then 50, 41, 32, 23, 14 and 5 us, and 92
     * of 1. */
    uint64_t slow = 0, all = 0;
    for (size_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++) {
        all += h->counts[i];
        if (sb_histogram_value(i) > 2000 * SB_HISTOGRAM_UNITS)
            slow += h->counts[i];
    }
    assert_int_equal(all, 100);
    assert_int_equal(slow, 6);
    assert_true(h->max / SB_HISTOGRAM_UNITS > 50000 && h->max / SB_HISTOGRAM_UNITS < 50010);
    assert_int_equal(workers[0].backlog, 0);
    struct sb_result r = report();
    assert_null(sb_metrics_find(&r.metrics, "ops_per_s"));
    assert_metric(&r, "responses_timed", 100);
    sb_result_free(&r);
}

/* What was due and not even begun counts as longer than anything. */
static void what_is_never_served_is_counted(void **state)
{
    (void)state;
    spec.trial[SB_TRIAL_RATE].u = 100000;
    script.stalls = 91;
    script.stalled = 10 * MS;
    sb_worker_measure(&workers[0]);
    assert_int_equal(workers[0].backlog, 9);
    assert_int_equal(workers[0].histograms[SB_RESPONSE].n, 100);
}

/* The window may hold the first halves of operations alone: the machine disturbed nothing. */
static void paced_calls_need_not_finish_an_operation(void **state)
{
    (void)state;
    spec.trial[SB_TRIAL_RATE].u = 100000;
    script.idle = true;
    sb_worker_measure(&workers[0]);
    assert_null(sb_trial_disturbance(&trial));
    struct sb_result r = report();
    assert_null(sb_metrics_find(&r.metrics, "paced_ops_per_s"));
    assert_metric(&r, "responses_timed", 100);
    sb_result_free(&r);
}

/* The same seed gives the same place; threads stand at different ones. */
static void start_phases_come_from_the_seed(void **state)
{
    uint64_t at[2][2];
    (void)state;
    for (int seed = 0; seed < 2; seed++) {
        for (int i = 0; i < 2; i++) {
            free(workers[0].histograms);
            set_up(state);
            spec.threads = 2;
            spec.trial[SB_TRIAL_WARMUP].u = 1; /* one step, and then what is drawn */
            trial.needs.cycle_operations = 1000000;
            trial.host.seed = 1000 + (uint64_t)seed;
            sb_worker_warm_up(&workers[i]);
            at[seed][i] = workers[i].counts.operations;
            assert_true(at[seed][i] <= OPERATIONS + 1000000 + OPERATIONS);
        }
    }
    assert_int_not_equal(at[0][0], at[0][1]);
    assert_int_not_equal(at[0][0], at[1][0]);
    workers[0].counts.operations = 0;
    trial.host.seed = 1000;
    sb_worker_warm_up(&workers[0]);
    assert_int_equal(workers[0].counts.operations, at[0][0]);
    /* One thread has nobody to be in step with. */
    spec.threads = 1;
    workers[0].counts.operations = 0;
    sb_worker_warm_up(&workers[0]);
    assert_true(workers[0].counts.operations < 1000);
}

/*
 * Steps of the partner take twice the time, to the digit, and those after a change of sides ten times as
 * much, which are in no segment. Sixty segments or so of 0.2 ms and a step fit into a window of 12 ms.
 */
static void a_pair_is_compared_by_turns(void **state)
{
    static struct trial partner;
    (void)state;
    partner = (struct trial){.spec = &spec, .clock = &fake_clock, .allocator = &allocator, .workload = &workload};
    trial.partner = &partner;
    trial.host.seed = 7;
    workers[0].partner_state = &trial;
    spec.trial[SB_TRIAL_DURATION].u = 12 * MS;
    script.changed = 10 * STEP;
    sb_worker_measure(&workers[0]);
    assert_true(workers[0].rounds.n >= 25 && workers[0].rounds.n <= 31);
    for (size_t i = 0; i < workers[0].rounds.n; i++) {
        const struct round *r = &workers[0].rounds.at[i];
        assert_true(fabs(r->own.ns / (double)r->own.operations - 100) < 1e-9);
        assert_true(fabs(r->partner.ns / (double)r->partner.operations - 200) < 1e-9);
    }
    /* Who comes first is drawn: were it always the same, each round would change sides twice. */
    assert_true(script.changes > workers[0].rounds.n && script.changes < 2 * workers[0].rounds.n - 2);
    struct sb_result r = report();
    assert_metric(&r, "paired_ratio", 2);
    assert_metric(&r, "ops_per_s", 1e7);
    assert_metric(&r, "baseline_ops_per_s", 5e6);
    assert_null(sb_trial_disturbance(&trial));
    sb_result_free(&r);
    SB_VEC_FREE(&workers[0].rounds);
    trial.partner = NULL;
}

static int failing_step(void *state, struct sb_counts *counts)
{
    return state == &trial && steps > 100 ? -ENOMEM : fake_step(state, counts);
}

/* A failure is that of whose step it was, and the phase ends. */
static void a_pair_knows_who_failed(void **state)
{
    static struct trial partner;
    static struct sb_plugin failing = {.workload.step = failing_step};
    (void)state;
    partner = (struct trial){.spec = &spec, .clock = &fake_clock, .allocator = &allocator, .workload = &failing};
    trial.partner = &partner;
    workers[0].partner_state = &trial;
    sb_worker_measure(&workers[0]);
    assert_int_equal(workers[0].status, -ENOMEM);
    assert_true(workers[0].by_partner);
    SB_VEC_FREE(&workers[0].rounds);
    trial.partner = NULL;
}

/* Few rounds are no number. */
static void a_pair_needs_rounds(void **state)
{
    static struct trial partner;
    (void)state;
    partner = (struct trial){.spec = &spec, .clock = &fake_clock, .allocator = &allocator, .workload = &workload};
    trial.partner = &partner;
    workers[0].partner_state = &trial;
    spec.trial[SB_TRIAL_DURATION].u = 2 * MS;
    sb_worker_measure(&workers[0]);
    struct sb_result r = report();
    assert_null(sb_metrics_find(&r.metrics, "paired_ratio"));
    assert_null(sb_metrics_find(&r.metrics, "ops_per_s"));
    sb_result_free(&r);
    SB_VEC_FREE(&workers[0].rounds);
    trial.partner = NULL;
}

/* Of a joint workload operations alone say how far a thread is: numbers of calls differ between threads. */
static void joint_threads_stop_at_one_place(void **state)
{
    struct sb_counts counts = {.operations = 9, .allocs = 20, .frees = 20};
    (void)state;
    trial.target = 10;
    trial.target_calls = 20;
    assert_true(sb_survey_is_there(&trial, &counts));
    trial.needs.joint = true;
    assert_false(sb_survey_is_there(&trial, &counts));
    counts.operations = 10;
    assert_true(sb_survey_is_there(&trial, &counts));
}

/* To the place that is as far from the furthest thread's as was asked for; the window ends when all have come. */
static void joint_operations_have_one_window(void **state)
{
    (void)state;
    spec.threads = 2;
    spec.trial[SB_TRIAL_OPERATIONS].u = 100;
    trial.needs.joint = true;
    trial.furthest = 30;
    trial.arrived = trial.begun = 1;
    workers[0].counts.operations = 10;
    script.done = ticks + 2 * MS;
    uint64_t begin = ticks;
    sb_worker_measure(&workers[0]);
    assert_int_equal(workers[0].closed_operations, 120);
    assert_int_equal(steps, 12);
    assert_true(ticks - begin >= 2 * MS);
    assert_true(fabs(workers[0].closed_ns - 2 * MS) < MS / 10);
}

/* Nobody waits for a thread that has failed. */
static void joint_failure_ends_all(void **state)
{
    (void)state;
    spec.threads = 2;
    spec.trial[SB_TRIAL_OPERATIONS].u = 100;
    trial.needs.joint = true;
    trial.arrived = trial.begun = 1;
    script.idle = true;
    script.fails = ticks + MS;
    sb_worker_measure(&workers[0]);
    assert_int_equal(workers[0].closed_operations, 0);
    trial.target = 10;
    sb_worker_survey(&workers[0]);
    assert_int_equal(workers[0].counts.operations, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rates_are_of_the_window),         TEST(the_window_counts_from_the_latest_begin),
        TEST(a_long_step_disturbs_nothing),    TEST(a_short_window_is_no_result),
        TEST(operations_end_with_the_first),   TEST(operations_have_the_window_that_they_take),
        TEST(no_operation_is_no_result),       TEST(time_of_nobody_is_no_result),
        TEST(time_of_somebody_is_a_result),    TEST(a_stall_is_felt_by_all_calls_due_meanwhile),
        TEST(what_is_never_served_is_counted), TEST(paced_calls_need_not_finish_an_operation),
        TEST(start_phases_come_from_the_seed), TEST(a_pair_is_compared_by_turns),
        TEST(a_pair_knows_who_failed),         TEST(a_pair_needs_rounds),
        TEST(joint_threads_stop_at_one_place), TEST(joint_operations_have_one_window),
        TEST(joint_failure_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
