/*
 * From what a trial's phases left behind to its metrics. A number that can't be had is said not to be
 * available, with the reason.
 */
#include "measure/frag.h"
#include "trial/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void metric(struct trial *t, enum sb_metric_id id, double value)
{
    sb_write_metric(t->out, id, value);
}

static void unavailable(struct trial *t, enum sb_metric_id id, const char *reason)
{
    sb_write_unavailable(t->out, sb_metric_rows[id].name, reason);
}

/* A number, or why there is none. */
static void number_or(struct trial *t, enum sb_metric_id id, bool have, double value, const char *reason)
{
    if (have)
        metric(t, id, value);
    else
        unavailable(t, id, reason);
}

/* The timing of one kind of call. */
struct timing {
    enum sb_metric_id id, batch;
    uint64_t ticks, batches, calls;
    bool made; /* such calls were made at all */
};

/*
 * With the length of a batch beside it: one shorter than a hundred steps of the clock is known to no better
 * than a percent. Reports refuse the cell then, by the median of its processes: refusing single processes
 * would leave the slow ones. Never below zero: for very cheap calls the clock's cost can exceed what was
 * timed.
 */
static void report_timing(struct trial *t, const struct timing *k)
{
    double ns = (double)k->ticks * t->clock->ns_per_tick;
    if (!k->made) {
        unavailable(t, k->id, "no such call was made in the measured phase");
    } else if (!k->batches) {
        unavailable(t, k->id,
                    k->calls ? "the workload doesn't time these calls apart from what it does between them"
                             : "all calls were timed one by one: see their histogram");
    } else {
        double own = ns - (double)k->batches * t->clock->cost_ns;
        metric(t, k->id, own > 0 ? own / (double)k->calls : 0.0);
        metric(t, k->batch, ns / (double)k->batches);
    }
}

static void report_calls(struct trial *t, const struct sb_counts *sum)
{
    /* A NULL costs time as well: what is timed is the call, whatever comes of it. */
    uint64_t calls = sum->attempts ? sum->attempts : sum->allocs;
    /* Calls that were timed one by one carry the clock's cost and its pauses: batches are without them. */
    struct timing alloc = {SB_METRIC_ALLOC_NS, SB_METRIC_ALLOC_NS_BATCH,    sum->alloc_ticks,
                           sum->alloc_batches, calls - sum->sampled_allocs, calls > 0};
    struct timing release = {SB_METRIC_FREE_NS, SB_METRIC_FREE_NS_BATCH,         sum->free_ticks,
                             sum->free_batches, sum->frees - sum->sampled_frees, sum->frees > 0};
    report_timing(t, &alloc);
    report_timing(t, &release);
    if (sum->alloc_batches)
        metric(t, SB_METRIC_ALLOCS_PER_BATCH, (double)alloc.calls / (double)sum->alloc_batches);
    if (sum->attempts)
        metric(t, SB_METRIC_SUCCESS, 100 * (double)sum->allocs / (double)sum->attempts);
    metric(t, SB_METRIC_ALLOCS, (double)sum->allocs);
    metric(t, SB_METRIC_FREES, (double)sum->frees);
    for (uint32_t i = 0; i < t->workload->workload.counter_count; i++)
        sb_write_count(t->out, t->workload->workload.counters[i], "calls", (double)sum->counters[i]);
}

static void report_measures(struct trial *t)
{
    const struct sb_workload *w = &t->workload->workload;
    for (uint64_t i = 0; i < w->measure_count; i++) {
        if (isnan(t->measures[i]))
            sb_write_unavailable(t->out, w->measures[i].name, "the workload could not tell");
        else
            sb_write_count(t->out, w->measures[i].name, w->measures[i].unit, t->measures[i]);
    }
}

