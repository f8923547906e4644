/*
 * Collects the remarks that a reader needs before any number: warnings, skipped and failed cells with reasons, builds,
 * settings.
 * Collected from the stored data, in its order, once for every kind of output.
 */
#include "analyse/findings.h"

#include "config/ini.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With a precision to reach, trials are left over when all is well. */
static void find_unfinished(const struct sb_view *v, size_t source, struct sb_words *out)
{
    const struct sb_data *head = sb_view_head(v, source);
    const char *planned = sb_data_meta(head, "trials_planned"), *ended = sb_data_meta(head, "ended");
    size_t n = 0;
    for (size_t t = 0; t < v->data.trials.n; t++)
        n += v->data.trials.at[t].source == source && !v->data.trials.at[t].retry;
    if (planned && n < strtoul(planned, NULL, 10) && (!ended || strcmp(ended, "complete")))
        *SB_VEC_ADD(out) = sb_printf(
            "Only %zu of %s planned trials of %s are here: the run %s.", n, planned, v->sources.at[source].name,
            !ended || strcmp(ended, "interrupted") ? "is still going on, or died" : "was interrupted");
}

static const char not_recorded[] = "not recorded";

static const char *known_fact(const struct sb_data *d, const char *name)
{
    for (size_t i = 0; i < d->facts.n; i++) {
        if (!strcmp(d->facts.at[i].name, name))
            return d->facts.at[i].value ? d->facts.at[i].value : "not available";
    }
    return not_recorded;
}

void sb_find_differences(const struct sb_data *a, const struct sb_data *b, struct sb_text *out)
{
    static const char *const names[] = {"cpu",          "cpu_model", "memory",     "caches",     "arch",  "kernel",
                                        "distribution", "compiler",  "hypervisor", "governor",   "turbo", "smt",
                                        "thp",          "thp_shmem", "overcommit", "mitigations"};
    const char *x = sb_data_meta(a, "topology_summary"), *y = sb_data_meta(b, "topology_summary");
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        const char *before = known_fact(a, names[i]), *after = known_fact(b, names[i]);
        /* A version that didn't ask yet says nothing about the machine. */
        if (strcmp(before, not_recorded) && strcmp(after, not_recorded) && strcmp(before, after))
            sb_text_printf(out, "%s: '%s' and '%s'\n", names[i], before, after);
    }
    if (strcmp(x ? x : "", y ? y : ""))
        sb_text_printf(out, "topology: '%s' and '%s'\n", x ? x : "?", y ? y : "?");
}

/* Several databases are shown as one, but what their machines and settings differ in is not hidden. */
static void warn_of_differences(const struct sb_view *v, size_t source, struct sb_words *out)
{
    static const char *const settings[] = {"scullbench", "confidence", "order", "layout",
                                           "precision",  "decide",     "mode",  "baseline"};
    struct sb_text text = {0};
    sb_find_differences(&v->data, sb_view_head(v, source), &text);
    for (size_t i = 0; i < SB_COUNT(settings); i++) {
        const char *x = sb_data_meta(&v->data, settings[i]), *y = sb_data_meta(sb_view_head(v, source), settings[i]);
        if (strcmp(x ? x : "", y ? y : ""))
            sb_text_printf(&text, "%s: '%s' and '%s'\n", settings[i], x ? x : "?", y ? y : "?");
    }
    const char *mine = sb_data_meta(&v->data, "config"), *theirs = sb_data_meta(sb_view_head(v, source), "config");
    if (strcmp(mine ? mine : "", theirs ? theirs : ""))
        sb_text_printf(&text, "their configs, which both stand below\n");
    char *state = NULL;
    for (char *line = text.n ? strtok_r(text.at, "\n", &state) : NULL; line; line = strtok_r(NULL, "\n", &state))
        *SB_VEC_ADD(out) = sb_printf("The databases %s and %s differ in %s; captions and the methods say the first's.",
                                     v->sources.at[0].name, v->sources.at[source].name, line);
    sb_text_free(&text);
}

