/*
 * The page allocator: memory map, nodes, zones, buddy system, per-CPU lists, reclaim.
 *
 * Glossary. pfn: number of a page, from 0 at the memory's start. Order: a block of 2^order pages. Zone: a
 * range of pfns with free lists and a lock of its own. Node: the zones near a group of CPUs. Zonelist: the
 * zones an allocation tries, nearest and most specific first. Buddy: the neighbour a block was split from,
 * and merges with. Page block: 512 pages that hold blocks of one migrate type as far as possible. Watermark:
 * how many free pages a zone keeps back from whom. Per-CPU list: pages on their way between buddy and users.
 *
 * memmap.c builds it, buddy.c splits and merges, pcp.c has the per-CPU lists, page_alloc.c the rest of the
 * way from a gfp mask to a block, reclaim.c what happens when there is none, page_check.c proofs and /proc.
 */
#ifndef SB_MM_PAGE_ALLOC_H
#define SB_MM_PAGE_ALLOC_H

#include "cpu_stack.h"
#include "list.h"
#include "lock.h"
#include "scullbench/allocator.h"

#include <string.h>

struct sb_kmem_cache;

/* A page's state; exactly one of these is set on the first page of a block, none on the others. */
#define SB_PG_BUDDY     UINT32_C(0x1) /* first page of a free block of `order`; under the zone's lock only */
#define SB_PG_ALLOCATED UINT32_C(0x2) /* first page of an allocated block of `order` */
#define SB_PG_PCP       UINT32_C(0x4) /* first page of a block on a per-CPU list */
#define SB_PG_RESERVED  UINT32_C(0x8) /* never handed out: boot memory, and the memory map itself */

/* Who an allocated block serves, beyond plain pages. */
enum sb_page_user { SB_PAGE_PLAIN, SB_PAGE_SLUB, SB_PAGE_SLAB, SB_PAGE_SLOB };

/* One per page frame, as the kernel's struct page: what it means depends on who holds the page. */
struct sb_page {
    uint32_t flags; /* read without a lock by those who look for a buddy: only by sb_page_flags */
    uint8_t order;
    uint8_t zone;         /* index into mm->zones */
    uint8_t user;         /* enum sb_page_user */
    uint8_t giver;        /* buddy: who gave the block back last, as buddy.c numbers them; 0: nobody yet; under the
                             zone's lock */
    struct sb_list link;  /* buddy: free list; slab allocators: slab list */
    struct sb_page *head; /* first page of the block: of a block up to SB_COSTLY_ORDER on each page, of a larger one
                             on the first alone; stale on other pages, so sb_page_head proves it */
    void *owner;          /* slab allocators: the cache */
    union {
        _Atomic uint64_t slub_state; /* slub: see slub.c */
        void *freelist;              /* slob, slab: theirs */
    };
    struct sb_page *next; /* slub: on a per-CPU partial list */
    uint16_t objects;     /* slab allocators: how many fit */
    uint16_t inuse;       /* slab, slob: how many are used */
    uint32_t first_free;  /* slab: the first free object's number */
};
_Static_assert(sizeof(struct sb_page) == 64, "a struct page is one cache line, as the kernel's");

enum sb_zone_type { SB_ZONE_DMA, SB_ZONE_DMA32, SB_ZONE_NORMAL, SB_ZONE_HIGHMEM, SB_NR_ZONES };

/* Numbered as the kernel's, and as gfp masks have them. Fallbacks and page blocks: buddy.c. */
enum sb_migratetype { SB_UNMOVABLE, SB_MOVABLE, SB_RECLAIMABLE, SB_NR_MIGRATETYPES };
#define SB_PAGEBLOCK_ORDER 9
#define SB_PAGEBLOCK_PAGES (UINT64_C(1) << SB_PAGEBLOCK_ORDER)

enum {
    SB_MAX_NODES = 64,
    SB_COSTLY_ORDER = 3, /* PAGE_ALLOC_COSTLY_ORDER: larger blocks are hard to get */
    /* pcp_allowed_order: per-CPU lists of orders 0 to 3, and since 5.13 of a huge page's; others go to the buddy. */
    SB_NR_PCP_ORDERS = SB_COSTLY_ORDER + 2,
    SB_NR_PCP_LISTS = SB_NR_PCP_ORDERS * SB_NR_MIGRATETYPES,
    SB_MAX_SHRINKERS = 8,
};

