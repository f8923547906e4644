/*
 * Charts of one number a cell: bars, lines, ratios, the matrix, events.
 *
 * An axis is logarithmic when the values span more than a decade; then there are points with intervals and no
 * bars, for a bar's length means nothing without a zero. Points are joined only along an ordered axis.
 */
#include "figure/chart.h"

#include "analyse/contrast.h"
#include "base/diag.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Throughput is what most charts are of; a config need not say so. */
static const char *metric_of(const struct sb_chart *c)
{
    return c->plot->metric ? sb_metric_stored(c->plot->metric) : SB_NAME(OPS_PER_S);
}

/* A metric that no trial has is a mistake of who asked; one that these cells lack is not. */
static bool has_metric(const struct sb_chart *c, const char *metric)
{
    struct sb_words names = {0};
    for (size_t t = 0; t < c->view->data.trials.n; t++) {
        const struct sb_result *r = &c->view->data.trials.at[t].result;
        if (sb_metrics_find(&r->metrics, metric)) {
            sb_words_free(&names);
            return true;
        }
        for (size_t i = 0; i < r->metrics.n; i++)
            sb_words_add_once(&names, r->metrics.at[i].name);
    }
    const char *near = sb_nearest(metric, (const char *const *)names.at, names.n);
    sb_chart_note(
        c,
        near ? sb_printf("no trial has the metric '%s' (did you mean '%s'?)", metric, near)
             : sb_printf("no trial has the metric '%s'; `scullbench export` shows those there are", metric));
    sb_words_free(&names);
    return false;
}

/* What is shorter than its step is no number: its place is in the band below. */
static struct sb_summary number_of(const struct sb_chart *c, const struct sb_view_cell *cell,
                                   const char *metric)
{
    struct sb_summary s = sb_view_metric(c->view, cell, metric);
    if (s.n && sb_reading_is_below(sb_reading_of(&s)))
        s.n = 0;
    return s;
}

/* The step of the cells that lie below theirs; 0: none does. */
static double step_below(const struct sb_chart *c, const char *metric)
{
    double step = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct sb_summary s = sb_view_metric(c->view, &c->view->cells.at[c->cells[i]], metric);
        if (s.n && sb_reading_is_below(sb_reading_of(&s)))
            step = fmax(step, s.step);
    }
    return step;
}

/* Over the intervals of all cells, so that no whisker leaves the axis and one scale fits the whole chart. */
static struct sb_range range_of(const struct sb_chart *c, const char *metric)
{
    struct sb_range r;
    sb_range_start(&r);
    for (size_t i = 0; i < c->n; i++) {
        struct sb_summary s = number_of(c, &c->view->cells.at[c->cells[i]], metric);
        sb_range_add(&r, &s);
    }
    return r;
}

/* A decade is where the smallest of a linear axis can no longer be told from zero. */
static bool is_logarithmic(const struct sb_range *r)
{
    return r->min > 0 && r->max > 10 * r->min;
}

/* Of a whole of 100: cut off or logarithmic, such an axis would exaggerate. */
static bool is_share(const char *metric)
{
    const struct sb_metric_row *row = sb_metric_row(metric);
    return row && row->share;
}

/* What decides whether a cell stays in a chart: `c` is still whole while it is asked. */
typedef bool (*wanted_fn)(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context);

/* Allocators without a cell that is wanted leave the chart, and with it its axis; the caption says who they
 * are. */
static void keep_allocators(struct sb_chart *c, wanted_fn wanted, const void *context)
{
    /* By allocator and not by cell: a line with a gap says more than a line that is missing. */
    bool *stays = sb_calloc(c->view->allocators.n + 1, sizeof(*stays));
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct sb_view_cell *cell = &c->view->cells.at[c->cells[i]];
        stays[cell->allocator] |= wanted(c, cell, context);
    }
    for (size_t i = 0; i < c->n; i++) {
        if (stays[c->view->cells.at[c->cells[i]].allocator])
            c->cells[n++] = c->cells[i];
    }
    c->n = n;
    free(stays);
}

/* `context`: the metric. */
static bool has_number(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context)
{
    return number_of(c, cell, context).n;
}

/* The columns of every chart of medians begin alike, so that a user who knows one file knows all. */
static void value_row(struct sb_text *data, double at, const struct sb_summary *s, double scale)
{
    sb_text_printf(data, "%.4f\t%.6g\t%.6g\t%.6g", at, s->median / scale, s->low / scale, s->high / scale);
}

static void y_axis(struct sb_figure *f, const char *prefix, const char *label, const struct sb_range *r,
                   bool logarithmic, bool share)
{
    /* Longer labels would be cut off at the figure's edge. */
    enum { LONG = 28 }; /* characters that fit beside a plot of a column's width */
    char *whole = sb_printf("%s%s", prefix, label), *text = sb_gp_text(whole);
    bool small = strlen(whole) > LONG;
    sb_text_printf(&f->script, small ? "set ylabel little(%s) font small\n%s" : "set ylabel %s\n%s", text,
                   share         ? "set yrange [0:100]\n"
                   : logarithmic ? "set logscale y 10\nset yrange [*:*]\n"
                   : r->min < 0  ? "set yrange [*:*]\n"
                                 : "set yrange [0:*]\n");
    free(text);
    free(whole);
}

/* ---- bars ---- */

struct bars {
    struct sb_chart *chart;
    const char *metric;
    struct sb_axis x, series;
    double scale;
    bool logarithmic;
};

