/* model.c -- making a model: see model.h, section 3; model_load.c makes that of a file.
 *
 * Reading order: 1 text; 2 numbers to indices, stubs for what the log does not introduce; 3 a function per sort of record; 4 steps and
 * tallies; 5 take, new, free. */
#include "model.h"

#include <string.h>

#include "critical.h"
#include "grow.h"
#include "model_own.h"

/* ---- 1. Text -------------------------------------------------------------------------------------------------------------------------- */

const char *sk_model_keep(sk_model *m, const char *text)
{
    const char *p = text;
    while ((unsigned char)*p >= ' ' && (unsigned char)*p < 0x7f)
        p++;
    if (!*p)
        return g_string_chunk_insert_const(m->own->text, text);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (char *q = valid; *q; q++)
        if ((unsigned char)*q < ' ' || *q == 0x7f)
            *q = ' ';
    return g_string_chunk_insert_const(m->own->text, valid);
}

/* ---- 2. Numbers to indices ------------------------------------------------------------------------------------------------------------ */

/* The next step's number: what changes now is so from that step on. */
static sk_step now(const sk_model *m) { return m->nsteps + 1; }

static uint32_t fn_index(sk_model *m, uint32_t number)
{
    uint32_t i = sk_trace_ids_add(&m->own->fns, number);
    if (i == m->nfns)
        *SK_GROW(m->fns, m->nfns) = (sk_model_fn){ "?", "", "?", 0, 0 }; /* its FUNCTION may come later */
    return i;
}

static uint32_t site_index(sk_model *m, uint32_t number)
{
    uint32_t i = sk_trace_ids_add(&m->own->sites, number);
    if (i == m->nsites)
        *SK_GROW(m->sites, m->nsites) = (sk_model_site){ "?", "?", 0 };
    return i;
}

static uint32_t group_index(sk_model *m, uint32_t fn, uint32_t site, uint32_t layer, uint32_t task)
{
    uint32_t band = (uint32_t)g_bit_storage(layer + 1) - 1;
    uint32_t i = sk_trace_ids_add(&m->own->groups, (uint64_t)fn << 37 | (uint64_t)site << 5 | band);
    if (i == m->ngroups) {
        *SK_GROW(m->groups, m->ngroups) = (sk_model_group){ fn, site, band, task, 0 };
        memset(SK_GROW(m->own->group, m->own->ngroup), 0, sizeof(sk_by_state));
        m->nbands = MAX(m->nbands, band + 1);
    }
    return i;
}

