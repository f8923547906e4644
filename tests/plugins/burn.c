/*
 * burn: an allocator whose calls take a known time, for the study of our own verdicts (scripts/study). Every
 * call goes through `work` steps of a chain of multiplications, `extra` percent more of them in the slower
 * twin; what lies around the chain, a stack of free blocks, is a hundredth of it. Blocks are 256 bytes, from
 * malloc; one thread.
 */
#include "scullbench/allocator.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_WORK, OPTION_EXTRA, OPTIONS };
enum { BLOCK = 256, MOST_FREE = 1024 };

static const struct sb_option options[OPTIONS] = {
    [OPTION_WORK] = {"work", SB_OPTION_INT, 0, "1000", 1, 1000000, NULL, "steps of the chain in every call"},
    [OPTION_EXTRA] = {"extra", SB_OPTION_PERCENT, 0, "0%", 0, 100, NULL, "steps beyond that"},
};

struct burn {
    uint64_t steps, state;
    void *stack[MOST_FREE];
    unsigned n;
    uint64_t live;
};

static int burn_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct burn *b = calloc(1, sizeof(*b));
    (void)host;
    if (!b)
        return -ENOMEM;
    b->steps = values[OPTION_WORK].u * (100 + values[OPTION_EXTRA].u) / 100;
    b->state = 1;
    *self = b;
    return 0;
}

static void burn_close(void *self)
{
    struct burn *b = self;
    while (b->n)
        free(b->stack[--b->n]);
    free(b);
}

/* Each step waits for the one before: its time is the multiplier's latency, whatever else the CPU could do.
 */
static void work(struct burn *b)
{
    uint64_t x = b->state;
    for (uint64_t i = 0; i < b->steps; i++) {
        x = x * UINT64_C(6364136223846793005) + 1;
        __asm__ volatile("" : "+r"(x));
    }
    b->state = x;
}

static void *burn_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    struct burn *b = self;
    (void)gfp;
    if (size > BLOCK || align > sizeof(void *))
        return NULL;
    work(b);
    void *block = b->n ? b->stack[--b->n] : malloc(BLOCK);
    b->live += block != NULL;
    return block;
}

static void burn_free(void *self, void *block, size_t size)
{
    struct burn *b = self;
    (void)size;
    if (!block)
        return;
    work(b);
    b->live--;
    if (b->n < MOST_FREE)
        b->stack[b->n++] = block;
    else
        free(block);
}

static int burn_snapshot(void *self, struct sb_snapshot *snapshot)
{
    snapshot->has = SB_HAS_LIVE;
    snapshot->live = ((struct burn *)self)->live;
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
    (void)why;
    (void)why_size;
    return ((struct burn *)self)->n <= MOST_FREE ? 0 : -EUCLEAN;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized), .max_size = BLOCK, .alloc = burn_alloc, .free = burn_free};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "burn",
    .summary = "calls of a known length, to study verdicts with",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .flags = SB_ALLOCATOR_OS_MEMORY,
    .open = burn_open,
    .close = burn_close,
    .snapshot = burn_snapshot,
    .dump = burn_dump,
    .check = burn_check,
    .sized = &sized,
};