/* Each text of a trial once, with how many said it and what they measured. */
static void find_of_trials(const struct sb_view *v, struct sb_words *out)
{
    const struct sb_data *d = &v->data;
    /* Thousands of trials have a handful of different warnings. */
    struct sb_words texts = {0};
    for (size_t t = 0; t < d->trials.n; t++) {
        for (size_t i = 0; i < d->trials.at[t].result.warnings.n; i++)
            sb_words_add_once(&texts, d->trials.at[t].result.warnings.at[i]);
    }
    for (size_t w = 0; w < texts.n; w++) {
        struct sb_words who = {0};
        struct sb_text line = {0};
        size_t n = 0;
        for (size_t t = 0; t < d->trials.n; t++) {
            const struct sb_trial_row *trial = &d->trials.at[t];
            if (!sb_words_has(&trial->result.warnings, texts.at[w]))
                continue;
            const struct sb_cell_row *cell = sb_data_cell(d, trial->cell);
            char *name = sb_printf("%s / %s", cell ? cell->allocator : "?", cell ? cell->workload : "?");
            sb_words_add_once(&who, name);
            free(name);
            n++;
        }
        sb_text_printf(&line, "%s (%zu of %zu trials:", texts.at[w], n, d->trials.n);
        for (size_t i = 0; i < who.n; i++)
            sb_text_printf(&line, "%s %s", i ? "," : "", who.at[i]);
        sb_text_printf(&line, ")");
        sb_words_add_once(out, sb_text_get(&line));
        sb_text_free(&line);
        sb_words_free(&who);
    }
    sb_words_free(&texts);
}

/* With its database where there are several. */
static void add_named(const struct sb_view *v, size_t source, const char *text, struct sb_words *out)
{
    char *named = v->sources.n > 1 ? sb_printf("%s: %s", v->sources.at[source].name, text) : sb_strdup(text);
    sb_words_add_once(out, named);
    free(named);
}

struct sb_words sb_find_unfinished(const struct sb_view *v)
{
    struct sb_words out = {0};
    for (size_t s = 0; s < v->sources.n; s++)
        find_unfinished(v, s, &out);
    return out;
}

/* "vmalloc 163 of 180", for each allocator with any: a share of all says nothing about the one it falls on.
 */
static char *by_allocator(const struct sb_view *v, const size_t *hits, const size_t *all)
{
    struct sb_text text = {0};
    for (size_t a = 0; a < v->allocators.n; a++) {
        if (hits[a])
            sb_text_printf(&text, "%s%s %zu of %zu", text.n ? ", " : "", v->allocators.at[a], hits[a], all[a]);
    }
    return text.at;
}

/* The run's own warning counts such processes over all cells. */
static void find_unsteady(const struct sb_view *v, struct sb_words *out)
{
    size_t *hits = sb_calloc(v->allocators.n, sizeof(*hits)), *all = sb_calloc(v->allocators.n, sizeof(*all));
    for (size_t i = 0; i < v->cells.n; i++) {
        size_t n;
        double *steady = sb_view_samples(v, &v->cells.at[i], SB_NAME(STEADY), &n);
        for (size_t k = 0; k < n; k++)
            hits[v->cells.at[i].allocator] += steady[k] < 0.5;
        all[v->cells.at[i].allocator] += n;
        free(steady);
    }
    char *who = by_allocator(v, hits, all);
    if (who)
        *SB_VEC_ADD(out) = sb_printf("Processes that were measured before their rate was steady: %s.", who);
    free(who);
    free(all);
    free(hits);
}

/* Medians and intervals by ranks are robust, which here means that they don't show it. */
static void find_spread(const struct sb_view *v, struct sb_words *out)
{
    size_t *hits = sb_calloc(v->allocators.n, sizeof(*hits)), *all = sb_calloc(v->allocators.n, sizeof(*all));
    for (size_t i = 0; i < v->cells.n; i++) {
        struct sb_summary s = sb_view_metric(v, &v->cells.at[i], SB_NAME(OPS_PER_S));
        hits[v->cells.at[i].allocator] += s.bimodal || s.far;
        all[v->cells.at[i].allocator] += s.n != 0;
    }
    char *who = by_allocator(v, hits, all);
    if (who)
        *SB_VEC_ADD(out) =
            sb_printf("In some cells processes ran at speeds far from their median, "
                      "which is not seen in medians and intervals; the table of cells marks them: %s cells.",
                      who);
    free(who);
    free(all);
    free(hits);
}

/* A repetition that has no number must not look as if it had never been planned. */
static void find_missing(const struct sb_view *v, struct sb_words *out)
{
    for (size_t i = 0; i < v->cells.n; i++) {
        struct sb_words said = {0};
        for (size_t k = 0; k < SB_METRICS; k++) {
            const struct sb_metric_row *row = &sb_metric_rows[k];
            char *missing = row->must ? sb_view_missing(v, &v->cells.at[i], row->name) : NULL;
            /* What the rate lacks the others lack, too. */
            if (missing && sb_words_add_once(&said, missing))
                *SB_VEC_ADD(out) = sb_printf("%s, %s: %s.", v->cells.at[i].label, row->name, missing);
            free(missing);
        }
        sb_words_free(&said);
    }
}

