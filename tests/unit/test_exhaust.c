/*
 * Memory filled through every allocator of the model, by every interface it offers: it ends with NULL, the
 * structures are whole, and when all is freed and given back, every free page lies in the blocks it lay in at
 * first.
 */
#define _GNU_SOURCE
#include "host.h"

#include "base/units.h"
#include "plugin/plugin.h"
#include "scullbench/source.h"

#include <errno.h>

enum { MIB = 24 };

struct held {
    SB_VEC_OF(void *);
};

static void keep(struct held *held, void *block)
{
    if (held->n == held->capacity) {
        held->capacity = held->capacity ? 2 * held->capacity : 1024;
        held->at = realloc((void *)held->at, held->capacity * sizeof(*held->at));
    }
    held->at[held->n++] = block;
}

static void expect_clean(const struct sb_plugin *p, void *self, const char *when)
{
    char why[512] = "";
    if (p->allocator.check(self, why, sizeof(why)))
        fail_msg("%s, %s: %s", p->name, when, why);
}

/* Every second first, so that what is left lies scattered; then the rest. */
static void release(const struct sb_source *source, struct held *held)
{
    for (size_t step = 0; step < 2; step++) {
        for (size_t i = step; i < held->n; i += 2)
            sb_source_free(source, held->at[i]);
    }
}

static void fill(const struct sb_plugin *p, void *self, enum sb_want want, size_t size, sb_gfp_t gfp,
                 const struct sb_snapshot *before)
{
    struct sb_source source;
    struct sb_snapshot after = {.struct_size = sizeof(after)};
    struct held held = {0};
    void *block;
    assert_int_equal(sb_source_open(&source, &p->allocator, self, want, "exhaust", size, 0), 0);
    while ((block = sb_source_alloc(&source, gfp | SB_GFP_NOWARN))) {
        memset(block, 0x5a, size);
        keep(&held, block);
    }
    /* Half of memory at least; an allocator that gives up early is of no use. bootmem's pool is the half. */
    if (held.n * size < (MIB << 20) * 2 / 5)
        fail_msg("%s: only %zu blocks of %zu bytes came out of %d MiB", p->name, held.n, size, MIB);
    expect_clean(p, self, "full");
    assert_null(sb_source_alloc(&source, gfp | SB_GFP_NOWARN));
    release(&source, &held);
    expect_clean(p, self, "freed");
    /* And again: what was freed serves. */
    block = sb_source_alloc(&source, gfp);
    assert_non_null(block);
    sb_source_free(&source, block);
    assert_int_equal(sb_source_close(&source), 0);
    p->allocator.shrink(self);
    expect_clean(p, self, "given back");
    p->allocator.snapshot(self, &after);
    assert_int_equal(after.live, 0);
    assert_int_equal(after.held_bytes, before->held_bytes);
    /* vmalloc's own records may have come to lie in another page. */
    if (strcmp(p->name, "vmalloc"))
        assert_memory_equal(after.free_blocks, before->free_blocks, sizeof(after.free_blocks));
    free((void *)held.at);
}

static void exhaust(const char *name, const char *option, const char *value)
{
    static const size_t sizes[] = {100, 1000, 4000, 4096};
    char path[512], *why = NULL;
    snprintf(path, sizeof(path), "%s/allocator-%s.so", PLUGIN_DIR, name);
    struct sb_plugin *p = sb_plugin_load(path);
    union sb_value *options = calloc(p->option_count + 1, sizeof(*options));
    for (uint32_t i = 0; i < p->option_count; i++) {
        const char *text = p->options[i].fallback;
        if (option && !strcmp(p->options[i].name, option))
            text = value;
        else if (!strcmp(p->options[i].name, "max_wait"))
            text = "1us";
        assert_int_equal(sb_option_parse(&p->options[i], text, &options[i], &why), 0);
    }
    for (unsigned kernel = 0; kernel < 2; kernel++) {
        struct test_host host;
        struct sb_snapshot before = {.struct_size = sizeof(before)};
        void *self = NULL;
        sb_gfp_t gfp = kernel ? SB_GFP_KERNEL : SB_GFP_ATOMIC;
        test_host_open(&host, MIB, test_cpus());
        assert_int_equal(p->allocator.open(&host.host, options, &self), 0);
        p->allocator.snapshot(self, &before);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            bool pages = p->allocator.pages || !strcmp(name, "vmalloc") || (value && !strcmp(value, "pages"));
            if (!pages || sizes[i] >= 4000)
                fill(p, self, SB_WANT_CACHE, sizes[i], gfp, &before);
        }
        fill(p, self, SB_WANT_PAGES, 4096, gfp, &before);
        fill(p, self, SB_WANT_VIRTUAL, 65536, gfp, &before);
        p->allocator.close(self);
        test_host_close(&host);
    }
    free(options);
    sb_plugin_free(p);
}

