/* spent.c -- see spent.h. Reading order: 1 time that passes; 2 what changes; 3 from step to step; 4 transfers, whose beginnings are put in order;
 * 5 following and asking. */
#include "spent.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

enum { STEPS = 64 };

/* What is so at some time. */
typedef struct sweep {
    const sk_spent_fold *fold;
    sk_spent_check c;
    int64_t at;         /* all before has been counted */
    uint32_t begun, over; /* transfers that have begun, and that have ended, by then */
} sweep;

/* ---- 1. Time that passes --------------------------------------------------------------------------------------------------------------- */

/* A damaged log may have times beyond all measure. */
static void add(int64_t *sum, int64_t ns, int64_t times)
{
    int64_t more;
    if (__builtin_mul_overflow(ns, times, &more) || __builtin_add_overflow(*sum, more, sum))
        *sum = INT64_MAX;
}

static void add_all(sk_spent *to, const sk_spent *s)
{
    add(&to->all, s->all, 1);
    add(&to->compute, s->compute, 1);
    add(&to->transfer, s->transfer, 1);
    add(&to->scheduling, s->scheduling, 1);
    add(&to->idle, s->idle, 1);
    add(&to->beyond, s->beyond, 1);
}

/* It has been like this since `at`, and is until ns. */
static void stretch(sweep *s, int64_t ns)
{
    sk_spent_check *c = &s->c;
    int64_t passed = ns - s->at;
    if (passed <= 0)
        return;
    s->at = ns;
    if (!c->begun)
        return;
    uint32_t compute = MIN(c->workers, c->running), rest = c->workers - compute;
    uint32_t transfer = MIN(rest, s->begun - MIN(s->over, s->begun)), scheduling = MIN(rest - transfer, c->ready);
    sk_spent *to = c->open ? &c->sums : &c->after;
    add(&to->all, passed, c->workers);
    add(&to->compute, passed, compute);
    add(&to->transfer, passed, transfer);
    add(&to->scheduling, passed, scheduling);
    add(&to->idle, passed, rest - transfer - scheduling);
    add(&to->beyond, passed, c->running - compute);
    if (c->open)
        c->sums.to = ns;
}

static void pass_to(sweep *s, int64_t ns)
{
    for (; s->begun < s->fold->nbegins && s->fold->begins[s->begun] <= ns; s->begun++)
        stretch(s, s->fold->begins[s->begun]);
    stretch(s, ns);
}

/* ---- 2. What changes ------------------------------------------------------------------------------------------------------------------- */

static bool is_open(unsigned state) { return state > SK_TASK_NONE && state < SK_TASK_DONE; }

static void task_changes(sk_spent_check *c, const sk_model_event *e)
{
    if (e->from == e->to)
        return;
    if (!c->begun)
        c->sums.from = e->ns;
    c->begun = true;
    add_all(&c->sums, &c->after);
    memset(&c->after, 0, sizeof c->after);
    c->sums.to = e->ns;
    c->running += (uint32_t)(e->to == SK_TASK_RUNNING) - (uint32_t)(e->from == SK_TASK_RUNNING);
    c->ready += (uint32_t)(e->to == SK_TASK_READY) - (uint32_t)(e->from == SK_TASK_READY);
    c->open += (uint32_t)is_open(e->to) - (uint32_t)is_open(e->from);
}

/* Takes in the change of step k. */
static void change(sk_spent_check *c, const sk_model *m, sk_step k)
{
    const sk_model_event *e = &m->events[k - 1];
    if (e->type == SK_TRACE_TASK || e->type == SK_TRACE_TASK_NEW) {
        task_changes(c, e);
    } else if (e->type == SK_TRACE_NODE && e->from != e->to) {
        uint32_t workers = m->nodes[e->index].workers;
        c->workers = e->to == SK_NODE_ALIVE ? (c->named ? c->workers : 0) + workers : c->workers - MIN(c->workers, workers);
        c->named = true;
    }
    for (; c->seen < m->nworkers && m->workers[c->seen].since <= k; c->seen++)
        c->workers += !c->named;
    c->sums.workers = MAX(c->sums.workers, c->workers);
}

