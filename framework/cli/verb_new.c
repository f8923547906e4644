/* The verb new: a project outside of scullbench, from the templates in kit/. */
#define _GNU_SOURCE
#include "base/diag.h"
#include "base/file.h"
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the templates are filled with. */
struct project {
    const char *kind, *name, *dir;
    bool cpp;
    char *ident, *source;
};

/* Few keys, all in capitals: nothing in C, CMake or INI looks like one by chance. */
static const char *value_of(const struct project *p, const char *key, size_t n)
{
    const struct {
        const char *key, *value;
    } values[] = {{"NAME", p->name},
                  {"IDENT", p->ident},
                  {"KIND", p->kind},
                  {"SOURCE", p->source},
                  {"LANGUAGE", p->cpp ? "CXX" : "C"}};
    for (size_t i = 0; i < SB_COUNT(values); i++) {
        if (strlen(values[i].key) == n && !strncmp(values[i].key, key, n))
            return values[i].value;
    }
    return NULL;
}

/* @KEY@ becomes its value; any other @ stays. */
static char *fill_in(const struct project *p, const char *text)
{
    struct sb_text out = {0};
    while (*text) {
        const char *end = *text == '@' ? strchr(text + 1, '@') : NULL;
        const char *value = end ? value_of(p, text + 1, (size_t)(end - text - 1)) : NULL;
        if (value) {
            sb_text_printf(&out, "%s", value);
            text = end + 1;
        } else {
            sb_text_add(&out, text++, 1);
        }
    }
    return out.at;
}

/* A file that is there already is somebody's work. */
static bool write_one(const struct project *p, const char *folder, const char *template, const char *name)
{
    char *from = sb_printf("%s/%s", folder, template), *to = sb_printf("%s/%s", p->dir, name), *text = NULL,
         *filled = NULL;
    int status = access(to, F_OK) ? sb_read_file(from, &text, NULL) : -EEXIST;
    if (status == -EEXIST) {
        sb_error("%s exists; nothing is overwritten", to);
    } else if (status) {
        sb_error("the template %s can't be read: %s", from, strerror(-status));
    } else {
        filled = fill_in(p, text);
        status = sb_write_file(to, filled, strlen(filled));
        if (status)
            sb_error("%s can't be written: %s", to, strerror(-status));
        else
            printf("  %s\n", to);
    }
    free(from);
    free(to);
    free(text);
    free(filled);
    return !status;
}

/* A name goes into file names, C identifiers and INI keys: what all of them take. */
static bool is_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    return islower((unsigned char)*name) && !name[strspn(name, good)] && strlen(name) <= 60;
}

static int write_project(struct project *p)
{
    char *folder = sb_find_beside("kit", "../share/scullbench/kit"), *code = sb_printf("%s.in", p->kind),
         *ini = sb_printf("%s.ini.in", p->kind), *config = sb_printf("%s.ini", p->name);
    int status = sb_make_dirs(p->dir);
    if (status)
        sb_error("the folder %s can't be made: %s", p->dir, strerror(-status));
    /* In the order in which they are read; the first that can't be written ends it, so that nothing is
       left half new. */
    bool good = !status && write_one(p, folder, code, p->source) &&
                write_one(p, folder, "CMakeLists.in", "CMakeLists.txt") && write_one(p, folder, ini, config);
    if (good)
        printf("\nnext:\n  cd %s && cmake -B build && cmake --build build\n"
               "%s%s%s  scullbench run %s --plugin-path build\n",
               p->dir, strcmp(p->kind, "allocator") ? "" : "  scullbench check ",
               strcmp(p->kind, "allocator") ? "" : p->name,
               strcmp(p->kind, "allocator") ? "" : " --plugin-path build\n", config);
    free(folder);
    free(code);
    free(ini);
    free(config);
    return good ? SB_EXIT_OK : SB_EXIT_FAILURE;
}

int sb_verb_new(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values)
{
    static const char *const kinds[] = {"allocator", "workload"}, *const languages[] = {"c", "c++"};
    const char *dir = sb_flag_value(verb, values, "--dir"), *language = sb_flag_value(verb, values, "--lang");
    struct project p = {.kind = operands->at[0], .name = operands->n > 1 ? operands->at[1] : NULL};
    if (strcmp(p.kind, kinds[0]) && strcmp(p.kind, kinds[1])) {
        char *hint = sb_diag_hint(p.kind, kinds, 2);
        sb_error("new makes an allocator or a workload, not '%s'%s", p.kind, hint);
        free(hint);
        return SB_EXIT_USAGE;
    }
    if (!p.name || !is_name(p.name)) {
        sb_error(p.name ? "'%s' is no name for a plugin: small letters, digits and '-', a letter first"
                        : "new %s needs a NAME",
                 p.name ? p.name : p.kind);
        return SB_EXIT_USAGE;
    }
    if (language && strcmp(language, languages[0]) && strcmp(language, languages[1])) {
        sb_error("--lang: '%s' is neither c nor c++", language);
        return SB_EXIT_USAGE;
    }
    p.cpp = language && !strcmp(language, "c++");
    p.dir = dir ? dir : p.name;
    p.ident = sb_strdup(p.name);
    /* A name may have hyphens where C can't. */
    for (char *c = p.ident; *c; c++)
        *c = *c == '-' ? '_' : *c;
    p.source = sb_printf("%s.%s", p.name, p.cpp ? "cpp" : "c");
    int code = write_project(&p);
    free(p.ident);
    free(p.source);
    return code;
}
