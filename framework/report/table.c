/* A table and its five formats. Where a cell has no number it says why, or points to where that is said. */
#include "report/table.h"

#include "report/escape.h"

#include "analyse/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- making one ---- */

struct sb_column *sb_table_add_column(struct sb_table *t, const char *head, enum sb_column_kind kind)
{
    struct sb_column *c = SB_VEC_ADD(&t->columns);
    *c = (struct sb_column){.head = head ? sb_strdup(head) : NULL, .kind = kind, .gap = 1};
    return c;
}

struct sb_cell_content *sb_table_add_text(struct sb_table *t, const char *text)
{
    struct sb_cell_content *c = SB_VEC_ADD(&t->cells);
    c->text = sb_strdup(text);
    return c;
}

struct sb_cell_content *sb_table_add_count(struct sb_table *t, int64_t count)
{
    struct sb_cell_content *c = SB_VEC_ADD(&t->cells);
    c->value = (struct sb_summary){.n = 1, .median = (double)count};
    c->text = sb_printf("%lld", (long long)count);
    return c;
}

struct sb_cell_content *sb_table_add_value(struct sb_table *t, struct sb_summary value)
{
    struct sb_cell_content *c = SB_VEC_ADD(&t->cells);
    c->value = value;
    return c;
}

/* A table without columns has rows of none; only nobody but us can make one. */
static size_t width_of(const struct sb_table *t)
{
    return t->columns.n ? t->columns.n : 1;
}

static size_t rows_of(const struct sb_table *t)
{
    return t->cells.n / width_of(t);
}

void sb_table_end_row(struct sb_table *t)
{
    while (t->cells.n % width_of(t))
        sb_table_add_text(t, "");
}

void sb_table_free(struct sb_table *t)
{
    free(t->id);
    free(t->title);
    free(t->note);
    free(t->unit);
    for (size_t i = 0; i < t->columns.n; i++)
        free(t->columns.at[i].head);
    for (size_t i = 0; i < t->cells.n; i++) {
        free(t->cells.at[i].text);
        free(t->cells.at[i].interval);
        free(t->cells.at[i].flag);
        free(t->cells.at[i].flag_hint);
        free(t->cells.at[i].hint);
    }
    SB_VEC_FREE(&t->columns);
    SB_VEC_FREE(&t->cells);
}

/* ---- what is read ---- */

/* Three digits that count; more would say more than is known. */
static char *digits(double value)
{
    double size = fabs(value);
    if (size >= 99950 || (size > 0 && size < 0.001))
        return size < 1 ? sb_printf("%.2g", value) : sb_format_si(value);
    return sb_printf("%.*f", size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.995 ? 2 : 3, value);
}

/* "12.3" and "[12.1, 12.6]"; one run has no interval, nor have latencies that not every process knows. */
static void read_cell(const struct sb_table *t, const struct sb_cell_content *c, char **text, char **interval)
{
    *text = *interval = NULL;
    if (c->text) {
        *text = sb_strdup(c->text);
        *interval = c->interval ? sb_strdup(c->interval) : NULL;
        return;
    }
    *text = digits(c->value.median / t->scale);
    if (c->value.n < 2 || isnan(c->value.low) || isnan(c->value.high))
        return;
    char *low = digits(c->value.low / t->scale), *high = digits(c->value.high / t->scale);
    *interval = sb_printf("[%s, %s]", low, high);
    free(low);
    free(high);
}

/* ---- LaTeX ---- */

/* "scullp.order=2, 1 thread" in two lines: columns are as wide as their numbers, not as their heads. */
static void stacked(struct sb_text *out, const char *text, bool left)
{
    const char *cut = strstr(text, ", ");
    if (!cut) {
        sb_tex_text(out, text);
        return;
    }
    char *first = sb_strndup(text, (size_t)(cut - text) + 1);
    sb_text_printf(out, "\\shortstack[%c]{", left ? 'l' : 'r');
    sb_tex_text(out, first);
    sb_text_printf(out, "\\\\");
    sb_tex_text(out, cut + 2);
    sb_text_printf(out, "}");
    free(first);
}

static void latex_row(const struct sb_table *t, size_t row, struct sb_text *out)
{
    for (size_t k = 0; k < t->columns.n; k++) {
        char *text, *interval;
        read_cell(t, &t->cells.at[row * t->columns.n + k], &text, &interval);
        /* A name in brackets would be an argument of the row before. */
        sb_text_printf(out, "%s", k ? " & " : strchr("[*", *text) && *text ? "{}" : "");
        sb_tex_text(out, text);
        if (interval)
            sb_text_printf(out, " {\\tiny %s}", interval);
        free(text);
        free(interval);
    }
    sb_text_printf(out, " \\\\\n");
}

