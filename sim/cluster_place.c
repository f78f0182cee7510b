/* cluster_place.c -- which task runs where. See cluster.h.
 *
 * There are two moments. A task becomes ready: the policy names a node that has room, or the task queues (settle). A node has
 * room: the best head among its own queues, then the common ones, then those of other nodes may go there (fill). Queues hold
 * tasks that are alike, so a head that does not fit speaks for all behind it.
 *
 * Nothing starves: a head that lacks nothing but cpus, and comes before what would fit, has the node *held* for it (one node per
 * queue), as in EASY backfilling with one reservation: nothing that comes after it starts there until it has.        */
#include "cluster_state.h"

enum { WINDOW = 16, FEW_QUEUES = 32 };

/* ---- Shapes ---------------------------------------------------------------------------------------------- */

static guint hash_demand(gconstpointer key)
{
    const sk_demand *d = key;
    uint64_t h = sk_mix((uint64_t)d->cpus);
    for (int i = 0; i < d->n; i++)
        h += sk_mix((uint64_t)d->amounts[i].units ^ g_str_hash(d->amounts[i].name));
    return (guint)h;
}

static gboolean is_equal_demand(gconstpointer x, gconstpointer y)
{
    const sk_demand *a = x, *b = y;
    bool is_equal = a->cpus == b->cpus && a->n == b->n;
    for (int i = 0; is_equal && i < a->n; i++)
        is_equal = a->amounts[i].units == b->amounts[i].units && !strcmp(a->amounts[i].name, b->amounts[i].name);
    return is_equal;
}

void sk_place_columns(const sk_cluster *c, sk_shape *shape)
{
    size_t width = SK_COLUMN_NAMES + c->names->len;
    shape->want = g_renew(int64_t, shape->want, width);
    memset(shape->want, 0, width * sizeof *shape->want);
    shape->want[SK_COLUMN_CPUS] = shape->demand.cpus;
    for (int i = 0; i < shape->demand.n; i++)
        for (guint j = 0; j < c->names->len; j++)
            if (!strcmp(c->names->pdata[j], shape->demand.amounts[i].name))
                shape->want[SK_COLUMN_NAMES + j] = shape->demand.amounts[i].units;
}

sk_shape *sk_place_shape(sk_cluster *c, const sk_demand *demand)
{
    if (c->last_shape && is_equal_demand(&c->last_shape->demand, demand))
        return c->last_shape;
    if (!c->shape_of)
        c->shape_of = g_hash_table_new(hash_demand, is_equal_demand);
    sk_shape *shape = g_hash_table_lookup(c->shape_of, demand);
    if (!shape) {
        shape = g_new0(sk_shape, 1);
        shape->demand = *demand;
        sk_place_columns(c, shape);
        g_hash_table_insert(c->shape_of, &shape->demand, shape);
        g_ptr_array_add(c->shapes, shape);
    }
    return c->last_shape = shape;
}

void sk_shape_free(void *shape)
{
    g_free(((sk_shape *)shape)->want);
    g_free(shape);
}

/* ---- Queues ---------------------------------------------------------------------------------------------- */

/* Among tasks of equal priority. */
static bool is_smaller(const sk_entry *a, const sk_entry *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    if (a->task->order != b->task->order)
        return a->task->order < b->task->order;
    return a->task->id < b->task->id;
}

bool sk_place_is_before(const sk_task_record *a, const sk_task_record *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return is_smaller(&(sk_entry){ a->key, (sk_task_record *)a }, &(sk_entry){ b->key, (sk_task_record *)b });
}

static void put_entry(sk_queue *q, uint32_t at, sk_entry e)
{
    q->heap[at] = e;
    e.task->heap_at = at;
}

static void sift_up(sk_queue *q, uint32_t at, sk_entry e)
{
    for (; at > 0 && is_smaller(&e, &q->heap[(at - 1) / 4]); at = (at - 1) / 4)
        put_entry(q, at, q->heap[(at - 1) / 4]);
    put_entry(q, at, e);
}

static void sift_down(sk_queue *q, uint32_t at, sk_entry e)
{
    for (uint32_t child; (child = 4 * at + 1) < q->n; at = child) {
        uint32_t end = child + 4 < q->n ? child + 4 : q->n;
        for (uint32_t i = child + 1; i < end; i++)
            if (is_smaller(&q->heap[i], &q->heap[child]))
                child = i;
        if (!is_smaller(&q->heap[child], &e))
            break;
        put_entry(q, at, q->heap[child]);
    }
    put_entry(q, at, e);
}

