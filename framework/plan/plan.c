/*
 * Binding and planning.
 *
 * Every error is found here, before anything runs: unknown plugins, options, events and CPUs. What is no
 * error but can't be measured (an allocator without the interface, a device larger than memory) becomes a
 * skipped cell with its reason.
 */
#define _GNU_SOURCE
#include "plan/plan.h"

#include "base/file.h"
#include "base/units.h"
#include "config/trial_spec.h"
#include "measure/pmu_names.h"
#include "plan/memory.h"
#include "scullbench/random.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What [trial] takes from [experiment], and by which key. */
static const struct {
    enum sb_trial_key trial;
    enum sb_experiment_key experiment;
} trial_from_experiment[] = {
    {SB_TRIAL_DURATION, SB_EXPERIMENT_DURATION},
    {SB_TRIAL_OPERATIONS, SB_EXPERIMENT_OPERATIONS},
    {SB_TRIAL_WARMUP, SB_EXPERIMENT_WARMUP},
    {SB_TRIAL_STEADY, SB_EXPERIMENT_STEADY},
    {SB_TRIAL_STEADY_WINDOWS, SB_EXPERIMENT_STEADY_WINDOWS},
    {SB_TRIAL_WARMUP_LIMIT, SB_EXPERIMENT_WARMUP_LIMIT},
    {SB_TRIAL_LATENCY, SB_EXPERIMENT_LATENCY},
    {SB_TRIAL_LATENCY_PERIOD, SB_EXPERIMENT_LATENCY_PERIOD},
    {SB_TRIAL_RATE, SB_EXPERIMENT_RATE},
    {SB_TRIAL_SURVEY, SB_EXPERIMENT_SURVEY},
    {SB_TRIAL_SURVEY_POINTS, SB_EXPERIMENT_SURVEY_POINTS},
    {SB_TRIAL_LOST_TIME, SB_EXPERIMENT_LOST_TIME},
};

/* What every step of planning needs; lives as long as sb_plan_make. */
struct planner {
    struct sb_plan *plan;
    struct sb_diag *diag;
    const struct sb_experiment *experiment;
    void *labels; /* those of cells so far, a tree */
};

