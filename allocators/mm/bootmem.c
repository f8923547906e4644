/*
 * Boot memory.
 *
 * Models mm/bootmem.c of Linux 2.6 in its calls (LDD3, chapter 8) and mm/memblock.c of Linux 6.1 in its
 * structure: an ordered array of reserved regions that doubles when it is full, first fit from a goal
 * upwards, neighbours merged. It serves while the machine boots, before there are zones; what is free when
 * they are built goes to them.
 *
 * Locks: none. One CPU runs at boot; later users bring a lock of their own.
 *
 * Left out: nodes (memory is one range), hot-plug, mirrored memory.
 */
#include "bootmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scullbench/allocator.h"

enum { CACHE_LINE = 64, FIRST_CAPACITY = 128 };
#define MAX_DMA_ADDRESS (UINT64_C(16) << 20)

static uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static uint64_t end_of(const struct sb_region *region)
{
    return region->start + region->size;
}

void sb_bootmem_init(struct sb_bootmem *boot, char *base, uint64_t size)
{
    *boot = (struct sb_bootmem){.base = base, .size = size};
}

void sb_bootmem_exit(struct sb_bootmem *boot)
{
    free(boot->reserved);
    boot->reserved = NULL;
    boot->n = boot->capacity = 0;
}

struct sb_region sb_bootmem_gap(const struct sb_bootmem *boot, unsigned i)
{
    uint64_t start = i ? end_of(&boot->reserved[i - 1]) : 0;
    return (struct sb_region){start, (i < boot->n ? boot->reserved[i].start : boot->size) - start};
}

