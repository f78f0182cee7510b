/* node_head.c -- a node's head: dialed until it answers, joined, heard, lost. See node_parts.h.
 *
 * Where the head refuses the node because of its functions, the node dials once more, as a tool, to hear which (node_table.h). */
#include "node_parts.h"

#include "node_table.h"

#include <errno.h>

#define DAYS ((uint64_t)2 * 86400 * 1000000000)
enum { MS = 1000000, AGAIN_MS = 200, ANSWER_MS = 5000,         /* between two tries to reach it; for its answer to FUNCTIONS; */
       ENDED_MS = 1000 };                                      /* a head at whose port nobody has listened for so long has ended */

/* The system does not give it what it needs. */
static void give_up(node *n, const sk_error *err)
{
    sk_node_end(n, SK_NODE_UNABLE, "%s", err->message);
    sk_node_goodbye(n);
}

static void refused(node *n, int status, const char *why)
{
    sk_node_end(n, status, "the head at %s has not taken this node: %s", n->order.head, why);
}

/* ---- the head: dialed until it answers, or nobody waits any more ---- */

/* It may be yet. */
static void not_there_yet(node *n, const char *why)
{
    int64_t now = sk_node_now();
    if (now >= n->dial_until && n->lost_since) {
        sk_node_end(n, SK_NODE_HEAD_LOST, "HEAD_LOST(%s, %.1f s): it has not come back: %s", n->order.head,
                    (double)(now - n->lost_since) * 1e-9, why);
    } else if (now >= n->dial_until) {
        sk_node_end(n, SK_NODE_HEAD_LOST, "HEAD_LOST(%s): no head has answered within %.0f s: %s%s", n->order.head, (double)n->order.wait_ns * 1e-9,
                    why, n->order.says ? "; --wait SECONDS waits longer" : "");
    } else {
        if (n->order.says && !n->has_waited)
            sk_node_print("no head at %s yet (%s); waits up to %.0f s for it", n->order.head, why, (double)(n->dial_until - now) * 1e-9);
        n->has_waited = true;
        n->dial_at = MIN(now + AGAIN_MS * (int64_t)MS, n->dial_until);
    }
}

/* By the address that has answered, once one has: looking up a name takes time, and the name server may be away too. */
void sk_node_dial(node *n)
{
    sk_error err = { 0 };
    n->dial_at = SK_NEVER;
    if (n->is_up) {                        /* it has not answered */
        refused(n, SK_NODE_REFUSED, n->refusal);
        return;
    }
    n->head = (node_peer){ .is_head = true, .dialed = true };
    n->head.peer = sk_transport_dial(n->transport, *n->head_at ? n->head_at : n->order.head, NULL, &n->head, &err);
    if (!n->head.peer.id)
        not_there_yet(n, err.message);
}

/* It has never been up in this life. */
static void head_is_not_there(node *n, const sk_peer_info *info)
{
    if (n->asks_why) {
        refused(n, SK_NODE_REFUSED, n->refusal);
    } else if (info->end == SK_PEER_REFUSED && info->refused == SK_WHY_BUILD) {
        n->asks_why = true;
        n->self.role = SK_ROLE_TOOL;
        n->dial_at = sk_node_now();
        snprintf(n->refusal, sizeof n->refusal, "%s", info->why);
    } else if (info->end == SK_PEER_REFUSED && info->refused != SK_WHY_BUSY) {
        bool is_other = info->refused == SK_WHY_VERSION || info->refused == SK_WHY_BUILD || info->refused == SK_WHY_DUPLICATE;
        refused(n, is_other ? SK_NODE_REFUSED : SK_NODE_STRANGER, info->why);
    } else if (info->end == SK_PEER_BROKEN) {
        sk_node_end(n, SK_NODE_STRANGER, "at %s there is no head: %s", n->order.head, info->why);
    } else if (n->lost_since && info->error == ECONNREFUSED && sk_node_now() >= n->gone_at + ENDED_MS * (int64_t)MS) {
        sk_node_end(n, SK_NODE_HEAD_LOST, "HEAD_LOST(%s, %.1f s): the program has ended without a word: nobody listens there any more", n->order.head,
                    (double)(sk_node_now() - n->lost_since) * 1e-9);
    } else {
        not_there_yet(n, info->why);
    }
}

