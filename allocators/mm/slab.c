/*
 * Lookaside caches, Linux 2.6.10.
 *
 * Models mm/slab.c of Linux 2.6.10, which LDD3 describes, in a 64-bit kernel with cache lines of 64 bytes: each CPU
 * has an array of free objects, last in first out; behind it an array that all CPUs share; behind that the slabs on
 * three lists, full, partial and free. Arrays are filled and emptied by half of their limit at a time. A slab's
 * management (struct slab and the chain of free object numbers) lies in front of its objects, or off-slab in a general
 * cache where objects have 512 bytes or more. What a slab has left over shifts its objects by cache lines,
 * another shift each slab: colours. Free slabs stay until more objects than free_limit are free.
 *
 * Locks, outermost first: a CPU's array (see cpu_stack.h), the cache's lock, a zone's lock. system->lock, the
 * list of caches, comes before the arrays. No page is allocated with an array or the cache's lock taken.
 *
 * As in that version, one set of lists serves all NUMA nodes: lists per node and alien caches came with 2.6.14.
 *
 * Left out: kmem_cache_alloc_node; debugging; resizing the arrays; the reaper's timer (reaping comes from memory
 * pressure only, SLAB_NO_REAP is what it respects).
 */
#define _GNU_SOURCE
#include "slab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slub.h"

enum {
    CACHE_LINE = 64,
    WORD = sizeof(void *),
    OFF_SLAB_MIN = SB_PAGE_SIZE / 8,
    MAX_OBJECT_ORDER = 5, /* MAX_OBJ_ORDER: 32 pages */
    MAX_SLAB_ORDER = 5,   /* MAX_GFP_ORDER */
    BREAK_ORDER = 1,      /* slab_break_gfp_order over 32 MiB of memory: don't go beyond for less waste */
    OFF_SLAB_MOST =
        (256 - sizeof(struct sb_slab)) / sizeof(uint16_t), /* offslab_limit: by size-256, the last on-slab */
};

static const uint32_t general_sizes[SB_SLAB_GENERAL] = {32,   64,   128,  192,   256,   512,   1024,
                                                        2048, 4096, 8192, 16384, 32768, 65536, 131072};

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* ---- layout ---- */

static uint32_t management_bytes(uint32_t objects)
{
    return (uint32_t)(sizeof(struct sb_slab) + objects * sizeof(uint16_t));
}

/* cache_estimate: objects of a slab of this order, and what is left over. */
static uint32_t estimate(uint32_t size, uint32_t align, bool off_slab, unsigned order, uint32_t *left)
{
    uint32_t slab = (uint32_t)(SB_PAGE_SIZE << order), n;
    if (off_slab) {
        n = slab / size;
        *left = slab - n * size;
        return n;
    }
    n = (uint32_t)((slab - sizeof(struct sb_slab)) / (size + sizeof(uint16_t)));
    while (n && round_up(management_bytes(n), align) + (size_t)n * size > slab)
        n--;
    *left = slab - n * size - (uint32_t)round_up(management_bytes(n), align);
    return n;
}

/* kmem_cache_create's search: the smallest that wastes at most an eighth, and not beyond order 1 for that. */
static int set_order(struct sb_slab_cache *cache, uint32_t align, uint32_t *left_over)
{
    for (unsigned order = 0; order <= MAX_SLAB_ORDER; order++) {
        uint32_t left, n = estimate(cache->size, align, cache->off_slab, order, &left);
        if (!n)
            continue;
        /* Management must come out of a cache whose own is on-slab. */
        if (cache->off_slab && n > OFF_SLAB_MOST)
            break;
        cache->objects = n;
        cache->order = (uint8_t)order;
        *left_over = left;
        if (order >= BREAK_ORDER || (size_t)left * 8 <= SB_PAGE_SIZE << order)
            break;
    }
    return cache->objects ? 0 : -E2BIG;
}

