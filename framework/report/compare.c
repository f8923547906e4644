/* Who is compared with whom, on which conditions, and what comes of it. */
#define _GNU_SOURCE
#include "report/compare.h"

#include "base/diag.h"
#include "plan/plan.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Metrics of which more is better; of all others less is. */
static const char *const more_is_better[] = {"ops_per_s", "bytes_per_s", "success", "ipc", "given_back"};

static bool in_list(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(name, list[i]))
            return true;
    }
    return false;
}

static bool is_twin(const char *name)
{
    size_t n = strlen(name), suffix = strlen(SB_TWIN_SUFFIX);
    return n > suffix && !strcmp(name + n - suffix, SB_TWIN_SUFFIX);
}

/* ---- pairing ---- */

/* A swept key of one of two allocators sets it apart from the other; all others must agree. */
static bool is_own(const char *swept, const char *a, const char *b)
{
    size_t n = strlen(swept);
    const char *dot = memrchr(swept, '.', n);
    n = dot ? (size_t)(dot - swept) : n;
    return (strlen(a) == n && !strncmp(swept, a, n)) || (strlen(b) == n && !strncmp(swept, b, n));
}

static const char *swept_value(const struct sb_cell_row *row, const char *name)
{
    for (size_t i = 0; i < row->swept.n; i++) {
        if (!strcmp(row->swept.at[i].name, name))
            return row->swept.at[i].value;
    }
    return NULL;
}

static bool includes(const struct sb_cell_row *a, const struct sb_cell_row *b)
{
    bool same = !strcmp(a->allocator, b->allocator);
    for (size_t i = 0; i < a->swept.n; i++) {
        const char *other = swept_value(b, a->swept.at[i].name);
        if (!same && is_own(a->swept.at[i].name, a->allocator, b->allocator))
            continue;
        if (!other || strcmp(other, a->swept.at[i].value))
            return false;
    }
    return true;
}

/* Same work, same parallelism, same swept settings. */
static bool comparable(const struct sb_cell_row *a, const struct sb_cell_row *b)
{
    return a->threads == b->threads && !strcmp(a->workload, b->workload) && includes(a, b) && includes(b, a);
}

static void set_numbers(struct sb_compare *c, struct sb_comparison *row, const struct sb_view_cell *x,
                        const struct sb_view_cell *y, const struct sb_view *xs, const struct sb_view *ys)
{
    size_t nx, ny;
    double *a = sb_view_samples(xs, x, c->metric, &nx), *b = sb_view_samples(ys, y, c->metric, &ny);
    bool positive = true;
    for (size_t i = 0; i < nx; i++)
        positive &= a[i] > 0;
    for (size_t i = 0; i < ny; i++)
        positive &= b[i] > 0;
    row->p = row->adjusted = NAN;
    row->ratio = (struct sb_ratio){NAN, NAN, NAN};
    if (!nx || !ny) {
        row->missing = sb_printf("%s has no number: %s", nx ? row->baseline : row->allocator,
                                 nx ? sb_view_reason(ys, y, c->metric) : sb_view_reason(xs, x, c->metric));
    } else if (!positive) {
        row->missing = sb_strdup("some values are zero, which no ratio can be made of");
    } else {
        /* Seeded by what is compared: the order of rows changes nothing. */
        uint64_t seed = sb_hash(x->row->label) ^ sb_hash(y->row->label);
        row->p = row->adjusted = nx > 1 && ny > 1 ? sb_rank_sum_p(a, nx, b, ny) : NAN;
        row->ratio = sb_ratio_of_medians(a, nx, b, ny, xs->confidence, c->interval, seed);
        if (isnan(row->p))
            row->missing = sb_strdup("one run: nothing says how far apart two of the same would be");
    }
    row->x = sb_summarise(a, nx, xs->confidence);
    row->y = sb_summarise(b, ny, ys->confidence);
    free(a);
    free(b);
}

static void add_row(struct sb_compare *c, const struct sb_view_cell *x, const struct sb_view_cell *y,
                    const struct sb_view *xs, const struct sb_view *ys)
{
    struct sb_comparison *row = SB_VEC_ADD(&c->rows);
    row->title = xs->groups.at[x->group].title;
    row->workload = x->row->workload;
    row->threads = x->row->threads;
    row->allocator = x->row->allocator;
    row->baseline = y->row->allocator;
    set_numbers(c, row, x, y, xs, ys);
}

