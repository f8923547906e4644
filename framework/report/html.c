/*
 * One file that opens anywhere: charts as embedded SVG, a sortable table of every cell, the machine, all
 * warnings, what was skipped or failed and why, and the config. Every text from outside is escaped.
 */
#include "report/html.h"

#include "analyse/contrast.h"
#include "analyse/findings.h"
#include "base/file.h"
#include "config/plot.h"
#include "report/escape.h"
#include "report/methods.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As data: the page must open without its folder, and no SVG may touch the page around it. */
static void base64(struct sb_text *out, const char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = 0;
        for (size_t j = 0; j < 3; j++)
            v = v << 8 | (i + j < n ? (unsigned char)bytes[i + j] : 0);
        char four[4];
        for (size_t j = 0; j < 4; j++)
            four[j] = i + j > n ? '=' : digits[v >> (18 - 6 * j) & 63];
        sb_text_add(out, four, 4);
    }
}

/* No framework and no font of its own: the page must open in ten years, from a disk, on a phone. */
static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1180px;margin:0 auto;"
    "padding:0 16px 48px}h1{font-size:1.6em;margin:24px 0 4px}h2{font-size:1.25em;margin:36px 0 8px;"
    "border-bottom:1px solid #ddd}h3{font-size:1em;margin:16px 0 4px}.scroll{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:13px;white-space:nowrap}"
    "th,td{padding:3px 9px;text-align:right;border-bottom:1px solid #eee}"
    "th{background:#f4f4f4;position:sticky;top:0}th.s{cursor:pointer}th.s:hover{background:#e6e6e6}"
    "td.t,th.t{text-align:left}td.w{white-space:normal}"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:20px}"
    "figure{min-width:0;margin:0;border:1px solid #e4e4e4;border-radius:6px;padding:8px}"
    "figure img{width:100%;height:auto}figcaption,p,li,.warn{overflow-wrap:anywhere}"
    "figcaption{font-size:12px;color:#555}.warn{background:#fff6e0;border-left:4px solid #e69f00;"
    "padding:6px 12px;margin:6px 0}.bad{color:#b02000}.none{color:#888}pre{background:#f7f7f7;"
    "padding:10px;overflow-x:auto;font-size:12.5px}.small{font-size:12.5px;color:#555}"
    ".chart{overflow-x:auto}summary{cursor:pointer;margin:12px 0}details .figures{margin-top:12px}"
    /* On a phone a chart keeps a size at which it can be read, and is pushed aside. */
    "@media(max-width:600px){.chart img{width:620px;max-width:none}}";

/* Sorts by the numbers behind the cells where there are any; a second click turns the order round. */
static const char script[] =
    "document.querySelectorAll('th.s').forEach(function(h){h.addEventListener('click',function(){var "
    "t=h.closest('table'),b=t.tBodies[0],i=h.cellIndex,d=h.dataset.d==='1'?-1:1;h.dataset.d=d;"
    "var k=function(r){var c=r.cells[i];return "
    "c.dataset.v!==undefined?parseFloat(c.dataset.v):c.textContent;}"
    ";Array.from(b.rows).sort(function(x,y){var a=k(x),c=k(y);"
    "if(typeof a!==typeof c)return typeof a==='number'?-1:1;"
    "return (typeof a==='number'?a-c:a.localeCompare(c))*d;}).forEach(function(r){b.appendChild(r);});}"
    ");});";

