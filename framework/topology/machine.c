/* The machine's state as the kernel shows it: what a reader of results needs, and what spoils them. */
#define _GNU_SOURCE
#include "base/file.h"
#include "topology/topology.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static struct sb_fact *add(struct sb_facts *facts, const char *name, char *value)
{
    struct sb_fact *fact = SB_VEC_ADD(facts);
    fact->name = name;
    fact->value = value;
    return fact;
}

/* The value behind "name :" in /proc/cpuinfo's first block, or NULL. */
static char *cpuinfo(const char *name)
{
    char *text, *found = NULL;
    if (sb_read_file("/proc/cpuinfo", &text, NULL))
        return NULL;
    char *line = strstr(text, name);
    if (line && (line == text || line[-1] == '\n')) {
        char *colon = strchr(line, ':');
        if (colon) {
            colon += 1 + strspn(colon + 1, " \t");
            found = sb_strndup(colon, strcspn(colon, "\n"));
        }
    }
    free(text);
    return found;
}

/* "model" and "model name" begin alike: `name` must be the whole key. */
static char *cpuinfo_key(const char *name)
{
    char *key = sb_printf("%s\t", name), *value = cpuinfo(key);
    free(key);
    return value;
}

/* What tells generations of one trade name apart; a hypervisor shows little more than "AMD EPYC". */
static char *cpu_model(void)
{
    static const char *const keys[] = {"cpu family", "model", "stepping", "CPU part", "CPU variant", "CPU revision"};
    struct sb_text text = {0};
    for (size_t i = 0; i < SB_COUNT(keys); i++) {
        char *value = cpuinfo_key(keys[i]);
        if (value)
            sb_text_printf(&text, "%s%s %s", text.n ? ", " : "", keys[i], value);
        free(value);
    }
    return text.at;
}

static char *memory_size(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? sb_printf("%.1f GiB", (double)pages * (double)size / (1 << 30)) : NULL;
}

/* As os-release(5) calls itself. */
static char *distribution(void)
{
    static const char key[] = "PRETTY_NAME=";
    char *text = NULL, *name = NULL;
    if (sb_read_file("/etc/os-release", &text, NULL))
        return NULL;
    char *at = strstr(text, key);
    if (at) {
        at += strlen(key);
        at += *at == '"';
        name = sb_strndup(at, strcspn(at, "\"\n"));
    }
    free(text);
    return name;
}

/* "always [madvise] never": the word in brackets. */
static char *bracketed(const char *path)
{
    char *line = sb_read_line(path);
    char *open = line ? strchr(line, '[') : NULL, *value = NULL;
    if (open)
        value = sb_strndup(open + 1, strcspn(open + 1, "]"));
    free(line);
    return value;
}

/*
 * Machines without frequency scaling, virtual ones above all, have no such file: not available, no
 * warning.
 */
static void add_governor(struct sb_facts *facts)
{
    char *found = NULL;
    /* The first that isn't 'performance', of whatever CPU. */
    for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
        char *path = sb_printf("/sys/devices/system/cpu/cpu%ld/cpufreq/scaling_governor", cpu);
        char *line = sb_read_line(path);
        free(path);
        if (!line)
            continue;
        free(found);
        found = line;
        if (strcmp(found, "performance"))
            break;
    }
    struct sb_fact *fact = add(facts, "governor", found);
    if (fact->value && strcmp(fact->value, "performance"))
        fact->warning = sb_printf("the CPU frequency governor is '%s': speeds drift with load; "
                                  "mend it with `cpupower frequency-set -g performance`",
                                  fact->value);
}

