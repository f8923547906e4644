/*
 * Traces from end to end: text and recordings become events, every number as counted by hand; files that are damaged,
 * by one byte or with right sums over wrong contents, are refused and nothing is read beyond them; replays ask each
 * allocator for exactly what the trace counts, at any stop.
 */
#define _GNU_SOURCE
#include "rig.h"

#include "base/file.h"
#include "scullbench/random.h"
#include "trace/map.h"
#include "trace/perf.h"
#include "trace/recording.h"
#include "trace/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define NOW "/tmp/scullbench-test-XXXXXX"

static char path[64];
static unsigned char *bytes;
static size_t length;
static struct sb_trace trace;

static int scratch(void)
{
    strcpy(path, NOW);
    return mkstemp(path);
}

static void read_back(void)
{
    char *text;
    assert_int_equal(sb_read_file(path, &text, &length), 0);
    bytes = (unsigned char *)text;
    if (sb_trace_open(&trace, bytes, length))
        fail_msg("%s", trace.why);
    sb_trace_rewind(&trace);
}

static void forget(void)
{
    sb_trace_close(&trace);
    free(bytes);
    unlink(path);
}

static void no_progress(void *context)
{
    (void)context;
}

/* A pipe as long as the text is short. */
static struct sb_perf_counts import_text(const char *text)
{
    struct sb_perf_counts counts = {0};
    int out = scratch(), fds[2];
    close(out);
    struct sb_builder *b = sb_builder_new(path, SB_TRACE_OF_KERNEL);
    assert_non_null(b);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
    close(fds[1]);
    assert_int_equal(sb_perf_read(fds[0], b, &counts, no_progress, NULL), 0);
    close(fds[0]);
    assert_int_equal(sb_builder_finish(b, "by hand"), 0);
    sb_builder_discard(b);
    read_back();
    return counts;
}

#define OBJECT(cpu, time, address, request, given)                                                                     \
    "a b: [x] 1 [00" #cpu "]  10." time ": kmem:kmalloc: call_site=f+0x1 ptr=0xffff8881" address                       \
    " bytes_req=" #request " bytes_alloc=" #given " gfp_flags=GFP_KERNEL|__GFP_ZERO node=-1 accounted=false\n"
#define FREE(cpu, time, address)                                                                                       \
    "x 1 [00" #cpu "]  10." time ": kmem:kfree: call_site=f+0x1 ptr=0xffff8881" address "\n"
#define PAGE(cpu, time, event, pfn, order)                                                                             \
    "x 1 [00" #cpu "] 10." time ": kmem:" event ": page=0x" pfn " pfn=0x" pfn " order=" #order                         \
    " migratetype=0 gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ACCOUNT\n"

/* An event as expected: thread, operation, slot. */
static void expect_event(uint32_t thread, enum sb_trace_operation operation, uint64_t size, uint64_t ns)
{
    struct sb_trace_event e = {0};
    if (sb_trace_next(&trace, &e) != 1)
        fail_msg("an event was expected; %s", trace.why);
    assert_int_equal(e.thread, thread);
    assert_int_equal(e.operation, operation);
    assert_int_equal(trace.requests[e.request].size, size);
    assert_int_equal(e.time_ns, ns);
}

static void expect_end(void)
{
    struct sb_trace_event e = {0};
    assert_int_equal(sb_trace_next(&trace, &e), 0);
}

