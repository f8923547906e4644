/*
 * A trial's process, from its memory to the meaning of its end. Between two of them the keeper has the CPUs,
 * and a block's memory file stays with its pages.
 */
#define _GNU_SOURCE
#include "run/process.h"

#include "base/affinity.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/stop.h"
#include "metric/metric.h"
#include "trial/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Beside this program, wherever that is: never one found on PATH that may be of another version. */
char *sb_trial_program(char **why)
{
    char *folder = sb_program_dir();
    char *path = sb_printf("%s/scullbench-trial", folder ? folder : ".");
    free(folder);
    if (!access(path, X_OK))
        return path;
    *why = sb_printf("%s, which runs the trials, is missing: build or install all of scullbench", path);
    free(path);
    return NULL;
}

/* Where we may run without taking a CPU of the cell's. */
static struct sb_affinity *cpus_beside(const struct sb_processes *p, const struct sb_cell *cell)
{
    struct sb_affinity *set = sb_affinity_copy(p->allowed);
    for (size_t i = 0; i < cell->cpus.n; i++)
        sb_affinity_remove(set, cell->cpus.at[i].os);
    return set;
}

bool sb_process_leaves_room(const struct sb_processes *p, const struct sb_trial *trial)
{
    struct sb_affinity *set = cpus_beside(p, &p->plan->cells.at[trial->cell]);
    bool room = sb_affinity_has_cpus(set);
    sb_affinity_free(set);
    return room;
}

/* A trial that is listened to, with what keeps its CPUs busy while they are not measured. */
struct listener {
    struct sb_result *result;
    struct sb_keeper *keeper;   /* NULL: nothing does */
    const struct sb_cpus *cpus; /* the trial's */
    double before, kept;        /* the keeper's CPU seconds: at the trial's start, and until its threads work */
    bool rests;
};

/* The result remembers what is wrong with a line. */
static void take_line(void *context, const char *line, size_t length)
{
    struct listener *l = context;
    unsigned entered = l->result->entered;
    sb_result_take(l->result, line, length);
    if (!l->keeper || l->rests || entered == l->result->entered)
        return;
    /* Its own threads work now; beside them one that spins makes every wait for a lock a switch of tasks. */
    if (!strcmp(l->result->phase, "survey") || !strcmp(l->result->phase, "warm-up")) {
        sb_keeper_rest(l->keeper);
        l->kept = sb_keeper_seconds(l->keeper) - l->before;
        l->rests = true;
    }
}

/* Stored with the trial. Under valgrind nothing is timed, and nothing need be kept. */
static struct listener start_listening(struct sb_keeper *keeper, const struct sb_cell *cell,
                                       const struct sb_trial *trial, struct sb_result *result)
{
    struct listener l = {result, cell->keep_busy && !trial->simulated ? keeper : NULL, &cell->cpus, 0, 0, false};
    if (l.keeper) {
        l.before = sb_keeper_seconds(l.keeper);
        sb_keeper_keep(l.keeper, l.cpus);
    } else {
        sb_keeper_rest(keeper);
    }
    return l;
}

static void store_kept(const struct listener *l)
{
    if (l->keeper && l->result->status == SB_STATUS_OK)
        *SB_VEC_ADD(&l->result->metrics) = (struct sb_metric){
            sb_strdup(SB_NAME(KEPT_BUSY_NS)), sb_strdup(sb_metric_rows[SB_METRIC_KEPT_BUSY_NS].unit), l->kept * 1e9};
}

/* The reason is the result's from here on. */
static void set_status(struct sb_result *result, enum sb_status status, char *reason)
{
    result->status = status;
    free(result->reason);
    result->reason = reason;
}

/* The meaning of the process's end where it didn't say so itself, or says something else. */
static void judge_end(struct sb_result *result, const struct sb_child_end *end, uint64_t limit_ns)
{
    const char *phase = result->phase ? result->phase : "start";
    char *last = sb_last_line(end->last_words);
    if (end->flooded)
        set_status(result, SB_STATUS_CRASHED,
                   sb_printf("killed in phase %s, for its output has no end: "
                             "more than %d MiB, or a line of more than %d MiB",
                             phase, SB_CHILD_OUTPUT_MIB, SB_CHILD_LINE_MIB));
    else if (result->contradiction)
        set_status(result, SB_STATUS_CRASHED, sb_printf("its output contradicts itself: %s", result->contradiction));
    else if (end->timed_out)
        set_status(result, SB_STATUS_TIMEOUT,
                   sb_printf("killed after its time limit of %.1f s, in phase %s", (double)limit_ns / 1e9, phase));
    else if (WIFSIGNALED(end->wait_status))
        set_status(result, SB_STATUS_CRASHED,
                   sb_printf("ended by signal %d (%s) in phase %s%s%s", WTERMSIG(end->wait_status),
                             strsignal(WTERMSIG(end->wait_status)), phase, *last ? "; its last words: " : "", last));
    else if (result->status == SB_STATUS_NONE)
        set_status(result, SB_STATUS_CRASHED,
                   sb_printf("ended with exit status %d and without a result in phase %s%s%s",
                             WEXITSTATUS(end->wait_status), phase, *last ? "; its last words: " : "", last));
    /* exit() handlers of a plugin ran after it: who knows what else isn't as it says. */
    else if (result->status == SB_STATUS_OK && WEXITSTATUS(end->wait_status))
        set_status(result, SB_STATUS_CRASHED,
                   sb_printf("ended with exit status %d after its result", WEXITSTATUS(end->wait_status)));
    /* Who wrote them isn't known. */
    if (result->status == SB_STATUS_CRASHED)
        sb_result_forget(result);
    free(last);
}

/* Parts of one that was killed may live on and write; before the survey it may not have come to all of
 * its memory.
 */
