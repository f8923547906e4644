/*
 * Recordings of a kernel as text: what `perf script` prints, or ftrace's own trace file, of the events of kmem, vmalloc
 * and percpu. For one thread at a time.
 */
#ifndef SB_TRACE_PERF_H
#define SB_TRACE_PERF_H

#include "trace/build.h"

enum { SB_PERF_WORD = 32 };

/* What became of the lines. */
struct sb_perf_counts {
    uint64_t lines;
    uint64_t events;               /* of the kinds that are read, those of the next members among them */
    uint64_t null_frees;           /* kfree(NULL) */
    uint64_t failed;               /* allocations that gave nothing */
    uint64_t told_twice;           /* the same call by two events */
    uint64_t ignored;              /* events of other kinds */
    uint64_t unreadable;           /* lines that are no event, or lack what their event has */
    uint64_t odd_flags;            /* requests with gfp flags that we don't know */
    char ignored_as[SB_PERF_WORD]; /* the first of them */
    uint64_t unreadable_line;      /* the first of them, from 1 */
    char odd_flag[SB_PERF_WORD];
};

/* The i-th event that is read, by its group and name, as "kmem" and "kfree"; false behind the last. */
bool sb_perf_event(size_t i, const char **group, const char **name);

/* Reads all of `fd`; now and then calls `progress` with `context`. 0, a negative errno, or -E2BIG: a line without end.
 */
int sb_perf_read(int fd, struct sb_builder *b, struct sb_perf_counts *counts, void (*progress)(void *context),
                 void *context);

#endif