struct sb_free_area {
    struct sb_list list[SB_NR_MIGRATETYPES];
    uint64_t nr_free; /* of all types */
};

enum sb_watermark { SB_WMARK_MIN, SB_WMARK_LOW, SB_WMARK_HIGH, SB_NR_WMARKS };

struct sb_zone {
    struct sb_lock lock; /* protects all below up to `pcp`, and flags, order and link of the zone's free pages */
    uint8_t type;        /* enum sb_zone_type */
    uint8_t node;
    uint64_t start_pfn, end_pfn;
    uint64_t nr_free_pages;
    uint64_t nr_allocated; /* blocks outside the buddy: in users' hands or on per-CPU lists */
    uint64_t nr_given;     /* blocks that the buddy has given out, ever */
    uint64_t nr_crossed;   /* of them those that another CPU had given back last */
    struct sb_free_area free_area[SB_NR_ORDERS];
    uint64_t managed; /* pages that were ever given to the buddy */
    uint64_t watermark[SB_NR_WMARKS];
    uint64_t lowmem_reserve[SB_NR_ZONES]; /* kept from requests that could have come from a higher zone */
    struct sb_stacks pcp;                 /* base is NULL without per-CPU lists */
    size_t pcp_at[SB_NR_PCP_LISTS];       /* where in a CPU's part each list lies */
    uint32_t pcp_batch[SB_NR_PCP_ORDERS];
};

/* What one CPU has counted of a zone's blocks: numastat's events, by mm/vmstat.c's names. Only where there are nodes.
 */
enum sb_numa_event { SB_NUMA_HIT, SB_NUMA_MISS, SB_NUMA_FOREIGN, SB_NUMA_LOCAL, SB_NUMA_OTHER, SB_NR_NUMA_EVENTS };
struct sb_numa_counts {
    uint64_t n[8]; /* by event; a cache line */
};

/* Zones in the order in which they are tried; ends with NULL. */
struct sb_zonelist {
    struct sb_zone *zones[SB_MAX_NODES * SB_NR_ZONES + 1];
};

struct sb_node {
    uint64_t start_pfn, end_pfn;
    struct sb_zonelist zonelists[SB_NR_ZONES]; /* by the highest zone that a request may use */
};

/* Called when memory is short, without locks; must not allocate. Gives back what its owner can spare. */
struct sb_shrinker {
    void (*shrink)(void *owner);
    void *owner;
};

/* How far below the minimum watermark each kind of request may go (page_alloc.c). */
enum sb_reserve { SB_RESERVE_6_1, SB_RESERVE_2_6, SB_RESERVE_6_4 };
extern const char *const sb_reserve_names[];

/* How a machine is made; filled by sb_mm_read_options, or zero for the defaults. */
struct sb_mm_config {
    bool page_lists;
    enum sb_cpu_sync sync;
    enum sb_reserve reserve;
    unsigned nodes;      /* 0: as the host has them */
    uint64_t dma32_end;  /* bytes; 0: 4 GiB */
    uint64_t highmem;    /* bytes at the end of memory without a direct map */
    uint64_t boot_bytes; /* taken by boot-time allocations before the zones are built; see bootmem.h */
};

/* Where pages of HighMem are mapped for a while: LAST_PKMAP windows of a page. `count` as the kernel's: 0 free and
 * unmapped, 1 mapped but used by nobody, n + 1 used n times. */
enum { SB_LAST_PKMAP = 1024 };
#define SB_PKMAP_WAIT_NS UINT64_C(1000000000)
struct sb_pkmap {
    struct sb_lock lock; /* protects all below but `window` */
    char *window;        /* NULL: there is no HighMem */
    uint32_t count[SB_LAST_PKMAP];
    uint64_t pfn[SB_LAST_PKMAP]; /* of windows with a count */
    uint16_t *slots;             /* by pages of HighMem: their window and one; 0: none */
    uint32_t last;               /* window that was taken last */
};

