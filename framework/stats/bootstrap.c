/*
 * The bootstrap of a ratio of medians, each side resampled on its own (Davison and Hinkley 1997, ch. 5):
 * percentile and BCa intervals, both from 9999 resamples, so that the ends of a 95 % interval are order
 * statistics.
 */
#include "base/str.h"
#include "scullbench/random.h"
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 9999 };

/* Insertion is the fastest way to sort the few dozen samples that there are. */
static double resampled_median(const double *from, double *scratch, size_t n, struct sb_random *random)
{
    for (size_t i = 0; i < n; i++) {
        double v = from[sb_random_below(random, n)];
        size_t j = i;
        for (; j && scratch[j - 1] > v; j--)
            scratch[j] = scratch[j - 1];
        scratch[j] = v;
    }
    return n % 2 ? scratch[n / 2] : (scratch[n / 2 - 1] + scratch[n / 2]) / 2;
}

/* The value of the sorted resamples at `share`, between two order statistics where it falls there. */
static double quantile(const double *sorted, double share)
{
    double at = (RESAMPLES + 1) * share - 1;
    if (at <= 0)
        return sorted[0];
    if (at >= RESAMPLES - 1)
        return sorted[RESAMPLES - 1];
    size_t i = (size_t)at;
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

/* Sorted anew each time: samples are tens of processes. */
static double median_without(const double *x, double *scratch, size_t n, size_t left_out)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (i != left_out)
            scratch[m++] = x[i];
    }
    return sb_median(scratch, m);
}

/* The jackknife's influence values of one side, summed in the powers that the acceleration takes. */
static void add_influence(const double *x, size_t n, double other, bool on_top, double value, double *scratch,
                          double *squares, double *cubes)
{
    for (size_t i = 0; i < n; i++) {
        double m = median_without(x, scratch, n, i);
        double l = (double)(n - 1) * (value - (on_top ? m / other : other / m));
        *squares += l * l;
        *cubes += l * l * l;
    }
}

/* Efron 1987: the percentiles moved by the bias of the resamples and by how the spread changes with the
 * value. */
static void bca_shares(const double *sorted, double value, double acceleration, double shares[2])
{
    size_t below = 0;
    for (size_t i = 0; i < RESAMPLES; i++)
        below += sorted[i] < value;
    double p = fmin(fmax((double)below / RESAMPLES, 1.0 / (RESAMPLES + 1)), 1 - 1.0 / (RESAMPLES + 1));
    double bias = sb_normal_quantile(p);
    for (int i = 0; i < 2; i++) {
        double z = bias + sb_normal_quantile(shares[i]);
        shares[i] = sb_normal_p(bias + z / (1 - acceleration * z));
    }
}

struct sb_ratio sb_ratio_of_medians(const double *x, size_t nx, const double *y, size_t ny, double confidence,
                                    enum sb_interval_kind kind, uint64_t seed)
{
    struct sb_ratio r = {NAN, NAN, NAN, 0};
    struct sb_random random = sb_random_fork(seed, nx * 1000 + ny);
    double shares[2] = {(1 - confidence) / 2, 1 - (1 - confidence) / 2};
    if (!nx || !ny)
        return r;
    /* Medians sort in place, and the samples are the caller's. */
    double *scratch = sb_calloc(nx + ny, sizeof(*scratch)), *ratios = sb_calloc(RESAMPLES, sizeof(*ratios));
    memcpy(scratch, x, nx * sizeof(*x));
    double top = sb_median(scratch, nx);
    memcpy(scratch, y, ny * sizeof(*y));
    double bottom = sb_median(scratch, ny);
    r.value = top / bottom;
    if (nx < 2 || ny < 2)
        goto out;
    /* Each side by itself: processes of two allocators are no pairs. */
    for (size_t i = 0; i < RESAMPLES; i++) {
        double a = resampled_median(x, scratch, nx, &random);
        ratios[i] = a / resampled_median(y, scratch, ny, &random);
    }
    qsort(ratios, RESAMPLES, sizeof(*ratios), sb_by_value);
    if (kind == SB_INTERVAL_BCA) {
        double squares = 0, cubes = 0;
        add_influence(x, nx, bottom, true, r.value, scratch, &squares, &cubes);
        add_influence(y, ny, top, false, r.value, scratch, &squares, &cubes);
        bca_shares(ratios, r.value, squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0, shares);
    }
    r.low = quantile(ratios, shares[0]);
    r.high = quantile(ratios, shares[1]);
out:
    free(scratch);
    free(ratios);
    return r;
}
