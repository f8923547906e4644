/*
 * The scull device on real allocators, step by step: after every single step, wherever in the cycle it ends,
 * contents, accounts and the allocator's books must agree. (A run may be stopped at any of them.)
 */
#define _GNU_SOURCE
#include "rig.h"

#include <errno.h>
#include <time.h>

/* Small devices with many list items and a partial last quantum, so that every edge is stepped on. */
static void run_every_step(const char *allocator, const char *workload, const char *source)
{
    struct rig r;
    struct sb_counts counts = {0};
    load_rig(&r, allocator, workload);
    set(&r, "devices", "3");
    set(&r, "qset", "3");
    set(&r, "batch", "2");
    set(&r, "source", source);
    if (!strcmp(workload, "scullc")) {
        set(&r, "quantum", "1000B");
        set(&r, "device_size", "9500B");
    } else {
        set(&r, "device_size", "700KiB");
    }
    open_rig(&r);
    for (int cycle = 1; cycle <= 2; cycle++) {
        while (counts.operations < (uint64_t)cycle * r.needs.cycle_operations) {
            assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
            expect_good(&r);
        }
        assert_int_equal(counts.operations, (uint64_t)cycle * r.needs.cycle_operations);
    }
    assert_true(counts.allocs > 0 && counts.frees > 0 && counts.bytes > 0);
    close_rig(&r);
}

static void scullc_on_each_interface(void **state)
{
    (void)state;
    run_every_step("slub", "scullc", "random");
    run_every_step("kmalloc", "scullc", "zero");
    run_every_step("buddy", "scullc", "file:/proc/self/exe");
    run_every_step("mempool", "scullc", "file:/proc/self/exe");
    run_every_step("malloc", "scullc", "random");
    run_every_step("bump", "scullc", "random");
    run_every_step("null", "scullc", "zero");
}

static void scullp_and_scullv(void **state)
{
    (void)state;
    run_every_step("buddy", "scullp", "random");
    run_every_step("slub", "scullp", "random");
    run_every_step("vmalloc", "scullv", "random");
    run_every_step("kmalloc", "scullv", "random");
    run_every_step("null", "scullv", "zero");
}

/* Every pattern, stopped after every step: accounts and books agree, and all comes back. */
static void objects_in_every_order(void **state)
{
    static const char *const patterns[] = {"pair", "fifo", "lifo", "random"};
    static const char *const allocators[] = {"slub", "kmalloc", "buddy", "malloc", "null"};
    (void)state;
    for (size_t a = 0; a < 5; a++) {
        for (size_t p = 0; p < 4; p++) {
            struct rig r;
            struct sb_counts counts = {0};
            load_rig(&r, allocators[a], "objects");
            set(&r, "pattern", patterns[p]);
            set(&r, "touch", p % 2 ? "full" : "first");
            set(&r, "count", "100");
            set(&r, "batch", "7");
            open_rig(&r);
            while (counts.operations < 3 * r.needs.cycle_operations) {
                assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
                expect_good(&r);
            }
            /* Stopped halfway through the allocations, then halfway through the frees. */
            for (int i = 0; i < 8; i++)
                assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
            expect_good(&r);
            close_rig(&r);
        }
    }
}

/* A byte changed behind the device's back is found, and the message says where. */
static void damage_is_found(void **state)
{
    struct rig r;
    struct sb_counts counts = {0};
    (void)state;
    load_rig(&r, "kmalloc", "scullc");
    set(&r, "source", "file:/proc/self/exe");
    set(&r, "device_size", "40000B");
    open_rig(&r);
    while (counts.operations < 10)
        assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
    expect_good(&r);
    /* The first bytes of an ELF file stand in some quantum now; find one and break it. */
    char *memory = r.host.host.memory;
    bool broken = false;
    for (uint64_t i = 0; i < r.host.host.memory_size && !broken; i += 64) {
        if (!memcmp(memory + i, "\177ELF", 4)) {
            memory[i + 1] ^= 1;
            broken = true;
        }
    }
    assert_true(broken);
    assert_int_equal(r.w->workload.verify(r.workload), -EBADMSG);
    assert_non_null(strstr(r.host.failure, "quantum 0 doesn't hold what was written into it: 1 bytes differ"));
    close_rig(&r);
}

static void running_out_is_told(void **state)
{
    struct rig r;
    struct sb_counts counts = {0};
    int status = 0;
    (void)state;
    load_rig(&r, "buddy", "scullp");
    set(&r, "device_size", "64MiB");
    open_rig(&r);
    while (!status)
        status = r.w->workload.step(r.stream, &counts);
    assert_int_equal(status, -ENOMEM);
    expect_good(&r);
    close_rig(&r);
}

/* Of a paced trial each step is one call, whatever batch says: what is due is a call. */
static void paced_steps_are_single_calls(void **state)
{
    (void)state;
    for (int paced = 0; paced < 2; paced++) {
        struct rig r;
        struct sb_counts counts = {0};
        load_rig(&r, "slub", "scullc");
        set(&r, "batch", "16");
        r.paced = paced;
        open_rig(&r);
        assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
        assert_int_equal(counts.operations, paced ? 1 : 16);
        close_rig(&r);
    }
}

static void options_are_checked_together(void **state)
{
    struct rig r;
    char why[256];
    (void)state;
    load_rig(&r, "null", "scullc");
    r.needs.struct_size = sizeof(r.needs);
    set(&r, "source", "flie:/bin/sh");
    assert_true(r.w->workload.needs(r.workload_options, &r.needs, why, sizeof(why)) < 0);
    assert_string_equal(why, "source: 'flie:/bin/sh' is none of zero, random and file:PATH");
    set(&r, "source", "file:/nowhere");
    assert_true(r.w->workload.needs(r.workload_options, &r.needs, why, sizeof(why)) < 0);
    assert_string_equal(why, "source: '/nowhere' is not a readable file with contents");
    set(&r, "source", "file:/proc/self/exe");
    set(&r, "touch", "first");
    assert_true(r.w->workload.needs(r.workload_options, &r.needs, why, sizeof(why)) < 0);
    sb_plugin_free(r.a);
    sb_plugin_free(r.w);
    test_host_close(&r.host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scullc_on_each_interface),     cmocka_unit_test(scullp_and_scullv),
        cmocka_unit_test(objects_in_every_order),       cmocka_unit_test(damage_is_found),
        cmocka_unit_test(running_out_is_told),          cmocka_unit_test(paced_steps_are_single_calls),
        cmocka_unit_test(options_are_checked_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
