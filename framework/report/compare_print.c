/* Comparisons as a table for a reader, and as JSON for programs. */
#include "report/compare_print.h"

#include "base/diag.h"
#include "base/json.h"
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Faster and slower are words of time; a footprint is better or worse; a count of calls neither. */
static const char *word(const struct sb_compare *c, enum sb_verdict verdict)
{
    if (verdict == SB_VERDICT_NOT_SEPARATED || verdict == SB_VERDICT_NONE || verdict == SB_VERDICT_NOT_RESOLVED ||
        verdict == SB_VERDICT_WITHIN)
        return sb_verdict_name(verdict);
    if (!c->has_direction)
        return verdict == SB_VERDICT_SLOWER ? "higher" : "lower";
    if (c->is_speed)
        return sb_verdict_name(verdict);
    return verdict == SB_VERDICT_FASTER ? "better" : "worse";
}

static bool within_floor(const struct sb_compare *c, const struct sb_comparison *row)
{
    return fabs(row->ratio.value - 1) <= sb_compare_floor_of(c, row) &&
           (row->verdict == SB_VERDICT_FASTER || row->verdict == SB_VERDICT_SLOWER);
}

/* Whose step it is that hides the difference: the clock's, as a rule. */
static char *verdict_words(const struct sb_compare *c, const struct sb_comparison *row)
{
    if (row->verdict == SB_VERDICT_WITHIN)
        return sb_printf("within ±%g %%", 100 * sb_view_decide(&c->views[0]));
    if (row->resolved)
        return sb_strdup(word(c, row->verdict));
    char *step = sb_format_si(fmax(row->x.step, row->y.step));
    char *text =
        sb_printf("not resolved%s (known to ±%s %s)", strcmp(c->unit, "ns") ? "" : " by the clock", step, c->unit);
    free(step);
    return text;
}

static char *ratio_text(const struct sb_comparison *row)
{
    struct sb_reading x = sb_reading_of(&row->x), y = sb_reading_of(&row->y);
    if (!row->resolved)
        return sb_strdup("-");
    if (sb_reading_is_below(y))
        return sb_printf("over %.3g", sb_reading_low(x) / sb_reading_high(y));
    if (sb_reading_is_below(x))
        return sb_printf("under %.3g", sb_reading_high(x) / sb_reading_low(y));
    if (isnan(row->ratio.value))
        return sb_strdup("none (a zero)");
    return isnan(row->ratio.low) ? sb_printf("%.3f", row->ratio.value)
                                 : sb_printf("%.3f [%.3f, %.3f]", row->ratio.value, row->ratio.low, row->ratio.high);
}

static void add_owned(struct sb_table *t, char *text)
{
    sb_table_add_text(t, text);
    free(text);
}

/* Both medians stand beside the ratio: a large one of two small numbers is seen to be that. */
static void add_row(struct sb_table *t, const struct sb_compare *c, const struct sb_comparison *row)
{
    sb_table_add_text(t, row->allocator);
    sb_table_add_text(t, row->baseline);
    if (!row->x.n || !row->y.n) {
        char *missing = sb_printf("not compared: %s", row->missing);
        sb_table_add_text(t, missing)->rest = true;
        free(missing);
        goto out;
    }
    add_owned(t, sb_format_reading(sb_reading_of(&row->x)));
    sb_table_add_count(t, (int64_t)row->x.n);
    add_owned(t, sb_format_reading(sb_reading_of(&row->y)));
    sb_table_add_count(t, (int64_t)row->y.n);
    add_owned(t, ratio_text(row));
    /* Further digits would be of a precision that the ranks of ten processes don't have. */
    add_owned(t, isnan(row->adjusted)     ? sb_strdup("-")
                 : row->adjusted < 0.0001 ? sb_strdup("<0.0001")
                                          : sb_printf("%.4f", row->adjusted));
    char *verdict = row->missing ? sb_strdup(row->missing) : verdict_words(c, row);
    add_owned(t, sb_printf("%s%s%s%s", verdict,
                           within_floor(c, row) ? ", but within what A/A runs of this workload show" : "",
                           row->lacking ? "; " : "", row->lacking ? row->lacking : ""));
    free(verdict);
out:
    sb_table_end_row(t);
}

