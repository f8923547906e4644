/*
 * The scull device and the stream that works on it.
 *
 * Models drivers scull, scullc, scullp and scullv of LDD3: a device is a linked list of items, each with an
 * array of `qset` pointers to quanta; a write call allocates the quantum it falls into on first touch,
 * zeroes it and never crosses its end; trim frees all. List items and qset arrays come from the allocator
 * under test too, as scull's own do from kmalloc.
 *
 * Each thread has devices of its own, so the allocator is the only thing that threads share; LDD3's
 * semaphore per device has no one to keep out and is left out.
 *
 * To time allocator calls in batches, a batch of writes first allocates what it needs, in the order in
 * which single calls would, then zeroes and copies. `batch = 1` is LDD3's order to the letter.
 *
 * What a byte must be follows from its position and a shift that is remembered per quantum in the host's own
 * memory, so that with source = random or file a block given out twice shows as wrong contents. Zeroes are
 * all alike; the host's search for overlapping addresses serves there. While the host says that nothing is
 * timed every byte of what is read or freed is compared, whatever the source.
 */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STEP_BYTES = 2 << 20, /* a step moves about this much, to stay short */
    RANDOM_SOURCE = 1 << 20,
};

const char *const scull_touch_names[] = {"none", "first", "full", NULL};

const char *const scull_counters[SCULL_COUNTERS] = {"writes", "reads",       "overwrites", "copies",
                                                    "trims",  "item_allocs", "qset_allocs"};

/* Rounded up: a share above 0 % is at least one quantum. */
static uint64_t ceil_share(uint64_t n, uint64_t percent)
{
    return (n * percent + 99) / 100;
}

/*
 * A step moves 2 MiB at most, so that the common window closes sharply; quanta larger than that go
 * one by one.
 */
static struct geometry read_geometry(const struct scull_kind *kind, const union sb_value *options)
{
    uint64_t first = options[SCULL_QUANTUM_OR_ORDER].u;
    struct geometry g = {
        .quantum = kind->by_order ? SB_PAGE_SIZE << first : first,
        .qset = options[SCULL_QSET].u,
        .devices = options[SCULL_DEVICES].u,
        .device_size = options[SCULL_DEVICE_SIZE].u,
        .touch = (enum scull_touch)options[SCULL_TOUCH].u,
        .batch = (uint32_t)options[SCULL_BATCH].u,
        .gfp = (sb_gfp_t)options[SCULL_GFP].u,
    };
    g.quanta = (g.device_size + g.quantum - 1) / g.quantum;
    g.written = ceil_share(g.quanta, options[SCULL_WRITE].u);
    g.reads = ceil_share(g.written, options[SCULL_READ].u);
    g.overwrites = ceil_share(g.written, options[SCULL_OVERWRITE].u);
    g.copies = ceil_share(g.written, options[SCULL_COPY].u);
    uint64_t most = STEP_BYTES / g.quantum;
    if (g.touch == SCULL_TOUCH_FULL && g.batch > most)
        g.batch = most ? (uint32_t)most : 1;
    return g;
}

static bool is_mapped(const struct scull_kind *kind, const union sb_value *options)
{
    return kind->maps && options[SCULL_MMAP].u;
}

static enum sb_want want_of(const struct scull_kind *kind, const union sb_value *options)
{
    return is_mapped(kind, options) ? SB_WANT_USER_PAGES : kind->want;
}

