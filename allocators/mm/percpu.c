/*
 * Per-CPU areas.
 *
 * Models mm/percpu.c of Linux 6.1: chunks of one unit per CPU; an object takes the same offset in every unit,
 * first fit by a bitmap of 4-byte grains, so that a CPU's copy lies at cookie + cpu * unit size and
 * successive small objects are neighbours.
 *
 * The first chunk holds the copies of the static variables at its start and is never given back; of the
 * others one is kept when it becomes empty. percpu_counter is lib/percpu_counter.c.
 *
 * Locks: pcpu->lock, then those of the page allocator (a chunk is allocated under it, as the kernel's mutex
 * allows). A CPU's guard and a counter's lock are taken alone, the guard last.
 *
 * A chunk is one block of pages for all CPUs, so that there can be 128 at most; the kernel's later chunks are
 * ranges of vmalloc's, whose pages come when they are needed.
 *
 * Left out: atomic allocation, block hints (a plain scan stands in), depopulation, slots by free size.
 */
#define _GNU_SOURCE
#include "percpu.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static bool get_bit(const uint64_t *map, uint64_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

/* Bit by bit: areas are small, and allocation per CPU is not a fast path in the kernel either. */
static void set_bits(uint64_t *map, uint64_t first, uint64_t n, bool value)
{
    for (uint64_t i = first; i < first + n; i++) {
        if (value)
            map[i / 64] |= UINT64_C(1) << (i % 64);
        else
            map[i / 64] &= ~(UINT64_C(1) << (i % 64));
    }
}

/* The bookkeeping is the host's memory; the kernel, too, allocates it apart from the units. */
static struct sb_pcpu_chunk *new_chunk(struct sb_pcpu *pcpu)
{
    struct sb_pcpu_chunk *chunk = calloc(1, sizeof(*chunk));
    if (!chunk)
        return NULL;
    chunk->base = sb_get_free_pages(pcpu->mm, SB_GFP_KERNEL, pcpu->order);
    if (!chunk->base) {
        free(chunk);
        return NULL;
    }
    chunk->free_grains = SB_PCPU_GRAINS;
    sb_list_add_tail(&chunk->link, &pcpu->chunks);
    pcpu->nr_chunks++;
    pcpu->nr_max_chunks = pcpu->nr_chunks > pcpu->nr_max_chunks ? pcpu->nr_chunks : pcpu->nr_max_chunks;
    return chunk;
}

/* The static variables' copies, in the first chunk's every unit. */
static int place_static(struct sb_pcpu *pcpu)
{
    struct sb_pcpu_chunk *chunk = new_chunk(pcpu);
    if (!chunk)
        return -ENOMEM;
    uint64_t grains = (pcpu->image_size + SB_PCPU_GRAIN - 1) / SB_PCPU_GRAIN;
    pcpu->first = chunk->base;
    set_bits(chunk->used, 0, grains, true);
    chunk->free_grains -= grains;
    pcpu->static_grains = grains;
    /* As setup_per_cpu_areas copies the section .data..percpu for each CPU. */
    for (unsigned cpu = 0; cpu < pcpu->mm->nr_cpus && pcpu->image_size; cpu++)
        memcpy(sb_per_cpu_ptr(chunk->base, cpu), pcpu->image, pcpu->image_size);
    return 0;
}

/* A chunk is one block for all units, so the largest block bounds the number of CPUs. */
int sb_pcpu_init(struct sb_pcpu *pcpu, struct sb_mm *mm, const char *image, uint64_t image_size)
{
    memset(pcpu, 0, sizeof(*pcpu));
    sb_lock_init(&pcpu->lock, SB_RANK_PERCPU);
    pcpu->mm = mm;
    pcpu->order = sb_get_order(SB_PCPU_UNIT_SIZE * mm->nr_cpus);
    pcpu->image = image;
    pcpu->image_size = image_size;
    sb_list_init(&pcpu->chunks);
    if (pcpu->order > SB_MAX_ORDER || image_size > SB_PCPU_UNIT_SIZE) {
        mm->host->fail(mm->host->context,
                       "percpu: %u CPUs need a block of order %u, the largest is %d; "
                       "static variables have %llu bytes of %llu",
                       mm->nr_cpus, pcpu->order, SB_MAX_ORDER, (unsigned long long)image_size,
                       (unsigned long long)SB_PCPU_UNIT_SIZE);
        return -E2BIG;
    }
    pcpu->guards = aligned_alloc(64, mm->nr_cpus * sizeof(*pcpu->guards));
    if (!pcpu->guards)
        return -ENOMEM;
    memset(pcpu->guards, 0, mm->nr_cpus * sizeof(*pcpu->guards));
    for (unsigned cpu = 0; cpu < mm->nr_cpus; cpu++)
        sb_lock_init(&pcpu->guards[cpu].lock, SB_RANK_CPU_GUARD);
    return place_static(pcpu);
}

