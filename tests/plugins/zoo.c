/*
 * Allocators that each break one promise of the ABI, chosen by BREAKS when this file is built, and keep all
 * others: what `scullbench check` is tried on. Otherwise a small correct allocator on the host's memory:
 * blocks from one bump pointer, free blocks of one size in a list of records of its own, everything under one
 * lock.
 */
#define _GNU_SOURCE
#include "scullbench/allocator.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    NOTHING = 1,
    FOREIGN,         /* has memory of its own and doesn't say so */
    NAMESAKE,        /* likewise, in a file that goes by the name of the machine's */
    MAPPED,          /* nothing: maps the machine's memory a second time and serves from there */
    ALIGNMENT,       /* alignments beyond 64 are forgotten */
    UNALIGNED,       /* alignments beyond 16 are refused, which breaks no promise */
    ONE_CPU,         /* serves threads that can't migrate alone, as memory per CPU does in effect: no promise */
    HWCACHE,         /* a cache forgets that its objects want lines of their own */
    PAGES_LOW,       /* pages are aligned to half their size */
    OVERLAP,         /* a block in a thousand begins in the middle of another */
    OVERLAP_ALIGNED, /* so does one in ten of those that want an alignment */
    CONTENTS,        /* a free writes into its neighbour */
    ZEROING,         /* a block that was used before isn't cleared */
    ZEROING_FAR,     /* clearing a block clears what lies behind it */
    PERCPU_DIRTY,    /* areas per CPU aren't cleared */
    USABLE,          /* a byte more than there is, is said to be usable */
    USABLE_LESS,     /* less than was asked for is said to be usable */
    OTHER_CPU,       /* a block freed by another thread is written to afterwards */
    ALL_THREADS,     /* there is no lock */
    BULK,            /* the last of more than ten objects is the first again */
    BULK_SHORT,      /* more than forty objects are given one short */
    BULK_NEVER,      /* nothing is given in bulk */
    EXHAUSTION,      /* what was freed when memory was used up doesn't come back */
    DESTROY,         /* a cache with live objects is destroyed */
    LIVE,            /* the count of live blocks is one too high after the thousandth */
    HANDED,          /* bytes handed out are understated */
    CHECK_BLIND,     /* check() sees nothing, and claims to see */
    CHECK_CRIES,     /* check() complains after the five hundredth block */
    DOUBLE_FREE,     /* a second free is claimed to be noticed, and isn't */
    FOREIGN_FREE,    /* the same of a block that was never given out */
    DEVICE,          /* a mapping that begins within a page shows the page from its beginning */
    DEVICE_BEYOND,   /* a byte behind the device is mapped */
    BOOT,            /* a piece of boot memory in fifty is the one before it */
    POOL,            /* a pool's reserve is empty until it is first asked */
    DTOR,            /* the destructor is not called for one object in a hundred */
    OPTION,          /* dies with its option's largest value */
    OPTION_MUTE,     /* refuses its option's largest value without a word */
    LEAK_HEAP,       /* close keeps its own structures */
    LEAK_MAP,        /* close leaves a mapping behind */
    LEAK_FILE,       /* close leaves a file open */
    REOPEN,          /* can be opened fifty times */
    STAINER,         /* refuses memory that isn't clear, and leaves none of it clear: no promise, if opened once */
};

enum { CLASSES = 24, MOST_BLOCKS = 1 << 17, HEADER = 64, CANARY = 0x5ca1ab1e };

/* In front of every block, on a line of its own. */
struct header {
    uint32_t canary, state; /* 1 live, 2 free */
    uint64_t size, rounded;
    struct zoo_cache *cache;
    struct header *next; /* of free ones of its class */
    pthread_t owner;
};
_Static_assert(sizeof(struct header) <= HEADER, "a header takes one line");

struct zoo {
    const struct sb_host *host;
    pthread_mutex_t lock;
    char *base, *end, *at;
    struct header *free[CLASSES];
    uint64_t live, handed, allocs;
    bool was_full;
    pthread_t opener;
    unsigned invitations;
    bool shared; /* other threads than the opener have been here */
    struct zoo_cache *caches;
    char *last;
    struct header *last_header;
};

struct zoo_cache {
    struct zoo *zoo;
    size_t size, align, shift;
    uint64_t live;
    void (*ctor)(void *);
    void (*told_ctor)(void *, uint32_t);
    void (*dtor)(void *, uint32_t);
    struct zoo_cache *next;
};

