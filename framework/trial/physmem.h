/* The machine's RAM, as the allocators of a trial see it: one memory file, mapped once. */
#ifndef SB_TRIAL_PHYSMEM_H
#define SB_TRIAL_PHYSMEM_H

#include "config/experiment.h"
#include "topology/topology.h"

/* As the kernel's list of mappings calls the file. */
#define SB_PHYSMEM_NAME "scullbench-ram"

struct sb_physmem {
    int fd;
    void *base; /* aligned to 4 MiB */
    uint64_t size;
    unsigned nr_nodes; /* that it is spread over in equal parts, each bound to its node; 1: not spread */
    char *warning;     /* something asked for that the OS doesn't give; or NULL */
};

/* Maps, binds and, if asked to, prefaults. `machine` is [machine]'s values. 0, or a negative errno with a
 * sentence in
 * `*why`. */
int sb_physmem_open(struct sb_physmem *memory, const union sb_value *machine,
                    const struct sb_topology *topology, char **why);
void sb_physmem_close(struct sb_physmem *memory);

#endif