/* Of the machine we run on: what no trial can exceed, whatever allocator it uses. */
static uint64_t machine_ram(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Names that a plugin of this kind may go by: sections of the config, and plugins. */
static char *hint_plugin(const struct planner *p, enum sb_plugin_kind kind, const char *name, bool sections)
{
    const char *word = kind == SB_PLUGIN_ALLOCATOR ? "allocator" : "workload";
    const struct sb_plugins *plugins = p->plan->plugins;
    const char **names = sb_calloc(plugins->n + p->experiment->ini.n, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < plugins->n; i++) {
        if (!plugins->at[i]->refused && plugins->at[i]->kind == kind)
            names[n++] = plugins->at[i]->name;
    }
    for (size_t i = 0; sections && i < p->experiment->ini.n; i++) {
        if (!strcmp(p->experiment->ini.at[i].kind, word))
            names[n++] = p->experiment->ini.at[i].name;
    }
    char *hint = sb_diag_hint(name, names, n);
    free(names);
    return hint;
}

/* A refused plugin of that file name explains itself better than "unknown" would. */
static const struct sb_plugin *refused_by_name(const struct sb_plugins *plugins, const char *name)
{
    for (size_t i = 0; i < plugins->n; i++) {
        const struct sb_plugin *plugin = plugins->at[i];
        const char *slash = strrchr(plugin->path, '/');
        const char *base = slash ? slash + 1 : plugin->path;
        const char *dash = strchr(base, '-');
        size_t n = strlen(name);
        if (!plugin->refused)
            continue;
        if ((plugin->name && !strcmp(plugin->name, name)) ||
            (!strncmp(base, name, n) && !strcmp(base + n, ".so")) ||
            (dash && !strncmp(dash + 1, name, n) && !strcmp(dash + 1 + n, ".so")))
            return plugin;
    }
    return NULL;
}

/* `file:data.bin` of a workload's option lies beside the config, wherever the run is started. Borrowed. */
static const char *resolve(struct planner *p, const char *value)
{
    char *folder;
    if (strncmp(value, "file:", 5) || value[5] == '/' || !value[5] ||
        !(folder = sb_folder_of(p->experiment->path)))
        return value;
    char *path = *SB_VEC_ADD(&p->plan->paths) = sb_printf("file:%s/%s", folder, value + 5);
    free(folder);
    return path;
}

/* A section names its plugin, or is named after it; without a section the plugin's defaults hold. */
static void bind(struct planner *p, enum sb_plugin_kind kind, const char *name, struct sb_binding *binding,
                 int line)
{
    const char *word = kind == SB_PLUGIN_ALLOCATOR ? "allocator" : "workload";
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, word, name);
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, "plugin") : NULL;
    const char *plugin_name = entry ? entry->value : name;

    *binding =
        (struct sb_binding){name, name, sb_plugin_find(p->plan->plugins, kind, plugin_name), section, line};
    /* An empty name in a list was complained about where the list was read. */
    if (binding->plugin || !*name)
        return;
    const struct sb_plugin *refused = refused_by_name(p->plan->plugins, plugin_name);
    char *hint = hint_plugin(p, kind, plugin_name, !section);
    if (entry)
        line = entry->line;
    else if (section)
        line = section->line;
    if (refused)
        sb_diag_at(p->diag, line, "the plugin %s can't be used: %s", refused->path, refused->refused);
    else if (entry)
        sb_diag_at(p->diag, line, "there is no %s plugin '%s'%s", word, plugin_name, hint);
    else if (section)
        sb_diag_at(p->diag, line,
                   "there is no %s plugin '%s', and the section has no key 'plugin' that names one%s", word,
                   plugin_name, hint);
    else
        sb_diag_at(p->diag, line, "there is neither a section [%s %s] nor a plugin of that name%s", word,
                   name, hint);
    free(hint);
}

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

/* What the workload itself says of its options; its "key: ..." is shown at that key's line. */
static void check_needs(struct planner *p, const struct sb_plugin *plugin,
                        const struct sb_ini_section *section, const union sb_value *values)
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

/* Sections that nothing uses are checked all the same: a typo there is a typo. */
static void check_section(struct planner *p, const struct sb_ini_section *section)
{
    struct sb_binding binding;
    enum sb_plugin_kind kind = !strcmp(section->kind, "allocator") ? SB_PLUGIN_ALLOCATOR : SB_PLUGIN_WORKLOAD;
    if ((strcmp(section->kind, "allocator") && strcmp(section->kind, "workload")) || !*section->name)
        return;
    bind(p, kind, section->name, &binding, section->line);
    if (!binding.plugin)
        return;
    union sb_value *values = sb_calloc(binding.plugin->option_count, sizeof(*values));
    char *what = sb_printf("%s '%s'", section->kind, binding.plugin->name);
    size_t before = p->diag->n;
    for (size_t i = 0; i < section->n && kind == SB_PLUGIN_WORKLOAD; i++) {
        if (sb_env_name(section->at[i].key))
            sb_diag_at(p->diag, section->at[i].line,
                       "'%s' belongs into an [allocator] section: the environment is the "
                       "allocator's",
                       section->at[i].key);
    }
    sb_read_section(section, what, binding.plugin->options, binding.plugin->option_count, "plugin", values,
                    p->diag);
    for (uint32_t i = 0; i < binding.plugin->option_count && kind == SB_PLUGIN_WORKLOAD; i++) {
        if (binding.plugin->options[i].kind == SB_OPTION_TEXT && values[i].s)
            values[i].s = resolve(p, values[i].s);
    }
    if (kind == SB_PLUGIN_WORKLOAD && p->diag->n == before && !complained(p->diag, section))
        check_needs(p, binding.plugin, section, values);
    free(what);
    free(values);
}