/* The first in lanes[] that does not come before this worker. */
static uint32_t lane_at(const sk_model *m, uint32_t node, uint32_t worker)
{
    uint32_t low = 0, high = m->nworkers;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const sk_model_worker *w = &m->workers[m->lanes[middle]];
        if (w->node < node || (w->node == node && w->worker < (int32_t)worker))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t worker_index(sk_model *m, uint32_t node, uint32_t worker)
{
    enum { MANY = 1 << 16 }; /* in any order; no run has more that are not in order, but a log may say so, and each moves the lanes behind it */
    uint64_t number = (uint64_t)node << 32 | worker;
    uint32_t i = sk_trace_ids_find(&m->own->workers, number), n = m->nworkers;
    if (i != SK_NO_INDEX)
        return i;
    uint32_t at = lane_at(m, node, worker);
    if (n >= MANY && at < n)
        return m->lanes[at];
    i = sk_trace_ids_add(&m->own->workers, number);
    (void)SK_GROW(m->lanes, n);
    *SK_GROW(m->workers, m->nworkers) = (sk_model_worker){ .node = node, .worker = (int32_t)worker, .since = now(m), .extra = true };
    memmove(m->lanes + at + 1, m->lanes + at, (size_t)(i - at) * sizeof *m->lanes);
    m->lanes[at] = i;
    return i;
}

/* A task that is new here is a stub until its TASK_NEW comes: in a log that is whole, at once. */
static uint32_t task_index(sk_model *m, uint64_t number)
{
    uint32_t i = sk_trace_ids_add(&m->own->tasks, number);
    if (i == m->ntasks)
        *SK_GROW(m->tasks, m->ntasks) = (sk_model_task){ .number = number, .fn = SK_NO_INDEX, .parent = SK_NO_INDEX, .group = SK_NO_INDEX,
                                                         .first_slice = SK_NO_INDEX, .last_slice = SK_NO_INDEX,
                                                         .submitted = SK_NEVER, .ready = SK_NEVER, .started = SK_NEVER, .ended = SK_NEVER, .changed = SK_NEVER };
    return i;
}

/* Gives a task its place among functions, groups and layers, once. */
static void place(sk_model *m, uint32_t task, uint32_t fn, uint32_t site, uint32_t layer)
{
    sk_model_task *t = &m->tasks[task];
    t->fn = fn;
    t->site = site;
    t->layer = layer;
    t->submitted = t->changed = now(m);
    t->group = group_index(m, fn, site, layer, task);
    m->fns[fn].tasks++;
    m->groups[t->group].tasks++;
    m->nlayers = MAX(m->nlayers, layer + 1);
    if (!t->ndeps)
        return;
    uint32_t last = m->deepest == SK_NO_INDEX ? 0 : m->tasks[m->deepest].layer;
    if (m->deepest == SK_NO_INDEX || layer > last || (layer == last && task < m->deepest))
        *SK_GROW(m->roots, m->nroots) = m->deepest = task;
}

/* A task that something happens to, so there it is. */
static uint32_t known_task(sk_model *m, uint64_t number)
{
    uint32_t i = task_index(m, number);
    if (m->tasks[i].fn == SK_NO_INDEX)
        place(m, i, fn_index(m, 0), 0, 0);
    return i;
}

static sk_model_object *new_object(sk_model *m, uint64_t number)
{
    sk_model_object *o = SK_GROW(m->objects, m->nobjects);
    *o = (sk_model_object){ .number = number, .producer = SK_NO_INDEX, .maker = SK_NO_INDEX, .last_use = SK_NO_INDEX, .last_spill = SK_NO_INDEX,
                            .born = now(m), .made = SK_NEVER, .lost = SK_NEVER, .again = SK_NEVER, .freed = SK_NEVER };
    return o;
}

static uint32_t object_index(sk_model *m, uint64_t number)
{
    uint32_t i = sk_trace_ids_add(&m->own->objects, number);
    if (i == m->nobjects)
        new_object(m, number);
    return i;
}

/* ---- 3. A function per sort of record: each returns the index its event is about ------------------------------------------------------- */

static uint32_t maker_of(const sk_model *m, uint32_t object)
{
    const sk_model_object *o = &m->objects[object];
    return o->producer != SK_NO_INDEX ? o->producer : o->maker;
}

/* Dep number m->ndeps - 1 is of this task: the last in the ring of its object. */
static void use(sk_model *m, uint32_t task, uint32_t object)
{
    uint32_t *last = &m->objects[object].last_use, u = m->nuses;
    uint32_t next = *last == SK_NO_INDEX ? u : m->uses[*last].next; /* before uses[] grows, and moves */
    *SK_GROW(m->uses, m->nuses) = (sk_model_use){ task, next };
    if (*last != SK_NO_INDEX)
        m->uses[*last].next = u;
    *last = u;
}

static uint32_t task_new(sk_model *m, const sk_event *e, sk_model_event *step)
{
    unsigned returns = sk_trace_from(e), deps = sk_trace_to(e);
    uint32_t parent = e->word[2] && e->word[2] != e->word[0] ? known_task(m, e->word[2]) : SK_NO_INDEX;
    uint32_t i = task_index(m, e->word[0]), layer = parent == SK_NO_INDEX ? 0 : m->tasks[parent].layer + 1;
    if (m->tasks[i].fn != SK_NO_INDEX)
        return i; /* a damaged log; what came first counts */
    uint32_t fn = fn_index(m, sk_trace_hi(e->word[1])), site = site_index(m, sk_trace_lo(e->word[1]));
    uint32_t first_object = m->nobjects, first_dep = m->ndeps;
    for (unsigned k = 0; k < returns; k++) {
        uint64_t number = e->word[3 + k];
        if (sk_trace_ids_add(&m->own->objects, number) != m->nobjects) /* damaged too: keep neighbours neighbours, and indices in step */
            sk_trace_ids_add(&m->own->objects, (1ull << 63) + m->nobjects);
        sk_model_object *o = new_object(m, number);
        o->state = SK_OBJECT_PENDING;
        o->producer = i;
        o->site = site;
    }
    for (unsigned k = 0; k < deps; k++) {
        uint32_t object = object_index(m, e->word[3 + returns + k]), maker = maker_of(m, object);
        *SK_GROW(m->deps, m->ndeps) = object;
        use(m, i, object);
        if (maker != SK_NO_INDEX && maker != i && m->tasks[maker].fn != SK_NO_INDEX)
            layer = MAX(layer, m->tasks[maker].layer + 1);
    }
    sk_model_task *t = &m->tasks[i];
    t->parent = parent;
    t->first_object = first_object;
    t->first_dep = first_dep;
    t->nobjects = (uint8_t)returns;
    t->ndeps = (uint8_t)deps;
    t->state = SK_TASK_WAITING;
    place(m, i, fn, site, layer);
    step->to = SK_TASK_WAITING;
    return i;
}

/* At `ns`, which is the time of the step that is being taken.
 *
 * far leads back so that any slice is found in O(log n) steps: over as many as two jumps of the one before, if those are equally long, else over
 * one (Myers, "An applicative random-access stack", 1983). */
static void open_slice(sk_model *m, uint32_t task, uint32_t worker, bool blocked, int64_t ns)
{
    sk_model_task *t = &m->tasks[task];
    uint32_t s = m->nslices;
    sk_model_slice new = { .begin = now(m), .end = SK_NEVER, .task = task, .worker = worker, .before = t->last_slice, .far = s,
                           .attempt = t->attempts, .blocked = blocked, .how = SK_END_OPEN };
    if (t->last_slice == SK_NO_INDEX) {
        t->first_slice = s;
    } else {
        const sk_model_slice *a = &m->slices[new.before], *b = &m->slices[a->far], *c = &m->slices[b->far];
        new.number = a->number + 1;
        new.far = a->number - b->number == b->number - c->number ? b->far : new.before;
        new.ran = a->ran + (a->blocked ? 0 : MAX(0, (a->end == now(m) ? ns : sk_model_ns(m, a->end)) - sk_model_ns(m, a->begin)));
    }
    *SK_GROW(m->slices, m->nslices) = new;
    t->last_slice = s;
    *SK_GROW(m->workers[worker].slices, m->workers[worker].nslices) = s;
}

static void close_slice(sk_model *m, uint32_t task, sk_model_end how)
{
    sk_model_slice *s = m->tasks[task].last_slice == SK_NO_INDEX ? NULL : &m->slices[m->tasks[task].last_slice];
    if (!s || s->how != SK_END_OPEN)
        return;
    s->end = now(m);
    s->how = (uint8_t)how;
}

static uint32_t task_moves(sk_model *m, const sk_event *e, sk_model_event *step)
{
    uint32_t i = known_task(m, e->word[0]);
    sk_model_task *t = &m->tasks[i];
    unsigned to = sk_trace_to(e);
    step->from = t->state;
    step->to = (uint8_t)(to == SK_TASK_NONE ? t->state : to);
    t->ended = SK_NEVER;
    switch (to) {
    case SK_TASK_NONE: return i;
    case SK_TASK_READY:
        if (t->ready == SK_NEVER)
            t->ready = now(m);
        close_slice(m, i, SK_END_RETRIED);
        if (t->state >= SK_TASK_RUNNING && t->state <= SK_TASK_BLOCKED && t->last_slice != SK_NO_INDEX && e->n > 1)
            m->slices[t->last_slice].code = (uint8_t)MIN(e->word[1], 255);
        break;
    case SK_TASK_RUNNING:
        close_slice(m, i, SK_END_GOES_ON);
        if (t->state != SK_TASK_BLOCKED && t->attempts < UINT16_MAX)
            t->attempts++;
        if (t->started == SK_NEVER)
            t->started = now(m);
        open_slice(m, i, worker_index(m, sk_trace_lo(e->word[1]), sk_trace_hi(e->word[1])), false, step->ns);
        break;
    case SK_TASK_BLOCKED: {
        uint32_t worker = t->last_slice == SK_NO_INDEX ? worker_index(m, 0, 0) : m->slices[t->last_slice].worker;
        close_slice(m, i, SK_END_GOES_ON);
        open_slice(m, i, worker, true, step->ns);
        break;
    }
    case SK_TASK_DONE:
    case SK_TASK_FAILED:
    case SK_TASK_CANCELLED:
        close_slice(m, i, to == SK_TASK_DONE ? SK_END_DONE : to == SK_TASK_FAILED ? SK_END_FAILED : SK_END_CANCELLED);
        t->ended = now(m);
        t->code = to == SK_TASK_DONE ? SK_OK : (uint8_t)MIN(e->word[1], 255);
        break;
    }
    t->state = (uint8_t)to;
    t->changed = now(m);
    return i;
}

static void end_spill(sk_model *m, uint32_t object)
{
    uint32_t s = m->objects[object].last_spill;
    if (s != SK_NO_INDEX && m->spills[s].back == SK_NEVER)
        m->spills[s].back = now(m);
}

static uint32_t object_moves(sk_model *m, const sk_event *e, sk_model_event *step)
{
    uint32_t i = object_index(m, e->word[0]);
    unsigned from = sk_trace_from(e), to = sk_trace_to(e);
    const uint64_t *w = e->word + 1, *value = w;
    w += to == SK_OBJECT_READY ? 2 : 0;
    if (from == SK_OBJECT_NONE) { /* a put, or a promise */
        uint32_t site = site_index(m, sk_trace_hi(w[0])), maker = w[1] ? known_task(m, w[1]) : SK_NO_INDEX;
        m->objects[i].site = site;
        m->objects[i].maker = maker;
    }
    sk_model_object *o = &m->objects[i];
    step->from = o->state;
    step->to = (uint8_t)to;
    if (to == SK_OBJECT_READY && o->made == SK_NEVER) {
        o->type = (uint8_t)(value[0] >> 56);
        o->bytes = value[0] & 0xffffffffffffff;
        o->preview = value[1];
        o->made = now(m);
    } else if (to == SK_OBJECT_READY) {
        o->again = now(m);
    } else if (to == SK_OBJECT_MISSING || to == SK_OBJECT_FAILED) {
        o->lost = now(m);
        o->lost_as = (uint8_t)to;
    } else if (to == SK_OBJECT_FREED) {
        o->freed = now(m);
    }
    o->state = (uint8_t)to;
    end_spill(m, i);
    return i;
}

static uint32_t node_moves(sk_model *m, const sk_event *e, sk_model_event *step)
{
    enum { MOST = 1 << 17 }; /* lanes for idle workers, far more than can be seen; those that run something always get one */
    uint32_t node = sk_trace_hi(e->word[0]), workers = sk_trace_lo(e->word[0]);
    bool alive = sk_trace_to(e) == SK_NODE_ALIVE;
    uint32_t i = sk_trace_ids_add(&m->own->nodes, node);
    step->from = (uint8_t)sk_trace_from(e);
    step->to = (uint8_t)sk_trace_to(e);
    if (i == m->own->nlife) {
        (void)SK_GROW(m->own->life, m->own->nlife);
        m->own->life[i].last = SK_NO_INDEX, m->own->life[i].lanes = 0;
    }
    if (alive || m->own->life[i].last == SK_NO_INDEX) {
        m->own->life[i].last = m->nnodes;
        *SK_GROW(m->nodes, m->nnodes) = (sk_model_node){ now(m), SK_NEVER, node, workers };
    }
    if (!alive)
        m->nodes[m->own->life[i].last].dead = now(m);
    for (; alive && m->own->life[i].lanes < workers && m->nworkers < MOST; m->own->life[i].lanes++) {
        uint32_t lane = worker_index(m, node, m->own->life[i].lanes);
        m->workers[lane].extra = false;
    }
    return m->own->life[i].last;
}

/* Who waits: a task, else the driver's thread that has this lane. */
static uint32_t waiting(sk_model *m, const sk_event *e)
{
    uint32_t i = sk_trace_ids_add(&m->own->waiting, e->word[0] ? e->word[0] : (1ull << 63) + e->lane);
    if (i == m->own->nopen)
        *SK_GROW(m->own->open_wait, m->own->nopen) = SK_NO_INDEX;
    return i;
}

static uint32_t wait_begins(sk_model *m, const sk_event *e)
{
    uint32_t task = e->word[0] ? known_task(m, e->word[0]) : SK_NO_INDEX;
    uint32_t object = e->word[3] ? object_index(m, e->word[3]) : SK_NO_INDEX;
    uint32_t site = site_index(m, sk_trace_hi(e->word[2])), who = waiting(m, e);
    m->own->open_wait[who] = m->nwaits;
    if (object != SK_NO_INDEX) /* WAIT_ON says more, if it is for several */
        *SK_GROW(m->awaited, m->nawaited) = object;
    *SK_GROW(m->waits, m->nwaits) = (sk_model_wait){ .begin = now(m), .end = SK_NEVER, .task = task, .site = site, .object = object,
                                                     .wanted = sk_trace_hi(e->word[1]), .given = sk_trace_lo(e->word[1]),
                                                     .how = e->a, .code = SK_TIMEOUT,
                                                     .first_awaited = m->nawaited - (object != SK_NO_INDEX), .nawaited = object != SK_NO_INDEX };
    return m->nwaits - 1;
}

/* No step: a part of the one before. */
static void wait_on(sk_model *m, const sk_event *e)
{
    uint32_t who = waiting(m, e), i = m->own->open_wait[who]; /* who first: it may move open_wait[] */
    if (i == SK_NO_INDEX)
        return;
    m->waits[i].first_awaited = m->nawaited;
    m->waits[i].nawaited = e->n - 1u;
    for (unsigned k = 1; k < e->n; k++) {
        uint32_t object = object_index(m, e->word[k]);
        *SK_GROW(m->awaited, m->nawaited) = object;
    }
}

static uint32_t wait_ends(sk_model *m, const sk_event *e)
{
    uint32_t who = waiting(m, e), i = m->own->open_wait[who];
    m->own->open_wait[who] = SK_NO_INDEX;
    if (i == SK_NO_INDEX)
        return i;
    m->waits[i].end = now(m);
    m->waits[i].ready = (uint32_t)MIN(e->word[1], UINT32_MAX);
    m->waits[i].code = (uint8_t)MIN(e->word[2], 255);
    return i;
}

static uint32_t transfer(sk_model *m, const sk_event *e)
{
    uint32_t object = object_index(m, e->word[0]);
    int64_t took = (int64_t)MIN(e->word[3], (uint64_t)INT64_MAX / 4);
    *SK_GROW(m->transfers, m->ntransfers) = (sk_model_transfer){ sk_model_step_at(m, e->ns - took), now(m), object, sk_trace_hi(e->word[2]),
                                                                 sk_trace_lo(e->word[2]), e->word[1], took };
    return m->ntransfers - 1;
}

/* far is as in open_slice. A step even if it says nothing new: then of the spill that there was, or of none. */
static uint32_t spill(sk_model *m, const sk_event *e, sk_model_event *step)
{
    uint32_t object = object_index(m, e->word[0]), s = m->nspills, before = m->objects[object].last_spill;
    step->to = e->a;
    end_spill(m, object);
    if (e->a)
        return before;
    sk_model_spill new = { .out = now(m), .back = SK_NEVER, .object = object, .node = sk_trace_hi(e->word[2]), .before = before, .far = s,
                           .bytes = e->word[1] };
    if (before != SK_NO_INDEX) {
        const sk_model_spill *a = &m->spills[before], *b = &m->spills[a->far], *c = &m->spills[b->far];
        new.number = a->number + 1;
        new.far = a->number - b->number == b->number - c->number ? b->far : before;
    }
    *SK_GROW(m->spills, m->nspills) = new;
    m->objects[object].last_spill = s;
    return s;
}

static uint32_t says(sk_model *m, const sk_event *e)
{
    bool note = e->type == SK_TRACE_NOTE;
    uint32_t task = note || !e->word[0] ? SK_NO_INDEX : known_task(m, e->word[0]);
    *SK_GROW(m->says, m->nsays) = (sk_model_say){ now(m), task, note, sk_model_keep(m, sk_trace_read_text(e, 0)) };
    return m->nsays - 1;
}

/* What is no step: tables, and facts about the run. */
static void table(sk_model *m, const sk_event *e)
{
    uint32_t number = e->n ? sk_trace_hi(e->word[0]) : 0;
    const char *text[] = { sk_trace_read_text(e, 0), sk_trace_read_text(e, 1), sk_trace_read_text(e, 2) };
    if (e->type == SK_TRACE_FUNCTION) {
        uint32_t i = fn_index(m, number); /* may move fns[] */
        sk_model_fn *fn = &m->fns[i];
        *fn = (sk_model_fn){ *text[0] ? sk_model_keep(m, text[0]) : "?", sk_model_keep(m, text[1]), sk_model_keep(m, text[2]), (int)sk_trace_lo(e->word[0]), fn->tasks };
    } else if (e->type == SK_TRACE_SITE) {
        uint32_t i = site_index(m, number);
        m->sites[i] = (sk_model_site){ sk_model_keep(m, text[0]), sk_model_keep(m, text[1]), (int)sk_trace_lo(e->word[0]) };
    } else if (e->type == SK_TRACE_TASK_ASKS && *text[0]) {
        uint32_t i = known_task(m, e->word[0]);
        m->tasks[i].name = sk_model_keep(m, text[0]);
    } else if (e->type == SK_TRACE_DROPPED) {
        m->dropped += e->word[0];
    } else if (e->type == SK_TRACE_END) {
        m->ended = true;
        m->dropped = MAX(m->dropped, e->word[1]);
    } else if (e->type == SK_TRACE_INFO) {
        const struct { const char *key, **value; } known[] = {
            { "program", &m->program }, { "executable", &m->executable }, { "backend", &m->backend }, { "time", &m->time }, { "error", &m->error }
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
            if (!strcmp(text[0], known[i].key))
                *known[i].value = sk_model_keep(m, text[1]);
    }
}

/* ---- 4. Steps and tallies ------------------------------------------------------------------------------------------------------------- */

void sk_model_tally_step(const sk_model *m, const sk_model_event *e, sk_model_tally *tally, sk_by_state *group)
{
    if (e->type == SK_TRACE_TASK || e->type == SK_TRACE_TASK_NEW) {
        uint32_t g = m->tasks[e->index].group;
        if (e->from != SK_TASK_NONE)
            tally->tasks[e->from]--, group[g][e->from]--;
        if (e->to != SK_TASK_NONE)
            tally->tasks[e->to]++, group[g][e->to]++;
    } else if (e->type == SK_TRACE_OBJECT) {
        bool was = e->from == SK_OBJECT_READY, is = e->to == SK_OBJECT_READY;
        tally->objects += (uint32_t)is - (uint32_t)was;
        tally->bytes += (is ? m->objects[e->index].bytes : 0) - (was ? m->objects[e->index].bytes : 0);
    }
}

static void check(sk_model *m)
{
    struct sk_model_own *own = m->own;
    *SK_GROW(own->checks, own->nchecks) = (sk_model_check){ m->nsteps, own->tally, own->ncheck_group, m->ngroups };
    for (uint32_t g = 0; g < m->ngroups; g++)
        memcpy(SK_GROW(own->check_group, own->ncheck_group), own->group[g], sizeof(sk_by_state));
}

static void take_step(sk_model *m, const sk_event *e)
{
    sk_model_event step = { .ns = MAX(e->ns, m->last), .index = SK_NO_INDEX, .type = e->type };
    if (!m->nsteps)
        step.ns = m->first = e->ns;
    switch (e->type) {
    case SK_TRACE_TASK_NEW: step.index = task_new(m, e, &step); break;
    case SK_TRACE_TASK: step.index = task_moves(m, e, &step); break;
    case SK_TRACE_OBJECT: step.index = object_moves(m, e, &step); break;
    case SK_TRACE_NODE: step.index = node_moves(m, e, &step); break;
    case SK_TRACE_WAIT: step.index = wait_begins(m, e); break;
    case SK_TRACE_WAIT_END: step.index = wait_ends(m, e); break;
    case SK_TRACE_TRANSFER: step.index = transfer(m, e); break;
    case SK_TRACE_SPILL: step.index = spill(m, e, &step); break;
    default: step.index = says(m, e); break;
    }
    sk_model_tally_step(m, &step, &m->own->tally, m->own->group);
    *SK_GROW(m->events, m->nsteps) = step;
    m->last = step.ns;
    /* as many steps as groups at least: else many groups would take memory by the square */
    if (m->nsteps - m->own->checks[m->own->nchecks - 1].step >= MAX((uint32_t)SK_MODEL_CHECK, m->ngroups))
        check(m);
}

/* ---- 5. Take, new, free --------------------------------------------------------------------------------------------------------------- */

void sk_model_take(sk_model *m, const sk_event *e)
{
    switch (e->type) {
    case SK_TRACE_TASK_NEW:
    case SK_TRACE_TASK:
    case SK_TRACE_OBJECT:
    case SK_TRACE_NODE:
    case SK_TRACE_WAIT:
    case SK_TRACE_WAIT_END:
    case SK_TRACE_TRANSFER:
    case SK_TRACE_SPILL:
    case SK_TRACE_SAY:
    case SK_TRACE_NOTE:
        if (m->nsteps < SK_NEVER - 1)
            take_step(m, e);
        break;
    case SK_TRACE_WAIT_ON: wait_on(m, e); break;
    default: table(m, e); break;
    }
}

sk_model *sk_model_new(void)
{
    sk_model *m = g_new0(sk_model, 1);
    m->own = g_new0(struct sk_model_own, 1);
    m->own->text = g_string_chunk_new(4096);
    m->program = m->backend = m->time = "?";
    m->deepest = SK_NO_INDEX;
    site_index(m, 0);
    check(m);
    return m;
}

void sk_model_free(sk_model *m)
{
    if (!m)
        return;
    struct sk_model_own *own = m->own;
    sk_ids *ids[] = { &own->tasks, &own->objects, &own->fns, &own->sites, &own->workers, &own->nodes, &own->groups, &own->waiting };
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++)
        sk_trace_ids_clear(ids[i]);
    for (uint32_t i = 0; i < m->nworkers; i++)
        g_free(m->workers[i].slices);
    void *arrays[] = { m->events, m->tasks, m->objects, m->deps, m->uses, m->slices, m->workers, m->lanes, m->nodes, m->waits, m->awaited, m->transfers, m->spills, m->says,
                       m->fns, m->sites, m->groups, m->roots, own->open_wait, own->life, own->group, own->checks, own->check_group, own->answer, own };
    g_string_chunk_free(own->text);
    sk_critical_free(own->critical);
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_free(arrays[i]);
    g_free(m);
}
