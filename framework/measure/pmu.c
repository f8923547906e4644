/*
 * perf_event_open; the only file that includes it.
 *
 * Events outside of groups are opened one by one: a group that doesn't fit is not counted at all, single
 * events are multiplexed and say so by running < enabled. Values are read by rdpmc where the kernel maps the
 * counter (Documentation of perf_event_open(2), "mmap layout"), so that no system call lies between the two
 * readings; elsewhere by read() once counting has stopped.
 */
#define _GNU_SOURCE
#include "measure/pmu.h"

#include "base/file.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the kernel ---- */

/* The calling thread on any CPU; inherited by nobody. */
static int real_open(void *attr, int group_fd)
{
    return (int)syscall(SYS_perf_event_open, attr, 0, -1, group_fd, PERF_FLAG_FD_CLOEXEC);
}

static int real_enable(int fd, bool on)
{
    return ioctl(fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
}

static void *real_map(int fd)
{
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

static void real_unmap(void *page)
{
    munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

static uint64_t real_rdpmc(uint32_t counter)
{
/* On aarch64 the counters can't be read from user mode unless a sysctl says so: there read() is used. */
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(counter));
    return (uint64_t)high << 32 | low;
#else
    (void)counter;
    return 0;
#endif
}

static const struct sb_pmu_kernel real = {real_open, read, real_enable, real_map, real_unmap, close, real_rdpmc};
/* Machines without a PMU test all of this with a kernel of their own making. */
static const struct sb_pmu_kernel *sys = &real;

void sb_pmu_use(const struct sb_pmu_kernel *kernel)
{
    sys = kernel ? kernel : &real;
}

static int try_open(struct perf_event_attr *attr, int group_fd)
{
    int fd = sys->open(attr, group_fd);
    return fd < 0 ? -errno : fd;
}

/* ---- preparing ---- */

/* The kernel counts switches and migrations in kernel mode only, so user-only counters would read 0. */
static bool needs_kernel(const struct perf_event_attr *attr)
{
    return attr->type == PERF_TYPE_SOFTWARE &&
           (attr->config == PERF_COUNT_SW_CONTEXT_SWITCHES || attr->config == PERF_COUNT_SW_CPU_MIGRATIONS);
}

static bool is_hardware(const struct perf_event_attr *attr)
{
    return attr->type != PERF_TYPE_SOFTWARE && attr->type != PERF_TYPE_TRACEPOINT;
}

/* A line of /proc/self/status as a number of base 16; 0 where it can't be read. */
static uint64_t own_status(const char *name)
{
    char *text = NULL;
    uint64_t number = 0;
    if (sb_read_file("/proc/self/status", &text, NULL))
        return 0;
    const char *line = strstr(text, name);
    if (line)
        number = strtoull(line + strlen(name), NULL, 16);
    free(text);
    return number;
}

/* A seccomp filter, such as container engines set. */
static bool is_filtered(void)
{
    return own_status("\nSeccomp:") == 2;
}

/* CAP_PERFMON, or CAP_SYS_ADMIN, which was asked for before there was that. */
static bool may_count(void)
{
    enum { CAP_ADMIN = 21, CAP_MON = 38 };
    uint64_t mine = own_status("\nCapEff:");
    /* In a user namespace all bits are set, and the kernel asks the first one. */
    char *map = sb_read_line("/proc/self/uid_map");
    unsigned long inside = 1, outside = 1, n = 0;
    bool first =
        map && sscanf(map, "%lu %lu %lu", &inside, &outside, &n) == 3 && !inside && !outside && n == UINT32_MAX;
    free(map);
    return first && (mine >> CAP_ADMIN & 1 || mine >> CAP_MON & 1);
}

char *sb_pmu_explain_refusal(int error, const char *paranoid, bool user_only, bool filtered, bool capable)
{
    long level = paranoid ? strtol(paranoid, NULL, 10) : 0;
    const char *words = strerror(-error);
    bool low = !capable && (!paranoid || level > (user_only ? 2 : 1));
    if (low && filtered)
        return sb_printf("perf_event_paranoid is %s, and a sandbox filters system calls (seccomp; %s): "
                         "`sysctl kernel.perf_event_paranoid=1` as root, and of a container engine --security-opt "
                         "seccomp=PROFILE or --cap-add PERFMON",
                         paranoid ? paranoid : "unreadable", words);
    if (low)
        return sb_printf("perf_event_paranoid is %s: `sysctl kernel.perf_event_paranoid=1` as root allows it (%s)",
                         paranoid ? paranoid : "unreadable", words);
    if (filtered)
        return sb_printf("a sandbox forbids perf_event_open (seccomp; %s): "
                         "of a container engine --security-opt seccomp=PROFILE or --cap-add PERFMON allows it",
                         words);
    return sb_printf(
        "the kernel forbids it (%s), though perf_event_paranoid is %s%s: look for a security module's rule", words,
        paranoid ? paranoid : "unreadable", capable ? " and this process may count" : "");
}

/* As nanobench does: the errno alone tells a user nothing, the usual cause and the remedy do. */
static char *explain(int error, const struct perf_event_attr *attr, bool grouped)
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
                : sb_printf("the machine offers no such hardware counter (%s); "
                            "usual in a virtual machine or container without a virtualised PMU; bare metal has them",
                            strerror(-error));
        break;
    case -EACCES:
    case -EPERM:
        reason = sb_pmu_explain_refusal(error, paranoid, attr->exclude_kernel, is_filtered(), may_count());
        break;
    case -EMFILE:
        reason = sb_printf("too many open files: raise `ulimit -n` (%s)", strerror(-error));
        break;
    case -ENOSYS:
        reason = sb_printf("the kernel has no perf_event_open, or a sandbox hides it (%s)", strerror(-error));
        break;
    case -EINVAL:
        reason = sb_printf(grouped ? "the kernel refuses it in this group (%s): more events than the CPU has counters? "
                                     "put fewer between the braces"
                                   : "the kernel refuses it (%s): this CPU doesn't count it so; "
                                     "name another event, or leave its attributes out",
                           strerror(-error));
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
    /* Opened and closed: only trying tells, for the errno has the reason. */
    int fd = try_open(attr, -1);
    if ((fd == -EACCES || fd == -EPERM) && !needs_kernel(attr)) {
        attr->exclude_kernel = 1;
        event->user_only = true;
        fd = try_open(attr, -1);
    }
    if (fd >= 0)
        sys->close(fd);
    else
        event->reason = explain(fd, attr, false);
}

/* By the kernel's generic number, else by what the vendors call it. */
static enum sb_role role_of(const struct sb_pmu_event *e)
{
    static const struct {
        const char *name;
        enum sb_role role;
    } names[] = {{"CPU_CLK_UNHALTED", SB_ROLE_CYCLES},
                 {"CYCLES_NOT_IN_HALT", SB_ROLE_CYCLES},
                 {"CPU_CYCLES", SB_ROLE_CYCLES},
                 {"INST_RETIRED", SB_ROLE_INSTRUCTIONS},
                 {"RETIRED_INSTRUCTIONS", SB_ROLE_INSTRUCTIONS},
                 {"INSTRUCTION_RETIRED", SB_ROLE_INSTRUCTIONS}};
    const struct perf_event_attr *attr = e->attr;
    const char *base = strrchr(e->name, ':');
    if (attr->type == PERF_TYPE_HARDWARE)
        return attr->config == PERF_COUNT_HW_CPU_CYCLES     ? SB_ROLE_CYCLES
               : attr->config == PERF_COUNT_HW_INSTRUCTIONS ? SB_ROLE_INSTRUCTIONS
                                                            : SB_ROLE_OTHER;
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        if (!strcasecmp(base ? base + 1 : e->name, names[i].name))
            return names[i].role;
    }
    return SB_ROLE_OTHER;
}

