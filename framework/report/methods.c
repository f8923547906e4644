/*
 * Sentences with the real figures of a run: what was measured, on what, how often, how it was summed up, what
 * is left out. A draft to edit, so it says what reviewers ask for even where it is plain.
 */
#include "report/methods.h"

#include "report/chart.h"
#include "report/findings.h"

#include <stdio.h>
#include <string.h>

/* As a sentence has it, for these are sentences. */
static void list(struct sb_text *out, const struct sb_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        sb_text_printf(out, "%s%s", !i ? "" : i + 1 == words->n ? " and " : ", ", words->at[i]);
}

static void add(struct sb_words *out, struct sb_text *text)
{
    *SB_VEC_ADD(out) = sb_strdup(sb_text_get(text));
    sb_text_free(text);
}

/* Each reason once, with its number of cells: a paper has no table of cells to point to. */
static void say_skipped(const struct sb_view *v, struct sb_text *s)
{
    struct sb_words reasons = {0};
    size_t *n = sb_calloc(v->cells.n + 1, sizeof(*n));
    for (size_t i = 0; i < v->cells.n; i++) {
        if (v->cells.at[i].row->skip)
            n[sb_words_number(&reasons, v->cells.at[i].row->skip)]++;
    }
    for (size_t i = 0; i < reasons.n; i++)
        sb_text_printf(s, "%s%s (%zu)", i ? "; " : ": ", reasons.at[i], n[i + 1]);
    free(n);
    sb_words_free(&reasons);
}

/* Counted are allocators with a number: one that could not be measured was not measured. */
static void say_what(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    const char *version = sb_data_meta(&v->data, "scullbench"), *created = sb_data_meta(&v->data, "created");
    size_t skipped = 0;
    /* What was planned and has no number is said with what was measured. */
    for (size_t i = 0; i < v->cells.n; i++)
        skipped += v->cells.at[i].row->skip != NULL;
    struct sb_words measured = {0};
    for (size_t i = 0; i < v->cells.n; i++) {
        if (v->cells.at[i].ok)
            sb_words_add_once(&measured, v->cells.at[i].row->allocator);
    }
    sb_text_printf(&s, "We measured %zu allocator%s (", measured.n, measured.n == 1 ? "" : "s");
    if (measured.n)
        list(&s, &measured);
    else
        sb_text_printf(&s, "every trial failed");
    sb_words_free(&measured);
    sb_text_printf(&s, ") under %zu workload%s (", v->workloads.n, v->workloads.n == 1 ? "" : "s");
    list(&s, &v->workloads);
    sb_text_printf(
        &s,
        ") with scullbench %s, begun %.10s. The matrix has %zu cells, each one allocator with its options, "
        "workload, number of threads and setting",
        version ? version : "(unknown version)", created ? created : "(unknown)", v->cells.n);
    if (skipped)
        sb_text_printf(&s, "; %zu of them can't be measured and have no numbers", skipped);
    say_skipped(v, &s);
    sb_text_printf(&s, ".");
    add(out, &s);
}

/* "allocator.slub.models" of the databases' meta, as they name the allocator. */
static const char *word_of(const struct sb_view *v, const char *kind, const char *name, const char *key)
{
    const char *found = NULL;
    char *meta = sb_printf("%s.%s.%s", kind, name, key);
    for (size_t i = 0; i < v->sources.n && !found; i++)
        found = sb_data_meta(sb_view_head(v, i), meta);
    free(meta);
    return found;
}

/* "slub and slub-shared (mm/slub.c, Linux 6.1)": names of which the databases say the same, with what they
 * say. */
static void add_alike(const struct sb_view *v, const char *kind, const char *key,
                      const struct sb_words *names, struct sb_words *alike, struct sb_words *said)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *word = word_of(v, kind, names->at[i], key);
        if (!word || !sb_words_add_once(said, word))
            continue;
        struct sb_words same = {0};
        struct sb_text text = {0};
        for (size_t j = i; j < names->n; j++) {
            const char *other = word_of(v, kind, names->at[j], key);
            if (other && !strcmp(other, word))
                *SB_VEC_ADD(&same) = sb_strdup(names->at[j]);
        }
        list(&text, &same);
        *SB_VEC_ADD(alike) = text.at;
        sb_words_free(&same);
    }
}

