/*
 * Time: a cheap tick counter for the measured phase, nanoseconds for everything else.
 *
 * Ticks are the CPU's own constant-rate counter where it has one that all CPUs share (x86-64: an
 * invariant TSC; aarch64: the generic timer), else CLOCK_MONOTONIC. sb_clock_init calibrates once
 * and must have run before the rest is used; after that everything is read-only and thread-safe.
 */
#ifndef SB_BASE_CLOCK_H
#define SB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct sb_clock {
    uint64_t (*now)(void); /* ticks; never earlier than loads and stores before it */
    double ns_per_tick;
    double cost_ns;       /* median of back-to-back readings: what one timed batch carries too much */
    double resolution_ns; /* what all steps between two readings are multiples of */
    const char *name;
};

/* `ns_per_tick`: as another process of this machine has measured it, which takes 10 ms; 0: measured now. */
const struct sb_clock *sb_clock_init(double ns_per_tick);

uint64_t sb_now_ns(void); /* CLOCK_MONOTONIC */

/* "2026-11-23T15:09:00Z", or "20261123T150900Z" for file names. */
void sb_utc(char *buffer, size_t size, int for_file_name);

#endif
