/*
 * The gate's own eyes: what a world says of a small allocator that errs in one known way, and the operations as
 * text. That whole plugins are found out, each by its property, is tests/check.sh's.
 */
#define _GNU_SOURCE
#include "check/world.h"
#include "test.h"

#include <unistd.h>

enum way { SOUND, MISALIGNED, OVERLAPPING, DIRTY, SCRIBBLING, BOASTING, STINGY };
static enum way way;

/* A bump that errs. */
struct pile {
    const struct sb_host *host;
    uint64_t used;
    char *last;
};

static int pile_open(const struct sb_host *host, const union sb_value *options, void **self)
{
    static struct pile pile;
    (void)options;
    pile = (struct pile){.host = host};
    *self = &pile;
    return 0;
}

static void pile_close(void *self)
{
    (void)self;
}

static void *pile_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    struct pile *p = self;
    uint64_t to = align ? align : 16;
    p->used = (p->used + to - 1) / to * to;
    char *block = (char *)p->host->memory + p->used;
    p->used += size;
    if (way == MISALIGNED && align)
        block += 8;
    /* All but the first word of the block before is its own. */
    if (way == OVERLAPPING && p->last)
        block = p->last + 16;
    memset(block, way == DIRTY ? 0xa5 : 0, gfp & SB_GFP_ZERO || way == DIRTY ? size : 0);
    if (way == SCRIBBLING && p->last)
        p->last[3] ^= 1;
    p->last = block;
    return block;
}

static void pile_free(void *self, void *block, size_t size)
{
    (void)self, (void)block, (void)size;
}

static size_t pile_usable(void *self, void *block)
{
    (void)self, (void)block;
    return way == BOASTING ? 64 : way == STINGY ? 8 : 48;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized), .alloc = pile_alloc, .free = pile_free, .usable = pile_usable};
static const struct sb_plugin plugin = {
    .name = "pile", .allocator = {.name = "pile", .open = pile_open, .close = pile_close, .sized = &sized}};

/* Runs the operations, verifies what lives, and says what the world made of it. */
static enum sb_fault judge(enum way with, bool use_usable, const char *text, char why[512])
{
    struct sb_world *w = calloc(1, sizeof(*w));
    struct sb_ops ops = {0};
    char *error = NULL;
    way = with;
    assert_int_equal(sb_world_open(w, &plugin, NULL, 8 << 20, 1, &error), 0);
    assert_null(error);
    w->judge_align = w->judge_zero = true;
    w->use_usable = use_usable;
    sb_ops_read(&ops, text, w->lanes, w->lane_count, &error);
    assert_null(error);
    for (size_t i = 0; i < ops.n; i++)
        sb_world_do(w, &ops.at[i]);
    if (w->fault == SB_FAULT_NONE)
        sb_world_verify(w);
    strcpy(why, w->why);
    enum sb_fault fault = w->fault;
    sb_world_close_allocator(w);
    free(w);
    SB_VEC_FREE(&ops);
    return fault;
}

static void test_faults(void **state)
{
    (void)state;
    char why[512];
    assert_int_equal(judge(SOUND, false, "a0:sized:40:0 a1:sized:40:64z f0 a0:sized:1:0 f1 f0", why), SB_FAULT_NONE);
    assert_int_equal(judge(MISALIGNED, false, "a0:sized:40:0 a1:sized:40:64", why), SB_FAULT_ALIGN);
    assert_non_null(strstr(why, "40 bytes at "));
    assert_non_null(strstr(why, "are not aligned to 64"));
    /* Without alignment asked for, the same allocator is sound. */
    assert_int_equal(judge(MISALIGNED, false, "a0:sized:40:0 a1:sized:40:0", why), SB_FAULT_NONE);
    assert_int_equal(judge(OVERLAPPING, false, "a0:sized:40:0 a1:sized:40:0", why), SB_FAULT_OVERLAP);
    /* Blocks that don't live together may lie anywhere. */
    assert_int_equal(judge(OVERLAPPING, false, "a0:sized:40:0 f0 a1:sized:40:0", why), SB_FAULT_NONE);
    assert_int_equal(judge(DIRTY, false, "a0:sized:40:0z", why), SB_FAULT_ZERO);
    assert_int_equal(judge(DIRTY, false, "a0:sized:40:0", why), SB_FAULT_NONE);
    assert_int_equal(judge(SCRIBBLING, false, "a0:sized:40:0 a1:sized:40:0 f0", why), SB_FAULT_CONTENTS);
    assert_non_null(strstr(why, "no longer holds what was written into it"));
    /* Seen at the end, where it is never freed. */
    assert_int_equal(judge(SCRIBBLING, false, "a0:sized:40:0 a1:sized:40:0", why), SB_FAULT_CONTENTS);
    /* Nobody looks at what was freed before. */
    assert_int_equal(judge(SCRIBBLING, false, "a0:sized:40:0 f0 a1:sized:40:0", why), SB_FAULT_NONE);
}