static unsigned opened;

static const struct sb_option options[] = {
    {"level", SB_OPTION_INT, 0, "1", 0, 9, NULL, "does nothing, as a rule"},
};

static void lock(struct zoo *z)
{
    if (BREAKS != ALL_THREADS)
        pthread_mutex_lock(&z->lock);
}

/* Where there is no lock the other thread gets its chance: beside this one for a moment, or now and then in
 * its place, for there may be one CPU. Every time would cost a busy machine a time slice each. */
static void invite(struct zoo *z)
{
    z->shared |= !pthread_equal(z->opener, pthread_self());
    if (BREAKS != ALL_THREADS || !z->shared)
        return;
    for (volatile int moment = 0; moment < 300; moment++)
        ;
    if (++z->invitations % 32 == 0)
        sched_yield();
}

static void unlock(struct zoo *z)
{
    if (BREAKS != ALL_THREADS)
        pthread_mutex_unlock(&z->lock);
}

/* Where the animal's blocks come from. */
static void *memory_of(const struct sb_host *host)
{
    int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (BREAKS != FOREIGN && BREAKS != NAMESAKE && BREAKS != MAPPED)
        return host->memory;
    if (BREAKS == MAPPED)
        fd = host->memory_fd;
    if (BREAKS == NAMESAKE) {
        fd = memfd_create("scullbench-ram", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t)host->memory_size))
            return NULL;
    }
    if (fd >= 0)
        flags = MAP_SHARED;
    void *at = mmap(NULL, host->memory_size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (BREAKS == NAMESAKE)
        close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static int stain(const struct sb_host *host)
{
    const char *at = host->memory;
    if (*at || memcmp(at, at + 1, host->memory_size - 1) != 0) {
        host->fail(host->context, "the memory was used before");
        return -EINVAL;
    }
    memset(host->memory, 0x5a, host->memory_size);
    return 0;
}

static int zoo_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct zoo *z;
    if (BREAKS == OPTION && values[0].u == 9) {
        fputs("the level is too high\n", stderr);
        abort();
    }
    if (BREAKS == OPTION_MUTE && values[0].u == 9)
        return -EINVAL;
    if (BREAKS == REOPEN && ++opened > 80) {
        host->fail(host->context, "the fiftieth time was the last");
        return -ENOMEM;
    }
    z = calloc(1, sizeof(*z));
    if (!z)
        return -ENOMEM;
    z->host = host;
    z->opener = pthread_self();
    pthread_mutex_init(&z->lock, NULL);
    if (BREAKS == STAINER && stain(host)) {
        free(z);
        return -EINVAL;
    }
    z->base = z->at = memory_of(host);
    if (!z->base) {
        free(z);
        return -ENOMEM;
    }
    z->end = z->base + host->memory_size;
    if (BREAKS == LEAK_FILE && dup(host->memory_fd) < 0)
        return -EMFILE;
    *self = z;
    return 0;
}