/* Beside a kernel's version readers would take "slub" for that kernel's own. */
static void say_models(const struct sb_view *v, struct sb_words *out)
{
    struct sb_words names = {0}, alike = {0}, said = {0}, models = {0};
    struct sb_text s = {0};
    for (size_t i = 0; i < v->cells.n; i++) {
        if (v->cells.at[i].ok)
            sb_words_add_once(&names, v->cells.at[i].row->allocator);
    }
    add_alike(v, "allocator", "models", &names, &alike, &said);
    for (size_t i = 0; i < alike.n; i++)
        *SB_VEC_ADD(&models) = sb_printf("%s (%s)", alike.at[i], said.at[i]);
    if (models.n) {
        list(&s, &models);
        sb_text_printf(&s, " model%s the code in parentheses", names.n == 1 ? "s" : "");
    } else if (names.n && word_of(v, "allocator", names.at[0], "plugin")) {
        goto done;
    } else {
        sb_text_printf(&s, "Allocators that bear names of the Linux kernel's are models of them");
    }
    sb_text_printf(
        &s,
        ": they run in user space, on a memory file that stands for physical memory, and are not the code "
        "of the kernel that the machine runs; their ratios to one another are what they are made for.");
    add(out, &s);
done:
    sb_words_free(&models);
    sb_words_free(&alike);
    sb_words_free(&said);
    sb_words_free(&names);
}

/* What an operation is, a reader can't guess from a workload's name. */
static void say_workloads(const struct sb_view *v, struct sb_words *out)
{
    struct sb_words alike = {0}, said = {0};
    struct sb_text s = {0};
    add_alike(v, "workload", "summary", &v->workloads, &alike, &said);
    for (size_t i = 0; i < alike.n; i++)
        sb_text_printf(&s, "%s%s: %s.", i ? " " : "Workloads: ", alike.at[i], said.at[i]);
    sb_words_free(&alike);
    sb_words_free(&said);
    add_alike(v, "workload", "operation", &v->workloads, &alike, &said);
    for (size_t i = 0; i < alike.n; i++)
        sb_text_printf(&s, " An operation of %s is %s.", alike.at[i], said.at[i]);
    if (s.n)
        add(out, &s);
    sb_text_free(&s);
    sb_words_free(&alike);
    sb_words_free(&said);
}

/* What isn't known is said to be so: a reviewer asks for it anyway. */
static void fact(struct sb_text *s, const struct sb_data *d, const char *name, const char *words)
{
    const char *value = sb_data_fact(d, name);
    if (value && *value)
        sb_text_printf(s, "; %s %s", words, value);
    else
        sb_text_printf(s, "; %s not available", words);
}

/* Of what older versions didn't ask for nothing is said. */
static void known_fact(struct sb_text *s, const struct sb_data *d, const char *name, const char *words)
{
    const char *value = sb_data_fact(d, name);
    if (value && *value)
        sb_text_printf(s, "; %s%s", words, value);
}

/* "spectre_v1: Mitigation: ...; ...": which are mitigated and which aren't; how is in the report's table. */
static void say_mitigations(struct sb_text *s, const char *value)
{
    static const char *const marks[] = {": Mitigation", ": Vulnerable"};
    for (size_t k = 0; k < SB_COUNT(marks) && value; k++) {
        bool any = false;
        for (const char *at = value; (at = strstr(at, marks[k])); at++) {
            const char *start = at;
            while (start > value && start[-1] != ' ')
                start--;
            sb_text_printf(s, "%s%.*s",
                           any ? ", "
                           : k ? "; not mitigated: "
                               : "; mitigated: ",
                           (int)(at - start), start);
            any = true;
        }
    }
}

