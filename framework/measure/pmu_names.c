/*
 * libpfm4, and the only file that includes it: from events' names to the kernel's codes. Its tables are
 * large, so trials, which start by the thousand, are given the codes.
 */
#include "measure/pmu_names.h"

#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stddef.h>
#include <string.h>

/* The attributes' single bits are one word of the kernel's structure. */
_Static_assert(offsetof(struct perf_event_attr, wakeup_events) ==
                   offsetof(struct perf_event_attr, read_format) + 2 * sizeof(uint64_t),
               "between them lies the word of flags");

void sb_pmu_encode_name(void *context, struct sb_pmu_event *event, struct sb_pmu_code *code)
{
    struct perf_event_attr attr = {.size = sizeof(attr)};
    pfm_perf_encode_arg_t arg = {.attr = &attr, .size = sizeof(arg)};
    (void)context;
    /* Not initialised twice: the library counts for itself. */
    int status = pfm_initialize();
    if (status != PFM_SUCCESS) {
        event->reason = sb_printf("libpfm4 can't be initialised: %s", pfm_strerror(status));
        return;
    }
    status = pfm_get_os_event_encoding(event->name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &arg);
    if (status != PFM_SUCCESS) {
        /* These three are typing mistakes; whatever else libpfm4 says is about the machine. */
        event->unknown = status == PFM_ERR_NOTFOUND || status == PFM_ERR_ATTR || status == PFM_ERR_UMASK;
        event->reason = sb_printf("libpfm4 can't encode it: %s; `showevtinfo` of libpfm4 lists what it knows",
                                  pfm_strerror(status));
        return;
    }
    *code = (struct sb_pmu_code){attr.type, attr.config, attr.config1, attr.config2, 0, true};
    memcpy(&code->flags, (const char *)&attr + offsetof(struct perf_event_attr, read_format) + sizeof(uint64_t),
           sizeof(code->flags));
}

/* Instructions are what every PMU counts. */
bool sb_pmu_machine_has_hardware(void)
{
    struct sb_pmu pmu;
    sb_pmu_prepare(&pmu, "perf::INSTRUCTIONS", sb_pmu_encode_name, NULL);
    bool has = pmu.n && pmu.at[0].hardware && !pmu.at[0].reason;
    sb_pmu_free(&pmu);
    return has;
}
