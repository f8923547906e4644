/* SQLite; the only file that includes it. */
#include "store/store.h"

#include "store/arrays.h"

#include "base/clock.h"
#include "base/diag.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char sb_warning_unchecked[] = "the allocators were not checked before they were measured (--no-check): "
                                    "whether they keep their promises is not known; `scullbench check PLUGIN` tells";

/* A connection, used by one thread. */
struct sb_store {
    sqlite3 *db;
    char *path;
    int64_t version;
    uint64_t waits_since; /* for another process's lock, in ns of the clock */
    bool waits_long;      /* which was said */
};

/* Numbers that users publish outlive this program: anyone can read them with sqlite3 alone, so names are
   words, units stand beside values, and long arrays are text. What changes here raises SB_SCHEMA_VERSION
   and gets a branch where it is read, and a stored file of the version before in tests/data/schema. */
static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE fact(name TEXT, value TEXT, warning TEXT);"
    "CREATE TABLE plugin(kind TEXT, name TEXT, path TEXT, build_id TEXT, abi TEXT);"
    "CREATE TABLE cell(id INTEGER PRIMARY KEY, label TEXT, allocator TEXT, workload TEXT, threads INTEGER, "
    "route TEXT, memory TEXT, cpus TEXT, skip TEXT, settings TEXT);"
    "CREATE TABLE swept(cell INTEGER, name TEXT, value TEXT);"
    "CREATE TABLE trial(number INTEGER PRIMARY KEY, cell INTEGER, repetition INTEGER, seed INTEGER, "
    "status TEXT, reason TEXT, phase TEXT, last_words TEXT, started TEXT, wall_ns INTEGER, layout INTEGER, "
    "simulated INTEGER, retry INTEGER, memory_file INTEGER);"
    "CREATE TABLE metric(trial INTEGER, name TEXT, unit TEXT, value REAL);"
    "CREATE TABLE unavailable(trial INTEGER, name TEXT, reason TEXT);"
    "CREATE TABLE series(trial INTEGER, name TEXT, key INTEGER, unit TEXT, points TEXT);"
    "CREATE TABLE histogram(trial INTEGER, name TEXT, what TEXT, n INTEGER, min INTEGER, max INTEGER, "
    "counts TEXT);"
    "CREATE TABLE library(trial INTEGER, path TEXT, build_id TEXT, version TEXT);"
    "CREATE TABLE dump(trial INTEGER, name TEXT, text TEXT);"
    "CREATE TABLE warning(trial INTEGER, text TEXT);"
    "CREATE INDEX metric_trial ON metric(trial);"
    "CREATE INDEX histogram_trial ON histogram(trial);"
    "CREATE INDEX series_trial ON series(trial);";

/* SQLite's own words, with the file's name in front. */
static int fail(struct sb_store *store, char **why)
{
    free(*why);
    *why = sb_printf("%s: %s", store->path, sqlite3_errmsg(store->db));
    return -EIO;
}

/* For statements without values only: everything a user wrote is bound, never pasted. */
static int execute(struct sb_store *store, const char *sql, char **why)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(store, why);
}

/* Seconds that one wait has lasted; by the clock, for a nap on a busy machine may be longer than it was to
 * be. */
static double wait_a_little(struct sb_store *store, int naps)
{
    if (!naps) {
        store->waits_since = sb_now_ns();
        store->waits_long = false;
    }
    sqlite3_sleep(50);
    return (double)(sb_now_ns() - store->waits_since) / 1e9;
}

/* Called by SQLite while another process has the lock, with how often it was called: 0 gives up. */
static int wait_briefly(void *store, int naps)
{
    return wait_a_little(store, naps) < 5;
}

/* A run has measured for hours: it outwaits whoever looks at its database, and says for what it waits. */
static int wait_long(void *context, int naps)
{
    struct sb_store *store = context;
    double seconds = wait_a_little(store, naps);
    if (seconds >= 5 && !store->waits_long) {
        sb_warn("another process reads %s and keeps it from being written; waiting for that to end", store->path);
        store->waits_long = true;
    }
    return seconds < 600;
}