/* Once; what comes out is opened again by each thread. */
static void prepare_event(struct sb_pmu_event *event, sb_pmu_encoder encode, void *context)
{
    struct perf_event_attr *attr = sb_calloc(1, sizeof(*attr));
    event->attr = attr;
    encode(context, event, &event->code);
    if (event->reason)
        return;
    attr->size = sizeof(*attr);
    attr->type = (uint32_t)event->code.type;
    attr->config = event->code.config;
    attr->config1 = event->code.config1;
    attr->config2 = event->code.config2;
    /* The single bits lie in the word between these two. */
    _Static_assert(offsetof(struct perf_event_attr, wakeup_events) ==
                       offsetof(struct perf_event_attr, read_format) + 2 * sizeof(uint64_t),
                   "it is one word");
    memcpy((char *)&attr->read_format + sizeof(attr->read_format), &event->code.flags, sizeof(event->code.flags));
    /* With both times: the one without the other can't tell a counter that waited from one that saw
       nothing. */
    attr->disabled = 1;
    attr->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    event->hardware = is_hardware(attr);
    event->role = role_of(event);
    probe(event);
}

/* Takes the braces off an item; they open and close groups, which don't nest. */
static char *strip_braces(const char *item, uint32_t *group, uint32_t *last, bool *closes, const char **wrong)
{
    size_t n = strlen(item);
    *closes = n && item[n - 1] == '}';
    if (*item == '{') {
        *wrong = *group ? "'{' inside of a group" : NULL;
        *group = ++*last;
        item++;
        n--;
    }
    if (*closes) {
        *wrong = *group ? *wrong : "'}' without '{'";
        n--;
    }
    while (n && *item == ' ') {
        item++;
        n--;
    }
    while (n && item[n - 1] == ' ')
        n--;
    return sb_strndup(item, n);
}