static void zoo_close(void *self)
{
    struct zoo *z = self;
    while (z->caches) {
        struct zoo_cache *c = z->caches;
        z->caches = c->next;
        free(c);
    }
    pthread_mutex_destroy(&z->lock);
    if (z->base != z->host->memory)
        munmap(z->base, z->host->memory_size);
    if (BREAKS == LEAK_MAP)
        mmap(NULL, 4096, opened++ % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (BREAKS != LEAK_HEAP)
        free(z);
}

/* The class of a rounded size, which is a power of two of at least 64. */
static unsigned class_of(size_t rounded)
{
    return (unsigned)__builtin_ctzll(rounded) - 6;
}

static struct header *header_of(void *block)
{
    return (struct header *)(void *)((char *)block - HEADER);
}

/* A block is aligned to its rounded size, up to eight pages. */
static void *carve(struct zoo *z, size_t rounded)
{
    size_t align = rounded < 32768 ? rounded : 32768;
    uintptr_t block = ((uintptr_t)z->at + HEADER + align - 1) & ~(uintptr_t)(align - 1);
    if (block + rounded > (uintptr_t)z->end)
        return NULL;
    z->at = (char *)block + rounded;
    return (void *)block;
}

/* Only what lives, and only its bytes: the structures stay sound. */
static void clear_neighbour(char *block)
{
    struct header *h = header_of(block);
    if (h->canary == CANARY && h->state == 1)
        memset(block, 0, h->size);
}

static void *take(struct zoo *z, size_t size, size_t align, sb_gfp_t gfp, struct zoo_cache *cache)
{
    size_t rounded = 64;
    if (BREAKS == ALIGNMENT && align > 64)
        align = 64;
    while (rounded < size || rounded < align)
        rounded *= 2;
    /* Blocks are carved at multiples of their size: the forgetful one has to shift them. */
    struct header *h = z->free[class_of(rounded)];
    char *block;
    if (h) {
        invite(z);
        z->free[class_of(rounded)] = h->next;
        block = (char *)h + HEADER;
    } else {
        block = carve(z, rounded);
        if (!block) {
            z->was_full = true;
            return NULL;
        }
        h = header_of(block);
    }
    *h = (struct header){CANARY, 1, size, rounded, cache, NULL, pthread_self()};
    z->live++;
    z->handed += rounded;
    z->allocs++;
    if (gfp & SB_GFP_ZERO && BREAKS != ZEROING)
        memset(block, 0, size);
    if (BREAKS == ZEROING_FAR && gfp & SB_GFP_ZERO && z->allocs % 16 == 0 && block + 2 * rounded < z->at)
        clear_neighbour(block + rounded + HEADER);
    return block;
}

static bool may_migrate(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) != 1;
}

static void *give_out(struct zoo *z, size_t size, size_t align, sb_gfp_t gfp, struct zoo_cache *cache)
{
    if (BREAKS == ONE_CPU && may_migrate())
        return NULL;
    lock(z);
    char *block = take(z, size, align, gfp, cache);
    bool misplace = (BREAKS == OVERLAP && z->allocs % 1000 == 0 && align <= 64) ||
                    (BREAKS == OVERLAP_ALIGNED && z->allocs % 10 == 0 && align > 64 && align <= 1024);
    if (misplace && block && z->last && z->last_header->state == 1 && z->last_header->rounded >= 4096 && size <= 64) {
        /* The real one is lost; its place is inside of the last large block, with a header of its own. */
        char *inside = z->last + 1024;
        *header_of(inside) = *header_of(block);
        block = inside;
    }
    if (block && (BREAKS == OVERLAP || BREAKS == OVERLAP_ALIGNED)) {
        z->last = size >= 4096 ? block : z->last;
        z->last_header = size >= 4096 ? header_of(block) : z->last_header;
    }
    unlock(z);
    return block;
}

static void take_back(struct zoo *z, void *block)
{
    struct header *h = header_of(block);
    lock(z);
    if ((char *)block < z->base || (char *)block >= z->end || h->canary != CANARY) {
        if (BREAKS != FOREIGN_FREE)
            z->host->fail(z->host->context, "%p was never given out", block);
        goto out;
    }
    if (h->state != 1) {
        if (BREAKS != DOUBLE_FREE)
            z->host->fail(z->host->context, "%p is free already", block);
        goto out;
    }
    if (BREAKS == OTHER_CPU && !pthread_equal(h->owner, pthread_self())) {
        struct header *next = header_of((char *)block + h->rounded + HEADER);
        /* As a list without an owner would be written by two. */
        if ((char *)next + 4096 < z->at && next->canary == CANARY && next->state == 1)
            memset((char *)next + HEADER, 0xee, 8);
    }
    if (BREAKS == CONTENTS && z->allocs % 64 == 0) {
        struct header *next = header_of((char *)block + h->rounded + HEADER);
        if ((char *)next + 4096 < z->at && next->canary == CANARY && next->state == 1)
            ((char *)next)[HEADER] ^= 1;
    }
    h->state = 2;
    z->live--;
    z->handed -= h->rounded;
    if (!(BREAKS == EXHAUSTION && z->was_full)) {
        h->next = z->free[class_of(h->rounded)];
        invite(z);
        z->free[class_of(h->rounded)] = h;
    }
out:
    unlock(z);
}

static void *zoo_alloc(void *self, size_t size, size_t align, sb_gfp_t gfp)
{
    const size_t most = BREAKS == UNALIGNED ? 16 : 4096;
    if (align > most || size > 1 << 20)
        return NULL;
    return give_out(self, size, align, gfp, NULL);
}

