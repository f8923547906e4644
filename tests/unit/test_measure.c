/* Fragmentation indices, counters on what this machine has, resident memory, histograms. */
#include "test.h"

#include "measure/footprint.h"
#include "measure/frag.h"
#include "measure/histogram.h"
#include "measure/pmu_names.h"
#include "scullbench/random.h"

#include <math.h>
#include <sys/mman.h>

static void indices_of_nothing(void **state)
{
    uint64_t none[SB_NR_ORDERS] = {0};
    (void)state;
    assert_int_equal(sb_unusable_index(none, 3), 1000);
    assert_int_equal(sb_extfrag_index(none, 3), 0);
}

static void unknown_event_is_a_mistake(void **state)
{
    struct sb_pmu pmu;
    (void)state;
    sb_pmu_prepare(&pmu, "perf::PAGE-FAULTS, perf::PAGE-FALTS, none", sb_pmu_encode_name, NULL);
    assert_int_equal(pmu.n, 2);
    assert_false(pmu.at[0].unknown);
    assert_true(pmu.at[1].unknown);
    assert_non_null(pmu.at[1].reason);
    sb_pmu_free(&pmu);
}

/* An event is counted, or there is a reason; a countable one counts what we do. */
static void page_faults_are_counted_or_explained(void **state)
{
    struct sb_pmu pmu;
    struct sb_pmu_counters counters;
    struct sb_pmu_reading reading;
    enum { PAGES = 100 };
    (void)state;
    sb_pmu_prepare(&pmu, "perf::PAGE-FAULTS", sb_pmu_encode_name, NULL);
    sb_pmu_open(&pmu, &counters);
    sb_pmu_start(&counters);
    char *memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < PAGES; i++)
        ((volatile char *)memory)[i * 4096] = 1;
    sb_pmu_stop(&counters);
    bool counted = sb_pmu_read(&counters, 0, &reading);
    if (pmu.at[0].reason) {
        assert_false(counted);
    } else {
        assert_true(counted);
        assert_true(reading.value >= PAGES);
        assert_true(reading.running_ns <= reading.enabled_ns);
    }
    munmap(memory, PAGES * 4096);
    sb_pmu_close(&counters);
    sb_pmu_free(&pmu);
}

static void resident_memory_grows(void **state)
{
    const size_t size = 8 << 20;
    (void)state;
    int64_t before = sb_resident_bytes();
    char *memory = malloc(size);
    memset(memory, 1, size);
    __asm__ volatile("" : : "r"(memory) : "memory");
    assert_true(before > 0);
    assert_true(sb_resident_bytes() >= before + (int64_t)size / 2);
    free(memory);
}

/* ---- histograms ---- */

static double uniform(struct sb_random *random)
{
    return ((double)(sb_random_next(random) >> 11) + 0.5) / 9007199254740992.0;
}

/* Ten shapes that latencies have been seen to take, in ns: flat, exponential, with two or three humps, heavy
 * tails. */
static double draw(int shape, struct sb_random *random)
{
    double u = uniform(random), v = uniform(random);
    double z = sqrt(-2 * log(u)) * cos(2 * acos(-1) * v);
    switch (shape) {
    case 0:
        return 100 + 900 * u;
    case 1:
        return -50 * log(u);
    case 2:
        return fabs(1000 + 50 * z);
    case 3:
        return exp(5 + z);
    case 4:
        return 20 / pow(u, 1 / 1.2); /* Pareto */
    case 5:
        return v < 0.98 ? fabs(12 + z) : 30000 + 2000 * z;
    case 6:
        return v < 0.5 ? 10 + u : v < 0.9 ? 200 + 10 * u : 5e6 * (1 + u);
    case 7:
        return 37; /* one value */
    case 8:
        return 3600e9 * u; /* up to an hour */
    default:
        return 20 * pow(-log(u), 2); /* Weibull, shape 0.5 */
    }
}

static int by_units(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Against an exact sort of the same samples: within the stated 0.4 %, or half a sixteenth of a nanosecond. */
static void percentiles_match_an_exact_sort(void **state)
{
    enum { N = 20001 };
    static const double shares[] = {0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    static uint64_t samples[N];
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    (void)state;
    for (int shape = 0; shape < 10; shape++) {
        struct sb_random random = {1000 + (uint64_t)shape};
        *h = (struct sb_histogram){0};
        for (int i = 0; i < N; i++) {
            samples[i] = (uint64_t)(draw(shape, &random) * SB_HISTOGRAM_UNITS);
            sb_histogram_add(h, samples[i]);
        }
        qsort(samples, N, sizeof(samples[0]), by_units);
        for (size_t s = 0; s < sizeof(shares) / sizeof(*shares); s++) {
            double exact = (double)samples[(size_t)ceil(shares[s] * N) - 1] / SB_HISTOGRAM_UNITS;
            double got = sb_histogram_quantile(h, shares[s]);
            if (!(fabs(got - exact) <= 0.004 * exact + 1e-9))
                fail_msg("shape %d, share %g: %.9g, but sorted %.9g", shape, shares[s], got, exact);
        }
        assert_true(h->n == N && h->min == samples[0] && h->max == samples[N - 1]);
    }
    free(h);
}

static void every_value_has_its_bucket(void **state)
{
    size_t last = 0;
    (void)state;
    for (uint64_t v = 0; v < UINT64_C(1) << 48; v = v < 5000 ? v + 1 : v + v / 300) {
        size_t index = sb_histogram_index(v);
        assert_true(index == last || index == last + 1 || v >= 5000);
        assert_true(index >= last && index < SB_HISTOGRAM_BUCKETS);
        assert_true(fabs(sb_histogram_value(index) - (double)v) <= (double)v / 256);
        last = index;
    }
    assert_int_equal(sb_histogram_index(UINT64_MAX), SB_HISTOGRAM_BUCKETS - 1);
}

static void few_samples_show_no_tail(void **state)
{
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    (void)state;
    assert_true(isnan(sb_histogram_quantile(h, 0.5)));
    for (uint64_t i = 1; i <= 1000; i++)
        sb_histogram_add(h, i);
    assert_false(isnan(sb_histogram_quantile(h, 0.99)));
    assert_true(isnan(sb_histogram_quantile(h, 0.999)));
    assert_true(sb_histogram_quantile(h, 1) == 1000.0 / SB_HISTOGRAM_UNITS);
    free(h);
}

static void histograms_are_merged_not_averaged(void **state)
{
    struct sb_histogram *a = sb_calloc(2, sizeof(*a)), *b = a + 1;
    (void)state;
    for (int i = 0; i < 900; i++)
        sb_histogram_add(a, 160);
    for (int i = 0; i < 100; i++)
        sb_histogram_add(b, 160000);
    sb_histogram_merge(a, b);
    assert_true(a->n == 1000 && a->min == 160 && a->max == 160000);
    assert_true(sb_histogram_quantile(a, 0.9) == 10);
    assert_true(fabs(sb_histogram_quantile(a, 0.91) - 10000) < 40);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_of_nothing),
        cmocka_unit_test(unknown_event_is_a_mistake),
        cmocka_unit_test(page_faults_are_counted_or_explained),
        cmocka_unit_test(resident_memory_grows),
        cmocka_unit_test(percentiles_match_an_exact_sort),
        cmocka_unit_test(every_value_has_its_bucket),
        cmocka_unit_test(few_samples_show_no_tail),
        cmocka_unit_test(histograms_are_merged_not_averaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
