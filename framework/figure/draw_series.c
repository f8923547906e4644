/* Series over operations, as one trial of a survey saw them. Series are large: loaded for one cell, freed
 * after it. */
#include "figure/chart.h"

#include "analyse/series.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A value computed from one checkpoint of a trial's series; NaN where it can't be. */
typedef double (*point_fn)(const struct sb_result *r, size_t i);

enum { HUGE_ORDER = 9 }; /* 2 MiB: what a transparent huge page needs */

/* From the free blocks as they were; the kernel's own index needs nothing else. */
static double external_at(const struct sb_result *r, size_t i)
{
    uint64_t blocks[SB_NR_ORDERS];
    return sb_free_blocks_at(r, i, blocks) ? sb_unusable_index(blocks, HUGE_ORDER) / 1000.0 : (double)NAN;
}

/* Who takes memory from the OS has no books of what it holds: the process's growth stands for it. */
static double footprint_at(const struct sb_result *r, size_t i)
{
    double resident = sb_series_value(r, SB_NAME(RESIDENT_BYTES), 0, i);
    return (isnan(resident) ? sb_series_value(r, SB_NAME(HELD_BYTES), 0, i) : resident) / (1 << 20);
}

static double requested_at(const struct sb_result *r, size_t i)
{
    return sb_series_value(r, SB_NAME(REQUESTED_BYTES), 0, i) / (1 << 20);
}

struct series_kind {
    const char *metric, *title, *label, *caption;
    point_fn value;
    point_fn reference; /* drawn once, dashed, as what was asked for; or NULL */
};

static const struct series_kind series_kinds[] = {
    {"external", "external fragmentation", "unusable free space index",
     "the kernel's unusable free space index for order 9 (2 MiB, a huge page): "
     "the share of free memory in blocks too small for it",
     external_at, NULL},
    {"internal", "internal fragmentation", "internal fragmentation (%)",
     "share of the bytes handed out that nobody asked for", sb_internal_fragmentation, NULL},
    {"footprint", "memory held", "held (MiB)",
     "memory that the allocator holds, for one with the OS's memory the growth of the "
     "resident set; dashed: what the workload asked for",
     footprint_at, requested_at},
};

struct lines {
    const struct sb_chart *chart;
    const struct series_kind *kind;
    struct sb_axis axis;
    struct sb_text plots, data;
    size_t block;
    struct sb_range range;
    double scale;
    const char *prefix;
    bool spread, *drawn; /* the latter of each label */
};

/* One block of rows: operations, median, min, max over the runs. Returns the number of rows. */
static size_t add_series(struct lines *q, const struct sb_runs *runs, point_fn value, const char *name)
{
    double *samples = sb_calloc(runs->n, sizeof(*samples));
    /* All processes of a cell have the same checkpoints, since they have the same stream. */
    size_t rows = 0, points = runs->n ? sb_series_points(&runs->at[0]) : 0;
    for (size_t i = 0; i < points; i++) {
        size_t n = 0;
        for (size_t t = 0; t < runs->n; t++) {
            double v = value(&runs->at[t], i);
            if (!isnan(v))
                samples[n++] = v;
        }
        struct sb_summary s = sb_summarise(samples, n, sb_view_level(q->chart->view));
        if (!s.n)
            continue;
        q->spread |= s.max > s.min;
        sb_range_add(&q->range, &s);
        sb_text_printf(&q->data, "%.0f\t%.6g\t%.6g\t%.6g\t%zu\t", sb_series_operations(&runs->at[0], i), s.median,
                       s.min, s.max, s.n);
        sb_tsv_name(&q->data, name);
        sb_text_printf(&q->data, "\n");
        rows++;
    }
    free(samples);
    if (rows)
        sb_text_printf(&q->data, "\n\n");
    return rows;
}

/* x is divided by the scale, and the axis names what is left. */
static void add_clause(struct lines *q, size_t s)
{
    size_t colour = q->axis.colours[s];
    char *title = sb_gp_name(q->axis.labels.at[s]);
    sb_text_printf(&q->plots,
                   "%sdata index %zu using ($1/%g):3:4 with filledcurves fs transparent solid 0.15 lc rgb "
                   "'%s' notitle, data index %zu using ($1/%g):2 with linespoints pt %d ps 0.7 "
                   "pointinterval %d lw 1.3 dt %d lc rgb '%s' title %s",
                   q->plots.n ? ", \\\n  " : "", q->block, q->scale, sb_colour(colour), q->block, q->scale,
                   sb_mark(colour), (int)(4 + s % 3), sb_dash(colour), sb_colour(colour), title);
    q->block++;
    free(title);
}

