/* cluster.c -- the events that concern nodes and tasks, and the ring of commands. See cluster.h.
 *
 * Every event does the same: it changes what has changed, touches the nodes that may have room now, and lets
 * `sk_cluster_settle_down` fill them. The consequences of consequences come in that order too, so a run can be followed by hand. */
#include "cluster_state.h"

#include "error.h"

uint64_t sk_cluster_draw(uint64_t *stream)
{
    uint64_t x = sk_mix(*stream);
    *stream += 0x9e3779b97f4a7c15u;
    return x;
}

sk_cluster *sk_cluster_new(const sk_cluster_config *config, sk_error *err)
{
    const sk_policy *policy = sk_policy_find(config->policy, err);
    if (!policy)
        return NULL;
    sk_cluster *c = g_new0(sk_cluster, 1);
    c->policy = policy;
    c->inline_bytes = config->inline_bytes;
    c->pulls = config->pulls > 0 ? config->pulls : SK_MAX_PULLS;
    c->bytes_per_second = config->bytes_per_second;
    c->latency_ns = config->latency_ns;
    c->place_stream = sk_mix(config->seed ^ 1);
    c->key_stream = sk_mix(config->seed ^ 2);
    c->source_stream = sk_mix(config->seed ^ 3);
    c->feasible_at = g_new0(int, 1);
    c->names = g_ptr_array_new_with_free_func(g_free);
    c->dirty = g_array_new(FALSE, FALSE, sizeof(int));
    c->shapes = g_ptr_array_new();
    c->common = g_ptr_array_new();
    c->means = g_array_new(FALSE, TRUE, sizeof(sk_fn_mean));
    return c;
}

void sk_cluster_free(sk_cluster *c)
{
    if (!c)
        return;
    sk_idmap_free(&c->tasks);
    sk_idmap_free(&c->fetches);
    sk_idmap_free(&c->fns);
    for (sk_object_record *o = c->first_object, *next; o; o = next) {
        next = o->next;
        if (o->room > 2)
            g_free(o->many);
        g_free(o);
    }
    sk_idmap_clear(&c->objects);
    for (int i = 0; i < c->nnodes; i++) {
        for (int q = 0; q < c->nodes[i].nqueues; q++)
            sk_queue_free(c->nodes[i].queues[q]);
        g_free(c->nodes[i].queues);
        g_free(c->nodes[i].rows);
    }
    g_ptr_array_set_free_func(c->common, sk_queue_free);
    g_ptr_array_unref(c->common);
    g_ptr_array_set_free_func(c->shapes, sk_shape_free);
    g_ptr_array_unref(c->shapes);
    if (c->shape_of)
        g_hash_table_destroy(c->shape_of);
    g_ptr_array_unref(c->names);
    g_array_unref(c->dirty);
    g_array_unref(c->means);
    sk_room_clear(&c->idle);
    sk_room_clear(&c->planned);
    g_free(c->nodes);
    g_free(c->speeds);
    g_free(c->feasible_at);
    g_free(c->commands);
    g_free(c);
}

/* ---- Lists of tasks ------------------------------------------------------------------------------- */

void sk_task_list_add(sk_task_list *list, sk_task_record *t)
{
    t->next = NULL;
    t->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = t;
    list->last = t;
    list->n++;
}

void sk_task_list_remove(sk_task_list *list, sk_task_record *t)
{
    *(t->prev ? &t->prev->next : &list->first) = t->next;
    *(t->next ? &t->next->prev : &list->last) = t->prev;
    list->n--;
}

/* ---- Commands -------------------------------------------------------------------------------------- */

void sk_cluster_command(sk_cluster *c, sk_command command)
{
    if (c->ncommands == c->command_room) {
        size_t room = c->command_room ? c->command_room * 2 : 64;
        sk_command *bigger = g_new(sk_command, room);
        for (size_t i = 0; i < c->ncommands; i++)
            bigger[i] = c->commands[(c->first_command + i) & (c->command_room - 1)];
        g_free(c->commands);
        c->commands = bigger;
        c->command_room = room;
        c->first_command = 0;
    }
    c->commands[(c->first_command + c->ncommands++) & (c->command_room - 1)] = command;
}