static int open_database(struct sb_store **out, const char *path, int flags, char **why)
{
    struct sb_store *store = sb_calloc(1, sizeof(*store));
    store->path = sb_strdup(path);
    *out = NULL;
    /* A name such as ":memory:" means something to SQLite; a path doesn't. */
    char *file = sb_printf("%s%s", *path == '/' ? "" : "./", path);
    int opened = sqlite3_open_v2(file, &store->db, flags, NULL);
    free(file);
    if (opened != SQLITE_OK) {
        fail(store, why);
        sb_store_close(store);
        return -EIO;
    }
    sqlite3_busy_handler(store->db, flags & SQLITE_OPEN_READONLY ? wait_briefly : wait_long, store);
    *out = store;
    return 0;
}

int sb_store_create(struct sb_store **out, const char *path, char **why)
{
    /* The file is ours or it isn't: SQLite alone would open one that is there. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        int status = -errno;
        *why = status == -EEXIST
                   ? sb_printf("%s exists; a run never overwrites one: name another with --db, or move it away", path)
                   : sb_printf("%s can't be created: %s", path, strerror(-status));
        return status;
    }
    close(fd);
    int status = open_database(out, path, SQLITE_OPEN_READWRITE, why);
    if (status)
        return status;
    /* In one transaction: a run that is killed here leaves an empty file and no half of a database, and the
       disk is waited for once, not for each table. */
    char *all = sb_printf("BEGIN; %s PRAGMA user_version = %d; COMMIT", schema, SB_SCHEMA_VERSION);
    status = execute(*out, all, why);
    free(all);
    return status;
}

/* -1 where it can't be read, which SQLite finds out only here; *code says why. */
static int64_t read_version(struct sb_store *store, int *code)
{
    sqlite3_stmt *s = NULL;
    int64_t version = -1;
    if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        version = sqlite3_column_int64(s, 0);
    *code = version < 0 ? sqlite3_errcode(store->db) : SQLITE_OK;
    sqlite3_finalize(s);
    return version;
}

/* A writer that died in the middle of a commit leaves a journal, and only a writer may play it back: the last
 * trial was stored whole or not at all, and the others are there. */
static void recover(const char *path)
{
    struct sb_store *store = NULL;
    char *why = NULL;
    int code;
    if (!open_database(&store, path, SQLITE_OPEN_READWRITE, &why))
        read_version(store, &code);
    sb_store_close(store);
    free(why);
}

/* What stands behind the last slash: all that isn't '/' is cut off the right, and the rest off the left. */
static const char without_folders[] =
    "UPDATE plugin SET path = replace(path, rtrim(path, replace(path, '/', '')), "
    "'');UPDATE meta SET value = replace(value, rtrim(value, replace(value, '/', '')), "
    "'') WHERE name = 'config_file';";

static const char libraries_without_folders[] =
    "UPDATE library SET path = replace(path, rtrim(path, replace(path, '/', '')), '') WHERE path LIKE '/%';";

int sb_store_copy(const char *from, const char *to, char **why)
{
    struct sb_store *store = NULL, *copy = NULL;
    sqlite3_stmt *s = NULL;
    int status = sb_store_open(&store, from, why);
    if (store && (sqlite3_prepare_v2(store->db, "VACUUM INTO ?", -1, &s, NULL) != SQLITE_OK ||
                  sqlite3_bind_text(s, 1, to, -1, SQLITE_STATIC) != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE))
        status = fail(store, why);
    sqlite3_finalize(s);
    if (!status)
        status = open_database(&copy, to, SQLITE_OPEN_READWRITE, why);
    if (!status)
        status = execute(copy, without_folders, why);
    /* The first schema had no such table. */
    int code;
    if (!status && read_version(copy, &code) > 1)
        status = execute(copy, libraries_without_folders, why);
    sb_store_close(copy);
    sb_store_close(store);
    return status;
}

