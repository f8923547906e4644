/*
 * Shared by the files that draw: a chart in the making, its axes, colours and marks, its caption.
 * Inside of the room figure only.
 */
#ifndef SB_FIGURE_CHART_H
#define SB_FIGURE_CHART_H

#include "base/vec.h"

#include "analyse/view.h"
#include "config/plot.h"
#include "figure/figure.h"
#include "metric/metric.h"

/* One plot at one combination of what it is faceted by. */
struct sb_chart {
    const struct sb_view *view;
    const struct sb_plot *plot;
    bool by_section; /* allocators' own swept keys are axes here, so variants are one allocator */
    size_t *cells;   /* indices of the view's */
    size_t n;
    const size_t *every; /* the same before a drawing leaves out what has nothing to show */
    size_t every_n;
    char *where; /* "scullc, 2 threads, scullc.quantum=1000B" */
    struct sb_figures *figures;
    struct sb_words *notes; /* why a chart that was asked for isn't there */
};

/* The values that cells have of one or more dimensions, in the order of the config or of their numbers. */
struct sb_axis {
    struct sb_words labels;
    double *numbers; /* of each label; NaN where it is none */
    size_t *of;      /* the label of each of the chart's cells */
    bool ordered;    /* all are numbers: points may be joined */
    bool allocators; /* it is the allocators, which have their own colours */
    size_t *colours; /* of each label: index for the functions below */
    char *title;     /* "threads, one per CPU" */
};

void sb_axis_make(const struct sb_chart *chart, const struct sb_words *dimensions, struct sb_axis *axis);
/* Says in labels what they are of where nothing beside them does: "2 threads", "percpu=yes". */
void sb_axis_name(struct sb_axis *axis, const struct sb_words *dimensions);
void sb_axis_free(struct sb_axis *axis);

/* The chart's cell at a place of two axes (either may be NULL: any), or NULL. */
const struct sb_view_cell *sb_chart_cell(const struct sb_chart *chart, const struct sb_axis *a, size_t i,
                                         const struct sb_axis *b, size_t j);

/* Splits what a plot shows into charts, and draws each. */
void sb_chart_each(const struct sb_view *view, const struct sb_plot *plot, struct sb_figures *figures,
                   struct sb_words *notes, int (*draw)(struct sb_chart *chart, char **why), int *status, char **why);

/* The dimensions in which cells of the view differ; words are the caller's to free. */
struct sb_words sb_view_dimensions(const struct sb_view *view);
/* Whether a dimension is an option of an allocator's own. */
bool sb_view_is_own(const struct sb_view *view, const char *dimension);

/* ---- style ---- */

const char *sb_colour(size_t i);
int sb_mark(size_t i);
int sb_dash(size_t i); /* gnuplot's dt: colours come round again, dashes set them apart */
/* In front of every panel but the first: what stands above them all would be drawn again with each. */
void sb_next_panel(struct sb_figure *figure, size_t panel);
/* The index of an allocator in the source-th of several databases. */
size_t sb_style_of(size_t allocator, size_t source, size_t allocators);
/* The i-th of n shades of a colour: the last is the colour itself. "0xrrggbb". */
char *sb_shade(size_t colour, size_t i, size_t n);

/* The unit that keeps an axis' numbers short: 1e6 and "million ". */
double sb_scale_of(double max, const char **prefix);

/* A step that gives two or three tics up to `max`: what a small panel has room for. */
double sb_few_tics(double max);

/* A call of the script's own function that makes a text safe for the output at hand: t('...'). */
char *sb_gp_text(const char *text);
/* A name as charts have room for: cut, visibly, where it is long. The caller frees it. */
char *sb_short_name(const char *text);
/* The same for a name in a legend or above a panel, which is cut where it is long. */
char *sb_gp_name(const char *text);
/* The same for a tic's label, which gnuplot takes for a format and cuts itself: tic('...'). */
char *sb_gp_tic(const char *text);
/* "set xtics ... (tic('a') 0, tic('b') 1)": one a label. Returns how high they stand, in cm, below an axis.
 */
double sb_label_tics(const struct sb_axis *axis, char direction, struct sb_text *out);
double sb_tics_height(const struct sb_axis *axis);
/* A name as a cell of a TSV: gnuplot takes tabs and double quotes there for its own. */
void sb_tsv_name(struct sb_text *data, const char *name);
/*
 * A hatched band from the foot of an axis ('x' or 'y') to `step`, in units of `scale`: what lies there is
 * known to be smaller than that, and no more. Nothing where `step` is 0.
 */
void sb_add_step_band(struct sb_figure *figure, char axis, double step, double scale, const char *unit);
/* A legend below the plot where there is more than one entry; makes the figure higher for it. */
void sb_add_key(struct sb_figure *figure, const struct sb_axis *axis, size_t extra);

/* ---- figures and captions ---- */

