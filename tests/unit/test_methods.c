/*
 * The draft of a paper's methods: each sentence says what was done. One setting is changed at a time, in a
 * database made for it, and its sentence is read.
 */
#include "test.h"

#include "analyse/view.h"
#include "base/str.h"
#include "report/methods.h"
#include "store/store.h"
#include "trial/layout.h"

#include <unistd.h>

/* What a case is made of; all else is as a run of defaults has it. */
struct given {
    const char *machine, *trial; /* lines in place of those of the same key */
    const char *meta, *value;    /* likewise */
    const char *memory;          /* of the one cell; NULL: memory file */
    const char *warning;         /* of its trials */
    const char *run_warning;
    int64_t threads;       /* 0: 1 */
    enum sb_status second; /* of the second of two repetitions; 0: ok */
    bool retried;          /* the second was disturbed once, then ok */
    bool old;              /* of the second schema's time */
};

static char *settings_of(const struct given *g)
{
    static const char *const machine[] = {"memory = 64MiB", "pages = 4KiB", "prefault = yes", "node = any",
                                          "placement = compact"};
    static const char *const trial[] = {"duration = 100ms", "operations = 0",       "warmup = 50ms",
                                        "steady = 5%",      "warmup_limit = 500ms", "latency = sampled",
                                        "rate = none",      "survey = 2",           "lost_time = 5%"};
    struct sb_text text = {0};
    sb_text_printf(&text, "[machine]\n");
    for (size_t i = 0; i < SB_COUNT(machine); i++) {
        size_t n = strcspn(machine[i], "=");
        sb_text_printf(&text, "%s\n", g->machine && !strncmp(g->machine, machine[i], n) ? g->machine : machine[i]);
    }
    sb_text_printf(&text, "[trial]\n");
    for (size_t i = 0; i < SB_COUNT(trial); i++) {
        size_t n = strcspn(trial[i], "=");
        sb_text_printf(&text, "%s\n", g->trial && !strncmp(g->trial, trial[i], n) ? g->trial : trial[i]);
    }
    return text.at;
}

static void add_trial(struct sb_store *store, const struct given *g, int64_t number, int64_t repetition, int64_t retry,
                      enum sb_status status)
{
    char started[] = "2026-11-29T12:00:00Z", *why = NULL;
    struct sb_trial_row row = {
        .number = number, .cell = 1, .repetition = repetition, .retry = retry, .started = started};
    row.result.status = status;
    if (g->warning)
        *SB_VEC_ADD(&row.result.warnings) = sb_strdup(g->warning);
    assert_int_equal(sb_store_add_trial(store, &row, &why), 0);
    sb_words_free(&row.result.warnings);
}

/* All sentences of the draft, which are made from a database. */
static char *methods(const struct given *g)
{
    static const char *const meta[][2] = {{"name", "t"},           {"created", "2026-11-29T12:00:00Z"},
                                          {"scullbench", "0.1.0"}, {"confidence", "0.95"},
                                          {"precision", "0"},      {"order", "interleaved"},
                                          {"layout", "random"},    {"retries", "3"}};
    char *path = sb_printf("/tmp/sb-methods-%ld.db", (long)getpid()), *why = NULL;
    struct sb_store *store;
    struct sb_data head = {0};
    struct sb_view view;
    struct sb_text all = {0};
    unlink(path);
    for (size_t i = 0; i < SB_COUNT(meta); i++) {
        if (!g->old || strcmp(meta[i][0], "retries"))
            sb_pairs_add(&head.meta, meta[i][0], g->meta && !strcmp(g->meta, meta[i][0]) ? g->value : meta[i][1]);
    }
    struct sb_cell_row *cell = SB_VEC_ADD(&head.cells);
    *cell = (struct sb_cell_row){.id = 1, .threads = g->threads ? g->threads : 1};
    cell->label = sb_strdup("slub / objects");
    cell->allocator = sb_strdup("slub");
    cell->workload = sb_strdup("objects");
    cell->route = sb_strdup("cache");
    cell->memory = sb_strdup(g->memory ? g->memory : SB_MEMORY_FILE);
    cell->cpus = sb_strdup("L#0 P#0");
    cell->settings = settings_of(g);
    assert_int_equal(sb_store_create(&store, path, &why), 0);
    assert_int_equal(sb_store_begin(store, &head, &why), 0);
    if (g->run_warning)
        assert_int_equal(sb_store_add_warning(store, g->run_warning, &why), 0);
    add_trial(store, g, 1, 1, 0, SB_STATUS_OK);
    add_trial(store, g, 2, 2, 0, g->retried ? SB_STATUS_DISTURBED : g->second ? g->second : SB_STATUS_OK);
    if (g->retried)
        add_trial(store, g, 3, 2, 1, SB_STATUS_OK);
    assert_int_equal(sb_store_set_meta(store, "ended", "complete", &why), 0);
    sb_store_close(store);
    assert_int_equal(sb_view_open(&view, path, &why), 0);
    struct sb_words words = sb_methods(&view);
    for (size_t i = 0; i < words.n; i++)
        sb_text_printf(&all, "%s\n", words.at[i]);
    sb_words_free(&words);
    sb_view_close(&view);
    sb_data_free(&head);
    unlink(path);
    free(path);
    return all.at;
}

static void expect(const struct given *g, const char *says, const char *lacks)
{
    char *text = methods(g);
    if (says && !strstr(text, says))
        fail_msg("the methods don't say '%s' but\n%s", says, text);
    if (lacks && strstr(text, lacks))
        fail_msg("the methods say '%s' in\n%s", lacks, text);
    free(text);
}

