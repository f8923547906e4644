/*
 * Lookaside caches.
 *
 * Models mm/slub.c of Linux 6.1: slabs are page blocks with the free list threaded through the free objects
 * (the pointer in the middle of the object, or behind it where a constructor's work must last); a CPU takes a
 * slab whole ("frozen") and allocates from it without looking at the node; it keeps a few more on its
 * partial list, where a full slab goes when the first of its objects is freed; other slabs with free objects
 * wait on the node's partial list; a full slab is on no list at all; an empty one goes back to the pages
 * once min_partial others wait. Order and objects of a slab follow calculate_order, or the smallest order
 * that holds an object when a block of the better one can't be had.
 *
 * A slab's own state is one word (head of its free list, objects in use, frozen) changed by
 * compare-and-swap, as the kernel changes two words by cmpxchg_double; the head is an offset here, so that
 * one word holds it all. Whoever frees into a slab that isn't the CPU's needs this one atomic instruction and
 * mostly no lock. The kernel's fast path is a cmpxchg of list and transaction id on the CPU's own data; in
 * userspace a restartable sequence does the same without the cmpxchg (rseq.h).
 *
 * Locks, outermost first: a CPU's part (taken by a restartable sequence or, without those, cpu->lock), the
 * cache's node lock, a zone's lock. slub->lock, the list of caches, comes before the CPUs' parts. No page is
 * allocated with a CPU's part or the node's lock taken, since that may wait.
 *
 * One file, as the kernel's: the fast paths are inlined into each other, and every list of a slab (frozen on a CPU,
 * partial of a CPU, partial of a node) is moved by the same compare-and-swap of its one word. Cut anywhere, the halves
 * would share all of their static functions.
 *
 * Sheaves, which came with 6.18, are an option: sheaf.c.
 *
 * Nodes: partial lists are per node, of slabs whose pages lie there. A CPU looks at its own node's first, then at those
 * of others that have more than min_partial (get_any_partial; the kernel passes that by in 23 of 1024 cases).
 *
 * Debugging flags: slub_debug.c; a cache that has one has no per-CPU slabs.
 *
 * Left out: caches are never merged; memory cgroups; of a node that was asked for, the slabs that the
 * CPU keeps are not searched.
 */
#define _GNU_SOURCE
#include "slub.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scullbench/random.h"

enum {
    CACHE_LINE = 64,
    WORD = sizeof(void *),
    MAX_OBJECTS = 32767, /* a slab's counters are 15 bits wide in the kernel */
    SLUB_MAX_ORDER = 3,  /* PAGE_ALLOC_COSTLY_ORDER */
    MIN_PARTIAL = 5,
    MAX_PARTIAL = 10,
    LOOK_AHEAD = 3,
};

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

static inline void set_free_pointer(const struct sb_kmem_cache *cache, void *object, void *next)
{
    memcpy((char *)object + cache->offset, &next, sizeof(next));
}

/* ---- a slab's state: one word ---- */

/*
 * Bits 0-31: offset of the free list's head in the slab, in words, plus one; 0: empty. Bits 32-47: objects
 * not on that list. Bit 48: frozen, some CPU's own.
 */
struct state {
    void *head;
    uint32_t inuse;
    bool frozen;
};

static char *slab_base(const struct sb_kmem_cache *cache, const struct sb_page *page)
{
    return sb_page_address(cache->mm, page);
}

static inline struct state unpack(const char *base, uint64_t word)
{
    uint32_t at = (uint32_t)word;
    return (struct state){at ? (void *)(base + (size_t)(at - 1) * WORD) : NULL, (uint32_t)(word >> 32) & 0xffff,
                          word >> 48 & 1};
}

static inline uint64_t pack(const char *base, struct state s)
{
    uint64_t at = s.head ? (uint64_t)((char *)s.head - base) / WORD + 1 : 0;
    // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it takes 64 bits for too few
    return at | (uint64_t)s.inuse << 32 | (uint64_t)s.frozen << 48;
}

static inline uint64_t state_word(struct sb_page *page)
{
    return atomic_load_explicit(&page->slub_state, memory_order_acquire);
}

static struct state state_of(const struct sb_kmem_cache *cache, struct sb_page *page)
{
    return unpack(slab_base(cache, page), state_word(page));
}

/* Release: what was written into the objects must be seen by whoever takes the list. */
static inline bool change(struct sb_page *page, uint64_t *old, uint64_t new)
{
    return atomic_compare_exchange_weak_explicit(&page->slub_state, old, new, memory_order_acq_rel,
                                                 memory_order_acquire);
}

/* Takes a slab's free list whole; the slab is a CPU's from now on, or stays nobody's if there is none. */
static void *take_freelist(struct sb_kmem_cache *cache, struct sb_page *page)
{
    const char *base = slab_base(cache, page);
    uint64_t old = state_word(page);
    struct state s;
    do {
        s = unpack(base, old);
    } while (!change(page, &old, pack(base, (struct state){NULL, page->objects, s.head != NULL})));
    return s.head;
}

/* ---- caches ---- */

static void shrink_under_pressure(void *owner)
{
    sb_slub_shrink(owner);
}

void sb_slub_init(struct sb_slub *slub, struct sb_mm *mm, const struct sb_slub_config *config)
{
    memset(slub, 0, sizeof(*slub));
    slub->mm = mm;
    slub->config = *config;
    sb_lock_init(&slub->lock, SB_RANK_CACHES);
    sb_list_init(&slub->caches);
    sb_register_shrinker(mm, shrink_under_pressure, slub);
}

/* The host's memory only; the slabs are pages of the trial's memory file. */
static void free_cache(struct sb_kmem_cache *cache)
{
    free(cache->cpu);
    sb_sheaves_exit(&cache->sheaves);
    free(cache->random_order);
    free(cache->nodes);
    free(cache);
}

/* Without a look at what lives: close() has to work after any failure. */
void sb_slub_exit(struct sb_slub *slub)
{
    if (!slub->mm)
        return;
    sb_unregister_shrinkers(slub->mm, slub);
    while (!sb_list_empty(&slub->caches)) {
        struct sb_list *link = slub->caches.next;
        sb_list_del(link); // NOLINT(clang-analyzer-unix.Malloc): it doesn't see the head change
        free_cache(sb_list_entry(link, struct sb_kmem_cache, link));
    }
}

/* set_cpu_partial: objects a CPU may keep, by size, then the slabs that hold so many when half full. */
static void set_cpu_partial(struct sb_kmem_cache *cache)
{
    uint32_t n = cache->size >= SB_PAGE_SIZE ? 6 : cache->size >= 1024 ? 24 : cache->size >= 256 ? 52 : 120;
    cache->cpu_partial_slabs = (2 * n + cache->objects - 1) / cache->objects;
}

/*
 * set_node and calculate_sizes of the kernel: where the free pointer goes, how far apart objects stand, how
 * many empty slabs are worth keeping. min_partial grows with the object's size, within 5 and 10, as in 6.1.
 */
