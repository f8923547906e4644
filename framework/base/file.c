/* Whole files: read at once, written atomically. */
#define _GNU_SOURCE
#include "base/file.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In pieces: files of /proc say 0 bytes and hold more. */
int sb_read_fd(int fd, char **text, size_t *length)
{
    struct sb_text content = {0};
    char buffer[65536];
    ssize_t n;
    sb_text_add(&content, "", 0);
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        sb_text_add(&content, buffer, (size_t)n);
    if (n < 0) {
        int status = -errno;
        sb_text_free(&content);
        return status;
    }
    *text = content.at;
    if (length)
        *length = content.n;
    return 0;
}

int sb_read_file(const char *path, char **text, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = sb_read_fd(fd, text, length);
    close(fd);
    return status;
}

/* FNV-1a, as sb_hash: what decides is whether a file is the same, not who might have forged it. */
uint64_t sb_hash_file(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char *bytes = NULL;
    size_t n = 0;
    if (sb_read_file(path, &bytes, &n))
        return 0;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    free(bytes);
    return hash;
}

/* For /sys and /proc, where a file is one line; a missing one is an answer, too. */
char *sb_read_line(const char *path)
{
    char *text = NULL;
    if (sb_read_file(path, &text, NULL) || !text)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(fd, text, length);
        if (n < 0)
            return -errno;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

/* The rename is the commit: a reader, or a crash, sees the old content or the new, never half. */
int sb_write_file(const char *path, const char *text, size_t length)
{
    /* In the same folder, since a rename can't cross file systems; with the process's number, since two
       may write the same. */
    char *temporary = sb_printf("%s.tmp%ld", path, (long)getpid());
    int status = 0;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0) {
        status = -errno;
        goto out;
    }
    status = write_all(fd, text, length);
    /* Some file systems tell only here that the disk is full. */
    if (close(fd) && !status)
        status = -errno;
    if (!status && rename(temporary, path))
        status = -errno;
    if (status)
        unlink(temporary);
out:
    free(temporary);
    return status;
}

/* A file where a folder should be is only noticed at the end, by looking: mkdir says EEXIST for both. */
int sb_make_dirs(const char *path)
{
    char *copy = sb_strdup(path);
    int status = 0;
    for (char *p = copy + 1; *copy; p++) {
        char c = *p;
        if (c && c != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST) {
            status = -errno;
            break;
        }
        if (!c)
            break;
        *p = c;
    }
    struct stat st;
    if (!status && *copy && (stat(copy, &st) || !S_ISDIR(st.st_mode)))
        status = -ENOTDIR;
    free(copy);
    return status;
}

/* To say beforehand that a program is missing, where exec would say it afterwards. */
char *sb_find_program(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = sb_strdup(path ? path : "/usr/bin"), *state = NULL, *found = NULL;
    for (char *dir = strtok_r(copy, ":", &state); dir && !found; dir = strtok_r(NULL, ":", &state)) {
        found = sb_printf("%s/%s", dir, name);
        if (access(found, X_OK)) {
            free(found);
            found = NULL;
        }
    }
    free(copy);
    return found;
}

/* The kernel's word for it: argv[0] may be anything. */
char *sb_program_dir(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return sb_strdup(path);
}

char *sb_find_beside(const char *in_build, const char *installed)
{
    char *folder = sb_program_dir(), *built = sb_printf("%s/%s", folder ? folder : ".", in_build);
    if (access(built, R_OK)) {
        free(built);
        built = sb_printf("%s/%s", folder ? folder : ".", installed);
    }
    free(folder);
    return built;
}

char *sb_folder_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *folder = sb_strndup(slash ? path : ".", slash && slash > path ? (size_t)(slash - path) : 1);
    /* Of a link to a config the folder is the link's, which the user named. */
    char *whole = path && !access(path, F_OK) ? realpath(folder, NULL) : NULL;
    free(folder);
    return whole;
}