/* Hardware leads: the kernel takes a software event under it, not the other way round. */
static void choose_leaders(struct sb_pmu *pmu)
{
    for (size_t i = 0; i < pmu->n; i++) {
        pmu->at[i].leader = i;
        for (size_t j = 0; j < pmu->n && pmu->at[i].group; j++) {
            const struct sb_pmu_event *e = &pmu->at[j], *leader = &pmu->at[pmu->at[i].leader];
            if (e->group == pmu->at[i].group &&
                (e->hardware > leader->hardware || (e->hardware == leader->hardware && j < pmu->at[i].leader)))
                pmu->at[i].leader = j;
        }
    }
    for (size_t i = 0; i < pmu->n; i++) {
        if (pmu->at[i].group && pmu->at[i].leader != i && pmu->at[i].attr)
            ((struct perf_event_attr *)pmu->at[i].attr)->disabled = 0;
    }
}

/* The first member that can't be counted takes the whole group along: a ratio needs both. */
static void probe_group(struct sb_pmu *pmu, uint32_t group)
{
    struct sb_pmu_counters trial;
    size_t culprit = SIZE_MAX;
    for (size_t i = 0; i < pmu->n && culprit == SIZE_MAX; i++)
        culprit = pmu->at[i].group == group && pmu->at[i].reason ? i : culprit;
    if (culprit == SIZE_MAX) {
        /* Members fit only together or not at all; the kernel says so to the one that is too many. */
        sb_pmu_open(pmu, &trial);
        for (size_t i = 0; i < pmu->n && culprit == SIZE_MAX; i++) {
            if (pmu->at[i].group == group && trial.at[i].fd < 0) {
                culprit = i;
                pmu->at[i].reason = explain(trial.at[i].fd, pmu->at[i].attr, true);
            }
        }
        sb_pmu_close(&trial);
    }
    for (size_t i = 0; i < pmu->n && culprit != SIZE_MAX; i++) {
        if (pmu->at[i].group == group && !pmu->at[i].reason)
            pmu->at[i].reason = sb_printf("it is to be counted together with %s, which can't be: %s",
                                          pmu->at[culprit].name, pmu->at[culprit].reason);
    }
}