/* The colour of a bar: that of its place on the axis in shades, where the axis has colours. */
static char *bar_colour(const struct bars *b, size_t x, size_t s)
{
    return b->x.allocators ? sb_shade(b->x.colours[x], s, b->series.labels.n)
                           : sb_shade(b->series.colours[s], 0, 1);
}

/* A fifth of the room between neighbours stays empty: bars of one place are seen to belong together. */
static double bar_place(const struct bars *b, size_t x, size_t s, double *width)
{
    *width = 0.8 / (double)b->series.labels.n;
    return (double)x - 0.4 + *width * ((double)s + 0.5);
}

/* false where the series has no row, for gnuplot doesn't count empty blocks. */
static bool bar_rows(const struct bars *b, size_t s, struct sb_text *data)
{
    bool any = false;
    double width;
    for (size_t x = 0; x < b->x.labels.n; x++) {
        const struct sb_view_cell *cell = sb_chart_cell(b->chart, &b->x, x, &b->series, s);
        struct sb_summary sum = {0};
        if (cell)
            sum = number_of(b->chart, cell, b->metric);
        if (!sum.n)
            continue;
        char *colour = bar_colour(b, x, s);
        value_row(data, bar_place(b, x, s, &width), &sum, b->scale);
        sb_text_printf(data, "\t%s\t%zu\t", colour, sum.n);
        sb_tsv_name(data, b->series.labels.at[s]);
        sb_text_printf(data, "\t");
        sb_tsv_name(data, b->x.labels.at[x]);
        sb_text_printf(data, "\n");
        free(colour);
        any = true;
    }
    if (any)
        sb_text_printf(data, "\n\n");
    return any;
}

/* Every process as a dot, side by side within its bar's width: nothing that was measured is left out. */
static bool dot_rows(const struct bars *b, size_t s, struct sb_text *data)
{
    bool any = false;
    double width;
    for (size_t x = 0; x < b->x.labels.n; x++) {
        const struct sb_view_cell *cell = sb_chart_cell(b->chart, &b->x, x, &b->series, s);
        size_t n = 0;
        double *samples = NULL, at = bar_place(b, x, s, &width);
        if (cell)
            samples = sb_view_samples(b->chart->view, cell, b->metric, &n);
        double step = cell ? sb_view_step(b->chart->view, cell, b->metric) : 0;
        for (size_t i = 0; i < n && n > 1; i++)
            /* Not '0': no axis would have room for it, and nobody measured it. */
            if (!sb_reading_is_below((struct sb_reading){samples[i], step}))
                sb_text_printf(data, "%.4f\t%.6g\n", at + width * 0.6 * ((double)i / (double)(n - 1) - 0.5),
                               samples[i] / b->scale);
        any |= n > 1;
        free(samples);
    }
    if (any)
        sb_text_printf(data, "\n\n");
    return any;
}

/* Bars from zero, or points where the axis is logarithmic; both with their intervals. */
static void bar_clause(const struct bars *b, size_t s, size_t block, struct sb_text *plots)
{
    char *title = sb_gp_name(b->series.labels.at[s]);
    char *grey = b->x.allocators ? sb_shade(0, s, b->series.labels.n) : sb_shade(b->series.colours[s], 0, 1);
    const char *comma = plots->n ? ", \\\n  " : "";
    double width = 0.72 / (double)b->series.labels.n;
    if (b->logarithmic)
        sb_text_printf(plots,
                       "%sdata index %zu using 1:2:3:4:5 with yerrorbars pt %d ps 0.9 lw 1.5 lc rgb variable "
                       "notitle, keyentry with points pt %d ps 0.9 lc rgb '#%s'",
                       comma, block, sb_mark(s + 2), sb_mark(s + 2), grey + 2);
    else
        sb_text_printf(
            plots,
            "%sdata index %zu using 1:2:(%.3f):5 with boxes lc rgb variable notitle, data index %zu "
            "using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 lw 1.2 lc rgb '#333333' "
            "notitle, keyentry with boxes lc rgb '#%s'",
            comma, block, width, block, grey + 2);
    if (b->series.labels.n > 1)
        sb_text_printf(plots, " title %s", title);
    else
        sb_text_printf(plots, " notitle");
    free(grey);
    free(title);
}

/* Whiskers and dots are drawn after their bars, series by series: what is drawn last lies on top. */
static void write_bars(const struct bars *b, struct sb_figure *f, const struct sb_range *r)
{
    struct sb_text plots = {0};
    sb_text_printf(&f->data,
                   "# x\tmedian\tlow\thigh\tcolour\tn\tseries\tlabel; then x\tvalue of each process\n");
    for (size_t s = 0, block = 0; s < b->series.labels.n; s++) {
        if (!bar_rows(b, s, &f->data))
            continue;
        bar_clause(b, s, block++, &plots);
        if (r->most_n > 1 && dot_rows(b, s, &f->data))
            sb_text_printf(
                &plots, ", \\\n  data index %zu using 1:2 with points pt 7 ps 0.2 lc rgb '#60000000' notitle",
                block++);
    }
    /* Names that stand upright need the room of their length. */
    f->height = 4.2 + sb_label_tics(&b->x, 'x', &f->script);
    sb_text_printf(&f->script, "set xrange [-0.6:%zu.4]\nset style fill solid 1.0 noborder\nset bars 0.6\n",
                   b->x.labels.n - 1);
    if (b->series.labels.n > 1)
        sb_add_key(f, &b->series, 0);
    else
        sb_text_printf(&f->script, "unset key\n");
    sb_text_printf(&f->script, "plot %s\n", sb_text_get(&plots));
    sb_text_free(&plots);
}

