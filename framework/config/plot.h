/*
 * `[plot NAME]`: a chart as the config describes it. What can be checked without data is checked here; what
 * the data must have (a metric) is for the report to say.
 */
#ifndef SB_CONFIG_PLOT_H
#define SB_CONFIG_PLOT_H

#include "config/ini.h"

#include "base/str.h"
#include "base/vec.h"
#include "scullbench/abi.h"

#include <stdbool.h>

#define ROW(id, ...) SB_PLOT_##id,
enum sb_plot_kind {
#include "config/plot_kinds.inc"
    SB_PLOT_KINDS
};
#undef ROW

enum sb_plot_key {
    SB_PLOT_KIND,
    SB_PLOT_X,
    SB_PLOT_Y,
    SB_PLOT_SERIES_BY,
    SB_PLOT_FACET,
    SB_PLOT_METRIC,
    SB_PLOT_BASELINE,
    SB_PLOT_WHERE,
    SB_PLOT_KEYS
};
extern const struct sb_option sb_plot_options[SB_PLOT_KEYS];

struct sb_plot_row {
    const char *name;           /* in the config, and of the figures' files */
    const char *title;          /* of its part of the page */
    unsigned keys;              /* that it takes, 1 << SB_PLOT_KEY; kind, facet and where go with all */
    const char *x, *y, *series; /* what stands there unless the config says otherwise; NULL: nothing */
};
extern const struct sb_plot_row sb_plot_rows[SB_PLOT_KINDS];

/* DIMENSION = VALUE|VALUE..., or !=; in values `*` stands for any characters. */
struct sb_plot_condition {
    char *dimension;
    struct sb_words values;
    bool negated;
};

/*
 * A dimension is what cells differ in: "allocator", "workload", "threads", or a swept SECTION.KEY. Lists that
 * are empty take the kind's own.
 */
struct sb_plot {
    char *name;
    int line;
    enum sb_plot_kind kind;
    struct sb_words x, y, series, facet;
    char *metric, *baseline; /* NULL: the kind's own */
    bool least_threads;      /* of each workload the cells with the least threads alone: not in the config */
    SB_VEC(struct sb_plot_condition) where;
};

struct sb_plots {
    SB_VEC_OF(struct sb_plot);
};

/*
 * Reads all [plot NAME] sections. `dimensions` are the names that x, y, series, facet and where may use, all
 * if it is NULL; `allocators` those that may be a baseline, likewise. Errors are collected in `diag`; the
 * plots are to be freed in any case.
 */
void sb_plots_read(struct sb_plots *plots, const struct sb_ini *ini, const struct sb_words *dimensions,
                   const struct sb_words *allocators, struct sb_diag *diag);
void sb_plots_free(struct sb_plots *plots);

#endif
