/*
 * Plans of configs on machines that don't exist: cells, groups, order, seeds and CPUs, with the right value for each,
 * and what a trial is told. Nothing is run.
 */
#include "test.h"

#include "base/file.h"
#include "base/str.h"
#include "plan/plan.h"

#include <unistd.h>

struct planned {
    struct sb_experiment experiment;
    struct sb_topology *topology;
    struct sb_plugins plugins;
    struct sb_plan plan;
    struct sb_diag diag;
};

/* Two packages of two cores with two threads each, one node. */
static void plan(struct planned *p, bool twins, const char *text)
{
    char *path = sb_printf("/tmp/sb-plan-%ld.ini", (long)getpid()), *why = NULL;
    *p = (struct planned){0};
    setenv("HWLOC_SYNTHETIC", "pack:2 core:2 pu:2", 1);
    assert_int_equal(sb_write_file(path, text, strlen(text)), 0);
    assert_int_equal(sb_experiment_load(&p->experiment, path, NULL, 0, &p->diag), 0);
    sb_plugins_load(&p->plugins, PLUGIN_DIR);
    assert_int_equal(sb_topology_load(&p->topology, &why), 0);
    sb_plan_rename_aliases(&p->experiment, &p->plugins, &p->diag);
    sb_plan_make(&p->plan, &p->experiment, p->topology, &p->plugins, twins, &p->diag);
    unlink(path);
    free(path);
}

static void done(struct planned *p)
{
    sb_plan_free(&p->plan);
    sb_plugins_free(&p->plugins);
    sb_topology_free(p->topology);
    sb_experiment_free(&p->experiment);
    sb_diag_free(&p->diag);
}

static const struct sb_cell *cell_of(const struct planned *p, const char *label)
{
    for (size_t i = 0; i < p->plan.cells.n; i++) {
        if (!strcmp(p->plan.cells.at[i].label, label))
            return &p->plan.cells.at[i];
    }
    for (size_t i = 0; i < p->plan.cells.n; i++)
        print_message("there is %s\n", p->plan.cells.at[i].label);
    fail_msg("no cell is called %s", label);
    return NULL;
}

static void cells_are_all_combinations(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[matrix]\nallocator = slub, buddy\nworkload = scullc, scullp\nthreads = 1, 2\n"
         "scullc.quantum = 1000B, 4000B\nslub.percpu = yes, no\nexclude = buddy/scullc\n");
    assert_int_equal(p.diag.n, 0);
    /* slub on scullc 2 x 2 x 2, slub on scullp 2 x 2, buddy on scullp 2: a sweep multiplies only whom it concerns. */
    assert_int_equal(p.plan.cells.n, 8 + 4 + 2);
    assert_int_equal(cell_of(&p, "buddy / scullp / 2 threads")->threads, 2);
    const struct sb_cell *c = cell_of(&p, "slub / scullc / 1 thread / scullc.quantum=4000B / slub.percpu=no");
    assert_int_equal(c->swept.n, 2);
    assert_string_equal(c->swept.at[0].name, "scullc.quantum");
    assert_string_equal(c->swept.at[0].value, "4000B");
    for (size_t i = 0; i < p.plan.cells.n; i++)
        assert_int_equal(p.plan.cells.at[i].id, i + 1);
    done(&p);
}

/* Cells that differ in the allocator and its own options alone are one group; nothing else is. */
static void groups_are_what_may_be_compared(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[matrix]\nallocator = slub, slab\nworkload = scullc, scullp\nthreads = 1, 2\n"
         "scullc.quantum = 1000B, 4000B\nslub.percpu = yes, no\n");
    assert_int_equal(p.diag.n, 0);
    const char *const one[] = {"slab / scullc / 1 thread / scullc.quantum=1000B",
                               "slub / scullc / 1 thread / scullc.quantum=1000B / slub.percpu=yes",
                               "slub / scullc / 1 thread / scullc.quantum=1000B / slub.percpu=no"};
    uint32_t group = cell_of(&p, one[0])->group;
    for (size_t i = 1; i < SB_COUNT(one); i++)
        assert_int_equal(cell_of(&p, one[i])->group, group);
    const char *const others[] = {"slab / scullc / 2 threads / scullc.quantum=1000B",
                                  "slab / scullc / 1 thread / scullc.quantum=4000B", "slab / scullp / 1 thread"};
    for (size_t i = 0; i < SB_COUNT(others); i++)
        assert_int_not_equal(cell_of(&p, others[i])->group, group);
    /* scullc: 2 quanta x 2 thread counts; scullp: 2 thread counts. */
    uint32_t most = 0;
    for (size_t i = 0; i < p.plan.cells.n; i++)
        most = p.plan.cells.at[i].group > most ? p.plan.cells.at[i].group : most;
    assert_int_equal(most + 1, 6);
    done(&p);
}

