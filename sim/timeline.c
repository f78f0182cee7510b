/* timeline.c -- see timeline.h.
 *
 * Reading order: 1 tables that grow; 2 one function per sort of record; 3 what is known only at the
 * end. Span and critical path are in timeline_path.c, words for people in timeline_words.c. */
#include "timeline.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timeline_path.h"

/* While building: what only the pass itself needs. */
typedef struct row_now {
    int64_t since[2];
    uint32_t n[2];
} row_now; /* tasks [0] RUNNING, [1] BLOCKED */

typedef struct build {
    sk_timeline *t;
    sk_ids tasks, objects, fns, sites, rows, waiting;
    sk_paths paths;
    row_now *now;        /* by worker */
    uint32_t *open_wait; /* by waiting lane: in waits[], or SK_NO_INDEX */
    uint32_t nnow, nopen;
    uint64_t live; /* bytes */
    int64_t last_end, first_submit;
} build;

/* ---- 1. Tables that grow -------------------------------------------------------------------- */

static uint32_t fn_index(build *b, uint32_t number)
{
    uint32_t i = sk_trace_ids_add(&b->fns, number);
    if (i < b->t->nfns)
        return i;
    const sk_read_fn *fn = sk_trace_read_fn(b->t->log, number);
    *SK_MORE(b->t->fns, b->t->nfns) = (sk_line_fn){ .name = fn && *fn->name ? fn->name : "?",
                                                    .signature = fn ? fn->signature : "",
                                                    .file = fn ? fn->file : "?",
                                                    .line = fn ? fn->line : 0 };
    return i;
}

static uint32_t site_index(build *b, uint32_t number)
{
    uint32_t i = number ? sk_trace_ids_add(&b->sites, number) : 0;
    if (i < b->t->nsites)
        return i;
    const sk_read_site *site = sk_trace_read_site(b->t->log, number);
    *SK_MORE(b->t->sites, b->t->nsites) =
        site ? (sk_line_site){ site->file, site->fn, site->line } : (sk_line_site){ "?", "?", 0 };
    return i;
}

static uint32_t row_index(build *b, uint32_t node, uint32_t worker)
{
    uint32_t i = sk_trace_ids_add(&b->rows, (uint64_t)node << 32 | worker);
    if (i == b->t->nworkers) {
        *SK_MORE(b->t->workers, b->t->nworkers) =
            (sk_line_worker){ .node = node, .worker = (int32_t)worker, .extra = true };
        *SK_MORE(b->now, b->nnow) = (row_now){ 0 };
    }
    return i;
}

static uint32_t task_index(build *b, uint64_t number)
{
    uint32_t i = sk_trace_ids_add(&b->tasks, number);
    if (i == b->t->ntasks) {
        *SK_MORE(b->t->tasks, b->t->ntasks) = (sk_line_task){ .number = number,
                                                              .submitted = SK_NO_TIME,
                                                              .ready = SK_NO_TIME,
                                                              .start = SK_NO_TIME,
                                                              .end = SK_NO_TIME,
                                                              .fn = SK_NO_INDEX,
                                                              .parent = SK_NO_INDEX,
                                                              .first_slice = SK_NO_INDEX,
                                                              .last_slice = SK_NO_INDEX,
                                                              .path = SK_NO_INDEX };
        *SK_MORE(b->paths.walks, b->paths.nwalks) = (sk_walk){ .child_depth = -1, .child_strand = SK_NO_INDEX };
    }
    return i;
}

static sk_line_object *new_object(build *b, uint64_t number)
{
    sk_line_object *o = SK_MORE(b->t->objects, b->t->nobjects);
    *o = (sk_line_object){ .number = number,
                           .made = SK_NO_TIME,
                           .freed = SK_NO_TIME,
                           .producer = SK_NO_INDEX,
                           .maker = SK_NO_INDEX };
    return o;
}

static uint32_t object_index(build *b, uint64_t number)
{
    uint32_t i = sk_trace_ids_add(&b->objects, number);
    if (i == b->t->nobjects)
        new_object(b, number);
    return i;
}

/* ---- 2. One function per sort of record ----------------------------------------------------- */

