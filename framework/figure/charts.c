/* Which charts a report has: those that the config describes, or good ones for whatever the matrix varied. */
#include "figure/charts.h"

#include "figure/chart.h"

#include <math.h>
#include <string.h>

#define ROW(id, draw, ...) [SB_PLOT_##id] = sb_draw_##draw,
static int (*const draw[SB_PLOT_KINDS])(struct sb_chart *, char **) = {
#include "config/plot_kinds.inc"
};
#undef ROW

/* From the stored text and the run's environment, for a report depends on nothing but its databases. What was
 * checked at the run needs no second complaint: all that can be wrong now is a variable that an older version
 * didn't record. */
static void read_stored(const struct sb_view *view, struct sb_plots *plots, struct sb_words *notes)
{
    const char *config = sb_data_meta(&view->data, "config"), *environment = sb_data_meta(&view->data, "environment");
    char *copy = sb_strdup(environment ? environment : ""), *state = NULL;
    struct sb_words variables = {0};
    struct sb_diag diag = {0};
    for (char *line = strtok_r(copy, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
        *SB_VEC_ADD(&variables) = sb_strdup(line);
    struct sb_ini ini = sb_ini_parse_as(config ? config : "", config ? strlen(config) : 0, &variables, &diag);
    for (size_t i = 0; i < diag.n && !environment; i++) {
        char *note = sb_printf("line %d of the stored config: %s; --plots draws what it should be", diag.at[i].line,
                               diag.at[i].text);
        sb_words_add_once(notes, note);
        free(note);
    }
    sb_plots_read(plots, &ini, NULL, NULL, &diag);
    sb_ini_free(&ini);
    sb_diag_free(&diag);
    sb_words_free(&variables);
    free(copy);
}

static struct sb_plot *add(struct sb_plots *plots, enum sb_plot_kind kind, const char *name, const char *metric)
{
    struct sb_plot *p = SB_VEC_ADD(plots);
    p->kind = kind;
    p->name = sb_strdup(name);
    p->metric = metric ? sb_strdup(metric) : NULL;
    return p;
}

/* A swept key of a workload, the machine or the experiment is an axis: its values are what was varied. */
static void add_swept(const struct sb_view *view, struct sb_plots *plots)
{
    struct sb_words dimensions = sb_view_dimensions(view);
    for (size_t i = 0; i < dimensions.n; i++) {
        const char *d = dimensions.at[i];
        if (sb_view_is_own(view, d) || !strchr(d, '.'))
            continue;
        struct sb_plot *p = add(plots, SB_PLOT_LINES, "swept", SB_NAME(BYTES_PER_S));
        *SB_VEC_ADD(&p->x) = sb_strdup(d);
        struct sb_plot_condition *c = SB_VEC_ADD(&p->where);
        c->dimension = sb_strdup("workload");
        for (size_t k = 0; k < view->cells.n; k++) {
            if (sb_swept_value(view->cells.at[k].row, d))
                sb_words_add_once(&c->values, view->cells.at[k].row->workload);
        }
    }
    sb_words_free(&dimensions);
}

/* In the order of the page. Charts that have nothing to show of this run leave no trace. */
static void add_defaults(const struct sb_view *view, struct sb_plots *plots)
{
    add(plots, SB_PLOT_MATRIX, "", NULL);
    add(plots, SB_PLOT_BARS, "", NULL);
    add(plots, SB_PLOT_BARS, "success", SB_NAME(SUCCESS));
    add(plots, SB_PLOT_RATIO, "", NULL);
    /* The floor is two decades above what is compared, and its own ideal. */
    struct sb_plot *lines = add(plots, SB_PLOT_LINES, "", NULL);
    struct sb_plot_condition *floor = SB_VEC_ADD(&lines->where);
    floor->dimension = sb_strdup("allocator");
    floor->negated = true;
    *SB_VEC_ADD(&floor->values) = sb_strdup("null");
    add_swept(view, plots);
    add(plots, SB_PLOT_PERCENTILES, "response", "response");
    add(plots, SB_PLOT_PERCENTILES, "alloc", "alloc");
    add(plots, SB_PLOT_CDF, "alloc", "alloc");
    plots->at[plots->n - 1].least_threads = true;
    static const char *const series[] = {"external", "internal", "footprint"};
    for (size_t i = 0; i < SB_COUNT(series); i++)
        add(plots, SB_PLOT_SERIES, series[i], series[i])->least_threads = true;
    /* Surveys look alike whatever the parallelism: they are shown at the least. */
    add(plots, SB_PLOT_ORDERS, "", NULL)->least_threads = true;
    add(plots, SB_PLOT_ADDRESSES, "", NULL)->least_threads = true;
    add(plots, SB_PLOT_EVENTS, "", NULL)->least_threads = true;
}

int sb_charts_make(const struct sb_view *view, const struct sb_plots *asked, struct sb_figures *figures,
                   struct sb_words *notes, char **why)
{
    struct sb_plots own = {0};
    int status = 0;
    if (!asked)
        read_stored(view, &own, notes);
    if (!asked && !own.n)
        add_defaults(view, &own);
    const struct sb_plots *plots = asked ? asked : &own;
    for (size_t i = 0; i < plots->n && !status; i++)
        sb_chart_each(view, &plots->at[i], figures, notes, draw[plots->at[i].kind], &status, why);
    sb_plots_free(&own);
    return status;
}
