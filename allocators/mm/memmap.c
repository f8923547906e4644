/*
 * The memory map, nodes and zones: from the host's memory to a running page allocator.
 *
 * Models what Linux 6.1 does at boot on x86-64 (mm/page_alloc.c: free_area_init, build_zonelists,
 * setup_per_zone_wmarks, setup_per_zone_lowmem_reserve): memory is divided among nodes by address; zones DMA
 * (to 16 MiB), DMA32 (to 4 GiB), Normal above; HighMem, which only 32-bit kernels have, is the end of memory
 * and really has no direct map. The map of page frames is taken off the end of low memory, where
 * memblock puts it, so that its size counts against the allocator and not against the harness. All page
 * blocks begin as movable. min_free_kbytes is 4 * sqrt(low memory in KiB), within 128 KiB and 256 MiB.
 *
 * Locks: none; nobody else is there yet.
 */
#define _GNU_SOURCE
#include "bootmem.h"
#include "page_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_PAGES (UINT64_C(1) << SB_MAX_ORDER)
#define DMA_PAGES   (UINT64_C(16) << (20 - SB_PAGE_SHIFT))
/* ACPI's units, and what the kernel takes where there is no table. */
enum { LOCAL_DISTANCE = 10, REMOTE_DISTANCE = 20 };

struct sb_mm_config sb_mm_read_options(const union sb_value *options)
{
    return (struct sb_mm_config){
        .page_lists = options[SB_MM_OPTION_PAGE_LISTS].u,
        .sync = (enum sb_cpu_sync)options[SB_MM_OPTION_CPU_SYNC].u,
        .nodes = (unsigned)options[SB_MM_OPTION_NODES].u,
        .dma32_end = options[SB_MM_OPTION_DMA32].u,
        .highmem = options[SB_MM_OPTION_HIGHMEM].u,
        .reserve = (enum sb_reserve)options[SB_MM_OPTION_RESERVE].u,
    };
}

static uint64_t clamp(uint64_t n, uint64_t low, uint64_t high)
{
    return n < low ? low : n > high ? high : n;
}

static uint64_t int_sqrt(uint64_t n)
{
    /* As the kernel's int_sqrt: rounded down, and without floating point. */
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1) {
        if ((root + bit) * (root + bit) <= n)
            root += bit;
    }
    return root;
}

/* The host's nodes as they are, or as many as were asked for with the CPUs dealt out in equal runs. */
static int set_nodes(struct sb_mm *mm, const struct sb_host *host, unsigned wanted)
{
    bool known = host->struct_size >= offsetof(struct sb_host, cpu_node) + sizeof(host->cpu_node);
    const uint32_t *cpu_node = known ? host->cpu_node : NULL;
    mm->nr_nodes = wanted ? wanted : host->nr_nodes ? host->nr_nodes : 1;
    if (mm->nr_nodes > SB_MAX_NODES || mm->nr_nodes * BLOCK_PAGES > mm->nr_pages) {
        host->fail(host->context, "%u NUMA nodes are more than %d, or than the memory has blocks of 4 MiB",
                   mm->nr_nodes, SB_MAX_NODES);
        return -EINVAL;
    }
    mm->cpu_node = calloc(mm->nr_cpus, sizeof(*mm->cpu_node));
    if (!mm->cpu_node)
        return -ENOMEM;
    for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++) {
        /* A CPU of a node that isn't there falls to the first, as one without memory does. */
        unsigned node = wanted || !cpu_node ? cpu * mm->nr_nodes / mm->nr_cpus : cpu_node[cpu];
        mm->cpu_node[cpu] = (uint8_t)(node < mm->nr_nodes ? node : 0);
    }
    /* Of nodes that the machine doesn't have nobody knows more than the kernel does without a table. */
    bool told = host->struct_size >= offsetof(struct sb_host, node_distance) + sizeof(host->node_distance);
    const uint32_t *table = wanted || !told ? NULL : host->node_distance;
    for (unsigned i = 0; i < mm->nr_nodes * mm->nr_nodes; i++) {
        unsigned from = i / mm->nr_nodes, to = i % mm->nr_nodes;
        mm->distance[from][to] = table ? table[i] : from == to ? LOCAL_DISTANCE : REMOTE_DISTANCE;
    }
    /* On borders of the largest block; the last node has what is over. */
    uint64_t share = mm->nr_pages / mm->nr_nodes & ~(BLOCK_PAGES - 1);
    for (unsigned i = 0; i < mm->nr_nodes; i++) {
        mm->nodes[i].start_pfn = i * share;
        mm->nodes[i].end_pfn = i + 1 < mm->nr_nodes ? (i + 1) * share : mm->nr_pages;
    }
    return 0;
}

