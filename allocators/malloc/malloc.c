/*
 * Any malloc library as a plugin: the process's own (glibc's, unless something else was preloaded), or a
 * shared library loaded beside it, whose functions are taken by name from its own handle. Memory comes from
 * the OS as in any program.
 *
 * A library's own prefix is looked for first (mi_malloc, tc_malloc, scalable_malloc), then the plain names;
 * each name can be overridden. That a function found is the library's, and not glibc's found through its
 * dependencies, is proved by the file it lies in (dladdr); a library without a malloc of its own is refused.
 * It is never closed: thread exit may still run its code.
 *
 * What the library itself calls by such names must reach it as well: a malloc that calls its own memalign
 * would else be served by glibc's, which stands first in every search, and be measured as glibc.
 * RTLD_DEEPBIND turns the order round; that it did is proved by the library's own relocations, and where it
 * didn't (the library was in the process before) it is refused. The way out is env.LD_PRELOAD, which makes it
 * the process's own malloc.
 *
 * What is held is read from the library's own statistics where it has some (mallinfo2, mallctl,
 * mi_process_info, MallocExtension_GetNumericProperty), as a difference from what it held when the plugin was
 * opened. Of what is handed out nothing is said: blocks cached by threads count as used there. The host reads
 * the process's resident memory beside.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of functions stand in the order of enum function. */
enum {
    OPTION_LIBRARY,
    OPTION_PREFIX,
    OPTION_MALLOC,
    OPTION_FREE,
    OPTION_CALLOC,
    OPTION_ALIGNED,
    OPTION_USABLE,
    OPTION_SIZED_FREE,
    OPTION_ALIGNED_ORDER,
    OPTION_USE_SIZED_FREE,
    OPTION_FLUSH,
    OPTION_PRELOAD,
    OPTIONS
};
enum function { MALLOC, FREE, CALLOC, ALIGNED, USABLE, SIZED_FREE, FUNCTIONS };
enum { ORDER_KNOWN, ORDER_ALIGN_FIRST, ORDER_SIZE_FIRST };

static const char *const orders[] = {"known", "alignment-first", "size-first", NULL};

static const struct sb_option options[OPTIONS] = {
    [OPTION_LIBRARY] = {"library", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                        "a malloc library to load, by file name or path, such as libjemalloc.so.2; empty: "
                        "the process's own malloc"},
    [OPTION_PREFIX] = {"prefix", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                       "of the library's functions, such as je_ for je_malloc; empty: "
                       "the prefixes of known libraries, then none"},
    [OPTION_MALLOC] = {"malloc", SB_OPTION_TEXT, 0, "", 0, 0, NULL, "name of its malloc; empty: found by prefix"},
    [OPTION_FREE] = {"free", SB_OPTION_TEXT, 0, "", 0, 0, NULL, "name of its free; empty: found by prefix"},
    [OPTION_CALLOC] = {"calloc", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                       "name of its calloc; empty: found by prefix, else malloc and memset"},
    [OPTION_ALIGNED] = {"aligned", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                        "name of its aligned allocation; empty: found by prefix"},
    [OPTION_USABLE] = {"usable", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                       "name of its malloc_usable_size; empty: found by prefix, or none"},
    [OPTION_SIZED_FREE] = {"sized_free", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                           "name of its free that is told the size; empty: found by prefix, or none"},
    [OPTION_ALIGNED_ORDER] = {"aligned_order", SB_OPTION_ENUM, 0, "known", 0, 0, orders,
                              "the arguments' order of a function named by aligned"},
    [OPTION_USE_SIZED_FREE] = {"use_sized_free", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
                               "free blocks with their size where the library can: what C++ and kernels do"},
    [OPTION_FLUSH] = {"flush", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                      "name of a function without arguments that gives cached memory back; empty: "
                      "the library's known one"},
    [OPTION_PRELOAD] = {"preload", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                        "what a whole program is given in its place (workload program), such as "
                        "libtbbmalloc_proxy.so.2; empty: the library itself, if it has the plain names"},
};