/* Errors in a section were told by check_section, at the section's own lines. */
static void bind_list(struct planner *p, enum sb_plugin_kind kind, const struct sb_words *names, int line)
{
    for (size_t i = 0; i < names->n; i++) {
        struct sb_binding *binding =
            kind == SB_PLUGIN_ALLOCATOR ? SB_VEC_ADD(&p->plan->allocators) : SB_VEC_ADD(&p->plan->workloads);
        /* Bound even where the section is broken: other errors of the matrix come out in the same pass. */
        size_t before = p->diag->n;
        bind(p, kind, names->at[i], binding, line);
        /* A broken section was complained about where it stands. */
        while (binding->section && p->diag->n > before)
            free(p->diag->at[--p->diag->n].text);
    }
}

/* Each behind its original, so that tables show them together. */
static void add_twins(struct sb_plan *plan)
{
    size_t n = plan->allocators.n;
    for (size_t i = 0; i < n; i++)
        SB_VEC_ADD(&plan->allocators);
    /* From the back, so that each place is read before it is written to. */
    for (size_t i = n; i-- > 0;) {
        struct sb_binding twin = plan->allocators.at[i];
        twin.name = *SB_VEC_ADD(&plan->twins) = sb_printf("%s" SB_TWIN_SUFFIX, twin.name);
        plan->allocators.at[2 * i] = plan->allocators.at[i];
        plan->allocators.at[2 * i + 1] = twin;
    }
}

