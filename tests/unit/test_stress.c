/*
 * Random operation sequences on every allocator plugin, as the host loads it: seeded, several threads, blocks
 * filled with a pattern that only their owner knows, a quarter of them freed by another thread. What check()
 * says afterwards is the verdict.
 */
#define _GNU_SOURCE
#include "host.h"

#include "base/units.h"
#include "plugin/plugin.h"
#include "scullbench/random.h"
#include "scullbench/source.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SLOTS = 256, MAILBOX = 64, MAX_THREADS = 4 };

static const size_t cache_sizes[] = {16, 100, 700, 4000};
enum { SOURCES = sizeof(cache_sizes) / sizeof(cache_sizes[0]) };

struct block {
    unsigned char *at;
    unsigned source;
};

struct stress {
    struct sb_source sources[SOURCES];
    _Atomic(unsigned char *) mailbox[SOURCES][MAILBOX]; /* blocks on their way to another thread */
    uint64_t operations;
    atomic_uint failures; /* NULLs: allowed, counted */
};

struct thread {
    struct stress *stress;
    unsigned index;
    struct sb_random random;
    struct block slots[SLOTS];
    pthread_t id;
};

/* The pattern follows from the address and size: whoever holds the block can tell. */
static unsigned char pattern(const unsigned char *at, size_t size, size_t i)
{
    return (unsigned char)(((uintptr_t)at >> 3) * 31 + size * 7 + i * 13);
}

static void fill(unsigned char *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = pattern(at, size, i);
}

static void prove(const unsigned char *at, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (at[i] != pattern(at, size, i)) {
            fprintf(stderr, "block %p of %zu bytes is damaged at %zu\n", (const void *)at, size, i);
            abort();
        }
    }
}

static void release(struct stress *s, unsigned source, unsigned char *at)
{
    prove(at, cache_sizes[source]);
    sb_source_free(&s->sources[source], at);
}

static void give_away(struct thread *t, struct block *block)
{
    struct stress *s = t->stress;
    unsigned char *other = atomic_exchange(&s->mailbox[block->source][sb_random_below(&t->random, MAILBOX)], block->at);
    if (other)
        release(s, block->source, other);
}

static void *work(void *argument)
{
    struct thread *t = argument;
    struct stress *s = t->stress;
    for (uint64_t i = 0; i < s->operations; i++) {
        struct block *block = &t->slots[sb_random_below(&t->random, SLOTS)];
        if (!block->at) {
            block->source = (unsigned)sb_random_below(&t->random, SOURCES);
            block->at = sb_source_alloc(&s->sources[block->source], SB_GFP_ATOMIC);
            if (block->at)
                fill(block->at, cache_sizes[block->source]);
            else
                atomic_fetch_add(&s->failures, 1);
            continue;
        }
        if (sb_random_below(&t->random, 4))
            release(s, block->source, block->at);
        else
            give_away(t, block);
        block->at = NULL;
    }
    return NULL;
}

static void expect_books(const struct sb_plugin *p, void *self, uint64_t live)
{
    struct sb_snapshot snapshot = {.struct_size = sizeof(snapshot)};
    char why[512] = "";
    if (p->allocator.check(self, why, sizeof(why)))
        fail_msg("%s: %s", p->name, why);
    p->allocator.snapshot(self, &snapshot);
    if (snapshot.has & SB_HAS_LIVE)
        assert_int_equal(snapshot.live, live);
}

/* Once what was kept for later is given back, the free blocks are those of the beginning. */
static void expect_all_back(const struct sb_plugin *p, void *self, const struct sb_snapshot *before)
{
    struct sb_snapshot after = {.struct_size = sizeof(after)};
    if (!p->allocator.shrink)
        return;
    p->allocator.shrink(self);
    p->allocator.snapshot(self, &after);
    /* What a malloc library gives back to the OS is its own affair. */
    if (p->allocator.flags & SB_ALLOCATOR_OS_MEMORY)
        return;
    assert_int_equal(after.held_bytes, before->held_bytes);
    /* vmalloc's own records may have come to lie in another page. */
    if (strcmp(p->name, "vmalloc"))
        assert_memory_equal(after.free_blocks, before->free_blocks, sizeof(after.free_blocks));
    expect_books(p, self, 0);
}

/* Thread by thread to the next CPU; two share one where there are fewer. */
static void pin(pthread_t thread, unsigned index)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(index % test_cpus(), &set);
    pthread_setaffinity_np(thread, sizeof(set), &set);
}

