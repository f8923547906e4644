/*
 * Charts of single calls' latencies: the curve of percentiles and the distribution. All processes of a cell
 * are merged by adding their histograms; whiskers show the smallest and the largest of the processes' own
 * percentiles. A percentile that fewer than ten calls lie beyond is not drawn.
 */
#include "figure/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* By -log10(1 - p), so that every further nine has the same room: 50 % to 99.99 % and the way between. */
enum { STEPS = 80, MARKED = 5, SHARES = STEPS + 1 + MARKED };

static const double marked[MARKED] = {0.5, 0.9, 0.99, 0.999, 0.9999};

struct calls {
    struct sb_chart *chart;
    const char *kind; /* alloc, free, response */
    struct sb_axis series;
    struct sb_text plots;
    size_t block;
    bool *drawn;           /* of the series */
    struct sb_range range; /* n: calls */
    size_t least_processes, most_processes;
    double resolution; /* of the clock */
    bool below, above; /* some of it is shorter; some isn't */
    bool cdf;
};

/* The curve's points, then the marks: one array, so that histograms are read once for both. */
static double share_at(size_t i)
{
    return i <= STEPS ? 1 - pow(10, -4.0 * (double)i / STEPS) : marked[i - STEPS - 1];
}

/* A linear axis would squeeze the tail, which is what such a chart is for, into its last pixel. */
static double place_of(double share)
{
    return -log10(1 - share);
}

static bool is_known(double ns)
{
    return !isnan(ns) && !isinf(ns);
}

static bool is_below(const struct calls *q, double ns)
{
    return sb_reading_is_below((struct sb_reading){ns, q->resolution});
}

/* A row for each bucket that has calls, with the share of all that lie in it or below: the distribution
 * itself. Thousands of buckets are no finer in print than the hundreds kept here. */
static size_t cdf_rows(struct calls *q, const struct sb_histogram *h, struct sb_text *data)
{
    enum { FINEST = 500 };
    size_t rows = 0;
    uint64_t seen = 0, last = 0;
    for (size_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++) {
        double ns = fmin(sb_histogram_value(i), (double)h->max) / SB_HISTOGRAM_UNITS;
        /* Of all that is shorter than the step only the number is known: the curve begins at the step with
         * it. */
        if (!is_below(q, ns) && seen && !rows) {
            sb_text_printf(data, "%.6g\t%.5f\n", q->resolution, 100 * (double)seen / (double)h->n);
            rows++;
        }
        seen += h->counts[i];
        q->below |= is_below(q, ns) && h->counts[i];
        if (is_below(q, ns) || !h->counts[i] || (seen < h->n && (seen - last) * FINEST < h->n))
            continue;
        sb_text_printf(data, "%.6g\t%.5f\n", ns, 100 * (double)seen / (double)h->n);
        last = seen;
        rows++;
    }
    return rows;
}

/* Every percentile that is known. */
static size_t percentile_rows(struct calls *q, const struct sb_histogram *h, struct sb_text *data)
{
    size_t rows = 0;
    for (size_t i = 0; i <= STEPS; i++) {
        double ns = sb_histogram_quantile(h, share_at(i));
        q->below |= is_below(q, ns);
        if (!is_known(ns) || is_below(q, ns))
            continue;
        sb_text_printf(data, "%.4f\t%.6g\n", place_of(share_at(i)), ns);
        rows++;
    }
    return rows;
}

/* A block without a row would not be counted by gnuplot. */
static void curve_rows(struct calls *q, const struct sb_histogram *h, struct sb_text *data)
{
    size_t rows = q->cdf ? cdf_rows(q, h, data) : percentile_rows(q, h, data);
    q->above |= rows > 0;
    sb_text_printf(data, "%s\n\n", rows ? "" : "-\t-\n");
}

/* Whiskers at the percentiles that papers quote; a band along the whole curve would hide the other curves. */
static void mark_rows(struct calls *q, const struct sb_histogram *h, const double *low, const double *high,
                      struct sb_text *data)
{
    size_t rows = 0;
    for (size_t i = 0; i < MARKED; i++) {
        double ns = sb_histogram_quantile(h, marked[i]), least = low[STEPS + 1 + i], most = high[STEPS + 1 + i];
        if (!is_known(ns) || is_below(q, ns))
            continue;
        /* A whisker that leads into the band ends at its edge. */
        least = fmin(ns, fmax(is_known(least) ? least : ns, q->resolution));
        most = is_known(most) ? most : ns;
        if (q->cdf)
            sb_text_printf(data, "%.6g\t%.5f\t%.6g\t%.6g\n", ns, 100 * marked[i], least, most);
        else
            sb_text_printf(data, "%.4f\t%.6g\t%.6g\t%.6g\n", place_of(marked[i]), ns, least, most);
        rows++;
    }
    sb_text_printf(data, "%s\n\n", rows ? "" : "-\t-\t-\t-\n");
}

