/*
 * Boot-time buffers as a plugin: a pool in one piece, taken before there are zones, dealt out first fit by
 * address as the bigphysarea patch does that LDD3 mentions; and the page allocator with what is left. See
 * mm/bootmem.c.
 *
 * Locks: `lock`, taken alone.
 */
#include "../mm/bootmem.h"
#include "../mm/page_alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_POOL = SB_MM_OPTIONS };

static const struct sb_option options[] = {
    SB_MM_OPTION_ROWS,
    [OPTION_POOL] = {"pool", SB_OPTION_PERCENT, 0, "50%", 1, 90, NULL,
                     "share of the memory that is reserved at boot; blocks of `sized` come from there, "
                     "`pages` from the rest"},
};

struct plugin {
    struct sb_mm mm;
    struct sb_lock lock; /* protects all below */
    struct sb_bootmem pool;
    uint64_t *starts; /* a bit per word of the pool: a block starts there; regions hold neighbours as one */
    uint64_t live, live_bytes;
};

static uint64_t word_of(const struct plugin *p, const void *at)
{
    return (uint64_t)((const char *)at - p->pool.base) / sizeof(void *);
}

static uint64_t words_of(const struct plugin *p)
{
    return p->pool.size / sizeof(void *);
}

static bool starts_at(const struct plugin *p, uint64_t word)
{
    return p->starts[word / 64] >> word % 64 & 1;
}

static void set_start(struct plugin *p, uint64_t word, bool starts)
{
    uint64_t bit = UINT64_C(1) << word % 64;
    p->starts[word / 64] = starts ? p->starts[word / 64] | bit : p->starts[word / 64] & ~bit;
}

/* Whether a block starts at `word` and no other before `end`: all of it is the caller's. */
static bool is_one_block(const struct plugin *p, uint64_t word, uint64_t end)
{
    if (!starts_at(p, word))
        return false;
    for (uint64_t i = word + 1; i < end; i = (i / 64 + 1) * 64) {
        uint64_t bits = p->starts[i / 64] >> i % 64;
        if (bits && i + (uint64_t)__builtin_ctzll(bits) < end)
            return false;
    }
    return true;
}

/* Whether a block ends at `word`: one that went on beyond it would be cut in two. */
static bool is_end(const struct plugin *p, uint64_t from, uint64_t word)
{
    uint64_t region_end = sb_bootmem_region_end(&p->pool, p->pool.base + from * sizeof(void *));
    return word * sizeof(void *) == region_end || (word * sizeof(void *) < region_end && starts_at(p, word));
}

static void bootmem_close(void *self)
{
    struct plugin *p = self;
    sb_bootmem_exit(&p->pool);
    sb_mm_exit(&p->mm);
    free(p->starts);
    free(p);
}

static int bootmem_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct plugin *p = calloc(1, sizeof(*p));
    if (p)
        sb_lock_init(&p->lock, SB_RANK_BOOT);
    struct sb_mm_config config = sb_mm_read_options(values);
    config.boot_bytes = host->memory_size / 100 * values[OPTION_POOL].u & ~(SB_PAGE_SIZE - 1);
    if (p)
        p->starts = calloc(config.boot_bytes / sizeof(void *) / 64 + 1, sizeof(*p->starts));
    int status = p && p->starts ? sb_mm_init(&p->mm, host, &config) : -ENOMEM;
    if (status) {
        if (p)
            bootmem_close(p);
        return status;
    }
    sb_bootmem_init(&p->pool, p->mm.boot, config.boot_bytes);
    *self = p;
    return 0;
}

/* In words: what a driver asks such a pool for is large, and it remembers the size itself. */
static uint64_t rounded(size_t size)
{
    return (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
}

static void *bootmem_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    struct plugin *p = self;
    /* bigphysarea deals out pages: more alignment than that of one it never gave. */
    if (align > SB_PAGE_SIZE)
        return NULL;
    sb_lock(&p->lock);
    void *block = sb_bootmem_alloc(&p->pool, rounded(size), align > sizeof(void *) ? align : sizeof(void *), 0);
    if (block)
        set_start(p, word_of(p, block), true);
    p->live += block != NULL;
    p->live_bytes += block ? rounded(size) : 0;
    sb_unlock(&p->lock);
    /* Without the lock: clearing megabytes is no business of the pool's. */
    if (block && gfp & SB_GFP_ZERO)
        sb_mm_zero(&p->mm, block, size);
    return block;
}

static void bootmem_free(void *self, void *block, size_t size)
{
    struct plugin *p = self;
    uint64_t from = word_of(p, block), end = from + rounded(size) / sizeof(void *);
    if (!block)
        return;
    sb_lock(&p->lock);
    /* A block that isn't there, or of another size, is a mistake of the caller's, and changes nothing. */
    bool mine = from < end && end <= words_of(p) && is_one_block(p, from, end) && is_end(p, from, end);
    if (!mine || sb_bootmem_release(&p->pool, block, rounded(size))) {
        sb_count_bad_free(&p->mm);
    } else {
        set_start(p, from, false);
        p->live--;
        p->live_bytes -= rounded(size);
    }
    sb_unlock(&p->lock);
}

