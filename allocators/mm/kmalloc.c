/*
 * kmalloc.
 *
 * Models mm/slab_common.c and include/linux/slab.h of Linux 6.1: caches kmalloc-8 to kmalloc-8k, the powers
 * of two with 96 and 192 between, powers of two aligned to their size, and a second set of them in the DMA
 * zone (dma-kmalloc-8 and so on) for GFP_DMA; requests above 8 KiB get whole pages of the smallest order that
 * holds them.
 *
 * Locks: none of its own.
 *
 * Left out: the reclaimable and accounted copies of the caches.
 */
#include "kmalloc.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint32_t size;
} classes[SB_KMALLOC_CLASSES] = {
    {"kmalloc-8", 8},     {"kmalloc-16", 16},   {"kmalloc-32", 32},   {"kmalloc-64", 64},   {"kmalloc-96", 96},
    {"kmalloc-128", 128}, {"kmalloc-192", 192}, {"kmalloc-256", 256}, {"kmalloc-512", 512}, {"kmalloc-1k", 1024},
    {"kmalloc-2k", 2048}, {"kmalloc-4k", 4096}, {"kmalloc-8k", 8192},
};

/* Powers of two are aligned to themselves in kmalloc since 5.4; the classes between are not. */
static bool is_power_of_two(size_t n)
{
    return !(n & (n - 1));
}

static int create_class(struct sb_kmalloc *k, unsigned class, bool dma)
{
    size_t size = classes[class].size, align = is_power_of_two(size) ? size : 0;
    char name[32];
    if (align > SB_PAGE_SIZE)
        align = SB_PAGE_SIZE;
    snprintf(name, sizeof(name), "%s%s", dma ? "dma-" : "", classes[class].name);
    return sb_cache_create(&k->slub, name, size, align, dma ? SB_SLAB_CACHE_DMA : 0, NULL, &k->caches[dma][class]);
}

/* All classes at once, as kmalloc_init does at boot: a first call must not pay for creating a cache. */
int sb_kmalloc_init(struct sb_kmalloc *k, struct sb_mm *mm, const struct sb_slub_config *config)
{
    int status = 0;
    sb_slub_init(&k->slub, mm, config);
    for (unsigned i = 0; i < 2 * SB_KMALLOC_CLASSES && !status; i++)
        status = create_class(k, i % SB_KMALLOC_CLASSES, i >= SB_KMALLOC_CLASSES);
    for (unsigned i = 0, class = 0; i < sizeof(k->small_class); i++) {
        while (classes[class].size < 8 * i)
            class ++;
        k->small_class[i] = (uint8_t) class;
    }
    return status;
}

void sb_kmalloc_exit(struct sb_kmalloc *k)
{
    sb_slub_exit(&k->slub);
}

/* Up to 192 by table, above by the highest bit: 193..256 is class 7. */
static inline unsigned class_of(const struct sb_kmalloc *k, size_t size)
{
    if (size <= 192)
        return k->small_class[(size + 7) / 8];
    return 64 - (unsigned)__builtin_clzll(size - 1) - 1;
}

/*
 * Up to a page an alignment is met by taking the power of two that has it; above, whole pages are
 * aligned to their block. kmalloc itself takes no alignment: this serves aligned requests of the
 * `sized` interface.
 */
void *sb_kmalloc(struct sb_kmalloc *k, size_t size, size_t align, sb_gfp_t gfp)
{
    if (__builtin_expect(align > 8, 0)) {
        /* 96 and 192 are only as aligned as their lowest bit; the power of two above serves always. */
        if (size < align)
            size = align;
        if (size <= SB_PAGE_SIZE && !is_power_of_two(size))
            size = (size_t)1 << (64 - __builtin_clzll(size - 1));
    }
    if (__builtin_expect(size > SB_KMALLOC_MAX_SLAB || align > SB_PAGE_SIZE, 0)) {
        if (size > SB_PAGE_SIZE << SB_MAX_ORDER)
            return NULL;
        return sb_get_free_pages(k->slub.mm, gfp, sb_get_order(size));
    }
    return sb_cache_alloc(k->caches[gfp & SB_GFP_DMA][class_of(k, size)], gfp);
}

void *sb_kmalloc_node(struct sb_kmalloc *k, size_t size, sb_gfp_t gfp, int node)
{
    if (size <= SB_KMALLOC_MAX_SLAB)
        return sb_cache_alloc_node(k->caches[gfp & SB_GFP_DMA][class_of(k, size)], gfp, node);
    if (size > SB_PAGE_SIZE << SB_MAX_ORDER)
        return NULL;
    /* kmalloc needs an address. */
    struct sb_page *page = sb_alloc_pages_node(k->slub.mm, node, gfp & ~SB_GFP_HIGHMEM, sb_get_order(size));
    return page ? sb_page_address(k->slub.mm, page) : NULL;
}

void *sb_kzalloc(struct sb_kmalloc *k, size_t size, sb_gfp_t gfp)
{
    return sb_kmalloc(k, size, 0, gfp | SB_GFP_ZERO);
}

/* The page tells whose block it is: no size is needed, as with the kernel's kfree. */
void sb_kfree(struct sb_kmalloc *k, void *block)
{
    if (!block)
        return;
    struct sb_page *page = sb_virt_to_head(k->slub.mm, block);
    if (__builtin_expect(!page, 0))
        sb_count_bad_free(k->slub.mm);
    else if (__builtin_expect(page->user == SB_PAGE_SLUB, 1))
        sb_cache_free_in(page->owner, page, block);
    else
        sb_free_pages(k->slub.mm, page, page->order);
}

/* What may be used, which for large requests is the whole block and not what was asked for. */
size_t sb_ksize(struct sb_kmalloc *k, const void *block)
{
    const struct sb_page *page = sb_virt_to_head(k->slub.mm, block);
    if (page->user != SB_PAGE_SLUB)
        return (size_t)SB_PAGE_SIZE << page->order;
    return ((const struct sb_kmem_cache *)page->owner)->requested;
}

void sb_kmalloc_snapshot(struct sb_kmalloc *k, struct sb_snapshot *snapshot)
{
    struct sb_mm *mm = k->slub.mm;
    struct sb_list *link;
    uint64_t blocks = 0, slab_pages = 0;

    sb_mm_snapshot(mm, snapshot);
    sb_slub_snapshot(&k->slub, snapshot);
    sb_list_for_each (link, &k->slub.caches) {
        const struct sb_kmem_cache *cache = sb_list_entry(link, struct sb_kmem_cache, link);
        blocks += atomic_load(&cache->nr_slabs);
        slab_pages += atomic_load(&cache->nr_pages);
    }
    /* What is neither a slab nor on a CPU's list was handed out whole. */
    snapshot->live += sb_mm_live_blocks(mm) - blocks;
    snapshot->handed_bytes += (sb_mm_used_pages(mm) - sb_mm_pcp_pages(mm) - slab_pages) << SB_PAGE_SHIFT;
}
