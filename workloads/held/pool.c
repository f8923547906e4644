/*
 * pool: a mempool whose elements come from functions of the workload's own, as LDD3's mempool_create takes them.
 *
 * Each thread has a pool. Its functions deal out `supply` elements of the workload's own memory and then fail, as a
 * backing allocator does that has nothing left: from there on the reserve serves. So the share of the reserve is known
 * beforehand: with all elements live it is min_nr of them. With `resize` the reserve has another size in every second
 * cycle, by mempool_resize while nothing lives.
 *
 * An operation is one element allocated, written, read back and freed.
 */
#include "held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_MIN_NR, OPTION_SUPPLY, OPTION_COUNT, OPTION_RESIZE, OPTION_SIZE, OPTION_GFP, OPTION_BATCH, OPTIONS };
enum { COUNT_FUNCTION, COUNT_RESERVE, COUNT_RESIZES, COUNTS };

static const char *const counters[COUNTS] = {"from_function", "from_reserve", "resizes"};

static const struct sb_option options[OPTIONS] = {
    [OPTION_MIN_NR] = {"min_nr", SB_OPTION_INT, 0, "64", 0, 1000000, NULL, "elements that a pool holds in reserve"},
    [OPTION_SUPPLY] = {"supply", SB_OPTION_INT, 0, "256", 1, 1000000, NULL,
                       "elements that the pool's functions have in all; the reserve is of them"},
    [OPTION_COUNT] = {"count", SB_OPTION_INT, 0, "256", 1, 1000000, NULL, "elements of each thread that live at once"},
    [OPTION_RESIZE] = {"resize", SB_OPTION_INT, 0, "0", 0, 1000000, NULL,
                       "elements of the reserve in every second cycle; 0: always min_nr"},
    [OPTION_SIZE] = {"size", SB_OPTION_SIZE, 0, "64B", 8, UINT64_C(4) << 20, NULL, "bytes of an element"},
    [OPTION_GFP] = {"gfp", SB_OPTION_GFP, 0, "GFP_ATOMIC", 0, 0, NULL, "with which elements are asked for"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "256", 1, 65536, NULL,
                      "calls of a step, timed together between two readings of the clock"},
};

/* Of the workload's own memory, which the plan doesn't count. */
#define MOST_BYTES (UINT64_C(256) << 20)

struct pool {
    const struct sb_pool_ops *ops;
    uint32_t min_nr, resize;
    uint64_t supply, size;
    sb_gfp_t gfp;
};

/* A thread's elements: what the functions have left of them. */
struct elements {
    void *pool;
    char *memory;
    void **left;
    uint64_t n;
    bool served; /* by the function, in the call under way */
    bool resized;
    uint64_t from_function, from_reserve; /* ever, for the dump */
};

static void *element_alloc(sb_gfp_t gfp, void *data)
{
    struct elements *e = data;
    (void)gfp;
    e->served = e->n;
    return e->n ? e->left[--e->n] : NULL;
}

static void element_free(void *element, void *data)
{
    struct elements *e = data;
    e->left[e->n++] = element;
}

static void *pool_take(struct held_stream *s, uint64_t i)
{
    const struct pool *p = s->held->own;
    struct elements *e = s->own;
    (void)i;
    void *element = p->ops->alloc(e->pool, p->gfp);
    s->counts->counters[COUNT_FUNCTION] += element && e->served;
    s->counts->counters[COUNT_RESERVE] += element && !e->served;
    e->from_function += element && e->served;
    e->from_reserve += element && !e->served;
    return element;
}

static void pool_give(struct held_stream *s, uint64_t i)
{
    const struct pool *p = s->held->own;
    p->ops->free(((struct elements *)s->own)->pool, s->blocks[i]);
}

static int pool_use(struct held_stream *s, uint64_t i)
{
    uint64_t tag = held_tag(s, i);
    memcpy(s->blocks[i], &tag, sizeof(tag));
    return 0;
}

static int pool_prove(struct held_stream *s, uint64_t i)
{
    uint64_t tag = held_tag(s, i);
    return memcmp(s->blocks[i], &tag, sizeof(tag)) ? held_bad(s, i) : 0;
}

/* Elements are not the allocator's memory: the host has no business with their addresses. */
static const void *pool_address(const struct held_stream *s, uint64_t i)
{
    (void)s, (void)i;
    return NULL;
}

/* All elements are home: the reserve holds what it should, the functions the rest. */
static int pool_turn(struct held_stream *s)
{
    const struct pool *p = s->held->own;
    const struct sb_bench *bench = s->held->bench;
    struct elements *e = s->own;
    uint32_t reserve = e->resized ? p->resize : p->min_nr;
    if (e->n + reserve != p->supply) {
        bench->fail(bench->context, "thread %u: of %llu elements the functions have %llu, and the reserve should be %u",
                    s->thread, (unsigned long long)p->supply, (unsigned long long)e->n, reserve);
        return -EBADMSG;
    }
    if (!p->resize)
        return 0;
    e->resized = !e->resized;
    s->counts->counters[COUNT_RESIZES]++;
    int status = p->ops->resize(e->pool, e->resized ? p->resize : p->min_nr);
    if (status)
        bench->fail(bench->context, "thread %u: the pool can't be resized: %s", s->thread, strerror(-status));
    return status;
}

