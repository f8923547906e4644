/* Grouping and summarising for every kind of output, so that table, charts and HTML always say the same. */
#define _GNU_SOURCE
#include "analyse/view.h"

#include "base/diag.h"
#include "config/section.h"
#include "plan/plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Adds what is new: the order of the config is the order of every table and chart. */
static size_t index_of(struct sb_words *words, const char *word)
{
    return sb_words_number(words, word) - 1;
}

/* NULL where the cell doesn't sweep it: that is no value, and not an empty one. */
const char *sb_swept_value(const struct sb_cell_row *row, const char *name)
{
    for (size_t i = 0; i < row->swept.n; i++) {
        if (!strcmp(row->swept.at[i].name, name))
            return row->swept.at[i].value;
    }
    return NULL;
}

/* A twin goes by its sibling's section: that is the one that is written in the config. */
const char *sb_own_key(const char *swept, const char *allocator)
{
    size_t n = strlen(allocator), suffix = strlen(SB_TWIN_SUFFIX);
    const char *dot = sb_sweep_dot(swept);
    if (n > suffix && !strcmp(allocator + n - suffix, SB_TWIN_SUFFIX))
        n -= suffix;
    return dot && (size_t)(dot - swept) == n && !strncmp(swept, allocator, n) ? dot + 1 : NULL;
}

/* What of a cell's sweep separates groups: all but the allocator's own keys, which make variants of it. */
static char *swept_text(const struct sb_cell_row *row)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < row->swept.n; i++) {
        if (!sb_own_key(row->swept.at[i].name, row->allocator))
            sb_text_printf(&text, "%s%s=%s", text.n ? ", " : "", row->swept.at[i].name, row->swept.at[i].value);
    }
    return text.at;
}

/* "slub", or "slub (percpu=no)" where its own keys are swept. */
static char *variant_name(const struct sb_cell_row *row)
{
    struct sb_text text = {0};
    size_t own = 0;
    sb_text_printf(&text, "%s", row->allocator);
    for (size_t i = 0; i < row->swept.n; i++) {
        const char *key = sb_own_key(row->swept.at[i].name, row->allocator);
        if (key)
            sb_text_printf(&text, "%s%s=%s", own++ ? ", " : " (", key, row->swept.at[i].value);
    }
    sb_text_printf(&text, "%s", own ? ")" : "");
    return text.at;
}

/* Threads are part of a group: allocators are compared at equal parallelism. */
static size_t group_of(struct sb_view *view, const struct sb_cell_row *row)
{
    char *swept = swept_text(row);
    for (size_t i = 0; i < view->groups.n; i++) {
        const struct sb_view_group *g = &view->groups.at[i];
        if (g->threads == row->threads && !strcmp(g->workload, row->workload) && !strcmp(g->swept, swept)) {
            free(swept);
            return i;
        }
    }
    struct sb_view_group *g = SB_VEC_ADD(&view->groups);
    g->workload = row->workload;
    g->threads = row->threads;
    g->swept = swept;
    g->title = sb_printf("%s, %lld thread%s%s%s", row->workload, (long long)row->threads, row->threads == 1 ? "" : "s",
                         *swept ? ", " : "", swept);
    return view->groups.n - 1;
}

/* One past the last where a trial's cell isn't there. */
static size_t cell_index(const struct sb_view *view, const struct sb_trial_row *trial)
{
    /* Ids ascend, but may have gaps: cells can be deleted from a database with SQL, as results are tidied. */
    size_t low = 0, high = view->cells.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->cells.at[middle].row->id < trial->cell)
            low = middle + 1;
        else
            high = middle;
    }
    return low < view->cells.n && view->cells.at[low].row->id == trial->cell ? low : view->cells.n;
}

/* Trials by cell, each cell's in the order in which they ran. */
static void sort_trials(struct sb_view *view)
{
    /* A counting sort: stable, and linear in trials, of which there may be ten thousand. */
    size_t *next = sb_calloc(view->cells.n + 2, sizeof(*next));
    view->order = sb_calloc(view->data.trials.n, sizeof(*view->order));
    for (size_t t = 0; t < view->data.trials.n; t++)
        next[cell_index(view, &view->data.trials.at[t]) + 1]++;
    for (size_t i = 0; i < view->cells.n; i++) {
        next[i + 1] += next[i];
        view->cells.at[i].first_trial = view->cells.at[i].last_trial = next[i];
    }
    for (size_t t = 0; t < view->data.trials.n; t++) {
        const struct sb_trial_row *trial = &view->data.trials.at[t];
        size_t i = cell_index(view, trial);
        if (i == view->cells.n)
            continue;
        view->order[view->cells.at[i].last_trial++] = t;
        /* What ran under valgrind has no times: it is no repetition. */
        if (trial->simulated)
            continue;
        view->cells.at[i].trials += !trial->retry;
        view->cells.at[i].ok += trial->result.status == SB_STATUS_OK;
        view->cells.at[i].disturbed += trial->result.status == SB_STATUS_DISTURBED;
        view->cells.at[i].failed += trial->result.status != SB_STATUS_OK && trial->result.status != SB_STATUS_DISTURBED;
    }
    free(next);
}