/* A number with its interval, or why there is none. */
static struct sb_cell_content *add_metric(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *cell,
                                          const char *name, bool si, struct sb_words *reasons)
{
    struct sb_summary s = sb_view_metric(v, cell, name);
    struct sb_cell_content *c = sb_table_add_value(t, s);
    if (!s.n) {
        const char *reason = sb_view_reason(v, cell, name);
        c->text = sb_printf("n/a (%zu)", sb_words_number(reasons, reason));
        c->hint = sb_strdup(reason);
        c->look = SB_LOOK_NONE;
        return c;
    }
    if (sb_reading_is_below(sb_reading_of(&s))) {
        c->text = sb_printf("< %.3g", s.step);
        return c;
    }
    /* Sorting has all digits; what is read has three. */
    double values[] = {s.median, s.low, s.high};
    char *texts[3];
    for (size_t i = 0; i < 3; i++)
        texts[i] = si ? sb_format_si(values[i]) : sb_printf("%.*f", fabs(values[i]) < 10 ? 3 : 1, values[i]);
    c->text = texts[0];
    if (s.n > 1)
        c->interval = sb_printf("[%s, %s]", texts[1], texts[2]);
    c->flag = strcmp(name, SB_NAME(OPS_PER_S)) ? NULL : sb_view_spread(&s);
    free(texts[1]);
    free(texts[2]);
    return c;
}

/* Numbered as the cells above name them; on paper and under a finger there is no pointer to hold over them.
 */
static void add_reasons(struct sb_words *reasons, struct sb_text *out)
{
    for (size_t i = 0; i < reasons->n; i++) {
        sb_text_printf(out, "<p class=small>(%zu) ", i + 1);
        sb_html_text(out, reasons->at[i]);
        sb_text_printf(out, "</p>\n");
    }
    sb_words_free(reasons);
}

/* The ratio to the floor, or why there is none: a floor of zero is no floor. */
static void add_of_null(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *cell)
{
    const struct sb_view_cell *null = sb_view_beside(v, cell, "null");
    double ratio = null ? sb_contrast_ratio(v, cell, null, SB_NAME(OPS_PER_S)) : (double)NAN;
    struct sb_cell_content *c = sb_table_add_value(t, (struct sb_summary){.n = !isnan(ratio), .median = ratio});
    if (!isnan(ratio)) {
        c->text = sb_printf("%.3f", ratio);
        return;
    }
    c->text = sb_strdup("n/a");
    c->look = SB_LOOK_NONE;
    c->hint = sb_strdup(sb_view_metric(v, cell, SB_NAME(OPS_PER_S)).n ? "null was not measured here"
                                                                      : "it has no rate of its own");
}

/* The metrics that have a column on the page. */
static size_t page_columns(const struct sb_view *v, const struct sb_metric_row *columns[SB_METRICS])
{
    size_t n = 0;
    for (size_t k = 0; k < SB_METRICS; k++) {
        const struct sb_metric_row *row = &sb_metric_rows[k];
        if (row->in_page && (!row->if_any || sb_view_has_metric(v, row->name)))
            columns[n++] = row;
    }
    return n;
}

/* The columns' order is that of the heads in add_heads. The words are those of the table on the terminal and in
 * the files: one can be searched for in the other. */
static void add_row(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *cell, bool swept,
                    const struct sb_metric_row *const *columns, size_t n, struct sb_words *reasons)
{
    sb_table_add_text(t, cell->row->workload);
    if (swept)
        sb_table_add_text(t, v->groups.at[cell->group].swept);
    sb_table_add_count(t, cell->row->threads);
    sb_table_add_text(t, cell->variant);
    sb_table_add_text(t, cell->row->route);
    sb_table_add_text(t, cell->row->memory);
    char *status = sb_view_status(cell), *stopped = cell->ok ? sb_view_stopped(v, cell) : NULL;
    char *both = sb_printf("%s%s%s", status, stopped ? "; " : "", stopped ? stopped : "");
    sb_table_add_text(t, both)->look = cell->ok == cell->trials ? SB_LOOK_PLAIN : SB_LOOK_BAD;
    free(both);
    free(status);
    free(stopped);
    sb_table_add_count(t, (int64_t)cell->ok);
    for (size_t i = 0; i < n; i++) {
        add_metric(t, v, cell, columns[i]->name, columns[i]->si, reasons);
        if (columns[i] == &sb_metric_rows[SB_METRIC_OPS_PER_S])
            add_of_null(t, v, cell);
    }
}

