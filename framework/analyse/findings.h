/* Remarks that every kind of output shows beside the numbers. */
#ifndef SB_ANALYSE_FINDINGS_H
#define SB_ANALYSE_FINDINGS_H

#include "analyse/view.h"

/* Warnings of the machine, the run and the trials, each once; the caller frees the words. */
struct sb_words sb_find_warnings(const struct sb_view *view);

/* Trials that the machine disturbed, and repetitions that have no number for it. */
struct sb_disturbance {
    size_t trials, lost;
};
struct sb_disturbance sb_find_disturbed(const struct sb_view *view);

/* "Only 5 of 10 planned trials ...", a sentence for each database whose run did not end. */
struct sb_words sb_find_unfinished(const struct sb_view *view);

/* What makes two databases those of one machine in one state, less load and temperature, which come and go: a
 * line for each difference. */
void sb_find_differences(const struct sb_data *a, const struct sb_data *b, struct sb_text *out);

/* "slab / scullv / ...: the reason", a line for each skipped cell. */
struct sb_words sb_find_skipped(const struct sb_view *view);

/* "trial 7, CELL, repetition 2: crashed: the reason", a line for each failed trial. */
struct sb_words sb_find_failed(const struct sb_view *view);

/* "name\tversion\tbuild-id" of plugins measured and of the libraries they loaded, each once. */
struct sb_words sb_find_builds(const struct sb_view *view);

/* A value of the cells' own settings, "duration" of [trial]: "100ms", "100ms or 200ms", or NULL. The caller
 * frees it. */
char *sb_find_setting(const struct sb_view *view, const char *section, const char *key);

#endif
