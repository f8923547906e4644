/*
 * A CPU's own data without atomic instructions: restartable sequences.
 *
 * A sequence runs on one CPU or not at all: when the thread is preempted, migrated or signalled inside it,
 * the kernel sends it to its abort handler instead of on (rseq(2); kernel/rseq.c, Linux 4.18). So a short run
 * of plain loads that ends in one store, the commit, is atomic against every other thread of the same CPU.
 * Two shapes of data are served: a linked list of free objects of one slab (slub) and a stack of pointers
 * (page lists, array caches). Each has pop, push, and taking it whole for the slow path.
 *
 * Taking is a lock without an atomic: the commit stores a mark in place of the list's head or the
 * stack's count, and every sequence that finds it there goes the slow way. Whoever took it may be migrated
 * and still owns it; it is given back by a plain store with release order, last of all it has changed. A
 * sequence reads that word first and the rest after: it sees both from before the taking, or both from after
 * the giving back, since taking on its own CPU aborts it.
 *
 * Another CPU's data can be seized (sb_rseq_seize): the other mark is stored from afar, then
 * membarrier(2) aborts whatever sequence is under way there. If the mark still stands after that, no
 * sequence has seen anything else since, and the data is ours; if not, a commit came between, and it is tried
 * again. This costs the fast path nothing. It is the drain_local_pages of the kernel, which sends an
 * interrupt.
 *
 * glibc (2.35) registers every thread. Where it didn't (valgrind, old kernels, other processors,
 * ThreadSanitizer, which doesn't see into assembly), sb_rseq_available says so and a lock per CPU stands in.
 */
#ifndef SB_MM_RSEQ_H
#define SB_MM_RSEQ_H

#include "lock.h"
#include "scullbench/allocator.h"

struct sb_page;

/* Head of a list that someone has taken: on its own CPU, or from another one. No object has these addresses.
 */
#define SB_LIST_TAKEN  UINT64_C(1)
#define SB_LIST_SEIZED UINT64_C(2)
/* Count of a stack, likewise. Less one, and 0 less one, they are the three largest numbers. */
#define SB_STACK_TAKEN  UINT64_MAX
#define SB_STACK_SEIZED (UINT64_MAX - 1)

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__SANITIZE_THREAD__) && defined(__has_include)
#if __has_include(<sys/rseq.h>)
#define SB_HAVE_RSEQ 1
#endif
#endif

/* What the sequences work on; the first members of a CPU's part. */
struct sb_cpu_list {
    void *freelist;
    struct sb_page *page;
};

/* A stack of pointers: the last one in comes out first. */
struct sb_cpu_stack {
    uint64_t count;
    uint64_t capacity;
    struct sb_lock lock;    /* guards the stack where there are no sequences; else unused */
    uint16_t fills, drains; /* its user's: how often in a row, see pcp.c */
    void *slots[];
};

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

/* The CPU this thread is on now, or was a moment ago: a sequence makes sure. */
static inline uint32_t sb_rseq_cpu(void)
{
    return __atomic_load_n(&sb_rseq_self()->cpu_id_start, __ATOMIC_RELAXED);
}

/* The descriptor (struct rseq_cs) at label 3, of the sequence between labels 1 and 2 with its abort handler
 * at 4. */
#define SB_RSEQ_DESCRIPTOR                                                                                             \
    ".pushsection __rseq_cs, \"aw\"\n\t"                                                                               \
    ".balign 32\n"                                                                                                     \
    "3:\n\t"                                                                                                           \
    ".long 0, 0\n\t"                                                                                                   \
    ".quad 1f, (2f - 1f), 4f\n\t"                                                                                      \
    ".popsection\n\t"

#if defined(__x86_64__)

/* Announces the sequence to the kernel, then makes sure of the CPU. */
#define SB_RSEQ_BEGIN                                                                                                  \
    SB_RSEQ_DESCRIPTOR                                                                                                 \
    "leaq 3b(%%rip), %[head]\n\t"                                                                                      \
    "movq %[head], %[rseq_cs]\n"                                                                                       \
    "1:\n\t"                                                                                                           \
    "cmpl %[cpu], %[cpu_id]\n\t"                                                                                       \
    "jne 4f\n\t"

/*
 * The handlers: at 4 the sequence was cut short, at 6 it found that it can't. Each leaves a word in `result`,
 * which a sequence that went through leaves as something else. Plain assembly and no asm goto: GCC before 14
 * forgets, on the ways out through a label, that outputs were not written. The first handler is marked by the
 * signature in front of it (here the operand of an undefined instruction).
 */
