/* critical.c -- see critical.h. Reading order: 1 depths; 2 strands; 3 a step; 4 the path; 5 asking. */
#include "critical.h"

#include "grow.h"
#include "model_own.h"
#include "timeline.h"

enum { MOST_AWAITED = 64 }; /* that a log names of a wait, if it is none made up to keep us busy */

typedef struct sk_critical_walk { /* of each task */
    int64_t depth, since;         /* when it last went on, and the time then */
    int64_t child_depth, ended;   /* the deepest child that ended since the wait began, -1: none; when it ended itself, SK_NO_TIME: not yet */
    uint32_t strand, child_strand; /* SK_NO_INDEX: none. Before it starts: the strand of its parent that submitted it */
    uint32_t wait;                /* in waits[]: the last one */
    bool joined;                  /* that has ended, and the task is after it */
    uint32_t place;               /* in running[]; SK_NO_INDEX: it does not run */
    uint32_t on;                  /* where it is first in path[], if that is still so */
    sk_step child_left;
    bool started;
    uint8_t state;                /* sk_task_state */
} walk;

typedef struct sk_critical_strand {
    int64_t start;                /* the depth where it begins */
    uint32_t task, before;        /* the strand it came after */
    sk_step at, left;             /* where it begins; where the one before was left */
    uint32_t strands;             /* this one, and those it came after: of paths equally long, that of more is the longer */
    uint32_t place;               /* in path[], if that is still so */
} strand;

/* ---- 1. Depths -------------------------------------------------------------------------------------------------------------------------- */

/* Of a task at this time: now, or when it made an answer. */
static int64_t depth_at(const sk_critical *c, uint32_t task, int64_t ns)
{
    const walk *w = &c->walks[task];
    if (w->place != SK_NO_INDEX)
        return w->depth + MAX(0, ns - w->since);
    if (w->ended != SK_NO_TIME) /* it went on a little after it had made this answer */
        return MAX(0, w->depth - MAX(0, w->ended - ns));
    return w->depth;
}

typedef struct entry { int64_t depth; uint32_t before; sk_step left; } entry; /* what a strand may begin after */

static uint32_t strands_to(const sk_critical *c, uint32_t s) { return s == SK_NO_INDEX ? 0 : c->strands[s].strands; }

static bool is_longer(const sk_critical *c, int64_t depth, uint32_t s, int64_t than_depth, uint32_t than)
{
    return depth > than_depth || (depth == than_depth && strands_to(c, s) > strands_to(c, than));
}

/* After an object: if it is there at step k, and a task has made it. */
static entry after_object(const sk_critical *c, const sk_model *m, uint32_t object, sk_step k)
{
    const sk_model_object *o = &m->objects[object];
    sk_step made = o->again <= k ? o->again : o->made;
    if (o->producer == SK_NO_INDEX || made > k || !c->walks[o->producer].started)
        return (entry){ -1, SK_NO_INDEX, 0 };
    return (entry){ depth_at(c, o->producer, sk_model_ns(m, made)), c->walks[o->producer].strand, made };
}

/* ---- 2. Strands ------------------------------------------------------------------------------------------------------------------------- */

static void new_strand(sk_critical *c, uint32_t task, sk_step k, entry e)
{
    c->walks[task].strand = c->nstrands;
    c->walks[task].depth = e.depth;
    *SK_GROW(c->strands, c->nstrands) = (strand){ e.depth, task, e.before, k, e.left, strands_to(c, e.before) + 1, SK_NO_INDEX };
}

static void begin(sk_critical *c, const sk_model *m, uint32_t task, sk_step k)
{
    const sk_model_task *t = &m->tasks[task];
    entry best = { c->walks[task].depth, c->walks[task].strand, t->submitted };
    for (unsigned d = 0; d < t->ndeps; d++) {
        entry e = after_object(c, m, m->deps[t->first_dep + d], k);
        if (is_longer(c, e.depth, e.before, best.depth, best.before))
            best = e;
    }
    c->walks[task].started = true;
    new_strand(c, task, k, best);
}

