/*
 * objects: blocks of one size, allocated and freed in a given order. The yardstick for the cost of a call.
 *
 * pair frees each block at once, so one block is hot for ever. The others allocate `count` blocks, then free
 * them all: first in first out, last in first out, or in a random order drawn once from the seed. Each thread
 * has blocks of its own. An operation is one allocation and its free, counted when the block is freed.
 *
 * In a pair the two calls can't be timed apart without the clock weighing more than they do: alloc_ns and
 * free_ns are not available there, and the time of a pair is the inverse of the rate. With touch = none
 * nothing but the allocator touches a block.
 */
#include "scullbench/pattern.h"
#include "scullbench/random.h"
#include "scullbench/workload.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option {
    OPTION_PATTERN,
    OPTION_SIZE,
    OPTION_COUNT,
    OPTION_TOUCH,
    OPTION_CACHE,
    OPTION_BATCH,
    OPTION_GFP,
    OPTION_SLAB,
    OPTION_CTOR,
    OPTION_DTOR,
    OPTIONS
};
enum cache { CACHE_SHARED, CACHE_PRIVATE };
enum pattern { PATTERN_PAIR, PATTERN_FIFO, PATTERN_LIFO, PATTERN_RANDOM };
#define CONSTRUCTED UINT64_C(0x5ca1ab1eca11ab1e)

/* Flags of a cache, under the kernel's names. */
#define SLAB_FLAGS(ROW)                                                                                                \
    ROW(HWCACHE_ALIGN)                                                                                                 \
    ROW(CACHE_DMA) ROW(CACHE_DMA32) ROW(NO_REAP) ROW(CONSISTENCY_CHECKS) ROW(RED_ZONE) ROW(POISON) ROW(STORE_USER)

static const char *const patterns[] = {"pair", "fifo", "lifo", "random", NULL};
static const char *const touches[] = SB_TOUCH_CHOICES;
static const char *const caches[] = {"shared", "private", NULL};

static const char *const slab_names[] = {"none",
#define ROW(name) "SLAB_" #name,
                                         SLAB_FLAGS(ROW)
#undef ROW
                                             NULL};
static const uint32_t slab_flags[] = {0,
#define ROW(name) SB_SLAB_##name,
                                      SLAB_FLAGS(ROW)
#undef ROW
};

static const struct sb_option options[OPTIONS] = {
    [OPTION_PATTERN] = {"pattern", SB_OPTION_ENUM, 0, "pair", 0, 0, patterns,
                        "the order of frees: each block at once, or all blocks after all were allocated, "
                        "the oldest first, the youngest first, or at random"},
    [OPTION_SIZE] = {"size", SB_OPTION_SIZE, 0, "64B", 8, UINT64_C(4) << 20, NULL, "bytes of a block"},
    [OPTION_COUNT] = {"count", SB_OPTION_INT, 0, "10000", 1, 100000000, NULL,
                      "blocks of each thread that live at once; pair has one"},
    [OPTION_TOUCH] = {"touch", SB_OPTION_ENUM, 0, "none", 0, 0, touches,
                      "what is written into a block: nothing, its first 8 bytes, or all"},
    [OPTION_CACHE] = {"cache", SB_OPTION_ENUM, 0, "shared", 0, 0, caches,
                      "whether the threads' blocks come from one cache or each thread has its own; "
                      "the same where the allocator has no caches"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "1024", 1, 65536, NULL,
                      "calls of a step, timed together between two readings of the clock"},
    [OPTION_GFP] = {"gfp", SB_OPTION_GFP, 0, "GFP_KERNEL", 0, 0, NULL, "with which blocks are asked for"},
    [OPTION_SLAB] = {"slab", SB_OPTION_ENUM, 0, "none", 0, 0, slab_names,
                     "a flag of the objects' cache; then only allocators with caches serve, and those that do not know "
                     "the flag take no notice of it"},
    [OPTION_CTOR] = {"ctor", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
                     "objects have a constructor, which writes their first 8 bytes; likewise"},
    [OPTION_DTOR] =
        {"dtor", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
         "objects have a constructor that is told SLAB_CTOR_*, and a destructor that finds what it wrote, as "
         "until Linux 2.6.22; then only allocators that have destructors serve"},
};

