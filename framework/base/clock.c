/*
 * The clocks. The TSC is calibrated against CLOCK_MONOTONIC over 10 ms, each end bracketed by two readings
 * some 50 ns apart: an error of 1e-5, far under any noise here.
 */
#define _GNU_SOURCE
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

uint64_t sb_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#if defined(__x86_64__)
static uint64_t now_tsc(void)
{
    /* Intel SDM vol. 2, RDTSC: LFENCE in front keeps the reading after all earlier instructions. */
    _mm_lfence();
    return __rdtsc();
}

static bool have_invariant_tsc(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1U << 8));
}
#elif defined(__aarch64__)
static uint64_t now_cntvct(void)
{
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
}
#endif

/* Both clocks at one instant: the tightest of 20 brackets, for a preemption inside one would go whole into
 * the rate. */
struct instant {
    double ns;
    uint64_t tick;
};

static struct instant read_both(uint64_t (*now)(void))
{
    struct instant best = {0};
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t before = sb_now_ns(), tick = now(), after = sb_now_ns();
        if (after - before < narrowest) {
            narrowest = after - before;
            best = (struct instant){(double)before + (double)narrowest / 2, tick};
        }
    }
    return best;
}

/* One interval of 10 ms; called once, before any worker runs. */
static double calibrate(uint64_t (*now)(void))
{
    struct instant a = read_both(now), b;
    while (sb_now_ns() - (uint64_t)a.ns < 10000000)
        ;
    b = read_both(now);
    return b.tick > a.tick ? (b.ns - a.ns) / (double)(b.tick - a.tick) : 1.0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/*
 * The median, not the minimum: what a batch pays as a rule, interrupts left out by rank. The resolution is
 * what all steps are multiples of: a TSC may count by 26 at a time.
 */
static void measure_cost(struct sb_clock *clock)
{
    enum { READINGS = 2001 };
    static uint64_t steps[READINGS];
    uint64_t unit = 0;
    for (int i = 0; i < READINGS; i++) {
        uint64_t a = clock->now();
        steps[i] = clock->now() - a;
        unit = common_divisor(unit, steps[i]);
    }
    qsort(steps, READINGS, sizeof(steps[0]), by_value);
    size_t middle = READINGS / 2;
    clock->cost_ns = (double)steps[middle] * clock->ns_per_tick;
    clock->resolution_ns = (double)(unit ? unit : 1) * clock->ns_per_tick;
}

const struct sb_clock *sb_clock_init(double ns_per_tick)
{
    static struct sb_clock clock;
    if (clock.now)
        return &clock;
    clock.now = sb_now_ns;
    clock.ns_per_tick = 1.0;
    clock.name = "CLOCK_MONOTONIC";
#if defined(__x86_64__)
    if (have_invariant_tsc()) {
        clock.now = now_tsc;
        clock.name = "invariant TSC";
    }
#elif defined(__aarch64__)
    clock.now = now_cntvct;
    clock.name = "CNTVCT_EL0";
#endif
    if (clock.now != sb_now_ns)
        clock.ns_per_tick = ns_per_tick > 0 ? ns_per_tick : calibrate(clock.now);
    measure_cost(&clock);
    return &clock;
}

void sb_utc(char *buffer, size_t size, int for_file_name)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    if (!strftime(buffer, size, for_file_name ? "%Y%m%dT%H%M%SZ" : "%Y-%m-%dT%H:%M:%SZ", &utc) && size)
        buffer[0] = '\0';
}
