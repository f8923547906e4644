/*
 * scullp: quanta are whole pages, as __get_free_pages gives them. See scull.c; device.c for mmap, which LDD3 announces
 * in chapter 8 and has in 15 (scullp_vma_nopage).
 */
#include "scull.h"

#define PLUGIN_NAME "scullp"

static const struct sb_option options[SCULL_OPTIONS + 1] = {
    [SCULL_QUANTUM_OR_ORDER] = {"order", SB_OPTION_INT, 0, "0", 0, SB_MAX_ORDER, NULL, "a quantum is 2^order pages"},
    SCULL_COMMON_OPTIONS[SCULL_MMAP] = {
        "mmap", SB_OPTION_BOOL, 0, "no", 0, 0, NULL,
        "each device is read through a user's mapping, to which a quantum's page is added at the first read; "
        "of order 0 alone, as the driver has it"}};

static const struct scull_kind kind = {
    .name = PLUGIN_NAME,
    .want = SB_WANT_PAGES,
    .by_order = true,
    .maps = true,
    .slab_flags = 0,
};

static const struct sb_alias aliases[] = SCULL_ALIASES(PLUGIN_NAME, "order");

SCULL_PLUGIN(kind, options, aliases, PLUGIN_NAME "mem maps", "scull with whole pages as quanta",
             "scullp of LDD3, chapter 8");