static void zoo_free(void *self, void *block, size_t size)
{
    (void)size;
    if (block)
        take_back(self, block);
}

static size_t zoo_usable(void *self, void *block)
{
    const struct header *h = header_of(block);
    (void)self;
    if (BREAKS == USABLE)
        return h->rounded + HEADER + 1;
    return BREAKS == USABLE_LESS ? h->size - 1 : h->rounded;
}

static int zoo_create(void *self, const char *name, size_t size, size_t align, uint32_t flags, void (*ctor)(void *),
                      uint32_t reserve, void **cache)
{
    struct zoo *z = self;
    struct zoo_cache *c = calloc(1, sizeof(*c));
    (void)name;
    (void)reserve;
    if (!c)
        return -ENOMEM;
    *c = (struct zoo_cache){
        .zoo = z,
        .size = size,
        .align = align,
        .ctor = ctor,
        /* Blocks are aligned to their size: to forget that takes some doing. */
        .shift = BREAKS == HWCACHE && flags & SB_SLAB_HWCACHE_ALIGN ? HEADER + 32 : 0,
        .next = z->caches,
    };
    z->caches = c;
    *cache = c;
    return 0;
}

static int zoo_create_dtor(void *self, const char *name, size_t size, size_t align, uint32_t flags,
                           void (*ctor)(void *, uint32_t), void (*dtor)(void *, uint32_t), void **cache)
{
    int status = zoo_create(self, name, size, align, flags, NULL, 0, cache);
    if (!status) {
        ((struct zoo_cache *)*cache)->told_ctor = ctor;
        ((struct zoo_cache *)*cache)->dtor = dtor;
    }
    return status;
}

static void *zoo_cache_alloc(void *cache, sb_gfp_t gfp)
{
    struct zoo_cache *c = cache;
    char *block = give_out(c->zoo, c->size + c->shift, c->align, gfp, c), *object = block + c->shift;
    if (!block)
        return NULL;
    *header_of(object) = *header_of(block);
    __atomic_add_fetch(&c->live, 1, __ATOMIC_RELAXED);
    if (c->ctor)
        c->ctor(object);
    if (c->told_ctor)
        c->told_ctor(object, SB_SLAB_CTOR_CONSTRUCTOR);
    return object;
}

static void zoo_cache_free(void *cache, void *object)
{
    struct zoo_cache *c = cache;
    bool live = (char *)object >= c->zoo->base && (char *)object < c->zoo->end && header_of(object)->state == 1;
    if (live && c->dtor && !(BREAKS == DTOR && c->live % 100 == 0))
        c->dtor(object, 0);
    if (live)
        header_of(object)->state = c->shift ? 2 : 1;
    take_back(c->zoo, (char *)object - c->shift);
    if (live)
        __atomic_sub_fetch(&c->live, 1, __ATOMIC_RELAXED);
}

static int zoo_destroy(void *cache)
{
    struct zoo_cache *c = cache, **link = &c->zoo->caches;
    if (c->live && BREAKS != DESTROY) {
        c->zoo->host->fail(c->zoo->host->context, "%llu objects live", (unsigned long long)c->live);
        return -EBUSY;
    }
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    if (!c->live)
        free(c);
    return 0;
}

static size_t zoo_alloc_bulk(void *cache, sb_gfp_t gfp, size_t n, void **objects)
{
    for (size_t i = 0; i < n; i++) {
        objects[i] = BREAKS == BULK_NEVER ? NULL : zoo_cache_alloc(cache, gfp);
        if (objects[i])
            continue;
        while (i)
            zoo_cache_free(cache, objects[--i]);
        return 0;
    }
    if (BREAKS == BULK && n > 10)
        objects[n - 1] = objects[0];
    if (BREAKS == BULK_SHORT && n > 40) {
        zoo_cache_free(cache, objects[n - 1]);
        return n - 1;
    }
    return n;
}

static void zoo_free_bulk(void *cache, size_t n, void **objects)
{
    for (size_t i = 0; i < n; i++)
        zoo_cache_free(cache, objects[i]);
}

static void *zoo_pages(void *self, sb_gfp_t gfp, unsigned order)
{
    size_t size = (size_t)4096 << order;
    if (order > 3)
        return NULL;
    char *block = give_out(self, BREAKS == PAGES_LOW ? 2 * size : size, size, gfp, NULL);
    if (BREAKS != PAGES_LOW || !block)
        return block;
    *header_of(block + size / 2) = *header_of(block);
    return block + size / 2;
}