static void add_heads(struct sb_table *t, bool swept, const struct sb_metric_row *const *columns, size_t n)
{
    sb_table_add_column(t, "workload", SB_WORDS);
    if (swept)
        sb_table_add_column(t, "swept", SB_WORDS);
    sb_table_add_column(t, "threads", SB_COUNTS);
    sb_table_add_column(t, "allocator", SB_WORDS);
    sb_table_add_column(t, "through", SB_WORDS);
    sb_table_add_column(t, "memory", SB_WORDS);
    sb_table_add_column(t, "status", SB_WORDS);
    sb_table_add_column(t, "n", SB_COUNTS);
    for (size_t i = 0; i < n; i++) {
        sb_table_add_column(t, columns[i]->in_page, SB_VALUES);
        if (columns[i] == &sb_metric_rows[SB_METRIC_OPS_PER_S])
            sb_table_add_column(t, "of null", SB_VALUES);
    }
}

static void add_table(const struct sb_view *v, struct sb_text *out)
{
    const struct sb_metric_row *columns[SB_METRICS];
    size_t n = page_columns(v, columns);
    size_t least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < v->cells.n; i++) {
        least = v->cells.at[i].ok && v->cells.at[i].ok < least ? v->cells.at[i].ok : least;
        most = v->cells.at[i].ok > most ? v->cells.at[i].ok : most;
    }
    char *interval = sb_view_interval(v, least == SIZE_MAX || least < 2 ? 2 : least, most);
    sb_text_printf(out,
                   "<h2>Every cell</h2><p class=small>Medians of n processes; in brackets the %s. "
                   "Click a heading to sort. n/a: the number in parentheses names the reason, below the table. "
                   "<i>through</i> is the interface that serves the workload's blocks; "
                   "an operation is a call of the workload, alloc and free are single calls, timed in batches, "
                   "the clock's own cost taken off; held / requested is memory at the checkpoint of the survey where "
                   "most is live. ",
                   interval);
    for (size_t i = 0; i < n; i++) {
        if (columns[i]->about)
            sb_text_printf(out, "%c%s. ", toupper(columns[i]->about[0]), columns[i]->about + 1);
    }
    sb_text_printf(out, "%s.</p>", sb_view_spread_words);
    free(interval);
    struct sb_table t = {.scale = 1};
    struct sb_words reasons = {0};
    bool swept = false;
    for (size_t i = 0; i < v->groups.n; i++)
        swept |= *v->groups.at[i].swept != '\0';
    add_heads(&t, swept, columns, n);
    for (size_t i = 0; i < v->cells.n; i++)
        add_row(&t, v, &v->cells.at[i], swept, columns, n, &reasons);
    sb_table_html(&t, out);
    sb_table_free(&t);
    add_reasons(&reasons, out);
}

/* A count that was scaled up from part of the time is flagged. */
static void add_event(struct sb_table *t, const struct sb_view *v, const struct sb_view_cell *cell, const char *name,
                      struct sb_words *reasons)
{
    char *running = sb_printf("%s:running", name);
    struct sb_summary share = sb_view_metric(v, cell, running);
    struct sb_cell_content *c = add_metric(t, v, cell, name, true, reasons);
    if (share.n && share.min < 100) {
        c->flag = sb_strdup("scaled");
        c->flag_hint = sb_printf("counted %.0f %% of the time at least, and scaled up", share.min);
    }
    free(running);
}

static void add_event_rows(const struct sb_view *v, const struct sb_words *names, struct sb_text *out)
{
    struct sb_words reasons = {0};
    struct sb_table t = {.scale = 1};
    sb_table_add_column(&t, "cell", SB_WORDS);
    sb_table_add_column(&t, "n", SB_COUNTS);
    for (size_t i = 0; i < names->n; i++)
        sb_table_add_column(&t, names->at[i], SB_VALUES);
    for (size_t i = 0; i < v->cells.n; i++) {
        if (!v->cells.at[i].ok)
            continue;
        sb_table_add_text(&t, v->cells.at[i].label);
        sb_table_add_count(&t, (int64_t)v->cells.at[i].ok);
        for (size_t j = 0; j < names->n; j++)
            add_event(&t, v, &v->cells.at[i], names->at[j], &reasons);
    }
    sb_table_html(&t, out);
    sb_table_free(&t);
    add_reasons(&reasons, out);
}

