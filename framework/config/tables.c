/* The fixed sections of a config: each key once, with its kind, default, range and meaning. */
#include "base/str.h"
#include "base/units.h"
#include "config/experiment.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

/* In the order of the enums in experiment.h; NULL ends each. */
static const char *const orders[] = {"interleaved", "sequential", NULL};
static const char *const modes[] = {"alone", "paired", NULL};
static const char *const layouts[] = {"random", "fixed", NULL};
const char *const sb_latency_names[] = {"sampled", "all", "off", NULL};
static const char *const providers[] = {"perf", "cachegrind", "auto", "none", NULL};
static const char *const pages[] = {"4KiB", "thp", "2MiB", NULL};
static const char *const placements[] = {"compact", "scatter", "one-per-core", "list", NULL};

static const struct sb_option experiment_options[SB_EXPERIMENT_KEYS] = {
#define ROW(id, goes, ...) [SB_EXPERIMENT_##id] = {__VA_ARGS__},
#include "config/experiment_keys.inc"
#undef ROW
};

static const struct sb_option machine_options[SB_MACHINE_KEYS] = {
#define ROW(id, ...) [SB_MACHINE_##id] = {__VA_ARGS__},
#include "config/machine_keys.inc"
#undef ROW
};

static const struct sb_option pmu_options[] = {
    [SB_PMU_EVENTS] = {"events", SB_OPTION_TEXT, 0,
                       "perf::PAGE-FAULTS, perf::CONTEXT-SWITCHES, perf::CPU-MIGRATIONS, perf::CYCLES, "
                       "perf::INSTRUCTIONS, perf::CACHE-MISSES, perf::DTLB-LOAD-MISSES",
                       0, 0, NULL,
                       "events counted per thread in the measured phase, by libpfm4's names; "
                       "one that can't be counted is listed with the reason; {A, B}: "
                       "counted together or not at all"},
    [SB_PMU_PROVIDER] = {"provider", SB_OPTION_ENUM, 0, "perf", 0, 0, providers,
                         "perf: the kernel's counters; cachegrind: those, and one more trial of each cell of one "
                         "thread under valgrind, which simulates instructions and cache misses; auto: "
                         "the latter only where the machine has no hardware counters and the cell is short; none: "
                         "nothing is counted"},
};

static const struct sb_option matrix_options[] = {
    [SB_MATRIX_ALLOCATOR] = {"allocator", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                             "required: names of [allocator NAME] sections, or of allocator plugins"},
    [SB_MATRIX_WORKLOAD] = {"workload", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                            "required: names of [workload NAME] sections, or of workload plugins"},
    [SB_MATRIX_THREADS] = {"threads", SB_OPTION_TEXT, 0, "1", 0, 0, NULL,
                           "thread counts; all: one for each CPU that cpus and placement give"},
    [SB_MATRIX_EXCLUDE] = {"exclude", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                           "cells to leave out, as ALLOCATOR/WORKLOAD, where * stands for any characters"},
};

const struct sb_section_table sb_tables[SB_TABLES] = {
    {"experiment", "how trials are repeated, ordered and timed", experiment_options, SB_COUNT(experiment_options)},
    {"machine", "memory, CPUs and placement of every trial", machine_options, SB_COUNT(machine_options)},
    {"pmu", "what is counted beside the time", pmu_options, SB_COUNT(pmu_options)},
    {"matrix", "what is combined; any SECTION.KEY of another section may be swept here too", matrix_options,
     SB_COUNT(matrix_options)},
    {"plot", "[plot NAME], a chart of the report; without any, the report has its own for what was varied",
     sb_plot_options, SB_PLOT_KEYS},
};

const struct sb_section_table *sb_table_find(const char *kind)
{
    for (size_t i = 0; i < SB_TABLES; i++) {
        if (!strcmp(sb_tables[i].kind, kind))
            return &sb_tables[i];
    }
    return NULL;
}
