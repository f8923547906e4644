/*
 * One trial, from open to leak check.
 *
 * The main thread directs: it gives an order, all workers carry it out between two barriers, and while they
 * wait it looks at the allocator undisturbed. Workers are pinned before they touch memory. Phases:
 * setup, survey (checkpoints at fixed operation counts), warm-up, measure, snapshot, verify, tear down,
 * leak check. Only the measured phase is counted.
 *
 * A worker whose step fails does nothing more but keeps coming to the barriers, so no one hangs on it. After
 * wrong contents or a failed check nothing is torn down: the structures are not to be trusted.
 */
#define _GNU_SOURCE
#include "trial/trial.h"

#include "base/clock.h"
#include "base/diag.h"
#include "measure/footprint.h"
#include "measure/pmu.h"
#include "plugin/plugin.h"
#include "scullbench/workload.h"
#include "topology/topology.h"
#include "trial/physmem.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum order { ORDER_SETUP, ORDER_SURVEY, ORDER_WARMUP, ORDER_MEASURE, ORDER_TEARDOWN };

struct block {
    const char *at;
    uint64_t size, align;
};

struct worker {
    struct trial *trial;
    uint32_t index;
    pthread_t thread;
    void *state;
    int status; /* of its first failure; 0 while all is well */
    char *why;
    struct sb_counts counts;                  /* since the phase began */
    uint64_t closed_operations, closed_bytes; /* what lies in the common window */
    double closed_ns;
    uint64_t begin_tick; /* when its measured phase began: the common start, or later if it was late */
    struct sb_pmu_counters pmu;
    struct sb_pmu_reading *readings;
    bool *counted, *opened;
};

struct trial {
    const struct sb_trial_spec *spec;
    FILE *out;
    const struct sb_clock *clock;
    struct sb_topology *topology;
    struct sb_physmem memory;
    uint32_t *cpu_node;
    struct sb_plugin *allocator, *workload;
    union sb_value *allocator_options, *workload_options;
    struct sb_host host;
    struct sb_bench bench;
    void *a, *w; /* the opened allocator and workload */
    struct sb_needs needs;
    struct sb_pmu pmu;
    struct worker *workers;

    pthread_barrier_t gate;
    enum order order;
    uint64_t target;                  /* survey: operations since its start */
    uint64_t start_tick;              /* measure: the common start */
    _Atomic uint64_t window_end_tick; /* measure: when the common window closes */

    pthread_mutex_t fail_lock;
    char fail_text[512];

    struct {
        struct block *at;
        size_t n, capacity;
    } blocks;
    struct {
        struct sb_series *at;
        size_t n, capacity;
    } series;
    uint64_t peak_requested;
    double kept_bytes; /* held when everything was freed; negative: not known */
    int64_t resident_before;
    struct {
        struct sb_dump *at;
        size_t n, capacity;
    } dumps; /* at the checkpoint with most live */
};

/* ---- services for plugins ---- */

static void take_fail(void *context, const char *format, ...)
{
    struct trial *t = context;
    va_list args;
    pthread_mutex_lock(&t->fail_lock);
    va_start(args, format);
    vsnprintf(t->fail_text, sizeof(t->fail_text), format, args);
    va_end(args);
    pthread_mutex_unlock(&t->fail_lock);
}

static void take_block(void *context, const void *block, uint64_t size, uint64_t align)
{
    struct trial *t = context;
    *SB_VEC_ADD(&t->blocks) = (struct block){block, size, align};
}

/* The plugin's own words, if it had any. */
static char *reason_or(struct trial *t, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    pthread_mutex_lock(&t->fail_lock);
    if (*t->fail_text)
        text = sb_strdup(t->fail_text);
    pthread_mutex_unlock(&t->fail_lock);
    if (text)
        return text;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}

/* ---- workers ---- */

static void fail_worker(struct worker *w, int status, char *why)
{
    if (!w->status) {
        w->status = status;
        w->why = why;
    } else {
        free(why);
    }
}

static void step(struct worker *w)
{
    int status = w->trial->workload->workload.step(w->state, &w->counts);
    if (status)
        fail_worker(w, status, NULL);
}

