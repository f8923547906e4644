/*
 * Sentences with the real figures of a run: what was measured, on what, how often, how it was summed up, what
 * is left out. A draft to edit, so it says what reviewers ask for even where it is plain.
 */
#include "report/methods.h"

#include "analyse/findings.h"
#include "figure/chart.h"
#include "trial/layout.h"

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
    /* Cells without a number are named together with the measured ones. */
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
    sb_text_printf(&s,
                   ") with scullbench %s, begun %.10s. The matrix has %zu cell%s, each one allocator with "
                   "its options, workload, number of threads and setting",
                   version ? version : "(unknown version)", created ? created : "(unknown)", v->cells.n,
                   v->cells.n == 1 ? "" : "s");
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
static void add_alike(const struct sb_view *v, const char *kind, const char *key, const struct sb_words *names,
                      struct sb_words *alike, struct sb_words *said)
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
    sb_text_printf(&s, ": they run in user space, on a memory file that stands for physical memory, "
                       "and are not the code of the kernel that the machine runs; "
                       "their ratios to one another are what they are made for.");
    add(out, &s);
done:
    sb_words_free(&models);
    sb_words_free(&alike);
    sb_words_free(&said);
    sb_words_free(&names);
}

/* A reader can't guess from a workload's name what an operation is. */
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

/* Unknown facts are said to be unknown: a reviewer asks for them anyway. */
static void fact(struct sb_text *s, const struct sb_data *d, const char *name, const char *words)
{
    const char *value = sb_data_fact(d, name);
    if (value && *value)
        sb_text_printf(s, "; %s %s", words, value);
    else
        sb_text_printf(s, "; %s not available", words);
}

/* Says nothing of facts that older versions did not record. */
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

/* Whether any cell that was measured had its memory from there. */
static bool any_memory(const struct sb_view *v, const char *kind)
{
    bool any = false;
    for (size_t i = 0; i < v->cells.n; i++)
        any |= v->cells.at[i].ok && !strcmp(v->cells.at[i].row->memory, kind);
    return any;
}

static bool is(const char *value, const char *wanted)
{
    return value && !strcmp(value, wanted);
}

static bool any_trial(const struct sb_view *v, bool (*is_so)(const struct sb_trial_row *))
{
    bool any = false;
    for (size_t i = 0; i < v->data.trials.n; i++)
        any |= is_so(&v->data.trials.at[i]);
    return any;
}

static bool has_shared_memory(const struct sb_trial_row *t)
{
    return t->memory_file > 0;
}

static bool was_kept_busy(const struct sb_trial_row *t)
{
    return sb_metrics_find(&t->result.metrics, SB_NAME(KEPT_BUSY_NS)) != NULL;
}

/* Who had memory from where, and who touched it first. */
static void say_memory(const struct sb_view *v, struct sb_text *s)
{
    char *memory = sb_find_setting(v, "machine", "memory"), *pages = sb_find_setting(v, "machine", "pages"),
         *prefault = sb_find_setting(v, "machine", "prefault"), *node = sb_find_setting(v, "machine", "node"),
         *placement = sb_find_setting(v, "machine", "placement");
    bool file = any_memory(v, SB_MEMORY_FILE) || any_memory(v, SB_MEMORY_ONE_BLOCK), os = any_memory(v, SB_MEMORY_OS);
    if (memory && file) {
        sb_text_printf(s,
                       " Allocators that manage physical memory got it from one memory file of %s, backed by %s pages",
                       memory, pages ? pages : "4KiB");
        if (node && !is(node, "any"))
            sb_text_printf(s, " of node %s", node);
        sb_text_printf(s, "%s",
                       is(prefault, "yes") ? " and touched before anything was measured"
                       : is(prefault, "no")
                           ? "; its pages were first touched by whoever used them, survey and warm-up included"
                           : "");
        sb_text_printf(s, "%s.%s", os ? "; malloc libraries took theirs from the operating system" : "",
                       any_trial(v, has_shared_memory)
                           ? " Cells of one block ran on the same physical pages, cleared in between."
                           : "");
    } else if (os) {
        sb_text_printf(s, " The allocators took memory from the operating system.");
    }
    if (placement)
        sb_text_printf(s, " Threads were pinned, one to a CPU, placement %s.", placement);
    if (any_trial(v, was_kept_busy))
        sb_text_printf(s, " Until its threads worked a trial's CPUs were kept busy, so that none came out of idle.");
    free(memory);
    free(pages);
    free(prefault);
    free(node);
    free(placement);
}

