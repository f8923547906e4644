/*
 * program: a real program with the allocator for its malloc, run from its start to its end.
 *
 * The command is the shell's. The allocator's library is preloaded into what the shell starts, not into the shell, and
 * that a process of the program has it mapped is looked at while it runs: where none has at most of these looks, or the
 * program fails, the trial has no number. Each run has an empty folder of its own, which it starts in. An operation is
 * a run.
 *
 * Time is the wall's from before the shell is started until it has ended. CPU time, faults and the largest process's
 * peak are the kernel's own sums over the shell and all that it and its children have waited for. Resident memory is
 * read from /proc for all processes of the program together, ten milliseconds apart, on another CPU where there is one:
 * their sum counts pages that several share several times. What is resident for less than that may be missed where
 * more than one process has it.
 *
 * The program runs on its thread's CPU, or, with cpus = all, wherever the machine lets it. What is left of it when the
 * shell has ended is killed.
 */
#define _GNU_SOURCE
#include "scullbench/workload.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum option { OPTION_COMMAND, OPTION_FILES, OPTION_CPUS, OPTIONS };
enum cpus { CPUS_OWN, CPUS_ALL };
static const char *const cpu_choices[] = {"own", "all", NULL};

static const struct sb_option options[OPTIONS] = {
    [OPTION_COMMAND] = {"command", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                        "what is run and measured, as the shell takes it, in an empty folder"},
    [OPTION_FILES] = {"files", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                      "a file or folder that the command finds in $FILES, as file:PATH from the config's folder"},
    [OPTION_CPUS] = {"cpus", SB_OPTION_ENUM, 0, "own", 0, 0, cpu_choices,
                     "where the program runs: on its thread's CPU, or on all that the machine lets it have"},
};

enum measure { RUN_TIME, RUN_CPU_TIME, RUN_RESIDENT_PEAK, RUN_RESIDENT_MEAN, RUN_PAGE_FAULTS, MEASURES };
static const struct sb_measure measures[MEASURES] = {
    [RUN_TIME] = {"run_time", "s"},
    [RUN_CPU_TIME] = {"run_cpu_time", "s"},
    [RUN_RESIDENT_PEAK] = {"run_resident_peak", "B"},
    [RUN_RESIDENT_MEAN] = {"run_resident_mean", "B"},
    [RUN_PAGE_FAULTS] = {"run_page_faults", "faults"},
};

enum { WORDS = 400, MOST_PROCESSES = 512 };

struct program {
    const struct sb_bench *bench;
    const char *command, *files;
    enum cpus cpus;
    char library[PATH_MAX]; /* to preload; "": none */
    struct runner **runners;
};

/* One thread's runs. */
struct runner {
    struct program *program;
    cpu_set_t own, watching; /* the program's CPU, and those from which it is looked at */
    unsigned runs;
    double sums[MEASURES];
};

/* A run while it goes on. */
struct run {
    struct runner *runner;
    char folder[PATH_MAX];
    int words; /* its standard error */
    pid_t pid;
    unsigned with, without; /* looks at which a process had the library, and others */
    double seconds, byte_seconds, resident, resident_at, peak;
};

/* ---- plan time and setup ---- */

static int program_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    const char *files = sb_file_of(values[OPTION_FILES].s);
    if (!*values[OPTION_COMMAND].s) {
        snprintf(why, why_size, "command: which program? As in command = sort big.txt");
        return -EINVAL;
    }
    if (*values[OPTION_FILES].s && !files) {
        snprintf(why, why_size, "files: '%s' is no file:PATH", values[OPTION_FILES].s);
        return -EINVAL;
    }
    if (files && access(files, R_OK)) {
        snprintf(why, why_size, "files: '%s' can't be read: %s", files, strerror(errno));
        return -EINVAL;
    }
    if (needs->threads > 1 && values[OPTION_CPUS].u == CPUS_ALL) {
        snprintf(why, why_size, "cpus: several programs can't have all CPUs each: threads = 1");
        return -EINVAL;
    }
    needs->want = SB_WANT_PRELOAD;
    return 0;
}

