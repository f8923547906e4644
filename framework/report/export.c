/*
 * Trials as CSV (RFC 4180) or JSON: one row each, the same columns whatever their status. Series and
 * histograms as rows of one number each, for other programs to draw.
 */
#include "analyse/series.h"
#include "analyse/view.h"
#include "base/json.h"
#include "metric/metric.h"
#include "report/report.h"
#include "store/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind the name of a metric that is known to a step. */
static const char *const bounds[] = {"low", "high"};

struct columns {
    struct sb_words swept;
    struct sb_words metrics; /* in the order in which they first appear */
    struct sb_words coarse;  /* of them those known to no better than a percent, in some trial */
};

/* In order of appearance over all trials: failed ones have no metrics, and the first may be one of them. */
static void find_columns(const struct sb_data *data, struct columns *c)
{
    *c = (struct columns){0};
    for (size_t i = 0; i < data->cells.n; i++) {
        for (size_t j = 0; j < data->cells.at[i].swept.n; j++)
            sb_words_add_once(&c->swept, data->cells.at[i].swept.at[j].name);
    }
    for (size_t i = 0; i < data->trials.n; i++) {
        const struct sb_result *r = &data->trials.at[i].result;
        for (size_t j = 0; j < r->metrics.n; j++) {
            const struct sb_metric *m = &r->metrics.at[j];
            sb_words_add_once(&c->metrics, m->name);
            if (sb_metric_step(&r->metrics, m) > 0.01 * m->value)
                sb_words_add_once(&c->coarse, m->name);
        }
    }
}

/* A metric of a trial with what it is known to; n = 0 where the trial hasn't got it. */
static struct sb_reading reading_of(const struct sb_result *r, const char *name, bool *has)
{
    const struct sb_metric *m = sb_metrics_find(&r->metrics, name);
    *has = m;
    return m ? (struct sb_reading){m->value, sb_metric_step(&r->metrics, m)} : (struct sb_reading){NAN, 0};
}

/* One shorter than its step has bounds and no value. */
static void csv_reading(FILE *out, const struct sb_result *r, const char *name, bool coarse)
{
    bool has;
    struct sb_reading reading = reading_of(r, name, &has);
    fputc(',', out);
    if (has && !(coarse && sb_reading_is_below(reading)))
        fprintf(out, "%.17g", reading.value);
    if (coarse && has)
        fprintf(out, ",%.17g,%.17g", sb_reading_low(reading), sb_reading_high(reading));
    else if (coarse)
        fputs(",,", out);
}

/* Nothing at all for what isn't there. */
static void csv_text(FILE *out, const char *text)
{
    struct sb_text cell = {0};
    sb_text_add_csv(&cell, text ? text : "");
    fputs(sb_text_get(&cell), out);
    sb_text_free(&cell);
}

/* "NAME: the reason; NAME: ...", of all numbers that a trial says it hasn't got. */
static char *reasons_of(const struct sb_result *r)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < r->unavailable.n; i++)
        sb_text_printf(&text, "%s%s: %s", i ? "; " : "", r->unavailable.at[i].name, r->unavailable.at[i].reason);
    return text.at;
}

/* A metric that a trial hasn't got is an empty cell: not zero, and not a column less. */
static void write_csv(const struct sb_data *data, const struct columns *c, FILE *out)
{
    fputs("trial,allocator,workload,threads,repetition,status,simulated,retry,memory_file,reason", out);
    for (size_t i = 0; i < c->swept.n; i++) {
        fputc(',', out);
        csv_text(out, c->swept.at[i]);
    }
    for (size_t i = 0; i < c->metrics.n; i++) {
        fputc(',', out);
        csv_text(out, c->metrics.at[i]);
        for (size_t k = 0; k < SB_COUNT(bounds) && sb_words_has(&c->coarse, c->metrics.at[i]); k++) {
            char *name = sb_printf("%s.%s", c->metrics.at[i], bounds[k]);
            fputc(',', out);
            csv_text(out, name);
            free(name);
        }
    }
    fputs(",unavailable\n", out);
    for (size_t i = 0; i < data->trials.n; i++) {
        const struct sb_trial_row *t = &data->trials.at[i];
        const struct sb_cell_row *cell = sb_data_cell(data, t->cell);
        fprintf(out, "%lld,", (long long)t->number);
        csv_text(out, cell->allocator);
        fputc(',', out);
        csv_text(out, cell->workload);
        fprintf(out, ",%lld,%lld,%s,%s,%lld,%lld,", (long long)cell->threads, (long long)t->repetition,
                sb_status_name(t->result.status), t->simulated ? "yes" : "no", (long long)t->retry,
                (long long)t->memory_file);
        csv_text(out, t->result.reason);
        for (size_t j = 0; j < c->swept.n; j++) {
            fputc(',', out);
            csv_text(out, sb_swept_value(cell, c->swept.at[j]));
        }
        for (size_t j = 0; j < c->metrics.n; j++)
            csv_reading(out, &t->result, c->metrics.at[j], sb_words_has(&c->coarse, c->metrics.at[j]));
        char *unavailable = reasons_of(&t->result);
        fputc(',', out);
        csv_text(out, unavailable);
        free(unavailable);
        fputc('\n', out);
    }
}

