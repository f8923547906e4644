/*
 * The page allocator.
 *
 * Models mm/page_alloc.c of Linux 6.1: zones with a free list per order, splitting from the smallest order
 * that fits, merging with the buddy as far as it goes, most recently freed block first (6.1 puts a block
 * whose buddy's buddy is free to the tail instead, hoping for a merge: left out); a zonelist that falls back
 * from Normal to DMA, never the other way.
 *
 * Locks: one per zone, innermost of all locks of mm; no other lock is taken under it.
 *
 * Left out, for now: per-CPU page lists, migrate types, watermarks and reclaim, nodes, HIGHMEM and DMA32.
 * Left out for good: swap and the page cache, so nothing can be reclaimed that an allocator here
 * doesn't hold itself.
 */
#include "page_alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DMA_PAGES (UINT64_C(16) << (20 - SB_PAGE_SHIFT))

/* A page's zone follows from its number: zones are ranges without holes here. */
static struct sb_zone *zone_of(struct sb_mm *mm, uint64_t pfn)
{
    return &mm->zones[pfn < mm->zones[SB_ZONE_DMA].end_pfn ? SB_ZONE_DMA : SB_ZONE_NORMAL];
}

/*
 * To the head of the list: the block freed last is the warmest and is handed out first. Called with
 * the zone's lock held, as all of this group.
 */
static void add_free(struct sb_zone *zone, struct sb_page *page, unsigned order)
{
    page->flags = SB_PG_BUDDY;
    page->order = (uint8_t)order;
    sb_list_add(&page->link, &zone->free_area[order].list);
    zone->free_area[order].nr_free++;
}

/* Clears the flags too: between lists a block is neither free nor allocated, and check() would say so. */
static void remove_free(struct sb_zone *zone, struct sb_page *page)
{
    sb_list_del(&page->link);
    zone->free_area[page->order].nr_free--;
    page->flags = 0;
}

/* Takes the last of the buddies that are free along; called with the zone's lock held. */
static void merge_and_free(struct sb_mm *mm, struct sb_zone *zone, uint64_t pfn, unsigned order)
{
    zone->nr_free_pages += UINT64_C(1) << order;
    while (order < SB_MAX_ORDER) {
        uint64_t buddy_pfn = pfn ^ (UINT64_C(1) << order);
        if (buddy_pfn < zone->start_pfn || buddy_pfn >= zone->end_pfn)
            break;
        struct sb_page *buddy = &mm->memmap[buddy_pfn];
        if (!(buddy->flags & SB_PG_BUDDY) || buddy->order != order)
            break;
        remove_free(zone, buddy);
        pfn &= buddy_pfn;
        order++;
    }
    add_free(zone, &mm->memmap[pfn], order);
}

/* A block of exactly `order` out of the smallest that holds one; the upper halves go back. */
static struct sb_page *take_block(struct sb_zone *zone, unsigned order)
{
    unsigned have = order;
    while (have <= SB_MAX_ORDER && sb_list_empty(&zone->free_area[have].list))
        have++;
    if (have > SB_MAX_ORDER)
        return NULL;
    struct sb_page *page = sb_list_entry(zone->free_area[have].list.next, struct sb_page, link);
    remove_free(zone, page);
    while (have > order) {
        have--;
        add_free(zone, page + (UINT64_C(1) << have), have);
    }
    zone->nr_free_pages -= UINT64_C(1) << order;
    zone->nr_allocated++;
    page->flags = SB_PG_ALLOCATED;
    page->order = (uint8_t)order;
    return page;
}

/*
 * The zonelist is walked downwards only: a request for DMA must never be served from above, one for
 * Normal may dip into DMA when nothing else is left. The heads are written outside the lock, for the
 * block is ours by then.
 */
struct sb_page *sb_alloc_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order)
{
    int first = gfp & SB_GFP_DMA ? SB_ZONE_DMA : SB_ZONE_NORMAL;
    struct sb_page *page = NULL;

