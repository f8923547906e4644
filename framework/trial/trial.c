/*
 * One trial, from open to leak check.
 *
 * The main thread directs: it gives an order, all workers carry it out between two barriers, and while they
 * wait it looks at the allocator undisturbed. Workers are pinned before they touch memory. Phases:
 * setup, survey (checkpoints at fixed operation counts), warm-up, measure, snapshot, verify, tear down,
 * leak check. Only the measured phase is counted. What workers do in them is in phases.c.
 *
 * A worker whose step fails does nothing more but keeps coming to the barriers, so no one hangs on it. After
 * wrong contents or a failed check nothing is torn down: the structures are not to be trusted.
 */
#define _GNU_SOURCE
#include "trial/trial.h"

#include "base/diag.h"
#include "base/units.h"
#include "measure/footprint.h"
#include "trial/inside.h"
#include "trial/layout.h"
#include "trial/mappings.h"
#include "trial/simulate.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
    /* Beside the heap, which may be the allocator's under test, and gone after each proof. */
    if (t->blocks.n == t->blocks.capacity) {
        size_t more = t->blocks.capacity ? 2 * t->blocks.capacity : 4096;
        void *at = mmap(NULL, more * sizeof(struct block), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
            sb_error("no memory for the list of live blocks: %s", strerror(errno));
            abort();
        }
        if (t->blocks.n)
            memcpy(at, t->blocks.at, t->blocks.n * sizeof(struct block));
        if (t->blocks.at)
            munmap(t->blocks.at, t->blocks.capacity * sizeof(struct block));
        t->blocks.at = at;
        t->blocks.capacity = more;
    }
    t->blocks.at[t->blocks.n++] = (struct block){block, size, align};
}

/* Mapped and not allocated: blocks are reported while the heap may be what is examined. */
static void forget_blocks(struct trial *t)
{
    if (t->blocks.at)
        munmap(t->blocks.at, t->blocks.capacity * sizeof(struct block));
    t->blocks.at = NULL;
    t->blocks.n = t->blocks.capacity = 0;
}

/* Of the measured phase alone. The clock's own cost lies in every single call, and is taken off. */
static void take_latency(void *context, uint32_t thread, enum sb_call call, uint64_t ticks)
{
    const struct trial *t = context;
    double ns = (double)ticks * t->clock->ns_per_tick - t->clock->cost_ns;
    if (t->order == ORDER_MEASURE && t->workers[thread].histograms)
        sb_histogram_add(&t->workers[thread].histograms[call],
                         ns > 0 ? (uint64_t)(ns * SB_HISTOGRAM_UNITS + 0.5) : 0);
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

/* Pinned before anything is touched, so that first-touch memory of the thread lies near its CPU. */
static void do_setup(struct worker *w)
{
    struct trial *t = w->trial;
    char *why = NULL;
    int status = sb_topology_pin(t->topology, t->spec->cpus[w->index], &why);
    if (!status)
        status = t->workload->workload.thread_setup(t->w, w->index, &w->state);
    if (!status && t->partner)
        status = t->partner->workload->workload.thread_setup(t->partner->w, w->index, &w->partner_state);
    if (status)
        sb_worker_fail(w, status == -ENOMEM ? -EIO : status,
                       why ? why : sb_printf("the workload's thread can't be set up: %s", strerror(-status)));
    /* On this thread, whose counters they are; also after a failure, so that every worker has the same
       to close. */
    sb_pmu_open(&t->pmu, &w->pmu);
    w->readings = sb_calloc(t->pmu.n, sizeof(*w->readings));
    w->counted = sb_calloc(t->pmu.n, sizeof(*w->counted));
    w->opened = sb_calloc(t->pmu.n, sizeof(*w->opened));
    for (size_t i = 0; i < t->pmu.n; i++)
        w->opened[i] = w->pmu.at[i].fd >= 0;
    if (t->spec->trial[SB_TRIAL_LATENCY].u != SB_LATENCY_OFF || t->spec->trial[SB_TRIAL_RATE].u)
        w->histograms = sb_calloc(SB_HISTOGRAMS, sizeof(*w->histograms));
    /* Touched now: what grows later is the allocator's. */
    for (size_t i = 0; i < SB_HISTOGRAMS && w->histograms; i++)
        memset(&w->histograms[i], 0, sizeof(w->histograms[i]));
}

static void do_teardown(struct worker *w)
{
    struct trial *partner = w->trial->partner;
    w->trial->workload->workload.thread_teardown(w->state);
    if (partner)
        partner->workload->workload.thread_teardown(w->partner_state);
    sb_pmu_close(&w->pmu);
}

/* Orders are carried out until the last one. */
static void serve(struct worker *w)
{
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
            sb_worker_survey(w);
            break;
        case ORDER_WARMUP:
            sb_worker_warm_up(w);
            break;
        case ORDER_DISTANCE:
            sb_worker_play(w);
            break;
        case ORDER_MEASURE:
            sb_worker_measure(w);
            break;
        case ORDER_TEARDOWN:
            do_teardown(w);
            break;
        }
        pthread_barrier_wait(&t->gate);
    } while (order != ORDER_TEARDOWN);
}