static int lay_out(struct sb_kmem_cache *cache, size_t size, size_t align)
{
    unsigned nr_cpus = cache->slub->config.nr_cpus ? cache->slub->config.nr_cpus : cache->mm->nr_cpus;
    uint32_t total = round_up((uint32_t)size, WORD);
    cache->requested = (uint32_t)size;
    const uint32_t alignment = calculate_alignment((uint32_t)size, align, cache->flags);
    if (cache->debug) {
        total = sb_debug_lay_out(cache, total, alignment);
    } else if (cache->ctor) {
        cache->offset = total;
        total += WORD;
    } else {
        /* Mid-object: a small overrun of the object before doesn't reach the pointer. */
        cache->offset = total / 2 & ~(uint32_t)(WORD - 1);
    }
    cache->size = round_up(total, alignment);
    unsigned order = calculate_order(cache->size, nr_cpus);
    if (order > SB_MAX_ORDER)
        return -E2BIG;
    cache->order = (uint8_t)order;
    cache->objects = (uint16_t)((SB_PAGE_SIZE << order) / cache->size);
    cache->min_partial = (fls(cache->size) - 1) / 2; /* ilog2(size) / 2 */
    if (cache->min_partial < MIN_PARTIAL)
        cache->min_partial = MIN_PARTIAL;
    if (cache->min_partial > MAX_PARTIAL)
        cache->min_partial = MAX_PARTIAL;
    set_cpu_partial(cache);
    return 0;
}

/* init_cache_random_seq: one shuffled order a cache; each slab starts somewhere in it. */
static int draw_random_order(struct sb_kmem_cache *cache)
{
    struct sb_random random = sb_random_fork(cache->mm->host->seed, cache->size);
    cache->random_order = calloc(cache->objects, sizeof(*cache->random_order));
    if (!cache->random_order)
        return -ENOMEM;
    for (uint32_t i = 0; i < cache->objects; i++) {
        uint32_t j = (uint32_t)sb_random_below(&random, i + 1);
        cache->random_order[i] = cache->random_order[j];
        cache->random_order[j] = i;
    }
    return 0;
}

static void make_cpus(struct sb_kmem_cache *cache)
{
    memset(cache->cpu, 0, cache->mm->nr_cpus * sizeof(*cache->cpu));
    for (unsigned i = 0; i < cache->mm->nr_cpus; i++)
        sb_lock_init(&cache->cpu[i].lock, SB_RANK_CPU_SLAB);
}

static int make_nodes(struct sb_kmem_cache *cache)
{
    unsigned n = cache->mm->nr_nodes;
    cache->nodes = aligned_alloc(64, n * sizeof(*cache->nodes));
    if (!cache->nodes)
        return -ENOMEM;
    memset(cache->nodes, 0, n * sizeof(*cache->nodes));
    for (unsigned i = 0; i < n; i++) {
        sb_lock_init(&cache->nodes[i].lock, SB_RANK_CACHE);
        sb_list_init(&cache->nodes[i].partial);
    }
    return 0;
}

/* A name may be used twice; the kernel would merge such caches, we keep them apart so that each counts alone.
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
    cache->flags = flags;
    cache->debug = (flags | slub->config.debug) & SB_SLAB_DEBUG_FLAGS;
    cache->ctor = ctor;
    snprintf(cache->name, sizeof(cache->name), "%s", name);
    int status = make_nodes(cache);
    if (!status)
        status = lay_out(cache, size, align);
    if (!status && slub->config.randomize)
        status = draw_random_order(cache);
    if (!status && slub->config.percpu && !cache->debug) {
        cache->rseq = slub->mm->rseq;
        cache->cpu = aligned_alloc(sizeof(*cache->cpu), slub->mm->nr_cpus * sizeof(*cache->cpu));
        if (cache->cpu)
            make_cpus(cache);
        else
            status = -ENOMEM;
    }
    if (!status)
        status = sb_sheaves_init(&cache->sheaves, cache->debug ? 0 : slub->config.sheaf, slub->mm);
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

/* ---- slabs ---- */

/* Threads the free list through a fresh slab's objects; returns its head. */
static void *thread_freelist(struct sb_kmem_cache *cache, char *base, uint32_t objects)
{
    const uint32_t *order = objects == cache->objects ? cache->random_order : NULL;
    uint32_t start = 0;
    if (order) {
        struct sb_random random = sb_random_fork(cache->mm->host->seed, (uint64_t)(base - cache->mm->base));
        start = (uint32_t)sb_random_below(&random, objects);
    }
    void *head = NULL;
    for (uint32_t i = objects; i-- > 0;) {
        uint32_t number = order ? order[(start + i) % objects] : i;
        char *object = base + (size_t)number * cache->size + cache->left_pad;
        if (cache->debug)
            sb_debug_init_object(cache, object);
        if (cache->ctor)
            cache->ctor(object);
        set_free_pointer(cache, object, head);
        head = object;
    }
    return head;
}

static void count_slab(struct sb_kmem_cache *cache, const struct sb_page *page, int sign)
{
    uint64_t pages = UINT64_C(1) << page->order, objects = page->objects;
    atomic_fetch_add_explicit(&cache->nr_slabs, sign > 0 ? 1 : UINT64_MAX, memory_order_relaxed);
    atomic_fetch_add_explicit(&cache->nr_objects, sign > 0 ? objects : -objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&cache->nr_pages, sign > 0 ? pages : -pages, memory_order_relaxed);
}

/* A fresh slab, all its objects free, on no list. */
static struct sb_page *new_slab(struct sb_kmem_cache *cache, sb_gfp_t gfp, int node)
{
    unsigned order = cache->order, least = sb_get_order(cache->size);
    /* kmalloc_fix_flags: whose memory it is was decided when the cache was made. */
    if (gfp & (SB_GFP_DMA32 | SB_GFP_HIGHMEM))
        sb_warn_flags(cache->mm, cache->name, gfp, gfp & ~(SB_GFP_DMA32 | SB_GFP_HIGHMEM));
    gfp &= ~(SB_GFP_ZERO | SB_GFP_DMA32 | SB_GFP_HIGHMEM | SB_GFP_MOVABLE);
    if (cache->flags & SB_SLAB_CACHE_DMA)
        gfp |= SB_GFP_DMA;
    if (cache->flags & SB_SLAB_CACHE_DMA32)
        gfp |= SB_GFP_DMA32;
    /* allocate_slab: the better order without effort, then fewer objects a slab are better than none. */
    sb_gfp_t easy = least < order ? (gfp | SB_GFP_NOWARN) & ~(SB_GFP_DIRECT_RECLAIM | SB_GFP_NOFAIL) : gfp;
    struct sb_page *page = sb_alloc_pages_node(cache->mm, node, easy, order);
    if (!page && least < order)
        page = sb_alloc_pages_node(cache->mm, node, gfp, order = least);
    if (!page)
        return NULL;
    char *base = slab_base(cache, page);
    page->user = SB_PAGE_SLUB;
    page->owner = cache;
    page->objects = (uint16_t)((SB_PAGE_SIZE << order) / cache->size);
    if (cache->debug)
        sb_debug_init_slab(cache, page);
    void *head = thread_freelist(cache, base, page->objects);
    atomic_store_explicit(&page->slub_state, pack(base, (struct state){head, 0, false}), memory_order_release);
    count_slab(cache, page, 1);
    return page;
}

