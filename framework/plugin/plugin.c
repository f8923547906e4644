/* Plugins: dlopen with RTLD_NOW | RTLD_LOCAL, the ABI's checks, copies of what is known. */
#define _GNU_SOURCE
#include "plugin/plugin.h"

#include "base/file.h"
#include "base/units.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Copies a struct that may come from an older or a newer side: min(size), the rest zero. */
static void copy_sized(void *to, size_t to_size, const void *from, size_t from_size)
{
    memset(to, 0, to_size);
    memcpy(to, from, from_size < to_size ? from_size : to_size);
}

/* An interface table: its first member is its size. */
#define TAKE_OPS(plugin, member)                                                                                       \
    do {                                                                                                               \
        const uint32_t *size = (const uint32_t *)(plugin)->allocator.member;                                           \
        if (size) {                                                                                                    \
            copy_sized(&(plugin)->member, sizeof((plugin)->member), size, *size);                                      \
            (plugin)->allocator.member = &(plugin)->member;                                                            \
        }                                                                                                              \
    } while (0)

/* The stride is the plugin's own sizeof: rows of an older table are shorter than ours. */
static void take_options(struct sb_plugin *plugin, const struct sb_option *table, uint32_t n, uint32_t stride)
{
    /* A damaged count must not make the host read gigabytes. */
    enum { MOST_OPTIONS = 1000 };
    if (n > MOST_OPTIONS || (n && !table)) {
        plugin->refused =
            sb_printf("it says it has %u options%s", n, table ? "; at most 1000 are read" : ", but no table");
        return;
    }
    plugin->options = sb_calloc(n, sizeof(*plugin->options));
    plugin->option_count = n;
    for (uint32_t i = 0; i < n; i++)
        copy_sized(&plugin->options[i], sizeof(plugin->options[i]), (const char *)table + (size_t)i * stride, stride);
}

static const char option_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/* Keys of a config's section and of a trial's. */
static bool is_our_own_key(const char *name)
{
    return !strcmp(name, "plugin") || !strcmp(name, "file");
}

/* What the host relies on in an option's row; the INI could not say, or the host would read nothing. */
static char *judge_option(const struct sb_option *o)
{
    union sb_value value;
    char *why = NULL;
    if (!o->name || !*o->name || o->name[strspn(o->name, option_letters)])
        return sb_strdup("an option's name is not made of letters, digits, '_' and '-'");
    if (is_our_own_key(o->name))
        return sb_printf("its option '%s' has a name that scullbench uses itself", o->name);
    if (!o->help || !o->fallback || o->kind < SB_OPTION_BOOL || o->kind > SB_OPTION_GFP ||
        (o->kind == SB_OPTION_ENUM && !o->choices))
        return sb_printf("its option '%s' lacks its help, default, kind or choices", o->name);
    if (sb_option_parse(o, o->fallback, &value, &why)) {
        char *text = sb_printf("the default of its option '%s' is wrong: %s", o->name, why);
        free(why);
        return text;
    }
    return NULL;
}

/* One stands for an option there is, and hides none. */
static char *judge_alias(const struct sb_plugin *plugin, const struct sb_alias *alias)
{
    if (!alias->name[0] || alias->name[strspn(alias->name, option_letters)] || is_our_own_key(alias->name))
        return sb_printf("its alias '%s' is no name that a config can give an option", alias->name);
    for (const struct sb_alias *other = plugin->workload.aliases; other < alias; other++) {
        if (!strcmp(other->name, alias->name))
            return sb_printf("its alias '%s' stands there twice", alias->name);
    }
    if (!alias->option || !sb_option_find(plugin->options, plugin->option_count, alias->option))
        return sb_printf("its alias '%s' stands for '%s', which is no option of it", alias->name,
                         alias->option ? alias->option : "nothing");
    if (sb_option_find(plugin->options, plugin->option_count, alias->name))
        return sb_printf("its alias '%s' is an option itself", alias->name);
    return NULL;
}

