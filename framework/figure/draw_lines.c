/* Lines: medians over an ordered axis. */
#include "figure/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
static size_t line_rows(const struct sb_chart *c, const struct sb_axis *x, const struct sb_axis *series, size_t s,
                        const char *metric, double scale, struct sb_text *data)
{
    size_t rows = 0;
    for (size_t i = 0; i < x->labels.n; i++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, x, i, series, s);
        struct sb_summary sum = {0};
        if (cell)
            sum = sb_chart_number(c, cell, metric);
        if (!sum.n)
            continue;
        sb_add_value_row(data, x->ordered ? x->numbers[i] : (double)i, &sum, scale);
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
static void write_lines(struct sb_chart *c, struct sb_figure *f, const struct sb_axis *x, const struct sb_axis *series,
                        const char *metric, double scale, bool ideal)
{
    struct sb_text plots = {0};
    size_t block = 0;
    sb_text_printf(&f->data, "# x\tmedian\tlow\thigh\tn\tseries\n");
    if (ideal && ideal_rows(c, x, metric, scale, &f->data))
        sb_text_printf(&plots, "data index %zu using 1:2 with lines dt 3 lw 1.5 lc rgb '#888888' title t('ideal')",
                       block++);
    for (size_t s = 0; s < series->labels.n; s++) {
        if (!line_rows(c, x, series, s, metric, scale, &f->data))
            continue;
        size_t colour = series->colours[s];
        char *title = sb_gp_name(series->labels.at[s]);
        sb_text_printf(&plots, "%sdata index %zu using 1:2:3:4 with %s pt %d ps 0.9 lw 1.4 %s%d lc rgb '%s' title %s",
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
    const char *metric = sb_chart_metric(c), *prefix = "";
    const struct sb_words *by = &c->plot->x;
    struct sb_range r = sb_chart_range(c, metric);
    struct sb_axis x, series;
    (void)why;
    if (!sb_chart_has_metric(c, metric) || !r.most_n)
        return 0;
    bool rate = strstr(metric, "_per_s"), logarithmic = sb_range_is_logarithmic(&r) && !sb_metric_is_share(metric);
    double scale = sb_metric_is_share(metric) ? 1 : sb_scale_of(r.max, &prefix);
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
        sb_add_y_axis(f, prefix, label, &r, logarithmic, sb_metric_is_share(metric));
        write_lines(c, f, &x, &series, metric, scale, ideal);
        char *what = sb_printf("%s%s", label, logarithmic ? "; logarithmic axis" : "");
        sb_figure_caption(
            c, f, &r,
            &(struct sb_caption){.what = what,
                                 .more =
                                     ideal ? " Ideal: linear from the fastest at the least number of threads." : NULL});
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
