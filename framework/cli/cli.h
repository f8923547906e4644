/* The verbs of scullbench and their arguments. */
#ifndef SB_CLI_CLI_H
#define SB_CLI_CLI_H

#include "base/str.h"
#include "config/experiment.h"
#include "plan/plan.h"

#include <stdbool.h>

enum {
    SB_EXIT_OK = 0,
    SB_EXIT_FAILURE = 1,       /* the machine or the OS stood in the way */
    SB_EXIT_USAGE = 2,         /* arguments or config are wrong; nothing was run */
    SB_EXIT_TRIALS_FAILED = 3, /* the run went through, but not all trials are ok */
    SB_EXIT_SLOWER = 4,        /* compare --fail-if-slower: something is */
    SB_EXIT_INTERRUPTED = 130,
};

/* An option of a verb; one without a value name is a switch. */
struct sb_flag {
    const char *name;  /* "--db" */
    const char *value; /* "PATH", or NULL */
    const char *help;
};

enum { SB_MAX_FLAGS = 7 };

struct sb_verb {
    const char *name;
    const char *operand; /* "FILE"; "[FILE]" may be left out; NULL: it takes none */
    const char *second;  /* "NAME"; "[NAME]" may be left out; "..." is any number more; NULL: there is none */
    const char *summary;
    const char *more; /* paragraphs for --help, or NULL */
    struct sb_flag flags[SB_MAX_FLAGS + 1];
    int (*run)(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values);
};

extern const struct sb_verb sb_verbs[];
extern const size_t sb_verbs_count;

/* NULL after a complaint. */
const struct sb_verb *sb_find_verb(const char *name);

/* Splits arguments into operands and flag-value pairs. 0, 1 for --help, or -1 after a complaint. */
int sb_parse_arguments(const struct sb_verb *verb, int argc, char **argv, struct sb_words *operands,
                       struct sb_words *values);

/* The last value given for a flag, or NULL; a switch has the value "". */
const char *sb_flag_value(const struct sb_verb *verb, const struct sb_words *values, const char *name);

#define ROW(name, ...)                                                                                                 \
    int sb_verb_##name(const struct sb_verb *verb, struct sb_words *operands, struct sb_words *values);
#include "cli/verbs.inc"
#undef ROW

/* Config, machine, plugins and plan, as run and plan both need them. */
struct sb_session {
    struct sb_experiment experiment;
    struct sb_topology *topology;
    struct sb_plugins plugins;
    struct sb_plan plan;
    char *overrides; /* the --set arguments, a line each */
};
/* 0 or an exit code; all errors have been told. To be closed in any case. `twins` as for sb_plan_make. */
int sb_session_open(struct sb_session *session, const struct sb_verb *verb, const char *config,
                    const struct sb_words *values, bool twins);
void sb_session_close(struct sb_session *session);

/* The plugin of that name, or NULL after a complaint with what is near. */
const struct sb_plugin *sb_find_plugin(const struct sb_plugins *plugins, enum sb_plugin_kind kind, const char *name);
/* "NAME=VALUE" into the plugin's values; `flag` is what it was given to. False after a complaint. */
bool sb_take_option(const struct sb_plugin *plugin, const char *flag, const char *text, union sb_value *values);

#endif
