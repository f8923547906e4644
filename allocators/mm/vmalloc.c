/*
 * vmalloc.
 *
 * Models mm/vmalloc.c of Linux 6.1: a range of addresses is taken first fit from the low end, with a guard
 * page behind; the pages come one by one from the buddy allocator (6.1 takes up to 100 in one call) and are
 * mapped there; a freed range comes back lazily, all of them at once when enough have gathered.
 *
 * Lazy means more here than there: 6.1 clears the page tables in vfree and defers the TLB flush and the
 * addresses' return; this defers the unmapping itself, so that neighbours go in one system call. A free is
 * cheaper than its counterpart, a purge dearer.
 *
 * The mapping is real: pages of the memory file are mapped a second time, so the processor's own MMU does
 * what it does for the kernel. It costs a system call per run of neighbouring pages where the kernel writes
 * page tables itself, and the OS allows vm.max_map_count (65530 by default) of such runs.
 *
 * Free ranges are kept in a treap; the kernel's augmented red-black tree has another shape, but finds the
 * same range: the lowest that is large enough.
 *
 * Small areas, up to 32 pages, can be dealt out of blocks of 1024 pages that a CPU has to itself, without a
 * look at the tree and without a guard page, as vm_map_ram does by vmap_block.
 *
 * Huge mappings (VM_ALLOW_HUGE_VMAP): areas of 2 MiB and more are made of blocks of order 9 on addresses
 * aligned alike, where such blocks are to be had; they are one run for the OS, and one page-table entry where
 * the memory file has huge pages.
 *
 * ioremap maps a second file, the device, into the same space; no page of it is the page allocator's.
 *
 * Locks: a CPU's block, then vm->lock; nothing is allocated, freed or mapped under vm->lock. The shrinker
 * purges.
 *
 * The array of an area's pages is one kmalloc block here (the kernel takes it from vmalloc itself above a
 * page), so an area has at most 4 MiB / 8 pages: 2 GiB.
 *
 * One file, as the kernel's: areas, CPUs' blocks, the lazy purge and ioremap all take from and give back to the one
 * tree of free ranges under vm->lock, and share its invariants, which sb_vmalloc_check walks as a whole.
 *
 * Left out: nodes; partial purging of a block. An alias of a lazily freed range stays readable until the
 * purge, as a stale TLB entry would be in the kernel.
 */
#define _GNU_SOURCE
#include "vmalloc.h"

#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "scullbench/random.h"

#define SPACE_FACTOR 4 /* the address space is this many times the memory */

