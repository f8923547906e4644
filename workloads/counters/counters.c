/*
 * counters: many threads count events in one number.
 *
 * LDD3, 8.4, is why there are per-CPU variables: "each processor on the system gets its own copy", so that counting
 * needs no lock and no cache line that travels. Each way of counting here is one of those that a driver has: an atomic
 * number for all; an array with a number per thread, side by side or each in a cache line of its own; a per-CPU
 * variable between get_cpu_var and put_cpu_var, by this_cpu_add, or defined statically; and percpu_counter, which folds
 * a CPU's part into the sum when it has reached a batch.
 *
 * An operation is one event counted. At the end the number must be the sum of all that the threads counted.
 */
#include "scullbench/workload.h"

#include <stdlib.h>

enum { OPTION_WAY, OPTION_FOLD, OPTION_BATCH, OPTIONS };
enum way { WAY_SHARED, WAY_ARRAY, WAY_PADDED, WAY_GET_CPU, WAY_THIS_CPU, WAY_STATIC, WAY_COUNTER };

static const char *const ways[] = {"shared",   "array",  "padded",         "get_cpu",
                                   "this_cpu", "static", "percpu_counter", NULL};

static const struct sb_option options[OPTIONS] = {
    [OPTION_WAY] = {"way", SB_OPTION_ENUM, 0, "this_cpu", 0, 0, ways,
                    "what is counted in: one atomic number; a number per thread, side by side or apart; a per-CPU "
                    "variable held by get_cpu_var, added to by this_cpu_add, or static; a percpu_counter"},
    [OPTION_FOLD] = {"fold", SB_OPTION_INT, 0, "32", 1, UINT64_C(1) << 32, NULL,
                     "way = percpu_counter: what a CPU counts before it adds that to the sum"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "1024", 1, 65536, NULL, "events of a step"},
};

struct counters {
    const struct sb_bench *bench;
    const struct sb_percpu_ops *ops;
    enum way way;
    uint64_t batch;
    void *cookie;       /* of the number, or of CPU 0's array; NULL for a percpu_counter */
    void *counter;      /* a percpu_counter */
    int64_t begun_with; /* the static number's sum, which may have counted before */
    struct stream **streams;
};

struct stream {
    struct counters *counters;
    int64_t *mine; /* array, padded */
    int64_t counted;
};

static int counters_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    needs->want = SB_WANT_PERCPU;
    needs->block_size = sizeof(int64_t);
    needs->live_bytes = sizeof(int64_t);
    needs->cycle_operations = values[OPTION_BATCH].u;
    needs->contents = true;
    return 0;
}

static int64_t *copy_of(const struct counters *c, unsigned cpu)
{
    return c->ops->per_cpu_ptr(c->bench->self, c->cookie, cpu);
}

/* While nobody counts. */
static int64_t sum_of(const struct counters *c)
{
    int64_t sum = 0;
    switch (c->way) {
    case WAY_SHARED:
        return *copy_of(c, 0);
    case WAY_COUNTER:
        return c->ops->counter_sum(c->counter);
    case WAY_ARRAY:
    case WAY_PADDED:
        for (uint32_t t = 0; t < c->bench->threads; t++)
            sum += c->streams[t] && c->streams[t]->mine ? *c->streams[t]->mine : 0;
        return sum;
    case WAY_GET_CPU:
    case WAY_THIS_CPU:
    case WAY_STATIC:
        for (unsigned cpu = 0; cpu < c->bench->nr_cpus; cpu++)
            sum += *copy_of(c, cpu);
        break;
    }
    return sum;
}

static int open_number(struct counters *c, const union sb_value *values)
{
    void *self = c->bench->self;
    size_t size = sizeof(int64_t) * (c->way == WAY_ARRAY ? c->bench->threads : 1);
    if (c->way >= WAY_GET_CPU && !c->ops->this_cpu_add) {
        c->bench->fail(c->bench->context, "way = %s: %s offers per-CPU areas, but no calls that count in them",
                       ways[c->way], c->bench->allocator->name);
        return -EOPNOTSUPP;
    }
    if (c->way == WAY_COUNTER)
        return c->ops->counter_create(self, (int64_t)values[OPTION_FOLD].u, &c->counter);
    c->cookie = c->way == WAY_STATIC ? c->ops->static_number(self) : c->ops->alloc_percpu(self, size, 64);
    if (!c->cookie)
        return -ENOMEM;
    c->begun_with = c->way == WAY_STATIC ? sum_of(c) : 0;
    return 0;
}

