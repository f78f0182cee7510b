/* spent.c -- see spent.h. One sweep over the events; transfers are told of when they end, so their beginnings are sorted first. */
#include "spent.h"

#include <stdlib.h>

#include <glib.h>

typedef struct sweep {
    const sk_model *m;
    sk_spent spent;
    int64_t at; /* all before this time has been counted */
    uint32_t running, ready, flying, workers;
    int64_t *departs; /* when transfers begin, sorted */
    uint32_t next;
} sweep;

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* A damaged log may have times beyond all measure. */
static void add(int64_t *sum, int64_t ns, uint32_t times)
{
    int64_t more;
    if (__builtin_mul_overflow(ns, (int64_t)times, &more) || __builtin_add_overflow(*sum, more, sum))
        *sum = INT64_MAX;
}

/* It has been like this since `at`, and is until ns. */
static void count(sweep *s, int64_t ns)
{
    int64_t stretch = MIN(ns, s->spent.to) - MAX(s->at, s->spent.from);
    s->at = MAX(s->at, ns);
    if (stretch <= 0)
        return;
    uint32_t compute = MIN(s->running, s->workers), rest = s->workers - compute, transfer = MIN(rest, s->flying);
    uint32_t scheduling = MIN(rest - transfer, s->ready), idle = rest - transfer - scheduling;
    add(&s->spent.all, stretch, s->workers);
    add(&s->spent.compute, stretch, compute);
    add(&s->spent.transfer, stretch, transfer);
    add(&s->spent.scheduling, stretch, scheduling);
    add(&s->spent.idle, stretch, idle);
}

static void take(sweep *s, const sk_model_event *e)
{
    for (; s->next < s->m->ntransfers && s->departs[s->next] <= e->ns; s->next++) {
        count(s, s->departs[s->next]);
        s->flying++;
    }
    count(s, e->ns);
    if (e->type == SK_TRACE_TASK || e->type == SK_TRACE_TASK_NEW) {
        s->running += (uint32_t)(e->to == SK_TASK_RUNNING) - (uint32_t)(e->from == SK_TASK_RUNNING);
        s->ready += (uint32_t)(e->to == SK_TASK_READY) - (uint32_t)(e->from == SK_TASK_READY);
    } else if (e->type == SK_TRACE_TRANSFER) {
        s->flying--;
    } else if (e->type == SK_TRACE_NODE) {
        uint32_t n = s->m->nodes[e->index].workers;
        if (e->to == SK_NODE_ALIVE && e->from != SK_NODE_ALIVE)
            s->workers += n;
        else if (e->to != SK_NODE_ALIVE && e->from == SK_NODE_ALIVE)
            s->workers -= MIN(n, s->workers);
        s->spent.workers = MAX(s->spent.workers, s->workers);
    }
}

/* From the first submission to the last end, or to the last event if some have not ended. */
static void find_makespan(const sk_model *m, sk_spent *spent)
{
    sk_step last = 0;
    spent->from = m->ntasks ? INT64_MAX : m->first;
    for (uint32_t i = 0; i < m->ntasks; i++) {
        spent->from = MIN(spent->from, sk_model_ns(m, m->tasks[i].submitted));
        last = MAX(last, m->tasks[i].ended);
    }
    spent->to = m->ntasks ? sk_model_ns(m, last) : spent->from; /* SK_NEVER, of one that has not ended, is the last step */
}

sk_spent sk_spent_of(const sk_model *m)
{
    sweep s = { .m = m, .at = m->first };
    find_makespan(m, &s.spent);
    s.departs = g_new(int64_t, (gsize)m->ntransfers + 1);
    for (uint32_t i = 0; i < m->ntransfers; i++)
        s.departs[i] = sk_model_ns(m, m->transfers[i].end) - m->transfers[i].took;
    qsort(s.departs, m->ntransfers, sizeof *s.departs, by_time);
    if (!m->nnodes) /* a damaged log: those that ran something */
        s.workers = s.spent.workers = m->nworkers;
    for (sk_step k = 0; k < m->nsteps; k++)
        take(&s, &m->events[k]);
    g_free(s.departs);
    return s.spent;
}
