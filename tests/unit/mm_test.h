/* Shared by the tests of the model: memory as a machine has it, and the tables read off real kernels. */
#ifndef SB_TESTS_MM_TEST_H
#define SB_TESTS_MM_TEST_H

#include "host.h"

#include "mm/page_alloc.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

static inline void expect_clean(int status, const char *why)
{
    if (status)
        fail_msg("check: %s", why);
}

#define CHECK(function, object)                                                                                        \
    do {                                                                                                               \
        char why_[512] = "";                                                                                           \
        expect_clean(function(object, why_, sizeof(why_)), why_);                                                      \
    } while (0)

/* Memory of `mib` MiB as a machine of `cpus` CPUs would have it, all free. */
static inline void open_mm_with(struct test_host *t, struct sb_mm *mm, uint64_t mib, unsigned cpus,
                                const struct sb_mm_config *config)
{
    test_host_open(t, mib, cpus);
    int status = sb_mm_init(mm, &t->host, config);
    if (status)
        fail_msg("the page allocator can't be made: %d, %s", status, t->failure);
}

/* The buddy system alone: what comes and goes is seen at once. */
static inline void open_mm(struct test_host *t, struct sb_mm *mm, uint64_t mib, unsigned cpus)
{
    open_mm_with(t, mm, mib, cpus, &(struct sb_mm_config){0});
}

static inline void close_mm(struct test_host *t, struct sb_mm *mm)
{
    sb_mm_exit(mm);
    test_host_close(t);
}

static inline struct sb_zone *zone_of(struct sb_mm *mm, unsigned node, enum sb_zone_type type)
{
    return &mm->zones[node * SB_NR_ZONES + type];
}

/* Reads a CSV's next row into fields; false at the end. */
static inline bool next_row(FILE *file, char *line, size_t size, char **fields, size_t n)
{
    if (!fgets(line, (int)size, file))
        return false;
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < n; i++) {
        fields[i] = line;
        line += strcspn(line, ",");
        if (*line)
            *line++ = '\0';
    }
    return true;
}

static inline FILE *open_table(const char *name)
{
    char path[512], header[512];
    snprintf(path, sizeof(path), "%s/%s", DATA_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(header, sizeof(header), file));
    return file;
}

/* What comes back depends on the CPU one is on. */
static inline void pin_to_one_cpu(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

#endif
