/* From a database to what people read. Everything is made from the stored data alone, at any later time. */
#ifndef SB_REPORT_REPORT_H
#define SB_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

/* Errors: 0 or a negative errno, with a sentence in `*why` (the caller's to free). */

/* The table after a run: a row per cell. */
int sb_report_table(const char *db, FILE *out, char **why);

/* index.html and figures/ in `folder`, which is made if need be. */
int sb_report_write(const char *db, const char *folder, char **why);

/* A row per trial. */
int sb_export(const char *db, bool json, FILE *out, char **why);

#endif
