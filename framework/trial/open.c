/*
 * A trial's plugins: what they may ask of their host, and how they are loaded and opened, with memory of
 * their own.
 */
#define _GNU_SOURCE
#include "base/diag.h"
#include "config/section.h"
#include "trial/inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- services for plugins ---- */

static void take_fail(void *context, const char *format, ...)
{
    struct trial *t = context;
    va_list args;
    pthread_mutex_lock(&t->fail_lock);
    va_start(args, format);
    vsnprintf(t->fail_text, sizeof(t->fail_text), format, args);
    va_end(args);
    pthread_mutex_unlock(&t->fail_lock);
}

/* Calls of the measured phase alone. The clock's own cost lies in every single call, and is taken off. */
static void take_latency(void *context, uint32_t thread, enum sb_call call, uint64_t ticks)
{
    const struct trial *t = context;
    double ns = (double)ticks * t->clock->ns_per_tick - t->clock->cost_ns;
    if (t->order == ORDER_MEASURE && t->workers[thread].histograms)
        sb_histogram_add(&t->workers[thread].histograms[call], ns > 0 ? (uint64_t)(ns * SB_HISTOGRAM_UNITS + 0.5) : 0);
}

/* The plugin's own words, if it had any. */
char *sb_trial_reason(struct trial *t, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    pthread_mutex_lock(&t->fail_lock);
    if (*t->fail_text)
        text = sb_strdup(t->fail_text);
    pthread_mutex_unlock(&t->fail_lock);
    if (text)
        return text;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}

/* ---- loading and opening ---- */

static union sb_value *read_options(const struct sb_plugin *plugin, const struct sb_trial_part *part,
                                    struct sb_diag *diag)
{
    union sb_value *values = sb_calloc(plugin->option_count, sizeof(*values));
    sb_read_section(part->section, plugin->name, plugin->options, plugin->option_count, "file", values, diag);
    return values;
}

/* The plan has judged it already; between plan and trial the file may have changed. */
static struct sb_plugin *load(const struct sb_trial_part *part, enum sb_plugin_kind kind, char **reason)
{
    struct sb_plugin *plugin = sb_plugin_load(part->path);
    if (plugin->refused)
        *reason = sb_printf("%s: %s", plugin->path, plugin->refused);
    else if (plugin->kind != kind)
        *reason = sb_printf("%s is not a plugin of the kind that the trial names", plugin->path);
    return plugin;
}

/* The run's, or, where that can't be read, our own. */
static int load_topology(struct trial *t, char **reason)
{
    const char *known = t->spec->trial[SB_TRIAL_TOPOLOGY].s;
    if (*known && !sb_topology_load_known(&t->topology, known, reason))
        return 0;
    free(*reason);
    *reason = NULL;
    return sb_topology_load(&t->topology, reason);
}

enum sb_status sb_trial_load(struct trial *t, struct sb_diag *diag, char **reason)
{
    t->allocator = load(&t->spec->allocator, SB_PLUGIN_ALLOCATOR, reason);
    if (*reason)
        return SB_STATUS_ERROR;
    t->workload = load(&t->spec->workload, SB_PLUGIN_WORKLOAD, reason);
    if (*reason || load_topology(t, reason))
        return SB_STATUS_ERROR;
    t->allocator_options = read_options(t->allocator, &t->spec->allocator, diag);
    t->workload_options = read_options(t->workload, &t->spec->workload, diag);
    if (sb_diag_flush(diag, stderr)) {
        *reason = sb_strdup("the trial's text has errors, shown above");
        return SB_STATUS_ERROR;
    }
    return SB_STATUS_OK;
}

/* The libraries that opening the allocator brought into the process; where it says its version, that of the first. */
static void report_libraries(struct trial *t, const struct sb_objects *before)
{
    struct sb_objects now = sb_objects_loaded();
    struct sb_text version = {0};
    struct sb_sink sink = {&version, sb_trial_append};
    const char *files = t->allocator->allocator.dump_files;
    size_t n = 0;
    if (files && strstr(files, "version"))
        t->allocator->allocator.dump(t->a, "version", &sink);
    for (size_t i = 0; i < now.n; i++) {
        if (!sb_objects_have(before, now.at[i].path))
            sb_write_library(t->out, now.at[i].path, now.at[i].build_id, n++ ? "" : sb_text_get(&version));
    }
    if (!n && version.n)
        sb_write_library(t->out, "the process's own", "", sb_text_get(&version));
    sb_objects_free(&now);
    sb_text_free(&version);
}

/* The trial's own CPU is at work until the workers are, and no other is taken. */
void sb_trial_stay_on_first_cpu(const struct trial *t)
{
    if (!t->spec->machine[SB_MACHINE_KEEP_BUSY].u)
        return;
    struct sb_affinity *first = sb_affinity_of_cpu(t->spec->cpus[0]);
    /* Where it may not the workers can't either, and say so. */
    sb_affinity_apply(first);
    sb_affinity_free(first);
}

