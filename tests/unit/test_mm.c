/* The model of the kernel's memory management, layer by layer, against what real kernels did. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/kmalloc.h"
#include "mm/vmalloc.h"

#include "scullbench/io.h"

#include <errno.h>

static const struct sb_slub_config percpu = {.percpu = true}, shared = {0};

/* ---- pages ---- */

static uint64_t free_pages(const struct sb_mm *mm)
{
    return sb_mm_free_pages(mm);
}

static void blocks_are_aligned_and_merge(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_snapshot before = {0}, after = {0};
    struct sb_page *pages[SB_NR_ORDERS];
    (void)state;
    open_mm(&t, &mm, 64, 2);
    CHECK(sb_mm_check, &mm);
    sb_mm_snapshot(&mm, &before);
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        pages[order] = sb_alloc_pages(&mm, SB_GFP_KERNEL, order);
        assert_non_null(pages[order]);
        uintptr_t at = (uintptr_t)sb_page_address(&mm, pages[order]);
        assert_int_equal(at & ((SB_PAGE_SIZE << order) - 1), 0);
        assert_ptr_equal(sb_virt_to_page(&mm, (void *)at), pages[order]);
    }
    CHECK(sb_mm_check, &mm);
    for (unsigned order = SB_NR_ORDERS; order-- > 0;)
        sb_free_pages(&mm, pages[order], order);
    CHECK(sb_mm_check, &mm);
    sb_mm_snapshot(&mm, &after);
    assert_memory_equal(before.free_blocks, after.free_blocks, sizeof(before.free_blocks));
    close_mm(&t, &mm);
}

static void exhaustion_gives_null_and_recovers(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm(&t, &mm, 32, 2);
    uint64_t all = free_pages(&mm), n = 0;
    struct sb_page **pages = calloc(all + 1, sizeof(*pages));
    struct sb_snapshot before = {0}, after = {0};
    sb_mm_snapshot(&mm, &before);
    while ((pages[n] = sb_alloc_pages(&mm, SB_GFP_MEMALLOC, 0)))
        n++;
    assert_int_equal(n, all);
    assert_int_equal(free_pages(&mm), 0);
    assert_null(sb_alloc_pages(&mm, SB_GFP_KERNEL, 3));
    /* Every second page free: half of memory, yet no two neighbours. */
    for (uint64_t odd = 0; odd < 2; odd++) {
        for (uint64_t i = 0; i < n; i++) {
            if (sb_page_to_pfn(&mm, pages[i]) % 2 == odd)
                sb_free_pages(&mm, pages[i], 0);
        }
        if (!odd)
            assert_null(sb_alloc_pages(&mm, SB_GFP_KERNEL, 1));
        CHECK(sb_mm_check, &mm);
    }
    sb_mm_snapshot(&mm, &after);
    assert_memory_equal(before.free_blocks, after.free_blocks, sizeof(before.free_blocks));
    CHECK(sb_mm_check, &mm);
    free(pages);
    close_mm(&t, &mm);
}

static void dma_stays_below_16_mib(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm(&t, &mm, 64, 2);
    unsigned got = 0;
    for (struct sb_page *page; (page = sb_alloc_pages(&mm, SB_GFP_DMA, SB_MAX_ORDER)); got++)
        assert_true(sb_page_to_pfn(&mm, page) < 4096);
    /* One block stays above the minimum watermark; who may take all of the reserve has it. */
    assert_int_equal(got, 3);
    assert_non_null(sb_alloc_pages(&mm, SB_GFP_DMA | SB_GFP_MEMALLOC, SB_MAX_ORDER));
    /* The zones above are untouched: they fall back to DMA, not the other way round. */
    assert_non_null(sb_alloc_pages(&mm, SB_GFP_KERNEL, SB_MAX_ORDER));
    close_mm(&t, &mm);
}

static void bad_frees_are_refused_and_reported(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    char why[256];
    (void)state;
    open_mm(&t, &mm, 16, 2);
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL, 2);
    sb_free_pages(&mm, page, 1);
    sb_free_pages(&mm, page, 2);
    sb_free_pages(&mm, page, 2);
    assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), -EUCLEAN);
    assert_string_equal(why, "2 frees named pages that were not allocated, or with another order");
    close_mm(&t, &mm);
}

