/*
 * JSON values: the one door to jansson. Objects keep the order in which keys were set.
 * Keys and texts need not be UTF-8: what isn't is replaced by U+FFFD, so that nothing is lost silently.
 */
#ifndef SB_BASE_JSON_H
#define SB_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sb_json; /* owned by whoever made it, until put into another value */

struct sb_json *sb_json_object(void);
struct sb_json *sb_json_array(void);
void sb_json_free(struct sb_json *value);

void sb_json_set_text(struct sb_json *object, const char *key, const char *text); /* NULL gives null */
void sb_json_set_int(struct sb_json *object, const char *key, int64_t number);
/* Infinities and NaN, which JSON lacks, become null. */
void sb_json_set_real(struct sb_json *object, const char *key, double number);
void sb_json_set(struct sb_json *object, const char *key, struct sb_json *value); /* takes value */
void sb_json_add(struct sb_json *array, struct sb_json *value);                   /* takes value */
void sb_json_add_real(struct sb_json *array, double number);

/* NULL, or what `fallback` says, where the key is missing or of another type. */
const char *sb_json_text(const struct sb_json *object, const char *key);
int64_t sb_json_int(const struct sb_json *object, const char *key, int64_t fallback);
double sb_json_real(const struct sb_json *object, const char *key, double fallback);
bool sb_json_has(const struct sb_json *object, const char *key); /* present and not null */
const struct sb_json *sb_json_get(const struct sb_json *object, const char *key);
size_t sb_json_length(const struct sb_json *array);
const struct sb_json *sb_json_at(const struct sb_json *array, size_t i);
double sb_json_number(const struct sb_json *value);

/* One line, or indented. The caller's to free. */
char *sb_json_print(const struct sb_json *value, bool indent);
/* NULL if `text` isn't one JSON value. */
struct sb_json *sb_json_parse(const char *text, size_t length);

#endif
