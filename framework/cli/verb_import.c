/* The verb import: traces from what perf, ftrace or the preloaded recorder have written, or from a trace itself. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/cli.h"
#include "trace/perf.h"
#include "trace/recording.h"
#include "trace/summary.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct import {
    const char *from, *to, *title;
    const char *program, *process;
    int fd;          /* of what is read */
    uint64_t length; /* of the file as it lies there; 0: not known */
    uint64_t begun_ns, told_ns;
};

/* ---- looking at a trace ---- */

static int summarise(const char *path)
{
    struct sb_trace trace = {0};
    struct sb_trace_event event;
    struct stat s = {0};
    void *bytes = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = SB_EXIT_USAGE, more = 1;
    bool there = fd >= 0 && !fstat(fd, &s);
    if (there && s.st_size)
        bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        sb_error("%s can't be read: %s", path, there && !s.st_size ? "it is empty" : strerror(errno));
        goto out;
    }
    int status = sb_trace_open(&trace, bytes, (size_t)s.st_size);
    if (!status)
        sb_trace_rewind(&trace);
    while (!status && more > 0)
        status = (more = sb_trace_next(&trace, &event)) < 0 ? more : 0;
    if (status) {
        sb_error("%s: %s", path, trace.why);
        goto out;
    }
    struct sb_text text = {0};
    sb_trace_summarise(&trace, &text);
    fputs(sb_text_get(&text), stdout);
    sb_text_free(&text);
    code = SB_EXIT_OK;
out:
    sb_trace_close(&trace);
    if (bytes != MAP_FAILED)
        munmap(bytes, (size_t)s.st_size);
    if (fd >= 0)
        close(fd);
    return code;
}

/* ---- reading what was recorded ---- */

/* Of a compressed file the place is the decompressor's, who shares our descriptor. */
static void show_progress(void *context)
{
    struct import *i = context;
    uint64_t now = sb_now_ns();
    off_t at = lseek(i->fd, 0, SEEK_CUR);
    if (!isatty(STDERR_FILENO) || now - i->told_ns < SB_SECOND || at <= 0 || !i->length)
        return;
    double share = (double)at / (double)i->length;
    i->told_ns = now;
    fprintf(stderr, "\r%s: %3.0f %%, %.0f s left ", i->from, 100 * share,
            (double)(now - i->begun_ns) / 1e9 * (1 - share) / share);
}

/* What a file begins with, and the program that unpacks it. */
static const char *const *find_unpacker(int fd)
{
    static const char *const zstd[] = {"zstd", "-dcq", "--long=31", NULL}, *const gzip[] = {"gzip", "-dc", NULL},
                             *const xz[] = {"xz", "-dc", NULL};
    static const struct {
        const char *magic;
        size_t n;
        const char *const *argv;
    } kinds[] = {{"\x28\xb5\x2f\xfd", 4, zstd},
                 {"\x1f\x8b", 2, gzip},
                 {"\xfd"
                  "7zXZ",
                  5, xz}};
    char magic[5] = "";
    if (pread(fd, magic, sizeof(magic), 0) < 2)
        return NULL;
    for (size_t i = 0; i < SB_COUNT(kinds); i++) {
        if (!memcmp(magic, kinds[i].magic, kinds[i].n))
            return kinds[i].argv;
    }
    return NULL;
}

/* How a program ended, in words, or NULL where it ended well. The caller frees it. */
static char *wait_for(pid_t pid, const char *name)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return NULL;
    if (WIFEXITED(status))
        return sb_printf("%s failed with status %d", name, WEXITSTATUS(status));
    return sb_printf("%s was ended by signal %d (%s)", name, WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static bool ended_well(pid_t pid, const char *name)
{
    char *end = wait_for(pid, name);
    if (end)
        sb_error("%s", end);
    free(end);
    return !end;
}

/* While another program is in front Ctrl-C is for it: what it leaves behind is ours to take in. */
static void leave_signals_to_it(bool leave)
{
    static void (*interrupt)(int), (*quit)(int);
    if (leave) {
        interrupt = signal(SIGINT, SIG_IGN);
        quit = signal(SIGQUIT, SIG_IGN);
    } else {
        signal(SIGINT, interrupt);
        signal(SIGQUIT, quit);
    }
}

/* With the signals that we leave to it. */
static int spawn_in_front(pid_t *pid, const posix_spawn_file_actions_t *actions, const char *const *argv)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGQUIT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int status = posix_spawnp(pid, argv[0], actions, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    return status;
}

/* A program that reads `in` and writes to the descriptor that comes back; or -1 after a complaint. */
static int start_filter(const char *const *argv, int in, pid_t *pid)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC)) {
        sb_error("no pipe can be had: %s", strerror(errno));
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int status = spawn_in_front(pid, &actions, argv);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!status)
        return ends[0];
    sb_error("%s can't be run: %s", argv[0], strerror(status));
    close(ends[0]);
    return -1;
}

