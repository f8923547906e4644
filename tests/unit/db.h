/* A database of a test's own: a path that is gone afterwards, cells and metrics as a run would store them. */
#ifndef SB_TESTS_DB_H
#define SB_TESTS_DB_H

#include "test.h"

#include "base/str.h"
#include "store/store.h"

#include <unistd.h>

static char *path;

static int set_up(void **state)
{
    (void)state;
    path = sb_printf("/tmp/sb-test-%ld.db", (long)getpid());
    unlink(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    free(path);
    return 0;
}

/* A cell of `allocator` under objects, with the next number. */
static void add_cell(struct sb_data *head, const char *allocator)
{
    struct sb_cell_row *cell = SB_VEC_ADD(&head->cells);
    *cell = (struct sb_cell_row){.id = (int64_t)head->cells.n, .threads = 1};
    cell->label = sb_printf("%s / objects / 1 thread", allocator);
    cell->allocator = sb_strdup(allocator);
    cell->workload = sb_strdup("objects");
    cell->route = sb_strdup("cache");
    cell->memory = sb_strdup(SB_MEMORY_FILE);
    cell->cpus = sb_strdup("L#0 P#0");
    cell->settings = sb_strdup("[trial]\nduration = 100ms\n");
}

#endif