/* Percentiles of this process alone; reports merge the histograms of all. */
static void report_latencies(struct trial *t)
{
    static const struct {
        const char *name, *what;
        enum sb_metric_id timed, p50;
    } kinds[SB_HISTOGRAMS] = {
        [SB_CALL_ALLOC] = {"alloc", "service time of a call", SB_METRIC_ALLOCS_TIMED, SB_METRIC_ALLOC_P50},
        [SB_CALL_FREE] = {"free", "service time of a call", SB_METRIC_FREES_TIMED, SB_METRIC_FREE_P50},
        [SB_RESPONSE] = {"response", "response time from when a call was due", SB_METRIC_RESPONSES_TIMED,
                         SB_METRIC_RESPONSE_P50},
    };
    /* In the order of a kind's rows. */
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
    _Static_assert(SB_METRIC_ALLOC_MAX - SB_METRIC_ALLOC_P50 + 1 == SB_COUNT(shares), "each percentile has a row");
    struct sb_histogram *sum = sb_calloc(1, sizeof(*sum));
    for (size_t k = 0; k < SB_HISTOGRAMS && t->workers[0].histograms; k++) {
        *sum = (struct sb_histogram){0};
        for (uint32_t i = 0; i < t->spec->threads; i++)
            sb_histogram_merge(sum, &t->workers[i].histograms[k]);
        if (!sum->n)
            continue;
        for (size_t i = 0; i < SB_COUNT(shares); i++) {
            /* Beside the histogram for whoever reads the database with SQL alone. */
            double value = sb_histogram_quantile(sum, shares[i]);
            bool known = !isnan(value) && !isinf(value);
            number_or(t, (enum sb_metric_id)(kinds[k].p50 + i), known, value,
                      isnan(value) ? "fewer than ten samples lie beyond it" : "calls of that rank were never begun");
        }
        metric(t, kinds[k].timed, (double)sum->n);
        sb_write_latencies(t->out, kinds[k].name, kinds[k].what, sum);
    }
    free(sum);
}

static void report_paced(struct trial *t)
{
    uint64_t backlog = 0, served = 0;
    if (!t->spec->trial[SB_TRIAL_RATE].u)
        return;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        backlog += t->workers[i].backlog;
        served += t->workers[i].histograms[SB_RESPONSE].n;
    }
    metric(t, SB_METRIC_BACKLOG, (double)backlog);
    /* A queue that grows has no steady response time: its percentiles are the window's length in other
       words. */
    if (backlog > served / 100) {
        sb_write_warning(t->out, "calls were due faster than they were served; "
                                 "response times grow with the length of the measured phase: lower the rate");
    }
}

static void report_warmup(struct trial *t)
{
    double longest = 0, spread = 0;
    bool steady = true;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        /* Threads measure from the moment in which the last of them is warm. */
        longest = fmax(longest, t->workers[i].warmup_ns);
        spread = fmax(spread, t->workers[i].spread);
        steady &= t->workers[i].steady;
    }
    metric(t, SB_METRIC_WARMUP_NS, longest);
    if (!t->spec->trial[SB_TRIAL_STEADY].u || !t->spec->trial[SB_TRIAL_WARMUP].u) {
        unavailable(t, SB_METRIC_STEADY, "no warm-up was asked for, or steady = off");
        return;
    }
    metric(t, SB_METRIC_STEADY, steady);
    if (spread > 0)
        metric(t, SB_METRIC_WARMUP_VARIATION, 100 * spread);
    else
        unavailable(t, SB_METRIC_WARMUP_VARIATION,
                    "too few whole cycles of the workload fit into the warm-up: raise warmup_limit");
}

