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
 * Locks: vm->lock, taken alone; nothing is allocated, freed or mapped under it.
 *
 * The array of an area's pages is one kmalloc block here (the kernel takes it from vmalloc itself above a
 * page), so an area has at most 4 MiB / 8 pages: 2 GiB.
 *
 * Left out, for now: vmap_block for small sizes, huge mappings, nodes. An alias of a lazily freed range stays
 * readable until the purge, as a stale TLB entry would be in the kernel.
 */
#define _GNU_SOURCE
#include "vmalloc.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

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
static void split(struct sb_vmap_area *tree, uint64_t start, struct sb_vmap_area **left,
                  struct sb_vmap_area **right)
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
    uint64_t pfn = sb_page_to_pfn(vm->mm, area->pages[i]), run = 1;
    while (i + run < area->nr_pages && sb_page_to_pfn(vm->mm, area->pages[i + run]) == pfn + run)
        run++;
    return run;
}

/* Mappings that the OS counts for an area: one per run, and the hole of its guard page. */
static int64_t count_maps(const struct sb_vmalloc *vm, const struct sb_vm_struct *area)
{
    int64_t maps = 1;
    for (uint64_t i = 0; i < area->nr_pages; i += run_from(vm, area, i))
        maps++;
    return maps;
}

/* Maps the pages, one system call per run of neighbours. -ENOMEM at the OS's limit, which is never reached
 * quite. */
static int map_pages(struct sb_vmalloc *vm, struct sb_vm_struct *area)
{
    int64_t maps = count_maps(vm, area);
    if (atomic_fetch_add(&vm->maps, maps) + maps > vm->max_maps) {
        atomic_fetch_sub(&vm->maps, maps);
        return -ENOMEM;
    }
    area->maps = maps;
    for (uint64_t i = 0, run; i < area->nr_pages; i += run) {
        run = run_from(vm, area, i);
        void *at = vm->base + ((area->start + i) << SB_PAGE_SHIFT);
        off_t offset = (off_t)(sb_page_to_pfn(vm->mm, area->pages[i]) << SB_PAGE_SHIFT);
        if (mmap(at, run << SB_PAGE_SHIFT, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_POPULATE,
                 vm->mm->fd, offset) == MAP_FAILED)
            return -errno;
    }
    return 0;
}

/*
 * Pages go back at once, even when the addresses come back later: the kernel does the same, and its
 * stale TLB entries are our stale aliases.
 */
static void free_area_pages(struct sb_vmalloc *vm, struct sb_vm_struct *area, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        sb_free_pages(vm->mm, area->pages[i], 0);
    sb_kfree(&vm->kmalloc, area->pages);
}

/* An area with its pages, not yet with addresses. */
static struct sb_vm_struct *new_area(struct sb_vmalloc *vm, size_t size, sb_gfp_t gfp)
{
    uint64_t n = (size + SB_PAGE_SIZE - 1) >> SB_PAGE_SHIFT, got = 0;
    struct sb_vm_struct *area = sb_kmalloc(&vm->kmalloc, sizeof(*area), 0, gfp & ~SB_GFP_ZERO);
    if (!area)
        return NULL;
    *area = (struct sb_vm_struct){.nr_pages = n, .requested = size};
    area->pages = sb_kmalloc(&vm->kmalloc, n * sizeof(*area->pages), 0, gfp & ~SB_GFP_ZERO);
    while (area->pages && got < n && (area->pages[got] = sb_alloc_pages(vm->mm, gfp, 0)))
        got++;
    if (got == n)
        return area;
    if (area->pages)
        free_area_pages(vm, area, got);
    sb_kfree(&vm->kmalloc, area);
    return NULL;
}

/*
 * Gives the area addresses and maps it. On failure the area keeps its range (start), for the caller to
 * return.
 */
static void *place_area(struct sb_vmalloc *vm, struct sb_vm_struct *area)
{
    area->start = reserve_range(vm, area->nr_pages + 1);
    if (area->start == UINT64_MAX)
        return NULL;
    int status = map_pages(vm, area);
    if (status == -ENOMEM) {
        /* Perhaps only for now: lazily freed ranges hold mappings too. */
        sb_vmalloc_purge(vm);
        status = map_pages(vm, area);
    }
    if (status) {
        unmap(vm, area->start, area->nr_pages);
        atomic_fetch_sub(&vm->maps, area->maps);
        area->maps = 0;
        vm->mm->host->fail(
            vm->mm->host->context,
            status == -ENOMEM ? "vmalloc: vm.max_map_count, which limits how many runs of neighbouring pages "
                                "a process can have mapped, is reached (%s)"
                              : "vmalloc: pages can't be mapped: %s",
            strerror(-status));
        return NULL;
    }
    sb_lock(&vm->lock);
    vm->owner[area->start] = area;
    vm->live++;
    vm->live_pages += area->nr_pages;
    vm->live_requested += area->requested;
    sb_unlock(&vm->lock);
    return vm->base + (area->start << SB_PAGE_SHIFT);
}