/*
 * What constructors and destructors have done. They are told of an object alone, so this is the process's: caches of
 * several instances share it, and it must come out even when the last is closed. Each thread counts on a line of its
 * own, for an atomic instruction would cost more than what it counts; threads beyond MOST_TALLIES share the last.
 */
enum { MOST_TALLIES = 256 };
static struct tally {
    _Alignas(64) _Atomic uint64_t constructed;
    _Atomic uint64_t atomic, destroyed, wrong;
} tallies[MOST_TALLIES];
static atomic_uint tallies_taken, instances;
static _Thread_local struct tally *own_tally;

static struct tally *take_tally(void)
{
    unsigned i = atomic_fetch_add(&tallies_taken, 1);
    own_tally = &tallies[i < MOST_TALLIES ? i : MOST_TALLIES - 1];
    return own_tally;
}

static inline struct tally *tally(void)
{
    return own_tally ? own_tally : take_tally();
}

static inline void count_one(_Atomic uint64_t *n)
{
    if (own_tally == &tallies[MOST_TALLIES - 1])
        atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
    else
        atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* While no thread counts. */
static struct tally sum_tallies(void)
{
    struct tally sum = {0};
    for (unsigned i = 0; i < MOST_TALLIES; i++) {
        sum.constructed += tallies[i].constructed;
        sum.atomic += tallies[i].atomic;
        sum.destroyed += tallies[i].destroyed;
        sum.wrong += tallies[i].wrong;
    }
    return sum;
}

/* One for all threads; read-only while they run. */
struct objects {
    const struct sb_bench *bench;
    struct sb_source source; /* CACHE_SHARED */
    enum pattern pattern;
    enum sb_touch touch;
    enum cache cache;
    sb_gfp_t gfp;
    uint32_t slab;
    bool ctor, dtor, own_cache; /* own_cache: asked for by flags or constructor */
    uint64_t size, count, batch;
    struct stream **streams;
};

struct stream {
    struct objects *objects;
    struct sb_sampler sampler;
    struct sb_source source; /* its own, or a copy of the shared one */
    bool opened;             /* its own is, to be closed */
    void **blocks;           /* in the order of allocation */
    uint32_t *order;         /* random: which block is freed when */
    uint64_t at;             /* allocated, or freed, so far in this pass */
    uint64_t live;
    bool freeing;
};

static int objects_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    bool pair = values[OPTION_PATTERN].u == PATTERN_PAIR;
    bool ctor = values[OPTION_CTOR].u, dtor = values[OPTION_DTOR].u;
    if ((ctor || dtor) && values[OPTION_TOUCH].u != SB_TOUCH_NONE) {
        snprintf(why, why_size, "%s: needs touch = none, for an object goes back as it was constructed",
                 ctor ? "ctor" : "dtor");
        return -EINVAL;
    }
    needs->want = dtor ? SB_WANT_DTOR_CACHE : ctor || values[OPTION_SLAB].u ? SB_WANT_OWN_CACHE : SB_WANT_CACHE;
    needs->block_size = values[OPTION_SIZE].u;
    needs->live_bytes = values[OPTION_SIZE].u * (pair ? 1 : values[OPTION_COUNT].u);
    /* A pair begins anew with each; the others when all blocks are free again. */
    needs->cycle_operations = pair ? values[OPTION_BATCH].u : values[OPTION_COUNT].u;
    needs->contents = false;
    return 0;
}

static void construct(void *object)
{
    uint64_t tag = CONSTRUCTED;
    memcpy(object, &tag, sizeof(tag));
    count_one(&tally()->constructed);
}