/* enable_cpucache: the larger an object, the fewer a CPU hoards. */
static void set_limits(struct sb_slab_cache *cache)
{
    uint32_t size = cache->size;
    /* The kernel's own table, in bytes of an object. */
    cache->limit = size > 131072 ? 1 : size > SB_PAGE_SIZE ? 8 : size > 1024 ? 24 : size > 256 ? 54 : 120;
    cache->batch = (cache->limit + 1) / 2;
    cache->shared_limit = size <= SB_PAGE_SIZE && cache->mm->nr_cpus > 1 ? SB_SLAB_SHARED_FACTOR * cache->batch : 0;
    cache->free_limit = (uint64_t)(1 + cache->mm->nr_cpus) * cache->batch + cache->objects;
}

static int lay_out(struct sb_slab_cache *cache, size_t size, size_t align)
{
    uint32_t left = 0, line = CACHE_LINE;
    cache->requested = (uint32_t)size;
    size = round_up(size, WORD);
    if (align < WORD)
        align = WORD;
    /* Small objects share a line, as the kernel's calculate_alignment has it; none straddles two. */
    while (size <= line / 2)
        line /= 2;
    if (cache->flags & SB_SLAB_HWCACHE_ALIGN && line > align)
        align = line;
    cache->off_slab = size >= OFF_SLAB_MIN;
    cache->size = (uint32_t)round_up(size, align);
    int status = set_order(cache, (uint32_t)align, &left);
    if (status)
        return status;
    cache->management = (uint32_t)round_up(management_bytes(cache->objects), align);
    if (cache->off_slab && left >= cache->management) {
        /* There is room after all. */
        cache->off_slab = false;
        left -= cache->management;
    }
    if (cache->off_slab)
        cache->management = management_bytes(cache->objects);
    cache->colour_step = align > CACHE_LINE ? (uint32_t)align : CACHE_LINE;
    cache->colours = left / cache->colour_step;
    set_limits(cache);
    return 0;
}

/* ---- caches ---- */

/* kmem_find_general_cachep. */
static unsigned class_of(size_t size)
{
    /* 192 stands between two powers of two; from 256 on the sizes double. */
    if (size <= 128)
        return size <= 32 ? 0 : size <= 64 ? 1 : 2;
    return size <= 192 ? 3 : 64 - (unsigned)__builtin_clzll(size - 1) - 4;
}

static struct sb_slab_cache *general_for(const struct sb_slab_system *system, size_t size)
{
    return size <= SB_SLAB_KMALLOC_MAX ? system->general[0][class_of(size)] : NULL;
}

static void free_cache(struct sb_slab_cache *cache)
{
    sb_stacks_exit(&cache->arrays);
    free((void *)cache->shared);
    free(cache);
}

/* A CPU's array is taken whole by a restartable sequence; its capacity never changes while caches live. */
static int make_arrays(struct sb_slab_cache *cache)
{
    if (!cache->system->percpu)
        return 0;
    int status = sb_stacks_init(&cache->arrays, cache->mm->nr_cpus, sb_stack_bytes(cache->limit), cache->mm->rseq,
                                cache->off_slab ? SB_RANK_FAR_ARRAY : SB_RANK_ARRAY);
    for (unsigned cpu = 0; cpu < cache->mm->nr_cpus && !status; cpu++)
        sb_stack_make(&cache->arrays, cpu, 0, cache->limit);
    if (!status && cache->shared_limit) {
        cache->shared = calloc(cache->shared_limit, sizeof(*cache->shared));
        status = cache->shared ? 0 : -ENOMEM;
    }
    return status;
}

int sb_slab_cache_create(struct sb_slab_system *system, const char *name, size_t size, size_t align, uint32_t flags,
                         const struct sb_slab_methods *methods, struct sb_slab_cache **out)
{
    const struct sb_host *host = system->mm->host;
    if (!size || size > SB_PAGE_SIZE << MAX_OBJECT_ORDER || (align & (align - 1)) || align > SB_PAGE_SIZE) {
        host->fail(host->context, "slab: cache '%s': size %zu, align %zu can't be", name, size, align);
        return -EINVAL;
    }
    struct sb_slab_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->system = system;
    cache->mm = system->mm;
    cache->flags = flags;
    if (methods)
        cache->methods = *methods;
    sb_lock_init(&cache->lock, SB_RANK_CACHE);
    sb_list_init(&cache->full);
    sb_list_init(&cache->partial);
    sb_list_init(&cache->free);
    snprintf(cache->name, sizeof(cache->name), "%s", name);
    int status = lay_out(cache, size, align);
    if (!status && cache->off_slab) {
        cache->management_cache = general_for(system, cache->management);
        status = cache->management_cache ? 0 : -E2BIG;
    }
    if (!status)
        status = make_arrays(cache);
    if (status) {
        free_cache(cache);
        return status;
    }
    sb_lock(&system->lock);
    sb_list_add_tail(&cache->link, &system->caches);
    sb_unlock(&system->lock);
    *out = cache;
    return 0;
}

