/* The process that runs one trial. */
#ifndef SB_TRIAL_TRIAL_H
#define SB_TRIAL_TRIAL_H

#include "config/trial_spec.h"
#include "trial/result.h"

#include <stdio.h>

/* Runs the trial and writes its result lines to `out`. Never lets a plugin's failure pass for a number. */
enum sb_status sb_trial_run(const struct sb_trial_spec *spec, FILE *out);

#endif
