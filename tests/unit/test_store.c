/* Results on the wire and in the database: what goes in comes out, whatever it holds. */
#include "test.h"

#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

/* Writes each kind of line to a stream and takes it in again. */
static void results_survive_the_wire(void **state)
{
    struct sb_point points[] = {{0, 1.5}, {1e9, -2}};
    char series_name[] = "free_blocks", unit[] = "blocks";
    struct sb_series series = {series_name, unit, 3, points, 2, 2};
    struct sb_result r = {0};
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    (void)state;
    sb_write_warning(out, "careful");
    sb_write_phase(out, "measure");
    sb_write_phase(out, "verify");
    sb_write_phase(out, "tear-down");
    sb_write_metric(out, SB_METRIC_OPS_PER_S, 1234567.25);
    sb_write_unavailable(out, "perf::CYCLES", "no \"PMU\"\n here");
    sb_write_series(out, &series);
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    for (uint64_t i = 1; i <= 1000; i++)
        sb_histogram_add(h, i * i * 16);
    sb_write_latencies(out, "alloc", "service time of a call", h);
    sb_write_dump(out, "buddyinfo", "Node 0\n");
    sb_write_status(out, SB_STATUS_INVALID, "why");
    fclose(out);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_int_equal(sb_result_take(&r, line, strlen(line)), 0);
    assert_null(r.contradiction);
    assert_string_equal(r.phase, "tear-down");
    assert_true(sb_metrics_find(&r.metrics, "ops_per_s")->value == 1234567.25);
    assert_string_equal(r.unavailable.at[0].reason, "no \"PMU\"\n here");
    assert_true(r.series.at[0].n == 2 && r.series.at[0].key == 3 && r.series.at[0].at[1].y == -2);
    struct sb_histogram *again = sb_calloc(1, sizeof(*again));
    assert_string_equal(r.latencies.at[0].what, "service time of a call");
    sb_latencies_add(&r.latencies.at[0], again);
    assert_memory_equal(again, h, sizeof(*h));
    free(again);
    free(h);
    assert_string_equal(r.dumps.at[0].text, "Node 0\n");
    assert_string_equal(r.warnings.at[0], "careful");
    assert_int_equal(r.status, SB_STATUS_INVALID);
    assert_string_equal(r.reason, "why");
    sb_result_free(&r);
    free(text);
}

/* The first thing wrong with some lines, or NULL. */
static char *contradiction(const char *const *lines)
{
    struct sb_result r = {0};
    for (size_t i = 0; lines[i]; i++) {
        int status = sb_result_take(&r, lines[i], strlen(lines[i]));
        assert_int_equal(status, r.contradiction ? -EPROTO : 0);
        if (r.contradiction)
            break;
    }
    char *text = r.contradiction ? sb_strdup(r.contradiction) : NULL;
    sb_result_free(&r);
    return text;
}

#define PHASE(name)  "{\"phase\":\"" name "\"}"
#define METRIC(name) "{\"metric\":\"" name "\",\"unit\":\"1/s\",\"value\":9e12}"
#define STATUS(name) "{\"status\":\"" name "\"}"
#define WHOLE        PHASE("setup"), PHASE("survey"), PHASE("warm-up"), PHASE("measure"), PHASE("verify"), PHASE("tear-down")

/* A plugin shares the trial's process and may write where it writes: what it says is told apart by what it
 * can't know to say in its place. */
