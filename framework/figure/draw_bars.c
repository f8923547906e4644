/* Bars: medians side by side, with their intervals. */
#include "figure/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* `context`: the metric. */
static bool has_number(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context)
{
    return sb_chart_number(c, cell, context).n;
}

struct bars {
    struct sb_chart *chart;
    const char *metric;
    struct sb_axis x, series;
    size_t *slots, nr_slots; /* side by side; a series without a number has none, and its slot is not used */
    double scale;
    bool logarithmic;
};

/* The colour of a bar: that of its place on the axis in shades, where the axis has colours. */
static char *bar_colour(const struct bars *b, size_t x, size_t s)
{
    return b->x.allocators ? sb_shade(b->x.colours[x], s, b->series.labels.n) : sb_shade(b->series.colours[s], 0, 1);
}

/* A fifth of the room between neighbours stays empty: bars of one place are seen to belong together. */
static double bar_place(const struct bars *b, size_t x, size_t s, double *width)
{
    *width = 0.8 / (double)b->nr_slots;
    return (double)x - 0.4 + *width * ((double)b->slots[s] + 0.5);
}

static void make_slots(struct bars *b)
{
    b->slots = sb_calloc(b->series.labels.n + 1, sizeof(*b->slots));
    for (size_t s = 0; s < b->series.labels.n; s++) {
        bool any = false;
        for (size_t x = 0; x < b->x.labels.n && !any; x++) {
            const struct sb_view_cell *cell = sb_chart_cell(b->chart, &b->x, x, &b->series, s);
            any = cell && has_number(b->chart, cell, b->metric);
        }
        b->slots[s] = b->nr_slots;
        b->nr_slots += any;
    }
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
            sum = sb_chart_number(b->chart, cell, b->metric);
        if (!sum.n)
            continue;
        char *colour = bar_colour(b, x, s);
        sb_add_value_row(data, bar_place(b, x, s, &width), &sum, b->scale);
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
    double width = 0.72 / (double)b->nr_slots;
    if (b->logarithmic)
        sb_text_printf(plots,
                       "%sdata index %zu using 1:2:3:4:5 with yerrorbars pt %d ps 0.9 lw 1.5 lc rgb variable "
                       "notitle, keyentry with points pt %d ps 0.9 lc rgb '#%s'",
                       comma, block, sb_mark(s + 2), sb_mark(s + 2), grey + 2);
    else
        sb_text_printf(plots,
                       "%sdata index %zu using 1:2:(%.3f):5 with boxes lc rgb variable notitle, "
                       "data index %zu using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 lw 1.2 lc "
                       "rgb '#333333' notitle, keyentry with boxes lc rgb '#%s'",
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
    sb_text_printf(&f->data, "# x\tmedian\tlow\thigh\tcolour\tn\tseries\tlabel; then x\tvalue of each process\n");
    for (size_t s = 0, block = 0; s < b->series.labels.n; s++) {
        if (!bar_rows(b, s, &f->data))
            continue;
        bar_clause(b, s, block++, &plots);
        if (r->most_n > 1 && dot_rows(b, s, &f->data))
            sb_text_printf(
                &plots, ", \\\n  data index %zu using 1:2 with points pt 7 ps 0.2 lc rgb '#60000000' notitle", block++);
    }
    /* Names that stand upright need the room of their length. */
    f->height = 4.2 + sb_label_tics(&b->x, 'x', &f->script);
    sb_text_printf(&f->script, "set xrange [-0.6:%zu.4]\nset style fill solid 1.0 noborder\nset bars 0.6\n",
                   b->x.labels.n - 1);
    /* Numbers, and words of a sweep, say nothing without what they are of; names of allocators and workloads do. */
    if (b->x.ordered || strchr(b->x.title, '.')) {
        char *title = sb_gp_text(b->x.title);
        sb_text_printf(&f->script, "set xlabel %s offset 0,0.5*up\n", title);
        f->height += 0.5;
        free(title);
    }
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
    struct bars b = {.chart = c, .metric = sb_chart_metric(c)};
    const struct sb_words *by = &c->plot->series;
    struct sb_range r = sb_chart_range(c, b.metric);
    const char *prefix = "";
    (void)why;
    if (!sb_chart_has_metric(c, b.metric) || !r.most_n)
        return 0;
    b.logarithmic = !sb_metric_is_share(b.metric) && sb_range_is_logarithmic(&r);
    b.scale = sb_metric_is_share(b.metric) ? 1 : sb_scale_of(r.max, &prefix);
    sb_chart_keep_allocators(c, has_number, b.metric);
    sb_axis_make(c, &c->plot->x, &b.x);
    sb_axis_make(c, by, &b.series);
    sb_axis_name(&b.series, by);
    make_slots(&b);
    const char *title = sb_metric_title(b.metric);
    char *label = sb_view_label(c->view, b.metric);
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: %s", c->where, title));
    sb_add_y_axis(f, prefix, label, &r, b.logarithmic, sb_metric_is_share(b.metric));
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
    free(b.slots);
    return 0;
}
