/*
 * Simple List Of Blocks.
 *
 * Models mm/slob.c of Linux 6.1 (removed in 6.4): a K&R heap in single pages. The free blocks of a page are a
 * list by address; three lists of pages, for requests under 256 bytes, under 1024, and larger, keep small
 * blocks from breaking up the pages of large ones. Allocation is first fit over the pages of a list, which is
 * then turned to begin where it was found; freeing merges with both neighbours, and a page that is wholly
 * free goes back. From a page on, requests are page blocks of their own. One lock for everything, no per-CPU
 * anything: what the smallest machine needs, and the contrast to all others here.
 *
 * A unit is two bytes. A free block of several units holds its length and the offset of the next free block;
 * one of a single unit holds the negated offset.
 *
 * Differs: sizes are rounded up to a word, so that alignment leaves no fragments that every later search
 * would look at. Who asks for DMA memory gets it: 6.1 looks at that when it takes a page, but not at whose pages the
 * lists have.
 *
 * Locks: slob->lock, then a zone's lock; pages are allocated without it.
 *
 * Left out: nodes, RCU.
 */
#include "slob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int16_t unit_t;

enum {
    UNIT = sizeof(unit_t),
    PAGE_UNITS = SB_PAGE_SIZE / UNIT,
    HEADER = 8, /* of a kmalloc block: its size; a word, so that blocks are aligned to one */
    BREAK1 = 256,
    BREAK2 = 1024,
};
_Static_assert(PAGE_UNITS <= INT16_MAX, "an offset in units fits a unit");

static unit_t *base_of(const struct sb_slob *slob, const struct sb_page *page)
{
    return sb_page_address(slob->mm, page);
}

/* ---- free blocks of one page ---- */

static int length_of(const unit_t *s)
{
    return s[0] > 0 ? s[0] : 1;
}

/* The next free block's offset in units; PAGE_UNITS: there is none. */
static int next_of(const unit_t *s)
{
    return s[0] > 0 ? s[1] : -s[0];
}

/* A block of one unit has room for its link alone, which then is negative. */
static void set_block(unit_t *s, int length, int next)
{
    if (length > 1) {
        s[0] = (unit_t)length;
        s[1] = (unit_t)next;
    } else {
        s[0] = (unit_t)-next;
    }
}

/* `page->first_free` is the first free block's offset, `page->inuse` the number of free units. */
static void set_next(struct sb_page *page, unit_t *base, int previous, int next)
{
    if (previous < 0)
        page->first_free = (uint32_t)next;
    else
        set_block(base + previous, length_of(base + previous), next);
}

/*
 * First fit within a page: the address `header` bytes behind a block's start must be aligned. What lies in
 * front of it and behind stays free.
 */
static void *alloc_in_page(struct sb_slob *slob, struct sb_page *page, int units, size_t align, size_t header)
{
    unit_t *base = base_of(slob, page);
    int previous = -1;
    for (int at = (int)page->first_free; at < PAGE_UNITS; previous = at, at = next_of(base + at)) {
        int have = length_of(base + at), next = next_of(base + at);
        uintptr_t start = (uintptr_t)(base + at);
        /* What alignment leaves over in front stays a free block of its own. */
        int skip = (int)((((start + header + align - 1) & ~(align - 1)) - header - start) / UNIT);
        if (have < units + skip)
            continue;
        int rest = have - skip - units;
        if (rest) {
            set_block(base + at + skip + units, rest, next);
            next = at + skip + units;
        }
        if (skip)
            set_block(base + at, skip, next);
        else
            set_next(page, base, previous, next);
        page->inuse = (uint16_t)(page->inuse - units);
        return base + at + skip;
    }
    return NULL;
}

/* Into the list by address, merged with the free blocks that it touches. */
static void free_in_page(struct sb_slob *slob, struct sb_page *page, void *block, int units)
{
    unit_t *base = base_of(slob, page);
    int at = (int)((unit_t *)block - base), previous = -1, next = (int)page->first_free;
    /* By address, so that neighbours are found where they are. */
    while (next < at) {
        previous = next;
        next = next_of(base + next);
    }
    page->inuse = (uint16_t)(page->inuse + units);
    if (next < PAGE_UNITS && at + units == next) {
        units += length_of(base + next);
        next = next_of(base + next);
    }
    if (previous >= 0 && previous + length_of(base + previous) == at) {
        set_block(base + previous, length_of(base + previous) + units, next);
    } else {
        set_block(base + at, units, next);
        set_next(page, base, previous, at);
    }
}