static void stress(const struct sb_plugin *p, const union sb_value *options, unsigned threads, uint64_t operations,
                   bool pinned)
{
    static struct stress s;
    struct thread *workers = calloc(threads, sizeof(*workers));
    struct test_host host;
    struct sb_snapshot before = {.struct_size = sizeof(before)};
    uint64_t live = 0;
    void *self = NULL;
    memset(&s, 0, sizeof(s));
    s.operations = operations;
    test_host_open(&host, 64, test_cpus());
    assert_int_equal(p->allocator.open(&host.host, options, &self), 0);
    p->allocator.snapshot(self, &before);
    for (unsigned i = 0; i < SOURCES; i++)
        assert_int_equal(sb_source_open(&s.sources[i], &p->allocator, self, SB_WANT_CACHE, "stress", cache_sizes[i], 0),
                         0);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct thread){.stress = &s, .index = i, .random = sb_random_fork(7, i)};
        pthread_create(&workers[i].id, NULL, work, &workers[i]);
        if (pinned)
            pin(workers[i].id, i);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(workers[i].id, NULL);
    for (unsigned i = 0; i < threads; i++) {
        for (int j = 0; j < SLOTS; j++)
            live += !!workers[i].slots[j].at;
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        for (int j = 0; j < MAILBOX; j++)
            live += !!s.mailbox[i][j];
    }
    expect_books(p, self, live);
    for (unsigned i = 0; i < threads; i++) {
        for (int j = 0; j < SLOTS; j++) {
            if (workers[i].slots[j].at)
                release(&s, workers[i].slots[j].source, workers[i].slots[j].at);
        }
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        for (int j = 0; j < MAILBOX; j++) {
            if (s.mailbox[i][j])
                release(&s, i, s.mailbox[i][j]);
        }
    }
    for (unsigned i = 0; i < SOURCES; i++)
        assert_int_equal(sb_source_close(&s.sources[i]), 0);
    expect_books(p, self, 0);
    expect_all_back(p, self, &before);
    p->allocator.close(self);
    test_host_close(&host);
    free(workers);
}

/* The plugin's defaults, then the overrides: "percpu=no nodes=2". */
static union sb_value *read_options(const struct sb_plugin *p, const char *overrides)
{
    union sb_value *values = calloc(p->option_count + 1, sizeof(*values));
    char *why = NULL;
    for (uint32_t i = 0; i < p->option_count; i++)
        assert_int_equal(sb_option_parse(&p->options[i], p->options[i].fallback, &values[i], &why), 0);
    char *words = strdup(overrides), *state = NULL;
    for (char *word = strtok_r(words, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
        char *value = strchr(word, '=');
        bool found = false;
        *value++ = '\0';
        for (uint32_t i = 0; i < p->option_count; i++) {
            if (strcmp(p->options[i].name, word))
                continue;
            assert_int_equal(sb_option_parse(&p->options[i], value, &values[i], &why), 0);
            found = true;
        }
        if (!found)
            fail_msg("%s has no option %s", p->name, word);
    }
    free(words);
    return values;
}

static void stress_plugin(const char *name, const char *overrides)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/allocator-%s.so", PLUGIN_DIR, name);
    struct sb_plugin *p = sb_plugin_load(path);
    if (p->refused)
        fail_msg("%s: %s", path, p->refused);
    union sb_value *options = read_options(p, overrides);
    uint64_t operations = strcmp(name, "vmalloc") ? 300000 : 4000;
#ifdef __SANITIZE_THREAD__
    operations /= 12; /* which runs some thirty times slower under it; and one thread has no races */
#else
    stress(p, options, 1, operations, false);
#endif
    stress(p, options, MAX_THREADS, operations, false);
    stress(p, options, MAX_THREADS, operations, true);
    free(options);
    sb_plugin_free(p);
}

