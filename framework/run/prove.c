/*
 * What passed is remembered in $XDG_CACHE_HOME/scullbench/checked (or ~/.cache/...), a line each: by the
 * bytes of the plugin, of the libraries that it loads with its options, and of the program that checks, and
 * by the options. A build-id is whatever the linker was told. What failed is tried again each time, for it
 * says what is wrong. Where nothing can be remembered everything is checked each time.
 */
#define _GNU_SOURCE
#include "run/prove.h"

#include "base/diag.h"
#include "base/file.h"
#include "base/units.h"
#include "check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *cache_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return sb_printf("%s/scullbench/checked", cache);
    return home && *home == '/' ? sb_printf("%s/.cache/scullbench/checked", home) : NULL;
}

/* The options of a cell's allocator, name and value in turn. */
static struct sb_words options_of(const struct sb_cell *cell)
{
    struct sb_words options = {0};
    const struct sb_ini *ini = &cell->settings;
    const struct sb_ini_section *section = sb_ini_section(ini, "allocator", cell->allocator->name);
    for (size_t i = 0; section && i < section->n; i++) {
        if (!strcmp(section->at[i].key, "file"))
            continue;
        *SB_VEC_ADD(&options) = sb_strdup(section->at[i].key);
        *SB_VEC_ADD(&options) = sb_strdup(section->at[i].value);
    }
    return options;
}

/* The bytes of the program that checks, and of each plugin. */
struct bytes {
    uint64_t check, *plugins;
};

static struct bytes read_bytes(const struct sb_plugins *plugins)
{
    char *folder = sb_program_dir(), *check = sb_printf("%s/scullbench-check", folder ? folder : ".");
    struct bytes b = {sb_hash_file(check), sb_calloc(plugins->n, sizeof(*b.plugins))};
    for (size_t i = 0; i < plugins->n; i++)
        b.plugins[i] = sb_hash_file(plugins->at[i]->path);
    free(check);
    free(folder);
    return b;
}

static uint64_t bytes_of(const struct bytes *b, const struct sb_plugins *plugins, const struct sb_plugin *plugin)
{
    size_t i = 0;
    while (plugins->at[i] != plugin)
        i++;
    return b->plugins[i];
}

static char *key_of(const struct bytes *b, const struct sb_plugins *plugins, const struct sb_plugin *plugin,
                    const struct sb_words *options)
{
    struct sb_text text = {0};
    sb_text_printf(&text, "%016llx %s", (unsigned long long)b->check, plugin->path);
    for (size_t i = 0; i < options->n; i++)
        sb_text_printf(&text, "\n%s", options->at[i]);
    char *key = sb_printf("%016llx-%016llx", (unsigned long long)bytes_of(b, plugins, plugin),
                          (unsigned long long)sb_hash(text.at));
    sb_text_free(&text);
    return key;
}

static bool is_known(const char *path, const char *key)
{
    char *text = NULL, *line;
    bool known = false;
    if (!path || sb_read_file(path, &text, NULL))
        return false;
    size_t n = strlen(key);
    for (line = text; (line = strstr(line, key)) && !known; line += n)
        known = (line == text || line[-1] == '\n') && line[n] == '\n';
    free(text);
    return known;
}

/* One line, appended in one write: runs side by side don't mix theirs. A cache that can't be written is none.
 */
static void remember(const char *path, const char *key)
{
    char *folder = path ? sb_strdup(path) : NULL, *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash) {
        *slash = '\0';
        sb_make_dirs(folder);
        /* Ours alone: who can write it decides what is measured unchecked. */
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0) {
            dprintf(fd, "%s\n", key);
            close(fd);
        }
    }
    free(folder);
}

static void show(void *context, const struct sb_property *property, size_t at, size_t all)
{
    const struct sb_cell *cell = context;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Kchecking %s: %s [%zu/%zu]", cell->allocator->name, property->name, at + 1, all);
}

/* The first failure, in one line; NULL where all is well. */
static char *first_failure(const struct sb_check_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        if (report->at[i].result == SB_CHECK_FAIL)
            return sb_printf("invalid: `scullbench check` finds a promise broken, %s: %s", report->at[i].property->name,
                             report->at[i].why);
    }
    return NULL;
}

static int check_it(const struct sb_check_request *request, volatile sig_atomic_t *stop, char **failure, bool *passed,
                    char **why)
{
    struct sb_check_report report;
    int status = sb_check(&report, request, stop, why);
    *failure = status ? NULL : first_failure(&report);
    *passed = !status && !report.failed && report.passed && !report.machine;
    for (size_t i = 0; i < report.n && !status && !*failure; i++) {
        if (!report.at[i].machine)
            continue;
        *why =
            sb_printf("the check of %s before the run was cut short twice, and nothing is said of the plugin: %s: %s",
                      request->plugin->name, report.at[i].property->name, report.at[i].why);
        status = -EAGAIN;
    }
    sb_check_report_free(&report);
    return status;
}

/* What one allocator with one set of options came to. */
struct verdict {
    char *key, *failure;
};
struct verdicts {
    SB_VEC_OF(struct verdict);
};

