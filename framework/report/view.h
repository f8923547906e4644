/* What tables and charts share: cells with their summarised metrics, and groups of comparable cells. */
#ifndef SB_REPORT_VIEW_H
#define SB_REPORT_VIEW_H

#include "measure/histogram.h"
#include "stats/stats.h"
#include "store/store.h"

/* A cell and its ok trials. */
struct sb_view_cell {
    const struct sb_cell_row *row;
    size_t trials, ok;              /* repetitions: what ran under valgrind isn't one */
    size_t first_trial, last_trial; /* of the view's order, all of this cell */
    size_t allocator;               /* index into the view's allocators */
    size_t group;                   /* index into the view's groups */
};

/* Cells that differ in the allocator alone: what may be compared. */
struct sb_view_group {
    const char *workload;
    int64_t threads;
    char *swept; /* "scullc.quantum=1000B", or "" */
    char *title; /* "scullc, 2 threads, scullc.quantum=1000B" */
};

struct sb_view {
    struct sb_store *store;
    struct sb_data data;
    size_t *order; /* indices of trials, by cell */
    SB_ROWS(struct sb_view_cell, cells);
    SB_ROWS(struct sb_view_group, groups);
    struct sb_words allocators, workloads; /* in the order of the config */
    double confidence, precision;          /* as shares; precision 0: none was asked for */
};

int sb_view_open(struct sb_view *view, const char *db, char **why);
void sb_view_close(struct sb_view *view);

/* The cell of an allocator in a group, or NULL. */
const struct sb_view_cell *sb_view_find(const struct sb_view *view, size_t group, size_t allocator);

/* A metric's values in the ok trials of a cell, in the order in which they ran; the caller frees them. */
double *sb_view_samples(const struct sb_view *view, const struct sb_view_cell *cell, const char *name,
                        size_t *n);

/* Summary of a metric over the ok trials of a cell; n = 0 where none has it. */
struct sb_summary sb_view_metric(const struct sb_view *view, const struct sb_view_cell *cell,
                                 const char *name);

/* Why a cell has no such metric, in words; borrowed from the data, or a fixed text. */
const char *sb_view_reason(const struct sb_view *view, const struct sb_view_cell *cell, const char *name);

/*
 * The histogram of a kind of call, all trials of a cell merged; n = 0 where there is none. `low` and `high`,
 * for each of `shares`, get the smallest and largest of the processes' own quantiles (NaN where none has
 * one).
 */

int sb_view_latencies(const struct sb_view *view, const struct sb_view_cell *cell, const char *name,
                      const double *shares, size_t share_count, struct sb_histogram *merged, double *low,
                      double *high, char **why);

/* What the cells' intervals are, in words: "95 % interval of the median by ranks". The caller frees it. */
char *sb_view_interval(const struct sb_view *view, size_t least_n, size_t most_n);

/* Why no more repetitions were made: "±1 % reached", "all 50 repetitions used: ±2.3 %"; NULL without a
 * precision. */
char *sb_view_stopped(const struct sb_view *view, const struct sb_view_cell *cell);

/* Whether a name is one of the config's [pmu] events. */
bool sb_view_is_event(const struct sb_view *view, const char *name);

/* "3.21 M" with the prefixes of SI, four digits at most. The caller frees it. */
char *sb_format_si(double value);

#endif
