/* What is in a trace, as text for a reader. */
#ifndef SB_TRACE_SUMMARY_H
#define SB_TRACE_SUMMARY_H

#include "base/str.h"
#include "scullbench/trace.h"

/* An opened trace, wherever it stands in it. */
void sb_trace_summarise(const struct sb_trace *trace, struct sb_text *out);

#endif