#define EACH(TEST)                                                                                                     \
    TEST(buddy, "buddy", NULL, NULL)                                                                                   \
    TEST(buddy_alone, "buddy", "page_lists", "no")                                                                     \
    TEST(slub, "slub", NULL, NULL)                                                                                     \
    TEST(slub_shared, "slub", "percpu", "no")                                                                          \
    TEST(slub_sheaves, "slub", "sheaf", "60")                                                                          \
    TEST(slab, "slab", NULL, NULL)                                                                                     \
    TEST(slab_shared, "slab", "percpu", "no")                                                                          \
    TEST(slob, "slob", NULL, NULL)                                                                                     \
    TEST(kmalloc, "kmalloc", NULL, NULL)                                                                               \
    TEST(vmalloc, "vmalloc", NULL, NULL)                                                                               \
    TEST(vmalloc_percpu, "vmalloc", "percpu", "yes")                                                                   \
    TEST(mempool, "mempool", NULL, NULL)                                                                               \
    TEST(mempool_pages, "mempool", "backing", "pages")                                                                 \
    TEST(mempool_percpu, "mempool", "cache", "32")                                                                     \
    TEST(bootmem, "bootmem", NULL, NULL)

#define DEFINE(name, plugin, option, value)                                                                            \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        exhaust(plugin, option, value);                                                                                \
    }
#define LIST(name, plugin, option, value) cmocka_unit_test(name),

EACH(DEFINE)

/* Areas per CPU until the chunks are gone; freed, all come back but the first chunk. */
static void percpu(void **state)
{
    char path[512];
    struct test_host host;
    struct held held = {0};
    struct sb_snapshot before = {.struct_size = sizeof(before)}, after = {.struct_size = sizeof(after)};
    void *self = NULL, *area, *last = NULL;
    (void)state;
    snprintf(path, sizeof(path), "%s/allocator-percpu.so", PLUGIN_DIR);
    struct sb_plugin *p = sb_plugin_load(path);
    union sb_value *options = calloc(p->option_count + 1, sizeof(*options));
    test_host_open(&host, MIB, test_cpus());
    assert_int_equal(p->allocator.open(&host.host, options, &self), 0);
    p->allocator.snapshot(self, &before);
    while ((area = p->percpu.alloc_percpu(self, 8192, 64)))
        keep(&held, last = area);
    assert_true(held.n > 200 && last);
    expect_clean(p, self, "full");
    for (size_t i = 0; i < held.n; i++)
        p->percpu.free_percpu(self, held.at[i]);
    p->allocator.shrink(self);
    expect_clean(p, self, "given back");
    p->allocator.snapshot(self, &after);
    assert_memory_equal(after.free_blocks, before.free_blocks, sizeof(after.free_blocks));
    p->allocator.close(self);
    test_host_close(&host);
    free((void *)held.at);
    free(options);
    sb_plugin_free(p);
}

