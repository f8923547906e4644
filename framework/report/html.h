/* The page of a report. */
#ifndef SB_REPORT_HTML_H
#define SB_REPORT_HTML_H

#include "report/figure.h"
#include "report/view.h"

/*
 * index.html as text: needs no network and no other file. The caller frees it. `dir` holds the SVGs.
 * `*status` gets 0, or a negative errno with a sentence in `*why`.
 */
char *sb_html_make(const struct sb_view *view, const struct sb_figures *figures, const char *dir,
                   const struct sb_words *notes, int *status, char **why);

#endif