static void text_becomes_events(void **state)
{
    (void)state;
    struct sb_perf_counts c = import_text(
        "# a comment\n" OBJECT(3, "000000100", "00000040", 30, 32) OBJECT(1, "000000200", "00000080", 100, 128)
        /* Freed by the other CPU. */
        FREE(1, "000000300", "00000040")
        /* kfree(NULL), a free of what was there before, an event of another kind, a line that is none. */
        "x 1 [001] 10.000000310: kmem:kfree: call_site=f ptr=(nil)\n" FREE(
            1, "000000320", "0000ffc0") "x 1 [001] 10.000000330: kmem:rss_stat: mm_id=1\nnot an event\n"
        /* The free of 0x80 is lost: it is given out again. */
        OBJECT(1, "000000400", "00000080", 8, 8)
        /* Earlier than the one before: as of the same time. */
        "x 1 [003] 10.000000390: kmem:kmem_cache_alloc: call_site=f ptr=0xffff888100000400 name=a b c bytes_req=184 "
        "bytes_alloc=192 gfp_flags=GFP_NOWAIT node=-1 accounted=true\n");
    assert_int_equal(c.lines, 10);
    assert_int_equal(c.events, 7);
    assert_int_equal(c.null_frees, 1);
    assert_int_equal(c.ignored, 1);
    assert_int_equal(c.unreadable, 1);
    assert_int_equal(c.unreadable_line, 8);
    assert_string_equal(c.ignored_as, "rss_stat");
    assert_int_equal(trace.head.threads, 2);
    assert_int_equal(trace.head.duration_ns, 300);
    assert_int_equal(trace.head.caches, 1);
    assert_string_equal(trace.caches[0], "a b c");
    assert_string_equal(trace.title, "by hand");
    const struct sb_trace_totals *k = &trace.head.kinds[SB_TRACE_SIZED];
    assert_int_equal(k->allocs, 3);
    assert_int_equal(k->frees, 3);
    assert_int_equal(k->crossed, 1);
    assert_int_equal(k->lost, 1);
    assert_int_equal(k->at_end, 1);
    assert_int_equal(k->unknown, 1);
    assert_int_equal(k->peak_live, 2);
    assert_int_equal(k->peak_bytes, 130);
    assert_int_equal(k->requested_bytes, 138);
    assert_int_equal(k->usable_bytes, 168);
    assert_int_equal(k->largest, 100);
    assert_int_equal(trace.head.kinds[SB_TRACE_CACHE].allocs, 1);
    /* CPUs 1 and 3 are threads 0 and 1. */
    expect_event(1, SB_TRACE_ALLOC, 30, 0);
    expect_event(0, SB_TRACE_ALLOC, 100, 100);
    expect_event(0, SB_TRACE_FREE, 30, 200);
    expect_event(0, SB_TRACE_FREE, 100, 300);
    expect_event(0, SB_TRACE_ALLOC, 8, 300);
    expect_event(1, SB_TRACE_ALLOC, 184, 300);
    expect_event(0, SB_TRACE_END_FREE, 8, 300);
    expect_event(1, SB_TRACE_END_FREE, 184, 300);
    expect_end();
    /* GFP flags under the model's values; __GFP_ZERO among them. */
    assert_int_equal(trace.requests[0].gfp, SB_GFP_KERNEL | SB_GFP_ZERO);
    forget();
}

/* One slot serves all that a thread frees itself; what passes has one of its own. */
static void slots_are_shared_where_nobody_waits(void **state)
{
    struct sb_trace_event e = {0};
    uint32_t slots[4];
    (void)state;
    import_text(OBJECT(0, "1", "00000040", 8, 8) FREE(0, "2", "00000040") OBJECT(0, "3", "00000080", 8, 8)
                    FREE(1, "4", "00000080") OBJECT(0, "5", "000000c0", 8, 8) FREE(0, "6", "000000c0")
                        OBJECT(1, "7", "00000100", 8, 8) FREE(1, "8", "00000100"));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sb_trace_next(&trace, &e), 1);
        slots[i] = e.slot;
        assert_int_equal(e.operation, SB_TRACE_ALLOC);
        assert_int_equal(sb_trace_next(&trace, &e), 1);
        assert_int_equal(e.slot, slots[i]);
    }
    expect_end();
    assert_int_equal(slots[0], slots[2]);
    assert_int_not_equal(slots[0], slots[1]);
    assert_int_not_equal(slots[0], slots[3]);
    /* The passing block's slot is nobody's later, not even of the thread that freed it. */
    assert_int_not_equal(slots[1], slots[3]);
    assert_int_equal(trace.head.slots, 3);
    forget();
}

/* One call of kmalloc tells of itself up to three times; a page freed in a batch twice. */
static void calls_told_several_times(void **state)
{
    (void)state;
    struct sb_perf_counts c = import_text(
        OBJECT(0, "1", "00000000", 16384, 16384) OBJECT(0, "1", "00000000", 16384, 16384) FREE(0, "2", "00000000")
            OBJECT(0, "3", "00000000", 16384, 16384) FREE(0, "4", "00000000") PAGE(0, "5", "mm_page_alloc", "7", 0)
                PAGE(0, "6", "mm_page_free", "7", 0) PAGE(0, "7", "mm_page_free_batched", "7", 0)
                    PAGE(0, "8", "mm_page_alloc", "8", 1) PAGE(0, "9", "mm_page_free_batched", "8", 1));
    assert_int_equal(c.told_twice, 2);
    assert_int_equal(trace.head.kinds[SB_TRACE_SIZED].allocs, 2);
    assert_int_equal(trace.head.kinds[SB_TRACE_SIZED].lost, 0);
    assert_int_equal(trace.head.kinds[SB_TRACE_PAGES].allocs, 2);
    assert_int_equal(trace.head.kinds[SB_TRACE_PAGES].frees, 2);
    assert_int_equal(trace.head.kinds[SB_TRACE_PAGES].at_end, 0);
    assert_int_equal(trace.head.kinds[SB_TRACE_PAGES].largest, 8192);
    assert_int_equal(c.odd_flags, 0);
    forget();
}

