/*
 * A growing array of any type: `SB_VEC(struct thing) things;`, or `struct things { SB_VEC_OF(struct thing);
 * };` where functions take it; zero-initialised. Running out of the host's own memory ends the process with a
 * message: nothing sensible can follow.
 */
#ifndef SB_BASE_VEC_H
#define SB_BASE_VEC_H

#include <stddef.h>

#define SB_VEC_OF(type)                                                                                                \
    type *at;                                                                                                          \
    size_t n, capacity
#define SB_VEC(type)                                                                                                   \
    struct {                                                                                                           \
        SB_VEC_OF(type);                                                                                               \
    }

void *sb_vec_grow(void *at, size_t *capacity, size_t n, size_t size);

/* The address of a new, zeroed element at the end. */
#define SB_VEC_ADD(vec)                                                                                                \
    ((vec)->at = sb_vec_grow((vec)->at, &(vec)->capacity, (vec)->n, sizeof(*(vec)->at)), &(vec)->at[(vec)->n++])

#define SB_VEC_FREE(vec)                                                                                               \
    do {                                                                                                               \
        free((vec)->at);                                                                                               \
        (vec)->at = NULL;                                                                                              \
        (vec)->n = (vec)->capacity = 0;                                                                                \
    } while (0)

#define SB_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
