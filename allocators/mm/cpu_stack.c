/*
 * Stacks of pointers per CPU: what isn't the fast path. See cpu_stack.h.
 *
 * Locks: a stack's own, where there are no restartable sequences; whoever holds it may take any lock that
 * its user says lies inside.
 */
#define _GNU_SOURCE
#include "cpu_stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const sb_cpu_sync_names[] = {"auto", "rseq", "lock", NULL};

int sb_stacks_init(struct sb_stacks *stacks, unsigned nr_cpus, size_t bytes, bool rseq, enum sb_lock_rank rank)
{
    unsigned shift = 7; /* two cache lines: the prefetcher fetches pairs */
    while ((size_t)1 << shift < bytes)
        shift++;
    *stacks = (struct sb_stacks){.shift = shift, .nr_cpus = nr_cpus, .rank = rank, .rseq = rseq};
    stacks->base = aligned_alloc(128, (size_t)nr_cpus << shift);
    if (!stacks->base)
        return -ENOMEM;
    memset(stacks->base, 0, (size_t)nr_cpus << shift);
    return 0;
}

void sb_stacks_exit(struct sb_stacks *stacks)
{
    free(stacks->base);
    stacks->base = NULL;
}

/*
 * The CPU number is only a hint for which stack to take: the thread may have migrated by the time it holds
 * that stack's lock, and is then merely on another CPU's stack, which is correct and rare.
 */
static struct sb_cpu_stack *lock_own(const struct sb_stacks *stacks, size_t offset)
{
    struct sb_cpu_stack *stack = sb_stack_of(stacks, (unsigned)sched_getcpu(), offset);
    sb_lock(&stack->lock);
    return stack;
}

struct sb_cpu_stack *sb_stack_take(const struct sb_stacks *stacks, size_t offset, uint64_t *count)
{
#ifdef SB_HAVE_RSEQ
    while (stacks->rseq) {
        uint32_t cpu = sb_rseq_cpu();
        struct sb_cpu_stack *stack = sb_stack_of(stacks, cpu, offset);
        enum sb_rseq_end end = sb_rseq_stack_take(stack, cpu, count);
        if (end == SB_RSEQ_DONE) {
            /* As a lock: nobody else has it until it is given back. Who finds it taken does not wait. */
            sb_lockdep_acquire(stacks->rank, false);
            return stack;
        }
        if (end == SB_RSEQ_OTHER)
            return NULL;
    }
#endif
    struct sb_cpu_stack *stack = lock_own(stacks, offset);
    *count = stack->count;
    return stack;
}

struct sb_cpu_stack *sb_stack_seize(const struct sb_stacks *stacks, unsigned cpu, size_t offset, uint64_t *count)
{
    struct sb_cpu_stack *stack = sb_stack_of(stacks, cpu, offset);
    if (stacks->rseq) {
        if (!sb_rseq_seize(&stack->count, cpu, SB_STACK_TAKEN, SB_STACK_SEIZED, count))
            return NULL;
        sb_lockdep_acquire(stacks->rank, false);
        return stack;
    }
    if (!sb_trylock(&stack->lock))
        return NULL;
    *count = stack->count;
    return stack;
}

void sb_stack_give_back(const struct sb_stacks *stacks, struct sb_cpu_stack *stack, uint64_t count)
{
    if (stacks->rseq) {
        sb_lockdep_release(stacks->rank);
        sb_rseq_give_back(&stack->count, count);
    } else {
        stack->count = count;
        sb_unlock(&stack->lock);
    }
}

void sb_stack_drop_oldest(struct sb_cpu_stack *stack, uint64_t *count, uint64_t n)
{
    *count -= n;
    memmove((void *)stack->slots, (void *)(stack->slots + n), *count * sizeof(stack->slots[0]));
}
