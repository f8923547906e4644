/* scullbench: help, and the call of a verb. */
#include "base/diag.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
    for (size_t i = 0; i < sb_verbs_count; i++) {
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
    const struct sb_verb *verb = sb_find_verb(argv[1]);
    int status = SB_EXIT_USAGE;
    if (verb) {
        int parsed = sb_parse_arguments(verb, argc - 2, argv + 2, &operands, &values);
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