/* The stack is moved before anything of the trial lies on it. */
static void *work(void *argument)
{
    struct worker *w = argument;
    size_t shift = sb_layout_stack_shift(w->trial->spec->trial[SB_TRIAL_LAYOUT].u, w->index);
    char *room = __builtin_alloca(shift + 16);
    __asm__ volatile("" : : "r"(room) : "memory");
    /* The same for the thread's heap, whose arenas begin at whole 64 MiB. */
    void *pad = malloc(sb_layout_heap_shift(w->trial->spec->trial[SB_TRIAL_LAYOUT].u, w->index) + 16);
    serve(w);
    free(pad);
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

void sb_trial_add_point(struct trial *t, const char *name, int key, const char *unit, double x, double y)
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
    t->lived |= a.live || a.requested_bytes || (s.has & SB_HAS_LIVE && s.live);
    sb_trial_add_point(t, "requested_bytes", 0, "B", x, (double)a.requested_bytes);
    if (s.has & SB_HAS_HANDED)
        sb_trial_add_point(t, "handed_bytes", 0, "B", x, (double)s.handed_bytes);
    if (s.has & SB_HAS_HELD)
        sb_trial_add_point(t, "held_bytes", 0, "B", x, (double)s.held_bytes);
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        int64_t resident = sb_resident_bytes() - t->resident_before;
        int64_t pss = sb_pss_bytes() - t->pss_before;
        sb_trial_add_point(t, "resident_bytes", 0, "B", x, resident > 0 ? (double)resident : 0.0);
        sb_trial_add_point(t, "pss_bytes", 0, "B", x, pss > 0 ? (double)pss : 0.0);
    }
    for (int order = 0; s.has & SB_HAS_FREE_BLOCKS && order < SB_NR_ORDERS; order++)
        sb_trial_add_point(t, "free_blocks", order, "blocks", x, (double)s.free_blocks[order]);
    if (a.requested_bytes >= t->peak_requested) {
        t->peak_requested = a.requested_bytes;
        if (t->spec->trial[SB_TRIAL_DUMP].u)
            take_dumps(t);
    }
}

/* ---- proving ---- */

