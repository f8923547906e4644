/* The verb report: charts, tables, texts, then the page that shows them. */
#define _GNU_SOURCE
#include "report/report.h"

#include "base/file.h"
#include "base/stop.h"
#include "figure/charts.h"
#include "report/escape.h"
#include "report/html.h"
#include "report/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void show_progress(size_t done, size_t all)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < all ? "\r\033[Kchart %zu of %zu" : "\r\033[K", done, all);
}

/* Everything of one report; texts are written with one call each. */
struct writer {
    const char *folder;
    char **why;
    int status;
};

static void put(struct writer *w, const char *name, const struct sb_text *text)
{
    char *path = sb_printf("%s/%s", w->folder, name);
    const char *bytes = sb_text_get(text);
    if (!w->status && (w->status = sb_write_file(path, bytes, strlen(bytes))))
        *w->why = sb_printf("%s can't be written: %s", path, strerror(-w->status));
    free(path);
}

/* The first failure stays the one that is told. */
static void make_folder(struct writer *w, const char *name)
{
    char *path = sb_printf("%s/%s", w->folder, name);
    if (!w->status && (w->status = sb_make_dirs(path)))
        *w->why = sb_printf("the folder %s can't be made: %s", path, strerror(-w->status));
    free(path);
}

/* \caption{\input{figures/ID-caption}} */
static void put_captions(struct writer *w, const struct sb_figures *figures)
{
    for (size_t i = 0; i < figures->n; i++) {
        struct sb_text text = {0};
        char *name = sb_printf("figures/%s-caption.tex", figures->at[i].id);
        sb_tex_text(&text, figures->at[i].caption);
        sb_text_printf(&text, "%%\n");
        put(w, name, &text);
        sb_text_free(&text);
        free(name);
    }
}

static void put_tables(struct writer *w, const struct sb_tables *tables)
{
    static const struct {
        const char *ending;
        void (*write)(const struct sb_table *table, struct sb_text *out);
    } formats[] = {{"tex", sb_table_latex}, {"md", sb_table_markdown}, {"csv", sb_table_csv}};
    for (size_t i = 0; i < tables->n; i++) {
        for (size_t f = 0; f < SB_COUNT(formats); f++) {
            struct sb_text text = {0};
            char *name = sb_printf("tables/%s.%s", tables->at[i].id, formats[f].ending);
            formats[f].write(&tables->at[i], &text);
            put(w, name, &text);
            sb_text_free(&text);
            free(name);
        }
    }
}

static void put_methods(struct writer *w, const struct sb_view *view)
{
    struct sb_words methods = sb_methods(view);
    struct sb_text tex = {0}, markdown = {0};
    for (size_t i = 0; i < methods.n; i++) {
        sb_text_printf(&tex, "%s", i ? "\n\n" : "");
        sb_text_printf(&markdown, "%s", i ? "\n\n" : "");
        sb_tex_text(&tex, methods.at[i]);
        sb_markdown_text(&markdown, methods.at[i]);
    }
    sb_text_printf(&tex, "\n");
    sb_text_printf(&markdown, "\n");
    put(w, "methods.tex", &tex);
    put(w, "methods.md", &markdown);
    sb_words_free(&methods);
    sb_text_free(&tex);
    sb_text_free(&markdown);
}

/* The page last: it embeds the charts, so one that is there is whole. */
static void put_pages(struct writer *w, const struct sb_view *view, const struct sb_figures *figures,
                      const struct sb_tables *tables, const struct sb_words *notes)
{
    struct sb_text markdown = {0};
    char *dir = sb_printf("%s/figures", w->folder);
    sb_markdown_report(view, figures, tables, notes, &markdown);
    put(w, "report.md", &markdown);
    if (!w->status) {
        char *html = sb_html_make(view, figures, dir, tables, notes);
        struct sb_text page = {.at = html, .n = strlen(html)};
        put(w, "index.html", &page);
        free(html);
    }
    sb_text_free(&markdown);
    free(dir);
}

int sb_report_write(const struct sb_words *dbs, const char *folder, const struct sb_plots *plots,
                    struct sb_words *notes, char **why)
{
    struct writer w = {folder, why, 0};
    struct sb_figures figures = {0};
    struct sb_tables tables = {0};
    struct sb_view view;
    w.status = sb_view_open_all(&view, dbs, why);
    if (!w.status && !view.data.trials.n) {
        *why = sb_printf("%s holds no trial yet: there is nothing to report", dbs->at[0]);
        w.status = -ENODATA;
    }
    if (!w.status)
        w.status = sb_charts_make(&view, plots, &figures, notes, why);
    /* What was asked for now and can't be had is a mistake to mend first; of a run's own config it is a
     * warning. */
    if (!w.status && plots && notes->n)
        w.status = -EINVAL;
    make_folder(&w, "figures");
    make_folder(&w, "tables");
    if (!w.status)
        /* Before the charts, which take longest: what can fail early should. */
        w.status = sb_tables_make(&view, &tables, why);
    if (!w.status) {
        char *dir = sb_printf("%s/figures", folder);
        w.status = sb_figures_render(&figures, dir, show_progress, notes, why);
        if (w.status)
            show_progress(1, 1); /* the complaint begins a line of its own */
        free(dir);
    }
    if (!w.status) {
        put_captions(&w, &figures);
        put_tables(&w, &tables);
        put_methods(&w, &view);
        put_pages(&w, &view, &figures, &tables, notes);
    }
    sb_figures_free(&figures);
    sb_tables_free(&tables);
    sb_view_close(&view);
    return w.status;
}
