/* Counting by the leading bits of a value. */
#include "measure/histogram.h"

#include <math.h>

/* Seven leading bits make a bucket 1/128 to 1/256 of its values wide, so that its middle is at most 0.4 %
   off; the whole is 42 KiB. */
enum { BITS = 7, LINEAR = 256, LAST_EXPONENT = 47 };
#define LONGEST (UINT64_C(1) << (LAST_EXPONENT + 1))

_Static_assert(SB_HISTOGRAM_BUCKETS == LINEAR + (LAST_EXPONENT - BITS) * (1 << BITS), "a bucket for every value");

size_t sb_histogram_index(uint64_t units)
{
    if (units < LINEAR)
        return units;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(units);
    if (exponent > LAST_EXPONENT)
        return SB_HISTOGRAM_BUCKETS - 1;
    uint64_t leading = units >> (exponent - BITS);
    return LINEAR + (exponent - BITS - 1) * (1U << BITS) + (leading - (1U << BITS));
}

double sb_histogram_value(size_t index)
{
    if (index < LINEAR)
        return (double)index;
    /* The middle of the bucket: no value is far from it, and none is always too low. */
    unsigned shift = (unsigned)((index - LINEAR) >> BITS) + 1;
    uint64_t leading = (1U << BITS) + ((index - LINEAR) & ((1U << BITS) - 1));
    return (double)(leading << shift) + (double)((UINT64_C(1) << shift) - 1) / 2;
}

void sb_histogram_add(struct sb_histogram *h, uint64_t units)
{
    h->counts[sb_histogram_index(units)]++;
    h->min = !h->n || units < h->min ? units : h->min;
    h->max = units > h->max ? units : h->max;
    h->n++;
}

void sb_histogram_add_longest(struct sb_histogram *h, uint64_t n)
{
    if (!n)
        return;
    h->counts[SB_HISTOGRAM_BUCKETS - 1] += n;
    h->min = h->n ? h->min : LONGEST;
    h->max = LONGEST;
    h->n += n;
}

void sb_histogram_merge(struct sb_histogram *into, const struct sb_histogram *from)
{
    if (!from->n)
        return;
    for (size_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->min = !into->n || from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    into->n += from->n;
}

/* Nearest rank: a value that was measured, never one between two. */
double sb_histogram_quantile(const struct sb_histogram *h, double share)
{
    uint64_t seen = 0, rank = (uint64_t)ceil(share * (double)h->n);
    /* Fewer than ten calls beyond it: another run would give another number. */
    if (!h->n || (share < 1 && (1 - share) * (double)h->n < 10 - 1e-6))
        return NAN;
    if (share >= 1)
        return h->max >= LONGEST ? (double)INFINITY : (double)h->max / SB_HISTOGRAM_UNITS;
    rank = rank ? rank : 1;
    for (size_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= rank && i == SB_HISTOGRAM_BUCKETS - 1 && h->max >= LONGEST)
            return INFINITY;
        if (seen >= rank)
            return fmin(fmax(sb_histogram_value(i), (double)h->min), (double)h->max) / SB_HISTOGRAM_UNITS;
    }
    return NAN;
}