static const struct given defaults;

static void memory(void **state)
{
    (void)state;
    expect(&defaults,
           "got it from one memory file of 64MiB, backed by 4KiB pages and touched before anything was "
           "measured.",
           "operating system");
    expect(&(struct given){.machine = "prefault = no"},
           "its pages were first touched by whoever used them, survey and warm-up included.",
           "before anything was measured");
    expect(&(struct given){.machine = "memory = 1GiB"}, "one memory file of 1GiB,", "64MiB");
    expect(&(struct given){.machine = "pages = 2MiB"}, "backed by 2MiB pages", "4KiB pages");
    expect(&(struct given){.machine = "node = numa:1"}, "pages of node numa:1", NULL);
    expect(&(struct given){.machine = "placement = scatter"}, "one to a CPU, placement scatter.", "compact");
    expect(&(struct given){.memory = SB_MEMORY_OS}, "The allocators took memory from the operating system.",
           "memory file of");
}

static void order_and_layout(void **state)
{
    (void)state;
    expect(&defaults,
           "in an interleaved, seeded random order, each with a stack, an environment and a memory base at "
           "offsets drawn from the seed, and without the kernel's own randomisation of addresses.",
           "precision");
    expect(&(struct given){.meta = "order", .value = "sequential"}, "in sequential order", "interleaved");
    expect(&(struct given){.meta = "layout", .value = "fixed"},
           "all at the same addresses, with the kernel's own randomisation off.", "drawn from the seed, and");
    expect(&(struct given){.warning = sb_layout_not_fixed},
           "with the kernel's own randomisation of addresses on, which could not be switched off everywhere.",
           "without the kernel's own");
    expect(&(struct given){.meta = "precision", .value = "0.02"}, "reached no further than 2 % from it", NULL);
    expect(&(struct given){.meta = "confidence", .value = "0.9"}, "distribution-free 90 % intervals", "95 %");
}

static void phases(void **state)
{
    (void)state;
    expect(&defaults,
           "The measured phase took 100ms, after a warm-up of at least 50ms that went on until the rate was "
           "steady (coefficient of variation under 5%) or 500ms had passed.",
           "common");
    expect(&(struct given){.trial = "operations = 5000"}, "The measured phase was 5000 operations per thread", "100ms");
    expect(&(struct given){.trial = "steady = off"}, ", after a warm-up of 50ms.", "variation");
    expect(&(struct given){.trial = "warmup = 0s"}, "took 100ms, without a warm-up.", "after a warm-up");
    expect(&(struct given){.trial = "rate = 1000/s"}, "Calls were due at a fixed rate (1000/s per thread)", NULL);
    expect(&(struct given){.threads = 2},
           "counts from when the last one had begun; where in its cycle "
           "each entered it was drawn from the seed.",
           NULL);
    expect(&(struct given){.threads = 2, .trial = "warmup = 0s"}, "counts from when the last one had begun.",
           "its cycle");
    expect(&(struct given){.threads = 2, .old = true}, "All threads began at a common instant.",
           "the last one had begun");
    expect(&defaults, "an untimed survey before that (whole cycles: 2)", NULL);
    expect(&(struct given){.trial = "survey = 0"}, NULL, "survey");
}

static void latencies(void **state)
{
    (void)state;
    expect(&defaults, "Latencies are those of single calls, sampled at random,", NULL);
    expect(&(struct given){.trial = "latency = all"}, "Latencies are those of single calls, every one timed,",
           "sampled");
    expect(&(struct given){.trial = "latency = off"}, NULL, "Latencies");
}

static void what_is_missing(void **state)
{
    (void)state;
    expect(&defaults, "No trial failed and none was excluded.", "disturbed");
    expect(&(struct given){.second = SB_STATUS_CRASHED},
           "1 of 2 trials failed (crashed) and are in no number; the report "
           "lists them. No other trial was excluded.",
           "No trial failed");
    expect(&(struct given){.retried = true},
           "1 of 3 trials were disturbed and are in no number: a thread's window was "
           "under 90 % of what was asked for, nothing was done in it, or more than 5% of "
           "its time was nobody's. Each was made again, up to 3 times; 0 repetitions have "
           "no number for it. No other trial was excluded.",
           "No trial failed");
    expect(&(struct given){.second = SB_STATUS_DISTURBED}, "1 repetition has no number for it.", "No trial failed");
    expect(&(struct given){.retried = true, .trial = "lost_time = 20%"}, "more than 20% of its time", "5% of its time");
}

static void checks(void **state)
{
    (void)state;
    expect(&defaults,
           "After the measured phase, and twice in the survey, the blocks that the workload held were searched "
           "for overlaps, all that it had written into them was compared,",
           "in part");
    expect(&defaults, "Each allocator had passed a conformance check", NULL);
    expect(&(struct given){.trial = "survey = 0"}, "After the measured phase the blocks", NULL);
    expect(&(struct given){.run_warning = sb_warning_unchecked}, "had not been through the conformance check",
           "Each allocator had passed");
    expect(&(struct given){.old = true}, "compared in part", "all that it had written");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory),    cmocka_unit_test(order_and_layout), cmocka_unit_test(phases),
        cmocka_unit_test(latencies), cmocka_unit_test(what_is_missing),  cmocka_unit_test(checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
