/*
 * What the files that draw share: a chart in the making, its axes, colours and marks, its caption.
 * Inside of report only.
 */
#ifndef SB_FIGURE_CHART_H
#define SB_FIGURE_CHART_H

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
                   struct sb_words *notes, int (*draw)(struct sb_chart *chart, char **why), int *status,
                   char **why);

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
    const char *note; /* what the line under a title says behind n, instead of what is made of the others */
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

/* ---- what draws; 0 or a negative errno with a sentence in `*why` ---- */

int sb_draw_bars(struct sb_chart *chart, char **why);
int sb_draw_lines(struct sb_chart *chart, char **why);
int sb_draw_ratio(struct sb_chart *chart, char **why);
int sb_draw_matrix(struct sb_chart *chart, char **why);
int sb_draw_events(struct sb_chart *chart, char **why);
int sb_draw_percentiles(struct sb_chart *chart, char **why);
int sb_draw_cdf(struct sb_chart *chart, char **why);
int sb_draw_series(struct sb_chart *chart, char **why);
int sb_draw_orders(struct sb_chart *chart, char **why);
int sb_draw_addresses(struct sb_chart *chart, char **why);

#endif
