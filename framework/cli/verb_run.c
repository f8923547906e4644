/*
 * The verbs run, aa and plan: from a config to a database, or to what would become one. What a plan says of a
 * run is what the run then does, for both go by the same sb_session and the same plan.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/units.h"
#include "cli/cli.h"
#include "report/compare_print.h"
#include "report/report.h"
#include "run/facts.h"
#include "run/process.h"
#include "run/prove.h"
#include "run/run.h"
#include "stats/stats.h"
#include "trial/simulate.h"

#include <errno.h>
#include <string.h>

/* results/NAME-UTCTIME.db; what a file name shouldn't hold becomes '-'. */
static char *default_path(const struct sb_experiment *e, const char *kind)
{
    char when[32];
    sb_utc(when, sizeof(when), 1);
    char *path = sb_printf("results/%.100s-%s%s.db", e->values[SB_EXPERIMENT_NAME].s, kind, when);
    for (char *p = path + strlen("results/"); *p; p++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p))
            *p = '-';
    }
    return path;
}

/* The folder is made if need be; the file never replaces another. */
static int create_store(struct sb_store **store, const char *given, const struct sb_experiment *e, const char *kind,
                        char **path, char **why)
{
    int status = 0;
    *path = given ? sb_strdup(given) : default_path(e, kind);
    char *slash = strrchr(*path, '/');
    if (slash && slash != *path) {
        *slash = '\0';
        status = sb_make_dirs(*path);
        if (status)
            *why = sb_printf("the folder %s can't be made: %s", *path, strerror(-status));
        *slash = '/';
    }
    if (!status)
        status = sb_store_create(store, *path, why);
    /* Two runs may start in one second; neither may write into the other's file. */
    for (int i = 2; status == -EEXIST && !given && i < 100; i++) {
        free(*why);
        *why = NULL;
        free(*path);
        char *base = default_path(e, kind);
        *path = sb_printf("%.*s-%d.db", (int)strlen(base) - 3, base, i);
        free(base);
        status = sb_store_create(store, *path, why);
    }
    return status;
}

/* What to do next, ready to paste, also and above all after Ctrl-C. */
static void print_end(const struct sb_run_outcome *outcome, const struct sb_plan *plan, const char *path)
{
    printf("\n%zu of %zu trials are in %s", outcome->done, outcome->planned, path);
    bool left_open = !outcome->interrupted && outcome->open_cells;
    if (plan->precision > 0 && left_open)
        printf("; %zu cell%s used up %u repetitions without coming within ±%g %%", outcome->open_cells,
               outcome->open_cells == 1 ? "" : "s", plan->most_repetitions, 100 * plan->precision);
    if (plan->decide > 0 && left_open)
        printf("; %zu comparison%s with %s could not be decided within %u repetitions", outcome->open_cells,
               outcome->open_cells == 1 ? "" : "s", plan->baseline->name, plan->most_repetitions);
    if (outcome->failed)
        printf("; %zu of them failed, each with its reason", outcome->failed);
    size_t again = outcome->disturbed - outcome->lost;
    if (again)
        printf("; %zu trial%s disturbed and made again", again, again == 1 ? " was" : "s were");
    if (outcome->lost)
        printf("; %zu repetition%s no number: disturbed to the last retry", outcome->lost,
               outcome->lost == 1 ? " has" : "s have");
    /* A report of reasons alone there is none. */
    if (!outcome->done)
        printf("\n%sthe reasons: scullbench show %s\n",
               outcome->interrupted ? "interrupted before the first was finished. " : "", path);
    else
        printf("\n%scharts: scullbench report %s\n",
               outcome->interrupted ? "interrupted; what is finished is kept. " : "", path);
}

/* Whether anything about the machine speaks against measuring on it now; all of it is said. */
static bool refuse(const struct sb_plan *plan)
{
    struct sb_facts facts = sb_run_facts(plan);
    size_t n = 0;
    for (size_t i = 0; i < facts.n; i++) {
        if (facts.at[i].warning) {
            sb_error("%s", facts.at[i].warning);
            n++;
        }
    }
    if (n)
        sb_error("--strict: nothing is measured while the machine has %zu warning%s", n, n == 1 ? "" : "s");
    sb_facts_free(&facts);
    return n;
}

/* The table of an A/A run. */
static int print_twins(const char *db, char **why)
{
    struct sb_compare aa;
    int status = sb_compare_twins(&aa, db, why);
    if (!status)
        sb_compare_print(&aa, stdout);
    sb_compare_free(&aa);
    return status;
}

