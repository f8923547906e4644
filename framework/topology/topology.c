/* Topology, placement and binding over hwloc. Read-only once loaded, so threads may share one. */
#define _GNU_SOURCE
#include "topology/topology.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

struct sb_topology {
    hwloc_topology_t hwloc;
    hwloc_bitmap_t usable; /* CPUs this process may run on */
    bool real;
};

/* What the process may run on is asked once: taskset and cgroups set it before we start. */
int sb_topology_load(struct sb_topology **out, char **why)
{
    struct sb_topology *t = sb_calloc(1, sizeof(*t));
    const char *xml = getenv("HWLOC_XMLFILE");

    *out = NULL;
    /* hwloc falls back to the real machine without a word. */
    if (xml && *xml && access(xml, R_OK)) {
        *why = sb_printf("HWLOC_XMLFILE names '%s', which can't be read: %s", xml, strerror(errno));
        free(t);
        return -ENOENT;
    }
    if (hwloc_topology_init(&t->hwloc) ||
        /* Caches of instructions matter to nobody here, but lstopo prints them, and papers compare. */
        hwloc_topology_set_icache_types_filter(t->hwloc, HWLOC_TYPE_FILTER_KEEP_ALL) ||
        hwloc_topology_load(t->hwloc)) {
        *why = sb_printf("hwloc can't load the topology: %s", strerror(errno));
        free(t);
        return -EIO;
    }
    t->real = hwloc_topology_is_thissystem(t->hwloc);
    t->usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(t->hwloc));
    /* Of a synthetic machine all CPUs are usable: what we are bound to says nothing about it. */
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (t->real && !hwloc_get_cpubind(t->hwloc, bound, HWLOC_CPUBIND_PROCESS))
        hwloc_bitmap_and(t->usable, t->usable, bound);
    hwloc_bitmap_free(bound);
    *out = t;
    return 0;
}

void sb_topology_free(struct sb_topology *t)
{
    if (!t)
        return;
    hwloc_bitmap_free(t->usable);
    hwloc_topology_destroy(t->hwloc);
    free(t);
}

bool sb_topology_is_real(const struct sb_topology *t)
{
    return t->real;
}

/* Configured, not online: a CPU that comes up later must not be past the end of a table. */
unsigned sb_topology_nr_cpus(const struct sb_topology *t)
{
    int last = hwloc_bitmap_last(hwloc_topology_get_complete_cpuset(t->hwloc));
    long configured = t->real ? sysconf(_SC_NPROCESSORS_CONF) : 1;
    return last + 1 > configured ? (unsigned)(last + 1) : (unsigned)configured;
}

/* A machine without NUMA is one node; hwloc 2 shows it as one, older exports may show none. */
unsigned sb_topology_nr_nodes(const struct sb_topology *t)
{
    int n = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_NUMANODE);
    return n > 0 ? (unsigned)n : 1;
}

void sb_topology_cpu_nodes(const struct sb_topology *t, uint32_t *nodes, unsigned nr_cpus)
{
    hwloc_obj_t node = NULL;
    /* CPUs without memory of their own use the first node's. */
    memset(nodes, 0, nr_cpus * sizeof(*nodes));
    while ((node = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_NUMANODE, node))) {
        unsigned cpu;
        hwloc_bitmap_foreach_begin(cpu, node->cpuset) if (cpu < nr_cpus) nodes[cpu] = node->logical_index;
        hwloc_bitmap_foreach_end();
    }
}

/* One step of a location, `type:range`: the range's logical numbers within the objects around. */
struct range {
    unsigned first, last, step;
};

/* An open end is a large number: what exists is decided by counting. */
static bool read_range(const char *text, struct range *range)
{
    char *end;
    *range = (struct range){0, UINT32_MAX, 1};
    if (!strcmp(text, "all"))
        return true;
    if (!strcmp(text, "even") || !strcmp(text, "odd")) {
        *range = (struct range){*text == 'o', UINT32_MAX, 2};
        return true;
    }
    if (!isdigit((unsigned char)*text))
        return false;
    range->first = range->last = (unsigned)strtoul(text, &end, 10);
    if (!*end)
        return true;
    if (*end != '-')
        return false;
    range->last = UINT32_MAX;
    if (!end[1])
        return true;
    if (!isdigit((unsigned char)end[1]))
        return false;
    range->last = (unsigned)strtoul(end + 1, &end, 10);
    return !*end && range->last >= range->first;
}