/* Of several databases the first's; what they differ in is a warning of the report. */
static void say_machine(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    const struct sb_data *d = &v->data;
    const char *hypervisor = sb_data_fact(d, "hypervisor");
    char *machine = sb_machine_name(d), *memory = sb_find_setting(v, "machine", "memory"),
         *pages = sb_find_setting(v, "machine", "pages"),
         *placement = sb_find_setting(v, "machine", "placement");
    sb_text_printf(&s, "Machine: %s%s", machine,
                   hypervisor && !strcmp(hypervisor, "yes") ? ", a virtual machine" : "");
    known_fact(&s, d, "cpu_model", "");
    known_fact(&s, d, "clock_now", "at ");
    known_fact(&s, d, "caches", "caches: ");
    known_fact(&s, d, "memory", "memory ");
    known_fact(&s, d, "distribution", "");
    known_fact(&s, d, "compiler", "compiled by ");
    fact(&s, d, "governor", "frequency governor");
    fact(&s, d, "turbo", "turbo");
    fact(&s, d, "smt", "SMT");
    fact(&s, d, "thp", "transparent huge pages");
    say_mitigations(&s, sb_data_fact(d, "mitigations"));
    sb_text_printf(&s, ".");
    if (memory)
        sb_text_printf(
            &s,
            " Allocators that manage physical memory got it from one memory file of %s, backed by %s "
            "pages and touched beforehand; malloc libraries took theirs from the operating system. "
            "Threads were pinned, one to a CPU, placement %s.",
            memory, pages ? pages : "4KiB", placement ? placement : "compact");
    free(machine);
    free(memory);
    free(pages);
    free(placement);
    add(out, &s);
}

/* Numbers of what was run, not of what was planned: with a precision they differ by cell. */
static void say_repetitions(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    const struct sb_data *d = &v->data;
    const char *order = sb_data_meta(d, "order"), *layout = sb_data_meta(d, "layout");
    size_t least = SIZE_MAX, most = 0, trials = 0, simulated = 0;
    char *duration = sb_find_setting(v, "trial", "duration"), *warmup = sb_find_setting(v, "trial", "warmup"),
         *limit = sb_find_setting(v, "trial", "warmup_limit"),
         *steady = sb_find_setting(v, "trial", "steady"),
         *operations = sb_find_setting(v, "trial", "operations");
    for (size_t t = 0; t < v->data.trials.n; t++)
        simulated += v->data.trials.at[t].simulated != 0;
    for (size_t i = 0; i < v->cells.n; i++) {
        const struct sb_view_cell *c = &v->cells.at[i];
        trials += c->trials;
        if (!c->trials)
            continue;
        least = c->trials < least ? c->trials : least;
        most = c->trials > most ? c->trials : most;
    }
    /* Of a run without a single trial nothing is known, and zero is what it has. */
    least = most ? least : 0;
    sb_text_printf(&s, "Every repetition is a process of its own. Each cell was repeated ");
    if (most == 1)
        sb_text_printf(&s, "once");
    else
        sb_text_printf(&s, least == most ? "%zu times" : "%zu to %zu times", least, most);
    const char *precision = sb_data_meta(d, "precision");
    if (precision && strtod(precision, NULL) > 0)
        sb_text_printf(
            &s,
            ", until the interval of its median rate reached no further than %g %% from it or the limit "
            "was reached (the report says which)",
            100 * strtod(precision, NULL));
    sb_text_printf(&s, "; %zu process%s in all, in %s order%s.", trials, trials == 1 ? "" : "es",
                   order && !strcmp(order, "sequential") ? "sequential" : "an interleaved, seeded random",
                   layout && !strcmp(layout, "random")
                       ? ", each with a stack, an environment and a memory base at offsets drawn from the "
                         "seed, and without the "
                         "kernel's own randomisation of addresses"
                       : "");
    if (simulated)
        sb_text_printf(
            &s,
            " %zu more ran under valgrind (callgrind with its cache model), for the simulated counts alone.",
            simulated);
    if (duration && operations && strcmp(operations, "0"))
        sb_text_printf(&s, " The measured phase was %s operations a thread", operations);
    else if (duration)
        sb_text_printf(&s, " The measured phase took %s", duration);
    if (warmup && limit && steady)
        sb_text_printf(&s,
                       strcmp(steady, "off")
                           ? ", after a warm-up of at least %s that went on until the rate was steady "
                             "(coefficient of variation under %s) or %s had passed"
                           : ", after a warm-up of %s",
                       warmup, steady, limit);
    if (duration)
        sb_text_printf(&s, ". All threads began at a common instant.");
    free(duration);
    free(warmup);
    free(limit);
    free(steady);
    free(operations);
    add(out, &s);
}

