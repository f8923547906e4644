/* From [plot NAME] sections to descriptions of charts. */
#include "config/plot.h"

#include "base/units.h"
#include "config/section.h"

#include <stdlib.h>
#include <string.h>

#define ROW(id, draw, word, about, ...) [SB_PLOT_##id] = {.name = word, __VA_ARGS__},
const struct sb_plot_row sb_plot_rows[SB_PLOT_KINDS] = {
#include "config/plot_kinds.inc"
};
#undef ROW

/* As the option wants them, closed by NULL. */
#define ROW(id, draw, word, about, ...) word,
static const char *const kinds[SB_PLOT_KINDS + 1] = {
#include "config/plot_kinds.inc"
};
#undef ROW

/* "; matrix: ...; bars: ...": its reader skips the first separator. */
#define ROW(id, draw, word, about, ...) "; " word ": " about
static const char about_kinds[] =
#include "config/plot_kinds.inc"
    ;
#undef ROW

const struct sb_option sb_plot_options[SB_PLOT_KEYS] = {
    [SB_PLOT_KIND] = {"kind", SB_OPTION_ENUM, 0, "bars", 0, 0, kinds, about_kinds + 2},
    [SB_PLOT_X] = {"x", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                   "what stands along the axis: allocator, workload, threads, a swept SECTION.KEY, or a list of them"},
    [SB_PLOT_Y] = {"y", SB_OPTION_TEXT, 0, "", 0, 0, NULL, "what the rows are, likewise"},
    [SB_PLOT_SERIES_BY] = {"series", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                           "what colours, marks or panels tell apart, likewise"},
    [SB_PLOT_FACET] = {"facet", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                       "a chart for each of its values; whatever else varies is one by itself"},
    [SB_PLOT_METRIC] = {"metric", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                        "what is shown, by default throughput: a metric of `export`, or what the kind says"},
    [SB_PLOT_BASELINE] = {"baseline", SB_OPTION_TEXT, 0, "", 0, 0, NULL, "the allocator to compare with"},
    [SB_PLOT_WHERE] = {"where", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                       "which cells, as DIMENSION=VALUE or DIMENSION!=VALUE, where * stands for any characters "
                       "and a bar separates alternatives; several separated by commas"},
};

/* kind, facet and where go with every kind. */
static bool takes(enum sb_plot_kind kind, enum sb_plot_key key)
{
    return key == SB_PLOT_KIND || key == SB_PLOT_FACET || key == SB_PLOT_WHERE || sb_plot_rows[kind].keys >> key & 1;
}

/* What names are judged by; NULL where they aren't known yet. */
struct reader {
    struct sb_diag *diag;
    const struct sb_words *dimensions, *allocators;
};

/* Without names nothing can be checked here: then the report says what its data lack. */
static void check_name(const struct reader *r, const char *key, const char *word, const struct sb_words *names,
                       const char *what, int line)
{
    if (!names || sb_words_has(names, word))
        return;
    char *hint = sb_diag_hint(word, (const char *const *)names->at, names->n);
    sb_diag_at(r->diag, line, "%s: '%s' is no %s%s", key, word, what, hint);
    free(hint);
}

static const char dimension_words[] = "dimension of this matrix";

static struct sb_words read_dimensions(const struct reader *r, const struct sb_ini_section *section,
                                       enum sb_plot_key key)
{
    const char *name = sb_plot_options[key].name;
    const struct sb_ini_entry *entry = sb_ini_entry(section, name);
    struct sb_words words = {0};
    if (entry)
        words = sb_split(entry->value);
    for (size_t i = 0; i < words.n; i++) {
        check_name(r, name, words.at[i], r->dimensions, dimension_words, entry->line);
        /* Twice the same would be one column under two heads. */
        for (size_t j = 0; j < i; j++) {
            if (!strcmp(words.at[i], words.at[j]))
                sb_diag_at(r->diag, entry->line, "%s: '%s' stands twice in the list", name, words.at[i]);
        }
    }
    return words;
}

