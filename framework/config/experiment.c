/* From INI to experiment: sections, keys, values and the matrix, all errors in one pass. */
#define _GNU_SOURCE
#include "config/experiment.h"

#include "base/file.h"
#include "base/units.h"
#include "config/section.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* For suggestions: in the order of the documentation. */
static const char *const kinds[] = {"experiment", "machine", "pmu", "matrix", "plot", "allocator", "workload"};

/* Sections that have a name, and of which there may be many; the others stand once. */
static bool has_name(const char *kind)
{
    return !strcmp(kind, "allocator") || !strcmp(kind, "workload") || !strcmp(kind, "plot");
}

/* The sections that exist at all, and names where they belong. */
static void check_sections(const struct sb_experiment *e, struct sb_diag *diag)
{
    for (size_t i = 0; i < e->ini.n; i++) {
        const struct sb_ini_section *section = &e->ini.at[i];
        bool named = has_name(section->kind);
        if (!named && !sb_table_find(section->kind)) {
            char *hint = sb_diag_hint(section->kind, kinds, SB_COUNT(kinds));
            if (*section->kind)
                sb_diag_at(diag, section->line, "unknown section [%s]%s", section->kind, hint);
            free(hint);
        } else if (named && !*section->name) {
            sb_diag_at(diag, section->line, "the section [%s] lacks its name; expected [%s NAME]", section->kind,
                       section->kind);
        } else if (!named && *section->name) {
            sb_diag_at(diag, section->line, "the section [%s] takes no name, but has '%s'", section->kind,
                       section->name);
        } else if (strpbrk(section->name, "/,*")) {
            sb_diag_at(diag, section->line, "the name '%s' holds one of '/', ',' and '*', which lists need",
                       section->name);
        }
        /* In a spreadsheet a cell that begins with = + - or @ is a formula, and databases are sent around. */
        if (named && *section->name && !isalnum((unsigned char)*section->name) && (unsigned char)*section->name < 0x80)
            sb_diag_at(diag, section->line, "the name '%s' begins with '%c'; names begin with a letter or a digit",
                       section->name, *section->name);
        /* SECTION.KEY in a sweep speaks of either by its name alone. */
        const char *other = !strcmp(section->kind, "workload") ? "allocator" : "";
        for (size_t j = 0; *other && j < e->ini.n; j++) {
            if (!strcmp(e->ini.at[j].kind, other) && !strcmp(e->ini.at[j].name, section->name) && *section->name)
                sb_diag_at(diag, section->line,
                           "the workload '%s' has the name of the allocator on line %d; names must differ",
                           section->name, e->ini.at[j].line);
        }
    }
}

/* A comma list whose items are neither empty nor said twice. */
static struct sb_words read_list(const char *key, const char *value, int line, struct sb_diag *diag)
{
    /* Items that are wrong stay in the list, so that what follows isn't blamed for their absence. */
    struct sb_words words = sb_split(value);
    for (size_t i = 0; i < words.n; i++) {
        if (!*words.at[i])
            sb_diag_at(diag, line, "%s: item %zu of the list is empty", key, i + 1);
        for (size_t j = 0; j < i; j++) {
            if (*words.at[i] && !strcmp(words.at[i], words.at[j]))
                sb_diag_at(diag, line, "%s: '%s' stands twice in the list", key, words.at[i]);
        }
    }
    return words;
}

/* Whether so many CPUs are there is for the plan to say, which knows the machine. */
static void read_threads(struct sb_experiment *e, struct sb_diag *diag)
{
    /* More than any machine has; the plan knows how many this one has. */
    static const struct sb_option thread_count = {"threads", SB_OPTION_INT, 0, "1", 1, 4096, NULL, ""};
    for (size_t i = 0; i < e->threads.n; i++) {
        union sb_value value;
        char *why = NULL;
        if (!strcmp(e->threads.at[i], "all") || !*e->threads.at[i])
            continue;
        if (sb_option_parse(&thread_count, e->threads.at[i], &value, &why)) {
            sb_diag_at(diag, e->matrix_line[SB_MATRIX_THREADS], "threads: %s, or 'all'", why);
            free(why);
        }
    }
}

/* Whether a pattern matches anything is for the plan to say, which knows the names. */
static void read_excludes(struct sb_experiment *e, const char *value, int line, struct sb_diag *diag)
{
    struct sb_words words = read_list("exclude", value, line, diag);
    for (size_t i = 0; i < words.n; i++) {
        char *slash = strchr(words.at[i], '/');
        if (!slash || strchr(slash + 1, '/')) {
            if (*words.at[i])
                sb_diag_at(diag, line, "exclude: '%s' is not ALLOCATOR/WORKLOAD", words.at[i]);
            continue;
        }
        *slash = '\0';
        struct sb_exclude *exclude = SB_VEC_ADD(&e->excludes);
        exclude->allocator = sb_strdup(words.at[i]);
        exclude->workload = sb_strdup(slash + 1);
        exclude->line = line;
    }
    sb_words_free(&words);
}

