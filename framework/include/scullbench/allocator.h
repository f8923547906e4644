/*
 * The allocator plugin ABI.
 *
 * An allocator offers one or more interfaces, each a table of functions; a member that is NULL isn't
 * offered. Workloads take the table they need (source.h tells how one is picked) and call it
 * directly. All alloc and free functions may be called from any thread at once, and a block may be
 * freed by another thread than the one it was given to; snapshot, dump and check are called only
 * while no other call is in progress.
 */
#ifndef SCULLBENCH_ALLOCATOR_H
#define SCULLBENCH_ALLOCATOR_H

#include "abi.h"

SB_EXTERN_C_BEGIN

#define SB_PAGE_SHIFT 12
#define SB_PAGE_SIZE  (UINT64_C(1) << SB_PAGE_SHIFT)
#define SB_MAX_ORDER  10 /* the largest block: 4 MiB, as Linux before 6.8 counts it to 10 */
#define SB_NR_ORDERS  (SB_MAX_ORDER + 1)

/*
 * Allocation flags, named for the kernel's. The values are ours.
 *
 * The first group are the kernel's __GFP_* modifiers. Without DMA, DMA32 or HIGHMEM the search starts in the
 * normal zone. DIRECT_RECLAIM is what "may sleep" means: reclaim, then wait for frees, for a bounded time. An
 * allocator without zones or reserves takes no notice of what it hasn't got; ZERO is honoured by all.
 */
typedef uint32_t sb_gfp_t;
#define SB_GFP_DMA            UINT32_C(0x0001)  /* only memory below 16 MiB */
#define SB_GFP_HIGH           UINT32_C(0x0002)  /* may dip into the emergency reserve */
#define SB_GFP_DIRECT_RECLAIM UINT32_C(0x0004)  /* may reclaim and wait */
#define SB_GFP_ZERO           UINT32_C(0x0008)  /* the block is zero-filled */
#define SB_GFP_NOWARN         UINT32_C(0x0010)  /* failure is expected: say nothing */
#define SB_GFP_DMA32          UINT32_C(0x0020)  /* only memory below 4 GiB */
#define SB_GFP_HIGHMEM        UINT32_C(0x0040)  /* memory without a direct map will do */
#define SB_GFP_MOVABLE        UINT32_C(0x0080)  /* grouped with what could be moved */
#define SB_GFP_RECLAIMABLE    UINT32_C(0x0100)  /* grouped with what could be reclaimed */
#define SB_GFP_COLD           UINT32_C(0x0200)  /* cache-cold pages will do: not from the per-CPU lists */
#define SB_GFP_NORETRY        UINT32_C(0x0400)  /* reclaim once, don't wait */
#define SB_GFP_RETRY_MAYFAIL  UINT32_C(0x0800)  /* wait longer before failing; LDD3's __GFP_REPEAT */
#define SB_GFP_NOFAIL         UINT32_C(0x1000)  /* wait without end */
#define SB_GFP_COMP           UINT32_C(0x2000)  /* a compound page; here every block is one */
#define SB_GFP_THISNODE       UINT32_C(0x4000)  /* no other node */
#define SB_GFP_IO             UINT32_C(0x8000)  /* reclaim may start I/O: there is none here */
#define SB_GFP_FS             UINT32_C(0x10000) /* reclaim may call file systems: there are none here */
/* Since 1.6. */
#define SB_GFP_NOMEMALLOC     UINT32_C(0x20000)  /* not from the emergency reserve, whatever else is said */
#define SB_GFP_MEMALLOC       UINT32_C(0x40000)  /* all of the reserve: who frees memory by this allocation */
#define SB_GFP_KSWAPD_RECLAIM UINT32_C(0x80000)  /* may wake kswapd: there is none here */
#define SB_GFP_HARDWALL       UINT32_C(0x100000) /* only the task's cpuset: there are none here */
#define SB_GFP_NOTRACK        UINT32_C(0x200000) /* not for kmemcheck, which 4.15 dropped */
#define SB_GFP_OTHER_NODE     UINT32_C(0x400000) /* for another node's use: counted as local there, until 4.10 */

