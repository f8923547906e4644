/* The tables of a report: a table for each metric and workload, every cell, latencies. */
#ifndef SB_REPORT_TABLES_H
#define SB_REPORT_TABLES_H

#include "analyse/view.h"
#include "report/table.h"

/* The id of the one whose rows are calls: cell, call, calls, then percentiles. */
#define SB_TABLE_LATENCY "latency"

struct sb_tables {
    SB_VEC_OF(struct sb_table);
};

/* All tables of a view. 0 or a negative errno with a sentence in `*why`. */
int sb_tables_make(const struct sb_view *view, struct sb_tables *tables, char **why);
void sb_tables_free(struct sb_tables *tables);

#endif
