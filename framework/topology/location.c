/*
 * Locations, `type:range` as on hwloc's command line, and the order in which threads take the CPUs they name.
 *
 * Numbers are logical ones among the objects around. For CPUs objects without a CPU are not counted; for
 * memory every NUMA node is, as `scullbench topology` shows it: an expander has no CPU, and is what one wants
 * to name.
 */
#include "topology/tree.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* One step of a location, `type:range`: the range's logical numbers within the objects around. */
struct range {
    uint64_t first, last, step;
};

/* Of too many digits UINT64_MAX, which names what isn't there. */
static bool read_number(const char **text, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *number = strtoumax(*text, &end, 10);
    *text = end;
    return true;
}

/* An open end is UINT64_MAX: what exists is decided by counting. */
static bool read_range(const char *text, struct range *range, bool *open)
{
    *range = (struct range){0, UINT64_MAX, 1};
    *open = true;
    if (!strcmp(text, "all"))
        return true;
    if (!strcmp(text, "even") || !strcmp(text, "odd")) {
        *range = (struct range){*text == 'o', UINT64_MAX, 2};
        return true;
    }
    if (!read_number(&text, &range->first))
        return false;
    range->last = range->first;
    *open = false;
    if (!*text)
        return true;
    if (*text++ != '-')
        return false;
    range->last = UINT64_MAX;
    *open = !*text;
    return *open || (read_number(&text, &range->last) && !*text && range->last >= range->first);
}

/* None of hwloc's types: the cores of one kind are no object of its tree. */
enum { KIND_OF_CORES = HWLOC_OBJ_TYPE_MAX };

/* Our list is shorter than hwloc's: what can be pinned to, or holds what can. */
static int read_type(const char *text, int *type, char **why)
{
    static const char *const names[] = {"pu", "core", "l2", "l3", "die", "kind", "package", "numa", "machine"};
    union hwloc_obj_attr_u attributes;
    hwloc_obj_type_t known;
    /* As hwloc 1 called it, and many scripts still do. */
    if (!strcmp(text, "node"))
        text = "numa";
    /* hwloc's reader takes any word that starts well; ours must be whole. */
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        if (strcasecmp(names[i], text))
            continue;
        *type = KIND_OF_CORES;
        if (strcmp(names[i], "kind") && !hwloc_type_sscanf(text, &known, &attributes, sizeof(attributes)))
            *type = (int)known;
        return 0;
    }
    const char *near = sb_nearest(text, names, SB_COUNT(names));
    *why = near ? sb_printf("'%s' is no kind of object (did you mean '%s'?)", text, near)
                : sb_printf("'%s' is no kind of object (valid: pu, core, l2, l3, die, kind, package, numa, machine)",
                            text);
    return -EINVAL;
}

/* Everything a location may pick from or end in. */
struct selection {
    hwloc_bitmap_t cpus, nodes;
    struct sb_cpus *order; /* CPUs as the location names them, or NULL */
    bool memory;           /* it is about nodes */
    bool remove;
};

/* What a step has picked: an object's sets, or those of a kind of cores. */
struct part {
    hwloc_const_bitmap_t cpus, nodes;
    bool whole; /* its nodes are meant as they are, not those that its CPUs are nearest to */
};

static int by_logical(const void *a, const void *b)
{
    const struct sb_cpu *x = a, *y = b;
    return x->logical < y->logical ? -1 : x->logical > y->logical;
}

static void select_cpus(const struct sb_topology *t, hwloc_const_bitmap_t cpus, struct selection *s)
{
    size_t before = s->order->n;
    unsigned os;
    hwloc_bitmap_foreach_begin(os, cpus)
    {
        if (!hwloc_bitmap_isset(s->cpus, os))
            *SB_VEC_ADD(s->order) = (struct sb_cpu){sb_tree_pu(t, os)->logical_index, os};
    }
    hwloc_bitmap_foreach_end();
    qsort(s->order->at + before, s->order->n - before, sizeof(*s->order->at), by_logical);
}

/* The memory next to a core is what its CPUs are nearest to: an expander that serves the whole machine isn't.
 */