/* Our list is shorter than hwloc's: what can be pinned to, or holds what can. */
static int read_type(const char *text, hwloc_obj_type_t *type, char **why)
{
    static const char *const names[] = {"pu", "core", "l2", "l3", "die", "package", "numa", "machine"};
    union hwloc_obj_attr_u attributes;
    /* As hwloc 1 called it, and many scripts still do. */
    if (!strcmp(text, "node"))
        text = "numa";
    /* hwloc's reader takes any word that starts well; ours must be whole. */
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        if (!strcasecmp(names[i], text))
            return hwloc_type_sscanf(text, type, &attributes, sizeof(attributes));
    }
    const char *near = sb_nearest(text, names, SB_COUNT(names));
    *why = near
               ? sb_printf("'%s' is no kind of object (did you mean '%s'?)", text, near)
               : sb_printf("'%s' is no kind of object (valid: pu, core, l2, l3, die, package, numa, machine)",
                           text);
    return -EINVAL;
}

/* Everything a location may pick from or end in. */
struct selection {
    hwloc_bitmap_t cpus, nodes;
    struct sb_cpus *order; /* CPUs as the location names them, or NULL */
    bool remove;
};

/* CPUs keep the order in which the location names them: placement = list means that order. */
static void select_object(const struct sb_topology *t, hwloc_obj_t object, struct selection *s)
{
    hwloc_obj_t pu = NULL;
    if (s->remove) {
        hwloc_bitmap_andnot(s->cpus, s->cpus, object->cpuset);
        hwloc_bitmap_andnot(s->nodes, s->nodes, object->nodeset);
        return;
    }
    hwloc_bitmap_or(s->nodes, s->nodes, object->nodeset);
    while ((pu = hwloc_get_next_obj_inside_cpuset_by_type(t->hwloc, object->cpuset, HWLOC_OBJ_PU, pu))) {
        if (s->order && !hwloc_bitmap_isset(s->cpus, pu->os_index))
            *SB_VEC_ADD(s->order) = (struct sb_cpu){pu->logical_index, pu->os_index};
        hwloc_bitmap_set(s->cpus, pu->os_index);
    }
}

/* Walks `step` and what follows it (`.type:range`) inside `around`. */
static int walk(const struct sb_topology *t, char *step, hwloc_const_cpuset_t around, struct selection *s,
                char **why)
{
    char *dot = strchr(step, '.'), *colon;
    hwloc_obj_type_t type;
    struct range range;
    unsigned found = 0, number = 0;
    hwloc_obj_t object = NULL;

    if (dot)
        *dot = '\0';
    colon = strchr(step, ':');
    if (!colon) {
        *why = sb_printf("'%s' is not kind:number", step);
        return -EINVAL;
    }
    *colon = '\0';
    int status = read_type(step, &type, why);
    if (status)
        return status;
    if (!read_range(colon + 1, &range)) {
        *why = sb_printf("'%s' is no range of numbers (valid: 3, 0-3, 2-, all, even, odd)", colon + 1);
        return -EINVAL;
    }
    int depth = hwloc_get_type_depth(t->hwloc, type);
    while ((object = hwloc_get_next_obj_by_depth(t->hwloc, depth, object))) {
        /* Memory-only nodes have no CPUs to pin to, and are not counted. */
        if (hwloc_bitmap_iszero(object->cpuset) || !hwloc_bitmap_isincluded(object->cpuset, around))
            continue;
        unsigned i = number++;
        if (i < range.first || i > range.last || (i - range.first) % range.step)
            continue;
        found++;
        if (dot) {
            char *rest = sb_strdup(dot + 1);
            status = walk(t, rest, object->cpuset, s, why);
            free(rest);
            if (status)
                return status;
        } else {
            select_object(t, object, s);
        }
    }
    /* Half of what was asked for would be a surprise in the results: a range that is written out must
       exist whole. */
    if (!found || (range.last != UINT32_MAX && range.last >= number)) {
        *why = sb_printf("%s:%s names what isn't there: this machine has %u of that kind here", step,
                         colon + 1, number);
        return -EINVAL;
    }
    return 0;
}

