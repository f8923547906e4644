/* The page allocator and boot memory: zones, nodes, lists, watermarks, migrate types, flags. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/bootmem.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>

static struct sb_zone *zone_of(struct sb_mm *mm, unsigned node, enum sb_zone_type type)
{
    return &mm->zones[node * SB_NR_ZONES + type];
}

static void lists_hold_back_and_are_drained(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 128, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    uint64_t free_at_first = sb_mm_free_pages(&mm);
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0);
    sb_free_pages(&mm, page, 0);
    assert_true(sb_mm_pcp_pages(&mm) > 0);
    assert_int_equal(sb_mm_free_pages(&mm) + sb_mm_pcp_pages(&mm), free_at_first);
    assert_int_equal(sb_mm_live_blocks(&mm), 0);
    CHECK(sb_mm_check, &mm);
    sb_drain_all_pages(&mm);
    assert_int_equal(sb_mm_pcp_pages(&mm), 0);
    assert_int_equal(sb_mm_free_pages(&mm), free_at_first);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* More than the plain batch only of what lies above the high watermark, as nr_pcp_alloc of 6.1 has its limits. */
static void no_refill_eats_the_reserve(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    uint64_t largest = 0;
    (void)state;
    pin_to_one_cpu();
    open_mm_with(&t, &mm, 128, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    struct sb_zone *const zones[] = {zone_of(&mm, 0, SB_ZONE_DMA), zone_of(&mm, 0, SB_ZONE_DMA32)};
    uint64_t free[2];
    do {
        for (int i = 0; i < 2; i++)
            free[i] = zones[i]->nr_free_pages;
        if (!sb_alloc_pages(&mm, SB_GFP_NOWAIT, 0))
            break;
        for (int i = 0; i < 2; i++) {
            uint64_t took = free[i] - zones[i]->nr_free_pages, high = zones[i]->watermark[SB_WMARK_HIGH],
                     above = free[i] > high ? free[i] - high : 0, batch = zones[i]->pcp_batch[0];
            assert_true(took <= (above > batch ? above : batch));
            largest = took > largest ? took : largest;
        }
    } while (true);
    /* There was something to hold back. */
    assert_true(largest > zones[1]->pcp_batch[0]);
    close_mm(&t, &mm);
}

/* A cold page goes behind all others; one freed hot is handed out next. */
static void cold_pages_pass_by_the_lists(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    pin_to_one_cpu();
    open_mm_with(&t, &mm, 64, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    struct sb_page *a = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0), *b = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0);
    sb_free_pages(&mm, a, 0);
    sb_free_cold_page(&mm, b);
    assert_ptr_equal(sb_alloc_pages(&mm, SB_GFP_KERNEL, 0), a);
    uint64_t on_lists = sb_mm_pcp_pages(&mm);
    assert_non_null(sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_COLD, 0));
    assert_int_equal(sb_mm_pcp_pages(&mm), on_lists);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* The block that was freed last is the warmest: without lists the head of free_list is the order of the day. */
static void the_last_freed_comes_first(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_page *pages[6];
    (void)state;
    open_mm(&t, &mm, 64, 1);
    for (int i = 0; i < 6; i++)
        pages[i] = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0);
    /* Every second one, so that none finds its buddy free. */
    for (int i = 0; i < 6; i += 2)
        sb_free_pages(&mm, pages[i], 0);
    for (int i = 4; i >= 0; i -= 2)
        assert_ptr_equal(sb_alloc_pages(&mm, SB_GFP_KERNEL, 0), pages[i]);
    close_mm(&t, &mm);
}