void sb_pcpu_exit(struct sb_pcpu *pcpu)
{
    while (pcpu->mm && !sb_list_empty(&pcpu->chunks)) {
        struct sb_list *link = pcpu->chunks.next;
        sb_list_del(link); // NOLINT(clang-analyzer-unix.Malloc): it doesn't see the head change
        free(sb_list_entry(link, struct sb_pcpu_chunk, link));
    }
    free(pcpu->guards);
}

static void free_chunk(struct sb_pcpu *pcpu, struct sb_pcpu_chunk *chunk)
{
    sb_list_del(&chunk->link);
    sb_free_pages(pcpu->mm, sb_virt_to_page(pcpu->mm, chunk->base), pcpu->order);
    free(chunk);
    pcpu->nr_chunks--;
}

/* The first chunk holds the static variables, and never goes. */
static bool may_go(const struct sb_pcpu *pcpu, const struct sb_pcpu_chunk *chunk)
{
    return chunk->free_grains == SB_PCPU_GRAINS && chunk->base != pcpu->first;
}

void sb_pcpu_shrink(struct sb_pcpu *pcpu)
{
    struct sb_list *link, *next;
    sb_lock(&pcpu->lock);
    for (link = pcpu->chunks.next; link != &pcpu->chunks; link = next) {
        struct sb_pcpu_chunk *chunk = sb_list_entry(link, struct sb_pcpu_chunk, link);
        next = link->next;
        if (may_go(pcpu, chunk))
            free_chunk(pcpu, chunk);
    }
    sb_unlock(&pcpu->lock);
}

/* First fit; SB_PCPU_GRAINS if there is no room. */
static uint64_t find_room(const struct sb_pcpu_chunk *chunk, uint64_t n, uint64_t align)
{
    if (chunk->free_grains < n)
        return SB_PCPU_GRAINS;
    for (uint64_t at = 0; at + n <= SB_PCPU_GRAINS;) {
        uint64_t free = 0;
        while (free < n && !get_bit(chunk->used, at + free))
            free++;
        if (free == n)
            return at;
        /* Behind the taken grain that stood in the way, at the next place that is aligned. */
        at = (at + free + 1 + align - 1) & ~(align - 1);
    }
    return SB_PCPU_GRAINS;
}

/* pcpu_stats_area_alloc */
static void count_alloc(struct sb_pcpu *pcpu, struct sb_pcpu_chunk *chunk, uint64_t bytes)
{
    pcpu->live++;
    pcpu->live_bytes += bytes;
    pcpu->nr_alloc++;
    pcpu->nr_max_alloc = pcpu->live > pcpu->nr_max_alloc ? pcpu->live : pcpu->nr_max_alloc;
    pcpu->min_alloc_size = pcpu->min_alloc_size && pcpu->min_alloc_size < bytes ? pcpu->min_alloc_size : bytes;
    pcpu->max_alloc_size = bytes > pcpu->max_alloc_size ? bytes : pcpu->max_alloc_size;
    chunk->max_alloc_size = bytes > chunk->max_alloc_size ? bytes : chunk->max_alloc_size;
}