    if (order > SB_MAX_ORDER)
        return NULL;
    for (int i = first; i >= 0 && !page; i--) {
        struct sb_zone *zone = &mm->zones[i];
        sb_lock(&zone->lock);
        page = take_block(zone, order);
        sb_unlock(&zone->lock);
    }
    if (!page)
        return NULL;
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
        page[i].head = page;
    if (gfp & SB_GFP_ZERO)
        memset(sb_page_address(mm, page), 0, (size_t)SB_PAGE_SIZE << order);
    return page;
}

/*
 * A free of what isn't allocated is refused, not believed: one bad free would otherwise corrupt the
 * lists for every later call, and the trial would blame another.
 */
void sb_free_pages(struct sb_mm *mm, struct sb_page *page, unsigned order)
{
    uint64_t pfn = sb_page_to_pfn(mm, page);
    struct sb_zone *zone = zone_of(mm, pfn);

    sb_lock(&zone->lock);
    if (pfn >= mm->nr_pages || !(page->flags & SB_PG_ALLOCATED) || page->order != order) {
        sb_unlock(&zone->lock);
        atomic_fetch_add(&mm->bad_frees, 1);
        return;
    }
    page->flags = 0;
    zone->nr_allocated--;
    merge_and_free(mm, zone, pfn, order);
    sb_unlock(&zone->lock);
}

/* __get_free_pages: the address at once, as drivers want it. No HIGHMEM, so every page has one. */
void *sb_get_free_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order)
{
    struct sb_page *page = sb_alloc_pages(mm, gfp, order);
    return page ? sb_page_address(mm, page) : NULL;
}

static void init_zone(struct sb_mm *mm, enum sb_zone_type type, const char *name, uint64_t start,
                      uint64_t end)
{
    struct sb_zone *zone = &mm->zones[type];
    zone->name = name;
    zone->start_pfn = start;
    zone->end_pfn = end;
    for (unsigned order = 0; order < SB_NR_ORDERS; order++)
        sb_list_init(&zone->free_area[order].list);
    /* From the top down: the last freed, hence first handed out, is the lowest, as after boot. */
    for (uint64_t pfn = end; pfn-- > start;)
        merge_and_free(mm, zone, pfn, 0);
}

/*
 * The map of page frames is carved off the end of memory, where the kernel's memblock would put it
 * too, so that its size counts against the allocator and not against the harness.
 */
int sb_mm_init(struct sb_mm *mm, const struct sb_host *host)
{
    uint64_t all = host->memory_size >> SB_PAGE_SHIFT;
    uint64_t map_bytes = all * sizeof(struct sb_page);
    uint64_t map_pages = (map_bytes + SB_PAGE_SIZE - 1) >> SB_PAGE_SHIFT;

    memset(mm, 0, sizeof(*mm));
    if (!host->memory || map_pages >= all) {
        host->fail(host->context, "the page allocator needs memory for its map of %llu pages",
                   (unsigned long long)all);
        return -ENOMEM;
    }
    mm->host = host;
    mm->base = host->memory;
    mm->fd = host->memory_fd;
    mm->nr_cpus = host->nr_cpus;
    mm->nr_pages = all;
    mm->nr_reserved = map_pages;
    mm->memmap = (struct sb_page *)(void *)(mm->base + ((all - map_pages) << SB_PAGE_SHIFT));
    memset(mm->memmap, 0, map_bytes);
    uint64_t usable = all - map_pages;
    for (uint64_t pfn = usable; pfn < all; pfn++)
        mm->memmap[pfn].flags = SB_PG_RESERVED;
    uint64_t dma = usable < DMA_PAGES ? usable : DMA_PAGES;
    init_zone(mm, SB_ZONE_DMA, "DMA", 0, dma);
    init_zone(mm, SB_ZONE_NORMAL, "Normal", dma, usable);
    return 0;
}

/*
 * By subtraction: free pages are counted under the zone's lock anyway, used ones would cost a second
 * counter.
 */
