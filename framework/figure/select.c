/*
 * From a plot's description to charts: which cells, what stands along the axes, what is a chart of its own.
 * Whatever varies and is named nowhere becomes a facet, so a chart never mixes what can't be compared.
 */
#include "figure/chart.h"

#include "base/diag.h"
#include "config/experiment.h"
#include "config/section.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sb_words sb_view_dimensions(const struct sb_view *view)
{
    struct sb_words names = {0};
    sb_words_add_once(&names, "workload");
    for (size_t i = 0; i < view->cells.n; i++) {
        for (size_t j = 0; j < view->cells.at[i].row->swept.n; j++)
            sb_words_add_once(&names, view->cells.at[i].row->swept.at[j].name);
    }
    sb_words_add_once(&names, "threads");
    sb_words_add_once(&names, "allocator");
    return names;
}

/* The value of one dimension; `buffer` may hold it. "" where it doesn't vary in this cell. */
static const char *value_of(const struct sb_chart *c, const struct sb_view_cell *cell, const char *dimension,
                            char buffer[24])
{
    if (!strcmp(dimension, "allocator"))
        return c->by_section ? cell->section : cell->variant;
    if (!strcmp(dimension, "workload"))
        return cell->row->workload;
    if (!strcmp(dimension, "threads")) {
        snprintf(buffer, 24, "%lld", (long long)cell->row->threads);
        return buffer;
    }
    const char *value = sb_swept_value(cell->row, dimension);
    return value ? value : "";
}

/* Beside the section's other values the key alone says enough. */
static const char *short_key(const char *dimension)
{
    const char *dot = sb_sweep_dot(dimension);
    return dot ? dot + 1 : dimension;
}

/* Beside others a number of threads needs its noun, and a swept value its key. */
static void add_part(struct sb_text *out, const char *dimension, const char *value, bool alone, bool keys)
{
    if (!*value)
        return;
    if (out->n)
        sb_text_printf(out, keys ? ", " : " ");
    bool named = strcmp(dimension, "allocator") && strcmp(dimension, "workload");
    if (named && !alone && !strcmp(dimension, "threads"))
        sb_text_printf(out, "%s thread%s", value, strcmp(value, "1") ? "s" : "");
    else if (named && !alone)
        sb_text_printf(out, "%s=%s", keys ? dimension : short_key(dimension), value);
    else
        sb_text_printf(out, "%s", value);
}

/* The order of the dimensions is that of the plot, so labels of one chart read alike. */
static char *label_of(const struct sb_chart *c, const struct sb_view_cell *cell, const struct sb_words *dimensions,
                      bool keys)
{
    struct sb_text text = {0};
    char buffer[24];
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < dimensions->n; i++)
        add_part(&text, dimensions->at[i], value_of(c, cell, dimensions->at[i], buffer), dimensions->n == 1 && !keys,
                 keys);
    return text.at;
}

/* "4000B" is 4000: a number with a unit that sizes, times and shares have, in base units, so that "64KiB" and "1MiB"
 * stand in their order on one axis; NaN for anything else. */
static double number_of(const char *text)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},      {"B", 1},     {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824},
                 {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},  {"s", 1},         {"min", 60},
                 {"%", 1},     {"/s", 1}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < SB_COUNT(units) && end != text; i++) {
        if (!strcmp(end, units[i].unit))
            return value * units[i].factor;
    }
    return NAN;
}

/* The unit of a bare number on an axis. */
static char *axis_title(const struct sb_words *dimensions)
{
    struct sb_text text = {0};
    if (dimensions->n == 1 && !strcmp(dimensions->at[0], "threads"))
        return sb_strdup("threads, one per CPU");
    for (size_t i = 0; i < dimensions->n; i++)
        sb_text_printf(&text, "%s%s", i ? ", " : "", dimensions->at[i]);
    return text.at ? text.at : sb_strdup("");
}

