/* slab of 2.6 and slob, and what they and slub have in common. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/slab.h"
#include "mm/slob.h"
#include "mm/slub.h"

#include <errno.h>

static const struct sb_mm_config config = {.page_lists = true};
static const struct sb_slub_config percpu = {.percpu = true};

/* ---- slab of 2.6 ---- */

static void open_slab(struct test_host *t, struct sb_mm *mm, struct sb_slab_system *system, unsigned cpus, bool arrays)
{
    open_mm_with(t, mm, 64, cpus, &config);
    assert_int_equal(sb_slab_init(system, mm, arrays), 0);
}

static void close_slab(struct test_host *t, struct sb_mm *mm, struct sb_slab_system *system)
{
    sb_slab_exit(system);
    close_mm(t, mm);
}

/*
 * Layouts of a 64-bit 2.6.10 with 4 KiB pages, worked out from its source by hand: on-slab management is 40 bytes and 2
 * for each object. /proc/slabinfo of that time shows the same numbers of objects: 119, 61, 31, 20 and 15.
 */
static void slab_layouts_follow_the_rule(void **state)
{
    static const struct {
        size_t size;
        uint32_t objects, order, off_slab, limit;
    } rows[] = {
        {32, 119, 0, 0, 120}, /* 288 + 119 * 32 = 4096 */
        {64, 61, 0, 0, 120},  /* 192 + 61 * 64 = 4096 */
        {128, 31, 0, 0, 120}, /* 128 + 31 * 128 = 4096 */
        {192, 20, 0, 0, 120}, /* 128 + 20 * 192 = 3968 */
        {256, 15, 0, 0, 120}, /* 128 + 15 * 256 = 3968 */
        {512, 8, 0, 1, 54},   {1024, 4, 0, 1, 54}, {2048, 2, 0, 1, 24},  {4096, 1, 0, 1, 24},
        {8192, 1, 1, 1, 8},   {16384, 1, 2, 1, 8}, {131072, 1, 5, 1, 8},
    };
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(sb_slab_cache_create(&system, "c", rows[i].size, 0, SB_SLAB_HWCACHE_ALIGN, NULL, &cache), 0);
        if (cache->objects != rows[i].objects || cache->order != rows[i].order || cache->off_slab != rows[i].off_slab ||
            cache->limit != rows[i].limit)
            fail_msg("%zu bytes: %u objects, order %u, off-slab %d, limit %u", rows[i].size, cache->objects,
                     cache->order, cache->off_slab, cache->limit);
    }
    for (size_t size = 1; size <= 131072; size += size < 8192 ? 1 : 1000) {
        assert_int_equal(sb_slab_cache_create(&system, "c", size, 0, 0, NULL, &cache), 0);
        size_t slab = SB_PAGE_SIZE << cache->order;
        size_t used = (size_t)cache->objects * cache->size + (cache->off_slab ? 0 : cache->management) +
                      (size_t)(cache->colours ? cache->colours - 1 : 0) * cache->colour_step;
        assert_true(cache->objects >= 1 && cache->size >= size && used <= slab);
        /* Management never comes out of a cache as large as its own. */
        assert_true(!cache->off_slab || cache->management <= cache->size);
        assert_int_equal(sb_slab_cache_destroy(cache), 0);
    }
    close_slab(&t, &mm, &system);
}

static unsigned constructed, destroyed;
static uint32_t told; /* to the last constructor */
static void construct(void *object, uint32_t ctor_flags)
{
    memset(object, 0xc5, 40);
    constructed++;
    told = ctor_flags;
}
static void destruct(void *object, uint32_t ctor_flags)
{
    assert_int_equal(ctor_flags, 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(((unsigned char *)object)[i], 0xc5);
    destroyed++;
}

/* LDD3's contract: constructed once for each object of a new slab, destroyed when the slab goes. */
static void constructors_run_once_an_object(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    unsigned char *objects[300];
    (void)state;
    constructed = destroyed = 0;
    open_slab(&t, &mm, &system, test_cpus(), true);
    const struct sb_slab_methods methods = {.ctor = construct, .dtor = destruct};
    assert_int_equal(sb_slab_cache_create(&system, "ctor", 40, 0, 0, &methods, &cache), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            objects[i] = sb_slab_cache_alloc(cache, SB_GFP_KERNEL);
            assert_int_equal(objects[i][39], 0xc5);
        }
        assert_int_equal(constructed, cache->nr_slabs * cache->objects);
        for (int i = 0; i < 300; i++)
            sb_slab_cache_free(cache, objects[i]);
    }
    CHECK(sb_slab_check, &system);
    sb_slab_cache_shrink(cache);
    assert_int_equal(cache->nr_slabs, 0);
    assert_int_equal(destroyed, constructed);
    assert_int_equal(sb_slab_cache_destroy(cache), 0);
    close_slab(&t, &mm, &system);
}

