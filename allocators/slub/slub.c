/* Lookaside caches as a plugin. See mm/slub.c. */
#include "../mm/slub.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_PERCPU, OPTION_CPU_SYNC };

static const struct sb_option options[] = {
    [OPTION_PERCPU] = {"percpu", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                       "each CPU allocates from a slab of its own; no: every call takes the node's lock"},
    [OPTION_CPU_SYNC] = SB_CPU_SYNC_OPTION,
};

struct slub {
    struct sb_mm mm;
    struct sb_slub slub;
};

static int slub_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct slub *s = malloc(sizeof(*s));
    int status = s ? sb_mm_init(&s->mm, host) : -ENOMEM;
    if (!status)
        status = sb_slub_init(&s->slub, &s->mm, values[OPTION_PERCPU].u,
                              (enum sb_cpu_sync)values[OPTION_CPU_SYNC].u);
    if (status)
        free(s);
    else
        *self = s;
    return status;
}

static void slub_close(void *self)
{
    struct slub *s = self;
    sb_slub_exit(&s->slub);
    free(s);
}

static int slub_create(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                       void (*ctor)(void *), uint32_t reserve, void **cache)
{
    struct sb_kmem_cache *made = NULL;
    (void)reserve;
    int status = sb_cache_create(&((struct slub *)self)->slub, name, size, align, flags, ctor, &made);
    *cache = made;
    return status;
}

static void *slub_alloc(void *cache, sb_gfp_t gfp)
{
    return sb_cache_alloc(cache, gfp);
}

static void slub_free(void *cache, void *object)
{
    sb_cache_free(cache, object);
}

static int slub_destroy(void *cache)
{
    return sb_cache_destroy(cache);
}

static int slub_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct slub *s = self;
    sb_mm_snapshot(&s->mm, snapshot);
    sb_slub_snapshot(&s->slub, snapshot);
    return 0;
}

static int slub_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_slub_dump(&((struct slub *)self)->slub, file, sink);
}

static int slub_check(void *self, char *why, size_t why_size)
{
    return sb_slub_check(&((struct slub *)self)->slub, why, why_size);
}

static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .create = slub_create,
    .alloc = slub_alloc,
    .free = slub_free,
    .destroy = slub_destroy,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "slub",
    .summary = "lookaside caches: slabs with embedded free lists, per-CPU slabs, partial lists",
    .models = "mm/slub.c, Linux 6.1, with restartable sequences for the cmpxchg fast path",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = slub_open,
    .close = slub_close,
    .snapshot = slub_snapshot,
    .dump = slub_dump,
    .dump_files = "buddyinfo slabinfo",
    .check = slub_check,
    .cache = &cache,
};
