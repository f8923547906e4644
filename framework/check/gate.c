/*
 * The parent's side: a child for each property, limits, and the search for the shortest sequence that still
 * fails.
 *
 * Shrinking is Zeller and Hildebrandt's (TSE 2002) in its plain form: leave out ever smaller pieces and keep
 * what still fails in the same way. An operation whose slot isn't as it needs it does nothing, so any subset
 * is a sequence.
 */
#define _GNU_SOURCE
#include "check/check.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "check/properties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_TRIES = 400, MOST_SHRINK_S = 15, LONGEST_OPS = 200000, SMALL = 32 << 20 };

struct gate {
    const struct sb_check_request *request;
    struct sb_lane lanes[SB_MAX_LANES];
    size_t lane_count;
    char *program;
    char progress_path[32];
    volatile uint64_t *progress;
    volatile sig_atomic_t *stop;
};

/* What one child came to. */
struct outcome {
    enum sb_check_result result;
    enum sb_fault fault;
    size_t at;
    char *why;
    bool answered;
};

static void take_line(void *context, const char *line, size_t length)
{
    struct outcome *o = context;
    /* A line that isn't the child's own came from the plugin, by whatever way: it is passed over. */
    struct sb_json *object = sb_json_parse(line, length);
    const char *result = object ? sb_json_text(object, "result") : NULL;
    for (int i = SB_CHECK_PASS; result && i <= SB_CHECK_UNTESTED; i++) {
        if (strcmp(result, sb_check_result_name((enum sb_check_result)i)))
            continue;
        const char *why = sb_json_text(object, "why");
        o->result = (enum sb_check_result)i;
        o->fault = (enum sb_fault)sb_json_int(object, "fault", 0);
        o->at = (size_t)sb_json_int(object, "at", 0);
        free(o->why);
        o->why = sb_strdup(why ? why : "");
        o->answered = true;
    }
    sb_json_free(object);
}

static char *child_text(const struct gate *g, const struct sb_property *property, const char *ops)
{
    const struct sb_check_request *q = g->request;
    struct sb_text text = {0};
    /* Used up block by block, a large memory takes long and shows no more than a small one. */
    uint64_t memory = !strcmp(property->name, "exhaustion") && q->memory > SMALL ? SMALL : q->memory;
    sb_text_printf(&text, "[check]\nproperty = %s\nseed = %llu\nquick = %s\nmemory = %llu\nprogress = %s\n",
                   property->name, (unsigned long long)q->seed, q->quick ? "yes" : "no", (unsigned long long)memory,
                   g->progress_path);
    if (ops)
        sb_text_printf(&text, "ops = %s\n", ops);
    sb_text_printf(&text, "[allocator %s]\nfile = %s\n", q->plugin->name, q->plugin->path);
    for (size_t i = 0; i + 1 < q->options->n; i += 2)
        sb_text_printf(&text, "%s = %s\n", q->options->at[i], q->options->at[i + 1]);
    return text.at;
}

/* A child that ends without an answer has failed the property: it crashed, hung, or called exit. */
static void explain_end(const struct gate *g, const struct sb_child_end *end, uint64_t limit, struct outcome *o)
{
    const char *doing = (const char *)(g->progress + 1), *colon = *doing ? ": " : "";
    char *words = sb_last_line(end->last_words);
    o->fault = SB_FAULT_CRASH;
    o->at = *g->progress == UINT64_MAX ? SIZE_MAX : *g->progress ? (size_t)*g->progress - 1 : 0;
    /* We kill at the time limit alone: who else does so is the kernel, short of memory, or a user. */
    if (WIFSIGNALED(end->wait_status) && WTERMSIG(end->wait_status) == SIGKILL && !end->timed_out && !end->flooded) {
        o->result = SB_CHECK_UNTESTED;
        o->fault = SB_FAULT_MACHINE;
        o->why = sb_printf("the machine: %s%sthe process was killed from outside (signal 9), "
                           "as a kernel short of memory does",
                           doing, colon);
    } else if (end->timed_out)
        o->why = sb_printf("%s%sit did not end within %llu s", doing, colon, (unsigned long long)(limit / 1000000000));
    else if (WIFSIGNALED(end->wait_status))
        o->why = sb_printf("%s%sthe process was ended by signal %d (%s)%s%s", doing, colon, WTERMSIG(end->wait_status),
                           strsignal(WTERMSIG(end->wait_status)), *words ? ": " : "", words);
    else
        o->why = sb_printf("%s%sthe process ended with exit status %d before it was done%s%s", doing, colon,
                           WEXITSTATUS(end->wait_status), *words ? ": " : "", words);
    free(words);
}

