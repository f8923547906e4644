/* The table on the terminal: for each group of comparable cells a row per allocator, beside null. */
#define _GNU_SOURCE
#include "analyse/contrast.h"
#include "analyse/findings.h"
#include "analyse/view.h"
#include "base/diag.h"
#include "report/report.h"
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rates with the prefixes of SI, the rest by the digits of its row. */
static void add_number(struct sb_table *t, struct sb_summary s, int decimals)
{
    struct sb_cell_content *c = sb_table_add_value(t, s);
    if (s.n)
        c->text =
            sb_printf("%s%.*f", sb_reading_is_below(sb_reading_of(&s)) ? "<" : "", decimals, fmax(s.median, s.step));
    else
        c->text = sb_strdup("-");
}

/* Paced calls have no rate of their own: their response times stand in its place. NULL: it is not paced. */
static char *paced_words(const struct sb_view *view, const struct sb_view_cell *cell)
{
    static const double shares[] = {0.5, 0.99, 0.999, 1};
    static const char *const names[] = {"p50", "p99", "p99.9", "max"};
    double low[4], high[4];
    char *why = NULL;
    struct sb_text text = {0};
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    if (!sb_view_latencies(view, cell, "response", shares, 4, h, low, high, &why) && h->n) {
        sb_text_printf(&text, "response in ns from when calls were due, %llu calls:", (unsigned long long)h->n);
        double step = sb_view_metric(view, cell, SB_NAME(CLOCK_RESOLUTION)).median;
        for (size_t i = 0; i < 4; i++) {
            double value = sb_histogram_quantile(h, shares[i]);
            if (isinf(value))
                sb_text_printf(&text, " %s not served", names[i]);
            else if (sb_reading_is_below((struct sb_reading){value, step}))
                sb_text_printf(&text, " %s <%.0f", names[i], step);
            else if (!isnan(value))
                sb_text_printf(&text, " %s %.0f", names[i], value);
        }
    }
    free(why);
    free(h);
    return text.at;
}

/* Of a process that had both, beside what it was paired with. */
static void add_pair(const struct sb_view *view, const struct sb_view_cell *cell, struct sb_text *out)
{
    const char *baseline = sb_data_meta(sb_view_head(view, cell->row->source), "baseline");
    struct sb_summary s = sb_view_metric(view, cell, SB_NAME(PAIRED_RATIO));
    if (s.n > 1)
        sb_text_printf(out, "  %.4f [%.4f, %.4f] of %s", s.median, s.low, s.high, baseline ? baseline : "the baseline");
    else if (s.n)
        sb_text_printf(out, "  %.4f of %s", s.median, baseline ? baseline : "the baseline");
}

/* Some metrics only some workloads have: their columns are left out elsewhere. */
static bool has_metric(const struct sb_view *view, size_t group, const char *name)
{
    for (size_t a = 0; a < view->allocators.n; a++) {
        const struct sb_view_cell *cell = sb_view_find(view, group, a);
        if (cell && sb_view_metric(view, cell, name).n)
            return true;
    }
    return false;
}

static bool has_column(const struct sb_view *view, size_t group, const struct sb_metric_row *row)
{
    return row->in_terminal.head && (!row->if_any || has_metric(view, group, row->name));
}

/* What is said behind the numbers: repetitions without one, groups far apart, the pair, why it ended early. */
static char *tail_of(const struct sb_view *view, const struct sb_view_cell *cell, const struct sb_summary *rate)
{
    struct sb_text text = {0};
    char *stopped = sb_view_stopped(view, cell), *spread = sb_view_spread(rate),
         *missing = sb_view_missing(view, cell, SB_NAME(OPS_PER_S));
    sb_text_printf(&text, "%s%s%s%s", missing ? "  " : "", missing ? missing : "", spread ? "  " : "",
                   spread ? spread : "");
    add_pair(view, cell, &text);
    sb_text_printf(&text, "%s%s", stopped ? "  " : "", stopped ? stopped : "");
    free(missing);
    free(spread);
    free(stopped);
    return text.at;
}

/* A cell without a number still has its row, with the reason in place of the numbers. */
static void add_instead(struct sb_table *t, const struct sb_view *view, const struct sb_view_cell *cell)
{
    /* A paced cell was measured well: its answer is another number. */
    char *text = cell->ok ? paced_words(view, cell) : NULL;
    if (!text)
        text = sb_printf("%s: %s", cell->row->skip ? "skipped" : "no result",
                         sb_view_reason(view, cell, SB_NAME(OPS_PER_S)));
    sb_table_add_text(t, text)->rest = true;
    free(text);
}