/* All CPUs' copies are zeroed here, as pcpu_alloc does: the caller may use any of them at once. */
void *sb_alloc_percpu(struct sb_pcpu *pcpu, size_t size, size_t align)
{
    uint64_t n = (size + SB_PCPU_GRAIN - 1) / SB_PCPU_GRAIN, grain = SB_PCPU_GRAINS;
    uint64_t step = align > SB_PCPU_GRAIN ? align / SB_PCPU_GRAIN : 1;
    struct sb_pcpu_chunk *chunk = NULL;
    struct sb_list *link;
    void *cookie = NULL;

    if (!size || size > SB_PCPU_UNIT_SIZE || (align & (align - 1)) || align > SB_PAGE_SIZE)
        return NULL;
    sb_lock(&pcpu->lock);
    sb_list_for_each (link, &pcpu->chunks) {
        chunk = sb_list_entry(link, struct sb_pcpu_chunk, link);
        grain = find_room(chunk, n, step);
        if (grain < SB_PCPU_GRAINS)
            break;
    }
    if (grain == SB_PCPU_GRAINS) {
        chunk = new_chunk(pcpu);
        grain = 0;
    }
    if (chunk) {
        set_bits(chunk->used, grain, n, true);
        set_bits(chunk->start, grain, 1, true);
        chunk->free_grains -= n;
        count_alloc(pcpu, chunk, n * SB_PCPU_GRAIN);
        cookie = chunk->base + grain * SB_PCPU_GRAIN;
        for (unsigned cpu = 0; cpu < pcpu->mm->nr_cpus; cpu++)
            sb_mm_zero(pcpu->mm, sb_per_cpu_ptr(cookie, cpu), size);
    }
    sb_unlock(&pcpu->lock);
    return cookie;
}

/* Of empty chunks one is kept in hand. */
static void drop_surplus(struct sb_pcpu *pcpu, struct sb_pcpu_chunk *chunk)
{
    struct sb_list *link;
    if (!may_go(pcpu, chunk))
        return;
    sb_list_for_each (link, &pcpu->chunks) {
        struct sb_pcpu_chunk *other = sb_list_entry(link, struct sb_pcpu_chunk, link);
        if (other != chunk && may_go(pcpu, other)) {
            free_chunk(pcpu, chunk);
            return;
        }
    }
}

void sb_free_percpu(struct sb_pcpu *pcpu, void *cookie)
{
    struct sb_list *link;
    bool found = false;
    if (!cookie)
        return;
    sb_lock(&pcpu->lock);
    sb_list_for_each (link, &pcpu->chunks) {
        struct sb_pcpu_chunk *chunk = sb_list_entry(link, struct sb_pcpu_chunk, link);
        uint64_t at = (uint64_t)((char *)cookie - chunk->base);
        uint64_t grain = at / SB_PCPU_GRAIN, n = 1;
        if ((char *)cookie < chunk->base || at >= SB_PCPU_UNIT_SIZE || !get_bit(chunk->start, grain))
            continue;
        while (grain + n < SB_PCPU_GRAINS && get_bit(chunk->used, grain + n) && !get_bit(chunk->start, grain + n))
            n++;
        set_bits(chunk->used, grain, n, false);
        set_bits(chunk->start, grain, 1, false);
        chunk->free_grains += n;
        pcpu->live--;
        pcpu->live_bytes -= n * SB_PCPU_GRAIN;
        found = true;
        drop_surplus(pcpu, chunk);
        break;
    }
    sb_unlock(&pcpu->lock);
    if (!found)
        sb_count_bad_free(pcpu->mm);
}

/* Which CPUs this thread holds. Of several machines in one process each has its own. */
static _Thread_local struct {
    const struct sb_pcpu *pcpu;
    unsigned cpu;
} held[SB_PCPU_HELD];

static unsigned find_held(const struct sb_pcpu *pcpu)
{
    unsigned i = 0;
    while (i < SB_PCPU_HELD && held[i].pcpu != pcpu)
        i++;
    return i;
}

unsigned sb_get_cpu(struct sb_pcpu *pcpu)
{
    unsigned i = find_held(pcpu);
    if (i == SB_PCPU_HELD) {
        i = find_held(NULL);
        assert(i < SB_PCPU_HELD && "a thread holds CPUs of few machines");
        held[i].cpu = (unsigned)sched_getcpu();
        sb_lock(&pcpu->guards[held[i].cpu].lock);
        held[i].pcpu = pcpu;
    }
    pcpu->guards[held[i].cpu].depth++;
    return held[i].cpu;
}

void sb_put_cpu(struct sb_pcpu *pcpu)
{
    unsigned i = find_held(pcpu);
    assert(i < SB_PCPU_HELD && "put_cpu follows a get_cpu of the same thread");
    struct sb_pcpu_guard *guard = &pcpu->guards[held[i].cpu];
    if (--guard->depth)
        return;
    held[i].pcpu = NULL;
    sb_unlock(&guard->lock);
}