int scull_needs(const struct scull_kind *kind, const union sb_value *options, struct sb_needs *needs, char *why,
                size_t why_size)
{
    const char *source = options[SCULL_SOURCE].s;
    const char *path = sb_file_of(source);
    struct geometry g = read_geometry(kind, options);

    if (g.qset * sizeof(void *) > SB_PAGE_SIZE << SB_MAX_ORDER) {
        snprintf(why, why_size, "qset: %llu pointers need more than 4 MiB, the largest block",
                 (unsigned long long)g.qset);
        return -EINVAL;
    }
    if (path) {
        struct stat st;
        /* A pipe would hang, a device never end; both have no length to repeat. */
        if (access(path, R_OK) || stat(path, &st) || !S_ISREG(st.st_mode) || !st.st_size) {
            snprintf(why, why_size, "source: '%s' is not a readable file with contents", path);
            return -EINVAL;
        }
        if (g.touch != SCULL_TOUCH_FULL) {
            snprintf(why, why_size, "source = file needs touch = full: the file's bytes are written and verified");
            return -EINVAL;
        }
    } else if (strcmp(source, "zero") && strcmp(source, "random")) {
        snprintf(why, why_size, "source: '%s' is none of zero, random and file:PATH", source);
        return -EINVAL;
    }
    if (is_mapped(kind, options) && g.quantum > SB_PAGE_SIZE) {
        snprintf(why, why_size, "mmap: needs order = 0, for pages behind a block's first have no count of their own");
        return -EINVAL;
    }
    needs->want = want_of(kind, options);
    needs->block_size = g.quantum;
    /* Quanta alone: items and their arrays are small beside them. */
    needs->live_bytes = g.devices * g.written * g.quantum;
    needs->cycle_operations = g.devices * (g.written + g.reads + g.overwrites) + g.devices / 2 * g.copies * 2;
    needs->contents = path != NULL;
    return 0;
}

/* Read whole, with a quantum's worth of its beginning behind its end: every copy is one memcpy. */
static int load_source(struct scull *s, const char *source)
{
    const char *path = sb_file_of(source);
    FILE *file = path ? fopen(path, "rb") : NULL;
    /* A single zero repeated is as long as any device. */
    uint64_t length = strcmp(source, "zero") ? RANDOM_SOURCE : 1;

    if (file) {
        fseek(file, 0, SEEK_END);
        length = (uint64_t)ftell(file);
        rewind(file);
    } else if (path) {
        s->bench->fail(s->bench->context, "the file '%s' can't be read", path);
        return -ENOENT;
    }
    if (!length || length > (uint64_t)INT64_MAX)
        goto fail;
    s->source_length = length;
    s->source = calloc(1, length + s->g.quantum);
    if (!s->source)
        goto fail;
    if (file && fread(s->source, 1, length, file) != length)
        goto fail;
    if (!file && length > 1) {
        struct sb_random random = sb_random_fork(s->bench->seed, UINT64_MAX);
        for (uint64_t i = 0; i < length; i += sizeof(uint64_t)) {
            uint64_t r = sb_random_next(&random);
            memcpy(s->source + i, &r, sizeof(r));
        }
    }
    for (uint64_t i = 0; i < s->g.quantum; i++)
        s->source[length + i] = s->source[i % length];
    if (file)
        fclose(file);
    return 0;
fail:
    s->bench->fail(s->bench->context, "the source '%s' can't be read whole", source);
    if (file)
        fclose(file);
    return -EIO;
}

static void free_scull(struct scull *s)
{
    free(s->source);
    free(s->streams);
    free(s);
}

/* Sources are shared by all threads: they are read-only once opened. */
int scull_setup(const struct scull_kind *kind, const struct sb_bench *bench, const union sb_value *options, void **self)
{
    const struct sb_allocator *a = bench->allocator;
    struct scull *s = calloc(1, sizeof(*s));
    char name[64];
    if (!s)
        return -ENOMEM;
    s->kind = kind;
    s->bench = bench;
    s->g = read_geometry(kind, options);
    if (bench->paced)
        s->g.batch = 1;
    /* null gives one block to all: the lists would overwrite themselves. */
    s->aliases = a->flags & SB_ALLOCATOR_ALIASES;
    s->maps = is_mapped(kind, options);
    s->compare = sb_file_of(options[SCULL_SOURCE].s);
    s->streams = calloc(bench->threads, sizeof(*s->streams));
    int status = s->streams ? load_source(s, options[SCULL_SOURCE].s) : -ENOMEM;
    if (!status)
        status = sb_source_open(&s->quanta, a, bench->self, want_of(kind, options), kind->name, s->g.quantum,
                                kind->slab_flags);
    snprintf(name, sizeof(name), "%s-item", kind->name);
    if (!status)
        status = sb_source_open(&s->items, a, bench->self, SB_WANT_CACHE, name, sizeof(struct item), 0);
    snprintf(name, sizeof(name), "%s-qset", kind->name);
    if (!status)
        status = sb_source_open(&s->qsets, a, bench->self, SB_WANT_CACHE, name, s->g.qset * sizeof(void *), 0);
    if (status)
        free_scull(s);
    else
        *self = s;
    return status;
}

