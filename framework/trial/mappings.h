/* Where a file is mapped in this process, as the kernel tells it: no plugin has to, and none can tell it
 * wrongly. */
#ifndef SB_TRIAL_MAPPINGS_H
#define SB_TRIAL_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sb_mapping {
    uintptr_t from, to;
    uint64_t offset; /* into the file, of `from` */
};

struct sb_mappings {
    struct sb_mapping *at; /* by address */
    size_t n, capacity;
};

/* Those of the file behind `fd`, known by device and inode; a name can be anybody's. To be freed. */
struct sb_mappings sb_mappings_read(int fd);
void sb_mappings_free(struct sb_mappings *mappings);

/* The mapping that has an address, or NULL. */
const struct sb_mapping *sb_mappings_find(const struct sb_mappings *mappings, uintptr_t address);

/* Whether all bytes from `at` on are mapped from the file, by as many mappings as it takes. */
bool sb_mappings_cover(const struct sb_mappings *mappings, const void *at, uint64_t size);

#endif
