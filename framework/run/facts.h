/* The machine as a run finds it. */
#ifndef SB_RUN_FACTS_H
#define SB_RUN_FACTS_H

#include "plan/plan.h"

/* The machine's state, with what of it speaks against this plan. Looks at the CPUs for a fifth of a second.
 * Free with sb_facts_free. */
struct sb_facts sb_run_facts(const struct sb_plan *plan);

/* How many cells have threads on cores of several kinds, and which the first has; NULL where none does. The
 * caller's to free. */
char *sb_run_mixed_kinds(const struct sb_plan *plan, size_t *n);

#endif
