/*
 * Tables for papers: for each metric and workload the allocators by threads and swept values, then every
 * cell, then latencies. Medians with their intervals; where there is none, the table says why or points to
 * where it is said.
 */
#include "report/tables.h"

#include "figure/chart.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- formats ---- */

void sb_tex_text(struct sb_text *out, const char *text)
{
    static const struct {
        char c;
        const char *tex;
    } special[] = {{'\\', "\\textbackslash{}"}, {'~', "\\textasciitilde{}"},   {'^', "\\textasciicircum{}"},
                   {'<', "\\textless{}"},       {'>', "\\textgreater{}"},      {'|', "\\textbar{}"},
                   {'"', "\\textquotedbl{}"},   {'\'', "\\textquotesingle{}"}, {'`', "\\textasciigrave{}"}};
    for (; *text; text++) {
        const char *tex = NULL;
        for (size_t i = 0; i < SB_COUNT(special); i++)
            tex = special[i].c == *text ? special[i].tex : tex;
        if (tex)
            sb_text_printf(out, "%s", tex);
        else if (strchr("#$%&_{}", *text))
            sb_text_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            sb_text_add(out, " ", 1);
        else
            sb_text_add(out, text, 1);
    }
}

/* Line ends would end a table's row, and a list's item. */
void sb_markdown_text(struct sb_text *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            sb_text_printf(out, "&lt;");
        else if (*text == '>')
            sb_text_printf(out, "&gt;");
        else if (*text == '&')
            sb_text_printf(out, "&amp;");
        else if (strchr("\\`*_{}[]#|~$!", *text))
            sb_text_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            sb_text_add(out, " ", 1);
        else
            sb_text_add(out, text, 1);
    }
}

/* Three digits that count; more would say more than is known. */
static void number(char text[32], double value)
{
    double size = value < 0 ? -value : value;
    if (isinf(value)) { /* of latencies: a call that was due was never begun */
        snprintf(text, 32, "not served");
    } else if (size >= 99950 || (size > 0 && size < 0.001)) {
        char *si = size < 1 ? sb_printf("%.2g", value) : sb_format_si(value);
        snprintf(text, 32, "%s", si);
        free(si);
    } else {
        snprintf(text, 32, "%.*f", size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.995 ? 2 : 3, value);
    }
}

/* Never none, as nobody but us can know. */
static size_t columns_of(const struct sb_table *t)
{
    return t->heads.n ? t->heads.n : 1;
}

/* "12.3 [12.1, 12.6]"; one run has no interval, nor have latencies that not every process knows. */
char *sb_table_cell_text(const struct sb_table *t, const struct sb_table_cell *c)
{
    char median[32], low[32], high[32];
    if (!c->value.n || isnan(c->value.median))
        return sb_strdup(c->text ? c->text : "n/a");
    number(median, c->value.median / t->scale);
    number(low, c->value.low / t->scale);
    number(high, c->value.high / t->scale);
    bool plain = c->value.n == 1 || isnan(c->value.low) || isnan(c->value.high);
    return plain ? sb_strdup(median) : sb_printf("%s [%s, %s]", median, low, high);
}

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
    for (size_t k = 0; k < t->heads.n; k++) {
        const struct sb_table_cell *cell = &t->cells.at[row * t->heads.n + k];
        char *text = sb_table_cell_text(t, cell), *interval = cell->value.n > 1 ? strstr(text, " [") : NULL;
        if (interval)
            *interval = '\0';
        /* A name in brackets would be an argument of the row before. */
        sb_text_printf(out, "%s", k ? " & " : strchr("[*", *text) && *text ? "{}" : "");
        sb_tex_text(out, text);
        if (interval)
            sb_text_printf(out, " {\\tiny %s}", interval + 1);
        free(text);
    }
    sb_text_printf(out, " \\\\\n");
}

