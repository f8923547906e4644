/* A run around its trials: the size of their memory, and the CPUs that it keeps busy. */
#define _GNU_SOURCE
#include "test.h"

#include "plan/memory.h"
#include "run/keeper.h"
#include "run/stopping.h"

#include <sched.h>
#include <unistd.h>

static const struct sb_cache_ops cache;
static const struct sb_sized_ops sized;
static const struct sb_pages_ops pages;
static const struct sb_allocator caches = {.cache = &cache, .sized = &sized, .pages = &pages},
                                 classes = {.sized = &sized}, buddy = {.sized = &sized, .pages = &pages};

static uint64_t held(const struct sb_allocator *a, enum sb_want want, uint64_t size, uint64_t count, uint32_t threads)
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

/* A matrix of one group: what is decided against, then others. */
enum { LEAST = 5, MOST = 60, CELLS = 4 };

static struct sb_experiment experiment;
static struct sb_binding bindings[CELLS];
static struct sb_cell cells[CELLS];
static struct sb_plan plan;

static void make_plan(double precision, double decide)
{
    memset(&experiment, 0, sizeof(experiment));
    experiment.values[SB_EXPERIMENT_ORDER].u = SB_ORDER_INTERLEAVED;
    for (int i = 0; i < CELLS; i++)
        cells[i] = (struct sb_cell){.id = (uint32_t)i + 1, .allocator = &bindings[i]};
    plan = (struct sb_plan){.experiment = &experiment,
                            .least_repetitions = LEAST,
                            .most_repetitions = MOST,
                            .precision = precision,
                            .decide = decide,
                            .confidence = 0.95,
                            .baseline = decide > 0 ? &bindings[0] : NULL};
    plan.cells.at = cells;
    plan.cells.n = CELLS;
}

static bool wants(const struct sb_stopping *s, uint32_t cell, uint32_t block)
{
    const struct sb_trial trial = {.cell = cell, .repetition = block};
    return sb_stopping_wants(s, &trial);
}

static void tell(struct sb_stopping *s, uint32_t cell, uint32_t block, double rate)
{
    char alone[] = "ops_per_s", paired[] = "paired_ratio", *name = plan.paired ? paired : alone, unit[] = "1/s";
    struct sb_metric metric = {name, unit, rate};
    struct sb_result result = {.status = rate > 0 ? SB_STATUS_OK : SB_STATUS_CRASHED};
    const struct sb_trial trial = {.cell = cell, .repetition = block};
    result.metrics.at = &metric;
    result.metrics.n = 1;
    sb_stopping_learn(s, &trial, &result);
}

/* How many blocks each cell was wanted in, of rates[cell] times what disturbs the block. */
static void play(struct sb_stopping *s, double (*rate)(uint32_t cell, uint32_t block), uint32_t blocks[CELLS])
{
    for (uint32_t block = 1; block <= MOST; block++) {
        double disturbed = block % 7 ? 1 : 0.5;
        for (uint32_t cell = 0; cell < CELLS; cell++) {
            if (!wants(s, cell, block))
                continue;
            blocks[cell] = block;
            tell(s, cell, block, 1e6 * disturbed * rate(cell, block));
        }
    }
}

/* The second is slower by 5 %, the third is the same to 1 %, the fourth as often faster as slower by a tenth.
 */
static double three_fates(uint32_t cell, uint32_t block)
{
    double noise = block % 2 ? 1 : -1;
    return cell == 0 ? 1 : cell == 1 ? 0.95 + 0.01 * noise : cell == 2 ? 1 + 0.01 * noise : 1 + 0.1 * noise;
}

/*
 * Each of three comparisons has a third of the 5 %, so signs must be 60 times likelier than by chance: of
 * nine that agree they are 2^9 / 10 = 51 times, of ten 2^10 / 11 = 93 times. The fourth can become none of
 * the three once too few blocks are left.
 */
static void a_verdict_ends_a_cell(void **state)
{
    uint32_t blocks[CELLS] = {0};
    (void)state;
    make_plan(0, 0.03);
    struct sb_stopping *s = sb_stopping_begin(&plan);
    play(s, three_fates, blocks);
    assert_int_equal(blocks[1], 10);
    assert_int_equal(blocks[2], 10);
    assert_true(blocks[3] > 10 && blocks[3] < MOST);
    /* As long as anything is to be decided against it. */
    assert_int_equal(blocks[0], blocks[3]);
    assert_int_equal(sb_stopping_open_cells(s), 1);
    sb_stopping_free(s);
}