/* Cells without a number leave no gap on the axis; the caption says who they are. */
int sb_draw_bars(struct sb_chart *c, char **why)
{
    struct bars b = {.chart = c, .metric = metric_of(c)};
    const struct sb_words *by = &c->plot->series;
    struct sb_range r = range_of(c, b.metric);
    const char *prefix = "";
    (void)why;
    if (!has_metric(c, b.metric) || !r.most_n)
        return 0;
    b.logarithmic = !is_share(b.metric) && is_logarithmic(&r);
    b.scale = is_share(b.metric) ? 1 : sb_scale_of(r.max, &prefix);
    keep_allocators(c, has_number, b.metric);
    sb_axis_make(c, &c->plot->x, &b.x);
    sb_axis_make(c, by, &b.series);
    sb_axis_name(&b.series, by);
    const char *title = sb_metric_title(b.metric);
    char *label = sb_view_label(c->view, b.metric);
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: %s", c->where, title));
    y_axis(f, prefix, label, &r, b.logarithmic, is_share(b.metric));
    sb_add_step_band(f, 'y', step_below(c, b.metric), b.scale, sb_view_unit(c->view, b.metric));
    write_bars(&b, f, &r);
    char *what = sb_printf("%s%s%s", label, r.most_n > 1 ? "; dots: every process" : "",
                           b.logarithmic ? "; logarithmic axis" : "");
    sb_figure_caption(c, f, &r, &(struct sb_caption){.what = what});
    sb_caption_missing(c, f, b.metric, NULL, NULL);
    sb_caption_memory(c, f);
    free(what);
    free(label);
    sb_axis_free(&b.x);
    sb_axis_free(&b.series);
    return 0;
}

/* ---- lines ---- */

/* Linear from the fastest at the least number of threads: what no allocator is expected to beat. */
static size_t ideal_rows(const struct sb_chart *c, const struct sb_axis *x, const char *metric, double scale,
                         struct sb_text *data)
{
    double best = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct sb_summary s = sb_view_metric(c->view, &c->view->cells.at[c->cells[i]], metric);
        if (x->of[i] == 0 && s.n)
            best = fmax(best, s.median);
    }
    for (size_t i = 0; i < x->labels.n && best > 0; i++)
        sb_text_printf(data, "%.6g\t%.6g\n", x->numbers[i], best * x->numbers[i] / x->numbers[0] / scale);
    if (best > 0)
        sb_text_printf(data, "\n\n");
    return best > 0;
}

/* A place without a number breaks no line in two: the file has no row for it, and the caption says so. */
static size_t line_rows(const struct sb_chart *c, const struct sb_axis *x, const struct sb_axis *series,
                        size_t s, const char *metric, double scale, struct sb_text *data)
{
    size_t rows = 0;
    for (size_t i = 0; i < x->labels.n; i++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, x, i, series, s);
        struct sb_summary sum = {0};
        if (cell)
            sum = number_of(c, cell, metric);
        if (!sum.n)
            continue;
        value_row(data, x->ordered ? x->numbers[i] : (double)i, &sum, scale);
        sb_text_printf(data, "\t%zu\t", sum.n);
        sb_tsv_name(data, series->labels.at[s]);
        sb_text_printf(data, "\n");
        rows++;
    }
    if (rows)
        sb_text_printf(data, "\n\n");
    return rows;
}

/* Tics stand where something was measured, and nowhere else. */
static void line_axis(const struct sb_axis *x, struct sb_figure *f)
{
    size_t n = x->labels.n;
    char *title = sb_gp_text(x->title);
    if (!x->ordered) {
        f->height += sb_label_tics(x, 'x', &f->script);
        sb_text_printf(&f->script, "set xrange [-0.5:%zu.5]\n", n - 1);
    } else {
        double first = x->numbers[0], last = x->numbers[n - 1];
        bool logarithmic = first > 0 && last > 8 * first;
        sb_text_printf(&f->script, "%sset xtics norotate (", logarithmic ? "set logscale x 2\n" : "");
        for (size_t i = 0; i < n; i++) {
            char *tic = sb_gp_tic(x->labels.at[i]);
            sb_text_printf(&f->script, "%s%s %.9g", i ? ", " : "", tic, x->numbers[i]);
            free(tic);
        }
        double room = last > first ? 0.06 * (last - first) : 1;
        if (logarithmic)
            sb_text_printf(&f->script, ")\nset xrange [%.9g:%.9g]\n", first / 1.15, last * 1.15);
        else
            sb_text_printf(&f->script, ")\nset xrange [%.9g:%.9g]\n", first - room, last + room);
    }
    sb_text_printf(&f->script, "set xlabel %s offset 0,0.5*up\n", title);
    free(title);
}

