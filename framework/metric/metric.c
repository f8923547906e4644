/* The table of metrics, and to what their values are known. */
#include "metric/metric.h"

#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct sb_metric *sb_metrics_find(const struct sb_metrics *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->n; i++) {
        if (!strcmp(metrics->at[i].name, name))
            return &metrics->at[i];
    }
    return NULL;
}

/* ---- what a value is known to ---- */

static double value_of(const struct sb_metrics *trial, enum sb_metric_id id)
{
    const struct sb_metric *m = sb_metrics_find(trial, sb_metric_rows[id].name);
    return m ? m->value : 0;
}

/* Two readings of the clock, each off by less than a step. */
static double clock_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)m;
    return value_of(trial, SB_METRIC_CLOCK_RESOLUTION);
}

/* What is measured between two system calls is known to no better than they take. */
static double microsecond_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)trial;
    (void)m;
    return 1e-6;
}

/* Read back from a histogram, whose buckets are 1/128 of their power of two wide. */
static double percentile_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    double clock = clock_step(trial, m);
    return fmax(clock, clock > 0 ? m->value / 128 : 0);
}

/* The clock's step over the calls of a batch. */
static double batch_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    char *name = sb_printf("%s_batch", m->name);
    const struct sb_metric *batch = sb_metrics_find(trial, name);
    free(name);
    return batch && batch->value > 0 ? clock_step(trial, m) * m->value / batch->value : 0;
}

/* A window is known to a step at each end. */
static double rate_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    double window = value_of(trial, SB_METRIC_WINDOW_NS);
    return window > 0 ? m->value * clock_step(trial, m) / window : 0;
}

/* /proc/stat counts in hundredths of a second. */
#define TICK 0.01

static double tick_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)trial;
    (void)m;
    return TICK;
}

/* `seconds` as a share of the measured phase, in percent. */
static double share_of_window(const struct sb_metrics *trial, double seconds)
{
    double window = value_of(trial, SB_METRIC_WINDOW_NS) / 1e9;
    return window > 0 ? 100 * seconds / window : 0;
}

static double tick_share_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)m;
    return share_of_window(trial, TICK);
}

/* Clocks of threads and processes are read one after the other, so far apart. */
static double thread_share_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)m;
    return share_of_window(trial, 100e-6);
}

/* The kernel's indices are whole thousandths. */
static double index_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)trial;
    (void)m;
    return 0.001;
}

/* What the OS says of resident memory is in pages; an allocator's own count of its pages is exact. */
static double page_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    (void)m;
    return sb_metrics_find(trial, SB_NAME(PSS_PEAK)) ? 4096 : 0;
}

static double footprint_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    double requested = value_of(trial, SB_METRIC_REQUESTED_PEAK);
    return requested > 0 ? page_step(trial, m) / requested : 0;
}

static double footprint_end_step(const struct sb_metrics *trial, const struct sb_metric *m)
{
    double held = value_of(trial, SB_METRIC_HELD_END);
    return held > 0 ? page_step(trial, m) * m->value / held : 0;
}

/* ---- the table ---- */

#define ROW(id, ...) [SB_METRIC_##id] = {__VA_ARGS__},
const struct sb_metric_row sb_metric_rows[SB_METRICS] = {
#include "metric/rows.inc"
};
#undef ROW

const struct sb_metric_row *sb_metric_row(const char *name)
{
    for (size_t i = 0; i < SB_METRICS; i++) {
        const struct sb_metric_row *row = &sb_metric_rows[i];
        if (!strcmp(row->name, name) || (row->alias && !strcmp(row->alias, name)))
            return row;
    }
    return NULL;
}

const char *sb_metric_stored(const char *name)
{
    const struct sb_metric_row *row = sb_metric_row(name);
    return row ? row->name : name;
}

const char *sb_metric_title(const char *name)
{
    const struct sb_metric_row *row = sb_metric_row(name);
    return row && row->title ? row->title : name;
}

/* Units of the names that we don't know: times and events, of which fewer are better. */
static bool is_cost(const char *unit)
{
    return !strcmp(unit, "ns") || !strncmp(unit, "events", strlen("events")) ||
           !strncmp(unit, "simulated events", strlen("simulated events"));
}

int sb_metric_direction(const char *name, const char *unit)
{
    const struct sb_metric_row *row = sb_metric_row(name);
    return row ? row->better : is_cost(unit) ? -1 : 0;
}

bool sb_metric_is_share(const char *name)
{
    const struct sb_metric_row *row = sb_metric_row(name);
    return row && row->share;
}

bool sb_metric_is_event(const char *unit)
{
    static const char *const begins[] = {"events", "simulated", "instructions per", "faults"};
    for (size_t i = 0; i < SB_COUNT(begins); i++) {
        if (!strncmp(unit, begins[i], strlen(begins[i])))
            return true;
    }
    return false;
}

double sb_metric_step(const struct sb_metrics *trial, const struct sb_metric *metric)
{
    const struct sb_metric_row *row = sb_metric_row(metric->name);
    return row && row->step ? row->step(trial, metric) : 0;
}
