/*
 * What stops a run is what its reports print: intervals and p that hold at any time (stats.h), so that it may
 * look after every block. Of several comparisons each gets its share of the error (Bonferroni).
 */
#include "run/stopping.h"

#include "base/str.h"
#include "base/units.h"
#include "metric/metric.h"
#include "stats/stats.h"
#include "store/store.h"

#include <math.h>
#include <stdlib.h>

struct cell_state {
    double *by_block;               /* rates of ok trials, NaN elsewhere; of most_repetitions + 1, from 1 */
    double last;                    /* of them */
    size_t n;                       /* of them */
    size_t tried;                   /* repetitions, whatever became of them */
    bool compared;                  /* it is to be decided */
    const struct sb_cell *baseline; /* against; NULL: it has the baseline in its own processes */
    bool done;                      /* precise enough, or decided */
    bool hopeless;                  /* can't be decided in what is left */
};

struct sb_stopping {
    const struct sb_plan *plan;
    struct cell_state *at;
    size_t comparisons;
};

static struct cell_state *state_of(const struct sb_stopping *s, const struct sb_cell *cell)
{
    return &s->at[cell - s->plan->cells.at];
}

/* The cell of the baseline's allocator with the same work; of its own swept keys the first. */
static const struct sb_cell *find_baseline(const struct sb_plan *plan, const struct sb_cell *cell)
{
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *other = &plan->cells.at[i];
        if (other->group == cell->group && !other->skip && other->allocator == plan->baseline)
            return other == cell ? NULL : other;
    }
    return NULL;
}

struct sb_stopping *sb_stopping_begin(const struct sb_plan *plan)
{
    struct sb_stopping *s = sb_calloc(1, sizeof(*s));
    s->plan = plan;
    s->at = sb_calloc(plan->cells.n, sizeof(*s->at));
    for (size_t i = 0; i < plan->cells.n; i++) {
        const struct sb_cell *cell = &plan->cells.at[i];
        struct cell_state *state = &s->at[i];
        state->by_block = sb_calloc((size_t)plan->most_repetitions + 1, sizeof(*state->by_block));
        for (size_t b = 0; b <= plan->most_repetitions; b++)
            state->by_block[b] = NAN;
        if (plan->decide > 0 && !cell->skip && !plan->paired)
            state->baseline = find_baseline(plan, cell);
        state->compared =
            state->baseline || (plan->decide > 0 && !cell->skip && plan->paired && cell->allocator != plan->baseline);
        s->comparisons += state->compared;
    }
    return s;
}

void sb_stopping_free(struct sb_stopping *s)
{
    for (size_t i = 0; i < s->plan->cells.n; i++)
        free(s->at[i].by_block);
    free(s->at);
    free(s);
}

static void judge_precision(struct sb_stopping *s, struct cell_state *state)
{
    const struct sb_plan *plan = s->plan;
    double *rates = sb_calloc(state->n + 1, sizeof(*rates));
    size_t n = 0;
    for (size_t b = 1; b <= plan->most_repetitions; b++) {
        if (!isnan(state->by_block[b]))
            rates[n++] = state->by_block[b];
    }
    struct sb_summary summary = sb_summarise(rates, n, (struct sb_level){plan->confidence, true});
    state->done = n >= plan->least_repetitions && summary.reached && sb_half_width(&summary) <= plan->precision;
    free(rates);
}

/* Ratios of the blocks in which both have a rate; y is NULL where x's numbers are ratios already. */
static size_t take_ratios(const struct sb_stopping *s, const struct cell_state *x, const struct cell_state *y,
                          double *ratios)
{
    size_t n = 0;
    for (size_t b = 1; b <= s->plan->most_repetitions; b++) {
        double theirs = y ? y->by_block[b] : 1;
        if (!isnan(x->by_block[b]) && !isnan(theirs))
            ratios[n++] = x->by_block[b] / theirs;
    }
    return n;
}

/* Whether the ratio could yet be told from `bound`, if all blocks to come lay over it, or under. */
static bool can_leave(const double *ratios, size_t n, double bound, bool over, size_t left, double alpha)
{
    size_t against = 0;
    for (size_t i = 0; i < n; i++)
        against += over ? ratios[i] <= bound : ratios[i] >= bound;
    return 2 * against < n + left && sb_sign_p_of(against, n + left - against, n + left) <= alpha;
}

/* Separated from 1; or known to be nearer to it than what counts. */
static void judge_verdict(struct sb_stopping *s, const struct sb_cell *cell)
{
    const struct sb_plan *plan = s->plan;
    struct cell_state *x = state_of(s, cell), *y = x->baseline ? state_of(s, x->baseline) : NULL;
    struct sb_level level = {1 - (1 - plan->confidence) / (double)s->comparisons, true};
    double *ratios = sb_calloc(plan->most_repetitions, sizeof(*ratios)), alpha = 1 - level.confidence;
    double low = 1 - plan->decide, high = 1 + plan->decide;
    double least = plan->paired ? sb_share(plan->experiment->values[SB_EXPERIMENT_LEAST_DIFFERENCE]) : 0;
    size_t n = take_ratios(s, x, y, ratios), tried = y && y->tried < x->tried ? y->tried : x->tried,
           left = plan->most_repetitions - tried;
    struct sb_ratio r = sb_ratio_in_blocks(ratios, n, level);
    bool enough = n >= sb_least_samples(level) && n >= plan->least_repetitions;
    x->done = enough && (r.low > 1 + least || r.high < 1 - least || (r.low > low && r.high < high));
    x->hopeless = !x->done && !can_leave(ratios, n, 1 + least, true, left, alpha) &&
                  !can_leave(ratios, n, 1 - least, false, left, alpha) &&
                  !(can_leave(ratios, n, low, true, left, alpha) && can_leave(ratios, n, high, false, left, alpha));
    free(ratios);
}

