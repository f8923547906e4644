/* scullp: quanta are whole pages, as __get_free_pages gives them. See scull.c. */
#include "scull.h"

#define PLUGIN_NAME "scullp"

static const struct sb_option options[SCULL_OPTIONS] = {
    [SCULL_QUANTUM_OR_ORDER] = {"order", SB_OPTION_INT, 0, "0", 0, SB_MAX_ORDER, NULL, "a quantum is 2^order pages"},
    SCULL_COMMON_OPTIONS};

static const struct scull_kind kind = {
    .name = PLUGIN_NAME,
    .want = SB_WANT_PAGES,
    .by_order = true,
    .slab_flags = 0,
};

SCULL_PLUGIN(kind, options, "scull with whole pages as quanta", "scullp of LDD3, chapter 8");
