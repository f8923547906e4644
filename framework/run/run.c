/* The run: trials in the plan's order, a deadline for each, progress, and an orderly end on Ctrl-C. */
#define _GNU_SOURCE
#include "run/run.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/units.h"
#include "run/facts.h"
#include "run/process.h"
#include "run/stopping.h"
#include "run/watch.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Both numbers: readers of a paper need L#, those at the machine P#. */
static char *cpu_list(const struct sb_cell *cell)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < cell->cpus.n; i++)
        sb_text_printf(&text, "%sL#%u P#%u", i ? ", " : "", cell->cpus.at[i].logical, cell->cpus.at[i].os);
    return text.at;
}

/* Which kind of memory a series used decides what its footprint means; every report shows it. */
static const char *memory_kind(const struct sb_allocator *a)
{
    if (a->flags & SB_ALLOCATOR_ALIASES)
        return SB_MEMORY_ONE_BLOCK;
    return a->flags & SB_ALLOCATOR_OS_MEMORY ? SB_MEMORY_OS : SB_MEMORY_FILE;
}

/* Two sections of one plugin are one file, recorded once. */
static void add_plugin(struct sb_data *head, const struct sb_binding *b, const char *kind)
{
    const struct sb_plugin *p = b->plugin;
    for (size_t i = 0; i < head->plugins.n; i++) {
        if (!strcmp(head->plugins.at[i].path, p->path))
            return;
    }
    *SB_VEC_ADD(&head->plugins) =
        (struct sb_plugin_row){sb_strdup(kind), sb_strdup(p->name), sb_strdup(p->path), sb_strdup(p->build_id),
                               sb_printf("%u.%u", p->abi_major, p->abi_minor)};
}

/* As the plan has it; trials refer to it by number. */
static void add_cell(struct sb_data *head, const struct sb_plan *plan, const struct sb_cell *cell)
{
    struct sb_cell_row *row = SB_VEC_ADD(&head->cells);
    row->id = cell->id;
    row->label = sb_strdup(cell->label);
    row->allocator = sb_strdup(cell->allocator->name);
    row->workload = sb_strdup(cell->workload->name);
    row->threads = cell->threads;
    row->route = sb_strdup(cell->route);
    row->memory = sb_strdup(memory_kind(&cell->allocator->plugin->allocator));
    row->cpus = cpu_list(cell);
    row->skip = cell->skip ? sb_strdup(cell->skip) : NULL;
    row->settings = sb_plan_cell_text(plan, cell);
    for (size_t i = 0; i < cell->swept.n; i++)
        sb_pairs_add(&row->swept, cell->swept.at[i].name, cell->swept.at[i].value);
}

/* As text like everything in meta: one kind of column for anyone's SQL. */
static void add_number(struct sb_data *head, const char *name, double value)
{
    char *text = sb_printf("%.10g", value);
    sb_pairs_add(&head->meta, name, text);
    free(text);
}

/* What a plugin says of itself, under the name that the matrix gives it: a report is read where the plugin
 * isn't. */
static void add_words(struct sb_data *head, const struct sb_binding *b, const char *kind)
{
    const struct sb_plugin *p = b->plugin;
    const char *const words[][2] = {{"plugin", p->name},
                                    {"summary", p->summary},
                                    {"models", p->models},
                                    {"operation", p->kind == SB_PLUGIN_WORKLOAD ? p->workload.operation : NULL}};
    for (size_t i = 0; i < SB_COUNT(words); i++) {
        char *name = sb_printf("%s.%s.%s", kind, b->name, words[i][0]);
        if (words[i][1] && *words[i][1])
            sb_pairs_add(&head->meta, name, words[i][1]);
        free(name);
    }
}

