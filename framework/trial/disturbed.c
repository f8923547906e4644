/*
 * Whether a trial could measure what it was asked to. One that couldn't is no result of its allocator, good
 * or bad: its status is `disturbed`, and the run makes it once more.
 *
 * Time is nobody's where a thread neither ran, nor was ready while others or the hypervisor had its CPU: a
 * machine that slept, a process that was stopped. A thread may also sleep by calls of its own, at a lock or
 * for memory to come back, which is the allocator's cost and no disturbance. The two are told apart by the
 * kernel's count of sleeps (none: the thread never gave up its CPU), by SIGCONT, which alone ends a stop, and
 * by the clock that goes on while the machine sleeps.
 */
#include "trial/inside.h"

#include "base/str.h"
#include "base/units.h"

#include <math.h>

double sb_trial_window_share(const struct trial *t)
{
    double shortest = INFINITY, longest = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        shortest = fmin(shortest, t->workers[i].closed_ns);
        longest = fmax(longest, t->workers[i].closed_ns);
    }
    /* Of a fixed number of operations nobody said how long they take: as long as whoever took longest. */
    double asked = t->spec->trial[SB_TRIAL_OPERATIONS].u ? longest : (double)t->spec->trial[SB_TRIAL_DURATION].u;
    return asked > 0 ? shortest / asked : 0;
}

/* Of one thread. What the hypervisor took is known of all CPUs together, in hundredths of a second. */
static double lost_share(const struct trial *t, const struct sb_usage *u)
{
    double stolen = t->watch.after.steal - t->watch.before.steal;
    double lost = u->wall - u->ran - u->waited - (stolen > 0 ? stolen : 0);
    /* Less is the time between readings of several clocks. */
    return lost > 100e-6 ? lost / u->wall : 0;
}

double sb_trial_lost_share(const struct trial *t)
{
    double most = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (!t->workers[i].usage.waited_known)
            return NAN;
        most = fmax(most, lost_share(t, &t->workers[i].usage));
    }
    return most;
}

static bool slept_by_itself(const struct trial *t, const struct sb_usage *u)
{
    /* Two clocks are read one after the other: less than this is the time in between. */
    const double telling = 0.001;
    return u->voluntary && !t->stops && u->suspended < telling;
}

static uint64_t operations_in_window(const struct trial *t)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        n += t->workers[i].closed_operations;
    return n;
}

char *sb_trial_disturbance(const struct trial *t)
{
    double window = sb_trial_window_share(t), limit = sb_share(t->spec->trial[SB_TRIAL_LOST_TIME]);
    if (window < SB_LEAST_WINDOW)
        return sb_printf("a thread was measured over %.3g %% of the window that was asked for, less than %g %%: "
                         "it was kept from its CPU when the window opened",
                         100 * window, 100 * SB_LEAST_WINDOW);
    /* Paced calls may all be parts of operations, and who serves none has a backlog to show. */
    if (!t->spec->trial[SB_TRIAL_RATE].u && !operations_in_window(t))
        return sb_strdup("not one operation was finished in the window: it was kept from its CPU, "
                         "or duration is too short for this workload");
    for (uint32_t i = 0; i < t->spec->threads && limit > 0; i++) {
        const struct sb_usage *u = &t->workers[i].usage;
        double lost = u->waited_known ? lost_share(t, u) : 0;
        if (lost > limit && !slept_by_itself(t, u))
            return sb_printf("for %.3g %% of the measured phase, more than lost_time = %g %%, "
                             "a thread neither ran nor waited for its CPU%s",
                             100 * lost, 100 * limit,
                             t->stops               ? ": the process was stopped"
                             : u->suspended > 0.001 ? ": the machine slept"
                                                    : "");
    }
    return NULL;
}