/* SLAB_CTOR_CONSTRUCTOR is always told; SLAB_CTOR_ATOMIC where the object was asked for without leave to sleep. */
static void construct_told(void *object, uint32_t ctor_flags)
{
    construct(object);
    if (!(ctor_flags & SB_SLAB_CTOR_CONSTRUCTOR))
        count_one(&tally()->wrong);
    if (ctor_flags & SB_SLAB_CTOR_ATOMIC)
        count_one(&tally()->atomic);
}

static void destroy(void *object, uint32_t ctor_flags)
{
    uint64_t tag = CONSTRUCTED;
    if (ctor_flags || memcmp(object, &tag, sizeof(tag)))
        count_one(&tally()->wrong);
    count_one(&tally()->destroyed);
}

static int open_source(const struct objects *o, struct sb_source *source, const char *name)
{
    const struct sb_allocator *a = o->bench->allocator;
    if (o->dtor)
        return sb_source_open_dtor(source, a, o->bench->self, name, o->size, o->slab, construct_told, destroy);
    if (o->own_cache)
        return sb_source_open_cache(source, a, o->bench->self, name, o->size, o->slab, o->ctor ? construct : NULL);
    return sb_source_open(source, a, o->bench->self, SB_WANT_CACHE, name, o->size, 0);
}

static int objects_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct objects *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->bench = bench;
    o->pattern = (enum pattern)values[OPTION_PATTERN].u;
    o->touch = (enum sb_touch)values[OPTION_TOUCH].u;
    o->cache = (enum cache)values[OPTION_CACHE].u;
    o->size = values[OPTION_SIZE].u;
    o->count = o->pattern == PATTERN_PAIR ? 1 : values[OPTION_COUNT].u;
    /* The host paces calls: a batch would come all at once. */
    o->gfp = (sb_gfp_t)values[OPTION_GFP].u;
    o->slab = slab_flags[values[OPTION_SLAB].u];
    o->dtor = values[OPTION_DTOR].u;
    o->ctor = o->dtor || values[OPTION_CTOR].u;
    o->own_cache = o->slab || o->ctor;
    o->batch = bench->paced ? 1 : values[OPTION_BATCH].u;
    o->streams = calloc(bench->threads, sizeof(*o->streams));
    int status = o->streams ? 0 : -ENOMEM;
    if (!status && o->cache == CACHE_SHARED)
        status = open_source(o, &o->source, "objects");
    if (status) {
        free(o->streams);
        free(o);
    } else {
        instances += o->dtor;
        *self = o;
    }
    return status;
}

/* Fisher and Yates, once: drawing while freeing would be timed along. */
static void draw_order(struct stream *s, struct sb_random random)
{
    uint64_t n = s->objects->count;
    for (uint64_t i = 0; i < n; i++)
        s->order[i] = (uint32_t)i;
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = sb_random_below(&random, i);
        uint32_t t = s->order[i - 1];
        s->order[i - 1] = s->order[j];
        s->order[j] = t;
    }
}

static int objects_thread_setup(void *self, uint32_t thread, void **state)
{
    struct objects *o = self;
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *state = o->streams[thread] = s;
    s->objects = o;
    sb_sampler_init(&s->sampler, o->bench, thread);
    /* On the thread itself, which is pinned: its own node's memory. */
    s->blocks = calloc(o->count, sizeof(*s->blocks));
    s->order = calloc(o->count, sizeof(*s->order));
    if (!s->blocks || !s->order)
        return -ENOMEM;
    if (o->cache == CACHE_PRIVATE) {
        char name[32];
        snprintf(name, sizeof(name), "objects-%u", thread);
        int status = open_source(o, &s->source, name);
        if (status)
            return status;
        s->opened = true;
    } else {
        s->source = o->source;
    }
    draw_order(s, sb_random_fork(o->bench->seed, thread));
    return 0;
}

