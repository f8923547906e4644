/*
 * What "may sleep" means.
 *
 * Models direct reclaim and should_reclaim_retry of mm/page_alloc.c, and shrink_slab of mm/vmscan.c,
 * Linux 6.1: per-CPU lists are drained, every registered shrinker gives back what it can spare, then the
 * allocation tries again; without progress up to 16 times (blocks over order 3 once), each after a nap that
 * doubles from 1 microsecond to 1 millisecond.
 *
 * Left out: swap, the page cache and write-back, so __GFP_IO and __GFP_FS stop nothing; kswapd; compaction;
 * the OOM killer. __GFP_NOFAIL waits without end, as there.
 *
 * Locks: reclaim_lock, tried first: who finds it held waits for the other's work to be done and profits from
 * it. Under it the shrinkers' own locks, and those of the page allocator.
 */
#define _GNU_SOURCE
#include "page_internal.h"

#include <time.h>

enum {
    TRIES = 16,            /* MAX_RECLAIM_RETRIES */
    TRIES_MAYFAIL = 128,   /* about a tenth of a second */
    RECLAIM_EVERY = 4,     /* naps between two rounds of reclaim */
    LONGEST_NAP = 1000000, /* ns */
};

void sb_register_shrinker(struct sb_mm *mm, void (*shrink)(void *owner), void *owner)
{
    sb_lock(&mm->reclaim_lock);
    if (mm->nr_shrinkers < SB_MAX_SHRINKERS)
        mm->shrinkers[mm->nr_shrinkers++] = (struct sb_shrinker){shrink, owner};
    sb_unlock(&mm->reclaim_lock);
}

void sb_unregister_shrinkers(struct sb_mm *mm, const void *owner)
{
    unsigned n = 0;
    sb_lock(&mm->reclaim_lock);
    for (unsigned i = 0; i < mm->nr_shrinkers; i++) {
        if (mm->shrinkers[i].owner != owner)
            mm->shrinkers[n++] = mm->shrinkers[i];
    }
    mm->nr_shrinkers = n;
    sb_unlock(&mm->reclaim_lock);
}

/* The lists last: what shrinkers give back lands on them. */
static bool reclaim(struct sb_mm *mm)
{
    if (!sb_trylock(&mm->reclaim_lock))
        return false;
    for (unsigned i = 0; i < mm->nr_shrinkers; i++)
        mm->shrinkers[i].shrink(mm->shrinkers[i].owner);
    sb_drain_all_pages(mm);
    sb_unlock(&mm->reclaim_lock);
    atomic_fetch_add_explicit(&mm->nr_reclaims, 1, memory_order_relaxed);
    return true;
}

void sb_mm_reclaim(struct sb_mm *mm)
{
    reclaim(mm);
}

/* Whether an allocation that has tried and reclaimed `tries` times gives up. */
static bool give_up(sb_gfp_t gfp, unsigned order, unsigned tries)
{
    if (gfp & SB_GFP_NOFAIL)
        return false;
    /* Blocks over order 3 come back by luck only: not worth a wait, unless it was asked for. */
    if (gfp & SB_GFP_NORETRY || (order > SB_COSTLY_ORDER && !(gfp & SB_GFP_RETRY_MAYFAIL)))
        return true;
    return tries >= (gfp & SB_GFP_RETRY_MAYFAIL ? TRIES_MAYFAIL : TRIES);
}

bool sb_reclaim_and_wait(struct sb_mm *mm, sb_gfp_t gfp, unsigned order, unsigned tries)
{
    if (tries && give_up(gfp, order, tries))
        return false;
    if (tries % RECLAIM_EVERY == 0 && !reclaim(mm) && !tries) {
        /* Another is at it: what it finds is worth waiting for, the more so for who has one try only. */
        sb_lock(&mm->reclaim_lock);
        sb_unlock(&mm->reclaim_lock);
    }
    if (!tries)
        return true;
    long nap = tries < 10 ? 1000L << tries : LONGEST_NAP;
    struct timespec t = {0, nap < LONGEST_NAP ? nap : LONGEST_NAP - 1};
    atomic_fetch_add_explicit(&mm->nr_waits, 1, memory_order_relaxed);
    nanosleep(&t, NULL);
    return true;
}
