/*
 * Metrics are open: plugins' counters and libpfm4's events have names that we don't know. What can't be told
 * from the name is told from the unit, and what can't be told has no direction: a verdict on it would be made
 * up.
 */
#include "report/metrics.h"

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
    static const char *const more[] = {"ops_per_s", "bytes_per_s", "success",
                                       "ipc",       "given_back",  "largest_free_block"};
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
