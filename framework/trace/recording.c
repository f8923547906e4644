/* Each thread's chunks are in order; threads are merged by their next record's time, of each a window in memory. */
#define _GNU_SOURCE
#include "trace/recording.h"

#include "base/diag.h"
#include "base/str.h"

#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 256 };

/* A thread's place in its chunks. */
struct stream {
    SB_VEC(uint64_t) chunks; /* where they begin */
    size_t chunk;            /* the one being read */
    uint32_t in_chunk, done; /* records of it, and of them those in the window or before it */
    struct sb_record *window;
    uint32_t n, next; /* of the window */
};

struct merge {
    int fd;
    const char *path;
    struct sb_builder *b;
    struct sb_recording_counts *counts;
    SB_VEC(struct stream) streams;
    uint32_t *heap; /* streams by the time of their next record */
    uint32_t heaped;
};

bool sb_is_recording(int fd)
{
    char magic[8];
    return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && !memcmp(magic, SB_RECORDING_MAGIC, sizeof(magic));
}

static int refuse(const struct merge *m, uint64_t at, const char *what)
{
    sb_error("%s: at byte %llu: %s", m->path, (unsigned long long)at, what);
    return -EBADMSG;
}

/* The chunks of each thread. A file that was cut off ends with a part of one, and its records count. */
static int find_chunks(struct merge *m)
{
    struct stat s;
    if (fstat(m->fd, &s))
        return refuse(m, 0, strerror(errno));
    for (uint64_t at = SB_RECORDING_CHUNK; at + sizeof(struct sb_recording_chunk) <= (uint64_t)s.st_size;
         at += SB_RECORDING_CHUNK) {
        struct sb_recording_chunk chunk;
        if (pread(m->fd, &chunk, sizeof(chunk), (off_t)at) != sizeof(chunk))
            return refuse(m, at, "it can't be read");
        if (!chunk.n)
            continue;
        if (chunk.thread >= 65536 || chunk.n > SB_RECORDS_IN_CHUNK)
            return refuse(m, at, "a chunk of more threads or records than there can be");
        while (m->streams.n <= chunk.thread)
            SB_VEC_ADD(&m->streams);
        *SB_VEC_ADD(&m->streams.at[chunk.thread].chunks) = at;
    }
    return 0;
}

/* More of a thread's records. 1; 0: there are none; or a negative errno. */
static int fill(const struct merge *m, struct stream *s)
{
    if (!s->window)
        s->window = sb_calloc(WINDOW, sizeof(*s->window));
    while (s->done == s->in_chunk) {
        struct sb_recording_chunk chunk;
        s->chunk += s->in_chunk != 0;
        if (s->chunk == s->chunks.n)
            return 0;
        if (pread(m->fd, &chunk, sizeof(chunk), (off_t)s->chunks.at[s->chunk]) != sizeof(chunk))
            return refuse(m, s->chunks.at[s->chunk], "it can't be read");
        s->in_chunk = chunk.n;
        s->done = 0;
    }
    uint32_t want = s->in_chunk - s->done < WINDOW ? s->in_chunk - s->done : WINDOW;
    uint64_t at = s->chunks.at[s->chunk] + sizeof(struct sb_recording_chunk) + s->done * sizeof(struct sb_record);
    ssize_t n = pread(m->fd, s->window, want * sizeof(struct sb_record), (off_t)at);
    s->n = n < 0 ? 0 : (uint32_t)((size_t)n / sizeof(struct sb_record));
    s->next = 0;
    s->done += s->n;
    return s->n ? 1 : refuse(m, at, "the recording ends here, in the middle of a chunk");
}

static uint64_t time_of(const struct merge *m, uint32_t stream)
{
    const struct stream *s = &m->streams.at[stream];
    return s->window[s->next].time_ns;
}