struct library {
    void *(*malloc)(size_t size);
    void (*free)(void *block);
    void *(*calloc)(size_t n, size_t size);
    void *(*aligned)(size_t a, size_t b);
    size_t (*usable)(void *block);
    void (*sized_free)(void *block, size_t size,
                       int flags); /* NULL: not used; functions of two arguments ignore flags */
    bool size_first;               /* of aligned's two arguments */
    bool own;                      /* glibc's: mallinfo2 knows it */
    void (*flush)(void);           /* as an option names it, or NULL */
    void *handle;
    size_t baseline;
    const char *file, *preload; /* the options */
};

/* The names that each family gives its functions; NULL: it has none. */
struct names {
    const char *prefix, *name[FUNCTIONS];
    bool size_first;
};
static const struct names families[] = {
    {"mi_", {"mi_malloc", "mi_free", "mi_calloc", "mi_malloc_aligned", "mi_usable_size", "mi_free_size"}, true},
    {"tc_", {"tc_malloc", "tc_free", "tc_calloc", "tc_memalign", "tc_malloc_size", "tc_free_sized"}, false},
    {"scalable_",
     {"scalable_malloc", "scalable_free", "scalable_calloc", "scalable_aligned_malloc", "scalable_msize", NULL},
     true},
    {"", {"malloc", "free", "calloc", "aligned_alloc", "malloc_usable_size", "sdallocx"}, false},
};

/* ---- what a library tells of itself ---- */

