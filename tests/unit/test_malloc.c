/*
 * Malloc libraries through the plugin: that the library itself serves. What it hands out must not show in
 * glibc's own books, whatever glibc the library was linked with; what glibc hands out must.
 */
#define _GNU_SOURCE
#include "host.h"

#include "base/units.h"
#include "plugin/plugin.h"

#include <dlfcn.h>
#include <malloc.h>

enum { BLOCKS = 4000 };

struct opened {
    struct sb_plugin *p;
    struct test_host host;
    void *self;
    int status;
};

static void open_library(struct opened *o, const char *library)
{
    char path[512];
    memset(o, 0, sizeof(*o));
    snprintf(path, sizeof(path), "%s/allocator-malloc.so", PLUGIN_DIR);
    o->p = sb_plugin_load(path);
    union sb_value *values = calloc(o->p->option_count, sizeof(*values));
    for (uint32_t i = 0; i < o->p->option_count; i++) {
        char *why = NULL;
        assert_int_equal(sb_option_parse(&o->p->options[i], o->p->options[i].fallback, &values[i], &why), 0);
    }
    values[0].s = library;
    test_host_open(&o->host, 4, test_cpus());
    o->host.host.memory = NULL;
    o->status = o->p->allocator.open(&o->host.host, values, &o->self);
    free(values);
}

static void close_library(struct opened *o)
{
    if (!o->status)
        o->p->allocator.close(o->self);
    test_host_close(&o->host);
    sb_plugin_free(o->p);
}

/* Bytes by which glibc's used memory grows while the library hands out 4000 blocks of 600 bytes; all are
 * written to. */
static size_t growth(struct opened *o)
{
    static unsigned char *blocks[BLOCKS];
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = o->p->sized.alloc(o->self, 600, 0, SB_GFP_KERNEL);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, 600);
    }
    size_t grown = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_int_equal(blocks[i][599], (unsigned char)i);
        assert_true(o->p->sized.usable(o->self, blocks[i]) >= 600);
        o->p->sized.free(o->self, blocks[i], 600);
    }
    return grown;
}

static void expect_alignment_and_zeroes(struct opened *o)
{
    for (size_t align = 16; align <= 4096; align *= 2) {
        unsigned char *block = o->p->sized.alloc(o->self, 1000, align, SB_GFP_KERNEL | SB_GFP_ZERO);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % align, 0);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xff, 1000);
        o->p->sized.free(o->self, block, 1000);
    }
}

static void serves_itself(const char *library)
{
    struct opened o;
    open_library(&o, library);
    if (o.status) {
        /* Not installed is a reason to skip; anything else would be a fault. */
        bool missing = strstr(o.host.failure, "No such file or directory");
        if (!missing)
            fail_msg("%s: %s", library, o.host.failure);
        close_library(&o);
        skip();
    }
    assert_true(growth(&o) < 100000);
    expect_alignment_and_zeroes(&o);
    close_library(&o);
}

static void jemalloc(void **state)
{
    (void)state;
    serves_itself("libjemalloc.so.2");
}
static void mimalloc(void **state)
{
    (void)state;
    serves_itself("libmimalloc.so.2");
}
static void tcmalloc(void **state)
{
    (void)state;
    serves_itself("libtcmalloc_minimal.so.4");
}
static void tbbmalloc(void **state)
{
    (void)state;
    serves_itself("libtbbmalloc.so.2");
}

/* Their malloc is one line that calls another public name of their own. */
static void what_calls_itself_is_served_by_itself(void **state)
{
    static const char *const ways[] = {"memalign", "posix", "realloc", "calloc"};
    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct opened o;
        char path[512];
        snprintf(path, sizeof(path), "%s/selfcall-%s.so", SELFCALL_DIR, ways[i]);
        open_library(&o, path);
        if (o.status)
            fail_msg("%s: %s", path, o.host.failure);
        void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
        unsigned long *entered = dlsym(handle, "selfcall_entered"), before = *entered;
        for (int k = 0; k < 1000; k++) {
            /* calloc is what calls malloc in the last one. */
            void *block = o.p->sized.alloc(o.self, 100, 0, i == 3 ? SB_GFP_KERNEL | SB_GFP_ZERO : SB_GFP_KERNEL);
            assert_non_null(block);
            o.p->sized.free(o.self, block, 100);
        }
        assert_int_equal(*entered - before, 1000);
        dlclose(handle);
        close_library(&o);
    }
}

/* Loaded before by somebody else, its calls are bound, and to glibc: no number, and the way out. */
static void what_is_bound_to_another_is_refused(void **state)
{
    struct opened o;
    char path[512], way_out[600];
    (void)state;
    snprintf(path, sizeof(path), "%s/selfcall-bound.so", SELFCALL_DIR);
    assert_non_null(dlopen(path, RTLD_NOW | RTLD_LOCAL));
    open_library(&o, path);
    assert_int_not_equal(o.status, 0);
    assert_non_null(strstr(o.host.failure, "what it calls as memalign is another library's and not its own"));
    snprintf(way_out, sizeof(way_out), "env.LD_PRELOAD = %s", path);
    assert_non_null(strstr(o.host.failure, way_out));
    close_library(&o);
}

static void a_preload_that_is_not_loaded_is_told(void **state)
{
    struct opened o;
    (void)state;
    setenv("LD_PRELOAD", "/nowhere/libfast.so", 1);
    open_library(&o, "");
    unsetenv("LD_PRELOAD");
    assert_int_not_equal(o.status, 0);
    assert_non_null(strstr(o.host.failure, "LD_PRELOAD: /nowhere/libfast.so was not loaded"));
    close_library(&o);
}

static void glibc(void **state)
{
    struct opened o;
    (void)state;
    open_library(&o, "");
    assert_int_equal(o.status, 0);
    assert_true(growth(&o) >= (size_t)BLOCKS * 600);
    expect_alignment_and_zeroes(&o);
    close_library(&o);
}

/* A library that only needs libc has libc's malloc in reach; taking that for its own would be a lie. */
static void what_has_no_malloc_is_refused(void **state)
{
    struct opened o;
    (void)state;
    open_library(&o, "libm.so.6");
    assert_int_not_equal(o.status, 0);
    assert_non_null(strstr(o.host.failure, "it has no malloc of its own"));
    close_library(&o);
    open_library(&o, "libnowhere.so.1");
    assert_int_not_equal(o.status, 0);
    assert_non_null(strstr(o.host.failure, "libnowhere.so.1"));
    close_library(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glibc),
        cmocka_unit_test(jemalloc),
        cmocka_unit_test(mimalloc),
        cmocka_unit_test(tcmalloc),
        cmocka_unit_test(tbbmalloc),
        cmocka_unit_test(what_has_no_malloc_is_refused),
        cmocka_unit_test(what_calls_itself_is_served_by_itself),
        cmocka_unit_test(what_is_bound_to_another_is_refused),
        cmocka_unit_test(a_preload_that_is_not_loaded_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
