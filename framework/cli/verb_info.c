/* The verbs list, describe and topology. */
#include "base/diag.h"
#include "base/gfp.h"
#include "base/units.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Refused files are shown with their reason: a plugin that silently isn't there costs an afternoon. */
int sb_verb_list(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    static const char *const kinds[] = {"allocator", "workload"};
    struct sb_plugins plugins;
    size_t refused = 0;
    (void)operands;
    sb_plugins_load(&plugins, sb_flag_value(verb, values, "--plugin-path"));
    for (int kind = SB_PLUGIN_ALLOCATOR; kind <= SB_PLUGIN_WORKLOAD; kind++) {
        printf("%s%ss:\n", kind ? "\n" : "", kinds[kind]);
        for (size_t i = 0; i < plugins.n; i++) {
            const struct sb_plugin *p = plugins.at[i];
            if (p->refused || p->kind != (enum sb_plugin_kind)kind)
                continue;
            printf("  %-10s %s\n             ABI %u.%u, %s\n", p->name, p->summary, p->abi_major, p->abi_minor,
                   p->path);
        }
    }
    for (size_t i = 0; i < plugins.n; i++) {
        if (!plugins.at[i]->refused)
            continue;
        printf("%s  %s: %s\n", refused++ ? "" : "\nrefused:\n", plugins.at[i]->path, plugins.at[i]->refused);
    }
    printf("\nlooked in:");
    for (size_t i = 0; i < plugins.folders.n; i++)
        printf(" %s", plugins.folders.at[i]);
    printf("\n");
    sb_plugins_free(&plugins);
    return SB_EXIT_OK;
}

static char *also_called(const struct sb_alias *aliases, const char *option, const char *quote)
{
    struct sb_text text = {0};
    for (const struct sb_alias *alias = aliases; alias && alias->name; alias++) {
        if (!strcmp(alias->option, option))
            sb_text_printf(&text, "; also %s%s%s", quote, alias->name, quote);
    }
    return text.at ? text.at : sb_strdup("");
}

/* The markdown is what docs/config.md is made of, and what its test compares. */
static void describe_options(const struct sb_option *options, uint32_t n, const struct sb_alias *aliases, bool markdown)
{
    if (markdown && n)
        printf("| key | value | default | meaning |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < n; i++) {
        const struct sb_option *o = &options[i];
        char *range = sb_option_range(o), *also = also_called(aliases, o->name, markdown ? "`" : "");
        if (markdown)
            printf("| `%s` | %s | %s%s%s | %s%s |\n", o->name, range, *o->fallback ? "`" : "", o->fallback,
                   *o->fallback ? "`" : "", o->help, also);
        else
            printf("  %s = %s\n      %s; %s%s\n", o->name, *o->fallback ? o->fallback : "...", range, o->help, also);
        free(range);
        free(also);
    }
}

/* What a reader needs to cite: file, build-id and ABI stand beside what it models. */
static void describe_plugin(const struct sb_plugin *p, bool markdown)
{
    if (!markdown) {
        printf("%s: %s\n", p->name, p->summary);
        /* An allocator of its own models nothing. */
        if (p->models && *p->models)
            printf("models: %s\n", p->models);
        if (p->kind == SB_PLUGIN_ALLOCATOR) {
            char *interfaces = sb_allocator_interfaces(&p->allocator);
            printf("offers: %s\n", interfaces);
            printf("memory: %s\n",
                   p->allocator.flags & SB_ALLOCATOR_OS_MEMORY ? "from the OS" : "from the trial's memory file");
            if (p->allocator.dump_files && *p->allocator.dump_files)
                printf("dumps: %s\n", p->allocator.dump_files);
            free(interfaces);
        } else {
            printf("one operation: %s\n", p->workload.operation);
        }
        printf("code: %s\n", p->aligned ? "functions begin at cache lines"
                                        : "functions begin anywhere: compile with -falign-functions=64");
        printf("file: %s\nbuild-id: %s\nABI: %u.%u\n%s\n", p->path, p->build_id, p->abi_major, p->abi_minor,
               p->option_count ? "\noptions:" : "\nno options");
    }
    describe_options(p->options, p->option_count, p->workload.aliases, markdown);
}

