/*
 * The verb dump: an allocator as the kernel's own /proc shows it.
 *
 * Not a measurement, so it happens in this process: memory is mapped as for a trial, the plugin opened,
 * caches are created as asked, a workload is run until it holds most, and every text is printed as its file
 * would be read.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/units.h"
#include "cli/cli.h"
#include "trial/physmem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A workload that never stops growing is stopped; one that has its fill shows it by not growing for
   three steps. */
enum { MOST_STEPS = 1000000, PASSES_WITHOUT_GROWTH = 3 };

struct caches {
    SB_VEC_OF(void *);
};

/* All that close_all gives back, in whatever state the verb ends. */
struct dump {
    struct sb_plugins plugins;
    const struct sb_plugin *plugin, *workload;
    struct sb_topology *topology;
    struct sb_physmem memory;
    uint32_t *cpu_node, *distances; /* of the host */
    struct sb_host host;
    struct sb_bench bench;
    void *self, *work, *thread;
    struct caches caches;
    char reason[512]; /* the plugin's own words */
};

/* Kept and not printed: the sentence that it belongs to comes later. */
static void take_fail(void *context, const char *format, ...)
{
    struct dump *d = context;
    va_list args;
    va_start(args, format);
    vsnprintf(d->reason, sizeof(d->reason), format, args);
    va_end(args);
}

/* Overlaps are check's and the trials' to find. */
static void ignore_block(void *context, const void *block, uint64_t size, uint64_t align)
{
    (void)context;
    (void)block;
    (void)size;
    (void)align;
}

static const char *why_of(const struct dump *d, int status)
{
    return *d->reason ? d->reason : strerror(-status);
}

/* Defaults first, then what was given: no option stays unset. */
static union sb_value *read_values(const struct sb_plugin *p, const struct sb_words *flags, const char *flag)
{
    union sb_value *values = sb_calloc(p->option_count + 1, sizeof(*values));
    char *why = NULL;
    bool good = true;
    for (uint32_t i = 0; i < p->option_count; i++)
        good &= !sb_option_parse(&p->options[i], p->options[i].fallback, &values[i], &why);
    for (size_t i = 0; i + 1 < flags->n; i += 2) {
        if (!strcmp(flags->at[i], flag))
            good &= sb_take_option(p, flag, flags->at[i + 1], values);
    }
    if (good)
        return values;
    free(values);
    return NULL;
}

/* "192,align=64,hwcache"; sizes may carry a unit, and mean bytes without. */
static bool read_number(const char *text, const char *what, uint64_t most, uint64_t *value)
{
    const struct sb_option size = {what, SB_OPTION_SIZE, 0, "0B", 1, most, NULL, ""};
    bool bare = *text && !text[strspn(text, "0123456789")];
    char *with_unit = sb_printf("%s%s", text, bare ? "B" : ""), *why = NULL;
    union sb_value read = {0};
    int status = sb_option_parse(&size, with_unit, &read, &why);
    if (status)
        sb_error("--cache: %s: %s", what, why);
    *value = read.u;
    free(with_unit);
    free(why);
    return !status;
}

/* Named after what it is, so that slabinfo's lines can be told apart. */
static bool create_cache(struct dump *d, const char *spec)
{
    const struct sb_cache_ops *ops = d->plugin->allocator.cache;
    char *words = sb_strdup(spec), *state = NULL, *word = strtok_r(words, ",", &state);
    uint64_t size = 0, align = 0, most = ops->max_size ? ops->max_size : UINT64_C(1) << 40;
    uint32_t flags = 0;
    bool good = word && read_number(word, "size", most, &size);
    while (good && (word = strtok_r(NULL, ",", &state))) {
        if (!strcmp(word, "hwcache")) {
            flags |= SB_SLAB_HWCACHE_ALIGN;
        } else if (!strncmp(word, "align=", 6)) {
            good = read_number(word + 6, "align", SB_PAGE_SIZE, &align);
        } else {
            sb_error("--cache %s: '%s' is neither hwcache nor align=N", spec, word);
            good = false;
        }
    }
    if (!*spec)
        sb_error("--cache: expected SIZE[,align=N][,hwcache]");
    if (good) {
        char *name = sb_printf("cache-%llu%s", (unsigned long long)size, flags ? "-hwcache" : "");
        void *cache = NULL;
        int status = ops->create(d->self, name, size, align, flags, NULL, 0, &cache);
        if (status)
            sb_error("--cache %s: %s", spec, why_of(d, status));
        else
            *SB_VEC_ADD(&d->caches) = cache;
        good = !status;
        free(name);
    }
    free(words);
    return good;
}

