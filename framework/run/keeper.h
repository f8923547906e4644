/*
 * Keeps CPUs from going idle between measured phases: one that slept may come back with its frequency down
 * and with caches that are cold. Whether processes are slower for it depends on the machine;
 * docs/methodology.md has one on which they aren't.
 */
#ifndef SB_RUN_KEEPER_H
#define SB_RUN_KEEPER_H

#include "topology/topology.h"

struct sb_keeper;

struct sb_keeper *sb_keeper_start(void);
/*
 * From now on exactly these CPUs are kept busy, each by a thread of the lowest priority: whatever else is
 * ready runs first. One that can't be had or pinned is done without.
 */
void sb_keeper_keep(struct sb_keeper *keeper, const struct sb_cpus *cpus);
/* From now on none is. A thread that is off its CPU at this moment ends at its next turn there. */
void sb_keeper_rest(struct sb_keeper *keeper);
/* CPU seconds that all threads have spun so far. */
double sb_keeper_seconds(const struct sb_keeper *keeper);
void sb_keeper_stop(struct sb_keeper *keeper);

#endif
