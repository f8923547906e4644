/*
 * Traces made from recordings: allocations and frees by address, in the order of their times, become events by slot.
 * For one thread at a time. What a trace is stands in scullbench/trace.h.
 */
#ifndef SB_TRACE_BUILD_H
#define SB_TRACE_BUILD_H

#include "scullbench/trace.h"

struct sb_builder;

/* Addresses of different kinds of things may be the same numbers. */
enum sb_address_space { SB_OF_OBJECTS, SB_OF_PAGES, SB_OF_AREAS, SB_OF_PERCPU, SB_ADDRESS_SPACES };

/* Records wait in a file without a name beside `path`. NULL after a complaint. */
struct sb_builder *sb_builder_new(const char *path, enum sb_trace_source source);

/* The number of a cache by its name. */
uint32_t sb_builder_cache(struct sb_builder *b, const char *name, size_t length);

/* Allocations and frees of threads below 65536. A time that lies before the last one's counts as that. */
void sb_builder_alloc(struct sb_builder *b, uint64_t time_ns, uint32_t thread, enum sb_address_space space,
                      uint64_t address, const struct sb_trace_request *request);
/* False where nothing is known to live there. */
bool sb_builder_free(struct sb_builder *b, uint64_t time_ns, uint32_t thread, enum sb_address_space space,
                     uint64_t address);
/* realloc in two steps, with events of other threads between them: what lives at `from` leaves, if anything does; it
 * comes back at `to`, or, where that is 0, at `from` as it was. */
void sb_builder_leave(struct sb_builder *b, uint64_t time_ns, uint32_t thread, uint64_t from);
void sb_builder_arrive(struct sb_builder *b, uint64_t time_ns, uint32_t thread, uint64_t to,
                       const struct sb_trace_request *request);
/* Free of what lived before the recording began; counted alone. */
void sb_builder_unknown(struct sb_builder *b, enum sb_trace_kind kind);

/* The request of the block that lives there, or NULL; until the next call. */
const struct sb_trace_request *sb_builder_find(const struct sb_builder *b, enum sb_address_space space,
                                               uint64_t address);
/* That block's allocation, which was of pages, was a slab's. */
void sb_builder_is_slab(struct sb_builder *b, uint64_t pfn);

/* Threads in the order of their numbers get 0, 1, ...; all that lives is freed. The file is written beside `path` and
 * then renamed. 0, or a negative errno after a complaint. */
int sb_builder_finish(struct sb_builder *b, const char *title);
void sb_builder_discard(struct sb_builder *b);

#endif
