/* Medians by rank, the rank sum test, Holm's correction, and verdicts. */
#include "stats/stats.h"

#include "base/str.h"

#include <math.h>
#include <stdlib.h>

int sb_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle_of_sorted(const double *x, size_t n)
{
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

double sb_median(double *samples, size_t n)
{
    if (!n)
        return NAN;
    qsort(samples, n, sizeof(*samples), sb_by_value);
    return middle_of_sorted(samples, n);
}

/*
 * The rank of the interval's lower end, from 1, and what the interval covers: the largest k that leaves less
 * than half of 1 - confidence of Binomial(n, 1/2) below it. 0: there is none.
 */
static size_t fixed_rank(size_t n, double confidence, double *coverage)
{
    double tail = 0, p = exp(-(double)n * log(2)), half = (1 - confidence) / 2;
    size_t k = 0;
    /* Without an exact sum of tiny terms: up to a thousand samples none underflows. */
    while (k < n && tail + p < half) {
        tail += p;
        *coverage = 1 - 2 * tail;
        p *= (double)(n - k) / (double)(k + 1);
        k++;
    }
    return k;
}

/*
 * The mixture, over all shares that signs could have, of how much likelier s of n are than with a half: under
 * the half it exceeds 1 / alpha at any time with a probability of alpha at most.
 */
static double log_mixture(size_t s, size_t n)
{
    return (double)n * log(2) + lgamma((double)s + 1) + lgamma((double)(n - s) + 1) - lgamma((double)n + 2);
}

static size_t anytime_rank(size_t n, double confidence, double *coverage)
{
    size_t k = 0;
    while (2 * k < n && log_mixture(k, n) >= -log(1 - confidence))
        k++;
    if (k)
        *coverage = confidence;
    return k;
}

static size_t lower_rank(size_t n, struct sb_level level, double *coverage)
{
    return level.anytime ? anytime_rank(n, level.confidence, coverage) : fixed_rank(n, level.confidence, coverage);
}

size_t sb_least_samples(struct sb_level level)
{
    double coverage;
    size_t n = 2;
    while (!lower_rank(n, level, &coverage))
        n++;
    return n;
}

double sb_sign_p_of(size_t below, size_t above, size_t n)
{
    /* Who lies on it may be counted to either side, so to the lesser. */
    size_t less = below < above ? below : above, s = less + (n - below - above);
    return n ? fmin(1, exp(-log_mixture(2 * s < n ? s : n / 2, n))) : (double)NAN;
}

/* Both tails of Binomial(n, 1/2) from the smaller side on. */
static double sign_test_p(size_t less, size_t n)
{
    double p = exp(-(double)n * log(2)), tail = 0;
    for (size_t k = 0; k <= less; k++) {
        tail += p;
        p *= (double)(n - k) / (double)(k + 1);
    }
    return fmin(1, 2 * tail);
}

/* What sorts in place must not sort the caller's. */
static double *copy_of(const double *samples, size_t n)
{
    double *copy = sb_calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = samples[i];
    return copy;
}

double sb_beyond_p(const double *ratios, size_t n, double least, bool anytime)
{
    double *copy = copy_of(ratios, n), median = sb_median(copy, n);
    size_t inside = 0;
    free(copy);
    if (!n || fabs(median - 1) <= least)
        return n ? 1 : (double)NAN;
    for (size_t i = 0; i < n; i++)
        inside += median > 1 ? ratios[i] <= 1 + least : ratios[i] >= 1 - least;
    return anytime ? sb_sign_p_of(inside, n - inside, n) : sign_test_p(inside, n);
}

double sb_sign_p(const double *ratios, size_t n, double bound)
{
    size_t below = 0, above = 0;
    for (size_t i = 0; i < n; i++) {
        below += ratios[i] < bound;
        above += ratios[i] > bound;
    }
    return sb_sign_p_of(below, above, n);
}

/*
 * The widest gap between neighbours cuts ten samples or more in two. They are called two groups when each has
 * at least three of them and a fifth of all, and the gap is one and a half times what either group spans, and
 * a twentieth of the median: two levels of a few percent apart mislead nobody. Samples of one normal or
 * log-normal group look like that less than once in a hundred (a test draws them).
 */
size_t sb_split_groups(const double *x, size_t n)
{
    size_t cut = 0, least = n / 5 > 3 ? n / 5 : 3;
    double widest = 0;
    for (size_t i = 1; i < n; i++) {
        if (x[i] - x[i - 1] > widest) {
            widest = x[i] - x[i - 1];
            cut = i;
        }
    }
    if (n < 10 || cut < least || n - cut < least)
        return 0;
    bool apart = widest > 1.5 * (x[cut - 1] - x[0]) && widest > 1.5 * (x[n - 1] - x[cut]) &&
                 widest >= 0.05 * fabs(middle_of_sorted(x, n));
    return apart ? cut : 0;
}

struct sb_summary sb_summarise(double *samples, size_t n, struct sb_level level)
{
    struct sb_summary s = {.n = n, .median = NAN, .min = NAN, .max = NAN, .low = NAN, .high = NAN};
    if (!n)
        return s;
    s.median = sb_median(samples, n);
    s.min = samples[0];
    s.max = samples[n - 1];
    s.low = s.min;
    s.high = s.max;
    if (n == 1)
        return s;
    size_t k = lower_rank(n, level, &s.coverage);
    s.reached = k > 0;
    if (s.reached) {
        s.low = samples[k - 1];
        s.high = samples[n - k];
    } else {
        s.coverage = level.anytime ? 0 : 1 - exp2(1 - (double)n);
    }
    s.bimodal = sb_split_groups(samples, n) != 0;
    for (size_t i = 0; i < n; i++)
        s.far += fabs(samples[i] - s.median) > SB_FAR * fabs(s.median);
    return s;
}

struct sb_ratio sb_ratio_in_blocks(const double *ratios, size_t n, struct sb_level level)
{
    double *copy = copy_of(ratios, n);
    struct sb_summary s = sb_summarise(copy, n, level);
    free(copy);
    if (n < 2)
        return (struct sb_ratio){s.median, NAN, NAN, n};
    return (struct sb_ratio){s.median, s.low, s.high, n};
}

double sb_half_width(const struct sb_summary *s)
{
    if (s->n < 2 || !(fabs(s->median) > 0))
        return NAN;
    return fmax(s->high - s->median, s->median - s->low) / fabs(s->median);
}

double sb_normal_p(double z)
{
    return erfc(-z / sqrt(2)) / 2;
}

/* A rough start, then Newton's steps: the distribution is smooth and its inverse is asked for a few times
 * only. */
double sb_normal_quantile(double p)
{
    double z = p < 0.5 ? -sqrt(-2 * log(p)) : sqrt(-2 * log(1 - p));
    for (int i = 0; i < 60; i++) {
        double density = exp(-z * z / 2) / sqrt(2 * acos(-1));
        double step = (sb_normal_p(z) - p) / density;
        /* Far out a whole step would overshoot. */
        step = step > 1 ? 1 : step < -1 ? -1 : step;
        z -= step;
        if (fabs(step) < 1e-14)
            break;
    }
    return z;
}

/* ---- rank sum ---- */

/* In how many ways nx of the ranks 1 to nx + ny add up to each sum; additions alone, so that nothing cancels.
 */
static double *rank_sum_distribution(size_t nx, size_t ny)
{
    size_t n = nx + ny, most = nx * n;
    double *ways = sb_calloc((nx + 1) * (most + 1), sizeof(*ways));
    ways[0] = 1;
    for (size_t rank = 1; rank <= n; rank++) {
        for (size_t chosen = nx < rank ? nx : rank; chosen; chosen--) {
            for (size_t sum = most; sum >= rank; sum--)
                ways[chosen * (most + 1) + sum] += ways[(chosen - 1) * (most + 1) + sum - rank];
        }
    }
    return ways;
}

/* Both tails are summed, and twice the smaller is the answer, as wilcox.test has it. */
static double exact_p(double u, size_t nx, size_t ny)
{
    size_t most = nx * (nx + ny);
    double *ways = rank_sum_distribution(nx, ny), *mine = ways + nx * (most + 1), all = 0, below = 0, above = 0;
    double sum = u + (double)nx * (double)(nx + 1) / 2;
    for (size_t i = 0; i <= most; i++) {
        all += mine[i];
        below += (double)i <= sum ? mine[i] : 0;
        above += (double)i >= sum ? mine[i] : 0;
    }
    free(ways);
    return fmin(1, 2 * fmin(below, above) / all);
}

/* Half a rank nearer to the middle: the continuity correction. */
static double approximate_p(double u, size_t nx, size_t ny, double ties)
{
    double n = (double)(nx + ny), product = (double)nx * (double)ny, z = u - product / 2;
    double sigma = sqrt(product / 12 * (n + 1 - ties / (n * (n - 1))));
    if (!(sigma > 0))
        return 1;
    z = (z - (z > 0 ? 0.5 : z < 0 ? -0.5 : 0)) / sigma;
    return fmin(1, 2 * sb_normal_p(-fabs(z)));
}

struct ranked {
    double value;
    bool first; /* of x */
};

static int by_rank(const void *a, const void *b)
{
    return sb_by_value(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

double sb_rank_sum_p(const double *x, size_t nx, const double *y, size_t ny)
{
    size_t n = nx + ny;
    double sum = 0, ties = 0;
    if (!nx || !ny)
        return NAN;
    struct ranked *all = sb_calloc(n, sizeof(*all));
    for (size_t i = 0; i < n; i++)
        all[i] = i < nx ? (struct ranked){x[i], true} : (struct ranked){y[i - nx], false};
    qsort(all, n, sizeof(*all), by_rank);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && !(all[j].value > all[i].value); j++)
            ;
        /* Tied values share the mean of their ranks, and take away from the variance. */
        double rank = (double)(i + 1 + j) / 2, length = (double)(j - i);
        ties += length * length * length - length;
        for (size_t k = i; k < j; k++)
            sum += all[k].first ? rank : 0;
    }
    free(all);
    double u = sum - (double)nx * (double)(nx + 1) / 2;
    return nx < 50 && ny < 50 && !(ties > 0) ? exact_p(u, nx, ny) : approximate_p(u, nx, ny, ties);
}

void sb_holm(double *p, size_t n)
{
    size_t *order = sb_calloc(n, sizeof(*order)), m = 0;
    double floor = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = m;
        if (isnan(p[i]))
            continue;
        for (; j && p[order[j - 1]] > p[i]; j--)
            order[j] = order[j - 1];
        order[j] = i;
        m++;
    }
    for (size_t i = 0; i < m; i++) {
        /* Never below the one before: a larger p must not come out as the more certain. */
        floor = fmax(floor, fmin(1, (double)(m - i) * p[order[i]]));
        p[order[i]] = floor;
    }
    free(order);
}

