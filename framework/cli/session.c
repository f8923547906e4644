/* What run and plan share: config, machine, plugins, plan, with all errors told in one pass. */
#include "base/diag.h"
#include "cli/cli.h"

#include <string.h>

/* Everything is loaded and looked at before the first complaint goes out, so that one pass shows all. */
int sb_session_open(struct sb_session *s, const struct sb_verb *verb, const char *config,
                    const struct sb_words *values, bool twins)
{
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
    sb_plugins_load(&s->plugins, sb_flag_value(verb, values, "--plugin-path"));
    if (sb_topology_load(&s->topology, &why)) {
        sb_diag_at(&diag, 0, "%s", why);
        free(why);
    } else {
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
