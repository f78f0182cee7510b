/* stats.c -- see stats.h. Reading order: 1 bins; 2 runs; 3 following; 4 asking. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "spans.h"

enum { EVERY = 4096, EXACT = 512 };

/* ---- 1. Bins --------------------------------------------------------------------------------------------------------------------------- */

/* Below 16 each number has its own; then 16 for each power of two. */
uint32_t sk_bin_of(int64_t ns)
{
    uint64_t x = (uint64_t)MAX(ns, 0);
    if (x < 16)
        return (uint32_t)x;
    unsigned top = (unsigned)g_bit_storage(x) - 1;
    return (top - 3) * 16 + (uint32_t)(x >> (top - 4) & 15);
}

int64_t sk_bin_from(uint32_t bin)
{
    if (bin < 32)
        return bin;
    unsigned shift = bin / 16 - 1;
    return shift + 5 > 63 ? INT64_MAX : (int64_t)(16 + bin % 16) << shift;
}

/* ---- 2. Runs --------------------------------------------------------------------------------------------------------------------------- */

static void add_run(sk_ends *r, sk_step k, int64_t ran)
{
    int64_t sum = (r->n ? r->sum[r->n - 1] : 0) + ran, most = r->n ? MAX(r->most[r->n - 1], ran) : ran;
    if (r->n && r->n % EVERY == 0) {
        uint32_t i = r->nbins;
        (void)SK_GROW(r->bins, r->nbins);
        if (i)
            memcpy(r->bins[i], r->bins[i - 1], sizeof *r->bins);
        else
            memset(r->bins[i], 0, sizeof *r->bins);
        for (uint32_t b = r->n - EVERY; b < r->n; b++)
            r->bins[i][sk_bin_of(r->ran[b])]++;
    }
    *SK_GROW(r->at, r->n) = k;
    *SK_GROW(r->ran, r->nran) = ran;
    *SK_GROW(r->sum, r->nsum) = sum;
    *SK_GROW(r->most, r->nmost) = most;
}

/* How long the attempt ran that this slice is the last of. */
static int64_t run_ns(const sk_model *m, uint32_t slice)
{
    const sk_model_slice *last = &m->slices[slice];
    int64_t ran = 0;
    for (uint32_t s = slice; s != SK_NO_INDEX && m->slices[s].attempt == last->attempt; s = m->slices[s].before)
        ran += m->slices[s].blocked ? 0 : MAX(0, sk_model_ns(m, m->slices[s].end) - sk_model_ns(m, m->slices[s].begin));
    return ran;
}

static void task_step(sk_run_stats *s, const sk_model *m, const sk_model_event *e, sk_step k)
{
    uint32_t slice = sk_model_slice_of(m, e->index, k), fn = m->tasks[e->index].fn;
    if (slice == SK_NO_INDEX || m->slices[slice].end != k)
        return;
    sk_ends *of[] = { &s->fns[0], &s->fns[1 + fn] };
    for (unsigned i = 0; i < 2; i++) {
        if (m->slices[slice].how == SK_END_DONE || m->slices[slice].how == SK_END_FAILED)
            add_run(of[i], k, run_ns(m, slice));
        else if (m->slices[slice].how == SK_END_RETRIED)
            *SK_GROW(of[i]->retried, of[i]->nretried) = k;
    }
}

/* ---- 3. Following ---------------------------------------------------------------------------------------------------------------------- */

void sk_run_stats_follow(sk_run_stats *s, const sk_model *m)
{
    while (s->nfns < m->nfns + 1)
        memset(SK_GROW(s->fns, s->nfns), 0, sizeof *s->fns);
    for (; s->steps < m->nsteps; s->steps++) {
        const sk_model_event *e = &m->events[s->steps];
        if (e->type == SK_TRACE_TASK && e->index != SK_NO_INDEX)
            task_step(s, m, e, s->steps + 1);
    }
    sk_spent_follow(&s->spent, m);
}

void sk_run_stats_clear(sk_run_stats *s)
{
    for (uint32_t i = 0; i < s->nfns; i++) {
        sk_ends *r = &s->fns[i];
        void *arrays[] = { r->at, r->ran, r->sum, r->most, r->bins, r->retried };
        for (unsigned a = 0; a < G_N_ELEMENTS(arrays); a++)
            g_free(arrays[a]);
    }
    g_free(s->fns);
    sk_spent_clear(&s->spent);
    *s = (sk_run_stats){ 0 };
}

/* ---- 4. Asking ------------------------------------------------------------------------------------------------------------------------- */

static const sk_ends *runs_of(const sk_run_stats *s, uint32_t fn) { return &s->fns[fn == SK_NO_INDEX ? 0 : 1 + fn]; }

static void count(const sk_ends *r, uint32_t n, uint32_t bins[SK_BINS])
{
    uint32_t checks = MIN(n / EVERY, r->nbins);
    if (checks)
        memcpy(bins, r->bins[checks - 1], sizeof *r->bins);
    else
        memset(bins, 0, sizeof *r->bins);
    for (uint32_t i = checks * EVERY; i < n; i++)
        bins[sk_bin_of(r->ran[i])]++;
}

void sk_run_stats_bins(const sk_run_stats *s, uint32_t fn, sk_step k, uint32_t bins[SK_BINS])
{
    const sk_ends *r = runs_of(s, fn);
    count(r, sk_steps_until(r->at, r->n, k), bins);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The middle of the bin where the one of this rank is. */
static int64_t ranked(const uint32_t bins[SK_BINS], uint32_t rank)
{
    uint32_t b = 0;
    while (b + 1 < SK_BINS && bins[b] <= rank)
        rank -= bins[b++];
    return b < 32 ? sk_bin_from(b) : sk_bin_from(b) + (sk_bin_from(b + 1) - sk_bin_from(b)) / 2;
}

sk_times sk_run_stats_times(const sk_run_stats *s, uint32_t fn, sk_step k)
{
    const sk_ends *r = runs_of(s, fn);
    uint32_t n = sk_steps_until(r->at, r->n, k), half = (n - 1) / 2, most = (uint32_t)(((uint64_t)n * 95 + 99) / 100) - 1;
    sk_times t = { .runs = n, .retries = sk_steps_until(r->retried, r->nretried, k) };
    if (!n)
        return t;
    t.total = r->sum[n - 1], t.mean = t.total / n, t.most = r->most[n - 1];
    if (n <= EXACT) {
        int64_t sorted[EXACT];
        memcpy(sorted, r->ran, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, compare);
        t.median = sorted[half], t.p95 = sorted[most];
    } else {
        uint32_t bins[SK_BINS];
        count(r, n, bins);
        t.median = MIN(ranked(bins, half), t.most), t.p95 = MIN(ranked(bins, most), t.most);
    }
    return t;
}
