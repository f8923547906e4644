/*
 * kmalloc as a plugin: the size classes of Linux 6.1 (mm/slab_common.c) over slub, whole pages above 8 KiB.
 * The model stands in mm/kmalloc.c, that of the caches underneath in mm/slub.c; this file is the ABI around
 * them.
 */
#include "../mm/kmalloc.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_PERCPU = SB_MM_OPTIONS, OPTION_RANDOMIZE, OPTION_SHEAF, OPTION_NR_CPUS };

static const struct sb_option options[] = {
    SB_MM_OPTION_ROWS,
    [OPTION_PERCPU] = SB_SLUB_OPTION_PERCPU,
    [OPTION_RANDOMIZE] = SB_SLUB_OPTION_RANDOMIZE,
    [OPTION_SHEAF] = SB_SLUB_OPTION_SHEAF,
    [OPTION_NR_CPUS] = SB_SLUB_OPTION_NR_CPUS,
};

struct kmalloc {
    struct sb_mm mm;
    struct sb_kmalloc kmalloc;
};

static void kmalloc_close(void *self)
{
    struct kmalloc *k = self;
    sb_kmalloc_exit(&k->kmalloc);
    sb_mm_exit(&k->mm);
    free(k);
}

static int kmalloc_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct kmalloc *k = calloc(1, sizeof(*k));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = k ? sb_mm_init(&k->mm, host, &config) : -ENOMEM;
    if (!status)
        status = sb_kmalloc_init(&k->kmalloc, &k->mm,
                                 &(struct sb_slub_config){.percpu = values[OPTION_PERCPU].u,
                                                          .randomize = values[OPTION_RANDOMIZE].u,
                                                          .sheaf = (uint32_t)values[OPTION_SHEAF].u,
                                                          .nr_cpus = (unsigned)values[OPTION_NR_CPUS].u});
    if (status && k)
        kmalloc_close(k);
    else
        *self = k;
    return status;
}

static void *kmalloc_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    return sb_kmalloc(&((struct kmalloc *)self)->kmalloc, size, align, gfp);
}

static void *kmalloc_alloc_node(void *self, size_t size, sb_gfp_t gfp, int node)
{
    return sb_kmalloc_node(&((struct kmalloc *)self)->kmalloc, size, gfp, node);
}

/* kfree finds the class by the page that the block lies in; no size is needed. */
static void kmalloc_free(void *self, void *block, size_t size)
{
    (void)size;
    sb_kfree(&((struct kmalloc *)self)->kmalloc, block);
}

/* The class's size: what ksize() says. */
static size_t kmalloc_usable(void *self, void *block)
{
    return sb_ksize(&((struct kmalloc *)self)->kmalloc, block);
}

static int kmalloc_snapshot(void *self, struct sb_snapshot *snapshot)
{
    sb_kmalloc_snapshot(&((struct kmalloc *)self)->kmalloc, snapshot);
    return 0;
}

static int kmalloc_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_slub_dump(&((struct kmalloc *)self)->kmalloc.slub, file, sink);
}

static int kmalloc_check(void *self, char *why, size_t why_size)
{
    return sb_slub_check(&((struct kmalloc *)self)->kmalloc.slub, why, why_size);
}

static void kmalloc_shrink(void *self)
{
    sb_mm_reclaim(&((struct kmalloc *)self)->mm);
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .alloc = kmalloc_alloc,
    .free = kmalloc_free,
    .usable = kmalloc_usable,
    .alloc_node = kmalloc_alloc_node,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "kmalloc",
    .summary = "size classes from 8 bytes to 8 KiB over slub, whole pages above",
    .models = "mm/slab_common.c, Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = kmalloc_open,
    .close = kmalloc_close,
    .snapshot = kmalloc_snapshot,
    .dump = kmalloc_dump,
    .dump_files = SB_MM_DUMP_FILES " slabinfo",
    .check = kmalloc_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = kmalloc_shrink,
    .sized = &sized,
};
