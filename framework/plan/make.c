/*
 * From an experiment to a plan. Every error is found here, before anything runs: bind.c finds plugins,
 * judge.c complains, cells.c and order.c make what is to be run.
 */
#define _GNU_SOURCE
#include "plan/inside.h"

#include "base/file.h"
#include "base/units.h"
#include "config/trial_spec.h"
#include "plan/memory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t sb_plan_machine_ram(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool sb_plan_concerns(const struct sb_sweep *sweep, const struct sb_binding *a, const struct sb_binding *w)
{
    return !strcmp(sweep->section, "machine") || !strcmp(sweep->section, "experiment") ||
           !strcmp(sweep->section, a->source) || !strcmp(sweep->section, w->source);
}

void sb_plan_make(struct sb_plan *plan, const struct sb_experiment *experiment, const struct sb_topology *topology,
                  const struct sb_plugins *plugins, bool twins, struct sb_diag *diag)
{
    struct planner p = {plan, diag, experiment, NULL};
    *plan = (struct sb_plan){
        .experiment = experiment,
        .topology = topology,
        .plugins = plugins,
        .least_repetitions = sb_counts_least(experiment->values[SB_EXPERIMENT_REPETITIONS]),
        .most_repetitions = sb_counts_most(experiment->values[SB_EXPERIMENT_REPETITIONS]),
        .precision = sb_share(experiment->values[SB_EXPERIMENT_PRECISION]),
        .decide = sb_share(experiment->values[SB_EXPERIMENT_DECIDE]),
        .paired = experiment->values[SB_EXPERIMENT_MODE].u == SB_MODE_PAIRED,
        .confidence = sb_share(experiment->values[SB_EXPERIMENT_CONFIDENCE]),
        .provider = (enum sb_provider)experiment->pmu[SB_PMU_PROVIDER].u,
    };
    for (size_t i = 0; i < experiment->ini.n; i++)
        sb_plan_check_section(&p, &experiment->ini.at[i]);
    sb_plan_bind(&p, SB_PLUGIN_ALLOCATOR, &experiment->allocators, experiment->matrix_line[SB_MATRIX_ALLOCATOR]);
    sb_plan_bind(&p, SB_PLUGIN_WORKLOAD, &experiment->workloads, experiment->matrix_line[SB_MATRIX_WORKLOAD]);
    for (size_t i = 0; i < experiment->sweeps.n; i++) {
        sb_plan_check_sweep(&p, &experiment->sweeps.at[i]);
        *SB_VEC_ADD(&plan->swept) = sb_printf("%s.%s", experiment->sweeps.at[i].section, experiment->sweeps.at[i].key);
    }
    if (twins)
        sb_plan_add_twins(plan);
    sb_plan_find_baseline(&p);
    sb_plan_check_exclusive(&p);
    sb_plan_check_excludes(&p);
    sb_plan_check_machine(&p);
    sb_plan_check_events(&p);
    if (!diag->n)
        sb_plan_check_size(&p);
    if (diag->n)
        return;
    for (size_t w = 0; w < plan->workloads.n; w++) {
        for (size_t a = 0; a < plan->allocators.n; a++) {
            for (size_t t = 0; t < experiment->threads.n; t++) {
                if (!sb_plan_is_excluded(&p, &plan->allocators.at[a], &plan->workloads.at[w]))
                    sb_plan_add_cells(&p, &plan->allocators.at[a], &plan->workloads.at[w], experiment->threads.at[t]);
            }
        }
        /* One complaint about CPUs is enough. */
        if (diag->n)
            break;
    }
    tdestroy(p.labels, free);
    /* Every cell would say the same of its CPUs. */
    while (diag->n > 1)
        free(diag->at[--diag->n].text);
    for (size_t i = 0; i < plan->cells.n; i++) {
        sb_plan_read_time_limit(&p, &plan->cells.at[i]);
        if (!diag->n)
            sb_plan_check_times(&p, &plan->cells.at[i]);
        if (!diag->n)
            sb_plan_check_rate(&p, &plan->cells.at[i]);
    }
    sb_plan_group_cells(plan);
    sb_plan_size_memory(plan, sb_plan_machine_ram());
    sb_plan_order_trials(&p);
    /* A run of nothing would look like success. */
    if (!plan->cells.n && !diag->n)
        sb_diag_at(diag, experiment->matrix_line[SB_MATRIX_EXCLUDE], "exclude leaves no cell of the matrix");
    else if (!plan->trials.n && !diag->n)
        sb_diag_at(diag, experiment->matrix_line[SB_MATRIX_ALLOCATOR],
                   "no cell of the matrix can be measured; %zu skipped, the first because %s", plan->cells.n,
                   plan->cells.at[0].skip);
}

