/*
 * trace: what a kernel or a program asked of its allocators, asked again.
 *
 * A trace (scullbench/trace.h) is recorded by thread, which of a kernel's is by CPU. With as many threads as it has
 * each replays one; with fewer, thread i replays those whose number modulo the threads is i, merged in the order of
 * their times. Within a thread the order is the recording's. Between threads it is kept where a block passes from one
 * to another, and nowhere else: who is to free a block that isn't allocated yet waits. After its last event a pass
 * begins anew; all blocks are free then.
 *
 * An operation is one event, an allocation or a free. Threads count places in the trace, divided by their number, so
 * that the sum of their rates is the trace's. Events of the two kinds alternate, and no batch of one kind can be timed:
 * alloc_ns and free_ns are not available, histograms of single calls are.
 *
 * Each kind of event goes to the interface that is nearest to what it was (sb_route_for). Objects of kmalloc come from
 * caches of the kernel's sizes where an allocator has caches alone. realloc is an allocation, a copy and a free.
 */
#include "scullbench/trace.h"
#include "scullbench/pattern.h"
#include "scullbench/workload.h"

#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum option { OPTION_SOURCE, OPTION_SUM, OPTION_EVENTS, OPTION_PACE, OPTION_TOUCH, OPTION_BATCH, OPTIONS };
enum { COUNTER_LATE, COUNTERS };
enum { MEASURE_WAITING, MEASURES };
enum pace { PACE_NONE, PACE_TRACE };

#define OF(kind) (1u << SB_TRACE_##kind)
#define SELECTIONS(ROW)                                                                                                \
    ROW("all", OF(SIZED) | OF(CACHE) | OF(PAGES) | OF(VMALLOC))                                                        \
    ROW("slab", OF(SIZED) | OF(CACHE))                                                                                 \
    ROW("sized", OF(SIZED))                                                                                            \
    ROW("cache", OF(CACHE))                                                                                            \
    ROW("pages", OF(PAGES) | OF(SLAB_PAGES))                                                                           \
    ROW("vmalloc", OF(VMALLOC))                                                                                        \
    ROW("percpu", OF(PERCPU))
#define SELECTION_NAME(name, kinds)  name,
#define SELECTION_KINDS(name, kinds) kinds,
static const char *const selections[] = {SELECTIONS(SELECTION_NAME) NULL};
static const uint32_t selected_kinds[] = {SELECTIONS(SELECTION_KINDS)};
static const char *const paces[] = {"none", "trace", NULL};
static const char *const touches[] = SB_TOUCH_CHOICES;

static const struct sb_option options[OPTIONS] = {
    [OPTION_SOURCE] = {"source", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                       "the trace, as file:PATH from the config's folder; scullbench import makes them"},
    [OPTION_SUM] = {"sum", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                    "the sum of the trace as scullbench import prints it: another file is refused then; empty: any"},
    [OPTION_EVENTS] = {"events", SB_OPTION_ENUM, 0, "all", 0, 0, selections,
                       "which: all but those of per-CPU areas and of the slabs' own pages; slab: objects of kmalloc "
                       "and of caches; sized, cache: one of these two; pages: with those that slabs took; vmalloc; "
                       "percpu"},
    [OPTION_PACE] = {"pace", SB_OPTION_ENUM, 0, "none", 0, 0, paces,
                     "when: as fast as it goes, or by the trace's clock"},
    [OPTION_TOUCH] = {"touch", SB_OPTION_ENUM, 0, "first", 0, 0, touches,
                      "what is written into a block: nothing, its first 8 bytes, or all"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "256", 1, 65536, NULL, "events of a step"},
};

static const char *const counters[COUNTERS] = {[COUNTER_LATE] = "late_events"};
static const struct sb_measure measures[MEASURES] = {[MEASURE_WAITING] = {"waiting", "%"}};

/* ---- what is replayed ---- */

/* How blocks of one kind of request are had. */
struct request {
    enum sb_route route;
    unsigned order;
    size_t size, align;
    sb_gfp_t gfp;
    void *cache;
};

/* An event as its thread finds it. */
struct step {
    uint32_t place; /* among all events that are replayed */
    uint32_t slot;  /* with PASSED: one of those that pass from thread to thread */
    uint32_t what;  /* the operation in the upper two bits, the request in the others */
    uint32_t time;  /* in units of TIME_UNIT ns from the trace's begin */
};
enum { OPERATION_SHIFT = 30, TIME_UNIT = 1000 };
/* An allocation that a move follows; END_FREE is as any other free here. */
#define REALLOC 3u
#define PASSED  UINT32_C(0x80000000)

