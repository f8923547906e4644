/*
 * The scull device on real allocators, step by step: after every single step, wherever in the cycle it ends,
 * contents, accounts and the allocator's books must agree. (A run may be stopped at any of them.)
 */
#define _GNU_SOURCE
#include "host.h"

#include "base/units.h"
#include "plugin/plugin.h"

#include <errno.h>
#include <time.h>

static uint64_t blocks_seen;

static void see_block(void *context, const void *block, uint64_t size, uint64_t align)
{
    (void)context;
    (void)block;
    (void)size;
    assert_int_equal((uintptr_t)block % (align ? align : 1), 0);
    blocks_seen++;
}

static uint64_t ticks(void)
{
    static uint64_t t;
    return t++;
}

struct rig {
    struct test_host host;
    struct sb_plugin *a, *w;
    union sb_value allocator_options[16], workload_options[16];
    struct sb_bench bench;
    void *allocator, *workload, *stream;
    bool paced;
    struct sb_needs needs;
};

static void defaults(const struct sb_plugin *p, union sb_value *values)
{
    char *why;
    for (uint32_t i = 0; i < p->option_count; i++)
        assert_int_equal(sb_option_parse(&p->options[i], p->options[i].fallback, &values[i], &why), 0);
}

static void set(struct rig *r, const char *key, const char *text)
{
    const struct sb_option *o = sb_option_find(r->w->options, r->w->option_count, key);
    char *why = NULL;
    assert_non_null(o);
    assert_int_equal(sb_option_parse(o, text, &r->workload_options[o - r->w->options], &why), 0);
}

static struct sb_plugin *load(const char *kind, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s-%s.so", PLUGIN_DIR, kind, name);
    struct sb_plugin *p = sb_plugin_load(path);
    if (p->refused)
        fail_msg("%s", p->refused);
    return p;
}

static void load_rig(struct rig *r, const char *allocator, const char *workload)
{
    memset(r, 0, sizeof(*r));
    test_host_open(&r->host, 32, test_cpus());
    r->a = load("allocator", allocator);
    r->w = load("workload", workload);
    defaults(r->a, r->allocator_options);
    defaults(r->w, r->workload_options);
}

static void open_rig(struct rig *r)
{
    char why[256];
    r->needs.struct_size = sizeof(r->needs);
    assert_int_equal(r->a->allocator.open(&r->host.host, r->allocator_options, &r->allocator), 0);
    assert_int_equal(r->w->workload.needs(r->workload_options, &r->needs, why, sizeof(why)), 0);
    r->bench = (struct sb_bench){.struct_size = sizeof(r->bench),
                                 .threads = 1,
                                 .seed = 3,
                                 .allocator = &r->a->allocator,
                                 .self = r->allocator,
                                 .now = ticks,
                                 .context = &r->host,
                                 .fail = test_fail,
                                 .live_block = see_block,
                                 .paced = r->paced};
    assert_int_equal(r->w->workload.setup(&r->bench, r->workload_options, &r->workload), 0);
    assert_int_equal(r->w->workload.thread_setup(r->workload, 0, &r->stream), 0);
}

static void close_rig(struct rig *r)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    r->w->workload.thread_teardown(r->stream);
    assert_int_equal(r->w->workload.teardown(r->workload), 0);
    r->a->allocator.snapshot(r->allocator, &s);
    if (s.has & SB_HAS_LIVE)
        assert_int_equal(s.live, 0);
    r->a->allocator.close(r->allocator);
    sb_plugin_free(r->a);
    sb_plugin_free(r->w);
    test_host_close(&r->host);
}

static void expect_good(struct rig *r)
{
    struct sb_account account = {.struct_size = sizeof(account)};
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    char why[512] = "";
    blocks_seen = 0;
    if (r->w->workload.verify(r->workload))
        fail_msg("%s", r->host.failure);
    r->w->workload.account(r->workload, &account);
    if (!(r->a->allocator.flags & SB_ALLOCATOR_ALIASES))
        assert_int_equal(blocks_seen, account.live);
    r->a->allocator.snapshot(r->allocator, &s);
    if (s.has & SB_HAS_LIVE)
        assert_int_equal(s.live, account.live);
    if (s.has & SB_HAS_HANDED)
        assert_true(s.handed_bytes >= account.requested_bytes);
    if (r->a->allocator.check(r->allocator, why, sizeof(why)))
        fail_msg("%s", why);
}

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
