/*
 * Running gnuplot; the only file that does.
 *
 * Script and data are files, which users want anyway; gnuplot runs as a script (it stops at the first error)
 * with -d (without the user's own settings) in a folder of its own, from which its output is moved once it is
 * known to be whole. Its messages go to a file: a pipe could fill up. As many run at a time as there are
 * CPUs.
 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/stop.h"
#include "figure/figure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/*
 * What one script makes. On a screen: title and note within. On paper: one column (84 mm) or two (178 mm) at
 * 8 points, without a title, which is the caption's; for TeX the same at one column, with its own fonts.
 */
enum { OUTPUTS = 6 };
static const struct {
    const char *name, *terminal, *suffix, *small;
    double width, stretch; /* width in cm or pixels; height is the figure's times stretch */
} outputs[] = {
    {"svg", "svg noenhanced size %.0f,%.0f dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3",
     ".svg", ",10", 720, 78},
    {"png",
     "pngcairo noenhanced size %.0f,%.0f background '#ffffff' font 'sans-serif,13' fontscale "
     "1.9 linewidth 2.4 pointscale 2",
     ".png", ",10", 1440, 156},
    {"column",
     "pdfcairo noenhanced size %.1fcm,%.2fcm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 "
     "pointscale 0.45",
     ".pdf", ",6", 8.4, 1},
    {"wide",
     "pdfcairo noenhanced size %.1fcm,%.2fcm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 "
     "pointscale 0.55",
     "-wide.pdf", ",7", 17.8, 1.05},
    {"latex", "cairolatex pdf colourtext size %.1fcm,%.2fcm header '\\footnotesize' linewidth 0.8 pointscale 0.45",
     "-latex.tex", ",6", 8.4, 1},
    {"tikz", "tikz size %.1fcm,%.2fcm font '\\footnotesize'", "-tikz.tex", "", 8.4, 1},
};

_Static_assert(SB_COUNT(outputs) == OUTPUTS, "terminals are counted where it is known which gnuplot has");

/* Files of each output; the two of cairolatex belong together. */
static const struct {
    const char *ending;
    size_t output; /* OUTPUTS: of none */
} files[] = {{".svg", 0},       {".png", 1},      {".pdf", 2},      {"-wide.pdf", 3}, {"-latex.tex", 4},
             {"-latex.pdf", 4}, {"-tikz.tex", 5}, {".gp", OUTPUTS}, {".tsv", OUTPUTS}};

/* A gnuplot is built with terminals or without; one that lacks some still draws the rest. */
struct terminals {
    bool has[OUTPUTS];
};

char *sb_gp_quote(const char *text)
{
    struct sb_text quoted = {0};
    sb_text_add(&quoted, "'", 1);
    for (; *text; text++) {
        if (*text == '\'')
            sb_text_add(&quoted, "''", 2);
        else if ((unsigned char)*text >= 0x20 && *text != 0x7f)
            sb_text_add(&quoted, text, 1);
    }
    sb_text_add(&quoted, "'", 1);
    return quoted.at;
}

void sb_figure_free(struct sb_figure *f)
{
    free(f->id);
    free(f->kind);
    free(f->title);
    free(f->caption);
    free(f->note);
    sb_text_free(&f->data);
    sb_text_free(&f->script);
}

void sb_figures_free(struct sb_figures *figures)
{
    for (size_t i = 0; i < figures->n; i++)
        sb_figure_free(&figures->at[i]);
    SB_VEC_FREE(figures);
}

/*
 * gnuplot has no function that replaces, so texts are taken apart in halves: a recursion as deep as the
 * logarithm of their length, since gnuplot's stack holds 250 calls.
 */
