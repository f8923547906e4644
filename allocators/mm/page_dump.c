/*
 * /proc/buddyinfo, zoneinfo and pagetypeinfo as mm/vmstat.c of Linux 6.1 prints them, and numastat. Only while nothing
 * else runs.
 */
#include "page_internal.h"

#include <errno.h>
#include <string.h>

typedef unsigned long long ull;

static const struct sb_zone *end_of_zones(const struct sb_mm *mm)
{
    return mm->zones + mm->nr_nodes * SB_NR_ZONES;
}

/* Zones lie in one array, node by node. */
static const struct sb_zone *zones_of(const struct sb_mm *mm, unsigned node)
{
    return mm->zones + (size_t)node * SB_NR_ZONES;
}

uint64_t sb_mm_numa_events(const struct sb_mm *mm, const struct sb_zone *zone, enum sb_numa_event event)
{
    uint64_t n = 0;
    for (unsigned cpu = 0; mm->numa && cpu < mm->nr_cpus; cpu++)
        n += mm->numa[(size_t)(zone - mm->zones) * mm->nr_cpus + cpu].n[event];
    return n;
}

/* frag_show: zones without pages are left out. */
static void dump_buddyinfo(struct sb_mm *mm, const struct sb_sink *sink)
{
    for (const struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        if (zone->start_pfn == zone->end_pfn)
            continue;
        sb_sink_printf(sink, "Node %d, zone %8s ", zone->node, sb_zone_name(zone));
        for (unsigned order = 0; order < SB_NR_ORDERS; order++)
            sb_sink_printf(sink, "%6llu ", (ull)zone->free_area[order].nr_free);
        sb_sink_printf(sink, "\n");
    }
}

/* The kernel's migratetype_names without CMA and isolation; no block here is ever HighAtomic. */
enum { SHOWN_TYPES = SB_NR_MIGRATETYPES + 1 };
static const char *const type_names[SHOWN_TYPES] = {"Unmovable", "Movable", "Reclaimable", "HighAtomic"};

/* pagetypeinfo_showfree */
static void dump_free_by_type(struct sb_mm *mm, unsigned node, const struct sb_sink *sink)
{
    sb_sink_printf(sink, "%-43s ", "Free pages count per migrate type at order");
    for (unsigned order = 0; order < SB_NR_ORDERS; order++)
        sb_sink_printf(sink, "%6u ", order);
    sb_sink_printf(sink, "\n");
    for (const struct sb_zone *zone = zones_of(mm, node); zone < zones_of(mm, node + 1); zone++) {
        for (unsigned type = 0; zone->managed && type < SHOWN_TYPES; type++) {
            sb_sink_printf(sink, "Node %4d, zone %8s, type %12s ", node, sb_zone_name(zone), type_names[type]);
            for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
                /* Counted by walking, as the kernel does for want of a counter by type. */
                uint64_t n = 0;
                if (type < SB_NR_MIGRATETYPES) {
                    const struct sb_list *link, *head = &zone->free_area[order].list[type];
                    sb_list_for_each (link, head)
                        n++;
                }
                sb_sink_printf(sink, "%6llu ", (ull)n);
            }
            sb_sink_printf(sink, "\n");
        }
    }
}

/* pagetypeinfo_showblockcount: page blocks whose first page lies in the zone. */
static void dump_blocks_by_type(struct sb_mm *mm, unsigned node, const struct sb_sink *sink)
{
    sb_sink_printf(sink, "\n%-23s", "Number of blocks type ");
    for (unsigned type = 0; type < SHOWN_TYPES; type++)
        sb_sink_printf(sink, "%12s ", type_names[type]);
    sb_sink_printf(sink, "\n");
    for (const struct sb_zone *zone = zones_of(mm, node); zone < zones_of(mm, node + 1); zone++) {
        uint64_t counts[SHOWN_TYPES] = {0};
        if (!zone->managed)
            continue;
        for (uint64_t pfn = zone->start_pfn; pfn < zone->end_pfn; pfn += SB_PAGEBLOCK_PAGES)
            counts[sb_block_type(mm, pfn)]++;
        sb_sink_printf(sink, "Node %d, zone %8s ", node, sb_zone_name(zone));
        for (unsigned type = 0; type < SHOWN_TYPES; type++)
            sb_sink_printf(sink, "%12llu ", (ull)counts[type]);
        sb_sink_printf(sink, "\n");
    }
}

/* pagetypeinfo_show: all of it for each node. */
static void dump_pagetypeinfo(struct sb_mm *mm, const struct sb_sink *sink)
{
    for (unsigned node = 0; node < mm->nr_nodes; node++) {
        sb_sink_printf(sink, "Page block order: %d\nPages per block:  %llu\n\n", SB_PAGEBLOCK_ORDER,
                       (ull)SB_PAGEBLOCK_PAGES);
        dump_free_by_type(mm, node, sink);
        dump_blocks_by_type(mm, node, sink);
    }
}

