/* A workload on an allocator without a trial around them: a test takes its steps one by one. */
#ifndef SB_TESTS_RIG_H
#define SB_TESTS_RIG_H

#include "host.h"

#include "base/units.h"
#include "plugin/plugin.h"

enum { RIG_THREADS = 4 };

static uint64_t blocks_seen;

static inline void see_block(void *context, const void *block, uint64_t size, uint64_t align)
{
    (void)context;
    (void)block;
    (void)size;
    assert_int_equal((uintptr_t)block % (align ? align : 1), 0);
    blocks_seen++;
}

static inline uint64_t ticks(void)
{
    static uint64_t t;
    return t++;
}

struct rig {
    struct test_host host;
    struct sb_plugin *a, *w;
    union sb_value allocator_options[32], workload_options[32];
    struct sb_bench bench;
    void *allocator, *workload, *stream; /* of thread 0 */
    void *streams[RIG_THREADS];
    uint32_t threads; /* 0: one */
    bool paced;
    struct sb_needs needs;
};

static inline void defaults(const struct sb_plugin *p, union sb_value *values)
{
    char *why;
    for (uint32_t i = 0; i < p->option_count; i++)
        assert_int_equal(sb_option_parse(&p->options[i], p->options[i].fallback, &values[i], &why), 0);
}

static inline void set(struct rig *r, const char *key, const char *text)
{
    const struct sb_option *o = sb_option_find(r->w->options, r->w->option_count, key);
    char *why = NULL;
    assert_non_null(o);
    assert_int_equal(sb_option_parse(o, text, &r->workload_options[o - r->w->options], &why), 0);
}

static inline struct sb_plugin *load(const char *kind, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s-%s.so", PLUGIN_DIR, kind, name);
    struct sb_plugin *p = sb_plugin_load(path);
    if (p->refused)
        fail_msg("%s", p->refused);
    return p;
}

static inline void load_rig(struct rig *r, const char *allocator, const char *workload)
{
    memset(r, 0, sizeof(*r));
    test_host_open(&r->host, 64, test_cpus());
    r->a = load("allocator", allocator);
    r->w = load("workload", workload);
    defaults(r->a, r->allocator_options);
    defaults(r->w, r->workload_options);
}

static inline void open_rig(struct rig *r)
{
    char why[256];
    r->threads = r->threads ? r->threads : 1;
    r->needs = (struct sb_needs){.struct_size = sizeof(r->needs), .threads = r->threads};
    assert_int_equal(r->a->allocator.open(&r->host.host, r->allocator_options, &r->allocator), 0);
    assert_int_equal(r->w->workload.needs(r->workload_options, &r->needs, why, sizeof(why)), 0);
    r->bench = (struct sb_bench){.struct_size = sizeof(r->bench),
                                 .threads = r->threads,
                                 .seed = 3,
                                 .allocator = &r->a->allocator,
                                 .self = r->allocator,
                                 .now = ticks,
                                 .context = &r->host,
                                 .fail = test_fail,
                                 .live_block = see_block,
                                 .paced = r->paced};
    assert_int_equal(r->w->workload.setup(&r->bench, r->workload_options, &r->workload), 0);
    for (uint32_t i = 0; i < r->threads; i++)
        assert_int_equal(r->w->workload.thread_setup(r->workload, i, &r->streams[i]), 0);
    r->stream = r->streams[0];
}

/* Nothing may live any more. */
static inline void close_rig(struct rig *r)
{
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    for (uint32_t i = 0; i < r->threads; i++)
        r->w->workload.thread_teardown(r->streams[i]);
    assert_int_equal(r->w->workload.teardown(r->workload), 0);
    r->a->allocator.snapshot(r->allocator, &s);
    if (s.has & SB_HAS_LIVE)
        assert_int_equal(s.live, 0);
    r->a->allocator.close(r->allocator);
    sb_plugin_free(r->a);
    sb_plugin_free(r->w);
    test_host_close(&r->host);
}

/* Contents, accounts and the allocator's books agree. */
static inline void expect_good(struct rig *r)
{
    struct sb_account account = {.struct_size = sizeof(account)};
    struct sb_snapshot s = {.struct_size = sizeof(s)};
    char why[512] = "";
    blocks_seen = 0;
    if (r->w->workload.verify(r->workload))
        fail_msg("%s", r->host.failure);
    r->w->workload.account(r->workload, &account);
    if (!(r->a->allocator.flags & SB_ALLOCATOR_ALIASES))
        assert_int_equal(blocks_seen, account.live);
    r->a->allocator.snapshot(r->allocator, &s);
    if (s.has & SB_HAS_LIVE)
        assert_int_equal(s.live, account.live);
    if (s.has & SB_HAS_HANDED)
        assert_true(s.handed_bytes >= account.requested_bytes);
    if (r->a->allocator.check(r->allocator, why, sizeof(why)))
        fail_msg("%s", why);
}

#endif
