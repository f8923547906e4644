/*
 * vmalloc as a plugin: single pages mapped side by side, as mm/vmalloc.c of Linux 6.1 does, by the real MMU.
 * The model, its locks and what it leaves out stand in mm/vmalloc.c here; this file is the ABI around it.
 */
#include "../mm/vmalloc.h"

#include <errno.h>
#include <stdlib.h>

enum { OPTION_PERCPU = SB_MM_OPTIONS, OPTION_HUGE, OPTION_LAZY, OPTION_LAZY_MAX, OPTION_DEVICE };

static const struct sb_option options[] = {
    SB_MM_OPTION_ROWS,
    [OPTION_PERCPU] = {"percpu", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
                       "areas of up to 32 pages from blocks of addresses that each CPU has to itself, "
                       "as vm_map_ram's vmap_block, without a guard page"},
    [OPTION_HUGE] = {"huge", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
                     "areas of 2 MiB and more from blocks of 2 MiB, where they are to be had"},
    [OPTION_LAZY] = {"lazy", SB_OPTION_BOOL, 0, "yes", 0, 0, NULL,
                     "freed ranges are unmapped together, later; no: each at once"},
    [OPTION_LAZY_MAX] = {"lazy_max", SB_OPTION_SIZE, 0, "32MiB", 4096, UINT64_C(1) << 40, NULL,
                         "how much freed space may wait to be unmapped (the kernel: 32 MiB times fls(CPUs))"},
    [OPTION_DEVICE] = {"device", SB_OPTION_SIZE, 0, "1MiB", 4096, UINT64_C(1) << 30, NULL,
                       "memory of a device beside the machine's, for ioremap"},
};

struct vmalloc {
    struct sb_mm mm;
    struct sb_vmalloc vm;
};

static void vmalloc_close(void *self)
{
    struct vmalloc *v = self;
    sb_vmalloc_exit(&v->vm);
    sb_mm_exit(&v->mm);
    free(v);
}

static int vmalloc_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct vmalloc *v = calloc(1, sizeof(*v));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = v ? sb_mm_init(&v->mm, host, &config) : -ENOMEM;
    if (!status)
        status = sb_vmalloc_init(
            &v->vm, &v->mm,
            &(struct sb_vmalloc_config){.percpu = values[OPTION_PERCPU].u,
                                        .device = values[OPTION_DEVICE].u,
                                        .huge = values[OPTION_HUGE].u,
                                        .lazy_max = values[OPTION_LAZY].u ? values[OPTION_LAZY_MAX].u : 0});
    if (status && v)
        vmalloc_close(v);
    else
        *self = v;
    return status;
}

static void *vmalloc_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    /* Areas begin on pages; the kernel offers no more without __vmalloc_node's align, which drivers
       can't reach. */
    if (align > SB_PAGE_SIZE)
        return NULL;
    return sb_vmalloc(&((struct vmalloc *)self)->vm, size, gfp);
}

static void vmalloc_free(void *self, void *block, size_t size)
{
    (void)size;
    sb_vfree(&((struct vmalloc *)self)->vm, block);
}

static uint64_t vmalloc_device_bytes(void *self)
{
    return ((struct vmalloc *)self)->vm.config.device;
}

static void *vmalloc_ioremap(void *self, uint64_t physical, size_t size)
{
    return sb_ioremap(&((struct vmalloc *)self)->vm, physical, size);
}

static void vmalloc_iounmap(void *self, void *address)
{
    sb_iounmap(&((struct vmalloc *)self)->vm, address);
}

/* The guard page is address space, not memory; the array of pages is held, and metadata. */
static int vmalloc_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct vmalloc *v = self;
    sb_mm_snapshot(&v->mm, snapshot);
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    snapshot->live = v->vm.live;
    snapshot->handed_bytes = v->vm.live_pages << SB_PAGE_SHIFT;
    return 0;
}

static int vmalloc_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_vmalloc_dump(&((struct vmalloc *)self)->vm, file, sink);
}

static int vmalloc_check(void *self, char *why, size_t why_size)
{
    return sb_vmalloc_check(&((struct vmalloc *)self)->vm, why, why_size);
}

static void vmalloc_shrink(void *self)
{
    sb_mm_reclaim(&((struct vmalloc *)self)->mm);
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    /* Address space that an area may take of what is reserved for all. */
    .max_size = UINT64_C(2) << 30,
    .alloc = vmalloc_alloc,
    .free = vmalloc_free,
};

static const struct sb_io_ops io = {
    .struct_size = sizeof(io),
    .device_bytes = vmalloc_device_bytes,
    .ioremap = vmalloc_ioremap,
    .iounmap = vmalloc_iounmap,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "vmalloc",
    .summary = "single pages mapped side by side in virtual space, by the real MMU, with a guard page",
    .models = "mm/vmalloc.c, Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = vmalloc_open,
    .close = vmalloc_close,
    .snapshot = vmalloc_snapshot,
    .dump = vmalloc_dump,
    .dump_files = SB_MM_DUMP_FILES " slabinfo vmallocinfo",
    .check = vmalloc_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = vmalloc_shrink,
    .sized = &sized,
    .io = &io,
};
