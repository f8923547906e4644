/*
 * The cells of the matrix: allocator, workload, threads and swept values with all settings as text, and the
 * groups that stop together. What is no error but can't be measured (an allocator without the interface, a
 * device larger than memory) becomes a skipped cell with its reason.
 */
#define _GNU_SOURCE
#include "plan/inside.h"

#include "base/units.h"
#include "config/section.h"
#include "config/trial_spec.h"
#include "plan/memory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

bool sb_plan_is_excluded(const struct planner *p, const struct sb_binding *a, const struct sb_binding *w)
{
    for (size_t i = 0; i < p->experiment->excludes.n; i++) {
        const struct sb_exclude *x = &p->experiment->excludes.at[i];
        if (sb_glob(x->allocator, a->source) && sb_glob(x->workload, w->source))
            return true;
    }
    return false;
}

const char *sb_plan_text_of(const struct sb_cell *cell, const char *section_name, const struct sb_ini_section *section,
                            const struct sb_option *option)
{
    for (size_t i = 0; i < cell->swept.n; i++) {
        /* The last one: names of sections may have dots, keys don't. */
        const char *dot = strrchr(cell->swept.at[i].name, '.');
        size_t n = (size_t)(dot - cell->swept.at[i].name);
        if (strlen(section_name) == n && !strncmp(cell->swept.at[i].name, section_name, n) &&
            !strcmp(cell->swept.at[i].option, option->name))
            return cell->swept.at[i].value;
    }
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, option->name) : NULL;
    return entry ? entry->value : option->fallback;
}

/* Every option is written out, defaults too: a trial's text must mean the same when a default changes. */
static void copy_texts(struct planner *p, struct sb_cell *cell, const char *kind, const char *name, const char *lookup,
                       const struct sb_ini_section *from, const struct sb_option *table, uint32_t n)
{
    const bool workload = !strcmp(kind, "workload");
    /* The part may have been begun with its file. */
    struct sb_ini_section *to = sb_ini_section_of(&cell->settings, kind, name);
    if (!to)
        to = sb_ini_add_section(&cell->settings, kind, name, 0);
    for (uint32_t i = 0; i < n; i++) {
        const char *text = sb_plan_text_of(cell, lookup, from, &table[i]);
        sb_ini_set(to, table[i].name, workload ? sb_plan_resolve(p, text) : text, 0);
    }
}

/* The plugin's path is absolute: a trial runs from any folder. */
static void write_part(struct planner *p, struct sb_cell *cell, const char *kind, const struct sb_binding *b)
{
    struct sb_ini_section *section = sb_ini_add_section(&cell->settings, kind, b->name, 0);
    sb_ini_set(section, "file", b->plugin->path, 0);
    copy_texts(p, cell, kind, b->name, b->source, b->section, b->plugin->options, b->plugin->option_count);
}

/* `env.NAME` keys, as written or as swept. */
static void copy_environment(struct sb_cell *cell, const struct sb_binding *b)
{
    struct sb_ini_section *to = sb_ini_section_of(&cell->settings, "allocator", b->name);
    size_t n = strlen(b->source);
    for (size_t i = 0; b->section && i < b->section->n; i++) {
        if (sb_env_name(b->section->at[i].key))
            sb_ini_set(to, b->section->at[i].key, b->section->at[i].value, 0);
    }
    for (size_t i = 0; i < cell->swept.n; i++) {
        const char *name = cell->swept.at[i].name;
        if (!strncmp(name, b->source, n) && name[n] == '.' && sb_env_name(name + n + 1))
            sb_ini_set(to, name + n + 1, cell->swept.at[i].value, 0);
    }
}

/* Gathers all that decides about a trial of this cell, as text. */
static void write_settings(struct planner *p, struct sb_cell *cell)
{
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *experiment = sb_ini_section(ini, "experiment", "");
    const struct sb_section_table *machine = &sb_tables[SB_TABLE_MACHINE];
    struct sb_ini_section *trial = sb_ini_add_section(&cell->settings, "trial", "", 0);
    struct sb_text cpus = {0};

    for (size_t i = 0; i < cell->cpus.n; i++)
        sb_text_printf(&cpus, "%s%u", i ? ", " : "", cell->cpus.at[i].os);
    /* OS numbers, as the kernel takes them. */
    sb_ini_set(trial, "cpus", sb_text_get(&cpus), 0);
    for (size_t i = 0; i < sb_trial_copy_count; i++) {
        const struct sb_option *option = &sb_tables[SB_TABLE_EXPERIMENT].options[sb_trial_copies[i].from];
        sb_ini_set(trial, option->name, sb_plan_text_of(cell, "experiment", experiment, option), 0);
    }
    bool counted = p->experiment->pmu[SB_PMU_PROVIDER].u != SB_PROVIDER_NONE;
    sb_ini_set(trial, "events", counted ? p->experiment->pmu[SB_PMU_EVENTS].s : "none", 0);
    copy_texts(p, cell, "machine", "", "machine", sb_ini_section(ini, "machine", ""), machine->options, machine->n);
    write_part(p, cell, "allocator", cell->allocator);
    copy_environment(cell, cell->allocator);
    write_part(p, cell, "workload", cell->workload);
    if (p->plan->paired) {
        write_part(p, cell, "baseline", p->plan->baseline);
        /* Of two in one process single calls and counters would be one's alone, or both's. */
        sb_ini_set(trial, "latency", "off", 0);
        sb_ini_set(trial, "events", "none", 0);
    }
    sb_text_free(&cpus);
}