/* Words add from left to right, and take away with ~: the order matters, as on hwloc's command line. */
static int read_location(const struct sb_topology *t, const char *location, struct selection *s, char **why)
{
    /* strtok and walk() write into it. */
    char *copy = sb_strdup(location), *state = NULL;
    int status = 0;
    bool first = true;
    for (char *word = strtok_r(copy, " \t", &state); word && !status; word = strtok_r(NULL, " \t", &state)) {
        hwloc_obj_t root = hwloc_get_root_obj(t->hwloc);
        s->remove = *word == '~';
        word += s->remove;
        /* "all but": a location that begins by taking away begins with everything. */
        if (first && s->remove) {
            s->remove = false;
            select_object(t, root, s);
            s->remove = true;
        }
        first = false;
        if (!strcmp(word, "all"))
            select_object(t, root, s);
        else
            status = walk(t, word, root->cpuset, s, why);
    }
    free(copy);
    return status;
}

/* How a CPU stands among the chosen ones: its rank in its core, its core's in its package. */
struct ranked {
    struct sb_cpu cpu;
    unsigned smt, core, package;
};

/* First siblings of all cores, then second ones; within that across packages. */
static int by_scatter(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->smt != y->smt)
        return x->smt < y->smt ? -1 : 1;
    if (x->core != y->core)
        return x->core < y->core ? -1 : 1;
    return x->package < y->package ? -1 : x->package > y->package;
}

static int by_logical(const void *a, const void *b)
{
    const struct sb_cpu *x = a, *y = b;
    return x->logical < y->logical ? -1 : x->logical > y->logical;
}

/* Machines without such objects (a VM may hide its packages) count as one. */
static hwloc_obj_t around(const struct sb_topology *t, unsigned os, hwloc_obj_type_t type)
{
    hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(t->hwloc, os);
    hwloc_obj_t object = hwloc_get_ancestor_obj_by_type(t->hwloc, type, pu);
    return object ? object : hwloc_get_root_obj(t->hwloc);
}

/* Ranks are among the chosen CPUs: half a core is a whole one when its sibling isn't ours. */
static void rank_cpus(const struct sb_topology *t, const struct sb_cpus *cpus, struct ranked *ranked)
{
    for (size_t i = 0; i < cpus->n; i++) {
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(
            t->hwloc, HWLOC_OBJ_CORE, hwloc_get_pu_obj_by_os_index(t->hwloc, cpus->at[i].os));
        hwloc_obj_t package = around(t, cpus->at[i].os, HWLOC_OBJ_PACKAGE);
        ranked[i] = (struct ranked){.cpu = cpus->at[i], .package = package->logical_index};
        for (size_t j = 0; j < i; j++) {
            bool same_package = around(t, cpus->at[j].os, HWLOC_OBJ_PACKAGE) == package;
            if (core && hwloc_bitmap_isset(core->cpuset, cpus->at[j].os))
                ranked[i].smt++;
            else if (same_package && !ranked[j].smt)
                ranked[i].core++;
        }
    }
}

/* list alone keeps the location's order; the others begin from hwloc's, in which neighbours are near. */
static void place(const struct sb_topology *t, enum sb_placement placement, struct sb_cpus *cpus)
{
    struct ranked *ranked = sb_calloc(cpus->n, sizeof(*ranked));
    size_t n = 0;
    if (placement != SB_PLACE_LIST)
        qsort(cpus->at, cpus->n, sizeof(*cpus->at), by_logical);
    rank_cpus(t, cpus, ranked);
    if (placement == SB_PLACE_SCATTER)
        qsort(ranked, cpus->n, sizeof(*ranked), by_scatter);
    for (size_t i = 0; i < cpus->n; i++) {
        if (placement != SB_PLACE_ONE_PER_CORE || !ranked[i].smt)
            cpus->at[n++] = ranked[i].cpu;
    }
    cpus->n = n;
    free(ranked);
}

int sb_topology_cpus(const struct sb_topology *t, const char *location, enum sb_placement placement,
                     struct sb_cpus *cpus, char **why)
{
    struct sb_cpus order = {0};
    struct selection s = {hwloc_bitmap_alloc(), hwloc_bitmap_alloc(), &order, false};
    int status = read_location(t, location, &s, why);

