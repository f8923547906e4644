/*
 * The numbers of a view's cells: samples, ratios within blocks, summaries and what they are known to, and why a cell
 * has none.
 */
#include "analyse/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char too_short[] = "a batch of calls takes less than a hundred steps of this clock: "
                                "raise the workload's batch, or give it more to do";

static const char below_step[] = "it is shorter than the step of this clock, and no more is known of it";

/* The values as they were measured, whether or not they may be shown. */
static double *raw_samples(const struct sb_view *view, const struct sb_view_cell *cell, const char *name, size_t *n)
{
    double *samples = sb_calloc(cell->last_trial - cell->first_trial, sizeof(*samples));
    *n = 0;
    for (size_t i = cell->first_trial; i < cell->last_trial; i++) {
        const struct sb_trial_row *trial = &view->data.trials.at[view->order[i]];
        const struct sb_metric *m = sb_metrics_find(&trial->result.metrics, name);
        if (trial->result.status == SB_STATUS_OK && m)
            samples[(*n)++] = m->value;
    }
    return samples;
}

static double raw_median(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    size_t n;
    double *samples = raw_samples(view, cell, name, &n), median = sb_median(samples, n);
    free(samples);
    return median;
}

/* Timed in batches that are too short for the clock; of a whole cell or not at all. */
static bool is_too_short(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    if (strcmp(name, SB_NAME(ALLOC_NS)) && strcmp(name, SB_NAME(FREE_NS)))
        return false;
    char *batch = sb_printf("%s_batch", name);
    double length = raw_median(view, cell, batch), resolution = raw_median(view, cell, "clock_resolution");
    free(batch);
    return length < 100 * resolution; /* false where either isn't known */
}

/* A trial that lacks the metric isn't a zero; n says how many had it. */
double *sb_view_samples(const struct sb_view *view, const struct sb_view_cell *cell, const char *name, size_t *n)
{
    double *samples = raw_samples(view, cell, name, n);
    if (*n && is_too_short(view, cell, name))
        *n = 0;
    return samples;
}

bool sb_view_has_blocks(const struct sb_view *view, size_t source)
{
    const char *order = sb_data_meta(sb_view_head(view, source), "order");
    return order && !strcmp(order, "interleaved");
}

static const struct sb_trial_row *find_in_block(const struct sb_view *view, const struct sb_view_cell *cell,
                                                const char *name, const struct sb_trial_row *like)
{
    for (size_t i = cell->first_trial; i < cell->last_trial; i++) {
        const struct sb_trial_row *t = &view->data.trials.at[view->order[i]];
        if (t->source == like->source && t->repetition == like->repetition && t->simulated == like->simulated &&
            t->result.status == SB_STATUS_OK && sb_metrics_find(&t->result.metrics, name))
            return t;
    }
    return NULL;
}

double *sb_view_ratios(const struct sb_view *view, const struct sb_view_cell *x, const struct sb_view_cell *y,
                       const char *name, size_t *n)
{
    double *ratios = sb_calloc(x->last_trial - x->first_trial, sizeof(*ratios));
    bool shown = !is_too_short(view, x, name) && !is_too_short(view, y, name);
    *n = 0;
    for (size_t i = x->first_trial; i < x->last_trial && shown; i++) {
        const struct sb_trial_row *t = &view->data.trials.at[view->order[i]], *other;
        const struct sb_metric *mine = sb_metrics_find(&t->result.metrics, name);
        if (t->result.status != SB_STATUS_OK || !mine || !sb_view_has_blocks(view, t->source))
            continue;
        other = find_in_block(view, y, name, t);
        double theirs = other ? sb_metrics_find(&other->result.metrics, name)->value : 0;
        if (mine->value > 0 && theirs > 0)
            ratios[(*n)++] = mine->value / theirs;
    }
    return ratios;
}

double sb_view_step(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    double step = 0;
    for (size_t i = cell->first_trial; i < cell->last_trial; i++) {
        const struct sb_result *r = &view->data.trials.at[view->order[i]].result;
        const struct sb_metric *m = r->status == SB_STATUS_OK ? sb_metrics_find(&r->metrics, name) : NULL;
        step = m ? fmax(step, sb_metric_step(&r->metrics, m)) : step;
    }
    return step;
}

