/*
 * Per-CPU areas as a plugin: alloc_percpu of Linux 6.1 (mm/percpu.c), a static variable and
 * percpu_counter. The model, its lock and what it leaves out stand
 * in mm/percpu.c here; this file is the ABI around it.
 */
#include "../mm/percpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct sb_option options[] = {SB_MM_OPTION_ROWS};

/* The one static variable, for whoever counts. */
static SB_DEFINE_PER_CPU(int64_t, events);
extern const char __start_sb_percpu[], __stop_sb_percpu[]; /* the linker's */

struct percpu {
    struct sb_mm mm;
    struct sb_pcpu pcpu;
};

static void percpu_close(void *self)
{
    struct percpu *p = self;
    sb_pcpu_exit(&p->pcpu);
    sb_mm_exit(&p->mm);
    free(p);
}

static int percpu_open(const struct sb_host *host, const union sb_value *values, void **self)
{
    struct percpu *p = calloc(1, sizeof(*p));
    struct sb_mm_config config = sb_mm_read_options(values);
    int status = p ? sb_mm_init(&p->mm, host, &config) : -ENOMEM;
    if (!status)
        /* The linker's section, as the kernel copies .data..percpu. */
        status = sb_pcpu_init(&p->pcpu, &p->mm, __start_sb_percpu, (uint64_t)(__stop_sb_percpu - __start_sb_percpu));
    if (status && p)
        percpu_close(p);
    else
        *self = p;
    return status;
}

static void *percpu_alloc(void *self, size_t size, size_t align)
{
    return sb_alloc_percpu(&((struct percpu *)self)->pcpu, size, align);
}

static void *percpu_ptr(void *self, void *cookie, unsigned cpu)
{
    (void)self;
    return sb_per_cpu_ptr(cookie, cpu);
}

static void percpu_free(void *self, void *cookie)
{
    sb_free_percpu(&((struct percpu *)self)->pcpu, cookie);
}

/* One object is handed out once per CPU. */
static int percpu_snapshot(void *self, struct sb_snapshot *snapshot)
{
    struct percpu *p = self;
    sb_mm_snapshot(&p->mm, snapshot);
    snapshot->has |= SB_HAS_LIVE | SB_HAS_HANDED;
    snapshot->live = p->pcpu.live;
    snapshot->handed_bytes = p->pcpu.live_bytes * p->mm.nr_cpus;
    snapshot->metadata_bytes += p->pcpu.nr_chunks * sizeof(struct sb_pcpu_chunk);
    return 0;
}

static int percpu_dump(void *self, const char *file, const struct sb_sink *sink)
{
    struct percpu *p = self;
    if (strcmp(file, "percpu_stats"))
        return sb_mm_dump(&p->mm, file, sink);
    sb_pcpu_dump_stats(&p->pcpu, sink);
    return 0;
}

static void percpu_shrink(void *self)
{
    struct percpu *p = self;
    sb_pcpu_shrink(&p->pcpu);
    sb_mm_reclaim(&p->mm);
}

static int percpu_check(void *self, char *why, size_t why_size)
{
    return sb_pcpu_check(&((struct percpu *)self)->pcpu, why, why_size);
}

static void *percpu_static_number(void *self)
{
    return sb_pcpu_static(&((struct percpu *)self)->pcpu, &events);
}

static int64_t percpu_this_cpu_add(void *self, void *cookie, int64_t n)
{
    return sb_this_cpu_add(&((struct percpu *)self)->pcpu, cookie, n);
}

static void *percpu_get_cpu_ptr(void *self, void *cookie)
{
    return sb_get_cpu_ptr(&((struct percpu *)self)->pcpu, cookie);
}

static void percpu_put_cpu(void *self)
{
    sb_put_cpu(&((struct percpu *)self)->pcpu);
}

static int percpu_counter_create(void *self, int64_t batch, void **counter)
{
    struct sb_percpu_counter *made = aligned_alloc(64, (sizeof(*made) + 63) & ~(size_t)63);
    int status = made ? sb_percpu_counter_init(made, &((struct percpu *)self)->pcpu, 0, batch) : -ENOMEM;
    if (status)
        free(made);
    else
        *counter = made;
    return status;
}

static void percpu_counter_add(void *counter, int64_t n)
{
    sb_percpu_counter_add(counter, n);
}

static int64_t percpu_counter_sum(void *counter)
{
    return sb_percpu_counter_sum(counter);
}

static void percpu_counter_destroy(void *counter)
{
    sb_percpu_counter_destroy(counter);
    free(counter);
}

static const struct sb_percpu_ops percpu = {
    .struct_size = sizeof(percpu),
    .alloc_percpu = percpu_alloc,
    .per_cpu_ptr = percpu_ptr,
    .free_percpu = percpu_free,
    .static_number = percpu_static_number,
    .this_cpu_add = percpu_this_cpu_add,
    .get_cpu_ptr = percpu_get_cpu_ptr,
    .put_cpu = percpu_put_cpu,
    .counter_create = percpu_counter_create,
    .counter_add = percpu_counter_add,
    .counter_sum = percpu_counter_sum,
    .counter_destroy = percpu_counter_destroy,
};

const struct sb_allocator scullbench_allocator = {
    .head = SB_HEAD(SB_ALLOCATOR_MAGIC, struct sb_allocator),
    .name = "percpu",
    .summary = "one object per CPU behind one cookie, at the same offset in every CPU's unit",
    .models = "mm/percpu.c, Linux 6.1",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .open = percpu_open,
    .close = percpu_close,
    .snapshot = percpu_snapshot,
    .dump = percpu_dump,
    .dump_files = SB_MM_DUMP_FILES " percpu_stats",
    .check = percpu_check,
    .claims = SB_CLAIM_CHECK,
    .shrink = percpu_shrink,
    .percpu = &percpu,
};
