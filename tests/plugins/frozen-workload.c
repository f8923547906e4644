/*
 * A workload as somebody may have built it for ABI 1.0, against the headers of that time: one block after the
 * other, with a byte in it.
 */
#include "scullbench/workload.h"

#include <stdlib.h>
#include <string.h>

static const struct sb_option options[] = {
    {"size", SB_OPTION_SIZE, 0, "100B", 8, 4096, NULL, "bytes of a block"},
};

#ifndef REPORTS
#define REPORTS 0
#endif

struct frozen {
    const struct sb_bench *bench;
    struct sb_source source;
};

static int frozen_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    needs->want = SB_WANT_CACHE;
    needs->block_size = needs->live_bytes = values[0].u;
    needs->cycle_operations = 100;
    return 0;
}

static int frozen_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct frozen *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->bench = bench;
    *self = f;
    return sb_source_open(&f->source, bench->allocator, bench->self, SB_WANT_CACHE, "frozen", values[0].u, 0);
}

static int frozen_thread_setup(void *self, uint32_t thread, void **state)
{
    (void)thread;
    *state = self;
    return 0;
}

static int frozen_step(void *state, struct sb_counts *counts)
{
    struct frozen *f = state;
    for (int i = 0; i < 100; i++) {
        char *block = sb_source_alloc(&f->source, SB_GFP_KERNEL);
        if (!block)
            return -ENOMEM;
        *block = 1;
        sb_source_free(&f->source, block);
    }
    counts->operations += 100;
    counts->counters[0] += 100;
    return 0;
}

/* REPORTS: as a workload that doesn't know of allocators that give the same block to all. */
static int frozen_verify(void *self)
{
    struct frozen *f = self;
    void *blocks[2] = {0};
    for (int i = 0; i < 2 && REPORTS; i++) {
        blocks[i] = sb_source_alloc(&f->source, SB_GFP_KERNEL);
        f->bench->live_block(f->bench->context, blocks[i], 8, 0);
    }
    for (int i = 0; i < 2 && blocks[i]; i++)
        sb_source_free(&f->source, blocks[i]);
    return 0;
}

static int frozen_account(void *self, struct sb_account *account)
{
    (void)self;
    (void)account;
    return 0;
}

static void frozen_thread_teardown(void *state)
{
    (void)state;
}

static int frozen_teardown(void *self)
{
    struct frozen *f = self;
    int status = sb_source_close(&f->source);
    free(f);
    return status;
}

static const char *const counters[] = {"rounds"};

#ifdef ALIAS
static const struct sb_alias aliases[] = {{ALIAS}, {NULL, NULL}};
#endif

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = REPORTS ? "reports" : "frozen",
    .summary = "built for ABI 1.0",
    .options = options,
    .option_count = 1,
    .counter_count = 1,
    .counters = counters,
    .operation = "an allocation and its free",
    .needs = frozen_needs,
    .setup = frozen_setup,
    .thread_setup = frozen_thread_setup,
    .step = frozen_step,
    .verify = frozen_verify,
    .account = frozen_account,
    .thread_teardown = frozen_thread_teardown,
    .teardown = frozen_teardown,
#ifdef ALIAS
    .aliases = aliases,
#endif
};
