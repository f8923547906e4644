/*
 * The process's own malloc as a plugin: glibc's, unless something else was preloaded. It takes its memory
 * from the OS as in any program. What it holds is read by mallinfo2 as a difference from what the process had
 * when the plugin was opened; what it has handed out isn't said: blocks cached by threads count as used
 * there.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct own {
    size_t baseline;
};

static size_t held(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.arena + info.hblkhd;
}

static int malloc_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    struct own *own = malloc(sizeof(*own));
    (void)host;
    (void)options;
    if (!own)
        return -ENOMEM;
    own->baseline = held();
    *self = own;
    return 0;
}

static void malloc_close(void *self)
{
    free(self);
}

/* aligned_alloc wants a multiple of the alignment; malloc itself serves up to max_align_t. */
static void *malloc_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    void *block;
    (void)self;
    if (align <= _Alignof(max_align_t))
        return gfp & SB_GFP_ZERO ? calloc(1, size) : malloc(size);
    block = aligned_alloc(align, (size + align - 1) & ~(align - 1));
    if (block && gfp & SB_GFP_ZERO)
        memset(block, 0, size);
    return block;
}

static void malloc_free(void *self, void *block, size_t size)
{
    (void)self;
    (void)size;
    free(block);
}

static size_t malloc_usable(void *self, void *block)
{
    (void)self;
    return malloc_usable_size(block);
}

static int malloc_snapshot(void *self, struct sb_snapshot *snapshot)
{
    const struct own *own = self;
    size_t now = held();
    snapshot->has = SB_HAS_HELD;
    snapshot->held_bytes = now > own->baseline ? now - own->baseline : 0;
    return 0;
}

static int malloc_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int malloc_check(void *self, char *why, size_t why_size)
{
    (void)self;
    (void)why;
    (void)why_size;
    return 0;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .alloc = malloc_alloc,
    .free = malloc_free,
    .usable = malloc_usable,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "malloc",
    .summary = "the process's own malloc (glibc's), with memory from the OS",
    .models = "",
    .flags = SB_ALLOCATOR_OS_MEMORY,
    .open = malloc_open,
    .close = malloc_close,
    .snapshot = malloc_snapshot,
    .dump = malloc_dump,
    .dump_files = "",
    .check = malloc_check,
    .sized = &sized,
};
