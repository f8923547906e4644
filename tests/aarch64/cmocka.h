/*
 * As much of cmocka's interface as the model's tests use, for builds for a processor whose libcmocka isn't at
 * hand. The first failure ends the program: which test it was in is the last line printed.
 */
#ifndef SB_TESTS_AARCH64_CMOCKA_H
#define SB_TESTS_AARCH64_CMOCKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*function)(void **state);
};
#define cmocka_unit_test(f)                                                                                            \
    {                                                                                                                  \
#f, f                                                                                                          \
    }

static bool skipped_;

static inline void expect_(bool good, const char *what, const char *file, int line)
{
    if (good)
        return;
    printf("%s:%d: %s\n", file, line, what);
    exit(1);
}

#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        printf(__VA_ARGS__);                                                                                           \
        expect_(false, "", __FILE__, __LINE__);                                                                        \
    } while (0)
#define skip()                                                                                                         \
    do {                                                                                                               \
        skipped_ = true;                                                                                               \
        return;                                                                                                        \
    } while (0)
#define assert_true(a)                                 expect_((a) != 0, #a, __FILE__, __LINE__)
#define assert_false(a)                                expect_(!(a), "not " #a, __FILE__, __LINE__)
#define assert_null(a)                                 expect_((a) == NULL, #a " is NULL", __FILE__, __LINE__)
#define assert_non_null(a)                             expect_((a) != NULL, #a, __FILE__, __LINE__)
#define assert_int_equal(a, b)                         expect_((uint64_t)(a) == (uint64_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                     expect_((uint64_t)(a) != (uint64_t)(b), #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b)                         expect_((const void *)(a) == (const void *)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b)                     expect_((const void *)(a) != (const void *)(b), #a " != " #b, __FILE__, __LINE__)
#define assert_string_equal(a, b)                      expect_(!strcmp(a, b), #a " == " #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n)                   expect_(!memcmp(a, b, n), #a " == " #b, __FILE__, __LINE__)
#define assert_in_range(a, low, high)                  expect_((a) >= (low) && (a) <= (high), #a " in range", __FILE__, __LINE__)
#define assert_not_in_range(a, low, high)              expect_((a) < (low) || (a) > (high), #a " not in range", __FILE__, __LINE__)

#define cmocka_run_group_tests(tests, setup, teardown) run_group_(tests, sizeof(tests) / sizeof((tests)[0]))
static inline int run_group_(const struct CMUnitTest *tests, size_t n)
{
    void *state = NULL;
    size_t skipped = 0;
    for (size_t i = 0; i < n; i++) {
        printf("%s\n", tests[i].name);
        fflush(stdout);
        skipped_ = false;
        tests[i].function(&state);
        skipped += skipped_;
    }
    printf("%zu passed, %zu skipped\n", n - skipped, skipped);
    return 0;
}

#endif