/* What a trial is told can differ from cell to cell; the rest is one for the whole run. */
static bool may_sweep_experiment(const char *key)
{
    if (!strcmp(key, "time_limit"))
        return true;
    for (size_t i = 0; i < SB_COUNT(trial_from_experiment); i++) {
        if (!strcmp(sb_tables[SB_TABLE_EXPERIMENT].options[trial_from_experiment[i].experiment].name, key))
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
static void check_machine_value(struct planner *p, int line, const char *key, const char *text,
                                union sb_value value)
{
    /* Of a synthetic topology nobody knows the memory. */
    uint64_t ram = machine_ram();
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

/* Values are checked against the same table as a written key: a sweep is that key, several times. */
static void check_sweep(struct planner *p, const struct sb_sweep *sweep)
{
    uint32_t n = 0;
    const struct sb_option *table = table_of(p, sweep->section, &n);
    if (!table) {
        char *hint = hint_section(p, sweep->section);
        sb_diag_at(p->diag, sweep->line, "the matrix sweeps '%s', but uses no section of that name%s",
                   sweep->section, hint);
        free(hint);
        return;
    }
    const struct sb_option *option = sb_option_find(table, n, sweep->key);
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
        /* Of texts the list's reader has told; of all else 1KiB and 1024B are one setting, measured twice. */
        for (size_t j = 0; j < i && option->kind != SB_OPTION_TEXT; j++) {
            if (values[j].u == value.u && strcmp(sweep->values.at[i], sweep->values.at[j]) &&
                !sb_diag_has(p->diag, sweep->line)) {
                sb_diag_at(p->diag, sweep->line, "%s.%s: '%s' is the same as '%s'", sweep->section,
                           sweep->key, sweep->values.at[i], sweep->values.at[j]);
                break;
            }
        }
    }
    free(values);
}

/* A pattern that matches nothing is a typo: the user believes cells are left out that will run. */
static void check_excludes(struct planner *p)
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

/* Patterns are matched against names of sections, as the matrix writes them. */
static bool excluded(const struct planner *p, const struct sb_binding *a, const struct sb_binding *w)
{
    for (size_t i = 0; i < p->experiment->excludes.n; i++) {
        const struct sb_exclude *x = &p->experiment->excludes.at[i];
        if (sb_glob(x->allocator, a->source) && sb_glob(x->workload, w->source))
            return true;
    }
    return false;
}

/* The text a key has in this cell: swept, else written, else the default. */
static const char *text_of(const struct sb_cell *cell, const char *section_name,
                           const struct sb_ini_section *section, const struct sb_option *option)
{
    for (size_t i = 0; i < cell->swept.n; i++) {
        /* The last one: names of sections may have dots, keys don't. */
        const char *dot = strrchr(cell->swept.at[i].name, '.');
        size_t n = (size_t)(dot - cell->swept.at[i].name);
        if (strlen(section_name) == n && !strncmp(cell->swept.at[i].name, section_name, n) &&
            !strcmp(dot + 1, option->name))
            return cell->swept.at[i].value;
    }
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, option->name) : NULL;
    return entry ? entry->value : option->fallback;
}

/* Every option is written out, defaults too: a trial's text must mean the same when a default changes. */
static void copy_texts(struct planner *p, struct sb_cell *cell, const char *kind, const char *name,
                       const char *lookup, const struct sb_ini_section *from, const struct sb_option *table,
                       uint32_t n)
{
    const bool workload = !strcmp(kind, "workload");
    /* The part may have been begun with its file. */
    struct sb_ini_section *to = sb_ini_section(&cell->settings, kind, name);
    if (!to)
        to = sb_ini_add_section(&cell->settings, kind, name, 0);
    for (uint32_t i = 0; i < n; i++) {
        const char *text = text_of(cell, lookup, from, &table[i]);
        sb_ini_set(to, table[i].name, workload ? resolve(p, text) : text, 0);
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
    struct sb_ini_section *to = sb_ini_section(&cell->settings, "allocator", b->name);
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
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *experiment = sb_ini_section(ini, "experiment", "");
    const struct sb_section_table *machine = &sb_tables[SB_TABLE_MACHINE];
    struct sb_ini_section *trial = sb_ini_add_section(&cell->settings, "trial", "", 0);
    struct sb_text cpus = {0};

    for (size_t i = 0; i < cell->cpus.n; i++)
        sb_text_printf(&cpus, "%s%u", i ? ", " : "", cell->cpus.at[i].os);
    /* OS numbers, as the kernel takes them. */
    sb_ini_set(trial, "cpus", sb_text_get(&cpus), 0);
    for (size_t i = 0; i < SB_COUNT(trial_from_experiment); i++) {
        const struct sb_option *option =
            &sb_tables[SB_TABLE_EXPERIMENT].options[trial_from_experiment[i].experiment];
        sb_ini_set(trial, sb_trial_options[trial_from_experiment[i].trial].name,
                   text_of(cell, "experiment", experiment, option), 0);
    }
    bool counted = p->experiment->pmu[SB_PMU_PROVIDER].u != SB_PROVIDER_NONE;
    sb_ini_set(trial, "events", counted ? p->experiment->pmu[SB_PMU_EVENTS].s : "none", 0);
    copy_texts(p, cell, "machine", "", "machine", sb_ini_section(ini, "machine", ""), machine->options,
               machine->n);
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
        reason = sb_printf("%s offers only %s; the workload needs cache, sized or pages", a->name, offers);
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
    } else if (needs->live_bytes > machine_ram() / (threads ? threads : 1)) {
        reason =
            sb_printf("the workload holds %.1f MiB live; the machine has %.0f MiB",
                      (double)needs->live_bytes * threads / (1 << 20), (double)machine_ram() / (1 << 20));
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
static char *why_not_paired(const struct sb_plan *plan, const struct sb_cell *cell,
                            const struct sb_needs *needs, const union sb_value *machine)
{
    const struct sb_binding *own = cell->allocator, *other = plan->baseline;
    bool os = own->plugin->allocator.flags & other->plugin->allocator.flags & SB_ALLOCATOR_OS_MEMORY;
    char *reason = skip_reason(&other->plugin->allocator, needs, cell->threads, machine);
    if (reason) {
        char *text = sb_printf("it can't be paired with %s: %s", other->name, reason);
        free(reason);
        return text;
    }
    if (has_environment(own) || has_environment(other))
        return sb_printf(
            "it can't be paired with %s: variables of the environment (env.*) are the whole process's",
            other->name);
    if (os && own->plugin == other->plugin)
        return sb_printf(
            "it can't be paired with %s: of two allocators of the plugin %s, whose memory is the process's, "
            "each would be in the other's books",
            other->name, own->plugin->name);
    return NULL;
}

/* Resolves machine, workload and time of a cell; complains or sets its reason to be skipped. */
static void judge(const struct sb_plan *plan, struct sb_cell *cell)
{
    const struct sb_plugin *workload = cell->workload->plugin;
    union sb_value machine[SB_MACHINE_KEYS], trial[SB_TRIAL_KEYS];
    union sb_value *options = sb_calloc(workload->option_count, sizeof(*options));
    struct sb_needs needs = {.struct_size = sizeof(needs)};
    char why[256] = "", *text = NULL;
    /* Texts that were judged before, swept ones included: nothing can be said here that wasn't. */
    struct sb_diag scratch = {0};

    sb_read_section(sb_ini_section(&cell->settings, "machine", ""), "", sb_tables[SB_TABLE_MACHINE].options,
                    SB_MACHINE_KEYS, NULL, machine, &scratch);
    sb_read_section(sb_ini_section(&cell->settings, "trial", ""), "", sb_trial_options, SB_TRIAL_KEYS, NULL,
                    trial, &scratch);
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
    cell->memory_reuse =
        machine[SB_MACHINE_MEMORY_REUSE].u && machine[SB_MACHINE_PREFAULT].u && !plan->paired;
    cell->pages = (enum sb_pages_kind)machine[SB_MACHINE_PAGES].u;
    cell->node = machine[SB_MACHINE_NODE].s;
    cell->finite = needs.finite;
    if (!(cell->allocator->plugin->allocator.flags & (SB_ALLOCATOR_ALIASES | SB_ALLOCATOR_OS_MEMORY)))
        cell->held_bytes = sb_memory_held(&cell->allocator->plugin->allocator, &needs, cell->threads);
    /* The survey's length depends on the allocator: it counts as nothing. */
    cell->least_ns =
        trial[SB_TRIAL_WARMUP].u + (trial[SB_TRIAL_OPERATIONS].u ? 0 : trial[SB_TRIAL_DURATION].u);
    for (size_t i = 0; i < scratch.n; i++)
        free(scratch.at[i].text);
    SB_VEC_FREE(&scratch);
    free(options);
}

/* The CPUs of `threads` threads in this cell, which needs the machine's keys as swept. */
static void choose_cpus(struct planner *p, struct sb_cell *cell, const char *threads)
{
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "machine", "");
    const struct sb_option *table = sb_tables[SB_TABLE_MACHINE].options;
    const char *location = text_of(cell, "machine", section, &table[SB_MACHINE_CPUS]);
    const char *placement = text_of(cell, "machine", section, &table[SB_MACHINE_PLACEMENT]);
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

/* How a cell is called everywhere: in progress, table, database and report. */
/* Equal labels are equal cells: databases are matched by them. */
static void label(struct sb_cell *cell)
{
    struct sb_text text = {0};
    sb_text_printf(&text, "%s / %s / %u thread%s", cell->allocator->name, cell->workload->name, cell->threads,
                   cell->threads == 1 ? "" : "s");
    for (size_t i = 0; i < cell->swept.n; i++)
        sb_text_printf(&text, " / %s=%s", cell->swept.at[i].name, cell->swept.at[i].value);
    cell->label = text.at;
}

/*
 * A sweep over a section multiplies only the cells that use the section: others would be measured
 * twice.
 */
static bool concerns(const struct sb_sweep *sweep, const struct sb_binding *a, const struct sb_binding *w)
{
    return !strcmp(sweep->section, "machine") || !strcmp(sweep->section, "experiment") ||
           !strcmp(sweep->section, a->source) || !strcmp(sweep->section, w->source);
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

static void free_cell(struct sb_cell *cell)
{
    for (size_t i = 0; i < cell->swept.n; i++)
        free(cell->swept.at[i].name);
    SB_VEC_FREE(&cell->swept);
    SB_VEC_FREE(&cell->cpus);
    sb_ini_free(&cell->settings);
    free(cell->label);
    free(cell->skip);
}

/* Adds the cells of one allocator, workload and thread count: one for every combination of swept values. */
static void add_cells(struct planner *p, const struct sb_binding *a, const struct sb_binding *w,
                      const char *threads)
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
            if (concerns(sweep, a, w))
                *SB_VEC_ADD(&cell->swept) = (struct sb_swept){sb_printf("%s.%s", sweep->section, sweep->key),
                                                              sweep->values.at[at[i]]};
        }
        choose_cpus(p, cell, threads);
        label(cell);
        if (number_of(&p->labels, cell->label, cell->id) != cell->id) {
            /* threads = 2, all: on two CPUs one and the same. */
            free_cell(cell);
            p->plan->cells.n--;
        } else {
            write_settings(p, cell);
            judge(p->plan, cell);
        }
        /* The odometer: the last sweep turns fastest. */
        for (i = e->sweeps.n; i-- > 0;) {
            if (!concerns(&e->sweeps.at[i], a, w))
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

static void group_cells(struct sb_plan *plan)
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

/* Cells of one allocator and workload, or UINT64_MAX where that is no number any more. */
static uint64_t count_cells(const struct planner *p, const struct sb_binding *a, const struct sb_binding *w)
{
    uint64_t n = p->experiment->threads.n;
    for (size_t i = 0; i < p->experiment->sweeps.n; i++) {
        const struct sb_sweep *sweep = &p->experiment->sweeps.at[i];
        if (concerns(sweep, a, w) && __builtin_mul_overflow(n, sweep->values.n, &n))
            return UINT64_MAX;
    }
    return n;
}

/* A slip of a generator would fill the memory in silence. */
static void check_size(struct planner *p)
{
    enum { MOST_CELLS = 100000, MOST_TRIALS = 10000000 };
    uint64_t cells = 0, most = p->plan->most_repetitions;
    for (size_t w = 0; w < p->plan->workloads.n; w++) {
        for (size_t a = 0; a < p->plan->allocators.n; a++) {
            const struct sb_binding *allocator = &p->plan->allocators.at[a],
                                    *workload = &p->plan->workloads.at[w];
            if (!excluded(p, allocator, workload) &&
                __builtin_add_overflow(cells, count_cells(p, allocator, workload), &cells))
                cells = UINT64_MAX;
        }
    }
    if (cells <= MOST_CELLS && cells * most <= MOST_TRIALS)
        return;
    struct sb_text text = {0};
    sb_text_printf(&text, "%zu allocator%s x %zu workload%s x %zu thread count%s", p->plan->allocators.n,
                   p->plan->allocators.n == 1 ? "" : "s", p->plan->workloads.n,
                   p->plan->workloads.n == 1 ? "" : "s", p->experiment->threads.n,
                   p->experiment->threads.n == 1 ? "" : "s");
    for (size_t i = 0; i < p->experiment->sweeps.n; i++) {
        const struct sb_sweep *sweep = &p->experiment->sweeps.at[i];
        sb_text_printf(&text, " x %zu of %s.%s", sweep->values.n, sweep->section, sweep->key);
    }
    if (cells > MOST_CELLS)
        sb_diag_at(p->diag, 0, "the matrix has %s%llu cells, more than %d: %s",
                   cells == UINT64_MAX ? "more than " : "", (unsigned long long)cells, MOST_CELLS,
                   sb_text_get(&text));
    else
        sb_diag_at(p->diag, 0, "the matrix has %llu trials, more than %d: %s x %llu repetitions",
                   (unsigned long long)(cells * most), MOST_TRIALS, sb_text_get(&text),
                   (unsigned long long)most);
    sb_text_free(&text);
}

/* Location, nodes and memory are looked up now, on the machine as it is; a run would only fail later. */
static void check_machine(struct planner *p)
{
    static const enum sb_machine_key keys[] = {SB_MACHINE_CPUS, SB_MACHINE_NODE, SB_MACHINE_MEMORY};
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "machine", "");
    for (size_t i = 0; i < SB_COUNT(keys); i++) {
        const struct sb_option *option = &sb_tables[SB_TABLE_MACHINE].options[keys[i]];
        const struct sb_ini_entry *entry = section ? sb_ini_entry(section, option->name) : NULL;
        check_machine_value(p, entry ? entry->line : 0, option->name, entry ? entry->value : option->fallback,
                            p->experiment->machine[keys[i]]);
    }
}

/* What keys of [experiment] say together, swept ones included. */
static void check_times(struct planner *p, const struct sb_cell *cell)
{
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "experiment", "");
    const struct sb_ini_entry *limit = section ? sb_ini_entry(section, "time_limit") : NULL;
    /* A skipped cell takes no time, whatever its settings say. */
    if (!cell->skip && cell->least_ns >= cell->time_limit_ns) {
        char *least = sb_format_time(cell->least_ns), *most = sb_format_time(cell->time_limit_ns);
        sb_diag_at(p->diag, limit ? limit->line : 0,
                   "time_limit: warm-up and measured phase take %s, but a trial is killed after %s", least,
                   most);
        free(least);
        free(most);
    }
}

/* Paced calls come at the rate that was asked for: its precision says nothing. */
static void check_rate(struct planner *p, const struct sb_cell *cell)
{
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "experiment", "");
    const struct sb_ini_entry *precision = section ? sb_ini_entry(section, "precision") : NULL,
                              *decide = section ? sb_ini_entry(section, "decide") : NULL;
    const char *rate =
        text_of(cell, "experiment", section, &sb_tables[SB_TABLE_EXPERIMENT].options[SB_EXPERIMENT_RATE]);
    if ((p->plan->precision > 0 || p->plan->decide > 0) && strcmp(rate, "none"))
        sb_diag_at(p->diag,
                   precision ? precision->line
                   : decide  ? decide->line
                             : 0,
                   "%s is that of the rate, but rate = %s fixes it; give a number of repetitions instead",
                   p->plan->precision > 0 ? "precision" : "what decide decides", rate);
}

/* duration and operations exclude each other, also when one of them is swept. */
static void check_exclusive(struct planner *p)
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
                       name ? "events: '%s' stands twice in the list"
                            : "events: '%s' is the same event as '%s'",
                       pmu->at[i].name, pmu->at[j].name);
            break;
        }
    }
}

