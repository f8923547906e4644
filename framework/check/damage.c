/* The claim SB_CLAIM_CHECK: memory that nobody was given is damaged byte by byte, and check() must notice. */
#define _GNU_SOURCE
#include "check/properties.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PLANTED = 64 }; /* bytes of damage */

/* An allocator may take the mapping of its memory away, as high memory has none: the kernel can tell. */
static bool mapped(char *at)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return false;
    /* The kernel answers EFAULT where we would get SIGSEGV. */
    bool yes = write(fds[1], at, PLANTED) == PLANTED && read(fds[0], at, PLANTED) == PLANTED;
    close(fds[0]);
    close(fds[1]);
    return yes;
}

/* Damage to the memory that nobody was given; put right again whatever check() says. */
static bool plant(struct sb_world *w, char *at, char *why, size_t why_size)
{
    char saved[PLANTED];
    memcpy(saved, at, sizeof(saved));
    for (size_t i = 0; i < sizeof(saved); i++)
        at[i] = (char)(at[i] ^ 0x5a);
    bool noticed = w->a->check(w->self, why, why_size) != 0;
    memcpy(at, saved, sizeof(saved));
    return noticed;
}

/* What an allocator wrote into memory that was zero, before anybody asked for a block: its records, `most` of
 * them and spread evenly. Read through a mapping of our own, for an allocator may have taken some of its
 * away. */
static size_t find_records(struct sb_world *w, char **at, size_t most)
{
    SB_VEC(char *) all = {0};
    char *base = w->memory.base;
    const char *seen = mmap(NULL, w->memory.size, PROT_READ, MAP_SHARED, w->memory.fd, 0);
    size_t n = 0;
    for (uint64_t page = 0; page < w->memory.size && seen != MAP_FAILED; page += SB_PAGE_SIZE) {
        for (uint64_t i = page; !sb_is_zero(seen + page, SB_PAGE_SIZE) && i < page + SB_PAGE_SIZE; i += PLANTED) {
            if (!sb_is_zero(seen + i, PLANTED))
                *SB_VEC_ADD(&all) = base + i;
        }
    }
    for (; n < most && n < all.n; n++)
        at[n] = all.at[n * all.n / (all.n < most ? all.n : most)];
    SB_VEC_FREE(&all);
    if (seen != MAP_FAILED)
        munmap((void *)seen, w->memory.size);
    return n;
}

/* Records first, then freed blocks, where free lists run, then pages that hold something. */
static void plant_damage(struct sb_world *w, volatile uint64_t *done, struct sb_finding *f)
{
    enum { FREED = 256, RECORDS = 512 };
    static char *freed[RECORDS + FREED];
    char why[256] = "";
    size_t n = 0, noticed = 0, tried = 0;
    /* Where damage is planted is the same each time, whatever the seed: a plugin passes or doesn't. */
    struct sb_random random = {7};
    *done = UINT64_MAX; /* what breaks from here on is not the sequence's doing */
    f->at = SIZE_MAX;
    sb_world_close_allocator(w);
    if (sb_world_open_afresh(w)) {
        sb_find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
        return;
    }
    n = find_records(w, freed, RECORDS);
    for (uint32_t i = 0; i < SB_SLOTS; i++) {
        struct sb_op op = {.slot = i, .lane = (uint8_t)(i % w->lane_count), .size = 200};
        const struct sb_lane *lane = &w->lanes[op.lane];
        op.size = lane->kind == SB_LANE_CACHE ? lane->size : lane->kind == SB_LANE_PAGES ? SB_PAGE_SIZE : 200;
        sb_world_do(w, &op);
    }
    /* Every other one, so that free objects lie between live ones, in slabs that are on lists. */
    for (uint32_t i = 0; i < SB_SLOTS; i += 2) {
        struct sb_op op = {.slot = i, .free = true};
        if (w->slots[i].handle && n < SB_COUNT(freed) && w->slots[i].size >= PLANTED)
            freed[n++] = w->slots[i].areas[0];
        sb_world_do(w, &op);
    }
    char *base = w->memory.base;
    for (size_t i = 0; i < n && !noticed; i++) {
        if (freed[i] < base || freed[i] >= base + w->memory.size || !mapped(freed[i]) ||
            sb_world_lives(w, freed[i], PLANTED))
            continue;
        noticed += plant(w, freed[i], why, sizeof(why));
        tried++;
    }
    for (int i = 0; i < 4000 && !noticed; i++) {
        char *at = base + sb_random_below(&random, w->memory.size / PLANTED) * PLANTED;
        /* Untouched memory may be anything's; what is not zero was written by the allocator. */
        bool empty = true;
        if (!mapped(at) || sb_world_lives(w, at, PLANTED))
            continue;
        for (int k = 0; k < PLANTED; k++)
            empty &= !at[k];
        if (empty)
            continue;
        noticed += plant(w, at, why, sizeof(why));
        tried++;
    }
    if (!tried)
        sb_find(f, SB_CHECK_UNTESTED, "all that the machine's memory holds is blocks: nowhere to plant damage");
    else if (!noticed)
        sb_find(f, SB_CHECK_FAIL,
                "check() noticed none of %zu damages to memory that nobody was given; "
                "who keeps no records there doesn't claim SB_CLAIM_CHECK",
                tried);
}

void sb_try_damage(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    if (!(w->a->claims & SB_CLAIM_CHECK))
        sb_find(f, SB_CHECK_NOT_CLAIMED, "silent on sound structures; the plugin doesn't claim to notice damage");
    else if (w->memory.base)
        plant_damage(w, t->done, f);
    else
        sb_find(f, SB_CHECK_UNTESTED,
                "silent on sound structures; in memory from the OS nobody knows where to plant damage");
}