#define SB_RSEQ_END(result)                                                                                            \
    "2:\n\t"                                                                                                           \
    ".pushsection __rseq_failure, \"ax\"\n\t"                                                                          \
    ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                                       \
    ".long 0x53053053\n"                                                                                               \
    "4:\n\t"                                                                                                           \
    "movl $1, %k[" result "]\n\t"                                                                                      \
    "jmp 2b\n"                                                                                                         \
    "6:\n\t"                                                                                                           \
    "xorl %k[" result "], %k[" result "]\n\t"                                                                          \
    "jmp 2b\n\t"                                                                                                       \
    ".popsection\n\t"

#define SB_RSEQ_LOAD_HEAD  "movq %[freelist], %[head]\n\t"
#define SB_RSEQ_IF_NONE    "cmpq $2, %[head]\n\tjbe 6f\n\t"
#define SB_RSEQ_IF_TAKEN   "leaq -1(%[head]), %[next]\n\tcmpq $1, %[next]\n\tjbe 6f\n\t"
#define SB_RSEQ_POP        "movq (%[head], %[offset]), %[next]\n\tmovq %[next], %[freelist]\n"
#define SB_RSEQ_IF_FOREIGN "cmpq %[page], %[cpu_page]\n\tjne 6f\n\t"
#define SB_RSEQ_PUSH       "movq %[head], (%[object], %[offset])\n\tmovq %[object], %[freelist]\n"
#define SB_RSEQ_TAKE       "movq $1, %[freelist]\n"
/* `at` becomes the number of the slot to take: huge where the stack is empty or taken. */
#define SB_RSEQ_STACK_TOP    "movq %[count], %[at]\n\tdecq %[at]\n\tcmpq $-3, %[at]\n\tjae 6f\n\t"
#define SB_RSEQ_STACK_POP    "movq (%[slots], %[at], 8), %[object]\n\tmovq %[at], %[count]\n"
#define SB_RSEQ_STACK_ROOM   "movq %[count], %[at]\n\tcmpq %[capacity], %[at]\n\tjae 6f\n\t"
#define SB_RSEQ_STACK_PUSH   "movq %[object], (%[slots], %[at], 8)\n\tincq %[at]\n\tmovq %[at], %[count]\n"
#define SB_RSEQ_STACK_FREE   "movq %[count], %[at]\n\tcmpq $-2, %[at]\n\tjae 6f\n\t"
#define SB_RSEQ_STACK_TAKE   "movq $-1, %[count]\n"
#define SB_RSEQ_ADD          "movq %[count], %[at]\n\taddq %[n], %[at]\n\tmovq %[at], %[count]\n"
#define SB_RSEQ_SCRATCH      "memory", "cc"
#define SB_RSEQ_HEAD_OPERAND "m"

#else /* aarch64 */

#define SB_RSEQ_BEGIN                                                                                                  \
    SB_RSEQ_DESCRIPTOR                                                                                                 \
    "adrp x16, 3b\n\t"                                                                                                 \
    "add x16, x16, :lo12:3b\n\t"                                                                                       \
    "str x16, %[rseq_cs]\n"                                                                                            \
    "1:\n\t"                                                                                                           \
    "ldr w16, %[cpu_id]\n\t"                                                                                           \
    "cmp w16, %w[cpu]\n\t"                                                                                             \
    "bne 4f\n\t"

#define SB_RSEQ_END(result)                                                                                            \
    "2:\n\t"                                                                                                           \
    "b 5f\n\t"                                                                                                         \
    ".inst 0xd428bc00\n"                                                                                               \
    "4:\n\t"                                                                                                           \
    "mov %[" result "], #1\n\t"                                                                                        \
    "b 5f\n"                                                                                                           \
    "6:\n\t"                                                                                                           \
    "mov %[" result "], #0\n"                                                                                          \
    "5:\n\t"

