/* Fragmentation of the page allocator's free memory, by the kernel's own two indices. Pure functions. */
#ifndef SB_MEASURE_FRAG_H
#define SB_MEASURE_FRAG_H

#include <stdint.h>

#include "scullbench/allocator.h"

/*
 * Unusable free space index (mm/vmstat.c): the share of free memory that lies in blocks too small for
 * `order`, in thousandths; 1000 when nothing is free.
 */
int sb_unusable_index(const uint64_t free_blocks[SB_NR_ORDERS], unsigned order);

/*
 * External fragmentation index (mm/vmstat.c), in thousandths: would an allocation of `order` fail for want
 * of memory (towards 0) or for fragmentation (towards 1000)? -1000 when it wouldn't fail.
 */
int sb_extfrag_index(const uint64_t free_blocks[SB_NR_ORDERS], unsigned order);

#endif