/* The ideal line comes first, hence below: it is a reference and hides nothing that was measured. */
static void write_lines(struct sb_chart *c, struct sb_figure *f, const struct sb_axis *x,
                        const struct sb_axis *series, const char *metric, double scale, bool ideal)
{
    struct sb_text plots = {0};
    size_t block = 0;
    sb_text_printf(&f->data, "# x\tmedian\tlow\thigh\tn\tseries\n");
    if (ideal && ideal_rows(c, x, metric, scale, &f->data))
        sb_text_printf(&plots,
                       "data index %zu using 1:2 with lines dt 3 lw 1.5 lc rgb '#888888' title "
                       "t('ideal')",
                       block++);
    for (size_t s = 0; s < series->labels.n; s++) {
        if (!line_rows(c, x, series, s, metric, scale, &f->data))
            continue;
        size_t colour = series->colours[s];
        char *title = sb_gp_name(series->labels.at[s]);
        sb_text_printf(
            &plots, "%sdata index %zu using 1:2:3:4 with %s pt %d ps 0.9 lw 1.4 %s%d lc rgb '%s' title %s",
            plots.n ? ", \\\n  " : "", block++, x->ordered ? "yerrorlines" : "yerrorbars", sb_mark(colour),
            x->ordered ? "dt " : "lt ", x->ordered ? sb_dash(colour) : 1, sb_colour(colour), title);
        free(title);
    }
    line_axis(x, f);
    sb_text_printf(&f->script, "set bars 0.6\n");
    sb_add_key(f, series, ideal);
    sb_text_printf(&f->script, "plot %s\n", sb_text_get(&plots));
    sb_text_free(&plots);
}

/* One value of x is no line; where a chart was asked for, that is said instead of drawn. */
int sb_draw_lines(struct sb_chart *c, char **why)
{
    const char *metric = metric_of(c), *prefix = "";
    const struct sb_words *by = &c->plot->x;
    struct sb_range r = range_of(c, metric);
    struct sb_axis x, series;
    (void)why;
    if (!has_metric(c, metric) || !r.most_n)
        return 0;
    bool rate = strstr(metric, "_per_s"), logarithmic = is_logarithmic(&r) && !is_share(metric);
    double scale = is_share(metric) ? 1 : sb_scale_of(r.max, &prefix);
    sb_axis_make(c, by, &x);
    sb_axis_make(c, &c->plot->series, &series);
    sb_axis_name(&series, &c->plot->series);
    if (x.labels.n > 1) {
        bool ideal = rate && by->n == 1 && !strcmp(by->at[0], "threads") && x.numbers[0] > 0;
        const char *title = sb_metric_title(metric);
        char *label = sb_view_label(c->view, metric);
        struct sb_figure *f =
            sb_figure_new(c, sb_printf("%s%s%s by %s", c->where, *c->where ? ": " : "", title,
                                       by->n == 1 && !strcmp(by->at[0], "threads") ? "threads" : x.title));
        y_axis(f, prefix, label, &r, logarithmic, is_share(metric));
        write_lines(c, f, &x, &series, metric, scale, ideal);
        char *what = sb_printf("%s%s", label, logarithmic ? "; logarithmic axis" : "");
        sb_figure_caption(
            c, f, &r,
            &(struct sb_caption){
                .what = what,
                .more = ideal ? " Ideal: linear from the fastest at the least number of threads." : NULL});
        sb_caption_missing(c, f, metric, NULL, NULL);
        free(what);
        free(label);
    } else if (c->plot->line) {
        sb_chart_note(c, sb_printf("%s has one value only: there is no line to draw", x.title));
    }
    sb_axis_free(&x);
    sb_axis_free(&series);
    return 0;
}

/* ---- ratios ---- */

/* glibc's malloc is what everyone knows; else the first that isn't the floor. */
static const char *baseline_of(const struct sb_chart *c)
{
    const char *first = "";
    if (c->plot->baseline)
        return c->plot->baseline;
    for (size_t i = 0; i < c->view->cells.n; i++) {
        const struct sb_view_cell *cell = &c->view->cells.at[i];
        /* With its options, where it has several settings of them; of several runs each has its own. */
        const char *name = c->view->sources.n > 1 ? cell->row->allocator : cell->variant;
        if (!strcmp(cell->row->allocator, "malloc"))
            return name;
        if (!*first && strcmp(cell->row->allocator, "null"))
            first = name;
    }
    return first;
}

struct ratios {
    struct sb_axis rows, series;
    const char *metric, *baseline;
    struct sb_range range;
    bool zeroes;                        /* some cell has a number and no ratio */
    bool in_blocks, of_medians, paired; /* which ratios there are */
};

/* The same that `compare` prints. */
static struct sb_ratio ratio_to(const struct sb_chart *c, const struct sb_view_cell *x,
                                const struct sb_view_cell *y, struct ratios *q)
{
    struct sb_contrast contrast = sb_contrast_of(c->view, x, c->view, y, q->metric,
                                                 sb_view_ratio_level(c->view), SB_INTERVAL_PERCENTILE);
    struct sb_ratio ratio = contrast.ratio;
    struct sb_range *r = &q->range;
    q->zeroes |= isnan(ratio.value) && contrast.x.n;
    if (isnan(ratio.value))
        return ratio;
    q->in_blocks |= ratio.blocks > 0;
    q->of_medians |= !ratio.blocks;
    q->paired |= contrast.paired;
    size_t nx = contrast.x.n, ny = contrast.y.n, least = nx < ny ? nx : ny, most = nx > ny ? nx : ny;
    r->least_n = least < r->least_n ? least : r->least_n;
    r->most_n = most > r->most_n ? most : r->most_n;
    r->min = fmin(r->min, isnan(ratio.low) ? ratio.value : ratio.low);
    r->max = fmax(r->max, isfinite(ratio.high) ? ratio.high : ratio.value);
    return ratio;
}

/* Beyond every axis: where a median may be nothing for all that is known, the ratio has no upper end. */
#define BEYOND 1e300

/* Series stand a little above and below their row, so that intervals of the same row don't hide each other.
 */