struct replay {
    const struct sb_bench *bench;
    struct sb_trace trace;
    void *file;
    size_t file_size;
    uint32_t kinds;
    enum pace pace;
    enum sb_touch touch;
    uint64_t batch;
    uint64_t events; /* of a pass */
    uint64_t pass_ns;
    struct request *requests;
    struct cache {
        void *cache;
        uint64_t key;
    } * caches;
    uint64_t nr_caches;
    _Atomic(void *) *passed; /* blocks that may pass, by slot; NULL while there is none */
    uint64_t nr_passed;
    struct stream **streams;
    _Atomic uint64_t base; /* pace: in ns, when the trace's time 0 was; 0: not yet */
};

struct stream {
    struct replay *replay;
    struct step *steps;
    uint64_t n, at, pass;
    uint64_t told; /* operations counted so far */
    void **blocks; /* by slot */
    uint64_t nr_slots;
    uint64_t late;
    uint64_t begun, ended, waited; /* ticks, in the measured phase */
    struct sb_account *account;    /* while it is filled */
    struct sb_sampler sampler;
};

/* ---- plan time ---- */

static int read_head(const char *path, struct sb_trace_head *head, char *why, size_t why_size)
{
    char text[160];
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC), status;
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(*head));
    if (n < 0 || fstat(fd, &s)) {
        snprintf(why, why_size, "source: '%s' can't be read: %s", path, strerror(errno));
        status = -EINVAL;
    } else {
        struct sb_trace_head copy = *head;
        status = sb_trace_read_head(head, &copy, (size_t)n, text, sizeof(text));
        if (!status && head->file_bytes != (uint64_t)s.st_size) {
            status = -EBADMSG;
            snprintf(text, sizeof(text), "at byte %lld: the file ends here; it had %llu bytes", (long long)s.st_size,
                     (unsigned long long)head->file_bytes);
        }
        if (status)
            snprintf(why, why_size, "source: '%s' is no trace to replay: %s", path, text);
    }
    if (fd >= 0)
        close(fd);
    return status;
}

/* Objects have a page each where an allocator has pages alone; as far as that can be paid for. */
static uint64_t bytes_for(const struct sb_trace_totals *k, bool objects)
{
    enum { MOST_MIB = 256 };
    uint64_t by_pages = k->peak_live * SB_PAGE_SIZE;
    bool affordable = by_pages <= (uint64_t)MOST_MIB << 20;
    return objects && affordable && by_pages > k->peak_bytes ? by_pages : k->peak_bytes;
}

static int judge_sum(const struct sb_trace_head *head, const char *wanted, char *why, size_t why_size)
{
    char sum[24];
    snprintf(sum, sizeof(sum), "%016llx", (unsigned long long)head->body_sum);
    if (!*wanted || !strcmp(sum, wanted))
        return 0;
    snprintf(why, why_size, "sum: it is another trace: its sum is %s, not %s", sum, wanted);
    return -EINVAL;
}

static int trace_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    struct sb_trace_head head;
    const char *path = sb_file_of(values[OPTION_SOURCE].s);
    uint32_t kinds = selected_kinds[values[OPTION_EVENTS].u];
    uint64_t events = 0, threads = needs->threads ? needs->threads : 1, live = 0;
    if (!path || !*path) {
        snprintf(why, why_size, "source: which trace? file:PATH names one, and scullbench import makes them");
        return -EINVAL;
    }
    int status = read_head(path, &head, why, why_size);
    if (!status)
        status = judge_sum(&head, values[OPTION_SUM].s, why, why_size);
    if (status)
        return status;
    for (uint32_t i = 0; i < SB_TRACE_NR_KINDS; i++) {
        const struct sb_trace_totals *k = &head.kinds[i];
        if (!(kinds >> i & 1))
            continue;
        events += k->allocs + k->frees;
        live += bytes_for(k, (OF(SIZED) | OF(CACHE)) >> i & 1);
        needs->block_size = k->largest > needs->block_size ? k->largest : needs->block_size;
    }
    if (!events) {
        snprintf(why, why_size, "the trace has no events of that kind (events = %s)",
                 selections[values[OPTION_EVENTS].u]);
        return -EINVAL;
    }
    if (events >= PASSED || head.requests >= 1u << OPERATION_SHIFT) {
        snprintf(why, why_size, "the trace has too many events to be replayed: record for a shorter time");
        return -EINVAL;
    }
    if (threads > head.threads) {
        snprintf(why, why_size, "the trace is of %u thread%s: more would have nothing to do", head.threads,
                 head.threads == 1 ? "" : "s");
        return -EINVAL;
    }
    if (values[OPTION_PACE].u == PACE_TRACE && head.duration_ns / TIME_UNIT > UINT32_MAX) {
        snprintf(why, why_size, "the trace lasts for more than an hour, which pace = trace can't keep");
        return -EINVAL;
    }
    const struct sb_trace_totals *k = head.kinds;
    needs->want = kinds & OF(PERCPU)                              ? SB_WANT_PERCPU
                  : kinds & OF(CACHE) && k[SB_TRACE_CACHE].allocs ? SB_WANT_CACHE
                  : kinds & OF(SIZED) && k[SB_TRACE_SIZED].allocs ? SB_WANT_SIZED
                  : kinds & (OF(PAGES) | OF(SLAB_PAGES))          ? SB_WANT_PAGES
                                                                  : SB_WANT_VIRTUAL;
    needs->live_bytes = (live + threads - 1) / threads;
    needs->cycle_operations = events / threads;
    needs->joint = true;
    return 0;
}

