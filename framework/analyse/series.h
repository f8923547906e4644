/* Reading single points of a trial's series. */
#ifndef SB_ANALYSE_SERIES_H
#define SB_ANALYSE_SERIES_H

#include "measure/frag.h"
#include "trial/result.h"

#include <stdbool.h>

/* NaN where a series or point is missing: it is left out, never drawn as zero. */
double sb_series_value(const struct sb_result *r, const char *name, int key, size_t i);

const struct sb_series *sb_series_find(const struct sb_result *r, const char *name);

/* Share of the bytes handed out that nobody asked for, in percent; NaN where nothing is handed out or known.
 */
double sb_internal_fragmentation(const struct sb_result *r, size_t i);

/* The free blocks at one checkpoint; false where an order is missing. */
bool sb_free_blocks_at(const struct sb_result *r, size_t i, uint64_t blocks[SB_NR_ORDERS]);

/* How many checkpoints there are, and after how many operations the i-th was. */
size_t sb_series_points(const struct sb_result *r);
double sb_series_operations(const struct sb_result *r, size_t i);

#endif
