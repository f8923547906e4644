/* Topology, placement and binding over hwloc. Read-only once loaded, so threads may share one. */
#include "topology/tree.h"

#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set by a user who wants another machine; hwloc falls back to the real one without a word where it can't
 * have it. */
static const char *const descriptions[] = {"HWLOC_XMLFILE", "HWLOC_SYNTHETIC", "HWLOC_FSROOT"};

static const char *description(void)
{
    for (size_t i = 0; i < SB_COUNT(descriptions); i++) {
        const char *value = getenv(descriptions[i]);
        if (value && *value)
            return descriptions[i];
    }
    return NULL;
}

/* The fault of a topology's file that hwloc doesn't take. */
static char *say_xml(const char *file)
{
    char head[512] = "";
    FILE *in = fopen(file, "re");
    size_t n = in ? fread(head, 1, sizeof(head) - 1, in) : 0;
    if (in)
        fclose(in);
    head[n] = '\0';
    const char *version = strstr(head, "<topology version=\"");
    if (!strstr(head, "<topology"))
        return sb_printf("HWLOC_XMLFILE names '%s', which is no topology in XML", file);
    if (version && version[strlen("<topology version=\"")] > '2')
        return sb_printf("HWLOC_XMLFILE names '%s', which hwloc %c wrote; this is hwloc %d: "
                         "write it again with `lstopo --export-xml-flags v2`",
                         file, version[strlen("<topology version=\"")], HWLOC_API_VERSION >> 16);
    return sb_printf("HWLOC_XMLFILE names '%s', which hwloc can't read: it is damaged or cut off", file);
}

/* Whether another machine was loaded than was described, whatever the library says. */
static char *judge(const struct sb_topology *t)
{
    const char *name = description(), *value = name ? getenv(name) : NULL;
    const char *here = getenv("HWLOC_THISSYSTEM");
    const char *backend = hwloc_obj_get_info_by_name(hwloc_get_root_obj(t->hwloc), "Backend");
    bool synthetic = backend && !strcmp(backend, "Synthetic");
    if (!name || !t->real)
        return NULL;
    if (!strcmp(name, "HWLOC_SYNTHETIC") ? synthetic : here && !strcmp(here, "1"))
        return NULL;
    return !strcmp(name, "HWLOC_XMLFILE")
               ? say_xml(value)
               : sb_printf("%s is '%s', which hwloc can't make a machine of: it would take this one in its place", name,
                           value);
}

static void index_pus(struct sb_topology *t)
{
    hwloc_obj_t pu = NULL;
    int last = hwloc_bitmap_last(hwloc_get_root_obj(t->hwloc)->cpuset);
    t->nr_pus = last < 0 ? 0 : (unsigned)last + 1;
    t->pus = sb_calloc(t->nr_pus + 1, sizeof(*t->pus));
    while ((pu = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_PU, pu)))
        t->pus[pu->os_index] = pu;
}

/* The CPUs that the process may use are asked once: taskset and cgroups set them before we start. */
static int load(struct sb_topology **out, const char *known, char **why)
{
    struct sb_topology *t = sb_calloc(1, sizeof(*t));
    const char *xml = known ? known : getenv("HWLOC_XMLFILE");
    int status = -EIO;

    *out = NULL;
    if (!known && xml && *xml && access(xml, R_OK)) {
        *why = sb_printf("HWLOC_XMLFILE names '%s', which can't be read: %s", xml, strerror(errno));
        status = -ENOENT;
        goto fail;
    }
    if (hwloc_topology_init(&t->hwloc))
        goto fail;
    if (known && (hwloc_topology_set_xml(t->hwloc, known) ||
                  hwloc_topology_set_flags(t->hwloc, HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM))) {
        *why = sb_printf("the topology that the run read can't be had from it: %s", strerror(errno));
        goto fail;
    }
    /* Caches of instructions matter to nobody here, but lstopo prints them, and papers compare. */
    if (hwloc_topology_set_icache_types_filter(t->hwloc, HWLOC_TYPE_FILTER_KEEP_ALL) || hwloc_topology_load(t->hwloc)) {
        *why = known         ? sb_printf("the topology that the run read can't be loaded: %s", strerror(errno))
               : xml && *xml ? say_xml(xml)
                             : sb_printf("hwloc can't load the topology: %s", strerror(errno));
        goto fail;
    }
    t->real = hwloc_topology_is_thissystem(t->hwloc);
    *why = known ? NULL : judge(t);
    if (*why)
        goto fail;
    index_pus(t);
    t->usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(t->hwloc));
    /* All CPUs of a synthetic machine are usable: our own binding says nothing about it. */
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (t->real && !hwloc_get_cpubind(t->hwloc, bound, HWLOC_CPUBIND_PROCESS))
        hwloc_bitmap_and(t->usable, t->usable, bound);
    hwloc_bitmap_free(bound);
    *out = t;
    return 0;
