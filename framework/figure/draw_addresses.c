/* Where the first pages of a workload's blocks lie, in virtual space and in the trial's memory. */
#include "figure/chart.h"

#include "analyse/series.h"

#include <math.h>
#include <stdio.h>

enum { SHOWN = 128 };

/* Pages from the lowest of those shown; empty blocks are none for gnuplot, so what is missing has one point
 * nowhere. */
static void address_rows(const struct sb_series *series, double *widest, double *top, struct sb_text *data)
{
    double lowest = INFINITY;
    for (size_t i = 0; series && i < series->n && i < SHOWN; i++)
        lowest = fmin(lowest, series->at[i].y);
    for (size_t i = 0; series && i < series->n && i < SHOWN; i++) {
        *widest = fmax(*widest, series->at[i].x / 1024);
        *top = fmax(*top, series->at[i].y - lowest);
        sb_text_printf(data, "%.6g\t%.0f\n", series->at[i].x / 1024, series->at[i].y - lowest);
    }
    if (!series || !series->n)
        sb_text_printf(data, "-\t-\n");
    sb_text_printf(data, "\n\n");
}

/* Of one process: addresses of several, each with its own layout, have no median. */
static const struct sb_result *with_addresses(const struct sb_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++) {
        if (sb_series_find(&runs->at[i], SB_NAME(VIRTUAL_PAGE)))
            return &runs->at[i];
    }
    return NULL;
}

static bool take_addresses(const struct sb_chart *c, struct sb_panels *q, const struct sb_runs *runs, const char *name)
{
    const struct sb_result *r = with_addresses(runs);
    (void)c;
    if (!r)
        return false;
    sb_text_printf(&q->data, "# ");
    sb_tsv_name(&q->data, name);
    sb_text_printf(&q->data, ": virtual\n");
    address_rows(sb_series_find(r, SB_NAME(VIRTUAL_PAGE)), &q->widest, &q->tops[q->names.n], &q->data);
    address_rows(sb_series_find(r, SB_NAME(PHYSICAL_PAGE)), &q->widest, &q->tops[q->names.n], &q->data);
    return true;
}

/* Virtual below, physical on top: where both agree, as on buddy, the colours merge, and where they don't is
 * the point. */
static void write_addresses(struct sb_chart *c, const struct sb_panels *q)
{
    struct sb_range one = {0, 0, 1, 1};
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: where its pages lie", c->where));
    sb_text_printf(&f->data, "# KiB into the workload's data\tpages above the lowest; virtual, then physical\n%s",
                   sb_text_get(&q->data));
    sb_start_panels(f, &q->names, 1.7, 0.95);
    sb_text_printf(&f->script,
                   "unset key\nset tics font small scale 0.3\nif (tex) { set format '\\scriptsize $%%h$' }\n"
                   "set xtics norotate 0,%.6g offset 0,0.4*near\nset xrange [0:%.6g]\n",
                   sb_few_tics(q->widest), q->widest * 1.02);
    for (size_t p = 0; p < q->names.n; p++) {
        double top = fmax(1, q->tops[p]);
        sb_add_panel(f, p, q->names.at[p], "KiB into the data", "pages");
        sb_text_printf(&f->script,
                       "set ytics 0,%.6g offset 0.6*near,0\nset yrange [0:%.6g]\n"
                       "plot data index %zu using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, "
                       "data index %zu using 1:2 with points pt 2 ps 0.25 lc rgb '#0072b2' notitle\n",
                       sb_few_tics(top), top * 1.05, 2 * p, 2 * p + 1);
    }
    sb_figure_caption(
        c, f, &one,
        &(struct sb_caption){.what =
                                 "the first 128 pages, or blocks where they are smaller, of what the workload holds at "
                                 "the end of the survey, counted from the lowest of them: "
                                 "orange dots virtual, blue crosses physical (in the memory file); "
                                 "memory from the OS has no physical address that a process may know"});
    sb_caption_missing(c, f, NULL, &q->axis, q->drawn);
}

int sb_draw_addresses(struct sb_chart *c, char **why)
{
    return sb_draw_panels(c, take_addresses, write_addresses, why);
}