/* cache_grow: a slab that must be had without sleeping is constructed without sleeping. */
static void constructors_are_told_whether_they_may_sleep(void **state)
{
    const struct sb_slab_methods methods = {.ctor = construct};
    const sb_gfp_t gfps[] = {SB_GFP_KERNEL, SB_GFP_ATOMIC, SB_GFP_NOIO, SB_GFP_NOWAIT};
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), true);
    for (size_t i = 0; i < sizeof(gfps) / sizeof(gfps[0]); i++) {
        assert_int_equal(sb_slab_cache_create(&system, "ctor", 40, 0, 0, &methods, &cache), 0);
        told = 0;
        void *object = sb_slab_cache_alloc(cache, gfps[i]);
        assert_int_equal(told, SB_SLAB_CTOR_CONSTRUCTOR | (i % 2 ? SB_SLAB_CTOR_ATOMIC : 0));
        sb_slab_cache_free(cache, object);
        assert_int_equal(sb_slab_cache_destroy(cache), 0);
    }
    close_slab(&t, &mm, &system);
}

/* Slab after slab begins one colour further, then from the start again. */
static void slabs_are_coloured(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), false);
    /* 15 objects of 256 bytes and 128 of management leave 128: two colours. */
    assert_int_equal(sb_slab_cache_create(&system, "c", 256, 0, SB_SLAB_HWCACHE_ALIGN, NULL, &cache), 0);
    assert_int_equal(cache->colours, 2);
    uintptr_t first = 0;
    for (int i = 0; i < 6; i++) {
        char *object = NULL;
        for (uint32_t j = 0; j < cache->objects; j++) {
            char *next = sb_slab_cache_alloc(cache, SB_GFP_KERNEL);
            object = object ? object : next;
        }
        uintptr_t offset = (uintptr_t)object % SB_PAGE_SIZE;
        first = i ? first : offset;
        assert_int_equal(offset, first + (i % 2) * 64);
    }
    close_slab(&t, &mm, &system);
}

/* What a CPU frees beyond its array goes to the shared one, where another finds it before it looks at slabs.
 */
static void arrays_hand_over_through_the_shared_one(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    void *objects[200];
    (void)state;
    pin_to_one_cpu();
    open_slab(&t, &mm, &system, test_cpus() < 2 ? 2 : test_cpus(), true);
    assert_int_equal(sb_slab_cache_create(&system, "c", 64, 0, 0, NULL, &cache), 0);
    for (int i = 0; i < 200; i++)
        objects[i] = sb_slab_cache_alloc(cache, SB_GFP_KERNEL);
    for (int i = 0; i < 200; i++)
        sb_slab_cache_free(cache, objects[i]);
    struct sb_cpu_stack *array = sb_stack_of(&cache->arrays, (unsigned)sched_getcpu(), 0);
    assert_int_equal(array->count + cache->nr_shared + cache->nr_free_objects, cache->nr_slabs * cache->objects);
    /* Of four slabs of 61 the array has 44 left when the frees begin. 60 go at a time: at 120, and twice 60 later. */
    assert_int_equal(cache->objects, 61);
    assert_int_equal(cache->nr_shared, 180);
    /* The last freed comes back first. */
    assert_ptr_equal(sb_slab_cache_alloc(cache, SB_GFP_KERNEL), objects[199]);
    sb_slab_cache_free(cache, objects[199]);
    CHECK(sb_slab_check, &system);
    assert_int_equal(sb_slab_cache_live(cache), 0);
    close_slab(&t, &mm, &system);
}

