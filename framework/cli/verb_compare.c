/*
 * The verb compare. Its exit status is made for other people's CI: 4 says that something is slower, 2 that
 * the question can't be answered, and only 0 that nothing was found.
 */
#include "analyse/compare.h"
#include "base/diag.h"
#include "base/units.h"
#include "cli/cli.h"
#include "report/compare_print.h"

#include <stdio.h>
#include <string.h>

/* Of the values that a flag takes, the one given; -1 after a complaint. */
static int choice(const char *flag, const char *given, const char *const names[2])
{
    for (int i = 0; i < 2; i++) {
        if (!given || !strcmp(given, names[i]))
            return i;
    }
    sb_error("%s: '%s' is neither %s nor %s", flag, given, names[0], names[1]);
    return -1;
}

/* A share as configs write it: "5%". */
static int read_limit(const char *text, double *limit)
{
    static const struct sb_option option = {"--fail-if-slower", SB_KIND_SHARE, 0, "0%", 0, 100000, NULL, ""};
    union sb_value value = {0};
    char *why = NULL;
    if (text && sb_option_parse(&option, text, &value, &why)) {
        sb_error("--fail-if-slower: %s", why);
        free(why);
        return -1;
    }
    *limit = sb_share(value);
    return 0;
}

/* What is wrong with the question is 2; machines that differ are too: nothing was compared. */
int sb_verb_compare(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    static const char *const intervals[] = {"percentile", "bca"}, *const formats[] = {"text", "json"};
    const char *metric = sb_flag_value(verb, values, "--metric"),
               *fail = sb_flag_value(verb, values, "--fail-if-slower");
    int interval = choice("--interval", sb_flag_value(verb, values, "--interval"), intervals);
    int format = choice("--format", sb_flag_value(verb, values, "--format"), formats), code = SB_EXIT_OK;
    double limit = 0;
    struct sb_compare compare;
    char *why = NULL;
    if (interval < 0 || format < 0 || read_limit(fail, &limit))
        return SB_EXIT_USAGE;
    struct sb_compare_request request = {
        .db = operands->at[0],
        .other = operands->n > 1 ? operands->at[1] : NULL,
        .baseline = sb_flag_value(verb, values, "--baseline"),
        .metric = metric ? metric : "throughput",
        .aa = sb_flag_value(verb, values, "--aa"),
        .interval = interval ? SB_INTERVAL_BCA : SB_INTERVAL_PERCENTILE,
        .anyway = sb_flag_value(verb, values, "--anyway"),
    };
    if (sb_compare(&compare, &request, &why)) {
        sb_error("%s", why);
        code = SB_EXIT_USAGE;
    } else {
        (format ? sb_compare_print_json : sb_compare_print)(&compare, stdout);
        /* A gate in somebody's CI must fail closed: a question that can't be answered is no pass. */
        size_t slower = fail ? sb_compare_count_slower(&compare, limit) : 0, needed;
        size_t unresolved = fail ? sb_compare_count_undecidable(&compare, limit) : 0;
        if (fail && !compare.has_direction) {
            sb_error("--fail-if-slower: of %s neither more nor less is better", compare.metric);
            code = SB_EXIT_USAGE;
        } else if (fail && !slower && unresolved) {
            sb_error("--fail-if-slower: in %zu comparison%s the medians of %s are nearer than what it is "
                     "known to; a metric over many calls, such as throughput or alloc_ns, can tell",
                     unresolved, unresolved == 1 ? "" : "s", compare.metric);
            code = SB_EXIT_USAGE;
        } else if (fail && !slower && !strncmp(compare.metric, "simulated:", 10)) {
            sb_error("--fail-if-slower: %s is counted once and exactly, so there is no p; "
                     "gate on the ratio that --format json prints",
                     compare.metric);
            code = SB_EXIT_USAGE;
        } else if (fail && !slower && !sb_compare_can_separate(&compare, &needed)) {
            sb_error("--fail-if-slower: with so few processes nothing can be found slower; "
                     "repetitions = %zu would do",
                     needed);
            code = SB_EXIT_USAGE;
        } else if (slower) {
            sb_error("%zu comparison%s slower by more than %s, or without a number that the baseline has", slower,
                     slower == 1 ? " is" : "s are", fail);
            code = SB_EXIT_SLOWER;
        }
    }
    sb_compare_free(&compare);
    free(why);
    return code;
}
