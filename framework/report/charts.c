/*
 * What is drawn, and how.
 *
 * An allocator has one colour and one mark wherever it appears, given by its place in the config. Colours are
 * Okabe and Ito's, safe for colour-blind readers, with two more of Tol's; marks differ too, for grey print.
 * An axis is logarithmic when the values span more than a decade; then there are points with intervals and no
 * bars, for a bar's length means nothing without a zero.
 */
#include "report/charts.h"

#include "measure/frag.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const colours[] = {"#555555", "#e69f00", "#0072b2", "#56b4e9", "#009e73",
                                      "#d55e00", "#cc79a7", "#000000", "#882255", "#999933"};
static const char *const pale[] = {"#bbbbbb", "#f7d9a0", "#8fc0e0", "#bfe2f6", "#8fd5c0",
                                   "#f0b48a", "#ecc9dd", "#9a9a9a", "#cf9db4", "#d6d6a5"};
static const int marks[] = {2, 5, 7, 6, 9, 13, 11, 4, 8, 12};

static size_t style_of(size_t allocator)
{
    return allocator % SB_COUNT(colours);
}

/* Colours come round again after ten: whole lines first, then dashed ones. */
static int dash_of(size_t allocator)
{
    return (int)(allocator / SB_COUNT(colours)) + 1;
}

char *sb_machine_name(const struct sb_data *data)
{
    const char *summary = sb_data_meta(data, "topology_summary"), *cpu = NULL, *kernel = NULL;
    for (size_t i = 0; i < data->facts.n; i++) {
        if (!strcmp(data->facts.at[i].name, "cpu"))
            cpu = data->facts.at[i].value;
        if (!strcmp(data->facts.at[i].name, "kernel"))
            kernel = data->facts.at[i].value;
    }
    return sb_printf("%s, %s, %s", cpu ? cpu : "unknown CPU", summary ? summary : "unknown topology",
                     kernel ? kernel : "unknown kernel");
}

/* What fits under a title: the processor and how many CPUs it shows. */
static char *short_machine_name(const struct sb_data *data)
{
    const char *summary = sb_data_meta(data, "topology_summary"), *cpu = NULL;
    for (size_t i = 0; i < data->facts.n; i++) {
        if (!strcmp(data->facts.at[i].name, "cpu"))
            cpu = data->facts.at[i].value;
    }
    const char *cpus = summary ? strstr(summary, " CPU") : NULL, *start = cpus;
    while (start && start > summary && start[-1] != ' ')
        start--;
    if (!cpus)
        return sb_strdup(cpu ? cpu : "unknown machine");
    return sb_printf("%s, %.*s CPUs", cpu ? cpu : "unknown CPU", (int)(cpus - start), start);
}

/* Comparable groups that differ in the thread count alone: one chart. */
struct family {
    const char *workload, *swept;
    size_t groups[64];
    size_t n;
    char *slug, *title;
};

struct painter {
    const struct sb_view *view;
    struct sb_figures *figures;
    char *machine;       /* in full, for captions */
    char *machine_short; /* for the line under a title */
    struct family *families;
    size_t family_count;
};

/* File names: letters, digits and hyphens, whatever the config calls things. */
static char *slug_of(const char *workload, const char *swept)
{
    char *s = sb_printf("%s%s%s", workload, *swept ? "-" : "", swept);
    for (char *p = s; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        else if (!letter)
            *p = '-';
    }
    /* Long and strange names stay apart by their hash. */
    if (strlen(s) > 60) {
        char *cut = sb_printf("%.40s-%016llx", s, (unsigned long long)sb_hash(s));
        free(s);
        s = cut;
    }
    return s;
}

/* Groups are comparable cells; a family adds the threads, which are an axis and not a separate chart. */
static void find_families(struct painter *p)
{
    const struct sb_view *v = p->view;
    p->families = sb_calloc(v->groups.n, sizeof(*p->families));
    for (size_t g = 0; g < v->groups.n; g++) {
        const struct sb_view_group *group = &v->groups.at[g];
        size_t f = 0;
        while (f < p->family_count && (strcmp(p->families[f].workload, group->workload) ||
                                       strcmp(p->families[f].swept, group->swept)))
            f++;
        struct family *family = &p->families[f];
        if (f == p->family_count) {
            p->family_count++;
            family->workload = group->workload;
            family->swept = group->swept;
            family->slug = slug_of(group->workload, group->swept);
            for (size_t i = 0; i < f; i++) {
                if (!strcmp(p->families[i].slug, family->slug)) {
                    char *apart = sb_printf("%s-%zu", family->slug, f + 1);
                    free(family->slug);
                    family->slug = apart;
                }
            }
            family->title = sb_printf("%s%s%s", group->workload, *group->swept ? ", " : "", group->swept);
        }
        if (family->n < SB_COUNT(family->groups))
            family->groups[family->n++] = g;
    }
    /* By thread count, for the axis. */
    for (size_t f = 0; f < p->family_count; f++) {
        struct family *family = &p->families[f];
        for (size_t i = 1; i < family->n; i++) {
            for (size_t j = i;
                 j && v->groups.at[family->groups[j]].threads < v->groups.at[family->groups[j - 1]].threads;
                 j--) {
                size_t t = family->groups[j];
                family->groups[j] = family->groups[j - 1];
                family->groups[j - 1] = t;
            }
        }
    }
}

