/* /proc/self/maps, whose lines come by address. */
#include "trial/mappings.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct sb_mappings sb_mappings_read(int fd)
{
    struct sb_mappings mappings = {0};
    struct stat file;
    /* Of a longer line only the name is cut off. */
    char line[512];
    if (fd < 0 || fstat(fd, &file))
        return mappings;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long from, to, offset, inode;
        unsigned major, minor;
        if (sscanf(line, "%lx-%lx %*4s %lx %x:%x %lu", &from, &to, &offset, &major, &minor, &inode) == 6 &&
            inode == file.st_ino && major == major(file.st_dev) && minor == minor(file.st_dev))
            *SB_VEC_ADD(&mappings) = (struct sb_mapping){from, to, offset};
    }
    if (maps)
        fclose(maps);
    return mappings;
}

void sb_mappings_free(struct sb_mappings *mappings)
{
    SB_VEC_FREE(mappings);
}

const struct sb_mapping *sb_mappings_find(const struct sb_mappings *mappings, uintptr_t address)
{
    size_t low = 0, high = mappings->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mappings->at[middle].to <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < mappings->n && mappings->at[low].from <= address ? &mappings->at[low] : NULL;
}

bool sb_mappings_cover(const struct sb_mappings *mappings, const void *at, uint64_t size)
{
    uintptr_t address = (uintptr_t)at, end = address + size;
    while (address < end) {
        const struct sb_mapping *m = sb_mappings_find(mappings, address);
        if (!m)
            return false;
        address = m->to;
    }
    return true;
}