/* Gives an unmapped area's range back to the tree, in the area's own memory. */
static void release(struct sb_vmalloc *vm, struct sb_vm_struct *area)
{
    uint64_t start = area->start, size = area->nr_pages + 1;
    atomic_fetch_sub(&vm->maps, area->maps);
    _Static_assert(
        sizeof(struct sb_vm_struct) <= 64 && sizeof(struct sb_vmap_area) <= 64,
        "an allocation's record and a free range's come from one size class, so one becomes the other "
        "and giving memory back never needs memory");
    return_range(vm, start, size, (struct sb_vmap_area *)(void *)area);
}

/* Sizes are rounded up to pages; the guard page is address space only and costs no memory. */
void *sb_vmalloc(struct sb_vmalloc *vm, size_t size, sb_gfp_t gfp)
{
    if (!size || size > vm->mm->nr_pages << SB_PAGE_SHIFT)
        return NULL;
    struct sb_vm_struct *area = new_area(vm, size, gfp);
    if (!area)
        return NULL;
    void *address = place_area(vm, area);
    if (!address) {
        free_area_pages(vm, area, area->nr_pages);
        if (area->start == UINT64_MAX)
            sb_kfree(&vm->kmalloc, area);
        else
            release(vm, area);
    }
    return address;
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
        uint64_t start = area->start, end = start + area->nr_pages + 1;
        /* Neighbours freed one after the other are unmapped in one call. */
        for (list = area->next; list; list = list->next) {
            if (list->start == end)
                end += list->nr_pages + 1;
            else if (list->start + list->nr_pages + 1 == start)
                start = list->start;
            else
                break;
        }
        unmap(vm, start, end - start - 1);
        while (area != list) {
            struct sb_vm_struct *next = area->next;
            release(vm, area);
            area = next;
        }
    }
}

