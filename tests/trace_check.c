/* trace_check.c -- see trace_check.h. Replays the events in the cursor's order against its own
 * tables. */
#include "trace_check.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>

#include "trace_read.h"

#define TO(state) (1u << (state))

/* The state diagrams: where one may go from each state. */
static const unsigned task_edges[] = {
    [SK_TASK_NONE] = TO(SK_TASK_WAITING) | TO(SK_TASK_READY) | TO(SK_TASK_FAILED),
    [SK_TASK_WAITING] = TO(SK_TASK_READY) | TO(SK_TASK_CANCELLED) | TO(SK_TASK_FAILED),
    [SK_TASK_READY] = TO(SK_TASK_RUNNING) | TO(SK_TASK_CANCELLED) | TO(SK_TASK_FAILED),
    [SK_TASK_RUNNING] = TO(SK_TASK_BLOCKED) | TO(SK_TASK_DONE) | TO(SK_TASK_FAILED) |
                        TO(SK_TASK_CANCELLED) | TO(SK_TASK_READY),
    [SK_TASK_BLOCKED] = TO(SK_TASK_RUNNING) | TO(SK_TASK_FAILED) | TO(SK_TASK_CANCELLED) |
                        TO(SK_TASK_READY) /* its node died */,
    [SK_TASK_DONE] = TO(SK_TASK_WAITING) /* what it made was lost */,
    [SK_TASK_FAILED] = 0,
    [SK_TASK_CANCELLED] = 0,
};
static const unsigned object_edges[] = {
    [SK_OBJECT_NONE] = TO(SK_OBJECT_PENDING) | TO(SK_OBJECT_READY),
    [SK_OBJECT_PENDING] = TO(SK_OBJECT_READY) | TO(SK_OBJECT_FAILED),
    [SK_OBJECT_READY] = TO(SK_OBJECT_FREED) | TO(SK_OBJECT_MISSING),
    [SK_OBJECT_FAILED] = TO(SK_OBJECT_FREED),
    [SK_OBJECT_MISSING] = TO(SK_OBJECT_PENDING) | TO(SK_OBJECT_FAILED) | TO(SK_OBJECT_FREED),
    [SK_OBJECT_FREED] = 0,
};
static const unsigned node_edges[] = {
    [SK_NODE_NONE] = TO(SK_NODE_ALIVE), [SK_NODE_ALIVE] = TO(SK_NODE_DEAD), [SK_NODE_DEAD] = TO(SK_NODE_ALIVE)
};

static const char *const task_names[] = { "NONE",    "WAITING", "READY",  "RUNNING",
                                          "BLOCKED", "DONE",    "FAILED", "CANCELLED" };
static const char *const object_names[] = { "NONE", "PENDING", "READY", "FAILED", "MISSING", "FREED" };

typedef struct task {
    const sk_event *new;
    uint32_t fn, site;
    uint8_t state;
    bool asks, began_with_failed, was_done;
    uint64_t place;
} task;
typedef struct object {
    uint8_t state;
    bool was_ready, was_failed, is_spilled;
    uint32_t spilled_at; /* node */
} object;

typedef struct replay {
    sk_reader *log;
    char *why;
    size_t room;
    sk_ids task_ids, object_ids, node_ids;
    GArray *tasks, *objects, *nodes; /* by index: task, object, uint8_t */
    GHashTable *lane_time,
        *lane_new;       /* lane -> the last ns; -> the task whose first TASK must come next */
    GHashTable *running; /* node:worker -> number of the ordinary task there */
    GPtrArray *news;     /* copies of TASK_NEW events, owned */
} replay;

static G_GNUC_PRINTF(2, 3) bool wrong(replay *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (r->room)
        vsnprintf(r->why, r->room, format, args);
    va_end(args);
    return false;
}

static task *task_at(replay *r, uint64_t number)
{
    uint32_t i = sk_trace_ids_find(&r->task_ids, number);
    return i == SK_NO_INDEX ? NULL : &g_array_index(r->tasks, task, i);
}