static void task_new(build *b, const sk_event *e)
{
    sk_timeline *t = b->t;
    unsigned returns = sk_trace_from(e), deps = sk_trace_to(e);
    uint32_t parent = e->word[2] ? task_index(b, e->word[2]) : SK_NO_INDEX,
             i = task_index(b, e->word[0]);
    if (t->tasks[i].submitted != SK_NO_TIME)
        return; /* a damaged trace; the first one counts */
    uint32_t fn = fn_index(b, sk_trace_hi(e->word[1])),
             site = site_index(b, sk_trace_lo(e->word[1]));
    uint32_t first_object = t->nobjects, first_dep = t->ndeps;
    for (unsigned k = 0; k < returns; k++) {
        uint64_t number = e->word[3 + k];
        sk_line_object *o;
        if (sk_trace_ids_find(&b->objects, number) == SK_NO_INDEX) {
            uint32_t index = object_index(b, number);
            o = &t->objects[index];
        } else { /* known already: damaged; keep neighbours neighbours, and indices in step */
            o = new_object(b, number);
            sk_trace_ids_add(&b->objects, (1ull << 63) + t->nobjects);
        }
        o->state = SK_OBJECT_PENDING;
        o->producer = i;
        o->site = site;
    }
    for (unsigned k = 0; k < deps; k++) {
        uint32_t o = object_index(b, e->word[3 + returns + k]);
        *SK_MORE(t->deps, t->ndeps) = o;
    }
    sk_line_task *task = &t->tasks[i];
    task->submitted = e->ns;
    task->fn = fn;
    task->site = site;
    task->parent = parent == i ? SK_NO_INDEX : parent;
    task->first_object = first_object;
    task->first_dep = first_dep;
    task->nobjects = (uint8_t)returns;
    task->ndeps = (uint8_t)deps;
    b->first_submit = MIN(b->first_submit, e->ns);
    if (task->parent != SK_NO_INDEX && t->tasks[parent].start != SK_NO_TIME) {
        b->paths.walks[i].depth = sk_timeline_path_depth(&b->paths, parent, e->ns);
        task->path = t->tasks[parent].path;
    }
}

/* A worker is busy while tasks run on it, however many; so with blocked. */
static void row_starts(build *b, uint32_t row, int64_t ns, bool blocked)
{
    row_now *now = &b->now[row];
    if (!now->n[blocked]++)
        now->since[blocked] = ns;
}

static void row_ends(build *b, uint32_t row, int64_t ns, bool blocked)
{
    row_now *now = &b->now[row];
    if (now->n[blocked] && !--now->n[blocked])
        *(blocked ? &b->t->workers[row].blocked_ns : &b->t->workers[row].busy_ns) +=
            MAX(0, ns - now->since[blocked]);
}

static void open_slice(build *b, uint32_t task, uint32_t row, int64_t ns, bool blocked)
{
    sk_line_task *t = &b->t->tasks[task];
    uint32_t s = b->t->nslices;
    *SK_MORE(b->t->slices, b->t->nslices) = (sk_line_slice){ .start = ns,
                                                             .end = SK_NO_TIME,
                                                             .task = task,
                                                             .row = row,
                                                             .next = SK_NO_INDEX,
                                                             .attempt = t->attempts,
                                                             .blocked = blocked,
                                                             .how = SK_SLICE_UNFINISHED };
    if (t->last_slice == SK_NO_INDEX)
        t->first_slice = s;
    else
        b->t->slices[t->last_slice].next = s;
    t->last_slice = s;
    row_starts(b, row, ns, blocked);
}

/* Ends the slice the task is in, if it is in one. */
static void close_slice(build *b, uint32_t task, int64_t ns, sk_slice_end how)
{
    sk_line_task *t = &b->t->tasks[task];
    sk_line_slice *s = t->last_slice == SK_NO_INDEX ? NULL : &b->t->slices[t->last_slice];
    if (!s || s->end != SK_NO_TIME)
        return;
    s->end = MAX(ns, s->start);
    s->how = (uint8_t)how;
    *(s->blocked ? &t->blocked_ns : &t->run_ns) += s->end - s->start;
    row_ends(b, s->row, s->end, s->blocked);
}

