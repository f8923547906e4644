/* The verbs report and export. */
#include "base/diag.h"
#include "cli/cli.h"
#include "report/report.h"

#include <stdio.h>
#include <string.h>

/* The default folder stands beside the database and bears its name: several reports don't mix. */
int sb_verb_report(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    const char *db = operands->at[0], *out = sb_flag_value(verb, values, "--out");
    size_t n = strlen(db);
    int stem = (int)(n > 3 && !strcmp(db + n - 3, ".db") ? n - 3 : n);
    char *folder = out ? sb_strdup(out) : sb_printf("%.*s-report", stem, db);
    char *why = NULL;
    int status = sb_report_write(db, folder, &why);
    if (status)
        sb_error("%s", why);
    else
        printf("%s/index.html\n", folder);
    free(why);
    free(folder);
    return status ? SB_EXIT_FAILURE : SB_EXIT_OK;
}

/* To standard output, so that it can be piped into whatever the reader uses. */
int sb_verb_export(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    static const char *const whats[] = {"trials", "series", "histograms"};
    const char *format = sb_flag_value(verb, values, "--format"),
               *given = sb_flag_value(verb, values, "--what");
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