static void judge_names(struct sb_plugin *plugin)
{
    if (!plugin->refused && (!plugin->name || !*plugin->name || strpbrk(plugin->name, "/,*[] \t\n")))
        plugin->refused = sb_strdup("it has no name, or one that a config can't write");
    for (uint32_t i = 0; i < plugin->option_count && !plugin->refused; i++)
        plugin->refused = judge_option(&plugin->options[i]);
    for (const struct sb_alias *alias = plugin->workload.aliases; alias && alias->name && !plugin->refused; alias++)
        plugin->refused = judge_alias(plugin, alias);
    /* A plugin of few words is a plugin; printing must not care. */
    if (!plugin->summary)
        plugin->summary = "";
    if (!plugin->models)
        plugin->models = "";
}

/* "pages.get_free_pages": the first required function that is NULL, in a table that is offered. */
#define NEED(table, member)                                                                                            \
    if ((table) && !(table)->member)                                                                                   \
    return #table "." #member

static const char *lacking_in_pages(const struct sb_pages_ops *pages)
{
    NEED(pages, get_free_pages);
    NEED(pages, free_pages_at);
    /* Of struct pages all or none: who has one name for a block has the others. */
    if (!pages ||
        (!pages->alloc_pages && !pages->free_pages && !pages->page_address && !pages->virt_to_page &&
         !pages->page_to_pfn && !pages->free_cold_page && !pages->kmap && !pages->kunmap && !pages->insert_page))
        return NULL;
    NEED(pages, alloc_pages);
    NEED(pages, free_pages);
    NEED(pages, page_address);
    NEED(pages, virt_to_page);
    NEED(pages, page_to_pfn);
    if (pages->kmap || pages->kunmap) {
        NEED(pages, kmap);
        NEED(pages, kunmap);
    }
    return NULL;
}

static const char *lacking_in_boot(const struct sb_boot_ops *boot)
{
    NEED(boot, alloc_bootmem);
    NEED(boot, alloc_bootmem_low);
    NEED(boot, alloc_bootmem_pages);
    NEED(boot, alloc_bootmem_low_pages);
    NEED(boot, free_bootmem);
    return NULL;
}

static const char *lacking_in_pool(const struct sb_pool_ops *pool)
{
    NEED(pool, create);
    NEED(pool, alloc);
    NEED(pool, free);
    NEED(pool, resize);
    NEED(pool, destroy);
    return NULL;
}

/* Counting per CPU is all or none, too. */
static const char *lacking_in_percpu(const struct sb_percpu_ops *percpu)
{
    NEED(percpu, alloc_percpu);
    NEED(percpu, per_cpu_ptr);
    NEED(percpu, free_percpu);
    if (!percpu ||
        (!percpu->static_number && !percpu->this_cpu_add && !percpu->get_cpu_ptr && !percpu->put_cpu &&
         !percpu->counter_create && !percpu->counter_add && !percpu->counter_sum && !percpu->counter_destroy))
        return NULL;
    NEED(percpu, static_number);
    NEED(percpu, this_cpu_add);
    NEED(percpu, get_cpu_ptr);
    NEED(percpu, put_cpu);
    NEED(percpu, counter_create);
    NEED(percpu, counter_add);
    NEED(percpu, counter_sum);
    NEED(percpu, counter_destroy);
    return NULL;
}