/* Each block has every cell once, in an order of its own that comes from the seed. */
static void blocks_hold_every_cell_once(void **state)
{
    static const char text[] = "[experiment]\nrepetitions = 4\nseed = 7\n[matrix]\n"
                               "allocator = slub, slab, buddy, malloc, slob\nworkload = scullc, scullp\n";
    struct planned p, again;
    enum { CELLS = 10, BLOCKS = 4 };
    size_t alike = 0;
    (void)state;
    plan(&p, false, text);
    plan(&again, false, text);
    assert_int_equal(p.plan.trials.n, CELLS * BLOCKS);
    for (size_t b = 0; b < BLOCKS; b++) {
        bool seen[CELLS] = {false};
        for (size_t i = 0; i < CELLS; i++) {
            const struct sb_trial *t = &p.plan.trials.at[b * CELLS + i];
            assert_int_equal(t->number, b * CELLS + i + 1);
            assert_int_equal(t->repetition, b + 1);
            assert_false(seen[t->cell]);
            seen[t->cell] = true;
            alike += b && t->cell == p.plan.trials.at[i].cell;
            assert_int_equal(t->cell, again.plan.trials.at[b * CELLS + i].cell);
        }
    }
    /* Of 30 places three agree by chance. */
    assert_in_range(alike, 0, 20);
    done(&p);
    done(&again);
}

/* The same stream of requests for all cells of a block, another one in the next; layouts are each process' own. */
static void seeds_are_a_blocks_and_layouts_a_processs(void **state)
{
    struct planned p;
    enum { CELLS = 3, BLOCKS = 5 };
    (void)state;
    plan(&p, false, "[experiment]\nrepetitions = 5\n[matrix]\nallocator = slub, slab, buddy\nworkload = scullc\n");
    for (size_t i = 0; i < CELLS * BLOCKS; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct sb_trial *a = &p.plan.trials.at[i], *b = &p.plan.trials.at[j];
            assert_int_equal(a->seed == b->seed, a->repetition == b->repetition);
            assert_int_not_equal(a->layout, b->layout);
        }
        assert_int_not_equal(p.plan.trials.at[i].layout, 0);
    }
    done(&p);
    plan(&p, false, "[experiment]\nlayout = fixed\n[matrix]\nallocator = slub\nworkload = scullc\n");
    for (size_t i = 0; i < p.plan.trials.n; i++)
        assert_int_equal(p.plan.trials.at[i].layout, 0);
    done(&p);
}

static void sequential_runs_cell_after_cell(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[experiment]\norder = sequential\nrepetitions = 3\n[matrix]\nallocator = slub, slab\nworkload = scullc\n");
    assert_int_equal(p.plan.trials.n, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(p.plan.trials.at[i].cell, i / 3);
        assert_int_equal(p.plan.trials.at[i].repetition, i % 3 + 1);
    }
    done(&p);
}

/* Skipped with a reason, and no trial; the others keep their seeds. */
static void skipped_cells_have_a_reason_and_no_trial(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[experiment]\nrepetitions = 2\n[matrix]\nallocator = percpu, slab\nworkload = scullp\n"
         "scullp.order = 2, 6\n");
    assert_string_equal(cell_of(&p, "percpu / scullp / 1 thread / scullp.order=2")->skip,
                        "percpu offers only percpu; the workload needs cache, sized or pages");
    assert_non_null(strstr(cell_of(&p, "slab / scullp / 1 thread / scullp.order=6")->skip, "at most 128KiB at once"));
    assert_null(cell_of(&p, "slab / scullp / 1 thread / scullp.order=2")->skip);
    assert_int_equal(p.plan.trials.n, 2);
    done(&p);
}