static void zones_serve_whom_they_should(void **state)
{
    static const struct {
        sb_gfp_t gfp;
        enum sb_zone_type zone;
    } rows[] = {
        {SB_GFP_KERNEL, SB_ZONE_NORMAL},           {SB_GFP_ATOMIC, SB_ZONE_NORMAL},
        {SB_GFP_KERNEL | SB_GFP_DMA, SB_ZONE_DMA}, {SB_GFP_KERNEL | SB_GFP_DMA32, SB_ZONE_DMA32},
        {SB_GFP_HIGHUSER, SB_ZONE_HIGHMEM},        {SB_GFP_KERNEL | SB_GFP_DMA | SB_GFP_HIGHMEM, SB_ZONE_DMA},
    };
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 128, 2, &(struct sb_mm_config){.dma32_end = 32 << 20, .highmem = 32 << 20});
    assert_int_equal(zone_of(&mm, 0, SB_ZONE_DMA)->end_pfn, 4096);
    assert_int_equal(zone_of(&mm, 0, SB_ZONE_DMA32)->end_pfn, 8192);
    assert_int_equal(zone_of(&mm, 0, SB_ZONE_HIGHMEM)->start_pfn, 96 << 8);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sb_page *page = sb_alloc_pages(&mm, rows[i].gfp, 2);
        assert_non_null(page);
        assert_int_equal(sb_page_zone(&mm, page)->type, rows[i].zone);
    }
    /* What wants an address is never given HighMem. */
    assert_in_range((uintptr_t)sb_get_free_pages(&mm, SB_GFP_HIGHUSER, 0), (uintptr_t)mm.base,
                    (uintptr_t)mm.base + (96 << 20) - 1);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* HighMem used up, a request for it falls back downwards; one for DMA never goes up. */
static void zonelists_fall_back_downwards(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    unsigned seen[SB_NR_ZONES] = {0};
    (void)state;
    open_mm_with(&t, &mm, 128, 2, &(struct sb_mm_config){.dma32_end = 32 << 20, .highmem = 32 << 20});
    int last = SB_ZONE_HIGHMEM;
    for (struct sb_page *page; (page = sb_alloc_pages(&mm, SB_GFP_MEMALLOC | SB_GFP_HIGHMEM, 0));) {
        int type = sb_page_zone(&mm, page)->type;
        seen[type]++;
        /* Down to the reserves zone by zone; then the reserves, again from the top. */
        assert_true(type <= last || seen[SB_ZONE_DMA]);
        last = seen[SB_ZONE_DMA] ? SB_ZONE_HIGHMEM : type;
    }
    for (int i = 0; i < SB_NR_ZONES; i++)
        assert_int_equal(seen[i], zone_of(&mm, 0, (enum sb_zone_type)i)->managed);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

static sigjmp_buf no_access;
static void on_fault(int number)
{
    siglongjmp(no_access, number);
}

static void highmem_is_whole_blocks(void **state)
{
    static const uint64_t wrong[] = {1, 1 << 20, 3 << 20, (4 << 20) + 4096};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct test_host t;
        struct sb_mm mm;
        test_host_open(&t, 64, 2);
        assert_int_equal(sb_mm_init(&mm, &t.host, &(struct sb_mm_config){.highmem = wrong[i]}), -EINVAL);
        assert_non_null(strstr(t.failure, "no multiple of 4 MiB"));
        sb_mm_exit(&mm);
        test_host_close(&t);
    }
}

static void highmem_has_no_direct_map(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sigaction action = {.sa_handler = on_fault}, segv, bus;
    (void)state;
    open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.highmem = 32 << 20});
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_HIGHUSER | SB_GFP_ZERO, 0);
    assert_true(sb_page_is_high(&mm, page));
    volatile char *mapped = sb_kmap(&mm, page);
    assert_non_null((void *)mapped);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(mapped[i], 0);
    mapped[7] = 42;
    sb_kunmap(&mm, page, (void *)mapped);
    mapped = sb_kmap(&mm, page);
    assert_int_equal(mapped[7], 42);
    sb_kunmap(&mm, page, (void *)mapped);
    sigaction(SIGSEGV, &action, &segv);
    sigaction(SIGBUS, &action, &bus);
    volatile int faulted = sigsetjmp(no_access, 1);
    if (!faulted)
        (void)*(volatile char *)(mm.base + (sb_page_to_pfn(&mm, page) << SB_PAGE_SHIFT));
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
    assert_true(faulted);
    sb_free_pages(&mm, page, 0);
    close_mm(&t, &mm);
}

