/*
 * The order of locks, proved while they are taken; in sanitized builds alone.
 *
 * In the manner of kernel/locking/lockdep.c, of Linux 6.1, though the order is not learned but written down: a lock may
 * be waited for only while every lock that the thread holds has a lower rank. So no circle of waiting can come about,
 * whatever the timing; the run that shows a wrong order need not be the one that hangs.
 */
#include "lock.h"

#ifdef SB_LOCKDEP

#include <stdio.h>
#include <stdlib.h>

enum { MOST_HELD = 16 };
static _Thread_local unsigned held[MOST_HELD], nr_held;

static const char *const names[SB_NR_LOCK_RANKS] = {[SB_RANK_NONE] = "no rank",
#define RANK(name) [SB_RANK_##name] = #name,
                                                    SB_LOCK_RANKS(RANK)
#undef RANK
};

static _Noreturn void complain(const char *what, unsigned rank)
{
    fprintf(stderr, "lock order: %s %s; held, in the order in which they were taken:", names[rank], what);
    for (unsigned i = 0; i < nr_held && i < MOST_HELD; i++)
        fprintf(stderr, " %s", names[held[i]]);
    fprintf(stderr, "\n");
    abort();
}

void sb_lockdep_acquire(unsigned rank, bool waits)
{
    if (rank == SB_RANK_NONE || rank >= SB_NR_LOCK_RANKS)
        complain("is a lock that was never made", SB_RANK_NONE);
    for (unsigned i = 0; i < nr_held && waits; i++) {
        if (held[i] >= rank)
            complain("is waited for", rank);
    }
    if (nr_held == MOST_HELD)
        complain("is one lock too many", rank);
    held[nr_held++] = rank;
}

/* Not always the last one that was taken. */
void sb_lockdep_release(unsigned rank)
{
    unsigned i = nr_held;
    while (i-- > 0 && held[i] != rank) {
    }
    if (i == (unsigned)-1)
        complain("is given back, but not held", rank);
    for (nr_held--; i < nr_held; i++)
        held[i] = held[i + 1];
}

#endif
