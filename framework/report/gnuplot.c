/*
 * Running gnuplot; the only file that does.
 *
 * Script and data are files, which users want anyway; gnuplot runs as a script (it stops at the first error)
 * with -d (without the user's own settings) in a folder of its own, from which its output is moved once it is
 * known to be whole. Its messages go to a file: a pipe could fill up.
 */
#define _GNU_SOURCE
#include "base/file.h"
#include "report/figure.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Widths: a screen; one column of a paper (84 mm) at 8 points; the same for slides. */
static const struct {
    const char *ending, *terminal, *small;
} outputs[] = {
    {"svg",
     "svg noenhanced size 720,430 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3",
     "10"},
    {"pdf",
     "pdfcairo noenhanced size 8.4cm,5.6cm font 'sans-serif,7' fontscale 0.65 linewidth 0.8 pointscale 0.4",
     "5.5"},
    {"png",
     "pngcairo noenhanced size 1440,860 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth "
     "2.4 pointscale 2",
     "10"},
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

void sb_figures_free(struct sb_figures *figures)
{
    for (size_t i = 0; i < figures->n; i++) {
        free(figures->at[i].id);
        free(figures->at[i].title);
        free(figures->at[i].caption);
        free(figures->at[i].note);
        sb_text_free(&figures->at[i].data);
        sb_text_free(&figures->at[i].script);
    }
    SB_VEC_FREE(figures);
}

/*
 * One script, three outputs by replot, with names relative to its folder: a user edits and runs it
 * anywhere.
 */
static char *whole_script(const struct sb_figure *f)
{
    struct sb_text s = {0};
    sb_text_printf(&s, "# Edit, then run: gnuplot -d %s.gp\n", f->id);
    sb_text_printf(
        &s, "set encoding utf8\nset datafile separator '\\t'\nset datafile missing '-'\ndata = '%s.tsv'\n",
        f->id);
    char *note = sb_gp_quote(f->note ? f->note : "");
    for (size_t i = 0; i < SB_COUNT(outputs); i++) {
        sb_text_printf(&s, "set terminal %s\nset output '%s.%s'\n", outputs[i].terminal, f->id,
                       outputs[i].ending);
        sb_text_printf(&s, "set label 1 %s at graph 0.5,1.045 center tc rgb '#555555' font ',%s'\n", note,
                       outputs[i].small);
        if (i)
            sb_text_printf(&s, "replot\n");
        else
            sb_text_add(&s, f->script.at, f->script.n);
    }
    sb_text_printf(&s, "unset output\n");
    free(note);
    return s.at;
}

static int write_in(const char *dir, const char *id, const char *ending, const char *text, size_t n)
{
    char *path = sb_printf("%s/%s.%s", dir, id, ending);
    int status = sb_write_file(path, text, n);
    free(path);
    return status;
}

/* Runs gnuplot in `dir`; 0 if it ended well. */
static int run_gnuplot(const char *dir, const char *script, char **why)
{
    char gnuplot[] = "gnuplot", d[] = "-d", *file = sb_strdup(script), *argv[] = {gnuplot, d, file, NULL};
    char *log = sb_printf("%s/log", dir);
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int wait_status = 0, status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "log", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    status = -posix_spawnp(&pid, gnuplot, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (status) {
        *why = sb_printf("gnuplot can't be started (%s): install gnuplot-nox", strerror(-status));
    } else if (waitpid(pid, &wait_status, 0) != pid || !WIFEXITED(wait_status) || WEXITSTATUS(wait_status)) {
        char *words = NULL;
        sb_read_file(log, &words, NULL);
        *why = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 127
                   ? sb_printf("gnuplot can't be started: install gnuplot-nox")
                   : sb_printf("gnuplot failed on %s: %s", script, words ? words : "");
        free(words);
        status = -EIO;
    }
    free(log);
    free(file);
    return status;
}

/*
 * cairo 1.16 stamps a PDF with the time, whatever SOURCE_DATE_EPOCH says. Identical input must give identical
 * output, so the digits are replaced; their number stays, hence all offsets in the file.
 */
static int unstamp(const char *path)
{
    static const char key[] = "/CreationDate (D:", epoch[] = "19700101000000";
    char *pdf;
    size_t n;
    int status = sb_read_file(path, &pdf, &n);
    if (status)
        return status;
    char *found = memmem(pdf, n, key, strlen(key));
    if (found && (size_t)(found - pdf) + strlen(key) + strlen(epoch) < n) {
        memcpy(found + strlen(key), epoch, strlen(epoch));
        status = sb_write_file(path, pdf, n);
    }
    free(pdf);
    return status;
}

static int move_output(const char *from, const char *to, const char *id, const char *ending, char **why)
{
    char *source = sb_printf("%s/%s.%s", from, id, ending), *target = sb_printf("%s/%s.%s", to, id, ending);
    struct stat st;
    int status = 0;
    if (stat(source, &st) || !st.st_size) {
        *why = sb_printf("gnuplot wrote no %s.%s", id, ending);
        status = -EIO;
    } else if ((!strcmp(ending, "pdf") && (status = unstamp(source))) ||
               (rename(source, target) && (status = -errno))) {
        *why = sb_printf("%s can't be written: %s", target, strerror(-status));
    }
    free(source);
    free(target);
    return status;
}

/*
 * File by file, only what we know we made: a recursive delete in a folder the user named is not for
 * us.
 */
static void remove_folder(const char *dir, const char *id)
{
    static const char *const endings[] = {"svg", "pdf", "png", "gp", "tsv"};
    for (size_t i = 0; i < SB_COUNT(endings); i++) {
        char *path = sb_printf("%s/%s.%s", dir, id, endings[i]);
        unlink(path);
        free(path);
    }
    char *log = sb_printf("%s/log", dir);
    unlink(log);
    free(log);
    rmdir(dir);
}

int sb_figure_render(const struct sb_figure *f, const char *dir, char **why)
{
    char *work = sb_printf("%s/.work-XXXXXX", dir), *script = whole_script(f),
         *name = sb_printf("%s.gp", f->id);
    int status = mkdtemp(work) ? 0 : -errno;
    if (!status)
        status = write_in(work, f->id, "tsv", sb_text_get(&f->data), f->data.n);
    if (!status)
        status = write_in(work, f->id, "gp", script, strlen(script));
    if (status)
        *why = sb_printf("%s can't be written: %s", work, strerror(-status));
    else
        status = run_gnuplot(work, name, why);
    for (size_t i = 0; i < SB_COUNT(outputs) && !status; i++)
        status = move_output(work, dir, f->id, outputs[i].ending, why);
    if (!status)
        status = move_output(work, dir, f->id, "gp", why);
    if (!status)
        status = move_output(work, dir, f->id, "tsv", why);
    remove_folder(work, f->id);
    free(work);
    free(script);
    free(name);
    return status;
}
