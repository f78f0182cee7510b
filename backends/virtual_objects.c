/* virtual_objects.c -- where the bytes are: fetches over the simulated network, stores with limits, pulls by gets. See virtual.c.
 *
 * The bytes themselves lie in this process, as on `threads`: what is simulated is where they are, and how long they take to come. */
#include "virtual.h"

#include "task.h"

#include <stdio.h>

/* ---- stores ---- */

/* Copies that had to go; the cluster must not count on them any more. */
static void tell_evicted(vcluster *v, int node, const sk_store_report *report)
{
    for (size_t i = 0; i < report->nevicted; i++)
        sk_cluster_copy_gone(v->cluster, report->evicted[i], node);
}

/* When the store has made room (spilled to disk, perhaps). A copy that does not fit however much is spilled is kept all the same, and said. */
static int64_t put_into_store(vcluster *v, int node, uint64_t object, int64_t bytes, sk_copy_kind kind)
{
    sk_store_report report;
    if (!v->has_stores || sk_store_has(&v->stores, (uint32_t)node, object))
        return v->now;
    if (!sk_store_add(&v->stores, v->now, (uint32_t)node, object, bytes, kind, &report)) {
        static bool said;
        if (!said)
            fprintf(stderr, "skate: virtual: an object of %lld bytes does not fit into the store of node %d (%lld could be made free); "
                    "it is kept beside the store. Give store-bytes more room\n", (long long)report.need, node, (long long)report.have);
        said = true;
        return v->now;
    }
    tell_evicted(v, node, &report);
    sk_store_unpin(&v->stores, (uint32_t)node, object);
    return report.ready_at;
}

void sk_virtual_sealed(vcluster *v, uint64_t object, size_t bytes, bool made_by_task)
{
    int node = sk_virtual_node(v);
    int64_t ready = put_into_store(v, node, object, (int64_t)bytes, SK_COPY_PRIMARY);
    sk_cluster_object(v->cluster, object, (int64_t)bytes, node, made_by_task);
    (void)ready;                           /* spilling goes on beside: the disk is busy until then */
}

void sk_virtual_freed(vcluster *v, uint64_t object)
{
    if (v->has_stores) {
        int nodes[64];
        size_t n = sk_cluster_copies(v->cluster, object, nodes, 64);
        if (n <= 64)
            for (size_t i = 0; i < n; i++)
                sk_store_drop(&v->stores, (uint32_t)nodes[i], object);
        else
            for (uint32_t node = 0; node < v->spec->nodes; node++)
                sk_store_drop(&v->stores, node, object);
    }
    sk_cluster_object_freed(v->cluster, object);
}

int64_t sk_virtual_pin(vcluster *v, run *r)
{
    int64_t ready = v->now;
    r->npinned = 0;
    if (!v->has_stores)
        return ready;
    sk_task *t = sk_task_at(r->task);
    if (!sk_task_is_ready((sk_task_name){ r->task }))
        return ready;                      /* cancelled on its way here: the record may be another's */
    uint32_t node = (uint32_t)r->agent.node;
    for (unsigned i = 0; i < t->nargs; i++) {
        if (!sk_slot_is_pending(&t->args[i]))
            continue;
        uint64_t object = sk_object_id(t->args[i].pending.object);
        sk_store_report report;
        if (!sk_store_has(&v->stores, node, object) || !sk_store_pin(&v->stores, v->now, node, object, &report))
            continue;                      /* a number; or there is no room, and it lies beside the store */
        tell_evicted(v, r->agent.node, &report);
        if (!r->pinned && !(r->pinned = malloc(SK_MAX_ARGS * sizeof *r->pinned)))
            abort();
        r->pinned[r->npinned++] = object;
        if (report.ready_at > ready)
            ready = report.ready_at;
    }
    return ready;
}

void sk_virtual_unpin(vcluster *v, run *r)
{
    for (unsigned i = 0; i < r->npinned; i++)
        if (sk_store_has(&v->stores, (uint32_t)r->agent.node, r->pinned[i]))     /* it may have been the last use of the object */
            sk_store_unpin(&v->stores, (uint32_t)r->agent.node, r->pinned[i]);
    r->npinned = 0;
}

