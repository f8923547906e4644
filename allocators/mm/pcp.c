/*
 * Per-CPU page lists.
 *
 * Models struct per_cpu_pages in mm/page_alloc.c of Linux 6.1: lists by order (0 to 3, and 9 for huge pages) and
 * migrate type in front of each zone's buddy system; refilled and drained in batches; what was freed last is handed out
 * first; batch and high marks as zone_batchsize and zone_highsize compute them.
 *
 * Differs: 6.1 counts all lists of a CPU against one high mark and drains them in turn; here each list has
 * the mark to itself, divided by its blocks' size. 6.1 looks at the watermark before it takes from a list;
 * here only a refill does.
 *
 * A batch of single pages doubles with each drain in a row, as 6.1's free_factor makes it, and with each
 * refill in a row, which came with 6.7's alloc_factor: who takes or gives thousands of pages needs the zone's
 * lock seldom.
 *
 * A list of order 9 holds two blocks where the high mark is less than that: 6.1 fetches two at a time, and gives back
 * one at the next free.
 *
 * Locks: a CPU's list (taken or seized, see cpu_stack.h), then the zone's lock.
 */
#include "page_internal.h"

#include <errno.h>

enum { MOST_DOUBLINGS = 5 };

/* Pages that a zone may put on each CPU's lists of order 0 (zone_highsize), in blocks of `batch`. */
static uint64_t zone_batch(const struct sb_zone *zone)
{
    uint64_t batch = zone->managed >> 10, mib = UINT64_C(1) << (20 - SB_PAGE_SHIFT), power = 1;
    batch = (batch < mib ? batch : mib) / 4;
    if (batch < 1)
        batch = 1;
    batch += batch / 2;
    while (power * 2 <= batch)
        power *= 2;
    return power > 2 ? power - 1 : 1;
}

/* zone_highsize: the low watermark is shared by the CPUs of the zone's node, or by all where it has none. */
static unsigned sharers_of(const struct sb_mm *mm, unsigned node)
{
    unsigned n = sb_cpus_of_node(mm, node);
    return n ? n : mm->nr_cpus ? mm->nr_cpus : 1;
}

/* rmqueue: a batch of single pages; of larger blocks as many as make that, and two at least. */
static uint64_t blocks_of_batch(uint64_t batch, unsigned order)
{
    if (!order || batch == 1)
        return batch;
    return batch >> order > 2 ? batch >> order : 2;
}

/* Blocks that a list may hold. */
static uint64_t list_capacity(uint64_t high, uint64_t blocks, unsigned order)
{
    uint64_t least = order <= SB_COSTLY_ORDER ? 4 * blocks : 2;
    return high >> order > least ? high >> order : least;
}

int sb_pcp_init(struct sb_mm *mm, struct sb_zone *zone)
{
    uint64_t batch = zone_batch(zone), high = zone->watermark[SB_WMARK_LOW] / sharers_of(mm, zone->node);
    uint64_t capacity[SB_NR_PCP_LISTS];
    size_t bytes = 0;
    if (high < 4 * batch)
        high = 4 * batch;
    for (unsigned list = 0; list < SB_NR_PCP_LISTS; list++) {
        unsigned order = sb_pcp_order(list);
        uint64_t blocks = blocks_of_batch(batch, order);
        zone->pcp_batch[sb_pcp_index(order)] = (uint32_t)blocks;
        capacity[list] = list_capacity(high, blocks, order);
        zone->pcp_at[list] = bytes;
        bytes += sb_stack_bytes(capacity[list]);
    }
    int status = sb_stacks_init(&zone->pcp, mm->nr_cpus, bytes, mm->rseq, SB_RANK_PAGE_LIST);
    for (unsigned cpu = 0; cpu < mm->nr_cpus && !status; cpu++) {
        for (unsigned list = 0; list < SB_NR_PCP_LISTS; list++)
            sb_stack_make(&zone->pcp, cpu, zone->pcp_at[list], capacity[list]);
    }
    return status;
}

void sb_pcp_exit(struct sb_zone *zone)
{
    sb_stacks_exit(&zone->pcp);
}

/* Single pages: twice as many each time in a row, up to half of what the list may hold. Huge ones by twos. */
static uint64_t scaled(const struct sb_zone *zone, const struct sb_cpu_stack *stack, unsigned order, unsigned times)
{
    uint64_t batch = (uint64_t)zone->pcp_batch[sb_pcp_index(order)] << (order ? 0 : times);
    uint64_t most = order <= SB_COSTLY_ORDER ? stack->capacity / 2 : stack->capacity;
    return batch < most ? batch : most;
}