/* Pinned before anything is touched, so that first-touch memory of the thread lies near its CPU. */
static void do_setup(struct worker *w)
{
    struct trial *t = w->trial;
    char *why = NULL;
    int status = sb_topology_pin(t->topology, t->spec->cpus[w->index], &why);
    if (!status)
        status = t->workload->workload.thread_setup(t->w, w->index, &w->state);
    if (status)
        fail_worker(w, status == -ENOMEM ? -EIO : status,
                    why ? why : sb_printf("the workload's thread can't be set up: %s", strerror(-status)));
    sb_pmu_open(&t->pmu, &w->pmu);
    w->readings = sb_calloc(t->pmu.n, sizeof(*w->readings));
    w->counted = sb_calloc(t->pmu.n, sizeof(*w->counted));
    w->opened = sb_calloc(t->pmu.n, sizeof(*w->opened));
    for (size_t i = 0; i < t->pmu.n; i++)
        w->opened[i] = w->pmu.fds[i] >= 0;
}

/* Targets are cumulative: a step that overshoots one checkpoint shortens the way to the next. */
static void do_survey(struct worker *w)
{
    while (!w->status && w->counts.operations < w->trial->target)
        step(w);
}

/* By time: caches and predictors don't know what an operation is. */
static void do_warmup(struct worker *w)
{
    uint64_t end = sb_now_ns() + w->trial->spec->trial[SB_TRIAL_WARMUP].u;
    while (!w->status && sb_now_ns() < end)
        step(w);
}

/* What lies in the common window: all steps up to the first one that ends after its close. */
static void close_window(struct worker *w, uint64_t tick)
{
    struct trial *t = w->trial;
    w->closed_operations = w->counts.operations;
    w->closed_bytes = w->counts.bytes;
    w->closed_ns = (double)(tick - w->begin_tick) * t->clock->ns_per_tick;
}

static void do_measure(struct worker *w)
{
    struct trial *t = w->trial;
    uint64_t (*now)(void) = t->clock->now;
    uint64_t operations = t->spec->trial[SB_TRIAL_OPERATIONS].u, tick;
    bool closed = false;

    w->counts = (struct sb_counts){0};
    while (now() < t->start_tick)
        ;
    sb_pmu_start(&w->pmu);
    /* Starting counters takes microseconds of system calls; they are nobody's operations. */
    w->begin_tick = now();
    for (;;) {
        tick = now();
        if (!closed && tick >= atomic_load_explicit(&t->window_end_tick, memory_order_relaxed)) {
            close_window(w, tick);
            closed = true;
        }
        /* A fixed number is done by all, also after the first one has closed the window. */
        if (w->status || (operations ? w->counts.operations >= operations : closed))
            break;
        step(w);
    }
    sb_pmu_stop(&w->pmu);
    if (!closed) {
        uint64_t open = UINT64_MAX;
        atomic_compare_exchange_strong(&t->window_end_tick, &open, tick);
        close_window(w, tick);
    }
    for (size_t i = 0; i < t->pmu.n; i++)
        w->counted[i] = sb_pmu_read(&w->pmu, i, &w->readings[i]);
}

static void do_teardown(struct worker *w)
{
    w->trial->workload->workload.thread_teardown(w->state);
    sb_pmu_close(&w->pmu);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct trial *t = w->trial;
    enum order order;
    do {
        pthread_barrier_wait(&t->gate);
        order = t->order;
        switch (order) {
        case ORDER_SETUP:
            do_setup(w);
            break;
        case ORDER_SURVEY:
            do_survey(w);
            break;
        case ORDER_WARMUP:
            do_warmup(w);
            break;
        case ORDER_MEASURE:
            do_measure(w);
            break;
        case ORDER_TEARDOWN:
            do_teardown(w);
            break;
        }
        pthread_barrier_wait(&t->gate);
    } while (order != ORDER_TEARDOWN);
    return NULL;
}

/* Has all workers carry out an order; returns the status of the first that failed, ever. */
static int command(struct trial *t, enum order order)
{
    t->order = order;
    pthread_barrier_wait(&t->gate);
    pthread_barrier_wait(&t->gate);
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (t->workers[i].status)
            return t->workers[i].status;
    }
    return 0;
}

/* ---- looking ---- */

