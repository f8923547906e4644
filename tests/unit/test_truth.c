/* Every row of every table that was read off a real kernel. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "../fidelity/truth.h"

static void expect_truth(unsigned index, unsigned rows)
{
    struct truth *t = &truths[index];
    pin_to_one_cpu();
    t->compare(t);
    if (*t->difference)
        fail_msg("%s: %s", t->file, t->difference);
    assert_int_equal(t->rows, rows);
    assert_int_equal(t->equal + t->expected_other, t->rows);
    assert_true(t->expected_other <= 1 && !t->expected_other == !*t->note);
}

/* In the order of truths[], with the number of rows that each table has: a table cut short would prove less.
 */
#define TRUTH(name, index, rows)                                                                                       \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        expect_truth(index, rows);                                                                                     \
    }
TRUTH(slab_layout, 0, 237)
TRUTH(ksize, 1, 16)
TRUTH(allocation_sequence, 2, 384)
TRUTH(object_reuse, 3, 32)
TRUTH(page_reuse, 4, 24)
TRUTH(vmalloc_steps, 5, 16)
TRUTH(vmalloc_reuse, 6, 8)
TRUTH(percpu_steps, 7, 32)
TRUTH(fragmentation_indices, 8, 36)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slab_layout),   cmocka_unit_test(ksize),        cmocka_unit_test(allocation_sequence),
        cmocka_unit_test(object_reuse),  cmocka_unit_test(page_reuse),   cmocka_unit_test(vmalloc_steps),
        cmocka_unit_test(vmalloc_reuse), cmocka_unit_test(percpu_steps), cmocka_unit_test(fragmentation_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