static void list_stealable(sk_queue *q)
{
    sk_shape *s = q->shape;
    q->is_stealable = true;
    q->next = NULL;
    q->prev = s->steal_last;
    *(s->steal_last ? &s->steal_last->next : &s->steal_first) = q;
    s->steal_last = q;
}

static void unlist_stealable(sk_queue *q)
{
    sk_shape *s = q->shape;
    q->is_stealable = false;
    *(q->prev ? &q->prev->next : &s->steal_first) = q->next;
    *(q->next ? &q->next->prev : &s->steal_last) = q->prev;
}

static sk_queue *queue_new(sk_shape *shape, int priority, int node, bool hard)
{
    sk_queue *q = g_new0(sk_queue, 1);
    *q = (sk_queue){ .shape = shape, .priority = priority, .node = node, .hard = hard, .held = -1 };
    return q;
}

void sk_queue_free(void *queue)
{
    g_free(((sk_queue *)queue)->heap);
    g_free(queue);
}

static bool is_for(const sk_queue *q, const sk_shape *shape, int priority, bool hard)
{
    return q->shape == shape && q->priority == priority && q->hard == hard;
}

static sk_queue *queue_of(sk_cluster *c, sk_task_record *t, int node)
{
    bool hard = t->affinity >= 0;
    if (node < 0) {
        for (guint i = 0; i < c->common->len; i++)
            if (is_for(c->common->pdata[i], t->shape, t->priority, hard))
                return c->common->pdata[i];
        g_ptr_array_add(c->common, queue_new(t->shape, t->priority, -1, false));
        return c->common->pdata[c->common->len - 1];
    }
    sk_node_record *n = &c->nodes[node];
    for (int i = 0; i < n->nqueues; i++)
        if (is_for(n->queues[i], t->shape, t->priority, hard))
            return n->queues[i];
    n->queues = g_renew(sk_queue *, n->queues, n->nqueues + 1);
    return n->queues[n->nqueues++] = queue_new(t->shape, t->priority, node, hard);
}

static void release_hold(sk_cluster *c, sk_queue *q)
{
    if (q->held < 0)
        return;
    c->nodes[q->held].held_for = NULL;
    sk_cluster_touch(c, q->held);
    q->held = -1;
}

static void push(sk_cluster *c, sk_task_record *t, int node)
{
    sk_queue *q = queue_of(c, t, node);
    t->place = SK_QUEUED;
    t->queue = q;
    if (q->n == q->room) {
        q->room = q->room ? q->room + q->room / 2 : 4;
        q->heap = g_renew(sk_entry, q->heap, q->room);
    }
    sift_up(q, q->n++, (sk_entry){ t->key, t });
    if (node >= 0) {
        c->nodes[node].queued++;
        if (!q->hard && !q->is_stealable)
            list_stealable(q);
    }
}

/* Few priorities: their queues stay. Many: those that are empty go, so that nobody looks at them again and again. */
static void drop_empty(sk_cluster *c, sk_queue *q)
{
    if (q->node >= 0 || c->common->len <= FEW_QUEUES)
        return;
    g_ptr_array_remove(c->common, q);
    sk_queue_free(q);
}

void sk_place_unqueue(sk_cluster *c, sk_task_record *t)
{
    sk_queue *q = t->queue;
    uint32_t at = t->heap_at;
    if (at == 0)
        release_hold(c, q);
    sk_entry last = q->heap[--q->n];
    if (at < q->n) {
        if (at > 0 && is_smaller(&last, &q->heap[(at - 1) / 4]))
            sift_up(q, at, last);
        else
            sift_down(q, at, last);
    }
    if (q->node >= 0)
        c->nodes[q->node].queued--;
    if (q->n == 0 && q->is_stealable)
        unlist_stealable(q);
    if (q->n == 0)
        drop_empty(c, q);
}

/* ---- Room -------------------------------------------------------------------------------------------------- */

