/* vmalloc: pages contiguous in virtual space only. See vmalloc.c. */
#ifndef SB_MM_VMALLOC_H
#define SB_MM_VMALLOC_H

#include "kmalloc.h"

/* A free range of the address space: a node of a tree ordered by address. Sizes in pages. */
struct sb_vmap_area {
    uint64_t start, size;
    uint64_t subtree_max; /* largest size in this node's subtree: what first fit descends by */
    uint64_t priority;    /* heap order keeps the tree balanced */
    struct sb_vmap_area *left, *right;
};

/*
 * A run of addresses that one CPU deals small areas out of, without the tree: the kernel's vmap_block. It
 * goes back whole when all of it was dealt out and unmapped again.
 */
struct sb_vmap_block {
    uint64_t start;
    uint32_t dealt;    /* pages dealt out so far, from the start */
    uint32_t unmapped; /* of them; under vm->lock */
    bool retired;      /* no CPU deals from it any more; under vm->lock */
};
#define SB_VMAP_BLOCK_PAGES 1024 /* VMAP_BBMAP_BITS: 4 MiB */
#define SB_VMAP_MAX_PAGES   32   /* VMAP_MAX_ALLOC: larger areas come from the tree */

/* An allocation, or a mapped device range. */
struct sb_vm_struct {
    uint64_t start;      /* of the mapping, in pages of the space */
    uint32_t nr_pages;   /* mapped; the guard page behind is not counted */
    uint32_t size;       /* pages of the range: with guard and alignment */
    uint32_t before;     /* pages of the range before the mapping */
    uint32_t page_order; /* 0, or SB_PAGEBLOCK_ORDER for huge mappings */
    size_t requested;
    struct sb_page **pages; /* NULL: device memory */
    struct sb_vmap_block *block;
    struct sb_vm_struct *next; /* lazily freed ones */
    uint32_t maps;             /* what it costs of the OS's mappings */
};

struct sb_vmalloc_config {
    bool percpu;       /* small areas from per-CPU blocks of addresses */
    bool huge;         /* 2 MiB blocks for areas of 2 MiB and more, where they are to be had */
    uint64_t lazy_max; /* bytes that may wait to be unmapped; 0: none */
    uint64_t device;   /* bytes of device memory for ioremap; 0: none */
};

struct sb_vmap_cpu {
    struct sb_lock lock; /* protects block and what is dealt of it */
    struct sb_vmap_block *block;
    char padding[56 - sizeof(struct sb_lock)];
};

struct sb_vmalloc {
    struct sb_kmalloc kmalloc; /* for its own structures, as the kernel's */
    struct sb_mm *mm;
    struct sb_vmalloc_config config;
    void *space; /* as the OS gave it; the base is aligned within */
    uint64_t space_bytes;
    char *base;
    uint64_t space_pages;
    struct sb_vm_struct **owner; /* by page of the space: the allocation that starts there */
    struct sb_vmap_cpu *cpus;    /* NULL without per-CPU blocks */
    int device_fd;
    struct sb_lock lock; /* protects all below, owner, and blocks */
    struct sb_vmap_area *free_tree;
    uint64_t random;
    struct sb_vm_struct *lazy;
    uint64_t lazy_pages;
    uint64_t block_pages; /* of all blocks */
    uint64_t live, live_pages, live_requested;
    atomic_llong maps; /* mappings in use, of max_maps */
    int64_t max_maps;
    atomic_uint failed_unmaps;
};

int sb_vmalloc_init(struct sb_vmalloc *vm, struct sb_mm *mm, const struct sb_vmalloc_config *config);
void sb_vmalloc_exit(struct sb_vmalloc *vm);

void *sb_vmalloc(struct sb_vmalloc *vm, size_t size, sb_gfp_t gfp);
void *sb_vzalloc(struct sb_vmalloc *vm, size_t size);
void sb_vfree(struct sb_vmalloc *vm, void *address);
/* Unmaps all that waits for it. */
void sb_vmalloc_purge(struct sb_vmalloc *vm);

/*
 * Maps `size` bytes of the device from `physical` on, an address of the device's own. NULL beyond its end.
 * What comes back is read and written by the accessors of scullbench/io.h. Never the page allocator's.
 */
void *sb_ioremap(struct sb_vmalloc *vm, uint64_t physical, size_t size);
void sb_iounmap(struct sb_vmalloc *vm, void *address);

int sb_vmalloc_dump(struct sb_vmalloc *vm, const char *file, const struct sb_sink *sink);
int sb_vmalloc_check(struct sb_vmalloc *vm, char *why, size_t why_size);

#endif
