/* The conformance gate before a run: no number of an allocator that breaks a promise. */
#ifndef SB_RUN_PROVE_H
#define SB_RUN_PROVE_H

#include "plan/plan.h"

#include <signal.h>
#include <stdio.h>

/*
 * Checks every allocator of the plan, with the options of its cells, unless this build passed before; cells
 * of those that fail are skipped as invalid. `*invalid` gets their number. 0, or a negative errno with a
 * sentence in `*why`: -EINTR where `*stop` became true.
 */
int sb_run_prove(struct sb_plan *plan, volatile sig_atomic_t *stop, size_t *invalid, char **why);

/*
 * Opens every allocator of the plan once, with the options and the memory of its cells, in a process of its
 * own, and writes which of them can't be, and why: a line each. Returns their number.
 */
size_t sb_run_openings(const struct sb_plan *plan, volatile sig_atomic_t *stop, FILE *out);

#endif