static void add_events(const struct sb_view *v, struct sb_text *out)
{
    struct sb_words names = {0};
    for (size_t t = 0; t < v->data.trials.n; t++) {
        const struct sb_result *r = &v->data.trials.at[t].result;
        for (size_t i = 0; i < r->metrics.n; i++) {
            if (sb_metric_is_event(r->metrics.at[i].unit))
                sb_words_add_once(&names, r->metrics.at[i].name);
        }
        /* One that can't be counted has its column too, which says so. */
        for (size_t i = 0; i < r->unavailable.n; i++) {
            if (sb_view_is_event(v, r->unavailable.at[i].name))
                sb_words_add_once(&names, r->unavailable.at[i].name);
        }
    }
    sb_text_printf(
        out, "<h2>Events in the measured phase</h2><p class=small>Summed over threads, "
             "counted in the measured phase alone. Names that begin with <i>simulated:</i> were not measured: "
             "they are valgrind's, of one more process of the cell, with caches of the machine's sizes on virtual "
             "addresses; it sees user mode alone, so what a system call costs is not in them. "
             "page_faults are the kernel's count for the thread, pages that it maps ahead for mmap included; "
             "perf's PAGE-FAULTS are those that interrupted the thread.</p>");
    for (size_t t = 0; t < v->data.trials.n; t++) {
        const struct sb_result *r = &v->data.trials.at[t].result;
        bool any = false;
        for (size_t i = 0; i < r->unavailable.n; i++) {
            if (!sb_view_is_event(v, r->unavailable.at[i].name))
                continue;
            sb_text_printf(out, "%s<li>", any ? "" : "<p class=small>Not available:</p><ul class=small>");
            sb_html_text(out, r->unavailable.at[i].name);
            sb_text_printf(out, ": ");
            sb_html_text(out, r->unavailable.at[i].reason);
            sb_text_printf(out, "</li>");
            any = true;
        }
        if (any)
            sb_text_printf(out, "</ul>");
        if (r->status == SB_STATUS_OK)
            break;
    }
    if (names.n)
        add_event_rows(v, &names, out);
    sb_words_free(&names);
}

static void add_latencies(const struct sb_tables *tables, struct sb_text *out)
{
    const struct sb_table *t = NULL;
    for (size_t i = 0; i < tables->n; i++) {
        if (!strcmp(tables->at[i].id, SB_TABLE_LATENCY))
            t = &tables->at[i];
    }
    if (!t || !t->cells.n)
        return;
    sb_text_printf(out,
                   "<h2>Latency of single calls (ns)</h2><p class=small>Percentiles of all sampled calls of all "
                   "processes, their histograms merged; in brackets the smallest and largest of the processes' own, "
                   "where each has one. Values are known to 0.4 %% (a bucket's width) "
                   "and to the clock's resolution; the clock's own cost is taken off. alloc and free: "
                   "service time, that of a closed loop, where a slow call delays the next one's start; "
                   "it leaves out what a waiting caller would feel. response: from when the call was due, "
                   "which has that in.</p>");
    sb_table_html(t, out);
}

/* Charts of thousands of points are smaller, and as sharp, as pixels. */
static char *read_smaller(const struct sb_figure *f, const char *dir, const char **type, size_t *n)
{
    enum { LARGE = 160000 };
    char *path = sb_printf("%s/%s.svg", dir, f->id), *bytes = NULL;
    *type = "image/svg+xml";
    if (!sb_read_file(path, &bytes, n) && *n > LARGE) {
        char *other = sb_printf("%s/%s.png", dir, f->id), *png = NULL;
        size_t size = 0;
        if (!sb_read_file(other, &png, &size) && size < *n) {
            free(bytes);
            bytes = png;
            png = NULL;
            *n = size;
            *type = "image/png";
        }
        free(png);
        free(other);
    }
    free(path);
    return bytes;
}

