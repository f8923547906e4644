/*
 * What every plugin shares: the descriptor's head, options, and the services of the host.
 *
 * A plugin is a shared object that exports one `const` descriptor, `scullbench_allocator` or
 * `scullbench_workload`. Its first five members stay where they are for ever; everything else of a
 * struct that crosses the border grows at its end only, and says its size first, so that a host
 * reads what the plugin has and takes the rest as zero. docs/abi.md says what may change.
 *
 * Units are bytes and nanoseconds unless a comment says otherwise. Functions that can fail return 0
 * or a negative errno and say why through sb_host.fail.
 */
#ifndef SCULLBENCH_ABI_H
#define SCULLBENCH_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define SB_STATIC_ASSERT  static_assert
#define SB_EXTERN_C_BEGIN extern "C" {
#define SB_EXTERN_C_END   }
#else
#define SB_STATIC_ASSERT _Static_assert
#define SB_EXTERN_C_BEGIN
#define SB_EXTERN_C_END
#endif

/* Plugins are built with hidden visibility; only the descriptor is seen from outside. */
#define SB_EXPORT __attribute__((visibility("default")))

SB_EXTERN_C_BEGIN

#define SB_ABI_MAJOR       1 /* another major is refused */
#define SB_ABI_MINOR       8 /* counts appended members; a host serves every minor up to its own */

#define SB_ALLOCATOR_MAGIC UINT32_C(0x4c414253) /* "SBAL" as it lies in a little-endian file */
#define SB_WORKLOAD_MAGIC  UINT32_C(0x4c574253) /* "SBWL" */

/* The part of a descriptor that no version may move. */
struct sb_head {
    uint32_t magic;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t struct_size; /* sizeof the whole descriptor as the plugin was built */
    uint32_t option_size; /* sizeof(struct sb_option) likewise: the stride of its table */
};

SB_STATIC_ASSERT(sizeof(struct sb_head) == 16, "the descriptor's head is 16 bytes for ever");

#define SB_HEAD(kind_magic, type)                                                                                      \
    {                                                                                                                  \
        (kind_magic), SB_ABI_MAJOR, SB_ABI_MINOR, (uint32_t)sizeof(type), (uint32_t)sizeof(struct sb_option)           \
    }

/* How an option's text is read. Sizes, times and percentages must carry their unit. */
enum sb_option_kind {
    SB_OPTION_BOOL = 1, /* yes | no                         value.u is 1 or 0 */
    SB_OPTION_INT,      /* 12                               value.u */
    SB_OPTION_SIZE,     /* 4000B, 4KiB, 512MiB, 2GiB        value.u in bytes */
    SB_OPTION_TIME,     /* 300us, 200ms, 60s, 2min          value.u in nanoseconds */
    SB_OPTION_PERCENT,  /* 25%                              value.u in percent */
    SB_OPTION_ENUM,     /* one of `choices`                 value.u is its index */
    SB_OPTION_TEXT,     /* anything                         value.s, owned by the host while open */
    SB_OPTION_GFP,      /* GFP_KERNEL|__GFP_ZERO, since 1.6 value.u, a mask of SB_GFP_* */
};

/* One row of a plugin's option table: validates the INI, and is what `describe` prints. */
struct sb_option {
    const char *name;
    uint32_t kind; /* enum sb_option_kind */
    uint32_t reserved;
    const char *fallback;       /* the default, as the user would write it */
    uint64_t min, max;          /* inclusive; both 0 for kinds without a range */
    const char *const *choices; /* SB_OPTION_ENUM: ends with NULL */
    const char *help;           /* one sentence, no full stop */
};

/* An option's value; a plugin gets an array of these in the order of its table. */
union sb_value {
    uint64_t u;
    const char *s;
};

/* Where dump functions write their text. */
struct sb_sink {
    void *context;
    void (*write)(void *context, const char *text, size_t length);
};

/*
 * What the host lends an allocator, valid from open to close. `memory` is the machine's RAM, one
 * shared file mapped once: the direct map. It is aligned to 4 MiB, zero-filled and the same for every
 * allocator of a run. Allocators that take memory from the OS (SB_ALLOCATOR_OS_MEMORY) get none.
 */
struct sb_host {
    uint32_t struct_size;
    uint32_t nr_cpus;     /* CPU numbers run from 0 to nr_cpus - 1 */
    uint32_t nr_nodes;    /* NUMA nodes whose memory the direct map holds, in equal parts */
    int32_t memory_fd;    /* the file behind the direct map, for a second mapping; or -1 */
    void *memory;         /* the direct map, or NULL */
    uint64_t memory_size; /* its bytes, a multiple of 4 MiB */
    uint64_t seed;        /* of this trial */
    void *context;
    /* Says why the call in progress fails; thread-safe; the last text wins. */
    void (*fail)(void *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
    /* Since 1.1: each CPU's node, nr_cpus numbers below nr_nodes; NULL: all are on node 0. */
    const uint32_t *cpu_node;
    /* Since 1.7: nr_nodes rows, by node of a CPU, of nr_nodes distances, by node of memory, as ACPI's SLIT has them: 10
     * is local, 20 costs twice that. NULL: 10 and 20. */
    const uint32_t *node_distance;
};

SB_EXTERN_C_END

#endif
