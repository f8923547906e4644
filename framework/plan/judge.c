/*
 * Complaints about a config, all before anything runs: unknown keys, sweeps of what can't be swept, events,
 * CPUs, and settings that contradict each other.
 */
#define _GNU_SOURCE
#include "base/units.h"
#include "config/section.h"
#include "config/trial_spec.h"
#include "measure/pmu_names.h"
#include "plan/inside.h"

#include <stdlib.h>
#include <string.h>

/* Whether something was said about a line of this section already: one message a mistake. */
static bool complained(const struct sb_diag *diag, const struct sb_ini_section *section)
{
    for (size_t i = 0; i < diag->n; i++) {
        for (size_t j = 0; j < section->n; j++) {
            if (diag->at[i].line == section->at[j].line)
                return true;
        }
    }
    return false;
}

/* The workload's own complaint about its options; its "key: ..." is shown at that key's line. */
static void check_needs(struct planner *p, const struct sb_plugin *plugin, const struct sb_ini_section *section,
                        const union sb_value *values)
{
    struct sb_needs needs = {.struct_size = sizeof(needs)};
    char why[256] = "";
    int line = section->line;
    if (!plugin->workload.needs(values, &needs, why, sizeof(why)))
        return;
    /* By convention of the ABI: the word in front of the colon is the option that is to blame. */
    char *key = sb_strndup(why, strcspn(why, ": "));
    const struct sb_ini_entry *entry = sb_ini_entry(section, key);
    if (entry)
        line = entry->line;
    sb_diag_at(p->diag, line, "%s", why);
    free(key);
}

void sb_plan_check_section(struct planner *p, const struct sb_ini_section *section)
{
    struct sb_binding binding;
    enum sb_plugin_kind kind = !strcmp(section->kind, "allocator") ? SB_PLUGIN_ALLOCATOR : SB_PLUGIN_WORKLOAD;
    if ((strcmp(section->kind, "allocator") && strcmp(section->kind, "workload")) || !*section->name)
        return;
    sb_plan_bind_one(p, kind, section->name, &binding, section->line);
    if (!binding.plugin)
        return;
    union sb_value *values = sb_calloc(binding.plugin->option_count, sizeof(*values));
    char *what = sb_printf("%s '%s'", section->kind, binding.plugin->name);
    size_t before = p->diag->n;
    for (size_t i = 0; i < section->n && kind == SB_PLUGIN_WORKLOAD; i++) {
        if (sb_env_name(section->at[i].key))
            sb_diag_at(p->diag, section->at[i].line,
                       "'%s' belongs into an [allocator] section: the environment is the allocator's",
                       section->at[i].key);
    }
    sb_read_section(section, what, binding.plugin->options, binding.plugin->option_count, "plugin", values, p->diag);
    for (uint32_t i = 0; i < binding.plugin->option_count && kind == SB_PLUGIN_WORKLOAD; i++) {
        if (binding.plugin->options[i].kind == SB_OPTION_TEXT && values[i].s)
            values[i].s = sb_plan_resolve(p, values[i].s);
    }
    if (kind == SB_PLUGIN_WORKLOAD && p->diag->n == before && !complained(p->diag, section))
        check_needs(p, binding.plugin, section, values);
    free(what);
    free(values);
}

/* Keys that a trial is told can differ from cell to cell; the rest is one for the whole run. */
static bool may_sweep_experiment(const char *key)
{
    if (!strcmp(key, "time_limit"))
        return true;
    for (size_t i = 0; i < sb_trial_copy_count; i++) {
        if (!strcmp(sb_tables[SB_TABLE_EXPERIMENT].options[sb_trial_copies[i].from].name, key))
            return true;
    }
    return false;
}

/* The option table of a section by its name, as SECTION.KEY speaks of it. */
static const struct sb_option *table_of(const struct planner *p, const char *name, uint32_t *n)
{
    const struct sb_section_table *fixed = sb_table_find(name);
    /* [pmu] is not among them: cells that count other events could not be compared. */
    if (fixed && (!strcmp(name, "machine") || !strcmp(name, "experiment"))) {
        *n = fixed->n;
        return fixed->options;
    }
    for (size_t i = 0; i < p->plan->allocators.n + p->plan->workloads.n; i++) {
        size_t allocators = p->plan->allocators.n;
        const struct sb_binding *b =
            i < allocators ? &p->plan->allocators.at[i] : &p->plan->workloads.at[i - allocators];
        if (b->plugin && !strcmp(b->name, name)) {
            *n = b->plugin->option_count;
            return b->plugin->options;
        }
    }
    return NULL;
}

