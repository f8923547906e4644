/* The stream of a workload that holds blocks: batches of one kind of call, timed together or one by one. */
#include "held.h"

#include <stdlib.h>

int held_setup(const struct sb_bench *bench, const struct held_kind *kind, uint64_t count, uint64_t batch,
               size_t own_size, struct held **out)
{
    struct held *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    /* The host paces calls: a batch would come all at once. */
    *h = (struct held){.kind = kind, .bench = bench, .count = count, .batch = bench->paced ? 1 : batch};
    h->streams = calloc(bench->threads, sizeof(*h->streams));
    h->own = calloc(1, own_size);
    if (!h->streams || !h->own) {
        held_teardown(h);
        return -ENOMEM;
    }
    *out = h;
    return 0;
}

int held_thread_setup(void *held, uint32_t thread, void **state)
{
    struct held *h = held;
    struct held_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *state = h->streams[thread] = s;
    s->held = h;
    s->thread = thread;
    sb_sampler_init(&s->sampler, h->bench, thread);
    /* On the thread itself, which is pinned: its own node's memory. */
    s->blocks = calloc(h->count, sizeof(*s->blocks));
    return s->blocks ? 0 : -ENOMEM;
}

int held_bad(const struct held_stream *s, uint64_t i)
{
    const struct sb_bench *bench = s->held->bench;
    bench->fail(bench->context, "thread %u: block %llu doesn't hold what was written into it", s->thread,
                (unsigned long long)i);
    return -EBADMSG;
}

/* One call alone, the clock's readings right beside it. */
static void *take_singly(struct held_stream *s, uint64_t i)
{
    const struct held *h = s->held;
    uint64_t start = h->bench->now();
    void *block = h->kind->take(s, i);
    sb_sampler_take(&s->sampler, SB_CALL_ALLOC, h->bench->now() - start);
    return block;
}

static void give_singly(struct held_stream *s, uint64_t i)
{
    const struct held *h = s->held;
    uint64_t start = h->bench->now();
    h->kind->give(s, i);
    sb_sampler_take(&s->sampler, SB_CALL_FREE, h->bench->now() - start);
}

static int step_takes(struct held_stream *s, uint64_t n, struct sb_counts *counts)
{
    const struct held *h = s->held;
    const struct held_kind *kind = h->kind;
    const bool singly = sb_sampler_due(&s->sampler);
    void *(*const take)(struct held_stream *, uint64_t) = singly ? take_singly : kind->take;
    uint64_t first = s->at, got = 0, start = h->bench->now();
    while (got < n && (s->blocks[first + got] = take(s, first + got)))
        got++;
    uint64_t end = h->bench->now();
    int status = got < n ? -ENOMEM : 0;
    for (uint64_t i = first; i < first + got; i++) {
        int used = kind->use(s, i);
        status = status ? status : used;
    }
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
    return status;
}

static int step_gives(struct held_stream *s, uint64_t n, struct sb_counts *counts)
{
    const struct held *h = s->held;
    const bool singly = sb_sampler_due(&s->sampler);
    void (*const give)(struct held_stream *, uint64_t) = singly ? give_singly : h->kind->give;
    int status = 0;
    for (uint64_t i = s->at; i < s->at + n && !status; i++)
        status = h->kind->prove(s, i);
    if (status)
        return status;
    uint64_t start = h->bench->now();
    for (uint64_t i = s->at; i < s->at + n; i++)
        give(s, i);
    uint64_t end = h->bench->now();
    if (singly) {
        counts->sampled_frees += n;
    } else {
        counts->free_ticks += end - start;
        counts->free_batches++;
    }
    counts->frees += n;
    counts->operations += n;
    counts->bytes += n * h->size;
    s->at += n;
    s->live -= n;
    return 0;
}

int held_step(void *stream, struct sb_counts *counts)
{
    struct held_stream *s = stream;
    const struct held *h = s->held;
    uint64_t left = h->count - s->at, batch = sb_step_calls(h->bench, h->batch), n = left < batch ? left : batch;
    s->counts = counts;
    int status = s->freeing ? step_gives(s, n, counts) : step_takes(s, n, counts);
    /* A step never crosses the turn: a batch is of one kind of call. */
    if (!status && s->at == h->count) {
        if (s->freeing && h->kind->turn)
            status = h->kind->turn(s);
        s->cycle += s->freeing;
        s->freeing = !s->freeing;
        s->at = 0;
    }
    return status;
}

static void live_range(const struct held_stream *s, uint64_t *first, uint64_t *end)
{
    *first = s->freeing ? s->at : 0;
    *end = s->freeing ? s->held->count : s->at;
}

int held_verify(void *held)
{
    const struct held *h = held;
    int status = 0;
    for (uint32_t t = 0; t < h->bench->threads; t++) {
        struct held_stream *s = h->streams[t];
        struct sb_counts none = {0};
        uint64_t first, end;
        s->counts = &none;
        live_range(s, &first, &end);
        for (uint64_t i = first; i < end && !status; i++) {
            const void *at = h->kind->address(s, i);
            if (at)
                h->bench->live_block(h->bench->context, at, h->size, h->align);
            status = h->kind->prove(s, i);
        }
        s->counts = NULL;
    }
    return status;
}

int held_account(void *held, struct sb_account *account)
{
    const struct held *h = held;
    for (uint32_t t = 0; t < h->bench->threads && h->kind->counted; t++) {
        account->live += h->streams[t]->live;
        account->requested_bytes += h->streams[t]->live * h->size;
    }
    return 0;
}

void held_thread_teardown(void *stream)
{
    struct held_stream *s = stream;
    struct sb_counts counts = {0};
    uint64_t first, end;
    if (!s)
        return;
    s->counts = &counts;
    /* Also of a thread whose setup broke off in the middle. */
    live_range(s, &first, &end);
    for (uint64_t i = first; i < end && s->live; i++)
        s->held->kind->give(s, i);
    free((void *)s->blocks);
    s->blocks = NULL;
    s->live = 0;
}

int held_teardown(void *held)
{
    struct held *h = held;
    for (uint32_t t = 0; h->streams && t < h->bench->threads; t++)
        free(h->streams[t]);
    free((void *)h->streams);
    free(h->own);
    free(h);
    return 0;
}
