/* tcp_send.c -- bytes that leave this process, for a node that has asked for them. See tcp_fetch.c, and node_objects.c for the same at a node.
 *
 * What is in memory is pinned and sent from there. What is spilled is read from its file, a part at a time, into memory that the store does not count: it
 * takes no room of those who run, who may wait for just these bytes to be used up elsewhere. There is little of it, over all nodes that ask: who comes
 * when all is in use waits for its turn. If the file cannot be read, the bytes are lost as with a node. */
#include "tcp.h"

#include "object.h"

#include <errno.h>
#include <stdio.h>

/* What is spilled here cannot be read back, to be sent or used: of these bytes this node is lost. Another that has them sends them, here as well
 * (tcp_fetch.c, ask_here); if there is none they are made again. */
static void lose_here(tcp *c, tcp_place *p, const char *why)
{
    snprintf(c->reasons[0], sizeof c->reasons[0], "node 0, where %.180s", why);
    pthread_mutex_lock(&c->pn.store_lock);
    sk_shm_lose(c->pn.store, tcp_blob_of(c, p->place));
    pthread_mutex_unlock(&c->pn.store_lock);
    p->hosts &= ~tcp_bit(0);
    for (const tcp_name *name = p->names; name; name = name->next) {
        sk_cluster_copy_gone(c->pn.cluster, name->key, 0);
        tcp_wake_pulls(c, name->key);
    }
}

bool tcp_give_up(pn_host *h, const sk_blob *blob, const char *why)
{
    tcp *c = tcp_of(h->node);
    tcp_place *p = h->number || !sk_has_lineage ? NULL : sk_idmap_find(&c->places, tcp_place_of(c, blob));
    if (p && p->hosts & tcp_bit(0))
        lose_here(c, p, why);
    return p != NULL;
}

static bool send_part(tcp *c, tcp_sending *s, const void *bytes, size_t size)
{
    size_t from = s->sent;
    s->sent += size;
    return sk_transport_send_bulk(c->transport, s->peer, s->req, from, &(struct iovec){ (void *)bytes, size }, 1);
}

static void say_nothing(tcp *c, sk_peer peer, uint64_t req, const char *why)
{
    const sk_peer_info *info = sk_transport_peer(c->transport, peer);
    if (info && info->owner)
        tcp_say(c, info->owner, &(sk_node_msg){ .type = SK_NODE_NOTHING, .req = req, .text = why });
}

/* From the file; or from memory, if it has come back meanwhile, and then the file is not asked. The lock is not held while the disk is waited for: the block
 * stays away, for only who has the turn brings it back, and its place in the file is its own as long as we hold the object. */
static bool read_part(tcp *c, const tcp_sending *s, size_t size, sk_error *err)
{
    sk_shm *store = c->pn.store;
    size_t first = sk_shm_page() - sizeof *s->blob;
    pthread_mutex_lock(&c->pn.store_lock);
    bool is_away = sk_shm_away(store, s->blob);
    uint64_t at = is_away ? sk_shm_spilled_at(store, s->blob) + s->sent - first : 0;
    if (!is_away)
        memcpy(s->part, (const char *)sk_blob_data(s->blob) + s->sent, size);
    pthread_mutex_unlock(&c->pn.store_lock);
    return !is_away || sk_shm_read_spilled(store, at, s->part, size, err);
}

/* What is in the file goes a part at a time, the next when the one before has left: all that there is room for may wait for what is to be sent. false:
 * nothing follows. */
static bool send_on(tcp *c, tcp_sending *s)
{
    size_t size = s->part && s->blob ? MIN(s->blob->size - s->sent, SK_SPILL_PART) : 0;
    sk_error err;
    if (!size)
        return false;
    tcp_place *p = sk_idmap_find(&c->places, tcp_place_of(c, s->blob));
    if (!(p->hosts & tcp_bit(0))) {            /* lost to another sending, and perhaps on its way here from another node */
        say_nothing(c, s->peer, s->req, "it is not here any more");
        return false;
    }
    if (read_part(c, s, size, &err))
        return send_part(c, s, s->part, size);
    lose_here(c, p, err.message);
    say_nothing(c, s->peer, s->req, err.message);
    return false;
}

