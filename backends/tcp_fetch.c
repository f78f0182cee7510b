/* tcp_fetch.c -- how the bytes of objects come where they are needed. See tcp.c, and tcp_objects.c for where they are.
 *
 * The scheduler decides what is fetched from where (cluster.h): we tell the node that lacks it, which asks the one that has it; bytes for the program come
 * here by the same way. A fetch holds a reference: while bytes are on their way, nobody else gets their place.
 *
 * A fetch between two nodes that comes to nothing is not tried between these two for a while, but from another copy; if there is none, the bytes come here
 * first, and go on from here: both have a link to us, or are lost.
 *
 * Reading order: fetches; who sends; bytes to this process (those from it: tcp_send.c); a node is gone. */
#include "tcp.h"

#include "object.h"
#include "session.h"

#include <stdio.h>

enum { AGAIN_NS = 100000000,               /* a fetch that has failed is tried again then */
       CUT_DOUBLES = 6,                    /* so often */
       LARGE = 1 << 20, SENDS = 3 };       /* such bytes each copy sends to one node at a time, and to three before others have sent as often */

#define CUT_NS ((int64_t)10 * 1000000000)  /* so long nothing is fetched over a way that did not work; then twice as long */

typedef struct retry { uint64_t key, attempt; int node; int64_t at; } retry;

/* ---- fetches ---- */

static void later(tcp *c, uint64_t key, int node, uint64_t attempt)
{
    retry r = { key, attempt, node, pn_now() + AGAIN_NS };
    if (!c->again)
        c->again = g_array_new(FALSE, FALSE, sizeof(retry));
    g_array_append_val(c->again, r);
    sk_events_push(&c->pn.events, r.at, PN_EVENT_FAR, 0, 0);
}

bool tcp_retry(tcp *c)
{
    for (guint i = 0; c->again && i < c->again->len; i++) {
        retry r = g_array_index(c->again, retry, i);
        if (r.at > pn_now())
            continue;
        g_array_remove_index(c->again, i);
        sk_cluster_fetch_failed(c->pn.cluster, r.key, r.node, r.attempt);
        return true;
    }
    return false;
}

/* Their numbers: what is done with one may end another. */
static GPtrArray *fetches_of(tcp *c, bool (*is_it)(const tcp_fetch *, int), int host)
{
    GPtrArray *list = g_ptr_array_new();
    for (size_t i = 0; c->fetches.slots && i <= c->fetches.mask; i++)
        if (c->fetches.slots[i] && is_it((tcp_fetch *)c->fetches.slots[i], host))
            g_ptr_array_add(list, (gpointer)(uintptr_t)*c->fetches.slots[i]);
    return list;
}

static bool is_waiting(const tcp_fetch *f, int host)      { (void)host; return f->from < 0; }
static bool comes_here_from(const tcp_fetch *f, int host) { return f->to == 0 && f->from == host; }
static bool is_any(const tcp_fetch *f, int host)           { (void)f, (void)host; return true; }
static bool has_to_do_with(const tcp_fetch *f, int host)  { return f->to == host || f->from == host; }

static void arrived_for(tcp *c, tcp_fetch *f, int64_t ns)
{
    sk_cluster_arrived(c->pn.cluster, f->key, f->to, f->attempt);
    if (ns >= 0)
        sk_object_moved(c->pn.lane, f->key, f->from, f->to, f->blob->size, ns);
    tcp_wake_pulls(c, f->key);
}

static void start_waiting(tcp *c, tcp_place *p);

static void add_fetch(tcp *c, tcp_place *p, tcp_fetch *f)
{
    f->req = ++c->requests;
    f->from = -1;
    f->next = p->fetches;
    p->fetches = f;
    sk_idmap_add(&c->fetches, f);
}

static void remove_fetch(tcp *c, tcp_place *p, const tcp_fetch *f)
{
    tcp_fetch **at = &p->fetches;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    sk_idmap_remove(&c->fetches, f->req);
}

/* It was made here, and what it was spilled to could not be read (tcp_send.c, lose_here): it comes back to its own place, and is charged again. */
static bool refill(tcp *c, tcp_fetch *f)
{
    size_t away = sk_shm_away(c->pn.store, f->blob);
    f->refills = sk_shm_refill(c->pn.store, f->blob);
    if (f->refills)
        sk_store_recharge(away);
    return f->refills;
}