static size_t ratio_rows(const struct sb_chart *c, struct ratios *q, size_t s, struct sb_text *data)
{
    size_t n = 0;
    for (size_t i = 0; i < q->rows.labels.n; i++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, &q->rows, i, &q->series, s);
        const struct sb_view_cell *base = cell ? sb_view_beside(c->view, cell, q->baseline) : NULL;
        struct sb_ratio ratio = {NAN, NAN, NAN, 0};
        if (base && base != cell)
            ratio = ratio_to(c, cell, base, q);
        if (isnan(ratio.value))
            continue;
        bool interval = !isnan(ratio.low);
        double place = 0.44 * (((double)s + 0.5) / (double)q->series.labels.n - 0.5);
        char *colour = q->rows.allocators ? sb_shade(q->rows.colours[i], s, q->series.labels.n)
                                          : sb_shade(q->series.colours[s], 0, 1);
        sb_text_printf(data, "%.4f\t%.6g\t%.6g\t%.6g\t%s\t", (double)i + place, ratio.value,
                       interval ? ratio.low : ratio.value, interval ? fmin(ratio.high, BEYOND) : ratio.value,
                       colour);
        sb_tsv_name(data, q->series.labels.at[s]);
        sb_text_printf(data, "\t");
        sb_tsv_name(data, q->rows.labels.at[i]);
        sb_text_printf(data, "\n");
        free(colour);
        n++;
    }
    if (n)
        sb_text_printf(data, "\n\n");
    return n;
}

/* `context`: the ratios. The baseline itself has none: it is the line at 1. */
static bool has_ratio(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context)
{
    const struct ratios *q = context;
    const struct sb_view_cell *base = sb_view_beside(c->view, cell, q->baseline);
    return base && base != cell && sb_view_metric(c->view, cell, q->metric).n &&
           sb_view_metric(c->view, base, q->metric).n;
}

/* Rows lie, since names are read level and a column of a paper is high enough for many of them. */
static void write_ratios(struct sb_figure *f, const struct ratios *q, struct sb_text *plots)
{
    /* The line at 1 is what all is held against: it must be on the axis. */
    double low = fmin(q->range.min, 1), high = fmax(q->range.max, 1);
    bool logarithmic = high > 10 * low;
    char *brief = sb_short_name(q->baseline), *axis = sb_printf("ratio to %s", brief);
    char *text = sb_gp_text(axis);
    free(brief);
    f->height = 2.3 + 0.36 * (double)q->rows.labels.n;
    sb_label_tics(&q->rows, 'y', &f->script);
    sb_text_printf(
        &f->script,
        "set yrange [%zu.6:-0.6]\nset xlabel %s offset 0,0.5*up\nset xtics autofreq\nunset grid\nset grid "
        "xtics "
        "lt 1 "
        "lc rgb '#dddddd' lw 0.7\n"
        "set arrow 1 from 1, graph 0 to 1, graph 1 nohead dt 2 lw 1.2 lc rgb '#444444'\nset bars 0.5\n",
        q->rows.labels.n - 1, text);
    if (logarithmic)
        sb_text_printf(&f->script, "set logscale x 10\nset xrange [%.4g:%.4g]\n", low / 1.15, high * 1.15);
    else
        sb_text_printf(&f->script, "set xrange [%.4g:%.4g]\n", low - 0.08, high + 0.08);
    if (q->series.labels.n > 1) {
        sb_add_key(f, &q->series, 0);
        /* The rows' names make the plot narrow: in its middle a legend would not fit. */
        sb_text_printf(&f->script, "set key outside bottom right\n");
    } else {
        sb_text_printf(&f->script, "unset key\n");
    }
    sb_text_printf(&f->script, "plot %s\n", sb_text_get(plots));
    free(text);
    free(axis);
}

/* The baseline has no row: it is the line at 1, and its own interval is part of every ratio's. */
int sb_draw_ratio(struct sb_chart *c, char **why)
{
    struct ratios q = {.metric = metric_of(c), .baseline = baseline_of(c)};
    const struct sb_words *by = &c->plot->series;
    struct sb_text plots = {0}, data = {0};
    (void)why;
    if (!has_metric(c, q.metric))
        return 0;
    sb_range_start(&q.range);
    keep_allocators(c, has_ratio, &q);
    sb_axis_make(c, &c->plot->y, &q.rows);
    sb_axis_make(c, by, &q.series);
    sb_axis_name(&q.series, by);
    for (size_t s = 0, block = 0; s < q.series.labels.n; s++) {
        if (!ratio_rows(c, &q, s, &data))
            continue;
        char *title = sb_gp_name(q.series.labels.at[s]);
        char *grey =
            q.rows.allocators ? sb_shade(0, s, q.series.labels.n) : sb_shade(q.series.colours[s], 0, 1);
        sb_text_printf(&plots,
                       "%sdata index %zu using 2:1:3:4:5 with xerrorbars pt %d ps 0.9 lw 1.5 lc rgb variable "
                       "notitle, keyentry with points pt %d ps 0.9 lc rgb '#%s' title %s",
                       plots.n ? ", \\\n  " : "", block++, sb_mark(s + 2), sb_mark(s + 2), grey + 2, title);
        free(title);
        free(grey);
    }
    if (q.range.most_n) {
        const char *title = sb_metric_title(q.metric);
        char *label = sb_view_label(c->view, q.metric);
        struct sb_figure *f = sb_figure_new(c, sb_printf("%s: %s beside %s", c->where, title, q.baseline));
        sb_text_printf(&f->data, "# y\tratio\tlow\thigh\tcolour\tseries\tlabel\n%s", sb_text_get(&data));
        write_ratios(f, &q, &plots);
        char *what =
            sb_printf("%s of %s to %s of %s",
                      !q.in_blocks    ? "ratios of the medians"
                      : q.paired      ? "medians over processes of the ratio, measured by turns,"
                      : !q.of_medians ? "medians of the ratios within blocks"
                                      : "ratios, within blocks where there are any, else of medians,",
                      label, q.in_blocks && !q.of_medians ? "that" : "those", q.baseline);
        /* Resamples of so few values can't be as spread as the values of as many processes would be. */
        bool few = q.range.least_n < sb_least_samples(sb_view_ratio_level(c->view));
        char *spread = few && !q.of_medians
                           ? sb_strdup("whiskers: smallest to largest ratio")
                           : sb_printf("whiskers: %g %% %s%s", 100 * c->view->confidence,
                                       !q.in_blocks    ? "bootstrap intervals"
                                       : !q.of_medians ? "intervals by ranks"
                                                       : "intervals, by ranks or bootstrap",
                                       few ? ", which so few processes make too narrow" : "");
        sb_figure_caption(
            c, f, &q.range,
            &(struct sb_caption){
                .what = what,
                .spread = spread,
                .more = q.zeroes ? " Where a value is 0, or shorter than the clock's step, or two are "
                                   "less than two steps apart, there is no ratio."
                                 : NULL});
        sb_caption_missing(c, f, q.metric, NULL, NULL);
        free(spread);
        free(what);
        free(label);
    } else if (c->plot->line) {
        sb_chart_note(c, sb_printf("no cell of %s has a number to compare with", q.baseline));
    }
    sb_text_free(&plots);
    sb_text_free(&data);
    sb_axis_free(&q.rows);
    sb_axis_free(&q.series);
    return 0;
}