static void latex_heads(const struct sb_table *t, struct sb_text *out)
{
    sb_text_printf(out, "\\toprule\n");
    for (size_t k = 0; k < t->columns.n; k++) {
        sb_text_printf(out, "%s", k ? " & " : "");
        stacked(out, t->columns.at[k].head, t->columns.at[k].kind == SB_WORDS);
    }
    sb_text_printf(out, " \\\\\n\\midrule\n");
}

void sb_table_latex(const struct sb_table *t, struct sb_text *out)
{
    const char *kind = t->lengthy ? "longtable" : "tabular";
    sb_text_printf(out, "%% needs booktabs%s, textcomp and T1 fonts; as wide as a page\n",
                   t->lengthy ? ", longtable" : "");
    if (!t->lengthy)
        sb_text_printf(out, "\\begin{table*}\n\\centering\\scriptsize\\setlength{\\tabcolsep}{3pt}\n\\caption{");
    else
        sb_text_printf(out, "%% wider than a page stands high in some documents: with pdflscape loaded it lies\n"
                            "\\ifdefined\\landscape\\begin{landscape}\\fi\n{\\tiny\\setlength{\\tabcolsep}{2pt}\n"
                            "\\begin{longtable}{");
    /* Words to the left, numbers to the right, whose digits then stand below each other. */
    struct sb_text columns = {0};
    for (size_t k = 0; k < t->columns.n; k++)
        sb_text_add(&columns, t->columns.at[k].kind == SB_WORDS ? "l" : "r", 1);
    if (t->lengthy)
        sb_text_printf(out, "%s}\n\\caption{", sb_text_get(&columns));
    sb_tex_text(out, t->title);
    sb_text_printf(out, ". ");
    sb_tex_text(out, t->note);
    sb_text_printf(out, "}\\label{tab:%s}%s\n", t->id, t->lengthy ? "\\\\" : "");
    if (!t->lengthy)
        sb_text_printf(out, "\\begin{tabular}{%s}\n", sb_text_get(&columns));
    latex_heads(t, out);
    if (t->lengthy) {
        sb_text_printf(out, "\\endfirsthead\n");
        latex_heads(t, out);
        sb_text_printf(out, "\\endhead\n");
    }
    for (size_t i = 0; i < rows_of(t); i++)
        latex_row(t, i, out);
    sb_text_printf(out, "\\bottomrule\n\\end{%s}\n%s", kind,
                   t->lengthy ? "}\n\\ifdefined\\endlandscape\\end{landscape}\\fi\n" : "\\end{table*}\n");
    sb_text_free(&columns);
}

/* ---- Markdown ---- */

void sb_table_markdown(const struct sb_table *t, struct sb_text *out)
{
    sb_text_printf(out, "**");
    sb_markdown_text(out, t->title);
    sb_text_printf(out, ".** ");
    sb_markdown_text(out, t->note);
    sb_text_printf(out, "\n\n|");
    for (size_t k = 0; k < t->columns.n; k++) {
        sb_text_printf(out, " ");
        sb_markdown_text(out, t->columns.at[k].head);
        sb_text_printf(out, " |");
    }
    sb_text_printf(out, "\n|");
    for (size_t k = 0; k < t->columns.n; k++)
        sb_text_printf(out, t->columns.at[k].kind == SB_WORDS ? "---|" : "---:|");
    for (size_t i = 0; i < t->cells.n; i++) {
        char *text, *interval;
        read_cell(t, &t->cells.at[i], &text, &interval);
        char *all = sb_printf("%s%s%s", text, interval ? " " : "", interval ? interval : "");
        sb_text_printf(out, i % width_of(t) ? " " : "\n| ");
        sb_markdown_text(out, all);
        sb_text_printf(out, " |");
        free(all);
        free(interval);
        free(text);
    }
    sb_text_printf(out, "\n");
}

/* ---- CSV ---- */

static void csv_value(const struct sb_summary *v, struct sb_text *out)
{
    if (!v->n)
        sb_text_printf(out, ",,,0");
    else if (isnan(v->median))
        sb_text_printf(out, ",%.17g,%.17g,%zu", v->low, v->high, v->n);
    else if (v->n == 1 || isnan(v->low))
        sb_text_printf(out, "%.17g,,,%zu", v->median, v->n);
    else
        sb_text_printf(out, "%.17g,%.17g,%.17g,%zu", v->median, v->low, v->high, v->n);
}

/* Unscaled, with every digit that a double has: for programs. */
void sb_table_csv(const struct sb_table *t, struct sb_text *out)
{
    static const char *const parts[] = {"", " low", " high", " n"};
    for (size_t k = 0; k < t->columns.n; k++) {
        const struct sb_column *column = &t->columns.at[k];
        for (size_t p = 0; p < (column->kind == SB_VALUES ? SB_COUNT(parts) : 1); p++) {
            sb_text_printf(out, k || p ? "," : "");
            bool unit = t->unit && !p && column->kind == SB_VALUES;
            char *head =
                sb_printf("%s%s%s%s%s", column->head, parts[p], unit ? " (" : "", unit ? t->unit : "", unit ? ")" : "");
            sb_text_add_csv(out, head);
            free(head);
        }
    }
    for (size_t i = 0; i < t->cells.n; i++) {
        const struct sb_cell_content *c = &t->cells.at[i];
        size_t k = i % width_of(t);
        sb_text_printf(out, k ? "," : "\n");
        if (t->columns.at[k].kind == SB_VALUES)
            csv_value(&c->value, out);
        else
            sb_text_add_csv(out, c->text);
    }
    sb_text_printf(out, "\n");
}

