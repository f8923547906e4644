/*
 * Every number here that isn't plain arithmetic is R's (4.2.2, boot 1.3-28), by the command beside it:
 *   x <- c(10.21, ...); y <- c(10.52, ...)      the vectors below
 */
#include "test.h"

#include "scullbench/random.h"
#include "stats/stats.h"

#include <math.h>

static const double x20[] = {10.21, 9.87, 10.05, 10.44, 9.95, 10.10, 10.31, 9.78, 10.02, 10.66,
                             10.15, 9.91, 10.27, 10.08, 9.99, 10.38, 10.12, 9.83, 10.19, 10.04};
static const double y15[] = {10.52, 10.35, 10.71, 10.22, 10.61, 10.48, 10.93, 10.40,
                             10.57, 10.66, 10.29, 10.81, 10.45, 10.74, 10.38};

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.15g is not within %g of %.15g", got, tolerance, want);
}

static const struct sb_level fixed = {0.95, false}, anytime = {0.95, true};

static struct sb_summary summary(const double *x, size_t n, double confidence)
{
    double copy[200];
    memcpy(copy, x, n * sizeof(*x));
    return sb_summarise(copy, n, (struct sb_level){confidence, false});
}

static void medians_and_ranges(void **state)
{
    static const double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2}, one[] = {7};
    (void)state;
    struct sb_summary s = summary(odd, 3, 0.95);
    assert_true(s.n == 3 && s.median == 3 && s.min == 1 && s.max == 5);
    assert_true(!s.reached && s.low == 1 && s.high == 5);
    near(s.coverage, 0.75, 0);
    s = summary(even, 4, 0.95);
    assert_true(s.median == 2.5 && s.min == 1 && s.max == 4);
    s = summary(one, 1, 0.95);
    assert_true(s.median == 7 && s.min == 7 && s.max == 7 && s.coverage == 0 && !s.reached);
    assert_true(isnan(sb_half_width(&s)));
    s = summary(one, 0, 0.95);
    assert_true(s.n == 0 && isnan(s.median) && isnan(s.low));
}

/* k <- qbinom((1 - conf) / 2, n, .5); if (k > 0) 1 - 2 * pbinom(k - 1, n, .5) */
static void intervals_have_the_ranks_of_the_binomial(void **state)
{
    static const struct {
        size_t n;
        double confidence;
        size_t rank;
        double coverage;
    } wanted[] = {
        {6, .9, 1, 0.96875},           {6, .95, 1, 0.96875},           {6, .99, 0, 0},
        {8, .9, 2, 0.9296875},         {8, .95, 1, 0.9921875},         {8, .99, 1, 0.9921875},
        {10, .9, 2, 0.978515625},      {10, .95, 2, 0.978515625},      {10, .99, 1, 0.998046875},
        {15, .9, 4, 0.96484375},       {15, .95, 4, 0.96484375},       {15, .99, 3, 0.992614746094},
        {20, .9, 6, 0.958610534668},   {20, .95, 6, 0.958610534668},   {20, .99, 4, 0.997423171997},
        {30, .9, 11, 0.901262853295},  {30, .95, 10, 0.957226054743},  {30, .99, 8, 0.99477712065},
        {50, .9, 19, 0.935091352928},  {50, .95, 18, 0.967160862436},  {50, .99, 16, 0.993399552033},
        {100, .9, 42, 0.911373919886}, {100, .95, 40, 0.964799799782}, {100, .99, 37, 0.993362879484},
    };
    double ranks[100];
    (void)state;
    for (size_t i = 0; i < 100; i++)
        ranks[i] = (double)i + 1;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        struct sb_summary s = summary(ranks, wanted[i].n, wanted[i].confidence);
        assert_int_equal(s.reached, wanted[i].rank > 0);
        if (s.reached) {
            assert_true(s.low == (double)wanted[i].rank);
            assert_true(s.high == (double)(wanted[i].n + 1 - wanted[i].rank));
            near(s.coverage, wanted[i].coverage, 1e-11);
        }
    }
    /* sort(x)[c(k, 21 - k)]; median(x) */
    struct sb_summary s = summary(x20, 20, 0.95);
    assert_true(s.low == 9.99 && s.high == 10.21);
    near(s.median, 10.09, 1e-14);
    near(sb_half_width(&s), (10.21 - 10.09) / 10.09, 1e-14);
}

