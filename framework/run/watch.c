/*
 * Limits: what another process takes from a measured thread is lost to it, so a few percent already show;
 * migrations of pinned threads, and trials that never became steady, should not be at all.
 */
#include "run/watch.h"

#include "base/diag.h"
#include "metric/metric.h"

#include <stdlib.h>

/* /proc/stat counts in hundredths of a second: less than this many seconds may be rounding. */
#define TELLING 0.03

static const struct {
    enum sb_metric_id metric;
    enum sb_metric_id seconds; /* the same in seconds; SB_METRICS: there is none */
    double limit;              /* what is over it, or under it where `below` */
    bool below;
    const char *what, *unit, *remedy;
} kinds[SB_DISTURBANCES] = {
    {SB_METRIC_OTHERS_CPU, SB_METRIC_OTHERS_CPU_S, 5, false, "other processes used more than 5 % of the trials' CPUs",
     " %", "look with `top`, stop them, or keep them off with a cpuset"},
    {SB_METRIC_STEAL, SB_METRIC_STEAL_S, 2, false, "the hypervisor took more than 2 % of the trials' CPUs (steal time)",
     " %", "measure on a dedicated host or on bare metal"},
    {SB_METRIC_MIGRATIONS, SB_METRICS, 0, false, "measured threads changed their CPU although they are pinned", "",
     "look for something that changes their affinity, such as a balancing daemon"},
    {SB_METRIC_STEADY, SB_METRICS, 0.5, true, "processes were measured before their rate was steady", "",
     "raise warmup_limit, or make the workload's cycle shorter; the metric `steady` says which"},
};

void sb_run_watch_take(struct sb_run_watch *w, uint32_t number, const struct sb_result *result)
{
    if (result->status != SB_STATUS_OK)
        return;
    w->trials++;
    for (size_t i = 0; i < SB_DISTURBANCES; i++) {
        const struct sb_metric *m = sb_metrics_find(&result->metrics, sb_metric_rows[kinds[i].metric].name);
        if (!m || (kinds[i].below ? m->value >= kinds[i].limit : m->value <= kinds[i].limit))
            continue;
        const struct sb_metric *seconds =
            kinds[i].seconds == SB_METRICS ? NULL
                                           : sb_metrics_find(&result->metrics, sb_metric_rows[kinds[i].seconds].name);
        if (seconds && seconds->value < TELLING)
            continue;
        if (!w->of[i].trials++ || m->value > w->of[i].worst) {
            w->of[i].worst = m->value;
            w->of[i].worst_trial = number;
        }
    }
}

int sb_run_watch_conclude(const struct sb_run_watch *w, struct sb_store *store, char **why)
{
    int status = 0;
    for (size_t i = 0; i < SB_DISTURBANCES && !status; i++) {
        struct sb_text text = {0};
        if (!w->of[i].trials)
            continue;
        sb_text_printf(&text, "%s in %zu of %zu trials", kinds[i].what, w->of[i].trials, w->trials);
        if (!kinds[i].below)
            sb_text_printf(&text, ", worst in trial %u with %.3g%s", w->of[i].worst_trial, w->of[i].worst,
                           kinds[i].unit);
        sb_text_printf(&text, ": %s", kinds[i].remedy);
        sb_warn("%s", sb_text_get(&text));
        status = sb_store_add_warning(store, sb_text_get(&text), why);
        sb_text_free(&text);
    }
    return status;
}
