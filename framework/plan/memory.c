/*
 * Twice what the blocks take, for classes, slabs that are half empty, caches of each CPU and metadata; the
 * kernel's DMA zone of 16 MiB, which ordinary allocations take last; and 8 MiB for watermarks and what boot
 * takes.
 */
#include "plan/memory.h"

#include "base/str.h"
#include "base/units.h"

#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t power_of_two(uint64_t least)
{
    uint64_t p = 1;
    while (p < least)
        p *= 2;
    return p;
}

uint64_t sb_memory_held(const struct sb_allocator *a, const struct sb_needs *needs, uint32_t threads)
{
    enum sb_route route = sb_route_for(a, (enum sb_want)needs->want);
    uint64_t size = needs->block_size ? needs->block_size : 1, block = size;
    /* Who has pages and no caches serves sizes by whole pages too. */
    if (route == SB_ROUTE_PAGES || (route == SB_ROUTE_SIZED && a->pages && !a->cache))
        block = power_of_two(round_up(size, SB_PAGE_SIZE));
    else if (route == SB_ROUTE_SIZED)
        block = power_of_two(size);
    return (needs->live_bytes + size - 1) / size * block * threads;
}

static uint64_t size_for(const struct sb_cell *cell)
{
    enum { BASE_MIB = 24, FINITE_MIB = 64, GRAIN_MIB = 16 };
    /* What is used up to the end is as much as one says. */
    return cell->finite ? FINITE_MIB * MIB : round_up(BASE_MIB * MIB + 2 * cell->held_bytes, GRAIN_MIB * MIB);
}

static void set_memory(struct sb_cell *cell, uint64_t bytes)
{
    char *text = sb_format_size(bytes);
    cell->memory_bytes = bytes;
    sb_ini_set(sb_ini_section_of(&cell->settings, "machine", ""), "memory", text, 0);
    free(text);
}

/* What the largest cell of each workload needs: what is compared has the same. */
static uint64_t *largest(const struct sb_plan *plan)
{
    uint64_t *bytes = sb_calloc(plan->workloads.n, sizeof(*bytes));
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        uint64_t *most = &bytes[cell->workload - plan->workloads.at];
        if (!cell->skip && size_for(cell) > *most)
            *most = size_for(cell);
    }
    return bytes;
}

void sb_plan_size_memory(struct sb_plan *plan, uint64_t ram)
{
    uint64_t *most = largest(plan);
    for (size_t i = 0; i < plan->cells.n; i++) {
        struct sb_cell *cell = &plan->cells.at[i];
        uint64_t bytes = most[cell->workload - plan->workloads.at];
        if (cell->memory_bytes)
            continue;
        if (bytes > ram && !cell->skip)
            cell->skip = sb_printf("the cells of this workload need %llu MiB of memory; the machine has %llu",
                                   (unsigned long long)(bytes / MIB), (unsigned long long)(ram / MIB));
        set_memory(cell, bytes ? bytes : size_for(cell));
    }
    free(most);
}
