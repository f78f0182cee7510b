/* cluster_look.c -- questions to the cluster, and the check that all it remembers agrees. See cluster.h. */
#include "cluster_state.h"

#include <stdio.h>

/* ---- Can it ever run? --------------------------------------------------------------------------------- */

static bool counts(const sk_node_record *n) { return n->is_up || n->is_expected; }

/* The largest amount of each thing that any one node has: only for the text. */
static void add_largest(sk_resource_pool *most, const sk_resource_pool *pool)
{
    if (pool->cpus > most->cpus)
        most->cpus = pool->cpus;
    for (int i = 0; i < pool->n; i++) {
        int at = sk_resource_pool_find(most, pool->items[i].name);
        if (at < 0 && most->n < SK_MAX_RESOURCES) {
            at = most->n++;
            memcpy(most->items[at].name, pool->items[i].name, sizeof most->items[at].name);
            most->items[at].total = 0;
        }
        if (at >= 0 && most->items[at].total < pool->items[i].total)
            most->items[at].total = pool->items[i].total;
    }
}

bool sk_cluster_is_feasible(const sk_cluster *c, const sk_demand *demand, int affinity, char *why, size_t room)
{
    sk_resource_pool most = { 0 };
    int n = 0, guess = affinity >= 0 ? affinity : *c->feasible_at;
    if (guess < c->nnodes && counts(&c->nodes[guess]) && sk_demand_is_feasible(demand, &c->nodes[guess].pool, why, room))
        return true;
    for (int i = affinity >= 0 ? affinity : 0; i < c->nnodes && (affinity < 0 || i == affinity); i++) {
        if (!counts(&c->nodes[i]))
            continue;
        if (sk_demand_is_feasible(demand, &c->nodes[i].pool, why, room)) {
            *c->feasible_at = i;
            return true;
        }
        add_largest(&most, &c->nodes[i].pool);
        n++;
    }
    if (n == 0 && affinity >= 0)
        snprintf(why, room, "must run on node %d, which is not there", affinity);
    else if (n == 0)
        snprintf(why, room, "there is no node");
    else if (sk_demand_is_feasible(demand, &most, why, room))
        snprintf(why, room, "asks for things that some node has each, but no node has all of");
    return false;
}

/* ---- What is there --------------------------------------------------------------------------------------- */

int sk_cluster_nodes(const sk_cluster *c) { return c->nnodes; }
int64_t sk_cluster_cpus_free(const sk_cluster *c, int node) { return node >= 0 && node < c->nnodes ? c->nodes[node].pool.cpus_free : 0; }
size_t sk_cluster_waiting(const sk_cluster *c) { return c->waiting; }
size_t sk_cluster_running(const sk_cluster *c) { return c->running; }

bool sk_cluster_look(const sk_cluster *c, int node, sk_cluster_view *out)
{
    if (node < 0 || node >= c->nnodes)
        return false;
    const sk_node_record *n = &c->nodes[node];
    *out = (sk_cluster_view){ .pool = n->pool, .up = n->is_up, .paused = n->is_paused, .incarnation = n->incarnation,
                              .running = n->running.n, .blocked = n->blocked.n, .bound = n->pulling.n + n->bound.n,
                              .queued = n->queued, .pulling = n->under_way.n, .sending = n->sending };
    return true;
}

size_t sk_cluster_resources(const sk_cluster *c, sk_resource *out, size_t max)
{
    size_t n = 1 + c->names->len;
    for (size_t k = 0; k < n && k < max; k++) {
        const char *name = k ? c->names->pdata[k - 1] : "cpu";
        int64_t total = 0, free = 0;
        for (int i = 0; i < c->nnodes; i++) {
            const sk_resource_pool *pool = &c->nodes[i].pool;
            int at = k ? sk_resource_pool_find(pool, name) : -1;
            if (c->nodes[i].is_up && (k == 0 || at >= 0)) {
                total += k ? pool->items[at].total : pool->cpus;
                free += k ? pool->items[at].free : pool->cpus_free;
            }
        }
        out[k] = (sk_resource){ "", (double)total / SK_UNITS, (double)free / SK_UNITS };
        snprintf(out[k].name, sizeof out[k].name, "%s", name);
    }
    return n;
}

bool sk_cluster_has_copy(const sk_cluster *c, uint64_t object, int node)
{
    const sk_object_record *o = sk_idmap_find(&c->objects, object);
    return o && sk_pull_has_copy(o, node);
}