/*
 * What belongs to the harness (shadow of shifts, user's buffer) is the host's memory: the allocator
 * under test must only see the device's own calls.
 */
int scull_thread_setup(void *self, uint32_t thread, void **state)
{
    struct scull *s = self;
    const struct geometry *g = &s->g;
    struct stream *stream = calloc(1, sizeof(*stream));
    uint64_t items = (g->quanta + g->qset - 1) / g->qset;
    if (!stream)
        return -ENOMEM;
    *state = s->streams[thread] = stream;
    stream->scull = s;
    stream->thread = thread;
    stream->random = sb_random_fork(s->bench->seed, thread);
    sb_sampler_init(&stream->sampler, s->bench, thread);
    stream->devices = calloc(g->devices, sizeof(*stream->devices));
    stream->buffer = malloc(g->quantum);
    if (!stream->devices || !stream->buffer)
        return -ENOMEM;
    memset(stream->buffer, 0, g->quantum);
    for (uint64_t d = 0; d < g->devices; d++) {
        stream->devices[d].shifts = calloc(g->quanta, sizeof(uint32_t));
        if (!stream->devices[d].shifts)
            return -ENOMEM;
    }
    if (s->maps && scull_open_views(stream))
        return -ENOMEM;
    if (s->aliases) {
        stream->own_items = calloc(g->devices * items, sizeof(*stream->own_items));
        stream->own_data = calloc(g->devices * items * g->qset, sizeof(*stream->own_data));
        if (!stream->own_items || !stream->own_data)
            return -ENOMEM;
    }
    return 0;
}

/* What each phase does on a device, in quanta. CLEAR and COPY work on pairs, from the even to the odd. */
static uint64_t phase_length(const struct stream *stream)
{
    const struct geometry *g = &stream->scull->g;
    bool pair = stream->device % 2 == 0 && stream->device + 1 < g->devices;
    switch (stream->phase) {
    case PHASE_WRITE:
        return g->written;
    case PHASE_READ:
        return g->reads;
    case PHASE_OVERWRITE:
        return g->overwrites;
    case PHASE_CLEAR:
    case PHASE_COPY:
        return pair ? g->copies : 0;
    case PHASE_TRIM:
        return 1;
    case PHASES:
        break;
    }
    return 0;
}

/* After a device comes the next; CLEAR and COPY alternate on a pair; after TRIM of the last, a new cycle. */
static void advance(struct stream *stream)
{
    stream->done = 0;
    if (stream->phase == PHASE_CLEAR) {
        stream->phase = PHASE_COPY;
        return;
    }
    stream->device++;
    if (stream->device < stream->scull->g.devices) {
        if (stream->phase == PHASE_COPY)
            stream->phase = PHASE_CLEAR;
        return;
    }
    stream->device = 0;
    stream->phase = stream->phase == PHASE_TRIM ? PHASE_WRITE : (enum phase)(stream->phase + 1);
}

/* The new shift is noted before the write, so that what is expected and what is written can't differ. */
static int overwrite_some(struct stream *stream, uint32_t n, struct sb_counts *counts)
{
    struct device *dev = &stream->devices[stream->device];
    int status = 0;
    for (uint32_t i = 0; i < n && !status; i++) {
        uint64_t quantum = sb_random_below(&stream->random, dev->quanta);
        dev->shifts[quantum] = (uint32_t)sb_random_next(&stream->random);
        status = scull_write_quanta(stream, stream->device, quantum, 1, counts);
    }
    counts->counters[COUNT_OVERWRITES] += n;
    return status;
}

/* A read and a write call each, as cp on two devices makes them. */
static int copy_some(struct stream *stream, uint64_t first, uint32_t n, struct sb_counts *counts)
{
    const struct device *from = &stream->devices[stream->device];
    struct device *to = &stream->devices[stream->device + 1];
    int status = scull_read_quanta(stream, stream->device, first, n, counts);
    memcpy(&to->shifts[first], &from->shifts[first], n * sizeof(from->shifts[0]));
    counts->counters[COUNT_COPIES] += n;
    return status ? status : scull_write_quanta(stream, stream->device + 1, first, n, counts);
}

