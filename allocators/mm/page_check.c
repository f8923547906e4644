/*
 * The page allocator's books and proofs: the snapshot, and check(), which walks every list and every page. Only while
 * nothing else runs.
 */
#include "page_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Zones lie in one array, node by node. */
static struct sb_zone *end_of_zones(struct sb_mm *mm)
{
    return mm->zones + mm->nr_nodes * SB_NR_ZONES;
}

typedef unsigned long long ull;

const char *sb_zone_name(const struct sb_zone *zone)
{
    static const char *const names[SB_NR_ZONES] = {"DMA", "DMA32", "Normal", "HighMem"};
    return names[zone->type];
}

/* Read without locks while others change them: good for a snapshot, not for a decision. */
uint64_t sb_mm_free_pages(const struct sb_mm *mm)
{
    uint64_t free = 0;
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++)
        free += __atomic_load_n(&mm->zones[i].nr_free_pages, __ATOMIC_RELAXED);
    return free;
}

/* By subtraction: free pages are counted under the zone's lock anyway, used ones would cost a second counter.
 */
uint64_t sb_mm_used_pages(const struct sb_mm *mm)
{
    return mm->nr_pages - mm->nr_reserved - sb_mm_free_pages(mm);
}

/* To the zone these blocks are allocated; to the users they are free. */
static uint64_t pcp_blocks(const struct sb_mm *mm, const struct sb_zone *zone)
{
    uint64_t n = 0;
    for (unsigned list = 0; zone->pcp.base && list < SB_NR_PCP_LISTS; list++) {
        for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++)
            n += sb_stack_of(&zone->pcp, cpu, zone->pcp_at[list])->count;
    }
    return n;
}

uint64_t sb_mm_live_blocks(const struct sb_mm *mm)
{
    uint64_t live = 0;
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++)
        live += mm->zones[i].nr_allocated - pcp_blocks(mm, &mm->zones[i]);
    return live;
}

/* Adds to what is there: an allocator on top fills in its own part before or after. */
void sb_mm_snapshot(struct sb_mm *mm, struct sb_snapshot *snapshot)
{
    snapshot->has |= SB_HAS_HELD | SB_HAS_FREE_BLOCKS | SB_HAS_METADATA;
    snapshot->held_bytes = sb_mm_used_pages(mm) << SB_PAGE_SHIFT;
    snapshot->metadata_bytes += (mm->nr_reserved << SB_PAGE_SHIFT) + (mm->nr_pages >> SB_PAGEBLOCK_ORDER);
    for (struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        for (unsigned order = 0; order < SB_NR_ORDERS; order++)
            snapshot->free_blocks[order] += zone->free_area[order].nr_free;
        snapshot->metadata_bytes += sb_stacks_bytes(&zone->pcp);
    }
    if (mm->pkmap.window)
        snapshot->metadata_bytes += sizeof(mm->pkmap) + (mm->nr_pages - mm->low_pages) * sizeof(*mm->pkmap.slots);
    /* A host of an older version has no room for them. */
    if (snapshot->struct_size < offsetof(struct sb_snapshot, crossed_blocks) + sizeof(snapshot->crossed_blocks))
        return;
    snapshot->has |= SB_HAS_SHARED;
    for (struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        snapshot->shared_blocks += zone->nr_given;
        snapshot->crossed_blocks += zone->nr_crossed;
    }
    if (snapshot->struct_size < offsetof(struct sb_snapshot, zeroed_bytes) + sizeof(snapshot->zeroed_bytes))
        return;
    snapshot->has |= SB_HAS_ZEROED;
    snapshot->zeroed_bytes = atomic_load(&mm->nr_zeroed);
    if (!mm->numa ||
        snapshot->struct_size < offsetof(struct sb_snapshot, remote_blocks) + sizeof(snapshot->remote_blocks))
        return;
    snapshot->has |= SB_HAS_NUMA;
    for (struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        snapshot->local_blocks += sb_mm_numa_events(mm, zone, SB_NUMA_LOCAL);
        snapshot->remote_blocks += sb_mm_numa_events(mm, zone, SB_NUMA_OTHER);
    }
    if (snapshot->struct_size < offsetof(struct sb_snapshot, block_distances) + sizeof(snapshot->block_distances))
        return;
    snapshot->has |= SB_HAS_DISTANCE;
    for (struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        const struct sb_numa_counts *counts = &mm->numa[(size_t)(zone - mm->zones) * mm->nr_cpus];
        for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++)
            snapshot->block_distances += (counts[cpu].n[SB_NUMA_LOCAL] + counts[cpu].n[SB_NUMA_OTHER]) *
                                         mm->distance[mm->cpu_node[cpu]][zone->node];
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

/* In one place for all kinds of caches, so that the words are alike. */
int sb_report_leak(const struct sb_mm *mm, const char *cache, uint64_t live, uint32_t size)
{
    mm->host->fail(mm->host->context, "kmem_cache_destroy: cache '%s' still has %llu live objects of %u bytes", cache,
                   (ull)live, size);
    return -EBUSY;
}

/* EUCLEAN is what file systems say of a damaged structure. */
int sb_check_failed(char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return -EUCLEAN;
}

/* One free list: of blocks in the zone that say the same of themselves, linked both ways. Counts them. */
static int check_list(struct sb_mm *mm, const struct sb_zone *zone, unsigned order, unsigned type, uint64_t *n,
                      char *why, size_t why_size)
{
    const struct sb_free_area *area = &zone->free_area[order];
    const struct sb_list *link;
    sb_list_for_each (link, &area->list[type]) {
        const struct sb_page *page = sb_list_entry(link, struct sb_page, link);
        uint64_t pfn = sb_page_to_pfn(mm, page);
        if (pfn < zone->start_pfn || pfn >= zone->end_pfn)
            return sb_check_failed(why, why_size, "zone %s: order %u lists a page outside the zone", sb_zone_name(zone),
                                   order);
        if (page->flags != SB_PG_BUDDY || page->order != order)
            return sb_check_failed(why, why_size, "zone %s: pfn %llu is on the list of order %u but says %u, flags %x",
                                   sb_zone_name(zone), (ull)pfn, order, page->order, page->flags);
        if (link->next->prev != link)
            return sb_check_failed(why, why_size, "zone %s: the list of order %u is torn at pfn %llu",
                                   sb_zone_name(zone), order, (ull)pfn);
        /* A list that runs in a circle must end, too; the count then tells. */
        if (++*n > area->nr_free)
            break;
    }
    return 0;
}

static int check_lists(struct sb_mm *mm, const struct sb_zone *zone, char *why, size_t why_size)
{
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        uint64_t n = 0;
        for (unsigned type = 0; type < SB_NR_MIGRATETYPES; type++) {
            int status = check_list(mm, zone, order, type, &n, why, why_size);
            if (status)
                return status;
        }
        if (n != zone->free_area[order].nr_free)
            return sb_check_failed(why, why_size,
                                   "zone %s: order %u counts %llu free blocks, its lists have another number",
                                   sb_zone_name(zone), order, (ull)zone->free_area[order].nr_free);
    }
    return 0;
}

