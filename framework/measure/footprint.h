/* The memory of the machine that this process holds. */
#ifndef SB_MEASURE_FOOTPRINT_H
#define SB_MEASURE_FOOTPRINT_H

#include <stdint.h>

/* Resident bytes of this process (/proc/self/statm), or -1. Reads one small file; 1 microsecond or so. */
int64_t sb_resident_bytes(void);

/* The same with shared pages counted in parts (PSS of /proc/self/smaps_rollup), or -1. Milliseconds. */
int64_t sb_pss_bytes(void);

#endif