static void shrink_under_pressure(void *owner)
{
    sb_slab_shrink(owner);
}

/* From the smallest up: the larger ones keep their management in the smaller ones. */
int sb_slab_init(struct sb_slab_system *system, struct sb_mm *mm, bool percpu)
{
    int status = 0;
    memset(system, 0, sizeof(*system));
    system->mm = mm;
    system->percpu = percpu;
    sb_lock_init(&system->lock, SB_RANK_CACHES);
    sb_list_init(&system->caches);
    for (unsigned i = 0; i < 2 * SB_SLAB_GENERAL && !status; i++) {
        unsigned dma = i % 2, class = i / 2;
        char name[32];
        snprintf(name, sizeof(name), "size-%u%s", general_sizes[class], dma ? "(DMA)" : "");
        status = sb_slab_cache_create(system, name, general_sizes[class], 0,
                                      SB_SLAB_HWCACHE_ALIGN | (dma ? SB_SLAB_CACHE_DMA : 0), NULL,
                                      &system->general[dma][class]);
    }
    sb_register_shrinker(mm, shrink_under_pressure, system);
    return status;
}

void sb_slab_exit(struct sb_slab_system *system)
{
    if (!system->mm)
        return;
    sb_unregister_shrinkers(system->mm, system);
    while (!sb_list_empty(&system->caches)) {
        struct sb_list *link = system->caches.next;
        sb_list_del(link); // NOLINT(clang-analyzer-unix.Malloc): it doesn't see the head change
        free_cache(sb_list_entry(link, struct sb_slab_cache, link));
    }
}

/* ---- slabs ---- */

/* cache_init_objs: whether it may sleep the constructor can't know by itself. */
static void construct(const struct sb_slab_cache *cache, void *object, sb_gfp_t gfp)
{
    if (cache->methods.plain_ctor)
        cache->methods.plain_ctor(object);
    if (cache->methods.ctor)
        cache->methods.ctor(object, SB_SLAB_CTOR_CONSTRUCTOR | (gfp & SB_GFP_DIRECT_RECLAIM ? 0 : SB_SLAB_CTOR_ATOMIC));
}

/* cache_grow: a slab of the next colour, all its objects free and constructed, on no list. */
static struct sb_slab *new_slab(struct sb_slab_cache *cache, sb_gfp_t gfp)
{
    /* Zeroing is for the caller's object, and would undo a constructor; slabs need a mapping, and don't
       move. */
    gfp &= ~(SB_GFP_ZERO | SB_GFP_HIGHMEM | SB_GFP_MOVABLE);
    struct sb_page *page =
        sb_alloc_pages(cache->mm, cache->flags & SB_SLAB_CACHE_DMA ? gfp | SB_GFP_DMA : gfp, cache->order);
    if (!page)
        return NULL;
    char *base = sb_page_address(cache->mm, page);
    sb_lock(&cache->lock);
    /* Colours go round: objects of one number in neighbouring slabs fall on different lines of a cache. */
    uint64_t offset = (uint64_t)cache->colour_next * cache->colour_step;
    cache->colour_next = cache->colour_next + 1 < cache->colours ? cache->colour_next + 1 : 0;
    sb_unlock(&cache->lock);
    struct sb_slab *slab =
        cache->off_slab ? sb_slab_cache_alloc(cache->management_cache, gfp) : (struct sb_slab *)(void *)(base + offset);
    if (!slab) {
        sb_free_pages(cache->mm, page, cache->order);
        return NULL;
    }
    *slab =
        (struct sb_slab){.colour_offset = offset, .objects = base + offset + (cache->off_slab ? 0 : cache->management)};
    for (uint32_t i = 0; i < cache->objects; i++) {
        sb_slab_next(slab)[i] = (uint16_t)(i + 1 < cache->objects ? i + 1 : SB_SLAB_END);
        construct(cache, slab->objects + (size_t)i * cache->size, gfp);
    }
    /* Last, so that nobody who looks at the page finds half a slab. */
    page->user = SB_PAGE_SLAB;
    page->owner = cache;
    page->freelist = slab;
    return slab;
}

