/*
 * Sheaves.
 *
 * Models struct slub_percpu_sheaves and struct node_barn of mm/slub.c, Linux 6.18: each CPU has a main and a
 * spare array of objects of any slab; an empty one is exchanged for a full one of the barn of the CPU's node, or filled
 * from the slabs in bulk; a full one goes to the barn, or, when ten are there, back to the slabs in bulk. So
 * most frees never look at a slab's state. On machines of several nodes an object of another node goes to its slab.
 * Bulk calls take from sheaves, and fill them, as far as the CPU and the barn go.
 *
 * Main and spare are one stack here, of twice the capacity, so that exchanging them costs nothing; sheaves
 * are copied in and out of it where the kernel exchanges pointers.
 *
 * Locks: a CPU's stack (cpu_stack.h), then the barn's lock or those of slub.c, in its order.
 *
 * Left out: sheaves for kfree_rcu, prefilled sheaves.
 */
#define _GNU_SOURCE
#include "slub.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

int sb_sheaves_init(struct sb_sheaves *sheaves, uint32_t capacity, const struct sb_mm *mm)
{
    uint64_t room = 2 * (uint64_t)capacity;
    memset(sheaves, 0, sizeof(*sheaves));
    if (!capacity)
        return 0;
    sheaves->nr_nodes = mm->nr_nodes;
    sheaves->barns = aligned_alloc(64, mm->nr_nodes * sizeof(*sheaves->barns));
    if (!sheaves->barns)
        return -ENOMEM;
    memset(sheaves->barns, 0, mm->nr_nodes * sizeof(*sheaves->barns));
    for (unsigned i = 0; i < mm->nr_nodes; i++)
        sb_lock_init(&sheaves->barns[i].lock, SB_RANK_BARN);
    int status = sb_stacks_init(&sheaves->stacks, mm->nr_cpus, sb_stack_bytes(room), mm->rseq, SB_RANK_ARRAY);
    for (unsigned cpu = 0; cpu < mm->nr_cpus && !status; cpu++)
        sb_stack_make(&sheaves->stacks, cpu, 0, room);
    sheaves->capacity = status ? 0 : capacity;
    return status;
}

static void free_list(struct sb_sheaf *sheaf)
{
    while (sheaf) {
        struct sb_sheaf *next = sheaf->next;
        free(sheaf);
        sheaf = next;
    }
}

void sb_sheaves_exit(struct sb_sheaves *sheaves)
{
    for (unsigned i = 0; sheaves->barns && i < sheaves->nr_nodes; i++) {
        free_list(sheaves->barns[i].full);
        free_list(sheaves->barns[i].empty);
    }
    free(sheaves->barns);
    sb_stacks_exit(&sheaves->stacks);
}

/* get_barn: of the node one is on, or was a moment ago. */
static struct sb_barn *this_barn(const struct sb_kmem_cache *cache)
{
    return &cache->sheaves.barns[cache->mm->nr_nodes > 1 ? cache->mm->cpu_node[sched_getcpu()] : 0];
}

/* barn_get_full_or_empty_sheaf, the full half. */
static struct sb_sheaf *take_full(struct sb_barn *barn)
{
    sb_lock(&barn->lock);
    struct sb_sheaf *sheaf = barn->full;
    if (sheaf) {
        barn->full = sheaf->next;
        barn->nr_full--;
    }
    sb_unlock(&barn->lock);
    return sheaf;
}

static void keep_empty(struct sb_barn *barn, struct sb_sheaf *sheaf)
{
    sb_lock(&barn->lock);
    bool keep = barn->nr_empty < SB_BARN_SHEAVES;
    if (keep) {
        sheaf->next = barn->empty;
        barn->empty = sheaf;
        barn->nr_empty++;
    }
    sb_unlock(&barn->lock);
    if (!keep)
        free(sheaf);
}

/* A sheaf's worth of objects into the barn; false if it has enough already, or there is no memory for another. */
static bool put_full(struct sb_barn *barn, uint32_t capacity, void *const *objects)
{
    bool room;
    sb_lock(&barn->lock);
    room = barn->nr_full < SB_BARN_SHEAVES;
    struct sb_sheaf *sheaf = room ? barn->empty : NULL;
    if (sheaf) {
        barn->empty = sheaf->next;
        barn->nr_empty--;
    }
    sb_unlock(&barn->lock);
    if (room && !sheaf)
        sheaf = malloc(sizeof(*sheaf) + capacity * sizeof(sheaf->objects[0]));
    if (!sheaf)
        return false;
    memcpy((void *)sheaf->objects, (const void *)objects, capacity * sizeof(sheaf->objects[0]));
    sb_lock(&barn->lock);
    /* Others may have filled it up meanwhile. */
    room = barn->nr_full < SB_BARN_SHEAVES;
    if (room) {
        sheaf->next = barn->full;
        barn->full = sheaf;
        barn->nr_full++;
    }
    sb_unlock(&barn->lock);
    if (!room)
        keep_empty(barn, sheaf);
    return room;
}

/* A full sheaf of the barn onto an empty stack; how many objects that is. */
static uint64_t refill_from_barn(struct sb_kmem_cache *cache, struct sb_cpu_stack *stack)
{
    uint32_t capacity = cache->sheaves.capacity;
    struct sb_barn *barn = this_barn(cache);
    struct sb_sheaf *sheaf = take_full(barn);
    if (!sheaf)
        return 0;
    memcpy((void *)stack->slots, (void *)sheaf->objects, capacity * sizeof(stack->slots[0]));
    keep_empty(barn, sheaf);
    return capacity;
}

