/*
 * scullbench-check: tries one property of one plugin, as its parent says on standard input, and writes what
 * it found as one JSON line. A process of its own, for what is tried here may crash, hang or eat memory.
 */
#define _GNU_SOURCE
#include "base/diag.h"
#include "base/file.h"
#include "base/json.h"
#include "check/properties.h"
#include "config/experiment.h"
#include "config/section.h"
#include "trial/layout.h"
#include "trial/reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Malloc run wild must not take the machine along. Reserved address space is free. */
static void limit_memory(uint64_t memory)
{
    struct rlimit limit = {memory + (UINT64_C(2) << 30), memory + (UINT64_C(2) << 30)};
    struct rlimit none = {0, 0};
    if (!SB_SANITIZED)
        setrlimit(RLIMIT_DATA, &limit);
    setrlimit(RLIMIT_CORE, &none);
}

/* Where the parent reads how far we came if we don't come back. */
static volatile uint64_t *map_progress(const char *path)
{
    static uint64_t nowhere[SB_PROGRESS_BYTES / sizeof(uint64_t)];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, SB_PROGRESS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? nowhere : at;
}

static void write_finding(FILE *out, const struct sb_finding *f)
{
    struct sb_json *o = sb_json_object();
    sb_json_set_text(o, "result", sb_check_result_name(f->result));
    sb_json_set_int(o, "fault", f->fault);
    sb_json_set_int(o, "at", (int64_t)f->at);
    sb_json_set_text(o, "why", f->why);
    char *text = sb_json_print(o, false);
    fprintf(out, "%s\n", text);
    fflush(out);
    free(text);
    sb_json_free(o);
}

/* The parent wrote this text: what is missing is no user's mistake, and an empty answer is refused
   later. */
static const char *value_of(struct sb_ini *ini, const char *key)
{
    const struct sb_ini_section *section = sb_ini_section(ini, "check", "");
    const struct sb_ini_entry *entry = section ? sb_ini_entry(section, key) : NULL;
    return entry ? entry->value : "";
}

static const struct sb_ini_section *allocator_of(const struct sb_ini *ini)
{
    for (size_t i = 0; i < ini->n; i++) {
        if (!strcmp(ini->at[i].kind, "allocator"))
            return &ini->at[i];
    }
    return NULL;
}

/* What opening brought into the process: the same again only while no byte of it changes. */
static void tell_loaded(const struct sb_objects *before, struct sb_finding *f)
{
    struct sb_objects now = sb_objects_loaded();
    struct sb_text text = {0};
    for (size_t i = 0; i < now.n; i++) {
        if (!sb_objects_have(before, now.at[i].path))
            sb_text_printf(&text, "%s %016llx\n", now.at[i].path, (unsigned long long)sb_hash_file(now.at[i].path));
    }
    f->result = SB_CHECK_PASS;
    snprintf(f->why, sizeof(f->why), "%016llx", (unsigned long long)sb_hash(sb_text_get(&text)));
    sb_text_free(&text);
    sb_objects_free(&now);
}

static void try_it(struct sb_ini *ini, const struct sb_plugin *plugin, const union sb_value *values,
                   struct sb_finding *f)
{
    static struct sb_world world;
    const struct sb_property *property = sb_property_find(value_of(ini, "property"));
    const char *text = value_of(ini, "ops");
    uint64_t seed = strtoull(value_of(ini, "seed"), NULL, 10), memory = strtoull(value_of(ini, "memory"), NULL, 10);
    /* Without a property the question is only whether it opens, and what it loads. */
    bool quick = !strcmp(value_of(ini, "quick"), "yes");
    struct sb_ops ops = {0};
    char *why = NULL;
    struct sb_objects before = sb_objects_loaded();
    limit_memory(memory);
    if (sb_world_open(&world, plugin, values, memory, seed, &why)) {
        f->fault = world.fault;
        snprintf(f->why, sizeof(f->why), "%s%s", world.fault == SB_FAULT_MACHINE ? "the machine: " : "", why);
    } else if (!property) {
        tell_loaded(&before, f);
    } else {
        if (*text)
            sb_ops_read(&ops, text, world.lanes, world.lane_count, &why);
        else if (property->sequence)
            sb_property_draw(property, world.lanes, world.lane_count, quick, seed, &ops);
        const struct sb_attempt attempt = {property, &ops, quick, map_progress(value_of(ini, "progress"))};
        if (why)
            snprintf(f->why, sizeof(f->why), "%s", why);
        else
            sb_property_try(&world, &attempt, f);
    }
}

int main(int argc, char **argv)
{
    struct sb_diag diag = {.file = "standard input"};
    struct sb_finding finding = {.result = SB_CHECK_UNTESTED};
    /* Started anew by /proc/self/exe it would go by that name. */
    prctl(PR_SET_NAME, "scullbench-check");
    char *text = NULL;
    size_t length = 0;
    /* A gate that is killed leaves no child that eats the machine. */
    if (argc > 1 && !strcmp(argv[1], "--die-with-parent"))
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sb_read_fd(STDIN_FILENO, &text, &length)) {
        sb_error("scullbench-check is started by `scullbench check`, which tells it what to try");
        return 2;
    }
    struct sb_ini ini = sb_ini_parse_literal(text, length, &diag);
    const struct sb_ini_section *section = allocator_of(&ini);
    if (!strcmp(value_of(&ini, "property"), "close")) {
        /* glibc counts what waits in a thread's cache as in use; without it that is what was not freed. */
        sb_layout_want_tunable("glibc.malloc.tcache_count", "0");
    }
    /* The same addresses every time, and room for libraries' thread-local storage. */
    if (!sb_layout_is_set())
        sb_layout_restart(argv, text, length, section, 0);
    /* What the plugin prints is nobody's result. */
    FILE *out = sb_reporter_open();
    if (!out) {
        finding.fault = SB_FAULT_MACHINE;
        snprintf(finding.why, sizeof(finding.why), "the machine: the result's way out can't be made: %s",
                 strerror(errno));
        write_finding(stdout, &finding);
        return 2;
    }
    const struct sb_ini_entry *file = section ? sb_ini_entry(section, "file") : NULL;
    struct sb_plugin *plugin = file ? sb_plugin_load(file->value) : NULL;
    if (!plugin || plugin->refused) {
        sb_error("%s", plugin ? plugin->refused : "scullbench-check is started by `scullbench check`");
        return 2;
    }
    /* Read by the same function as a trial reads them, so that check and run can't disagree about an
       option. */
    union sb_value *values = sb_calloc(plugin->option_count, sizeof(*values));
    sb_read_section(section, plugin->name, plugin->options, plugin->option_count, "file", values, &diag);
    if (sb_diag_flush(&diag, stderr))
        return 2;
    try_it(&ini, plugin, values, &finding);
    write_finding(out, &finding);
    sb_reporter_end(out);
    /* Threads may still wait, and structures be damaged. */
    _exit(0);
}