static bool create_caches(struct dump *d, const struct sb_words *flags)
{
    for (size_t i = 0; i + 1 < flags->n; i += 2) {
        if (strcmp(flags->at[i], "--cache"))
            continue;
        if (!d->plugin->allocator.cache) {
            sb_error("--cache: %s offers no caches", d->plugin->name);
            return false;
        }
        if (!create_cache(d, flags->at[i + 1]))
            return false;
    }
    return true;
}

/*
 * Call by call while what lives grows: a scull stream writes its devices first. Ends where it grows no more, or with
 * the first call that frees.
 */
static int run_workload(struct dump *d, const union sb_value *values)
{
    const struct sb_workload *w = &d->workload->workload;
    struct sb_counts counts = {0};
    uint64_t most = 0;
    d->bench = (struct sb_bench){.struct_size = sizeof(d->bench),
                                 .nr_cpus = d->host.nr_cpus,
                                 .threads = 1,
                                 .seed = d->host.seed,
                                 .allocator = &d->plugin->allocator,
                                 .self = d->self,
                                 .now = sb_clock_init(0)->now,
                                 .context = d,
                                 .fail = take_fail,
                                 .live_block = ignore_block,
                                 .step_calls = 1};
    int status = w->setup(&d->bench, values, &d->work);
    if (!status)
        status = w->thread_setup(d->work, 0, &d->thread);
    for (int steps = 0, still = 0; !status && steps < MOST_STEPS && still < PASSES_WITHOUT_GROWTH; steps++) {
        struct sb_account account = {.struct_size = sizeof(account)};
        status = w->step(d->thread, &counts);
        w->account(d->work, &account);
        /* A workload's own elements are in nobody's account, but it counts its calls. */
        uint64_t live = account.live + counts.allocs - counts.frees;
        if (live < most)
            break;
        still = live > most ? 0 : still + 1;
        most = live;
    }
    return status;
}

static void to_stdout(void *context, const char *text, size_t length)
{
    (void)context;
    fwrite(text, 1, length, stdout);
}

/* One file alone is printed as it is; several each under a line with its name. */
static size_t print_files(const char *files, const char *only, void *self,
                          int (*dump)(void *, const char *, const struct sb_sink *))
{
    char *list = sb_strdup(files ? files : ""), *state = NULL;
    struct sb_sink sink = {NULL, to_stdout};
    size_t printed = 0;
    for (char *file = strtok_r(list, " ", &state); file; file = strtok_r(NULL, " ", &state)) {
        if (only && strcmp(only, file))
            continue;
        if (!only)
            printf("==> %s <==\n", file);
        printed += !dump(self, file, &sink);
        if (!only)
            printf("\n");
    }
    free(list);
    return printed;
}

static int print_all(struct dump *d, const char *only)
{
    const struct sb_allocator *a = &d->plugin->allocator;
    size_t printed = print_files(a->dump_files, only, d->self, a->dump);
    if (d->workload && d->workload->workload.dump)
        printed += print_files(d->workload->workload.dump_files, only, d->work, d->workload->workload.dump);
    if (printed)
        return SB_EXIT_OK;
    if (only)
        sb_error("--file: there is no file '%s' (valid: %s%s%s)", only, a->dump_files, d->workload ? " " : "",
                 d->workload && d->workload->workload.dump_files ? d->workload->workload.dump_files : "");
    else
        sb_error("%s has nothing to show: it doesn't model a kernel's allocator", d->plugin->name);
    return SB_EXIT_USAGE;
}

/* Mapped as a trial would, but not touched before: what /proc shows must be the allocator's doing. */
static int open_memory(struct dump *d, const char *size)
{
    const struct sb_section_table *table = &sb_tables[SB_TABLE_MACHINE];
    union sb_value machine[SB_MACHINE_KEYS];
    char *why = NULL;
    for (uint32_t i = 0; i < table->n; i++)
        sb_option_parse(&table->options[i], table->options[i].fallback, &machine[i], &why);
    machine[SB_MACHINE_PREFAULT].u = 0;
    if (sb_option_parse(&table->options[SB_MACHINE_MEMORY], size ? size : "auto", &machine[SB_MACHINE_MEMORY], &why)) {
        sb_error("--memory: %s", why);
        free(why);
        return SB_EXIT_USAGE;
    }
    if (!machine[SB_MACHINE_MEMORY].u)
        machine[SB_MACHINE_MEMORY].u = UINT64_C(64) << 20;
    if (sb_topology_load(&d->topology, &why) ||
        sb_physmem_open(&d->memory, machine, (struct sb_physmem_given){0}, d->topology, &why)) {
        sb_error("%s", why);
        free(why);
        return SB_EXIT_FAILURE;
    }
    /* Under a synthetic topology the process still runs on the CPUs there are. */
    long real = sysconf(_SC_NPROCESSORS_CONF);
    unsigned nr_cpus = sb_topology_nr_cpus(d->topology);
    d->host = (struct sb_host){.struct_size = sizeof(d->host),
                               .nr_cpus = real > (long)nr_cpus ? (unsigned)real : nr_cpus,
                               .nr_nodes = d->memory.nr_nodes,
                               .memory_fd = d->memory.fd,
                               .memory = d->memory.base,
                               .memory_size = d->memory.size,
                               .seed = 1,
                               .context = d,
                               .fail = take_fail};
    d->cpu_node = sb_calloc(d->host.nr_cpus, sizeof(*d->cpu_node));
    sb_topology_cpu_nodes(d->topology, d->cpu_node, d->host.nr_cpus);
    d->host.cpu_node = d->host.nr_nodes > 1 ? d->cpu_node : NULL;
    d->host.node_distance = d->distances = sb_topology_distances(d->topology, d->host.nr_nodes);
    return SB_EXIT_OK;
}

