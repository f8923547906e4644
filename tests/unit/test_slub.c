/* slub: its lists, bulk calls, randomisation and zones. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/kmalloc.h"
#include "mm/slub.h"

#include "scullbench/random.h"

static const struct sb_mm_config config = {.page_lists = true};
static const struct sb_slub_config percpu = {.percpu = true};

static void fill(struct sb_kmem_cache *cache, void **objects, int n)
{
    for (int i = 0; i < n; i++)
        objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
}

/* A machine with a cache of 64-byte objects, 64 to a slab. */
static struct sb_kmem_cache *open_slub(struct test_host *t, struct sb_mm *mm, struct sb_slub *slub, bool on_each_cpu)
{
    struct sb_kmem_cache *cache;
    open_mm_with(t, mm, 64, test_cpus(), &config);
    sb_slub_init(slub, mm, &(struct sb_slub_config){.percpu = on_each_cpu, .nr_cpus = 2});
    assert_int_equal(sb_cache_create(slub, "c", 64, 0, 0, NULL, &cache), 0);
    assert_int_equal(cache->objects, 64);
    return cache;
}

static void close_slub(struct test_host *t, struct sb_mm *mm, struct sb_slub *slub)
{
    CHECK(sb_slub_check, slub);
    sb_slub_exit(slub);
    close_mm(t, mm);
}

/* A slab that was full goes to the CPU's partial list; when that is long enough, its slabs go to the node. */
static void partial_lists_fill_and_overflow(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    void *objects[64 * 16];
    (void)state;
    pin_to_one_cpu();
    cache = open_slub(&t, &mm, &slub, true);
    assert_int_equal(cache->cpu_partial_slabs, 4); /* 120 objects, in slabs half full */
    fill(cache, objects, 64 * 16);
    const struct sb_cpu_slab *cpu = &cache->cpu[sched_getcpu()];
    for (unsigned slab = 0; slab < 10; slab++) {
        sb_cache_free(cache, objects[64 * slab]);
        assert_int_equal(cpu->nr_partial, slab % 4 + 1);
        assert_int_equal(cache->nodes[0].nr_partial, slab / 4 * 4);
    }
    CHECK(sb_slub_check, &slub);
    assert_int_equal(sb_cache_live(cache), 64 * 16 - 10);
    for (int i = 0; i < 64 * 16; i++) {
        if (i % 64 || i >= 640)
            sb_cache_free(cache, objects[i]);
    }
    assert_int_equal(sb_cache_live(cache), 0);
    CHECK(sb_slub_check, &slub);
    sb_slub_shrink(&slub);
    assert_int_equal(cache->nr_slabs, 0);
    close_slub(&t, &mm, &slub);
}

/* get_partial_node of 6.1: a slab to allocate from, and more until half of what the CPU may keep is there. */
static void a_refill_takes_half_of_what_a_cpu_may_keep(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    void *objects[64 * 16];
    (void)state;
    pin_to_one_cpu();
    cache = open_slub(&t, &mm, &slub, true);
    fill(cache, objects, 64 * 16);
    for (int slab = 0; slab < 10; slab++)
        sb_cache_free(cache, objects[64 * slab]);
    const struct sb_cpu_slab *cpu = &cache->cpu[sched_getcpu()];
    assert_int_equal(cpu->nr_partial, 2);
    assert_int_equal(cache->nodes[0].nr_partial, 8);
    /* The CPU's two, with an object each, then the node's: one for now, and three, which is over half of four. */
    for (int i = 0; i < 3; i++)
        assert_non_null(sb_cache_alloc(cache, SB_GFP_KERNEL));
    assert_int_equal(cpu->nr_partial, 3);
    assert_int_equal(cache->nodes[0].nr_partial, 4);
    close_slub(&t, &mm, &slub);
}

/* calculate_sizes and set_min_partial of 6.1: ilog2(size) / 2, within 5 and 10; __slab_free discards an empty slab
 * while so many others wait. */
static void min_partial_slabs_wait(void **state)
{
    static const struct {
        size_t size;
        uint64_t least;
    } cases[] = {{64, 5}, {1024, 5}, {4096, 6}, {8192, 6}, {16384, 7}};
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache, *sized;
    void *objects[64 * 10];
    (void)state;
    cache = open_slub(&t, &mm, &slub, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sb_cache_create(&slub, "c", cases[i].size, 0, 0, NULL, &sized), 0);
        assert_int_equal(sized->min_partial, cases[i].least);
    }
    fill(cache, objects, 64 * 10);
    assert_int_equal(cache->nr_slabs, 10);
    /* The fifth finds five on the list, itself among them. */
    for (int slab = 0; slab < 10; slab++) {
        for (int i = 0; i < 64; i++)
            sb_cache_free(cache, objects[64 * slab + i]);
        assert_int_equal(cache->nodes[0].nr_partial, slab < 4 ? slab + 1 : 4);
    }
    assert_int_equal(cache->nr_slabs, 4);
    close_slub(&t, &mm, &slub);
}

