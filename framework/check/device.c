/*
 * Mappings of a device all show the same device, whatever was mapped before, and nothing beyond its end is mapped. What
 * is written through one is read through the others, at every width, and a copy of the device says what it must be.
 */
#include "check/properties.h"

#include "scullbench/io.h"

#include <stdlib.h>
#include <string.h>

enum { MAPPINGS = 32, MOST_BYTES = 1 << 20, ROUNDS = 20000 };

struct mapping {
    char *at; /* NULL: none */
    uint64_t physical, size;
};

struct device {
    struct sb_world *w;
    const struct sb_io_ops *ops;
    struct sb_finding *f;
    struct sb_random random;
    uint64_t bytes;
    uint8_t *copy;
    struct mapping mappings[MAPPINGS];
};

static void map_some(struct device *d, struct mapping *m)
{
    m->physical = sb_random_below(&d->random, d->bytes);
    m->size = 1 + sb_random_below(&d->random, d->bytes - m->physical);
    m->at = d->ops->ioremap(d->w->self, m->physical, m->size);
    if (!m->at)
        sb_find(d->f, SB_CHECK_FAIL, "ioremap of %llu bytes from %llu, of a device of %llu, gave NULL",
                (unsigned long long)m->size, (unsigned long long)m->physical, (unsigned long long)d->bytes);
}

/* A register of `width` bytes, anywhere in the mapping: read, compared, and written anew. */
static void use_register(struct device *d, const struct mapping *m)
{
    unsigned width = 1U << sb_random_below(&d->random, 4);
    if (m->size < width)
        return;
    uint64_t in = sb_random_below(&d->random, m->size - width + 1), value = 0, expected = 0,
             next = sb_random_next(&d->random);
    in -= (m->physical + in) % width <= in ? (m->physical + in) % width : 0;
    if ((m->physical + in) % width)
        return;
    memcpy(&expected, d->copy + m->physical + in, width);
    memcpy(d->copy + m->physical + in, &next, width);
    switch (width) {
    case 1:
        value = sb_ioread8(m->at + in);
        sb_iowrite8((uint8_t)next, m->at + in);
        break;
    case 2:
        value = sb_ioread16(m->at + in);
        sb_iowrite16((uint16_t)next, m->at + in);
        break;
    case 4:
        value = sb_ioread32(m->at + in);
        sb_iowrite32((uint32_t)next, m->at + in);
        break;
    default:
        value = sb_ioread64(m->at + in);
        sb_iowrite64(next, m->at + in);
    }
    if (value != expected)
        sb_find(d->f, SB_CHECK_FAIL, "the device has %#llx in its %u bytes from %llu, and a mapping of it shows %#llx",
                (unsigned long long)expected, width, (unsigned long long)(m->physical + in), (unsigned long long)value);
}

/* One byte too far, nothing at all, and what comes out at 0 when it is added up. */
static void ask_beyond(struct device *d)
{
    const uint64_t rows[][2] = {{0, d->bytes + 1},     {d->bytes - 1, 2}, {d->bytes, 1}, {0, 0},
                                {UINT64_MAX - 15, 32}, {16, SIZE_MAX - 7}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        if (d->ops->ioremap(d->w->self, rows[i][0], (size_t)rows[i][1]))
            sb_find(d->f, SB_CHECK_FAIL, "ioremap of %llu bytes from %llu, of a device of %llu, gave a mapping",
                    (unsigned long long)rows[i][1], (unsigned long long)rows[i][0], (unsigned long long)d->bytes);
    }
}

static void use_device(struct device *d, volatile uint64_t *done)
{
    struct mapping all = {.size = d->bytes};
    all.at = d->ops->ioremap(d->w->self, 0, d->bytes);
    if (!all.at) {
        sb_find(d->f, SB_CHECK_FAIL, "ioremap of the whole device, %llu bytes, gave NULL",
                (unsigned long long)d->bytes);
        return;
    }
    for (uint64_t i = 0; i < d->bytes; i++)
        sb_writeb(d->copy[i], all.at + i);
    d->ops->iounmap(d->w->self, all.at);
    for (unsigned round = 0; round < ROUNDS && d->f->result == SB_CHECK_PASS; round++) {
        struct mapping *m = &d->mappings[sb_random_below(&d->random, MAPPINGS)];
        *done = round + 1;
        if (!m->at) {
            map_some(d, m);
        } else if (sb_random_below(&d->random, 8)) {
            use_register(d, m);
        } else {
            d->ops->iounmap(d->w->self, m->at);
            m->at = NULL;
        }
    }
    for (size_t i = 0; i < MAPPINGS; i++) {
        if (d->mappings[i].at)
            d->ops->iounmap(d->w->self, d->mappings[i].at);
    }
}

void sb_try_device(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    struct device d = {.w = w, .ops = w->a->io, .f = f, .random = {w->host.seed}};
    char why[256] = "";
    if (!d.ops) {
        sb_find(f, SB_CHECK_NOT_CLAIMED, "the plugin doesn't offer a device");
        return;
    }
    d.bytes = d.ops->device_bytes(w->self);
    if (d.bytes > MOST_BYTES)
        d.bytes = MOST_BYTES;
    d.copy = malloc(d.bytes ? d.bytes : 1);
    if (!d.copy || !d.bytes) {
        sb_find(f, d.copy ? SB_CHECK_FAIL : SB_CHECK_UNTESTED,
                d.copy ? "the device has no byte" : "the machine: no memory for a copy of the device");
        goto out;
    }
    for (uint64_t i = 0; i < d.bytes; i++)
        d.copy[i] = (uint8_t)sb_random_next(&d.random);
    if (d.bytes == d.ops->device_bytes(w->self))
        ask_beyond(&d);
    if (f->result == SB_CHECK_PASS)
        use_device(&d, t->done);
    if (f->result == SB_CHECK_PASS && w->a->check(w->self, why, sizeof(why)))
        sb_find(f, SB_CHECK_FAIL, "after that check() finds: %s", why);
out:
    free(d.copy);
}
