/*
 * From a gfp mask to a block, and back.
 *
 * Models __alloc_pages and free_unref_page of mm/page_alloc.c, Linux 6.1: the CPU's list of the preferred
 * zone serves without a lock; else the zonelist is walked, nearest node and highest zone first, passing over
 * zones at their low watermark; then, at the minimum watermark, whoever may sleep reclaims and waits, and
 * whoever may not gives up.
 *
 * How far below the minimum a request may go differs by kernel (option `reserve`): __alloc_pages of 2.6.10,
 * __zone_watermark_ok of 6.1 as released, and that of 6.4, which stable kernels of 6.1 have since taken over.
 * All keep lowmem_reserve. __GFP_MEMALLOC alone passes by every watermark, down to the last page.
 *
 * Differs: there is no kswapd; what it would reclaim behind everyone's back is reclaimed by the one who needs
 * it. The kernel looks at the watermark before it takes a page off the CPU's list; here the list serves as long
 * as it has one. No blocks are kept for atomic requests of higher orders (MIGRATE_HIGHATOMIC). There is no OOM
 * killer, behind which the kernel gives __GFP_NOFAIL the whole reserve. Every block answers for all its pages
 * (virt_to_head), as with __GFP_COMP.
 *
 * Locks: see pcp.c and buddy.c; none is held here.
 *
 * Left out for good: swap and the page cache, so nothing can be reclaimed that an allocator here doesn't
 * hold itself; compaction; memory policies; cpusets.
 */
#define _GNU_SOURCE
#include "page_internal.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_WARNINGS = 10 };

/* The three zone flags as a number. */
static inline unsigned zone_bits(sb_gfp_t gfp)
{
    _Static_assert(SB_GFP_DMA == 1 && SB_GFP_DMA32 >> 4 == 2 && SB_GFP_HIGHMEM >> 4 == 4,
                   "the zone flags fold into three bits");
    return (gfp & 1) | (gfp >> 4 & 6);
}

/* The highest zone a request may use, by those bits; of contradicting ones the lowest wins. */
static enum sb_zone_type highest_zone(unsigned bits)
{
    static const uint8_t zones[8] = {SB_ZONE_NORMAL,  SB_ZONE_DMA, SB_ZONE_DMA32, SB_ZONE_DMA,
                                     SB_ZONE_HIGHMEM, SB_ZONE_DMA, SB_ZONE_DMA32, SB_ZONE_DMA};
    return (enum sb_zone_type)zones[bits];
}

void sb_set_fast_zones(struct sb_mm *mm)
{
    for (unsigned i = 0; i < 8 * mm->nr_nodes; i++) {
        const struct sb_zone *zone = mm->nodes[i / 8].zonelists[highest_zone(i % 8)].zones[0];
        mm->fast_zone[i / 8][i % 8] = zone && zone->pcp.base ? zone : NULL;
    }
}

static enum sb_migratetype migratetype(sb_gfp_t gfp)
{
    _Static_assert(SB_GFP_MOVABLE >> 7 == SB_MOVABLE && SB_GFP_RECLAIMABLE >> 7 == SB_RECLAIMABLE,
                   "the mobility flags are the migrate type");
    return gfp & SB_GFP_MOVABLE ? SB_MOVABLE : (enum sb_migratetype)(gfp >> 7 & 2);
}

/* What one allocation asks for, and how far it may go at this stage. */
struct request {
    sb_gfp_t gfp;
    unsigned order, node;
    enum sb_zone_type highest;
    enum sb_migratetype type;
    enum sb_watermark mark; /* SB_NR_WMARKS: none */
    bool last;              /* reclaim brought nothing, and the request must not fail */
};

const char *const sb_reserve_names[] = {"6.1", "2.6", "6.4", NULL};

/* What of `min` a request leaves: 2.6.10's can_try_harder, 6.1's ALLOC_HARDER, 6.4's ALLOC_NON_BLOCK. */
static uint64_t reserve_kept(uint64_t min, enum sb_reserve rule, const struct request *r)
{
    bool high = r->gfp & SB_GFP_HIGH, sleeps = r->gfp & SB_GFP_DIRECT_RECLAIM, harder = false;
    switch (rule) {
    case SB_RESERVE_2_6: /* it has neither of the two flags, and nothing more for who must not fail */
        harder = !sleeps;
        break;
    case SB_RESERVE_6_1: /* __GFP_ATOMIC, which is here __GFP_HIGH without leave to sleep */
        harder = (high && !sleeps && !(r->gfp & SB_GFP_NOMEMALLOC)) || r->last;
        high = high && !r->last;
        break;
    case SB_RESERVE_6_4:
        harder = high && !sleeps && !(r->gfp & SB_GFP_NOMEMALLOC);
        high = high || r->last;
        break;
    }
    if (high)
        min -= min / 2;
    if (harder)
        min -= min / 4;
    return min;
}