/* All that was written, or what the constructor wrote. */
static bool holds(const struct objects *o, const void *block)
{
    uint64_t constructed = CONSTRUCTED;
    return o->ctor ? !memcmp(block, &constructed, sizeof(constructed)) : sb_pattern_holds(block, o->size, o->touch);
}

static int bad_block(const struct objects *o, const void *block, const char *when)
{
    o->bench->fail(o->bench->context, "a block of %llu bytes at %p doesn't hold what was written into it, %s",
                   (unsigned long long)o->size, block, when);
    return -EBADMSG;
}

static uint64_t batch_of(const struct objects *o)
{
    return sb_step_calls(o->bench, o->batch);
}

/* An allocator that gives the same block to all can't keep a tag. */
static bool is_proving(const struct objects *o)
{
    return o->bench->proving && !(o->bench->allocator->flags & SB_ALLOCATOR_ALIASES);
}

static void count_pairs(const struct objects *o, uint64_t n, struct sb_counts *counts)
{
    counts->operations += n;
    counts->bytes += n * o->size;
    counts->allocs += n;
    counts->frees += n;
}

/* A sampled batch of pairs: its times go into the histograms, and its pairs count as all others do. */
static int step_pairs_singly(struct stream *s, struct sb_counts *counts)
{
    const struct objects *o = s->objects;
    const uint64_t n = batch_of(o);
    for (uint64_t i = 0; i < n; i++) {
        void *block = sb_sampler_alloc(&s->sampler, &s->source, o->gfp);
        if (!block)
            return -ENOMEM;
        sb_pattern_write(block, o->size, o->touch);
        sb_sampler_free(&s->sampler, &s->source, block);
    }
    count_pairs(o, n, counts);
    counts->sampled_allocs += n;
    counts->sampled_frees += n;
    return 0;
}

/* In the survey a pair is proved like any other block: its contents last from the one call to the other. */
static int step_pairs_proved(struct stream *s, struct sb_counts *counts)
{
    const struct objects *o = s->objects;
    const uint64_t n = batch_of(o);
    int status = 0;
    for (uint64_t i = 0; i < n && !status; i++) {
        void *block = sb_source_alloc(&s->source, o->gfp);
        if (!block)
            return -ENOMEM;
        sb_pattern_write(block, o->size, o->touch);
        /* The compiler must not know what was just written. */
        __asm__ volatile("" : : "r"(block) : "memory");
        status = holds(o, block) ? 0 : bad_block(o, block, "at its free");
        sb_source_free(&s->source, block);
    }
    count_pairs(o, n, counts);
    return status;
}

/* Not timed apart; the operations' rate is what is measured. */
static int step_pairs(struct stream *s, struct sb_counts *counts)
{
    const struct objects *o = s->objects;
    const uint64_t n = batch_of(o);
    if (is_proving(o))
        return step_pairs_proved(s, counts);
    if (sb_sampler_due(&s->sampler))
        return step_pairs_singly(s, counts);
    for (uint64_t i = 0; i < n; i++) {
        void *block = sb_source_alloc(&s->source, o->gfp);
        if (!block)
            return -ENOMEM;
        sb_pattern_write(block, o->size, o->touch);
        sb_source_free(&s->source, block);
    }
    count_pairs(o, n, counts);
    return 0;
}