static void let_blob_go(tcp *c, tcp_sending *s)
{
    if (s->serial) {
        pthread_mutex_lock(&c->pn.store_lock);
        sk_shm_unpin(c->pn.store, s->blob, s->serial);
        pthread_mutex_unlock(&c->pn.store_lock);
        pn_room_may_be(&c->pn);
    }
    if (s->blob)
        sk_blob_unref(s->blob);
    s->serial = 0, s->blob = NULL;
}

static void forget_sending(tcp *c, tcp_sending **at)
{
    tcp_sending *s = *at;
    *at = s->next;
    let_blob_go(c, s);
    sk_spill_part_give(&c->parts, s->part);
    g_free(s);
}

/* What is here stays here meanwhile; of what is spilled, the first page is. `first`: so many bytes go from memory. false: no memory to read with is to be
 * had (errno). */
static bool hold(tcp *c, tcp_sending *s, size_t *first)
{
    sk_shm *store = c->pn.store;
    bool ok = true;
    *first = s->blob->size;
    pthread_mutex_lock(&c->pn.store_lock);
    if (tcp_maker_of(c, tcp_place_of(c, s->blob))) {
        ;                                      /* a copy */
    } else if (sk_shm_away(store, s->blob)) {
        s->part = sk_spill_part_take(&c->parts);
        ok = s->part != NULL;
        *first = sk_shm_page() - sizeof *s->blob;
    } else if (sk_shm_pin(store, s->blob, NULL)) {
        s->serial = sk_shm_serial(store, s->blob);
    }
    int why = errno;
    pthread_mutex_unlock(&c->pn.store_lock);
    errno = why;
    return ok;
}

static void begin_sending(tcp *c, tcp_sending **at)
{
    tcp_sending *s = *at;
    const tcp_place *p = sk_idmap_find(&c->places, tcp_place_of(c, s->blob));
    size_t first;
    bool is_here = p->hosts & tcp_bit(0), is_held = is_here && hold(c, s, &first);
    s->waits = is_here && !is_held && errno == EAGAIN;
    if (s->waits || (is_held && send_part(c, s, sk_blob_data(s->blob), first)))
        return;
    if (!is_held)
        say_nothing(c, s->peer, s->req, is_here ? "it is spilled, and there is no memory to read it with" : "it is not here any more");
    forget_sending(c, at);
}

/* Who has waited for the longest time. */
static tcp_sending **first_that_waits(tcp *c)
{
    tcp_sending **first = NULL;
    for (tcp_sending **at = &c->sending; *at; at = &(*at)->next)
        if ((*at)->waits)
            first = at;
    return first;
}

/* Not as soon as a part is given back: if that is because the way has broken, who waits for the same node must not go the next one. */
void tcp_begin_sendings(tcp *c)
{
    for (tcp_sending **at; c->parts.used < SK_SPILL_PARTS && (at = first_that_waits(c)); c->something = true)
        begin_sending(c, at);
}

void tcp_forget_waiting(tcp *c, sk_peer peer)
{
    for (tcp_sending **at = &c->sending; *at;)
        if ((*at)->waits && (*at)->peer.id == peer.id)
            forget_sending(c, at);
        else
            at = &(*at)->next;
}

void tcp_send_bytes(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    tcp_place *p = sk_idmap_find(&c->places, m->place);
    sk_blob *blob = p && p->size == m->size && p->hosts & tcp_bit(0) ? tcp_blob_of(c, m->place) : NULL;
    if (!blob) {
        say_nothing(c, l->peer, m->req, "it is not here");
        return;
    }
    tcp_sending *s = g_new(tcp_sending, 1);
    *s = (tcp_sending){ .req = m->req, .peer = l->peer, .blob = sk_blob_ref(blob), .next = c->sending };
    c->sending = s;
    begin_sending(c, &c->sending);
}

void tcp_bulk_sent(tcp *c, sk_peer peer, uint64_t req, bool sent)
{
    tcp_sending **at = &c->sending;
    while (*at && !((*at)->req == req && (*at)->peer.id == peer.id && !(*at)->waits))
        at = &(*at)->next;
    if (*at && !(sent && send_on(c, *at)))
        forget_sending(c, at);
}

void tcp_clear_sendings(tcp *c)
{
    while (c->sending)
        forget_sending(c, &c->sending);
}

void tcp_let_sendings_go(tcp *c)
{
    for (tcp_sending *s = c->sending; s; s = s->next) {
        let_blob_go(c, s);                 /* the transport may still look at what was read: tcp_clear_sendings */
        s->waits = false;
    }
}