static void an_output_that_contradicts_itself_is_told(void **state)
{
    static const struct {
        const char *wrong, *lines[12];
    } cases[] = {
        {NULL, {WHOLE, METRIC("ops_per_s"), STATUS("ok")}},
        {NULL, {PHASE("setup"), PHASE("warm-up"), PHASE("measure"), PHASE("verify"), PHASE("tear-down"), STATUS("ok")}},
        {NULL, {WHOLE, METRIC("lost_time"), STATUS("disturbed")}},
        {NULL, {PHASE("setup"), "{\"warning\":\"x\"}", "{\"library\":\"x\"}", STATUS("error")}},
        {NULL, {PHASE("setup"), PHASE("survey"), STATUS("invalid")}},
        /* The forger of the attack: numbers and ok from within the survey. */
        {"metric ops_per_s comes before the trial was torn down",
         {PHASE("setup"), PHASE("survey"), METRIC("ops_per_s"), STATUS("ok")}},
        {"its status is ok, but it was not measured, verified and torn down",
         {PHASE("setup"), PHASE("survey"), STATUS("ok")}},
        {"its status is ok, but it was not measured, verified and torn down",
         {PHASE("setup"), PHASE("warm-up"), PHASE("measure"), PHASE("verify"), STATUS("ok")}},
        {"its status is disturbed, but it was not measured, verified and torn down", {STATUS("disturbed")}},
        {"series free_blocks comes before the trial was torn down", {PHASE("measure"), "{\"series\":\"free_blocks\"}"}},
        {"histogram alloc comes before the trial was torn down", {"{\"histogram\":\"alloc\"}"}},
        {"unavailable ops_per_s comes before the trial was torn down", {"{\"unavailable\":\"ops_per_s\"}"}},
        {"metric ops_per_s comes twice", {WHOLE, METRIC("ops_per_s"), METRIC("x"), METRIC("ops_per_s")}},
        {"something comes after its status, which was ok", {WHOLE, STATUS("ok"), STATUS("ok")}},
        {"something comes after its status, which was ok", {WHOLE, STATUS("ok"), METRIC("ops_per_s")}},
        {"something comes after its status, which was error", {STATUS("error"), PHASE("setup")}},
        {"phase measure was entered twice, or after a later one", {PHASE("measure"), PHASE("measure")}},
        {"phase survey was entered twice, or after a later one", {PHASE("measure"), PHASE("survey")}},
        {"a trial has no phase 'dessert'", {PHASE("dessert")}},
        {"a trial has no status 'fine'", {WHOLE, STATUS("fine")}},
        {"a line of its output is not a result: hello", {"hello"}},
        {"a line of its output is not a result", {"{\"what\":1}"}},
    };
    (void)state;
    for (size_t i = 0; i < SB_COUNT(cases); i++) {
        char *found = contradiction(cases[i].lines);
        if (cases[i].wrong) {
            assert_non_null(found);
            assert_string_equal(found, cases[i].wrong);
        } else {
            assert_null(found);
        }
        free(found);
    }
}

/* Three million of them would be stored as they come. */
static void a_trial_has_no_endless_metrics(void **state)
{
    struct sb_result r = {0};
    int status = 0;
    (void)state;
    sb_result_take(&r, PHASE("tear-down"), strlen(PHASE("tear-down")));
    for (int i = 0; !status && i < 10000; i++) {
        char *line = sb_printf("{\"metric\":\"m%d\",\"unit\":\"\",\"value\":1}", i);
        status = sb_result_take(&r, line, strlen(line));
        free(line);
    }
    assert_int_equal(status, -EPROTO);
    assert_string_equal(r.contradiction, "it has more than 4096 metrics");
    sb_result_forget(&r);
    assert_int_equal(r.metrics.n, 0);
    sb_result_free(&r);
}

static char *temporary_path(void)
{
    char *path = sb_printf("/tmp/sb-store-%ld-%d.db", (long)getpid(), rand());
    unlink(path);
    return path;
}