static object *object_at(replay *r, uint64_t number, bool make)
{
    uint32_t i =
        make ? sk_trace_ids_add(&r->object_ids, number) : sk_trace_ids_find(&r->object_ids, number);
    if (i == SK_NO_INDEX)
        return NULL;
    if (i == r->objects->len) {
        object o = { .state = SK_OBJECT_NONE };
        g_array_append_val(r->objects, o);
    }
    return &g_array_index(r->objects, object, i);
}

/* "task 7 (add, at x.c:12)", owned. */
static char *task_text(const replay *r, uint64_t number, const task *t)
{
    const sk_read_fn *fn = sk_trace_read_fn(r->log, t->fn);
    const sk_read_site *site = sk_trace_read_site(r->log, t->site);
    return g_strdup_printf("task %" G_GINT64_MODIFIER "x (%s, at %s:%d)", number,
                           fn ? fn->name : "?", site ? site->file : "?", site ? site->line : 0);
}

static bool site_exists(replay *r, uint32_t number, const char *what)
{
    if (!number || sk_trace_read_site(r->log, number))
        return true;
    return wrong(r, "%s names site %u, which has no SITE record", what, number);
}

static bool check_lane(replay *r, const sk_event *e)
{
    gpointer key = GUINT_TO_POINTER(e->lane), last;
    if (g_hash_table_lookup_extended(r->lane_time, key, NULL, &last) &&
        (gint64)(intptr_t)last > e->ns)
        return wrong(r, "lane %u goes back in time, by %" G_GINT64_FORMAT " ns", e->lane,
                     (gint64)(intptr_t)last - e->ns);
    g_hash_table_insert(r->lane_time, key, (gpointer)(intptr_t)e->ns);

    sk_event *new = g_hash_table_lookup(r->lane_new, key);
    if (new && e->type != SK_TRACE_TASK_ASKS && e->type != SK_TRACE_SITE &&
        e->type != SK_TRACE_FUNCTION) {
        if (e->type != SK_TRACE_TASK || e->word[0] != new->word[0] ||
            sk_trace_from(e) != SK_TASK_NONE)
            return wrong(
                r, "TASK_NEW of task %" G_GINT64_MODIFIER "x is not followed by its first TASK",
                new->word[0]);
        g_hash_table_remove(r->lane_new, key);
    }
    return true;
}

static bool check_new(replay *r, const sk_event *e)
{
    uint64_t number = e->word[0];
    unsigned returns = sk_trace_from(e), deps = sk_trace_to(e);
    if (task_at(r, number))
        return wrong(r, "task %" G_GINT64_MODIFIER "x is made twice", number);
    if (e->word[2] && !task_at(r, e->word[2]))
        return wrong(r,
                     "task %" G_GINT64_MODIFIER "x has a parent, %" G_GINT64_MODIFIER
                     "x, that is not made yet",
                     number, e->word[2]);
    sk_event *copy = g_memdup2(e, sizeof *e);
    g_ptr_array_add(r->news, copy);
    task t = { copy, sk_trace_hi(e->word[1]), sk_trace_lo(e->word[1]), SK_TASK_NONE, false, false, false, 0 };
    sk_trace_ids_add(&r->task_ids, number);
    g_array_append_val(r->tasks, t);
    g_hash_table_insert(r->lane_new, GUINT_TO_POINTER(e->lane), copy);
    if (!sk_trace_read_fn(r->log, t.fn))
        return wrong(r,
                     "task %" G_GINT64_MODIFIER "x runs function %u, which has no FUNCTION record",
                     number, t.fn);
    for (unsigned i = 0; i < deps; i++)
        if (!object_at(r, e->word[3 + returns + i], false))
            return wrong(r,
                         "task %" G_GINT64_MODIFIER "x takes object %" G_GINT64_MODIFIER
                         "x, which is not made yet",
                         number, e->word[3 + returns + i]);
    for (unsigned i = 0; i < returns; i++) {
        object *o = object_at(r, e->word[3 + i], true);
        if (o->state != SK_OBJECT_NONE)
            return wrong(r, "object %" G_GINT64_MODIFIER "x is made twice", e->word[3 + i]);
        o->state = SK_OBJECT_PENDING;
    }
    return site_exists(r, t.site, "a task");
}

