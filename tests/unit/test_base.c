/* Ground floor: units, names, strings, clock, JSON, files. */
#include "test.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/gfp.h"
#include "base/json.h"
#include "base/str.h"
#include "base/units.h"

#include <errno.h>
#include <unistd.h>

static const struct sb_option size_option = {"s", SB_OPTION_SIZE, 0, "1KiB", 8, 1 << 20, NULL, ""};
static const struct sb_option time_option = {"t", SB_OPTION_TIME, 0, "1s", 0, 0, NULL, ""};
static const struct sb_option int_option = {"i", SB_OPTION_INT, 0, "1", 0, UINT64_MAX, NULL, ""};
static const char *const choices[] = {"interleaved", "sequential", NULL};
static const struct sb_option enum_option = {"e", SB_OPTION_ENUM, 0, "sequential", 0, 0, choices, ""};

static void expect_parsed(const struct sb_option *option, const char *text, uint64_t expected)
{
    union sb_value value;
    char *why = NULL;
    assert_int_equal(sb_option_parse(option, text, &value, &why), 0);
    assert_int_equal(value.u, expected);
}

static void expect_error(const struct sb_option *option, const char *text, const char *expected)
{
    union sb_value value;
    char *why = NULL;
    assert_true(sb_option_parse(option, text, &value, &why) < 0);
    assert_string_equal(why, expected);
    free(why);
}

static void values_of_the_host_alone(void **state)
{
    static const struct sb_option share = {"precision", SB_KIND_SHARE, 0, "off", 0, 50000, NULL, ""};
    static const struct sb_option confidence = {"confidence", SB_KIND_SHARE, 0, "95%", 80000, 99900, NULL, ""};
    static const struct sb_option rate = {"rate", SB_KIND_RATE, 0, "none", 1, 1000000, NULL, ""};
    static const struct sb_option counts = {"repetitions", SB_KIND_COUNTS, 0, "10", 1, 1000, NULL, ""};
    (void)state;
    expect_parsed(&share, "1%", 1000);
    expect_parsed(&share, "0.5%", 500);
    expect_parsed(&share, "12.345%", 12345);
    expect_parsed(&share, "12.34500%", 12345);
    expect_error(&share, "12.3456%", "'12.3456%' has more than three decimals, which are kept");
    expect_parsed(&share, "off", 0);
    assert_true(sb_share((union sb_value){.u = 1000}) == 0.01);
    expect_error(&share, "1", "'1' lacks its unit (%)");
    expect_error(&share, "1 per cent", "'1 per cent' has an unknown unit 'per cent' (valid: %)");
    expect_error(&share, "51%", "'51%' is out of range; expected a percentage from 0% to 50%, or off");
    expect_error(&share, "x%", "'x%' is not a percentage");
    expect_parsed(&confidence, "99.9%", 99900);
    expect_error(&confidence, "off", "'off' is not a percentage");
    expect_error(&confidence, "50%", "'50%' is out of range; expected a percentage from 80% to 99.9%");
    expect_parsed(&rate, "2000/s", 2000);
    expect_parsed(&rate, "none", 0);
    expect_error(&rate, "2000", "'2000' lacks its unit (/s)");
    expect_error(&rate, "0/s", "'0/s' is out of range; expected a rate from 1/s to 1000000/s, or none");
    expect_parsed(&counts, "7", UINT64_C(7) << 32 | 7);
    expect_parsed(&counts, "5..50", UINT64_C(50) << 32 | 5);
    assert_int_equal(sb_counts_most((union sb_value){.u = UINT64_C(50) << 32 | 5}), 50);
    expect_error(&counts, "50..5", "'50..5' ends before it begins");
    expect_error(&counts, "5..", "'5..' is neither a whole number nor a range such as 5..50");
    expect_error(&counts, "5-50", "'5-50' is neither a whole number nor a range such as 5..50");
    expect_error(&counts, "5..2000",
                 "'5..2000' is out of range; expected a number or range such as 5..50, from 1 to 1000");
}

static void values_with_units(void **state)
{
    (void)state;
    expect_parsed(&size_option, "4000B", 4000);
    expect_parsed(&size_option, "1MiB", 1 << 20);
    expect_parsed(&size_option, "4 KiB", 4096);
    expect_parsed(&time_option, "2min", UINT64_C(120000000000));
    expect_parsed(&time_option, "300us", 300000);
    expect_parsed(&int_option, "18446744073709551615", UINT64_MAX);
    expect_parsed(&enum_option, "sequential", 1);
}

