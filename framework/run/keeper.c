/*
 * A thread for each CPU that was ever to be kept, under SCHED_IDLE. Threads sleep on one condition while they
 * are not wanted. Lock: `lock`, over `wanted` and the list; the spinning itself looks at an atomic alone.
 */
#define _GNU_SOURCE
#include "run/keeper.h"

#include "base/str.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct spinner {
    struct sb_keeper *keeper;
    unsigned cpu; /* the OS's number */
    pthread_t thread;
    _Atomic bool wanted;
};

struct sb_keeper {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
    struct spinner **at; /* threads hold their addresses */
    size_t n, capacity;
};

/* A pause instruction would be an idle vCPU to some hypervisors, which is what this is to prevent. */
static void spin(const struct spinner *s)
{
    while (atomic_load_explicit(&s->wanted, memory_order_relaxed)) {
        for (volatile int i = 0; i < 500; i++)
            ;
    }
}

static void *serve(void *argument)
{
    struct spinner *s = argument;
    struct sb_keeper *k = s->keeper;
    pthread_mutex_lock(&k->lock);
    for (;;) {
        while (!k->ended && !s->wanted)
            pthread_cond_wait(&k->changed, &k->lock);
        if (k->ended)
            break;
        pthread_mutex_unlock(&k->lock);
        spin(s);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

static int set_affinity(pthread_attr_t *attributes, unsigned cpu)
{
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    if (!set)
        return ENOMEM;
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    int status = pthread_attr_setaffinity_np(attributes, size, set);
    CPU_FREE(set);
    return status;
}

/* Signals are for the thread that waits for the trial. */
static int start_thread(struct spinner *s)
{
    const struct sched_param lowest = {0};
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    int status = set_affinity(&attributes, s->cpu);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (!status)
        status = pthread_create(&s->thread, &attributes, serve, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* glibc's attributes know no SCHED_IDLE. The thread sleeps until it is asked for. */
    if (!status)
        pthread_setschedparam(s->thread, SCHED_IDLE, &lowest);
    pthread_attr_destroy(&attributes);
    return status;
}

static struct spinner *find_spinner(const struct sb_keeper *k, unsigned cpu)
{
    for (size_t i = 0; i < k->n; i++) {
        if (k->at[i]->cpu == cpu)
            return k->at[i];
    }
    return NULL;
}

static void add_spinner(struct sb_keeper *k, unsigned cpu)
{
    struct spinner *s = sb_calloc(1, sizeof(*s));
    s->keeper = k;
    s->cpu = cpu;
    if (start_thread(s))
        free(s);
    else
        *SB_VEC_ADD(k) = s;
}

struct sb_keeper *sb_keeper_start(void)
{
    struct sb_keeper *k = sb_calloc(1, sizeof(*k));
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    return k;
}

void sb_keeper_keep(struct sb_keeper *k, const struct sb_cpus *cpus)
{
    for (size_t i = 0; i < cpus->n; i++) {
        if (!find_spinner(k, cpus->at[i].os))
            add_spinner(k, cpus->at[i].os);
    }
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->n; i++) {
        bool wanted = false;
        for (size_t j = 0; j < cpus->n; j++)
            wanted |= cpus->at[j].os == k->at[i]->cpu;
        k->at[i]->wanted = wanted;
    }
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void sb_keeper_rest(struct sb_keeper *k)
{
    for (size_t i = 0; i < k->n; i++)
        k->at[i]->wanted = false;
}

double sb_keeper_seconds(const struct sb_keeper *k)
{
    double seconds = 0;
    for (size_t i = 0; i < k->n; i++) {
        clockid_t clock;
        struct timespec t;
        if (!pthread_getcpuclockid(k->at[i]->thread, &clock) && !clock_gettime(clock, &t))
            seconds += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    }
    return seconds;
}

void sb_keeper_stop(struct sb_keeper *k)
{
    sb_keeper_rest(k);
    pthread_mutex_lock(&k->lock);
    k->ended = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    for (size_t i = 0; i < k->n; i++) {
        pthread_join(k->at[i]->thread, NULL);
        free(k->at[i]);
    }
    SB_VEC_FREE(k);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