/* All rows of one title. */
static void print_table(const struct sb_compare *c, const char *title, FILE *out)
{
    static const struct {
        const char *head;
        enum sb_column_kind kind;
        int gap, width;
    } columns[] = {{"allocator", SB_WORDS, 2, 20}, {"compared with", SB_WORDS, 1, 16},
                   {"median", SB_VALUES, 1, 9},    {"n", SB_COUNTS, 1, 3},
                   {"baseline", SB_VALUES, 1, 9},  {"n", SB_COUNTS, 1, 3},
                   {"ratio", SB_WORDS, 2, 22},     {"p", SB_VALUES, 1, 8},
                   {"verdict", SB_WORDS, 2, 0}};
    struct sb_table t = {.title = sb_strdup(title), .scale = 1};
    struct sb_text text = {0};
    for (size_t i = 0; i < SB_COUNT(columns); i++) {
        struct sb_column *column = sb_table_add_column(&t, columns[i].head, columns[i].kind);
        column->gap = columns[i].gap;
        column->width = columns[i].width;
    }
    for (size_t j = 0; j < c->rows.n; j++) {
        if (!strcmp(c->rows.at[j].title, title))
            add_row(&t, c, &c->rows.at[j]);
    }
    sb_table_terminal(&t, &text);
    fputs(sb_text_get(&text), out);
    sb_text_free(&text);
    sb_table_free(&t);
}

/* Whether a row before this one had the title: then it has been printed with that. */
static bool was_printed(const struct sb_compare *c, size_t row)
{
    for (size_t i = 0; i < row; i++) {
        if (!strcmp(c->rows.at[i].title, c->rows.at[row].title))
            return true;
    }
    return false;
}

struct kinds {
    size_t least, most; /* ratios of a row */
    bool blocks, paired, medians;
};

static struct kinds find_kinds(const struct sb_compare *c)
{
    struct kinds k = {.least = SIZE_MAX};
    for (size_t i = 0; i < c->rows.n; i++) {
        const struct sb_comparison *row = &c->rows.at[i];
        size_t n = row->ratio.blocks;
        k.medians |= !n && !isnan(row->ratio.value);
        k.paired |= row->paired;
        k.blocks |= n && !row->paired;
        k.least = n && n < k.least ? n : k.least;
        k.most = n > k.most ? n : k.most;
    }
    return k;
}

/* How the ratios that there are were found, and their intervals. */
static char *ratio_words(const struct sb_compare *c)
{
    struct kinds k = find_kinds(c);
    struct sb_text text = {0};
    if (k.most)
        sb_text_printf(&text, "ratios: medians of those within %zu%s%.0zu %s, with %g %% intervals by ranks%s", k.least,
                       k.most > k.least ? " to " : "", k.most > k.least ? k.most : 0,
                       !k.paired   ? "blocks"
                       : !k.blocks ? "processes, by turns"
                                   : "processes, by turns, or blocks",
                       100 * c->confidence, c->anytime ? ", valid at any time" : "");
    if (k.medians || !k.most)
        sb_text_printf(&text, "%s of the medians, with %g %% bootstrap intervals (%s)", k.most ? "; else" : "ratios",
                       100 * c->confidence, c->interval == SB_INTERVAL_BCA ? "BCa" : "percentile");
    return text.at;
}

static char *test_words(const struct sb_compare *c)
{
    struct kinds k = find_kinds(c);
    const char *blocks = c->anytime ? "signs within blocks" : "rank sum test";
    struct sb_text text = {0};
    if (k.paired)
        sb_text_printf(&text, "sign test against the least difference that counts%s",
                       k.blocks ? ", within blocks " : "");
    if (!k.paired || k.blocks)
        sb_text_printf(&text, "%s", blocks);
    if (c->anytime)
        sb_text_printf(&text, ", valid at any time (Robbins' mixture)");
    return text.at;
}