struct sb_mm {
    char *base;
    int fd;
    unsigned nr_cpus, nr_nodes;
    bool rseq; /* per-CPU data by restartable sequences, else by locks */
    enum sb_reserve reserve;
    uint8_t *cpu_node;
    uint32_t distance[SB_MAX_NODES][SB_MAX_NODES]; /* node_distance(): 10 to oneself */
    uint64_t nr_pages;                             /* all, the reserved ones included */
    uint64_t nr_reserved;
    uint64_t low_pages; /* those with a direct map */
    struct sb_page *memmap;
    uint8_t *block_type; /* migrate type by page block; written under the block's zone's lock */
    struct sb_node nodes[SB_MAX_NODES];
    struct sb_zone zones[SB_MAX_NODES * SB_NR_ZONES]; /* node by node */
    /* By node and a gfp mask's zone bits: the zone whose lists are looked at first; NULL: no lists. */
    const struct sb_zone *fast_zone[SB_MAX_NODES][8];
    const struct sb_host *host;
    void *boot;                  /* what was taken before the zones were built */
    atomic_uint bad_frees;       /* frees of what wasn't allocated: refused, counted, reported by check */
    atomic_uint warnings;        /* failures told to the host */
    atomic_ullong nr_zeroed;     /* bytes, since open */
    struct sb_numa_counts *numa; /* by zone, then by CPU; NULL on one node */

    struct sb_pkmap pkmap;
    struct sb_lock reclaim_lock; /* one reclaims at a time; protects the shrinkers */
    struct sb_shrinker shrinkers[SB_MAX_SHRINKERS];
    unsigned nr_shrinkers;
    atomic_ullong nr_reclaims, nr_waits; /* as /proc/vmstat counts allocstall */
};

/* clear_page and memset for __GFP_ZERO, counted. */
static inline void sb_mm_zero(struct sb_mm *mm, void *at, size_t bytes)
{
    memset(at, 0, bytes);
    atomic_fetch_add_explicit(&mm->nr_zeroed, bytes, memory_order_relaxed);
}

/* ---- made and unmade (memmap.c) ---- */

/* The first options of every plugin on this model, and how many they are. */
enum {
    SB_MM_OPTION_PAGE_LISTS,
    SB_MM_OPTION_CPU_SYNC,
    SB_MM_OPTION_NODES,
    SB_MM_OPTION_DMA32,
    SB_MM_OPTION_HIGHMEM,
    SB_MM_OPTION_RESERVE,
    SB_MM_OPTIONS
};
#define SB_MM_OPTION_ROWS                                                                                              \
    [SB_MM_OPTION_PAGE_LISTS] = {"page_lists",                                                                         \
                                 SB_OPTION_BOOL,                                                                       \
                                 0,                                                                                    \
                                 "yes",                                                                                \
                                 0,                                                                                    \
                                 0,                                                                                    \
                                 NULL,                                                                                 \
                                 "per-CPU lists in front of the buddy system, for orders 0 to 3 and 9"},               \
    [SB_MM_OPTION_CPU_SYNC] = {"cpu_sync",                                                                             \
                               SB_OPTION_ENUM,                                                                         \
                               0,                                                                                      \
                               "auto",                                                                                 \
                               0,                                                                                      \
                               0,                                                                                      \
                               sb_cpu_sync_names,                                                                      \
                               "how per-CPU data is guarded: by restartable sequences, or by locks; auto: "            \
                               "by sequences where the machine has them"},                                             \
    [SB_MM_OPTION_NODES] = {"nodes", SB_OPTION_INT,                                                                    \
                            0,       "0",                                                                              \
                            0,       SB_MAX_NODES,                                                                     \
                            NULL,    "NUMA nodes that the memory is divided into; 0: as many as the machine has"},     \
    [SB_MM_OPTION_DMA32] = {"dma32",                                                                                   \
                            SB_OPTION_SIZE,                                                                            \
                            0,                                                                                         \
                            "4GiB",                                                                                    \
                            UINT64_C(16) << 20,                                                                        \
                            UINT64_C(1) << 40,                                                                         \
                            NULL,                                                                                      \
                            "where the zone DMA32 ends and Normal begins"},                                            \
    [SB_MM_OPTION_HIGHMEM] = {"highmem", SB_OPTION_SIZE,                                                               \
                              0,         "0B",                                                                         \
                              0,         UINT64_C(1) << 40,                                                            \
                              NULL,      "memory at the end that has no direct map: the zone HighMem"},                \
    [SB_MM_OPTION_RESERVE] = {                                                                                         \
        "reserve",                                                                                                     \
        SB_OPTION_ENUM,                                                                                                \
        0,                                                                                                             \
        "6.1",                                                                                                         \
        0,                                                                                                             \
        0,                                                                                                             \
        sb_reserve_names,                                                                                              \
        "the kernel whose rule says how far below the minimum watermark a request may go: 2.6.10, 6.1, or 6.4 and later"}