size_t sk_cluster_copies(const sk_cluster *c, uint64_t object, int *nodes, size_t max)
{
    sk_object_record *o = sk_idmap_find(&c->objects, object);
    for (uint32_t i = 0; o && i < o->copies && i < max; i++)
        nodes[i] = sk_pull_copies(o)[i];
    return o ? o->copies : 0;
}

static bool has_argument(const sk_task_list *list, const sk_object_record *o)
{
    for (const sk_task_record *t = list->first; t; t = t->next)
        for (uint32_t i = 0; i < t->nargs; i++)
            if (t->args[i] == o)
                return true;
    return false;
}

bool sk_cluster_is_pinned(const sk_cluster *c, uint64_t object, int node)
{
    const sk_object_record *o = sk_idmap_find(&c->objects, object);
    if (!o || !o->users || node < 0 || node >= c->nnodes)
        return false;
    const sk_node_record *n = &c->nodes[node];
    return has_argument(&n->pulling, o) || has_argument(&n->bound, o) || has_argument(&n->running, o) || has_argument(&n->blocked, o);
}

/* ---- Why does it not start? -------------------------------------------------------------------------------- */

/* A task of this node that has some of what the demand lacks: cpus (only running tasks have them), or a named resource. */
static const sk_task_record *holder_at(const sk_node_record *n, const sk_demand *demand, const char **what)
{
    const sk_task_list *lists[] = { &n->running, &n->blocked };
    *what = "cpus";
    if (demand->cpus > n->pool.cpus_free)
        return n->running.first;
    for (int i = 0; i < demand->n; i++) {
        const sk_amount *a = &demand->amounts[i];
        int at = sk_resource_pool_find(&n->pool, a->name);
        if (at >= 0 && a->units <= n->pool.items[at].free)
            continue;
        *what = a->name;
        for (int k = 0; k < 2; k++)
            for (const sk_task_record *t = lists[k]->first; t; t = t->next)
                for (int j = 0; j < t->shape->demand.n; j++)
                    if (!strcmp(t->shape->demand.amounts[j].name, a->name))
                        return t;
    }
    return NULL;
}

uint64_t sk_cluster_holder(const sk_cluster *c, uint64_t task, char *text, size_t room)
{
    const sk_task_record *t = sk_idmap_find(&c->tasks, task);
    char why[120];
    snprintf(text, room, "is not waiting for a node");
    if (!t || t->place == SK_RUNNING || t->place == SK_BLOCKED)
        return 0;
    if (t->place == SK_PARKED || t->place == SK_PULLING) {
        snprintf(text, room, t->place == SK_PARKED ? "has an argument of which no copy is left" : "has arguments on their way to node %d", t->node);
        return 0;
    }
    const sk_demand *demand = &t->shape->demand;
    if (!sk_cluster_is_feasible(c, demand, t->affinity, why, sizeof why)) {
        snprintf(text, room, "%s", why);
        return 0;
    }
    int only = t->place == SK_BOUND ? t->node : t->affinity;
    for (int i = only >= 0 ? only : 0; i < c->nnodes && (only < 0 || i == only); i++) {
        const sk_node_record *n = &c->nodes[i];
        const char *what;
        const sk_task_record *holder = NULL;
        if (n->is_up && sk_demand_is_feasible(demand, &n->pool, why, sizeof why))
            holder = holder_at(n, demand, &what);
        if (holder) {
            snprintf(text, room, "lacks %s of node %d", what, i);
            return holder->id;
        }
    }
    snprintf(text, room, "waits for a node that is expected");
    return 0;
}

/* ---- Does it all agree? -------------------------------------------------------------------------------------- */

#define must(what) ((what) ? (void)0 : wrong(#what, __LINE__))

static _Noreturn void wrong(const char *what, int line)
{
    fprintf(stderr, "cluster_look.c:%d: the cluster is inconsistent: not %s\n", line, what);
    abort();
}

static size_t check_list(const sk_cluster *c, const sk_task_list *list, sk_task_place place, int node, sk_resource_pool *pool)
{
    size_t n = 0;
    for (const sk_task_record *t = list->first; t; t = t->next, n++) {
        must(t->place == place);
        must(sk_idmap_find(&c->tasks, t->id) == t);
        must(t->node == node);
        if (pool)
            sk_resource_pool_give(pool, &t->shape->demand);
        if (pool && place == SK_BLOCKED)
            sk_resource_pool_reclaim(pool, &t->shape->demand);
        for (uint32_t i = 0; place == SK_BOUND && i < t->nargs; i++)
            must(sk_pull_is_there(t->args[i], node));
    }
    must((int)n == list->n);
    return n;
}

static void must_be_whole(const sk_resource_pool *pool)
{
    must(pool->cpus_free == pool->cpus);
    for (int i = 0; i < pool->n; i++)
        must(pool->items[i].free == pool->items[i].total);
}

