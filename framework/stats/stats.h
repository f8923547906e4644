/* Summaries of samples. Pure functions. Nothing is dropped: what was measured counts. */
#ifndef SB_STATS_STATS_H
#define SB_STATS_STATS_H

#include <stddef.h>

struct sb_summary {
    size_t n;
    double median, min, max;
};

/* Sorts `samples` in place. n = 0 gives NaN throughout. */
struct sb_summary sb_summarise(double *samples, size_t n);

#endif
