/*
 * Shared by the files of this room: the trial and its workers. trial.c directs, phases.c is what workers do;
 * open.c loads and opens the plugins, points.c looks at them, prove.c proves them; numbers.c turns what they
 * left into metrics.
 */
#ifndef SB_TRIAL_INSIDE_H
#define SB_TRIAL_INSIDE_H

#include "base/affinity.h"
#include "base/clock.h"
#include "base/vec.h"
#include "config/trial_spec.h"
#include "measure/histogram.h"
#include "measure/pmu.h"
#include "plugin/plugin.h"
#include "scullbench/workload.h"
#include "topology/topology.h"
#include "trial/physmem.h"
#include "trial/result.h"
#include "trial/watch.h"

#include <pthread.h>
#include <stdatomic.h>

/* Single calls as the workload times them, then a paced trial's steps from when they were due. */
enum { SB_RESPONSE = SB_CALLS, SB_HISTOGRAMS };

enum order { ORDER_SETUP, ORDER_SURVEY, ORDER_WARMUP, ORDER_DISTANCE, ORDER_MEASURE, ORDER_TEARDOWN };

struct block {
    const char *at;
    uint64_t size, align;
};

/* Of a pair: what one allocator did in its turn, and two turns, one of each. */
struct segment {
    uint64_t operations;
    double ns;
};
struct round {
    struct segment own, partner;
};

struct worker {
    struct trial *trial;
    uint32_t index;
    pthread_t thread;
    void *state;
    int status;      /* of its first failure; 0 while all is well */
    bool by_partner; /* that was the baseline's, beside it */
    char *why;
    struct sb_counts counts; /* since the phase began; until the measured one since the start */
    uint64_t begun_at;       /* operations before the measured phase */
    void *partner_state;     /* of a pair, the same for the partner */
    struct sb_counts partner_counts;
    SB_VEC(struct round) rounds;
    uint64_t open_tick;                       /* when it saw the common window open */
    uint64_t closed_operations, closed_bytes; /* what lies in it */
    double closed_ns;                         /* its length */
    uint64_t backlog;                         /* paced: calls that were due in the window and weren't begun */
    double warmup_ns, spread; /* of the warm-up: its length, and the last windows' coefficient of variation */
    uint64_t warmup_operations;
    double start_phase; /* where in its cycle it stood when the measured phase began, from 0 to 1 */
    bool steady;
    double distance_ns;    /* to the next worker's CPU; of the last one unused */
    struct sb_usage usage; /* of the measured phase */
    struct sb_pmu_counters pmu;
    struct sb_pmu_reading *readings;
    bool *counted, *opened;
    struct sb_histogram *histograms; /* one a kind, SB_HISTOGRAMS of them; NULL: latency = off */
};

struct trial {
    const struct sb_trial_spec *spec;
    FILE *out;
    const struct sb_clock *clock;
    struct sb_topology *topology;
    struct sb_physmem memory;
    uint32_t *cpu_node, *distances; /* of the host */
    struct sb_plugin *allocator, *workload;
    union sb_value *allocator_options, *workload_options;
    struct sb_host host;
    struct sb_bench bench;
    void *a, *w; /* the opened allocator and workload */
    struct sb_needs needs;
    struct sb_pmu pmu;
    struct worker *workers;

    struct sb_affinity *anywhere; /* where the process may run; a partner's is its trial's */

    pthread_barrier_t gate;
    enum order order;
    uint64_t target, target_calls;   /* survey: operations since its start, or twice as many calls */
    bool whole;                      /* operations alone count */
    bool lived;                      /* something, at a checkpoint */
    bool simulated;                  /* under valgrind: counts alone, no times */
    _Atomic uint32_t steady_threads; /* warm-up */
    _Atomic bool failed;             /* a worker has: waiting for it is in vain */
    /* Of a joint workload: where the furthest thread stood when the measured phase began, and how many have come to
       its end. */
    uint64_t furthest;
    _Atomic uint32_t done;
    /* Of a pair: the other allocator with its own workload, NULL otherwise; workers that have met for a
       segment, and how often all have; when its time is up, and whether it was the last. */
    struct trial *partner;
    _Atomic uint32_t met, meeting;
    uint64_t segment_end_tick;
    bool rounds_over;

    /* Measured phase: who has lined up and who has begun; the earliest begin; when the common window closes,
       0 while it isn't open. */
    _Atomic uint32_t arrived, begun;
    _Atomic uint64_t start_tick, window_end_tick;

    pthread_mutex_t fail_lock;
    char fail_text[512];