/* The last reference is gone: nobody holds an object of it, no CPU and no list knows it. */
static void discard_slab(struct sb_kmem_cache *cache, struct sb_page *page)
{
    count_slab(cache, page, -1);
    page->user = SB_PAGE_PLAIN;
    page->owner = NULL;
    sb_free_pages(cache->mm, page, page->order);
}

/* get_node(slab_nid): where the slab's pages lie. */
static struct sb_cache_node *node_of(const struct sb_kmem_cache *cache, const struct sb_page *page)
{
    return &cache->nodes[cache->mm->nr_nodes > 1 ? sb_page_zone(cache->mm, page)->node : 0];
}

/* numa_mem_id: the node one is on, or was a moment ago. */
static unsigned this_node(const struct sb_kmem_cache *cache)
{
    return cache->mm->nr_nodes > 1 ? cache->mm->cpu_node[sched_getcpu()] : 0;
}

/* With the node's lock; as all that touches the list. At the tail a slab has time to become empty. */
static void add_partial(struct sb_cache_node *node, struct sb_page *page)
{
    sb_list_add_tail(&page->link, &node->partial);
    __atomic_store_n(&node->nr_partial, node->nr_partial + 1, __ATOMIC_RELAXED);
}

static void remove_partial(struct sb_cache_node *node, struct sb_page *page)
{
    sb_list_del(&page->link);
    __atomic_store_n(&node->nr_partial, node->nr_partial - 1, __ATOMIC_RELAXED);
}

/*
 * A frozen slab, with what is left of a CPU's list of it, becomes the node's again: on the partial list, on
 * none if it is full, or back to the pages if it is empty and enough others wait. The lock is held over the
 * change, so that nobody looks for it on a list before it is there.
 */
static void unfreeze(struct sb_kmem_cache *cache, struct sb_page *page, void *freelist)
{
    const char *base = slab_base(cache, page);
    void *tail = NULL;
    uint32_t n = 0;
    struct state s;
    struct sb_cache_node *node = node_of(cache, page);
    for (void *object = freelist; object; object = sb_get_free_pointer(cache, object), n++)
        tail = object;
    sb_lock(&node->lock);
    uint64_t old = state_word(page);
    do {
        s = unpack(base, old);
        if (tail) {
            set_free_pointer(cache, tail, s.head);
            s.head = freelist;
            s.inuse -= n;
        }
        s.frozen = false;
    } while (!change(page, &old, pack(base, s)));
    bool empty = !s.inuse && node->nr_partial >= cache->min_partial;
    if (!empty && s.head)
        add_partial(node, page);
    sb_unlock(&node->lock);
    if (empty)
        discard_slab(cache, page);
}

static void unfreeze_list(struct sb_kmem_cache *cache, struct sb_page *page)
{
    while (page) {
        struct sb_page *next = page->next;
        unfreeze(cache, page, NULL);
        page = next;
    }
}

/* ---- a CPU's part ---- */

/* This CPU's part for the slow path, and its list; NULL if a thread that is not running has it. */
static struct sb_cpu_slab *take_cpu(struct sb_kmem_cache *cache, void **freelist)
{
#ifdef SB_HAVE_RSEQ
    while (cache->rseq) {
        uint32_t cpu = sb_rseq_cpu();
        enum sb_rseq_end end = sb_rseq_list_take(&cache->cpu[cpu].list, cpu, freelist);
        if (end == SB_RSEQ_DONE) {
            sb_lockdep_acquire(SB_RANK_CPU_SLAB, false);
            return &cache->cpu[cpu];
        }
        if (end == SB_RSEQ_OTHER)
            return NULL;
    }
#endif
    /* Only a hint: migrated by now, one is merely on another CPU's part, which is correct and rare. */
    struct sb_cpu_slab *cpu = &cache->cpu[sched_getcpu()];
    sb_lock(&cpu->lock);
    *freelist = cpu->list.freelist;
    return cpu;
}

static struct sb_cpu_slab *seize_cpu(struct sb_kmem_cache *cache, unsigned number, void **freelist)
{
    struct sb_cpu_slab *cpu = &cache->cpu[number];
    uint64_t before;
    if (cache->rseq) {
        if (!sb_rseq_seize((uint64_t *)(void *)&cpu->list.freelist, number, SB_LIST_TAKEN, SB_LIST_SEIZED, &before))
            return NULL;
        sb_lockdep_acquire(SB_RANK_CPU_SLAB, false);
        memcpy((void *)freelist, &before, sizeof(before));
        return cpu;
    }
    if (!sb_trylock(&cpu->lock))
        return NULL;
    *freelist = cpu->list.freelist;
    return cpu;
}

static void give_back_cpu(struct sb_kmem_cache *cache, struct sb_cpu_slab *cpu, void *freelist)
{
    if (cache->rseq) {
        sb_lockdep_release(SB_RANK_CPU_SLAB);
        __atomic_store_n(&cpu->list.freelist, freelist, __ATOMIC_RELEASE);
    } else {
        cpu->list.freelist = freelist;
        sb_unlock(&cpu->lock);
    }
}

/*
 * put_cpu_partial: a slab that was full got its first free object and was frozen for this CPU. When the CPU
 * keeps enough already, those go to the node, all in one go.
 */
static void put_cpu_partial(struct sb_kmem_cache *cache, struct sb_page *page)
{
    void *freelist;
    struct sb_page *old = NULL;
    struct sb_cpu_slab *cpu = take_cpu(cache, &freelist);
    if (!cpu) {
        unfreeze(cache, page, NULL);
        return;
    }
    if (cpu->nr_partial >= cache->cpu_partial_slabs) {
        old = cpu->partial;
        cpu->partial = NULL;
        cpu->nr_partial = 0;
    }
    page->next = cpu->partial;
    cpu->partial = page;
    cpu->nr_partial++;
    give_back_cpu(cache, cpu, freelist);
    unfreeze_list(cache, old);
}

/*
 * get_partial_node: slabs of a node for a CPU: one to allocate from, and more until half of what the CPU may keep is
 * there, so that the next ones need no lock.
 */