/* From the third time on that an object comes out of new pages it is known where the direct map begins; a slab's pages
 * are told from others then, at any time while they live. */
static void pages_of_slabs(void **state)
{
    (void)state;
    import_text(PAGE(0, "1", "mm_page_alloc", "101000", 0) OBJECT(0, "1", "01000040", 8, 8)
                    PAGE(0, "2", "mm_page_alloc", "102000", 1) OBJECT(0, "2", "02001040", 8, 8)
                        PAGE(0, "3", "mm_page_alloc", "103000", 2) OBJECT(0, "3", "03003040", 8, 8)
                            PAGE(0, "4", "mm_page_alloc", "104000", 0) OBJECT(0, "5", "02000080", 8, 8)
                                PAGE(0, "6", "mm_page_alloc", "105000", 0) OBJECT(0, "7", "05000ff8", 8, 8));
    assert_int_equal(trace.head.kinds[SB_TRACE_SLAB_PAGES].allocs, 3);
    assert_int_equal(trace.head.kinds[SB_TRACE_SLAB_PAGES].requested_bytes, 16384 + 8192 + 4096);
    assert_int_equal(trace.head.kinds[SB_TRACE_PAGES].allocs, 2);
    forget();
}

static void areas_and_percpu(void **state)
{
    (void)state;
    struct sb_perf_counts c = import_text(
        "x 1 [000] 1.1: vmalloc:alloc_vmap_area: va_start: 18446683600586719232 size=20480 align=16384 "
        "vstart=0xffffc90000000000 vend=0xffffe8ffffffffff failed=0\n"
        "x 1 [000] 1.2: vmalloc:alloc_vmap_area: va_start: 18446683600586719232 size=20480 align=1 vstart=0x1 vend=0x2 "
        "failed=1\n"
        "x 1 [000] 1.3: vmalloc:free_vmap_area_noflush: va_start=0xffffc90000e78000 nr_lazy=1 nr_lazy_max=2\n"
        "x 1 [000] 1.4: percpu:percpu_alloc_percpu: call_site=f reserved=0 is_atomic=0 size=16 align=8 base_addr=0x1 "
        "off=24984 ptr=0x60795baff198 bytes_alloc=64 gfp_flags=GFP_KERNEL\n"
        /* ftrace's own form: flags before the time, no subsystem. */
        "  kworker/0:1-11   [000] d..2.  1.500000: percpu_free_percpu: base_addr=0x1 off=1 ptr=0x60795baff198\n");
    const struct sb_trace_totals *v = &trace.head.kinds[SB_TRACE_VMALLOC], *p = &trace.head.kinds[SB_TRACE_PERCPU];
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.unreadable, 0);
    assert_int_equal(v->allocs, 1);
    assert_int_equal(v->requested_bytes, 16384); /* without the guard page */
    assert_int_equal(p->allocs, 1);
    assert_int_equal(p->usable_bytes, 64);
    assert_int_equal(p->at_end, 0);
    assert_int_equal(trace.head.duration_ns, 400000000);
    forget();
}

/* Against an array of all keys: entries that share a place are found whoever of them leaves. */
static void a_map_finds_what_is_in_it(void **state)
{
    enum { KEYS = 3000 };
    static uint64_t values[KEYS + 1];
    struct sb_random random = {5};
    struct sb_map map = {0};
    size_t n = 0;
    (void)state;
    for (int round = 0; round < 200000; round++) {
        uint64_t key = 1 + sb_random_below(&random, KEYS), value = 0;
        if (sb_random_below(&random, 2)) {
            n += !values[key];
            values[key] = 1 + (uint64_t)round;
            sb_map_put(&map, key << 12, values[key]);
        } else {
            assert_int_equal(sb_map_take(&map, key << 12, &value), values[key] != 0);
            assert_int_equal(value, values[key]);
            n -= values[key] != 0;
            values[key] = 0;
        }
        assert_int_equal(map.n, n);
        key = 1 + sb_random_below(&random, KEYS);
        const uint64_t *found = sb_map_find(&map, key << 12);
        assert_int_equal(found ? *found : 0, values[key]);
    }
    sb_map_free(&map);
}

