/*
 * mmio: a driver reads and writes the registers of its device.
 *
 * LDD3 has ioremap in chapter 8 and the accessors in 9. Each thread maps a window of the device and goes through its
 * registers by one of the accessors of scullbench/io.h, or moves values to and from one register, as from a FIFO, by a
 * _rep form. The window can be mapped anew after so many accesses: then what ioremap and iounmap cost is spread over
 * them.
 *
 * The device is memory, so an access costs what one to memory costs; a bus is not modelled. What differs between the
 * accessors is their code and their width.
 *
 * An operation is one value moved. At the end what was read has the sum that it must have, and each register what was
 * last written into it.
 */
#include "scullbench/io.h"
#include "scullbench/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row for each width: suffix of readb, bits. */
#define WIDTHS(ROW) ROW(b, 8) ROW(w, 16) ROW(l, 32) ROW(q, 64)

enum { OPTION_ACCESSOR, OPTION_WINDOW, OPTION_REMAP, OPTION_BATCH, OPTIONS };
enum { MAX_BATCH = 4096, LINE = 64 };
enum form { FORM_READ, FORM_WRITE, FORM_IOREAD, FORM_IOWRITE, FORM_IOREAD_REP, FORM_IOWRITE_REP, FORMS };

static const char *const accessors[] = {
#define ROW(suffix, bits)                                                                                              \
    "read" #suffix, "write" #suffix, "ioread" #bits, "iowrite" #bits, "ioread" #bits "_rep", "iowrite" #bits "_rep",
    WIDTHS(ROW)
#undef ROW
        NULL};

static const struct sb_option options[OPTIONS] = {
    [OPTION_ACCESSOR] = {"accessor", SB_OPTION_ENUM, 0, "readl", 0, 0, accessors,
                         "what the registers are read or written by, by the kernel's name"},
    [OPTION_WINDOW] = {"window", SB_OPTION_SIZE, 0, "4KiB", LINE, UINT64_C(1) << 30, NULL,
                       "bytes of the device that a thread maps; whole cache lines"},
    [OPTION_REMAP] = {"remap", SB_OPTION_INT, 0, "0", 0, UINT64_C(1) << 32, NULL,
                      "values moved until the window is mapped anew; 0: it is mapped once"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "1024", 1, MAX_BATCH, NULL,
                      "values of a step, and of a call of a _rep form"},
};

struct mmio {
    const struct sb_bench *bench;
    const struct sb_io_ops *ops;
    enum form form;
    unsigned width; /* bytes */
    uint64_t window, remap, batch;
    struct stream **streams;
};

struct stream {
    struct mmio *mmio;
    uint64_t physical; /* of the window */
    char *window;
    uint64_t mapped_for; /* values that were moved since */
    uint64_t moved, sum;
    uint64_t last;              /* values of the last move */
    uint64_t values[MAX_BATCH]; /* of a _rep form, at its width */
};

static int mmio_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    if (values[OPTION_WINDOW].u % LINE) {
        snprintf(why, why_size, "window: %llu is not a multiple of %d", (unsigned long long)values[OPTION_WINDOW].u,
                 LINE);
        return -EINVAL;
    }
    needs->want = SB_WANT_IO;
    needs->block_size = values[OPTION_WINDOW].u;
    needs->cycle_operations = values[OPTION_BATCH].u;
    needs->contents = true;
    return 0;
}

static int mmio_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    struct mmio *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->bench = bench;
    m->ops = bench->allocator->io;
    m->form = (enum form)(values[OPTION_ACCESSOR].u % FORMS);
    m->width = 1U << values[OPTION_ACCESSOR].u / FORMS;
    m->window = values[OPTION_WINDOW].u;
    m->remap = values[OPTION_REMAP].u;
    m->batch = bench->paced ? 1 : values[OPTION_BATCH].u;
    m->streams = calloc(bench->threads, sizeof(*m->streams));
    int status = m->streams ? 0 : -ENOMEM;
    uint64_t device = m->ops->device_bytes(bench->self);
    if (!status && device / m->window < bench->threads) {
        bench->fail(bench->context,
                    "%u windows of %llu bytes are not in a device of %llu: see the option `device` of %s",
                    bench->threads, (unsigned long long)m->window, (unsigned long long)device, bench->allocator->name);
        status = -EINVAL;
    }
    if (status) {
        free((void *)m->streams);
        free(m);
    } else {
        *self = m;
    }
    return status;
}