/* zone_watermark_ok, without its look at the higher orders: taking a block looks at those anyway. */
static bool watermark_ok(const struct sb_mm *mm, const struct sb_zone *zone, const struct request *r)
{
    if (r->mark == SB_NR_WMARKS)
        return true;
    uint64_t free = __atomic_load_n(&zone->nr_free_pages, __ATOMIC_RELAXED);
    uint64_t keep = zone->watermark[r->mark];
    if (r->mark == SB_WMARK_MIN)
        keep = reserve_kept(keep, mm->reserve, r);
    return free > keep + zone->lowmem_reserve[r->highest] + (UINT64_C(1) << r->order) - 1;
}

/* The node one is on, or was a moment ago: it is a preference only. Without sequences there is no fast path. */
static inline unsigned node_hint(const struct sb_mm *mm)
{
#ifdef SB_HAVE_RSEQ
    if (__builtin_expect(mm->nr_nodes > 1, 0) && mm->rseq)
        return mm->cpu_node[sb_rseq_cpu()];
#endif
    (void)mm;
    return 0;
}

/* The same where there may be no sequences. */
static unsigned this_node(const struct sb_mm *mm)
{
    if (mm->nr_nodes == 1)
        return 0;
    return mm->rseq ? node_hint(mm) : mm->cpu_node[sched_getcpu()];
}

/* One more of an event, where the CPU that one is on counts. */
static void count_event(struct sb_mm *mm, size_t zone, enum sb_numa_event event)
{
#ifdef SB_HAVE_RSEQ
    uint64_t sum;
    for (int tries = 0; mm->rseq && tries < 4; tries++) {
        uint32_t cpu = sb_rseq_cpu();
        if (sb_rseq_add(&mm->numa[zone * mm->nr_cpus + cpu].n[event], cpu, 1, &sum) == SB_RSEQ_DONE)
            return;
    }
#endif
    int cpu = sched_getcpu();
    if (cpu >= 0 && (unsigned)cpu < mm->nr_cpus)
        __atomic_fetch_add(&mm->numa[zone * mm->nr_cpus + (unsigned)cpu].n[event], 1, __ATOMIC_RELAXED);
}

/* zone_statistics: by the node that was preferred, and by the one that the CPU is of. */
static __attribute__((noinline)) void count_numa(struct sb_mm *mm, unsigned preferred, const struct sb_zone *zone)
{
    size_t index = (size_t)(zone - mm->zones);
    bool hit = zone->node == preferred;
    count_event(mm, index, hit ? SB_NUMA_HIT : SB_NUMA_MISS);
    count_event(mm, index, zone->node == this_node(mm) ? SB_NUMA_LOCAL : SB_NUMA_OTHER);
    /* The zone that would have been a hit: the preferred node's of the same type. */
    if (!hit)
        count_event(mm, (size_t)preferred * SB_NR_ZONES + zone->type, SB_NUMA_FOREIGN);
}

static struct sb_page *from_zone(struct sb_mm *mm, struct sb_zone *zone, const struct request *r)
{
    bool cold = r->gfp & SB_GFP_COLD;
    if (zone->pcp.base && sb_pcp_allowed(r->order) && !cold)
        return sb_pcp_refill(mm, zone, r->order, r->type);
    sb_lock(&zone->lock);
    struct sb_page *page = sb_buddy_take(mm, zone, r->order, r->type, cold);
    zone->nr_allocated += page != NULL;
    sb_unlock(&zone->lock);
    /* Outside the lock: the block is ours by now. */
    if (page)
        sb_set_heads(page, r->order);
    return page;
}

/*
 * The walk: within a node from the highest zone downwards, then the next node. A request for DMA must never
 * be served from above; one for Normal may dip into DMA, as far as lowmem_reserve lets it.
 */
