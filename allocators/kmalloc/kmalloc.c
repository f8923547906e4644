/* kmalloc as a plugin. See mm/kmalloc.c. */
#include "../mm/kmalloc.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_PERCPU, OPTION_CPU_SYNC };

static const struct sb_option options[] = {
    [OPTION_PERCPU] = {"percpu", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                       "each CPU allocates from slabs of its own; no: every call takes the node's lock"},
    [OPTION_CPU_SYNC] = SB_CPU_SYNC_OPTION,
};

struct kmalloc {
    struct sb_mm mm;
    struct sb_kmalloc kmalloc;
};

static int kmalloc_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct kmalloc *k = malloc(sizeof(*k));
    int status = k ? sb_mm_init(&k->mm, host) : -ENOMEM;
    if (!status)
        status = sb_kmalloc_init(&k->kmalloc, &k->mm, values[OPTION_PERCPU].u,
                                 (enum sb_cpu_sync)values[OPTION_CPU_SYNC].u);
    if (status)
        free(k);
    else
        *self = k;
    return status;
}

static void kmalloc_close(void *self)
{
    sb_kmalloc_exit(&((struct kmalloc *)self)->kmalloc);
    free(self);
}

static void *kmalloc_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    return sb_kmalloc(&((struct kmalloc *)self)->kmalloc, size, align, gfp);
}

static void kmalloc_free(void *self, void *block, size_t size)
{
    (void)size;
    sb_kfree(&((struct kmalloc *)self)->kmalloc, block);
}

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

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .alloc = kmalloc_alloc,
    .free = kmalloc_free,
    .usable = kmalloc_usable,
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
    .dump_files = "buddyinfo slabinfo",
    .check = kmalloc_check,
    .sized = &sized,
};
