/*
 * Which of the planned trials are still needed, after what is known: cells go on until they are precise
 * enough, or until the verdict against the baseline is certain, or can't become so in the repetitions that
 * are left.
 */
#ifndef SB_RUN_STOPPING_H
#define SB_RUN_STOPPING_H

#include "plan/plan.h"
#include "trial/result.h"

struct sb_stopping;

struct sb_stopping *sb_stopping_begin(const struct sb_plan *plan);
void sb_stopping_free(struct sb_stopping *s);

/* What the last trial of a repetition found, whatever became of it. Not of trials under valgrind. */
void sb_stopping_learn(struct sb_stopping *s, const struct sb_trial *trial, const struct sb_result *result);
bool sb_stopping_wants(const struct sb_stopping *s, const struct sb_trial *trial);
/* Of the trials from that index on, how many are wanted as things stand: `left[0]` measured, `left[1]`
 * simulated. */
void sb_stopping_count_left(const struct sb_stopping *s, size_t from, size_t left[2]);
/* Cells that have numbers and are neither precise enough nor decided. */
size_t sb_stopping_open_cells(const struct sb_stopping *s);

#endif