static void a_database_keeps_everything(void **state)
{
    struct sb_store *store;
    struct sb_data head = {0}, data;
    struct sb_result series = {0};
    char *why = NULL, *path = temporary_path();
    static const char hostile[] = "'); DROP TABLE trial; -- \"`$(x)\n\xc3\xa9";
    (void)state;
    assert_int_equal(sb_store_create(&store, path, &why), 0);
    sb_pairs_add(&head.meta, "name", hostile);
    struct sb_cell_row *cell = SB_VEC_ADD(&head.cells);
    *cell = (struct sb_cell_row){
        .id = 7, .threads = 2, .allocator = sb_strdup(hostile), .workload = sb_strdup("w"), .settings = sb_strdup("x")};
    sb_pairs_add(&cell->swept, "w.quantum", "1000B");
    assert_int_equal(sb_store_begin(store, &head, &why), 0);
    for (int i = 1; i <= 3; i++) {
        struct sb_trial_row trial = {.number = i, .cell = 7, .repetition = i, .seed = UINT64_MAX - (uint64_t)i};
        char name[] = "m", unit[] = "u", series_name[] = "s";
        struct sb_metric metric = {name, unit, i / 3.0};
        struct sb_point points[] = {{1, 0.1}, {2, 1e300}};
        struct sb_series one = {series_name, unit, 0, points, 2, 2};
        trial.result.status = i == 2 ? SB_STATUS_TIMEOUT : SB_STATUS_OK;
        trial.result.metrics.at = &metric;
        trial.result.metrics.n = 1;
        trial.result.series.at = &one;
        trial.result.series.n = 1;
        char what[] = "service time", histogram[] = "alloc";
        struct sb_bucket buckets[] = {{3, 7}, {300, 1}};
        struct sb_latencies latencies = {histogram, what, 8, 3, 400, buckets, 2, 2};
        trial.result.latencies.at = &latencies;
        trial.result.latencies.n = 1;
        trial.layout = UINT64_C(1) << 40;
        trial.simulated = i == 3;
        assert_int_equal(sb_store_add_trial(store, &trial, &why), 0);
    }
    assert_int_equal(sb_store_add_warning(store, "of the run", &why), 0);
    sb_store_close(store);

    assert_int_equal(sb_store_open(&store, path, &why), 0);
    assert_int_equal(sb_store_load(store, &data, &why), 0);
    assert_string_equal(sb_data_meta(&data, "name"), hostile);
    assert_int_equal(data.cells.n, 1);
    assert_string_equal(data.cells.at[0].allocator, hostile);
    assert_string_equal(data.cells.at[0].swept.at[0].value, "1000B");
    assert_null(data.cells.at[0].skip);
    assert_int_equal(data.trials.n, 3);
    assert_true(data.trials.at[2].seed == UINT64_MAX - 3);
    assert_int_equal(data.trials.at[1].result.status, SB_STATUS_TIMEOUT);
    assert_true(data.trials.at[0].result.metrics.at[0].value == 1 / 3.0);
    assert_int_equal(sb_store_load_series(store, 3, &series, &why), 0);
    assert_true(series.series.at[0].at[0].y == 0.1 && series.series.at[0].at[1].y == 1e300);
    assert_int_equal(sb_store_load_latencies(store, 2, &series, &why), 0);
    assert_true(series.latencies.n == 1 && series.latencies.at[0].n == 8 && series.latencies.at[0].max == 400);
    assert_true(series.latencies.at[0].at[1].index == 300 && series.latencies.at[0].at[0].count == 7);
    assert_true(data.trials.at[0].layout == UINT64_C(1) << 40 && !data.trials.at[0].simulated);
    assert_true(data.trials.at[2].simulated);
    assert_string_equal(data.cells.at[0].settings, "x");
    assert_string_equal(data.warnings.at[0], "of the run");
    sb_result_free(&series);
    sb_data_free(&data);
    sb_store_close(store);
    unlink(path);
    free(path);
    sb_data_free(&head);
}

/* A file as 0.1.0 wrote it: what it lacks is empty, all else is there. */
static void files_of_version_1_are_read(void **state)
{
    struct sb_store *store;
    struct sb_data data;
    struct sb_result result = {0};
    char *why = NULL;
    (void)state;
    assert_int_equal(sb_store_open(&store, DATA_DIR "/schema/1.db", &why), 0);
    assert_int_equal(sb_store_load(store, &data, &why), 0);
    assert_int_equal(data.cells.n, 6);
    assert_int_equal(data.trials.n, 10);
    assert_null(data.cells.at[0].settings);
    assert_string_equal(data.cells.at[0].allocator, "null");
    assert_true(data.trials.at[9].layout == 0 && !data.trials.at[9].simulated);
    assert_true(sb_metrics_find(&data.trials.at[9].result.metrics, "ops_per_s")->value > 0);
    assert_int_equal(sb_store_load_series(store, 1, &result, &why), 0);
    assert_true(result.series.n > 0);
    assert_int_equal(sb_store_load_latencies(store, 1, &result, &why), 0);
    assert_int_equal(result.latencies.n, 0);
    sb_result_free(&result);
    sb_data_free(&data);
    sb_store_close(store);
}

/* Of each version since, what it had and what came after it. */
static void files_of_later_versions_are_read(void **state)
{
    static const char *const files[] = {DATA_DIR "/schema/2.db", DATA_DIR "/schema/3.db"};
    (void)state;
    for (size_t i = 0; i < SB_COUNT(files); i++) {
        struct sb_store *store;
        struct sb_data data;
        char *why = NULL;
        assert_int_equal(sb_store_open(&store, files[i], &why), 0);
        assert_int_equal(sb_store_load(store, &data, &why), 0);
        assert_int_equal(data.trials.n, 4);
        assert_non_null(data.cells.at[0].settings);
        assert_true(data.trials.at[3].layout != 0);
        assert_true(sb_metrics_find(&data.trials.at[3].result.metrics, "ops_per_s")->value > 0);
        assert_true(data.trials.at[3].retry == 0 && data.trials.at[3].memory_file == 0);
        sb_data_free(&data);
        sb_store_close(store);
    }
}