/* usable() is taken at its word: all of it is written to. */
static void test_usable(void **state)
{
    (void)state;
    char why[512];
    assert_int_equal(judge(SOUND, true, "a0:sized:48:0 a1:sized:48:0 f0 f1", why), SB_FAULT_NONE);
    assert_int_equal(judge(BOASTING, true, "a0:sized:48:0 a1:sized:48:0 f0 f1", why), SB_FAULT_USABLE);
    assert_int_equal(judge(BOASTING, false, "a0:sized:48:0 a1:sized:48:0 f0 f1", why), SB_FAULT_NONE);
    assert_int_equal(judge(STINGY, true, "a0:sized:40:0", why), SB_FAULT_USABLE);
    assert_non_null(strstr(why, "of 40 bytes asked for 8 are said to be usable"));
}

/* Any subset of a sequence is one: shrinking lives on that. */
static void test_subsets(void **state)
{
    (void)state;
    char why[512];
    assert_int_equal(judge(SOUND, false, "f7 a0:sized:40:0 a0:sized:90:0 f0 f0", why), SB_FAULT_NONE);
}

static void test_words(void **state)
{
    (void)state;
    struct sb_lane lanes[SB_MAX_LANES];
    size_t n = sb_lanes_make(&plugin.allocator, lanes);
    static const char text[] = "a5:sized:100:64z@1 f5 a2047:sized:1:0 f2047@1";
    struct sb_ops ops = {0};
    char *why = NULL;
    assert_int_equal(n, 1);
    sb_ops_read(&ops, text, lanes, n, &why);
    assert_null(why);
    assert_int_equal(ops.n, 4);
    assert_int_equal(ops.at[0].align, 64);
    assert_true(ops.at[0].zero && ops.at[0].thread == 1 && !ops.at[0].free);
    char *again = sb_ops_print(&ops, lanes);
    assert_string_equal(again, text);
    free(again);
    static const char *const wrong[] = {
        "b5", "a5:sized:100",  "a5:pages:4096:0", "f2048",           "f5@2",           "a5:sized:1:0zz",
        "f",  "a5:sized:1:0@", "f5:sized:1",      "a-1:sized:100:0", "a5:sized:1:0@1x"};
    for (size_t i = 0; i < SB_COUNT(wrong); i++) {
        char *sentence = sb_printf("'%s' is not an operation of this plugin, such as a5:sized:64:0 or f5", wrong[i]);
        why = NULL;
        sb_ops_read(&ops, wrong[i], lanes, n, &why);
        assert_non_null(why);
        assert_string_equal(why, sentence);
        free(sentence);
        free(why);
    }
    SB_VEC_FREE(&ops);
}

/* Parent and child draw the same; each drawn operation does something where no allocation fails. */
static void test_drawing(void **state)
{
    (void)state;
    struct sb_lane lanes[SB_MAX_LANES];
    size_t n = sb_lanes_make(&plugin.allocator, lanes), other_thread = 0;
    const struct sb_mix mix = {.threads = true, .most = 1000};
    struct sb_ops x = {0}, y = {0}, z = {0};
    static bool full[SB_SLOTS];
    sb_ops_draw(&x, lanes, n, &mix, 5000, 7);
    sb_ops_draw(&y, lanes, n, &mix, 5000, 7);
    sb_ops_draw(&z, lanes, n, &mix, 5000, 8);
    char *a = sb_ops_print(&x, lanes), *b = sb_ops_print(&y, lanes), *c = sb_ops_print(&z, lanes);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    for (size_t i = 0; i < x.n; i++) {
        const struct sb_op *op = &x.at[i];
        assert_int_equal(op->free, full[op->slot]);
        full[op->slot] = !op->free;
        assert_true(op->free || (op->size >= 1 && op->size <= 1000));
        other_thread += op->thread;
    }
    /* 2500 expected, 35 the standard deviation. */
    assert_in_range(other_thread, 2325, 2675);
    free(a);
    free(b);
    free(c);
    SB_VEC_FREE(&x);
    SB_VEC_FREE(&y);
    SB_VEC_FREE(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults), cmocka_unit_test(test_usable),  cmocka_unit_test(test_subsets),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_drawing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