/* No failure: the program does not see it. */
static void tried_again(build *b, const sk_line_task *t, uint8_t why)
{
    b->t->retries++;
    b->t->lost += why == SK_WORKER_DIED || why == SK_WORKER_OOM;
    if (t->last_slice != SK_NO_INDEX)
        b->t->slices[t->last_slice].code = why;
}

static void task_moves(build *b, const sk_event *e)
{
    uint32_t i = task_index(b, e->word[0]);
    sk_line_task *t = &b->t->tasks[i];
    if (t->fn == SK_NO_INDEX && t->submitted == SK_NO_TIME)
        t->fn = fn_index(b, 0); /* its TASK_NEW is missing */
    t = &b->t->tasks[i];
    sk_walk *w = &b->paths.walks[i];
    unsigned from = sk_trace_from(e), to = sk_trace_to(e);
    if (t->state == SK_TASK_RUNNING && to != SK_TASK_RUNNING)
        w->depth += MAX(0, e->ns - w->since);

    switch (to) {
    case SK_TASK_READY:
        if (t->ready == SK_NO_TIME)
            t->ready = e->ns;
        close_slice(b, i, e->ns, SK_SLICE_RETRIED);
        if (from == SK_TASK_RUNNING || from == SK_TASK_BLOCKED)
            tried_again(b, t, e->n > 1 ? (uint8_t)MIN(e->word[1], 255) : SK_OK);
        break;
    case SK_TASK_RUNNING: {
        uint32_t row = row_index(b, sk_trace_lo(e->word[1]), sk_trace_hi(e->word[1]));
        close_slice(b, i, e->ns, SK_SLICE_GOES_ON);
        if (from != SK_TASK_BLOCKED) {
            t->attempts++;
            b->t->fns[t->fn].attempts++;
            b->t->workers[row].tasks++;
        }
        if (t->start == SK_NO_TIME) {
            t->start = e->ns;
            sk_timeline_path_begin(&b->paths, i);
        } else if (from == SK_TASK_BLOCKED && !w->joined) {
            sk_timeline_path_join(&b->paths, i);
        }
        w->since = e->ns;
        open_slice(b, i, row, e->ns, false);
        break;
    }
    case SK_TASK_BLOCKED: {
        uint32_t row =
            t->last_slice == SK_NO_INDEX ? row_index(b, 0, 0) : b->t->slices[t->last_slice].row;
        close_slice(b, i, e->ns, SK_SLICE_GOES_ON);
        open_slice(b, i, row, e->ns, true);
        w->child_depth = -1;
        w->joined = false;
        break;
    }
    case SK_TASK_DONE:
    case SK_TASK_FAILED:
    case SK_TASK_CANCELLED:
        close_slice(b, i, e->ns,
                    to == SK_TASK_DONE     ? SK_SLICE_DONE
                    : to == SK_TASK_FAILED ? SK_SLICE_FAILED
                                           : SK_SLICE_CANCELLED);
        t->end = e->ns;
        t->code = to == SK_TASK_DONE ? SK_OK : (uint8_t)e->word[1];
        b->last_end = MAX(b->last_end, e->ns);
        if (t->parent != SK_NO_INDEX && t->start != SK_NO_TIME &&
            w->depth > b->paths.walks[t->parent].child_depth) {
            b->paths.walks[t->parent].child_depth = w->depth;
            b->paths.walks[t->parent].child_strand = t->path;
        }
        break;
    }
    t->state = (uint8_t)to;
}

