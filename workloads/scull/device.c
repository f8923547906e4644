/*
 * One scull device: its list of items, and writes, reads and trims of a few quanta at a time.
 *
 * Models scull_follow, scullc_write, scullc_read and scullc_trim of LDD3; and scullp's mmap: a mapping of the device
 * has no pages at first, each comes into it when it is first read (scullp_vma_nopage), and none is freed while it is in
 * one (scullp_trim refuses; here the user unmaps first). The fault itself is left out: who reads asks before.
 */
#define _GNU_SOURCE
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    FIRST_BYTES = 8, /* touch = first */
};

/* Allocates a list item and its array; both or neither. */
static struct item *new_item(struct stream *stream, uint64_t device, uint64_t number, struct sb_counts *counts)
{
    struct scull *s = stream->scull;
    const struct geometry *g = &s->g;
    struct item *item = sb_source_alloc(&s->items, s->g.gfp);
    if (!item)
        return NULL;
    void **data = sb_source_alloc(&s->qsets, s->g.gfp);
    if (!data) {
        sb_source_free(&s->items, item);
        return NULL;
    }
    if (s->aliases) {
        uint64_t index = device * ((g->quanta + g->qset - 1) / g->qset) + number;
        item = &stream->own_items[index];
        data = &stream->own_data[index * g->qset];
    }
    /* As scull's own: an empty slot is a hole that reads as nothing. */
    memset(data, 0, g->qset * sizeof(*data));
    *item = (struct item){data, NULL};
    stream->live_items++;
    stream->live_qsets++;
    counts->counters[COUNT_ITEMS]++;
    counts->counters[COUNT_QSETS]++;
    return item;
}

/* scull_follow: the n-th item, made with all before it where it isn't there yet. */
static struct item *follow(struct stream *stream, uint64_t device, uint64_t n, struct sb_counts *counts)
{
    /* A walk from the head each time, as scull walks: its cost is the driver's, not the allocator's. */
    struct item **link = &stream->devices[device].list;
    for (uint64_t i = 0;; i++) {
        if (!*link)
            *link = new_item(stream, device, i, counts);
        if (!*link || i == n)
            return *link;
        link = &(*link)->next;
    }
}

/* The last quantum of a device may be partly filled, as with any file. */
static uint64_t length_of(const struct geometry *g, uint64_t quantum)
{
    uint64_t at = quantum * g->quantum;
    uint64_t length = g->device_size - at < g->quantum ? g->device_size - at : g->quantum;
    if (g->touch == SCULL_TOUCH_FULL)
        return length;
    return g->touch == SCULL_TOUCH_NONE ? 0 : length < FIRST_BYTES ? length : FIRST_BYTES;
}

static const char *expected(const struct scull *s, const struct device *device, uint64_t quantum)
{
    return s->source + (quantum * s->g.quantum + device->shifts[quantum]) % s->source_length;
}

/* What was written beyond a partly filled last quantum: its zeroes. */
static const char *find_not_zero(const char *at, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (at[i])
            return at + i;
    }
    return NULL;
}

/* Finds the slots of quanta first .. first + n - 1; fewer than n when an item can't be had. */
static uint32_t find_slots(struct stream *stream, uint64_t device, uint64_t first, uint32_t n, void ***slots,
                           struct sb_counts *counts)
{
    const uint64_t qset = stream->scull->g.qset;
    struct item *item = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (!item || (first + i) % qset == 0)
            item = follow(stream, device, (first + i) / qset, counts);
        if (!item)
            return i;
        slots[i] = &item->data[(first + i) % qset];
    }
    return n;
}

/* A quantum for every empty slot; returns how many slots are filled. Timed as a batch, or call by call. */
static uint32_t fill_slots(struct stream *stream, void ***slots, uint32_t n, bool *fresh, struct sb_counts *counts)
{
    const struct scull *s = stream->scull;
    uint32_t filled = 0, allocs = 0;
    while (filled < n && *slots[filled])
        fresh[filled++] = false;
    /* An overwrite allocates nothing: nothing to time. */
    if (filled == n)
        return n;
    bool singly = sb_sampler_due(&stream->sampler);
    uint64_t start = s->bench->now();
    for (; filled < n; filled++) {
        fresh[filled] = !*slots[filled];
        if (fresh[filled]) {
            *slots[filled] = singly ? sb_sampler_alloc(&stream->sampler, &s->quanta, s->g.gfp)
                                    : sb_source_alloc(&s->quanta, s->g.gfp);
            if (!*slots[filled])
                break;
            allocs++;
        }
    }
    uint64_t end = s->bench->now();
    counts->allocs += allocs;
    stream->live_quanta += allocs;
    if (singly) {
        counts->sampled_allocs += allocs;
    } else if (allocs) {
        counts->alloc_ticks += end - start;
        counts->alloc_batches++;
    }
    return filled;
}