static void nodes_have_zones_of_their_own(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 128, 4, &(struct sb_mm_config){.nodes = 2, .page_lists = true});
    assert_int_equal(mm.nodes[1].start_pfn, 64 << 8);
    assert_int_equal(zone_of(&mm, 1, SB_ZONE_DMA)->managed, 0);
    assert_int_equal(mm.cpu_node[1], 0);
    assert_int_equal(mm.cpu_node[2], 1);
    for (int node = 0; node < 2; node++) {
        struct sb_page *page = sb_alloc_pages_node(&mm, node, SB_GFP_KERNEL, 0);
        assert_int_equal(sb_page_zone(&mm, page)->node, node);
    }
    /* The other node helps out, unless it must not. */
    while (sb_alloc_pages_node(&mm, 1, SB_GFP_ATOMIC | SB_GFP_THISNODE, 4))
        ;
    struct sb_page *page = sb_alloc_pages_node(&mm, 1, SB_GFP_KERNEL, 4);
    assert_int_equal(sb_page_zone(&mm, page)->node, 0);
    assert_null(sb_alloc_pages_node(&mm, 1, SB_GFP_KERNEL | SB_GFP_THISNODE, 4));
    assert_null(sb_alloc_pages_node(&mm, 2, SB_GFP_KERNEL, 0));
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* As /proc/zoneinfo of a machine of 128 MiB: min_free_kbytes = 4 * sqrt(low memory in KiB). */
static void watermarks_follow_the_kernels_formula(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm(&t, &mm, 128, 2);
    const struct sb_zone *dma = zone_of(&mm, 0, SB_ZONE_DMA), *dma32 = zone_of(&mm, 0, SB_ZONE_DMA32);
    assert_int_equal(dma->managed, 4096);
    assert_int_equal(dma32->managed, (112 << 8) - 512);
    /* sqrt(32256 pages * 4 KiB * 16) = 1436 KiB = 359 pages, shared out by size. */
    assert_int_equal(dma->watermark[SB_WMARK_MIN], 359 * 4096 / 32256);
    assert_int_equal(dma32->watermark[SB_WMARK_MIN], 359 * 28160 / 32256);
    assert_int_equal(dma32->watermark[SB_WMARK_LOW], 313 + 313 / 4);
    assert_int_equal(dma32->watermark[SB_WMARK_HIGH], 313 + 2 * (313 / 4));
    assert_int_equal(dma->lowmem_reserve[SB_ZONE_DMA32], 28160 / 256);
    assert_int_equal(dma->lowmem_reserve[SB_ZONE_DMA], 0);
    close_mm(&t, &mm);
}

/* Pages that stay free in a zone when requests of one kind have taken what they get. */
static void take_all(struct sb_mm *mm, sb_gfp_t gfp)
{
    while (sb_alloc_pages(mm, gfp | SB_GFP_NOWARN, 0)) {
    }
}

/* Who may not dip stops at the watermark; alone who frees memory by it goes on to the last page. */
static void only_memalloc_takes_the_last_page(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    uint64_t n = 0;
    (void)state;
    open_mm(&t, &mm, 64, 2);
    while (sb_alloc_pages(&mm, SB_GFP_NOWAIT, 0))
        n++;
    uint64_t left = sb_mm_free_pages(&mm);
    assert_true(left >= zone_of(&mm, 0, SB_ZONE_DMA32)->watermark[SB_WMARK_MIN]);
    /* It may be told not to. */
    assert_null(sb_alloc_pages(&mm, SB_GFP_MEMALLOC | SB_GFP_NOMEMALLOC, 0));
    while (sb_alloc_pages(&mm, SB_GFP_MEMALLOC, 0))
        n++;
    assert_int_equal(sb_mm_free_pages(&mm), 0);
    assert_int_equal(n, mm.nr_pages - mm.nr_reserved);
    assert_non_null(strstr(t.failure, "page allocation failure: order:0"));
    /* And it never waited. */
    assert_int_equal(atomic_load(&mm.nr_waits), 0);
    close_mm(&t, &mm);
}

/* Eighths of min that each kind of request leaves, by the sources named in page_alloc.c; lowmem_reserve stays
 * whole, which who might have had a higher zone leaves to those who can't. */