/* `scullc.quantum = 1000B, 4000B`. Whether section and key exist is for the plan to say. */
static void read_sweep(struct sb_experiment *e, const struct sb_ini_entry *entry, struct sb_diag *diag)
{
    const char *dot = sb_sweep_dot(entry->key);
    if (dot == entry->key || !dot[1]) {
        sb_diag_at(diag, entry->line, "'%s' is not SECTION.KEY", entry->key);
        return;
    }
    struct sb_sweep *sweep = SB_VEC_ADD(&e->sweeps);
    sweep->section = sb_strndup(entry->key, (size_t)(dot - entry->key));
    sweep->key = sb_strdup(dot + 1);
    sweep->option = sb_strdup(dot + 1);
    sweep->values = read_list(entry->key, entry->value, entry->line, diag);
    sweep->line = entry->line;
}

/* Required keys are asked for at the end, so that a typo in one is told as a typo first. */
static void read_matrix(struct sb_experiment *e, struct sb_diag *diag)
{
    const struct sb_section_table *table = &sb_tables[SB_TABLE_MATRIX];
    const struct sb_ini_section *section = sb_ini_section(&e->ini, "matrix", "");
    static const int required[] = {SB_MATRIX_ALLOCATOR, SB_MATRIX_WORKLOAD};
    struct sb_words *lists[] = {&e->allocators, &e->workloads, &e->threads};
    const char *threads = table->options[SB_MATRIX_THREADS].fallback;

    if (!section) {
        sb_diag_at(diag, 0, "there is no [matrix] section; it says which allocators and workloads to combine");
        e->threads = sb_split(threads);
        return;
    }
    for (size_t i = 0; i < section->n; i++) {
        const struct sb_ini_entry *entry = &section->at[i];
        const struct sb_option *option = sb_option_find(table->options, table->n, entry->key);
        /* A dot makes it a sweep: the matrix's own keys have none. */
        if (!option && strchr(entry->key, '.')) {
            read_sweep(e, entry, diag);
        } else if (!option) {
            char *hint = sb_option_hint(table->options, table->n, entry->key);
            sb_diag_at(diag, entry->line, "[matrix] has no key '%s'%s; keys to sweep are written SECTION.KEY",
                       entry->key, hint);
            free(hint);
        } else if (option - table->options == SB_MATRIX_EXCLUDE) {
            e->matrix_line[SB_MATRIX_EXCLUDE] = entry->line;
            read_excludes(e, entry->value, entry->line, diag);
        } else {
            *lists[option - table->options] = read_list(entry->key, entry->value, entry->line, diag);
            e->matrix_line[option - table->options] = entry->line;
        }
    }
    if (!e->threads.n)
        e->threads = sb_split(threads);
    read_threads(e, diag);
    for (size_t i = 0; i < SB_COUNT(required); i++) {
        if (!lists[required[i]]->n)
            sb_diag_at(diag, section->line, "[matrix] lacks the key '%s', %s", table->options[required[i]].name,
                       table->options[required[i]].help);
    }
}

/* Whether the matrix names `name` in its list `key`. */
static bool in_matrix(struct sb_ini *ini, const char *key, const char *name)
{
    const struct sb_ini_section *matrix = sb_ini_section(ini, "matrix", "");
    const struct sb_ini_entry *entry = matrix ? sb_ini_entry(matrix, key) : NULL;
    bool found = false;
    if (entry) {
        struct sb_words words = sb_split(entry->value);
        for (size_t i = 0; i < words.n; i++)
            found |= !strcmp(words.at[i], name);
        sb_words_free(&words);
    }
    return found;
}

/* The section an override speaks of; one that the matrix names without writing it comes to be. */
static struct sb_ini_section *override_section(struct sb_ini *ini, const char *name, int line)
{
    struct sb_ini_section *section = NULL;
    if (sb_table_find(name) && !has_name(name)) {
        section = sb_ini_section_of(ini, name, "");
        return section ? section : sb_ini_add_section(ini, name, "", line);
    }
    for (size_t i = 0; i < 2; i++) {
        const char *kind = i ? "workload" : "allocator";
        section = sb_ini_section_of(ini, kind, name);
        if (section)
            return section;
        if (in_matrix(ini, kind, name))
            return sb_ini_add_section(ini, kind, name, line);
    }
    return NULL;
}

