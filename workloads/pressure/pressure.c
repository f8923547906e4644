/*
 * pressure: allocations when memory is short.
 *
 * Each thread first fills memory with single pages (ballast) until the allocator gives NULL, then frees a
 * share of them picked at random: what is free then is the slack, and it lies scattered. After that it
 * allocates blocks of `size` with one kind of gfp flags until it has asked for `demand` of its part of the
 * slack, frees them all, and begins again. A NULL is no end here but counted: what share of the attempts
 * succeeds is the result. With a demand over 100 % the threads contend, and who may sleep waits for what
 * another frees; with one large block at a time (demand = 0 %) it is the search for a big buffer on an aged
 * machine.
 *
 * An operation is one attempt. Threads begin at different places of the cycle, so that some free while others
 * ask.
 */
#include "scullbench/random.h"
#include "scullbench/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_GFP, OPTION_SIZE, OPTION_WANT, OPTION_SLACK, OPTION_DEMAND, OPTION_BATCH, OPTIONS };
enum { COUNT_FAILED, COUNTERS };
enum { MOST_BALLAST = 1 << 24, CYCLE = 1000 };

static const char *const wants[] = {"cache", "pages", "virtual", NULL};
static const char *const counters[COUNTERS] = {"failed_allocs"};

static const struct sb_option options[OPTIONS] = {
    [OPTION_GFP] = {"gfp", SB_OPTION_GFP, 0, "GFP_KERNEL", 0, 0, NULL, "with which the contest's blocks are asked for"},
    [OPTION_SIZE] = {"size", SB_OPTION_SIZE, 0, "4KiB", 8, UINT64_C(64) << 20, NULL, "bytes of a block"},
    [OPTION_WANT] = {"want", SB_OPTION_ENUM, 0, "cache", 0, 0, wants,
                     "how blocks are asked for: as objects of a cache, as whole pages, "
                     "or contiguous in virtual space"},
    [OPTION_SLACK] = {"slack", SB_OPTION_PERCENT, 0, "10%", 1, 100, NULL,
                      "share of memory, in single pages at random, that is free when the contest begins"},
    [OPTION_DEMAND] = {"demand", SB_OPTION_PERCENT, 0, "120%", 0, 1000, NULL,
                       "what the threads together ask for before they free again, as a share of the slack; 0%: "
                       "each one block"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "8", 1, 1024, NULL,
                      "attempts of a step, timed together between two readings of the clock"},
};

struct pressure {
    const struct sb_bench *bench;
    struct sb_source ballast, blocks;
    sb_gfp_t gfp;
    uint64_t size, slack, demand, batch;
    struct stream **streams;
};

struct stream {
    struct pressure *pressure;
    struct sb_random random;
    struct sb_sampler sampler;
    void **ballast;
    uint64_t nr_ballast, ballast_capacity;
    void **blocks;
    uint64_t live, asked, target; /* in this cycle */
    bool tagged;                  /* its blocks are all of the survey, and say whose they are */
    bool freeing;                 /* paced: one block a step */
};

static int pressure_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    needs->want = SB_WANT_CACHE + (uint32_t)values[OPTION_WANT].u;
    needs->block_size = values[OPTION_SIZE].u;
    /* One block at least: how much there will be depends on what the allocator leaves. */
    needs->live_bytes = values[OPTION_SIZE].u;
    needs->cycle_operations = CYCLE;
    needs->finite = true;
    return 0;
}

static int pressure_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct pressure *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->bench = bench;
    p->gfp = (sb_gfp_t)values[OPTION_GFP].u | SB_GFP_NOWARN;
    p->size = values[OPTION_SIZE].u;
    p->slack = values[OPTION_SLACK].u;
    p->demand = values[OPTION_DEMAND].u;
    p->batch = bench->paced ? 1 : values[OPTION_BATCH].u;
    p->streams = calloc(bench->threads, sizeof(*p->streams));
    int status = p->streams ? sb_source_open(&p->ballast, bench->allocator, bench->self, SB_WANT_PAGES, "ballast",
                                             SB_PAGE_SIZE, 0)
                            : -ENOMEM;
    bool opened = !status;
    if (!status)
        status = sb_source_open(&p->blocks, bench->allocator, bench->self,
                                (enum sb_want)(SB_WANT_CACHE + values[OPTION_WANT].u), "pressure", p->size, 0);
    if (status) {
        if (opened)
            sb_source_close(&p->ballast);
        free((void *)p->streams);
        free(p);
    } else {
        *self = p;
    }
    return status;
}

