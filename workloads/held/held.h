/*
 * What workloads share that hold `count` blocks at a time: allocate them, use each, free them in the same order. The
 * plugins on it differ in the calls that they make, which go through one more function than those of `objects`.
 */
#ifndef SB_HELD_H
#define SB_HELD_H

#include "scullbench/workload.h"

struct held_stream;

/* What one plugin adds. A block is whatever `take` gave for the i-th of a stream's; -EBADMSG from `prove` and `turn`;
 * all that fails has told the host why.
 */
struct held_kind {
    void *(*take)(struct held_stream *s, uint64_t i); /* NULL: there is none */
    void (*give)(struct held_stream *s, uint64_t i);
    int (*use)(struct held_stream *s, uint64_t i); /* once, after it was taken; not timed */
    int (*prove)(struct held_stream *s, uint64_t i);
    /* The block's address for the host's search for overlaps; NULL: it has none. */
    const void *(*address)(const struct held_stream *s, uint64_t i);
    int (*turn)(struct held_stream *s); /* all are given back, a new cycle begins; may be NULL */
    bool counted;                       /* blocks are the allocator's, and in its books */
};

struct held {
    const struct held_kind *kind;
    const struct sb_bench *bench;
    uint64_t count, size, align, batch;
    struct held_stream **streams;
    void *own; /* the plugin's, freed with this */
};

struct held_stream {
    struct held *held;
    uint32_t thread;
    struct sb_sampler sampler;
    void **blocks;
    uint64_t at, live; /* taken, or given back, so far in this pass */
    uint64_t cycle;
    bool freeing;
    struct sb_counts *counts; /* of the step under way */
    void *own;                /* the plugin's */
};

/* -ENOMEM. `own_size` bytes of the plugin's own come zeroed in `own`, and go with held_teardown. */
int held_setup(const struct sb_bench *bench, const struct held_kind *kind, uint64_t count, uint64_t batch,
               size_t own_size, struct held **out);
/* What the ABI asks of a workload; `state` is a held_stream. thread_teardown gives back what lives. */
int held_thread_setup(void *held, uint32_t thread, void **state);
int held_step(void *state, struct sb_counts *counts);
int held_verify(void *held);
int held_account(void *held, struct sb_account *account);
void held_thread_teardown(void *state);
int held_teardown(void *held);

/* A word that no other block has, and of a million cycles none. */
static inline uint64_t held_tag(const struct held_stream *s, uint64_t i)
{
    return (s->cycle << 44 ^ (uint64_t)(s->thread + 1) << 32 ^ (i + 1)) * UINT64_C(0x9e3779b97f4a7c15);
}
/* Says that the i-th block doesn't hold its tag. -EBADMSG. */
int held_bad(const struct held_stream *s, uint64_t i);

#endif