/* All its objects are free and it is on no list. */
static void destroy_slab(struct sb_slab_cache *cache, struct sb_slab *slab)
{
    struct sb_page *page = sb_virt_to_head(cache->mm, slab->objects);
    for (uint32_t i = 0; i < cache->objects && cache->methods.dtor; i++)
        cache->methods.dtor(slab->objects + (size_t)i * cache->size, 0);
    page->user = SB_PAGE_PLAIN;
    page->owner = page->freelist = NULL;
    if (cache->off_slab)
        sb_slab_cache_free(cache->management_cache, slab);
    sb_free_pages(cache->mm, page, cache->order);
}

/* slab_get_obj; under the cache's lock, as all of this group. The slab has a free object. */
static void *get_object(struct sb_slab_cache *cache, struct sb_slab *slab)
{
    void *object = slab->objects + (size_t)slab->free * cache->size;
    slab->free = sb_slab_next(slab)[slab->free];
    slab->inuse++;
    cache->nr_free_objects--;
    sb_list_del(&slab->link);
    sb_list_add(&slab->link, slab->free == SB_SLAB_END ? &cache->full : &cache->partial);
    return object;
}

/*
 * One object into its slab. A slab that becomes free is kept while few objects are; else it comes back on
 * `destroy`, to be destroyed without the lock.
 */
static void put_object(struct sb_slab_cache *cache, void *object, struct sb_list *destroy)
{
    /* The page knows its slab, so kfree needs no size. */
    struct sb_slab *slab = sb_slab_of_page(sb_virt_to_head(cache->mm, object));
    uint32_t number = (uint32_t)((size_t)((char *)object - slab->objects) / cache->size);
    sb_slab_next(slab)[number] = slab->free;
    slab->free = (uint16_t)number;
    slab->inuse--;
    cache->nr_free_objects++;
    sb_list_del(&slab->link);
    if (slab->inuse) {
        sb_list_add_tail(&slab->link, &cache->partial);
    } else if (cache->nr_free_objects > cache->free_limit) {
        cache->nr_free_objects -= cache->objects;
        cache->nr_slabs--;
        sb_list_add(&slab->link, destroy);
    } else {
        sb_list_add(&slab->link, &cache->free);
    }
}

static void destroy_slabs(struct sb_slab_cache *cache, struct sb_list *slabs)
{
    while (!sb_list_empty(slabs)) {
        struct sb_slab *slab = sb_list_entry(slabs->next, struct sb_slab, link);
        sb_list_del(&slab->link);
        destroy_slab(cache, slab);
    }
}

/* From the shared array, else from partial slabs, else from free ones. Returns how many of `n` there were. */
static uint64_t get_objects(struct sb_slab_cache *cache, void **objects, uint64_t n)
{
    uint64_t got = 0;
    sb_lock(&cache->lock);
    /* In order, so that the warmest stays on top. */
    if (cache->nr_shared) {
        got = n < cache->nr_shared ? n : cache->nr_shared;
        cache->nr_shared -= (uint32_t)got;
        memcpy((void *)objects, (void *)(cache->shared + cache->nr_shared), got * sizeof(*objects));
    }
    /* One or the other: objects of the shared array are warm, and a few will do. */
    bool slabs = !got;
    while (slabs && got < n && !(sb_list_empty(&cache->partial) && sb_list_empty(&cache->free))) {
        struct sb_list *from = sb_list_empty(&cache->partial) ? &cache->free : &cache->partial;
        objects[got++] = get_object(cache, sb_list_entry(from->next, struct sb_slab, link));
    }
    sb_unlock(&cache->lock);
    return got;
}

