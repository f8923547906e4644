/* mempool and per-CPU areas: reserves that serve when memory is gone, variables of which each CPU has its own. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/mempool.h"
#include "mm/percpu.h"

#include <errno.h>

/* ---- mempool ---- */

struct backing {
    atomic_int left, live;
};

static void *backing_alloc(sb_gfp_t gfp, void *data)
{
    struct backing *b = data;
    (void)gfp;
    if (!b->left)
        return NULL;
    b->left--;
    b->live++;
    return malloc(16);
}

static void backing_free(void *element, void *data)
{
    struct backing *b = data;
    b->left++;
    b->live--;
    free(element);
}

static void the_reserve_serves_when_the_backing_fails(void **state)
{
    struct backing b = {.left = 10};
    struct sb_mempool pool;
    void *elements[10];
    (void)state;
    assert_int_equal(sb_mempool_init(&pool, 4, backing_alloc, backing_free, &b, 1000000), 0);
    assert_int_equal(pool.curr_nr, 4);
    for (int i = 0; i < 10; i++) {
        elements[i] = sb_mempool_alloc(&pool, SB_GFP_ATOMIC);
        assert_non_null(elements[i]);
        assert_int_equal(pool.from_reserve, i < 6 ? 0 : i - 5);
    }
    assert_null(sb_mempool_alloc(&pool, SB_GFP_ATOMIC));
    /* One that may sleep waits; with nobody to give anything back it ends at the limit. */
    assert_null(sb_mempool_alloc(&pool, SB_GFP_KERNEL));
    assert_int_equal(pool.waits, 1);
    /* The first ones given back refill the reserve, not the backing. */
    for (int i = 0; i < 10; i++)
        sb_mempool_free(&pool, elements[i]);
    assert_int_equal(pool.curr_nr, 4);
    assert_int_equal(b.live, 4);
    sb_mempool_exit(&pool);
    assert_int_equal(b.live, 0);
    b.left = 3;
    assert_int_equal(sb_mempool_init(&pool, 4, backing_alloc, backing_free, &b, 0), -ENOMEM);
    assert_int_equal(b.live, 0);
}

static void a_pool_is_resized(void **state)
{
    struct backing b = {.left = 20};
    struct sb_mempool pool;
    (void)state;
    assert_int_equal(sb_mempool_init(&pool, 4, backing_alloc, backing_free, &b, 1000), 0);
    void *element = sb_mempool_alloc(&pool, SB_GFP_ATOMIC);
    assert_int_equal(sb_mempool_resize(&pool, 10), 0);
    assert_int_equal(pool.curr_nr, 10);
    assert_int_equal(b.live, 11);
    assert_int_equal(sb_mempool_resize(&pool, 2), 0);
    assert_int_equal(pool.curr_nr, 2);
    assert_int_equal(b.live, 3);
    /* More than the backing has: as many as there are, and the rest when they come. */
    assert_int_equal(sb_mempool_resize(&pool, 100), 0);
    assert_int_equal(pool.curr_nr, 19);
    sb_mempool_free(&pool, element);
    sb_mempool_exit(&pool);
    assert_int_equal(b.live, 0);
}

/* An element takes a while to make. */
static void *slow_alloc(sb_gfp_t gfp, void *data)
{
    const struct timespec nap = {0, 100000};
    nanosleep(&nap, NULL);
    return backing_alloc(gfp, data);
}

static void *enlarge(void *pool)
{
    return sb_mempool_resize(pool, 80) ? pool : NULL;
}