struct sb_summary sb_view_metric(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    size_t n;
    double *samples = sb_view_samples(view, cell, name, &n);
    struct sb_summary s = sb_summarise(samples, n, sb_view_level(view));
    s.step = n ? sb_view_step(view, cell, name) : 0;
    free(samples);
    return s;
}

bool sb_view_has_metric(const struct sb_view *view, const char *name)
{
    for (size_t i = 0; i < view->cells.n; i++) {
        if (sb_view_metric(view, &view->cells.at[i], name).n)
            return true;
    }
    return false;
}

const char *sb_view_unit(const struct sb_view *view, const char *metric)
{
    for (size_t t = 0; t < view->data.trials.n; t++) {
        const struct sb_metric *m = sb_metrics_find(&view->data.trials.at[t].result.metrics, metric);
        if (m)
            return m->unit;
    }
    return "";
}

char *sb_view_label(const struct sb_view *view, const char *metric)
{
    const struct sb_metric_row *row = sb_metric_row(metric);
    if (row && row->label)
        return sb_strdup(row->label);
    const char *unit = sb_view_unit(view, metric);
    return sb_printf("%s%s%s%s", metric, *unit ? " (" : "", unit, *unit ? ")" : "");
}

const char sb_view_spread_words[] =
    "far off: processes whose throughput lies more than a quarter of their median from it; "
    "two groups: the processes fall into two groups far apart, "
    "and the median may be neither's";

char *sb_view_spread(const struct sb_summary *s)
{
    if (s->bimodal)
        return sb_strdup("two groups");
    return s->far ? sb_printf("%zu of %zu far off", s->far, s->n) : NULL;
}

/* Percentiles of all calls, from merged counts: those of processes are never averaged. */
int sb_view_latencies(const struct sb_view *view, const struct sb_view_cell *cell, const char *name,
                      const double *shares, size_t share_count, struct sb_histogram *merged, double *low, double *high,
                      char **why)
{
    struct sb_histogram *one = sb_calloc(1, sizeof(*one));
    int status = 0;
    *merged = (struct sb_histogram){0};
    for (size_t k = 0; k < share_count; k++) {
        low[k] = INFINITY;
        high[k] = -INFINITY;
    }
    for (size_t i = cell->first_trial; i < cell->last_trial && !status; i++) {
        const struct sb_trial_row *trial = &view->data.trials.at[view->order[i]];
        struct sb_result r = {0};
        /* Under valgrind no call is timed. */
        if (trial->result.status != SB_STATUS_OK || trial->simulated)
            continue;
        status = sb_store_load_latencies(view->sources.at[trial->source].store, trial->number, &r, why);
        *one = (struct sb_histogram){0};
        for (size_t l = 0; l < r.latencies.n; l++) {
            if (!strcmp(r.latencies.at[l].name, name))
                sb_latencies_add(&r.latencies.at[l], one);
        }
        sb_result_free(&r);
        sb_histogram_merge(merged, one);
        for (size_t k = 0; k < share_count; k++) {
            /* One process without the quantile leaves none of the range: that of the others would not hold
             * it. */
            double q = sb_histogram_quantile(one, shares[k]);
            low[k] = isnan(q) || isnan(low[k]) ? (double)NAN : fmin(low[k], q);
            high[k] = isnan(q) || isnan(high[k]) ? (double)NAN : fmax(high[k], q);
        }
    }
    free(one);
    return status;
}

/* n below which the range is all there is: with n samples it covers 1 - 2^(1 - n). */
char *sb_view_interval(const struct sb_view *view, size_t least_n, size_t most_n)
{
    size_t enough = sb_least_samples(sb_view_level(view));
    double percent = 100 * view->confidence;
    const char *when = view->anytime ? ", valid at any time" : "";
    if (least_n >= enough)
        return sb_printf("%g %% interval of the median by ranks%s", percent, when);
    if (least_n == most_n && view->anytime)
        return sb_printf("smallest to largest (%zu processes are too few for %g %% at any time)", least_n, percent);
    if (least_n == most_n)
        return sb_printf("smallest to largest (%g %% of confidence: %zu processes are too few for %g %%)",
                         100 * (1 - exp2(1 - (double)least_n)), least_n, percent);
    return sb_printf("%g %% interval of the median by ranks%s, or with fewer than %zu processes the range", percent,
                     when, enough);
}

