/* Linear probing; whoever leaves has those behind it move up, so there are no tombstones. */
#include "trace/map.h"

#include "base/str.h"

static size_t place_of(const struct sb_map *map, uint64_t key)
{
    /* The multiplier of Fibonacci hashing; addresses differ in their middle bits. */
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (map->capacity - 1);
}

static struct sb_map_entry *seek(const struct sb_map *map, uint64_t key)
{
    size_t i = place_of(map, key);
    while (map->at[i].key && map->at[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return &map->at[i];
}

static void grow(struct sb_map *map)
{
    struct sb_map old = *map;
    map->capacity = old.capacity ? 2 * old.capacity : 1024;
    map->at = sb_calloc(map->capacity, sizeof(*map->at));
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.at[i].key)
            *seek(map, old.at[i].key) = old.at[i];
    }
    free(old.at);
}

uint64_t *sb_map_find(const struct sb_map *map, uint64_t key)
{
    struct sb_map_entry *e = map->capacity ? seek(map, key) : NULL;
    return e && e->key ? &e->value : NULL;
}

void sb_map_put(struct sb_map *map, uint64_t key, uint64_t value)
{
    if (2 * (map->n + 1) > map->capacity)
        grow(map);
    struct sb_map_entry *e = seek(map, key);
    map->n += !e->key;
    *e = (struct sb_map_entry){key, value};
}

bool sb_map_take(struct sb_map *map, uint64_t key, uint64_t *value)
{
    struct sb_map_entry *gap = map->capacity ? seek(map, key) : NULL;
    if (!gap || !gap->key)
        return false;
    *value = gap->value;
    map->n--;
    size_t mask = map->capacity - 1, hole = (size_t)(gap - map->at);
    for (size_t i = (hole + 1) & mask; map->at[i].key; i = (i + 1) & mask) {
        /* An entry may move up to the hole if its own place isn't behind it. */
        if (((i - place_of(map, map->at[i].key)) & mask) >= ((i - hole) & mask)) {
            map->at[hole] = map->at[i];
            hole = i;
        }
    }
    map->at[hole].key = 0;
    return true;
}

void sb_map_free(struct sb_map *map)
{
    free(map->at);
    *map = (struct sb_map){0};
}