static void values_that_are_wrong(void **state)
{
    (void)state;
    expect_error(&size_option, "4000", "'4000' lacks its unit (B, KiB, MiB or GiB)");
    expect_error(&size_option, "4KB", "'4KB' has an unknown unit 'KB' (valid: B, KiB, MiB or GiB)");
    expect_error(&size_option, "2MiB", "'2MiB' is out of range; expected a size from 8B to 1MiB");
    expect_error(&size_option, "-1B", "'-1B' is not a size");
    expect_error(&time_option, "1.5s", "'1.5s' has an unknown unit '.5s' (valid: ns, us, ms, s or min)");
    expect_error(&int_option, "18446744073709551616",
                 "'18446744073709551616' is out of range; expected a whole number from 0 to 18446744073709551615");
    expect_error(&int_option, "0x10", "'0x10' is not a whole number");
    expect_error(&int_option, "", "'' is not a whole number");
    expect_error(&enum_option, "interleavd", "'interleavd' is not a valid value (did you mean 'interleaved'?)");
    expect_error(&size_option, "99999999999999999999GiB",
                 "'99999999999999999999GiB' is out of range; expected a size from 8B to 1MiB");
}

static void formats_are_exact(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0B"}, {1, "1B"}, {4000, "4000B"}, {4096, "4KiB"}, {UINT64_C(3) << 30, "3GiB"}};
    for (size_t i = 0; i < SB_COUNT(sizes); i++) {
        char *text = sb_format_size(sizes[i].bytes);
        assert_string_equal(text, sizes[i].text);
        free(text);
    }
    char *text = sb_format_time(1500000);
    assert_string_equal(text, "1500us");
    free(text);
}

static void nearest_names(void **state)
{
    static const char *const names[] = {"slub", "slab", "kmalloc", "vmalloc"};
    (void)state;
    assert_string_equal(sb_nearest("slbu", names, 4), "slub");
    assert_string_equal(sb_nearest("vmaloc", names, 4), "vmalloc");
    assert_null(sb_nearest("jemalloc-5", names, 2));
    assert_null(sb_nearest("x", names, 4));
}

static void globs(void **state)
{
    (void)state;
    assert_true(sb_glob("*", ""));
    assert_true(sb_glob("slub*", "slub-shared"));
    assert_true(sb_glob("*shared", "slub-shared"));
    assert_true(sb_glob("s*b*d", "slub-shared"));
    assert_false(sb_glob("slub", "slub-shared"));
    assert_false(sb_glob("*x*", "slub"));
}

static void diagnostics_in_line_order(void **state)
{
    static const char *const overrides[] = {"a.b=c"};
    struct sb_diag diag = {.file = "f.ini", .overrides = overrides};
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    (void)state;
    sb_diag_at(&diag, 9, "later");
    sb_diag_at(&diag, 2, "early \x1b[31m");
    sb_diag_at(&diag, 0, "whole");
    sb_diag_at(&diag, -1, "argument");
    assert_int_equal(sb_diag_flush(&diag, out), 4);
    fclose(out);
    assert_string_equal(text, "--set a.b=c: argument\nf.ini: whole\nf.ini:2: early \\x1b[31m\nf.ini:9: later\n");
    free(text);
}

static void clock_runs_forward(void **state)
{
    const struct sb_clock *clock = sb_clock_init(0);
    (void)state;
    assert_true(clock->ns_per_tick > 0);
    assert_true(clock->cost_ns >= 0);
    uint64_t last = clock->now();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = clock->now();
        assert_true(now >= last);
        last = now;
    }
}

static void json_keeps_any_bytes_readable(void **state)
{
    struct sb_json *o = sb_json_object();
    (void)state;
    sb_json_set_text(o, "good", "a \"quoted\" \xc3\xa9\n");
    sb_json_set_text(o, "bad", "x\xff\xc3(\xed\xa0\x80y");
    sb_json_set_real(o, "nan", 0.0 / 0.0);
    sb_json_set_int(o, "k\xff", 1);
    char *text = sb_json_print(o, false);
    struct sb_json *back = sb_json_parse(text, strlen(text));
    assert_non_null(back);
    assert_string_equal(sb_json_text(back, "good"), "a \"quoted\" \xc3\xa9\n");
    assert_string_equal(sb_json_text(back, "bad"), "x\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy");
    assert_false(sb_json_has(back, "nan"));
    assert_int_equal(sb_json_int(back, "k\xef\xbf\xbd", 0), 1);
    assert_null(sb_json_parse("{\"a\":1} junk", 12));
    free(text);
    sb_json_free(o);
    sb_json_free(back);
}

static void files_are_written_whole(void **state)
{
    char folder[] = "/tmp/sb-test-XXXXXX";
    char *text;
    size_t n;
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *deep = sb_printf("%s/a/b/c", folder), *path = sb_printf("%s/x", deep);
    assert_int_equal(sb_make_dirs(deep), 0);
    assert_int_equal(sb_make_dirs(deep), 0);
    assert_int_equal(sb_write_file(path, "hello\n", 6), 0);
    assert_int_equal(sb_read_file(path, &text, &n), 0);
    assert_int_equal(n, 6);
    assert_string_equal(text, "hello\n");
    free(text);
    assert_true(sb_read_file(deep, &text, &n) < 0);
    assert_true(sb_make_dirs(path) < 0);
    char *remove = sb_printf("rm -r '%s'", folder);
    assert_int_equal(system(remove), 0);
    free(remove);
    free(path);
    free(deep);
}

