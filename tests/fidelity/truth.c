/* See truth.h. Each comparison opens a machine of its own, pinned to one CPU. */
#define _GNU_SOURCE
#include "truth.h"

#include "../unit/mm_test.h"

#include "measure/frag.h"
#include "mm/kmalloc.h"
#include "mm/percpu.h"
#include "mm/vmalloc.h"

static void __attribute__((format(printf, 2, 3))) differs(struct truth *t, const char *format, ...)
{
    va_list args;
    if (*t->difference)
        return;
    va_start(args, format);
    vsnprintf(t->difference, sizeof(t->difference), format, args);
    va_end(args);
}

static unsigned long number(const char *text)
{
    return strtoul(text, NULL, 10);
}

/* Every row: object size, objects and pages per slab. */
static void compare_layout(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[8];
    while (next_row(file, line, sizeof(line), f, 8)) {
        struct test_host t;
        struct sb_mm mm;
        struct sb_slub slub;
        struct sb_kmem_cache *cache;
        bool kmalloc = !strcmp(f[2], "kmalloc");
        size_t size = number(*f[4] ? f[4] : f[5]);
        size_t align = kmalloc && !(size & (size - 1)) && size <= SB_PAGE_SIZE ? size : 0;
        open_mm(&t, &mm, 16, test_cpus());
        sb_slub_init(&slub, &mm, &(struct sb_slub_config){.nr_cpus = (unsigned)number(f[1])});
        uint32_t flags = strcmp(f[2], "hwcache_align") ? 0 : SB_SLAB_HWCACHE_ALIGN;
        if (!sb_cache_create(&slub, "c", size, align, flags, NULL, &cache) && cache->size == number(f[5]) &&
            cache->objects == number(f[6]) && 1UL << cache->order == number(f[7]))
            truth->equal++;
        else
            differs(truth, "%s CPUs, %s, %zu bytes: the kernel has %s bytes, %s objects, %s pages", f[1], f[2], size,
                    f[5], f[6], f[7]);
        truth->rows++;
        sb_slub_exit(&slub);
        close_mm(&t, &mm);
    }
    fclose(file);
}

static void compare_ksize(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[4];
    struct test_host t;
    struct sb_mm mm;
    struct sb_kmalloc k;
    open_mm(&t, &mm, 32, test_cpus());
    assert_int_equal(sb_kmalloc_init(&k, &mm, &(struct sb_slub_config){.percpu = true}), 0);
    /* A row holds from its first request up to the size it gives. */
    while (next_row(file, line, sizeof(line), f, 4)) {
        size_t first = number(f[2]), usable = number(f[3]), wrong = 0;
        for (size_t size = first; size <= usable && !wrong; size++) {
            void *block = sb_kmalloc(&k, size, 0, SB_GFP_KERNEL);
            wrong = !block || sb_ksize(&k, block) != usable ? size : 0;
            sb_kfree(&k, block);
        }
        truth->rows++;
        truth->equal += !wrong;
        if (wrong)
            differs(truth, "%zu bytes requested: the kernel gives %zu", wrong, usable);
    }
    fclose(file);
    sb_kmalloc_exit(&k);
    close_mm(&t, &mm);
}