static bool check_arguments(replay *r, task *t, const char *text, unsigned to)
{
    unsigned returns = sk_trace_from(t->new), deps = sk_trace_to(t->new);
    t->began_with_failed &= to != SK_TASK_RUNNING;
    for (unsigned i = 0; i < deps; i++) {
        object *o = object_at(r, t->new->word[3 + returns + i], false);
        /* READY tasks may wait for what was lost since; who runs has it, whatever becomes of the object */
        bool there = to == SK_TASK_READY     ? o->was_ready || o->was_failed
                     : to == SK_TASK_RUNNING ? o->state == SK_OBJECT_READY || o->state == SK_OBJECT_FAILED
                                             : !t->began_with_failed;
        t->began_with_failed |= to == SK_TASK_RUNNING && o->state == SK_OBJECT_FAILED;
        if (!there)
            return wrong(r, "%s is %s, but its argument %u is %s", text, task_names[to], i + 1,
                         to == SK_TASK_DONE ? "failed" : object_names[o->state]);
    }
    return true;
}

static bool check_place(replay *r, const sk_event *e, task *t, const char *text, unsigned from,
                        unsigned to)
{
    if (t->asks)
        return true;
    if (from == SK_TASK_RUNNING)
        g_hash_table_remove(r->running, &t->place);
    if (to != SK_TASK_RUNNING)
        return true;
    t->place = e->word[1];
    uint64_t *other = g_hash_table_lookup(r->running, &t->place);
    if (other)
        return wrong(
            r, "%s runs on worker %u of node %u, where task %" G_GINT64_MODIFIER "x is running",
            text, sk_trace_hi(t->place), sk_trace_lo(t->place), *other);
    g_hash_table_insert(r->running, g_memdup2(&t->place, sizeof t->place),
                        g_memdup2(&e->word[0], sizeof e->word[0]));
    return true;
}

static bool check_answers(replay *r, task *t, const char *text, unsigned to)
{
    for (unsigned i = 0; i < sk_trace_from(t->new); i++) {
        object *o = object_at(r, t->new->word[3 + i], false);
        /* run again for one answer, and failed: the others stayed */
        if (to == SK_TASK_DONE ? !o->was_ready : !o->was_failed && !(t->was_done && o->was_ready))
            return wrong(r, "%s is %s, but its answer %u is %s", text, task_names[to], i + 1,
                         object_names[o->state]);
    }
    return true;
}

static bool check_task(replay *r, const sk_event *e)
{
    unsigned from = sk_trace_from(e), to = sk_trace_to(e);
    task *t = task_at(r, e->word[0]);
    if (!t)
        return wrong(r, "task %" G_GINT64_MODIFIER "x changes its state before its TASK_NEW",
                     e->word[0]);
    g_autofree char *text = task_text(r, e->word[0], t);
    if (t->state != from)
        return wrong(r, "%s moves from %s to %s, but is %s", text, task_names[from], task_names[to],
                     task_names[t->state]);
    if (!(task_edges[from] & TO(to)))
        return wrong(r, "%s moves from %s to %s: there is no such edge", text, task_names[from],
                     task_names[to]);
    t->state = (uint8_t)to;
    t->was_done |= to == SK_TASK_DONE;
    if ((to == SK_TASK_READY || to == SK_TASK_RUNNING) && from <= SK_TASK_READY &&
        !check_arguments(r, t, text, to))
        return false;
    if (to == SK_TASK_DONE && !check_arguments(r, t, text, to))
        return false;
    return check_place(r, e, t, text, from, to);
}

static bool check_object(replay *r, const sk_event *e)
{
    unsigned from = sk_trace_from(e), to = sk_trace_to(e);
    object *o = object_at(r, e->word[0], from == SK_OBJECT_NONE);
    unsigned state = o ? o->state : SK_OBJECT_NONE;
    if (state != from)
        return wrong(r, "object %" G_GINT64_MODIFIER "x moves from %s to %s, but is %s", e->word[0],
                     object_names[from], object_names[to], object_names[state]);
    if (!(object_edges[from] & TO(to)))
        return wrong(r, "object %" G_GINT64_MODIFIER "x moves from %s to %s: there is no such edge",
                     e->word[0], object_names[from], object_names[to]);
    o->state = (uint8_t)to;
    o->is_spilled = false; /* so it was READY, and is no more */
    o->was_ready |= to == SK_OBJECT_READY;
    o->was_failed |= to == SK_OBJECT_FAILED;
    unsigned more = to == SK_OBJECT_READY ? 3 : 1;
    return from != SK_OBJECT_NONE || site_exists(r, sk_trace_hi(e->word[more]), "a put");
}

