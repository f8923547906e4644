/*
 * Interfaces that stand beside the blocks': boot memory's four calls, mempools of one's own elements, and caches with
 * destructors. Each by a short story of its own, whose right end is known.
 */
#include "check/properties.h"

#include <stdlib.h>
#include <string.h>

/* ---- boot ---- */

enum { PIECES = 64, MOST_PAGES = 16, LINE = 64 };

struct piece {
    char *at; /* NULL: none */
    uint64_t size, tag;
};

struct boot {
    struct sb_world *w;
    const struct sb_boot_ops *ops;
    struct sb_finding *f;
    struct sb_random random;
    struct piece pieces[PIECES];
    uint64_t served;
};

static bool is_fine(const struct sb_finding *f)
{
    return f->result == SB_CHECK_PASS;
}

/* Where it lies is the property "memory"'s business and each trial's. */
static void judge_piece(struct boot *b, const struct piece *mine, const char *call, uint64_t align)
{
    unsigned long long size = mine->size;
    if ((uintptr_t)mine->at % align)
        sb_find(b->f, SB_CHECK_FAIL, "%s: %llu bytes at %p are not aligned to %llu", call, size, (void *)mine->at,
                (unsigned long long)align);
    for (size_t i = 0; i < PIECES && is_fine(b->f); i++) {
        const struct piece *other = &b->pieces[i];
        if (other != mine && other->at && mine->at < other->at + other->size && other->at < mine->at + mine->size)
            sb_find(b->f, SB_CHECK_FAIL, "%s: %llu bytes at %p overlap a live piece of %llu at %p", call, size,
                    (void *)mine->at, (unsigned long long)other->size, (void *)other->at);
    }
}

static void take_piece(struct boot *b, struct piece *piece, uint64_t size)
{
    const struct sb_boot_ops *ops = b->ops;
    const struct {
        const char *name;
        void *(*take)(void *self, size_t size);
        uint64_t align;
    } calls[] = {{"alloc_bootmem", ops->alloc_bootmem, LINE},
                 {"alloc_bootmem_low", ops->alloc_bootmem_low, LINE},
                 {"alloc_bootmem_pages", ops->alloc_bootmem_pages, SB_PAGE_SIZE},
                 {"alloc_bootmem_low_pages", ops->alloc_bootmem_low_pages, SB_PAGE_SIZE}};
    uint64_t i = sb_random_below(&b->random, SB_COUNT(calls));
    *piece = (struct piece){calls[i].take(b->w->self, size), size, sb_random_next(&b->random)};
    if (!piece->at)
        return;
    b->served++;
    judge_piece(b, piece, calls[i].name, calls[i].align);
    if (is_fine(b->f) && !sb_is_zero(piece->at, size))
        sb_find(b->f, SB_CHECK_FAIL, "%s: %llu bytes at %p are not all zero", calls[i].name, (unsigned long long)size,
                (void *)piece->at);
    if (!is_fine(b->f))
        return;
    memset(piece->at, (int)piece->tag, size);
}

static void give_piece(struct boot *b, struct piece *piece)
{
    for (uint64_t i = 0; i < piece->size && is_fine(b->f); i++) {
        if (piece->at[i] != (char)piece->tag)
            sb_find(b->f, SB_CHECK_FAIL, "byte %llu of a piece of %llu at %p no longer holds what was written into it",
                    (unsigned long long)i, (unsigned long long)piece->size, (void *)piece->at);
    }
    if (is_fine(b->f))
        b->ops->free_bootmem(b->w->self, piece->at, piece->size);
    piece->at = NULL;
}

static void ask_check_again(struct sb_world *w, struct sb_finding *f)
{
    char why[256] = "";
    if (is_fine(f) && w->a->check(w->self, why, sizeof(why)))
        sb_find(f, SB_CHECK_FAIL, "after that check() finds: %s", *why ? why : "without a word");
}

/* Two pieces share a page: freeing one frees nothing, and the other stays whole. */
static void share_a_page(struct boot *b)
{
    struct piece *kept = &b->pieces[0], *freed = &b->pieces[1];
    take_piece(b, kept, 96);
    take_piece(b, freed, 96);
    if (freed->at)
        give_piece(b, freed);
    for (size_t i = 1; i < PIECES && is_fine(b->f); i++)
        take_piece(b, &b->pieces[i], 96);
    for (size_t i = 0; i < PIECES && is_fine(b->f); i++) {
        if (b->pieces[i].at)
            give_piece(b, &b->pieces[i]);
    }
}