static void object_moves(build *b, const sk_event *e)
{
    uint32_t i = object_index(b, e->word[0]);
    unsigned from = sk_trace_from(e), to = sk_trace_to(e);
    const uint64_t *w = e->word + 1;
    uint64_t type_bytes = 0, preview = 0;
    if (to == SK_OBJECT_READY) {
        type_bytes = w[0];
        preview = w[1];
        w += 2;
    }
    if (from == SK_OBJECT_NONE) { /* a put, or a promise */
        uint32_t site = site_index(b, sk_trace_hi(w[0])),
                 maker = w[1] ? task_index(b, w[1]) : SK_NO_INDEX;
        b->t->objects[i].site = site;
        b->t->objects[i].maker = maker;
    }
    sk_line_object *o = &b->t->objects[i];
    if (o->state == SK_OBJECT_READY)
        b->live -= MIN(b->live, o->bytes);
    if (to == SK_OBJECT_READY) {
        o->type = (uint8_t)(type_bytes >> 56);
        o->bytes = type_bytes & 0xffffffffffffff;
        o->preview = preview;
        o->made = e->ns;
        b->t->bytes_made += o->bytes;
        b->live += o->bytes;
        b->t->bytes_peak = MAX(b->t->bytes_peak, b->live);
    } else if (to == SK_OBJECT_FREED) {
        o->freed = e->ns;
        b->t->objects_freed++;
    }
    o->state = (uint8_t)to;
}

static void node_moves(build *b, const sk_event *e)
{
    enum { MOST = 1 << 20 }; /* rows for idle workers; those that run something always get one */
    uint32_t node = sk_trace_hi(e->word[0]), workers = sk_trace_lo(e->word[0]);
    if (sk_trace_to(e) != SK_NODE_ALIVE)
        return;
    for (uint32_t i = 0; i < workers && b->t->nworkers < MOST; i++) {
        uint32_t row = row_index(b, node, i);
        b->t->workers[row].extra = false;
    }
}

static void wait_begins(build *b, const sk_event *e)
{
    uint32_t object = e->word[3] ? sk_trace_ids_find(&b->objects, e->word[3]) : SK_NO_INDEX;
    if (e->word[0]) {
        uint32_t task = task_index(b, e->word[0]); /* first: it may move the walks */
        sk_walk *w = &b->paths.walks[task];
        w->first = b->paths.nawaited, w->n = object != SK_NO_INDEX, w->given = sk_trace_lo(e->word[1]);
        if (w->n)
            *SK_MORE(b->paths.awaited, b->paths.nawaited) = object;
        w->child_depth = -1;
        w->joined = false;
        return;
    }
    uint32_t lane = sk_trace_ids_add(&b->waiting, e->lane),
             site = site_index(b, sk_trace_hi(e->word[2]));
    if (lane == b->nopen)
        *SK_MORE(b->open_wait, b->nopen) = SK_NO_INDEX;
    b->open_wait[lane] = b->t->nwaits;
    *SK_MORE(b->t->waits, b->t->nwaits) = (sk_line_wait){ .start = e->ns,
                                                          .end = SK_NO_TIME,
                                                          .wanted = sk_trace_hi(e->word[1]),
                                                          .given = sk_trace_lo(e->word[1]),
                                                          .site = site,
                                                          .how = e->a,
                                                          .code = SK_TIMEOUT };
}

/* A part of the wait before: it is for several. */
static void wait_on(build *b, const sk_event *e)
{
    if (!e->word[0]) /* the driver */
        return;
    uint32_t task = task_index(b, e->word[0]); /* first: it may move the walks */
    sk_walk *w = &b->paths.walks[task];
    w->first = b->paths.nawaited, w->n = 0;
    for (unsigned i = 1; i < MIN(e->n, 65u); i++) { /* 64 at most */
        uint32_t object = sk_trace_ids_find(&b->objects, e->word[i]);
        w->given -= object == SK_NO_INDEX && w->given; /* nobody makes it */
        if (object == SK_NO_INDEX)
            continue;
        *SK_MORE(b->paths.awaited, b->paths.nawaited) = object;
        w->n++;
    }
}

static void wait_ends(build *b, const sk_event *e)
{
    if (e->word[0]) {
        uint32_t task = task_index(b, e->word[0]);
        sk_walk *w = &b->paths.walks[task];
        unsigned state = b->t->tasks[task].state;
        if (state == SK_TASK_RUNNING) { /* it did not have to wait */
            w->depth += MAX(0, e->ns - w->since);
            w->since = MAX(e->ns, w->since);
        }
        if (state == SK_TASK_RUNNING || state == SK_TASK_BLOCKED)
            sk_timeline_path_join(&b->paths, task);
        w->joined = true;
        return;
    }
    uint32_t lane = sk_trace_ids_find(&b->waiting, e->lane);
    if (lane == SK_NO_INDEX || b->open_wait[lane] == SK_NO_INDEX)
        return;
    sk_line_wait *w = &b->t->waits[b->open_wait[lane]];
    w->end = MAX(e->ns, w->start);
    w->ready = (uint32_t)e->word[1];
    w->code = (uint8_t)e->word[2];
    b->open_wait[lane] = SK_NO_INDEX;
}