/* A page of ballast, and a block of the survey, has its own address in its first bytes. */
static void tag(void *block)
{
    uint64_t address = (uintptr_t)block;
    memcpy(block, &address, sizeof(address));
}

static bool is_tagged(const void *block)
{
    uint64_t address = (uintptr_t)block;
    return !memcmp(block, &address, sizeof(address));
}

static int bad_block(const struct pressure *p, const void *block, const char *what)
{
    p->bench->fail(p->bench->context, "%s at %p doesn't hold what was written into it", what, block);
    return -EBADMSG;
}

/* Down to the last page, the reserve too: the contest is for what is then given back. */
static int fill(struct stream *s)
{
    const struct pressure *p = s->pressure;
    void *page;
    while (s->nr_ballast < MOST_BALLAST && (page = sb_source_alloc(&p->ballast, SB_GFP_MEMALLOC | SB_GFP_NOWARN))) {
        if (s->nr_ballast == s->ballast_capacity) {
            uint64_t capacity = s->ballast_capacity ? 2 * s->ballast_capacity : 4096;
            void **grown = realloc((void *)s->ballast, capacity * sizeof(*grown));
            if (!grown) {
                sb_source_free(&p->ballast, page);
                return -ENOMEM;
            }
            s->ballast = grown;
            s->ballast_capacity = capacity;
        }
        tag(page);
        s->ballast[s->nr_ballast++] = page;
    }
    return 0;
}

/* Frees `n` pages picked at random; returns how many there were. */
static uint64_t free_some(struct stream *s, uint64_t n)
{
    uint64_t freed = 0;
    for (; freed < n && s->nr_ballast; freed++) {
        /* At random places, so that the room is in pieces: order-0 pages are easy then, larger blocks
           aren't. */
        uint64_t i = sb_random_below(&s->random, s->nr_ballast);
        sb_source_free(&s->pressure->ballast, s->ballast[i]);
        s->ballast[i] = s->ballast[--s->nr_ballast];
    }
    return freed;
}

static int pressure_thread_setup(void *self, uint32_t thread, void **state)
{
    struct pressure *p = self;
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *state = p->streams[thread] = s;
    s->pressure = p;
    s->random = sb_random_fork(p->bench->seed, thread);
    sb_sampler_init(&s->sampler, p->bench, thread);
    int status = fill(s);
    if (status)
        return status;
    /* Rounded up: a little memory must be free, or every attempt fails. */
    uint64_t slack = free_some(s, (s->nr_ballast * p->slack + 99) / 100);
    s->target = slack * SB_PAGE_SIZE / 100 * p->demand / p->size;
    if (!s->target)
        s->target = 1;
    /* Threads stand at different places of their cycles, or all would free at once. */
    s->asked = s->target * thread / p->bench->threads;
    s->blocks = calloc(s->target, sizeof(*s->blocks));
    return s->blocks ? 0 : -ENOMEM;
}

/* Blocks that were asked for while nothing was timed are proved to be still what they were. */
static int prove_blocks(struct stream *s)
{
    const struct pressure *p = s->pressure;
    for (uint64_t i = 0; i < s->live && s->tagged; i++) {
        if (!is_tagged(s->blocks[i]))
            return bad_block(p, s->blocks[i], "a block");
    }
    return 0;
}

/* Timed as a batch, or one by one. */
static void free_some_blocks(struct stream *s, uint64_t most, struct sb_counts *counts)
{
    const struct pressure *p = s->pressure;
    bool singly = sb_sampler_due(&s->sampler);
    uint64_t freed = 0, start = p->bench->now();
    for (; s->live && freed < most; freed++) {
        s->live--;
        if (singly)
            sb_sampler_free(&s->sampler, &p->blocks, s->blocks[s->live]);
        else
            sb_source_free(&p->blocks, s->blocks[s->live]);
    }
    uint64_t end = p->bench->now();
    counts->frees += freed;
    if (singly) {
        counts->sampled_frees += freed;
    } else if (freed) {
        counts->free_ticks += end - start;
        counts->free_batches++;
    }
    /* Paced, each free is a call of its own, at its own time. */
    s->freeing = s->live != 0;
    if (!s->freeing)
        s->asked = 0;
}