/* All there is in pieces of 64 KiB, and given back. */
static uint64_t fill_and_empty(struct boot *b)
{
    enum { PIECE = 65536 };
    uint64_t most = b->w->host.memory_size / PIECE + 1, n = 0;
    void **taken = sb_calloc(most, sizeof(*taken));
    while (n < most && (taken[n] = b->ops->alloc_bootmem_pages(b->w->self, PIECE)))
        n++;
    for (uint64_t i = 0; i < n; i++)
        b->ops->free_bootmem(b->w->self, taken[i], PIECE);
    free((void *)taken);
    return n;
}

void sb_try_boot(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    struct boot b = {.w = w, .ops = w->a->boot, .f = f, .random = sb_random_fork(w->host.seed, 5)};
    if (!b.ops || w->a->flags & SB_ALLOCATOR_ALIASES) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't offer boot memory of its own for each");
        return;
    }
    for (uint64_t i = 0; i < (t->quick ? 2000 : 20000) && is_fine(f); i++) {
        struct piece *piece = &b.pieces[sb_random_below(&b.random, PIECES)];
        *t->done = i + 1;
        if (piece->at)
            give_piece(&b, piece);
        else
            take_piece(&b, piece, SB_PAGE_SIZE * (1 + sb_random_below(&b.random, MOST_PAGES)));
    }
    for (size_t i = 0; i < PIECES && is_fine(f); i++) {
        if (b.pieces[i].at)
            give_piece(&b, &b.pieces[i]);
    }
    ask_check_again(w, f);
    uint64_t first = is_fine(f) ? fill_and_empty(&b) : 0, second = is_fine(f) ? fill_and_empty(&b) : 0;
    if (is_fine(f) && second < first)
        sb_find(f, SB_CHECK_FAIL, "of %llu pieces of 64 KiB that were freed %llu could be had again",
                (unsigned long long)first, (unsigned long long)second);
    if (is_fine(f))
        share_a_page(&b);
    ask_check_again(w, f);
    if (is_fine(f) && !b.served)
        sb_find(f, SB_CHECK_UNTESTED, "not one piece was given");
}

/* ---- pools ---- */

enum { SUPPLY = 100, RESERVE = 10, LARGER = 30 };

/* Elements that our functions have left. */
struct supply {
    char elements[SUPPLY];
    void *left[SUPPLY];
    uint32_t n;
    bool overfull; /* more came back than there are */
};

static void *supply_alloc(sb_gfp_t gfp, void *data)
{
    struct supply *s = data;
    (void)gfp;
    return s->n ? s->left[--s->n] : NULL;
}

static void supply_free(void *element, void *data)
{
    struct supply *s = data;
    s->overfull |= s->n == SUPPLY;
    if (s->n < SUPPLY)
        s->left[s->n++] = element;
}

static void expect_left(struct sb_finding *f, const struct supply *s, uint32_t want, const char *when)
{
    if (is_fine(f) && (s->n != want || s->overfull))
        sb_find(f, SB_CHECK_FAIL, "%s the pool's functions should have %u of %d elements, and have %u%s", when, want,
                SUPPLY, s->n, s->overfull ? " and more" : "");
}

/* All there are, none twice, and then no more. */
static void drain_and_fill(const struct sb_pool_ops *ops, void *pool, struct supply *s, struct sb_finding *f)
{
    char *taken[SUPPLY] = {0}, seen[SUPPLY] = {0};
    uint32_t n = 0;
    while (n < SUPPLY && (taken[n] = ops->alloc(pool, SB_GFP_NOWAIT))) {
        uint64_t at = (uint64_t)(taken[n] - s->elements);
        if (is_fine(f) && (at >= SUPPLY || seen[at]))
            sb_find(f, SB_CHECK_FAIL, "element %u of a pool is %s", n,
                    at >= SUPPLY ? "none that its function gave" : "one that lives already");
        if (at < SUPPLY)
            seen[at] = 1;
        n++;
    }
    if (is_fine(f) && n < SUPPLY)
        sb_find(f, SB_CHECK_FAIL, "a pool of %d elements, its reserve's among them, gave %u and then NULL", SUPPLY, n);
    if (is_fine(f) && ops->alloc(pool, SB_GFP_NOWAIT))
        sb_find(f, SB_CHECK_FAIL, "a pool of %d elements gave one more", SUPPLY);
    while (n)
        ops->free(pool, taken[--n]);
}