static void transfer(build *b, const sk_event *e)
{
    uint32_t object = object_index(b, e->word[0]);
    int64_t took = (int64_t)MIN(e->word[3], (uint64_t)INT64_MAX / 4);
    *SK_MORE(b->t->transfers, b->t->ntransfers) = (sk_line_transfer){
        e->ns - took, e->ns, e->word[1], object, sk_trace_hi(e->word[2]), sk_trace_lo(e->word[2])
    };
    b->t->bytes_moved += e->word[1];
}

static void spill(build *b, const sk_event *e)
{
    uint32_t i = object_index(b, e->word[0]);
    if (e->a) {
        b->t->bytes_restored += e->word[1];
        b->t->restores++;
        return;
    }
    b->t->bytes_spilled += e->word[1];
    b->t->objects_spilled += !b->t->objects[i].was_spilled;
    b->t->objects[i].was_spilled = true;
}

static void says(build *b, const sk_event *e)
{
    bool note = e->type == SK_TRACE_NOTE;
    uint32_t task = note || !e->word[0] ? SK_NO_INDEX : task_index(b, e->word[0]);
    *SK_MORE(b->t->says, b->t->nsays) =
        (sk_line_say){ e->ns, task, note, sk_trace_read_text(e, 0) };
}

static void take(build *b, const sk_event *e)
{
    switch (e->type) {
    case SK_TRACE_TASK_NEW: task_new(b, e); break;
    case SK_TRACE_TASK_ASKS:
        if (*sk_trace_read_text(e, 0)) {
            uint32_t i = task_index(b, e->word[0]);
            b->t->tasks[i].name = b->t->nnames;
            *SK_MORE(b->t->names, b->t->nnames) = sk_trace_read_text(e, 0);
        }
        return;
    case SK_TRACE_TASK: task_moves(b, e); break;
    case SK_TRACE_OBJECT: object_moves(b, e); break;
    case SK_TRACE_NODE: node_moves(b, e); return;
    case SK_TRACE_WAIT: wait_begins(b, e); break;
    case SK_TRACE_WAIT_ON: wait_on(b, e); break;
    case SK_TRACE_WAIT_END: wait_ends(b, e); break;
    case SK_TRACE_TRANSFER: transfer(b, e); break;
    case SK_TRACE_SPILL: spill(b, e); break;
    case SK_TRACE_SAY:
    case SK_TRACE_NOTE: says(b, e); break;
    default: return;
    }
    b->t->first = MIN(b->t->first, e->ns);
    b->t->last = MAX(b->t->last, e->ns);
}

/* ---- 3. What is known only at the end ------------------------------------------------------- */

/* A trace that stops in the middle: what is open stays open until the last event. */
static void close_all(build *b)
{
    sk_timeline *t = b->t;
    for (uint32_t i = 0; i < t->ntasks; i++) {
        if (t->tasks[i].fn == SK_NO_INDEX)
            t->tasks[i].fn = fn_index(b, 0); /* others name it, but it has no records itself */
        if (t->tasks[i].state == SK_TASK_RUNNING)
            b->paths.walks[i].depth += MAX(0, t->last - b->paths.walks[i].since);
        close_slice(b, i, t->last, SK_SLICE_UNFINISHED);
    }
    for (uint32_t i = 0; i < t->nwaits; i++)
        if (t->waits[i].end == SK_NO_TIME)
            t->waits[i].end = MAX(t->last, t->waits[i].start);
}