/* What all charts share: title, border without the upper and right sides, a faint grid. */
static struct sb_figure *add_figure(struct painter *p, const char *kind, const struct family *family,
                                    char *title)
{
    struct sb_figure *f = SB_VEC_ADD(p->figures);
    f->id = sb_printf("%s-%s", kind, family->slug);
    f->title = title;
    char *quoted = sb_gp_quote(title);
    sb_text_printf(&f->script, "set title %s offset 0,0.7\n", quoted);
    sb_text_printf(&f->script, "set border 3 lc rgb '#444444'\nset tics nomirror out scale 0.6\n"
                               "set grid ytics lt 1 lc rgb '#dddddd' lw 0.7\n");
    free(quoted);
    return f;
}

/* The unit that keeps an axis' numbers short. */
static double scale_of(double max, const char **prefix)
{
    static const struct {
        double factor;
        const char *prefix;
    } scales[] = {{1e9, "billion "}, {1e6, "million "}, {1e3, "thousand "}};
    for (size_t i = 0; i < SB_COUNT(scales); i++) {
        if (max >= scales[i].factor) {
            *prefix = scales[i].prefix;
            return scales[i].factor;
        }
    }
    *prefix = "";
    return 1;
}

struct range {
    double min, max;
    size_t least_n, most_n;
};

/* Of the medians' intervals of a metric over a family. */
static struct range range_of(const struct painter *p, const struct family *family, const char *metric)
{
    struct range r = {INFINITY, 0, SIZE_MAX, 0};
    for (size_t i = 0; i < p->view->cells.n; i++) {
        const struct sb_view_cell *cell = &p->view->cells.at[i];
        for (size_t g = 0; g < family->n; g++) {
            if (cell->group != family->groups[g])
                continue;
            struct sb_summary s = sb_view_metric(p->view, cell, metric);
            if (!s.n)
                continue;
            r.min = fmin(r.min, s.min);
            r.max = fmax(r.max, s.max);
            r.least_n = s.n < r.least_n ? s.n : r.least_n;
            r.most_n = s.n > r.most_n ? s.n : r.most_n;
        }
    }
    return r;
}

static char *interval_caption(const struct painter *p, const struct range *r)
{
    if (r->most_n == 1)
        return sb_strdup("one run each, without an interval");
    char *n = r->least_n == r->most_n ? sb_printf("n = %zu", r->most_n)
                                      : sb_printf("n = %zu to %zu", r->least_n, r->most_n);
    char *interval = sb_view_interval(p->view, r->least_n, r->most_n);
    char *text = sb_printf("medians of %s processes each, whiskers: %s", n, interval);
    free(interval);
    free(n);
    return text;
}

/* What whiskers are, in two words: the caption says it in full. */
static char *short_interval(const struct painter *p, const struct range *r)
{
    bool range = r->least_n < 2 || 1 - exp2(1 - (double)r->least_n) < p->view->confidence;
    return range ? sb_strdup("range") : sb_printf("%g %% interval", 100 * p->view->confidence);
}

/* The line under the title, so that a figure taken out of the report still says n, spread and machine. */
static char *range_note(const struct painter *p, const struct range *r, bool dots)
{
    if (r->most_n == 1)
        return sb_printf("one run each; %s", p->machine_short);
    char *n = r->least_n == r->most_n ? sb_printf("%zu", r->most_n)
                                      : sb_printf("%zu to %zu", r->least_n, r->most_n);
    char *whiskers = short_interval(p, r);
    char *note = sb_printf("n = %s, median, whiskers: %s%s; %s", n, whiskers, dots ? ", dots: processes" : "",
                           p->machine_short);
    free(whiskers);
    free(n);
    return note;
}

static void note_n(struct range *r, size_t n)
{
    r->least_n = n < r->least_n ? n : r->least_n;
    r->most_n = n > r->most_n ? n : r->most_n;
}