/* Whose the time of the measured phase was, if not the workers'. */
static void report_time(struct trial *t)
{
    static const char no_stat[] = "/proc/stat lacks these CPUs";
    static const char no_wait[] = "the kernel doesn't tell how long threads wait for a CPU (CONFIG_SCHED_INFO)";
    double waited = 0, lost = sb_trial_lost_share(t);
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        const struct sb_usage *u = &t->workers[i].usage;
        waited = fmax(waited, u->wall > 0 ? u->waited / u->wall : 0);
    }
    metric(t, SB_METRIC_SHORTEST_WINDOW, 100 * sb_trial_window_share(t));
    /* The thread's that had most of it. */
    number_or(t, SB_METRIC_WAITED_FOR_CPU, !isnan(lost), 100 * waited, no_wait);
    number_or(t, SB_METRIC_LOST_TIME, !isnan(lost), 100 * lost, no_wait);
    /* As a share, and in seconds: shares of trials of different lengths can't be added up. */
    double others = sb_watch_others(&t->watch, t->spec->threads), steal = sb_watch_steal(&t->watch, t->spec->threads);
    number_or(t, SB_METRIC_OTHERS_CPU, !isnan(others), others, no_stat);
    number_or(t, SB_METRIC_STEAL, !isnan(steal), steal, no_stat);
    double seconds = (t->watch.wall_after - t->watch.wall_before) * t->spec->threads / 100;
    if (!isnan(others))
        metric(t, SB_METRIC_OTHERS_CPU_S, others * seconds);
    if (!isnan(steal))
        metric(t, SB_METRIC_STEAL_S, steal * seconds);
}

/* Its cost is in no rate where it runs on other CPUs, and hides in it where it runs on the workers'. */
static void report_foreign_threads(struct trial *t)
{
    /* Less is the time between two readings of clocks. */
    const double telling = 1;
    double foreign = sb_watch_foreign_threads(&t->watch);
    metric(t, SB_METRIC_ALLOCATOR_THREADS_CPU, foreign);
    if (foreign > telling)
        sb_write_warning(t->out, "threads that the allocator itself started ran while it was measured (metric "
                                 "allocator_threads_cpu): what they did is in no operation's time, "
                                 "and on the trial's CPUs they took time from the workers");
}

/* Beside a rate that depends on who meets whom. */
static void report_start_phases(struct trial *t)
{
    struct sb_series series = {.at = sb_calloc(t->spec->threads, sizeof(*series.at)), .n = t->spec->threads};
    sb_series_name(&series, SB_METRIC_START_PHASE, 0);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        series.at[i] = (struct sb_point){i, 100 * t->workers[i].start_phase};
    if (t->spec->threads > 1)
        sb_write_series(t->out, &series);
    sb_series_free(&series);
}

static void report_distance(struct trial *t)
{
    static const char one[] = "one thread has no other to be far from";
    number_or(t, SB_METRIC_CPU_DISTANCE_NS, t->distance_ns > 0, t->distance_ns, one);
    number_or(t, SB_METRIC_CPU_DISTANCE_END_NS, t->distance_end_ns > 0, t->distance_end_ns, one);
}

/* Reports the machine's doings beside, and to, the measured threads. */
static void report_watch(struct trial *t)
{
    struct sb_usage sum = {0};
    double operations = 0, degrees = sb_temperature();
    report_time(t);
    report_foreign_threads(t);
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        const struct sb_usage *u = &t->workers[i].usage;
        sum.minor_faults += u->minor_faults;
        sum.major_faults += u->major_faults;
        sum.voluntary += u->voluntary;
        sum.involuntary += u->involuntary;
        sum.migrations += u->migrations;
        sum.user += u->user;
        sum.system += u->system;
        operations += (double)t->workers[i].counts.operations;
    }
    metric(t, SB_METRIC_INVOLUNTARY_SWITCHES, (double)sum.involuntary);
    metric(t, SB_METRIC_VOLUNTARY_SWITCHES, (double)sum.voluntary);
    metric(t, SB_METRIC_MIGRATIONS, (double)sum.migrations);
    metric(t, SB_METRIC_PAGE_FAULTS, (double)(sum.minor_faults + sum.major_faults));
    metric(t, SB_METRIC_MAJOR_FAULTS, (double)sum.major_faults);
    if (operations > 0)
        metric(t, SB_METRIC_PAGE_FAULTS_PER_OP, (double)(sum.minor_faults + sum.major_faults) / operations);
    metric(t, SB_METRIC_USER_TIME, sum.user);
    metric(t, SB_METRIC_SYSTEM_TIME, sum.system);
    number_or(t, SB_METRIC_TEMPERATURE, !isnan(degrees), degrees, "the machine shows no sensor");
}