static void each_kernel_keeps_its_reserve(void **state)
{
    static const struct {
        const char *what;
        sb_gfp_t gfp;
        unsigned eighths[3]; /* 6.1, 2.6, 6.4 */
    } kinds[] = {
        {"GFP_KERNEL", SB_GFP_KERNEL | SB_GFP_NORETRY, {8, 8, 8}},
        {"GFP_NOWAIT", SB_GFP_NOWAIT, {8, 6, 8}},
        {"GFP_ATOMIC", SB_GFP_ATOMIC, {3, 3, 3}},
        {"GFP_KERNEL|__GFP_HIGH", SB_GFP_KERNEL | SB_GFP_HIGH | SB_GFP_NORETRY, {4, 4, 4}},
        {"GFP_ATOMIC|__GFP_NOMEMALLOC", SB_GFP_ATOMIC | SB_GFP_NOMEMALLOC, {4, 3, 4}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (enum sb_reserve rule = SB_RESERVE_6_1; rule <= SB_RESERVE_6_4; rule++) {
            struct test_host t;
            struct sb_mm mm;
            open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.reserve = rule});
            const struct sb_zone *high = zone_of(&mm, 0, SB_ZONE_DMA32), *low = zone_of(&mm, 0, SB_ZONE_DMA);
            uint64_t kept = low->lowmem_reserve[SB_ZONE_NORMAL];
            /* setup_per_zone_lowmem_reserve: a 256th of those above. */
            assert_int_equal(kept, high->managed / 256);
            take_all(&mm, kinds[i].gfp);
            for (int z = 0; z < 2; z++) {
                const struct sb_zone *zone = z ? low : high;
                uint64_t min = zone->watermark[SB_WMARK_MIN], eighths = kinds[i].eighths[rule];
                assert_true(min > 8);
                /* Twice rounded, as the kernel's divisions are. */
                assert_in_range(zone->nr_free_pages, min * eighths / 8 + (z ? kept : 0),
                                (min * eighths + 7) / 8 + 1 + (z ? kept : 0));
            }
            close_mm(&t, &mm);
        }
    }
}

/* Reclaim comes first; then 6.1 gives a quarter of the reserve and 6.4 half of it, 2.6 nothing, and none all. */
static void nofail_reclaims_before_it_dips(void **state)
{
    static const unsigned eighths[] = {[SB_RESERVE_6_1] = 6, [SB_RESERVE_6_4] = 4};
    (void)state;
    for (enum sb_reserve rule = SB_RESERVE_6_1; rule <= SB_RESERVE_6_4; rule++) {
        struct test_host t;
        struct sb_mm mm;
        if (rule == SB_RESERVE_2_6)
            continue; /* it would wait for ever */
        open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.reserve = rule});
        const struct sb_zone *zone = zone_of(&mm, 0, SB_ZONE_DMA32);
        take_all(&mm, SB_GFP_KERNEL | SB_GFP_NORETRY);
        uint64_t min = zone->watermark[SB_WMARK_MIN], least = (min * eighths[rule] + 7) / 8;
        assert_int_equal(zone->nr_free_pages, min);
        for (uint64_t free = min; free > least; free--) {
            unsigned long long before = atomic_load(&mm.nr_reclaims);
            assert_non_null(sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_NOFAIL, 0));
            assert_int_equal(zone->nr_free_pages, free - 1);
            assert_true(atomic_load(&mm.nr_reclaims) > before);
        }
        /* There it stops: who may not fail either waits, and an atomic request still has something. */
        assert_null(sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_NORETRY | SB_GFP_NOWARN, 0));
        assert_non_null(sb_alloc_pages(&mm, SB_GFP_ATOMIC | SB_GFP_NOWARN, 0));
        close_mm(&t, &mm);
    }
}

static unsigned shrunk;
static struct sb_page *spare;
static void give_up_spare(void *mm)
{
    shrunk++;
    if (spare)
        sb_free_pages(mm, spare, 3);
    spare = NULL;
}

