/*
 * A small seeded generator for plugins and host alike: SplitMix64 (Steele, Lea and Flood, OOPSLA
 * 2014). One multiply-xorshift chain a number, no state to share, every seed is a good one.
 */
#ifndef SCULLBENCH_RANDOM_H
#define SCULLBENCH_RANDOM_H

#include <stdint.h>

struct sb_random {
    uint64_t state;
};

static inline uint64_t sb_random_next(struct sb_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below `bound`, which is > 0. The bias is under bound / 2^64: nothing here can see it. */
static inline uint64_t sb_random_below(struct sb_random *random, uint64_t bound)
{
    return (uint64_t)((__extension__(unsigned __int128) sb_random_next(random) * bound) >> 64);
}

/* A generator of its own for part `stream` of whatever `seed` is for. */
static inline struct sb_random sb_random_fork(uint64_t seed, uint64_t stream)
{
    struct sb_random random = {seed ^ (stream * UINT64_C(0xd1342543de82ef95))};
    random.state = sb_random_next(&random);
    return random;
}

#endif
