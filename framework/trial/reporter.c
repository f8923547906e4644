/*
 * A thread that writes what others hand it. unshare(2) gives it a table of descriptors of its own; the others
 * then close theirs, so that no plugin finds one to write to, by accident or by looking through what is open.
 * A plugin that looks for it in /proc/self/task finds it all the same, and whoever writes into our memory can
 * do as it likes: what comes out is held against its own order by the reader (result.c).
 *
 * Bytes are handed over one piece at a time and waited for: what is flushed is out, whatever crashes next.
 * The thread takes no memory and runs nothing of a plugin's.
 */
#define _GNU_SOURCE
#include "trial/reporter.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    sem_t filled, emptied;
    const char *bytes;
    size_t n;
    pthread_t thread;
    int fd;
    bool apart; /* has a table of its own */
    bool over;
    int error;
    char buffer[65536];
} reporter;

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) && errno == EINTR)
        ;
}

static void write_all(void)
{
    while (reporter.n && !reporter.error) {
        ssize_t n = write(reporter.fd, reporter.bytes, reporter.n);
        if (n > 0) {
            reporter.bytes += n;
            reporter.n -= (size_t)n;
        } else if (errno != EINTR) {
            reporter.error = errno ? errno : EIO;
        }
    }
}

static void *serve(void *unused)
{
    (void)unused;
    /* Where a sandbox forbids it the table stays shared, and so does the descriptor. */
    reporter.apart = !unshare(CLONE_FILES);
    sem_post(&reporter.emptied);
    for (;;) {
        wait_for(&reporter.filled);
        if (reporter.over)
            return NULL;
        write_all();
        sem_post(&reporter.emptied);
    }
}

static ssize_t hand_over(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    reporter.bytes = bytes;
    reporter.n = n;
    sem_post(&reporter.filled);
    wait_for(&reporter.emptied);
    return reporter.error ? 0 : (ssize_t)n;
}

/* Small, for it calls nothing deep; signals are for the others. */
static int start(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + 65536);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int status = pthread_create(&reporter.thread, &attributes, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

FILE *sb_reporter_open(void)
{
    static const cookie_io_functions_t functions = {.write = hand_over};
    FILE *out = NULL;
    sem_init(&reporter.filled, 0, 0);
    sem_init(&reporter.emptied, 0, 0);
    reporter.fd = dup(STDOUT_FILENO);
    int status = reporter.fd < 0 ? errno : start();
    if (status) {
        errno = status;
        return NULL;
    }
    wait_for(&reporter.emptied);
    if (reporter.apart)
        close(reporter.fd);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    out = fopencookie(NULL, "w", functions);
    if (out)
        setvbuf(out, reporter.buffer, _IOFBF, sizeof(reporter.buffer));
    return out;
}

void sb_reporter_end(FILE *out)
{
    fflush(out);
    reporter.over = true;
    sem_post(&reporter.filled);
    pthread_join(reporter.thread, NULL);
}
