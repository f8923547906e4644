/* Values as users write them: every size, time and percentage carries its unit. */
#ifndef SB_BASE_UNITS_H
#define SB_BASE_UNITS_H

#include <stdint.h>

#include "scullbench/abi.h"

/* In nanoseconds. */
#define SB_SECOND UINT64_C(1000000000)

/* Kinds of the host's own tables, beside enum sb_option_kind; plugins can't use them. */
enum sb_host_kind {
    SB_KIND_SHARE = 64, /* "1%", "0.5%", "off"    value.u in thousandths of a percent, off is 0 */
    SB_KIND_RATE,       /* "2000/s", "none"       value.u per second, none is 0 */
    SB_KIND_ROOM,       /* "64MiB", "auto"        value.u in bytes, auto is 0 */
    SB_KIND_COUNTS,     /* "5", "5..50"           value.u: the least in the lower 32 bits, the most in the upper
                         */
};

static inline uint32_t sb_counts_least(union sb_value value)
{
    return (uint32_t)value.u;
}
static inline uint32_t sb_counts_most(union sb_value value)
{
    return (uint32_t)(value.u >> 32);
}
/* Of SB_KIND_SHARE: 1% is 0.01. */
static inline double sb_share(union sb_value value)
{
    return (double)value.u / 1e5;
}

/*
 * Reads `text` as the option asks. Returns 0, or -EINVAL with a sentence in `*why` (the caller's to
 * free) that says what is wrong and what was expected. `value->s` borrows `text`.
 */
int sb_option_parse(const struct sb_option *option, const char *text, union sb_value *value, char **why);

/* A value as it would be written, of any kind but text; reads back as the same. The caller frees it. */
char *sb_option_write(const struct sb_option *option, uint64_t value);

/* What values an option takes, in words: "size from 8B to 4MiB", "yes or no". The caller frees it. */
char *sb_option_range(const struct sb_option *option);

/* The option of a table by name, or NULL. */
const struct sb_option *sb_option_find(const struct sb_option *table, uint32_t n, const char *name);

/* " (did you mean ...?)" for a key that isn't in the table. */
char *sb_option_hint(const struct sb_option *table, uint32_t n, const char *name);

/* "4KiB", "1500B": the largest unit that divides `bytes`. Exact: reads back as the same number. */
char *sb_format_size(uint64_t bytes);
/* "200ms", "1500us": the largest unit that divides, exact likewise. */
char *sb_format_time(uint64_t ns);

#endif
