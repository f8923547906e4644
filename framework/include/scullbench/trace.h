/*
 * Traces: what a kernel or a program asked of its allocators, as a file and as a stream of events.
 *
 * A file (.sbt) is a head, three tables and the events, packed: numbers are LEB128, seven bits a byte, low ones first.
 *
 *   head        struct sb_trace_head, little-endian
 *   title       its length, its bytes: what was recorded, in the words of whoever imported it
 *   caches      of each its name: length, bytes
 *   requests    of each kind, cache, size, usable, align, gfp, allocs: as struct sb_trace_request has them
 *   events      ns since the last one << 3 | other thread << 2 | operation; the thread where it is another than the
 * last event's; of an allocation its request; the slot
 *
 * A slot is a place for one live block, so that a replay needs no addresses. It is used by many blocks one after the
 * other that one thread allocates and frees, or by a single one that passes from thread to thread: whoever replays
 * threads in parallel must wait there, and nowhere else. At the file's end every block has been freed.
 *
 * Functions are for one thread at a time. A file is never trusted: sb_trace_next says of each event whether it can be.
 */
#ifndef SCULLBENCH_TRACE_H
#define SCULLBENCH_TRACE_H

#include "allocator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SB_EXTERN_C_BEGIN

#define SB_TRACE_MAGIC   "sbtrace" /* eight bytes with its 0 */
#define SB_TRACE_VERSION 1

SB_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "heads are read as they lie in the file");

/* Of which of an allocator's interfaces a request is. ROW(ID, name, what a reader calls it) */
#define SB_TRACE_KINDS(ROW)                                                                                            \
    ROW(SIZED, "sized", "kmalloc or malloc")                                                                           \
    ROW(CACHE, "cache", "kmem_cache_alloc")                                                                            \
    ROW(PAGES, "pages", "alloc_pages")                                                                                 \
    ROW(SLAB_PAGES, "slab-pages", "alloc_pages by slabs and kmalloc")                                                  \
    ROW(VMALLOC, "vmalloc", "vmalloc")                                                                                 \
    ROW(PERCPU, "percpu", "alloc_percpu")

enum sb_trace_kind {
#define SB_TRACE_ROW(id, name, words) SB_TRACE_##id,
    SB_TRACE_KINDS(SB_TRACE_ROW)
#undef SB_TRACE_ROW
        SB_TRACE_NR_KINDS
};

static inline const char *sb_trace_kind_name(enum sb_trace_kind kind)
{
    static const char *const names[] = {
#define SB_TRACE_ROW(id, name, words) name,
        SB_TRACE_KINDS(SB_TRACE_ROW)
#undef SB_TRACE_ROW
    };
    return kind < SB_TRACE_NR_KINDS ? names[kind] : "none";
}

enum sb_trace_operation {
    SB_TRACE_ALLOC,
    SB_TRACE_FREE,
    SB_TRACE_MOVE,     /* realloc: contents go into the block of the event before, an allocation of this thread's */
    SB_TRACE_END_FREE, /* lived when the recording ended */
};

enum sb_trace_source { SB_TRACE_OF_KERNEL = 1, SB_TRACE_OF_PROGRAM = 2 };

/* Of one kind. Peaks are of bytes as they were asked for, and don't count what the recording began with. */
struct sb_trace_totals {
    uint64_t allocs;
    uint64_t frees;     /* all, those of the next two among them */
    uint64_t lost;      /* the recording lacks them: their address was given out again */
    uint64_t at_end;    /* lived when the recording ended */
    uint64_t crossed;   /* freed by another thread than the one that allocated */
    uint64_t unknown;   /* frees of what was allocated before the recording began: in the recording alone */
    uint64_t peak_live; /* blocks */
    uint64_t peak_bytes;
    uint64_t requested_bytes, usable_bytes; /* sums over allocations */
    uint64_t largest;                       /* as it was asked for */
};

struct sb_trace_head {
    char magic[8];
    uint32_t version;
    uint32_t head_bytes;
    uint64_t file_bytes;
    uint64_t head_sum; /* FNV-1a, 64 bits, of the head with 0 in this place */
    uint64_t body_sum; /* of everything behind the head; what names a trace */
    uint64_t events, requests, caches, slots;
    uint64_t duration_ns;
    uint32_t threads; /* CPUs of a kernel's trace */
    uint32_t source;  /* enum sb_trace_source */
    struct sb_trace_totals kinds[SB_TRACE_NR_KINDS];
};

struct sb_trace_request {
    uint32_t kind;   /* enum sb_trace_kind */
    uint32_t cache;  /* SB_TRACE_CACHE: which one */
    uint64_t size;   /* as it was asked for, at least 1; of pages all their bytes */
    uint64_t usable; /* as it was given, where the recording says so; else 0 */
    uint64_t align;  /* 0: none asked for */
    uint64_t allocs; /* how often */
    sb_gfp_t gfp;
};