/* free_block: as many as fit go to the shared array, the rest to their slabs. */
static void put_objects(struct sb_slab_cache *cache, void **objects, uint64_t n)
{
    struct sb_list destroy;
    sb_list_init(&destroy);
    sb_lock(&cache->lock);
    for (uint64_t i = 0; i < n; i++) {
        if (cache->shared && cache->nr_shared < cache->shared_limit)
            cache->shared[cache->nr_shared++] = objects[i];
        else
            put_object(cache, objects[i], &destroy);
    }
    sb_unlock(&cache->lock);
    destroy_slabs(cache, &destroy);
}

/* ---- allocation ---- */

/* cache_alloc_refill: half a CPU's array at once. NULL: only a new slab helps. */
static void *refill(struct sb_slab_cache *cache)
{
    uint64_t count;
    void *object = NULL;
    struct sb_cpu_stack *array = cache->arrays.base ? sb_stack_take(&cache->arrays, 0, &count) : NULL;
    if (!array)
        return get_objects(cache, &object, 1) ? object : NULL;
    /* It may have been filled meanwhile by whoever ran on this CPU. */
    if (!count)
        count = get_objects(cache, array->slots, cache->batch);
    if (count)
        object = array->slots[--count];
    sb_stack_give_back(&cache->arrays, array, count);
    return object;
}

static __attribute__((noinline)) void *alloc_slow(struct sb_slab_cache *cache, sb_gfp_t gfp)
{
    void *object = refill(cache);
    if (object)
        return object;
    /* Without the lock: it may wait for pages. */
    struct sb_slab *slab = new_slab(cache, gfp);
    if (!slab)
        return NULL;
    sb_lock(&cache->lock);
    cache->nr_slabs++;
    cache->nr_free_objects += cache->objects;
    sb_list_add_tail(&slab->link, &cache->free);
    object = get_object(cache, slab);
    sb_unlock(&cache->lock);
    return object;
}

void *sb_slab_cache_alloc(struct sb_slab_cache *cache, sb_gfp_t gfp)
{
    void *object = __builtin_expect(cache->arrays.base != NULL, 1) ? sb_stack_pop(&cache->arrays, 0) : NULL;
    if (__builtin_expect(!object, 0))
        object = alloc_slow(cache, gfp);
    if (__builtin_expect(gfp & SB_GFP_ZERO, 0) && object)
        sb_mm_zero(cache->mm, object, cache->requested);
    return object;
}

/* Looked at without holding on to it: another CPU may fill the room meanwhile, and the rest goes to the
   slabs. */
static uint32_t flush_size(struct sb_slab_cache *cache)
{
    sb_lock(&cache->lock);
    uint32_t room = cache->shared ? cache->shared_limit - cache->nr_shared : 0;
    sb_unlock(&cache->lock);
    return room && room < cache->batch ? room : cache->batch;
}

/* cache_flusharray: the array is full, or taken. The oldest half goes. */
static __attribute__((noinline)) void free_slow(struct sb_slab_cache *cache, void *object)
{
    uint64_t count;
    struct sb_cpu_stack *array = cache->arrays.base ? sb_stack_take(&cache->arrays, 0, &count) : NULL;
    if (!array) {
        put_objects(cache, &object, 1);
        return;
    }
    if (count == array->capacity) {
        /* No more than the shared array has room for, if it has any: slabs are the last resort. */
        uint32_t n = flush_size(cache);
        put_objects(cache, array->slots, n);
        sb_stack_drop_oldest(array, &count, n);
    }
    array->slots[count++] = object;
    sb_stack_give_back(&cache->arrays, array, count);
}

void sb_slab_cache_free(struct sb_slab_cache *cache, void *object)
{
    const struct sb_page *page = sb_virt_to_head(cache->mm, object);
    if (__builtin_expect(!page || page->owner != cache, 0))
        sb_count_bad_free(cache->mm);
    else if (!cache->arrays.base || !sb_stack_push(&cache->arrays, 0, object))
        free_slow(cache, object);
}

