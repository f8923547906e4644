/* The verbs report, show, artifact and export. */
#include "base/diag.h"
#include "base/file.h"
#include "base/stop.h"
#include "cli/cli.h"
#include "report/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The database's name without its ending, and with another. */
static char *beside(const char *db, const char *ending)
{
    size_t n = strlen(db);
    return sb_printf("%.*s%s", (int)(n > 3 && !strcmp(db + n - 3, ".db") ? n - 3 : n), db, ending);
}

/* What could not be drawn is said, and fails nothing: the other charts are good. */
static int finish(int status, struct sb_words *notes, const char *made, char *why)
{
    /* Without a sentence of its own a failure is what the notes say. */
    for (size_t i = 0; i < notes->n; i++)
        (status && !why ? sb_error : sb_warn)("%s", notes->at[i]);
    if (why)
        sb_error("%s", why);
    else if (!status)
        printf("%s\n", made);
    sb_words_free(notes);
    int code = status == -EINVAL ? SB_EXIT_USAGE : SB_EXIT_FAILURE;
    free(why);
    return status == -EINTR ? SB_EXIT_INTERRUPTED : status ? code : SB_EXIT_OK;
}

/* False after complaints. Dimensions and names are the database's, which says of each plot what it lacks. */
static bool read_plots(const char *path, struct sb_plots *plots)
{
    struct sb_diag diag = {.file = path};
    char *text = NULL;
    size_t n = 0;
    int status = sb_read_file(path, &text, &n);
    if (status) {
        sb_error("--plots: %s can't be read: %s", path, strerror(-status));
        return false;
    }
    struct sb_ini ini = sb_ini_parse(text, n, &diag);
    /* Everything wrong with the file comes out in one pass, with its lines, before anything is written. */
    sb_plots_read(plots, &ini, NULL, NULL, &diag);
    for (size_t i = 0; i < ini.n; i++) {
        if (!strcmp(ini.at[i].kind, "plot") && !*ini.at[i].name)
            sb_diag_at(&diag, ini.at[i].line, "the section [plot] lacks its name; expected [plot NAME]");
        else if (strcmp(ini.at[i].kind, "plot"))
            sb_diag_at(&diag, ini.at[i].line, "unexpected section [%s]; --plots takes [plot NAME] alone",
                       ini.at[i].kind);
    }
    if (!plots->n && !diag.n)
        sb_diag_at(&diag, 0, "there is no [plot NAME] section");
    sb_ini_free(&ini);
    free(text);
    return !sb_diag_flush(&diag, stderr);
}

/* The default folder stands beside the database and bears its name: several reports don't mix. */
int sb_verb_report(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    const char *out = sb_flag_value(verb, values, "--out"), *file = sb_flag_value(verb, values, "--plots");
    struct sb_plots plots = {0};
    struct sb_words notes = {0};
    char *why = NULL;
    if (file && !read_plots(file, &plots)) {
        sb_plots_free(&plots);
        return SB_EXIT_USAGE;
    }
    /* Of several databases the first gives the name. */
    char *folder = out ? sb_strdup(out) : beside(operands->at[0], "-report"),
         *page = sb_printf("%s/index.html", folder);
    sb_catch_stop();
    int status = sb_report_write(operands, folder, file ? &plots : NULL, &notes, &why);
    int code = finish(status, &notes, page, why);
    sb_plots_free(&plots);
    free(page);
    free(folder);
    return code;
}

/* The ending says how it is packed: known before minutes are spent on the report in it. */
int sb_verb_artifact(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    const char *out = sb_flag_value(verb, values, "-o");
    char *archive = out ? sb_strdup(out) : beside(operands->at[0], ".tar.zst"), *why = NULL;
    struct sb_words notes = {0};
    if (!sb_artifact_is_known(archive)) {
        sb_error("-o: '%s' ends in none of .tar.zst, .tar.gz and .tar.xz", archive);
        free(archive);
        return SB_EXIT_USAGE;
    }
    sb_catch_stop();
    int status = sb_artifact_write(operands->at[0], archive, &notes, &why);
    int code = finish(status, &notes, archive, why);
    free(archive);
    return code;
}

/* To look at a database on a machine without gnuplot, or over ssh. */
int sb_verb_show(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    char *why = NULL;
    (void)verb;
    (void)values;
    int status = sb_report_show(operands->at[0], stdout, &why);
    if (status)
        sb_error("%s", why);
    free(why);
    return status ? SB_EXIT_FAILURE : SB_EXIT_OK;
}

/* To standard output, so that it can be piped into whatever the reader uses. */
int sb_verb_export(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    static const char *const whats[] = {"trials", "series", "histograms"};
    const char *format = sb_flag_value(verb, values, "--format"), *given = sb_flag_value(verb, values, "--what");
    char *why = NULL;
    bool json = format && !strcmp(format, "json");
    size_t what = 0;
    while (what < SB_COUNT(whats) && given && strcmp(given, whats[what]))
        what++;
    if (format && !json && strcmp(format, "csv")) {
        sb_error("--format: '%s' is neither csv nor json", format);
        return SB_EXIT_USAGE;
    }
    if (what == SB_COUNT(whats)) {
        char *hint = sb_diag_hint(given, whats, SB_COUNT(whats));
        sb_error("--what: '%s' can't be exported%s", given, hint);
        free(hint);
        return SB_EXIT_USAGE;
    }
    if (what && json) {
        sb_error("--format json is for trials; series and histograms are printed as csv");
        return SB_EXIT_USAGE;
    }
    int status = sb_export(operands->at[0], (enum sb_export_what)what, json, stdout, &why);
    if (status)
        sb_error("%s", why);
    free(why);
    return status ? SB_EXIT_FAILURE : SB_EXIT_OK;
}