/* The first database's; differences to the others are a warning of the report. */
static void say_machine(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    const struct sb_data *d = &v->data;
    const char *hypervisor = sb_data_fact(d, "hypervisor");
    char *machine = sb_machine_name(d);
    sb_text_printf(&s, "Machine: %s%s", machine, hypervisor && !strcmp(hypervisor, "yes") ? ", a virtual machine" : "");
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
    say_memory(v, &s);
    free(machine);
    add(out, &s);
}

/* A warning that any trial has. */
static bool any_warning(const struct sb_view *v, const char *text)
{
    bool any = false;
    for (size_t t = 0; t < v->data.trials.n; t++)
        any |= sb_words_has(&v->data.trials.at[t].result.warnings, text);
    return any;
}

/* Nothing is known of a library that a plugin loads. */
static void say_code(const struct sb_view *v, struct sb_text *s)
{
    const char *unaligned = sb_data_fact(&v->data, "code_unaligned");
    if (!unaligned)
        return;
    sb_text_printf(s, " Functions of the plugins begin at cache lines%s%s%s.",
                   is(unaligned, "none") ? "" : ", but for ", is(unaligned, "none") ? "" : unaligned,
                   any_memory(v, SB_MEMORY_OS) ? "; those of malloc libraries lie where their linker put them" : "");
}

static void say_layout(const struct sb_view *v, struct sb_text *s)
{
    const char *layout = sb_data_meta(&v->data, "layout");
    bool off = !any_warning(v, sb_layout_not_fixed);
    if (!layout)
        return;
    if (is(layout, "random"))
        sb_text_printf(s, ", each with a stack, an environment and a memory base at offsets drawn from the seed");
    sb_text_printf(s, "%s",
                   !off ? ", with the kernel's own randomisation of addresses on, which could not be switched off "
                          "everywhere"
                   : is(layout, "fixed") ? ", all at the same addresses, with the kernel's own randomisation off"
                                         : ", and without the kernel's own randomisation of addresses");
}

/* How long, how often and in which order: what was run, not what was planned, for with a precision they
 * differ. */
static void say_repetitions(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    const struct sb_data *d = &v->data;
    const char *order = sb_data_meta(d, "order");
    size_t least = SIZE_MAX, most = 0, trials = 0, simulated = 0;
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
    /* A run without a single trial has zero repetitions. */
    least = most ? least : 0;
    sb_text_printf(&s, "Every repetition is a process of its own. Each cell was repeated ");
    if (most == 1)
        sb_text_printf(&s, "once");
    else
        sb_text_printf(&s, least == most ? "%zu times" : "%zu to %zu times", least, most);
    const char *precision = sb_data_meta(d, "precision");
    if (precision && strtod(precision, NULL) > 0)
        sb_text_printf(&s,
                       ", until the interval of its median rate reached no further than %g %% from it or the "
                       "limit was reached (the report says which)",
                       100 * strtod(precision, NULL));
    const char *decide = sb_data_meta(d, "decide"), *baseline = sb_data_meta(d, "baseline");
    if (decide && strtod(decide, NULL) > 0)
        sb_text_printf(&s,
                       ", until it was certain whether it was faster or slower than that of %s or within %g %% "
                       "of it, or this could not be reached any more",
                       baseline ? baseline : "the baseline", 100 * strtod(decide, NULL));
    sb_text_printf(&s, "; %zu process%s in all, in %s order", trials, trials == 1 ? "" : "es",
                   is(order, "sequential") ? "sequential" : "an interleaved, seeded random");
    say_layout(v, &s);
    sb_text_printf(&s, ".");
    say_code(v, &s);
    if (simulated)
        sb_text_printf(&s,
                       " %zu more ran under valgrind (callgrind with its cache model), for the simulated counts alone.",
                       simulated);
    add(out, &s);
}

/* "0ns" is how a config's 0 is stored, of whatever unit. */
static bool is_zero(const char *value)
{
    return value && strtod(value, NULL) == 0;
}