/* Read-only: a report must never change what was measured, and works on a read-only disk. */
int sb_store_open(struct sb_store **out, const char *path, char **why)
{
    *out = NULL;
    struct stat st;
    if (access(path, R_OK)) {
        int status = -errno;
        *why = sb_printf("%s can't be read: %s", path, strerror(errno));
        return status;
    }
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        *why = sb_printf("%s is a folder, not a database", path);
        return -EISDIR;
    }
    int code, status = open_database(out, path, SQLITE_OPEN_READONLY, why);
    if (status)
        return status;
    int64_t version = read_version(*out, &code);
    if (version < 0 && code != SQLITE_NOTADB) {
        recover(path);
        version = read_version(*out, &code);
    }
    (*out)->version = version;
    if (version >= 1 && version <= SB_SCHEMA_VERSION)
        return 0;
    if (version < 0 && code != SQLITE_NOTADB)
        *why = sb_printf("%s can't be read: %s", path, sqlite3_errmsg((*out)->db));
    else if (version <= 0)
        *why = sb_printf("%s is not a scullbench database", path);
    else
        *why = sb_printf("%s has schema version %lld; this scullbench reads those up to %d: use a newer one", path,
                         (long long)version, SB_SCHEMA_VERSION);
    sb_store_close(*out);
    *out = NULL;
    return -EINVAL;
}

void sb_store_close(struct sb_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

/* A value of a row. Each kind has its initialiser, so that the compiler sees what is stored where. */
struct value {
    int type; /* SQLITE_TEXT, SQLITE_INTEGER or SQLITE_FLOAT */
    const char *text;
    int64_t integer;
    double real;
};
#define TEXT(value)                                                                                                    \
    {                                                                                                                  \
        .type = SQLITE_TEXT, .text = (value)                                                                           \
    } /* NULL for null */
#define INTEGER(value)                                                                                                 \
    {                                                                                                                  \
        .type = SQLITE_INTEGER, .integer = (value)                                                                     \
    }
#define REAL(value)                                                                                                    \
    {                                                                                                                  \
        .type = SQLITE_FLOAT, .real = (value)                                                                          \
    }

/* One row, of as many values as the statement has parameters. */
static int insert(struct sb_store *store, char **why, const char *sql, const struct value *values, size_t n)
{
    sqlite3_stmt *s = NULL;
    int status = 0;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) != SQLITE_OK)
        return fail(store, why);
    assert((size_t)sqlite3_bind_parameter_count(s) == n && "each parameter has a value");
    for (int i = 0; i < (int)n; i++) {
        if (values[i].type == SQLITE_TEXT)
            sqlite3_bind_text(s, i + 1, values[i].text, -1, SQLITE_TRANSIENT);
        else if (values[i].type == SQLITE_INTEGER)
            sqlite3_bind_int64(s, i + 1, values[i].integer);
        else
            sqlite3_bind_double(s, i + 1, values[i].real);
    }
    if (sqlite3_step(s) != SQLITE_DONE)
        status = fail(store, why);
    sqlite3_finalize(s);
    return status;
}

#define INSERT(store, why, sql, ...)                                                                                   \
    insert(store, why, sql, (const struct value[]){__VA_ARGS__}, SB_COUNT(((const struct value[]){__VA_ARGS__})))