static int counters_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct counters *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->bench = bench;
    c->ops = bench->allocator->percpu;
    c->way = (enum way)values[OPTION_WAY].u;
    c->batch = bench->paced ? 1 : values[OPTION_BATCH].u;
    c->streams = calloc(bench->threads, sizeof(*c->streams));
    int status = c->streams ? open_number(c, values) : -ENOMEM;
    if (status) {
        free((void *)c->streams);
        free(c);
    } else {
        *self = c;
    }
    return status;
}

static int counters_thread_setup(void *self, uint32_t thread, void **state)
{
    struct counters *c = self;
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *state = c->streams[thread] = s;
    s->counters = c;
    if (c->way == WAY_ARRAY)
        s->mine = copy_of(c, 0) + thread;
    /* Another CPU's copy is far enough away; there are at least as many as threads. */
    if (c->way == WAY_PADDED)
        s->mine = copy_of(c, thread);
    return 0;
}

/* A number that one thread alone writes, stored at each event as a driver's would be. */
static void count_own(int64_t *number, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        __atomic_store_n(number, __atomic_load_n(number, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

static void count(const struct stream *s, uint64_t n)
{
    const struct counters *c = s->counters;
    const struct sb_percpu_ops *ops = c->ops;
    void *self = c->bench->self, *cookie = c->cookie;
    switch (c->way) {
    case WAY_SHARED: {
        int64_t *number = copy_of(c, 0);
        for (uint64_t i = 0; i < n; i++)
            __atomic_fetch_add(number, 1, __ATOMIC_RELAXED);
        break;
    }
    case WAY_ARRAY:
    case WAY_PADDED:
        count_own(s->mine, n);
        break;
    case WAY_GET_CPU:
        for (uint64_t i = 0; i < n; i++) {
            count_own(ops->get_cpu_ptr(self, cookie), 1);
            ops->put_cpu(self);
        }
        break;
    case WAY_THIS_CPU:
    case WAY_STATIC:
        for (uint64_t i = 0; i < n; i++)
            ops->this_cpu_add(self, cookie, 1);
        break;
    case WAY_COUNTER:
        for (uint64_t i = 0; i < n; i++)
            ops->counter_add(c->counter, 1);
        break;
    }
}

static int counters_step(void *state, struct sb_counts *counts)
{
    struct stream *s = state;
    uint64_t n = sb_step_calls(s->counters->bench, s->counters->batch);
    count(s, n);
    s->counted += (int64_t)n;
    counts->operations += n;
    counts->bytes += n * sizeof(int64_t);
    return 0;
}

static int counters_verify(void *self)
{
    const struct counters *c = self;
    int64_t counted = c->begun_with, sum = sum_of(c);
    for (uint32_t t = 0; t < c->bench->threads; t++)
        counted += c->streams[t] ? c->streams[t]->counted : 0;
    if (sum == counted)
        return 0;
    c->bench->fail(c->bench->context, "way = %s: %lld events were counted, the number says %lld", ways[c->way],
                   (long long)counted, (long long)sum);
    return -EBADMSG;
}

/* One block, of which every CPU has a copy; a static one is nobody's. */
static int counters_account(void *self, struct sb_account *account)
{
    const struct counters *c = self;
    account->live = c->way != WAY_STATIC;
    account->requested_bytes = account->live * sizeof(int64_t) * (c->way == WAY_ARRAY ? c->bench->threads : 1);
    return 0;
}

static void counters_thread_teardown(void *state)
{
    (void)state; /* the numbers are summed after it */
}

static int counters_teardown(void *self)
{
    struct counters *c = self;
    if (c->counter)
        c->ops->counter_destroy(c->counter);
    else if (c->way != WAY_STATIC)
        c->ops->free_percpu(c->bench->self, c->cookie);
    for (uint32_t t = 0; t < c->bench->threads; t++)
        free(c->streams[t]);
    free((void *)c->streams);
    free(c);
    return 0;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "counters",
    .summary = "events counted by all threads in one number: shared, per thread, per CPU, percpu_counter",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .operation = "an event counted",
    .needs = counters_needs,
    .setup = counters_setup,
    .thread_setup = counters_thread_setup,
    .step = counters_step,
    .verify = counters_verify,
    .account = counters_account,
    .thread_teardown = counters_thread_teardown,
    .teardown = counters_teardown,
};
