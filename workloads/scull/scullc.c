/* scullc: quanta are objects of a lookaside cache, aligned to the cache line. See scull.c. */
#include "scull.h"

#define PLUGIN_NAME "scullc"

static const struct sb_option options[SCULL_OPTIONS] = {
    [SCULL_QUANTUM_OR_ORDER] = {"quantum", SB_OPTION_SIZE, 0, "4000B", 8, UINT64_C(4) << 20, NULL,
                                "bytes of a quantum: the object size of the cache"},
    SCULL_COMMON_OPTIONS};

static const struct scull_kind kind = {
    .name = PLUGIN_NAME,
    .want = SB_WANT_CACHE,
    .by_order = false,
    .slab_flags = SB_SLAB_HWCACHE_ALIGN,
};

static const struct sb_alias aliases[] = SCULL_ALIASES(PLUGIN_NAME, "quantum");

SCULL_PLUGIN(kind, options, aliases, PLUGIN_NAME "mem", "scull with quanta from a lookaside cache",
             "scullc of LDD3, chapter 8");