struct sb_mm_config sb_mm_read_options(const union sb_value *options);

/*
 * Builds zones over the host's memory, the memory map at the end of low memory. Needs sb_mm_exit, also after
 * a failure. -ENOTSUP: sequences were asked for and aren't to be had. -ENOMEM, -EINVAL; the host is told why.
 */
int sb_mm_init(struct sb_mm *mm, const struct sb_host *host, const struct sb_mm_config *config);
void sb_mm_exit(struct sb_mm *mm);

/* ---- blocks (page_alloc.c) ---- */

/* node -1: that of the CPU one is on. NULL when there is none, after whatever gfp allows was tried. */
struct sb_page *sb_alloc_pages_node(struct sb_mm *mm, int node, sb_gfp_t gfp, unsigned order);
struct sb_page *sb_alloc_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order);
void sb_free_pages(struct sb_mm *mm, struct sb_page *page, unsigned order);
/* To the buddy, behind all others: what was just used for I/O is not in the cache. */
void sb_free_cold_page(struct sb_mm *mm, struct sb_page *page);
/* Of something that wasn't allocated, or not by whom it was freed to: check() will say so. */
void sb_count_bad_free(struct sb_mm *mm);
/* Addresses; no HIGHMEM. */
void *sb_get_free_pages(struct sb_mm *mm, sb_gfp_t gfp, unsigned order);
void *sb_get_zeroed_page(struct sb_mm *mm, sb_gfp_t gfp);
void sb_free_pages_at(struct sb_mm *mm, void *address, unsigned order);

/* ---- pages without a direct map (highmem.c) ---- */

/*
 * An address for a page of HighMem, until as many calls of sb_kunmap; of others the one they have. NULL: all windows
 * were taken for SB_PKMAP_WAIT_NS, or the OS refuses the mapping.
 */
void *sb_kmap(struct sb_mm *mm, struct sb_page *page);
void sb_kunmap(struct sb_mm *mm, struct sb_page *page);
/* page_address: of a page of HighMem that of its window, while it has one, also beyond sb_kunmap; else NULL. */
void *sb_kmap_address(struct sb_mm *mm, const struct sb_page *page);
/* vm_insert_page: the page at a user's page-aligned address; in place of what is there, where the kernel says -EBUSY,
 * and without a reference to the page. 0 or a negative errno. */
int sb_insert_page(struct sb_mm *mm, struct sb_page *page, void *address);
/* 0, also where there is no HighMem. */
int sb_pkmap_init(struct sb_mm *mm);
void sb_pkmap_exit(struct sb_mm *mm);
/* Windows and pages name each other. -EUCLEAN with the finding in `why`. */
int sb_pkmap_check(const struct sb_mm *mm, char *why, size_t why_size);

/* ---- memory short (reclaim.c) ---- */

void sb_register_shrinker(struct sb_mm *mm, void (*shrink)(void *owner), void *owner);
void sb_unregister_shrinkers(struct sb_mm *mm, const void *owner);
/* Everything that can be given back, is: per-CPU lists, then what the shrinkers find. */
void sb_mm_reclaim(struct sb_mm *mm);
/* All CPUs' lists to the buddy, as far as nobody is using them. */
void sb_drain_all_pages(struct sb_mm *mm);

/* ---- looking (page_check.c); only while nothing else runs ---- */

uint64_t sb_mm_numa_events(const struct sb_mm *mm, const struct sb_zone *zone, enum sb_numa_event event);
uint64_t sb_mm_free_pages(const struct sb_mm *mm);
uint64_t sb_mm_pcp_pages(const struct sb_mm *mm);
/* Pages not free; those on per-CPU lists count as used: no other CPU can have them. */
uint64_t sb_mm_used_pages(const struct sb_mm *mm);
/* Blocks in users' hands. */
uint64_t sb_mm_live_blocks(const struct sb_mm *mm);
void sb_mm_snapshot(struct sb_mm *mm, struct sb_snapshot *snapshot);
int sb_mm_dump(struct sb_mm *mm, const char *file, const struct sb_sink *sink);
/* "numastat" as numastat(8) prints it; the others as in /proc. */
#define SB_MM_DUMP_FILES "buddyinfo zoneinfo pagetypeinfo numastat"
int sb_mm_check(struct sb_mm *mm, char *why, size_t why_size);
const char *sb_zone_name(const struct sb_zone *zone);