/* A command waits in the ring; when its turn comes, what it speaks of may be over. */
static bool is_due(sk_cluster *c, const sk_command *command)
{
    if (command->kind == SK_COMMAND_START) {
        sk_task_record *t = sk_idmap_find(&c->tasks, command->task);
        if (!t || t->attempt != command->attempt)
            return false;
        t->is_told = true;
        return true;
    }
    if (command->kind == SK_COMMAND_FETCH)
        return sk_pull_is_current(c, command);
    if (command->kind == SK_COMMAND_DIED)
        return true;
    sk_object_record *o = sk_idmap_find(&c->objects, command->object);
    return o && o->is_told && !o->copies && !o->is_freed;
}

void sk_cluster_hold(sk_cluster *c, bool held) { c->holds = held; }

static bool is_held(const sk_cluster *c, const sk_command *command)
{
    const sk_task_record *t = c->holds && command->kind == SK_COMMAND_START ? sk_idmap_find(&c->tasks, command->task) : NULL;
    return t && t->attempt == command->attempt;
}

static sk_command *command_at(const sk_cluster *c, size_t i) { return &c->commands[(c->first_command + i) & (c->command_room - 1)]; }

/* Those that are held stay, in their order; it is a person who holds them, so there is time. */
bool sk_cluster_next(sk_cluster *c, sk_command *out)
{
    for (size_t passed = 0; passed < c->ncommands; ) {
        if (is_held(c, command_at(c, passed))) {
            passed++;
            continue;
        }
        *out = *command_at(c, passed);
        for (size_t i = passed; i > 0; i--)
            *command_at(c, i) = *command_at(c, i - 1);
        c->first_command = (c->first_command + 1) & (c->command_room - 1);
        c->ncommands--;
        if (is_due(c, out))
            return true;
    }
    return false;
}

bool sk_cluster_is_holding(const sk_cluster *c)
{
    bool is = false;
    for (size_t i = 0; i < c->ncommands && !is; i++)
        is = is_held(c, command_at(c, i));
    return is;
}

/* ---- Nodes ------------------------------------------------------------------------------------------ */

void sk_cluster_touch(sk_cluster *c, int node)
{
    if (!c->nodes[node].is_dirty) {
        c->nodes[node].is_dirty = true;
        g_array_append_val(c->dirty, node);
    }
}

void sk_cluster_settle_down(sk_cluster *c)
{
    for (guint i = 0; i < c->dirty->len; i++) {
        int node = g_array_index(c->dirty, int, i);
        c->nodes[node].is_dirty = false;
        sk_place_fill(c, node);
    }
    g_array_set_size(c->dirty, 0);
}

/* The trees and the shapes' demands have a column for each resource that some node has. */
static void add_names(sk_cluster *c, const sk_resource_pool *pool)
{
    for (int i = 0; i < pool->n; i++) {
        bool is_known = false;
        for (guint j = 0; j < c->names->len && !is_known; j++)
            is_known = !strcmp(c->names->pdata[j], pool->items[i].name);
        if (!is_known)
            g_ptr_array_add(c->names, g_strdup(pool->items[i].name));
    }
    int width = SK_COLUMN_NAMES + (int)c->names->len;
    if (width == c->idle.width && c->rooms <= c->idle.leaves)
        return;
    for (guint i = 0; width != c->idle.width && i < c->shapes->len; i++)
        sk_place_columns(c, c->shapes->pdata[i]);
    sk_room_grow(&c->idle, c->rooms, width);
    sk_room_grow(&c->planned, c->rooms, width);
    for (int n = 0; n < c->nnodes; n++)
        sk_place_show(c, n);
}

static void add_speed(sk_cluster *c, int64_t speed)
{
    int at = 0;
    while (at < c->nspeeds && c->speeds[at] > speed)
        at++;
    if (at < c->nspeeds && c->speeds[at] == speed)
        return;
    c->speeds = g_renew(int64_t, c->speeds, c->nspeeds + 1);
    memmove(c->speeds + at + 1, c->speeds + at, (size_t)(c->nspeeds++ - at) * sizeof *c->speeds);
    c->speeds[at] = speed;
}

static sk_node_record *node_at(sk_cluster *c, int node)
{
    if (node >= c->rooms) {
        int rooms = c->rooms ? c->rooms : 16;
        while (rooms <= node)
            rooms *= 2;
        c->nodes = g_renew(sk_node_record, c->nodes, rooms);
        memset(c->nodes + c->rooms, 0, (size_t)(rooms - c->rooms) * sizeof *c->nodes);
        c->rooms = rooms;
    }
    if (node >= c->nnodes)
        c->nnodes = node + 1;
    return &c->nodes[node];
}