/*
 * A name libpfm4 doesn't know is a mistake; an event the machine lacks is not, and is told with its
 * reason.
 */
static void check_events(struct planner *p)
{
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
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
            sb_diag_at(p->diag, events->line, "events: '%s': %s", p->plan->pmu.at[i].name,
                       p->plan->pmu.at[i].reason);
    }
}

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
    bool wanted = (p->plan->provider == SB_PROVIDER_CACHEGRIND || p->plan->provider == SB_PROVIDER_AUTO) &&
                  !p->plan->paired;
    if (p->plan->provider == SB_PROVIDER_AUTO && sb_pmu_machine_has_hardware())
        wanted = false;
    for (uint32_t cell = 0; cell < p->plan->cells.n && wanted; cell++) {
        if (p->plan->cells.at[cell].threads == 1)
            add_trial(p, cell, 1, true);
    }
}

/* Blocks of every cell once, each shuffled; or cell after cell. */
static void order_trials(struct planner *p)
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

/* Per cell, since it may be swept. */
static void read_time_limit(const struct planner *p, struct sb_cell *cell)
{
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_option *option = &sb_tables[SB_TABLE_EXPERIMENT].options[SB_EXPERIMENT_TIME_LIMIT];
    union sb_value value = {0};
    char *why = NULL;
    if (!sb_option_parse(option, text_of(cell, "experiment", sb_ini_section(ini, "experiment", ""), option),
                         &value, &why))
        cell->time_limit_ns = value.u;
    free(why);
}

