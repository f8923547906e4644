/* Locations and placement on synthetic machines; pinning on the real one. */
#include "test.h"

#include "base/str.h"
#include "topology/topology.h"

static struct sb_topology *load(const char *synthetic)
{
    struct sb_topology *t;
    char *why = NULL;
    if (synthetic)
        setenv("HWLOC_SYNTHETIC", synthetic, 1);
    else
        unsetenv("HWLOC_SYNTHETIC");
    assert_int_equal(sb_topology_load(&t, &why), 0);
    return t;
}

static struct sb_topology *load_xml(const char *name)
{
    struct sb_topology *t;
    char *path = sb_printf("%s/machines/%s.xml", DATA_DIR, name), *why = NULL;
    unsetenv("HWLOC_SYNTHETIC");
    setenv("HWLOC_XMLFILE", path, 1);
    assert_int_equal(sb_topology_load(&t, &why), 0);
    unsetenv("HWLOC_XMLFILE");
    free(path);
    return t;
}

/* P# numbers of the CPUs, in order, as "0 2 1 3". */
static char *cpus_of(const struct sb_topology *t, const char *location, enum sb_placement placement)
{
    struct sb_cpus cpus;
    struct sb_text text = {0};
    char *why = NULL;
    sb_text_add(&text, "", 0);
    if (sb_topology_cpus(t, location, placement, &cpus, &why)) {
        sb_text_printf(&text, "%s", why);
    } else {
        for (size_t i = 0; i < cpus.n; i++)
            sb_text_printf(&text, "%s%u", i ? " " : "", cpus.at[i].os);
    }
    free(why);
    SB_VEC_FREE(&cpus);
    return text.at;
}

static void expect(const struct sb_topology *t, const char *location, enum sb_placement placement, const char *want)
{
    char *got = cpus_of(t, location, placement);
    assert_string_equal(got, want);
    free(got);
}

/* Two packages of two cores with two threads each; OS numbers run over cores first, as many BIOSes have it.
 */
static const char machine[] = "pack:2 [numa] core:2 pu:2(indexes=0,4,1,5,2,6,3,7)";

static void placements(void **state)
{
    struct sb_topology *t = load(machine);
    (void)state;
    assert_false(sb_topology_is_real(t));
    expect(t, "all", SB_PLACE_COMPACT, "0 4 1 5 2 6 3 7");
    expect(t, "all", SB_PLACE_SCATTER, "0 2 1 3 4 6 5 7");
    expect(t, "all", SB_PLACE_ONE_PER_CORE, "0 1 2 3");
    expect(t, "pu:7 pu:0", SB_PLACE_LIST, "7 0");
    expect(t, "pu:7 pu:0", SB_PLACE_COMPACT, "0 7");
    sb_topology_free(t);
}

static void cpus_know_their_node(void **state)
{
    struct sb_topology *t = load(machine);
    static const uint32_t want[8] = {0, 0, 1, 1, 0, 0, 1, 1};
    uint32_t nodes[8];
    (void)state;
    assert_int_equal(sb_topology_local_nodes(t, NULL, 0), 2);
    sb_topology_cpu_nodes(t, nodes, 8);
    assert_memory_equal(nodes, want, sizeof(want));
    sb_topology_free(t);
}

/* An expander or HBM serves more CPUs, or fewer, and stands before or after: the memory is the plain one's.
 */
static void the_nearest_node_is_the_smallest_of_plain_memory(void **state)
{
    static const struct {
        const char *file;
        unsigned n, nodes[4];
        uint32_t cpu_nodes[6];
    } machines[] = {{"cxl", 2, {0, 1}, {0, 0, 1, 1}},
                    {"cxl-far", 2, {0, 1}, {0, 0, 1, 1}},
                    {"knl", 1, {4}, {0}},
                    {"snc", 4, {0, 1, 2, 3}, {0, 0, 0, 0, 1, 1}},
                    /* The middle package has none: the machine's first is taken. */
                    {"memoryless", 2, {0, 2}, {0, 0, 0, 0, 1, 1}}};
    (void)state;
    for (size_t i = 0; i < SB_COUNT(machines); i++) {
        uint32_t cpu_nodes[6];
        unsigned nodes[4];
        struct sb_topology *t = load_xml(machines[i].file);
        assert_int_equal(sb_topology_local_nodes(t, nodes, 4), machines[i].n);
        assert_memory_equal(nodes, machines[i].nodes, machines[i].n * sizeof(*nodes));
        sb_topology_cpu_nodes(t, cpu_nodes, 6);
        for (unsigned cpu = 0; cpu < 6 && cpu < sb_topology_nr_cpus(t); cpu++)
            assert_int_equal(cpu_nodes[cpu], machines[i].cpu_nodes[cpu]);
        sb_topology_free(t);
    }
}