static void add_meta(struct sb_data *head, const struct sb_plan *plan, const char *overrides)
{
    const struct sb_experiment *e = plan->experiment;
    struct sb_text swept = {0}, events = {0}, environment = {0};
    char created[32];
    char *xml = sb_topology_xml(plan->topology), *summary = sb_topology_summary(plan->topology);
    for (size_t i = 0; i < plan->swept.n; i++)
        sb_text_printf(&swept, "%s%s", i ? "\n" : "", plan->swept.at[i]);
    /* When it began; each trial has a time of its own. */
    sb_utc(created, sizeof(created), 0);
    sb_pairs_add(&head->meta, "name", e->values[SB_EXPERIMENT_NAME].s);
    sb_pairs_add(&head->meta, "created", created);
    sb_pairs_add(&head->meta, "scullbench", SB_VERSION);
    sb_pairs_add(&head->meta, "kind", plan->twins.n ? "aa" : "run");
    sb_pairs_add(&head->meta, "config_file", e->path);
    /* As it was written, comments too: what repeats the run is in the file with the results. */
    sb_pairs_add(&head->meta, "config", e->text);
    sb_pairs_add(&head->meta, "overrides", overrides);
    for (size_t i = 0; i < e->ini.variables.n; i++)
        sb_text_printf(&environment, "%s%s", i ? "\n" : "", e->ini.variables.at[i]);
    sb_pairs_add(&head->meta, "environment", sb_text_get(&environment));
    sb_text_free(&environment);
    sb_pairs_add(&head->meta, "swept", sb_text_get(&swept));
    add_number(head, "trials_planned", (double)plan->trials.n);
    add_number(head, "least_repetitions", plan->least_repetitions);
    add_number(head, "most_repetitions", plan->most_repetitions);
    add_number(head, "precision", plan->precision);
    add_number(head, "decide", plan->decide);
    if (plan->baseline)
        sb_pairs_add(&head->meta, "baseline", plan->baseline->name);
    sb_pairs_add(&head->meta, "mode", plan->paired ? "paired" : "alone");
    if (plan->paired)
        add_number(head, "least_difference", sb_share(e->values[SB_EXPERIMENT_LEAST_DIFFERENCE]));
    add_number(head, "confidence", plan->confidence);
    add_number(head, "retries", (double)e->values[SB_EXPERIMENT_RETRIES].u);
    sb_pairs_add(&head->meta, "order",
                 sb_tables[SB_TABLE_EXPERIMENT].options[SB_EXPERIMENT_ORDER].choices[e->values[SB_EXPERIMENT_ORDER].u]);
    sb_pairs_add(
        &head->meta, "layout",
        sb_tables[SB_TABLE_EXPERIMENT].options[SB_EXPERIMENT_LAYOUT].choices[e->values[SB_EXPERIMENT_LAYOUT].u]);
    for (size_t i = 0; i < plan->pmu.n; i++)
        sb_text_printf(&events, "%s%s", i ? "\n" : "", plan->pmu.at[i].name);
    sb_pairs_add(&head->meta, "events", sb_text_get(&events));
    sb_text_free(&events);
    sb_pairs_add(&head->meta, "provider", sb_tables[SB_TABLE_PMU].options[SB_PMU_PROVIDER].choices[plan->provider]);
    /* hwloc's own export, which lstopo draws and HWLOC_XMLFILE plans on. */
    sb_pairs_add(&head->meta, "topology", xml);
    sb_pairs_add(&head->meta, "topology_summary", summary);
    sb_pairs_add(&head->meta, "topology_real", sb_topology_is_real(plan->topology) ? "yes" : "no");
    sb_text_free(&swept);
    free(xml);
    free(summary);
}

/* Cells that are skipped are stored as well, with the reason: a report must show what isn't there. */
int sb_run_begin(struct sb_store *store, const struct sb_plan *plan, const char *overrides, char **why)
{
    struct sb_data head = {0};
    struct sb_facts facts = sb_run_facts(plan);
    add_meta(&head, plan, overrides);
    for (size_t i = 0; i < facts.n; i++) {
        const struct sb_fact *f = &facts.at[i];
        *SB_VEC_ADD(&head.facts) = (struct sb_fact_row){sb_strdup(f->name), f->value ? sb_strdup(f->value) : NULL,
                                                        f->warning ? sb_strdup(f->warning) : NULL};
        if (f->warning)
            sb_warn("%s", f->warning);
    }
    for (size_t i = 0; i < plan->allocators.n; i++) {
        add_plugin(&head, &plan->allocators.at[i], "allocator");
        add_words(&head, &plan->allocators.at[i], "allocator");
    }
    for (size_t i = 0; i < plan->workloads.n; i++) {
        add_plugin(&head, &plan->workloads.at[i], "workload");
        add_words(&head, &plan->workloads.at[i], "workload");
    }
    for (size_t i = 0; i < plan->cells.n; i++)
        add_cell(&head, plan, &plan->cells.at[i]);
    int status = sb_store_begin(store, &head, why);
    sb_data_free(&head);
    sb_facts_free(&facts);
    return status;
}

