/* The view that tables and charts share: cells with their summarised metrics, and groups of comparable cells. */
#ifndef SB_ANALYSE_VIEW_H
#define SB_ANALYSE_VIEW_H

#include "base/vec.h"

#include "config/ini.h"
#include "measure/histogram.h"
#include "metric/metric.h"
#include "stats/stats.h"
#include "store/store.h"

/* A cell and its ok trials. */
struct sb_view_cell {
    const struct sb_cell_row *row;
    char *variant;            /* the allocator with its own swept keys, "slub (sheaf=60)": what stands side by side */
    char *section;            /* the allocator without them; both with their database where two have the same cell */
    char *label;              /* of the cell, likewise */
    struct sb_ini settings;   /* all that decides about its trials; empty in databases of version 1 */
    size_t trials, ok;        /* repetitions: what ran under valgrind isn't one */
    size_t failed, disturbed; /* trials; a disturbed one was made again, up to the last retry */
    size_t first_trial, last_trial; /* of the view's order, all of this cell */
    size_t allocator;               /* index into the view's allocators */
    size_t base;                    /* into its bases: the same for one variant in all databases */
    size_t group;                   /* index into the view's groups */
};

/* Cells that differ in the allocator and its own options alone: what may be compared. */
struct sb_view_group {
    const char *workload;
    int64_t threads;
    char *swept; /* "scullc.quantum=1000B", or "" */
    char *title; /* "scullc, 2 threads, scullc.quantum=1000B" */
};

/* One of the databases of a report. */
struct sb_view_source {
    struct sb_store *store;
    struct sb_data head; /* meta and facts; of the first database they are the view's own */
    char *name;          /* of its file, without folder and ending; numbered where two have one name */
    char *path;          /* in full, or NULL */
    int64_t first_cell;  /* added to the numbers of its cells */
};

/*
 * Several databases make one view: their cells stand side by side, and where the same cell is in two of them,
 * allocators are named with their database.
 */
struct sb_view {
    struct sb_data data; /* cells, trials, plugins and warnings of all; meta and facts of the first */
    SB_VEC(struct sb_view_source) sources;
    size_t *order; /* indices of trials, by cell */
    SB_VEC(struct sb_view_cell) cells;
    SB_VEC(struct sb_view_group) groups;
    struct sb_words allocators, workloads; /* in the order of the config; allocators as variants */
    struct sb_words bases;                 /* the allocators without their databases */
    double confidence;                     /* as a share */
    bool anytime;                          /* a run ended when its results were as it liked them */
};

/* To be closed in any case. */
int sb_view_open(struct sb_view *view, const char *db, char **why);
int sb_view_open_all(struct sb_view *view, const struct sb_words *dbs, char **why);
void sb_view_close(struct sb_view *view);

/* The cell of an allocator in a group, or NULL. */
const struct sb_view_cell *sb_view_find(const struct sb_view *view, size_t group, size_t allocator);

/* Series and dumps of a trial. */
int sb_view_load_series(const struct sb_view *view, const struct sb_trial_row *trial, struct sb_result *result,
                        char **why);

/* The value of a swept key in a cell, or NULL where it isn't swept. */
const char *sb_swept_value(const struct sb_cell_row *row, const char *name);

/* KEY where SECTION.KEY is one of `allocator`'s own, or of that of which it is the twin; else NULL. */
const char *sb_own_key(const char *swept, const char *allocator);

/* The same work by the allocator of that name (or the variant), measured in the same run; or NULL. */
const struct sb_view_cell *sb_view_beside(const struct sb_view *view, const struct sb_view_cell *cell,
                                          const char *name);

/* "ok", "2 of 7 failed", "1 of 7 disturbed", "skipped", "not run". The caller frees it. */
char *sb_view_status(const struct sb_view_cell *cell);

/* Repetitions that were disturbed to the last retry. */
size_t sb_view_lost(const struct sb_view_cell *cell);

/*
 * "2 of 10 repetitions have no number (1 failed, 1 disturbed)", or NULL where all have one, or none: then
 * sb_view_reason says why. The caller frees it.
 */
