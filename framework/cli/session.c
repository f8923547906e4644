/* Shared by the verbs: opens config, machine, plugins and plan, and tells all errors in one pass; finds a plugin and
 * its options by name. */
#include "base/diag.h"
#include "base/units.h"
#include "cli/cli.h"

#include <string.h>

/* Everything is loaded and looked at before the first complaint goes out, so that one pass shows all. */
int sb_session_open(struct sb_session *s, const struct sb_verb *verb, const char *config, const struct sb_words *values,
                    bool twins)
{
    /* As many as there are words at most. */
    const char **sets = sb_calloc(values->n, sizeof(*sets));
    struct sb_text overrides = {0};
    struct sb_diag diag = {0};
    size_t n = 0;
    char *why = NULL;

    *s = (struct sb_session){0};
    for (size_t i = 0; i + 1 < values->n; i += 2) {
        if (!strcmp(values->at[i], "--set")) {
            sets[n++] = values->at[i + 1];
            sb_text_printf(&overrides, "%s%s", overrides.n ? "\n" : "", values->at[i + 1]);
        }
    }
    s->overrides = overrides.at ? overrides.at : sb_strdup("");
    if (sb_experiment_load(&s->experiment, config, sets, n, &diag))
        goto out;
    /* Before the plan: sections are judged by the tables that plugins bring. */
    sb_plugins_load(&s->plugins, sb_flag_value(verb, values, "--plugin-path"));
    if (sb_topology_load(&s->topology, &why)) {
        sb_diag_at(&diag, 0, "%s", why);
        free(why);
    } else {
        sb_plan_rename_aliases(&s->experiment, &s->plugins, &diag);
        sb_plan_make(&s->plan, &s->experiment, s->topology, &s->plugins, twins, &diag);
    }
out:;
    size_t errors = sb_diag_flush(&diag, stderr);
    free(sets);
    return errors ? SB_EXIT_USAGE : 0;
}

void sb_session_close(struct sb_session *s)
{
    sb_plan_free(&s->plan);
    sb_plugins_free(&s->plugins);
    sb_topology_free(s->topology);
    sb_experiment_free(&s->experiment);
    free(s->overrides);
}

bool sb_take_option(const struct sb_plugin *p, const char *flag, const char *text, union sb_value *values)
{
    const char *equals = strchr(text, '=');
    char *name = sb_strndup(text, equals ? (size_t)(equals - text) : strlen(text)), *why = NULL;
    const struct sb_option *option = sb_option_find(p->options, p->option_count, sb_plugin_option_name(p, name));
    bool good = false;
    if (!equals) {
        sb_error("%s %s: expected NAME=VALUE", flag, text);
    } else if (!option) {
        char *hint = sb_option_hint(p->options, p->option_count, name);
        sb_error("%s %s: %s has no option '%s'%s", flag, text, p->name, name, p->option_count ? hint : "");
        free(hint);
    } else if (sb_option_parse(option, equals + 1, &values[option - p->options], &why)) {
        sb_error("%s %s: %s", flag, text, why);
        free(why);
    } else {
        good = true;
    }
    free(name);
    return good;
}

const struct sb_plugin *sb_find_plugin(const struct sb_plugins *plugins, enum sb_plugin_kind kind, const char *name)
{
    const struct sb_plugin *found = sb_plugin_find(plugins, kind, name);
    if (found)
        return found;
    /* Suggestions are of the kind that is wanted alone: a workload is no answer to a misspelt allocator. */
    const char **names = sb_calloc(plugins->n + 1, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < plugins->n; i++) {
        if (!plugins->at[i]->refused && plugins->at[i]->kind == kind)
            names[n++] = plugins->at[i]->name;
    }
    char *hint = sb_diag_hint(name, names, n);
    sb_error("there is no %s plugin '%s'%s", kind == SB_PLUGIN_ALLOCATOR ? "allocator" : "workload", name, hint);
    free(hint);
    free(names);
    return NULL;
}
