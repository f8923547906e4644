/*
 * Shared by charts of one number per cell: the metric, its numbers, axes and rows.
 *
 * An axis is logarithmic when the values span more than a decade; then there are points with intervals and no
 * bars, for a bar's length means nothing without a zero. Points are joined only along an ordered axis.
 */
#include "figure/chart.h"

#include <stdio.h>
#include <string.h>

const char *sb_chart_metric(const struct sb_chart *c)
{
    return c->plot->metric ? sb_metric_stored(c->plot->metric) : SB_NAME(OPS_PER_S);
}

bool sb_chart_has_metric(const struct sb_chart *c, const char *metric)
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
    sb_chart_note(c,
                  near ? sb_printf("no trial has the metric '%s' (did you mean '%s'?)", metric, near)
                       : sb_printf("no trial has the metric '%s'; `scullbench export` shows those there are", metric));
    sb_words_free(&names);
    return false;
}

struct sb_summary sb_chart_number(const struct sb_chart *c, const struct sb_view_cell *cell, const char *metric)
{
    struct sb_summary s = sb_view_metric(c->view, cell, metric);
    if (s.n && sb_reading_is_below(sb_reading_of(&s)))
        s.n = 0;
    return s;
}

struct sb_range sb_chart_range(const struct sb_chart *c, const char *metric)
{
    struct sb_range r;
    sb_range_start(&r);
    for (size_t i = 0; i < c->n; i++) {
        struct sb_summary s = sb_chart_number(c, &c->view->cells.at[c->cells[i]], metric);
        sb_range_add(&r, &s);
    }
    return r;
}

bool sb_range_is_logarithmic(const struct sb_range *r)
{
    return r->min > 0 && r->max > 10 * r->min;
}

void sb_chart_keep_allocators(struct sb_chart *c, sb_wanted_fn wanted, const void *context)
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

void sb_add_value_row(struct sb_text *data, double at, const struct sb_summary *s, double scale)
{
    sb_text_printf(data, "%.4f\t%.6g\t%.6g\t%.6g", at, s->median / scale, s->low / scale, s->high / scale);
}

void sb_add_y_axis(struct sb_figure *f, const char *prefix, const char *label, const struct sb_range *r,
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
