/* The way out for results, out of reach of a plugin in the same process. */
#ifndef SB_TRIAL_REPORTER_H
#define SB_TRIAL_REPORTER_H

#include <stdio.h>

/*
 * A stream whose bytes go to standard output as it is now. The descriptor is held by a thread with a table of
 * descriptors of its own, and by nobody else in the process; standard output itself leads to standard error
 * from here on, so that what plugins print is no result. A flush returns when the bytes are written. NULL
 * with errno where it can't be had. Once per process, before any plugin is loaded.
 */
FILE *sb_reporter_open(void);

/*
 * Flushes, and ends the thread: sanitizers wait a second at exit for one that still runs. Nothing is freed,
 * for what the heap is worth by now isn't known. Nothing is written to the stream after it.
 */
void sb_reporter_end(FILE *out);

#endif
