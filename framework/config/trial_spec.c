/* Reading a trial's text. */
#include "config/trial_spec.h"

#include "base/str.h"
#include "base/units.h"
#include "config/section.h"

#include <stdlib.h>
#include <string.h>

const struct sb_option sb_trial_options[SB_TRIAL_KEYS] = {
    [SB_TRIAL_NUMBER] = {"number", SB_OPTION_INT, 0, "1", 1, UINT32_MAX, NULL, "position in the run's order"},
    [SB_TRIAL_CELL] = {"cell", SB_OPTION_INT, 0, "1", 1, UINT32_MAX, NULL, "cell of the matrix"},
    [SB_TRIAL_REPETITION] = {"repetition", SB_OPTION_INT, 0, "1", 1, UINT32_MAX, NULL, "which repetition of the cell"},
    [SB_TRIAL_SEED] = {"seed", SB_OPTION_INT, 0, "1", 0, UINT64_MAX, NULL, "of everything random in it"},
    [SB_TRIAL_CPUS] = {"cpus", SB_OPTION_TEXT, 0, "0", 0, 0, NULL, "OS numbers of the CPUs, one thread on each"},
    [SB_TRIAL_LAYOUT] = {"layout", SB_OPTION_INT, 0, "0", 0, UINT64_MAX, NULL,
                         "what environment size, stack and memory base are drawn from; 0: nothing is drawn"},
    [SB_TRIAL_EVENTS] = {"events", SB_OPTION_TEXT, 0, "none", 0, 0, NULL, "as in [pmu]"},
    [SB_TRIAL_EVENT_CODES] = {"event_codes", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                              "the kernel's codes of the events, as `plan` writes them"},
    [SB_TRIAL_SIMULATE] = {"simulate", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
                           "under valgrind, for instructions and cache misses alone"},
    [SB_TRIAL_NS_PER_TICK] = {"ns_per_tick", SB_OPTION_TEXT, 0, "0", 0, 0, NULL,
                              "of the CPU's counter, as the run has measured it; 0: the trial does"},
    [SB_TRIAL_TOPOLOGY] = {"topology", SB_OPTION_TEXT, 0, "", 0, 0, NULL,
                           "file in which the run has the machine's topology; empty: the trial looks it up"},
    [SB_TRIAL_MEMORY_FILE] = {"memory_file", SB_OPTION_INT, 0, "0", 0, 1023, NULL,
                              "descriptor of the memory file that the process was given; 0: it makes its own"},
    [SB_TRIAL_MEMORY_PRESENT] = {"memory_present", SB_OPTION_SIZE, 0, "0B", 0, UINT64_MAX, NULL,
                                 "what of that file trials before have bound, touched and written to"},
    [SB_TRIAL_DUMP] = {"dump", SB_OPTION_BOOL, 0, "no", 0, 0, NULL, "store the texts of dump"},
#define ROW(id, goes, ...) goes(id, __VA_ARGS__)
#define OF_RUN(id, ...)
#define TO_TRIAL(id, ...) [SB_TRIAL_##id] = {__VA_ARGS__},
#include "config/experiment_keys.inc"
#undef TO_TRIAL
};

const struct sb_trial_copy sb_trial_copies[] = {
#define TO_TRIAL(id, ...) {SB_TRIAL_##id, SB_EXPERIMENT_##id},
#include "config/experiment_keys.inc"
#undef TO_TRIAL
#undef OF_RUN
#undef ROW
};
const size_t sb_trial_copy_count = SB_COUNT(sb_trial_copies);

/* The plugin is named by file, not by name: a trial must not depend on search paths. */
static void read_part(struct sb_trial_spec *spec, const char *kind, struct sb_trial_part *part, struct sb_diag *diag)
{
    for (size_t i = 0; i < spec->ini.n; i++) {
        const struct sb_ini_section *section = &spec->ini.at[i];
        if (strcmp(section->kind, kind))
            continue;
        const struct sb_ini_entry *file = sb_ini_entry(section, "file");
        part->name = section->name;
        part->section = section;
        if (file)
            part->path = file->value;
        else
            sb_diag_at(diag, section->line, "[%s %s] lacks the key 'file': the plugin's path", kind, section->name);
        return;
    }
    sb_diag_at(diag, 0, "the trial has no [%s NAME] section", kind);
}

/* OS numbers: the trial may be run where hwloc numbers differently. */
static void read_cpus(struct sb_trial_spec *spec, struct sb_diag *diag)
{
    static const struct sb_option number = {"cpus", SB_OPTION_INT, 0, "0", 0, 65535, NULL, ""};
    struct sb_words words = sb_split(spec->trial[SB_TRIAL_CPUS].s);
    /* Kept although wrong: the complaint ends the trial before they are used. */
    spec->cpus = sb_calloc(words.n, sizeof(*spec->cpus));
    spec->threads = (uint32_t)words.n;
    for (size_t i = 0; i < words.n; i++) {
        union sb_value value = {0};
        char *why = NULL;
        if (sb_option_parse(&number, words.at[i], &value, &why))
            sb_diag_at(diag, 0, "[trial] cpus: %s", why);
        free(why);
        spec->cpus[i] = (unsigned)value.u;
    }
    sb_words_free(&words);
}

/* The same reader and the same tables as for a config: what a trial says is checked as strictly. */
void sb_trial_spec_read(struct sb_trial_spec *spec, const char *text, size_t length, struct sb_diag *diag)
{
    *spec = (struct sb_trial_spec){.ini = sb_ini_parse_literal(text, length, diag)};
    sb_read_section(sb_ini_section(&spec->ini, "trial", ""), "[trial]", sb_trial_options, SB_TRIAL_KEYS, NULL,
                    spec->trial, diag);
    sb_read_section(sb_ini_section(&spec->ini, "machine", ""), "[machine]", sb_tables[SB_TABLE_MACHINE].options,
                    SB_MACHINE_KEYS, NULL, spec->machine, diag);
    read_cpus(spec, diag);
    read_part(spec, "allocator", &spec->allocator, diag);
    read_part(spec, "workload", &spec->workload, diag);
    for (size_t i = 0; i < spec->ini.n; i++) {
        if (!strcmp(spec->ini.at[i].kind, "baseline"))
            read_part(spec, "baseline", &spec->baseline, diag);
    }
}

void sb_trial_spec_free(struct sb_trial_spec *spec)
{
    free(spec->cpus);
    sb_ini_free(&spec->ini);
}
