/*
 * The memory files that trials of one block share: all run on the same physical pages, which pairs them, and
 * pages are made once. The next block gets new ones.
 */
#ifndef SB_RUN_MEMORY_FILE_H
#define SB_RUN_MEMORY_FILE_H

#include "base/vec.h"

#include "plan/plan.h"

/* One file for each kind of pages and each binding that a block's cells ask for. */
struct sb_memory_file {
    const struct sb_cell *first; /* that it was made for */
    int fd;
    uint64_t present; /* bytes that a trial before has made, bound and perhaps written to */
    uint32_t generation;
};

struct sb_memory_files {
    uint32_t block;       /* that they belong to */
    uint32_t generations; /* files made so far */
    SB_VEC_OF(struct sb_memory_file);
};

/*
 * The file for this trial, made where there is none; NULL where the trial makes its own: its allocator takes
 * memory from the OS, cells follow each other instead of blocks, or the config says so.
 */
struct sb_memory_file *sb_memory_files_find(struct sb_memory_files *files, const struct sb_plan *plan,
                                            const struct sb_trial *trial);
/* `whole`: the trial had set it up for all of its cell's memory, and ended by itself, so nothing still
 * writes. */
void sb_memory_files_return(struct sb_memory_files *files, struct sb_memory_file *file, const struct sb_cell *cell,
                            bool whole);
void sb_memory_files_free(struct sb_memory_files *files);

#endif
