/* Median and range. The median of an even number of samples is the mean of the middle two (R's type 7). */
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct sb_summary sb_summarise(double *samples, size_t n)
{
    struct sb_summary s = {n, NAN, NAN, NAN};
    if (!n)
        return s;
    qsort(samples, n, sizeof(*samples), by_value);
    s.median = n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
    s.min = samples[0];
    s.max = samples[n - 1];
    return s;
}