/* ---- setup ---- */

static int refuse(const struct replay *r, const char *text, int status)
{
    r->bench->fail(r->bench->context, "source: %s", text);
    return status;
}

static int map_file(struct replay *r, const char *path)
{
    struct stat s = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC), status = fd < 0 || fstat(fd, &s) ? -errno : 0;
    if (!status && !s.st_size)
        status = -EBADMSG;
    if (!status) {
        r->file_size = (size_t)s.st_size;
        r->file = mmap(NULL, r->file_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (r->file == MAP_FAILED) {
            r->file = NULL;
            status = -errno;
        }
    }
    if (fd >= 0)
        close(fd);
    return status ? refuse(r, status == -EBADMSG ? "it is empty" : strerror(-status), status) : 0;
}

/* kmalloc's sizes as Linux has them since 5.17 on x86-64 and aarch64 (mm/slab_common.c). */
static size_t kmalloc_size(size_t size)
{
    size_t class = 8;
    if (size > 64 && size <= 96)
        return 96;
    if (size > 128 && size <= 192)
        return 192;
    while (class < size)
        class *= 2;
    return class;
}

static size_t round_to(size_t size, size_t align)
{
    return (size + align - 1) / align * align;
}

/* How a cache is created. */
struct object {
    size_t size, align;
    uint32_t flags;
};

/*
 * The kernel's caches were made with flags that no event shows. What they gave for what was asked says enough: a whole
 * number of cache lines, an alignment, or something that the allocator keeps beside the object.
 */
static struct object guess_object(size_t size, size_t usable)
{
    enum { LINE = 64 };
    size_t align = 8;
    if (!usable || round_to(size, align) == usable)
        return (struct object){size, 0, 0};
    if (round_to(size, LINE) == usable)
        return (struct object){size, 0, SB_SLAB_HWCACHE_ALIGN};
    while (align < SB_PAGE_SIZE && round_to(size, align) < usable)
        align *= 2;
    return round_to(size, align) == usable ? (struct object){size, align, 0} : (struct object){usable, 0, 0};
}

static int create_cache(struct replay *r, struct request *q, const char *name, uint64_t key, struct object o)
{
    const struct sb_cache_ops *ops = r->bench->allocator->cache;
    for (uint64_t i = 0; i < r->nr_caches; i++) {
        if (r->caches[i].key == key) {
            q->cache = r->caches[i].cache;
            return 0;
        }
    }
    int status = ops->create(r->bench->self, name, o.size, o.align, o.flags, NULL, 0, &q->cache);
    if (!status)
        r->caches[r->nr_caches++] = (struct cache){q->cache, key};
    return status;
}

