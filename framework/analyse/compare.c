/* Pairs cells, checks that their runs are comparable, and derives the verdicts. */
#define _GNU_SOURCE
#include "analyse/compare.h"

#include "analyse/comparable.h"
#include "analyse/contrast.h"
#include "analyse/findings.h"
#include "base/diag.h"
#include "metric/metric.h"
#include "plan/plan.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The planner names them so; a user's section can't, for the suffix has a character that lists need. */
static bool is_twin(const char *name)
{
    size_t n = strlen(name), suffix = strlen(SB_TWIN_SUFFIX);
    return n > suffix && !strcmp(name + n - suffix, SB_TWIN_SUFFIX);
}

/* ---- pairing ---- */

static struct sb_level level_of(const struct sb_compare *c)
{
    return (struct sb_level){c->confidence, c->anytime};
}

static void set_contrast(struct sb_comparison *row, const struct sb_contrast *contrast)
{
    row->x = contrast->x;
    row->y = contrast->y;
    row->ratio = contrast->ratio;
    row->p = row->adjusted = contrast->p;
    row->p_beyond = contrast->p_beyond;
    row->paired = contrast->paired;
    row->resolved = contrast->resolved || !row->x.n || !row->y.n;
}

static void set_numbers(struct sb_compare *c, struct sb_comparison *row, const struct sb_view_cell *x,
                        const struct sb_view_cell *y, const struct sb_view *xs, const struct sb_view *ys)
{
    struct sb_contrast contrast = sb_contrast_of(xs, x, ys, y, c->metric, level_of(c), c->interval);
    set_contrast(row, &contrast);
    if (!row->x.n || !row->y.n)
        row->missing = sb_printf("%s has no number: %s", row->x.n ? row->baseline : row->allocator,
                                 row->x.n ? sb_view_reason(ys, y, c->metric) : sb_view_reason(xs, x, c->metric));
    else if (row->resolved && isnan(row->p))
        row->missing = sb_strdup("one run: nothing says how far apart two of the same would be");
}

/* Fewer processes than were asked for are told with whose they are. */
static void set_lacking(struct sb_compare *c, struct sb_comparison *row, const struct sb_view_cell *x,
                        const struct sb_view_cell *y, const struct sb_view *xs, const struct sb_view *ys)
{
    char *mine = sb_view_missing(xs, x, c->metric), *theirs = sb_view_missing(ys, y, c->metric);
    if (mine || theirs)
        row->lacking = sb_printf("%s%s%s%s%s%s%s", mine ? row->allocator : "", mine ? ": " : "", mine ? mine : "",
                                 mine && theirs ? "; " : "", theirs ? row->baseline : "", theirs ? ": " : "",
                                 theirs ? theirs : "");
    free(mine);
    free(theirs);
}

static struct sb_comparison *begin_row(struct sb_compare *c, const struct sb_view_cell *x, const char *baseline,
                                       const struct sb_view *xs)
{
    struct sb_comparison *row = SB_VEC_ADD(&c->rows);
    row->title = xs->groups.at[x->group].title;
    row->skipped = !c->two && x->row->skip;
    row->workload = x->row->workload;
    row->threads = x->row->threads;
    row->allocator = sb_strdup(x->variant);
    row->baseline = sb_strdup(baseline);
    return row;
}

/* Of processes that had the baseline beside the allocator: no cell of its own is needed. */
static bool add_pair(struct sb_compare *c, const struct sb_view_cell *x, const char *baseline)
{
    const struct sb_view *v = &c->views[0];
    double least;
    const char *paired = sb_view_baseline(v, x->row->source, &least);
    if (c->two || !baseline || !paired || strcmp(paired, baseline) || strcmp(c->metric, SB_NAME(OPS_PER_S)))
        return false;
    struct sb_contrast contrast = sb_contrast_pair(v, x, level_of(c));
    if (!contrast.paired)
        return false;
    struct sb_comparison *row = begin_row(c, x, baseline, v);
    set_contrast(row, &contrast);
    row->lacking = sb_view_missing(v, x, SB_NAME(PAIRED_RATIO));
    if (isnan(row->p))
        row->missing = sb_strdup("one run: nothing says how far apart two of the same would be");
    return true;
}

