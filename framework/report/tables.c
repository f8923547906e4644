/*
 * Tables for papers: for each metric and workload the allocators by threads and swept values, then every
 * cell, then latencies. Medians with their intervals; where there is none, the table says why or points to
 * where it is said.
 */
#include "report/tables.h"

#include "figure/chart.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A reading of less than a step is no number: "< 10", and to a program the bounds that it lies between. */
static void set_below(struct sb_cell_content *cell)
{
    struct sb_reading r = sb_reading_of(&cell->value);
    if (!cell->value.n || !sb_reading_is_below(r))
        return;
    free(cell->text);
    cell->text = sb_printf("< %.3g", r.step);
    cell->value.median = NAN;
    cell->value.low = sb_reading_low(r);
    cell->value.high = sb_reading_high(r);
}

/* The reason is the table of cells' to give, which has room for it. */
static void add_metric(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *cell, const char *metric)
{
    struct sb_cell_content *c = sb_table_add_value(t, cell ? sb_view_metric(v, cell, metric) : (struct sb_summary){0});
    /* A cell that the matrix lacks reads as one without a number. */
    if (!c->value.n)
        c->text = sb_strdup(cell && cell->row->skip ? "skipped" : "n/a");
    set_below(c);
}

static bool lacks_any(const struct sb_table *t)
{
    for (size_t i = 0; i < t->cells.n; i++) {
        if (t->columns.at[i % t->columns.n].kind == SB_VALUES && !t->cells.at[i].value.n)
            return true;
    }
    return false;
}

/* "Medians of n = 7 processes, in brackets the 95 % interval ...; MACHINE." */
static char *note_of(const struct sb_view *v, const struct sb_table *t)
{
    struct sb_range r;
    sb_range_start(&r);
    for (size_t i = 0; i < t->cells.n; i++) {
        if (t->columns.at[i % t->columns.n].kind == SB_VALUES)
            sb_range_add(&r, &t->cells.at[i].value);
    }
    char *machine = sb_machine_name(&v->data), *note;
    char *n = r.least_n == r.most_n ? sb_printf("%zu", r.most_n) : sb_printf("%zu to %zu", r.least_n, r.most_n);
    if (r.most_n > 1) {
        char *interval = sb_view_interval(v, r.least_n > 1 ? r.least_n : 2, r.most_n);
        note = sb_printf("Medians of n = %s processes; in brackets the %s. %s%s.", n, interval,
                         lacks_any(t) ? "The table of cells says why where there is no number. " : "", machine);
        free(interval);
    } else {
        note = sb_printf("%s %s.", r.most_n ? "One run each, without an interval." : "No cell has a number.", machine);
    }
    free(n);
    free(machine);
    return note;
}

/* Names that differ only in what a file name can't hold stay apart by their hash. */
static char *file_name(const char *kind, const char *name)
{
    char *slug = sb_slug(name), *s;
    if (strcmp(slug, name) || strlen(name) > 60)
        s = sb_printf("%s-%.60s-%08llx", kind, slug, (unsigned long long)(sb_hash(name) & 0xffffffff));
    else
        s = sb_printf("%s-%s", kind, slug);
    free(slug);
    return s;
}

/* Allocators down, threads and swept values across. */
static void add_pivot(const struct sb_view *v, const char *metric, const char *file, const char *workload,
                      struct sb_tables *tables)
{
    struct sb_range r;
    const char *prefix = "";
    sb_range_start(&r);
    for (size_t i = 0; i < v->cells.n; i++) {
        struct sb_summary s = {0};
        if (!strcmp(v->cells.at[i].row->workload, workload))
            s = sb_view_metric(v, &v->cells.at[i], metric);
        sb_range_add(&r, &s);
    }
    /* A metric that no cell of the workload has is no table of empty cells. */
    if (!r.most_n)
        return;
    struct sb_table *t = SB_VEC_ADD(tables);
    const char *title = sb_metric_title(metric);
    char *label = sb_view_label(v, metric);
    t->scale = sb_metric_row(metric)->si ? sb_scale_of(r.max, &prefix) : 1;
    t->id = file_name(file, workload);
    t->title = sb_printf("%s: %s, in %s%s", workload, title, prefix, label);
    t->unit = sb_strdup(label);
    sb_table_add_column(t, "allocator", SB_WORDS);
    for (size_t g = 0; g < v->groups.n; g++) {
        const struct sb_view_group *group = &v->groups.at[g];
        if (strcmp(group->workload, workload))
            continue;
        /* The title has the workload's name: "quantum=1000B" under "scullc: ..." is enough. */
        size_t own = strlen(workload);
        const char *swept = group->swept;
        if (!strncmp(swept, workload, own) && swept[own] == '.')
            swept += own + 1;
        char *head = sb_printf("%s%s%lld thread%s", swept, *swept ? ", " : "", (long long)group->threads,
                               group->threads == 1 ? "" : "s");
        sb_table_add_column(t, head, SB_VALUES);
        free(head);
    }
    for (size_t a = 0; a < v->allocators.n; a++) {
        sb_table_add_text(t, v->allocators.at[a]);
        for (size_t g = 0; g < v->groups.n; g++) {
            if (!strcmp(v->groups.at[g].workload, workload))
                add_metric(t, v, sb_view_find(v, g, a), metric);
        }
    }
    t->note = note_of(v, t);
    free(label);
}