/* Whether this allocator can serve this workload on this machine; the reason if not. */
static char *skip_reason(const struct sb_allocator *a, const struct sb_needs *needs, uint32_t threads,
                         const union sb_value *machine)
{
    /* Of several reasons the one that no setting can change comes first. */
    enum sb_route route = sb_route_for(a, (enum sb_want)needs->want);
    uint64_t most = route == SB_ROUTE_CACHE   ? a->cache->max_size
                    : route == SB_ROUTE_SIZED ? a->sized->max_size
                    : route == SB_ROUTE_PAGES ? SB_PAGE_SIZE << SB_MAX_ORDER
                                              : 0;
    uint64_t memory = machine[SB_MACHINE_MEMORY].u;
    char *reason = NULL;
    if (route == SB_ROUTE_NONE) {
        char *offers = sb_allocator_interfaces(a);
        reason = sb_printf("%s offers only %s; the workload needs %s", a->name, offers,
                           sb_want_served_by((enum sb_want)needs->want));
        free(offers);
    } else if (needs->contents && a->flags & SB_ALLOCATOR_ALIASES) {
        reason = sb_printf("%s gives the same addresses to all: contents can't be verified", a->name);
    } else if (needs->finite && a->flags & (SB_ALLOCATOR_ALIASES | SB_ALLOCATOR_OS_MEMORY)) {
        reason = sb_printf("the workload uses all memory up, and that of %s has no end", a->name);
    } else if (most && needs->block_size > most) {
        char *size = sb_format_size(needs->block_size), *limit = sb_format_size(most);
        reason = sb_printf("%s allocates at most %s at once; the workload wants %s", a->name, limit, size);
        free(size);
        free(limit);
    } else if (needs->live_bytes > sb_plan_machine_ram() / (threads ? threads : 1)) {
        reason = sb_printf("the workload holds %.1f MiB live; the machine has %.0f MiB",
                           (double)needs->live_bytes * threads / (1 << 20), (double)sb_plan_machine_ram() / (1 << 20));
    } else if (!(a->flags & (SB_ALLOCATOR_ALIASES | SB_ALLOCATOR_OS_MEMORY)) && memory &&
               needs->live_bytes > memory / (threads ? threads : 1)) {
        reason = sb_printf("the workload holds %.1f MiB live; [machine] memory is %.0f MiB",
                           (double)needs->live_bytes * threads / (1 << 20), (double)memory / (1 << 20));
    }
    return reason;
}

static bool has_environment(const struct sb_binding *b)
{
    bool any = false;
    for (size_t i = 0; b->section && i < b->section->n; i++)
        any |= sb_env_name(b->section->at[i].key) != NULL;
    return any;
}

/* Whether the baseline can stand beside this allocator in one process. */
static char *why_not_paired(const struct sb_plan *plan, const struct sb_cell *cell, const struct sb_needs *needs,
                            const union sb_value *machine)
{
    const struct sb_binding *own = cell->allocator, *other = plan->baseline;
    bool os = own->plugin->allocator.flags & other->plugin->allocator.flags & SB_ALLOCATOR_OS_MEMORY;
    if (needs->joint && cell->threads > 1)
        return sb_strdup(
            "threads of this workload wait for each other: they can't be measured by turns (mode = paired)");
    char *reason = skip_reason(&other->plugin->allocator, needs, cell->threads, machine);
    if (reason) {
        char *text = sb_printf("it can't be paired with %s: %s", other->name, reason);
        free(reason);
        return text;
    }
    if (has_environment(own) || has_environment(other))
        return sb_printf("it can't be paired with %s: variables of the environment (env.*) are the whole process's",
                         other->name);
    if (os && own->plugin == other->plugin)
        return sb_printf("it can't be paired with %s: of two allocators of the plugin %s, "
                         "whose memory is the process's, each would be in the other's books",
                         other->name, own->plugin->name);
    return NULL;
}

