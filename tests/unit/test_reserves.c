/* Watermarks and reserves of the page allocator, by kernel version; reclaim, and requests that must not fail. */
#define _GNU_SOURCE
#include "mm_test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watermarks_follow_the_kernels_formula),
        cmocka_unit_test(only_memalloc_takes_the_last_page),
        cmocka_unit_test(each_kernel_keeps_its_reserve),
        cmocka_unit_test(nofail_reclaims_before_it_dips),
        cmocka_unit_test(who_may_sleep_reclaims),
        cmocka_unit_test(nofail_waits_for_a_free),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
