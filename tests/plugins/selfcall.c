/*
 * Malloc libraries that reach themselves by their public names, as most small ones do, one way each, chosen
 * by CALLS when this file is built. `selfcall_entered` counts how often the name that is called was reached.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MEMALIGN = 1, POSIX, REALLOC, CALLOC };

/* glibc's own, under names that nobody else has. */
void *__libc_malloc(size_t size);                 /* NOLINT */
void *__libc_calloc(size_t n, size_t size);       /* NOLINT */
void *__libc_realloc(void *block, size_t size);   /* NOLINT */
void *__libc_memalign(size_t align, size_t size); /* NOLINT */
void __libc_free(void *block);                    /* NOLINT */

void *memalign(size_t align, size_t size);

#define EXPORT __attribute__((visibility("default")))

EXPORT unsigned long selfcall_entered;

#if CALLS == CALLOC
/* A pool whose free knows its own blocks and ends the process at another's. */
enum { SLOT = 8192, SLOTS = 4096 };
static char pool[SLOT * SLOTS] __attribute__((aligned(4096)));
static size_t next_free[SLOTS], first_free, used;

static void *take(void)
{
    size_t i = first_free ? first_free - 1 : used < SLOTS ? used++ : SLOTS;
    if (i == SLOTS)
        return NULL;
    if (first_free)
        first_free = next_free[i];
    return pool + i * SLOT;
}

EXPORT void *malloc(size_t size)
{
    selfcall_entered++;
    return size <= SLOT ? take() : NULL;
}

EXPORT void *calloc(size_t n, size_t size)
{
    void *block = malloc(n * size);
    if (block)
        memset(block, 0, n * size);
    return block;
}

EXPORT void *memalign(size_t align, size_t size)
{
    return align <= 4096 && size <= SLOT ? take() : NULL;
}

EXPORT void free(void *block)
{
    if (!block)
        return;
    size_t i = (size_t)((char *)block - pool) / SLOT;
    if ((char *)block < pool || i >= SLOTS)
        abort();
    next_free[i] = first_free;
    first_free = i + 1;
}

#else

EXPORT void *memalign(size_t align, size_t size)
{
    selfcall_entered += CALLS == MEMALIGN;
    return __libc_memalign(align, size);
}

EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    selfcall_entered += CALLS == POSIX;
    *block = __libc_memalign(align, size);
    return *block ? 0 : 12;
}

EXPORT void *realloc(void *block, size_t size)
{
    selfcall_entered += CALLS == REALLOC;
    return __libc_realloc(block, size);
}

EXPORT void *malloc(size_t size)
{
    void *block = NULL;
    if (CALLS == MEMALIGN)
        return memalign(16, size);
    if (CALLS == REALLOC)
        return realloc(NULL, size);
    return posix_memalign(&block, 16, size) ? NULL : block;
}

EXPORT void *calloc(size_t n, size_t size)
{
    return __libc_calloc(n, size);
}

EXPORT void free(void *block)
{
    __libc_free(block);
}
#endif

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}
