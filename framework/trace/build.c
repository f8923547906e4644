/*
 * Traces are built in two passes, because of a block it is only known at its free whether it passes from thread to
 * thread, and of pages only later whether a slab lies in them. The first pass keeps what lives by its address and
 * writes records of a fixed size, in which both can still be changed, to a file without a name; the second gives slots
 * and packs. Memory is taken for what lives and for kinds of requests, never for events.
 */
#define _GNU_SOURCE
#include "trace/build.h"

#include "base/diag.h"
#include "base/file.h"
#include "base/str.h"
#include "trace/map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN_BUFFER = 65536, MOST_THREADS = 65536, MOST_REQUESTS = 1 << 20 };

/* An event of the first pass. */
struct record {
    uint64_t time_ns;
    uint64_t partner; /* of a free: the record of its allocation */
    uint32_t request;
    uint16_t thread;
    uint8_t operation;
    bool crossed; /* of an allocation: another thread frees it */
};
_Static_assert(sizeof(struct record) == 24, "records lie side by side in the file");

/* What lives. */
struct block {
    uint64_t address;
    uint64_t record;
    uint32_t request;
    uint16_t thread;
};

struct sb_builder {
    char *path;
    int fd;    /* of the records */
    int error; /* the first that writing gave */
    enum sb_trace_source source;
    struct record *buffer; /* the last ones, not yet written */
    uint64_t written;      /* records before the buffer's */
    size_t buffered;
    uint64_t first_ns, last_ns;
    uint64_t backward; /* times that lay before the last one's */
    SB_VEC(struct block) blocks;
    SB_VEC(uint32_t) spare; /* places of blocks that are dead */
    struct sb_map live[SB_ADDRESS_SPACES], leaving;
    SB_VEC(struct sb_trace_request) requests;
    struct sb_map by_hash;
    struct sb_words caches;
    struct sb_map cache_by_hash;
    uint64_t unknown[SB_TRACE_NR_KINDS], lost[SB_TRACE_NR_KINDS];
    bool seen[MOST_THREADS];
};