/* mempool_resize: who fills a reserve stops at what whoever came later wants, and gives back the one too many. */
static void a_pool_is_resized_by_two(void **state)
{
    struct backing b = {.left = 200};
    struct sb_mempool pool;
    pthread_t thread;
    void *failed;
    (void)state;
    assert_int_equal(sb_mempool_init(&pool, 10, slow_alloc, backing_free, &b, 1000), 0);
    assert_int_equal(pthread_create(&thread, NULL, enlarge, &pool), 0);
    /* Far beyond what is wanted next: the thread is making an element that nobody wants then. */
    while (__atomic_load_n(&pool.curr_nr, __ATOMIC_RELAXED) < 40)
        sched_yield();
    assert_int_equal(sb_mempool_resize(&pool, 12), 0);
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(pool.min_nr, 12);
    assert_int_equal(pool.curr_nr, 12);
    assert_int_equal(b.live, 12);
    sb_mempool_exit(&pool);
    assert_int_equal(b.live, 0);
}

/* mempool_alloc adds __GFP_NOMEMALLOC: an atomic one leaves half of the zone's minimum to others, and then has
 * the pool's elements. */
static void pools_keep_off_the_zones_reserve(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_mempool pool;
    struct sb_mempool_pages pages = {&mm, 0};
    (void)state;
    open_mm(&t, &mm, 64, test_cpus());
    assert_int_equal(sb_mempool_init(&pool, 16, sb_mempool_alloc_pages, sb_mempool_free_pages, &pages, 1000), 0);
    while (!atomic_load(&pool.from_reserve))
        assert_non_null(sb_mempool_alloc(&pool, SB_GFP_ATOMIC));
    for (unsigned i = 0; i < SB_NR_ZONES; i++) {
        const struct sb_zone *zone = &mm.zones[i];
        if (zone->managed)
            assert_in_range(zone->nr_free_pages, zone->watermark[SB_WMARK_MIN] / 2,
                            zone->watermark[SB_WMARK_MIN] / 2 + 1 + zone->lowmem_reserve[SB_ZONE_NORMAL]);
    }
    sb_mempool_exit(&pool);
    close_mm(&t, &mm);
}

/* Over page blocks, with memory gone: the reserve serves, and what comes back refills it first. */
static void page_backed_pools_survive_exhaustion(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_mempool pool;
    struct sb_mempool_pages pages = {&mm, 1};
    void *elements[8];
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    assert_int_equal(sb_mempool_init(&pool, 8, sb_mempool_alloc_pages, sb_mempool_free_pages, &pages, 1000), 0);
    while (sb_alloc_pages(&mm, SB_GFP_MEMALLOC | SB_GFP_NOWARN, 0))
        ;
    for (int i = 0; i < 8; i++) {
        elements[i] = sb_mempool_alloc(&pool, SB_GFP_NOWAIT);
        assert_non_null(elements[i]);
        memset(elements[i], i, 8192);
    }
    assert_null(sb_mempool_alloc(&pool, SB_GFP_NOWAIT));
    for (int i = 0; i < 8; i++)
        sb_mempool_free(&pool, elements[i]);
    assert_int_equal(pool.curr_nr, 8);
    sb_mempool_exit(&pool);
    CHECK(sb_mm_check, &mm);
    close_mm(&t, &mm);
}

struct late {
    struct sb_mempool *pool;
    void *element;
};
static void *give_back_late(void *argument)
{
    struct late *late = argument;
    struct timespec nap = {0, 20000000};
    nanosleep(&nap, NULL);
    sb_mempool_free(late->pool, late->element);
    return NULL;
}

/* GFP_KERNEL waits for an element that another thread returns. */
static void who_may_sleep_waits_for_an_element(void **state)
{
    struct backing b = {.left = 1};
    struct sb_mempool pool;
    pthread_t thread;
    (void)state;
    assert_int_equal(sb_mempool_init(&pool, 1, backing_alloc, backing_free, &b, UINT64_C(20000000000)), 0);
    struct late late = {&pool, sb_mempool_alloc(&pool, SB_GFP_ATOMIC)};
    assert_null(sb_mempool_alloc(&pool, SB_GFP_ATOMIC));
    assert_int_equal(pthread_create(&thread, NULL, give_back_late, &late), 0);
    assert_ptr_equal(sb_mempool_alloc(&pool, SB_GFP_KERNEL), late.element);
    pthread_join(thread, NULL);
    sb_mempool_free(&pool, late.element);
    sb_mempool_exit(&pool);
    assert_int_equal(b.live, 0);
}