/* Up to a sheaf from the barn, else from slabs that are there: a new one may have to be waited for, outside. */
static uint64_t refill(struct sb_kmem_cache *cache, struct sb_cpu_stack *stack)
{
    uint64_t n = refill_from_barn(cache, stack);
    return n ? n : sb_slabs_alloc(cache, cache->sheaves.capacity, stack->slots);
}

/* alloc_from_pcs_bulk: never from the slabs, which serve the rest in bulk themselves. */
size_t sb_sheaf_alloc_bulk(struct sb_kmem_cache *cache, size_t n, void **objects)
{
    const struct sb_stacks *stacks = &cache->sheaves.stacks;
    size_t got = 0;
    uint64_t count;
    struct sb_cpu_stack *stack = sb_stack_take(stacks, 0, &count);
    if (!stack)
        return 0;
    while (got < n && (count || (count = refill_from_barn(cache, stack))))
        objects[got++] = stack->slots[--count];
    sb_stack_give_back(stacks, stack, count);
    return got;
}

/* Whether it may lie in a sheaf: an object of the cache, on one node, or of the CPU's own. */
static bool may_keep(struct sb_kmem_cache *cache, const void *object)
{
    if (cache->mm->nr_nodes == 1)
        return true;
    const struct sb_page *page = sb_virt_to_head(cache->mm, object);
    return page && page->owner == cache && sb_page_zone(cache->mm, page)->node == cache->mm->cpu_node[sched_getcpu()];
}

/* free_to_pcs_bulk: until the stack and the barn are full, or an object belongs elsewhere. */
size_t sb_sheaf_free_bulk(struct sb_kmem_cache *cache, size_t n, void *const *objects)
{
    const struct sb_stacks *stacks = &cache->sheaves.stacks;
    uint32_t capacity = cache->sheaves.capacity;
    size_t put = 0;
    uint64_t count;
    struct sb_cpu_stack *stack = sb_stack_take(stacks, 0, &count);
    if (!stack)
        return 0;
    for (; put < n && may_keep(cache, objects[put]); put++) {
        if (count == stack->capacity) {
            if (!put_full(this_barn(cache), capacity, stack->slots))
                break;
            sb_stack_drop_oldest(stack, &count, capacity);
        }
        stack->slots[count++] = objects[put];
    }
    sb_stack_give_back(stacks, stack, count);
    return put;
}

__attribute__((noinline)) void *sb_sheaf_alloc_slow(struct sb_kmem_cache *cache, sb_gfp_t gfp)
{
    const struct sb_stacks *stacks = &cache->sheaves.stacks;
    uint64_t count;
    void *object = NULL;
    struct sb_cpu_stack *stack = sb_stack_take(stacks, 0, &count);
    if (stack) {
        if (!count)
            count = refill(cache, stack);
        if (count)
            object = stack->slots[--count];
        sb_stack_give_back(stacks, stack, count);
    }
    return object ? object : sb_slab_alloc(cache, gfp);
}

__attribute__((noinline)) void sb_sheaf_free_slow(struct sb_kmem_cache *cache, void *object)
{
    struct sb_sheaves *sheaves = &cache->sheaves;
    uint64_t count;
    struct sb_cpu_stack *stack = sb_stack_take(&sheaves->stacks, 0, &count);
    if (!stack) {
        sb_slab_free(cache, object);
        return;
    }
    if (count == stack->capacity) {
        /* The older half: the younger one is warm. */
        if (!put_full(this_barn(cache), sheaves->capacity, stack->slots))
            sb_slabs_free(cache, sheaves->capacity, stack->slots);
        sb_stack_drop_oldest(stack, &count, sheaves->capacity);
    }
    stack->slots[count++] = object;
    sb_stack_give_back(&sheaves->stacks, stack, count);
}

void sb_sheaves_flush(struct sb_kmem_cache *cache)
{
    struct sb_sheaves *sheaves = &cache->sheaves;
    struct sb_sheaf *sheaf;
    for (unsigned cpu = 0; sheaves->capacity && cpu < sheaves->stacks.nr_cpus; cpu++) {
        uint64_t count;
        struct sb_cpu_stack *stack = sb_stack_seize(&sheaves->stacks, cpu, 0, &count);
        if (!stack)
            continue;
        sb_slabs_free(cache, count, stack->slots);
        sb_stack_give_back(&sheaves->stacks, stack, 0);
    }
    for (unsigned i = 0; sheaves->capacity && i < sheaves->nr_nodes; i++) {
        while ((sheaf = take_full(&sheaves->barns[i]))) {
            sb_slabs_free(cache, sheaves->capacity, sheaf->objects);
            keep_empty(&sheaves->barns[i], sheaf);
        }
    }
}

uint64_t sb_sheaves_count(const struct sb_sheaves *sheaves)
{
    uint64_t n = 0;
    for (unsigned i = 0; sheaves->capacity && i < sheaves->nr_nodes; i++)
        n += (uint64_t)sheaves->barns[i].nr_full * sheaves->capacity;
    for (unsigned cpu = 0; sheaves->capacity && cpu < sheaves->stacks.nr_cpus; cpu++)
        n += sb_stack_of(&sheaves->stacks, cpu, 0)->count;
    return n;
}

uint64_t sb_sheaves_bytes(const struct sb_sheaves *sheaves)
{
    uint64_t sheaf = sizeof(struct sb_sheaf) + sheaves->capacity * sizeof(void *), n = 0;
    for (unsigned i = 0; sheaves->capacity && i < sheaves->nr_nodes; i++)
        n += sizeof(sheaves->barns[i]) + (sheaves->barns[i].nr_full + sheaves->barns[i].nr_empty) * sheaf;
    return n + sb_stacks_bytes(&sheaves->stacks);
}
