/*
 * Callgrind with its cache model, which is cachegrind's own (both tools share it), for callgrind alone can
 * count in one function only: the caches are simulated from the first instruction on, so they are as warm as
 * the warm-up left them, but instructions and misses are counted while sb_measured_phase runs. Geometry is
 * the machine's own, as hwloc gives it; the number of sets is rounded down to a power of two, which the model
 * needs.
 */
#define _GNU_SOURCE
#include "trial/simulate.h"

#include "base/child.h"
#include "base/file.h"
#include "base/str.h"
#include "topology/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the environment, which exec and valgrind pass on. */
static const char inside[] = "SCULLBENCH_SIMULATED";

bool sb_simulated(void)
{
    return getenv(inside) != NULL;
}

char *sb_simulator(void)
{
    return sb_find_program("valgrind");
}

/* What the last level or a machine that doesn't tell gets: common figures, shown with the result. */
static struct sb_cache complete(struct sb_cache c, uint64_t size, unsigned ways)
{
    c.size = c.size ? c.size : size;
    c.ways = c.ways ? c.ways : ways;
    c.line = c.line ? c.line : 64;
    uint64_t sets = c.size / c.line / c.ways, power = 1;
    while (power * 2 <= sets)
        power *= 2;
    c.size = power * c.line * c.ways;
    return c;
}

struct geometry {
    struct sb_cache l1i, l1d, last;
};

static int read_geometry(const struct sb_trial_spec *spec, struct geometry *g, char **why)
{
    struct sb_topology *topology;
    int status = sb_topology_load(&topology, why);
    if (status)
        return status;
    g->l1i = complete(sb_topology_cache(topology, spec->cpus[0], SB_CACHE_L1I), 32 << 10, 8);
    g->l1d = complete(sb_topology_cache(topology, spec->cpus[0], SB_CACHE_L1D), 32 << 10, 8);
    g->last = complete(sb_topology_cache(topology, spec->cpus[0], SB_CACHE_LAST), 8 << 20, 16);
    sb_topology_free(topology);
    return 0;
}

static char *cache_argument(const char *name, const struct sb_cache *c)
{
    return sb_printf("--%s=%llu,%u,%u", name, (unsigned long long)c->size, c->ways, c->line);
}

/* The child's lines go two ways: into a result to look at, and on to whoever started us. */
struct taker {
    struct sb_result *result;
    FILE *out;
};

/* All but metrics and status, which valgrind's slowness makes worthless, are passed on as they come. */
static void take_line(void *context, const char *line, size_t length)
{
    struct taker *taker = context;
    if (sb_result_take(taker->result, line, length) || !strncmp(line, "{\"metric\"", 9) ||
        !strncmp(line, "{\"status\"", 9))
        return;
    fwrite(line, 1, length, taker->out);
    putc('\n', taker->out);
    fflush(taker->out);
}

/* Whoever started us has an eye on the time, and ends the child with us. */
static int run_child(char *const argv[], const char *text, struct taker *taker, int *ended)
{
    volatile sig_atomic_t never = 0;
    struct sb_child_end end;
    const struct sb_child child = {
        .argv = argv, .input = text, .deadline_ns = UINT64_MAX, .stop = &never, .take = take_line, .context = taker};
    int status = sb_child_run(&child, &end);
    if (end.last_words)
        fputs(end.last_words, stderr);
    free(end.last_words);
    *ended = end.wait_status;
    return status;
}

/* The named column of "events:" in the last "totals:" of callgrind's file; 0 where the file lacks it. */
static double total_of(const char *file, const char *event)
{
    const char *names = strstr(file, "\nevents:"), *totals = strstr(file, "\ntotals:"), *next;
    while (totals && (next = strstr(totals + 1, "\ntotals:")))
        totals = next;
    if (!names || !totals)
        return 0;
    names += strlen("\nevents:");
    totals += strlen("\ntotals:");
    while (*names && *names != '\n') {
        char *end;
        names += strspn(names, " ");
        size_t n = strcspn(names, " \n");
        double value = strtod(totals, &end);
        if (strlen(event) == n && !strncmp(names, event, n))
            return value;
        names += n;
        totals = end;
    }
    return 0;
}

static const struct {
    const char *name, *events[3];
} counts[] = {
    {"instructions", {"Ir"}},
    {"data-accesses", {"Dr", "Dw"}},
    {"L1i-misses", {"I1mr"}},
    {"L1d-misses", {"D1mr", "D1mw"}},
    {"last-level-misses", {"ILmr", "DLmr", "DLmw"}},
};