/* Numbers go in their own order, words in that of the config. */
static void sort_axis(struct sb_axis *a, size_t cells)
{
    for (size_t i = 1; i < a->labels.n && a->ordered; i++) {
        for (size_t j = i; j && a->numbers[j] < a->numbers[j - 1]; j--) {
            char *label = a->labels.at[j];
            double number = a->numbers[j];
            a->labels.at[j] = a->labels.at[j - 1];
            a->numbers[j] = a->numbers[j - 1];
            a->labels.at[j - 1] = label;
            a->numbers[j - 1] = number;
            for (size_t k = 0; k < cells; k++)
                a->of[k] = a->of[k] == j ? j - 1 : a->of[k] == j - 1 ? j : a->of[k];
        }
    }
}

/* Cells know their place by index: labels may be equal to others' only by being the same place. */
void sb_axis_make(const struct sb_chart *c, const struct sb_words *dimensions, struct sb_axis *a)
{
    *a = (struct sb_axis){.ordered = true, .title = axis_title(dimensions)};
    a->of = sb_calloc(c->n + 1, sizeof(*a->of));
    a->allocators = dimensions->n == 1 && !strcmp(dimensions->at[0], "allocator");
    for (size_t i = 0; i < c->n; i++) {
        char *label = label_of(c, &c->view->cells.at[c->cells[i]], dimensions, false);
        sb_words_add_once(&a->labels, label);
        while (strcmp(a->labels.at[a->of[i]], label))
            a->of[i]++;
        free(label);
    }
    a->numbers = sb_calloc(a->labels.n + 1, sizeof(*a->numbers));
    a->colours = sb_calloc(a->labels.n + 1, sizeof(*a->colours));
    for (size_t i = 0; i < a->labels.n; i++) {
        a->numbers[i] = number_of(a->labels.at[i]);
        a->ordered &= !isnan(a->numbers[i]);
    }
    sort_axis(a, c->n);
    for (size_t i = 0; i < a->labels.n; i++)
        a->colours[i] = i;
    /* Of an allocator that stands for all its variants, the colour of the first; of one that was measured in
       several databases one colour, with other dashes and marks in each. */
    for (size_t i = c->n; i-- && a->allocators;) {
        const struct sb_view_cell *cell = &c->view->cells.at[c->cells[i]];
        a->colours[a->of[i]] = sb_style_of(cell->base, (size_t)cell->row->source, c->view->bases.n);
    }
}

void sb_axis_name(struct sb_axis *a, const struct sb_words *dimensions)
{
    const char *d = dimensions->n == 1 ? dimensions->at[0] : "";
    for (size_t i = 0; i < a->labels.n && strcmp(d, "allocator") && strcmp(d, "workload") && *d; i++) {
        struct sb_text text = {0};
        add_part(&text, d, a->labels.at[i], false, false);
        free(a->labels.at[i]);
        a->labels.at[i] = text.at;
    }
}

void sb_axis_free(struct sb_axis *a)
{
    sb_words_free(&a->labels);
    free(a->numbers);
    free(a->colours);
    free(a->of);
    free(a->title);
}

const struct sb_view_cell *sb_chart_cell(const struct sb_chart *c, const struct sb_axis *a, size_t i,
                                         const struct sb_axis *b, size_t j)
{
    for (size_t k = 0; k < c->n; k++) {
        if ((!a || a->of[k] == i) && (!b || b->of[k] == j))
            return &c->view->cells.at[c->cells[k]];
    }
    return NULL;
}

/* ---- which cells ---- */

/* A key that a cell doesn't have is no place on an axis. */
static bool has_place(const struct sb_chart *c, const struct sb_view_cell *cell, const struct sb_words *dimensions)
{
    /* An empty label is what is left of a cell without the key. */
    char *label = label_of(c, cell, dimensions, false);
    bool has = !dimensions->n || *label;
    free(label);
    return has;
}

static bool has_least_threads(const struct sb_view *view, const struct sb_view_cell *cell)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        const struct sb_cell_row *other = view->cells.at[i].row;
        /* One that gave nothing must not keep the others out, nor one of another run. */
        if (!view->cells.at[i].ok || other->source != cell->row->source)
            continue;
        if (!strcmp(other->workload, cell->row->workload) && other->threads < cell->row->threads)
            return false;
    }
    return true;
}

