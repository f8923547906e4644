/* A chart: its data, its gnuplot script, its caption. */
#ifndef SB_FIGURE_FIGURE_H
#define SB_FIGURE_FIGURE_H

#include "base/str.h"
#include "base/vec.h"

struct sb_figure {
    char *id;   /* file name without ending: [a-z0-9-] */
    char *kind; /* of plot: what a report groups by */
    char *title;
    char *caption;
    char *note;             /* under the title on screens: n, interval, machine */
    double height;          /* in cm, at the width of one column */
    size_t panels, across;  /* 0: one plot; else a multiplot of so many, so many in a row */
    double bottom, between; /* of a multiplot: cm below the panels, and between them */
    struct sb_text data;    /* tab-separated, blocks apart by two empty lines */
    struct sb_text script;  /* from settings to plot, without terminal and output */
};

struct sb_figures {
    SB_VEC_OF(struct sb_figure);
};

void sb_figures_free(struct sb_figures *figures);
/* What one of them owns. */
void sb_figure_free(struct sb_figure *figure);

/* A gnuplot string that nothing in `text` can break out of: single quotes, no control characters. */
char *sb_gp_quote(const char *text);

/*
 * Renders all to DIR as SVG, PNG, PDF of one and two columns, cairolatex and TikZ beside ID.gp and ID.tsv;
 * several gnuplots at a time. Files appear only when gnuplot has succeeded. `progress` is called with how
 * many are done. What this gnuplot has no terminal for is left out, and told in `notes`. 0 or a negative
 * errno with gnuplot's own words in `*why`.
 */
int sb_figures_render(const struct sb_figures *figures, const char *dir, void (*progress)(size_t, size_t),
                      struct sb_words *notes, char **why);

#endif
