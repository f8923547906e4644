/*
 * How charts look, and what captions say.
 *
 * An allocator has one colour and one mark wherever it appears, given by its place in the config. Colours are
 * Okabe and Ito's, safe for colour-blind readers, with two more of Tol's; marks differ too, for grey print.
 */
#include "figure/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const unsigned colours[] = {0x555555, 0xe69f00, 0x0072b2, 0x56b4e9, 0x009e73,
                                   0xd55e00, 0xcc79a7, 0x000000, 0x882255, 0x999933};
/* A number of marks that shares no factor with that of the colours: pairs repeat after 110 only. */
static const int marks[] = {2, 5, 7, 6, 9, 13, 11, 4, 8, 12, 1};

const char *sb_colour(size_t i)
{
    static char text[SB_COUNT(colours)][8];
    i %= SB_COUNT(colours);
    snprintf(text[i], sizeof(text[i]), "#%06x", colours[i]);
    return text[i];
}

int sb_mark(size_t i)
{
    return marks[i % SB_COUNT(marks)];
}

int sb_dash(size_t i)
{
    return (int)(i / SB_COUNT(colours)) + 1;
}

void sb_next_panel(struct sb_figure *f, size_t panel)
{
    if (panel == 1)
        sb_text_printf(&f->script, "if (screen) { unset label }\n");
}

/* Whole rounds of colours later is the same colour with another dash, and with another mark, too. */
size_t sb_style_of(size_t allocator, size_t source, size_t allocators)
{
    size_t rounds = (allocators + SB_COUNT(colours) - 1) / SB_COUNT(colours);
    return allocator + source * rounds * SB_COUNT(colours);
}

/* Towards white in equal steps, the palest still far from the paper. */
char *sb_shade(size_t colour, size_t i, size_t n)
{
    double white = n > 1 ? 0.65 * (double)(n - 1 - i) / (double)(n - 1) : 0;
    unsigned c = colours[colour % SB_COUNT(colours)], out = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        double part = (double)(c >> shift & 0xff);
        out |= (unsigned)lround(part + (255 - part) * white) << shift;
    }
    return sb_printf("0x%06x", out);
}

/* Tics of seven digits are neither read nor fit beside a plot of a column's width. */
double sb_scale_of(double max, const char **prefix)
{
    static const struct {
        double factor;
        const char *prefix;
    } scales[] = {{1e9, "billion "}, {1e6, "million "}, {1e3, "thousand "}};
    for (size_t i = 0; i < SB_COUNT(scales); i++) {
        if (max >= scales[i].factor) {
            *prefix = scales[i].prefix;
            return scales[i].factor;
        }
    }
    *prefix = "";
    return 1;
}

/* A step that gives two or three tics up to `max`: there is no room for more. */
double sb_few_tics(double max)
{
    /* 1, 2 and 4 times a power of ten: numbers that a reader divides by. */
    double power = pow(10, floor(log10(max > 0 ? max : 1)));
    double lead = max / power;
    return power * (lead >= 8 ? 4 : lead >= 4 ? 2 : lead >= 2 ? 1 : 0.5);
}

char *sb_gp_text(const char *text)
{
    char *quoted = sb_gp_quote(text), *out = sb_printf("t(%s)", quoted);
    free(quoted);
    return out;
}

/* gnuplot keeps 50 bytes of a tic's label, and TeX's escapes need some of them. */
enum { TIC_MOST = 26, TIC_BYTES = 49, CROWDED = 18 };

static char *shorten(const char *text, size_t most)
{
    enum { END = 11 };
    size_t n = strlen(text);
    if (n <= most)
        return sb_strdup(text);
    const char *end = text + n - END;
    while (((unsigned char)*end & 0xc0) == 0x80)
        end++;
    return sb_printf("%.*s...%s", (int)sb_utf8_cut(text, most - 3 - END), text, end);
}

/* Longer names are cut in the middle, visibly: variants and databases differ at the end. Captions and tables
 * have them whole. */
char *sb_short_name(const char *text)
{
    return shorten(text, TIC_MOST);
}

static char *call(const char *function, const char *text)
{
    char *quoted = sb_gp_quote(text), *out = sb_printf("%s(%s)", function, quoted);
    free(quoted);
    return out;
}

char *sb_gp_name(const char *text)
{
    char *cut = sb_short_name(text), *out = call("t", cut);
    free(cut);
    return out;
}