static void *take_one(struct sb_mempool *pool)
{
    return pool->elements[--pool->curr_nr];
}

/* The array in front is filled to its size, holds half as many more, and hands out the youngest first. */
static void a_cache_per_cpu_stands_in_front(void **state)
{
    struct backing b = {.left = 1000};
    struct sb_mempool pool;
    struct sb_mempool_cache cache;
    void *elements[100];
    (void)state;
    pin_to_one_cpu();
    assert_int_equal(sb_mempool_init(&pool, 4, backing_alloc, backing_free, &b, 1000), 0);
    assert_int_equal(sb_mempool_cache_init(&cache, &pool, test_cpus(), 32, sb_rseq_can_seize()), 0);
    elements[0] = sb_mempool_cache_alloc(&cache, SB_GFP_KERNEL);
    assert_int_equal(sb_mempool_cached(&cache), 31);
    assert_int_equal(b.live, 4 + 32);
    for (int i = 1; i < 100; i++)
        elements[i] = sb_mempool_cache_alloc(&cache, SB_GFP_KERNEL);
    for (int i = 0; i < 100; i++) {
        sb_mempool_cache_free(&cache, elements[i]);
        assert_true(sb_mempool_cached(&cache) <= 48);
    }
    assert_ptr_equal(sb_mempool_cache_alloc(&cache, SB_GFP_KERNEL), elements[99]);
    sb_mempool_cache_free(&cache, elements[99]);
    /* The reserve comes first once it was used. */
    pool.free(take_one(&pool), &b);
    sb_mempool_cache_free(&cache, sb_mempool_cache_alloc(&cache, SB_GFP_KERNEL));
    assert_int_equal(pool.curr_nr, 4);
    sb_mempool_cache_exit(&cache);
    sb_mempool_exit(&pool);
    assert_int_equal(b.live, 0);
}

/* ---- percpu ---- */

static void every_cpu_has_its_own_copy(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu;
    uint64_t *cookies[2000];
    (void)state;
    open_mm(&t, &mm, 16, 4);
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, NULL, 0), 0);
    uint64_t before = sb_mm_free_pages(&mm);
    for (uint64_t i = 0; i < 2000; i++) {
        cookies[i] = sb_alloc_percpu(&pcpu, 64, 64);
        assert_non_null(cookies[i]);
        for (unsigned cpu = 0; cpu < 4; cpu++) {
            uint64_t *copy = sb_per_cpu_ptr(cookies[i], cpu);
            assert_int_equal((uintptr_t)copy % 64, 0);
            assert_int_equal(*copy, 0);
            *copy = i * 4 + cpu;
        }
    }
    CHECK(sb_pcpu_check, &pcpu);
    for (uint64_t i = 0; i < 2000; i++) {
        for (unsigned cpu = 0; cpu < 4; cpu++)
            assert_int_equal(*(uint64_t *)sb_per_cpu_ptr(cookies[i], cpu), i * 4 + cpu);
        sb_free_percpu(&pcpu, cookies[i]);
    }
    /* What was written there is not the next owner's to see. */
    uint64_t *again = sb_alloc_percpu(&pcpu, 64, 64);
    assert_ptr_equal(again, cookies[0]);
    for (unsigned cpu = 0; cpu < 4; cpu++)
        assert_int_equal(*(uint64_t *)sb_per_cpu_ptr(again, cpu), 0);
    sb_free_percpu(&pcpu, again);
    sb_pcpu_shrink(&pcpu);
    CHECK(sb_pcpu_check, &pcpu);
    assert_int_equal(sb_mm_free_pages(&mm), before);
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

/* The image of the section, of which every CPU has its copy. */
static SB_DEFINE_PER_CPU(uint64_t, counted) = 7;
static SB_DEFINE_PER_CPU(uint32_t, flag) = 1;
static SB_DEFINE_PER_CPU(int[3], three) = {1, 2, 3}; /* the book's line */
extern const char __start_sb_percpu[], __stop_sb_percpu[];