/* Everything is used up but for what a shrinker has: only who may sleep gets it. */
static void who_may_sleep_reclaims(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 64, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    shrunk = 0;
    while ((spare = sb_alloc_pages(&mm, SB_GFP_NOWAIT | SB_GFP_NOWARN, 3)))
        ;
    /* Above the reserve by some blocks of order 3, all of them on the shrinker's hands. */
    spare = sb_alloc_pages(&mm, SB_GFP_ATOMIC, 3);
    while (sb_alloc_pages(&mm, SB_GFP_NOWAIT | SB_GFP_NOWARN, 0))
        ;
    uint64_t low = sb_mm_free_pages(&mm);
    sb_register_shrinker(&mm, give_up_spare, &mm);
    assert_null(sb_alloc_pages(&mm, SB_GFP_NOWAIT | SB_GFP_NOWARN, 0));
    assert_int_equal(shrunk, 0);
    assert_non_null(sb_alloc_pages(&mm, SB_GFP_KERNEL, 0));
    assert_true(shrunk > 0 && !spare);
    assert_true(sb_mm_free_pages(&mm) + sb_mm_pcp_pages(&mm) >= low);
    /* Nothing left to reclaim: it waits a bounded time, and says so. Who must not retry reclaims once. */
    while (sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_NORETRY | SB_GFP_NOWARN, 0))
        ;
    assert_int_equal(atomic_load(&mm.nr_waits), 0);
    assert_null(sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_NOWARN, 0));
    unsigned long long waits = atomic_load(&mm.nr_waits);
    assert_true(waits > 5);
    assert_null(sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_REPEAT | SB_GFP_NOWARN, 0));
    assert_true(atomic_load(&mm.nr_waits) > 3 * waits);
    sb_unregister_shrinkers(&mm, &mm);
    close_mm(&t, &mm);
}

static void *free_later(void *argument)
{
    void **both = argument;
    struct timespec nap = {0, 20000000};
    nanosleep(&nap, NULL);
    sb_free_pages(both[0], both[1], 4);
    return NULL;
}

/* One that must not fail is still waiting when another thread frees. */
static void nofail_waits_for_a_free(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    pthread_t thread;
    struct sb_page *page, *last = NULL;
    (void)state;
    open_mm(&t, &mm, 32, test_cpus());
    while ((page = sb_alloc_pages(&mm, SB_GFP_MEMALLOC | SB_GFP_NOWARN, 4)))
        last = page;
    void *both[] = {&mm, last};
    assert_int_equal(pthread_create(&thread, NULL, free_later, both), 0);
    /* Whatever else it says. */
    assert_ptr_equal(sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_MEMALLOC | SB_GFP_NOFAIL | SB_GFP_NORETRY, 4), last);
    pthread_join(thread, NULL);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

static unsigned blocks_of_type(const struct sb_mm *mm, enum sb_migratetype type)
{
    unsigned n = 0;
    for (uint64_t i = 0; i < mm->nr_pages >> SB_PAGEBLOCK_ORDER; i++)
        n += mm->block_type[i] == type;
    return n;
}

/* Page blocks begin as movable; other types claim them whole, and what is freed returns to its block's type.
 */
static void types_are_grouped_by_page_block(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_page *pages[700];
    (void)state;
    open_mm(&t, &mm, 64, 2);
    assert_int_equal(blocks_of_type(&mm, SB_UNMOVABLE), 0);
    for (int i = 0; i < 700; i++)
        pages[i] = sb_alloc_pages(&mm, i % 2 ? SB_GFP_KERNEL : SB_GFP_KERNEL | SB_GFP_MOVABLE, 0);
    /* 350 unmovable pages fit one claimed block of order 10, that is two page blocks; the movable ones are
     * elsewhere. */
    assert_int_equal(blocks_of_type(&mm, SB_UNMOVABLE), 2);
    for (int i = 0; i < 700; i++)
        assert_int_equal(mm.block_type[sb_page_to_pfn(&mm, pages[i]) >> SB_PAGEBLOCK_ORDER],
                         i % 2 ? SB_UNMOVABLE : SB_MOVABLE);
    struct sb_page *reclaimable = sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_RECLAIMABLE, 0);
    assert_int_equal(mm.block_type[sb_page_to_pfn(&mm, reclaimable) >> SB_PAGEBLOCK_ORDER], SB_RECLAIMABLE);
    CHECK(sb_mm_check, &mm);
    /* A movable request takes of the others only when nothing else is there, and then leaves the block its
     * type. */
    while ((pages[0] = sb_alloc_pages(&mm, SB_GFP_MEMALLOC | SB_GFP_MOVABLE | SB_GFP_NOWARN, 0)))
        ;
    assert_int_equal(sb_mm_free_pages(&mm), 0);
    assert_true(blocks_of_type(&mm, SB_UNMOVABLE) > 0);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* Any page of an allocated block leads to its first, whatever lay there before; of a free one, none does. */
