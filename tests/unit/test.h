/* Every cmocka test includes this, which has the headers in the order that cmocka wants. */
#ifndef SB_TESTS_TEST_H
#define SB_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#endif