static struct sb_page *get_partial_node(struct sb_kmem_cache *cache, struct sb_cache_node *node,
                                        struct sb_cpu_slab *cpu, void **freelist)
{
    struct sb_page *first = NULL;
    if (!__atomic_load_n(&node->nr_partial, __ATOMIC_RELAXED))
        return NULL;
    sb_lock(&node->lock);
    while (!sb_list_empty(&node->partial)) {
        struct sb_page *page = sb_list_entry(node->partial.next, struct sb_page, link);
        const char *base = slab_base(cache, page);
        remove_partial(node, page);
        if (!first) {
            first = page;
            *freelist = take_freelist(cache, page);
        } else {
            uint64_t old = state_word(page);
            struct state s;
            do {
                s = unpack(base, old);
                s.frozen = true;
            } while (!change(page, &old, pack(base, s)));
            page->next = cpu->partial;
            cpu->partial = page;
            cpu->nr_partial++;
        }
        if (cpu->nr_partial > cache->cpu_partial_slabs / 2)
            break;
    }
    sb_unlock(&node->lock);
    return first;
}

/* get_any_partial: the first other node with more than it is to keep. */
static struct sb_cache_node *find_rich_node(const struct sb_kmem_cache *cache, unsigned from)
{
    for (unsigned i = 1; i < cache->mm->nr_nodes; i++) {
        struct sb_cache_node *node = &cache->nodes[(from + i) % cache->mm->nr_nodes];
        if (__atomic_load_n(&node->nr_partial, __ATOMIC_RELAXED) > cache->min_partial)
            return node;
    }
    return NULL;
}

/* get_partial. `alone`: of no other node. */
static struct sb_page *get_partial(struct sb_kmem_cache *cache, struct sb_cpu_slab *cpu, unsigned node, bool alone,
                                   void **freelist)
{
    struct sb_page *page = get_partial_node(cache, &cache->nodes[node], cpu, freelist);
    struct sb_cache_node *rich = page || alone ? NULL : find_rich_node(cache, node);
    return rich ? get_partial_node(cache, rich, cpu, freelist) : page;
}

/*
 * The CPU's list is empty: what others freed into its slab meanwhile, else a slab it keeps, else one of the
 * node's. NULL: only a new slab helps. The CPU's part is the caller's.
 */
static void *refill(struct sb_kmem_cache *cache, struct sb_cpu_slab *cpu)
{
    void *freelist = NULL;
    if (cpu->list.page) {
        freelist = take_freelist(cache, cpu->list.page);
        if (freelist)
            return freelist;
    }
    /* Full now, and on no list until something of it is freed. */
    cpu->list.page = cpu->partial;
    if (cpu->partial) {
        cpu->partial = cpu->list.page->next;
        cpu->nr_partial--;
        return take_freelist(cache, cpu->list.page);
    }
    cpu->list.page = get_partial(cache, cpu, this_node(cache), false, &freelist);
    return freelist;
}

/* ---- allocation ---- */

/* One object off a slab that is no CPU's, with the node's lock: nobody else takes, so the head can't recur.
 */
static void *pop_shared(struct sb_kmem_cache *cache, struct sb_page *page, bool *full)
{
    const char *base = slab_base(cache, page);
    uint64_t old = state_word(page);
    struct state s;
    void *object;
    do {
        s = unpack(base, old);
        object = s.head;
        if (!object) /* on the partial list all have one: what is full leaves it */
            break;
        s.head = sb_get_free_pointer(cache, object);
        s.inuse++;
    } while (!change(page, &old, pack(base, s)));
    *full = !s.head;
    return object;
}

/* The node whose list an allocation without a CPU's part takes from: the wanted one, else a rich one. */
static struct sb_cache_node *find_node(const struct sb_kmem_cache *cache, sb_gfp_t gfp, int wanted)
{
    unsigned here = wanted < 0 ? this_node(cache) : (unsigned)wanted;
    struct sb_cache_node *node = &cache->nodes[here], *rich = NULL;
    if (!__atomic_load_n(&node->nr_partial, __ATOMIC_RELAXED) && !(wanted >= 0 && gfp & SB_GFP_THISNODE))
        rich = find_rich_node(cache, here);
    return rich ? rich : node;
}

/* alloc_debug_processing: of a slab with a damaged object none is given out any more; with the node's lock. */
static void condemn(const struct sb_kmem_cache *cache, struct sb_page *page)
{
    const char *base = slab_base(cache, page);
    atomic_store_explicit(&page->slub_state, pack(base, (struct state){NULL, page->objects, false}),
                          memory_order_release);
}

/* Without a CPU's part: what the percpu option is measured against, and the way out when the part is taken. */
static void *alloc_from_node(struct sb_kmem_cache *cache, sb_gfp_t gfp, int wanted)
{
    bool full;
    struct sb_page *page = NULL;
    struct sb_cache_node *node = find_node(cache, gfp, wanted);
    sb_lock(&node->lock);
    if (sb_list_empty(&node->partial)) {
        sb_unlock(&node->lock);
        page = new_slab(cache, gfp, wanted);
        if (!page)
            return NULL;
        /* Its own: where that node has no page left it is another's. */
        node = node_of(cache, page);
        sb_lock(&node->lock);
        add_partial(node, page);
    }
    page = page ? page : sb_list_entry(node->partial.next, struct sb_page, link);
    void *object = pop_shared(cache, page, &full);
    bool sound = !cache->debug || !object || sb_debug_alloc(cache, object);
    if (!sound)
        condemn(cache, page);
    if (full || !sound)
        remove_partial(node, page);
    sb_unlock(&node->lock);
    return sound ? object : alloc_from_node(cache, gfp, wanted);
}

/* The CPU's part was given back while the page was allocated: whatever it has by now goes to the node. */
static void *alloc_from_new(struct sb_kmem_cache *cache, sb_gfp_t gfp, int node)
{
    void *mine, *theirs;
    struct sb_page *page = new_slab(cache, gfp, node), *replaced;
    if (!page)
        return NULL;
    mine = take_freelist(cache, page);
    void *object = mine;
    mine = sb_get_free_pointer(cache, object);
    struct sb_cpu_slab *cpu = take_cpu(cache, &theirs);
    if (!cpu) {
        unfreeze(cache, page, mine);
        return object;
    }
    replaced = cpu->list.page;
    cpu->list.page = page;
    give_back_cpu(cache, cpu, mine);
    if (replaced)
        unfreeze(cache, replaced, theirs);
    return object;
}

/* ___slab_alloc with a node: a slab of another node is the CPU's no longer, and one of the wanted takes its place. */
static void *alloc_on(struct sb_kmem_cache *cache, sb_gfp_t gfp, unsigned node)
{
    void *freelist, *left = NULL, *object = NULL;
    struct sb_page *old = NULL;
    struct sb_cpu_slab *cpu = cache->cpu ? take_cpu(cache, &freelist) : NULL;
    if (!cpu)
        return alloc_from_node(cache, gfp, (int)node);
    if (cpu->list.page && node_of(cache, cpu->list.page) == &cache->nodes[node]) {
        object = freelist ? freelist : take_freelist(cache, cpu->list.page);
    } else {
        old = cpu->list.page;
        left = freelist;
        cpu->list.page = NULL;
    }
    if (!object) {
        /* Full, it is on no list until something of it is freed. */
        freelist = NULL;
        cpu->list.page = get_partial(cache, cpu, node, gfp & SB_GFP_THISNODE, &freelist);
        object = freelist;
    }
    give_back_cpu(cache, cpu, object ? sb_get_free_pointer(cache, object) : NULL);
    if (old)
        unfreeze(cache, old, left);
    return object ? object : alloc_from_new(cache, gfp, (int)node);
}

