/* Caches on a machine of several NUMA nodes: partial lists, barns and requests by node. CPU 0 is of node 0. */
#define _GNU_SOURCE
#include "mm_test.h"

#include "mm/kmalloc.h"
#include "mm/slob.h"

#include <sched.h>

static const struct sb_mm_config two_nodes = {.page_lists = true, .nodes = 2};

static void be_on(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        skip();
}

static unsigned node_of(struct sb_mm *mm, const void *object)
{
    return sb_page_zone(mm, sb_virt_to_head(mm, object))->node;
}

struct machine {
    struct test_host host;
    struct sb_mm mm;
    struct sb_slub slub;
    struct sb_kmem_cache *cache;
};

static void open_machine(struct machine *m, struct sb_slub_config config)
{
    if (test_cpus() < 2)
        skip();
    open_mm_with(&m->host, &m->mm, 64, test_cpus(), &two_nodes);
    assert_int_equal(m->mm.cpu_node[0], 0);
    assert_int_equal(m->mm.cpu_node[test_cpus() - 1], 1);
    config.nr_cpus = 2;
    sb_slub_init(&m->slub, &m->mm, &config);
    assert_int_equal(sb_cache_create(&m->slub, "c", 64, 0, 0, NULL, &m->cache), 0);
}

static void close_machine(struct machine *m)
{
    CHECK(sb_slub_check, &m->slub);
    sb_slub_exit(&m->slub);
    close_mm(&m->host, &m->mm);
    test_go_anywhere();
}

enum { MANY = 64 * 12 };

/* Objects of node 0 are freed and lie on its partial list; CPU 1 is served from its own node all the same. */
static void each_cpu_has_its_own_nodes_objects(void **state)
{
    static const struct sb_slub_config ways[] = {{.percpu = true}, {.percpu = false}, {.percpu = true, .sheaf = 32}};
    (void)state;
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        struct machine m;
        void *objects[MANY];
        open_machine(&m, ways[way]);
        be_on(0);
        for (int i = 0; i < MANY; i++)
            objects[i] = sb_cache_alloc(m.cache, SB_GFP_KERNEL);
        /* One of each slab stays, so that all are partial; min_partial is 5. */
        for (int i = 0; i < MANY; i++) {
            if (i % 128)
                sb_cache_free(m.cache, objects[i]);
        }
        be_on(test_cpus() - 1);
        sb_cache_shrink(m.cache);
        assert_true(m.cache->nodes[0].nr_partial >= 5 && m.cache->nodes[0].nr_partial <= 6);
        m.cache->min_partial = 10; /* node 0 is not rich: nobody takes from it */
        void *mine[200];
        for (int i = 0; i < 200; i++) {
            mine[i] = sb_cache_alloc(m.cache, SB_GFP_KERNEL);
            assert_int_equal(node_of(&m.mm, mine[i]), 1);
        }
        for (int i = 0; i < 200; i++)
            sb_cache_free(m.cache, mine[i]);
        for (int i = 0; i < MANY; i += 128)
            sb_cache_free(m.cache, objects[i]);
        sb_cache_shrink(m.cache);
        assert_int_equal(sb_cache_live(m.cache), 0);
        assert_int_equal(m.cache->nodes[0].nr_partial + m.cache->nodes[1].nr_partial, 0);
        close_machine(&m);
    }
}

/* get_any_partial: of another node only slabs beyond those that it is to keep. */
static void a_rich_node_lends(void **state)
{
    struct machine m;
    void *objects[MANY];
    (void)state;
    open_machine(&m, (struct sb_slub_config){.percpu = true});
    be_on(0);
    for (int i = 0; i < MANY; i++)
        objects[i] = sb_cache_alloc(m.cache, SB_GFP_KERNEL);
    for (int i = 0; i < MANY; i++) {
        if (i % 64)
            sb_cache_free(m.cache, objects[i]);
    }
    sb_cache_shrink(m.cache);
    uint64_t before = m.cache->nodes[0].nr_partial;
    assert_true(before > m.cache->min_partial);
    be_on(test_cpus() - 1);
    assert_int_equal(node_of(&m.mm, sb_cache_alloc(m.cache, SB_GFP_KERNEL)), 0);
    assert_true(m.cache->nodes[0].nr_partial < before);
    close_machine(&m);
}