static void say_warm_up(const struct sb_view *v, struct sb_text *s)
{
    char *warmup = sb_find_setting(v, "trial", "warmup"), *limit = sb_find_setting(v, "trial", "warmup_limit"),
         *steady = sb_find_setting(v, "trial", "steady");
    if (is_zero(warmup))
        sb_text_printf(s, ", without a warm-up");
    else if (warmup && is(steady, "off"))
        sb_text_printf(s, ", after a warm-up of %s", warmup);
    else if (warmup && steady && limit)
        sb_text_printf(s,
                       ", after a warm-up of at least %s that went on until the rate was steady (coefficient of "
                       "variation under %s) or %s had passed",
                       warmup, steady, limit);
    free(warmup);
    free(limit);
    free(steady);
}

/* Until the third schema threads did not line up, draw their phases, or have their contents compared in full.
 */
static bool is_current(const struct sb_view *v)
{
    return sb_data_meta(&v->data, "retries") != NULL;
}

static void say_phases(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    char *duration = sb_find_setting(v, "trial", "duration"), *warmup = sb_find_setting(v, "trial", "warmup"),
         *operations = sb_find_setting(v, "trial", "operations"), *rate = sb_find_setting(v, "trial", "rate"),
         *survey = sb_find_setting(v, "trial", "survey");
    int64_t threads = 0;
    for (size_t i = 0; i < v->cells.n; i++)
        threads = v->cells.at[i].ok && v->cells.at[i].row->threads > threads ? v->cells.at[i].row->threads : threads;
    if (!duration)
        goto out;
    if (operations && !is_zero(operations))
        sb_text_printf(&s, "The measured phase was %s operations per thread", operations);
    else
        sb_text_printf(&s, "The measured phase took %s", duration);
    say_warm_up(v, &s);
    sb_text_printf(&s, ".");
    if (rate && !is(rate, "none"))
        sb_text_printf(&s, " Calls were due at a fixed rate (%s per thread), and response times count from then.",
                       rate);
    else if (is(sb_data_meta(&v->data, "mode"), "paired"))
        sb_text_printf(&s,
                       " Each process held the baseline (%s) beside its allocator, with memory and a workload "
                       "of its own, and measured both by turns of 0.2 ms or a cycle in an order drawn from the "
                       "seed, the first cycle after each change dropped; "
                       "its number is the median of the rounds' ratios.",
                       sb_data_meta(&v->data, "baseline") ? sb_data_meta(&v->data, "baseline") : "?");
    else if (threads > 1 && !is_current(v))
        sb_text_printf(&s, " All threads began at a common instant.");
    else if (threads > 1)
        sb_text_printf(&s, " Of several threads the window common to all counts from when the last one had begun%s.",
                       is_zero(warmup) ? "" : "; where in its cycle each entered it was drawn from the seed");
    if (survey && !is_zero(survey) && !is(sb_data_meta(&v->data, "mode"), "paired"))
        sb_text_printf(&s, " Memory and fragmentation are of an untimed survey before that (whole cycles: %s).",
                       survey);
    add(out, &s);
out:
    free(duration);
    free(warmup);
    free(operations);
    free(rate);
    free(survey);
}

/* Which calls were timed one by one, and which part of the clock's cost is in them. */
static void say_latencies(const struct sb_view *v, struct sb_text *s)
{
    char *latency = sb_find_setting(v, "trial", "latency");
    if (latency && !is(latency, "off"))
        sb_text_printf(s,
                       "Latencies are those of %s, with the clock's own cost taken off; "
                       "the overlap of instructions that reading the clock prevents is not subtracted, "
                       "some nanoseconds, so they lie above the times of calls in batches. "
                       "Their percentiles are of the histograms of all processes merged. ",
                       is(latency, "all")       ? "single calls, every one timed"
                       : is(latency, "sampled") ? "single calls, sampled at random"
                                                : "single calls");
    free(latency);
}