static struct sb_page *from_zonelist(struct sb_mm *mm, const struct request *r)
{
    struct sb_zone *const *zones = mm->nodes[r->node].zonelists[r->highest].zones;
    for (unsigned i = 0; zones[i]; i++) {
        if (r->gfp & SB_GFP_THISNODE && zones[i]->node != r->node)
            continue;
        if (!watermark_ok(mm, zones[i], r))
            continue;
        struct sb_page *page = from_zone(mm, zones[i], r);
        if (page && mm->numa)
            count_numa(mm, r->node, zones[i]);
        if (page)
            return page;
    }
    return NULL;
}

static void warn(struct sb_mm *mm, const struct request *r)
{
    if (r->gfp & SB_GFP_NOWARN || atomic_fetch_add(&mm->warnings, 1) >= MOST_WARNINGS)
        return;
    mm->host->fail(mm->host->context, "page allocation failure: order:%u, mode:%#x, %llu pages free", r->order, r->gfp,
                   (unsigned long long)sb_mm_free_pages(mm));
}

void sb_warn_flags(struct sb_mm *mm, const char *cache, sb_gfp_t asked, sb_gfp_t kept)
{
    if (atomic_fetch_add(&mm->warnings, 1) < MOST_WARNINGS)
        mm->host->fail(mm->host->context, "cache %s: unexpected gfp: %#x, taken as %#x", cache, asked, kept);
}

/* __alloc_pages_slowpath: who must not fail goes below the minimum only after reclaim has brought nothing. */
static __attribute__((noinline)) struct sb_page *alloc_slow(struct sb_mm *mm, struct request *r)
{
    const bool unlimited = r->gfp & SB_GFP_MEMALLOC && !(r->gfp & SB_GFP_NOMEMALLOC);
    struct sb_page *page;
    r->mark = SB_WMARK_LOW;
    page = from_zonelist(mm, r);
    for (unsigned tries = 0; !page; tries++) {
        r->mark = SB_WMARK_MIN;
        r->last = tries && r->gfp & SB_GFP_NOFAIL;
        page = from_zonelist(mm, r);
        if (!page && unlimited) {
            r->mark = SB_NR_WMARKS;
            page = from_zonelist(mm, r);
        }
        if (page || !(r->gfp & SB_GFP_DIRECT_RECLAIM) || !sb_reclaim_and_wait(mm, r->gfp, r->order, tries))
            break;
    }
    if (!page)
        warn(mm, r);
    return page;
}

/* clear_highpage: what has no address is written through the file, which no limit on mappings can stop. */
static bool clear(struct sb_mm *mm, struct sb_page *page, unsigned order)
{
    static const char zeroes[SB_PAGE_SIZE];
    uint64_t pfn = sb_page_to_pfn(mm, page);
    if (!sb_page_is_high(mm, page)) {
        sb_mm_zero(mm, sb_page_address(mm, page), (size_t)SB_PAGE_SIZE << order);
        return true;
    }
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
        if (pwrite(mm->fd, zeroes, sizeof(zeroes), (off_t)((pfn + i) << SB_PAGE_SHIFT)) != sizeof(zeroes))
            return false;
    }
    atomic_fetch_add_explicit(&mm->nr_zeroed, (size_t)SB_PAGE_SIZE << order, memory_order_relaxed);
    return true;
}

/*
 * Off the CPU's list of the preferred zone, where that is where to look first; NULL: the slow way. It calls
 * nothing, so it saves no registers.
 */
static inline struct sb_page *alloc_fast(struct sb_mm *mm, sb_gfp_t gfp, unsigned order)
{
    const struct sb_zone *zone = mm->fast_zone[node_hint(mm)][zone_bits(gfp)];
    if (__builtin_expect(!zone || !sb_pcp_allowed(order) || gfp & (SB_GFP_COLD | SB_GFP_THISNODE | SB_GFP_ZERO), 0))
        return NULL;
    struct sb_page *page = sb_stack_pop(&zone->pcp, zone->pcp_at[sb_pcp_list(order, migratetype(gfp))]);
    if (__builtin_expect(page != NULL, 1))
        sb_page_set_flags(page, SB_PG_ALLOCATED);
    if (__builtin_expect(page && mm->numa, 0))
        count_numa(mm, zone->node, zone);
    return page;
}

static __attribute__((noinline)) struct sb_page *alloc_rest(struct sb_mm *mm, int node, sb_gfp_t gfp, unsigned order)
{
    struct request r = {.gfp = gfp, .order = order, .highest = highest_zone(zone_bits(gfp)), .type = migratetype(gfp)};
    if (order > SB_MAX_ORDER || node >= (int)mm->nr_nodes)
        return NULL;
    r.node = node >= 0 ? (unsigned)node : this_node(mm);
    struct sb_page *page = alloc_slow(mm, &r);
    if (page && gfp & SB_GFP_ZERO && !clear(mm, page, order)) {
        sb_free_pages(mm, page, order);
        page = NULL;
    }
    return page;
}

