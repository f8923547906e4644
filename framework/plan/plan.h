/* The plan: from an experiment to cells and the order of their trials. Nothing is measured here. */
#ifndef SB_PLAN_PLAN_H
#define SB_PLAN_PLAN_H

#include "base/vec.h"

#include "config/experiment.h"
#include "measure/pmu.h"
#include "plugin/plugin.h"
#include "topology/topology.h"

/* A swept key's value in one cell. */
struct sb_swept {
    char *name;         /* SECTION.KEY */
    const char *value;  /* borrowed from the experiment */
    const char *option; /* likewise: what KEY stands for */
};

/* An allocator or workload as the matrix names it. */
struct sb_binding {
    const char *name;                     /* what reports call it */
    const char *source;                   /* the name that sections, sweeps and excludes know; differs for a twin */
    const struct sb_plugin *plugin;       /* NULL: not found, complained about */
    const struct sb_ini_section *section; /* NULL: all defaults */
    int line;
};

struct sb_cell {
    uint32_t id; /* from 1 */
    const struct sb_binding *allocator, *workload;
    uint32_t threads;
    SB_VEC(struct sb_swept) swept;
    char *label;       /* "slub / scullc / 2 threads / scullc.quantum=1000B" */
    char *skip;        /* the reason, or NULL */
    const char *route; /* the interface that serves the workload's blocks */
    struct sb_cpus cpus;
    uint64_t time_limit_ns;
    uint64_t least_ns;     /* shortest time one trial can take */
    bool keep_busy;        /* its CPUs, before its warm-up */
    uint64_t memory_bytes; /* of the memory file; 0 while it isn't known */
    bool memory_reuse;     /* it is its block's */
    enum sb_pages_kind pages;
    const char *node;          /* as [machine] says; the settings' */
    uint64_t held_bytes;       /* what the workload's blocks take in it */
    bool finite;               /* the workload uses all of it up */
    uint64_t cycle_operations; /* of the workload, per thread */
    uint32_t group;            /* cells of one number differ in the allocator alone: they are compared */
    struct sb_ini settings;    /* sections trial, machine, allocator, workload: all that decides, as text */
};

/* One trial: a repetition of a cell. */
struct sb_trial {
    uint32_t number; /* from 1, in the order in which they run */
    uint32_t cell;   /* index into cells */
    uint32_t repetition;
    uint64_t seed;
    uint64_t layout; /* 0: nothing is drawn */
    bool simulated;  /* the one under valgrind */
};

/* What a run gives to a trial beside its cell's settings; keys of config/trial_spec.h. */
struct sb_trial_given {
    int memory_file; /* 0: none */
    uint64_t memory_present;
    double ns_per_tick;
    const char *topology; /* a file, or NULL */
};

struct sb_plan {
    const struct sb_experiment *experiment;
    const struct sb_topology *topology;
    const struct sb_plugins *plugins;
    struct sb_pmu pmu;
    SB_VEC(struct sb_binding) allocators, workloads;
    SB_VEC(struct sb_cell) cells;
    SB_VEC(struct sb_trial)
    trials; /* all that may be run: cells that are precise enough need not use up theirs */
    uint32_t least_repetitions, most_repetitions;
    double precision, decide, confidence; /* as shares; 0: none asked for */
    const struct sb_binding *baseline;    /* that the others are decided against or paired with; NULL: neither */
    bool paired;
    enum sb_provider provider;
    struct sb_words paths; /* files of workloads, as found from the config's folder */
    struct sb_words twins; /* names of the second allocators of an A/A run */
    struct sb_words swept; /* SECTION.KEY of everything swept, in the order of the config */
    uint64_t least_ns;     /* with the least repetitions */
    bool dump;
};

/* What follows an allocator's name in that of its twin. */
#define SB_TWIN_SUFFIX " (again)"

/* Before the plan: keys under a workload's aliases get the names of their options; what is swept under one keeps it as
 * the name of its dimension, which plots speak of. */
void sb_plan_rename_aliases(struct sb_experiment *experiment, const struct sb_plugins *plugins, struct sb_diag *diag);

/*
 * Everything that can be wrong is collected in `diag`; the plan is to be freed in any case. `twins`: every
 * allocator twice, the second time as NAME (again), to be compared with itself.
 */
void sb_plan_make(struct sb_plan *plan, const struct sb_experiment *experiment, const struct sb_topology *topology,
                  const struct sb_plugins *plugins, bool twins, struct sb_diag *diag);
void sb_plan_free(struct sb_plan *plan);

/*
 * All that decides about a cell's trials, as INI text, without where the plugins lie: equal texts mean equal
 * settings, but for what is in a workload's file. The caller frees it.
 */
char *sb_plan_cell_text(const struct sb_plan *plan, const struct sb_cell *cell);

/* The trial as INI text for scullbench-trial, which finds the rest by itself where `given` is NULL. The
   caller frees it. */
char *sb_plan_trial_text(const struct sb_plan *plan, const struct sb_trial *trial, const struct sb_trial_given *given);

#endif
