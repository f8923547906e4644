/* The properties of opening: every choice of every option, closing without a trace, opening again. */
#define _GNU_SOURCE
#include "check/properties.h"

#include "base/units.h"
#include "measure/footprint.h"
#include "stats/stats.h"

#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>

/* What any user would do, to have structures made that close must give back. */
static void exercise(struct sb_world *w, size_t n)
{
    struct sb_ops ops = {0};
    const struct sb_mix mix = {.most = 4000};
    sb_ops_draw(&ops, w->lanes, w->lane_count, &mix, n, w->host.seed);
    for (size_t i = 0; i < ops.n; i++)
        sb_world_do(w, &ops.at[i]);
    SB_VEC_FREE(&ops);
}

/* ---- options ---- */

static void try_option_value(struct sb_world *w, const struct sb_option *o, uint64_t value, volatile uint64_t *done,
                             struct sb_finding *f)
{
    union sb_value *values = (union sb_value *)w->values, *slot = &values[o - w->plugin->options], saved = *slot;
    /* As a user would write it, for the message. */
    char *text = sb_option_write(o, value);
    slot->u = value;
    /* For the parent, should this be the last that is done. */
    snprintf((char *)(done + 1), SB_PROGRESS_BYTES - sizeof(*done), "with %s = %s", o->name, text);
    if (!sb_world_open_afresh(w)) {
        exercise(w, 500);
        sb_world_free_all(w);
        if (w->fault != SB_FAULT_NONE && !(w->a->flags & SB_ALLOCATOR_ALIASES))
            sb_find(f, SB_CHECK_FAIL, "with %s = %s: %s", o->name, text, w->why);
        sb_world_close_allocator(w);
        /* A refusal is allowed: two options may exclude each other. Silence is not. */
    } else if (!*w->said) {
        sb_find(f, SB_CHECK_FAIL, "%s = %s is refused without a word of why: call host->fail", o->name, text);
    }
    free(text);
    *slot = saved;
}

void sb_try_options(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    volatile uint64_t *done = t->done;
    size_t tried = 0;
    sb_world_close_allocator(w);
    w->ignore_overlap = w->a->flags & SB_ALLOCATOR_ALIASES;
    w->fill = !w->ignore_overlap;
    for (uint32_t i = 0; i < w->plugin->option_count && f->result == SB_CHECK_PASS; i++) {
        /* One option at a time, all others at their defaults: combinations are the shipped plugins' own
           tests'. */
        const struct sb_option *o = &w->plugin->options[i];
        uint64_t values[32] = {0, 1};
        size_t n = o->kind == SB_OPTION_BOOL ? 2 : 0;
        for (; o->kind == SB_OPTION_ENUM && o->choices[n] && n < SB_COUNT(values); n++)
            values[n] = n;
        if (o->kind != SB_OPTION_BOOL && o->kind != SB_OPTION_ENUM && o->kind != SB_OPTION_TEXT && o->max) {
            values[n++] = o->min;
            values[n++] = o->max;
        }
        for (size_t v = 0; v < n && f->result == SB_CHECK_PASS; v++, tried++)
            try_option_value(w, o, values[v], done, f);
    }
    if (!tried && f->result == SB_CHECK_PASS)
        sb_find(f, SB_CHECK_NOT_CLAIMED, "it has no options that can be tried");
    *(char *)(done + 1) = '\0';
    sb_world_open_afresh(w);
}

/* What a process holds, as the kernel and the C library count it. */
struct holding {
    size_t heap, maps, files;
    int64_t resident;
};

static size_t count_files(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* A sanitizer's own malloc answers in glibc's stead, and its shadow and quarantine grow with every block ever
   freed: there the heap is asked of it, and mappings and resident pages say nothing. */
#if SB_SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void); /* in no header that gcc brings */

static struct holding look(void)
{
    return (struct holding){.heap = __sanitizer_get_current_allocated_bytes(), .files = count_files()};
}
#else
static size_t count_maps(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t n = 0;
    int c;
    while (file && (c = getc(file)) != EOF)
        n += c == '\n';
    if (file)
        fclose(file);
    return n;
}

static struct holding look(void)
{
    struct mallinfo2 info = mallinfo2();
    return (struct holding){info.uordblks + info.hblkhd, count_maps(), count_files(), sb_resident_bytes()};
}
#endif

/*
 * After some rounds, so that what is made once is made; then what every round leaves behind adds up. Of the
 * heap the median of what the rounds add: what is made once and late is no leak.
 */
void sb_try_close(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    (void)t;
    enum { FIRST = 4, ROUNDS = 16 };
    struct holding before = {0}, after = {0};
    double grown[ROUNDS];
    bool os = w->a->flags & SB_ALLOCATOR_OS_MEMORY;
    w->fill = false;
    w->ignore_overlap = true;
    for (int round = 0; round < FIRST + ROUNDS; round++) {
        exercise(w, 2000);
        /* Blocks of the OS's memory are their users'. */
        if (os)
            sb_world_free_all(w);
        sb_world_close_allocator(w);
        size_t heap = after.heap;
        after = look();
        if (round >= FIRST)
            grown[round - FIRST] = (double)after.heap - (double)heap;
        else
            before = after;
        if (sb_world_open_afresh(w)) {
            sb_find(f, SB_CHECK_UNTESTED, "it can't be opened again: %s", w->said);
            return;
        }
    }
    double leak = sb_median(grown, ROUNDS);
    if (leak > 0)
        sb_find(f, SB_CHECK_FAIL, "every open and close leaves %.0f bytes of the process's heap behind", leak);
    /* Half of the rounds: the C library's own arenas map something now and then. */
    else if (after.maps > before.maps + ROUNDS / 2)
        sb_find(f, SB_CHECK_FAIL, "every open and close leaves mappings behind: %zu before, %zu after %d rounds",
                before.maps, after.maps, ROUNDS);
    else if (after.files > before.files + ROUNDS / 2)
        sb_find(f, SB_CHECK_FAIL, "every open and close leaves files open: %zu before, %zu after %d rounds",
                before.files, after.files, ROUNDS);
    /* 128 KiB a round: less is the heap's own coming and going, glibc's trim threshold. */
    else if (after.resident > before.resident + ROUNDS * INT64_C(131072))
        sb_find(f, SB_CHECK_FAIL, "every open and close leaves %lld KiB resident",
                (long long)(after.resident - before.resident) / ROUNDS / 1024);
}

void sb_try_reopen(struct sb_world *w, const struct sb_attempt *t, struct sb_finding *f)
{
    w->fill = false;
    w->ignore_overlap = true;
    for (int round = 0; round < (t->quick ? 100 : 1000); round++) {
        /* Opening is what is tried; a few blocks make the lazy parts come alive. */
        exercise(w, 4);
        sb_world_free_all(w);
        sb_world_close_allocator(w);
        if (sb_world_open_allocator(w)) {
            sb_find(f, SB_CHECK_FAIL, "it can't be opened the %dth time: %s", round + 2,
                    *w->said ? w->said : "without a word");
            return;
        }
    }
}
