/* exec, personality(2) and a few empty mappings. */
#define _GNU_SOURCE
#include "trial/layout.h"

#include "base/str.h"
#include "scullbench/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

/* Each thing has a stream of its own: one more of them changes none of the others. */
enum { DRAW_ENVIRONMENT, DRAW_PAGES, DRAW_BLOCKS, DRAW_BREAK, DRAW_STACK, DRAW_HEAP = 1 << 20 };
static const char mark[] = "SCULLBENCH_LAYOUT", pad_name[] = "SCULLBENCH_PAD";

const char sb_layout_not_fixed[] =
    "the kernel's address-space randomisation could not be switched off (a sandbox forbids personality(2)): "
    "layouts are drawn, but not only from the seed";

static uint64_t draw(uint64_t layout, uint64_t what, uint64_t below)
{
    struct sb_random random = sb_random_fork(layout, what);
    return layout ? sb_random_below(&random, below) : 0;
}

bool sb_layout_is_fixed(void)
{
    int now = personality(0xffffffff);
    return now >= 0 && now & ADDR_NO_RANDOMIZE;
}

static int text_file(const char *text, size_t length)
{
    int fd = memfd_create("scullbench-trial", MFD_CLOEXEC);
    if (fd >= 0 && (write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void sb_layout_want_tunable(const char *name, const char *value)
{
    const char *old = getenv("GLIBC_TUNABLES");
    /* The user's own word counts. */
    if (old && strstr(old, name))
        return;
    char *all = sb_printf("%s%s%s=%s", old ? old : "", old && *old ? ":" : "", name, value);
    setenv("GLIBC_TUNABLES", all, 1);
    free(all);
}

/* What of arguments and environment lies above the stack's start. */
static size_t bytes_above_stack(char **argv)
{
    size_t n = 0;
    for (char **p = argv; *p; p++)
        n += strlen(*p) + 1 + sizeof(*p);
    for (char **p = environ; *p; p++)
        n += strlen(*p) + 1 + sizeof(*p);
    return n;
}

/* Filled up to one size whatever the user's own environment has, then on by what is drawn. */
static void pad_environment(char **argv, uint64_t layout)
{
    enum { FILL = 16384, MOST = 4096 };
    unsetenv(pad_name);
    setenv(pad_name, "", 1);
    size_t have = bytes_above_stack(argv);
    size_t n = (have < FILL ? FILL - have : 0) + draw(layout, DRAW_ENVIRONMENT, MOST);
    char *pad = sb_calloc(n + 1, 1);
    memset(pad, 'x', n);
    setenv(pad_name, pad, 1);
    free(pad);
}

void sb_layout_restart(char **argv, const char *text, size_t length, uint64_t layout)
{
    /* The second time: exec has happened, and this is the process that measures. */
    if (getenv(mark))
        return;
    int fd = text_file(text, length), now = personality(0xffffffff);
    /* Then the trial runs where it is, and says that its layout isn't fixed. */
    if (fd < 0)
        return;
    /* Libraries with thread-local state of the static kind (jemalloc: 2.6 KiB) can't be loaded late unless
       the loader was told to keep room for it when the process began. */
    sb_layout_want_tunable("glibc.rtld.optional_static_tls", "8192");
    setenv(mark, "1", 1);
    pad_environment(argv, layout);
    if (now >= 0)
        personality((unsigned long)now | ADDR_NO_RANDOMIZE);
    dup2(fd, STDIN_FILENO);
    execv("/proc/self/exe", argv);
}

/* Whole 4 MiB blocks for the memory file, which is aligned to them, and pages for everything else. */
void sb_layout_shift_mappings(uint64_t layout)
{
    size_t length = draw(layout, DRAW_PAGES, 1024) * 4096 + (draw(layout, DRAW_BLOCKS, 128) << 22);
    if (length)
        (void)mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    /* Sixteen bytes is malloc's grain: addresses of the heap move by less than a line. */
    if (layout)
        sbrk((intptr_t)(draw(layout, DRAW_BREAK, 4096) * 16));
}

size_t sb_layout_heap_shift(uint64_t layout, uint32_t thread)
{
    return draw(layout, DRAW_HEAP + thread, 256) * 16;
}

size_t sb_layout_stack_shift(uint64_t layout, uint32_t thread)
{
    return draw(layout, DRAW_STACK + thread, 256) * 16;
}
