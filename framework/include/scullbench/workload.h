/*
 * The workload plugin ABI.
 *
 * A workload is a stream of operations per thread, cut into steps. The host decides when steps run:
 * first the survey (whole cycles from an empty start, with checkpoints at fixed operation counts),
 * then warm-up, then the measured phase. A workload counts what it did; it never decides when to
 * stop, and it takes the time only around its allocator calls.
 */
#ifndef SCULLBENCH_WORKLOAD_H
#define SCULLBENCH_WORKLOAD_H

#include "allocator.h"
#include "random.h"
#include "source.h"

#include <string.h>

SB_EXTERN_C_BEGIN

#define SB_MAX_COUNTERS 16
#define SB_MAX_MEASURES 64

/* Since 1.8: an option that names a file is written file:PATH, which the host makes a path from the config's folder.
 * The path, or NULL for any other value. */
static inline const char *sb_file_of(const char *value)
{
    static const char prefix[] = "file:";
    return strncmp(value, prefix, sizeof(prefix) - 1) ? NULL : value + sizeof(prefix) - 1;
}

/* What a workload needs of an allocator and a machine, with given options; used at plan time. */
struct sb_needs {
    uint32_t struct_size;      /* set by the host */
    uint32_t want;             /* enum sb_want of its blocks */
    uint64_t block_size;       /* the size of one block */
    uint64_t live_bytes;       /* most bytes live at once, per thread */
    uint64_t cycle_operations; /* operations of one whole cycle, per thread */
    bool contents;             /* blocks must keep their contents */
    bool finite;               /* since 1.1: uses memory up, so the allocator's must have an end */
    uint64_t threads;          /* since 1.8, set by the host: how many there will be; 0: not known yet */
    /*
     * Since 1.8: threads work on one thing together, and an operation is a place that all of them pass. A thread may
     * then wait for another to come as far as itself, and a step may end without having done anything: the host
     * lets no thread stop at a place that the others haven't reached.
     */
    uint64_t joint;
};

/*
 * A thread's books, written by that thread only. Allocator calls are timed in batches between two
 * readings of the host's clock; the host takes the clock's own cost off, once per batch.
 */
struct sb_counts {
    uint64_t operations; /* what the workload calls one operation */
    uint64_t bytes;      /* moved by them */
    uint64_t allocs, alloc_ticks, alloc_batches;
    uint64_t frees, free_ticks, free_batches;
    uint64_t counters[SB_MAX_COUNTERS]; /* as named in the descriptor */
    /* Since 1.1: allocations asked for, NULLs counted in, by a workload that goes on after one; else 0. */
    uint64_t attempts;
    /* Since 1.2: calls that are in allocs and frees, but were timed one by one and so are in no batch. */
    uint64_t sampled_allocs, sampled_frees;
};

/* Calls whose times go into histograms of their own. */
enum sb_call { SB_CALL_ALLOC, SB_CALL_FREE, SB_CALLS };

/* The blocks that a workload holds at one moment. */
struct sb_account {
    uint32_t struct_size; /* set by the host */
    uint32_t reserved;
    uint64_t live;            /* blocks in use */
    uint64_t requested_bytes; /* as they were asked for */
};