static void end_refill(tcp *c, tcp_fetch *f, bool arrived)
{
    pthread_mutex_lock(&c->pn.store_lock);
    sk_shm_refilled(c->pn.store, f->blob, arrived);
    size_t away = sk_shm_away(c->pn.store, f->blob);
    pthread_mutex_unlock(&c->pn.store_lock);
    f->refills = false;
    if (!arrived)
        sk_store_discharge(away);
}

static void end_fetch(tcp *c, tcp_fetch *f, bool arrived, int64_t ns)
{
    tcp_place *p = sk_idmap_find(&c->places, tcp_place_of(c, f->blob));
    if (f->req)
        remove_fetch(c, p, f);
    tcp_let_go(c, &f->held);
    if (f->refills)
        end_refill(c, f, arrived);
    if (arrived && p && !(p->hosts & tcp_bit(f->to))) {
        p->hosts |= tcp_bit(f->to);
        if (tcp_maker_of(c, p->place) != f->to)
            tcp_add_copy(c, p, f->to);
        pn_room_may_be(&c->pn);                /* it can be dropped where nobody needs it, or another one of the same bytes */
    }
    sk_blob *blob = sk_blob_ref(f->blob);      /* p lives as long */
    for (tcp_fetch *one = f, *next; one; one = next, ns = -1) {
        next = one->same;
        if (one->relays && arrived && ns >= 0)
            sk_object_moved(c->pn.lane, one->key, one->from, one->to, one->blob->size, ns);
        if (one->relays)
            ;                                  /* start_waiting looks after whom it was for */
        else if (arrived)
            arrived_for(c, one, ns);
        else
            later(c, one->key, one->to, one->attempt);
        sk_blob_unref(one->blob);
        g_free(one);
    }
    start_waiting(c, p);
    sk_blob_unref(blob);
}

/* The bytes are on their way there already, or are there, under another name. */
static bool is_same(tcp *c, tcp_place *p, tcp_fetch *f)
{
    if (p->hosts & tcp_bit(f->to)) {
        end_fetch(c, f, true, -1);
        return true;
    }
    for (tcp_fetch *other = p->fetches; other; other = other->next)
        if (other->to == f->to) {
            f->same = other->same;
            other->same = f;
            return true;
        }
    return false;
}

static void ask_here(tcp *c, tcp_fetch *f)
{
    uint64_t at = tcp_place_of(c, f->blob);
    size_t size = tcp_size_of(f->blob), page = sk_shm_page();
    tcp_link *l = tcp_link_of(&c->pn, f->from);
    bool ok = l != NULL;
    pn_make_way(&c->pn.hosts[0], size);        /* if there is none, it comes all the same: who needs it is told when he wants to read it */
    pthread_mutex_lock(&c->pn.store_lock);
    if (ok && tcp_maker_of(c, at) == 0)
        ok = refill(c, f);
    else if (ok && size > page)
        ok = sk_shm_fill(c->pn.store, at + page, size - page);
    pthread_mutex_unlock(&c->pn.store_lock);
    if (!ok) {
        end_fetch(c, f, false, 0);
        return;
    }
    f->left = f->blob->size;
    tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_SEND, .req = f->req, .place = at, .size = size });
}

static void ask_there(tcp *c, tcp_fetch *f)
{
    tcp_link *to = tcp_link_of(&c->pn, f->to), *from = f->from ? tcp_link_of(&c->pn, f->from) : NULL;
    if (!to || (f->from && !from)) {
        end_fetch(c, f, false, 0);
        return;
    }
    sk_node_msg m = { .type = SK_NODE_PULL, .req = f->req, .place = tcp_place_of(c, f->blob), .size = tcp_size_of(f->blob),
                      .id = from ? from->id : c->self.node, .text = from ? from->serves : c->address };
    memcpy(m.header, f->blob, sizeof m.header);
    pn_make_way(to->host, m.size);
    to->pulling = true;
    to->pulled = m.place;
    pthread_mutex_lock(&c->pn.store_lock);
    if (tcp_maker_of(c, m.place) != f->to)         /* else it has never been freed there, and still counts */
        sk_shm_fill(to->host->store, m.place, m.size);
    pthread_mutex_unlock(&c->pn.store_lock);
    to->pulling = false;
    tcp_say(c, to, &m);
}

