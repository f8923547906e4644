/* Running a plan: one process per trial, each result stored before the next trial starts. */
#ifndef SB_RUN_RUN_H
#define SB_RUN_RUN_H

#include "plan/plan.h"
#include "store/store.h"

struct sb_run_outcome {
    size_t done, failed; /* repetitions; of them failed */
    size_t planned;      /* with those that an interruption left out */
    size_t disturbed;    /* trials that were disturbed, and repetitions that were so to the last retry: */
    size_t lost;         /* those have no number */
    bool interrupted;    /* by SIGINT or SIGTERM: what was done is kept */
    size_t open_cells;   /* that ended neither as precise as was asked for nor decided */
};

/* Writes the head of the database: config, machine, plugins, cells. */
int sb_run_begin(struct sb_store *store, const struct sb_plan *plan, const char *overrides, char **why);

/* 0, or a negative errno with a sentence in `*why` when the run itself can't go on. */
int sb_run(struct sb_store *store, const struct sb_plan *plan, struct sb_run_outcome *outcome, char **why);

#endif
