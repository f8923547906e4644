/* gfp masks as a config writes them: GFP_KERNEL|__GFP_ZERO. The table may be read by any thread. */
#ifndef SB_BASE_GFP_H
#define SB_BASE_GFP_H

#include <stddef.h>

#include "scullbench/allocator.h"

struct sb_gfp_row {
    const char *name, *help;
    sb_gfp_t value;
};
extern const struct sb_gfp_row sb_gfp_rows[];
extern const size_t sb_gfp_row_count;

/* Names joined by '|', blanks around them allowed. -EINVAL with a sentence in `*why` (the caller's to free). */
int sb_gfp_read(const char *text, sb_gfp_t *gfp, char **why);

#endif
