/* Decides which cells and which runs may be compared. */
#ifndef SB_ANALYSE_COMPARABLE_H
#define SB_ANALYSE_COMPARABLE_H

#include "analyse/view.h"

/* Same work, same parallelism, same swept settings; `siblings`: but for their own, of one allocator as well. */
bool sb_are_comparable(const struct sb_cell_row *a, const struct sb_cell_row *b, bool siblings);

/* Whether a cell's allocator, or its variant, has the name. */
bool sb_is_named(const struct sb_view_cell *cell, const char *name);

/*
 * Of two runs of which the second is compared with the first: machine, settings and builds. Remarks go to `notes`. 0,
 * or -EXDEV with a line for each difference in `*why` unless they are compared `anyway`.
 */
int sb_check_conditions(const struct sb_view *first, const struct sb_view *second, const char *baseline, bool anyway,
                        struct sb_words *notes, char **why);

#endif