void sb_sink_printf(const struct sb_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* kmalloc_fix_flags' complaint: flags that a cache can't keep, and what is left of them. */
void sb_warn_flags(struct sb_mm *mm, const char *cache, sb_gfp_t asked, sb_gfp_t kept);
/* kmem_cache_destroy's refusal: tells the host which cache and how many. -EBUSY. */
int sb_report_leak(const struct sb_mm *mm, const char *cache, uint64_t live, uint32_t size);
/* Fills `why` and returns -EUCLEAN: the last line of every failed check. */
int sb_check_failed(char *why, size_t why_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- inline ---- */

static inline uint64_t sb_page_to_pfn(const struct sb_mm *mm, const struct sb_page *page)
{
    return (uint64_t)(page - mm->memmap);
}

static inline struct sb_zone *sb_page_zone(struct sb_mm *mm, const struct sb_page *page)
{
    return &mm->zones[page->zone];
}

static inline bool sb_page_is_high(const struct sb_mm *mm, const struct sb_page *page)
{
    return sb_page_to_pfn(mm, page) >= mm->low_pages;
}

/* Of a page with a direct map. */
static inline void *sb_page_address(const struct sb_mm *mm, const struct sb_page *page)
{
    return mm->base + (sb_page_to_pfn(mm, page) << SB_PAGE_SHIFT);
}

static inline struct sb_page *sb_virt_to_page(const struct sb_mm *mm, const void *address)
{
    return mm->memmap + ((uint64_t)((const char *)address - mm->base) >> SB_PAGE_SHIFT);
}

static inline uint32_t sb_page_flags(const struct sb_page *page)
{
    return __atomic_load_n(&page->flags, __ATOMIC_RELAXED);
}

/* Whether `head` is the first page of an allocated block that has `page`. Blocks are apart, so it is the one. */
static inline bool sb_is_head_of(const struct sb_page *head, const struct sb_page *page)
{
    return sb_page_flags(head) == SB_PG_ALLOCATED && (uint64_t)(page - head) >> head->order == 0;
}

/* By alignment: the first page of a block of order n is a multiple of 2^n. NULL: the page is not allocated. */
struct sb_page *sb_find_large_head(const struct sb_mm *mm, const struct sb_page *page);

/* compound_head: the first page of the allocated block that has the page, or NULL. */
static inline struct sb_page *sb_page_head(const struct sb_mm *mm, const struct sb_page *page)
{
    struct sb_page *head = __atomic_load_n(&page->head, __ATOMIC_RELAXED);
    return __builtin_expect(head && sb_is_head_of(head, page), 1) ? head : sb_find_large_head(mm, page);
}

/* The allocated block that an address of the direct map lies in, or NULL. */
static inline struct sb_page *sb_virt_to_head(const struct sb_mm *mm, const void *address)
{
    uint64_t pfn = (uint64_t)((const char *)address - mm->base) >> SB_PAGE_SHIFT;
    return pfn < mm->low_pages ? sb_page_head(mm, &mm->memmap[pfn]) : NULL;
}

static inline void sb_page_set_flags(struct sb_page *page, uint32_t flags)
{
    __atomic_store_n(&page->flags, flags, __ATOMIC_RELAXED);
}

static inline bool sb_pcp_allowed(unsigned order)
{
    return order <= SB_COSTLY_ORDER || order == SB_PAGEBLOCK_ORDER;
}

/* order_to_pindex, and pindex_to_order. */
static inline unsigned sb_pcp_index(unsigned order)
{
    return order <= SB_COSTLY_ORDER ? order : SB_COSTLY_ORDER + 1;
}

static inline unsigned sb_pcp_list(unsigned order, enum sb_migratetype type)
{
    return sb_pcp_index(order) * SB_NR_MIGRATETYPES + type;
}

static inline unsigned sb_pcp_order(unsigned list)
{
    unsigned index = list / SB_NR_MIGRATETYPES;
    return index <= SB_COSTLY_ORDER ? index : SB_PAGEBLOCK_ORDER;
}

#endif
