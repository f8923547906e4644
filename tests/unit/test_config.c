/* The line reader in front of inih: everything that inih alone would get wrong without a word. */
#include "test.h"

#include "base/str.h"
#include "config/ini.h"

static char *errors_of(const char *text, struct sb_ini *ini)
{
    struct sb_diag diag = {.file = "t.ini"};
    char *out = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&out, &n);
    *ini = sb_ini_parse(text, strlen(text), &diag);
    sb_diag_flush(&diag, stream);
    fclose(stream);
    return out;
}

static void expect_errors(const char *text, const char *expected)
{
    struct sb_ini ini;
    char *errors = errors_of(text, &ini);
    assert_string_equal(errors, expected);
    free(errors);
    sb_ini_free(&ini);
}

static const char *value_of(struct sb_ini *ini, const char *kind, const char *name, const char *key)
{
    const struct sb_ini_section *section = sb_ini_section(ini, kind, name);
    assert_non_null(section);
    struct sb_ini_entry *entry = sb_ini_entry(section, key);
    assert_non_null(entry);
    return entry->value;
}

/* --set: another value, with the line of the override. */
static void an_override_takes_the_values_place(void **state)
{
    static const char text[] = "[experiment]\nseed = 1\n";
    struct sb_diag diag = {0};
    struct sb_ini ini = sb_ini_parse(text, strlen(text), &diag);
    struct sb_ini_section *section = sb_ini_section_of(&ini, "experiment", "");
    (void)state;
    assert_string_equal(sb_ini_entry(section, "seed")->value, "1");
    sb_ini_set(section, "seed", "23", -1);
    sb_ini_set(section, "order", "sequential", -2);
    assert_int_equal(section->n, 2);
    assert_string_equal(sb_ini_entry(section, "seed")->value, "23");
    assert_int_equal(sb_ini_entry(section, "seed")->line, -1);
    assert_string_equal(sb_ini_entry(section, "order")->value, "sequential");
    sb_ini_free(&ini);
    sb_diag_free(&diag);
}

static void plain_file(void **state)
{
    struct sb_ini ini;
    (void)state;
    char *errors = errors_of("\xef\xbb\xbf; comment\n[a]\nx = 1 ; one\n   y=two words   \n\t# more\n[b long name]\n"
                             "z = a;b\nu = http://x\r\n",
                             &ini);
    assert_string_equal(errors, "");
    assert_string_equal(value_of(&ini, "a", "", "x"), "1");
    assert_string_equal(value_of(&ini, "a", "", "y"), "two words");
    assert_string_equal(value_of(&ini, "b", "long name", "z"), "a;b");
    assert_string_equal(value_of(&ini, "b", "long name", "u"), "http://x");
    assert_int_equal(sb_ini_entry(sb_ini_section(&ini, "b", "long name"), "u")->line, 8);
    free(errors);
    sb_ini_free(&ini);
}

static void an_indented_key_is_a_key(void **state)
{
    struct sb_ini ini;
    (void)state;
    char *errors = errors_of("[a]\nx = 1\n    y = 2\n", &ini);
    assert_string_equal(errors, "");
    assert_string_equal(value_of(&ini, "a", "", "x"), "1");
    assert_string_equal(value_of(&ini, "a", "", "y"), "2");
    free(errors);
    sb_ini_free(&ini);
}