static void add_row(struct sb_compare *c, const struct sb_view_cell *x, const struct sb_view_cell *y,
                    const struct sb_view *xs, const struct sb_view *ys)
{
    struct sb_comparison *row = begin_row(c, x, y->variant, xs);
    set_numbers(c, row, x, y, xs, ys);
    set_lacking(c, row, x, y, xs, ys);
}

/* Every cell of the one side with what stands against it on the other. */
static void pair(struct sb_compare *c, const char *baseline)
{
    const struct sb_view *ys = &c->views[0], *xs = c->two ? &c->views[1] : ys;
    for (size_t i = 0; i < xs->cells.n; i++) {
        const struct sb_view_cell *x = &xs->cells.at[i];
        bool found = false, variant = baseline && strcmp(x->row->allocator, baseline);
        if (!c->two && baseline && sb_is_named(x, baseline))
            continue;
        if (add_pair(c, x, baseline))
            continue;
        for (size_t j = 0; j < ys->cells.n; j++) {
            const struct sb_view_cell *y = &ys->cells.at[j];
            if (!sb_is_named(y, baseline ? baseline : x->row->allocator) ||
                !sb_are_comparable(x->row, y->row, variant && strcmp(x->variant, y->variant)))
                continue;
            add_row(c, x, y, xs, ys);
            found = true;
        }
        if (!found) {
            char *note = sb_printf("%s: %s has no cell with the same work and settings", x->row->label,
                                   baseline ? baseline : "the other run");
            *SB_VEC_ADD(&c->notes) = note;
        }
    }
}

/* What the first run measured and the second doesn't have at all. */
static void note_lost(struct sb_compare *c)
{
    const struct sb_view *ys = &c->views[0], *xs = &c->views[1];
    for (size_t j = 0; j < ys->cells.n && c->two; j++) {
        const struct sb_cell_row *y = ys->cells.at[j].row;
        bool found = false;
        for (size_t i = 0; i < xs->cells.n && !found; i++)
            found = !strcmp(xs->cells.at[i].row->allocator, y->allocator) &&
                    sb_are_comparable(xs->cells.at[i].row, y, false);
        if (found || y->skip)
            continue;
        *SB_VEC_ADD(&c->notes) = sb_printf("%s: the second run has no such cell", y->label);
        c->lost++;
    }
}

/* A twin's own keys have the first's section in their names. */
static bool same_values(const struct sb_cell_row *a, const struct sb_cell_row *b)
{
    bool same = a->swept.n == b->swept.n;
    for (size_t i = 0; same && i < a->swept.n; i++)
        same = !strcmp(a->swept.at[i].value, b->swept.at[i].value);
    return same;
}

/* Twins of an A/A run: the second against the first. */
static void pair_twins(struct sb_compare *c)
{
    const struct sb_view *v = &c->views[0];
    for (size_t i = 0; i < v->cells.n; i++) {
        const struct sb_view_cell *x = &v->cells.at[i];
        if (!is_twin(x->row->allocator))
            continue;
        size_t n = strlen(x->row->allocator) - strlen(SB_TWIN_SUFFIX);
        for (size_t j = 0; j < v->cells.n; j++) {
            const struct sb_cell_row *y = v->cells.at[j].row;
            if (strlen(y->allocator) == n && !strncmp(y->allocator, x->row->allocator, n) &&
                y->threads == x->row->threads && !strcmp(y->workload, x->row->workload) &&
                v->cells.at[j].group == x->group && same_values(x->row, y))
                add_row(c, x, &v->cells.at[j], v, v);
        }
    }
}

/* Without a ratio, where zeroes are among the values, the test and the medians decide. */
static enum sb_verdict verdict_of(const struct sb_compare *c, const struct sb_comparison *row, double p)
{
    struct sb_ratio direction = row->ratio;
    if (!row->resolved)
        return SB_VERDICT_NOT_RESOLVED;
    if (isnan(row->ratio.value) && row->x.n && row->y.n) {
        double d = row->x.median - row->y.median;
        double r = d > 0 ? 2 : d < 0 ? 0.5 : 1;
        direction = (struct sb_ratio){r, r, r, 0};
    }
    return sb_judge(&direction, p, c->confidence, c->more_is_better);
}

