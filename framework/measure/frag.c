/*
 * The indices as mm/vmstat.c of Linux 6.1 computes them, integer arithmetic included, so that they agree to
 * the last printed digit with what debugfs shows.
 */
#include "measure/frag.h"

struct free_info {
    uint64_t pages, blocks, suitable; /* suitable: blocks of exactly `order` that could be cut */
};

/* fill_contig_page_info: one pass over the orders. */
static struct free_info sum(const uint64_t free_blocks[SB_NR_ORDERS], unsigned order)
{
    struct free_info info = {0};
    for (unsigned i = 0; i < SB_NR_ORDERS; i++) {
        info.blocks += free_blocks[i];
        info.pages += free_blocks[i] << i;
        if (i >= order)
            info.suitable += free_blocks[i] << (i - order);
    }
    return info;
}

int sb_unusable_index(const uint64_t free_blocks[SB_NR_ORDERS], unsigned order)
{
    struct free_info info = sum(free_blocks, order);
    if (!info.pages)
        return 1000;
    return (int)((info.pages - (info.suitable << order)) * 1000 / info.pages);
}

int sb_extfrag_index(const uint64_t free_blocks[SB_NR_ORDERS], unsigned order)
{
    struct free_info info = sum(free_blocks, order);
    uint64_t requested = UINT64_C(1) << order;
    if (!info.blocks)
        return 0;
    if (info.suitable)
        return -1000;
    return 1000 - (int)((1000 + info.pages * 1000 / requested) / info.blocks);
}