/* The second thread goes to the first core's sibling, or to the other package. */
static void placement_chooses_cpus(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[machine]\nplacement = compact\n[matrix]\nallocator = slub\nworkload = scullc\nthreads = 2, all\n");
    const struct sb_cell *two = cell_of(&p, "slub / scullc / 2 threads"),
                         *all = cell_of(&p, "slub / scullc / 8 threads");
    assert_int_equal(two->cpus.n, 2);
    assert_int_equal(two->cpus.at[0].os, 0);
    assert_int_equal(two->cpus.at[1].os, 1);
    assert_int_equal(all->cpus.n, 8);
    done(&p);
    plan(&p, false, "[machine]\nplacement = scatter\n[matrix]\nallocator = slub\nworkload = scullc\nthreads = 2\n");
    two = cell_of(&p, "slub / scullc / 2 threads");
    assert_int_equal(two->cpus.at[0].os, 0);
    assert_int_equal(two->cpus.at[1].os, 4);
    done(&p);
    plan(&p, false,
         "[machine]\nplacement = one-per-core\n[matrix]\nallocator = slub\nworkload = scullc\nthreads = all\n");
    const struct sb_cell *cores = cell_of(&p, "slub / scullc / 4 threads");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(cores->cpus.at[i].os, 2 * i);
    done(&p);
}

/* Every value that decides stands in the text, defaults too, swept ones as they are in the cell. */
static void a_trial_is_told_everything(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[experiment]\nduration = 30ms\nwarmup = 3ms\n[machine]\nmemory = 64MiB\npages = thp\n"
         "[allocator a]\nplugin = slub\nsheaf = 60\nenv.NAME = value\n"
         "[matrix]\nallocator = a\nworkload = scullc\nthreads = 2\nscullc.quantum = 1000B\nexperiment.survey = 0, 2\n");
    const struct sb_cell *cell = cell_of(&p, "a / scullc / 2 threads / scullc.quantum=1000B / experiment.survey=0");
    size_t index = (size_t)(cell - p.plan.cells.at);
    const struct sb_trial *trial = p.plan.trials.at;
    while (trial->cell != index)
        trial++;
    const struct sb_trial_given given = {7, 4096, 0.5, "/topology.xml"};
    char *text = sb_plan_trial_text(&p.plan, trial, &given),
         *seed = sb_printf("\nseed = %llu\n", (unsigned long long)trial->seed);
    const char *const lines[] = {"\nduration = 30ms\n",   "\nwarmup = 3ms\n",
                                 "\nsurvey = 0\n",        "\nsurvey_points = 40\n",
                                 "\nmemory = 64MiB\n",    "\npages = thp\n",
                                 "\nsheaf = 60\n",        "\nenv.NAME = value\n",
                                 "\nquantum = 1000B\n",   "\ncpus = 0, 1\n",
                                 "\nmemory_file = 7\n",   "\nmemory_present = 4096B\n",
                                 "\nns_per_tick = 0.5",   "\n[allocator a]\n",
                                 "\n[workload scullc]\n", "\nqset = ",
                                 "\nlost_time = 5%\n",    "\ntopology = /topology.xml\n"};
    for (size_t i = 0; i < SB_COUNT(lines); i++) {
        if (!strstr(text, lines[i]))
            fail_msg("the trial isn't told '%s':\n%s", lines[i] + 1, text);
    }
    assert_non_null(strstr(text, seed));
    free(seed);
    free(text);
    /* A cell's text is the same wherever the plugins lie. */
    char *settings = sb_plan_cell_text(&p.plan, cell);
    assert_null(strstr(settings, PLUGIN_DIR));
    free(settings);
    done(&p);
}

/* Each allocator beside itself, with what it was given. */
static void twins_are_the_same_under_another_name(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, true, "[allocator a]\nplugin = slub\nsheaf = 60\n[matrix]\nallocator = a\nworkload = scullc\n");
    assert_int_equal(p.plan.cells.n, 2);
    const struct sb_cell *a = cell_of(&p, "a / scullc / 1 thread"),
                         *b = cell_of(&p, "a" SB_TWIN_SUFFIX " / scullc / 1 thread");
    assert_int_equal(a->group, b->group);
    assert_ptr_equal(a->allocator->plugin, b->allocator->plugin);
    assert_ptr_equal(a->allocator->section, b->allocator->section);
    done(&p);
}