static void try_to_start(tcp *c, tcp_place *p, tcp_fetch *f);

void tcp_fetch_command(tcp *c, const sk_command *command)
{
    sk_blob *blob = tcp_blob_of_key(command->object);
    tcp_place *p = blob ? sk_idmap_find(&c->places, tcp_place_of(c, blob)) : NULL;
    if (!p) {                                  /* freed, or lost, meanwhile */
        sk_cluster_fetch_failed(c->pn.cluster, command->object, command->node, command->attempt);
        return;
    }
    tcp_fetch *f = g_new0(tcp_fetch, 1);
    *f = (tcp_fetch){ .key = command->object, .attempt = command->attempt, .blob = sk_blob_ref(blob), .from = command->from, .to = command->node,
                      .began = pn_now() };
    if (is_same(c, p, f))
        return;
    add_fetch(c, p, f);
    try_to_start(c, p, f);
}

/* ---- who sends ----
 *
 * The scheduler names a copy. But where many nodes want the same at once there is one in the beginning, and it would send to all. So each copy sends to
 * few at a time, and who has got one sends it on: their number doubles, and the first one's card is not what all wait for. */

static unsigned sending(const tcp_place *p, int host)
{
    unsigned count = 0;
    for (const tcp_fetch *f = p->fetches; f; f = f->next)
        count += f->from == host;
    return count;
}

static bool is_cut(tcp *c, int from, int to) { return from > 0 && to > 0 && c->cuts[from][to].until > pn_now(); }

static void note_cut(tcp *c, const tcp_fetch *f, const char *why)
{
    if (f->from <= 0 || f->to <= 0)
        return;
    tcp_cut *cut = &c->cuts[f->from][f->to];
    cut->until = pn_now() + (CUT_NS << MIN(cut->times, CUT_DOUBLES));
    if (!cut->times++)
        fprintf(stderr, "skate: tcp: %zu bytes do not come from node %d to node %d: %.300s; they come from another node, or through this one\n",
                f->blob->size, f->from, f->to, why);
}

/* Nobody can send it there who has it: so it comes here. false: it has done so already. */
static bool relay(tcp *c, tcp_place *p, tcp_fetch *f)
{
    if (f->has_relay)
        return false;
    f->has_relay = true;
    tcp_fetch *r = g_new0(tcp_fetch, 1);
    *r = (tcp_fetch){ .key = f->key, .blob = sk_blob_ref(f->blob), .from = -1, .to = 0, .began = pn_now(), .relays = true };
    if (is_same(c, p, r))
        return true;
    add_fetch(c, p, r);
    try_to_start(c, p, r);
    return true;
}

static bool has_it(tcp *c, const tcp_place *p, const tcp_fetch *f, unsigned h)
{
    return p->hosts & tcp_bit((int)h) && (int)h != f->to && (!h || tcp_link_of(&c->pn, (int)h));
}

static bool can_send(tcp *c, const tcp_place *p, const tcp_fetch *f, unsigned h) { return has_it(c, p, f, h) && !is_cut(c, (int)h, f->to); }

static void try_to_start(tcp *c, tcp_place *p, tcp_fetch *f)
{
    unsigned most = tcp_size_of(f->blob) >= LARGE ? 1 : 4;
    int best = -1;
    bool any = false, fresh = false, is_out_of_reach = false;
    for (unsigned h = 0; h < c->pn.nhosts; h++) {
        is_out_of_reach |= has_it(c, p, f, h);
        fresh |= can_send(c, p, f, h) && p->sent[h] < SENDS;
    }
    for (unsigned h = 0; h < c->pn.nhosts; h++) {
        if (!can_send(c, p, f, h))
            continue;
        any = true;
        if (fresh && p->sent[h] >= SENDS)      /* the others' turn, as soon as they are free */
            continue;
        if ((best < 0 || p->sent[h] < p->sent[best]) && sending(p, (int)h) < most)
            best = (int)h;
    }
    if (!any && !(is_out_of_reach && relay(c, p, f)))
        end_fetch(c, f, false, 0);
    if (best < 0)
        return;
    f->from = best;
    p->sent[best]++;
    f->held = tcp_hold(c, best, f->blob);
    f->began = pn_now();
    if (f->to)
        ask_there(c, f);
    else
        ask_here(c, f);
}