static void specify(sk_node_record *n, const sk_cluster_node *spec)
{
    n->pool = spec->pool;
    n->pool.cpus_free = n->pool.cpus;
    for (int i = 0; i < n->pool.n; i++)
        n->pool.items[i].free = n->pool.items[i].total;
    n->plan = n->pool;
    n->speed = spec->speed > 0 ? spec->speed : SK_UNITS;
    n->store_bytes = spec->store_bytes;
}

bool sk_cluster_node_up(sk_cluster *c, int node, const sk_cluster_node *spec)
{
    if (node < 0 || node >= SK_MAX_NODES || (node < c->nnodes && c->nodes[node].is_up))
        return false;
    sk_node_record *n = node_at(c, node);
    specify(n, spec);
    n->is_up = true;
    n->is_paused = n->is_expected = false;
    n->incarnation++;
    add_names(c, &n->pool);
    add_speed(c, n->speed);
    sk_cluster_touch(c, node);
    sk_cluster_settle_down(c);
    return true;
}

void sk_cluster_expect(sk_cluster *c, int node, const sk_cluster_node *spec)
{
    if (node < 0 || node >= SK_MAX_NODES || (node < c->nnodes && c->nodes[node].is_up))
        return;
    sk_node_record *n = node_at(c, node);
    n->is_expected = spec != NULL;
    if (spec)
        specify(n, spec);
}

void sk_cluster_node_pause(sk_cluster *c, int node, bool paused)
{
    if (node < 0 || node >= c->nnodes || !c->nodes[node].is_up)
        return;
    c->nodes[node].is_paused = paused;
    sk_cluster_touch(c, node);
    sk_cluster_settle_down(c);
}

void sk_cluster_forget(sk_cluster *c, sk_task_record *t)
{
    sk_idmap_remove(&c->tasks, t->id);
    sk_pull_forget(c, t);
    g_free(t);
}

/* A task the caller has not heard of can just be placed again; the end of any other is the caller's to judge. */
static void end_here(sk_cluster *c, sk_task_record *t)
{
    int node = t->node;
    sk_place_release(c, t);
    if (t->is_told) {
        sk_cluster_command(c, (sk_command){ .kind = SK_COMMAND_DIED, .task = t->id, .attempt = t->attempt, .node = node });
        sk_cluster_forget(c, t);
        return;
    }
    t->attempt = 0;
    c->waiting++;
    sk_pull_need(t);
    sk_place_settle(c, t);
}

void sk_cluster_node_lost(sk_cluster *c, int node)
{
    if (node < 0 || node >= c->nnodes || !c->nodes[node].is_up)
        return;
    sk_node_record *n = &c->nodes[node];
    n->is_up = n->is_paused = n->is_closed = false;
    if (n->held_for)
        n->held_for->held = -1;
    n->held_for = NULL;
    sk_place_show(c, node);
    sk_pull_node_lost(c, node);
    while (n->running.first)
        end_here(c, n->running.first);
    while (n->blocked.first)
        end_here(c, n->blocked.first);
    for (sk_task_record *t; (t = n->bound.first ? n->bound.first : n->pulling.first); ) {
        sk_place_unbind(c, t);
        sk_place_settle(c, t);
    }
    for (int i = 0; i < n->nqueues; i++)
        while (!n->queues[i]->hard && n->queues[i]->n) {
            sk_task_record *t = n->queues[i]->heap[0].task;
            sk_place_unqueue(c, t);
            sk_place_settle(c, t);
        }
    sk_cluster_settle_down(c);
}

/* ---- Tasks ------------------------------------------------------------------------------------------ */

/* Where a function's record in `means` is. */
static uint32_t fn_index(sk_cluster *c, uint64_t fn)
{
    sk_fn_record *f = sk_idmap_find(&c->fns, fn);
    if (!f) {
        f = g_new(sk_fn_record, 1);
        *f = (sk_fn_record){ .id = fn, .index = c->means->len };
        g_array_set_size(c->means, c->means->len + 1);
        sk_idmap_add(&c->fns, f);
    }
    return f->index;
}

/* The work of an attempt, as time on a node of speed 1, goes into the function's mean: of all of the first 32, then
 * of the latest about 32. */