static const char functions[] =
    "# What TeX takes for its own is escaped when the output is TeX's; "
    "in tics gnuplot's own % as well.\ntex = 0\ntex1(c) = strlen(c) == 0 ? "
    "'' : strstrt('#$%&_{}', c) ? '\\'.c : c eq '\\' ? '\\textbackslash{}' : \\\n"
    "  c eq '~' ? '\\textasciitilde{}' : c eq '^' ? '\\textasciicircum{}' : c eq '<' ? "
    "'\\textless{}' : \\\n  c eq '>' ? '\\textgreater{}' : c eq '|' ? '\\textbar{}' : "
    "c eq '\"' ? '\\textquotedbl{}' : c\nescaped(s) = strlen(s) < 2 ? "
    "tex1(s) : escaped(s[1:strlen(s)/2]).escaped(s[strlen(s)/2+1:*])\n"
    "percent(s) = strlen(s) < 2 ? (s eq '%' ? '%%' : s) : "
    "percent(s[1:strlen(s)/2]).percent(s[strlen(s)/2+1:*])\n"
    "# A label that begins with a bracket would be taken for where to put it.\nt(s) = tex ? "
    "(s[1:1] eq '[' ? '{}' : '').escaped(s) : s\ntic(s) = percent(t(s))\nlittle(s) = tex ? "
    "'\\scriptsize '.s : s\n";

