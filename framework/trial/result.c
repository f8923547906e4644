/* Both ends of the seam between a trial and the run: encoding and decoding stand in one file. */
#define _GNU_SOURCE
#include "trial/result.h"

#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stored in databases: a name is never given to another status. */
static const char *const names[] = {"none",  "ok",      "invalid", "check-failed", "out-of-memory",
                                    "error", "timeout", "crashed", "disturbed"};
_Static_assert(SB_COUNT(names) == SB_STATUSES, "every status has a name");

const char *sb_status_name(enum sb_status status)
{
    return names[status];
}

static void write_line(FILE *out, struct sb_json *object)
{
    char *line = sb_json_print(object, false);
    fprintf(out, "%s\n", line);
    free(line);
    sb_json_free(object);
}

/* What is known must be out before the next phase can crash; numbers come all at once, at the end. */
static void write_now(FILE *out, struct sb_json *object)
{
    write_line(out, object);
    fflush(out);
}

/* Every line is told apart by its first key. */
static struct sb_json *named(const char *kind, const char *name)
{
    struct sb_json *object = sb_json_object();
    sb_json_set_text(object, kind, name);
    return object;
}

void sb_write_phase(FILE *out, const char *phase)
{
    write_now(out, named("phase", phase));
}

/* A value that isn't finite goes out as null, and comes back as not there. */
void sb_write_count(FILE *out, const char *name, const char *unit, double value)
{
    struct sb_json *object = named("metric", name);
    sb_json_set_text(object, "unit", unit);
    sb_json_set_real(object, "value", value);
    write_line(out, object);
}

void sb_write_metric(FILE *out, enum sb_metric_id id, double value)
{
    sb_write_count(out, sb_metric_rows[id].name, sb_metric_rows[id].unit, value);
}

void sb_write_unavailable(FILE *out, const char *name, const char *reason)
{
    struct sb_json *object = named("unavailable", name);
    sb_json_set_text(object, "reason", reason);
    write_line(out, object);
}

void sb_write_series(FILE *out, const struct sb_series *series)
{
    struct sb_json *object = named("series", series->name), *points = sb_json_array();
    sb_json_set_int(object, "key", series->key);
    sb_json_set_text(object, "unit", series->unit);
    for (size_t i = 0; i < series->n; i++) {
        struct sb_json *pair = sb_json_array();
        sb_json_add_real(pair, series->at[i].x);
        sb_json_add_real(pair, series->at[i].y);
        sb_json_add(points, pair);
    }
    sb_json_set(object, "points", points);
    write_line(out, object);
}

/* Most of the buckets are empty; those that aren't go out as pairs. */
void sb_write_latencies(FILE *out, const char *name, const char *what, const struct sb_histogram *h)
{
    struct sb_json *object = named("histogram", name), *counts = sb_json_array();
    sb_json_set_text(object, "what", what);
    sb_json_set_int(object, "n", (int64_t)h->n);
    sb_json_set_int(object, "min", (int64_t)h->min);
    sb_json_set_int(object, "max", (int64_t)h->max);
    for (size_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++) {
        if (!h->counts[i])
            continue;
        struct sb_json *pair = sb_json_array();
        sb_json_add_real(pair, (double)i);
        sb_json_add_real(pair, (double)h->counts[i]);
        sb_json_add(counts, pair);
    }
    sb_json_set(object, "counts", counts);
    write_line(out, object);
}

void sb_write_dump(FILE *out, const char *name, const char *text)
{
    struct sb_json *object = named("dump", name);
    sb_json_set_text(object, "text", text);
    write_line(out, object);
}

void sb_write_library(FILE *out, const char *path, const char *build_id, const char *version)
{
    struct sb_json *object = named("library", path);
    sb_json_set_text(object, "build_id", build_id);
    sb_json_set_text(object, "version", version);
    write_now(out, object);
}

void sb_write_warning(FILE *out, const char *text)
{
    write_now(out, named("warning", text));
}

void sb_write_status(FILE *out, enum sb_status status, const char *reason)
{
    struct sb_json *object = named("status", names[status]);
    if (reason)
        sb_json_set_text(object, "reason", reason);
    write_now(out, object);
}

void sb_latencies_bucket(struct sb_latencies *l, uint32_t index, uint64_t count)
{
    l->at = sb_vec_grow(l->at, &l->capacity, l->buckets, sizeof(*l->at));
    l->at[l->buckets++] = (struct sb_bucket){index, count};
}

/* From the sparse form of the line to the dense one that is merged. */
void sb_latencies_add(const struct sb_latencies *l, struct sb_histogram *h)
{
    for (size_t i = 0; i < l->buckets; i++)
        h->counts[l->at[i].index] += l->at[i].count;
    h->min = !h->n || l->min < h->min ? l->min : h->min;
    h->max = l->max > h->max ? l->max : h->max;
    h->n += l->n;
}

