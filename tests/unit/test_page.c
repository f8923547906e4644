/*
 * The page and the tables of a report made of a small database: every cell, each metric's column, and nothing from
 * outside that isn't escaped.
 */
#include "db.h"

#include "figure/chart.h"
#include "report/html.h"

static void add_metric(struct sb_result *r, enum sb_metric_id id, double value)
{
    *SB_VEC_ADD(&r->metrics) =
        (struct sb_metric){sb_strdup(sb_metric_rows[id].name), sb_strdup(sb_metric_rows[id].unit), value};
}

static const char hostile[] = "it says \"no\" & <b>'why'</b>";

/* Two allocators, three processes each; the second has no footprint, for a reason that tries to break out. */
static void make(bool metadata)
{
    char *why = NULL, started[] = "2026-11-29T12:00:00Z";
    const char *const names[] = {"slub", "slab"};
    struct sb_store *store;
    struct sb_data head = {0};
    for (int64_t c = 0; c < 2; c++)
        add_cell(&head, names[c]);
    unlink(path);
    assert_int_equal(sb_store_create(&store, path, &why), 0);
    assert_int_equal(sb_store_begin(store, &head, &why), 0);
    for (int64_t i = 0; i < 6; i++) {
        struct sb_trial_row row = {.number = i + 1, .cell = i % 2 + 1, .repetition = i / 2 + 1, .started = started};
        row.result.status = SB_STATUS_OK;
        add_metric(&row.result, SB_METRIC_OPS_PER_S, i % 2 ? 2e6 : 1e6);
        if (i % 2)
            *SB_VEC_ADD(&row.result.unavailable) =
                (struct sb_unavailable){sb_strdup(SB_NAME(FOOTPRINT)), sb_strdup(hostile)};
        else
            add_metric(&row.result, SB_METRIC_FOOTPRINT, 1.25);
        if (metadata)
            add_metric(&row.result, SB_METRIC_METADATA_BYTES, 4096);
        assert_int_equal(sb_store_add_trial(store, &row, &why), 0);
        sb_result_free(&row.result);
    }
    sb_store_close(store);
    sb_data_free(&head);
}

static char *page(void)
{
    struct sb_view view;
    struct sb_tables tables = {0};
    struct sb_figures figures = {0};
    struct sb_words notes = {0};
    char *why = NULL;
    assert_int_equal(sb_view_open(&view, path, &why), 0);
    assert_int_equal(sb_tables_make(&view, &tables, &why), 0);
    char *html = sb_html_make(&view, &figures, "/nowhere", &tables, &notes);
    sb_tables_free(&tables);
    sb_view_close(&view);
    return html;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* As an attribute and as text. */
static void nothing_breaks_out_of_the_page(void **state)
{
    (void)state;
    make(false);
    char *html = page();
    assert_non_null(strstr(html, "title=\"it says &quot;no&quot; &amp; &lt;b&gt;'why'&lt;/b&gt;\""));
    assert_null(strstr(html, "says \"no\""));
    assert_null(strstr(html, "<b>'why'"));
    free(html);
}

/* The row of metric/rows.inc decides: a column for each that says so, some only where a cell has the metric. */
static void columns_are_the_rows(void **state)
{
    (void)state;
    for (int metadata = 0; metadata < 2; metadata++) {
        make(metadata);
        char *html = page();
        const char *table = strstr(html, "<h2>Every cell</h2>");
        assert_non_null(table);
        for (size_t k = 0; k < SB_METRICS; k++) {
            const struct sb_metric_row *row = &sb_metric_rows[k];
            char *head = row->in_page ? sb_printf("<th class=\"s\">%s</th>", row->in_page) : NULL;
            bool wanted = !row->if_any || (k == SB_METRIC_METADATA_BYTES && metadata);
            if (head)
                assert_int_equal(count(table, head), wanted);
            free(head);
        }
        assert_int_equal(count(table, "<th class=\"s\">of null</th>"), 1);
        assert_non_null(strstr(table, "<td data-v=\"1.25\">1.250"));
        assert_non_null(strstr(table, "<td data-v=\"2000000\">2.00 M"));
        free(html);
    }
}

/* Names are what databases and configs have; titles and labels stand where a reader reads. */
static void the_table_of_metrics_is_whole(void **state)
{
    (void)state;
    for (size_t k = 0; k < SB_METRICS; k++) {
        const struct sb_metric_row *row = &sb_metric_rows[k];
        assert_non_null(row->name);
        assert_non_null(row->unit);
        assert_ptr_equal(sb_metric_row(row->name), row);
        assert_in_range(row->better + 1, 0, 2);
        /* A number of a series has no column, and a share is one of a hundred. */
        assert_false(row->kind != SB_SCALAR && (row->file || row->in_cells || row->in_page || row->in_terminal.head));
        assert_false(row->share && strcmp(row->unit, "%"));
    }
    /* Axes of shares are whole; others begin at zero, or are logarithmic from a decade on. */
    assert_true(sb_metric_is_share("success") && sb_metric_is_share("internal_fragmentation"));
    assert_false(sb_metric_is_share("footprint") || sb_metric_is_share("steal") || sb_metric_is_share("somebody's"));
    assert_false(sb_range_is_logarithmic(&(struct sb_range){.min = 1, .max = 9.9}));
    assert_true(sb_range_is_logarithmic(&(struct sb_range){.min = 1, .max = 10.1}));
    assert_false(sb_range_is_logarithmic(&(struct sb_range){.min = 0, .max = 10.1}));
    assert_string_equal(sb_metric_stored("throughput"), "ops_per_s");
    assert_string_equal(sb_metric_stored("somebody's"), "somebody's");
    assert_int_equal(sb_metric_direction("somebody's", "ns"), -1);
    assert_int_equal(sb_metric_direction("somebody's", "calls"), 0);
    assert_int_equal(sb_metric_direction("ops_per_s", "1/s"), 1);
    assert_int_equal(sb_metric_direction("window_ns", "ns"), 0);
    assert_true(sb_metric_is_event("events per operation") && sb_metric_is_event("simulated events"));
    assert_false(sb_metric_is_event("ns") || sb_metric_is_event("operations"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_breaks_out_of_the_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(columns_are_the_rows, set_up, tear_down),
        cmocka_unit_test(the_table_of_metrics_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
