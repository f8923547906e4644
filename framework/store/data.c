/* The data of a database in memory: searching it and giving it back. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

/* Ids count from 1 without gaps where nothing was taken away: then the place is known. */
const struct sb_cell_row *sb_data_cell(const struct sb_data *data, int64_t id)
{
    if (id > 0 && (size_t)id <= data->cells.n && data->cells.at[id - 1].id == id)
        return &data->cells.at[id - 1];
    for (size_t i = 0; i < data->cells.n; i++) {
        if (data->cells.at[i].id == id)
            return &data->cells.at[i];
    }
    return NULL;
}

/* A dozen rows at most: a search costs nothing. */
const char *sb_data_meta(const struct sb_data *data, const char *name)
{
    for (size_t i = 0; i < data->meta.n; i++) {
        if (!strcmp(data->meta.at[i].name, name))
            return data->meta.at[i].value;
    }
    return NULL;
}

void sb_pairs_add(struct sb_pairs *pairs, const char *name, const char *value)
{
    *SB_VEC_ADD(pairs) = (struct sb_pair){sb_strdup(name), value ? sb_strdup(value) : NULL};
}

/* Ownership is simple throughout: whoever holds the data owns every text in it. */
static void free_pairs(struct sb_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        free(pairs->at[i].name);
        free(pairs->at[i].value);
    }
    SB_VEC_FREE(pairs);
}

static void free_cell(struct sb_cell_row *c)
{
    free(c->label);
    free(c->allocator);
    free(c->workload);
    free(c->route);
    free(c->memory);
    free(c->cpus);
    free(c->skip);
    free(c->settings);
    free_pairs(&c->swept);
}

/* Also of what was read only in part. */
void sb_data_free(struct sb_data *data)
{
    free(data->path);
    free_pairs(&data->meta);
    for (size_t i = 0; i < data->facts.n; i++) {
        free(data->facts.at[i].name);
        free(data->facts.at[i].value);
        free(data->facts.at[i].warning);
    }
    for (size_t i = 0; i < data->plugins.n; i++) {
        struct sb_plugin_row *p = &data->plugins.at[i];
        free(p->kind);
        free(p->name);
        free(p->path);
        free(p->build_id);
        free(p->abi);
    }
    for (size_t i = 0; i < data->cells.n; i++)
        free_cell(&data->cells.at[i]);
    for (size_t i = 0; i < data->trials.n; i++) {
        free(data->trials.at[i].started);
        free(data->trials.at[i].last_words);
        sb_result_free(&data->trials.at[i].result);
    }
    SB_VEC_FREE(&data->facts);
    SB_VEC_FREE(&data->plugins);
    SB_VEC_FREE(&data->cells);
    SB_VEC_FREE(&data->trials);
    sb_words_free(&data->warnings);
    *data = (struct sb_data){0};
}