static int prepare_request(struct replay *r, const struct sb_trace_request *from, struct request *q)
{
    static const uint32_t wants[SB_TRACE_NR_KINDS] = {
        [SB_TRACE_SIZED] = SB_WANT_SIZED,      [SB_TRACE_CACHE] = SB_WANT_CACHE,     [SB_TRACE_PAGES] = SB_WANT_PAGES,
        [SB_TRACE_SLAB_PAGES] = SB_WANT_PAGES, [SB_TRACE_VMALLOC] = SB_WANT_VIRTUAL, [SB_TRACE_PERCPU] = SB_WANT_PERCPU,
    };
    const bool sized = from->kind == SB_TRACE_SIZED, cache = from->kind == SB_TRACE_CACHE,
               objects = sized || cache || from->kind == SB_TRACE_PERCPU;
    char name[32];
    uint64_t key;
    *q = (struct request){.route = sb_route_for(r->bench->allocator, (enum sb_want)wants[from->kind]),
                          .size = from->size,
                          .align = objects ? from->align : SB_PAGE_SIZE,
                          .gfp = from->gfp};
    q->order = sb_get_order(q->size);
    if (q->route == SB_ROUTE_NONE)
        return refuse(r, "this allocator has nothing that serves some of its events; choose others by events = ...",
                      -EOPNOTSUPP);
    if (q->route != SB_ROUTE_CACHE)
        return 0;
    if (cache) {
        snprintf(name, sizeof(name), "%.31s", r->trace.caches[from->cache]);
        return create_cache(r, q, name, UINT64_C(1) << 63 | (uint64_t)from->cache << 40 | from->size,
                            guess_object(from->size, from->usable));
    }
    struct object o = {sized ? kmalloc_size(q->size) : round_to(q->size, SB_PAGE_SIZE), q->align > 8 ? q->align : 0, 0};
    o.size = round_to(o.size, o.align ? o.align : 1);
    snprintf(name, sizeof(name), "%s-%llu", sized ? "kmalloc" : "pages", (unsigned long long)o.size);
    key = (uint64_t)(o.align ? 64 - __builtin_clzll(o.align) : 0) << 56 | (uint64_t)sized << 55 | o.size;
    return create_cache(r, q, name, key, o);
}

static int prepare_requests(struct replay *r)
{
    r->requests = calloc(r->trace.head.requests + 1, sizeof(*r->requests));
    r->caches = calloc(r->trace.head.requests + 1, sizeof(*r->caches));
    if (!r->requests || !r->caches)
        return -ENOMEM;
    for (uint64_t i = 0; i < r->trace.head.requests; i++) {
        const struct sb_trace_request *from = &r->trace.requests[i];
        int status = r->kinds >> from->kind & 1 ? prepare_request(r, from, &r->requests[i]) : 0;
        if (status)
            return status;
    }
    return 0;
}

/* ---- events to their threads ---- */

/* Of a slot: which thread uses it, and as what the thread knows it. */
struct place {
    uint32_t thread;
    uint32_t number;
};
enum { NOBODY = UINT32_MAX };

static int each_event(struct replay *r,
                      int (*take)(struct replay *r, const struct sb_trace_event *e, uint32_t thread,
                                  struct place *place, uint64_t n),
                      struct place *places)
{
    struct sb_trace_event e;
    uint64_t n = 0;
    int more;
    sb_trace_rewind(&r->trace);
    while ((more = sb_trace_next(&r->trace, &e)) > 0) {
        if (!(r->kinds >> r->trace.requests[e.request].kind & 1))
            continue;
        int status = take(r, &e, e.thread % r->bench->threads, &places[e.slot], n++);
        if (status)
            return status;
    }
    return more ? refuse(r, r->trace.why, more) : 0;
}

static int count_event(struct replay *r, const struct sb_trace_event *e, uint32_t thread, struct place *place,
                       uint64_t n)
{
    (void)n;
    (void)e;
    if (place->thread == NOBODY)
        place->thread = thread;
    else if (place->thread != thread)
        place->number = 1; /* for now: that it passes */
    r->streams[thread]->n++;
    r->events++;
    return 0;
}

static void number_slots(struct replay *r, struct place *places)
{
    for (uint64_t i = 0; i < r->trace.head.slots; i++) {
        struct place *p = &places[i];
        if (p->thread == NOBODY)
            continue;
        if (p->number)
            *p = (struct place){NOBODY, (uint32_t)r->nr_passed++ | PASSED};
        else
            p->number = (uint32_t)r->streams[p->thread]->nr_slots++;
    }
}

static int place_event(struct replay *r, const struct sb_trace_event *e, uint32_t thread, struct place *place,
                       uint64_t n)
{
    struct stream *s = r->streams[thread];
    uint32_t operation = e->operation == SB_TRACE_END_FREE ? SB_TRACE_FREE : e->operation;
    /* Of one thread, and so one after the other here as well. */
    if (operation == SB_TRACE_MOVE)
        s->steps[s->at - 1].what |= REALLOC << OPERATION_SHIFT;
    s->steps[s->at++] = (struct step){(uint32_t)n, place->number, operation << OPERATION_SHIFT | e->request,
                                      (uint32_t)(e->time_ns / TIME_UNIT)};
    return 0;
}