/* Where each process has the baseline, nobody needs a cell of it; and what counts begins at the least
 * difference. */
static void pairs_are_decided_by_themselves(void **state)
{
    uint32_t blocks[CELLS] = {0};
    (void)state;
    make_plan(0, 0.03);
    plan.paired = true;
    plan.cells.at = cells + 1;
    plan.cells.n = CELLS - 1;
    struct sb_stopping *s = sb_stopping_begin(&plan);
    for (uint32_t block = 1; block <= MOST; block++) {
        for (uint32_t cell = 0; cell < CELLS - 1; cell++) {
            if (!wants(s, cell, block))
                continue;
            blocks[cell] = block;
            tell(s, cell, block, three_fates(cell + 1, block));
        }
    }
    assert_int_equal(blocks[0], 10);
    assert_int_equal(blocks[1], 10);
    assert_true(blocks[2] > 10 && blocks[2] < MOST);
    assert_int_equal(sb_stopping_open_cells(s), 1);
    sb_stopping_free(s);
}

/* The second cell varies by a fifth until the thirtieth block. */
static double one_is_noisy(uint32_t cell, uint32_t block)
{
    return cell == 1 && block < 30 && block % 2 ? 0.8 : 1;
}

/* Cells that are compared go on together: the precise one waits for the other of its group, and for no other group. */
static void groups_stop_together(void **state)
{
    uint32_t blocks[CELLS] = {0};
    (void)state;
    make_plan(0.02, 0);
    cells[2].group = cells[3].group = 1;
    struct sb_stopping *s = sb_stopping_begin(&plan);
    for (uint32_t block = 1; block <= MOST; block++) {
        for (uint32_t cell = 0; cell < CELLS; cell++) {
            if (!wants(s, cell, block))
                continue;
            blocks[cell] = block;
            tell(s, cell, block, 1e6 * one_is_noisy(cell, block));
        }
    }
    assert_int_equal(blocks[0], blocks[1]);
    assert_int_equal(blocks[2], blocks[3]);
    assert_true(blocks[0] > 30 && blocks[2] < 15);
    sb_stopping_free(s);
}

static double never(uint32_t cell, uint32_t block)
{
    (void)block;
    return cell == 1 ? 0 : 1 - 0.2 * cell;
}

/* Without a number there is nothing to be decided, and the others don't wait for it. */
static void a_failing_cell_is_given_up(void **state)
{
    uint32_t blocks[CELLS] = {0};
    (void)state;
    make_plan(0, 0.03);
    struct sb_stopping *s = sb_stopping_begin(&plan);
    play(s, never, blocks);
    assert_int_equal(blocks[1], LEAST);
    assert_int_equal(blocks[0], 10);
    assert_int_equal(blocks[2], 10);
    assert_int_equal(sb_stopping_open_cells(s), 0);
    sb_stopping_free(s);
}

static double spread(uint32_t cell, uint32_t block)
{
    return 1 + (cell ? 0.02 : 0.2) * ((double)(block * 5 % 11) / 10 - 0.5);
}

/* Cells of a group go on together, and use up what there is where one doesn't come near enough. */
static void precision_ends_a_group(void **state)
{
    uint32_t blocks[CELLS] = {0};
    (void)state;
    make_plan(0.6, 0);
    struct sb_stopping *s = sb_stopping_begin(&plan);
    play(s, spread, blocks);
    /* Eight are the least that have an interval at any time. */
    for (int i = 0; i < CELLS; i++)
        assert_int_equal(blocks[i], 8);
    assert_int_equal(sb_stopping_open_cells(s), 0);
    sb_stopping_free(s);
    make_plan(0.001, 0);
    s = sb_stopping_begin(&plan);
    play(s, spread, blocks);
    assert_int_equal(blocks[1], MOST);
    assert_int_equal(sb_stopping_open_cells(s), CELLS);
    sb_stopping_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_take_what_their_route_gives),
        cmocka_unit_test(cpus_are_kept_busy),
        cmocka_unit_test(a_verdict_ends_a_cell),
        cmocka_unit_test(pairs_are_decided_by_themselves),
        cmocka_unit_test(a_failing_cell_is_given_up),
        cmocka_unit_test(precision_ends_a_group),
        cmocka_unit_test(groups_stop_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