char *sb_pmu_codes(const struct sb_pmu *pmu)
{
    struct sb_text text = {0};
    sb_text_add(&text, "", 0);
    for (size_t i = 0; i < pmu->n; i++) {
        const struct sb_pmu_event *e = &pmu->at[i];
        if (e->reason)
            sb_text_printf(&text, "%s!%s", i ? "|" : "", e->reason);
        else
            sb_text_printf(&text, "%s%llx:%llx:%llx:%llx:%llx", i ? "|" : "", (unsigned long long)e->code.type,
                           (unsigned long long)e->code.config, (unsigned long long)e->code.config1,
                           (unsigned long long)e->code.config2, (unsigned long long)e->code.flags);
    }
    return text.at;
}

void sb_pmu_encode_code(void *context, struct sb_pmu_event *event, struct sb_pmu_code *code)
{
    const char **at = context;
    size_t n = strcspn(*at, "|");
    uint64_t *const to[] = {&code->type, &code->config, &code->config1, &code->config2, &code->flags};
    const char *p = *at, *end = *at + n;
    if (n && *p == '!') {
        event->reason = sb_strndup(p + 1, n - 1);
    } else {
        size_t i = 0;
        for (; i < SB_COUNT(to) && p < end; i++) {
            char *rest;
            *to[i] = strtoull(p, &rest, 16);
            p = *rest == ':' ? rest + 1 : rest;
        }
        if (!n || i < SB_COUNT(to) || p != end)
            event->reason = sb_strdup("the trial's text has no code for it");
    }
    *at = end + (*end == '|');
}

void sb_pmu_prepare(struct sb_pmu *pmu, const char *list, sb_pmu_encoder encode, void *context)
{
    struct sb_words words = sb_split(list);
    uint32_t group = 0, last = 0;
    *pmu = (struct sb_pmu){0};
    for (size_t i = 0; i < words.n; i++) {
        const char *wrong = NULL;
        bool closes;
        if (!*words.at[i] || !strcmp(words.at[i], "none"))
            continue;
        struct sb_pmu_event *event = SB_VEC_ADD(pmu);
        event->name = strip_braces(words.at[i], &group, &last, &closes, &wrong);
        event->group = group;
        if (closes)
            group = 0;
        if (!wrong && i + 1 == words.n && group)
            wrong = "'{' without '}'";
        if (wrong) {
            event->reason = sb_strdup(wrong);
            event->unknown = true;
        } else {
            prepare_event(event, encode, context);
        }
    }
    choose_leaders(pmu);
    for (uint32_t g = 1; g <= last; g++)
        probe_group(pmu, g);
    sb_words_free(&words);
}

void sb_pmu_free(struct sb_pmu *pmu)
{
    for (size_t i = 0; i < pmu->n; i++) {
        free(pmu->at[i].name);
        free(pmu->at[i].reason);
        free(pmu->at[i].attr);
    }
    SB_VEC_FREE(pmu);
}

/* ---- counting ---- */

static void open_counter(struct sb_pmu_counters *counters, size_t i, int group_fd)
{
    const struct sb_pmu_event *e = &counters->pmu->at[i];
    struct sb_pmu_counter *c = &counters->at[i];
    c->fd = e->reason ? -1 : try_open(e->attr, group_fd);
    /* Software events have no counter to read: their page says index 0. */
    if (c->fd >= 0 && e->hardware)
        c->page = sys->map(c->fd);
}