/* The least repetitions first, then the simulated trials, then what precision may ask for. */
static void simulated_trials_follow_the_least_repetitions(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[experiment]\nrepetitions = 3..5\nprecision = 1%\n[pmu]\nprovider = cachegrind\n"
         "[matrix]\nallocator = slub, slab\nworkload = scullc\nthreads = 1, 2\n");
    /* 4 cells; those of one thread are simulated. */
    assert_int_equal(p.plan.trials.n, 4 * 5 + 2);
    for (size_t i = 0; i < p.plan.trials.n; i++)
        assert_int_equal(p.plan.trials.at[i].simulated, i == 12 || i == 13);
    done(&p);
}

/* `memory = auto`: one size for all cells of a workload, in whole blocks of 4 MiB, and room for what lives. */
static void memory_is_what_the_largest_cell_needs(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[workload scullp]\ndevices = 1\ndevice_size = 8MiB\n[matrix]\nallocator = slub, buddy\n"
         "workload = scullp\nthreads = 1, 2\n");
    uint64_t bytes = p.plan.cells.at[0].memory_bytes;
    for (size_t i = 0; i < p.plan.cells.n; i++)
        assert_int_equal(p.plan.cells.at[i].memory_bytes, bytes);
    assert_int_equal(bytes % (4 << 20), 0);
    /* Two threads hold 8 MiB each. */
    assert_in_range(bytes, 16 << 20, 64 << 20);
    done(&p);
}

/* What LDD3's insmod takes is an option, in a section of any name and in a sweep. */
static void module_parameters_are_options(void **state)
{
    struct planned p;
    (void)state;
    plan(&p, false,
         "[workload whole]\nplugin = scullp\nscullp_qset = 500\n[matrix]\nallocator = buddy\nworkload = whole\n"
         "whole.scullp_order = 0, 2\n");
    assert_int_equal(p.diag.n, 0);
    const struct sb_cell *c = cell_of(&p, "buddy / whole / 1 thread / whole.scullp_order=2");
    const struct sb_ini_section *told = sb_ini_section(&c->settings, "workload", "whole");
    assert_string_equal(sb_ini_entry(told, "order")->value, "2");
    assert_string_equal(sb_ini_entry(told, "qset")->value, "500");
    done(&p);
    plan(&p, false, "[workload scullp]\norder = 1\nscullp_order = 2\n[matrix]\nallocator = buddy\nworkload = scullp\n");
    assert_int_equal(p.diag.n, 1);
    assert_string_equal(p.diag.at[0].text, "scullp_order is another name of order, which is given, too");
    assert_int_equal(p.diag.at[0].line, 3);
    done(&p);
    plan(&p, false,
         "[matrix]\nallocator = buddy\nworkload = scullp\nscullp.order = 0, 1\nscullp.scullp_order = 2, 3\n"
         "[plot p]\nkind = bars\nx = scullp.scullp_order\n");
    assert_int_equal(p.diag.n, 1);
    assert_string_equal(p.diag.at[0].text, "scullp.scullp_order is another name of scullp.order, which is swept, too");
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_all_combinations),
        cmocka_unit_test(module_parameters_are_options),
        cmocka_unit_test(groups_are_what_may_be_compared),
        cmocka_unit_test(blocks_hold_every_cell_once),
        cmocka_unit_test(seeds_are_a_blocks_and_layouts_a_processs),
        cmocka_unit_test(sequential_runs_cell_after_cell),
        cmocka_unit_test(skipped_cells_have_a_reason_and_no_trial),
        cmocka_unit_test(placement_chooses_cpus),
        cmocka_unit_test(a_trial_is_told_everything),
        cmocka_unit_test(twins_are_the_same_under_another_name),
        cmocka_unit_test(simulated_trials_follow_the_least_repetitions),
        cmocka_unit_test(memory_is_what_the_largest_cell_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
