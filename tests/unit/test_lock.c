/* The order of locks: what sanitized builds find, and how they say so. */
#define _GNU_SOURCE
#include "mm/lock.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SB_LOCKDEP

/* What a child that runs it says before it is ended; "" if it ends well. */
static void run(void (*function)(void), char *said, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        function();
        _exit(0);
    }
    close(ends[1]);
    /* In pieces, as the child writes it. */
    size_t got = 0;
    for (ssize_t n; got < size - 1 && (n = read(ends[0], said + got, size - 1 - got)) > 0;)
        got += (size_t)n;
    said[got] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(*said != '\0', WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static struct sb_lock zone, cache, reclaim, unmade;

static void in_order(void)
{
    sb_lock(&reclaim);
    sb_lock(&cache);
    sb_lock(&zone);
    /* Given back in any order. */
    sb_unlock(&cache);
    sb_unlock(&reclaim);
    sb_unlock(&zone);
}

/* Who doesn't wait can't be part of a circle. */
static void tried_out_of_order(void)
{
    sb_lock(&zone);
    if (sb_trylock(&cache))
        sb_unlock(&cache);
    sb_unlock(&zone);
}

static void out_of_order(void)
{
    sb_lock(&reclaim);
    sb_lock(&zone);
    sb_lock(&cache);
}

static void twice(void)
{
    sb_lock(&zone);
    sb_lock(&zone);
}

static void never_made(void)
{
    sb_lock(&unmade);
}

static void not_held(void)
{
    sb_unlock(&zone);
}

static void orders(void **state)
{
    static const struct {
        void (*function)(void);
        const char *said;
    } rows[] = {
        {in_order, ""},
        {tried_out_of_order, ""},
        {out_of_order, "lock order: CACHE is waited for; held, in the order in which they were taken: RECLAIM ZONE\n"},
        {twice, "lock order: ZONE is waited for; held, in the order in which they were taken: ZONE\n"},
        {never_made,
         "lock order: no rank is a lock that was never made; held, in the order in which they were taken:\n"},
        {not_held, "lock order: ZONE is given back, but not held; held, in the order in which they were taken:\n"},
    };
    (void)state;
    sb_lock_init(&zone, SB_RANK_ZONE);
    sb_lock_init(&cache, SB_RANK_CACHE);
    sb_lock_init(&reclaim, SB_RANK_RECLAIM);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char said[512];
        run(rows[i].function, said, sizeof(said));
        assert_string_equal(said, rows[i].said);
    }
}

#else

static void orders(void **state)
{
    (void)state;
    skip(); /* proved in sanitized builds alone */
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(orders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