/* Said before anything is opened. */
static bool can_run(const struct dump *d, const union sb_value *values)
{
    struct sb_needs needs = {.struct_size = sizeof(needs), .threads = 1};
    char why[256] = "";
    if (d->workload->workload.needs(values, &needs, why, sizeof(why))) {
        sb_error("--workload-option: %s: %s", d->workload->name, why);
        return false;
    }
    if (sb_route_for(&d->plugin->allocator, (enum sb_want)needs.want) == SB_ROUTE_NONE) {
        char *offers = sb_allocator_interfaces(&d->plugin->allocator);
        sb_error("%s offers only %s; the workload %s needs %s", d->plugin->name, offers, d->workload->name,
                 sb_want_served_by((enum sb_want)needs.want));
        free(offers);
        return false;
    }
    return true;
}

static int open_and_print(struct dump *d, const struct sb_verb *verb, const struct sb_words *flags)
{
    union sb_value *values = read_values(d->plugin, flags, "--option"), *work_values = NULL;
    int code = SB_EXIT_USAGE, status;
    if (values && d->workload)
        work_values = read_values(d->workload, flags, "--workload-option");
    if (!values || (d->workload && (!work_values || !can_run(d, work_values))))
        goto out;
    code = open_memory(d, sb_flag_value(verb, flags, "--memory"));
    if (code != SB_EXIT_OK)
        goto out;
    code = SB_EXIT_FAILURE;
    status = d->plugin->allocator.open(&d->host, values, &d->self);
    if (status) {
        sb_error("%s can't be opened: %s", d->plugin->name, why_of(d, status));
        goto out;
    }
    code = SB_EXIT_USAGE;
    if (!create_caches(d, flags))
        goto out;
    if (d->workload) {
        status = run_workload(d, work_values);
        if (status) {
            sb_error("the workload %s can't go on: %s", d->workload->name, why_of(d, status));
            code = SB_EXIT_FAILURE;
            goto out;
        }
    }
    code = print_all(d, sb_flag_value(verb, flags, "--file"));
out:
    free(values);
    free(work_values);
    return code;
}

static void close_all(struct dump *d)
{
    /* In the reverse order of opening; a workload that could not begin leaves nothing to tear down. */
    if (d->workload && d->thread)
        d->workload->workload.thread_teardown(d->thread);
    if (d->workload && d->work)
        d->workload->workload.teardown(d->work);
    for (size_t i = 0; d->plugin && i < d->caches.n; i++)
        d->plugin->allocator.cache->destroy(d->caches.at[i]);
    SB_VEC_FREE(&d->caches);
    if (d->plugin && d->self)
        d->plugin->allocator.close(d->self);
    sb_physmem_close(&d->memory);
    free(d->cpu_node);
    free(d->distances);
    if (d->topology)
        sb_topology_free(d->topology);
    sb_plugins_free(&d->plugins);
}

int sb_verb_dump(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    struct dump d = {.memory = {.fd = -1}};
    const char *workload = sb_flag_value(verb, values, "--workload");
    int code = SB_EXIT_USAGE;
    sb_plugins_load(&d.plugins, sb_flag_value(verb, values, "--plugin-path"));
    d.plugin = sb_find_plugin(&d.plugins, SB_PLUGIN_ALLOCATOR, operands->at[0]);
    if (d.plugin && workload)
        d.workload = sb_find_plugin(&d.plugins, SB_PLUGIN_WORKLOAD, workload);
    if (d.plugin && (d.workload || !workload)) {
        code = open_and_print(&d, verb, values);
    }
    close_all(&d);
    return code;
}
