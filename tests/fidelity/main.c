/*
 * The model beside real kernels: prints what scripts/fidelity puts into docs/fidelity.md.
 *
 *   fidelity                      the properties, a row of Markdown each
 *   fidelity count NAME N [locks] runs one, N times, for an instruction counter that watches the function
 * `measured`
 *
 * Under valgrind there are no restartable sequences. One thread alone on one CPU needs no kernel to restart
 * it, so counting pretends that it is registered: the sequences are counted as they run undisturbed.
 */
#define _GNU_SOURCE
#include "truth.h"

#include "../unit/host.h"

#include "mm/kmalloc.h"
#include "mm/mempool.h"
#include "mm/percpu.h"
#include "mm/vmalloc.h"

enum { MOST = 4096, QUANTUM = 4000 };

struct machine {
    struct test_host host;
    struct sb_mm mm;
    struct sb_kmalloc kmalloc;
    struct sb_vmalloc vm;
    struct sb_pcpu pcpu;
    struct sb_kmem_cache *cache4000, *cache256;
    struct sb_mempool pool;
    void *objects[MOST];
    char source[SB_PAGE_SIZE];
};

static void *element_alloc(sb_gfp_t gfp, void *cache)
{
    return sb_cache_alloc(cache, gfp);
}

static void element_free(void *element, void *cache)
{
    sb_cache_free(cache, element);
}

static void pretend_registered(struct machine *m)
{
#ifdef SB_HAVE_RSEQ
    /* Through a copy of the pointer: the fields are const to all but the kernel. */
    uint32_t *area = (uint32_t *)(void *)sb_rseq_self();
    area[0] = area[1] = 0;
    m->mm.rseq = true;
    for (unsigned i = 0; i < SB_NR_ZONES; i++)
        m->mm.zones[i].pcp.rseq = true;
#else
    (void)m;
#endif
}

static void open_machine(struct machine *m, bool locks)
{
    struct sb_mm_config config = {.page_lists = true, .sync = SB_SYNC_LOCK};
    test_host_open(&m->host, 512, test_cpus());
    assert_int_equal(sb_mm_init(&m->mm, &m->host.host, &config), 0);
    if (!locks)
        pretend_registered(m);
    assert_int_equal(sb_kmalloc_init(&m->kmalloc, &m->mm, &(struct sb_slub_config){.percpu = true}), 0);
    assert_int_equal(sb_vmalloc_init(&m->vm, &m->mm, &(struct sb_vmalloc_config){.lazy_max = 64 << 20}), 0);
    assert_int_equal(sb_pcpu_init(&m->pcpu, &m->mm, NULL, 0), 0);
    struct sb_slub *slub = &m->kmalloc.slub;
    assert_int_equal(sb_cache_create(slub, "4000", QUANTUM, 0, SB_SLAB_HWCACHE_ALIGN, NULL, &m->cache4000), 0);
    assert_int_equal(sb_cache_create(slub, "256", 256, 0, 0, NULL, &m->cache256), 0);
    assert_int_equal(sb_mempool_init(&m->pool, 64, element_alloc, element_free, m->cache256, 1000), 0);
}

/* What a kernel's name in cost.csv stands for here. `size` is bytes, an order, or pages. */
struct operation {
    const char *name;
    size_t size;
    void *(*alloc)(struct machine *m, size_t size);
    void (*free)(struct machine *m, size_t size, void *object);
};

static void *kmalloc_alloc(struct machine *m, size_t size)
{
    return sb_kmalloc(&m->kmalloc, size, 0, SB_GFP_KERNEL);
}
static void kmalloc_free(struct machine *m, size_t size, void *object)
{
    (void)size;
    sb_kfree(&m->kmalloc, object);
}
static void *cache_alloc(struct machine *m, size_t size)
{
    (void)size;
    return sb_cache_alloc(m->cache4000, SB_GFP_KERNEL);
}
static void cache_free(struct machine *m, size_t size, void *object)
{
    (void)size;
    sb_cache_free(m->cache4000, object);
}
static void *pages_alloc(struct machine *m, size_t order)
{
    return sb_get_free_pages(&m->mm, SB_GFP_KERNEL, (unsigned)order);
}
static void pages_free(struct machine *m, size_t order, void *object)
{
    sb_free_pages_at(&m->mm, object, (unsigned)order);
}
static void *vmalloc_alloc(struct machine *m, size_t pages)
{
    return sb_vmalloc(&m->vm, pages * SB_PAGE_SIZE, SB_GFP_KERNEL);
}
static void vmalloc_free(struct machine *m, size_t pages, void *object)
{
    (void)pages;
    sb_vfree(&m->vm, object);
}
static void *mempool_alloc(struct machine *m, size_t size)
{
    (void)size;
    return sb_mempool_alloc(&m->pool, SB_GFP_KERNEL);
}
static void mempool_free(struct machine *m, size_t size, void *object)
{
    (void)size;
    sb_mempool_free(&m->pool, object);
}
static void *percpu_alloc(struct machine *m, size_t size)
{
    return sb_alloc_percpu(&m->pcpu, size, 8);
}
static void percpu_free(struct machine *m, size_t size, void *object)
{
    (void)size;
    sb_free_percpu(&m->pcpu, object);
}

