/* The facts that a run stores of the machine, and the warnings about it: the machine's own state, and what the plan
 * makes of it. */
#define _GNU_SOURCE
#include "run/facts.h"

#include "trial/physmem.h"
#include "trial/watch.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* A fifth of a second of looking: the load average is of the last minute, this is of now. */
static void add_others(struct sb_facts *facts, const struct sb_plan *plan)
{
    struct sb_watch watch;
    unsigned *cpus = sb_calloc(sb_topology_nr_cpus(plan->topology), sizeof(*cpus));
    uint32_t n = 0;
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        for (size_t c = 0; c < cell->cpus.n && !cell->skip; c++) {
            /* Cells share CPUs: each once. */
            uint32_t k = 0;
            while (k < n && cpus[k] != cell->cpus.at[c].os)
                k++;
            cpus[k] = cell->cpus.at[c].os;
            n += k == n;
        }
    }
    sb_watch_begin(&watch, cpus, n, NULL);
    usleep(200000);
    sb_watch_end(&watch, cpus, n, NULL);
    double busy = sb_watch_others(&watch, n), steal = sb_watch_steal(&watch, n);
    *SB_VEC_ADD(facts) = (struct sb_fact){
        "cpus_busy_before", isnan(busy) ? NULL : sb_printf("%.0f %%", busy),
        /* A share that nothing but a busy neighbour explains; daemons take a percent or two. */
        busy > 20 ? sb_printf("others used %.0f %% of the trials' CPUs just before the run: look with `top`", busy)
                  : NULL};
    *SB_VEC_ADD(facts) = (struct sb_fact){
        "steal_before", isnan(steal) ? NULL : sb_printf("%.0f %%", steal),
        steal > 5 ? sb_printf("the hypervisor took %.0f %% of the trials' CPUs just before the run (steal): "
                              "measure on a dedicated host or on bare metal",
                              steal)
                  : NULL};
    free(cpus);
}

char *sb_run_mixed_kinds(const struct sb_plan *plan, size_t *n)
{
    char *first = NULL;
    *n = 0;
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        char *mixed = cell->skip ? NULL : sb_topology_mixed_kinds(plan->topology, &cell->cpus);
        *n += mixed != NULL;
        if (first)
            free(mixed);
        else
            first = mixed;
    }
    return first;
}

/* Cores of several kinds in one cell: its threads don't do the same work in the same time, whatever the
 * allocator. */
static void add_kinds(struct sb_facts *facts, const struct sb_plan *plan)
{
    size_t n;
    char *mixed = sb_run_mixed_kinds(plan, &n);
    struct sb_fact *fact = SB_VEC_ADD(facts);
    *fact = (struct sb_fact){"core_kinds_mixed", sb_strdup(mixed ? mixed : "no"), NULL};
    if (n)
        fact->warning =
            sb_printf("%zu cells have threads on cores of several kinds: %s; `cpus = kind:0` keeps to one", n, mixed);
    free(mixed);
}

/* Where `node = any` puts the memory of a machine of several nodes. */
static void add_nodes(struct sb_facts *facts, const struct sb_plan *plan)
{
    unsigned nodes[SB_PHYSMEM_MOST_NODES];
    size_t n = sb_topology_local_nodes(plan->topology, nodes, SB_COUNT(nodes));
    struct sb_text text = {0};
    for (size_t i = 0; i < n && i < SB_COUNT(nodes); i++)
        sb_text_printf(&text, "%snuma:%u", i ? ", " : "", nodes[i]);
    *SB_VEC_ADD(facts) = (struct sb_fact){"nearest_nodes", text.at, NULL};
}

/* Allocators and workloads whose functions begin where the linker happened to put them. */
static void add_code(struct sb_facts *facts, const struct sb_plan *plan)
{
    struct sb_text names = {0};
    for (size_t i = 0; i < plan->plugins->n; i++) {
        const struct sb_plugin *plugin = plan->plugins->at[i];
        bool used = false;
        for (size_t c = 0; c < plan->cells.n; c++)
            used |= plan->cells.at[c].allocator->plugin == plugin || plan->cells.at[c].workload->plugin == plugin;
        if (used && !plugin->aligned)
            sb_text_printf(&names, "%s%s", names.n ? ", " : "", plugin->name);
    }
    struct sb_fact *fact = SB_VEC_ADD(facts);
    *fact = (struct sb_fact){"code_unaligned", sb_strdup(names.n ? sb_text_get(&names) : "none"), NULL};
    if (names.n)
        fact->warning =
            sb_printf("functions of these plugins don't begin at cache lines, and where a linker puts them is "
                      "worth some percent: %s; compile them with -falign-functions=64",
                      sb_text_get(&names));
    sb_text_free(&names);
}

/* Threads that share a core take time from each other; it may be meant, so it is said, not refused. */
struct sb_facts sb_run_facts(const struct sb_plan *plan)
{
    struct sb_facts facts = sb_machine_facts();
    *SB_VEC_ADD(&facts) = (struct sb_fact){"caches", sb_topology_caches(plan->topology), NULL};
    *SB_VEC_ADD(&facts) = (struct sb_fact){"compiler", sb_strdup(SB_COMPILER), NULL};
    struct sb_fact *fact = SB_VEC_ADD(&facts);
    bool shared = false;
    for (size_t i = 0; i < plan->cells.n; i++)
        shared |= !plan->cells.at[i].skip && sb_topology_share_core(plan->topology, &plan->cells.at[i].cpus);
    *fact = (struct sb_fact){"smt_siblings_used", sb_strdup(shared ? "yes" : "no"), NULL};
    if (shared)
        fact->warning = sb_printf("some cells have two threads on one core (SMT siblings), which slow each other; "
                                  "`placement = one-per-core` leaves siblings idle");
    add_kinds(&facts, plan);
    add_nodes(&facts, plan);
    add_code(&facts, plan);
    add_others(&facts, plan);
    return facts;
}
