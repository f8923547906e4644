/* Counts the disturbances of a run; they are said once at its end, and stored. */
#ifndef SB_RUN_WATCH_H
#define SB_RUN_WATCH_H

#include "store/store.h"

enum { SB_DISTURBANCES = 4 };

struct sb_run_watch {
    size_t trials;
    struct {
        size_t trials; /* in which it was over its limit */
        double worst;
        uint32_t worst_trial;
    } of[SB_DISTURBANCES];
};

void sb_run_watch_take(struct sb_run_watch *watch, uint32_t number, const struct sb_result *result);
int sb_run_watch_conclude(const struct sb_run_watch *watch, struct sb_store *store, char **why);

#endif
