/* Per-CPU areas. See percpu.c. */
#ifndef SB_MM_PERCPU_H
#define SB_MM_PERCPU_H

#include "page_alloc.h"

#define SB_PCPU_UNIT_SHIFT 15 /* one CPU's part of a chunk: 32 KiB */
#define SB_PCPU_UNIT_SIZE  (UINT64_C(1) << SB_PCPU_UNIT_SHIFT)
#define SB_PCPU_GRAIN      4 /* PCPU_MIN_ALLOC_SIZE */
#define SB_PCPU_GRAINS     (SB_PCPU_UNIT_SIZE / SB_PCPU_GRAIN)

/*
 * DEFINE_PER_CPU: a variable of which every CPU has a copy. The definition itself is only the image that the
 * copies begin as; it lies in a section of its own, as in the kernel, and the first chunk holds the copies.
 */
#define SB_DEFINE_PER_CPU(type, name)  __attribute__((section("sb_percpu"), used)) __typeof__(type) name
#define SB_DECLARE_PER_CPU(type, name) extern __typeof__(type) name
/* A module's symbols are the linker's affair here: whoever declares the variable has it. */
#define SB_EXPORT_PER_CPU_SYMBOL(name)     extern __typeof__(name) name
#define SB_EXPORT_PER_CPU_SYMBOL_GPL(name) SB_EXPORT_PER_CPU_SYMBOL(name)

/* The lvalue of a static variable on that CPU, and on this one, which is then held until sb_put_cpu_var. */
#define SB_PER_CPU(pcpu, name, cpu) (*(__typeof__(name) *)sb_per_cpu_ptr(sb_pcpu_static((pcpu), &(name)), (cpu)))
#define SB_GET_CPU_VAR(pcpu, name)  SB_PER_CPU((pcpu), name, sb_get_cpu(pcpu))

/* nr_cpus units side by side; an object has the same offset in each. */
struct sb_pcpu_chunk {
    struct sb_list link;
    char *base;
    uint64_t free_grains;
    uint64_t max_alloc_size;             /* bytes of the largest object that it ever had */
    uint64_t used[SB_PCPU_GRAINS / 64];  /* a bit a grain: taken */
    uint64_t start[SB_PCPU_GRAINS / 64]; /* a bit a grain: an object starts here */
};

/* One CPU's guard: held from get_cpu to put_cpu, it keeps the others that come to this CPU waiting. */
struct sb_pcpu_guard {
    struct sb_lock lock;
    unsigned depth; /* of its holder: preempt_count */
    char padding[60 - sizeof(struct sb_lock)];
};
_Static_assert(sizeof(struct sb_pcpu_guard) == 64, "a guard has a cache line to itself");

struct sb_pcpu {
    struct sb_mm *mm;
    unsigned order;    /* of a chunk's block */
    const char *image; /* of the static variables */
    uint64_t image_size;
    char *first;                  /* the first chunk's base: where the static variables' copies are */
    struct sb_pcpu_guard *guards; /* by CPU */
    struct sb_lock lock;          /* protects all below */
    struct sb_list chunks;
    uint64_t nr_chunks, live, live_bytes, static_grains;
    uint64_t nr_alloc, nr_max_alloc, nr_max_chunks; /* ever; most at once */
    uint64_t min_alloc_size, max_alloc_size;        /* bytes */
};

/* `image`: what SB_DEFINE_PER_CPU's section holds, or NULL. Needs sb_pcpu_exit, also after a failure. */
int sb_pcpu_init(struct sb_pcpu *pcpu, struct sb_mm *mm, const char *image, uint64_t image_size);
void sb_pcpu_exit(struct sb_pcpu *pcpu);
/* Empty chunks but the first one go back. */
void sb_pcpu_shrink(struct sb_pcpu *pcpu);

/* The cookie is the address of CPU 0's object, zero-filled on all CPUs. */
void *sb_alloc_percpu(struct sb_pcpu *pcpu, size_t size, size_t align);
void sb_free_percpu(struct sb_pcpu *pcpu, void *cookie);

static inline void *sb_per_cpu_ptr(void *cookie, unsigned cpu)
{
    return (char *)cookie + ((uint64_t)cpu << SB_PCPU_UNIT_SHIFT);
}

/* The cookie of a static variable: &per_cpu(name, cpu) is sb_per_cpu_ptr of it. */
static inline void *sb_pcpu_static(const struct sb_pcpu *pcpu, const void *variable)
{
    return pcpu->first + ((const char *)variable - pcpu->image);
}

/*
 * get_cpu: the number of this CPU, which nobody else may hold until as many calls of put_cpu. The kernel forbids
 * preemption; here the CPU's guard is taken, so that a thread that comes to the CPU meanwhile waits. Calls nest, and
 * within the outermost pair the number stays the same, wherever the thread is moved. A thread may hold CPUs of at most
 * SB_PCPU_HELD machines at once.
 */
enum { SB_PCPU_HELD = 4 };
unsigned sb_get_cpu(struct sb_pcpu *pcpu);
void sb_put_cpu(struct sb_pcpu *pcpu);

/* get_cpu_ptr: this CPU's object, held likewise. */
static inline void *sb_get_cpu_ptr(struct sb_pcpu *pcpu, void *cookie)
{
    return sb_per_cpu_ptr(cookie, sb_get_cpu(pcpu));
}

/* this_cpu_add on a 64-bit number; returns what it is then. */
int64_t sb_this_cpu_add(struct sb_pcpu *pcpu, void *cookie, int64_t n);

/* A counter that is exact in its sum and cheap to add to: each CPU keeps less than `batch` back. */
struct sb_percpu_counter {
    struct sb_pcpu *pcpu;
    struct sb_lock lock; /* protects count */
    int64_t count, batch;
    void *parts; /* a number per CPU */
};
int sb_percpu_counter_init(struct sb_percpu_counter *counter, struct sb_pcpu *pcpu, int64_t value, int64_t batch);
void sb_percpu_counter_destroy(struct sb_percpu_counter *counter);
void sb_percpu_counter_add(struct sb_percpu_counter *counter, int64_t n);
/* Off by less than batch times the CPUs. */
int64_t sb_percpu_counter_read(const struct sb_percpu_counter *counter);
/* Exact while nobody adds. */
int64_t sb_percpu_counter_sum(struct sb_percpu_counter *counter);

/* percpu_stats.c; only while nothing else runs. */
void sb_pcpu_dump_stats(const struct sb_pcpu *pcpu, const struct sb_sink *sink);
int sb_pcpu_check(struct sb_pcpu *pcpu, char *why, size_t why_size);

#endif