fail:
    if (!*why)
        *why = sb_printf("hwloc can't be started: %s", strerror(errno));
    if (t->hwloc)
        hwloc_topology_destroy(t->hwloc);
    free(t);
    return status;
}

int sb_topology_load(struct sb_topology **out, char **why)
{
    return load(out, NULL, why);
}

int sb_topology_load_known(struct sb_topology **out, const char *file, char **why)
{
    return load(out, file, why);
}

int sb_topology_write(const struct sb_topology *t, int fd)
{
    char *buffer = NULL;
    int length = 0;
    if (hwloc_topology_export_xmlbuffer(t->hwloc, &buffer, &length, 0))
        return -errno;
    /* The length counts the zero behind the text. */
    ssize_t n = write(fd, buffer, (size_t)length - 1);
    hwloc_free_xmlbuffer(t->hwloc, buffer);
    return n == length - 1 ? 0 : -EIO;
}

void sb_topology_free(struct sb_topology *t)
{
    if (!t)
        return;
    hwloc_bitmap_free(t->usable);
    free(t->pus);
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
    /* Under another machine's description the process still runs on the CPUs there are. */
    long configured = sysconf(_SC_NPROCESSORS_CONF);
    return last + 1 > configured ? (unsigned)(last + 1) : (unsigned)configured;
}

hwloc_obj_t sb_tree_pu(const struct sb_topology *t, unsigned os)
{
    return os < t->nr_pus ? t->pus[os] : NULL;
}

/* Lower is nearer. A kind of memory that isn't plain DRAM (HBM, MCDRAM, NVM, CXL) is named by its subtype. */
struct nearness {
    bool special, empty;
    int cpus; /* that it serves: fewer are nearer */
};

static struct nearness nearness_of(hwloc_obj_t node)
{
    return (struct nearness){node->subtype && strcmp(node->subtype, "DRAM"), !node->attr->numanode.local_memory,
                             hwloc_bitmap_weight(node->cpuset)};
}

static bool is_better(struct nearness a, struct nearness b)
{
    return a.empty != b.empty ? b.empty : a.special != b.special && b.special;
}

/* Who serves no CPU is near to none. */
static bool is_nearer(struct nearness a, struct nearness b)
{
    bool equal = a.empty == b.empty && a.special == b.special;
    return is_better(a, b) || (equal && a.cpus && (!b.cpus || a.cpus < b.cpus));
}

/*
 * The smallest node of plain memory that serves the CPU; where none does, of the objects around it the
 * nearest that has one. The kernel puts a CPU whose node has no memory to the nearest that has some, too.
 */
hwloc_obj_t sb_tree_nearest_node(const struct sb_topology *t, unsigned os)
{
    hwloc_obj_t best = NULL;
    for (hwloc_obj_t around = sb_tree_pu(t, os); around; around = around->parent) {
        hwloc_obj_t here = NULL;
        unsigned node;
        hwloc_bitmap_foreach_begin(node, around->nodeset)
        {
            hwloc_obj_t o = hwloc_get_numanode_obj_by_os_index(t->hwloc, node);
            if (o && (!here || is_nearer(nearness_of(o), nearness_of(here))))
                here = o;
        }
        hwloc_bitmap_foreach_end();
        /* Further out only what is better in kind counts, however few CPUs it serves. */
        if (here && (!best || is_better(nearness_of(here), nearness_of(best))))
            best = here;
        if (best && !nearness_of(best).special && !nearness_of(best).empty)
            break;
    }
    return best;
}