int scull_write_quanta(struct stream *stream, uint64_t device, uint64_t first, uint32_t n, struct sb_counts *counts)
{
    const struct scull *s = stream->scull;
    struct device *dev = &stream->devices[device];
    void **slots[SCULL_MAX_BATCH];
    bool fresh[SCULL_MAX_BATCH];
    uint32_t found = find_slots(stream, device, first, n, slots, counts);
    uint32_t filled = fill_slots(stream, slots, found, fresh, counts);
    for (uint32_t i = 0; i < filled; i++) {
        uint64_t length = length_of(&s->g, first + i);
        char *quantum = *slots[i];
        if (fresh[i])
            memset(quantum, 0, s->g.touch == SCULL_TOUCH_FULL ? s->g.quantum : length);
        memcpy(quantum, expected(s, dev, first + i), length);
        counts->bytes += length;
    }
    counts->operations += filled;
    /* The device's size, as lseek would show it. */
    if (first + filled > dev->quanta)
        dev->quanta = first + filled;
    return filled < n ? -ENOMEM : 0;
}

/* Says which byte is wrong, and what stands there: a free pointer, zeroes and another's data look different.
 */
static int bad_contents(const struct stream *stream, uint64_t device, uint64_t quantum, const char *found,
                        const char *wanted, uint64_t length)
{
    const struct sb_bench *bench = stream->scull->bench;
    uint64_t first = 0, wrong = 0, word = 0;
    while (first < length && found[first] == wanted[first])
        first++;
    for (uint64_t i = first; i < length; i++)
        wrong += found[i] != wanted[i];
    memcpy(&word, found + first, length - first < sizeof(word) ? length - first : sizeof(word));
    bench->fail(bench->context,
                "thread %u, device %llu: quantum %llu doesn't hold what was written into it: "
                "%llu bytes differ, the first at offset %llu, where 0x%llx stands",
                stream->thread, (unsigned long long)device, (unsigned long long)quantum, (unsigned long long)wrong,
                (unsigned long long)first, (unsigned long long)word);
    return -EBADMSG;
}

int scull_prove_quantum(const struct stream *stream, uint64_t device, uint64_t quantum, const char *found)
{
    const struct scull *s = stream->scull;
    const char *wanted = expected(s, &stream->devices[device], quantum), *other;
    uint64_t length = length_of(&s->g, quantum);
    if (memcmp(found, wanted, length))
        return bad_contents(stream, device, quantum, found, wanted, length);
    if (s->g.touch != SCULL_TOUCH_FULL || !(other = find_not_zero(found + length, s->g.quantum - length)))
        return 0;
    s->bench->fail(
        s->bench->context,
        "thread %u, device %llu: the last quantum, %llu, is not zero behind the device's end, at offset %llu",
        stream->thread, (unsigned long long)device, (unsigned long long)quantum, (unsigned long long)(other - found));
    return -EBADMSG;
}

uint64_t scull_batch_of(const struct scull *s)
{
    return sb_step_calls(s->bench, s->g.batch);
}

/* While nothing is timed all that is read or freed is proved; null's blocks hold what anybody wrote last. */
static bool is_proving(const struct scull *s)
{
    return s->bench->proving && !s->aliases;
}