struct sb_builder *sb_builder_new(const char *path, enum sb_trace_source source)
{
    struct stat there;
    if (!stat(path, &there) && !S_ISREG(there.st_mode)) {
        sb_error("%s is no regular file, and is not replaced by one", path);
        return NULL;
    }
    char *folder = sb_strdup(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    /* Where a file system can't do without a name it lasts for a moment. */
    if (fd < 0) {
        char *name = sb_printf("%s.XXXXXX", path);
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
        free(name);
    }
    free(folder);
    if (fd < 0) {
        sb_error("%s can't be written: %s", path, strerror(errno));
        return NULL;
    }
    struct sb_builder *b = sb_calloc(1, sizeof(*b));
    b->path = sb_strdup(path);
    b->fd = fd;
    b->source = source;
    b->buffer = sb_calloc(IN_BUFFER, sizeof(*b->buffer));
    return b;
}

void sb_builder_discard(struct sb_builder *b)
{
    for (size_t i = 0; i < SB_ADDRESS_SPACES; i++)
        sb_map_free(&b->live[i]);
    sb_map_free(&b->leaving);
    sb_map_free(&b->by_hash);
    sb_map_free(&b->cache_by_hash);
    SB_VEC_FREE(&b->blocks);
    SB_VEC_FREE(&b->spare);
    SB_VEC_FREE(&b->requests);
    sb_words_free(&b->caches);
    close(b->fd);
    free(b->buffer);
    free(b->path);
    free(b);
}

/* ---- records ---- */

/* All of it, or the error is kept. */
static void write_at(struct sb_builder *b, const void *bytes, size_t n, uint64_t at)
{
    const char *from = bytes;
    while (n && !b->error) {
        ssize_t done = pwrite(b->fd, from, n, (off_t)at);
        if (done < 0 && errno != EINTR)
            b->error = -errno;
        if (done > 0) {
            from += done;
            n -= (size_t)done;
            at += (uint64_t)done;
        }
    }
}

static void flush(struct sb_builder *b)
{
    write_at(b, b->buffer, b->buffered * sizeof(*b->buffer), b->written * sizeof(*b->buffer));
    b->written += b->buffered;
    b->buffered = 0;
}

/* Its number. */
static uint64_t add(struct sb_builder *b, struct record record)
{
    if (b->buffered == IN_BUFFER)
        flush(b);
    if (!b->written && !b->buffered)
        b->first_ns = b->last_ns = record.time_ns;
    b->backward += record.time_ns < b->last_ns;
    if (record.time_ns > b->last_ns)
        b->last_ns = record.time_ns;
    record.time_ns = b->last_ns;
    b->seen[record.thread] = true;
    b->buffer[b->buffered] = record;
    return b->written + b->buffered++;
}

static void set_crossed(struct sb_builder *b, uint64_t number)
{
    const bool crossed = true;
    if (number >= b->written)
        b->buffer[number - b->written].crossed = crossed;
    else
        write_at(b, &crossed, sizeof(crossed), number * sizeof(struct record) + offsetof(struct record, crossed));
}

static void set_request(struct sb_builder *b, uint64_t number, uint32_t request)
{
    if (number >= b->written)
        b->buffer[number - b->written].request = request;
    else
        write_at(b, &request, sizeof(request), number * sizeof(struct record) + offsetof(struct record, request));
}

/* ---- requests and caches ---- */

static bool same_request(const struct sb_trace_request *a, const struct sb_trace_request *b)
{
    return a->kind == b->kind && a->cache == b->cache && a->size == b->size && a->usable == b->usable &&
           a->align == b->align && a->gfp == b->gfp;
}

/* A number above 0 that differs where the requests do, as a rule. */
static uint64_t hash_request(const struct sb_trace_request *r)
{
    uint64_t h = r->kind;
    const uint64_t parts[] = {r->cache, r->size, r->usable, r->align, r->gfp};
    for (size_t i = 0; i < SB_COUNT(parts); i++)
        h = (h ^ (h >> 29) ^ parts[i]) * UINT64_C(0xbf58476d1ce4e5b9);
    return h | 1;
}

static uint32_t intern(struct sb_builder *b, const struct sb_trace_request *request)
{
    uint64_t hash = hash_request(request), *found;
    while ((found = sb_map_find(&b->by_hash, hash))) {
        if (same_request(&b->requests.at[*found], request))
            return (uint32_t)*found;
        hash += 2;
    }
    if (b->requests.n == MOST_REQUESTS) {
        b->error = b->error ? b->error : -E2BIG;
        return 0;
    }
    sb_map_put(&b->by_hash, hash, b->requests.n);
    struct sb_trace_request *added = SB_VEC_ADD(&b->requests);
    *added = *request;
    added->allocs = 0;
    return (uint32_t)(b->requests.n - 1);
}

uint32_t sb_builder_cache(struct sb_builder *b, const char *name, size_t length)
{
    uint64_t hash = sb_trace_sum(SB_TRACE_SUM_START, name, length) | 1, *found;
    while ((found = sb_map_find(&b->cache_by_hash, hash))) {
        const char *known = b->caches.at[*found];
        if (strlen(known) == length && !memcmp(known, name, length))
            return (uint32_t)*found;
        hash += 2;
    }
    sb_map_put(&b->cache_by_hash, hash, b->caches.n);
    *SB_VEC_ADD(&b->caches) = sb_strndup(name, length);
    return (uint32_t)(b->caches.n - 1);
}

/* ---- what lives ---- */

/* Address 0 and page 0 are addresses, too. */
static uint64_t key_of(uint64_t address)
{
    return address + 1 ? address + 1 : UINT64_MAX;
}

static void end_block(struct sb_builder *b, uint64_t time_ns, uint32_t thread, uint64_t place,
                      enum sb_trace_operation operation)
{
    const struct block *block = &b->blocks.at[place];
    if (block->thread != thread)
        set_crossed(b, block->record);
    add(b, (struct record){time_ns, block->record, block->request, (uint16_t)thread, (uint8_t)operation, false});
    *SB_VEC_ADD(&b->spare) = (uint32_t)place;
}

void sb_builder_alloc(struct sb_builder *b, uint64_t time_ns, uint32_t thread, enum sb_address_space space,
                      uint64_t address, const struct sb_trace_request *request)
{
    uint64_t place;
    /* It can't be given out twice: its free is missing. Nothing says whose it was, so it is taken as its owner's. */
    if (sb_map_take(&b->live[space], key_of(address), &place)) {
        b->lost[b->requests.at[b->blocks.at[place].request].kind]++;
        end_block(b, time_ns, b->blocks.at[place].thread, place, SB_TRACE_FREE);
    }
    uint32_t number = intern(b, request);
    b->requests.at[number].allocs++;
    if (b->spare.n) {
        place = b->spare.at[--b->spare.n];
    } else {
        SB_VEC_ADD(&b->blocks);
        place = b->blocks.n - 1;
    }
    uint64_t record = add(b, (struct record){time_ns, 0, number, (uint16_t)thread, SB_TRACE_ALLOC, false});
    b->blocks.at[place] = (struct block){address, record, number, (uint16_t)thread};
    sb_map_put(&b->live[space], key_of(address), place);
}

bool sb_builder_free(struct sb_builder *b, uint64_t time_ns, uint32_t thread, enum sb_address_space space,
                     uint64_t address)
{
    uint64_t place;
    if (!sb_map_take(&b->live[space], key_of(address), &place))
        return false;
    end_block(b, time_ns, thread, place, SB_TRACE_FREE);
    return true;
}

void sb_builder_leave(struct sb_builder *b, uint64_t time_ns, uint32_t thread, uint64_t from)
{
    uint64_t place, stuck;
    /* A move that never arrived: its thread ended in the call. */
    if (sb_map_take(&b->leaving, thread + 1, &stuck))
        end_block(b, time_ns, thread, stuck, SB_TRACE_FREE);
    if (sb_map_take(&b->live[SB_OF_OBJECTS], key_of(from), &place))
        sb_map_put(&b->leaving, thread + 1, place);
    else
        sb_builder_unknown(b, SB_TRACE_SIZED);
}

void sb_builder_arrive(struct sb_builder *b, uint64_t time_ns, uint32_t thread, uint64_t to,
                       const struct sb_trace_request *request)
{
    uint64_t place;
    bool moved = sb_map_take(&b->leaving, thread + 1, &place);
    if (!to && moved)
        sb_map_put(&b->live[SB_OF_OBJECTS], key_of(b->blocks.at[place].address), place);
    if (!to)
        return;
    sb_builder_alloc(b, time_ns, thread, SB_OF_OBJECTS, to, request);
    if (moved)
        end_block(b, time_ns, thread, place, SB_TRACE_MOVE);
}

void sb_builder_unknown(struct sb_builder *b, enum sb_trace_kind kind)
{
    b->unknown[kind]++;
}

const struct sb_trace_request *sb_builder_find(const struct sb_builder *b, enum sb_address_space space,
                                               uint64_t address)
{
    const uint64_t *place = sb_map_find(&b->live[space], key_of(address));
    return place ? &b->requests.at[b->blocks.at[*place].request] : NULL;
}

void sb_builder_is_slab(struct sb_builder *b, uint64_t pfn)
{
    const uint64_t *place = sb_map_find(&b->live[SB_OF_PAGES], key_of(pfn));
    if (!place)
        return;
    struct block *block = &b->blocks.at[*place];
    struct sb_trace_request request = b->requests.at[block->request];
    b->requests.at[block->request].allocs--;
    request.kind = SB_TRACE_SLAB_PAGES;
    block->request = intern(b, &request);
    b->requests.at[block->request].allocs++;
    set_request(b, block->record, block->request);
}

/* ---- the second pass ---- */

struct packer {
    struct sb_builder *b;
    FILE *out;
    uint64_t sum, bytes;
    struct sb_trace_head head;
    uint64_t live[SB_TRACE_NR_KINDS], live_bytes[SB_TRACE_NR_KINDS];
    uint32_t *threads; /* by their recorded number */
    struct slots {
        SB_VEC_OF(uint32_t);
    } * free;              /* by thread */
    struct sb_map slot_of; /* by the number of the allocation's record + 1 */
    uint64_t time_ns;
    uint32_t thread;
};

static void put(struct packer *p, const void *bytes, size_t n)
{
    p->sum = sb_trace_sum(p->sum, bytes, n);
    p->bytes += n;
    fwrite(bytes, 1, n, p->out);
}

static void put_number(struct packer *p, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    put(p, bytes, n);
}

static void put_text(struct packer *p, const char *text)
{
    put_number(p, strlen(text));
    put(p, text, strlen(text));
}

static void put_tables(struct packer *p, const char *title)
{
    struct sb_builder *b = p->b;
    put_text(p, title);
    for (size_t i = 0; i < b->caches.n; i++)
        put_text(p, b->caches.at[i]);
    for (size_t i = 0; i < b->requests.n; i++) {
        const struct sb_trace_request *r = &b->requests.at[i];
        const uint64_t parts[] = {r->kind, r->cache, r->size, r->usable, r->align, r->gfp, r->allocs};
        for (size_t k = 0; k < SB_COUNT(parts); k++)
            put_number(p, parts[k]);
    }
}

/* A block that passes has a slot for itself; another takes the one that its thread has left last. */
static uint32_t take_slot(struct packer *p, const struct record *record, uint64_t number)
{
    struct slots *free_slots = &p->free[p->threads[record->thread]];
    uint32_t slot = !record->crossed && free_slots->n ? free_slots->at[--free_slots->n] : (uint32_t)p->head.slots++;
    sb_map_put(&p->slot_of, number + 1, slot);
    return slot;
}

static uint32_t leave_slot(struct packer *p, const struct record *record, bool *crossed)
{
    uint64_t slot = 0;
    sb_map_take(&p->slot_of, record->partner + 1, &slot);
    *crossed = slot >> 32;
    if (!*crossed)
        *SB_VEC_ADD(&p->free[p->threads[record->thread]]) = (uint32_t)slot;
    return (uint32_t)slot;
}

static void count(struct packer *p, const struct record *record, const struct sb_trace_request *r, bool crossed)
{
    struct sb_trace_totals *k = &p->head.kinds[r->kind];
    uint64_t *live = &p->live[r->kind], *bytes = &p->live_bytes[r->kind];
    if (record->operation == SB_TRACE_ALLOC) {
        ++*live;
        *bytes += r->size;
        k->allocs++;
        k->requested_bytes += r->size;
        k->usable_bytes += r->usable;
        k->largest = r->size > k->largest ? r->size : k->largest;
        k->peak_live = *live > k->peak_live ? *live : k->peak_live;
        k->peak_bytes = *bytes > k->peak_bytes ? *bytes : k->peak_bytes;
    } else {
        --*live;
        *bytes -= r->size;
        k->frees++;
        k->crossed += crossed;
        k->at_end += record->operation == SB_TRACE_END_FREE;
    }
}

static void put_event(struct packer *p, const struct record *record, uint64_t number)
{
    const struct sb_trace_request *r;
    uint32_t slot, thread = p->threads[record->thread], request = record->request;
    bool other = thread != p->thread, crossed = false;
    if (record->operation == SB_TRACE_ALLOC) {
        slot = take_slot(p, record, number);
        /* What was changed in the allocation's record holds for its free. */
        if (record->crossed)
            sb_map_put(&p->slot_of, number + 1, slot | UINT64_C(1) << 32);
    } else {
        slot = leave_slot(p, record, &crossed);
    }
    r = &p->b->requests.at[request];
    put_number(p, (record->time_ns - p->time_ns) << 3 | (uint64_t)other << 2 | record->operation);
    if (other)
        put_number(p, thread);
    if (record->operation == SB_TRACE_ALLOC)
        put_number(p, request);
    put_number(p, slot);
    count(p, record, r, crossed);
    p->time_ns = record->time_ns;
    p->thread = thread;
    p->head.events++;
}

static int put_events(struct packer *p)
{
    struct sb_builder *b = p->b;
    p->time_ns = b->first_ns;
    for (uint64_t at = 0; at < b->written;) {
        ssize_t n = pread(b->fd, b->buffer, IN_BUFFER * sizeof(*b->buffer), (off_t)(at * sizeof(*b->buffer)));
        if (n < (ssize_t)sizeof(*b->buffer))
            return n < 0 ? -errno : -EIO;
        for (size_t i = 0; i < (size_t)n / sizeof(*b->buffer); i++)
            put_event(p, &b->buffer[i], at + i);
        at += (size_t)n / sizeof(*b->buffer);
    }
    return 0;
}

static int by_record(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    return (x->record > y->record) - (x->record < y->record);
}

/* In the order in which it came, each by the thread that has it. */
static void free_what_lives(struct sb_builder *b)
{
    SB_VEC(struct block) left = {0};
    for (size_t space = 0; space <= SB_ADDRESS_SPACES; space++) {
        const struct sb_map *map = space < SB_ADDRESS_SPACES ? &b->live[space] : &b->leaving;
        for (size_t i = 0; i < map->capacity; i++) {
            if (map->at[i].key)
                *SB_VEC_ADD(&left) = b->blocks.at[map->at[i].value];
        }
    }
    if (left.n)
        qsort(left.at, left.n, sizeof(*left.at), by_record);
    for (size_t i = 0; i < left.n; i++)
        add(b, (struct record){b->last_ns, left.at[i].record, left.at[i].request, left.at[i].thread, SB_TRACE_END_FREE,
                               false});
    SB_VEC_FREE(&left);
}

/* CPUs 2 and 5 alone are threads 0 and 1. */
static void number_threads(struct packer *p)
{
    for (size_t i = 0; i < MOST_THREADS; i++) {
        if (p->b->seen[i])
            p->threads[i] = p->head.threads++;
    }
    p->free = sb_calloc(p->head.threads, sizeof(*p->free));
}

static void finish_head(struct packer *p)
{
    const struct sb_builder *b = p->b;
    memcpy(p->head.magic, SB_TRACE_MAGIC, sizeof(p->head.magic));
    p->head.version = SB_TRACE_VERSION;
    p->head.head_bytes = sizeof(p->head);
    p->head.file_bytes = sizeof(p->head) + p->bytes;
    p->head.body_sum = p->sum;
    p->head.requests = b->requests.n;
    p->head.caches = b->caches.n;
    p->head.duration_ns = b->last_ns - b->first_ns;
    p->head.source = b->source;
    for (size_t i = 0; i < SB_TRACE_NR_KINDS; i++) {
        p->head.kinds[i].unknown = b->unknown[i];
        p->head.kinds[i].lost = b->lost[i];
    }
    p->head.head_sum = sb_trace_head_sum(p->head);
}

static int pack(struct packer *p, const char *title)
{
    number_threads(p);
    fwrite(&p->head, sizeof(p->head), 1, p->out);
    put_tables(p, title);
    int status = put_events(p);
    finish_head(p);
    if (!status && (fseek(p->out, 0, SEEK_SET) || fwrite(&p->head, sizeof(p->head), 1, p->out) != 1))
        status = -errno;
    return status ? status : ferror(p->out) ? -EIO : 0;
}

static void free_packer(struct packer *p)
{
    for (uint32_t i = 0; p->free && i < p->head.threads; i++)
        SB_VEC_FREE(&p->free[i]);
    free(p->free);
    free(p->threads);
    sb_map_free(&p->slot_of);
}

int sb_builder_finish(struct sb_builder *b, const char *title)
{
    struct packer p = {.b = b, .sum = SB_TRACE_SUM_START, .threads = sb_calloc(MOST_THREADS, sizeof(*p.threads))};
    char *temporary = sb_printf("%s.new-%d", b->path, (int)getpid());
    free_what_lives(b);
    flush(b);
    int status = b->error;
    p.out = status ? NULL : fopen(temporary, "we");
    if (!p.out) {
        status = status ? status : -errno;
        goto out;
    }
    status = pack(&p, title);
    if (fclose(p.out) && !status)
        status = -errno;
    if (!status && rename(temporary, b->path))
        status = -errno;
    if (status)
        unlink(temporary);
out:
    if (status == -E2BIG)
        sb_error("%s: more than %d kinds of requests", b->path, MOST_REQUESTS);
    else if (status)
        sb_error("%s can't be written: %s", b->path, strerror(-status));
    if (!status && b->backward)
        sb_warn("times went back %llu times; such an event is taken as of the same time as the one in front of it",
                (unsigned long long)b->backward);
    free_packer(&p);
    free(temporary);
    return status;
}