/* Acquire: the slab is read after the head, and pairs with the release that gives a taken list back. */
#define SB_RSEQ_LOAD_HEAD    "ldar %[head], %[freelist]\n\t"
#define SB_RSEQ_IF_NONE      "cmp %[head], #2\n\tb.ls 6f\n\t"
#define SB_RSEQ_IF_TAKEN     "sub x16, %[head], #1\n\tcmp x16, #1\n\tb.ls 6f\n\t"
#define SB_RSEQ_POP          "ldr %[next], [%[head], %[offset]]\n\tstr %[next], %[freelist]\n"
#define SB_RSEQ_IF_FOREIGN   "ldr x16, %[cpu_page]\n\tcmp x16, %[page]\n\tb.ne 6f\n\t"
#define SB_RSEQ_PUSH         "str %[head], [%[object], %[offset]]\n\tstr %[object], %[freelist]\n"
#define SB_RSEQ_TAKE         "mov x16, #1\n\tstr x16, %[freelist]\n"
#define SB_RSEQ_STACK_TOP    "ldar %[at], %[count]\n\tsub %[at], %[at], #1\n\tcmn %[at], #3\n\tb.hs 6f\n\t"
#define SB_RSEQ_STACK_POP    "ldr %[object], [%[slots], %[at], lsl #3]\n\tstr %[at], %[count]\n"
#define SB_RSEQ_STACK_ROOM   "ldar %[at], %[count]\n\tcmp %[at], %[capacity]\n\tb.hs 6f\n\t"
#define SB_RSEQ_STACK_PUSH   "str %[object], [%[slots], %[at], lsl #3]\n\tadd %[at], %[at], #1\n\tstr %[at], %[count]\n"
#define SB_RSEQ_STACK_FREE   "ldar %[at], %[count]\n\tcmn %[at], #2\n\tb.hs 6f\n\t"
#define SB_RSEQ_STACK_TAKE   "mov x16, #-1\n\tstr x16, %[count]\n"
#define SB_RSEQ_ADD          "ldr %[at], %[count]\n\tadd %[at], %[at], %[n]\n\tstr %[at], %[count]\n"
#define SB_RSEQ_SCRATCH      "memory", "cc", "x16"
#define SB_RSEQ_HEAD_OPERAND "Q"

#endif

/*
 * Each runs one attempt on the CPU's part that it is given, which must be that of `cpu`. SB_RSEQ_AGAIN: the
 * sequence was cut short, or the thread is on another CPU by now: look up the CPU and its part anew.
 */
enum sb_rseq_end { SB_RSEQ_OTHER, SB_RSEQ_AGAIN, SB_RSEQ_DONE };

/* From the word that a sequence leaves: 0 and 1 are the handlers'. */
static inline enum sb_rseq_end sb_rseq_end_of(uint64_t result)
{
    return __builtin_expect(result > 1, 1) ? SB_RSEQ_DONE : (enum sb_rseq_end)result;
}

#define SB_RSEQ_INPUTS(self, cpu) [cpu] "r"(cpu), [cpu_id] "m"((self)->cpu_id), [rseq_cs] "m"((self)->rseq_cs)

/* OTHER: the list is empty, or taken. */
static inline enum sb_rseq_end sb_rseq_list_pop(struct sb_cpu_list *list, uint32_t cpu, size_t offset, void **object)
{
    struct rseq *self = sb_rseq_self();
    uint64_t head, next;
    __asm__ volatile(SB_RSEQ_BEGIN SB_RSEQ_LOAD_HEAD SB_RSEQ_IF_NONE SB_RSEQ_POP SB_RSEQ_END("head")
                     : [head] "=&r"(head), [next] "=&r"(next)
                     : SB_RSEQ_INPUTS(self, cpu), [freelist] SB_RSEQ_HEAD_OPERAND(list->freelist), [offset] "r"(offset)
                     : SB_RSEQ_SCRATCH);
    *object = (void *)head;
    return sb_rseq_end_of(head);
}

/* OTHER: `page` is not the CPU's slab, or the list is taken. */
static inline enum sb_rseq_end sb_rseq_list_push(struct sb_cpu_list *list, uint32_t cpu, const struct sb_page *page,
                                                 void *object, size_t offset)
{
    struct rseq *self = sb_rseq_self();
    uint64_t head, next, result = SB_RSEQ_DONE;
    __asm__ volatile(
        SB_RSEQ_BEGIN SB_RSEQ_LOAD_HEAD SB_RSEQ_IF_TAKEN SB_RSEQ_IF_FOREIGN SB_RSEQ_PUSH SB_RSEQ_END("result")
        : [head] "=&r"(head), [next] "=&r"(next), [result] "+r"(result)
        : SB_RSEQ_INPUTS(self, cpu), [freelist] SB_RSEQ_HEAD_OPERAND(list->freelist), [cpu_page] "m"(list->page),
          [page] "r"(page), [object] "r"(object), [offset] "r"(offset)
        : SB_RSEQ_SCRATCH);
    return (enum sb_rseq_end)result;
}

/* Takes the list whole; *freelist gets its head. OTHER: someone has it. */
static inline enum sb_rseq_end sb_rseq_list_take(struct sb_cpu_list *list, uint32_t cpu, void **freelist)
{
    struct rseq *self = sb_rseq_self();
    uint64_t head, next, result = SB_RSEQ_DONE;
    __asm__ volatile(SB_RSEQ_BEGIN SB_RSEQ_LOAD_HEAD SB_RSEQ_IF_TAKEN SB_RSEQ_TAKE SB_RSEQ_END("result")
                     : [head] "=&r"(head), [next] "=&r"(next), [result] "+r"(result)
                     : SB_RSEQ_INPUTS(self, cpu), [freelist] SB_RSEQ_HEAD_OPERAND(list->freelist)
                     : SB_RSEQ_SCRATCH);
    *freelist = (void *)head;
    return (enum sb_rseq_end)result;
}