/* "n = 5", "n = 3 to 5", "one run". */
static char *n_text(const struct range *r)
{
    if (r->most_n == 1)
        return sb_strdup("one run");
    return r->least_n == r->most_n ? sb_printf("n = %zu", r->most_n)
                                   : sb_printf("n = %zu to %zu", r->least_n, r->most_n);
}

static char *series_note(const struct painter *p, int64_t threads, const struct range *r, const char *spread)
{
    char *n = n_text(r);
    char *note = sb_printf("%lld thread%s; %s%s%s; %s", (long long)threads, threads == 1 ? "" : "s", n,
                           r->most_n == 1 ? "" : ", ", r->most_n == 1 ? "" : spread, p->machine_short);
    free(n);
    return note;
}

/* Allocators that have no number in a family, with the first reason: they belong in the caption. */
static void add_missing(const struct painter *p, const struct family *family, const char *metric,
                        struct sb_text *out)
{
    for (size_t a = 0; a < p->view->allocators.n; a++) {
        const struct sb_view_cell *cell = NULL;
        bool any = false;
        for (size_t g = 0; g < family->n; g++) {
            const struct sb_view_cell *c = sb_view_find(p->view, family->groups[g], a);
            cell = cell ? cell : c;
            any |= c && sb_view_metric(p->view, c, metric).n;
        }
        if (cell && !any)
            sb_text_printf(out, " %s: not available, %s.", p->view->allocators.at[a],
                           sb_view_reason(p->view, cell, metric));
    }
}

static bool takes_os_memory(const struct sb_view *view, size_t allocator)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        if (view->cells.at[i].allocator == allocator && !strcmp(view->cells.at[i].row->memory, "from the OS"))
            return true;
    }
    return false;
}

static void add_os_memory(const struct painter *p, struct sb_text *out)
{
    size_t n = 0;
    for (size_t a = 0; a < p->view->allocators.n; a++) {
        if (takes_os_memory(p->view, a))
            sb_text_printf(out, "%s%s", n++ ? ", " : " Memory from the OS: ", p->view->allocators.at[a]);
    }
    if (n && n < p->view->allocators.n)
        sb_text_printf(out, "; from the trial's memory file: the others");
    if (n)
        sb_text_printf(out, ".");
}

/* A name as a cell of a TSV: gnuplot takes tabs and double quotes there for its own. */
static void add_name(struct sb_text *data, const char *name)
{
    for (; *name; name++) {
        char c = *name == '"' ? '\'' : (unsigned char)*name < 0x20 ? ' ' : *name;
        sb_text_add(data, &c, 1);
    }
}

/*
 * gnuplot takes an explicit tic label for a format, and keeps 50 bytes of the result. Longer names are cut,
 * visibly; the page's table has them whole.
 */
static char *quote_tic(const char *name)
{
    enum { MOST = 40 };
    struct sb_text label = {0};
    size_t n = strlen(name), keep = n > MOST ? MOST - 3 : n;
    while (keep && keep < n && ((unsigned char)name[keep] & 0xc0) == 0x80)
        keep--;
    sb_text_add(&label, "", 0);
    for (size_t i = 0; i < keep; i++)
        sb_text_printf(&label, name[i] == '%' ? "%c%c" : "%c", name[i], name[i]);
    sb_text_printf(&label, "%s", keep < n ? "\xe2\x80\xa6" : "");
    char *quoted = sb_gp_quote(label.at);
    sb_text_free(&label);
    return quoted;
}

static void allocator_tics(const struct painter *p, const bool *shown, struct sb_figure *f)
{
    size_t x = 0, n = 0;
    for (size_t a = 0; a < p->view->allocators.n; a++)
        n += shown[a];
    /* Many names slanted would run over each other. */
    sb_text_printf(&f->script, "set xtics rotate by %d (", n > 10 ? -90 : -30);
    for (size_t a = 0; a < p->view->allocators.n; a++) {
        if (!shown[a])
            continue;
        char *name = quote_tic(p->view->allocators.at[a]);
        sb_text_printf(&f->script, "%s%s %zu", x ? ", " : "", name, x);
        free(name);
        x++;
    }
    sb_text_printf(&f->script, ")\nset xrange [-0.6:%zu.6]\n", x ? x - 1 : 0);
}

/* Allocators that have the metric anywhere in the family: each has its place on the axis in all thread
 * counts. */
static bool *find_shown(const struct painter *p, const struct family *family, const char *metric)
{
    bool *shown = sb_calloc(p->view->allocators.n, sizeof(*shown));
    for (size_t a = 0; a < p->view->allocators.n; a++) {
        for (size_t g = 0; g < family->n; g++) {
            const struct sb_view_cell *cell = sb_view_find(p->view, family->groups[g], a);
            shown[a] |= cell && sb_view_metric(p->view, cell, metric).n;
        }
    }
    return shown;
}

/* The rows of one thread count, g-th of the family; false where it has none, for gnuplot doesn't count empty
 * blocks. */
static bool bar_rows(struct painter *p, const struct family *family, const char *metric, size_t g,
                     const bool *shown, double scale, struct sb_text *data)
{
    const char *const *palette = g + 1 == family->n ? colours : pale;
    double width = 0.8 / (double)family->n;
    bool any = false;
    for (size_t a = 0, x = 0; a < p->view->allocators.n; a++) {
        const struct sb_view_cell *cell = sb_view_find(p->view, family->groups[g], a);
        struct sb_summary s = {0};
        if (!shown[a])
            continue;
        double at = (double)x++ - 0.4 + width * ((double)g + 0.5);
        if (cell)
            s = sb_view_metric(p->view, cell, metric);
        if (!s.n)
            continue;
        sb_text_printf(data, "%.4f\t%.6g\t%.6g\t%.6g\t0x%s\t%zu\t%lld\t", at, s.median / scale, s.low / scale,
                       s.high / scale, palette[style_of(a)] + 1, s.n, (long long)cell->row->threads);
        add_name(data, cell->row->allocator);
        sb_text_printf(data, "\n");
        any = true;
    }
    if (any)
        sb_text_printf(data, "\n\n");
    return any;
}

/* Every process as a dot, side by side within its bar's width: nothing that was measured is left out. */
static void dot_rows(struct painter *p, const struct family *family, const char *metric, size_t g,
                     const bool *shown, double scale, struct sb_text *data)
{
    double width = 0.8 / (double)family->n;
    for (size_t a = 0, x = 0; a < p->view->allocators.n; a++) {
        const struct sb_view_cell *cell = sb_view_find(p->view, family->groups[g], a);
        double *samples = NULL;
        size_t n = 0;
        if (!shown[a])
            continue;
        double at = (double)x++ - 0.4 + width * ((double)g + 0.5);
        if (cell)
            samples = sb_view_samples(p->view, cell, metric, &n);
        for (size_t i = 0; i < n && n > 1; i++)
            sb_text_printf(data, "%.4f\t%.6g\n", at + width * 0.6 * ((double)i / (double)(n - 1) - 0.5),
                           samples[i] / scale);
        free(samples);
    }
    sb_text_printf(data, "\n\n");
}

/* What draws one thread count: bars from zero, or points where the axis is logarithmic; both with their
 * range. */
static void bar_clause(struct painter *p, const struct family *family, size_t g, size_t block,
                       bool logarithmic, struct sb_text *plots)
{
    int64_t threads = p->view->groups.at[family->groups[g]].threads;
    bool last = g + 1 == family->n;
    const char *shade = last ? "#555555" : "#bbbbbb", *comma = plots->n ? ", \\\n  " : "";
    int mark = last ? 7 : g ? 9 : 5;
    if (logarithmic)
        sb_text_printf(
            plots,
            "%sdata index %zu using 1:2:3:4:5 with yerrorbars pt %d ps 1.1 lw 1.5 lc rgb variable notitle, "
            "keyentry with points pt %d ps 1.1 lc rgb '%s'",
            comma, block, mark, mark, shade);
    else
        sb_text_printf(plots,
                       "%sdata index %zu using 1:2:(%.3f):5 with boxes lc rgb variable notitle, "
                       "data index %zu using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 lw 1.2 "
                       "lc rgb '#333333' "
                       "notitle, keyentry with boxes lc rgb '%s'",
                       comma, block, 0.72 / (double)family->n, block, shade);
    sb_text_printf(plots, " title '%lld thread%s'", (long long)threads, threads == 1 ? "" : "s");
}

/* What bars can show. A share has the whole as its axis, and no prefix. */
struct bar_kind {
    const char *id, *title, *metric, *label, *caption;
    bool share;
};

static const struct bar_kind bar_kinds[] = {
    {"throughput", "throughput", "ops_per_s", "operations / s", "Operations per second over all threads",
     false},
    {"success", "allocations that succeeded", "success", "attempts that succeeded (%)",
     "Share of the attempts that didn't end with NULL", true},
};

/* Allocators side by side, thread counts as shades of one colour: paler for fewer. */
static void bars(struct painter *p, const struct family *family, const struct bar_kind *kind)
{
    struct range r = range_of(p, family, kind->metric);
    if (!r.most_n)
        return;
    bool *shown = find_shown(p, family, kind->metric), logarithmic = !kind->share && r.max > 10 * r.min;
    const char *prefix = "";
    double scale = kind->share ? 1 : scale_of(r.max, &prefix);
    struct sb_text caption = {0}, plots = {0};
    struct sb_figure *f = add_figure(p, kind->id, family, sb_printf("%s: %s", family->title, kind->title));
    sb_text_printf(&f->data, "# x\tmedian\tlow\thigh\tcolour\tn\tthreads\tallocator; then x\tvalue of each "
                             "process\n");
    for (size_t g = 0, block = 0; g < family->n; g++) {
        if (!bar_rows(p, family, kind->metric, g, shown, scale, &f->data))
            continue;
        bar_clause(p, family, g, block++, logarithmic, &plots);
        if (r.most_n == 1)
            continue;
        dot_rows(p, family, kind->metric, g, shown, scale, &f->data);
        sb_text_printf(&plots,
                       ", \\\n  data index %zu using 1:2 with points pt 7 ps 0.25 lc rgb '#60000000' notitle",
                       block++);
    }
    allocator_tics(p, shown, f);
    sb_text_printf(&f->script,
                   "set ylabel '%s%s'\nset key outside bottom center horizontal samplen 2\n"
                   "set style fill solid 1.0 noborder\nset bars 0.6\n%splot %s\n",
                   prefix, kind->label,
                   kind->share   ? "set yrange [0:100]\n"
                   : logarithmic ? "set logscale y 10\nset yrange [*:*]\n"
                                 : "set yrange [0:*]\n",
                   sb_text_get(&plots));
    char *interval = interval_caption(p, &r);
    sb_text_printf(&caption, "%s; %s%s.%s Machine: %s.", kind->caption, interval,
                   r.most_n > 1 ? ", dots: every process" : "", logarithmic ? " Logarithmic axis." : "",
                   p->machine);
    add_missing(p, family, kind->metric, &caption);
    add_os_memory(p, &caption);
    f->caption = caption.at;
    f->note = range_note(p, &r, true);
    sb_text_free(&plots);
    free(interval);
    free(shown);
}

/* Lines are drawn because threads are an ordered axis; with one thread count there is nothing to draw. */
static void scaling(struct painter *p, const struct family *family)
{
    struct range r = range_of(p, family, "ops_per_s");
    const char *prefix;
    if (!r.most_n || family->n < 2)
        return;
    double scale = scale_of(r.max, &prefix);
    bool logarithmic = r.max > 10 * r.min;
    struct sb_text caption = {0}, plots = {0};
    struct sb_figure *f =
        add_figure(p, "threads", family, sb_printf("%s: throughput by threads", family->title));
    size_t block = 0;
    sb_text_printf(&f->data, "# threads\tmedian\tlow\thigh\tn\tallocator\n");
    for (size_t a = 0; a < p->view->allocators.n; a++) {
        size_t rows = 0;
        for (size_t g = 0; g < family->n; g++) {
            const struct sb_view_cell *cell = sb_view_find(p->view, family->groups[g], a);
            struct sb_summary s = {0};
            if (cell)
                s = sb_view_metric(p->view, cell, "ops_per_s");
            if (!s.n)
                continue;
            sb_text_printf(&f->data, "%lld\t%.6g\t%.6g\t%.6g\t%zu\t", (long long)cell->row->threads,
                           s.median / scale, s.low / scale, s.high / scale, s.n);
            add_name(&f->data, cell->row->allocator);
            sb_text_printf(&f->data, "\n");
            rows++;
        }
        if (!rows)
            continue;
        sb_text_printf(&f->data, "\n\n");
        char *name = sb_gp_quote(p->view->allocators.at[a]);
        sb_text_printf(
            &plots,
            "%sdata index %zu using 1:2:3:4 with yerrorlines pt %d ps 1 lw 1.5 dt %d lc rgb '%s' title %s",
            plots.n ? ", \\\n  " : "", block++, marks[style_of(a)], dash_of(a), colours[style_of(a)], name);
        free(name);
    }
    int64_t first = p->view->groups.at[family->groups[0]].threads;
    int64_t last = p->view->groups.at[family->groups[family->n - 1]].threads;
    sb_text_printf(&f->script,
                   "set xlabel 'threads, one per CPU'\nset ylabel '%soperations / s'\n"
                   "set key outside bottom center horizontal samplen 2\nset bars 0.6\nset xtics (",
                   prefix);
    for (size_t g = 0; g < family->n; g++)
        sb_text_printf(&f->script, "%s%lld", g ? ", " : "",
                       (long long)p->view->groups.at[family->groups[g]].threads);
    sb_text_printf(&f->script, ")\n%sset xrange [%.3f:%.3f]\n", last > 8 * first ? "set logscale x 2\n" : "",
                   (double)first * 0.9, (double)last * 1.1);
    sb_text_printf(&f->script, logarithmic ? "set logscale y 10\n" : "set yrange [0:*]\n");
    sb_text_printf(&f->script, "plot %s\n", sb_text_get(&plots));
    char *interval = interval_caption(p, &r);
    sb_text_printf(&caption, "Operations per second over all threads; %s.%s Machine: %s.", interval,
                   logarithmic ? " Logarithmic axis." : "", p->machine);
    add_missing(p, family, "ops_per_s", &caption);
    f->caption = caption.at;
    f->note = range_note(p, &r, false);
    free(interval);
    sb_text_free(&plots);
}