/* Resolves machine, workload and time of a cell; complains or sets its reason to be skipped. */
static void judge(const struct sb_plan *plan, struct sb_cell *cell)
{
    const struct sb_plugin *workload = cell->workload->plugin;
    union sb_value machine[SB_MACHINE_KEYS], trial[SB_TRIAL_KEYS];
    union sb_value *options = sb_calloc(workload->option_count, sizeof(*options));
    struct sb_needs needs = {.struct_size = sizeof(needs), .threads = cell->threads};
    char why[256] = "", *text = NULL;
    /* Texts that were judged before, swept ones included: nothing can be said here that wasn't. */
    struct sb_diag scratch = {0};

    sb_read_section(sb_ini_section(&cell->settings, "machine", ""), "", sb_tables[SB_TABLE_MACHINE].options,
                    SB_MACHINE_KEYS, NULL, machine, &scratch);
    sb_read_section(sb_ini_section(&cell->settings, "trial", ""), "", sb_trial_options, SB_TRIAL_KEYS, NULL, trial,
                    &scratch);
    sb_read_section(sb_ini_section(&cell->settings, "workload", cell->workload->name), "", workload->options,
                    workload->option_count, "file", options, &scratch);
    enum sb_route route = SB_ROUTE_NONE;
    if (workload->workload.needs(options, &needs, why, sizeof(why))) {
        text = sb_printf("%s", why);
    } else {
        text = skip_reason(&cell->allocator->plugin->allocator, &needs, cell->threads, machine);
        if (!text && plan->paired)
            text = why_not_paired(plan, cell, &needs, machine);
        route = sb_route_for(&cell->allocator->plugin->allocator, (enum sb_want)needs.want);
    }
    cell->skip = text;
    cell->route = sb_route_name(route);
    cell->cycle_operations = needs.cycle_operations;
    cell->keep_busy = machine[SB_MACHINE_KEEP_BUSY].u;
    cell->memory_bytes = machine[SB_MACHINE_MEMORY].u;
    /* Of a pair neither is to have the older pages. */
    cell->memory_reuse = machine[SB_MACHINE_MEMORY_REUSE].u && machine[SB_MACHINE_PREFAULT].u && !plan->paired;
    cell->pages = (enum sb_pages_kind)machine[SB_MACHINE_PAGES].u;
    cell->node = machine[SB_MACHINE_NODE].s;
    cell->finite = needs.finite;
    if (!(cell->allocator->plugin->allocator.flags & (SB_ALLOCATOR_ALIASES | SB_ALLOCATOR_OS_MEMORY)))
        cell->held_bytes = sb_memory_held(&cell->allocator->plugin->allocator, &needs, cell->threads);
    /* The survey's length depends on the allocator: it counts as nothing. */
    cell->least_ns = trial[SB_TRIAL_WARMUP].u + (trial[SB_TRIAL_OPERATIONS].u ? 0 : trial[SB_TRIAL_DURATION].u);
    for (size_t i = 0; i < scratch.n; i++)
        free(scratch.at[i].text);
    SB_VEC_FREE(&scratch);
    free(options);
}

/* The CPUs of `threads` threads in this cell, which needs the machine's keys as swept. */
static void choose_cpus(struct planner *p, struct sb_cell *cell, const char *threads)
{
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "machine", "");
    const struct sb_option *table = sb_tables[SB_TABLE_MACHINE].options;
    const char *location = sb_plan_text_of(cell, "machine", section, &table[SB_MACHINE_CPUS]);
    const char *placement = sb_plan_text_of(cell, "machine", section, &table[SB_MACHINE_PLACEMENT]);
    union sb_value place = {0};
    char *why = NULL;
    sb_option_parse(&table[SB_MACHINE_PLACEMENT], placement, &place, &why);
    free(why);
    why = NULL;
    if (sb_topology_cpus(p->plan->topology, location, (enum sb_placement)place.u, &cell->cpus, &why)) {
        free(why); /* said once, by check_machine */
        return;
    }
    size_t have = cell->cpus.n;
    cell->threads = strcmp(threads, "all") ? (uint32_t)strtoul(threads, NULL, 10) : (uint32_t)have;
    /* Never two threads on a CPU: they would measure the scheduler. */
    if (cell->threads > have)
        sb_diag_at(p->diag, p->experiment->matrix_line[SB_MATRIX_THREADS],
                   "threads: %u threads were asked for, but cpus = %s with placement = %s gives %zu CPU%s",
                   cell->threads, location, placement, have, have == 1 ? "" : "s");
    else
        cell->cpus.n = cell->threads;
}