/* A copy more, or one that sends no more. To start one may end it, or others. */
static void start_waiting(tcp *c, tcp_place *p)
{
    uint64_t waiting[TCP_MOST_NODES];          /* one for each node there is */
    size_t n = 0;
    for (const tcp_fetch *f = p->fetches; f && n < TCP_MOST_NODES; f = f->next)
        if (f->from < 0)
            waiting[n++] = f->req;
    for (size_t i = 0; i < n; i++) {
        tcp_fetch *f = sk_idmap_find(&c->fetches, waiting[i]);
        if (f && f->from < 0)
            try_to_start(c, p, f);
    }
}

/* It has come to nothing: so have the pages for it. */
static void give_up(tcp *c, tcp_fetch *f)
{
    uint64_t at = tcp_place_of(c, f->blob);
    size_t size = tcp_size_of(f->blob), page = sk_shm_page();
    tcp_link *to = f->to ? tcp_link_of(&c->pn, f->to) : NULL;
    pthread_mutex_lock(&c->pn.store_lock);
    if (f->from < 0) {
        ;                                      /* it had none yet */
    } else if (f->refills) {
        ;                                      /* end_fetch takes them */
    } else if (!f->to && size > page) {
        sk_shm_drop(c->pn.store, at + page, size - page);
    } else if (to && tcp_maker_of(c, at) != f->to) {
        to->pulling = true;
        to->pulled = at;
        sk_shm_drop(to->host->store, at, size);
        to->pulling = false;
    }
    pthread_mutex_unlock(&c->pn.store_lock);
    if (f->from > 0 && !f->to && tcp_link_of(&c->pn, f->from))
        sk_transport_forget(c->transport, tcp_link_of(&c->pn, f->from)->peer, f->req);
    pn_room_may_be(&c->pn);
    end_fetch(c, f, false, 0);
}

/* ---- bytes to this process ---- */

/* What the peer sends that it was asked for, in order. */
static bool is_from(tcp *c, const tcp_fetch *f, sk_peer peer)
{
    tcp_link *l = f && !f->to && f->from > 0 ? tcp_link_of(&c->pn, f->from) : NULL;
    return l && l->peer.id == peer.id;
}

void *tcp_bulk_place(tcp *c, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    tcp_fetch *f = sk_idmap_find(&c->fetches, req);
    if (!is_from(c, f, peer) || offset != f->blob->size - f->left || size > f->left)
        return NULL;
    char *to = (char *)sk_blob_data(f->blob) + offset;
    size_t into = (uintptr_t)to % sk_shm_page();
    sk_shm_prefault(to - into, into + size);
    return to;
}

void tcp_bulk(tcp *c, sk_peer peer, uint64_t req, size_t size)
{
    tcp_fetch *f = sk_idmap_find(&c->fetches, req);
    if (!is_from(c, f, peer))
        return;
    f->left -= MIN(size, f->left);
    if (!f->left && f->blob->type == SK_T_STR)     /* whoever reads it goes on until there */
        ((char *)sk_blob_data(f->blob))[f->blob->size - 1] = '\0';
    if (!f->left)
        end_fetch(c, f, true, pn_now() - f->began);
}

/* Those of ours that came from there are asked for again. */
void tcp_bulk_lost(tcp *c, sk_peer peer)
{
    for (unsigned h = 1; h < c->pn.nhosts; h++) {
        tcp_link *l = tcp_link_of(&c->pn, (int)h);
        if (!l || l->peer.id != peer.id)
            continue;
        GPtrArray *list = fetches_of(c, comes_here_from, (int)h);
        for (guint i = 0; i < list->len; i++)
            give_up(c, sk_idmap_find(&c->fetches, (uint64_t)(uintptr_t)list->pdata[i]));
        g_ptr_array_unref(list);
    }
}

