/*
 * The machine's CPUs and memory nodes, through hwloc, which stays behind this room.
 *
 * CPUs have two numbers: logical (L#, hwloc's, neighbours are near) and OS (P#, the kernel's). Users
 * write logical numbers, threads are bound by OS numbers, and both are always shown. A topology
 * that isn't this machine's (HWLOC_SYNTHETIC, HWLOC_XMLFILE) can be planned on; nothing is bound then.
 */
#ifndef SB_TOPOLOGY_TOPOLOGY_H
#define SB_TOPOLOGY_TOPOLOGY_H

#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdio.h>

struct sb_topology;

enum sb_placement { SB_PLACE_COMPACT, SB_PLACE_SCATTER, SB_PLACE_ONE_PER_CORE, SB_PLACE_LIST };

struct sb_cpu {
    unsigned logical, os;
};

struct sb_cpus {
    SB_VEC_OF(struct sb_cpu);
};

/* Functions that can fail return 0 or a negative errno, and a sentence in `*why` (the caller's to free). */
int sb_topology_load(struct sb_topology **topology, char **why);
/* This machine's, as another process of it wrote it to `file`: looking it all up again takes milliseconds on
 * a small machine and tenths of a second on a large one. */
int sb_topology_load_known(struct sb_topology **topology, const char *file, char **why);
/* For that. 0 or a negative errno. */
int sb_topology_write(const struct sb_topology *topology, int fd);
void sb_topology_free(struct sb_topology *topology);

/* Whether this is the machine we run on, so that binding means something. */
bool sb_topology_is_real(const struct sb_topology *topology);

/* One more than the highest OS number of any CPU the machine may ever show. */
unsigned sb_topology_nr_cpus(const struct sb_topology *topology);
/*
 * The nodes (L#) that CPUs are nearest to, in rising order: the smallest of plain memory that serves a CPU,
 * neither HBM nor an expander beside it. Returns how many there are, which may be more than `most`, and may
 * be none.
 */
size_t sb_topology_local_nodes(const struct sb_topology *topology, unsigned *nodes, size_t most);
/* Which of those each CPU (P#) is nearest to, counted from 0; `nodes` has room for nr_cpus numbers. */
void sb_topology_cpu_nodes(const struct sb_topology *topology, uint32_t *nodes, unsigned nr_cpus);

/* How far the n of them are from each other: n rows of n, as ACPI's SLIT has it, 10 to oneself. The caller frees it;
 * NULL: there are not n, or the machine doesn't say. */
uint32_t *sb_topology_distances(const struct sb_topology *topology, unsigned n);

/* The CPUs of `location` that we may run on, in the order in which n threads take them. */
int sb_topology_cpus(const struct sb_topology *topology, const char *location, enum sb_placement placement,
                     struct sb_cpus *cpus, char **why);

/* Binds the calling thread to one CPU and verifies it against the kernel's word. */
int sb_topology_pin(const struct sb_topology *topology, unsigned os_cpu, char **why);

/* Checks a location of memory nodes; 'any' is always right. */
int sb_topology_check_nodes(const struct sb_topology *topology, const char *location, char **why);
/* Binds pages not yet touched to the nodes of `location`; nothing for 'any'. */
int sb_topology_bind_memory(const struct sb_topology *topology, void *at, size_t length, const char *location,
                            char **why);
/* Takes that back: the kernel's default again. */
void sb_topology_unbind_memory(const struct sb_topology *topology, void *at, size_t length);

enum sb_cache_level { SB_CACHE_L1I, SB_CACHE_L1D, SB_CACHE_LAST };
struct sb_cache {
    uint64_t size;       /* bytes */
    unsigned ways, line; /* 0 where unknown, as size */
};
/* The cache of a CPU (P#); the last level is the largest that it shares in. */
struct sb_cache sb_topology_cache(const struct sb_topology *topology, unsigned os_cpu, enum sb_cache_level level);

/* OS numbers of CPUs of `cpus` that share a core with another of them. */
bool sb_topology_share_core(const struct sb_topology *topology, const struct sb_cpus *cpus);

/* "4 of kind:0 (CoreType IntelAtom), 2 of kind:1 (…)" where `cpus` are of several kinds of cores, otherwise
 * NULL. The caller's to free. */
char *sb_topology_mixed_kinds(const struct sb_topology *topology, const struct sb_cpus *cpus);

/* "L1d 48KiB, L2 1MiB, L3 32MiB" of one CPU, or NULL where hwloc knows of none. The caller's to free. */
char *sb_topology_caches(const struct sb_topology *topology);

/* hwloc's XML, without the host's name. The caller's to free. */
char *sb_topology_xml(const struct sb_topology *topology);
/* "1 package, 2 cores, 2 CPUs, 1 NUMA node". The caller's to free. */
char *sb_topology_summary(const struct sb_topology *topology);
/* The tree for a reader. */
void sb_topology_print(const struct sb_topology *topology, FILE *out);

/* One thing known of the machine's state, as text. */
struct sb_fact {
    const char *name;
    char *value;   /* NULL where it can't be read */
    char *warning; /* what is wrong with it and how to mend it, or NULL */
};
struct sb_facts {
    SB_VEC_OF(struct sb_fact);
};
/* Kernel, CPU model, governor, turbo, SMT, THP, ASLR, mitigations, load: read off /proc and /sys. */
struct sb_facts sb_machine_facts(void);
void sb_facts_free(struct sb_facts *facts);

#endif