/* Conditions are all true or the cell is out; a condition on a key that the cell lacks says nothing of it. */
static bool fits(const struct sb_chart *c, const struct sb_view_cell *cell)
{
    char buffer[24];
    if (c->plot->least_threads && !has_least_threads(c->view, cell))
        return false;
    if (!has_place(c, cell, &c->plot->x) || !has_place(c, cell, &c->plot->y) || !has_place(c, cell, &c->plot->series))
        return false;
    for (size_t i = 0; i < c->plot->where.n; i++) {
        const struct sb_plot_condition *w = &c->plot->where.at[i];
        const char *value = value_of(c, cell, w->dimension, buffer);
        bool any = false;
        for (size_t j = 0; j < w->values.n; j++)
            any |= sb_glob(w->values.at[j], value) ||
                   (!strcmp(w->dimension, "allocator") && sb_glob(w->values.at[j], cell->row->allocator));
        /* A key that a cell doesn't have says nothing about it. */
        if (*value && any == w->negated)
            return false;
    }
    return true;
}

/* Wherever it stands: what a plot names is its business, and everything else is ours. */
static bool names(const struct sb_plot *p, const char *dimension)
{
    return sb_words_has(&p->x, dimension) || sb_words_has(&p->y, dimension) || sb_words_has(&p->series, dimension) ||
           sb_words_has(&p->facet, dimension);
}

bool sb_view_is_own(const struct sb_view *view, const char *dimension)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        if (sb_own_key(dimension, view->cells.at[i].row->allocator))
            return true;
    }
    return false;
}

/* Compared with the first: one difference is enough. */
static bool varies(const struct sb_chart *c, const char *dimension)
{
    /* Room for the digits of a number of threads; all else is borrowed. */
    char first[24], other[24];
    const char *a = c->n ? value_of(c, &c->view->cells.at[c->cells[0]], dimension, first) : "";
    for (size_t i = 1; i < c->n; i++) {
        if (strcmp(a, value_of(c, &c->view->cells.at[c->cells[i]], dimension, other)))
            return true;
    }
    return false;
}

/*
 * What every chart's title says: all that varies beside the axes, and the workload and the threads always,
 * for a figure is read without its neighbours.
 */
static struct sb_words find_facets(const struct sb_chart *all, const struct sb_words *dimensions)
{
    struct sb_words facets = {0};
    const struct sb_plot *p = all->plot;
    struct sb_chart view = *all;
    /* Over all cells, not the chart's: titles of one report must be told apart from each other. */
    size_t *every = sb_calloc(all->view->cells.n + 1, sizeof(*every));
    for (size_t i = 0; i < all->view->cells.n; i++)
        every[i] = i;
    view.cells = every;
    view.n = all->view->cells.n;
    for (size_t i = 0; i < dimensions->n; i++) {
        const char *d = dimensions->at[i];
        /* A legend of one entry isn't drawn, so what it would say is said in the title. */
        bool lone = sb_words_has(&p->series, d) && !varies(all, d);
        bool axis = names(p, d) && !sb_words_has(&p->facet, d) && !lone;
        bool own = sb_view_is_own(all->view, d) && !all->by_section;
        bool always = !strcmp(d, "workload") || !strcmp(d, "threads");
        if (!axis && !own && (always || sb_words_has(&p->facet, d) || varies(&view, d)))
            *SB_VEC_ADD(&facets) = sb_strdup(d);
    }
    free(every);
    return facets;
}

/* An allocator's own key on an axis makes its variants one allocator. */
static bool speaks_of_own(const struct sb_view *view, const struct sb_plot *p)
{
    const struct sb_words *lists[] = {&p->x, &p->y, &p->series, &p->facet};
    for (size_t l = 0; l < SB_COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l]->n; i++) {
            if (sb_view_is_own(view, lists[l]->at[i]))
                return true;
        }
    }
    return false;
}

/* The first database's: the variants are the same in each, named with it. */
static const char *first_variant(const struct sb_view *view, const char *allocator)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        if (!strcmp(view->cells.at[i].row->allocator, allocator))
            return view->cells.at[i].variant;
    }
    return allocator;
}

