/* The charts of a report. */
#ifndef SB_REPORT_CHARTS_H
#define SB_REPORT_CHARTS_H

#include "report/figure.h"
#include "report/view.h"

/* Makes all charts that the data gives. 0 or a negative errno with a sentence in `*why`. */
int sb_charts_make(const struct sb_view *view, struct sb_figures *figures, char **why);

/* "AMD EPYC, 1 package, 2 cores, ..., Linux 6.1": what captions call the machine. The caller frees it. */
char *sb_machine_name(const struct sb_data *data);

#endif
