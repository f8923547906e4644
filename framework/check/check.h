/*
 * The conformance gate: does a plugin keep what the ABI promises? Each property is tried in a child process
 * of its own, under time and memory limits, so that one that crashes or hangs costs that property alone.
 *
 * What failed on a sequence of operations is repeated with ever fewer of them, until nothing can be left out.
 */
#ifndef SB_CHECK_CHECK_H
#define SB_CHECK_CHECK_H

#include "base/str.h"
#include "base/vec.h"
#include "plugin/plugin.h"

#include <signal.h>
#include <stdint.h>

enum sb_check_result {
    SB_CHECK_PASS,
    SB_CHECK_FAIL,
    SB_CHECK_NOT_CLAIMED, /* the plugin doesn't offer it, or says it doesn't do that */
    SB_CHECK_UNTESTED,    /* another property failed first and stood in the way */
};
const char *sb_check_result_name(enum sb_check_result result);

struct sb_property_way;
struct sb_property {
    const char *name, *what;           /* what is promised, in words */
    bool sequence;                     /* tried by operations that can be shrunk and replayed */
    const struct sb_property_way *way; /* how (properties.c) */
};
extern const struct sb_property sb_properties[];
extern const size_t sb_property_count;
const struct sb_property *sb_property_find(const char *name);

struct sb_check_line {
    const struct sb_property *property;
    enum sb_check_result result;
    char *why;        /* of anything but a pass, and what a pass doesn't say */
    bool met_a_fault; /* and left it to another property */
    bool machine;     /* cut short by the machine, twice: says nothing of the plugin */
    char *ops;        /* the shortest failing sequence found, or NULL */
};

struct sb_check_report {
    SB_VEC_OF(struct sb_check_line);
    size_t failed, passed;
    size_t machine; /* properties that the machine cut short */
};

struct sb_check_request {
    const struct sb_plugin *plugin;
    const struct sb_words *options; /* name, value, name, value, ...: as a config would write them */
    const char *property;           /* this one alone; NULL: all */
    const char *ops;                /* replay these; NULL: drawn from the seed */
    uint64_t seed;
    uint64_t memory; /* of the machine; a multiple of 4 MiB */
    bool quick;      /* a tenth of the operations: before a run */
    void (*progress)(void *context, const struct sb_property *property, size_t at, size_t all);
    void *context;
};

/* 0, or a negative errno with a sentence in `*why` where nothing could be tried. */
int sb_check(struct sb_check_report *report, const struct sb_check_request *request, volatile sig_atomic_t *stop,
             char **why);

/*
 * `*loaded` gets a fingerprint of the shared objects that opening the allocator loads: it changes with any of
 * them. NULL where it can't be opened, with a sentence in `*why`. The caller frees both. A negative errno,
 * also with a sentence, where nothing could be tried.
 */
int sb_check_loaded(const struct sb_check_request *request, volatile sig_atomic_t *stop, char **loaded, char **why);
void sb_check_report_free(struct sb_check_report *report);

#endif