void sb_try_pool(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    static struct supply s;
    const struct sb_pool_ops *ops = w->a->pool;
    void *pool = NULL;
    (void)t;
    if (!ops) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't offer pools");
        return;
    }
    for (s.n = 0; s.n < SUPPLY; s.n++)
        s.left[s.n] = &s.elements[s.n];
    if (ops->create(w->self, RESERVE, supply_alloc, supply_free, &s, &pool)) {
        sb_find(f, SB_CHECK_UNTESTED, "a pool can't be made: %s", w->said);
        return;
    }
    expect_left(f, &s, SUPPLY - RESERVE, "after create");
    drain_and_fill(ops, pool, &s, f);
    expect_left(f, &s, SUPPLY - RESERVE, "when all came back");
    if (ops->resize(pool, LARGER) && is_fine(f))
        sb_find(f, SB_CHECK_FAIL, "resize to %d of %d elements fails", LARGER, SUPPLY);
    expect_left(f, &s, SUPPLY - LARGER, "after a resize to 30");
    if (ops->resize(pool, 2 * SUPPLY) && is_fine(f))
        sb_find(f, SB_CHECK_FAIL, "resize to more than there is fails: the reserve fills when elements come");
    expect_left(f, &s, 0, "after a resize to twice the elements there are");
    drain_and_fill(ops, pool, &s, f);
    if (ops->resize(pool, RESERVE) && is_fine(f))
        sb_find(f, SB_CHECK_FAIL, "resize to a smaller reserve fails");
    expect_left(f, &s, SUPPLY - RESERVE, "after a resize to 10");
    ask_check_again(w, f);
    ops->destroy(pool);
    expect_left(f, &s, SUPPLY, "after destroy");
}

/* ---- destructors ---- */

enum { BUILT = 24, OBJECTS = 2000, FILL = 0xd7 };

/* The functions are told of an object alone. */
static struct {
    _Atomic uint64_t constructed, destroyed, flags, damaged;
} story;

static void build_told(void *object, uint32_t ctor_flags)
{
    memset(object, FILL, BUILT);
    story.constructed++;
    story.flags += !(ctor_flags & SB_SLAB_CTOR_CONSTRUCTOR);
}

static bool is_built(const void *object)
{
    const unsigned char *bytes = object;
    return bytes[0] == FILL && !memcmp(bytes, bytes + 1, BUILT - 1);
}

static void unbuild(void *object, uint32_t ctor_flags)
{
    (void)ctor_flags;
    story.damaged += !is_built(object);
    story.destroyed++;
}

void sb_try_destructor(struct sb_world *w, struct sb_finding *f)
{
    static void *objects[OBJECTS];
    const struct sb_cache_ops *ops = w->a->cache;
    void *cache = NULL;
    if (!ops->create_dtor)
        return;
    if (ops->create_dtor(w->self, "unbuilt", BUILT, 0, 0, build_told, unbuild, &cache)) {
        sb_find(f, SB_CHECK_UNTESTED, "a cache with a destructor can't be made: %s", w->said);
        return;
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = ops->alloc(cache, SB_GFP_KERNEL);
        if (objects[i] && is_fine(f) && !is_built(objects[i]))
            sb_find(f, SB_CHECK_FAIL, "an object of a cache with a destructor came without what its constructor wrote");
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        if (objects[i])
            ops->free(cache, objects[i]);
    }
    if (ops->destroy(cache) && is_fine(f))
        sb_find(f, SB_CHECK_UNTESTED, "the cache with a destructor can't be destroyed: %s", w->said);
    else if (is_fine(f) && story.flags)
        sb_find(f, SB_CHECK_FAIL, "a constructor was called without SB_SLAB_CTOR_CONSTRUCTOR");
    else if (is_fine(f) && (story.constructed != story.destroyed || story.damaged))
        sb_find(f, SB_CHECK_FAIL, "of %llu constructed objects %llu were destroyed, %llu not as they were constructed",
                (unsigned long long)story.constructed, (unsigned long long)story.destroyed,
                (unsigned long long)story.damaged);
}