static struct sb_series *find_series(struct trial *t, const char *name, int key, const char *unit)
{
    for (size_t i = 0; i < t->series.n; i++) {
        if (!strcmp(t->series.at[i].name, name) && t->series.at[i].key == key)
            return &t->series.at[i];
    }
    struct sb_series *series = SB_VEC_ADD(&t->series);
    series->name = sb_strdup(name);
    series->unit = sb_strdup(unit);
    series->key = key;
    return series;
}

static void add_point(struct trial *t, const char *name, int key, const char *unit, double x, double y)
{
    struct sb_series *series = find_series(t, name, key, unit);
    *SB_VEC_ADD(series) = (struct sb_point){x, y};
}

static void append(void *context, const char *text, size_t length)
{
    sb_text_add(context, text, length);
}

/* Files an allocator doesn't have are left out: dump says -ENOENT. */
static void dump_files(struct trial *t, const char *files, void *self,
                       int (*dump)(void *, const char *, const struct sb_sink *))
{
    struct sb_text list = {0};
    sb_text_printf(&list, "%s", files);
    char *state = NULL;
    for (char *file = strtok_r(list.at, " ", &state); file; file = strtok_r(NULL, " ", &state)) {
        struct sb_text text = {0};
        struct sb_sink sink = {&text, append};
        if (!dump(self, file, &sink))
            *SB_VEC_ADD(&t->dumps) = (struct sb_dump){sb_strdup(file), sb_strdup(sb_text_get(&text))};
        sb_text_free(&text);
    }
    sb_text_free(&list);
}

/* The dumps of the fullest moment replace those of a less full one. */
static void take_dumps(struct trial *t)
{
    for (size_t i = 0; i < t->dumps.n; i++) {
        free(t->dumps.at[i].name);
        free(t->dumps.at[i].text);
    }
    t->dumps.n = 0;
    if (t->allocator->allocator.dump_files)
        dump_files(t, t->allocator->allocator.dump_files, t->a, t->allocator->allocator.dump);
    if (t->workload->workload.dump && t->workload->workload.dump_files)
        dump_files(t, t->workload->workload.dump_files, t->w, t->workload->workload.dump);
}

static void look(struct trial *t, struct sb_snapshot *snapshot, struct sb_account *account)
{
    *snapshot = (struct sb_snapshot){.struct_size = sizeof(*snapshot)};
    *account = (struct sb_account){.struct_size = sizeof(*account)};
    t->allocator->allocator.snapshot(t->a, snapshot);
    t->workload->workload.account(t->w, account);
}

/* A checkpoint: one point in every series that this allocator can give. */
static void checkpoint(struct trial *t)
{
    struct sb_snapshot s;
    struct sb_account a;
    uint64_t operations = 0;
    look(t, &s, &a);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        operations += t->workers[i].counts.operations;
    double x = (double)operations;
    add_point(t, "requested_bytes", 0, "B", x, (double)a.requested_bytes);
    if (s.has & SB_HAS_HANDED)
        add_point(t, "handed_bytes", 0, "B", x, (double)s.handed_bytes);
    if (s.has & SB_HAS_HELD)
        add_point(t, "held_bytes", 0, "B", x, (double)s.held_bytes);
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        int64_t resident = sb_resident_bytes() - t->resident_before;
        add_point(t, "resident_bytes", 0, "B", x, resident > 0 ? (double)resident : 0.0);
    }
    for (int order = 0; s.has & SB_HAS_FREE_BLOCKS && order < SB_NR_ORDERS; order++)
        add_point(t, "free_blocks", order, "blocks", x, (double)s.free_blocks[order]);
    if (a.requested_bytes >= t->peak_requested) {
        t->peak_requested = a.requested_bytes;
        if (t->spec->trial[SB_TRIAL_DUMP].u)
            take_dumps(t);
    }
}

/* ---- what is reported ---- */

static void metric(struct trial *t, const char *name, const char *unit, double value)
{
    sb_write_metric(t->out, name, unit, value);
}

/* Never below zero: for very cheap calls the clock's cost can exceed what was timed. */
static double timed(const struct trial *t, uint64_t ticks, uint64_t batches, uint64_t calls)
{
    double ns = (double)ticks * t->clock->ns_per_tick - (double)batches * t->clock->cost_ns;
    return ns > 0 ? ns / (double)calls : 0.0;
}