/* A missing text is an empty one: the line is still worth keeping. */
static char *take_text(const struct sb_json *object, const char *key)
{
    const char *text = sb_json_text(object, key);
    return sb_strdup(text ? text : "");
}

/* Only the first is kept: what comes after it is no more to be believed. */
static int contradict(struct sb_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int contradict(struct sb_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!result->contradiction && vasprintf(&result->contradiction, format, args) < 0)
        abort();
    va_end(args);
    return -EPROTO;
}

/* In the order in which a trial enters them; which of the first three it has depends on its settings. */
static const char *const phases[] = {"setup", "survey", "warm-up", "measure", "verify", "tear-down"};
enum { MEASURE = 1 << 3, VERIFY = 1 << 4, TEAR_DOWN = 1 << 5 };

static int take_phase(struct sb_result *result, const struct sb_json *object)
{
    const char *name = sb_json_text(object, "phase");
    for (unsigned i = 0; i < SB_COUNT(phases); i++) {
        if (strcmp(name, phases[i]))
            continue;
        if (result->entered >> i)
            return contradict(result, "phase %s was entered twice, or after a later one", name);
        result->entered |= 1U << i;
        /* The last one written is where a dead trial was. */
        free(result->phase);
        result->phase = take_text(object, "phase");
        return 0;
    }
    return contradict(result, "a trial has no phase '%.40s'", name);
}

/* Numbers of a measured phase that never was would be made up. */
static int take_status(struct sb_result *result, const struct sb_json *object)
{
    const char *status = sb_json_text(object, "status");
    const unsigned all = MEASURE | VERIFY | TEAR_DOWN;
    /* "none" is no word of a trial's: it means that none was heard. */
    for (size_t i = 1; i < SB_COUNT(names); i++) {
        if (strcmp(status, names[i]))
            continue;
        if ((i == SB_STATUS_OK || i == SB_STATUS_DISTURBED) && (result->entered & all) != all)
            return contradict(result, "its status is %s, but it was not measured, verified and torn down", status);
        result->status = (enum sb_status)i;
        free(result->reason);
        result->reason = sb_json_has(object, "reason") ? take_text(object, "reason") : NULL;
        return 0;
    }
    return contradict(result, "a trial has no status '%.40s'", status);
}

/* Points that aren't pairs of numbers become NaN, which every reader leaves out. */
static void take_series(struct sb_result *result, const struct sb_json *object)
{
    const struct sb_json *points = sb_json_get(object, "points");
    struct sb_series *series = SB_VEC_ADD(&result->series);
    series->name = take_text(object, "series");
    series->unit = take_text(object, "unit");
    series->key = (int)sb_json_int(object, "key", 0);
    for (size_t i = 0; i < sb_json_length(points); i++) {
        const struct sb_json *pair = sb_json_at(points, i);
        *SB_VEC_ADD(series) =
            (struct sb_point){sb_json_number(sb_json_at(pair, 0)), sb_json_number(sb_json_at(pair, 1))};
    }
}

/* What doesn't lie in the histogram's range is no bucket of ours. */
static void take_latencies(struct sb_result *result, const struct sb_json *object)
{
    const struct sb_json *counts = sb_json_get(object, "counts");
    struct sb_latencies *l = SB_VEC_ADD(&result->latencies);
    l->name = take_text(object, "histogram");
    l->what = take_text(object, "what");
    l->n = (uint64_t)sb_json_int(object, "n", 0);
    l->min = (uint64_t)sb_json_int(object, "min", 0);
    l->max = (uint64_t)sb_json_int(object, "max", 0);
    for (size_t i = 0; i < sb_json_length(counts); i++) {
        const struct sb_json *pair = sb_json_at(counts, i);
        double index = sb_json_number(sb_json_at(pair, 0)), count = sb_json_number(sb_json_at(pair, 1));
        if (index >= 0 && index < SB_HISTOGRAM_BUCKETS && count > 0)
            sb_latencies_bucket(l, (uint32_t)index, (uint64_t)count);
    }
}

/* Tens of metrics and some thousand points are what a trial has; far more is no trial's. */
enum { MOST = 4096 };

static int take_metric(struct sb_result *result, const struct sb_json *object)
{
    const char *name = sb_json_text(object, "metric");
    double value = sb_json_real(object, "value", NAN);
    for (size_t i = 0; i < result->metrics.n; i++) {
        if (!strcmp(result->metrics.at[i].name, name))
            return contradict(result, "metric %.80s comes twice", name);
    }
    if (result->metrics.n == MOST)
        return contradict(result, "it has more than %d metrics", MOST);
    /* Not a number: it is as if it had not been said, and never zero. */
    if (!isnan(value))
        *SB_VEC_ADD(&result->metrics) =
            (struct sb_metric){take_text(object, "metric"), take_text(object, "unit"), value};
    return 0;
}