/* ---- files that are not to be trusted ---- */

/* Read to its end or to where it is refused. */
static int read_all(unsigned char *copy, size_t n, char *why, size_t why_size)
{
    struct sb_trace t;
    struct sb_trace_event e = {0};
    int status = sb_trace_open(&t, copy, n);
    if (!status) {
        sb_trace_rewind(&t);
        while ((status = sb_trace_next(&t, &e)) > 0)
            ;
    }
    snprintf(why, why_size, "%s", t.why);
    sb_trace_close(&t);
    return status;
}

/* The sums as they would be of what stands there. */
static void seal(unsigned char *copy, size_t n)
{
    struct sb_trace_head head;
    if (n < sizeof(head))
        return;
    memcpy(&head, copy, sizeof(head));
    head.file_bytes = n;
    head.body_sum = sb_trace_sum(SB_TRACE_SUM_START, copy + sizeof(head), n - sizeof(head));
    head.head_sum = sb_trace_head_sum(head);
    memcpy(copy, &head, sizeof(head));
}

static void damage_is_refused_with_its_offset(void **state)
{
    char why[200];
    (void)state;
    import_text(OBJECT(0, "1", "00000040", 8, 8) OBJECT(1, "2", "00000080", 300, 512) FREE(0, "3", "00000080"));
    assert_int_equal(read_all(bytes, length, why, sizeof(why)), 0);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(read_all(bytes, length, why, sizeof(why)), -EBADMSG);
        assert_non_null(strstr(why, "at byte "));
        bytes[i] ^= 0x10;
    }
    for (size_t n = 0; n < length; n++) {
        assert_int_equal(read_all(bytes, n, why, sizeof(why)), -EBADMSG);
        assert_non_null(strstr(why, "byte"));
    }
    assert_int_equal(read_all(bytes, length - 1, why, sizeof(why)), -EBADMSG);
    char expected[200];
    snprintf(expected, sizeof(expected), "at byte %zu: the file ends here; it had %zu bytes", length - 1, length);
    assert_string_equal(why, expected);
    forget();
}

/* What an enemy would write: right sums, wrong contents. Copies end where a page ends that can't be read. */
static void wrong_contents_under_right_sums(void **state)
{
    const char *more = getenv("FUZZ");
    const unsigned rounds = more ? (unsigned)atoi(more) : 20000;
    char why[200], text[8192] = "";
    struct sb_random random = {7};
    unsigned refused = 0;
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        char line[200];
        snprintf(line, sizeof(line),
                 i % 3 == 2 ? "x 1 [00%u] 1.%03u: kmem:kfree: ptr=0xffff8881000%02u\n"
                            : "x 1 [00%u] 1.%03u: kmem:kmalloc: ptr=0xffff8881000%02u bytes_req=70 bytes_alloc=96\n",
                 i % 2, i, i % 3 == 2 ? i - 1 : i);
        strcat(text, line);
    }
    import_text(text);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (length + 2 * page) / page * page;
    unsigned char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
    for (unsigned round = 0; round < rounds; round++) {
        size_t n = sb_random_below(&random, 8) ? length : sizeof(trace.head) + sb_random_below(&random, length);
        unsigned char *copy = map + room - n;
        memset(copy, 0, n);
        memcpy(copy, bytes, n < length ? n : length);
        for (uint64_t k = sb_random_below(&random, 6); k-- > 0;)
            copy[sb_random_below(&random, n)] = (unsigned char)sb_random_next(&random);
        memcpy(copy, &trace.head, 16);
        seal(copy, n);
        int status = read_all(copy, n, why, sizeof(why));
        assert_true(status == 0 || status == -EBADMSG || status == -ENOMEM);
        refused += status != 0;
    }
    assert_true(refused > rounds / 4);
    munmap(map, room + page);
    forget();
}