static bool used_its_memory(const struct sb_child_end *end, const struct sb_result *result)
{
    return WIFEXITED(end->wait_status) && !end->timed_out && !end->stopped && !end->flooded && result->phase &&
           strcmp(result->phase, "setup") != 0;
}

/* A trial under way. */
struct sb_process {
    struct sb_processes *of;
    const struct sb_cell *cell;
    struct sb_memory_file *memory; /* NULL: it makes its own */
    char *text, **environment, *argv[3];
    struct sb_child child;
    struct sb_child_under_way *under_way;
    struct listener listener;
    uint64_t start;
    struct sb_trial_row row;
};

static void free_process(struct sb_process *p)
{
    sb_layout_free_environment(p->environment);
    free(p->text);
    free(p);
}

/* All that the trial is told; the clock's rate is the run's, so that none has to measure it anew. */
static void tell(struct sb_process *p, const struct sb_trial *trial)
{
    const struct sb_plan *plan = p->of->plan;
    struct sb_trial_given given = {.ns_per_tick = sb_clock_init(0)->ns_per_tick, .topology = p->of->topology};
    const struct sb_ini_section *allocator = sb_ini_section(&p->cell->settings, "allocator", p->cell->allocator->name);
    if (p->memory) {
        given.memory_file = SB_CHILD_FD;
        given.memory_present = p->memory->present;
    }
    p->text = sb_plan_trial_text(plan, trial, &given);
    p->environment = sb_layout_environment(p->argv[0], p->argv, allocator, trial->layout);
}

static void begin_row(struct sb_process *p, const struct sb_trial *trial)
{
    char started[32];
    sb_utc(started, sizeof(started), 0);
    p->row = (struct sb_trial_row){.cell = p->cell->id,
                                   .repetition = trial->repetition,
                                   .seed = trial->seed,
                                   .layout = trial->layout,
                                   .simulated = trial->simulated,
                                   .memory_file = p->memory ? p->memory->generation : 0,
                                   .started = sb_strdup(started)};
}

/* The trial inherits where we may run, so we step aside only once it has begun. */
static int spawn(struct sb_process *p)
{
    sb_affinity_apply(p->of->allowed);
    int before = sb_layout_fix(), status = sb_child_start(&p->child, &p->under_way);
    sb_layout_unfix(before);
    struct sb_affinity *elsewhere = cpus_beside(p->of, p->cell);
    if (sb_affinity_has_cpus(elsewhere))
        sb_affinity_apply(elsewhere);
    sb_affinity_free(elsewhere);
    return status;
}

int sb_process_start(struct sb_processes *of, const struct sb_trial *trial, struct sb_process **process, char **why)
{
    static char die[] = "--die-with-parent";
    struct sb_process *p = sb_calloc(1, sizeof(*p));
    p->of = of;
    p->cell = &of->plan->cells.at[trial->cell];
    p->argv[0] = of->program;
    p->argv[1] = die;
    p->memory = sb_memory_files_find(&of->memory, of->plan, trial);
    p->start = sb_now_ns();
    begin_row(p, trial);
    tell(p, trial);
    p->listener = start_listening(of->keeper, p->cell, trial, &p->row.result);
    p->child = (struct sb_child){.argv = p->argv,
                                 .environment = p->environment,
                                 .input = p->text,
                                 .fd = p->memory ? p->memory->fd : 0,
                                 .deadline_ns = p->start + p->cell->time_limit_ns,
                                 .stop = &sb_stop,
                                 .take = take_line,
                                 .context = &p->listener};
    int status = spawn(p);
    if (status) {
        *why = sb_printf("%s can't be started: %s", of->program, strerror(-status));
        sb_memory_files_return(&of->memory, p->memory, p->cell, false);
        free(p->row.started);
        free_process(p);
        p = NULL;
    }
    *process = p;
    return status;
}

void sb_process_finish(struct sb_process *p, struct sb_trial_row *row, bool *interrupted)
{
    struct sb_child_end end;
    struct sb_result *result = &p->row.result;
    sb_child_finish(p->under_way, &end);
    sb_memory_files_return(&p->of->memory, p->memory, p->cell, used_its_memory(&end, result));
    *interrupted = end.stopped;
    if (!end.stopped)
        judge_end(result, &end, p->cell->time_limit_ns);
    store_kept(&p->listener);
    p->row.last_words = end.last_words;
    p->row.wall_ns = (int64_t)(sb_now_ns() - p->start);
    *row = p->row;
    free_process(p);
}

void sb_process_kill(struct sb_process *p)
{
    sb_child_kill(p->under_way);
    sb_memory_files_return(&p->of->memory, p->memory, p->cell, false);
    sb_result_free(&p->row.result);
    free(p->row.started);
    free_process(p);
}

int sb_processes_begin(struct sb_processes *p, const struct sb_plan *plan, char **why)
{
    *p = (struct sb_processes){.plan = plan,
                               .program = sb_trial_program(why),
                               .keeper = sb_keeper_start(),
                               .allowed = sb_affinity_now(),
                               .topology_fd = memfd_create("scullbench-topology", MFD_CLOEXEC)};
    /* Without it a trial looks for itself. */
    if (p->topology_fd >= 0 && !sb_topology_write(plan->topology, p->topology_fd))
        p->topology = sb_printf("/proc/%ld/fd/%d", (long)getpid(), p->topology_fd);
    return p->program ? 0 : -ENOENT;
}

void sb_processes_end(struct sb_processes *p)
{
    sb_affinity_apply(p->allowed);
    sb_affinity_free(p->allowed);
    if (p->topology_fd >= 0)
        close(p->topology_fd);
    free(p->topology);
    sb_keeper_stop(p->keeper);
    sb_memory_files_free(&p->memory);
    free(p->program);
}
