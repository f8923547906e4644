/*
 * Any malloc library as a plugin: the process's own (glibc's, unless something else was preloaded), or a
 * shared library loaded beside it, whose functions are taken by name from its own handle. Memory comes from
 * the OS as in any program.
 *
 * A library's own prefix is looked for first (mi_malloc, tc_malloc, scalable_malloc), then the plain names.
 * That a function found is the library's, and not glibc's found through its dependencies, is proved by the
 * file it lies in (dladdr); a library without a malloc of its own is refused. It is never closed: thread exit
 * may still run its code.
 *
 * What glibc holds is read by mallinfo2 as a difference from what the process had when the plugin was opened;
 * of other libraries, and of what is handed out (blocks cached by threads count as used there), nothing is
 * said: the host reads the process's resident memory.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_LIBRARY };

static const struct sb_option options[] = {
    [OPTION_LIBRARY] =
        {"library", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
         "a malloc library to load, by file name or path, such as libjemalloc.so.2; empty: the "
         "process's own malloc"},
};

struct library {
    void *(*malloc)(size_t size);
    void (*free)(void *block);
    void *(*calloc)(size_t n, size_t size);
    void *(*aligned)(size_t a, size_t b);
    size_t (*usable)(void *block);
    bool size_first; /* of aligned's two arguments */
    bool own;        /* the process's: mallinfo2 knows it */
    size_t baseline;
};

/* The names that each family gives its functions; NULL: it has none. */
struct names {
    const char *malloc, *free, *calloc, *aligned, *usable;
    bool size_first;
};
static const struct names families[] = {
    {"mi_malloc", "mi_free", "mi_calloc", "mi_malloc_aligned", "mi_usable_size", true},
    {"tc_malloc", "tc_free", "tc_calloc", "tc_memalign", "tc_malloc_size", false},
    {"scalable_malloc", "scalable_free", "scalable_calloc", "scalable_aligned_malloc", "scalable_msize",
     true},
    {"malloc", "free", "calloc", "aligned_alloc", "malloc_usable_size", false},
};

static size_t held(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.arena + info.hblkhd;
}

/* Whether a function lies in the same file as another. */
static bool same_file(const void *a, const void *b)
{
    Dl_info here, there;
    return a && b && dladdr(a, &here) && dladdr(b, &there) && here.dli_fbase == there.dli_fbase;
}

/* A function of the library itself. dlsym alone would go on to the libraries that it needs. */
static void *own_symbol(void *handle, const char *name, const char *marker)
{
    void *symbol = dlsym(handle, name);
    return same_file(symbol, dlsym(handle, marker)) ? symbol : NULL;
}

/* Not the C library's, and not what the process has put in its place (a preload, a sanitizer). */
static bool take_family(struct library *library, void *handle, const struct names *names)
{
    const void *found = dlsym(handle, names->malloc);
    if (!found || same_file(found, dlsym(RTLD_DEFAULT, "malloc")) ||
        same_file(found, dlsym(RTLD_DEFAULT, "gnu_get_libc_version")))
        return false;
    const char *all[] = {names->malloc, names->free, names->calloc, names->aligned, names->usable};
    void *symbols[5];
    for (int i = 0; i < 5; i++)
        symbols[i] = own_symbol(handle, all[i], names->malloc);
    memcpy(&library->malloc, &symbols[0], sizeof(symbols[0]));
    memcpy(&library->free, &symbols[1], sizeof(symbols[1]));
    memcpy(&library->calloc, &symbols[2], sizeof(symbols[2]));
    memcpy(&library->aligned, &symbols[3], sizeof(symbols[3]));
    memcpy(&library->usable, &symbols[4], sizeof(symbols[4]));
    library->size_first = names->size_first;
    return library->malloc && library->free && library->calloc && library->aligned;
}

static int load(const struct sb_host *host, struct library *library, const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
        host->fail(host->context, "library = %s: %s", file, dlerror());
        return -ENOENT;
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (take_family(library, handle, &families[i]))
            return 0;
    }
    host->fail(host->context,
               "library = %s: it has no malloc of its own (looked for mi_malloc, tc_malloc, scalable_malloc "
               "and malloc, each with free, calloc and an aligned one)",
               file);
    return -ENOSYS;
}

static int malloc_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct library *library = calloc(1, sizeof(*library));
    int status = 0;
    if (!library)
        return -ENOMEM;
    if (*values[OPTION_LIBRARY].s)
        status = load(host, library, values[OPTION_LIBRARY].s);
    else
        *library =
            (struct library){malloc, free, calloc, aligned_alloc, malloc_usable_size, false, true, held()};
    if (status)
        free(library);
    else
        *self = library;
    return status;
}

static void malloc_close(void *self)
{
    free(self);
}

static void *alloc_aligned(const struct library *library, size_t size, size_t align, sb_gfp_t gfp)
{
    /* aligned_alloc wants a multiple of the alignment. */
    size_t whole = (size + align - 1) & ~(align - 1);
    /*
     * Debian's mimalloc 2.0.9 misaligns blocks whose size is a multiple of an alignment of 256 or more (seen by
     * `scullbench check`): one byte more, and they are right.
     */
    size_t odd = size % align ? size : size + 1;
    void *block = library->size_first ? library->aligned(odd, align) : library->aligned(align, whole);
    if (block && gfp & SB_GFP_ZERO)
        memset(block, 0, size);
    return block;
}

/* Libraries align small blocks to 8 only, whatever max_align_t says. */
static void *malloc_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    const struct library *library = self;
    if (__builtin_expect(align > 8, 0))
        return alloc_aligned(library, size, align, gfp);
    return __builtin_expect(gfp & SB_GFP_ZERO, 0) ? library->calloc(1, size) : library->malloc(size);
}

/* One free for aligned blocks too: of those that have two, tbbmalloc says they may be mixed. */
static void malloc_free(void *self, void *block, size_t size)
{
    (void)size;
    ((const struct library *)self)->free(block);
}

static size_t malloc_usable(void *self, void *block)
{
    const struct library *library = self;
    return library->usable ? library->usable(block) : 0;
}

static int malloc_snapshot(void *self, struct sb_snapshot *snapshot)
{
    const struct library *library = self;
    if (!library->own)
        return 0;
    size_t now = held();
    snapshot->has = SB_HAS_HELD;
    snapshot->held_bytes = now > library->baseline ? now - library->baseline : 0;
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
    .summary = "the process's own malloc, or any malloc library, with memory from the OS",
    .models = "",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .flags = SB_ALLOCATOR_OS_MEMORY,
    .open = malloc_open,
    .close = malloc_close,
    .snapshot = malloc_snapshot,
    .dump = malloc_dump,
    .dump_files = "",
    .check = malloc_check,
    .sized = &sized,
};
