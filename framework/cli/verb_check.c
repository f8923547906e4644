/*
 * The verb check: what the gate finds, told so that the author of a plugin can go on from it. Every failure
 * comes with the command that shows it again.
 */
#define _GNU_SOURCE
#include "base/diag.h"
#include "base/stop.h"
#include "base/units.h"
#include "check/check.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* NAME=VALUE flags as pairs; what is wrong with them is said. */
static bool read_options(const struct sb_plugin *p, const struct sb_words *flags, struct sb_words *options)
{
    /* Parsed here for the complaint alone: the child reads the texts again, as a trial would. */
    union sb_value *scratch = sb_calloc(p->option_count + 1, sizeof(*scratch));
    bool good = true;
    for (size_t i = 0; i + 1 < flags->n; i += 2) {
        if (strcmp(flags->at[i], "--option"))
            continue;
        good &= sb_take_option(p, "--option", flags->at[i + 1], scratch);
        const char *equals = strchr(flags->at[i + 1], '=');
        if (!equals)
            continue;
        *SB_VEC_ADD(options) = sb_strndup(flags->at[i + 1], (size_t)(equals - flags->at[i + 1]));
        *SB_VEC_ADD(options) = sb_strdup(equals + 1);
    }
    free(scratch);
    return good;
}

/* One line that is written over; nothing where nobody watches. */
static void show_progress(void *context, const struct sb_property *property, size_t at, size_t all)
{
    (void)context;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K[%zu/%zu] %s", at + 1, all, property->name);
}

/* A text that a shell reads back as it is. */
static void print_quoted(const char *text)
{
    printf("'");
    for (; *text; text++)
        printf(*text == '\'' ? "'\\''" : "%c", *text);
    printf("'");
}

/* A longer sequence is better drawn again from its seed than pasted. */
enum { MOST_PRINTED = 60 };

static size_t count_words(const char *text)
{
    size_t n = *text != '\0';
    for (; *text; text++)
        n += *text == ' ';
    return n;
}

/* Pasted as it stands, it shows the failure again. */
static void print_replay(const struct sb_check_line *line, const struct sb_check_request *q, const char *operand)
{
    printf("                 again: scullbench check %s", operand);
    for (size_t i = 0; i + 1 < q->options->n; i += 2) {
        printf(" --option ");
        char *pair = sb_printf("%s=%s", q->options->at[i], q->options->at[i + 1]);
        print_quoted(pair);
        free(pair);
    }
    printf(" --property %s", line->property->name);
    if (line->ops && count_words(line->ops) <= MOST_PRINTED) {
        printf(" --ops ");
        print_quoted(line->ops);
    } else {
        printf(" --seed %llu", (unsigned long long)q->seed);
    }
    printf("\n");
}

static void print_report(const struct sb_check_report *report, const struct sb_check_request *q, const char *operand)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct sb_check_line *line = &report->at[i];
        printf("  %-13s %-12s %s\n", line->property->name, sb_check_result_name(line->result), line->property->what);
        if (line->why && *line->why)
            printf("                 %s\n", line->why);
        if (line->result != SB_CHECK_FAIL)
            continue;
        if (line->ops)
            printf("                 shortest failing sequence found: %zu operation%s\n", count_words(line->ops),
                   count_words(line->ops) == 1 ? "" : "s");
        print_replay(line, q, operand);
    }
    /* What a pass means is said with it: promises that were tried, and no more. */
    printf("\n%s\n", report->failed    ? "The plugin is invalid: its cells in a matrix get no numbers."
                     : report->machine ? "Not everything could be tried, for reasons that are not the plugin's."
                     : report->passed  ? "No promise was seen broken."
                                       : "Nothing could be tried.");
    printf("Not asked for: that an allocator works on in a child after fork().\n");
}

static bool read_number(const char *flag, const char *text, uint64_t *number)
{
    static const struct sb_option option = {"", SB_OPTION_INT, 0, "1", 0, UINT64_MAX, NULL, ""};
    union sb_value value = {.u = *number};
    char *why = NULL;
    if (text && sb_option_parse(&option, text, &value, &why)) {
        sb_error("%s: %s", flag, why);
        free(why);
        return false;
    }
    *number = value.u;
    return true;
}

static bool check_property(const char *name)
{
    const char **names = sb_calloc(sb_property_count, sizeof(*names));
    bool good = !name || sb_property_find(name);
    for (size_t i = 0; i < sb_property_count; i++)
        names[i] = sb_properties[i].name;
    if (!good) {
        char *hint = sb_diag_hint(name, names, sb_property_count);
        sb_error("--property: there is no property '%s'%s", name, hint);
        free(hint);
    }
    free(names);
    return good;
}

static int check(const struct sb_plugin *plugin, const struct sb_verb *verb, const struct sb_words *values,
                 const char *operand)
{
    struct sb_words options = {0};
    struct sb_check_report report;
    char *why = NULL;
    int code = SB_EXIT_USAGE;
    struct sb_check_request request = {.plugin = plugin,
                                       .options = &options,
                                       .property = sb_flag_value(verb, values, "--property"),
                                       .ops = sb_flag_value(verb, values, "--ops"),
                                       .seed = 1,
                                       .quick = sb_flag_value(verb, values, "--quick"),
                                       .memory = UINT64_C(64) << 20,
                                       .progress = show_progress};
    /* A sequence means nothing by itself: what it shows depends on what is judged. */
    if (request.ops && !request.property) {
        sb_error("--ops needs --property, whose operations they are");
        return SB_EXIT_USAGE;
    }
    if (!read_options(plugin, values, &options) || !check_property(request.property) ||
        !read_number("--seed", sb_flag_value(verb, values, "--seed"), &request.seed))
        goto out;
    sb_catch_stop();
    int status = sb_check(&report, &request, &sb_stop, &why);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    printf("%s, %s, build-id %.16s\n", plugin->name, plugin->path, plugin->build_id);
    print_report(&report, &request, operand);
    /* A plugin of which nothing could be tried has not passed. */
    code = report.failed ? SB_EXIT_TRIALS_FAILED : report.passed && !report.machine ? SB_EXIT_OK : SB_EXIT_FAILURE;
    if (status) {
        sb_error("%s", why);
        code = sb_stop ? SB_EXIT_INTERRUPTED : SB_EXIT_FAILURE;
    }
    sb_check_report_free(&report);
    free(why);
out:
    sb_words_free(&options);
    return code;
}

/* An allocator by name, or a file of one that was just built. */
int sb_verb_check(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    struct sb_plugins plugins;
    const char *name = operands->at[0];
    int code = SB_EXIT_USAGE;
    sb_plugins_load(&plugins, sb_flag_value(verb, values, "--plugin-path"));
    if (strchr(name, '/')) {
        struct sb_plugin *plugin = sb_plugin_load(name);
        if (plugin->refused || plugin->kind != SB_PLUGIN_ALLOCATOR)
            sb_error("%s: %s", name, plugin->refused ? plugin->refused : "it is a workload; allocators are checked");
        else
            code = check(plugin, verb, values, name);
        sb_plugin_free(plugin);
    } else {
        const struct sb_plugin *plugin = sb_find_plugin(&plugins, SB_PLUGIN_ALLOCATOR, name);
        if (plugin)
            code = check(plugin, verb, values, name);
    }
    sb_plugins_free(&plugins);
    return code;
}
