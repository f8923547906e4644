/*
 * The page allocator as a plugin: blocks of 2^order pages, by order (__get_free_pages) or by size, as
 * mm/page_alloc.c of Linux 6.1 gives them. The model, its locks and what it leaves out stand in
 * mm/page_alloc.c, buddy.c and pcp.c under mm/; this file is the ABI around them.
 */
#include "../mm/page_alloc.h"

#include <errno.h>
#include <stdlib.h>

static const struct sb_option options[] = {SB_MM_OPTION_ROWS};

static void buddy_close(void *self)
{
    sb_mm_exit(self);
    free(self);
}

static int buddy_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct sb_mm *mm = calloc(1, sizeof(*mm));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = mm ? sb_mm_init(mm, host, &config) : -ENOMEM;
    if (status && mm)
        buddy_close(mm);
    else
        *self = mm;
    return status;
}

/* A block is aligned to its size, so a larger alignment is a larger block. */
static unsigned order_for(size_t size, size_t align)
{
    return sb_get_order(size > align ? size : align ? align : 1);
}

static void *buddy_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    return sb_get_free_pages(self, gfp, order_for(size, align));
}

/* The order is known from the page: callers of `sized` need not remember it. */
static void buddy_free(void *self, void *block, size_t size)
{
    (void)size;
    if (block) {
        struct sb_page *page = sb_virt_to_page(self, block);
        sb_free_pages(self, page, page->order);
    }
}

static size_t buddy_usable(void *self, void *block)
{
    return (size_t)SB_PAGE_SIZE << sb_virt_to_page(self, block)->order;
}

static struct sb_page *buddy_alloc_pages(void *self, int node, sb_gfp_t gfp, unsigned order)
{
    return sb_alloc_pages_node(self, node, gfp, order);
}

static void buddy_free_pages(void *self, struct sb_page *page, unsigned order)
{
    sb_free_pages(self, page, order);
}

static void *buddy_page_address(void *self, struct sb_page *page)
{
    return sb_kmap_address(self, page);
}

static struct sb_page *buddy_virt_to_page(void *self, void *address)
{
    return sb_virt_to_page(self, address);
}

static uint64_t buddy_page_to_pfn(void *self, struct sb_page *page)
{
    return sb_page_to_pfn(self, page);
}

static void *buddy_get_free_pages(void *self, sb_gfp_t gfp, unsigned order)
{
    return sb_get_free_pages(self, gfp, order);
}

static void buddy_free_pages_at(void *self, void *address, unsigned order)
{
    sb_free_pages_at(self, address, order);
}

static void buddy_free_cold_page(void *self, struct sb_page *page)
{
    sb_free_cold_page(self, page);
}

static void *buddy_kmap(void *self, struct sb_page *page)
{
    return sb_kmap(self, page);
}

static void buddy_kunmap(void *self, struct sb_page *page)
{
    sb_kunmap(self, page);
}

static int buddy_insert_page(void *self, struct sb_page *page, void *address)
{
    return sb_insert_page(self, page, address);
}

/* Whole blocks; what is held beyond them waits on per-CPU lists. */
static int buddy_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct sb_mm *mm = self;
    sb_mm_snapshot(mm, snapshot);
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    snapshot->live = sb_mm_live_blocks(mm);
    snapshot->handed_bytes = snapshot->held_bytes - (sb_mm_pcp_pages(mm) << SB_PAGE_SHIFT);
    return 0;
}

static void buddy_shrink(void *self)
{
    sb_mm_reclaim(self);
}

static int buddy_dump(void *self, const char *file, const struct sb_sink *sink)
{
    return sb_mm_dump(self, file, sink);
}

static int buddy_check(void *self, char *why, size_t why_size)
{
    return sb_mm_check(self, why, why_size);
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .max_size = SB_PAGE_SIZE << SB_MAX_ORDER,
    .alloc = buddy_alloc,
    .free = buddy_free,
    .usable = buddy_usable,
};

static const struct sb_pages_ops pages = {
    .struct_size = sizeof(pages),
    .alloc_pages = buddy_alloc_pages,
    .free_pages = buddy_free_pages,
    .page_address = buddy_page_address,
    .virt_to_page = buddy_virt_to_page,
    .page_to_pfn = buddy_page_to_pfn,
    .get_free_pages = buddy_get_free_pages,
    .free_pages_at = buddy_free_pages_at,
    .free_cold_page = buddy_free_cold_page,
    .kmap = buddy_kmap,
    .kunmap = buddy_kunmap,
    .insert_page = buddy_insert_page,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "buddy",
    .summary = "page blocks of orders 0 to 10, split and merged with their buddies, per-CPU lists in front",
    .models = "mm/page_alloc.c, Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = buddy_open,
    .close = buddy_close,
    .snapshot = buddy_snapshot,
    .dump = buddy_dump,
    .dump_files = SB_MM_DUMP_FILES,
    .check = buddy_check,
    .claims = SB_CLAIM_CHECK | SB_CLAIM_NODES,
    .shrink = buddy_shrink,
    .sized = &sized,
    .pages = &pages,
};