/* The file's name, which the user chose, tells databases apart; that of the config may be the same in all. */
static char *source_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    char *bytes = sb_strndup(base, n > 3 && !strcmp(base + n - 3, ".db") ? n - 3 : n), *name = sb_utf8_clean(bytes);
    free(bytes);
    return name;
}

/* Moves what the source holds to the end of the view's; ids of cells go on counting. */
static void append_source(struct sb_view *view, struct sb_view_source *source, size_t number)
{
    struct sb_data *all = &view->data, *from = &source->head;
    for (size_t i = 0; i < from->cells.n; i++) {
        struct sb_cell_row *row = SB_VEC_ADD(&all->cells);
        *row = from->cells.at[i];
        row->id += source->first_cell;
        row->source = number;
    }
    for (size_t i = 0; i < from->trials.n; i++) {
        struct sb_trial_row *row = SB_VEC_ADD(&all->trials);
        *row = from->trials.at[i];
        row->cell += source->first_cell;
        row->source = number;
    }
    for (size_t i = 0; i < from->plugins.n; i++)
        *SB_VEC_ADD(&all->plugins) = from->plugins.at[i];
    for (size_t i = 0; number == 1 && i < all->warnings.n; i++) {
        char *named = sb_printf("%s: %s", view->sources.at[0].name, all->warnings.at[i]);
        free(all->warnings.at[i]);
        all->warnings.at[i] = named;
    }
    for (size_t i = 0; i < from->warnings.n; i++) {
        *SB_VEC_ADD(&all->warnings) = sb_printf("%s: %s", source->name, from->warnings.at[i]);
        free(from->warnings.at[i]);
    }
    SB_VEC_FREE(&from->cells);
    SB_VEC_FREE(&from->trials);
    SB_VEC_FREE(&from->plugins);
    SB_VEC_FREE(&from->warnings);
}

/* Files of one name, in two folders, are numbered; one file given twice is a mistake. */
static int set_apart(struct sb_view *view, const char *db, char **why)
{
    struct sb_view_source *last = &view->sources.at[view->sources.n - 1];
    last->path = realpath(db, NULL);
    for (size_t i = 0; i + 1 < view->sources.n; i++) {
        const struct sb_view_source *other = &view->sources.at[i];
        if (last->path && other->path && !strcmp(last->path, other->path)) {
            *why = sb_printf("%s is given twice", db);
            return -EINVAL;
        }
        if (strcmp(last->name, other->name))
            continue;
        char *name = sb_printf("%s-%zu", last->name, view->sources.n);
        free(last->name);
        last->name = name;
        i = SIZE_MAX; /* once more from the start: the new name may be taken as well */
    }
    return 0;
}

static int open_source(struct sb_view *view, const char *db, char **why)
{
    struct sb_view_source *source = SB_VEC_ADD(&view->sources);
    bool first = view->sources.n == 1;
    size_t cells = view->data.cells.n;
    source->name = source_name(db);
    source->first_cell = cells ? view->data.cells.at[cells - 1].id : 0;
    int status = set_apart(view, db, why);
    if (!status)
        status = sb_store_open(&source->store, db, why);
    if (!status)
        status = sb_store_load(source->store, first ? &view->data : &source->head, why);
    if (!status && !first)
        append_source(view, source, view->sources.n - 1);
    return status;
}

/* Whether a cell of one database is in another, too. */
static bool any_twice(const struct sb_view *view)
{
    const struct sb_data *d = &view->data;
    for (size_t i = 0; i < d->cells.n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (d->cells.at[i].source != d->cells.at[j].source && !strcmp(d->cells.at[i].label, d->cells.at[j].label))
                return true;
        }
    }
    return false;
}

/* Only where there is something to tell apart: names stay short otherwise. */
static char *with_source(const char *text, const char *source)
{
    return source ? sb_printf("%s in %s", text, source) : sb_strdup(text);
}