static __attribute__((noinline)) void *alloc_slow(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    void *freelist, *object;
    if (!cache->cpu)
        return alloc_from_node(cache, gfp, -1);
    struct sb_cpu_slab *cpu = take_cpu(cache, &freelist);
    if (!cpu)
        return alloc_from_node(cache, gfp, -1);
    object = freelist ? freelist : refill(cache, cpu);
    give_back_cpu(cache, cpu, object ? sb_get_free_pointer(cache, object) : NULL);
    return object ? object : alloc_from_new(cache, gfp, -1);
}

/* Off the CPU's list by a restartable sequence; NULL: the slow way. */
static inline void *alloc_fast(struct sb_kmem_cache *cache)
{
#ifdef SB_HAVE_RSEQ
    while (__builtin_expect(cache->rseq, 1)) {
        uint32_t cpu = sb_rseq_cpu();
        void *object;
        enum sb_rseq_end end = sb_rseq_list_pop(&cache->cpu[cpu].list, cpu, cache->offset, &object);
        if (__builtin_expect(end == SB_RSEQ_DONE, 1))
            return object;
        if (end == SB_RSEQ_OTHER)
            return NULL;
    }
#else
    (void)cache;
#endif
    return NULL;
}

void *sb_slab_alloc(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    void *object = alloc_fast(cache);
    return __builtin_expect(object != NULL, 1) ? object : alloc_slow(cache, gfp);
}

/* What the fast path leaves over; apart, so that it saves no register for a call that it seldom makes. */
static __attribute__((noinline)) void *alloc_rest(struct sb_kmem_cache *cache, sb_gfp_t gfp, void *object)
{
    if (!object)
        object = cache->sheaves.capacity ? sb_sheaf_alloc_slow(cache, gfp) : alloc_slow(cache, gfp);
    if (object && gfp & SB_GFP_ZERO)
        sb_mm_zero(cache->mm, object, cache->requested);
    return object;
}

void *sb_cache_alloc(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    void *object = cache->sheaves.capacity ? sb_stack_pop(&cache->sheaves.stacks, 0) : alloc_fast(cache);
    if (__builtin_expect(object && !(gfp & SB_GFP_ZERO), 1))
        return object;
    return alloc_rest(cache, gfp, object);
}

void *sb_cache_alloc_node(struct sb_kmem_cache *cache, sb_gfp_t gfp, int node)
{
    if (node < 0 || (cache->mm->nr_nodes == 1 && node == 0))
        return sb_cache_alloc(cache, gfp);
    if ((unsigned)node >= cache->mm->nr_nodes)
        return NULL;
    /* Sheaves serve the CPU's own node, as long as what they have lies there (alloc_from_pcs of 6.18). */
    void *object =
        cache->sheaves.capacity && (unsigned)node == this_node(cache) ? sb_stack_pop(&cache->sheaves.stacks, 0) : NULL;
    if (object && node_of(cache, sb_virt_to_head(cache->mm, object)) != &cache->nodes[node]) {
        sb_cache_free(cache, object);
        object = NULL;
    }
    if (!object)
        object = alloc_on(cache, gfp, (unsigned)node);
    if (object && gfp & SB_GFP_ZERO)
        sb_mm_zero(cache->mm, object, cache->requested);
    return object;
}

/* As many as the CPU's list has in one taking, refilled from what is there. */
size_t sb_slabs_alloc(struct sb_kmem_cache *cache, size_t n, void **objects)
{
    size_t got = 0;
    void *freelist;
    struct sb_cpu_slab *cpu = cache->cpu ? take_cpu(cache, &freelist) : NULL;
    if (!cpu)
        return 0;
    while (got < n && (freelist || (freelist = refill(cache, cpu)))) {
        objects[got++] = freelist;
        freelist = sb_get_free_pointer(cache, freelist);
    }
    give_back_cpu(cache, cpu, freelist);
    return got;
}

size_t sb_cache_alloc_bulk(struct sb_kmem_cache *cache, sb_gfp_t gfp, size_t n, void **objects)
{
    size_t got = cache->sheaves.capacity ? sb_sheaf_alloc_bulk(cache, n, objects) : 0;
    while (got < n) {
        got += sb_slabs_alloc(cache, n - got, objects + got);
        /* One by the slow way, which brings a new slab. */
        if (got < n && !(objects[got] = alloc_slow(cache, gfp)))
            break;
        got += got < n;
    }
    if (got < n) {
        sb_slabs_free(cache, got, objects);
        return 0;
    }
    for (size_t i = 0; i < n && gfp & SB_GFP_ZERO; i++)
        sb_mm_zero(cache->mm, objects[i], cache->requested);
    return n;
}

/* ---- freeing ---- */

/* free_debug_processing: one by one, each looked at; the node's lock is held over all of it. */
static void free_debugged(struct sb_kmem_cache *cache, struct sb_page *page, void *head, uint32_t n)
{
    const char *base = slab_base(cache, page);
    struct sb_cache_node *node = node_of(cache, page);
    sb_lock(&node->lock);
    uint64_t old = state_word(page);
    struct state s = unpack(base, old);
    bool was_full = !s.head;
    for (void *object = head, *next; n-- > 0; object = next) {
        next = n ? sb_get_free_pointer(cache, object) : NULL;
        if (!sb_debug_free(cache, page, s.head, object))
            continue;
        set_free_pointer(cache, object, s.head);
        s.head = object;
        s.inuse--;
    }
    atomic_store_explicit(&page->slub_state, pack(base, s), memory_order_release);
    bool empty = !s.inuse && node->nr_partial >= cache->min_partial;
    if (empty && !was_full)
        remove_partial(node, page);
    else if (!empty && was_full && s.head)
        add_partial(node, page);
    sb_unlock(&node->lock);
    if (empty)
        discard_slab(cache, page);
}

/*
 * __slab_free: a chain of `n` objects of one slab, linked from head to tail, into a slab that isn't this
 * CPU's. A slab that was full goes to the CPU's partial list; only where there is none, or where it becomes
 * empty, the node's lock is needed, and then it is held over the change.
 */