/* ---- LDD3's four calls and free_bootmem, of the same pool ---- */

static void *take_at_boot(struct plugin *p, void *(*take)(struct sb_bootmem *, uint64_t), size_t size, uint64_t bytes)
{
    if (!size || bytes < size)
        return NULL;
    sb_lock(&p->lock);
    void *at = take(&p->pool, bytes);
    if (at) {
        set_start(p, word_of(p, at), true);
        p->live++;
        p->live_bytes += bytes;
    }
    sb_unlock(&p->lock);
    /* __alloc_bootmem_core's memset; without the lock, as above. */
    if (at)
        sb_mm_zero(&p->mm, at, bytes);
    return at;
}

static void *bootmem_alloc_bootmem(void *self, size_t size)
{
    return take_at_boot(self, sb_alloc_bootmem, size, rounded(size));
}

static void *bootmem_alloc_bootmem_low(void *self, size_t size)
{
    return take_at_boot(self, sb_alloc_bootmem_low, size, rounded(size));
}

static uint64_t in_pages(size_t size)
{
    return (size + SB_PAGE_SIZE - 1) & ~(SB_PAGE_SIZE - 1);
}

static void *bootmem_alloc_bootmem_pages(void *self, size_t size)
{
    return take_at_boot(self, sb_alloc_bootmem_pages, size, in_pages(size));
}

static void *bootmem_alloc_bootmem_low_pages(void *self, size_t size)
{
    return take_at_boot(self, sb_alloc_bootmem_low_pages, size, in_pages(size));
}

/* Pieces that begin in the range are gone. `cut`: what of the last one lies behind it is a piece of its own now. */
static void forget_pieces(struct plugin *p, uint64_t from, uint64_t end, bool cut)
{
    for (uint64_t word = from, next; word < end; word = next) {
        next = (word / 64 + 1) * 64 < end ? (word / 64 + 1) * 64 : end;
        uint64_t n = next - word, bits = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << word % 64;
        p->live -= (uint64_t)__builtin_popcountll(p->starts[word / 64] & bits);
        p->starts[word / 64] &= ~bits;
    }
    if (cut)
        set_start(p, end, true);
    p->live += cut;
    p->live_bytes -= (end - from) * sizeof(void *);
}

/* What is not memory, or not taken, is the caller's mistake (mm/bootmem.c: BUG), and changes nothing. */
static void bootmem_free_bootmem(void *self, void *address, size_t size)
{
    struct plugin *p = self;
    uint64_t at = (uint64_t)((char *)address - p->pool.base), start = in_pages(at),
             end = (at + size) & ~(SB_PAGE_SIZE - 1);
    bool inside = at < p->pool.size && size <= p->pool.size - at, freed = false;
    if (!address || (inside && start >= end))
        return;
    sb_lock(&p->lock);
    if (inside && end <= sb_bootmem_region_end(&p->pool, p->pool.base + start)) {
        uint64_t from = start / sizeof(void *), to = end / sizeof(void *);
        bool cut = !is_end(p, from, to);
        freed = !sb_free_bootmem(&p->pool, address, size);
        if (freed)
            forget_pieces(p, from, to, cut);
    }
    if (!freed)
        sb_count_bad_free(&p->mm);
    sb_unlock(&p->lock);
}

static struct sb_page *bootmem_alloc_pages(void *self, int node, sb_gfp_t gfp, unsigned order)
{
    return sb_alloc_pages_node(&((struct plugin *)self)->mm, node, gfp, order);
}

static void bootmem_free_pages(void *self, struct sb_page *page, unsigned order)
{
    sb_free_pages(&((struct plugin *)self)->mm, page, order);
}

static void *bootmem_page_address(void *self, struct sb_page *page)
{
    return sb_kmap_address(&((struct plugin *)self)->mm, page);
}

static struct sb_page *bootmem_virt_to_page(void *self, void *address)
{
    return sb_virt_to_page(&((struct plugin *)self)->mm, address);
}

static uint64_t bootmem_page_to_pfn(void *self, struct sb_page *page)
{
    return sb_page_to_pfn(&((struct plugin *)self)->mm, page);
}

static void *bootmem_get_free_pages(void *self, sb_gfp_t gfp, unsigned order)
{
    return sb_get_free_pages(&((struct plugin *)self)->mm, gfp, order);
}

static void bootmem_free_pages_at(void *self, void *address, unsigned order)
{
    sb_free_pages_at(&((struct plugin *)self)->mm, address, order);
}

static void bootmem_free_cold_page(void *self, struct sb_page *page)
{
    sb_free_cold_page(&((struct plugin *)self)->mm, page);
}

static void *bootmem_kmap(void *self, struct sb_page *page)
{
    return sb_kmap(&((struct plugin *)self)->mm, page);
}

static void bootmem_kunmap(void *self, struct sb_page *page)
{
    sb_kunmap(&((struct plugin *)self)->mm, page);
}

static int bootmem_insert_page(void *self, struct sb_page *page, void *address)
{
    return sb_insert_page(&((struct plugin *)self)->mm, page, address);
}