static void write_counts(const char *file, double operations, const struct geometry *g, FILE *out)
{
    for (size_t i = 0; i < SB_COUNT(counts); i++) {
        double sum = 0;
        for (size_t j = 0; j < SB_COUNT(counts[i].events) && counts[i].events[j]; j++)
            sum += total_of(file, counts[i].events[j]);
        /* The word is in the name, so that no chart or table shows it as measured. */
        char *name = sb_printf("simulated:%s", counts[i].name), *each = sb_printf("%s/op", name);
        sb_write_count(out, name, "simulated events", sum);
        sb_write_count(out, each, "simulated events per operation", sum / operations);
        free(name);
        free(each);
    }
    sb_write_metric(out, SB_METRIC_SIMULATED_OPERATIONS, operations);
    sb_write_metric(out, SB_METRIC_SIMULATED_L1I, (double)g->l1i.size);
    sb_write_metric(out, SB_METRIC_SIMULATED_L1D, (double)g->l1d.size);
    sb_write_metric(out, SB_METRIC_SIMULATED_LAST_LEVEL, (double)g->last.size);
}

/* What became of the child, once its file is there. */
static enum sb_status conclude(struct sb_result *result, int ended, const char *path, const struct geometry *g,
                               FILE *out)
{
    const struct sb_metric *operations = NULL;
    char *file = NULL;
    for (size_t i = 0; i < result->metrics.n; i++) {
        if (!strcmp(result->metrics.at[i].name, "operations"))
            operations = &result->metrics.at[i];
    }
    if (result->contradiction) {
        result->status = SB_STATUS_CRASHED;
        free(result->reason);
        result->reason = sb_printf("its output contradicts itself: %s", result->contradiction);
    } else if (result->status == SB_STATUS_OK && (!operations || sb_read_file(path, &file, NULL) ||
                                                  !(total_of(file, "Ir") > 0) || !(operations->value > 0))) {
        result->status = SB_STATUS_ERROR;
        result->reason = sb_strdup("valgrind left no counts of the measured phase");
    } else if (result->status == SB_STATUS_OK) {
        write_counts(file, operations->value, g, out);
    } else if (result->status == SB_STATUS_NONE) {
        result->status = SB_STATUS_ERROR;
        result->reason = sb_printf("valgrind ended with status 0x%x before the trial did", (unsigned)ended);
    }
    free(file);
    return result->status;
}

enum sb_status sb_simulate(const struct sb_trial_spec *spec, const char *text, FILE *out)
{
    char self[4096], *why = NULL, *program = sb_simulator();
    struct sb_result result = {0};
    struct geometry g = {0};
    /* In memory: nothing is left behind, whoever is killed. */
    int fd = memfd_create("scullbench-counts", MFD_CLOEXEC), ended = 0;
    char *path = sb_printf("/proc/%d/fd/%d", (int)getpid(), fd);
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (!program)
        why = sb_strdup("valgrind is not installed; Debian's package is called valgrind");
    else if (fd < 0 || n < 0)
        why = sb_printf("a file for valgrind's counts can't be made: %s", strerror(errno));
    else
        read_geometry(spec, &g, &why);
    if (program && !why) {
        self[n] = '\0';
        char *l1i = cache_argument("I1", &g.l1i), *l1d = cache_argument("D1", &g.l1d),
             *last = cache_argument("LL", &g.last), *file = sb_printf("--callgrind-out-file=%s", path);
        char quiet[] = "-q", tool[] = "--tool=callgrind", model[] = "--cache-sim=yes";
        char toggle[] = "--toggle-collect=sb_measured_phase", die[] = "--die-with-parent";
        char *argv[] = {program, quiet, tool, model, toggle, file, l1i, l1d, last, self, die, NULL};
        setenv(inside, "1", 1);
        int status = run_child(argv, text, &(struct taker){&result, out}, &ended);
        if (status)
            why = sb_printf("%s can't be started: %s", program, strerror(-status));
        free(l1i);
        free(l1d);
        free(last);
        free(file);
    }
    /* What went wrong before valgrind ran is the trial's reason. */
    enum sb_status status = SB_STATUS_ERROR;
    if (!why)
        status = conclude(&result, ended, path, &g, out);
    sb_write_status(out, status, why ? why : result.reason);
    if (fd >= 0)
        close(fd);
    free(path);
    sb_result_free(&result);
    free(program);
    free(why);
    return status;
}