void sk_place_show(sk_cluster *c, int node)
{
    sk_node_record *n = &c->nodes[node];
    sk_room *rooms[] = { &c->idle, &c->planned };
    const sk_resource_pool *pools[] = { &n->pool, &n->plan };
    if (node >= c->idle.leaves)
        return;                        /* has never been up */
    for (int i = 0; i < 2; i++) {
        int64_t values[SK_COLUMN_NAMES + c->names->len];
        memset(values, 0, sizeof values);
        values[SK_COLUMN_CPUS] = pools[i]->cpus_free;
        values[SK_COLUMN_SPEED] = n->speed;
        for (int k = 0; k < pools[i]->n; k++)
            for (guint j = 0; j < c->names->len; j++)
                if (!strcmp(c->names->pdata[j], pools[i]->items[k].name))
                    values[SK_COLUMN_NAMES + j] = MAX(pools[i]->items[k].free, 0);    /* a plan may be below: no matter to who asks for none */
        sk_room_set(rooms[i], node, n->is_up && !n->is_paused && !n->is_closed ? values : NULL);
    }
}

/* Starts there at once if nothing is missing, else is bound: the one needs what is free, the other what is promised to nobody. */
static bool fits(const sk_node_record *n, const sk_task_record *t, int node)
{
    if (!n->is_up || n->is_paused || n->is_closed || !sk_resource_pool_fits(&n->pool, &t->shape->demand))
        return false;
    return !sk_pull_missing(t, node) || sk_resource_pool_fits(&n->plan, &t->shape->demand);
}

bool sk_place_may(const sk_cluster *c, const sk_task_record *t, int node)
{
    if (node < 0 || node >= c->nnodes || (t->affinity >= 0 && t->affinity != node))
        return false;
    const sk_node_record *n = &c->nodes[node];
    return fits(n, t, node) && (!n->held_for || !sk_place_is_before(n->held_for->heap[0].task, t));
}

int sk_place_find(const sk_cluster *c, const sk_task_record *t, int from, int64_t speed)
{
    const sk_room *room = t->nargs ? &c->planned : &c->idle;
    t->shape->want[SK_COLUMN_SPEED] = speed;
    for (int round = 0, end = room->leaves; round < 2; round++, end = from, from = 0)
        for (int n = from; (n = sk_room_find(room, t->shape->want, n)) >= 0 && n < end; n++)
            if (sk_place_may(c, t, n))
                return n;
    return -1;
}

/* ---- From queued to over ------------------------------------------------------------------------------------ */

int sk_place_take_row(sk_node_record *n)
{
    int i = 0;
    while (i < n->nrows && !~n->rows[i])
        i++;
    if (i == n->nrows) {
        n->rows = g_renew(uint64_t, n->rows, ++n->nrows);
        n->rows[i] = 0;
    }
    int bit = __builtin_ctzll(~n->rows[i]);
    n->rows[i] |= (uint64_t)1 << bit;
    return i * 64 + bit;
}

/* Its claim, if it had one, is settled: `plan` has counted it already. */
static void start(sk_cluster *c, sk_task_record *t)
{
    sk_node_record *n = &c->nodes[t->node];
    sk_resource_pool_take(&n->pool, &t->shape->demand);
    t->place = SK_RUNNING;
    t->is_told = false;
    t->attempt = ++c->attempts;
    t->worker = sk_place_take_row(n);
    sk_task_list_add(&n->running, t);
    sk_pull_unneed(t);
    c->waiting--;
    c->running++;
    sk_cluster_command(c, (sk_command){ .kind = SK_COMMAND_START, .task = t->id, .attempt = t->attempt, .node = t->node,
                       .worker = t->worker });
}

/* On no list, and fits there. */
static void bind(sk_cluster *c, sk_task_record *t, int node)
{
    sk_node_record *n = &c->nodes[node];
    t->node = node;
    sk_resource_pool_take(&n->plan, &t->shape->demand);
    if (!sk_pull_missing(t, node)) {
        start(c, t);
    } else {
        t->place = SK_PULLING;
        t->is_admitted = false;
        sk_task_list_add(&n->pulling, t);
        sk_cluster_touch(c, node);
    }
    sk_place_show(c, node);
}

void sk_place_arrived(sk_cluster *c, sk_task_record *t)
{
    sk_node_record *n = &c->nodes[t->node];
    sk_task_list_remove(&n->pulling, t);
    sk_pull_unbundle(c, t);
    t->place = SK_BOUND;
    sk_task_list_add(&n->bound, t);
    sk_cluster_touch(c, t->node);
}

void sk_place_unbind(sk_cluster *c, sk_task_record *t)
{
    sk_node_record *n = &c->nodes[t->node];
    sk_task_list_remove(t->place == SK_PULLING ? &n->pulling : &n->bound, t);
    sk_pull_unbundle(c, t);
    sk_resource_pool_give(&n->plan, &t->shape->demand);
    sk_cluster_touch(c, t->node);
}