/* "skipped (2)": reasons are long, and the same for many cells; the note has each once. */
static char *status_of(const struct sb_view *v, const struct sb_view_cell *c, struct sb_words *reasons)
{
    char *status = sb_view_status(c), *out;
    if (c->ok && c->ok == c->trials) {
        struct sb_summary rate = sb_view_metric(v, c, SB_NAME(OPS_PER_S));
        char *spread = sb_view_spread(&rate);
        out = sb_printf("%s, n = %zu%s%s", status, c->ok, spread ? "; " : "", spread ? spread : "");
        free(spread);
    } else {
        char *n = c->ok ? sb_printf(", n = %zu", c->ok) : sb_strdup("");
        out = sb_printf("%s%s (%zu)", status, n, sb_words_number(reasons, sb_view_reason(v, c, SB_NAME(OPS_PER_S))));
        free(n);
    }
    free(status);
    return out;
}

/* A number that is missing from a cell that was measured has a reason of its own. */
static void add_reasoned(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *c, const char *metric,
                         struct sb_words *reasons)
{
    add_metric(t, v, c, metric);
    struct sb_cell_content *cell = &t->cells.at[t->cells.n - 1];
    if (cell->value.n || c->row->skip)
        return;
    free(cell->text);
    cell->text = sb_printf("n/a (%zu)", sb_words_number(reasons, sb_view_reason(v, c, metric)));
}

/* Everything that was planned, skipped or not: what is missing from a table is not seen to be missing. */
static void add_cells(const struct sb_view *v, struct sb_tables *tables)
{
    static const char *const heads[] = {"workload", "swept", "threads", "allocator", "through", "memory", "status"};
    enum { THREADS = 2 };
    struct sb_table *t = SB_VEC_ADD(tables);
    t->id = sb_strdup("cells");
    t->title = sb_strdup("every cell");
    t->scale = 1;
    t->lengthy = true;
    struct sb_words reasons = {0};
    for (size_t i = 0; i < SB_COUNT(heads); i++)
        sb_table_add_column(t, heads[i], i == THREADS ? SB_COUNTS : SB_WORDS);
    for (size_t k = 0; k < SB_METRICS; k++) {
        if (sb_metric_rows[k].in_cells)
            sb_table_add_column(t, sb_metric_rows[k].in_cells, SB_VALUES);
    }
    for (size_t i = 0; i < v->cells.n; i++) {
        const struct sb_view_cell *c = &v->cells.at[i];
        char *status = status_of(v, c, &reasons);
        sb_table_add_text(t, c->row->workload);
        sb_table_add_text(t, v->groups.at[c->group].swept);
        sb_table_add_count(t, c->row->threads);
        sb_table_add_text(t, c->variant);
        sb_table_add_text(t, c->row->route);
        sb_table_add_text(t, c->row->memory);
        sb_table_add_text(t, status);
        for (size_t k = 0; k < SB_METRICS; k++) {
            if (sb_metric_rows[k].in_cells)
                add_reasoned(t, v, c, sb_metric_rows[k].name, &reasons);
        }
        free(status);
    }
    struct sb_text note = {0};
    char *plain = note_of(v, t);
    sb_text_printf(&note, "%s Held / requested: memory at the checkpoint of the survey where most is live. %c%s.",
                   plain, toupper(sb_view_spread_words[0]), sb_view_spread_words + 1);
    for (size_t i = 0; i < reasons.n; i++)
        /* In the order of their first cell. */
        sb_text_printf(&note, " (%zu) %s.", i + 1, reasons.at[i]);
    t->note = note.at;
    free(plain);
    sb_words_free(&reasons);
}