/* A file altered by hand is read as far as it can be: what is left says the rest. */
static struct sb_ini read_settings(const char *text)
{
    struct sb_diag diag = {0};
    struct sb_ini ini = sb_ini_parse_literal(text ? text : "", text ? strlen(text) : 0, &diag);
    sb_diag_free(&diag);
    return ini;
}

/* In the order of the databases and of their configs, which is the order of every table. */
static void add_cell(struct sb_view *view, const struct sb_cell_row *row, bool twice)
{
    const char *source = twice ? view->sources.at[row->source].name : NULL;
    char *variant = variant_name(row);
    struct sb_view_cell cell = {.row = row,
                                .variant = with_source(variant, source),
                                .section = with_source(row->allocator, source),
                                .label = with_source(row->label, source),
                                .settings = read_settings(row->settings)};
    cell.allocator = index_of(&view->allocators, cell.variant);
    cell.base = index_of(&view->bases, variant);
    cell.group = group_of(view, row);
    index_of(&view->workloads, row->workload);
    *SB_VEC_ADD(&view->cells) = cell;
    free(variant);
}

/* A run with a precision to reach, or a verdict. */
static bool ends_by_results(const struct sb_view *view, size_t source)
{
    const char *precision = sb_data_meta(sb_view_head(view, source), "precision"),
               *decide = sb_data_meta(sb_view_head(view, source), "decide");
    return (precision && strtod(precision, NULL) > 0) || (decide && strtod(decide, NULL) > 0);
}

/*
 * Failed trials are counted here and nowhere summed: a metric is over ok trials alone, with n beside
 * it.
 */
int sb_view_open_all(struct sb_view *view, const struct sb_words *dbs, char **why)
{
    int status = 0;
    *view = (struct sb_view){0};
    for (size_t i = 0; i < dbs->n && !status; i++)
        status = open_source(view, dbs->at[i], why);
    if (status)
        return status;
    const char *confidence = sb_data_meta(&view->data, "confidence");
    view->confidence = confidence ? strtod(confidence, NULL) : 0.95;
    if (!(view->confidence > 0 && view->confidence < 1)) /* altered by hand: nothing could be computed with it */
        view->confidence = 0.95;
    for (size_t i = 0; i < view->sources.n; i++)
        view->anytime |= ends_by_results(view, i);
    bool twice = view->sources.n > 1 && any_twice(view);
    for (size_t i = 0; i < view->data.cells.n; i++)
        add_cell(view, &view->data.cells.at[i], twice);
    sort_trials(view);
    return 0;
}

int sb_view_open(struct sb_view *view, const char *db, char **why)
{
    char *path = sb_strdup(db);
    struct sb_words dbs = {&path, 1, 1};
    int status = sb_view_open_all(view, &dbs, why);
    free(path);
    return status;
}

void sb_view_close(struct sb_view *view)
{
    for (size_t i = 0; i < view->groups.n; i++) {
        free(view->groups.at[i].swept);
        free(view->groups.at[i].title);
    }
    for (size_t i = 0; i < view->cells.n; i++) {
        free(view->cells.at[i].variant);
        free(view->cells.at[i].section);
        free(view->cells.at[i].label);
        sb_ini_free(&view->cells.at[i].settings);
    }
    for (size_t i = 0; i < view->sources.n; i++) {
        free(view->sources.at[i].name);
        free(view->sources.at[i].path);
        sb_data_free(&view->sources.at[i].head);
        sb_store_close(view->sources.at[i].store);
    }
    SB_VEC_FREE(&view->sources);
    SB_VEC_FREE(&view->groups);
    SB_VEC_FREE(&view->cells);
    free(view->order);
    sb_words_free(&view->allocators);
    sb_words_free(&view->bases);
    sb_words_free(&view->workloads);
    sb_data_free(&view->data);
}

int sb_view_load_series(const struct sb_view *view, const struct sb_trial_row *trial, struct sb_result *result,
                        char **why)
{
    return sb_store_load_series(view->sources.at[trial->source].store, trial->number, result, why);
}

/* At most one: the matrix has each combination once. */
const struct sb_view_cell *sb_view_find(const struct sb_view *view, size_t group, size_t allocator)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        if (view->cells.at[i].group == group && view->cells.at[i].allocator == allocator)
            return &view->cells.at[i];
    }
    return NULL;
}

/* Within one run: another's floor or baseline was measured under other conditions. */
const struct sb_view_cell *sb_view_beside(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        const struct sb_view_cell *other = &view->cells.at[i];
        if (other->group == cell->group && other->row->source == cell->row->source &&
            (!strcmp(other->variant, name) || !strcmp(other->row->allocator, name)))
            return other;
    }
    return NULL;
}

