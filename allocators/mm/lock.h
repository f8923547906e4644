/*
 * A spin lock for short critical sections, as the kernel's spinlock_t serves here.
 *
 * Test-and-test-and-set with a yield after a while: userspace can lose its CPU inside the section, which
 * a kernel with preemption off can't, so a waiter must not burn a whole time slice. Not fair.
 *
 * Order: every lock has a rank, and is only waited for while all that the thread holds have lower ones. Sanitized
 * builds prove it at each lock (lock.c), as lockdep does for the kernel, and end the process where it is not so.
 */
#ifndef SB_MM_LOCK_H
#define SB_MM_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The order of locks, outermost first; docs/architecture.md points here. */
#define SB_LOCK_RANKS(RANK)                                                                                            \
    RANK(CPU_GUARD)  /* a CPU that get_cpu holds: its holder may call anything */                                      \
    RANK(PERCPU)     /* chunks of per-CPU areas; their pages are allocated under it, as under the kernel's mutex */    \
    RANK(RECLAIM)    /* who reclaims */                                                                                \
    RANK(POOLS)      /* mempool's list of pools */                                                                     \
    RANK(CACHES)     /* a list of caches */                                                                            \
    RANK(VMAP_BLOCK) /* a CPU's block of addresses */                                                                  \
    RANK(VMALLOC)    /* addresses and areas */                                                                         \
    RANK(POOL_ARRAY) /* a CPU's array in front of a pool */                                                            \
    RANK(POOL)       /* a pool's elements */                                                                           \
    RANK(FAR_ARRAY)  /* a CPU's array of a slab cache that keeps the books of its slabs in another's objects */        \
    RANK(ARRAY)      /* a CPU's array of objects: slab's, or slub's sheaves */                                         \
    RANK(BARN)       /* a node's sheaves */                                                                            \
    RANK(CPU_SLAB)   /* a CPU's slab and partial list */                                                               \
    RANK(CACHE)      /* a cache's slabs: slub's per node, slab's, slob's only one */                                   \
    RANK(PAGE_LIST)  /* a CPU's list of pages */                                                                       \
    RANK(ZONE)       /* a zone's free lists */                                                                         \
    RANK(PKMAP)      /* windows of kmap */                                                                             \
    RANK(COUNTER)    /* a percpu_counter's sum */                                                                      \
    RANK(BOOT)       /* boot memory's regions */

enum sb_lock_rank {
    SB_RANK_NONE, /* zeroed memory: a lock that nobody has made */
#define RANK(name) SB_RANK_##name,
    SB_LOCK_RANKS(RANK)
#undef RANK
        SB_NR_LOCK_RANKS
};

struct sb_lock {
    atomic_int held;
#ifdef SB_LOCKDEP
    uint32_t rank;
#endif
};

#ifdef SB_LOCKDEP
/* lock.c: the thread has taken one, waiting or not; has given one back. */
void sb_lockdep_acquire(unsigned rank, bool waits);
void sb_lockdep_release(unsigned rank);
#define SB_LOCKDEP_RANK(lock) (lock)->rank
#else
static inline void sb_lockdep_acquire(unsigned rank, bool waits)
{
    (void)rank, (void)waits;
}
static inline void sb_lockdep_release(unsigned rank)
{
    (void)rank;
}
#define SB_LOCKDEP_RANK(lock) ((void)(lock), 0)
#endif

static inline void sb_lock_init(struct sb_lock *lock, enum sb_lock_rank rank)
{
    atomic_init(&lock->held, 0);
#ifdef SB_LOCKDEP
    lock->rank = rank;
#else
    (void)rank;
#endif
}

static inline void sb_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void sb_lock(struct sb_lock *lock)
{
    unsigned spins = 0;
    /* Before the wait: an order that is wrong may never come out of it. */
    sb_lockdep_acquire(SB_LOCKDEP_RANK(lock), true);
    while (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire)) {
        while (atomic_load_explicit(&lock->held, memory_order_relaxed)) {
            if (++spins % 128)
                sb_relax();
            else
                sched_yield();
        }
    }
}

static inline bool sb_trylock(struct sb_lock *lock)
{
    bool taken = !atomic_load_explicit(&lock->held, memory_order_relaxed) &&
                 !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
    if (taken)
        sb_lockdep_acquire(SB_LOCKDEP_RANK(lock), false);
    return taken;
}

static inline void sb_unlock(struct sb_lock *lock)
{
    sb_lockdep_release(SB_LOCKDEP_RANK(lock));
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#endif
