/* The trials of the cells in the order in which they run, and what each draws from the seed. */
#include "plan/inside.h"

#include "base/units.h"
#include "measure/pmu_names.h"
#include "scullbench/random.h"

#include <stdlib.h>

/* Not of the cell: a difference between allocators must not be one between streams. */
static uint64_t repetition_seed(uint64_t seed, uint32_t repetition)
{
    /* One for all cells of a block: allocators are compared on the same stream. */
    struct sb_random random = sb_random_fork(seed, repetition);
    return sb_random_next(&random);
}

/* Fisher and Yates, from the recorded seed. */
static void shuffle(struct sb_trial *trials, size_t n, struct sb_random *random)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = sb_random_below(random, i);
        struct sb_trial t = trials[i - 1];
        trials[i - 1] = trials[j];
        trials[j] = t;
    }
}

/* Of one process alone: layouts of a block's cells are drawn apart, so that no luck is shared. */
static uint64_t draw_layout(const struct planner *p)
{
    const union sb_value *values = p->experiment->values;
    if (values[SB_EXPERIMENT_LAYOUT].u != SB_LAYOUT_RANDOM)
        return 0;
    struct sb_random random =
        sb_random_fork(values[SB_EXPERIMENT_SEED].u ^ UINT64_C(0x6c61796f7574), p->plan->trials.n);
    uint64_t layout = sb_random_next(&random) >> 32;
    return layout ? layout : 1;
}

static void add_trial(struct planner *p, uint32_t cell, uint32_t repetition, bool simulated)
{
    struct sb_plan *plan = p->plan;
    uint64_t seed = repetition_seed(p->experiment->values[SB_EXPERIMENT_SEED].u, repetition);
    /* Skipped cells draw no seeds, so that they don't shift those of others. */
    if (plan->cells.at[cell].skip)
        return;
    struct sb_trial trial = {0, cell, repetition, seed, draw_layout(p), simulated};
    *SB_VEC_ADD(&plan->trials) = trial;
    if (repetition <= plan->least_repetitions && !simulated)
        plan->least_ns += plan->cells.at[cell].least_ns;
}

/* One trial of each cell that can be simulated, behind the least repetitions: the run then knows how long it
 * takes. */
static void add_simulations(struct planner *p)
{
    bool wanted =
        (p->plan->provider == SB_PROVIDER_CACHEGRIND || p->plan->provider == SB_PROVIDER_AUTO) && !p->plan->paired;
    if (p->plan->provider == SB_PROVIDER_AUTO && sb_pmu_machine_has_hardware())
        wanted = false;
    for (uint32_t cell = 0; cell < p->plan->cells.n && wanted; cell++) {
        /* Whole cycles are counted: who has none can't be, as a program that runs elsewhere. */
        if (p->plan->cells.at[cell].threads == 1 && p->plan->cells.at[cell].cycle_operations)
            add_trial(p, cell, 1, true);
    }
}

void sb_plan_order_trials(struct planner *p)
{
    struct sb_plan *plan = p->plan;
    const union sb_value *values = p->experiment->values;
    uint32_t repetitions = plan->most_repetitions, cells = (uint32_t)plan->cells.n;
    bool sequential = values[SB_EXPERIMENT_ORDER].u == SB_ORDER_SEQUENTIAL;
    /* A stream of its own: repetitions take theirs from small numbers. */
    struct sb_random random = sb_random_fork(values[SB_EXPERIMENT_SEED].u, UINT64_MAX);
    uint32_t outer = sequential ? cells : repetitions, inner = sequential ? repetitions : cells;
    for (uint32_t i = 0; i < outer; i++) {
        size_t block = plan->trials.n;
        for (uint32_t j = 0; j < inner; j++)
            add_trial(p, sequential ? i : j, (sequential ? j : i) + 1, false);
        if (!sequential)
            shuffle(plan->trials.at + block, plan->trials.n - block, &random);
        if (!sequential && i + 1 == plan->least_repetitions)
            add_simulations(p);
    }
    if (sequential)
        add_simulations(p);
    for (size_t i = 0; i < plan->trials.n; i++)
        plan->trials.at[i].number = (uint32_t)i + 1;
}

void sb_plan_read_time_limit(const struct planner *p, struct sb_cell *cell)
{
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_option *option = &sb_tables[SB_TABLE_EXPERIMENT].options[SB_EXPERIMENT_TIME_LIMIT];
    union sb_value value = {0};
    char *why = NULL;
    if (!sb_option_parse(option, sb_plan_text_of(cell, "experiment", sb_ini_section(ini, "experiment", ""), option),
                         &value, &why))
        cell->time_limit_ns = value.u;
    free(why);
}
