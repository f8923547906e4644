/*
 * Lookaside caches.
 *
 * Models mm/slub.c of Linux 6.1: slabs are page blocks with the free list threaded through the free objects
 * (the pointer in the middle of the object, or behind it where a constructor's work must last); a
 * CPU takes a slab whole ("frozen") and allocates from it without looking at the node; other slabs with
 * free objects wait on the node's partial list; a full slab is on no list at all; an empty one goes back
 * to the pages once min_partial others wait. Order and objects of a slab follow calculate_order, or the
 * smallest order that holds an object when a block of the better one can't be had.
 *
 * Locks, outermost first: a CPU's part (taken by a restartable sequence or, without those, cpu->lock), the
 * cache's node lock, a zone's lock. slub->lock, the list of caches, is taken alone. A CPU's part is its
 * freelist and slab; the node lock guards `freelist` and `inuse` of every slab, frozen ones included, for
 * others free into them.
 *
 * The kernel's fast path is a cmpxchg of list and transaction id on the CPU's own data; in userspace a
 * restartable sequence does the same without the cmpxchg (rseq.h).
 *
 * Left out, for now: per-CPU partial lists, merging, randomisation. Left out for good: debugging flags,
 * memory cgroups.
 */
#define _GNU_SOURCE
#include "slub.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_LINE = 64,
    WORD = sizeof(void *),
    MAX_OBJECTS = 32767, /* a slab's counters are 15 bits wide in the kernel */
    SLUB_MAX_ORDER = 3,  /* PAGE_ALLOC_COSTLY_ORDER */
    MIN_PARTIAL = 5,
    MAX_PARTIAL = 10,
};

const char *const sb_cpu_sync_names[] = {"auto", "rseq", "lock", NULL};

