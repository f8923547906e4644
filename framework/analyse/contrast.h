/* Two cells held against each other in one metric: the one ratio and the one test that every output shows. */
#ifndef SB_ANALYSE_CONTRAST_H
#define SB_ANALYSE_CONTRAST_H

#include "analyse/view.h"

struct sb_contrast {
    struct sb_summary x, y;
    /* x over y, in blocks where they were measured so, else of the medians; its interval no narrower than
       their steps; NaN: a value is zero or missing, or a median below its step. */
    struct sb_ratio ratio;
    double p; /* rank sum, or of a run that ended by its results signs within blocks; NaN where a side has
                 fewer than two, or the medians are not resolved */
    /* Of a run that was to decide: p, at any time, of the ratio being further from 1 than what counts. Else
     * NaN. */
    double p_beyond;
    bool paired;   /* ratio and p are of pairs in one process; p that it is within the least difference that
                      counts */
    bool resolved; /* the medians are at least two steps of the metric apart, or it has no step */
};

/* Seeded by what is compared: the order of rows and the kind of output change nothing. */
struct sb_contrast sb_contrast_of(const struct sb_view *xs, const struct sb_view_cell *x, const struct sb_view *ys,
                                  const struct sb_view_cell *y, const char *metric, struct sb_level level,
                                  enum sb_interval_kind kind);

/*
 * The throughput of a cell whose processes had the baseline beside it: x is its rate, y the baseline's in the
 * same processes. `paired` is false where it has no such number.
 */
struct sb_contrast sb_contrast_pair(const struct sb_view *view, const struct sb_view_cell *x, struct sb_level level);

/* The ratio alone, as above; NaN where there is none. */
double sb_contrast_ratio(const struct sb_view *view, const struct sb_view_cell *x, const struct sb_view_cell *y,
                         const char *metric);

#endif