static int run_child(const struct gate *g, const struct sb_property *property, const char *ops, struct outcome *o)
{
    char die[] = "--die-with-parent", *argv[] = {g->program, die, NULL};
    /* Far beyond what any property takes on a slow machine: who runs longer hangs. */
    uint64_t limit = g->request->quick ? UINT64_C(15000000000) : UINT64_C(60000000000);
    char *text = child_text(g, property, ops);
    struct sb_child_end end;
    *o = (struct outcome){.result = SB_CHECK_FAIL};
    /* The last child's progress must not explain this one's end. */
    memset((void *)g->progress, 0, SB_PROGRESS_BYTES);
    const struct sb_child child = {.argv = argv,
                                   .input = text,
                                   .deadline_ns = sb_now_ns() + limit,
                                   .stop = g->stop,
                                   .take = take_line,
                                   .context = o};
    int status = sb_child_run(&child, &end);
    free(text);
    if (status)
        return status;
    if (end.stopped)
        status = -EINTR;
    else if (!o->answered)
        explain_end(g, &end, limit, o);
    free(end.last_words);
    return status;
}

/* Whether `ops` fail as `wanted` did. */
static bool fails_alike(const struct gate *g, const struct sb_property *property, const struct sb_ops *ops,
                        const struct outcome *wanted, size_t *tries)
{
    struct outcome o;
    char *text = sb_ops_print(ops, g->lanes);
    ++*tries;
    int status = run_child(g, property, text, &o);
    /* Another fault is another bug, and its sequence would explain nothing. */
    bool alike = !status && o.result == SB_CHECK_FAIL && o.fault == wanted->fault;
    free(text);
    free(o.why);
    return alike;
}

static struct sb_ops copy_without(const struct sb_ops *ops, size_t from, size_t n)
{
    struct sb_ops copy = {0};
    for (size_t i = 0; i < ops->n; i++) {
        if (i < from || i >= from + n)
            *SB_VEC_ADD(&copy) = ops->at[i];
    }
    return copy;
}

/* The end of a long sequence is often enough: the shortest of some ends that still fails. */
static bool cut_to_end(const struct gate *g, const struct sb_property *property, struct sb_ops *ops,
                       const struct outcome *wanted, size_t *tries, uint64_t end_ns)
{
    for (size_t keep = 30; keep < ops->n && keep <= LONGEST_OPS && sb_now_ns() < end_ns; keep *= 8) {
        struct sb_ops end = copy_without(ops, 0, ops->n - keep);
        if (fails_alike(g, property, &end, wanted, tries)) {
            SB_VEC_FREE(ops);
            *ops = end;
            return true;
        }
        SB_VEC_FREE(&end);
    }
    return ops->n <= LONGEST_OPS && sb_now_ns() < end_ns && fails_alike(g, property, ops, wanted, tries);
}