/* The task goes on after a wait: after those awaited objects that are there. Its children that ended meanwhile stand for those that the log does not name. */
static void join(sk_critical *c, const sk_model *m, uint32_t task, sk_step k)
{
    const walk *w = &c->walks[task];
    const sk_model_wait *wait = w->wait == SK_NO_INDEX ? NULL : &m->waits[w->wait];
    entry best = { -1, SK_NO_INDEX, 0 };
    if (!wait || wait->nawaited < wait->given)
        best = (entry){ w->child_depth, w->child_strand, w->child_left };
    for (uint32_t i = 0; wait && i < MIN(wait->nawaited, MOST_AWAITED); i++) {
        entry e = after_object(c, m, m->awaited[wait->first_awaited + i], k);
        if (is_longer(c, e.depth, e.before, best.depth, best.before))
            best = e;
    }
    if (is_longer(c, best.depth, best.before, w->depth, w->strand))
        new_strand(c, task, k, best);
}

/* ---- 3. A step -------------------------------------------------------------------------------------------------------------------------- */

static void goes_on(sk_critical *c, uint32_t task, int64_t ns)
{
    c->walks[task].since = ns;
    c->walks[task].place = c->nrunning;
    *SK_GROW(c->running, c->nrunning) = task;
}

static void pauses(sk_critical *c, uint32_t task, sk_step k, int64_t ns)
{
    walk *w = &c->walks[task];
    uint32_t last = c->running[--c->nrunning];
    w->depth += ns - w->since;
    c->ended_work += ns - w->since;
    c->walks[last].place = w->place;
    c->running[w->place] = last;
    w->place = SK_NO_INDEX;
    if (is_longer(c, w->depth, w->strand, c->depth, c->strand))
        c->depth = w->depth, c->strand = w->strand, c->left = k;
}

static void task_moves(sk_critical *c, const sk_model *m, sk_step k)
{
    const sk_model_event *e = &m->events[k - 1];
    uint32_t task = e->index, parent = m->tasks[task].parent;
    walk *w = &c->walks[task];
    if (w->place != SK_NO_INDEX)
        pauses(c, task, k, e->ns);
    w->state = e->to;
    switch (e->to) {
    case SK_TASK_RUNNING:
        if (!w->started)
            begin(c, m, task, k);
        else if (e->from == SK_TASK_BLOCKED && !w->joined)
            join(c, m, task, k);
        goes_on(c, task, e->ns);
        break;
    case SK_TASK_BLOCKED: w->child_depth = -1, w->child_strand = SK_NO_INDEX, w->joined = false; break;
    case SK_TASK_DONE:
    case SK_TASK_FAILED:
    case SK_TASK_CANCELLED:
        w->ended = e->ns;
        if (parent != SK_NO_INDEX && w->started &&
            is_longer(c, w->depth, w->strand, c->walks[parent].child_depth, c->walks[parent].child_strand)) {
            c->walks[parent].child_depth = w->depth;
            c->walks[parent].child_strand = w->strand;
            c->walks[parent].child_left = k;
        }
        break;
    }
}

static void wait_ends(sk_critical *c, const sk_model *m, uint32_t task, sk_step k, int64_t ns)
{
    walk *w = &c->walks[task];
    bool runs = w->place != SK_NO_INDEX; /* it did not have to wait */
    if (runs)
        pauses(c, task, k, ns);
    if (w->state == SK_TASK_RUNNING || w->state == SK_TASK_BLOCKED)
        join(c, m, task, k);
    if (runs)
        goes_on(c, task, ns);
    w->joined = true;
}

static void take(sk_critical *c, const sk_model *m, sk_step k)
{
    const sk_model_event *e = &m->events[k - 1];
    if (e->index == SK_NO_INDEX)
        return;
    uint32_t task = e->type == SK_TRACE_WAIT || e->type == SK_TRACE_WAIT_END ? m->waits[e->index].task : e->index;
    switch (e->type) {
    case SK_TRACE_TASK_NEW: {
        uint32_t parent = m->tasks[task].parent;
        if (parent != SK_NO_INDEX && c->walks[parent].started) {
            c->walks[task].depth = depth_at(c, parent, e->ns);
            c->walks[task].strand = c->walks[parent].strand;
        }
        break;
    }
    case SK_TRACE_TASK: task_moves(c, m, k); break;
    case SK_TRACE_WAIT:
        if (task != SK_NO_INDEX)
            c->walks[task].wait = e->index, c->walks[task].joined = false, c->walks[task].child_depth = -1, c->walks[task].child_strand = SK_NO_INDEX;
        break;
    case SK_TRACE_WAIT_END:
        if (task != SK_NO_INDEX)
            wait_ends(c, m, task, k, e->ns);
        break;
    }
}