static void tell_perf(const struct sb_perf_counts *c)
{
    printf("%" PRIu64 " lines, %" PRIu64 " events", c->lines, c->events);
    if (c->null_frees)
        printf(", %" PRIu64 " frees of NULL", c->null_frees);
    if (c->failed)
        printf(", %" PRIu64 " allocations that gave nothing", c->failed);
    if (c->told_twice)
        printf(", %" PRIu64 " told twice", c->told_twice);
    if (c->ignored)
        printf(", %" PRIu64 " of other kinds (%s ...)", c->ignored, c->ignored_as);
    printf("\n");
    if (c->odd_flags)
        sb_warn("gfp flags that no model has are left out: %s ...", c->odd_flag);
    if (c->unreadable)
        sb_warn("%" PRIu64 " line%s no event as perf script prints one; the first is line %" PRIu64, c->unreadable,
                c->unreadable == 1 ? " is" : "s are", c->unreadable_line);
}

static int read_text(struct import *i, struct sb_builder *b, const char *const *filter)
{
    struct sb_perf_counts counts = {0};
    pid_t pid = 0;
    int fd = filter ? start_filter(filter, i->fd, &pid) : i->fd;
    if (fd < 0)
        return -EIO;
    int status = sb_perf_read(fd, b, &counts, show_progress, i);
    if (i->told_ns != i->begun_ns && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%*s\r", (int)strlen(i->from) + 24, "");
    if (filter) {
        close(fd);
        if (!ended_well(pid, filter[0]))
            return -EIO;
    }
    if (status == -E2BIG)
        sb_error("%s: line %" PRIu64 " has no end; expected is the text of perf script --ns", i->from,
                 counts.lines + 1);
    else if (status)
        sb_error("%s can't be read: %s", i->from, strerror(-status));
    if (status)
        return status;
    tell_perf(&counts);
    if (!counts.events) {
        sb_error("%s holds no event of an allocator; expected is the text of perf script --ns, or a recording of "
                 "libscullbench-record.so",
                 i->from);
        return -EINVAL;
    }
    return 0;
}

static int read_recording(const struct import *i, struct sb_builder *b)
{
    struct sb_recording_counts counts = {0};
    int status = sb_recording_read(i->fd, i->from, b, &counts);
    if (status)
        return status;
    printf("%s (process %u): %" PRIu64 " calls, %" PRIu64 " frees of NULL, %" PRIu64 " that gave nothing\n",
           counts.program, counts.pid, counts.records, counts.null_frees, counts.failed);
    if (counts.cut_off)
        sb_warn("%s: the disk was full, or the file as long as it may be, before the program ended: calls after that "
                "are missing",
                i->from);
    if (counts.records)
        return 0;
    sb_error("%s: the program made no call that was recorded", i->from);
    return -EINVAL;
}

/* One input to one trace. `filter` makes the text, of the file or by itself; NULL: by what the file is. */
static int import_one(struct import *i, const char *const *filter)
{
    struct stat s = {0};
    bool recording = i->fd >= 0 && sb_is_recording(i->fd);
    if (i->fd >= 0 && !fstat(i->fd, &s) && S_ISREG(s.st_mode))
        i->length = (uint64_t)s.st_size;
    if (!filter && i->fd >= 0)
        filter = find_unpacker(i->fd);
    i->begun_ns = i->told_ns = sb_now_ns();
    struct stat out;
    if (i->length && !stat(i->to, &out) && out.st_dev == s.st_dev && out.st_ino == s.st_ino) {
        sb_error("-o: %s is what is to be read", i->to);
        return SB_EXIT_USAGE;
    }
    struct sb_builder *b = sb_builder_new(i->to, recording ? SB_TRACE_OF_PROGRAM : SB_TRACE_OF_KERNEL);
    if (!b)
        return SB_EXIT_FAILURE;
    int status = recording ? read_recording(i, b) : read_text(i, b, filter);
    bool wrong = status == -EINVAL || status == -EBADMSG || status == -E2BIG;
    if (!status)
        status = sb_builder_finish(b, i->title);
    sb_builder_discard(b);
    return !status ? summarise(i->to) : wrong ? SB_EXIT_USAGE : SB_EXIT_FAILURE;
}

static int import_file(struct import *i)
{
    i->fd = strcmp(i->from, "-") ? open(i->from, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (i->fd < 0) {
        sb_error("%s can't be read: %s", i->from, strerror(errno));
        return SB_EXIT_USAGE;
    }
    int code = import_one(i, NULL);
    if (i->fd != STDIN_FILENO)
        close(i->fd);
    return code;
}

/* ---- recording a kernel ---- */

/* Those that this kernel has, as perf takes them; NULL after a complaint. The caller frees it. */
static char *find_events(void)
{
    static const char *const folders[] = {"/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"};
    struct sb_text text = {0};
    for (size_t f = 0; f < SB_COUNT(folders) && !text.n; f++) {
        const char *group, *name;
        for (size_t i = 0; sb_perf_event(i, &group, &name); i++) {
            char *path = sb_printf("%s/%s/%s", folders[f], group, name);
            if (!access(path, R_OK))
                sb_text_printf(&text, "%s%s:%s", text.n ? "," : "", group, name);
            free(path);
        }
    }
    if (!text.n)
        sb_error("the kernel's events can't be recorded here: %s is not to be read; it takes root and a mounted "
                 "tracefs. Record where you may: docs/traces.md",
                 folders[0]);
    return text.at;
}

static int record_kernel(struct import *i, const char *time)
{
    static const struct sb_option option = {"--record",       SB_OPTION_TIME,    0,    "10s",
                                            SB_SECOND / 1000, 86400 * SB_SECOND, NULL, ""};
    union sb_value length;
    char *why = NULL, *events = NULL, *data = sb_printf("%s.perf-%d", i->to, (int)getpid()), *seconds = NULL;
    int code = SB_EXIT_FAILURE;
    pid_t pid;
    if (sb_option_parse(&option, time, &length, &why)) {
        sb_error("--record: %s", why);
        code = SB_EXIT_USAGE;
        goto out;
    }
    if (!(events = find_events()))
        goto out;
    seconds = sb_printf("%.3f", (double)length.u / 1e9);
    const char *record[] = {"perf", "record", "-a",   "-q", "-m",    "8M",    "-o",
                            data,   "-e",     events, "--", "sleep", seconds, NULL};
    const char *script[] = {"perf", "script", "--ns", "-i", data, NULL};
    leave_signals_to_it(true);
    int fd = start_filter(record, -1, &pid);
    if (fd >= 0) {
        close(fd);
        i->fd = -1;
        i->from = "perf script";
        if (ended_well(pid, "perf record"))
            code = import_one(i, script);
    }
    leave_signals_to_it(false);
    unlink(data);
out:
    free(why);
    free(events);
    free(data);
    free(seconds);
    return code;
}

/* ---- recording a program ---- */

/* How many chunks of records a recording has, and whose it is; 0 where it is none. */
static uint64_t measure_recording(const char *path, struct sb_recording_head *head)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && sb_is_recording(fd) && !fstat(fd, &s) && pread(fd, head, sizeof(*head), 0) == sizeof(*head);
    uint64_t records = 0;
    for (off_t at = SB_RECORDING_CHUNK; good && at < s.st_size; at += SB_RECORDING_CHUNK) {
        struct sb_recording_chunk chunk;
        if (pread(fd, &chunk, sizeof(chunk), at) == sizeof(chunk))
            records += chunk.n;
    }
    if (fd >= 0)
        close(fd);
    head->program[sizeof(head->program) - 1] = '\0';
    return records;
}

/* The recording in `folder` that has most records; the others are told. The caller frees it. */
static char *choose_recording(const struct import *i, const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    char *best = NULL, name[64] = "";
    uint64_t most = 0, others = 0, others_records = 0;
    while (dir && (e = readdir(dir))) {
        struct sb_recording_head head = {0};
        char *path = sb_printf("%s/%s", folder, e->d_name);
        uint64_t records = *e->d_name == '.' ? 0 : measure_recording(path, &head);
        bool wanted = records && (!i->process || !strcmp(head.program, i->process));
        if (records) {
            others++;
            others_records += records;
        }
        if (wanted && records > most) {
            free(best);
            best = sb_strdup(path);
            most = records;
            snprintf(name, sizeof(name), "%s", head.program);
        }
        free(path);
    }
    if (dir)
        closedir(dir);
    if (!best && i->process)
        sb_error("none of the %" PRIu64 " recorded processes is called '%s'", others, i->process);
    else if (!best)
        sb_error("no process was recorded: a program that is linked statically, or drops LD_PRELOAD, can't be");
    else if (others > 1)
        printf("%" PRIu64 " processes were recorded with %" PRIu64 " calls; taken is '%s' with %" PRIu64
               " (--process NAME takes another)\n",
               others, others_records, name, most);
    return best;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    while (dir && (e = readdir(dir))) {
        char *path = sb_printf("%s/%s", folder, e->d_name);
        if (*e->d_name != '.')
            unlink(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* Its output stays its own. 0 or an exit code, after a complaint. */
static int run_recorded(const char *command, const char *recorder, const char *folder)
{
    const char *others = getenv("LD_PRELOAD");
    char *preload = sb_printf("LD_PRELOAD=%s%s%s", recorder, others && *others ? ":" : "", others ? others : "");
    char *to = sb_printf("SCULLBENCH_RECORD=%s/", folder), *end;
    const char *argv[] = {"env", preload, to, "/bin/sh", "-c", command, NULL};
    pid_t pid;
    leave_signals_to_it(true);
    int status = spawn_in_front(&pid, NULL, argv);
    if (status) {
        sb_error("env can't be run: %s", strerror(status));
    } else if ((end = wait_for(pid, "the recorded command"))) {
        sb_warn("%s; what it asked for until then is in the trace", end);
        free(end);
    }
    leave_signals_to_it(false);
    free(preload);
    free(to);
    return status ? SB_EXIT_FAILURE : 0;
}

static int record_program(struct import *i)
{
    char *recorder = sb_find_beside("libscullbench-record.so", "../lib/scullbench/libscullbench-record.so"),
         *folder = sb_printf("%s.recording-XXXXXX", i->to), *recording = NULL, *real;
    int code = SB_EXIT_FAILURE;
    if (access(recorder, R_OK) || strpbrk(recorder, " :")) {
        sb_error(strpbrk(recorder, " :") ? "%s can't be preloaded: the loader splits its name at the blank or colon"
                                         : "%s is not there: it comes with scullbench and does the recording",
                 recorder);
        goto out;
    }
    if (!mkdtemp(folder)) {
        sb_error("%s can't be made: %s", folder, strerror(errno));
        goto out;
    }
    /* The command may go elsewhere. */
    if ((real = realpath(folder, NULL))) {
        free(folder);
        folder = real;
    }
    code = run_recorded(i->program, recorder, folder);
    if (!code && !(recording = choose_recording(i, folder)))
        code = SB_EXIT_FAILURE;
    if (!code) {
        i->from = recording;
        code = import_file(i);
    }
    remove_folder(folder);
out:
    free(recorder);
    free(folder);
    free(recording);
    return code;
}

int sb_verb_import(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    const char *record = sb_flag_value(verb, values, "--record"), *title = sb_flag_value(verb, values, "--title");
    struct import i = {.from = operands->n ? operands->at[0] : NULL,
                       .to = sb_flag_value(verb, values, "-o"),
                       .program = sb_flag_value(verb, values, "--program"),
                       .process = sb_flag_value(verb, values, "--process"),
                       .fd = -1};
    if ((i.from != NULL) + (record != NULL) + (i.program != NULL) != 1) {
        sb_error("import needs one of FILE, --record TIME and --program COMMAND; see scullbench import --help");
        return SB_EXIT_USAGE;
    }
    if (i.process && !i.program) {
        sb_error("--process is for --program alone");
        return SB_EXIT_USAGE;
    }
    if (!i.to && (!i.from || title)) {
        sb_error("import needs -o FILE, the trace to write");
        return SB_EXIT_USAGE;
    }
    if (!i.to)
        return summarise(i.from);
    const char *slash = i.from ? strrchr(i.from, '/') : NULL;
    i.title = title ? title : i.program ? i.program : record ? "a running kernel" : slash ? slash + 1 : i.from;
    return record ? record_kernel(&i, record) : i.program ? record_program(&i) : import_file(&i);
}
