/* slub: its lists, bulk calls, randomisation and zones. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/kmalloc.h"
#include "mm/slub.h"

#include "scullbench/random.h"

#include <errno.h>

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

/* ---- debugging ---- */

static const uint32_t F = SB_SLAB_CONSISTENCY_CHECKS, Z = SB_SLAB_RED_ZONE, P = SB_SLAB_POISON, U = SB_SLAB_STORE_USER;

/* calculate_sizes of 6.1 with CONFIG_SLUB_DEBUG, by hand: two tracks of 32 bytes, a left red zone as wide as the
 * alignment, a word behind all. */
static void debugged_layouts_follow_the_rule(void **state)
{
    const struct {
        uint32_t size, align, flags, total, offset, left;
    } rows[] = {
        {100, 0, F, 104, 48, 0},
        {100, 0, P, 112, 104, 0},
        {104, 0, Z, 128, 48, 8},
        {100, 0, Z, 120, 48, 8},
        {100, 0, U, 168, 48, 0},
        {104, 0, F | Z | P | U, 200, 112, 8},
        {100, 0, F | Z | P | U, 192, 104, 8},
        {64, 64, Z, 192, 32, 64},
        {64, 64, P, 128, 64, 0},
    };
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sb_kmem_cache *cache;
        open_mm_with(&t, &mm, 64, test_cpus(), &config);
        sb_slub_init(&slub, &mm, &percpu);
        assert_int_equal(sb_cache_create(&slub, "c", rows[i].size, rows[i].align, rows[i].flags, NULL, &cache), 0);
        assert_int_equal(cache->size, rows[i].total);
        assert_int_equal(cache->offset, rows[i].offset);
        assert_int_equal(cache->left_pad, rows[i].left);
        assert_null(cache->cpu);
        char *object = sb_cache_alloc(cache, SB_GFP_KERNEL | SB_GFP_ZERO);
        assert_int_equal((uintptr_t)object % (rows[i].align ? rows[i].align : 8), 0);
        sb_cache_free(cache, object);
        close_slub(&t, &mm, &slub);
    }
}

/* A cache with these flags; two of its objects are ours. */
static struct sb_kmem_cache *open_debugged(struct test_host *t, struct sb_mm *mm, struct sb_slub *slub, uint32_t flags,
                                           char *objects[2])
{
    struct sb_kmem_cache *cache;
    open_mm_with(t, mm, 64, test_cpus(), &config);
    sb_slub_init(slub, mm, &percpu);
    assert_int_equal(sb_cache_create(slub, "victim", 100, 0, flags, NULL, &cache), 0);
    for (int i = 0; i < 2; i++)
        objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
    CHECK(sb_slub_check, slub);
    return cache;
}

/* What was found is told, and stays in check()'s words. */
static void expect_bug(const struct test_host *t, struct sb_slub *slub, const char *words)
{
    char why[512] = "";
    assert_int_equal(slub->nr_bugs, 1);
    assert_non_null(strstr(t->failure, words));
    assert_int_equal(sb_slub_check(slub, why, sizeof(why)), -EUCLEAN);
    assert_non_null(strstr(why, words));
    assert_non_null(strstr(why, "BUG victim: "));
}

