/*
 * burn: an allocator that is slower than itself by as much as is asked for, for the study of our own verdicts
 * (scripts/study). It hands out blocks of 256 bytes from a stack of free ones; one allocation in 64 goes
 * through `burn` steps of a chain of multiplications. What share of the time that is depends on the loop
 * around it, so the study measures it there. For one thread a stack; several have one each, by their CPU.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { OPTION_BURN, OPTIONS };
enum { BLOCK = 256, MOST_FREE = 16384, MOST_CPUS = 64, EVERY = 64 };

static const struct sb_option options[OPTIONS] = {
    [OPTION_BURN] = {"burn", SB_OPTION_INT, 0, "0", 0, 1000000, NULL, "steps of the chain, one allocation in 64"},
};

/* Touched by its own CPU alone, on lines of its own. */
struct stack {
    void *free[MOST_FREE];
    uint64_t n, calls, state;
    int64_t live;
} __attribute__((aligned(128)));

struct burn {
    struct stack stacks[MOST_CPUS];
    uint64_t steps;
    char *base;
    uint64_t size;
    _Atomic uint64_t given;
};

static int burn_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    if (host->nr_cpus > MOST_CPUS) {
        host->fail(host->context, "burn knows %d CPUs", MOST_CPUS);
        return -EINVAL;
    }
    struct burn *b = aligned_alloc(128, sizeof(*b));
    if (!b)
        return -ENOMEM;
    for (size_t i = 0; i < MOST_CPUS; i++) {
        b->stacks[i].n = b->stacks[i].calls = 0;
        b->stacks[i].live = 0;
        b->stacks[i].state = 1;
    }
    b->steps = values[OPTION_BURN].u;
    b->base = host->memory;
    b->size = host->memory_size;
    atomic_init(&b->given, 0);
    *self = b;
    return 0;
}

static void burn_close(void *self)
{
    free(self);
}

/* Each step waits for the one before: its time is the multiplier's latency, whatever else the CPU could do.
 */
static void work(struct stack *s, uint64_t steps)
{
    uint64_t x = s->state;
    for (uint64_t i = 0; i < steps; i++) {
        x = x * UINT64_C(6364136223846793005) + 1;
        __asm__ volatile("" : "+r"(x));
    }
    s->state = x;
}

static struct stack *here(struct burn *b)
{
    int cpu = sched_getcpu();
    return &b->stacks[cpu < 0 ? 0 : cpu % MOST_CPUS];
}

static void *burn_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    struct burn *b = self;
    struct stack *s = here(b);
    (void)gfp;
    if (size > BLOCK || align > BLOCK)
        return NULL;
    if (s->calls++ % EVERY == 0)
        work(s, b->steps);
    if (!s->n) {
        uint64_t at = atomic_fetch_add(&b->given, BLOCK);
        if (at + BLOCK > b->size)
            return NULL;
        s->live++;
        return b->base + at;
    }
    s->live++;
    return s->free[--s->n];
}

static void burn_free(void *self, void *block, size_t size)
{
    struct stack *s = here(self);
    (void)size;
    if (!block)
        return;
    s->live--;
    if (s->n < MOST_FREE)
        s->free[s->n++] = block;
}

static int burn_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct burn *b = self;
    int64_t live = 0;
    for (size_t i = 0; i < MOST_CPUS; i++)
        live += b->stacks[i].live;
    snapshot->live = (uint64_t)live;
    snapshot->has = SB_HAS_LIVE;
    return 0;
}

static int burn_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int burn_check(void *self, char *why, size_t why_size)
{
    struct burn *b = self;
    (void)why;
    (void)why_size;
    for (size_t i = 0; i < MOST_CPUS; i++) {
        if (b->stacks[i].n > MOST_FREE)
            return -EUCLEAN;
    }
    return 0;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized), .max_size = BLOCK, .alloc = burn_alloc, .free = burn_free};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = NAME,
    .summary = "as much slower as is asked for, to study verdicts with",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .open = burn_open,
    .close = burn_close,
    .snapshot = burn_snapshot,
    .dump = burn_dump,
    .check = burn_check,
    .sized = &sized,
};
