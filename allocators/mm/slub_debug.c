/*
 * Debugging of a cache's objects.
 *
 * Models mm/slub.c of Linux 6.1 with CONFIG_SLUB_DEBUG (calculate_sizes, init_object, check_object,
 * alloc_debug_processing, free_debug_processing), by the flags of a cache or of the boot parameter slub_debug:
 *
 *   F  SLAB_CONSISTENCY_CHECKS  each allocation and free looks whether the object is one, is free or not, and has its
 *                               red zones and poison; alone it finds double frees and addresses that are no objects
 *   Z  SLAB_RED_ZONE            bytes before and behind the object: 0xbb while it is free, 0xcc while it is used
 *   P  SLAB_POISON              0x6b and a last 0xa5 in free objects, 0x5a in what is nobody's
 *   U  SLAB_STORE_USER          who allocated the object last, and who freed it
 *
 * Z and P alone are written and never looked at, as in the kernel. A slot is: left red zone, object, right red zone,
 * free pointer where it must lie outside, two tracks, a word of padding. A cache that is debugged has no per-CPU slabs
 * and no sheaves: all its allocations and frees take the node's lock.
 *
 * After a finding the kernel's way is kept: a free that is refused changes nothing, so an object with damage beside it
 * never comes back; and a slab whose free object is damaged gives out no more.
 *
 * Left out: the stacks of the tracks, which the kernel saves and which are most of what U costs there; padding at a
 * slab's end; restored bytes; list of full slabs; kmalloc's original sizes.
 *
 * Locks: the node's is the caller's.
 */
#define _GNU_SOURCE
#include "slub.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WORD = sizeof(void *),
    RED_INACTIVE = 0xbb,
    RED_ACTIVE = 0xcc,
    POISON_INUSE = 0x5a,
    POISON_FREE = 0x6b,
    POISON_END = 0xa5,
    MOST_TOLD = 10,
};

/* struct track of 6.1: an address, a stack's handle, CPU, thread and time. */
struct track {
    uint64_t address;
    uint32_t stack;
    int32_t cpu, thread;
    uint32_t padding;
    uint64_t when; /* milliseconds */
};
_Static_assert(sizeof(struct track) == 32, "a track is as long as the kernel's");
enum { TRACK_ALLOC, TRACK_FREE };

uint32_t sb_debug_lay_out(struct sb_kmem_cache *cache, uint32_t size, uint32_t align)
{
    const uint32_t flags = cache->debug;
    if (flags & SB_SLAB_RED_ZONE && size == cache->requested)
        size += WORD;
    cache->inuse = size;
    if (flags & SB_SLAB_POISON || (flags & SB_SLAB_RED_ZONE && cache->requested < WORD) || cache->ctor) {
        cache->offset = size;
        size += WORD;
    } else {
        cache->offset = cache->requested / 2 & ~(uint32_t)(WORD - 1);
    }
    cache->track = size;
    if (flags & SB_SLAB_STORE_USER)
        size += 2 * (uint32_t)sizeof(struct track);
    if (flags & SB_SLAB_RED_ZONE) {
        cache->left_pad = (WORD + align - 1) & ~(align - 1);
        size += WORD + cache->left_pad;
    }
    return size;
}

/* Objects that a constructor has written must stay as they are. */
static bool poisons(const struct sb_kmem_cache *cache)
{
    return cache->debug & SB_SLAB_POISON && !cache->ctor;
}

static void write_track(const struct sb_kmem_cache *cache, void *object, int which)
{
    static _Thread_local int32_t thread;
    struct timespec now;
    if (!(cache->debug & SB_SLAB_STORE_USER))
        return;
    if (!thread)
        thread = gettid();
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    struct track track = {
        .cpu = sched_getcpu(), .thread = thread, .when = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000};
    memcpy((char *)object + cache->track + (size_t)which * sizeof(track), &track, sizeof(track));
}

/* init_object. */
static void mark(const struct sb_kmem_cache *cache, void *object, bool active)
{
    char *bytes = object;
    if (cache->debug & SB_SLAB_RED_ZONE) {
        memset(bytes - cache->left_pad, active ? RED_ACTIVE : RED_INACTIVE, cache->left_pad);
        memset(bytes + cache->requested, active ? RED_ACTIVE : RED_INACTIVE, cache->inuse - cache->requested);
    }
    if (poisons(cache) && !active) {
        memset(bytes, POISON_FREE, cache->requested - 1);
        bytes[cache->requested - 1] = (char)POISON_END;
    }
}

void sb_debug_init_slab(const struct sb_kmem_cache *cache, const struct sb_page *page)
{
    if (cache->debug & SB_SLAB_POISON)
        memset(sb_page_address(cache->mm, page), POISON_INUSE, SB_PAGE_SIZE << page->order);
}

void sb_debug_init_object(const struct sb_kmem_cache *cache, void *object)
{
    mark(cache, object, false);
    if (cache->debug & SB_SLAB_STORE_USER)
        memset((char *)object + cache->track, 0, 2 * sizeof(struct track));
}

/* ---- findings ---- */