/* What one process ran at, and what may tell why. */
struct process {
    double rate, crossed, distance;
};

static int by_rate(const void *a, const void *b)
{
    const struct process *x = a, *y = b;
    return sb_by_value(&x->rate, &y->rate);
}

static double value_of(const struct sb_result *r, const char *name)
{
    const struct sb_metric *m = sb_metrics_find(&r->metrics, name);
    return m ? m->value : NAN;
}

/* The cell's ok processes by rate; the caller frees them. */
static struct process *processes_of(const struct sb_view *v, const struct sb_view_cell *cell, size_t *n)
{
    struct process *all = sb_calloc(cell->ok + 1, sizeof(*all));
    *n = 0;
    for (size_t i = cell->first_trial; i < cell->last_trial && *n < cell->ok; i++) {
        const struct sb_trial_row *t = &v->data.trials.at[v->order[i]];
        const struct sb_metric *rate = sb_metrics_find(&t->result.metrics, SB_NAME(OPS_PER_S));
        if (t->result.status == SB_STATUS_OK && !t->simulated && rate)
            all[(*n)++] = (struct process){rate->value, value_of(&t->result, SB_NAME(CROSSED_BLOCKS)),
                                           value_of(&t->result, SB_NAME(CPU_DISTANCE_NS))};
    }
    qsort(all, *n, sizeof(*all), by_rate);
    return all;
}

/* "18 around 7.2 M operations / s (crossed_blocks 36 %, cpu_distance_ns 228)" */
static void describe_group(const struct process *p, size_t n, struct sb_text *text)
{
    double *rates = sb_calloc(n, sizeof(*rates)), *crossed = sb_calloc(n, sizeof(*crossed)),
           *distance = sb_calloc(n, sizeof(*distance));
    for (size_t i = 0; i < n; i++) {
        rates[i] = p[i].rate;
        crossed[i] = p[i].crossed;
        distance[i] = p[i].distance;
    }
    char *rate = sb_format_si(sb_median(rates, n));
    double share = sb_median(crossed, n), ns = sb_median(distance, n);
    sb_text_printf(text, "%zu around %s operations / s", n, rate);
    if (!isnan(share) || !isnan(ns))
        sb_text_printf(text, " (");
    if (!isnan(share))
        sb_text_printf(text, "crossed_blocks %.0f %%%s", share, isnan(ns) ? ")" : ", ");
    if (!isnan(ns))
        sb_text_printf(text, "cpu_distance_ns %.0f)", ns);
    free(rate);
    free(rates);
    free(crossed);
    free(distance);
}

/* The median of two groups may be neither's: each is told by itself, with what may set them apart. */
static void find_groups(const struct sb_view *v, struct sb_words *out)
{
    for (size_t i = 0; i < v->cells.n; i++) {
        size_t n, cut;
        struct process *p = processes_of(v, &v->cells.at[i], &n);
        double *rates = sb_calloc(n + 1, sizeof(*rates));
        for (size_t k = 0; k < n; k++)
            rates[k] = p[k].rate;
        cut = sb_split_groups(rates, n);
        if (cut) {
            struct sb_text text = {0};
            sb_text_printf(&text, "%s: two groups of processes, ", v->cells.at[i].label);
            describe_group(p, cut, &text);
            sb_text_printf(&text, " and ");
            describe_group(p + cut, n - cut, &text);
            sb_text_printf(&text, ".");
            *SB_VEC_ADD(out) = text.at;
        }
        free(rates);
        free(p);
    }
}

struct sb_disturbance sb_find_disturbed(const struct sb_view *v)
{
    struct sb_disturbance d = {0};
    for (size_t i = 0; i < v->cells.n; i++) {
        d.trials += v->cells.at[i].disturbed;
        d.lost += sb_view_lost(&v->cells.at[i]);
    }
    return d;
}

static void find_disturbed(const struct sb_view *v, struct sb_words *out)
{
    struct sb_disturbance d = sb_find_disturbed(v);
    if (d.trials)
        *SB_VEC_ADD(out) =
            sb_printf("The machine disturbed %zu trial%s (a window cut short, or time lost to nobody), "
                      "which %s in no number and %s made again; %zu repetition%s disturbed to the last retry.",
                      d.trials, d.trials == 1 ? "" : "s", d.trials == 1 ? "is" : "are", d.trials == 1 ? "was" : "were",
                      d.lost, d.lost == 1 ? " was" : "s were");
}

