/*
 * An artifact as evaluation committees ask for it: "functional" means that its numbers can be made again from
 * its data, "reproduced" that they can be measured again. tar packs it, sorted and without times and owners,
 * so the same database gives the same archive; the compressor is the one that the archive's name asks for.
 */
#define _GNU_SOURCE
#include "analyse/findings.h"
#include "base/child.h"
#include "base/file.h"
#include "base/stop.h"
#include "figure/figure.h"
#include "report/report.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Everything is put into a folder beside the archive, on the same file system, and packed from there. */
struct packer {
    const struct sb_view *view;
    char *folder; /* WORK/NAME: what is packed */
    char **why;
    int status;
};

/* After a failure nothing more is tried, and the first reason is the one that is told. */
static void put(struct packer *p, const char *name, const char *text)
{
    char *path = sb_printf("%s/%s", p->folder, name);
    if (!p->status && (p->status = sb_write_file(path, text, strlen(text))))
        *p->why = sb_printf("%s can't be written: %s", path, strerror(-p->status));
    free(path);
}

/* Enough to judge whether another machine is comparable, without opening anything. */
static void add_setup(const struct packer *p, struct sb_text *out)
{
    struct sb_words builds = sb_find_builds(p->view);
    char *machine = sb_machine_name(&p->view->data);
    sb_text_printf(out,
                   "## Measured on\n\n%s. `topology.xml` is hwloc's description of it; "
                   "report/report.md lists the state it was in. Builds:\n\n",
                   machine);
    for (size_t i = 0; i < builds.n; i++) {
        for (char *c = builds.at[i]; *c; c++)
            *c = *c == '\t' ? ' ' : *c;
        sb_text_printf(out, "    %s\n", builds.at[i]);
    }
    sb_words_free(&builds);
    free(machine);
}

/* " --set 'A=B'" for each line, as a shell reads it. */
static void add_overrides(struct sb_text *out, const char *overrides)
{
    for (const char *line = overrides; line && *line;) {
        size_t n = strcspn(line, "\n");
        sb_text_printf(out, " --set '");
        for (size_t i = 0; i < n; i++)
            sb_text_printf(out, line[i] == '\'' ? "'\\%c'" : "%c", line[i]);
        sb_text_printf(out, "'");
        line += n + (line[n] == '\n');
    }
}

/* How long, and what of the environment and of libraries must be there: what an evaluator asks first. */
static char *what_it_takes(const struct packer *p)
{
    const struct sb_data *d = &p->view->data;
    const char *environment = sb_data_meta(d, "environment");
    struct sb_text text = {0};
    double seconds = 0;
    for (size_t t = 0; t < d->trials.n; t++)
        seconds += (double)d->trials.at[t].wall_ns / 1e9;
    sb_text_printf(&text,
                   "It took %.0f minutes there. On Debian 12 scripts/bench of scullbench's source installs "
                   "what a build and the malloc libraries of a config need.",
                   ceil(seconds / 60));
    if (environment && *environment) {
        sb_text_printf(&text, " The config uses the environment:\n\n");
        for (const char *line = environment; *line;) {
            size_t n = strcspn(line, "\n");
            sb_text_printf(&text, "    %.*s\n", (int)n, line);
            line += n + (line[n] == '\n');
        }
    }
    return text.at;
}

static char *readme(const struct packer *p, const char *name)
{
    struct sb_text out = {0}, set = {0};
    const struct sb_data *d = &p->view->data;
    const char *version = sb_data_meta(d, "scullbench"), *created = sb_data_meta(d, "created"),
               *overrides = sb_data_meta(d, "overrides");
    add_overrides(&set, overrides);
    char *needs = what_it_takes(p);
    sb_text_printf(&out,
                   "# %s\n\nMeasured with scullbench %s, begun %s: %zu cells, %zu trials.\n\n| | |\n"
                   "|---|---|\n| `config.ini` | what was measured, to the letter |\n"
                   "| `data/%s.db` | the raw data, an SQLite database: every trial's status, metrics, "
                   "series, histograms; the folders that plugins lay in are left out |\n"
                   "| `topology.xml` | the machine, for hwloc |\n"
                   "| `report/` | index.html (open it first), report.md, figures, tables, "
                   "the methods' draft |\n\n## Functional: the report from the data\n\n"
                   "Needs scullbench %s and gnuplot, and takes minutes at most:\n\n"
                   "    scullbench report data/%s.db --out again\n"
                   "    diff -r report again      # says nothing: "
                   "they are the same, byte for byte (with gnuplot 5.4)\n"
                   "    scullbench export data/%s.db --format csv > trials.csv\n\n"
                   "A single chart, edited, in a copy of the folder: `cd figures; gnuplot -d NAME.gp`.\n\n"
                   "## Reproduced: the data from the machine\n\n%s\n\n"
                   "    scullbench run config.ini%s --db mine.db\n"
                   "    scullbench compare data/%s.db mine.db\n\n"
                   "`compare` refuses another machine unless told `--anyway`; "
                   "ratios between allocators are then what to look at:\n\n"
                   "    scullbench report data/%s.db mine.db --out both\n\n",
                   name, version ? version : "?", created ? created : "?", d->cells.n, d->trials.n, name,
                   version ? version : "?", name, name, needs, sb_text_get(&set), name, name);
    free(needs);
    sb_text_free(&set);
    add_setup(p, &out);
    return out.at;
}