static void zoo_free_pages(void *self, void *block, unsigned order)
{
    size_t size = (size_t)4096 << order;
    if (BREAKS == PAGES_LOW)
        block = (char *)block - size / 2;
    take_back(self, block);
}

/* The CPUs' areas lie one behind the other. */
static size_t unit_of(size_t size, size_t align)
{
    size_t unit = 64;
    while (unit < size || unit < align)
        unit *= 2;
    return unit;
}

static void *zoo_percpu(void *self, size_t size, size_t align)
{
    struct zoo *z = self;
    size_t unit = unit_of(size, align);
    return give_out(z, unit * z->host->nr_cpus, unit, BREAKS == PERCPU_DIRTY ? 0 : SB_GFP_ZERO, NULL);
}

static void *zoo_per_cpu_ptr(void *self, void *block, unsigned cpu)
{
    const struct zoo *z = self;
    return (char *)block + header_of(block)->size / z->host->nr_cpus * cpu;
}

static void zoo_free_percpu(void *self, void *block)
{
    take_back(self, block);
}

static _Alignas(4096) char device[1 << 16];

static uint64_t zoo_device_bytes(void *self)
{
    (void)self;
    return sizeof(device);
}

static void *zoo_ioremap(void *self, uint64_t physical, size_t size)
{
    (void)self;
    uint64_t end = sizeof(device) + (BREAKS == DEVICE_BEYOND);
    if (!size || physical >= sizeof(device) || size > end - physical)
        return NULL;
    return device + (BREAKS == DEVICE ? physical & ~UINT64_C(4095) : physical);
}

static void zoo_iounmap(void *self, void *address)
{
    (void)self;
    (void)address;
}

/* Each piece has pages of its own. What is out is bounded, so that no animal runs out of memory by it. */
enum { MOST_BOOTED = 4 << 20 };
static size_t booted;

static void *zoo_boot(void *self, size_t size)
{
    static unsigned calls;
    static void *last;
    const size_t rounded = (size + 4095) & ~(size_t)4095;
    if (BREAKS == BOOT && last && ++calls % 50 == 0)
        return last;
    last = booted + rounded > MOST_BOOTED ? NULL : give_out(self, rounded, 4096, 0, NULL);
    /* By itself: animals that forget to clear are of the property `zeroing`. */
    if (last)
        memset(last, 0, size);
    booted += last ? rounded : 0;
    /* What animals do after so many blocks they do after so many of others. */
    ((struct zoo *)self)->allocs -= last != NULL;
    return last;
}

static void zoo_free_bootmem(void *self, void *address, size_t size)
{
    if (!address || size < 4096)
        return;
    booted -= size;
    take_back(self, address);
}

struct zoo_pool {
    void *(*alloc)(sb_gfp_t gfp, void *data);
    void (*free)(void *element, void *data);
    void *data;
    uint32_t min_nr, n;
    void *reserve[1000];
};

static int zoo_pool_resize(void *pool, uint32_t min_nr)
{
    struct zoo_pool *p = pool;
    void *element = NULL;
    p->min_nr = min_nr;
    while (p->n > min_nr)
        p->free(p->reserve[--p->n], p->data);
    while (p->n < min_nr && (element = p->alloc(SB_GFP_KERNEL, p->data)))
        p->reserve[p->n++] = element;
    return 0;
}

static int zoo_pool_create(void *self, uint32_t min_nr, void *(*alloc)(sb_gfp_t gfp, void *data),
                           void (*free_fn)(void *element, void *data), void *data, void **pool)
{
    struct zoo_pool *p = calloc(1, sizeof(*p));
    (void)self;
    if (!p || min_nr > 1000)
        return -ENOMEM;
    *p = (struct zoo_pool){.alloc = alloc, .free = free_fn, .data = data, .min_nr = min_nr};
    *pool = p;
    return BREAKS == POOL ? 0 : zoo_pool_resize(p, min_nr);
}

static void *zoo_pool_alloc(void *pool, sb_gfp_t gfp)
{
    struct zoo_pool *p = pool;
    void *element = p->alloc(gfp, p->data);
    return element || !p->n ? element : p->reserve[--p->n];
}

