/* One table and the formats that it is written in: terminal, page, Markdown, LaTeX, CSV. */
#ifndef SB_REPORT_TABLE_H
#define SB_REPORT_TABLE_H

#include "base/str.h"
#include "base/vec.h"
#include "stats/stats.h"

#include <stdbool.h>

/* Words stand to the left and sort by their letters; counts have no interval; values have one. */
enum sb_column_kind { SB_WORDS, SB_COUNTS, SB_VALUES };

struct sb_column {
    char *head; /* NULL in every column: a table without heads */
    enum sb_column_kind kind;
    bool wraps;     /* on the page: long texts, in lines */
    int width, gap; /* on the terminal: characters at least, and the blanks in front of them */
};

enum sb_look { SB_LOOK_PLAIN, SB_LOOK_NONE, SB_LOOK_BAD };

/* A text, or a median with its interval where n > 0. A median of NaN is known to lie within the interval alone,
 * one of infinity was never reached: the text says so. */
struct sb_cell_content {
    struct sb_summary value; /* what CSV has in full, and what the page sorts by */
    char *text;              /* what is read; NULL: the value, by three digits that count */
    char *interval;          /* "[1.2, 1.3]" behind a text of its own; or NULL */
    char *flag, *flag_hint;  /* said loudly behind that, and why; or NULL */
    char *hint;              /* why the text stands in place of a number; or NULL */
    enum sb_look look;
    bool rest; /* on the terminal: takes the rest of the row, whose other cells are empty */
};

struct sb_table {
    char *id;    /* file name without ending */
    char *title; /* with what the numbers are: "throughput in million operations / s" */
    char *note;  /* n, interval, machine */
    char *unit;  /* of all numbers, unscaled, for CSV; NULL where the heads say it */
    SB_VEC(struct sb_column) columns;
    SB_VEC(struct sb_cell_content) cells; /* row by row, as many as columns */
    double scale;                         /* of values, as the title says; 1 in CSV */
    bool lengthy;                         /* may go over pages */
};

/* All texts are copied. The pointers stay good until the next of their kind is added. */
struct sb_column *sb_table_add_column(struct sb_table *table, const char *head, enum sb_column_kind kind);
struct sb_cell_content *sb_table_add_text(struct sb_table *table, const char *text);
struct sb_cell_content *sb_table_add_count(struct sb_table *table, int64_t count);
struct sb_cell_content *sb_table_add_value(struct sb_table *table, struct sb_summary value);
void sb_table_end_row(struct sb_table *table); /* fills the row with empty cells */
void sb_table_free(struct sb_table *table);

/* booktabs in a table or longtable; a pipe table; RFC 4180 with a column for each end of an interval. */
void sb_table_latex(const struct sb_table *table, struct sb_text *out);
void sb_table_markdown(const struct sb_table *table, struct sb_text *out);
void sb_table_csv(const struct sb_table *table, struct sb_text *out);
/* The table alone, whose heads sort it; title and note are the page's to write. */
void sb_table_html(const struct sb_table *table, struct sb_text *out);
/* Title, heads and rows in lines of text. */
void sb_table_terminal(const struct sb_table *table, struct sb_text *out);

#endif