static void report_calls(struct trial *t, const struct sb_counts *sum)
{
    static const char none[] = "no such call was made in the measured phase";
    /* A NULL costs time as well: what is timed is the call, whatever comes of it. */
    uint64_t calls = sum->attempts ? sum->attempts : sum->allocs;
    if (calls)
        metric(t, "alloc_ns", "ns", timed(t, sum->alloc_ticks, sum->alloc_batches, calls));
    else
        sb_write_unavailable(t->out, "alloc_ns", none);
    if (sum->frees)
        metric(t, "free_ns", "ns", timed(t, sum->free_ticks, sum->free_batches, sum->frees));
    else
        sb_write_unavailable(t->out, "free_ns", none);
    if (sum->alloc_batches)
        metric(t, "allocs_per_batch", "calls", (double)calls / (double)sum->alloc_batches);
    if (sum->attempts)
        metric(t, "success", "%", 100 * (double)sum->allocs / (double)sum->attempts);
    metric(t, "allocs", "calls", (double)sum->allocs);
    metric(t, "frees", "calls", (double)sum->frees);
    for (uint32_t i = 0; i < t->workload->workload.counter_count; i++)
        metric(t, t->workload->workload.counters[i], "calls", (double)sum->counters[i]);
}

/* A window that ends within the first cycle weighs its phases unequally, and may miss what is done rarely. */
static void warn_of_short_window(struct trial *t)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (t->workers[i].closed_operations < least)
            least = t->workers[i].closed_operations;
    }
    if (least >= t->needs.cycle_operations)
        return;
    char *text =
        sb_printf("%s / %s: the measured phase held less than one whole cycle of the workload, so its parts "
                  "weigh unequally: raise duration, or make the devices smaller",
                  t->spec->allocator.name, t->spec->workload.name);
    sb_write_warning(t->out, text);
    free(text);
}

static void report_rates(struct trial *t)
{
    struct sb_counts sum = {0};
    double operations = 0, bytes = 0, longest = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        const struct worker *w = &t->workers[i];
        operations += (double)w->closed_operations / w->closed_ns * 1e9;
        bytes += (double)w->closed_bytes / w->closed_ns * 1e9;
        longest = w->closed_ns > longest ? w->closed_ns : longest;
        sum.operations += w->counts.operations;
        sum.bytes += w->counts.bytes;
        sum.allocs += w->counts.allocs;
        sum.attempts += w->counts.attempts;
        sum.alloc_ticks += w->counts.alloc_ticks;
        sum.alloc_batches += w->counts.alloc_batches;
        sum.frees += w->counts.frees;
        sum.free_ticks += w->counts.free_ticks;
        sum.free_batches += w->counts.free_batches;
        for (uint32_t c = 0; c < SB_MAX_COUNTERS; c++)
            sum.counters[c] += w->counts.counters[c];
    }
    if (operations > 0) {
        metric(t, "ops_per_s", "1/s", operations);
        metric(t, "bytes_per_s", "B/s", bytes);
    } else {
        sb_write_unavailable(t->out, "ops_per_s", "not one operation was finished in the measured phase");
    }
    metric(t, "operations", "operations", (double)sum.operations);
    metric(t, "window_ns", "ns", longest);
    warn_of_short_window(t);
    report_calls(t, &sum);
}

/* Sums over threads; a number that was scaled up says by how much it was. */
static void report_event(struct trial *t, size_t event)
{
    const struct sb_pmu_event *e = &t->pmu.at[event];
    double sum = 0, share = 1;
    if (e->reason) {
        sb_write_unavailable(t->out, e->name, e->reason);
        return;
    }
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        const struct sb_pmu_reading *r = &t->workers[i].readings[event];
        if (!t->workers[i].counted[event]) {
            sb_write_unavailable(
                t->out, e->name,
                t->workers[i].opened[event]
                    ? "not counted: the counter was never scheduled on the hardware"
                    : "not counted: a thread could not open it (too many open files or counters)");
            return;
        }
        double running = (double)r->running_ns / (double)r->enabled_ns;
        sum += (double)r->value / running;
        share = running < share ? running : share;
    }
    metric(t, e->name, "events", sum);
    if (e->user_only) {
        char *text = sb_printf(
            "%s counts user mode only: the kernel doesn't allow more (perf_event_paranoid)", e->name);
        sb_write_warning(t->out, text);
        free(text);
    }
    if (share < 1) {
        char *text = sb_printf("%s was counted %.0f %% of the time and scaled up", e->name, 100 * share);
        sb_write_warning(t->out, text);
        free(text);
    }
}