static void nothing_is_overwritten(void **state)
{
    struct sb_store *store;
    char *why = NULL, *path = temporary_path();
    (void)state;
    assert_int_equal(sb_store_create(&store, path, &why), 0);
    sb_store_close(store);
    assert_int_equal(sb_store_create(&store, path, &why), -EEXIST);
    assert_non_null(strstr(why, "never overwrites"));
    free(why);
    unlink(path);
    free(path);
}

static void what_is_no_database_is_said(void **state)
{
    struct sb_store *store;
    char *why = NULL, *path = temporary_path();
    (void)state;
    assert_true(sb_store_open(&store, path, &why) < 0);
    assert_non_null(strstr(why, "can't be read"));
    free(why);
    why = NULL;
    FILE *file = fopen(path, "w");
    fputs("this is a text, not a database at all, whatever its name may say", file);
    fclose(file);
    assert_true(sb_store_open(&store, path, &why) < 0);
    assert_non_null(strstr(why, "not a scullbench database"));
    free(why);
    unlink(path);
    free(path);
}

/* An artifact tells nobody where its author's plugins and libraries lie. */
static void a_copy_has_no_folders(void **state)
{
    char *from = sb_printf("/tmp/sb-copy-%ld.db", (long)getpid()), *to = sb_printf("%s.copy", from), *why = NULL;
    struct sb_store *store;
    struct sb_data head = {0}, data;
    char started[] = "2026-11-29T12:00:00Z";
    (void)state;
    unlink(from);
    unlink(to);
    *SB_VEC_ADD(&head.plugins) =
        (struct sb_plugin_row){sb_strdup("allocator"), sb_strdup("slub"),
                               sb_strdup("/home/me/secret/allocator-slub.so"), sb_strdup("0123"), sb_strdup("1.5")};
    struct sb_cell_row *cell = SB_VEC_ADD(&head.cells);
    *cell = (struct sb_cell_row){.id = 1, .threads = 1};
    cell->label = sb_strdup("slub / objects / 1 thread");
    cell->allocator = sb_strdup("slub");
    cell->workload = sb_strdup("objects");
    cell->route = sb_strdup("cache");
    cell->memory = sb_strdup(SB_MEMORY_FILE);
    cell->cpus = sb_strdup("L#0 P#0");
    cell->settings = sb_strdup("[trial]\nduration = 100ms\n");
    assert_int_equal(sb_store_create(&store, from, &why), 0);
    assert_int_equal(sb_store_begin(store, &head, &why), 0);
    struct sb_trial_row row = {.number = 1, .cell = 1, .repetition = 1, .started = started};
    row.result.status = SB_STATUS_OK;
    *SB_VEC_ADD(&row.result.libraries) =
        (struct sb_library){sb_strdup("/home/me/secret/libfoo.so.2"), sb_strdup("4567"), sb_strdup("foo 2")};
    assert_int_equal(sb_store_add_trial(store, &row, &why), 0);
    sb_result_free(&row.result);
    sb_store_close(store);
    sb_data_free(&head);
    assert_int_equal(sb_store_copy(from, to, &why), 0);
    assert_int_equal(sb_store_open(&store, to, &why), 0);
    assert_int_equal(sb_store_load(store, &data, &why), 0);
    assert_string_equal(data.plugins.at[0].path, "allocator-slub.so");
    assert_string_equal(data.trials.at[0].result.libraries.at[0].path, "libfoo.so.2");
    sb_data_free(&data);
    sb_store_close(store);
    unlink(from);
    unlink(to);
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_survive_the_wire),       cmocka_unit_test(an_output_that_contradicts_itself_is_told),
        cmocka_unit_test(a_trial_has_no_endless_metrics), cmocka_unit_test(a_database_keeps_everything),
        cmocka_unit_test(files_of_version_1_are_read),    cmocka_unit_test(files_of_later_versions_are_read),
        cmocka_unit_test(a_copy_has_no_folders),          cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(what_is_no_database_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
