/*
 * Charts of what a survey saw: series over operations, free blocks by order as a heat map, and where a
 * workload's pages lie. Series are large and used once: loaded for one cell, freed after it.
 */
#include "report/chart.h"

#include "report/series.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The ok trials of a cell with their series. */
struct runs {
    struct sb_result *at;
    size_t n, capacity;
};

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

static double external_at(const struct sb_result *r, size_t i)
{
    uint64_t blocks[SB_NR_ORDERS];
    return sb_free_blocks_at(r, i, blocks) ? sb_unusable_index(blocks, HUGE_ORDER) / 1000.0 : (double)NAN;
}

static double internal_at(const struct sb_result *r, size_t i)
{
    double requested = sb_series_value(r, "requested_bytes", 0, i),
           handed = sb_series_value(r, "handed_bytes", 0, i);
    return handed > 0 ? 100 * (1 - requested / handed) : (double)NAN;
}

static double footprint_at(const struct sb_result *r, size_t i)
{
    double resident = sb_series_value(r, "resident_bytes", 0, i);
    return (isnan(resident) ? sb_series_value(r, "held_bytes", 0, i) : resident) / (1 << 20);
}

static double requested_at(const struct sb_result *r, size_t i)
{
    return sb_series_value(r, "requested_bytes", 0, i) / (1 << 20);
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
     "share of the bytes handed out that nobody asked for", internal_at, NULL},
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
    bool spread;
};