int64_t sb_this_cpu_add(struct sb_pcpu *pcpu, void *cookie, int64_t n)
{
    uint64_t sum;
    (void)pcpu;
#ifdef SB_HAVE_RSEQ
    while (pcpu->mm->rseq) {
        uint32_t cpu = sb_rseq_cpu();
        if (sb_rseq_add(sb_per_cpu_ptr(cookie, cpu), cpu, (uint64_t)n, &sum) == SB_RSEQ_DONE)
            return (int64_t)sum;
    }
#endif
    /* Without restartable sequences an atomic addition: right after a migration, too, only slower. */
    uint64_t *number = sb_per_cpu_ptr(cookie, (unsigned)sched_getcpu());
    sum = __atomic_add_fetch(number, (uint64_t)n, __ATOMIC_RELAXED);
    return (int64_t)sum;
}

int sb_percpu_counter_init(struct sb_percpu_counter *counter, struct sb_pcpu *pcpu, int64_t value, int64_t batch)
{
    *counter = (struct sb_percpu_counter){.pcpu = pcpu, .count = value, .batch = batch};
    sb_lock_init(&counter->lock, SB_RANK_COUNTER);
    counter->parts = sb_alloc_percpu(pcpu, sizeof(int64_t), sizeof(int64_t));
    return counter->parts ? 0 : -ENOMEM;
}

void sb_percpu_counter_destroy(struct sb_percpu_counter *counter)
{
    sb_free_percpu(counter->pcpu, counter->parts);
    counter->parts = NULL;
}

/* What a CPU takes over into the sum it takes off its own part, whichever CPU that is by then. */
void sb_percpu_counter_add(struct sb_percpu_counter *counter, int64_t n)
{
    int64_t part = sb_this_cpu_add(counter->pcpu, counter->parts, n);
    if (part < counter->batch && part > -counter->batch)
        return;
    sb_lock(&counter->lock);
    __atomic_store_n(&counter->count, counter->count + part, __ATOMIC_RELAXED);
    sb_this_cpu_add(counter->pcpu, counter->parts, -part);
    sb_unlock(&counter->lock);
}

int64_t sb_percpu_counter_read(const struct sb_percpu_counter *counter)
{
    return __atomic_load_n(&counter->count, __ATOMIC_RELAXED);
}

int64_t sb_percpu_counter_sum(struct sb_percpu_counter *counter)
{
    sb_lock(&counter->lock);
    /* Exact only while nobody adds, as the kernel's percpu_counter_sum. */
    int64_t sum = counter->count;
    for (unsigned cpu = 0; cpu < counter->pcpu->mm->nr_cpus; cpu++)
        sum += __atomic_load_n((int64_t *)sb_per_cpu_ptr(counter->parts, cpu), __ATOMIC_RELAXED);
    sb_unlock(&counter->lock);
    return sum;
}

int sb_pcpu_check(struct sb_pcpu *pcpu, char *why, size_t why_size)
{
    struct sb_list *link;
    uint64_t chunks = 0, live = 0, used = 0;
    int status = sb_mm_check(pcpu->mm, why, why_size);
    if (status)
        return status;
    sb_list_for_each (link, &pcpu->chunks) {
        const struct sb_pcpu_chunk *chunk = sb_list_entry(link, struct sb_pcpu_chunk, link);
        uint64_t taken = 0;
        for (unsigned i = 0; i < SB_PCPU_GRAINS / 64; i++) {
            if (chunk->start[i] & ~chunk->used[i])
                return sb_check_failed(why, why_size, "percpu: an object starts where nothing is taken");
            taken += (uint64_t)__builtin_popcountll(chunk->used[i]);
            live += (uint64_t)__builtin_popcountll(chunk->start[i]);
        }
        if (taken + chunk->free_grains != SB_PCPU_GRAINS)
            return sb_check_failed(why, why_size, "percpu: a chunk counts %llu free grains, its map has %llu",
                                   (unsigned long long)chunk->free_grains,
                                   (unsigned long long)(SB_PCPU_GRAINS - taken));
        used += taken;
        chunks++;
    }
    used -= pcpu->static_grains;
    if (chunks != pcpu->nr_chunks || live != pcpu->live || used * SB_PCPU_GRAIN != pcpu->live_bytes)
        return sb_check_failed(why, why_size, "percpu: %llu objects in %llu chunks, counted %llu in %llu",
                               (unsigned long long)live, (unsigned long long)chunks, (unsigned long long)pcpu->live,
                               (unsigned long long)pcpu->nr_chunks);
    return 0;
}