static int map_window(struct stream *s)
{
    const struct mmio *m = s->mmio;
    s->mapped_for = 0;
    s->window = m->ops->ioremap(m->bench->self, s->physical, m->window);
    if (!s->window)
        m->bench->fail(m->bench->context, "ioremap of %llu bytes of the device gave nothing",
                       (unsigned long long)m->window);
    return s->window ? 0 : -ENOMEM;
}

/* Every byte of a register differs from its neighbours. */
static uint8_t device_byte(uint64_t at)
{
    return (uint8_t)(at * 167 + (at >> 8) * 59 + 13);
}

static int mmio_thread_setup(void *self, uint32_t thread, void **state)
{
    struct mmio *m = self;
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *state = m->streams[thread] = s;
    s->mmio = m;
    s->physical = thread * m->window;
    int status = map_window(s);
    for (uint64_t i = 0; i < m->window && !status; i++)
        sb_writeb(device_byte(i), s->window + i);
    return status;
}

/* The accessors of one width, each on n registers from the one that is next, or n times on the first. */
#define ROW(suffix, bits)                                                                                              \
    static void move_##suffix(struct stream *s, uint64_t n)                                                            \
    {                                                                                                                  \
        const uint64_t window = s->mmio->window;                                                                       \
        uint64_t at = s->moved * sizeof(uint##bits##_t) % window, sum = 0;                                             \
        uint##bits##_t value = (uint##bits##_t)s->moved, *values = (void *)s->values;                                  \
        switch (s->mmio->form) {                                                                                       \
        case FORM_READ:                                                                                                \
            for (uint64_t i = 0; i < n; i++, at = at + sizeof(value) == window ? 0 : at + sizeof(value))               \
                sum += sb_read##suffix(s->window + at);                                                                \
            break;                                                                                                     \
        case FORM_WRITE:                                                                                               \
            for (uint64_t i = 0; i < n; i++, at = at + sizeof(value) == window ? 0 : at + sizeof(value))               \
                sb_write##suffix(value++, s->window + at);                                                             \
            break;                                                                                                     \
        case FORM_IOREAD:                                                                                              \
            for (uint64_t i = 0; i < n; i++, at = at + sizeof(value) == window ? 0 : at + sizeof(value))               \
                sum += sb_ioread##bits(s->window + at);                                                                \
            break;                                                                                                     \
        case FORM_IOWRITE:                                                                                             \
            for (uint64_t i = 0; i < n; i++, at = at + sizeof(value) == window ? 0 : at + sizeof(value))               \
                sb_iowrite##bits(value++, s->window + at);                                                             \
            break;                                                                                                     \
        case FORM_IOREAD_REP:                                                                                          \
            sb_ioread##bits##_rep(s->window, values, n);                                                               \
            break;                                                                                                     \
        case FORM_IOWRITE_REP:                                                                                         \
            values[n - 1] = (uint##bits##_t)(s->moved + n - 1);                                                        \
            sb_iowrite##bits##_rep(s->window, values, n);                                                              \
            break;                                                                                                     \
        case FORMS:                                                                                                    \
            break;                                                                                                     \
        }                                                                                                              \
        s->sum += sum;                                                                                                 \
    }                                                                                                                  \
    static uint64_t register_##suffix(const char *window, uint64_t at)                                                 \
    {                                                                                                                  \
        return sb_read##suffix(window + at);                                                                           \
    }
WIDTHS(ROW)
#undef ROW

static int move(struct stream *s, uint64_t n)
{
    static void (*const by_width[])(struct stream *, uint64_t) = {move_b, move_w, move_l, move_q};
    by_width[__builtin_ctz(s->mmio->width)](s, n);
    s->moved += n;
    s->last = n;
    s->mapped_for += n;
    if (!s->mmio->remap || s->mapped_for < s->mmio->remap)
        return 0;
    s->mmio->ops->iounmap(s->mmio->bench->self, s->window);
    return map_window(s);
}

static int mmio_step(void *state, struct sb_counts *counts)
{
    struct stream *s = state;
    const struct mmio *m = s->mmio;
    uint64_t n = sb_step_calls(m->bench, m->batch);
    int status = 0;
    for (uint64_t done = 0, part; done < n && !status; done += part) {
        part = n - done;
        if (m->remap && m->remap - s->mapped_for < part)
            part = m->remap - s->mapped_for;
        status = move(s, part);
    }
    counts->operations += n;
    counts->bytes += n * m->width;
    return status;
}

static uint64_t read_register(const struct stream *s, uint64_t n)
{
    static uint64_t (*const by_width[])(const char *, uint64_t) = {register_b, register_w, register_l, register_q};
    return by_width[__builtin_ctz(s->mmio->width)](s->window, n * s->mmio->width);
}

/* A number as it is in a register. */
static uint64_t cut(const struct mmio *m, uint64_t n)
{
    return m->width == 8 ? n : n & ((UINT64_C(1) << 8 * m->width) - 1);
}

static int verify_reads(const struct stream *s)
{
    const struct mmio *m = s->mmio;
    uint64_t registers = m->window / m->width, sum = 0;
    for (uint64_t i = 0; i < registers; i++)
        sum += read_register(s, i) * (s->moved / registers + (i < s->moved % registers));
    if (sum == s->sum)
        return 0;
    m->bench->fail(m->bench->context, "%llu registers were read: their sum is %llu, and should be %llu",
                   (unsigned long long)s->moved, (unsigned long long)s->sum, (unsigned long long)sum);
    return -EBADMSG;
}

static int verify_register(const struct stream *s, uint64_t i, uint64_t expected)
{
    const struct mmio *m = s->mmio;
    uint64_t value = read_register(s, i);
    if (value == expected)
        return 0;
    m->bench->fail(m->bench->context, "register %llu has %llu, not %llu", (unsigned long long)i,
                   (unsigned long long)value, (unsigned long long)expected);
    return -EBADMSG;
}

/* The last of the writes to each register was n + i, for i the first ones of the last round; before it, one less. */
static int verify_writes(const struct stream *s)
{
    const struct mmio *m = s->mmio;
    uint64_t registers = m->window / m->width, rounds = s->moved / registers, rest = s->moved % registers;
    int status = 0;
    for (uint64_t i = 0; i < registers && !status; i++) {
        uint64_t times = rounds + (i < rest);
        if (times)
            status = verify_register(s, i, cut(m, (times - 1) * registers + i));
    }
    return status;
}

/* A FIFO's register holds what was written last; each value of the last read is what it holds. */
static int verify_fifo(const struct stream *s)
{
    const struct mmio *m = s->mmio;
    if (m->form == FORM_IOWRITE_REP)
        return s->moved ? verify_register(s, 0, cut(m, s->moved - 1)) : 0;
    int status = 0;
    for (uint64_t i = 0; i < s->last && !status; i++) {
        uint64_t value = 0;
        memcpy(&value, (const char *)s->values + i * m->width, m->width);
        status = verify_register(s, 0, value);
    }
    return status;
}

static int mmio_verify(void *self)
{
    const struct mmio *m = self;
    int status = 0;
    for (uint32_t t = 0; t < m->bench->threads && !status; t++) {
        const struct stream *s = m->streams[t];
        if (s)
            status = m->form == FORM_READ || m->form == FORM_IOREAD     ? verify_reads(s)
                     : m->form == FORM_WRITE || m->form == FORM_IOWRITE ? verify_writes(s)
                                                                        : verify_fifo(s);
    }
    return status;
}

/* A mapping holds no block. */
static int mmio_account(void *self, struct sb_account *account)
{
    (void)self;
    (void)account;
    return 0;
}

static void mmio_thread_teardown(void *state)
{
    struct stream *s = state;
    if (s->window)
        s->mmio->ops->iounmap(s->mmio->bench->self, s->window);
    s->window = NULL;
}

static int mmio_teardown(void *self)
{
    struct mmio *m = self;
    for (uint32_t t = 0; t < m->bench->threads; t++)
        free(m->streams[t]);
    free((void *)m->streams);
    free(m);
    return 0;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "mmio",
    .summary = "registers of a device, mapped by ioremap, read and written by readb to iowrite64_rep",
    .models = "",
    .options = options,
    .option_count = OPTIONS,
    .operation = "a value moved to or from a register",
    .needs = mmio_needs,
    .setup = mmio_setup,
    .thread_setup = mmio_thread_setup,
    .step = mmio_step,
    .verify = mmio_verify,
    .account = mmio_account,
    .thread_teardown = mmio_thread_teardown,
    .teardown = mmio_teardown,
};