/* `align` is a power of two, as everywhere here. */
static uint32_t round_up(uint32_t n, uint32_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* The kernel's fls: the number of the highest bit, from 1; 0 for 0. */
static unsigned fls(uint64_t n)
{
    return n ? 64 - (unsigned)__builtin_clzll(n) : 0;
}

/* The smallest order from that of `min_objects` on that wastes at most 1/fraction of the slab. */
static unsigned fitting_order(uint32_t size, uint32_t min_objects, unsigned max_order, uint32_t fraction)
{
    if (SB_PAGE_SIZE / size > MAX_OBJECTS)
        return sb_get_order((uint64_t)size * MAX_OBJECTS) - 1;
    unsigned order = sb_get_order((uint64_t)min_objects * size);
    for (; order <= max_order; order++) {
        uint64_t slab = SB_PAGE_SIZE << order;
        if (slab % size <= slab / fraction)
            break;
    }
    return order;
}

/*
 * calculate_order: many objects a slab save trips to the node, the more so the more CPUs, but blocks over
 * order 3 are dear. So it tries for 4 * (fls(CPUs) + 1) objects at 1/16 waste, relaxes the waste to
 * 1/4, then the number of objects.
 */
static unsigned calculate_order(uint32_t size, unsigned nr_cpus)
{
    uint32_t min_objects = 4 * (fls(nr_cpus) + 1);
    uint64_t most = (SB_PAGE_SIZE << SLUB_MAX_ORDER) / size;
    unsigned order;
    if (min_objects > most)
        min_objects = (uint32_t)most;
    for (; min_objects > 1; min_objects--) {
        for (uint32_t fraction = 16; fraction >= 4; fraction /= 2) {
            order = fitting_order(size, min_objects, SLUB_MAX_ORDER, fraction);
            if (order <= SLUB_MAX_ORDER)
                return order;
        }
    }
    order = fitting_order(size, 1, SLUB_MAX_ORDER, 1);
    return order <= SLUB_MAX_ORDER ? order : fitting_order(size, 1, SB_MAX_ORDER, 1);
}

/* Small objects share a line even when line alignment is asked for: half a line, a quarter, and so on. */
static uint32_t calculate_alignment(uint32_t size, size_t align, uint32_t flags)
{
    uint32_t result = align > WORD ? (uint32_t)align : WORD;
    if (flags & SB_SLAB_HWCACHE_ALIGN) {
        uint32_t line = CACHE_LINE;
        while (size <= line / 2)
            line /= 2;
        if (line > result)
            result = line;
    }
    return result;
}

/*
 * By memcpy: the object's memory had another type a moment ago, and the middle of an object need not
 * be aligned for the compiler to know. It compiles to one load.
 */
static inline void *get_free_pointer(const struct sb_kmem_cache *cache, void *object)
{
    void *next;
    memcpy(&next, (char *)object + cache->offset, sizeof(next));
    return next;
}

static inline void set_free_pointer(const struct sb_kmem_cache *cache, void *object, void *next)
{
    memcpy((char *)object + cache->offset, &next, sizeof(next));
}

int sb_slub_init(struct sb_slub *slub, struct sb_mm *mm, bool percpu, enum sb_cpu_sync sync)
{
    memset(slub, 0, sizeof(*slub));
    slub->mm = mm;
    slub->percpu = percpu;
    slub->rseq = percpu && sync != SB_SYNC_LOCK && sb_rseq_available();
    sb_list_init(&slub->caches);
    if (!percpu || sync != SB_SYNC_RSEQ || slub->rseq)
        return 0;
    mm->host->fail(mm->host->context,
                   "cpu_sync = rseq: this process has no restartable sequences (old kernel or C library, "
                   "valgrind, or another processor); use auto or lock");
    return -ENOTSUP;
}

/* The host's memory only; the slabs are pages of the trial's memory file. */
static void free_cache(struct sb_kmem_cache *cache)
{
    free(cache->cpu);
    free(cache);
}

/* Without a look at what lives: close() has to work after any failure. */
void sb_slub_exit(struct sb_slub *slub)
{
    while (!sb_list_empty(&slub->caches)) {
        struct sb_list *link = slub->caches.next;
        sb_list_del(link); // NOLINT(clang-analyzer-unix.Malloc): it doesn't see the head change
        free_cache(sb_list_entry(link, struct sb_kmem_cache, link));
    }
}

/*
 * set_node and calculate_sizes of the kernel: where the free pointer goes, how far apart objects
 * stand, how many empty slabs are worth keeping. min_partial grows with the object's size, within 5
 * and 10, as in 6.1.
 */
static int lay_out(struct sb_kmem_cache *cache, size_t size, size_t align)
{
    uint32_t total = round_up((uint32_t)size, WORD);
    cache->object_size = total;
    cache->requested = (uint32_t)size;
    if (cache->ctor) {
        cache->offset = total;
        total += WORD;
    } else {
        /* Mid-object: a small overrun of the object before doesn't reach the pointer. */
        cache->offset = total / 2 & ~(uint32_t)(WORD - 1);
    }
    cache->size = round_up(total, calculate_alignment((uint32_t)size, align, cache->flags));
    unsigned order = calculate_order(cache->size, cache->mm->nr_cpus);
    if (order > SB_MAX_ORDER)
        return -E2BIG;
    cache->order = (uint8_t)order;
    cache->objects = (uint16_t)((SB_PAGE_SIZE << order) / cache->size);
    cache->min_partial = (fls(cache->size) - 1) / 2; /* ilog2(size) / 2 */
    if (cache->min_partial < MIN_PARTIAL)
        cache->min_partial = MIN_PARTIAL;
    if (cache->min_partial > MAX_PARTIAL)
        cache->min_partial = MAX_PARTIAL;
    return 0;
}

/*
 * A name may be used twice; the kernel would merge such caches, we keep them apart so that each counts
 * alone.
 */
int sb_cache_create(struct sb_slub *slub, const char *name, size_t size, size_t align, uint32_t flags,
                    void (*ctor)(void *), struct sb_kmem_cache **out)
{
    const struct sb_host *host = slub->mm->host;
    if (!size || size > SB_PAGE_SIZE << SB_MAX_ORDER || (align & (align - 1)) || align > SB_PAGE_SIZE) {
        host->fail(host->context, "slub: cache '%s': size %zu, align %zu can't be", name, size, align);
        return -EINVAL;
    }
    struct sb_kmem_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->mm = slub->mm;
    cache->slub = slub;
    cache->rseq = slub->rseq;
    cache->flags = flags;
    cache->ctor = ctor;
    snprintf(cache->name, sizeof(cache->name), "%s", name);
    sb_list_init(&cache->partial);
    int status = lay_out(cache, size, align);
    if (!status && slub->percpu) {
        cache->cpu = aligned_alloc(sizeof(*cache->cpu), slub->mm->nr_cpus * sizeof(*cache->cpu));
        if (cache->cpu)
            memset(cache->cpu, 0, slub->mm->nr_cpus * sizeof(*cache->cpu));
        else
            status = -ENOMEM;
    }
    if (status) {
        free_cache(cache);
        return status;
    }
    sb_lock(&slub->lock);
    sb_list_add_tail(&cache->link, &slub->caches);
    sb_unlock(&slub->lock);
    *out = cache;
    return 0;
}

/* A fresh slab, all objects on its free list in address order, as without randomisation. */
static struct sb_page *new_slab(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    unsigned order = cache->order, least = sb_get_order(cache->size);
    struct sb_page *page = sb_alloc_pages(cache->mm, gfp & ~SB_GFP_ZERO, order);
    /* allocate_slab's fallback: fewer objects a slab are better than none. */
    if (!page && least < order)
        page = sb_alloc_pages(cache->mm, gfp & ~SB_GFP_ZERO, order = least);
    if (!page)
        return NULL;
    char *base = sb_page_address(cache->mm, page);
    uint16_t objects = (uint16_t)((SB_PAGE_SIZE << order) / cache->size);
    for (uint32_t i = 0; i < objects; i++) {
        char *object = base + (size_t)i * cache->size;
        if (cache->ctor)
            cache->ctor(object);
        set_free_pointer(cache, object, i + 1U < objects ? object + cache->size : NULL);
    }
    page->slab = 1;
    page->cache = cache;
    page->freelist = base;
    page->objects = objects;
    page->inuse = 0;
    page->frozen = 0;
    return page;
}

/* The last reference is gone: nobody holds an object of it, no CPU and no list knows it. */
static void discard_slab(struct sb_kmem_cache *cache, struct sb_page *page)
{
    page->slab = 0;
    page->cache = NULL;
    sb_free_pages(cache->mm, page, page->order);
}

/* With the node's lock held. */
static void count_slab(struct sb_kmem_cache *cache, const struct sb_page *page, int64_t sign)
{
    cache->nr_slabs += (uint64_t)sign;
    cache->nr_objects += (uint64_t)(sign * page->objects);
    cache->nr_pages += (uint64_t)(sign * (INT64_C(1) << page->order));
}

/*
 * Head for slabs that were just allocated from (warm, soon full), tail for those just freed into, so
 * that they have time to become empty. The kernel's DEACTIVATE_TO_HEAD and _TAIL.
 */
static void add_partial(struct sb_kmem_cache *cache, struct sb_page *page, bool tail)
{
    if (tail)
        sb_list_add_tail(&page->link, &cache->partial);
    else
        sb_list_add(&page->link, &cache->partial);
    cache->nr_partial++;
}

static void remove_partial(struct sb_kmem_cache *cache, struct sb_page *page)
{
    sb_list_del(&page->link);
    cache->nr_partial--;
}

/* The first slab with a free object, taken off the partial list; a new one where there is none. */
static struct sb_page *get_partial_or_new(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    struct sb_page *page = NULL;
    if (!sb_list_empty(&cache->partial)) {
        page = sb_list_entry(cache->partial.next, struct sb_page, link);
        remove_partial(cache, page);
        return page;
    }
    /* Page allocation doesn't belong under the node lock: constructors run in it. */
    sb_unlock(&cache->lock);
    page = new_slab(cache, gfp);
    sb_lock(&cache->lock);
    if (page)
        count_slab(cache, page, 1);
    return page;
}

/* Takes a slab's free list whole, for a CPU. */
static void *freeze(struct sb_page *page)
{
    void *freelist = page->freelist;
    page->freelist = NULL;
    page->inuse = page->objects;
    page->frozen = 1;
    return freelist;
}

/*
 * The CPU's list is empty: what others freed into its slab meanwhile, else another slab. The caller owns the
 * CPU's part; the new list is returned, not stored, so that the part stays its own until it has taken an
 * object.
 */
static void *refill(struct sb_kmem_cache *cache, struct sb_cpu_list *cpu, sb_gfp_t gfp)
{
    void *freelist = NULL;
    sb_lock(&cache->lock);
    if (cpu->page && cpu->page->freelist) {
        freelist = freeze(cpu->page);
    } else {
        if (cpu->page)
            cpu->page->frozen = 0; /* full now, and on no list until something of it is freed */
        cpu->page = get_partial_or_new(cache, gfp);
        if (cpu->page)
            freelist = freeze(cpu->page);
    }
    sb_unlock(&cache->lock);
    return freelist;
}

/* Without per-CPU slabs every call comes here: what the percpu option is measured against. */
static void *alloc_from_node(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    sb_lock(&cache->lock);
    struct sb_page *page = get_partial_or_new(cache, gfp);
    void *object = NULL;
    if (page) {
        object = page->freelist;
        page->freelist = get_free_pointer(cache, object);
        page->inuse++;
        if (page->freelist)
            add_partial(cache, page, false);
    }
    sb_unlock(&cache->lock);
    return object;
}

/*
 * The CPU number is only a hint for which part to take: the thread may have migrated by the time it holds
 * that part's lock, and is then merely on another CPU's list, which is correct and rare.
 */
static void *alloc_locked(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    struct sb_cpu_slab *cpu = &cache->cpu[sched_getcpu()];
    sb_lock(&cpu->lock);
    void *object = cpu->list.freelist;
    if (__builtin_expect(!object, 0))
        object = refill(cache, &cpu->list, gfp);
    if (object)
        cpu->list.freelist = get_free_pointer(cache, object);
    else
        cpu->list.freelist = NULL;
    sb_unlock(&cpu->lock);
    return object;
}

/*
 * The sequence found the list empty, or taken by a thread that was preempted or migrated in the middle of
 * this. Then the node serves directly: waiting for a thread without a CPU could take a time slice.
 */
static __attribute__((noinline)) void *alloc_rseq_slow(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    void *object;
    struct sb_cpu_list *cpu = sb_rseq_take(cache->cpu, &object);
    if (!cpu)
        return alloc_from_node(cache, gfp);
    if (!object)
        object = refill(cache, cpu, gfp);
    sb_cpu_give_back(cpu, object ? get_free_pointer(cache, object) : NULL);
    return object;
}

void *sb_cache_alloc(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    void *object;
    if (__builtin_expect(cache->rseq, 1)) {
        object = sb_rseq_pop(cache->cpu, cache->offset);
        if (__builtin_expect(!object, 0))
            object = alloc_rseq_slow(cache, gfp);
    } else {
        object = cache->cpu ? alloc_locked(cache, gfp) : alloc_from_node(cache, gfp);
    }
    if (__builtin_expect(gfp & SB_GFP_ZERO, 0) && object)
        memset(object, 0, cache->object_size);
    return object;
}

/* Frees into a slab that isn't this CPU's. */
static void free_slow(struct sb_kmem_cache *cache, struct sb_page *page, void *object)
{
    struct sb_page *empty = NULL;
    sb_lock(&cache->lock);
    bool was_full = !page->freelist;
    set_free_pointer(cache, object, page->freelist);
    page->freelist = object;
    page->inuse--;
    if (!page->frozen) {
        if (!page->inuse && cache->nr_partial >= cache->min_partial) {
            if (!was_full)
                remove_partial(cache, page);
            count_slab(cache, page, -1);
            empty = page;
        } else if (was_full) {
            add_partial(cache, page, true);
        }
    }
    sb_unlock(&cache->lock);
    if (empty)
        discard_slab(cache, empty);
}

/* Onto the CPU's own list, if the slab is the CPU's. */
static bool free_locked(struct sb_kmem_cache *cache, const struct sb_page *page, void *object)
{
    struct sb_cpu_slab *cpu = &cache->cpu[sched_getcpu()];
    sb_lock(&cpu->lock);
    bool own = cpu->list.page == page;
    if (own) {
        set_free_pointer(cache, object, cpu->list.freelist);
        cpu->list.freelist = object;
    }
    sb_unlock(&cpu->lock);
    return own;
}

/* Reading the head without a lock is safe: the object is the caller's, so its slab can't go away. */
void sb_cache_free(struct sb_kmem_cache *cache, void *object)
{
    struct sb_page *page = sb_virt_to_page(cache->mm, object)->head;
    if (__builtin_expect(!page || page->cache != cache, 0)) {
        atomic_fetch_add(&cache->mm->bad_frees, 1);
        return;
    }
    if (__builtin_expect(cache->rseq, 1)) {
        if (__builtin_expect(sb_rseq_push(cache->cpu, page, object, cache->offset), 1))
            return;
    } else if (cache->cpu && free_locked(cache, page, object)) {
        return;
    }
    free_slow(cache, page, object);
}

/* Bounded, for check() calls it on lists that may run in circles. */
static uint64_t list_length(const struct sb_kmem_cache *cache, void *object, uint64_t limit)
{
    uint64_t n = 0;
    for (; object && n <= limit; n++)
        object = get_free_pointer(cache, object);
    return n;
}

/* All objects less the free ones: full slabs are on no list, so the used ones can't be walked. */
uint64_t sb_cache_live(struct sb_kmem_cache *cache)
{
    uint64_t live = cache->nr_objects;
    struct sb_list *link;
    sb_list_for_each (link, &cache->partial) {
        const struct sb_page *page = sb_list_entry(link, struct sb_page, link);
        live -= (uint64_t)page->objects - page->inuse;
    }
    for (unsigned i = 0; cache->cpu && i < cache->mm->nr_cpus; i++) {
        const struct sb_cpu_slab *cpu = &cache->cpu[i];
        live -= list_length(cache, cpu->list.freelist, cache->objects);
        if (cpu->list.page)
            live -= (uint64_t)cpu->list.page->objects - cpu->list.page->inuse;
    }
    return live;
}

/* Gives each CPU's objects back to their slab, and the slab to the node. */
static void flush_cpus(struct sb_kmem_cache *cache)
{
    for (unsigned i = 0; cache->cpu && i < cache->mm->nr_cpus; i++) {
        struct sb_cpu_slab *cpu = &cache->cpu[i];
        sb_lock(&cpu->lock);
        struct sb_page *page = cpu->list.page;
        while (cpu->list.freelist) {
            void *object = cpu->list.freelist;
            cpu->list.freelist = get_free_pointer(cache, object);
            free_slow(cache, page, object);
        }
        if (page) {
            sb_lock(&cache->lock);
            page->frozen = 0;
            if (page->freelist)
                add_partial(cache, page, true);
            sb_unlock(&cache->lock);
        }
        cpu->list.page = NULL;
        sb_unlock(&cpu->lock);
    }
}

/*
 * kmem_cache_destroy's contract: the leak is reported with name and number, and the cache stays
 * usable, so that the caller can still give back what it lost.
 */
int sb_cache_destroy(struct sb_kmem_cache *cache)
{
    const struct sb_host *host = cache->mm->host;
    uint64_t live = sb_cache_live(cache);
    if (live) {
        host->fail(host->context, "kmem_cache_destroy: cache '%s' still has %llu live objects of %u bytes",
                   cache->name, (unsigned long long)live, cache->requested);
        return -EBUSY;
    }
    flush_cpus(cache);
    while (!sb_list_empty(&cache->partial)) {
        struct sb_page *page = sb_list_entry(cache->partial.next, struct sb_page, link);
        remove_partial(cache, page);
        discard_slab(cache, page);
    }
    sb_lock(&cache->slub->lock);
    sb_list_del(&cache->link);
    sb_unlock(&cache->slub->lock);
    free_cache(cache);
    return 0;
}

/*
 * handed_bytes counts whole objects with their padding: what a user may touch is less, what is gone is
 * this.
 */
void sb_slub_snapshot(struct sb_slub *slub, struct sb_snapshot *snapshot)
{
    struct sb_list *link;
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    sb_list_for_each (link, &slub->caches) {
        struct sb_kmem_cache *cache = sb_list_entry(link, struct sb_kmem_cache, link);
        uint64_t live = sb_cache_live(cache);
        snapshot->live += live;
        snapshot->handed_bytes += live * cache->size;
        snapshot->metadata_bytes +=
            sizeof(*cache) + (cache->cpu ? cache->mm->nr_cpus * sizeof(*cache->cpu) : 0);
    }
}

/* /proc/slabinfo, version 2.1. */
int sb_slub_dump(struct sb_slub *slub, const char *file, const struct sb_sink *sink)
{
    struct sb_list *link;
    if (strcmp(file, "slabinfo"))
        return sb_mm_dump(slub->mm, file, sink);
    sb_sink_printf(
        sink, "slabinfo - version: 2.1\n"
              "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables "
              "<limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
    sb_list_for_each (link, &slub->caches) {
        struct sb_kmem_cache *cache = sb_list_entry(link, struct sb_kmem_cache, link);
        sb_sink_printf(sink,
                       "%-17s %6llu %6llu %6u %4u %4u : tunables %4u %4u %4u : slabdata %6llu %6llu %6u\n",
                       cache->name, (unsigned long long)sb_cache_live(cache),
                       (unsigned long long)cache->nr_objects, cache->size, cache->objects, 1U << cache->order,
                       0, 0, 0, (unsigned long long)cache->nr_slabs, (unsigned long long)cache->nr_slabs, 0);
    }
    return 0;
}

/* A free list: inside its slab, on object boundaries, of the length it should have (UINT64_MAX: any). */
static int check_freelist(struct sb_kmem_cache *cache, const struct sb_page *page, void *object,
                          uint64_t expected, char *why, size_t why_size)
{
    const char *base = sb_page_address(cache->mm, page);
    uint64_t n = 0;
    for (; object; object = get_free_pointer(cache, object), n++) {
        size_t at = (size_t)((char *)object - base);
        if ((char *)object < base || at >= SB_PAGE_SIZE << page->order || at % cache->size)
            return sb_check_failed(why, why_size, "cache %s: a free list leaves its slab after %llu objects",
                                   cache->name, (unsigned long long)n);
        if (n > page->objects)
            return sb_check_failed(why, why_size, "cache %s: a free list runs in a circle", cache->name);
    }
    if (expected != UINT64_MAX && n != expected)
        return sb_check_failed(why, why_size,
                               "cache %s: a slab should have %llu free objects, its list has %llu",
                               cache->name, (unsigned long long)expected, (unsigned long long)n);
    return 0;
}

/* Every list of the cache against what the slabs on it say of themselves. */
static int check_cache(struct sb_kmem_cache *cache, char *why, size_t why_size)
{
    struct sb_list *link;
    uint64_t n = 0;
    sb_list_for_each (link, &cache->partial) {
        struct sb_page *page = sb_list_entry(link, struct sb_page, link);
        if (++n > cache->nr_partial)
            break;
        if (page->cache != cache || !page->slab || page->frozen || !page->freelist)
            return sb_check_failed(why, why_size,
                                   "cache %s: a slab on the partial list is not a partial slab of it",
                                   cache->name);
        int status =
            check_freelist(cache, page, page->freelist, (uint64_t)page->objects - page->inuse, why, why_size);
        if (status)
            return status;
    }
    if (n != cache->nr_partial || n > cache->nr_slabs)
        return sb_check_failed(why, why_size,
                               "cache %s: %llu slabs on the partial list, %llu counted, %llu in all",
                               cache->name, (unsigned long long)n, (unsigned long long)cache->nr_partial,
                               (unsigned long long)cache->nr_slabs);
    for (unsigned i = 0; cache->cpu && i < cache->mm->nr_cpus; i++) {
        const struct sb_cpu_slab *cpu = &cache->cpu[i];
        if (!cpu->list.page && cpu->list.freelist)
            return sb_check_failed(why, why_size, "cache %s: CPU %u has free objects but no slab",
                                   cache->name, i);
        if (!cpu->list.page)
            continue;
        if (cpu->list.freelist == SB_CPU_LOCKED)
            return sb_check_failed(why, why_size, "cache %s: CPU %u's list was taken and never given back",
                                   cache->name, i);
        int status = check_freelist(cache, cpu->list.page, cpu->list.freelist, UINT64_MAX, why, why_size);
        if (!status)
            status = check_freelist(cache, cpu->list.page, cpu->list.page->freelist,
                                    (uint64_t)cpu->list.page->objects - cpu->list.page->inuse, why, why_size);
        if (status)
            return status;
        if (!cpu->list.page->frozen || cpu->list.page->cache != cache)
            return sb_check_failed(why, why_size, "cache %s: CPU %u's slab is not frozen", cache->name, i);
    }
    return 0;
}

static bool is_cache_of(const struct sb_slub *slub, const struct sb_kmem_cache *cache)
{
    struct sb_list *link;
    sb_list_for_each (link, &slub->caches) {
        if (sb_list_entry(link, struct sb_kmem_cache, link) == cache)
            return true;
    }
    return false;
}

/* Every slab in the memory map belongs to a living cache, and the caches count them all. */
static int check_slab_pages(struct sb_slub *slub, char *why, size_t why_size)
{
    struct sb_list *link;
    uint64_t counted = 0, found = 0;
    sb_list_for_each (link, &slub->caches)
        counted += sb_list_entry(link, struct sb_kmem_cache, link)->nr_slabs;
    for (uint64_t pfn = 0; pfn < slub->mm->nr_pages; pfn++) {
        const struct sb_page *page = &slub->mm->memmap[pfn];
        if (!page->slab)
            continue;
        found++;
        if (!(page->flags & SB_PG_ALLOCATED) || !is_cache_of(slub, page->cache) ||
            page->inuse > page->objects)
            return sb_check_failed(why, why_size,
                                   "the slab at pfn %llu belongs to no cache, or to a free block",
                                   (unsigned long long)pfn);
    }
    if (counted != found)
        return sb_check_failed(why, why_size, "the caches count %llu slabs, the memory map shows %llu",
                               (unsigned long long)counted, (unsigned long long)found);
    return 0;
}

int sb_slub_check(struct sb_slub *slub, char *why, size_t why_size)
{
    struct sb_list *link;
    int status = sb_mm_check(slub->mm, why, why_size);
    sb_list_for_each (link, &slub->caches) {
        if (status)
            break;
        status = check_cache(sb_list_entry(link, struct sb_kmem_cache, link), why, why_size);
    }
    return status ? status : check_slab_pages(slub, why, why_size);
}
