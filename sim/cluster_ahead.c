/* cluster_ahead.c -- tasks that are sent to a worker before it has ended the one it runs. See cluster.h, section 4. */
#include "cluster_state.h"

/* With a cpu more: what would start? */
static sk_task_record *next_at(sk_cluster *c, int node)
{
    static const sk_demand one = { .cpus = SK_UNITS };
    sk_node_record *n = &c->nodes[node];
    sk_resource_pool_lend(&n->pool, &one);
    sk_resource_pool_lend(&n->plan, &one);
    sk_task_record *t = sk_place_pick(c, node);
    sk_resource_pool_reclaim(&n->pool, &one);
    sk_resource_pool_reclaim(&n->plan, &one);
    sk_cluster_touch(c, node);           /* who the node is held for has been looked up with that cpu */
    return t;
}

static int64_t mean_of(const sk_cluster *c, const sk_task_record *t)
{
    const sk_fn_mean *m = &g_array_index(c->means, sk_fn_mean, t->fn);
    return m->n ? m->work : INT64_MAX;
}

/* A task that comes when nothing is free can wait for one that ends; where something is free it would start now. */
bool sk_cluster_ahead(sk_cluster *c, int node, int64_t most_ns, sk_cluster_next_task *out)
{
    if (!c->waiting || node < 0 || node >= c->nnodes)
        return false;
    sk_node_record *n = &c->nodes[node];
    if (!n->is_up || n->is_paused || n->is_closed || n->pool.cpus_free >= SK_UNITS)
        return false;
    sk_task_record *t = next_at(c, node);
    if (!t || !t->is_light || t->shape->demand.cpus != SK_UNITS || t->shape->demand.n || sk_pull_missing(t, node) || mean_of(c, t) > most_ns) {
        sk_cluster_settle_down(c);
        return false;
    }
    sk_place_unqueue(c, t);
    sk_task_list_add(&n->blocked, t);    /* what it takes it lends at once: nothing */
    t->node = node;
    t->worker = -1;
    t->place = SK_BLOCKED;
    t->is_ahead = t->is_told = true;
    t->attempt = ++c->attempts;
    sk_pull_unneed(t);
    c->waiting--;
    c->running++;
    *out = (sk_cluster_next_task){ t->id, t->attempt, mean_of(c, t), t->priority };
    sk_cluster_settle_down(c);
    return true;
}

int sk_cluster_handed_on(sk_cluster *c, uint64_t ended, uint64_t attempt, int64_t duration_ns, uint64_t next, uint64_t next_attempt)
{
    sk_task_record *t = sk_cluster_attempt(c, next, next_attempt), *old = sk_cluster_attempt(c, ended, attempt);
    if (!t || !t->is_ahead)
        return -1;
    sk_node_record *n = &c->nodes[t->node];
    sk_task_list_remove(&n->blocked, t);
    sk_task_list_add(&n->running, t);
    t->place = SK_RUNNING;
    t->is_ahead = false;
    sk_resource_pool_reclaim(&n->pool, &t->shape->demand);
    sk_resource_pool_reclaim(&n->plan, &t->shape->demand);
    if (old && old->node == t->node) {
        t->worker = old->worker;
        old->worker = -1;
    }
    if (old) {
        sk_cluster_learn(c, old, duration_ns);
        sk_place_release(c, old);
        sk_cluster_forget(c, old);
    }
    if (t->worker < 0)
        t->worker = sk_place_take_row(n);
    sk_cluster_touch(c, t->node);
    sk_cluster_settle_down(c);
    return t->worker;
}

bool sk_cluster_taken_back(sk_cluster *c, uint64_t task, uint64_t attempt)
{
    sk_task_record *t = sk_cluster_attempt(c, task, attempt);
    if (!t)
        return false;
    sk_place_release(c, t);
    t->is_ahead = false;
    t->attempt = 0;
    c->waiting++;
    sk_pull_need(t);
    sk_place_settle(c, t);
    sk_cluster_settle_down(c);
    return true;
}
