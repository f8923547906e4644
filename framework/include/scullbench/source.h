/*
 * Sources: blocks of one size from whatever interface an allocator offers.
 *
 * A workload says what kind of block it wants; sb_route_for says which interface serves it, and is
 * used by the plan (to skip what can't be) and by the workload (to do it), so both always agree. A
 * route other than the wanted interface is an adapter, and every report shows it. The call goes
 * straight to the plugin's function behind one well-predicted branch: no wrapper stands between.
 */
#ifndef SCULLBENCH_SOURCE_H
#define SCULLBENCH_SOURCE_H

#include "allocator.h"

#include <errno.h>

SB_EXTERN_C_BEGIN

enum sb_want {
    SB_WANT_CACHE = 1, /* objects of one size, as kmem_cache_alloc gives */
    SB_WANT_PAGES,     /* 2^order whole pages, as __get_free_pages gives */
    SB_WANT_VIRTUAL,   /* whole pages contiguous in virtual space, as vmalloc gives */
    SB_WANT_PERCPU,    /* since 1.6: per-CPU areas, which nothing else stands in for; no source opens them */
    SB_WANT_IO,        /* since 1.6: device memory, the same */
    SB_WANT_OWN_CACHE, /* since 1.6: objects of a cache by its flags or constructor, which only caches have */
    /* Since 1.7, and nothing stands in for any of them. */
    SB_WANT_DTOR_CACHE,   /* objects of a cache with a destructor */
    SB_WANT_PAGE_STRUCTS, /* blocks by struct page, as alloc_pages gives; no source opens them */
    SB_WANT_USER_PAGES,   /* 2^order whole pages by address that can be mapped for a user, too */
    SB_WANT_BOOT,         /* memory taken at boot; no source opens it */
    SB_WANT_POOL,         /* mempools of one's own elements; no source opens them */
    SB_WANT_SIZED,        /* since 1.8: blocks of any sizes, as kmalloc gives */
    SB_WANT_PRELOAD, /* since 1.8: the malloc of a whole program, which nothing stands in for; no source opens it */
};

enum sb_route {
    SB_ROUTE_NONE,
    SB_ROUTE_CACHE,
    SB_ROUTE_SIZED,
    SB_ROUTE_PAGES,
    SB_ROUTE_PERCPU,
    SB_ROUTE_IO,
    SB_ROUTE_BOOT,
    SB_ROUTE_POOL,
    SB_ROUTE_PRELOAD,
};

static inline const char *sb_route_name(enum sb_route route)
{
    switch (route) {
    case SB_ROUTE_CACHE:
        return "cache";
    case SB_ROUTE_SIZED:
        return "sized";
    case SB_ROUTE_PAGES:
        return "pages";
    case SB_ROUTE_PERCPU:
        return "percpu";
    case SB_ROUTE_IO:
        return "io";
    case SB_ROUTE_BOOT:
        return "boot";
    case SB_ROUTE_POOL:
        return "pool";
    case SB_ROUTE_PRELOAD:
        return "preload";
    case SB_ROUTE_NONE:
        break;
    }
    return "none";
}

/* Since 1.6: interfaces of which one must be there, as a user reads it. */
static inline const char *sb_want_served_by(enum sb_want want)
{
    switch (want) {
    case SB_WANT_PERCPU:
        return "percpu";
    case SB_WANT_IO:
        return "io";
    case SB_WANT_OWN_CACHE:
        return "cache";
    case SB_WANT_DTOR_CACHE:
        return "cache with destructors (create_dtor)";
    case SB_WANT_PAGE_STRUCTS:
        return "pages by struct page (alloc_pages)";
    case SB_WANT_USER_PAGES:
        return "pages that a user can map (insert_page)";
    case SB_WANT_BOOT:
        return "boot";
    case SB_WANT_POOL:
        return "pool";
    case SB_WANT_PRELOAD:
        return "a library that a program can be given (preload)";
    case SB_WANT_SIZED:
    case SB_WANT_CACHE:
    case SB_WANT_PAGES:
    case SB_WANT_VIRTUAL:
        break;
    }
    return "cache, sized or pages";
}

