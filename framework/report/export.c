/* Trials as CSV (RFC 4180) or JSON: one row each, the same columns whatever their status. */
#include "base/json.h"
#include "report/report.h"
#include "store/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct columns {
    struct sb_words swept;
    struct sb_words metrics; /* in the order in which they first appear */
};

/* In order of appearance: the first trial's metrics lead, what others add follows. */
static void add_once(struct sb_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++) {
        if (!strcmp(words->at[i], word))
            return;
    }
    *SB_VEC_ADD(words) = sb_strdup(word);
}

/* Over all trials: failed ones have no metrics, and the first may be one of them. */
static void find_columns(const struct sb_data *data, struct columns *c)
{
    *c = (struct columns){0};
    for (size_t i = 0; i < data->cells.n; i++) {
        for (size_t j = 0; j < data->cells.at[i].swept.n; j++)
            add_once(&c->swept, data->cells.at[i].swept.at[j].name);
    }
    for (size_t i = 0; i < data->trials.n; i++) {
        for (size_t j = 0; j < data->trials.at[i].result.metrics.n; j++)
            add_once(&c->metrics, data->trials.at[i].result.metrics.at[j].name);
    }
}

static const struct sb_cell_row *cell_of(const struct sb_data *data, int64_t id)
{
    for (size_t i = 0; i < data->cells.n; i++) {
        if (data->cells.at[i].id == id)
            return &data->cells.at[i];
    }
    return NULL;
}

/* A key that was not swept in this cell has no value: the cell stays empty. */
static const char *swept_value(const struct sb_cell_row *cell, const char *name)
{
    for (size_t i = 0; i < cell->swept.n; i++) {
        if (!strcmp(cell->swept.at[i].name, name))
            return cell->swept.at[i].value;
    }
    return NULL;
}

/* RFC 4180: quotes around what needs them, quotes inside doubled. */
static void csv_text(FILE *out, const char *text)
{
    if (!text)
        return;
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* A metric that a trial hasn't got is an empty cell: not zero, and not a column less. */
static void write_csv(const struct sb_data *data, const struct columns *c, FILE *out)
{
    fputs("trial,allocator,workload,threads,repetition,status,reason", out);
    for (size_t i = 0; i < c->swept.n; i++) {
        fputc(',', out);
        csv_text(out, c->swept.at[i]);
    }
    for (size_t i = 0; i < c->metrics.n; i++) {
        fputc(',', out);
        csv_text(out, c->metrics.at[i]);
    }
    fputc('\n', out);
    for (size_t i = 0; i < data->trials.n; i++) {
        const struct sb_trial_row *t = &data->trials.at[i];
        const struct sb_cell_row *cell = cell_of(data, t->cell);
        fprintf(out, "%lld,", (long long)t->number);
        csv_text(out, cell->allocator);
        fputc(',', out);
        csv_text(out, cell->workload);
        fprintf(out, ",%lld,%lld,%s,", (long long)cell->threads, (long long)t->repetition,
                sb_status_name(t->result.status));
        csv_text(out, t->result.reason);
        for (size_t j = 0; j < c->swept.n; j++) {
            fputc(',', out);
            csv_text(out, swept_value(cell, c->swept.at[j]));
        }
        for (size_t j = 0; j < c->metrics.n; j++) {
            const struct sb_metric *m = sb_result_metric(&t->result, c->metrics.at[j]);
            fputc(',', out);
            if (m)
                fprintf(out, "%.17g", m->value);
        }
        fputc('\n', out);
    }
}

/* null for what isn't there, so that every row has the same keys. */
static struct sb_json *trial_json(const struct sb_data *data, const struct sb_trial_row *t,
                                  const struct columns *c)
{
    const struct sb_cell_row *cell = cell_of(data, t->cell);
    struct sb_json *o = sb_json_object();
    sb_json_set_int(o, "trial", t->number);
    sb_json_set_text(o, "allocator", cell->allocator);
    sb_json_set_text(o, "workload", cell->workload);
    sb_json_set_int(o, "threads", cell->threads);
    sb_json_set_int(o, "repetition", t->repetition);
    sb_json_set_text(o, "status", sb_status_name(t->result.status));
    sb_json_set_text(o, "reason", t->result.reason);
    for (size_t j = 0; j < c->swept.n; j++)
        sb_json_set_text(o, c->swept.at[j], swept_value(cell, c->swept.at[j]));
    for (size_t j = 0; j < c->metrics.n; j++) {
        const struct sb_metric *m = sb_result_metric(&t->result, c->metrics.at[j]);
        if (m)
            sb_json_set_real(o, c->metrics.at[j], m->value);
        else
            sb_json_set_text(o, c->metrics.at[j], NULL);
    }
    return o;
}

int sb_export(const char *db, bool json, FILE *out, char **why)
{
    struct sb_store *store;
    struct sb_data data = {0};
    struct columns c = {0};
    int status = sb_store_open(&store, db, why);
    if (!status)
        status = sb_store_load(store, &data, why);
    if (status)
        goto out;
    find_columns(&data, &c);
    if (json) {
        struct sb_json *rows = sb_json_array();
        for (size_t i = 0; i < data.trials.n; i++)
            sb_json_add(rows, trial_json(&data, &data.trials.at[i], &c));
        char *text = sb_json_print(rows, true);
        fprintf(out, "%s\n", text);
        free(text);
        sb_json_free(rows);
    } else {
        write_csv(&data, &c, out);
    }
out:
    sb_words_free(&c.swept);
    sb_words_free(&c.metrics);
    sb_data_free(&data);
    sb_store_close(store);
    return status;
}
