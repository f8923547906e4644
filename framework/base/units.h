/* Values as users write them: every size, time and percentage carries its unit. */
#ifndef SB_BASE_UNITS_H
#define SB_BASE_UNITS_H

#include <stdint.h>

#include "scullbench/abi.h"

/*
 * Reads `text` as the option asks. Returns 0, or -EINVAL with a sentence in `*why` (the caller's to
 * free) that says what is wrong and what was expected. `value->s` borrows `text`.
 */
int sb_option_parse(const struct sb_option *option, const char *text, union sb_value *value, char **why);

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