static void static_variables_have_a_copy_each(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu;
    (void)state;
    pin_to_one_cpu();
    open_mm(&t, &mm, 16, test_cpus());
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, __start_sb_percpu, (uint64_t)(__stop_sb_percpu - __start_sb_percpu)), 0);
    void *cookie = sb_pcpu_static(&pcpu, &counted);
    for (unsigned i = 0; i < mm.nr_cpus; i++) {
        assert_int_equal(*(uint64_t *)sb_per_cpu_ptr(cookie, i), 7);
        assert_int_equal(*(uint32_t *)sb_per_cpu_ptr(sb_pcpu_static(&pcpu, &flag), i), 1);
    }
    assert_int_equal(SB_PER_CPU(&pcpu, three, mm.nr_cpus - 1)[2], 3);
    uint64_t *mine = sb_get_cpu_ptr(&pcpu, cookie);
    assert_ptr_equal(mine, sb_per_cpu_ptr(cookie, (unsigned)sched_getcpu()));
    *mine += 5;
    sb_put_cpu(&pcpu);
    assert_int_equal(sb_this_cpu_add(&pcpu, cookie, 10), 22);
    assert_int_equal(counted, 7);
    /* Dynamic ones come behind the static ones in the same chunk. */
    char *dynamic = sb_alloc_percpu(&pcpu, 8, 8);
    assert_true(dynamic > (char *)cookie && dynamic < pcpu.first + SB_PCPU_UNIT_SIZE);
    sb_free_percpu(&pcpu, dynamic);
    CHECK(sb_pcpu_check, &pcpu);
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

enum { ADDERS = 4, ADDS = 200000 };
static void *add_many(void *counter)
{
    test_go_anywhere();
    for (int i = 0; i < ADDS; i++)
        sb_percpu_counter_add(counter, i % 3 ? 2 : -1);
    return NULL;
}

/* percpu_counter_add_batch of 6.1: a CPU's part goes into the sum when it reaches the batch, of either sign. */
static void percpu_counters_fold_at_the_batch(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu;
    struct sb_percpu_counter counter;
    (void)state;
    pin_to_one_cpu();
    open_mm(&t, &mm, 64, test_cpus());
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, NULL, 0), 0);
    assert_int_equal(sb_percpu_counter_init(&counter, &pcpu, 1000, 32), 0);
    sb_percpu_counter_add(&counter, 31);
    assert_int_equal(sb_percpu_counter_read(&counter), 1000);
    sb_percpu_counter_add(&counter, 1);
    assert_int_equal(sb_percpu_counter_read(&counter), 1032);
    sb_percpu_counter_add(&counter, -32);
    assert_int_equal(sb_percpu_counter_read(&counter), 1000);
    sb_percpu_counter_destroy(&counter);
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

/* Exact in the sum, and never off by more than the batches, however threads move. */
static void percpu_counters_lose_nothing(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu;
    struct sb_percpu_counter counter;
    pthread_t threads[ADDERS];
    (void)state;
    open_mm(&t, &mm, 16, test_cpus());
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, NULL, 0), 0);
    assert_int_equal(sb_percpu_counter_init(&counter, &pcpu, 1000, 32), 0);
    for (int i = 0; i < ADDERS; i++)
        pthread_create(&threads[i], NULL, add_many, &counter);
    for (int i = 0; i < ADDERS; i++)
        pthread_join(threads[i], NULL);
    int64_t each = ADDS * 2 - (ADDS + 2) / 3 * 3, sum = 1000 + ADDERS * each;
    assert_true(sb_percpu_counter_sum(&counter) == sum);
    int64_t off = sb_percpu_counter_read(&counter) - sum;
    assert_true(off < 32 * (int64_t)mm.nr_cpus && -off < 32 * (int64_t)mm.nr_cpus);
    sb_percpu_counter_destroy(&counter);
    CHECK(sb_pcpu_check, &pcpu);
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