static int by_address(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* A block from elsewhere has neither the pages, nor the node, nor the end that the trial says it has. */
static char *find_foreign_block(const struct trial *t)
{
    const char *base = t->memory.base;
    struct sb_mappings mappings = {0};
    char *why = NULL;
    for (size_t i = 0; i < t->blocks.n && base && !why; i++) {
        const struct block *b = &t->blocks.at[i];
        if (b->at >= base && b->at + b->size <= base + t->memory.size)
            continue;
        /* Read where it is needed: vmalloc's are tens of thousands. */
        if (!mappings.n)
            mappings = sb_mappings_read(t->memory.fd);
        if (!sb_mappings_cover(&mappings, b->at, b->size))
            why = sb_printf(
                "a block of %llu bytes at %p lies neither in the trial's memory nor in a second mapping of "
                "it; an allocator with memory of its own says SB_ALLOCATOR_OS_MEMORY",
                (unsigned long long)b->size, (const void *)b->at);
    }
    sb_mappings_free(&mappings);
    return why;
}

/* Sorted by address, an overlap is always one of neighbours. */
static char *find_bad_block(struct trial *t)
{
    char *foreign = find_foreign_block(t);
    if (foreign)
        return foreign;
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
        if (a->at + a->size > b->at && t->allocator->allocator.flags & SB_ALLOCATOR_ALIASES)
            return sb_printf(
                "the workload reported live blocks of an allocator that gives the same addresses to all, "
                "as %s does: it must say needs.contents, or report none where the allocator has "
                "SB_ALLOCATOR_ALIASES",
                t->allocator->name);
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
static enum sb_status prove(struct trial *t, bool books, bool addresses, char **reason)
{
    int status = t->workload->workload.verify(t->w);
    if (addresses)
        sb_trial_map_addresses(t);
    *reason = find_bad_block(t);
    forget_blocks(t);
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

/* What is found against the partner is not the trial's allocator's. */
static enum sb_status of_partner(enum sb_status found, char **reason)
{
    if (found == SB_STATUS_OK)
        return found;
    char *text = sb_printf("of the baseline beside it: %s", *reason ? *reason : "?");
    free(*reason);
    *reason = text;
    return found;
}

static enum sb_status prove_both(struct trial *t, bool books, bool addresses, char **reason)
{
    enum sb_status proved = prove(t, books, addresses, reason);
    if (proved == SB_STATUS_OK && t->partner)
        proved = of_partner(prove(t->partner, books, false, reason), reason);
    return proved;
}

static void set_step_calls(struct trial *t, uint32_t calls)
{
    t->bench.step_calls = calls;
    if (t->partner)
        t->partner->bench.step_calls = calls;
}

static void set_proving(struct trial *t, bool proving)
{
    t->bench.proving = proving;
    if (t->partner)
        t->partner->bench.proving = proving;
}

/* Whose step it was that failed: of several workers the first's, as command() tells of them. */
static struct trial *find_failed(struct trial *t)
{
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (t->workers[i].status)
            return t->workers[i].by_partner ? t->partner : t;
    }
    return t;
}

/* What a failed step means. */
static enum sb_status name_failure(struct trial *trial, int status, char **reason)
{
    struct trial *t = find_failed(trial);
    enum sb_status failed = status == -EBADMSG ? SB_STATUS_INVALID : SB_STATUS_ERROR;
    if (status == -ENOMEM) {
        struct sb_account a = {.struct_size = sizeof(a)};
        t->workload->workload.account(t->w, &a);
        *reason =
            reason_or(t, "the allocator gave NULL with %llu bytes live; asked for are blocks of %llu bytes%s",
                      (unsigned long long)a.requested_bytes, (unsigned long long)t->needs.block_size,
                      t->needs.want == SB_WANT_CACHE ? "" : ", aligned to pages");
        failed = SB_STATUS_OUT_OF_MEMORY;
    } else {
        *reason = reason_or(t, "a step failed: %s", strerror(-status));
    }
    return t == trial ? failed : of_partner(failed, reason);
}

/* After the workers have freed all that is theirs nothing may live. */
static enum sb_status close_all(struct trial *t, char **reason)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
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
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY)
        t->kept_bytes = fmax(0, (double)(sb_resident_bytes() - t->resident_before));
    else if (s.has & SB_HAS_HELD)
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

/* Workers free their own devices, on their own CPUs, as a module's exit would. */
static enum sb_status tear_down(struct trial *t, char **reason)
{
    sb_write_phase(t->out, "tear-down");
    *t->fail_text = '\0';
    command(t, ORDER_TEARDOWN);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        pthread_join(t->workers[i].thread, NULL);
    enum sb_status closed = close_all(t, reason);
    if (closed == SB_STATUS_OK && t->partner)
        closed = of_partner(close_all(t->partner, reason), reason);
    return closed;
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
    if (!cycles || t->simulated)
        return 0;
    sb_write_phase(t->out, "survey");
    uint64_t each = cycles * t->needs.cycle_operations / points;
    /* Of the first cycle, where most lives as a rule; at the end of one as a rule nothing does. */
    const uint64_t middle = points / (2 * cycles) ? points / (2 * cycles) : 1;
    set_proving(t, true);
    /* A batch that is longer than what lies between two checkpoints would step over what they are to see. */
    set_step_calls(t, each < 1 ? 1 : each < UINT32_MAX ? (uint32_t)each : UINT32_MAX);
    checkpoint(t);
    for (uint64_t i = 1; i <= points && !status && *proved == SB_STATUS_OK; i++) {
        uint64_t all = cycles * t->needs.cycle_operations;
        /* Rounded up: none is reached before anything is done. */
        t->target = (all * i + points - 1) / points;
        t->target_calls = (2 * all * i + points - 1) / points;
        t->whole = i == points;
        status = command(t, ORDER_SURVEY);
        checkpoint(t);
        if (!status && (i == 1 || i == middle || i == points))
            *proved = prove_both(t, true, i == points, reason);
    }
    set_proving(t, false);
    set_step_calls(t, 0);
    return status;
}

/*
 * So rarely that timing call by call takes less than half a percent of the time: a call timed so costs two
 * readings and a place in the histogram more than one in a batch.
 */
static uint32_t latency_period(const struct trial *t)
{
    uint64_t asked = t->spec->trial[SB_TRIAL_LATENCY_PERIOD].u;
    /* Single calls would be timed of one of the two alone. */
    if (t->partner)
        return 0;
    /* An operation is two such calls at most. */
    double extra = 2 * (2 * t->clock->cost_ns + 10), each = 0;
    if (t->spec->trial[SB_TRIAL_LATENCY].u != SB_LATENCY_SAMPLED || t->simulated)
        return t->spec->trial[SB_TRIAL_LATENCY].u == SB_LATENCY_EACH && !t->simulated;
    if (asked)
        return (uint32_t)asked;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        each += t->workers[i].warmup_ns / ((double)t->workers[i].warmup_operations + 1) / t->spec->threads;
    double period = extra / (0.005 * (each > 1 ? each : 1));
    return period < 2 ? 2 : period > 100000 ? 100000 : (uint32_t)period;
}

/* A stopped process sees nothing of its stop but the signal that ends it. */
static volatile sig_atomic_t continued;

static void note_continued(int signal)
{
    (void)signal;
    continued++;
}

static void catch_continue(void)
{
    struct sigaction action = {.sa_handler = note_continued, .sa_flags = SA_RESTART};
    sigaction(SIGCONT, &action, NULL);
}

static int measure(struct trial *t)
{
    sb_write_phase(t->out, "warm-up");
    int status = command(t, ORDER_WARMUP);
    if (status)
        return status;
    sb_write_phase(t->out, "measure");
    t->bench.latency_period = latency_period(t);
    pthread_t *threads = sb_calloc(t->spec->threads, sizeof(*threads));
    for (uint32_t i = 0; i < t->spec->threads; i++)
        threads[i] = t->workers[i].thread;
    int stops = continued;
    t->distance_ns = sb_trial_distance(t, command);
    look(t, &t->at_begin, &(struct sb_account){0});
    sb_watch_begin(&t->watch, t->spec->cpus, t->spec->threads, threads);
    status = command(t, ORDER_MEASURE);
    sb_watch_end(&t->watch, t->spec->cpus, t->spec->threads, threads);
    t->stops = continued - stops;
    t->distance_end_ns = sb_trial_distance(t, command);
    free(threads);
    t->bench.latency_period = 0;
    look(t, &t->at_end, &t->account_at_end);
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        t->resident_at_end = sb_resident_bytes();
        t->pss_at_end = sb_pss_bytes();
    }
    return status;
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
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        t->resident_before = sb_resident_bytes();
        t->pss_before = sb_pss_bytes();
    }
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
        proved = prove_both(t, !status, false, &proof);
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
    if (proved != SB_STATUS_OK)
        return proved;
    *reason = t->simulated ? NULL : sb_trial_disturbance(t);
    if (*reason)
        sb_trial_report_disturbed(t);
    else
        sb_trial_report(t);
    return *reason ? SB_STATUS_DISTURBED : SB_STATUS_OK;
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