/* Neighbours in bootmem's pool are one region to it, but each is its owner's alone. */
static void bootmem_frees_whole_blocks_only(void **state)
{
    char path[512], why[512];
    struct test_host host;
    struct sb_snapshot snapshot = {.struct_size = sizeof(snapshot)};
    void *self = NULL;
    (void)state;
    snprintf(path, sizeof(path), "%s/allocator-bootmem.so", PLUGIN_DIR);
    struct sb_plugin *p = sb_plugin_load(path);
    union sb_value *options = calloc(p->option_count + 1, sizeof(*options));
    for (uint32_t i = 0; i < p->option_count; i++)
        assert_int_equal(sb_option_parse(&p->options[i], p->options[i].fallback, &options[i], NULL), 0);
    /* How much is freed, from where, of three blocks of 4096 bytes side by side. */
    static const struct {
        int offset, size;
    } wrong[] = {{0, 8192}, {0, 12288}, {0, 2048}, {2048, 2048}, {4096, 8192}, {8, 4088}, {12288, 4096}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        test_host_open(&host, MIB, test_cpus());
        assert_int_equal(p->allocator.open(&host.host, options, &self), 0);
        char *a = p->sized.alloc(self, 4096, 0, SB_GFP_KERNEL), *b = p->sized.alloc(self, 4096, 0, SB_GFP_KERNEL);
        char *c = p->sized.alloc(self, 4096, 0, SB_GFP_KERNEL);
        assert_ptr_equal(b, a + 4096);
        expect_clean(p, self, "three blocks");
        p->sized.free(self, a + wrong[i].offset, (size_t)wrong[i].size);
        p->allocator.snapshot(self, &snapshot);
        assert_int_equal(snapshot.live, 3);
        assert_int_equal(p->allocator.check(self, why, sizeof(why)), -EUCLEAN);
        assert_non_null(strstr(why, "1 free"));
        /* Nobody's block is handed out again. */
        char *d = p->sized.alloc(self, 8192, 0, SB_GFP_KERNEL);
        assert_true(d >= c + 4096);
        p->allocator.close(self);
        test_host_close(&host);
    }
    free(options);
    sb_plugin_free(p);
}

/*
 * LDD3 on free_bootmem: whole pages alone come back, and what a page shares with another piece is lost. Which pages a
 * range has whole, and how many pieces are left of one of 20 KiB.
 */
static void free_bootmem_gives_back_whole_pages(void **state)
{
    static const struct {
        unsigned from, size, left, pieces;
    } rows[] = {{0, 20480, 0, 0},      {0, 4096, 16384, 1},   {16384, 4096, 16384, 1}, {8192, 4096, 16384, 2},
                {100, 20000, 8192, 2}, {100, 4000, 20480, 1}, {4000, 200, 20480, 1},   {4096, 16384, 4096, 1}};
    char path[512];
    struct test_host host;
    struct sb_snapshot snapshot = {.struct_size = sizeof(snapshot)};
    void *self = NULL;
    (void)state;
    snprintf(path, sizeof(path), "%s/allocator-bootmem.so", PLUGIN_DIR);
    struct sb_plugin *p = sb_plugin_load(path);
    union sb_value *options = calloc(p->option_count + 1, sizeof(*options));
    for (uint32_t i = 0; i < p->option_count; i++)
        assert_int_equal(sb_option_parse(&p->options[i], p->options[i].fallback, &options[i], NULL), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        test_host_open(&host, MIB, test_cpus());
        assert_int_equal(p->allocator.open(&host.host, options, &self), 0);
        char *at = p->boot.alloc_bootmem_pages(self, 20480), *behind = p->boot.alloc_bootmem(self, 4096);
        assert_ptr_equal(behind, at + 20480);
        p->boot.free_bootmem(self, at + rows[i].from, rows[i].size);
        expect_clean(p, self, "a range");
        p->allocator.snapshot(self, &snapshot);
        assert_int_equal(snapshot.live, rows[i].pieces + 1);
        assert_int_equal(snapshot.handed_bytes, rows[i].left + 4096);
        p->allocator.close(self);
        test_host_close(&host);
    }
    free(options);
    sb_plugin_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {EACH(LIST) cmocka_unit_test(percpu),
                                       cmocka_unit_test(bootmem_frees_whole_blocks_only),
                                       cmocka_unit_test(free_bootmem_gives_back_whole_pages)};
    test_stay_on_one_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
