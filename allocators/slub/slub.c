/*
 * Lookaside caches as a plugin: kmem_cache_* of Linux 6.1 (mm/slub.c), whose model, locks and omissions stand
 * in mm/slub.c here. This file is the ABI around it: options, and a page allocator of its own underneath, so
 * that two plugins in one process share nothing.
 */
#include "../mm/slub.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_PERCPU = SB_MM_OPTIONS, OPTION_RANDOMIZE, OPTION_SHEAF, OPTION_NR_CPUS, OPTION_DEBUG };

/* Letters of the boot parameter slub_debug; the number of each choice has their bits. */
static const char *const debug_letters[] = {"-",  "F",  "Z",   "FZ", "P",   "FP",  "ZP",   "FZP", "U",
                                            "FU", "ZU", "FZU", "PU", "FPU", "ZPU", "FZPU", NULL};

static uint32_t debug_flags(uint64_t choice)
{
    static const uint32_t flags[] = {SB_SLAB_CONSISTENCY_CHECKS, SB_SLAB_RED_ZONE, SB_SLAB_POISON, SB_SLAB_STORE_USER};
    uint32_t result = 0;
    for (unsigned i = 0; i < 4; i++)
        result |= choice >> i & 1 ? flags[i] : 0;
    return result;
}

static const struct sb_option options[] = {
    SB_MM_OPTION_ROWS,
    [OPTION_PERCPU] = SB_SLUB_OPTION_PERCPU,
    [OPTION_RANDOMIZE] = SB_SLUB_OPTION_RANDOMIZE,
    [OPTION_SHEAF] = SB_SLUB_OPTION_SHEAF,
    [OPTION_NR_CPUS] = SB_SLUB_OPTION_NR_CPUS,
    [OPTION_DEBUG] = {"slub_debug", SB_OPTION_ENUM, 0, "-", 0, 0, debug_letters,
                      "what is done for every cache to find mistakes of its users: F consistency checks, Z red zones, "
                      "P poison, U owners"},
};

struct slub {
    struct sb_mm mm;
    struct sb_slub slub;
};

static void slub_close(void *self)
{
    struct slub *s = self;
    sb_slub_exit(&s->slub);
    sb_mm_exit(&s->mm);
    free(s);
}

static int slub_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct slub *s = calloc(1, sizeof(*s));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = s ? sb_mm_init(&s->mm, host, &config) : -ENOMEM;
    if (status) {
        if (s)
            slub_close(s);
        return status;
    }
    sb_slub_init(&s->slub, &s->mm,
                 &(struct sb_slub_config){.percpu = values[OPTION_PERCPU].u,
                                          .randomize = values[OPTION_RANDOMIZE].u,
                                          .sheaf = (uint32_t)values[OPTION_SHEAF].u,
                                          .nr_cpus = (unsigned)values[OPTION_NR_CPUS].u,
                                          .debug = debug_flags(values[OPTION_DEBUG].u)});
    *self = s;
    return 0;
}

static int slub_create(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *),
                       uint32_t reserve, void **cache)
{
    /* A reserve is mempool's to keep: the kernel's caches have none either. */
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

static void *slub_alloc_node(void *cache, sb_gfp_t gfp, int node)
{
    return sb_cache_alloc_node(cache, gfp, node);
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

/* Reclaim, as memory pressure would start it: caches give back their empty slabs. */
static void slub_shrink(void *self)
{
    sb_mm_reclaim(&((struct slub *)self)->mm);
}

static size_t slub_alloc_bulk(void *cache, sb_gfp_t gfp, size_t n, void **objects)
{
    return sb_cache_alloc_bulk(cache, gfp, n, objects);
}

static void slub_free_bulk(void *cache, size_t n, void **objects)
{
    sb_cache_free_bulk(cache, n, objects);
}

static const struct sb_bulk_ops bulk = {
    .struct_size = sizeof(bulk),
    .alloc_bulk = slub_alloc_bulk,
    .free_bulk = slub_free_bulk,
};

static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    /* An object needs a slab, and a slab is one block of pages. */
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .create = slub_create,
    .alloc = slub_alloc,
    .free = slub_free,
    .destroy = slub_destroy,
    .alloc_node = slub_alloc_node,
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
    .dump_files = SB_MM_DUMP_FILES " slabinfo",
    .check = slub_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = slub_shrink,
    .cache = &cache,
    .bulk = &bulk,
};