static int place_events(struct replay *r)
{
    struct place *places = calloc(r->trace.head.slots + 1, sizeof(*places));
    int status = places ? 0 : -ENOMEM;
    for (uint64_t i = 0; places && i < r->trace.head.slots; i++)
        places[i].thread = NOBODY;
    if (!status)
        status = each_event(r, count_event, places);
    if (!status) {
        number_slots(r, places);
        r->passed = calloc(r->nr_passed + 1, sizeof(*r->passed));
        status = r->passed ? 0 : -ENOMEM;
    }
    for (uint32_t i = 0; i < r->bench->threads && !status; i++) {
        struct stream *s = r->streams[i];
        /* It would say nothing of the place that all have come to. */
        if (!s->n)
            status = refuse(r, "a thread has no events of that kind: replay it with fewer threads", -EINVAL);
        s->steps = calloc(s->n + 1, sizeof(*s->steps));
        status = status ? status : s->steps ? 0 : -ENOMEM;
    }
    if (!status)
        status = each_event(r, place_event, places);
    for (uint32_t i = 0; i < r->bench->threads; i++)
        r->streams[i]->at = 0;
    free(places);
    return status;
}

/* All that it says is in steps and requests. */
static void release_file(struct replay *r)
{
    sb_trace_close(&r->trace);
    if (r->file)
        munmap(r->file, r->file_size);
    r->file = NULL;
}

static int trace_teardown(void *self);

static int trace_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct replay *r = calloc(1, sizeof(*r));
    int status = 0;
    if (!r)
        return -ENOMEM;
    r->bench = bench;
    r->kinds = selected_kinds[values[OPTION_EVENTS].u];
    r->pace = (enum pace)values[OPTION_PACE].u;
    r->touch = (enum sb_touch)values[OPTION_TOUCH].u;
    r->batch = values[OPTION_BATCH].u;
    r->streams = calloc(bench->threads, sizeof(*r->streams));
    for (uint32_t i = 0; r->streams && i < bench->threads && !status; i++) {
        r->streams[i] = calloc(1, sizeof(**r->streams));
        status = r->streams[i] ? 0 : -ENOMEM;
    }
    if (!r->streams)
        status = -ENOMEM;
    if (!status && bench->paced)
        status = refuse(r, "a trace has a clock of its own: pace = trace, without rate", -EINVAL);
    if (!status)
        status = map_file(r, sb_file_of(values[OPTION_SOURCE].s));
    if (!status && (status = sb_trace_open(&r->trace, r->file, r->file_size)))
        status = refuse(r, r->trace.why, status);
    if (!status)
        status = place_events(r);
    if (!status)
        status = prepare_requests(r);
    if (status) {
        trace_teardown(r);
        return status;
    }
    r->pass_ns = r->trace.head.duration_ns;
    release_file(r);
    *self = r;
    return 0;
}

static int trace_thread_setup(void *self, uint32_t thread, void **state)
{
    struct replay *r = self;
    struct stream *s = r->streams[thread];
    s->replay = r;
    sb_sampler_init(&s->sampler, r->bench, thread);
    *state = s;
    /* On the thread itself, which is pinned: its own node's memory. */
    s->blocks = calloc(s->nr_slots + 1, sizeof(*s->blocks));
    return s->blocks ? 0 : -ENOMEM;
}

static inline uint32_t operation_of(const struct step *e)
{
    return e->what >> OPERATION_SHIFT;
}

static inline const struct request *request_of(const struct replay *r, const struct step *e)
{
    return &r->requests[e->what & ((1u << OPERATION_SHIFT) - 1)];
}

/* ---- calls ---- */

static inline void *get_block(const struct replay *r, const struct request *q)
{
    const struct sb_allocator *a = r->bench->allocator;
    switch (q->route) {
    case SB_ROUTE_CACHE:
        return a->cache->alloc(q->cache, q->gfp);
    case SB_ROUTE_SIZED:
        return a->sized->alloc(r->bench->self, q->size, q->align, q->gfp);
    case SB_ROUTE_PAGES:
        return a->pages->get_free_pages(r->bench->self, q->gfp, q->order);
    case SB_ROUTE_PERCPU:
        return a->percpu->alloc_percpu(r->bench->self, q->size, q->align ? q->align : 8);
    default:
        return NULL;
    }
}

static inline void put_block(const struct replay *r, const struct request *q, void *block)
{
    const struct sb_allocator *a = r->bench->allocator;
    switch (q->route) {
    case SB_ROUTE_CACHE:
        a->cache->free(q->cache, block);
        break;
    case SB_ROUTE_SIZED:
        a->sized->free(r->bench->self, block, q->size);
        break;
    case SB_ROUTE_PAGES:
        a->pages->free_pages_at(r->bench->self, block, q->order);
        break;
    case SB_ROUTE_PERCPU:
        a->percpu->free_percpu(r->bench->self, block);
        break;
    default:
        break;
    }
}