/* The second group are the sets that callers use. */
#define SB_GFP_WAIT     SB_GFP_DIRECT_RECLAIM
#define SB_GFP_REPEAT   SB_GFP_RETRY_MAYFAIL
#define SB_GFP_NOWAIT   UINT32_C(0)
#define SB_GFP_ATOMIC   SB_GFP_HIGH
#define SB_GFP_NOIO     SB_GFP_DIRECT_RECLAIM
#define SB_GFP_NOFS     (SB_GFP_NOIO | SB_GFP_IO)
#define SB_GFP_KERNEL   (SB_GFP_NOFS | SB_GFP_FS)
#define SB_GFP_USER     SB_GFP_KERNEL
#define SB_GFP_HIGHUSER (SB_GFP_USER | SB_GFP_HIGHMEM | SB_GFP_MOVABLE)

/* Flags of a cache, named for the kernel's SLAB_*. */
#define SB_SLAB_HWCACHE_ALIGN UINT32_C(0x1) /* align objects to the cache line */
#define SB_SLAB_CACHE_DMA     UINT32_C(0x2) /* slabs from the DMA zone */
#define SB_SLAB_NO_REAP       UINT32_C(0x4) /* memory pressure takes no slabs of it */
#define SB_SLAB_CACHE_DMA32   UINT32_C(0x8) /* since 1.6: slabs from the zones DMA32 and DMA */
/* Since 1.6: what SLUB's debugging writes beside and into objects, and looks at; for those that have it. */
#define SB_SLAB_CONSISTENCY_CHECKS UINT32_C(0x10)
#define SB_SLAB_RED_ZONE           UINT32_C(0x20)
#define SB_SLAB_POISON             UINT32_C(0x40)
#define SB_SLAB_STORE_USER         UINT32_C(0x80)

/* Since 1.7: what create_dtor's constructors are told, as the kernel told them until 2.6.22. */
#define SB_SLAB_CTOR_CONSTRUCTOR UINT32_C(0x1) /* this is the constructor: one function may be both */
#define SB_SLAB_CTOR_ATOMIC      UINT32_C(0x2) /* the constructor may not sleep */

/* kmalloc-like; alloc and free are required. `align` is a power of two or 0 for the allocator's natural
 * alignment. */
struct sb_sized_ops {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t max_size; /* the largest request that can ever succeed; 0: no fixed limit */
    /* size: at least 1; align: a power of two, or 0. NULL when it can't. */
    void *(*alloc)(void *self, size_t size, size_t align, sb_gfp_t gfp);
    void (*free)(void *self, void *block, size_t size); /* size: as it was asked for; NULL is ignored */
    size_t (*usable)(void *self, void *block);          /* bytes that may be used; NULL: not known */
    /* Since 1.6, may be NULL. kmalloc_node: of that node's memory if it can be had; -1: as alloc, without `align`. */
    void *(*alloc_node)(void *self, size_t size, sb_gfp_t gfp, int node);
};

/* kmem_cache-like: objects of one size. All four are required. */
struct sb_cache_ops {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t max_size; /* the largest object size; 0: no fixed limit */
    /* `ctor` may be NULL; `reserve` objects are guaranteed where the allocator has a reserve (mempool). */
    int (*create)(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *object),
                  uint32_t reserve, void **cache);
    void *(*alloc)(void *cache, sb_gfp_t gfp);
    void (*free)(void *cache, void *object);
    /* -EBUSY while objects live: the cache stays, and fail() names it and their number. */
    int (*destroy)(void *cache);
    /* Since 1.6, may be NULL. kmem_cache_alloc_node: of that node's memory if it can be had; -1: as alloc. */
    void *(*alloc_node)(void *cache, sb_gfp_t gfp, int node);
    /*
     * Since 1.7, may be NULL. kmem_cache_create as LDD3 has it: the constructor, or NULL, is told SB_SLAB_CTOR_*; the
     * destructor is called for each object of a slab before its pages go back, from any thread, with 0 for flags.
     */
    int (*create_dtor)(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                       void (*ctor)(void *object, uint32_t ctor_flags), void (*dtor)(void *object, uint32_t ctor_flags),
                       void **cache);
};