/* Blocks from the buddy into an empty list, the first one taken on top: a fresh run goes out in order. */
static uint64_t fill(struct sb_mm *mm, struct sb_zone *zone, struct sb_cpu_stack *stack, unsigned order,
                     enum sb_migratetype type)
{
    uint64_t n = 0, batch = scaled(zone, stack, order, stack->fills);
    stack->fills = stack->fills < MOST_DOUBLINGS ? stack->fills + 1 : MOST_DOUBLINGS;
    stack->drains /= 2;
    sb_lock(&zone->lock);
    /* More than the plain batch only of what lies above the high watermark: no refill eats the reserve. */
    uint64_t free = zone->nr_free_pages, keep = zone->watermark[SB_WMARK_HIGH];
    uint64_t most = free > keep ? (free - keep) >> order : 0;
    if (most < zone->pcp_batch[sb_pcp_index(order)])
        most = zone->pcp_batch[sb_pcp_index(order)];
    if (batch > most)
        batch = most;
    while (n < batch) {
        struct sb_page *page = sb_buddy_take(mm, zone, order, type, false);
        if (!page)
            break;
        stack->slots[batch - 1 - n++] = page;
    }
    zone->nr_allocated += n;
    sb_unlock(&zone->lock);
    /* Moved down where the buddy ran dry; the rest needs no lock, the blocks are ours. */
    for (uint64_t i = 0; i < n; i++) {
        struct sb_page *page = stack->slots[i] = stack->slots[batch - n + i];
        sb_page_set_flags(page, SB_PG_PCP);
        sb_set_heads(page, order);
    }
    return n;
}

static struct sb_page *take_one(struct sb_mm *mm, struct sb_zone *zone, unsigned order, enum sb_migratetype type)
{
    sb_lock(&zone->lock);
    struct sb_page *page = sb_buddy_take(mm, zone, order, type, false);
    zone->nr_allocated += page != NULL;
    sb_unlock(&zone->lock);
    if (page)
        sb_set_heads(page, order);
    return page;
}

__attribute__((noinline)) struct sb_page *sb_pcp_refill(struct sb_mm *mm, struct sb_zone *zone, unsigned order,
                                                        enum sb_migratetype type)
{
    uint64_t count;
    struct sb_cpu_stack *stack = sb_stack_take(&zone->pcp, zone->pcp_at[sb_pcp_list(order, type)], &count);
    struct sb_page *page = NULL;
    if (!stack) /* in the hands of a thread that is not running: the buddy serves */
        return take_one(mm, zone, order, type);
    if (!count)
        count = fill(mm, zone, stack, order, type);
    if (count) {
        page = stack->slots[--count];
        sb_page_set_flags(page, SB_PG_ALLOCATED);
    }
    sb_stack_give_back(&zone->pcp, stack, count);
    return page;
}

/* The `n` oldest, which are the coldest, go to the buddy. */
static void drain(struct sb_mm *mm, struct sb_zone *zone, struct sb_cpu_stack *stack, uint64_t *count, uint64_t n,
                  unsigned order)
{
    sb_lock(&zone->lock);
    for (uint64_t i = 0; i < n; i++)
        sb_buddy_give(mm, zone, stack->slots[i], order, false);
    zone->nr_allocated -= n;
    sb_unlock(&zone->lock);
    sb_stack_drop_oldest(stack, count, n);
}

__attribute__((noinline)) void sb_pcp_overflow(struct sb_mm *mm, struct sb_zone *zone, struct sb_page *page,
                                               unsigned order, enum sb_migratetype type)
{
    uint64_t count;
    struct sb_cpu_stack *stack = sb_stack_take(&zone->pcp, zone->pcp_at[sb_pcp_list(order, type)], &count);
    if (!stack) {
        sb_lock(&zone->lock);
        sb_buddy_give(mm, zone, page, order, false);
        zone->nr_allocated--;
        sb_unlock(&zone->lock);
        return;
    }
    if (count == stack->capacity) {
        drain(mm, zone, stack, &count, scaled(zone, stack, order, stack->drains), order);
        stack->drains = stack->drains < MOST_DOUBLINGS ? stack->drains + 1 : MOST_DOUBLINGS;
        stack->fills = 0;
    }
    stack->slots[count++] = page;
    sb_stack_give_back(&zone->pcp, stack, count);
}

static void drain_cpu(struct sb_mm *mm, struct sb_zone *zone, unsigned cpu)
{
    for (unsigned list = 0; list < SB_NR_PCP_LISTS; list++) {
        uint64_t count;
        struct sb_cpu_stack *stack = sb_stack_of(&zone->pcp, cpu, zone->pcp_at[list]);
        /* A look without taking part: most lists are empty, and seizing is a system call. */
        if (mm->rseq && !__atomic_load_n(&stack->count, __ATOMIC_RELAXED))
            continue;
        if (!sb_stack_seize(&zone->pcp, cpu, zone->pcp_at[list], &count))
            continue;
        drain(mm, zone, stack, &count, count, sb_pcp_order(list));
        sb_stack_give_back(&zone->pcp, stack, count);
    }
}

void sb_drain_all_pages(struct sb_mm *mm)
{
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++) {
        for (unsigned cpu = 0; mm->zones[i].pcp.base && cpu < mm->nr_cpus; cpu++)
            drain_cpu(mm, &mm->zones[i], cpu);
    }
}

uint64_t sb_mm_pcp_pages(const struct sb_mm *mm)
{
    uint64_t pages = 0;
    for (unsigned i = 0; i < mm->nr_nodes * SB_NR_ZONES; i++) {
        const struct sb_zone *zone = &mm->zones[i];
        for (unsigned list = 0; zone->pcp.base && list < SB_NR_PCP_LISTS; list++) {
            for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++)
                pages += sb_stack_of(&zone->pcp, cpu, zone->pcp_at[list])->count << sb_pcp_order(list);
        }
    }
    return pages;
}