static double value_at(const struct trial *t, const char *name, size_t i)
{
    for (size_t s = 0; s < t->series.n; s++) {
        if (!strcmp(t->series.at[s].name, name) && t->series.at[s].key == 0 && i < t->series.at[s].n)
            return t->series.at[s].at[i].y;
    }
    return -1;
}

/* Memory at the fullest checkpoint, where every allocator is compared. */
static void report_memory(struct trial *t)
{
    static const char aliases[] = "the allocator hands out the same addresses again and again";
    const char *held_name =
        t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY ? "resident_bytes" : "held_bytes";
    size_t points = t->series.n ? t->series.at[0].n : 0, peak = 0;
    for (size_t i = 1; i < points; i++) {
        if (value_at(t, "requested_bytes", i) > value_at(t, "requested_bytes", peak))
            peak = i;
    }
    double requested = points ? value_at(t, "requested_bytes", peak) : 0;
    double handed = value_at(t, "handed_bytes", peak), held = value_at(t, held_name, peak);
    const char *reason = t->allocator->allocator.flags & SB_ALLOCATOR_ALIASES ? aliases
                         : !points                                            ? "no survey was asked for"
                         : requested <= 0 ? "nothing was live at any checkpoint"
                                          : "the allocator doesn't say";
    if (requested > 0)
        metric(t, "requested_peak", "B", requested);
    if (requested > 0 && held >= 0)
        metric(t, "footprint", "ratio", held / requested);
    else
        sb_write_unavailable(t->out, "footprint", reason);
    if (t->kept_bytes >= 0)
        metric(t, "kept_bytes", "B", t->kept_bytes);
    else
        sb_write_unavailable(t->out, "kept_bytes", "the allocator doesn't say");
    if (requested > 0 && handed > 0)
        metric(t, "internal_fragmentation", "%", 100 * (1 - requested / handed));
    else
        sb_write_unavailable(t->out, "internal_fragmentation", reason);
}

static void report(struct trial *t)
{
    metric(t, "clock_ns", "ns", t->clock->cost_ns);
    report_rates(t);
    for (size_t i = 0; i < t->pmu.n; i++)
        report_event(t, i);
    report_memory(t);
    for (size_t i = 0; i < t->series.n; i++)
        sb_write_series(t->out, &t->series.at[i]);
    for (size_t i = 0; i < t->dumps.n; i++)
        sb_write_dump(t->out, t->dumps.at[i].name, t->dumps.at[i].text);
}

/* ---- proving ---- */

