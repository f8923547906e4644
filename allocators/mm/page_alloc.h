/*
 * The page allocator: memory map, zones, buddy system. See page_alloc.c for what it models.
 *
 * Glossary. pfn: number of a page, from 0 at the direct map's start. Order: a block of 2^order pages.
 * Zone: a range of pfns with free lists and a lock of its own. Zonelist: the zones an allocation tries,
 * most specific first. Buddy: the neighbour a block was split from, and merges with.
 */
#ifndef SB_MM_PAGE_ALLOC_H
#define SB_MM_PAGE_ALLOC_H

#include "list.h"
#include "lock.h"
#include "scullbench/allocator.h"

struct sb_kmem_cache;

/* A page's state; exactly one of these is set on the first page of a block, none on the others. */
#define SB_PG_BUDDY     UINT32_C(0x1) /* first page of a free block of `order` */
#define SB_PG_ALLOCATED UINT32_C(0x2) /* first page of an allocated block of `order` */
#define SB_PG_RESERVED  UINT32_C(0x4) /* never handed out: the memory map itself */

/* One per page frame, as the kernel's struct page: what it means depends on who holds the page. */
struct sb_page {
    uint32_t flags;
    uint8_t order;
    uint8_t frozen;              /* slab: it is some CPU's, and on no list */
    uint16_t inuse;              /* slab: objects not on `freelist` */
    struct sb_list link;         /* buddy: free list; slab: partial list */
    struct sb_page *head;        /* first page of the allocated block; valid on every page of it */
    struct sb_kmem_cache *cache; /* slab: whose */
    void *freelist;              /* slab: free objects, each pointing to the next */
    uint16_t objects;            /* slab: how many fit */
    uint8_t slab;                /* the block is a slab; apart from flags, which the zone's lock guards */
    uint8_t padding[13];
};
_Static_assert(sizeof(struct sb_page) == 64, "a struct page is one cache line, as the kernel's");

enum sb_zone_type { SB_ZONE_DMA, SB_ZONE_NORMAL, SB_NR_ZONES };

struct sb_free_area {
    struct sb_list list;
    uint64_t nr_free;
};

struct sb_zone {
    struct sb_lock lock; /* protects all below, and flags, order and link of the zone's free pages */
    const char *name;
    uint64_t start_pfn, end_pfn;
    uint64_t nr_free_pages;
    uint64_t nr_allocated; /* blocks in users' hands */
    struct sb_free_area free_area[SB_NR_ORDERS];
};

struct sb_mm {
    char *base;
    int fd;
    unsigned nr_cpus;
    uint64_t nr_pages; /* all, the reserved ones included */
    uint64_t nr_reserved;
    struct sb_page *memmap;
    struct sb_zone zones[SB_NR_ZONES];
    const struct sb_host *host;
    atomic_uint bad_frees; /* frees of what wasn't allocated: refused, counted, reported by check */
};

/* Builds the memory map at the end of the host's memory and frees the rest into the zones. */
int sb_mm_init(struct sb_mm *mm, const struct sb_host *host);

struct sb_page *sb_alloc_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order);
void sb_free_pages(struct sb_mm *mm, struct sb_page *page, unsigned order);
void *sb_get_free_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order);

static inline uint64_t sb_page_to_pfn(const struct sb_mm *mm, const struct sb_page *page)
{
    return (uint64_t)(page - mm->memmap);
}

static inline void *sb_page_address(const struct sb_mm *mm, const struct sb_page *page)
{
    return mm->base + (sb_page_to_pfn(mm, page) << SB_PAGE_SHIFT);
}

static inline struct sb_page *sb_virt_to_page(const struct sb_mm *mm, const void *address)
{
    return mm->memmap + ((uint64_t)((const char *)address - mm->base) >> SB_PAGE_SHIFT);
}

/* The parts of snapshot, dump and check that every allocator on pages shares. */
void sb_mm_snapshot(struct sb_mm *mm, struct sb_snapshot *snapshot);
uint64_t sb_mm_used_pages(struct sb_mm *mm);
int sb_mm_dump(struct sb_mm *mm, const char *file, const struct sb_sink *sink);
int sb_mm_check(struct sb_mm *mm, char *why, size_t why_size);

void sb_sink_printf(const struct sb_sink *sink, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Fills `why` and returns -EUCLEAN: the last line of every failed check. */
int sb_check_failed(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
