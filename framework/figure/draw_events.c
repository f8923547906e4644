/* Events per operation, a panel each. */
#include "figure/chart.h"

#include <stdio.h>
#include <string.h>

/* The trial divides by its own operations; raw counts of cells of different length can't be compared. */
static bool is_per_operation(const char *metric)
{
    /* As the trial names what it divides: "EVENT/op". */
    size_t n = strlen(metric);
    return n > 3 && !strcmp(metric + n - 3, "/op");
}

/* Those asked for, or all counts an operation that are not zero throughout. */
static struct sb_words event_names(const struct sb_chart *c)
{
    struct sb_words names = {0};
    if (c->plot->metric) {
        names = sb_split(c->plot->metric);
        return names;
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct sb_view_cell *cell = &c->view->cells.at[c->cells[i]];
        for (size_t t = cell->first_trial; t < cell->last_trial; t++) {
            const struct sb_result *r = &c->view->data.trials.at[c->view->order[t]].result;
            for (size_t k = 0; k < r->metrics.n; k++) {
                if (is_per_operation(r->metrics.at[k].name) && r->metrics.at[k].value > 0)
                    sb_words_add_once(&names, r->metrics.at[k].name);
            }
        }
    }
    return names;
}

static bool is_simulated(const char *metric)
{
    return !strncmp(metric, "simulated", strlen("simulated"));
}

/* One panel: points with their intervals, on an axis of its own. */
static void event_panel(const struct sb_chart *c, const struct sb_axis *x, const char *metric, size_t block,
                        size_t panels, struct sb_range *all, struct sb_figure *f)
{
    struct sb_range r;
    sb_range_start(&r);
    for (size_t i = 0; i < x->labels.n; i++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, x, i, NULL, 0);
        struct sb_summary s = {0};
        if (cell)
            s = sb_view_metric(c->view, cell, metric);
        if (!s.n)
            continue;
        sb_range_add(&r, &s);
        /* Simulated counts are of one process, and no part of what the others' n and whiskers are. */
        if (!is_simulated(metric))
            sb_range_add(all, &s);
        char *colour = sb_shade(x->colours[i], 0, 1);
        sb_add_value_row(&f->data, (double)i, &s, 1);
        sb_text_printf(&f->data, "\t%s\t%zu\t", colour, s.n);
        sb_tsv_name(&f->data, x->labels.at[i]);
        sb_text_printf(&f->data, "\t");
        sb_tsv_name(&f->data, metric);
        sb_text_printf(&f->data, "\n");
        free(colour);
    }
    sb_text_printf(&f->data, "\n\n");
    char *label = is_per_operation(metric) ? sb_strdup(metric) : sb_view_label(c->view, metric);
    char *title = sb_gp_text(label);
    free(label);
    char *tics = r.min < 0                     ? sb_strdup("unset logscale y\nset yrange [*:*]\nset ytics autofreq\n")
                 : sb_range_is_logarithmic(&r) ? sb_strdup("set logscale y 10\nset yrange [*:*]\nset ytics autofreq\n")
                                               : sb_printf("unset logscale y\nset yrange [0:%.6g]\nset ytics 0,%.6g\n",
                                                           r.max > 0 ? 1.1 * r.max : 1, sb_few_tics(r.max));
    sb_next_panel(f, block);
    sb_text_printf(&f->script, "set title little(%s) offset 0,-0.8*near font small\n", title);
    /* The names of the allocators stand once, below the last panel. */
    if (block + 1 == panels)
        sb_label_tics(x, 'x', &f->script);
    else
        sb_text_printf(&f->script, "set xtics 0,1,%zu format ''\n", x->labels.n - 1);
    sb_text_printf(&f->script,
                   "%splot data index %zu using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable\n", tics,
                   block);
    free(tics);
    free(title);
}

/* Names without a number in any cell of the chart have no panel. */
static void drop_unknown(const struct sb_chart *c, struct sb_words *names)
{
    size_t n = 0;
    for (size_t i = 0; i < names->n; i++) {
        bool any = false;
        for (size_t k = 0; k < c->n; k++)
            any |= sb_view_metric(c->view, &c->view->cells.at[c->cells[k]], names->at[i]).n > 0;
        if (any)
            names->at[n++] = names->at[i];
        else
            free(names->at[i]);
    }
    names->n = n;
}

/* A cell whose processes failed may still have been simulated: it was not measured all the same. */
static bool was_measured(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context)
{
    (void)c;
    (void)context;
    return cell->ok;
}

/* Each event has an axis of its own: instructions and misses are decades apart, and no one scale shows
 * both. */
static void write_events(struct sb_chart *c, const struct sb_words *names)
{
    struct sb_axis x;
    struct sb_range r;
    sb_range_start(&r);
    sb_axis_make(c, &c->plot->x, &x);
    struct sb_figure *f = sb_figure_new(c, sb_printf("%s: events per operation", c->where));
    sb_text_printf(&f->data, "# x\tmedian\tlow\thigh\tcolour\tn\tlabel\tevent\n");
    sb_text_printf(&f->script,
                   "unset key\nset bars 0.6\nset xrange [-0.6:%zu.6]\nset ytics font small\n"
                   "set format y '%%g'\nif (tex) { set format y '\\scriptsize $%%h$' }\n",
                   x.labels.n - 1);
    f->panels = names->n;
    f->across = 1;
    f->bottom = sb_tics_height(&x) + 0.1;
    f->between = 0.55;
    f->height = 0.5 + f->bottom + 1.5 * (double)names->n + f->between * (double)(names->n - 1);
    for (size_t i = 0; i < names->n; i++)
        event_panel(c, &x, names->at[i], i, names->n, &r, f);
    bool simulated = false, faults = false;
    for (size_t i = 0; i < names->n; i++) {
        simulated |= is_simulated(names->at[i]);
        faults |= strstr(names->at[i], "FAULTS") != NULL;
    }
    if (!r.most_n)
        r = (struct sb_range){0, 0, 1, 1};
    char *more =
        sb_printf(" Axes of more than a decade are logarithmic.%s%s",
                  simulated ? " Names that begin with simulated are valgrind's, of one process without whiskers: "
                              "it sees user mode only, so the cost of system calls is missing, "
                              "and its caches have the machine's sizes but virtual addresses."
                            : "",
                  faults ? " Pages that the kernel maps ahead for an mmap are not counted as faults; "
                           "the metric page_faults_per_op includes them."
                         : "");
    sb_figure_caption(c, f, &r,
                      &(struct sb_caption){.what = "/op: counts per operation of the workload, summed over threads; "
                                                   "events of perf:: in user mode only where the system allows no more",
                                           .more = more});
    free(more);
    sb_caption_missing(c, f, names->at[0], NULL, NULL);
    sb_axis_free(&x);
}

/* An event that only some workloads have is no mistake of these; one that no trial has is. */
int sb_draw_events(struct sb_chart *c, char **why)
{
    struct sb_words names = event_names(c);
    bool known = true;
    (void)why;
    for (size_t i = 0; i < names.n && c->plot->metric; i++)
        known &= sb_chart_has_metric(c, names.at[i]);
    sb_chart_keep_allocators(c, was_measured, NULL);
    drop_unknown(c, &names);
    if (known && names.n && c->n)
        write_events(c, &names);
    sb_words_free(&names);
    return 0;
}