/* A number that isn't finite is null. */
static void json_reading(struct sb_json *o, const struct sb_result *r, const char *name, bool coarse)
{
    bool has;
    struct sb_reading reading = reading_of(r, name, &has);
    double values[] = {has ? sb_reading_low(reading) : NAN, has ? sb_reading_high(reading) : NAN};
    sb_json_set_real(o, name, coarse && sb_reading_is_below(reading) ? NAN : reading.value);
    for (size_t k = 0; k < SB_COUNT(bounds) && coarse; k++) {
        char *key = sb_printf("%s.%s", name, bounds[k]);
        sb_json_set_real(o, key, values[k]);
        free(key);
    }
}

/* null for what isn't there, so that every row has the same keys. */
static struct sb_json *trial_json(const struct sb_data *data, const struct sb_trial_row *t, const struct columns *c)
{
    const struct sb_cell_row *cell = sb_data_cell(data, t->cell);
    struct sb_json *o = sb_json_object();
    sb_json_set_int(o, "trial", t->number);
    sb_json_set_text(o, "allocator", cell->allocator);
    sb_json_set_text(o, "workload", cell->workload);
    sb_json_set_int(o, "threads", cell->threads);
    sb_json_set_int(o, "repetition", t->repetition);
    sb_json_set_text(o, "status", sb_status_name(t->result.status));
    sb_json_set_text(o, "simulated", t->simulated ? "yes" : "no");
    sb_json_set_int(o, "retry", t->retry);
    sb_json_set_int(o, "memory_file", t->memory_file);
    sb_json_set_text(o, "reason", t->result.reason);
    for (size_t j = 0; j < c->swept.n; j++)
        sb_json_set_text(o, c->swept.at[j], sb_swept_value(cell, c->swept.at[j]));
    for (size_t j = 0; j < c->metrics.n; j++)
        json_reading(o, &t->result, c->metrics.at[j], sb_words_has(&c->coarse, c->metrics.at[j]));
    struct sb_json *unavailable = sb_json_object();
    for (size_t i = 0; i < t->result.unavailable.n; i++)
        sb_json_set_text(unavailable, t->result.unavailable.at[i].name, t->result.unavailable.at[i].reason);
    sb_json_set(o, "unavailable", unavailable);
    return o;
}

static void write_trials(const struct sb_data *data, bool json, FILE *out)
{
    struct columns c;
    find_columns(data, &c);
    if (json) {
        struct sb_json *rows = sb_json_array();
        for (size_t i = 0; i < data->trials.n; i++)
            sb_json_add(rows, trial_json(data, &data->trials.at[i], &c));
        char *text = sb_json_print(rows, true);
        fprintf(out, "%s\n", text);
        free(text);
        sb_json_free(rows);
    } else {
        write_csv(data, &c, out);
    }
    sb_words_free(&c.swept);
    sb_words_free(&c.metrics);
    sb_words_free(&c.coarse);
}

/* One number of one trial, with its place. Long rather than wide: R and pandas want a row per number. */
struct point_row {
    const struct sb_trial_row *trial;
    const struct sb_cell_row *cell;
    const char *name, *unit;
    long long key;
    double x, y;
};

static void write_point(FILE *out, const struct point_row *r)
{
    fprintf(out, "%lld,", (long long)r->trial->number);
    csv_text(out, r->cell->label);
    fputc(',', out);
    csv_text(out, r->name);
    fprintf(out, ",%lld,%.17g,%.17g,", r->key, r->x, r->y);
    csv_text(out, r->unit);
    fputc('\n', out);
}