static void *no_pages(char *at, uint64_t bytes)
{
    return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

int scull_open_views(struct stream *stream)
{
    const struct geometry *g = &stream->scull->g;
    for (uint64_t d = 0; d < g->devices; d++) {
        struct device *dev = &stream->devices[d];
        void *view = no_pages(NULL, g->quanta * g->quantum);
        dev->view = view == MAP_FAILED ? NULL : view;
        dev->viewed = calloc(g->quanta, sizeof(*dev->viewed));
        if (!dev->view || !dev->viewed)
            return -ENOMEM;
    }
    return 0;
}

/* The user's munmap, in front of a trim. */
static void forget_view(const struct stream *stream, struct device *dev)
{
    const struct geometry *g = &stream->scull->g;
    if (!dev->looked)
        return;
    no_pages(dev->view, g->quanta * g->quantum);
    memset(dev->viewed, 0, g->quanta * sizeof(*dev->viewed));
    dev->looked = false;
}

void scull_close_views(struct stream *stream)
{
    const struct geometry *g = &stream->scull->g;
    for (uint64_t d = 0; stream->devices && d < g->devices; d++) {
        struct device *dev = &stream->devices[d];
        if (dev->view)
            munmap(dev->view, g->quanta * g->quantum);
        free(dev->viewed);
    }
}

/* Where a read finds the quantum: in the view, to which it is added at the first look. NULL: it can't be. */
static const char *look_at(const struct stream *stream, struct device *dev, uint64_t quantum, void *block)
{
    const struct sb_bench *bench = stream->scull->bench;
    const struct sb_pages_ops *ops = bench->allocator->pages;
    if (!stream->scull->maps)
        return block;
    char *at = dev->view + quantum * stream->scull->g.quantum;
    if (dev->viewed[quantum])
        return at;
    int status = ops->insert_page(bench->self, ops->virt_to_page(bench->self, block), at);
    if (status) {
        bench->fail(
            bench->context, "insert_page of quantum %llu: %s%s", (unsigned long long)quantum, strerror(-status),
            status == -ENOMEM ? "; the kernel keeps vm.max_map_count mappings of a process, and each page is one" : "");
        return NULL;
    }
    dev->viewed[quantum] = dev->looked = true;
    return at;
}

int scull_read_quanta(struct stream *stream, uint64_t device, uint64_t first, uint32_t n, struct sb_counts *counts)
{
    const struct scull *s = stream->scull;
    struct device *dev = &stream->devices[device];
    void **slots[SCULL_MAX_BATCH];
    /* What is read was written, so every slot is there. */
    n = find_slots(stream, device, first, n, slots, counts);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t length = length_of(&s->g, first + i);
        const char *from = look_at(stream, dev, first + i, *slots[i]);
        if (!from)
            return -ENOMEM;
        memcpy(stream->buffer, from, length);
        /* The copy must happen although nobody reads it. */
        __asm__ volatile("" : : "r"(stream->buffer) : "memory");
        const char *wanted = expected(s, dev, first + i);
        if ((s->compare || is_proving(s)) && memcmp(stream->buffer, wanted, length))
            return bad_contents(stream, device, first + i, stream->buffer, wanted, length);
        counts->bytes += length;
    }
    counts->operations += n;
    return 0;
}

/* Takes up to a batch of quanta out of a device's first item, with their numbers. */
static uint32_t take_quanta(struct stream *stream, uint64_t device, void **blocks, uint64_t *numbers)
{
    const struct scull *s = stream->scull;
    const struct device *dev = &stream->devices[device];
    const uint64_t batch = scull_batch_of(s);
    uint32_t n = 0;
    while (n < batch && stream->trim_at < s->g.qset) {
        void **slot = &dev->list->data[stream->trim_at++];
        if (*slot) {
            numbers[n] = dev->trimmed + stream->trim_at - 1;
            blocks[n++] = *slot;
        }
        *slot = NULL;
    }
    return n;
}

/* One by one in the survey, each proved just before it is freed: a free may damage another quantum of its
 * batch. */
static int free_proved(struct stream *stream, uint64_t device, void *const *blocks, const uint64_t *numbers, uint32_t n)
{
    int status = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!status)
            status = scull_prove_quantum(stream, device, numbers[i], blocks[i]);
        sb_source_free(&stream->scull->quanta, blocks[i]);
    }
    return status;
}

static void free_timed(struct stream *stream, void *const *blocks, uint32_t n, struct sb_counts *counts)
{
    const struct scull *s = stream->scull;
    bool singly = sb_sampler_due(&stream->sampler);
    uint64_t start = s->bench->now();
    for (uint32_t i = 0; i < n; i++) {
        if (singly)
            sb_sampler_free(&stream->sampler, &s->quanta, blocks[i]);
        else
            sb_source_free(&s->quanta, blocks[i]);
    }
    uint64_t end = s->bench->now();
    if (singly) {
        counts->sampled_frees += n;
    } else if (n) {
        counts->free_ticks += end - start;
        counts->free_batches++;
    }
}

int scull_trim_some(struct stream *stream, uint64_t device, bool *left, struct sb_counts *counts)
{
    struct scull *s = stream->scull;
    struct device *dev = &stream->devices[device];
    struct item *item = dev->list;
    void *blocks[SCULL_MAX_BATCH];
    uint64_t numbers[SCULL_MAX_BATCH];
    int status = 0;
    *left = item;
    if (!item) {
        dev->quanta = dev->trimmed = 0;
        return 0;
    }
    forget_view(stream, dev);
    uint32_t n = take_quanta(stream, device, blocks, numbers);
    if (is_proving(s))
        status = free_proved(stream, device, blocks, numbers, n);
    else
        free_timed(stream, blocks, n, counts);
    counts->frees += n;
    stream->live_quanta -= n;
    if (stream->trim_at == s->g.qset) {
        dev->list = item->next;
        dev->trimmed += s->g.qset;
        stream->trim_at = 0;
        sb_source_free(&s->qsets, (void *)item->data);
        sb_source_free(&s->items, item);
        stream->live_items--;
        stream->live_qsets--;
    }
    return status;
}