/* Which rule stands behind each number, and what is in none of them. */
static void say_statistics(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    /* Simulated trials are no measurement, and can't be excluded from one. */
    size_t failed = 0, trials = 0;
    struct sb_words kinds = {0};
    for (size_t t = 0; t < v->data.trials.n; t++) {
        const struct sb_trial_row *trial = &v->data.trials.at[t];
        trials += !trial->simulated;
        if (trial->result.status == SB_STATUS_OK || trial->simulated)
            continue;
        failed++;
        sb_words_add_once(&kinds, sb_status_name(trial->result.status));
    }
    sb_text_printf(
        &s,
        "We report medians over processes with distribution-free %g %% intervals by order statistics (or the "
        "range, where there are too few processes, as the tables say); ratios are ratios of medians with %g "
        "%% bootstrap intervals (percentile, 9999 resamples of each side), each its own and not corrected "
        "for their "
        "number; where a verdict (faster, slower) is quoted it is scullbench compare's, by the Wilcoxon rank "
        "sum test, "
        "corrected by Holm for the number of comparisons. Latencies are those of single calls, sampled, with "
        "the "
        "clock's own cost taken off; what reading the clock keeps from running beside the call stays in "
        "them, some "
        "nanoseconds, so they lie above the times of calls in batches. Their percentiles are of the "
        "histograms of all "
        "processes merged. ",
        100 * v->confidence, 100 * v->confidence);
    if (failed) {
        sb_text_printf(&s, "%zu of %zu trials failed (", failed, trials);
        list(&s, &kinds);
        sb_text_printf(&s, ") and are in no number; the report lists them. No other trial was excluded.");
    } else {
        sb_text_printf(&s, "No trial failed and none was excluded.");
    }
    struct sb_words unfinished = sb_find_unfinished(v);
    for (size_t i = 0; i < unfinished.n; i++)
        sb_text_printf(&s, " %s", unfinished.at[i]);
    sb_words_free(&unfinished);
    sb_text_printf(&s, " After each trial the contents of all blocks, overlaps, leaks and the allocator's "
                       "own structures were "
                       "checked.");
    sb_words_free(&kinds);
    add(out, &s);
}

/* "5.3.0-0-g54eaed1d8b56...": of a commit as many digits as tell it apart; columns of papers are narrow. */
static int short_version(const char *version, const char *end)
{
    const char *commit = strstr(version, "-g");
    if (commit && commit + 14 < end)
        end = commit + 14;
    return (int)(end - version);
}

/* Build-ids cut to what git users know as unambiguous; the report has them whole. */
static void say_builds(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    /* Name, version and build-id, by tabs, as findings.c gives them. */
    struct sb_words builds = sb_find_builds(v);
    sb_text_printf(&s, "Builds, by build-id:");
    for (size_t i = 0; i < builds.n; i++) {
        const char *name = builds.at[i], *version = strchr(name, '\t'),
                   *id = version ? strchr(version + 1, '\t') : NULL;
        if (id)
            sb_text_printf(&s, "%s %.*s (%.*s, %.12s)", i ? "," : "", (int)(version - name), name,
                           short_version(version + 1, id), version + 1, id + 1);
    }
    sb_text_printf(&s, ".");
    sb_words_free(&builds);
    add(out, &s);
}

struct sb_words sb_methods(const struct sb_view *v)
{
    struct sb_words out = {0};
    say_what(v, &out);
    say_models(v, &out);
    say_workloads(v, &out);
    say_machine(v, &out);
    say_repetitions(v, &out);
    say_statistics(v, &out);
    say_builds(v, &out);
    return out;
}

/* ---- Markdown ---- */

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
    sb_text_printf(out, "%s\n%s%s%s\n", fence, text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n",
                   fence);
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
        sb_markdown_text(out, d->facts.at[i].value && *d->facts.at[i].value ? d->facts.at[i].value
                                                                            : "not available");
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

void sb_markdown_report(const struct sb_view *v, const struct sb_figures *figures,
                        const struct sb_tables *tables, const struct sb_words *notes, struct sb_text *out)
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