/* A cell's name in progress, table, database and report. Databases are matched by it: equal labels are equal cells. */
static void label(struct sb_cell *cell)
{
    struct sb_text text = {0};
    sb_text_printf(&text, "%s / %s / %u thread%s", cell->allocator->name, cell->workload->name, cell->threads,
                   cell->threads == 1 ? "" : "s");
    for (size_t i = 0; i < cell->swept.n; i++)
        sb_text_printf(&text, " / %s=%s", cell->swept.at[i].name, cell->swept.at[i].value);
    cell->label = text.at;
}

/* Texts in a tree of tsearch(3), each with a number; the texts belong to somebody else. */
struct numbered {
    const char *text;
    uint32_t number;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct numbered *)a)->text, ((const struct numbered *)b)->text);
}

/* The number that `text` has in the tree: an earlier one, or `number`, with which it is added. */
static uint32_t number_of(void **tree, const char *text, uint32_t number)
{
    struct numbered *entry = sb_calloc(1, sizeof(*entry));
    *entry = (struct numbered){text, number};
    struct numbered **found = tsearch(entry, tree, by_text);
    if (!found)
        sb_out_of_memory();
    if (*found != entry)
        free(entry);
    return (*found)->number;
}

void sb_plan_free_cell(struct sb_cell *cell)
{
    for (size_t i = 0; i < cell->swept.n; i++)
        free(cell->swept.at[i].name);
    SB_VEC_FREE(&cell->swept);
    SB_VEC_FREE(&cell->cpus);
    sb_ini_free(&cell->settings);
    free(cell->label);
    free(cell->skip);
}

void sb_plan_add_cells(struct planner *p, const struct sb_binding *a, const struct sb_binding *w, const char *threads)
{
    const struct sb_experiment *e = p->experiment;
    /* One counter for each sweep, as the wheels of an odometer. */
    size_t *at = sb_calloc(e->sweeps.n, sizeof(*at)), i;
    do {
        struct sb_cell *cell = SB_VEC_ADD(&p->plan->cells);
        cell->id = (uint32_t)p->plan->cells.n;
        cell->allocator = a;
        cell->workload = w;
        for (i = 0; i < e->sweeps.n; i++) {
            const struct sb_sweep *sweep = &e->sweeps.at[i];
            if (sb_plan_concerns(sweep, a, w))
                *SB_VEC_ADD(&cell->swept) = (struct sb_swept){sb_printf("%s.%s", sweep->section, sweep->key),
                                                              sweep->values.at[at[i]], sweep->option};
        }
        choose_cpus(p, cell, threads);
        label(cell);
        if (number_of(&p->labels, cell->label, cell->id) != cell->id) {
            /* threads = 2, all: on two CPUs one and the same. */
            sb_plan_free_cell(cell);
            p->plan->cells.n--;
        } else {
            write_settings(p, cell);
            judge(p->plan, cell);
        }
        /* The odometer: the last sweep turns fastest. */
        for (i = e->sweeps.n; i-- > 0;) {
            if (!sb_plan_concerns(&e->sweeps.at[i], a, w))
                continue;
            if (++at[i] < e->sweeps.at[i].values.n)
                break;
            at[i] = 0;
        }
    } while (i != SIZE_MAX);
    free(at);
}

/* Equal for cells that differ in keys of the allocators' own alone. */
static char *group_key(const struct sb_cell *cell)
{
    struct sb_text text = {0};
    size_t n = strlen(cell->allocator->source);
    sb_text_printf(&text, "%s / %u", cell->workload->name, cell->threads);
    for (size_t i = 0; i < cell->swept.n; i++) {
        const struct sb_swept *x = &cell->swept.at[i];
        /* As a whole: of two sections' names one may begin as the other. */
        if ((size_t)(sb_sweep_dot(x->name) - x->name) != n || strncmp(x->name, cell->allocator->source, n))
            sb_text_printf(&text, " / %s=%s", x->name, x->value);
    }
    return text.at;
}

void sb_plan_group_cells(struct sb_plan *plan)
{
    uint32_t groups = 0;
    void *tree = NULL;
    char **keys = sb_calloc(plan->cells.n, sizeof(*keys));
    for (size_t i = 0; i < plan->cells.n; i++) {
        keys[i] = group_key(&plan->cells.at[i]);
        plan->cells.at[i].group = number_of(&tree, keys[i], groups);
        groups += plan->cells.at[i].group == groups;
    }
    tdestroy(tree, free);
    for (size_t i = 0; i < plan->cells.n; i++)
        free(keys[i]);
    free(keys);
}
