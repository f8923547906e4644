/*
 * Allocators that misbehave on purpose, one way each, chosen by MISBEHAVE when this file is built. Otherwise
 * they are the process's malloc with a count.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEGV = 1,  /* crashes in its 1000th allocation */
    SLEEP,     /* sleeps for ever in its 1000th allocation */
    OVERLAP,   /* gives out a block twice now and then */
    LIAR,      /* its check() finds something */
    EXHAUST,   /* gives NULL after 1000 allocations */
    MISCOUNT,  /* loses count of its live blocks */
    EXIT,      /* ends the process */
    CHATTER,   /* prints to standard output, and is fine otherwise */
    OPENFAIL,  /* can't be opened, and says why */
    OLD_MAJOR, /* says another ABI */
    NOTHING,   /* offers no interface */
    CROOKED,   /* ignores alignment */
    NAMELESS,  /* has no name */
    BADOPTION, /* its option's default is none of its choices */
    HALF,      /* offers an interface that lacks a function */
    NEWER,     /* says a minor version that isn't there yet */
};

static atomic_ulong calls;
static atomic_ulong live;

static int bad_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    (void)options;
    /* The crasher's self is an address that no one may write to. */
    *self = MISBEHAVE == SEGV ? (void *)(uintptr_t)4096 : (void *)(uintptr_t)host;
    if (MISBEHAVE == OPENFAIL) {
        host->fail(host->context, "the moon is in the wrong quarter");
        return -EINVAL;
    }
    return 0;
}

static void bad_close(void *self)
{
    (void)self;
}

static void *bad_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    static _Atomic(void *) last;
    unsigned long call = atomic_fetch_add(&calls, 1);
    (void)self;
    if (MISBEHAVE == SEGV && call == 1000) {
        fprintf(stderr, "about to crash\n");
        *(volatile char *)self = 1;
    }
    if (MISBEHAVE == SLEEP && call == 1000)
        pause();
    if (MISBEHAVE == EXHAUST && call >= 1000)
        return NULL;
    if (MISBEHAVE == EXIT && call == 1000)
        _exit(0);
    if (MISBEHAVE == CHATTER && call % 1000 == 0) {
        printf("{\"status\":\"ok\"}\nhello\n");
        fflush(stdout);
    }
    if (MISBEHAVE != MISCOUNT || call % 100)
        atomic_fetch_add(&live, 1);
    /* Halfway into the block before: no two addresses are equal, yet memory is shared. */
    if (MISBEHAVE == OVERLAP && call % 100 == 99 && size > 1000 && align <= 512)
        return (char *)atomic_load(&last) + 512;
    void *block = NULL;
    if (posix_memalign(&block, align < 64 ? 64 : align, size + 4096))
        return NULL;
    if (gfp & SB_GFP_ZERO)
        memset(block, 0, size + 4096);
    if (size > 1000)
        atomic_store(&last, block);
    return MISBEHAVE == CROOKED ? (char *)block + 8 : block;
}

static void bad_free(void *self, void *block, size_t size)
{
    (void)self;
    (void)size;
    atomic_fetch_sub(&live, 1);
    if (MISBEHAVE != OVERLAP && block)
        free((char *)block - (MISBEHAVE == CROOKED ? 8 : 0));
}

static int bad_snapshot(void *self, struct sb_snapshot *snapshot)
{
    (void)self;
    snapshot->has = SB_HAS_LIVE;
    snapshot->live = atomic_load(&live);
    return 0;
}

static int bad_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int bad_check(void *self, char *why, size_t why_size)
{
    (void)self;
    if (MISBEHAVE != LIAR || atomic_load(&calls) < 1000)
        return 0;
    snprintf(why, why_size, "the third list is upside down");
    return -EUCLEAN;
}

static const char *const choices[] = {"yes", "no", NULL};
static const struct sb_option options[] = {
    {"maybe", SB_OPTION_ENUM, 0, "perhaps", 0, 0, choices, "a choice that isn't one"}};

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .alloc = bad_alloc,
    .free = MISBEHAVE == HALF ? NULL : bad_free,
};

const struct sb_allocator scullbench_allocator = {
    .head = {SB_ALLOCATOR_MAGIC, MISBEHAVE == OLD_MAJOR ? 0 : SB_ABI_MAJOR,
             SB_ABI_MINOR + (MISBEHAVE == NEWER), sizeof(struct sb_allocator), sizeof(struct sb_option)},
    .name = MISBEHAVE == NAMELESS ? NULL : NAME,
    .options = options,
    .option_count = MISBEHAVE == BADOPTION,
    .summary = "misbehaves on purpose",
    .models = "",
    .flags = SB_ALLOCATOR_OS_MEMORY,
    .open = bad_open,
    .close = bad_close,
    .snapshot = bad_snapshot,
    .dump = bad_dump,
    .check = bad_check,
    .sized = MISBEHAVE == NOTHING ? NULL : &sized,
};