/* What that run asked for, as a share; 0: nothing. */
static double precision_of(const struct sb_view *view, size_t source)
{
    const char *precision = sb_data_meta(sb_view_head(view, source), "precision");
    return precision ? strtod(precision, NULL) : 0;
}

char *sb_view_stopped(const struct sb_view *view, const struct sb_view_cell *cell)
{
    struct sb_summary s = sb_view_metric(view, cell, SB_NAME(OPS_PER_S));
    double width = sb_half_width(&s), precision = precision_of(view, cell->row->source);
    if (!(precision > 0) || cell->row->skip)
        return NULL;
    if (s.reached && width <= precision)
        return sb_printf("±%g %% reached (±%.2g %%)", 100 * precision, 100 * width);
    return isnan(width) ? sb_strdup("not reached")
                        : sb_printf("±%g %% not reached in %zu (±%.2g %%)", 100 * precision, s.n, 100 * width);
}

/* What a trial says of a number that it hasn't got, or NULL. */
static const char *unavailable_reason(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    for (size_t t = cell->first_trial; t < cell->last_trial; t++) {
        const struct sb_result *r = &view->data.trials.at[view->order[t]].result;
        for (size_t i = 0; i < r->unavailable.n; i++) {
            if (!strcmp(r->unavailable.at[i].name, name))
                return r->unavailable.at[i].reason;
        }
    }
    return NULL;
}

/* The last, but a fault of the allocator before a disturbance of the machine. */
static const char *failure_reason(const struct sb_view *view, const struct sb_view_cell *cell)
{
    const char *failure = NULL;
    bool fault = false;
    for (size_t t = cell->first_trial; t < cell->last_trial; t++) {
        const struct sb_result *r = &view->data.trials.at[view->order[t]].result;
        if (r->status == SB_STATUS_OK || (fault && r->status == SB_STATUS_DISTURBED))
            continue;
        failure = r->reason ? r->reason : sb_status_name(r->status);
        fault = r->status != SB_STATUS_DISTURBED;
    }
    return failure;
}

const char *sb_view_reason(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    if (cell->row->skip)
        return cell->row->skip;
    if (is_too_short(view, cell, name))
        return too_short;
    const char *reason = unavailable_reason(view, cell, name);
    struct sb_summary s = sb_view_metric(view, cell, name);
    if (s.n && sb_reading_is_below(sb_reading_of(&s)))
        return below_step;
    if (!reason)
        reason = failure_reason(view, cell);
    return reason ? reason : cell->trials ? "no trial reported it" : "no trial was run";
}

char *sb_view_missing(const struct sb_view *view, const struct sb_view_cell *cell, const char *name)
{
    size_t n, lost = sb_view_lost(cell), failed = cell->failed;
    double *samples = sb_view_samples(view, cell, name, &n);
    struct sb_text text = {0};
    free(samples);
    /* What is simulated has one trial, whatever the repetitions. */
    if (!n || n >= cell->trials || !strncmp(name, "simulated:", 10))
        return NULL;
    size_t rest = cell->trials - n - (lost + failed < cell->trials - n ? lost + failed : cell->trials - n);
    sb_text_printf(&text, "%zu of %zu repetitions ha%s no number (", cell->trials - n, cell->trials,
                   cell->trials - n == 1 ? "s" : "ve");
    if (failed)
        sb_text_printf(&text, "%zu failed%s", failed, lost || rest ? ", " : "");
    if (lost)
        sb_text_printf(&text, "%zu disturbed%s", lost, rest ? ", " : "");
    if (rest)
        sb_text_printf(&text, "%zu: %s", rest, sb_view_reason(view, cell, name));
    sb_text_printf(&text, ")");
    return text.at;
}