/* Who is decided against, or paired with: the one that is named, else the first of the matrix. */
static void find_baseline(struct planner *p)
{
    struct sb_plan *plan = p->plan;
    const char *name = p->experiment->values[SB_EXPERIMENT_BASELINE].s;
    struct sb_ini *ini = (struct sb_ini *)&p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, "experiment", "");
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, "baseline") : NULL;
    if ((!(plan->decide > 0) && !plan->paired) || !plan->allocators.n)
        return;
    const char **names = sb_calloc(plan->allocators.n, sizeof(*names));
    for (size_t i = 0; i < plan->allocators.n; i++) {
        names[i] = plan->allocators.at[i].name;
        if (!plan->baseline && (!*name || !strcmp(names[i], name)))
            plan->baseline = &plan->allocators.at[i];
    }
    if (!plan->baseline) {
        char *hint = sb_diag_hint(name, names, plan->allocators.n);
        sb_diag_at(p->diag, entry ? entry->line : 0, "baseline: '%s' is no allocator of the matrix%s", name,
                   hint);
        free(hint);
    }
    free(names);
}

void sb_plan_make(struct sb_plan *plan, const struct sb_experiment *experiment,
                  const struct sb_topology *topology, const struct sb_plugins *plugins, bool twins,
                  struct sb_diag *diag)
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
        check_section(&p, &experiment->ini.at[i]);
    bind_list(&p, SB_PLUGIN_ALLOCATOR, &experiment->allocators, experiment->matrix_line[SB_MATRIX_ALLOCATOR]);
    bind_list(&p, SB_PLUGIN_WORKLOAD, &experiment->workloads, experiment->matrix_line[SB_MATRIX_WORKLOAD]);
    for (size_t i = 0; i < experiment->sweeps.n; i++) {
        check_sweep(&p, &experiment->sweeps.at[i]);
        *SB_VEC_ADD(&plan->swept) =
            sb_printf("%s.%s", experiment->sweeps.at[i].section, experiment->sweeps.at[i].key);
    }
    if (twins)
        add_twins(plan);
    find_baseline(&p);
    check_exclusive(&p);
    check_excludes(&p);
    check_machine(&p);
    check_events(&p);
    if (!diag->n)
        check_size(&p);
    if (diag->n)
        return;
    for (size_t w = 0; w < plan->workloads.n; w++) {
        for (size_t a = 0; a < plan->allocators.n; a++) {
            for (size_t t = 0; t < experiment->threads.n; t++) {
                if (!excluded(&p, &plan->allocators.at[a], &plan->workloads.at[w]))
                    add_cells(&p, &plan->allocators.at[a], &plan->workloads.at[w], experiment->threads.at[t]);
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
        read_time_limit(&p, &plan->cells.at[i]);
        if (!diag->n)
            check_times(&p, &plan->cells.at[i]);
        if (!diag->n)
            check_rate(&p, &plan->cells.at[i]);
    }
    group_cells(plan);
    sb_plan_size_memory(plan, machine_ram());
    order_trials(&p);
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
        free_cell(&plan->cells.at[i]);
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
char *sb_plan_trial_text(const struct sb_plan *plan, const struct sb_trial *trial,
                         const struct sb_trial_given *given)
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
            sb_text_printf(
                &text,
                "number = %u\ncell = %u\nrepetition = %u\nseed = %llu\nlayout = %llu\nsimulate = %s\n"
                "dump = %s\n",
                trial->number, cell->id, trial->repetition, (unsigned long long)trial->seed,
                (unsigned long long)trial->layout, trial->simulated ? "yes" : "no",
                plan->dump ? "yes" : "no");
        if (!strcmp(section->kind, "trial") && codes)
            sb_text_printf(&text, "event_codes = %s\n", codes);
        if (!strcmp(section->kind, "trial") && given)
            sb_text_printf(&text, "ns_per_tick = %.17g\nmemory_file = %d\nmemory_present = %lluB\n",
                           given->ns_per_tick, given->memory_file, (unsigned long long)given->memory_present);
        if (!strcmp(section->kind, "trial") && given && given->topology)
            sb_text_printf(&text, "topology = %s\n", given->topology);
        for (size_t j = 0; j < section->n; j++)
            sb_text_printf(&text, "%s = %s\n", section->at[j].key, section->at[j].value);
    }
    free(codes);
    return text.at;
}
