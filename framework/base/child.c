/* posix_spawn, three pipes and poll: nothing here blocks on a child that doesn't read or write. */
#define _GNU_SOURCE
#include "base/child.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAST_WORDS = 2000, LAST_LINE = 200, IN = 0, OUT = 1, ERR = 2, GRACE_NS = 200000000 };

extern char **environ;

struct sb_child_under_way {
    const struct sb_child *of;
    pid_t pid;
    int fds[3]; /* our ends; -1 when closed */
    const char *input;
    struct sb_text line, errors;
    size_t said; /* bytes of its standard output */
    bool flooded;
};

/* Close-on-exec: a child must not hold the ends of its siblings' pipes, or end of file never comes. */
static int make_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC)) {
            int status = -errno;
            while (i-- > 0) {
                close(pipes[i][0]);
                close(pipes[i][1]);
            }
            return status;
        }
    }
    return 0;
}

/*
 * A process group of its own, so that Ctrl-C reaches us alone and killing reaches all it has started.
 * Signals we catch or ignore are given back their defaults.
 */
static int spawn(struct sb_child_under_way *c)
{
    int pipes[3][2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int status = make_pipes(pipes);
    if (status)
        return status;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGTERM);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, pipes[i][i == IN ? 0 : 1], i);
    /* Onto itself it would stay close-on-exec. */
    int fd = c->of->fd == SB_CHILD_FD ? dup(c->of->fd) : c->of->fd;
    if (fd > 0)
        posix_spawn_file_actions_adddup2(&actions, fd, SB_CHILD_FD);
    status = -posix_spawn(&c->pid, c->of->argv[0], &actions, &attributes, c->of->argv,
                          c->of->environment ? c->of->environment : environ);
    if (fd > 0 && fd != c->of->fd)
        close(fd);
    for (int i = 0; i < 3; i++) {
        close(pipes[i][i == IN ? 0 : 1]);
        c->fds[i] = pipes[i][i == IN ? 1 : 0];
        fcntl(c->fds[i], F_SETFL, O_NONBLOCK);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return status;
}

static void shut(struct sb_child_under_way *c, int which)
{
    if (c->fds[which] >= 0)
        close(c->fds[which]);
    c->fds[which] = -1;
}

static void forget(struct sb_child_under_way *c)
{
    for (int i = 0; i < 3; i++)
        shut(c, i);
    sb_text_free(&c->line);
    sb_text_free(&c->errors);
    free(c);
}

/* Non-blocking: a child that doesn't read must not keep us from reading it, or from its deadline. */
static void feed(struct sb_child_under_way *c)
{
    ssize_t n = write(c->fds[IN], c->input, strlen(c->input));
    if (n > 0)
        c->input += n;
    if ((n < 0 && errno != EAGAIN) || !*c->input)
        shut(c, IN);
}

/* A line may come in pieces, and several in one piece. */
static void take_lines(struct sb_child_under_way *c, const char *bytes, size_t n)
{
    while (n) {
        /* What has no end yet waits for the next piece; a last line without an end is dropped, for it is
           half a line. */
        const char *newline = memchr(bytes, '\n', n);
        size_t part = newline ? (size_t)(newline - bytes) : n;
        sb_text_add(&c->line, bytes, part);
        if (!newline)
            return;
        c->of->take(c->of->context, c->line.at, c->line.n);
        c->line.n = 0;
        bytes += part + 1;
        n -= part + 1;
    }
}

/* A child may print megabytes; the end is what explains its end. */
static void keep_errors(struct sb_child_under_way *c, const char *bytes, size_t n)
{
    sb_text_add(&c->errors, bytes, n);
    if (c->errors.n > 8 * LAST_WORDS) {
        memmove(c->errors.at, c->errors.at + c->errors.n - LAST_WORDS, LAST_WORDS);
        c->errors.n = LAST_WORDS;
    }
}

/* Until there is nothing now; end of file closes our end. */
static void drain(struct sb_child_under_way *c, int which)
{
    char buffer[65536];
    ssize_t n = 0;
    while (!c->flooded && (n = read(c->fds[which], buffer, sizeof(buffer))) > 0) {
        if (which == OUT) {
            take_lines(c, buffer, (size_t)n);
            c->said += (size_t)n;
            c->flooded = c->said > (size_t)SB_CHILD_OUTPUT_MIB << 20 || c->line.n > (size_t)SB_CHILD_LINE_MIB << 20;
        } else {
            keep_errors(c, buffer, (size_t)n);
        }
    }
    if (c->flooded)
        return;
    if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(c, which);
}