static void add_figure(const struct sb_figure *f, const char *dir, struct sb_text *out)
{
    const char *type;
    size_t n = 0;
    char *bytes = read_smaller(f, dir, &type, &n);
    if (bytes) {
        sb_text_printf(out, "<figure id=\"%s\"><div class=chart><img loading=lazy alt=\"", f->id);
        sb_html_text(out, f->title);
        sb_text_printf(out, "\" src=\"data:%s;base64,", type);
        base64(out, bytes, n);
        sb_text_printf(out, "\"></div><figcaption>");
        sb_html_text(out, f->caption);
        sb_text_printf(out, "</figcaption></figure>\n");
    }
    free(bytes);
}

/* By kind: a reader compares the same chart across workloads. Long kinds are folded after the first few. */
static void add_figures(const struct sb_figures *figures, const char *dir, struct sb_text *out)
{
    enum { OPEN = 6 };
    sb_text_printf(out,
                   "<h2>Charts</h2><p class=small>Each stands in figures/ as SVG, PNG, PDF for one and for two columns "
                   "of a paper, cairolatex and TikZ, with its data (.tsv), its script (.gp) and its caption.</p>\n");
    for (size_t k = 0; k < SB_PLOT_KINDS; k++) {
        size_t n = 0;
        for (size_t i = 0; i < figures->n; i++) {
            if (strcmp(figures->at[i].kind, sb_plot_rows[k].name))
                continue;
            if (!n)
                sb_text_printf(out, "<h3>%s</h3><div class=figures>\n", sb_plot_rows[k].title);
            if (n == OPEN)
                sb_text_printf(out, "</div><details><summary>more of these</summary><div class=figures>\n");
            add_figure(&figures->at[i], dir, out);
            n++;
        }
        sb_text_printf(out, "%s", !n ? "" : n > OPEN ? "</div></details>\n" : "</div>\n");
    }
}

/* Which builds were measured, and what they loaded. */
static void add_builds(const struct sb_view *v, struct sb_text *out)
{
    struct sb_words builds = sb_find_builds(v);
    struct sb_table t = {.scale = 1};
    for (size_t k = 0; k < 3; k++)
        sb_table_add_column(&t, NULL, SB_WORDS);
    for (size_t i = 0; i < builds.n; i++) {
        char *state = NULL;
        for (char *part = strtok_r(builds.at[i], "\t", &state); part; part = strtok_r(NULL, "\t", &state))
            sb_table_add_text(&t, part);
        sb_table_end_row(&t);
    }
    sb_text_printf(out, "<h3>Builds</h3>");
    sb_table_html(&t, out);
    sb_table_free(&t);
    sb_words_free(&builds);
}

static void add_machine(const struct sb_data *d, struct sb_text *out)
{
    const char *summary = sb_data_meta(d, "topology_summary");
    struct sb_table t = {.scale = 1};
    sb_table_add_column(&t, NULL, SB_WORDS);
    sb_table_add_column(&t, NULL, SB_WORDS)->wraps = true;
    sb_table_add_text(&t, "topology");
    sb_table_add_text(&t, summary ? summary : "not available");
    for (size_t i = 0; i < d->facts.n; i++) {
        sb_table_add_text(&t, d->facts.at[i].name);
        sb_table_add_text(&t, d->facts.at[i].value ? d->facts.at[i].value : "not available");
    }
    sb_text_printf(out, "<h2>Machine</h2>");
    sb_table_html(&t, out);
    sb_table_free(&t);
}

static void add_warning(struct sb_text *out, const char *text)
{
    sb_text_printf(out, "<div class=warn>");
    sb_html_text(out, text);
    sb_text_printf(out, "</div>\n");
}

static void add_warnings(const struct sb_view *v, const struct sb_words *notes, struct sb_text *out)
{
    struct sb_words warnings = sb_find_warnings(v);
    for (size_t i = 0; i < warnings.n; i++)
        add_warning(out, warnings.at[i]);
    for (size_t i = 0; i < notes->n; i++)
        add_warning(out, notes->at[i]);
    sb_words_free(&warnings);
}

