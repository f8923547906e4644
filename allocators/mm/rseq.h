/*
 * A CPU's free list without atomic instructions: restartable sequences.
 *
 * A sequence runs on one CPU or not at all: when the thread is preempted, migrated or signalled inside it,
 * the kernel sends it to its abort handler instead of on (rseq(2); kernel/rseq.c, Linux 4.18). So a short run
 * of plain loads that ends in one store, the commit, is atomic against every other thread of the same CPU.
 * Three are needed here: pop and push of a CPU's free list, and taking the list whole for the slow path.
 *
 * Taking the list is a lock without an atomic: the commit stores SB_CPU_LOCKED in place of the list's head,
 * and every sequence that finds it there goes the slow way. Whoever took it may be migrated and still owns
 * it; it is given back by a plain store with release order, last of all it has changed. A sequence reads the
 * head first and the slab after: it sees both from before the taking, or both from after the giving back,
 * since taking on its own CPU aborts it.
 *
 * glibc (2.35) registers every thread. Where it didn't (valgrind, old kernels, other processors,
 * ThreadSanitizer, which doesn't see into assembly), sb_rseq_available says so and a lock per CPU stands in.
 */
#ifndef SB_MM_RSEQ_H
#define SB_MM_RSEQ_H

#include "scullbench/allocator.h"

struct sb_page;

/* Head of a list that someone has taken. No object has this address, nor 0. */
#define SB_CPU_LOCKED ((void *)1)

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__SANITIZE_THREAD__) && defined(__has_include)
#if __has_include(<sys/rseq.h>)
#define SB_HAVE_RSEQ 1
#endif
#endif

/* What the sequences work on; the first two members of a CPU's part, one part every 1 << SB_CPU_SHIFT bytes.
 */
struct sb_cpu_list {
    void *freelist;
    struct sb_page *page;
};
#define SB_CPU_SHIFT 7

#ifdef SB_HAVE_RSEQ

#include <sys/rseq.h>

