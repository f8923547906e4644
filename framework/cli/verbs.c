/* The table of verbs, which --help, completion and the man page follow, and the arguments that a row takes. */
#include "base/diag.h"
#include "cli/cli.h"

#include <string.h>

#define ROW(name, ...) {#name, __VA_ARGS__, sb_verb_##name},
const struct sb_verb sb_verbs[] = {
#include "cli/verbs.inc"
};
#undef ROW
const size_t sb_verbs_count = SB_COUNT(sb_verbs);

/* A near miss is named; anything else gets the whole list. */
const struct sb_verb *sb_find_verb(const char *name)
{
    const char *names[SB_COUNT(sb_verbs)];
    for (size_t i = 0; i < sb_verbs_count; i++) {
        if (!strcmp(sb_verbs[i].name, name))
            return &sb_verbs[i];
        names[i] = sb_verbs[i].name;
    }
    char *hint = sb_diag_hint(name, names, sb_verbs_count);
    sb_error("there is no verb '%s'%s", name, hint);
    free(hint);
    return NULL;
}

/* Whole names only: an abbreviation that works today may be ambiguous tomorrow. */
static const struct sb_flag *find_flag(const struct sb_verb *verb, const char *name)
{
    const char *names[SB_MAX_FLAGS + 1] = {0};
    size_t n = 0;
    for (const struct sb_flag *f = verb->flags; f->name; f++) {
        if (!strcmp(f->name, name))
            return f;
        names[n++] = f->name;
    }
    names[n++] = "--help";
    char *hint = sb_diag_hint(name, names, n);
    sb_error("%s has no option '%s'%s", verb->name, name, hint);
    free(hint);
    return NULL;
}

/* The last of several counts, as with most programs: a script can append to what it was given. */
const char *sb_flag_value(const struct sb_verb *verb, const struct sb_words *values, const char *name)
{
    const char *found = NULL;
    (void)verb;
    for (size_t i = 0; i + 1 < values->n; i += 2) {
        if (!strcmp(values->at[i], name))
            found = values->at[i + 1];
    }
    return found;
}

int sb_parse_arguments(const struct sb_verb *verb, int argc, char **argv, struct sb_words *operands,
                       struct sb_words *values)
{
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return 1;
        if (argv[i][0] != '-' || !argv[i][1]) {
            *SB_VEC_ADD(operands) = sb_strdup(argv[i]);
            continue;
        }
        char *equals = strchr(argv[i], '=');
        char *name = sb_strndup(argv[i], equals ? (size_t)(equals - argv[i]) : strlen(argv[i]));
        const struct sb_flag *flag = find_flag(verb, name);
        const char *value = equals ? equals + 1 : "";
        if (flag && flag->value && !equals)
            value = i + 1 < argc ? argv[++i] : NULL;
        /* An empty one is a variable that was not set, and as a folder would be the root. */
        if (flag && flag->value && value && !*value)
            value = NULL;
        bool good = flag && value && (flag->value || !equals);
        if (flag && !value)
            sb_error("%s lacks its %s", name, flag->value);
        else if (flag && !good)
            sb_error("%s takes no value", name);
        *SB_VEC_ADD(values) = name;
        *SB_VEC_ADD(values) = sb_strdup(value ? value : "");
        if (!good)
            return -1;
    }
    /* Operands are few and positional; a forgotten quote shows as one too many. */
    bool any = verb->second && !strcmp(verb->second, "...");
    size_t wanted = verb->operand && verb->operand[0] != '[';
    size_t most = any ? SIZE_MAX : (size_t)(verb->operand != NULL) + (verb->second != NULL);
    if (operands->n >= wanted && operands->n <= most)
        return 0;
    if (operands->n < wanted)
        sb_error("%s needs %s; see scullbench %s --help", verb->name, verb->operand, verb->name);
    else
        sb_error("%s doesn't know what to do with '%s'; see scullbench %s --help", verb->name, operands->at[most],
                 verb->name);
    return -1;
}