static void slabs_of_the_book_are_used_in_turn(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    void *objects[3][256];
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), false);
    assert_int_equal(sb_slab_cache_create(&system, "c", 64, 0, 0, NULL, &cache), 0);
    uint32_t each = cache->objects;
    assert_true(each <= 256);
    for (int slab = 0; slab < 3; slab++) {
        for (uint32_t i = 0; i < each; i++)
            objects[slab][i] = sb_slab_cache_alloc(cache, SB_GFP_KERNEL);
    }
    sb_slab_cache_free(cache, objects[2][0]);
    sb_slab_cache_free(cache, objects[0][0]);
    sb_slab_cache_free(cache, objects[1][0]);
    /* free_block of 2.6: to the tail of slabs_partial. */
    assert_ptr_equal(sb_slab_cache_alloc(cache, SB_GFP_KERNEL), objects[2][0]);
    assert_ptr_equal(sb_slab_cache_alloc(cache, SB_GFP_KERNEL), objects[0][0]);
    assert_ptr_equal(sb_slab_cache_alloc(cache, SB_GFP_KERNEL), objects[1][0]);
    for (int slab = 0; slab < 3; slab++) {
        for (uint32_t i = 0; i < each; i++)
            sb_slab_cache_free(cache, objects[slab][i]);
    }
    close_slab(&t, &mm, &system);
}

static void slab_refuses_to_destroy_while_objects_live(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    char why[256];
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), true);
    assert_int_equal(sb_slab_cache_create(&system, "leaky", 100, 0, 0, NULL, &cache), 0);
    void *object = sb_slab_cache_alloc(cache, SB_GFP_KERNEL);
    assert_int_equal(sb_slab_cache_destroy(cache), -EBUSY);
    assert_string_equal(t.failure, "kmem_cache_destroy: cache 'leaky' still has 1 live objects of 100 bytes");
    /* A number that isn't there, in the chain of free ones. */
    struct sb_slab *slab = sb_virt_to_head(&mm, object)->freelist;
    uint16_t free = slab->free;
    slab->free = 12345;
    assert_int_equal(sb_slab_check(&system, why, sizeof(why)), -EUCLEAN);
    slab->free = free;
    CHECK(sb_slab_check, &system);
    sb_slab_cache_free(cache, object);
    assert_int_equal(sb_slab_cache_destroy(cache), 0);
    close_slab(&t, &mm, &system);
}

/* SLAB_NO_REAP: pressure takes the free slabs of other caches only. */
static void no_reap_is_respected(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *keeps, *gives;
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), true);
    assert_int_equal(sb_slab_cache_create(&system, "keeps", 300, 0, SB_SLAB_NO_REAP, NULL, &keeps), 0);
    assert_int_equal(sb_slab_cache_create(&system, "gives", 300, 0, 0, NULL, &gives), 0);
    sb_slab_cache_free(keeps, sb_slab_cache_alloc(keeps, SB_GFP_KERNEL));
    sb_slab_cache_free(gives, sb_slab_cache_alloc(gives, SB_GFP_KERNEL));
    sb_mm_reclaim(&mm);
    assert_int_equal(keeps->nr_slabs, 1);
    assert_int_equal(gives->nr_slabs, 0);
    close_slab(&t, &mm, &system);
}

static void slab_kmalloc_ends_at_128_kib(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), true);
    for (size_t size = 1; size <= SB_SLAB_KMALLOC_MAX; size += size < 5000 ? 1 : 777) {
        void *block = sb_slab_kmalloc(&system, size, SB_GFP_KERNEL);
        assert_non_null(block);
        size_t usable = sb_slab_ksize(&system, block);
        assert_true(usable >= size && usable >= 32 && (usable < 2 * size || usable == 32));
        sb_slab_kfree(&system, block);
    }
    assert_null(sb_slab_kmalloc(&system, SB_SLAB_KMALLOC_MAX + 1, SB_GFP_KERNEL));
    char *dma = sb_slab_kmalloc(&system, 100, SB_GFP_KERNEL | SB_GFP_DMA),
         *any = sb_slab_kmalloc(&system, 100, SB_GFP_KERNEL);
    assert_true(dma - mm.base < 16 << 20 && any - mm.base >= 16 << 20);
    sb_slab_kfree(&system, dma);
    sb_slab_kfree(&system, any);
    CHECK(sb_slab_check, &system);
    close_slab(&t, &mm, &system);
}