/* Only what the matrix uses can be swept, so only that is suggested. */
static char *hint_section(const struct planner *p, const char *name)
{
    size_t a = p->plan->allocators.n, w = p->plan->workloads.n, n = 0;
    const char **names = sb_calloc(a + w + 2, sizeof(*names));
    for (size_t i = 0; i < a; i++)
        names[n++] = p->plan->allocators.at[i].name;
    for (size_t i = 0; i < w; i++)
        names[n++] = p->plan->workloads.at[i].name;
    names[n++] = "machine";
    names[n++] = "experiment";
    char *hint = sb_diag_hint(name, names, n);
    free(names);
    return hint;
}

/* A value of [machine] against the machine there is, written or swept. */
static void check_machine_value(struct planner *p, int line, const char *key, const char *text, union sb_value value)
{
    /* Nobody knows the memory of a synthetic topology. */
    uint64_t ram = sb_plan_machine_ram();
    struct sb_cpus found = {0};
    char *why = NULL;
    if (!strcmp(key, "memory") && value.u % (UINT64_C(4) << 20))
        sb_diag_at(p->diag, line, "memory: '%s' is not a multiple of 4MiB, the largest block", text);
    else if (!strcmp(key, "memory") && value.u > ram && sb_topology_is_real(p->plan->topology))
        sb_diag_at(p->diag, line, "memory: '%s' is more than the machine's %llu MiB", text,
                   (unsigned long long)(ram >> 20));
    else if (!strcmp(key, "cpus"))
        sb_topology_cpus(p->plan->topology, text, SB_PLACE_LIST, &found, &why);
    else if (!strcmp(key, "node"))
        sb_topology_check_nodes(p->plan->topology, text, &why);
    if (why)
        sb_diag_at(p->diag, line, "%s: %s", key, why);
    free(why);
    SB_VEC_FREE(&found);
}

static bool is_allocator(const struct sb_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->allocators.n; i++) {
        if (!strcmp(plan->allocators.at[i].source, name))
            return true;
    }
    return false;
}

void sb_plan_check_sweep(struct planner *p, const struct sb_sweep *sweep)
{
    uint32_t n = 0;
    const struct sb_option *table = table_of(p, sweep->section, &n);
    if (!table) {
        char *hint = hint_section(p, sweep->section);
        sb_diag_at(p->diag, sweep->line, "the matrix sweeps '%s', but uses no section of that name%s", sweep->section,
                   hint);
        free(hint);
        return;
    }
    const struct sb_option *option = sb_option_find(table, n, sweep->option);
    /* env.NAME: what a library makes of its environment is its own business. */
    if (sb_env_name(sweep->key) && is_allocator(p->plan, sweep->section))
        return;
    if (!option) {
        char *hint = sb_option_hint(table, n, sweep->key);
        sb_diag_at(p->diag, sweep->line, "'%s' has no key '%s' to sweep%s", sweep->section, sweep->key, hint);
        free(hint);
        return;
    }
    if (!strcmp(sweep->section, "experiment") && !may_sweep_experiment(sweep->key)) {
        sb_diag_at(p->diag, sweep->line, "'%s' of [experiment] is one for the whole run; it can't be swept",
                   sweep->key);
        return;
    }
    union sb_value *values = sb_calloc(sweep->values.n, sizeof(*values));
    for (size_t i = 0; i < sweep->values.n; i++) {
        union sb_value value = {0};
        char *why = NULL;
        /* An empty value was complained about when the list was split. */
        if (*sweep->values.at[i] && sb_option_parse(option, sweep->values.at[i], &value, &why)) {
            sb_diag_at(p->diag, sweep->line, "%s.%s: %s", sweep->section, sweep->key, why);
            free(why);
        } else if (!strcmp(sweep->section, "machine") && *sweep->values.at[i]) {
            check_machine_value(p, sweep->line, sweep->key, sweep->values.at[i], value);
        }
        values[i] = value;
        /* The list's reader has told of equal texts; otherwise 1KiB and 1024B are one setting, measured twice. */
        for (size_t j = 0; j < i && option->kind != SB_OPTION_TEXT; j++) {
            if (values[j].u == value.u && strcmp(sweep->values.at[i], sweep->values.at[j]) &&
                !sb_diag_has(p->diag, sweep->line)) {
                sb_diag_at(p->diag, sweep->line, "%s.%s: '%s' is the same as '%s'", sweep->section, sweep->key,
                           sweep->values.at[i], sweep->values.at[j]);
                break;
            }
        }
    }
    free(values);
}

