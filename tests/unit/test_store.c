/* Results on the wire and in the database: what goes in comes out, whatever it holds. */
#include "test.h"

#include "stats/stats.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

static void summaries(void **state)
{
    double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2}, one[] = {7};
    (void)state;
    struct sb_summary s = sb_summarise(odd, 3);
    assert_true(s.n == 3 && s.median == 3 && s.min == 1 && s.max == 5);
    s = sb_summarise(even, 4);
    assert_true(s.median == 2.5 && s.min == 1 && s.max == 4);
    s = sb_summarise(one, 1);
    assert_true(s.median == 7 && s.min == 7 && s.max == 7);
    s = sb_summarise(NULL, 0);
    assert_true(s.n == 0 && isnan(s.median));
}

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
    sb_write_phase(out, "measure");
    sb_write_metric(out, "ops_per_s", "1/s", 1234567.25);
    sb_write_unavailable(out, "perf::CYCLES", "no \"PMU\"\n here");
    sb_write_series(out, &series);
    sb_write_dump(out, "buddyinfo", "Node 0\n");
    sb_write_warning(out, "careful");
    sb_write_status(out, SB_STATUS_INVALID, "why");
    fclose(out);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_int_equal(sb_result_take(&r, line, strlen(line)), 0);
    assert_string_equal(r.phase, "measure");
    assert_true(sb_result_metric(&r, "ops_per_s")->value == 1234567.25);
    assert_string_equal(r.unavailable.at[0].reason, "no \"PMU\"\n here");
    assert_true(r.series.at[0].n == 2 && r.series.at[0].key == 3 && r.series.at[0].at[1].y == -2);
    assert_string_equal(r.dumps.at[0].text, "Node 0\n");
    assert_string_equal(r.warnings.at[0], "careful");
    assert_int_equal(r.status, SB_STATUS_INVALID);
    assert_string_equal(r.reason, "why");
    assert_int_equal(sb_result_take(&r, "{\"what\":1}", 10), -EPROTO);
    assert_int_equal(sb_result_take(&r, "hello", 5), -EPROTO);
    assert_int_equal(sb_result_take(&r, "{\"status\":\"fine\"}", 17), -EPROTO);
    sb_result_free(&r);
    free(text);
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
        .id = 7, .threads = 2, .allocator = sb_strdup(hostile), .workload = sb_strdup("w")};
    sb_pairs_add(&cell->swept, "w.quantum", "1000B");
    assert_int_equal(sb_store_begin(store, &head, &why), 0);
    for (int i = 1; i <= 3; i++) {
        struct sb_trial_row trial = {
            .number = i, .cell = 7, .repetition = i, .seed = UINT64_MAX - (uint64_t)i};
        char name[] = "m", unit[] = "u", series_name[] = "s";
        struct sb_metric metric = {name, unit, i / 3.0};
        struct sb_point points[] = {{1, 0.1}, {2, 1e300}};
        struct sb_series one = {series_name, unit, 0, points, 2, 2};
        trial.result.status = i == 2 ? SB_STATUS_TIMEOUT : SB_STATUS_OK;
        trial.result.metrics.at = &metric;
        trial.result.metrics.n = 1;
        trial.result.series.at = &one;
        trial.result.series.n = 1;
        assert_int_equal(sb_store_add_trial(store, &trial, &why), 0);
    }
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
    sb_result_free(&series);
    sb_data_free(&data);
    sb_store_close(store);
    unlink(path);
    free(path);
    sb_data_free(&head);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summaries),
        cmocka_unit_test(results_survive_the_wire),
        cmocka_unit_test(a_database_keeps_everything),
        cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(what_is_no_database_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
