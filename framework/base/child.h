/* One child process: fed with a text, read line by line, killed at its deadline. */
#ifndef SB_BASE_CHILD_H
#define SB_BASE_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a child may say on its standard output: our memory is not its to fill. */
enum { SB_CHILD_LINE_MIB = 16, SB_CHILD_OUTPUT_MIB = 64 };

struct sb_child_end {
    int wait_status;  /* as waitpid gives it */
    bool timed_out;   /* killed at the deadline */
    bool stopped;     /* killed because *stop was set */
    bool flooded;     /* killed because its output had no end */
    char *last_words; /* end of its standard error; the caller's to free; NULL if it said nothing */
};

/*
 * Runs argv[0] in a process group of its own. `take` gets each whole line of its output. Ends when the child
 * has ended, at `deadline_ns` (CLOCK_MONOTONIC), when `*stop` is set, or when it says more than it may. 0 or
 * a negative errno.
 */
int sb_child_run(char *const argv[], const char *input, uint64_t deadline_ns, volatile sig_atomic_t *stop,
                 void (*take)(void *context, const char *line, size_t length), void *context,
                 struct sb_child_end *end);

#endif