/* Curve and marks are two plots but one entry of the legend. */
static void add_clause(struct calls *q, size_t s)
{
    size_t colour = q->series.colours[s];
    char *title = sb_gp_name(q->series.labels.at[s]);
    sb_text_printf(&q->plots,
                   "%sdata index %zu using 1:2 with %s lw 1.3 dt %d lc rgb '%s' notitle, "
                   "data index %zu using 1:2:3:4 with %s pt %d ps 0.8 lw 1 lc rgb '%s' notitle, "
                   "keyentry with linespoints pt %d ps 0.8 dt %d lc rgb '%s' title %s",
                   q->plots.n ? ", \\\n  " : "", q->block, q->cdf ? "steps" : "lines", sb_dash(colour),
                   sb_colour(colour), q->block + 1, q->cdf ? "xerrorbars" : "yerrorbars", sb_mark(colour),
                   sb_colour(colour), sb_mark(colour), sb_dash(colour), sb_colour(colour), title);
    q->block += 2;
    free(title);
}

/* Half of the calls must have an end: a curve of what is left of an overload would flatter it. */
static int add_cell(struct calls *q, size_t s, const struct sb_view_cell *cell, struct sb_text *data, char **why)
{
    double shares[SHARES], low[SHARES], high[SHARES];
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    struct sb_summary resolution = sb_view_metric(q->chart->view, cell, SB_NAME(CLOCK_RESOLUTION));
    for (size_t i = 0; i < SHARES; i++)
        shares[i] = share_at(i);
    int status = sb_view_latencies(q->chart->view, cell, q->kind, shares, SHARES, h, low, high, why);
    q->drawn[s] = !status && h->n && is_known(sb_histogram_quantile(h, 0.5));
    if (q->drawn[s]) {
        if (resolution.n)
            q->resolution = resolution.median;
        q->range.least_n = h->n < q->range.least_n ? h->n : q->range.least_n;
        q->range.most_n = h->n > q->range.most_n ? h->n : q->range.most_n;
        q->least_processes = cell->ok < q->least_processes ? cell->ok : q->least_processes;
        q->most_processes = cell->ok > q->most_processes ? cell->ok : q->most_processes;
        sb_text_printf(data, "# ");
        sb_tsv_name(data, q->series.labels.at[s]);
        sb_text_printf(data, "\tcalls: %llu\n", (unsigned long long)h->n);
        curve_rows(q, h, data);
        mark_rows(q, h, low, high, data);
        add_clause(q, s);
    }
    free(h);
    return status;
}

/* Nines by their names; gnuplot's own numbers would be those of the transformed axis. */
static void percentile_axes(struct sb_figure *f, const char *label)
{
    char *y = sb_gp_text(label), *x = sb_gp_text("percentile of calls");
    sb_text_printf(&f->script,
                   "set xlabel %s offset 0,0.5*up\nset ylabel %s\nset logscale y 10\nset yrange [*:*]\n"
                   "set xrange [0:4.15]\nset xtics norotate ('0' 0, '50' 0.30103, '90' 1, '99' 2, '99.9' 3, "
                   "'99.99' 4)\nset bars 0.5\n",
                   x, y);
    free(x);
    free(y);
}

/* The whole of the calls on a linear axis: here the middle is of interest, the tail has a chart of its own.
 */
static void cdf_axes(struct sb_figure *f, const char *label)
{
    char *x = sb_gp_text(label), *y = sb_gp_text("calls that took no longer (%)");
    sb_text_printf(&f->script,
                   "set xlabel %s offset 0,0.5*up\nset ylabel %s\nset logscale x 10\nset xrange [*:*]\n"
                   "set yrange [0:100]\nset xtics norotate autofreq\n"
                   "set grid xtics lt 1 lc rgb '#dddddd' lw 0.7\nset bars 0.5\n",
                   x, y);
    free(x);
    free(y);
}