/* Of what has one interface alone, with the members that are needed. */
static inline enum sb_route sb_only_route_for(const struct sb_allocator *allocator, enum sb_want want)
{
    const struct sb_cache_ops *cache = allocator->cache;
    const struct sb_pages_ops *pages = allocator->pages;
    switch (want) {
    case SB_WANT_PERCPU:
        return allocator->percpu ? SB_ROUTE_PERCPU : SB_ROUTE_NONE;
    case SB_WANT_IO:
        return allocator->io ? SB_ROUTE_IO : SB_ROUTE_NONE;
    case SB_WANT_OWN_CACHE:
        return cache ? SB_ROUTE_CACHE : SB_ROUTE_NONE;
    case SB_WANT_DTOR_CACHE:
        return cache && cache->create_dtor ? SB_ROUTE_CACHE : SB_ROUTE_NONE;
    case SB_WANT_PAGE_STRUCTS:
        return pages && pages->alloc_pages ? SB_ROUTE_PAGES : SB_ROUTE_NONE;
    case SB_WANT_USER_PAGES:
        return pages && pages->insert_page ? SB_ROUTE_PAGES : SB_ROUTE_NONE;
    case SB_WANT_BOOT:
        return allocator->boot ? SB_ROUTE_BOOT : SB_ROUTE_NONE;
    case SB_WANT_POOL:
        return allocator->pool ? SB_ROUTE_POOL : SB_ROUTE_NONE;
    case SB_WANT_PRELOAD:
        return allocator->preload ? SB_ROUTE_PRELOAD : SB_ROUTE_NONE;
    case SB_WANT_SIZED:
    case SB_WANT_CACHE:
    case SB_WANT_PAGES:
    case SB_WANT_VIRTUAL:
        break;
    }
    return SB_ROUTE_NONE;
}

/* The first interface that serves `want`, in the order that stays closest to what was wanted. */
static inline enum sb_route sb_route_for(const struct sb_allocator *allocator, enum sb_want want)
{
    static const uint8_t preference[][3] = {
        {SB_ROUTE_CACHE, SB_ROUTE_SIZED, SB_ROUTE_PAGES},
        {SB_ROUTE_PAGES, SB_ROUTE_SIZED, SB_ROUTE_CACHE},
        {SB_ROUTE_SIZED, SB_ROUTE_PAGES, SB_ROUTE_CACHE},
        {SB_ROUTE_SIZED, SB_ROUTE_CACHE, SB_ROUTE_PAGES},
    };
    if ((want < SB_WANT_CACHE || want > SB_WANT_VIRTUAL) && want != SB_WANT_SIZED)
        return sb_only_route_for(allocator, want);
    const uint8_t *prefers = preference[want == SB_WANT_SIZED ? 3 : want - SB_WANT_CACHE];
    for (unsigned i = 0; i < 3; i++) {
        enum sb_route route = (enum sb_route)prefers[i];
        if ((route == SB_ROUTE_CACHE && allocator->cache) || (route == SB_ROUTE_SIZED && allocator->sized) ||
            (route == SB_ROUTE_PAGES && allocator->pages))
            return route;
    }
    return SB_ROUTE_NONE;
}

/* Blocks of `size` bytes. Read-only once opened, so threads may share it. */
struct sb_source {
    enum sb_route route;
    unsigned order; /* SB_ROUTE_PAGES */
    size_t size;
    size_t align;
    void *self; /* the allocator, or the cache */
    const struct sb_allocator *allocator;
    void *(*cache_alloc)(void *cache, sb_gfp_t gfp);
    void (*cache_free)(void *cache, void *object);
    void *(*sized_alloc)(void *self, size_t size, size_t align, sb_gfp_t gfp);
    void (*sized_free)(void *self, void *block, size_t size);
    void *(*pages_alloc)(void *self, sb_gfp_t gfp, unsigned order);
    void (*pages_free)(void *self, void *address, unsigned order);
};

static inline void sb_source_init(struct sb_source *source, const struct sb_allocator *allocator, void *self,
                                  enum sb_want want, size_t size)
{
    source->route = sb_route_for(allocator, want);
    source->order = sb_get_order(size);
    source->size = size;
    source->align =
        want == SB_WANT_PAGES || want == SB_WANT_VIRTUAL || want == SB_WANT_USER_PAGES ? (size_t)SB_PAGE_SIZE : 0;
    source->self = self;
    source->allocator = allocator;
}

