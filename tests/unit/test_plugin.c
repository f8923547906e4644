/* Which files are taken for plugins, and what is said of the others. */
#include "test.h"

#include "plugin/plugin.h"

static char *refusal(const char *file)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.so", BAD_PLUGIN_DIR, file);
    struct sb_plugin *p = sb_plugin_load(path);
    char *text = sb_strdup(p->refused ? p->refused : "taken");
    sb_plugin_free(p);
    return text;
}

static void expect_refusal(const char *file, const char *words)
{
    char *text = refusal(file);
    if (!strstr(text, words))
        fail_msg("%s: %s", file, text);
    free(text);
}

static void refusals_say_what_to_do(void **state)
{
    (void)state;
    char words[128];
    snprintf(words, sizeof(words), "built for plugin ABI 0.%d, this scullbench has %d.%d; rebuild it", SB_ABI_MINOR,
             SB_ABI_MAJOR, SB_ABI_MINOR);
    expect_refusal("old-major", words);
    snprintf(words, sizeof(words),
             "built for plugin ABI %d.%d, this scullbench has %d.%d: use a newer scullbench, or rebuild it",
             SB_ABI_MAJOR, SB_ABI_MINOR + 1, SB_ABI_MAJOR, SB_ABI_MINOR);
    expect_refusal("newer", words);
    expect_refusal("nothing", "offers no interface (sized, cache, pages or percpu)");
    expect_refusal("no-plugin", "exports neither scullbench_allocator nor scullbench_workload");
    expect_refusal("not-there", "No such file or directory");
    expect_refusal("nameless", "it has no name");
    expect_refusal("badoption", "the default of its option 'maybe' is wrong: 'perhaps' is not a valid value");
    expect_refusal("half", "its function sized.free is missing, which is required (scullbench/allocator.h)");
    expect_refusal("alias-nowhere", "its alias 'other' stands for 'sise', which is no option of it");
    expect_refusal("alias-hides", "its alias 'size' is an option itself");
    expect_refusal("segv", "taken");
}

/* Built against frozen/1.0: what they don't have reads as nothing, what they have is where it was. */
static void the_oldest_minor_is_served(void **state)
{
    (void)state;
    struct sb_plugin *a = sb_plugin_load(FROZEN_DIR "/frozen-allocator.so");
    struct sb_plugin *w = sb_plugin_load(FROZEN_DIR "/frozen-workload.so");
    assert_null(a->refused);
    assert_null(w->refused);
    assert_int_equal(a->abi_minor, 0);
    assert_int_equal(w->abi_minor, 0);
    assert_string_equal(a->name, "frozen-malloc");
    assert_null(a->allocator.shrink);
    /* Those two were compiled without alignment, as somebody's may be. */
    assert_false(a->aligned);
    assert_false(w->aligned);
    assert_true(a->allocator.claims == 0);
    assert_non_null(a->allocator.sized->alloc);
    assert_string_equal(w->workload.counters[0], "rounds");
    assert_int_equal(w->option_count, 1);
    assert_string_equal(w->options[0].fallback, "100B");
    assert_null(w->workload.aliases);
    sb_plugin_free(a);
    sb_plugin_free(w);
}

static void names_are_found_once(void **state)
{
    struct sb_plugins plugins;
    (void)state;
    char *twice = sb_printf("%s:%s", PLUGIN_DIR, PLUGIN_DIR);
    unsetenv("SCULLBENCH_PLUGIN_PATH");
    sb_plugins_load(&plugins, twice);
    assert_non_null(sb_plugin_find(&plugins, SB_PLUGIN_ALLOCATOR, "slub"));
    assert_null(sb_plugin_find(&plugins, SB_PLUGIN_WORKLOAD, "slub"));
    assert_non_null(sb_plugin_find(&plugins, SB_PLUGIN_WORKLOAD, "scullv"));
    size_t usable = 0;
    for (size_t i = 0; i < plugins.n; i++)
        usable += !plugins.at[i]->refused;
    assert_int_equal(usable * 2, plugins.n);
    sb_plugins_free(&plugins);
    free(twice);
}

/* Every option of every plugin has a default that its own rules accept, and a help text. */
static void plugins_describe_themselves(void **state)
{
    struct sb_plugins plugins;
    (void)state;
    sb_plugins_load(&plugins, PLUGIN_DIR);
    for (size_t i = 0; i < plugins.n; i++) {
        const struct sb_plugin *p = plugins.at[i];
        if (p->refused)
            fail_msg("%s: %s", p->path, p->refused);
        assert_true(p->aligned);
        assert_true(strlen(p->build_id) == 40);
        assert_true(strlen(p->summary) > 10);
        for (uint32_t o = 0; o < p->option_count; o++)
            assert_true(strlen(p->options[o].help) > 5);
    }
    sb_plugins_free(&plugins);
}

/* One source, linked at two places: within its cache lines it lies the same. */
static void where_it_is_linked_it_begins_at_lines(void **state)
{
    struct sb_plugin *here = sb_plugin_load(STUDY_DIR "/allocator-burn.so"),
                     *elsewhere = sb_plugin_load(STUDY_DIR "/allocator-burn-elsewhere.so");
    (void)state;
    assert_null(here->refused);
    assert_null(elsewhere->refused);
    uintptr_t a = (uintptr_t)here->allocator.sized->alloc, b = (uintptr_t)elsewhere->allocator.sized->alloc;
    assert_int_not_equal(a % 4096, b % 4096);
    assert_int_equal(a % 64, b % 64);
    assert_true(here->aligned && elsewhere->aligned);
    sb_plugin_free(here);
    sb_plugin_free(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is_linked_it_begins_at_lines),
        cmocka_unit_test(refusals_say_what_to_do),
        cmocka_unit_test(the_oldest_minor_is_served),
        cmocka_unit_test(names_are_found_once),
        cmocka_unit_test(plugins_describe_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