/* A window that ends within the first cycle weighs its phases unequally, and may miss what is done rarely. */
static void warn_of_short_window(struct trial *t)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        if (t->workers[i].closed_operations < least)
            least = t->workers[i].closed_operations;
    }
    /* A tenth of a cycle more or less is a percent then. */
    if (least >= 10 * t->needs.cycle_operations)
        return;
    sb_write_warning(t->out, least >= t->needs.cycle_operations
                                 ? "the measured phase held fewer than ten whole cycles of the workload; "
                                   "where in a cycle it ends moves the rate by some percent: "
                                   "raise duration, or make the cycle shorter"
                                 : "the measured phase held less than one whole cycle of the workload, "
                                   "so its parts weigh unequally: raise duration, or make the devices smaller");
}

static void report_rates(struct trial *t)
{
    struct sb_counts sum = {0};
    double operations = 0, bytes = 0, longest = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++) {
        const struct worker *w = &t->workers[i];
        /* Each thread by its own time: they don't stop at the same instant, and the sum of their rates
           is the machine's. */
        operations += (double)w->closed_operations / w->closed_ns * 1e9;
        bytes += (double)w->closed_bytes / w->closed_ns * 1e9;
        longest = w->closed_ns > longest ? w->closed_ns : longest;
        sum.operations += w->counts.operations;
        sum.bytes += w->counts.bytes;
        sum.allocs += w->counts.allocs;
        sum.attempts += w->counts.attempts;
        sum.sampled_allocs += w->counts.sampled_allocs;
        sum.sampled_frees += w->counts.sampled_frees;
        sum.alloc_ticks += w->counts.alloc_ticks;
        sum.alloc_batches += w->counts.alloc_batches;
        sum.frees += w->counts.frees;
        sum.free_ticks += w->counts.free_ticks;
        sum.free_batches += w->counts.free_batches;
        for (uint32_t c = 0; c < SB_MAX_COUNTERS; c++)
            sum.counters[c] += w->counts.counters[c];
    }
    if (t->partner) {
        sb_pair_report(t);
        unavailable(t, SB_METRIC_BYTES_PER_S, "mode = paired counts operations alone");
    } else if (t->spec->trial[SB_TRIAL_RATE].u) {
        static const char paced[] = "calls were paced: their rate is what was asked for; see their response times";
        if (operations > 0)
            metric(t, SB_METRIC_PACED_OPS_PER_S, operations);
        else
            unavailable(t, SB_METRIC_PACED_OPS_PER_S, "the calls of the window finished not one operation");
        unavailable(t, SB_METRIC_OPS_PER_S, paced);
        unavailable(t, SB_METRIC_BYTES_PER_S, paced);
    } else {
        metric(t, SB_METRIC_OPS_PER_S, operations);
        metric(t, SB_METRIC_BYTES_PER_S, bytes);
    }
    metric(t, SB_METRIC_OPERATIONS, (double)sum.operations);
    /* The measured length, whatever duration asked for. */
    metric(t, SB_METRIC_WINDOW_NS, longest);
    if (!t->partner)
        warn_of_short_window(t);
    report_calls(t, &sum);
    report_measures(t);
}

/* An event over all threads. */
struct event_sum {
    double value;
    double running; /* the smallest share of its time for which any thread's counter was on the hardware */
    bool counted;
};