/* Each repetition ends in a trial that is ok or failed, or else all its trials were disturbed. */
size_t sb_view_lost(const struct sb_view_cell *cell)
{
    size_t ended = cell->ok + cell->failed;
    return cell->trials > ended ? cell->trials - ended : 0;
}

/* A cell whose trials never ran is neither ok nor failed. */
char *sb_view_status(const struct sb_view_cell *cell)
{
    size_t lost = sb_view_lost(cell);
    struct sb_text text = {0};
    if (cell->row->skip)
        return sb_strdup("skipped");
    if (!cell->trials)
        return sb_strdup("not run");
    if (cell->failed)
        sb_text_printf(&text, "%zu of %zu failed", cell->failed, cell->trials);
    if (lost)
        sb_text_printf(&text, "%s%zu of %zu disturbed", text.n ? ", " : "", lost, cell->trials);
    return text.n ? text.at : sb_strdup("ok");
}

struct sb_level sb_view_ratio_level(const struct sb_view *view)
{
    return (struct sb_level){view->confidence, sb_view_decide(view) > 0};
}

const char *sb_view_baseline(const struct sb_view *view, size_t source, double *least)
{
    const struct sb_data *d = sb_view_head(view, source);
    const char *mode = sb_data_meta(d, "mode"), *counts = sb_data_meta(d, "least_difference");
    *least = counts ? strtod(counts, NULL) : 0;
    return mode && !strcmp(mode, "paired") ? sb_data_meta(d, "baseline") : NULL;
}

double sb_view_decide(const struct sb_view *view)
{
    double share = 0;
    for (size_t i = 0; i < view->sources.n && !(share > 0); i++) {
        const char *decide = sb_data_meta(sb_view_head(view, i), "decide");
        share = decide ? strtod(decide, NULL) : 0;
    }
    return share;
}

struct sb_level sb_view_level(const struct sb_view *view)
{
    return (struct sb_level){view->confidence, view->anytime};
}

const struct sb_data *sb_view_head(const struct sb_view *view, size_t source)
{
    return source ? &view->sources.at[source].head : &view->data;
}

/* A line of one of the lists; files of the first schema have none. */
static bool is_listed(const char *events, const char *name)
{
    size_t n = strlen(name);
    if (!events)
        return strstr(name, "::") != NULL;
    for (const char *at = events; n && (at = strstr(at, name)); at += n) {
        if ((at == events || at[-1] == '\n') && (!at[n] || at[n] == '\n'))
            return true;
    }
    return false;
}

bool sb_view_is_event(const struct sb_view *view, const char *name)
{
    bool is = false;
    for (size_t i = 0; i < view->sources.n; i++)
        is |= is_listed(sb_data_meta(sb_view_head(view, i), "events"), name);
    return is;
}

/* Three digits, for reading; exports have all of them. */
char *sb_format_si(double value)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    size_t i = 0;
    if (!isfinite(value))
        return sb_strdup("-");
    if (fabs(value) > 0 && fabs(value) < 0.095)
        return sb_printf("%.2g", value);
    while (fabs(value) >= 999.5 && i + 1 < SB_COUNT(prefixes)) {
        value /= 1000;
        i++;
    }
    int digits = fabs(value) >= 99.95 ? 0 : fabs(value) >= 9.995 ? 1 : 2;
    return sb_printf("%.*f%s%s", digits, value, *prefixes[i] ? " " : "", prefixes[i]);
}

char *sb_format_reading(struct sb_reading r)
{
    char *number = sb_format_si(sb_reading_is_below(r) ? r.step : r.value);
    if (!sb_reading_is_below(r))
        return number;
    char *text = sb_printf("<%s", number);
    free(number);
    return text;
}

const char *sb_data_fact(const struct sb_data *data, const char *name)
{
    for (size_t i = 0; i < data->facts.n; i++) {
        if (!strcmp(data->facts.at[i].name, name))
            return data->facts.at[i].value;
    }
    return NULL;
}

char *sb_machine_name(const struct sb_data *data)
{
    const char *summary = sb_data_meta(data, "topology_summary"), *cpu = sb_data_fact(data, "cpu"),
               *kernel = sb_data_fact(data, "kernel");
    return sb_printf("%s, %s, %s", cpu ? cpu : "unknown CPU", summary ? summary : "unknown topology",
                     kernel ? kernel : "unknown kernel");
}