static void judge(struct sb_compare *c)
{
    double *p = sb_calloc(c->rows.n, sizeof(*p));
    for (size_t i = 0; i < c->rows.n; i++)
        p[i] = c->rows.at[i].p;
    sb_holm(p, c->rows.n);
    for (size_t i = 0; i < c->rows.n; i++) {
        struct sb_comparison *row = &c->rows.at[i];
        row->adjusted = p[i];
        row->verdict = verdict_of(c, row, row->adjusted);
        if (row->verdict == SB_VERDICT_NOT_SEPARATED && row->p_beyond * (double)c->rows.n < 1 - c->confidence)
            row->verdict = SB_VERDICT_WITHIN;
        row->alone = verdict_of(c, row, row->p);
    }
    free(p);
}

size_t sb_compare_count_unresolved(const struct sb_compare *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->rows.n; i++)
        n += !c->rows.at[i].resolved;
    return n;
}

size_t sb_compare_count_undecidable(const struct sb_compare *c, double share)
{
    size_t n = 0;
    for (size_t i = 0; i < c->rows.n; i++) {
        const struct sb_comparison *row = &c->rows.at[i];
        double most = fabs(row->x.median - row->y.median) + 2 * fmax(row->x.step, row->y.step);
        n += !row->resolved && !(most <= share * row->y.median);
    }
    return n;
}

bool sb_compare_can_separate(const struct sb_compare *c, size_t *needed)
{
    size_t m = 0;
    bool paired = false;
    double smallest = 1;
    for (size_t i = 0; i < c->rows.n; i++) {
        const struct sb_comparison *row = &c->rows.at[i];
        if (isnan(row->p))
            continue;
        m++;
        paired |= row->paired;
        smallest = fmin(smallest, row->ratio.blocks ? sb_smallest_p_of(c->anytime, row->paired, row->ratio.blocks)
                                                    : sb_smallest_p(row->x.n, row->y.n));
    }
    *needed = sb_processes_needed(c->anytime, paired, m, c->confidence);
    return m && smallest * (double)m < 1 - c->confidence;
}

/* A question that can't be answered with yes must not look as if it were answered with no. */
static void note_power(struct sb_compare *c)
{
    size_t needed, m = 0;
    for (size_t i = 0; i < c->rows.n; i++)
        m += !isnan(c->rows.at[i].p);
    bool can = sb_compare_can_separate(c, &needed);
    size_t unresolved = sb_compare_count_unresolved(c);
    if (unresolved)
        *SB_VEC_ADD(&c->notes) =
            sb_printf("NOT RESOLVED: in %zu of %zu comparisons the medians of %s are less than two steps of "
                      "what it is known to apart; they get no p and no verdict",
                      unresolved, c->rows.n, c->metric);
    if (!m && c->rows.n > unresolved)
        *SB_VEC_ADD(&c->notes) =
            sb_strdup("NOTHING CAN BE SEPARATED HERE: no row has two processes or more on both sides");
    else if (m && !can)
        *SB_VEC_ADD(&c->notes) =
            sb_printf("NOTHING CAN BE SEPARATED HERE: with so few processes a side no difference, "
                      "however large, survives the correction for %zu comparison%s; repetitions = %zu would do",
                      m, m == 1 ? "" : "s", needed);
}

/* ---- the metric and the baseline ---- */

static const char *unavailable_reason(const struct sb_data *d, const char *name)
{
    for (size_t t = 0; t < d->trials.n; t++) {
        const struct sb_result *r = &d->trials.at[t].result;
        for (size_t i = 0; i < r->unavailable.n; i++) {
            if (!strcmp(r->unavailable.at[i].name, name))
                return r->unavailable.at[i].reason;
        }
    }
    return NULL;
}