static void add_row(struct sb_table *t, const struct sb_view *view, const struct sb_view_cell *cell, size_t group)
{
    const struct sb_view_cell *floor = sb_view_beside(view, cell, "null");
    struct sb_summary rate = sb_view_metric(view, cell, SB_NAME(OPS_PER_S));
    double of_null = floor ? sb_contrast_ratio(view, cell, floor, SB_NAME(OPS_PER_S)) : (double)NAN;
    sb_table_add_text(t, cell->variant);
    sb_table_add_count(t, (int64_t)rate.n);
    if (!rate.n) {
        add_instead(t, view, cell);
        goto out;
    }
    char *median = sb_format_si(rate.median), *low = sb_format_si(rate.low), *high = sb_format_si(rate.high);
    char *range = rate.n == 1 ? sb_strdup("one run") : sb_printf("%s - %s", low, high);
    sb_table_add_text(t, median);
    sb_table_add_text(t, range);
    add_number(t, (struct sb_summary){.n = !isnan(of_null), .median = of_null}, 3);
    for (size_t k = 0; k < SB_METRICS; k++) {
        const struct sb_metric_row *row = &sb_metric_rows[k];
        if (has_column(view, group, row))
            add_number(t, sb_view_metric(view, cell, row->name), row->in_terminal.digits);
    }
    char *tail = tail_of(view, cell, &rate);
    sb_table_add_text(t, tail);
    free(tail);
    free(median);
    free(low);
    free(high);
    free(range);
out:
    sb_table_end_row(t);
}

/* Events of the first ok trial that can't be counted, those of one reason together. */
static void print_not_counted(const struct sb_view *view, FILE *out)
{
    const struct sb_result *r = NULL;
    for (size_t t = 0; t < view->data.trials.n && !r; t++)
        r = view->data.trials.at[t].result.status == SB_STATUS_OK ? &view->data.trials.at[t].result : NULL;
    for (size_t i = 0; r && i < r->unavailable.n; i++) {
        const struct sb_unavailable *u = &r->unavailable.at[i];
        bool said = !sb_view_is_event(view, u->name);
        for (size_t j = 0; j < i && !said; j++)
            said = sb_view_is_event(view, r->unavailable.at[j].name) && !strcmp(r->unavailable.at[j].reason, u->reason);
        if (said)
            continue;
        fprintf(out, "not counted: %s", u->name);
        for (size_t j = i + 1; j < r->unavailable.n; j++) {
            if (sb_view_is_event(view, r->unavailable.at[j].name) && !strcmp(r->unavailable.at[j].reason, u->reason))
                fprintf(out, ", %s", r->unavailable.at[j].name);
        }
        fprintf(out, ": %s.\n", u->reason);
    }
}

/* What the columns are; what is not of every table is said only where it occurs. */
static void print_legend(const struct sb_view *view, FILE *out)
{
    size_t least = SIZE_MAX, most = 0;
    bool apart = false;
    for (size_t i = 0; i < view->cells.n; i++) {
        struct sb_summary s = sb_view_metric(view, &view->cells.at[i], SB_NAME(OPS_PER_S));
        least = s.n && s.n < least ? s.n : least;
        most = s.n > most ? s.n : most;
        apart |= s.bimodal || s.far;
    }
    char *interval = most > 1 ? sb_view_interval(view, least > 1 ? least : 2, most) : NULL;
    double least_difference;
    const char *baseline = sb_view_baseline(view, 0, &least_difference),
               *ratio = sb_view_has_blocks(view, 0) ? "median of the ratios to null's within blocks"
                                                    : "ratio of the medians";
    fprintf(out,
            "\nops/s, alloc and free ns, footprint (held / requested at the fullest checkpoint): "
            "medians of n processes;\nof null: %s.\n",
            ratio);
    if (baseline)
        fprintf(out, "of %s: median over n processes of the ratio that each measured by turns, and its interval.\n",
                baseline);
    if (interval)
        fprintf(out, "interval: %s.\n", interval);
    fprintf(out, "An operation is a call of the workload, not an allocation; alloc and free are timed in batches.\n");
    if (apart)
        fprintf(out, "%s.\n", sb_view_spread_words);
    print_not_counted(view, out);
    struct sb_words warnings = sb_find_warnings(view);
    for (size_t i = 0; i < warnings.n; i++)
        fprintf(out, "warning: %s%s\n", warnings.at[i], warnings.at[i][strlen(warnings.at[i]) - 1] == '.' ? "" : ".");
    sb_words_free(&warnings);
    free(interval);
}