void sb_stopping_learn(struct sb_stopping *s, const struct sb_trial *trial, const struct sb_result *result)
{
    const struct sb_cell *cell = &s->plan->cells.at[trial->cell];
    struct cell_state *state = &s->at[trial->cell];
    /* A pair's is a ratio already. */
    bool pair = s->plan->paired && s->plan->decide > 0;
    const struct sb_metric *rate = sb_metrics_find(&result->metrics, pair ? SB_NAME(PAIRED_RATIO) : SB_NAME(OPS_PER_S));
    state->tried++;
    if (result->status == SB_STATUS_OK && rate && rate->value > 0) {
        state->by_block[trial->repetition] = state->last = rate->value;
        state->n++;
    }
    if (s->plan->precision > 0 && state->n)
        judge_precision(s, state);
    for (size_t i = 0; i < s->plan->cells.n && s->plan->decide > 0; i++) {
        const struct cell_state *other = &s->at[i];
        if (other->compared && !other->done && (i == trial->cell || other->baseline == cell))
            judge_verdict(s, &s->plan->cells.at[i]);
    }
}

/* Under valgrind everything takes some hundred times as long; more than this is not worth the wait. */
static bool short_enough(const struct sb_cell *cell, const struct cell_state *state)
{
    /* Two cycles are the least that a simulated trial needs: one to warm up, one to count. */
    enum { SLOWER = 100, MOST_SECONDS = 10 };
    return state->n && 2 * (double)cell->cycle_operations * SLOWER / state->last <= MOST_SECONDS;
}

/* A cell that never gave a number won't. */
static bool has_failed(const struct sb_stopping *s, const struct cell_state *state)
{
    return !state->n && state->tried >= s->plan->least_repetitions;
}

static bool is_open(const struct sb_stopping *s, const struct cell_state *state)
{
    if (state->done || has_failed(s, state))
        return false;
    if (s->plan->decide > 0)
        return state->compared && !state->hopeless && !(state->baseline && has_failed(s, state_of(s, state->baseline)));
    return true;
}

/* Cells that are compared go on together, so that what drifts does so for all of them. */
static bool group_is_done(const struct sb_stopping *s, uint32_t group)
{
    const struct sb_plan *plan = s->plan;
    for (size_t i = 0; i < plan->cells.n; i++) {
        if (plan->cells.at[i].group == group && !plan->cells.at[i].skip && is_open(s, &s->at[i]))
            return false;
    }
    return true;
}

/* A baseline is measured as long as anything is to be decided against it, but where all have it in their
 * processes. */
static bool decision_wants(const struct sb_stopping *s, const struct sb_cell *cell)
{
    const struct cell_state *state = state_of(s, cell);
    bool needed = is_open(s, state);
    for (size_t i = 0; i < s->plan->cells.n && !needed; i++)
        needed = s->at[i].baseline == cell && is_open(s, &s->at[i]);
    return needed;
}

bool sb_stopping_wants(const struct sb_stopping *s, const struct sb_trial *trial)
{
    const struct sb_plan *plan = s->plan;
    const struct sb_cell *cell = &plan->cells.at[trial->cell];
    const struct cell_state *state = &s->at[trial->cell];
    if (cell->skip)
        return false;
    if (trial->simulated)
        return plan->provider == SB_PROVIDER_CACHEGRIND || short_enough(cell, state);
    if (trial->repetition <= plan->least_repetitions)
        return true;
    if (plan->decide > 0)
        return decision_wants(s, cell);
    /* One after the other nothing drifts together, and the others' turn has not come. */
    if (plan->experiment->values[SB_EXPERIMENT_ORDER].u == SB_ORDER_SEQUENTIAL)
        return is_open(s, state);
    return !has_failed(s, state) && !group_is_done(s, cell->group);
}

void sb_stopping_count_left(const struct sb_stopping *s, size_t from, size_t left[2])
{
    const struct sb_plan *plan = s->plan;
    bool *more = sb_calloc(plan->cells.n, sizeof(*more));
    /* Beyond the least repetitions it is the cell alone that decides: asked once, not for each of its trials.
     */
    for (uint32_t i = 0; i < plan->cells.n && plan->most_repetitions > plan->least_repetitions; i++) {
        const struct sb_trial trial = {.cell = i, .repetition = plan->least_repetitions + 1};
        more[i] = sb_stopping_wants(s, &trial);
    }
    left[0] = left[1] = 0;
    for (size_t i = from; i < plan->trials.n; i++) {
        const struct sb_trial *t = &plan->trials.at[i];
        bool beyond = !t->simulated && t->repetition > plan->least_repetitions;
        left[t->simulated] += beyond ? more[t->cell] : sb_stopping_wants(s, t);
    }
    free(more);
}

size_t sb_stopping_open_cells(const struct sb_stopping *s)
{
    const struct sb_plan *plan = s->plan;
    size_t n = 0;
    for (size_t i = 0; i < plan->cells.n && (plan->precision > 0 || plan->decide > 0); i++)
        n += !plan->cells.at[i].skip && s->at[i].n && !s->at[i].done && (plan->precision > 0 || s->at[i].compared);
    return n;
}
