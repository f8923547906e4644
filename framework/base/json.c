/* JSON through jansson, which stays behind this file. */
#include "base/json.h"

#include "base/str.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* struct sb_json is never defined: it is jansson's json_t under a name of ours. */
static json_t *in(struct sb_json *value)
{
    return (json_t *)value;
}

static const json_t *look(const struct sb_json *value)
{
    return (const json_t *)value;
}

/* jansson says NULL only when memory is out, as sb_calloc treats it. */
static struct sb_json *out(json_t *value)
{
    if (!value)
        abort();
    return (struct sb_json *)value;
}

struct sb_json *sb_json_object(void)
{
    return out(json_object());
}

struct sb_json *sb_json_array(void)
{
    return out(json_array());
}

void sb_json_free(struct sb_json *value)
{
    json_decref(in(value));
}

/* jansson refuses what isn't UTF-8 and would lose the whole text; a replaced byte loses one. */
static json_t *make_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    if (!value) {
        char *good = sb_utf8_clean(text);
        value = json_string(good);
        free(good);
    }
    return value;
}

/* Keys come from users, too: names of metrics that a plugin counts. */
void sb_json_set(struct sb_json *object, const char *key, struct sb_json *value)
{
    char *good = sb_utf8_clean(key);
    if (json_object_set_new(in(object), good, in(value)))
        abort();
    free(good);
}

void sb_json_set_text(struct sb_json *object, const char *key, const char *text)
{
    sb_json_set(object, key, out(make_text(text)));
}

void sb_json_set_int(struct sb_json *object, const char *key, int64_t number)
{
    sb_json_set(object, key, out(json_integer(number)));
}

/* JSON has no NaN: null is read back as "not there", which is what it is. */
void sb_json_set_real(struct sb_json *object, const char *key, double number)
{
    sb_json_set(object, key, out(isfinite(number) ? json_real(number) : json_null()));
}

void sb_json_add(struct sb_json *array, struct sb_json *value)
{
    if (json_array_append_new(in(array), in(value)))
        abort();
}

void sb_json_add_real(struct sb_json *array, double number)
{
    sb_json_add(array, out(isfinite(number) ? json_real(number) : json_null()));
}

const struct sb_json *sb_json_get(const struct sb_json *object, const char *key)
{
    return (const struct sb_json *)json_object_get(look(object), key);
}

const char *sb_json_text(const struct sb_json *object, const char *key)
{
    return json_string_value(look(sb_json_get(object, key)));
}

/* What is missing or of another kind is the caller's fallback: files may be of other versions. */
int64_t sb_json_int(const struct sb_json *object, const char *key, int64_t fallback)
{
    const json_t *value = look(sb_json_get(object, key));
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double sb_json_real(const struct sb_json *object, const char *key, double fallback)
{
    const json_t *value = look(sb_json_get(object, key));
    return json_is_number(value) ? json_number_value(value) : fallback;
}

bool sb_json_has(const struct sb_json *object, const char *key)
{
    const json_t *value = look(sb_json_get(object, key));
    return value && !json_is_null(value);
}

size_t sb_json_length(const struct sb_json *array)
{
    return json_array_size(look(array));
}

const struct sb_json *sb_json_at(const struct sb_json *array, size_t i)
{
    return (const struct sb_json *)json_array_get(look(array), i);
}

/* NaN, which every reader of numbers leaves out, as null is. */
double sb_json_number(const struct sb_json *value)
{
    return json_is_number(look(value)) ? json_number_value(look(value)) : (double)NAN;
}

char *sb_json_print(const struct sb_json *value, bool indent)
{
    char *text = json_dumps(look(value), indent ? JSON_INDENT(2) : JSON_COMPACT);
    if (!text)
        abort();
    return text;
}

/* Where in the text the error lies would help nobody: lines are machine-made. */
struct sb_json *sb_json_parse(const char *text, size_t length)
{
    json_error_t error;
    return (struct sb_json *)json_loadb(text, length, 0, &error);
}
