/* The matrix: ratios of all cells to the best of their column, or to a baseline, as a heat map. */
#include "figure/chart.h"

#include "analyse/contrast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
            s = sb_chart_number(c, cell, m->metric);
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
    snprintf(number, sizeof(number), ratio > 0 && ratio < 0.005 ? "<.01" : ratio >= 9.95 ? "%.0f" : "%.2f", ratio);
    sb_text_printf(data, "%zu\t%zu\t0x%06x\t0x%06x\t%s\t%zu\n", x, y, colour, is_dark(colour) ? 0xffffffU : 0x222222U,
                   number, mine.n);
}

/* Boxes of given colours, not a palette: what gnuplot interpolates would differ between outputs. */
static void write_matrix(struct sb_figure *f, const struct matrix *m)
{
    sb_label_tics(&m->y, 'y', &f->script);
    f->height = 0.7 + 0.4 * (double)m->y.labels.n + sb_label_tics(&m->x, 'x', &f->script);
    sb_text_printf(&f->script,
                   "unset grid\nset border 0\nset tics scale 0\nunset key\nset xrange [-0.5:%zu.5]\n"
                   "set yrange [%zu.5:-0.5]\nset style fill solid 1.0 border rgb '#ffffff'\n"
                   "plot data using 1:2:(0.5):(0.5):3 with boxxyerror lc rgb variable lw 1.2, \\\n"
                   "  data using 1:2:((tex ? '\\\\scriptsize ' : "
                   "'').stringcolumn(5)):4 with labels tc rgb variable font small\n",
                   m->x.labels.n - 1, m->y.labels.n - 1);
}

/* Without a direction there is no best, and a colour would claim one. */
int sb_draw_matrix(struct sb_chart *c, char **why)
{
    struct matrix m = {.metric = sb_chart_metric(c)};
    struct sb_range r = sb_chart_range(c, m.metric);
    (void)why;
    sb_range_start(&m.range);
    if (!sb_chart_has_metric(c, m.metric) || !r.most_n)
        return 0;
    m.direction = sb_metric_direction(m.metric, sb_view_unit(c->view, m.metric));
    if (!m.direction && !c->plot->baseline) {
        sb_chart_note(
            c, sb_printf("neither more nor less of %s is better, so there is no best; give a baseline", m.metric));
        return 0;
    }
    sb_axis_make(c, &c->plot->x, &m.x);
    sb_axis_make(c, &c->plot->y, &m.y);
    sb_axis_name(&m.x, &c->plot->x);
    sb_axis_name(&m.y, &c->plot->y);
    const char *title = sb_metric_title(m.metric);
    char *label = sb_view_label(c->view, m.metric);
    char *other =
        c->plot->baseline ? sb_printf("%s", c->plot->baseline) : sb_strdup("the best of each column but null");
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: %s beside %s", c->where, title, other));
    sb_text_printf(&f->data, "# column\trow\tcolour\tcolour of the text\tratio\tn\n");
    for (size_t y = 0; y < m.y.labels.n; y++) {
        for (size_t x = 0; x < m.x.labels.n; x++)
            matrix_cell(c, &m, x, y, &f->data);
    }
    write_matrix(f, &m);
    bool blocks = sb_view_has_blocks(c->view, 0);
    char *what = sb_printf(blocks ? "each number is the median of the ratios of %s within blocks to that of %s"
                                  : "each number is the median of %s over that of %s",
                           label, other);
    sb_figure_caption(
        c, f, &m.range,
        &(struct sb_caption){
            .what = what,
            .spread = "intervals stand in the tables and in the charts of ratios, for there is no room for "
                      "them here",
            .more = c->plot->baseline ? " Blue: better, orange: worse, the deeper the further. "
                                        "n/a: skipped or not measured, the table of cells says why; \u2013: "
                                        "nothing to divide by, or nearer than the clock can tell."
                                      : " The deeper the blue, the nearer to the best. "
                                        "n/a: skipped or not measured, the table of cells says why; \u2013: "
                                        "nothing to divide by, or nearer than the clock can tell.",
            .note = blocks ? "ratios within blocks; intervals: see the tables"
                           : "ratios of medians; intervals: see the tables"});
    free(what);
    free(other);
    free(label);
    sb_axis_free(&m.x);
    sb_axis_free(&m.y);
    return 0;
}
