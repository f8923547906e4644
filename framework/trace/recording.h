/* Recordings of programs, as the preloaded library writes them (scullbench/trace.h), put in the order of their times.
 */
#ifndef SB_TRACE_RECORDING_H
#define SB_TRACE_RECORDING_H

#include "trace/build.h"

struct sb_recording_counts {
    uint64_t records, null_frees, failed;
    char program[48];
    bool cut_off; /* what came after is missing */
    uint32_t pid;
};

/* Whether the file begins as a recording does. */
bool sb_is_recording(int fd);

/* `path` is for messages. 0, or a negative errno after a complaint. */
int sb_recording_read(int fd, const char *path, struct sb_builder *b, struct sb_recording_counts *counts);

#endif
