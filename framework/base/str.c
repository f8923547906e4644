/* Strings, growing arrays and name matching: the parts that every room stands on. */
#define _GNU_SOURCE
#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Without memory for its own few strings the host can't even store what failed. */
_Noreturn void sb_out_of_memory(void)
{
    fputs("scullbench: the host process is out of memory\n", stderr);
    abort();
}

/*
 * Doubling: n additions cost O(n) copies in all. New elements are zeroed, so that a half-filled one is
 * safe to free.
 */
void *sb_vec_grow(void *at, size_t *capacity, size_t n, size_t size)
{
    if (n == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 8;
        at = reallocarray(at, *capacity, size);
        if (!at)
            sb_out_of_memory();
    }
    memset((char *)at + n * size, 0, size);
    return at;
}

/* At least one byte: a table of nothing is still a pointer that may be freed. */
void *sb_calloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        sb_out_of_memory();
    return p;
}

char *sb_strndup(const char *s, size_t n)
{
    char *copy = strndup(s, n);
    if (!copy)
        sb_out_of_memory();
    return copy;
}

char *sb_strdup(const char *s)
{
    return sb_strndup(s, strlen(s));
}

/* Always ended by a zero, so that `at` is a string at any time. */
void sb_text_add(struct sb_text *text, const char *bytes, size_t n)
{
    if (text->n + n + 1 > text->capacity) {
        text->capacity = 2 * (text->n + n + 1);
        text->at = realloc(text->at, text->capacity);
        if (!text->at)
            sb_out_of_memory();
    }
    memcpy(text->at + text->n, bytes, n);
    text->n += n;
    text->at[text->n] = '\0';
}

static char *format_text(const char *format, va_list args)
{
    char *s;
    if (vasprintf(&s, format, args) < 0)
        sb_out_of_memory();
    return s;
}

void sb_text_printf(struct sb_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *s = format_text(format, args);
    va_end(args);
    sb_text_add(text, s, strlen(s));
    free(s);
}

char *sb_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *s = format_text(format, args);
    va_end(args);
    return s;
}

/* An empty text has no buffer yet, but printing must not care. */
const char *sb_text_get(const struct sb_text *text)
{
    return text->at ? text->at : "";
}

void sb_text_free(struct sb_text *text)
{
    free(text->at);
    *text = (struct sb_text){0};
}

/* Bytes above 0x7f pass: they are UTF-8 as a rule, and a terminal takes no orders from them. */
void sb_text_add_visible(struct sb_text *text, const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            sb_text_printf(text, "\\x%02x", (unsigned char)*s);
        else
            sb_text_add(text, s, 1);
    }
}

/* An empty list is one empty item: the caller says that an item is empty, with its line. */
struct sb_words sb_split(const char *list)
{
    struct sb_words words = {0};
    for (const char *start = list;; start++) {
        const char *end = strchrnul(start, ',');
        const char *stop = end;
        while (start < end && isspace((unsigned char)*start))
            start++;
        while (stop > start && isspace((unsigned char)stop[-1]))
            stop--;
        *SB_VEC_ADD(&words) = sb_strndup(start, (size_t)(stop - start));
        if (!*end)
            return words;
        start = end;
    }
}

/* Lists are short: names in a config, reasons in a table. */
bool sb_words_has(const struct sb_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++) {
        if (!strcmp(words->at[i], word))
            return true;
    }
    return false;
}

bool sb_words_add_once(struct sb_words *words, const char *word)
{
    if (sb_words_has(words, word))
        return false;
    *SB_VEC_ADD(words) = sb_strdup(word);
    return true;
}

size_t sb_words_number(struct sb_words *words, const char *word)
{
    size_t i = 0;
    sb_words_add_once(words, word);
    while (strcmp(words->at[i], word))
        i++;
    return i + 1;
}

void sb_words_free(struct sb_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->at[i]);
    SB_VEC_FREE(words);
}

/* Longer words are no slips of the finger; and the rows below stay on the stack. */
enum { NEAREST_MAX = 64 };

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
static size_t distance(const char *a, size_t la, const char *b, size_t lb)
{
    /* Three rows are enough: a swap looks back two. */
    size_t row[3][NEAREST_MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = row[i % 3], *above = row[(i + 2) % 3], *above2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t cost = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            size_t best = above[j - 1] + cost;
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[la % 3][lb];
}

/* A third of the length may differ: "slbu" finds slub, "x" finds nothing. */
const char *sb_nearest(const char *word, const char *const *names, size_t n)
{
    size_t length = strlen(word);
    const char *best = NULL;
    size_t best_distance = 0;
    if (length > NEAREST_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > NEAREST_MAX)
            continue;
        size_t d = distance(word, length, names[i], other);
        size_t longer = length > other ? length : other;
        if (d * 3 <= longer + 1 && (!best || d < best_distance)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

/* Greedy with one point to come back to, so linear in practice and without recursion. */
bool sb_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* FNV-1a: the same on every machine and in every version, as file names and keys of the cache need it. */
uint64_t sb_hash(const char *s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return hash;
}

/* Never in the middle of a character: half of one would make a whole SVG invalid. */
size_t sb_utf8_cut(const char *s, size_t most)
{
    size_t n = strlen(s), keep = n < most ? n : most;
    while (keep && keep < n && ((unsigned char)s[keep] & 0xc0) == 0x80)
        keep--;
    return keep;
}

/* How many bytes the valid UTF-8 sequence at `s` has, or 0. */
static size_t utf8_length(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t n = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (n == 1)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

char *sb_utf8_clean(const char *text)
{
    struct sb_text good = {0};
    sb_text_add(&good, "", 0);
    while (*text) {
        size_t n = utf8_length(text);
        sb_text_add(&good, n ? text : "\xef\xbf\xbd", n ? n : 3);
        text += n ? n : 1;
    }
    return good.at;
}

/* RFC 4180: quoted only where need be, so that simple tables stay readable. */
void sb_text_add_csv(struct sb_text *text, const char *s)
{
    if (!strpbrk(s, ",\"\n\r")) {
        sb_text_add(text, s, strlen(s));
        return;
    }
    sb_text_add(text, "\"", 1);
    for (; *s; s++)
        sb_text_printf(text, *s == '"' ? "\"\"" : "%c", *s);
    sb_text_add(text, "\"", 1);
}
