/*
 * The findings of one trial, and their form on the wire: one JSON object a line. Phases, libraries and warnings are
 * out as soon as they are known, so that a trial that dies leaves what it had.
 *
 *   {"phase":"measure"}
 *   {"metric":"ops_per_s","unit":"1/s","value":1234.5}
 *   {"unavailable":"perf::CYCLES","reason":"..."}
 *   {"series":"free_blocks","key":3,"unit":"blocks","points":[[op,value],...]}
 *   {"histogram":"alloc","what":"service time","n":10,"min":160,"max":4000,"counts":[[index,count],...]}
 *   {"library":"/usr/lib/...","build_id":"...","version":"jemalloc 5.3.0-..."}
 *   {"dump":"buddyinfo","text":"..."}
 *   {"warning":"..."}
 *   {"status":"ok"}   or   {"status":"invalid","reason":"..."}     exactly once, last
 *
 * Phases come once each and in their order; what was found comes when the last of them has been entered, each
 * thing once; a status of ok or disturbed only after measure, verify and tear-down. Anything else is an
 * output that contradicts itself, and nothing of it is believed: it may be a plugin's.
 */
#ifndef SB_TRIAL_RESULT_H
#define SB_TRIAL_RESULT_H

#include "base/str.h"
#include "base/vec.h"
#include "measure/histogram.h"
#include "metric/metric.h"

#include <stdio.h>

enum sb_status {
    SB_STATUS_NONE, /* no status line came */
    SB_STATUS_OK,
    SB_STATUS_INVALID,       /* contents were wrong, or blocks overlapped */
    SB_STATUS_CHECK_FAILED,  /* the allocator's own structures or books are wrong, or blocks leaked */
    SB_STATUS_OUT_OF_MEMORY, /* the allocator gave NULL */
    SB_STATUS_ERROR,         /* the trial couldn't be set up */
    SB_STATUS_TIMEOUT,       /* killed at its time limit */
    SB_STATUS_CRASHED,       /* ended by a signal, without a word, or with words that contradict each other */
    SB_STATUS_DISTURBED,     /* the machine kept it from measuring what was asked for */
    SB_STATUSES
};
const char *sb_status_name(enum sb_status status);

struct sb_unavailable {
    char *name, *reason;
};
struct sb_point {
    double x, y;
};
struct sb_series {
    char *name, *unit;
    int key;
    SB_VEC_OF(struct sb_point);
};
struct sb_dump {
    char *name, *text;
};
/* What an allocator loaded, or is made of. */
struct sb_library {
    char *path, *build_id, *version;
};
/* Of measure/histogram.h, the buckets that hold something; min and max in its units. */
struct sb_bucket {
    uint32_t index;
    uint64_t count;
};
struct sb_latencies {
    char *name; /* alloc, free: single calls; response: steps of a paced trial */
    char *what; /* from when to when */
    uint64_t n, min, max;
    struct sb_bucket *at;
    size_t buckets, capacity;
};

struct sb_result {
    enum sb_status status;
    char *reason;
    char *phase; /* the last that was entered */
    struct sb_metrics metrics;
    SB_VEC(struct sb_unavailable) unavailable;
    SB_VEC(struct sb_series) series;
    SB_VEC(struct sb_latencies) latencies;
    SB_VEC(struct sb_dump) dumps;
    SB_VEC(struct sb_library) libraries;
    struct sb_words warnings;
    unsigned entered;    /* phases, a bit each */
    char *contradiction; /* the first, or NULL */
};

/* Writers: one line each; what a trial that dies should leave, and the status, is flushed. */
void sb_write_phase(FILE *out, const char *phase);
void sb_write_metric(FILE *out, enum sb_metric_id id, double value);
/* Of a name that we don't know: a workload's counter, an event. */
void sb_write_count(FILE *out, const char *name, const char *unit, double value);
void sb_write_unavailable(FILE *out, const char *name, const char *reason);
void sb_write_series(FILE *out, const struct sb_series *series);
void sb_write_latencies(FILE *out, const char *name, const char *what, const struct sb_histogram *histogram);
void sb_write_dump(FILE *out, const char *name, const char *text);
void sb_write_library(FILE *out, const char *path, const char *build_id, const char *version);
void sb_write_warning(FILE *out, const char *text);
void sb_write_status(FILE *out, enum sb_status status, const char *reason);

/* Takes in one line; -EPROTO, with result->contradiction set, if it is none of the above or out of place. */
int sb_result_take(struct sb_result *result, const char *line, size_t length);
/* Forgets all that was found: numbers, series, histograms, dumps. */
void sb_result_forget(struct sb_result *result);
void sb_result_free(struct sb_result *result);

/* Gives a series the name and unit of its metric. */
void sb_series_name(struct sb_series *series, enum sb_metric_id id, int key);
/* What it owns. */
void sb_series_free(struct sb_series *series);

void sb_latencies_bucket(struct sb_latencies *latencies, uint32_t index, uint64_t count);
/* Adds what a trial found to a histogram. */
void sb_latencies_add(const struct sb_latencies *latencies, struct sb_histogram *histogram);

#endif