/* Takes the direct map away from the end of memory. */
static int set_highmem(struct sb_mm *mm, const struct sb_host *host, uint64_t bytes)
{
    uint64_t pages = bytes >> SB_PAGE_SHIFT;
    mm->low_pages = mm->nr_pages;
    if (!bytes)
        return 0;
    /* Rounded it would be another machine than the one asked for, or none. */
    if (bytes % (BLOCK_PAGES << SB_PAGE_SHIFT)) {
        host->fail(host->context, "highmem: %llu bytes are no multiple of 4 MiB, the largest block",
                   (unsigned long long)bytes);
        return -EINVAL;
    }
    if (host->memory_fd < 0 || pages + 2 * BLOCK_PAGES > mm->nr_pages) {
        host->fail(host->context,
                   "highmem: %llu MiB leave too little low memory of %llu MiB, or there is no memory file",
                   (unsigned long long)(bytes >> 20), (unsigned long long)(mm->nr_pages >> (20 - SB_PAGE_SHIFT)));
        return -EINVAL;
    }
    mm->low_pages -= pages;
    /* Whoever touches HighMem without a kmap faults, as in a 32-bit kernel. */
    if (mprotect(mm->base + (mm->low_pages << SB_PAGE_SHIFT), pages << SB_PAGE_SHIFT, PROT_NONE))
        return -errno;
    return 0;
}

static int set_memmap(struct sb_mm *mm, const struct sb_host *host, struct sb_bootmem *boot)
{
    uint64_t bytes = mm->nr_pages * sizeof(struct sb_page);
    sb_bootmem_init(boot, mm->base, mm->low_pages << SB_PAGE_SHIFT);
    /* From the top of low memory, as memblock does: the low zones stay whole. */
    mm->memmap = sb_alloc_bootmem_top(boot, bytes);
    mm->block_type = malloc((mm->nr_pages >> SB_PAGEBLOCK_ORDER) + 1);
    if (!mm->memmap || !mm->block_type) {
        host->fail(host->context, "the page allocator needs memory for its map of %llu pages",
                   (unsigned long long)mm->nr_pages);
        return -ENOMEM;
    }
    memset(mm->memmap, 0, bytes);
    memset(mm->block_type, SB_MOVABLE, (mm->nr_pages >> SB_PAGEBLOCK_ORDER) + 1);
    return 0;
}

/* A zone's range within its node; empty where they don't meet. */
static void set_zone(struct sb_mm *mm, unsigned node, enum sb_zone_type type, uint64_t start, uint64_t end)
{
    struct sb_zone *zone = &mm->zones[node * SB_NR_ZONES + type];
    sb_lock_init(&zone->lock, SB_RANK_ZONE);
    zone->node = (uint8_t)node;
    zone->type = (uint8_t)type;
    zone->start_pfn = clamp(start, mm->nodes[node].start_pfn, mm->nodes[node].end_pfn);
    zone->end_pfn = clamp(end, zone->start_pfn, mm->nodes[node].end_pfn);
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        for (unsigned t = 0; t < SB_NR_MIGRATETYPES; t++)
            sb_list_init(&zone->free_area[order].list[t]);
    }
    for (uint64_t pfn = zone->start_pfn; pfn < zone->end_pfn; pfn++) {
        mm->memmap[pfn].zone = (uint8_t)(node * SB_NR_ZONES + type);
        mm->memmap[pfn].flags = SB_PG_RESERVED;
    }
}

