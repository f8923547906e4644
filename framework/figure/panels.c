/* Shared by charts of a survey: the trials of a cell with their series, and panels, one per allocator. */
#include "figure/chart.h"

#include <string.h>

int sb_runs_load(const struct sb_chart *c, const struct sb_view_cell *cell, struct sb_runs *runs, char **why)
{
    int status = 0;
    for (size_t t = cell->first_trial; t < cell->last_trial && !status; t++) {
        const struct sb_trial_row *trial = &c->view->data.trials.at[c->view->order[t]];
        if (trial->result.status == SB_STATUS_OK && !trial->simulated)
            status = sb_view_load_series(c->view, trial, SB_VEC_ADD(runs), why);
    }
    return status;
}

void sb_runs_free(struct sb_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        sb_result_free(&runs->at[i]);
    SB_VEC_FREE(runs);
}

void sb_start_panels(struct sb_figure *f, const struct sb_words *panels, double each, double bottom)
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

void sb_add_panel(struct sb_figure *f, size_t panel, const char *name, const char *x, const char *y)
{
    char *title = sb_gp_name(name), *xlabel = sb_gp_text(x), *ylabel = sb_gp_text(y);
    sb_next_panel(f, panel);
    sb_text_printf(&f->script,
                   "set title little(%s) offset 0,-0.8*near font small\n"
                   "set xlabel little(%s) offset 0,0.7*near font small\n"
                   "set ylabel little(%s) offset 1.2*near,0 font small\n",
                   title, panel + f->across < f->panels ? "''" : xlabel, panel % f->across ? "''" : ylabel);
    free(title);
    free(xlabel);
    free(ylabel);
}

static void start_collecting(const struct sb_chart *c, struct sb_panels *q)
{
    *q = (struct sb_panels){.most = 1, .widest = 1};
    sb_range_start(&q->range);
    sb_axis_make(c, &c->plot->series, &q->axis);
    sb_axis_name(&q->axis, &c->plot->series);
    q->drawn = sb_calloc(q->axis.labels.n + 1, sizeof(*q->drawn));
    q->tops = sb_calloc(q->axis.labels.n + 1, sizeof(*q->tops));
}

static void free_panels(struct sb_panels *q)
{
    free(q->drawn);
    free(q->tops);
    sb_words_free(&q->names);
    sb_text_free(&q->data);
    sb_axis_free(&q->axis);
}

static int collect(const struct sb_chart *c, struct sb_panels *q, sb_take_fn take, char **why)
{
    int status = 0;
    for (size_t s = 0; s < q->axis.labels.n && !status; s++) {
        const struct sb_view_cell *cell = sb_chart_cell(c, NULL, 0, &q->axis, s);
        struct sb_runs runs = {0};
        status = cell && cell->ok ? sb_runs_load(c, cell, &runs, why) : 0;
        q->drawn[s] = !status && runs.n && take(c, q, &runs, q->axis.labels.at[s]);
        if (q->drawn[s])
            *SB_VEC_ADD(&q->names) = sb_strdup(q->axis.labels.at[s]);
        sb_runs_free(&runs);
    }
    return status;
}

int sb_draw_panels(struct sb_chart *c, sb_take_fn take, void (*write)(struct sb_chart *c, const struct sb_panels *q),
                   char **why)
{
    struct sb_panels q;
    start_collecting(c, &q);
    int status = collect(c, &q, take, why);
    if (!status && q.names.n)
        write(c, &q);
    free_panels(&q);
    return status;
}