/* ---- the matrix ---- */

/* Blue in lightness alone for shares of the best; to orange where a baseline can be beaten both ways. */
static unsigned matrix_colour(double ratio, bool diverging)
{
    static const unsigned blue[3] = {8, 81, 156}, orange[3] = {166, 84, 4};
    double t = diverging ? fmin(1, fabs(log(ratio)) / log(4)) : 1 - fmin(1, -log(fmin(1, ratio)) / log(10));
    const unsigned *end = diverging && ratio < 1 ? orange : blue;
    unsigned colour = 0;
    for (int i = 0; i < 3; i++)
        colour = colour << 8 | (unsigned)lround(250 + ((double)end[i] - 250) * t * 0.92);
    return colour;
}

/* By luminance as the eye weighs it: the number in the cell must be read on its colour, in grey as well. */
static bool is_dark(unsigned colour)
{
    return 0.299 * (colour >> 16) + 0.587 * (colour >> 8 & 255) + 0.114 * (colour & 255) < 140;
}

struct matrix {
    struct sb_axis x, y;
    const char *metric;
    int direction;
    struct sb_range range;
};

/* null hands out the same block again and again: it is a floor, and no allocator can be asked to reach it. */
static const struct sb_view_cell *best_of(const struct sb_chart *c, const struct matrix *m, size_t x)
{
    const struct sb_view_cell *best = NULL;
    double value = 0;
    for (size_t y = 0; y < m->y.labels.n; y++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, &m->x, x, &m->y, y);
        struct sb_summary s = {0};
        if (cell && strcmp(cell->row->allocator, "null"))
            s = number_of(c, cell, m->metric);
        if (s.n && (!best || (m->direction > 0 ? s.median > value : s.median < value))) {
            best = cell;
            value = s.median;
        }
    }
    return best;
}

/* A cell that was measured but can't be divided is told apart from one that wasn't measured. */
static void matrix_cell(const struct sb_chart *c, struct matrix *m, size_t x, size_t y, struct sb_text *data)
{
    const struct sb_view_cell *cell = sb_chart_cell(c, &m->x, x, &m->y, y), *other = NULL;
    struct sb_summary mine = {0}, theirs = {0};
    if (cell)
        other = c->plot->baseline ? sb_view_beside(c->view, cell, c->plot->baseline) : best_of(c, m, x);
    if (cell)
        mine = sb_view_metric(c->view, cell, m->metric);
    if (other)
        theirs = sb_view_metric(c->view, other, m->metric);
    sb_range_add(&m->range, &mine);
    bool below = mine.n && theirs.n && cell != other &&
                 (sb_reading_is_below(sb_reading_of(&mine)) || sb_reading_is_below(sb_reading_of(&theirs)) ||
                  (mine.median != theirs.median && !sb_are_resolved(&mine, &theirs)));
    if (!mine.n || !theirs.n || theirs.median <= 0 || mine.median < 0 || below) {
        /* Not '-', which stands for a missing number in every script. */
        const char *text = !cell ? " " : mine.n ? "\u2013" : "n/a";
        sb_text_printf(data, "%zu\t%zu\t0xffffff\t0x777777\t%s\t%zu\n", x, y, text, mine.n);
        return;
    }
    /* The same ratio as everywhere, whose interval is in the tables; of equal medians, or of nothing, there
     * is none. */
    double ratio = sb_contrast_ratio(c->view, cell, other, m->metric);
    if (isnan(ratio))
        ratio = mine.median / theirs.median;
    /* Where less is better the inverse: blue is good in every matrix. */
    unsigned colour = matrix_colour(m->direction >= 0 ? ratio : 1 / ratio, c->plot->baseline);
    /* Two decimals fit a cell of sixteen columns; of what is smaller only that it is small. */
    char number[16];
    snprintf(number, sizeof(number),
             ratio > 0 && ratio < 0.005 ? "<.01"
             : ratio >= 9.95            ? "%.0f"
                                        : "%.2f",
             ratio);
    sb_text_printf(data, "%zu\t%zu\t0x%06x\t0x%06x\t%s\t%zu\n", x, y, colour,
                   is_dark(colour) ? 0xffffffU : 0x222222U, number, mine.n);
}