static void every_page_knows_its_head(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm(&t, &mm, 64, 2);
    for (unsigned order = SB_NR_ORDERS; order-- > 0;) {
        struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL, order);
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
            assert_ptr_equal(sb_page_head(&mm, page + i), page);
        sb_free_pages(&mm, page, order);
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
            assert_null(sb_page_head(&mm, page + i));
        /* In a part of it lies another, smaller block. */
        if (order) {
            struct sb_page *half = sb_alloc_pages(&mm, SB_GFP_KERNEL, order - 1);
            assert_ptr_equal(sb_page_head(&mm, half + (UINT64_C(1) << (order - 1)) - 1), half);
            assert_null(sb_page_head(&mm, half + (UINT64_C(1) << (order - 1))));
            sb_free_pages(&mm, half, order - 1);
        }
    }
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* order_to_pindex of 6.1: orders 0 to 3, and 9; rmqueue fetches at least two blocks of those above 0. */
static void huge_pages_have_a_list_too(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    pin_to_one_cpu();
    open_mm_with(&t, &mm, 256, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    const struct sb_zone *zone = zone_of(&mm, 0, SB_ZONE_DMA32);
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL, 9);
    assert_int_equal(sb_mm_pcp_pages(&mm), 512);
    uint64_t given = zone->nr_given;
    sb_free_pages(&mm, page, 9);
    for (int i = 0; i < 10; i++) {
        page = sb_alloc_pages(&mm, SB_GFP_KERNEL, 9);
        sb_free_pages(&mm, page, 9);
    }
    assert_int_equal(zone->nr_given, given);
    assert_int_equal(zone->pcp_batch[sb_pcp_index(9)], 2);
    assert_int_equal(zone->pcp_batch[sb_pcp_index(3)], 2);
    sb_free_pages(&mm, sb_alloc_pages(&mm, SB_GFP_KERNEL, 4), 4);
    assert_int_equal(zone->nr_given, given + 1);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

/* zone_highsize: of a node without CPUs the low watermark is divided by all of the machine's. */
static void lists_of_a_node_without_cpus(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 256, 2, &(struct sb_mm_config){.page_lists = true, .nodes = 4});
    for (unsigned node = 0; node < 4; node++) {
        const struct sb_zone *zone = zone_of(&mm, node, SB_ZONE_DMA32);
        unsigned cpus = (mm.cpu_node[0] == node) + (mm.cpu_node[1] == node);
        uint64_t high = zone->watermark[SB_WMARK_LOW] / (cpus ? cpus : 2), least = 4 * zone->pcp_batch[0];
        assert_int_equal(sb_stack_of(&zone->pcp, 0, zone->pcp_at[0])->capacity, high > least ? high : least);
    }
    close_mm(&t, &mm);
}

