/*
 * One trial as INI text: written by the plan, read by scullbench-trial. Everything that decides what the
 * trial does stands in it, so the text alone reproduces it.
 */
#ifndef SB_CONFIG_TRIAL_SPEC_H
#define SB_CONFIG_TRIAL_SPEC_H

#include "config/experiment.h"

enum sb_trial_key {
    SB_TRIAL_NUMBER,
    SB_TRIAL_CELL,
    SB_TRIAL_REPETITION,
    SB_TRIAL_SEED,
    SB_TRIAL_CPUS,
    SB_TRIAL_DURATION,
    SB_TRIAL_OPERATIONS,
    SB_TRIAL_WARMUP,
    SB_TRIAL_STEADY,
    SB_TRIAL_STEADY_WINDOWS,
    SB_TRIAL_WARMUP_LIMIT,
    SB_TRIAL_LATENCY,
    SB_TRIAL_LATENCY_PERIOD,
    SB_TRIAL_RATE,
    SB_TRIAL_LAYOUT,
    SB_TRIAL_SURVEY,
    SB_TRIAL_SURVEY_POINTS,
    SB_TRIAL_LOST_TIME,
    SB_TRIAL_EVENTS,
    SB_TRIAL_EVENT_CODES,
    SB_TRIAL_SIMULATE,
    SB_TRIAL_NS_PER_TICK,
    SB_TRIAL_TOPOLOGY,
    SB_TRIAL_MEMORY_FILE,
    SB_TRIAL_MEMORY_PRESENT,
    SB_TRIAL_DUMP,
    SB_TRIAL_KEYS
};
extern const struct sb_option sb_trial_options[SB_TRIAL_KEYS];

/* The allocator or the workload of a trial. */
struct sb_trial_part {
    const char *name;                     /* of the section */
    const char *path;                     /* the plugin's file */
    const struct sb_ini_section *section; /* its options, beside the key `file` */
};

struct sb_trial_spec {
    struct sb_ini ini; /* owns every text here */
    union sb_value trial[SB_TRIAL_KEYS];
    union sb_value machine[SB_MACHINE_KEYS];
    unsigned *cpus; /* OS numbers; one thread each */
    uint32_t threads;
    struct sb_trial_part allocator, workload;
    struct sb_trial_part baseline; /* that it is measured by turns with; path NULL: with none */
};

/* Errors are collected in `diag`; the spec is to be freed in any case. */
void sb_trial_spec_read(struct sb_trial_spec *spec, const char *text, size_t length, struct sb_diag *diag);
void sb_trial_spec_free(struct sb_trial_spec *spec);

#endif
