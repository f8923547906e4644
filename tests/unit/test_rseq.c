/*
 * Restartable sequences under everything that can break one: more threads than CPUs, migration every 100
 * microseconds, a timer signal every 50, and two threads on one CPU. Objects carry their owner's mark;
 * check() has the last word. The same with the lock per CPU that stands in where there are no sequences.
 */
#define _GNU_SOURCE
#include "host.h"

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
    struct sb_kmem_cache *cache;
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

/* Allocates up to 60 objects, marks them, and gives them back: often past the end of a slab, often not. */
static void *work(void *argument)
{
    struct torture *t = argument;
    uint64_t id = (atomic_fetch_add(&t->next_id, 1) + 1) << 32;
    uint64_t *objects[MOST];
    for (uint64_t round = 0; !atomic_load_explicit(&t->stop, memory_order_relaxed); round++) {
        unsigned n = 1 + (unsigned)(round % MOST);
        for (unsigned i = 0; i < n; i++) {
            objects[i] = sb_cache_alloc(t->cache, SB_GFP_KERNEL);
            if (objects[i])
                mark(objects[i], id + i);
        }
        for (unsigned i = 0; i < n; i++) {
            if (!objects[i])
                continue;
            expect_mark(objects[i], id + i);
            sb_cache_free(t->cache, objects[i]);
        }
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

static void torture(enum sb_cpu_sync sync, bool migrate)
{
    struct torture t = {0};
    struct test_host host;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 50}, {0, 50}}, never = {0};
    struct timespec nap = {0, 100000};
    test_host_open(&host, 32, test_cpus());
    assert_int_equal(sb_mm_init(&mm, &host.host), 0);
    assert_int_equal(sb_slub_init(&slub, &mm, true, sync), 0);
    assert_int_equal(sb_cache_create(&slub, "torture", WORDS * sizeof(uint64_t), 0, 0, NULL, &t.cache), 0);
    assert_int_equal(t.cache->rseq, sync != SB_SYNC_LOCK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t.threads[i], NULL, work, &t), 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    time_t end = time(NULL) + SECONDS;
    for (unsigned turn = 0; time(NULL) <= end; turn++) {
        /* Without migration three threads share a CPU, which preempts them inside the sequences. */
        move_threads(&t, migrate ? turn : 0);
        nanosleep(&nap, NULL);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    atomic_store(&t.stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(t.threads[i], NULL);
    char why[512] = "";
    if (sb_slub_check(&slub, why, sizeof(why)))
        fail_msg("%s", why);
    assert_true(atomic_load(&t.rounds) > 100);
    assert_int_equal(sb_cache_live(t.cache), 0);
    assert_int_equal(sb_cache_destroy(t.cache), 0);
    sb_slub_exit(&slub);
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
    struct sb_slub slub;
    (void)state;
    test_host_open(&host, 16, test_cpus());
    assert_int_equal(sb_mm_init(&mm, &host.host), 0);
    int status = sb_slub_init(&slub, &mm, true, SB_SYNC_RSEQ);
    assert_int_equal(status, sb_rseq_available() ? 0 : -ENOTSUP);
    if (status)
        assert_non_null(strstr(host.failure, "cpu_sync = rseq"));
    assert_int_equal(sb_slub_init(&slub, &mm, true, SB_SYNC_AUTO), 0);
    assert_int_equal(slub.rseq, sb_rseq_available());
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
