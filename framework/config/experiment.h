/*
 * The experiment that the user asked for: the INI file, checked as far as it goes without plugins and machine.
 * The plan binds the rest: plugins' options, CPUs, what fits together.
 */
#ifndef SB_CONFIG_EXPERIMENT_H
#define SB_CONFIG_EXPERIMENT_H

#include "base/diag.h"
#include "base/str.h"
#include "base/vec.h"
#include "config/ini.h"
#include "config/plot.h"
#include "scullbench/abi.h"

/* The rows of the fixed sections' tables, in their order. */
#define ROW(id, goes, ...) SB_EXPERIMENT_##id,
enum sb_experiment_key {
#include "config/experiment_keys.inc"
    SB_EXPERIMENT_KEYS
};
#undef ROW
enum sb_layout { SB_LAYOUT_RANDOM, SB_LAYOUT_FIXED };
enum sb_latency { SB_LATENCY_SAMPLED, SB_LATENCY_EACH, SB_LATENCY_OFF };
extern const char *const sb_latency_names[]; /* in the order of enum sb_latency, closed by NULL */
enum sb_order { SB_ORDER_INTERLEAVED, SB_ORDER_SEQUENTIAL };
enum sb_mode { SB_MODE_ALONE, SB_MODE_PAIRED };

#define ROW(id, ...) SB_MACHINE_##id,
enum sb_machine_key {
#include "config/machine_keys.inc"
    SB_MACHINE_KEYS
};
#undef ROW
enum sb_pages_kind { SB_PAGES_4KIB, SB_PAGES_THP, SB_PAGES_2MIB };

enum sb_pmu_key { SB_PMU_EVENTS, SB_PMU_PROVIDER, SB_PMU_KEYS };
enum sb_provider { SB_PROVIDER_PERF, SB_PROVIDER_CACHEGRIND, SB_PROVIDER_AUTO, SB_PROVIDER_NONE };
enum sb_matrix_key { SB_MATRIX_ALLOCATOR, SB_MATRIX_WORKLOAD, SB_MATRIX_THREADS, SB_MATRIX_EXCLUDE, SB_MATRIX_KEYS };

/* A fixed section: what `describe`, the checks and docs/config.md all come from. */
struct sb_section_table {
    const char *kind;
    const char *summary;
    const struct sb_option *options;
    uint32_t n;
};

/* [experiment], [machine], [pmu], [matrix], [plot NAME], in this order. */
enum { SB_TABLE_EXPERIMENT, SB_TABLE_MACHINE, SB_TABLE_PMU, SB_TABLE_MATRIX, SB_TABLE_PLOT, SB_TABLES };
extern const struct sb_section_table sb_tables[SB_TABLES];
const struct sb_section_table *sb_table_find(const char *kind);

/* `SECTION.KEY = values` of [matrix]. */
struct sb_sweep {
    char *section, *key; /* as written */
    char *option;        /* what the key stands for: itself, or a workload's alias of it */
    struct sb_words values;
    int line;
};

/* `ALLOCATOR/WORKLOAD`, either with `*`. */
struct sb_exclude {
    char *allocator, *workload;
    int line;
};

struct sb_experiment {
    char *path;
    char *text;        /* the file as it stands */
    struct sb_ini ini; /* with --set applied; owns the texts below */
    union sb_value values[SB_EXPERIMENT_KEYS];
    union sb_value machine[SB_MACHINE_KEYS];
    union sb_value pmu[SB_PMU_KEYS];
    struct sb_words allocators, workloads;
    struct sb_words threads; /* numbers, or "all" */
    int matrix_line[SB_MATRIX_KEYS];
    SB_VEC(struct sb_sweep) sweeps;
    SB_VEC(struct sb_exclude) excludes;
    struct sb_plots plots;
};

/*
 * Reads `path` and applies `overrides` ("section.key=value"). Errors are collected in `diag`, all of
 * them. 0 where the experiment can be checked further all the same, a negative errno where there is
 * nothing to check; to be freed in any case.
 */
int sb_experiment_load(struct sb_experiment *experiment, const char *path, const char *const *overrides,
                       size_t override_count, struct sb_diag *diag);
void sb_experiment_free(struct sb_experiment *experiment);

#endif