static inline int sb_source_create(struct sb_source *source, const char *name, uint32_t slab_flags,
                                   void (*ctor)(void *object))
{
    const struct sb_cache_ops *cache = source->allocator->cache;
    source->cache_alloc = cache->alloc;
    source->cache_free = cache->free;
    return cache->create(source->self, name, source->size, source->align, slab_flags, ctor, 0, &source->self);
}

/* Opens a source; a cache is created where that is the route. -EOPNOTSUPP: no interface serves it. */
static inline int sb_source_open(struct sb_source *source, const struct sb_allocator *allocator, void *self,
                                 enum sb_want want, const char *name, size_t size, uint32_t slab_flags)
{
    sb_source_init(source, allocator, self, want, size);
    switch (source->route) {
    case SB_ROUTE_CACHE:
        return sb_source_create(source, name, slab_flags, NULL);
    case SB_ROUTE_SIZED:
        source->sized_alloc = allocator->sized->alloc;
        source->sized_free = allocator->sized->free;
        return 0;
    case SB_ROUTE_PAGES:
        source->pages_alloc = allocator->pages->get_free_pages;
        source->pages_free = allocator->pages->free_pages_at;
        return source->order > SB_MAX_ORDER ? -E2BIG : 0;
    case SB_ROUTE_PERCPU:
    case SB_ROUTE_IO:
    case SB_ROUTE_BOOT:
    case SB_ROUTE_POOL:
    case SB_ROUTE_PRELOAD:
    case SB_ROUTE_NONE:
        break;
    }
    return -EOPNOTSUPP;
}

/* Since 1.6: a source of a cache with flags (SB_SLAB_*) and a constructor, or NULL. -EOPNOTSUPP: there are no caches.
 */
static inline int sb_source_open_cache(struct sb_source *source, const struct sb_allocator *allocator, void *self,
                                       const char *name, size_t size, uint32_t slab_flags, void (*ctor)(void *object))
{
    sb_source_init(source, allocator, self, SB_WANT_OWN_CACHE, size);
    return source->route == SB_ROUTE_CACHE ? sb_source_create(source, name, slab_flags, ctor) : -EOPNOTSUPP;
}

/* Since 1.7: likewise of a cache with a constructor and a destructor, as create_dtor takes them. */
static inline int sb_source_open_dtor(struct sb_source *source, const struct sb_allocator *allocator, void *self,
                                      const char *name, size_t size, uint32_t slab_flags,
                                      void (*ctor)(void *object, uint32_t ctor_flags),
                                      void (*dtor)(void *object, uint32_t ctor_flags))
{
    sb_source_init(source, allocator, self, SB_WANT_DTOR_CACHE, size);
    if (source->route != SB_ROUTE_CACHE)
        return -EOPNOTSUPP;
    source->cache_alloc = allocator->cache->alloc;
    source->cache_free = allocator->cache->free;
    return allocator->cache->create_dtor(self, name, size, source->align, slab_flags, ctor, dtor, &source->self);
}

static inline void *sb_source_alloc(const struct sb_source *source, sb_gfp_t gfp)
{
    if (source->route == SB_ROUTE_CACHE)
        return source->cache_alloc(source->self, gfp);
    if (source->route == SB_ROUTE_SIZED)
        return source->sized_alloc(source->self, source->size, source->align, gfp);
    return source->pages_alloc(source->self, gfp, source->order);
}

static inline void sb_source_free(const struct sb_source *source, void *block)
{
    if (source->route == SB_ROUTE_CACHE)
        source->cache_free(source->self, block);
    else if (source->route == SB_ROUTE_SIZED)
        source->sized_free(source->self, block, source->size);
    else
        source->pages_free(source->self, block, source->order);
}

/* -EBUSY while blocks of a cache live; the cache then stays. */
static inline int sb_source_close(struct sb_source *source)
{
    return source->route == SB_ROUTE_CACHE ? source->allocator->cache->destroy(source->self) : 0;
}

SB_EXTERN_C_END

#endif