/* memblock_double_array. */
static int make_room(struct sb_bootmem *boot)
{
    unsigned capacity = boot->capacity ? 2 * boot->capacity : FIRST_CAPACITY;
    if (boot->n < boot->capacity)
        return 0;
    struct sb_region *grown = realloc(boot->reserved, capacity * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    boot->reserved = grown;
    boot->capacity = capacity;
    return 0;
}

/* The first region that starts at or above `start`, by halving. */
static unsigned position(const struct sb_bootmem *boot, uint64_t start)
{
    unsigned low = 0, high = boot->n;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (boot->reserved[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_region(struct sb_bootmem *boot, unsigned i)
{
    boot->n--;
    memmove(&boot->reserved[i], &boot->reserved[i + 1], (boot->n - i) * sizeof(*boot->reserved));
}

static int insert_region(struct sb_bootmem *boot, unsigned i, uint64_t start, uint64_t size)
{
    if (make_room(boot))
        return -ENOMEM;
    struct sb_region *r = boot->reserved;
    memmove(&r[i + 1], &r[i], (boot->n - i) * sizeof(*r));
    r[i] = (struct sb_region){start, size};
    boot->n++;
    return 0;
}

/* Where the range goes in order; merged with a neighbour that it touches. */
static int reserve(struct sb_bootmem *boot, uint64_t start, uint64_t size)
{
    unsigned i = position(boot, start);
    struct sb_region *r = boot->reserved;
    bool before = i && end_of(&r[i - 1]) == start;
    bool after = i < boot->n && start + size == r[i].start;
    if (before && after) {
        r[i - 1].size += size + r[i].size;
        remove_region(boot, i);
    } else if (before) {
        r[i - 1].size += size;
    } else if (after) {
        r[i] = (struct sb_region){start, size + r[i].size};
    } else {
        return insert_region(boot, i, start, size);
    }
    return 0;
}

/* The lowest place at or above `from`. */
static void *first_fit(struct sb_bootmem *boot, uint64_t size, uint64_t align, uint64_t from)
{
    for (unsigned i = 0; i <= boot->n; i++) {
        struct sb_region gap = sb_bootmem_gap(boot, i);
        uint64_t start = round_up(gap.start > from ? gap.start : from, align);
        if (start + size <= end_of(&gap))
            return reserve(boot, start, size) ? NULL : boot->base + start;
    }
    return NULL;
}

/* The goal is a wish: below it when there is nothing above. */
void *sb_bootmem_alloc(struct sb_bootmem *boot, uint64_t size, uint64_t align, uint64_t goal)
{
    if (!size || size > boot->size)
        return NULL;
    void *at = first_fit(boot, size, align, goal);
    return at || !goal ? at : first_fit(boot, size, align, 0);
}

void *sb_alloc_bootmem(struct sb_bootmem *boot, uint64_t size)
{
    return sb_bootmem_alloc(boot, size, CACHE_LINE, MAX_DMA_ADDRESS);
}

void *sb_alloc_bootmem_low(struct sb_bootmem *boot, uint64_t size)
{
    return sb_bootmem_alloc(boot, size, CACHE_LINE, 0);
}

void *sb_alloc_bootmem_pages(struct sb_bootmem *boot, uint64_t size)
{
    return sb_bootmem_alloc(boot, round_up(size, SB_PAGE_SIZE), SB_PAGE_SIZE, MAX_DMA_ADDRESS);
}

void *sb_alloc_bootmem_low_pages(struct sb_bootmem *boot, uint64_t size)
{
    return sb_bootmem_alloc(boot, round_up(size, SB_PAGE_SIZE), SB_PAGE_SIZE, 0);
}

void *sb_alloc_bootmem_top(struct sb_bootmem *boot, uint64_t size)
{
    uint64_t want = round_up(size, SB_PAGE_SIZE);
    for (unsigned i = boot->n + 1; i-- > 0;) {
        struct sb_region gap = sb_bootmem_gap(boot, i);
        uint64_t start = (end_of(&gap) - want) & ~(SB_PAGE_SIZE - 1);
        if (gap.size >= want && start >= gap.start)
            return reserve(boot, start, want) ? NULL : boot->base + start;
    }
    return NULL;
}

uint64_t sb_bootmem_region_end(const struct sb_bootmem *boot, const void *at)
{
    uint64_t offset = (uint64_t)((const char *)at - boot->base);
    unsigned i = position(boot, offset + 1);
    return i && offset < end_of(&boot->reserved[i - 1]) ? end_of(&boot->reserved[i - 1]) : 0;
}

/* Out of the region that it lies in, which may leave two. */
int sb_bootmem_release(struct sb_bootmem *boot, void *at, uint64_t size)
{
    uint64_t start = (uint64_t)((char *)at - boot->base), end = start + size;
    unsigned i = position(boot, start + 1);
    if (!i || !size || end > end_of(&boot->reserved[i - 1]))
        return -EINVAL;
    struct sb_region *r = &boot->reserved[--i];
    uint64_t first = r->start, last = end_of(r);
    if (start == first && end == last) {
        remove_region(boot, i);
    } else if (start == first) {
        *r = (struct sb_region){end, last - end};
    } else {
        if (end < last && insert_region(boot, i + 1, end, last - end))
            return -ENOMEM;
        boot->reserved[i].size = start - first;
    }
    return 0;
}

/* Rounded inwards, as LDD3 warns: a page that is only partly freed stays reserved for ever. */
int sb_free_bootmem(struct sb_bootmem *boot, void *at, uint64_t size)
{
    uint64_t from = (uint64_t)((char *)at - boot->base);
    uint64_t start = round_up(from, SB_PAGE_SIZE), end = (from + size) & ~(SB_PAGE_SIZE - 1);
    return start < end ? sb_bootmem_release(boot, boot->base + start, end - start) : 0;
}

int sb_bootmem_check(const struct sb_bootmem *boot)
{
    for (unsigned i = 0; i < boot->n; i++) {
        const struct sb_region *r = &boot->reserved[i];
        if (!r->size || end_of(r) > boot->size || (i && end_of(r - 1) >= r->start))
            return -EUCLEAN;
    }
    return 0;
}