/* Machine faults are 1, mistakes 2, failed trials 3: scripts can tell them apart. `aa`: everything twice. */
static int run(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values, bool aa)
{
    struct sb_session s;
    struct sb_store *store = NULL;
    struct sb_run_outcome outcome = {0};
    char *path = NULL, *why = NULL;
    int code = sb_session_open(&s, verb, operands->at[0], values, aa);
    if (code)
        goto out;
    s.plan.dump = sb_flag_value(verb, values, "--dump");
    code = SB_EXIT_FAILURE;
    if (!sb_topology_is_real(s.topology)) {
        sb_error("the topology is not this machine's (HWLOC_SYNTHETIC or HWLOC_XMLFILE is set): "
                 "threads can't be pinned, so nothing is measured; plan works");
        code = SB_EXIT_USAGE;
        goto out;
    }
    if (sb_flag_value(verb, values, "--strict") && refuse(&s.plan))
        goto out;
    /* Before the database is made: a run that nothing can come of leaves no file. */
    bool checked = !sb_flag_value(verb, values, "--no-check");
    size_t invalid = 0;
    sb_catch_stop();
    if (checked && sb_run_prove(&s.plan, &sb_stop, &invalid, &why)) {
        code = sb_stop ? SB_EXIT_INTERRUPTED : SB_EXIT_FAILURE;
        goto out;
    }
    int status = create_store(&store, sb_flag_value(verb, values, "--db"), &s.experiment, aa ? "aa-" : "", &path, &why);
    if (status == -EEXIST)
        code = SB_EXIT_USAGE;
    if (!status)
        status = sb_run_begin(store, &s.plan, s.overrides, &why);
    if (!status && !checked)
        status = sb_store_add_warning(store, sb_warning_unchecked, &why);
    if (!status)
        status = sb_run(store, &s.plan, &outcome, &why);
    if (status)
        goto out;
    status = sb_store_set_meta(store, "ended", outcome.interrupted ? "interrupted" : "complete", &why);
    sb_store_close(store);
    store = NULL;
    if (!status)
        status = aa ? print_twins(path, &why) : sb_report_table(path, stdout, &why);
    if (status)
        goto out;
    print_end(&outcome, &s.plan, path);
    code = outcome.interrupted                         ? SB_EXIT_INTERRUPTED
           : outcome.failed || outcome.lost || invalid ? SB_EXIT_TRIALS_FAILED
                                                       : SB_EXIT_OK;
out:
    if (why)
        sb_error("%s", why);
    free(why);
    free(path);
    sb_store_close(store);
    sb_session_close(&s);
    return code;
}

int sb_verb_run(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    return run(verb, operands, values, false);
}

int sb_verb_aa(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    return run(verb, operands, values, true);
}

/* A trial's text is all that decides it: sent to scullbench-trial, it runs under a debugger or perf. */
static int print_trial(const struct sb_plan *plan, const char *number)
{
    static const struct sb_option option = {"--trial", SB_OPTION_INT, 0, "1", 1, UINT32_MAX, NULL, ""};
    union sb_value value;
    char *why = NULL;
    if (sb_option_parse(&option, number, &value, &why) || value.u > plan->trials.n) {
        if (why)
            sb_error("--trial: %s", why);
        else
            sb_error("--trial: there is no trial %s; the plan has %zu", number, plan->trials.n);
        free(why);
        return SB_EXIT_USAGE;
    }
    char *text = sb_plan_trial_text(plan, &plan->trials.at[value.u - 1], NULL);
    fputs(text, stdout);
    free(text);
    return SB_EXIT_OK;
}

/* Returns the number of trials under valgrind. */
static size_t print_provider(const struct sb_plan *plan)
{
    size_t simulated = 0;
    char *valgrind = sb_simulator();
    for (size_t i = 0; i < plan->trials.n; i++)
        simulated += plan->trials.at[i].simulated;
    printf("\nsimulated under valgrind: %zu trial%s, one for each cell of one thread%s%s\n", simulated,
           simulated == 1 ? "" : "s", plan->provider == SB_PROVIDER_AUTO ? " that is short enough" : "",
           simulated && !valgrind ? "; but valgrind is not installed (Debian's package is called valgrind)" : "");
    free(valgrind);
    return simulated;
}

static void print_until(const struct sb_plan *plan, size_t fewest)
{
    printf(" to %u, until ", plan->most_repetitions);
    if (plan->decide > 0)
        printf("it is decided who is faster than %s or within ±%g %%,", plan->baseline->name, 100 * plan->decide);
    else
        printf("±%g %%", 100 * plan->precision);
    printf(" at %g %% confidence: %zu to %zu trials", 100 * plan->confidence, fewest, plan->trials.n);
}

/* Others' tasks a CPU; 0 where they are few, or on a machine that isn't this one. */
static double load_beside(const struct sb_plan *plan)
{
    double load = 0;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (!sb_topology_is_real(plan->topology) || getloadavg(&load, 1) != 1 || cpus < 1)
        return 0;
    return load > 0.5 * (double)cpus ? load / (double)cpus : 0;
}

