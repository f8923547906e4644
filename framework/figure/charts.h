/* The charts of a report. */
#ifndef SB_FIGURE_CHARTS_H
#define SB_FIGURE_CHARTS_H

#include "analyse/view.h"
#include "config/plot.h"
#include "figure/figure.h"

/*
 * Makes the charts of `asked`, of the config's own [plot] sections if it is NULL, or of the defaults where
 * there are none. `notes` gets a sentence for each that was asked for and can't be drawn. 0 or a negative
 * errno with a sentence in `*why`.
 */
int sb_charts_make(const struct sb_view *view, const struct sb_plots *asked, struct sb_figures *figures,
                   struct sb_words *notes, char **why);

#endif
