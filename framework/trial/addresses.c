/*
 * Where the first pages of what a workload holds lie: in virtual space, and in the memory file, which is the
 * trial's physical memory. Blocks come in the order in which the workload names them (for scull, that of the
 * device's bytes). A page's frame is read off the kernel's own list of our mappings, so no allocator has to
 * tell, and none can tell it wrongly. Memory from the OS has no frame that a process may know.
 */
#include "trial/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* One pass over the mappings: vmalloc's may be tens of thousands. */
static void find_frames(struct page *pages, size_t n)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long from, to, offset;
        if (!strstr(line, SB_PHYSMEM_NAME) || sscanf(line, "%lx-%lx %*4s %lx", &from, &to, &offset) != 3)
            continue;
        for (size_t i = 0; i < n; i++) {
            if (pages[i].at >= from && pages[i].at < to)
                pages[i].frame = (int64_t)((pages[i].at - from + offset) / PAGE);
        }
    }
    if (maps)
        fclose(maps);
}

void sb_trial_map_addresses(struct trial *t)
{
    struct page *pages = sb_calloc(MOST, sizeof(*pages));
    size_t n = first_pages(t, pages);
    find_frames(pages, n);
    for (size_t i = 0; i < n; i++) {
        uintptr_t number = pages[i].at / PAGE;
        sb_trial_add_point(t, "virtual_page", 0, "pages", pages[i].offset, (double)number);
        if (pages[i].frame >= 0)
            sb_trial_add_point(t, "physical_page", 0, "pages", pages[i].offset, (double)pages[i].frame);
    }
    free(pages);
}
