/* stats.c -- see stats.h. Reading order: 1 bins; 2 runs; 3 where the time went; 4 asking. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "spans.h"

enum { EVERY = 4096, EXACT = 512, STEPS = 64 };

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

/* ---- 3. Where the time went ------------------------------------------------------------------------------------------------------------ */

/* In a damaged log the times are anything: then it is wrong, but defined. */
static void add(int64_t *sum, int64_t n, int64_t ns) { *sum = (int64_t)((uint64_t)*sum + (uint64_t)n * (uint64_t)ns); }

/* So much time passes while it is as it is. */
static void pass(sk_where_check *c, uint32_t moving, int64_t ns)
{
    int64_t compute = MIN(c->workers, c->running), rest = c->workers - compute;
    int64_t transfer = MIN(rest, moving), scheduling = MIN(rest - transfer, c->ready);
    ns = MAX(ns, 0);
    add(&c->sums.all, c->workers, ns);
    add(&c->sums.compute, compute, ns);
    add(&c->sums.transfer, transfer, ns);
    add(&c->sums.scheduling, scheduling, ns);
    add(&c->sums.idle, rest - transfer - scheduling, ns);
    add(&c->sums.beyond, c->running - compute, ns);
}

/* Takes in the change of step k. */
static void change(sk_where_check *c, const sk_model *m, sk_step k)
{
    const sk_model_event *e = &m->events[k - 1];
    if (e->type == SK_TRACE_TASK) {
        c->running += (uint32_t)(e->to == SK_TASK_RUNNING) - (uint32_t)(e->from == SK_TASK_RUNNING);
        c->ready += (uint32_t)(e->to == SK_TASK_READY) - (uint32_t)(e->from == SK_TASK_READY);
    } else if (e->type == SK_TRACE_NODE && e->from != e->to) {
        uint32_t workers = m->nodes[e->index].workers;
        c->workers = e->to == SK_NODE_ALIVE ? (c->named ? c->workers : 0) + workers : c->workers - MIN(c->workers, workers);
        c->named = true;
    }
    while (c->seen < m->nworkers && m->workers[c->seen].since <= k) /* of a log that names no nodes: those who have worked */
        c->workers += !c->named, c->seen++;
}

static uint32_t begun(const sk_run_stats *s, sk_step k) { return sk_steps_until(s->begins, s->nbegins, k); }

static uint32_t over(const sk_model *m, sk_step k)
{
    uint32_t low = 0, high = m->ntransfers;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->transfers[middle].end <= k)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* From what was after step `from` to what is after step `to`. */
static void walk(const sk_run_stats *s, const sk_model *m, sk_where_check *c, sk_step from, sk_step to)
{
    uint32_t begins = begun(s, from), ends = over(m, from);
    for (sk_step k = from + 1; k <= to; k++) {
        pass(c, begins - MIN(ends, begins), m->events[k - 1].ns - sk_model_ns(m, k - 1));
        change(c, m, k);
        while (begins < s->nbegins && s->begins[begins] <= k)
            begins++;
        while (ends < m->ntransfers && m->transfers[ends].end <= k)
            ends++;
    }
}

static int by_step(const void *a, const void *b)
{
    sk_step x = *(const sk_step *)a, y = *(const sk_step *)b;
    return (x > y) - (x < y);
}

/* begins[] is in order up to `sorted`: puts the others among those. */
static void merge_begins(sk_run_stats *s, uint32_t sorted)
{
    uint32_t n = s->nbegins - sorted, to = s->nbegins;
    g_autofree sk_step *new = g_memdup2(s->begins + sorted, (gsize)n * sizeof *new);
    qsort(new, n, sizeof *new, by_step);
    while (n)
        s->begins[--to] = sorted && s->begins[sorted - 1] > new[n - 1] ? s->begins[--sorted] : new[--n];
}

/* A transfer is told of when it has ended: what was reckoned since it began is done again. */
static void follow_transfers(sk_run_stats *s, const sk_model *m)
{
    uint32_t sorted = s->nbegins;
    for (; s->ntransfers < m->ntransfers; s->ntransfers++) {
        const sk_model_transfer *t = &m->transfers[s->ntransfers];
        sk_step begin = t->end - t->begin > SK_STATS_BACK ? t->end - SK_STATS_BACK : t->begin;
        *SK_GROW(s->begins, s->nbegins) = begin;
        s->nchecks = MIN(s->nchecks, begin / STEPS + 1);
    }
    if (s->nbegins > sorted)
        merge_begins(s, sorted);
}

void sk_run_stats_follow(sk_run_stats *s, const sk_model *m)
{
    while (s->nfns < m->nfns + 1)
        memset(SK_GROW(s->fns, s->nfns), 0, sizeof *s->fns);
    for (; s->steps < m->nsteps; s->steps++) {
        const sk_model_event *e = &m->events[s->steps];
        if (e->type == SK_TRACE_TASK && e->index != SK_NO_INDEX)
            task_step(s, m, e, s->steps + 1);
    }
    follow_transfers(s, m);
    if (!s->nchecks)
        *SK_GROW(s->checks, s->nchecks) = (sk_where_check){ 0 };
    while (s->nchecks * STEPS <= m->nsteps) {
        sk_where_check c = s->checks[s->nchecks - 1];
        walk(s, m, &c, (s->nchecks - 1) * STEPS, s->nchecks * STEPS);
        *SK_GROW(s->checks, s->nchecks) = c;
    }
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
    g_free(s->begins);
    g_free(s->checks);
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

sk_where sk_run_stats_where(const sk_run_stats *s, const sk_model *m, sk_step k, int64_t ns)
{
    k = MIN(k, m->nsteps);
    uint32_t at = MIN(k / STEPS, s->nchecks - 1);
    sk_where_check c = s->checks[at];
    walk(s, m, &c, at * STEPS, k);
    pass(&c, begun(s, k) - MIN(over(m, k), begun(s, k)), k ? ns - sk_model_ns(m, k) : 0);
    return c.sums;
}