static void print_text(const struct sb_compare *c, FILE *out)
{
    size_t n = 0;
    char *ratios = ratio_words(c), *test = test_words(c);
    for (size_t i = 0; i < c->rows.n; i++)
        n += !isnan(c->rows.at[i].p);
    for (size_t i = 0; i < c->notes.n; i++)
        fprintf(out, "note: %s\n", c->notes.at[i]);
    for (size_t i = 0; i < c->rows.n; i++) {
        if (!was_printed(c, i))
            print_table(c, c->rows.at[i].title, out);
    }
    fprintf(out,
            "\nmedians of %s (%s, %s) over n processes; %s.\n"
            "p: %s, corrected for %zu comparison%s (Holm). "
            "Separated: p under %g and the interval leaves out 1.\n"
            "An interval is its comparison's own, not corrected; not separated doesn't mean equal.\n",
            c->metric, c->unit,
            !c->has_direction   ? "neither more nor less is better"
            : c->more_is_better ? "more is better"
                                : "less is better",
            ratios, test, n, n == 1 ? "" : "s", 1 - c->confidence);
    free(ratios);
    free(test);
    if (c->floor)
        fprintf(out, "noise floor: %s.\n", c->floor);
}

/* Names come from configs and files: nothing in them may steer the terminal. */
void sb_compare_print(const struct sb_compare *c, FILE *out)
{
    char *text = NULL;
    size_t n = 0;
    FILE *page = open_memstream(&text, &n);
    if (page) {
        print_text(c, page);
        fclose(page);
        sb_print_visible(text, out);
    }
    free(text);
}

static void set_summary(struct sb_json *o, const char *key, const struct sb_summary *s)
{
    /* Numbers unrounded: whoever reads JSON rounds by itself. */
    struct sb_json *v = sb_json_object();
    sb_json_set_int(v, "n", (int64_t)s->n);
    sb_json_set_real(v, "median", s->median);
    sb_json_set_real(v, "low", s->low);
    sb_json_set_real(v, "high", s->high);
    sb_json_set_real(v, "coverage", s->coverage);
    sb_json_set_real(v, "step", s->step);
    sb_json_set(o, key, v);
}

void sb_compare_print_json(const struct sb_compare *c, FILE *out)
{
    struct sb_json *o = sb_json_object(), *rows = sb_json_array(), *notes = sb_json_array();
    sb_json_set_text(o, "metric", c->metric);
    sb_json_set_text(o, "unit", c->unit);
    sb_json_set_text(o, "better", !c->has_direction ? NULL : c->more_is_better ? "more" : "less");
    sb_json_set_real(o, "confidence", c->confidence);
    sb_json_set_text(o, "interval", c->interval == SB_INTERVAL_BCA ? "bca" : "percentile");
    sb_json_set_text(o, "noise_floor", c->floor);
    for (size_t i = 0; i < c->notes.n; i++) {
        struct sb_json *note = sb_json_object();
        sb_json_set_text(note, "note", c->notes.at[i]);
        sb_json_add(notes, note);
    }
    sb_json_set(o, "notes", notes);
    for (size_t i = 0; i < c->rows.n; i++) {
        const struct sb_comparison *row = &c->rows.at[i];
        struct sb_json *r = sb_json_object();
        sb_json_set_text(r, "cell", row->title);
        sb_json_set_text(r, "allocator", row->allocator);
        sb_json_set_text(r, "baseline", row->baseline);
        set_summary(r, "value", &row->x);
        set_summary(r, "baseline_value", &row->y);
        sb_json_set_real(r, "ratio", row->ratio.value);
        sb_json_set_int(r, "blocks", (int64_t)row->ratio.blocks);
        sb_json_set_real(r, "ratio_low", row->ratio.low);
        sb_json_set_real(r, "ratio_high", row->ratio.high);
        sb_json_set_real(r, "p", row->p);
        sb_json_set_real(r, "p_holm", row->adjusted);
        sb_json_set_text(r, "verdict", word(c, row->verdict));
        sb_json_set_text(r, "verdict_alone", word(c, row->alone));
        sb_json_set_text(r, "reason", row->missing);
        sb_json_set_text(r, "lacking", row->lacking);
        sb_json_add(rows, r);
    }
    sb_json_set(o, "comparisons", rows);
    char *text = sb_json_print(o, true);
    fprintf(out, "%s\n", text);
    free(text);
    sb_json_free(o);
}
