/* virtual_objects.c -- where the bytes are: fetches over the simulated network, stores with limits, pulls by gets. See virtual.c.
 *
 * The bytes themselves lie in this process, as on `threads`: what is simulated is where they are, and how long they take to come. */
#include "virtual.h"

#include "task.h"

#include <glib.h>
#include <stdio.h>

/* ---- who waits for bytes ---- */

static void tell_pulls_at(vcluster *v, uint64_t object, int node)
{
    for (agent **at = &v->pulling[node]; *at; ) {
        agent *a = *at;
        if (a->pulls == object) {
            *at = a->next;
            v->npulling--;
            a->pulls = 0;
            sk_virtual_wake(v, a);
        } else {
            at = &a->next;
        }
    }
}

/* They are at this node (-1: they will come nowhere). */
static void tell_pulls(vcluster *v, uint64_t object, int node)
{
    if (node >= 0)
        tell_pulls_at(v, object, node);
    else
        for (uint32_t n = 0; n < v->spec->nodes; n++)
            tell_pulls_at(v, object, (int)n);
}

void sk_virtual_lend(vcluster *v, uint64_t object)
{
    for (uint32_t n = 0; n < v->spec->nodes; n++)
        for (agent *a = v->pulling[n]; a; a = a->next)
            if (a->run && a->pulls == object && !a->lends)
                a->lends = sk_cluster_blocked(v->cluster, a->run->task, a->run->attempt);
}

bool sk_virtual_end_pulls(vcluster *v)
{
    bool any = false;
    for (uint32_t n = 0; n < v->spec->nodes; n++)
        for (agent *a; (a = v->pulling[n]); any = true) {
            v->pulling[n] = a->next;
            v->npulling--;
            a->due = true;                 /* and `pulls` still says that they have not come */
            sk_virtual_wake(v, a);
        }
    return any;
}

void sk_virtual_move_pulls(vcluster *v, int node)
{
    for (uint32_t n = 0; n < v->spec->nodes; n++) {
        if ((int)n != node && sk_virtual_is_up(v, (int)n))
            continue;
        for (agent **at = &v->pulling[n]; *at; ) {
            agent *a = *at;
            if (!a->run) {
                *at = a->next;
                v->npulling--;
                a->moved = true;
                a->pulls = 0;
            } else {
                at = &a->next;
            }
        }
    }
}

/* ---- stores ---- */

/* Copies that had to go, which the cluster must not count on any more; what went to the disk for it, and, of `object`, what came back. */
static void tell_made_room(vcluster *v, int node, uint64_t object, const sk_store_report *report)
{
    for (size_t i = 0; i < report->nevicted; i++)
        sk_cluster_copy_gone(v->cluster, report->evicted[i], node);
    for (size_t i = 0; i < report->nspilled; i++)
        sk_object_spilled(sk_lane_self, report->spilled[i], node, (uint64_t)sk_store_size(&v->stores, (uint32_t)node, report->spilled[i]), false);
    if (report->restored_bytes)
        sk_object_spilled(sk_lane_self, object, node, (uint64_t)report->restored_bytes, true);
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
    tell_made_room(v, node, object, &report);
    sk_store_unpin(&v->stores, (uint32_t)node, object);
    return report.ready_at;
}

void sk_virtual_sealed(vcluster *v, uint64_t object, size_t bytes, bool made_by_task)
{
    int node = sk_virtual_node(v);
    int64_t ready = sk_virtual_is_up(v, node) ? put_into_store(v, node, object, (int64_t)bytes, SK_COPY_PRIMARY) : v->now;
    sk_cluster_object(v->cluster, object, (int64_t)bytes, node, made_by_task);
    (void)ready;                           /* spilling goes on beside: the disk is busy until then */
    if (v->npulling)
        tell_pulls(v, object, node);       /* made again, where somebody waits for it */
}

void sk_virtual_freed(vcluster *v, uint64_t object)
{
    if (v->npulling)
        tell_pulls(v, object, -1);         /* it could not be made again: who waits finds the failure */
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
        tell_made_room(v, r->agent.node, object, &report);
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
    v->fetches[number] = (fetch){ command->object, command->attempt, command->bytes, v->now, command->from, command->node, 0,
                                   sk_virtual_losses(v, command->from) + sk_virtual_losses(v, command->node) };
    int64_t start = v->now;
    sk_store_report report;
    if (v->has_stores && sk_store_on_disk(&v->stores, (uint32_t)command->from, command->object)
        && sk_store_pin(&v->stores, v->now, (uint32_t)command->from, command->object, &report)) {
        tell_made_room(v, command->from, command->object, &report);
        sk_store_unpin(&v->stores, (uint32_t)command->from, command->object);
        start = report.ready_at;
    }
    if (start > v->now)                    /* it comes back from the sender's disk first */
        sk_events_push(&v->events, start, EVENT_SEND, number, 0);
    else
        sk_virtual_send(v, number);
}

static void end_fetch(vcluster *v, uint32_t number)
{
    v->fetches[number].next_free = v->free_fetch;
    v->free_fetch = number;
}

/* Is there a copy that can be reached from the receiver? */
static bool has_other_source(vcluster *v, const fetch *f)
{
    size_t n = sk_cluster_copies(v->cluster, f->object, NULL, 0);
    int *nodes = malloc((n + 1) * sizeof *nodes);
    if (!nodes)
        abort();
    sk_cluster_copies(v->cluster, f->object, nodes, n);
    bool found = false;
    for (size_t i = 0; i < n && !found; i++)
        found = nodes[i] != f->node && !sk_network_is_cut(v->network, (uint32_t)nodes[i], (uint32_t)f->node);
    free(nodes);
    return found;
}

