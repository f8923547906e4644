/* Ratios to a baseline, with their intervals. */
#include "figure/chart.h"

#include "analyse/contrast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
static struct sb_ratio ratio_to(const struct sb_chart *c, const struct sb_view_cell *x, const struct sb_view_cell *y,
                                struct ratios *q)
{
    struct sb_contrast contrast =
        sb_contrast_of(c->view, x, c->view, y, q->metric, sb_view_ratio_level(c->view), SB_INTERVAL_PERCENTILE);
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
                       interval ? ratio.low : ratio.value, interval ? fmin(ratio.high, BEYOND) : ratio.value, colour);
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
    sb_text_printf(&f->script,
                   "set yrange [%zu.6:-0.6]\nset xlabel %s offset 0,0.5*up\nset xtics autofreq\nunset grid\n"
                   "set grid xtics lt 1 lc rgb '#dddddd' lw 0.7\n"
                   "set arrow 1 from 1, graph 0 to 1, graph 1 nohead dt 2 lw 1.2 lc rgb '#444444'\n"
                   "set bars 0.5\n",
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
    struct ratios q = {.metric = sb_chart_metric(c), .baseline = baseline_of(c)};
    const struct sb_words *by = &c->plot->series;
    struct sb_text plots = {0}, data = {0};
    (void)why;
    if (!sb_chart_has_metric(c, q.metric))
        return 0;
    sb_range_start(&q.range);
    sb_chart_keep_allocators(c, has_ratio, &q);
    sb_axis_make(c, &c->plot->y, &q.rows);
    sb_axis_make(c, by, &q.series);
    sb_axis_name(&q.series, by);
    for (size_t s = 0, block = 0; s < q.series.labels.n; s++) {
        if (!ratio_rows(c, &q, s, &data))
            continue;
        char *title = sb_gp_name(q.series.labels.at[s]);
        char *grey = q.rows.allocators ? sb_shade(0, s, q.series.labels.n) : sb_shade(q.series.colours[s], 0, 1);
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
        char *what = sb_printf("%s of %s to %s of %s",
                               !q.in_blocks    ? "ratios of the medians"
                               : q.paired      ? "medians over processes of the ratio, measured by turns,"
                               : !q.of_medians ? "medians of the ratios within blocks"
                                               : "ratios, within blocks where there are any, else of medians,",
                               label, q.in_blocks && !q.of_medians ? "that" : "those", q.baseline);
        /* Resamples of so few values can't be as spread as the values of as many processes would be. */
        bool few = q.range.least_n < sb_least_samples(sb_view_ratio_level(c->view));
        char *spread = few && !q.of_medians ? sb_strdup("whiskers: smallest to largest ratio")
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
                .more = q.zeroes
                            ? " Where a value is 0, or shorter than the clock's step, or two are less than two steps "
                              "apart, there is no ratio."
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