struct sb_range {
    double min, max; /* of what is drawn, intervals included */
    size_t least_n, most_n;
};
void sb_range_start(struct sb_range *range);
void sb_range_add(struct sb_range *range, const struct sb_summary *s);

/* Of any text what stands in file names: letters, digits and hyphens. The caller frees it. */
char *sb_slug(const char *text);

/* A figure named after the plot and the chart's facets. `title` is taken over. */
struct sb_figure *sb_figure_new(const struct sb_chart *chart, char *title);
/* What a caption says beside title, machine and databases. NULL: as of medians with intervals by ranks. */
struct sb_caption {
    const char *what;    /* the first sentence, without its end */
    const char *subject; /* what n processes each have given: "Medians" */
    const char *spread;  /* what whiskers or bands are where they are not intervals of the median */
    const char *more;    /* whole sentences with a blank in front */
    const char *note;    /* what the line under a title says behind n, instead of what is made of the others */
};
void sb_figure_caption(const struct sb_chart *chart, struct sb_figure *figure, const struct sb_range *range,
                       const struct sb_caption *caption);
/*
 * Adds to the caption who isn't in the chart, and why: cells without a number of `metric`, or without one if
 * it is NULL where `drawn` says of their label of `axis` that nothing was drawn.
 */
void sb_caption_missing(const struct sb_chart *chart, struct sb_figure *figure, const char *metric,
                        const struct sb_axis *axis, const bool *drawn);
/* Adds whose memory comes from the OS. */
void sb_caption_memory(const struct sb_chart *chart, struct sb_figure *figure);
/* Says that a plot which was asked for can't be drawn. */
void sb_chart_note(const struct sb_chart *chart, char *text);

/* ---- charts of one number per cell ---- */

/* What decides whether a cell stays in a chart: `c` is still whole while it is asked. */
typedef bool (*sb_wanted_fn)(const struct sb_chart *c, const struct sb_view_cell *cell, const void *context);
/* Throughput is what most charts are of; a config need not say so. */
const char *sb_chart_metric(const struct sb_chart *c);
/* A metric that no trial has is a mistake of who asked; one that these cells lack is not. */
bool sb_chart_has_metric(const struct sb_chart *c, const char *metric);
/* What is shorter than its step is no number: its place is in the band below. */
struct sb_summary sb_chart_number(const struct sb_chart *c, const struct sb_view_cell *cell, const char *metric);
/* Over the intervals of all cells, so that no whisker leaves the axis and one scale fits the whole chart. */
struct sb_range sb_chart_range(const struct sb_chart *c, const char *metric);
/* A decade is where the smallest of a linear axis can no longer be told from zero. */
bool sb_range_is_logarithmic(const struct sb_range *r);
/* Allocators without a cell that is wanted leave the chart, and with it its axis; the caption says who they
 * are. */
void sb_chart_keep_allocators(struct sb_chart *c, sb_wanted_fn wanted, const void *context);
/* The columns of every chart of medians begin alike, so that a user who knows one file knows all. */
void sb_add_value_row(struct sb_text *data, double at, const struct sb_summary *s, double scale);
void sb_add_y_axis(struct sb_figure *f, const char *prefix, const char *label, const struct sb_range *r,
                   bool logarithmic, bool share);

/* ---- charts of a survey ---- */

/* The ok trials of a cell with their series. */
struct sb_runs {
    SB_VEC_OF(struct sb_result);
};
/* What ran under valgrind surveyed nothing. */
int sb_runs_load(const struct sb_chart *c, const struct sb_view_cell *cell, struct sb_runs *runs, char **why);
void sb_runs_free(struct sb_runs *runs);
void sb_start_panels(struct sb_figure *f, const struct sb_words *panels, double each, double bottom);
/* Every panel is an allocator; axes are alike in all, so labels stand at the outer ones only. */
void sb_add_panel(struct sb_figure *f, size_t panel, const char *name, const char *x, const char *y);
/* What a chart of panels collects before it is known how many there are. */
struct sb_panels {
    struct sb_axis axis;
    bool *drawn; /* of each label */
    struct sb_words names;
    struct sb_text data;
    struct sb_range range;
    double most, points, operations; /* orders: the largest value, checkpoint and number of operations */
    double widest, *tops;            /* addresses: KiB, and pages of each panel */
};
/* `take` adds one cell's rows and says whether there were any. */
typedef bool (*sb_take_fn)(const struct sb_chart *c, struct sb_panels *q, const struct sb_runs *runs, const char *name);
/* A panel for each label that has something to take; where none has there is no chart. */
int sb_draw_panels(struct sb_chart *c, sb_take_fn take, void (*write)(struct sb_chart *c, const struct sb_panels *q),
                   char **why);

/* ---- what draws; 0 or a negative errno with a sentence in `*why` ---- */

#define ROW(id, draw, ...) int sb_draw_##draw(struct sb_chart *chart, char **why);
#include "config/plot_kinds.inc"
#undef ROW

#endif