/* Every entry of every CPU's list: a block of the zone and of the list's order that knows it is on one. */
static int check_pcp(struct sb_mm *mm, const struct sb_zone *zone, char *why, size_t why_size)
{
    for (unsigned i = 0; zone->pcp.base && i < mm->nr_cpus * SB_NR_PCP_LISTS; i++) {
        unsigned cpu = i / SB_NR_PCP_LISTS, list = i % SB_NR_PCP_LISTS, order = sb_pcp_order(list);
        const struct sb_cpu_stack *stack = sb_stack_of(&zone->pcp, cpu, zone->pcp_at[list]);
        if (stack->count > stack->capacity)
            return sb_check_failed(why, why_size,
                                   "zone %s: CPU %u's list of order %u is still taken, or holds too many",
                                   sb_zone_name(zone), cpu, order);
        for (uint64_t j = 0; j < stack->count; j++) {
            const struct sb_page *page = stack->slots[j];
            uint64_t pfn = sb_page_to_pfn(mm, page);
            if (pfn < zone->start_pfn || pfn >= zone->end_pfn || page->flags != SB_PG_PCP || page->order != order)
                return sb_check_failed(why, why_size,
                                       "zone %s: CPU %u's list of order %u holds pfn %llu, flags %x, order %u",
                                       sb_zone_name(zone), cpu, order, (ull)pfn, page->flags, page->order);
        }
    }
    return 0;
}

/* The pages behind a block's first: no state of their own, and those of small blocks outside the buddy know their
 * head. */
static int check_tail_pages(struct sb_mm *mm, uint64_t pfn, char *why, size_t why_size)
{
    const struct sb_page *page = &mm->memmap[pfn];
    for (uint64_t i = 1; i < UINT64_C(1) << page->order; i++) {
        bool knows = page[i].head == page || page->flags == SB_PG_BUDDY || page->order > SB_COSTLY_ORDER;
        if (page[i].flags || !knows)
            return sb_check_failed(why, why_size, "pfn %llu lies inside the block at pfn %llu, but says otherwise",
                                   (ull)(pfn + i), (ull)pfn);
    }
    return 0;
}