/* NULL where the failure doesn't come again, which threads and clocks can do to it. */
static char *shrink(const struct gate *g, const struct sb_property *property, const struct outcome *wanted)
{
    struct sb_ops ops = {0};
    size_t tries = 0;
    uint64_t end_ns = sb_now_ns() + MOST_SHRINK_S * UINT64_C(1000000000);
    char *text = NULL;
    sb_property_draw(property, g->lanes, g->lane_count, g->request->quick, g->request->seed, &ops);
    /* What came after the failing operation can't be its cause; but books and structures are looked at
       only now and then, so there the place is not exact. */
    if (wanted->at + 1 < ops.n && wanted->fault != SB_FAULT_SNAPSHOT && wanted->fault != SB_FAULT_CHECK)
        ops.n = wanted->at + 1;
    if (cut_to_end(g, property, &ops, wanted, &tries, end_ns)) {
        for (size_t piece = ops.n / 2; piece && tries < MOST_TRIES; piece /= 2) {
            for (size_t at = 0; at < ops.n && tries < MOST_TRIES && sb_now_ns() < end_ns;) {
                struct sb_ops less = copy_without(&ops, at, piece);
                if (less.n && fails_alike(g, property, &less, wanted, &tries)) {
                    SB_VEC_FREE(&ops);
                    ops = less;
                } else {
                    SB_VEC_FREE(&less);
                    at += piece;
                }
            }
        }
        text = sb_ops_print(&ops, g->lanes);
    }
    SB_VEC_FREE(&ops);
    return text;
}

/* Which failures stand in a property's way: they would show as its own. Of `check` only complaints of sound
   structures do: damage that it doesn't notice is in nobody's way. */
static const struct {
    const char *property, *needs;
    bool fault;
} needs[] = {
    {"contents", "overlap", false},     {"usable", "overlap", false},        {"usable", "contents", false},
    {"page-structs", "overlap", false}, {"page-structs", "contents", false}, {"page-structs", "alignment", false},
    {"page-structs", "zeroing", false}, {"page-structs", "snapshot", false}, {"page-structs", "check", true},
    {"other-cpu", "overlap", false},    {"other-cpu", "contents", false},    {"all-threads", "overlap", false},
    {"all-threads", "contents", false}, {"all-threads", "other-cpu", false}, {"bulk", "overlap", false},
    {"options", "overlap", false},      {"options", "contents", false},      {"options", "alignment", false},
    {"options", "zeroing", false},      {"bulk", "snapshot", false},         {"all-threads", "snapshot", false},
    {"all-threads", "check", true},
};

static const struct sb_check_line *standing_in_the_way(const struct sb_check_report *report,
                                                       const struct sb_property *property)
{
    for (size_t i = 0; i < SB_COUNT(needs); i++) {
        if (strcmp(needs[i].property, property->name))
            continue;
        for (size_t j = 0; j < report->n; j++) {
            const struct sb_check_line *line = &report->at[j];
            bool bad = line->result == SB_CHECK_FAIL || line->result == SB_CHECK_UNTESTED;
            if (!strcmp(line->property->name, needs[i].needs) && bad && (!needs[i].fault || line->met_a_fault))
                return line;
        }
    }
    return NULL;
}

static int try_property(const struct gate *g, const struct sb_property *property, struct sb_check_report *report)
{
    const struct sb_check_line *before = standing_in_the_way(report, property);
    struct outcome o = {.result = SB_CHECK_UNTESTED};
    int status = 0;
    if (before)
        o.why = sb_printf("%s %s", before->property->name,
                          before->result == SB_CHECK_FAIL ? "failed first" : "could not be tried");
    /* Once more, if it was not the plugin's doing; twice, and nothing is said of the plugin. */
    for (int tries = 0; !before && !status && tries < 2 && (!tries || o.fault == SB_FAULT_MACHINE); tries++) {
        free(o.why);
        status = run_child(g, property, g->request->ops, &o);
    }
    if (!status) {
        struct sb_check_line *line = SB_VEC_ADD(report);
        *line =
            (struct sb_check_line){.property = property,
                                   .result = o.result,
                                   .why = o.why,
                                   .met_a_fault = !before && o.fault != SB_FAULT_NONE && o.fault != SB_FAULT_MACHINE,
                                   .machine = o.fault == SB_FAULT_MACHINE};
        report->machine += line->machine;
        report->failed += o.result == SB_CHECK_FAIL;
        report->passed += o.result == SB_CHECK_PASS;
        if (o.result == SB_CHECK_FAIL && property->sequence && !g->request->quick && o.at != SIZE_MAX)
            line->ops = g->request->ops ? sb_strdup(g->request->ops) : shrink(g, property, &o);
    } else {
        free(o.why);
    }
    return status;
}

