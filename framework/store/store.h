/*
 * The database of a run: one SQLite file that holds everything charts and tables are made from.
 * Each finished trial is committed before the next one starts, so nothing measured is ever lost.
 */
#ifndef SB_STORE_STORE_H
#define SB_STORE_STORE_H

#include "base/str.h"
#include "base/vec.h"
#include "trial/result.h"

#include <stdbool.h>

/*
 * 1: until 0.1.0. 2: cells' settings, trials' layouts, histograms. 3: disturbed trials and which retry a
 * trial is. 4: which memory file it had. Files of all versions are read; what an old one lacks is empty.
 */
#define SB_SCHEMA_VERSION 4

struct sb_store;

/* The warning of a run whose allocators were not checked; reports look for it. */
extern const char sb_warning_unchecked[];

/* Errors: 0 or a negative errno, with a sentence in `*why` (the caller's to free). */

/* A new database; -EEXIST if the file is there already. */
int sb_store_create(struct sb_store **store, const char *path, char **why);
/* An existing one, to read. */
int sb_store_open(struct sb_store **store, const char *path, char **why);
void sb_store_close(struct sb_store *store);

/* A copy to publish: the same data, but of files only the names and not the folders that they lay in. */
int sb_store_copy(const char *from, const char *to, char **why);

struct sb_pair {
    char *name, *value; /* value may be NULL: not available */
};
struct sb_pairs {
    SB_VEC_OF(struct sb_pair);
};

struct sb_fact_row {
    char *name, *value, *warning; /* the last two may be NULL */
};

struct sb_plugin_row {
    char *kind, *name, *path, *build_id, *abi;
};

/* Where a cell's memory is from: what its footprint means. Stored, so they are never renamed. */
#define SB_MEMORY_FILE      "memory file"
#define SB_MEMORY_OS        "from the OS"
#define SB_MEMORY_ONE_BLOCK "one block"

struct sb_cell_row {
    int64_t id;
    size_t source; /* which of a report's databases it is from; 0 where there is one */
    char *label, *allocator, *workload, *route, *memory, *cpus;
    char *skip;     /* NULL: measured */
    char *settings; /* all that decides about its trials, as INI text; NULL in files of version 1 */
    int64_t threads;
    struct sb_pairs swept;
};

struct sb_trial_row {
    int64_t number, cell, repetition;
    size_t source; /* likewise */
    uint64_t seed, layout;
    bool simulated;      /* under valgrind */
    int64_t retry;       /* of its repetition: 0 the first time, then one more for each disturbed trial before it */
    int64_t memory_file; /* which of the run's memory files its pages were of, from 1; 0: one of its own, or
                            none */
    int64_t wall_ns;
    char *started;    /* UTC */
    char *last_words; /* end of its standard error, or NULL */
    struct sb_result result;
};

/* Everything but series, histograms and dumps, which are fetched by trial. */
struct sb_data {
    char *path;
    struct sb_pairs meta;
    SB_VEC(struct sb_fact_row) facts;
    SB_VEC(struct sb_plugin_row) plugins;
    SB_VEC(struct sb_cell_row) cells;
    SB_VEC(struct sb_trial_row) trials; /* in the order in which they ran */
    struct sb_words warnings;           /* of the run as a whole */
};

/* Writers. All are durable when they return. */
int sb_store_begin(struct sb_store *store, const struct sb_data *head, char **why); /* meta to cells */
int sb_store_add_trial(struct sb_store *store, const struct sb_trial_row *trial, char **why);
int sb_store_add_warning(struct sb_store *store, const char *text, char **why);
int sb_store_set_meta(struct sb_store *store, const char *name, const char *value, char **why);

/* Readers. */
int sb_store_load_head(struct sb_store *store, struct sb_data *data, char **why); /* meta and facts alone */
int sb_store_load(struct sb_store *store, struct sb_data *data, char **why);
/* Adds the trial's histograms to `result`. */
int sb_store_load_latencies(struct sb_store *store, int64_t trial, struct sb_result *result, char **why);
/* Adds the trial's series and dumps to `result`. */
int sb_store_load_series(struct sb_store *store, int64_t trial, struct sb_result *result, char **why);

void sb_data_free(struct sb_data *data);
/* NULL where missing */
const struct sb_cell_row *sb_data_cell(const struct sb_data *data, int64_t id);
const char *sb_data_meta(const struct sb_data *data, const char *name); /* NULL where missing */
void sb_pairs_add(struct sb_pairs *pairs, const char *name, const char *value);

#endif
