/* The page allocator's per-CPU lists: refills, drains, cold pages, huge pages, blocks that cross CPUs. */
#define _GNU_SOURCE
#include "mm_test.h"

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
        cmocka_unit_test(huge_pages_have_a_list_too),         cmocka_unit_test(lists_of_a_node_without_cpus),
        cmocka_unit_test(blocks_that_cross_cpus_are_counted), /* before others stay on one CPU */
        cmocka_unit_test(lists_hold_back_and_are_drained),    cmocka_unit_test(no_refill_eats_the_reserve),
        cmocka_unit_test(cold_pages_pass_by_the_lists),       cmocka_unit_test(the_last_freed_comes_first),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