static void get_order_and_zeroed_pages(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    static const uint64_t sizes[][2] = {{1, 0}, {4096, 0}, {4097, 1}, {8192, 1}, {8193, 2}, {65536, 4}, {4 << 20, 10}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_int_equal(sb_get_order(sizes[i][0]), sizes[i][1]);
    open_mm_with(&t, &mm, 16, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    for (int round = 0; round < 2; round++) {
        unsigned char *page = sb_get_zeroed_page(&mm, SB_GFP_KERNEL);
        for (int i = 0; i < 4096; i++)
            assert_int_equal(page[i], 0);
        memset(page, 0xff, 4096);
        sb_free_pages_at(&mm, page, 0);
    }
    close_mm(&t, &mm);
}

/* ---- boot memory ---- */

static void boot_memory_is_dealt_out_first_fit(void **state)
{
    struct sb_bootmem boot;
    char *base = (char *)(UINT64_C(1) << 40);
    (void)state;
    sb_bootmem_init(&boot, base, 64 << 20);
    assert_ptr_equal(sb_alloc_bootmem_low(&boot, 100), base);
    assert_ptr_equal(sb_alloc_bootmem_low(&boot, 10), base + 128);
    assert_ptr_equal(sb_alloc_bootmem(&boot, 100), base + (16 << 20));
    assert_ptr_equal(sb_alloc_bootmem_pages(&boot, 5000), base + (16 << 20) + 4096);
    assert_ptr_equal(sb_alloc_bootmem_top(&boot, 8192), base + (64 << 20) - 8192);
    assert_int_equal(sb_bootmem_check(&boot), 0);
    /* Above 16 MiB while that lasts, then below. */
    assert_in_range((uintptr_t)sb_alloc_bootmem_pages(&boot, 40 << 20), (uintptr_t)base + (16 << 20),
                    (uintptr_t)base + (64 << 20));
    assert_in_range((uintptr_t)sb_alloc_bootmem_pages(&boot, 8 << 20), (uintptr_t)base, (uintptr_t)base + (16 << 20));
    assert_null(sb_alloc_bootmem_pages(&boot, 48 << 20));
    sb_bootmem_exit(&boot);
}

/* Only whole pages come back: LDD3's warning. */
static void boot_memory_comes_back_in_whole_pages(void **state)
{
    struct sb_bootmem boot;
    char *base = (char *)(UINT64_C(1) << 40);
    (void)state;
    sb_bootmem_init(&boot, base, 32 << 20);
    char *a = sb_alloc_bootmem_low(&boot, 3 * 4096 + 100);
    assert_int_equal(sb_free_bootmem(&boot, a + 100, 3 * 4096), 0);
    /* Pages 1 and 2 came back; 0 and what follows of 3 are lost. */
    assert_ptr_equal(sb_alloc_bootmem_low(&boot, 8192), base + 4096);
    assert_int_equal(sb_free_bootmem(&boot, base + (20 << 20), 4096), -EINVAL);
    assert_int_equal(sb_bootmem_check(&boot), 0);
    /* More holes than the first array has room for. */
    assert_non_null(sb_alloc_bootmem_low(&boot, 8 << 20));
    for (int i = 0; i < 600; i++)
        assert_int_equal(sb_free_bootmem(&boot, base + (1 << 20) + i * 8192, 4096), 0);
    assert_int_equal(sb_bootmem_check(&boot), 0);
    sb_bootmem_exit(&boot);
}

/* What boot takes the zones never see. */
static void boot_memory_stays_out_of_the_zones(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.boot_bytes = 10 << 20});
    assert_ptr_equal(mm.boot, mm.base + (16 << 20));
    assert_int_equal(sb_mm_free_pages(&mm), (54 << 8) - 256);
    memset(mm.boot, 0xaa, 10 << 20);
    CHECK(sb_mm_check, &mm);
    for (struct sb_page *page; (page = sb_alloc_pages(&mm, SB_GFP_MEMALLOC | SB_GFP_NOWARN, 0));)
        assert_not_in_range((uintptr_t)sb_page_address(&mm, page), (uintptr_t)mm.boot,
                            (uintptr_t)mm.boot + (10 << 20) - 1);
    close_mm(&t, &mm);
}

/* The two CPUs that a test may use, or the same one twice. */
static void find_two_cpus(int cpus[2])
{
    cpu_set_t set;
    int n = 0;
    cpus[0] = cpus[1] = sched_getcpu();
    sched_getaffinity(0, sizeof(set), &set);
    for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
        if (CPU_ISSET(cpu, &set))
            cpus[n++] = cpu;
    }
}

static void go_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

enum { CROSSING = 64 };