/* ---- pages ---- */

static struct sb_list *list_for(struct sb_slob *slob, size_t size)
{
    return &slob->lists[size < BREAK1 ? 0 : size < BREAK2 ? 1 : 2];
}

/* Under the lock. */
static void add_live(struct sb_slob *slob, int blocks, int64_t bytes)
{
    slob->live += (uint64_t)(int64_t)blocks;
    slob->live_bytes += (uint64_t)(blocks * bytes);
}

/* Whether a page's zone is one that the request may have. */
static bool may_serve(const struct sb_slob *slob, const struct sb_page *page, sb_gfp_t gfp)
{
    uint8_t type = slob->mm->zones[page->zone].type;
    return gfp & SB_GFP_DMA ? type == SB_ZONE_DMA : !(gfp & SB_GFP_DMA32) || type <= SB_ZONE_DMA32;
}

/* Under the lock. The list is turned so that the next search begins here: next fit over pages. */
static void *alloc_in_list(struct sb_slob *slob, struct sb_list *list, int units, size_t align, size_t header,
                           sb_gfp_t gfp)
{
    struct sb_list *link;
    sb_list_for_each (link, list) {
        struct sb_page *page = sb_list_entry(link, struct sb_page, link);
        /* Enough units in all, though perhaps not in a row: then the search within says so. */
        if (page->inuse < units || !may_serve(slob, page, gfp))
            continue;
        void *block = alloc_in_page(slob, page, units, align, header);
        if (!block)
            continue;
        if (!page->inuse) {
            sb_list_del(link);
        } else if (list->next != link) {
            sb_list_del(list);
            sb_list_add_tail(list, link);
        }
        return block;
    }
    return NULL;
}

static void *alloc_small(struct sb_slob *slob, size_t size, size_t align, size_t header, sb_gfp_t gfp)
{
    int units = (int)((size + UNIT - 1) / UNIT);
    struct sb_list *list = list_for(slob, size);
    sb_lock(&slob->lock);
    void *block = alloc_in_list(slob, list, units, align, header, gfp);
    add_live(slob, block ? 1 : 0, (int64_t)size);
    sb_unlock(&slob->lock);
    if (block)
        return block;
    /* Without the lock, for it may wait for pages; another CPU may have made room meanwhile. */
    struct sb_page *page = sb_alloc_pages(slob->mm, gfp & ~(SB_GFP_ZERO | SB_GFP_HIGHMEM | SB_GFP_MOVABLE), 0);
    if (!page)
        return NULL;
    sb_lock(&slob->lock);
    page->user = SB_PAGE_SLOB;
    page->inuse = PAGE_UNITS;
    page->first_free = 0;
    set_block(base_of(slob, page), PAGE_UNITS, PAGE_UNITS);
    block = alloc_in_page(slob, page, units, align, header);
    if (page->inuse)
        sb_list_add(&page->link, list);
    slob->nr_pages++;
    add_live(slob, 1, (int64_t)size);
    sb_unlock(&slob->lock);
    return block;
}

static void free_small(struct sb_slob *slob, struct sb_page *page, void *block, size_t size)
{
    int units = (int)((size + UNIT - 1) / UNIT);
    sb_lock(&slob->lock);
    add_live(slob, -1, (int64_t)size);
    /* A full page is on no list. */
    bool was_full = !page->inuse, empty = page->inuse + units == PAGE_UNITS;
    if (was_full)
        page->first_free = PAGE_UNITS;
    if (empty) {
        if (!was_full)
            sb_list_del(&page->link);
        page->user = SB_PAGE_PLAIN;
        slob->nr_pages--;
    } else {
        free_in_page(slob, page, block, units);
        if (was_full)
            sb_list_add(&page->link, list_for(slob, size));
    }
    sb_unlock(&slob->lock);
    /* Behind the lock: the pages have locks of their own. */
    if (empty)
        sb_free_pages(slob->mm, page, 0);
}

void sb_slob_init(struct sb_slob *slob, struct sb_mm *mm)
{
    memset(slob, 0, sizeof(*slob));
    slob->mm = mm;
    sb_lock_init(&slob->lock, SB_RANK_CACHE);
    for (int i = 0; i < SB_SLOB_LISTS; i++)
        sb_list_init(&slob->lists[i]);
    sb_list_init(&slob->caches);
}

