/* The trial under valgrind: instructions and cache misses of its measured phase, simulated and exact. */
#ifndef SB_TRIAL_SIMULATE_H
#define SB_TRIAL_SIMULATE_H

#include "config/trial_spec.h"
#include "trial/result.h"

#include <stdio.h>

/* Whether this process is the one that valgrind runs. */
bool sb_simulated(void);

/*
 * Runs `text`'s trial in a child under valgrind, passes its lines on to `out`, and adds the counts per
 * operation. The status line is written here.
 */
enum sb_status sb_simulate(const struct sb_trial_spec *spec, const char *text, FILE *out);

/* Where valgrind is, or NULL; the caller's to free. */
char *sb_simulator(void);

#endif
