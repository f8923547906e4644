/*
 * What can be seen of the caches of 2.6.10: their sums, /proc/slabinfo, and proofs of every slab and array. Only while
 * nothing else runs, so without locks.
 */
#include "slab.h"

#include <string.h>

#include "slub.h"

/* Off-slab management lives in general caches: it is the caches' own, and nobody's block. */
static uint64_t management_objects(const struct sb_slab_system *system, const struct sb_slab_cache *in)
{
    const struct sb_list *link;
    uint64_t n = 0;
    sb_list_for_each (link, &system->caches) {
        const struct sb_slab_cache *cache = sb_list_entry(link, struct sb_slab_cache, link);
        n += cache->management_cache == in ? cache->nr_slabs : 0;
    }
    return n;
}

void sb_slab_snapshot(struct sb_slab_system *system, struct sb_snapshot *snapshot)
{
    const struct sb_list *link;
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    sb_list_for_each (link, &system->caches) {
        const struct sb_slab_cache *cache = sb_list_entry(link, struct sb_slab_cache, link);
        uint64_t live = sb_slab_cache_live(cache) - management_objects(system, cache);
        snapshot->live += live;
        snapshot->handed_bytes += live * cache->size;
        snapshot->metadata_bytes += sizeof(*cache) + cache->nr_slabs * cache->management +
                                    sb_stacks_bytes(&cache->arrays) +
                                    (cache->shared ? cache->shared_limit * sizeof(void *) : 0);
    }
}

int sb_slab_dump(struct sb_slab_system *system, const char *file, const struct sb_sink *sink)
{
    const struct sb_list *link, *free;
    if (strcmp(file, "slabinfo"))
        return sb_mm_dump(system->mm, file, sink);
    sb_slabinfo_header(sink);
    sb_list_for_each (link, &system->caches) {
        const struct sb_slab_cache *cache = sb_list_entry(link, struct sb_slab_cache, link);
        uint64_t idle = 0;
        sb_list_for_each (free, &cache->free)
            idle++;
        sb_slabinfo_line(
            sink, &(struct sb_slabinfo){.name = cache->name,
                                        .active_objects = cache->nr_slabs * cache->objects - cache->nr_free_objects,
                                        .objects = cache->nr_slabs * cache->objects,
                                        .size = cache->size,
                                        .per_slab = cache->objects,
                                        .pages = 1U << cache->order,
                                        .limit = cache->limit,
                                        .batch = cache->batch,
                                        .shared = cache->shared_limit ? SB_SLAB_SHARED_FACTOR : 0,
                                        .active_slabs = cache->nr_slabs - idle,
                                        .slabs = cache->nr_slabs,
                                        .shared_available = cache->nr_shared});
    }
    return 0;
}

/* A slab's chain: as long as its free objects are many, of numbers that exist. */
static int check_slab(const struct sb_slab_cache *cache, const struct sb_slab *slab, const char *list, char *why,
                      size_t why_size)
{
    const struct sb_page *page = sb_virt_to_head(cache->mm, slab->objects);
    const uint16_t *next = sb_slab_next((struct sb_slab *)slab);
    uint32_t n = 0, at = slab->free;
    if (!page || page->owner != cache || page->freelist != slab || sb_page_flags(page) != SB_PG_ALLOCATED)
        return sb_check_failed(why, why_size, "cache %s: the list of %s slabs holds what is none", cache->name, list);
    for (; at != SB_SLAB_END && n <= cache->objects; at = next[at], n++) {
        if (at >= cache->objects)
            return sb_check_failed(why, why_size, "cache %s: a slab's chain leads to object %u of %u", cache->name, at,
                                   cache->objects);
    }
    if (n + slab->inuse != cache->objects)
        return sb_check_failed(why, why_size, "cache %s: %u free and %u used objects in a slab of %u", cache->name, n,
                               slab->inuse, cache->objects);
    bool right = *list == 'p' ? slab->inuse && n : *list == 'f' ? !slab->inuse : !n;
    if (!right)
        return sb_check_failed(why, why_size, "cache %s: a slab with %u of %u used is on the list of %s ones",
                               cache->name, slab->inuse, cache->objects, list);
    return 0;
}

static int check_list(const struct sb_slab_cache *cache, const struct sb_list *head, const char *list, uint64_t *slabs,
                      uint64_t *free, char *why, size_t why_size)
{
    const struct sb_list *link;
    sb_list_for_each (link, head) {
        const struct sb_slab *slab = sb_list_entry(link, struct sb_slab, link);
        int status = check_slab(cache, slab, list, why, why_size);
        if (status)
            return status;
        *free += cache->objects - slab->inuse;
        if (++*slabs > cache->nr_slabs)
            break;
    }
    return 0;
}

static int check_array(const struct sb_slab_cache *cache, void *const *objects, uint64_t n, char *why, size_t why_size)
{
    for (uint64_t i = 0; i < n; i++) {
        const struct sb_page *page = sb_virt_to_head(cache->mm, objects[i]);
        const struct sb_slab *slab = page && page->owner == cache ? sb_slab_of_page(page) : NULL;
        if (!slab || (size_t)((char *)objects[i] - slab->objects) % cache->size)
            return sb_check_failed(why, why_size, "cache %s: an array holds what is no object of it", cache->name);
    }
    return 0;
}

static int check_cache(const struct sb_slab_cache *cache, char *why, size_t why_size)
{
    uint64_t slabs = 0, free = 0;
    int status = check_list(cache, &cache->full, "occupied", &slabs, &free, why, why_size);
    if (!status)
        status = check_list(cache, &cache->partial, "partial", &slabs, &free, why, why_size);
    if (!status)
        status = check_list(cache, &cache->free, "free", &slabs, &free, why, why_size);
    if (!status && (slabs != cache->nr_slabs || free != cache->nr_free_objects))
        status = sb_check_failed(why, why_size, "cache %s: %llu slabs and %llu free objects, counted %llu and %llu",
                                 cache->name, (unsigned long long)slabs, (unsigned long long)free,
                                 (unsigned long long)cache->nr_slabs, (unsigned long long)cache->nr_free_objects);
    if (!status)
        status = check_array(cache, cache->shared, cache->nr_shared, why, why_size);
    for (unsigned cpu = 0; cache->arrays.base && cpu < cache->mm->nr_cpus && !status; cpu++) {
        const struct sb_cpu_stack *array = sb_stack_of(&cache->arrays, cpu, 0);
        if (array->count > array->capacity)
            return sb_check_failed(why, why_size, "cache %s: CPU %u's array is still taken, or holds too many",
                                   cache->name, cpu);
        status = check_array(cache, array->slots, array->count, why, why_size);
    }
    return status;
}

int sb_slab_check(struct sb_slab_system *system, char *why, size_t why_size)
{
    const struct sb_list *link;
    uint64_t counted = 0, found = 0;
    int status = sb_mm_check(system->mm, why, why_size);
    sb_list_for_each (link, &system->caches) {
        const struct sb_slab_cache *cache = sb_list_entry(link, struct sb_slab_cache, link);
        counted += cache->nr_slabs;
        if (!status)
            status = check_cache(cache, why, why_size);
    }
    for (uint64_t pfn = 0; pfn < system->mm->nr_pages; pfn++)
        found += system->mm->memmap[pfn].user == SB_PAGE_SLAB;
    if (!status && counted != found)
        status = sb_check_failed(why, why_size, "the caches count %llu slabs, the memory map shows %llu",
                                 (unsigned long long)counted, (unsigned long long)found);
    return status;
}
