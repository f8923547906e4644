/* A table of numbers by number: open addressing, for one thread at a time. Grows; the host's own memory that runs out
 * ends the process. */
#ifndef SB_TRACE_MAP_H
#define SB_TRACE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised. */
struct sb_map {
    struct sb_map_entry {
        uint64_t key; /* 0: empty */
        uint64_t value;
    } * at;
    size_t n, capacity;
};

/* Keys are above 0. The entry's value until the next change, or NULL. */
uint64_t *sb_map_find(const struct sb_map *map, uint64_t key);
/* A value that is there is replaced. */
void sb_map_put(struct sb_map *map, uint64_t key, uint64_t value);
bool sb_map_take(struct sb_map *map, uint64_t key, uint64_t *value);
void sb_map_free(struct sb_map *map);

#endif
