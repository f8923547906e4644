/*
 * The scull device of "Linux Device Drivers", chapter 3 and 8, as a library: scullc, scullp and scullv are
 * thin plugins on it that differ in where their quanta come from.
 */
#ifndef SB_SCULL_H
#define SB_SCULL_H

#include "scullbench/workload.h"

/* The rows of every scull plugin's option table, in this order; the first differs by plugin. */
enum scull_option {
    SCULL_QUANTUM_OR_ORDER,
    SCULL_QSET,
    SCULL_DEVICES,
    SCULL_DEVICE_SIZE,
    SCULL_TOUCH,
    SCULL_SOURCE,
    SCULL_WRITE,
    SCULL_READ,
    SCULL_OVERWRITE,
    SCULL_COPY,
    SCULL_BATCH,
    SCULL_GFP,
    SCULL_OPTIONS,
    SCULL_MMAP = SCULL_OPTIONS /* of scullp alone */
};

enum scull_touch { SCULL_TOUCH_NONE, SCULL_TOUCH_FIRST, SCULL_TOUCH_FULL };

extern const char *const scull_touch_names[];

#define SCULL_COMMON_OPTIONS                                                                                           \
    [SCULL_QSET] = {"qset", SB_OPTION_INT, 0, "1000", 1, 1000000, NULL, "quanta per list item"},                       \
    [SCULL_DEVICES] = {"devices", SB_OPTION_INT, 0, "4", 1, 1024, NULL, "devices of each thread"},                     \
    [SCULL_DEVICE_SIZE] =                                                                                              \
        {"device_size", SB_OPTION_SIZE, 0, "4MiB", 1, UINT64_C(1) << 40, NULL, "bytes written into each device"},      \
    [SCULL_TOUCH] = {"touch",                                                                                          \
                     SB_OPTION_ENUM,                                                                                   \
                     0,                                                                                                \
                     "full",                                                                                           \
                     0,                                                                                                \
                     0,                                                                                                \
                     scull_touch_names,                                                                                \
                     "what is written into and read from each quantum: nothing, its first 8 bytes, or all"},           \
    [SCULL_SOURCE] = {"source",                                                                                        \
                      SB_OPTION_TEXT,                                                                                  \
                      0,                                                                                               \
                      "zero",                                                                                          \
                      0,                                                                                               \
                      0,                                                                                               \
                      NULL,                                                                                            \
                      "what is written: zero, random, or file:PATH (from the config's folder), repeated as "           \
                      "often as needed; what came "                                                                    \
                      "from a file is compared at every read"},                                                        \
    [SCULL_WRITE] = {"write", SB_OPTION_PERCENT,                                                                       \
                     0,       "100%",                                                                                  \
                     1,       100,                                                                                     \
                     NULL,    "share of each device that a cycle writes, from its start"},                             \
    [SCULL_READ] = {"read", SB_OPTION_PERCENT, 0, "100%", 0, 1000, NULL, "share of it that is then read back"},        \
    [SCULL_OVERWRITE] = {"overwrite", SB_OPTION_PERCENT,                                                               \
                         0,           "25%",                                                                           \
                         0,           1000,                                                                            \
                         NULL,        "share of it that is then overwritten, at random quanta"},                       \
    [SCULL_COPY] = {"copy", SB_OPTION_PERCENT,                                                                         \
                    0,      "100%",                                                                                    \
                    0,      100,                                                                                       \
                    NULL,   "share of every even device that is then copied to the next one, trimmed before"},         \
    [SCULL_BATCH] = {"batch",                                                                                          \
                     SB_OPTION_INT,                                                                                    \
                     0,                                                                                                \
                     "512",                                                                                            \
                     1,                                                                                                \
                     512,                                                                                              \
                     NULL,                                                                                             \
                     "allocator calls timed together between two readings of the clock; with touch = full at most as " \
                     "many as make 2 MiB"},                                                                            \
    [SCULL_GFP] = {                                                                                                    \
        "gfp", SB_OPTION_GFP, 0, "GFP_KERNEL", 0, 0, NULL, "with which list items, arrays and quanta are asked for"},

extern const char *const scull_counters[];
enum { SCULL_COUNTERS = 7 };

/* What one plugin adds to the library. */
struct scull_kind {
    const char *name; /* scullc */
    enum sb_want want;
    bool by_order; /* the first option is an order, not a size */
    bool maps;     /* it has the option mmap */
    uint32_t slab_flags;
};

/* The module parameters of LDD3's driver `name`, which are options here. */
#define SCULL_ALIASES(name, first)                                                                                     \
    {                                                                                                                  \
        {name "_" first, first}, {name "_qset", "qset"}, {name "_devs", "devices"}, {NULL, NULL},                      \
    }

int scull_needs(const struct scull_kind *kind, const union sb_value *options, struct sb_needs *needs, char *why,
                size_t why_size);
int scull_setup(const struct scull_kind *kind, const struct sb_bench *bench, const union sb_value *options,
                void **self);
int scull_thread_setup(void *self, uint32_t thread, void **state);
int scull_step(void *state, struct sb_counts *counts);
int scull_verify(void *self);
int scull_account(void *self, struct sb_account *account);
int scull_dump(void *self, const char *file, const struct sb_sink *sink);
void scull_thread_teardown(void *state);
int scull_teardown(void *self);

/* The descriptor, but for what differs; `kind` is the plugin's struct scull_kind, `table` its options, `names` their
 * aliases, `files` what it dumps. */
#define SCULL_PLUGIN(kind, table, names, files, the_summary, the_models)                                               \
    static int plugin_needs(const union sb_value *values, struct sb_needs *needs, char *why, size_t why_size)          \
    {                                                                                                                  \
        return scull_needs(&(kind), values, needs, why, why_size);                                                     \
    }                                                                                                                  \
    static int plugin_setup(const struct sb_bench *bench, const union sb_value *values, void **self)                   \
    {                                                                                                                  \
        return scull_setup(&(kind), bench, values, self);                                                              \
    }                                                                                                                  \
    const struct sb_workload scullbench_workload = {                                                                   \
        .head = SB_HEAD(SB_WORKLOAD_MAGIC, struct sb_workload),                                                        \
        .name = PLUGIN_NAME,                                                                                           \
        .summary = (the_summary),                                                                                      \
        .models = (the_models),                                                                                        \
        .options = (table),                                                                                            \
        .option_count = sizeof(table) / sizeof((table)[0]),                                                            \
        .counter_count = SCULL_COUNTERS,                                                                               \
        .counters = scull_counters,                                                                                    \
        .operation = "a read or write call of at most one quantum",                                                    \
        .needs = plugin_needs,                                                                                         \
        .setup = plugin_setup,                                                                                         \
        .thread_setup = scull_thread_setup,                                                                            \
        .step = scull_step,                                                                                            \
        .verify = scull_verify,                                                                                        \
        .account = scull_account,                                                                                      \
        .dump = scull_dump,                                                                                            \
        .dump_files = (files),                                                                                         \
        .thread_teardown = scull_thread_teardown,                                                                      \
        .teardown = scull_teardown,                                                                                    \
        .aliases = (names),                                                                                            \
    }

#endif