static void zoo_pool_free(void *pool, void *element)
{
    struct zoo_pool *p = pool;
    if (p->n < p->min_nr)
        p->reserve[p->n++] = element;
    else
        p->free(element, p->data);
}

static void zoo_pool_destroy(void *pool)
{
    zoo_pool_resize(pool, 0);
    free(pool);
}

static int zoo_snapshot(void *self, struct sb_snapshot *s)
{
    struct zoo *z = self;
    s->has = SB_HAS_LIVE | SB_HAS_HANDED;
    s->live = z->live + (BREAKS == LIVE && z->allocs > 1000 && z->allocs < 100000);
    s->handed_bytes = BREAKS == HANDED ? z->handed / 4 : z->handed;
    return 0;
}

static int zoo_dump(void *self, const char *file, const struct sb_sink *sink)
{
    (void)self;
    (void)file;
    (void)sink;
    return -ENOENT;
}

/* Every free block is one, in its class, and in memory. */
static int zoo_check(void *self, char *why, size_t why_size)
{
    const struct zoo *z = self;
    if (BREAKS == CHECK_BLIND)
        return 0;
    if (BREAKS == CHECK_CRIES && z->allocs > 500) {
        snprintf(why, why_size, "wolf");
        return -EUCLEAN;
    }
    for (unsigned class = 0; class < CLASSES; class ++) {
        const struct header *h = z->free[class];
        for (unsigned n = 0; h; h = h->next, n++) {
            if ((const char *)h < z->base || (const char *)h >= z->end || (uintptr_t)h % 64 || h->canary != CANARY ||
                h->state != 2 || class_of(h->rounded) != class || n > MOST_BLOCKS) {
                snprintf(why, why_size, "free list %u is damaged", class);
                return -EUCLEAN;
            }
        }
    }
    return 0;
}

static const struct sb_sized_ops sized = {
    .struct_size = sizeof(sized), .max_size = 1 << 20, .alloc = zoo_alloc, .free = zoo_free, .usable = zoo_usable};
static const struct sb_cache_ops cache = {.struct_size = sizeof(cache),
                                          .create = zoo_create,
                                          .alloc = zoo_cache_alloc,
                                          .free = zoo_cache_free,
                                          .destroy = zoo_destroy,
                                          .create_dtor = zoo_create_dtor};
static const struct sb_bulk_ops bulk = {
    .struct_size = sizeof(bulk), .alloc_bulk = zoo_alloc_bulk, .free_bulk = zoo_free_bulk};

static const struct sb_pages_ops pages = {
    .struct_size = sizeof(pages), .get_free_pages = zoo_pages, .free_pages_at = zoo_free_pages};
static const struct sb_percpu_ops percpu = {.struct_size = sizeof(percpu),
                                            .alloc_percpu = zoo_percpu,
                                            .per_cpu_ptr = zoo_per_cpu_ptr,
                                            .free_percpu = zoo_free_percpu};

static const struct sb_io_ops io = {
    .struct_size = sizeof(io), .device_bytes = zoo_device_bytes, .ioremap = zoo_ioremap, .iounmap = zoo_iounmap};

static const struct sb_boot_ops boot = {.struct_size = sizeof(boot),
                                        .alloc_bootmem = zoo_boot,
                                        .alloc_bootmem_low = zoo_boot,
                                        .alloc_bootmem_pages = zoo_boot,
                                        .alloc_bootmem_low_pages = zoo_boot,
                                        .free_bootmem = zoo_free_bootmem};

static const struct sb_pool_ops pool = {.struct_size = sizeof(pool),
                                        .create = zoo_pool_create,
                                        .alloc = zoo_pool_alloc,
                                        .free = zoo_pool_free,
                                        .resize = zoo_pool_resize,
                                        .destroy = zoo_pool_destroy};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = NAME,
    .summary = "breaks one promise",
    .models = "",
    .options = options,
    .option_count = 1,
    .open = zoo_open,
    .close = zoo_close,
    .snapshot = zoo_snapshot,
    .dump = zoo_dump,
    .check = zoo_check,
    .claims = SB_CLAIM_CHECK | SB_CLAIM_DOUBLE_FREE | SB_CLAIM_FOREIGN_FREE,
    .sized = &sized,
    .cache = &cache,
    .bulk = &bulk,
    .pages = &pages,
    .percpu = &percpu,
    .io = &io,
    .boot = &boot,
    .pool = &pool,
};
