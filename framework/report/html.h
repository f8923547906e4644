/* The page of a report. */
#ifndef SB_REPORT_HTML_H
#define SB_REPORT_HTML_H

#include "figure/figure.h"
#include "report/tables.h"

/* index.html as text: needs no network and no other file. The caller frees it. `dir` holds the SVGs. */
char *sb_html_make(const struct sb_view *view, const struct sb_figures *figures, const char *dir,
                   const struct sb_tables *tables, const struct sb_words *notes);

#endif