static int write_some(struct stream *stream, uint64_t first, uint32_t n, struct sb_counts *counts)
{
    struct device *dev = &stream->devices[stream->device];
    for (uint32_t i = 0; i < n; i++)
        dev->shifts[first + i] = (uint32_t)(stream->thread * 8191 + stream->device * 131);
    counts->counters[COUNT_WRITES] += n;
    return scull_write_quanta(stream, stream->device, first, n, counts);
}

/* Reads run over the written part from its start, again if there is more than 100 %. */
static int read_some(struct stream *stream, uint32_t n, struct sb_counts *counts)
{
    uint64_t first = stream->done % stream->scull->g.written;
    uint64_t left = stream->scull->g.written - first;
    if (n > left)
        n = (uint32_t)left;
    stream->done += n;
    counts->counters[COUNT_READS] += n;
    return scull_read_quanta(stream, stream->device, first, n, counts);
}

/* Exactly one batch: the host looks at its clock between steps. */
static int step_phase(struct stream *stream, uint32_t n, struct sb_counts *counts)
{
    uint64_t first = stream->done;
    if (stream->phase == PHASE_READ)
        return read_some(stream, n, counts);
    if (stream->phase == PHASE_CLEAR || stream->phase == PHASE_TRIM) {
        uint64_t device = stream->device + (stream->phase == PHASE_CLEAR);
        bool left;
        int status = scull_trim_some(stream, device, &left, counts);
        if (!left) {
            counts->counters[COUNT_TRIMS]++;
            stream->done = UINT64_MAX;
        }
        return status;
    }
    stream->done += n;
    if (stream->phase == PHASE_WRITE)
        return write_some(stream, first, n, counts);
    if (stream->phase == PHASE_OVERWRITE)
        return overwrite_some(stream, n, counts);
    return copy_some(stream, first, n, counts);
}

/* Phases without anything to do are passed over here, so a step always does something. */
int scull_step(void *state, struct sb_counts *counts)
{
    struct stream *stream = state;
    while (stream->done >= phase_length(stream))
        advance(stream);
    uint64_t left = phase_length(stream) - stream->done;
    uint64_t batch = scull_batch_of(stream->scull);
    uint32_t n = (uint32_t)(left < batch ? left : batch);
    return step_phase(stream, n, counts);
}

/* Items that a trim has freed already shift the numbering of the rest: dev->trimmed says by how much. */
static int verify_device(const struct stream *stream, uint64_t number)
{
    const struct scull *s = stream->scull;
    const struct sb_bench *bench = s->bench;
    const struct device *dev = &stream->devices[number];
    uint64_t first = dev->trimmed;
    for (const struct item *item = dev->list; item; item = item->next, first += s->g.qset) {
        bench->live_block(bench->context, item, sizeof(*item), _Alignof(struct item));
        bench->live_block(bench->context, (const void *)item->data, s->g.qset * sizeof(void *), _Alignof(void *));
        for (uint64_t i = 0; i < s->g.qset; i++) {
            if (!item->data[i])
                continue;
            bench->live_block(bench->context, item->data[i], s->g.quantum, s->quanta.align);
            int status = scull_prove_quantum(stream, number, first + i, item->data[i]);
            if (!status && dev->view && dev->viewed[first + i])
                status = scull_prove_quantum(stream, number, first + i, dev->view + (first + i) * s->g.quantum);
            if (status)
                return status;
        }
    }
    return 0;
}

int scull_verify(void *self)
{
    struct scull *s = self;
    int status = 0;
    for (uint32_t t = 0; t < s->bench->threads && !s->aliases; t++) {
        for (uint64_t d = 0; d < s->g.devices && !status; d++)
            status = verify_device(s->streams[t], d);
    }
    return status;
}

int scull_account(void *self, struct sb_account *account)
{
    const struct scull *s = self;
    for (uint32_t t = 0; t < s->bench->threads; t++) {
        const struct stream *stream = s->streams[t];
        account->live += stream->live_quanta + stream->live_items + stream->live_qsets;
        account->requested_bytes += stream->live_quanta * s->g.quantum + stream->live_items * sizeof(struct item) +
                                    stream->live_qsets * s->g.qset * sizeof(void *);
    }
    return 0;
}