static int open_gate(struct gate *g, char **why)
{
    char *folder = sb_program_dir();
    g->program = sb_printf("%s/scullbench-check", folder ? folder : ".");
    free(folder);
    if (access(g->program, X_OK)) {
        *why = sb_printf("%s, which tries the properties, is missing: build or install all of scullbench", g->program);
        return -ENOENT;
    }
    strcpy(g->progress_path, "/tmp/scullbench-XXXXXX");
    int fd = mkstemp(g->progress_path);
    if (fd < 0 || ftruncate(fd, SB_PROGRESS_BYTES)) {
        *why = sb_printf("a file in /tmp can't be made: %s", strerror(errno));
        return -EIO;
    }
    void *at = mmap(NULL, SB_PROGRESS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) {
        *why = sb_printf("a file in /tmp can't be mapped: %s", strerror(errno));
        return -EIO;
    }
    g->progress = at;
    g->lane_count = sb_lanes_make(&g->request->plugin->allocator, g->lanes);
    return 0;
}

static void close_gate(struct gate *g)
{
    if (g->progress)
        munmap((void *)g->progress, SB_PROGRESS_BYTES);
    if (*g->progress_path)
        unlink(g->progress_path);
    free(g->program);
}

/* A fault that one property met and left to another to answer for, which didn't meet it, is a fault still. */
static void own_what_nobody_owned(struct sb_check_report *report)
{
    for (size_t i = 0; i < report->n && !report->failed; i++) {
        struct sb_check_line *line = &report->at[i];
        if (line->result != SB_CHECK_UNTESTED || !line->met_a_fault)
            continue;
        line->result = SB_CHECK_FAIL;
        report->failed++;
    }
}

int sb_check(struct sb_check_report *report, const struct sb_check_request *q, volatile sig_atomic_t *stop, char **why)
{
    struct gate g = {.request = q, .stop = stop};
    *report = (struct sb_check_report){0};
    int status = open_gate(&g, why);
    for (size_t i = 0; i < sb_property_count && !status; i++) {
        if (q->property && strcmp(q->property, sb_properties[i].name))
            continue;
        if (q->progress)
            q->progress(q->context, &sb_properties[i], i, sb_property_count);
        status = try_property(&g, &sb_properties[i], report);
    }
    own_what_nobody_owned(report);
    if (status == -EINTR)
        *why = sb_strdup("interrupted");
    else if (status && !*why)
        *why = sb_printf("%s can't be started: %s", g.program, strerror(-status));
    close_gate(&g);
    return status;
}

int sb_check_loaded(const struct sb_check_request *q, volatile sig_atomic_t *stop, char **loaded, char **why)
{
    static const struct sb_property none = {"", "", false, NULL};
    struct gate g = {.request = q, .stop = stop};
    struct outcome o = {0};
    int status = open_gate(&g, why);
    *loaded = NULL;
    if (!status) {
        for (int tries = 0; !status && tries < 2 && (!tries || o.fault == SB_FAULT_MACHINE); tries++) {
            free(o.why);
            status = run_child(&g, &none, NULL, &o);
        }
        if (!status && o.fault == SB_FAULT_MACHINE) {
            *why = sb_strdup(o.why);
            status = -EAGAIN;
        }
        if (status && !*why)
            *why = status == -EINTR ? sb_strdup("interrupted")
                                    : sb_printf("%s can't be started: %s", g.program, strerror(-status));
    }
    if (!status && o.result == SB_CHECK_PASS)
        *loaded = sb_strdup(o.why);
    else if (!status)
        *why = sb_strdup(o.why);
    free(o.why);
    close_gate(&g);
    return status;
}

void sb_check_report_free(struct sb_check_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free(report->at[i].why);
        free(report->at[i].ops);
    }
    SB_VEC_FREE(report);
    report->failed = report->passed = 0;
}