/* For the calling thread, on whatever CPU it runs: threads are pinned before this. Leaders come first. */
void sb_pmu_open(const struct sb_pmu *pmu, struct sb_pmu_counters *counters)
{
    *counters = (struct sb_pmu_counters){pmu, sb_calloc(pmu->n, sizeof(*counters->at)), pmu->n};
    for (size_t i = 0; i < pmu->n; i++) {
        if (pmu->at[i].leader == i)
            open_counter(counters, i, -1);
    }
    for (size_t i = 0; i < pmu->n; i++) {
        int leader = counters->at[pmu->at[i].leader].fd;
        if (pmu->at[i].leader == i)
            continue;
        /* Alone it would be counted at other times than the rest. */
        if (leader >= 0)
            open_counter(counters, i, leader);
        else
            counters->at[i].fd = leader;
    }
}

/*
 * The counter's value while it counts, by the protocol of the mapped page: read again when the kernel wrote
 * meanwhile. False where it isn't on the hardware now, or may not be read from here.
 */
static bool read_fast(const struct sb_pmu_counter *c, uint64_t *value)
{
    const volatile struct perf_event_mmap_page *page = c->page;
    uint32_t lock, index;
    int64_t count;
    if (!page)
        return false;
    do {
        lock = page->lock;
        __asm__ volatile("" ::: "memory");
        index = page->index;
        count = page->offset;
        if (!page->cap_user_rdpmc || !index)
            return false;
        /* Counters are narrower than a word and sign-extended by the protocol. */
        unsigned unused = 64 - page->pmc_width;
        count += (int64_t)(sys->rdpmc(index - 1) << unused) >> unused;
        __asm__ volatile("" ::: "memory");
    } while (page->lock != lock);
    *value = (uint64_t)count;
    return true;
}

/* Members are enabled by their leader, in one call. */
void sb_pmu_start(struct sb_pmu_counters *counters)
{
    for (size_t i = 0; i < counters->n; i++) {
        if (counters->at[i].fd >= 0 && counters->pmu->at[i].leader == i)
            sys->enable(counters->at[i].fd, true);
    }
    /* Last, so that opening and enabling lie before the first reading. */
    for (size_t i = 0; i < counters->n; i++)
        counters->at[i].fast = read_fast(&counters->at[i], &counters->at[i].begin);
}

void sb_pmu_stop(struct sb_pmu_counters *counters)
{
    for (size_t i = 0; i < counters->n; i++)
        counters->at[i].fast = counters->at[i].fast && read_fast(&counters->at[i], &counters->at[i].end);
    for (size_t i = 0; i < counters->n; i++) {
        if (counters->at[i].fd >= 0 && counters->pmu->at[i].leader == i)
            sys->enable(counters->at[i].fd, false);
    }
}

/* running = 0 means that the counter never got onto the hardware: not counted, which isn't zero. */
bool sb_pmu_read(const struct sb_pmu_counters *counters, size_t i, struct sb_pmu_reading *reading)
{
    const struct sb_pmu_counter *c = &counters->at[i];
    uint64_t raw[3];
    if (c->fd < 0 || sys->read(c->fd, raw, sizeof(raw)) != (ssize_t)sizeof(raw))
        return false;
    /* What was multiplexed is scaled from the whole of it. */
    bool fast = c->fast && raw[1] == raw[2];
    *reading = (struct sb_pmu_reading){fast ? c->end - c->begin : raw[0], raw[1], raw[2]};
    return raw[2] > 0;
}

double sb_pmu_scaled(const struct sb_pmu_reading *r)
{
    /* What the counter saw, as if it had watched all the time; reports warn where it hadn't. */
    return (double)r->value * ((double)r->enabled_ns / (double)r->running_ns);
}

void sb_pmu_close(struct sb_pmu_counters *counters)
{
    for (size_t i = 0; i < counters->n; i++) {
        if (counters->at[i].page)
            sys->unmap(counters->at[i].page);
        if (counters->at[i].fd >= 0)
            sys->close(counters->at[i].fd);
    }
    free(counters->at);
    *counters = (struct sb_pmu_counters){0};
}
