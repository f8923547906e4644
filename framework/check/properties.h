/* The properties themselves, tried in the child. */
#ifndef SB_CHECK_PROPERTIES_H
#define SB_CHECK_PROPERTIES_H

#include "check/check.h"
#include "check/world.h"

/* Built with a sanitizer: memory is then its, not the process's alone. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SB_SANITIZED 1
#else
#define SB_SANITIZED 0
#endif

/* What parent and child share: operations begun, then words on what is being done; a page. */
enum { SB_PROGRESS_BYTES = 4096 };

/* What a property came to, on one world. */
struct sb_finding {
    enum sb_check_result result;
    enum sb_fault fault; /* of a sequence */
    size_t at;           /* the operation at which it showed */
    char why[512];
};

/* The operations that a sequence property draws: parent and child draw the same. */
void sb_property_draw(const struct sb_property *property, const struct sb_lane *lanes, size_t lane_count, bool quick,
                      uint64_t seed, struct sb_ops *ops);

/* One try of one property. */
struct sb_attempt {
    const struct sb_property *property;
    const struct sb_ops *ops; /* of a sequence, else NULL */
    bool quick;
    volatile uint64_t *done; /* SB_PROGRESS_BYTES that the parent can read */
};

/* The world must be open. */
void sb_property_try(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);

/* The property "page-structs" (pages.c). */
void sb_try_pages(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);

/* The property "device" (device.c). */
void sb_try_device(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);

/* The properties "boot" and "pool", and what "ctor" asks of destructors (calls.c). */
void sb_try_boot(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);
void sb_try_pool(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);
/* Of a plugin with caches; finds nothing where it has no create_dtor. */
void sb_try_destructor(struct sb_world *w, struct sb_finding *finding);

/* A block of the lane's interface, for properties that hold their blocks themselves; NULL: there is none. */
void *sb_take_block(struct sb_world *w, const struct sb_lane *lane, uint64_t size);
void sb_give_block(struct sb_world *w, const struct sb_lane *lane, void *block, uint64_t size);

/* Damage that check() is to notice, after a sequence (damage.c). */
void sb_try_damage(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);

/* The property "all-threads" (threads.c). */
void sb_try_threads(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);

/* The properties "options", "close" and "reopen" (opening.c). */
void sb_try_options(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);
void sb_try_close(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);
void sb_try_reopen(struct sb_world *w, const struct sb_attempt *attempt, struct sb_finding *finding);

/* Sets a finding's result, and its words. */
void sb_find(struct sb_finding *f, enum sb_check_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
