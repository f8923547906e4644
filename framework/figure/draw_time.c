/*
 * Charts of what a survey saw: series over operations, free blocks by order as a heat map, and where a
 * workload's pages lie. Series are large and used once: loaded for one cell, freed after it.
 */
#include "figure/chart.h"

#include "analyse/series.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The ok trials of a cell with their series. */
struct runs {
    struct sb_result *at;
    size_t n, capacity;
};

/* What ran under valgrind surveyed nothing. */
static int load_runs(const struct sb_chart *c, const struct sb_view_cell *cell, struct runs *runs, char **why)
{
    int status = 0;
    for (size_t t = cell->first_trial; t < cell->last_trial && !status; t++) {
        const struct sb_trial_row *trial = &c->view->data.trials.at[c->view->order[t]];
        if (trial->result.status == SB_STATUS_OK && !trial->simulated)
            status = sb_view_load_series(c->view, trial, SB_VEC_ADD(runs), why);
    }
    return status;
}

static void free_runs(struct runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        sb_result_free(&runs->at[i]);
    SB_VEC_FREE(runs);
}

/* ---- series over operations ---- */

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
     "the kernel's unusable free space index for order 9 (2 MiB, a huge page): the share of free memory in "
     "blocks too small for it",
     external_at, NULL},
    {"internal", "internal fragmentation", "internal fragmentation (%)",
     "share of the bytes handed out that nobody asked for", sb_internal_fragmentation, NULL},
    {"footprint", "memory held", "held (MiB)",
     "memory that the allocator holds, for one with the OS's memory the growth of the resident set; dashed: "
     "what "
     "the workload asked for",
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
static size_t add_series(struct lines *q, const struct runs *runs, point_fn value, const char *name)
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
        sb_text_printf(&q->data, "%.0f\t%.6g\t%.6g\t%.6g\t%zu\t", sb_series_operations(&runs->at[0], i),
                       s.median, s.min, s.max, s.n);
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
                   "'%s' notitle, data "
                   "index %zu using ($1/%g):2 with linespoints pt %d ps 0.7 pointinterval %d lw 1.3 dt %d lc "
                   "rgb '%s' title %s",
                   q->plots.n ? ", \\\n  " : "", q->block, q->scale, sb_colour(colour), q->block, q->scale,
                   sb_mark(colour), (int)(4 + s % 3), sb_dash(colour), sb_colour(colour), title);
    q->block++;
    free(title);
}

/* The scale is the first cell's: all of a chart ran the same number of cycles. */
static int add_lines_of(struct lines *q, size_t s, bool *referred, struct sb_text *reference, char **why)
{
    const struct sb_view_cell *cell = sb_chart_cell(q->chart, NULL, 0, &q->axis, s);
    struct runs runs = {0};
    int status = cell && cell->ok ? load_runs(q->chart, cell, &runs, why) : 0;
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
    free_runs(&runs);
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
                   "set xlabel %s offset 0,0.5*up\nset ylabel %s\nset xtics norotate autofreq\nset xrange "
                   "[0:*]\nset yrange [0:*]\n",
                   xlabel, ylabel);
    sb_add_key(f, &q->axis, referred);
    /* The reference last, hence on top: where an allocator holds just what was requested its line must not
     * hide it. */
    sb_text_printf(&f->script, "plot %s%s\n", sb_text_get(&q->plots), reference);
    sb_figure_caption(q->chart, f, &q->range,
                      &(struct sb_caption){.what = q->kind->caption,
                                           .spread = q->spread ? "bands from the smallest to the largest"
                                                               : "all of which agree"});
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

/* ---- panels ---- */

static void start_panels(struct sb_figure *f, const struct sb_words *panels, double each, double bottom)
{
    enum { SHORT = 15 };
    size_t longest = 0;
    for (size_t i = 0; i < panels->n; i++)
        longest = strlen(panels->at[i]) > longest ? strlen(panels->at[i]) : longest;
    f->panels = panels->n;
    f->across = longest > SHORT ? 2 : 3; /* names stand above, and must not meet */
    size_t rows = (f->panels + f->across - 1) / f->across;
    f->bottom = bottom;
    f->between = 0.9;
    f->height = 0.5 + bottom + each * (double)rows + f->between * (double)(rows - 1);
}