void sk_place_release(sk_cluster *c, sk_task_record *t)
{
    sk_node_record *n = &c->nodes[t->node];
    sk_task_list_remove(t->place == SK_RUNNING ? &n->running : &n->blocked, t);
    if (t->place == SK_BLOCKED) {       /* its cpus were lent */
        sk_resource_pool_reclaim(&n->pool, &t->shape->demand);
        sk_resource_pool_reclaim(&n->plan, &t->shape->demand);
    }
    sk_resource_pool_give(&n->pool, &t->shape->demand);
    sk_resource_pool_give(&n->plan, &t->shape->demand);
    if (t->worker >= 0)
        n->rows[t->worker / 64] &= ~((uint64_t)1 << t->worker % 64);
    c->running--;
    sk_cluster_touch(c, t->node);
}

/* The policy's node, or one that has all arguments: there the task can start even if the room is promised to others. */
static int choose(sk_cluster *c, const sk_task_record *t)
{
    enum { FEW_COPIES = 8 };
    if (t->affinity >= 0)
        return t->affinity;
    int node = c->policy->place(c, t);
    for (uint32_t i = 0; node < 0 && t->nargs && i < t->args[0]->copies && i < FEW_COPIES; i++)
        if (sk_place_may(c, t, sk_pull_copies(t->args[0])[i]))
            node = sk_pull_copies(t->args[0])[i];
    return node;
}

void sk_place_withdraw(sk_cluster *c, sk_task_record *t)
{
    sk_queue *q = t->queue;
    bool was_head = t->heap_at == 0 && q->n > 1;
    sk_place_unqueue(c, t);
    int node = was_head ? choose(c, q->heap[0].task) : -1;
    if (node >= 0 && node < c->nnodes)
        sk_cluster_touch(c, node);
}

void sk_place_settle(sk_cluster *c, sk_task_record *t)
{
    sk_object_record *lost = sk_pull_lost(t);
    if (lost) {
        sk_pull_park(c, t, lost);
        return;
    }
    int node = choose(c, t);
    if (sk_place_may(c, t, node)) {
        bind(c, t, node);
        return;
    }
    /* Nodes' own queues hold only priority 0: so priorities are kept over the whole cluster. */
    int at = t->affinity >= 0 ? t->affinity : t->priority == 0 && c->policy->queue ? c->policy->queue(c, t) : -1;
    push(c, t, at >= 0 && at < c->nnodes && (c->nodes[at].is_up || t->affinity >= 0) ? at : -1);
}

/* ---- A node has room ------------------------------------------------------------------------------------------ */

/* Priority, then what waits at the node itself, then the policy's order. */
static bool is_queue_before(const sk_queue *a, const sk_queue *b)
{
    bool a_own = a->node >= 0 && !a->hard, b_own = b->node >= 0 && !b->hard;
    if (a->priority == b->priority && a_own != b_own)
        return a_own;
    return sk_place_is_before(a->heap[0].task, b->heap[0].task);
}

/* Heads whose arguments have no copy any more leave the queue. false: it is empty then, and may be gone. */
static bool shed(sk_cluster *c, sk_queue *q)
{
    while (q->n) {
        sk_task_record *t = q->heap[0].task;
        sk_object_record *lost = sk_pull_lost(t);
        if (!lost)
            return true;
        bool is_last = q->n == 1;
        sk_place_unqueue(c, t);
        sk_pull_park(c, t, lost);
        if (is_last)
            return false;
    }
    return false;
}

/* The task of this queue that may go to this node: the head, or one of the first few if that has more of its bytes here. */
static sk_task_record *candidate(sk_cluster *c, sk_queue *q, int node)
{
    sk_node_record *n = &c->nodes[node];
    sk_task_record *best = NULL;
    int64_t best_missing = 0;
    if (!sk_resource_pool_fits(&n->pool, &q->shape->demand))
        return NULL;
    for (uint32_t i = 0; i < q->n && i < WINDOW; i++) {
        sk_task_record *t = q->heap[i].task;
        int64_t missing = sk_pull_missing(t, node);
        bool is_better = !best || (c->policy->seeks_bytes && missing < best_missing);
        if (is_better && sk_place_may(c, t, node) && !sk_pull_lost(t)) {
            best = t;
            best_missing = missing;
        }
        if (best && (!c->policy->seeks_bytes || best_missing == 0))
            break;
    }
    return best;
}