/* What the scripts' function tic() makes of it for TeX, in bytes. */
static size_t tic_bytes(const char *text)
{
    static const char special[] = "\\~^<>|\"";
    static const size_t longer[] = {15, 16, 17, 10, 13, 8, 14};
    size_t n = strlen(text) + (*text == '[' ? strlen("{}") : 0);
    for (; *text; text++) {
        const char *at = strchr(special, *text);
        n += at ? longer[at - special] : strchr("#$%&_{}", *text) != NULL;
        n += *text == '%';
    }
    return n;
}

/* Cut in the middle of a macro a label would end the document that it stands in: rather fewer letters, and of
 * a name that is nothing but such characters none of them. */
char *sb_gp_tic(const char *text)
{
    size_t most = TIC_MOST;
    char *cut = shorten(text, most);
    while (tic_bytes(cut) > TIC_BYTES && most > 16) {
        free(cut);
        cut = shorten(text, --most);
    }
    for (char *c = cut; *c && tic_bytes(cut) > TIC_BYTES; c++)
        *c = strchr("\\~^<>|\"", *c) ? '?' : *c;
    char *out = call("tic", cut);
    free(cut);
    return out;
}

static size_t longest_of(const struct sb_axis *axis, size_t most)
{
    size_t longest = 0;
    for (size_t i = 0; i < axis->labels.n; i++)
        longest = strlen(axis->labels.at[i]) > longest ? strlen(axis->labels.at[i]) : longest;
    return longest > most ? most : longest;
}

/* What fits a column of a paper side by side stays level. */
static bool is_level(const struct sb_axis *axis)
{
    return axis->labels.n * (longest_of(axis, TIC_MOST) + 1) <= 34;
}

double sb_tics_height(const struct sb_axis *axis)
{
    return is_level(axis) ? 0.5 : 0.4 + 0.15 * (double)longest_of(axis, TIC_MOST);
}

double sb_label_tics(const struct sb_axis *axis, char direction, struct sb_text *out)
{
    sb_text_printf(out, "set %ctics %s (", direction,
                   direction == 'y' ? ""
                   : is_level(axis) ? "norotate"
                                    : "rotate by 90 right");
    for (size_t i = 0; i < axis->labels.n; i++) {
        char *tic = sb_gp_tic(axis->labels.at[i]);
        sb_text_printf(out, "%s%s %zu", i ? ", " : "", tic, i);
        free(tic);
    }
    sb_text_printf(out, axis->labels.n > CROWDED ? ") font small\n" : ")\n");
    return sb_tics_height(axis);
}

void sb_tsv_name(struct sb_text *data, const char *name)
{
    for (; *name; name++) {
        char c = *name == '"' ? '\'' : (unsigned char)*name < 0x20 || *name == 0x7f ? ' ' : *name;
        sb_text_add(data, &c, 1);
    }
}

void sb_add_step_band(struct sb_figure *f, char axis, double step, double scale, const char *unit)
{
    if (!(step > 0))
        return;
    char *words = sb_printf("less than the step of %.3g %s", step, unit), *text = sb_gp_text(words);
    double at = step / scale;
    /* Hatched, and behind all that was measured. */
    if (axis == 'y')
        sb_text_printf(&f->script,
                       "set object 1 rectangle from graph 0, graph 0 to graph 1, first %.6g behind fc rgb "
                       "'#aaaaaa' fs pattern 4 noborder\nset label 1 %s at graph 0.01, first %.6g offset 0,-0.7 "
                       "left font small tc rgb '#555555' front\n",
                       at, text, at);
    else
        sb_text_printf(&f->script,
                       "set object 1 rectangle from graph 0, graph 0 to first %.6g, "
                       "graph 1 behind fc rgb '#aaaaaa' fs pattern 4 noborder\n"
                       "set label 1 %s at first %.6g, graph 0.04 rotate by 90 left font small tc rgb '#555555' "
                       "front\n",
                       at, text, 0.7 * at);
    free(text);
    free(words);
}

/* At 8 points gnuplot reserves 1.7 mm for a character and 11 for a sample; a column of a paper has 84. */
void sb_add_key(struct sb_figure *f, const struct sb_axis *axis, size_t extra)
{
    size_t longest = longest_of(axis, TIC_MOST), n = axis->labels.n + extra;
    size_t columns = (size_t)(82 / (1.7 * (double)longest + 11));
    size_t rows = (n + columns - 1) / (columns ? columns : 1);
    f->height += 0.36 * (double)rows;
    sb_text_printf(&f->script,
                   "set key outside bottom center horizontal Left reverse samplen 1.4 spacing 1.05 height 0.8\n");
}

/* ---- figures and captions ---- */