    *cpus = (struct sb_cpus){0};
    for (size_t i = 0; i < order.n && !status; i++) {
        /* Taken away again by a later word, or not ours by taskset or cgroup. */
        unsigned os = order.at[i].os;
        if (hwloc_bitmap_isset(s.cpus, os) && hwloc_bitmap_isset(t->usable, os))
            *SB_VEC_ADD(cpus) = order.at[i];
    }
    if (!status && !cpus->n) {
        *why = sb_printf("no CPU that this process may run on is left");
        status = -EINVAL;
    }
    if (!status)
        place(t, placement, cpus);
    SB_VEC_FREE(&order);
    hwloc_bitmap_free(s.cpus);
    hwloc_bitmap_free(s.nodes);
    return status;
}

/* Verified by the kernel's own word: hwloc reports success for bindings that did nothing. */
int sb_topology_pin(const struct sb_topology *t, unsigned os_cpu, char **why)
{
    cpu_set_t set;
    int status = 0;
    if (!t->real)
        return 0;
    hwloc_bitmap_t cpu = hwloc_bitmap_alloc();
    hwloc_bitmap_only(cpu, os_cpu);
    if (hwloc_set_cpubind(t->hwloc, cpu, HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT)) {
        *why = sb_printf("the thread can't be bound to CPU P#%u: %s", os_cpu, strerror(errno));
        status = -EIO;
    } else if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) != 1 || !CPU_ISSET(os_cpu, &set)) {
        *why = sb_printf("the thread was bound to CPU P#%u, but the kernel says otherwise", os_cpu);
        status = -EIO;
    }
    hwloc_bitmap_free(cpu);
    return status;
}

/* Nodes near the chosen objects: core:0 names the memory next to it. */
static int read_nodes(const struct sb_topology *t, const char *location, hwloc_bitmap_t *nodes, char **why)
{
    struct selection s = {hwloc_bitmap_alloc(), hwloc_bitmap_alloc(), NULL, false};
    int status = read_location(t, location, &s, why);
    if (!status && hwloc_bitmap_iszero(s.nodes)) {
        *why = sb_printf("'%s' has no memory node", location);
        status = -EINVAL;
    }
    hwloc_bitmap_free(s.cpus);
    *nodes = s.nodes;
    return status;
}

int sb_topology_check_nodes(const struct sb_topology *t, const char *location, char **why)
{
    hwloc_bitmap_t nodes;
    if (!strcmp(location, "any"))
        return 0;
    int status = read_nodes(t, location, &nodes, why);
    hwloc_bitmap_free(nodes);
    return status;
}

/* Strict: silently landing on another node is what spoils NUMA results. */
int sb_topology_bind_memory(const struct sb_topology *t, void *at, size_t length, const char *location,
                            char **why)
{
    hwloc_bitmap_t nodes;
    if (!strcmp(location, "any") || !t->real)
        return 0;
    int status = read_nodes(t, location, &nodes, why);
    if (!status && hwloc_set_area_membind(t->hwloc, at, length, nodes, HWLOC_MEMBIND_BIND,
                                          HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_STRICT)) {
        *why = sb_printf("the memory can't be bound to '%s': %s", location, strerror(errno));
        status = -EIO;
    }
    hwloc_bitmap_free(nodes);
    return status;
}

/* A level that hwloc doesn't know of here is all zeroes. */
struct sb_cache sb_topology_cache(const struct sb_topology *t, unsigned os_cpu, enum sb_cache_level level)
{
    struct sb_cache found = {0};
    hwloc_obj_t object = hwloc_get_pu_obj_by_os_index(t->hwloc, os_cpu);
    for (; object; object = object->parent) {
        bool take = level == SB_CACHE_L1I   ? object->type == HWLOC_OBJ_L1ICACHE
                    : level == SB_CACHE_L1D ? object->type == HWLOC_OBJ_L1CACHE
                                            : hwloc_obj_type_is_dcache(object->type);
        if (take)
            found = (struct sb_cache){
                object->attr->cache.size,
                object->attr->cache.associativity > 0 ? (unsigned)object->attr->cache.associativity : 0,
                object->attr->cache.linesize};
    }
    return found;
}

