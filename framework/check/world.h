/*
 * An opened allocator with all its interfaces as lanes, blocks in numbered slots, and the operations on them:
 * what the properties are tried with. One process, one world.
 */
#ifndef SB_CHECK_WORLD_H
#define SB_CHECK_WORLD_H

#include "base/vec.h"

#include "plugin/plugin.h"
#include "scullbench/random.h"
#include "topology/topology.h"
#include "trial/physmem.h"

enum { SB_MAX_LANES = 16, SB_MAX_AREAS = 4, SB_SLOTS = 2048 };

enum sb_lane_kind { SB_LANE_SIZED, SB_LANE_CACHE, SB_LANE_PAGES, SB_LANE_PERCPU };

/* A way to blocks: an interface, or one cache. The same for every process that looks at the same plugin. */
struct sb_lane {
    enum sb_lane_kind kind;
    char name[16];        /* as operations are written */
    uint64_t size, align; /* of a cache's objects */
    uint64_t most;        /* bytes of a block */
    uint32_t flags;
    void *cache; /* in an opened world */
};
size_t sb_lanes_make(const struct sb_allocator *a, struct sb_lane lanes[SB_MAX_LANES]);

struct sb_op {
    uint64_t size;
    uint32_t slot, align;
    uint8_t lane, thread;
    bool free, zero;
};
struct sb_ops {
    SB_VEC_OF(struct sb_op);
};

/* What can be wrong, so that each property answers for its own alone. */
enum sb_fault {
    SB_FAULT_NONE,
    SB_FAULT_ALIGN,
    SB_FAULT_OVERLAP,
    SB_FAULT_CONTENTS,
    SB_FAULT_ZERO,
    SB_FAULT_USABLE,
    SB_FAULT_CHECK,
    SB_FAULT_SNAPSHOT,
    SB_FAULT_MEMORY,
    SB_FAULT_CRASH,   /* seen by the parent */
    SB_FAULT_MACHINE, /* none of the plugin's: what the check itself needs could not be had */
    SB_FAULTS
};
const char *sb_fault_name(enum sb_fault fault);

/* What a sequence is drawn for. */
struct sb_mix {
    bool threads;  /* operations are spread over two threads on two CPUs */
    bool big;      /* a few blocks are as large as their lane has them */
    uint64_t most; /* bytes of the others */
};
/* Bytes of a block of pages: all orders up to `most`, small ones nearly always. */
uint64_t sb_draw_pages(struct sb_random *random, uint64_t most);
void sb_ops_draw(struct sb_ops *ops, const struct sb_lane *lanes, size_t lane_count, const struct sb_mix *mix, size_t n,
                 uint64_t seed);
/* "a5:sized:100:64z@1 f5": a blank between two. NULL in `*why` where all could be read. */
char *sb_ops_print(const struct sb_ops *ops, const struct sb_lane *lanes);
void sb_ops_read(struct sb_ops *ops, const char *text, const struct sb_lane *lanes, size_t lane_count, char **why);

struct sb_block {
    char *areas[SB_MAX_AREAS]; /* one but for per-CPU blocks */
    uint32_t n;
    uint8_t lane;
    uint64_t asked, size,
        align; /* size: bytes that are ours, with what the allocator rounded up to where that is used */
    uint64_t tag;
    void *handle;
};

struct sb_world {
    const struct sb_plugin *plugin;
    const struct sb_allocator *a;
    const union sb_value *values;
    struct sb_topology *topology;
    struct sb_physmem memory;
    struct sb_host host;
    uint32_t *cpu_node, *distances; /* of the host */
    void *self;
    struct sb_lane lanes[SB_MAX_LANES];
    size_t lane_count;
    struct sb_block slots[SB_SLOTS];
    uint64_t live, live_bytes, tag, refused, served;
    uint64_t pages_bytes;                     /* free and held together, as a snapshot said first; 0: not yet */
    uint64_t proved;                          /* blocks whose contents were compared when they were freed */
    uint64_t aligned_refused, aligned_served; /* bits: alignments of sized allocations, by order */
    bool use_usable;                          /* blocks are filled up to what usable says */
    bool fill;                                /* with patterns, verified when freed */
    bool judge_align, judge_zero;
    bool ignore_overlap; /* where blocks lie is not looked at */
    struct sb_granules *granules;
    char said[256];      /* the plugin's own words, since they were last cleared */
    enum sb_fault fault; /* the first */
    char why[512];
    struct sb_helpers *helpers;
};

int sb_world_open(struct sb_world *w, const struct sb_plugin *plugin, const union sb_value *values, uint64_t memory,
                  uint64_t seed, char **why);
/* Opens the allocator again in the same memory, which is not cleared: an allocator mustn't rely on that but
 * once. */
int sb_world_open_allocator(struct sb_world *w);
/* Opens it in memory that is zero, as a fresh process would. */
int sb_world_open_afresh(struct sb_world *w);
void sb_world_close_allocator(struct sb_world *w);

/* One operation; w->fault says whether something is wrong. An allocation in a full slot, a free of an empty
 * one: nothing. */
void sb_world_do(struct sb_world *w, const struct sb_op *op);
void sb_world_free_all(struct sb_world *w);
/* Whether a live block has one of these bytes. */
bool sb_world_lives(const struct sb_world *w, const char *at, uint64_t size);
/* `size` bytes, at least 1. */
bool sb_is_zero(const char *at, uint64_t size);
/* Verifies all that lives. */
void sb_world_verify(struct sb_world *w);
/* Whether all that lives lies in the machine's memory, or in a second mapping of it. */
void sb_world_judge_memory(struct sb_world *w);
void sb_world_fail(struct sb_world *w, enum sb_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs `function(argument)` on helper thread 0 or 1, each pinned to a CPU of its own where there are two, and
 * waits. */
void sb_world_on_thread(struct sb_world *w, unsigned thread, void (*function)(void *), void *argument);

#endif
