/* /proc/stat, getrusage, the threads' CPU clocks, /proc/thread-self/schedstat and the thermal zones. */
#define _GNU_SOURCE
#include "trial/watch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A line "cpu3 user nice system idle iowait irq softirq steal ...", in ticks (proc(5)). Guest time is in user and nice
 * already, and is not counted twice. */
static bool add_cpu(const char *text, unsigned cpu, struct sb_cpu_time *time)
{
    char *name = sb_printf("\ncpu%u ", cpu);
    const char *line = strstr(text, name);
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    bool found = line && sscanf(line + strlen(name), "%llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                                &idle, &iowait, &irq, &softirq, &steal) == 8;
    if (found) {
        double tick = (double)sysconf(_SC_CLK_TCK);
        time->busy += (double)(user + nice + system + irq + softirq) / tick;
        time->steal += (double)steal / tick;
    }
    free(name);
    return found;
}

/* The trial's CPUs alone: what runs elsewhere disturbs by memory bandwidth at most. */
static struct sb_cpu_time cpu_time(const unsigned *cpus, uint32_t n)
{
    struct sb_cpu_time time = {0, 0, true};
    char *text = NULL;
    if (sb_read_file("/proc/stat", &text, NULL))
        return (struct sb_cpu_time){0};
    for (uint32_t i = 0; i < n; i++)
        time.known &= add_cpu(text, cpus[i], &time);
    free(text);
    return time;
}

static double read_clock(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a thread that the allocator started uses is not ours: it runs beside the workers as any other does. */
static struct sb_own_time own_time(const pthread_t *threads, uint32_t n)
{
    /* A program that the workload runs is what is measured. */
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    double children =
        (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
    struct sb_own_time own = {.process = read_clock(CLOCK_PROCESS_CPUTIME_ID) + children};
    own.ours = own.process;
    if (!threads)
        return own;
    own.ours = read_clock(CLOCK_THREAD_CPUTIME_ID) + children;
    for (uint32_t i = 0; i < n; i++) {
        clockid_t id;
        if (!pthread_getcpuclockid(threads[i], &id))
            own.ours += read_clock(id);
    }
    return own;
}

void sb_watch_begin(struct sb_watch *w, const unsigned *cpus, uint32_t n, const pthread_t *threads)
{
    w->before = cpu_time(cpus, n);
    w->own_before = own_time(threads, n);
    w->wall_before = (double)sb_now_ns() / 1e9;
}

void sb_watch_end(struct sb_watch *w, const unsigned *cpus, uint32_t n, const pthread_t *threads)
{
    /* In the reverse order of the beginning, so that the share is never over what was there. */
    w->wall_after = (double)sb_now_ns() / 1e9;
    w->own_after = own_time(threads, n);
    w->after = cpu_time(cpus, n);
}

/* Counted in hundredths of a second, so a share can come out a little below zero: that is none. */
static double share(const struct sb_watch *w, uint32_t n, double seconds)
{
    if (!w->before.known || !w->after.known)
        return NAN;
    return fmax(0, 100 * seconds / ((w->wall_after - w->wall_before) * n));
}

double sb_watch_others(const struct sb_watch *w, uint32_t n)
{
    return share(w, n, w->after.busy - w->before.busy - (w->own_after.ours - w->own_before.ours));
}

double sb_watch_steal(const struct sb_watch *w, uint32_t n)
{
    return share(w, n, w->after.steal - w->before.steal);
}

/* The clocks are read microseconds apart: less than nothing is nothing. */
double sb_watch_foreign_threads(const struct sb_watch *w)
{
    double all = w->own_after.process - w->own_before.process, ours = w->own_after.ours - w->own_before.ours;
    return fmax(0, 100 * (all - ours) / (w->wall_after - w->wall_before));
}

/* "ran waited slices", the first two in ns (Documentation/scheduler/sched-stats.rst). No memory is taken for
   it: the calling thread's malloc may be what is measured. */
static bool read_waited(double *seconds)
{
    char line[96];
    unsigned long long ran, waited;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = '\0';
    if (sscanf(line, "%llu %llu", &ran, &waited) != 2)
        return false;
    *seconds = (double)waited / 1e9;
    return true;
}

struct sb_usage sb_usage_now(void)
{
    const double at_once = 100e-6;
    struct rusage r;
    struct sb_usage u = {0};
    unsigned cpu = 0;
    /* Called on the thread that is counted; the kernel tells a thread's faults to that thread alone. */
    getrusage(RUSAGE_THREAD, &r);
    getcpu(&cpu, NULL);
    u.minor_faults = (uint64_t)r.ru_minflt;
    u.major_faults = (uint64_t)r.ru_majflt;
    u.voluntary = (uint64_t)r.ru_nvcsw;
    u.involuntary = (uint64_t)r.ru_nivcsw;
    u.user = (double)r.ru_utime.tv_sec + (double)r.ru_utime.tv_usec / 1e6;
    u.system = (double)r.ru_stime.tv_sec + (double)r.ru_stime.tv_usec / 1e6;
    u.cpu = cpu;
    /* One moment: a preemption between two of these would be in one clock and not in the other. */
    for (int tries = 0; tries < 10; tries++) {
        u.wall = read_clock(CLOCK_BOOTTIME);
        u.waited_known = read_waited(&u.waited);
        u.ran = read_clock(CLOCK_THREAD_CPUTIME_ID);
        if (read_clock(CLOCK_BOOTTIME) - u.wall < at_once)
            break;
    }
    /* The one clock goes on while the machine sleeps, the other doesn't. */
    u.suspended = u.wall - read_clock(CLOCK_MONOTONIC);
    return u;
}

struct sb_usage sb_usage_since(const struct sb_usage *before)
{
    struct sb_usage now = sb_usage_now();
    return (struct sb_usage){.minor_faults = now.minor_faults - before->minor_faults,
                             .major_faults = now.major_faults - before->major_faults,
                             .voluntary = now.voluntary - before->voluntary,
                             .involuntary = now.involuntary - before->involuntary,
                             .cpu = now.cpu,
                             .migrations = now.cpu != before->cpu,
                             .wall = now.wall - before->wall,
                             .ran = now.ran - before->ran,
                             .user = now.user - before->user,
                             .system = now.system - before->system,
                             .waited = now.waited - before->waited,
                             .suspended = now.suspended - before->suspended,
                             .waited_known = now.waited_known && before->waited_known};
}

/* Zones are numbered without gaps; on many machines, virtual ones above all, there is none. */
double sb_temperature(void)
{
    double hottest = NAN;
    for (int i = 0; i < 64; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/sys/class/thermal/thermal_zone%d/temp", i);
        char *line = sb_read_line(path);
        if (!line)
            break;
        hottest = fmax(hottest, strtod(line, NULL) / 1000);
        free(line);
    }
    return hottest;
}