/* Of the first CPU we may use: where kinds of cores differ, the tree in the database has the others. */
char *sb_topology_caches(const struct sb_topology *t)
{
    struct sb_text text = {0};
    int first = hwloc_bitmap_first(t->usable);
    hwloc_obj_t object = first < 0 ? NULL : hwloc_get_pu_obj_by_os_index(t->hwloc, (unsigned)first);
    for (; object; object = object->parent) {
        char type[32];
        if (!hwloc_obj_type_is_dcache(object->type))
            continue;
        char *size = sb_format_size(object->attr->cache.size);
        hwloc_obj_type_snprintf(type, sizeof(type), object, 0);
        sb_text_printf(&text, "%s%s %s", text.n ? ", " : "", type, size);
        free(size);
    }
    return text.at;
}

bool sb_topology_share_core(const struct sb_topology *t, const struct sb_cpus *cpus)
{
    for (size_t i = 0; i < cpus->n; i++) {
        hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(t->hwloc, cpus->at[i].os);
        hwloc_obj_t core = pu ? hwloc_get_ancestor_obj_by_type(t->hwloc, HWLOC_OBJ_CORE, pu) : NULL;
        for (size_t j = 0; core && j < cpus->n; j++) {
            if (j != i && hwloc_bitmap_isset(core->cpuset, cpus->at[j].os))
                return true;
        }
    }
    return false;
}

/* Kept whole in the database: a later reader can ask what we didn't think of. */
char *sb_topology_xml(const struct sb_topology *t)
{
    char *buffer = NULL, *result = NULL;
    int length = 0;
    if (hwloc_topology_export_xmlbuffer(t->hwloc, &buffer, &length, 0))
        return sb_strdup("");
    result = sb_strndup(buffer, (size_t)length);
    hwloc_free_xmlbuffer(t->hwloc, buffer);
    /* A published database shouldn't name the host. */
    char *host = strstr(result, "name=\"HostName\" value=\"");
    if (host) {
        char *value = host + strlen("name=\"HostName\" value=\""), *end = strchr(value, '"');
        memmove(value, end, strlen(end) + 1);
    }
    return result;
}

static unsigned count(const struct sb_topology *t, hwloc_obj_type_t type)
{
    int n = hwloc_get_nbobjs_by_type(t->hwloc, type);
    return n > 0 ? (unsigned)n : 0;
}

char *sb_topology_summary(const struct sb_topology *t)
{
    const struct {
        hwloc_obj_type_t type;
        const char *name;
    } parts[] = {{HWLOC_OBJ_PACKAGE, "package"},
                 {HWLOC_OBJ_CORE, "core"},
                 {HWLOC_OBJ_PU, "CPU"},
                 {HWLOC_OBJ_NUMANODE, "NUMA node"}};
    struct sb_text text = {0};
    for (size_t i = 0; i < SB_COUNT(parts); i++) {
        unsigned n = count(t, parts[i].type);
        sb_text_printf(&text, "%s%u %s%s", i ? ", " : "", n, parts[i].name, n == 1 ? "" : "s");
    }
    return text.at;
}

/* Memory hangs beside CPUs in hwloc's tree, so it is printed first. */
static void print_object(const struct sb_topology *t, hwloc_obj_t object, int depth, FILE *out)
{
    char type[64], attributes[128];
    hwloc_obj_type_snprintf(type, sizeof(type), object, 0);
    hwloc_obj_attr_snprintf(attributes, sizeof(attributes), object, ", ", 0);
    fprintf(out, "%*s%s L#%u", 2 * depth, "", type, object->logical_index);
    if (object->os_index != HWLOC_UNKNOWN_INDEX)
        fprintf(out, " P#%u", object->os_index);
    if (*attributes && object->type != HWLOC_OBJ_MACHINE)
        fprintf(out, " (%s)", attributes);
    if (object->type == HWLOC_OBJ_PU && !hwloc_bitmap_isset(t->usable, object->os_index))
        fprintf(out, " not ours");
    fprintf(out, "\n");
    for (hwloc_obj_t child = object->memory_first_child; child; child = child->next_sibling)
        print_object(t, child, depth + 1, out);
    for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling)
        print_object(t, child, depth + 1, out);
}

void sb_topology_print(const struct sb_topology *t, FILE *out)
{
    char *summary = sb_topology_summary(t);
    fprintf(out, "%s\n", summary);
    if (!t->real)
        fprintf(out, "This is not the machine we run on: it can be planned on, but threads are not bound.\n");
    print_object(t, hwloc_get_root_obj(t->hwloc), 0, out);
    free(summary);
}