/* The owner's slot is cleared first, so that of two frees of one address exactly one does the work. */
void sb_vfree(struct sb_vmalloc *vm, void *address)
{
    uint64_t start = (uint64_t)((char *)address - vm->base) >> SB_PAGE_SHIFT;
    bool purge = false;
    if (!address)
        return;
    sb_lock(&vm->lock);
    struct sb_vm_struct *area = start < vm->space_pages ? vm->owner[start] : NULL;
    if (!area) {
        sb_unlock(&vm->lock);
        atomic_fetch_add(&vm->mm->bad_frees, 1);
        return;
    }
    vm->owner[start] = NULL;
    vm->live--;
    vm->live_pages -= area->nr_pages;
    vm->live_requested -= area->requested;
    sb_unlock(&vm->lock);
    free_area_pages(vm, area, area->nr_pages);
    if (!vm->lazy_max) {
        unmap(vm, area->start, area->nr_pages);
        release(vm, area);
        return;
    }
    sb_lock(&vm->lock);
    area->next = vm->lazy;
    vm->lazy = area;
    vm->lazy_pages += area->nr_pages;
    purge = vm->lazy_pages << SB_PAGE_SHIFT > vm->lazy_max;
    sb_unlock(&vm->lock);
    if (purge)
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

/* The space is reserved, not committed, and so is the table of owners: only what is used costs memory. */
int sb_vmalloc_init(struct sb_vmalloc *vm, struct sb_mm *mm, bool percpu, uint64_t lazy_max)
{
    memset(vm, 0, sizeof(*vm));
    struct statfs fs;
    if (mm->fd < 0 || fstatfs(mm->fd, &fs) || fs.f_type == HUGETLBFS_MAGIC) {
        mm->host->fail(mm->host->context,
                       "vmalloc maps single pages of the memory file a second time, which huge pages "
                       "don't allow: use pages = 4KiB or thp");
        return -EINVAL;
    }
    int status = sb_kmalloc_init(&vm->kmalloc, mm, percpu, SB_SYNC_AUTO);
    if (status)
        return status;
    vm->max_maps = read_max_maps();
    vm->mm = mm;
    vm->random = mm->host->seed;
    vm->lazy_max = lazy_max;
    vm->space_pages = SPACE_FACTOR * mm->nr_pages;
    size_t owner_bytes = vm->space_pages * sizeof(struct sb_vm_struct *);
    void *base = mmap(NULL, vm->space_pages << SB_PAGE_SHIFT, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void *owner =
        mmap(NULL, owner_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    vm->base = base == MAP_FAILED ? NULL : base;
    vm->owner = owner == MAP_FAILED ? NULL : owner;
    struct sb_vmap_area *all = sb_kmalloc(&vm->kmalloc, sizeof(*all), 0, SB_GFP_KERNEL);
    if (!vm->base || !vm->owner || !all) {
        mm->host->fail(mm->host->context, "vmalloc: no address space for %d times the memory", SPACE_FACTOR);
        sb_vmalloc_exit(vm);
        return -ENOMEM;
    }
    return_range(vm, 0, vm->space_pages, all);
    return 0;
}

void sb_vmalloc_exit(struct sb_vmalloc *vm)
{
    if (vm->base)
        munmap(vm->base, vm->space_pages << SB_PAGE_SHIFT);
    if (vm->owner)
        munmap((void *)vm->owner, vm->space_pages * sizeof(struct sb_vm_struct *));
    sb_kmalloc_exit(&vm->kmalloc);
}

/* /proc/vmallocinfo: range, size with the guard page, caller, pages. */
int sb_vmalloc_dump(struct sb_vmalloc *vm, const char *file, const struct sb_sink *sink)
{
    if (strcmp(file, "vmallocinfo"))
        return sb_slub_dump(&vm->kmalloc.slub, file, sink);
    for (uint64_t i = 0; i < vm->space_pages; i++) {
        const struct sb_vm_struct *area = vm->owner[i];
        if (!area)
            continue;
        const char *at = vm->base + (i << SB_PAGE_SHIFT);
        uint64_t size = (area->nr_pages + 1) << SB_PAGE_SHIFT;
        sb_sink_printf(sink, "%p-%p %7llu sb_vmalloc pages=%llu vmalloc\n", (const void *)at,
                       (const void *)(at + size), (unsigned long long)size,
                       (unsigned long long)area->nr_pages);
    }
    return 0;
}

/* In address order: ranges apart, never touching (they'd be merged), maxima right. Counts the free pages. */
static int check_tree(const struct sb_vmap_area *area, uint64_t *last_end, uint64_t *free_pages, char *why,
                      size_t why_size)
{
    if (!area)
        return 0;
    int status = check_tree(area->left, last_end, free_pages, why, why_size);
    if (status)
        return status;
    if (!area->size || (*last_end != UINT64_MAX && area->start <= *last_end))
        return sb_check_failed(why, why_size,
                               "vmalloc: free ranges overlap, touch or are out of order at page %llu",
                               (unsigned long long)area->start);
    *last_end = area->start + area->size;
    *free_pages += area->size;
    if (max_of(area) != area->subtree_max)
        return sb_check_failed(why, why_size, "vmalloc: the tree's maximum is wrong at page %llu",
                               (unsigned long long)area->start);
    return check_tree(area->right, last_end, free_pages, why, why_size);
}

/* An area's own pages: single, allocated, no slab, and in no other area (`seen`, a bit a page). */
static int check_area(const struct sb_vmalloc *vm, const struct sb_vm_struct *area, uint64_t *seen, char *why,
                      size_t why_size)
{
    for (uint64_t i = 0; i < area->nr_pages; i++) {
        const struct sb_page *page = area->pages[i];
        uint64_t pfn = sb_page_to_pfn(vm->mm, page);
        if (pfn >= vm->mm->nr_pages || !(page->flags & SB_PG_ALLOCATED) || page->order || page->slab)
            return sb_check_failed(why, why_size,
                                   "vmalloc: page %llu of the area at %llu is not a single allocated page",
                                   (unsigned long long)i, (unsigned long long)area->start);
        if (seen[pfn / 64] >> (pfn % 64) & 1)
            return sb_check_failed(why, why_size, "vmalloc: pfn %llu is mapped in two areas",
                                   (unsigned long long)pfn);
        seen[pfn / 64] |= UINT64_C(1) << (pfn % 64);
    }
    return 0;
}

/* In address order: each starts where it says, none reaches into the next. Counts them and their pages. */
static int check_areas(const struct sb_vmalloc *vm, uint64_t *live, uint64_t *pages, char *why,
                       size_t why_size)
{
    uint64_t *seen = calloc(vm->mm->nr_pages / 64 + 1, sizeof(*seen)), end = 0;
    int status = seen ? 0 : -ENOMEM;
    for (uint64_t i = 0; i < vm->space_pages && !status; i++) {
        const struct sb_vm_struct *area = vm->owner[i];
        if (!area)
            continue;
        if (area->start != i || i < end)
            status = sb_check_failed(why, why_size,
                                     "vmalloc: the area at page %llu starts elsewhere, or in another one",
                                     (unsigned long long)i);
        else
            status = check_area(vm, area, seen, why, why_size);
        end = i + area->nr_pages + 1;
        *pages += area->nr_pages + 1;
        ++*live;
    }
    free(seen);
    return status;
}

int sb_vmalloc_check(struct sb_vmalloc *vm, char *why, size_t why_size)
{
    uint64_t last_end = UINT64_MAX, pages = 0, live = 0;
    int status = sb_slub_check(&vm->kmalloc.slub, why, why_size);
    if (!status)
        status = check_tree(vm->free_tree, &last_end, &pages, why, why_size);
    if (status)
        return status;
    status = check_areas(vm, &live, &pages, why, why_size);
    if (status)
        return status;
    if (atomic_load(&vm->failed_unmaps))
        return sb_check_failed(why, why_size, "vmalloc: the OS refused to unmap %u ranges",
                               atomic_load(&vm->failed_unmaps));
    for (const struct sb_vm_struct *area = vm->lazy; area; area = area->next)
        pages += area->nr_pages + 1;
    if (live != vm->live || pages != vm->space_pages)
        return sb_check_failed(why, why_size,
                               "vmalloc: %llu areas of %llu, %llu pages of %llu are accounted for",
                               (unsigned long long)live, (unsigned long long)vm->live,
                               (unsigned long long)pages, (unsigned long long)vm->space_pages);
    return 0;
}