static void sift_down(struct merge *m, uint32_t i)
{
    for (uint32_t child; (child = 2 * i + 1) < m->heaped; i = child) {
        if (child + 1 < m->heaped && time_of(m, m->heap[child + 1]) < time_of(m, m->heap[child]))
            child++;
        if (time_of(m, m->heap[i]) <= time_of(m, m->heap[child]))
            return;
        uint32_t t = m->heap[i];
        m->heap[i] = m->heap[child];
        m->heap[child] = t;
    }
}

static void take(struct merge *m, uint32_t thread, const struct sb_record *r)
{
    const struct sb_trace_request request = {.kind = SB_TRACE_SIZED,
                                             .size = r->size ? r->size : 1,
                                             .align = r->align ? UINT64_C(1) << r->align : 0,
                                             .gfp = SB_GFP_KERNEL | (r->zero ? SB_GFP_ZERO : 0)};
    switch (r->operation) {
    case SB_RECORDED_ALLOC:
        if (r->address)
            sb_builder_alloc(m->b, r->time_ns, thread, SB_OF_OBJECTS, r->address, &request);
        else
            m->counts->failed++;
        break;
    case SB_RECORDED_FREE:
        if (!r->address)
            m->counts->null_frees++;
        else if (!sb_builder_free(m->b, r->time_ns, thread, SB_OF_OBJECTS, r->address))
            sb_builder_unknown(m->b, SB_TRACE_SIZED);
        break;
    case SB_RECORDED_REALLOC:
        sb_builder_leave(m->b, r->time_ns, thread, r->address);
        break;
    case SB_RECORDED_MOVED:
        sb_builder_arrive(m->b, r->time_ns, thread, r->address, &request);
        m->counts->failed += !r->address;
        break;
    default:
        break;
    }
}

static int check(const struct merge *m, const struct stream *s, const struct sb_record *r)
{
    /* What was not given may have been of any size. */
    if (r->operation >= SB_RECORDED_ALLOC && r->operation <= SB_RECORDED_MOVED && r->align < 41 &&
        (!r->address || r->size <= UINT64_C(1) << 47))
        return 0;
    return refuse(m, s->chunks.at[s->chunk], "in the chunk that begins here is a record that can't be one");
}

static int merge_all(struct merge *m)
{
    int status = 0;
    m->heap = sb_calloc(m->streams.n, sizeof(*m->heap));
    for (uint32_t i = 0; i < m->streams.n && status >= 0; i++) {
        status = fill(m, &m->streams.at[i]);
        if (status > 0)
            m->heap[m->heaped++] = i;
    }
    for (uint32_t i = m->heaped / 2; i-- > 0 && status >= 0;)
        sift_down(m, i);
    while (m->heaped && status >= 0) {
        uint32_t thread = m->heap[0];
        struct stream *s = &m->streams.at[thread];
        status = check(m, s, &s->window[s->next]);
        if (status)
            break;
        take(m, thread, &s->window[s->next++]);
        m->counts->records++;
        status = s->next < s->n ? 1 : fill(m, s);
        if (!status)
            m->heap[0] = m->heap[--m->heaped];
        if (m->heaped)
            sift_down(m, 0);
    }
    return status < 0 ? status : 0;
}

int sb_recording_read(int fd, const char *path, struct sb_builder *b, struct sb_recording_counts *counts)
{
    struct merge m = {.fd = fd, .path = path, .b = b, .counts = counts};
    struct sb_recording_head head;
    int status = -EBADMSG;
    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.version != SB_TRACE_VERSION) {
        sb_error("%s: a recording of a version that this scullbench does not read; record it again", path);
        goto out;
    }
    snprintf(counts->program, sizeof(counts->program), "%.*s", (int)sizeof(head.program), head.program);
    counts->pid = head.pid;
    counts->cut_off = head.cut_off;
    status = find_chunks(&m);
    if (!status)
        status = merge_all(&m);
out:
    for (size_t i = 0; i < m.streams.n; i++) {
        SB_VEC_FREE(&m.streams.at[i].chunks);
        free(m.streams.at[i].window);
    }
    SB_VEC_FREE(&m.streams);
    free(m.heap);
    return status;
}
