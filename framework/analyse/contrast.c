/* A difference that the instrument can't show is no difference that was measured: then there is neither ratio
 * nor p. */
#include "analyse/contrast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A ratio of medians needs both above zero, and so does each resample of either. */
static bool all_positive(const double *samples, size_t n)
{
    bool positive = true;
    for (size_t i = 0; i < n; i++)
        positive &= samples[i] > 0;
    return positive;
}

/* Sorting would change the order that resamples are drawn in. */
static struct sb_summary summary_of(const double *samples, size_t n, double step, struct sb_level level)
{
    double *copy = sb_calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = samples[i];
    struct sb_summary s = sb_summarise(copy, n, level);
    s.step = step;
    free(copy);
    return s;
}

/* Medians that are known to a step each leave the ratio no more certain than that, however alike processes
 * are. */
static void widen(struct sb_ratio *ratio, const struct sb_summary *x, const struct sb_summary *y)
{
    struct sb_reading a = sb_reading_of(x), b = sb_reading_of(y);
    if (!(a.step + b.step > 0) || isnan(ratio->low))
        return;
    ratio->low = fmin(ratio->low, sb_reading_low(a) / sb_reading_high(b));
    ratio->high = fmax(ratio->high, sb_reading_high(a) / sb_reading_low(b));
}

/* Both bounds must be left out, from the inside. */
static double p_beyond(const double *ratios, size_t n, double share, double median)
{
    if (!(share > 0) || fabs(median - 1) >= share)
        return NAN;
    return fmax(sb_sign_p(ratios, n, 1 - share), sb_sign_p(ratios, n, 1 + share));
}

/* Not where the two were measured apart, or hardly together. At any time only signs within blocks have a p.
 */
static void take_blocks(const struct sb_view *view, const struct sb_view_cell *x, const struct sb_view_cell *y,
                        const char *metric, struct sb_level level, struct sb_contrast *contrast)
{
    size_t n;
    double *ratios = sb_view_ratios(view, x, y, metric, &n);
    if (n > 1) {
        contrast->ratio = sb_ratio_in_blocks(ratios, n, level);
        if (level.anytime) {
            contrast->p = sb_sign_p(ratios, n, 1);
            contrast->p_beyond = p_beyond(ratios, n, sb_view_decide(view), contrast->ratio.value);
        }
    }
    free(ratios);
}

/* Measured by turns in the same processes: nothing else compares the two as well. */
static void take_pairs(const struct sb_view *view, const struct sb_view_cell *x, struct sb_level level, double least,
                       struct sb_contrast *contrast)
{
    size_t n;
    double *ratios = sb_view_samples(view, x, SB_NAME(PAIRED_RATIO), &n);
    if (n) {
        contrast->ratio = sb_ratio_in_blocks(ratios, n, level);
        contrast->p = n > 1 ? sb_beyond_p(ratios, n, least, level.anytime) : (double)NAN;
        contrast->p_beyond = p_beyond(ratios, n, sb_view_decide(view), contrast->ratio.value);
        contrast->paired = true;
    }
    free(ratios);
}

struct sb_contrast sb_contrast_pair(const struct sb_view *view, const struct sb_view_cell *x, struct sb_level level)
{
    struct sb_contrast contrast = {.ratio = {NAN, NAN, NAN, 0}, .p = NAN, .p_beyond = NAN, .resolved = true};
    double least;
    if (!sb_view_baseline(view, x->row->source, &least))
        return contrast;
    contrast.x = sb_view_metric(view, x, SB_NAME(OPS_PER_S));
    contrast.y = sb_view_metric(view, x, SB_NAME(BASELINE_OPS_PER_S));
    take_pairs(view, x, level, least, &contrast);
    return contrast;
}

static bool are_pair(const struct sb_view *view, const struct sb_view_cell *x, const struct sb_view_cell *y,
                     double *least)
{
    const char *baseline = sb_view_baseline(view, x->row->source, least);
    return baseline && x->row->source == y->row->source && !strcmp(baseline, y->row->allocator);
}

struct sb_contrast sb_contrast_of(const struct sb_view *xs, const struct sb_view_cell *x, const struct sb_view *ys,
                                  const struct sb_view_cell *y, const char *metric, struct sb_level level,
                                  enum sb_interval_kind kind)
{
    struct sb_contrast contrast = {.ratio = {NAN, NAN, NAN, 0}, .p = NAN, .p_beyond = NAN};
    double least;
    size_t nx, ny;
    double *a = sb_view_samples(xs, x, metric, &nx), *b = sb_view_samples(ys, y, metric, &ny);
    contrast.x = summary_of(a, nx, sb_view_step(xs, x, metric), (struct sb_level){level.confidence, xs->anytime});
    contrast.y = summary_of(b, ny, sb_view_step(ys, y, metric), (struct sb_level){level.confidence, ys->anytime});
    contrast.resolved = sb_are_resolved(&contrast.x, &contrast.y);
    if (nx && ny && contrast.resolved) {
        contrast.p = nx > 1 && ny > 1 ? sb_rank_sum_p(a, nx, b, ny) : NAN;
        /* Of a median that is shorter than the step only that much is known, and no ratio. */
        bool known =
            !sb_reading_is_below(sb_reading_of(&contrast.x)) && !sb_reading_is_below(sb_reading_of(&contrast.y));
        if (known && all_positive(a, nx) && all_positive(b, ny)) {
            if (xs == ys && !strcmp(metric, SB_NAME(OPS_PER_S)) && are_pair(xs, x, y, &least))
                take_pairs(xs, x, level, least, &contrast);
            else if (xs == ys)
                take_blocks(xs, x, y, metric, level, &contrast);
            if (!contrast.ratio.blocks)
                contrast.ratio = sb_ratio_of_medians(a, nx, b, ny, level.confidence, kind,
                                                     sb_hash(x->row->label) ^ sb_hash(y->row->label));
            widen(&contrast.ratio, &contrast.x, &contrast.y);
        }
    }
    free(a);
    free(b);
    return contrast;
}

double sb_contrast_ratio(const struct sb_view *view, const struct sb_view_cell *x, const struct sb_view_cell *y,
                         const char *metric)
{
    /* Against itself it is 1, whatever the instrument can tell. */
    if (x == y)
        return sb_view_metric(view, x, metric).median > 0 ? 1 : NAN;
    return sb_contrast_of(view, x, view, y, metric, sb_view_ratio_level(view), SB_INTERVAL_PERCENTILE).ratio.value;
}