static void latex_heads(const struct sb_table *t, struct sb_text *out)
{
    sb_text_printf(out, "\\toprule\n");
    for (size_t k = 0; k < t->heads.n; k++) {
        sb_text_printf(out, "%s", k ? " & " : "");
        stacked(out, t->heads.at[k], k < t->texts);
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
    for (size_t k = 0; k < t->heads.n; k++)
        sb_text_add(&columns, k < t->texts ? "l" : "r", 1);
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
    for (size_t i = 0; i < t->cells.n / columns_of(t); i++)
        latex_row(t, i, out);
    sb_text_printf(out, "\\bottomrule\n\\end{%s}\n%s", kind,
                   t->lengthy ? "}\n\\ifdefined\\endlandscape\\end{landscape}\\fi\n" : "\\end{table*}\n");
    sb_text_free(&columns);
}

void sb_table_markdown(const struct sb_table *t, struct sb_text *out)
{
    sb_text_printf(out, "**");
    sb_markdown_text(out, t->title);
    sb_text_printf(out, ".** ");
    sb_markdown_text(out, t->note);
    sb_text_printf(out, "\n\n|");
    for (size_t k = 0; k < t->heads.n; k++) {
        sb_text_printf(out, " ");
        sb_markdown_text(out, t->heads.at[k]);
        sb_text_printf(out, " |");
    }
    sb_text_printf(out, "\n|");
    for (size_t k = 0; k < t->heads.n; k++)
        sb_text_printf(out, k < t->texts ? "---|" : "---:|");
    for (size_t i = 0; i < t->cells.n; i++) {
        char *text = sb_table_cell_text(t, &t->cells.at[i]);
        sb_text_printf(out, i % columns_of(t) ? " " : "\n| ");
        sb_markdown_text(out, text);
        sb_text_printf(out, " |");
        free(text);
    }
    sb_text_printf(out, "\n");
}

/* Unscaled, with all digits: for programs. */
void sb_table_csv(const struct sb_table *t, struct sb_text *out)
{
    static const char *const parts[] = {"", " low", " high", " n"};
    for (size_t k = 0; k < t->heads.n; k++) {
        for (size_t p = 0; p < (k < t->texts ? 1 : SB_COUNT(parts)); p++) {
            sb_text_printf(out, k || p ? "," : "");
            bool unit = t->unit && !p && k >= t->texts;
            char *head = sb_printf("%s%s%s%s%s", t->heads.at[k], parts[p], unit ? " (" : "", unit ? t->unit : "",
                                   unit ? ")" : "");
            sb_text_add_csv(out, head);
            free(head);
        }
    }
    for (size_t i = 0; i < t->cells.n; i++) {
        const struct sb_table_cell *c = &t->cells.at[i];
        /* Texts are quoted where need be; numbers have every digit that a double has. */
        size_t k = i % columns_of(t);
        sb_text_printf(out, k ? "," : "\n");
        if (k < t->texts)
            sb_text_add_csv(out, c->text ? c->text : "");
        else if (c->value.n && isnan(c->value.median))
            sb_text_printf(out, ",%.17g,%.17g,%zu", c->value.low, c->value.high, c->value.n);
        else if (c->value.n && (c->value.n == 1 || isnan(c->value.low)))
            sb_text_printf(out, "%.17g,,,%zu", c->value.median, c->value.n);
        else if (c->value.n)
            sb_text_printf(out, "%.17g,%.17g,%.17g,%zu", c->value.median, c->value.low, c->value.high, c->value.n);
        else
            sb_text_printf(out, ",,,0");
    }
    sb_text_printf(out, "\n");
}

/* ---- contents ---- */

static void add_text(struct sb_table *t, const char *text)
{
    SB_VEC_ADD(&t->cells)->text = sb_strdup(text);
}

static void add_head(struct sb_table *t, const char *text)
{
    *SB_VEC_ADD(&t->heads) = sb_strdup(text);
}

/* A reading of less than a step is no number: "< 10", and to a program the bounds that it lies between. */
static void set_below(struct sb_table_cell *cell)
{
    struct sb_reading r = sb_reading_of(&cell->value);
    if (!cell->value.n || !sb_reading_is_below(r))
        return;
    free(cell->text);
    cell->text = sb_printf("< %.3g", r.step);
    cell->value.median = NAN;
    cell->value.low = sb_reading_low(r);
    cell->value.high = sb_reading_high(r);
}

/* The reason is the table of cells' to give, which has room for it. */
static void add_metric(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *cell, const char *metric)
{
    struct sb_table_cell *c = SB_VEC_ADD(&t->cells);
    if (cell)
        c->value = sb_view_metric(v, cell, metric);
    /* What stands in place of a number; a cell that the matrix lacks reads alike. */
    c->text = sb_strdup(cell && cell->row->skip ? "skipped" : "n/a");
    set_below(c);
}

static bool lacks_any(const struct sb_table *t)
{
    for (size_t i = 0; i < t->cells.n; i++) {
        if (i % columns_of(t) >= t->texts && !t->cells.at[i].value.n)
            return true;
    }
    return false;
}

/* "Medians of n = 7 processes, in brackets the 95 % interval ...; MACHINE." */
static char *note_of(const struct sb_view *v, const struct sb_table *t)
{
    struct sb_range r;
    sb_range_start(&r);
    for (size_t i = 0; i < t->cells.n; i++)
        sb_range_add(&r, &t->cells.at[i].value);
    char *machine = sb_machine_name(&v->data), *note;
    char *n = r.least_n == r.most_n ? sb_printf("%zu", r.most_n) : sb_printf("%zu to %zu", r.least_n, r.most_n);
    if (r.most_n > 1) {
        char *interval = sb_view_interval(v, r.least_n > 1 ? r.least_n : 2, r.most_n);
        note = sb_printf("Medians of n = %s processes; in brackets the %s. %s%s.", n, interval,
                         lacks_any(t) ? "The table of cells says why where there is no number. " : "", machine);
        free(interval);
    } else {
        note = sb_printf("%s %s.", r.most_n ? "One run each, without an interval." : "No cell has a number.", machine);
    }
    free(n);
    free(machine);
    return note;
}

/* Names that differ only in what a file name can't hold stay apart by their hash. */
static char *file_name(const char *kind, const char *name)
{
    char *slug = sb_slug(name), *s;
    if (strcmp(slug, name) || strlen(name) > 60)
        s = sb_printf("%s-%.60s-%08llx", kind, slug, (unsigned long long)(sb_hash(name) & 0xffffffff));
    else
        s = sb_printf("%s-%s", kind, slug);
    free(slug);
    return s;
}

/* Allocators down, threads and swept values across. */
static void add_pivot(const struct sb_view *v, const char *metric, const char *file, const char *workload,
                      struct sb_tables *tables)
{
    struct sb_range r;
    const char *prefix = "";
    sb_range_start(&r);
    for (size_t i = 0; i < v->cells.n; i++) {
        struct sb_summary s = {0};
        if (!strcmp(v->cells.at[i].row->workload, workload))
            s = sb_view_metric(v, &v->cells.at[i], metric);
        sb_range_add(&r, &s);
    }
    /* A metric that no cell of the workload has is no table of empty cells. */
    if (!r.most_n)
        return;
    struct sb_table *t = SB_VEC_ADD(tables);
    const char *title = sb_metric_title(metric);
    char *label = sb_view_label(v, metric);
    t->scale = sb_metric_row(metric)->si ? sb_scale_of(r.max, &prefix) : 1;
    t->id = file_name(file, workload);
    t->title = sb_printf("%s: %s, in %s%s", workload, title, prefix, label);
    t->unit = sb_strdup(label);
    t->texts = 1;
    add_head(t, "allocator");
    for (size_t g = 0; g < v->groups.n; g++) {
        const struct sb_view_group *group = &v->groups.at[g];
        if (strcmp(group->workload, workload))
            continue;
        /* The title has the workload's name: "quantum=1000B" under "scullc: ..." is enough. */
        size_t own = strlen(workload);
        const char *swept = group->swept;
        if (!strncmp(swept, workload, own) && swept[own] == '.')
            swept += own + 1;
        char *head = sb_printf("%s%s%lld thread%s", swept, *swept ? ", " : "", (long long)group->threads,
                               group->threads == 1 ? "" : "s");
        add_head(t, head);
        free(head);
    }
    for (size_t a = 0; a < v->allocators.n; a++) {
        add_text(t, v->allocators.at[a]);
        for (size_t g = 0; g < v->groups.n; g++) {
            if (!strcmp(v->groups.at[g].workload, workload))
                add_metric(t, v, sb_view_find(v, g, a), metric);
        }
    }
    t->note = note_of(v, t);
    free(label);
}

/* "skipped (2)": reasons are long, and the same for many cells; the note has each once. */
static char *status_of(const struct sb_view *v, const struct sb_view_cell *c, struct sb_words *reasons)
{
    char *status = sb_view_status(c), *out;
    if (c->ok && c->ok == c->trials) {
        struct sb_summary rate = sb_view_metric(v, c, SB_NAME(OPS_PER_S));
        char *spread = sb_view_spread(&rate);
        out = sb_printf("%s, n = %zu%s%s", status, c->ok, spread ? "; " : "", spread ? spread : "");
        free(spread);
    } else {
        char *n = c->ok ? sb_printf(", n = %zu", c->ok) : sb_strdup("");
        out = sb_printf("%s%s (%zu)", status, n, sb_words_number(reasons, sb_view_reason(v, c, SB_NAME(OPS_PER_S))));
        free(n);
    }
    free(status);
    return out;
}

/* A number that is missing from a cell that was measured has a reason of its own. */
static void add_reasoned(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *c, const char *metric,
                         struct sb_words *reasons)
{
    add_metric(t, v, c, metric);
    struct sb_table_cell *cell = &t->cells.at[t->cells.n - 1];
    if (cell->value.n || c->row->skip)
        return;
    free(cell->text);
    cell->text = sb_printf("n/a (%zu)", sb_words_number(reasons, sb_view_reason(v, c, metric)));
}

/* Everything that was planned, skipped or not: what is missing from a table is not seen to be missing. */
static void add_cells(const struct sb_view *v, struct sb_tables *tables)
{
    static const char *const heads[] = {"workload", "swept", "threads", "allocator", "through", "memory", "status"};
    struct sb_table *t = SB_VEC_ADD(tables);
    t->id = sb_strdup("cells");
    t->title = sb_strdup("every cell");
    t->scale = 1;
    t->texts = SB_COUNT(heads);
    t->lengthy = true;
    struct sb_words reasons = {0};
    for (size_t i = 0; i < SB_COUNT(heads); i++)
        add_head(t, heads[i]);
    for (size_t k = 0; k < SB_METRICS; k++) {
        if (sb_metric_rows[k].in_cells)
            add_head(t, sb_metric_rows[k].in_cells);
    }
    for (size_t i = 0; i < v->cells.n; i++) {
        const struct sb_view_cell *c = &v->cells.at[i];
        char *threads = sb_printf("%lld", (long long)c->row->threads);
        char *status = status_of(v, c, &reasons);
        add_text(t, c->row->workload);
        add_text(t, v->groups.at[c->group].swept);
        add_text(t, threads);
        add_text(t, c->variant);
        add_text(t, c->row->route);
        add_text(t, c->row->memory);
        add_text(t, status);
        for (size_t k = 0; k < SB_METRICS; k++) {
            if (sb_metric_rows[k].in_cells)
                add_reasoned(t, v, c, sb_metric_rows[k].name, &reasons);
        }
        free(status);
        free(threads);
    }
    struct sb_text note = {0};
    char *plain = note_of(v, t);
    sb_text_printf(&note, "%s Held / requested: memory at the checkpoint of the survey where most is live. %c%s.",
                   plain, toupper(sb_view_spread_words[0]), sb_view_spread_words + 1);
    for (size_t i = 0; i < reasons.n; i++)
        /* In the order of their first cell. */
        sb_text_printf(&note, " (%zu) %s.", i + 1, reasons.at[i]);
    t->note = note.at;
    free(plain);
    sb_words_free(&reasons);
}

/* A quantile that too few samples lie beyond, or that is below what the clock can tell, is no number. */
static void add_latency(struct sb_table *t, double ns, double low, double high, size_t processes,
                        const struct sb_summary *step)
{
    struct sb_table_cell *cell = SB_VEC_ADD(&t->cells);
    bool known = isfinite(ns);
    cell->text = sb_strdup(isinf(ns) ? "not served" : "n/a");
    if (known)
        cell->value = (struct sb_summary){
            .n = processes, .median = ns, .low = low, .high = high, .step = step->n ? step->median : 0};
    if (known && isnan(low + high))
        cell->value.low = cell->value.high = NAN;
    if (isinf(ns)) /* "inf" to a program: of the calls that were due so many were never begun */
        cell->value = (struct sb_summary){.n = processes, .median = INFINITY, .low = NAN, .high = NAN};
    set_below(cell);
}

/* Cells that sampled no calls have no row; that is a setting of the run and not a finding. */
static int add_latency_row(const struct sb_view *v, const struct sb_view_cell *c, const char *kind, struct sb_table *t,
                           char **why)
{
    /* As far as a run of ordinary length has samples: beyond, cells say n/a. */
    enum { SHARES = 6 };
    static const double shares[SHARES] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    struct sb_histogram *h = sb_calloc(1, sizeof(*h));
    struct sb_summary step = sb_view_metric(v, c, SB_NAME(CLOCK_RESOLUTION));
    double low[SHARES], high[SHARES];
    int status = sb_view_latencies(v, c, kind, shares, SHARES, h, low, high, why);
    if (!status && h->n) {
        char *n = sb_printf("%llu", (unsigned long long)h->n);
        add_text(t, c->label);
        add_text(t, kind);
        add_text(t, n);
        for (size_t s = 0; s < SHARES; s++)
            add_latency(t, sb_histogram_quantile(h, shares[s]), low[s], high[s], c->ok, &step);
        free(n);
    }
    free(h);
    return status;
}

static int add_latencies(const struct sb_view *v, struct sb_tables *tables, char **why)
{
    static const char *const heads[] = {"cell", "call", "calls", "p50", "p90", "p99", "p99.9", "p99.99", "max"};
    static const char *const kinds[] = {"alloc", "free", "response"};
    struct sb_table *t = SB_VEC_ADD(tables);
    char *machine = sb_machine_name(&v->data);
    int status = 0;
    *t = (struct sb_table){.id = sb_strdup(SB_TABLE_LATENCY), .scale = 1, .texts = 3, .lengthy = true};
    t->title = sb_strdup("latency of single calls in ns");
    t->note = sb_printf("Percentiles of the calls of all processes together; "
                        "in brackets the smallest and the largest of the processes' own, where each has one; "
                        "n/a: fewer than ten calls lie beyond. %s.",
                        machine);
    free(machine);
    for (size_t i = 0; i < SB_COUNT(heads); i++)
        add_head(t, heads[i]);
    for (size_t i = 0; i < v->cells.n && !status; i++) {
        for (size_t k = 0; k < SB_COUNT(kinds) && !status; k++)
            status = add_latency_row(v, &v->cells.at[i], kinds[k], t, why);
    }
    return status;
}

/* In the order in which a reader asks: how fast, why, at what cost in memory. */
int sb_tables_make(const struct sb_view *v, struct sb_tables *tables, char **why)
{
    for (size_t k = 0; k < SB_METRICS; k++) {
        const struct sb_metric_row *row = &sb_metric_rows[k];
        for (size_t w = 0; w < v->workloads.n && row->file; w++)
            add_pivot(v, row->name, row->file, v->workloads.at[w], tables);
    }
    add_cells(v, tables);
    return add_latencies(v, tables, why);
}

void sb_tables_free(struct sb_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++) {
        struct sb_table *t = &tables->at[i];
        free(t->id);
        free(t->title);
        free(t->note);
        free(t->unit);
        sb_words_free(&t->heads);
        for (size_t k = 0; k < t->cells.n; k++)
            free(t->cells.at[k].text);
        SB_VEC_FREE(&t->cells);
    }
    SB_VEC_FREE(tables);
}