static void take_text(void *context, const char *text, size_t length)
{
    char *all = context;
    strncat(all, text, length);
}

/* chunk_map_stats of 6.1: 8, 64 and 16 bytes, of which the second is freed, then a hole of 64 in front of the last. */
static void statistics_of_a_chunk(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu;
    static char text[8192];
    const struct sb_sink sink = {text, take_text};
    static const char *const lines[] = {"nr_alloc            :            2\n", "max_alloc_size      :           64\n",
                                        "first_bit           :            2\n", "free_bytes          :        32744\n",
                                        "contig_bytes        :        32680\n", "sum_frag            :           64\n",
                                        "max_frag            :           64\n", "cur_min_alloc       :            8\n",
                                        "cur_med_alloc       :            8\n", "cur_max_alloc       :           16\n",
                                        "nr_alloc            :            3\n", "nr_dealloc          :            1\n",
                                        "nr_max_alloc        :            3\n", "min_alloc_size      :            8\n"};
    (void)state;
    open_mm(&t, &mm, 16, 2);
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, NULL, 0), 0);
    sb_alloc_percpu(&pcpu, 8, 8);
    void *second = sb_alloc_percpu(&pcpu, 64, 8);
    sb_alloc_percpu(&pcpu, 16, 8);
    sb_free_percpu(&pcpu, second);
    sb_pcpu_dump_stats(&pcpu, &sink);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (!strstr(text, lines[i]))
            fail_msg("lacks '%s' in:\n%s", lines[i], text);
    }
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

/* Preemption counts nest: two variables at once on one CPU, and nobody else there until the last is put. */
static void get_cpu_var_nests(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu, other;
    const uint64_t size = (uint64_t)(__stop_sb_percpu - __start_sb_percpu);
    (void)state;
    pin_to_one_cpu();
    open_mm(&t, &mm, 64, test_cpus());
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, __start_sb_percpu, size), 0);
    assert_int_equal(sb_pcpu_init(&other, &mm, __start_sb_percpu, size), 0);
    unsigned cpu = (unsigned)sched_getcpu();
    alarm(20);
    SB_GET_CPU_VAR(&pcpu, counted) += 1;
    SB_GET_CPU_VAR(&pcpu, three)[1] = 20;
    assert_false(sb_trylock(&pcpu.guards[cpu].lock));
    sb_put_cpu(&pcpu);
    assert_false(sb_trylock(&pcpu.guards[cpu].lock));
    sb_put_cpu(&pcpu);
    assert_true(sb_trylock(&pcpu.guards[cpu].lock));
    sb_unlock(&pcpu.guards[cpu].lock);
    /* Another machine's CPU of that number is another CPU. */
    assert_int_equal(sb_get_cpu(&other), cpu);
    sb_put_cpu(&other);
    alarm(0);
    assert_int_equal(SB_PER_CPU(&pcpu, counted, cpu), 8);
    assert_int_equal(SB_PER_CPU(&pcpu, three, cpu)[1], 20);
    sb_pcpu_exit(&other);
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_is_resized),
        cmocka_unit_test(a_pool_is_resized_by_two),
        cmocka_unit_test(page_backed_pools_survive_exhaustion),
        cmocka_unit_test(who_may_sleep_waits_for_an_element),
        cmocka_unit_test(a_cache_per_cpu_stands_in_front),
        cmocka_unit_test(static_variables_have_a_copy_each),
        cmocka_unit_test(percpu_counters_fold_at_the_batch),
        cmocka_unit_test(percpu_counters_lose_nothing),
        cmocka_unit_test(the_reserve_serves_when_the_backing_fails),
        cmocka_unit_test(pools_keep_off_the_zones_reserve),
        cmocka_unit_test(every_cpu_has_its_own_copy),
        cmocka_unit_test(get_cpu_var_nests),
        cmocka_unit_test(statistics_of_a_chunk),
    };
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
