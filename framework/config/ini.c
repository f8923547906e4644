/*
 * The line reader in front of inih.
 *
 * inih (as distributions build it) splits lines at 200 bytes, cuts section names and keys at 49, takes an
 * indented key for a continuation, keeps no line numbers and accepts much in silence. So this reader checks
 * every line itself and hands inih only what it can't misread: a header becomes `[number]`, a pair becomes
 * `entry=number`, and what the numbers stand for is kept here.
 */
#define _GNU_SOURCE
#include "config/ini.h"

#include "base/str.h"

#include <ctype.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4000, KEY_MAX = 60 };

/* inih pulls lines and pushes entries: this is what lies between. */
struct reader {
    const char *text, *end;
    int line;
    bool literal;
    struct sb_ini *ini;
    struct sb_diag *diag;
    struct sb_ini_section pairs; /* every pair of the text, by the number that inih is given */
};

/* Sections and keys are found by looking through them: a config has dozens. */
struct sb_ini_section *sb_ini_section_of(struct sb_ini *ini, const char *kind, const char *name)
{
    for (size_t i = 0; i < ini->n; i++) {
        if (!strcmp(ini->at[i].kind, kind) && !strcmp(ini->at[i].name, name))
            return &ini->at[i];
    }
    return NULL;
}

const struct sb_ini_section *sb_ini_section(const struct sb_ini *ini, const char *kind, const char *name)
{
    return sb_ini_section_of((struct sb_ini *)ini, kind, name);
}

struct sb_ini_section *sb_ini_add_section(struct sb_ini *ini, const char *kind, const char *name, int line)
{
    struct sb_ini_section *section = SB_VEC_ADD(ini);
    section->kind = sb_strdup(kind);
    section->name = sb_strdup(name);
    section->line = line;
    return section;
}

struct sb_ini_entry *sb_ini_entry(const struct sb_ini_section *section, const char *key)
{
    for (size_t i = 0; i < section->n; i++) {
        if (!strcmp(section->at[i].key, key))
            return &section->at[i];
    }
    return NULL;
}

/* An override replaces the value and its line: a mistake in it is told as that of the override. */
void sb_ini_set(struct sb_ini_section *section, const char *key, const char *value, int line)
{
    struct sb_ini_entry *entry = sb_ini_entry(section, key);
    if (entry) {
        free(entry->value);
    } else {
        entry = SB_VEC_ADD(section);
        entry->key = sb_strdup(key);
    }
    entry->value = sb_strdup(value);
    entry->line = line;
}

void sb_ini_free(struct sb_ini *ini)
{
    for (size_t i = 0; i < ini->n; i++) {
        for (size_t j = 0; j < ini->at[i].n; j++) {
            free(ini->at[i].at[j].key);
            free(ini->at[i].at[j].value);
        }
        SB_VEC_FREE(&ini->at[i]);
        free(ini->at[i].kind);
        free(ini->at[i].name);
    }
    free(ini->at);
    sb_words_free(&ini->variables);
    *ini = (struct sb_ini){0};
}

/* In place; the result points into the text. */
static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

/* Cuts an inline comment: a `;` with a blank in front, as inih has it. */
static void cut_comment(char *s)
{
    for (char *p = s; *p; p++) {
        if (*p == ';' && p > s && isspace((unsigned char)p[-1])) {
            *p = '\0';
            return;
        }
    }
}

/* `[kind]` or `[kind name]`: a new section even where it is wrong, so that its keys aren't lost. */
static void read_header(struct reader *r, char *line)
{
    if (!r->literal)
        cut_comment(line);
    /* The last bracket: names may have some in them. */
    line = trim(line);
    char *close = strrchr(line, ']');
    struct sb_ini_section *before;
    if (!close) {
        sb_diag_at(r->diag, r->line, "the section header '%s' lacks its ']'", line);
        close = line + strlen(line);
    } else if (close[1]) {
        sb_diag_at(r->diag, r->line, "unexpected '%s' after the section header; put comments behind ' ;'",
                   trim(close + 1));
    }
    *close = '\0';
    char *kind = trim(line + 1);
    char *name = kind + strcspn(kind, " \t");
    if (*name)
        *name++ = '\0';
    name = trim(name);
    if (!*kind)
        sb_diag_at(r->diag, r->line, "the section header is empty; expected a name such as [experiment]");
    before = sb_ini_section_of(r->ini, kind, name);
    if (before && *kind)
        sb_diag_at(r->diag, r->line, "the section [%s%s%s] stands twice; first on line %d", kind, *name ? " " : "",
                   name, before->line);
    sb_ini_add_section(r->ini, kind, name, r->line);
}

/* What a key may be made of decides what a typo can look like. */
static bool good_key(const char *key)
{
    size_t n = strlen(key);
    if (!n || n > KEY_MAX)
        return false;
    for (; *key; key++) {
        if (!isalnum((unsigned char)*key) && !strchr("_.-", *key))
            return false;
    }
    return true;
}

/* Takes in `key = value`; returns its number, or -1 after a complaint. */
static long take_pair(struct reader *r, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals) {
        sb_diag_at(r->diag, r->line, "'%s' is neither a [section], a comment nor 'key = value'", line);
        return -1;
    }
    *equals = '\0';
    char *key = trim(line), *value = equals + 1;
    if (!good_key(key)) {
        sb_diag_at(r->diag, r->line, "'%s' is not a key; keys are 1 to %d letters, digits, '_', '-' and '.'", key,
                   KEY_MAX);
        return -1;
    }
    if (!r->literal)
        cut_comment(value);
    value = trim(value);
    if (!r->ini->n) {
        sb_diag_at(r->diag, r->line, "a key stands before the first [section]");
        return -1;
    }
    /* In a trial's text an empty value is one that the plan wrote. */
    if (!*value && !r->literal) {
        sb_diag_at(r->diag, r->line, "the key has no value");
        return -1;
    }
    struct sb_ini_entry *entry = SB_VEC_ADD(&r->pairs);
    *entry = (struct sb_ini_entry){sb_strdup(key), sb_strdup(value), r->line};
    return (long)r->pairs.n - 1;
}

