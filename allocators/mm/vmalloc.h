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

/* An allocation. */
struct sb_vm_struct {
    uint64_t start, nr_pages; /* in pages of the space; the guard page behind is not counted */
    size_t requested;
    struct sb_page **pages;
    int64_t maps;              /* what it costs of the OS's mappings */
    struct sb_vm_struct *next; /* lazily freed ones */
};

struct sb_vmalloc {
    struct sb_kmalloc kmalloc; /* for its own structures, as the kernel's */
    struct sb_mm *mm;
    char *base;
    uint64_t space_pages;
    struct sb_vm_struct **owner; /* by page of the space: the allocation that starts there */
    struct sb_lock lock;         /* protects all below, and owner */
    struct sb_vmap_area *free_tree;
    uint64_t random;
    struct sb_vm_struct *lazy;
    uint64_t lazy_pages;
    uint64_t lazy_max; /* 0: unmap at once */
    uint64_t live, live_pages, live_requested;
    atomic_llong maps; /* mappings in use, of max_maps */
    int64_t max_maps;
    atomic_uint failed_unmaps;
};

/* `lazy_max` in bytes: how much unmapped space may wait; 0 unmaps at once. */
int sb_vmalloc_init(struct sb_vmalloc *vm, struct sb_mm *mm, bool percpu, uint64_t lazy_max);
void sb_vmalloc_exit(struct sb_vmalloc *vm);

void *sb_vmalloc(struct sb_vmalloc *vm, size_t size, sb_gfp_t gfp);
void sb_vfree(struct sb_vmalloc *vm, void *address);
void sb_vmalloc_purge(struct sb_vmalloc *vm);

int sb_vmalloc_dump(struct sb_vmalloc *vm, const char *file, const struct sb_sink *sink);
int sb_vmalloc_check(struct sb_vmalloc *vm, char *why, size_t why_size);

#endif
