/*
 * Stacks of pointers, one or several per CPU: page lists, array caches, mempool's caches. Last in, first out.
 *
 * All CPUs' stacks lie in one block, a CPU every 1 << shift bytes, a stack at the same offset in every CPU's
 * part. Guarded by restartable sequences, or by a lock per stack (rseq.h).
 */
#ifndef SB_MM_CPU_STACK_H
#define SB_MM_CPU_STACK_H

#include "rseq.h"

#include <sched.h>

struct sb_stacks {
    char *base;
    unsigned shift;
    unsigned nr_cpus;
    enum sb_lock_rank rank; /* of a CPU's part, however it is guarded */
    bool rseq;
};

/* How CPUs' parts are guarded; the plugins' option `cpu_sync`. */
enum sb_cpu_sync { SB_SYNC_AUTO, SB_SYNC_RSEQ, SB_SYNC_LOCK };
extern const char *const sb_cpu_sync_names[];

/* `bytes` of each CPU's part, zeroed: the stacks in it are the caller's to make. -ENOMEM. */
int sb_stacks_init(struct sb_stacks *stacks, unsigned nr_cpus, size_t bytes, bool rseq, enum sb_lock_rank rank);
void sb_stacks_exit(struct sb_stacks *stacks);

/* Memory of the host's that they take. */
static inline uint64_t sb_stacks_bytes(const struct sb_stacks *stacks)
{
    return stacks->base ? (uint64_t)stacks->nr_cpus << stacks->shift : 0;
}

/* Bytes that a stack of `capacity` takes; whole cache lines, so that stacks don't share one. */
static inline size_t sb_stack_bytes(uint64_t capacity)
{
    return (sizeof(struct sb_cpu_stack) + capacity * sizeof(void *) + 63) & ~(size_t)63;
}

static inline struct sb_cpu_stack *sb_stack_of(const struct sb_stacks *stacks, unsigned cpu, size_t offset)
{
    return (struct sb_cpu_stack *)(void *)(stacks->base + ((size_t)cpu << stacks->shift) + offset);
}

/* Makes the CPU's stack at `offset`: empty, of that capacity. */
static inline void sb_stack_make(const struct sb_stacks *stacks, unsigned cpu, size_t offset, uint64_t capacity)
{
    struct sb_cpu_stack *stack = sb_stack_of(stacks, cpu, offset);
    stack->capacity = capacity;
    sb_lock_init(&stack->lock, stacks->rank);
}

/*
 * Off this CPU's stack; NULL if it is empty or taken, or guarded by a lock: the slow way, which takes it
 * whole, serves then too. So the fast path calls nothing.
 */
static inline void *sb_stack_pop(const struct sb_stacks *stacks, size_t offset)
{
#ifdef SB_HAVE_RSEQ
    if (__builtin_expect(stacks->rseq, 1)) {
        for (;;) {
            uint32_t cpu = sb_rseq_cpu();
            void *object;
            enum sb_rseq_end end = sb_rseq_stack_pop(sb_stack_of(stacks, cpu, offset), cpu, &object);
            if (__builtin_expect(end == SB_RSEQ_DONE, 1))
                return object;
            if (end == SB_RSEQ_OTHER)
                return NULL;
        }
    }
#endif
    (void)stacks;
    (void)offset;
    return NULL;
}

/* Onto this CPU's stack; false if it is full or taken, or guarded by a lock. */
static inline bool sb_stack_push(const struct sb_stacks *stacks, size_t offset, void *object)
{
#ifdef SB_HAVE_RSEQ
    if (__builtin_expect(stacks->rseq, 1)) {
        for (;;) {
            uint32_t cpu = sb_rseq_cpu();
            enum sb_rseq_end end = sb_rseq_stack_push(sb_stack_of(stacks, cpu, offset), cpu, object);
            if (__builtin_expect(end == SB_RSEQ_DONE, 1))
                return true;
            if (end == SB_RSEQ_OTHER)
                return false;
        }
    }
#endif
    (void)stacks;
    (void)offset;
    (void)object;
    return false;
}

/*
 * This CPU's stack whole, for the slow path; NULL if someone has it. Its contents are slots[0 .. *count), the
 * youngest last. Given back by sb_stack_give_back.
 */
struct sb_cpu_stack *sb_stack_take(const struct sb_stacks *stacks, size_t offset, uint64_t *count);

/* Another CPU's, or one's own. NULL if it isn't to be had now. One caller at a time. */
struct sb_cpu_stack *sb_stack_seize(const struct sb_stacks *stacks, unsigned cpu, size_t offset, uint64_t *count);

void sb_stack_give_back(const struct sb_stacks *stacks, struct sb_cpu_stack *stack, uint64_t count);

/* Drops the `n` oldest entries of a taken stack: its bottom. */
void sb_stack_drop_oldest(struct sb_cpu_stack *stack, uint64_t *count, uint64_t n);

#endif