/* Text of any kind makes a trace or none; nothing else happens. */
static void noise_as_text(void **state)
{
    static const char *const parts[] = {"x 1 [000] ",
                                        "1.5: ",
                                        "kmem:kmalloc: ",
                                        "ptr=0x",
                                        "ffff888100",
                                        "00000040",
                                        " bytes_req=",
                                        "64",
                                        " bytes_alloc=",
                                        "kmem:kfree: ",
                                        "\n",
                                        "[",
                                        "]",
                                        " ",
                                        "name=a",
                                        "gfp_flags=",
                                        "GFP_KERNEL|",
                                        "kmem:mm_page_alloc: ",
                                        "pfn=0x1",
                                        " order=3",
                                        "99999999999999999999999",
                                        "\0",
                                        "(nil)",
                                        "kmem:kmem_cache_alloc: "};
    struct sb_random random = {11};
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct sb_text text = {0};
        for (int i = 0; i < 200; i++)
            sb_text_printf(&text, "%s", parts[sb_random_below(&random, SB_COUNT(parts))]);
        sb_text_printf(&text, "\n" OBJECT(0, "1", "00000040", 8, 8));
        import_text(sb_text_get(&text));
        struct sb_trace_event e = {0};
        int more;
        while ((more = sb_trace_next(&trace, &e)) > 0)
            ;
        assert_int_equal(more, 0);
        sb_text_free(&text);
        forget();
    }
}

/* ---- recordings ---- */

struct call {
    uint32_t thread;
    struct sb_record record;
};

/* Each thread's calls in a chunk of its own, the last thread's first. */
static void write_recording(const struct call *calls, size_t n, uint32_t threads, const char *to)
{
    struct sb_recording_head head = {.version = SB_TRACE_VERSION, .pid = 42, .program = "cc1"};
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    memcpy(head.magic, SB_RECORDING_MAGIC, sizeof(head.magic));
    assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
    assert_int_equal(ftruncate(fd, (off_t)(threads + 1) * SB_RECORDING_CHUNK), 0);
    for (uint32_t t = 0; t < threads; t++) {
        struct sb_recording_chunk chunk = {.thread = t};
        off_t at = (off_t)(threads - t) * SB_RECORDING_CHUNK;
        for (size_t i = 0; i < n; i++) {
            if (calls[i].thread != t)
                continue;
            off_t to_record = at + (off_t)sizeof(chunk) + (off_t)(chunk.n++ * sizeof(struct sb_record));
            assert_int_equal(pwrite(fd, &calls[i].record, sizeof(struct sb_record), to_record),
                             sizeof(struct sb_record));
        }
        assert_int_equal(pwrite(fd, &chunk, sizeof(chunk), at), sizeof(chunk));
    }
    close(fd);
}

static int import_recording(const char *from, struct sb_recording_counts *counts)
{
    int out = scratch(), fd = open(from, O_RDONLY);
    close(out);
    assert_true(sb_is_recording(fd));
    struct sb_builder *b = sb_builder_new(path, SB_TRACE_OF_PROGRAM);
    int status = sb_recording_read(fd, from, b, counts);
    close(fd);
    if (!status) {
        assert_int_equal(sb_builder_finish(b, "by hand"), 0);
        read_back();
    } else {
        unlink(path);
    }
    sb_builder_discard(b);
    return status;
}