/* ---- 3. From step to step -------------------------------------------------------------------------------------------------------------- */

static uint32_t begun_until(const sk_spent_fold *f, int64_t ns)
{
    uint32_t low = 0, high = f->nbegins;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->begins[middle] <= ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t over_until(const sk_model *m, sk_step k)
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

/* What is so after step `from`, which `c` says, and on to what is so after step `to`. */
static sweep walk(const sk_spent_fold *f, const sk_model *m, const sk_spent_check *c, sk_step from, sk_step to)
{
    int64_t ns = sk_model_ns(m, from);
    sweep s = { f, *c, ns, begun_until(f, ns), over_until(m, from) };
    for (sk_step k = from + 1; k <= to; k++) {
        pass_to(&s, m->events[k - 1].ns);
        change(&s.c, m, k);
        while (s.over < m->ntransfers && m->transfers[s.over].end <= k)
            s.over++;
    }
    return s;
}

/* ---- 4. Transfers ---------------------------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* begins[] is in order up to `sorted`: puts the others among those. */
static void merge_begins(sk_spent_fold *f, uint32_t sorted)
{
    uint32_t n = f->nbegins - sorted, to = f->nbegins;
    g_autofree int64_t *new = g_memdup2(f->begins + sorted, (gsize)n * sizeof *new);
    qsort(new, n, sizeof *new, by_time);
    while (n)
        f->begins[--to] = sorted && f->begins[sorted - 1] > new[n - 1] ? f->begins[--sorted] : new[--n];
}

/* What was reckoned since the first of the new ones began is done again. */
static void follow_transfers(sk_spent_fold *f, const sk_model *m)
{
    uint32_t sorted = f->nbegins;
    int64_t first = INT64_MAX;
    for (; f->ntransfers < m->ntransfers; f->ntransfers++) {
        const sk_model_transfer *t = &m->transfers[f->ntransfers];
        int64_t begin = sk_model_ns(m, t->end) - t->took;
        if (t->end > SK_SPENT_BACK)
            begin = MAX(begin, sk_model_ns(m, t->end - SK_SPENT_BACK));
        *SK_GROW(f->begins, f->nbegins) = begin;
        first = MIN(first, begin);
    }
    if (f->nbegins == sorted)
        return;
    f->nchecks = MIN(f->nchecks, sk_model_step_at(m, first) / STEPS + 1);
    merge_begins(f, sorted);
}

/* ---- 5. Following and asking ----------------------------------------------------------------------------------------------------------- */

void sk_spent_follow(sk_spent_fold *f, const sk_model *m)
{
    follow_transfers(f, m);
    if (!f->nchecks)
        *SK_GROW(f->checks, f->nchecks) = (sk_spent_check){ 0 };
    while (f->nchecks * STEPS <= m->nsteps) {
        sweep s = walk(f, m, &f->checks[f->nchecks - 1], (f->nchecks - 1) * STEPS, f->nchecks * STEPS);
        *SK_GROW(f->checks, f->nchecks) = s.c;
    }
}

void sk_spent_clear(sk_spent_fold *f)
{
    g_free(f->begins);
    g_free(f->checks);
    *f = (sk_spent_fold){ 0 };
}

static sk_spent answer(const sk_model *m, const sweep *s)
{
    sk_spent spent = s->c.sums;
    spent.open = s->c.open > 0;
    if (!s->c.begun)
        spent.from = spent.to = m->first;
    return spent;
}

sk_spent sk_spent_at(const sk_spent_fold *f, const sk_model *m, sk_step k, int64_t ns)
{
    k = MIN(k, m->nsteps);
    uint32_t at = MIN(k / STEPS, f->nchecks - 1);
    sweep s = walk(f, m, &f->checks[at], at * STEPS, k);
    if (k)
        pass_to(&s, ns);
    return answer(m, &s);
}

sk_spent sk_spent_of(const sk_model *m)
{
    sk_spent_fold f = { 0 };
    follow_transfers(&f, m);
    sweep s = walk(&f, m, &(sk_spent_check){ 0 }, 0, m->nsteps);
    sk_spent_clear(&f);
    return answer(m, &s);
}