/*
 * An override is an entry with a negative line: everything that can be said of a key of the file is
 * then said of it as well, in the same words.
 */
static void apply_override(struct sb_ini *ini, const char *text, int line, struct sb_diag *diag)
{
    const char *equals = strchr(text, '=');
    char *path = sb_strndup(text, equals ? (size_t)(equals - text) : 0);
    /* A matrix key may itself be SECTION.KEY; elsewhere the key has no dot, but the section may. */
    const char *cut = !strncmp(path, "matrix.", 7) ? path + 6 : sb_sweep_dot(path);
    char *dot = cut ? path + (cut - path) : NULL;
    if (!equals || !dot || dot == path || !dot[1] || !equals[1]) {
        sb_diag_at(diag, line, "expected SECTION.KEY=VALUE");
        goto out;
    }
    *dot = '\0';
    struct sb_ini_section *section = override_section(ini, path, line);
    if (section)
        sb_ini_set(section, dot + 1, equals + 1, line);
    else
        sb_diag_at(diag, line, "there is no section '%s', nor does the matrix name one", path);
out:
    free(path);
}

/* Reports need a name; the file's is one the user chose. */
static char *name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    if (n > 4 && !strcmp(base + n - 4, ".ini"))
        n -= 4;
    return sb_strndup(base, n);
}

/* What two keys say together. */
static void check_values(struct sb_experiment *e, struct sb_diag *diag)
{
    struct sb_ini_section *section = sb_ini_section_of(&e->ini, "experiment", "");
    if (!section)
        section = sb_ini_add_section(&e->ini, "experiment", "", 0);
    if (!sb_ini_entry(section, "name")) {
        char *name = name_of_file(e->path);
        sb_ini_set(section, "name", name, section->line);
        free(name);
        e->values[SB_EXPERIMENT_NAME].s = sb_ini_entry(section, "name")->value;
    }
    const struct sb_ini_entry *duration = sb_ini_entry(section, "duration");
    if (duration && e->values[SB_EXPERIMENT_OPERATIONS].u)
        sb_diag_at(diag, duration->line, "both duration and operations are given; the measured phase has one length");
    const union sb_value *v = e->values;
    const struct sb_ini_entry *warmup = sb_ini_entry(section, "warmup"), *limit = sb_ini_entry(section, "warmup_limit"),
                              *line = limit ? limit : warmup;
    if (line && v[SB_EXPERIMENT_STEADY].u && v[SB_EXPERIMENT_WARMUP].u > v[SB_EXPERIMENT_WARMUP_LIMIT].u &&
        !sb_diag_has(diag, line->line))
        sb_diag_at(diag, line->line,
                   "warmup is longer than warmup_limit, the longest warm-up%s: "
                   "raise warmup_limit, or say steady = off",
                   limit ? "" : " (500ms unless it is given)");
    bool range =
        sb_counts_most(e->values[SB_EXPERIMENT_REPETITIONS]) > sb_counts_least(e->values[SB_EXPERIMENT_REPETITIONS]);
    const struct sb_ini_entry *repetitions = sb_ini_entry(section, "repetitions"),
                              *precision = sb_ini_entry(section, "precision"),
                              *decide = sb_ini_entry(section, "decide"), *baseline = sb_ini_entry(section, "baseline");
    if ((repetitions && sb_diag_has(diag, repetitions->line)) || (precision && sb_diag_has(diag, precision->line)))
        return; /* one that can't be read is told as that */
    if (decide && sb_diag_has(diag, decide->line))
        return;
    bool decides = decide && e->values[SB_EXPERIMENT_DECIDE].u;
    if (range && repetitions && !e->values[SB_EXPERIMENT_PRECISION].u && !decides)
        sb_diag_at(diag, repetitions->line,
                   "repetitions: '%s' is a range, but neither precision nor decide says when to stop; "
                   "add precision = 1%% or decide = 3%%",
                   repetitions->value);
    if (decides && precision && e->values[SB_EXPERIMENT_PRECISION].u)
        sb_diag_at(diag, decide->line, "both precision and decide are given; a run ends by one rule");
    if (decides && !range)
        sb_diag_at(diag, decide->line,
                   "decide needs a range of repetitions to choose from, such as repetitions = 5..50");
    if (decides && e->values[SB_EXPERIMENT_ORDER].u == SB_ORDER_SEQUENTIAL)
        sb_diag_at(diag, decide->line, "decide compares within blocks, which order = sequential doesn't have");
    const struct sb_ini_entry *mode = sb_ini_entry(section, "mode"), *least = sb_ini_entry(section, "least_difference");
    bool paired = mode && e->values[SB_EXPERIMENT_MODE].u == SB_MODE_PAIRED;
    if (baseline && !decides && !paired)
        sb_diag_at(diag, baseline->line, "baseline is read by decide and mode = paired alone, which aren't given");
    if (least && !paired && !sb_diag_has(diag, least->line))
        sb_diag_at(diag, least->line, "least_difference is read by mode = paired alone, which isn't given");
    if (paired && e->values[SB_EXPERIMENT_OPERATIONS].u)
        sb_diag_at(diag, mode->line, "mode = paired measures for a duration; operations can't be given with it");
    if (paired && e->values[SB_EXPERIMENT_RATE].u)
        sb_diag_at(diag, mode->line, "mode = paired takes turns as fast as it can; rate can't be given with it");
    const struct sb_ini_entry *latency = sb_ini_entry(section, "latency");
    if (paired && latency && e->values[SB_EXPERIMENT_LATENCY].u != SB_LATENCY_OFF && !sb_diag_has(diag, latency->line))
        sb_diag_at(diag, latency->line, "mode = paired times no single calls; leave latency out, or say latency = off");
    if (paired && e->pmu[SB_PMU_PROVIDER].u == SB_PROVIDER_CACHEGRIND)
        sb_diag_at(diag, mode->line, "mode = paired can't be simulated; provider = cachegrind can't be given with it");
    if (precision && e->values[SB_EXPERIMENT_PRECISION].u && !range)
        sb_diag_at(diag, precision->line,
                   "precision needs a range of repetitions to choose from, such as repetitions = 5..50");
}

