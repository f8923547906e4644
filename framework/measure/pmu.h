/*
 * Event counters by libpfm4's names, counted through perf_event_open.
 *
 * Each event is tried once when the list is prepared; one that can't be opened keeps the kernel's reason,
 * and is never reported as a number.
 */
#ifndef SB_MEASURE_PMU_H
#define SB_MEASURE_PMU_H

#include "base/str.h"

#include <stdbool.h>

struct sb_pmu_event {
    char *name;     /* as the user wrote it */
    char *fstr;     /* libpfm4's unambiguous name of what is counted, or NULL */
    char *reason;   /* why it can't be counted, with a remedy; NULL if it can */
    bool unknown;   /* libpfm4 doesn't know the name: a mistake, not a lack of the machine */
    bool user_only; /* the kernel allows counting user mode only */
    void *attr;     /* struct perf_event_attr */
};

struct sb_pmu {
    struct sb_pmu_event *at;
    size_t n, capacity;
};

/* Looks up and tries every event of a comma list. */
void sb_pmu_prepare(struct sb_pmu *pmu, const char *list);
void sb_pmu_free(struct sb_pmu *pmu);

/* One thread's counters. */
struct sb_pmu_counters {
    int *fds; /* -1 where not counted */
    size_t n;
};

struct sb_pmu_reading {
    uint64_t value, enabled_ns, running_ns;
};

/* Opens the countable events for the calling thread, not yet counting. */
void sb_pmu_open(const struct sb_pmu *pmu, struct sb_pmu_counters *counters);
void sb_pmu_start(const struct sb_pmu_counters *counters);
void sb_pmu_stop(const struct sb_pmu_counters *counters);
/* False where event i isn't counted, or was never on the hardware. */
bool sb_pmu_read(const struct sb_pmu_counters *counters, size_t i, struct sb_pmu_reading *reading);
void sb_pmu_close(struct sb_pmu_counters *counters);

#endif