/* Whether `name` is what `allocator` is called with one setting of its options, in the first database. */
static bool is_variant(const struct sb_view *view, const char *name, const char *allocator)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        const struct sb_view_cell *cell = &view->cells.at[i];
        if (!cell->row->source && !strcmp(cell->variant, name) && !strcmp(cell->row->allocator, allocator) &&
            strcmp(name, allocator))
            return true;
    }
    return false;
}

static bool knows_baseline(const struct sb_chart *c)
{
    const char *baseline = c->plot->baseline;
    struct sb_words names = {0};
    for (size_t i = 0; i < c->view->cells.n; i++) {
        sb_words_add_once(&names, c->view->cells.at[i].row->allocator);
        sb_words_add_once(&names, c->view->cells.at[i].variant);
    }
    bool known = !baseline || sb_words_has(&names, baseline);
    size_t variants = 0;
    for (size_t i = 0; i < names.n && baseline; i++)
        variants += is_variant(c->view, names.at[i], baseline);
    if (known && variants > 1) {
        sb_chart_note(c, sb_printf("baseline: '%s' has %zu variants; name one as the table does, such as '%s'",
                                   baseline, variants, first_variant(c->view, baseline)));
        known = false;
    } else if (!known) {
        char *hint = sb_diag_hint(baseline, (const char *const *)names.at, names.n);
        sb_chart_note(c, sb_printf("baseline: '%s' was not measured%s", baseline, hint));
        free(hint);
    }
    sb_words_free(&names);
    return known;
}

/* What --plots or a stored config names and the cells don't have: said, instead of a chart of one empty
 * label. */
static bool knows_dimensions(const struct sb_chart *c, const struct sb_words *dimensions)
{
    const struct sb_plot *p = c->plot;
    const struct sb_words *lists[] = {&p->x, &p->y, &p->series, &p->facet};
    const char *unknown = NULL;
    for (size_t l = 0; l < SB_COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l]->n; i++)
            unknown = sb_words_has(dimensions, lists[l]->at[i]) ? unknown : lists[l]->at[i];
    }
    for (size_t i = 0; i < p->where.n; i++)
        unknown = sb_words_has(dimensions, p->where.at[i].dimension) ? unknown : p->where.at[i].dimension;
    if (unknown) {
        char *hint = sb_diag_hint(unknown, (const char *const *)dimensions->at, dimensions->n);
        sb_chart_note(c, sb_printf("'%s' is no dimension of these cells%s", unknown, hint));
        free(hint);
    }
    return !unknown && knows_baseline(c);
}

static void fill(struct sb_words *words, const char *dimension)
{
    if (!words->n && dimension)
        *SB_VEC_ADD(words) = sb_strdup(dimension);
}

/* The workload with all that is swept, less the threads: what a column of a matrix is unless it is said. */
static void fill_columns(const struct sb_view *view, struct sb_plot *plot)
{
    struct sb_words all = sb_view_dimensions(view);
    bool given = plot->x.n;
    for (size_t i = 0; i < all.n && !given; i++) {
        const char *d = all.at[i];
        if (!sb_view_is_own(view, d) && strcmp(d, "threads") && strcmp(d, "allocator") &&
            !sb_words_has(&plot->facet, d))
            *SB_VEC_ADD(&plot->x) = sb_strdup(d);
    }
    sb_words_free(&all);
}

/* The given plot may be the config's own, which others read after us. */
static struct sb_words copy_words(const struct sb_words *words)
{
    struct sb_words out = {0};
    for (size_t i = 0; i < words->n; i++)
        *SB_VEC_ADD(&out) = sb_strdup(words->at[i]);
    return out;
}

/* With what the kind takes where nothing is said. The rest of it is borrowed. */
static struct sb_plot resolve(const struct sb_view *view, const struct sb_plot *given)
{
    const struct sb_plot_row *row = &sb_plot_rows[given->kind];
    struct sb_plot p = *given;
    p.x = copy_words(&given->x);
    p.y = copy_words(&given->y);
    p.series = copy_words(&given->series);
    fill(&p.x, row->x);
    fill(&p.y, row->y);
    /* A dimension that is an axis already can't be told apart by colour as well. */
    if (row->series && !sb_words_has(&p.x, row->series) && !sb_words_has(&p.y, row->series))
        fill(&p.series, row->series);
    if (p.kind == SB_PLOT_MATRIX)
        fill_columns(view, &p);
    return p;
}

