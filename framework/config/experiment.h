/*
 * What the user asked for: the INI file, checked as far as it goes without plugins and machine.
 * The plan binds the rest: plugins' options, CPUs, what fits together.
 */
#ifndef SB_CONFIG_EXPERIMENT_H
#define SB_CONFIG_EXPERIMENT_H

#include "base/diag.h"
#include "base/str.h"
#include "config/ini.h"
#include "config/plot.h"
#include "scullbench/abi.h"

/* The rows of the fixed sections' tables, in their order. */
enum sb_experiment_key {
    SB_EXPERIMENT_NAME,
    SB_EXPERIMENT_SEED,
    SB_EXPERIMENT_REPETITIONS,
    SB_EXPERIMENT_PRECISION,
    SB_EXPERIMENT_MODE,
    SB_EXPERIMENT_LEAST_DIFFERENCE,
    SB_EXPERIMENT_DECIDE,
    SB_EXPERIMENT_BASELINE,
    SB_EXPERIMENT_CONFIDENCE,
    SB_EXPERIMENT_LAYOUT,
    SB_EXPERIMENT_TIME_LIMIT,
    SB_EXPERIMENT_ORDER,
    SB_EXPERIMENT_DURATION,
    SB_EXPERIMENT_OPERATIONS,
    SB_EXPERIMENT_WARMUP,
    SB_EXPERIMENT_STEADY,
    SB_EXPERIMENT_STEADY_WINDOWS,
    SB_EXPERIMENT_WARMUP_LIMIT,
    SB_EXPERIMENT_LATENCY,
    SB_EXPERIMENT_LATENCY_PERIOD,
    SB_EXPERIMENT_RATE,
    SB_EXPERIMENT_SURVEY,
    SB_EXPERIMENT_SURVEY_POINTS,
    SB_EXPERIMENT_LOST_TIME,
    SB_EXPERIMENT_RETRIES,
    SB_EXPERIMENT_KEYS
};
enum sb_layout { SB_LAYOUT_RANDOM, SB_LAYOUT_FIXED };
enum sb_latency { SB_LATENCY_SAMPLED, SB_LATENCY_EACH, SB_LATENCY_OFF };
extern const char *const sb_latency_names[]; /* in the order of enum sb_latency, closed by NULL */
enum sb_order { SB_ORDER_INTERLEAVED, SB_ORDER_SEQUENTIAL };
enum sb_mode { SB_MODE_ALONE, SB_MODE_PAIRED };

enum sb_machine_key {
    SB_MACHINE_MEMORY,
    SB_MACHINE_PAGES,
    SB_MACHINE_PREFAULT,
    SB_MACHINE_MEMORY_REUSE,
    SB_MACHINE_KEEP_BUSY,
    SB_MACHINE_CPUS,
    SB_MACHINE_NODE,
    SB_MACHINE_PLACEMENT,
    SB_MACHINE_KEYS
};
enum sb_pages_kind { SB_PAGES_4KIB, SB_PAGES_THP, SB_PAGES_2MIB };

enum sb_pmu_key { SB_PMU_EVENTS, SB_PMU_PROVIDER, SB_PMU_KEYS };
enum sb_provider { SB_PROVIDER_PERF, SB_PROVIDER_CACHEGRIND, SB_PROVIDER_AUTO, SB_PROVIDER_NONE };
enum sb_matrix_key {
    SB_MATRIX_ALLOCATOR,
    SB_MATRIX_WORKLOAD,
    SB_MATRIX_THREADS,
    SB_MATRIX_EXCLUDE,
    SB_MATRIX_KEYS
};

/* A fixed section: what `describe`, the checks and docs/config.md all come from. */
struct sb_section_table {
    const char *kind;
    const char *summary;
    const struct sb_option *options;
    uint32_t n;
};

/* [experiment], [machine], [pmu], [matrix], [plot NAME], in this order. */
enum sb_table {
    SB_TABLE_EXPERIMENT,
    SB_TABLE_MACHINE,
    SB_TABLE_PMU,
    SB_TABLE_MATRIX,
    SB_TABLE_PLOT,
    SB_TABLES
};
extern const struct sb_section_table sb_tables[SB_TABLES];
const struct sb_section_table *sb_table_find(const char *kind);

/* `SECTION.KEY = values` of [matrix]. */
struct sb_sweep {
    char *section, *key;
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
    struct {
        struct sb_sweep *at;
        size_t n, capacity;
    } sweeps;
    struct {
        struct sb_exclude *at;
        size_t n, capacity;
    } excludes;
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

/* Where SECTION.KEY is cut: at its last dot, or before `env.`, whose names may have dots; NULL without one.
 */
const char *sb_sweep_dot(const char *path);

/* `env.NAME = value` of an [allocator] section: the environment of its trials. The name, or NULL for another
 * key. */
const char *sb_env_name(const char *key);

/*
 * Reads the entries of `section` against `table` into `values`, defaults first. Unknown keys and bad
 * values are collected, but for the key `skip` and, where there is one, those of the environment. `section`
 * may be NULL: all defaults.
 */
void sb_read_section(const struct sb_ini_section *section, const char *what, const struct sb_option *table,
                     uint32_t n, const char *skip, union sb_value *values, struct sb_diag *diag);

#endif