/* ---- verdicts ---- */

double sb_reading_low(struct sb_reading r)
{
    return r.step > 0 ? fmax(0, r.value - r.step) : r.value;
}

double sb_reading_high(struct sb_reading r)
{
    return r.value + r.step;
}

bool sb_reading_is_below(struct sb_reading r)
{
    /* One step, read back from a bucket of a histogram, is a little less than a step. */
    const double bucket = 1.0 / 128;
    return r.step > 0 && r.value < r.step * (1 - bucket);
}

struct sb_reading sb_reading_of(const struct sb_summary *s)
{
    return (struct sb_reading){s->median, s->step};
}

/* Each of the two may be off by a step, towards the other. Of products of doubles the last digit is not to
 * decide. */
bool sb_are_resolved(const struct sb_summary *x, const struct sb_summary *y)
{
    const double rounding = 1e-9;
    double step = fmax(x->step, y->step);
    return !(step > 0) || fabs(x->median - y->median) >= 2 * step * (1 - rounding);
}

static const char *const verdicts[] = {"not compared", "faster", "slower", "not separated", "not resolved", "within"};

const char *sb_verdict_name(enum sb_verdict verdict)
{
    return verdicts[verdict];
}

double sb_smallest_p(size_t nx, size_t ny)
{
    /* Of all ways to deal the ranks one in each tail is the most extreme. */
    double ways = 1;
    for (size_t i = 1; i <= nx; i++)
        ways = ways * (double)(ny + i) / (double)i;
    return fmin(1, 2 / ways);
}

double sb_smallest_p_of(bool anytime, bool paired, size_t n)
{
    if (anytime)
        return sb_sign_p_of(0, n, n);
    return paired ? exp2(1 - (double)n) : sb_smallest_p(n, n);
}

size_t sb_processes_needed(bool anytime, bool paired, size_t comparisons, double confidence)
{
    size_t n = 2;
    while (sb_smallest_p_of(anytime, paired, n) * (double)comparisons >= 1 - confidence)
        n++;
    return n;
}

enum sb_verdict sb_judge(const struct sb_ratio *ratio, double adjusted_p, double confidence, bool more_is_better)
{
    /* Without an interval there is no verdict, however small p is. */
    if (isnan(ratio->value) || isnan(ratio->low) || isnan(adjusted_p))
        return SB_VERDICT_NONE;
    if (adjusted_p >= 1 - confidence || (ratio->low <= 1 && ratio->high >= 1))
        return SB_VERDICT_NOT_SEPARATED;
    return (ratio->value > 1) == more_is_better ? SB_VERDICT_FASTER : SB_VERDICT_SLOWER;
}