static int find_metric(struct sb_compare *c, const char *name, char **why)
{
    struct sb_words names = {0};
    const struct sb_data *d = &c->views[0].data;
    c->metric = sb_metric_stored(name);
    *SB_VEC_ADD(&names) = sb_strdup("throughput");
    for (size_t t = 0; t < d->trials.n; t++) {
        const struct sb_result *r = &d->trials.at[t].result;
        for (size_t i = 0; i < r->metrics.n; i++) {
            if (!strcmp(r->metrics.at[i].name, c->metric) && !c->unit)
                c->unit = sb_strdup(r->metrics.at[i].unit);
            sb_words_add_once(&names, r->metrics.at[i].name);
        }
    }
    const char *reason = c->unit ? NULL : unavailable_reason(d, c->metric);
    if (reason) {
        *why = sb_printf("%s has no value in any trial of %s: %s", c->metric, d->path, reason);
    } else if (!c->unit) {
        /* It is offered whatever the trials have, and would be suggested in place of itself. */
        bool itself = !strcmp(name, "throughput");
        char *hint = itself ? sb_strdup("") : sb_diag_hint(name, (const char *const *)names.at, names.n);
        *why = sb_printf("no trial of %s has the metric '%s'%s", d->path, name, hint);
        free(hint);
    }
    sb_words_free(&names);
    int direction = sb_metric_direction(c->metric, c->unit ? c->unit : "");
    c->more_is_better = direction > 0;
    c->has_direction = direction;
    c->is_speed = c->unit && (!strcmp(c->unit, "ns") || strstr(c->unit, "/s"));
    return c->unit ? 0 : -EINVAL;
}

static int check_baseline(const struct sb_compare *c, const char *baseline, char **why)
{
    struct sb_words names = {0};
    int status = baseline || c->two ? 0 : -EINVAL;
    for (size_t i = 0; i < c->views[0].cells.n; i++) {
        sb_words_add_once(&names, c->views[0].cells.at[i].row->allocator);
        sb_words_add_once(&names, c->views[0].cells.at[i].variant);
    }
    double least;
    const char *paired = sb_view_baseline(&c->views[0], 0, &least);
    if (paired)
        sb_words_add_once(&names, paired);
    char *hint = sb_diag_hint(baseline ? baseline : "", (const char *const *)names.at, names.n);
    if (status) {
        *why = sb_printf("compare needs --baseline, the allocator to compare with%s, or a second database", hint);
    } else if (baseline && !sb_words_has(&names, baseline)) {
        *why = sb_printf("--baseline: %s has no allocator '%s'%s", c->views[0].data.path, baseline, hint);
        status = -EINVAL;
    }
    sb_words_free(&names);
    free(hint);
    return status;
}

/* ---- the noise floor ---- */

/* As a comparison of two runs would judge it. */
static bool same_machine(const struct sb_data *a, const struct sb_data *b)
{
    struct sb_text differences = {0};
    sb_find_differences(a, b, &differences);
    bool same = !differences.n;
    sb_text_free(&differences);
    return same;
}

/* The latest A/A run of this machine in a folder, or NULL. */
static char *find_aa(const struct sb_data *d)
{
    const char *slash = strrchr(d->path, '/');
    char *folder = slash ? sb_strndup(d->path, (size_t)(slash - d->path)) : sb_strdup("."), *best = NULL,
         *best_created = NULL;
    DIR *dir = opendir(*folder ? folder : "/");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        size_t n = strlen(entry->d_name);
        struct sb_data other = {0};
        char *path = sb_printf("%s/%s", folder, entry->d_name), *ignored = NULL;
        struct sb_store *store = NULL;
        if (n > 3 && !strcmp(entry->d_name + n - 3, ".db") && !sb_store_open(&store, path, &ignored) &&
            !sb_store_load_head(store, &other, &ignored)) {
            const char *kind = sb_data_meta(&other, "kind"), *created = sb_data_meta(&other, "created");
            const char *ended = sb_data_meta(&other, "ended");
            if (kind && !strcmp(kind, "aa") && created && ended && !strcmp(ended, "complete") &&
                same_machine(d, &other) && (!best_created || strcmp(created, best_created) > 0)) {
                free(best);
                free(best_created);
                best = sb_strdup(path);
                best_created = sb_strdup(created);
            }
        }
        sb_data_free(&other);
        sb_store_close(store);
        free(path);
        free(ignored);
    }
    if (dir)
        closedir(dir);
    free(folder);
    free(best_created);
    return best;
}