typedef int mallctl_fn(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
typedef void process_info_fn(size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *);
typedef int numeric_fn(const char *property, size_t *value);

/* A function by name; the copy through memory is what ISO C allows for pointers to functions. */
static bool look_up(void *handle, const char *name, void *function)
{
    void *symbol = handle ? dlsym(handle, name) : NULL;
    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

/* Bytes that the library holds of the OS's memory, or 0 where it doesn't say. */
static size_t held(const struct library *library)
{
    mallctl_fn *mallctl;
    process_info_fn *process_info;
    numeric_fn *numeric;
    size_t value = 0, size = sizeof(value), unmapped = 0, other[7];
    if (library->own) {
        struct mallinfo2 info = mallinfo2();
        return info.arena + info.hblkhd;
    }
    if (look_up(library->handle, "mallctl", &mallctl)) {
        uint64_t epoch = 1;
        mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
        return mallctl("stats.mapped", &value, &size, NULL, 0) ? 0 : value;
    }
    if (look_up(library->handle, "mi_process_info", &process_info)) {
        process_info(&other[0], &other[1], &other[2], &other[3], &other[4], &value, &other[5], &other[6]);
        return value;
    }
    if (look_up(library->handle, "MallocExtension_GetNumericProperty", &numeric) &&
        numeric("generic.heap_size", &value)) {
        numeric("tcmalloc.pageheap_unmapped_bytes", &unmapped);
        return value - unmapped;
    }
    return 0;
}

/* Caches of this thread and free pages go back to the OS, as far as the library can. */
static void malloc_shrink(void *self)
{
    const struct library *library = self;
    mallctl_fn *mallctl;
    void (*collect)(bool force);
    void (*release)(void);
    int (*command)(int command, void *argument);
    if (library->flush) {
        library->flush();
    } else if (library->own) {
        malloc_trim(0);
    } else if (look_up(library->handle, "mallctl", &mallctl)) {
        mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
        mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
    } else if (look_up(library->handle, "mi_collect", &collect)) {
        collect(true);
    } else if (look_up(library->handle, "MallocExtension_ReleaseFreeMemory", &release)) {
        release();
    } else if (look_up(library->handle, "scalable_allocation_command", &command)) {
        command(0, NULL); /* TBBMALLOC_CLEAN_ALL_BUFFERS */
    }
}

/* As the library itself says it; "" where it doesn't. */
static void version_of(const struct library *library, char *text, size_t size)
{
    mallctl_fn *mallctl;
    int (*mi_version)(void);
    const char *(*tc_version)(int *, int *, const char **);
    const char *name = "";
    size_t length = sizeof(name);
    *text = '\0';
    if (library->own) {
        snprintf(text, size, "glibc %s", gnu_get_libc_version());
    } else if (look_up(library->handle, "mallctl", &mallctl)) {
        if (!mallctl("version", &name, &length, NULL, 0))
            snprintf(text, size, "jemalloc %s", name);
    } else if (look_up(library->handle, "mi_version", &mi_version)) {
        int v = mi_version();
        snprintf(text, size, "mimalloc %d.%d.%d", v / 100, v / 10 % 10, v % 10);
    } else if (look_up(library->handle, "tc_version", &tc_version)) {
        int major, minor;
        const char *patch = "";
        tc_version(&major, &minor, &patch);
        snprintf(text, size, "gperftools %d.%d%s", major, minor, patch ? patch : "");
    }
}

/* ---- finding functions ---- */

/* Whether a function lies in the same file as another. */
static bool same_file(const void *a, const void *b)
{
    Dl_info here, there;
    return a && b && dladdr(a, &here) && dladdr(b, &there) && here.dli_fbase == there.dli_fbase;
}

/* A function of the library itself. dlsym alone would go on to the libraries that it needs. */
static void *own_symbol(void *handle, const char *name, const char *marker)
{
    void *symbol = name && *name ? dlsym(handle, name) : NULL;
    return same_file(symbol, dlsym(handle, marker)) ? symbol : NULL;
}

/* Not the C library's, and not what the process has put in its place (a preload, a sanitizer). */
static bool take_family(struct library *library, const struct names *names)
{
    void *symbols[FUNCTIONS];
    const void *found = dlsym(library->handle, names->name[MALLOC]);
    if (!found || same_file(found, dlsym(RTLD_DEFAULT, "malloc")) ||
        same_file(found, dlsym(RTLD_DEFAULT, "gnu_get_libc_version")))
        return false;
    for (int i = 0; i < FUNCTIONS; i++)
        symbols[i] = own_symbol(library->handle, names->name[i], names->name[MALLOC]);
    memcpy(&library->malloc, &symbols[MALLOC], sizeof(symbols[0]));
    memcpy(&library->free, &symbols[FREE], sizeof(symbols[0]));
    memcpy(&library->calloc, &symbols[CALLOC], sizeof(symbols[0]));
    memcpy(&library->aligned, &symbols[ALIGNED], sizeof(symbols[0]));
    memcpy(&library->usable, &symbols[USABLE], sizeof(symbols[0]));
    memcpy(&library->sized_free, &symbols[SIZED_FREE], sizeof(symbols[0]));
    library->size_first = names->size_first;
    return library->malloc && library->free && library->aligned;
}

/* A family with the prefix and the names that the options give in place of its own. */
static struct names overridden(const struct names *family, const union sb_value *values, char buffer[FUNCTIONS][128])
{
    struct names n = *family;
    const char *prefix = values[OPTION_PREFIX].s;
    for (int i = 0; i < FUNCTIONS; i++) {
        const char *given = values[OPTION_MALLOC + i].s;
        if (*prefix && n.name[i]) {
            snprintf(buffer[i], 128, "%s%s", prefix, n.name[i]);
            n.name[i] = buffer[i];
        }
        if (*given)
            n.name[i] = given;
    }
    if (values[OPTION_ALIGNED_ORDER].u != ORDER_KNOWN)
        n.size_first = values[OPTION_ALIGNED_ORDER].u == ORDER_SIZE_FIRST;
    return n;
}

/* A family of which only a part is there is told in full: the user who gave names wants to know what is left.
 */
static void tell_missing(const struct sb_host *host, const char *file, const struct library *library,
                         const struct names *names)
{
    const bool has[] = {true, library->free, true, library->aligned};
    char text[512] = "";
    for (size_t i = FREE, n = 0; i <= ALIGNED && n < sizeof(text); i++)
        if (!has[i])
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s (option %s)", n ? ", " : "",
                                  names->name[i] ? names->name[i] : "no name", options[OPTION_MALLOC + i].name);
    host->fail(host->context, "library = %s: it has %s of its own, but lacks %s", file, names->name[MALLOC], text);
}

/* ---- whose functions the library's own calls reach ---- */

/* A sanitizer must come first in every search, and stops the process where it doesn't. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1, DEEPBIND = 0 };
#else
enum { SANITIZED = 0, DEEPBIND = RTLD_DEEPBIND };
#endif

/* Where glibc keeps addresses of its tables as they are in memory; other loaders as they are in the file. */
static const void *dynamic(const struct link_map *map, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == tag)
            return (const void *)(d->d_un.d_ptr < map->l_addr ? map->l_addr + d->d_un.d_ptr : d->d_un.d_ptr);
    }
    return NULL;
}

