/* scullbench: arguments and verbs. The tables here are what --help, completion and the man page say. */
#include "base/diag.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROW(name, ...) {#name, __VA_ARGS__, sb_verb_##name},
const struct sb_verb sb_verbs[] = {
#include "cli/verbs.inc"
};
#undef ROW
const size_t sb_verb_count = SB_COUNT(sb_verbs);

/* "DB [DB2]", "DB...", "". The caller frees it. */
static char *operands_of(const struct sb_verb *verb)
{
    const char *second = verb->second ? verb->second : "";
    return sb_printf("%s%s%s", verb->operand ? verb->operand : "", *second && *second != '.' ? " " : "", second);
}

/* Verbs in the order in which a user meets them. */
static void print_help(FILE *out)
{
    fprintf(out, "usage: scullbench VERB ...\n\nMeasures memory allocators, the Linux kernel's above all, "
                 "with the same workloads on pinned CPUs.\n\n");
    for (size_t i = 0; i < sb_verb_count; i++) {
        char *operands = operands_of(&sb_verbs[i]);
        fprintf(out, "  %-9s %-9s %s\n", sb_verbs[i].name, operands, sb_verbs[i].summary);
        free(operands);
    }
    fprintf(out, "\n`scullbench VERB --help` tells more; `scullbench --version` the version.\n");
}

/* From the table that parses: help and behaviour can't drift apart. */
static void print_verb_help(const struct sb_verb *verb)
{
    bool flags = verb->flags[0].name;
    char *operands = operands_of(verb);
    printf("usage: scullbench %s%s%s%s\n\n%s\n", verb->name, *operands ? " " : "", operands,
           flags ? " [OPTION]..." : "", verb->summary);
    free(operands);
    if (verb->more)
        printf("\n%s", verb->more);
    printf("\n");
    for (const struct sb_flag *f = verb->flags; f->name; f++) {
        char *left = sb_printf("%s%s%s", f->name, f->value ? " " : "", f->value ? f->value : "");
        printf("  %-28s %s\n", left, f->help);
        free(left);
    }
    printf("  %-28s %s\n", "--help", "this text");
}

/* A near miss is named; anything else gets the whole list. */
static const struct sb_verb *find_verb(const char *name)
{
    const char *names[SB_COUNT(sb_verbs)];
    for (size_t i = 0; i < sb_verb_count; i++) {
        if (!strcmp(sb_verbs[i].name, name))
            return &sb_verbs[i];
        names[i] = sb_verbs[i].name;
    }
    char *hint = sb_diag_hint(name, names, sb_verb_count);
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

/* Splits arguments into operands and flag-value pairs. 0, 1 for --help, or -1 after a complaint. */
static int parse(const struct sb_verb *verb, int argc, char **argv, struct sb_words *operands, struct sb_words *values)
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
    size_t wanted = verb->operand ? 1 : 0, most = any ? SIZE_MAX : wanted + (verb->second != NULL);
    if (operands->n >= wanted && operands->n <= most)
        return 0;
    if (operands->n < wanted)
        sb_error("%s needs %s; see scullbench %s --help", verb->name, verb->operand, verb->name);
    else
        sb_error("%s doesn't know what to do with '%s'; see scullbench %s --help", verb->name, operands->at[most],
                 verb->name);
    return -1;
}

/* What can't be written is no success, whatever it was. */
static int flush(int status)
{
    if (fflush(stdout) || ferror(stdout)) {
        sb_error("standard output can't be written: %s", strerror(errno));
        status = status ? status : SB_EXIT_FAILURE;
    }
    return status;
}

/*
 * Output that could not be written is a failure: an empty export on a full disk must not look like
 * success.
 */
int main(int argc, char **argv)
{
    struct sb_words operands = {0}, values = {0};
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_help(argc < 2 ? stderr : stdout);
        return flush(argc < 2 ? SB_EXIT_USAGE : SB_EXIT_OK);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("scullbench %s, plugin ABI %d.%d\n", SB_VERSION, SB_ABI_MAJOR, SB_ABI_MINOR);
        return flush(SB_EXIT_OK);
    }
    const struct sb_verb *verb = find_verb(argv[1]);
    int status = SB_EXIT_USAGE;
    if (verb) {
        int parsed = parse(verb, argc - 2, argv + 2, &operands, &values);
        if (parsed == 0) {
            status = verb->run(verb, &operands, &values);
        } else if (parsed > 0) {
            print_verb_help(verb);
            status = SB_EXIT_OK;
        }
    }
    sb_words_free(&operands);
    sb_words_free(&values);
    return flush(status);
}