static void print(const struct sb_sink *sink, const char *format, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    char line[160];
    int n = snprintf(line, sizeof(line), format, (unsigned long long)a, (unsigned long long)b, (unsigned long long)c,
                     (unsigned long long)d);
    sink->write(sink->context, line, (size_t)n);
}

/* As LDD3's /proc/scullpmem: every item, and the quanta of the last one only. */
static void dump_device(const struct stream *stream, uint64_t number, const struct sb_sink *sink)
{
    const struct scull *s = stream->scull;
    const struct device *dev = &stream->devices[number];
    uint64_t size = dev->quanta * s->g.quantum;
    if (size > s->g.device_size)
        size = s->g.device_size;
    uint64_t index = stream->thread * s->g.devices + number;
    if (s->kind->by_order)
        print(sink, "\nDevice %llu: qset %llu, order %llu, sz %llu\n", index, s->g.qset, sb_get_order(s->g.quantum),
              size);
    else
        print(sink, "\nDevice %llu: qset %llu, quantum %llu, sz %llu\n", index, s->g.qset, s->g.quantum, size);
    for (const struct item *item = dev->list; item; item = item->next) {
        print(sink, "  item at 0x%llx, qset at 0x%llx\n", (uintptr_t)item, (uintptr_t)item->data, 0, 0);
        for (uint64_t j = 0; !item->next && j < s->g.qset; j++) {
            if (item->data[j])
                print(sink, "    %4llu:0x%llx\n", j, (uintptr_t)item->data[j], 0, 0);
        }
    }
}

/* A line a run of pages that are in the view, as /proc/self/maps has them. */
static void dump_view(const struct stream *stream, uint64_t number, const struct sb_sink *sink)
{
    const struct geometry *g = &stream->scull->g;
    const struct device *dev = &stream->devices[number];
    for (uint64_t q = 0, first; dev->view && q < g->quanta; q++) {
        for (first = q; q < g->quanta && dev->viewed[q]; q++)
            ;
        if (q > first)
            print(sink, "%012llx-%012llx rw-s %08llx 00:00 0  /dev/scullp%llu\n",
                  (uintptr_t)dev->view + first * g->quantum, (uintptr_t)dev->view + q * g->quantum, first * g->quantum,
                  stream->thread * g->devices + number);
    }
}

int scull_dump(void *self, const char *file, const struct sb_sink *sink)
{
    const struct scull *s = self;
    size_t n = strlen(s->kind->name);
    /* /proc/scullcmem, scullpmem, scullvmem; or a user's /proc/self/maps. */
    bool maps = s->kind->maps && !strcmp(file, "maps"),
         mem = !strncmp(file, s->kind->name, n) && !strcmp(file + n, "mem");
    for (uint32_t t = 0; t < s->bench->threads && (maps || mem); t++) {
        for (uint64_t d = 0; d < s->g.devices; d++)
            (maps ? dump_view : dump_device)(s->streams[t], d, sink);
    }
    return maps || mem ? 0 : -ENOENT;
}

/* May come at any point of the cycle, also in the middle of a trim. */
void scull_thread_teardown(void *state)
{
    struct stream *stream = state;
    struct sb_counts counts = {0};
    if (!stream)
        return;
    for (uint64_t d = 0; stream->devices && d < stream->scull->g.devices; d++) {
        stream->trim_at = 0;
        for (bool left = true; left;)
            scull_trim_some(stream, d, &left, &counts);
        free(stream->devices[d].shifts);
    }
    scull_close_views(stream);
    free(stream->devices);
    free(stream->buffer);
    free(stream->own_items);
    free((void *)stream->own_data);
    stream->devices = NULL;
}

/* All three sources are closed whatever the first says: the first fault is reported. */
int scull_teardown(void *self)
{
    struct scull *s = self;
    struct sb_source *sources[] = {&s->quanta, &s->items, &s->qsets};
    int status = 0;
    for (unsigned i = 0; i < 3; i++) {
        int closed = sb_source_close(sources[i]);
        if (closed && !status)
            status = closed;
    }
    for (uint32_t t = 0; t < s->bench->threads; t++)
        free(s->streams[t]);
    free_scull(s);
    return status;
}
