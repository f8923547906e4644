/* Events by libpfm4's names; for whoever plans. Not thread-safe. */
#ifndef SB_MEASURE_PMU_NAMES_H
#define SB_MEASURE_PMU_NAMES_H

#include "measure/pmu.h"

/* An encoder for sb_pmu_prepare, without context. */
void sb_pmu_encode_name(void *context, struct sb_pmu_event *event, struct sb_pmu_code *code);

/* Whether the machine has hardware counters that we may use. */
bool sb_pmu_machine_has_hardware(void);

#endif