/* What the host lends a workload from setup to teardown. */
struct sb_bench {
    uint32_t struct_size;
    uint32_t threads;
    uint64_t seed;
    const struct sb_allocator *allocator; /* the host's copy of the descriptor */
    void *self;                           /* the opened allocator */
    uint64_t (*now)(void);                /* a clock in ticks of the host's choice; never steps back */
    void *context;
    void (*fail)(void *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
    /* Reports one live block, for the host's search for overlaps; `align` is what was asked for, 0 for none.
     */
    void (*live_block)(void *context, const void *block, uint64_t size, uint64_t align);
    /* Since 1.2; see struct sb_sampler. 0: no call is timed singly; 1: every one; n: one batch in about n. */
    uint32_t latency_period;
    /* Since 1.2: the host paces the steps, so a step is one call of the workload, whatever its batch says. */
    uint32_t paced;
    /* Since 1.2: the ticks that one call took, the clock's own cost in them. */
    void (*latency)(void *context, uint32_t thread, enum sb_call call, uint64_t ticks);
    /*
     * Since 1.3: not 0 while nothing is timed (the survey). The workload then compares what it reads, and
     * each block before it frees it, with all that it wrote there; -EBADMSG from step() where they differ.
     */
    uint32_t proving;
    /* Since 1.4: while not 0 a step makes at most so many calls, for the survey looks between steps. */
    uint32_t step_calls;
    /* Since 1.6: CPU numbers run from 0 to nr_cpus - 1; there is a per-CPU copy for each. */
    uint32_t nr_cpus;
    uint32_t measuring; /* since 1.8: not 0 in the measured phase */
};

/* Calls of a step whose batch is `batch`. */
static inline uint64_t sb_step_calls(const struct sb_bench *bench, uint64_t batch)
{
    return bench->step_calls && bench->step_calls < batch ? bench->step_calls : batch;
}

/*
 * Says which batches of calls a thread times call by call: at random distances, since anything regular could
 * keep step with the allocator's own rhythm of fast and slow paths.
 */
struct sb_sampler {
    const struct sb_bench *bench;
    struct sb_random random;
    uint64_t left; /* batches until the next one */
    uint32_t thread;
};

static inline void sb_sampler_init(struct sb_sampler *sampler, const struct sb_bench *bench, uint32_t thread)
{
    sampler->bench = bench;
    sampler->random = sb_random_fork(bench->seed ^ UINT64_C(0x6c6174656e6379), thread);
    sampler->left = UINT64_MAX; /* not drawn yet */
    sampler->thread = thread;
}

static inline bool sb_sampler_due(struct sb_sampler *sampler)
{
    uint32_t period = sampler->bench->latency_period;
    if (period <= 1)
        return period != 0;
    if (sampler->left == UINT64_MAX)
        sampler->left = sb_random_below(&sampler->random, period);
    if (sampler->left) {
        sampler->left--;
        return false;
    }
    sampler->left = sb_random_below(&sampler->random, 2 * (uint64_t)period - 1);
    return true;
}

static inline void sb_sampler_take(struct sb_sampler *sampler, enum sb_call call, uint64_t ticks)
{
    sampler->bench->latency(sampler->bench->context, sampler->thread, call, ticks);
}

/* Time an allocation or a free one by one. */
static inline void *sb_sampler_alloc(struct sb_sampler *sampler, const struct sb_source *source, sb_gfp_t gfp)
{
    uint64_t start = sampler->bench->now();
    void *block = sb_source_alloc(source, gfp);
    sb_sampler_take(sampler, SB_CALL_ALLOC, sampler->bench->now() - start);
    return block;
}

static inline void sb_sampler_free(struct sb_sampler *sampler, const struct sb_source *source, void *block)
{
    uint64_t start = sampler->bench->now();
    sb_source_free(source, block);
    sb_sampler_take(sampler, SB_CALL_FREE, sampler->bench->now() - start);
}

/* Since 1.7: another name by which a config may give an option, as a driver's module parameter. */
struct sb_alias {
    const char *name;
    const char *option;
};

/* Since 1.8: a number of the workload's own, of the measured phase. A name that the host's table of metrics has is that
 * metric, and has its unit. */
struct sb_measure {
    const char *name; /* [a-z0-9_]+ */
    const char *unit;
};

/* The exported descriptor: `const struct sb_workload scullbench_workload`. */
struct sb_workload {
    struct sb_head head;
    const char *name;
    const char *summary;
    const char *models;
    const struct sb_option *options;
    uint32_t option_count;
    uint32_t counter_count;
    const char *const *counters; /* names of sb_counts.counters */
    const char *operation;       /* what one operation is, in words */
    /* Checks the options against each other and says what is needed. `why` gets the reason of a failure. */
    int (*needs)(const union sb_value *options, struct sb_needs *needs, char *why, size_t why_size);
    int (*setup)(const struct sb_bench *bench, const union sb_value *options, void **self);
    /* On the pinned thread itself, so that what it touches first lies near it. */
    int (*thread_setup)(void *self, uint32_t thread, void **state);
    /* A few microseconds of work, or as long as one operation takes. -ENOMEM: the allocator gave NULL; -EBADMSG:
     * contents were wrong. */
    int (*step)(void *state, struct sb_counts *counts);
    /* While no step runs: proves the contents of all that lives and reports each block. */
    int (*verify)(void *self);
    int (*account)(void *self, struct sb_account *account);
    int (*dump)(void *self, const char *file, const struct sb_sink *sink);
    const char *dump_files;
    void (*thread_teardown)(void *state); /* on its thread: frees all its blocks */
    int (*teardown)(void *self);          /* -EBUSY: blocks were lost */
    const struct sb_alias *aliases;       /* since 1.7: ends with a NULL name; or NULL */
    /* Since 1.8; or NULL and 0. report, when the measured phase is over: a value for each, NaN where it isn't known. */
    const struct sb_measure *measures;
    uint64_t measure_count;
    void (*report)(void *self, double *values);
};

extern SB_EXPORT const struct sb_workload scullbench_workload;

SB_EXTERN_C_END

#endif