/* It comes to nothing: the cluster asks another copy, or this one again. */
static void fail_fetch(vcluster *v, uint32_t number)
{
    fetch f = v->fetches[number];
    end_fetch(v, number);
    sk_cluster_fetch_failed(v->cluster, f.object, f.node, f.attempt);
}

void sk_virtual_send(vcluster *v, uint32_t number)
{
    const fetch *f = &v->fetches[number];
    if (v->faults) {
        if (f->losses != sk_virtual_losses(v, f->from) + sk_virtual_losses(v, f->node)) {      /* while it came from disk */
            end_fetch(v, number);
            return;
        }
        if (sk_network_is_cut(v->network, (uint32_t)f->from, (uint32_t)f->node) && has_other_source(v, f)) {
            fail_fetch(v, number);
            return;
        }
    }
    sk_network_start(v->network, v->now, (uint32_t)f->from, (uint32_t)f->node, f->bytes, number);
}

static void arrived(void *data, uint64_t number)
{
    vcluster *v = data;
    fetch f = v->fetches[number];
    end_fetch(v, (uint32_t)number);
    v->now = sk_network_now(v->network);
    sk_object_moved(sk_lane_self, f.object, f.from, f.node, (uint64_t)f.bytes, v->now - f.began);
    bool wanted = sk_cluster_arrived(v->cluster, f.object, f.node, f.attempt);
    if (wanted)
        put_into_store(v, f.node, f.object, f.bytes, SK_COPY_SECONDARY);
    tell_pulls(v, f.object, f.node);
}

void sk_virtual_network(vcluster *v, int64_t to)
{
    sk_network_advance(v->network, to, arrived, v);
}

/* The cluster knows already, and has ended those fetches. */
static void lost(void *data, uint64_t number) { end_fetch(data, (uint32_t)number); }

static void collect(void *data, uint64_t object) { g_array_append_val((GArray *)data, object); }

void sk_virtual_lose_copies(vcluster *v, uint32_t node)
{
    GArray *primary = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    if (v->has_stores)
        sk_store_visit_primary(&v->stores, node, collect, primary);
    sk_network_lose(v->network, v->now, node, lost, v);
    sk_store_lose(&v->stores, node);
    sk_cluster_node_lost(v->cluster, (int)node);
    for (guint i = 0; i < primary->len; i++) {     /* of the copies that are left, the first may not be thrown away now */
        uint64_t object = g_array_index(primary, uint64_t, i);
        int first;
        if (sk_cluster_copies(v->cluster, object, &first, 1) > 0)
            sk_store_promote(&v->stores, (uint32_t)first, object);
    }
    g_array_free(primary, TRUE);
}

static void is_cut_off(void *data, uint64_t number) { g_array_append_val((GArray *)data, number); }

void sk_virtual_cut(vcluster *v, uint32_t a, uint32_t b)
{
    GArray *flows = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    sk_network_cut(v->network, v->now, a, b, is_cut_off, flows);
    for (guint i = 0; i < flows->len; i++)     /* those without another copy set out again, and wait for the repair */
        fail_fetch(v, (uint32_t)g_array_index(flows, uint64_t, i));
    g_array_free(flows, TRUE);
}

/* ---- pulls ---- */

static bool has_come(void *data) { return ((agent *)data)->pulls == 0; }

/* From where the caller is; it may have to go elsewhere. */
static bool wait_for_bytes(vcluster *v, agent *a, uint64_t object, int64_t deadline)
{
    a->moved = false;
    a->pulls = object;
    a->node = sk_virtual_node(v);
    a->next = v->pulling[a->node];
    v->pulling[a->node] = a;
    v->npulling++;
    if (v->faults && sk_cluster_copies(v->cluster, object, NULL, 0) == 0)
        sk_virtual_lend(v, object);
    bool there = sk_virtual_until(v, a, sk_virtual_until_when(v, a, deadline), has_come, a);
    if (a->lends)
        sk_cluster_unblocked(v->cluster, a->run->task, a->run->attempt);
    a->lends = false;
    for (agent **at = &v->pulling[a->node]; !there && *at; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            v->npulling--;
            break;
        }
    a->pulls = 0;
    return there;
}

bool sk_virtual_pull(vcluster *v, uint64_t object, int64_t deadline)
{
    int node = sk_virtual_node(v);
    sk_store_report report;
    if (sk_cluster_has_copy(v->cluster, object, node)) {
        if (deadline > v->now && v->has_stores && sk_store_on_disk(&v->stores, (uint32_t)node, object)
            && sk_store_pin(&v->stores, v->now, (uint32_t)node, object, &report)) {
            tell_made_room(v, node, object, &report);
            sk_virtual_elapse(v, report.ready_at - v->now);    /* back from disk */
            sk_store_unpin(&v->stores, (uint32_t)node, object);
        }
        return true;
    }
    sk_cluster_wanted(v->cluster, object, node);
    if (deadline < v->now)
        return false;
    agent *a = sk_virtual_agent(v);
    bool there;
    while ((there = wait_for_bytes(v, a, object, deadline)) && a->moved && !sk_cluster_has_copy(v->cluster, object, sk_virtual_node(v)))
        sk_cluster_wanted(v->cluster, object, sk_virtual_node(v));
    sk_virtual_agent_done(v, a);
    return there;
}