static size_t dynamic_size(const struct link_map *map, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == tag)
            return d->d_un.d_val;
    }
    return 0;
}

/* Names of memory functions, in C and, mangled, in C++; a family's own beside them. */
static bool is_memory_function(const char *name, const struct names *family)
{
    static const char *const plain[] = {"malloc",       "free",     "calloc",        "realloc",
                                        "reallocarray", "memalign", "aligned_alloc", "posix_memalign",
                                        "valloc",       "pvalloc",  "cfree",         "malloc_usable_size"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (!strcmp(name, plain[i]))
            return true;
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        if (family->name[i] && !strcmp(name, family->name[i]))
            return true;
    }
    return !strncmp(name, "_Zn", 3) || !strncmp(name, "_Zd", 3);
}

/*
 * The first memory function that the library defines and yet finds elsewhere, in one of its tables of
 * relocations; all slots are filled, for it was opened with RTLD_NOW.
 */
static const char *find_stranger(const struct link_map *map, const ElfW(Rela) * table, size_t bytes,
                                 const struct names *family, const void *own)
{
    const ElfW(Sym) *symbols = dynamic(map, DT_SYMTAB);
    const char *strings = dynamic(map, DT_STRTAB);
    for (size_t i = 0; table && symbols && strings && i < bytes / sizeof(*table); i++) {
        const ElfW(Sym) *symbol = &symbols[ELF64_R_SYM(table[i].r_info)];
        const char *name = strings + symbol->st_name;
        const void *slot;
        if (symbol->st_shndx == SHN_UNDEF || !is_memory_function(name, family))
            continue;
        memcpy(&slot, (const char *)(map->l_addr + table[i].r_offset), sizeof(slot)); /* NOLINT */
        if (!same_file(slot, own))
            return name;
    }
    return NULL;
}

/* -EXDEV where the library's own calls reach somebody else. */
static int prove_itself(const struct sb_host *host, const char *file, const struct library *library,
                        const struct names *family)
{
    struct link_map *map = NULL;
    const char *name;
    const void *own = dlsym(library->handle, family->name[MALLOC]);
    if (SANITIZED || dlinfo(library->handle, RTLD_DI_LINKMAP, &map) || !map)
        return 0;
    name = find_stranger(map, dynamic(map, DT_JMPREL), dynamic_size(map, DT_PLTRELSZ), family, own);
    if (!name)
        name = find_stranger(map, dynamic(map, DT_RELA), dynamic_size(map, DT_RELASZ), family, own);
    if (!name)
        return 0;
    host->fail(host->context,
               "library = %s: what it calls as %s is another library's and not its own, "
               "so that library would be measured in its place; "
               "leave library out and write env.LD_PRELOAD = %s, which makes it the process's own malloc",
               file, name, file);
    return -EXDEV;
}

static int load(const struct sb_host *host, struct library *library, const union sb_value *values)
{
    enum { COUNT = sizeof(families) / sizeof(families[0]) };
    const char *file = values[OPTION_LIBRARY].s;
    char buffer[FUNCTIONS][128];
    struct names names;
    bool part = false;
    library->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | DEEPBIND);
    if (!library->handle) {
        host->fail(host->context, "library = %s: %s", file, dlerror());
        return -ENOENT;
    }
    /* A prefix is put before the plain names. */
    for (size_t i = *values[OPTION_PREFIX].s ? COUNT - 1 : 0; i < COUNT; i++) {
        library->malloc = NULL;
        names = overridden(&families[i], values, buffer);
        if (take_family(library, &names))
            return prove_itself(host, file, library, &names);
        part = library->malloc;
    }
    /* The last family has the plain names, which are what a user overrides. */
    if (part)
        tell_missing(host, file, library, &names);
    else if (*values[OPTION_PREFIX].s || *values[OPTION_MALLOC].s)
        host->fail(host->context, "library = %s: it has no %s of its own", file, names.name[MALLOC]);
    else
        host->fail(host->context,
                   "library = %s: it has no malloc of its own (looked for mi_malloc, tc_malloc, "
                   "scalable_malloc and malloc, each with free and an aligned one; "
                   "the options prefix, malloc, free and aligned name others)",
                   file);
    return -ENOSYS;
}