/* Small reserves and thresholds make the rare paths common. */
#define EACH(STRESS)                                                                                                   \
    STRESS(buddy, "buddy", "")                                                                                         \
    STRESS(buddy_alone, "buddy", "page_lists=no")                                                                      \
    STRESS(buddy_lock, "buddy", "cpu_sync=lock")                                                                       \
    STRESS(buddy_zones, "buddy", "nodes=2 dma32=32MiB highmem=16MiB")                                                  \
    STRESS(slub, "slub", "")                                                                                           \
    STRESS(slub_shared, "slub", "percpu=no")                                                                           \
    STRESS(slub_lock, "slub", "cpu_sync=lock")                                                                         \
    STRESS(slub_random, "slub", "randomize=yes page_lists=no")                                                         \
    STRESS(slub_sheaves, "slub", "sheaf=32")                                                                           \
    STRESS(slub_sheaves_lock, "slub", "sheaf=32 cpu_sync=lock")                                                        \
    STRESS(slub_sheaves_shared, "slub", "sheaf=8 percpu=no")                                                           \
    STRESS(slub_nodes, "slub", "nodes=2")                                                                              \
    STRESS(slub_nodes_sheaves, "slub", "nodes=2 sheaf=8")                                                              \
    STRESS(slub_nodes_shared, "slub", "nodes=3 percpu=no")                                                             \
    STRESS(slab, "slab", "")                                                                                           \
    STRESS(slab_shared, "slab", "percpu=no")                                                                           \
    STRESS(slab_lock, "slab", "cpu_sync=lock")                                                                         \
    STRESS(slob, "slob", "")                                                                                           \
    STRESS(kmalloc, "kmalloc", "")                                                                                     \
    STRESS(kmalloc_shared, "kmalloc", "percpu=no page_lists=no")                                                       \
    STRESS(vmalloc, "vmalloc", "lazy_max=1MiB")                                                                        \
    STRESS(vmalloc_percpu, "vmalloc", "percpu=yes lazy_max=1MiB highmem=16MiB")                                        \
    STRESS(vmalloc_eager, "vmalloc", "lazy=no")                                                                        \
    STRESS(mempool, "mempool", "min_nr=1 max_wait=1us")                                                                \
    STRESS(mempool_pages, "mempool", "min_nr=4 backing=pages max_wait=1us")                                            \
    STRESS(mempool_percpu, "mempool", "min_nr=4 cache=32 max_wait=1us")                                                \
    STRESS(mempool_percpu_least, "mempool", "min_nr=1 cache=1 max_wait=1us")                                           \
    STRESS(mempool_percpu_lock, "mempool", "min_nr=4 cache=32 cpu_sync=lock max_wait=1us")                             \
    STRESS(bootmem, "bootmem", "")                                                                                     \
    STRESS(bump, "bump", "")                                                                                           \
    STRESS(own_malloc, "malloc", "")

#define DEFINE(name, plugin, overrides)                                                                                \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        stress_plugin(plugin, overrides);                                                                              \
    }
#define LIST(name, plugin, overrides) cmocka_unit_test(name),

EACH(DEFINE)

/* Areas per CPU of random size and alignment; every CPU's copy is the owner's. */
struct areas {
    const struct sb_percpu_ops *ops;
    void *self;
    unsigned index;
    pthread_t id;
    uint64_t live;
};

static void *work_percpu(void *argument)
{
    enum { AREAS = 64 };
    struct areas *a = argument;
    struct sb_random random = sb_random_fork(11, a->index);
    void *cookies[AREAS] = {0};
    size_t sizes[AREAS];
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)sb_random_below(&random, AREAS);
        for (unsigned cpu = 0; cpu < test_cpus() && cookies[i]; cpu++)
            prove(a->ops->per_cpu_ptr(a->self, cookies[i], cpu), sizes[i]);
        if (cookies[i]) {
            a->ops->free_percpu(a->self, cookies[i]);
            cookies[i] = NULL;
            continue;
        }
        sizes[i] = 1 + sb_random_below(&random, 300);
        cookies[i] = a->ops->alloc_percpu(a->self, sizes[i], (size_t)1 << sb_random_below(&random, 8));
        for (unsigned cpu = 0; cpu < test_cpus() && cookies[i]; cpu++)
            fill(a->ops->per_cpu_ptr(a->self, cookies[i], cpu), sizes[i]);
    }
    for (unsigned i = 0; i < AREAS; i++) {
        if (cookies[i] && i % 2)
            a->ops->free_percpu(a->self, cookies[i]);
        else
            a->live += cookies[i] != NULL;
    }
    return NULL;
}

static void percpu(void **state)
{
    struct areas areas[MAX_THREADS];
    struct test_host host;
    uint64_t live = 0;
    void *self = NULL;
    (void)state;
    struct sb_plugin *p = sb_plugin_load(PLUGIN_DIR "/allocator-percpu.so");
    union sb_value *options = read_options(p, "");
    test_host_open(&host, 64, test_cpus());
    assert_int_equal(p->allocator.open(&host.host, options, &self), 0);
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        areas[i] = (struct areas){.ops = &p->percpu, .self = self, .index = i};
        pthread_create(&areas[i].id, NULL, work_percpu, &areas[i]);
    }
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        pthread_join(areas[i].id, NULL);
        live += areas[i].live;
    }
    expect_books(p, self, live);
    p->allocator.close(self);
    test_host_close(&host);
    free(options);
    sb_plugin_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {EACH(LIST) cmocka_unit_test(percpu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
