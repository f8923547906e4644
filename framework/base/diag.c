/* The diagnostic channel: collected errors of a file, and messages at once. */
#define _GNU_SOURCE
#include "base/diag.h"

#include "base/str.h"

#include <stdarg.h>
#include <string.h>

/* Collected and not printed: a file is read to its end, and all its mistakes come out in the order of
   its lines. */
void sb_diag_at(struct sb_diag *diag, int line, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    struct sb_diag_entry *entry = SB_VEC_ADD(diag);
    *entry = (struct sb_diag_entry){line, diag->n, text};
}

/* One near name, or all of them: a reader never has to open the manual for a list. */
char *sb_diag_hint(const char *word, const char *const *names, size_t n)
{
    const char *near = sb_nearest(word, names, n);
    struct sb_text text = {0};
    if (near) {
        sb_text_printf(&text, " (did you mean '%s'?)", near);
        return text.at;
    }
    sb_text_printf(&text, " (valid:");
    for (size_t i = 0; i < n; i++)
        sb_text_printf(&text, "%s %s", i ? "," : "", names[i]);
    sb_text_printf(&text, ")");
    return text.at;
}

/* Stable by sequence: two errors of one line stay in the order in which they were found. */
static int by_line(const void *a, const void *b)
{
    const struct sb_diag_entry *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->sequence < y->sequence ? -1 : 1;
}

size_t sb_diag_flush(struct sb_diag *diag, FILE *out)
{
    size_t n = diag->n;
    if (n)
        qsort(diag->at, n, sizeof(*diag->at), by_line);
    for (size_t i = 0; i < n; i++) {
        struct sb_text text = {0};
        sb_text_add_visible(&text, diag->at[i].text);
        int line = diag->at[i].line;
        /* Overrides have no line; they are numbered downwards from -1. */
        if (line < 0)
            fprintf(out, "--set %s: %s\n", diag->overrides[-line - 1], sb_text_get(&text));
        else if (line)
            fprintf(out, "%s:%d: %s\n", diag->file, line, sb_text_get(&text));
        else
            fprintf(out, "%s: %s\n", diag->file, sb_text_get(&text));
        sb_text_free(&text);
        free(diag->at[i].text);
    }
    SB_VEC_FREE(diag);
    return n;
}

void sb_diag_free(struct sb_diag *diag)
{
    for (size_t i = 0; i < diag->n; i++)
        free(diag->at[i].text);
    SB_VEC_FREE(diag);
}

/* Through the same filter as collected messages: a plugin's words may hold anything. */
static void say(const char *kind, const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    /* Other programs' words have several lines; each bears our name, and nothing but line ends steers. */
    char *state = NULL;
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        struct sb_text visible = {0};
        sb_text_add_visible(&visible, line);
        fprintf(stderr, "scullbench: %s%s\n", kind, sb_text_get(&visible));
        sb_text_free(&visible);
    }
    free(text);
}

void sb_print_visible(const char *text, FILE *out)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        fprintf(out, (c < 0x20 && c != '\n') || c == 0x7f ? "\\x%02x" : "%c", c);
    }
}

void sb_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void sb_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("warning: ", format, args);
    va_end(args);
}

bool sb_diag_has(const struct sb_diag *diag, int line)
{
    for (size_t i = 0; i < diag->n; i++) {
        if (diag->at[i].line == line)
            return true;
    }
    return false;
}
