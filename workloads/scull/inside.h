/* Shared by the files of the scull library: the device, the stream that works on it, and their steps. */
#ifndef SB_SCULL_INSIDE_H
#define SB_SCULL_INSIDE_H

#include "scull.h"

#include "scullbench/random.h"

enum { SCULL_MAX_BATCH = 512 };

/* In the order of scull_counters. */
enum { COUNT_WRITES, COUNT_READS, COUNT_OVERWRITES, COUNT_COPIES, COUNT_TRIMS, COUNT_ITEMS, COUNT_QSETS };

/* struct scull_qset of LDD3. */
struct item {
    void **data;
    struct item *next;
};
_Static_assert(sizeof(struct item) == 16, "a list item is two words, as scull's");

struct device {
    struct item *list;
    uint64_t quanta;  /* written so far, from the start */
    uint64_t trimmed; /* quanta of the items that a trim under way has freed already */
    uint32_t *shifts; /* per quantum: what its contents are shifted by */
    char *view;       /* a user's mapping of the whole device, with mmap; pages come into it at the first read */
    bool *viewed;     /* per quantum: it is in the view */
    bool looked;      /* one of them is */
};

struct geometry {
    uint64_t quantum, qset, devices, device_size;
    uint64_t quanta;                    /* of a device */
    uint64_t written;                   /* of them, in a cycle */
    uint64_t reads, overwrites, copies; /* per device; copies per pair */
    uint32_t batch;
    sb_gfp_t gfp;
    enum scull_touch touch;
};

struct scull {
    const struct scull_kind *kind;
    const struct sb_bench *bench;
    struct geometry g;
    struct sb_source quanta, items, qsets;
    bool maps;    /* devices are read through their views */
    bool aliases; /* the allocator's blocks don't keep their contents: our lists live elsewhere */
    bool compare; /* every read is compared with the source */
    char *source; /* source_length bytes, then as much again as a quantum, so that no copy wraps */
    uint64_t source_length;
    struct stream **streams;
};

enum phase { PHASE_WRITE, PHASE_READ, PHASE_OVERWRITE, PHASE_CLEAR, PHASE_COPY, PHASE_TRIM, PHASES };

/* One thread's work: where in the cycle it stands. */
struct stream {
    struct scull *scull;
    uint32_t thread;
    struct device *devices;
    struct sb_random random;
    struct sb_sampler sampler;
    enum phase phase;
    uint64_t device;  /* under work */
    uint64_t done;    /* quanta of the phase on this device */
    uint64_t trim_at; /* index into the first item's array */
    char *buffer;     /* the user's: one quantum */
    uint64_t live_quanta, live_items, live_qsets;
    struct item *own_items; /* stand-ins while aliases */
    void **own_data;
};

/* n write calls on neighbouring quanta from `first`. -ENOMEM when the allocator gave NULL; what it gave is written. */
int scull_write_quanta(struct stream *stream, uint64_t device, uint64_t first, uint32_t n, struct sb_counts *counts);
/* n read calls; each copies a quantum to the user's buffer. -EBADMSG where one does not hold what was written. */
int scull_read_quanta(struct stream *stream, uint64_t device, uint64_t first, uint32_t n, struct sb_counts *counts);
/* Frees up to a batch of quanta of a device's first item, then the item itself; `*left` says whether there was one. */
int scull_trim_some(struct stream *stream, uint64_t device, bool *left, struct sb_counts *counts);
/* Every byte that writes have left in a quantum at `found`; -EBADMSG where one is another. */
int scull_prove_quantum(const struct stream *stream, uint64_t device, uint64_t quantum, const char *found);
/* A user's mapping of each of the stream's devices, with nothing in it; and away with them. -ENOMEM. */
int scull_open_views(struct stream *stream);
void scull_close_views(struct stream *stream);
/* How many calls the step now under way may make. */
uint64_t scull_batch_of(const struct scull *s);

#endif