static void check_notices_damage(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    char why[256];
    (void)state;
    open_mm(&t, &mm, 16, 2);
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0);
    page->flags = SB_PG_BUDDY;
    assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), -EUCLEAN);
    page->flags = SB_PG_ALLOCATED;
    mm.zones[SB_ZONE_DMA].free_area[3].nr_free++;
    assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), -EUCLEAN);
    mm.zones[SB_ZONE_DMA].free_area[3].nr_free--;
    CHECK(sb_mm_check, &mm);

    /* A page inside a live block, put on a free list. */
    struct sb_page *block = sb_alloc_pages(&mm, SB_GFP_KERNEL, 3);
    struct sb_free_area *area = &mm.zones[SB_ZONE_DMA].free_area[0];
    block[5].flags = SB_PG_BUDDY;
    sb_list_add(&block[5].link, &area->list[SB_MOVABLE]);
    area->nr_free++;
    assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), -EUCLEAN);
    sb_list_del(&block[5].link);
    block[5].flags = 0;
    area->nr_free--;
    CHECK(sb_mm_check, &mm);

    /* A free block that fell off its list. */
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        area = &mm.zones[SB_ZONE_DMA].free_area[order];
        struct sb_list *list = &area->list[SB_UNMOVABLE], *link = list->next;
        if (sb_list_empty(list))
            continue;
        sb_list_del(link);
        area->nr_free--;
        assert_int_equal(sb_mm_check(&mm, why, sizeof(why)), -EUCLEAN);
        sb_list_add(link, list);
        area->nr_free++;
        CHECK(sb_mm_check, &mm);
        break;
    }
    close_mm(&t, &mm);
}

/* ---- slub ---- */

/* The rule's own promises, for every size. */
static void slab_layout_holds_for_all_sizes(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    open_mm(&t, &mm, 16, 4);
    for (size_t size = 8; size <= 8192; size++) {
        struct sb_slub slub;
        struct sb_kmem_cache *cache;
        sb_slub_init(&slub, &mm, &percpu);
        assert_int_equal(sb_cache_create(&slub, "c", size, 0, 0, NULL, &cache), 0);
        uint64_t slab = SB_PAGE_SIZE << cache->order;
        assert_true(cache->size >= size && cache->size % 8 == 0);
        assert_true(cache->objects >= 1 && cache->objects == slab / cache->size);
        assert_true(cache->order <= 3);
        assert_true(cache->offset + sizeof(void *) <= cache->size);
        sb_slub_exit(&slub);
    }
    close_mm(&t, &mm);
}

static void construct(void *object)
{
    memset(object, 0xc5, 40);
}

static void constructed_objects_stay_constructed(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    unsigned char *objects[300];
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    sb_slub_init(&slub, &mm, &percpu);
    assert_int_equal(sb_cache_create(&slub, "ctor", 40, 0, 0, construct, &cache), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
            for (int j = 0; j < 40; j++)
                assert_int_equal(objects[i][j], 0xc5);
        }
        for (int i = 0; i < 300; i++)
            sb_cache_free(cache, objects[i]);
    }
    assert_int_equal(sb_cache_destroy(cache), 0);
    CHECK(sb_slub_check, &slub);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

