/* Trials as processes: one at a time, each with its CPUs kept busy before it and its block's memory. */
#ifndef SB_RUN_PROCESS_H
#define SB_RUN_PROCESS_H

#include "plan/plan.h"
#include "run/keeper.h"
#include "run/memory_file.h"
#include "store/store.h"

/* What the processes of one run share. */
struct sb_processes {
    const struct sb_plan *plan;
    char *program;
    struct sb_keeper *keeper;
    struct sb_memory_files memory;
    int topology_fd;             /* a file in memory with the machine's topology, for trials to read; -1: none */
    char *topology;              /* its path, or NULL */
    struct sb_affinity *allowed; /* where this process may run; NULL: unknown */
};

/* 0, or a negative errno with a sentence in `*why`; end() is to be called in any case. */
int sb_processes_begin(struct sb_processes *p, const struct sb_plan *plan, char **why);
void sb_processes_end(struct sb_processes *p);

/*
 * Starts a trial, and ends it: what lies in between runs beside its setup, on CPUs that aren't the trial's
 * where there are any. `row` gets all but the trial's number and which retry it is; what it points to is the
 * caller's.
 * `*interrupted`: it was cut off, and is not to be stored. 0, or a negative errno with a sentence in `*why`.
 */
struct sb_process;
int sb_process_start(struct sb_processes *p, const struct sb_trial *trial, struct sb_process **process, char **why);
void sb_process_finish(struct sb_process *process, struct sb_trial_row *row, bool *interrupted);
void sb_process_kill(struct sb_process *process);

/* Whether there are CPUs that are not the trial's. */
bool sb_process_leaves_room(const struct sb_processes *p, const struct sb_trial *trial);

/* The trial program beside this one; NULL with a sentence in `*why` where it isn't there. */
char *sb_trial_program(char **why);

#endif
