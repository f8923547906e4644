/* Per-CPU areas. See percpu.c. */
#ifndef SB_MM_PERCPU_H
#define SB_MM_PERCPU_H

#include "page_alloc.h"

#define SB_PCPU_UNIT_SHIFT 15 /* one CPU's part of a chunk: 32 KiB */
#define SB_PCPU_UNIT_SIZE  (UINT64_C(1) << SB_PCPU_UNIT_SHIFT)
#define SB_PCPU_GRAIN      4 /* PCPU_MIN_ALLOC_SIZE */
#define SB_PCPU_GRAINS     (SB_PCPU_UNIT_SIZE / SB_PCPU_GRAIN)

/* nr_cpus units side by side; an object has the same offset in each. */
struct sb_pcpu_chunk {
    struct sb_list link;
    char *base;
    uint64_t free_grains;
    uint64_t used[SB_PCPU_GRAINS / 64];  /* a bit a grain: taken */
    uint64_t start[SB_PCPU_GRAINS / 64]; /* a bit a grain: an object starts here */
};

struct sb_pcpu {
    struct sb_mm *mm;
    unsigned order;      /* of a chunk's block */
    struct sb_lock lock; /* protects all below */
    struct sb_list chunks;
    uint64_t nr_chunks, live, live_bytes;
};

int sb_pcpu_init(struct sb_pcpu *pcpu, struct sb_mm *mm);
void sb_pcpu_exit(struct sb_pcpu *pcpu);

/* The cookie is the address of CPU 0's object, zero-filled on all CPUs. */
void *sb_alloc_percpu(struct sb_pcpu *pcpu, size_t size, size_t align);
void sb_free_percpu(struct sb_pcpu *pcpu, void *cookie);

static inline void *sb_per_cpu_ptr(void *cookie, unsigned cpu)
{
    return (char *)cookie + ((uint64_t)cpu << SB_PCPU_UNIT_SHIFT);
}

int sb_pcpu_check(struct sb_pcpu *pcpu, char *why, size_t why_size);

#endif