/* ---- the page ---- */

static void html_attribute(struct sb_text *out, const char *name, const char *value)
{
    sb_text_printf(out, " %s=\"", name);
    sb_html_text(out, value);
    sb_text_printf(out, "\"");
}

/* Numbers sort by their value, "< 12" and "not served" before and behind all. */
static void html_cell(const struct sb_table *t, const struct sb_column *column, const struct sb_cell_content *c,
                      struct sb_text *out)
{
    static const char *const looks[] = {[SB_LOOK_PLAIN] = "", [SB_LOOK_NONE] = " none", [SB_LOOK_BAD] = " bad"};
    char *classes =
        sb_printf("%s%s%s", column->kind == SB_WORDS ? " t" : "", column->wraps ? " w" : "", looks[c->look]);
    char *text, *interval;
    read_cell(t, c, &text, &interval);
    sb_text_printf(out, "<td");
    if (*classes)
        html_attribute(out, "class", classes + 1);
    if (column->kind != SB_WORDS && c->value.n)
        sb_text_printf(out, " data-v=\"%.9g\"",
                       isnan(c->value.median)   ? 0
                       : isinf(c->value.median) ? 1e99
                                                : c->value.median);
    if (c->hint)
        html_attribute(out, "title", c->hint);
    sb_text_printf(out, ">");
    sb_html_text(out, text);
    if (interval)
        sb_text_printf(out, " <span class=none>%s</span>", interval);
    if (c->flag) {
        sb_text_printf(out, " <span class=bad");
        if (c->flag_hint)
            html_attribute(out, "title", c->flag_hint);
        sb_text_printf(out, ">");
        sb_html_text(out, c->flag);
        sb_text_printf(out, "</span>");
    }
    sb_text_printf(out, "</td>");
    free(interval);
    free(text);
    free(classes);
}

void sb_table_html(const struct sb_table *t, struct sb_text *out)
{
    sb_text_printf(out, "<div class=scroll><table>");
    if (t->columns.n && t->columns.at[0].head) {
        sb_text_printf(out, "<thead><tr>");
        for (size_t k = 0; k < t->columns.n; k++) {
            sb_text_printf(out, "<th class=\"s%s\">", t->columns.at[k].kind == SB_WORDS ? " t" : "");
            sb_html_text(out, t->columns.at[k].head);
            sb_text_printf(out, "</th>");
        }
        sb_text_printf(out, "</tr></thead>");
    }
    sb_text_printf(out, "<tbody>\n");
    for (size_t i = 0; i < rows_of(t); i++) {
        sb_text_printf(out, "<tr>");
        for (size_t k = 0; k < t->columns.n; k++)
            html_cell(t, &t->columns.at[k], &t->cells.at[i * t->columns.n + k], out);
        sb_text_printf(out, "</tr>\n");
    }
    sb_text_printf(out, "</tbody></table></div>\n");
}

/* ---- the terminal ---- */

static void pad(struct sb_text *out, const struct sb_column *column, bool last, const char *text)
{
    if (column->kind == SB_WORDS && last)
        sb_text_printf(out, "%*s%s", column->gap, "", text);
    else if (column->kind == SB_WORDS)
        sb_text_printf(out, "%*s%-*s", column->gap, "", column->width, text);
    else
        sb_text_printf(out, "%*s%*s", column->gap, "", column->width, text);
}

static void terminal_row(const struct sb_table *t, size_t row, struct sb_text *out)
{
    for (size_t k = 0; k < t->columns.n; k++) {
        const struct sb_cell_content *c = &t->cells.at[row * t->columns.n + k];
        char *text, *interval;
        read_cell(t, c, &text, &interval);
        if (c->rest)
            sb_text_printf(out, "  %s", text);
        else if (*text || k + 1 < t->columns.n)
            pad(out, &t->columns.at[k], k + 1 == t->columns.n, text);
        free(interval);
        free(text);
        if (c->rest)
            break;
    }
    sb_text_printf(out, "\n");
}

void sb_table_terminal(const struct sb_table *t, struct sb_text *out)
{
    sb_text_printf(out, "\n%s\n", t->title);
    for (size_t k = 0; k < t->columns.n; k++)
        if (*t->columns.at[k].head)
            pad(out, &t->columns.at[k], k + 1 == t->columns.n, t->columns.at[k].head);
    sb_text_printf(out, "\n");
    for (size_t i = 0; i < rows_of(t); i++)
        terminal_row(t, i, out);
}