struct sb_page *sb_alloc_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order)
{
    struct sb_page *page = alloc_fast(mm, gfp, order);
    return __builtin_expect(page != NULL, 1) ? page : alloc_rest(mm, -1, gfp, order);
}

struct sb_page *sb_alloc_pages_node(struct sb_mm *mm, int node, sb_gfp_t gfp, unsigned order)
{
    return node < 0 ? sb_alloc_pages(mm, gfp, order) : alloc_rest(mm, node, gfp, order);
}

__attribute__((noinline)) struct sb_page *sb_find_large_head(const struct sb_mm *mm, const struct sb_page *page)
{
    uint64_t pfn = sb_page_to_pfn(mm, page);
    for (unsigned order = 0; order <= SB_MAX_ORDER; order++) {
        struct sb_page *head = &mm->memmap[pfn & ~((UINT64_C(1) << order) - 1)];
        if (sb_is_head_of(head, page))
            return head;
    }
    return NULL;
}

__attribute__((noinline)) void sb_count_bad_free(struct sb_mm *mm)
{
    atomic_fetch_add(&mm->bad_frees, 1);
}

/*
 * A free of what isn't allocated is refused, not believed: one bad free would otherwise corrupt the
 * lists for every later call, and the trial would blame another.
 */
static inline bool may_free(struct sb_mm *mm, const struct sb_page *page, unsigned order)
{
    return (uint64_t)(page - mm->memmap) < mm->nr_pages && sb_page_flags(page) == SB_PG_ALLOCATED &&
           page->order == order;
}

static __attribute__((noinline)) void give_to_buddy(struct sb_mm *mm, struct sb_page *page, unsigned order, bool cold)
{
    struct sb_zone *zone = sb_page_zone(mm, page);
    sb_lock(&zone->lock);
    sb_buddy_give(mm, zone, page, order, cold);
    zone->nr_allocated--;
    sb_unlock(&zone->lock);
}

/* A list by the page block's type and not by what was asked for: a stolen page goes home. */
void sb_free_pages(struct sb_mm *mm, struct sb_page *page, unsigned order)
{
    if (__builtin_expect(!may_free(mm, page, order), 0)) {
        sb_count_bad_free(mm);
        return;
    }
    struct sb_zone *zone = sb_page_zone(mm, page);
    if (__builtin_expect(!sb_pcp_allowed(order) || !zone->pcp.base, 0)) {
        give_to_buddy(mm, page, order, false);
        return;
    }
    enum sb_migratetype type = sb_block_type(mm, sb_page_to_pfn(mm, page));
    sb_page_set_flags(page, SB_PG_PCP);
    if (__builtin_expect(!sb_stack_push(&zone->pcp, zone->pcp_at[sb_pcp_list(order, type)], page), 0))
        sb_pcp_overflow(mm, zone, page, order, type);
}

void sb_free_cold_page(struct sb_mm *mm, struct sb_page *page)
{
    if (may_free(mm, page, 0))
        give_to_buddy(mm, page, 0, true);
    else
        sb_count_bad_free(mm);
}

static __attribute__((noinline)) void *address_rest(struct sb_mm *mm, sb_gfp_t gfp, unsigned order)
{
    struct sb_page *page = alloc_rest(mm, -1, gfp, order);
    return page ? sb_page_address(mm, page) : NULL;
}

/* The address at once, as drivers want it; so HIGHMEM, which has none, is not looked at. */
void *sb_get_free_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order)
{
    struct sb_page *page = alloc_fast(mm, gfp & ~SB_GFP_HIGHMEM, order);
    return __builtin_expect(page != NULL, 1) ? sb_page_address(mm, page)
                                             : address_rest(mm, gfp & ~SB_GFP_HIGHMEM, order);
}

void *sb_get_zeroed_page(struct sb_mm *mm, sb_gfp_t gfp)
{
    return sb_get_free_pages(mm, gfp | SB_GFP_ZERO, 0);
}

void sb_free_pages_at(struct sb_mm *mm, void *address, unsigned order)
{
    if (address)
        sb_free_pages(mm, sb_virt_to_page(mm, address), order);
}
