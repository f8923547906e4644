/* From a database to what people read. Everything is made from the stored data alone, at any later time. */
#ifndef SB_REPORT_REPORT_H
#define SB_REPORT_REPORT_H

#include "config/plot.h"

#include <stdbool.h>
#include <stdio.h>

/* Errors: 0 or a negative errno, with a sentence in `*why` (the caller's to free). */

/* The table after a run: a row per cell. */
int sb_report_table(const char *db, FILE *out, char **why);

/*
 * index.html, report.md, figures/, tables/ and the methods' draft in `folder`, which is made if need be, of
 * one or more databases. `plots`: charts to make instead of the config's own, or NULL. Sentences on charts
 * that can't be drawn go to `notes`; where `plots` asked for them nothing is written, and it is -EINVAL
 * without another sentence.
 */
int sb_report_write(const struct sb_words *dbs, const char *folder, const struct sb_plots *plots,
                    struct sb_words *notes, char **why);

/* The table after a run with bars beside it. */
int sb_report_show(const char *db, FILE *out, char **why);

/*
 * What artifact evaluation asks for, as an archive whose name ends in .tar.zst, .tar.gz or .tar.xz: config,
 * raw data, topology, report and a README that says how to repeat it.
 */
bool sb_artifact_is_known(const char *archive); /* whether its name ends in one of these */
int sb_artifact_write(const char *db, const char *archive, struct sb_words *notes, char **why);

enum sb_export_what { SB_EXPORT_TRIALS, SB_EXPORT_SERIES, SB_EXPORT_HISTOGRAMS };

/* A row per trial, per point of its series, or per bucket of its histograms. */
int sb_export(const char *db, enum sb_export_what what, bool json, FILE *out, char **why);

#endif