/*
 * alloc_pages-like: 2^order pages, aligned to their size. get_free_pages and free_pages_at are required; the
 * five others are offered together or not at all. Addresses are those of sb_host.memory, where there is one.
 * A page is an opaque handle, and every page of a block has one; what was given by page may be freed by
 * address, and the other way round.
 */
struct sb_page;
struct sb_pages_ops {
    uint32_t struct_size;
    uint32_t reserved;
    struct sb_page *(*alloc_pages)(void *self, int node, sb_gfp_t gfp, unsigned order); /* node -1: any */
    void (*free_pages)(void *self, struct sb_page *page, unsigned order);
    void *(*page_address)(void *self, struct sb_page *page);           /* of HighMem: what kmap gave it, or NULL */
    struct sb_page *(*virt_to_page)(void *self, void *address);        /* any address within a block */
    uint64_t (*page_to_pfn)(void *self, struct sb_page *page);         /* counted from 0 at sb_host.memory */
    void *(*get_free_pages)(void *self, sb_gfp_t gfp, unsigned order); /* address at once */
    void (*free_pages_at)(void *self, void *address, unsigned order);
    /* Since 1.7; each may be NULL, kmap and kunmap together, and all need the five above. */
    /* free_cold_page of 2.6: of order 0, what is not in the CPU's cache. NULL: free_pages serves. */
    void (*free_cold_page)(void *self, struct sb_page *page);
    /* An address for one page of a block, HighMem's too, until as many calls of kunmap; from any thread. NULL: the
     * mapping can't be had. Where there is no kmap, page_address serves. */
    void *(*kmap)(void *self, struct sb_page *page);
    void (*kunmap)(void *self, struct sb_page *page);
    /* vm_insert_page: one page of a live block at an address of the caller's, in place of what is mapped there; 0 or a
     * negative errno. The caller unmaps it before the block is freed. */
    int (*insert_page)(void *self, struct sb_page *page, void *address);
};

/* alloc_percpu-like: one object per CPU behind one cookie. Areas are zero-filled. All three are required. */
struct sb_percpu_ops {
    uint32_t struct_size;
    uint32_t reserved;
    void *(*alloc_percpu)(void *self, size_t size, size_t align);
    void *(*per_cpu_ptr)(void *self, void *cookie, unsigned cpu);
    void (*free_percpu)(void *self, void *cookie);
    /*
     * Since 1.6; all of these or none. Numbers have 64 bits. static_number: a number of the allocator's own, as
     * DEFINE_PER_CPU makes one, which nobody else counts in. this_cpu_add returns what the number is then. get_cpu_ptr:
     * this CPU's copy, which no other thread gets until as many calls of put_cpu; calls nest.
     */
    void *(*static_number)(void *self);
    int64_t (*this_cpu_add)(void *self, void *cookie, int64_t n);
    void *(*get_cpu_ptr)(void *self, void *cookie);
    void (*put_cpu)(void *self);
    /* percpu_counter: a CPU keeps less than `batch` back; the sum is exact while nobody adds. */
    int (*counter_create)(void *self, int64_t batch, void **counter);
    void (*counter_add)(void *counter, int64_t n);
    int64_t (*counter_sum)(void *counter);
    void (*counter_destroy)(void *counter);
};

/*
 * Since 1.6: ioremap-like. Physical addresses run from 0 to device_bytes of the device that the allocator has beside
 * its memory; what comes back is read and written by the accessors of io.h. All three are
 * required, and one of the interfaces above beside them.
 */
struct sb_io_ops {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t (*device_bytes)(void *self);
    /* NULL where it can't, or the range is not wholly of the device. */
    void *(*ioremap)(void *self, uint64_t physical, size_t size);
    void (*iounmap)(void *self, void *address);
};

/*
 * Since 1.7: memory as drivers take it at boot (LDD3), in pieces of any size, aligned to a line of 64 bytes or to
 * pages. alloc_bootmem and alloc_bootmem_pages stay above 16 MiB of the pool while they can; those with low take the
 * lowest that fits. Zero-filled. All five are required, and one of the interfaces above beside them. NULL when there is
 * no room.
 */