struct sb_words sb_find_warnings(const struct sb_view *v)
{
    struct sb_words out = sb_find_unfinished(v);
    for (size_t s = 0; s < v->sources.n; s++) {
        const struct sb_data *head = sb_view_head(v, s);
        if (s)
            warn_of_differences(v, s, &out);
        for (size_t i = 0; i < head->facts.n; i++) {
            if (head->facts.at[i].warning)
                add_named(v, s, head->facts.at[i].warning, &out);
        }
    }
    for (size_t i = 0; i < v->data.warnings.n; i++)
        sb_words_add_once(&out, v->data.warnings.at[i]);
    find_disturbed(v, &out);
    find_missing(v, &out);
    find_of_trials(v, &out);
    find_unsteady(v, &out);
    find_spread(v, &out);
    find_groups(v, &out);
    return out;
}

/* One line a cell, since each has its own reason even where they read alike. */
struct sb_words sb_find_skipped(const struct sb_view *v)
{
    struct sb_words out = {0};
    for (size_t i = 0; i < v->cells.n; i++) {
        const struct sb_view_cell *cell = &v->cells.at[i];
        if (cell->row->skip)
            *SB_VEC_ADD(&out) = sb_printf("%s: %s", cell->label, cell->row->skip);
    }
    return out;
}

/* With its database where there are several. */
static const char *label_of(const struct sb_view *v, int64_t id)
{
    for (size_t i = 0; i < v->cells.n; i++) {
        if (v->cells.at[i].row->id == id)
            return v->cells.at[i].label;
    }
    return "?";
}

struct sb_words sb_find_failed(const struct sb_view *v)
{
    struct sb_words out = {0};
    for (size_t t = 0; t < v->data.trials.n; t++) {
        const struct sb_trial_row *trial = &v->data.trials.at[t];
        const char *label = label_of(v, trial->cell);
        if (trial->result.status == SB_STATUS_OK)
            continue;
        *SB_VEC_ADD(&out) = sb_printf("trial %lld, %s, repetition %lld: %s: %s%s%s", (long long)trial->number, label,
                                      (long long)trial->repetition, sb_status_name(trial->result.status),
                                      trial->result.reason ? trial->result.reason : "no reason given",
                                      trial->last_words ? "\n" : "", trial->last_words ? trial->last_words : "");
    }
    return out;
}

/* The same library is loaded by many trials. */
static void add_build(struct sb_words *out, const char *name, const char *version, const char *build_id)
{
    char *line = sb_printf("%s\t%s\t%s", name, *version ? version : "version not known",
                           *build_id && strcmp(build_id, "none") ? build_id : "no build-id");
    sb_words_add_once(out, line);
    free(line);
}

/* File names without their folders: a published report needn't tell where things lay. */
struct sb_words sb_find_builds(const struct sb_view *v)
{
    struct sb_words out = {0};
    const struct sb_data *d = &v->data;
    for (size_t i = 0; i < d->plugins.n; i++) {
        const struct sb_plugin_row *p = &d->plugins.at[i];
        char *name = sb_printf("%s %s", p->kind, p->name), *abi = sb_printf("ABI %s", p->abi);
        add_build(&out, name, abi, p->build_id);
        free(abi);
        free(name);
    }
    for (size_t t = 0; t < d->trials.n; t++) {
        const struct sb_result *r = &d->trials.at[t].result;
        for (size_t i = 0; i < r->libraries.n; i++) {
            const struct sb_library *l = &r->libraries.at[i];
            const struct sb_cell_row *cell = sb_data_cell(d, d->trials.at[t].cell);
            /* Of which allocator it is a library is said, for several load one of the same name. */
            const char *slash = strrchr(l->path, '/');
            char *name = sb_printf("%s of %s", slash ? slash + 1 : l->path, cell ? cell->allocator : "?");
            add_build(&out, name, l->version, l->build_id);
            free(name);
        }
    }
    return out;
}

/* From the cells and not from the config: defaults and sweeps are in it. */
char *sb_find_setting(const struct sb_view *v, const char *section, const char *key)
{
    struct sb_words values = {0};
    struct sb_text text = {0};
    for (size_t i = 0; i < v->cells.n; i++) {
        const struct sb_ini_section *s = sb_ini_section(&v->cells.at[i].settings, section, "");
        const struct sb_ini_entry *entry = s ? sb_ini_entry(s, key) : NULL;
        if (entry)
            sb_words_add_once(&values, entry->value);
    }
    for (size_t i = 0; i < values.n; i++)
        sb_text_printf(&text, "%s%s", i ? " or " : "", values.at[i]);
    sb_words_free(&values);
    return text.at;
}
