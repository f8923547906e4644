/*
 * The table of metrics: name, unit, words, which way is better, to what each is known, and where it is shown.
 *
 * Metrics are open: workloads' counters and libpfm4's events have names that we don't know. What can't be
 * told from the name is told from the unit, and what can't be told has no direction: a verdict on it would be
 * made up.
 *
 * All of it is constant, and may be read by any thread.
 */
#ifndef SB_METRIC_METRIC_H
#define SB_METRIC_METRIC_H

#include "base/vec.h"

#include <stdbool.h>

#define ROW(id, ...) SB_METRIC_##id,
enum sb_metric_id {
#include "metric/rows.inc"
    SB_METRICS
};
#undef ROW

/* One value of one trial. */
struct sb_metric {
    char *name, *unit;
    double value;
};
struct sb_metrics {
    SB_VEC_OF(struct sb_metric);
};

/* The metric of that name, or NULL: the trial doesn't have it. */
const struct sb_metric *sb_metrics_find(const struct sb_metrics *metrics, const char *name);

enum sb_metric_kind {
    SB_SCALAR,
    SB_SERIES_OF_MEMORY,    /* constant at zero where nothing lives at the survey's checkpoints */
    SB_SERIES_OF_THREADS,   /* a point per thread */
    SB_SERIES_OF_ADDRESSES, /* a point per page; one process per cell keeps them */
};

struct sb_metric_row {
    const char *name;  /* in the database, in configs and on the command line */
    const char *alias; /* another name that configs may use, or NULL */
    const char *unit;
    const char *title; /* what a chart's or table's title calls it; NULL: its name */
    const char *label; /* what an axis says; NULL: its name and unit */
    enum sb_metric_kind kind;
    int better;  /* 1: more is; -1: less is; 0: neither */
    bool share;  /* of a whole of 100: its axis is never cut off nor logarithmic */
    bool must;   /* a report says which cells lack it in some repetitions */
    bool si;     /* is written with the prefixes of SI */
    bool if_any; /* its column is left out where no cell has it */
    /* To what its value is known, from the trial's other metrics; NULL: it is exact, as a count is. */
    double (*step)(const struct sb_metrics *trial, const struct sb_metric *metric);
    /* Where it is shown, by the head of its column; NULL: nowhere. Charts can show every metric. */
    const char *file;     /* tables/FILE-WORKLOAD, a table for each workload */
    const char *in_cells; /* tables/cells */
    const char *in_page;  /* index.html's table */
    const char *about;    /* a sentence for the legend of that table, where its head does not say all */
    struct {
        const char *head;
        int width, digits;
    } in_terminal; /* behind the throughput and its interval */
};

extern const struct sb_metric_row sb_metric_rows[SB_METRICS];

/* The name of a metric that we know: SB_NAME(OPS_PER_S). */
#define SB_NAME(id) (sb_metric_rows[SB_METRIC_##id].name)

/* The row of a name or an alias; NULL: the name is a workload's or libpfm4's. */
const struct sb_metric_row *sb_metric_row(const char *name);

/* The name that databases have: `name` itself, or what it is an alias of. */
const char *sb_metric_stored(const char *name);

/* What a title calls it: borrowed from the row, or `name` itself. */
const char *sb_metric_title(const char *name);

/* 1: more is better; -1: less is; 0: neither, as of a count of calls. */
int sb_metric_direction(const char *name, const char *unit);

/* Whether it is a share of a whole of 100: an axis that is cut off or logarithmic would exaggerate it. */
bool sb_metric_is_share(const char *name);

/* Counts of events and what is derived of them, simulated ones included. */
bool sb_metric_is_event(const char *unit);

/*
 * To what the value of a trial's metric is known: the step of the clock, of the kernel's count of CPU time,
 * of a page. In the metric's unit; 0: it is exact.
 */
double sb_metric_step(const struct sb_metrics *trial, const struct sb_metric *metric);

#endif
