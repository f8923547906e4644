/*
 * Lookaside caches of Linux 2.6 and its kmalloc, as a plugin: the SLAB that LDD3 describes. The model, its
 * locks and what it leaves out stand in mm/slab.c; this file is the ABI around it.
 */
#include "../mm/slab.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_PERCPU = SB_MM_OPTIONS };

static const struct sb_option options[] = {
    SB_MM_OPTION_ROWS,
    [OPTION_PERCPU] = {"percpu", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                       "arrays of free objects per CPU, and the shared one behind them; no: "
                       "every call takes the cache's lock"},
};

struct slab {
    struct sb_mm mm;
    struct sb_slab_system system;
};

static void slab_close(void *self)
{
    struct slab *s = self;
    sb_slab_exit(&s->system);
    sb_mm_exit(&s->mm);
    free(s);
}

static int slab_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct slab *s = calloc(1, sizeof(*s));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = s ? sb_mm_init(&s->mm, host, &config) : -ENOMEM;
    if (!status)
        status = sb_slab_init(&s->system, &s->mm, values[OPTION_PERCPU].u);
    if (status && s)
        slab_close(s);
    else
        *self = s;
    return status;
}

/* Its kmalloc has caches of its own, which no user can name or destroy. */
static int create(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                  const struct sb_slab_methods *methods, void **cache)
{
    struct sb_slab_cache *made = NULL;
    int status = sb_slab_cache_create(&((struct slab *)self)->system, name, size, align, flags, methods, &made);
    *cache = made;
    return status;
}

static int slab_create(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *),
                       uint32_t reserve, void **cache)
{
    (void)reserve;
    return create(self, name, size, align, flags, &(struct sb_slab_methods){.plain_ctor = ctor}, cache);
}

static int slab_create_dtor(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                            void (*ctor)(void *, uint32_t), void (*dtor)(void *, uint32_t), void **cache)
{
    const struct sb_host *host = ((struct slab *)self)->mm.host;
    if (dtor && !ctor) {
        host->fail(host->context, "slab: cache '%s': a destructor without a constructor (2.6.10: BUG)", name);
        return -EINVAL;
    }
    return create(self, name, size, align, flags, &(struct sb_slab_methods){.ctor = ctor, .dtor = dtor}, cache);
}

static void *slab_alloc(void *cache, sb_gfp_t gfp)
{
    return sb_slab_cache_alloc(cache, gfp);
}

static void slab_free(void *cache, void *object)
{
    sb_slab_cache_free(cache, object);
}

static int slab_destroy(void *cache)
{
    return sb_slab_cache_destroy(cache);
}

/* General caches align to the cache line at most, larger ones being off-slab to the page, as their slabs are.
 */
static void *slab_kmalloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    if (align > 32) {
        size = size > align ? size : align;
        if (align > 64 && size < SB_PAGE_SIZE)
            size = SB_PAGE_SIZE;
        if (align > SB_PAGE_SIZE)
            return NULL;
    }
    return sb_slab_kmalloc(&((struct slab *)self)->system, size, gfp);
}

static void slab_kfree(void *self, void *block, size_t size)
{
    (void)size;
    sb_slab_kfree(&((struct slab *)self)->system, block);
}

static size_t slab_usable(void *self, void *block)
{
    return sb_slab_ksize(&((struct slab *)self)->system, block);
}

static int slab_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct slab *s = self;
    sb_mm_snapshot(&s->mm, snapshot);
    sb_slab_snapshot(&s->system, snapshot);
    return 0;
}

static int slab_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_slab_dump(&((struct slab *)self)->system, file, sink);
}

static int slab_check(void *self, char *why, size_t why_size)
{
    return sb_slab_check(&((struct slab *)self)->system, why, why_size);
}

static void slab_shrink(void *self)
{
    sb_mm_reclaim(&((struct slab *)self)->mm);
}

static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    .max_size = SB_SLAB_KMALLOC_MAX,
    .create = slab_create,
    .alloc = slab_alloc,
    .free = slab_free,
    .destroy = slab_destroy,
    .create_dtor = slab_create_dtor,
};

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .max_size = SB_SLAB_KMALLOC_MAX,
    .alloc = slab_kmalloc,
    .free = slab_kfree,
    .usable = slab_usable,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "slab",
    .summary = "lookaside caches as LDD3 describes them: arrays per CPU, three lists of slabs, colours",
    .models = "mm/slab.c, Linux 2.6.10",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = slab_open,
    .close = slab_close,
    .snapshot = slab_snapshot,
    .dump = slab_dump,
    .dump_files = SB_MM_DUMP_FILES " slabinfo",
    .check = slab_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = slab_shrink,
    .cache = &cache,
    .sized = &sized,
};