/* Interfaces are offered whole: a workload calls what the plan promised it. */
static const char *lacking(const struct sb_allocator *a)
{
    const struct sb_sized_ops *sized = a->sized;
    const struct sb_cache_ops *cache = a->cache;
    const struct sb_bulk_ops *bulk = a->bulk;
    const struct sb_io_ops *io = a->io;
    NEED(a, open);
    NEED(a, close);
    NEED(a, snapshot);
    NEED(a, dump);
    NEED(a, check);
    NEED(sized, alloc);
    NEED(sized, free);
    NEED(cache, create);
    NEED(cache, alloc);
    NEED(cache, free);
    NEED(cache, destroy);
    NEED(bulk, alloc_bulk);
    NEED(bulk, free_bulk);
    NEED(io, device_bytes);
    NEED(io, ioremap);
    NEED(io, iounmap);
    const char *what = lacking_in_percpu(a->percpu);
    what = what ? what : lacking_in_boot(a->boot);
    what = what ? what : lacking_in_pool(a->pool);
    return what ? what : lacking_in_pages(a->pages);
}

/* All functions begin at a line: of so many, laid out as they came, that is no luck. NULL is at one. */
static bool at_lines(const uintptr_t *functions, size_t n)
{
    enum { LINE = 64 };
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= !(functions[i] % LINE);
    return all;
}

#define AT(table, member) (table) ? (uintptr_t)(table)->member : 0

static bool allocator_at_lines(const struct sb_allocator *a)
{
    const uintptr_t functions[] = {(uintptr_t)a->open,           (uintptr_t)a->close,
                                   (uintptr_t)a->snapshot,       (uintptr_t)a->dump,
                                   (uintptr_t)a->check,          AT(a->sized, alloc),
                                   AT(a->sized, free),           AT(a->cache, create),
                                   AT(a->cache, alloc),          AT(a->cache, free),
                                   AT(a->pages, get_free_pages), AT(a->pages, free_pages_at),
                                   AT(a->percpu, alloc_percpu),  AT(a->percpu, free_percpu),
                                   AT(a->bulk, alloc_bulk),      AT(a->bulk, free_bulk),
                                   AT(a->io, ioremap),           AT(a->io, iounmap),
                                   AT(a->boot, alloc_bootmem),   AT(a->boot, free_bootmem),
                                   AT(a->pool, alloc),           AT(a->pool, free)};
    return at_lines(functions, SB_COUNT(functions));
}

static bool workload_at_lines(const struct sb_workload *w)
{
    const uintptr_t functions[] = {
        (uintptr_t)w->needs,  (uintptr_t)w->setup,   (uintptr_t)w->thread_setup,    (uintptr_t)w->step,
        (uintptr_t)w->verify, (uintptr_t)w->account, (uintptr_t)w->thread_teardown, (uintptr_t)w->teardown};
    return at_lines(functions, SB_COUNT(functions));
}

/* Until 1.4 nothing said what of these two tables is required: what isn't whole isn't offered. */
static void forgive(struct sb_plugin *plugin)
{
    struct sb_allocator *a = &plugin->allocator;
    struct sb_pages_ops *p = &plugin->pages;
    if (a->pages && !(p->alloc_pages && p->free_pages && p->page_address && p->virt_to_page && p->page_to_pfn)) {
        p->alloc_pages = NULL;
        p->free_pages = NULL;
        p->page_address = NULL;
        p->virt_to_page = NULL;
        p->page_to_pfn = NULL;
    }
    if (a->bulk && !(a->cache && a->bulk->alloc_bulk && a->bulk->free_bulk))
        a->bulk = NULL;
}

static void take_allocator(struct sb_plugin *plugin, const struct sb_head *head)
{
    struct sb_allocator *a = &plugin->allocator;
    copy_sized(a, sizeof(*a), head, head->struct_size);
    /* Copies of our own size: members that an older plugin lacks are NULL, and what a newer one adds is
       left. */
    TAKE_OPS(plugin, sized);
    TAKE_OPS(plugin, cache);
    TAKE_OPS(plugin, pages);
    TAKE_OPS(plugin, percpu);
    TAKE_OPS(plugin, bulk);
    TAKE_OPS(plugin, io);
    TAKE_OPS(plugin, boot);
    TAKE_OPS(plugin, pool);
    take_options(plugin, a->options, a->option_count, head->option_size);
    plugin->name = a->name;
    plugin->summary = a->summary;
    plugin->models = a->models;
    /* One reason is enough, the first. */
    if (plugin->refused)
        return;
    if (head->abi_minor < 4)
        forgive(plugin);
    const char *name = lacking(a);
    if (name)
        plugin->refused = sb_printf("its function %s is missing, which is required (scullbench/allocator.h)",
                                    !strncmp(name, "a.", 2) ? name + 2 : name);
    else if (!a->sized && !a->cache && !a->pages && !a->percpu)
        plugin->refused = sb_printf("it offers no interface (sized, cache, pages or percpu)");
    else if (a->bulk && !a->cache)
        plugin->refused = sb_printf("it offers bulk, but no cache that objects could come from");
    else
        plugin->aligned = allocator_at_lines(a);
}