/* L# of the nodes that CPUs are nearest to. */
static hwloc_bitmap_t local_nodes(const struct sb_topology *t)
{
    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    unsigned os;
    /* Not of those that we are bound to: that changes within a trial. */
    hwloc_bitmap_foreach_begin(os, hwloc_get_root_obj(t->hwloc)->cpuset)
    {
        hwloc_obj_t node = sb_tree_nearest_node(t, os);
        if (node)
            hwloc_bitmap_set(nodes, node->logical_index);
    }
    hwloc_bitmap_foreach_end();
    return nodes;
}

/* A machine without NUMA is one node; hwloc 2 shows it as one, older exports may show none. */
size_t sb_topology_local_nodes(const struct sb_topology *t, unsigned *nodes, size_t most)
{
    hwloc_bitmap_t local = local_nodes(t);
    size_t n = 0;
    unsigned node;
    hwloc_bitmap_foreach_begin(node, local)
    {
        if (n < most)
            nodes[n] = node;
        n++;
    }
    hwloc_bitmap_foreach_end();
    hwloc_bitmap_free(local);
    return n;
}

/* A CPU that comes up later uses the first node's. */
void sb_topology_cpu_nodes(const struct sb_topology *t, uint32_t *nodes, unsigned nr_cpus)
{
    hwloc_bitmap_t local = local_nodes(t);
    for (unsigned os = 0; os < nr_cpus; os++) {
        hwloc_obj_t node = sb_tree_nearest_node(t, os);
        nodes[os] = 0;
        for (int i = hwloc_bitmap_first(local);
             node && hwloc_bitmap_isset(local, node->logical_index) && i < (int)node->logical_index;
             i = hwloc_bitmap_next(local, i))
            nodes[os]++;
    }
    hwloc_bitmap_free(local);
}

/* The place of a node in a matrix, by its number; -1: it is not in there. */
static int place_of(const struct hwloc_distances_s *matrix, unsigned node)
{
    for (unsigned i = 0; i < matrix->nbobjs; i++) {
        if (matrix->objs[i]->logical_index == node)
            return (int)i;
    }
    return -1;
}

uint32_t *sb_topology_distances(const struct sb_topology *t, unsigned n)
{
    struct hwloc_distances_s *matrix = NULL;
    unsigned found = 1, *nodes = sb_calloc(n, sizeof(*nodes));
    uint32_t *distances = sb_calloc((size_t)n * n, sizeof(*distances));
    bool known = sb_topology_local_nodes(t, nodes, n) == n &&
                 !hwloc_distances_get_by_name(t->hwloc, "NUMALatency", &found, &matrix, 0) && found;
    for (unsigned i = 0; i < n * n && known; i++) {
        int from = place_of(matrix, nodes[i / n]), to = place_of(matrix, nodes[i % n]);
        known = from >= 0 && to >= 0;
        if (known)
            distances[i] = (uint32_t)matrix->values[(unsigned)from * matrix->nbobjs + (unsigned)to];
    }
    if (found && matrix)
        hwloc_distances_release(t->hwloc, matrix);
    free(nodes);
    if (known)
        return distances;
    free(distances);
    return NULL;
}