struct sb_boot_ops {
    uint32_t struct_size;
    uint32_t reserved;
    void *(*alloc_bootmem)(void *self, size_t size);
    void *(*alloc_bootmem_low)(void *self, size_t size);
    void *(*alloc_bootmem_pages)(void *self, size_t size);
    void *(*alloc_bootmem_low_pages)(void *self, size_t size);
    /* Whole pages alone come back; what of them the range has only in part stays taken for ever, as LDD3 warns. */
    void (*free_bootmem)(void *self, void *address, size_t size);
};

/*
 * Since 1.7: mempools of elements that the caller makes: mempool_create with functions of one's own. They are called
 * from the thread that allocates or frees, without locks, and may fail. All five are required, and one of the
 * interfaces above beside them.
 */
struct sb_pool_ops {
    uint32_t struct_size;
    uint32_t reserved;
    /* Fills the reserve of min_nr elements at once; -ENOMEM where it can't. */
    int (*create)(void *self, uint32_t min_nr, void *(*alloc)(sb_gfp_t gfp, void *data),
                  void (*free)(void *element, void *data), void *data, void **pool);
    /* The caller's function first, then the reserve; with SB_GFP_DIRECT_RECLAIM it then waits, else NULL. */
    void *(*alloc)(void *pool, sb_gfp_t gfp);
    void (*free)(void *pool, void *element);
    /* As mempool_resize: 0 also where the reserve can't be filled yet; it fills as elements come back. -ENOMEM: nothing
     * has changed. */
    int (*resize)(void *pool, uint32_t min_nr);
    /* Frees the reserve; every element has come back before. */
    void (*destroy)(void *pool);
};

/* n objects of a cache at once; both are required, and the caches' four beside them. alloc_bulk gives all n,
 * or none and 0. */
struct sb_bulk_ops {
    uint32_t struct_size;
    uint32_t reserved;
    size_t (*alloc_bulk)(void *cache, sb_gfp_t gfp, size_t n, void **objects);
    void (*free_bulk)(void *cache, size_t n, void **objects);
};

/* Which members of a snapshot hold something; the others are "not available", never zero. */
#define SB_HAS_LIVE        UINT32_C(0x01)
#define SB_HAS_HANDED      UINT32_C(0x02)
#define SB_HAS_HELD        UINT32_C(0x04)
#define SB_HAS_FREE_BLOCKS UINT32_C(0x08)
#define SB_HAS_METADATA    UINT32_C(0x10)
#define SB_HAS_SHARED      UINT32_C(0x20)  /* since 1.3 */
#define SB_HAS_ZEROED      UINT32_C(0x40)  /* since 1.5 */
#define SB_HAS_NUMA        UINT32_C(0x80)  /* since 1.6 */
#define SB_HAS_DISTANCE    UINT32_C(0x100) /* since 1.7 */

/* The allocator's books at one moment, taken while nothing else runs. */
struct sb_snapshot {
    uint32_t struct_size;               /* set by the host */
    uint32_t has;                       /* SB_HAS_* */
    uint64_t live;                      /* blocks and objects in users' hands */
    uint64_t handed_bytes;              /* what users may use of them: sizes rounded up to class or page */
    uint64_t held_bytes;                /* pages taken out of the free pool: handed out, or kept in slabs;
                                           with the free blocks' the same sum at all times */
    uint64_t metadata_bytes;            /* the allocator's own structures beside the pages held */
    uint64_t free_blocks[SB_NR_ORDERS]; /* free blocks of the page allocator by order */
    /*
     * Since 1.3, so only where struct_size has them: blocks that lists which all CPUs share have given out
     * since open, and of them those that another CPU had given back last. Blocks that a CPU's own lists serve
     * are in neither.
     */
    uint64_t shared_blocks, crossed_blocks;
    /* Since 1.5: bytes that the allocator itself has set to zero since open, for callers that asked for it or
     * of its own accord; not what it knew to be zero already. */
    uint64_t zeroed_bytes;
    /* Since 1.6: blocks of pages given out since open from the node of the CPU that asked, and from others, as
     * numastat counts them. Meant on several nodes. */
    uint64_t local_blocks, remote_blocks;
    /* Since 1.7: over all of those the sum of the distance from the CPU that asked to the block, 10 for a local one. */
    uint64_t block_distances;
};

