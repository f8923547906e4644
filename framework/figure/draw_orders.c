/* Free blocks by order over operations, as a heat map. */
#include "figure/chart.h"

#include "analyse/series.h"

#include <math.h>
#include <stdio.h>

/* Medians of each order for itself: no one process need have had all of them at once. */
static bool order_rows(const struct sb_runs *runs, struct sb_level level, double *most, struct sb_range *range,
                       struct sb_text *data)
{
    size_t points = sb_series_points(&runs->at[0]);
    double *samples = sb_calloc(runs->n, sizeof(*samples));
    bool any = false;
    for (size_t i = 0; i < points; i++) {
        for (int order = 0; order < SB_NR_ORDERS; order++) {
            size_t n = 0;
            for (size_t t = 0; t < runs->n; t++) {
                double v = sb_series_value(&runs->at[t], SB_NAME(FREE_BLOCKS), order, i);
                if (!isnan(v))
                    samples[n++] = v;
            }
            struct sb_summary s = sb_summarise(samples, n, level);
            if (!s.n)
                continue;
            sb_range_add(range, &s);
            *most = fmax(*most, s.median);
            /* No block at all is not a small number of them: it stays white. NaN, for of what is missing
             * gnuplot makes no pixel, and shifts the others. */
            sb_text_printf(data, "%zu\t%d\t", i, order);
            sb_text_printf(data, s.median > 0 ? "%.6g" : "NaN", s.median);
            sb_text_printf(data, "\t%.0f\t%zu\n", sb_series_operations(&runs->at[0], i), s.n);
            any = true;
        }
    }
    free(samples);
    if (any)
        sb_text_printf(data, "\n\n");
    return any;
}

/* Charts of allocators without a page allocator below them would be white. */
static bool take_orders(const struct sb_chart *c, struct sb_panels *q, const struct sb_runs *runs, const char *name)
{
    size_t points = sb_series_points(&runs->at[0]);
    (void)name;
    if (!points || !order_rows(runs, sb_view_level(c->view), &q->most, &q->range, &q->data))
        return false;
    q->points = fmax(q->points, (double)points);
    q->operations = fmax(q->operations, sb_series_operations(&runs->at[0], points - 1));
    return true;
}

/* One scale of colours for all panels: they are there to be compared. */
static void write_orders(struct sb_chart *c, const struct sb_panels *q)
{
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: free blocks by order", c->where));
    char *what = sb_printf("free blocks of the page allocator by order, as /proc/buddyinfo counts them, "
                           "at the survey's checkpoints, the last after %.0f operations; "
                           "the darker the more, white: none; logarithmic",
                           q->operations);
    sb_text_printf(&f->data, "# checkpoint\torder\tfree blocks (NaN: none)\toperations\tn\n%s", sb_text_get(&q->data));
    sb_start_panels(f, &q->names, 1.3, 1.75);
    sb_text_printf(&f->script,
                   "unset grid\nunset key\nset border 15 lw 0.5\nset tics font small scale 0.3\n"
                   "if (tex) { set format '\\scriptsize $%%h$' }\n"
                   "set palette defined (0 '#deebf7', 0.5 '#4292c6', 1 '#08306b')\nset logscale cb 10\n"
                   "set cbrange [1:%.6g]\nset xrange [-0.5:%.6g]\nset yrange [-0.5:10.5]\n"
                   "set ytics 0,5,10 offset 0.6*near,0\nset xtics norotate 0,%.6g offset 0,0.4*near\n"
                   "set cbtics font small offset 0,0.7\n"
                   "set cblabel little(t('free blocks')) font small offset 0,1.2\nunset colorbox\n",
                   fmax(2, q->most), q->points - 0.5, sb_few_tics(q->points - 1));
    for (size_t p = 0; p < q->names.n; p++) {
        sb_add_panel(f, p, q->names.at[p], "checkpoint", "order");
        /* Once, or it is drawn over itself. */
        if (p + 1 == q->names.n)
            sb_text_printf(&f->script,
                           "set colorbox horizontal user origin screen 0.3, screen %.4f size screen 0.4, screen %.4f\n",
                           0.75 / f->height, 0.16 / f->height);
        sb_text_printf(&f->script, "plot data index %zu using 1:2:3 with image pixels notitle\n", p);
    }
    sb_figure_caption(c, f, &q->range,
                      &(struct sb_caption){.what = what, .spread = "their ranges are in the database"});
    sb_caption_missing(c, f, NULL, &q->axis, q->drawn);
    free(what);
}

int sb_draw_orders(struct sb_chart *c, char **why)
{
    return sb_draw_panels(c, take_orders, write_orders, why);
}
