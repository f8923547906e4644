/*
 * Addresses for pages that the direct map lacks, and pages at addresses of a user's.
 *
 * Models mm/highmem.c of Linux 2.6.10 and 6.1, kmap_high and kunmap_high: windows of a page, dealt out in turn. A
 * window that nobody uses any more keeps its page, so that the next kmap of it costs nothing, until the turn comes
 * round and all such windows are unmapped at once. A window is a mapping of the memory file; taking one is a system
 * call, where the kernel writes a page table's entry.
 *
 * Left out: kmap_atomic's windows per CPU; the wait queue (who finds no window naps, for a bounded time).
 *
 * Locks: mm->pkmap.lock, taken alone.
 */
#define _GNU_SOURCE
#include "page_alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

int sb_pkmap_init(struct sb_mm *mm)
{
    struct sb_pkmap *p = &mm->pkmap;
    uint64_t high = mm->nr_pages - mm->low_pages;
    struct stat st;
    sb_lock_init(&p->lock, SB_RANK_PKMAP);
    if (!high)
        return 0;
    if (fstat(mm->fd, &st) || (uint64_t)st.st_blksize > SB_PAGE_SIZE) {
        mm->host->fail(mm->host->context, "highmem: a file of huge pages can't be mapped page by page, as kmap does");
        return -EINVAL;
    }
    p->slots = calloc(high, sizeof(*p->slots));
    char *window = p->slots ? mmap(NULL, SB_LAST_PKMAP * SB_PAGE_SIZE, PROT_NONE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                            : MAP_FAILED;
    if (window == MAP_FAILED) {
        mm->host->fail(mm->host->context, "highmem: no memory or addresses for kmap's windows");
        return -ENOMEM;
    }
    p->window = window;
    return 0;
}

void sb_pkmap_exit(struct sb_mm *mm)
{
    if (mm->pkmap.window)
        munmap(mm->pkmap.window, SB_LAST_PKMAP * SB_PAGE_SIZE);
    free(mm->pkmap.slots);
}

/* Faulted in at once: whoever maps a page is about to use it. */
static int map_page(const struct sb_mm *mm, uint64_t pfn, void *at)
{
    void *got = mmap(at, SB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, mm->fd,
                     (off_t)(pfn << SB_PAGE_SHIFT));
    return got == MAP_FAILED ? -errno : 0;
}

/* flush_all_zero_pkmaps: neighbours in one call. */
static void flush_unused(struct sb_mm *mm)
{
    struct sb_pkmap *p = &mm->pkmap;
    for (uint32_t i = 0, first; i < SB_LAST_PKMAP; i++) {
        for (first = i; i < SB_LAST_PKMAP && p->count[i] == 1; i++) {
            p->count[i] = 0;
            p->slots[p->pfn[i] - mm->low_pages] = 0;
        }
        /* Whoever uses an address beyond its kunmap faults from here on, as in the kernel. */
        if (i > first && mmap(p->window + first * SB_PAGE_SIZE, (i - first) * SB_PAGE_SIZE, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
            continue; /* they stay mapped until they are dealt out again */
    }
}

/* map_new_virtual: the next free window, after all were flushed where the turn begins anew. -EAGAIN: none is free. */
static int take_window(struct sb_mm *mm, uint64_t pfn)
{
    struct sb_pkmap *p = &mm->pkmap;
    bool flushed = false;
    for (uint32_t tried = 0; tried < SB_LAST_PKMAP; tried++) {
        p->last = (p->last + 1) % SB_LAST_PKMAP;
        if (!p->last) {
            flush_unused(mm);
            /* What it freed may lie where the search has been: once more round. */
            tried = flushed ? tried : 0;
            flushed = true;
        }
        if (p->count[p->last])
            continue;
        int status = map_page(mm, pfn, p->window + p->last * SB_PAGE_SIZE);
        if (status)
            return status;
        p->count[p->last] = 1;
        p->pfn[p->last] = pfn;
        p->slots[pfn - mm->low_pages] = (uint16_t)(p->last + 1);
        return 0;
    }
    return -EAGAIN;
}

/* kmap_high, but for the wait. */
static void *map_high(struct sb_mm *mm, uint64_t pfn, int *status)
{
    struct sb_pkmap *p = &mm->pkmap;
    void *at = NULL;
    sb_lock(&p->lock);
    *status = p->slots[pfn - mm->low_pages] ? 0 : take_window(mm, pfn);
    if (!*status) {
        uint32_t slot = p->slots[pfn - mm->low_pages] - 1U;
        p->count[slot]++;
        at = p->window + slot * SB_PAGE_SIZE;
    }
    sb_unlock(&p->lock);
    return at;
}

void *sb_kmap(struct sb_mm *mm, struct sb_page *page)
{
    const struct timespec nap = {0, 100000};
    int status = 0;
    if (!sb_page_is_high(mm, page))
        return sb_page_address(mm, page);
    void *at = map_high(mm, sb_page_to_pfn(mm, page), &status);
    atomic_fetch_add(&mm->nr_waits, status == -EAGAIN);
    for (uint64_t waited = 0; status == -EAGAIN && waited < SB_PKMAP_WAIT_NS; waited += (uint64_t)nap.tv_nsec) {
        nanosleep(&nap, NULL);
        at = map_high(mm, sb_page_to_pfn(mm, page), &status);
    }
    if (!at)
        mm->host->fail(mm->host->context, "kmap: %s",
                       status == -EAGAIN ? "all windows were in use for a second" : strerror(-status));
    return at;
}

void *sb_kmap_address(struct sb_mm *mm, const struct sb_page *page)
{
    struct sb_pkmap *p = &mm->pkmap;
    if (!sb_page_is_high(mm, page))
        return sb_page_address(mm, page);
    sb_lock(&p->lock);
    uint32_t slot = p->slots[sb_page_to_pfn(mm, page) - mm->low_pages];
    sb_unlock(&p->lock);
    return slot ? p->window + (slot - 1) * SB_PAGE_SIZE : NULL;
}

/* kunmap_high: the kernel's BUG for a page that is not mapped is a bad free here. */
void sb_kunmap(struct sb_mm *mm, struct sb_page *page)
{
    struct sb_pkmap *p = &mm->pkmap;
    if (!sb_page_is_high(mm, page))
        return;
    sb_lock(&p->lock);
    uint32_t slot = p->slots[sb_page_to_pfn(mm, page) - mm->low_pages];
    bool used = slot && p->count[slot - 1] > 1;
    if (used)
        p->count[slot - 1]--;
    sb_unlock(&p->lock);
    if (!used)
        sb_count_bad_free(mm);
}

int sb_insert_page(struct sb_mm *mm, struct sb_page *page, void *address)
{
    if ((uintptr_t)address % SB_PAGE_SIZE || !sb_page_head(mm, page))
        return -EINVAL;
    return map_page(mm, sb_page_to_pfn(mm, page), address);
}

int sb_pkmap_check(const struct sb_mm *mm, char *why, size_t why_size)
{
    const struct sb_pkmap *p = &mm->pkmap;
    uint64_t high = p->window ? mm->nr_pages - mm->low_pages : 0, named = 0, taken = 0;
    for (uint64_t i = 0; i < high; i++)
        named += p->slots[i] != 0;
    for (uint32_t i = 0; i < SB_LAST_PKMAP && high; i++) {
        taken += p->count[i] != 0;
        if (p->count[i] > 1 && !sb_page_head(mm, &mm->memmap[p->pfn[i]]))
            return sb_check_failed(why, why_size, "page %llu was freed while %u users of kmap have it",
                                   (unsigned long long)p->pfn[i], p->count[i] - 1);
        if (p->count[i] &&
            (p->pfn[i] < mm->low_pages || p->pfn[i] >= mm->nr_pages || p->slots[p->pfn[i] - mm->low_pages] != i + 1))
            return sb_check_failed(why, why_size, "kmap's window %u has page %llu, which does not name it", i,
                                   (unsigned long long)p->pfn[i]);
    }
    if (named != taken)
        return sb_check_failed(why, why_size, "%llu pages name a window of kmap, %llu windows have a page",
                               (unsigned long long)named, (unsigned long long)taken);
    return 0;
}