/* What opening the allocator brought into the process; where it says its version, that of the first. */
static void report_libraries(struct trial *t, const struct sb_objects *before)
{
    struct sb_objects now = sb_objects_loaded();
    struct sb_text version = {0};
    struct sb_sink sink = {&version, append};
    const char *files = t->allocator->allocator.dump_files;
    size_t n = 0;
    if (files && strstr(files, "version"))
        t->allocator->allocator.dump(t->a, "version", &sink);
    for (size_t i = 0; i < now.n; i++) {
        if (!sb_objects_have(before, now.at[i].path))
            sb_write_library(t->out, now.at[i].path, now.at[i].build_id, n++ ? "" : sb_text_get(&version));
    }
    if (!n && version.n)
        sb_write_library(t->out, "the process's own", "", sb_text_get(&version));
    sb_objects_free(&now);
    sb_text_free(&version);
}

/* The trial's own CPU is at work until the workers are, and no other is taken. */
static void stay_on_first_cpu(const struct trial *t)
{
    if (!t->spec->machine[SB_MACHINE_KEEP_BUSY].u)
        return;
    struct sb_affinity *first = sb_affinity_of_cpu(t->spec->cpus[0]);
    /* Where it may not the workers can't either, and say so. */
    sb_affinity_apply(first);
    sb_affinity_free(first);
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
        /* Of a pair each makes its own: neither is to have the older pages. */
        const struct sb_physmem_given given = {(int)t->spec->trial[SB_TRIAL_MEMORY_FILE].u,
                                               t->spec->trial[SB_TRIAL_MEMORY_PRESENT].u};
        status = sb_physmem_open(&t->memory, t->spec->machine, given, t->topology, reason);
        if (status)
            return status;
        t->host.memory = t->memory.base;
        t->host.memory_size = t->memory.size;
        t->host.memory_fd = t->memory.fd;
        t->host.nr_nodes = t->memory.nr_nodes;
        t->cpu_node = sb_calloc(t->host.nr_cpus, sizeof(*t->cpu_node));
        sb_topology_cpu_nodes(t->topology, t->cpu_node, t->host.nr_cpus);
        /* Where memory isn't divided there is one node, and no number above it. */
        t->host.cpu_node = t->host.nr_nodes > 1 ? t->cpu_node : NULL;
        if (t->memory.warning)
            sb_write_warning(t->out, t->memory.warning);
    }
    struct sb_objects before = sb_objects_loaded();
    /* Threads that an allocator starts are to run where it likes. */
    sb_affinity_apply(t->anywhere);
    status = a->open(&t->host, t->allocator_options, &t->a);
    stay_on_first_cpu(t);
    if (!status)
        report_libraries(t, &before);
    sb_objects_free(&before);
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
                                 .live_block = take_block,
                                 .paced = t->spec->trial[SB_TRIAL_RATE].u != 0,
                                 .latency = take_latency};
    status = w->setup(&t->bench, t->workload_options, &t->w);
    if (status)
        *reason = reason_or(t, "the workload can't be set up: %s", strerror(-status));
    return status;
}

