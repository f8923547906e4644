/*
 * One flag and one handler for all verbs that have something to put right before they end: children to kill,
 * a database to close, folders to remove. What is asked between two parts of a verb is not forgotten.
 */
#define _GNU_SOURCE
#include "base/stop.h"

#include <stddef.h>

volatile sig_atomic_t sb_stop;

/* Only a mark: whoever looks at it knows what is under way. */
static void on_signal(int number)
{
    (void)number;
    sb_stop = 1;
}

void sb_catch_stop(void)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
}
