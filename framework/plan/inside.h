/* Shared by the files of this room while a plan is made. */
#ifndef SB_PLAN_INSIDE_H
#define SB_PLAN_INSIDE_H

#include "plan/plan.h"

/* What every step of planning needs; lives as long as sb_plan_make. */
struct planner {
    struct sb_plan *plan;
    struct sb_diag *diag;
    const struct sb_experiment *experiment;
    void *labels; /* those of cells so far, a tree */
};

/* ---- bind.c ---- */

/* `file:data.bin` of a workload's option lies beside the config, wherever the run is started. Borrowed. */
const char *sb_plan_resolve(struct planner *p, const char *value);
/* A section names its plugin, or is named after it; without a section the plugin's defaults hold. */
void sb_plan_bind_one(struct planner *p, enum sb_plugin_kind kind, const char *name, struct sb_binding *binding,
                      int line);
/* Errors in a section were told by check_section, at the section's own lines. */
void sb_plan_bind(struct planner *p, enum sb_plugin_kind kind, const struct sb_words *names, int line);
/* Each behind its original, so that tables show them together. */
void sb_plan_add_twins(struct sb_plan *plan);
/* Who is decided against, or paired with: the one that is named, else the first of the matrix. */
void sb_plan_find_baseline(struct planner *p);

/* ---- judge.c ---- */

/* Sections that nothing uses are checked all the same: a typo there is a typo. */
void sb_plan_check_section(struct planner *p, const struct sb_ini_section *section);
/* Values are checked against the same table as a written key: a sweep is that key, several times. */
void sb_plan_check_sweep(struct planner *p, const struct sb_sweep *sweep);
/* A pattern that matches nothing is a typo: the user believes cells are left out that will run. */
void sb_plan_check_excludes(struct planner *p);
/* A slip of a generator would fill the memory in silence. */
void sb_plan_check_size(struct planner *p);
/* Location, nodes and memory are looked up now, on the machine as it is; a run would only fail later. */
void sb_plan_check_machine(struct planner *p);
/* What keys of [experiment] say together, swept ones included. */
void sb_plan_check_times(struct planner *p, const struct sb_cell *cell);
/* Paced calls come at the rate that was asked for: its precision says nothing. */
void sb_plan_check_rate(struct planner *p, const struct sb_cell *cell);
/* duration and operations exclude each other, also when one of them is swept. */
void sb_plan_check_exclusive(struct planner *p);
/*
 * A name libpfm4 doesn't know is a mistake; an event the machine lacks is not, and is told with its
 * reason.
 */
void sb_plan_check_events(struct planner *p);

/* ---- cells.c ---- */

/* Patterns are matched against names of sections, as the matrix writes them. */
bool sb_plan_is_excluded(const struct planner *p, const struct sb_binding *a, const struct sb_binding *w);
/* The text a key has in this cell: swept, else written, else the default. */
const char *sb_plan_text_of(const struct sb_cell *cell, const char *section_name, const struct sb_ini_section *section,
                            const struct sb_option *option);
void sb_plan_free_cell(struct sb_cell *cell);
/* Adds the cells of one allocator, workload and thread count: one for every combination of swept values. */
void sb_plan_add_cells(struct planner *p, const struct sb_binding *a, const struct sb_binding *w, const char *threads);
void sb_plan_group_cells(struct sb_plan *plan);

/* ---- order.c ---- */

/* Blocks of every cell once, each shuffled; or cell after cell. */
void sb_plan_order_trials(struct planner *p);
/* Per cell, since it may be swept. */
void sb_plan_read_time_limit(const struct planner *p, struct sb_cell *cell);

/* ---- make.c ---- */

/* Of the machine we run on: what no trial can exceed, whatever allocator it uses. */
uint64_t sb_plan_machine_ram(void);
/*
 * A sweep over a section multiplies only the cells that use the section: others would be measured
 * twice.
 */
bool sb_plan_concerns(const struct sb_sweep *sweep, const struct sb_binding *a, const struct sb_binding *w);

#endif