/* Ends the transaction: kept when all went well, else undone. */
static int finish(struct sb_store *store, int status, char **why)
{
    if (!status)
        return execute(store, "COMMIT", why);
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Swept values are rows of their own: how many keys are swept differs by config. */
static int insert_cell(struct sb_store *store, const struct sb_cell_row *c, char **why)
{
    int status = INSERT(store, why, "INSERT INTO cell VALUES(?,?,?,?,?,?,?,?,?,?)", INTEGER(c->id), TEXT(c->label),
                        TEXT(c->allocator), TEXT(c->workload), INTEGER(c->threads), TEXT(c->route), TEXT(c->memory),
                        TEXT(c->cpus), TEXT(c->skip), TEXT(c->settings));
    for (size_t i = 0; i < c->swept.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO swept VALUES(?,?,?)", INTEGER(c->id), TEXT(c->swept.at[i].name),
                        TEXT(c->swept.at[i].value));
    return status;
}

int sb_store_begin(struct sb_store *store, const struct sb_data *head, char **why)
{
    int status = execute(store, "BEGIN IMMEDIATE", why);
    for (size_t i = 0; i < head->meta.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO meta VALUES(?,?)", TEXT(head->meta.at[i].name),
                        TEXT(head->meta.at[i].value));
    for (size_t i = 0; i < head->facts.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO fact VALUES(?,?,?)", TEXT(head->facts.at[i].name),
                        TEXT(head->facts.at[i].value), TEXT(head->facts.at[i].warning));
    for (size_t i = 0; i < head->plugins.n && !status; i++) {
        const struct sb_plugin_row *p = &head->plugins.at[i];
        status = INSERT(store, why, "INSERT INTO plugin VALUES(?,?,?,?,?)", TEXT(p->kind), TEXT(p->name), TEXT(p->path),
                        TEXT(p->build_id), TEXT(p->abi));
    }
    for (size_t i = 0; i < head->cells.n && !status; i++)
        status = insert_cell(store, &head->cells.at[i], why);
    return finish(store, status, why);
}

/* All that belongs to a trial goes into the transaction of its row: it is there whole or not at all. */
static int insert_result(struct sb_store *store, int64_t trial, const struct sb_result *r, char **why)
{
    int status = 0;
    for (size_t i = 0; i < r->metrics.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO metric VALUES(?,?,?,?)", INTEGER(trial), TEXT(r->metrics.at[i].name),
                        TEXT(r->metrics.at[i].unit), REAL(r->metrics.at[i].value));
    for (size_t i = 0; i < r->unavailable.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO unavailable VALUES(?,?,?)", INTEGER(trial),
                        TEXT(r->unavailable.at[i].name), TEXT(r->unavailable.at[i].reason));
    for (size_t i = 0; i < r->series.n && !status; i++) {
        char *points = sb_points_text(&r->series.at[i]);
        status = INSERT(store, why, "INSERT INTO series VALUES(?,?,?,?,?)", INTEGER(trial), TEXT(r->series.at[i].name),
                        INTEGER((int64_t)r->series.at[i].key), TEXT(r->series.at[i].unit), TEXT(points));
        free(points);
    }
    for (size_t i = 0; i < r->latencies.n && !status; i++) {
        const struct sb_latencies *l = &r->latencies.at[i];
        char *counts = sb_counts_text(l);
        status = INSERT(store, why, "INSERT INTO histogram VALUES(?,?,?,?,?,?,?)", INTEGER(trial), TEXT(l->name),
                        TEXT(l->what), INTEGER((int64_t)l->n), INTEGER((int64_t)l->min), INTEGER((int64_t)l->max),
                        TEXT(counts));
        free(counts);
    }
    for (size_t i = 0; i < r->libraries.n && !status; i++)
        status =
            INSERT(store, why, "INSERT INTO library VALUES(?,?,?,?)", INTEGER(trial), TEXT(r->libraries.at[i].path),
                   TEXT(r->libraries.at[i].build_id), TEXT(r->libraries.at[i].version));
    for (size_t i = 0; i < r->dumps.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO dump VALUES(?,?,?)", INTEGER(trial), TEXT(r->dumps.at[i].name),
                        TEXT(r->dumps.at[i].text));
    for (size_t i = 0; i < r->warnings.n && !status; i++)
        status = INSERT(store, why, "INSERT INTO warning VALUES(?,?)", INTEGER(trial), TEXT(r->warnings.at[i]));
    return status;
}

/* Durable when it returns: SQLite syncs at COMMIT. A few milliseconds, between trials. */
int sb_store_add_trial(struct sb_store *store, const struct sb_trial_row *t, char **why)
{
    int status = execute(store, "BEGIN IMMEDIATE", why);
    if (status)
        return status;
    status = INSERT(store, why, "INSERT INTO trial VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", INTEGER(t->number),
                    INTEGER(t->cell), INTEGER(t->repetition), INTEGER((int64_t)t->seed),
                    TEXT(sb_status_name(t->result.status)), TEXT(t->result.reason), TEXT(t->result.phase),
                    TEXT(t->last_words), TEXT(t->started), INTEGER(t->wall_ns), INTEGER((int64_t)t->layout),
                    INTEGER((int64_t)t->simulated), INTEGER(t->retry), INTEGER(t->memory_file));
    if (!status)
        status = insert_result(store, t->number, &t->result, why);
    return finish(store, status, why);
}

int sb_store_set_meta(struct sb_store *store, const char *name, const char *value, char **why)
{
    return INSERT(store, why, "INSERT OR REPLACE INTO meta VALUES(?,?)", TEXT(name), TEXT(value));
}

/* Of the run, not of a trial. */
int sb_store_add_warning(struct sb_store *store, const char *text, char **why)
{
    return INSERT(store, why, "INSERT INTO warning VALUES(NULL,?)", TEXT(text));
}

/* ---- reading ---- */

/* SQLite's text is gone with the next step. */
static char *column(sqlite3_stmt *s, int i)
{
    const unsigned char *text = sqlite3_column_text(s, i);
    return text ? sb_strdup((const char *)text) : NULL;
}

/* Where a row of ours always has a text: one that is missing was altered by somebody, and reads as empty. */
static char *text(sqlite3_stmt *s, int i)
{
    char *value = column(s, i);
    return value ? value : sb_strdup("");
}

/* Calls `take` for each row of a query with at most one integer parameter. */
static int query(struct sb_store *store, const char *sql, int64_t parameter, void (*take)(void *, sqlite3_stmt *),
                 void *context, char **why)
{
    sqlite3_stmt *s = NULL;
    int row = SQLITE_ERROR;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) == SQLITE_OK) {
        if (sqlite3_bind_parameter_count(s))
            sqlite3_bind_int64(s, 1, parameter);
        while ((row = sqlite3_step(s)) == SQLITE_ROW)
            take(context, s);
    }
    int status = row == SQLITE_DONE ? 0 : fail(store, why);
    sqlite3_finalize(s);
    return status;
}