/* The values of every option that takes gfp flags. */
static void describe_gfp(bool markdown)
{
    if (markdown)
        printf("| flag | here |\n|---|---|\n");
    else
        printf("gfp flags, joined by '|' in a config: gfp = GFP_KERNEL|__GFP_ZERO\n\n");
    for (size_t i = 0; i < sb_gfp_row_count; i++)
        printf(markdown ? "| `%s` | %s |\n" : "  %-22s %s\n", sb_gfp_rows[i].name, sb_gfp_rows[i].help);
}

/* Sections and plugins are asked for alike, so both are suggested. */
static void complain(const struct sb_plugins *plugins, const char *name)
{
    const char **names = sb_calloc(plugins->n + SB_TABLES + 1, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < plugins->n; i++) {
        if (!plugins->at[i]->refused)
            names[n++] = plugins->at[i]->name;
    }
    for (size_t i = 0; i < SB_TABLES; i++)
        names[n++] = sb_tables[i].kind;
    names[n++] = "gfp";
    char *hint = sb_diag_hint(name, names, n);
    sb_error("there is no plugin '%s'%s", name, hint);
    free(hint);
    free(names);
}

/* Plugins and sections share one verb: to a user both are tables of keys. */
int sb_verb_describe(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    const char *name = operands->at[0], *format = sb_flag_value(verb, values, "--format");
    const struct sb_section_table *table = sb_table_find(name);
    bool markdown = format && !strcmp(format, "markdown"), found = table;
    struct sb_plugins plugins;

    if (format && !markdown && strcmp(format, "text")) {
        sb_error("--format: '%s' is neither text nor markdown", format);
        return SB_EXIT_USAGE;
    }
    sb_plugins_load(&plugins, sb_flag_value(verb, values, "--plugin-path"));
    if (!strcmp(name, "gfp")) {
        describe_gfp(markdown);
        found = true;
    }
    if (table) {
        if (!markdown)
            printf("[%s]: %s\n\n", table->kind, table->summary);
        describe_options(table->options, table->n, NULL, markdown);
    }
    for (int kind = SB_PLUGIN_ALLOCATOR; kind <= SB_PLUGIN_WORKLOAD; kind++) {
        const struct sb_plugin *plugin = sb_plugin_find(&plugins, (enum sb_plugin_kind)kind, name);
        if (plugin)
            describe_plugin(plugin, markdown);
        found |= plugin != NULL;
    }
    if (!found)
        complain(&plugins, name);
    sb_plugins_free(&plugins);
    return found ? SB_EXIT_OK : SB_EXIT_USAGE;
}

/* What a config would get, without writing one. */
static int show_cpus(const struct sb_topology *t, const char *location, const char *placement)
{
    const struct sb_option *option = &sb_tables[SB_TABLE_MACHINE].options[SB_MACHINE_PLACEMENT];
    union sb_value place;
    struct sb_cpus cpus = {0};
    char *why = NULL;
    if (sb_option_parse(option, placement ? placement : option->fallback, &place, &why)) {
        sb_error("--placement: %s", why);
    } else if (sb_topology_cpus(t, location ? location : "all", (enum sb_placement)place.u, &cpus, &why)) {
        sb_error("--cpus: %s", why);
    } else {
        for (size_t i = 0; i < cpus.n; i++)
            printf("thread %zu: CPU L#%u P#%u\n", i + 1, cpus.at[i].logical, cpus.at[i].os);
    }
    int code = why ? SB_EXIT_USAGE : SB_EXIT_OK;
    SB_VEC_FREE(&cpus);
    free(why);
    return code;
}

/* On a machine that isn't ours its state can't be read, so only the tree is shown. */
int sb_verb_topology(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    const char *cpus = sb_flag_value(verb, values, "--cpus"), *placement = sb_flag_value(verb, values, "--placement");
    struct sb_topology *t;
    char *why = NULL;
    int code = SB_EXIT_OK;
    (void)operands;
    if (sb_topology_load(&t, &why)) {
        sb_error("%s", why);
        free(why);
        return SB_EXIT_FAILURE;
    }
    if (cpus || placement) {
        code = show_cpus(t, cpus, placement);
    } else {
        /* What a paper's machine paragraph needs, before a config exists. */
        sb_topology_print(t, stdout);
        if (sb_topology_is_real(t)) {
            struct sb_facts facts = sb_machine_facts();
            printf("\n");
            for (size_t i = 0; i < facts.n; i++)
                printf("%-20s %s\n", facts.at[i].name, facts.at[i].value ? facts.at[i].value : "not available");
            sb_facts_free(&facts);
        }
    }
    sb_topology_free(t);
    return code;
}