/* gnuplot's cairo stops at 32767 pixels, two metres here, and nobody reads that: the other charts go on. */
static size_t drop_giants(struct sb_figures *figures, size_t from, struct sb_words *notes)
{
    enum { MOST_CM = 150 };
    size_t dropped = 0;
    for (size_t i = from; i < figures->n; i++) {
        struct sb_figure *f = &figures->at[i];
        if (f->height <= MOST_CM)
            continue;
        *SB_VEC_ADD(notes) = sb_printf("%s is not drawn, for it would be %.0f cm high: "
                                       "choose some of its rows with a [plot NAME] of your own and its key where",
                                       f->id, f->height);
        sb_figure_free(f);
        memmove(f, f + 1, (figures->n - i - 1) * sizeof(*f));
        figures->n--;
        i--;
        dropped++;
    }
    return dropped;
}

void sb_chart_each(const struct sb_view *view, const struct sb_plot *given, struct sb_figures *figures,
                   struct sb_words *notes, int (*draw)(struct sb_chart *chart, char **why), int *status, char **why)
{
    /* With the kind's own axes where the config names none. */
    struct sb_plot resolved = resolve(view, given), *plot = &resolved;
    struct sb_words own = {0};
    struct sb_chart all = {.view = view, .plot = plot, .figures = figures, .notes = &own};
    struct sb_words dimensions = sb_view_dimensions(view), wheres = {0};
    size_t before = figures->n, dropped = 0;
    all.by_section = speaks_of_own(view, plot);
    all.cells = sb_calloc(view->cells.n, sizeof(*all.cells));
    bool known = knows_dimensions(&all, &dimensions);
    for (size_t i = 0; i < view->cells.n && known; i++) {
        if (fits(&all, &view->cells.at[i]))
            all.cells[all.n++] = i;
    }
    struct sb_words facets = find_facets(&all, &dimensions);
    char **where = sb_calloc(all.n + 1, sizeof(*where));
    for (size_t i = 0; i < all.n; i++) {
        where[i] = label_of(&all, &view->cells.at[all.cells[i]], &facets, true);
        sb_words_add_once(&wheres, where[i]);
    }
    for (size_t w = 0; w < wheres.n && !*status; w++) {
        struct sb_chart chart = all;
        chart.where = wheres.at[w];
        chart.cells = sb_calloc(all.n, sizeof(*chart.cells));
        chart.n = 0;
        for (size_t i = 0; i < all.n; i++) {
            if (!strcmp(where[i], chart.where))
                chart.cells[chart.n++] = all.cells[i];
        }
        size_t *every = sb_calloc(chart.n + 1, sizeof(*every));
        memcpy(every, chart.cells, chart.n * sizeof(*every));
        chart.every = every;
        chart.every_n = chart.n;
        size_t drawn = figures->n;
        *status = draw(&chart, why);
        dropped += drop_giants(figures, drawn, notes);
        free(every);
        free(chart.cells);
    }
    /* A chart that somebody wrote down must come, or its absence be explained; our own may stay away. */
    if (!*status && plot->line && figures->n == before && !own.n && !dropped)
        sb_chart_note(&all, sb_strdup(all.n ? "no cell has what it shows" : "where: no cell fits"));
    /* Some of many charts may have nothing to show; only where none has is there something to say. */
    for (size_t i = 0; i < own.n && figures->n == before; i++)
        sb_words_add_once(notes, own.at[i]);
    sb_words_free(&own);
    for (size_t i = 0; i < all.n; i++)
        free(where[i]);
    free(where);
    free(all.cells);
    sb_words_free(&facets);
    sb_words_free(&wheres);
    sb_words_free(&dimensions);
    sb_words_free(&resolved.x);
    sb_words_free(&resolved.y);
    sb_words_free(&resolved.series);
}
