/*
 * Restartable sequences under everything that can break one: more threads than CPUs, migration every 100
 * microseconds, a timer signal every 50, two threads on one CPU, and another thread that seizes every CPU's
 * lists all the while. slub's lists, slab's arrays, a mempool's cache and the page lists work at once.
 * Objects carry their owner's mark; check() has the last word. The same with the lock per CPU that stands in
 * where there are no sequences.
 */
#define _GNU_SOURCE
#include "host.h"

#include "mm/mempool.h"
#include "mm/slab.h"
#include "mm/slub.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

enum { THREADS = 6, WORDS = 8, MOST = 60, SECONDS = 2 };

struct torture {
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
    struct sb_slab_system slab;
    struct sb_slab_cache *slab_cache;
    struct sb_mempool pool;
    struct sb_mempool_cache front;
    pthread_t threads[THREADS];
    atomic_bool stop;
    atomic_ulong rounds, next_id;
};

static void on_alarm(int number)
{
    (void)number;
}

static void mark(uint64_t *object, uint64_t value)
{
    for (int i = 0; i < WORDS; i++)
        object[i] = value;
}

static void expect_mark(const uint64_t *object, uint64_t value)
{
    for (int i = 0; i < WORDS; i++) {
        if (object[i] != value) {
            fprintf(stderr, "an object was given to two threads\n");
            abort();
        }
    }
}

enum kind { SLUB, SLAB, PAGES, POOL, KINDS };

static void *take(struct torture *t, enum kind kind)
{
    switch (kind) {
    case SLUB:
        return sb_cache_alloc(t->cache, SB_GFP_KERNEL);
    case SLAB:
        return sb_slab_cache_alloc(t->slab_cache, SB_GFP_KERNEL);
    case PAGES:
        return sb_get_free_pages(&t->mm, SB_GFP_KERNEL, 0);
    default:
        return sb_mempool_cache_alloc(&t->front, SB_GFP_KERNEL);
    }
}

static void give(struct torture *t, enum kind kind, void *object)
{
    switch (kind) {
    case SLUB:
        sb_cache_free(t->cache, object);
        break;
    case SLAB:
        sb_slab_cache_free(t->slab_cache, object);
        break;
    case PAGES:
        sb_free_pages_at(&t->mm, object, 0);
        break;
    default:
        sb_mempool_cache_free(&t->front, object);
    }
}

/* A cache of one's own, made, used and destroyed while the others' reclaim looks through all caches. */
static void use_a_passing_cache(struct torture *t)
{
    struct sb_kmem_cache *cache;
    struct sb_slab_cache *slab_cache;
    void *objects[20];
    if (sb_cache_create(&t->slub, "passing", 200, 0, 0, NULL, &cache))
        abort();
    for (int i = 0; i < 20; i++)
        objects[i] = sb_cache_alloc(cache, SB_GFP_KERNEL);
    for (int i = 0; i < 20; i++)
        sb_cache_free(cache, objects[i]);
    if (sb_cache_destroy(cache))
        abort();
    if (sb_slab_cache_create(&t->slab, "passing", 200, 0, 0, NULL, &slab_cache))
        abort();
    sb_slab_cache_free(slab_cache, sb_slab_cache_alloc(slab_cache, SB_GFP_KERNEL));
    if (sb_slab_cache_destroy(slab_cache))
        abort();
}

/* Allocates up to 60 objects, marks them, and gives them back: often past the end of a slab, often not. */
static void *work(void *argument)
{
    struct torture *t = argument;
    uint64_t id = (atomic_fetch_add(&t->next_id, 1) + 1) << 32;
    uint64_t *objects[MOST];
    for (uint64_t round = 0; !atomic_load_explicit(&t->stop, memory_order_relaxed); round++) {
        unsigned n = 1 + (unsigned)(round % MOST);
        for (unsigned i = 0; i < n; i++) {
            objects[i] = take(t, (enum kind)(round / MOST % KINDS));
            if (objects[i])
                mark(objects[i], id + i);
        }
        for (unsigned i = 0; i < n; i++) {
            if (!objects[i])
                continue;
            expect_mark(objects[i], id + i);
            give(t, (enum kind)(round / MOST % KINDS), objects[i]);
        }
        if (round % 256 == 255)
            use_a_passing_cache(t);
        atomic_fetch_add_explicit(&t->rounds, 1, memory_order_relaxed);
    }
    return NULL;
}

static void move_threads(struct torture *t, unsigned turn)
{
    unsigned cpus = test_cpus();
    for (unsigned i = 0; i < THREADS; i++) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((turn + i) % cpus, &set);
        pthread_setaffinity_np(t->threads[i], sizeof(set), &set);
    }
}

static void *element_alloc(sb_gfp_t gfp, void *cache)
{
    return sb_cache_alloc(cache, gfp);
}

