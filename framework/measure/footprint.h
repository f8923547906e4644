/* What this process holds of the machine's memory. */
#ifndef SB_MEASURE_FOOTPRINT_H
#define SB_MEASURE_FOOTPRINT_H

#include <stdint.h>

/* Resident bytes of this process (/proc/self/statm), or -1. Reads one small file; 1 microsecond or so. */
int64_t sb_resident_bytes(void);

#endif