void sb_slob_exit(struct sb_slob *slob)
{
    /* Opened only halfway: there is no list yet. */
    while (slob->caches.next && !sb_list_empty(&slob->caches)) {
        struct sb_list *link = slob->caches.next;
        sb_list_del(link); // NOLINT(clang-analyzer-unix.Malloc): it doesn't see the head change
        free(sb_list_entry(link, struct sb_slob_cache, link));
    }
}

static void count_large(struct sb_slob *slob, int blocks, unsigned order)
{
    sb_lock(&slob->lock);
    add_live(slob, blocks, (int64_t)(SB_PAGE_SIZE << order));
    sb_unlock(&slob->lock);
}

/* From a page on, whole page blocks. `header` bytes in front of a small block are the caller's. */
static void *alloc(struct sb_slob *slob, size_t size, size_t align, size_t header, sb_gfp_t gfp)
{
    char *block;
    if (header < align && header)
        header = align; /* the block must be aligned, not its header */
    if (header + size < SB_PAGE_SIZE && align < SB_PAGE_SIZE) {
        block = alloc_small(slob, size + header, align > UNIT ? align : UNIT, header, gfp);
        if (block && header) {
            memcpy(block + header - HEADER, &(uint32_t[]){(uint32_t)size, (uint32_t)header}, HEADER);
            block += header;
        }
    } else {
        if (size > SB_PAGE_SIZE << SB_MAX_ORDER)
            return NULL;
        /* Whole pages need no header: the page knows its order. */
        unsigned order = sb_get_order(size);
        block = sb_get_free_pages(slob->mm, gfp & ~SB_GFP_ZERO, order);
        if (block)
            count_large(slob, 1, order);
    }
    if (block && gfp & SB_GFP_ZERO)
        sb_mm_zero(slob->mm, block, size);
    return block;
}

/* The block's page block, or NULL, counted, for what is none. */
static struct sb_page *page_of(struct sb_slob *slob, const void *block)
{
    struct sb_page *page = sb_virt_to_head(slob->mm, block);
    if (page && sb_page_flags(page) == SB_PG_ALLOCATED)
        return page;
    sb_count_bad_free(slob->mm);
    return NULL;
}

static void free_large(struct sb_slob *slob, struct sb_page *page)
{
    count_large(slob, -1, page->order);
    sb_free_pages(slob->mm, page, page->order);
}

void *sb_slob_kmalloc(struct sb_slob *slob, size_t size, size_t align, sb_gfp_t gfp)
{
    if (size > SB_PAGE_SIZE << SB_MAX_ORDER)
        return NULL;
    size = size ? (size + HEADER - 1) & ~(size_t)(HEADER - 1) : HEADER;
    return alloc(slob, size, align > HEADER ? align : HEADER, HEADER, gfp);
}

void sb_slob_kfree(struct sb_slob *slob, void *block)
{
    struct sb_page *page = block ? page_of(slob, block) : NULL;
    uint32_t header[2];
    if (!page)
        return;
    if (page->user != SB_PAGE_SLOB) {
        free_large(slob, page);
        return;
    }
    memcpy(header, (char *)block - HEADER, HEADER);
    free_small(slob, page, (char *)block - header[1], header[0] + header[1]);
}

size_t sb_slob_ksize(struct sb_slob *slob, const void *block)
{
    const struct sb_page *page = sb_virt_to_head(slob->mm, block);
    uint32_t size;
    if (page->user != SB_PAGE_SLOB)
        return (size_t)SB_PAGE_SIZE << page->order;
    memcpy(&size, (const char *)block - HEADER, sizeof(size));
    return size;
}

int sb_slob_cache_create(struct sb_slob *slob, const char *name, size_t size, size_t align, uint32_t flags,
                         void (*ctor)(void *), struct sb_slob_cache **out)
{
    const struct sb_host *host = slob->mm->host;
    if (!size || size > SB_PAGE_SIZE << SB_MAX_ORDER || (align & (align - 1)) || align > SB_PAGE_SIZE) {
        host->fail(host->context, "slob: cache '%s': size %zu, align %zu can't be", name, size, align);
        return -EINVAL;
    }
    struct sb_slob_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->slob = slob;
    cache->size = (uint32_t)((size + HEADER - 1) & ~(size_t)(HEADER - 1));
    cache->requested = (uint32_t)size;
    cache->align = align > sizeof(void *) ? (uint32_t)align : sizeof(void *);
    if (flags & SB_SLAB_HWCACHE_ALIGN && cache->align < 64)
        cache->align = 64;
    cache->ctor = ctor;
    cache->zone = (flags & SB_SLAB_CACHE_DMA ? SB_GFP_DMA : 0) | (flags & SB_SLAB_CACHE_DMA32 ? SB_GFP_DMA32 : 0);
    snprintf(cache->name, sizeof(cache->name), "%s", name);
    sb_lock(&slob->lock);
    sb_list_add_tail(&cache->link, &slob->caches);
    sb_unlock(&slob->lock);
    *out = cache;
    return 0;
}