/* How far apart equal things came out, in one sentence. */
static char *describe_floor(const struct sb_compare *aa)
{
    /* As distances from 1, for a twin is as often faster as slower. */
    double *off = sb_calloc(aa->rows.n, sizeof(*off));
    size_t n = 0, separated = 0;
    for (size_t i = 0; i < aa->rows.n; i++) {
        const struct sb_comparison *row = &aa->rows.at[i];
        if (row->missing || !row->resolved || isnan(row->ratio.value))
            continue;
        off[n++] = fabs(row->ratio.value - 1);
        separated += row->alone != SB_VERDICT_NOT_SEPARATED;
    }
    double middle = sb_median(off, n), largest = n ? off[n - 1] : (double)NAN;
    const char *created = sb_data_meta(&aa->views[0].data, "created"), *name = sb_data_meta(&aa->views[0].data, "name");
    char *text =
        n ? sb_printf("of %zu A/A comparisons (%s, %s) half were within ±%.2g %% and all within ±%.2g %% of 1; "
                      "%zu would have been called separated by themselves, where the test alone lets %.1f pass",
                      n, name ? name : "?", created ? created : "?", 100 * middle, 100 * largest, separated,
                      (1 - aa->confidence) * (double)n)
          : sb_strdup("the A/A run has no comparison with numbers on both sides");
    free(off);
    return text;
}

static int open_twins(struct sb_compare *aa, const char *db, const char *metric, char **why)
{
    *aa = (struct sb_compare){.interval = SB_INTERVAL_PERCENTILE};
    int status = sb_view_open(&aa->views[0], db, why);
    aa->confidence = aa->views[0].confidence;
    aa->anytime = sb_view_decide(&aa->views[0]) > 0;
    if (!status)
        status = find_metric(aa, metric, why);
    if (!status) {
        pair_twins(aa);
        judge(aa);
        if (!aa->rows.n) {
            *why = sb_printf("%s is not the database of an A/A run; `scullbench aa CONFIG` makes one", db);
            status = -EINVAL;
        }
    }
    return status;
}

/* A run of pairs has its own: the baseline beside itself. NULL: it isn't one. */
static char *floor_of_pairs(const struct sb_compare *c)
{
    const struct sb_view *v = &c->views[0];
    size_t n = 0, processes = SIZE_MAX;
    double most = 0, least;
    const char *name = NULL;
    for (size_t i = 0; i < v->cells.n && !c->two; i++) {
        const struct sb_view_cell *cell = &v->cells.at[i];
        struct sb_summary s = sb_view_metric(v, cell, SB_NAME(PAIRED_RATIO));
        const char *baseline = sb_view_baseline(v, cell->row->source, &least);
        if (!s.n || !baseline || strcmp(baseline, cell->row->allocator))
            continue;
        name = cell->row->allocator;
        most = fmax(most, fabs(s.median - 1));
        processes = s.n < processes ? s.n : processes;
        n++;
    }
    return n ? sb_printf("%s beside itself, by turns in one process, came out within ±%.2g %% of 1 in %zu cell%s "
                         "of %zu processes or more",
                         name, 100 * most, n, n == 1 ? "" : "s", processes)
             : NULL;
}

/* One that was named must be right; one that was found may be of another kind and is passed over. */
static int quote_floor(struct sb_compare *c, const char *given, char **why)
{
    char *path, *reason = NULL;
    int status = 0;
    if (!given && (c->floor = floor_of_pairs(c)))
        return 0;
    path = given ? sb_strdup(given) : find_aa(&c->views[0].data);
    if (!path) {
        c->floor = sb_strdup("not known: no A/A run of this machine stands beside the database; "
                             "`scullbench aa CONFIG` makes one");
        return 0;
    }
    c->aa = sb_calloc(1, sizeof(*c->aa));
    status = open_twins(c->aa, path, c->metric, &reason);
    if (!status)
        c->floor = describe_floor(c->aa);
    else if (!given)
        c->floor = sb_printf("not known for this metric: %s", reason);
    else
        *why = sb_strdup(reason);
    free(path);
    free(reason);
    return given ? status : 0;
}

double sb_compare_floor_of(const struct sb_compare *c, const struct sb_comparison *row)
{
    double largest = NAN;
    for (size_t i = 0; c->aa && i < c->aa->rows.n; i++) {
        const struct sb_comparison *twin = &c->aa->rows.at[i];
        if (!twin->missing && twin->threads == row->threads && !strcmp(twin->workload, row->workload))
            largest = fmax(largest, fabs(twin->ratio.value - 1));
    }
    return largest;
}

/* ---- the whole ---- */