/* kmem_cache_alloc_node and kmalloc_node, from whatever CPU; with __GFP_THISNODE not from elsewhere even in need. */
static void a_node_can_be_asked_for(void **state)
{
    static const struct sb_slub_config ways[] = {{.percpu = true}, {.percpu = false}, {.percpu = true, .sheaf = 32}};
    (void)state;
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        struct machine m;
        open_machine(&m, ways[way]);
        be_on(0);
        for (int i = 0; i < 300; i++) {
            void *object = sb_cache_alloc_node(m.cache, SB_GFP_KERNEL, i % 2);
            assert_int_equal(node_of(&m.mm, object), i % 2);
            /* Freed, another node's goes to its slab and is not handed out to this node. */
            if (i % 3 == 0)
                sb_cache_free(m.cache, object);
        }
        /* Any node: that of the slab that the CPU has by now, as in the kernel. */
        assert_non_null(sb_cache_alloc_node(m.cache, SB_GFP_KERNEL, -1));
        assert_null(sb_cache_alloc_node(m.cache, SB_GFP_KERNEL, 2));
        unsigned char *zeroed = sb_cache_alloc_node(m.cache, SB_GFP_KERNEL | SB_GFP_ZERO, 1);
        for (int i = 0; i < 64; i++)
            assert_int_equal(zeroed[i], 0);
        /* Node 1 used up to the last page: fallback, or NULL. */
        while (sb_alloc_pages_node(&m.mm, 1, SB_GFP_MEMALLOC | SB_GFP_THISNODE | SB_GFP_NOWARN, 0)) {
        }
        /* Slabs that the CPU keeps are not searched for a node's: twice, with them given back in between. */
        for (int round = 0; round < 2; round++) {
            sb_gfp_t only = SB_GFP_NOWAIT | SB_GFP_THISNODE | SB_GFP_NOWARN;
            for (void *object; (object = sb_cache_alloc_node(m.cache, only, 1));)
                assert_int_equal(node_of(&m.mm, object), 1);
            sb_cache_shrink(m.cache);
        }
        assert_int_equal(node_of(&m.mm, sb_cache_alloc_node(m.cache, SB_GFP_KERNEL, 1)), 0);
        close_machine(&m);
    }
    struct machine m;
    struct sb_kmalloc k;
    open_machine(&m, ways[0]);
    sb_slub_exit(&m.slub);
    assert_int_equal(sb_kmalloc_init(&k, &m.mm, &ways[0]), 0);
    be_on(0);
    for (int i = 0; i < 60; i++) {
        void *block = sb_kmalloc_node(&k, i % 3 ? 100 : 20000, SB_GFP_KERNEL, i % 2);
        assert_int_equal(node_of(&m.mm, block), i % 2);
        sb_kfree(&k, block);
    }
    sb_kmalloc_exit(&k);
    close_mm(&m.host, &m.mm);
    test_go_anywhere();
}

