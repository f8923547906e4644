/* The fixed sections of a config: each key once, with its kind, default, range and meaning. */
#include "base/str.h"
#include "base/units.h"
#include "config/experiment.h"

#include <string.h>

#define SECOND UINT64_C(1000000000)
#define MIB    (UINT64_C(1) << 20)

/* In the order of the enums in experiment.h; NULL ends each. */
static const char *const orders[] = {"interleaved", "sequential", NULL};
static const char *const modes[] = {"alone", "paired", NULL};
static const char *const layouts[] = {"random", "fixed", NULL};
const char *const sb_latency_names[] = {"sampled", "all", "off", NULL};
static const char *const providers[] = {"perf", "cachegrind", "auto", "none", NULL};
static const char *const pages[] = {"4KiB", "thp", "2MiB", NULL};

/* Defaults are those of a config that says nothing but a matrix: enough processes for a 95 % interval, a
   duration that a scheduler's tick can't spoil, and every source of bias randomised. */
static const struct sb_option experiment_options[] = {
    [SB_EXPERIMENT_NAME] = {"name", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                            "what reports call the experiment; by default the file's name without .ini"},
    [SB_EXPERIMENT_SEED] = {"seed", SB_OPTION_INT, 0, "1", 0, UINT64_MAX, NULL,
                            "every random choice of the run comes from it"},
    [SB_EXPERIMENT_REPETITIONS] = {"repetitions", SB_KIND_COUNTS, 0, "10", 1, 1000, NULL,
                                   "trials of each cell, each in a fresh process; a range: at least and at "
                                   "most, as precision or decide asks"},
    [SB_EXPERIMENT_PRECISION] =
        {"precision", SB_KIND_SHARE, 0, "off", 0, 50000, NULL,
         "a cell is repeated until the interval of its median rate reaches no further than this from the "
         "median, or repetitions are used up"},
    [SB_EXPERIMENT_MODE] = {"mode", SB_OPTION_ENUM, 0, "alone", 0, 0, modes,
                            "alone: a process has one allocator; paired: it has the baseline's beside it, "
                            "and measures both by turns "
                            "of some cycles each, for their ratio alone"},
    [SB_EXPERIMENT_LEAST_DIFFERENCE] =
        {"least_difference", SB_KIND_SHARE, 0, "0.5%", 0, 50000, NULL,
         "mode = paired: a ratio nearer to 1 than this is no difference, however certain it is"},
    [SB_EXPERIMENT_DECIDE] =
        {"decide", SB_KIND_SHARE, 0, "off", 0, 50000, NULL,
         "cells are repeated until it is certain that they are faster or slower than the baseline's, or that "
         "they "
         "differ by less than this, or until that can't be reached in the repetitions that are left"},
    [SB_EXPERIMENT_BASELINE] =
        {"baseline", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
         "the allocator that decide and mode = paired compare with; by default the first of the matrix"},
    [SB_EXPERIMENT_CONFIDENCE] = {"confidence", SB_KIND_SHARE, 0, "95%", 80000, 99900, NULL,
                                  "of every interval and comparison"},
    [SB_EXPERIMENT_LAYOUT] =
        {"layout", SB_OPTION_ENUM, 0, "random", 0, 0, layouts,
         "random: address-space randomisation is switched off, and each process' environment size, stack and "
         "memory base are drawn from the seed instead; fixed: switched off and nothing drawn"},
    [SB_EXPERIMENT_TIME_LIMIT] = {"time_limit", SB_OPTION_TIME, 0, "60s", SECOND / 10, 3600 * SECOND, NULL,
                                  "a trial that takes longer is killed and stored as timeout"},
    [SB_EXPERIMENT_ORDER] =
        {"order", SB_OPTION_ENUM, 0, "interleaved", 0, 0, orders,
         "interleaved: every cell once per block, each block shuffled, so that drift hits "
         "all alike; sequential: cell after cell"},
    [SB_EXPERIMENT_DURATION] = {"duration", SB_OPTION_TIME, 0, "200ms", SECOND / 1000, 3600 * SECOND, NULL,
                                "length of the measured phase, unless operations says otherwise"},
    [SB_EXPERIMENT_OPERATIONS] = {"operations", SB_OPTION_INT, 0, "0", 0, UINT64_C(1000000000000), NULL,
                                  "measure this many operations per thread in place of a duration; 0: don't"},
    [SB_EXPERIMENT_WARMUP] =
        {"warmup", SB_OPTION_TIME, 0, "50ms", 0, 600 * SECOND, NULL,
         "runs the workload unmeasured before the measured phase, at least this long; 0ms: not at all"},
    [SB_EXPERIMENT_STEADY] =
        {"steady", SB_KIND_SHARE, 0, "5%", 0, 100000, NULL,
         "warm-up goes on until the rates of the last windows vary by no more than this (coefficient of "
         "variation), or until warmup_limit"},
    [SB_EXPERIMENT_STEADY_WINDOWS] =
        {"steady_windows", SB_OPTION_INT, 0, "5", 3, 50, NULL,
         "windows looked at; each is a whole number of the workload's cycles and "
         "at least 5 ms"},
    [SB_EXPERIMENT_WARMUP_LIMIT] = {"warmup_limit", SB_OPTION_TIME, 0, "500ms", 0, 600 * SECOND, NULL,
                                    "the longest warm-up; one that isn't steady by then is recorded as such"},
    [SB_EXPERIMENT_LATENCY] = {"latency", SB_OPTION_ENUM, 0, "sampled", 0, 0, sb_latency_names,
                               "which allocator calls are timed one by one into a histogram"},
    [SB_EXPERIMENT_LATENCY_PERIOD] = {"latency_period", SB_OPTION_INT, 0, "0", 0, 1000000, NULL,
                                      "latency = sampled: one batch of calls in about so many, at random "
                                      "distances, is timed call by call; 0: so "
                                      "rarely that it costs less than half a percent of the time"},
    [SB_EXPERIMENT_RATE] = {"rate", SB_KIND_RATE, 0, "none", 1, 1000000000, NULL,
                            "each thread's calls arrive at this rate whether or not the last one is done, "
                            "and latency counts from "
                            "when a call was due; none: each call follows the last"},
    [SB_EXPERIMENT_SURVEY] =
        {"survey", SB_OPTION_INT, 0, "2", 0, 1000, NULL,
         "whole cycles of the workload run first, from empty, stopping at checkpoints for "
         "the series over operations; 0: no series"},
    [SB_EXPERIMENT_SURVEY_POINTS] = {"survey_points", SB_OPTION_INT, 0, "40", 2, 1000, NULL,
                                     "checkpoints of the survey"},
    [SB_EXPERIMENT_LOST_TIME] =
        {"lost_time", SB_KIND_SHARE, 0, "5%", 0, 100000, NULL,
         "a trial is disturbed where a thread lost more of the measured phase than this to nobody: it "
         "neither "
         "ran, nor slept by calls of its own, nor waited while others or the hypervisor had its CPU"},
    [SB_EXPERIMENT_RETRIES] = {"retries", SB_OPTION_INT, 0, "3", 0, 100, NULL,
                               "a disturbed trial is made again up to so many times; then its repetition has "
                               "no number, which every report says"},
};