static int by_address(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorted by address, an overlap is always one of neighbours. */
static char *find_bad_block(struct trial *t)
{
    if (t->blocks.n)
        qsort(t->blocks.at, t->blocks.n, sizeof(*t->blocks.at), by_address);
    for (size_t i = 0; i < t->blocks.n; i++) {
        const struct block *b = &t->blocks.at[i];
        if (b->align && (uintptr_t)b->at % b->align)
            return sb_printf("a block of %llu bytes at %p is not aligned to %llu, as was asked for",
                             (unsigned long long)b->size, (const void *)b->at, (unsigned long long)b->align);
    }
    for (size_t i = 1; i < t->blocks.n; i++) {
        const struct block *a = &t->blocks.at[i - 1], *b = &t->blocks.at[i];
        if (a->at + a->size > b->at)
            return sb_printf("two live blocks overlap: %llu bytes at %p and %llu bytes at %p",
                             (unsigned long long)a->size, (const void *)a->at, (unsigned long long)b->size,
                             (const void *)b->at);
    }
    return NULL;
}

/* The allocator's books against what the workload holds. */
static char *compare_books(struct trial *t)
{
    struct sb_snapshot s;
    struct sb_account a;
    look(t, &s, &a);
    if (s.has & SB_HAS_LIVE && s.live != a.live)
        return sb_printf("the allocator counts %llu live blocks, the workload holds %llu",
                         (unsigned long long)s.live, (unsigned long long)a.live);
    if (s.has & SB_HAS_HANDED && s.handed_bytes < a.requested_bytes)
        return sb_printf("the allocator says it handed out %llu bytes, but %llu were requested",
                         (unsigned long long)s.handed_bytes, (unsigned long long)a.requested_bytes);
    return NULL;
}

static enum sb_status check_structures(struct trial *t, char **reason)
{
    char why[512] = "";
    if (!t->allocator->allocator.check(t->a, why, sizeof(why)))
        return SB_STATUS_OK;
    *reason = sb_printf("%s", *why ? why : "the allocator's check() failed without a word");
    return SB_STATUS_CHECK_FAILED;
}

/* Contents, overlaps, structures, books: in the order in which a fault explains the next. */
static enum sb_status prove(struct trial *t, bool books, char **reason)
{
    t->blocks.n = 0;
    int status = t->workload->workload.verify(t->w);
    *reason = find_bad_block(t);
    if (*reason)
        return SB_STATUS_INVALID;
    if (status) {
        *reason = reason_or(t, "the workload's verification failed: %s", strerror(-status));
        return SB_STATUS_INVALID;
    }
    enum sb_status checked = check_structures(t, reason);
    if (checked != SB_STATUS_OK)
        return checked;
    if (books)
        *reason = compare_books(t);
    return *reason ? SB_STATUS_CHECK_FAILED : SB_STATUS_OK;
}

/* What a failed step means. */
static enum sb_status name_failure(struct trial *t, int status, char **reason)
{
    if (status == -ENOMEM) {
        struct sb_account a = {.struct_size = sizeof(a)};
        t->workload->workload.account(t->w, &a);
        *reason = reason_or(t, "the allocator gave NULL with %llu bytes live",
                            (unsigned long long)a.requested_bytes);
        return SB_STATUS_OUT_OF_MEMORY;
    }
    *reason = reason_or(t, "a step failed: %s", strerror(-status));
    return status == -EBADMSG ? SB_STATUS_INVALID : SB_STATUS_ERROR;
}

/* Workers free their own devices, on their own CPUs, as a module's exit would; then nothing may live. */
static enum sb_status tear_down(struct trial *t, char **reason)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    sb_write_phase(t->out, "tear-down");
    *t->fail_text = '\0';
    command(t, ORDER_TEARDOWN);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        pthread_join(t->workers[i].thread, NULL);
    int status = t->workload->workload.teardown(t->w);
    if (status) {
        *reason = reason_or(t, "the workload can't be torn down: %s", strerror(-status));
        return SB_STATUS_CHECK_FAILED;
    }
    t->allocator->allocator.snapshot(t->a, &s);
    if (s.has & SB_HAS_LIVE && s.live) {
        *reason = sb_printf("leak: %llu blocks are live after all was freed", (unsigned long long)s.live);
        return SB_STATUS_CHECK_FAILED;
    }
    if (s.has & SB_HAS_HELD)
        t->kept_bytes = (double)s.held_bytes;
    enum sb_status checked = check_structures(t, reason);
    if (checked == SB_STATUS_OK && t->allocator->allocator.shrink) {
        /* Giving back what was kept goes ways that nothing else does: proved once more. */
        t->allocator->allocator.shrink(t->a);
        checked = check_structures(t, reason);
    }
    if (checked == SB_STATUS_OK)
        t->allocator->allocator.close(t->a);
    return checked;
}

/*
 * The first checkpoint is before the first operation: series begin at zero. Proved is early and at the end of
 * the last cycle, when workloads hold much: where the measured phase ends by the clock, nothing may be live
 * to be proved.
 */
static int survey(struct trial *t, enum sb_status *proved, char **reason)
{
    uint64_t cycles = t->spec->trial[SB_TRIAL_SURVEY].u, points = t->spec->trial[SB_TRIAL_SURVEY_POINTS].u;
    int status = 0;
    *proved = SB_STATUS_OK;
    if (!cycles)
        return 0;
    sb_write_phase(t->out, "survey");
    checkpoint(t);
    for (uint64_t i = 1; i <= points && !status && *proved == SB_STATUS_OK; i++) {
        t->target = cycles * t->needs.cycle_operations * i / points;
        status = command(t, ORDER_SURVEY);
        checkpoint(t);
        if (!status && (i == 1 || i == points))
            *proved = prove(t, true, reason);
    }
    return status;
}