/* Every panel is an allocator; axes are alike in all, so labels stand at the outer ones only. */
static void add_panel(struct sb_figure *f, size_t panel, const char *name, const char *x, const char *y)
{
    char *title = sb_gp_name(name), *xlabel = sb_gp_text(x), *ylabel = sb_gp_text(y);
    sb_next_panel(f, panel);
    sb_text_printf(&f->script,
                   "set title little(%s) offset 0,-0.8*near font small\nset xlabel little(%s) offset "
                   "0,0.7*near font small\n"
                   "set ylabel little(%s) offset 1.2*near,0 font small\n",
                   title, panel + f->across < f->panels ? "''" : xlabel, panel % f->across ? "''" : ylabel);
    free(title);
    free(xlabel);
    free(ylabel);
}

/* ---- free blocks by order ---- */

/* Medians of each order for itself: no one process need have had all of them at once. */
static bool order_rows(const struct runs *runs, struct sb_level level, double *most, struct sb_range *range,
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

/* What a chart of panels collects before it is known how many there are. */
struct panels {
    struct sb_axis axis;
    bool *drawn; /* of each label */
    struct sb_words names;
    struct sb_text data;
    struct sb_range range;
    double most, points, operations; /* orders: the largest value, checkpoint and number of operations */
    double widest, *tops;            /* addresses: KiB, and pages of each panel */
};

static void start_collecting(const struct sb_chart *c, struct panels *q)
{
    *q = (struct panels){.most = 1, .widest = 1};
    sb_range_start(&q->range);
    sb_axis_make(c, &c->plot->series, &q->axis);
    sb_axis_name(&q->axis, &c->plot->series);
    q->drawn = sb_calloc(q->axis.labels.n + 1, sizeof(*q->drawn));
    q->tops = sb_calloc(q->axis.labels.n + 1, sizeof(*q->tops));
}

static void free_panels(struct panels *q)
{
    free(q->drawn);
    free(q->tops);
    sb_words_free(&q->names);
    sb_text_free(&q->data);
    sb_axis_free(&q->axis);
}

/* `take` adds one cell's rows and says whether there were any. */
typedef bool (*take_fn)(const struct sb_chart *c, struct panels *q, const struct runs *runs,
                        const char *name);

static int collect(const struct sb_chart *c, struct panels *q, take_fn take, char **why)
{
    int status = 0;
    for (size_t s = 0; s < q->axis.labels.n && !status; s++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, NULL, 0, &q->axis, s);
        struct runs runs = {0};
        status = cell && cell->ok ? load_runs(c, cell, &runs, why) : 0;
        q->drawn[s] = !status && runs.n && take(c, q, &runs, q->axis.labels.at[s]);
        if (q->drawn[s])
            *SB_VEC_ADD(&q->names) = sb_strdup(q->axis.labels.at[s]);
        free_runs(&runs);
    }
    return status;
}

/* A panel for each label that has something to take; where none has there is no chart. */
static int draw_panels(struct sb_chart *c, take_fn take,
                       void (*write)(struct sb_chart *c, const struct panels *q), char **why)
{
    struct panels q;
    start_collecting(c, &q);
    int status = collect(c, &q, take, why);
    if (!status && q.names.n)
        write(c, &q);
    free_panels(&q);
    return status;
}

