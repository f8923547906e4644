/* Boot memory: what is allocated before there are zones. See bootmem.c. Offsets and sizes in bytes. */
#ifndef SB_MM_BOOTMEM_H
#define SB_MM_BOOTMEM_H

#include <stddef.h>
#include <stdint.h>

struct sb_region {
    uint64_t start, size;
};

/* Memory from 0 to `size`, and what of it is taken: regions in order of address, never touching. */
struct sb_bootmem {
    char *base;
    uint64_t size;
    struct sb_region *reserved;
    unsigned n, capacity;
};

void sb_bootmem_init(struct sb_bootmem *boot, char *base, uint64_t size);
void sb_bootmem_exit(struct sb_bootmem *boot);

/*
 * The four calls of LDD3. NULL when there is no room. alloc_bootmem and _pages stay above 16 MiB while they can, so
 * that DMA's memory lasts; those with _low take the lowest. The book has them give HighMem, too; mm/bootmem.c of 2.6
 * never did on machines that have such memory, and no pointer could name it.
 */
void *sb_alloc_bootmem(struct sb_bootmem *boot, uint64_t size);
void *sb_alloc_bootmem_low(struct sb_bootmem *boot, uint64_t size);
void *sb_alloc_bootmem_pages(struct sb_bootmem *boot, uint64_t size);
void *sb_alloc_bootmem_low_pages(struct sb_bootmem *boot, uint64_t size);
/* From the high end downwards: for the memory map, as memblock does it. */
void *sb_alloc_bootmem_top(struct sb_bootmem *boot, uint64_t size);
/* Any range, for those that deal with a range of their own. Not rounded. */
void *sb_bootmem_alloc(struct sb_bootmem *boot, uint64_t size, uint64_t align, uint64_t goal);
int sb_bootmem_release(struct sb_bootmem *boot, void *at, uint64_t size);
/*
 * Whole pages only come back: what a page shares with another allocation is lost. -EINVAL: not taken.
 * -ENOMEM: no room to remember the hole.
 */
int sb_free_bootmem(struct sb_bootmem *boot, void *at, uint64_t size);

/* Where the reserved region that has `at` ends, as an offset; 0: `at` is not reserved. */
uint64_t sb_bootmem_region_end(const struct sb_bootmem *boot, const void *at);

/* The free range in front of reserved region `i`; of the last when `i` is n. May be empty. */
struct sb_region sb_bootmem_gap(const struct sb_bootmem *boot, unsigned i);
/* Regions in order, apart, within memory. -EUCLEAN. */
int sb_bootmem_check(const struct sb_bootmem *boot);

#endif