static void normal_distribution(void **state)
{
    /* qnorm(c(.025, .5, .9, 1e-6, .999)) */
    (void)state;
    near(sb_normal_quantile(.025), -1.95996398454005, 1e-12);
    near(sb_normal_quantile(.5), 0, 1e-12);
    near(sb_normal_quantile(.9), 1.28155156554460, 1e-12);
    near(sb_normal_quantile(1e-6), -4.75342430882290, 1e-9);
    near(sb_normal_quantile(.999), 3.09023230616781, 1e-10);
    near(sb_normal_p(sb_normal_quantile(.3)), .3, 1e-14);
}

static void rank_sums(void **state)
{
    static const double a[] = {1.1, 2.2, 3.3}, b[] = {4.4, 5.5, 6.6, 7.7};
    static const double c[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
    static const double d[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06001, 3.14, 1.29001};
    static const double e[] = {1, 2, 2, 3, 5, 5, 8}, f[] = {2, 4, 5, 6, 7, 9, 9, 10};
    double g[60], h[55];
    (void)state;
    near(sb_rank_sum_p(x20, 20, y15, 15), 2.13203035402e-05, 1e-15); /* wilcox.test(x, y)$p.value: ties */
    near(sb_rank_sum_p(a, 3, b, 4), 0.0571428571429, 1e-12);         /* exact */
    near(sb_rank_sum_p(b, 4, a, 3), 0.0571428571429, 1e-12);
    near(sb_rank_sum_p(c, 9, d, 9), 0.135911147676, 1e-12);  /* exact */
    near(sb_rank_sum_p(e, 7, f, 8), 0.0705494281301, 1e-12); /* ties */
    for (int i = 1; i <= 60; i++)
        g[i - 1] = sin(i) + 10;
    for (int i = 1; i <= 55; i++)
        h[i - 1] = cos(i * 1.7) + 10.3;
    near(sb_rank_sum_p(g, 60, h, 55), 0.0322265814062, 1e-12); /* x <- sin(1:60) + 10; y <- cos((1:55) * 1.7) + 10.3 */
    /* The exact distribution far out and with many samples, where differences of large numbers would be lost.
     */
    near(sb_rank_sum_p(g, 45, h, 49), 0.0445266726863072, 1e-12); /* wilcox.test(x[1:45], y[1:49])$p.value */
    for (int i = 0; i < 49; i++) {
        g[i] = i + 1;
        h[i] = i + 100;
    }
    near(sb_rank_sum_p(g, 49, h, 49) / 7.85002919296329e-29, 1, 1e-9); /* wilcox.test(1:49, 100:148)$p.value */
    near(sb_smallest_p(49, 49) / 7.85002919296329e-29, 1, 1e-9);
    near(sb_smallest_p(6, 6), 2.0 / 924, 1e-15);
    assert_true(isnan(sb_rank_sum_p(g, 0, h, 55)));
    double same[] = {3, 3, 3, 3};
    near(sb_rank_sum_p(same, 4, same, 4), 1, 0);
}

static void holm(void **state)
{
    /* p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.2), "holm"), and with an NA */
    double p[] = {0.01, 0.04, 0.03, 0.005, 0.2}, want[] = {0.040, 0.090, 0.090, 0.025, 0.200};
    double q[] = {0.01, NAN, 0.03, 0.6, 0.5}, wanted[] = {0.04, NAN, 0.09, 1, 1};
    (void)state;
    sb_holm(p, 5);
    sb_holm(q, 5);
    for (size_t i = 0; i < 5; i++) {
        near(p[i], want[i], 1e-15);
        if (i == 1)
            assert_true(isnan(q[i]));
        else
            near(q[i], wanted[i], 1e-15);
    }
}

/*
 * d <- data.frame(v = c(x, y), g = rep(1:2, c(20, 15)))
 * f <- function(d, i) { e <- d[i, ]; median(e$v[e$g == 1]) / median(e$v[e$g == 2]) }
 * b <- boot(d, f, R = 199999, strata = d$g); boot.ci(b, type = "perc")
 * boot.ci(b, type = "bca", L = empinf(boot.out = b, type = "jack", stype = "i"))
 * Ours draws 9999 times, so its ends differ by their own sampling.
 */
static void bootstrap_of_a_ratio(void **state)
{
    double skew[13], other[11];
    (void)state;
    struct sb_ratio r = sb_ratio_of_medians(x20, 20, y15, 15, 0.95, SB_INTERVAL_PERCENTILE, 1);
    near(r.value, 0.959125475285, 1e-12);
    near(r.low, 0.941838649156, 0.001);
    near(r.high, 0.975119617225, 0.001);
    r = sb_ratio_of_medians(x20, 20, y15, 15, 0.95, SB_INTERVAL_BCA, 1);
    near(r.low, 0.942307692308, 0.001);
    near(r.high, 0.975961538462, 0.001);
    /* x <- exp(seq(-1, 2, length.out = 13)); y <- exp(seq(-0.5, 1.2, length.out = 11))^1.3 */
    for (int i = 0; i < 13; i++)
        skew[i] = exp(-1 + 3.0 * i / 12);
    for (int i = 0; i < 11; i++)
        other[i] = pow(exp(-0.5 + 1.7 * i / 10), 1.3);
    r = sb_ratio_of_medians(skew, 13, other, 11, 0.95, SB_INTERVAL_PERCENTILE, 2);
    near(r.value, 1.04602785991, 1e-11);
    near(r.low, 0.384812144553, 0.02);
    near(r.high, 2.84339852365, 0.1);
    r = sb_ratio_of_medians(skew, 13, other, 11, 0.95, SB_INTERVAL_BCA, 2);
    near(r.low, 0.317588105979, 0.02);
    near(r.high, 2.76212414092, 0.1);
    r = sb_ratio_of_medians(x20, 1, y15, 15, 0.95, SB_INTERVAL_PERCENTILE, 1);
    assert_true(isnan(r.low) && !isnan(r.value));
}

/* Ten blocks' ratios, 0.90 to 0.99 in any order. */
static void blocks_have_a_median_ratio(void **state)
{
    double x[10];
    (void)state;
    for (int i = 0; i < 10; i++)
        x[i] = 0.90 + 0.01 * ((i * 7) % 10);
    struct sb_ratio r = sb_ratio_in_blocks(x, 10, fixed);
    near(r.value, 0.945, 1e-12);
    /* The second and the ninth of ten. */
    near(r.low, 0.91, 1e-12);
    near(r.high, 0.98, 1e-12);
    assert_int_equal(r.blocks, 10);
    /* Of three the smallest and the largest: 0.90, 0.97, 0.94. */
    r = sb_ratio_in_blocks(x, 3, fixed);
    near(r.low, 0.90, 1e-12);
    near(r.high, 0.97, 1e-12);
    near(x[1], 0.97, 1e-12);
    r = sb_ratio_in_blocks(x, 1, fixed);
    assert_true(isnan(r.low) && isnan(r.high) && r.value > 0.89);
}

/*
 * Against the definition: 2^n B(s + 1, n - s + 1), from R: n <- 8; 2^n * beta(0:4 + 1, n - 0:4 + 1)
 * is 28.44, 3.556, 1.016, 0.508, 0.406; for n = 30 and s = 6, 7 58.33 and 17.01; 2^11 / 12 is 170.7.
 */
static void a_mixture_is_valid_at_any_time(void **state)
{
    double x[30];
    (void)state;
    near(sb_sign_p_of(0, 8, 8), 1 / 28.444444444, 1e-9);
    near(sb_sign_p_of(1, 7, 8), 1 / 3.5555555556, 1e-9);
    near(sb_sign_p_of(7, 1, 8), 1 / 3.5555555556, 1e-9);
    near(sb_sign_p_of(0, 11, 11), 12.0 / 2048, 1e-12);
    assert_true(sb_sign_p_of(4, 4, 8) == 1);
    /* One that lies on it counts for the lesser side. */
    near(sb_sign_p_of(0, 7, 8), 1 / 3.5555555556, 1e-9);
    assert_int_equal(sb_least_samples(fixed), 6);
    assert_int_equal(sb_least_samples(anytime), 8);
    assert_int_equal(sb_least_samples((struct sb_level){0.99, true}), 11);
    for (int i = 0; i < 30; i++)
        x[i] = i + 1;
    struct sb_ratio r = sb_ratio_in_blocks(x, 30, anytime);
    assert_true(r.low == 7 && r.high == 24);
    r = sb_ratio_in_blocks(x, 30, fixed);
    assert_true(r.low == 10 && r.high == 21);
    /* Interval and p agree, whatever the ratio. */
    for (double ratio = 0.5; ratio < 31; ratio += 1)
        assert_int_equal(sb_sign_p(x, 30, ratio) <= 0.05, ratio < 7 || ratio > 24);
}

/* R: binom.test(1, 10)$p.value 0.021484375, (0, 8) 0.0078125, (3, 10) 0.34375. */
static void a_difference_that_counts(void **state)
{
    double r[10];
    (void)state;
    for (int i = 0; i < 10; i++)
        r[i] = i ? 1.02 + 0.001 * i : 1.004;
    near(sb_beyond_p(r, 10, 0.005, false), 0.021484375, 1e-12);
    near(sb_beyond_p(r + 1, 8, 0.005, false), 0.0078125, 1e-12);
    near(sb_beyond_p(r, 10, 0.0225, false), 0.34375, 1e-12);
    /* The median lies within: nothing is beyond. */
    assert_true(sb_beyond_p(r, 10, 0.03, false) == 1);
    near(sb_beyond_p(r, 10, 0.005, true), sb_sign_p_of(1, 9, 10), 1e-15);
    for (int i = 0; i < 10; i++)
        r[i] = 1 / r[i];
    /* Of the slower ones the first, 0.996, is over 0.995 and under 0.997. */
    near(sb_beyond_p(r, 10, 0.005, false), 0.021484375, 1e-12);
    near(sb_beyond_p(r, 10, 0.003, false), 0.001953125, 1e-12);
    assert_true(isnan(sb_beyond_p(r, 0, 0.005, false)));
}

/* Looked at after each of 200 blocks, equal things are called different in no more than 5 % of all runs. */
static void looking_often_costs_nothing(void **state)
{
    enum { RUNS = 2000, BLOCKS = 200 };
    int at_any_time = 0, at_ranks = 0;
    (void)state;
    for (uint64_t run = 0; run < RUNS; run++) {
        struct sb_random random = sb_random_fork(17, run);
        double x[BLOCKS];
        bool alarm = false, naive = false;
        for (size_t n = 0; n < BLOCKS; n++) {
            x[n] = 0.5 + (double)sb_random_below(&random, 1000000) / 1e6;
            alarm |= sb_sign_p(x, n + 1, 1) <= 0.05;
            struct sb_ratio r = sb_ratio_in_blocks(x, n + 1, fixed);
            naive |= n >= 5 && (r.low > 1 || r.high < 1);
        }
        at_any_time += alarm;
        at_ranks += naive;
    }
    assert_true(at_any_time <= RUNS * 5 / 100);
    /* The test can fail: an interval made for one look is wrong far more often. */
    assert_true(at_ranks > RUNS * 20 / 100);
}

/*
 * A run that goes on until both medians are precise enough looks at how wide their intervals are, not at
 * which is larger: the rank sum test afterwards is wrong no more often than it says. Means of four uniform
 * numbers.
 */
static void precision_leaves_the_test_as_it_is(void **state)
{
    enum { RUNS = 1000, MOST = 40 };
    int alarms = 0, early = 0;
    (void)state;
    for (uint64_t run = 0; run < RUNS; run++) {
        struct sb_random random = sb_random_fork(23, run);
        double at[2][MOST], copy[MOST];
        bool precise = false;
        size_t n = 0;
        while (n < MOST && !precise) {
            precise = ++n >= 8;
            for (int side = 0; side < 2; side++) {
                double sum = 0;
                for (int i = 0; i < 4; i++)
                    sum += (double)sb_random_below(&random, 1000000) / 1e6;
                at[side][n - 1] = 1 + 0.04 * sum;
                memcpy(copy, at[side], n * sizeof(*copy));
                struct sb_summary s = sb_summarise(copy, n, anytime);
                precise &= s.reached && sb_half_width(&s) <= 0.02;
            }
        }
        early += n < MOST;
        alarms += sb_rank_sum_p(at[0], n, at[1], n) < 0.05;
    }
    assert_true(early > RUNS / 2);
    /* 5 % and two standard deviations. */
    assert_true(alarms <= RUNS * 5 / 100 + 14);
}

static void the_same_samples_give_the_same_interval(void **state)
{
    (void)state;
    struct sb_ratio a = sb_ratio_of_medians(x20, 20, y15, 15, 0.95, SB_INTERVAL_PERCENTILE, 7);
    struct sb_ratio b = sb_ratio_of_medians(x20, 20, y15, 15, 0.95, SB_INTERVAL_PERCENTILE, 7);
    assert_true(a.low == b.low && a.high == b.high);
}

static void verdicts_need_both(void **state)
{
    struct sb_ratio faster = {1.1, 1.05, 1.15, 0}, across = {1.1, 0.99, 1.2, 0}, unknown = {1.1, NAN, NAN, 0};
    (void)state;
    assert_int_equal(sb_judge(&faster, 0.01, 0.95, true), SB_VERDICT_FASTER);
    assert_int_equal(sb_judge(&faster, 0.01, 0.95, false), SB_VERDICT_SLOWER);
    assert_int_equal(sb_judge(&faster, 0.06, 0.95, true), SB_VERDICT_NOT_SEPARATED);
    assert_int_equal(sb_judge(&across, 0.01, 0.95, true), SB_VERDICT_NOT_SEPARATED);
    assert_int_equal(sb_judge(&unknown, 0.01, 0.95, true), SB_VERDICT_NONE);
    assert_int_equal(sb_judge(&faster, NAN, 0.95, true), SB_VERDICT_NONE);
}

/* Box and Muller. */
static double normal(struct sb_random *random)
{
    double u = ((double)(sb_random_next(random) >> 11) + 0.5) / 9007199254740992.0;
    double v = (double)(sb_random_next(random) >> 11) / 9007199254740992.0;
    return sqrt(-2 * log(u)) * cos(2 * acos(-1) * v);
}

static void two_groups_are_seen_and_one_is_not(void **state)
{
    struct sb_random random = {42};
    static const size_t sizes[] = {9, 10, 20, 50};
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        int one = 0, two = 0;
        for (int i = 0; i < 2000; i++) {
            double x[50], y[50];
            for (size_t j = 0; j < sizes[s]; j++) {
                double z = normal(&random);
                x[j] = i % 2 ? z : exp(0.3 * z);
                y[j] = 10 + 0.1 * normal(&random) + (j % 3 ? 0 : 8);
            }
            one += sb_summarise(x, sizes[s], fixed).bimodal;
            two += sb_summarise(y, sizes[s], fixed).bimodal;
        }
        if (one > 20 || (two != (sizes[s] < 10 ? 0 : 2000)))
            fail_msg("n = %zu: seen in %d of 2000 samples of one group, in %d of two", sizes[s], one, two);
    }
}