static void set_zones(struct sb_mm *mm, uint64_t dma32_bytes)
{
    uint64_t dma = DMA_PAGES < mm->low_pages ? DMA_PAGES : mm->low_pages;
    uint64_t dma32 = clamp((dma32_bytes ? dma32_bytes : UINT64_C(4) << 30) >> SB_PAGE_SHIFT, dma, mm->low_pages);
    /* On block borders, so that no block spans two zones. */
    dma32 &= ~(BLOCK_PAGES - 1);
    if (dma32 < dma)
        dma32 = dma;
    for (unsigned node = 0; node < mm->nr_nodes; node++) {
        set_zone(mm, node, SB_ZONE_DMA, 0, dma);
        set_zone(mm, node, SB_ZONE_DMA32, dma, dma32);
        set_zone(mm, node, SB_ZONE_NORMAL, dma32, mm->low_pages);
        set_zone(mm, node, SB_ZONE_HIGHMEM, mm->low_pages, mm->nr_pages);
    }
}

/* memblock_free_all for one zone: in the largest blocks, the lowest last, so that it is handed out first. */
static void free_range(struct sb_mm *mm, struct sb_zone *zone, uint64_t start, uint64_t end)
{
    for (uint64_t pfn = end; pfn > start;) {
        unsigned order = 0;
        while (order < SB_MAX_ORDER && !(pfn & ((UINT64_C(2) << order) - 1)) && pfn - start >= UINT64_C(2) << order)
            order++;
        pfn -= UINT64_C(1) << order;
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
            mm->memmap[pfn + i].flags = 0;
        sb_buddy_give(mm, zone, &mm->memmap[pfn], order, false);
        zone->managed += UINT64_C(1) << order;
    }
}

/* What boot left free of the zone, from the last range to the first. HighMem has none of boot's allocations.
 */
static void free_boot_pages(struct sb_mm *mm, const struct sb_bootmem *boot, struct sb_zone *zone)
{
    if (zone->type == SB_ZONE_HIGHMEM) {
        free_range(mm, zone, zone->start_pfn, zone->end_pfn);
        return;
    }
    for (unsigned i = boot->n + 1; i-- > 0;) {
        struct sb_region gap = sb_bootmem_gap(boot, i);
        uint64_t start = (gap.start + SB_PAGE_SIZE - 1) >> SB_PAGE_SHIFT;
        uint64_t end = (gap.start + gap.size) >> SB_PAGE_SHIFT;
        start = start > zone->start_pfn ? start : zone->start_pfn;
        end = end < zone->end_pfn ? end : zone->end_pfn;
        if (start < end)
            free_range(mm, zone, start, end);
    }
}

/* Kept in lower zones from those who could have had a higher one: sysctl_lowmem_reserve_ratio. */
static void set_lowmem_reserve(struct sb_mm *mm, unsigned node)
{
    /* The kernel's defaults. */
    static const uint16_t ratio[SB_NR_ZONES] = {256, 256, 32, 0};
    struct sb_zone *zones = &mm->zones[node * SB_NR_ZONES];
    for (unsigned i = 0; i < SB_NR_ZONES; i++) {
        uint64_t above = 0;
        for (unsigned j = i + 1; j < SB_NR_ZONES; j++) {
            above += zones[j].managed;
            zones[i].lowmem_reserve[j] = ratio[i] && zones[i].managed ? above / ratio[i] : 0;
        }
    }
}