/* Charts speak of the matrix, so it must have been read; where it is broken nothing can be held against it.
 */
static void read_plots(struct sb_experiment *e, struct sb_diag *diag)
{
    static const char *const always[] = {"allocator", "workload", "threads"};
    struct sb_words dimensions = {0};
    for (size_t i = 0; i < SB_COUNT(always); i++)
        *SB_VEC_ADD(&dimensions) = sb_strdup(always[i]);
    for (size_t i = 0; i < e->sweeps.n; i++)
        *SB_VEC_ADD(&dimensions) = sb_printf("%s.%s", e->sweeps.at[i].section, e->sweeps.at[i].key);
    sb_plots_read(&e->plots, &e->ini, &dimensions, e->allocators.n ? &e->allocators : NULL, diag);
    sb_words_free(&dimensions);
}

int sb_experiment_load(struct sb_experiment *e, const char *path, const char *const *overrides, size_t override_count,
                       struct sb_diag *diag)
{
    size_t length = 0;
    union sb_value *into[] = {e->values, e->machine, e->pmu};

    *e = (struct sb_experiment){.path = sb_strdup(path)};
    diag->file = e->path;
    diag->overrides = overrides;
    int status = sb_read_file(path, &e->text, &length);
    if (status) {
        sb_diag_at(diag, 0, "can't be read: %s", strerror(-status));
        return status;
    }
    e->ini = sb_ini_parse(e->text, length, diag);
    /* The matrix first: other overrides may speak of what it names only then. */
    for (int matrix = 1; matrix >= 0; matrix--) {
        for (size_t i = 0; i < override_count; i++) {
            if ((strncmp(overrides[i], "matrix.", 7) == 0) == matrix)
                apply_override(&e->ini, overrides[i], -(int)i - 1, diag);
        }
    }
    check_sections(e, diag);
    for (size_t i = 0; i < SB_COUNT(into); i++) {
        char *what = sb_printf("[%s]", sb_tables[i].kind);
        sb_read_section(sb_ini_section(&e->ini, sb_tables[i].kind, ""), what, sb_tables[i].options, sb_tables[i].n,
                        NULL, into[i], diag);
        free(what);
    }
    check_values(e, diag);
    read_matrix(e, diag);
    read_plots(e, diag);
    return 0;
}

void sb_experiment_free(struct sb_experiment *e)
{
    for (size_t i = 0; i < e->sweeps.n; i++) {
        free(e->sweeps.at[i].section);
        free(e->sweeps.at[i].key);
        free(e->sweeps.at[i].option);
        sb_words_free(&e->sweeps.at[i].values);
    }
    for (size_t i = 0; i < e->excludes.n; i++) {
        free(e->excludes.at[i].allocator);
        free(e->excludes.at[i].workload);
    }
    SB_VEC_FREE(&e->sweeps);
    SB_VEC_FREE(&e->excludes);
    sb_words_free(&e->allocators);
    sb_words_free(&e->workloads);
    sb_words_free(&e->threads);
    sb_plots_free(&e->plots);
    sb_ini_free(&e->ini);
    free(e->text);
    free(e->path);
    *e = (struct sb_experiment){0};
}