static const struct {
    const char *name, *title, *label, *what;
} kinds[] = {
    {"alloc", "latency of single allocations", "allocation (ns)", "service time of an allocation"},
    {"free", "latency of single frees", "free (ns)", "service time of a free"},
    {"response", "response time of calls", "response (ns)", "time from when a call was due to its end"},
};

/* The axis begins within the band, for what lies there has no place of its own. Where all does, nothing else
 * says where the axis ends. */
static void add_step(const struct calls *q, struct sb_figure *f)
{
    if (!q->below)
        return;
    sb_add_step_band(f, q->cdf ? 'x' : 'y', q->resolution, 1, "ns");
    char *end = q->above ? sb_strdup("*") : sb_printf("%.6g", 2 * q->resolution);
    sb_text_printf(&f->script, "set %crange [%.6g:%s]\n", q->cdf ? 'x' : 'y', q->resolution / 2, end);
    free(end);
}

/* n is that of calls, and processes are named beside it: calls of one process are not independent. */
static void finish(struct calls *q, size_t k, struct sb_text *data)
{
    struct sb_chart *c = q->chart;
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: %s", c->where, kinds[k].title));
    sb_text_printf(&f->data, q->cdf ? "# ns\t%%\tlow ns\thigh ns\n%s" : "# -log10(1 - share)\tns\tlow\thigh\n%s",
                   sb_text_get(data));
    f->height = 5.6;
    if (q->cdf)
        cdf_axes(f, kinds[k].label);
    else
        percentile_axes(f, kinds[k].label);
    sb_add_key(f, &q->series, 0);
    add_step(q, f);
    sb_text_printf(&f->script, "plot %s\n", sb_text_get(&q->plots));
    char *calls = q->range.least_n == q->range.most_n
                      ? sb_printf("%zu calls", q->range.most_n)
                      : sb_printf("%zu to %zu calls", q->range.least_n, q->range.most_n);
    char *what = sb_printf("%s; %s of a cell, those of all processes together%s; "
                           "known to 0.4 %% and to the clock's step of %.3g ns%s; "
                           "a call that is timed alone takes some nanoseconds longer than in a batch",
                           kinds[k].what, calls, q->cdf ? "" : "; both axes logarithmic", q->resolution,
                           q->below ? ": what is shorter lies somewhere in the hatched band" : "");
    struct sb_range processes = {0, 0, q->least_processes, q->most_processes};
    char *note = sb_printf("%s a cell; whiskers: range of the processes' own", calls);
    sb_figure_caption(c, f, &processes,
                      &(struct sb_caption){.what = what,
                                           .subject = "Merged histograms",
                                           .spread = "whiskers from the smallest to the largest of the processes' own",
                                           .note = note});
    sb_caption_missing(c, f, NULL, &q->series, q->drawn);
    free(note);
    free(what);
    free(calls);
}

static int draw(struct sb_chart *c, bool cdf, char **why)
{
    struct calls q = {.chart = c, .kind = c->plot->metric ? c->plot->metric : "alloc", .cdf = cdf};
    struct sb_text data = {0};
    size_t k = 0;
    int status = 0;
    while (k < SB_COUNT(kinds) && strcmp(kinds[k].name, q.kind))
        k++;
    if (k == SB_COUNT(kinds)) {
        sb_chart_note(c, sb_printf("metric = %s: expected alloc, free or response", q.kind));
        return 0;
    }
    q.least_processes = SIZE_MAX;
    sb_range_start(&q.range);
    sb_axis_make(c, &c->plot->series, &q.series);
    sb_axis_name(&q.series, &c->plot->series);
    q.drawn = sb_calloc(q.series.labels.n + 1, sizeof(*q.drawn));
    for (size_t s = 0; s < q.series.labels.n && !status; s++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, NULL, 0, &q.series, s);
        if (cell && cell->ok)
            status = add_cell(&q, s, cell, &data, why);
    }
    if (!status && q.plots.n)
        finish(&q, k, &data);
    free(q.drawn);
    sb_axis_free(&q.series);
    sb_text_free(&q.plots);
    sb_text_free(&data);
    return status;
}

int sb_draw_percentiles(struct sb_chart *chart, char **why)
{
    return draw(chart, false, why);
}

int sb_draw_cdf(struct sb_chart *chart, char **why)
{
    return draw(chart, true, why);
}
