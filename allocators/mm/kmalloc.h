/* kmalloc: size classes over SLUB, whole pages above. See kmalloc.c. */
#ifndef SB_MM_KMALLOC_H
#define SB_MM_KMALLOC_H

#include "slub.h"

#define SB_KMALLOC_CLASSES  13
#define SB_KMALLOC_MAX_SLAB 8192 /* above: pages */

struct sb_kmalloc {
    struct sb_slub slub;
    struct sb_kmem_cache *caches[2][SB_KMALLOC_CLASSES]; /* [1]: from the DMA zone */
    uint8_t small_class[192 / 8 + 1];                    /* class by (size + 7) / 8 */
};

int sb_kmalloc_init(struct sb_kmalloc *k, struct sb_mm *mm, const struct sb_slub_config *config);
void sb_kmalloc_exit(struct sb_kmalloc *k);

void *sb_kmalloc(struct sb_kmalloc *k, size_t size, size_t align, sb_gfp_t gfp);
/* kmalloc_node; -1: as sb_kmalloc. */
void *sb_kmalloc_node(struct sb_kmalloc *k, size_t size, sb_gfp_t gfp, int node);
void *sb_kzalloc(struct sb_kmalloc *k, size_t size, sb_gfp_t gfp);
void sb_kfree(struct sb_kmalloc *k, void *block);
size_t sb_ksize(struct sb_kmalloc *k, const void *block);

void sb_kmalloc_snapshot(struct sb_kmalloc *k, struct sb_snapshot *snapshot);

#endif