#define SB_ALLOCATOR_OS_MEMORY UINT32_C(0x1) /* takes memory from the OS, not from sb_host.memory */
#define SB_ALLOCATOR_ALIASES   UINT32_C(0x2) /* gives the same block to all: contents don't last (null) */

/* What an allocator says of itself beyond what all must keep; `scullbench check` holds it to that. */
/*
 * CHECK is proved by damage to those bytes of sb_host.memory that nobody was given and that aren't zero: free
 * lists, headers, maps. Records that lie elsewhere can't be reached, and who keeps none in there has nothing
 * to claim.
 */
#define SB_CLAIM_CHECK        UINT64_C(0x1) /* check() notices damage to memory that nobody was given */
#define SB_CLAIM_DOUBLE_FREE  UINT64_C(0x2) /* told by fail(), or by the next check() */
#define SB_CLAIM_FOREIGN_FREE UINT64_C(0x4) /* likewise, of a block that was never given out */
/* Since 1.4: sb_host's nodes are kept apart. A page asked of a node is that node's while it has one, and with
 * SB_GFP_THISNODE no other's. An option `nodes` other than 0 makes the claim void. */
#define SB_CLAIM_NODES UINT64_C(0x8)

/* The exported descriptor: `const struct sb_allocator scullbench_allocator`. */
struct sb_allocator {
    struct sb_head head;
    const char *name;    /* [a-z0-9-]+ */
    const char *summary; /* one line */
    const char *models;  /* what it models: file and version; or "" */
    const struct sb_option *options;
    uint32_t option_count;
    uint32_t flags; /* SB_ALLOCATOR_* */
    int (*open)(const struct sb_host *host, const union sb_value *options, void **self);
    /* Gives everything back, whatever still lives. Blocks from the OS's memory are all freed before it. */
    void (*close)(void *self);
    int (*snapshot)(void *self, struct sb_snapshot *snapshot);
    /* Writes the text that the kernel's own /proc/<file> would show; -ENOENT for a file it lacks. */
    int (*dump)(void *self, const char *file, const struct sb_sink *sink);
    const char *dump_files; /* those it has, separated by spaces */
    /* Walks and proves its own structures; -EUCLEAN with the finding in `why`. */
    int (*check)(void *self, char *why, size_t why_size);
    const struct sb_sized_ops *sized;
    const struct sb_cache_ops *cache;
    const struct sb_pages_ops *pages;
    const struct sb_percpu_ops *percpu;
    const struct sb_bulk_ops *bulk;
    /*
     * Since 1.1; may be NULL. Gives back what is kept for later: per-CPU lists, empty slabs, lazily freed
     * ranges. Called while nothing else is; afterwards held bytes are what live blocks need;
     * of memory from the OS as near to that as the allocator can.
     */
    void (*shrink)(void *self);
    uint64_t claims;                /* since 1.2: SB_CLAIM_* */
    const struct sb_io_ops *io;     /* since 1.6 */
    const struct sb_boot_ops *boot; /* since 1.7 */
    const struct sb_pool_ops *pool; /* since 1.7 */
    /*
     * Since 1.8; may be NULL. The file of a shared library that gives a program this allocator for its malloc when it
     * is preloaded (LD_PRELOAD); "" where a program has it anyway. 0, or a negative errno: there is none with these
     * options.
     */
    int (*preload)(void *self, char *path, size_t size);
};

extern SB_EXPORT const struct sb_allocator scullbench_allocator;

/* get_order: the smallest order whose block holds `size` bytes; needs size > 0. */
static inline unsigned sb_get_order(uint64_t size)
{
    uint64_t pages = (size - 1) >> SB_PAGE_SHIFT;
    return pages ? 64 - (unsigned)__builtin_clzll(pages) : 0;
}

SB_EXTERN_C_END

#endif