/* Every cell of the one side with what stands against it on the other. */
static void pair(struct sb_compare *c, const char *baseline)
{
    const struct sb_view *ys = &c->views[0], *xs = c->two ? &c->views[1] : ys;
    for (size_t i = 0; i < xs->cells.n; i++) {
        const struct sb_view_cell *x = &xs->cells.at[i];
        bool found = false;
        if (!c->two && baseline && !strcmp(x->row->allocator, baseline))
            continue;
        for (size_t j = 0; j < ys->cells.n; j++) {
            const struct sb_view_cell *y = &ys->cells.at[j];
            if (strcmp(y->row->allocator, baseline ? baseline : x->row->allocator) ||
                !comparable(x->row, y->row))
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
                v->cells.at[j].group == x->group)
                add_row(c, x, &v->cells.at[j], v, v);
        }
    }
}

static void judge(struct sb_compare *c)
{
    double *p = sb_calloc(c->rows.n, sizeof(*p)), confidence = c->views[0].confidence;
    for (size_t i = 0; i < c->rows.n; i++)
        p[i] = c->rows.at[i].p;
    sb_holm(p, c->rows.n);
    for (size_t i = 0; i < c->rows.n; i++) {
        struct sb_comparison *row = &c->rows.at[i];
        row->adjusted = p[i];
        row->verdict = sb_judge(&row->ratio, row->adjusted, confidence, c->more_is_better);
        row->alone = sb_judge(&row->ratio, row->p, confidence, c->more_is_better);
    }
    free(p);
}

/* ---- conditions ---- */

static const char *fact(const struct sb_data *d, const char *name)
{
    for (size_t i = 0; i < d->facts.n; i++) {
        if (!strcmp(d->facts.at[i].name, name))
            return d->facts.at[i].value ? d->facts.at[i].value : "not available";
    }
    return "not recorded";
}

/* What makes two databases those of one machine in one state; load and temperature come and go. */
static const char *const machine_facts[] = {"cpu", "arch", "kernel",    "hypervisor", "governor",   "turbo",
                                            "smt", "thp",  "thp_shmem", "overcommit", "mitigations"};

