/*
 * A spin lock for short critical sections, as the kernel's spinlock_t serves here.
 *
 * Test-and-test-and-set with a yield after a while: userspace can lose its CPU inside the section, which
 * a kernel with preemption off can't, so a waiter must not burn a whole time slice. Not fair.
 */
#ifndef SB_MM_LOCK_H
#define SB_MM_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

struct sb_lock {
    atomic_int held;
};

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
    return !atomic_load_explicit(&lock->held, memory_order_relaxed) &&
           !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
}

static inline void sb_unlock(struct sb_lock *lock)
{
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#endif