static int pressure_step(void *state, struct sb_counts *counts)
{
    struct stream *s = state;
    const struct pressure *p = s->pressure;
    uint64_t left = s->target - s->asked, batch = sb_step_calls(p->bench, p->batch), n = left < batch ? left : batch,
             got = 0;
    int status = 0;
    if (s->freeing) {
        free_some_blocks(s, 1, counts);
        return 0;
    }
    if (!s->live)
        s->tagged = p->bench->proving;
    bool singly = sb_sampler_due(&s->sampler);
    uint64_t start = p->bench->now();
    for (uint64_t i = 0; i < n; i++) {
        void *block = singly ? sb_sampler_alloc(&s->sampler, &p->blocks, p->gfp) : sb_source_alloc(&p->blocks, p->gfp);
        if (block) {
            s->blocks[s->live++] = block;
            got++;
        }
    }
    uint64_t end = p->bench->now();
    /* One cycle may begin in the survey and end after it: its later blocks are tagged as well. */
    for (uint64_t i = s->live - got; i < s->live && s->tagged; i++)
        tag(s->blocks[i]);
    /* A NULL is this workload's result, and no failure of its own. */
    counts->attempts += n;
    counts->allocs += got;
    if (singly) {
        counts->sampled_allocs += n;
    } else {
        counts->alloc_ticks += end - start;
        counts->alloc_batches++;
    }
    counts->counters[COUNT_FAILED] += n - got;
    counts->operations += n;
    counts->bytes += got * p->size;
    s->asked += n;
    if (s->asked < s->target)
        return 0;
    if (p->bench->proving)
        status = prove_blocks(s);
    free_some_blocks(s, p->bench->paced ? 1 : UINT64_MAX, counts);
    return status;
}

static int pressure_verify(void *self)
{
    const struct pressure *p = self;
    const struct sb_bench *bench = p->bench;
    for (uint32_t t = 0; t < bench->threads; t++) {
        const struct stream *s = p->streams[t];
        int status = 0;
        for (uint64_t i = 0; i < s->nr_ballast; i++)
            bench->live_block(bench->context, s->ballast[i], SB_PAGE_SIZE, p->ballast.align);
        for (uint64_t i = 0; i < s->live; i++)
            bench->live_block(bench->context, s->blocks[i], p->size, p->blocks.align);
        for (uint64_t i = 0; i < s->nr_ballast && !status; i++)
            status = is_tagged(s->ballast[i]) ? 0 : bad_block(p, s->ballast[i], "a page of ballast");
        if (!status)
            status = prove_blocks(p->streams[t]);
        if (status)
            return status;
    }
    return 0;
}

static int pressure_account(void *self, struct sb_account *account)
{
    const struct pressure *p = self;
    for (uint32_t t = 0; t < p->bench->threads; t++) {
        const struct stream *s = p->streams[t];
        if (!s)
            continue;
        account->live += s->nr_ballast + s->live;
        account->requested_bytes += s->nr_ballast * SB_PAGE_SIZE + s->live * p->size;
    }
    return 0;
}

static void pressure_thread_teardown(void *state)
{
    struct stream *s = state;
    if (!s)
        return;
    while (s->live)
        sb_source_free(&s->pressure->blocks, s->blocks[--s->live]);
    free_some(s, s->nr_ballast);
    free((void *)s->blocks);
    free((void *)s->ballast);
}

static int pressure_teardown(void *self)
{
    struct pressure *p = self;
    int status = sb_source_close(&p->blocks), other = sb_source_close(&p->ballast);
    for (uint32_t t = 0; t < p->bench->threads; t++)
        free(p->streams[t]);
    free((void *)p->streams);
    free(p);
    return status ? status : other;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "pressure",
    .summary = "allocations when memory is short: which succeed, by gfp flags, and how long they take",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .counter_count = COUNTERS,
    .counters = counters,
    .operation = "an attempt to allocate a block",
    .needs = pressure_needs,
    .setup = pressure_setup,
    .thread_setup = pressure_thread_setup,
    .step = pressure_step,
    .verify = pressure_verify,
    .account = pressure_account,
    .thread_teardown = pressure_thread_teardown,
    .teardown = pressure_teardown,
};