static int measure(struct trial *t)
{
    double ticks_per_ns = 1 / t->clock->ns_per_tick;
    bool fixed = t->spec->trial[SB_TRIAL_OPERATIONS].u;
    sb_write_phase(t->out, "warm-up");
    int status = command(t, ORDER_WARMUP);
    if (status)
        return status;
    sb_write_phase(t->out, "measure");
    /* Far enough off for every worker to be spinning on it by then. */
    t->start_tick = t->clock->now() + (uint64_t)(1e6 * ticks_per_ns);
    atomic_store(&t->window_end_tick,
                 fixed ? UINT64_MAX
                       : t->start_tick +
                             (uint64_t)((double)t->spec->trial[SB_TRIAL_DURATION].u * ticks_per_ns));
    return command(t, ORDER_MEASURE);
}

/* Structures are proved after a failed step as well: out of memory with damaged lists is damage first. */
static enum sb_status run_phases(struct trial *t, char **reason)
{
    enum sb_status failed = SB_STATUS_OK, proved;
    char *proof = NULL;
    int status = command(t, ORDER_SETUP);
    if (status) {
        for (uint32_t i = 0; i < t->spec->threads && !*reason; i++)
            *reason = t->workers[i].why;
        return SB_STATUS_ERROR;
    }
    /* The harness's own memory, sources and shadows and stacks, is all there now: what grows is the
     * allocator's. */
    t->resident_before = sb_resident_bytes();
    status = survey(t, &proved, reason);
    if (proved != SB_STATUS_OK)
        return proved;
    if (!status)
        status = measure(t);
    if (status)
        failed = name_failure(t, status, reason);
    else if (t->spec->trial[SB_TRIAL_DUMP].u && !t->dumps.n)
        take_dumps(t);
    sb_write_phase(t->out, "verify");
    *t->fail_text = '\0';
    if (failed != SB_STATUS_INVALID) {
        proved = prove(t, !status, &proof);
        if (proved != SB_STATUS_OK) {
            free(*reason);
            *reason = proof;
            return proved;
        }
    }
    if (failed != SB_STATUS_OK)
        return failed;
    /* Numbers only once nothing can be found against them any more. */
    proved = tear_down(t, reason);
    if (proved == SB_STATUS_OK)
        report(t);
    return proved;
}

static union sb_value *read_options(const struct sb_plugin *plugin, const struct sb_trial_part *part,
                                    struct sb_diag *diag)
{
    union sb_value *values = sb_calloc(plugin->option_count, sizeof(*values));
    sb_read_section(part->section, plugin->name, plugin->options, plugin->option_count, "file", values, diag);
    return values;
}

/* The plan has judged it already; between plan and trial the file may have changed. */
static struct sb_plugin *load(const struct sb_trial_part *part, enum sb_plugin_kind kind, char **reason)
{
    struct sb_plugin *plugin = sb_plugin_load(part->path);
    if (plugin->refused)
        *reason = sb_printf("%s: %s", plugin->path, plugin->refused);
    else if (plugin->kind != kind)
        *reason = sb_printf("%s is not a plugin of the kind that the trial names", plugin->path);
    return plugin;
}

/* Everything up to the opened workload. */
static int open_all(struct trial *t, char **reason)
{
    const struct sb_allocator *a = &t->allocator->allocator;
    const struct sb_workload *w = &t->workload->workload;
    char why[256] = "";
    int status = 0;
    t->host = (struct sb_host){.struct_size = sizeof(t->host),
                               .nr_cpus = sb_topology_nr_cpus(t->topology),
                               .nr_nodes = 1,
                               .memory_fd = -1,
                               .seed = t->spec->trial[SB_TRIAL_SEED].u,
                               .context = t,
                               .fail = take_fail};
    if (!(a->flags & SB_ALLOCATOR_OS_MEMORY)) {
        status = sb_physmem_open(&t->memory, t->spec->machine, t->topology, reason);
        if (status)
            return status;
        t->host.memory = t->memory.base;
        t->host.memory_size = t->memory.size;
        t->host.memory_fd = t->memory.fd;
        t->host.nr_nodes = t->memory.nr_nodes;
        t->cpu_node = sb_calloc(t->host.nr_cpus, sizeof(*t->cpu_node));
        sb_topology_cpu_nodes(t->topology, t->cpu_node, t->host.nr_cpus);
        t->host.cpu_node = t->cpu_node;
        if (t->memory.warning)
            sb_write_warning(t->out, t->memory.warning);
    }
    status = a->open(&t->host, t->allocator_options, &t->a);
    if (status) {
        *reason = reason_or(t, "the allocator can't be opened: %s", strerror(-status));
        return status;
    }
    t->needs = (struct sb_needs){.struct_size = sizeof(t->needs)};
    status = w->needs(t->workload_options, &t->needs, why, sizeof(why));
    if (status) {
        *reason = sb_printf("%s", why);
        return status;
    }
    t->bench = (struct sb_bench){.struct_size = sizeof(t->bench),
                                 .threads = t->spec->threads,
                                 .seed = t->host.seed,
                                 .allocator = a,
                                 .self = t->a,
                                 .now = t->clock->now,
                                 .context = t,
                                 .fail = take_fail,
                                 .live_block = take_block};
    status = w->setup(&t->bench, t->workload_options, &t->w);
    if (status)
        *reason = reason_or(t, "the workload can't be set up: %s", strerror(-status));
    return status;
}