static void words_are_kept_once(void **state)
{
    struct sb_words words = {0};
    (void)state;
    assert_true(sb_words_add_once(&words, "slab"));
    assert_true(sb_words_add_once(&words, "slub"));
    assert_false(sb_words_add_once(&words, "slab"));
    assert_int_equal(words.n, 2);
    assert_true(sb_words_has(&words, "slub"));
    assert_false(sb_words_has(&words, "slob"));
    sb_words_free(&words);
}

static void text_for_tables(void **state)
{
    struct sb_text text = {0};
    (void)state;
    assert_int_equal(sb_utf8_cut("abc", 5), 3);
    assert_int_equal(sb_utf8_cut("abc", 2), 2);
    assert_int_equal(sb_utf8_cut("a\xc3\xa9z", 2), 1); /* not within the second letter */
    assert_int_equal(sb_utf8_cut("a\xc3\xa9z", 3), 3);
    assert_int_equal(sb_utf8_cut("", 4), 0);
    sb_text_add_csv(&text, "plain");
    sb_text_add_csv(&text, "a,\"b\"\n");
    assert_string_equal(sb_text_get(&text), "plain\"a,\"\"b\"\"\n\"");
    sb_text_free(&text);
}

static void gfp_masks_are_read(void **state)
{
    static const struct {
        const char *text;
        sb_gfp_t gfp;
    } good[] = {{"GFP_KERNEL", SB_GFP_KERNEL},
                {"GFP_KERNEL|__GFP_ZERO", SB_GFP_KERNEL | SB_GFP_ZERO},
                {" __GFP_DMA | GFP_ATOMIC ", SB_GFP_DMA | SB_GFP_HIGH},
                {"__GFP_WAIT|__GFP_IO|__GFP_FS", SB_GFP_KERNEL},
                {"GFP_NOWAIT", 0}};
    static const char *const wrong[][2] = {
        {"kernel", "'kernel' is no gfp flag (did you mean 'GFP_KERNEL'?)"},
        {"GFP_KERNEL|ZERO", "'ZERO' is no gfp flag (did you mean '__GFP_ZERO'?)"},
        {"GFP_KERNEL|__GFP_ZREO", "'__GFP_ZREO' is no gfp flag (did you mean '__GFP_ZERO'?)"},
        {"GFP_KERNEL|", "'GFP_KERNEL|' lacks a gfp flag beside a '|'"},
        {"", "'' lacks a gfp flag beside a '|'"},
    };
    (void)state;
    for (size_t i = 0; i < SB_COUNT(good); i++) {
        sb_gfp_t gfp = ~0U;
        char *why = NULL;
        assert_int_equal(sb_gfp_read(good[i].text, &gfp, &why), 0);
        assert_null(why);
        assert_int_equal(gfp, good[i].gfp);
    }
    for (size_t i = 0; i < SB_COUNT(wrong); i++) {
        sb_gfp_t gfp;
        char *why = NULL;
        assert_int_equal(sb_gfp_read(wrong[i][0], &gfp, &why), -EINVAL);
        assert_string_equal(why, wrong[i][1]);
        free(why);
    }
    /* Each name once. */
    for (size_t i = 0; i < sb_gfp_row_count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sb_gfp_rows[i].name, sb_gfp_rows[j].name);
    }
}

static void last_words_are_one_line(void **state)
{
    static const char *const rows[][2] = {
        {NULL, ""}, {"", ""}, {" \n\n", ""}, {"one", "one"}, {"first\nlast \r\n\n", "last"}, {"first\n\nlast", "last"}};
    char longer[301];
    (void)state;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char *line = sb_last_line(rows[i][0]);
        assert_string_equal(line, rows[i][1]);
        free(line);
    }
    memset(longer, 'x', sizeof(longer) - 1);
    longer[300] = '\0';
    char *line = sb_last_line(longer);
    assert_int_equal(strlen(line), 200);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_words_are_one_line),
        cmocka_unit_test(words_are_kept_once),
        cmocka_unit_test(values_with_units),
        cmocka_unit_test(values_of_the_host_alone),
        cmocka_unit_test(values_that_are_wrong),
        cmocka_unit_test(formats_are_exact),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(globs),
        cmocka_unit_test(diagnostics_in_line_order),
        cmocka_unit_test(clock_runs_forward),
        cmocka_unit_test(json_keeps_any_bytes_readable),
        cmocka_unit_test(files_are_written_whole),
        cmocka_unit_test(text_for_tables),
        cmocka_unit_test(gfp_masks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
