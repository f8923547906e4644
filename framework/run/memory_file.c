/* memfd_create(2), and which trial gets which. The trial itself sizes, binds, touches and clears its file. */
#define _GNU_SOURCE
#include "run/memory_file.h"

#include "trial/physmem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void forget(struct sb_memory_files *files, size_t i)
{
    close(files->at[i].fd);
    files->at[i] = files->at[--files->n];
}

/* Nodes divide memory by its size: elsewhere than on one node a page of another size's file lies wrong. */
static bool fits(const struct sb_memory_file *f, const struct sb_plan *plan, const struct sb_cell *cell)
{
    return f->first->pages == cell->pages && !strcmp(f->first->node, cell->node) &&
           (sb_topology_local_nodes(plan->topology, NULL, 0) < 2 || f->first->memory_bytes == cell->memory_bytes);
}

struct sb_memory_file *sb_memory_files_find(struct sb_memory_files *files, const struct sb_plan *plan,
                                            const struct sb_trial *trial)
{
    const struct sb_cell *cell = &plan->cells.at[trial->cell];
    bool blocks = plan->experiment->values[SB_EXPERIMENT_ORDER].u == SB_ORDER_INTERLEAVED;
    bool os = cell->allocator->plugin->allocator.flags & SB_ALLOCATOR_OS_MEMORY;
    if (!blocks || os || trial->simulated || !cell->memory_reuse)
        return NULL;
    while (files->n && files->block != trial->repetition)
        forget(files, files->n - 1);
    files->block = trial->repetition;
    for (size_t i = 0; i < files->n; i++) {
        if (fits(&files->at[i], plan, cell))
            return &files->at[i];
    }
    int fd = sb_physmem_make_file(cell->pages);
    /* The trial then tries for itself, and says why it can't. */
    if (fd < 0)
        return NULL;
    struct sb_memory_file *f = SB_VEC_ADD(files);
    *f = (struct sb_memory_file){cell, fd, 0, ++files->generations};
    return f;
}

void sb_memory_files_return(struct sb_memory_files *files, struct sb_memory_file *file, const struct sb_cell *cell,
                            bool whole)
{
    if (file && !whole)
        forget(files, (size_t)(file - files->at));
    else if (file && file->present < cell->memory_bytes)
        file->present = cell->memory_bytes;
}

void sb_memory_files_free(struct sb_memory_files *files)
{
    while (files->n)
        forget(files, files->n - 1);
    SB_VEC_FREE(files);
}