/* The partner has plugin, options and memory of its own, and the workload that the trial has. */
static int load_partner(struct trial *t, struct sb_diag *diag, char **reason)
{
    const struct sb_trial_part *part = &t->spec->baseline;
    struct trial *p = sb_calloc(1, sizeof(*p));
    t->partner = p;
    p->spec = t->spec;
    p->out = t->out;
    p->clock = t->clock;
    p->topology = t->topology;
    p->memory.fd = -1;
    p->anywhere = t->anywhere;
    p->kept_bytes = -1;
    pthread_mutex_init(&p->fail_lock, NULL);
    p->allocator = load(part, SB_PLUGIN_ALLOCATOR, reason);
    if (*reason)
        return -EINVAL;
    p->allocator_options = read_options(p->allocator, part, diag);
    p->workload = t->workload;
    p->workload_options = t->workload_options;
    return sb_diag_flush(diag, stderr) ? -EINVAL : 0;
}

/* In an order that is drawn: nothing is to lie first in all processes. */
static int open_both(struct trial *t, struct sb_diag *diag, char **reason)
{
    t->host.seed = t->spec->trial[SB_TRIAL_SEED].u;
    int status = t->spec->baseline.path ? load_partner(t, diag, reason) : 0;
    bool own_first = !t->partner || sb_pair_own_first(t);
    if (!status)
        status = open_all(own_first ? t : t->partner, reason);
    if (!status && t->partner)
        status = open_all(own_first ? t->partner : t, reason);
    if (status && !*reason)
        *reason = sb_strdup("the baseline's options have errors, shown above");
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

/* What is not shared with the trial. */
static void free_partner(struct trial *p)
{
    if (!p)
        return;
    free(p->cpu_node);
    free(p->allocator_options);
    sb_plugin_free(p->allocator);
    sb_physmem_close(&p->memory);
    pthread_mutex_destroy(&p->fail_lock);
    free(p);
}

static void free_trial(struct trial *t)
{
    for (uint32_t i = 0; i < t->spec->threads && t->workers; i++) {
        free(t->workers[i].readings);
        free(t->workers[i].counted);
        free(t->workers[i].opened);
        free(t->workers[i].histograms);
        SB_VEC_FREE(&t->workers[i].rounds);
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
    free_partner(t->partner);
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

/* The run's, or, where that can't be read, our own. */
static int load_topology(struct trial *t, char **reason)
{
    const char *known = t->spec->trial[SB_TRIAL_TOPOLOGY].s;
    if (*known && !sb_topology_load_known(&t->topology, known, reason))
        return 0;
    free(*reason);
    *reason = NULL;
    return sb_topology_load(&t->topology, reason);
}

static enum sb_status run_all(struct trial *t, struct sb_diag *diag, char **reason)
{
    sb_write_phase(t->out, "setup");
    t->anywhere = sb_affinity_now();
    stay_on_first_cpu(t);
    sb_layout_shift_mappings(t->spec->trial[SB_TRIAL_LAYOUT].u);
    if (!sb_layout_is_fixed())
        sb_write_warning(t->out, sb_layout_not_fixed);
    t->allocator = load(&t->spec->allocator, SB_PLUGIN_ALLOCATOR, reason);
    if (*reason)
        return SB_STATUS_ERROR;
    t->workload = load(&t->spec->workload, SB_PLUGIN_WORKLOAD, reason);
    if (*reason || load_topology(t, reason))
        return SB_STATUS_ERROR;
    t->allocator_options = read_options(t->allocator, &t->spec->allocator, diag);
    t->workload_options = read_options(t->workload, &t->spec->workload, diag);
    if (sb_diag_flush(diag, stderr)) {
        *reason = sb_strdup("the trial's text has errors, shown above");
        return SB_STATUS_ERROR;
    }
    const char *codes = t->spec->trial[SB_TRIAL_EVENT_CODES].s;
    if (!t->simulated)
        sb_pmu_prepare(&t->pmu, t->spec->trial[SB_TRIAL_EVENTS].s, sb_pmu_encode_code, &codes);
    if (open_both(t, diag, reason) || start_workers(t, reason))
        return SB_STATUS_ERROR;
    return run_phases(t, reason);
}

enum sb_status sb_trial_run(const struct sb_trial_spec *spec, FILE *out)
{
    /* Not on the stack: after a failure workers still wait at its barrier when this has returned. */
    struct trial *t = sb_calloc(1, sizeof(*t));
    struct sb_diag diag = {.file = "trial"};
    char *reason = NULL;
    *t = (struct trial){.spec = spec,
                        .out = out,
                        .clock = sb_clock_init(strtod(spec->trial[SB_TRIAL_NS_PER_TICK].s, NULL)),
                        .memory = {.fd = -1},
                        .kept_bytes = -1,
                        .simulated = sb_simulated()};
    pthread_mutex_init(&t->fail_lock, NULL);
    catch_continue();
    enum sb_status status = run_all(t, &diag, &reason);
    sb_write_status(out, status, reason);
    if (status == SB_STATUS_OK) {
        sb_affinity_free(t->anywhere);
        free_trial(t);
        free(t);
    }
    free(reason);
    return status;
}