void sb_plan_check_excludes(struct planner *p)
{
    for (size_t i = 0; i < p->experiment->excludes.n; i++) {
        const struct sb_exclude *x = &p->experiment->excludes.at[i];
        bool allocator = false, workload = false;
        for (size_t j = 0; j < p->plan->allocators.n; j++)
            allocator |= sb_glob(x->allocator, p->plan->allocators.at[j].name);
        for (size_t j = 0; j < p->plan->workloads.n; j++)
            workload |= sb_glob(x->workload, p->plan->workloads.at[j].name);
        if (!allocator || !workload)
            sb_diag_at(p->diag, x->line, "exclude: no %s of the matrix is called '%s'",
                       allocator ? "workload" : "allocator", allocator ? x->workload : x->allocator);
    }
}

/* Cells of one allocator and workload, or UINT64_MAX where that is no number any more. */
static uint64_t count_cells(const struct planner *p, const struct sb_binding *a, const struct sb_binding *w)
{
    uint64_t n = p->experiment->threads.n;
    for (size_t i = 0; i < p->experiment->sweeps.n; i++) {
        const struct sb_sweep *sweep = &p->experiment->sweeps.at[i];
        if (sb_plan_concerns(sweep, a, w) && __builtin_mul_overflow(n, sweep->values.n, &n))
            return UINT64_MAX;
    }
    return n;
}

void sb_plan_check_size(struct planner *p)
{
    enum { MOST_CELLS = 100000, MOST_TRIALS = 10000000 };
    uint64_t cells = 0, most = p->plan->most_repetitions;
    for (size_t w = 0; w < p->plan->workloads.n; w++) {
        for (size_t a = 0; a < p->plan->allocators.n; a++) {
            const struct sb_binding *allocator = &p->plan->allocators.at[a], *workload = &p->plan->workloads.at[w];
            if (!sb_plan_is_excluded(p, allocator, workload) &&
                __builtin_add_overflow(cells, count_cells(p, allocator, workload), &cells))
                cells = UINT64_MAX;
        }
    }
    if (cells <= MOST_CELLS && cells * most <= MOST_TRIALS)
        return;
    struct sb_text text = {0};
    sb_text_printf(&text, "%zu allocator%s x %zu workload%s x %zu thread count%s", p->plan->allocators.n,
                   p->plan->allocators.n == 1 ? "" : "s", p->plan->workloads.n, p->plan->workloads.n == 1 ? "" : "s",
                   p->experiment->threads.n, p->experiment->threads.n == 1 ? "" : "s");
    for (size_t i = 0; i < p->experiment->sweeps.n; i++) {
        const struct sb_sweep *sweep = &p->experiment->sweeps.at[i];
        sb_text_printf(&text, " x %zu of %s.%s", sweep->values.n, sweep->section, sweep->key);
    }
    if (cells > MOST_CELLS)
        sb_diag_at(p->diag, 0, "the matrix has %s%llu cells, more than %d: %s", cells == UINT64_MAX ? "more than " : "",
                   (unsigned long long)cells, MOST_CELLS, sb_text_get(&text));
    else
        sb_diag_at(p->diag, 0, "the matrix has %llu trials, more than %d: %s x %llu repetitions",
                   (unsigned long long)(cells * most), MOST_TRIALS, sb_text_get(&text), (unsigned long long)most);
    sb_text_free(&text);
}

void sb_plan_check_machine(struct planner *p)
{
    static const enum sb_machine_key keys[] = {SB_MACHINE_CPUS, SB_MACHINE_NODE, SB_MACHINE_MEMORY};
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "machine", "");
    for (size_t i = 0; i < SB_COUNT(keys); i++) {
        const struct sb_option *option = &sb_tables[SB_TABLE_MACHINE].options[keys[i]];
        const struct sb_ini_entry *entry = section ? sb_ini_entry(section, option->name) : NULL;
        check_machine_value(p, entry ? entry->line : 0, option->name, entry ? entry->value : option->fallback,
                            p->experiment->machine[keys[i]]);
    }
}