static size_t check_queue(const sk_cluster *c, const sk_queue *q)
{
    for (uint32_t i = 0; i < q->n; i++) {
        const sk_task_record *t = q->heap[i].task;
        must(t->place == SK_QUEUED);
        must(t->queue == q);
        must(t->heap_at == i);
        must(t->shape == q->shape);
        must(sk_idmap_find(&c->tasks, t->id) == t);
        must(i == 0 || !sk_place_is_before(t, q->heap[(i - 1) / 4].task));
    }
    must(q->is_stealable == (q->n > 0 && q->node >= 0 && !q->hard));
    must(q->held < 0 || c->nodes[q->held].held_for == q);
    return q->n;
}

static void check_fetches(const sk_cluster *c, int node)
{
    const sk_node_record *n = &c->nodes[node];
    const sk_fetch_list *lists[] = { &n->gets, &n->arguments, &n->under_way };
    must(n->under_way.n <= c->pulls);
    must(n->is_up || !(n->gets.n + n->arguments.n + n->under_way.n + n->sending));
    must(n->under_way.n == c->pulls || !(n->gets.n + n->arguments.n));
    for (int k = 0; k < 3; k++)
        for (const sk_fetch *f = lists[k]->first; f; f = f->next) {
            must(f->node == node);
            must(sk_idmap_find(&c->fetches, f->key) == f);
            must(f->place == (k < 2 ? SK_FETCH_QUEUED : SK_FETCH_UNDER_WAY));
            must(k == 2 || f->is_get == (k == 0));
            must(k < 2 || c->nodes[f->from].is_up);
        }
}

/* Each node by itself: resources, queues, lists. Returns its tasks that wait. */
static size_t check_node(const sk_cluster *c, int node, size_t *running)
{
    const sk_node_record *n = &c->nodes[node];
    sk_resource_pool pool = n->pool, plan = n->plan;
    size_t waiting = 0, queued = 0;
    must(!n->is_dirty);
    *running += check_list(c, &n->running, SK_RUNNING, node, &pool);
    *running += check_list(c, &n->blocked, SK_BLOCKED, node, &pool);
    check_list(c, &n->running, SK_RUNNING, node, &plan);
    check_list(c, &n->blocked, SK_BLOCKED, node, &plan);
    waiting += check_list(c, &n->pulling, SK_PULLING, node, &plan);
    waiting += check_list(c, &n->bound, SK_BOUND, node, &plan);
    must_be_whole(&pool);
    must_be_whole(&plan);
    must(n->is_up || !(n->running.n + n->blocked.n + n->pulling.n + n->bound.n));
    for (int i = 0; i < n->nqueues; i++)
        queued += check_queue(c, n->queues[i]);
    must((int)queued == n->queued);
    check_fetches(c, node);
    return waiting + queued;
}

/* A task that waits although it could start is a bug in the placing: heads of queues against all nodes. (One whose arguments are
 * all at a node that has promised its room to others may be overlooked until something happens there.) */
static void check_greed(const sk_cluster *c, const sk_queue *q)
{
    const sk_task_record *t = q->n ? q->heap[0].task : NULL;
    if (!t || sk_pull_lost(t))
        return;
    for (int i = 0; i < c->nnodes; i++)
        must(!sk_place_may(c, t, i) || (t->nargs && !sk_resource_pool_fits(&c->nodes[i].plan, &t->shape->demand)));
}

void sk_cluster_check(const sk_cluster *c)
{
    size_t waiting = 0, running = 0;
    for (int i = 0; i < c->nnodes; i++)
        waiting += check_node(c, i, &running);
    for (guint i = 0; i < c->common->len; i++) {
        waiting += check_queue(c, c->common->pdata[i]);
        check_greed(c, c->common->pdata[i]);
    }
    for (int i = 0; i < c->nnodes; i++)
        for (int k = 0; k < c->nodes[i].nqueues; k++)
            check_greed(c, c->nodes[i].queues[k]);
    for (const sk_object_record *o = c->first_object; o; o = o->next) {
        for (const sk_task_record *t = o->parked.first; t; t = t->next, waiting++)
            must(t->place == SK_PARKED && t->args[0] == o && !o->copies && o->is_told);
        for (uint32_t i = 0; i < o->copies; i++)
            must(c->nodes[sk_pull_copies((sk_object_record *)o)[i]].is_up);
        must(!o->copies || !o->wants);
    }
    must(waiting == c->waiting);
    must(running == c->running);
    must(waiting + running == c->tasks.n);
}