/* Sizes stand in the script as numbers, so that a user who wants another changes one. */
static void add_outputs(struct sb_text *s, const struct sb_figure *f, const struct terminals *t)
{
    for (size_t i = 0; i < SB_COUNT(outputs); i++) {
        if (!t->has[i])
            continue;
        double height = f->height * outputs[i].stretch;
        if (height < 430 && outputs[i].stretch == 78)
            height = 430;
        if (height < 860 && outputs[i].stretch == 156)
            height = 860;
        sb_text_printf(s, "  if (out eq '%s') { set terminal ", outputs[i].name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        sb_text_printf(s, outputs[i].terminal, outputs[i].width, height);
#pragma GCC diagnostic pop
        sb_text_printf(s, "; set output '%s%s'; small = '%s' }\n", f->id, outputs[i].suffix, outputs[i].small);
    }
}

/* Margins are given, for gnuplot would make each panel as large as its own labels leave. */
static void add_panels(struct sb_text *s, const struct sb_figure *f)
{
    size_t rows = (f->panels + f->across - 1) / f->across;
    sb_text_printf(s,
                   "  top = screen ? %.4f : %.4f\n  set multiplot layout %zu,%zu margins screen "
                   "0.15,0.97,%.4f,top spacing screen 0.1,%.4f\n"
                   "  if (screen) { set label 1 title at screen 0.5,%.4f center; "
                   "set label 2 note at screen 0.5,%.4f center tc rgb '#555555' font small }\n",
                   1 - 1.35 / f->height, 1 - 0.5 / f->height, rows, f->across, f->bottom / f->height,
                   f->between / f->height, 1 - 0.3 / f->height, 1 - 0.7 / f->height);
}

/* One script makes all outputs, with names relative to its folder: a user edits and runs it anywhere. */
static char *whole_script(const struct sb_figure *f, const struct terminals *t)
{
    struct sb_text s = {0};
    size_t keep = sb_utf8_cut(f->title, 107);
    char *brief = sb_printf("%.*s%s", (int)keep, f->title, f->title[keep] ? "..." : "");
    char *title = sb_gp_quote(brief), *note = sb_gp_quote(f->note ? f->note : "");
    sb_text_printf(&s,
                   "# Edit, then run: gnuplot -d %s.gp\nset encoding utf8\ndata = '%s.tsv'\n"
                   "# On paper the caption has these two.\ntitle = %s\nnote = %s\n%s",
                   f->id, f->id, title, note, functions);
    sb_text_printf(&s, "do for [out in '");
    for (size_t i = 0; i < SB_COUNT(outputs); i++) {
        if (t->has[i])
            sb_text_printf(&s, "%s%s", i ? " " : "", outputs[i].name);
    }
    sb_text_printf(&s, "'] {\n  reset\n  set datafile separator '\\t'\n  set datafile missing '-'\n"
                       "  tex = out eq 'latex' || out eq 'tikz'\n  screen = out eq 'svg' || out eq 'png'\n"
                       "  up = tex ? 0.0 : 1.0\n  near = tex ? 0.55 : 1.0\n");
    add_outputs(&s, f, t);
    if (f->panels)
        add_panels(&s, f);
    else
        sb_text_printf(&s, "  if (screen) { set title title offset 0,0.7; "
                           "set label 1 note at graph 0.5,1.045 center tc rgb '#555555' font small }\n");
    sb_text_add(&s, f->script.at, f->script.n);
    sb_text_printf(&s, "%s  unset output\n}\n", f->panels ? "  unset multiplot\n" : "");
    free(brief);
    free(title);
    free(note);
    return s.at;
}

static int write_in(const char *dir, const char *id, const char *ending, const char *text, size_t n)
{
    char *path = sb_printf("%s/%s%s", dir, id, ending);
    int status = sb_write_file(path, text, n);
    free(path);
    return status;
}

/* One gnuplot under way. */
struct job {
    pid_t pid;
    char *id;   /* of the figure; NULL: gnuplot's own style for TikZ */
    char *work; /* the folder it works in; NULL: none is under way */
    const struct terminals *terminals;
};

static const char *const style_files[] = {"gnuplot-lua-tikz.sty", "gnuplot-lua-tikz.tex", "gnuplot-lua-tikz-common.tex",
                                          "t-gnuplot-lua-tikz.tex", NULL};

static int spawn(pid_t *pid, const char *dir, char *const argv[])
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "log", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int status = -posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

/* Data before the script: a script that is there can be run. */
static int write_job(const struct job *job, const struct sb_figure *f)
{
    char *script = whole_script(f, job->terminals);
    int status = write_in(job->work, f->id, ".tsv", sb_text_get(&f->data), f->data.n);
    if (!status)
        status = write_in(job->work, f->id, ".gp", script, strlen(script));
    free(script);
    return status;
}

/* A figure, or, with NULL, the style that TikZ figures need: gnuplot writes it itself, so it fits its
 * version. */
static int start(struct job *job, const struct sb_figure *f, const struct terminals *t, const char *dir, char **why)
{
    char gnuplot[] = "gnuplot", d[] = "-d", e[] = "-e", command[] = "set terminal tikz createstyle";
    char *name = f ? sb_printf("%s.gp", f->id) : NULL;
    char *draw[] = {gnuplot, d, name, NULL}, *style[] = {gnuplot, d, e, command, NULL};
    *job = (struct job){.id = f ? sb_strdup(f->id) : NULL, .work = sb_printf("%s/.work-XXXXXX", dir), .terminals = t};
    int status = mkdtemp(job->work) ? 0 : -errno;
    if (!status && f)
        status = write_job(job, f);
    if (status)
        *why = sb_printf("%s can't be written: %s", job->work, strerror(-status));
    else if ((status = spawn(&job->pid, job->work, f ? draw : style)))
        *why = sb_printf("gnuplot can't be started (%s): install gnuplot-nox", strerror(-status));
    free(name);
    return status;
}

/*
 * What programs stamp with the time is made to say nothing: identical input must give identical output. In a
 * PDF the digits are replaced; their number stays, hence all offsets in the file.
 */
static int unstamp_pdf(const char *path)
{
    static const char key[] = "/CreationDate (D:", epoch[] = "19700101000000";
    char *text;
    size_t n;
    int status = sb_read_file(path, &text, &n);
    if (status)
        return status;
    char *found = memmem(text, n, key, strlen(key));
    if (found && (size_t)(found - text) + strlen(key) + strlen(epoch) < n) {
        memcpy(found + strlen(key), epoch, strlen(epoch));
        status = sb_write_file(path, text, n);
    } else {
        status = -EPROTO; /* another cairo, perhaps one that needs none of this */
    }
    free(text);
    return status;
}

/* TikZ files say in comments below their first line when they were made, and by what. */
static int unstamp_tikz(const char *path)
{
    char *text;
    size_t n;
    int status = sb_read_file(path, &text, &n);
    if (status)
        return status;
    char *second = strchr(text, '\n');
    char *third = second ? strchr(second + 1, '\n') : NULL;
    while (third && second[1] == '%') {
        memmove(second, third, n - (size_t)(third - text) + 1);
        n -= (size_t)(third - second);
        third = strchr(second + 1, '\n');
    }
    status = sb_write_file(path, text, n);
    free(text);
    return status;
}

static int move_output(const char *from, const char *to, const char *name, char **why)
{
    char *source = sb_printf("%s/%s", from, name), *target = sb_printf("%s/%s", to, name);
    size_t n = strlen(name);
    struct stat st;
    int status = 0;
    /* gnuplot ends well although a terminal of its isn't built in: the empty file tells. */
    if (stat(source, &st) || !st.st_size) {
        *why = sb_printf("gnuplot wrote no %s", name);
        status = -EIO;
    } else {
        if (n > 4 && !strcmp(name + n - 4, ".pdf"))
            status = unstamp_pdf(source);
        else if (n > 9 && !strcmp(name + n - 9, "-tikz.tex"))
            status = unstamp_tikz(source);
        if (!status && rename(source, target))
            status = -errno;
        if (status == -EPROTO)
            *why = sb_printf("%s bears no date where cairo 1.16 writes one, so two reports of one database would "
                             "differ: use Debian 12's gnuplot-nox, or tell us of this one",
                             name);
        else if (status)
            *why = sb_printf("%s can't be written: %s", target, strerror(-status));
    }
    free(source);
    free(target);
    return status;
}

/* The i-th file that a job makes, or NULL behind the last. */
static char *file_of(const struct job *job, size_t i)
{
    const char *name = !job->id ? style_files[i] : i < SB_COUNT(files) ? files[i].ending : NULL;
    return name ? sb_printf("%s%s", job->id ? job->id : "", name) : NULL;
}

static bool is_made(const struct job *job, size_t i)
{
    return !job->id || files[i].output == OUTPUTS || job->terminals->has[files[i].output];
}

/*
 * File by file, only what we know we made: a recursive delete in a folder the user named is not for
 * us.
 */
static void clear(struct job *job)
{
    char *name, *path;
    for (size_t i = 0; job->work && (name = file_of(job, i)); i++) {
        path = sb_printf("%s/%s", job->work, name);
        unlink(path);
        free(path);
        free(name);
    }
    if (job->work) {
        path = sb_printf("%s/log", job->work);
        unlink(path);
        free(path);
        rmdir(job->work);
    }
    free(job->work);
    free(job->id);
    *job = (struct job){0};
}

static int finish(struct job *job, const char *dir, int wait_status, char **why)
{
    int status = 0;
    char *name;
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status)) {
        char *words = NULL, *log = sb_printf("%s/log", job->work);
        sb_read_file(log, &words, NULL);
        *why = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 127
                   ? sb_printf("gnuplot can't be started: install gnuplot-nox")
                   : sb_printf("gnuplot failed on %s: %s", job->id ? job->id : "its TikZ style", words ? words : "");
        free(words);
        free(log);
        status = -EIO;
    }
    for (size_t i = 0; !status && (name = file_of(job, i)); i++) {
        if (is_made(job, i))
            status = move_output(job->work, dir, name, why);
        free(name);
    }
    return status;
}