static void mistakes_are_told_with_their_owner(void **state)
{
    enum mistake { OVERRUN, UNDERRUN, TWICE, ASKEW, AFTER_FREE, LAST_AFTER_FREE, MISTAKES };
    static const char *const words[MISTAKES] = {"Right Redzone overwritten: byte 100 of the object at ",
                                                "Left Redzone overwritten: byte -1 of the object at ",
                                                "Object already free",
                                                "Invalid object pointer ",
                                                "Poison overwritten: byte 50 of the object at ",
                                                "End Poison overwritten: byte 99 of the object at "};
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    char *objects[2], why[512];
    (void)state;
    for (enum mistake m = OVERRUN; m < MISTAKES; m++) {
        struct sb_kmem_cache *cache = open_debugged(&t, &mm, &slub, F | Z | P | U, objects);
        if (m == OVERRUN || m == UNDERRUN)
            objects[0][m == OVERRUN ? 100 : -1] = 'A';
        sb_cache_free(cache, objects[0] + (m == ASKEW ? 8 : 0));
        if (m == TWICE)
            sb_cache_free(cache, objects[0]);
        if (m >= AFTER_FREE) {
            objects[0][m == AFTER_FREE ? 50 : 99] = 'A';
            assert_int_equal(sb_slub_check(&slub, why, sizeof(why)), -EUCLEAN);
            assert_non_null(strstr(why, words[m]));
            assert_int_equal(slub.nr_bugs, 0);
            /* Its slab gives out no more. */
            char *next = sb_cache_alloc(cache, SB_GFP_KERNEL);
            assert_ptr_not_equal(sb_virt_to_head(&mm, next), sb_virt_to_head(&mm, objects[0]));
        }
        expect_bug(&t, &slub, words[m]);
        if (m != ASKEW)
            assert_non_null(strstr(slub.bug, "; allocated by thread "));
        assert_int_equal(strstr(slub.bug, "; freed by thread ") != NULL, m >= AFTER_FREE || m == TWICE);
        assert_int_equal(atomic_load(&mm.bad_frees), m < AFTER_FREE);
        /* Nor is what was freed wrongly ever given out again. */
        for (int i = 0; i < 200 && m < TWICE; i++)
            assert_ptr_not_equal(sb_cache_alloc(cache, SB_GFP_KERNEL), objects[0]);
        sb_slub_exit(&slub);
        close_mm(&t, &mm);
    }
}

/* As in the kernel, red zones and poison alone are written and never looked at; owners are known only with U. */
static void without_checks_nothing_is_told(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    char *objects[2];
    (void)state;
    struct sb_kmem_cache *cache = open_debugged(&t, &mm, &slub, Z | P, objects);
    assert_int_equal((unsigned char)objects[0][100], 0xcc);
    objects[0][100] = 'A';
    sb_cache_free(cache, objects[0]);
    assert_int_equal((unsigned char)objects[0][0], 0x6b);
    assert_int_equal((unsigned char)objects[0][99], 0xa5);
    assert_int_equal((unsigned char)objects[0][100], 0xbb);
    assert_int_equal(slub.nr_bugs, 0);
    sb_cache_free(cache, objects[1]);
    close_slub(&t, &mm, &slub);
    cache = open_debugged(&t, &mm, &slub, F | Z, objects);
    objects[0][101] = 'A';
    sb_cache_free(cache, objects[0]);
    assert_int_equal(slub.nr_bugs, 1);
    assert_null(strstr(slub.bug, "thread"));
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

/* Seeded: what is right finds no bug, singly and in bulk, over many slabs. */
static void debugged_caches_serve(void **state)
{
    enum { MOST = 600 };
    static void *objects[MOST];
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_random random = {7};
    char *first[2];
    size_t n = 0;
    (void)state;
    struct sb_kmem_cache *cache = open_debugged(&t, &mm, &slub, F | Z | P | U, first);
    for (int i = 0; i < 20000; i++) {
        size_t some = 1 + sb_random_below(&random, 20);
        if (sb_random_below(&random, 2) && n + some <= MOST) {
            assert_int_equal(sb_cache_alloc_bulk(cache, SB_GFP_KERNEL, some, objects + n), some);
            for (size_t j = 0; j < some; j++, n++)
                memset(objects[n], (int)n, 100);
        } else if (n >= some) {
            n -= some;
            sb_cache_free_bulk(cache, some, objects + n);
        } else if (n) {
            sb_cache_free(cache, objects[--n]);
        }
    }
    assert_int_equal(sb_cache_live(cache), n + 2);
    CHECK(sb_slub_check, &slub);
    while (n)
        sb_cache_free(cache, objects[--n]);
    sb_cache_free(cache, first[0]);
    sb_cache_free(cache, first[1]);
    assert_int_equal(sb_cache_destroy(cache), 0);
    close_slub(&t, &mm, &slub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debugged_layouts_follow_the_rule),
        cmocka_unit_test(mistakes_are_told_with_their_owner),
        cmocka_unit_test(without_checks_nothing_is_told),
        cmocka_unit_test(debugged_caches_serve),
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