static const char *lacking_in_workload(const struct sb_workload *w)
{
    NEED(w, needs);
    NEED(w, setup);
    NEED(w, thread_setup);
    NEED(w, step);
    NEED(w, verify);
    NEED(w, account);
    NEED(w, thread_teardown);
    NEED(w, teardown);
    return NULL;
}

static void take_workload(struct sb_plugin *plugin, const struct sb_head *head)
{
    struct sb_workload *w = &plugin->workload;
    copy_sized(w, sizeof(*w), head, head->struct_size);
    take_options(plugin, w->options, w->option_count, head->option_size);
    plugin->name = w->name;
    plugin->summary = w->summary;
    plugin->models = w->models;
    if (plugin->refused)
        return;
    const char *name = lacking_in_workload(w);
    if (name)
        plugin->refused = sb_printf("its function %s is missing, which is required (scullbench/workload.h)", name + 2);
    /* It writes into an array of the host's, by index. */
    else if (w->counter_count > SB_MAX_COUNTERS)
        plugin->refused = sb_printf("it has %u counters; at most %d are kept", w->counter_count, SB_MAX_COUNTERS);
    else if (w->measure_count > SB_MAX_MEASURES || (w->measure_count && !(w->report && w->measures)))
        plugin->refused =
            sb_printf("it has more than %d measures, or no function `report` that gives their values", SB_MAX_MEASURES);
    else
        plugin->aligned = workload_at_lines(w);
}

/* The head is checked before anything behind it is believed. */
static void judge(struct sb_plugin *plugin, const struct sb_head *head, uint32_t magic, uint32_t smallest)
{
    plugin->abi_major = head->abi_major;
    plugin->abi_minor = head->abi_minor;
    if (head->magic != magic)
        plugin->refused = sb_printf("its descriptor starts with 0x%08x, not with 0x%08x: "
                                    "it is damaged or built for another byte order",
                                    head->magic, magic);
    else if (head->abi_major != SB_ABI_MAJOR)
        plugin->refused = sb_printf("it is built for plugin ABI %u.%u, this scullbench has %d.%d; "
                                    "rebuild it with the headers of this version",
                                    head->abi_major, head->abi_minor, SB_ABI_MAJOR, SB_ABI_MINOR);
    else if (head->abi_minor > SB_ABI_MINOR)
        /* It would write into members of structs that this host doesn't have. */
        plugin->refused =
            sb_printf("it is built for plugin ABI %u.%u, this scullbench has %d.%d: use a newer scullbench, "
                      "or rebuild it with the headers of this one",
                      head->abi_major, head->abi_minor, SB_ABI_MAJOR, SB_ABI_MINOR);
    else if (head->struct_size < smallest || head->option_size < sizeof(struct sb_option))
        plugin->refused = sb_printf("its descriptor says %u bytes, fewer than ABI %d.0 has; rebuild it",
                                    head->struct_size, SB_ABI_MAJOR);
    else if (plugin->kind == SB_PLUGIN_ALLOCATOR)
        take_allocator(plugin, head);
    else
        take_workload(plugin, head);
    judge_names(plugin);
}

/* For the walk over loaded objects, which calls back. */
struct build_id_search {
    const char *path;
    char *found;
};