/* Two drivers, two files, opposite senses. */
static void add_turbo(struct sb_facts *facts)
{
    char *boost = sb_read_line("/sys/devices/system/cpu/cpufreq/boost");
    char *no_turbo = sb_read_line("/sys/devices/system/cpu/intel_pstate/no_turbo");
    char *value = NULL;
    if (boost)
        value = sb_strdup(*boost == '1' ? "on" : "off");
    else if (no_turbo)
        value = sb_strdup(*no_turbo == '0' ? "on" : "off");
    free(boost);
    free(no_turbo);
    struct sb_fact *fact = add(facts, "turbo", value);
    if (value && !strcmp(value, "on"))
        fact->warning = sb_printf("turbo is on: speeds depend on temperature and on other cores; "
                                  "mend it with `echo 0 > /sys/devices/system/cpu/cpufreq/boost` or `echo 1 > "
                                  "/sys/devices/system/cpu/intel_pstate/no_turbo`");
}

/* Half a CPU per CPU: a run beside that competes for its own CPUs. */
static void add_load(struct sb_facts *facts)
{
    struct sb_fact *fact = add(facts, "load", sb_read_line("/proc/loadavg"));
    if (fact->value && strtod(fact->value, NULL) > 0.5 * (double)sysconf(_SC_NPROCESSORS_ONLN))
        fact->warning = sb_printf("the load average is %.4s on %ld CPUs: others compete with the trials; "
                                  "look with `top` and wait",
                                  fact->value, sysconf(_SC_NPROCESSORS_ONLN));
}

/* They cost system calls above all, which vmalloc here lives on. */
static void add_mitigations(struct sb_facts *facts)
{
    struct sb_text text = {0};
    DIR *dir = opendir("/sys/devices/system/cpu/vulnerabilities");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char *path = sb_printf("/sys/devices/system/cpu/vulnerabilities/%s", entry->d_name);
        char *line = *entry->d_name == '.' ? NULL : sb_read_line(path);
        if (line && strcmp(line, "Not affected"))
            sb_text_printf(&text, "%s%s: %s", text.n ? "; " : "", entry->d_name, line);
        free(line);
        free(path);
    }
    if (dir)
        closedir(dir);
    add(facts, "mitigations", text.at);
}

/*
 * Cheap to read and never wrong: files, no guesses. What can't be read is NULL, shown as not
 * available.
 */
struct sb_facts sb_machine_facts(void)
{
    struct sb_facts facts = {0};
    struct utsname name;
    uname(&name);
    char *model = cpuinfo("model name");
    add(&facts, "cpu", model ? model : cpuinfo("CPU implementer"));
    add(&facts, "cpu_model", cpu_model());
    char *mhz = cpuinfo_key("cpu MHz");
    add(&facts, "clock_now", mhz ? sb_printf("%s MHz", mhz) : NULL);
    free(mhz);
    add(&facts, "memory", memory_size());
    add(&facts, "arch", sb_strdup(name.machine));
    add(&facts, "distribution", distribution());
    add(&facts, "kernel", sb_printf("%s %s", name.sysname, name.release));
    add(&facts, "hypervisor", sb_read_line("/sys/hypervisor/type"));
    if (!facts.at[facts.n - 1].value) {
        char *flags = cpuinfo("flags");
        facts.at[facts.n - 1].value = flags ? sb_strdup(strstr(flags, " hypervisor") ? "yes" : "none") : NULL;
        free(flags);
    }
    add_governor(&facts);
    add_turbo(&facts);
    add(&facts, "smt", sb_read_line("/sys/devices/system/cpu/smt/control"));
    add(&facts, "thp", bracketed("/sys/kernel/mm/transparent_hugepage/enabled"));
    add(&facts, "thp_shmem", bracketed("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
    add(&facts, "aslr", sb_read_line("/proc/sys/kernel/randomize_va_space"));
    add(&facts, "overcommit", sb_read_line("/proc/sys/vm/overcommit_memory"));
    add(&facts, "max_map_count", sb_read_line("/proc/sys/vm/max_map_count"));
    add(&facts, "perf_event_paranoid", sb_read_line("/proc/sys/kernel/perf_event_paranoid"));
    add_mitigations(&facts);
    add_load(&facts);
    return facts;
}

void sb_facts_free(struct sb_facts *facts)
{
    for (size_t i = 0; i < facts->n; i++) {
        free(facts->at[i].value);
        free(facts->at[i].warning);
    }
    SB_VEC_FREE(facts);
}