/* Trials of one kind: under valgrind they take a hundred times as long, and come last. */
struct kind {
    uint64_t spent_ns;
    size_t done, left; /* left: at most */
};

struct progress {
    bool terminal;
    uint64_t last_ns;
    struct kind of[2]; /* measured, simulated */
    bool may_end;      /* before all are done, for cells may be precise enough */
};

/*
 * On a terminal one line that is overwritten; elsewhere a line every five seconds, and one for every
 * failure.
 */
static void show_failure(const struct progress *p, const struct sb_cell *cell, const struct sb_result *last)
{
    struct sb_text text = {0};
    sb_text_add_visible(&text, cell->label);
    sb_text_printf(&text, ": %s: ", sb_status_name(last->status));
    sb_text_add_visible(&text, last->reason ? last->reason : "");
    fprintf(stderr, "%s%s\n", p->terminal ? "\r\033[K" : "", sb_text_get(&text));
    sb_text_free(&text);
}

/* By each kind's mean so far: trials are shuffled, so that it soon holds for the rest of them. */
static char *time_left(const struct progress *p)
{
    double ns = 0;
    bool known = true;
    for (size_t k = 0; k < SB_COUNT(p->of); k++) {
        const struct kind *kind = &p->of[k];
        known &= kind->done || !kind->left;
        ns += kind->done ? (double)kind->spent_ns / (double)kind->done * (double)kind->left : 0;
    }
    if (!p->of[0].done && !p->of[1].done)
        return sb_strdup("time left not known yet");
    int left = (int)(ns / 1e9 + 0.5);
    return sb_printf("%s%d:%02d left", !known ? "more than " : p->may_end ? "at most " : "", left / 60, left % 60);
}

static void show(struct progress *p, const struct sb_cell *cell, const struct sb_result *last)
{
    uint64_t now = sb_now_ns();
    size_t done = p->of[0].done + p->of[1].done, all = done + p->of[0].left + p->of[1].left;
    bool bad = last && last->status != SB_STATUS_OK;
    if (bad)
        show_failure(p, cell, last);
    /* In a log nobody needs a line for each trial. */
    if (!p->terminal && done < all && now - p->last_ns < UINT64_C(5000000000))
        return;
    p->last_ns = now;
    char *eta = time_left(p);
    fprintf(stderr, "%s[%zu/%s%zu] %3zu %%, %s, %s%s", p->terminal ? "\r\033[K" : "", done,
            p->may_end ? "at most " : "", all, done < all ? 100 * done / all : 100, eta, cell->label,
            p->terminal ? "" : "\n");
    free(eta);
    fflush(stderr);
}

/* The parts of a run; lives as long as sb_run. */
struct run {
    struct sb_store *store;
    const struct sb_plan *plan;
    struct sb_run_outcome *outcome;
    struct progress progress;
    struct sb_stopping *stopping;
    struct sb_run_watch watch;
    struct sb_processes processes;
    struct sb_trial_row waiting; /* measured and not stored yet; number 0: none */
    size_t extra;                /* retries so far */
};

/* The most trials that are left: those that cells known to be precise enough won't need don't count. */
static void count_left(struct run *run, size_t from)
{
    struct progress *p = &run->progress;
    size_t left[2];
    sb_stopping_count_left(run->stopping, from, left);
    p->of[0].left = left[0];
    p->of[1].left = left[1];
}

static void free_row(struct sb_trial_row *row)
{
    sb_result_free(&row->result);
    free(row->started);
    free(row->last_words);
    *row = (struct sb_trial_row){0};
}

static int store_waiting(struct run *run, char **why)
{
    struct sb_trial_row *row = &run->waiting;
    int status = row->number ? sb_store_add_trial(run->store, row, why) : 0;
    free_row(row);
    return status;
}

/* While it sets up, the one before it is stored, unless that would take its CPUs. */
static int start_trial(struct run *run, const struct sb_trial *trial, struct sb_process **process, char **why)
{
    int status = 0;
    *process = NULL;
    if (!sb_process_leaves_room(&run->processes, trial))
        status = store_waiting(run, why);
    if (!status)
        status = sb_process_start(&run->processes, trial, process, why);
    if (!status && store_waiting(run, why)) {
        sb_process_kill(*process);
        status = -EIO;
    }
    return status;
}