/* Each node has a barn: sheaves that CPU 0 filled are not CPU 1's. */
static void barns_are_of_their_node(void **state)
{
    struct machine m;
    void *objects[400];
    (void)state;
    open_machine(&m, (struct sb_slub_config){.percpu = true, .sheaf = 32});
    be_on(0);
    for (int i = 0; i < 400; i++)
        objects[i] = sb_cache_alloc(m.cache, SB_GFP_KERNEL);
    for (int i = 0; i < 400; i++)
        sb_cache_free(m.cache, objects[i]);
    assert_true(m.cache->sheaves.barns[0].nr_full > 5);
    assert_int_equal(m.cache->sheaves.barns[1].nr_full, 0);
    be_on(test_cpus() - 1);
    assert_int_equal(node_of(&m.mm, sb_cache_alloc(m.cache, SB_GFP_KERNEL)), 1);
    /* Another node's object passes by the sheaves. */
    be_on(0);
    void *near = sb_cache_alloc(m.cache, SB_GFP_KERNEL);
    uint64_t held = sb_sheaves_count(&m.cache->sheaves);
    be_on(test_cpus() - 1);
    sb_cache_free(m.cache, near);
    assert_int_equal(sb_sheaves_count(&m.cache->sheaves), held);
    close_machine(&m);
}

/* 6.18's alloc_from_pcs_bulk and free_to_pcs_bulk: sheaves first, and back into them. */
static void bulk_calls_go_through_sheaves(void **state)
{
    struct machine m;
    void *objects[64];
    (void)state;
    open_machine(&m, (struct sb_slub_config){.percpu = true, .sheaf = 32});
    be_on(0);
    for (int i = 0; i < 64; i++)
        objects[i] = sb_cache_alloc(m.cache, SB_GFP_KERNEL);
    for (int i = 0; i < 64; i++)
        sb_cache_free(m.cache, objects[i]);
    uint64_t held = sb_sheaves_count(&m.cache->sheaves);
    assert_true(held >= 64);
    assert_int_equal(sb_cache_alloc_bulk(m.cache, SB_GFP_KERNEL, 20, objects), 20);
    assert_int_equal(sb_sheaves_count(&m.cache->sheaves), held - 20);
    sb_cache_free_bulk(m.cache, 20, objects);
    assert_int_equal(sb_sheaves_count(&m.cache->sheaves), held);
    assert_int_equal(sb_cache_live(m.cache), 0);
    close_machine(&m);
}

/* new_slab of 6.1: zone flags that a cache can't keep are told and dropped; caches of a zone keep to it. */
static void zone_flags_of_caches(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_kmalloc k;
    struct sb_kmem_cache *low;
    (void)state;
    open_mm_with(&t, &mm, 128, 2, &(struct sb_mm_config){.dma32_end = 64 << 20});
    assert_int_equal(sb_kmalloc_init(&k, &mm, &(struct sb_slub_config){0}), 0);
    void *block = sb_kmalloc(&k, 64, 0, SB_GFP_KERNEL | SB_GFP_DMA32);
    assert_int_equal(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type, SB_ZONE_NORMAL);
    assert_string_equal(t.failure, "cache kmalloc-64: unexpected gfp: 0x18024, taken as 0x18004");
    /* Above the caches the page allocator serves, which keeps them. */
    block = sb_kmalloc(&k, 20000, 0, SB_GFP_KERNEL | SB_GFP_DMA32);
    assert_int_equal(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type, SB_ZONE_DMA32);
    assert_int_equal(sb_cache_create(&k.slub, "low", 200, 0, SB_SLAB_CACHE_DMA32, NULL, &low), 0);
    block = sb_cache_alloc(low, SB_GFP_KERNEL);
    assert_int_equal(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type, SB_ZONE_DMA32);
    sb_kmalloc_exit(&k);
    close_mm(&t, &mm);
}