void sk_node_head_is_up(node *n, const sk_peer_info *info)
{
    n->is_up = true;
    if (n->asks_why) {
        sk_node_table_send(n->transport, n->head.peer);
        n->dial_at = sk_node_now() + ANSWER_MS * (int64_t)MS;
        return;
    }
    snprintf(n->head_at, sizeof n->head_at, "%s", info->address);
    n->head.id = info->hello->node;
    n->self.cluster = info->hello->cluster;
    const sk_node_order *o = &n->order;
    sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_JOIN, .n = SK_NODE_VERSION, .m = o->workers, .size = o->store_bytes, .w = sk_shm_page(), .v = o->mark,
                                   .text = o->name, .other = o->resources, .bytes = (const uint8_t *)n->serves_at, .nbytes = strlen(n->serves_at) });
}

void sk_node_head_is_gone(node *n, const sk_peer_info *info)
{
    bool was_up = n->is_up && !n->asks_why;
    n->is_up = false;
    n->head.peer = (sk_peer){ 0 };
    if (n->over)
        return;
    if (!was_up) {
        head_is_not_there(n, info);
        return;
    }
    sk_node_peer_is_gone(n, &n->head, info->why);
    n->gone_at = sk_node_now();
    n->lost_since = info->heard_ns ? info->heard_ns : n->gone_at;
    n->again = n->welcome && n->head_wait > 0 && n->leave_at == SK_NEVER;
    sk_node_end(n, SK_NODE_HEAD_LOST, "HEAD_LOST(%s, %.1f s): %s", n->order.head, (double)(sk_node_now() - n->lost_since) * 1e-9, info->why);
}

/* ---- what it says ---- */

static bool take_welcome(node *n, const sk_node_msg *m, sk_error *err)
{
    if (m->x && (m->x > DAYS || m->y > m->x / 4 || m->y < MS))
        return sk_error_set(err, SK_PROTOCOL, "the head's nodes are to show every %g s that they live, or be dead after %g s", (double)m->y * 1e-9, (double)m->x * 1e-9);
    if (m->life < 1 || m->m > 1 << 20 || (uint64_t)m->k + m->life > m->m)
        return sk_error_set(err, SK_PROTOCOL, "the head gives it %u workers from number %u on, of %u", m->life, m->k, m->m);
    n->number = m->n;
    n->owners = m->m;
    n->first = m->k;
    n->nslots = m->life;
    n->seed = m->w;
    n->start = (int64_t)m->v;
    n->memory = m->u;
    n->head_wait = (int64_t)m->x;
    n->labels = m->slot;
    if (m->x)
        sk_transport_pace(n->transport, (int64_t)m->y, (int64_t)m->x * 3 / 10, (int64_t)m->x);
    n->space = sk_shm_new_space(m->place, m->size, m->m, n->order.store_bytes, err);
    n->spill = sk_spill_new(*m->other ? m->other : NULL);
    return n->space && sk_node_workers_open(n, err);
}

static void welcome(node *n, const sk_node_msg *m)
{
    sk_error err = { 0 };
    if (n->welcome) {
        sk_node_nonsense(n, "it has said WELCOME twice");
        return;
    }
    if (!take_welcome(n, m, &err)) {
        give_up(n, &err);
        return;
    }
    n->welcome = true;
    n->lost_since = 0;
    if (n->order.says)
        sk_node_print("joined %s as node %u: %u worker%s, %.1f GB of store", n->order.head, n->number, n->order.workers,
                      n->order.workers == 1 ? "" : "s", (double)n->order.store_bytes * 1e-9);
}

void sk_node_hear_head(node *n, const sk_node_msg *m)
{
    if (m->type == SK_NODE_CLOCK)
        sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_TIME, .w = m->w, .v = (uint64_t)sk_node_now() });
    else if (m->type == SK_NODE_LEAVE && n->leave_at != SK_NEVER)
        sk_node_end(n, SK_NODE_DONE, "it has left: %s", m->text);
    else if (m->type == SK_NODE_LEAVE && n->welcome)
        sk_node_end(n, SK_NODE_DONE, "the head at %s has ended: %s", n->order.head, m->text);
    else if (m->type == SK_NODE_LEAVE)
        refused(n, SK_NODE_REFUSED, m->text);
    else if (m->type == SK_NODE_WELCOME)
        welcome(n, m);
    else if (!n->welcome)
        sk_node_nonsense(n, "it said %s before WELCOME", sk_node_name(m->type));
    else if (!sk_node_workers_hear(n, m) && !sk_node_objects_hear(n, &n->head, m))
        sk_node_nonsense(n, "it said %s, which a node says", sk_node_name(m->type));
}