static void print_kinds(const struct sb_plan *plan)
{
    size_t n;
    char *mixed = sb_run_mixed_kinds(plan, &n);
    if (n)
        printf("%zu cell%s threads on cores of several kinds (%s); `cpus = kind:0` keeps to one\n", n,
               n == 1 ? " has" : "s have", mixed);
    free(mixed);
}

/* `compare` would say it when all is measured: of so many comparisons with a baseline none can be separated.
 */
static void print_power(const struct sb_plan *plan)
{
    size_t comparisons = 0;
    bool *seen = sb_calloc(plan->cells.n, sizeof(*seen));
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        if (cell->skip)
            continue;
        /* Each pair is one, but for the baseline beside itself; of cells that stand alone one is the
         * baseline. */
        comparisons += plan->paired ? cell->allocator != plan->baseline : seen[cell->group];
        seen[cell->group] = true;
    }
    free(seen);
    size_t needed = sb_processes_needed(plan->decide > 0, plan->paired, comparisons, plan->confidence);
    if (comparisons && plan->most_repetitions < needed)
        printf("with %u repetition%s nothing can be separated: %zu comparisons with a baseline need %zu\n",
               plan->most_repetitions, plan->most_repetitions == 1 ? "" : "s", comparisons, needed);
}

/* Skipped cells and missing events stand at the end, where they are seen. Returns how many allocators can't
 * be opened. */
static size_t print_plan(const struct sb_plan *plan)
{
    size_t skipped = 0, simulated = 0, closed;
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        struct sb_text cpus = {0};
        if (cell->skip) {
            skipped++;
            continue;
        }
        for (size_t c = 0; c < cell->cpus.n; c++)
            sb_text_printf(&cpus, "%sP#%u", c ? "," : "", cell->cpus.at[c].os);
        printf("%4u  %s  (through %s, CPUs %s)\n", cell->id, cell->label, cell->route, sb_text_get(&cpus));
        sb_text_free(&cpus);
    }
    if (skipped)
        printf("\nskipped:\n");
    for (size_t i = 0; i < plan->cells.n; i++) {
        if (plan->cells.at[i].skip)
            printf("%4u  %s: %s\n", plan->cells.at[i].id, plan->cells.at[i].label, plan->cells.at[i].skip);
    }
    closed = sb_run_openings(plan, &sb_stop, stdout);
    bool heading = false;
    for (size_t i = 0; i < plan->pmu.n; i++) {
        if (!plan->pmu.at[i].reason)
            continue;
        printf("%s  %s: %s\n", heading ? "" : "\nnot counted:\n", plan->pmu.at[i].name, plan->pmu.at[i].reason);
        heading = true;
    }
    if (plan->provider == SB_PROVIDER_AUTO || plan->provider == SB_PROVIDER_CACHEGRIND)
        simulated = print_provider(plan);
    /* Setting up and tearing down a process takes a twentieth of a second or so, more with much memory. */
    size_t measured = plan->cells.n - skipped, fewest = measured * plan->least_repetitions;
    double load = load_beside(plan), least = (double)plan->least_ns / 1e9,
           likely = least + 0.06 * (1 + load) * (double)fewest;
    printf("\n%zu cells, %zu skipped, repetitions %u", plan->cells.n, skipped, plan->least_repetitions);
    if (plan->most_repetitions > plan->least_repetitions)
        print_until(plan, fewest);
    else
        printf(": %zu trials", plan->trials.n);
    printf("; at least %.0f s, likely %s %.0f s%s\n", least,
           plan->most_repetitions > plan->least_repetitions ? "more than" : "about", likely,
           simulated ? ", and valgrind's, seconds to a minute each" : "");
    if (load > 0)
        printf("the estimate takes the load average of %.1f per CPU into account; "
               "look with `top`, and wait before you measure\n",
               load);
    print_power(plan);
    print_kinds(plan);
    return closed;
}

int sb_verb_plan(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    struct sb_session s;
    char *why = NULL;
    int code = sb_session_open(&s, verb, operands->at[0], values, false);
    if (code)
        goto out;
    /* A missing part of the installation is a failure of run: plan finds it, too. */
    char *program = sb_trial_program(&why);
    if (!program) {
        sb_error("%s", why);
        free(why);
        code = SB_EXIT_FAILURE;
        goto out;
    }
    free(program);
    const char *trial = sb_flag_value(verb, values, "--trial");
    sb_catch_stop();
    if (trial)
        code = print_trial(&s.plan, trial);
    else if (print_plan(&s.plan))
        code = SB_EXIT_TRIALS_FAILED;
    code = sb_stop ? SB_EXIT_INTERRUPTED : code;
out:
    sb_session_close(&s);
    return code;
}