/* Pages with room lie in Normal, but who asks for DMA gets that. */
static void slob_keeps_to_zones(void **state)
{
    struct test_host t;
    struct sb_mm mm;
    struct sb_slob slob;
    struct sb_slob_cache *cache;
    (void)state;
    open_mm_with(&t, &mm, 128, 2, &(struct sb_mm_config){.dma32_end = 64 << 20});
    sb_slob_init(&slob, &mm);
    void *block = sb_slob_kmalloc(&slob, 64, 0, SB_GFP_KERNEL);
    assert_int_equal(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type, SB_ZONE_NORMAL);
    block = sb_slob_kmalloc(&slob, 64, 0, SB_GFP_KERNEL | SB_GFP_DMA);
    assert_int_equal(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type, SB_ZONE_DMA);
    block = sb_slob_kmalloc(&slob, 64, 0, SB_GFP_KERNEL | SB_GFP_DMA32);
    assert_true(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type <= SB_ZONE_DMA32);
    assert_int_equal(sb_slob_cache_create(&slob, "low", 64, 0, SB_SLAB_CACHE_DMA, NULL, &cache), 0);
    for (int i = 0; i < 200; i++) {
        block = sb_slob_cache_alloc(cache, SB_GFP_KERNEL);
        assert_int_equal(sb_page_zone(&mm, sb_virt_to_head(&mm, block))->type, SB_ZONE_DMA);
    }
    CHECK(sb_slob_check, &slob);
    sb_slob_exit(&slob);
    close_mm(&t, &mm);
}

static uint64_t events_of(const struct sb_mm *mm, unsigned node, enum sb_numa_event event)
{
    uint64_t n = 0;
    for (unsigned type = 0; type < SB_NR_ZONES; type++)
        n += sb_mm_numa_events(mm, &mm->zones[node * SB_NR_ZONES + type], event);
    return n;
}

/* zone_statistics: a hit is of the node that was asked for, local of the CPU's own; a miss is foreign to whom it
 * missed. */
static void numastat_counts(void **state)
{
    struct machine m;
    struct sb_snapshot snapshot = {.struct_size = sizeof(snapshot)};
    (void)state;
    open_machine(&m, (struct sb_slub_config){.percpu = true});
    be_on(0);
    for (int i = 0; i < 10; i++)
        sb_alloc_pages(&m.mm, SB_GFP_KERNEL, 0);
    for (int i = 0; i < 5; i++)
        sb_alloc_pages_node(&m.mm, 1, SB_GFP_KERNEL, 0);
    assert_int_equal(events_of(&m.mm, 0, SB_NUMA_HIT), 10);
    assert_int_equal(events_of(&m.mm, 0, SB_NUMA_LOCAL), 10);
    assert_int_equal(events_of(&m.mm, 1, SB_NUMA_HIT), 5);
    assert_int_equal(events_of(&m.mm, 1, SB_NUMA_OTHER), 5);
    while (sb_alloc_pages_node(&m.mm, 1, SB_GFP_MEMALLOC | SB_GFP_THISNODE | SB_GFP_NOWARN, 0)) {
    }
    uint64_t before = events_of(&m.mm, 0, SB_NUMA_MISS);
    assert_int_equal(before, 0);
    assert_non_null(sb_alloc_pages_node(&m.mm, 1, SB_GFP_KERNEL, 0));
    assert_int_equal(events_of(&m.mm, 0, SB_NUMA_MISS), 1);
    assert_int_equal(events_of(&m.mm, 0, SB_NUMA_LOCAL), 11);
    assert_int_equal(events_of(&m.mm, 1, SB_NUMA_FOREIGN), 1);
    sb_mm_snapshot(&m.mm, &snapshot);
    assert_true(snapshot.has & SB_HAS_NUMA);
    assert_int_equal(snapshot.local_blocks, 11);
    assert_int_equal(snapshot.remote_blocks, events_of(&m.mm, 1, SB_NUMA_OTHER));
    close_machine(&m);
}

/* "0 1 2 3": the nodes of a node's zonelist, in order. */
static void fallback_order(const struct sb_mm *mm, unsigned node, char *text)
{
    int before = -1;
    *text = '\0';
    for (struct sb_zone *const *z = mm->nodes[node].zonelists[SB_ZONE_NORMAL].zones; *z; z++) {
        if ((*z)->node != before)
            sprintf(text + strlen(text), "%s%u", *text ? " " : "", (*z)->node);
        before = (*z)->node;
    }
}

/*
 * mm/page_alloc.c of 6.1, find_next_best_node and build_zonelists. The second machine, eight nodes of two packages, is
 * the one that the kernel's commit on the accumulated load shows with these orders.
 */
