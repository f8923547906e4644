/* Which cells may be held against each other, and whether two runs were made under the same conditions. */
#include "analyse/comparable.h"

#include "analyse/findings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A swept key of one of two allocators sets it apart from the other; all others must agree. */
static bool includes(const struct sb_cell_row *a, const struct sb_cell_row *b, bool siblings)
{
    bool same = !siblings && !strcmp(a->allocator, b->allocator);
    for (size_t i = 0; i < a->swept.n; i++) {
        const char *other = sb_swept_value(b, a->swept.at[i].name);
        if (!same && (sb_own_key(a->swept.at[i].name, a->allocator) || sb_own_key(a->swept.at[i].name, b->allocator)))
            continue;
        if (!other || strcmp(other, a->swept.at[i].value))
            return false;
    }
    return true;
}

bool sb_are_comparable(const struct sb_cell_row *a, const struct sb_cell_row *b, bool siblings)
{
    return a->threads == b->threads && !strcmp(a->workload, b->workload) && includes(a, b, siblings) &&
           includes(b, a, siblings);
}

bool sb_is_named(const struct sb_view_cell *cell, const char *name)
{
    return !strcmp(cell->row->allocator, name) || !strcmp(cell->variant, name);
}

/* The first line in which two texts differ, of each. */
static void first_difference(const char *a, const char *b, struct sb_text *out)
{
    while (*a && *b) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || strncmp(a, b, n)) {
            sb_text_printf(out, "'%.*s' and '%.*s'", (int)n, a, (int)m, b);
            return;
        }
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
    }
    sb_text_printf(out, "one has more settings than the other");
}

/* The line that begins so: a value may have the same words in it. */
static const char *find_line(const char *text, const char *begin)
{
    size_t n = strlen(begin);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, begin, n))
            return line;
    }
    return NULL;
}

/* All that decides about a cell beside its allocator: the text up to that, and from the workload on. */
static char *common_settings(const char *settings, bool same_allocator)
{
    const char *allocator = find_line(settings, "[allocator "), *workload = find_line(settings, "[workload ");
    if (same_allocator || !allocator || !workload || workload < allocator)
        return sb_strdup(settings);
    return sb_printf("%.*s%s", (int)(allocator - settings), settings, workload);
}

static void compare_row_settings(const struct sb_cell_row *x, const struct sb_cell_row *y, struct sb_text *out)
{
    /* Of two allocators the options differ by nature; of one they are what is asked for. */
    bool same = !strcmp(x->allocator, y->allocator);
    char *mine = common_settings(x->settings, same), *theirs = common_settings(y->settings, same);
    if (strcmp(mine, theirs)) {
        sb_text_printf(out, "%s: ", x->label);
        first_difference(theirs, mine, out);
        sb_text_printf(out, "\n");
    }
    free(mine);
    free(theirs);
}

/* Of all cells that are held against each other. */
static void compare_settings(const struct sb_view *a, const struct sb_view *b, const char *baseline,
                             struct sb_words *notes, struct sb_text *out)
{
    static const char *const names[] = {"seed", "order", "layout", "confidence", "mode"};
    bool unknown = false;
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        const char *x = sb_data_meta(&a->data, names[i]), *y = sb_data_meta(&b->data, names[i]);
        if (x && y && strcmp(x, y))
            sb_text_printf(out, "[experiment] %s: '%s' and '%s'\n", names[i], x, y);
    }
    for (size_t i = 0; i < b->cells.n; i++) {
        for (size_t j = 0; j < a->cells.n; j++) {
            const struct sb_cell_row *x = b->cells.at[i].row, *y = a->cells.at[j].row;
            if (!sb_is_named(&a->cells.at[j], baseline ? baseline : x->allocator) || !sb_are_comparable(x, y, false))
                continue;
            if (x->settings && y->settings)
                compare_row_settings(x, y, out);
            else
                unknown = true;
        }
    }
    if (unknown)
        *SB_VEC_ADD(notes) =
            sb_strdup("one of the databases is of an older version, which did not record the cells' settings: "
                      "that they agree is not known");
}

/* A new build is what one compares runs for: said, never refused. */
static void note_builds(const struct sb_data *a, const struct sb_data *b, struct sb_words *notes)
{
    const char *x = sb_data_meta(a, "scullbench"), *y = sb_data_meta(b, "scullbench");
    if (strcmp(x ? x : "", y ? y : ""))
        *SB_VEC_ADD(notes) = sb_printf("the runs are of different versions of scullbench: %s and %s", x, y);
    for (size_t i = 0; i < b->plugins.n; i++) {
        for (size_t j = 0; j < a->plugins.n; j++) {
            const struct sb_plugin_row *p = &a->plugins.at[j], *q = &b->plugins.at[i];
            bool same = !strcmp(p->build_id, q->build_id) && strcmp(p->build_id, "none");
            if (!strcmp(p->kind, q->kind) && !strcmp(p->name, q->name) && !same)
                *SB_VEC_ADD(notes) =
                    sb_printf("the %s %s was built anew in between, or has no build-id: build-id %.12s… and %.12s…",
                              q->kind, q->name, p->build_id, q->build_id);
        }
    }
}

int sb_check_conditions(const struct sb_view *a, const struct sb_view *b, const char *baseline, bool anyway,
                        struct sb_words *notes, char **why)
{
    struct sb_text differences = {0};
    int status = 0;
    sb_find_differences(&a->data, &b->data, &differences);
    compare_settings(a, b, baseline, notes, &differences);
    note_builds(&a->data, &b->data, notes);
    if (differences.n && !anyway) {
        *why = sb_printf("the two runs differ in more than what was built, so their ratio is not that of the "
                         "allocators (--anyway compares all the same):\n%.*s",
                         (int)differences.n - 1, differences.at);
        status = -EXDEV;
    } else if (differences.n) {
        *SB_VEC_ADD(notes) =
            sb_printf("COMPARED ANYWAY, although the runs differ in:\n%.*s", (int)differences.n - 1, differences.at);
    }
    sb_text_free(&differences);
    return status;
}