/* Verified by the kernel's own word: hwloc reports success for bindings that did nothing. */
int sb_topology_pin(const struct sb_topology *t, unsigned os_cpu, char **why)
{
    int status = 0;
    if (!t->real)
        return 0;
    hwloc_bitmap_t cpu = hwloc_bitmap_alloc(), bound = hwloc_bitmap_alloc();
    hwloc_bitmap_only(cpu, os_cpu);
    if (hwloc_set_cpubind(t->hwloc, cpu, HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT)) {
        *why = sb_printf("the thread can't be bound to CPU P#%u: %s", os_cpu, strerror(errno));
        status = -EIO;
    } else if (hwloc_get_cpubind(t->hwloc, bound, HWLOC_CPUBIND_THREAD) || !hwloc_bitmap_isequal(cpu, bound)) {
        *why = sb_printf("the thread was bound to CPU P#%u, but the kernel says otherwise", os_cpu);
        status = -EIO;
    }
    hwloc_bitmap_free(cpu);
    hwloc_bitmap_free(bound);
    return status;
}

int sb_topology_check_nodes(const struct sb_topology *t, const char *location, char **why)
{
    hwloc_bitmap_t nodes;
    if (!strcmp(location, "any"))
        return 0;
    int status = sb_tree_read_nodes(t, location, &nodes, why);
    hwloc_bitmap_free(nodes);
    return status;
}

/* Strict: silently landing on another node is what spoils NUMA results. */
int sb_topology_bind_memory(const struct sb_topology *t, void *at, size_t length, const char *location, char **why)
{
    hwloc_bitmap_t nodes;
    if (!strcmp(location, "any") || !t->real)
        return 0;
    int status = sb_tree_read_nodes(t, location, &nodes, why);
    if (!status && hwloc_set_area_membind(t->hwloc, at, length, nodes, HWLOC_MEMBIND_BIND,
                                          HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_STRICT)) {
        *why = sb_printf("the memory can't be bound to '%s': %s", location, strerror(errno));
        status = -EIO;
    }
    hwloc_bitmap_free(nodes);
    return status;
}

void sb_topology_unbind_memory(const struct sb_topology *t, void *at, size_t length)
{
    if (t->real)
        hwloc_set_area_membind(t->hwloc, at, length, hwloc_topology_get_allowed_nodeset(t->hwloc),
                               HWLOC_MEMBIND_DEFAULT, HWLOC_MEMBIND_BYNODESET);
}

/* A level that hwloc doesn't know of here is all zeroes. */
struct sb_cache sb_topology_cache(const struct sb_topology *t, unsigned os_cpu, enum sb_cache_level level)
{
    struct sb_cache found = {0};
    hwloc_obj_t object = sb_tree_pu(t, os_cpu);
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

/* The first usable CPU's: where kinds of cores differ, the tree in the database has the others. */
char *sb_topology_caches(const struct sb_topology *t)
{
    struct sb_text text = {0};
    int first = hwloc_bitmap_first(t->usable);
    hwloc_obj_t object = first < 0 ? NULL : sb_tree_pu(t, (unsigned)first);
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
    bool shared = false;
    hwloc_bitmap_t seen = hwloc_bitmap_alloc();
    for (size_t i = 0; i < cpus->n && !shared; i++) {
        hwloc_obj_t pu = sb_tree_pu(t, cpus->at[i].os);
        hwloc_obj_t core = pu ? hwloc_get_ancestor_obj_by_type(t->hwloc, HWLOC_OBJ_CORE, pu) : NULL;
        shared = core && hwloc_bitmap_isset(seen, core->logical_index);
        if (core)
            hwloc_bitmap_set(seen, core->logical_index);
    }
    hwloc_bitmap_free(seen);
    return shared;
}

/* "core type IntelAtom, 2 GHz at most", as far as hwloc knows. */
static char *name_kind(const struct hwloc_info_s *infos, unsigned n)
{
    struct sb_text text = {0};
    for (unsigned i = 0; i < n; i++)
        sb_text_printf(&text, "%s%s %s", text.n ? ", " : "", infos[i].name, infos[i].value);
    return text.at ? text.at : sb_strdup("nothing else is known of it");
}

/* Kinds of cores with a CPU here, as locations count them. */
static void each_kind(const struct sb_topology *t,
                      void (*tell)(void *to, unsigned number, hwloc_const_bitmap_t cpus, const char *name), void *to)
{
    int kinds = hwloc_cpukinds_get_nr(t->hwloc, 0);
    unsigned number = 0;
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    for (int i = 0; i < kinds; i++) {
        struct hwloc_info_s *infos = NULL;
        unsigned n = 0;
        hwloc_cpukinds_get_info(t->hwloc, (unsigned)i, cpus, NULL, &n, &infos, 0);
        hwloc_bitmap_and(cpus, cpus, hwloc_get_root_obj(t->hwloc)->cpuset);
        if (hwloc_bitmap_iszero(cpus))
            continue;
        char *name = name_kind(infos, n);
        tell(to, number++, cpus, name);
        free(name);
    }
    hwloc_bitmap_free(cpus);
}

struct mixture {
    const struct sb_cpus *cpus;
    struct sb_text text;
    unsigned kinds;
};

static void count_kind(void *to, unsigned number, hwloc_const_bitmap_t cpus, const char *name)
{
    struct mixture *m = to;
    size_t n = 0;
    for (size_t i = 0; i < m->cpus->n; i++)
        n += hwloc_bitmap_isset(cpus, m->cpus->at[i].os);
    if (!n)
        return;
    sb_text_printf(&m->text, "%s%zu of kind:%u (%s)", m->kinds++ ? ", " : "", n, number, name);
}

char *sb_topology_mixed_kinds(const struct sb_topology *t, const struct sb_cpus *cpus)
{
    struct mixture m = {.cpus = cpus};
    each_kind(t, count_kind, &m);
    if (m.kinds > 1)
        return m.text.at;
    free(m.text.at);
    return NULL;
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
    if (object->type == HWLOC_OBJ_NUMANODE && object->subtype)
        fprintf(out, " %s", object->subtype);
    if (object->type == HWLOC_OBJ_PU && !hwloc_bitmap_isset(t->usable, object->os_index))
        fprintf(out, " not ours");
    fprintf(out, "\n");
    for (hwloc_obj_t child = object->memory_first_child; child; child = child->next_sibling)
        print_object(t, child, depth + 1, out);
    for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling)
        print_object(t, child, depth + 1, out);
}

