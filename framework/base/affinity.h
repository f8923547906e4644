/* Where a thread may run, of any number of CPUs: glibc's cpu_set_t ends at 1024. By OS numbers (P#). */
#ifndef SB_BASE_AFFINITY_H
#define SB_BASE_AFFINITY_H

#include <stdbool.h>

struct sb_affinity;

/* Of the calling thread; NULL where the kernel doesn't say. The caller's to free. */
struct sb_affinity *sb_affinity_now(void);
struct sb_affinity *sb_affinity_of_cpu(unsigned cpu);
struct sb_affinity *sb_affinity_copy(const struct sb_affinity *set);
void sb_affinity_remove(struct sb_affinity *set, unsigned cpu);
bool sb_affinity_has_cpus(const struct sb_affinity *set);
/* For the calling thread; 0 or a negative errno. Nothing is done for NULL. */
int sb_affinity_apply(const struct sb_affinity *set);
void sb_affinity_free(struct sb_affinity *set);

#endif