/* One line of the text, checked; an empty line stands in for whatever inih shouldn't see. */
static char *take_line(char *buffer, int size, void *stream)
{
    struct reader *r = stream;
    if (r->text >= r->end)
        return NULL;
    const char *newline = memchr(r->text, '\n', (size_t)(r->end - r->text));
    const char *stop = newline ? newline : r->end;
    /* Lines end in \n or \r\n: trim() takes what is left of the latter. */
    size_t length = (size_t)(stop - r->text);
    char *line = sb_strndup(r->text, length), *start = trim(line);
    /* strndup stops at a NUL, so that a shorter copy tells. */
    bool binary = strlen(line) != length && memchr(r->text, '\0', length);
    r->line++;
    r->text = newline ? newline + 1 : r->end;
    snprintf(buffer, (size_t)size, "\n");
    if (binary) {
        /* Of a database or a program the rest would be thousands of such lines. */
        sb_diag_at(r->diag, r->line, "the line holds a NUL byte; a config is text");
        r->text = r->end;
    } else if (length > LINE_MAX_BYTES && !r->literal) {
        sb_diag_at(r->diag, r->line, "the line has %zu bytes; at most %d are read", length, LINE_MAX_BYTES);
    } else if (*start == '[') {
        read_header(r, start);
        snprintf(buffer, (size_t)size, "[%zu]\n", r->ini->n - 1);
    } else if (*start && *start != ';' && *start != '#') {
        long number = take_pair(r, start);
        if (number >= 0)
            snprintf(buffer, (size_t)size, "entry=%ld\n", number);
    }
    free(line);
    return buffer;
}

/* Called by inih for each stand-in, in the order of the lines. */
static int take_entry(void *user, const char *section_number, const char *name, const char *number)
{
    struct reader *r = user;
    struct sb_ini_section *section = &r->ini->at[strtoul(section_number, NULL, 10)];
    const struct sb_ini_entry *pair = &r->pairs.at[strtoul(number, NULL, 10)];
    const struct sb_ini_entry *before = sb_ini_entry(section, pair->key);
    (void)name;
    if (before)
        sb_diag_at(r->diag, pair->line, "the key '%s' stands twice in its section; first on line %d", pair->key,
                   before->line);
    else
        sb_ini_set(section, pair->key, pair->value, pair->line);
    return 1;
}

/* Of "NAME=value" words the value of one; NULL where there is none. */
static const char *recorded(const struct sb_words *environment, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < environment->n; i++) {
        if (!strncmp(environment->at[i], name, n) && environment->at[i][n] == '=')
            return environment->at[i] + n + 1;
    }
    return NULL;
}

/* Replaces each ${NAME}; the result is the caller's. */
static char *expand(struct sb_ini *ini, const char *value, const struct sb_words *environment, int line,
                    struct sb_diag *diag)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    while (*value) {
        bool opens = value[0] == '$' && value[1] == '{';
        const char *close = opens ? strchr(value, '}') : NULL;
        if (opens && !close)
            sb_diag_at(diag, line, "'%s' lacks the brace that ends the variable's name", value);
        if (!close) {
            sb_text_add(&text, value++, 1);
            continue;
        }
        char *name = sb_strndup(value + 2, (size_t)(close - value - 2));
        const char *content = environment ? recorded(environment, name) : getenv(name);
        /* Only in values, once: what a variable holds isn't looked through again. */
        if (content) {
            char *pair = sb_printf("%s=%s", name, content);
            sb_text_add(&text, content, strlen(content));
            sb_words_add_once(&ini->variables, pair);
            free(pair);
        } else {
            sb_diag_at(diag, line,
                       environment ? "the value that the variable '%s' had is not recorded"
                                   : "the environment has no variable '%s'",
                       name);
        }
        free(name);
        value = close + 1;
    }
    return text.at;
}

static struct sb_ini parse(const char *text, size_t length, bool literal, struct sb_diag *diag)
{
    struct sb_ini ini = {0};
    struct reader r = {.text = text, .end = text + length, .literal = literal, .ini = &ini, .diag = diag};
    /* The mark that some editors put in front of UTF-8. */
    if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        r.text += 3;
    ini_parse_stream(take_line, &r, take_entry, &r);
    for (size_t i = 0; i < r.pairs.n; i++) {
        free(r.pairs.at[i].key);
        free(r.pairs.at[i].value);
    }
    SB_VEC_FREE(&r.pairs);
    return ini;
}

struct sb_ini sb_ini_parse_literal(const char *text, size_t length, struct sb_diag *diag)
{
    return parse(text, length, true, diag);
}

struct sb_ini sb_ini_parse_as(const char *text, size_t length, const struct sb_words *environment, struct sb_diag *diag)
{
    struct sb_ini ini = parse(text, length, false, diag);
    for (size_t i = 0; i < ini.n; i++) {
        for (size_t j = 0; j < ini.at[i].n; j++) {
            struct sb_ini_entry *entry = &ini.at[i].at[j];
            char *expanded = expand(&ini, entry->value, environment, entry->line, diag);
            free(entry->value);
            entry->value = expanded;
        }
    }
    return ini;
}

struct sb_ini sb_ini_parse(const char *text, size_t length, struct sb_diag *diag)
{
    return sb_ini_parse_as(text, length, NULL, diag);
}