static void take_some(struct sb_mm *mm, struct sb_page **pages)
{
    for (int i = 0; i < CROSSING; i++) {
        pages[i] = sb_alloc_pages(mm, SB_GFP_KERNEL, 0);
        assert_non_null(pages[i]);
    }
}

static void give_some(struct sb_mm *mm, struct sb_page **pages)
{
    for (int i = 0; i < CROSSING; i++)
        sb_free_pages(mm, pages[i], 0);
}

/* What one CPU gives back and the other takes has crossed; what none has given yet, or the same one, has not.
 */
static void blocks_that_cross_cpus_are_counted(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_page *pages[CROSSING];
    struct sb_snapshot s = {.struct_size = sizeof(s)},
                       old = {.struct_size = offsetof(struct sb_snapshot, shared_blocks)};
    cpu_set_t before;
    int cpus[2];
    (void)state;
    sched_getaffinity(0, sizeof(before), &before);
    find_two_cpus(cpus);
    if (cpus[0] == cpus[1])
        skip();
    go_to(cpus[1]);
    open_mm(&t, &mm, 64, test_cpus());
    go_to(cpus[0]);
    take_some(&mm, pages);
    sb_mm_snapshot(&mm, &s);
    assert_true(s.has & SB_HAS_SHARED);
    assert_int_equal(s.shared_blocks, CROSSING);
    assert_int_equal(s.crossed_blocks, 0);
    give_some(&mm, pages);
    take_some(&mm, pages); /* the same ones again, by the same CPU */
    s = (struct sb_snapshot){.struct_size = sizeof(s)};
    sb_mm_snapshot(&mm, &s);
    assert_int_equal(s.shared_blocks, 2 * CROSSING);
    assert_int_equal(s.crossed_blocks, 0);
    give_some(&mm, pages);
    go_to(cpus[1]);
    take_some(&mm, pages);
    s = (struct sb_snapshot){.struct_size = sizeof(s)};
    sb_mm_snapshot(&mm, &s);
    assert_int_equal(s.shared_blocks, 3 * CROSSING);
    assert_int_equal(s.crossed_blocks, CROSSING);
    /* A host that knows nothing of it has no room for it. */
    sb_mm_snapshot(&mm, &old);
    assert_int_equal(old.has & SB_HAS_SHARED, 0);
    assert_int_equal(old.crossed_blocks, 0);
    give_some(&mm, pages);
    close_mm(&t, &mm);
    sched_setaffinity(0, sizeof(before), &before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_knows_its_head),
        cmocka_unit_test(huge_pages_have_a_list_too),
        cmocka_unit_test(lists_of_a_node_without_cpus),
        cmocka_unit_test(blocks_that_cross_cpus_are_counted), /* before others stay on one CPU */
        cmocka_unit_test(lists_hold_back_and_are_drained),
        cmocka_unit_test(no_refill_eats_the_reserve),
        cmocka_unit_test(cold_pages_pass_by_the_lists),
        cmocka_unit_test(the_last_freed_comes_first),
        cmocka_unit_test(zones_serve_whom_they_should),
        cmocka_unit_test(zonelists_fall_back_downwards),
        cmocka_unit_test(highmem_is_whole_blocks),
        cmocka_unit_test(highmem_has_no_direct_map),
        cmocka_unit_test(nodes_have_zones_of_their_own),
        cmocka_unit_test(watermarks_follow_the_kernels_formula),
        cmocka_unit_test(only_memalloc_takes_the_last_page),
        cmocka_unit_test(each_kernel_keeps_its_reserve),
        cmocka_unit_test(nofail_reclaims_before_it_dips),
        cmocka_unit_test(who_may_sleep_reclaims),
        cmocka_unit_test(nofail_waits_for_a_free),
        cmocka_unit_test(types_are_grouped_by_page_block),
        cmocka_unit_test(get_order_and_zeroed_pages),
        cmocka_unit_test(boot_memory_is_dealt_out_first_fit),
        cmocka_unit_test(boot_memory_comes_back_in_whole_pages),
        cmocka_unit_test(boot_memory_stays_out_of_the_zones),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