static void *call_aligned(const struct library *library, size_t align, size_t size)
{
    return library->size_first ? library->aligned(size, align) : library->aligned(align, size);
}

/*
 * The other way round 128 KiB aligned to 64 would be 64 bytes, and 4096 is aligned to no 24: one library
 * gives itself away by the first, another by the second.
 */
static bool order_is_right(const struct library *library)
{
    enum { SIZE = 131072, ALIGN = 64, SMALL = 24, PAGE = 4096 };
    void *large = call_aligned(library, ALIGN, SIZE), *page = call_aligned(library, PAGE, SMALL);
    bool right =
        large && (!library->usable || library->usable(large) >= SIZE) && page && !((uintptr_t)page & (PAGE - 1));
    if (large)
        library->free(large);
    if (page)
        library->free(page);
    return right;
}

/* The loader only warns of a preload that it can't load, and the process's malloc is then glibc's. */
static int prove_preloads(const struct sb_host *host)
{
    const char *preloads = getenv("LD_PRELOAD");
    char *list = strdup(preloads ? preloads : ""), *state = NULL;
    int status = list ? 0 : -ENOMEM;
    for (char *file = list ? strtok_r(list, " :", &state) : NULL; file && !status;
         file = strtok_r(NULL, " :", &state)) {
        void *handle = dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
        if (handle) {
            dlclose(handle);
        } else {
            host->fail(host->context,
                       "LD_PRELOAD: %s was not loaded, so the process's own malloc is not what it was meant to "
                       "be",
                       file);
            status = -ENOENT;
        }
    }
    free(list);
    return status;
}

/* The process's own: glibc's, or that of the first library that was preloaded and has one. */
static int take_own(const struct sb_host *host, struct library *library)
{
    Dl_info where;
    const void *own = dlsym(RTLD_DEFAULT, "malloc");
    *library = (struct library){.malloc = malloc,
                                .free = free,
                                .calloc = calloc,
                                .aligned = aligned_alloc,
                                .usable = malloc_usable_size,
                                .own = same_file(own, dlsym(RTLD_DEFAULT, "gnu_get_libc_version"))};
    /* Its own statistics and version are asked for, not glibc's. */
    if (!library->own && own && dladdr(own, &where))
        library->handle = dlopen(where.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    return prove_preloads(host);
}

static int malloc_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct library *library = calloc(1, sizeof(*library));
    int status = 0;
    if (!library)
        return -ENOMEM;
    status = *values[OPTION_LIBRARY].s ? load(host, library, values) : take_own(host, library);
    if (!status && values[OPTION_USE_SIZED_FREE].u && !library->sized_free) {
        host->fail(host->context,
                   "use_sized_free: the library has no free that is told the size; sized_free names one");
        status = -ENOSYS;
    }
    if (!status && *values[OPTION_FLUSH].s && !look_up(library->handle, values[OPTION_FLUSH].s, &library->flush)) {
        host->fail(host->context, "flush: the library has no function %s", values[OPTION_FLUSH].s);
        status = -ENOSYS;
    }
    if (!status && *values[OPTION_LIBRARY].s &&
        (*values[OPTION_ALIGNED].s || values[OPTION_ALIGNED_ORDER].u != ORDER_KNOWN) && !order_is_right(library)) {
        host->fail(host->context,
                   "aligned_order: taken as %s, the library's aligned allocation serves 128 KiB aligned to "
                   "64, or 24 B aligned to 4096, wrongly: try the other order",
                   orders[library->size_first ? ORDER_SIZE_FIRST : ORDER_ALIGN_FIRST]);
        status = -EINVAL;
    }
    if (status) {
        free(library);
        return status;
    }
    if (!values[OPTION_USE_SIZED_FREE].u)
        library->sized_free = NULL;
    library->baseline = held(library);
    library->file = values[OPTION_LIBRARY].s;
    library->preload = values[OPTION_PRELOAD].s;
    *self = library;
    return 0;
}

