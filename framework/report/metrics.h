/* What metrics are called, and which way is better. */
#ifndef SB_REPORT_METRICS_H
#define SB_REPORT_METRICS_H

#include "report/view.h"

/* The name as stored: "throughput" is ops_per_s. */
const char *sb_metric_name(const char *name);

/* "operations / s", or the metric's own name and unit: what an axis says. The caller frees it. */
char *sb_metric_label(const struct sb_view *view, const char *metric);

/* "throughput": what a title says. The caller frees it. */
char *sb_metric_title(const char *metric);

/* The unit that the first trial with the metric gives, or "". */
const char *sb_metric_unit(const struct sb_view *view, const char *metric);

/*
 * What the value of a trial's metric is known to: the step of the clock, of the kernel's count of CPU time,
 * of a page. 0: it is exact, as a count is.
 */
double sb_metric_step(const struct sb_result *result, const struct sb_metric *metric);

/* 1: more is better; -1: less is; 0: neither, as of a count of calls. */
int sb_metric_direction(const char *metric, const char *unit);

#endif
