/*
 * Event counters, counted through perf_event_open.
 *
 * Each event is tried once when the list is prepared; one that can't be opened keeps the kernel's reason,
 * and is never reported as a number. `{A, B}` in the list is a group: its events are on the hardware
 * together, so that their ratio means something, or not at all.
 */
#ifndef SB_MEASURE_PMU_H
#define SB_MEASURE_PMU_H

#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <sys/types.h>

/* What an event means to the ratios that are made of it. */
enum sb_role { SB_ROLE_OTHER, SB_ROLE_CYCLES, SB_ROLE_INSTRUCTIONS };

/* What the kernel calls an event: members of struct perf_event_attr, `flags` its word of single bits. */
struct sb_pmu_code {
    uint64_t type, config, config1, config2, flags;
    bool known;
};

struct sb_pmu_event {
    char *name;     /* as the user wrote it */
    char *reason;   /* why it can't be counted, with a remedy; NULL if it can */
    bool unknown;   /* a mistake of the list (a name libpfm4 doesn't know, a brace), not a lack of the machine */
    bool user_only; /* the kernel allows counting user mode only */
    bool hardware;  /* counted by the CPU itself */
    enum sb_role role;
    uint32_t group; /* 0: none; events of one number are counted together */
    size_t leader;  /* the event that is opened first of its group; its own index outside of groups */
    struct sb_pmu_code code;
    void *attr; /* struct perf_event_attr */
};

struct sb_pmu {
    SB_VEC_OF(struct sb_pmu_event);
};

/*
 * What EACCES or EPERM (negative) means: the level of perf_event_paranoid (NULL: unreadable), whether user
 * mode alone was asked for, a seccomp filter, and whether this process has the capability to count. The
 * caller's to free.
 */
char *sb_pmu_explain_refusal(int error, const char *paranoid, bool user_only, bool filtered, bool capable);

/* Fills in the code of event->name; where there is none, event->reason, and `unknown` where that is a
 * mistake. */
typedef void (*sb_pmu_encoder)(void *context, struct sb_pmu_event *event, struct sb_pmu_code *code);

/* Encodes and tries every event of a comma list. */
void sb_pmu_prepare(struct sb_pmu *pmu, const char *list, sb_pmu_encoder encode, void *context);
void sb_pmu_free(struct sb_pmu *pmu);

/* Codes and reasons of prepared events as one line of text, for a process without their names; the caller's
 * to free. */
char *sb_pmu_codes(const struct sb_pmu *pmu);
/* An encoder for the same list; `context` is a pointer to that text, which it moves on. */
void sb_pmu_encode_code(void *context, struct sb_pmu_event *event, struct sb_pmu_code *code);

struct sb_pmu_reading {
    uint64_t value, enabled_ns, running_ns;
};

/* One thread's counters. */
struct sb_pmu_counters {
    const struct sb_pmu *pmu;
    struct sb_pmu_counter {
        int fd;     /* -1 where not counted */
        void *page; /* the kernel's page for rdpmc, or NULL */
        uint64_t begin, end;
        bool fast; /* begin and end were read */
    } * at;
    size_t n;
};

/* Opens the countable events for the calling thread, not yet counting. */
void sb_pmu_open(const struct sb_pmu *pmu, struct sb_pmu_counters *counters);
void sb_pmu_start(struct sb_pmu_counters *counters);
void sb_pmu_stop(struct sb_pmu_counters *counters);
/* False where event i isn't counted, or was never on the hardware. */
bool sb_pmu_read(const struct sb_pmu_counters *counters, size_t i, struct sb_pmu_reading *reading);
/* The value for the whole time, from the part of it for which it was counted; running must not be 0. */
double sb_pmu_scaled(const struct sb_pmu_reading *reading);
void sb_pmu_close(struct sb_pmu_counters *counters);

/* What stands between us and the kernel, so that tests can stand there instead. Errors are -1 with errno. */
struct sb_pmu_kernel {
    int (*open)(void *attr, int group_fd); /* for the calling thread, on any CPU */
    ssize_t (*read)(int fd, void *buffer, size_t size);
    int (*enable)(int fd, bool on);
    void *(*map)(int fd); /* the first page, or NULL */
    void (*unmap)(void *page);
    int (*close)(int fd);
    uint64_t (*rdpmc)(uint32_t counter);
};
/* NULL: the real one. Not thread-safe. */
void sb_pmu_use(const struct sb_pmu_kernel *kernel);

#endif
