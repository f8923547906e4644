/* Totals by kind, then what was asked for: sizes by powers of two, caches and gfp masks, the most frequent first. */
#include "trace/summary.h"

#include "base/gfp.h"
#include "base/units.h"

enum { MOST_ROWS = 12, SIZES = 48 };

struct row {
    const char *name;
    uint64_t allocs, size;
};
struct rows {
    SB_VEC_OF(struct row);
};

static int by_allocs(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return (x->allocs < y->allocs) - (x->allocs > y->allocs);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_kinds(const struct sb_trace_head *h, struct sb_text *out)
{
    static const char *const words[] = {
#define SB_TRACE_ROW(id, name, words) words,
        SB_TRACE_KINDS(SB_TRACE_ROW)
#undef SB_TRACE_ROW
    };
    sb_text_printf(out, "\n%-11s %10s %10s %9s %9s %9s %9s %9s %11s\n", "kind", "allocs", "frees", "crossed", "lost",
                   "at end", "unknown", "peak live", "peak bytes");
    for (size_t i = 0; i < SB_TRACE_NR_KINDS; i++) {
        const struct sb_trace_totals *k = &h->kinds[i];
        if (k->allocs || k->unknown)
            sb_text_printf(out, "%-11s %10llu %10llu %9llu %9llu %9llu %9llu %9llu %11llu  %s\n",
                           sb_trace_kind_name((enum sb_trace_kind)i), (unsigned long long)k->allocs,
                           (unsigned long long)k->frees, (unsigned long long)k->crossed, (unsigned long long)k->lost,
                           (unsigned long long)k->at_end, (unsigned long long)k->unknown,
                           (unsigned long long)k->peak_live, (unsigned long long)k->peak_bytes, words[i]);
    }
    sb_text_printf(out, "crossed: freed by another thread than allocated; lost: the recording lacks the free, for the "
                        "address\nwas given out again; at end: lived when the recording ended, and is freed there; "
                        "unknown: frees of what\nwas allocated before it began, which are not in the trace\n");
    for (size_t i = 0; i < SB_TRACE_NR_KINDS; i++) {
        const struct sb_trace_totals *k = &h->kinds[i];
        if (k->usable_bytes && k->usable_bytes != k->requested_bytes)
            sb_text_printf(out, "%s: %llu bytes asked for, %llu given, %.4f a byte\n",
                           sb_trace_kind_name((enum sb_trace_kind)i), (unsigned long long)k->requested_bytes,
                           (unsigned long long)k->usable_bytes, (double)k->usable_bytes / (double)k->requested_bytes);
    }
}

static void print_rows(struct rows *rows, uint64_t all, const char *title, struct sb_text *out)
{
    size_t shown = 0;
    uint64_t rest = all;
    if (!rows->n)
        return;
    qsort(rows->at, rows->n, sizeof(*rows->at), by_allocs);
    sb_text_printf(out, "\n%s\n", title);
    for (; shown < rows->n && shown < MOST_ROWS && rows->at[shown].allocs; shown++) {
        const struct row *r = &rows->at[shown];
        sb_text_printf(out, "  %-62s %10llu  %5.1f %%", r->name, (unsigned long long)r->allocs,
                       percent(r->allocs, all));
        if (r->size)
            sb_text_printf(out, "  %llu B", (unsigned long long)r->size);
        sb_text_printf(out, "\n");
        rest -= r->allocs;
    }
    if (rest)
        sb_text_printf(out, "  %-62s %10llu  %5.1f %%\n", "others", (unsigned long long)rest, percent(rest, all));
}

static void print_caches(const struct sb_trace *t, struct sb_text *out)
{
    struct rows rows = {0};
    for (uint64_t i = 0; i < t->head.caches; i++)
        *SB_VEC_ADD(&rows) = (struct row){.name = t->caches[i]};
    for (uint64_t i = 0; i < t->head.requests; i++) {
        const struct sb_trace_request *r = &t->requests[i];
        if (r->kind != SB_TRACE_CACHE || r->cache >= rows.n)
            continue;
        rows.at[r->cache].allocs += r->allocs;
        rows.at[r->cache].size = r->size;
    }
    print_rows(&rows, t->head.kinds[SB_TRACE_CACHE].allocs, "caches, by allocations", out);
    SB_VEC_FREE(&rows);
}

/* Of requests with a size of their own; pages by their order. */
static void print_sizes(const struct sb_trace *t, bool pages, struct sb_text *out)
{
    char names[SIZES][48];
    struct rows rows = {0};
    uint64_t all = 0;
    for (unsigned i = 0; i < SIZES; i++) {
        char *size = sb_format_size(UINT64_C(1) << i);
        snprintf(names[i], sizeof(names[i]), pages ? "order %d (%s)" : "%.0dto %s", pages ? (int)i - SB_PAGE_SHIFT : 0,
                 size);
        free(size);
        *SB_VEC_ADD(&rows) = (struct row){.name = names[i]};
    }
    for (uint64_t i = 0; i < t->head.requests; i++) {
        const struct sb_trace_request *r = &t->requests[i];
        bool of_pages = r->kind == SB_TRACE_PAGES || r->kind == SB_TRACE_SLAB_PAGES;
        if (of_pages != pages || r->kind == SB_TRACE_CACHE || r->kind == SB_TRACE_PERCPU)
            continue;
        unsigned log = r->size > 1 ? 64 - (unsigned)__builtin_clzll(r->size - 1) : 0;
        rows.at[log < SIZES ? log : SIZES - 1].allocs += r->allocs;
        all += r->allocs;
    }
    if (all)
        print_rows(&rows, all, pages ? "orders of pages, by allocations" : "sizes of kmalloc, malloc and vmalloc", out);
    SB_VEC_FREE(&rows);
}

/* The name that says most of what is left to say, or NULL. */
static const struct sb_gfp_row *best_name(sb_gfp_t gfp, sb_gfp_t left)
{
    const struct sb_gfp_row *best = NULL;
    int most = 0;
    for (size_t i = 0; i < sb_gfp_row_count; i++) {
        const struct sb_gfp_row *row = &sb_gfp_rows[i];
        int says = __builtin_popcount(row->value & left);
        if ((gfp & row->value) == row->value && says > most) {
            best = row;
            most = says;
        }
    }
    return best;
}

static char *gfp_words(sb_gfp_t gfp)
{
    struct sb_text text = {0};
    const struct sb_gfp_row *row;
    for (sb_gfp_t left = gfp; (row = best_name(gfp, left)); left &= ~row->value)
        sb_text_printf(&text, "%s%s", text.n ? "|" : "", row->name);
    return text.n ? text.at : sb_strdup("GFP_NOWAIT");
}

static void print_gfp(const struct sb_trace *t, struct sb_text *out)
{
    struct rows rows = {0};
    struct sb_words names = {0};
    uint64_t all = 0;
    for (uint64_t i = 0; i < t->head.requests; i++) {
        const struct sb_trace_request *r = &t->requests[i];
        char *words = gfp_words(r->gfp);
        size_t at = sb_words_number(&names, words) - 1;
        struct row *row = at < rows.n ? &rows.at[at] : SB_VEC_ADD(&rows);
        row->allocs += r->allocs;
        all += r->allocs;
        free(words);
    }
    for (size_t i = 0; i < names.n && i < rows.n; i++)
        rows.at[i].name = names.at[i];
    print_rows(&rows, all, "gfp masks, by allocations", out);
    SB_VEC_FREE(&rows);
    sb_words_free(&names);
}

void sb_trace_summarise(const struct sb_trace *t, struct sb_text *out)
{
    const struct sb_trace_head *h = &t->head;
    bool kernel = h->source == SB_TRACE_OF_KERNEL;
    sb_text_add_visible(out, t->title);
    sb_text_printf(out, ": %llu events of %u %s in %.3f s, %llu bytes, sum %016llx\n", (unsigned long long)h->events,
                   h->threads,
                   kernel            ? h->threads == 1 ? "CPU" : "CPUs"
                   : h->threads == 1 ? "thread"
                                     : "threads",
                   (double)h->duration_ns / 1e9, (unsigned long long)h->file_bytes, (unsigned long long)h->body_sum);
    print_kinds(h, out);
    print_sizes(t, false, out);
    print_caches(t, out);
    print_sizes(t, true, out);
    if (kernel)
        print_gfp(t, out);
}