/* What can be written to; of per-CPU areas the first CPU's. */
static inline void *memory_of(const struct replay *r, const struct request *q, void *block)
{
    return q->route == SB_ROUTE_PERCPU ? r->bench->allocator->percpu->per_cpu_ptr(r->bench->self, block, 0) : block;
}

/* An allocator that gives the same block to all can't keep a tag. */
static bool is_proving(const struct replay *r)
{
    return r->bench->proving && !(r->bench->allocator->flags & SB_ALLOCATOR_ALIASES);
}

static int bad_block(const struct replay *r, const struct request *q, const void *block, const char *what)
{
    r->bench->fail(r->bench->context, "a block of %llu bytes at %p %s", (unsigned long long)q->size, block, what);
    return -EBADMSG;
}

/* Before anything is written there. */
static int prove_new(const struct replay *r, const struct request *q, const void *block)
{
    const unsigned char *bytes = memory_of(r, q, (void *)block);
    bool zero = q->gfp & SB_GFP_ZERO || q->route == SB_ROUTE_PERCPU;
    if (zero && (*bytes || memcmp(bytes, bytes + 1, q->size - 1)))
        return bad_block(r, q, block, "isn't zero-filled, and was asked for so");
    return 0;
}

static int prove_old(const struct replay *r, const struct request *q, void *block, const char *when)
{
    char what[80];
    if (sb_pattern_holds(memory_of(r, q, block), q->size, r->touch))
        return 0;
    snprintf(what, sizeof(what), "doesn't hold what was written into it, %s", when);
    return bad_block(r, q, block, what);
}

/* Where a block stands while it lives. Only blocks that pass need more than a store. */
static inline void *load_slot(const struct stream *s, uint32_t slot)
{
    return slot & PASSED ? atomic_load_explicit(&s->replay->passed[slot & ~PASSED], memory_order_acquire)
                         : s->blocks[slot];
}

static inline void store_slot(struct stream *s, uint32_t slot, void *block)
{
    if (slot & PASSED)
        atomic_store_explicit(&s->replay->passed[slot & ~PASSED], block, memory_order_release);
    else
        s->blocks[slot] = block;
}

/* What holds for all events of a step, and what they come to. */
struct turn {
    bool singly;  /* calls are timed one by one */
    bool proving; /* blocks are compared with what they are to hold */
    uint64_t allocs, frees, bytes;
};

/* The block isn't in its slot yet, where others would find it. */
static inline int do_alloc(struct stream *s, const struct request *q, struct turn *turn, void **out)
{
    const struct replay *r = s->replay;
    uint64_t start = turn->singly ? r->bench->now() : 0;
    void *block = get_block(r, q);
    if (turn->singly)
        sb_sampler_take(&s->sampler, SB_CALL_ALLOC, r->bench->now() - start);
    if (!block)
        return -ENOMEM;
    int status = turn->proving ? prove_new(r, q, block) : 0;
    sb_pattern_write(memory_of(r, q, block), q->size, r->touch);
    *out = block;
    turn->allocs++;
    return status;
}

static inline int do_free(struct stream *s, const struct step *e, void *block, struct turn *turn)
{
    const struct replay *r = s->replay;
    const struct request *q = request_of(r, e);
    int status = turn->proving ? prove_old(r, q, block, "at its free") : 0;
    store_slot(s, e->slot, NULL);
    uint64_t start = turn->singly ? r->bench->now() : 0;
    put_block(r, q, block);
    if (turn->singly)
        sb_sampler_take(&s->sampler, SB_CALL_FREE, r->bench->now() - start);
    turn->frees++;
    turn->bytes += q->size;
    return status;
}

/* ---- time ---- */

/* The host's clock has a unit of its own. */
static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/*
 * Whether an event's time has come; waits for it a little. Who is late by more than a millisecond, as after a pause
 * between two phases, moves the clock, and nobody has to catch up.
 */
