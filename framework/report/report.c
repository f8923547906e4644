/* The verb report: all charts, then the page that shows them. */
#include "report/report.h"

#include "base/file.h"
#include "report/charts.h"
#include "report/html.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One gnuplot a chart, about 0.1 s each; the first failure stops all, for the next would fail alike. */
static int render_all(const struct sb_figures *figures, const char *dir, char **why)
{
    bool terminal = isatty(STDERR_FILENO);
    int status = 0;
    for (size_t i = 0; i < figures->n && !status; i++) {
        if (terminal)
            fprintf(stderr, "\r\033[Kchart %zu of %zu", i + 1, figures->n);
        status = sb_figure_render(&figures->at[i], dir, why);
    }
    if (terminal)
        fprintf(stderr, "\r\033[K");
    return status;
}

/* Charts first: the page embeds them and is written last, so a page that is there is whole. */
int sb_report_write(const char *db, const char *folder, char **why)
{
    char *dir = sb_printf("%s/figures", folder), *page = sb_printf("%s/index.html", folder), *html = NULL;
    struct sb_figures figures = {0};
    struct sb_view view;
    int status = sb_view_open(&view, db, why);
    if (!status && !view.data.trials.n) {
        *why = sb_printf("%s holds no trial yet: there is nothing to report", db);
        status = -ENODATA;
    }
    if (!status) {
        status = sb_make_dirs(dir);
        if (status)
            *why = sb_printf("the folder %s can't be made: %s", dir, strerror(-status));
    }
    if (!status)
        status = sb_charts_make(&view, &figures, why);
    if (!status)
        status = render_all(&figures, dir, why);
    if (!status) {
        html = sb_html_make(&view, &figures, dir, &status, why);
        int written = status ? 0 : sb_write_file(page, html, strlen(html));
        status = status ? status : written;
        if (written)
            *why = sb_printf("%s can't be written: %s", page, strerror(-status));
    }
    sb_figures_free(&figures);
    sb_view_close(&view);
    free(html);
    free(dir);
    free(page);
    return status;
}