static __attribute__((noinline)) void free_slow(struct sb_kmem_cache *cache, struct sb_page *page, void *head,
                                                void *tail, uint32_t n)
{
    const char *base = slab_base(cache, page);
    struct sb_cache_node *node = node_of(cache, page);
    uint64_t old = state_word(page);
    bool locked = false, freeze, was_full;
    struct state s;
    if (__builtin_expect(cache->debug, 0)) {
        free_debugged(cache, page, head, n);
        return;
    }
    for (;;) {
        s = unpack(base, old);
        was_full = !s.head;
        set_free_pointer(cache, tail, s.head);
        s.head = head;
        s.inuse -= n;
        freeze = !s.frozen && was_full && cache->cpu;
        bool need_lock = !s.frozen && !freeze && (!s.inuse || was_full);
        if (need_lock != locked) {
            if (need_lock)
                sb_lock(&node->lock);
            else
                sb_unlock(&node->lock);
            locked = need_lock;
            old = state_word(page);
            continue;
        }
        if (freeze)
            s.frozen = true;
        if (__builtin_expect(change(page, &old, pack(base, s)), 1))
            break;
    }
    if (freeze) {
        put_cpu_partial(cache, page);
    } else if (locked) {
        bool empty = !s.inuse && node->nr_partial >= cache->min_partial;
        if (empty && !was_full)
            remove_partial(node, page);
        else if (!empty && was_full)
            add_partial(node, page);
        sb_unlock(&node->lock);
        if (empty)
            discard_slab(cache, page);
    }
}

/* Onto the CPU's own list, if the slab is the CPU's. */
static bool free_locked(struct sb_kmem_cache *cache, const struct sb_page *page, void *object)
{
    void *freelist;
    struct sb_cpu_slab *cpu = take_cpu(cache, &freelist);
    bool own = cpu->list.page == page;
    if (own)
        set_free_pointer(cache, object, freelist);
    give_back_cpu(cache, cpu, own ? object : freelist);
    return own;
}

/* By a restartable sequence; false: the slow way. */
static inline bool free_fast(struct sb_kmem_cache *cache, const struct sb_page *page, void *object)
{
#ifdef SB_HAVE_RSEQ
    while (__builtin_expect(cache->rseq, 1)) {
        uint32_t cpu = sb_rseq_cpu();
        enum sb_rseq_end end = sb_rseq_list_push(&cache->cpu[cpu].list, cpu, page, object, cache->offset);
        if (__builtin_expect(end == SB_RSEQ_DONE, 1))
            return true;
        if (end == SB_RSEQ_OTHER)
            return false;
    }
#endif
    (void)cache;
    (void)page;
    (void)object;
    return false;
}

/* The slab an object lies in; NULL, counted, for what is no object of the cache. */
static inline struct sb_page *slab_of(struct sb_kmem_cache *cache, const void *object)
{
    /* Reading the head without a lock is safe: the object is the caller's, so its slab can't go away. */
    struct sb_page *page = sb_virt_to_head(cache->mm, object);
    if (__builtin_expect(page && page->owner == cache, 1))
        return page;
    sb_count_bad_free(cache->mm);
    return NULL;
}

void sb_slab_free(struct sb_kmem_cache *cache, void *object)
{
    struct sb_page *page = slab_of(cache, object);
    if (page && !free_fast(cache, page, object) && (cache->rseq || !cache->cpu || !free_locked(cache, page, object)))
        free_slow(cache, page, object, object, 1);
}

static __attribute__((noinline)) void free_rest(struct sb_kmem_cache *cache, struct sb_page *page, void *object)
{
    if (cache->rseq || !cache->cpu || !free_locked(cache, page, object))
        free_slow(cache, page, object, object, 1);
}

/*
 * Whose object it is isn't asked: that comes out when the sheaf goes back to the slabs, or by check(). Another node's
 * passes by the sheaves, as in 6.18.
 */
static inline void free_to_sheaf(struct sb_kmem_cache *cache, void *object)
{
    if (__builtin_expect(cache->mm->nr_nodes > 1, 0)) {
        struct sb_page *page = slab_of(cache, object);
        if (!page)
            return;
        if (node_of(cache, page) != &cache->nodes[this_node(cache)]) {
            sb_slab_free(cache, object);
            return;
        }
    }
    if (__builtin_expect(!sb_stack_push(&cache->sheaves.stacks, 0, object), 0))
        sb_sheaf_free_slow(cache, object);
}

void sb_cache_free_in(struct sb_kmem_cache *cache, struct sb_page *page, void *object)
{
    if (cache->sheaves.capacity)
        free_to_sheaf(cache, object);
    else if (__builtin_expect(!free_fast(cache, page, object), 0))
        free_rest(cache, page, object);
}

void sb_cache_free(struct sb_kmem_cache *cache, void *object)
{
    if (cache->sheaves.capacity) {
        free_to_sheaf(cache, object);
        return;
    }
    struct sb_page *page = slab_of(cache, object);
    if (__builtin_expect(page != NULL, 1) && __builtin_expect(!free_fast(cache, page, object), 0))
        free_rest(cache, page, object);
}

/*
 * build_detached_freelist: objects of one slab are linked to a chain and freed in one change of its state.
 * Past three of other slabs it doesn't look further: what was allocated together mostly lies together.
 */
static size_t free_chain(struct sb_kmem_cache *cache, size_t n, void **objects)
{
    void *head = objects[--n], *tail = head;
    struct sb_page *page = slab_of(cache, head);
    uint32_t length = 1;
    size_t i = n, rest = n;
    for (int misses = 0; page && i > 0 && misses < LOOK_AHEAD;) {
        if (sb_virt_to_head(cache->mm, objects[--i]) != page) {
            misses++;
            continue;
        }
        set_free_pointer(cache, objects[i], head);
        head = objects[i];
        length++;
        /* The gap is filled with the last one that is still to be freed. */
        objects[i] = objects[--rest];
    }
    if (page && (length > 1 || !free_fast(cache, page, head)))
        free_slow(cache, page, head, tail, length);
    return rest;
}

/* Like the kernel's, it uses up the array. */
void sb_cache_free_bulk(struct sb_kmem_cache *cache, size_t n, void **objects)
{
    size_t kept = cache->sheaves.capacity ? sb_sheaf_free_bulk(cache, n, objects) : 0;
    sb_slabs_free(cache, n - kept, objects + kept);
}

void sb_slabs_free(struct sb_kmem_cache *cache, size_t n, void **objects)
{
    while (n)
        n = free_chain(cache, n, objects);
}

/* ---- giving back ---- */

static void flush_cpus(struct sb_kmem_cache *cache)
{
    for (unsigned i = 0; cache->cpu && i < cache->mm->nr_cpus; i++) {
        void *freelist;
        struct sb_cpu_slab *cpu = &cache->cpu[i];
        /* A look without taking part: mostly there is nothing, and seizing is a system call. */
        if (cache->rseq && !__atomic_load_n(&cpu->list.page, __ATOMIC_RELAXED) &&
            !__atomic_load_n(&cpu->partial, __ATOMIC_RELAXED))
            continue;
        if (!seize_cpu(cache, i, &freelist))
            continue;
        struct sb_page *page = cpu->list.page, *partial = cpu->partial;
        cpu->list.page = cpu->partial = NULL;
        cpu->nr_partial = 0;
        give_back_cpu(cache, cpu, NULL);
        if (page)
            unfreeze(cache, page, freelist);
        unfreeze_list(cache, partial);
    }
}

