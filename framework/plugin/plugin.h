/*
 * Finding, loading and judging plugins. The only room that calls dlopen.
 *
 * What a plugin exports is copied, as much of it as both sides know, into zeroed structs of the
 * host; nothing is ever written into the plugin's memory. Plugins are never unloaded: thread exit
 * may still run their destructors.
 */
#ifndef SB_PLUGIN_PLUGIN_H
#define SB_PLUGIN_PLUGIN_H

#include "base/str.h"
#include "base/vec.h"
#include "scullbench/workload.h"

enum sb_plugin_kind { SB_PLUGIN_ALLOCATOR, SB_PLUGIN_WORKLOAD };

struct sb_plugin {
    char *path;
    char *refused;  /* why it can't be used, or NULL */
    char *build_id; /* hexadecimal, or "none" */
    enum sb_plugin_kind kind;
    /* Its functions begin at lines of 64 bytes, so that where a linker puts them matters less. */
    bool aligned;
    uint16_t abi_major, abi_minor;
    const char *name; /* NULL where the file is no plugin at all */
    const char *summary;
    const char *models;
    struct sb_option *options; /* the host's copy */
    uint32_t option_count;
    /* The host's copies; which of them counts is said by `kind`. */
    struct sb_allocator allocator;
    struct sb_sized_ops sized;
    struct sb_cache_ops cache;
    struct sb_pages_ops pages;
    struct sb_percpu_ops percpu;
    struct sb_bulk_ops bulk;
    struct sb_io_ops io;
    struct sb_boot_ops boot;
    struct sb_pool_ops pool;
    struct sb_workload workload;
};

struct sb_plugins {
    SB_VEC_OF(struct sb_plugin *);
    struct sb_words folders; /* searched, in order */
};

/*
 * Loads every *.so of the folders: `extra` (colon-separated, or NULL), $SCULLBENCH_PLUGIN_PATH, then
 * those beside the program. Of two plugins with one name the first found is used, the other refused.
 */
void sb_plugins_load(struct sb_plugins *plugins, const char *extra);
void sb_plugins_free(struct sb_plugins *plugins);

/* A usable plugin by name, or NULL. */
const struct sb_plugin *sb_plugin_find(const struct sb_plugins *plugins, enum sb_plugin_kind kind, const char *name);

/* Loads one file; the result is never NULL, look at `refused`. */
struct sb_plugin *sb_plugin_load(const char *path);
void sb_plugin_free(struct sb_plugin *plugin);

/* A shared object of this process, beside the program itself. */
struct sb_object {
    char *path, *build_id; /* "none" where it has no id */
};
struct sb_objects {
    SB_VEC_OF(struct sb_object);
};
struct sb_objects sb_objects_loaded(void);
bool sb_objects_have(const struct sb_objects *objects, const char *path);
void sb_objects_free(struct sb_objects *objects);

/* The option that the key gives: itself, or what a workload's alias stands for. Borrowed. */
const char *sb_plugin_option_name(const struct sb_plugin *plugin, const char *key);

/* "sized, cache": what an allocator offers, in words. The caller frees it. */
char *sb_allocator_interfaces(const struct sb_allocator *allocator);

#endif
