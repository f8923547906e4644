/* Long arrays as text, a line each: readable by any tool, and small enough. */
#include "store/arrays.h"

#include <stdlib.h>
#include <string.h>

/* 17 digits give every double back exactly. */
char *sb_points_text(const struct sb_series *series)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < series->n; i++)
        sb_text_printf(&text, "%s%.17g %.17g", i ? "\n" : "", series->at[i].x, series->at[i].y);
    return text.at;
}

char *sb_counts_text(const struct sb_latencies *l)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < l->buckets; i++)
        sb_text_printf(&text, "%s%u %llu", i ? "\n" : "", l->at[i].index, (unsigned long long)l->at[i].count);
    return text.at;
}

void sb_read_points(const char *points, struct sb_series *series)
{
    while (points && *points) {
        char *end;
        struct sb_point point;
        point.x = strtod(points, &end);
        point.y = strtod(end, &end);
        if (end == points)
            break;
        *SB_VEC_ADD(series) = point;
        points = end + strspn(end, "\n");
    }
}

/* An index beyond the buckets would be from a finer histogram of a later version, which raises the
   schema: here it is a damaged file, and the rest of the row isn't believed. */
void sb_read_counts(const char *counts, struct sb_latencies *l)
{
    while (counts && *counts) {
        char *end;
        unsigned long index = strtoul(counts, &end, 10);
        unsigned long long count = strtoull(end, &end, 10);
        if (end == counts || index >= SB_HISTOGRAM_BUCKETS)
            break;
        sb_latencies_bucket(l, (uint32_t)index, count);
        counts = end + strspn(end, "\n");
    }
}