static int take_unavailable(struct sb_result *result, const struct sb_json *object)
{
    if (result->unavailable.n == MOST)
        return contradict(result, "more than %d numbers are not available", MOST);
    *SB_VEC_ADD(&result->unavailable) =
        (struct sb_unavailable){take_text(object, "unavailable"), take_text(object, "reason")};
    return 0;
}

/* What a trial says while it runs. */
static bool take_word(struct sb_result *result, const struct sb_json *object)
{
    if (sb_json_text(object, "library"))
        *SB_VEC_ADD(&result->libraries) = (struct sb_library){
            take_text(object, "library"), take_text(object, "build_id"), take_text(object, "version")};
    else if (sb_json_text(object, "warning"))
        *SB_VEC_ADD(&result->warnings) = take_text(object, "warning");
    else
        return false;
    return true;
}

/* What it has found when nothing can be found against it any more. */
static int take_finding(struct sb_result *result, const struct sb_json *object)
{
    static const char *const kinds[] = {"metric", "unavailable", "series", "histogram", "dump"};
    const char *kind = NULL;
    for (size_t i = 0; i < SB_COUNT(kinds) && !kind; i++)
        kind = sb_json_text(object, kinds[i]) ? kinds[i] : NULL;
    if (!kind)
        return contradict(result, "a line of its output is not a result");
    if (!(result->entered & TEAR_DOWN))
        return contradict(result, "%s %.80s comes before the trial was torn down", kind, sb_json_text(object, kind));
    if (!strcmp(kind, "metric"))
        return take_metric(result, object);
    if (!strcmp(kind, "unavailable"))
        return take_unavailable(result, object);
    if (!strcmp(kind, "series"))
        take_series(result, object);
    else if (!strcmp(kind, "histogram"))
        take_latencies(result, object);
    else
        *SB_VEC_ADD(&result->dumps) = (struct sb_dump){take_text(object, "dump"), take_text(object, "text")};
    return 0;
}

static int take_object(struct sb_result *result, const struct sb_json *object)
{
    if (result->status != SB_STATUS_NONE)
        return contradict(result, "something comes after its status, which was %s", names[result->status]);
    if (sb_json_text(object, "status"))
        return take_status(result, object);
    if (sb_json_text(object, "phase"))
        return take_phase(result, object);
    return take_word(result, object) ? 0 : take_finding(result, object);
}

/* A line is one JSON object or it is nothing: half a line of a dying process is told, not guessed at. */
int sb_result_take(struct sb_result *result, const char *line, size_t length)
{
    struct sb_json *object = sb_json_parse(line, length);
    int status =
        object ? take_object(result, object) : contradict(result, "a line of its output is not a result: %.80s", line);
    sb_json_free(object);
    return status;
}

void sb_series_name(struct sb_series *series, enum sb_metric_id id, int key)
{
    series->name = sb_strdup(sb_metric_rows[id].name);
    series->unit = sb_strdup(sb_metric_rows[id].unit);
    series->key = key;
}

void sb_series_free(struct sb_series *series)
{
    free(series->name);
    free(series->unit);
    SB_VEC_FREE(series);
}

void sb_result_forget(struct sb_result *result)
{
    for (size_t i = 0; i < result->metrics.n; i++) {
        free(result->metrics.at[i].name);
        free(result->metrics.at[i].unit);
    }
    for (size_t i = 0; i < result->unavailable.n; i++) {
        free(result->unavailable.at[i].name);
        free(result->unavailable.at[i].reason);
    }
    for (size_t i = 0; i < result->series.n; i++)
        sb_series_free(&result->series.at[i]);
    for (size_t i = 0; i < result->latencies.n; i++) {
        free(result->latencies.at[i].name);
        free(result->latencies.at[i].what);
        free(result->latencies.at[i].at);
    }
    for (size_t i = 0; i < result->dumps.n; i++) {
        free(result->dumps.at[i].name);
        free(result->dumps.at[i].text);
    }
    SB_VEC_FREE(&result->metrics);
    SB_VEC_FREE(&result->unavailable);
    SB_VEC_FREE(&result->series);
    SB_VEC_FREE(&result->latencies);
    SB_VEC_FREE(&result->dumps);
}

void sb_result_free(struct sb_result *result)
{
    sb_result_forget(result);
    for (size_t i = 0; i < result->libraries.n; i++) {
        free(result->libraries.at[i].path);
        free(result->libraries.at[i].build_id);
        free(result->libraries.at[i].version);
    }
    SB_VEC_FREE(&result->libraries);
    sb_words_free(&result->warnings);
    free(result->reason);
    free(result->phase);
    free(result->contradiction);
    *result = (struct sb_result){0};
}