static void locations(void **state)
{
    struct sb_topology *t = load(machine);
    (void)state;
    expect(t, "pu:0-3", SB_PLACE_LIST, "0 4 1 5");
    expect(t, "core:even", SB_PLACE_LIST, "0 4 2 6");
    expect(t, "numa:1.core:0", SB_PLACE_LIST, "2 6");
    expect(t, "package:0.core:1.pu:1", SB_PLACE_LIST, "5");
    expect(t, "package:all.core:0.pu:0", SB_PLACE_LIST, "0 2");
    expect(t, "core:2-", SB_PLACE_LIST, "2 6 3 7");
    expect(t, "all ~core:0", SB_PLACE_LIST, "1 5 2 6 3 7");
    expect(t, "~package:0", SB_PLACE_LIST, "2 6 3 7");
    /* Taken away and named again: once, and last. */
    expect(t, "all ~core:0 core:0", SB_PLACE_LIST, "1 5 2 6 3 7 0 4");
    sb_topology_free(t);
}

static void locations_that_are_wrong(void **state)
{
    struct sb_topology *t = load(machine);
    (void)state;
    expect(t, "cor:0", SB_PLACE_LIST, "'cor' is no kind of object (did you mean 'core'?)");
    expect(t, "core", SB_PLACE_LIST, "'core' is not kind:number");
    expect(t, "core:x", SB_PLACE_LIST, "'x' is no range of numbers (valid: 3, 0-3, 2-, all, even, odd)");
    expect(t, "core:3-1", SB_PLACE_LIST, "'3-1' is no range of numbers (valid: 3, 0-3, 2-, all, even, odd)");
    expect(t, "core:0-4", SB_PLACE_LIST, "core:0-4 names what isn't there: this machine has 4 of that kind here");
    /* Numbers don't come round. */
    expect(t, "pu:4294967296", SB_PLACE_LIST,
           "pu:4294967296 names what isn't there: this machine has 8 of that kind here");
    expect(t, "pu:0-18446744073709551617", SB_PLACE_LIST,
           "pu:0-18446744073709551617 names what isn't there: this machine has 8 of that kind here");
    expect(t, "kind:0", SB_PLACE_LIST, "kind:0 names what isn't there: this machine has 0 of that kind here");
    expect(t, "numa:1.core:2", SB_PLACE_LIST, "core:2 names what isn't there: this machine has 2 of that kind here");
    expect(t, "~all", SB_PLACE_LIST, "no CPU that this process may run on is left");
    sb_topology_free(t);
}

static void nodes(void **state)
{
    struct sb_topology *t = load(machine);
    char *why = NULL;
    (void)state;
    assert_int_equal(sb_topology_check_nodes(t, "any", &why), 0);
    assert_int_equal(sb_topology_check_nodes(t, "numa:1", &why), 0);
    assert_true(sb_topology_check_nodes(t, "numa:2", &why) < 0);
    free(why);
    sb_topology_free(t);
}

/* Memory without a CPU is what one wants to name, whether near to all or to none. */
static void memory_alone_is_named(void **state)
{
    static const char *const machines[] = {"cxl", "cxl-far"};
    (void)state;
    for (size_t i = 0; i < SB_COUNT(machines); i++) {
        struct sb_topology *t = load_xml(machines[i]);
        char *why = NULL;
        assert_int_equal(sb_topology_check_nodes(t, "numa:2", &why), 0);
        assert_int_equal(sb_topology_check_nodes(t, "numa:all", &why), 0);
        /* Of a package is what its own CPUs alone are near to. */
        assert_int_equal(sb_topology_check_nodes(t, "package:1.numa:0", &why), 0);
        assert_true(sb_topology_check_nodes(t, "package:1.numa:1", &why) < 0);
        free(why);
        why = NULL;
        assert_true(sb_topology_check_nodes(t, "numa:3", &why) < 0);
        assert_string_equal(why, "numa:3 names what isn't there: this machine has 3 of that kind here");
        free(why);
        sb_topology_free(t);
    }
}

static void kinds_of_cores_are_named(void **state)
{
    struct sb_topology *t = load_xml("hybrid");
    struct sb_cpus cpus;
    char *why = NULL;
    (void)state;
    expect(t, "kind:0", SB_PLACE_LIST, "4 5 6 7");
    expect(t, "kind:1.core:0-1", SB_PLACE_LIST, "0 1");
    expect(t, "kind:2", SB_PLACE_LIST, "kind:2 names what isn't there: this machine has 2 of that kind here");
    assert_int_equal(sb_topology_cpus(t, "all ~core:7", SB_PLACE_COMPACT, &cpus, &why), 0);
    char *mixed = sb_topology_mixed_kinds(t, &cpus);
    assert_string_equal(mixed, "3 of kind:0 (CoreType IntelAtom), 4 of kind:1 (CoreType IntelCore)");
    free(mixed);
    SB_VEC_FREE(&cpus);
    assert_int_equal(sb_topology_cpus(t, "kind:0", SB_PLACE_COMPACT, &cpus, &why), 0);
    assert_null(sb_topology_mixed_kinds(t, &cpus));
    SB_VEC_FREE(&cpus);
    sb_topology_free(t);
}

