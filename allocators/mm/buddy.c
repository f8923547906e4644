/*
 * The buddy system of one zone.
 *
 * Models mm/page_alloc.c of Linux 6.1: free lists by order and migrate type; a block is split from the
 * smallest that fits and merges with its buddy as far as it goes. When a type's lists are empty, the largest
 * block of another type is taken, so that few page blocks get mixed; unmovable and reclaimable requests, and
 * movable ones of large blocks, claim the whole page block if at least half of it is free.
 *
 * Locks: the zone's, held by the caller throughout.
 *
 * Left out: CMA, isolation, high-atomic page blocks; the count of pages in use that could be moved, by which
 * 6.1 claims a page block that is less than half free; the watermark boost after a fallback; and that 6.1
 * puts a block to the tail when its buddy's buddy is free, hoping for a merge.
 */
#define _GNU_SOURCE
#include "page_internal.h"

#include <sched.h>

/*
 * A CPU's number as a page has room for: of more than 255 CPUs two share one, and what crosses between those
 * is not counted. Whoever migrates meanwhile is counted as where it was.
 */
static uint8_t giver(const struct sb_mm *mm)
{
    int cpu = 0;
#ifdef SB_HAVE_RSEQ
    if (mm->rseq)
        return (uint8_t)(1 + sb_rseq_cpu() % 255);
#endif
    (void)mm;
    cpu = sched_getcpu();
    return (uint8_t)(1 + (cpu < 0 ? 0 : cpu) % 255);
}

static void count_free(struct sb_zone *zone, int64_t pages)
{
    /* Atomic for those who look at the watermark without the lock. */
    __atomic_store_n(&zone->nr_free_pages, zone->nr_free_pages + (uint64_t)pages, __ATOMIC_RELAXED);
}

/* To the head of the list: the block freed last is the warmest and is handed out first. */
static void add_free(struct sb_zone *zone, struct sb_page *page, unsigned order, enum sb_migratetype type, bool cold)
{
    struct sb_free_area *area = &zone->free_area[order];
    page->order = (uint8_t)order;
    sb_page_set_flags(page, SB_PG_BUDDY);
    if (cold)
        sb_list_add_tail(&page->link, &area->list[type]);
    else
        sb_list_add(&page->link, &area->list[type]);
    area->nr_free++;
}

/* Clears the flags too: between lists a block is neither free nor allocated, and check() would say so. */
static void remove_free(struct sb_zone *zone, struct sb_page *page)
{
    sb_list_del(&page->link);
    zone->free_area[page->order].nr_free--;
    sb_page_set_flags(page, 0);
}

void sb_buddy_give(struct sb_mm *mm, struct sb_zone *zone, struct sb_page *page, unsigned order, bool cold)
{
    uint64_t pfn = sb_page_to_pfn(mm, page);
    count_free(zone, INT64_C(1) << order);
    page->giver = giver(mm);
    sb_page_set_flags(page, 0);
    while (order < SB_MAX_ORDER) {
        uint64_t buddy_pfn = pfn ^ (UINT64_C(1) << order);
        if (buddy_pfn < zone->start_pfn || buddy_pfn >= zone->end_pfn)
            break;
        struct sb_page *buddy = &mm->memmap[buddy_pfn];
        if (!(sb_page_flags(buddy) & SB_PG_BUDDY) || buddy->order != order)
            break;
        remove_free(zone, buddy);
        pfn &= buddy_pfn;
        order++;
    }
    add_free(zone, &mm->memmap[pfn], order, sb_block_type(mm, pfn), cold);
}

/* A block of exactly `order` out of the smallest of its type that holds one; the upper halves go back. */
static struct sb_page *take_of_type(struct sb_zone *zone, unsigned order, enum sb_migratetype type, bool cold)
{
    unsigned have = order;
    while (have <= SB_MAX_ORDER && sb_list_empty(&zone->free_area[have].list[type]))
        have++;
    if (have > SB_MAX_ORDER)
        return NULL;
    const struct sb_list *list = &zone->free_area[have].list[type];
    struct sb_page *page = sb_list_entry(cold ? list->prev : list->next, struct sb_page, link);
    remove_free(zone, page);
    while (have > order) {
        have--;
        add_free(zone, page + (UINT64_C(1) << have), have, type, false);
    }
    return page;
}