/* Columns that a file's version lacks are read as null. */
static char *as_of_version(const struct sb_store *store, const char *sql)
{
    static const struct {
        int since;
        const char *column;
    } added[] = {{2, " settings"}, {2, " layout"}, {2, " simulated"}, {3, " retry"}, {4, " memory_file"}};
    char *text = sb_strdup(sql);
    for (size_t i = 0; i < SB_COUNT(added); i++) {
        char *at = store->version < added[i].since ? strstr(text, added[i].column) : NULL;
        if (!at)
            continue;
        char *other = sb_printf("%.*s NULL%s", (int)(at - text), text, at + strlen(added[i].column));
        free(text);
        text = other;
    }
    return text;
}

/* One function for each kind of row; columns are numbered as the queries below list them. */
static void take_meta(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    *SB_VEC_ADD(&d->meta) = (struct sb_pair){text(s, 0), text(s, 1)};
}

static void take_fact(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    *SB_VEC_ADD(&d->facts) = (struct sb_fact_row){text(s, 0), column(s, 1), column(s, 2)};
}

static void take_plugin(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    *SB_VEC_ADD(&d->plugins) = (struct sb_plugin_row){text(s, 0), text(s, 1), text(s, 2), text(s, 3), text(s, 4)};
}

/* Column order is that of the query, which stands beside it below. */
static void take_cell(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    *SB_VEC_ADD(&d->cells) = (struct sb_cell_row){.id = sqlite3_column_int64(s, 0),
                                                  .label = text(s, 1),
                                                  .allocator = text(s, 2),
                                                  .workload = text(s, 3),
                                                  .threads = sqlite3_column_int64(s, 4),
                                                  .route = text(s, 5),
                                                  .memory = text(s, 6),
                                                  .cpus = text(s, 7),
                                                  .skip = column(s, 8),
                                                  .settings = column(s, 9)};
}