/* One block of rows: operations, median, min, max over the runs. Returns the number of rows. */
static size_t add_series(struct lines *q, const struct runs *runs, point_fn value, const char *name)
{
    double *samples = sb_calloc(runs->n, sizeof(*samples));
    size_t rows = 0, points = runs->n ? sb_series_points(&runs->at[0]) : 0;
    for (size_t i = 0; i < points; i++) {
        size_t n = 0;
        for (size_t t = 0; t < runs->n; t++) {
            double v = value(&runs->at[t], i);
            if (!isnan(v))
                samples[n++] = v;
        }
        struct sb_summary s = sb_summarise(samples, n, q->chart->view->confidence);
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
    if (points && add_series(q, &runs, q->kind->value, q->axis.labels.at[s]))
        add_clause(q, s);
    free_runs(&runs);
    return status;
}

static void finish_series(struct lines *q, bool referred, const char *reference)
{
    struct sb_figure *f = sb_figure_new(q->chart, sb_printf("%s: %s", q->chart->where, q->kind->title));
    char *x = sb_printf("%soperations since the start, all threads", q->prefix), *xlabel = sb_gp_text(x),
         *ylabel = sb_gp_text(q->kind->label);
    sb_text_printf(&f->data, "# operations\tmedian\tmin\tmax\tn\tseries\n%s", sb_text_get(&q->data));
    sb_text_printf(&f->script,
                   "set xlabel %s offset 0,0.5\nset ylabel %s\nset xtics norotate autofreq\nset xrange "
                   "[0:*]\nset yrange [0:*]\n",
                   xlabel, ylabel);
    sb_add_key(f, &q->axis, referred);
    /* The reference last, hence on top: where an allocator holds just what was requested its line must not
     * hide it. */
    sb_text_printf(&f->script, "plot %s%s\n", sb_text_get(&q->plots), reference);
    sb_figure_caption(q->chart, f, q->kind->caption, &q->range,
                      q->spread ? "bands from the smallest to the largest" : "which all agree", "");
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
    for (size_t s = 0; s < q.axis.labels.n && !status; s++)
        status = add_lines_of(&q, s, &referred, &reference, why);
    if (!status && q.plots.n)
        finish_series(&q, referred, sb_text_get(&reference));
    sb_text_free(&reference);
    sb_text_free(&q.plots);
    sb_text_free(&q.data);
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
    f->between = 0.75;
    f->height = 0.5 + bottom + each * (double)rows + f->between * (double)(rows - 1);
}

/* Every panel is an allocator; axes are alike in all, so labels stand at the outer ones only. */
static void add_panel(struct sb_figure *f, size_t panel, const char *name, const char *x, const char *y)
{
    char *title = sb_gp_name(name), *xlabel = sb_gp_text(x), *ylabel = sb_gp_text(y);
    sb_text_printf(
        &f->script,
        "set title little(%s) offset 0,-0.8 font small\nset xlabel little(%s) offset 0,0.7 font small\n"
        "set ylabel little(%s) offset 1.2,0 font small\n",
        title, panel + f->across < f->panels ? "''" : xlabel, panel % f->across ? "''" : ylabel);
    free(title);
    free(xlabel);
    free(ylabel);
}

/* ---- free blocks by order ---- */

static bool order_rows(const struct runs *runs, double confidence, double *most, struct sb_range *range,
                       struct sb_text *data)
{
    size_t points = sb_series_points(&runs->at[0]);
    double *samples = sb_calloc(runs->n, sizeof(*samples));
    bool any = false;
    for (size_t i = 0; i < points; i++) {
        for (int order = 0; order < SB_NR_ORDERS; order++) {
            size_t n = 0;
            for (size_t t = 0; t < runs->n; t++) {
                double v = sb_series_value(&runs->at[t], "free_blocks", order, i);
                if (!isnan(v))
                    samples[n++] = v;
            }
            struct sb_summary s = sb_summarise(samples, n, confidence);
            if (!s.n)
                continue;
            sb_range_add(range, &s);
            *most = fmax(*most, s.median);
            /* No block at all is not a small number of them: it stays white. */
            sb_text_printf(data, "%zu\t%d\t", i, order);
            sb_text_printf(data, s.median > 0 ? "%.6g" : "-", s.median);
            sb_text_printf(data, "\t%.0f\t%zu\n", sb_series_operations(&runs->at[0], i), s.n);
            any = true;
        }
    }
    free(samples);
    if (any)
        sb_text_printf(data, "\n\n");
    return any;
}

int sb_draw_orders(struct sb_chart *c, char **why)
{
    struct sb_axis axis;
    struct sb_text data = {0};
    struct sb_words panels = {0};
    struct sb_range range;
    double most = 1, points = 0, operations = 0;
    int status = 0;
    sb_range_start(&range);
    sb_axis_make(c, &c->plot->series, &axis);
    for (size_t s = 0; s < axis.labels.n && !status; s++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, NULL, 0, &axis, s);
        struct runs runs = {0};
        status = cell && cell->ok ? load_runs(c, cell, &runs, why) : 0;
        if (!status && runs.n && order_rows(&runs, c->view->confidence, &most, &range, &data)) {
            *SB_VEC_ADD(&panels) = sb_strdup(axis.labels.at[s]);
            points = fmax(points, (double)sb_series_points(&runs.at[0]));
            operations =
                fmax(operations, sb_series_operations(&runs.at[0], sb_series_points(&runs.at[0]) - 1));
        }
        free_runs(&runs);
    }
    if (!status && panels.n) {
        struct sb_figure *f = sb_figure_new(c, sb_printf("%s: free blocks by order", c->where));
        const char *prefix = "";
        double scale = sb_scale_of(operations / 2, &prefix);
        char *x = sb_printf("%soperations", prefix);
        sb_text_printf(&f->data, "# checkpoint\torder\tfree blocks (-: none)\toperations\tn\n%s",
                       sb_text_get(&data));
        start_panels(f, &panels, 1.3, 1.75);
        sb_text_printf(
            &f->script,
            "unset grid\nunset key\nset border 15 lw 0.5\nset tics font small scale 0.3\nif (tex) { set "
            "format '{\\scriptsize $%%h$}' }\nset palette defined "
            "(0 '#deebf7', 0.5 '#4292c6', 1 "
            "'#08306b')\nset logscale cb 10\nset cbrange [1:%.6g]\nset xrange [-0.5:%.6g]\nset yrange "
            "[-0.5:10.5]\nset ytics 0,5,10 offset 0.6,0\nset xtics norotate (little('0') 0, little('%.3g') "
            "%.6g) offset "
            "0,0.4\nset cbtics font small offset 0,0.7\nset cblabel little(t('free blocks')) font small "
            "offset "
            "0,1.2\nunset colorbox\n",
            fmax(2, most), points - 0.5, operations / scale, points - 1);
        for (size_t p = 0; p < panels.n; p++) {
            add_panel(f, p, panels.at[p], x, "order");
            /* Once, or it is drawn over itself. */
            if (p + 1 == panels.n)
                sb_text_printf(
                    &f->script,
                    "set colorbox horizontal user origin screen 0.3, screen %.4f size screen 0.4, screen "
                    "%.4f\n",
                    0.75 / f->height, 0.16 / f->height);
            sb_text_printf(&f->script, "plot data index %zu using 1:2:3 with image pixels notitle\n", p);
        }
        free(x);
        sb_figure_caption(
            c, f,
            "free blocks of the page allocator by order, as /proc/buddyinfo counts them, over the "
            "survey's checkpoints; the darker the more, white: none; logarithmic",
            &range, "whose range stands in the database", "");
    }
    sb_text_free(&data);
    sb_words_free(&panels);
    sb_axis_free(&axis);
    return status;
}