static int step_allocs(struct stream *s, uint64_t n, struct sb_counts *counts)
{
    const struct objects *o = s->objects;
    bool singly = sb_sampler_due(&s->sampler);
    void **blocks = s->blocks + s->at;
    uint64_t got = 0, start = o->bench->now();
    if (singly) {
        while (got < n && (blocks[got] = sb_sampler_alloc(&s->sampler, &s->source, o->gfp)))
            got++;
    } else {
        while (got < n && (blocks[got] = sb_source_alloc(&s->source, o->gfp)))
            got++;
    }
    uint64_t end = o->bench->now();
    /* After the clock was read: touching is the user's cost, not the allocator's. */
    for (uint64_t i = 0; i < got && o->touch != SB_TOUCH_NONE; i++)
        sb_pattern_write(blocks[i], o->size, o->touch);
    counts->allocs += got;
    if (singly) {
        counts->sampled_allocs += got;
    } else {
        counts->alloc_ticks += end - start;
        counts->alloc_batches++;
    }
    s->at += got;
    s->live += got;
    /* What was given lives, and teardown frees it. */
    return got < n ? -ENOMEM : 0;
}

/* The i-th block in the order of frees. */
static void *freed_at(const struct stream *s, uint64_t i)
{
    if (s->objects->pattern == PATTERN_FIFO)
        return s->blocks[i];
    return s->objects->pattern == PATTERN_LIFO ? s->blocks[s->objects->count - 1 - i] : s->blocks[s->order[i]];
}

/* A loop for each pattern: choosing within one would be timed along. */
static void free_batch(struct stream *s, uint64_t first, uint64_t n)
{
    uint64_t count = s->objects->count;
    if (s->objects->pattern == PATTERN_FIFO) {
        for (uint64_t i = first; i < first + n; i++)
            sb_source_free(&s->source, s->blocks[i]);
    } else if (s->objects->pattern == PATTERN_LIFO) {
        for (uint64_t i = first; i < first + n; i++)
            sb_source_free(&s->source, s->blocks[count - 1 - i]);
    } else {
        for (uint64_t i = first; i < first + n; i++)
            sb_source_free(&s->source, s->blocks[s->order[i]]);
    }
}

/* One by one in the survey, each proved just before it is freed: a free may damage another block of its
 * batch. */
static int free_proved(struct stream *s, uint64_t n)
{
    const struct objects *o = s->objects;
    for (uint64_t i = s->at; i < s->at + n; i++) {
        if (!holds(o, freed_at(s, i)))
            return bad_block(o, freed_at(s, i), "at its free");
        sb_source_free(&s->source, freed_at(s, i));
    }
    return 0;
}

static int step_frees(struct stream *s, uint64_t n, struct sb_counts *counts)
{
    const struct objects *o = s->objects;
    int status = 0;
    if (is_proving(o)) {
        status = free_proved(s, n);
    } else if (sb_sampler_due(&s->sampler)) {
        for (uint64_t i = s->at; i < s->at + n; i++)
            sb_sampler_free(&s->sampler, &s->source, freed_at(s, i));
        counts->sampled_frees += n;
    } else {
        uint64_t start = o->bench->now();
        free_batch(s, s->at, n);
        counts->free_ticks += o->bench->now() - start;
        counts->free_batches++;
    }
    counts->frees += n;
    counts->operations += n;
    counts->bytes += n * o->size;
    s->at += n;
    s->live -= n;
    return status;
}

static int objects_step(void *state, struct sb_counts *counts)
{
    struct stream *s = state;
    const struct objects *o = s->objects;
    uint64_t left = o->count - s->at, batch = batch_of(o), n = left < batch ? left : batch;
    if (o->pattern == PATTERN_PAIR)
        return step_pairs(s, counts);
    int status = s->freeing ? step_frees(s, n, counts) : step_allocs(s, n, counts);
    /* A step never crosses the turn: a batch is of one kind of call. */
    if (s->at == o->count) {
        s->freeing = !s->freeing;
        s->at = 0;
    }
    return status;
}

/* The i-th block in the order of frees, or of allocations while those go on. */
static void *block_at(const struct stream *s, uint64_t i)
{
    return s->freeing ? freed_at(s, i) : s->blocks[i];
}

/* Which positions live: those allocated so far, or those not yet freed. */
static void live_range(const struct stream *s, uint64_t *first, uint64_t *end)
{
    *first = s->freeing ? s->at : 0;
    *end = s->freeing ? s->objects->count : s->at;
}

