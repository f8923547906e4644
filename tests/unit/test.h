/* What every cmocka test includes, in the order cmocka wants, and a host for plugins under test. */
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
