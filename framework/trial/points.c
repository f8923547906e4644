/*
 * Looks at the allocator while the workers wait: the blocks that the workload names, the points of the series, the
 * dumps.
 */
#define _GNU_SOURCE
#include "trial/inside.h"

#include "base/diag.h"
#include "measure/footprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void sb_trial_take_block(void *context, const void *block, uint64_t size, uint64_t align)
{
    struct trial *t = context;
    /* Beside the heap, which may be the allocator's under test, and gone after each proof. */
    if (t->blocks.n == t->blocks.capacity) {
        size_t more = t->blocks.capacity ? 2 * t->blocks.capacity : 4096;
        void *at = mmap(NULL, more * sizeof(struct block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
            sb_error("no memory for the list of live blocks: %s", strerror(errno));
            abort();
        }
        if (t->blocks.n)
            memcpy(at, t->blocks.at, t->blocks.n * sizeof(struct block));
        if (t->blocks.at)
            munmap(t->blocks.at, t->blocks.capacity * sizeof(struct block));
        t->blocks.at = at;
        t->blocks.capacity = more;
    }
    t->blocks.at[t->blocks.n++] = (struct block){block, size, align};
}

/* Mapped and not allocated: blocks are reported while the heap may be what is examined. */
void sb_trial_forget_blocks(struct trial *t)
{
    if (t->blocks.at)
        munmap(t->blocks.at, t->blocks.capacity * sizeof(struct block));
    t->blocks.at = NULL;
    t->blocks.n = t->blocks.capacity = 0;
}

static struct sb_series *point_series(struct trial *t, enum sb_metric_id id, int key)
{
    for (size_t i = 0; i < t->series.n; i++) {
        if (!strcmp(t->series.at[i].name, sb_metric_rows[id].name) && t->series.at[i].key == key)
            return &t->series.at[i];
    }
    struct sb_series *series = SB_VEC_ADD(&t->series);
    sb_series_name(series, id, key);
    return series;
}

void sb_trial_add_point(struct trial *t, enum sb_metric_id id, int key, double x, double y)
{
    *SB_VEC_ADD(point_series(t, id, key)) = (struct sb_point){x, y};
}

void sb_trial_append(void *context, const char *text, size_t length)
{
    sb_text_add(context, text, length);
}

/* Files an allocator doesn't have are left out: dump says -ENOENT. */
static void dump_files(struct trial *t, const char *files, void *self,
                       int (*dump)(void *, const char *, const struct sb_sink *))
{
    struct sb_text list = {0};
    sb_text_printf(&list, "%s", files);
    char *state = NULL;
    for (char *file = strtok_r(list.at, " ", &state); file; file = strtok_r(NULL, " ", &state)) {
        struct sb_text text = {0};
        struct sb_sink sink = {&text, sb_trial_append};
        if (!dump(self, file, &sink))
            *SB_VEC_ADD(&t->dumps) = (struct sb_dump){sb_strdup(file), sb_strdup(sb_text_get(&text))};
        sb_text_free(&text);
    }
    sb_text_free(&list);
}

/* The dumps of the fullest moment replace those of a less full one. */
void sb_trial_take_dumps(struct trial *t)
{
    for (size_t i = 0; i < t->dumps.n; i++) {
        free(t->dumps.at[i].name);
        free(t->dumps.at[i].text);
    }
    t->dumps.n = 0;
    if (t->allocator->allocator.dump_files)
        dump_files(t, t->allocator->allocator.dump_files, t->a, t->allocator->allocator.dump);
    if (t->workload->workload.dump && t->workload->workload.dump_files)
        dump_files(t, t->workload->workload.dump_files, t->w, t->workload->workload.dump);
}

void sb_trial_look(struct trial *t, struct sb_snapshot *snapshot, struct sb_account *account)
{
    *snapshot = (struct sb_snapshot){.struct_size = sizeof(*snapshot)};
    *account = (struct sb_account){.struct_size = sizeof(*account)};
    t->allocator->allocator.snapshot(t->a, snapshot);
    t->workload->workload.account(t->w, account);
}

/* A checkpoint: one point in every series that this allocator can give. */
void sb_trial_checkpoint(struct trial *t)
{
    struct sb_snapshot s;
    struct sb_account a;
    uint64_t operations = 0;
    sb_trial_look(t, &s, &a);
    for (uint32_t i = 0; i < t->spec->threads; i++)
        operations += t->workers[i].counts.operations;
    double x = (double)operations;
    t->lived |= a.live || a.requested_bytes || (s.has & SB_HAS_LIVE && s.live);
    sb_trial_add_point(t, SB_METRIC_REQUESTED_BYTES, 0, x, (double)a.requested_bytes);
    if (s.has & SB_HAS_HANDED)
        sb_trial_add_point(t, SB_METRIC_HANDED_BYTES, 0, x, (double)s.handed_bytes);
    if (s.has & SB_HAS_HELD)
        sb_trial_add_point(t, SB_METRIC_HELD_BYTES, 0, x, (double)s.held_bytes);
    if (t->allocator->allocator.flags & SB_ALLOCATOR_OS_MEMORY) {
        int64_t resident = sb_resident_bytes() - t->resident_before;
        int64_t pss = sb_pss_bytes() - t->pss_before;
        sb_trial_add_point(t, SB_METRIC_RESIDENT_BYTES, 0, x, resident > 0 ? (double)resident : 0.0);
        sb_trial_add_point(t, SB_METRIC_PSS_BYTES, 0, x, pss > 0 ? (double)pss : 0.0);
    }
    for (int order = 0; s.has & SB_HAS_FREE_BLOCKS && order < SB_NR_ORDERS; order++)
        sb_trial_add_point(t, SB_METRIC_FREE_BLOCKS, order, x, (double)s.free_blocks[order]);
    if (a.requested_bytes >= t->peak_requested) {
        t->peak_requested = a.requested_bytes;
        if (t->spec->trial[SB_TRIAL_DUMP].u)
            sb_trial_take_dumps(t);
    }
}