static uint64_t subtree_max(const struct sb_vmap_area *area)
{
    return area ? area->subtree_max : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t max_of(const struct sb_vmap_area *area)
{
    return larger(area->size, larger(subtree_max(area->left), subtree_max(area->right)));
}

/* After any change below: what first fit descends by must be right before the lock is dropped. */
static void update(struct sb_vmap_area *area)
{
    area->subtree_max = max_of(area);
}

/* Splits by address: below `start` to the left, the rest to the right. */
static void split(struct sb_vmap_area *tree, uint64_t start, struct sb_vmap_area **left, struct sb_vmap_area **right)
{
    if (!tree) {
        *left = *right = NULL;
    } else if (tree->start < start) {
        split(tree->right, start, &tree->right, right);
        *left = tree;
        update(tree);
    } else {
        split(tree->left, start, left, &tree->left);
        *right = tree;
        update(tree);
    }
}

/*
 * All of `left` lies below all of `right`. Depth is logarithmic in expectation, by the random
 * priorities.
 */
static struct sb_vmap_area *join(struct sb_vmap_area *left, struct sb_vmap_area *right)
{
    if (!left || !right)
        return left ? left : right;
    if (left->priority > right->priority) {
        left->right = join(left->right, right);
        update(left);
        return left;
    }
    right->left = join(left, right->left);
    update(right);
    return right;
}

/* The lowest or the highest range of a tree: the only candidates for merging. */
static struct sb_vmap_area *edge(struct sb_vmap_area *tree, bool last)
{
    while (tree && (last ? tree->right : tree->left))
        tree = last ? tree->right : tree->left;
    return tree;
}

/* Puts a range back, merged with free neighbours. Nodes not needed any more (two at most) come back in
 * `spares`. */
static void insert_free(struct sb_vmalloc *vm, struct sb_vmap_area *area, struct sb_vmap_area *spares[2])
{
    struct sb_vmap_area *left, *right;
    spares[0] = spares[1] = NULL;
    split(vm->free_tree, area->start, &left, &right);
    struct sb_vmap_area *before = edge(left, true), *after = edge(right, false);
    if (before && before->start + before->size == area->start) {
        struct sb_vmap_area *alone;
        split(left, before->start, &left, &alone);
        before->size += area->size;
        spares[0] = area;
        area = before;
    }
    if (after && area->start + area->size == after->start) {
        struct sb_vmap_area *alone;
        split(right, after->start + 1, &alone, &right);
        area->size += after->size;
        spares[1] = after;
    }
    area->left = area->right = NULL;
    struct sb_random random = {vm->random};
    area->priority = sb_random_next(&random);
    vm->random = random.state;
    update(area);
    vm->free_tree = join(join(left, area), right);
}

/* The lowest free range of at least `size` pages, or NULL. */
static struct sb_vmap_area *first_fit(struct sb_vmap_area *area, uint64_t size)
{
    while (area && subtree_max(area) >= size) {
        if (subtree_max(area->left) >= size)
            area = area->left;
        else if (area->size >= size)
            return area;
        else
            area = area->right;
    }
    return NULL;
}

/* Takes `size` pages from the low end of the first range that fits; UINT64_MAX if none does. */
static uint64_t take_range(struct sb_vmalloc *vm, uint64_t size, struct sb_vmap_area **emptied)
{
    struct sb_vmap_area *left, *right, *found = first_fit(vm->free_tree, size), *alone;
    *emptied = NULL;
    if (!found)
        return UINT64_MAX;
    uint64_t start = found->start;
    split(vm->free_tree, start, &left, &right);
    split(right, start + 1, &alone, &right);
    found->start += size;
    found->size -= size;
    if (found->size) {
        update(found);
        right = join(found, right);
    } else {
        *emptied = found;
    }
    vm->free_tree = join(left, right);
    return start;
}

/*
 * Addresses run out long before they are used up when many wait to be unmapped: purge once, then give
 * up.
 */
static uint64_t reserve_range(struct sb_vmalloc *vm, uint64_t size)
{
    struct sb_vmap_area *emptied;
    uint64_t start = UINT64_MAX;
    for (int tries = 0; tries < 2 && start == UINT64_MAX; tries++) {
        if (tries)
            sb_vmalloc_purge(vm);
        sb_lock(&vm->lock);
        start = take_range(vm, size, &emptied);
        sb_unlock(&vm->lock);
        sb_kfree(&vm->kmalloc, emptied);
    }
    return start;
}

/* Never allocates: `node` is memory the caller already has, so giving back can't fail. */
static void return_range(struct sb_vmalloc *vm, uint64_t start, uint64_t size, struct sb_vmap_area *node)
{
    struct sb_vmap_area *spares[2];
    *node = (struct sb_vmap_area){.start = start, .size = size};
    sb_lock(&vm->lock);
    insert_free(vm, node, spares);
    sb_unlock(&vm->lock);
    for (int i = 0; i < 2; i++)
        sb_kfree(&vm->kmalloc, spares[i]);
}

/*
 * Takes a range's mappings away. It can split what is around into one mapping more, and the OS refuses that
 * at its limit: the budget keeps a margin so that this never happens.
 */
static void unmap(struct sb_vmalloc *vm, uint64_t start, uint64_t pages)
{
    if (mmap(vm->base + (start << SB_PAGE_SHIFT), pages << SB_PAGE_SHIFT, PROT_NONE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        atomic_fetch_add(&vm->failed_unmaps, 1);
}

/* How many neighbouring pages, in memory, follow from page `i` on. */
static uint64_t run_from(const struct sb_vmalloc *vm, const struct sb_vm_struct *area, uint64_t i)
{
    if (!area->pages)
        return area->nr_pages - i;
    uint64_t pfn = sb_page_to_pfn(vm->mm, area->pages[i]), run = 1;
    while (i + run < area->nr_pages && sb_page_to_pfn(vm->mm, area->pages[i + run]) == pfn + run)
        run++;
    return run;
}

/* Mappings that the OS counts for an area: one per run, and the hole of its guard page. */
static uint32_t count_maps(const struct sb_vmalloc *vm, const struct sb_vm_struct *area)
{
    uint32_t maps = 1;
    for (uint64_t i = 0; i < area->nr_pages; i += run_from(vm, area, i))
        maps++;
    return maps;
}

/*
 * Maps the area, one system call per run of neighbours: of its pages, or of the device from `device_at` on.
 * -ENOMEM at the OS's limit, which is never reached quite.
 */
static int map_area(struct sb_vmalloc *vm, struct sb_vm_struct *area, uint64_t device_at)
{
    uint32_t maps = count_maps(vm, area);
    if (atomic_fetch_add(&vm->maps, maps) + maps > vm->max_maps) {
        atomic_fetch_sub(&vm->maps, maps);
        return -ENOMEM;
    }
    area->maps = maps;
    for (uint64_t i = 0, run; i < area->nr_pages; i += run) {
        run = run_from(vm, area, i);
        void *at = vm->base + ((area->start + i) << SB_PAGE_SHIFT);
        int fd = area->pages ? vm->mm->fd : vm->device_fd;
        uint64_t from = area->pages ? sb_page_to_pfn(vm->mm, area->pages[i]) << SB_PAGE_SHIFT : device_at;
        if (mmap(at, run << SB_PAGE_SHIFT, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_POPULATE, fd,
                 (off_t)from) == MAP_FAILED) {
            int status = -errno;
            atomic_fetch_sub(&vm->maps, maps);
            area->maps = 0;
            return status;
        }
    }
    return 0;
}

/*
 * Pages go back at once, even when the addresses come back later: the kernel does the same, and its
 * stale TLB entries are our stale aliases.
 */
static void free_area_pages(struct sb_vmalloc *vm, const struct sb_vm_struct *area, uint64_t n)
{
    for (uint64_t i = 0; area->pages && i < n; i += UINT64_C(1) << area->page_order)
        sb_free_pages(vm->mm, area->pages[i], area->page_order);
    sb_kfree(&vm->kmalloc, area->pages);
}

/* As many blocks of the area's order as it takes, each page of them in the array. */
static bool get_pages(struct sb_vmalloc *vm, struct sb_vm_struct *area, sb_gfp_t gfp)
{
    uint64_t got = 0, step = UINT64_C(1) << area->page_order;
    area->pages = sb_kmalloc(&vm->kmalloc, area->nr_pages * sizeof(*area->pages), 0,
                             gfp & ~(SB_GFP_ZERO | SB_GFP_HIGHMEM | SB_GFP_DMA));
    /* __vmalloc_area_node: high memory will do, since it gets addresses here. */
    if (!(gfp & (SB_GFP_DMA | SB_GFP_DMA32)))
        gfp |= SB_GFP_HIGHMEM;
    for (; area->pages && got < area->nr_pages; got += step) {
        struct sb_page *page = sb_alloc_pages(vm->mm, gfp, area->page_order);
        if (!page)
            break;
        for (uint64_t i = 0; i < step; i++)
            area->pages[got + i] = page + i;
    }
    if (area->pages && got == area->nr_pages)
        return true;
    if (area->pages)
        free_area_pages(vm, area, got);
    area->pages = NULL;
    return false;
}

/* An area with its pages, not yet with addresses. Huge blocks are a wish: without effort, else single pages.
 */
static struct sb_vm_struct *new_area(struct sb_vmalloc *vm, size_t size, sb_gfp_t gfp)
{
    uint64_t n = (size + SB_PAGE_SIZE - 1) >> SB_PAGE_SHIFT;
    struct sb_vm_struct *area = sb_kmalloc(&vm->kmalloc, sizeof(*area), 0, gfp & ~(SB_GFP_ZERO | SB_GFP_DMA));
    if (!area)
        return NULL;
    *area = (struct sb_vm_struct){.nr_pages = (uint32_t)n, .requested = size};
    if (vm->config.huge && n >= SB_PAGEBLOCK_PAGES) {
        area->page_order = SB_PAGEBLOCK_ORDER;
        area->nr_pages = (uint32_t)((n + SB_PAGEBLOCK_PAGES - 1) & ~(SB_PAGEBLOCK_PAGES - 1));
        if (get_pages(vm, area, (gfp & ~SB_GFP_DIRECT_RECLAIM) | SB_GFP_NOWARN))
            return area;
        area->page_order = 0;
        area->nr_pages = (uint32_t)n;
    }
    if (get_pages(vm, area, gfp))
        return area;
    sb_kfree(&vm->kmalloc, area);
    return NULL;
}

/* ---- blocks of addresses per CPU ---- */

/* A block whose last page was unmapped gives its addresses back, in its own memory. */
static void retire_block(struct sb_vmalloc *vm, struct sb_vmap_block *block)
{
    _Static_assert(sizeof(struct sb_vmap_block) <= 64, "a block's record becomes a free range's");
    return_range(vm, block->start, SB_VMAP_BLOCK_PAGES, (struct sb_vmap_area *)(void *)block);
}

/* After `pages` of it were unmapped, or when its CPU lets go of it. */
static void block_unmapped(struct sb_vmalloc *vm, struct sb_vmap_block *block, uint32_t pages, bool retire)
{
    sb_lock(&vm->lock);
    block->unmapped += pages;
    block->retired |= retire;
    bool done = block->retired && block->unmapped == SB_VMAP_BLOCK_PAGES;
    if (done)
        vm->block_pages -= SB_VMAP_BLOCK_PAGES;
    sb_unlock(&vm->lock);
    if (done)
        retire_block(vm, block);
}

static struct sb_vmap_block *new_block(struct sb_vmalloc *vm)
{
    struct sb_vmap_block *block = sb_kmalloc(&vm->kmalloc, sizeof(struct sb_vmap_area), 0, SB_GFP_NOWARN);
    if (!block)
        return NULL;
    *block = (struct sb_vmap_block){.start = reserve_range(vm, SB_VMAP_BLOCK_PAGES)};
    if (block->start == UINT64_MAX) {
        sb_kfree(&vm->kmalloc, block);
        return NULL;
    }
    sb_lock(&vm->lock);
    vm->block_pages += SB_VMAP_BLOCK_PAGES;
    sb_unlock(&vm->lock);
    return block;
}

/* What is left of a block that a request doesn't fit into is given up: it counts as unmapped. */
static bool deal(struct sb_vmalloc *vm, struct sb_vm_struct *area)
{
    struct sb_vmap_cpu *cpu = &vm->cpus[sched_getcpu()];
    struct sb_vmap_block *old = NULL;
    sb_lock(&cpu->lock);
    struct sb_vmap_block *block = cpu->block;
    if (!block || block->dealt + area->nr_pages > SB_VMAP_BLOCK_PAGES) {
        old = block;
        block = cpu->block = new_block(vm);
    }
    if (block) {
        area->start = block->start + block->dealt;
        area->size = area->nr_pages;
        area->block = block;
        block->dealt += area->nr_pages;
    }
    sb_unlock(&cpu->lock);
    if (old)
        block_unmapped(vm, old, SB_VMAP_BLOCK_PAGES - old->dealt, true);
    return block != NULL;
}

/* ---- areas ---- */

/* Addresses for an area: of the CPU's block, or of the tree, with a guard page behind and aligned if huge. */
static bool find_addresses(struct sb_vmalloc *vm, struct sb_vm_struct *area)
{
    if (vm->cpus && area->pages && area->nr_pages <= SB_VMAP_MAX_PAGES && deal(vm, area))
        return true;
    uint64_t align = UINT64_C(1) << area->page_order;
    area->size = (uint32_t)(area->nr_pages + 1 + (align - 1));
    uint64_t start = reserve_range(vm, area->size);
    if (start == UINT64_MAX)
        return false;
    area->start = (start + align - 1) & ~(align - 1);
    area->before = (uint32_t)(area->start - start);
    return true;
}

/* Gives an unmapped area's range back to where it came from, in the area's own memory. */
static void release(struct sb_vmalloc *vm, struct sb_vm_struct *area)
{
    uint64_t start = area->start - area->before, size = area->size;
    struct sb_vmap_block *block = area->block;
    atomic_fetch_sub(&vm->maps, area->maps);
    _Static_assert(sizeof(struct sb_vm_struct) <= 64 && sizeof(struct sb_vmap_area) <= 64,
                   "an allocation's record and a free range's come from one size class, "
                   "so one becomes the other and giving memory back never needs memory");
    if (block) {
        sb_kfree(&vm->kmalloc, area);
        block_unmapped(vm, block, (uint32_t)size, false);
    } else {
        return_range(vm, start, size, (struct sb_vmap_area *)(void *)area);
    }
}

static void complain(struct sb_vmalloc *vm, int status)
{
    vm->mm->host->fail(vm->mm->host->context,
                       status == -ENOMEM
                           ? "vmalloc: vm.max_map_count, which limits how many runs of neighbouring pages a process "
                             "can have mapped, is reached (%s)"
                           : "vmalloc: pages can't be mapped: %s",
                       strerror(-status));
}

/* Finds addresses and maps the area there. On failure everything but the area's pages and record is undone.
 */
static void *place_area(struct sb_vmalloc *vm, struct sb_vm_struct *area, uint64_t device_at)
{
    if (!find_addresses(vm, area)) {
        sb_kfree(&vm->kmalloc, area);
        return NULL;
    }
    int status = map_area(vm, area, device_at);
    if (status == -ENOMEM) {
        /* Perhaps only for now: lazily freed ranges hold mappings too. */
        sb_vmalloc_purge(vm);
        status = map_area(vm, area, device_at);
    }
    if (status) {
        complain(vm, status);
        unmap(vm, area->start, area->nr_pages);
        release(vm, area);
        return NULL;
    }
    sb_lock(&vm->lock);
    vm->owner[area->start] = area;
    vm->live += area->pages != NULL;
    vm->live_pages += area->pages ? area->nr_pages : 0;
    vm->live_requested += area->pages ? area->requested : 0;
    sb_unlock(&vm->lock);
    return vm->base + (area->start << SB_PAGE_SHIFT);
}

/* Sizes are rounded up to pages; the guard page is address space only and costs no memory. */
void *sb_vmalloc(struct sb_vmalloc *vm, size_t size, sb_gfp_t gfp)
{
    if (!size || size > vm->mm->nr_pages << SB_PAGE_SHIFT)
        return NULL;
    struct sb_vm_struct *area = new_area(vm, size, gfp);
    if (!area)
        return NULL;
    /* Place frees the record when it fails, so what is needed of it is kept. */
    struct sb_vm_struct copy = *area;
    void *address = place_area(vm, area, 0);
    if (!address)
        free_area_pages(vm, &copy, copy.nr_pages);
    return address;
}

void *sb_vzalloc(struct sb_vmalloc *vm, size_t size)
{
    return sb_vmalloc(vm, size, SB_GFP_KERNEL | SB_GFP_ZERO);
}

/* The list is taken whole under the lock and unmapped without it: system calls are long. */
void sb_vmalloc_purge(struct sb_vmalloc *vm)
{
    sb_lock(&vm->lock);
    struct sb_vm_struct *list = vm->lazy;
    vm->lazy = NULL;
    vm->lazy_pages = 0;
    sb_unlock(&vm->lock);
    while (list) {
        struct sb_vm_struct *area = list;
        uint64_t start = area->start - area->before, end = start + area->size;
        /* Neighbours freed one after the other are unmapped in one call. */
        for (list = area->next; list; list = list->next) {
            uint64_t other = list->start - list->before;
            if (other == end)
                end += list->size;
            else if (other + list->size == start)
                start = other;
            else
                break;
        }
        unmap(vm, start, end - start);
        while (area != list) {
            struct sb_vm_struct *next = area->next;
            release(vm, area);
            area = next;
        }
    }
}

/* The owner's slot is cleared first, so that of two frees of one address exactly one does the work. */
static struct sb_vm_struct *take_area(struct sb_vmalloc *vm, const void *address, bool device)
{
    uint64_t start = (uint64_t)((const char *)address - vm->base) >> SB_PAGE_SHIFT;
    sb_lock(&vm->lock);
    struct sb_vm_struct *area = start < vm->space_pages ? vm->owner[start] : NULL;
    if (area && device == !area->pages) {
        vm->owner[start] = NULL;
        vm->live -= !device;
        vm->live_pages -= device ? 0 : area->nr_pages;
        vm->live_requested -= device ? 0 : area->requested;
    } else {
        area = NULL;
        sb_count_bad_free(vm->mm);
    }
    sb_unlock(&vm->lock);
    return area;
}

void sb_vfree(struct sb_vmalloc *vm, void *address)
{
    struct sb_vm_struct *area = address ? take_area(vm, address, false) : NULL;
    if (!area)
        return;
    free_area_pages(vm, area, area->nr_pages);
    area->pages = NULL;
    if (!vm->config.lazy_max) {
        unmap(vm, area->start, area->nr_pages);
        release(vm, area);
        return;
    }
    sb_lock(&vm->lock);
    area->next = vm->lazy;
    vm->lazy = area;
    vm->lazy_pages += area->nr_pages;
    bool purge = vm->lazy_pages << SB_PAGE_SHIFT > vm->config.lazy_max;
    sb_unlock(&vm->lock);
    if (purge)
        sb_vmalloc_purge(vm);
}

/* Rounded outwards to pages; the address keeps its place within the page. */
void *sb_ioremap(struct sb_vmalloc *vm, uint64_t physical, size_t size)
{
    uint64_t first = physical & ~(SB_PAGE_SIZE - 1);
    uint64_t n = (physical + size - first + SB_PAGE_SIZE - 1) >> SB_PAGE_SHIFT;
    if (!size || physical + size < physical || physical + size > vm->config.device)
        return NULL;
    struct sb_vm_struct *area = sb_kmalloc(&vm->kmalloc, sizeof(*area), 0, SB_GFP_KERNEL);
    if (!area)
        return NULL;
    *area = (struct sb_vm_struct){.nr_pages = (uint32_t)n, .requested = physical};
    char *at = place_area(vm, area, first);
    return at ? at + (physical - first) : NULL;
}

void sb_iounmap(struct sb_vmalloc *vm, void *address)
{
    struct sb_vm_struct *area =
        address ? take_area(vm, (void *)((uintptr_t)address & ~(SB_PAGE_SIZE - 1)), true) : NULL;
    if (!area)
        return;
    unmap(vm, area->start, area->nr_pages);
    release(vm, area);
}

/* Unmaps what waits, and lets go of the CPUs' blocks: those of which nothing is used go back whole. */
static void shrink_under_pressure(void *owner)
{
    struct sb_vmalloc *vm = owner;
    for (unsigned i = 0; vm->cpus && i < vm->mm->nr_cpus; i++) {
        struct sb_vmap_block *block = NULL;
        /* Held where this very allocation began, perhaps. */
        if (sb_trylock(&vm->cpus[i].lock)) {
            block = vm->cpus[i].block;
            vm->cpus[i].block = NULL;
            sb_unlock(&vm->cpus[i].lock);
        }
        if (block)
            block_unmapped(vm, block, SB_VMAP_BLOCK_PAGES - block->dealt, true);
    }
    sb_vmalloc_purge(vm);
}

/* The OS's limit less a margin for the process's own mappings and for those that unmapping makes. */
static int64_t read_max_maps(void)
{
    long long limit = 65530;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (file) {
        if (fscanf(file, "%lld", &limit) != 1)
            limit = 65530;
        fclose(file);
    }
    return limit > 4096 ? limit - 2048 : limit / 2;
}

/* The device: a file of its own, which is all that the page allocator never sees. */
static int open_device(struct sb_vmalloc *vm)
{
    vm->device_fd = -1;
    if (!vm->config.device)
        return 0;
    vm->device_fd = memfd_create("scullbench-device", MFD_CLOEXEC);
    return vm->device_fd < 0 || ftruncate(vm->device_fd, (off_t)vm->config.device) ? -errno : 0;
}

/* The space is reserved, not committed, and so is the table of owners: only what is used costs memory. */
static int reserve_space(struct sb_vmalloc *vm)
{
    vm->space_pages = SPACE_FACTOR * vm->mm->nr_pages;
    size_t owner_bytes = vm->space_pages * sizeof(struct sb_vm_struct *);
    /* Aligned as huge mappings are within it, or the processor couldn't use a large entry. */
    vm->space_bytes = (vm->space_pages + SB_PAGEBLOCK_PAGES) << SB_PAGE_SHIFT;
    void *base = mmap(NULL, vm->space_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void *owner = mmap(NULL, owner_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uintptr_t huge = SB_PAGEBLOCK_PAGES << SB_PAGE_SHIFT;
    vm->space = base == MAP_FAILED ? NULL : base;
    vm->base = vm->space ? (char *)(((uintptr_t)base + huge - 1) & ~(huge - 1)) : NULL;
    vm->owner = owner == MAP_FAILED ? NULL : owner;
    struct sb_vmap_area *all = sb_kmalloc(&vm->kmalloc, sizeof(*all), 0, SB_GFP_KERNEL);
    if (vm->config.percpu) {
        vm->cpus = aligned_alloc(64, vm->mm->nr_cpus * sizeof(*vm->cpus));
        if (vm->cpus)
            memset(vm->cpus, 0, vm->mm->nr_cpus * sizeof(*vm->cpus));
        for (unsigned cpu = 0; vm->cpus && cpu < vm->mm->nr_cpus; cpu++)
            sb_lock_init(&vm->cpus[cpu].lock, SB_RANK_VMAP_BLOCK);
    }
    if (!vm->base || !vm->owner || !all || (vm->config.percpu && !vm->cpus)) {
        vm->mm->host->fail(vm->mm->host->context, "vmalloc: no address space for %d times the memory", SPACE_FACTOR);
        return -ENOMEM;
    }
    return_range(vm, 0, vm->space_pages, all);
    return 0;
}

int sb_vmalloc_init(struct sb_vmalloc *vm, struct sb_mm *mm, const struct sb_vmalloc_config *config)
{
    struct statfs fs;
    memset(vm, 0, sizeof(*vm));
    sb_lock_init(&vm->lock, SB_RANK_VMALLOC);
    vm->device_fd = -1;
    if (mm->fd < 0 || fstatfs(mm->fd, &fs) || fs.f_type == HUGETLBFS_MAGIC) {
        mm->host->fail(mm->host->context,
                       "vmalloc maps single pages of the memory file a second time, which huge pages don't "
                       "allow: use pages = 4KiB or thp");
        return -EINVAL;
    }
    vm->mm = mm;
    vm->config = *config;
    vm->max_maps = read_max_maps();
    vm->random = mm->host->seed;
    /* Before kmalloc's: what the purge gives back must be there for it to find. */
    sb_register_shrinker(mm, shrink_under_pressure, vm);
    int status = sb_kmalloc_init(&vm->kmalloc, mm, &(struct sb_slub_config){.percpu = true});
    if (!status)
        status = open_device(vm);
    if (!status)
        status = reserve_space(vm);
    return status;
}

void sb_vmalloc_exit(struct sb_vmalloc *vm)
{
    if (!vm->mm)
        return;
    sb_unregister_shrinkers(vm->mm, vm);
    if (vm->space)
        munmap(vm->space, vm->space_bytes);
    if (vm->owner)
        munmap((void *)vm->owner, vm->space_pages * sizeof(struct sb_vm_struct *));
    if (vm->device_fd >= 0)
        close(vm->device_fd);
    free(vm->cpus);
    sb_kmalloc_exit(&vm->kmalloc);
}

/* /proc/vmallocinfo: range, size with the guard page, caller, pages or device address. */
int sb_vmalloc_dump(struct sb_vmalloc *vm, const char *file, const struct sb_sink *sink)
{
    if (strcmp(file, "vmallocinfo"))
        return sb_slub_dump(&vm->kmalloc.slub, file, sink);
    for (uint64_t i = 0; i < vm->space_pages; i++) {
        const struct sb_vm_struct *area = vm->owner[i];
        if (!area)
            continue;
        const char *at = vm->base + (i << SB_PAGE_SHIFT);
        uint64_t size = (uint64_t)(area->nr_pages + (area->block ? 0 : 1)) << SB_PAGE_SHIFT;
        sb_sink_printf(sink, "%p-%p %7llu ", (const void *)at, (const void *)(at + size), (unsigned long long)size);
        if (!area->pages)
            sb_sink_printf(sink, "sb_ioremap phys=0x%016llx ioremap\n",
                           (unsigned long long)(area->requested & ~(SB_PAGE_SIZE - 1)));
        else
            sb_sink_printf(sink, "sb_vmalloc pages=%u %s\n", area->nr_pages, area->block ? "vm_map_ram" : "vmalloc");
    }
    return 0;
}

/* A pointer that check() may follow: into low memory, where kmalloc's blocks lie. NULL is nothing to follow.
 */
static bool may_follow(const struct sb_vmalloc *vm, const void *at, uint64_t size)
{
    uintptr_t base = (uintptr_t)vm->mm->host->memory, p = (uintptr_t)at;
    return !at || (p % sizeof(void *) == 0 && p >= base && size <= vm->mm->host->memory_size &&
                   p - base <= vm->mm->host->memory_size - size);
}

/* In address order: ranges apart, never touching (they'd be merged), maxima right. Counts the free pages. */
static int check_tree(const struct sb_vmalloc *vm, const struct sb_vmap_area *area, uint64_t *last_end,
                      uint64_t *free_pages, char *why, size_t why_size)
{
    if (!area)
        return 0;
    if (!may_follow(vm, area, sizeof(*area)) || !may_follow(vm, area->left, sizeof(*area)) ||
        !may_follow(vm, area->right, sizeof(*area)))
        return sb_check_failed(why, why_size, "vmalloc: the tree of free ranges has a wild pointer");
    /* A ring of pointers would count more than there is. */
    if (*free_pages > vm->space_pages)
        return sb_check_failed(why, why_size, "vmalloc: the tree of free ranges holds more than the space");
    int status = check_tree(vm, area->left, last_end, free_pages, why, why_size);
    if (status)
        return status;
    if (!area->size || (*last_end != UINT64_MAX && area->start <= *last_end))
        return sb_check_failed(why, why_size, "vmalloc: free ranges overlap, touch or are out of order at page %llu",
                               (unsigned long long)area->start);
    *last_end = area->start + area->size;
    *free_pages += area->size;
    if (max_of(area) != area->subtree_max)
        return sb_check_failed(why, why_size, "vmalloc: the tree's maximum is wrong at page %llu",
                               (unsigned long long)area->start);
    return check_tree(vm, area->right, last_end, free_pages, why, why_size);
}

/* An area's own pages: of its order, allocated, no slab, and in no other area (`seen`, a bit a page). */
static int check_area(const struct sb_vmalloc *vm, const struct sb_vm_struct *area, uint64_t *seen, char *why,
                      size_t why_size)
{
    if (!may_follow(vm, (const void *)area->pages, (uint64_t)area->nr_pages * sizeof(*area->pages)))
        return sb_check_failed(why, why_size, "vmalloc: the pages of the area at %llu lie outside of memory",
                               (unsigned long long)area->start);
    for (uint64_t i = 0; area->pages && i < area->nr_pages; i++) {
        const struct sb_page *page = area->pages[i];
        uint64_t pfn = sb_page_to_pfn(vm->mm, page);
        const struct sb_page *head = pfn < vm->mm->nr_pages ? sb_page_head(vm->mm, page) : NULL;
        if (!head || head->order != area->page_order || head->user != SB_PAGE_PLAIN)
            return sb_check_failed(why, why_size,
                                   "vmalloc: page %llu of the area at %llu is not an allocated page of order %u",
                                   (unsigned long long)i, (unsigned long long)area->start, area->page_order);
        if (seen[pfn / 64] >> (pfn % 64) & 1)
            return sb_check_failed(why, why_size, "vmalloc: pfn %llu is mapped in two areas", (unsigned long long)pfn);
        seen[pfn / 64] |= UINT64_C(1) << (pfn % 64);
    }
    return 0;
}

/* In address order: each starts where it says, none reaches into the next. Counts them and their ranges. */
static int check_areas(const struct sb_vmalloc *vm, uint64_t *live, uint64_t *pages, char *why, size_t why_size)
{
    uint64_t *seen = calloc(vm->mm->nr_pages / 64 + 1, sizeof(*seen)), end = 0;
    int status = seen ? 0 : -ENOMEM;
    for (uint64_t i = 0; i < vm->space_pages && !status; i++) {
        const struct sb_vm_struct *area = vm->owner[i];
        if (!area)
            continue;
        if (!may_follow(vm, area, sizeof(*area)))
            status = sb_check_failed(why, why_size, "vmalloc: a wild pointer to an area at page %llu",
                                     (unsigned long long)i);
        else if (area->start != i || i - area->before < end)
            status =
                sb_check_failed(why, why_size, "vmalloc: the area at page %llu starts elsewhere, or in another one",
                                (unsigned long long)i);
        else
            status = check_area(vm, area, seen, why, why_size);
        if (status)
            break;
        end = i - area->before + area->size;
        *pages += area->block ? 0 : area->size;
        *live += area->pages != NULL;
    }
    free(seen);
    return status;
}

int sb_vmalloc_check(struct sb_vmalloc *vm, char *why, size_t why_size)
{
    uint64_t last_end = UINT64_MAX, pages = 0, live = 0;
    int status = sb_slub_check(&vm->kmalloc.slub, why, why_size);
    if (!status)
        status = check_tree(vm, vm->free_tree, &last_end, &pages, why, why_size);
    if (status)
        return status;
    status = check_areas(vm, &live, &pages, why, why_size);
    if (status)
        return status;
    if (atomic_load(&vm->failed_unmaps))
        return sb_check_failed(why, why_size, "vmalloc: the OS refused to unmap %u ranges",
                               atomic_load(&vm->failed_unmaps));
    for (const struct sb_vm_struct *area = vm->lazy; area; area = area->next) {
        if (!may_follow(vm, area, sizeof(*area)) || pages > vm->space_pages)
            return sb_check_failed(why, why_size, "vmalloc: the list of ranges to unmap is damaged");
        pages += area->block ? 0 : area->size;
    }
    pages += vm->block_pages;
    if (live != vm->live || pages != vm->space_pages)
        return sb_check_failed(why, why_size, "vmalloc: %llu areas of %llu, %llu pages of %llu are accounted for",
                               (unsigned long long)live, (unsigned long long)vm->live, (unsigned long long)pages,
                               (unsigned long long)vm->space_pages);
    return 0;
}