    SB_VEC(struct block) blocks;
    SB_VEC(struct sb_series) series;
    uint64_t peak_requested;
    struct sb_snapshot at_begin, at_end; /* before the measured phase, and when it was over */
    struct sb_account account_at_end;
    double measures[SB_MAX_MEASURES]; /* of the workload's own */
    int64_t resident_at_end, pss_at_end;
    double kept_bytes; /* held when everything was freed; negative: not known */
    int64_t resident_before, pss_before;
    struct sb_watch watch;
    struct sb_ball *balls;               /* one between each two workers, while their CPUs' distance is measured */
    double distance_ns, distance_end_ns; /* before and after the measured phase; NaN: one thread */
    int stops;                           /* how often the process was continued in the measured phase */
    SB_VEC(struct sb_dump) dumps;        /* at the checkpoint with most live */
};

/* What a worker does in each phase, on its own thread. */
bool sb_survey_is_there(const struct trial *t, const struct sb_counts *counts);
void sb_worker_survey(struct worker *w);
void sb_worker_warm_up(struct worker *w);
void sb_worker_measure(struct worker *w);
void sb_worker_play(struct worker *w);
/* The longest way of a cache line between neighbours; NaN where there are none. `command` has the workers
 * play. */
double sb_trial_distance(struct trial *t, int (*command)(struct trial *t, enum order order));
/* The first failure of a worker is kept, with its text or NULL, which is taken over. */
void sb_worker_fail(struct worker *w, int status, char *why);

/* A window shorter than this share of what was asked for is another one than was asked for. */
#define SB_LEAST_WINDOW 0.9

/* The shortest thread's window as a share of what was asked for. */
double sb_trial_window_share(const struct trial *t);
/* The largest share of its time that a thread lost to nobody; NaN where the kernel doesn't tell. */
double sb_trial_lost_share(const struct trial *t);
/* Why what was measured is no result, or NULL; the caller frees it. */
char *sb_trial_disturbance(const struct trial *t);

/* ---- open.c ---- */

/* Loads both plugins and the machine, and reads the options. */
enum sb_status sb_trial_load(struct trial *t, struct sb_diag *diag, char **reason);
/* Opens the allocator and sets the workload up, and the partner's; in an order that is drawn. */
int sb_trial_open(struct trial *t, struct sb_diag *diag, char **reason);
void sb_trial_free_partner(struct trial *partner);
/* The trial's own CPU is at work until the workers are, and no other is taken. */
void sb_trial_stay_on_first_cpu(const struct trial *t);
/* The plugin's own words, or, if it had none, what is given. The caller frees it. */
char *sb_trial_reason(struct trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- points.c ---- */

/* sb_bench's live_block. */
void sb_trial_take_block(void *context, const void *block, uint64_t size, uint64_t align);
void sb_trial_forget_blocks(struct trial *t);
/* A sink into an sb_text. */
void sb_trial_append(void *context, const char *text, size_t length);
/* The allocator's books and the workload's. */
void sb_trial_look(struct trial *t, struct sb_snapshot *snapshot, struct sb_account *account);
/* One point in every series that this allocator can give. */
void sb_trial_checkpoint(struct trial *t);
/* The dumps of the fullest moment replace those of a less full one. */
void sb_trial_take_dumps(struct trial *t);
/* One point of a series over operations, or over bytes for addresses. */
void sb_trial_add_point(struct trial *t, enum sb_metric_id id, int key, double x, double y);

/* ---- prove.c ---- */

/* Both of a pair; with books also what they count, with addresses the series of them. */
enum sb_status sb_trial_prove(struct trial *t, bool books, bool addresses, char **reason);
/* What is found against the partner is not the trial's allocator's: the reason says so. */
enum sb_status sb_trial_of_partner(enum sb_status found, char **reason);
/* After the workers have freed all that is theirs: nothing may live. */
enum sb_status sb_trial_close(struct trial *t, char **reason);

/* ---- addresses.c ---- */

/* The series virtual_page and physical_page, of the blocks that the workload has just named. */
void sb_trial_map_addresses(struct trial *t);

/* All that was measured, as lines; only once nothing can be found against it any more. */
void sb_trial_report(struct trial *t);
/* Of a disturbed trial: what tells of the disturbance, and no result. */
void sb_trial_report_disturbed(struct trial *t);

/* ---- pair.c ---- */

/* Which of the two is set up first. */
bool sb_pair_own_first(const struct trial *t);
/* The partner's part of a worker's phases. */
void sb_pair_survey(struct worker *w);
void sb_pair_warm_up(struct worker *w);
/* The whole measured phase of a pair. */
void sb_pair_measure(struct worker *w);
void sb_pair_report(struct trial *t);

#endif