/* Empty slabs on the partial list, which min_partial keeps there, go too. */
void sb_cache_shrink(struct sb_kmem_cache *cache)
{
    struct sb_list discard, *link, *next;
    sb_list_init(&discard);
    sb_sheaves_flush(cache);
    flush_cpus(cache);
    for (unsigned i = 0; i < cache->mm->nr_nodes; i++) {
        struct sb_cache_node *node = &cache->nodes[i];
        sb_lock(&node->lock);
        for (link = node->partial.next; link != &node->partial; link = next) {
            struct sb_page *page = sb_list_entry(link, struct sb_page, link);
            next = link->next;
            if (state_of(cache, page).inuse)
                continue;
            remove_partial(node, page);
            sb_list_add(&page->link, &discard);
        }
        sb_unlock(&node->lock);
    }
    while (!sb_list_empty(&discard)) {
        struct sb_page *page = sb_list_entry(discard.next, struct sb_page, link);
        sb_list_del(&page->link);
        discard_slab(cache, page);
    }
}

void sb_slub_shrink(struct sb_slub *slub)
{
    struct sb_list *link;
    sb_lock(&slub->lock);
    sb_list_for_each (link, &slub->caches) {
        struct sb_kmem_cache *cache = sb_list_entry(link, struct sb_kmem_cache, link);
        if (!(cache->flags & SB_SLAB_NO_REAP))
            sb_cache_shrink(cache);
    }
    sb_unlock(&slub->lock);
}

/* Bounded, for check() calls it on lists that may run in circles. */
static uint64_t list_length(const struct sb_kmem_cache *cache, void *object, uint64_t limit)
{
    uint64_t n = 0;
    for (; object && n <= limit; n++)
        object = sb_get_free_pointer(cache, object);
    return n;
}

static uint64_t free_in(const struct sb_kmem_cache *cache, struct sb_page *page)
{
    return (uint64_t)page->objects - state_of(cache, page).inuse;
}

/* All objects less the free ones: full slabs are on no list, so the used ones can't be walked. */
uint64_t sb_cache_live(struct sb_kmem_cache *cache)
{
    uint64_t live = atomic_load(&cache->nr_objects) - sb_sheaves_count(&cache->sheaves);
    struct sb_list *link;
    for (unsigned i = 0; i < cache->mm->nr_nodes; i++) {
        sb_list_for_each (link, &cache->nodes[i].partial)
            live -= free_in(cache, sb_list_entry(link, struct sb_page, link));
    }
    for (unsigned i = 0; cache->cpu && i < cache->mm->nr_cpus; i++) {
        const struct sb_cpu_slab *cpu = &cache->cpu[i];
        live -= list_length(cache, cpu->list.freelist, MAX_OBJECTS);
        if (cpu->list.page)
            live -= free_in(cache, cpu->list.page);
        for (struct sb_page *page = cpu->partial; page; page = page->next)
            live -= free_in(cache, page);
    }
    return live;
}

/*
 * kmem_cache_destroy's contract: the leak is reported with name and number, and the cache stays usable, so
 * that the caller can still give back what it lost.
 */
int sb_cache_destroy(struct sb_kmem_cache *cache)
{
    struct sb_slub *slub = cache->slub;
    /* Throughout: reclaim seizes CPUs' parts under it, and two may not at once. */
    sb_lock(&slub->lock);
    uint64_t live = sb_cache_live(cache);
    if (!live) {
        sb_cache_shrink(cache);
        sb_list_del(&cache->link);
    }
    sb_unlock(&slub->lock);
    if (live)
        return sb_report_leak(cache->mm, cache->name, live, cache->requested);
    free_cache(cache);
    return 0;
}

/* ---- looking ---- */

/* handed_bytes counts whole objects with their padding: what a user may touch is less, what is gone is this.
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
        snapshot->metadata_bytes += sizeof(*cache) + (cache->cpu ? cache->mm->nr_cpus * sizeof(*cache->cpu) : 0) +
                                    (cache->random_order ? cache->objects * sizeof(*cache->random_order) : 0) +
                                    cache->mm->nr_nodes * sizeof(*cache->nodes) + sb_sheaves_bytes(&cache->sheaves);
    }
}

void sb_slabinfo_header(const struct sb_sink *sink)
{
    sb_sink_printf(sink, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> "
                         "<objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : "
                         "slabdata <active_slabs> <num_slabs> <sharedavail>\n");
}

void sb_slabinfo_line(const struct sb_sink *sink, const struct sb_slabinfo *i)
{
    sb_sink_printf(sink, "%-17s %6llu %6llu %6u %4u %4u : tunables %4u %4u %4u : slabdata %6llu %6llu %6llu\n", i->name,
                   (unsigned long long)i->active_objects, (unsigned long long)i->objects, i->size, i->per_slab,
                   i->pages, i->limit, i->batch, i->shared, (unsigned long long)i->active_slabs,
                   (unsigned long long)i->slabs, (unsigned long long)i->shared_available);
}

/* SLUB has no tunables here, and counts every slab as active. */
int sb_slub_dump(struct sb_slub *slub, const char *file, const struct sb_sink *sink)
{
    struct sb_list *link;
    if (strcmp(file, "slabinfo"))
        return sb_mm_dump(slub->mm, file, sink);
    sb_slabinfo_header(sink);
    sb_list_for_each (link, &slub->caches) {
        struct sb_kmem_cache *cache = sb_list_entry(link, struct sb_kmem_cache, link);
        uint64_t slabs = atomic_load(&cache->nr_slabs);
        sb_slabinfo_line(sink, &(struct sb_slabinfo){.name = cache->name,
                                                     .active_objects = sb_cache_live(cache),
                                                     .objects = atomic_load(&cache->nr_objects),
                                                     .size = cache->size,
                                                     .per_slab = cache->objects,
                                                     .pages = 1U << cache->order,
                                                     .active_slabs = slabs,
                                                     .slabs = slabs});
    }
    return 0;
}

/* A free list: inside its slab, on object boundaries, of the length it should have (UINT64_MAX: any). */
static int check_freelist(struct sb_kmem_cache *cache, const struct sb_page *page, void *object, uint64_t expected,
                          char *why, size_t why_size)
{
    const char *base = slab_base(cache, page);
    uint64_t n = 0;
    for (; object; object = sb_get_free_pointer(cache, object), n++) {
        size_t at = (size_t)((char *)object - base);
        if ((char *)object < base || at >= SB_PAGE_SIZE << page->order || at % cache->size != cache->left_pad)
            return sb_check_failed(why, why_size, "cache %s: a free list leaves its slab after %llu objects",
                                   cache->name, (unsigned long long)n);
        if (n > page->objects)
            return sb_check_failed(why, why_size, "cache %s: a free list runs in a circle", cache->name);
        if (cache->debug && sb_debug_check_free(cache, object, why, why_size))
            return -EUCLEAN;
    }
    if (expected != UINT64_MAX && n != expected)
        return sb_check_failed(why, why_size, "cache %s: a slab should have %llu free objects, its list has %llu",
                               cache->name, (unsigned long long)expected, (unsigned long long)n);
    return 0;
}