static void levels_that_are_near_are_no_groups(void **state)
{
    double x[10], far[10];
    (void)state;
    for (size_t j = 0; j < 10; j++) {
        x[j] = 100 + 0.01 * (double)j + (j < 5 ? 0 : 3);
        far[j] = j < 2 ? 40 : 100;
    }
    assert_false(sb_summarise(x, 10, fixed).bimodal);
    assert_int_equal(sb_summarise(x, 10, fixed).far, 0);
    for (size_t j = 0; j < 10; j++)
        x[j] = 100 + 0.01 * (double)j + (j < 5 ? 0 : 10);
    assert_true(sb_summarise(x, 10, fixed).bimodal);
    assert_int_equal(sb_summarise(far, 10, fixed).far, 2);
    assert_false(sb_summarise(far, 10, fixed).bimodal);
}

/* The plan and compare ask the same: with how many can so many comparisons be separated at all. */
static void processes_needed(void **state)
{
    (void)state;
    /* 2 / C(2n, n): 0.1 at three, 0.029 at four, 0.0079 at five, 0.0022 at six. */
    assert_int_equal(sb_processes_needed(false, false, 1, 0.95), 4);
    assert_int_equal(sb_processes_needed(false, false, 6, 0.95), 5);
    assert_int_equal(sb_processes_needed(false, false, 7, 0.95), 6);
    /* 2 / 2^n: 0.03125 at six. */
    assert_int_equal(sb_processes_needed(false, true, 1, 0.95), 6);
    assert_int_equal(sb_processes_needed(false, true, 2, 0.95), 7);
    /* To be looked at at any time costs more. */
    assert_true(sb_processes_needed(true, true, 1, 0.95) > 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_needed),
        cmocka_unit_test(levels_that_are_near_are_no_groups),
        cmocka_unit_test(medians_and_ranges),
        cmocka_unit_test(intervals_have_the_ranks_of_the_binomial),
        cmocka_unit_test(normal_distribution),
        cmocka_unit_test(rank_sums),
        cmocka_unit_test(holm),
        cmocka_unit_test(bootstrap_of_a_ratio),
        cmocka_unit_test(blocks_have_a_median_ratio),
        cmocka_unit_test(a_mixture_is_valid_at_any_time),
        cmocka_unit_test(a_difference_that_counts),
        cmocka_unit_test(looking_often_costs_nothing),
        cmocka_unit_test(precision_leaves_the_test_as_it_is),
        cmocka_unit_test(the_same_samples_give_the_same_interval),
        cmocka_unit_test(verdicts_need_both),
        cmocka_unit_test(two_groups_are_seen_and_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
