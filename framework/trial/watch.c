/* /proc/stat, getrusage and the thermal zones. */
#define _GNU_SOURCE
#include "trial/watch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A line "cpu3 user nice system idle iowait irq softirq steal ...", in ticks (proc(5)). */
/* Guest time is in user and nice already, and is not counted twice. */
static bool add_cpu(const char *text, unsigned cpu, struct sb_cpu_time *time)
{
    char *name = sb_printf("\ncpu%u ", cpu);
    const char *line = strstr(text, name);
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    bool found = line && sscanf(line + strlen(name), "%llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
                                &system, &idle, &iowait, &irq, &softirq, &steal) == 8;
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

/* Of all threads: what the trial itself used is no other's. */
static double own_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void sb_watch_begin(struct sb_watch *w, const unsigned *cpus, uint32_t n)
{
    w->before = cpu_time(cpus, n);
    w->own_before = own_time();
    w->wall_before = (double)sb_now_ns() / 1e9;
}

void sb_watch_end(struct sb_watch *w, const unsigned *cpus, uint32_t n)
{
    /* In the reverse order of the beginning, so that the share is never over what was there. */
    w->wall_after = (double)sb_now_ns() / 1e9;
    w->own_after = own_time();
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
    return share(w, n, w->after.busy - w->before.busy - (w->own_after - w->own_before));
}

double sb_watch_steal(const struct sb_watch *w, uint32_t n)
{
    return share(w, n, w->after.steal - w->before.steal);
}

struct sb_usage sb_usage_now(void)
{
    struct rusage r;
    unsigned cpu = 0;
    /* Called on the thread that is counted; the kernel tells a thread's faults to that thread alone. */
    getrusage(RUSAGE_THREAD, &r);
    getcpu(&cpu, NULL);
    return (struct sb_usage){
        (uint64_t)r.ru_minflt, (uint64_t)r.ru_majflt, (uint64_t)r.ru_nvcsw, (uint64_t)r.ru_nivcsw, cpu, 0};
}

struct sb_usage sb_usage_since(const struct sb_usage *before)
{
    struct sb_usage now = sb_usage_now();
    return (struct sb_usage){now.minor_faults - before->minor_faults,
                             now.major_faults - before->major_faults,
                             now.voluntary - before->voluntary,
                             now.involuntary - before->involuntary,
                             now.cpu,
                             now.cpu != before->cpu};
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