static bool is_due(struct stream *s, const struct step *e)
{
    enum { PATIENCE_NS = 5000, LATE_NS = 1000000 };
    struct replay *r = s->replay;
    const uint64_t ns = s->pass * r->pass_ns + (uint64_t)e->time * TIME_UNIT;
    uint64_t now = now_ns(), base = atomic_load(&r->base), none = 0;
    if (!base)
        base = atomic_compare_exchange_strong(&r->base, &none, now - ns) ? now - ns : none;
    /* Signed: the clock may have begun after the first passes of the survey. */
    int64_t late = (int64_t)(now - base - ns);
    if (late > LATE_NS) {
        s->late++;
        atomic_compare_exchange_strong(&r->base, &base, base + (uint64_t)late);
    }
    for (uint64_t give_up = now + PATIENCE_NS; late < 0 && now < give_up; late = (int64_t)(now - base - ns))
        now = now_ns();
    return late >= 0;
}

/* ---- steps ---- */

/* The place of the next event is where the thread has come to. */
static void tell_place(struct stream *s, struct sb_counts *counts)
{
    const struct replay *r = s->replay;
    uint64_t place = s->pass * r->events + s->steps[s->at].place, now = place / r->bench->threads;
    counts->operations += now - s->told;
    s->told = now;
    counts->counters[COUNTER_LATE] += s->late;
    s->late = 0;
}

/* Whether a slot becomes empty, or full; another thread may be on its way. Not in line: as a rule nobody waits. */
static __attribute__((noinline)) bool wait_for(struct stream *s, uint32_t slot, bool empty, void **block)
{
    enum { PATIENCE = 200 };
    const uint64_t begin = s->replay->bench->now();
    bool ready = false;
    for (int i = 0; i < PATIENCE && !ready; i++) {
        *block = load_slot(s, slot);
        ready = !*block == empty;
    }
    s->waited += s->replay->bench->now() - begin;
    return ready;
}

/*
 * An allocation and the move that follows it: nobody may find the new block before the old one's contents are in it.
 * -EAGAIN: another thread has to do something first, and nothing was done.
 */
static __attribute__((noinline)) int do_realloc(struct stream *s, const struct step *e, struct turn *turn)
{
    const struct replay *r = s->replay;
    const struct step *move = e + 1;
    const struct request *q = request_of(r, e), *from = request_of(r, move);
    void *block, *old = load_slot(s, move->slot);
    if (!old && !wait_for(s, move->slot, false, &old))
        return -EAGAIN;
    int status = do_alloc(s, q, turn, &block);
    if (status == -ENOMEM)
        return status;
    memmove(block, old, from->size < q->size ? from->size : q->size);
    sb_pattern_write(block, q->size, r->touch);
    int freed = do_free(s, move, old, turn);
    store_slot(s, e->slot, block);
    s->at++;
    return status ? status : freed;
}

/* One event, or a realloc's two. Likewise. */
static inline int do_event(struct stream *s, const struct step *e, struct turn *turn)
{
    const uint32_t operation = operation_of(e);
    const bool empty = operation != SB_TRACE_FREE;
    void *block = load_slot(s, e->slot);
    if (__builtin_expect(!block != empty, 0) && !wait_for(s, e->slot, empty, &block))
        return -EAGAIN;
    if (operation == SB_TRACE_FREE)
        return do_free(s, e, block, turn);
    if (operation == REALLOC)
        return do_realloc(s, e, turn);
    int status = do_alloc(s, request_of(s->replay, e), turn, &block);
    if (status != -ENOMEM)
        store_slot(s, e->slot, block);
    return status;
}

static void count(const struct turn *turn, struct sb_counts *counts)
{
    counts->allocs += turn->allocs;
    counts->frees += turn->frees;
    counts->bytes += turn->bytes;
    counts->sampled_allocs += turn->singly ? turn->allocs : 0;
    counts->sampled_frees += turn->singly ? turn->frees : 0;
}

static int trace_step(void *state, struct sb_counts *counts)
{
    struct stream *s = state;
    struct replay *r = s->replay;
    const bool paced = r->pace == PACE_TRACE && !r->bench->proving, measuring = r->bench->measuring;
    struct turn turn = {.singly = sb_sampler_due(&s->sampler), .proving = is_proving(r)};
    int status = 0;
    if (!measuring)
        s->begun = s->waited = 0;
    else if (!s->begun)
        s->begun = r->bench->now();
    for (uint64_t n = sb_step_calls(r->bench, r->batch); n > 0 && !status; n--) {
        const struct step *e = &s->steps[s->at];
        status = !paced || is_due(s, e) ? do_event(s, e, &turn) : -EAGAIN;
        if (status == -EAGAIN || status == -ENOMEM)
            break;
        if (++s->at == s->n) {
            s->at = 0;
            s->pass++;
            break;
        }
    }
    count(&turn, counts);
    tell_place(s, counts);
    if (measuring)
        s->ended = r->bench->now();
    return status == -EAGAIN ? 0 : status;
}