/* The scale is the first cell's: all of a chart ran the same number of cycles. */
static int add_lines_of(struct lines *q, size_t s, bool *referred, struct sb_text *reference, char **why)
{
    const struct sb_view_cell *cell = sb_chart_cell(q->chart, NULL, 0, &q->axis, s);
    struct sb_runs runs = {0};
    int status = cell && cell->ok ? sb_runs_load(q->chart, cell, &runs, why) : 0;
    size_t points = runs.n ? sb_series_points(&runs.at[0]) : 0;
    if (points && !q->prefix)
        q->scale = sb_scale_of(sb_series_operations(&runs.at[0], points - 1) / 10, &q->prefix);
    if (points && q->kind->reference && !*referred && add_series(q, &runs, q->kind->reference, "requested")) {
        *referred = true;
        sb_text_printf(reference,
                       ", \\\n  data index %zu using ($1/%g):2 with lines dt 2 lw 1.5 lc rgb '#222222' title "
                       "t('requested')",
                       q->block++, q->scale);
    }
    q->drawn[s] = points && add_series(q, &runs, q->kind->value, q->axis.labels.at[s]);
    if (q->drawn[s])
        add_clause(q, s);
    sb_runs_free(&runs);
    return status;
}

/* Which allocators have no such series is part of the result, and stands in the caption. */
static void finish_series(struct lines *q, bool referred, const char *reference)
{
    struct sb_figure *f = sb_figure_new(q->chart, sb_printf("%s: %s", q->chart->where, q->kind->title));
    char *x = sb_printf("%soperations since the start, all threads", q->prefix), *xlabel = sb_gp_text(x),
         *ylabel = sb_gp_text(q->kind->label);
    sb_text_printf(&f->data, "# operations\tmedian\tmin\tmax\tn\tseries\n%s", sb_text_get(&q->data));
    sb_text_printf(&f->script,
                   "set xlabel %s offset 0,0.5*up\nset ylabel %s\nset xtics norotate autofreq\n"
                   "set xrange [0:*]\nset yrange [0:*]\n",
                   xlabel, ylabel);
    sb_add_key(f, &q->axis, referred);
    /* The reference last, hence on top: where an allocator holds just what was requested its line must not
     * hide it. */
    sb_text_printf(&f->script, "plot %s%s\n", sb_text_get(&q->plots), reference);
    sb_figure_caption(
        q->chart, f, &q->range,
        &(struct sb_caption){.what = q->kind->caption,
                             .spread = q->spread ? "bands from the smallest to the largest" : "all of which agree"});
    sb_caption_missing(q->chart, f, NULL, &q->axis, q->drawn);
    free(x);
    free(xlabel);
    free(ylabel);
}

int sb_draw_series(struct sb_chart *c, char **why)
{
    struct lines q = {.chart = c, .scale = 1};
    struct sb_text reference = {0};
    const char *metric = c->plot->metric ? c->plot->metric : "external";
    bool referred = false;
    int status = 0;
    for (size_t i = 0; i < SB_COUNT(series_kinds); i++)
        q.kind = strcmp(series_kinds[i].metric, metric) ? q.kind : &series_kinds[i];
    if (!q.kind) {
        sb_chart_note(c, sb_printf("metric = %s: expected external, internal or footprint", metric));
        return 0;
    }
    sb_range_start(&q.range);
    sb_axis_make(c, &c->plot->series, &q.axis);
    sb_axis_name(&q.axis, &c->plot->series);
    q.drawn = sb_calloc(q.axis.labels.n + 1, sizeof(*q.drawn));
    for (size_t s = 0; s < q.axis.labels.n && !status; s++)
        status = add_lines_of(&q, s, &referred, &reference, why);
    if (!status && q.plots.n)
        finish_series(&q, referred, sb_text_get(&reference));
    sb_text_free(&reference);
    sb_text_free(&q.plots);
    sb_text_free(&q.data);
    free(q.drawn);
    sb_axis_free(&q.axis);
    return status;
}