/* OTHER: the stack is empty, or taken. */
static inline enum sb_rseq_end sb_rseq_stack_pop(struct sb_cpu_stack *stack, uint32_t cpu, void **object)
{
    struct rseq *self = sb_rseq_self();
    uint64_t at, head, top;
    __asm__ volatile(SB_RSEQ_BEGIN SB_RSEQ_STACK_TOP SB_RSEQ_STACK_POP SB_RSEQ_END("object")
                     : [head] "=&r"(head), [at] "=&r"(at), [object] "=&r"(top)
                     : SB_RSEQ_INPUTS(self, cpu), [count] SB_RSEQ_HEAD_OPERAND(stack->count), [slots] "r"(stack->slots)
                     : SB_RSEQ_SCRATCH);
    *object = (void *)top;
    return sb_rseq_end_of(top);
}

/* OTHER: the stack is full, or taken. What an aborted push wrote lies above the top, where nobody looks. */
static inline enum sb_rseq_end sb_rseq_stack_push(struct sb_cpu_stack *stack, uint32_t cpu, void *object)
{
    struct rseq *self = sb_rseq_self();
    uint64_t at, head, result = SB_RSEQ_DONE;
    __asm__ volatile(SB_RSEQ_BEGIN SB_RSEQ_STACK_ROOM SB_RSEQ_STACK_PUSH SB_RSEQ_END("result")
                     : [head] "=&r"(head), [at] "=&r"(at), [result] "+r"(result)
                     : SB_RSEQ_INPUTS(self, cpu), [count] SB_RSEQ_HEAD_OPERAND(stack->count), [slots] "r"(stack->slots),
                       [capacity] "r"(stack->capacity), [object] "r"(object)
                     : SB_RSEQ_SCRATCH);
    return (enum sb_rseq_end)result;
}

/* Takes the stack whole; *count gets its count. OTHER: someone has it. */
static inline enum sb_rseq_end sb_rseq_stack_take(struct sb_cpu_stack *stack, uint32_t cpu, uint64_t *count)
{
    struct rseq *self = sb_rseq_self();
    uint64_t at, head, result = SB_RSEQ_DONE;
    __asm__ volatile(SB_RSEQ_BEGIN SB_RSEQ_STACK_FREE SB_RSEQ_STACK_TAKE SB_RSEQ_END("result")
                     : [head] "=&r"(head), [at] "=&r"(at), [result] "+r"(result)
                     : SB_RSEQ_INPUTS(self, cpu), [count] SB_RSEQ_HEAD_OPERAND(stack->count)
                     : SB_RSEQ_SCRATCH);
    *count = at;
    return (enum sb_rseq_end)result;
}

/* this_cpu_add: adds to the CPU's number; *sum gets the new one. Never OTHER. */
static inline enum sb_rseq_end sb_rseq_add(uint64_t *number, uint32_t cpu, uint64_t n, uint64_t *sum)
{
    struct rseq *self = sb_rseq_self();
    uint64_t at, head, result = SB_RSEQ_DONE;
    __asm__ volatile(SB_RSEQ_BEGIN SB_RSEQ_ADD SB_RSEQ_END("result")
                     : [head] "=&r"(head), [at] "=&r"(at), [result] "+r"(result)
                     : SB_RSEQ_INPUTS(self, cpu), [count] SB_RSEQ_HEAD_OPERAND(*number), [n] "r"(n)
                     : SB_RSEQ_SCRATCH);
    *sum = at;
    return (enum sb_rseq_end)result;
}

#else

static inline bool sb_rseq_available(void)
{
    return false;
}

#endif

/* Asks the kernel once for leave to abort other threads' sequences; false where it can't. In rseq.c. */
bool sb_rseq_can_seize(void);

/*
 * Takes a CPU's word (a list's head, a stack's count) from any CPU: stores `seized` in it and makes sure that
 * it stands. False if someone had it taken for too long, perhaps this very thread. One at a time only,
 * under a lock of the caller's. *before gets what the word was.
 */
bool sb_rseq_seize(uint64_t *word, uint32_t cpu, uint64_t taken, uint64_t seized, uint64_t *before);

/* Ends a taking or a seizing, by storing the word as it is from now on. */
static inline void sb_rseq_give_back(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif
