/* What else ran on a trial's CPUs, and what its threads went through, while it was measured. */
#ifndef SB_TRIAL_WATCH_H
#define SB_TRIAL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Of some CPUs together, in seconds since boot; the kernel counts in hundredths. */
struct sb_cpu_time {
    double busy, steal;
    bool known;
};

struct sb_watch {
    struct sb_cpu_time before, after;
    double own_before, own_after; /* CPU seconds of this process */
    double wall_before, wall_after;
};

/* Both from a thread that sleeps in between. */
void sb_watch_begin(struct sb_watch *watch, const unsigned *cpus, uint32_t n);
void sb_watch_end(struct sb_watch *watch, const unsigned *cpus, uint32_t n);

/* Shares of the CPUs' time, in percent; NaN where the kernel doesn't say. */
double sb_watch_others(const struct sb_watch *watch, uint32_t n);
double sb_watch_steal(const struct sb_watch *watch, uint32_t n);

/* The calling thread's own books with the kernel. */
struct sb_usage {
    uint64_t minor_faults, major_faults, voluntary, involuntary;
    unsigned cpu; /* where it runs now */
    uint64_t migrations;
};
struct sb_usage sb_usage_now(void);
/* What came between two of them; a different CPU counts as one migration. */
struct sb_usage sb_usage_since(const struct sb_usage *before);

/* The hottest sensor in degrees Celsius, or NaN where there is none to read. */
double sb_temperature(void);

#endif
