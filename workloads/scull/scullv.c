/* scullv: quanta are page multiples contiguous in virtual space, as vmalloc gives them. See scull.c. */
#include "scull.h"

#define PLUGIN_NAME "scullv"

static const struct sb_option options[SCULL_OPTIONS] = {
    [SCULL_QUANTUM_OR_ORDER] = {"order", SB_OPTION_INT, 0, "4", 0, SB_MAX_ORDER, NULL,
                                "a quantum is 2^order pages: 16, as in LDD3"},
    SCULL_COMMON_OPTIONS};

static const struct scull_kind kind = {
    .name = PLUGIN_NAME,
    .want = SB_WANT_VIRTUAL,
    .by_order = true,
    .slab_flags = 0,
};

static const struct sb_alias aliases[] = SCULL_ALIASES(PLUGIN_NAME, "order");

SCULL_PLUGIN(kind, options, aliases, PLUGIN_NAME "mem",
             "scull with quanta contiguous in virtual space, 16 pages at a time", "scullv of LDD3, chapter 8");