static int program_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct program *p = calloc(1, sizeof(*p));
    int status = p ? 0 : -ENOMEM;
    if (p) {
        p->bench = bench;
        p->command = values[OPTION_COMMAND].s;
        const char *files = sb_file_of(values[OPTION_FILES].s);
        p->files = files ? files : "";
        p->cpus = (enum cpus)values[OPTION_CPUS].u;
        p->runners = calloc(bench->threads, sizeof(*p->runners));
        status = p->runners ? bench->allocator->preload(bench->self, p->library, sizeof(p->library)) : -ENOMEM;
        if (status == -ENOSYS)
            bench->fail(bench->context,
                        "the library has no malloc of that name, so that preloading it would do nothing; "
                        "the allocator's option `preload` names one that has");
        if (!status && strpbrk(p->library, " :")) {
            bench->fail(bench->context, "%s can't be preloaded: the loader splits its name at the blank or colon",
                        p->library);
            status = -EINVAL;
        }
    }
    /* What a program leaves behind is ours to end. */
    if (!status && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        status = -errno;
    if (status && p) {
        free(p->runners);
        free(p);
    } else {
        *self = p;
    }
    return status;
}

static int program_thread_setup(void *self, uint32_t thread, void **state)
{
    struct program *p = self;
    struct runner *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    *state = p->runners[thread] = r;
    r->program = p;
    if (sched_getaffinity(0, sizeof(r->own), &r->own))
        return -errno;
    /* All that the machine lets us have; the kernel takes off what it doesn't. */
    memset(&r->watching, 0xff, sizeof(r->watching));
    if (sched_setaffinity(0, sizeof(r->watching), &r->watching) ||
        sched_getaffinity(0, sizeof(r->watching), &r->watching) || sched_setaffinity(0, sizeof(r->own), &r->own))
        return -errno;
    cpu_set_t others;
    CPU_XOR(&others, &r->watching, &r->own);
    if (CPU_COUNT(&others))
        r->watching = others;
    return 0;
}

/* ---- the program's processes ---- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static ssize_t read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

/* Adds the children that one thread has. */
static size_t add_children(pid_t pid, const char *thread, pid_t *found, size_t n)
{
    char path[96], text[4096], *at = text;
    snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, thread);
    if (read_text(path, text, sizeof(text)) <= 0)
        return n;
    for (char *end; n < MOST_PROCESSES; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at)
            break;
        found[n++] = (pid_t)child;
    }
    return n;
}

/* The processes below `pid`, itself among them as the first; as many as there is room for. */
static size_t find_processes(pid_t pid, pid_t *found)
{
    size_t n = 1;
    found[0] = pid;
    for (size_t i = 0; i < n; i++) {
        char path[48];
        snprintf(path, sizeof(path), "/proc/%d/task", (int)found[i]);
        DIR *threads = opendir(path);
        for (const struct dirent *e; threads && (e = readdir(threads));)
            n = *e->d_name == '.' ? n : add_children(found[i], e->d_name, found, n);
        if (threads)
            closedir(threads);
    }
    return n;
}

static double resident_bytes(pid_t pid)
{
    char path[48], text[128];
    unsigned long long size = 0, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    if (read_text(path, text, sizeof(text)) <= 0 || sscanf(text, "%llu %llu", &size, &resident) != 2)
        return 0;
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* By the file's own name: what is mapped is where links lead to. */
static bool has_mapped(pid_t pid, const char *library)
{
    char path[48], line[PATH_MAX + 128], real[PATH_MAX];
    bool found = false;
    const char *wanted = strchr(library, '/') && realpath(library, real) ? real : library;
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    while (maps && !found && fgets(line, sizeof(line), maps)) {
        char *name = strchr(line, '/'), *end = name ? strchr(name, '\n') : NULL;
        if (!end)
            continue;
        *end = '\0';
        /* A name without a folder may be the link's. */
        found = *wanted == '/' ? !strcmp(name, wanted) : !strncmp(strrchr(name, '/') + 1, wanted, strcspn(wanted, "."));
    }
    if (maps)
        fclose(maps);
    return found;
}

/* The time since the last look had the memory that was seen then. */
static void look(struct run *run, double seconds)
{
    pid_t found[MOST_PROCESSES];
    /* One program is all that this process has started, what it has left without a parent included. */
    bool alone = run->runner->program->bench->threads == 1;
    size_t n = find_processes(alone ? getpid() : run->pid, found);
    const char *library = run->runner->program->library;
    double sum = 0;
    bool seen = false;
    for (size_t i = alone; i < n; i++) {
        sum += resident_bytes(found[i]);
        seen = seen || (*library && has_mapped(found[i], library));
    }
    run->with += seen;
    run->without += !seen;
    run->byte_seconds += run->resident * (seconds - run->resident_at);
    run->resident_at = seconds;
    run->resident = sum;
    run->peak = fmax(run->peak, sum);
}

/* Until the shell has ended; often at first, since a program may be short. */
static void watch(struct run *run, double begin)
{
    enum { FIRST_MS = 1, LATER_MS = 10 };
    struct runner *r = run->runner;
    int ended = (int)syscall(SYS_pidfd_open, run->pid, 0);
    struct pollfd poll_end = {.fd = ended, .events = POLLIN};
    for (int wait = FIRST_MS; ended >= 0 && !poll(&poll_end, 1, wait); wait = wait < LATER_MS ? 2 * wait : LATER_MS) {
        sched_setaffinity(0, sizeof(r->watching), &r->watching);
        look(run, now_s() - begin);
    }
    if (ended >= 0)
        close(ended);
}

/* Those that were left without a parent came to our first thread, which starts none itself. */
static void end_the_rest(void)
{
    pid_t found[MOST_PROCESSES];
    size_t n = find_processes(getpid(), found);
    for (size_t i = 1; i < n; i++)
        kill(found[i], SIGKILL);
    /* Of those that aren't our children themselves there is nothing to wait for. */
    for (size_t i = 1; i < n; i++)
        waitpid(found[i], NULL, 0);
}

/* ---- a run ---- */

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *place)
{
    (void)s;
    (void)type;
    (void)place;
    return remove(path);
}