/* ---- while no step runs ---- */

/* Every live block that a thread allocated. Those that pass have one allocation in a pass. */
static int each_live(struct stream *s, int (*take)(struct stream *s, const struct request *q, uint32_t slot))
{
    const struct replay *r = s->replay;
    uint32_t *last = calloc(s->nr_slots + 1, sizeof(*last));
    int status = last ? 0 : -ENOMEM;
    for (uint64_t i = 0; i < s->n && !status; i++) {
        const struct step *e = &s->steps[i];
        if (operation_of(e) != SB_TRACE_ALLOC && operation_of(e) != REALLOC)
            continue;
        if (e->slot & PASSED)
            status = load_slot(s, e->slot) ? take(s, request_of(r, e), e->slot) : 0;
        else if (i < s->at)
            last[e->slot] = (uint32_t)(request_of(r, e) - r->requests);
    }
    for (uint64_t i = 0; i < s->nr_slots && !status; i++)
        status = s->blocks[i] ? take(s, &r->requests[last[i]], (uint32_t)i) : 0;
    free(last);
    return status;
}

static int verify_one(struct stream *s, const struct request *q, uint32_t slot)
{
    const struct sb_bench *bench = s->replay->bench;
    void *block = load_slot(s, slot), *memory = memory_of(s->replay, q, block);
    bench->live_block(bench->context, memory, q->size, q->align);
    return prove_old(s->replay, q, block, "while it lives");
}

static int trace_verify(void *self)
{
    const struct replay *r = self;
    int status = 0;
    /* An allocator that gives the same block to all can't keep a tag. */
    if (r->bench->allocator->flags & SB_ALLOCATOR_ALIASES)
        return 0;
    for (uint32_t t = 0; t < r->bench->threads && !status; t++)
        status = each_live(r->streams[t], verify_one);
    return status;
}

/* Of all threads' time. Where there is one thread nobody is waited for. */
static void trace_report(void *self, double *values)
{
    const struct replay *r = self;
    double all = 0, waited = 0;
    for (uint32_t t = 0; t < r->bench->threads; t++) {
        all += (double)(r->streams[t]->ended - r->streams[t]->begun);
        waited += (double)r->streams[t]->waited;
    }
    values[MEASURE_WAITING] = all > 0 && r->bench->threads > 1 ? 100 * waited / all : NAN;
}

static int count_one(struct stream *s, const struct request *q, uint32_t slot)
{
    (void)slot;
    s->account->live++;
    s->account->requested_bytes += q->size;
    return 0;
}

static int trace_account(void *self, struct sb_account *account)
{
    const struct replay *r = self;
    int status = 0;
    for (uint32_t t = 0; t < r->bench->threads && !status; t++) {
        r->streams[t]->account = account;
        status = each_live(r->streams[t], count_one);
    }
    return status;
}

static int free_one(struct stream *s, const struct request *q, uint32_t slot)
{
    put_block(s->replay, q, load_slot(s, slot));
    store_slot(s, slot, NULL);
    return 0;
}

static void trace_thread_teardown(void *state)
{
    struct stream *s = state;
    /* Also of a thread whose setup broke off. */
    if (s && s->blocks)
        each_live(s, free_one);
}

static int trace_teardown(void *self)
{
    struct replay *r = self;
    int status = 0;
    for (uint64_t i = 0; i < r->nr_caches; i++) {
        /* The first failure is the one that is told; all caches are destroyed. */
        int closed = r->bench->allocator->cache->destroy(r->caches[i].cache);
        status = status ? status : closed;
    }
    for (uint32_t i = 0; r->streams && i < r->bench->threads; i++) {
        if (!r->streams[i])
            continue;
        free((void *)r->streams[i]->blocks);
        free(r->streams[i]->steps);
        free(r->streams[i]);
    }
    release_file(r);
    free(r->streams);
    free((void *)r->passed);
    free(r->caches);
    free(r->requests);
    free(r);
    return status;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "trace",
    .summary = "what a kernel or a program asked of its allocators, asked again",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .counter_count = COUNTERS,
    .counters = counters,
    .measures = measures,
    .measure_count = MEASURES,
    .report = trace_report,
    .operation = "an event of the trace: an allocation or a free",
    .needs = trace_needs,
    .setup = trace_setup,
    .thread_setup = trace_thread_setup,
    .step = trace_step,
    .verify = trace_verify,
    .account = trace_account,
    .thread_teardown = trace_thread_teardown,
    .teardown = trace_teardown,
};
