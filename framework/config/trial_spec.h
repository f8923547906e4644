/*
 * One trial as INI text: written by the plan, read by scullbench-trial. Everything that decides what the
 * trial does stands in it, so the text alone reproduces it.
 */
#ifndef SB_CONFIG_TRIAL_SPEC_H
#define SB_CONFIG_TRIAL_SPEC_H

#include "config/experiment.h"

/* A trial's own keys, then those that it gets of [experiment]. */
#define ROW(id, goes, ...) goes(id)
#define OF_RUN(id)
#define TO_TRIAL(id) SB_TRIAL_##id,
enum sb_trial_key {
    SB_TRIAL_NUMBER,
    SB_TRIAL_CELL,
    SB_TRIAL_REPETITION,
    SB_TRIAL_SEED,
    SB_TRIAL_CPUS,
    SB_TRIAL_LAYOUT,
    SB_TRIAL_EVENTS,
    SB_TRIAL_EVENT_CODES,
    SB_TRIAL_SIMULATE,
    SB_TRIAL_NS_PER_TICK,
    SB_TRIAL_TOPOLOGY,
    SB_TRIAL_MEMORY_FILE,
    SB_TRIAL_MEMORY_PRESENT,
    SB_TRIAL_DUMP,
#include "config/experiment_keys.inc"
    SB_TRIAL_KEYS
};
#undef TO_TRIAL
#undef OF_RUN
#undef ROW
extern const struct sb_option sb_trial_options[SB_TRIAL_KEYS];

/* The keys of [experiment] that a trial gets. */
struct sb_trial_copy {
    enum sb_trial_key to;
    enum sb_experiment_key from;
};
extern const struct sb_trial_copy sb_trial_copies[];
extern const size_t sb_trial_copy_count;

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
