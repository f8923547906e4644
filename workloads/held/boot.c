/*
 * boot: buffers that drivers take while the machine boots, by the four calls of LDD3, chapter 8, and free_bootmem.
 *
 * In the kernel these calls are over when boot is; here they can be called for ever, and measured. Sizes are whole
 * pages: free_bootmem gives back nothing else, and a workload that loses pieces would end.
 *
 * An operation is one buffer taken, written at both ends, read back, and freed.
 */
#include "held.h"

#include <stdio.h>
#include <string.h>

enum { OPTION_CALL, OPTION_SIZE, OPTION_COUNT, OPTION_BATCH, OPTIONS };

enum { CALL_PAGES = 2 }; /* the first that gives pages */

static const char *const calls[] = {"alloc_bootmem", "alloc_bootmem_low", "alloc_bootmem_pages",
                                    "alloc_bootmem_low_pages", NULL};

static const struct sb_option options[OPTIONS] = {
    [OPTION_CALL] =
        {"call", SB_OPTION_ENUM, 0, "alloc_bootmem_pages", 0, 0, calls,
         "what takes the buffers; those without low stay above the first 16 MiB of the boot memory while they can"},
    [OPTION_SIZE] = {"size", SB_OPTION_SIZE, 0, "64KiB", SB_PAGE_SIZE, UINT64_C(1) << 30, NULL,
                     "bytes of a buffer; whole pages"},
    [OPTION_COUNT] = {"count", SB_OPTION_INT, 0, "100", 1, 1000000, NULL, "buffers of each thread that live at once"},
    [OPTION_BATCH] = {"batch", SB_OPTION_INT, 0, "64", 1, 65536, NULL,
                      "calls of a step, timed together between two readings of the clock"},
};

struct boot {
    const struct sb_boot_ops *ops;
    void *(*take)(void *self, size_t size);
};

static void *boot_take(struct held_stream *s, uint64_t i)
{
    const struct boot *b = s->held->own;
    const struct sb_bench *bench = s->held->bench;
    void *at = b->take(bench->self, s->held->size);
    if (!at)
        bench->fail(bench->context, "boot memory has no piece of %llu bytes left, after %llu of them",
                    (unsigned long long)s->held->size, (unsigned long long)i);
    return at;
}

static void boot_give(struct held_stream *s, uint64_t i)
{
    const struct boot *b = s->held->own;
    b->ops->free_bootmem(s->held->bench->self, s->blocks[i], s->held->size);
}

static char *last_word(const struct held_stream *s, uint64_t i)
{
    return (char *)s->blocks[i] + s->held->size - sizeof(uint64_t);
}

static int boot_use(struct held_stream *s, uint64_t i)
{
    uint64_t tag = held_tag(s, i);
    memcpy(s->blocks[i], &tag, sizeof(tag));
    memcpy(last_word(s, i), &tag, sizeof(tag));
    return 0;
}

static int boot_prove(struct held_stream *s, uint64_t i)
{
    uint64_t tag = held_tag(s, i);
    bool good = !memcmp(s->blocks[i], &tag, sizeof(tag)) && !memcmp(last_word(s, i), &tag, sizeof(tag));
    return good || s->held->bench->allocator->flags & SB_ALLOCATOR_ALIASES ? 0 : held_bad(s, i);
}

static const void *boot_address(const struct held_stream *s, uint64_t i)
{
    return s->blocks[i];
}

static const struct held_kind kind = {
    .take = boot_take,
    .give = boot_give,
    .use = boot_use,
    .prove = boot_prove,
    .address = boot_address,
    .counted = true,
};

static int boot_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)
{
    if (values[OPTION_SIZE].u % SB_PAGE_SIZE) {
        snprintf(why, why_size, "size: %llu bytes are no whole pages, and free_bootmem gives back nothing else",
                 (unsigned long long)values[OPTION_SIZE].u);
        return -EINVAL;
    }
    needs->want = SB_WANT_BOOT;
    needs->block_size = values[OPTION_SIZE].u;
    needs->live_bytes = values[OPTION_SIZE].u * values[OPTION_COUNT].u;
    needs->cycle_operations = values[OPTION_COUNT].u;
    needs->contents = false;
    return 0;
}

static int boot_setup(const struct sb_bench *bench, const union sb_value *values, void **self)
{
    const struct sb_boot_ops *ops = bench->allocator->boot;
    void *(*const takes[])(void *, size_t) = {ops->alloc_bootmem, ops->alloc_bootmem_low, ops->alloc_bootmem_pages,
                                              ops->alloc_bootmem_low_pages};
    struct held *h = NULL;
    int status = held_setup(bench, &kind, values[OPTION_COUNT].u, values[OPTION_BATCH].u, sizeof(struct boot), &h);
    if (status)
        return status;
    *(struct boot *)h->own = (struct boot){ops, takes[values[OPTION_CALL].u]};
    h->size = values[OPTION_SIZE].u;
    h->align = values[OPTION_CALL].u < CALL_PAGES ? 64 : SB_PAGE_SIZE;
    *self = h;
    return 0;
}

const struct sb_workload scullbench_workload = {
    .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),
    .name = "boot",
    .summary = "buffers taken as at boot, by LDD3's four calls, and freed by free_bootmem",
    .models = "alloc_bootmem and its kin of LDD3, chapter 8",
    .options = options,
    .option_count = OPTIONS,
    .operation = "a buffer taken, used and freed",
    .needs = boot_needs,
    .setup = boot_setup,
    .thread_setup = held_thread_setup,
    .step = held_step,
    .verify = held_verify,
    .account = held_account,
    .thread_teardown = held_thread_teardown,
    .teardown = held_teardown,
};
