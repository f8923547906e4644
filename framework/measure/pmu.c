/*
 * libpfm4 and perf_event_open; the only file that includes either (their headers and the kernel's can't be
 * mixed, so this one takes libpfm4's copy of the kernel's definitions).
 *
 * Events are opened one by one, not as groups: a group that doesn't fit is not counted at all, single events
 * are multiplexed and say so by running < enabled.
 */
#define _GNU_SOURCE
#include "measure/pmu.h"

#include "base/file.h"

#include <errno.h>
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int try_open(struct perf_event_attr *attr)
{
    int fd = perf_event_open(attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The kernel counts switches and migrations in kernel mode only, so user-only counters would read 0. */
static bool needs_kernel(const struct perf_event_attr *attr)
{
    return attr->type == PERF_TYPE_SOFTWARE &&
           (attr->config == PERF_COUNT_SW_CONTEXT_SWITCHES || attr->config == PERF_COUNT_SW_CPU_MIGRATIONS);
}

/* As nanobench does: the errno alone tells a user nothing, the usual cause and the remedy do. */
static char *explain(int error, const struct perf_event_attr *attr)
{
    char *paranoid = sb_read_line("/proc/sys/kernel/perf_event_paranoid");
    char *reason;
    switch (error) {
    case -ENOENT:
    case -EOPNOTSUPP:
    case -ENODEV:
        reason =
            attr->type == PERF_TYPE_SOFTWARE
                ? sb_printf("the kernel has no such software event (%s)", strerror(-error))
                : sb_printf("the machine offers no such hardware counter (%s); usual in a virtual machine or "
                            "container without a virtualised PMU; bare metal has them",
                            strerror(-error));
        break;
    case -EACCES:
    case -EPERM:
        reason = sb_printf(
            "perf_event_paranoid is %s: `sysctl kernel.perf_event_paranoid=1` as root allows it (%s)",
            paranoid ? paranoid : "unreadable", strerror(-error));
        break;
    case -EMFILE:
        reason = sb_printf("too many open files: raise `ulimit -n` (%s)", strerror(-error));
        break;
    case -ENOSYS:
        reason = sb_printf("the kernel has no perf_event_open, or a sandbox hides it (%s)", strerror(-error));
        break;
    default:
        reason = sb_printf("perf_event_open failed: %s", strerror(-error));
    }
    free(paranoid);
    return reason;
}

/* With kernel mode where that is allowed, else user mode alone. */
static void probe(struct sb_pmu_event *event)
{
    struct perf_event_attr *attr = event->attr;
    int fd = try_open(attr);
    if ((fd == -EACCES || fd == -EPERM) && !needs_kernel(attr)) {
        attr->exclude_kernel = 1;
        event->user_only = true;
        fd = try_open(attr);
    }
    if (fd >= 0)
        close(fd);
    else
        event->reason = explain(fd, attr);
}

/* libpfm4 names are looked up once; what comes out is opened again by each thread. */
static void prepare_event(struct sb_pmu_event *event)
{
    struct perf_event_attr *attr = sb_calloc(1, sizeof(*attr));
    pfm_perf_encode_arg_t arg = {.attr = attr, .fstr = &event->fstr, .size = sizeof(arg)};
    attr->size = sizeof(*attr);
    int status = pfm_get_os_event_encoding(event->name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &arg);
    event->attr = attr;
    if (status != PFM_SUCCESS) {
        event->unknown = status == PFM_ERR_NOTFOUND || status == PFM_ERR_ATTR || status == PFM_ERR_UMASK;
        event->reason = sb_printf("libpfm4 can't encode it: %s; `showevtinfo` of libpfm4 lists what it knows",
                                  pfm_strerror(status));
        return;
    }
    attr->disabled = 1;
    attr->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    probe(event);
}

void sb_pmu_prepare(struct sb_pmu *pmu, const char *list)
{
    struct sb_words words = sb_split(list);
    int status = pfm_initialize();
    *pmu = (struct sb_pmu){0};
    for (size_t i = 0; i < words.n; i++) {
        if (!*words.at[i] || !strcmp(words.at[i], "none"))
            continue;
        struct sb_pmu_event *event = SB_VEC_ADD(pmu);
        event->name = sb_strdup(words.at[i]);
        if (status == PFM_SUCCESS)
            prepare_event(event);
        else
            event->reason = sb_printf("libpfm4 can't be initialised: %s", pfm_strerror(status));
    }
    sb_words_free(&words);
}

void sb_pmu_free(struct sb_pmu *pmu)
{
    for (size_t i = 0; i < pmu->n; i++) {
        free(pmu->at[i].name);
        free(pmu->at[i].fstr);
        free(pmu->at[i].reason);
        free(pmu->at[i].attr);
    }
    SB_VEC_FREE(pmu);
}

/* For the calling thread, on whatever CPU it runs: threads are pinned before this. */
void sb_pmu_open(const struct sb_pmu *pmu, struct sb_pmu_counters *counters)
{
    counters->n = pmu->n;
    counters->fds = sb_calloc(pmu->n, sizeof(int));
    for (size_t i = 0; i < pmu->n; i++)
        counters->fds[i] = pmu->at[i].reason ? -1 : try_open(pmu->at[i].attr);
}

static void control(const struct sb_pmu_counters *counters, unsigned long request)
{
    for (size_t i = 0; i < counters->n; i++) {
        if (counters->fds[i] >= 0)
            ioctl(counters->fds[i], request, 0);
    }
}

void sb_pmu_start(const struct sb_pmu_counters *counters)
{
    control(counters, PERF_EVENT_IOC_ENABLE);
}

void sb_pmu_stop(const struct sb_pmu_counters *counters)
{
    control(counters, PERF_EVENT_IOC_DISABLE);
}

/* running = 0 means that the counter never got onto the hardware: not counted, which isn't zero. */
bool sb_pmu_read(const struct sb_pmu_counters *counters, size_t i, struct sb_pmu_reading *reading)
{
    uint64_t raw[3];
    if (counters->fds[i] < 0 || read(counters->fds[i], raw, sizeof(raw)) != (ssize_t)sizeof(raw))
        return false;
    *reading = (struct sb_pmu_reading){raw[0], raw[1], raw[2]};
    return raw[2] > 0;
}

void sb_pmu_close(struct sb_pmu_counters *counters)
{
    for (size_t i = 0; i < counters->n; i++) {
        if (counters->fds[i] >= 0)
            close(counters->fds[i]);
    }
    free(counters->fds);
    *counters = (struct sb_pmu_counters){0};
}