static int start_workers(struct trial *t, char **reason)
{
    t->workers = sb_calloc(t->spec->threads, sizeof(*t->workers));
    pthread_barrier_init(&t->gate, NULL, t->spec->threads + 1);
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        t->workers[i].trial = t;
        t->workers[i].index = i;
        int error = pthread_create(&t->workers[i].thread, NULL, work, &t->workers[i]);
        if (error) {
            *reason = sb_printf("thread %u can't be started: %s", i, strerror(error));
            return -error;
        }
    }
    return 0;
}

static void free_trial(struct trial *t)
{
    for (uint32_t i = 0; i < t->spec->threads && t->workers; i++) {
        free(t->workers[i].readings);
        free(t->workers[i].counted);
        free(t->workers[i].opened);
    }
    free(t->workers);
    for (size_t i = 0; i < t->series.n; i++) {
        free(t->series.at[i].name);
        free(t->series.at[i].unit);
        free(t->series.at[i].at);
    }
    for (size_t i = 0; i < t->dumps.n; i++) {
        free(t->dumps.at[i].name);
        free(t->dumps.at[i].text);
    }
    SB_VEC_FREE(&t->series);
    SB_VEC_FREE(&t->dumps);
    SB_VEC_FREE(&t->blocks);
    free(t->cpu_node);
    free(t->allocator_options);
    free(t->workload_options);
    sb_plugin_free(t->allocator);
    sb_plugin_free(t->workload);
    sb_pmu_free(&t->pmu);
    sb_physmem_close(&t->memory);
    sb_topology_free(t->topology);
    pthread_barrier_destroy(&t->gate);
    pthread_mutex_destroy(&t->fail_lock);
}

static enum sb_status run_all(struct trial *t, struct sb_diag *diag, char **reason)
{
    sb_write_phase(t->out, "setup");
    t->allocator = load(&t->spec->allocator, SB_PLUGIN_ALLOCATOR, reason);
    if (*reason)
        return SB_STATUS_ERROR;
    t->workload = load(&t->spec->workload, SB_PLUGIN_WORKLOAD, reason);
    if (*reason || sb_topology_load(&t->topology, reason))
        return SB_STATUS_ERROR;
    t->allocator_options = read_options(t->allocator, &t->spec->allocator, diag);
    t->workload_options = read_options(t->workload, &t->spec->workload, diag);
    if (sb_diag_flush(diag, stderr)) {
        *reason = sb_strdup("the trial's text has errors, shown above");
        return SB_STATUS_ERROR;
    }
    sb_pmu_prepare(&t->pmu, t->spec->trial[SB_TRIAL_EVENTS].s);
    if (open_all(t, reason) || start_workers(t, reason))
        return SB_STATUS_ERROR;
    return run_phases(t, reason);
}

enum sb_status sb_trial_run(const struct sb_trial_spec *spec, FILE *out)
{
    struct trial t = {
        .spec = spec, .out = out, .clock = sb_clock_init(), .memory = {.fd = -1}, .kept_bytes = -1};
    struct sb_diag diag = {.file = "trial"};
    char *reason = NULL;
    pthread_mutex_init(&t.fail_lock, NULL);
    enum sb_status status = run_all(&t, &diag, &reason);
    sb_write_status(out, status, reason);
    if (status == SB_STATUS_OK)
        free_trial(&t);
    free(reason);
    return status;
}