/* ---- series over operations ---- */

/* A value computed from one checkpoint of a trial's series; NaN where it can't be. */
typedef double (*point_fn)(const struct sb_result *r, size_t i);

/* NaN where a series or point is missing: it is left out, never drawn as zero. */
static double series_value(const struct sb_result *r, const char *name, int key, size_t i)
{
    for (size_t s = 0; s < r->series.n; s++) {
        if (r->series.at[s].key == key && !strcmp(r->series.at[s].name, name))
            return i < r->series.at[s].n ? r->series.at[s].at[i].y : (double)NAN;
    }
    return NAN;
}

static bool free_blocks_at(const struct sb_result *r, size_t i, uint64_t blocks[SB_NR_ORDERS])
{
    for (int order = 0; order < SB_NR_ORDERS; order++) {
        double n = series_value(r, "free_blocks", order, i);
        if (isnan(n))
            return false;
        blocks[order] = (uint64_t)n;
    }
    return true;
}

enum { HUGE_ORDER = 9 }; /* 2 MiB: what a transparent huge page needs */

static double external_at(const struct sb_result *r, size_t i)
{
    uint64_t blocks[SB_NR_ORDERS];
    return free_blocks_at(r, i, blocks) ? sb_unusable_index(blocks, HUGE_ORDER) / 1000.0 : (double)NAN;
}

static double internal_at(const struct sb_result *r, size_t i)
{
    double requested = series_value(r, "requested_bytes", 0, i),
           handed = series_value(r, "handed_bytes", 0, i);
    return handed > 0 ? 100 * (1 - requested / handed) : (double)NAN;
}

static double footprint_at(const struct sb_result *r, size_t i)
{
    double resident = series_value(r, "resident_bytes", 0, i);
    return (isnan(resident) ? series_value(r, "held_bytes", 0, i) : resident) / (1 << 20);
}

static double requested_at(const struct sb_result *r, size_t i)
{
    return series_value(r, "requested_bytes", 0, i) / (1 << 20);
}

/* The ok trials of a cell with their series. */
struct runs {
    struct sb_result *at;
    size_t n, capacity;
};

/* Series are large and used once: loaded for one cell, freed after it. */
static int load_runs(const struct painter *p, const struct sb_view_cell *cell, struct runs *runs, char **why)
{
    int status = 0;
    for (size_t t = 0; t < p->view->data.trials.n && !status; t++) {
        const struct sb_trial_row *trial = &p->view->data.trials.at[t];
        if (trial->cell == cell->row->id && trial->result.status == SB_STATUS_OK)
            status = sb_store_load_series(p->view->store, trial->number, SB_VEC_ADD(runs), why);
    }
    return status;
}

static void free_runs(struct runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        sb_result_free(&runs->at[i]);
    SB_VEC_FREE(runs);
}

static size_t points_of(const struct runs *runs)
{
    return runs->n && runs->at[0].series.n ? runs->at[0].series.at[0].n : 0;
}

/* One block of rows: operations, median, min, max over the runs. Returns the number of rows. */
static size_t add_series(const struct runs *runs, double confidence, point_fn value, const char *name,
                         struct sb_text *data, bool *spread)
{
    double *samples = sb_calloc(runs->n, sizeof(*samples));
    size_t rows = 0;
    for (size_t i = 0; i < points_of(runs); i++) {
        size_t n = 0;
        for (size_t t = 0; t < runs->n; t++) {
            double v = value(&runs->at[t], i);
            if (!isnan(v))
                samples[n++] = v;
        }
        struct sb_summary s = sb_summarise(samples, n, confidence);
        if (!s.n)
            continue;
        *spread |= s.max > s.min;
        sb_text_printf(data, "%.0f\t%.6g\t%.6g\t%.6g\t%zu\t", runs->at[0].series.at[0].at[i].x, s.median,
                       s.min, s.max, s.n);
        add_name(data, name);
        sb_text_printf(data, "\n");
        rows++;
    }
    free(samples);
    if (rows)
        sb_text_printf(data, "\n\n");
    return rows;
}

struct series_kind {
    const char *id, *title, *label, *caption;
    point_fn value;
    point_fn reference; /* drawn once, dashed, as what was asked for; or NULL */
};

