/*
 * Whether a trial is right: contents, overlaps, whose memory it is, the allocator's structures, its books
 * against the workload's, and leaks after all was freed.
 */
#include "trial/inside.h"

#include "measure/footprint.h"
#include "trial/mappings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_address(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* A block from elsewhere has neither the pages, nor the node, nor the end that the trial says it has. */
static char *find_foreign_block(const struct trial *t)
{
    const char *base = t->memory.base;
    struct sb_mappings mappings = {0};
    char *why = NULL;
    for (size_t i = 0; i < t->blocks.n && base && !why; i++) {
        const struct block *b = &t->blocks.at[i];
        if (b->at >= base && b->at + b->size <= base + t->memory.size)
            continue;
        /* Read where it is needed: vmalloc's are tens of thousands. */
        if (!mappings.n)
            mappings = sb_mappings_read(t->memory.fd);
        if (!sb_mappings_cover(&mappings, b->at, b->size))
            why = sb_printf("a block of %llu bytes at %p lies neither in the trial's memory nor in a second mapping "
                            "of it; an allocator with memory of its own says SB_ALLOCATOR_OS_MEMORY",
                            (unsigned long long)b->size, (const void *)b->at);
    }
    sb_mappings_free(&mappings);
    return why;
}

/* Sorted by address, an overlap is always one of neighbours. */
static char *find_bad_block(struct trial *t)
{
    char *foreign = find_foreign_block(t);
    if (foreign)
        return foreign;
    if (t->blocks.n)
        qsort(t->blocks.at, t->blocks.n, sizeof(*t->blocks.at), by_address);
    for (size_t i = 0; i < t->blocks.n; i++) {
        const struct block *b = &t->blocks.at[i];
        if (b->align && (uintptr_t)b->at % b->align)
            return sb_printf("a block of %llu bytes at %p is not aligned to %llu, as was asked for",
                             (unsigned long long)b->size, (const void *)b->at, (unsigned long long)b->align);
    }
    for (size_t i = 1; i < t->blocks.n; i++) {
        const struct block *a = &t->blocks.at[i - 1], *b = &t->blocks.at[i];
        if (a->at + a->size > b->at && t->allocator->allocator.flags & SB_ALLOCATOR_ALIASES)
            return sb_printf("the workload reported live blocks of an allocator that gives the same addresses to all, "
                             "as %s does: it must say needs.contents, or report none where the allocator has "
                             "SB_ALLOCATOR_ALIASES",
                             t->allocator->name);
        if (a->at + a->size > b->at)
            return sb_printf("two live blocks overlap: %llu bytes at %p and %llu bytes at %p",
                             (unsigned long long)a->size, (const void *)a->at, (unsigned long long)b->size,
                             (const void *)b->at);
    }
    return NULL;
}

/* The allocator's books against what the workload holds. */
static char *compare_books(struct trial *t)
{
    struct sb_snapshot s;
    struct sb_account a;
    sb_trial_look(t, &s, &a);
    if (s.has & SB_HAS_LIVE && s.live != a.live)
        return sb_printf("the allocator counts %llu live blocks, the workload holds %llu", (unsigned long long)s.live,
                         (unsigned long long)a.live);
    if (s.has & SB_HAS_HANDED && s.handed_bytes < a.requested_bytes)
        return sb_printf("the allocator says it handed out %llu bytes, but %llu were requested",
                         (unsigned long long)s.handed_bytes, (unsigned long long)a.requested_bytes);
    return NULL;
}

static enum sb_status check_structures(struct trial *t, char **reason)
{
    char why[512] = "";
    if (!t->allocator->allocator.check(t->a, why, sizeof(why)))
        return SB_STATUS_OK;
    *reason = sb_printf("%s", *why ? why : "the allocator's check() failed without a word");
    return SB_STATUS_CHECK_FAILED;
}

/* Contents, overlaps, structures, books: in the order in which a fault explains the next. */
static enum sb_status prove(struct trial *t, bool books, bool addresses, char **reason)
{
    int status = t->workload->workload.verify(t->w);
    if (addresses)
        sb_trial_map_addresses(t);
    *reason = find_bad_block(t);
    sb_trial_forget_blocks(t);
    if (*reason)
        return SB_STATUS_INVALID;
    if (status) {
        *reason = sb_trial_reason(t, "the workload's verification failed: %s", strerror(-status));
        return SB_STATUS_INVALID;
    }
    enum sb_status checked = check_structures(t, reason);
    if (checked != SB_STATUS_OK)
        return checked;
    if (books)
        *reason = compare_books(t);
    return *reason ? SB_STATUS_CHECK_FAILED : SB_STATUS_OK;
}

/* What is found against the partner is not the trial's allocator's. */
enum sb_status sb_trial_of_partner(enum sb_status found, char **reason)
{
    if (found == SB_STATUS_OK)
        return found;
    char *text = sb_printf("of the baseline beside it: %s", *reason ? *reason : "?");
    free(*reason);
    *reason = text;
    return found;
}

enum sb_status sb_trial_prove(struct trial *t, bool books, bool addresses, char **reason)
{
    enum sb_status proved = prove(t, books, addresses, reason);
    if (proved == SB_STATUS_OK && t->partner)
        proved = sb_trial_of_partner(prove(t->partner, books, false, reason), reason);
    return proved;
}

/* After the workers have freed all that is theirs nothing may live. */
static enum sb_status close_one(struct trial *t, char **reason)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    int status = t->workload->workload.teardown(t->w);
    if (status) {
        *reason = sb_trial_reason(t, "the workload can't be torn down: %s", strerror(-status));
        return SB_STATUS_CHECK_FAILED;
    }
    t->allocator->allocator.snapshot(t->a, &s);
    if (s.has & SB_HAS_LIVE && s.live) {
        *reason = sb_printf("leak: %llu blocks are live after all was freed", (unsigned long long)s.live);
        return SB_STATUS_CHECK_FAILED;
    }
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY)
        t->kept_bytes = fmax(0, (double)(sb_resident_bytes() - t->resident_before));
    else if (s.has & SB_HAS_HELD)
        t->kept_bytes = (double)s.held_bytes;
    enum sb_status checked = check_structures(t, reason);
    if (checked == SB_STATUS_OK && t->allocator->allocator.shrink) {
        /* Giving back what was kept goes ways that nothing else does: proved once more. */
        t->allocator->allocator.shrink(t->a);
        checked = check_structures(t, reason);
    }
    if (checked == SB_STATUS_OK)
        t->allocator->allocator.close(t->a);
    return checked;
}

enum sb_status sb_trial_close(struct trial *t, char **reason)
{
    enum sb_status closed = close_one(t, reason);
    if (closed == SB_STATUS_OK && t->partner)
        closed = sb_trial_of_partner(close_one(t->partner, reason), reason);
    return closed;
}
