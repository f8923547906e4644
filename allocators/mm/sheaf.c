/*
 * Sheaves.
 *
 * Models struct slub_percpu_sheaves and struct node_barn of mm/slub.c, Linux 6.18: each CPU has a main and a
 * spare array of objects of any slab; an empty one is exchanged for a full one of the node's barn, or filled
 * from the slabs in bulk; a full one goes to the barn, or, when ten are there, back to the slabs in bulk. So
 * most frees never look at a slab, wherever the object came from.
 *
 * Main and spare are one stack here, of twice the capacity, so that exchanging them costs nothing; sheaves
 * are copied in and out of it where the kernel exchanges pointers.
 *
 * Locks: a CPU's stack (cpu_stack.h), then the barn's lock or those of slub.c, in its order.
 *
 * Left out: sheaves for kfree_rcu, prefilled sheaves, remote nodes (there is one).
 */
#include "slub.h"

#include <stdlib.h>
#include <string.h>

int sb_sheaves_init(struct sb_sheaves *sheaves, uint32_t capacity, unsigned nr_cpus, bool rseq)
{
    uint64_t room = 2 * (uint64_t)capacity;
    memset(sheaves, 0, sizeof(*sheaves));
    if (!capacity)
        return 0;
    int status = sb_stacks_init(&sheaves->stacks, nr_cpus, sb_stack_bytes(room), rseq);
    for (unsigned cpu = 0; cpu < nr_cpus && !status; cpu++)
        sb_stack_of(&sheaves->stacks, cpu, 0)->capacity = room;
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
    free_list(sheaves->full);
    free_list(sheaves->empty);
    sb_stacks_exit(&sheaves->stacks);
}

/* barn_get_full_or_empty_sheaf, the full half. */
static struct sb_sheaf *take_full(struct sb_sheaves *sheaves)
{
    sb_lock(&sheaves->lock);
    struct sb_sheaf *sheaf = sheaves->full;
    if (sheaf) {
        sheaves->full = sheaf->next;
        sheaves->nr_full--;
    }
    sb_unlock(&sheaves->lock);
    return sheaf;
}

static void keep_empty(struct sb_sheaves *sheaves, struct sb_sheaf *sheaf)
{
    sb_lock(&sheaves->lock);
    bool keep = sheaves->nr_empty < SB_BARN_SHEAVES;
    if (keep) {
        sheaf->next = sheaves->empty;
        sheaves->empty = sheaf;
        sheaves->nr_empty++;
    }
    sb_unlock(&sheaves->lock);
    if (!keep)
        free(sheaf);
}

/* A sheaf's worth of objects into the barn; false if it has enough already, or there is no memory for
 * another. */
static bool put_full(struct sb_sheaves *sheaves, void *const *objects)
{
    bool room;
    sb_lock(&sheaves->lock);
    room = sheaves->nr_full < SB_BARN_SHEAVES;
    struct sb_sheaf *sheaf = room ? sheaves->empty : NULL;
    if (sheaf) {
        sheaves->empty = sheaf->next;
        sheaves->nr_empty--;
    }
    sb_unlock(&sheaves->lock);
    if (room && !sheaf)
        sheaf = malloc(sizeof(*sheaf) + sheaves->capacity * sizeof(sheaf->objects[0]));
    if (!sheaf)
        return false;
    memcpy((void *)sheaf->objects, (const void *)objects, sheaves->capacity * sizeof(sheaf->objects[0]));
    sb_lock(&sheaves->lock);
    /* Others may have filled it up meanwhile. */
    room = sheaves->nr_full < SB_BARN_SHEAVES;
    if (room) {
        sheaf->next = sheaves->full;
        sheaves->full = sheaf;
        sheaves->nr_full++;
    }
    sb_unlock(&sheaves->lock);
    if (!room)
        keep_empty(sheaves, sheaf);
    return room;
}

/* Up to a sheaf from the barn, else from slabs that are there: a new one may have to be waited for, outside.
 */
static uint64_t refill(struct sb_kmem_cache *cache, struct sb_cpu_stack *stack)
{
    struct sb_sheaves *sheaves = &cache->sheaves;
    struct sb_sheaf *sheaf = take_full(sheaves);
    if (!sheaf)
        return sb_slabs_alloc(cache, sheaves->capacity, stack->slots);
    memcpy((void *)stack->slots, (void *)sheaf->objects, sheaves->capacity * sizeof(stack->slots[0]));
    keep_empty(sheaves, sheaf);
    return sheaves->capacity;
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
        if (!put_full(sheaves, stack->slots))
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
    while (sheaves->capacity && (sheaf = take_full(sheaves))) {
        sb_slabs_free(cache, sheaves->capacity, sheaf->objects);
        keep_empty(sheaves, sheaf);
    }
}

uint64_t sb_sheaves_count(const struct sb_sheaves *sheaves)
{
    uint64_t n = (uint64_t)sheaves->nr_full * sheaves->capacity;
    for (unsigned cpu = 0; sheaves->capacity && cpu < sheaves->stacks.nr_cpus; cpu++)
        n += sb_stack_of(&sheaves->stacks, cpu, 0)->count;
    return n;
}
