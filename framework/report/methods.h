/* A draft of a paper's paragraph on methods, and the report as Markdown. */
#ifndef SB_REPORT_METHODS_H
#define SB_REPORT_METHODS_H

#include "figure/figure.h"
#include "report/tables.h"

/* Paragraphs as plain text; the caller frees the words. */
struct sb_words sb_methods(const struct sb_view *view);

/* The whole report but for the page's sorting: charts are linked, tables stand in it. */
void sb_markdown_report(const struct sb_view *view, const struct sb_figures *figures, const struct sb_tables *tables,
                        const struct sb_words *notes, struct sb_text *out);

#endif
