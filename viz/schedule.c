/* schedule.c -- see schedule.h. Reading order: 1 a heap; 2 who comes after whom; 3 the simulation. */
#include "schedule.h"

#include <stdlib.h>

#include "grow.h"

/* ---- 1. A heap: the least (key, node) first ---------------------------------------------------------------------------------------------- */

typedef struct item { int64_t key; uint32_t node; uint8_t what; } item;
typedef struct heap { item *at; uint32_t n; } heap;

static bool before(item a, item b) { return a.key < b.key || (a.key == b.key && a.node < b.node); }

static void push(heap *h, item new)
{
    uint32_t i = h->n;
    (void)SK_GROW(h->at, h->n);
    for (; i && before(new, h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = new;
}

static item pop(heap *h)
{
    item first = h->at[0], last = h->at[--h->n];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < h->n; i = child) {
        child += child + 1 < h->n && before(h->at[child + 1], h->at[child]);
        if (!before(h->at[child], last))
            break;
        h->at[i] = h->at[child];
    }
    h->at[i] = last;
    return first;
}

/* ---- 2. Who comes after whom. Nodes: the tasks, then the driver's waits, which take no time and no worker -------------------------------------- */

typedef enum sort { AFTER_START, AFTER_DONE, HOLDS } sort; /* HOLDS: `to` is not done before `from` is */
typedef struct edge { uint32_t from, to; int64_t delay; sort sort; } edge;
typedef struct plan {
    const sk_model *m;
    edge *edges;
    uint32_t nedges, nnodes;
    uint32_t *first;              /* of the edges from a node, once they are sorted */
    uint32_t *needs, *holds;      /* so many are still to come before it can start; before it is done */
    heap ready, events;           /* what may start; what will happen: AFTER_START (a need is met), AFTER_DONE (it has run) */
    unsigned free;                /* workers */
    int64_t now;
} plan;

static void add(plan *p, uint32_t from, uint32_t to, sort sort, int64_t delay)
{
    *SK_GROW(p->edges, p->nedges) = (edge){ from, to, delay, sort };
    ++*(sort == HOLDS ? &p->holds[to] : &p->needs[to]);
}

/* Whatever was there when the wait ended. */
static void add_wait(plan *p, const sk_model_wait *w, uint32_t to, sort sort)
{
    for (uint32_t i = 0; i < w->nawaited; i++) {
        const sk_model_object *o = &p->m->objects[p->m->awaited[w->first_awaited + i]];
        if (o->producer != SK_NO_INDEX && o->producer != to && o->made <= w->end && o->producer < p->m->ntasks)
            add(p, o->producer, to, sort, 0);
    }
}

static int compare(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void connect(plan *p)
{
    const sk_model *m = p->m;
    uint32_t wait = 0, last = SK_NO_INDEX;
    for (uint32_t i = 0; i < m->nwaits; i++)
        if (m->waits[i].task != SK_NO_INDEX)
            add_wait(p, &m->waits[i], m->waits[i].task, HOLDS);
    for (uint32_t i = 0; i < m->ntasks; i++) {
        const sk_model_task *t = &m->tasks[i];
        for (unsigned d = 0; d < t->ndeps; d++)
            if (m->objects[m->deps[t->first_dep + d]].producer < i)
                add(p, m->objects[m->deps[t->first_dep + d]].producer, i, AFTER_DONE, 0);
        if (t->parent != SK_NO_INDEX && t->parent < i) {
            add(p, t->parent, i, AFTER_START, sk_model_run_ns(m, t->parent, t->submitted, sk_model_ns(m, t->submitted)));
            continue;
        }
        for (; wait < m->nwaits && m->waits[wait].begin < t->submitted; wait++) {
            if (m->waits[wait].task != SK_NO_INDEX || m->waits[wait].end > t->submitted)
                continue;
            if (last != SK_NO_INDEX)
                add(p, last, m->ntasks + wait, AFTER_DONE, 0);
            add_wait(p, &m->waits[wait], last = m->ntasks + wait, AFTER_DONE);
        }
        if (last != SK_NO_INDEX)
            add(p, last, i, AFTER_DONE, 0);
    }
    if (p->nedges)
        qsort(p->edges, p->nedges, sizeof *p->edges, compare);
    for (uint32_t node = 0, e = 0; node <= p->nnodes; node++) {
        while (e < p->nedges && p->edges[e].from < node)
            e++;
        p->first[node] = e;
    }
}

/* ---- 3. The simulation ------------------------------------------------------------------------------------------------------------------ */

static void meet(plan *p, uint32_t node);

static void is_done(plan *p, uint32_t node)
{
    for (uint32_t e = p->first[node]; e < p->first[node + 1]; e++) {
        const edge *it = &p->edges[e];
        if (it->sort == AFTER_DONE)
            push(&p->events, (item){ p->now, it->to, AFTER_START });
        else if (it->sort == HOLDS && --p->holds[it->to] == 0)
            is_done(p, it->to);
    }
}

/* One thing less to wait for. */
static void meet(plan *p, uint32_t node)
{
    if (--p->needs[node])
        return;
    if (node < p->m->ntasks)
        push(&p->ready, (item){ node, node, 0 });
    else
        is_done(p, node);
}

static void start(plan *p, uint32_t task)
{
    int64_t run = sk_model_run_ns(p->m, task, p->m->nsteps, p->m->last);
    p->free--;
    push(&p->events, (item){ p->now + run, task, AFTER_DONE });
    for (uint32_t e = p->first[task]; e < p->first[task + 1]; e++)
        if (p->edges[e].sort == AFTER_START)
            push(&p->events, (item){ p->now + MIN(p->edges[e].delay, run), p->edges[e].to, AFTER_START });
}

int64_t sk_schedule_estimate(const sk_model *m, unsigned workers)
{
    if (!m->ntasks || m->ntasks > SK_SCHEDULE_MOST || !workers)
        return -1;
    plan p = { .m = m, .nnodes = m->ntasks + m->nwaits, .free = workers };
    p.first = g_new0(uint32_t, (gsize)p.nnodes + 1);
    p.needs = g_new0(uint32_t, p.nnodes);
    p.holds = g_new0(uint32_t, p.nnodes);
    for (uint32_t i = 0; i < p.nnodes; i++)
        p.needs[i] = p.holds[i] = 1; /* that we begin; that it has run */
    connect(&p);
    for (uint32_t i = 0; i < p.nnodes; i++)
        meet(&p, i);
    for (;;) {
        while (p.events.n && p.events.at[0].key <= p.now) {
            item e = pop(&p.events);
            if (e.what == AFTER_START) {
                meet(&p, e.node);
            } else {
                p.free++;
                if (--p.holds[e.node] == 0)
                    is_done(&p, e.node);
            }
        }
        while (p.free && p.ready.n)
            start(&p, pop(&p.ready).node);
        if (!p.events.n)
            break;
        p.now = p.events.at[0].key;
    }
    void *arrays[] = { p.edges, p.first, p.needs, p.holds, p.ready.at, p.events.at };
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_free(arrays[i]);
    return p.now;
}
