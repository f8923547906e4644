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

/* What of one cell's settings the other says otherwise, and which keys only one has. `skip`: a kind of section. */
static void compare_section(const struct sb_view_cell *x, const struct sb_view_cell *y, const char *skip,
                            struct sb_words *alone, struct sb_text *out)
{
    for (size_t i = 0; i < x->settings.n; i++) {
        const struct sb_ini_section *mine = &x->settings.at[i];
        const struct sb_ini_section *theirs = sb_ini_section(&y->settings, mine->kind, mine->name);
        for (size_t k = 0; k < mine->n && (!skip || strcmp(mine->kind, skip)); k++) {
            const struct sb_ini_entry *entry = &mine->at[k];
            const struct sb_ini_entry *other = theirs ? sb_ini_entry(theirs, entry->key) : NULL;
            const char *name = *mine->name ? mine->name : mine->kind;
            if (!other) {
                char *text = sb_printf("%s.%s = %s", name, entry->key, entry->value);
                sb_words_add_once(alone, text);
                free(text);
            } else if (out && strcmp(other->value, entry->value)) {
                sb_text_printf(out, "%s: %s.%s is '%s' and '%s'\n", x->row->label, name, entry->key, other->value,
                               entry->value);
            }
        }
    }
}

/* Of two allocators the options differ by nature; of one they are what is asked for. */
static void compare_cells(const struct sb_view_cell *x, const struct sb_view_cell *y, struct sb_words *alone,
                          struct sb_text *out)
{
    const char *skip = strcmp(x->row->allocator, y->row->allocator) ? "allocator" : NULL;
    compare_section(x, y, skip, alone, out);
    compare_section(y, x, skip, alone, NULL);
}

/* A version that has a key more wrote its default: what the other did is not told, but was most likely that. */
static void note_alone(const struct sb_words *alone, struct sb_words *notes)
{
    struct sb_text text = {0};
    for (size_t i = 0; i < alone->n; i++)
        sb_text_printf(&text, "%s%s", i ? ", " : "", alone->at[i]);
    if (alone->n)
        *SB_VEC_ADD(notes) = sb_printf("keys that only one of the runs has, of another version of scullbench or of a "
                                       "plugin, and that the other is taken to agree with: %s",
                                       sb_text_get(&text));
    sb_text_free(&text);
}

/* Of all cells that are held against each other. */
static void compare_settings(const struct sb_view *a, const struct sb_view *b, const char *baseline,
                             struct sb_words *notes, struct sb_text *out)
{
    static const char *const names[] = {"seed", "order", "layout", "confidence", "mode"};
    struct sb_words alone = {0};
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
                compare_cells(&b->cells.at[i], &a->cells.at[j], &alone, out);
            else
                unknown = true;
        }
    }
    if (unknown)
        *SB_VEC_ADD(notes) =
            sb_strdup("one of the databases is of an older version, which did not record the cells' settings: "
                      "that they agree is not known");
    note_alone(&alone, notes);
    sb_words_free(&alone);
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