static void zonelists_go_by_distance(void **state)
{
    static const struct {
        unsigned nodes, package, near, far;
        const char *orders[8];
    } rows[] = {
        {4, 2, 12, 21, {"0 1 2 3", "1 0 3 2", "2 3 0 1", "3 2 1 0"}},
        {8,
         4,
         12,
         32,
         {"0 1 2 3 4 5 6 7", "1 2 3 0 5 6 7 4", "2 3 0 1 6 7 4 5", "3 0 1 2 7 4 5 6", "4 5 6 7 0 1 2 3",
          "5 6 7 4 1 2 3 0", "6 7 4 5 2 3 0 1", "7 4 5 6 3 0 1 2"}},
        {4, 4, 20, 20, {"0 1 2 3", "1 2 3 0", "2 3 0 1", "3 0 1 2"}},
    };
    const struct sb_mm_config config = {.page_lists = true};
    (void)state;
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        const unsigned n = rows[row].nodes;
        uint32_t distance[64], cpu_node[8];
        struct test_host t;
        struct sb_mm mm;
        char order[64];
        test_host_open(&t, 256, 8);
        for (unsigned i = 0; i < n * n; i++)
            distance[i] = i / n == i % n                                           ? 10
                          : i / n / rows[row].package == i % n / rows[row].package ? rows[row].near
                                                                                   : rows[row].far;
        for (unsigned cpu = 0; cpu < 8; cpu++)
            cpu_node[cpu] = cpu * n / 8;
        t.host.nr_nodes = n;
        t.host.cpu_node = cpu_node;
        t.host.node_distance = distance;
        assert_int_equal(sb_mm_init(&mm, &t.host, &config), 0);
        for (unsigned node = 0; node < n; node++) {
            fallback_order(&mm, node, order);
            assert_string_equal(order, rows[row].orders[node]);
        }
        close_mm(&t, &mm);
    }
}

/* Blocks by the distance from the CPU that asked: 10 for its own node's, else what the table says. */
static void snapshots_sum_distances(void **state)
{
    static const uint32_t distance[] = {10, 17, 17, 10}, cpu_node[] = {0, 0, 0, 0, 0, 0, 0, 0};
    struct sb_snapshot snapshot = {.struct_size = sizeof(snapshot)};
    const struct sb_mm_config config = {.page_lists = true};
    struct test_host t;
    struct sb_mm mm;
    (void)state;
    test_host_open(&t, 64, 8);
    t.host.nr_nodes = 2;
    t.host.cpu_node = cpu_node;
    t.host.node_distance = distance;
    assert_int_equal(sb_mm_init(&mm, &t.host, &config), 0);
    struct sb_page *near = sb_alloc_pages_node(&mm, 0, SB_GFP_KERNEL, 0),
                   *far = sb_alloc_pages_node(&mm, 1, SB_GFP_KERNEL, 0);
    sb_mm_snapshot(&mm, &snapshot);
    assert_true(snapshot.has & SB_HAS_DISTANCE);
    assert_int_equal(snapshot.local_blocks, 1);
    assert_int_equal(snapshot.remote_blocks, 1);
    assert_int_equal(snapshot.block_distances, 27);
    sb_free_pages(&mm, near, 0);
    sb_free_pages(&mm, far, 0);
    close_mm(&t, &mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cpu_has_its_own_nodes_objects),
        cmocka_unit_test(a_rich_node_lends),
        cmocka_unit_test(a_node_can_be_asked_for),
        cmocka_unit_test(barns_are_of_their_node),
        cmocka_unit_test(bulk_calls_go_through_sheaves),
        cmocka_unit_test(zone_flags_of_caches),
        cmocka_unit_test(slob_keeps_to_zones),
        cmocka_unit_test(zonelists_go_by_distance),
        cmocka_unit_test(snapshots_sum_distances),
        cmocka_unit_test(numastat_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
