/* Comparisons as a table for a reader, and as JSON for programs. */
#ifndef SB_REPORT_COMPARE_PRINT_H
#define SB_REPORT_COMPARE_PRINT_H

#include "analyse/compare.h"

#include <stdio.h>

void sb_compare_print(const struct sb_compare *compare, FILE *out);
void sb_compare_print_json(const struct sb_compare *compare, FILE *out);

#endif