/* Charts of allocators without a page allocator below them would be white. */
static bool take_orders(const struct sb_chart *c, struct panels *q, const struct runs *runs, const char *name)
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
static void write_orders(struct sb_chart *c, const struct panels *q)
{
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: free blocks by order", c->where));
    char *what = sb_printf(
        "free blocks of the page allocator by order, as /proc/buddyinfo counts them, at the survey's "
        "checkpoints, the last after %.0f operations; the darker the more, white: none; logarithmic",
        q->operations);
    sb_text_printf(&f->data, "# checkpoint\torder\tfree blocks (NaN: none)\toperations\tn\n%s",
                   sb_text_get(&q->data));
    start_panels(f, &q->names, 1.3, 1.75);
    sb_text_printf(
        &f->script,
        "unset grid\nunset key\nset border 15 lw 0.5\nset tics font small scale 0.3\nif (tex) { set format "
        "'\\scriptsize $%%h$' }\nset palette defined (0 '#deebf7', 0.5 '#4292c6', 1 '#08306b')\nset "
        "logscale "
        "cb 10\nset cbrange [1:%.6g]\nset xrange [-0.5:%.6g]\nset yrange [-0.5:10.5]\nset ytics 0,5,10 "
        "offset 0.6*near,0\nset xtics norotate 0,%.6g offset 0,0.4*near\nset cbtics font small "
        "offset 0,0.7\nset cblabel little(t('free blocks')) font small offset 0,1.2\nunset colorbox\n",
        fmax(2, q->most), q->points - 0.5, sb_few_tics(q->points - 1));
    for (size_t p = 0; p < q->names.n; p++) {
        add_panel(f, p, q->names.at[p], "checkpoint", "order");
        /* Once, or it is drawn over itself. */
        if (p + 1 == q->names.n)
            sb_text_printf(
                &f->script,
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
    return draw_panels(c, take_orders, write_orders, why);
}

/* ---- addresses ---- */

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
static const struct sb_result *with_addresses(const struct runs *runs)
{
    for (size_t i = 0; i < runs->n; i++) {
        if (sb_series_find(&runs->at[i], SB_NAME(VIRTUAL_PAGE)))
            return &runs->at[i];
    }
    return NULL;
}

static bool take_addresses(const struct sb_chart *c, struct panels *q, const struct runs *runs,
                           const char *name)
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
static void write_addresses(struct sb_chart *c, const struct panels *q)
{
    struct sb_range one = {0, 0, 1, 1};
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: where its pages lie", c->where));
    sb_text_printf(&f->data,
                   "# KiB into the workload's data\tpages above the lowest; virtual, then physical\n%s",
                   sb_text_get(&q->data));
    start_panels(f, &q->names, 1.7, 0.95);
    sb_text_printf(
        &f->script,
        "unset key\nset tics font small scale 0.3\nif (tex) { set format '\\scriptsize $%%h$' }\nset xtics "
        "norotate 0,%.6g offset 0,0.4*near\nset xrange [0:%.6g]\n",
        sb_few_tics(q->widest), q->widest * 1.02);
    for (size_t p = 0; p < q->names.n; p++) {
        double top = fmax(1, q->tops[p]);
        add_panel(f, p, q->names.at[p], "KiB into the data", "pages");
        sb_text_printf(
            &f->script,
            "set ytics 0,%.6g offset 0.6*near,0\nset yrange [0:%.6g]\nplot data index %zu using 1:2 with "
            "points "
            "pt "
            "7 ps 0.3 lc rgb '#e69f00' notitle, data index %zu using 1:2 with points pt 2 ps 0.25 lc rgb "
            "'#0072b2' notitle\n",
            sb_few_tics(top), top * 1.05, 2 * p, 2 * p + 1);
    }
    sb_figure_caption(
        c, f, &one,
        &(struct sb_caption){.what = "the first 128 pages, or blocks where they are smaller, of what the "
                                     "workload holds at the end of the "
                                     "survey, counted from the lowest of them: orange dots virtual, blue "
                                     "crosses physical (in the memory file); memory from the OS has no "
                                     "physical address that a process may know"});
    sb_caption_missing(c, f, NULL, &q->axis, q->drawn);
}

int sb_draw_addresses(struct sb_chart *c, char **why)
{
    return draw_panels(c, take_addresses, write_addresses, why);
}