/* A quantile that too few samples lie beyond, or that is below what the clock can tell, is no number. */
static void add_latency(struct sb_table *t, double ns, double low, double high, size_t processes,
                        const struct sb_summary *step)
{
    struct sb_cell_content *cell;
    if (isinf(ns)) { /* "inf" to a program: of the calls that were due so many were never begun */
        cell = sb_table_add_value(t, (struct sb_summary){.n = processes, .median = INFINITY, .low = NAN, .high = NAN});
        cell->text = sb_strdup("not served");
        cell->hint = sb_strdup("calls that were due were never begun");
        cell->look = SB_LOOK_BAD;
    } else if (isnan(ns)) {
        cell = sb_table_add_text(t, "n/a");
        cell->hint = sb_strdup("fewer than ten calls lie beyond it");
        cell->look = SB_LOOK_NONE;
    } else {
        struct sb_summary value = {
            .n = processes, .median = ns, .low = low, .high = high, .step = step->n ? step->median : 0};
        if (isnan(low + high))
            value.low = value.high = NAN;
        cell = sb_table_add_value(t, value);
    }
    set_below(cell);
}

/* Cells that sampled no calls have no row; that is a setting of the run and not a finding. */
static int add_latency_row(const struct sb_view *v, const struct sb_view_cell *c, const char *kind, struct sb_table *t,
                           char **why)
{
    /* As far as a run of ordinary length has samples: beyond, cells say n/a. */
    enum { SHARES = 6 };
    static const double shares[SHARES] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    struct sb_summary step = sb_view_metric(v, c, SB_NAME(CLOCK_RESOLUTION));
    double low[SHARES], high[SHARES];
    int status = sb_view_latencies(v, c, kind, shares, SHARES, h, low, high, why);
    if (!status && h->n) {
        sb_table_add_text(t, c->label);
        sb_table_add_text(t, kind);
        sb_table_add_count(t, (int64_t)h->n);
        for (size_t s = 0; s < SHARES; s++)
            add_latency(t, sb_histogram_quantile(h, shares[s]), low[s], high[s], c->ok, &step);
    }
    free(h);
    return status;
}

static int add_latencies(const struct sb_view *v, struct sb_tables *tables, char **why)
{
    static const char *const heads[] = {"cell", "call", "calls", "p50", "p90", "p99", "p99.9", "p99.99", "max"};
    enum { CALLS = 2 };
    static const char *const kinds[] = {"alloc", "free", "response"};
    struct sb_table *t = SB_VEC_ADD(tables);
    char *machine = sb_machine_name(&v->data);
    int status = 0;
    *t = (struct sb_table){.id = sb_strdup(SB_TABLE_LATENCY), .scale = 1, .lengthy = true};
    t->title = sb_strdup("latency of single calls in ns");
    t->note = sb_printf("Percentiles of the calls of all processes together; "
                        "in brackets the smallest and the largest of the processes' own, where each has one; "
                        "n/a: fewer than ten calls lie beyond. %s.",
                        machine);
    free(machine);
    for (size_t i = 0; i < SB_COUNT(heads); i++)
        sb_table_add_column(t, heads[i], i < CALLS ? SB_WORDS : i == CALLS ? SB_COUNTS : SB_VALUES);
    for (size_t i = 0; i < v->cells.n && !status; i++) {
        for (size_t k = 0; k < SB_COUNT(kinds) && !status; k++)
            status = add_latency_row(v, &v->cells.at[i], kinds[k], t, why);
    }
    return status;
}

/* In the order in which a reader asks: how fast, why, at what cost in memory. */
int sb_tables_make(const struct sb_view *v, struct sb_tables *tables, char **why)
{
    for (size_t k = 0; k < SB_METRICS; k++) {
        const struct sb_metric_row *row = &sb_metric_rows[k];
        for (size_t w = 0; w < v->workloads.n && row->file; w++)
            add_pivot(v, row->name, row->file, v->workloads.at[w], tables);
    }
    add_cells(v, tables);
    return add_latencies(v, tables, why);
}

void sb_tables_free(struct sb_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++)
        sb_table_free(&tables->at[i]);
    SB_VEC_FREE(tables);
}
