/*
 * Where things lie in a trial's address space. The kernel's randomisation is switched off; what it would have
 * randomised is drawn from the trial's own number instead, so that a trial can be repeated as it was, while
 * repetitions still sample layouts (Mytkowicz et al., ASPLOS 2009: the size of the environment alone moved
 * results by some percent).
 */
#ifndef SB_TRIAL_LAYOUT_H
#define SB_TRIAL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Starts this program anew with `text` as its standard input, randomisation off, the environment padded as
 * `layout` says, and room for libraries' static thread-local storage. Returns only in the program so started,
 * or where it can't be started.
 */
void sb_layout_restart(char **argv, const char *text, size_t length, uint64_t layout);

/* Asks glibc for a tunable in the program that sb_layout_restart starts; one that the user has set stays. */
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
