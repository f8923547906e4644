/*
 * Accessors for device memory that sb_io_ops maps, in the kernel's two families.
 *
 * readb to writeq (include/asm-generic/io.h of Linux 6.1): one access of exactly the width, never merged, split or
 * dropped. ioread8 to iowrite64 (lib/iomap.c) take a port's cookie as well as an address, so each looks first which it
 * is; there are no ports here, so one is read as all ones and its writes go nowhere, as bad_io_access leaves it. The
 * _rep forms move `count` values between memory and one and the same address, as a FIFO wants it.
 *
 * Left out: ports; byte order, for the processors here are little-endian as devices mostly are; and the barriers that
 * order a device's accesses against memory (a `dmb` on arm64, none on x86): the device here is memory.
 *
 * Any thread may call; an address not mapped is a fault, as in the kernel.
 */
#ifndef SCULLBENCH_IO_H
#define SCULLBENCH_IO_H

#include <stddef.h>
#include <stdint.h>

/* Cookies below it are ports (PIO_RESERVED of lib/iomap.c). */
#define SB_PIO_RESERVED UINT64_C(0x40000)

static inline int sb_io_is_port(const volatile void *address)
{
    return (uintptr_t)address < SB_PIO_RESERVED;
}

#define SB_IO_ACCESSORS(suffix, bits)                                                                                  \
    static inline uint##bits##_t sb_read##suffix(const volatile void *address)                                         \
    {                                                                                                                  \
        return *(const volatile uint##bits##_t *)address;                                                              \
    }                                                                                                                  \
    static inline void sb_write##suffix(uint##bits##_t value, volatile void *address)                                  \
    {                                                                                                                  \
        *(volatile uint##bits##_t *)address = value;                                                                   \
    }                                                                                                                  \
    static inline uint##bits##_t sb_ioread##bits(const volatile void *address)                                         \
    {                                                                                                                  \
        return sb_io_is_port(address) ? (uint##bits##_t) - 1 : sb_read##suffix(address);                               \
    }                                                                                                                  \
    static inline void sb_iowrite##bits(uint##bits##_t value, volatile void *address)                                  \
    {                                                                                                                  \
        if (!sb_io_is_port(address))                                                                                   \
            sb_write##suffix(value, address);                                                                          \
    }                                                                                                                  \
    static inline void sb_ioread##bits##_rep(const volatile void *address, uint##bits##_t *values, size_t count)       \
    {                                                                                                                  \
        for (size_t i = 0; i < count; i++)                                                                             \
            values[i] = sb_ioread##bits(address);                                                                      \
    }                                                                                                                  \
    static inline void sb_iowrite##bits##_rep(volatile void *address, const uint##bits##_t *values, size_t count)      \
    {                                                                                                                  \
        for (size_t i = 0; i < count; i++)                                                                             \
            sb_iowrite##bits(values[i], address);                                                                      \
    }

SB_IO_ACCESSORS(b, 8)
SB_IO_ACCESSORS(w, 16)
SB_IO_ACCESSORS(l, 32)
SB_IO_ACCESSORS(q, 64)

#undef SB_IO_ACCESSORS

#endif
