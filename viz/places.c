/* places.c -- see places.h. */
#include "places.h"

#include <string.h>

#include "grow.h"

/* ---- Sums ------------------------------------------------------------------------------------------------------------------------------ */

static void add(sk_sums *s, sk_step k, uint64_t amount)
{
    uint32_t n = s->n;
    uint64_t sum = (n ? s->sum[n - 1] : 0) + amount;
    *SK_GROW(s->at, n) = k;
    *SK_GROW(s->sum, s->n) = sum;
}

uint32_t sk_sums_count(const sk_sums *s, sk_step k) { return sk_steps_until(s->at, s->n, k); }

uint64_t sk_sums_at(const sk_sums *s, sk_step k)
{
    uint32_t n = sk_sums_count(s, k);
    return n ? s->sum[n - 1] : 0;
}

static void clear_sums(sk_sums *s)
{
    g_free(s->at);
    g_free(s->sum);
}

/* ---- Copies ---------------------------------------------------------------------------------------------------------------------------- */

/* The first in order[] that does not come before this node. */
static uint32_t order_at(const sk_places *s, uint32_t node)
{
    uint32_t low = 0, high = s->nnodes;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->nodes[s->order[middle]].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t store_index(sk_places *s, uint32_t node, sk_step k)
{
    uint32_t i = sk_trace_ids_find(&s->of, node), n = s->nnodes;
    if (i != SK_NO_INDEX)
        return i;
    uint32_t at = order_at(s, node);
    if (n >= (at < n ? SK_PLACES_MANY : SK_PLACES_MOST))
        return s->order[MIN(at, n - 1)];
    i = sk_trace_ids_add(&s->of, node);
    (void)SK_GROW(s->order, n);
    *SK_GROW(s->nodes, s->nnodes) = (sk_place){ .node = node, .since = k, .here = SK_NO_INDEX };
    memmove(s->order + at + 1, s->order + at, (size_t)(i - at) * sizeof *s->order);
    s->order[at] = i;
    return i;
}

static sk_place *store_of(sk_places *s, uint32_t node, sk_step k)
{
    uint32_t i = store_index(s, node, k); /* may move nodes[] */
    return &s->nodes[i];
}

static sk_step end_of(const sk_places *s, uint32_t copy) { return s->nodes[s->copies[copy].store].spans.end[0][s->copies[copy].place]; }

static void open_copy(sk_places *s, const sk_model *m, uint32_t object, uint32_t store, sk_step k, bool lost)
{
    while (s->nobjects <= object)
        *SK_GROW(s->of_object, s->nobjects) = (sk_copies){ SK_NO_INDEX, { SK_NO_INDEX, SK_NO_INDEX } };
    uint32_t pair = sk_trace_ids_add(&s->pairs, (uint64_t)object << 32 | store), new = s->ncopies;
    if (pair == s->npairs)
        *SK_GROW(s->newest, s->npairs) = new;
    else if (end_of(s, s->newest[pair]) == SK_NEVER)
        return;
    sk_place *n = &s->nodes[store];
    sk_copies *o = &s->of_object[object];
    uint32_t place = sk_spans_add(&n->spans, k, SK_NEVER);
    s->newest[pair] = new;
    *SK_GROW(n->copies, n->ncopies) = new;
    *SK_GROW(s->copies, s->ncopies) = (sk_copy){ object, store, place, o->last, o->there[lost], n->here, lost };
    o->last = o->there[lost] = new;
    if (lost)
        return;
    n->here = new;
    add(&n->came, k, m->objects[object].bytes);
}

static void close_copy(sk_places *s, const sk_model *m, uint32_t copy, sk_step k)
{
    sk_place *n = &s->nodes[s->copies[copy].store];
    if (end_of(s, copy) != SK_NEVER)
        return;
    sk_spans_end(&n->spans, s->copies[copy].place, k);
    if (!s->copies[copy].lost)
        add(&n->went, k, m->objects[s->copies[copy].object].bytes);
}

/* The marks of an object that is lost, or its copies. */
static void close_all(sk_places *s, const sk_model *m, uint32_t object, sk_step k, bool lost)
{
    if (object >= s->nobjects)
        return;
    for (uint32_t c = s->of_object[object].there[lost]; c != SK_NO_INDEX; c = s->copies[c].also)
        close_copy(s, m, c, k);
    s->of_object[object].there[lost] = SK_NO_INDEX;
}

/* Where its bytes came to be: where its task, or who put it, was then. */
static uint32_t home(sk_places *s, const sk_model *m, uint32_t object, sk_step k)
{
    const sk_model_object *o = &m->objects[object];
    uint32_t task = o->producer != SK_NO_INDEX ? o->producer : o->maker;
    uint32_t slice = task != SK_NO_INDEX ? sk_model_slice_of(m, task, k) : SK_NO_INDEX;
    if (slice != SK_NO_INDEX)
        return store_index(s, m->workers[m->slices[slice].worker].node, k);
    return s->nnodes ? s->order[0] : store_index(s, 0, k);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------------------------------ */

static void object_step(sk_places *s, const sk_model *m, const sk_model_event *e, sk_step k)
{
    uint64_t bytes = m->objects[e->index].bytes, most = s->largest.n ? s->largest.sum[s->largest.n - 1] : 0;
    if (e->to == SK_OBJECT_READY) {
        if (bytes > most)
            add(&s->largest, k, bytes - most);
        close_all(s, m, e->index, k, true);
        open_copy(s, m, e->index, home(s, m, e->index, k), k, false);
    } else if (e->to == SK_OBJECT_FREED) {
        close_all(s, m, e->index, k, true);
        close_all(s, m, e->index, k, false);
    } else if ((e->to == SK_OBJECT_MISSING || e->to == SK_OBJECT_FAILED) && e->index < s->nobjects && s->of_object[e->index].last != SK_NO_INDEX) {
        close_all(s, m, e->index, k, false);
        open_copy(s, m, e->index, s->copies[s->of_object[e->index].last].store, k, true);
    }
}

static void task_step(sk_places *s, const sk_model *m, const sk_model_event *e, sk_step k)
{
    uint32_t was = sk_model_slice_of(m, e->index, k - 1), is = sk_model_slice_of(m, e->index, k);
    if (was != SK_NO_INDEX && was < s->nplace && m->slices[was].end == k) {
        uint32_t w = m->slices[was].worker;
        sk_spans_end(&s->workers[w], s->place[was], k);
        if (!m->slices[was].blocked)
            add(&store_of(s, m->workers[w].node, k)->rested, k, 1);
    }
    if (is != was && is == s->nplace) { /* they begin in order */
        uint32_t w = m->slices[is].worker;
        *SK_GROW(s->place, s->nplace) = sk_spans_add(&s->workers[w], k, SK_NEVER);
        if (!m->slices[is].blocked)
            add(&store_of(s, m->workers[w].node, k)->ran, k, 1);
    }
}

static void node_step(sk_places *s, const sk_model *m, const sk_model_event *e, sk_step k)
{
    const sk_model_node *life = &m->nodes[e->index];
    sk_place *n = store_of(s, life->node, k);
    if (e->to == SK_NODE_ALIVE) {
        add(&n->up, k, life->workers);
        *SK_GROW(n->lives, n->nlives) = e->index;
        return;
    }
    add(&n->down, k, n->up.n > n->down.n ? life->workers : 0);
    for (uint32_t c = n->here; c != SK_NO_INDEX; c = s->copies[c].here)
        close_copy(s, m, c, k);
    n->here = SK_NO_INDEX;
}

void sk_places_follow(sk_places *s, const sk_model *m)
{
    while (s->nworkers < m->nworkers)
        memset(SK_GROW(s->workers, s->nworkers), 0, sizeof *s->workers);
    for (; s->steps < m->nsteps; s->steps++) {
        const sk_model_event *e = &m->events[s->steps];
        sk_step k = s->steps + 1;
        if (e->index == SK_NO_INDEX)
            continue;
        switch (e->type) {
        case SK_TRACE_TASK: task_step(s, m, e, k); break;
        case SK_TRACE_OBJECT: object_step(s, m, e, k); break;
        case SK_TRACE_NODE: node_step(s, m, e, k); break;
        case SK_TRACE_TRANSFER: open_copy(s, m, m->transfers[e->index].object, store_index(s, m->transfers[e->index].to, k), k, false); break;
        default: break;
        }
    }
}

void sk_places_clear(sk_places *s)
{
    for (uint32_t i = 0; i < s->nnodes; i++) {
        sk_place *n = &s->nodes[i];
        sk_sums *sums[] = { &n->up, &n->down, &n->ran, &n->rested, &n->came, &n->went };
        for (unsigned k = 0; k < G_N_ELEMENTS(sums); k++)
            clear_sums(sums[k]);
        sk_spans_clear(&n->spans);
        g_free(n->copies);
        g_free(n->lives);
    }
    for (uint32_t i = 0; i < s->nworkers; i++)
        sk_spans_clear(&s->workers[i]);
    sk_trace_ids_clear(&s->of);
    sk_trace_ids_clear(&s->pairs);
    clear_sums(&s->largest);
    void *arrays[] = { s->nodes, s->order, s->copies, s->of_object, s->newest, s->workers, s->place };
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_free(arrays[i]);
    *s = (sk_places){ 0 };
}

/* ---- Asking ------------------------------------------------------------------------------------------------------------------------------ */

sk_node_is sk_places_node(const sk_place *n, sk_step k)
{
    if (n->since > k)
        return SK_NODE_IS_NOT;
    return !n->down.n || sk_sums_count(&n->up, k) > sk_sums_count(&n->down, k) ? SK_NODE_IS_UP : SK_NODE_IS_DOWN;
}

uint32_t sk_places_copies(const sk_places *s, uint32_t object, sk_step k)
{
    enum { MOST = 16, LOOKED_AT = 256 };
    uint32_t found = 0, looked = 0;
    for (uint32_t c = object < s->nobjects ? s->of_object[object].last : SK_NO_INDEX; c != SK_NO_INDEX && found < MOST && looked < LOOKED_AT;
         c = s->copies[c].before, looked++)
        found += !s->copies[c].lost && s->nodes[s->copies[c].store].spans.begin[s->copies[c].place] <= k && end_of(s, c) > k;
    return found;
}

uint32_t sk_places_spill(const sk_places *s, const sk_model *m, uint32_t copy, sk_step k)
{
    const sk_copy *c = &s->copies[copy];
    const sk_place *n = &s->nodes[c->store];
    uint32_t spill = c->lost ? SK_NO_INDEX : sk_model_spill_of(m, c->object, k);
    /* one from before this copy came was of another, that is gone with its node */
    return spill != SK_NO_INDEX && m->spills[spill].node == n->node && m->spills[spill].out >= n->spans.begin[c->place] ? spill : SK_NO_INDEX;
}

uint32_t sk_places_slice(const sk_places *s, const sk_model *m, uint32_t worker, sk_step k, uint32_t *blocked)
{
    enum { DEEPEST = 64 };
    const sk_model_worker *w = &m->workers[worker];
    uint32_t found = SK_NO_INDEX;
    *blocked = 0;
    for (uint32_t i = s->workers[worker].n, tried = 0; tried < DEEPEST && (i = sk_spans_open(&s->workers[worker], i, k)) != SK_NO_INDEX; tried++) {
        uint32_t slice = w->slices[i];
        *blocked += m->slices[slice].blocked;
        if (found == SK_NO_INDEX || (m->slices[found].blocked && !m->slices[slice].blocked))
            found = slice;
    }
    return found;
}