void sb_plan_check_times(struct planner *p, const struct sb_cell *cell)
{
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "experiment", "");
    const struct sb_ini_entry *limit = section ? sb_ini_entry(section, "time_limit") : NULL;
    /* A skipped cell takes no time, whatever its settings say. */
    if (!cell->skip && cell->least_ns >= cell->time_limit_ns) {
        char *least = sb_format_time(cell->least_ns), *most = sb_format_time(cell->time_limit_ns);
        sb_diag_at(p->diag, limit ? limit->line : 0,
                   "time_limit: warm-up and measured phase take %s, but a trial is killed after %s", least, most);
        free(least);
        free(most);
    }
}

void sb_plan_check_rate(struct planner *p, const struct sb_cell *cell)
{
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "experiment", "");
    const struct sb_ini_entry *precision = section ? sb_ini_entry(section, "precision") : NULL,
                              *decide = section ? sb_ini_entry(section, "decide") : NULL;
    const char *rate =
        sb_plan_text_of(cell, "experiment", section, &sb_tables[SB_TABLE_EXPERIMENT].options[SB_EXPERIMENT_RATE]);
    if ((p->plan->precision > 0 || p->plan->decide > 0) && strcmp(rate, "none"))
        sb_diag_at(p->diag,
                   precision ? precision->line
                   : decide  ? decide->line
                             : 0,
                   "%s is that of the rate, but rate = %s fixes it; give a number of repetitions instead",
                   p->plan->precision > 0 ? "precision" : "what decide decides", rate);
}

void sb_plan_check_exclusive(struct planner *p)
{
    /* Both written in [experiment] is the experiment's own complaint. */
    const struct sb_sweep *duration = NULL;
    bool operations = p->experiment->values[SB_EXPERIMENT_OPERATIONS].u;
    for (size_t i = 0; i < p->experiment->sweeps.n; i++) {
        const struct sb_sweep *sweep = &p->experiment->sweeps.at[i];
        if (strcmp(sweep->section, "experiment"))
            continue;
        if (!strcmp(sweep->key, "duration"))
            duration = sweep;
        operations |= !strcmp(sweep->key, "operations");
    }
    if (duration && operations)
        sb_diag_at(p->diag, duration->line,
                   "both duration and operations are given; the measured phase has one length");
}

static bool is_same(const struct sb_pmu_code *a, const struct sb_pmu_code *b)
{
    return a->known && b->known && a->type == b->type && a->config == b->config && a->config1 == b->config1 &&
           a->config2 == b->config2 && a->flags == b->flags;
}

/* Items neither empty nor said twice, by whatever name. */
static void check_event_list(struct planner *p, const struct sb_ini_entry *events)
{
    const struct sb_pmu *pmu = &p->plan->pmu;
    struct sb_words words = sb_split(events->value);
    for (size_t i = 0; i < words.n; i++) {
        if (!*words.at[i])
            sb_diag_at(p->diag, events->line, "events: item %zu of the list is empty", i + 1);
    }
    sb_words_free(&words);
    for (size_t i = 0; i < pmu->n; i++) {
        for (size_t j = 0; j < i; j++) {
            bool name = !strcmp(pmu->at[i].name, pmu->at[j].name);
            if (pmu->at[i].unknown || (!name && !is_same(&pmu->at[i].code, &pmu->at[j].code)))
                continue;
            sb_diag_at(p->diag, events->line,
                       name ? "events: '%s' stands twice in the list" : "events: '%s' is the same event as '%s'",
                       pmu->at[i].name, pmu->at[j].name);
            break;
        }
    }
}

void sb_plan_check_events(struct planner *p)
{
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "pmu", "");
    const struct sb_ini_entry *events = section ? sb_ini_entry(section, "events") : NULL;
    /* Then no counter is opened, and a name that isn't used can't be wrong. */
    if (p->plan->provider == SB_PROVIDER_NONE)
        return;
    /* Counters would count both of a pair. */
    if (p->plan->paired) {
        if (events)
            sb_diag_at(p->diag, events->line, "events: mode = paired counts none; leave the key out");
        return;
    }
    sb_pmu_prepare(&p->plan->pmu, p->experiment->pmu[SB_PMU_EVENTS].s, sb_pmu_encode_name, NULL);
    if (events)
        check_event_list(p, events);
    for (size_t i = 0; i < p->plan->pmu.n; i++) {
        if (p->plan->pmu.at[i].unknown && events)
            sb_diag_at(p->diag, events->line, "events: '%s': %s", p->plan->pmu.at[i].name, p->plan->pmu.at[i].reason);
    }
}
