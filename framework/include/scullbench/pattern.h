/*
 * What a workload writes into its blocks, and finds there again: so that contents that changed are noticed. The tag is
 * the block's own address: a block given out twice still holds it, so overlaps are left to the host. Blocks of the same
 * address and size always get the same bytes. Any thread may write and look.
 */
#ifndef SCULLBENCH_PATTERN_H
#define SCULLBENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum sb_touch {
    SB_TOUCH_NONE,
    SB_TOUCH_FIRST, /* 8 bytes, or all that there are */
    SB_TOUCH_FULL,
};

/* As an option has them, in the order of the enum. */
#define SB_TOUCH_CHOICES                                                                                               \
    {                                                                                                                  \
        "none", "first", "full", NULL                                                                                  \
    }

#define SB_PATTERN_TAG sizeof(uint64_t)

static inline unsigned char sb_pattern_byte(const void *block)
{
    return (unsigned char)((uintptr_t)block >> 4);
}

static inline void sb_pattern_write(void *block, size_t size, enum sb_touch touch)
{
    uint64_t tag = (uintptr_t)block;
    if (touch == SB_TOUCH_FULL)
        memset(block, sb_pattern_byte(block), size);
    /* Of a fixed length a store, else a call. */
    if (touch != SB_TOUCH_NONE && size >= SB_PATTERN_TAG)
        memcpy(block, &tag, SB_PATTERN_TAG);
    else if (touch != SB_TOUCH_NONE)
        memcpy(block, &tag, size);
}

/* Whether all is there that was written. */
static inline bool sb_pattern_holds(const void *block, size_t size, enum sb_touch touch)
{
    const unsigned char *bytes = (const unsigned char *)block;
    uint64_t tag = (uintptr_t)block;
    if (touch != SB_TOUCH_NONE && memcmp(block, &tag, size < SB_PATTERN_TAG ? size : SB_PATTERN_TAG))
        return false;
    if (touch != SB_TOUCH_FULL || size <= SB_PATTERN_TAG)
        return true;
    /* The first byte behind the tag is right, and each further one is as the one before it. */
    return bytes[SB_PATTERN_TAG] == sb_pattern_byte(block) &&
           !memcmp(bytes + SB_PATTERN_TAG, bytes + SB_PATTERN_TAG + 1, size - SB_PATTERN_TAG - 1);
}

#endif