static const struct sb_option machine_options[] = {
    [SB_MACHINE_MEMORY] =
        {"memory", SB_KIND_ROOM, 0, "auto", 8 * MIB, 1048576 * MIB, NULL,
         "size of the memory file that is the machine's RAM for the allocators; a multiple of "
         "4MiB; auto: what the largest cell of the workload needs, the same for all of them"},
    [SB_MACHINE_PAGES] = {"pages", SB_OPTION_ENUM, 0, "4KiB", 0, 0, pages,
                          "what backs the memory file: 4 KiB pages, transparent huge pages, or 2 MiB hugetlb "
                          "pages"},
    [SB_MACHINE_PREFAULT] = {"prefault", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                             "touch the whole memory file before anything is measured"},
    [SB_MACHINE_MEMORY_REUSE] = {"memory_reuse", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                                 "trials of one block run on the same physical pages, cleared in between; "
                                 "no, or with prefault = no or "
                                 "order = sequential: each makes its own"},
    [SB_MACHINE_KEEP_BUSY] =
        {"keep_busy", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
         "the CPUs of a trial don't go idle before its own threads work: its main thread sets "
         "up on the first, and threads of the lowest priority spin on all"},
    [SB_MACHINE_CPUS] = {"cpus", SB_OPTION_TEXT, 0, "all", 0, 0, NULL,
                         "CPUs to use, as an hwloc location: all, pu:0-3, core:even, numa:1.core:0-3, "
                         "kind:0 (cores of one kind), ~pu:0; several separated by blanks"},
    [SB_MACHINE_NODE] = {"node", SB_OPTION_TEXT, 0, "any", 0, 0, NULL,
                         "NUMA nodes to bind the memory file to, as an hwloc location such as numa:0; core:0 "
                         "is the memory next to it; any: on a machine of several, equal parts on those that "
                         "CPUs are nearest to"},
    [SB_MACHINE_PLACEMENT] =
        {"placement", SB_OPTION_ENUM, 0, "compact", 0, 0,
         (const char *const[]){"compact", "scatter", "one-per-core", "list", NULL},
         "which of the CPUs n threads get: compact fills a core, then the next; scatter spreads "
         "over packages and cores first; one-per-core leaves SMT siblings idle; list takes "
         "cpus in the order written"},
};

static const struct sb_option pmu_options[] = {
    [SB_PMU_EVENTS] =
        {"events", SB_OPTION_TEXT, 0,
         "perf::PAGE-FAULTS, perf::CONTEXT-SWITCHES, perf::CPU-MIGRATIONS, perf::CYCLES, "
         "perf::INSTRUCTIONS, perf::CACHE-MISSES, perf::DTLB-LOAD-MISSES",
         0, 0, NULL,
         "events counted per thread in the measured phase, by libpfm4's names; one that can't be "
         "counted is listed with the reason; {A, B}: counted together or not at all"},
    [SB_PMU_PROVIDER] = {"provider", SB_OPTION_ENUM, 0, "perf", 0, 0, providers,
                         "perf: the kernel's counters; cachegrind: those, and one more trial of each cell of "
                         "one thread under "
                         "valgrind, which simulates instructions and cache misses; auto: the latter only "
                         "where the machine has "
                         "no hardware counters and the cell is short; none: nothing is counted"},
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
    {"experiment", "how trials are repeated, ordered and timed", experiment_options,
     SB_COUNT(experiment_options)},
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
