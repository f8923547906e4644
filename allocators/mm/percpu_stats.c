/*
 * debugfs' percpu_stats.
 *
 * Models mm/percpu-stats.c of Linux 6.1: what was allocated since the start, and of each chunk its objects and the
 * holes between them. Only while nothing else runs.
 *
 * Differs: chunks stand in the order in which they were made; the kernel has them by how much is free.
 */
#include "percpu.h"

#include <stdlib.h>

static void print(const struct sb_sink *sink, const char *name, uint64_t value)
{
    sb_sink_printf(sink, "  %-20s: %12llu\n", name, (unsigned long long)value);
}

static void print_title(const struct sb_sink *sink, const char *title)
{
    sb_sink_printf(sink, "%s:\n----------------------------------------\n", title);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool get_bit(const uint64_t *map, uint64_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

/* Objects, positive, and the holes in front of the last one, negative, in bytes; returns how many. */
static size_t find_pieces(const struct sb_pcpu_chunk *chunk, uint64_t from, int64_t *pieces)
{
    size_t n = 0;
    uint64_t end = SB_PCPU_GRAINS;
    while (end > from && !get_bit(chunk->used, end - 1))
        end--;
    for (uint64_t at = from; at < end;) {
        bool used = get_bit(chunk->used, at);
        uint64_t stop = at + 1;
        while (stop < end && get_bit(chunk->used, stop) == used && !get_bit(chunk->start, stop))
            stop++;
        pieces[n++] = (used ? 1 : -1) * (int64_t)(stop - at) * SB_PCPU_GRAIN;
        at = stop;
    }
    qsort(pieces, n, sizeof(*pieces), by_size);
    return n;
}

/* The longest run of free grains, and the first of all. */
static uint64_t find_longest(const struct sb_pcpu_chunk *chunk, uint64_t *first)
{
    uint64_t longest = 0;
    *first = SB_PCPU_GRAINS;
    for (uint64_t at = 0; at < SB_PCPU_GRAINS;) {
        uint64_t n = 0;
        while (at + n < SB_PCPU_GRAINS && !get_bit(chunk->used, at + n))
            n++;
        *first = n && *first == SB_PCPU_GRAINS ? at : *first;
        longest = n > longest ? n : longest;
        at += n + 1;
    }
    return longest;
}

/* Pages of a unit that no object touches. */
static uint64_t count_empty_pages(const struct sb_pcpu_chunk *chunk)
{
    enum { WORDS = SB_PAGE_SIZE / SB_PCPU_GRAIN / 64 };
    uint64_t n = 0;
    for (unsigned page = 0; page < SB_PCPU_UNIT_SIZE / SB_PAGE_SIZE; page++) {
        uint64_t any = 0;
        for (unsigned i = 0; i < WORDS; i++)
            any |= chunk->used[page * WORDS + i];
        n += !any;
    }
    return n;
}

/* chunk_map_stats */
static void print_chunk(const struct sb_pcpu *pcpu, const struct sb_pcpu_chunk *chunk, int64_t *pieces,
                        const struct sb_sink *sink)
{
    bool is_first = chunk->base == pcpu->first;
    size_t n = find_pieces(chunk, is_first ? pcpu->static_grains : 0, pieces), holes = 0;
    uint64_t objects = 0, sum = 0, largest = 0, first;
    uint64_t longest = find_longest(chunk, &first);
    for (; holes < n && pieces[holes] < 0; holes++) {
        sum += (uint64_t)-pieces[holes];
        largest = (uint64_t)-pieces[holes] > largest ? (uint64_t)-pieces[holes] : largest;
    }
    for (unsigned i = 0; i < SB_PCPU_GRAINS / 64; i++)
        objects += (uint64_t)__builtin_popcountll(chunk->start[i]);
    sb_sink_printf(sink, is_first ? "Chunk: <- First Chunk\n" : "Chunk:\n");
    print(sink, "nr_alloc", objects);
    print(sink, "max_alloc_size", chunk->max_alloc_size);
    print(sink, "empty_pop_pages", count_empty_pages(chunk));
    print(sink, "first_bit", first);
    print(sink, "free_bytes", chunk->free_grains * SB_PCPU_GRAIN);
    print(sink, "contig_bytes", longest * SB_PCPU_GRAIN);
    print(sink, "sum_frag", sum);
    print(sink, "max_frag", largest);
    /* As the kernel has the median: of the objects behind the holes. */
    print(sink, "cur_min_alloc", n > holes ? (uint64_t)pieces[holes] : 0);
    print(sink, "cur_med_alloc", n > holes ? (uint64_t)pieces[(holes + n - 1) / 2] : 0);
    print(sink, "cur_max_alloc", n > holes ? (uint64_t)pieces[n - 1] : 0);
    sb_sink_printf(sink, "\n");
}

void sb_pcpu_dump_stats(const struct sb_pcpu *pcpu, const struct sb_sink *sink)
{
    const struct sb_list *link;
    uint64_t empty = 0;
    int64_t *pieces = malloc((2 * SB_PCPU_GRAINS + 1) * sizeof(*pieces));
    if (!pieces)
        return;
    sb_list_for_each (link, &pcpu->chunks)
        empty += count_empty_pages(sb_list_entry(link, struct sb_pcpu_chunk, link));
    sb_sink_printf(sink, "Percpu Memory Statistics\n");
    print_title(sink, "Allocation Info");
    print(sink, "unit_size", SB_PCPU_UNIT_SIZE);
    print(sink, "static_size", pcpu->image_size);
    print(sink, "reserved_size", 0);
    print(sink, "dyn_size", SB_PCPU_UNIT_SIZE - pcpu->static_grains * SB_PCPU_GRAIN);
    print(sink, "atom_size", SB_PAGE_SIZE);
    print(sink, "alloc_size", SB_PCPU_UNIT_SIZE * pcpu->mm->nr_cpus);
    sb_sink_printf(sink, "\n");
    print_title(sink, "Global Stats");
    print(sink, "nr_alloc", pcpu->nr_alloc);
    print(sink, "nr_dealloc", pcpu->nr_alloc - pcpu->live);
    print(sink, "nr_cur_alloc", pcpu->live);
    print(sink, "nr_max_alloc", pcpu->nr_max_alloc);
    print(sink, "nr_chunks", pcpu->nr_chunks);
    print(sink, "nr_max_chunks", pcpu->nr_max_chunks);
    print(sink, "min_alloc_size", pcpu->min_alloc_size);
    print(sink, "max_alloc_size", pcpu->max_alloc_size);
    print(sink, "empty_pop_pages", empty);
    sb_sink_printf(sink, "\n");
    print_title(sink, "Per Chunk Stats");
    sb_list_for_each (link, &pcpu->chunks)
        print_chunk(pcpu, sb_list_entry(link, struct sb_pcpu_chunk, link), pieces, sink);
    free(pieces);
}
