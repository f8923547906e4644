/* Sections against tables of options. */
#ifndef SB_CONFIG_SECTION_H
#define SB_CONFIG_SECTION_H

#include "config/ini.h"

#include "base/units.h"
#include "scullbench/abi.h"

/* Where SECTION.KEY is cut: at its last dot, or before `env.`, whose names may have dots; NULL without one.
 */
const char *sb_sweep_dot(const char *path);

/* `env.NAME = value` of an [allocator] section: the environment of its trials. The name, or NULL for another
 * key. */
const char *sb_env_name(const char *key);

/*
 * Reads the entries of `section` against `table` into `values`, defaults first. Unknown keys and bad
 * values are collected, but for the key `skip` and, where there is one, those of the environment. `section`
 * may be NULL: all defaults.
 */
void sb_read_section(const struct sb_ini_section *section, const char *what, const struct sb_option *table, uint32_t n,
                     const char *skip, union sb_value *values, struct sb_diag *diag);

#endif