/* ---- slob ---- */

static void slob_fits_first_and_merges(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slob slob;
    struct sb_slob_cache *cache;
    char *a[8];
    (void)state;
    open_mm(&t, &mm, 16, 1);
    sb_slob_init(&slob, &mm);
    assert_int_equal(sb_slob_cache_create(&slob, "c", 200, 8, 0, NULL, &cache), 0);
    for (int i = 0; i < 8; i++) {
        a[i] = sb_slob_cache_alloc(cache, SB_GFP_KERNEL);
        assert_true(!i || a[i] == a[i - 1] + 200);
    }
    assert_int_equal(slob.nr_pages, 1);
    /* Two neighbours freed are one hole, which something twice as large fits; the lowest hole is taken. */
    sb_slob_cache_free(cache, a[4]);
    sb_slob_cache_free(cache, a[2]);
    sb_slob_cache_free(cache, a[3]);
    CHECK(sb_slob_check, &slob);
    assert_ptr_equal(sb_slob_cache_alloc(cache, SB_GFP_KERNEL), a[2]);
    assert_ptr_equal(sb_slob_cache_alloc(cache, SB_GFP_KERNEL), a[3]);
    assert_ptr_equal(sb_slob_cache_alloc(cache, SB_GFP_KERNEL), a[4]);
    assert_int_equal(sb_slob_cache_destroy(cache), -EBUSY);
    for (int i = 0; i < 8; i++)
        sb_slob_cache_free(cache, a[i]);
    assert_int_equal(slob.nr_pages, 0);
    assert_int_equal(sb_slob_cache_destroy(cache), 0);
    CHECK(sb_slob_check, &slob);
    close_mm(&t, &mm);
}

/* Three lists: small blocks never come to lie in a page of large ones. */
static void slob_keeps_sizes_apart(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slob slob;
    (void)state;
    open_mm(&t, &mm, 16, 1);
    sb_slob_init(&slob, &mm);
    char *small = sb_slob_kmalloc(&slob, 100, 0, SB_GFP_KERNEL),
         *medium = sb_slob_kmalloc(&slob, 500, 0, SB_GFP_KERNEL),
         *large = sb_slob_kmalloc(&slob, 2000, 0, SB_GFP_KERNEL),
         *huge = sb_slob_kmalloc(&slob, 9000, 0, SB_GFP_KERNEL);
    assert_int_equal(slob.nr_pages, 3);
    assert_int_equal(sb_slob_ksize(&slob, small), 104);
    assert_int_equal(sb_slob_ksize(&slob, huge), 16384);
    for (size_t align = 8; align <= 2048; align *= 2) {
        void *block = sb_slob_kmalloc(&slob, 50, align, SB_GFP_KERNEL);
        assert_int_equal((uintptr_t)block % align, 0);
        sb_slob_kfree(&slob, block);
    }
    sb_slob_kfree(&slob, small);
    sb_slob_kfree(&slob, medium);
    sb_slob_kfree(&slob, large);
    sb_slob_kfree(&slob, huge);
    assert_int_equal(slob.nr_pages, 0);
    assert_int_equal(slob.live_bytes, 0);
    CHECK(sb_slob_check, &slob);
    close_mm(&t, &mm);
}

/* ---- what all of them zero ---- */

static uint64_t zeroed(struct sb_mm *mm)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    sb_mm_snapshot(mm, &s);
    assert_true(s.has & SB_HAS_ZEROED);
    return s.zeroed_bytes;
}