uint64_t sb_mm_used_pages(struct sb_mm *mm)
{
    uint64_t used = mm->nr_pages - mm->nr_reserved;
    for (int i = 0; i < SB_NR_ZONES; i++)
        used -= mm->zones[i].nr_free_pages;
    return used;
}

/* Adds to what is there: an allocator on top fills in its own part before or after. */
void sb_mm_snapshot(struct sb_mm *mm, struct sb_snapshot *snapshot)
{
    snapshot->has |= SB_HAS_HELD | SB_HAS_FREE_BLOCKS | SB_HAS_METADATA;
    snapshot->held_bytes = sb_mm_used_pages(mm) << SB_PAGE_SHIFT;
    snapshot->metadata_bytes += mm->nr_reserved << SB_PAGE_SHIFT;
    for (int i = 0; i < SB_NR_ZONES; i++) {
        for (unsigned order = 0; order < SB_NR_ORDERS; order++)
            snapshot->free_blocks[order] += mm->zones[i].free_area[order].nr_free;
    }
}

/* Longer lines are cut at 511 bytes; no line of /proc comes near. */
void sb_sink_printf(const struct sb_sink *sink, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0)
        sink->write(sink->context, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* /proc/buddyinfo, in its own format. */
int sb_mm_dump(struct sb_mm *mm, const char *file, const struct sb_sink *sink)
{
    if (strcmp(file, "buddyinfo"))
        return -ENOENT;
    for (int i = 0; i < SB_NR_ZONES; i++) {
        const struct sb_zone *zone = &mm->zones[i];
        if (zone->start_pfn == zone->end_pfn)
            continue;
        sb_sink_printf(sink, "Node %d, zone %8s ", 0, zone->name);
        for (unsigned order = 0; order < SB_NR_ORDERS; order++)
            sb_sink_printf(sink, "%6llu ", (unsigned long long)zone->free_area[order].nr_free);
        sb_sink_printf(sink, "\n");
    }
    return 0;
}

int sb_check_failed(char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return -EUCLEAN;
}

/* The free lists: as long as they say, and of blocks that say the same of themselves. */
static int check_lists(struct sb_mm *mm, struct sb_zone *zone, char *why, size_t why_size)
{
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        struct sb_list *link;
        uint64_t n = 0;
        sb_list_for_each (link, &zone->free_area[order].list) {
            struct sb_page *page = sb_list_entry(link, struct sb_page, link);
            uint64_t pfn = sb_page_to_pfn(mm, page);
            if (pfn < zone->start_pfn || pfn >= zone->end_pfn)
                return sb_check_failed(why, why_size, "zone %s: order %u lists a page outside the zone",
                                       zone->name, order);
            if (!(page->flags & SB_PG_BUDDY) || page->order != order)
                return sb_check_failed(why, why_size,
                                       "zone %s: pfn %llu is on the list of order %u but says %u, flags %x",
                                       zone->name, (unsigned long long)pfn, order, page->order, page->flags);
            if (link->next->prev != link)
                return sb_check_failed(why, why_size, "zone %s: the list of order %u is torn at pfn %llu",
                                       zone->name, order, (unsigned long long)pfn);
            if (++n > zone->free_area[order].nr_free)
                break;
        }
        if (n != zone->free_area[order].nr_free)
            return sb_check_failed(why, why_size,
                                   "zone %s: order %u counts %llu free blocks, its list has another number",
                                   zone->name, order, (unsigned long long)zone->free_area[order].nr_free);
    }
    return 0;
}

/* The pages behind a block's first: no state of their own, and an allocated one's know their head. */
static int check_tail_pages(struct sb_mm *mm, uint64_t pfn, char *why, size_t why_size)
{
    const struct sb_page *page = &mm->memmap[pfn];
    for (uint64_t i = 1; i < UINT64_C(1) << page->order; i++) {
        if (page[i].flags || (page->flags & SB_PG_ALLOCATED && page[i].head != page))
            return sb_check_failed(why, why_size,
                                   "pfn %llu lies inside the block at pfn %llu, but says otherwise",
                                   (unsigned long long)(pfn + i), (unsigned long long)pfn);
    }
    return 0;
}