/* ---- the network ---- */

static uint32_t new_fetch(vcluster *v)     /* from 1: 0 is none */
{
    uint32_t number = v->free_fetch;
    if (number) {
        v->free_fetch = v->fetches[number].next_free;
        return number;
    }
    if (++v->nfetches >= v->fetches_room) {
        v->fetches_room = v->fetches_room ? 2 * v->fetches_room : 64;
        v->fetches = realloc(v->fetches, v->fetches_room * sizeof *v->fetches);
        if (!v->fetches)
            abort();
    }
    return v->nfetches;
}

void sk_virtual_fetch(vcluster *v, const sk_command *command)
{
    uint32_t number = new_fetch(v);
    v->fetches[number] = (fetch){ command->object, command->attempt, command->bytes, command->from, command->node, 0 };
    int64_t start = v->now;
    sk_store_report report;
    if (v->has_stores && sk_store_on_disk(&v->stores, (uint32_t)command->from, command->object)
        && sk_store_pin(&v->stores, v->now, (uint32_t)command->from, command->object, &report)) {
        tell_evicted(v, command->from, &report);
        sk_store_unpin(&v->stores, (uint32_t)command->from, command->object);
        start = report.ready_at;
    }
    if (start > v->now)                    /* it comes back from the sender's disk first */
        sk_events_push(&v->events, start, EVENT_SEND, number, 0);
    else
        sk_virtual_send(v, number);
}

void sk_virtual_send(vcluster *v, uint32_t number)
{
    const fetch *f = &v->fetches[number];
    sk_network_start(v->network, v->now, (uint32_t)f->from, (uint32_t)f->node, f->bytes, number);
}

static void arrived(void *data, uint64_t number)
{
    vcluster *v = data;
    fetch f = v->fetches[number];
    v->fetches[number].next_free = v->free_fetch;
    v->free_fetch = (uint32_t)number;
    v->now = sk_network_now(v->network);
    bool wanted = sk_cluster_arrived(v->cluster, f.object, f.node, f.attempt);
    if (wanted)
        put_into_store(v, f.node, f.object, f.bytes, SK_COPY_SECONDARY);
    for (agent **at = &v->pulling[f.node]; *at; ) {
        agent *a = *at;
        if (a->pulls == f.object) {
            *at = a->next;
            a->pulls = 0;
            sk_virtual_wake(v, a);
        } else {
            at = &a->next;
        }
    }
}

void sk_virtual_network(vcluster *v, int64_t to)
{
    sk_network_advance(v->network, to, arrived, v);
}

/* ---- pulls ---- */

static bool has_come(void *data) { return ((agent *)data)->pulls == 0; }

bool sk_virtual_pull(vcluster *v, uint64_t object, int64_t deadline)
{
    int node = sk_virtual_node(v);
    sk_store_report report;
    if (sk_cluster_has_copy(v->cluster, object, node)) {
        if (deadline > v->now && v->has_stores && sk_store_on_disk(&v->stores, (uint32_t)node, object)
            && sk_store_pin(&v->stores, v->now, (uint32_t)node, object, &report)) {
            tell_evicted(v, node, &report);
            sk_virtual_elapse(v, report.ready_at - v->now);    /* back from disk */
            sk_store_unpin(&v->stores, (uint32_t)node, object);
        }
        return true;
    }
    sk_cluster_wanted(v->cluster, object, node);
    if (deadline < v->now)
        return false;
    agent *a = sk_virtual_agent(v);
    a->pulls = object;
    a->node = node;
    a->next = v->pulling[node];
    v->pulling[node] = a;
    bool there = sk_virtual_until(v, a, sk_virtual_until_when(v, a, deadline), has_come, a);
    for (agent **at = &v->pulling[node]; !there && *at; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            break;
        }
    a->pulls = 0;
    sk_virtual_agent_done(v, a);
    return there;
}