/* Boxes of given colours, not a palette: what gnuplot interpolates would differ between outputs. */
static void write_matrix(struct sb_figure *f, const struct matrix *m)
{
    sb_label_tics(&m->y, 'y', &f->script);
    f->height = 0.7 + 0.4 * (double)m->y.labels.n + sb_label_tics(&m->x, 'x', &f->script);
    sb_text_printf(
        &f->script,
        "unset grid\nset border 0\nset tics scale 0\nunset key\nset xrange [-0.5:%zu.5]\nset yrange "
        "[%zu.5:-0.5]\nset style fill solid 1.0 border rgb '#ffffff'\n"
        "plot data using 1:2:(0.5):(0.5):3 with boxxyerror lc rgb variable lw 1.2, \\\n"
        "  data using 1:2:((tex ? '\\\\scriptsize ' : '').stringcolumn(5)):4 with labels tc rgb variable "
        "font small\n",
        m->x.labels.n - 1, m->y.labels.n - 1);
}

/* Without a direction there is no best, and a colour would claim one. */
int sb_draw_matrix(struct sb_chart *c, char **why)
{
    struct matrix m = {.metric = metric_of(c)};
    struct sb_range r = range_of(c, m.metric);
    (void)why;
    sb_range_start(&m.range);
    if (!has_metric(c, m.metric) || !r.most_n)
        return 0;
    m.direction = sb_metric_direction(m.metric, sb_view_unit(c->view, m.metric));
    if (!m.direction && !c->plot->baseline) {
        sb_chart_note(c,
                      sb_printf("neither more nor less of %s is better, so there is no best; give a baseline",
                                m.metric));
        return 0;
    }
    sb_axis_make(c, &c->plot->x, &m.x);
    sb_axis_make(c, &c->plot->y, &m.y);
    sb_axis_name(&m.x, &c->plot->x);
    sb_axis_name(&m.y, &c->plot->y);
    const char *title = sb_metric_title(m.metric);
    char *label = sb_view_label(c->view, m.metric);
    char *other = c->plot->baseline ? sb_printf("%s", c->plot->baseline)
                                    : sb_strdup("the best of each column but null");
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: %s beside %s", c->where, title, other));
    sb_text_printf(&f->data, "# column\trow\tcolour\tcolour of the text\tratio\tn\n");
    for (size_t y = 0; y < m.y.labels.n; y++) {
        for (size_t x = 0; x < m.x.labels.n; x++)
            matrix_cell(c, &m, x, y, &f->data);
    }
    write_matrix(f, &m);
    bool blocks = sb_view_has_blocks(c->view, 0);
    char *what =
        sb_printf(blocks ? "each number is the median of the ratios of %s within blocks to that of %s"
                         : "each number is the median of %s over that of %s",
                  label, other);
    sb_figure_caption(
        c, f, &m.range,
        &(struct sb_caption){
            .what = what,
            .spread = "intervals stand in the tables and in the charts of ratios, for there is no room "
                      "for them here",
            .more = c->plot->baseline
                        ? " Blue: better, orange: worse, the deeper the further. n/a: skipped "
                          "or not measured, the "
                          "table of cells says why; \u2013: nothing to divide by, or nearer than the clock "
                          "can tell."
                        : " The deeper the blue, the nearer to the best. n/a: skipped or not "
                          "measured, the table of "
                          "cells says why; \u2013: nothing to divide by, or nearer than the clock can tell.",
            .note = blocks ? "ratios within blocks; intervals: see the tables"
                           : "ratios of medians; intervals: see the tables"});
    free(what);
    free(other);
    free(label);
    sb_axis_free(&m.x);
    sb_axis_free(&m.y);
    return 0;
}

/* ---- events ---- */

/* The trial divides by its own operations; raw counts of cells of different length can't be compared. */
static bool is_per_operation(const char *metric)
{
    /* As the trial names what it divides: "EVENT/op". */
    size_t n = strlen(metric);
    return n > 3 && !strcmp(metric + n - 3, "/op");
}

/* Those asked for, or all counts an operation that are not zero throughout. */
static struct sb_words event_names(const struct sb_chart *c)
{
    struct sb_words names = {0};
    if (c->plot->metric) {
        names = sb_split(c->plot->metric);
        return names;
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct sb_view_cell *cell = &c->view->cells.at[c->cells[i]];
        for (size_t t = cell->first_trial; t < cell->last_trial; t++) {
            const struct sb_result *r = &c->view->data.trials.at[c->view->order[t]].result;
            for (size_t k = 0; k < r->metrics.n; k++) {
                if (is_per_operation(r->metrics.at[k].name) && r->metrics.at[k].value > 0)
                    sb_words_add_once(&names, r->metrics.at[k].name);
            }
        }
    }
    return names;
}

static bool is_simulated(const char *metric)
{
    return !strncmp(metric, "simulated", strlen("simulated"));
}

