/*
 * Strict INI: what inih accepts silently is an error here, with file and line.
 *
 * The grammar: `[kind]` or `[kind name]`, `key = value`, comments that start a line with `;` or `#` or
 * follow a value behind ` ;`. Indentation is free, a line may have 4000 bytes, `${NAME}` anywhere in a
 * value is the environment's.
 */
#ifndef SB_CONFIG_INI_H
#define SB_CONFIG_INI_H

#include "base/diag.h"
#include "base/str.h"
#include "base/vec.h"

#include <stddef.h>

struct sb_ini_entry {
    char *key, *value;
    int line; /* < 0: the --set argument of that number */
};

struct sb_ini_section {
    char *kind, *name; /* name is "" in `[kind]` */
    int line;
    SB_VEC_OF(struct sb_ini_entry);
};

struct sb_ini {
    SB_VEC_OF(struct sb_ini_section);
    struct sb_words variables; /* "NAME=value" of each ${NAME} that was read */
};

/* Reads `text`; all errors are collected in `diag`, and what could be read is in the result. */
struct sb_ini sb_ini_parse(const char *text, size_t length, struct sb_diag *diag);
/* The same, with the variables of an earlier reading in place of the environment's. */
struct sb_ini sb_ini_parse_as(const char *text, size_t length, const struct sb_words *environment,
                              struct sb_diag *diag);
/*
 * The same for a text that a program wrote: a value is the rest of its line to the letter (no comment, no
 * ${NAME}), may be empty and of any length.
 */
struct sb_ini sb_ini_parse_literal(const char *text, size_t length, struct sb_diag *diag);
void sb_ini_free(struct sb_ini *ini);

/* NULL: it has none of that kind and name. */
const struct sb_ini_section *sb_ini_section(const struct sb_ini *ini, const char *kind, const char *name);
struct sb_ini_section *sb_ini_section_of(struct sb_ini *ini, const char *kind, const char *name);
struct sb_ini_section *sb_ini_add_section(struct sb_ini *ini, const char *kind, const char *name, int line);
struct sb_ini_entry *sb_ini_entry(const struct sb_ini_section *section, const char *key);
/* Adds the entry, or gives the one that is there another value. */
void sb_ini_set(struct sb_ini_section *section, const char *key, const char *value, int line);

#endif