/* Its result is stored while the next one sets up. */
static int run_trial(struct run *run, const struct sb_trial *trial, int64_t number, int64_t retry, char **why)
{
    struct sb_process *process;
    int status = start_trial(run, trial, &process, why);
    if (status)
        return status;
    sb_process_finish(process, &run->waiting, &run->outcome->interrupted);
    run->waiting.number = number;
    run->waiting.retry = retry;
    if (run->outcome->interrupted)
        free_row(&run->waiting);
    return 0;
}

/* Once, and again at once while it is disturbed: what is compared with it runs beside it. */
static int run_repetition(struct run *run, const struct sb_trial *trial, char **why)
{
    const struct sb_plan *plan = run->plan;
    const struct sb_cell *cell = &plan->cells.at[trial->cell];
    const struct sb_result *result = &run->waiting.result;
    int64_t retries = (int64_t)plan->experiment->values[SB_EXPERIMENT_RETRIES].u, number = trial->number;
    for (int64_t retry = 0;; retry++) {
        int status = run_trial(run, trial, number, retry, why);
        bool again = !status && !run->outcome->interrupted && result->status == SB_STATUS_DISTURBED;
        run->outcome->disturbed += again;
        run->outcome->lost += again && retry == retries;
        if (!again || retry == retries)
            return status;
        if (!trial->simulated)
            sb_run_watch_take(&run->watch, (uint32_t)number, result);
        show_failure(&run->progress, cell, result);
        /* Retries follow all that is planned. */
        number = (int64_t)(plan->trials.n + ++run->extra);
    }
}

/* One trial of the plan, if what is known by now asks for it. */
static int run_planned(struct run *run, size_t i, char **why)
{
    const struct sb_trial *trial = &run->plan->trials.at[i];
    const struct sb_cell *cell = &run->plan->cells.at[trial->cell];
    const struct sb_result *result = &run->waiting.result;
    struct progress *p = &run->progress;
    /* The plan has all repetitions there could be; which are needed is seen on the way. */
    if (!sb_stopping_wants(run->stopping, trial))
        return 0;
    /* Counted anew each time: cells become precise, and failing ones are given up. */
    count_left(run, i);
    if (p->terminal || !i)
        show(p, cell, NULL);
    uint64_t start = sb_now_ns();
    int status = run_repetition(run, trial, why);
    if (!status && !run->outcome->interrupted) {
        struct kind *kind = &p->of[trial->simulated];
        kind->done++;
        kind->left--;
        kind->spent_ns += sb_now_ns() - start;
        run->outcome->done++;
        run->outcome->failed += result->status != SB_STATUS_OK && result->status != SB_STATUS_DISTURBED;
        /* Trials under valgrind have no times to learn from. */
        if (!trial->simulated) {
            sb_stopping_learn(run->stopping, trial, result);
            sb_run_watch_take(&run->watch, trial->number, result);
        }
        show(p, cell, result);
    }
    return status;
}

/* A failed trial is a result. Only what keeps us from storing results ends the run. */
int sb_run(struct sb_store *store, const struct sb_plan *plan, struct sb_run_outcome *outcome, char **why)
{
    struct run run = {
        .store = store,
        .plan = plan,
        .outcome = outcome,
        .progress = {.terminal = isatty(STDERR_FILENO), .may_end = plan->most_repetitions > plan->least_repetitions},
        .stopping = sb_stopping_begin(plan)};
    struct progress *p = &run.progress;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    char *ignored = NULL;
    int status = sb_processes_begin(&run.processes, plan, why);
    *outcome = (struct sb_run_outcome){0};
    sb_catch_stop();
    /* A child that dies while we write to it must not take us along. */
    sigaction(SIGPIPE, &ignore, &before);
    for (size_t i = 0; i < plan->trials.n && !status && !outcome->interrupted; i++)
        status = run_planned(&run, i, why);
    if (p->terminal)
        fprintf(stderr, "\n");
    if (store_waiting(&run, status ? &ignored : why) && !status)
        status = -EIO;
    free(ignored);
    if (!status)
        status = sb_run_watch_conclude(&run.watch, store, why);
    outcome->open_cells = sb_stopping_open_cells(run.stopping);
    /* Trials that weren't needed were never planned, to the reader of the last line. */
    outcome->planned = outcome->done + (outcome->interrupted ? p->of[0].left + p->of[1].left : 0);
    sigaction(SIGPIPE, &before, NULL);
    sb_stopping_free(run.stopping);
    sb_processes_end(&run.processes);
    return status;
}