static const struct series_kind series_kinds[] = {
    {"external", "external fragmentation", "unusable free space index",
     "The kernel's unusable free space index for order 9 (2 MiB, a huge page): the share of free memory in "
     "blocks too "
     "small for it",
     external_at, NULL},
    {"internal", "internal fragmentation", "internal fragmentation (%)",
     "Share of the bytes handed out that nobody asked for", internal_at, NULL},
    {"footprint", "memory held", "held (MiB)",
     "Memory that the allocator holds, for malloc the growth of the resident set; dashed: what the workload "
     "asked for",
     footprint_at, requested_at},
};

/* Appends the plot clause of one allocator's block; x is divided by `scale` and `unit` names what is left. */
static void add_clause(struct sb_text *plots, size_t block, size_t allocator, const char *name, double scale)
{
    char *title = sb_gp_quote(name);
    const char *colour = colours[style_of(allocator)];
    sb_text_printf(
        plots,
        "data index %zu using ($1/%g):3:4 with filledcurves fs transparent solid 0.15 lc rgb '%s' notitle, "
        "data index %zu using ($1/%g):2 with linespoints pt %d ps 0.8 pointinterval %d lw 1.5 dt %d lc rgb "
        "'%s' "
        "title %s, \\\n  ",
        block, scale, colour, block, scale, marks[style_of(allocator)], (int)(4 + allocator % 3),
        dash_of(allocator), colour, title);
    free(title);
}

static double last_x(const struct runs *runs)
{
    size_t n = points_of(runs);
    return n ? runs->at[0].series.at[0].at[n - 1].x : 0;
}

static int series_chart(struct painter *p, const struct family *family, const struct series_kind *kind,
                        char **why)
{
    struct range r = {.least_n = SIZE_MAX};
    size_t group = family->groups[0], block = 0;
    struct sb_text plots = {0}, caption = {0}, data = {0};
    char *reference = NULL;
    const char *prefix = "";
    bool spread = false;
    double scale = 1;
    int status = 0;
    for (size_t a = 0; a < p->view->allocators.n && !status; a++) {
        const struct sb_view_cell *cell = sb_view_find(p->view, group, a);
        struct runs runs = {0};
        if (!cell || !cell->ok)
            continue;
        status = load_runs(p, cell, &runs, why);
        if (!r.most_n)
            scale = scale_of(last_x(&runs) / 10, &prefix);
        if (kind->reference && !reference &&
            add_series(&runs, p->view->confidence, kind->reference, "requested", &data, &spread))
            reference =
                sb_printf("data index %zu using ($1/%g):2 with lines dt 2 lw 1.5 lc rgb '#222222' title "
                          "'requested', \\\n  ",
                          block++, scale);
        if (add_series(&runs, p->view->confidence, kind->value, p->view->allocators.at[a], &data, &spread)) {
            add_clause(&plots, block++, a, p->view->allocators.at[a], scale);
            note_n(&r, runs.n);
        }
        free_runs(&runs);
    }
    if (!r.most_n || status)
        goto out;
    /* Last, hence on top: where an allocator holds just what was requested its line must not hide it. */
    sb_text_printf(&plots, "%s", reference ? reference : "");
    plots.n -= strlen(", \\\n  ");
    plots.at[plots.n] = '\0';
    struct sb_figure *figure =
        add_figure(p, kind->id, family, sb_printf("%s: %s", family->title, kind->title));
    sb_text_printf(&figure->data, "# operations\tmedian\tmin\tmax\tn\tallocator\n%s", sb_text_get(&data));
    sb_text_printf(
        &figure->script,
        "set xlabel '%soperations since the start, all threads'\nset ylabel '%s'\n"
        "set key outside bottom center horizontal samplen 2\nset xrange [0:*]\nset yrange [0:*]\nplot %s\n",
        prefix, kind->label, sb_text_get(&plots));
    int64_t threads = p->view->groups.at[group].threads;
    char *n = n_text(&r);
    sb_text_printf(&caption, "%s. %lld thread%s; %s%s%s. Machine: %s.", kind->caption, (long long)threads,
                   threads == 1 ? "" : "s", n, r.most_n == 1 ? "" : " processes each, ",
                   r.most_n == 1 ? ""
                   : spread      ? "medians, band from the smallest to the largest"
                                 : "which all agree",
                   p->machine);
    free(n);
    figure->caption = caption.at;
    figure->note = series_note(p, threads, &r, "median, band: range");
out:
    free(reference);
    sb_text_free(&data);
    sb_text_free(&plots);
    return status;
}

/* The checkpoint where most is live. */
static size_t fullest(const struct runs *runs)
{
    size_t best = 0;
    for (size_t i = 1; i < points_of(runs); i++) {
        if (requested_at(&runs->at[0], i) > requested_at(&runs->at[0], best))
            best = i;
    }
    return best;
}