/* Everything up to the opened workload. */
static int open_all(struct trial *t, char **reason)
{
    const struct sb_allocator *a = &t->allocator->allocator;
    const struct sb_workload *w = &t->workload->workload;
    char why[256] = "";
    int status = 0;
    t->host = (struct sb_host){.struct_size = sizeof(t->host),
                               .nr_cpus = sb_topology_nr_cpus(t->topology),
                               .nr_nodes = 1,
                               .memory_fd = -1,
                               .seed = t->spec->trial[SB_TRIAL_SEED].u,
                               .context = t,
                               .fail = take_fail};
    if (!(a->flags & SB_ALLOCATOR_OS_MEMORY)) {
        /* Each of a pair makes its own: neither is to have the older pages. */
        const struct sb_physmem_given given = {(int)t->spec->trial[SB_TRIAL_MEMORY_FILE].u,
                                               t->spec->trial[SB_TRIAL_MEMORY_PRESENT].u};
        status = sb_physmem_open(&t->memory, t->spec->machine, given, t->topology, reason);
        if (status)
            return status;
        t->host.memory = t->memory.base;
        t->host.memory_size = t->memory.size;
        t->host.memory_fd = t->memory.fd;
        t->host.nr_nodes = t->memory.nr_nodes;
        t->cpu_node = sb_calloc(t->host.nr_cpus, sizeof(*t->cpu_node));
        sb_topology_cpu_nodes(t->topology, t->cpu_node, t->host.nr_cpus);
        /* Where memory isn't divided there is one node, and no number above it. */
        t->host.cpu_node = t->host.nr_nodes > 1 ? t->cpu_node : NULL;
        t->host.node_distance = t->distances = sb_topology_distances(t->topology, t->host.nr_nodes);
        if (t->memory.warning)
            sb_write_warning(t->out, t->memory.warning);
    }
    struct sb_objects before = sb_objects_loaded();
    /* Threads that an allocator starts are to run where it likes. */
    sb_affinity_apply(t->anywhere);
    status = a->open(&t->host, t->allocator_options, &t->a);
    sb_trial_stay_on_first_cpu(t);
    if (!status)
        report_libraries(t, &before);
    sb_objects_free(&before);
    if (status) {
        *reason = sb_trial_reason(t, "the allocator can't be opened: %s", strerror(-status));
        return status;
    }
    t->needs = (struct sb_needs){.struct_size = sizeof(t->needs), .threads = t->spec->threads};
    status = w->needs(t->workload_options, &t->needs, why, sizeof(why));
    if (status) {
        *reason = sb_printf("%s", why);
        return status;
    }
    t->bench = (struct sb_bench){.struct_size = sizeof(t->bench),
                                 .nr_cpus = sb_topology_nr_cpus(t->topology),
                                 .threads = t->spec->threads,
                                 .seed = t->host.seed,
                                 .allocator = a,
                                 .self = t->a,
                                 .now = t->clock->now,
                                 .context = t,
                                 .fail = take_fail,
                                 .live_block = sb_trial_take_block,
                                 .paced = t->spec->trial[SB_TRIAL_RATE].u != 0,
                                 .latency = take_latency};
    status = w->setup(&t->bench, t->workload_options, &t->w);
    if (status)
        *reason = sb_trial_reason(t, "the workload can't be set up: %s", strerror(-status));
    return status;
}

/* The partner has plugin, options and memory of its own, and the workload that the trial has. */
static int load_partner(struct trial *t, struct sb_diag *diag, char **reason)
{
    const struct sb_trial_part *part = &t->spec->baseline;
    struct trial *p = sb_calloc(1, sizeof(*p));
    t->partner = p;
    p->spec = t->spec;
    p->out = t->out;
    p->clock = t->clock;
    p->topology = t->topology;
    p->memory.fd = -1;
    p->anywhere = t->anywhere;
    p->kept_bytes = -1;
    pthread_mutex_init(&p->fail_lock, NULL);
    p->allocator = load(part, SB_PLUGIN_ALLOCATOR, reason);
    if (*reason)
        return -EINVAL;
    p->allocator_options = read_options(p->allocator, part, diag);
    p->workload = t->workload;
    p->workload_options = t->workload_options;
    return sb_diag_flush(diag, stderr) ? -EINVAL : 0;
}

/* In an order that is drawn: nothing is to lie first in all processes. */
int sb_trial_open(struct trial *t, struct sb_diag *diag, char **reason)
{
    t->host.seed = t->spec->trial[SB_TRIAL_SEED].u;
    int status = t->spec->baseline.path ? load_partner(t, diag, reason) : 0;
    bool own_first = !t->partner || sb_pair_own_first(t);
    if (!status)
        status = open_all(own_first ? t : t->partner, reason);
    if (!status && t->partner)
        status = open_all(own_first ? t->partner : t, reason);
    if (status && !*reason)
        *reason = sb_strdup("the baseline's options have errors, shown above");
    return status;
}

/* Frees the parts that are not shared with the trial. */
void sb_trial_free_partner(struct trial *p)
{
    if (!p)
        return;
    free(p->cpu_node);
    free(p->distances);
    free(p->allocator_options);
    sb_plugin_free(p->allocator);
    sb_physmem_close(&p->memory);
    pthread_mutex_destroy(&p->fail_lock);
    free(p);
}
