/* Points of series, for charts and export alike. */
#include "analyse/series.h"

#include <math.h>
#include <string.h>

double sb_series_value(const struct sb_result *r, const char *name, int key, size_t i)
{
    for (size_t s = 0; s < r->series.n; s++) {
        if (r->series.at[s].key == key && !strcmp(r->series.at[s].name, name))
            return i < r->series.at[s].n ? r->series.at[s].at[i].y : (double)NAN;
    }
    return NAN;
}

const struct sb_series *sb_series_find(const struct sb_result *r, const char *name)
{
    for (size_t s = 0; s < r->series.n; s++) {
        if (!strcmp(r->series.at[s].name, name))
            return &r->series.at[s];
    }
    return NULL;
}

double sb_internal_fragmentation(const struct sb_result *r, size_t i)
{
    double requested = sb_series_value(r, SB_NAME(REQUESTED_BYTES), 0, i),
           handed = sb_series_value(r, SB_NAME(HANDED_BYTES), 0, i);
    return handed > 0 ? 100 * (1 - requested / handed) : (double)NAN;
}

bool sb_free_blocks_at(const struct sb_result *r, size_t i, uint64_t blocks[SB_NR_ORDERS])
{
    for (int order = 0; order < SB_NR_ORDERS; order++) {
        double n = sb_series_value(r, SB_NAME(FREE_BLOCKS), order, i);
        if (isnan(n))
            return false;
        blocks[order] = (uint64_t)n;
    }
    return true;
}

/* What every allocator has at every checkpoint: what the workload asked for. Other series are over other
 * things: threads, or pages. */
static const struct sb_series *checkpoints(const struct sb_result *r)
{
    return sb_series_find(r, SB_NAME(REQUESTED_BYTES));
}

size_t sb_series_points(const struct sb_result *r)
{
    const struct sb_series *s = checkpoints(r);
    return s ? s->n : 0;
}

double sb_series_operations(const struct sb_result *r, size_t i)
{
    const struct sb_series *s = checkpoints(r);
    return s && i < s->n ? s->at[i].x : (double)NAN;
}