static const struct held_kind kind = {
    .take = pool_take,
    .give = pool_give,
    .use = pool_use,
    .prove = pool_prove,
    .address = pool_address,
    .turn = pool_turn,
    .counted = false,
};

static int pool_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    const uint64_t supply = values[OPTION_SUPPLY].u;
    const int rows[] = {OPTION_MIN_NR, OPTION_RESIZE, OPTION_COUNT};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (values[rows[i]].u > supply) {
            snprintf(why, why_size, "%s: %llu elements are more than the supply of %llu", options[rows[i]].name,
                     (unsigned long long)values[rows[i]].u, (unsigned long long)supply);
            return -EINVAL;
        }
    }
    if (supply * values[OPTION_SIZE].u > MOST_BYTES) {
        snprintf(why, why_size, "supply: %llu elements of %llu bytes are more than 256 MiB, which a thread may have",
                 (unsigned long long)supply, (unsigned long long)values[OPTION_SIZE].u);
        return -EINVAL;
    }
    needs->want = SB_WANT_POOL;
    needs->block_size = values[OPTION_SIZE].u;
    needs->live_bytes = 0; /* of the allocator's */
    needs->cycle_operations = values[OPTION_COUNT].u * (values[OPTION_RESIZE].u ? 2 : 1);
    needs->contents = false;
    return 0;
}

static int pool_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct held *h = NULL;
    int status = held_setup(bench, &kind, values[OPTION_COUNT].u, values[OPTION_BATCH].u, sizeof(struct pool), &h);
    if (status)
        return status;
    *(struct pool *)h->own = (struct pool){.ops = bench->allocator->pool,
                                           .min_nr = (uint32_t)values[OPTION_MIN_NR].u,
                                           .resize = (uint32_t)values[OPTION_RESIZE].u,
                                           .supply = values[OPTION_SUPPLY].u,
                                           .size = (values[OPTION_SIZE].u + 7) & ~UINT64_C(7),
                                           .gfp = (sb_gfp_t)values[OPTION_GFP].u};
    h->size = values[OPTION_SIZE].u;
    *self = h;
    return 0;
}

static int pool_thread_setup(void *self, uint32_t thread, void **state)
{
    struct held *h = self;
    const struct pool *p = h->own;
    int status = held_thread_setup(h, thread, state);
    struct elements *e = status ? NULL : calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    ((struct held_stream *)*state)->own = e;
    e->memory = calloc(p->supply, p->size);
    e->left = calloc(p->supply, sizeof(*e->left));
    if (!e->memory || !e->left)
        return -ENOMEM;
    while (e->n < p->supply) {
        e->left[e->n] = e->memory + e->n * p->size;
        e->n++;
    }
    return p->ops->create(h->bench->self, p->min_nr, element_alloc, element_free, e, &e->pool);
}

static int pool_dump(void *self, const char *file, const struct sb_sink *sink)
{
    const struct held *h = self;
    const struct pool *p = h->own;
    if (strcmp(file, "pools"))
        return -ENOENT;
    for (uint32_t t = 0; t < h->bench->threads; t++) {
        const struct elements *e = h->streams[t]->own;
        char line[160];
        int n = snprintf(line, sizeof(line),
                         "pool %u: reserve %u, supply %llu, from the function %llu, from the reserve %llu\n", t,
                         e->resized ? p->resize : p->min_nr, (unsigned long long)p->supply,
                         (unsigned long long)e->from_function, (unsigned long long)e->from_reserve);
        sink->write(sink->context, line, (size_t)n);
    }
    return 0;
}

static void pool_thread_teardown(void *state)
{
    struct held_stream *s = state;
    if (!s)
        return;
    const struct pool *p = s->held->own;
    struct elements *e = s->own;
    held_thread_teardown(s);
    if (e && e->pool)
        p->ops->destroy(e->pool);
    if (e) {
        free((void *)e->left);
        free(e->memory);
        free(e);
    }
    s->own = NULL;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "pool",
    .summary = "a mempool of elements that the workload makes, with a reserve that is used, and resized",
    .models = "mempool_create, mempool_resize of LDD3, chapter 8",
    .options = options,
    .option_count = OPTIONS,
    .counter_count = COUNTS,
    .counters = counters,
    .operation = "an element allocated, used and freed",
    .needs = pool_needs,
    .setup = pool_setup,
    .thread_setup = pool_thread_setup,
    .step = held_step,
    .verify = held_verify,
    .account = held_account,
    .dump = pool_dump,
    .dump_files = "pools",
    .thread_teardown = pool_thread_teardown,
    .teardown = held_teardown,
};