/* What is not there is part of the result: skipped cells and failed trials, each with its reason. */
static void add_list(const char *title, struct sb_words items, bool bad, struct sb_text *out)
{
    if (items.n)
        sb_text_printf(out, "<h2>%s</h2><ul>\n", title);
    for (size_t i = 0; i < items.n; i++) {
        char *line_end = strchr(items.at[i], '\n');
        if (line_end)
            *line_end++ = '\0';
        sb_text_printf(out, bad ? "<li class=bad>" : "<li>");
        sb_html_text(out, items.at[i]);
        if (line_end) {
            sb_text_printf(out, "<pre>");
            sb_html_text(out, line_end);
            sb_text_printf(out, "</pre>");
        }
        sb_text_printf(out, "</li>\n");
    }
    sb_text_printf(out, "%s", items.n ? "</ul>\n" : "");
    sb_words_free(&items);
}

static void add_methods(const struct sb_view *v, struct sb_text *out)
{
    struct sb_words methods = sb_methods(v);
    sb_text_printf(
        out, "<h2>Methods</h2><p class=small>A draft for a paper; methods.tex and methods.md have it, too.</p>\n");
    for (size_t i = 0; i < methods.n; i++) {
        sb_text_printf(out, "<p>");
        sb_html_text(out, methods.at[i]);
        sb_text_printf(out, "</p>\n");
    }
    sb_words_free(&methods);
}

static void add_configs(const struct sb_view *v, struct sb_text *out)
{
    for (size_t s = 0; s < v->sources.n; s++) {
        const struct sb_data *head = sb_view_head(v, s);
        const char *config = sb_data_meta(head, "config"), *overrides = sb_data_meta(head, "overrides");
        /* Whole, with its comments: it is what repeats the run. */
        sb_text_printf(out, "<h2>Config");
        if (v->sources.n > 1) {
            sb_text_printf(out, " of ");
            sb_html_text(out, v->sources.at[s].name);
        }
        sb_text_printf(out, "</h2><pre>");
        sb_html_text(out, config ? config : "");
        sb_text_printf(out, "</pre>");
        if (overrides && *overrides) {
            sb_text_printf(out, "<p>Overridden on the command line:</p><pre>");
            sb_html_text(out, overrides);
            sb_text_printf(out, "</pre>");
        }
    }
}

/* No date of its own: the same database gives the same page, byte for byte. */
char *sb_html_make(const struct sb_view *view, const struct sb_figures *figures, const char *dir,
                   const struct sb_tables *tables, const struct sb_words *notes)
{
    const struct sb_data *d = &view->data;
    const char *name = sb_data_meta(d, "name"), *created = sb_data_meta(d, "created");
    const char *version = sb_data_meta(d, "scullbench");
    char *machine = sb_machine_name(d), *line;
    struct sb_text out = {0};
    sb_text_printf(&out, "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
                         "content=\"width=device-width,initial-scale=1\"><title>");
    sb_html_text(&out, name ? name : "scullbench");
    sb_text_printf(&out, "</title><style>%s</style></head><body>\n<h1>", style);
    sb_html_text(&out, name ? name : "scullbench");
    sb_text_printf(&out, "</h1><p class=small>");
    line = sb_printf("%zu trials of %zu cells, begun %s, scullbench %s. %s", d->trials.n, d->cells.n,
                     created ? created : "at an unknown time", version ? version : "?", machine);
    sb_html_text(&out, line);
    sb_text_printf(&out, "</p>\n");
    add_warnings(view, notes, &out);
    add_figures(figures, dir, &out);
    add_table(view, &out);
    add_latencies(tables, &out);
    add_events(view, &out);
    add_list("Skipped cells", sb_find_skipped(view), false, &out);
    add_list("Failed trials", sb_find_failed(view), true, &out);
    add_machine(d, &out);
    add_builds(view, &out);
    add_methods(view, &out);
    add_configs(view, &out);
    sb_text_printf(&out, "<script>%s</script></body></html>\n", script);
    free(line);
    free(machine);
    return out.at;
}