struct sb_trace_event {
    uint64_t time_ns; /* since the first event */
    uint32_t thread, slot, request;
    enum sb_trace_operation operation;
};

/* An opened trace and the place in it. */
struct sb_trace {
    struct sb_trace_head head;
    struct sb_trace_request *requests;
    char *title;
    char **caches;
    const unsigned char *bytes, *at, *end;
    const unsigned char *events; /* where they begin */
    uint64_t read;               /* events so far */
    uint64_t time_ns;
    uint32_t thread;
    uint32_t *live;     /* by slot its request + 1, 0 while it is empty */
    uint32_t *users;    /* by slot the thread + 1 that allocates into it, with CROSSED once another has freed */
    uint32_t allocated; /* the request + 1 of the last event where that was an allocation, else 0 */
    uint64_t allocs[SB_TRACE_NR_KINDS], frees[SB_TRACE_NR_KINDS]; /* so far */
    char why[160];                                                /* of the last failure */
};

static inline uint64_t sb_trace_sum(uint64_t sum, const void *bytes, size_t n)
{
    const unsigned char *b = (const unsigned char *)bytes;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ b[i]) * UINT64_C(0x100000001b3);
    return sum;
}
#define SB_TRACE_SUM_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t sb_trace_head_sum(struct sb_trace_head head)
{
    head.head_sum = 0;
    return sb_trace_sum(SB_TRACE_SUM_START, &head, sizeof(head));
}

/* What is wrong, and where. */
static inline int sb_trace_refuse(struct sb_trace *t, const unsigned char *at, const char *what)
{
    snprintf(t->why, sizeof(t->why), "at byte %llu: %s", (unsigned long long)(at - t->bytes), what);
    return -EBADMSG;
}

/* Of the head alone, of at least `n` bytes. 0, or -EBADMSG with the reason in `why`. */
static inline int sb_trace_read_head(struct sb_trace_head *head, const void *bytes, size_t n, char *why,
                                     size_t why_size)
{
    const char *wrong = NULL;
    if (!bytes || n < sizeof(*head)) {
        snprintf(why, why_size, "%llu bytes are too few for a trace, whose head has %llu", (unsigned long long)n,
                 (unsigned long long)sizeof(*head));
        return -EBADMSG;
    }
    memcpy(head, bytes, sizeof(*head));
    if (memcmp(head->magic, SB_TRACE_MAGIC, sizeof(head->magic)))
        wrong = "at byte 0: no trace of scullbench; scullbench import makes one";
    else if (head->version != SB_TRACE_VERSION || head->head_bytes != sizeof(*head))
        wrong = "at byte 8: a version of the format that this scullbench does not read; import the recording again";
    else if (head->head_sum != sb_trace_head_sum(*head))
        wrong = "at byte 24: the head is damaged";
    else if (!head->threads || head->threads > 65536 || !head->events)
        wrong = "at byte 40: a trace without threads or events";
    if (wrong)
        snprintf(why, why_size, "%s", wrong);
    return wrong ? -EBADMSG : 0;
}