static int check_free_block(struct sb_mm *mm, const struct sb_zone *zone, uint64_t pfn, char *why,
                            size_t why_size)
{
    const struct sb_page *page = &mm->memmap[pfn];
    uint64_t buddy_pfn = pfn ^ (UINT64_C(1) << page->order);
    const struct sb_page *buddy = &mm->memmap[buddy_pfn];
    if (page->order < SB_MAX_ORDER && buddy_pfn >= zone->start_pfn && buddy_pfn < zone->end_pfn &&
        buddy->flags & SB_PG_BUDDY && buddy->order == page->order)
        return sb_check_failed(why, why_size,
                               "zone %s: the buddies at pfn %llu and %llu are free but not merged",
                               zone->name, (unsigned long long)pfn, (unsigned long long)buddy_pfn);
    return 0;
}

/* Walks the zone block by block: every page belongs to one block, and the lists hold just the free ones. */
static int check_blocks(struct sb_mm *mm, struct sb_zone *zone, char *why, size_t why_size)
{
    uint64_t free_blocks[SB_NR_ORDERS] = {0}, free_pages = 0, allocated = 0;
    for (uint64_t pfn = zone->start_pfn; pfn < zone->end_pfn;) {
        const struct sb_page *page = &mm->memmap[pfn];
        uint32_t state = page->flags & (SB_PG_BUDDY | SB_PG_ALLOCATED);
        int status = 0;
        if (state != SB_PG_BUDDY && state != SB_PG_ALLOCATED)
            return sb_check_failed(why, why_size, "zone %s: pfn %llu belongs to no block", zone->name,
                                   (unsigned long long)pfn);
        uint64_t size = page->order <= SB_MAX_ORDER ? UINT64_C(1) << page->order : 0;
        if (!size || pfn & (size - 1) || pfn + size > zone->end_pfn)
            return sb_check_failed(why, why_size,
                                   "zone %s: the block at pfn %llu is not aligned to its order %u",
                                   zone->name, (unsigned long long)pfn, page->order);
        if (state == SB_PG_BUDDY) {
            status = check_free_block(mm, zone, pfn, why, why_size);
            free_blocks[page->order]++;
            free_pages += size;
        } else {
            allocated++;
        }
        if (!status)
            status = check_tail_pages(mm, pfn, why, why_size);
        if (status)
            return status;
        pfn += size;
    }
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        if (free_blocks[order] != zone->free_area[order].nr_free)
            return sb_check_failed(why, why_size,
                                   "zone %s: there are %llu free blocks of order %u, its list has %llu",
                                   zone->name, (unsigned long long)free_blocks[order], order,
                                   (unsigned long long)zone->free_area[order].nr_free);
    }
    if (free_pages != zone->nr_free_pages || allocated != zone->nr_allocated)
        return sb_check_failed(
            why, why_size, "zone %s counts %llu free pages and %llu blocks; there are %llu and %llu",
            zone->name, (unsigned long long)zone->nr_free_pages, (unsigned long long)zone->nr_allocated,
            (unsigned long long)free_pages, (unsigned long long)allocated);
    return 0;
}

int sb_mm_check(struct sb_mm *mm, char *why, size_t why_size)
{
    int status = 0;
    unsigned bad = atomic_load(&mm->bad_frees);
    if (bad)
        return sb_check_failed(why, why_size,
                               "%u frees named pages that were not allocated, or with another order", bad);
    for (int i = 0; i < SB_NR_ZONES && !status; i++) {
        status = check_lists(mm, &mm->zones[i], why, why_size);
        if (!status)
            status = check_blocks(mm, &mm->zones[i], why, why_size);
    }
    return status;
}