static void set_watermarks(struct sb_mm *mm)
{
    uint64_t low = 0;
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++)
        low += mm->zones[i].type == SB_ZONE_HIGHMEM ? 0 : mm->zones[i].managed;
    /* init_per_zone_wmark_min: four times the root of low memory in KiB, between 128 KiB and 256 MiB. */
    uint64_t min_free_kib = clamp(int_sqrt(low * (SB_PAGE_SIZE >> 10) * 16), 128, 262144);
    uint64_t pages_min = min_free_kib >> (SB_PAGE_SHIFT - 10);
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++) {
        struct sb_zone *zone = &mm->zones[i];
        uint64_t share = low ? pages_min * zone->managed / low : 0;
        uint64_t step = share / 4 > zone->managed / 1000 ? share / 4 : zone->managed / 1000;
        /* HighMem keeps little: nobody needs it to reclaim. */
        zone->watermark[SB_WMARK_MIN] = zone->type != SB_ZONE_HIGHMEM ? share
                                        : zone->managed               ? clamp(zone->managed / 1024, 32, 128)
                                                                      : 0;
        zone->watermark[SB_WMARK_LOW] = zone->watermark[SB_WMARK_MIN] + step;
        zone->watermark[SB_WMARK_HIGH] = zone->watermark[SB_WMARK_LOW] + step;
    }
}

unsigned sb_cpus_of_node(const struct sb_mm *mm, unsigned node)
{
    unsigned n = 0;
    for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++)
        n += mm->cpu_node[cpu] == node;
    return n;
}

/*
 * find_next_best_node: the nearest that is not used yet; of equals first those behind `node`, without CPUs, and of whom
 * fewer nodes think first. nr_nodes: none is left.
 */
static unsigned next_best_node(const struct sb_mm *mm, unsigned node, uint64_t used, const unsigned *load)
{
    unsigned best = mm->nr_nodes;
    uint64_t least = UINT64_MAX;
    if (!(used >> node & 1))
        return node;
    for (unsigned n = 0; n < mm->nr_nodes; n++) {
        uint64_t cost =
            ((uint64_t)mm->distance[node][n] + (n < node) + (sb_cpus_of_node(mm, n) > 0)) * SB_MAX_NODES + load[n];
        if (used >> n & 1 || cost >= least)
            continue;
        least = cost;
        best = n;
    }
    return best;
}

/* build_zonelists_in_node_order: within a node from the highest zone that will do, so that the low ones last. */
static void append_node(struct sb_mm *mm, struct sb_zonelist *list, unsigned *n, unsigned node, unsigned highest)
{
    struct sb_zone *zones = &mm->zones[node * SB_NR_ZONES];
    for (unsigned type = highest + 1; type-- > 0;) {
        if (zones[type].managed)
            list->zones[(*n)++] = &zones[type];
    }
    list->zones[*n] = NULL;
}

/* build_zonelists of every node: the first of each group of equal distance is used less by the next nodes. */
static void build_zonelists(struct sb_mm *mm)
{
    unsigned load[SB_MAX_NODES] = {0};
    for (unsigned node = 0; node < mm->nr_nodes; node++) {
        unsigned n[SB_NR_ZONES] = {0}, before = node, next;
        uint64_t used = 0;
        while ((next = next_best_node(mm, node, used, load)) < mm->nr_nodes) {
            load[next] += mm->distance[node][next] != mm->distance[node][before];
            used |= UINT64_C(1) << next;
            before = next;
            for (unsigned highest = 0; highest < SB_NR_ZONES; highest++)
                append_node(mm, &mm->nodes[node].zonelists[highest], &n[highest], next, highest);
        }
    }
}