/* What fits under a title: the processor and how many CPUs it shows. */
static char *short_machine_name(const struct sb_data *data)
{
    const char *summary = sb_data_meta(data, "topology_summary"), *cpu = sb_data_fact(data, "cpu");
    const char *cpus = summary ? strstr(summary, " CPU") : NULL, *start = cpus;
    while (start && start > summary && start[-1] != ' ')
        start--;
    if (!cpus)
        return sb_strdup(cpu ? cpu : "unknown machine");
    return sb_printf("%s, %.*s CPUs", cpu ? cpu : "unknown CPU", (int)(cpus - start), start);
}

void sb_range_start(struct sb_range *r)
{
    *r = (struct sb_range){INFINITY, -INFINITY, SIZE_MAX, 0};
}

/* A cell without a number widens nothing. */
void sb_range_add(struct sb_range *r, const struct sb_summary *s)
{
    if (!s->n)
        return;
    r->min = fmin(r->min, s->min);
    r->max = fmax(r->max, s->max);
    r->least_n = s->n < r->least_n ? s->n : r->least_n;
    r->most_n = s->n > r->most_n ? s->n : r->most_n;
}

/* Runs of anything else become one hyphen, so that ends and neighbours look tidy. */
char *sb_slug(const char *text)
{
    char *s = sb_strdup(text), *to = s;
    for (const char *p = text; *p; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain || (to > s && to[-1] != '-'))
            *to++ = plain ? c : '-';
    }
    while (to > s && to[-1] == '-')
        to--;
    *to = '\0';
    return s;
}

/* Long ones stay apart by their hash. */
static char *figure_id(const char *kind, const char *name, const char *where)
{
    enum { MOST = 72, KEPT = 52 };
    char *whole = sb_printf("%s-%s-%s", kind, name, where), *id = sb_slug(whole);
    if (strlen(id) > MOST) {
        char *cut = sb_printf("%.*s-%016llx", KEPT, id, (unsigned long long)sb_hash(whole));
        free(id);
        id = cut;
    }
    free(whole);
    return id;
}

struct sb_figure *sb_figure_new(const struct sb_chart *c, char *title)
{
    char *id = figure_id(sb_plot_rows[c->plot->kind].name, c->plot->name, c->where);
    for (size_t i = 0, n = 1; i < c->figures->n; i++) {
        if (strcmp(c->figures->at[i].id, id))
            continue;
        char *apart = sb_printf("%s-%zu", id, ++n);
        free(id);
        id = apart;
        i = SIZE_MAX; /* from the start: the new name may be taken, too */
    }
    struct sb_figure *f = SB_VEC_ADD(c->figures);
    f->id = id;
    f->kind = sb_strdup(sb_plot_rows[c->plot->kind].name);
    f->title = title;
    if (!*c->where && !strncmp(title, ": ", 2))
        memmove(title, title + 2, strlen(title + 2) + 1);
    f->height = 5.2;
    sb_text_printf(&f->script, "set border 3 lc rgb '#444444'\nset tics nomirror out scale 0.6\n"
                               "set grid ytics lt 1 lc rgb '#dddddd' lw 0.7\n");
    return f;
}

/* "n = 5", "n = 3 to 5", "one run". */
static char *n_text(const struct sb_range *r)
{
    if (r->most_n == 1)
        return sb_strdup("one run");
    return r->least_n == r->most_n ? sb_printf("n = %zu", r->most_n)
                                   : sb_printf("n = %zu to %zu", r->least_n, r->most_n);
}

/* What whiskers are, in two words: the caption says it in full. */
static char *short_interval(const struct sb_view *view, const struct sb_range *r)
{
    bool range = r->least_n < sb_least_samples(sb_view_level(view));
    return range ? sb_strdup("range") : sb_printf("%g %% interval", 100 * view->confidence);
}