char *sb_view_missing(const struct sb_view *view, const struct sb_view_cell *cell, const char *name);

/* Of every interval of a median. */
struct sb_level sb_view_level(const struct sb_view *view);
/*
 * Of ratios and their p. A run that ends when medians are precise enough looks at widths, which say nothing
 * of who is faster; one that ends by verdicts has looked at what is tested.
 */
struct sb_level sb_view_ratio_level(const struct sb_view *view);
/* The baseline that the allocators of a source were paired with, and the least difference that counts; or
 * NULL. */
const char *sb_view_baseline(const struct sb_view *view, size_t source, double *least);
/* The difference that counts, as a share, in the first of the runs that was to decide; 0: none was. */
double sb_view_decide(const struct sb_view *view);

/* The first database's meta and facts are the view's own. */
const struct sb_data *sb_view_head(const struct sb_view *view, size_t source);

/* A metric's values in the ok trials of a cell, in the order in which they ran; the caller frees them. */
double *sb_view_samples(const struct sb_view *view, const struct sb_view_cell *cell, const char *name, size_t *n);

/* Whether the repetitions of a source are blocks: its run was interleaved. */
bool sb_view_has_blocks(const struct sb_view *view, size_t source);
/* Ratios of x's positive values to y's in the blocks in which both have one; the caller frees them. */
double *sb_view_ratios(const struct sb_view *view, const struct sb_view_cell *x, const struct sb_view_cell *y,
                       const char *name, size_t *n);

/* The largest step of the metric in the ok trials of a cell: what its values are known to. */
double sb_view_step(const struct sb_view *view, const struct sb_view_cell *cell, const char *name);

/* Summary of a metric over the ok trials of a cell; n = 0 where none has it. */
struct sb_summary sb_view_metric(const struct sb_view *view, const struct sb_view_cell *cell, const char *name);

/* Whether any cell has it. */
bool sb_view_has_metric(const struct sb_view *view, const char *name);

/* "2 of 10 far off", "two groups", or NULL: how processes of one cell disagree. The caller frees it. */
char *sb_view_spread(const struct sb_summary *summary);
/* What those words mean, for a legend. */
extern const char sb_view_spread_words[];

/* The unit that the first trial with the metric gives, or "". */
const char *sb_view_unit(const struct sb_view *view, const char *metric);
/* "operations / s", or the metric's own name and unit: what an axis says. The caller frees it. */
char *sb_view_label(const struct sb_view *view, const char *metric);

/* Why a cell has no such metric, in words; borrowed from the data, or a fixed text. */
const char *sb_view_reason(const struct sb_view *view, const struct sb_view_cell *cell, const char *name);

/*
 * The histogram of a kind of call, all trials of a cell merged; n = 0 where there is none. `low` and `high`,
 * for each of `shares`, get the smallest and largest of the processes' own quantiles (NaN unless each has
 * one).
 */
int sb_view_latencies(const struct sb_view *view, const struct sb_view_cell *cell, const char *name,
                      const double *shares, size_t share_count, struct sb_histogram *merged, double *low, double *high,
                      char **why);

/* What the cells' intervals are, in words: "95 % interval of the median by ranks". The caller frees it. */
char *sb_view_interval(const struct sb_view *view, size_t least_n, size_t most_n);

/* Why no more repetitions were made: "±1 % reached", "all 50 repetitions used: ±2.3 %"; NULL without a
 * precision. */
char *sb_view_stopped(const struct sb_view *view, const struct sb_view_cell *cell);

/* Whether a name is one of the config's [pmu] events. */
bool sb_view_is_event(const struct sb_view *view, const char *name);

/* A fact of the machine, or NULL: not there, or not available. */
const char *sb_data_fact(const struct sb_data *data, const char *name);

/* "AMD EPYC, 1 package, 2 cores, ..., Linux 6.1": what captions call the machine. The caller frees it. */
char *sb_machine_name(const struct sb_data *data);

/* "3.21 M" with the prefixes of SI, four digits at most. The caller frees it. */
char *sb_format_si(double value);
/* The same, or "<10" of a value below its step. The caller frees it. */
char *sb_format_reading(struct sb_reading reading);

#endif
