/* Strings: building, comparing, and making them safe to show. Results are the caller's to free. */
#ifndef SB_BASE_STR_H
#define SB_BASE_STR_H

#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* A growing text, zero-initialised; `at` is NULL while nothing was added. Freed with SB_VEC_FREE. */
struct sb_text {
    SB_VEC_OF(char);
};

void sb_text_add(struct sb_text *text, const char *bytes, size_t n);
void sb_text_printf(struct sb_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *sb_text_get(const struct sb_text *text); /* never NULL */
void sb_text_free(struct sb_text *text);

char *sb_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *sb_strdup(const char *s);
char *sb_strndup(const char *s, size_t n);
void *sb_calloc(size_t n, size_t size);
/* Says so and ends the process; for what allocates by other means. */
_Noreturn void sb_out_of_memory(void);

/* A list as users write it: split at commas, blanks around each item off. */
struct sb_words {
    SB_VEC_OF(char *);
};
struct sb_words sb_split(const char *list);
bool sb_words_has(const struct sb_words *words, const char *word);
bool sb_words_add_once(struct sb_words *words, const char *word); /* false: it was there already */
/* The word's place in the list from 1, at whose end it is put where it isn't there. */
size_t sb_words_number(struct sb_words *words, const char *word);
void sb_words_free(struct sb_words *words);

/*
 * The name in `names` nearest to `word`, or NULL if none is near enough to be what was meant
 * (Damerau-Levenshtein distance over a third of the length). Ties go to the earlier name.
 */
const char *sb_nearest(const char *word, const char *const *names, size_t n);

/* The text with a replacement character for each byte that isn't UTF-8. The caller frees it. */
char *sb_utf8_clean(const char *text);

/* How many bytes of UTF-8 text `s`, `most` at most, end between characters. */
size_t sb_utf8_cut(const char *s, size_t most);

/* Whether `pattern`, in which `*` stands for any characters, matches the whole of `text`. */
bool sb_glob(const char *pattern, const char *text);

/* Adds `s` with control characters as \xNN, so that nothing a user names can steer a terminal. */
void sb_text_add_visible(struct sb_text *text, const char *s);

/* Adds `s` as a cell of CSV (RFC 4180): quotes around what needs them, quotes inside doubled. */
void sb_text_add_csv(struct sb_text *text, const char *s);

/* FNV-1a, 64 bits: fingerprints of texts, not a defence against malice. */
uint64_t sb_hash(const char *s);

#endif
