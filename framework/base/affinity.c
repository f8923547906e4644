/* sched_getaffinity(2), with sets as large as the kernel's. */
#define _GNU_SOURCE
#include "base/affinity.h"

#include "base/str.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct sb_affinity {
    size_t bytes;
    cpu_set_t *cpus;
};

static struct sb_affinity *make(unsigned nr_cpus)
{
    struct sb_affinity *set = sb_calloc(1, sizeof(*set));
    set->bytes = CPU_ALLOC_SIZE(nr_cpus);
    set->cpus = sb_calloc(1, set->bytes);
    return set;
}

/* The kernel refuses a set that is shorter than its own, and doesn't say how long that is. */
struct sb_affinity *sb_affinity_now(void)
{
    enum { FIRST = 1024, MOST = 1 << 20 };
    for (unsigned nr_cpus = FIRST; nr_cpus <= MOST; nr_cpus *= 2) {
        struct sb_affinity *set = make(nr_cpus);
        if (!sched_getaffinity(0, set->bytes, set->cpus))
            return set;
        int error = errno;
        sb_affinity_free(set);
        if (error != EINVAL)
            break;
    }
    return NULL;
}

struct sb_affinity *sb_affinity_of_cpu(unsigned cpu)
{
    struct sb_affinity *set = make(cpu + 1);
    CPU_SET_S(cpu, set->bytes, set->cpus);
    return set;
}

struct sb_affinity *sb_affinity_copy(const struct sb_affinity *set)
{
    if (!set)
        return NULL;
    struct sb_affinity *copy = make((unsigned)(8 * set->bytes));
    memcpy(copy->cpus, set->cpus, set->bytes);
    return copy;
}

void sb_affinity_remove(struct sb_affinity *set, unsigned cpu)
{
    if (set)
        CPU_CLR_S(cpu, set->bytes, set->cpus);
}

bool sb_affinity_has_cpus(const struct sb_affinity *set)
{
    return set && CPU_COUNT_S(set->bytes, set->cpus);
}

int sb_affinity_apply(const struct sb_affinity *set)
{
    return !set || !sched_setaffinity(0, set->bytes, set->cpus) ? 0 : -errno;
}

void sb_affinity_free(struct sb_affinity *set)
{
    if (!set)
        return;
    free(set->cpus);
    free(set);
}