/* Notes are name and descriptor, each padded to 4 bytes (elf(5)). */
static char *note_build_id(const char *notes, size_t size)
{
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)(const void *)(notes + at);
        size_t name = at + sizeof(*note), desc = name + ((note->n_namesz + 3U) & ~3U);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(notes + name, "GNU", 4)) {
            struct sb_text text = {0};
            for (size_t i = 0; i < note->n_descsz; i++)
                sb_text_printf(&text, "%02x", (unsigned char)notes[desc + i]);
            return text.at;
        }
        at = desc + ((note->n_descsz + 3U) & ~3U);
    }
    return NULL;
}

/* Out of the loaded image, not the file, which may have been rebuilt since. */
static char *image_build_id(const struct dl_phdr_info *info)
{
    char *found = NULL;
    for (size_t i = 0; i < info->dlpi_phnum && !found; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_NOTE)
            found = note_build_id((const char *)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz); // NOLINT
    }
    return found;
}

static int find_build_id(struct dl_phdr_info *info, size_t size, void *context)
{
    struct build_id_search *search = context;
    (void)size;
    if (strcmp(info->dlpi_name, search->path))
        return 0;
    search->found = image_build_id(info);
    return 1;
}

/* The program itself and the vdso have no path. */
static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    struct sb_objects *objects = context;
    (void)size;
    if (*info->dlpi_name != '/')
        return 0;
    char *id = image_build_id(info), *path = realpath(info->dlpi_name, NULL);
    *SB_VEC_ADD(objects) = (struct sb_object){path ? path : sb_strdup(info->dlpi_name), id ? id : sb_strdup("none")};
    return 0;
}

struct sb_objects sb_objects_loaded(void)
{
    struct sb_objects objects = {0};
    dl_iterate_phdr(add_object, &objects);
    return objects;
}

bool sb_objects_have(const struct sb_objects *objects, const char *path)
{
    for (size_t i = 0; i < objects->n; i++) {
        if (!strcmp(objects->at[i].path, path))
            return true;
    }
    return false;
}

void sb_objects_free(struct sb_objects *objects)
{
    for (size_t i = 0; i < objects->n; i++) {
        free(objects->at[i].path);
        free(objects->at[i].build_id);
    }
    SB_VEC_FREE(objects);
}

/*
 * RTLD_NOW: a missing symbol is found now and not in the middle of a measurement. RTLD_LOCAL: two
 * plugins may use the same names inside. Never closed: thread exit may still call into it.
 */
struct sb_plugin *sb_plugin_load(const char *path)
{
    struct sb_plugin *plugin = sb_calloc(1, sizeof(*plugin));
    plugin->path = realpath(path, NULL);
    if (!plugin->path) {
        plugin->path = sb_strdup(path);
        plugin->refused = sb_printf("%s", strerror(errno));
        return plugin;
    }
    void *handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        plugin->refused = sb_printf("it can't be loaded: %s", dlerror());
        return plugin;
    }
    struct build_id_search search = {plugin->path, NULL};
    dl_iterate_phdr(find_build_id, &search);
    plugin->build_id = search.found ? search.found : sb_strdup("none");
    /* Two names, so that a file that exports neither is told from one with a damaged head. */
    const struct sb_head *allocator = dlsym(handle, "scullbench_allocator");
    const struct sb_head *workload = dlsym(handle, "scullbench_workload");
    plugin->kind = workload && !allocator ? SB_PLUGIN_WORKLOAD : SB_PLUGIN_ALLOCATOR;
    if (allocator && workload)
        plugin->refused =
            sb_printf("it exports both scullbench_allocator and scullbench_workload; one file, one plugin");
    else if (allocator)
        judge(plugin, allocator, SB_ALLOCATOR_MAGIC, (uint32_t)offsetof(struct sb_allocator, shrink));
    else if (workload)
        judge(plugin, workload, SB_WORKLOAD_MAGIC, (uint32_t)offsetof(struct sb_workload, aliases));
    else
        plugin->refused = sb_printf("it exports neither scullbench_allocator nor scullbench_workload");
    return plugin;
}

