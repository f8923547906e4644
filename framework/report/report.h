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

enum sb_export_what { SB_EXPORT_TRIALS, SB_EXPORT_SERIES, SB_EXPORT_HISTOGRAMS };

/* A row per trial, per point of its series, or per bucket of its histograms. */
int sb_export(const char *db, enum sb_export_what what, bool json, FILE *out, char **why);

#endif