/* __slab_free of 6.1 adds to the tail (DEACTIVATE_TO_TAIL): the slab that waits longest is used first. */
static void partial_slabs_are_used_in_turn(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    void *objects[64 * 4];
    (void)state;
    cache = open_slub(&t, &mm, &slub, false);
    fill(cache, objects, 64 * 4);
    sb_cache_free(cache, objects[64 * 2]);
    sb_cache_free(cache, objects[0]);
    sb_cache_free(cache, objects[64]);
    assert_ptr_equal(sb_cache_alloc(cache, SB_GFP_KERNEL), objects[64 * 2]);
    assert_ptr_equal(sb_cache_alloc(cache, SB_GFP_KERNEL), objects[0]);
    assert_ptr_equal(sb_cache_alloc(cache, SB_GFP_KERNEL), objects[64]);
    close_slub(&t, &mm, &slub);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

/* n at once are n different ones, and all or none; freed at once in any order they are all back. */
static void bulk_equals_single(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    enum { MOST = 1000 };
    void *objects[MOST], *sorted[MOST];
    struct sb_random random = {1};
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        open_mm_with(&t, &mm, 32, test_cpus(), &config);
        sb_slub_init(&slub, &mm, &(struct sb_slub_config){.percpu = mode == 0});
        assert_int_equal(sb_cache_create(&slub, "c", 200, 0, 0, NULL, &cache), 0);
        for (int round = 0; round < 300; round++) {
            size_t n = 1 + sb_random_below(&random, MOST);
            assert_int_equal(sb_cache_alloc_bulk(cache, SB_GFP_KERNEL, n, objects), n);
            assert_int_equal(sb_cache_live(cache), n);
            memcpy(sorted, objects, n * sizeof(*objects));
            qsort(sorted, n, sizeof(*sorted), by_address);
            for (size_t i = 1; i < n; i++)
                assert_true((char *)sorted[i] - (char *)sorted[i - 1] >= 200);
            for (size_t i = 0; i < n; i++) {
                size_t j = sb_random_below(&random, n);
                void *other = objects[i];
                objects[i] = objects[j];
                objects[j] = other;
            }
            sb_cache_free_bulk(cache, n, objects);
            assert_int_equal(sb_cache_live(cache), 0);
        }
        CHECK(sb_slub_check, &slub);
        void **many = calloc(400000, sizeof(*many));
        assert_int_equal(sb_cache_alloc_bulk(cache, SB_GFP_NOWAIT, 400000, many), 0);
        assert_int_equal(sb_cache_live(cache), 0);
        CHECK(sb_slub_check, &slub);
        free(many);
        assert_int_equal(sb_cache_destroy(cache), 0);
        sb_slub_exit(&slub);
        close_mm(&t, &mm);
    }
}

/* Randomised, a slab's objects come in another order, each once, and another slab's in yet another. */
static void randomisation_shuffles_each_slab(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    char *objects[2][64];
    unsigned ascending = 0, same = 0;
    (void)state;
    open_mm_with(&t, &mm, 16, 1, &(struct sb_mm_config){0});
    sb_slub_init(&slub, &mm, &(struct sb_slub_config){.randomize = true});
    assert_int_equal(sb_cache_create(&slub, "c", 64, 0, 0, NULL, &cache), 0);
    for (int slab = 0; slab < 2; slab++) {
        uint64_t seen = 0;
        for (int i = 0; i < 64; i++) {
            objects[slab][i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
            seen |= UINT64_C(1) << ((uintptr_t)objects[slab][i] / 64 % 64);
        }
        assert_true(seen == UINT64_MAX);
    }
    for (int i = 1; i < 64; i++) {
        ascending += objects[0][i] == objects[0][i - 1] + 64;
        same += objects[1][i] - objects[1][0] == objects[0][i] - objects[0][0];
    }
    assert_true(ascending < 10 && same < 10);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

static void dma_caches_take_dma_pages(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_kmalloc k;
    (void)state;
    open_mm_with(&t, &mm, 64, test_cpus(), &config);
    assert_int_equal(sb_kmalloc_init(&k, &mm, &percpu), 0);
    for (size_t size = 8; size <= 65536; size *= 2) {
        char *dma = sb_kmalloc(&k, size, 0, SB_GFP_KERNEL | SB_GFP_DMA),
             *normal = sb_kmalloc(&k, size, 0, SB_GFP_KERNEL);
        assert_true(dma - mm.base < 16 << 20);
        assert_true(normal - mm.base >= 16 << 20);
        sb_kfree(&k, dma);
        sb_kfree(&k, normal);
    }
    unsigned char *zeroed = sb_kzalloc(&k, 777, SB_GFP_KERNEL);
    for (int i = 0; i < 777; i++)
        assert_int_equal(zeroed[i], 0);
    sb_kfree(&k, zeroed);
    CHECK(sb_slub_check, &k.slub);
    sb_kmalloc_exit(&k);
    close_mm(&t, &mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_lists_fill_and_overflow),
        cmocka_unit_test(a_refill_takes_half_of_what_a_cpu_may_keep),
        cmocka_unit_test(min_partial_slabs_wait),
        cmocka_unit_test(partial_slabs_are_used_in_turn),
        cmocka_unit_test(bulk_equals_single),
        cmocka_unit_test(randomisation_shuffles_each_slab),
        cmocka_unit_test(dma_caches_take_dma_pages),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
