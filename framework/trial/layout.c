/* Environments, personality(2) and a few empty mappings. */
#define _GNU_SOURCE
#include "trial/layout.h"

#include "base/str.h"
#include "config/experiment.h"
#include "config/section.h"
#include "scullbench/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

/* Each thing has a stream of its own: one more of them changes none of the others. */
enum { DRAW_ENVIRONMENT, DRAW_PAGES, DRAW_BLOCKS, DRAW_BREAK, DRAW_STACK, DRAW_HEAP = 1 << 20 };
static const char mark[] = "SCULLBENCH_LAYOUT", pad_name[] = "SCULLBENCH_PAD", tunables_name[] = "GLIBC_TUNABLES";

const char sb_layout_not_fixed[] =
    "the kernel's address-space randomisation could not be switched off (a sandbox forbids "
    "personality(2)): layouts are drawn, but not only from the seed";

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

static bool is_named(const char *pair, const char *name)
{
    size_t n = strlen(name);
    return !strncmp(pair, name, n) && pair[n] == '=';
}

static const char *find(const struct sb_words *environment, const char *name)
{
    for (size_t i = 0; i < environment->n; i++) {
        if (is_named(environment->at[i], name))
            return environment->at[i] + strlen(name) + 1;
    }
    return NULL;
}

/* In its old place where it was there before. */
static void set(struct sb_words *environment, const char *name, const char *value)
{
    char *pair = sb_printf("%s=%s", name, value);
    for (size_t i = 0; i < environment->n; i++) {
        if (is_named(environment->at[i], name)) {
            free(environment->at[i]);
            environment->at[i] = pair;
            return;
        }
    }
    *SB_VEC_ADD(environment) = pair;
}

/* The user's own word counts. */
static void want_tunable(struct sb_words *environment, const char *name, const char *value)
{
    const char *old = find(environment, tunables_name);
    if (old && strstr(old, name))
        return;
    char *all = sb_printf("%s%s%s=%s", old ? old : "", old && *old ? ":" : "", name, value);
    set(environment, tunables_name, all);
    free(all);
}

void sb_layout_want_tunable(const char *name, const char *value)
{
    const char *old = getenv(tunables_name);
    struct sb_words environment = {0};
    if (old)
        set(&environment, tunables_name, old);
    want_tunable(&environment, name, value);
    setenv(tunables_name, find(&environment, tunables_name), 1);
    sb_words_free(&environment);
}

/* What of the program's name, arguments and environment lies above the stack's start. */
static size_t bytes_above_stack(const char *program, char *const *argv, const struct sb_words *environment)
{
    size_t n = strlen(program) + 1;
    for (char *const *p = argv; *p; p++)
        n += strlen(*p) + 1 + sizeof(*p);
    for (size_t i = 0; i < environment->n; i++)
        n += strlen(environment->at[i]) + 1 + sizeof(char *);
    return n;
}

/* Filled up to one size whatever the user's own environment has, then on by what is drawn. */
static void pad(struct sb_words *environment, const char *program, char *const *argv, uint64_t layout)
{
    enum { FILL = 16384, MOST = 4096 };
    set(environment, pad_name, "");
    size_t have = bytes_above_stack(program, argv, environment);
    size_t n = (have < FILL ? FILL - have : 0) + draw(layout, DRAW_ENVIRONMENT, MOST);
    char *text = sb_calloc(n + 1, 1);
    memset(text, 'x', n);
    set(environment, pad_name, text);
    free(text);
}

char **sb_layout_environment(const char *program, char *const *argv, const struct sb_ini_section *allocator,
                             uint64_t layout)
{
    struct sb_words environment = {0};
    for (char **p = environ; *p; p++)
        *SB_VEC_ADD(&environment) = sb_strdup(*p);
    for (size_t i = 0; allocator && i < allocator->n; i++) {
        const char *name = sb_env_name(allocator->at[i].key);
        if (name)
            set(&environment, name, allocator->at[i].value);
    }
    /* Libraries with thread-local state of the static kind (jemalloc: 2.6 KiB) can't be loaded late unless
       the loader was told to keep room for it when the process began. */
    want_tunable(&environment, "glibc.rtld.optional_static_tls", "8192");
    set(&environment, mark, "1");
    pad(&environment, program, argv, layout);
    *SB_VEC_ADD(&environment) = NULL;
    return environment.at;
}

void sb_layout_free_environment(char **environment)
{
    for (char **p = environment; *p; p++)
        free(*p);
    free(environment);
}

int sb_layout_fix(void)
{
    int now = personality(0xffffffff);
    if (now >= 0)
        personality((unsigned long)now | ADDR_NO_RANDOMIZE);
    return now;
}

void sb_layout_unfix(int before)
{
    if (before >= 0)
        personality((unsigned long)before);
}

bool sb_layout_is_set(void)
{
    return getenv(mark);
}

void sb_layout_restart(char **argv, const char *text, size_t length, const struct sb_ini_section *allocator,
                       uint64_t layout)
{
    static const char program[] = "/proc/self/exe";
    int fd = text_file(text, length);
    /* Then the trial runs where it is, and says that its layout isn't fixed. */
    if (fd < 0)
        return;
    char **environment = sb_layout_environment(program, argv, allocator, layout);
    sb_layout_fix();
    dup2(fd, STDIN_FILENO);
    execve(program, argv, environment);
    sb_layout_free_environment(environment);
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