static bool check_node(replay *r, const sk_event *e)
{
    uint32_t i = sk_trace_ids_add(&r->node_ids, sk_trace_hi(e->word[0]));
    uint8_t none = SK_NODE_NONE;
    if (i == r->nodes->len)
        g_array_append_val(r->nodes, none);
    uint8_t *state = &g_array_index(r->nodes, uint8_t, i);
    if (*state != sk_trace_from(e) || !(node_edges[*state] & TO(sk_trace_to(e))))
        return wrong(r, "node %u moves from %u to %u, but is %u", sk_trace_hi(e->word[0]),
                     sk_trace_from(e), sk_trace_to(e), *state);
    *state = (uint8_t)sk_trace_to(e);
    for (uint32_t o = 0; o < r->objects->len; o++) /* its disk is gone with it */
        if (g_array_index(r->objects, object, o).spilled_at == sk_trace_hi(e->word[0]))
            g_array_index(r->objects, object, o).is_spilled = false;
    return true;
}

static bool check_spill(replay *r, const sk_event *e)
{
    uint32_t node = sk_trace_hi(e->word[2]);
    const char *what = e->a ? "restored" : "spilled";
    object *o = object_at(r, e->word[0], false);
    if (!o || o->state != SK_OBJECT_READY)
        return wrong(r, "object %" G_GINT64_MODIFIER "x is %s at node %u, but is %s", e->word[0], what, node, object_names[o ? o->state : 0]);
    if (sk_trace_ids_find(&r->node_ids, node) == SK_NO_INDEX)
        return wrong(r, "object %" G_GINT64_MODIFIER "x is %s at node %u: there is no such node", e->word[0], what, node);
    bool is = o->is_spilled && o->spilled_at == node;
    if (is != e->a)
        return wrong(r, "object %" G_GINT64_MODIFIER "x is %s at node %u, but it is %s there", e->word[0], what, node, is ? "spilled" : "not spilled");
    o->is_spilled = !e->a;
    o->spilled_at = node;
    return true;
}

static bool check_transfer(replay *r, const sk_event *e)
{
    uint32_t from = sk_trace_hi(e->word[2]), to = sk_trace_lo(e->word[2]);
    object *o = object_at(r, e->word[0], false);
    if (!o || !o->was_ready)
        return wrong(r, "object %" G_GINT64_MODIFIER "x moves from node %u to %u, but was never READY", e->word[0], from, to);
    if (from == to || sk_trace_ids_find(&r->node_ids, from) == SK_NO_INDEX || sk_trace_ids_find(&r->node_ids, to) == SK_NO_INDEX)
        return wrong(r, "object %" G_GINT64_MODIFIER "x moves from node %u to %u: there is no such way", e->word[0], from, to);
    if (e->word[3] > (uint64_t)e->ns)
        return wrong(r, "object %" G_GINT64_MODIFIER "x was on its way for longer than the run took", e->word[0]);
    return true;
}

static bool check_event(replay *r, const sk_event *e)
{
    if (!check_lane(r, e))
        return false;
    switch (e->type) {
    case SK_TRACE_TASK_NEW: return check_new(r, e);
    case SK_TRACE_TASK: return check_task(r, e);
    case SK_TRACE_OBJECT: return check_object(r, e);
    case SK_TRACE_NODE: return check_node(r, e);
    case SK_TRACE_TRANSFER: return check_transfer(r, e);
    case SK_TRACE_SPILL: return check_spill(r, e);
    case SK_TRACE_WAIT: return site_exists(r, sk_trace_hi(e->word[2]), "a wait");
    case SK_TRACE_WAIT_ON:
        for (unsigned i = 1; i < e->n; i++)
            if (sk_trace_ids_find(&r->object_ids, e->word[i]) == SK_NO_INDEX)
                return wrong(r, "a wait is for object %" G_GINT64_MODIFIER "x, which there is not yet", e->word[i]);
        return e->n > 1 || wrong(r, "a wait for several objects names none");
    case SK_TRACE_TASK_ASKS: {
        task *t = task_at(r, e->word[0]);
        if (!t)
            return wrong(r, "TASK_ASKS of task %" G_GINT64_MODIFIER "x comes before its TASK_NEW",
                         e->word[0]);
        t->asks = true;
        return true;
    }
    }
    return true;
}