/* One panel: points with their intervals, on an axis of its own. */
static void event_panel(const struct sb_chart *c, const struct sb_axis *x, const char *metric, size_t block,
                        size_t panels, struct sb_range *all, struct sb_figure *f)
{
    struct sb_range r;
    sb_range_start(&r);
    for (size_t i = 0; i < x->labels.n; i++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, x, i, NULL, 0);
        struct sb_summary s = {0};
        if (cell)
            s = sb_view_metric(c->view, cell, metric);
        if (!s.n)
            continue;
        sb_range_add(&r, &s);
        /* Simulated counts are of one process, and no part of what the others' n and whiskers are. */
        if (!is_simulated(metric))
            sb_range_add(all, &s);
        char *colour = sb_shade(x->colours[i], 0, 1);
        value_row(&f->data, (double)i, &s, 1);
        sb_text_printf(&f->data, "\t%s\t%zu\t", colour, s.n);
        sb_tsv_name(&f->data, x->labels.at[i]);
        sb_text_printf(&f->data, "\t");
        sb_tsv_name(&f->data, metric);
        sb_text_printf(&f->data, "\n");
        free(colour);
    }
    sb_text_printf(&f->data, "\n\n");
    char *label = is_per_operation(metric) ? sb_strdup(metric) : sb_view_label(c->view, metric);
    char *title = sb_gp_text(label);
    free(label);
    char *tics = r.min < 0            ? sb_strdup("unset logscale y\nset yrange [*:*]\nset ytics autofreq\n")
                 : is_logarithmic(&r) ? sb_strdup("set logscale y 10\nset yrange [*:*]\nset ytics autofreq\n")
                                      : sb_printf("unset logscale y\nset yrange [0:%.6g]\nset ytics 0,%.6g\n",
                                                  r.max > 0 ? 1.1 * r.max : 1, sb_few_tics(r.max));
    sb_next_panel(f, block);
    sb_text_printf(&f->script, "set title little(%s) offset 0,-0.8*near font small\n", title);
    /* The names of the allocators stand once, below the last panel. */
    if (block + 1 == panels)
        sb_label_tics(x, 'x', &f->script);
    else
        sb_text_printf(&f->script, "set xtics 0,1,%zu format ''\n", x->labels.n - 1);
    sb_text_printf(
        &f->script,
        "%splot data index %zu using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable\n", tics,
        block);
    free(tics);
    free(title);
}

/* Names without a number in any cell of the chart have no panel. */
static void drop_unknown(const struct sb_chart *c, struct sb_words *names)
{
    size_t n = 0;
    for (size_t i = 0; i < names->n; i++) {
        bool any = false;
        for (size_t k = 0; k < c->n; k++)
            any |= sb_view_metric(c->view, &c->view->cells.at[c->cells[k]], names->at[i]).n > 0;
        if (any)
            names->at[n++] = names->at[i];
        else
            free(names->at[i]);
    }
    names->n = n;
}

/* A cell whose processes failed may still have been simulated: it was not measured all the same. */
static bool was_measured(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context)
{
    (void)c;
    (void)context;
    return cell->ok;
}

/* Each event has an axis of its own: instructions and misses are decades apart, and no one scale shows
 * both. */
static void write_events(struct sb_chart *c, const struct sb_words *names)
{
    struct sb_axis x;
    struct sb_range r;
    sb_range_start(&r);
    sb_axis_make(c, &c->plot->x, &x);
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: events an operation", c->where));
    sb_text_printf(&f->data, "# x\tmedian\tlow\thigh\tcolour\tn\tlabel\tevent\n");
    sb_text_printf(&f->script,
                   "unset key\nset bars 0.6\nset xrange [-0.6:%zu.6]\nset ytics font small\nset format y "
                   "'%%g'\nif (tex) { set format y "
                   "'\\scriptsize $%%h$' }\n",
                   x.labels.n - 1);
    f->panels = names->n;
    f->across = 1;
    f->bottom = sb_tics_height(&x) + 0.1;
    f->between = 0.55;
    f->height = 0.5 + f->bottom + 1.5 * (double)names->n + f->between * (double)(names->n - 1);
    for (size_t i = 0; i < names->n; i++)
        event_panel(c, &x, names->at[i], i, names->n, &r, f);
    bool simulated = false, faults = false;
    for (size_t i = 0; i < names->n; i++) {
        simulated |= is_simulated(names->at[i]);
        faults |= strstr(names->at[i], "FAULTS") != NULL;
    }
    if (!r.most_n)
        r = (struct sb_range){0, 0, 1, 1};
    char *more = sb_printf(
        " Axes of more than a decade are logarithmic.%s%s",
        simulated ? " Names that begin with simulated are valgrind's, of one process without whiskers: it "
                    "sees user "
                    "mode alone, so what a system call costs isn't in them, and its caches have the "
                    "machine's sizes "
                    "but virtual addresses."
                  : "",
        faults
            ? " Pages that the kernel maps ahead for an mmap are no such faults; page_faults_per_op of the "
              "database has them, too."
            : "");
    sb_figure_caption(
        c, f, &r,
        &(struct sb_caption){.what = "/op: counts an operation of the workload, summed over threads, "
                                     "perf:: ones in user mode alone where the system allows no more",
                             .more = more});
    free(more);
    sb_caption_missing(c, f, names->at[0], NULL, NULL);
    sb_axis_free(&x);
}

/* An event that only some workloads have is no mistake of these; one that no trial has is. */
int sb_draw_events(struct sb_chart *c, char **why)
{
    struct sb_words names = event_names(c);
    bool known = true;
    (void)why;
    for (size_t i = 0; i < names.n && c->plot->metric; i++)
        known &= has_metric(c, names.at[i]);
    keep_allocators(c, was_measured, NULL);
    drop_unknown(c, &names);
    if (known && names.n && c->n)
        write_events(c, &names);
    sb_words_free(&names);
    return 0;
}
