/* The machine's RAM, as the allocators of a trial see it: one memory file, mapped once. */
#ifndef SB_TRIAL_PHYSMEM_H
#define SB_TRIAL_PHYSMEM_H

#include "config/experiment.h"
#include "topology/topology.h"

/* As many as the models can have (allocators/mm/page_alloc.h). */
enum { SB_PHYSMEM_MOST_NODES = 64 };

/* As the kernel's list of mappings calls the file. */
#define SB_PHYSMEM_NAME "scullbench-ram"

struct sb_physmem {
    int fd;
    void *base;        /* aligned to 4 MiB */
    uint64_t size;     /* of which the file may have more */
    unsigned nr_nodes; /* that it is spread over in equal parts, each bound to its node; 1: not spread */
    char *warning;     /* something asked for that the OS doesn't give; or NULL */
};

/* A file that was made before, and how much of it is bound, touched and written to. */
struct sb_physmem_given {
    int fd; /* the memory's from now on; 0: none is given, one is made */
    uint64_t present;
};

/* An empty file; a negative errno where there can be none. */
int sb_physmem_make_file(enum sb_pages_kind pages);
/*
 * Maps, binds and, if asked to, prefaults; what a given file holds is cleared. `machine` is [machine]'s
 * values. 0, or a negative errno with a sentence in `*why`.
 */
int sb_physmem_open(struct sb_physmem *memory, const union sb_value *machine, struct sb_physmem_given given,
                    const struct sb_topology *topology, char **why);
void sb_physmem_close(struct sb_physmem *memory);

#endif