/* Without a line break in front: the kernel's lines begin with one and end without. */
static void dump_pageset(const struct sb_mm *mm, const struct sb_zone *zone, const struct sb_sink *sink)
{
    sb_sink_printf(sink, "\n  pagesets");
    for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++) {
        uint64_t count = 0, high = 0;
        for (unsigned list = 0; zone->pcp.base && list < SB_NR_PCP_LISTS; list++) {
            const struct sb_cpu_stack *stack = sb_stack_of(&zone->pcp, cpu, zone->pcp_at[list]);
            /* In pages: lists of larger orders hold blocks of several. */
            count += stack->count << sb_pcp_order(list);
            if (!list)
                high = stack->capacity;
        }
        sb_sink_printf(sink,
                       "\n    cpu: %u\n              count: %llu\n              high:  %llu\n"
                       "              batch: %u\n  vm stats threshold: 0",
                       cpu, (ull)count, (ull)high, zone->pcp_batch[0]);
    }
}

static void dump_numa_events(const struct sb_mm *mm, const struct sb_zone *zone, const struct sb_sink *sink)
{
    static const struct {
        const char *name;
        int event; /* -1: no policy interleaves here */
    } rows[] = {{"numa_hit", SB_NUMA_HIT}, {"numa_miss", SB_NUMA_MISS},   {"numa_foreign", SB_NUMA_FOREIGN},
                {"numa_interleave", -1},   {"numa_local", SB_NUMA_LOCAL}, {"numa_other", SB_NUMA_OTHER}};
    for (size_t i = 0; mm->numa && i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t n = rows[i].event < 0 ? 0 : sb_mm_numa_events(mm, zone, (enum sb_numa_event)rows[i].event);
        sb_sink_printf(sink, "\n      %-12s %llu", rows[i].name, (ull)n);
    }
}

/* zoneinfo_show: all zones, empty ones too, for lowmem_reserve is of the set of all. Of the statistics per node and per
 * zone those that there are. */
static void dump_zoneinfo(struct sb_mm *mm, const struct sb_sink *sink)
{
    for (const struct sb_zone *zone = mm->zones; zone < end_of_zones(mm); zone++) {
        sb_sink_printf(sink, "Node %d, zone %8s", (int)((zone - mm->zones) / SB_NR_ZONES), sb_zone_name(zone));
        sb_sink_printf(sink,
                       "\n  pages free     %llu\n        boost    0\n        min      %llu\n"
                       "        low      %llu\n        high     %llu\n        spanned  %llu\n"
                       "        present  %llu\n        managed  %llu\n        cma      0",
                       /* No holes: what is spanned is present. */
                       (ull)zone->nr_free_pages, (ull)zone->watermark[SB_WMARK_MIN], (ull)zone->watermark[SB_WMARK_LOW],
                       (ull)zone->watermark[SB_WMARK_HIGH], (ull)(zone->end_pfn - zone->start_pfn),
                       (ull)(zone->end_pfn - zone->start_pfn), (ull)zone->managed);
        sb_sink_printf(sink, "\n        protection: (");
        for (unsigned type = 0; type < SB_NR_ZONES; type++)
            sb_sink_printf(sink, "%s%llu", type ? ", " : "", (ull)zone->lowmem_reserve[type]);
        sb_sink_printf(sink, ")");
        if (zone->start_pfn < zone->end_pfn) {
            sb_sink_printf(sink, "\n      %-12s %llu", "nr_free_pages", (ull)zone->nr_free_pages);
            dump_numa_events(mm, zone, sink);
            dump_pageset(mm, zone, sink);
            sb_sink_printf(sink, "\n  node_unreclaimable:  0\n  start_pfn:           %llu", (ull)zone->start_pfn);
        }
        sb_sink_printf(sink, "\n");
    }
}

/* As numastat(8) prints what /sys/devices/system/node/nodeN/numastat has. */
static void dump_numastat(struct sb_mm *mm, const struct sb_sink *sink)
{
    static const struct {
        const char *name;
        int event;
    } rows[] = {{"numa_hit", SB_NUMA_HIT}, {"numa_miss", SB_NUMA_MISS},   {"numa_foreign", SB_NUMA_FOREIGN},
                {"interleave_hit", -1},    {"local_node", SB_NUMA_LOCAL}, {"other_node", SB_NUMA_OTHER}};
    sb_sink_printf(sink, "%-24s", "");
    for (unsigned node = 0; node < mm->nr_nodes; node++)
        sb_sink_printf(sink, " %13s%-2u", "node", node);
    sb_sink_printf(sink, "\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sb_sink_printf(sink, "%-24s", rows[i].name);
        for (unsigned node = 0; node < mm->nr_nodes; node++) {
            uint64_t n = 0;
            for (const struct sb_zone *z = zones_of(mm, node); rows[i].event >= 0 && z < zones_of(mm, node + 1); z++)
                n += sb_mm_numa_events(mm, z, (enum sb_numa_event)rows[i].event);
            sb_sink_printf(sink, " %15llu", (ull)n);
        }
        sb_sink_printf(sink, "\n");
    }
}

int sb_mm_dump(struct sb_mm *mm, const char *file, const struct sb_sink *sink)
{
    if (!strcmp(file, "buddyinfo"))
        dump_buddyinfo(mm, sink);
    else if (!strcmp(file, "zoneinfo"))
        dump_zoneinfo(mm, sink);
    else if (!strcmp(file, "pagetypeinfo"))
        dump_pagetypeinfo(mm, sink);
    else if (!strcmp(file, "numastat"))
        dump_numastat(mm, sink);
    else
        return -ENOENT;
    return 0;
}