/* One slab that is on a list or a CPU's: the cache's, frozen as it should be, its list as long as it says. */
static int check_slab(struct sb_kmem_cache *cache, struct sb_page *page, bool frozen, char *why, size_t why_size)
{
    if (page->owner != cache || page->user != SB_PAGE_SLUB || sb_page_flags(page) != SB_PG_ALLOCATED)
        return sb_check_failed(why, why_size, "cache %s: a list of its slabs holds what is none", cache->name);
    struct state s = state_of(cache, page);
    if (s.frozen != frozen || s.inuse > page->objects)
        return sb_check_failed(why, why_size, "cache %s: a slab is %sfrozen where it should %sbe, %u of %u used",
                               cache->name, s.frozen ? "" : "not ", frozen ? "" : "not ", s.inuse, page->objects);
    return check_freelist(cache, page, s.head, free_in(cache, page), why, why_size);
}

static int check_partial(struct sb_kmem_cache *cache, unsigned number, char *why, size_t why_size)
{
    const struct sb_cache_node *node = &cache->nodes[number];
    const struct sb_list *link;
    uint64_t n = 0;
    sb_list_for_each (link, &node->partial) {
        struct sb_page *page = sb_list_entry(link, struct sb_page, link);
        if (++n > node->nr_partial)
            break;
        int status = check_slab(cache, page, false, why, why_size);
        if (status)
            return status;
        if (!state_of(cache, page).head)
            return sb_check_failed(why, why_size, "cache %s: a full slab is on the partial list", cache->name);
        if (node_of(cache, page) != node)
            return sb_check_failed(why, why_size, "cache %s: node %u's partial list has a slab of another node",
                                   cache->name, number);
    }
    if (n == node->nr_partial && n <= atomic_load(&cache->nr_slabs))
        return 0;
    return sb_check_failed(why, why_size, "cache %s: %llu slabs on the partial list, %llu counted, %llu in all",
                           cache->name, (unsigned long long)n, (unsigned long long)node->nr_partial,
                           (unsigned long long)atomic_load(&cache->nr_slabs));
}

static int check_cpu(struct sb_kmem_cache *cache, unsigned number, char *why, size_t why_size)
{
    const struct sb_cpu_slab *cpu = &cache->cpu[number];
    uint32_t n = 0;
    int status = 0;
    if ((uintptr_t)cpu->list.freelist == SB_LIST_TAKEN || (uintptr_t)cpu->list.freelist == SB_LIST_SEIZED)
        return sb_check_failed(why, why_size, "cache %s: CPU %u's list was taken and never given back", cache->name,
                               number);
    if (!cpu->list.page && cpu->list.freelist)
        return sb_check_failed(why, why_size, "cache %s: CPU %u has free objects but no slab", cache->name, number);
    if (cpu->list.page) {
        status = check_slab(cache, cpu->list.page, true, why, why_size);
        if (!status)
            status = check_freelist(cache, cpu->list.page, cpu->list.freelist, UINT64_MAX, why, why_size);
    }
    for (struct sb_page *page = cpu->partial; page && !status && n <= cpu->nr_partial; page = page->next, n++)
        status = check_slab(cache, page, true, why, why_size);
    if (!status && n != cpu->nr_partial)
        status = sb_check_failed(why, why_size, "cache %s: CPU %u keeps another number of slabs than %u", cache->name,
                                 number, cpu->nr_partial);
    return status;
}

/* What the sheaves hold are objects of the cache, in its slabs. */
static int check_sheaves(struct sb_kmem_cache *cache, char *why, size_t why_size)
{
    const struct sb_sheaves *sheaves = &cache->sheaves;
    for (unsigned cpu = 0; sheaves->capacity && cpu < cache->mm->nr_cpus; cpu++) {
        const struct sb_cpu_stack *stack = sb_stack_of(&sheaves->stacks, cpu, 0);
        if (stack->count > stack->capacity)
            return sb_check_failed(why, why_size, "cache %s: CPU %u's sheaf is still taken, or holds too many",
                                   cache->name, cpu);
        for (uint64_t i = 0; i < stack->count; i++) {
            const struct sb_page *page = sb_virt_to_head(cache->mm, stack->slots[i]);
            if (!page || page->owner != cache ||
                (size_t)((char *)stack->slots[i] - slab_base(cache, page)) % cache->size)
                return sb_check_failed(why, why_size, "cache %s: CPU %u's sheaf holds what is no object of it",
                                       cache->name, cpu);
        }
    }
    return 0;
}

static bool is_cache_of(const struct sb_slub *slub, const void *cache)
{
    const struct sb_list *link;
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
        counted += atomic_load(&sb_list_entry(link, struct sb_kmem_cache, link)->nr_slabs);
    for (uint64_t pfn = 0; pfn < slub->mm->nr_pages; pfn++) {
        const struct sb_page *page = &slub->mm->memmap[pfn];
        if (page->user != SB_PAGE_SLUB)
            continue;
        found++;
        if (sb_page_flags(page) != SB_PG_ALLOCATED || !is_cache_of(slub, page->owner))
            return sb_check_failed(why, why_size, "the slab at pfn %llu belongs to no cache, or to a free block",
                                   (unsigned long long)pfn);
    }
    if (counted == found)
        return 0;
    return sb_check_failed(why, why_size, "the caches count %llu slabs, the memory map shows %llu",
                           (unsigned long long)counted, (unsigned long long)found);
}

int sb_slub_check(struct sb_slub *slub, char *why, size_t why_size)
{
    struct sb_list *link;
    /* First, since a finding of debugging says more than what follows from it. */
    int status = atomic_load(&slub->nr_bugs) ? sb_check_failed(why, why_size, "%s", slub->bug)
                                             : sb_mm_check(slub->mm, why, why_size);
    sb_list_for_each (link, &slub->caches) {
        struct sb_kmem_cache *cache = sb_list_entry(link, struct sb_kmem_cache, link);
        if (status)
            break;
        for (unsigned i = 0; i < slub->mm->nr_nodes && !status; i++)
            status = check_partial(cache, i, why, why_size);
        if (!status)
            status = check_sheaves(cache, why, why_size);
        for (unsigned i = 0; cache->cpu && i < slub->mm->nr_cpus && !status; i++)
            status = check_cpu(cache, i, why, why_size);
    }
    return status ? status : check_slab_pages(slub, why, why_size);
}