static void select_nodes(const struct sb_topology *t, const struct part *p, struct selection *s)
{
    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    unsigned os;
    if (p->whole) {
        hwloc_bitmap_copy(nodes, p->nodes);
    } else {
        hwloc_bitmap_foreach_begin(os, p->cpus)
        {
            hwloc_obj_t node = sb_tree_nearest_node(t, os);
            if (node)
                hwloc_bitmap_or(nodes, nodes, node->nodeset);
        }
        hwloc_bitmap_foreach_end();
    }
    if (s->remove)
        hwloc_bitmap_andnot(s->nodes, s->nodes, nodes);
    else
        hwloc_bitmap_or(s->nodes, s->nodes, nodes);
    hwloc_bitmap_free(nodes);
}

/* CPUs keep the order in which the location names them: placement = list means that order. */
static void select_part(const struct sb_topology *t, const struct part *p, struct selection *s)
{
    if (s->memory) {
        select_nodes(t, p, s);
    } else if (s->remove) {
        size_t n = 0;
        hwloc_bitmap_andnot(s->cpus, s->cpus, p->cpus);
        /* Who comes again comes last. */
        for (size_t i = 0; i < s->order->n; i++) {
            if (hwloc_bitmap_isset(s->cpus, s->order->at[i].os))
                s->order->at[n++] = s->order->at[i];
        }
        s->order->n = n;
    } else {
        select_cpus(t, p->cpus, s);
        hwloc_bitmap_or(s->cpus, s->cpus, p->cpus);
    }
}

static struct part part_of(hwloc_obj_t object)
{
    return (struct part){object->cpuset, object->nodeset,
                         object->type == HWLOC_OBJ_NUMANODE || object->type == HWLOC_OBJ_MACHINE};
}

static bool is_within(const struct part *p, const struct part *around, bool memory)
{
    /* An expander that serves the whole machine is in no package. */
    if (memory && p->whole && around->whole)
        return !hwloc_bitmap_iszero(p->nodes) && hwloc_bitmap_isincluded(p->nodes, around->nodes);
    return !hwloc_bitmap_iszero(p->cpus) && hwloc_bitmap_isincluded(p->cpus, around->cpus);
}

static int walk(const struct sb_topology *t, const char *step, const struct part *around, struct selection *s,
                char **why);

/* How many parts of a kind there are within `around`; those in the range are selected, or walked on in. */
struct visit {
    const struct sb_topology *t;
    const struct part *around;
    struct selection *s;
    const char *rest; /* further steps, or NULL */
    struct range range;
    uint64_t number, found;
};

static int visit(struct visit *v, const struct part *p, char **why)
{
    if (!is_within(p, v->around, v->s->memory))
        return 0;
    uint64_t i = v->number++;
    if (i < v->range.first || i > v->range.last || (i - v->range.first) % v->range.step)
        return 0;
    v->found++;
    if (v->rest)
        return walk(v->t, v->rest, p, v->s, why);
    select_part(v->t, p, v->s);
    return 0;
}

static int visit_objects(struct visit *v, hwloc_obj_type_t type, char **why)
{
    int status = 0, depth = hwloc_get_type_depth(v->t->hwloc, type);
    hwloc_obj_t object = NULL;
    while (!status && (object = hwloc_get_next_obj_by_depth(v->t->hwloc, depth, object))) {
        struct part p = part_of(object);
        status = visit(v, &p, why);
    }
    return status;
}

static int visit_kinds(struct visit *v, char **why)
{
    int status = 0, kinds = hwloc_cpukinds_get_nr(v->t->hwloc, 0);
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc(), nodes = hwloc_bitmap_alloc();
    for (int i = 0; i < kinds && !status; i++) {
        hwloc_cpukinds_get_info(v->t->hwloc, (unsigned)i, cpus, NULL, NULL, NULL, 0);
        /* A kind may have CPUs that are offline, or another package's. */
        hwloc_bitmap_and(cpus, cpus, v->around->cpus);
        hwloc_cpuset_to_nodeset(v->t->hwloc, cpus, nodes);
        struct part p = {cpus, nodes, false};
        status = visit(v, &p, why);
    }
    hwloc_bitmap_free(cpus);
    hwloc_bitmap_free(nodes);
    return status;
}