/* Objects of a fresh cache: which slab, which offset. */
static void compare_sequence(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[4], *slab = NULL;
    size_t last_size = 0;
    unsigned long nr_slabs = 0;
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache = NULL;
    open_mm(&t, &mm, 32, test_cpus());
    sb_slub_init(&slub, &mm, &(struct sb_slub_config){.percpu = true, .nr_cpus = 1});
    while (next_row(file, line, sizeof(line), f, 4)) {
        size_t size = number(f[0]);
        if (size != last_size) {
            assert_int_equal(sb_cache_create(&slub, "c", size, 0, SB_SLAB_HWCACHE_ALIGN, NULL, &cache), 0);
            last_size = size;
            nr_slabs = 0;
        }
        char *object = sb_cache_alloc(cache, SB_GFP_KERNEL);
        char *base = sb_page_address(&mm, sb_virt_to_head(&mm, object));
        nr_slabs += !nr_slabs || slab != base;
        slab = base;
        truth->rows++;
        if (nr_slabs - 1 == number(f[2]) && (unsigned long)(object - base) == number(f[3]))
            truth->equal++;
        else
            differs(truth, "%zu bytes, allocation %s: slab %lu, offset %td; the kernel: %s, %s", size, f[1],
                    nr_slabs - 1, object - base, f[2], f[3]);
    }
    fclose(file);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

/* 96 allocated, the first 8 freed in order, 8 allocated: which came back. */
static void compare_object_reuse(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[3];
    size_t size = 0;
    struct test_host t;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache = NULL;
    void *objects[96];
    open_mm(&t, &mm, 64, test_cpus());
    sb_slub_init(&slub, &mm, &(struct sb_slub_config){.percpu = true, .nr_cpus = 2});
    while (next_row(file, line, sizeof(line), f, 3)) {
        if (number(f[0]) != size) {
            size = number(f[0]);
            assert_int_equal(sb_cache_create(&slub, "c", size, 0, SB_SLAB_HWCACHE_ALIGN, NULL, &cache), 0);
            for (int i = 0; i < 96; i++)
                objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
            for (int i = 0; i < 8; i++)
                sb_cache_free(cache, objects[i]);
        }
        const void *again = sb_cache_alloc(cache, SB_GFP_KERNEL);
        int came = -1;
        for (int i = 0; i < 8; i++)
            came = objects[i] == again ? i : came;
        truth->rows++;
        truth->equal += came == (int)strtol(f[2], NULL, 10);
        if (came != (int)strtol(f[2], NULL, 10))
            differs(truth, "%zu bytes, allocation %s: %d came back, in the kernel %s", size, f[1], came, f[2]);
    }
    fclose(file);
    sb_slub_exit(&slub);
    close_mm(&t, &mm);
}

/* The same with 64 blocks of an order, page lists in front of the buddy system. */
static void compare_page_reuse(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[3];
    unsigned order = UINT32_MAX;
    struct test_host t;
    struct sb_mm mm;
    struct sb_page *blocks[64];
    open_mm_with(&t, &mm, 256, test_cpus(), &(struct sb_mm_config){.page_lists = true});
    while (next_row(file, line, sizeof(line), f, 3)) {
        if (number(f[0]) != order) {
            order = (unsigned)number(f[0]);
            /* Order 4 goes through the buddy, where what merged decides; the kernel's began at an odd
             * multiple of 4. */
            while (!sb_pcp_allowed(order) &&
                   (sb_page_to_pfn(&mm, sb_alloc_pages(&mm, SB_GFP_KERNEL, order)) >> order) % 8 != 3)
                ;
            for (int i = 0; i < 64; i++)
                blocks[i] = sb_alloc_pages(&mm, SB_GFP_KERNEL, order);
            for (int i = 0; i < 8; i++)
                sb_free_pages(&mm, blocks[i], order);
        }
        const struct sb_page *again = sb_alloc_pages(&mm, SB_GFP_KERNEL, order);
        int came = -1;
        for (int i = 0; i < 8; i++)
            came = again == blocks[i] ? i : came;
        truth->rows++;
        truth->equal += came == (int)number(f[2]);
        if (came != (int)number(f[2]))
            differs(truth, "order %u, allocation %s: block %d came back, in the kernel %s", order, f[1], came, f[2]);
    }
    fclose(file);
    close_mm(&t, &mm);
}

static void open_vmalloc(struct test_host *t, struct sb_mm *mm, struct sb_vmalloc *vm)
{
    open_mm(t, mm, 64, test_cpus());
    assert_int_equal(sb_vmalloc_init(vm, mm, &(struct sb_vmalloc_config){.lazy_max = 32 << 20}), 0);
}

/* 17 pages from one area of 16 pages to the next, but where the kernel's own areas were in the way. */
static void compare_vmalloc_steps(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[2], *last = NULL;
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    open_vmalloc(&t, &mm, &vm);
    while (next_row(file, line, sizeof(line), f, 2)) {
        char *at = sb_vmalloc(&vm, 16 * SB_PAGE_SIZE, SB_GFP_KERNEL);
        unsigned long step = last ? (unsigned long)(at - last) : 0;
        truth->rows++;
        if (step == number(f[1]))
            truth->equal++;
        else if (number(f[1]) == 643072)
            truth->expected_other++;
        else
            differs(truth, "area %s lies %lu bytes on; in the kernel %s", f[0], step, f[1]);
        last = at;
    }
    fclose(file);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

static void compare_vmalloc_reuse(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[2];
    struct test_host t;
    struct sb_mm mm;
    struct sb_vmalloc vm;
    void *areas[64];
    open_vmalloc(&t, &mm, &vm);
    for (int i = 0; i < 64; i++)
        areas[i] = sb_vmalloc(&vm, 16 * SB_PAGE_SIZE, SB_GFP_KERNEL);
    for (int i = 0; i < 8; i++)
        sb_vfree(&vm, areas[i]);
    while (next_row(file, line, sizeof(line), f, 2)) {
        const void *again = sb_vmalloc(&vm, 16 * SB_PAGE_SIZE, SB_GFP_KERNEL);
        int came = -1;
        for (int i = 0; i < 8; i++)
            came = again == areas[i] ? i : came;
        truth->rows++;
        truth->equal += came == (int)strtol(f[1], NULL, 10);
        if (came != (int)strtol(f[1], NULL, 10))
            differs(truth, "allocation %s: area %d came back, in the kernel %s", f[0], came, f[1]);
    }
    fclose(file);
    sb_vmalloc_exit(&vm);
    close_mm(&t, &mm);
}

/* The first filled a hole of the kernel's first chunk, the second lies in another chunk: those two are the
 * kernel's own. */
static void compare_percpu_steps(struct truth *truth)
{
    FILE *file = open_table(truth->file);
    char line[256], *f[2], *last = NULL;
    struct test_host t;
    struct sb_mm mm;
    struct sb_pcpu pcpu;
    open_mm(&t, &mm, 16, test_cpus());
    assert_int_equal(sb_pcpu_init(&pcpu, &mm, NULL, 0), 0);
    while (next_row(file, line, sizeof(line), f, 2)) {
        char *cookie = sb_alloc_percpu(&pcpu, 8, 8);
        unsigned long step = last ? (unsigned long)(cookie - last) : 0;
        truth->rows++;
        if (step == number(f[1]))
            truth->equal++;
        else if (truth->rows == 2)
            truth->expected_other++;
        else
            differs(truth, "area %s lies %lu bytes on; in the kernel %s", f[0], step, f[1]);
        last = cookie;
    }
    fclose(file);
    sb_pcpu_exit(&pcpu);
    close_mm(&t, &mm);
}

/* "-1.000" and "0.186" are what debugfs prints of thousandths. */
static int thousandths(const char *text)
{
    double value = strtod(text, NULL) * 1000;
    return (int)(value < 0 ? value - 0.5 : value + 0.5);
}

static void compare_indices(struct truth *truth)
{
    enum { FIELDS = 3 + 2 * SB_NR_ORDERS };
    FILE *file = open_table(truth->file);
    char line[1024], *f[FIELDS];
    while (next_row(file, line, sizeof(line), f, FIELDS)) {
        uint64_t blocks[SB_NR_ORDERS];
        unsigned same = 0;
        for (int i = 0; i < SB_NR_ORDERS; i++)
            blocks[i] = number(f[3 + i]);
        for (unsigned order = 0; order < SB_NR_ORDERS; order++) {
            int computed =
                strcmp(f[2], "unusable") ? sb_extfrag_index(blocks, order) : sb_unusable_index(blocks, order);
            same += computed == thousandths(f[3 + SB_NR_ORDERS + order]);
            if (computed != thousandths(f[3 + SB_NR_ORDERS + order]))
                differs(truth, "%s, %s, %s, order %u: %d thousandths; the kernel prints %s", f[0], f[1], f[2], order,
                        computed, f[3 + SB_NR_ORDERS + order]);
        }
        truth->rows++;
        truth->equal += same == SB_NR_ORDERS;
    }
    fclose(file);
}

struct truth truths[] = {
    {"slub: object size, objects and pages of a slab", "6.1, 1, 2 and 8 CPUs", "slab_layout.csv", compare_layout, "", 0,
     0, 0, ""},
    {"kmalloc: usable size of every request from 1 to 65536 bytes", "6.1, 2 CPUs", "ksize.csv", compare_ksize, "", 0, 0,
     0, ""},
    {"slub: slab and offset of 96 objects of a fresh cache", "6.1 user-mode, not randomised", "slub_alloc_sequence.csv",
     compare_sequence, "", 0, 0, 0, ""},
    {"slub: which of 8 freed objects come back", "6.1, 2 CPUs", "slub_reuse.csv", compare_object_reuse, "", 0, 0, 0,
     ""},
    {"pages: which of 8 freed blocks come back, orders 0, 2 and 4", "6.1, 2 CPUs", "page_reuse.csv", compare_page_reuse,
     "", 0, 0, 0, ""},
    {"vmalloc: address steps of 16 areas of 16 pages", "6.1, 2 CPUs", "vmalloc_sequence.csv", compare_vmalloc_steps,
     "one step hops over an area of the kernel's own, which the model hasn't got", 0, 0, 0, ""},
    {"vmalloc: freed areas don't come back at once", "6.1, 2 CPUs", "vmalloc_reuse.csv", compare_vmalloc_reuse, "", 0,
     0, 0, ""},
    {"percpu: address steps of 32 areas of 8 bytes", "6.1, 2 CPUs", "percpu_sequence.csv", compare_percpu_steps,
     "the kernel's first area filled a hole that its boot had left, so its second lies in another chunk", 0, 0, 0, ""},
    {"fragmentation: unusable free space and external index, 11 orders a row", "6.1, debugfs",
     "fragmentation_index.csv", compare_indices, "", 0, 0, 0, ""},
};
const unsigned nr_truths = sizeof(truths) / sizeof(truths[0]);
