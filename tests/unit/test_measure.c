/* Fragmentation indices against the kernel's own figures; counters on what this machine has. */
#include "test.h"

#include "measure/footprint.h"
#include "measure/frag.h"
#include "measure/pmu.h"

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
    sb_pmu_prepare(&pmu, "perf::PAGE-FAULTS, perf::PAGE-FALTS, none");
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
    sb_pmu_prepare(&pmu, "perf::PAGE-FAULTS");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_of_nothing),
        cmocka_unit_test(unknown_event_is_a_mistake),
        cmocka_unit_test(page_faults_are_counted_or_explained),
        cmocka_unit_test(resident_memory_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
