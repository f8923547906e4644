/* Tables of a report, and texts as the formats want them. */
#ifndef SB_REPORT_TABLES_H
#define SB_REPORT_TABLES_H

#include "base/vec.h"

#include "analyse/view.h"

#include <math.h>

/* A text, or a median with its interval where n > 0; a median of NaN is known to lie within the interval
 * alone, and the text says it. */
struct sb_table_cell {
    char *text;
    struct sb_summary value;
};

struct sb_table {
    char *id;    /* file name without ending */
    char *title; /* with what the numbers are: "throughput in million operations / s" */
    char *note;  /* n, interval, machine */
    char *unit;  /* of all numbers, unscaled, for CSV; NULL where the heads say it */
    struct sb_words heads;
    size_t texts;                       /* so many columns at the left are words */
    bool lengthy;                       /* may go over pages */
    SB_VEC(struct sb_table_cell) cells; /* row by row, as many as heads */
    double scale;                       /* of values, as the title says; 1 in CSV */
};

/* The id of the one whose rows are calls: cell, call, calls, then percentiles. */
#define SB_TABLE_LATENCY "latency"

struct sb_tables {
    SB_VEC_OF(struct sb_table);
};

/* All tables of a view. 0 or a negative errno with a sentence in `*why`. */
int sb_tables_make(const struct sb_view *view, struct sb_tables *tables, char **why);
void sb_tables_free(struct sb_tables *tables);

/* A cell's words, or "12.3 [12.1, 12.6]". The caller frees it. */
char *sb_table_cell_text(const struct sb_table *table, const struct sb_table_cell *cell);

/* booktabs in a table or longtable; a pipe table; RFC 4180 with a column for each end of an interval. */
void sb_table_latex(const struct sb_table *table, struct sb_text *out);
void sb_table_markdown(const struct sb_table *table, struct sb_text *out);
void sb_table_csv(const struct sb_table *table, struct sb_text *out);

/* Any text as words of TeX, of Markdown. */
void sb_tex_text(struct sb_text *out, const char *text);
void sb_markdown_text(struct sb_text *out, const char *text);

#endif
