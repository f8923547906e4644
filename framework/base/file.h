/* Whole files and folders. Functions return 0 or a negative errno. */
#ifndef SB_BASE_FILE_H
#define SB_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Reads a file as a string with a 0 behind it (the caller's to free). Directories give -EISDIR. */
int sb_read_file(const char *path, char **text, size_t *length);

/* Of the file's bytes: another number means another file. 0 where it can't be read. */
uint64_t sb_hash_file(const char *path);

/* Reads what is left of an open file; `fd` stays open. */
int sb_read_fd(int fd, char **text, size_t *length);

/* The first line of a short file such as those of /proc and /sys, or NULL. The caller's to free. */
char *sb_read_line(const char *path);

/* Writes to a temporary name beside `path`, then renames: readers see the old file or the new one. */
int sb_write_file(const char *path, const char *text, size_t length);

/* mkdir -p. */
int sb_make_dirs(const char *path);

/* The path of a program in $PATH, or NULL. The caller's to free. */
char *sb_find_program(const char *name);

/* The folder of a file that exists, from the root; or NULL. The caller's to free. */
char *sb_folder_of(const char *path);
/* The folder that holds the running program, or NULL. The caller's to free. */
char *sb_program_dir(void);
/* Something that comes with the program: in its folder under the one name in a build, under the other, as
 * "../lib/...", where it is installed; that it is there is not said. The caller frees it. */
char *sb_find_beside(const char *in_build, const char *installed);

#endif
