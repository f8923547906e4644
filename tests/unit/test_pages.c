/* The page allocator and boot memory: zones, nodes, zonelists, migrate types, heads of blocks, HighMem. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/bootmem.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>

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
    sb_kunmap(&mm, page);
    mapped = sb_kmap(&mm, page);
    assert_int_equal(mapped[7], 42);
    sb_kunmap(&mm, page);
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

/*
 * mm/highmem.c, kmap_high: windows are dealt out in turn and keep their page beyond kunmap until the turn comes round;
 * a page has one window however often it is mapped.
 */
static void kmap_deals_out_windows_in_turn(void **state)
{
    enum { PAGES = SB_LAST_PKMAP + 100 };
    static struct sb_page *pages[PAGES];
    struct test_host t;
    struct sb_mm mm;
    char why[256];
    (void)state;
    open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.highmem = 32 << 20});
    for (int i = 0; i < PAGES; i++) {
        pages[i] = sb_alloc_pages(&mm, SB_GFP_HIGHUSER, 0);
        assert_true(sb_page_is_high(&mm, pages[i]));
    }
    assert_null(sb_kmap_address(&mm, pages[0]));
    int *first = sb_kmap(&mm, pages[0]);
    assert_ptr_equal(sb_kmap_address(&mm, pages[0]), first);
    assert_ptr_equal(sb_kmap(&mm, pages[0]), first);
    *first = 7;
    sb_kunmap(&mm, pages[0]);
    sb_kunmap(&mm, pages[0]);
    assert_int_equal(mm.pkmap.count[(first - (int *)mm.pkmap.window) / 1024], 1);
    assert_ptr_equal(sb_kmap(&mm, pages[0]), first);
    /* One window is in use, and the turn passes it by. */
    for (int i = 1; i < PAGES; i++) {
        int *at = sb_kmap(&mm, pages[i]);
        assert_ptr_not_equal(at, first);
        *at = i;
        sb_kunmap(&mm, pages[i]);
    }
    assert_int_equal(*first, 7);
    sb_kunmap(&mm, pages[0]);
    for (int i = 1; i < PAGES; i++) {
        assert_int_equal(*(int *)sb_kmap(&mm, pages[i]), i);
        sb_kunmap(&mm, pages[i]);
    }
    assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), 0);
    /* The kernel's BUG. */
    sb_kunmap(&mm, pages[1]);
    assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), -EUCLEAN);
    for (int i = 0; i < PAGES; i++)
        sb_free_pages(&mm, pages[i], 0);
    sb_mm_exit(&mm);
    test_host_close(&t);
}

/* kmap_high: after a flush the search is as long again, so that nobody sleeps while a window is free. */
static void kmap_sleeps_only_where_no_window_is_free(void **state)
{
    enum { USED = 600, PAGES = SB_LAST_PKMAP + 1 };
    static struct sb_page *pages[PAGES];
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.highmem = 32 << 20});
    for (int i = 0; i < PAGES; i++)
        pages[i] = sb_alloc_pages(&mm, SB_GFP_HIGHUSER, 0);
    for (int i = 0; i < SB_LAST_PKMAP; i++)
        assert_non_null(sb_kmap(&mm, pages[i]));
    /* They stay mapped until the turn comes round, which is where the search for another ends. */
    for (int i = USED; i < SB_LAST_PKMAP - 1; i++)
        sb_kunmap(&mm, pages[i]);
    assert_non_null(sb_kmap(&mm, pages[PAGES - 1]));
    assert_int_equal(mm.nr_waits, 0);
    sb_kunmap(&mm, pages[PAGES - 1]);
    for (int i = 0; i < PAGES; i++) {
        if (i < USED || i == SB_LAST_PKMAP - 1)
            sb_kunmap(&mm, pages[i]);
        sb_free_pages(&mm, pages[i], 0);
    }
    close_mm(&t, &mm);
}

/* A page at a user's address is the page; what is no page of a block, or no page's address, is refused. */
static void a_page_comes_into_a_users_mapping(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm_with(&t, &mm, 64, 2, &(struct sb_mm_config){.page_lists = true});
    char *user = mmap(NULL, 2 * SB_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL, 1), *second = page + 1;
    assert_int_equal(sb_insert_page(&mm, second, user), 0);
    memset(sb_page_address(&mm, second), 0x77, SB_PAGE_SIZE);
    assert_int_equal(user[4095], 0x77);
    user[1] = 0x11;
    assert_int_equal(((char *)sb_page_address(&mm, second))[1], 0x11);
    assert_int_equal(sb_insert_page(&mm, page, user + 8), -EINVAL);
    munmap(user, 2 * SB_PAGE_SIZE);
    sb_free_pages(&mm, page, 1);
    sb_drain_all_pages(&mm);
    assert_int_equal(sb_insert_page(&mm, page, user), -EINVAL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_knows_its_head),
        cmocka_unit_test(zones_serve_whom_they_should),
        cmocka_unit_test(zonelists_fall_back_downwards),
        cmocka_unit_test(highmem_is_whole_blocks),
        cmocka_unit_test(kmap_deals_out_windows_in_turn),
        cmocka_unit_test(kmap_sleeps_only_where_no_window_is_free),
        cmocka_unit_test(a_page_comes_into_a_users_mapping),
        cmocka_unit_test(highmem_has_no_direct_map),
        cmocka_unit_test(nodes_have_zones_of_their_own),
        cmocka_unit_test(types_are_grouped_by_page_block),
        cmocka_unit_test(get_order_and_zeroed_pages),
        cmocka_unit_test(boot_memory_is_dealt_out_first_fit),
        cmocka_unit_test(boot_memory_comes_back_in_whole_pages),
        cmocka_unit_test(boot_memory_stays_out_of_the_zones),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
