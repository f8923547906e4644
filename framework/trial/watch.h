/* Watches a trial's CPUs and threads while it is measured: CPU time of others, steal, waiting, faults, switches. */
#ifndef SB_TRIAL_WATCH_H
#define SB_TRIAL_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Of some CPUs together, in seconds since boot; the kernel counts in hundredths. */
struct sb_cpu_time {
    double busy, steal;
    bool known;
};

/* CPU seconds: of some threads of this process, and of all. */
struct sb_own_time {
    double ours, process;
};

struct sb_watch {
    struct sb_cpu_time before, after;
    struct sb_own_time own_before, own_after;
    double wall_before, wall_after;
};

/*
 * Both from a thread that sleeps in between. `threads`, one on each of the n CPUs, and the caller are ours;
 * NULL: the whole process is.
 */
void sb_watch_begin(struct sb_watch *watch, const unsigned *cpus, uint32_t n, const pthread_t *threads);
void sb_watch_end(struct sb_watch *watch, const unsigned *cpus, uint32_t n, const pthread_t *threads);

/* Shares of the CPUs' time, in percent; NaN where the kernel doesn't say. */
double sb_watch_others(const struct sb_watch *watch, uint32_t n);
double sb_watch_steal(const struct sb_watch *watch, uint32_t n);
/* Of threads of this process that are not ours: CPU time in percent of one CPU, wherever they ran. */
double sb_watch_foreign_threads(const struct sb_watch *watch);

/* The calling thread's own books with the kernel. */
struct sb_usage {
    uint64_t minor_faults, major_faults, voluntary, involuntary;
    unsigned cpu; /* where it runs now */
    uint64_t migrations;
    double wall, ran, waited; /* seconds: passed, on a CPU, and ready to run while others had it */
    double user, system;      /* of `ran`, by mode; most kernels tell them apart by their tick */
    double suspended;         /* of `wall`, with the whole machine */
    bool waited_known;        /* the kernel says so (CONFIG_SCHED_INFO) */
};
struct sb_usage sb_usage_now(void);
/* What came between two of them; a different CPU counts as one migration. */
struct sb_usage sb_usage_since(const struct sb_usage *before);

/* The hottest sensor in degrees Celsius, or NaN where there is none to read. */
double sb_temperature(void);

#endif