/* An allocation before there are zones, of the size that the plugin `bootmem` asks for. */
static int allocate_at_boot(struct sb_mm *mm, const struct sb_host *host, struct sb_bootmem *boot, uint64_t bytes)
{
    if (!bytes)
        return 0;
    mm->boot = sb_alloc_bootmem_pages(boot, bytes);
    if (mm->boot)
        return 0;
    host->fail(host->context, "boot memory: %llu MiB in one piece are not to be had of %llu MiB",
               (unsigned long long)(bytes >> 20), (unsigned long long)(host->memory_size >> 20));
    return -ENOMEM;
}

static int start_zones(struct sb_mm *mm, const struct sb_bootmem *boot, const struct sb_mm_config *config)
{
    int status = 0;
    set_zones(mm, config->dma32_end);
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++)
        free_boot_pages(mm, boot, &mm->zones[i]);
    /* No CPU has given these back: boot had them. */
    for (uint64_t pfn = 0; pfn < mm->nr_pages; pfn++)
        mm->memmap[pfn].giver = 0;
    /* What boot took; it is nobody's to free. */
    mm->nr_reserved = mm->nr_pages - sb_mm_free_pages(mm);
    set_watermarks(mm);
    for (unsigned node = 0; node < mm->nr_nodes; node++)
        set_lowmem_reserve(mm, node);
    build_zonelists(mm);
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES && config->page_lists && !status; i++) {
        if (mm->zones[i].managed)
            status = sb_pcp_init(mm, &mm->zones[i]);
    }
    sb_set_fast_zones(mm);
    return status;
}

int sb_mm_init(struct sb_mm *mm, const struct sb_host *host, const struct sb_mm_config *config)
{
    struct sb_bootmem boot = {0};
    memset(mm, 0, sizeof(*mm));
    mm->host = host;
    mm->base = host->memory;
    mm->fd = host->memory_fd;
    mm->nr_cpus = host->nr_cpus;
    mm->nr_pages = host->memory_size >> SB_PAGE_SHIFT;
    mm->reserve = config->reserve;
    sb_lock_init(&mm->reclaim_lock, SB_RANK_RECLAIM);
    mm->rseq = config->sync != SB_SYNC_LOCK && sb_rseq_can_seize();
    /* Asked for by name it must be had: a run that measures locks instead would mislead. */
    if (config->sync == SB_SYNC_RSEQ && !mm->rseq) {
        host->fail(host->context,
                   "cpu_sync = rseq: this process has no restartable sequences (old kernel or C library, "
                   "valgrind, or another processor); use auto or lock");
        return -ENOTSUP;
    }
    if (!host->memory || mm->nr_pages < BLOCK_PAGES) {
        host->fail(host->context, "the page allocator needs at least 4 MiB of memory");
        return -ENOMEM;
    }
    int status = set_nodes(mm, host, config->nodes);
    if (!status && mm->nr_nodes > 1) {
        mm->numa = calloc((size_t)mm->nr_nodes * SB_NR_ZONES * mm->nr_cpus, sizeof(*mm->numa));
        status = mm->numa ? 0 : -ENOMEM;
    }
    if (!status)
        status = set_highmem(mm, host, config->highmem);
    if (!status)
        status = set_memmap(mm, host, &boot);
    if (!status)
        status = allocate_at_boot(mm, host, &boot, config->boot_bytes);
    if (!status)
        status = start_zones(mm, &boot, config);
    if (!status)
        status = sb_pkmap_init(mm);
    sb_bootmem_exit(&boot);
    return status;
}

void sb_mm_exit(struct sb_mm *mm)
{
    /* The memory is the host's, and goes back as it came. */
    if (mm->low_pages && mm->low_pages < mm->nr_pages)
        mprotect(mm->base + (mm->low_pages << SB_PAGE_SHIFT), (mm->nr_pages - mm->low_pages) << SB_PAGE_SHIFT,
                 PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++)
        sb_pcp_exit(&mm->zones[i]);
    sb_pkmap_exit(mm);
    free(mm->cpu_node);
    free(mm->block_type);
    free(mm->numa);
    mm->cpu_node = mm->block_type = NULL;
}