/* hwloc would take this machine in its place, and we would measure it. */
static void a_bad_description_is_refused(void **state)
{
    static const struct {
        const char *name, *value, *want;
    } bad[] = {
        {"HWLOC_SYNTHETIC", "pack:2 cores:4 pu:1",
         "HWLOC_SYNTHETIC is 'pack:2 cores:4 pu:1', which hwloc can't make a machine of: it would take this "
         "one "
         "in its place"},
        {"HWLOC_FSROOT", "/nowhere",
         "HWLOC_FSROOT is '/nowhere', which hwloc can't make a machine of: it would take this one in its "
         "place"},
        {"HWLOC_XMLFILE", DATA_DIR "/cost.csv",
         "HWLOC_XMLFILE names '" DATA_DIR "/cost.csv', which is no topology in XML"},
        {"HWLOC_XMLFILE", DATA_DIR "/machines/version-3.xml",
         "HWLOC_XMLFILE names '" DATA_DIR "/machines/version-3.xml', which hwloc 3 wrote; this is hwloc 2: write it "
         "again with `lstopo --export-xml-flags v2`"},
    };
    (void)state;
    unsetenv("HWLOC_SYNTHETIC");
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        struct sb_topology *t;
        char *why = NULL;
        setenv(bad[i].name, bad[i].value, 1);
        assert_true(sb_topology_load(&t, &why) < 0);
        assert_string_equal(why, bad[i].want);
        free(why);
        unsetenv(bad[i].name);
    }
}

/* What places them is linear: a CPU in a core, a core in a package. */
static void a_machine_of_16384_cpus_is_placed(void **state)
{
    struct sb_topology *t = load("pack:16 l3:16 core:32 pu:2");
    struct sb_cpus cpus;
    char *why = NULL;
    (void)state;
    assert_int_equal(sb_topology_cpus(t, "all", SB_PLACE_SCATTER, &cpus, &why), 0);
    assert_int_equal(cpus.n, 16384);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(cpus.at[i].os, 1024 * i);
    assert_int_equal(cpus.at[8192].os, 1);
    SB_VEC_FREE(&cpus);
    sb_topology_free(t);
}

static void pinning_is_real(void **state)
{
    struct sb_topology *t = load(NULL);
    struct sb_cpus cpus;
    char *why = NULL;
    (void)state;
    assert_true(sb_topology_is_real(t));
    assert_int_equal(sb_topology_cpus(t, "all", SB_PLACE_COMPACT, &cpus, &why), 0);
    for (size_t i = 0; i < cpus.n; i++)
        assert_int_equal(sb_topology_pin(t, cpus.at[i].os, &why), 0);
    assert_true(sb_topology_pin(t, 60000, &why) < 0);
    free(why);
    SB_VEC_FREE(&cpus);
    sb_topology_free(t);
}

static void an_xml_file_that_is_missing_is_said(void **state)
{
    struct sb_topology *t;
    char *why = NULL;
    (void)state;
    setenv("HWLOC_XMLFILE", "/nowhere.xml", 1);
    assert_true(sb_topology_load(&t, &why) < 0);
    assert_string_equal(why, "HWLOC_XMLFILE names '/nowhere.xml', which can't be read: No such file or directory");
    free(why);
    unsetenv("HWLOC_XMLFILE");
}

/* The machine's own table of distances, by nodes; who has none, or another number of nodes, gets none. */
static void distances_are_the_machines(void **state)
{
    static const uint32_t known[] = {10, 12, 21, 21, 12, 10, 21, 21, 21, 21, 10, 12, 21, 21, 12, 10};
    struct sb_topology *t = load_xml("distances");
    uint32_t *distances = sb_topology_distances(t, 4);
    (void)state;
    assert_non_null(distances);
    assert_memory_equal(distances, known, sizeof(known));
    free(distances);
    assert_null(sb_topology_distances(t, 2));
    sb_topology_free(t);
    t = load_xml("snc");
    assert_null(sb_topology_distances(t, 4));
    sb_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placements),
        cmocka_unit_test(cpus_know_their_node),
        cmocka_unit_test(the_nearest_node_is_the_smallest_of_plain_memory),
        cmocka_unit_test(locations),
        cmocka_unit_test(locations_that_are_wrong),
        cmocka_unit_test(nodes),
        cmocka_unit_test(memory_alone_is_named),
        cmocka_unit_test(kinds_of_cores_are_named),
        cmocka_unit_test(a_bad_description_is_refused),
        cmocka_unit_test(a_machine_of_16384_cpus_is_placed),
        cmocka_unit_test(pinning_is_real),
        cmocka_unit_test(distances_are_the_machines),
        cmocka_unit_test(an_xml_file_that_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