/* A driver's write of one quantum less its system call: allocate, zero, copy the user's bytes. */
static void *write_quantum(struct machine *m, size_t size)
{
    char *quantum =
        size == QUANTUM ? sb_cache_alloc(m->cache4000, SB_GFP_KERNEL) : sb_get_free_pages(&m->mm, SB_GFP_KERNEL, 0);
    memset(quantum, 0, size);
    memcpy(quantum, m->source, size);
    return quantum;
}
static void trim_quantum(struct machine *m, size_t size, void *object)
{
    if (size == QUANTUM)
        sb_cache_free(m->cache4000, object);
    else
        sb_free_pages_at(&m->mm, object, 0);
}

static const struct operation operations[] = {
    {"kmalloc 64", 64, kmalloc_alloc, kmalloc_free},
    {"kmalloc 1024", 1024, kmalloc_alloc, kmalloc_free},
    {"kmalloc 4096", 4096, kmalloc_alloc, kmalloc_free},
    {"kmalloc 8192", 8192, kmalloc_alloc, kmalloc_free},
    {"cache 4000 hwcache", QUANTUM, cache_alloc, cache_free},
    {"pages order 0", 0, pages_alloc, pages_free},
    {"pages order 3", 3, pages_alloc, pages_free},
    {"pages order 4", 4, pages_alloc, pages_free},
    {"pages order 9", 9, pages_alloc, pages_free},
    {"vmalloc 1 page", 1, vmalloc_alloc, vmalloc_free},
    {"vmalloc 16 pages", 16, vmalloc_alloc, vmalloc_free},
    {"mempool slab 256 min 64", 256, mempool_alloc, mempool_free},
    {"alloc_percpu 8", 8, percpu_alloc, percpu_free},
    {"scullc quantum", QUANTUM, write_quantum, trim_quantum},
    {"scullp quantum", SB_PAGE_SIZE, write_quantum, trim_quantum},
};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

enum phase { ALLOC, FREE, PAIR };

/* The instructions executed in here are what is counted. */
__attribute__((noinline, visibility("default"))) void measured(struct machine *m, const struct operation *op,
                                                               enum phase phase, unsigned n);
void measured(struct machine *m, const struct operation *op, enum phase phase, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (phase != FREE)
            m->objects[i] = op->alloc(m, op->size);
        if (phase != ALLOC)
            op->free(m, op->size, m->objects[i]);
    }
}

static const struct operation *find(const char *name, size_t length)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        if (strlen(operations[i].name) == length && !strncmp(operations[i].name, name, length))
            return &operations[i];
    }
    return NULL;
}

/* "kmalloc 64 alloc": an operation and its phase; a driver's write and trim are its two. */
static int count(const char *name, unsigned n, bool locks)
{
    static struct machine m;
    const char *word = strrchr(name, ' ');
    const struct operation *op = word ? find(name, (size_t)(word - name)) : NULL;
    if (!op || n > MOST)
        return 1;
    enum phase phase = !strcmp(word, " pair") ? PAIR : !strcmp(word, " free") || !strcmp(word, " trim") ? FREE : ALLOC;
    open_machine(&m, locks);
    if (phase == PAIR) {
        /* Warm, as after any use. */
        op->free(&m, op->size, op->alloc(&m, op->size));
    }
    for (unsigned i = 0; i < n && phase == FREE; i++)
        m.objects[i] = op->alloc(&m, op->size);
    measured(&m, op, phase, n);
    return 0;
}

static int print_properties(void)
{
    int status = 0;
    printf("| property | kernel | rows | equal | differs |\n|---|---|---|---|---|\n");
    for (unsigned i = 0; i < nr_truths; i++) {
        struct truth *t = &truths[i];
        t->compare(t);
        status |= t->equal + t->expected_other != t->rows;
        printf("| %s | %s | %u | %u | ", t->property, t->kernel, t->rows, t->equal);
        if (*t->difference)
            printf("%s |\n", t->difference);
        else if (t->expected_other)
            printf("%u: %s |\n", t->expected_other, t->note);
        else
            printf("none |\n");
    }
    return status;
}

int main(int argc, char **argv)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof(set), &set);
    if (argc == 1)
        return print_properties();
    if (argc >= 4 && !strcmp(argv[1], "count"))
        return count(argv[2], (unsigned)strtoul(argv[3], NULL, 10), argc > 4 && !strcmp(argv[4], "locks"));
    fprintf(stderr, "usage: fidelity [count NAME N [locks]]\n");
    return 2;
}
