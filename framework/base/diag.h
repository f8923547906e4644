/*
 * The one channel by which users are told what is wrong.
 *
 * Messages about a file's lines are collected, so that one pass shows all of them in line order; the
 * rest go out at once. Every message is `where: what is wrong; what was expected`.
 */
#ifndef SB_BASE_DIAG_H
#define SB_BASE_DIAG_H

#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct sb_diag_entry {
    int line;
    size_t sequence;
    char *text;
};

struct sb_diag {
    const char *file;             /* shown in front of collected messages; borrowed */
    const char *const *overrides; /* texts of --set arguments, for entries with a negative line; borrowed */
    SB_VEC_OF(struct sb_diag_entry);
};

/*
 * Collects an error at `line` of diag->file. Line 0 speaks of the file as a whole, line -k of the
 * k-th --set argument.
 */
void sb_diag_at(struct sb_diag *diag, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Whether something was said of this line. */
bool sb_diag_has(const struct sb_diag *diag, int line);

/*
 * " (did you mean 'x'?)" where a name is near, else " (valid: a, b, c)"; the caller frees it.
 */
char *sb_diag_hint(const char *word, const char *const *names, size_t n);

/* Prints what was collected in line order and forgets it; returns how many there were. */
size_t sb_diag_flush(struct sb_diag *diag, FILE *out);
/* Forgets it unsaid. */
void sb_diag_free(struct sb_diag *diag);

/* A text of several lines, with everything else in it that would steer a terminal made visible. */
void sb_print_visible(const char *text, FILE *out);

/* "scullbench: ..." to standard error, at once. */
void sb_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sb_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
