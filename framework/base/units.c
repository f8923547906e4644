/* Reading and writing values with units, and the option tables built on them. */
#include "base/units.h"

#include "base/diag.h"
#include "base/gfp.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whole factors alone: a value is kept in the smallest unit, exactly. */
struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, as formatting wants them. */
static const struct unit size_units[] = {
    {"GiB", UINT64_C(1) << 30}, {"MiB", UINT64_C(1) << 20}, {"KiB", UINT64_C(1) << 10}, {"B", 1}};
static const struct unit time_units[] = {
    {"min", UINT64_C(60000000000)}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
static const struct unit percent_units[] = {{"%", 1}};
static const struct unit rate_units[] = {{"/s", 1}};

/* As messages list them: of the table's order the smallest first. */
static const char *const unit_names[] = {"B, KiB, MiB or GiB", "ns, us, ms, s or min", "%", "/s"};

/* Kinds without units have no table; their numbers stand alone. */
static const struct unit *units_of(uint32_t kind, size_t *n, const char **names)
{
    switch (kind) {
    case SB_OPTION_SIZE:
    case SB_KIND_ROOM:
        *n = SB_COUNT(size_units);
        *names = unit_names[0];
        return size_units;
    case SB_OPTION_TIME:
        *n = SB_COUNT(time_units);
        *names = unit_names[1];
        return time_units;
    case SB_OPTION_PERCENT:
        *n = SB_COUNT(percent_units);
        *names = unit_names[2];
        return percent_units;
    case SB_KIND_RATE:
        *n = SB_COUNT(rate_units);
        *names = unit_names[3];
        return rate_units;
    default:
        *n = 0;
        *names = "";
        return NULL;
    }
}

/* The largest unit that divides it: nothing is rounded, so what is printed can be read back. */
static char *format_units(uint64_t value, const struct unit *units, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (value && value % units[i].factor == 0)
            return sb_printf("%llu%s", (unsigned long long)(value / units[i].factor), units[i].name);
    }
    return sb_printf("%llu%s", (unsigned long long)value, units[n - 1].name);
}

char *sb_format_size(uint64_t bytes)
{
    return format_units(bytes, size_units, SB_COUNT(size_units));
}

char *sb_format_time(uint64_t ns)
{
    return format_units(ns, time_units, SB_COUNT(time_units));
}

/* As the user would write it, so that a range in a message can be pasted into the config. */
char *sb_option_write(const struct sb_option *option, uint64_t value)
{
    size_t n;
    const char *names;
    const struct unit *units = units_of(option->kind, &n, &names);
    if (option->kind == SB_OPTION_BOOL)
        return sb_strdup(value ? "yes" : "no");
    if (option->kind == SB_OPTION_ENUM)
        return sb_strdup(option->choices[value]);
    if (option->kind == SB_KIND_SHARE)
        return sb_printf("%g%%", (double)value / 1000);
    return units ? format_units(value, units, n) : sb_printf("%llu", (unsigned long long)value);
}

/* Kinds from SB_KIND_SHARE on are the host's own; plugins can't use them, for the ABI doesn't know them. */
static const char *kind_name(uint32_t kind)
{
    static const char *const names[] = {"",           "yes or no", "whole number", "size",     "time",
                                        "percentage", "one of",    "text",         "gfp flags"};
    if (kind == SB_KIND_SHARE)
        return "percentage";
    if (kind == SB_KIND_RATE)
        return "rate";
    if (kind == SB_KIND_ROOM)
        return kind_name(SB_OPTION_SIZE);
    if (kind == SB_KIND_COUNTS)
        return "number or range such as 5..50,";
    return kind < SB_COUNT(names) ? names[kind] : "?";
}

/* What stands for zero where a key can be left unused. */
static const char *absent_word(const struct sb_option *option)
{
    if (option->kind == SB_KIND_RATE)
        return "none";
    if (option->kind == SB_KIND_ROOM)
        return "auto";
    return option->kind == SB_KIND_SHARE && !option->min ? "off" : NULL;
}

char *sb_option_range(const struct sb_option *option)
{
    struct sb_text text = {0};
    sb_text_printf(&text, "%s", kind_name(option->kind));
    if (option->kind == SB_OPTION_ENUM) {
        for (const char *const *c = option->choices; *c; c++)
            sb_text_printf(&text, "%s %s", c == option->choices ? "" : ",", *c);
    } else if (option->kind == SB_OPTION_GFP) {
        sb_text_printf(&text, " as `describe gfp` lists them, joined by bars");
    } else if (option->max) {
        char *low = sb_option_write(option, option->min), *high = sb_option_write(option, option->max);
        sb_text_printf(&text, " from %s to %s", low, high);
        free(low);
        free(high);
    }
    const char *absent = absent_word(option);
    if (absent)
        sb_text_printf(&text, ", or %s", absent);
    return text.at;
}

