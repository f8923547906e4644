/* Shared by topology.c, which loads it, and location.c: hwloc's tree and what is looked up often. Of this room alone.
 */
#ifndef SB_TOPOLOGY_TREE_H
#define SB_TOPOLOGY_TREE_H

#include "topology/topology.h"

#include <hwloc.h>

struct sb_topology {
    hwloc_topology_t hwloc;
    hwloc_bitmap_t usable; /* CPUs this process may run on */
    hwloc_obj_t *pus;      /* by P#, nr_pus of them; NULL where there is none: hwloc's own search is linear */
    unsigned nr_pus;
    bool real;
};

/* NULL where the machine has no such CPU. */
hwloc_obj_t sb_tree_pu(const struct sb_topology *topology, unsigned os);
/* The memory that a CPU is nearest to; NULL where the machine has none. */
hwloc_obj_t sb_tree_nearest_node(const struct sb_topology *topology, unsigned os);
/* Nodes that `location` names; the caller frees the bitmap. */
int sb_tree_read_nodes(const struct sb_topology *topology, const char *location, hwloc_bitmap_t *nodes, char **why);

#endif