/* What the machine was warned of stands before every verdict on it. */
static void note_warnings(struct sb_compare *c)
{
    /* Of both runs: either may have been disturbed. */
    for (int v = 0; v <= c->two; v++) {
        const struct sb_data *d = &c->views[v].data;
        for (size_t i = 0; i < d->facts.n; i++) {
            if (d->facts.at[i].warning)
                *SB_VEC_ADD(&c->notes) = sb_printf("%s: %s", d->path, d->facts.at[i].warning);
        }
        for (size_t i = 0; i < d->warnings.n; i++)
            *SB_VEC_ADD(&c->notes) = sb_printf("%s: %s", d->path, d->warnings.at[i]);
        struct sb_disturbance disturbed = sb_find_disturbed(&c->views[v]);
        if (disturbed.trials)
            *SB_VEC_ADD(&c->notes) =
                sb_printf("%s: %zu trial%s disturbed by the machine and made again; %zu repetition%s no number for it",
                          d->path, disturbed.trials, disturbed.trials == 1 ? " was" : "s were", disturbed.lost,
                          disturbed.lost == 1 ? " has" : "s have");
        size_t trials = 0;
        for (size_t t = 0; t < d->trials.n; t++)
            trials += d->trials.at[t].result.warnings.n > 0;
        if (trials)
            *SB_VEC_ADD(&c->notes) =
                sb_printf("%s: %zu trials have warnings of their own, which the report shows", d->path, trials);
    }
}

int sb_compare(struct sb_compare *c, const struct sb_compare_request *q, char **why)
{
    *c = (struct sb_compare){.two = q->other != NULL, .interval = q->interval};
    int status = sb_view_open(&c->views[0], q->db, why);
    if (!status && c->two)
        status = sb_view_open(&c->views[1], q->other, why);
    c->confidence = c->views[0].confidence;
    c->anytime = sb_view_decide(&c->views[0]) > 0;
    if (!status)
        status = check_baseline(c, q->baseline, why);
    if (!status)
        status = find_metric(c, q->metric, why);
    if (!status && c->two)
        status = sb_check_conditions(&c->views[0], &c->views[1], q->baseline, q->anyway, &c->notes, why);
    if (status)
        return status;
    note_warnings(c);
    size_t warnings = c->notes.n;
    /* After the conditions, so that a refusal comes before any number. */
    pair(c, q->baseline);
    if (!q->baseline)
        note_lost(c);
    judge(c);
    note_power(c);
    if (!c->rows.n) {
        *why = sb_printf("nothing can be compared: %s",
                         c->notes.n > warnings ? c->notes.at[warnings] : "no cell has a partner");
        return -EINVAL;
    }
    return quote_floor(c, q->aa, why);
}

void sb_compare_free(struct sb_compare *c)
{
    for (size_t i = 0; i < c->rows.n; i++) {
        free(c->rows.at[i].missing);
        free(c->rows.at[i].lacking);
        free(c->rows.at[i].allocator);
        free(c->rows.at[i].baseline);
    }
    SB_VEC_FREE(&c->rows);
    sb_words_free(&c->notes);
    sb_view_close(&c->views[0]);
    sb_view_close(&c->views[1]);
    if (c->aa)
        sb_compare_free(c->aa);
    free(c->aa);
    free(c->unit);
    free(c->floor);
    *c = (struct sb_compare){0};
}

/* Where there is no ratio, the verdict alone. */
static bool is_worse(const struct sb_compare *c, const struct sb_comparison *row, double share)
{
    double loss = c->more_is_better ? 1 - row->ratio.value : row->ratio.value - 1;
    return row->verdict == SB_VERDICT_SLOWER && (isnan(row->ratio.value) || loss > share);
}

/*
 * A number that the baseline has and the other lost is the worst regression of all; one that the plan never
 * meant to measure isn't lost.
 */
static bool is_lost(const struct sb_comparison *row)
{
    return row->y.n && !row->x.n && !row->skipped;
}

size_t sb_compare_count_slower(const struct sb_compare *c, double share)
{
    size_t n = c->lost;
    for (size_t i = 0; i < c->rows.n; i++)
        n += is_worse(c, &c->rows.at[i], share) || is_lost(&c->rows.at[i]);
    return n;
}

int sb_compare_twins(struct sb_compare *aa, const char *db, char **why)
{
    int status = open_twins(aa, db, "throughput", why);
    if (!status)
        aa->floor = describe_floor(aa);
    return status;
}