/* Each thread's own value stays to be looked at, as a series over the threads. */
static struct event_sum sum_event(struct trial *t, size_t event)
{
    const struct sb_pmu_event *e = &t->pmu.at[event];
    struct event_sum sum = {0, 1, true};
    /* struct sb_series owns its texts elsewhere; here they are borrowed, and only written out. */
    char unit[] = "events";
    struct sb_series series = {e->name, unit, 0, sb_calloc(t->spec->threads, sizeof(*series.at)), 0, 0};
    for (uint32_t i = 0; i < t->spec->threads && sum.counted; i++) {
        const struct sb_pmu_reading *r = &t->workers[i].readings[event];
        sum.counted = t->workers[i].counted[event];
        if (!sum.counted) {
            sb_write_unavailable(t->out, e->name,
                                 t->workers[i].opened[event]
                                     ? "not counted: the counter was never scheduled on the hardware"
                                     : "not counted: a thread could not open it (too many open files or counters)");
            break;
        }
        /* Multiplexed counters are on the hardware for part of the time, and extrapolated. */
        double running = (double)r->running_ns / (double)r->enabled_ns;
        series.at[series.n++] = (struct sb_point){i, sb_pmu_scaled(r)};
        sum.value += sb_pmu_scaled(r);
        sum.running = fmin(sum.running, running);
    }
    if (sum.counted && t->spec->threads > 1)
        sb_write_series(t->out, &series);
    free(series.at);
    return sum;
}

static void warn_of_event(struct trial *t, const struct sb_pmu_event *e, const struct event_sum *sum)
{
    char *text = NULL;
    if (e->user_only) {
        text = sb_printf("%s counts user mode only: the kernel doesn't allow more (perf_event_paranoid)", e->name);
        sb_write_warning(t->out, text);
        free(text);
    }
    if (sum->running < 1) {
        text = sb_printf("%s was counted only part of the time and scaled up (metric %s:running says how much): "
                         "ask for fewer events at once",
                         e->name, e->name);
        sb_write_warning(t->out, text);
        free(text);
    }
}

/* At the same times: in one group, or both all the time. */
static bool counted_together(const struct trial *t, const struct event_sum *sums, size_t a, size_t b)
{
    if (t->pmu.at[a].group && t->pmu.at[a].group == t->pmu.at[b].group)
        return true;
    return sums[a].running >= 1 && sums[b].running >= 1;
}

/* Per operation and per thousand instructions, each beside the number it comes from. */
static void derive(struct trial *t, const struct sb_pmu_event *e, double value, double operations, double instructions)
{
    /* Counts of a window mean nothing by themselves: faster allocators do more in it. */
    char *each = sb_printf("%s/op", e->name), *kilo = sb_printf("%s/kinst", e->name);
    if (operations > 0)
        sb_write_count(t->out, each, "events per operation", value / operations);
    if (instructions > 0 && e->role != SB_ROLE_INSTRUCTIONS)
        sb_write_count(t->out, kilo, "events per thousand instructions", 1000 * value / instructions);
    free(each);
    free(kilo);
}

/* A ratio of two counts is one only where both were counted at the same times. */
static void report_ipc(struct trial *t, const struct event_sum *sums, size_t cycles, size_t instructions)
{
    if (cycles == SIZE_MAX || instructions == SIZE_MAX)
        return;
    if (counted_together(t, sums, cycles, instructions))
        metric(t, SB_METRIC_IPC, sums[instructions].value / sums[cycles].value);
    else
        unavailable(t, SB_METRIC_IPC,
                    "cycles and instructions were counted at different times: write them as a group, "
                    "{perf::CYCLES, perf::INSTRUCTIONS}");
}