static int objects_verify(void *self)
{
    const struct objects *o = self;
    const struct sb_bench *bench = o->bench;
    /* An allocator that gives the same block to all can't keep a tag. */
    bool keeps = !(bench->allocator->flags & SB_ALLOCATOR_ALIASES);
    for (uint32_t t = 0; t < bench->threads && o->pattern != PATTERN_PAIR && keeps; t++) {
        const struct stream *s = o->streams[t];
        uint64_t first, end;
        live_range(s, &first, &end);
        for (uint64_t i = first; i < end; i++) {
            const void *block = block_at(s, i);
            bench->live_block(bench->context, block, o->size, 0);
            if (!holds(o, block))
                return bad_block(o, block, "while it lives");
        }
    }
    return 0;
}

static int objects_account(void *self, struct sb_account *account)
{
    const struct objects *o = self;
    for (uint32_t t = 0; t < o->bench->threads; t++) {
        account->live += o->streams[t]->live;
        account->requested_bytes += o->streams[t]->live * o->size;
    }
    return 0;
}

static void objects_thread_teardown(void *state)
{
    struct stream *s = state;
    uint64_t first, end;
    if (!s)
        return;
    /* Also of a thread whose setup broke off in the middle. */
    if (s->objects->pattern != PATTERN_PAIR && s->blocks && s->order) {
        live_range(s, &first, &end);
        for (uint64_t i = first; i < end; i++)
            sb_source_free(&s->source, block_at(s, i));
    }
    free((void *)s->blocks);
    free(s->order);
}

/* After the last cache is gone every object that was constructed is destroyed, as it was constructed. */
static int judge_methods(const struct objects *o)
{
    if (!o->dtor || --instances)
        return 0;
    struct tally sum = sum_tallies();
    if (sum.constructed == sum.destroyed && !sum.wrong)
        return 0;
    o->bench->fail(o->bench->context,
                   "%llu objects were constructed and %llu destroyed, %llu with wrong flags or not as constructed",
                   (unsigned long long)sum.constructed, (unsigned long long)sum.destroyed,
                   (unsigned long long)sum.wrong);
    return -EBADMSG;
}

/* What constructors and destructors were called for so far. */
static int objects_dump(void *self, const char *file, const struct sb_sink *sink)
{
    struct tally sum = sum_tallies();
    char line[160];
    (void)self;
    if (strcmp(file, "constructors"))
        return -ENOENT;
    int n = snprintf(line, sizeof(line), "constructed %llu, of them SLAB_CTOR_ATOMIC %llu; destroyed %llu\n",
                     (unsigned long long)sum.constructed, (unsigned long long)sum.atomic,
                     (unsigned long long)sum.destroyed);
    sink->write(sink->context, line, (size_t)n);
    return 0;
}

static int objects_teardown(void *self)
{
    struct objects *o = self;
    int status = o->cache == CACHE_SHARED ? sb_source_close(&o->source) : 0;
    for (uint32_t t = 0; t < o->bench->threads; t++) {
        struct stream *s = o->streams[t];
        /* The first failure is the one that is told; all sources are closed. */
        int closed = s && s->opened ? sb_source_close(&s->source) : 0;
        status = status ? status : closed;
        free(s);
    }
    int judged = judge_methods(o);
    free((void *)o->streams);
    free(o);
    return status ? status : judged;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "objects",
    .summary = "blocks of one size, freed in pairs, in order, in reverse or at random",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .operation = "an allocation and its free",
    .needs = objects_needs,
    .setup = objects_setup,
    .thread_setup = objects_thread_setup,
    .step = objects_step,
    .verify = objects_verify,
    .account = objects_account,
    .dump = objects_dump,
    .dump_files = "constructors",
    .thread_teardown = objects_thread_teardown,
    .teardown = objects_teardown,
};
