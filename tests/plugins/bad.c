/*
 * Allocators that misbehave on purpose, one way each, chosen by MISBEHAVE when this file is built. Otherwise
 * they are the process's malloc with a count.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGV = 1,   /* crashes in its 1000th allocation */
    SLEEP,      /* sleeps for ever in its 1000th allocation */
    OVERLAP,    /* gives out a block twice now and then */
    LIAR,       /* its check() finds something */
    EXHAUST,    /* gives NULL after 1000 allocations */
    MISCOUNT,   /* loses count of its live blocks */
    EXIT,       /* ends the process */
    CHATTER,    /* prints to standard output, and is fine otherwise */
    OPENFAIL,   /* can't be opened, and says why */
    OLD_MAJOR,  /* says another ABI */
    NOTHING,    /* offers no interface */
    CROOKED,    /* ignores alignment */
    NAMELESS,   /* has no name */
    BADOPTION,  /* its option's default is none of its choices */
    HALF,       /* offers an interface that lacks a function */
    NEWER,      /* says a minor version that isn't there yet */
    FORGE,      /* writes a result of its own into every pipe that it has open, and ends */
    FORGE_DEEP, /* the same into every pipe of every thread, as only one that means it would */
    FLOOD,      /* likewise, without an end */
    FLIP,       /* a byte in the middle of a block that lives is another one, now and then */
};

static atomic_ulong calls;
static size_t frees;
static atomic_ulong live;

static const char forged[] = "{\"metric\":\"ops_per_s\",\"unit\":\"1/s\",\"value\":9e12}\n{\"status\":\"ok\"}\n";

static void write_forged(int fd)
{
    struct stat st;
    if (fd <= STDERR_FILENO || fstat(fd, &st) || !S_ISFIFO(st.st_mode) || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        return;
    do {
        if (write(fd, forged, sizeof(forged) - 1) < 0)
            return;
        for (int i = 0; MISBEHAVE == FLOOD && i < 1000; i++) {
            static char x[65536];
            memset(x, 'x', sizeof(x));
            if (write(fd, x, sizeof(x)) < 0)
                return;
        }
    } while (MISBEHAVE == FLOOD);
}

static void forge(void)
{
    for (int fd = 0; MISBEHAVE == FORGE && fd < 64; fd++)
        write_forged(fd);
    DIR *tasks = MISBEHAVE == FORGE ? NULL : opendir("/proc/self/task");
    struct dirent *task;
    while (tasks && (task = readdir(tasks))) {
        for (int fd = 3; *task->d_name != '.' && fd < 64; fd++) {
            char path[320];
            snprintf(path, sizeof(path), "/proc/self/task/%s/fd/%d", task->d_name, fd);
            int found = open(path, O_WRONLY | O_NONBLOCK);
            if (found < 0)
                continue;
            fcntl(found, F_SETFL, O_WRONLY);
            write_forged(found);
            close(found);
        }
    }
    _exit(0);
}

/* Some of the blocks that live; one thread calls. */
static struct {
    char *block;
    size_t size;
} known[64];

static void know(void *block, size_t size, unsigned long call)
{
    /* Spread over what lives, and no list that a workload goes by: it would crash before it compares. */
    if (size >= 512 && size <= 4096 && call % 16 == 0) {
        known[call / 16 % 64].block = block;
        known[call / 16 % 64].size = size;
    }
}

static void forget(const void *block)
{
    for (size_t i = 0; i < 64; i++) {
        if (known[i].block == block)
            known[i].block = NULL;
    }
}

static void flip(size_t i)
{
    if (known[i].block)
        known[i].block[known[i].size / 2] ^= 0x10;
}

static int bad_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    (void)options;
    /* The crasher's self is an address that no one may write to. */
    *self = MISBEHAVE == SEGV ? (void *)(uintptr_t)4096 : (void *)(uintptr_t)host;
    if (MISBEHAVE == OPENFAIL) {
        host->fail(host->context, "the moon is in the wrong quarter");
        return -EINVAL;
    }
    return 0;
}