/* Moves all that is free in a page block to another type's lists; returns the number of pages. */
static uint64_t move_free_pages(struct sb_mm *mm, struct sb_zone *zone, uint64_t pfn, enum sb_migratetype type)
{
    uint64_t end = (pfn | (SB_PAGEBLOCK_PAGES - 1)) + 1, moved = 0;
    pfn &= ~(SB_PAGEBLOCK_PAGES - 1);
    if (pfn < zone->start_pfn)
        pfn = zone->start_pfn;
    if (end > zone->end_pfn)
        end = zone->end_pfn;
    while (pfn < end) {
        struct sb_page *page = &mm->memmap[pfn];
        if (!(sb_page_flags(page) & SB_PG_BUDDY)) {
            pfn++;
            continue;
        }
        sb_list_del(&page->link);
        sb_list_add_tail(&page->link, &zone->free_area[page->order].list[type]);
        moved += UINT64_C(1) << page->order;
        pfn += UINT64_C(1) << page->order;
    }
    return moved;
}

static void set_block_type(struct sb_mm *mm, uint64_t pfn, enum sb_migratetype type)
{
    __atomic_store_n(&mm->block_type[pfn >> SB_PAGEBLOCK_ORDER], (uint8_t)type, __ATOMIC_RELAXED);
}

/* Puts a block of another type on the lists of `type`, with as much around it as may be claimed. */
static void steal(struct sb_mm *mm, struct sb_zone *zone, struct sb_page *page, enum sb_migratetype type,
                  bool whole_block)
{
    uint64_t pfn = sb_page_to_pfn(mm, page);
    unsigned order = page->order;
    if (order >= SB_PAGEBLOCK_ORDER) {
        for (uint64_t i = 0; i < UINT64_C(1) << order; i += SB_PAGEBLOCK_PAGES)
            set_block_type(mm, pfn + i, type);
    } else if (whole_block) {
        if (move_free_pages(mm, zone, pfn, type) >= SB_PAGEBLOCK_PAGES / 2)
            set_block_type(mm, pfn, type);
        return;
    }
    sb_list_del(&page->link);
    sb_list_add(&page->link, &zone->free_area[order].list[type]);
}

/* A free block of exactly `order` of another type than `type`, in the order of preference. */
static struct sb_page *other_type(const struct sb_zone *zone, unsigned order, enum sb_migratetype type)
{
    static const uint8_t fallbacks[SB_NR_MIGRATETYPES][2] = {
        [SB_UNMOVABLE] = {SB_RECLAIMABLE, SB_MOVABLE},
        [SB_MOVABLE] = {SB_RECLAIMABLE, SB_UNMOVABLE},
        [SB_RECLAIMABLE] = {SB_UNMOVABLE, SB_MOVABLE},
    };
    for (int i = 0; i < 2; i++) {
        const struct sb_list *list = &zone->free_area[order].list[fallbacks[type][i]];
        if (!sb_list_empty(list))
            return sb_list_entry(list->next, struct sb_page, link);
    }
    return NULL;
}

/*
 * The largest block first: what is torn out of another type's page blocks should last long. A movable request
 * that may not claim the page block takes the smallest instead: it does no lasting harm there.
 */
static bool fall_back(struct sb_mm *mm, struct sb_zone *zone, unsigned order, enum sb_migratetype type)
{
    struct sb_page *page = NULL;
    unsigned have = SB_MAX_ORDER + 1;
    while (!page && have-- > order)
        page = other_type(zone, have, type);
    if (!page)
        return false;
    bool claim = have >= SB_PAGEBLOCK_ORDER / 2 || type != SB_MOVABLE;
    if (!claim) {
        page = NULL;
        for (have = order; !page; have++)
            page = other_type(zone, have, type);
    }
    steal(mm, zone, page, type, claim);
    return true;
}

struct sb_page *sb_buddy_take(struct sb_mm *mm, struct sb_zone *zone, unsigned order, enum sb_migratetype type,
                              bool cold)
{
    struct sb_page *page = take_of_type(zone, order, type, cold);
    if (!page && fall_back(mm, zone, order, type))
        page = take_of_type(zone, order, type, cold);
    if (!page)
        return NULL;
    count_free(zone, -(INT64_C(1) << order));
    zone->nr_given++;
    zone->nr_crossed += page->giver && page->giver != giver(mm);
    page->order = (uint8_t)order;
    sb_page_set_flags(page, SB_PG_ALLOCATED);
    return page;
}