void sk_cluster_learn(sk_cluster *c, const sk_task_record *t, int64_t duration_ns)
{
    sk_fn_mean *m = &g_array_index(c->means, sk_fn_mean, t->fn);
    int64_t work = (int64_t)((__int128)duration_ns * c->nodes[t->node].speed / SK_UNITS);
    if (m->n < 32)
        m->n++;
    m->work += (work - m->work) / m->n;
}

void sk_cluster_ready(sk_cluster *c, const sk_cluster_task *task)
{
    sk_task_record *t = g_malloc0(sizeof *t + task->nargs * sizeof *t->args);
    t->id = task->id;
    t->order = task->order;
    t->shape = sk_place_shape(c, &task->demand);
    t->priority = task->priority;
    t->affinity = task->affinity;
    t->home = task->home;
    t->is_light = task->is_light;
    t->fn = fn_index(c, task->fn);
    t->cost = task->cost_ns ? task->cost_ns : g_array_index(c->means, sk_fn_mean, t->fn).work;
    t->key = c->policy->key(c, t, task->rank ? task->rank : t->cost);
    for (size_t i = 0; i < task->nargs; i++) {
        sk_object_record *o = sk_idmap_find(&c->objects, task->args[i]);
        if (!o || o->is_freed)
            continue;
        t->args[t->nargs++] = o;
        o->users++;
        if (!o->copies && !o->is_rebuildable)
            o->is_told = false;      /* a late comer is told as well */
    }
    if (t->affinity >= 0)
        node_at(c, t->affinity);
    sk_idmap_add(&c->tasks, t);
    c->waiting++;
    sk_pull_need(t);
    sk_place_settle(c, t);
    sk_cluster_settle_down(c);
}

bool sk_cluster_cancel(sk_cluster *c, uint64_t task)
{
    sk_task_record *t = sk_idmap_find(&c->tasks, task);
    if (!t || t->place == SK_RUNNING || t->place == SK_BLOCKED)
        return false;
    if (t->place == SK_QUEUED)
        sk_place_withdraw(c, t);
    else if (t->place != SK_PARKED)
        sk_place_unbind(c, t);
    else
        sk_pull_unpark(t);
    c->waiting--;
    sk_pull_unneed(t);
    sk_cluster_forget(c, t);
    sk_cluster_settle_down(c);
    return true;
}

sk_task_record *sk_cluster_attempt(sk_cluster *c, uint64_t task, uint64_t attempt)
{
    sk_task_record *t = sk_idmap_find(&c->tasks, task);
    return t && t->attempt == attempt && (t->place == SK_RUNNING || t->place == SK_BLOCKED) ? t : NULL;
}

bool sk_cluster_ended(sk_cluster *c, uint64_t task, uint64_t attempt, int64_t duration_ns)
{
    sk_task_record *t = sk_cluster_attempt(c, task, attempt);
    if (!t)
        return false;
    sk_cluster_learn(c, t, duration_ns);
    sk_place_release(c, t);
    sk_cluster_forget(c, t);
    sk_cluster_settle_down(c);
    return true;
}

/* Lends its cpus, or has them back. */
static bool move(sk_cluster *c, uint64_t task, uint64_t attempt, sk_task_place from, sk_task_place to)
{
    sk_task_record *t = sk_cluster_attempt(c, task, attempt);
    if (!t || t->place != from || t->is_ahead)
        return false;
    sk_node_record *n = &c->nodes[t->node];
    void (*count)(sk_resource_pool *, const sk_demand *) =
        to == SK_BLOCKED ? sk_resource_pool_lend : sk_resource_pool_reclaim;
    sk_task_list_remove(from == SK_RUNNING ? &n->running : &n->blocked, t);
    sk_task_list_add(to == SK_RUNNING ? &n->running : &n->blocked, t);
    t->place = (uint8_t)to;
    count(&n->pool, &t->shape->demand);
    count(&n->plan, &t->shape->demand);
    sk_cluster_touch(c, t->node);
    sk_cluster_settle_down(c);
    return true;
}

bool sk_cluster_blocked(sk_cluster *c, uint64_t task, uint64_t attempt)
{
    return move(c, task, attempt, SK_RUNNING, SK_BLOCKED);
}

bool sk_cluster_unblocked(sk_cluster *c, uint64_t task, uint64_t attempt)
{
    return move(c, task, attempt, SK_BLOCKED, SK_RUNNING);
}