static int say_track(const struct sb_kmem_cache *cache, const void *object, int which, char *text, size_t size)
{
    struct track track;
    struct timespec now;
    if (!(cache->debug & SB_SLAB_STORE_USER))
        return 0;
    memcpy(&track, (const char *)object + cache->track + (size_t)which * sizeof(track), sizeof(track));
    if (!track.thread)
        return 0;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return snprintf(text, size, "; %s by thread %d on CPU %d, %llu ms ago",
                    which == TRACK_ALLOC ? "allocated" : "freed", track.thread, track.cpu,
                    (unsigned long long)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - track.when));
}

/* "BUG objects: Right Redzone overwritten, ...; allocated by ...; freed by ...". `object` NULL: it is none. */
static void describe(const struct sb_kmem_cache *cache, const void *object, const char *what, char *text, size_t size)
{
    int n = snprintf(text, size, "BUG %s: %s", cache->name, what);
    for (int which = TRACK_ALLOC; object && which <= TRACK_FREE && n > 0 && (size_t)n < size; which++)
        n += say_track(cache, object, which, text + n, size - (size_t)n);
}

/* slab_bug: the first ones are told, and the very first is kept for check(). */
static bool report(struct sb_kmem_cache *cache, const void *object, const char *what)
{
    struct sb_slub *slub = cache->slub;
    char text[sizeof(slub->bug)];
    uint64_t before = atomic_fetch_add(&slub->nr_bugs, 1);
    describe(cache, object, what, text, sizeof(text));
    if (!before)
        memcpy(slub->bug, text, sizeof(text));
    if (before < MOST_TOLD)
        cache->mm->host->fail(cache->mm->host->context, "%s", text);
    return false;
}

/* check_bytes_and_report: n bytes that should all be `value`; false with words in `what`. */
static bool holds(const void *object, int64_t from, size_t n, int value, const char *name, char *what, size_t what_size)
{
    const unsigned char *bytes = (const unsigned char *)object + from;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != value) {
            snprintf(what, what_size, "%s overwritten: byte %lld of the object at %p is 0x%02x instead of 0x%02x", name,
                     (long long)(from + (int64_t)i), object, bytes[i], value);
            return false;
        }
    }
    return true;
}

/* check_object. */
static bool is_sound(const struct sb_kmem_cache *cache, const void *object, bool active, char *what, size_t what_size)
{
    const int red = active ? RED_ACTIVE : RED_INACTIVE;
    const uint32_t n = cache->requested;
    if (cache->debug & SB_SLAB_RED_ZONE &&
        (!holds(object, -(int64_t)cache->left_pad, cache->left_pad, red, "Left Redzone", what, what_size) ||
         !holds(object, n, cache->inuse - n, red, "Right Redzone", what, what_size)))
        return false;
    if (!(cache->debug & SB_SLAB_RED_ZONE) && cache->debug & SB_SLAB_POISON &&
        !holds(object, n, cache->inuse - n, POISON_INUSE, "Alignment padding", what, what_size))
        return false;
    if (poisons(cache) && !active &&
        (!holds(object, 0, n - 1, POISON_FREE, "Poison", what, what_size) ||
         !holds(object, n - 1, 1, POISON_END, "End Poison", what, what_size)))
        return false;
    return true;
}

bool sb_debug_alloc(struct sb_kmem_cache *cache, void *object)
{
    char what[200];
    if (cache->debug & SB_SLAB_CONSISTENCY_CHECKS && !is_sound(cache, object, false, what, sizeof(what)))
        return report(cache, object, what);
    write_track(cache, object, TRACK_ALLOC);
    mark(cache, object, true);
    return true;
}

/* free_consistency_checks: an object of this slab, not free already, with nothing written beside it. */
static bool may_be_freed(struct sb_kmem_cache *cache, const struct sb_page *page, void *head, const void *object)
{
    char what[200];
    const char *base = sb_page_address(cache->mm, page);
    uint64_t at = (uint64_t)((const char *)object - base);
    uint32_t n = 0;
    if (at < cache->left_pad || (at - cache->left_pad) % cache->size) {
        snprintf(what, sizeof(what), "Invalid object pointer %p", object);
        return report(cache, NULL, what);
    }
    for (void *free = head; free && n <= page->objects; free = sb_get_free_pointer(cache, free), n++) {
        if (free == object)
            return report(cache, object, "Object already free");
    }
    return is_sound(cache, object, true, what, sizeof(what)) || report(cache, object, what);
}

bool sb_debug_free(struct sb_kmem_cache *cache, const struct sb_page *page, void *head, void *object)
{
    if (cache->debug & SB_SLAB_CONSISTENCY_CHECKS && !may_be_freed(cache, page, head, object)) {
        sb_count_bad_free(cache->mm);
        return false;
    }
    write_track(cache, object, TRACK_FREE);
    mark(cache, object, false);
    return true;
}

int sb_debug_check_free(const struct sb_kmem_cache *cache, const void *object, char *why, size_t why_size)
{
    char what[200], text[400];
    if (!(cache->debug & SB_SLAB_CONSISTENCY_CHECKS) || is_sound(cache, object, false, what, sizeof(what)))
        return 0;
    describe(cache, object, what, text, sizeof(text));
    return sb_check_failed(why, why_size, "%s", text);
}