static void compare_machines(const struct sb_data *a, const struct sb_data *b, struct sb_text *out)
{
    const char *x = sb_data_meta(a, "topology_summary"), *y = sb_data_meta(b, "topology_summary");
    for (size_t i = 0; i < SB_COUNT(machine_facts); i++) {
        const char *before = fact(a, machine_facts[i]), *after = fact(b, machine_facts[i]);
        if (strcmp(before, after))
            sb_text_printf(out, "%s: '%s' and '%s'\n", machine_facts[i], before, after);
    }
    if (strcmp(x ? x : "", y ? y : ""))
        sb_text_printf(out, "topology: '%s' and '%s'\n", x ? x : "?", y ? y : "?");
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

/* Of the same cell in both; what differs between allocators is what is compared. */
static void compare_settings(const struct sb_view *a, const struct sb_view *b, struct sb_text *out)
{
    for (size_t i = 0; i < b->cells.n; i++) {
        for (size_t j = 0; j < a->cells.n; j++) {
            const struct sb_cell_row *x = b->cells.at[i].row, *y = a->cells.at[j].row;
            if (strcmp(x->label, y->label) || !x->settings || !y->settings ||
                !strcmp(x->settings, y->settings))
                continue;
            sb_text_printf(out, "%s: ", x->label);
            first_difference(y->settings, x->settings, out);
            sb_text_printf(out, "\n");
        }
    }
}

/* A new build is what one compares runs for: said, never refused. */
static void note_builds(struct sb_compare *c)
{
    const struct sb_data *a = &c->views[0].data, *b = &c->views[1].data;
    const char *x = sb_data_meta(a, "scullbench"), *y = sb_data_meta(b, "scullbench");
    if (strcmp(x ? x : "", y ? y : ""))
        *SB_VEC_ADD(&c->notes) =
            sb_printf("the runs are of different versions of scullbench: %s and %s", x, y);
    for (size_t i = 0; i < b->plugins.n; i++) {
        for (size_t j = 0; j < a->plugins.n; j++) {
            const struct sb_plugin_row *p = &a->plugins.at[j], *q = &b->plugins.at[i];
            if (!strcmp(p->kind, q->kind) && !strcmp(p->name, q->name) && strcmp(p->build_id, q->build_id))
                *SB_VEC_ADD(&c->notes) =
                    sb_printf("the %s %s was built anew in between: build-id %.12s… and %.12s…", q->kind,
                              q->name, p->build_id, q->build_id);
        }
    }
}

static int check_conditions(struct sb_compare *c, bool anyway, char **why)
{
    struct sb_text differences = {0};
    int status = 0;
    compare_machines(&c->views[0].data, &c->views[1].data, &differences);
    compare_settings(&c->views[0], &c->views[1], &differences);
    note_builds(c);
    if (differences.n && !anyway) {
        *why = sb_printf("the two runs differ in more than what was built, so their ratio is not that of the "
                         "allocators (--anyway compares all the same):\n%.*s",
                         (int)differences.n - 1, differences.at);
        status = -EXDEV;
    } else if (differences.n) {
        *SB_VEC_ADD(&c->notes) = sb_printf("COMPARED ANYWAY, although the runs differ in:\n%.*s",
                                           (int)differences.n - 1, differences.at);
    }
    sb_text_free(&differences);
    return status;
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
    c->metric = !strcmp(name, "throughput") ? "ops_per_s" : name;
    *SB_VEC_ADD(&names) = sb_strdup("throughput");
    for (size_t t = 0; t < d->trials.n; t++) {
        const struct sb_result *r = &d->trials.at[t].result;
        for (size_t i = 0; i < r->metrics.n; i++) {
            if (!strcmp(r->metrics.at[i].name, c->metric) && !c->unit)
                c->unit = sb_strdup(r->metrics.at[i].unit);
            if (!in_list(r->metrics.at[i].name, (const char *const *)names.at, names.n))
                *SB_VEC_ADD(&names) = sb_strdup(r->metrics.at[i].name);
        }
    }
    const char *reason = c->unit ? NULL : unavailable_reason(d, c->metric);
    if (reason) {
        *why = sb_printf("%s has no value in any trial of %s: %s", c->metric, d->path, reason);
    } else if (!c->unit) {
        char *hint = sb_diag_hint(name, (const char *const *)names.at, names.n);
        *why = sb_printf("no trial of %s has the metric '%s'%s", d->path, name, hint);
        free(hint);
    }
    sb_words_free(&names);
    c->more_is_better = in_list(c->metric, more_is_better, SB_COUNT(more_is_better));
    c->is_speed = c->unit && (!strcmp(c->unit, "ns") || strstr(c->unit, "/s"));
    return c->unit ? 0 : -EINVAL;
}

static int check_baseline(const struct sb_compare *c, const char *baseline, char **why)
{
    const struct sb_words *names = &c->views[0].allocators;
    if (!baseline && c->two)
        return 0;
    if (baseline && in_list(baseline, (const char *const *)names->at, names->n))
        return 0;
    char *hint = sb_diag_hint(baseline ? baseline : "", (const char *const *)names->at, names->n);
    *why = baseline
               ? sb_printf("--baseline: %s has no allocator '%s'%s", c->views[0].data.path, baseline, hint)
               : sb_printf("compare needs --baseline, the allocator to compare with%s, or a second database",
                           hint);
    free(hint);
    return -EINVAL;
}

/* ---- the noise floor ---- */

static bool same_machine(const struct sb_data *a, const struct sb_data *b)
{
    struct sb_text differences = {0};
    compare_machines(a, b, &differences);
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
            if (kind && !strcmp(kind, "aa") && created && same_machine(d, &other) &&
                (!best_created || strcmp(created, best_created) > 0)) {
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

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How far apart equal things came out, in one sentence. */
static char *describe_floor(const struct sb_compare *aa)
{
    double *off = sb_calloc(aa->rows.n, sizeof(*off));
    size_t n = 0, separated = 0;
    for (size_t i = 0; i < aa->rows.n; i++) {
        const struct sb_comparison *row = &aa->rows.at[i];
        if (row->missing)
            continue;
        off[n++] = fabs(row->ratio.value - 1);
        separated += row->alone != SB_VERDICT_NOT_SEPARATED;
    }
    qsort(off, n, sizeof(*off), by_value);
    const char *created = sb_data_meta(&aa->views[0].data, "created");
    char *text = n ? sb_printf("of %zu A/A comparisons (%s) half were within ±%.2g %% and all within ±%.2g "
                               "%% of 1; %zu would "
                               "have been called separated by themselves, where %.1f are expected",
                               n, created ? created : "?", 100 * off[n / 2], 100 * off[n - 1], separated,
                               (1 - aa->views[0].confidence) * (double)n)
                   : sb_strdup("the A/A run has no comparison with numbers on both sides");
    free(off);
    return text;
}

static int open_twins(struct sb_compare *aa, const char *db, const char *metric, char **why)
{
    *aa = (struct sb_compare){.interval = SB_INTERVAL_PERCENTILE};
    int status = sb_view_open(&aa->views[0], db, why);
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

static int quote_floor(struct sb_compare *c, const char *given, char **why)
{
    char *path = given ? sb_strdup(given) : find_aa(&c->views[0].data), *reason = NULL;
    int status = 0;
    if (!path) {
        c->floor = sb_strdup(
            "not known: no A/A run of this machine stands beside the database; `scullbench aa CONFIG` "
            "makes one");
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
    for (int v = 0; v <= c->two; v++) {
        const struct sb_data *d = &c->views[v].data;
        for (size_t i = 0; i < d->facts.n; i++) {
            if (d->facts.at[i].warning)
                *SB_VEC_ADD(&c->notes) = sb_printf("%s: %s", d->path, d->facts.at[i].warning);
        }
        for (size_t i = 0; i < d->warnings.n; i++)
            *SB_VEC_ADD(&c->notes) = sb_printf("%s: %s", d->path, d->warnings.at[i]);
    }
}

int sb_compare(struct sb_compare *c, const struct sb_compare_request *q, char **why)
{
    *c = (struct sb_compare){.two = q->other != NULL, .interval = q->interval};
    int status = sb_view_open(&c->views[0], q->db, why);
    if (!status && c->two)
        status = sb_view_open(&c->views[1], q->other, why);
    if (!status)
        status = check_baseline(c, q->baseline, why);
    if (!status)
        status = find_metric(c, q->metric, why);
    if (!status && c->two)
        status = check_conditions(c, q->anyway, why);
    if (status)
        return status;
    note_warnings(c);
    size_t warnings = c->notes.n;
    pair(c, q->baseline);
    judge(c);
    if (!c->rows.n) {
        *why = sb_printf("nothing can be compared: %s",
                         c->notes.n > warnings ? c->notes.at[warnings] : "no cell has a partner");
        return -EINVAL;
    }
    return quote_floor(c, q->aa, why);
}

void sb_compare_free(struct sb_compare *c)
{
    for (size_t i = 0; i < c->rows.n; i++)
        free(c->rows.at[i].missing);
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

static bool is_worse(const struct sb_compare *c, const struct sb_comparison *row, double share)
{
    double loss = c->more_is_better ? 1 - row->ratio.value : row->ratio.value - 1;
    return row->verdict == SB_VERDICT_SLOWER && loss > share;
}

/* A number that the baseline has and the other lost is the worst regression of all. */
size_t sb_compare_count_slower(const struct sb_compare *c, double share)
{
    size_t n = 0;
    for (size_t i = 0; i < c->rows.n; i++)
        n += is_worse(c, &c->rows.at[i], share) || (c->rows.at[i].y.n && !c->rows.at[i].x.n);
    return n;
}

int sb_compare_twins(const char *db, FILE *out, char **why)
{
    struct sb_compare aa;
    int status = open_twins(&aa, db, "throughput", why);
    if (!status) {
        aa.floor = describe_floor(&aa);
        sb_compare_print(&aa, out);
    }
    sb_compare_free(&aa);
    return status;
}