/* ---- addresses ---- */

enum { SHOWN = 128 };

static const struct sb_series *find_series(const struct sb_result *r, const char *name)
{
    for (size_t s = 0; s < r->series.n; s++) {
        if (!strcmp(r->series.at[s].name, name))
            return &r->series.at[s];
    }
    return NULL;
}

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

static const struct sb_result *with_addresses(const struct runs *runs)
{
    for (size_t i = 0; i < runs->n; i++) {
        if (find_series(&runs->at[i], "virtual_page"))
            return &runs->at[i];
    }
    return NULL;
}

int sb_draw_addresses(struct sb_chart *c, char **why)
{
    struct sb_axis axis;
    struct sb_text data = {0};
    struct sb_words panels = {0};
    double widest = 1;
    int status = 0;
    sb_axis_make(c, &c->plot->series, &axis);
    double *tops = sb_calloc(axis.labels.n + 1, sizeof(*tops));
    for (size_t s = 0; s < axis.labels.n && !status; s++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, NULL, 0, &axis, s);
        struct runs runs = {0};
        status = cell && cell->ok ? load_runs(c, cell, &runs, why) : 0;
        const struct sb_result *r = status ? NULL : with_addresses(&runs);
        if (r) {
            sb_text_printf(&data, "# ");
            sb_tsv_name(&data, axis.labels.at[s]);
            sb_text_printf(&data, ": virtual\n");
            address_rows(find_series(r, "virtual_page"), &widest, &tops[panels.n], &data);
            address_rows(find_series(r, "physical_page"), &widest, &tops[panels.n], &data);
            *SB_VEC_ADD(&panels) = sb_strdup(axis.labels.at[s]);
        }
        free_runs(&runs);
    }
    if (!status && panels.n) {
        struct sb_range one = {0, 0, 1, 1};
        struct sb_figure *f = sb_figure_new(c, sb_printf("%s: where its pages lie", c->where));
        sb_text_printf(&f->data,
                       "# KiB into the workload's data\tpages above the lowest; virtual, then physical\n%s",
                       sb_text_get(&data));
        start_panels(f, &panels, 1.7, 0.95);
        sb_text_printf(&f->script,
                       "unset key\nset tics font small scale 0.3\nif (tex) { set format '{\\scriptsize "
                       "$%%h$}' }\nset xtics norotate 0,%.6g offset 0,0.4\nset xrange "
                       "[0:%.6g]\n",
                       sb_few_tics(widest), widest * 1.02);
        for (size_t p = 0; p < panels.n; p++) {
            add_panel(f, p, panels.at[p], "KiB into the data", "pages");
            sb_text_printf(&f->script, "set ytics 0,%.6g offset 0.6,0\nset yrange [0:%.6g]\n",
                           sb_few_tics(tops[p]), tops[p] * 1.05);
            sb_text_printf(&f->script,
                           "plot data index %zu using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, "
                           "data index %zu using 1:2 "
                           "with points pt 2 ps 0.25 lc rgb '#0072b2' notitle\n",
                           2 * p, 2 * p + 1);
        }
        sb_figure_caption(
            c, f,
            "the first 128 pages of what the workload holds at the end of the survey, counted from "
            "the lowest of them: orange dots virtual, blue crosses physical (in the memory file); memory "
            "from "
            "the OS has no physical address that a process may know",
            &one, NULL, "");
    }
    free(tops);
    sb_text_free(&data);
    sb_words_free(&panels);
    sb_axis_free(&axis);
    return status;
}
