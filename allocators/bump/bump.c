/*
 * bump: the cheapest allocator that hands out distinct memory. A pointer moves up; nothing is reused until
 * everything of an arena has been freed, then it starts over. Not a model of anything in the kernel.
 *
 * One arena per CPU, each one 64-bit word of offset and live count, changed by compare-and-swap: a block
 * may be freed on another CPU, and a thread may migrate in the middle. No locks.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAIN     16 /* every block starts at a multiple, as malloc's do */
#define LIVE_BITS 24
#define LIVE_MASK ((UINT64_C(1) << LIVE_BITS) - 1)

/* word: offset in grains above, live blocks below. */
struct arena {
    _Atomic uint64_t word;
    char padding[120];
};

struct bump {
    char *base;
    uint64_t part; /* bytes of an arena */
    unsigned n;
    struct arena arenas[];
};

static int bump_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    struct bump *bump = calloc(1, sizeof(*bump) + host->nr_cpus * sizeof(bump->arenas[0]));
    (void)options;
    if (!bump)
        return -ENOMEM;
    bump->base = host->memory;
    bump->n = host->nr_cpus;
    bump->part = host->memory_size / host->nr_cpus & ~(SB_PAGE_SIZE - 1);
    *self = bump;
    return 0;
}

static void bump_close(void *self)
{
    free(self);
}

/* Aligned by offset: arenas begin on a page, so up to a page that is aligned by address too. */
static void *bump_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    struct bump *bump = self;
    unsigned cpu = (unsigned)sched_getcpu();
    struct arena *arena = &bump->arenas[cpu];
    uint64_t step = align > GRAIN ? align / GRAIN : 1;
    uint64_t grains = (size + GRAIN - 1) / GRAIN;
    uint64_t old = atomic_load_explicit(&arena->word, memory_order_relaxed), at, new;
    if (align > SB_PAGE_SIZE || size > bump->part)
        return NULL;
    do {
        at = ((old >> LIVE_BITS) + step - 1) & ~(step - 1);
        if ((at + grains) * GRAIN > bump->part || (old & LIVE_MASK) == LIVE_MASK)
            return NULL;
        new = (at + grains) << LIVE_BITS | ((old & LIVE_MASK) + 1);
    } while (
        !atomic_compare_exchange_weak_explicit(&arena->word, &old, new, memory_order_acq_rel, memory_order_relaxed));
    char *block = bump->base + cpu * bump->part + at * GRAIN;
    if (gfp & SB_GFP_ZERO)
        memset(block, 0, size);
    return block;
}

/* Which arena is told by the address: the block may be freed on any CPU. */
static void bump_free(void *self, void *block, size_t size)
{
    struct bump *bump = self;
    (void)size;
    if (!block)
        return;
    struct arena *arena = &bump->arenas[(uint64_t)((char *)block - bump->base) / bump->part];
    uint64_t old = atomic_load_explicit(&arena->word, memory_order_relaxed), new;
    do {
        new = (old & LIVE_MASK) == 1 ? 0 : old - 1;
    } while (
        !atomic_compare_exchange_weak_explicit(&arena->word, &old, new, memory_order_acq_rel, memory_order_relaxed));
}

static int bump_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct bump *bump = self;
    snapshot->has = SB_HAS_LIVE | SB_HAS_HELD;
    for (unsigned i = 0; i < bump->n; i++) {
        uint64_t word = atomic_load(&bump->arenas[i].word);
        snapshot->live += word & LIVE_MASK;
        snapshot->held_bytes += (word >> LIVE_BITS) * GRAIN;
    }
    return 0;
}

static int bump_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int bump_check(void *self, char *why, size_t why_size)
{
    struct bump *bump = self;
    for (unsigned i = 0; i < bump->n; i++) {
        uint64_t word = atomic_load(&bump->arenas[i].word);
        if ((word >> LIVE_BITS) * GRAIN > bump->part || (!(word & LIVE_MASK) && word)) {
            snprintf(why, why_size, "arena %u: %llu bytes used of %llu, %llu blocks live", i,
                     (unsigned long long)((word >> LIVE_BITS) * GRAIN), (unsigned long long)bump->part,
                     (unsigned long long)(word & LIVE_MASK));
            return -EUCLEAN;
        }
    }
    return 0;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .alloc = bump_alloc,
    .free = bump_free,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "bump",
    .summary = "a pointer that moves up, per CPU; starts over when all is freed",
    .models = "",
    .open = bump_open,
    .close = bump_close,
    .snapshot = bump_snapshot,
    .dump = bump_dump,
    .dump_files = "",
    .check = bump_check,
    .sized = &sized,
};