/* Bytes of the object, and none without __GFP_ZERO. */
static void zeroing_is_counted(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_slab_system slab;
    struct sb_slob slob;
    struct sb_kmem_cache *cache, *odd;
    struct sb_slab_cache *old;
    void *objects[3];
    (void)state;
    open_mm_with(&t, &mm, 64, test_cpus(), &config);
    sb_slub_init(&slub, &mm, &percpu);
    assert_int_equal(sb_slab_init(&slab, &mm, true), 0);
    sb_slob_init(&slob, &mm);
    assert_int_equal(sb_cache_create(&slub, "c", 96, 0, 0, NULL, &cache), 0);
    assert_int_equal(sb_slab_cache_create(&slab, "c", 200, 0, 0, NULL, &old), 0);
    uint64_t before = zeroed(&mm);
    sb_cache_free(cache, sb_cache_alloc(cache, SB_GFP_KERNEL));
    assert_int_equal(zeroed(&mm) - before, 0);
    sb_cache_free(cache, sb_cache_alloc(cache, SB_GFP_KERNEL | SB_GFP_ZERO));
    assert_int_equal(zeroed(&mm) - before, 96);
    assert_int_equal(sb_cache_alloc_bulk(cache, SB_GFP_KERNEL | SB_GFP_ZERO, 3, objects), 3);
    sb_cache_free_bulk(cache, 3, objects);
    assert_int_equal(zeroed(&mm) - before, 4 * 96);
    /* memset of 6.1 clears object_size, which is what was asked for. */
    assert_int_equal(sb_cache_create(&slub, "odd", 99, 0, 0, NULL, &odd), 0);
    sb_cache_free(odd, sb_cache_alloc(odd, SB_GFP_KERNEL | SB_GFP_ZERO));
    assert_int_equal(zeroed(&mm) - before, 4 * 96 + 99);
    before += 99;
    sb_slab_cache_free(old, sb_slab_cache_alloc(old, SB_GFP_KERNEL | SB_GFP_ZERO));
    assert_int_equal(zeroed(&mm) - before, 4 * 96 + 200);
    sb_slob_kfree(&slob, sb_slob_kmalloc(&slob, 56, 8, SB_GFP_KERNEL | SB_GFP_ZERO));
    assert_int_equal(zeroed(&mm) - before, 4 * 96 + 200 + 56);
    struct sb_page *page = sb_alloc_pages(&mm, SB_GFP_KERNEL | SB_GFP_ZERO, 2);
    sb_free_pages(&mm, page, 2);
    assert_int_equal(zeroed(&mm) - before, 4 * 96 + 200 + 56 + 4 * 4096);
    sb_slob_exit(&slob);
    sb_slab_exit(&slab);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

/* A block of two pages is freed and a slab takes its first page: the second is nobody's, though it once had that head.
 */
static void an_address_in_a_free_page_is_no_object(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_slab_system system;
    struct sb_kmem_cache *cache;
    struct sb_slab_cache *slab;
    (void)state;
    for (int old = 0; old < 2; old++) {
        open_mm(&t, &mm, 64, 2);
        sb_slub_init(&slub, &mm, &(struct sb_slub_config){0});
        assert_int_equal(sb_slab_init(&system, &mm, false), 0);
        assert_int_equal(sb_cache_create(&slub, "c", 64, 0, 0, NULL, &cache), 0);
        assert_int_equal(sb_slab_cache_create(&system, "c", 128, 0, 0, NULL, &slab), 0);
        char *block = sb_get_free_pages(&mm, SB_GFP_KERNEL, 1);
        sb_free_pages_at(&mm, block, 1);
        char *object = old ? sb_slab_cache_alloc(slab, SB_GFP_KERNEL) : sb_cache_alloc(cache, SB_GFP_KERNEL);
        assert_int_equal((uintptr_t)object / SB_PAGE_SIZE, (uintptr_t)block / SB_PAGE_SIZE);
        assert_int_equal(atomic_load(&mm.bad_frees), 0);
        if (old)
            sb_slab_cache_free(slab, block + SB_PAGE_SIZE);
        else
            sb_cache_free(cache, block + SB_PAGE_SIZE);
        assert_int_equal(atomic_load(&mm.bad_frees), 1);
        atomic_store(&mm.bad_frees, 0);
        /* Nor is it handed out next. */
        char *next = old ? sb_slab_cache_alloc(slab, SB_GFP_KERNEL) : sb_cache_alloc(cache, SB_GFP_KERNEL);
        assert_int_equal((uintptr_t)next / SB_PAGE_SIZE, (uintptr_t)block / SB_PAGE_SIZE);
        CHECK(sb_slub_check, &slub);
        CHECK(sb_slab_check, &system);
        sb_slab_exit(&system);
        sb_slub_exit(&slub);
        close_mm(&t, &mm);
    }
}

/* The array of a cache whose slabs are managed elsewhere is held while their management is freed into another's: the
 * order of locks has a rank for each, which sanitized builds prove. */
static void off_slab_caches_give_back_under_locks(void **state)
{
    enum { MOST = 400 };
    static void *objects[MOST];
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    struct sb_slab_cache *cache;
    (void)state;
    open_mm_with(&t, &mm, 64, test_cpus(), &(struct sb_mm_config){.page_lists = true, .sync = SB_SYNC_LOCK});
    assert_int_equal(sb_slab_init(&system, &mm, true), 0);
    assert_int_equal(sb_slab_cache_create(&system, "far", 1024, 0, 0, NULL, &cache), 0);
    assert_true(cache->off_slab);
    for (int i = 0; i < MOST; i++)
        assert_non_null(objects[i] = sb_slab_cache_alloc(cache, SB_GFP_KERNEL));
    uint64_t before = sb_mm_free_pages(&mm) + sb_mm_pcp_pages(&mm);
    for (int i = 0; i < MOST; i++)
        sb_slab_cache_free(cache, objects[i]);
    /* Slabs were destroyed by the frees themselves. */
    assert_true(sb_mm_free_pages(&mm) + sb_mm_pcp_pages(&mm) > before);
    close_slab(&t, &mm, &system);
}

/* CACHE() of 2.6.10's kmalloc_sizes.h with lines of 64 bytes, and what fits which; names as slabinfo had them. */
static void general_caches_are_of_2_6_10(void **state)
{
    static const uint32_t rows[][2] = {{1, 32},         {32, 32},        {33, 64},    {64, 64},     {65, 128},
                                       {128, 128},      {129, 192},      {192, 192},  {193, 256},   {256, 256},
                                       {257, 512},      {512, 512},      {513, 1024}, {4096, 4096}, {4097, 8192},
                                       {65537, 131072}, {131072, 131072}};
    struct test_host t;
    struct sb_mm mm;
    struct sb_slab_system system;
    (void)state;
    open_slab(&t, &mm, &system, test_cpus(), true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *block = sb_slab_kmalloc(&system, rows[i][0], SB_GFP_KERNEL);
        char name[32], dma[32];
        assert_int_equal(sb_slab_ksize(&system, block), rows[i][1]);
        snprintf(name, sizeof(name), "size-%u", rows[i][1]);
        snprintf(dma, sizeof(dma), "size-%u(DMA)", rows[i][1]);
        assert_string_equal(((struct sb_slab_cache *)sb_virt_to_head(&mm, block)->owner)->name, name);
        sb_slab_kfree(&system, block);
        block = sb_slab_kmalloc(&system, rows[i][0], SB_GFP_KERNEL | SB_GFP_DMA);
        const struct sb_page *page = sb_virt_to_head(&mm, block);
        assert_string_equal(((struct sb_slab_cache *)page->owner)->name, dma);
        assert_int_equal(sb_page_zone(&mm, page)->type, SB_ZONE_DMA);
        sb_slab_kfree(&system, block);
    }
    /* 128 KiB is the end. */
    assert_null(sb_slab_kmalloc(&system, 131073, SB_GFP_KERNEL));
    close_slab(&t, &mm, &system);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(general_caches_are_of_2_6_10),
        cmocka_unit_test(off_slab_caches_give_back_under_locks),
        cmocka_unit_test(an_address_in_a_free_page_is_no_object),
        cmocka_unit_test(slab_layouts_follow_the_rule),
        cmocka_unit_test(constructors_run_once_an_object),
        cmocka_unit_test(constructors_are_told_whether_they_may_sleep),
        cmocka_unit_test(slabs_are_coloured),
        cmocka_unit_test(arrays_hand_over_through_the_shared_one),
        cmocka_unit_test(slabs_of_the_book_are_used_in_turn),
        cmocka_unit_test(slab_refuses_to_destroy_while_objects_live),
        cmocka_unit_test(no_reap_is_respected),
        cmocka_unit_test(slab_kmalloc_ends_at_128_kib),
        cmocka_unit_test(slob_fits_first_and_merges),
        cmocka_unit_test(slob_keeps_sizes_apart),
        cmocka_unit_test(zeroing_is_counted),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