/* Names of folders: what a config may be called and no shell or file system minds. */
static char *safe_name(const struct sb_view *view)
{
    char *name = sb_printf("%.60s", view->sources.at[0].name);
    for (char *c = name; *c; c++) {
        bool good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                    (c > name && (*c == '.' || *c == '-' || *c == '_'));
        *c = good ? *c : '_';
    }
    return name;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* tar says nothing on success; its complaints go to standard error. */
static void ignore(void *context, const char *line, size_t length)
{
    (void)context;
    (void)line;
    (void)length;
}

static const struct {
    const char *ending, *program, *package;
} archives[] = {
    {".tar.zst", "zstd -q -19 -T0", "zstd"}, {".tar.gz", "gzip -n -9", "gzip"}, {".tar.xz", "xz -q", "xz-utils"}};

/* Which of them a name asks for; their number where none. */
static size_t kind_of(const char *archive)
{
    size_t n = strlen(archive), i = 0;
    while (i < SB_COUNT(archives) &&
           (n <= strlen(archives[i].ending) || strcmp(archive + n - strlen(archives[i].ending), archives[i].ending)))
        i++;
    return i;
}

bool sb_artifact_is_known(const char *archive)
{
    return kind_of(archive) < SB_COUNT(archives);
}

static int pack(const char *work, const char *name, const char *archive, char **why)
{
    const char *program = archives[kind_of(archive)].program;
    char *part = sb_printf("%s/archive", work), *with = sb_printf("--use-compress-program=%s", program),
         *folder = sb_strdup(name), *in = sb_printf("--directory=%s", work), *to = sb_printf("--file=%s", part);
    char *tar = sb_find_program("tar"), create[] = "--create", sort[] = "--sort=name", when[] = "--mtime=@0",
         local[] = "--force-local", owner[] = "--owner=0", group[] = "--group=0", numbers[] = "--numeric-owner",
         mode[] = "--mode=u=rwX,go=rX",
         *argv[] = {tar, create, local, sort, when, owner, group, numbers, mode, with, in, to, folder, NULL};
    struct sb_child_end end = {0};
    const struct sb_child child = {.argv = argv, .deadline_ns = UINT64_MAX, .stop = &sb_stop, .take = ignore};
    int status = tar ? sb_child_run(&child, &end) : -ENOENT;
    if (status)
        *why = sb_printf("tar can't be started: %s", strerror(-status));
    else if (end.stopped) {
        *why = sb_strdup("interrupted: there is no archive");
        status = -EINTR;
    } else if (end.wait_status) {
        *why = sb_printf("tar failed; it needs Debian's package %s: %s", archives[kind_of(archive)].package,
                         end.last_words ? end.last_words : "no reason given");
        status = -EIO;
    } else if (rename(part, archive) && (status = -errno)) {
        *why = sb_printf("%s can't be written: %s", archive, strerror(-status));
    }
    free(end.last_words);
    free(tar);
    free(part);
    free(with);
    free(folder);
    free(in);
    free(to);
    return status;
}

/* The report is made from the copy: what is packed is what was proved to suffice. */
static void put_all(struct packer *p, const char *name, const char *db, struct sb_words *notes)
{
    const struct sb_data *d = &p->view->data;
    const char *config = sb_data_meta(d, "config"), *topology = sb_data_meta(d, "topology");
    char *data = sb_printf("%s/data", p->folder), *copy = sb_printf("%s/%s.db", data, name),
         *report = sb_printf("%s/report", p->folder), *text = readme(p, name);
    struct sb_words dbs = {&copy, 1, 1};
    p->status = sb_make_dirs(data);
    if (p->status)
        *p->why = sb_printf("the folder %s can't be made: %s", data, strerror(-p->status));
    if (!p->status)
        p->status = sb_store_copy(db, copy, p->why);
    put(p, "README.md", text);
    put(p, "config.ini", config ? config : "");
    put(p, "topology.xml", topology ? topology : "");
    if (!p->status)
        p->status = sb_report_write(&dbs, report, NULL, notes, p->why);
    free(text);
    free(report);
    free(copy);
    free(data);
}

int sb_artifact_write(const char *db, const char *archive, struct sb_words *notes, char **why)
{
    /* Beside the archive, so that moving it there is one step. */
    char *work = sb_printf("%s.work-XXXXXX", archive);
    struct sb_view view;
    struct packer p = {.view = &view, .why = why};
    p.status = sb_view_open(&view, db, why);
    if (!p.status && !mkdtemp(work)) {
        p.status = -errno;
        *why = sb_printf("%s can't be written: %s", archive, strerror(errno));
    } else if (!p.status) {
        char *name = safe_name(&view);
        p.folder = sb_printf("%s/%s", work, name);
        put_all(&p, name, db, notes);
        if (!p.status)
            p.status = pack(work, name, archive, why);
        nftw(work, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(p.folder);
        free(name);
    }
    sb_view_close(&view);
    free(work);
    return p.status;
}
