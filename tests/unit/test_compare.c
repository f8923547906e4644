/*
 * Verdicts and resolution: what the clock can't tell gets no p and no verdict, in no metric; what lies below
 * a step is no number, in export and tables alike.
 */
#include "db.h"

#include "analyse/compare.h"
#include "analyse/contrast.h"
#include "metric/metric.h"
#include "report/compare_print.h"
#include "report/report.h"

#include <math.h>

enum { N = 10 };

static void add_metric(struct sb_result *r, const char *name, const char *unit, double value)
{
    *SB_VEC_ADD(&r->metrics) = (struct sb_metric){sb_strdup(name), sb_strdup(unit), value};
}

/* Two allocators, ten processes each, whose median call takes `a` and `b` ns on a clock with steps of 10. */
static void make(double a, double b)
{
    char *why = NULL, started[] = "2026-11-29T12:00:00Z";
    const char *const names[] = {"slub", "slab"};
    const double values[] = {a, b};
    struct sb_store *store;
    struct sb_data head = {0};
    for (int64_t c = 0; c < 2; c++)
        add_cell(&head, names[c]);
    unlink(path);
    assert_int_equal(sb_store_create(&store, path, &why), 0);
    assert_int_equal(sb_store_begin(store, &head, &why), 0);
    for (int64_t i = 0; i < 2 * N; i++) {
        struct sb_trial_row row = {.number = i + 1, .cell = i % 2 + 1, .repetition = i / 2 + 1, .started = started};
        row.result.status = SB_STATUS_OK;
        add_metric(&row.result, "alloc_p50_ns", "ns", values[i % 2]);
        add_metric(&row.result, "clock_resolution", "ns", 10);
        assert_int_equal(sb_store_add_trial(store, &row, &why), 0);
        sb_result_free(&row.result);
    }
    sb_store_close(store);
    sb_data_free(&head);
}

static struct sb_comparison compare(double a, double b, struct sb_compare *c)
{
    char *why = NULL;
    struct sb_compare_request q = {.db = path, .baseline = "slab", .metric = "alloc_p50_ns"};
    make(a, b);
    assert_int_equal(sb_compare(c, &q, &why), 0);
    assert_int_equal(c->rows.n, 1);
    return c->rows.at[0];
}

/* One of the clock's steps apart: twice as long, and nothing to say about it. */
static void a_step_of_the_clock_is_no_verdict(void **state)
{
    struct sb_compare c;
    (void)state;
    struct sb_comparison row = compare(10, 20, &c);
    assert_false(row.resolved);
    assert_true(isnan(row.p) && isnan(row.adjusted) && isnan(row.ratio.value));
    assert_int_equal(row.verdict, SB_VERDICT_NOT_RESOLVED);
    assert_int_equal(sb_compare_count_unresolved(&c), 1);
    /* 10 may be 20 and 20 may be 10: at most twice as slow, and so no pass of a gate of 50 %. */
    assert_int_equal(sb_compare_count_undecidable(&c, 0.5), 1);
    assert_int_equal(sb_compare_count_undecidable(&c, 2), 0);
    sb_compare_free(&c);
    row = compare(30, 20, &c);
    assert_int_equal(row.verdict, SB_VERDICT_NOT_RESOLVED);
    sb_compare_free(&c);
    row = compare(20, 20, &c);
    assert_int_equal(row.verdict, SB_VERDICT_NOT_RESOLVED);
    sb_compare_free(&c);
}

static void two_steps_are(void **state)
{
    struct sb_compare c;
    (void)state;
    struct sb_comparison row = compare(50, 20, &c);
    assert_true(row.resolved);
    assert_int_equal(row.verdict, SB_VERDICT_SLOWER);
    assert_true(row.ratio.value == 2.5);
    /* All processes agree, and yet the ratio is known no better than its two medians: 40 / 30 to 60 / 10. */
    assert_true(fabs(row.ratio.low - 40.0 / 30) < 1e-9 && fabs(row.ratio.high - 6) < 1e-9);
    sb_compare_free(&c);
    /* Separated by its test, but not by what the clock leaves of the ratio. */
    row = compare(40, 20, &c);
    assert_true(row.resolved && fabs(row.ratio.low - 1) < 1e-9);
    assert_int_equal(row.verdict, SB_VERDICT_NOT_SEPARATED);
    sb_compare_free(&c);
}