/* False at the end, and where a number has more than 64 bits. */
static inline bool sb_trace_number(struct sb_trace *t, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; t->at < t->end && shift < 64; shift += 7) {
        unsigned char byte = *t->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* The caller frees it; NULL where it isn't all there. */
static inline char *sb_trace_text(struct sb_trace *t)
{
    uint64_t n;
    if (!sb_trace_number(t, &n) || n > (uint64_t)(t->end - t->at))
        return NULL;
    char *text = (char *)malloc(n + 1);
    if (text) {
        memcpy(text, t->at, n);
        text[n] = '\0';
        t->at += n;
    }
    return text;
}

static inline int sb_trace_read_request(struct sb_trace *t, struct sb_trace_request *r)
{
    uint64_t kind, cache, gfp;
    const unsigned char *at = t->at;
    if (!sb_trace_number(t, &kind) || !sb_trace_number(t, &cache) || !sb_trace_number(t, &r->size) ||
        !sb_trace_number(t, &r->usable) || !sb_trace_number(t, &r->align) || !sb_trace_number(t, &gfp) ||
        !sb_trace_number(t, &r->allocs))
        return sb_trace_refuse(t, at, "the table of requests ends early");
    if (kind >= SB_TRACE_NR_KINDS || cache >= (t->head.caches ? t->head.caches : 1) || !r->size ||
        r->size > UINT64_C(1) << 47 || (kind == SB_TRACE_CACHE && !t->head.caches) || (r->align & (r->align - 1)) ||
        r->align > UINT64_C(1) << 40 || gfp > UINT32_MAX)
        return sb_trace_refuse(t, at, "a request that can't be one");
    if ((kind == SB_TRACE_PAGES || kind == SB_TRACE_SLAB_PAGES) &&
        (r->size & (r->size - 1) || r->size < SB_PAGE_SIZE || r->size > SB_PAGE_SIZE << SB_MAX_ORDER))
        return sb_trace_refuse(t, at, "pages of an order that there isn't");
    r->kind = (uint32_t)kind;
    r->cache = (uint32_t)cache;
    r->gfp = (sb_gfp_t)gfp;
    return 0;
}

/* To the first event again. */
static inline void sb_trace_rewind(struct sb_trace *t)
{
    t->at = t->events;
    t->read = t->time_ns = 0;
    t->thread = 0;
    t->allocated = 0;
    memset(t->allocs, 0, sizeof(t->allocs));
    memset(t->frees, 0, sizeof(t->frees));
    memset(t->users, 0, t->head.slots * sizeof(*t->users));
    memset(t->live, 0, t->head.slots * sizeof(*t->live));
}

static inline void sb_trace_close(struct sb_trace *t)
{
    for (uint64_t i = 0; t->caches && i < t->head.caches; i++)
        free(t->caches[i]);
    free(t->caches);
    free(t->title);
    free(t->requests);
    free(t->live);
    free(t->users);
    memset(t, 0, sizeof(*t));
}

static inline int sb_trace_read_tables(struct sb_trace *t)
{
    t->title = sb_trace_text(t);
    if (!t->title)
        return sb_trace_refuse(t, t->at, "the title ends early");
    for (uint64_t i = 0; i < t->head.caches; i++) {
        if (!(t->caches[i] = sb_trace_text(t)))
            return sb_trace_refuse(t, t->at, "the names of caches end early");
    }
    for (uint64_t i = 0; i < t->head.requests; i++) {
        int status = sb_trace_read_request(t, &t->requests[i]);
        if (status)
            return status;
    }
    t->events = t->at;
    return 0;
}

/*
 * Opens the bytes of a file, which must stay where they are until sb_trace_close, also after a failure. 0, -ENOMEM, or
 * -EBADMSG with the reason in `why`.
 */
static inline int sb_trace_open(struct sb_trace *t, const void *bytes, size_t n)
{
    memset(t, 0, sizeof(*t));
    t->bytes = (const unsigned char *)bytes;
    t->end = t->bytes + n;
    int status = sb_trace_read_head(&t->head, bytes, n, t->why, sizeof(t->why));
    if (status)
        return status;
    t->at = t->bytes + sizeof(t->head);
    /* Before anything is as large as the head says: each thing that it counts has a byte at least. */
    uint64_t rest = n - sizeof(t->head);
    if (t->head.file_bytes != n) {
        snprintf(t->why, sizeof(t->why), "at byte %llu: the file ends here; it had %llu bytes", (unsigned long long)n,
                 (unsigned long long)t->head.file_bytes);
        return -EBADMSG;
    }
    if (t->head.requests > rest || t->head.caches > rest || t->head.events > rest || t->head.slots > t->head.events)
        return sb_trace_refuse(t, t->bytes + 40, "the head counts more than the file has room for");
    if (sb_trace_sum(SB_TRACE_SUM_START, t->at, rest) != t->head.body_sum)
        return sb_trace_refuse(t, t->at, "what follows here is damaged: its checksum is not the head's");
    t->caches = (char **)calloc(t->head.caches + 1, sizeof(*t->caches));
    t->requests = (struct sb_trace_request *)calloc(t->head.requests + 1, sizeof(*t->requests));
    t->live = (uint32_t *)calloc(t->head.slots + 1, sizeof(*t->live));
    t->users = (uint32_t *)calloc(t->head.slots + 1, sizeof(*t->users));
    if (!t->caches || !t->requests || !t->live || !t->users) {
        snprintf(t->why, sizeof(t->why), "there is no memory for its tables");
        return -ENOMEM;
    }
    return sb_trace_read_tables(t);
}

/* At the end everything is free and all is counted. 0, or -EBADMSG. */
static inline int sb_trace_end(struct sb_trace *t)
{
    for (uint64_t i = 0; i < t->head.slots; i++) {
        if (t->live[i])
            return sb_trace_refuse(t, t->at, "a block is never freed");
    }
    for (uint32_t i = 0; i < SB_TRACE_NR_KINDS; i++) {
        if (t->allocs[i] != t->head.kinds[i].allocs || t->frees[i] != t->head.kinds[i].frees)
            return sb_trace_refuse(t, t->bytes + offsetof(struct sb_trace_head, kinds),
                                   "the head counts other events than there are");
    }
    return t->at == t->end ? 0 : sb_trace_refuse(t, t->at, "something follows the last event");
}

/* A slot is one thread's, or one block's that passes: else threads that replay it could wait for ever. */
#define SB_TRACE_CROSSED UINT32_C(0x80000000)
static inline bool sb_trace_may_use(struct sb_trace *t, uint64_t slot, uint64_t thread, bool alloc)
{
    uint32_t user = t->users[slot], own = (uint32_t)thread + 1;
    if (alloc && user && user != own)
        return false;
    if (alloc || user != own)
        t->users[slot] = alloc ? own : user | SB_TRACE_CROSSED;
    return true;
}

/* Only sizes are moved, and right after the allocation. */
static inline bool sb_trace_may_move(const struct sb_trace *t, uint64_t slot, uint64_t thread)
{
    return t->allocated && thread == t->thread && t->requests[t->allocated - 1].kind == SB_TRACE_SIZED &&
           t->requests[t->live[slot] - 1].kind == SB_TRACE_SIZED;
}

/* 1 and the next event, whose request is that of its block; 0 at the end; or -EBADMSG with the reason in `why`. */
static inline int sb_trace_next(struct sb_trace *t, struct sb_trace_event *e)
{
    uint64_t first, thread = t->thread, request = 0, slot = 0;
    const unsigned char *at = t->at;
    if (t->read == t->head.events)
        return sb_trace_end(t);
    bool there = sb_trace_number(t, &first) && (!(first & 4) || sb_trace_number(t, &thread));
    e->operation = (enum sb_trace_operation)(first & 3);
    there = there && (e->operation != SB_TRACE_ALLOC || sb_trace_number(t, &request)) && sb_trace_number(t, &slot);
    if (!there)
        return sb_trace_refuse(t, at, "an event ends early");
    if (thread >= t->head.threads || slot >= t->head.slots || request >= t->head.requests)
        return sb_trace_refuse(t, at, "an event of a thread, request or slot that there isn't");
    if (!t->live[slot] != (e->operation == SB_TRACE_ALLOC))
        return sb_trace_refuse(t, at, "an allocation into a slot in use, or a free of an empty one");
    if (e->operation == SB_TRACE_MOVE && !sb_trace_may_move(t, slot, thread))
        return sb_trace_refuse(t, at, "a move that doesn't follow its thread's allocation, or of other kinds");
    if (!sb_trace_may_use(t, slot, thread, e->operation == SB_TRACE_ALLOC))
        return sb_trace_refuse(t, at, "a slot of a block that passes between threads is used again");
    t->allocated = e->operation == SB_TRACE_ALLOC ? (uint32_t)request + 1 : 0;
    t->read++;
    t->time_ns += first >> 3;
    t->thread = (uint32_t)thread;
    e->time_ns = t->time_ns;
    e->thread = (uint32_t)thread;
    e->slot = (uint32_t)slot;
    e->request = e->operation == SB_TRACE_ALLOC ? (uint32_t)request : t->live[slot] - 1;
    t->live[slot] = e->operation == SB_TRACE_ALLOC ? e->request + 1 : 0;
    if (e->operation == SB_TRACE_ALLOC)
        t->allocs[t->requests[e->request].kind]++;
    else
        t->frees[t->requests[e->request].kind]++;
    return 1;
}

/* ---- recordings of programs, as libscullbench-record.so writes them; scullbench import makes traces of them ---- */

#define SB_RECORDING_MAGIC "sbrecord"     /* eight bytes without a 0 */
#define SB_RECORDING_CHUNK (256u * 1024u) /* the file's first, and each of one thread's records */

enum sb_recorded {
    SB_RECORDED_ALLOC = 1,
    SB_RECORDED_FREE,
    SB_RECORDED_REALLOC, /* what is to be moved, before the call */
    SB_RECORDED_MOVED,   /* where it is now, after the call; address 0: it is where it was */
};

struct sb_record {
    uint64_t time_ns; /* of an allocation when it had returned; of a free before it was called */
    uint64_t address;
    uint64_t size;
    uint8_t operation; /* enum sb_recorded */
    uint8_t zero;      /* calloc */
    uint8_t align;     /* log2; 0: none asked for */
    uint8_t reserved[5];
};

/* The head of the file's first chunk, whose rest is empty. */
struct sb_recording_head {
    char magic[8];
    uint32_t version;
    uint32_t pid;
    char program[48]; /* its name, ends with 0 */
    uint32_t cut_off; /* not 0: no room was left before the program ended */
};

/* The head of each other chunk; the records follow it. */
struct sb_recording_chunk {
    uint32_t thread;
    uint32_t n;
    uint64_t reserved[3];
};

SB_STATIC_ASSERT(sizeof(struct sb_record) == 32 && sizeof(struct sb_recording_chunk) == 32,
                 "a chunk is its head and records of the same size");
#define SB_RECORDS_IN_CHUNK (SB_RECORDING_CHUNK / sizeof(struct sb_record) - 1)

SB_EXTERN_C_END

#endif