static int free_blocks_chart(struct painter *p, const struct family *family, char **why)
{
    struct range r = {.least_n = SIZE_MAX};
    size_t group = family->groups[0], block = 0;
    struct sb_text plots = {0}, data = {0}, caption = {0};
    int status = 0;
    for (size_t a = 0; a < p->view->allocators.n && !status; a++) {
        const struct sb_view_cell *cell = sb_view_find(p->view, group, a);
        struct runs runs = {0};
        uint64_t blocks[SB_NR_ORDERS];
        if (!cell || !cell->ok)
            continue;
        status = load_runs(p, cell, &runs, why);
        size_t at = fullest(&runs);
        if (!status && runs.n && free_blocks_at(&runs.at[0], at, blocks)) {
            double *samples = sb_calloc(runs.n, sizeof(*samples));
            for (int order = 0; order < SB_NR_ORDERS; order++) {
                size_t have = 0;
                for (size_t t = 0; t < runs.n; t++)
                    samples[have++] = series_value(&runs.at[t], "free_blocks", order, at);
                struct sb_summary s = sb_summarise(samples, have, p->view->confidence);
                sb_text_printf(&data, "%d\t%.6g\t%.6g\t%.6g\t%zu\t", order, s.median, s.min, s.max, s.n);
                add_name(&data, p->view->allocators.at[a]);
                sb_text_printf(&data, "\n");
            }
            sb_text_printf(&data, "\n\n");
            char *name = sb_gp_quote(p->view->allocators.at[a]);
            /* Side by side: equal counts would hide each other. */
            sb_text_printf(&plots,
                           "%sdata index %zu using ($1%+.2f):2:3:4 with yerrorbars pt %d ps 1 lw 1.3 lc rgb "
                           "'%s' title %s",
                           plots.n ? ", \\\n  " : "", block, 0.11 * ((double)(block % 8) - 3),
                           marks[style_of(a)], colours[style_of(a)], name);
            block++;
            free(name);
            free(samples);
            note_n(&r, runs.n);
        }
        free_runs(&runs);
    }
    if (r.most_n && !status) {
        struct sb_figure *f =
            add_figure(p, "free-blocks", family, sb_printf("%s: free blocks by order", family->title));
        sb_text_printf(&f->data, "# order\tmedian\tmin\tmax\tn\tallocator\n%s", sb_text_get(&data));
        sb_text_printf(
            &f->script,
            "set xlabel 'order (a block is 2^order pages of 4 KiB)'\nset ylabel 'free blocks'\n"
            "set key outside bottom center horizontal samplen 2\nset xrange [-0.6:10.6]\nset xtics 0,1,10\n"
            "set yrange [0:*]\nset bars 0.5\nplot %s\n",
            sb_text_get(&plots));
        int64_t threads = p->view->groups.at[group].threads;
        char *n = n_text(&r);
        sb_text_printf(
            &caption,
            "Free blocks of the page allocator, as /proc/buddyinfo counts them, at the checkpoint where most "
            "is live. %lld thread%s, %s, median, whiskers from the smallest to the largest. "
            "Machine: %s.",
            (long long)threads, threads == 1 ? "" : "s", n, p->machine);
        free(n);
        f->caption = caption.at;
        f->note = series_note(p, threads, &r, "median, whiskers: range");
    }
    sb_text_free(&plots);
    sb_text_free(&data);
    return status;
}

/* By kind first: a reader compares the same chart across workloads. */
int sb_charts_make(const struct sb_view *view, struct sb_figures *figures, char **why)
{
    struct painter p = {view, figures, sb_machine_name(&view->data), short_machine_name(&view->data),
                        NULL, 0};
    int status = 0;
    find_families(&p);
    for (size_t k = 0; k < SB_COUNT(bar_kinds); k++) {
        for (size_t f = 0; f < p.family_count; f++)
            bars(&p, &p.families[f], &bar_kinds[k]);
    }
    for (size_t f = 0; f < p.family_count; f++)
        scaling(&p, &p.families[f]);
    for (size_t k = 0; k < SB_COUNT(series_kinds) && !status; k++) {
        for (size_t f = 0; f < p.family_count && !status; f++)
            status = series_chart(&p, &p.families[f], &series_kinds[k], why);
    }
    for (size_t f = 0; f < p.family_count && !status; f++)
        status = free_blocks_chart(&p, &p.families[f], why);
    for (size_t f = 0; f < p.family_count; f++) {
        free(p.families[f].slug);
        free(p.families[f].title);
    }
    free(p.families);
    free(p.machine);
    free(p.machine_short);
    return status;
}