static void print_kind(void *to, unsigned number, hwloc_const_bitmap_t cpus, const char *name)
{
    char *list = NULL;
    hwloc_bitmap_list_asprintf(&list, cpus);
    fprintf(to, "kind:%u of cores: %s; CPUs P#%s\n", number, name, list ? list : "");
    free(list);
}

/* One line a node that CPUs allocate from: an expander or HBM beside it is for whoever names it. */
static void print_nearest(const struct sb_topology *t, FILE *out)
{
    hwloc_bitmap_t nodes = local_nodes(t), cpus = hwloc_bitmap_alloc();
    unsigned node, os;
    hwloc_bitmap_foreach_begin(node, nodes)
    {
        char *list = NULL;
        hwloc_bitmap_zero(cpus);
        hwloc_bitmap_foreach_begin(os, hwloc_get_root_obj(t->hwloc)->cpuset)
        {
            if (sb_tree_nearest_node(t, os)->logical_index == node)
                hwloc_bitmap_set(cpus, os);
        }
        hwloc_bitmap_foreach_end();
        hwloc_bitmap_list_asprintf(&list, cpus);
        fprintf(out, "numa:%u is nearest to CPUs P#%s\n", node, list ? list : "");
        free(list);
    }
    hwloc_bitmap_foreach_end();
    hwloc_bitmap_free(nodes);
    hwloc_bitmap_free(cpus);
}

void sb_topology_print(const struct sb_topology *t, FILE *out)
{
    char *summary = sb_topology_summary(t);
    fprintf(out, "%s\n", summary);
    if (!t->real)
        fprintf(out, "This is not the machine we run on: it can be planned on, but threads are not bound.\n");
    print_object(t, hwloc_get_root_obj(t->hwloc), 0, out);
    if (hwloc_cpukinds_get_nr(t->hwloc, 0) > 1)
        each_kind(t, print_kind, out);
    if (count(t, HWLOC_OBJ_NUMANODE) > 1)
        print_nearest(t, out);
    free(summary);
}