static void take_swept(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    int64_t cell = sqlite3_column_int64(s, 0);
    for (size_t i = 0; i < d->cells.n; i++) {
        if (d->cells.at[i].id == cell)
            *SB_VEC_ADD(&d->cells.at[i].swept) = (struct sb_pair){text(s, 1), text(s, 2)};
    }
}

/* A status of a later version reads as none, which every report shows as failed. */
static enum sb_status status_of(const char *name)
{
    for (enum sb_status s = SB_STATUS_OK; s < SB_STATUSES; s++) {
        if (name && !strcmp(name, sb_status_name(s)))
            return s;
    }
    return SB_STATUS_NONE;
}

static void take_trial(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    struct sb_trial_row *t = SB_VEC_ADD(&d->trials);
    t->number = sqlite3_column_int64(s, 0);
    t->cell = sqlite3_column_int64(s, 1);
    t->repetition = sqlite3_column_int64(s, 2);
    t->seed = (uint64_t)sqlite3_column_int64(s, 3);
    t->result.status = status_of((const char *)sqlite3_column_text(s, 4));
    t->result.reason = column(s, 5);
    t->result.phase = column(s, 6);
    t->last_words = column(s, 7);
    t->started = column(s, 8);
    t->wall_ns = sqlite3_column_int64(s, 9);
    t->layout = (uint64_t)sqlite3_column_int64(s, 10);
    t->simulated = sqlite3_column_int64(s, 11);
    t->retry = sqlite3_column_int64(s, 12);
    t->memory_file = sqlite3_column_int64(s, 13);
}

/* Trials come in the order of their numbers: the one that a row belongs to is found by bisection. */
static struct sb_result *result_of(struct sb_data *d, int64_t trial)
{
    size_t low = 0, high = d->trials.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->trials.at[middle].number < trial)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->trials.n && d->trials.at[low].number == trial ? &d->trials.at[low].result : NULL;
}

static void take_metric(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = result_of(context, sqlite3_column_int64(s, 0));
    double value = sqlite3_column_double(s, 3);
    if (r && isfinite(value))
        *SB_VEC_ADD(&r->metrics) = (struct sb_metric){text(s, 1), text(s, 2), value};
}

static void take_unavailable(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = result_of(context, sqlite3_column_int64(s, 0));
    if (r)
        *SB_VEC_ADD(&r->unavailable) = (struct sb_unavailable){text(s, 1), text(s, 2)};
}

static void take_warning(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = result_of(context, sqlite3_column_int64(s, 0));
    if (r)
        *SB_VEC_ADD(&r->warnings) = text(s, 1);
}

static void take_library(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = result_of(context, sqlite3_column_int64(s, 0));
    if (r)
        *SB_VEC_ADD(&r->libraries) = (struct sb_library){text(s, 1), text(s, 2), text(s, 3)};
}

/* Without a trial: what speaks about the run as a whole, such as a machine that was busy before it. */
static void take_run_warning(void *context, sqlite3_stmt *s)
{
    struct sb_data *d = context;
    *SB_VEC_ADD(&d->warnings) = text(s, 0);
}

/* By rowid where order matters: tables keep what was inserted in that order. */
struct reading {
    const char *sql;
    void (*take)(void *, sqlite3_stmt *);
};

/* A file that breaks off in the middle is an error here and nowhere later: reports see all of it or
   none. */
static int read_all(struct sb_store *store, struct sb_data *data, const struct reading *queries, size_t n, char **why)
{
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        char *sql = as_of_version(store, queries[i].sql);
        status = query(store, sql, 0, queries[i].take, data, why);
        free(sql);
    }
    return status;
}

/* Enough for a line about a file; the trials of a large run take a second to read. */
static const struct reading head_queries[] = {
    {"SELECT name, value FROM meta ORDER BY rowid", take_meta},
    {"SELECT name, value, warning FROM fact ORDER BY rowid", take_fact},
};

