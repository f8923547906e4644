/* The long arrays of a database as text, written and read: a series' points and a histogram's counts. */
#ifndef SB_STORE_ARRAYS_H
#define SB_STORE_ARRAYS_H

#include "trial/result.h"

/* "x y" a line. The caller frees it. */
char *sb_points_text(const struct sb_series *series);
/* "index count" a line, of the buckets that are not empty. The caller frees it. */
char *sb_counts_text(const struct sb_latencies *latencies);

/* Both add what the text holds, up to where it is damaged; NULL is an empty one. */
void sb_read_points(const char *points, struct sb_series *series);
void sb_read_counts(const char *counts, struct sb_latencies *latencies);

#endif