void sb_plugin_free(struct sb_plugin *plugin)
{
    free(plugin->options);
    free(plugin->path);
    free(plugin->refused);
    free(plugin->build_id);
    free(plugin);
}

const struct sb_plugin *sb_plugin_find(const struct sb_plugins *plugins, enum sb_plugin_kind kind, const char *name)
{
    for (size_t i = 0; i < plugins->n; i++) {
        const struct sb_plugin *plugin = plugins->at[i];
        if (!plugin->refused && plugin->kind == kind && !strcmp(plugin->name, name))
            return plugin;
    }
    return NULL;
}

/* Libraries with versions, such as libfoo.so.1, are nobody's plugins. */
static int is_shared_object(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 3 && !strcmp(entry->d_name + n - 3, ".so");
}

/* In alphabetical order, so that which of two equal names wins doesn't depend on the file system. */
static void load_folder(struct sb_plugins *plugins, const char *folder)
{
    struct dirent **names;
    int n = scandir(folder, &names, is_shared_object, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = sb_printf("%s/%s", folder, names[i]->d_name);
        struct sb_plugin *plugin = sb_plugin_load(path);
        const struct sb_plugin *before = plugin->refused ? NULL : sb_plugin_find(plugins, plugin->kind, plugin->name);
        if (before)
            plugin->refused = sb_printf("its name '%s' is taken by %s, found first", plugin->name, before->path);
        *SB_VEC_ADD(plugins) = plugin;
        free(path);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

/* Empty parts are nothing, not the current folder as in PATH: that has surprised enough people. */
static void add_folders(struct sb_plugins *plugins, const char *list)
{
    while (list && *list) {
        const char *end = strchrnul(list, ':');
        if (end > list)
            *SB_VEC_ADD(&plugins->folders) = sb_strndup(list, (size_t)(end - list));
        list = *end ? end + 1 : end;
    }
}

/* A build has plugins/ beside the program; an installation has them under lib. */
void sb_plugins_load(struct sb_plugins *plugins, const char *extra)
{
    *plugins = (struct sb_plugins){0};
    add_folders(plugins, extra);
    add_folders(plugins, getenv("SCULLBENCH_PLUGIN_PATH"));
    *SB_VEC_ADD(&plugins->folders) = sb_find_beside("plugins", "../lib/scullbench/plugins");
    for (size_t i = 0; i < plugins->folders.n; i++)
        load_folder(plugins, plugins->folders.at[i]);
}

void sb_plugins_free(struct sb_plugins *plugins)
{
    for (size_t i = 0; i < plugins->n; i++)
        sb_plugin_free(plugins->at[i]);
    SB_VEC_FREE(plugins);
    sb_words_free(&plugins->folders);
}

const char *sb_plugin_option_name(const struct sb_plugin *plugin, const char *key)
{
    for (const struct sb_alias *alias = plugin->workload.aliases; alias && alias->name; alias++) {
        if (!strcmp(alias->name, key))
            return alias->option;
    }
    return key;
}

char *sb_allocator_interfaces(const struct sb_allocator *a)
{
    const struct {
        const void *table;
        const char *name;
    } all[] = {{a->sized, "sized"}, {a->cache, "cache"}, {a->pages, "pages"}, {a->percpu, "percpu"},
               {a->bulk, "bulk"},   {a->io, "io"},       {a->boot, "boot"},   {a->pool, "pool"}};
    struct sb_text text = {0};
    for (size_t i = 0; i < SB_COUNT(all); i++) {
        if (all[i].table)
            sb_text_printf(&text, "%s%s", text.n ? ", " : "", all[i].name);
    }
    return text.at ? text.at : sb_strdup("none");
}
