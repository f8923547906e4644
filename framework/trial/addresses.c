/*
 * Where the first pages of what a workload holds lie: in virtual space, and in the memory file, which is the
 * trial's physical memory. Blocks come in the order in which the workload names them (for scull, that of the
 * device's bytes). A page's frame is read off the kernel's own list of our mappings, so no allocator has to
 * tell, and none can tell it wrongly. Memory from the OS has no frame that a process may know.
 */
#include "trial/inside.h"
#include "trial/mappings.h"

#include <stdlib.h>

enum { PAGE = 4096, MOST = 256 };

struct page {
    uintptr_t at;
    double offset; /* in the workload's bytes */
    int64_t frame; /* -1: not in the memory file */
};

/* The workload's blocks alone: not a device's list items, nor its pointer arrays. */
static size_t first_pages(const struct trial *t, struct page *pages)
{
    size_t n = 0;
    double offset = 0;
    for (size_t i = 0; i < t->blocks.n && n < MOST; i++) {
        const struct block *b = &t->blocks.at[i];
        if (b->size != t->needs.block_size)
            continue;
        /* A block smaller than a page is where it begins. */
        for (uint64_t in = 0; in < b->size && n < MOST; in += PAGE)
            pages[n++] = (struct page){(uintptr_t)b->at + in, offset + (double)in, -1};
        offset += (double)b->size;
    }
    return n;
}

static void find_frames(int fd, struct page *pages, size_t n)
{
    struct sb_mappings mappings = sb_mappings_read(fd);
    for (size_t i = 0; i < n; i++) {
        const struct sb_mapping *m = sb_mappings_find(&mappings, pages[i].at);
        if (m)
            pages[i].frame = (int64_t)((pages[i].at - m->from + m->offset) / PAGE);
    }
    sb_mappings_free(&mappings);
}

void sb_trial_map_addresses(struct trial *t)
{
    struct page *pages = sb_calloc(MOST, sizeof(*pages));
    size_t n = first_pages(t, pages);
    find_frames(t->memory.fd, pages, n);
    for (size_t i = 0; i < n; i++) {
        uintptr_t number = pages[i].at / PAGE;
        sb_trial_add_point(t, SB_METRIC_VIRTUAL_PAGE, 0, pages[i].offset, (double)number);
        if (pages[i].frame >= 0)
            sb_trial_add_point(t, SB_METRIC_PHYSICAL_PAGE, 0, pages[i].offset, (double)pages[i].frame);
    }
    free(pages);
}
