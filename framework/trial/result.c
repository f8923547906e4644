/* Both ends of the seam between a trial and the run: encoding and decoding stand in one file. */
#include "trial/result.h"

#include "base/json.h"

#include <errno.h>
#include <math.h>
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

/* Flushed line by line: what is known must be out before the next phase can crash. */
static void write_line(FILE *out, struct sb_json *object)
{
    char *line = sb_json_print(object, false);
    fprintf(out, "%s\n", line);
    fflush(out);
    free(line);
    sb_json_free(object);
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
    write_line(out, named("phase", phase));
}

/* A value that isn't finite goes out as null, and comes back as not there. */
void sb_write_metric(FILE *out, const char *name, const char *unit, double value)
{
    struct sb_json *object = named("metric", name);
    sb_json_set_text(object, "unit", unit);
    sb_json_set_real(object, "value", value);
    write_line(out, object);
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
    write_line(out, object);
}

void sb_write_warning(FILE *out, const char *text)
{
    write_line(out, named("warning", text));
}

void sb_write_status(FILE *out, enum sb_status status, const char *reason)
{
    struct sb_json *object = named("status", names[status]);
    if (reason)
        sb_json_set_text(object, "reason", reason);
    write_line(out, object);
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

/* The last status counts; a trial writes one, and a plugin can't write here. */
static int take_status(struct sb_result *result, const struct sb_json *object)
{
    const char *status = sb_json_text(object, "status");
    /* "none" is no word of a trial's: it means that none was heard. */
    for (size_t i = 1; i < SB_COUNT(names); i++) {
        if (!strcmp(status, names[i])) {
            result->status = (enum sb_status)i;
            free(result->reason);
            result->reason = sb_json_has(object, "reason") ? take_text(object, "reason") : NULL;
            return 0;
        }
    }
    return -EPROTO;
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

static int take_object(struct sb_result *result, const struct sb_json *object)
{
    if (sb_json_text(object, "status"))
        return take_status(result, object);
    if (sb_json_text(object, "phase")) {
        /* The last one written is where a dead trial was. */
        free(result->phase);
        result->phase = take_text(object, "phase");
    } else if (sb_json_text(object, "metric")) {
        double value = sb_json_real(object, "value", NAN);
        /* Not a number: it is as if it had not been said, and never zero. */
        if (!isnan(value))
            *SB_VEC_ADD(&result->metrics) =
                (struct sb_metric){take_text(object, "metric"), take_text(object, "unit"), value};
    } else if (sb_json_text(object, "unavailable")) {
        *SB_VEC_ADD(&result->unavailable) =
            (struct sb_unavailable){take_text(object, "unavailable"), take_text(object, "reason")};
    } else if (sb_json_text(object, "series")) {
        take_series(result, object);
    } else if (sb_json_text(object, "library")) {
        *SB_VEC_ADD(&result->libraries) = (struct sb_library){
            take_text(object, "library"), take_text(object, "build_id"), take_text(object, "version")};
    } else if (sb_json_text(object, "histogram")) {
        take_latencies(result, object);
    } else if (sb_json_text(object, "dump")) {
        *SB_VEC_ADD(&result->dumps) = (struct sb_dump){take_text(object, "dump"), take_text(object, "text")};
    } else if (sb_json_text(object, "warning")) {
        *SB_VEC_ADD(&result->warnings) = take_text(object, "warning");
    } else {
        return -EPROTO;
    }
    return 0;
}

/* A line is one JSON object or it is nothing: half a line of a dying process is told, not guessed at. */
int sb_result_take(struct sb_result *result, const char *line, size_t length)
{
    struct sb_json *object = sb_json_parse(line, length);
    int status = object ? take_object(result, object) : -EPROTO;
    sb_json_free(object);
    return status;
}

void sb_result_free(struct sb_result *result)
{
    for (size_t i = 0; i < result->metrics.n; i++) {
        free(result->metrics.at[i].name);
        free(result->metrics.at[i].unit);
    }
    for (size_t i = 0; i < result->unavailable.n; i++) {
        free(result->unavailable.at[i].name);
        free(result->unavailable.at[i].reason);
    }
    for (size_t i = 0; i < result->series.n; i++) {
        free(result->series.at[i].name);
        free(result->series.at[i].unit);
        free(result->series.at[i].at);
    }
    for (size_t i = 0; i < result->latencies.n; i++) {
        free(result->latencies.at[i].name);
        free(result->latencies.at[i].what);
        free(result->latencies.at[i].at);
    }
    for (size_t i = 0; i < result->dumps.n; i++) {
        free(result->dumps.at[i].name);
        free(result->dumps.at[i].text);
    }
    for (size_t i = 0; i < result->libraries.n; i++) {
        free(result->libraries.at[i].path);
        free(result->libraries.at[i].build_id);
        free(result->libraries.at[i].version);
    }
    SB_VEC_FREE(&result->metrics);
    SB_VEC_FREE(&result->unavailable);
    SB_VEC_FREE(&result->series);
    SB_VEC_FREE(&result->latencies);
    SB_VEC_FREE(&result->dumps);
    SB_VEC_FREE(&result->libraries);
    sb_words_free(&result->warnings);
    free(result->reason);
    free(result->phase);
    *result = (struct sb_result){0};
}
