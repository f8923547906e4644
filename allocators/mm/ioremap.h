/*
 * Accessors for device memory mapped by sb_ioremap: one access of exactly the width, never merged, split or
 * dropped, as the kernel's readb and writel (include/asm-generic/io.h). The barriers that order a device's
 * accesses against memory are left out: the device here is memory.
 */
#ifndef SB_MM_IOREMAP_H
#define SB_MM_IOREMAP_H

#include <stdint.h>

#define SB_IO_ACCESSORS(suffix, type)                                                                                  \
    static inline type sb_read##suffix(const volatile void *address)                                                   \
    {                                                                                                                  \
        return *(const volatile type *)address;                                                                        \
    }                                                                                                                  \
    static inline void sb_write##suffix(type value, volatile void *address)                                            \
    {                                                                                                                  \
        *(volatile type *)address = value;                                                                             \
    }

SB_IO_ACCESSORS(b, uint8_t)
SB_IO_ACCESSORS(w, uint16_t)
SB_IO_ACCESSORS(l, uint32_t)
SB_IO_ACCESSORS(q, uint64_t)

#endif
