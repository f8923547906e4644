/*
 * Latencies in a log-linear histogram, as HdrHistogram made known: values below 16 ns to a sixteenth of one,
 * larger ones in buckets of 1/128 of their power of two. Read back at the middle of its bucket a value is off
 * by no more than 0.4 %. Range 0 to 2.4 hours; what is longer counts as that. Histograms of one unit are
 * merged by adding, so percentiles are never averaged. Not thread-safe: one to a thread.
 */
#ifndef SB_MEASURE_HISTOGRAM_H
#define SB_MEASURE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    SB_HISTOGRAM_UNITS = 16, /* a nanosecond */
    SB_HISTOGRAM_BUCKETS = 256 + 40 * 128,
};

struct sb_histogram {
    uint64_t n, min, max; /* in units; exact */
    uint64_t counts[SB_HISTOGRAM_BUCKETS];
};

size_t sb_histogram_index(uint64_t units);
/* The middle of a bucket, in units. */
double sb_histogram_value(size_t index);

void sb_histogram_add(struct sb_histogram *histogram, uint64_t units);
/* n values of which only is known that they are longer than the range. */
void sb_histogram_add_longest(struct sb_histogram *histogram, uint64_t n);
void sb_histogram_merge(struct sb_histogram *into, const struct sb_histogram *from);

/*
 * The smallest value that at least `share` (0 to 1) of all are no larger than, in ns; NaN where fewer than
 * ten samples lie beyond it, since those would decide it alone (share 1: the exact maximum).
 */
double sb_histogram_quantile(const struct sb_histogram *histogram, double share);

#endif
