/*
 * null: hands out the same block again and again. What a workload costs on it is the harness's floor.
 *
 * Each CPU has a block of its own, so that threads who write don't fight over cache lines, which
 * would make the floor the highest number of all. Contents don't last; nothing can be exhausted.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct null {
    const struct sb_host *host;
    char *base;
    size_t part; /* bytes of each CPU's block */
};

static int null_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    struct null *null = malloc(sizeof(*null));
    (void)options;
    if (!null)
        return -ENOMEM;
    null->host = host;
    null->base = host->memory;
    null->part = (size_t)(host->memory_size / host->nr_cpus) & ~(size_t)(SB_PAGE_SIZE - 1);
    *self = null;
    return 0;
}

static void null_close(void *self)
{
    free(self);
}

/* sched_getcpu is a load from glibc's rseq area: about 1 ns, part of the floor that null shows. */
static inline void *block(const struct null *null)
{
    return null->base + (size_t)sched_getcpu() * null->part;
}

static void *null_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    const struct null *null = self;
    (void)align;
    (void)gfp;
    return size <= null->part ? block(null) : NULL;
}

static void null_free(void *self, void *at, size_t size)
{
    (void)self;
    (void)at;
    (void)size;
}

static int null_create(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *),
                       uint32_t reserve, void **cache)
{
    struct null *null = self;
    (void)align;
    (void)flags;
    (void)ctor;
    (void)reserve;
    if (size > null->part) {
        null->host->fail(null->host->context, "null: cache '%s': objects of %zu bytes exceed its block of %zu", name,
                         size, null->part);
        return -E2BIG;
    }
    *cache = null;
    return 0;
}

static void *null_cache_alloc(void *cache, sb_gfp_t gfp)
{
    (void)gfp;
    return block(cache);
}

static void null_cache_free(void *cache, void *object)
{
    (void)cache;
    (void)object;
}

static int null_destroy(void *cache)
{
    (void)cache;
    return 0;
}

static void *null_get_free_pages(void *self, sb_gfp_t gfp, unsigned order)
{
    const struct null *null = self;
    (void)gfp;
    return SB_PAGE_SIZE << order <= null->part ? block(null) : NULL;
}

static void null_free_pages_at(void *self, void *address, unsigned order)
{
    (void)self;
    (void)address;
    (void)order;
}

static int null_snapshot(void *self, struct sb_snapshot *snapshot)
{
    (void)self;
    (void)snapshot;
    return 0;
}

static int null_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int null_check(void *self, char *why, size_t why_size)
{
    (void)self;
    (void)why;
    (void)why_size;
    return 0;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .alloc = null_alloc,
    .free = null_free,
};

static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    .create = null_create,
    .alloc = null_cache_alloc,
    .free = null_cache_free,
    .destroy = null_destroy,
};

static const struct sb_pages_ops pages = {
    .struct_size = sizeof(pages),
    .get_free_pages = null_get_free_pages,
    .free_pages_at = null_free_pages_at,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "null",
    .summary = "hands out the same addresses again and again: the harness's floor",
    .models = "",
    .flags = SB_ALLOCATOR_ALIASES,
    .open = null_open,
    .close = null_close,
    .snapshot = null_snapshot,
    .dump = null_dump,
    .dump_files = "",
    .check = null_check,
    .sized = &sized,
    .cache = &cache,
    .pages = &pages,
};