#define CALL(thread, ns, operation, address, size, zero, align)                                                        \
    {                                                                                                                  \
        thread,                                                                                                        \
        {                                                                                                              \
            ns, address, size, SB_RECORDED_##operation, zero, align,                                                   \
            {                                                                                                          \
                0                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* Between a realloc's begin and its end another thread may be given the old address. */
static void threads_of_a_program(void **state)
{
    static const struct call calls[] = {CALL(0, 10, ALLOC, 0x1000, 100, 0, 0),  CALL(1, 20, ALLOC, 0x2000, 40, 1, 0),
                                        CALL(0, 30, REALLOC, 0x1000, 0, 0, 0),  CALL(1, 35, ALLOC, 0x1000, 50, 0, 6),
                                        CALL(0, 40, MOVED, 0x3000, 200, 0, 0),  CALL(1, 50, FREE, 0x3000, 0, 0, 0),
                                        CALL(0, 60, FREE, 0x1000, 0, 0, 0),     CALL(0, 70, REALLOC, 0x2000, 0, 0, 0),
                                        CALL(0, 75, MOVED, 0, 1 << 30, 0, 0),   CALL(1, 80, FREE, 0x2000, 0, 0, 0),
                                        CALL(1, 90, FREE, 0, 0, 0, 0),          CALL(1, 95, FREE, 0x9000, 0, 0, 0),
                                        CALL(0, 99, ALLOC, 0, 1ULL << 40, 0, 0)};
    struct sb_recording_counts counts = {0};
    char from[64] = NOW;
    (void)state;
    close(mkstemp(from));
    write_recording(calls, SB_COUNT(calls), 2, from);
    assert_int_equal(import_recording(from, &counts), 0);
    assert_int_equal(counts.records, 13);
    assert_int_equal(counts.null_frees, 1);
    assert_int_equal(counts.failed, 2);
    assert_string_equal(counts.program, "cc1");
    const struct sb_trace_totals *k = &trace.head.kinds[SB_TRACE_SIZED];
    assert_int_equal(k->allocs, 4);
    assert_int_equal(k->frees, 4);
    assert_int_equal(k->lost, 0);
    assert_int_equal(k->at_end, 0);
    assert_int_equal(k->unknown, 1);
    assert_int_equal(k->crossed, 2);
    expect_event(0, SB_TRACE_ALLOC, 100, 0);
    expect_event(1, SB_TRACE_ALLOC, 40, 10);
    expect_event(1, SB_TRACE_ALLOC, 50, 25);
    expect_event(0, SB_TRACE_ALLOC, 200, 30);
    expect_event(0, SB_TRACE_MOVE, 100, 30);
    expect_event(1, SB_TRACE_FREE, 200, 40);
    expect_event(0, SB_TRACE_FREE, 50, 50);
    expect_event(1, SB_TRACE_FREE, 40, 70);
    expect_end();
    assert_int_equal(trace.requests[1].gfp, SB_GFP_KERNEL | SB_GFP_ZERO);
    assert_int_equal(trace.requests[2].align, 64);
    forget();
    unlink(from);
}

static void a_recording_that_is_damaged(void **state)
{
    static const struct call calls[] = {CALL(0, 10, ALLOC, 0x1000, 100, 0, 0)};
    struct sb_recording_counts counts = {0};
    char from[64] = NOW;
    (void)state;
    close(mkstemp(from));
    write_recording(calls, 1, 1, from);
    int fd = open(from, O_RDWR);
    const uint32_t too_many = SB_RECORDS_IN_CHUNK + 1;
    assert_int_equal(pwrite(fd, &too_many, 4, SB_RECORDING_CHUNK + 4), 4);
    assert_int_equal(import_recording(from, &counts), -EBADMSG);
    write_recording(calls, 1, 1, from);
    const uint8_t nothing = 9;
    assert_int_equal(pwrite(fd, &nothing, 1, SB_RECORDING_CHUNK + 32 + 24), 1);
    assert_int_equal(import_recording(from, &counts), -EBADMSG);
    /* Cut off in the middle of a chunk that says it has a record: the record is missing. */
    write_recording(calls, 1, 1, from);
    assert_int_equal(ftruncate(fd, SB_RECORDING_CHUNK + 40), 0);
    assert_int_equal(import_recording(from, &counts), -EBADMSG);
    close(fd);
    unlink(from);
}

/* ---- replays ---- */

static void open_replay(struct rig *r, const char *allocator, const char *source, const char *events, uint32_t threads)
{
    load_rig(r, allocator, "trace");
    r->threads = threads;
    set(r, "source", source);
    set(r, "events", events);
    set(r, "touch", "full");
    open_rig(r);
    r->bench.proving = 1;
}

/* Threads by turns, as far as each can, until all have done what the trace has in `passes`. */
static void replay(struct rig *r, struct sb_counts *counts, uint64_t passes, void (*look)(struct rig *r))
{
    uint64_t wanted = passes * r->needs.cycle_operations, idle = 0;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < r->threads; i++) {
            uint64_t before = counts[i].allocs + counts[i].frees;
            if (counts[i].operations >= wanted)
                continue;
            more = true;
            if (r->w->workload.step(r->streams[i], &counts[i]))
                fail_msg("%s", r->host.failure);
            idle = counts[i].allocs + counts[i].frees > before ? 0 : idle + 1;
            /* Nobody may wait for somebody who is done. */
            assert_true(idle < 1000);
        }
        if (look)
            look(r);
    }
}

/* Every allocator in turn; counts are the trace's, all comes back, and at each stop the books agree. */
static void counts_are_the_traces(void **state)
{
    static const struct {
        const char *allocator, *events;
        uint32_t threads;
    } runs[] = {{"slub", "slab", 1},    {"slub", "slab", 2},       {"slab", "slab", 2},
                {"kmalloc", "slab", 2}, {"buddy", "pages", 2},     {"null", "all", 2},
                {"malloc", "all", 2},   {"vmalloc", "vmalloc", 1}, {"percpu", "percpu", 2}};
    (void)state;
    strcpy(path, TRACE_DIR "/git.sbt");
    read_back();
    const struct sb_trace_head head = trace.head;
    for (size_t i = 0; i < SB_COUNT(runs); i++) {
        struct rig r;
        struct sb_counts counts[RIG_THREADS] = {0};
        uint64_t allocs = 0, frees = 0, wanted = 0;
        open_replay(&r, runs[i].allocator, "file:" TRACE_DIR "/git.sbt", runs[i].events, runs[i].threads);
        replay(&r, counts, 1, NULL);
        expect_good(&r);
        for (uint32_t t = 0; t < r.threads; t++) {
            allocs += counts[t].allocs;
            frees += counts[t].frees;
        }
        bool all = !strcmp(runs[i].events, "all"), slab = all || !strcmp(runs[i].events, "slab");
        for (uint32_t k = 0; k < SB_TRACE_NR_KINDS; k++) {
            bool pages = !strcmp(runs[i].events, "pages") && (k == SB_TRACE_PAGES || k == SB_TRACE_SLAB_PAGES);
            if ((slab && (k == SB_TRACE_SIZED || k == SB_TRACE_CACHE)) || pages ||
                (all && (k == SB_TRACE_PAGES || k == SB_TRACE_VMALLOC)) ||
                !strcmp(runs[i].events, sb_trace_kind_name((enum sb_trace_kind)k)))
                wanted += head.kinds[k].allocs;
        }
        assert_int_equal(allocs, wanted);
        assert_int_equal(frees, wanted);
        replay(&r, counts, 3, NULL);
        close_rig(&r);
    }
    sb_trace_close(&trace);
    free(bytes);
}

/* slub hands out per request what the kernel did: at every stop the sum over what lives is the trace's. */
static void slub_hands_out_what_the_kernel_did(void **state)
{
    static const char *const sources[] = {TRACE_DIR "/git.sbt", TRACE_DIR "/compile.sbt"};
    (void)state;
    for (size_t i = 0; i < SB_COUNT(sources); i++) {
        struct rig r;
        struct sb_counts counts = {0};
        struct sb_trace_event e = {0};
        char source[512];
        uint64_t handed = 0, looked = 0;
        snprintf(source, sizeof(source), "file:%s", sources[i]);
        open_replay(&r, "slub", source, "slab", 1);
        strcpy(path, sources[i]);
        read_back();
        while (counts.operations < r.needs.cycle_operations) {
            uint64_t calls = counts.allocs + counts.frees;
            assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
            for (uint64_t n = counts.allocs + counts.frees - calls; n > 0;) {
                assert_int_equal(sb_trace_next(&trace, &e), 1);
                const struct sb_trace_request *q = &trace.requests[e.request];
                if (q->kind != SB_TRACE_SIZED && q->kind != SB_TRACE_CACHE)
                    continue;
                handed += e.operation == SB_TRACE_ALLOC ? q->usable : -q->usable;
                n--;
            }
            struct sb_snapshot s = {.struct_size = sizeof(s)};
            r.a->allocator.snapshot(r.allocator, &s);
            assert_true(s.has & SB_HAS_HANDED);
            assert_int_equal(s.handed_bytes, handed);
            looked++;
        }
        assert_true(looked > 100);
        close_rig(&r);
        sb_trace_close(&trace);
        free(bytes);
    }
}

/* A byte that somebody changes in a live block is found at its free. */
static void replay_finds_damage(void **state)
{
    struct rig r;
    struct sb_counts counts = {0};
    int status = 0;
    (void)state;
    open_replay(&r, "kmalloc", "file:" TRACE_DIR "/git.sbt", "slab", 1);
    for (int i = 0; i < 40; i++)
        assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
    assert_int_equal(r.w->workload.verify(r.workload), 0);
    /* The last page that holds tags: objects hold their own address. */
    uint64_t *words = r.host.host.memory, *found = NULL;
    for (uint64_t i = 0; i < r.host.host.memory_size / 8 && !found; i++)
        found = words[i] == (uintptr_t)&words[i] && words[i] ? &words[i] : NULL;
    assert_non_null(found);
    struct sb_account account = {.struct_size = sizeof(account)};
    r.w->workload.account(r.workload, &account);
    assert_true(account.live > 10);
    uint64_t changed = 0;
    for (uint64_t i = 0; i < r.host.host.memory_size / 8; i++) {
        if (words[i] == (uintptr_t)&words[i]) {
            words[i] ^= UINT64_C(1) << 40;
            changed++;
        }
    }
    assert_true(changed > 10);
    assert_int_equal(r.w->workload.verify(r.workload), -EBADMSG);
    assert_non_null(strstr(r.host.failure, "doesn't hold what was written into it, while it lives"));
    while (!status && counts.operations < 2 * r.needs.cycle_operations)
        status = r.w->workload.step(r.stream, &counts);
    assert_int_equal(status, -EBADMSG);
    assert_non_null(strstr(r.host.failure, "at its free"));
    close_rig(&r);
}

/* By the trace's clock a pass takes as long as the recording at least, on however slow a machine. */
static void paced_replays_are_no_faster(void **state)
{
    struct rig r;
    struct sb_counts counts = {0};
    struct timespec begin, end;
    char source[80];
    (void)state;
    import_text(OBJECT(0, "000000000", "00000040", 8, 8) FREE(0, "020000000", "00000040")
                    OBJECT(0, "030000000", "00000040", 8, 8) FREE(0, "050000000", "00000040"));
    assert_int_equal(trace.head.duration_ns, 50000000);
    snprintf(source, sizeof(source), "file:%s", path);
    load_rig(&r, "kmalloc", "trace");
    set(&r, "source", source);
    set(&r, "pace", "trace");
    open_rig(&r);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (counts.operations < 4)
        assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true((end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec >= 50000000);
    /* Not paced while contents are proved, where nothing is timed. */
    r.bench.proving = 1;
    for (int i = 0; i < 4 && counts.operations < 8; i++)
        assert_int_equal(r.w->workload.step(r.stream, &counts), 0);
    assert_int_equal(counts.operations, 8);
    close_rig(&r);
    forget();
}

static void what_cannot_be_replayed(void **state)
{
    static const struct {
        const char *source, *sum, *events;
        uint64_t threads;
        const char *why;
    } cases[] = {
        {"", "", "all", 1, "source: which trace? file:PATH names one, and scullbench import makes them"},
        {"file:/nowhere.sbt", "", "all", 1, "source: '/nowhere.sbt' can't be read: No such file or directory"},
        {"file:/proc/self/comm", "", "all", 1,
         "source: '/proc/self/comm' is no trace to replay: 11 bytes are too few for a trace, whose head has 616"},
        {"file:" TRACE_DIR "/git.sbt", "00", "all", 1, NULL},
        {"file:" TRACE_DIR "/git.sbt", "", "all", 3, "the trace is of 2 threads: more would have nothing to do"},
    };
    (void)state;
    for (size_t i = 0; i < SB_COUNT(cases); i++) {
        struct rig r;
        char why[256] = "";
        load_rig(&r, "null", "trace");
        set(&r, "source", cases[i].source);
        set(&r, "sum", cases[i].sum);
        r.needs = (struct sb_needs){.struct_size = sizeof(r.needs), .threads = cases[i].threads};
        assert_int_not_equal(r.w->workload.needs(r.workload_options, &r.needs, why, sizeof(why)), 0);
        if (cases[i].why)
            assert_string_equal(why, cases[i].why);
        else
            assert_non_null(strstr(why, "it is another trace: its sum is "));
        sb_plugin_free(r.a);
        sb_plugin_free(r.w);
        test_host_close(&r.host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_events),
        cmocka_unit_test(slots_are_shared_where_nobody_waits),
        cmocka_unit_test(calls_told_several_times),
        cmocka_unit_test(pages_of_slabs),
        cmocka_unit_test(areas_and_percpu),
        cmocka_unit_test(a_map_finds_what_is_in_it),
        cmocka_unit_test(damage_is_refused_with_its_offset),
        cmocka_unit_test(wrong_contents_under_right_sums),
        cmocka_unit_test(noise_as_text),
        cmocka_unit_test(threads_of_a_program),
        cmocka_unit_test(a_recording_that_is_damaged),
        cmocka_unit_test(counts_are_the_traces),
        cmocka_unit_test(slub_hands_out_what_the_kernel_did),
        cmocka_unit_test(replay_finds_damage),
        cmocka_unit_test(paced_replays_are_no_faster),
        cmocka_unit_test(what_cannot_be_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
