/* The kernel's names of gfp flags. */
#include "base/gfp.h"

#include "base/diag.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define ROW(name, value, help) {name, help, value},
const struct sb_gfp_row sb_gfp_rows[] = {
#include "base/gfp.inc"
};
#undef ROW
const size_t sb_gfp_row_count = SB_COUNT(sb_gfp_rows);

static const struct sb_gfp_row *find_row(const char *name)
{
    for (size_t i = 0; i < sb_gfp_row_count; i++) {
        if (!strcmp(sb_gfp_rows[i].name, name))
            return &sb_gfp_rows[i];
    }
    return NULL;
}

/* "kernel" was a value of its own until 0.1: it is near to GFP_KERNEL, though not by letters. */
static char *hint_for(const char *name)
{
    const char *names[SB_COUNT(sb_gfp_rows)];
    static const char *const prefixes[] = {"GFP_", "__GFP_", "__"};
    char *hint = NULL;
    for (size_t i = 0; i < SB_COUNT(prefixes) && !hint; i++) {
        char *longer = sb_printf("%s%s", prefixes[i], name);
        for (char *c = longer; *c; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        if (find_row(longer))
            hint = sb_printf(" (did you mean '%s'?)", longer);
        free(longer);
    }
    for (size_t i = 0; i < SB_COUNT(names); i++)
        names[i] = sb_gfp_rows[i].name;
    return hint ? hint : sb_diag_hint(name, names, SB_COUNT(names));
}

int sb_gfp_read(const char *text, sb_gfp_t *gfp, char **why)
{
    int status = 0;
    *gfp = 0;
    for (const char *at = text; !status; at++) {
        size_t n = strcspn(at, "|");
        const char *from = at + strspn(at, " ");
        size_t length = (size_t)(at + n - from);
        while (length && from[length - 1] == ' ')
            length--;
        char *name = sb_strndup(from, from < at + n ? length : 0);
        const struct sb_gfp_row *row = find_row(name);
        if (row) {
            *gfp |= row->value;
        } else {
            char *hint = hint_for(name);
            *why = *name ? sb_printf("'%s' is no gfp flag%s", name, hint)
                         : sb_printf("'%s' lacks a gfp flag beside a '|'", text);
            free(hint);
            status = -EINVAL;
        }
        free(name);
        at += n;
        if (!*at)
            break;
    }
    return status;
}