/* What the shell is to do: the library comes in behind it. */
static char *script_of(const struct program *p)
{
    char *script = NULL;
    if (asprintf(&script, "%s%s", *p->library ? "LD_PRELOAD=$SB_PRELOAD; export LD_PRELOAD; " : "", p->command) < 0)
        return NULL;
    return script;
}

/* NAME=VALUE in front of what there is. */
static char **environment_of(const struct program *p, char *preload, size_t size, char *files, size_t files_size)
{
    size_t n = 0;
    while (environ[n])
        n++;
    char **all = calloc(n + 3, sizeof(*all));
    if (!all)
        return NULL;
    snprintf(preload, size, "SB_PRELOAD=%s", p->library);
    snprintf(files, files_size, "FILES=%s", p->files);
    all[0] = preload;
    all[1] = files;
    memcpy(all + 2, environ, n * sizeof(*all));
    return all;
}

static int start(struct run *run)
{
    const struct runner *r = run->runner;
    char library[PATH_MAX + 16], files[PATH_MAX + 16];
    char *script = script_of(r->program), **environment;
    environment = environment_of(r->program, library, sizeof(library), files, sizeof(files));
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, run->folder);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, run->words, STDERR_FILENO);
    /* It inherits the thread's CPUs. */
    cpu_set_t all;
    memset(&all, 0xff, sizeof(all));
    bool everywhere = r->program->cpus == CPUS_ALL;
    if (everywhere)
        sched_setaffinity(0, sizeof(all), &all);
    else
        sched_setaffinity(0, sizeof(r->own), &r->own);
    int status =
        script && environment ? -posix_spawn(&run->pid, "/bin/sh", &actions, NULL, argv, environment) : -ENOMEM;
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    free(script);
    return status;
}