/* Blocks of an eighth where the terminal's characters have them. */
static void print_bar(double share, bool utf8, FILE *out)
{
    enum { WIDTH = 40 };
    static const char *const eighths[] = {"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
    int full = (int)(share * WIDTH), part = (int)(8 * (share * WIDTH - full)), used = full;
    for (int i = 0; i < full; i++)
        fputs(utf8 ? "\u2588" : "#", out);
    if (utf8 && part && full < WIDTH) {
        fputs(eighths[part], out);
        used++;
    }
    fprintf(out, "%*s", WIDTH - used, "");
}

/* As the environment says: a terminal can't be asked. */
static bool speaks_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8");
    }
    return false;
}

/* From zero, so that lengths may be compared; beside each the number and its interval. */
static void print_bars(const struct sb_view *view, size_t group, int width, FILE *out)
{
    /* To the longest interval, so that no whisker would leave the line. */
    double most = 0;
    bool utf8 = speaks_utf8();
    for (size_t a = 0; a < view->allocators.n; a++) {
        const struct sb_view_cell *cell = sb_view_find(view, group, a);
        struct sb_summary s = {0};
        if (cell)
            s = sb_view_metric(view, cell, SB_NAME(OPS_PER_S));
        most = s.n ? fmax(most, s.high) : most;
    }
    for (size_t a = 0; a < view->allocators.n && most > 0; a++) {
        const struct sb_view_cell *cell = sb_view_find(view, group, a);
        struct sb_summary s = {0};
        if (cell)
            s = sb_view_metric(view, cell, SB_NAME(OPS_PER_S));
        if (!s.n)
            continue;
        char *median = sb_format_si(s.median), *low = sb_format_si(s.low), *high = sb_format_si(s.high);
        fprintf(out, "  %-*s ", width, cell->variant);
        print_bar(s.median / most, utf8, out);
        if (s.n > 1)
            fprintf(out, " %s [%s, %s]\n", median, low, high);
        else
            fprintf(out, " %s\n", median);
        free(median);
        free(low);
        free(high);
    }
}

static void add_column(struct sb_table *t, const char *head, enum sb_column_kind kind, int gap, int width)
{
    struct sb_column *c = sb_table_add_column(t, head, kind);
    c->gap = gap;
    c->width = width;
}

static void print_group(const struct sb_view *view, size_t group, int width, FILE *out)
{
    struct sb_table t = {.title = sb_strdup(view->groups.at[group].title), .scale = 1};
    struct sb_text text = {0};
    add_column(&t, "allocator", SB_WORDS, 2, width);
    add_column(&t, "n", SB_COUNTS, 1, 3);
    add_column(&t, "ops/s", SB_VALUES, 1, 9);
    add_column(&t, "interval", SB_WORDS, 2, 19);
    add_column(&t, "of null", SB_VALUES, 1, 7);
    for (size_t k = 0; k < SB_METRICS; k++) {
        const struct sb_metric_row *row = &sb_metric_rows[k];
        if (has_column(view, group, row))
            add_column(&t, row->in_terminal.head, SB_VALUES, 1, row->in_terminal.width);
    }
    add_column(&t, "", SB_WORDS, 0, 0);
    for (size_t a = 0; a < view->allocators.n; a++) {
        const struct sb_view_cell *cell = sb_view_find(view, group, a);
        if (cell)
            add_row(&t, view, cell, group);
    }
    sb_table_terminal(&t, &text);
    fputs(sb_text_get(&text), out);
    sb_text_free(&text);
    sb_table_free(&t);
}

static void print_groups(const struct sb_view *view, bool bars, FILE *out)
{
    /* Names of variants may be long: columns behind them stay in line. */
    int width = 16;
    for (size_t a = 0; a < view->allocators.n; a++)
        width = (int)strlen(view->allocators.at[a]) > width ? (int)strlen(view->allocators.at[a]) : width;
    for (size_t g = 0; g < view->groups.n; g++) {
        print_group(view, g, width, out);
        if (bars) {
            fprintf(out, "\n  operations / s, median and interval:\n");
            print_bars(view, g, width, out);
        }
    }
    print_legend(view, out);
}

/* Names and a plugin's last words may hold what steers a terminal: the whole text is made harmless at its
 * end. */
static int print_table(const char *db, bool bars, FILE *out, char **why)
{
    struct sb_view view;
    char *text = NULL;
    size_t n = 0;
    int status = sb_view_open(&view, db, why);
    FILE *page = status ? NULL : open_memstream(&text, &n);
    if (page) {
        print_groups(&view, bars, page);
        fclose(page);
    }
    if (n)
        sb_print_visible(text, out);
    free(text);
    sb_view_close(&view);
    return status;
}

/* The same view as charts and page: they can't disagree. */
int sb_report_table(const char *db, FILE *out, char **why)
{
    return print_table(db, false, out, why);
}

int sb_report_show(const char *db, FILE *out, char **why)
{
    return print_table(db, true, out, why);
}