static void element_free(void *element, void *cache)
{
    sb_cache_free(cache, element);
}

static void open_torture(struct torture *t, const struct sb_host *host, enum sb_cpu_sync sync)
{
    struct sb_mm_config config = {.page_lists = true, .sync = sync};
    struct sb_kmem_cache *elements;
    size_t size = WORDS * sizeof(uint64_t);
    assert_int_equal(sb_mm_init(&t->mm, host, &config), 0);
    assert_int_equal(t->mm.rseq, sync != SB_SYNC_LOCK);
    sb_slub_init(&t->slub, &t->mm, &(struct sb_slub_config){.percpu = true});
    assert_int_equal(sb_cache_create(&t->slub, "torture", size, 0, 0, NULL, &t->cache), 0);
    assert_int_equal(sb_slab_init(&t->slab, &t->mm, true), 0);
    assert_int_equal(sb_slab_cache_create(&t->slab, "torture", size, 0, 0, NULL, &t->slab_cache), 0);
    assert_int_equal(sb_cache_create(&t->slub, "elements", size, 0, 0, NULL, &elements), 0);
    assert_int_equal(sb_mempool_init(&t->pool, 8, element_alloc, element_free, elements, 1000000), 0);
    assert_int_equal(sb_mempool_cache_init(&t->front, &t->pool, t->mm.nr_cpus, 16, t->mm.rseq), 0);
}

static void close_torture(struct torture *t)
{
    char why[512] = "";
    if (sb_slub_check(&t->slub, why, sizeof(why)) || sb_slab_check(&t->slab, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(sb_cache_live(t->cache), 0);
    assert_int_equal(sb_cache_destroy(t->cache), 0);
    assert_int_equal(sb_slab_cache_destroy(t->slab_cache), 0);
    sb_mempool_cache_exit(&t->front);
    sb_mempool_exit(&t->pool);
    sb_mm_reclaim(&t->mm);
    if (sb_mm_check(&t->mm, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(sb_mm_used_pages(&t->mm), 0);
    sb_slab_exit(&t->slab);
    sb_slub_exit(&t->slub);
    sb_mm_exit(&t->mm);
}

static void torture(enum sb_cpu_sync sync, bool migrate)
{
    static struct torture t;
    struct test_host host;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 50}, {0, 50}}, never = {0};
    struct timespec nap = {0, 100000};
    memset(&t, 0, sizeof(t));
    test_host_open(&host, 32, test_cpus());
    open_torture(&t, &host.host, sync);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t.threads[i], NULL, work, &t), 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    time_t end = time(NULL) + SECONDS;
    for (unsigned turn = 0; time(NULL) <= end; turn++) {
        /* Without migration three threads share a CPU, which preempts them inside the sequences. */
        move_threads(&t, migrate ? turn : 0);
        sb_mm_reclaim(&t.mm);
        if (turn % 4 == 0)
            sb_mempool_cache_drain(&t.front);
        nanosleep(&nap, NULL);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    atomic_store(&t.stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(t.threads[i], NULL);
    assert_true(atomic_load(&t.rounds) > 100);
    assert_true(atomic_load(&t.mm.nr_reclaims) > 10);
    close_torture(&t);
    test_host_close(&host);
}

static void sequences_under_migration(void **state)
{
    (void)state;
    if (!sb_rseq_available())
        skip();
    torture(SB_SYNC_RSEQ, true);
}

static void sequences_on_few_cpus(void **state)
{
    (void)state;
    if (!sb_rseq_available())
        skip();
    torture(SB_SYNC_RSEQ, false);
}

static void locks_under_migration(void **state)
{
    (void)state;
    torture(SB_SYNC_LOCK, true);
}

/* Asked for where they aren't to be had, sequences are refused with a reason; auto takes the locks. */
static void the_fallback_is_told(void **state)
{
    struct test_host host;
    struct sb_mm mm;
    struct sb_mm_config config = {.sync = SB_SYNC_RSEQ};
    (void)state;
    test_host_open(&host, 16, test_cpus());
    int status = sb_mm_init(&mm, &host.host, &config);
    assert_int_equal(status, sb_rseq_available() ? 0 : -ENOTSUP);
    if (status)
        assert_non_null(strstr(host.failure, "cpu_sync = rseq"));
    sb_mm_exit(&mm);
    config.sync = SB_SYNC_AUTO;
    assert_int_equal(sb_mm_init(&mm, &host.host, &config), 0);
    assert_int_equal(mm.rseq, sb_rseq_available());
    sb_mm_exit(&mm);
    test_host_close(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_under_migration),
        cmocka_unit_test(sequences_on_few_cpus),
        cmocka_unit_test(locks_under_migration),
        cmocka_unit_test(the_fallback_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