static void bad_close(void *self)
{
    (void)self;
}

static void *bad_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    static _Atomic(void *) last;
    unsigned long call = atomic_fetch_add(&calls, 1);
    (void)self;
    if (MISBEHAVE == SEGV && call == 1000) {
        fprintf(stderr, "about to crash\n");
        *(volatile char *)self = 1;
    }
    if (MISBEHAVE == SLEEP && call == 1000)
        pause();
    if (MISBEHAVE == EXHAUST && call >= 1000)
        return NULL;
    if (MISBEHAVE == EXIT && call == 1000)
        _exit(0);
    if (MISBEHAVE >= FORGE && MISBEHAVE <= FLOOD && call == 1000)
        forge();
    if (MISBEHAVE == CHATTER && call % 1000 == 0) {
        printf("{\"status\":\"ok\"}\nhello\n");
        fflush(stdout);
    }
    if (MISBEHAVE != MISCOUNT || call % 100)
        atomic_fetch_add(&live, 1);
    /* Halfway into the block before: no two addresses are equal, yet memory is shared. */
    if (MISBEHAVE == OVERLAP && call % 100 == 99 && size > 1000 && align <= 512)
        return (char *)atomic_load(&last) + 512;
    void *block = NULL;
    if (posix_memalign(&block, align < 64 ? 64 : align, size + 4096))
        return NULL;
    if (gfp & SB_GFP_ZERO)
        memset(block, 0, size + 4096);
    if (size > 1000)
        atomic_store(&last, block);
    if (MISBEHAVE == FLIP)
        know(block, size, call);
    return MISBEHAVE == CROOKED ? (char *)block + 8 : block;
}

static void bad_free(void *self, void *block, size_t size)
{
    (void)self;
    (void)size;
    atomic_fetch_sub(&live, 1);
    if (MISBEHAVE == FLIP) {
        forget(block);
        if (++frees % 7 == 0)
            flip(frees * 29 % 64);
    }
    if (MISBEHAVE != OVERLAP && block)
        free((char *)block - (MISBEHAVE == CROOKED ? 8 : 0));
}

static int bad_snapshot(void *self, struct sb_snapshot *snapshot)
{
    (void)self;
    /* Also just before the end is verified, where a block is known that lives until then. */
    /* Not before frees have had their turn. */
    for (size_t i = 0; MISBEHAVE == FLIP && frees && i < 64; i++)
        flip(i);
    snapshot->has = SB_HAS_LIVE;
    snapshot->live = atomic_load(&live);
    return 0;
}

static int bad_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

static int bad_check(void *self, char *why, size_t why_size)
{
    (void)self;
    if (MISBEHAVE != LIAR || atomic_load(&calls) < 1000)
        return 0;
    snprintf(why, why_size, "the third list is upside down");
    return -EUCLEAN;
}

static const char *const choices[] = {"yes", "no", NULL};
static const struct sb_option options[] = {
    {"maybe", SB_OPTION_ENUM, 0, "perhaps", 0, 0, choices, "a choice that isn't one"}};

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .alloc = bad_alloc,
    .free = MISBEHAVE == HALF ? NULL : bad_free,
};

const struct sb_allocator scullbench_allocator = {
    .head = {SB_ALLOCATOR_MAGIC, MISBEHAVE == OLD_MAJOR ? 0 : SB_ABI_MAJOR, SB_ABI_MINOR + (MISBEHAVE == NEWER),
             sizeof(struct sb_allocator), sizeof(struct sb_option)},
    .name = MISBEHAVE == NAMELESS ? NULL : NAME,
    .options = options,
    .option_count = MISBEHAVE == BADOPTION,
    .summary = "misbehaves on purpose",
    .models = "",
    .flags = SB_ALLOCATOR_OS_MEMORY,
    .open = bad_open,
    .close = bad_close,
    .snapshot = bad_snapshot,
    .dump = bad_dump,
    .check = bad_check,
    .sized = MISBEHAVE == NOTHING ? NULL : &sized,
};