/* The loader takes a name and searches as dlopen does; of a library without malloc it would take nothing, silently. */
static int malloc_preload(void *self, char *path, size_t size)
{
    const struct library *library = self;
    struct link_map *map = NULL;
    const char *found = library->preload;
    Dl_info where;
    /* A program may come with a malloc library of its own: glibc's has to be in front of that, too. */
    if (!*found && library->own && dladdr((const void *)gnu_get_libc_version, &where))
        found = where.dli_fname;
    if (!*found && *library->file) {
        if (!own_symbol(library->handle, "malloc", "malloc") ||
            same_file(dlsym(library->handle, "malloc"), (void *)malloc))
            return -ENOSYS;
        found = dlinfo(library->handle, RTLD_DI_LINKMAP, &map) || !map ? library->file : map->l_name;
    }
    return (size_t)snprintf(path, size, "%s", found) < size ? 0 : -ENAMETOOLONG;
}

static void malloc_close(void *self)
{
    free(self);
}

static void *alloc_aligned(const struct library *library, size_t size, size_t align, sb_gfp_t gfp)
{
    /* A sized free isn't told the alignment: only of whole multiples the size alone says where a block
     * belongs. */
    if (library->sized_free && size % align)
        return NULL;
    /* aligned_alloc wants a multiple of the alignment. */
    size_t whole = (size + align - 1) & ~(align - 1);
    void *block = call_aligned(library, align, library->size_first ? size : whole);
    /* Debian's mimalloc 2.0.9 misaligns some blocks of 256, 512 and 1024 bytes that want as much or half of
     * it (seen by `scullbench check`); a byte more, and they are right. */
    if (__builtin_expect((uintptr_t)block & (align - 1), 0) && library->size_first) {
        library->free(block);
        block = library->aligned(size + 1, align);
    }
    if (block && gfp & SB_GFP_ZERO)
        memset(block, 0, size);
    return block;
}

static void *alloc_zeroed(const struct library *library, size_t size)
{
    if (library->calloc)
        return library->calloc(1, size);
    void *block = library->malloc(size);
    return block ? memset(block, 0, size) : NULL;
}

/* Libraries align small blocks to 8 only, whatever max_align_t says. */
static void *malloc_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    const struct library *library = self;
    if (__builtin_expect(align > 8, 0))
        return alloc_aligned(library, size, align, gfp);
    return __builtin_expect(gfp & SB_GFP_ZERO, 0) ? alloc_zeroed(library, size) : library->malloc(size);
}

/* One free for aligned blocks too: of those that have two, tbbmalloc says they may be mixed. */
static void malloc_free(void *self, void *block, size_t size)
{
    const struct library *library = self;
    /* A free of NULL has no size that could be right. */
    if (__builtin_expect(library->sized_free != NULL, 0) && block)
        library->sized_free(block, size, 0);
    else
        library->free(block);
}

static size_t malloc_usable(void *self, void *block)
{
    const struct library *library = self;
    return library->usable ? library->usable(block) : 0;
}

static int malloc_snapshot(void *self, struct sb_snapshot *snapshot)
{
    const struct library *library = self;
    size_t now = held(library);
    if (!now)
        return 0;
    snapshot->has = SB_HAS_HELD;
    snapshot->held_bytes = now > library->baseline ? now - library->baseline : 0;
    return 0;
}

/* Not a file of /proc, but what a report must say: which library it was. */
static int malloc_dump(void *self, const char *file, const struct sb_sink *sink)
{
    char text[256];
    if (strcmp(file, "version"))
        return -ENOENT;
    version_of(self, text, sizeof(text));
    sink->write(sink->context, text, strlen(text));
    return 0;
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
    .option_count = OPTIONS,
    .flags = SB_ALLOCATOR_OS_MEMORY,
    .open = malloc_open,
    .close = malloc_close,
    .snapshot = malloc_snapshot,
    .dump = malloc_dump,
    .dump_files = "version",
    .check = malloc_check,
    .shrink = malloc_shrink,
    .preload = malloc_preload,
    .sized = &sized,
};