/* Zero is not what was measured: it is less than a step, and a ratio to it has no value. */
static void below_a_step_there_is_no_ratio(void **state)
{
    struct sb_compare c;
    (void)state;
    struct sb_comparison row = compare(100, 0, &c);
    assert_true(row.resolved && isnan(row.ratio.value));
    assert_int_equal(row.verdict, SB_VERDICT_SLOWER);
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    sb_compare_print(&c, out);
    fclose(out);
    assert_non_null(strstr(text, "over 9 ")); /* 90 over 10 */
    assert_non_null(strstr(text, "<10.0"));
    free(text);
    sb_compare_free(&c);
}

static void export_has_bounds_and_no_zero(void **state)
{
    char *text = NULL, *why = NULL;
    size_t n;
    (void)state;
    make(100, 0);
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(sb_export(path, SB_EXPORT_TRIALS, false, out, &why), 0);
    fclose(out);
    assert_non_null(strstr(text, ",alloc_p50_ns,alloc_p50_ns.low,alloc_p50_ns.high,clock_resolution,"));
    assert_non_null(strstr(text, "\n1,slub,objects,1,1,ok,no,0,0,,100,90,110,10,"));
    assert_non_null(strstr(text, "\n2,slab,objects,1,1,ok,no,0,0,,,0,10,10,"));
    free(text);
}

/* Of a database with every kind of metric: none decides by less than two of its steps. */
static void no_metric_decides_by_less_than_two_steps(void **state)
{
    char db[] = DATA_DIR "/charts/sample.db", *why = NULL;
    struct sb_view view;
    struct sb_words names = {0};
    size_t decided = 0, unresolved = 0;
    (void)state;
    assert_int_equal(sb_view_open(&view, db, &why), 0);
    for (size_t t = 0; t < view.data.trials.n; t++) {
        const struct sb_result *r = &view.data.trials.at[t].result;
        for (size_t i = 0; i < r->metrics.n; i++)
            sb_words_add_once(&names, r->metrics.at[i].name);
    }
    assert_true(names.n > 40);
    for (size_t i = 0; i < names.n; i++) {
        struct sb_compare c;
        struct sb_compare_request q = {.db = db, .baseline = "buddy", .metric = names.at[i]};
        if (sb_compare(&c, &q, &why)) {
            free(why);
            why = NULL;
        }
        for (size_t k = 0; k < c.rows.n; k++) {
            const struct sb_comparison *row = &c.rows.at[k];
            unresolved += !row->resolved;
            if (row->verdict != SB_VERDICT_FASTER && row->verdict != SB_VERDICT_SLOWER)
                continue;
            decided++;
            if (fabs(row->x.median - row->y.median) < 2 * fmax(row->x.step, row->y.step) * (1 - 1e-6))
                fail_msg("%s, %s: %g and %g are decided, with a step of %g", names.at[i], row->title, row->x.median,
                         row->y.median, row->x.step);
        }
        sb_compare_free(&c);
    }
    assert_true(unresolved > 0);
    (void)decided;
    sb_words_free(&names);
    sb_view_close(&view);
}

/* Each kind of step, of a trial of known numbers. */
static void steps_are_known_by_name(void **state)
{
    static const struct {
        const char *name;
        double value, step;
    } cases[] = {
        {"alloc_p99_ns", 100, 10},
        {"alloc_p99_ns", 12800, 100},
        {"free_max_ns", 12800, 10},
        {"alloc_ns", 5, 0.01},
        {"free_ns", 8, 0},
        {"ops_per_s", 1e7, 1},
        {"others_cpu_s", 0.3, 0.01},
        {"others_cpu", 3, 10},
        {"fragmentation_index", 0.5, 0.001},
        {"footprint", 1.2, 4096 / 1e6},
        {"kept_bytes", 8192, 4096},
        {"operations", 5, 0},
        {"perf::CYCLES", 5, 0},
        {"simulated:instructions", 5, 0},
    };
    struct sb_result r = {0};
    (void)state;
    add_metric(&r, "clock_resolution", "ns", 10);
    add_metric(&r, "alloc_ns_batch", "ns", 5000);
    add_metric(&r, "window_ns", "ns", 1e8);
    add_metric(&r, "requested_peak", "B", 1e6);
    add_metric(&r, "pss_peak", "B", 1);
    for (size_t i = 0; i < SB_COUNT(cases); i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s", cases[i].name);
        struct sb_metric m = {name, NULL, cases[i].value};
        double step = sb_metric_step(&r.metrics, &m);
        if (fabs(step - cases[i].step) > 1e-9)
            fail_msg("%s = %g has a step of %g, and not %g", name, m.value, step, cases[i].step);
    }
    sb_result_free(&r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_step_of_the_clock_is_no_verdict),        TEST(two_steps_are),
        TEST(below_a_step_there_is_no_ratio),           TEST(export_has_bounds_and_no_zero),
        TEST(no_metric_decides_by_less_than_two_steps), TEST(steps_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