/* ---- giving back ---- */

/* drain_cpu_caches: every object that is in nobody's hands goes to its slab. */
static void drain_arrays(struct sb_slab_cache *cache)
{
    struct sb_list destroy;
    for (unsigned cpu = 0; cache->arrays.base && cpu < cache->mm->nr_cpus; cpu++) {
        uint64_t count;
        struct sb_cpu_stack *array = sb_stack_seize(&cache->arrays, cpu, 0, &count);
        if (!array)
            continue;
        put_objects(cache, array->slots, count);
        sb_stack_give_back(&cache->arrays, array, 0);
    }
    sb_list_init(&destroy);
    sb_lock(&cache->lock);
    while (cache->nr_shared)
        put_object(cache, cache->shared[--cache->nr_shared], &destroy);
    sb_unlock(&cache->lock);
    destroy_slabs(cache, &destroy);
}

void sb_slab_cache_shrink(struct sb_slab_cache *cache)
{
    struct sb_list destroy;
    drain_arrays(cache);
    sb_list_init(&destroy);
    sb_lock(&cache->lock);
    while (!sb_list_empty(&cache->free)) {
        struct sb_list *link = cache->free.next;
        sb_list_del(link);
        sb_list_add(link, &destroy);
        cache->nr_free_objects -= cache->objects;
        cache->nr_slabs--;
    }
    sb_unlock(&cache->lock);
    destroy_slabs(cache, &destroy);
}

/* From the youngest cache back, so that what holds others' management comes last. */
void sb_slab_shrink(struct sb_slab_system *system)
{
    sb_lock(&system->lock);
    for (struct sb_list *link = system->caches.prev; link != &system->caches; link = link->prev) {
        struct sb_slab_cache *cache = sb_list_entry(link, struct sb_slab_cache, link);
        if (!(cache->flags & SB_SLAB_NO_REAP))
            sb_slab_cache_shrink(cache);
    }
    sb_unlock(&system->lock);
}

static uint64_t in_arrays(const struct sb_slab_cache *cache)
{
    uint64_t n = cache->nr_shared;
    for (unsigned cpu = 0; cache->arrays.base && cpu < cache->mm->nr_cpus; cpu++)
        n += sb_stack_of(&cache->arrays, cpu, 0)->count;
    return n;
}

uint64_t sb_slab_cache_live(const struct sb_slab_cache *cache)
{
    return cache->nr_slabs * cache->objects - cache->nr_free_objects - in_arrays(cache);
}

int sb_slab_cache_destroy(struct sb_slab_cache *cache)
{
    struct sb_slab_system *system = cache->system;
    /* Throughout: reclaim seizes CPUs' arrays under it, and two may not at once. */
    sb_lock(&system->lock);
    uint64_t live = sb_slab_cache_live(cache);
    if (!live) {
        sb_slab_cache_shrink(cache);
        sb_list_del(&cache->link);
    }
    sb_unlock(&system->lock);
    if (live)
        return sb_report_leak(cache->mm, cache->name, live, cache->requested);
    free_cache(cache);
    return 0;
}

/* ---- kmalloc ---- */

void *sb_slab_kmalloc(struct sb_slab_system *system, size_t size, sb_gfp_t gfp)
{
    if (__builtin_expect(size > SB_SLAB_KMALLOC_MAX, 0))
        return NULL;
    return sb_slab_cache_alloc(system->general[gfp & SB_GFP_DMA][class_of(size)], gfp);
}

void sb_slab_kfree(struct sb_slab_system *system, void *block)
{
    if (!block)
        return;
    struct sb_page *page = sb_virt_to_head(system->mm, block);
    if (page && page->user == SB_PAGE_SLAB)
        sb_slab_cache_free(page->owner, block);
    else
        sb_count_bad_free(system->mm);
}

size_t sb_slab_ksize(struct sb_slab_system *system, const void *block)
{
    return ((const struct sb_slab_cache *)sb_virt_to_head(system->mm, block)->owner)->size;
}