/* A condition that can't be read is dropped after its complaint: one mistake, one message. */
static void read_where(const struct reader *r, const struct sb_ini_section *section, struct sb_plot *plot)
{
    const struct sb_ini_entry *entry = sb_ini_entry(section, "where");
    struct sb_words words = {0};
    if (entry)
        words = sb_split(entry->value);
    for (size_t i = 0; i < words.n; i++) {
        char *equals = strchr(words.at[i], '=');
        if (!equals || equals == words.at[i] || !equals[1]) {
            sb_diag_at(r->diag, entry->line, "where: '%s' is not DIMENSION=VALUE or DIMENSION!=VALUE", words.at[i]);
            continue;
        }
        struct sb_plot_condition *c = SB_VEC_ADD(&plot->where);
        /* "!=" and "=" are found by the same sign. */
        c->negated = equals[-1] == '!';
        size_t n = (size_t)(equals - words.at[i]) - c->negated;
        while (n && words.at[i][n - 1] == ' ')
            n--;
        c->dimension = sb_strndup(words.at[i], n);
        check_name(r, "where", c->dimension, r->dimensions, dimension_words, entry->line);
        char *state = NULL;
        for (char *v = strtok_r(equals + 1, "|", &state); v; v = strtok_r(NULL, "|", &state)) {
            v += strspn(v, " ");
            size_t length = strlen(v);
            while (length && v[length - 1] == ' ')
                length--;
            *SB_VEC_ADD(&c->values) = sb_strndup(v, length);
        }
    }
    sb_words_free(&words);
}

/* What belongs to another kind would be ignored in silence. */
static void check_keys(const struct reader *r, const struct sb_ini_section *section, enum sb_plot_kind kind)
{
    for (size_t i = 0; i < section->n; i++) {
        const struct sb_option *option = sb_option_find(sb_plot_options, SB_PLOT_KEYS, section->at[i].key);
        if (option && !takes(kind, (enum sb_plot_key)(option - sb_plot_options)))
            sb_diag_at(r->diag, section->at[i].line, "a plot of kind = %s takes no %s", kinds[kind], option->name);
    }
}

/* Owned by the plot: it outlives the INI of a stored config. */
static char *text_of(const struct sb_ini_section *section, const char *key)
{
    const struct sb_ini_entry *entry = sb_ini_entry(section, key);
    return entry ? sb_strdup(entry->value) : NULL;
}

/* Keys of another kind are told only where the kind itself could be read. */
static void read_plot(const struct reader *r, const struct sb_ini_section *section, struct sb_plot *plot)
{
    union sb_value values[SB_PLOT_KEYS];
    char *what = sb_printf("[plot %s]", section->name);
    const struct sb_ini_entry *baseline = sb_ini_entry(section, "baseline");
    size_t before = r->diag->n;
    sb_read_section(section, what, sb_plot_options, SB_PLOT_KEYS, NULL, values, r->diag);
    plot->name = sb_strdup(section->name);
    plot->line = section->line;
    plot->kind = (enum sb_plot_kind)values[SB_PLOT_KIND].u;
    if (r->diag->n == before)
        check_keys(r, section, plot->kind);
    plot->x = read_dimensions(r, section, SB_PLOT_X);
    plot->y = read_dimensions(r, section, SB_PLOT_Y);
    plot->series = read_dimensions(r, section, SB_PLOT_SERIES_BY);
    plot->facet = read_dimensions(r, section, SB_PLOT_FACET);
    plot->metric = text_of(section, "metric");
    plot->baseline = text_of(section, "baseline");
    if (baseline) {
        /* "slub (percpu=no)": with its options, which the report knows. */
        const char *options = strstr(baseline->value, " (");
        char *name =
            sb_strndup(baseline->value, options ? (size_t)(options - baseline->value) : strlen(baseline->value));
        check_name(r, "baseline", name, r->allocators, "allocator of this matrix", baseline->line);
        free(name);
    }
    read_where(r, section, plot);
    free(what);
}

void sb_plots_read(struct sb_plots *plots, const struct sb_ini *ini, const struct sb_words *dimensions,
                   const struct sb_words *allocators, struct sb_diag *diag)
{
    struct reader r = {diag, dimensions, allocators};
    /* In the order of the config, which is that of the page. */
    *plots = (struct sb_plots){0};
    for (size_t i = 0; i < ini->n; i++) {
        if (!strcmp(ini->at[i].kind, "plot"))
            read_plot(&r, &ini->at[i], SB_VEC_ADD(plots));
    }
}

void sb_plots_free(struct sb_plots *plots)
{
    for (size_t i = 0; i < plots->n; i++) {
        struct sb_plot *p = &plots->at[i];
        free(p->name);
        free(p->metric);
        free(p->baseline);
        sb_words_free(&p->x);
        sb_words_free(&p->y);
        sb_words_free(&p->series);
        sb_words_free(&p->facet);
        for (size_t j = 0; j < p->where.n; j++) {
            free(p->where.at[j].dimension);
            sb_words_free(&p->where.at[j].values);
        }
        SB_VEC_FREE(&p->where);
    }
    SB_VEC_FREE(plots);
}