/* The pool is held whether it is used or not: that is its price. */
static int bootmem_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct plugin *p = self;
    uint64_t on_lists = sb_mm_pcp_pages(&p->mm) << SB_PAGE_SHIFT;
    sb_mm_snapshot(&p->mm, snapshot);
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    snapshot->live = p->live + sb_mm_live_blocks(&p->mm);
    snapshot->handed_bytes = p->live_bytes + snapshot->held_bytes - on_lists;
    snapshot->held_bytes += p->pool.size;
    /* To the pages underneath the pool is reserved memory; here it is what is dealt in. */
    snapshot->metadata_bytes -= p->pool.size;
    snapshot->metadata_bytes += p->pool.capacity * sizeof(*p->pool.reserved) + words_of(p) / 8;
    return 0;
}

static int bootmem_dump(void *self, const char *file, const struct sb_sink *sink)
{
    struct plugin *p = self;
    if (strcmp(file, "memblock"))
        return sb_mm_dump(&p->mm, file, sink);
    /* As debugfs' memblock/reserved has it. */
    for (unsigned i = 0; i < p->pool.n; i++) {
        uint64_t start = (uint64_t)(p->pool.base - p->mm.base) + p->pool.reserved[i].start;
        sb_sink_printf(sink, "%4u: 0x%016llx..0x%016llx\n", i, (unsigned long long)start,
                       (unsigned long long)(start + p->pool.reserved[i].size - 1));
    }
    return 0;
}

/* Each region begins with a block, and blocks begin in regions alone, as many as live. */
static int check_starts(const struct plugin *p, char *why, size_t why_size)
{
    uint64_t starts = 0, inside = 0;
    for (uint64_t i = 0; i < words_of(p) / 64 + 1; i++)
        starts += (uint64_t)__builtin_popcountll(p->starts[i]);
    for (unsigned i = 0; i < p->pool.n; i++) {
        const struct sb_region *r = &p->pool.reserved[i];
        uint64_t first = r->start / sizeof(void *), end = first + r->size / sizeof(void *);
        if (!starts_at(p, first))
            return sb_check_failed(why, why_size, "no block begins where region %u of the pool does", i);
        for (uint64_t word = first; word < end; word++)
            inside += starts_at(p, word);
    }
    if (starts != p->live || inside != starts)
        return sb_check_failed(why, why_size,
                               "%llu blocks begin in the pool, %llu of them in its regions, counted %llu",
                               (unsigned long long)starts, (unsigned long long)inside, (unsigned long long)p->live);
    return 0;
}

static int bootmem_check(void *self, char *why, size_t why_size)
{
    struct plugin *p = self;
    uint64_t taken = 0;
    int status = sb_mm_check(&p->mm, why, why_size);
    for (unsigned i = 0; i < p->pool.n; i++)
        taken += p->pool.reserved[i].size;
    if (!status && sb_bootmem_check(&p->pool))
        return sb_check_failed(why, why_size, "the pool's regions overlap, touch or are out of order");
    if (!status && taken != p->live_bytes)
        return sb_check_failed(why, why_size, "the pool's regions hold %llu bytes, counted %llu",
                               (unsigned long long)taken, (unsigned long long)p->live_bytes);
    return status ? status : check_starts(p, why, why_size);
}

static void bootmem_shrink(void *self)
{
    sb_mm_reclaim(&((struct plugin *)self)->mm);
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized),
    .alloc = bootmem_alloc,
    .free = bootmem_free,
};

static const struct sb_pages_ops pages = {
    .struct_size = sizeof(pages),
    .alloc_pages = bootmem_alloc_pages,
    .free_pages = bootmem_free_pages,
    .page_address = bootmem_page_address,
    .virt_to_page = bootmem_virt_to_page,
    .page_to_pfn = bootmem_page_to_pfn,
    .get_free_pages = bootmem_get_free_pages,
    .free_pages_at = bootmem_free_pages_at,
    .free_cold_page = bootmem_free_cold_page,
    .kmap = bootmem_kmap,
    .kunmap = bootmem_kunmap,
    .insert_page = bootmem_insert_page,
};

static const struct sb_boot_ops boot = {
    .struct_size = sizeof(boot),
    .alloc_bootmem = bootmem_alloc_bootmem,
    .alloc_bootmem_low = bootmem_alloc_bootmem_low,
    .alloc_bootmem_pages = bootmem_alloc_bootmem_pages,
    .alloc_bootmem_low_pages = bootmem_alloc_bootmem_low_pages,
    .free_bootmem = bootmem_free_bootmem,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "bootmem",
    .summary = "large buffers from a pool reserved at boot; pages from what is left",
    .models = "mm/bootmem.c of Linux 2.6 over mm/memblock.c of Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = bootmem_open,
    .close = bootmem_close,
    .snapshot = bootmem_snapshot,
    .dump = bootmem_dump,
    .dump_files = SB_MM_DUMP_FILES " memblock",
    .check = bootmem_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = bootmem_shrink,
    .sized = &sized,
    .pages = &pages,
    .boot = &boot,
};