/* Digits alone: no sign, no fraction, no exponent. */
static int read_digits(const char *text, uint64_t *value, const char **end)
{
    const char *p = text;
    uint64_t v = 0;
    bool overflow = false;
    for (; *p >= '0' && *p <= '9'; p++) {
        /* Read on to the end: the unit behind it may be the real mistake. */
        if (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            overflow = true;
    }
    *end = p;
    *value = v;
    if (p == text)
        return -EINVAL;
    return overflow ? -ERANGE : 0;
}

static int out_of_range(const struct sb_option *option, const char *text, char **why)
{
    char *range = sb_option_range(option);
    *why = sb_printf("'%s' is out of range; expected a %s", text, range);
    free(range);
    return -EINVAL;
}

/* Out of range is only said when everything else about the text is right: one mistake, one message. */
static int parse_number(const struct sb_option *option, const char *text, uint64_t *value, char **why)
{
    size_t n;
    uint64_t number = 0;
    const char *names, *rest = text;
    const struct unit *units = units_of(option->kind, &n, &names);
    int status = read_digits(text, &number, &rest);

    if (status == -EINVAL) {
        *why = sb_printf("'%s' is not a %s", text, kind_name(option->kind));
        return -EINVAL;
    }
    if (units) {
        size_t i = 0;
        /* "64 MiB" is how papers write it. */
        while (*rest == ' ')
            rest++;
        while (i < n && strcmp(units[i].name, rest))
            i++;
        if (i == n) {
            *why = *rest ? sb_printf("'%s' has an unknown unit '%s' (valid: %s)", text, rest, names)
                         : sb_printf("'%s' lacks its unit (%s)", text, names);
            return -EINVAL;
        }
        if (__builtin_mul_overflow(number, units[i].factor, &number))
            status = -ERANGE;
    } else if (*rest) {
        *why = sb_printf("'%s' is not a %s", text, kind_name(option->kind));
        return -EINVAL;
    }
    if (status == -ERANGE || (option->max && (number < option->min || number > option->max)))
        return out_of_range(option, text, why);
    *value = number;
    return 0;
}

/* Percent with up to three decimals, kept as whole thousandths: what is written is what is compared. */
static int parse_share(const struct sb_option *option, const char *text, uint64_t *value, char **why)
{
    uint64_t whole = 0, part = 0, place = 100;
    const char *rest = text;
    if (read_digits(text, &whole, &rest) == -EINVAL) {
        *why = sb_printf("'%s' is not a percentage", text);
        return -EINVAL;
    }
    if (*rest == '.') {
        for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
            if (!place && *rest != '0') {
                *why = sb_printf("'%s' has more than three decimals, which are kept", text);
                return -EINVAL;
            }
            part += place * (uint64_t)(*rest - '0');
            place /= 10;
        }
    }
    while (*rest == ' ')
        rest++;
    if (strcmp(rest, "%")) {
        *why = *rest ? sb_printf("'%s' has an unknown unit '%s' (valid: %%)", text, rest)
                     : sb_printf("'%s' lacks its unit (%%)", text);
        return -EINVAL;
    }
    /* Anything larger is out of every range, and must not wrap around into one. */
    *value = whole < 1000000 ? whole * 1000 + part : UINT64_MAX;
    return *value < option->min || *value > option->max ? out_of_range(option, text, why) : 0;
}

/* "5" is "5..5". */
static int parse_counts(const struct sb_option *option, const char *text, uint64_t *value, char **why)
{
    uint64_t least = 0, most = 0;
    const char *rest = text;
    int status = read_digits(text, &least, &rest);
    if (!status && !strncmp(rest, "..", 2))
        status = read_digits(rest + 2, &most, &rest);
    else
        most = least;
    if (status == -EINVAL || (!status && *rest)) {
        *why = sb_printf("'%s' is neither a whole number nor a range such as 5..50", text);
        return -EINVAL;
    }
    if (status || least < option->min || most > option->max)
        return out_of_range(option, text, why);
    if (most < least) {
        *why = sb_printf("'%s' ends before it begins", text);
        return -EINVAL;
    }
    /* Both ends in one word: an option has one value. */
    *value = most << 32 | least;
    return 0;
}

static size_t count_choices(const char *const *choices)
{
    size_t n = 0;
    while (choices[n])
        n++;
    return n;
}

/* Texts are compared whole and with case: `Yes`, `ye` and `TRUE` are mistakes, not variants. */
int sb_option_parse(const struct sb_option *option, const char *text, union sb_value *value, char **why)
{
    static const char *const no_yes[] = {"no", "yes", NULL};
    const char *const *choices = option->kind == SB_OPTION_BOOL ? no_yes : option->choices;
    const char *absent = absent_word(option);

    if (absent && !strcmp(text, absent)) {
        value->u = 0;
        return 0;
    }
    switch (option->kind) {
    case SB_OPTION_BOOL:
    case SB_OPTION_ENUM:
        for (uint64_t i = 0; choices[i]; i++) {
            if (!strcmp(choices[i], text)) {
                value->u = i;
                return 0;
            }
        }
        char *hint = sb_diag_hint(text, choices, count_choices(choices));
        *why = sb_printf("'%s' is not a valid value%s", text, hint);
        free(hint);
        return -EINVAL;
    case SB_OPTION_TEXT:
        value->s = text;
        return 0;
    case SB_OPTION_GFP: {
        sb_gfp_t gfp;
        int status = sb_gfp_read(text, &gfp, why);
        value->u = gfp;
        return status;
    }
    case SB_KIND_SHARE:
        return parse_share(option, text, &value->u, why);
    case SB_KIND_COUNTS:
        return parse_counts(option, text, &value->u, why);
    default:
        return parse_number(option, text, &value->u, why);
    }
}

const struct sb_option *sb_option_find(const struct sb_option *table, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!strcmp(table[i].name, name))
            return &table[i];
    }
    return NULL;
}

char *sb_option_hint(const struct sb_option *table, uint32_t n, const char *name)
{
    const char **names = sb_calloc(n, sizeof(*names));
    for (uint32_t i = 0; i < n; i++)
        names[i] = table[i].name;
    char *hint = sb_diag_hint(name, names, n);
    free(names);
    return hint;
}