/* No repetition is missing without a word. */
static void say_excluded(const struct sb_view *v, struct sb_text *s)
{
    struct sb_words kinds = {0};
    struct sb_disturbance disturbed = sb_find_disturbed(v);
    size_t failed = 0, trials = 0;
    /* Simulated trials are no measurement, and can't be excluded from one. */
    for (size_t t = 0; t < v->data.trials.n; t++) {
        const struct sb_trial_row *trial = &v->data.trials.at[t];
        trials += !trial->simulated;
        if (trial->result.status == SB_STATUS_OK || trial->result.status == SB_STATUS_DISTURBED || trial->simulated)
            continue;
        failed++;
        sb_words_add_once(&kinds, sb_status_name(trial->result.status));
    }
    if (failed) {
        sb_text_printf(s, "%zu of %zu trials failed (", failed, trials);
        list(s, &kinds);
        sb_text_printf(s, ") and are in no number; the report lists them. ");
    }
    if (disturbed.trials) {
        const char *retries = sb_data_meta(&v->data, "retries");
        char *lost_time = sb_find_setting(v, "trial", "lost_time");
        sb_text_printf(s,
                       "%zu of %zu trials were disturbed and are in no number: "
                       "a thread's window was under 90 %% of what was asked for, nothing was done in it, "
                       "or more than %s of its time was nobody's. Each was made again, up to %s times; "
                       "%zu repetition%s no number for it. ",
                       disturbed.trials, trials, lost_time ? lost_time : "5%", retries ? retries : "?", disturbed.lost,
                       disturbed.lost == 1 ? " has" : "s have");
        free(lost_time);
    }
    sb_text_printf(s, failed || disturbed.trials ? "No other trial was excluded."
                                                 : "No trial failed and none was excluded.");
    struct sb_words unfinished = sb_find_unfinished(v);
    for (size_t i = 0; i < unfinished.n; i++)
        sb_text_printf(s, " %s", unfinished.at[i]);
    sb_words_free(&unfinished);
    sb_words_free(&kinds);
}

/* The checks that an allocator had to pass before it got a number. */
static void say_checks(const struct sb_view *v, struct sb_text *s)
{
    char *survey = sb_find_setting(v, "trial", "survey");
    bool unchecked = false;
    /* With several databases each warning begins with the name of its own. */
    for (size_t i = 0; i < v->data.warnings.n; i++)
        unchecked |= strstr(v->data.warnings.at[i], sb_warning_unchecked) != NULL;
    sb_text_printf(s,
                   " After the measured phase%s the blocks that the workload held were searched for "
                   "overlaps, %s, and the allocator's own structures and books were checked; "
                   "after all was freed nothing might be live.",
                   survey && !is_zero(survey) ? ", and twice in the survey," : "",
                   is_current(v) ? "all that it had written into them was compared"
                                 : "what it had written into them was compared in part");
    if (unchecked)
        sb_text_printf(s, " The allocators had not been through the conformance check before.");
    else
        sb_text_printf(s, " Each allocator had passed a conformance check with the options that it was measured with.");
    free(survey);
}

static char *say_ratios(const struct sb_view *v)
{
    double least, percent = 100 * v->confidence;
    if (sb_view_baseline(v, 0, &least))
        return sb_printf("medians over processes of the ratio that each measured by turns, "
                         "with %g %% intervals by order statistics",
                         percent);
    if (sb_view_has_blocks(v, 0))
        return sb_printf("medians of the ratios within blocks, each block holding one process of every cell, "
                         "with %g %% intervals by order statistics of those ratios",
                         percent);
    return sb_printf("ratios of medians with %g %% bootstrap intervals (percentile, 9999 resamples of each side)",
                     percent);
}

static char *say_test(const struct sb_view *v)
{
    const char *anytime = sb_view_decide(v) > 0 ? ", likewise valid at any time" : "";
    double least;
    if (sb_view_baseline(v, 0, &least))
        return sb_printf("the sign test over processes against a difference of %g %%%s", 100 * least, anytime);
    if (*anytime)
        return sb_printf("the signs of the differences within blocks%s", anytime);
    return sb_strdup("the Wilcoxon rank sum test");
}

/* Which rule stands behind each number, and what is in none of them. */
static void say_statistics(const struct sb_view *v, struct sb_words *out)
{
    struct sb_text s = {0};
    char *ratios = say_ratios(v), *test = say_test(v);
    sb_text_printf(
        &s,
        "We report medians over processes with distribution-free %g %% intervals by order "
        "statistics (or the range, where there are too few processes, as the tables say)%s; "
        "ratios are %s, each its own and not corrected for their number; "
        "where a verdict (faster, slower) is quoted it is scullbench compare's, by %s, "
        "corrected by Holm for the number of comparisons. ",
        100 * v->confidence,
        v->anytime ? ", which hold for all moments at which the run looked whether to go on (Robbins' mixture)" : "",
        ratios, test);
    free(ratios);
    free(test);
    say_latencies(v, &s);
    say_excluded(v, &s);
    say_checks(v, &s);
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
    say_phases(v, &out);
    say_statistics(v, &out);
    say_builds(v, &out);
    return out;
}