/* What the kernel's own indices make of the free blocks. */
static void write_derived(FILE *out, const struct sb_result *r, size_t at, struct point_row row)
{
    uint64_t blocks[SB_NR_ORDERS] = {0};
    int largest = -1;
    if (!sb_free_blocks_at(r, at, blocks))
        return;
    row.x = sb_series_operations(r, at);
    for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
        largest = blocks[order] ? (int)order : largest;
        row.key = order;
        row.unit = "index";
        row.name = "unusable_free_space";
        row.y = sb_unusable_index(blocks, order) / 1000.0;
        write_point(out, &row);
        row.name = "fragmentation_index";
        row.y = sb_extfrag_index(blocks, order) / 1000.0;
        write_point(out, &row);
    }
    row.name = "largest_free_block";
    row.unit = "B";
    row.key = 0;
    row.y = largest < 0 ? 0 : (double)(UINT64_C(4096) << largest);
    write_point(out, &row);
}

/* Of what was handed out nobody asked for so much, at every checkpoint. */
static void write_internal(FILE *out, const struct sb_result *r, struct point_row row)
{
    const struct sb_series *handed = sb_series_find(r, SB_NAME(HANDED_BYTES));
    row.name = "internal_fragmentation";
    row.unit = "%";
    for (size_t i = 0; handed && i < handed->n; i++) {
        row.x = handed->at[i].x;
        row.y = sb_internal_fragmentation(r, i);
        if (!isnan(row.y))
            write_point(out, &row);
    }
}

static void write_series(FILE *out, const struct sb_trial_row *trial, const struct sb_cell_row *cell,
                         const struct sb_result *r)
{
    size_t points = 0;
    for (size_t s = 0; s < r->series.n; s++) {
        const struct sb_series *series = &r->series.at[s];
        struct point_row row = {trial, cell, series->name, series->unit, series->key, 0, 0};
        for (size_t i = 0; i < series->n; i++) {
            row.x = series->at[i].x;
            row.y = series->at[i].y;
            write_point(out, &row);
        }
        if (!strcmp(series->name, SB_NAME(FREE_BLOCKS)))
            points = series->n;
    }
    write_internal(out, r, (struct point_row){.trial = trial, .cell = cell});
    for (size_t i = 0; i < points; i++)
        write_derived(out, r, i, (struct point_row){.trial = trial, .cell = cell});
}

static void write_histograms(FILE *out, const struct sb_trial_row *trial, const struct sb_cell_row *cell,
                             const struct sb_result *r)
{
    for (size_t l = 0; l < r->latencies.n; l++) {
        const struct sb_latencies *h = &r->latencies.at[l];
        for (size_t i = 0; i < h->buckets; i++) {
            fprintf(out, "%lld,", (long long)trial->number);
            csv_text(out, cell->label);
            fputc(',', out);
            csv_text(out, h->name);
            fprintf(out, ",%.9g,%llu,", sb_histogram_value(h->at[i].index) / SB_HISTOGRAM_UNITS,
                    (unsigned long long)h->at[i].count);
            csv_text(out, h->what);
            fputc('\n', out);
        }
    }
}

/* A trial at a time: they may be large. */
static int write_points(struct sb_store *store, const struct sb_data *data, bool histograms, FILE *out, char **why)
{
    int status = 0;
    fputs(histograms ? "trial,cell,call,ns,count,what\n" : "trial,cell,series,key,x,y,unit\n", out);
    for (size_t i = 0; i < data->trials.n && !status; i++) {
        const struct sb_trial_row *t = &data->trials.at[i];
        const struct sb_cell_row *cell = sb_data_cell(data, t->cell);
        struct sb_result r = {0};
        status = histograms ? sb_store_load_latencies(store, t->number, &r, why)
                            : sb_store_load_series(store, t->number, &r, why);
        if (!status && cell)
            (histograms ? write_histograms : write_series)(out, t, cell, &r);
        sb_result_free(&r);
    }
    return status;
}

int sb_export(const char *db, enum sb_export_what what, bool json, FILE *out, char **why)
{
    struct sb_store *store;
    struct sb_data data = {0};
    int status = sb_store_open(&store, db, why);
    if (!status)
        status = sb_store_load(store, &data, why);
    if (!status && what == SB_EXPORT_TRIALS)
        write_trials(&data, json, out);
    else if (!status)
        status = write_points(store, &data, what == SB_EXPORT_HISTOGRAMS, out, why);
    sb_data_free(&data);
    sb_store_close(store);
    return status;
}