static bool check_end(replay *r)
{
    const sk_read_info *info = sk_trace_read_info(r->log);
    for (uint32_t i = 0; i < r->tasks->len; i++) {
        task *t = &g_array_index(r->tasks, task, i);
        g_autofree char *text = task_text(r, t->new->word[0], t);
        if (t->state < SK_TASK_DONE)
            return wrong(r, "%s is still %s in the end", text, task_names[t->state]);
        if (!check_answers(r, t, text, t->state))
            return false;
    }
    for (uint32_t i = 0; i < r->objects->len; i++) {
        object *o = &g_array_index(r->objects, object, i);
        if (o->state != SK_OBJECT_FREED)
            return wrong(r, "an object (the %u. that was made) is still %s in the end", i + 1,
                         object_names[o->state]);
    }
    if (info->end_records != info->records)
        return wrong(r, "END counts %" G_GUINT64_FORMAT " records, there are %" G_GUINT64_FORMAT,
                     info->end_records, info->records);
    if (info->end_tasks != r->tasks->len)
        return wrong(r, "END counts %" G_GUINT64_FORMAT " tasks, there are %u", info->end_tasks,
                     r->tasks->len);
    if (info->end_objects != r->objects->len)
        return wrong(r, "END counts %" G_GUINT64_FORMAT " objects, there are %u", info->end_objects,
                     r->objects->len);
    return true;
}

static bool check_file(replay *r)
{
    const sk_read_info *info = sk_trace_read_info(r->log);
    if (info->damage)
        return wrong(r, "%s at byte %" G_GUINT64_FORMAT, info->damage, info->damaged_at);
    if (!info->whole)
        return wrong(r, "it does not end with END");
    if (info->dropped || info->missing_chunks)
        return wrong(r,
                     "%" G_GUINT64_FORMAT " records were dropped, %" G_GUINT64_FORMAT
                     " chunks are missing",
                     info->dropped, info->missing_chunks);
    return true;
}

bool trace_check(const char *path, char *why, size_t n)
{
    sk_error err;
    replay r = { .why = why, .room = n, .log = sk_trace_read_open(path, &err) };
    if (!r.log)
        return wrong(&r, "%s", err.message);
    r.tasks = g_array_new(FALSE, FALSE, sizeof(task));
    r.objects = g_array_new(FALSE, FALSE, sizeof(object));
    r.nodes = g_array_new(FALSE, FALSE, sizeof(uint8_t));
    r.lane_time = g_hash_table_new(NULL, NULL);
    r.lane_new = g_hash_table_new(NULL, NULL);
    r.running = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    r.news = g_ptr_array_new_with_free_func(g_free);

    bool good = check_file(&r);
    sk_cursor *c = good ? sk_trace_read_cursor(r.log) : NULL;
    for (sk_event e; good && sk_trace_read_next(c, &e);)
        good = check_event(&r, &e);
    good = good && check_end(&r);

    sk_trace_read_cursor_free(c);
    sk_trace_ids_clear(&r.task_ids);
    sk_trace_ids_clear(&r.object_ids);
    sk_trace_ids_clear(&r.node_ids);
    g_array_unref(r.tasks);
    g_array_unref(r.objects);
    g_array_unref(r.nodes);
    g_hash_table_unref(r.lane_time);
    g_hash_table_unref(r.lane_new);
    g_hash_table_unref(r.running);
    g_ptr_array_unref(r.news);
    sk_trace_read_close(r.log);
    return good;
}
