/* scullbench: arguments and verbs. The tables here are what --help, completion and the man page say. */
#include "base/diag.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Flags that several verbs share say the same in each. */
#define SET_FLAG                                                                                                       \
    {                                                                                                                  \
        "--set", "SECTION.KEY=VALUE", "override a key of the config; may be given several times"                       \
    }
#define PATH_FLAG                                                                                                      \
    {                                                                                                                  \
        "--plugin-path", "DIRS", "folders, separated by ':', in which to look for plugins first"                       \
    }

const struct sb_verb sb_verbs[] = {
    {"run",
     "CONFIG",
     NULL,
     "measure the matrix of a config",
     "Every trial is a fresh process; each result is stored before the next trial starts. "
     "Ctrl-C keeps what is\nfinished. The database is a new file, never one that exists. "
     "A build of an allocator that wasn't measured before is\n"
     "checked first; one that breaks a promise is invalid and gets no number.\n",
     {{"--db", "PATH", "database to write (default: results/NAME-UTCTIME.db)"},
      SET_FLAG,
      {"--dump", NULL, "store the allocators' /proc texts and the devices' layouts too"},
      {"--strict", NULL, "refuse to measure while the machine has warnings: governor, turbo, load, shared cores"},
      {"--no-check", NULL, "measure builds of allocators that `check` has not passed before; every report says so"},
      PATH_FLAG},
     sb_verb_run},
    {"plan",
     "CONFIG",
     NULL,
     "show what run would do, and fail on whatever it would fail on",
     "Prints every cell of the matrix, those that would be skipped with the reason, "
     "allocators that\ncan't be opened, and the shortest time a run can take.\n",
     {{"--trial", "N", "print trial N as INI text, for scullbench-trial"}, SET_FLAG, PATH_FLAG},
     sb_verb_plan},
    {"aa",
     "CONFIG",
     NULL,
     "compare every allocator with itself: the machine's noise floor",
     "Runs the matrix with every allocator twice and says how far apart equal things come out "
     "here. Later comparisons of\ndatabases in the same folder quote it.\n",
     {{"--db", "PATH", "database to write (default: results/NAME-aa-UTCTIME.db)"},
      SET_FLAG,
      {"--strict", NULL, "refuse to measure while the machine has warnings: governor, turbo, load, shared cores"},
      {"--no-check", NULL, "measure builds of allocators that `check` has not passed before; every report says so"},
      PATH_FLAG},
     sb_verb_aa},
    {"compare",
     "DB",
     "DB2",
     "say what is faster, with intervals: allocators of one run, or two runs",
     "With one database every allocator is compared with --baseline; "
     "with two, each cell of DB2 with the same cell of DB, or\nwith that of --baseline. "
     "Ratios are medians of those within blocks of one run, with intervals by ranks, or of\n"
     "the medians of two runs, with bootstrap intervals; verdicts take the rank sum test, "
     "corrected for the number\nof comparisons (Holm), and the interval. Exit status 4: "
     "--fail-if-slower found one.\n",
     {{"--baseline", "ALLOCATOR", "what to compare with"},
      {"--metric", "NAME", "throughput, or any metric that export shows (default: throughput)"},
      {"--fail-if-slower", "PERCENT", "exit with 4 if a verdict is slower by more than this, or a number is lost"},
      {"--interval", "percentile|bca", "kind of bootstrap interval, of two runs (default: percentile)"},
      {"--aa", "DB", "the A/A run to quote (default: the latest of this machine beside DB)"},
      {"--anyway", NULL, "compare although machines or settings differ"},
      {"--format", "text|json", "what to print (default: text)"}},
     sb_verb_compare},
    {"show",
     "DB",
     NULL,
     "print the table of a database, with bars",
     "The table that run prints at its end, and for each group of comparable cells a bar of "
     "text per allocator.\n",
     {{NULL, NULL, NULL}},
     sb_verb_show},
    {"report",
     "DB",
     "...",
     "make charts, tables and texts of one or more databases",
     "Writes index.html, which needs no other file, and report.md; "
     "figures/ with each chart as SVG, PNG, PDF for one and two\n"
     "columns of a paper, cairolatex and TikZ, its gnuplot script, its data and its caption; "
     "tables/ as LaTeX, Markdown and\nCSV; methods.tex and methods.md, a draft. "
     "Charts are those of the config's [plot NAME] sections, else good ones for\n"
     "what the matrix varied. Several databases stand side by side.\n",
     {{"--out", "DIR", "folder to write into (default: the database's name with -report)"},
      {"--plots", "FILE", "INI file with the [plot NAME] sections to use instead of the config's"}},
     sb_verb_report},
    {"artifact",
     "DB",
     NULL,
     "pack a database with all it takes to judge and repeat it",
     "An archive with the config, the raw data, the machine's topology, "
     "the report and a README that says how to\n"
     "repeat the run: what artifact evaluation asks for. Takes tar, and zstd for .tar.zst.\n",
     {{"-o", "FILE", "archive to write, .tar.zst, .tar.gz or .tar.xz (default: the database's name with .tar.zst)"}},
     sb_verb_artifact},
    {"export",
     "DB",
     NULL,
     "print a database's trials, a row each",
     "With --what series a row for each point over operations, fragmentation by order derived "
     "from the free blocks among them;\nwith --what histograms a row for each bucket of the "
     "latencies.\n",
     {{"--format", "csv|json", "what to print (default: csv)"},
      {"--what", "trials|series|histograms", "what of it (default: trials)"}},
     sb_verb_export},
    {"list", NULL, NULL, "list the plugins found, also those refused, and why", NULL, {PATH_FLAG}, sb_verb_list},
    {"describe",
     "NAME",
     NULL,
     "say what a plugin models, offers and takes; or the keys of a section of the config",
     "NAME is a plugin, or one of experiment, machine, pmu, matrix and plot.\n",
     {{"--format", "text|markdown", "markdown: the tables of docs/config.md (default: text)"}, PATH_FLAG},
     sb_verb_describe},
    {"check",
     "PLUGIN",
     NULL,
     "prove an allocator against what the ABI promises, before it is measured",
     "Every property is tried in a child process, under time and memory limits: "
     "pass, fail, not claimed (the plugin doesn't\n"
     "offer it) or untested (another failure stands in the way). "
     "A failing sequence of operations is shrunk, and the command\n"
     "that shows it again is printed. PLUGIN is a name, or a file with a '/' in its path.\n",
     {{"--option", "NAME=VALUE", "an option of the plugin; may be given several times"},
      {"--property", "NAME", "try this one alone"},
      {"--ops", "OPERATIONS", "replay these operations, as a failure printed them"},
      {"--seed", "N", "what the operations are drawn from (default: 1)"},
      {"--quick", NULL, "a tenth of the operations, and no shrinking: what run does before it measures"},
      PATH_FLAG},
     sb_verb_check},
    {"new",
     "KIND",
     "NAME",
     "write the project of a new allocator or workload, ready to build",
     "KIND is allocator or workload. The project stands outside of scullbench, builds, "
     "passes `check`, and has a config that\ncompares it.\n",
     {{"--dir", "DIR", "folder to write into (default: NAME)"}, {"--lang", "c|c++", "its language (default: c)"}},
     sb_verb_new},
    {"dump",
     "PLUGIN",
     NULL,
     "print what an allocator's /proc files would show",
     "Opens the allocator, creates the caches asked for (named cache-SIZE or "
     "cache-SIZE-hwcache), runs a workload\n"
     "until it holds most if one is named, and prints buddyinfo, zoneinfo, slabinfo, "
     "vmallocinfo and the like in the\nkernel's own line format.\n",
     {{"--option", "NAME=VALUE", "an option of the plugin; may be given several times"},
      {"--cache", "SIZE[,align=N][,hwcache]", "create a cache; may be given several times"},
      {"--workload", "NAME", "run this workload with its defaults first; its files are printed too"},
      {"--file", "NAME", "print this file alone, as it is"},
      {"--memory", "SIZE", "the machine's memory (default: 64MiB)"},
      PATH_FLAG},
     sb_verb_dump},
    {"topology",
     NULL,
     NULL,
     "show the machine's CPUs and memory as hwloc sees them",
     NULL,
     {{"--cpus", "LOCATION", "show the CPUs that n threads would get of this hwloc location"},
      {"--placement", "HOW", "compact, scatter, one-per-core or list (default: compact)"}},
     sb_verb_topology},
};
const size_t sb_verb_count = SB_COUNT(sb_verbs);