static void report_events(struct trial *t)
{
    struct event_sum *sums = sb_calloc(t->pmu.n, sizeof(*sums));
    size_t cycles = SIZE_MAX, instructions = SIZE_MAX;
    double operations = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        operations += (double)t->workers[i].counts.operations;
    for (size_t i = 0; i < t->pmu.n; i++) {
        const struct sb_pmu_event *e = &t->pmu.at[i];
        /* The machine's reason, found at plan time; or this process's. */
        if (e->reason) {
            sb_write_unavailable(t->out, e->name, e->reason);
            continue;
        }
        if (e->hardware && t->spec->trial[SB_TRIAL_RATE].u) {
            sb_write_unavailable(t->out, e->name,
                                 "calls were paced, and the waiting between them would be counted too: "
                                 "leave rate out to count");
            continue;
        }
        sums[i] = sum_event(t, i);
        if (!sums[i].counted)
            continue;
        cycles = e->role == SB_ROLE_CYCLES ? i : cycles;
        instructions = e->role == SB_ROLE_INSTRUCTIONS ? i : instructions;
    }
    for (size_t i = 0; i < t->pmu.n; i++) {
        const struct sb_pmu_event *e = &t->pmu.at[i];
        if (!sums[i].counted)
            continue;
        char *running = sb_printf("%s:running", e->name);
        sb_write_count(t->out, e->name, "events", sums[i].value);
        sb_write_count(t->out, running, "%", 100 * sums[i].running);
        free(running);
        bool with = instructions != SIZE_MAX && counted_together(t, sums, i, instructions);
        derive(t, e, sums[i].value, operations, with ? sums[instructions].value : 0);
        warn_of_event(t, e, &sums[i]);
    }
    report_ipc(t, sums, cycles, instructions);
    free(sums);
}

static double value_at(const struct trial *t, const char *name, size_t i)
{
    for (size_t s = 0; s < t->series.n; s++) {
        if (!strcmp(t->series.at[s].name, name) && t->series.at[s].key == 0 && i < t->series.at[s].n)
            return t->series.at[s].at[i].y;
    }
    return -1;
}

/* The checkpoint where most is live, where every allocator is compared. */
static size_t fullest(const struct trial *t)
{
    /* All series have the same checkpoints. */
    size_t points = t->series.n ? t->series.at[0].n : 0, peak = 0;
    for (size_t i = 1; i < points; i++) {
        if (value_at(t, SB_NAME(REQUESTED_BYTES), i) > value_at(t, SB_NAME(REQUESTED_BYTES), peak))
            peak = i;
    }
    return peak;
}

/* Held over live at the end of the measured phase, where the workload may stand anywhere in its cycle. */
static void report_end(struct trial *t, bool os)
{
    /* Resident memory grows from what the process had before: the harness is in it otherwise. */
    double requested = (double)t->account_at_end.requested_bytes;
    double held = os ? (double)(t->resident_at_end - t->resident_before) : (double)t->at_end.held_bytes;
    bool known = os || t->at_end.has & SB_HAS_HELD;
    number_or(t, SB_METRIC_HELD_END, known, fmax(held, 0), "the allocator doesn't say");
    number_or(t, SB_METRIC_FOOTPRINT_END, known && requested > 0, fmax(held, 0) / requested,
              known ? "nothing was live when the measured phase ended" : "the allocator doesn't say");
}

/* External fragmentation where most is live, for what a huge page needs. */
static void report_fragmentation(struct trial *t, size_t peak)
{
    static const char none[] = "the allocator has no blocks of pages";
    enum { HUGE_ORDER = 9 };
    uint64_t blocks[SB_NR_ORDERS];
    bool known = true;
    int largest = -1;
    /* Missing orders are unknown and not zero. */
    for (int order = 0; order < SB_NR_ORDERS; order++) {
        double n = -1;
        for (size_t s = 0; s < t->series.n; s++) {
            const struct sb_series *series = &t->series.at[s];
            if (!strcmp(series->name, SB_NAME(FREE_BLOCKS)) && series->key == order && peak < series->n)
                n = series->at[peak].y;
        }
        known &= n >= 0;
        blocks[order] = n > 0 ? (uint64_t)n : 0;
        largest = n > 0 ? order : largest;
    }
    number_or(t, SB_METRIC_LARGEST_FREE_BLOCK, known, largest < 0 ? 0 : (double)(UINT64_C(4096) << largest), none);
    number_or(t, SB_METRIC_UNUSABLE_FREE_SPACE, known, known ? sb_unusable_index(blocks, HUGE_ORDER) / 1000.0 : 0,
              none);
    number_or(t, SB_METRIC_FRAGMENTATION_INDEX, known, known ? sb_extfrag_index(blocks, HUGE_ORDER) / 1000.0 : 0, none);
}

