/* A host as scullbench-trial is one, for tests of allocators: real memory from a real memory file. */
#ifndef SB_TESTS_HOST_H
#define SB_TESTS_HOST_H

#ifndef _GNU_SOURCE
#error define _GNU_SOURCE first: memfd_create
#endif

#include "scullbench/allocator.h"
#include "test.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

struct test_host {
    struct sb_host host;
    char failure[512]; /* the last text given to fail() */
    void *space;
    size_t space_size;
};

static void __attribute__((format(printf, 2, 3))) test_fail(void *context, const char *format, ...)
{
    struct test_host *t = context;
    va_list args;
    va_start(args, format);
    vsnprintf(t->failure, sizeof(t->failure), format, args);
    va_end(args);
}

static inline void test_host_open(struct test_host *t, uint64_t mib, unsigned cpus)
{
    const size_t align = 4UL << 20, size = mib << 20;
    memset(t, 0, sizeof(*t));
    t->space_size = size + align;
    t->space = mmap(NULL, t->space_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(t->space != MAP_FAILED);
    char *at = (char *)(((uintptr_t)t->space + align - 1) & ~(align - 1));
    int fd = memfd_create("test-ram", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_true(mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    t->host = (struct sb_host){.struct_size = sizeof(t->host),
                               .nr_cpus = cpus,
                               .nr_nodes = 1,
                               .memory_fd = fd,
                               .memory = at,
                               .memory_size = size,
                               .seed = 42,
                               .context = t,
                               .fail = test_fail};
}

static inline void test_host_close(struct test_host *t)
{
    munmap(t->space, t->space_size);
    close(t->host.memory_fd);
}

/* CPUs as sched_getcpu may number them here. */
static inline unsigned test_cpus(void)
{
    return (unsigned)sysconf(_SC_NPROCESSORS_CONF);
}

/* For tests that say what is left: on another CPU other lists have something, which here may be used, there
 * not. */
static inline void test_stay_on_one_cpu(void)
{
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((unsigned)sched_getcpu(), &here);
    assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
}

/* For the threads of such a test. */
static inline void test_go_anywhere(void)
{
    cpu_set_t all;
    memset(&all, 0xff, sizeof(all));
    sched_setaffinity(0, sizeof(all), &all);
}

#endif
