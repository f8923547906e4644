/*
 * The model against the tables read off real kernels (tests/data): one function a table, used by the unit
 * tests and by the program that prints docs/fidelity.md.
 */
#ifndef SB_TESTS_TRUTH_H
#define SB_TESTS_TRUTH_H

#include "scullbench/allocator.h"

struct truth {
    const char *property; /* what is compared */
    const char *kernel;   /* which kernel the table is from */
    const char *file;     /* of tests/data */
    void (*compare)(struct truth *truth);
    const char *note;        /* what is left out of the comparison, and why; or "" */
    unsigned rows;           /* of the table */
    unsigned equal;          /* where the model does the same */
    unsigned expected_other; /* where it is known to differ, as the note explains */
    char difference[256];    /* the first row that differs without a reason */
};

extern struct truth truths[];
extern const unsigned nr_truths;

#endif