/* A constructor runs at each allocation: nothing is kept in the constructed state. */
void *sb_slob_cache_alloc(struct sb_slob_cache *cache, sb_gfp_t gfp)
{
    void *object = alloc(cache->slob, cache->size, cache->align, 0, gfp | cache->zone);
    if (!object)
        return NULL;
    if (cache->ctor)
        cache->ctor(object);
    atomic_fetch_add_explicit(&cache->live, 1, memory_order_relaxed);
    return object;
}

void sb_slob_cache_free(struct sb_slob_cache *cache, void *object)
{
    struct sb_page *page = page_of(cache->slob, object);
    if (!page)
        return;
    atomic_fetch_sub_explicit(&cache->live, 1, memory_order_relaxed);
    if (page->user != SB_PAGE_SLOB) {
        free_large(cache->slob, page);
        return;
    }
    free_small(cache->slob, page, object, cache->size);
}

int sb_slob_cache_destroy(struct sb_slob_cache *cache)
{
    uint64_t live = atomic_load(&cache->live);
    if (live)
        return sb_report_leak(cache->slob->mm, cache->name, live, cache->requested);
    sb_lock(&cache->slob->lock);
    sb_list_del(&cache->link);
    sb_unlock(&cache->slob->lock);
    free(cache);
    return 0;
}

void sb_slob_snapshot(struct sb_slob *slob, struct sb_snapshot *snapshot)
{
    sb_mm_snapshot(slob->mm, snapshot);
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    snapshot->live = slob->live;
    snapshot->handed_bytes = slob->live_bytes;
}

/* A page's free blocks: in order, apart (else they'd be merged), within the page, as many units as counted.
 */
static int check_page(const struct sb_slob *slob, const struct sb_page *page, char *why, size_t why_size)
{
    const unit_t *base = base_of(slob, page);
    int free = 0, end = -1;
    if (page->user != SB_PAGE_SLOB || sb_page_flags(page) != SB_PG_ALLOCATED || !page->inuse)
        return sb_check_failed(why, why_size, "slob: a list holds what is no page with room");
    for (int at = (int)page->first_free; at < PAGE_UNITS; at = next_of(base + at)) {
        if (at <= end || at + length_of(base + at) > PAGE_UNITS)
            return sb_check_failed(why, why_size,
                                   "slob: free blocks of pfn %llu overlap, touch or are out of order at byte %d",
                                   (unsigned long long)sb_page_to_pfn(slob->mm, page), at * UNIT);
        free += length_of(base + at);
        end = at + length_of(base + at);
    }
    if (free != page->inuse)
        return sb_check_failed(why, why_size, "slob: pfn %llu counts %u free units, its list has %d",
                               (unsigned long long)sb_page_to_pfn(slob->mm, page), page->inuse, free);
    return 0;
}

int sb_slob_check(struct sb_slob *slob, char *why, size_t why_size)
{
    uint64_t listed = 0, found = 0, full = 0;
    int status = sb_mm_check(slob->mm, why, why_size);
    for (int i = 0; i < SB_SLOB_LISTS && !status; i++) {
        const struct sb_list *link;
        sb_list_for_each (link, &slob->lists[i]) {
            status = check_page(slob, sb_list_entry(link, struct sb_page, link), why, why_size);
            if (status || ++listed > slob->nr_pages)
                break;
        }
    }
    for (uint64_t pfn = 0; pfn < slob->mm->nr_pages; pfn++) {
        const struct sb_page *page = &slob->mm->memmap[pfn];
        found += page->user == SB_PAGE_SLOB;
        full += page->user == SB_PAGE_SLOB && !page->inuse;
    }
    if (!status && (found != slob->nr_pages || listed + full != found))
        status = sb_check_failed(why, why_size, "slob: %llu pages counted, %llu found, %llu of them listed or full",
                                 (unsigned long long)slob->nr_pages, (unsigned long long)found,
                                 (unsigned long long)(listed + full));
    return status;
}
