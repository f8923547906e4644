/* What a run does around its trials: the size of their memory, and the CPUs that it keeps busy. */
#define _GNU_SOURCE
#include "test.h"

#include "plan/memory.h"
#include "run/keeper.h"

#include <sched.h>
#include <unistd.h>

static const struct sb_cache_ops cache;
static const struct sb_sized_ops sized;
static const struct sb_pages_ops pages;
static const struct sb_allocator caches = {.cache = &cache, .sized = &sized, .pages = &pages},
                                 classes = {.sized = &sized}, buddy = {.sized = &sized, .pages = &pages};

static uint64_t held(const struct sb_allocator *a, enum sb_want want, uint64_t size, uint64_t count,
                     uint32_t threads)
{
    const struct sb_needs needs = {.want = want, .block_size = size, .live_bytes = size * count};
    return sb_memory_held(a, &needs, threads);
}

static void blocks_take_what_their_route_gives(void **state)
{
    (void)state;
    assert_int_equal(held(&caches, SB_WANT_CACHE, 100, 1000, 1), 100000);
    assert_int_equal(held(&classes, SB_WANT_CACHE, 100, 1000, 1), 128000);
    assert_int_equal(held(&classes, SB_WANT_CACHE, 128, 1000, 2), 256000);
    assert_int_equal(held(&buddy, SB_WANT_CACHE, 100, 1000, 1), 4096000);
    assert_int_equal(held(&buddy, SB_WANT_PAGES, 4097, 10, 4), UINT64_C(4) * 10 * 8192);
    assert_int_equal(held(&caches, SB_WANT_PAGES, 12288, 1, 1), 16384);
}

/* A CPU that there is spins until it is told to rest; one that there isn't is done without. */
static void cpus_are_kept_busy(void **state)
{
    struct sb_cpu at[] = {{.os = (unsigned)sched_getcpu()}, {.os = 60000}};
    const struct sb_cpus cpus = {at, 2, 2}, none = {0};
    struct sb_keeper *k = sb_keeper_start();
    (void)state;
    sb_keeper_keep(k, &none);
    assert_true(sb_keeper_seconds(k) == 0);
    sb_keeper_keep(k, &cpus);
    while (!(sb_keeper_seconds(k) > 0.01))
        usleep(1000);
    sb_keeper_rest(k);
    /* At its next turn it is asleep, and then its time stands still. */
    double before = -1, now = sb_keeper_seconds(k);
    while (now > before) {
        usleep(20000);
        before = now;
        now = sb_keeper_seconds(k);
    }
    sb_keeper_keep(k, &cpus);
    while (!(sb_keeper_seconds(k) > now))
        usleep(1000);
    sb_keeper_stop(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_take_what_their_route_gives),
        cmocka_unit_test(cpus_are_kept_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
