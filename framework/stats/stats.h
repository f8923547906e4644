/*
 * Summaries, intervals, tests and verdicts. Pure functions: the same samples give the same numbers,
 * resampling included (its seed is an argument). Nothing is dropped: what was measured counts.
 * docs/methodology.md says which rule stands behind each, and the tests hold them against R.
 */
#ifndef SB_STATS_STATS_H
#define SB_STATS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The median and its interval by ranks. Where so few samples can't give the confidence asked for, low and
 * high are the smallest and the largest, and `coverage` says what those cover (n = 5: 0.9375); n = 1 has no
 * interval, coverage 0.
 */
struct sb_summary {
    size_t n;
    double median, min, max;
    double low, high, coverage;
    bool reached; /* coverage is at least the confidence asked for */
    double step;  /* of the instrument: values are known to ± so much; 0: exactly. Set by who knows it */
    bool bimodal; /* two groups far apart: the median of all may be neither's */
    size_t far;   /* samples further from the median than SB_FAR of it, which its interval needn't show */
};
#define SB_FAR 0.25

/*
 * How sure an interval or a test is to be. `anytime`: of a run that looked at its results as they came and
 * ended when it liked them. What is then said holds for all moments at once (Robbins 1970: a mixture over all
 * shares of signs, and Ville's inequality), which takes wider intervals than of a number of samples fixed
 * before.
 */
struct sb_level {
    double confidence; /* between 0 and 1 */
    bool anytime;
};
/* The least number of samples that have an interval at all: 6 for 95 %, 8 at any time. */
size_t sb_least_samples(struct sb_level level);

/* Sorts `samples` in place. n = 0 gives NaN throughout. */
struct sb_summary sb_summarise(double *samples, size_t n, struct sb_level level);

/*
 * A value with its resolution. It lies somewhere between low and high; one below its step is no number, for
 * all that is known is that it is smaller than that.
 */
struct sb_reading {
    double value, step; /* not negative; step 0: exact */
};
double sb_reading_low(struct sb_reading reading);
double sb_reading_high(struct sb_reading reading);
bool sb_reading_is_below(struct sb_reading reading);

/* The median's, and whether two medians are at least two steps apart: nearer ones can't be told from equal.
 */
struct sb_reading sb_reading_of(const struct sb_summary *summary);
bool sb_are_resolved(const struct sb_summary *x, const struct sb_summary *y);

/* How far the interval reaches from the median, as a share of it: what precision means. NaN without one. */
double sb_half_width(const struct sb_summary *summary);

/* Where the upper of two groups far apart begins in sorted samples; 0: there is one group. */
size_t sb_split_groups(const double *sorted, size_t n);

/* For qsort: doubles, ascending. */
int sb_by_value(const void *a, const void *b);

/* Sorts in place; the mean of the middle two of an even number (R's type 7). */
double sb_median(double *samples, size_t n);

/* The standard normal distribution, and its inverse (0 < p < 1). */
double sb_normal_p(double z);
double sb_normal_quantile(double p);

/*
 * Two-sided p of the Wilcoxon rank sum test: exact for fewer than 50 samples a side without ties, else the
 * normal approximation with continuity correction and the correction for ties; as R's wilcox.test decides.
 * NaN where a side is empty; 1 where all values are equal.
 */
double sb_rank_sum_p(const double *x, size_t nx, const double *y, size_t ny);

/* The smallest p that the exact test can give with so many samples: 2 / C(nx + ny, nx). */
double sb_smallest_p(size_t nx, size_t ny);

/* Likewise of n processes a side, or of n pairs within blocks, that all agree: by rank sums, by signs, or by
 * signs that may be looked at at any time. */
double sb_smallest_p_of(bool anytime, bool paired, size_t n);
/* How many processes it takes that so many comparisons can be separated at all, after Holm's correction. */
size_t sb_processes_needed(bool anytime, bool paired, size_t comparisons, double confidence);

/* Adjusts p values in place for their number (Holm 1979), as R's p.adjust. NaN stays NaN and isn't counted.
 */
void sb_holm(double *p, size_t n);

enum sb_interval_kind { SB_INTERVAL_PERCENTILE, SB_INTERVAL_BCA };

struct sb_ratio {
    double value;     /* the median of the ratios in blocks; or, where blocks is 0, of medians */
    double low, high; /* by ranks, or bootstrap; NaN where there are fewer than two samples */
    size_t blocks;    /* in each of which both sides were measured one soon after the other */
};

/*
 * Of n ratios that were each measured side by side, in a block or a process: what disturbs the one disturbs
 * the other, and cancels. The median, and sb_summarise's interval.
 */
struct sb_ratio sb_ratio_in_blocks(const double *ratios, size_t n, struct sb_level level);

/*
 * Two-sided p, at any time, of the hypothesis that half of all ratios lie over `bound`. It is under 1 -
 * confidence just where their anytime interval leaves `bound` out. Those on it count for the hypothesis.
 */
double sb_sign_p(const double *ratios, size_t n, double bound);
/* The same of numbers: `below` and `above` of n blocks. */
double sb_sign_p_of(size_t below, size_t above, size_t n);

/*
 * Two-sided p of the sign test that the median of n ratios is within `least` of 1; 1 where their own median
 * is. Of the nearer of the two bounds: exact for one look, as R's binom.test, or at any time.
 */
double sb_beyond_p(const double *ratios, size_t n, double least, bool anytime);

/* Resamples both sides on their own, 9999 times. Positive samples only. */
struct sb_ratio sb_ratio_of_medians(const double *x, size_t nx, const double *y, size_t ny, double confidence,
                                    enum sb_interval_kind kind, uint64_t seed);

enum sb_verdict {
    SB_VERDICT_NONE,
    SB_VERDICT_FASTER,
    SB_VERDICT_SLOWER,
    SB_VERDICT_NOT_SEPARATED,
    SB_VERDICT_NOT_RESOLVED, /* the instrument can't tell */
    SB_VERDICT_WITHIN        /* known to differ by less than what counts */
};
const char *sb_verdict_name(enum sb_verdict verdict);

/*
 * Separated: the adjusted p is under 1 - confidence and the interval leaves out 1. `more_is_better` turns a
 * ratio's direction into faster or slower. NONE where a number is missing.
 */
enum sb_verdict sb_judge(const struct sb_ratio *ratio, double adjusted_p, double confidence, bool more_is_better);

#endif
