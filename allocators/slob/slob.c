/*
 * The small machine's allocator as a plugin: SLOB of Linux 6.1 (mm/slob.c), taken out of the kernel in 6.4.
 * The model, its one lock and what it leaves out stand in mm/slob.c here; this file is the ABI around it.
 */
#include "../mm/slob.h"

#include <errno.h>
#include <stdlib.h>

static const struct sb_option options[] = {SB_MM_OPTION_ROWS};

struct slob {
    struct sb_mm mm;
    struct sb_slob slob;
};

static void slob_close(void *self)
{
    struct slob *s = self;
    sb_slob_exit(&s->slob);
    sb_mm_exit(&s->mm);
    free(s);
}

static int slob_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct slob *s = calloc(1, sizeof(*s));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = s ? sb_mm_init(&s->mm, host, &config) : -ENOMEM;
    if (status) {
        if (s)
            slob_close(s);
        return status;
    }
    sb_slob_init(&s->slob, &s->mm);
    *self = s;
    return 0;
}

static void *slob_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    /* Blocks lie within a page, or are pages. */
    if (align > SB_PAGE_SIZE)
        return NULL;
    return sb_slob_kmalloc(&((struct slob *)self)->slob, size, align, gfp);
}

static void slob_free(void *self, void *block, size_t size)
{
    (void)size;
    sb_slob_kfree(&((struct slob *)self)->slob, block);
}

static size_t slob_usable(void *self, void *block)
{
    return sb_slob_ksize(&((struct slob *)self)->slob, block);
}

static int slob_create(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *),
                       uint32_t reserve, void **cache)
{
    struct sb_slob_cache *made = NULL;
    (void)reserve;
    int status = sb_slob_cache_create(&((struct slob *)self)->slob, name, size, align, flags, ctor, &made);
    *cache = made;
    return status;
}

static void *slob_cache_alloc(void *cache, sb_gfp_t gfp)
{
    return sb_slob_cache_alloc(cache, gfp);
}

static void slob_cache_free(void *cache, void *object)
{
    sb_slob_cache_free(cache, object);
}

static int slob_cache_destroy(void *cache)
{
    return sb_slob_cache_destroy(cache);
}

static int slob_snapshot(void *self, struct sb_snapshot *snapshot)
{
    sb_slob_snapshot(&((struct slob *)self)->slob, snapshot);
    return 0;
}

static int slob_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_mm_dump(&((struct slob *)self)->mm, file, sink);
}

static int slob_check(void *self, char *why, size_t why_size)
{
    return sb_slob_check(&((struct slob *)self)->slob, why, why_size);
}

static void slob_shrink(void *self)
{
    sb_mm_reclaim(&((struct slob *)self)->mm);
}

static const struct sb_cache_ops cache = {
    .struct_size = sizeof(cache),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .create = slob_create,
    .alloc = slob_cache_alloc,
    .free = slob_cache_free,
    .destroy = slob_cache_destroy,
};

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .alloc = slob_alloc,
    .free = slob_free,
    .usable = slob_usable,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "slob",
    .summary = "first fit in single pages, for machines with little memory; one lock",
    .models = "mm/slob.c, Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = slob_open,
    .close = slob_close,
    .snapshot = slob_snapshot,
    .dump = slob_dump,
    .dump_files = SB_MM_DUMP_FILES,
    .check = slob_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = slob_shrink,
    .cache = &cache,
    .sized = &sized,
};
