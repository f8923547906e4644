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

/* The number under which a child finds the descriptor that it was given. */
enum { SB_CHILD_FD = 3 };

struct sb_child {
    char *const *argv;
    char *const *environment; /* NULL: ours */
    const char *input;        /* NULL: none */
    int fd;                   /* for it to have as SB_CHILD_FD; 0: none */
    uint64_t deadline_ns;     /* CLOCK_MONOTONIC */
    volatile sig_atomic_t *stop;
    void (*take)(void *context, const char *line, size_t length); /* each whole line of its output */
    void *context;
};

/*
 * Runs argv[0] in a process group of its own. Ends when the child has ended, at its deadline, when `*stop` is
 * set, or when it says more than it may. 0 or a negative errno.
 */
int sb_child_run(const struct sb_child *child, struct sb_child_end *end);

/* The same in two steps, with something else in between; what `child` points to must live until the second.
 */
struct sb_child_under_way;
int sb_child_start(const struct sb_child *child, struct sb_child_under_way **under_way);
void sb_child_finish(struct sb_child_under_way *under_way, struct sb_child_end *end);
/* In place of finishing: killed, and nothing of what it said is taken. */
void sb_child_kill(struct sb_child_under_way *under_way);

/* The last line of a program's last words, which mostly says why it died: 200 bytes of it at most, "" where there is
 * none. The caller frees it. */
char *sb_last_line(const char *words);

#endif