/* To or from this process: once, and then now and then. */
static void complain(tcp *c, const tcp_fetch *f, const char *why)
{
    if (c->complaints++ % 100 == 0)
        fprintf(stderr, "skate: tcp: %zu bytes do not come from node %d to node %d: %.300s; it is tried again\n", f->blob->size, f->from, f->to, why);
}

/* It stays in memory there. */
static void unspill(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    if (!l->host || m->place >= sk_shm_stride(c->pn.store) * (c->pn.nslots + 1))
        return;
    pthread_mutex_lock(&c->pn.store_lock);
    sk_shm_unspill(l->host->store, m->place, m->w);
    pthread_mutex_unlock(&c->pn.store_lock);
    pn_room_may_be(&c->pn);
}

void tcp_hear_object(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    if (m->type == SK_NODE_SEND) {
        tcp_send_bytes(c, l, m);
        return;
    }
    if (m->type == SK_NODE_UNSPILLED) {
        unspill(c, l, m);
        return;
    }
    tcp_fetch *f = sk_idmap_find(&c->fetches, m->req);
    if (!f || (m->type == SK_NODE_NOTHING ? f->to != 0 || f->from <= 0 || tcp_link_of(&c->pn, f->from) != l : !f->to || tcp_link_of(&c->pn, f->to) != l))
        return;
    if (m->type == SK_NODE_ARRIVED) {
        if (f->from > 0)
            c->cuts[f->from][f->to] = (tcp_cut){ 0 };
        end_fetch(c, f, true, pn_now() - f->began);
        return;
    }
    if (f->from > 0 && f->to > 0 && m->n != SK_STORE_FULL && m->n != SK_CANCELLED)
        note_cut(c, f, m->text);
    else if (m->n != SK_CANCELLED)
        complain(c, f, m->text);
    give_up(c, f);
}

/* ---- a node is gone ---- */

void tcp_lose_objects(tcp *c, tcp_link *l)
{
    int host = l->host->number;
    for (int h = 0; h < TCP_MOST_NODES; h++)
        c->cuts[host][h] = c->cuts[h][host] = (tcp_cut){ 0 };      /* the next of that number is another */
    GPtrArray *list = fetches_of(c, has_to_do_with, host);
    for (guint i = 0; i < list->len; i++) {
        tcp_fetch *f = sk_idmap_find(&c->fetches, (uint64_t)(uintptr_t)list->pdata[i]);
        if (!f)
            continue;
        if (f->to && f->to != host)            /* the other node answers all the same, and then it ends */
            tcp_say(c, tcp_link_of(&c->pn, f->to), &(sk_node_msg){ .type = SK_NODE_ABANDON, .req = f->req });
        else
            give_up(c, f);
    }
    g_ptr_array_unref(list);
    for (size_t i = 0; c->places.slots && i <= c->places.mask; i++) {
        tcp_place *p = (tcp_place *)c->places.slots[i];
        if (!p || !(p->hosts & tcp_bit(host)))
            continue;
        p->hosts &= ~tcp_bit(host);
        tcp_remove_copy(c, p, host);
        if (tcp_maker_of(c, p->place) != host) {
            pthread_mutex_lock(&c->pn.store_lock);
            sk_shm_drop(l->host->store, p->place, p->size);
            pthread_mutex_unlock(&c->pn.store_lock);
        }
    }
    list = fetches_of(c, is_waiting, host);
    for (guint i = 0; i < list->len; i++) {
        tcp_fetch *f = sk_idmap_find(&c->fetches, (uint64_t)(uintptr_t)list->pdata[i]);
        if (f && f->from < 0)
            try_to_start(c, sk_idmap_find(&c->places, tcp_place_of(c, f->blob)), f);
    }
    g_ptr_array_unref(list);
}

void tcp_clear_fetches(tcp *c)
{
    tcp_let_sendings_go(c);
    GPtrArray *list = fetches_of(c, is_any, 0);
    for (guint i = 0; i < list->len; i++)
        for (tcp_fetch *f = sk_idmap_find(&c->fetches, (uint64_t)(uintptr_t)list->pdata[i]), *next; f; f = next) {
            next = f->same;
            sk_blob_unref(f->blob);
            g_free(f);
        }
    sk_idmap_clear(&c->fetches);
    g_ptr_array_unref(list);
    if (c->again)
        g_array_free(c->again, TRUE);
    c->again = NULL;
}