int sb_store_load_head(struct sb_store *store, struct sb_data *data, char **why)
{
    *data = (struct sb_data){.path = sb_strdup(store->path)};
    return read_all(store, data, head_queries, SB_COUNT(head_queries), why);
}

int sb_store_load(struct sb_store *store, struct sb_data *data, char **why)
{
    static const struct reading queries[] = {
        {"SELECT kind, name, path, build_id, abi FROM plugin ORDER BY rowid", take_plugin},
        {"SELECT id, label, allocator, workload, threads, route, memory, cpus, skip, "
         "settings FROM cell ORDER BY id",
         take_cell},
        {"SELECT cell, name, value FROM swept ORDER BY rowid", take_swept},
        {"SELECT number, cell, repetition, seed, status, reason, phase, last_words, started, "
         "wall_ns, layout, simulated, retry, memory_file FROM trial ORDER BY number",
         take_trial},
        {"SELECT trial, name, unit, value FROM metric ORDER BY rowid", take_metric},
        {"SELECT trial, name, reason FROM unavailable ORDER BY rowid", take_unavailable},
        {"SELECT trial, text FROM warning WHERE trial IS NOT NULL ORDER BY rowid", take_warning},
        {"SELECT text FROM warning WHERE trial IS NULL ORDER BY rowid", take_run_warning},
    };
    /* Tables that the first schema lacked; columns are as_of_version's. */
    static const struct reading since_2[] = {
        {"SELECT trial, path, build_id, version FROM library ORDER BY rowid", take_library},
    };
    int status = sb_store_load_head(store, data, why);
    if (!status)
        status = read_all(store, data, queries, SB_COUNT(queries), why);
    if (!status && store->version >= 2)
        status = read_all(store, data, since_2, SB_COUNT(since_2), why);
    for (size_t i = 0; i < data->trials.n && !status; i++) {
        if (sb_data_cell(data, data->trials.at[i].cell))
            continue;
        *why = sb_printf("%s is damaged: trial %lld belongs to no cell", store->path,
                         (long long)data->trials.at[i].number);
        status = -EINVAL;
    }
    return status;
}

static void take_series(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = context;
    struct sb_series *series = SB_VEC_ADD(&r->series);
    series->name = text(s, 0);
    series->key = sqlite3_column_int(s, 1);
    series->unit = text(s, 2);
    sb_read_points((const char *)sqlite3_column_text(s, 3), series);
}

static void take_dump(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = context;
    *SB_VEC_ADD(&r->dumps) = (struct sb_dump){text(s, 0), text(s, 1)};
}

static void take_histogram(void *context, sqlite3_stmt *s)
{
    struct sb_result *r = context;
    struct sb_latencies *l = SB_VEC_ADD(&r->latencies);
    l->name = text(s, 0);
    l->what = text(s, 1);
    l->n = (uint64_t)sqlite3_column_int64(s, 2);
    l->min = (uint64_t)sqlite3_column_int64(s, 3);
    l->max = (uint64_t)sqlite3_column_int64(s, 4);
    sb_read_counts((const char *)sqlite3_column_text(s, 5), l);
}

int sb_store_load_latencies(struct sb_store *store, int64_t trial, struct sb_result *result, char **why)
{
    /* No single call was timed then. */
    if (store->version < 2)
        return 0;
    return query(store, "SELECT name, what, n, min, max, counts FROM histogram WHERE trial = ? ORDER BY rowid", trial,
                 take_histogram, result, why);
}

/* Apart from the rest, for a trial at a time: of a large run these are most of the bytes. */
int sb_store_load_series(struct sb_store *store, int64_t trial, struct sb_result *result, char **why)
{
    int status = query(store, "SELECT name, key, unit, points FROM series WHERE trial = ? ORDER BY rowid", trial,
                       take_series, result, why);
    if (!status)
        status =
            query(store, "SELECT name, text FROM dump WHERE trial = ? ORDER BY rowid", trial, take_dump, result, why);
    return status;
}