/* Until both outputs are closed, the time is up, or we are told to stop. */
static void converse(struct sb_child_under_way *c, struct sb_child_end *end)
{
    uint64_t deadline_ns = c->of->deadline_ns;
    volatile sig_atomic_t *stop = c->of->stop;
    uint64_t ended_ns = 0;
    while (c->fds[OUT] >= 0 || c->fds[ERR] >= 0) {
        uint64_t now = sb_now_ns();
        siginfo_t info = {0};
        /* What it left running may hold the pipes open for ever; the child itself is what counts. */
        if (!ended_ns && !waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid)
            ended_ns = now;
        if (ended_ns && now - ended_ns > GRACE_NS)
            return;
        if (*stop || now >= deadline_ns || c->flooded) {
            end->stopped = *stop;
            end->flooded = !*stop && c->flooded;
            end->timed_out = !*stop && !c->flooded;
            return;
        }
        struct pollfd polls[3] = {{c->fds[IN], POLLOUT, 0}, {c->fds[OUT], POLLIN, 0}, {c->fds[ERR], POLLIN, 0}};
        uint64_t left_ms = (deadline_ns - now) / 1000000 + 1;
        /* A fifth of a second at most, so that a stop is noticed although no signal woke us. */
        if (poll(polls, 3, left_ms > 200 ? 200 : (int)left_ms) <= 0)
            continue;
        if (polls[IN].revents)
            feed(c);
        for (int i = OUT; i <= ERR; i++) {
            if (c->fds[i] >= 0 && polls[i].revents)
                drain(c, i);
        }
    }
}

/* A child may close its outputs and live on: it has until its deadline. */
static void await(struct sb_child_under_way *c, struct sb_child_end *end)
{
    volatile sig_atomic_t *stop = c->of->stop;
    bool kill_it = end->timed_out || end->stopped || end->flooded;
    for (;;) {
        if (kill_it)
            kill(-c->pid, SIGKILL);
        pid_t pid = waitpid(c->pid, &end->wait_status, kill_it ? 0 : WNOHANG);
        if (pid == c->pid || (pid < 0 && errno != EINTR))
            break;
        if (!kill_it && pid == 0) {
            if (*stop || sb_now_ns() >= c->of->deadline_ns) {
                end->stopped = *stop;
                end->timed_out = !*stop;
                kill_it = true;
            } else {
                usleep(200);
            }
        }
    }
    /* Whatever it left behind in its group goes too. */
    kill(-c->pid, SIGKILL);
}

int sb_child_start(const struct sb_child *child, struct sb_child_under_way **under_way)
{
    struct sb_child_under_way *c = sb_calloc(1, sizeof(*c));
    *c = (struct sb_child_under_way){.of = child, .fds = {-1, -1, -1}, .input = child->input ? child->input : ""};
    int status = spawn(c);
    /* So that it reads while we do something else: what a pipe doesn't take waits for the conversation. */
    if (!status)
        feed(c);
    else
        forget(c);
    *under_way = status ? NULL : c;
    return status;
}

/* What is still in the pipes after the end is read too: a crashed trial's last results are there. */
void sb_child_finish(struct sb_child_under_way *c, struct sb_child_end *end)
{
    *end = (struct sb_child_end){0};
    converse(c, end);
    await(c, end);
    /* Non-blocking still: what grandchildren might write later isn't waited for. */
    for (int i = OUT; i <= ERR; i++) {
        if (c->fds[i] >= 0)
            drain(c, i);
    }
    end->flooded |= c->flooded;
    if (c->errors.n > LAST_WORDS)
        end->last_words = sb_strdup(c->errors.at + c->errors.n - LAST_WORDS);
    else if (c->errors.n)
        end->last_words = sb_strdup(c->errors.at);
    forget(c);
}

char *sb_last_line(const char *words)
{
    size_t n = words ? strlen(words) : 0;
    while (n && (unsigned char)words[n - 1] <= ' ')
        n--;
    size_t start = n;
    while (start && words[start - 1] != '\n' && n - start < LAST_LINE)
        start--;
    return n ? sb_strndup(words + start, n - start) : sb_strdup("");
}

void sb_child_kill(struct sb_child_under_way *c)
{
    struct sb_child_end end = {.stopped = true};
    await(c, &end);
    forget(c);
}

int sb_child_run(const struct sb_child *child, struct sb_child_end *end)
{
    struct sb_child_under_way *under_way;
    int status = sb_child_start(child, &under_way);
    *end = (struct sb_child_end){0};
    if (!status)
        sb_child_finish(under_way, end);
    return status;
}