/* Ctrl-C reaches our children as well, a kill only us. */
static void kill_all(const struct job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].work)
            kill(jobs[i].pid, SIGKILL);
    }
}

static struct job *job_of(struct job *jobs, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].work && jobs[i].pid == pid)
            return &jobs[i];
    }
    return NULL;
}

/* Whichever ends first; the first failure is the one that is told, for the next would fail alike. Whoever
 * started us by exec may have left us children of its own: those are passed over. */
static int reap(struct job *jobs, size_t n, const char *dir, char **why)
{
    int wait_status, status = 0;
    struct job *job = NULL;
    pid_t pid;
    do {
        if (sb_stop)
            kill_all(jobs, n);
        pid = waitpid(-1, &wait_status, 0);
        job = pid > 0 ? job_of(jobs, n, pid) : NULL;
    } while (pid < 0 ? errno == EINTR : !job);
    if (!job) {
        status = -errno;
        *why = *why ? *why : sb_printf("gnuplot's end can't be waited for: %s", strerror(-status));
        return status;
    }
    status = *why || sb_stop ? 0 : finish(job, dir, wait_status, why);
    clear(job);
    return status;
}

/* Of its own word; where it gives none all are tried. */
static int find_terminals(struct terminals *t, const char *dir, struct sb_words *notes, char **why)
{
    char gnuplot[] = "gnuplot", d[] = "-d", e[] = "-e", command[] = "print GPVAL_TERMINALS";
    char *argv[] = {gnuplot, d, e, command, NULL}, *log = sb_printf("%s/log", dir), *words = NULL;
    struct sb_text lacks = {0};
    int wait_status = 0;
    pid_t pid;
    int status = spawn(&pid, dir, argv);
    if (status)
        *why = sb_printf("gnuplot can't be started (%s): install gnuplot-nox", strerror(-status));
    while (!status && waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    sb_read_file(log, &words, NULL);
    bool known = words && strstr(words, "svg");
    for (size_t i = 0; i < OUTPUTS; i++) {
        char *name = sb_strndup(outputs[i].terminal, strcspn(outputs[i].terminal, " "));
        t->has[i] = !known || strstr(words, name);
        if (!t->has[i] && !(lacks.n && strstr(lacks.at, name)))
            sb_text_printf(&lacks, "%s%s", lacks.n ? ", " : "", name);
        free(name);
    }
    if (lacks.n)
        *SB_VEC_ADD(notes) =
            sb_printf("this gnuplot was built without %s: figures lack the files that those make (PNG and PDF "
                      "need cairo, TikZ needs Lua; Debian's gnuplot-nox has all)",
                      lacks.at);
    unlink(log);
    sb_text_free(&lacks);
    free(words);
    free(log);
    return status;
}

int sb_figures_render(const struct sb_figures *figures, const char *dir, void (*progress)(size_t, size_t),
                      struct sb_words *notes, char **why)
{
    struct terminals terminals = {0};
    /* More would wait for the disk. */
    enum { MOST = 16 };
    struct job jobs[MOST] = {0};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t slots = cpus < 1 ? 1 : cpus > MOST ? MOST : (size_t)cpus, running = 0, begun = 0, done = 0;
    /* cairo writes the zone of the user's clock into PDFs: the same bytes everywhere. */
    setenv("TZ", "UTC", 1);
    /* Inherited as ignored, ends of children could not be waited for. */
    signal(SIGCHLD, SIG_DFL);
    int status = figures->n ? find_terminals(&terminals, dir, notes, why) : 0;
    /* The style first, for it is one file for all. */
    size_t styles = terminals.has[OUTPUTS - 1], all = figures->n ? figures->n + styles : 0;
    while ((begun < all && !status && !sb_stop) || running) {
        if (begun < all && running < slots && !status && !sb_stop) {
            size_t i = 0;
            while (jobs[i].work)
                i++;
            status = start(&jobs[i], begun < styles ? NULL : &figures->at[begun - styles], &terminals, dir, why);
            begun++;
            running += !status;
            if (status)
                clear(&jobs[i]);
            continue;
        }
        int reaped = reap(jobs, slots, dir, why);
        status = status ? status : reaped;
        running = reaped == -ECHILD ? 0 : running - 1;
        progress(++done, all);
    }
    if (sb_stop) {
        free(*why);
        *why = sb_printf("interrupted: the report is not whole");
        status = -EINTR;
    }
    return status;
}