static void add_up(build *b)
{
    sk_timeline *t = b->t;
    for (uint32_t i = 0; i < t->ntasks; i++) {
        const sk_line_task *task = &t->tasks[i];
        sk_line_fn *fn = &t->fns[task->fn];
        t->done += task->state == SK_TASK_DONE;
        t->failed += task->state == SK_TASK_FAILED;
        t->cancelled += task->state == SK_TASK_CANCELLED;
        t->unfinished += task->state < SK_TASK_DONE;
        t->work += task->run_ns;
        fn->tasks++;
        fn->run_ns += task->run_ns;
        fn->longest_ns = MAX(fn->longest_ns, task->run_ns);
        fn->failed += task->state == SK_TASK_FAILED;
    }
    if (t->unfinished)
        b->last_end = MAX(b->last_end, t->last);
    b->first_submit = MAX(b->first_submit == INT64_MAX ? t->first : b->first_submit, t->first);
    t->makespan = t->ntasks ? MAX(0, b->last_end - b->first_submit) : 0;
}

static int by_node(const void *a, const void *b)
{
    const sk_line_worker *x = *(sk_line_worker *const *)a, *y = *(sk_line_worker *const *)b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->worker < y->worker ? -1 : x->worker > y->worker;
}

static void sort_workers(sk_timeline *t)
{
    uint32_t n = t->nworkers;
    g_autofree sk_line_worker **order = g_new(sk_line_worker *, n + 1);
    g_autofree uint32_t *new_row = g_new(uint32_t, n + 1);
    sk_line_worker *sorted = g_new(sk_line_worker, n + 1);
    for (uint32_t i = 0; i < n; i++)
        order[i] = &t->workers[i];
    if (n)
        qsort(order, n, sizeof *order, by_node);
    for (uint32_t i = 0; i < n; i++) {
        new_row[order[i] - t->workers] = i;
        sorted[i] = *order[i];
        t->nodes += i == 0 || sorted[i].node != sorted[i - 1].node;
        t->nextra += sorted[i].extra;
    }
    if (t->nextra == n) /* nothing says how many there should be */
        for (uint32_t i = 0; i < n; i++)
            sorted[i].extra = false, t->nextra = 0;
    for (uint32_t i = 0; i < t->nslices; i++)
        t->slices[i].row = new_row[t->slices[i].row];
    g_free(t->workers);
    t->workers = sorted;
}

sk_timeline *sk_timeline_new(sk_reader *log)
{
    sk_timeline *t = g_new0(sk_timeline, 1);
    build b = { .t = t, .paths.t = t, .first_submit = INT64_MAX, .last_end = INT64_MIN };
    const char *program = sk_trace_read_value(log, "program"),
               *backend = sk_trace_read_value(log, "backend");
    t->log = log;
    t->info = *sk_trace_read_info(log);
    t->program = program ? program : "?";
    t->backend = backend ? backend : "?";
    t->error = sk_trace_read_value(log, "error");
    t->first = INT64_MAX;
    t->last = INT64_MIN;
    sk_trace_ids_add(&b.sites, 0);
    *SK_MORE(t->sites, t->nsites) = (sk_line_site){ "?", "?", 0 };
    *SK_MORE(t->names, t->nnames) = "";

    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e);)
        take(&b, &e);
    sk_trace_read_cursor_free(c);
    if (t->last < t->first)
        t->first = t->last = 0;
    close_all(&b);
    add_up(&b);
    sk_timeline_path_critical(&b.paths);
    sort_workers(t);

    sk_ids *ids[] = { &b.tasks, &b.objects, &b.fns, &b.sites, &b.rows, &b.waiting };
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++)
        sk_trace_ids_clear(ids[i]);
    g_free(b.paths.walks);
    g_free(b.paths.strands);
    g_free(b.paths.awaited);
    g_free(b.now);
    g_free(b.open_wait);
    return t;
}

sk_timeline *sk_timeline_load(const char *path, sk_error *err)
{
    sk_reader *log = sk_trace_read_open(path, err);
    if (!log)
        return NULL;
    sk_timeline *t = sk_timeline_new(log);
    t->owns_log = true;
    return t;
}

void sk_timeline_free(sk_timeline *t)
{
    if (!t)
        return;
    void *arrays[] = { t->tasks, t->objects, t->slices, t->deps, t->workers, t->waits,
                       t->fns,   t->sites,   t->names,  t->says, t->path,
                       t->transfers };
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_free(arrays[i]);
    if (t->owns_log)
        sk_trace_read_close(t->log);
    g_free(t);
}
