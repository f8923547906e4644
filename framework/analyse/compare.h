/*
 * Comparisons of medians: of allocators within one run, of two runs, of an A/A run's twins.
 * docs/methodology.md says what a verdict rests on.
 */
#ifndef SB_ANALYSE_COMPARE_H
#define SB_ANALYSE_COMPARE_H

#include "base/vec.h"

#include "analyse/view.h"

#include <stdio.h>

struct sb_comparison {
    const char *title; /* of the group: workload, threads, swept keys */
    const char *workload;
    int64_t threads;
    char *allocator, *baseline;     /* with their own swept keys, which set variants apart */
    struct sb_summary x, y;         /* of the allocator, and of what it is compared with */
    struct sb_ratio ratio;          /* x over y */
    double p, adjusted;             /* rank sum; by Holm for all comparisons of the call */
    bool paired;                    /* in the same processes */
    double p_beyond;                /* of a difference that counts, where the run was to decide; else NaN */
    bool resolved;                  /* else the medians are nearer than what the metric is known to */
    enum sb_verdict verdict, alone; /* by the adjusted p; by its own */
    char *missing;                  /* why it is not compared, or NULL */
    char *lacking;                  /* which repetitions of either have no number, or NULL */
    bool skipped;                   /* by the plan of the one run, of which nothing else was to be expected */
};

struct sb_compare_request {
    const char *db, *other; /* other may be NULL */
    const char *baseline;   /* allocator; may be NULL with `other` */
    const char *metric;     /* a name of export's, or "throughput" */
    const char *aa;         /* the A/A database to quote; NULL: look for one beside db */
    enum sb_interval_kind interval;
    bool anyway; /* although machines or settings differ */
};

struct sb_compare {
    struct sb_view views[2];
    bool two;
    const char *metric;
    char *unit;
    bool more_is_better;
    bool has_direction; /* else neither more nor less is better */
    bool is_speed;      /* "faster" is the word */
    double confidence;
    bool anytime; /* the run ended by its verdicts: intervals and p within its blocks are valid all the same */
    enum sb_interval_kind interval;
    SB_VEC(struct sb_comparison) rows;
    struct sb_words notes; /* what a reader must know before the verdicts */
    size_t lost;           /* cells of the first run that the second lacks */
    char *floor;           /* a sentence on the noise floor, or why there is none */
    struct sb_compare *aa; /* the A/A run that the sentence is about, or NULL */
};

/*
 * 0, or a negative errno with one or more lines in `*why`: -EXDEV where machines or settings differ. To be
 * freed in any case.
 */
int sb_compare(struct sb_compare *compare, const struct sb_compare_request *request, char **why);
void sb_compare_free(struct sb_compare *compare);

/*
 * Whether the clearest difference that so many samples can show would survive the correction for so many
 * comparisons; if not, `*needed` gets the number of processes a side from which on it does.
 */
bool sb_compare_can_separate(const struct sb_compare *compare, size_t *needed);

/*
 * Comparisons whose medians are less than two steps of the metric apart; of them those that may be slower by
 * more than `share` for all that is known.
 */
size_t sb_compare_count_unresolved(const struct sb_compare *compare);
size_t sb_compare_count_undecidable(const struct sb_compare *compare, double share);

/* Comparisons that are slower by more than `share`, or whose number got lost; cells that the other run lacks.
 */
size_t sb_compare_count_slower(const struct sb_compare *compare, double share);

/*
 * The largest deviation from 1 that the A/A run saw with this workload and this number of threads, of
 * whatever allocator; NaN where it has none.
 */
double sb_compare_floor_of(const struct sb_compare *compare, const struct sb_comparison *row);

/* Each allocator of an A/A run beside itself, with the noise floor. To be freed in any case. */
int sb_compare_twins(struct sb_compare *aa, const char *db, char **why);

#endif