void sb_plan_free(struct sb_plan *plan)
{
    for (size_t i = 0; i < plan->cells.n; i++)
        sb_plan_free_cell(&plan->cells.at[i]);
    SB_VEC_FREE(&plan->cells);
    SB_VEC_FREE(&plan->trials);
    SB_VEC_FREE(&plan->allocators);
    SB_VEC_FREE(&plan->workloads);
    sb_words_free(&plan->twins);
    sb_words_free(&plan->swept);
    sb_words_free(&plan->paths);
    sb_pmu_free(&plan->pmu);
}

/* Without paths: what is stored must mean the same on another machine. A workload's file is stored as it was
 * written, from the config's folder. */
char *sb_plan_cell_text(const struct sb_plan *plan, const struct sb_cell *cell)
{
    struct sb_text text = {0};
    char *folder = sb_folder_of(plan->experiment->path);
    char *prefix = sb_printf("file:%s/", folder ? folder : "");
    size_t n = strlen(prefix);
    for (size_t i = 0; i < cell->settings.n; i++) {
        const struct sb_ini_section *section = &cell->settings.at[i];
        sb_text_printf(&text, "[%s%s%s]\n", section->kind, *section->name ? " " : "", section->name);
        for (size_t j = 0; j < section->n; j++) {
            const char *value = section->at[j].value;
            bool inside = folder && !strcmp(section->kind, "workload") && !strncmp(value, prefix, n);
            if (strcmp(section->at[j].key, "file"))
                sb_text_printf(&text, "%s = %s%s\n", section->at[j].key, inside ? "file:" : "",
                               inside ? value + n : value);
        }
    }
    free(prefix);
    free(folder);
    return text.at;
}

/* The seed and numbers are the trial's, all else is the cell's. */
char *sb_plan_trial_text(const struct sb_plan *plan, const struct sb_trial *trial, const struct sb_trial_given *given)
{
    const struct sb_cell *cell = &plan->cells.at[trial->cell];
    struct sb_text text = {0};
    char *codes = plan->pmu.n ? sb_pmu_codes(&plan->pmu) : NULL;
    sb_text_printf(&text, "; trial %u of %zu: %s, repetition %u\n; run it alone: scullbench-trial < this\n",
                   trial->number, plan->trials.n, cell->label, trial->repetition);
    for (size_t i = 0; i < cell->settings.n; i++) {
        const struct sb_ini_section *section = &cell->settings.at[i];
        sb_text_printf(&text, "[%s%s%s]\n", section->kind, *section->name ? " " : "", section->name);
        if (!strcmp(section->kind, "trial"))
            sb_text_printf(&text,
                           "number = %u\ncell = %u\nrepetition = %u\nseed = %llu\nlayout = %llu\nsimulate = %s\n"
                           "dump = %s\n",
                           trial->number, cell->id, trial->repetition, (unsigned long long)trial->seed,
                           (unsigned long long)trial->layout, trial->simulated ? "yes" : "no",
                           plan->dump ? "yes" : "no");
        if (!strcmp(section->kind, "trial") && codes)
            sb_text_printf(&text, "event_codes = %s\n", codes);
        if (!strcmp(section->kind, "trial") && given)
            sb_text_printf(&text, "ns_per_tick = %.17g\nmemory_file = %d\nmemory_present = %lluB\n", given->ns_per_tick,
                           given->memory_file, (unsigned long long)given->memory_present);
        if (!strcmp(section->kind, "trial") && given && given->topology)
            sb_text_printf(&text, "topology = %s\n", given->topology);
        for (size_t j = 0; j < section->n; j++)
            sb_text_printf(&text, "%s = %s\n", section->at[j].key, section->at[j].value);
    }
    free(codes);
    return text.at;
}