/* ---- 4. The path ------------------------------------------------------------------------------------------------------------------------ */

static bool is_in_path(const sk_critical *c, uint32_t s) { return c->strands[s].place < c->npath && c->path[c->strands[s].place].strand == s; }

/* What comes before the first strand that is in the path already stays. */
static void read_off(sk_critical *c, uint32_t deepest, sk_step left)
{
    uint32_t behind = 0, s = deepest;
    for (; s != SK_NO_INDEX && !is_in_path(c, s); s = c->strands[s].before)
        behind++;
    c->npath = s == SK_NO_INDEX ? 0 : c->strands[s].place + 1;
    uint32_t stay = c->npath, n = stay + behind;
    while (c->npath < n)
        (void)SK_GROW(c->path, c->npath);
    c->npath = stay; /* a task is on it if it is before here */
    s = deepest;
    for (uint32_t i = n; i-- > stay; s = c->strands[s].before) {
        c->path[i] = (sk_critical_part){ .task = c->strands[s].task, .at = c->strands[s].at, .strand = s };
        c->strands[s].place = i;
    }
    for (uint32_t i = stay; i < n; i++) {
        walk *w = &c->walks[c->path[i].task];
        if (!sk_critical_has(c, c->path[i].task))
            w->on = i;
        c->npath = i + 1;
    }
    for (uint32_t i = stay ? stay - 1 : 0; i < n; i++) {
        const strand *it = &c->strands[c->path[i].strand], *next = i + 1 < n ? &c->strands[c->path[i + 1].strand] : NULL;
        c->path[i].left = next ? next->left : left;
        c->path[i].ns = MAX(0, (next ? next->start : c->span) - it->start);
    }
}

const sk_critical *sk_critical_of(const sk_model *m)
{
    sk_critical *c = m->own->critical;
    if (!c) {
        c = m->own->critical = g_new0(sk_critical, 1);
        c->strand = SK_NO_INDEX;
    }
    if (c->nsteps == m->nsteps)
        return c;
    while (c->nwalks < m->ntasks)
        *SK_GROW(c->walks, c->nwalks) = (walk){ .child_depth = -1, .ended = SK_NO_TIME, .strand = SK_NO_INDEX, .child_strand = SK_NO_INDEX,
                                                .wait = SK_NO_INDEX, .place = SK_NO_INDEX, .on = SK_NO_INDEX };
    while (c->nsteps < m->nsteps)
        take(c, m, ++c->nsteps);
    uint32_t deepest = c->strand;
    sk_step left = c->left;
    c->span = c->depth, c->work = c->ended_work;
    for (uint32_t i = 0; i < c->nrunning; i++) {
        int64_t depth = depth_at(c, c->running[i], m->last);
        c->work += m->last - c->walks[c->running[i]].since;
        uint32_t s = c->walks[c->running[i]].strand;
        if (is_longer(c, depth, s, c->span, deepest))
            c->span = depth, deepest = s, left = m->nsteps;
    }
    read_off(c, deepest, left);
    return c;
}

void sk_critical_free(sk_critical *c)
{
    if (!c)
        return;
    g_free(c->path);
    g_free(c->walks);
    g_free(c->strands);
    g_free(c->running);
    g_free(c);
}

/* ---- 5. Asking -------------------------------------------------------------------------------------------------------------------------- */

bool sk_critical_has(const sk_critical *c, uint32_t task)
{
    return task < c->nwalks && c->walks[task].on < c->npath && c->path[c->walks[task].on].task == task;
}

uint32_t sk_critical_before(const sk_critical *c, uint32_t task)
{
    uint32_t on = sk_critical_has(c, task) ? c->walks[task].on : 0;
    return on ? c->path[on - 1].task : SK_NO_INDEX;
}

const char *sk_critical_words(const sk_critical *c, char buf[96])
{
    char a[16], b[16];
    if (c->span > 0)
        g_snprintf(buf, 96, "work %s, span %s, at most %.3g at once on average", sk_timeline_time(c->work, a), sk_timeline_time(c->span, b),
                   (double)c->work / (double)c->span);
    else
        g_snprintf(buf, 96, "no task takes time: %u tasks, %u of them one after the other", c->nwalks, c->npath);
    return buf;
}