/* A figure is read without its report: what, how many, how spread, where. */
void sb_figure_caption(const struct sb_chart *c, struct sb_figure *f, const struct sb_range *r,
                       const struct sb_caption *q)
{
    /* The caption has it in full, the line under the title has room for little. */
    char *machine = sb_machine_name(&c->view->data), *brief = short_machine_name(&c->view->data);
    char *n = n_text(r), *interval = NULL, *whiskers = NULL;
    struct sb_text text = {0};
    bool one = r->most_n <= 1;
    if (!one && !q->spread) {
        char *full = sb_view_interval(c->view, r->least_n, r->most_n);
        char *words = short_interval(c->view, r);
        interval = sb_printf("whiskers: %s", full);
        whiskers = sb_printf("whiskers: %s", words);
        free(words);
        free(full);
    }
    sb_text_printf(&text, "%s: %s. ", f->title, q->what);
    if (one)
        sb_text_printf(&text, "One run each, without an interval.");
    else
        sb_text_printf(&text, "%s of %s processes each; %s.", q->subject ? q->subject : "Medians", n,
                       q->spread ? q->spread : interval);
    sb_text_printf(&text, "%s Machine: %s.", q->more ? q->more : "", machine);
    if (c->view->sources.n > 1)
        sb_text_printf(&text, " Of %zu databases; the machine is the first one's.", c->view->sources.n);
    f->caption = text.at;
    if (q->note)
        f->note = sb_printf("%s; %s", n, q->note);
    else if (one)
        f->note = sb_printf("%s; %s", n, brief);
    else
        f->note = sb_printf("%s, median, %s; %s", n, q->spread ? q->spread : whiskers, brief);
    free(interval);
    free(whiskers);
    free(n);
    free(brief);
    free(machine);
}

static void append(char **text, const char *more)
{
    char *whole = sb_printf("%s%s", *text, more);
    free(*text);
    *text = whole;
}

/* `k`: of the chart's cells as they were. */
static bool is_there(const struct sb_chart *c, size_t k, const char *metric, const struct sb_axis *axis,
                     const bool *drawn)
{
    return metric ? sb_view_metric(c->view, &c->view->cells.at[c->every[k]], metric).n > 0 : drawn[axis->of[k]];
}

/* One that is nowhere in the chart is named once; of others the cell that is missing. Each reason stands
 * once. */
void sb_caption_missing(const struct sb_chart *c, struct sb_figure *f, const char *metric, const struct sb_axis *axis,
                        const bool *drawn)
{
    struct sb_words reasons = {0}, said = {0};
    struct sb_text *who = sb_calloc(c->every_n + 1, sizeof(*who));
    for (size_t i = 0; i < c->every_n; i++) {
        const struct sb_view_cell *cell = &c->view->cells.at[c->every[i]];
        bool any = false;
        if (is_there(c, i, metric, axis, drawn))
            continue;
        for (size_t j = 0; j < c->every_n && !any; j++)
            any = c->view->cells.at[c->every[j]].allocator == cell->allocator && is_there(c, j, metric, axis, drawn);
        const char *why = metric     ? sb_view_reason(c->view, cell, metric)
                          : cell->ok ? "no such data"
                                     : sb_view_reason(c->view, cell, SB_NAME(OPS_PER_S));
        size_t k = sb_words_number(&reasons, why) - 1;
        if (sb_words_add_once(&said, any ? cell->label : cell->variant))
            sb_text_printf(&who[k], "%s%s", who[k].n ? ", " : "", any ? cell->label : cell->variant);
    }
    for (size_t k = 0; k < reasons.n; k++) {
        char *text = sb_printf(" Not available of %s: %s.", sb_text_get(&who[k]), reasons.at[k]);
        append(&f->caption, text);
        free(text);
        sb_text_free(&who[k]);
    }
    free(who);
    sb_words_free(&said);
    sb_words_free(&reasons);
}

/* Memory from the OS is touched by whom it is given to, that of the file was touched before: rates must be
 * read with it. */
void sb_caption_memory(const struct sb_chart *c, struct sb_figure *f)
{
    struct sb_words os = {0}, all = {0};
    struct sb_text out = {0};
    for (size_t i = 0; i < c->n; i++) {
        const struct sb_view_cell *cell = &c->view->cells.at[c->cells[i]];
        sb_words_add_once(&all, cell->variant);
        if (!strcmp(cell->row->memory, SB_MEMORY_OS))
            sb_words_add_once(&os, cell->variant);
    }
    for (size_t i = 0; i < os.n; i++)
        sb_text_printf(&out, "%s%s", i ? ", " : " Memory from the OS: ", os.at[i]);
    if (os.n)
        sb_text_printf(&out, "%s.", os.n < all.n ? "; from the trial's memory file: the others" : "");
    append(&f->caption, sb_text_get(&out));
    sb_text_free(&out);
    sb_words_free(&all);
    sb_words_free(&os);
}

/* Defaults that have nothing to show are no one's mistake. */
void sb_chart_note(const struct sb_chart *c, char *text)
{
    char *note = sb_printf("[plot %s] on line %d is not drawn: %s", c->plot->name, c->plot->line, text);
    if (c->plot->line)
        sb_words_add_once(c->notes, note);
    free(note);
    free(text);
}