/* The end of what it said, on one line. */
static void last_words(const struct run *run, char *text, size_t size)
{
    off_t end = lseek(run->words, 0, SEEK_END), from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
    ssize_t n = pread(run->words, text, size - 1, from);
    text[n > 0 ? n : 0] = '\0';
    while (n > 0 && strchr(" \n\r\t", text[n - 1]))
        text[--n] = '\0';
    for (char *c = text; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
}

static int judge_end(const struct run *run, int status)
{
    const struct sb_bench *bench = run->runner->program->bench;
    char words[WORDS], said[WORDS + 16] = "";
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return 0;
    last_words(run, words, sizeof(words));
    if (*words)
        snprintf(said, sizeof(said), "; it said: %s", words);
    /* The shell tells of a signal that ended its program by its own status. */
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128;
    if (number > 0 && number <= SIGRTMAX) {
        bench->fail(bench->context, "the program was ended by signal %d (%s)%s", number, strsignal(number), said);
    } else {
        bench->fail(bench->context, "the program failed with status %d%s", WEXITSTATUS(status), said);
    }
    return -EIO;
}

static int run_command(struct run *run)
{
    struct runner *r = run->runner;
    const struct sb_bench *bench = r->program->bench;
    struct rusage own, used;
    int status = 0;
    getrusage(RUSAGE_SELF, &own);
    double begin = now_s();
    int failed = start(run);
    if (failed)
        return failed;
    watch(run, begin);
    while (wait4(run->pid, &status, 0, &used) < 0 && errno == EINTR)
        ;
    run->seconds = now_s() - begin;
    sched_setaffinity(0, sizeof(r->own), &r->own);
    run->byte_seconds += run->resident * (run->seconds - run->resident_at);
    failed = judge_end(run, status);
    if (!failed && *r->program->library && (!run->with || run->with < run->without)) {
        bench->fail(bench->context,
                    "at %u of %u looks at the program a process of it had %s: it drops LD_PRELOAD, is linked "
                    "statically, or ends too soon to be looked at",
                    run->with, run->with + run->without, r->program->library);
        failed = -EIO;
    }
    if (failed || !bench->measuring)
        return failed;
    /* A process that is started has its starter's peak for its own until it forks: what is less says nothing. */
    double largest = (double)used.ru_maxrss * 1024;
    bool known = used.ru_maxrss > own.ru_maxrss;
    r->runs++;
    r->sums[RUN_TIME] += run->seconds;
    r->sums[RUN_CPU_TIME] += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    r->sums[RUN_RESIDENT_PEAK] += known ? fmax(run->peak, largest) : run->peak > 0 ? run->peak : NAN;
    r->sums[RUN_RESIDENT_MEAN] += run->byte_seconds > 0 ? run->byte_seconds / run->seconds : NAN;
    r->sums[RUN_PAGE_FAULTS] += (double)(used.ru_minflt + used.ru_majflt);
    return 0;
}

static int program_step(void *state, struct sb_counts *counts)
{
    struct runner *r = state;
    struct run run = {.runner = r, .folder = "/tmp/scullbench-run-XXXXXX"};
    const char *tmp = getenv("TMPDIR");
    if (tmp && *tmp && strlen(tmp) < sizeof(run.folder) - 24)
        snprintf(run.folder, sizeof(run.folder), "%s/scullbench-run-XXXXXX", tmp);
    run.words = memfd_create("scullbench-words", MFD_CLOEXEC);
    int status = run.words < 0 || !mkdtemp(run.folder) ? -errno : 0;
    if (status) {
        r->program->bench->fail(r->program->bench->context, "no folder can be made for a run: %s", strerror(-status));
        goto out;
    }
    status = run_command(&run);
    /* Of several the others' may not have ended. */
    if (r->program->bench->threads == 1)
        end_the_rest();
    nftw(run.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
out:
    if (run.words >= 0)
        close(run.words);
    if (!status) {
        counts->operations++;
        counts->bytes = 0;
    }
    /* There is no NULL that it could have got: what the program makes of one is its failure. */
    return status == -ENOMEM ? -EIO : status;
}

/* ---- the end ---- */

static void program_report(void *self, double *values)
{
    const struct program *p = self;
    for (int m = 0; m < MEASURES; m++) {
        double sum = 0, runs = 0;
        for (uint32_t t = 0; t < p->bench->threads; t++) {
            sum += p->runners[t]->sums[m];
            runs += p->runners[t]->runs;
        }
        values[m] = runs > 0 ? sum / runs : NAN;
    }
}

static int program_verify(void *self)
{
    (void)self;
    return 0;
}

/* What a program holds is in its own memory. */
static int program_account(void *self, struct sb_account *account)
{
    (void)self;
    (void)account;
    return 0;
}

static void program_thread_teardown(void *state)
{
    (void)state;
}

static int program_teardown(void *self)
{
    struct program *p = self;
    end_the_rest();
    for (uint32_t i = 0; i < p->bench->threads; i++)
        free(p->runners[i]);
    free(p->runners);
    free(p);
    return 0;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "program",
    .summary = "a real program with the allocator for its malloc, from start to end",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .operation = "a run of the program",
    .needs = program_needs,
    .setup = program_setup,
    .thread_setup = program_thread_setup,
    .step = program_step,
    .verify = program_verify,
    .account = program_account,
    .thread_teardown = program_thread_teardown,
    .teardown = program_teardown,
    .measures = measures,
    .measure_count = MEASURES,
    .report = program_report,
};