/* Of the blocks of pages that the measured phase was given, those from another node than the CPU's. */
static void report_remote(struct trial *t)
{
    uint32_t has = t->at_begin.has & t->at_end.has;
    double local = (double)(t->at_end.local_blocks - t->at_begin.local_blocks),
           remote = (double)(t->at_end.remote_blocks - t->at_begin.remote_blocks), blocks = local + remote,
           distances = (double)(t->at_end.block_distances - t->at_begin.block_distances);
    const char *reason = has & SB_HAS_NUMA ? "no block of pages was given out in the measured phase"
                                           : "the allocator has one NUMA node, or doesn't say";
    number_or(t, SB_METRIC_REMOTE_BLOCKS, has & SB_HAS_NUMA && blocks > 0, 100 * remote / blocks, reason);
    /* The table's 10 is a local access. */
    number_or(t, SB_METRIC_BLOCK_DISTANCE, has & SB_HAS_DISTANCE && blocks > 0, distances / 10 / blocks,
              has & SB_HAS_NUMA && !(has & SB_HAS_DISTANCE) ? "the allocator doesn't say how far its nodes are"
                                                            : reason);
}

/* Pages that pass from one CPU to another by lists that all share, in the measured phase. */
static void report_crossed(struct trial *t)
{
    bool known = t->at_begin.has & t->at_end.has & SB_HAS_SHARED;
    double shared = (double)(t->at_end.shared_blocks - t->at_begin.shared_blocks),
           crossed = (double)(t->at_end.crossed_blocks - t->at_begin.crossed_blocks), allocs = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        allocs += (double)t->workers[i].counts.allocs;
    const char *reason = !known ? "the allocator doesn't say" : "its own lists served each CPU: nothing was shared";
    number_or(t, SB_METRIC_CROSSED_BLOCKS, known && shared > 0, 100 * crossed / shared, reason);
    number_or(t, SB_METRIC_SHARED_BLOCKS_PER_ALLOC, known && allocs > 0, shared / allocs, reason);
}

/* The allocator's own books of the measured phase. */
static void report_books(struct trial *t)
{
    static const char silent[] = "the allocator doesn't say";
    double operations = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        operations += (double)t->workers[i].counts.operations;
    number_or(t, SB_METRIC_METADATA_BYTES, t->at_end.has & SB_HAS_METADATA, (double)t->at_end.metadata_bytes, silent);
    number_or(t, SB_METRIC_ZEROED_BYTES_PER_OP, t->at_begin.has & t->at_end.has & SB_HAS_ZEROED && operations > 0,
              (double)(t->at_end.zeroed_bytes - t->at_begin.zeroed_bytes) / operations, silent);
}

static const char nothing_lived[] = "nothing was live at any checkpoint of the survey: "
                                    "the workload frees each block before its next call, or its steps are whole cycles";

/* Lines at zero by construction: they would look like a finding. */
static bool lived_never(const struct trial *t)
{
    return t->series.n && t->series.at[0].n && !t->lived;
}

static enum sb_metric_kind kind_of(const struct sb_series *series)
{
    const struct sb_metric_row *row = sb_metric_row(series->name);
    return row ? row->kind : SB_SCALAR;
}