/* inih's buffer is 200 bytes; lines of every length around its pieces must come through unchanged. */
static void long_lines_stay_one_value(void **state)
{
    (void)state;
    for (size_t length = 1; length < 1500; length += 7) {
        struct sb_ini ini;
        struct sb_text text = {0}, value = {0};
        for (size_t i = 0; i < length; i++) {
            bool inner = i && i + 1 < length;
            sb_text_printf(&value, "%c",
                           inner && i % 11 == 3   ? ' '
                           : inner && i % 13 == 5 ? ','
                                                  : 'a' + (char)(i % 26));
        }
        sb_text_printf(&text, "[%0*d x]\nkey = %s\nlast = 1\n", 120, 7, value.at);
        char *errors = errors_of(text.at, &ini);
        assert_string_equal(errors, "");
        assert_int_equal(ini.n, 1);
        assert_int_equal(ini.at[0].n, 2);
        assert_string_equal(ini.at[0].at[0].value, value.at);
        assert_int_equal(ini.at[0].at[1].line, 3);
        free(errors);
        sb_text_free(&text);
        sb_text_free(&value);
        sb_ini_free(&ini);
    }
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    expect_errors("[a\nx = 1\n", "t.ini:1: the section header '[a' lacks its ']'\n");
    expect_errors("[a] junk\n", "t.ini:1: unexpected 'junk' after the section header; put comments behind ' ;'\n");
    expect_errors("[a] ; fine\n", "");
    expect_errors("[]\n", "t.ini:1: the section header is empty; expected a name such as [experiment]\n");
    expect_errors("[a]\n[b]\n[a]\n", "t.ini:3: the section [a] stands twice; first on line 1\n");
    expect_errors("[a]\nx = 1\nx = 2\n", "t.ini:3: the key 'x' stands twice in its section; first on line 2\n");
    expect_errors("[a]\nx\n", "t.ini:2: 'x' is neither a [section], a comment nor 'key = value'\n");
    expect_errors("[a]\nx =\n", "t.ini:2: the key has no value\n");
    expect_errors("[a]\nx = ; nothing\n", "t.ini:2: the key has no value\n");
    expect_errors("x = 1\n", "t.ini:1: a key stands before the first [section]\n");
    expect_errors("[a]\na b = 1\n",
                  "t.ini:2: 'a b' is not a key; keys are 1 to 60 letters, digits, '_', '-' and '.'\n");
    expect_errors("[a]\nx:y = 1\n",
                  "t.ini:2: 'x:y' is not a key; keys are 1 to 60 letters, digits, '_', '-' and '.'\n");
}

static void several_errors_in_one_pass(void **state)
{
    (void)state;
    expect_errors("[a]\nx\n[b] c\n= 3\n",
                  "t.ini:2: 'x' is neither a [section], a comment nor 'key = value'\n"
                  "t.ini:3: unexpected 'c' after the section header; put comments behind ' ;'\n"
                  "t.ini:4: '' is not a key; keys are 1 to 60 letters, digits, '_', '-' and '.'\n");
}

static void too_long_and_binary(void **state)
{
    struct sb_ini ini;
    struct sb_text text = {0};
    struct sb_diag diag = {.file = "t.ini"};
    (void)state;
    sb_text_printf(&text, "[a]\nx = %04000d\n", 1);
    char *errors = errors_of(text.at, &ini);
    assert_string_equal(errors, "t.ini:2: the line has 4004 bytes; at most 4000 are read\n");
    free(errors);
    sb_text_free(&text);
    sb_ini_free(&ini);
    ini = sb_ini_parse("[a]\nx\0y = 1\n", 12, &diag);
    assert_int_equal(diag.n, 1);
    assert_string_equal(diag.at[0].text, "the line holds a NUL byte; a config is text");
    sb_diag_flush(&diag, stderr);
    sb_ini_free(&ini);
}

static void environment(void **state)
{
    struct sb_ini ini;
    (void)state;
    setenv("SB_TEST", "/some/where", 1);
    unsetenv("SB_MISSING");
    char *errors = errors_of("[a]\nx = file:${SB_TEST}/f\ny = ${SB_MISSING}\nz = $SB_TEST {}\n", &ini);
    assert_string_equal(errors, "t.ini:3: the environment has no variable 'SB_MISSING'\n");
    assert_string_equal(value_of(&ini, "a", "", "x"), "file:/some/where/f");
    assert_string_equal(value_of(&ini, "a", "", "z"), "$SB_TEST {}");
    free(errors);
    sb_ini_free(&ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_override_takes_the_values_place),
        cmocka_unit_test(plain_file),
        cmocka_unit_test(an_indented_key_is_a_key),
        cmocka_unit_test(long_lines_stay_one_value),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(several_errors_in_one_pass),
        cmocka_unit_test(too_long_and_binary),
        cmocka_unit_test(environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
