/* Arguments of verbs, and names that come from the command line: what is taken, and what is complained of. */
#define _GNU_SOURCE
#include "cli/cli.h"
#include "plugin/plugin.h"
#include "test.h"

#include <unistd.h>

static const struct sb_verb verb = {
    .name = "weigh",
    .operand = "FILE",
    .second = "[OTHER]",
    .flags = {{"--db", "PATH", ""}, {"--strict", NULL, ""}},
};

/* Standard error while it is turned aside. */
static int aside = -1;
static FILE *said;

static void turn_aside(void)
{
    said = tmpfile();
    assert_non_null(said);
    fflush(stderr);
    aside = dup(STDERR_FILENO);
    dup2(fileno(said), STDERR_FILENO);
}

static void turn_back(char *text, size_t size)
{
    fflush(stderr);
    dup2(aside, STDERR_FILENO);
    close(aside);
    rewind(said);
    size_t n = fread(text, 1, size - 1, said);
    text[n] = '\0';
    fclose(said);
}

/* The whole complaint stands on one line behind the program's name. */
static void assert_refused(const char *complaint, int argc, char **argv)
{
    struct sb_words operands = {0}, values = {0};
    char text[512], *wanted = sb_printf("scullbench: %s\n", complaint);
    turn_aside();
    int status = sb_parse_arguments(&verb, argc, argv, &operands, &values);
    turn_back(text, sizeof(text));
    assert_string_equal(text, wanted);
    assert_int_equal(status, -1);
    sb_words_free(&operands);
    sb_words_free(&values);
    free(wanted);
}
#define REFUSED(complaint, ...) assert_refused(complaint, SB_COUNT(((char *[]){__VA_ARGS__})), (char *[]){__VA_ARGS__})

static void test_operands_and_flags(void **state)
{
    (void)state;
    char *argv[] = {"a.db", "--db=x.db", "--strict", "-", "--db", "y.db"};
    struct sb_words operands = {0}, values = {0};
    assert_int_equal(sb_parse_arguments(&verb, SB_COUNT(argv), argv, &operands, &values), 0);
    assert_int_equal(operands.n, 2);
    assert_string_equal(operands.at[0], "a.db");
    assert_string_equal(operands.at[1], "-"); /* standard input is no flag */
    assert_string_equal(sb_flag_value(&verb, &values, "--db"), "y.db");
    assert_string_equal(sb_flag_value(&verb, &values, "--strict"), "");
    assert_null(sb_flag_value(&verb, &values, "--set"));
    sb_words_free(&operands);
    sb_words_free(&values);
}

static void test_help_wins(void **state)
{
    (void)state;
    char *argv[] = {"one", "two", "three", "--help"};
    struct sb_words operands = {0}, values = {0};
    assert_int_equal(sb_parse_arguments(&verb, SB_COUNT(argv), argv, &operands, &values), 1);
    sb_words_free(&operands);
    sb_words_free(&values);
}

static void test_complaints(void **state)
{
    (void)state;
    REFUSED("weigh needs FILE; see scullbench weigh --help", "--strict");
    REFUSED("weigh doesn't know what to do with 'c'; see scullbench weigh --help", "a", "b", "c");
    REFUSED("weigh has no option '--bd' (did you mean '--db'?)", "a", "--bd", "x");
    REFUSED("--db lacks its PATH", "a", "--db");
    /* A variable that was not set; as a folder it would be the root. */
    REFUSED("--db lacks its PATH", "a", "--db=");
    REFUSED("--db lacks its PATH", "a", "--db", "");
    REFUSED("--strict takes no value", "a", "--strict=yes");
    /* An abbreviation may be ambiguous tomorrow. */
    REFUSED("weigh has no option '--str' (did you mean '--strict'?)", "a", "--str");
}

/* Every row of the table can be run, and its flags fit in what a verb may have. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sb_verbs_count; i++) {
        const struct sb_verb *v = &sb_verbs[i];
        assert_non_null(v->run);
        assert_non_null(v->summary);
        assert_null(v->flags[SB_MAX_FLAGS].name);
        for (const struct sb_flag *f = v->flags; f->name; f++) {
            assert_int_equal(f->name[0], '-');
            assert_non_null(f->help);
            for (const struct sb_flag *other = v->flags; other < f; other++)
                assert_string_not_equal(other->name, f->name);
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sb_verbs[j].name, v->name);
    }
}

static void assert_option(bool good, const char *complaint, const char *text)
{
    static struct sb_option options[] = {{"order", SB_OPTION_INT, 0, "0", 0, 10, NULL, "of a block"},
                                         {"lazy", SB_OPTION_BOOL, 0, "no", 0, 1, NULL, "or not"}};
    const struct sb_plugin plugin = {.name = "pile", .options = options, .option_count = SB_COUNT(options)};
    union sb_value values[SB_COUNT(options)] = {0};
    char said_text[512], *wanted = good ? sb_strdup("") : sb_printf("scullbench: %s\n", complaint);
    turn_aside();
    bool taken = sb_take_option(&plugin, "--option", text, values);
    turn_back(said_text, sizeof(said_text));
    assert_string_equal(said_text, wanted);
    assert_int_equal(taken, good);
    if (good)
        assert_int_equal(values[0].u, 7);
    free(wanted);
}

static void test_plugin_options(void **state)
{
    (void)state;
    assert_option(true, NULL, "order=7");
    assert_option(false, "--option order: expected NAME=VALUE", "order");
    assert_option(false, "--option odrer=7: pile has no option 'odrer' (did you mean 'order'?)", "odrer=7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operands_and_flags), cmocka_unit_test(test_help_wins),
        cmocka_unit_test(test_complaints),         cmocka_unit_test(test_rows),
        cmocka_unit_test(test_plugin_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