static const struct verdict *find_verdict(const struct verdicts *verdicts, const char *key)
{
    for (size_t i = 0; i < verdicts->n; i++) {
        if (!strcmp(verdicts->at[i].key, key))
            return &verdicts->at[i];
    }
    return NULL;
}

static void free_verdicts(struct verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->n; i++) {
        free(verdicts->at[i].key);
        free(verdicts->at[i].failure);
    }
    SB_VEC_FREE(verdicts);
}

/* One that can't be opened in the check's memory is left to its trials, which say why. */
static int prove_options(const struct sb_cell *cell, const struct sb_words *options, const char *key, const char *path,
                         volatile sig_atomic_t *stop, char **failure, char **why)
{
    struct sb_check_request request = {.plugin = cell->allocator->plugin,
                                       .options = options,
                                       .seed = 1,
                                       .memory = UINT64_C(64) << 20,
                                       .quick = true,
                                       .progress = show,
                                       .context = (void *)cell};
    char *closed = NULL, *loaded = NULL, *line = NULL;
    bool passed = false;
    int status = sb_check_loaded(&request, stop, &loaded, &closed);
    if (status) {
        *why = status == -EINTR
                   ? sb_strdup(closed)
                   : sb_printf("the check before the run can't be made: %s; --no-check measures without it", closed);
        goto out;
    }
    line = loaded ? sb_printf("%s-%s", key, loaded) : NULL;
    if (line && !is_known(path, line)) {
        if (!isatty(STDERR_FILENO))
            fprintf(stderr, "checking %s\n", cell->allocator->name);
        status = check_it(&request, stop, failure, &passed, why);
        if (passed)
            remember(path, line);
    }
out:
    free(line);
    free(loaded);
    free(closed);
    return status;
}

static int prove_cell(const struct sb_plan *plan, struct sb_cell *cell, const struct bytes *bytes,
                      struct verdicts *verdicts, const char *path, volatile sig_atomic_t *stop, char **why)
{
    struct sb_words options = options_of(cell);
    char *key = key_of(bytes, plan->plugins, cell->allocator->plugin, &options);
    const struct verdict *known = find_verdict(verdicts, key);
    int status = 0;
    if (!known) {
        struct verdict *v = SB_VEC_ADD(verdicts);
        *v = (struct verdict){sb_strdup(key), NULL};
        status = prove_options(cell, &options, key, path, stop, &v->failure, why);
        known = v;
    }
    if (!status && known->failure)
        cell->skip = sb_strdup(known->failure);
    free(key);
    sb_words_free(&options);
    return status;
}

int sb_run_prove(struct sb_plan *plan, volatile sig_atomic_t *stop, size_t *invalid, char **why)
{
    struct verdicts verdicts = {0};
    struct bytes bytes = read_bytes(plan->plugins);
    char *path = cache_path();
    int status = 0;
    *invalid = 0;
    for (size_t i = 0; i < plan->cells.n && !status; i++) {
        struct sb_cell *cell = &plan->cells.at[i];
        if (cell->skip)
            continue;
        status = prove_cell(plan, cell, &bytes, &verdicts, path, stop, why);
        if (cell->skip) {
            if (isatty(STDERR_FILENO))
                fprintf(stderr, "\r\033[K");
            sb_error("%s: %s", cell->label, cell->skip);
            ++*invalid;
        }
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    free_verdicts(&verdicts);
    free(bytes.plugins);
    free(path);
    return status;
}

static char *open_once(const struct sb_cell *cell, const struct sb_words *options, uint64_t memory,
                       volatile sig_atomic_t *stop)
{
    struct sb_check_request request = {
        .plugin = cell->allocator->plugin, .options = options, .seed = 1, .memory = memory, .quick = true};
    char *why = NULL, *loaded = NULL;
    sb_check_loaded(&request, stop, &loaded, &why);
    free(loaded);
    return why;
}

size_t sb_run_openings(const struct sb_plan *plan, volatile sig_atomic_t *stop, FILE *out)
{
    struct verdicts verdicts = {0};
    struct bytes bytes = read_bytes(plan->plugins);
    size_t closed = 0;
    for (size_t i = 0; i < plan->cells.n && !*stop; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        if (cell->skip)
            continue;
        struct sb_words options = options_of(cell);
        uint64_t memory = cell->memory_bytes;
        char *with = key_of(&bytes, plan->plugins, cell->allocator->plugin, &options),
             *key = sb_printf("%s-%llu", with, (unsigned long long)memory);
        if (!find_verdict(&verdicts, key)) {
            struct verdict v = {sb_strdup(key), open_once(cell, &options, memory, stop)};
            *SB_VEC_ADD(&verdicts) = v;
            if (v.failure)
                fprintf(out, "%s  %s: %s\n", closed++ ? "" : "\nwill fail:\n", cell->allocator->name, v.failure);
        }
        free(key);
        free(with);
        sb_words_free(&options);
    }
    free_verdicts(&verdicts);
    free(bytes.plugins);
    return closed;
}
