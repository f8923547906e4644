/* How much memory a machine gets where the config leaves that to us (`memory = auto`). */
#ifndef SB_PLAN_MEMORY_H
#define SB_PLAN_MEMORY_H

#include "plan/plan.h"
#include "scullbench/source.h"

/* Bytes that the allocator's blocks take in the memory file when the workload holds most. */
uint64_t sb_memory_held(const struct sb_allocator *a, const struct sb_needs *needs, uint32_t threads);

/*
 * Gives all cells that have none yet their [machine] memory: one size for all cells of a workload, since they
 * stand beside each other in charts. `ram` is the real machine's; cells that need more are skipped.
 */
void sb_plan_size_memory(struct sb_plan *plan, uint64_t ram);

#endif
