/* A chart: its data, its gnuplot script, its caption. */
#ifndef SB_REPORT_FIGURE_H
#define SB_REPORT_FIGURE_H

#include "base/str.h"

struct sb_figure {
    char *id; /* file name without ending: [a-z0-9-] */
    char *title;
    char *caption;
    char *note;            /* under the title in every figure: n, interval, machine */
    struct sb_text data;   /* tab-separated, blocks apart by two empty lines */
    struct sb_text script; /* from settings to plot, without terminal and output */
};

struct sb_figures {
    struct sb_figure *at;
    size_t n, capacity;
};

void sb_figures_free(struct sb_figures *figures);

/* A gnuplot string that nothing in `text` can break out of: single quotes, no control characters. */
char *sb_gp_quote(const char *text);

/*
 * Renders to DIR/ID.svg, .pdf and .png beside ID.gp and ID.tsv. Files appear only when gnuplot has succeeded.
 * 0 or a negative errno with gnuplot's own words in `*why`.
 */
int sb_figure_render(const struct sb_figure *figure, const char *dir, char **why);

#endif