/* Walks `step` and what follows it (`.type:range`) inside `around`. */
static int walk(const struct sb_topology *t, const char *steps, const struct part *around, struct selection *s,
                char **why)
{
    const char *dot = strchr(steps, '.');
    char *step = dot ? sb_strndup(steps, (size_t)(dot - steps)) : sb_strdup(steps), *colon = strchr(step, ':');
    struct visit v = {.t = t, .around = around, .s = s, .rest = dot ? dot + 1 : NULL};
    bool open = false;
    int type, status = -EINVAL;

    if (!colon) {
        *why = sb_printf("'%s' is not kind:number", step);
        goto out;
    }
    *colon = '\0';
    status = read_type(step, &type, why);
    if (status)
        goto out;
    if (!read_range(colon + 1, &v.range, &open)) {
        *why = sb_printf("'%s' is no range of numbers (valid: 3, 0-3, 2-, all, even, odd)", colon + 1);
        status = -EINVAL;
        goto out;
    }
    status = type == KIND_OF_CORES ? visit_kinds(&v, why) : visit_objects(&v, (hwloc_obj_type_t)type, why);
    /* Half of what was asked for would be a surprise in the results: a range that is written out must
       exist whole. */
    if (!status && (!v.found || (!open && v.range.last >= v.number))) {
        *why = sb_printf("%s:%s names what isn't there: this machine has %" PRIu64 " of that kind here", step,
                         colon + 1, v.number);
        status = -EINVAL;
    }
out:
    free(step);
    return status;
}

/* Words add from left to right, and take away with ~: the order matters, as on hwloc's command line. */
static int read_location(const struct sb_topology *t, const char *location, struct selection *s, char **why)
{
    const struct part root = part_of(hwloc_get_root_obj(t->hwloc));
    char *copy = sb_strdup(location), *state = NULL; /* strtok writes into it */
    int status = 0;
    bool first = true;
    for (char *word = strtok_r(copy, " \t", &state); word && !status; word = strtok_r(NULL, " \t", &state)) {
        s->remove = *word == '~';
        word += s->remove;
        /* "all but": a location that begins by taking away begins with everything. */
        if (first && s->remove) {
            s->remove = false;
            select_part(t, &root, s);
            s->remove = true;
        }
        first = false;
        if (!strcmp(word, "all"))
            select_part(t, &root, s);
        else
            status = walk(t, word, &root, s, why);
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

/* Of the chosen CPUs so far. */
struct core_seen {
    unsigned cpus, rank;
};

static unsigned objects(const struct sb_topology *t, hwloc_obj_type_t type)
{
    int n = hwloc_get_nbobjs_by_type(t->hwloc, type);
    return n > 0 ? (unsigned)n : 0;
}

/*
 * Ranks are among the chosen CPUs: half a core is a whole one when its sibling isn't ours. Where there are no
 * cores each CPU is one; where there are no packages (a VM may hide them) the machine is.
 */
static void rank_cpus(const struct sb_topology *t, const struct sb_cpus *cpus, struct ranked *ranked)
{
    struct core_seen *cores = sb_calloc(objects(t, HWLOC_OBJ_CORE) + 1, sizeof(*cores));
    unsigned *packages = sb_calloc(objects(t, HWLOC_OBJ_PACKAGE) + 1, sizeof(*packages));
    for (size_t i = 0; i < cpus->n; i++) {
        hwloc_obj_t pu = sb_tree_pu(t, cpus->at[i].os);
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(t->hwloc, HWLOC_OBJ_CORE, pu);
        hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(t->hwloc, HWLOC_OBJ_PACKAGE, pu);
        struct core_seen alone = {0, 0}, *seen = core ? &cores[core->logical_index] : &alone;
        unsigned number = package ? package->logical_index : 0;
        if (!seen->cpus)
            seen->rank = packages[number]++;
        ranked[i] = (struct ranked){cpus->at[i], seen->cpus++, seen->rank, number};
    }
    free(cores);
    free(packages);
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
    struct selection s = {.cpus = hwloc_bitmap_alloc(), .order = &order};
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
    return status;
}

int sb_tree_read_nodes(const struct sb_topology *t, const char *location, hwloc_bitmap_t *nodes, char **why)
{
    struct selection s = {.nodes = hwloc_bitmap_alloc(), .memory = true};
    int status = read_location(t, location, &s, why);
    if (!status && hwloc_bitmap_iszero(s.nodes)) {
        *why = sb_printf("'%s' has no memory node", location);
        status = -EINVAL;
    }
    *nodes = s.nodes;
    return status;
}