static void destroy_refuses_while_objects_live(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    sb_slub_init(&slub, &mm, &percpu);
    uint64_t before = free_pages(&mm);
    assert_int_equal(sb_cache_create(&slub, "leaky", 100, 0, 0, NULL, &cache), 0);
    void *a = sb_cache_alloc(cache, SB_GFP_KERNEL), *b = sb_cache_alloc(cache, SB_GFP_KERNEL);
    assert_int_equal(sb_cache_destroy(cache), -EBUSY);
    assert_string_equal(t.failure, "kmem_cache_destroy: cache 'leaky' still has 2 live objects of 100 bytes");
    sb_cache_free(cache, a);
    sb_cache_free(cache, b);
    assert_int_equal(sb_cache_destroy(cache), 0);
    assert_int_equal(free_pages(&mm), before);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

static void check_notices_a_damaged_free_list(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    char why[256];
    void *objects[8];
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    sb_slub_init(&slub, &mm, &shared);
    assert_int_equal(sb_cache_create(&slub, "c", 64, 0, 0, NULL, &cache), 0);
    for (int i = 0; i < 8; i++)
        objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
    for (int i = 0; i < 4; i++)
        sb_cache_free(cache, objects[i]);
    CHECK(sb_slub_check, &slub);
    /* A write after free runs over the pointer in the middle of the object. */
    memset(objects[1], 0x41, 64);
    assert_int_equal(sb_slub_check(&slub, why, sizeof(why)), -EUCLEAN);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

/* With single pages only, a slab of the best order can't be had: then one of the least order serves. */
static void a_slab_of_the_least_order_is_better_than_none(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    void *objects[64];
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    sb_slub_init(&slub, &mm, &percpu);
    assert_int_equal(sb_cache_create(&slub, "c", 2048, 0, 0, NULL, &cache), 0);
    assert_true(cache->order > 0);
    uint64_t all = free_pages(&mm), n = 0;
    struct sb_page **pages = calloc(all + 1, sizeof(*pages));
    while ((pages[n] = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0)))
        n++;
    for (uint64_t i = 0; i < n; i += 2)
        sb_free_pages(&mm, pages[i], 0);
    for (int i = 0; i < 64; i++) {
        objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
        assert_non_null(objects[i]);
    }
    assert_int_equal(sb_cache_live(cache), 64);
    CHECK(sb_slub_check, &slub);
    for (int i = 0; i < 64; i++)
        sb_cache_free(cache, objects[i]);
    assert_int_equal(sb_cache_live(cache), 0);
    CHECK(sb_slub_check, &slub);
    assert_int_equal(sb_cache_destroy(cache), 0);
    for (uint64_t i = 1; i < n; i += 2)
        sb_free_pages(&mm, pages[i], 0);
    assert_int_equal(free_pages(&mm), all);
    free(pages);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

/* ---- kmalloc ---- */

static void kmalloc_aligns(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_kmalloc k;
    (void)state;
    open_mm(&t, &mm, 32, test_cpus());
    assert_int_equal(sb_kmalloc_init(&k, &mm, &percpu), 0);
    for (size_t align = 8; align <= 65536; align *= 2) {
        for (size_t size = 1; size <= 20000; size = size * 3 / 2 + 1) {
            char *a = sb_kmalloc(&k, size, align, SB_GFP_KERNEL), *b = sb_kmalloc(&k, size, align, SB_GFP_KERNEL);
            assert_true(a && b && a != b);
            assert_int_equal((uintptr_t)a % align, 0);
            assert_int_equal((uintptr_t)b % align, 0);
            assert_true(sb_ksize(&k, a) >= size);
            sb_kfree(&k, a);
            sb_kfree(&k, b);
        }
    }
    char *zeroed = sb_kmalloc(&k, 500, 0, SB_GFP_KERNEL | SB_GFP_ZERO);
    for (int i = 0; i < 500; i++)
        assert_int_equal(zeroed[i], 0);
    assert_null(sb_kmalloc(&k, (4UL << 20) + 1, 0, SB_GFP_KERNEL));
    sb_kmalloc_exit(&k);
    close_mm(&t, &mm);
}

/* ---- vmalloc ---- */

static void open_vmalloc(struct test_host *t, struct sb_mm *mm, struct sb_vmalloc *vm, uint64_t lazy_max)
{
    open_mm(t, mm, 64, test_cpus());
    assert_int_equal(sb_vmalloc_init(vm, mm, &(struct sb_vmalloc_config){.lazy_max = lazy_max}), 0);
}

/* Pages that are scattered in memory read and write as one range, and are the same pages. */
static void the_mapping_is_real(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    struct sb_page *held[64];
    (void)state;
    open_vmalloc(&t, &mm, &vm, 32 << 20);
    for (int i = 0; i < 64; i++)
        held[i] = sb_alloc_pages(&mm, SB_GFP_KERNEL, 0);
    for (int i = 0; i < 64; i += 2)
        sb_free_pages(&mm, held[i], 0);
    unsigned char *at = sb_vmalloc(&vm, 16 * SB_PAGE_SIZE, SB_GFP_KERNEL);
    assert_non_null(at);
    for (size_t i = 0; i < 16 * SB_PAGE_SIZE; i++)
        at[i] = (unsigned char)(i / SB_PAGE_SIZE + 1);
    const struct sb_vm_struct *area = vm.owner[((char *)at - vm.base) >> SB_PAGE_SHIFT];
    unsigned scattered = 0;
    for (unsigned i = 0; i < 16; i++) {
        const unsigned char *direct = sb_page_address(&mm, area->pages[i]);
        assert_int_equal(direct[123], i + 1);
        scattered += i && area->pages[i] != area->pages[i - 1] + 1;
    }
    assert_true(scattered > 4);
    CHECK(sb_vmalloc_check, &vm);
    sb_vfree(&vm, at);
    CHECK(sb_vmalloc_check, &vm);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

/* A freed range doesn't come back before the purge; then first fit starts from the low end again. */
static void freed_ranges_come_back_lazily(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    (void)state;
    open_vmalloc(&t, &mm, &vm, 1 << 20);
    char *a = sb_vmalloc(&vm, SB_PAGE_SIZE, SB_GFP_KERNEL);
    sb_vfree(&vm, a);
    char *b = sb_vmalloc(&vm, SB_PAGE_SIZE, SB_GFP_KERNEL);
    assert_ptr_not_equal(a, b);
    sb_vfree(&vm, b);
    sb_vmalloc_purge(&vm);
    char *c = sb_vmalloc(&vm, SB_PAGE_SIZE, SB_GFP_KERNEL);
    assert_ptr_equal(a, c);
    CHECK(sb_vmalloc_check, &vm);
    sb_vfree(&vm, c);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

static void vmalloc_runs_out_and_recovers(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    (void)state;
    open_vmalloc(&t, &mm, &vm, 32 << 20);
    void *blocks[64];
    int n = 0;
    while (n < 64 && (blocks[n] = sb_vmalloc(&vm, 2 << 20, SB_GFP_KERNEL)))
        n++;
    assert_true(n > 20 && n < 64);
    assert_null(sb_vmalloc(&vm, 2 << 20, SB_GFP_KERNEL));
    CHECK(sb_vmalloc_check, &vm);
    for (int i = 0; i < n; i++)
        sb_vfree(&vm, blocks[i]);
    assert_non_null(sb_vmalloc(&vm, 8 << 20, SB_GFP_KERNEL));
    CHECK(sb_vmalloc_check, &vm);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

/* At the OS's limit of mappings vmalloc gives NULL with the reason, and works again once something was freed.
 */
static void the_mapping_limit_is_survived(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    void *blocks[200];
    int n = 0;
    (void)state;
    open_vmalloc(&t, &mm, &vm, 0);
    vm.max_maps = 300;
    while (n < 200 && (blocks[n] = sb_vmalloc(&vm, SB_PAGE_SIZE, SB_GFP_KERNEL)))
        n++;
    assert_int_equal(n, 150);
    assert_non_null(strstr(t.failure, "vm.max_map_count"));
    CHECK(sb_vmalloc_check, &vm);
    for (int i = 0; i < n; i++)
        sb_vfree(&vm, blocks[i]);
    assert_int_equal(vm.maps, 0);
    for (int i = 0; i < n; i++) {
        blocks[i] = sb_vmalloc(&vm, SB_PAGE_SIZE, SB_GFP_KERNEL);
        assert_non_null(blocks[i]);
    }
    CHECK(sb_vmalloc_check, &vm);
    for (int i = 0; i < n; i++)
        sb_vfree(&vm, blocks[i]);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

static void check_notices_shared_and_overlapping_areas(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    char why[256];
    (void)state;
    open_vmalloc(&t, &mm, &vm, 0);
    char *a = sb_vmalloc(&vm, 2 * SB_PAGE_SIZE, SB_GFP_KERNEL), *b = sb_vmalloc(&vm, 2 * SB_PAGE_SIZE, SB_GFP_KERNEL);
    struct sb_vm_struct *first = vm.owner[(a - vm.base) >> SB_PAGE_SHIFT];
    struct sb_vm_struct *second = vm.owner[(b - vm.base) >> SB_PAGE_SHIFT];
    struct sb_page *page = second->pages[0];
    second->pages[0] = first->pages[1];
    assert_int_equal(sb_vmalloc_check(&vm, why, sizeof(why)), -EUCLEAN);
    second->pages[0] = page;
    first->nr_pages = 5;
    assert_int_equal(sb_vmalloc_check(&vm, why, sizeof(why)), -EUCLEAN);
    first->nr_pages = 2;
    CHECK(sb_vmalloc_check, &vm);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

/* Small areas come one behind the other out of a CPU's block, and the block goes back when all of it is
 * unmapped. */
static void blocks_of_addresses_per_cpu(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    char *areas[300];
    (void)state;
    pin_to_one_cpu();
    open_mm(&t, &mm, 64, test_cpus());
    assert_int_equal(sb_vmalloc_init(&vm, &mm, &(struct sb_vmalloc_config){.percpu = true, .lazy_max = 1 << 30}), 0);
    for (int i = 0; i < 300; i++) {
        areas[i] = sb_vmalloc(&vm, 4 * SB_PAGE_SIZE, SB_GFP_KERNEL);
        assert_true(!i || i == 256 || areas[i] == areas[i - 1] + 4 * SB_PAGE_SIZE);
        memset(areas[i], i, 4 * SB_PAGE_SIZE);
    }
    char *large = sb_vmalloc(&vm, 33 * SB_PAGE_SIZE, SB_GFP_KERNEL);
    assert_int_equal(vm.block_pages, 2 * SB_VMAP_BLOCK_PAGES);
    CHECK(sb_vmalloc_check, &vm);
    for (int i = 0; i < 300; i++) {
        assert_int_equal((unsigned char)areas[i][5000], i & 255);
        sb_vfree(&vm, areas[i]);
    }
    sb_vfree(&vm, large);
    sb_vmalloc_purge(&vm);
    /* The first block was used up and is unmapped; the CPU still deals from the second. */
    assert_int_equal(vm.block_pages, SB_VMAP_BLOCK_PAGES);
    CHECK(sb_vmalloc_check, &vm);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

/* 2 MiB and more from blocks of order 9, aligned alike; single pages where no such block is to be had. */
static void huge_mappings_where_blocks_allow(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    (void)state;
    open_mm(&t, &mm, 64, test_cpus());
    assert_int_equal(sb_vmalloc_init(&vm, &mm, &(struct sb_vmalloc_config){.huge = true}), 0);
    char *huge = sb_vmalloc(&vm, 3 << 20, SB_GFP_KERNEL);
    assert_non_null(huge);
    const struct sb_vm_struct *area = vm.owner[(huge - vm.base) >> SB_PAGE_SHIFT];
    assert_int_equal(area->page_order, SB_PAGEBLOCK_ORDER);
    assert_int_equal(area->nr_pages, 1024);
    assert_int_equal((huge - vm.base) % (2 << 20), 0);
    assert_true(area->maps <= 3);
    memset(huge, 1, 3 << 20);
    /* One page of every large block taken: none is left whole. */
    struct sb_page *pages[16384];
    unsigned n = 0;
    while ((pages[n] = sb_alloc_pages(&mm, SB_GFP_NOWAIT | SB_GFP_NOWARN, 0)))
        n++;
    for (unsigned i = 0; i < n; i++) {
        if (sb_page_to_pfn(&mm, pages[i]) % 512)
            sb_free_pages(&mm, pages[i], 0);
    }
    char *small = sb_vmalloc(&vm, 3 << 20, SB_GFP_KERNEL);
    assert_non_null(small);
    assert_int_equal(vm.owner[(small - vm.base) >> SB_PAGE_SHIFT]->page_order, 0);
    CHECK(sb_vmalloc_check, &vm);
    sb_vfree(&vm, huge);
    sb_vfree(&vm, small);
    CHECK(sb_vmalloc_check, &vm);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

/* vmalloc takes high memory first, which it alone can give addresses to without a kmap. */
static void vmalloc_takes_high_memory(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    (void)state;
    open_mm_with(&t, &mm, 64, test_cpus(), &(struct sb_mm_config){.highmem = 32 << 20});
    assert_int_equal(sb_vmalloc_init(&vm, &mm, &(struct sb_vmalloc_config){0}), 0);
    unsigned char *at = sb_vzalloc(&vm, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(at[i], 0);
    const struct sb_vm_struct *area = vm.owner[((char *)at - vm.base) >> SB_PAGE_SHIFT];
    for (uint32_t i = 0; i < area->nr_pages; i++)
        assert_true(sb_page_is_high(&mm, area->pages[i]));
    CHECK(sb_vmalloc_check, &vm);
    sb_vfree(&vm, at);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

struct text {
    char text[4096];
    size_t n;
};
static void take_text(void *context, const char *text, size_t length)
{
    struct text *t = context;
    assert_true(t->n + length < sizeof(t->text));
    memcpy(t->text + t->n, text, length);
    t->n += length;
}

/* A range of the device, page-rounded, seen alike through two mappings; no page of memory changes hands. */
static void ioremap_maps_the_device(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    struct text text = {0};
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    assert_int_equal(sb_vmalloc_init(&vm, &mm, &(struct sb_vmalloc_config){.device = 1 << 20}), 0);
    sb_kfree(&vm.kmalloc, sb_kmalloc(&vm.kmalloc, 64, 0, SB_GFP_KERNEL));
    uint64_t free_before = free_pages(&mm);
    volatile char *bar = sb_ioremap(&vm, 0x1010, 0x2000), *all = sb_ioremap(&vm, 0, 1 << 20);
    assert_non_null((void *)bar);
    assert_int_equal((uintptr_t)bar % SB_PAGE_SIZE, 0x10);
    sb_writel(0x12345678, bar);
    sb_writeb(0xff, bar + 1);
    assert_int_equal(sb_readl(all + 0x1010), 0x1234ff78);
    assert_int_equal(sb_readw(all + 0x1012), 0x1234);
    sb_writeq(UINT64_C(0x1122334455667788), all + 0x2ff8);
    assert_true(sb_readq(bar + 0x1fe8) == UINT64_C(0x1122334455667788));
    assert_int_equal(free_pages(&mm), free_before);
    assert_int_equal(vm.live, 0);
    /* bad_io_access of lib/iomap.c: a port is read as all ones. */
    uint16_t values[2] = {0, 0};
    const uint16_t both[2] = {1, 2};
    void *port = (void *)(uintptr_t)0x3f8; // NOLINT(performance-no-int-to-ptr): as ioport_map makes one
    assert_int_equal(sb_ioread8(port), 0xff);
    sb_iowrite32(1, port);
    sb_ioread16_rep(port, values, 2);
    assert_int_equal(values[1], 0xffff);
    sb_iowrite16_rep(bar, both, 2);
    sb_ioread16_rep(bar, values, 2);
    assert_int_equal(values[0], 2);
    assert_int_equal(values[1], 2);
    assert_null(sb_ioremap(&vm, (1 << 20) - 4, 8));
    assert_null(sb_ioremap(&vm, 0, 0));
    struct sb_sink sink = {&text, take_text};
    assert_int_equal(sb_vmalloc_dump(&vm, "vmallocinfo", &sink), 0);
    assert_non_null(strstr(text.text, "phys=0x0000000000001000 ioremap"));
    CHECK(sb_vmalloc_check, &vm);
    /* vfree of a device mapping is a mistake, and told as one. */
    sb_iounmap(&vm, (void *)bar);
    sb_iounmap(&vm, (void *)all);
    CHECK(sb_vmalloc_check, &vm);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_merge),
        cmocka_unit_test(exhaustion_gives_null_and_recovers),
        cmocka_unit_test(dma_stays_below_16_mib),
        cmocka_unit_test(bad_frees_are_refused_and_reported),
        cmocka_unit_test(check_notices_damage),
        cmocka_unit_test(slab_layout_holds_for_all_sizes),
        cmocka_unit_test(constructed_objects_stay_constructed),
        cmocka_unit_test(destroy_refuses_while_objects_live),
        cmocka_unit_test(check_notices_a_damaged_free_list),
        cmocka_unit_test(a_slab_of_the_least_order_is_better_than_none),
        cmocka_unit_test(kmalloc_aligns),
        cmocka_unit_test(the_mapping_is_real),
        cmocka_unit_test(freed_ranges_come_back_lazily),
        cmocka_unit_test(vmalloc_runs_out_and_recovers),
        cmocka_unit_test(the_mapping_limit_is_survived),
        cmocka_unit_test(check_notices_shared_and_overlapping_areas),
        cmocka_unit_test(blocks_of_addresses_per_cpu),
        cmocka_unit_test(huge_mappings_where_blocks_allow),
        cmocka_unit_test(vmalloc_takes_high_memory),
        cmocka_unit_test(ioremap_maps_the_device),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