/* Verbs in the order in which a user meets them. */
static void print_help(FILE *out)
{
    fprintf(out, "usage: scullbench VERB ...\n\nMeasures memory allocators, the Linux kernel's above all, "
                 "with the same workloads on pinned CPUs.\n\n");
    for (size_t i = 0; i < sb_verb_count; i++)
        fprintf(out, "  %-9s %-9s %s\n", sb_verbs[i].name,
                !sb_verbs[i].second                  ? sb_verbs[i].operand ? sb_verbs[i].operand : ""
                : !strcmp(sb_verbs[i].second, "...") ? "DB..."
                : *sb_verbs[i].operand == 'D'        ? "DB [DB2]"
                                                     : "KIND NAME",
                sb_verbs[i].summary);
    fprintf(out, "\n`scullbench VERB --help` tells more; `scullbench --version` the version.\n");
}

/* From the table that parses: help and behaviour can't drift apart. */
static void print_verb_help(const struct sb_verb *verb)
{
    bool flags = verb->flags[0].name;
    printf("usage: scullbench %s%s%s%s%s%s%s\n\n%s\n", verb->name, verb->operand ? " " : "",
           verb->operand ? verb->operand : "", verb->second ? " [" : "", verb->second ? verb->second : "",
           verb->second ? "]" : "", flags ? " [OPTION]..." : "", verb->summary);
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
