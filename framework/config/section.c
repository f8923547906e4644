/* One section against its table of options. */
#include "config/section.h"

#include "base/units.h"

#include <stdlib.h>
#include <string.h>

const char *sb_env_name(const char *key)
{
    return strncmp(key, "env.", 4) || !key[4] ? NULL : key + 4;
}

/* The last dot, but in front of env.NAME: variables' names may have dots. */
const char *sb_sweep_dot(const char *path)
{
    const char *env = strstr(path, ".env.");
    return env ? env : strrchr(path, '.');
}

void sb_read_section(const struct sb_ini_section *section, const char *what, const struct sb_option *table, uint32_t n,
                     const char *skip, union sb_value *values, struct sb_diag *diag)
{
    char *why = NULL;
    /* Defaults go through the same reader: a wrong one in a plugin's table is found here. */
    for (uint32_t i = 0; i < n; i++) {
        if (sb_option_parse(&table[i], table[i].fallback, &values[i], &why)) {
            sb_diag_at(diag, 0, "%s: the default of '%s' is wrong: %s", what, table[i].name, why);
            free(why);
            values[i].u = 0;
        }
    }
    for (size_t i = 0; section && i < section->n; i++) {
        const struct sb_ini_entry *entry = &section->at[i];
        const struct sb_option *option = sb_option_find(table, n, entry->key);
        if (skip && (!strcmp(entry->key, skip) || sb_env_name(entry->key)))
            continue;
        if (!option) {
            char *hint = sb_option_hint(table, n, entry->key);
            if (n)
                sb_diag_at(diag, entry->line, "%s has no key '%s'%s", what, entry->key, hint);
            else
                sb_diag_at(diag, entry->line, "%s has no key '%s': it has no options", what, entry->key);
            free(hint);
        } else if (sb_option_parse(option, entry->value, &values[option - table], &why)) {
            sb_diag_at(diag, entry->line, "%s: %s", entry->key, why);
            free(why);
        }
    }
}