static inline struct rseq *sb_rseq_self(void)
{
    return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static inline bool sb_rseq_available(void)
{
    return __rseq_size && (int)sb_rseq_self()->cpu_id >= 0;
}

static inline struct sb_cpu_list *sb_cpu_list_of(void *parts, uint32_t cpu)
{
    return (struct sb_cpu_list *)((char *)parts + ((size_t)cpu << SB_CPU_SHIFT));
}

/* The descriptor (struct rseq_cs) at label 3, of the sequence between labels 1 and 2 with its abort handler
 * at 4. */
#define SB_RSEQ_DESCRIPTOR                                                                                   \
    ".pushsection __rseq_cs, \"aw\"\n\t"                                                                     \
    ".balign 32\n"                                                                                           \
    "3:\n\t"                                                                                                 \
    ".long 0, 0\n\t"                                                                                         \
    ".quad 1f, (2f - 1f), 4f\n\t"                                                                            \
    ".popsection\n\t"

#if defined(__x86_64__)

/* Announces the sequence to the kernel, then makes sure of the CPU. */
#define SB_RSEQ_BEGIN                                                                                        \
    SB_RSEQ_DESCRIPTOR                                                                                       \
    "leaq 3b(%%rip), %[head]\n\t"                                                                            \
    "movq %[head], %[rseq_cs]\n"                                                                             \
    "1:\n\t"                                                                                                 \
    "cmpl %[cpu], %[cpu_id]\n\t"                                                                             \
    "jne 4f\n\t"

/* The handler is marked by the signature in front of it (here the operand of an undefined instruction). */
#define SB_RSEQ_END                                                                                          \
    "2:\n\t"                                                                                                 \
    ".pushsection __rseq_failure, \"ax\"\n\t"                                                                \
    ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                             \
    ".long 0x53053053\n"                                                                                     \
    "4:\n\t"                                                                                                 \
    "jmp %l[abort]\n\t"                                                                                      \
    ".popsection\n\t"

#define SB_RSEQ_LOAD_HEAD    "movq %[freelist], %[head]\n\t"
#define SB_RSEQ_IF_NONE      "cmpq $1, %[head]\n\tjbe %l[other]\n\t"
#define SB_RSEQ_IF_LOCKED    "cmpq $1, %[head]\n\tje %l[other]\n\t"
#define SB_RSEQ_POP          "movq (%[head], %[offset]), %[next]\n\tmovq %[next], %[freelist]\n"
#define SB_RSEQ_IF_FOREIGN   "cmpq %[page], %[cpu_page]\n\tjne %l[other]\n\t"
#define SB_RSEQ_PUSH         "movq %[head], (%[object], %[offset])\n\tmovq %[object], %[freelist]\n"
#define SB_RSEQ_LOCK         "movq $1, %[freelist]\n"
#define SB_RSEQ_SCRATCH      "memory", "cc"
#define SB_RSEQ_HEAD_OPERAND "m"

#else /* aarch64 */

#define SB_RSEQ_BEGIN                                                                                        \
    SB_RSEQ_DESCRIPTOR                                                                                       \
    "adrp x16, 3b\n\t"                                                                                       \
    "add x16, x16, :lo12:3b\n\t"                                                                             \
    "str x16, %[rseq_cs]\n"                                                                                  \
    "1:\n\t"                                                                                                 \
    "ldr w16, %[cpu_id]\n\t"                                                                                 \
    "cmp w16, %w[cpu]\n\t"                                                                                   \
    "bne 4f\n\t"

#define SB_RSEQ_END                                                                                          \
    "2:\n\t"                                                                                                 \
    "b 5f\n\t"                                                                                               \
    ".inst 0xd428bc00\n"                                                                                     \
    "4:\n\t"                                                                                                 \
    "b %l[abort]\n"                                                                                          \
    "5:\n\t"

/* Acquire: the slab is read after the head, and pairs with the release that gives a taken list back. */
#define SB_RSEQ_LOAD_HEAD    "ldar %[head], %[freelist]\n\t"
#define SB_RSEQ_IF_NONE      "cmp %[head], #1\n\tb.ls %l[other]\n\t"
#define SB_RSEQ_IF_LOCKED    "cmp %[head], #1\n\tb.eq %l[other]\n\t"
#define SB_RSEQ_POP          "ldr %[next], [%[head], %[offset]]\n\tstr %[next], %[freelist]\n"
#define SB_RSEQ_IF_FOREIGN   "ldr x16, %[cpu_page]\n\tcmp x16, %[page]\n\tb.ne %l[other]\n\t"
#define SB_RSEQ_PUSH         "str %[head], [%[object], %[offset]]\n\tstr %[object], %[freelist]\n"
#define SB_RSEQ_LOCK         "mov x16, #1\n\tstr x16, %[freelist]\n"
#define SB_RSEQ_SCRATCH      "memory", "cc", "x16"
#define SB_RSEQ_HEAD_OPERAND "Q"

#endif

/* Takes an object off this CPU's list; NULL if the list is empty or taken. Restarts until it went through. */
static inline void *sb_rseq_pop(void *parts, size_t offset)
{
    struct rseq *self = sb_rseq_self();
    for (;;) {
        uint32_t cpu = __atomic_load_n(&self->cpu_id_start, __ATOMIC_RELAXED);
        struct sb_cpu_list *list = sb_cpu_list_of(parts, cpu);
        void *head, *next;
        __asm__ goto volatile(SB_RSEQ_BEGIN SB_RSEQ_LOAD_HEAD SB_RSEQ_IF_NONE SB_RSEQ_POP SB_RSEQ_END
                              : [head] "=&r"(head), [next] "=&r"(next)
                              : [cpu] "r"(cpu), [cpu_id] "m"(self->cpu_id), [rseq_cs] "m"(self->rseq_cs),
                                [freelist] SB_RSEQ_HEAD_OPERAND(list->freelist), [offset] "r"(offset)
                              : SB_RSEQ_SCRATCH
                              : abort, other);
        return head;
    other:
        return NULL;
    abort:;
    }
}

/* Puts an object on this CPU's list if `page` is the CPU's slab; false if it isn't, or the list is taken. */
static inline bool sb_rseq_push(void *parts, const struct sb_page *page, void *object, size_t offset)
{
    struct rseq *self = sb_rseq_self();
    for (;;) {
        uint32_t cpu = __atomic_load_n(&self->cpu_id_start, __ATOMIC_RELAXED);
        struct sb_cpu_list *list = sb_cpu_list_of(parts, cpu);
        void *head;
        __asm__ goto volatile(
            SB_RSEQ_BEGIN SB_RSEQ_LOAD_HEAD SB_RSEQ_IF_LOCKED SB_RSEQ_IF_FOREIGN SB_RSEQ_PUSH SB_RSEQ_END
            : [head] "=&r"(head)
            : [cpu] "r"(cpu), [cpu_id] "m"(self->cpu_id), [rseq_cs] "m"(self->rseq_cs),
              [freelist] SB_RSEQ_HEAD_OPERAND(list->freelist), [cpu_page] "m"(list->page), [page] "r"(page),
              [object] "r"(object), [offset] "r"(offset)
            : SB_RSEQ_SCRATCH
            : abort, other);
        return true;
    other:
        return false;
    abort:;
    }
}

/* Takes this CPU's list whole; NULL if someone has. *freelist gets its head. Given back by sb_cpu_give_back.
 */
static inline struct sb_cpu_list *sb_rseq_take(void *parts, void **freelist)
{
    struct rseq *self = sb_rseq_self();
    for (;;) {
        uint32_t cpu = __atomic_load_n(&self->cpu_id_start, __ATOMIC_RELAXED);
        struct sb_cpu_list *list = sb_cpu_list_of(parts, cpu);
        void *head;
        __asm__ goto volatile(SB_RSEQ_BEGIN SB_RSEQ_LOAD_HEAD SB_RSEQ_IF_LOCKED SB_RSEQ_LOCK SB_RSEQ_END
                              : [head] "=&r"(head)
                              : [cpu] "r"(cpu), [cpu_id] "m"(self->cpu_id), [rseq_cs] "m"(self->rseq_cs),
                                [freelist] SB_RSEQ_HEAD_OPERAND(list->freelist)
                              : SB_RSEQ_SCRATCH
                              : abort, other);
        *freelist = head;
        return list;
    other:
        return NULL;
    abort:;
    }
}

#else

static inline bool sb_rseq_available(void)
{
    return false;
}

static inline void *sb_rseq_pop(void *parts, size_t offset)
{
    (void)parts;
    (void)offset;
    return NULL;
}

static inline bool sb_rseq_push(void *parts, const struct sb_page *page, void *object, size_t offset)
{
    (void)parts;
    (void)page;
    (void)object;
    (void)offset;
    return false;
}

static inline struct sb_cpu_list *sb_rseq_take(void *parts, void **freelist)
{
    (void)parts;
    (void)freelist;
    return NULL;
}

#endif

/* Ends a taking: `freelist` is the list's head from now on, and `list->page` must have been written before.
 */
static inline void sb_cpu_give_back(struct sb_cpu_list *list, void *freelist)
{
    __atomic_store_n(&list->freelist, freelist, __ATOMIC_RELEASE);
}

#endif
