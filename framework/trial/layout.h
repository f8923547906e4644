/*
 * Where things lie in a trial's address space. The kernel's randomisation is switched off; what it would have
 * randomised is drawn from the trial's own number instead, so that a trial can be repeated as it was, while
 * repetitions still sample layouts (Mytkowicz et al., ASPLOS 2009: the size of the environment alone moved
 * results by some percent).
 */
#ifndef SB_TRIAL_LAYOUT_H
#define SB_TRIAL_LAYOUT_H

#include "config/ini.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Our environment for a program that is to be laid out: with the variables of the allocator's section (or
 * NULL), room for libraries' static thread-local storage, and padded as `layout` says. `program` is the path
 * it is started by. The caller's to free.
 */
char **sb_layout_environment(const char *program, char *const *argv, const struct sb_ini_section *allocator,
                             uint64_t layout);
void sb_layout_free_environment(char **environment);

/* From here on programs that we start have no randomisation; returns what unfix() takes. */
int sb_layout_fix(void);
void sb_layout_unfix(int before);

/* Whether this program was started with such an environment. */
bool sb_layout_is_set(void);

/* Starts this program anew so, with `text` as its standard input. Returns only where it can't be started. */
void sb_layout_restart(char **argv, const char *text, size_t length, const struct sb_ini_section *allocator,
                       uint64_t layout);

/* Asks glibc for a tunable in programs that we start; one that the user has set stays. */
void sb_layout_want_tunable(const char *name, const char *value);

/* Whether the kernel's randomisation is off in this process, and a trial's warning where it isn't. */
bool sb_layout_is_fixed(void);
extern const char sb_layout_not_fixed[];

/* Shifts all later mappings (plugins, the memory file, thread stacks) and the end of the program's own heap.
 */
void sb_layout_shift_mappings(uint64_t layout);

/* Bytes, a multiple of 16, by which thread `thread` moves its stack. */
size_t sb_layout_stack_shift(uint64_t layout, uint32_t thread);

/* Bytes, a multiple of 16, that thread `thread` takes from its heap first. */
size_t sb_layout_heap_shift(uint64_t layout, uint32_t thread);

#endif
