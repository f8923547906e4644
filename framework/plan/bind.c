/* Names of the matrix to plugins with their sections: what a name stands for, and what was meant by a wrong
 * one. */
#define _GNU_SOURCE
#include "plan/inside.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

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
        if ((plugin->name && !strcmp(plugin->name, name)) || (!strncmp(base, name, n) && !strcmp(base + n, ".so")) ||
            (dash && !strncmp(dash + 1, name, n) && !strcmp(dash + 1 + n, ".so")))
            return plugin;
    }
    return NULL;
}

const char *sb_plan_resolve(struct planner *p, const char *value)
{
    char *folder;
    const char *name = sb_file_of(value);
    if (!name || *name == '/' || !*name || !(folder = sb_folder_of(p->experiment->path)))
        return value;
    char *path = *SB_VEC_ADD(&p->plan->paths) = sb_printf("file:%s/%s", folder, name);
    free(folder);
    return path;
}

void sb_plan_bind_one(struct planner *p, enum sb_plugin_kind kind, const char *name, struct sb_binding *binding,
                      int line)
{
    const char *word = kind == SB_PLUGIN_ALLOCATOR ? "allocator" : "workload";
    const struct sb_ini *ini = &p->experiment->ini;
    const struct sb_ini_section *section = sb_ini_section(ini, word, name);
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, "plugin") : NULL;
    const char *plugin_name = entry ? entry->value : name;

    *binding = (struct sb_binding){name, name, sb_plugin_find(p->plan->plugins, kind, plugin_name), section, line};
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
        sb_diag_at(p->diag, line, "there is no %s plugin '%s', and the section has no key 'plugin' that names one%s",
                   word, plugin_name, hint);
    else
        sb_diag_at(p->diag, line, "there is neither a section [%s %s] nor a plugin of that name%s", word, name, hint);
    free(hint);
}

void sb_plan_bind(struct planner *p, enum sb_plugin_kind kind, const struct sb_words *names, int line)
{
    for (size_t i = 0; i < names->n; i++) {
        struct sb_binding *binding =
            kind == SB_PLUGIN_ALLOCATOR ? SB_VEC_ADD(&p->plan->allocators) : SB_VEC_ADD(&p->plan->workloads);
        /* Bound even where the section is broken: other errors of the matrix come out in the same pass. */
        size_t before = p->diag->n;
        sb_plan_bind_one(p, kind, names->at[i], binding, line);
        /* A broken section was complained about where it stands. */
        while (binding->section && p->diag->n > before)
            free(p->diag->at[--p->diag->n].text);
    }
}

/* The plugin that a workload's section, or its name alone, stands for. */
static const struct sb_plugin *workload_called(const struct sb_experiment *experiment, const struct sb_plugins *plugins,
                                               const char *name)
{
    const struct sb_ini_section *section = sb_ini_section(&experiment->ini, "workload", name);
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, "plugin") : NULL;
    return sb_plugin_find(plugins, SB_PLUGIN_WORKLOAD, entry ? entry->value : name);
}

static void rename_entries(struct sb_ini_section *section, const struct sb_plugin *plugin, struct sb_diag *diag)
{
    for (size_t i = 0; i < section->n; i++) {
        struct sb_ini_entry *entry = &section->at[i];
        const char *option = sb_plugin_option_name(plugin, entry->key);
        if (option == entry->key)
            continue;
        if (sb_ini_entry(section, option))
            sb_diag_at(diag, entry->line, "%s is another name of %s, which is given, too", entry->key, option);
        free(entry->key);
        entry->key = sb_strdup(option);
    }
}

void sb_plan_rename_aliases(struct sb_experiment *experiment, const struct sb_plugins *plugins, struct sb_diag *diag)
{
    for (size_t i = 0; i < experiment->ini.n; i++) {
        struct sb_ini_section *section = &experiment->ini.at[i];
        const struct sb_plugin *plugin =
            strcmp(section->kind, "workload") ? NULL : workload_called(experiment, plugins, section->name);
        if (plugin)
            rename_entries(section, plugin, diag);
    }
    for (size_t i = 0; i < experiment->sweeps.n; i++) {
        struct sb_sweep *sweep = &experiment->sweeps.at[i];
        const struct sb_plugin *plugin = workload_called(experiment, plugins, sweep->section);
        const char *option = plugin ? sb_plugin_option_name(plugin, sweep->key) : sweep->key;
        free(sweep->option);
        sweep->option = sb_strdup(option);
        for (size_t j = 0; j < i; j++) {
            const struct sb_sweep *other = &experiment->sweeps.at[j];
            if (!strcmp(other->section, sweep->section) && !strcmp(other->option, option))
                sb_diag_at(diag, sweep->line, "%s.%s is another name of %s.%s, which is swept, too", sweep->section,
                           sweep->key, other->section, other->key);
        }
    }
}

void sb_plan_add_twins(struct sb_plan *plan)
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

void sb_plan_find_baseline(struct planner *p)
{
    struct sb_plan *plan = p->plan;
    const char *name = p->experiment->values[SB_EXPERIMENT_BASELINE].s;
    const struct sb_ini *ini = &p->experiment->ini;
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
        sb_diag_at(p->diag, entry ? entry->line : 0, "baseline: '%s' is no allocator of the matrix%s", name, hint);
        free(hint);
    }
    free(names);
}