static int check_free_block(struct sb_mm *mm, const struct sb_zone *zone, uint64_t pfn, char *why, size_t why_size)
{
    /* A buddy beyond the zone's end is nobody's to merge with. */
    const struct sb_page *page = &mm->memmap[pfn];
    uint64_t buddy_pfn = pfn ^ (UINT64_C(1) << page->order);
    if (page->order == SB_MAX_ORDER || buddy_pfn < zone->start_pfn || buddy_pfn >= zone->end_pfn)
        return 0;
    const struct sb_page *buddy = &mm->memmap[buddy_pfn];
    if (buddy->flags == SB_PG_BUDDY && buddy->order == page->order)
        return sb_check_failed(why, why_size, "zone %s: the buddies at pfn %llu and %llu are free but not merged",
                               sb_zone_name(zone), (ull)pfn, (ull)buddy_pfn);
    return 0;
}

/* What the walk over a zone's pages finds. */
struct found {
    uint64_t free_blocks[SB_NR_ORDERS], free_pages, allocated, on_pcp;
};

/* Walks the zone block by block: every page belongs to one block, or is reserved. */
static int walk_blocks(struct sb_mm *mm, const struct sb_zone *zone, struct found *found, char *why, size_t why_size)
{
    for (uint64_t pfn = zone->start_pfn, size; pfn < zone->end_pfn; pfn += size) {
        const struct sb_page *page = &mm->memmap[pfn];
        int status = 0;
        size = 1;
        if (page->flags == SB_PG_RESERVED)
            continue;
        if (page->flags != SB_PG_BUDDY && page->flags != SB_PG_ALLOCATED && page->flags != SB_PG_PCP)
            return sb_check_failed(why, why_size, "zone %s: pfn %llu belongs to no block", sb_zone_name(zone),
                                   (ull)pfn);
        size = page->order <= SB_MAX_ORDER ? UINT64_C(1) << page->order : 0;
        if (!size || pfn & (size - 1) || pfn + size > zone->end_pfn)
            return sb_check_failed(why, why_size, "zone %s: the block at pfn %llu is not aligned to its order %u",
                                   sb_zone_name(zone), (ull)pfn, page->order);
        if (page->flags == SB_PG_BUDDY) {
            status = check_free_block(mm, zone, pfn, why, why_size);
            found->free_blocks[page->order]++;
            found->free_pages += size;
        } else {
            found->allocated++;
            found->on_pcp += page->flags == SB_PG_PCP;
        }
        if (!status)
            status = check_tail_pages(mm, pfn, why, why_size);
        if (status)
            return status;
    }
    return 0;
}

static int check_blocks(struct sb_mm *mm, const struct sb_zone *zone, char *why, size_t why_size)
{
    struct found found = {0};
    int status = walk_blocks(mm, zone, &found, why, why_size);
    if (status)
        return status;
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        if (found.free_blocks[order] != zone->free_area[order].nr_free)
            return sb_check_failed(
                why, why_size, "zone %s: there are %llu free blocks of order %u, its lists have %llu",
                sb_zone_name(zone), (ull)found.free_blocks[order], order, (ull)zone->free_area[order].nr_free);
    }
    if (found.free_pages != zone->nr_free_pages || found.allocated != zone->nr_allocated)
        return sb_check_failed(why, why_size, "zone %s counts %llu free pages and %llu blocks; there are %llu and %llu",
                               sb_zone_name(zone), (ull)zone->nr_free_pages, (ull)zone->nr_allocated,
                               (ull)found.free_pages, (ull)found.allocated);
    if (found.on_pcp != pcp_blocks(mm, zone))
        return sb_check_failed(why, why_size, "zone %s: %llu blocks say they are on a CPU's list, %llu are",
                               sb_zone_name(zone), (ull)found.on_pcp, (ull)pcp_blocks(mm, zone));
    return 0;
}

int sb_mm_check(struct sb_mm *mm, char *why, size_t why_size)
{
    /* Counted when they came, for afterwards the structures are sound again: such frees are refused. */
    unsigned bad = atomic_load(&mm->bad_frees);
    if (bad)
        return sb_check_failed(why, why_size, "%u frees named pages that were not allocated, or with another order",
                               bad);
    for (struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        int status = check_lists(mm, zone, why, why_size);
        if (!status)
            status = check_pcp(mm, zone, why, why_size);
        if (!status)
            status = check_blocks(mm, zone, why, why_size);
        if (status)
            return status;
    }
    return sb_pkmap_check(mm, why, why_size);
}
