/*
 * Metrics are open: plugins' counters and libpfm4's events have names that we don't know. What can't be told
 * from the name is told from the unit, and what can't be told has no direction: a verdict on it would be made
 * up.
 */
#include "report/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *sb_metric_name(const char *name)
{
    return !strcmp(name, "throughput") ? "ops_per_s" : name;
}

static const struct {
    const char *name, *title, *label;
} known[] = {
    {"ops_per_s", "throughput", "operations / s"},
    {"bytes_per_s", "bytes per second", "bytes / s"},
    {"paired_ratio", "throughput beside the baseline's, by turns in one process",
     "of the baseline's operations / s"},
    {"baseline_ops_per_s", "throughput of the baseline in the same process", "operations / s"},
    {"alloc_ns", "time of an allocation", "ns per allocation"},
    {"free_ns", "time of a free", "ns per free"},
    {"footprint", "memory held over requested where most is live", "held / requested"},
    {"success", "allocations that succeeded", "attempts that succeeded (%)"},
    {"internal_fragmentation", "internal fragmentation", "internal fragmentation (%)"},
    {"unusable_free_space", "unusable free space", "unusable free space index"},
};

const char *sb_metric_unit(const struct sb_view *view, const char *metric)
{
    for (size_t t = 0; t < view->data.trials.n; t++) {
        const struct sb_metric *m = sb_result_metric(&view->data.trials.at[t].result, metric);
        if (m)
            return m->unit;
    }
    return "";
}

char *sb_metric_label(const struct sb_view *view, const char *metric)
{
    for (size_t i = 0; i < SB_COUNT(known); i++) {
        if (!strcmp(metric, known[i].name))
            return sb_strdup(known[i].label);
    }
    const char *unit = sb_metric_unit(view, metric);
    return sb_printf("%s%s%s%s", metric, *unit ? " (" : "", unit, *unit ? ")" : "");
}

char *sb_metric_title(const char *metric)
{
    for (size_t i = 0; i < SB_COUNT(known); i++) {
        if (!strcmp(metric, known[i].name))
            return sb_strdup(known[i].title);
    }
    return sb_strdup(metric);
}

static bool in_list(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(name, list[i]))
            return true;
    }
    return false;
}

/* Times and events: the fewer the better. */
static bool is_cost(const char *unit)
{
    return !strcmp(unit, "ns") || !strncmp(unit, "events", 6) || !strncmp(unit, "simulated events", 16) ||
           !strncmp(unit, "faults", 6) || !strcmp(unit, "switches");
}

int sb_metric_direction(const char *metric, const char *unit)
{
    static const char *const more[] = {"ops_per_s",    "bytes_per_s",       "success",
                                       "ipc",          "given_back",        "largest_free_block",
                                       "paired_ratio", "baseline_ops_per_s"};
    static const char *const less[] = {"footprint",
                                       "footprint_end",
                                       "held_end",
                                       "kept_bytes",
                                       "pss_peak",
                                       "pss_end",
                                       "internal_fragmentation",
                                       "unusable_free_space",
                                       "fragmentation_index",
                                       "failed_allocs",
                                       "backlog"};
    if (in_list(metric, more, SB_COUNT(more)))
        return 1;
    return in_list(metric, less, SB_COUNT(less)) || is_cost(unit) ? -1 : 0;
}

/* ---- what a value is known to ---- */

static double value_of(const struct sb_result *r, const char *name)
{
    const struct sb_metric *m = sb_result_metric(r, name);
    return m ? m->value : 0;
}

/* Two readings of the clock, each off by less than a step. */
static double clock_step(const struct sb_result *r, const struct sb_metric *m)
{
    (void)m;
    return value_of(r, "clock_resolution");
}

/* Read back from a histogram, whose buckets are 1/128 of their power of two wide. */
static double percentile_step(const struct sb_result *r, const struct sb_metric *m)
{
    return fmax(clock_step(r, m), value_of(r, "clock_resolution") > 0 ? m->value / 128 : 0);
}

/* The clock's step over the calls of a batch. */
static double batch_step(const struct sb_result *r, const struct sb_metric *m)
{
    char *name = sb_printf("%s_batch", m->name);
    double batch = value_of(r, name);
    free(name);
    return batch > 0 ? clock_step(r, m) * m->value / batch : 0;
}

/* A window is known to a step at each end. */
static double rate_step(const struct sb_result *r, const struct sb_metric *m)
{
    double window = value_of(r, "window_ns");
    return window > 0 ? m->value * clock_step(r, m) / window : 0;
}

/* /proc/stat counts in hundredths of a second. */
#define TICK 0.01

static double tick_step(const struct sb_result *r, const struct sb_metric *m)
{
    (void)r;
    (void)m;
    return TICK;
}

static double tick_share_step(const struct sb_result *r, const struct sb_metric *m)
{
    double window = value_of(r, "window_ns") / 1e9;
    (void)m;
    return window > 0 ? 100 * TICK / window : 0;
}

/* Clocks of threads and processes, which are read one after the other. */
static double thread_share_step(const struct sb_result *r, const struct sb_metric *m)
{
    const double apart = 100e-6;
    double window = value_of(r, "window_ns") / 1e9;
    (void)m;
    return window > 0 ? 100 * apart / window : 0;
}

/* The kernel's indices are whole thousandths. */
static double index_step(const struct sb_result *r, const struct sb_metric *m)
{
    (void)r;
    (void)m;
    return 0.001;
}

/* What the OS says of resident memory is in pages; an allocator's own count of its pages is exact. */
static double page_step(const struct sb_result *r, const struct sb_metric *m)
{
    (void)m;
    return sb_result_metric(r, "pss_peak") ? 4096 : 0;
}

static double footprint_step(const struct sb_result *r, const struct sb_metric *m)
{
    double requested = value_of(r, "requested_peak");
    return requested > 0 ? page_step(r, m) / requested : 0;
}

static double footprint_end_step(const struct sb_result *r, const struct sb_metric *m)
{
    double held = value_of(r, "held_end");
    return held > 0 ? page_step(r, m) * m->value / held : 0;
}

static const struct {
    const char *names;
    double (*step)(const struct sb_result *result, const struct sb_metric *metric);
} steps[] = {
    {"alloc_p*_ns", percentile_step},
    {"free_p*_ns", percentile_step},
    {"response_p*_ns", percentile_step},
    {"*_max_ns", clock_step},
    {"alloc_ns", batch_step},
    {"free_ns", batch_step},
    {"*_ns_batch", clock_step},
    {"window_ns", clock_step},
    {"warmup_ns", clock_step},
    {"clock_ns", clock_step},
    {"*ops_per_s", rate_step},
    {"bytes_per_s", rate_step},
    {"others_cpu_s", tick_step},
    {"steal_s", tick_step},
    {"others_cpu", tick_share_step},
    {"steal", tick_share_step},
    {"allocator_threads_cpu", thread_share_step},
    {"waited_for_cpu", thread_share_step},
    {"lost_time", thread_share_step},
    {"unusable_free_space", index_step},
    {"fragmentation_index", index_step},
    {"footprint", footprint_step},
    {"footprint_end", footprint_end_step},
    {"held_end", page_step},
    {"kept_bytes", page_step},
    {"pss_*", page_step},
};

double sb_metric_step(const struct sb_result *result, const struct sb_metric *metric)
{
    for (size_t i = 0; i < SB_COUNT(steps); i++) {
        if (sb_glob(steps[i].names, metric->name))
            return steps[i].step(result, metric);
    }
    return 0;
}
