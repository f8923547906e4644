/* Shared by the files of the page allocator. Zone lock: held where a comment says so. */
#ifndef SB_MM_PAGE_INTERNAL_H
#define SB_MM_PAGE_INTERNAL_H

#include "page_alloc.h"

/* buddy.c; all under the zone's lock */

/* A block of exactly `order`, SB_PG_ALLOCATED, its heads not yet set; NULL. Falls back to other types. */
struct sb_page *sb_buddy_take(struct sb_mm *mm, struct sb_zone *zone, unsigned order, enum sb_migratetype type,
                              bool cold);
/* Merges as far as it goes. */
void sb_buddy_give(struct sb_mm *mm, struct sb_zone *zone, struct sb_page *page, unsigned order, bool cold);

/* pcp.c */

/* Off the CPU's list, refilled from the buddy where it is empty; NULL: neither has one. */
struct sb_page *sb_pcp_refill(struct sb_mm *mm, struct sb_zone *zone, unsigned order, enum sb_migratetype type);
/* The CPU's list is full or taken: makes room, or gives the block to the buddy. */
void sb_pcp_overflow(struct sb_mm *mm, struct sb_zone *zone, struct sb_page *page, unsigned order,
                     enum sb_migratetype type);
int sb_pcp_init(struct sb_mm *mm, struct sb_zone *zone);
void sb_pcp_exit(struct sb_zone *zone);

/* A block answers for all its pages. Of large ones, which nobody looks into often, heads are found by alignment. */
static inline void sb_set_heads(struct sb_page *page, unsigned order)
{
    uint64_t n = order <= SB_COSTLY_ORDER ? UINT64_C(1) << order : 1;
    for (uint64_t i = 0; i < n; i++)
        __atomic_store_n(&page[i].head, page, __ATOMIC_RELAXED);
}

static inline enum sb_migratetype sb_block_type(const struct sb_mm *mm, uint64_t pfn)
{
    return (enum sb_migratetype)__atomic_load_n(&mm->block_type[pfn >> SB_PAGEBLOCK_ORDER], __ATOMIC_RELAXED);
}

/* memmap.c: 0 where the node has memory alone. */
unsigned sb_cpus_of_node(const struct sb_mm *mm, unsigned node);

/* page_alloc.c: once the zones have their lists. */
void sb_set_fast_zones(struct sb_mm *mm);

/* reclaim.c: may the allocation go on trying? `tries` counts from 0. Reclaims, waits. */
bool sb_reclaim_and_wait(struct sb_mm *mm, sb_gfp_t gfp, unsigned order, unsigned tries);

#endif
