/*
 * What "may sleep" means.
 *
 * Models direct reclaim and should_reclaim_retry of mm/page_alloc.c, and shrink_slab of mm/vmscan.c,
 * Linux 6.1: per-CPU lists are drained, every registered shrinker gives back what it can spare, then the
 * allocation tries again; without progress up to 16 times, each after a nap that doubles from 1 microsecond
 * to 1 millisecond.
 *
 * Left out: swap, the page cache and write-back, so __GFP_IO and __GFP_FS stop nothing; kswapd; compaction;
 * the OOM killer. __GFP_NOFAIL waits without end, as there.
 *
 * Locks: reclaim_lock, tried and not waited for: who finds it held naps and profits from the other's work.
 * Under it the shrinkers' own locks, and those of the page allocator.
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

bool sb_reclaim_and_wait(struct sb_mm *mm, sb_gfp_t gfp, unsigned tries)
{
    unsigned most = gfp & SB_GFP_RETRY_MAYFAIL ? TRIES_MAYFAIL : TRIES;
    if (tries % RECLAIM_EVERY == 0)
        reclaim(mm);
    if (!tries)
        return true;
    if (gfp & SB_GFP_NORETRY || (tries >= most && !(gfp & SB_GFP_NOFAIL)))
        return false;
    long nap = tries < 10 ? 1000L << tries : LONGEST_NAP;
    struct timespec t = {0, nap < LONGEST_NAP ? nap : LONGEST_NAP - 1};
    atomic_fetch_add_explicit(&mm->nr_waits, 1, memory_order_relaxed);
    nanosleep(&t, NULL);
    return true;
}