static void report_memory(struct trial *t)
{
    static const char aliases[] = "the allocator hands out the same addresses again and again";
    bool os = t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY;
    /* Two share a process here, and what the OS knows is of both. */
    if (t->partner) {
        unavailable(t, SB_METRIC_FOOTPRINT, "mode = paired measures speed alone");
        return;
    }
    size_t points = t->series.n ? t->series.at[0].n : 0, peak = fullest(t);
    double requested = points ? value_at(t, SB_NAME(REQUESTED_BYTES), peak) : 0;
    double handed = value_at(t, SB_NAME(HANDED_BYTES), peak), pss = value_at(t, SB_NAME(PSS_BYTES), peak);
    /* Only the OS knows what an allocator on its memory holds. */
    double held = value_at(t, os ? SB_NAME(RESIDENT_BYTES) : SB_NAME(HELD_BYTES), peak);
    const char *reason = t->allocator->allocator.flags & SB_ALLOCATOR_ALIASES ? aliases
                         : !points                                            ? "no survey was asked for"
                         : requested <= 0                                     ? nothing_lived
                                                                              : "the allocator doesn't say";
    if (requested > 0)
        metric(t, SB_METRIC_REQUESTED_PEAK, requested);
    number_or(t, SB_METRIC_FOOTPRINT, requested > 0 && held >= 0, held / requested, reason);
    if (os && pss >= 0)
        metric(t, SB_METRIC_PSS_PEAK, pss);
    if (os && t->pss_at_end >= 0)
        metric(t, SB_METRIC_PSS_END, fmax(0, (double)(t->pss_at_end - t->pss_before)));
    number_or(t, SB_METRIC_KEPT_BYTES, t->kept_bytes >= 0, t->kept_bytes, "the allocator doesn't say");
    number_or(t, SB_METRIC_GIVEN_BACK, t->kept_bytes >= 0 && held > 0, 100 * fmax(0, 1 - t->kept_bytes / held), reason);
    number_or(t, SB_METRIC_INTERNAL_FRAGMENTATION, requested > 0 && handed > 0, 100 * (1 - requested / handed), reason);
    report_end(t, os);
    report_books(t);
    report_crossed(t);
    report_remote(t);
    report_fragmentation(t, peak);
}

/* Under valgrind times mean nothing: operations alone, to divide the counts by. */
static void report_simulated(struct trial *t)
{
    /* valgrind runs one thread at a time: rates would be its scheduler's. */
    uint64_t operations = 0;
    for (uint32_t i = 0; i < t->spec->threads; i++)
        operations += t->workers[i].counts.operations;
    metric(t, SB_METRIC_OPERATIONS, (double)operations);
}

void sb_trial_report_disturbed(struct trial *t)
{
    double operations = 0;
    report_time(t);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        operations += (double)t->workers[i].closed_operations;
    metric(t, SB_METRIC_OPERATIONS, operations);
}

void sb_trial_report(struct trial *t)
{
    if (t->simulated) {
        report_simulated(t);
        return;
    }
    report_rates(t);
    report_warmup(t);
    report_start_phases(t);
    report_distance(t);
    report_paced(t);
    report_latencies(t);
    report_watch(t);
    report_events(t);
    report_memory(t);
    metric(t, SB_METRIC_CLOCK_NS, t->clock->cost_ns);
    metric(t, SB_METRIC_CLOCK_RESOLUTION, t->clock->resolution_ns);
    bool nothing = lived_never(t);
    if (nothing)
        unavailable(t, SB_METRIC_REQUESTED_BYTES, nothing_lived);
    /* Every process looks at its addresses, so that all are alike; those of one a cell are kept. */
    for (size_t i = 0; i < t->series.n; i++) {
        enum sb_metric_kind kind = kind_of(&t->series.at[i]);
        if (nothing && kind == SB_SERIES_OF_MEMORY)
            continue;
        if (t->spec->trial[SB_TRIAL_REPETITION].u == 1 || kind != SB_SERIES_OF_ADDRESSES)
            sb_write_series(t->out, &t->series.at[i]);
    }
    for (size_t i = 0; i < t->dumps.n; i++)
        sb_write_dump(t->out, t->dumps.at[i].name, t->dumps.at[i].text);
}
