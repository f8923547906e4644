/* The whole report as Markdown. */
#include "report/methods.h"

#include "analyse/findings.h"
#include "report/escape.h"

#include <stdlib.h>
#include <string.h>

static void section(struct sb_text *out, const char *title, struct sb_words items)
{
    if (items.n)
        sb_text_printf(out, "\n## %s\n\n", title);
    for (size_t i = 0; i < items.n; i++) {
        sb_text_printf(out, "- ");
        sb_markdown_text(out, items.at[i]);
        sb_text_printf(out, "\n");
    }
    sb_words_free(&items);
}

/* A fence longer than any in the text: what stands in a config can't end it. */
static void fenced(struct sb_text *out, const char *text)
{
    size_t longest = 2, run = 0;
    for (const char *p = text; *p; p++) {
        run = *p == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    char *fence = sb_calloc(longest + 2, 1);
    memset(fence, '`', longest + 1);
    sb_text_printf(out, "%s\n%s%s%s\n", fence, text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n", fence);
    free(fence);
}

/* All facts, also those without a value: an empty row is an answer. */
static void add_machine(const struct sb_view *v, struct sb_text *out)
{
    const struct sb_data *d = &v->data;
    const char *summary = sb_data_meta(d, "topology_summary");
    sb_text_printf(out, "\n## Machine\n\n| | |\n|---|---|\n| topology | ");
    sb_markdown_text(out, summary ? summary : "not available");
    sb_text_printf(out, " |\n");
    for (size_t i = 0; i < d->facts.n; i++) {
        sb_text_printf(out, "| ");
        sb_markdown_text(out, d->facts.at[i].name);
        sb_text_printf(out, " | ");
        sb_markdown_text(out, d->facts.at[i].value && *d->facts.at[i].value ? d->facts.at[i].value : "not available");
        sb_text_printf(out, " |\n");
    }
}

static void add_configs(const struct sb_view *v, struct sb_text *out)
{
    for (size_t s = 0; s < v->sources.n; s++) {
        const struct sb_data *head = sb_view_head(v, s);
        const char *config = sb_data_meta(head, "config"), *overrides = sb_data_meta(head, "overrides");
        sb_text_printf(out, "\n## Config%s", v->sources.n > 1 ? " of " : "");
        sb_markdown_text(out, v->sources.n > 1 ? v->sources.at[s].name : "");
        sb_text_printf(out, "\n\n");
        fenced(out, config ? config : "");
        if (overrides && *overrides) {
            sb_text_printf(out, "\nOverridden on the command line:\n\n");
            fenced(out, overrides);
        }
    }
}

void sb_markdown_report(const struct sb_view *v, const struct sb_figures *figures, const struct sb_tables *tables,
                        const struct sb_words *notes, struct sb_text *out)
{
    const char *name = sb_data_meta(&v->data, "name");
    struct sb_words methods = sb_methods(v), warnings = sb_find_warnings(v);
    sb_text_printf(out, "# ");
    sb_markdown_text(out, name ? name : "scullbench");
    sb_text_printf(out, "\n");
    for (size_t i = 0; i < methods.n; i++) {
        sb_text_printf(out, "\n");
        sb_markdown_text(out, methods.at[i]);
        sb_text_printf(out, "\n");
    }
    for (size_t i = 0; i < notes->n; i++)
        *SB_VEC_ADD(&warnings) = sb_strdup(notes->at[i]);
    section(out, "Warnings", warnings);
    sb_text_printf(out, "\n## Tables\n");
    for (size_t i = 0; i < tables->n; i++) {
        sb_text_printf(out, "\n");
        sb_table_markdown(&tables->at[i], out);
    }
    sb_text_printf(out, "\n## Charts\n");
    for (size_t i = 0; i < figures->n; i++) {
        const struct sb_figure *f = &figures->at[i];
        sb_text_printf(out, "\n![");
        sb_markdown_text(out, f->title);
        sb_text_printf(out, "](figures/%s.svg)\n\n", f->id);
        sb_markdown_text(out, f->caption);
        sb_text_printf(out, "\n");
    }
    section(out, "Skipped cells", sb_find_skipped(v));
    section(out, "Failed trials", sb_find_failed(v));
    add_machine(v, out);
    add_configs(v, out);
    sb_words_free(&methods);
}