/* Would the head fit here if only enough cpus were free? */
static bool lacks_only_cpus(const sk_node_record *n, const sk_queue *q)
{
    if (q->shape->demand.cpus > n->pool.cpus || q->shape->demand.cpus <= n->pool.cpus_free)
        return false;
    sk_resource_pool all_free = n->pool;
    all_free.cpus_free = n->pool.cpus;
    return sk_resource_pool_fits(&all_free, &q->shape->demand);
}

/* Holds the node for this queue, if its head lacks nothing but cpus and comes before what the node is held for. */
static void consider_hold(sk_cluster *c, sk_queue *q, int node)
{
    sk_node_record *n = &c->nodes[node];
    if (!shed(c, q) || q->held >= 0 || !lacks_only_cpus(n, q))
        return;
    if (n->held_for && !sk_place_is_before(q->heap[0].task, n->held_for->heap[0].task))
        return;
    if (n->held_for)
        n->held_for->held = -1;
    n->held_for = q;
    q->held = node;
}

typedef struct choice { sk_queue *queue; sk_task_record *task; } choice;

static void consider(sk_cluster *c, sk_queue *q, int node, choice *best)
{
    if (!q->n || (best->queue && is_queue_before(best->queue, q)))
        return;
    sk_task_record *t = candidate(c, q, node);
    if (t)
        *best = (choice){ q, t };
}

/* From the queues of other nodes; the queue that gave goes to the end of the line. */
static sk_task_record *steal(sk_cluster *c, int node)
{
    for (guint i = 0; i < c->shapes->len; i++) {
        sk_shape *shape = c->shapes->pdata[i];
        sk_queue *q = shape->steal_first;
        for (int tries = 0; q && tries < WINDOW && sk_resource_pool_fits(&c->nodes[node].pool, &shape->demand); tries++) {
            sk_queue *next = q->next;
            sk_task_record *t = shed(c, q) ? candidate(c, q, node) : NULL;
            if (t) {
                unlist_stealable(q);
                list_stealable(q);
                return t;
            }
            q = next;
        }
    }
    return NULL;
}

sk_task_record *sk_place_pick(sk_cluster *c, int node)
{
    sk_node_record *n = &c->nodes[node];
    choice best = { 0 };
    if (n->held_for)                                   /* found out anew each time */
        n->held_for->held = -1;
    n->held_for = NULL;
    for (int i = 0; i < n->nqueues; i++)
        consider_hold(c, n->queues[i], node);
    for (guint i = c->common->len; i-- > 0; )          /* from behind: a queue that runs empty may be taken out */
        consider_hold(c, c->common->pdata[i], node);
    for (int i = 0; i < n->nqueues; i++)
        consider(c, n->queues[i], node, &best);
    for (guint i = 0; i < c->common->len; i++)
        consider(c, c->common->pdata[i], node, &best);
    if (!best.task || best.task->priority < 0) {
        sk_task_record *stolen = steal(c, node);
        if (stolen)
            return stolen;
    }
    return best.task;
}

/* Bound tasks that have all they need start, best first. One that lacks cpus closes the node until it has them; one that
 * lacks something else lets others by. */
static void start_bound(sk_cluster *c, int node)
{
    sk_node_record *n = &c->nodes[node];
    n->is_closed = false;
    for (;;) {
        sk_task_record *best = NULL;
        for (sk_task_record *t = n->bound.first; t; t = t->next) {
            bool is_candidate = t->shape->demand.cpus > n->pool.cpus_free || sk_resource_pool_fits(&n->pool, &t->shape->demand);
            if (is_candidate && (!best || sk_place_is_before(t, best)))
                best = t;
        }
        if (!best)
            return;
        if (!sk_resource_pool_fits(&n->pool, &best->shape->demand)) {
            n->is_closed = true;
            return;
        }
        sk_task_list_remove(&n->bound, best);
        start(c, best);
    }
}

void sk_place_fill(sk_cluster *c, int node)
{
    sk_node_record *n = &c->nodes[node];
    if (!n->is_up) {
        sk_place_show(c, node);
        return;
    }
    sk_pull_serve(c, node);
    if (!n->is_paused)
        start_bound(c, node);
    for (sk_task_record *t; !n->is_paused && !n->is_closed && (t = sk_place_pick(c, node)); ) {
        sk_place_unqueue(c, t);
        bind(c, t, node);
    }
    sk_place_show(c, node);            /* last: mostly what became free is taken again, and nothing has changed */
}
