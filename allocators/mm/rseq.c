/*
 * Seizing another CPU's data; see rseq.h.
 *
 * Models what the kernel does by an interrupt or a work item on that CPU (mm/page_alloc.c, drain_all_pages;
 * mm/slub.c, flush_all; Linux 6.1). Needs membarrier's MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ (Linux 5.10).
 */
#define _GNU_SOURCE
#include "rseq.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A thread that has taken its CPU's data and was preempted holds it for a time slice or more. */
enum { PATIENCE = 64 };

static long membarrier(int command, unsigned flags, int cpu)
{
    return syscall(SYS_membarrier, command, flags, cpu);
}

bool sb_rseq_can_seize(void)
{
    return sb_rseq_available() && !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

bool sb_rseq_seize(uint64_t *word, uint32_t cpu, uint64_t taken, uint64_t seized, uint64_t *before)
{
    for (int tries = 0; tries < PATIENCE; tries++) {
        uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        if (old == taken || old == seized) {
            sched_yield();
            continue;
        }
        if (!__atomic_compare_exchange_n(word, &old, seized, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            continue;
        if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, (int)cpu)) {
            /* The CPU is offline. If a commit came in between, the mark is gone already. */
            __atomic_compare_exchange_n(word, &seized, old, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
            return false;
        }
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seized) {
            *before = old;
            return true;
        }
    }
    return false;
}
