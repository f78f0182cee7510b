/* node_objects.c -- the memory of a node, as the head tells it: pages filled and dropped, blocks pulled from others and sent to them. See
 * node_parts.h.
 *
 * Nothing is copied: a block is sent right from the mapping of its arena, and lands where it belongs. (One that was spilled is read from its file for
 * that.) Its header comes from the head, with the PULL, and is written last. So whoever asks for a place that holds no object finds a header that is all
 * zeros, and is told so.
 *
 * Reading order: places; who is there; pulls; sends; what the head says. */
#include "node_parts.h"

#include <errno.h>
#include <stdio.h>

static uint64_t behind_header(uint64_t size) { return size - SK_NODE_BLOB; }
static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) { return a < b + b_size && b < a + a_size; }

/* ---- places ---- */

bool sk_node_place(node *n, uint64_t place, uint64_t size, sk_error *err)
{
    uint64_t stride = sk_shm_stride(n->space);
    if (place / stride >= n->owners || size == 0 || size > stride - place % stride || place % sk_shm_page())
        return sk_error_set(err, SK_PROTOCOL, "there is no place %#llx for %llu bytes", (unsigned long long)place, (unsigned long long)size);
    return sk_shm_add(n->space, sk_shm_owner(n->space, place), err);
}

static bool fill(node *n, uint64_t place, uint64_t size, sk_error *err)
{
    if (sk_shm_fill(n->space, place, size))
        return true;
    return sk_error_set(err, SK_STORE_FULL, "there is no memory for an object of %.1f MB on node %u: %s", (double)size * 1e-6, n->number,
                        strerror(errno));
}

/* ---- who is there ---- */

static node_peer *add_peer(node *n, sk_peer peer, const sk_id *id, bool dialed)
{
    node_peer *p = g_new0(node_peer, 1);
    *p = (node_peer){ .peer = peer, .id = *id, .dialed = dialed, .next = n->peers };
    n->peers = p;
    return p;
}

void sk_node_peer_is_up(node *n, sk_peer peer, const sk_peer_info *info)
{
    if (!info->owner)
        sk_transport_own(n->transport, peer, add_peer(n, peer, &info->hello->node, false));
}

/* Its connection, either way; made if there is none. */
static node_peer *peer_of(node *n, const sk_id *id, const char *address, sk_error *err)
{
    if (!memcmp(id, &n->head.id, sizeof *id))
        return &n->head;
    for (node_peer *p = n->peers; p; p = p->next)
        if (!memcmp(id, &p->id, sizeof *id))
            return p;
    sk_peer peer = sk_transport_dial(n->transport, address, id, NULL, err);
    if (!peer.id)
        return NULL;
    node_peer *p = add_peer(n, peer, id, true);
    sk_transport_own(n->transport, peer, p);
    return p;
}

/* ---- pulls ---- */

static node_pull **pull_of(node *n, sk_peer peer, uint64_t ask)
{
    node_pull **at = &n->pulls;
    while (*at && !((*at)->ask == ask && (*at)->from->peer.id == peer.id))
        at = &(*at)->next;
    return at;
}

static void miss(node *n, uint64_t req, sk_code code, const char *why)
{
    sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_MISSED, .req = req, .n = code, .text = why });
}

/* It does not come: the pages go back, and nothing is written there any more. */
static void give_up(node *n, node_pull **at, sk_code code, const char *why)
{
    node_pull *pull = *at;
    *at = pull->next;
    sk_transport_forget(n->transport, pull->from->peer, pull->ask);
    sk_shm_drop(n->space, pull->place, pull->size);
    miss(n, pull->req, code, why);
    g_free(pull);
}

static bool ask(node *n, node_pull *pull)
{
    pull->ask = ++n->asks;
    pull->got = 0;
    sk_node_msg m = { .type = SK_NODE_SEND, .req = pull->ask, .place = pull->place, .size = pull->size };
    return sk_node_send(n->transport, pull->from->peer, &m) == SK_SENT;
}

static bool can_begin(node *n, const sk_node_msg *m, node_peer **from, sk_error *err)
{
    for (node_pull *p = n->pulls; p; p = p->next)
        if (p->req == m->req || overlap(p->place, p->size, m->place, m->size))
            return sk_error_set(err, SK_PROTOCOL, "it is being pulled already");
    if (m->size < SK_NODE_BLOB)
        return sk_error_set(err, SK_PROTOCOL, "%llu bytes are no object", (unsigned long long)m->size);
    if (!sk_node_place(n, m->place, m->size, err))
        return false;
    *from = peer_of(n, &m->id, m->text, err);
    return *from && fill(n, m->place, m->size, err);
}

static void begin_pull(node *n, const sk_node_msg *m)
{
    sk_error err = { 0 };
    node_peer *from = NULL;
    if (!can_begin(n, m, &from, &err)) {
        miss(n, m->req, err.code, err.message);
        return;
    }
    node_pull *pull = g_new0(node_pull, 1);
    *pull = (node_pull){ .req = m->req, .place = m->place, .size = m->size, .from = from, .began = sk_node_now(), .next = n->pulls };
    memcpy(pull->header, m->header, sizeof pull->header);
    n->pulls = pull;
    if (!ask(n, pull))
        give_up(n, &n->pulls, SK_OBJECT_LOST, "its node does not answer any more");
}

/* Its bytes are whatever somebody has written: whoever reads a text goes on until its end. */
static void write_header(node *n, uint64_t place, uint64_t size, const uint8_t *header)
{
    char *block = sk_shm_at(n->space, place);
    sk_blob blob;
    memcpy(block, header, SK_NODE_BLOB);
    memcpy(&blob, header, sizeof blob);
    if (blob.type == SK_T_STR && blob.size && blob.size <= behind_header(size))
        block[SK_NODE_BLOB + blob.size - 1] = '\0';
}

static void complete(node *n, node_pull **at)
{
    node_pull *pull = *at;
    *at = pull->next;
    write_header(n, pull->place, pull->size, pull->header);
    sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_ARRIVED, .req = pull->req, .w = (uint64_t)(sk_node_now() - pull->began) });
    g_free(pull);
}

/* Chunks of a request come in order. */
void *sk_node_bulk_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    node *n = data;
    node_pull *pull = n->over ? NULL : *pull_of(n, peer, req);
    if (!pull || offset != pull->got || size > behind_header(pull->size) - offset)
        return NULL;
    char *to = (char *)sk_shm_at(n->space, pull->place) + SK_NODE_BLOB + offset;
    size_t into = (uintptr_t)to % sk_shm_page();
    sk_shm_prefault(to - into, into + size);
    return to;
}

void sk_node_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    node *n = data;
    node_pull **at = pull_of(n, peer, req);
    n->stirred = true;
    if (n->over || !*at || offset != (*at)->got)
        return;
    (*at)->got += size;
    if ((*at)->got == behind_header((*at)->size))
        complete(n, at);
}

static void forget_waiting(node *n, sk_peer peer);

void sk_node_bulk_lost(void *data, sk_peer peer, const char *why)
{
    node *n = data;
    char text[SK_TRANSPORT_WHY];
    n->stirred = true;
    forget_waiting(n, peer);               /* they ask again */
    for (node_pull **at = &n->pulls; !n->over && *at;) {
        node_pull *pull = *at;
        if (pull->from->peer.id != peer.id) {
            at = &pull->next;
        } else if (pull->is_second || !ask(n, pull)) {
            snprintf(text, sizeof text, "it did not come through, twice: %s", why);
            give_up(n, at, SK_OBJECT_LOST, text);
        } else {
            pull->is_second = true;
            at = &pull->next;
        }
    }
}

/* ---- sends ---- */

static void say_nothing(node *n, sk_peer to, uint64_t req, const char *why)
{
    sk_node_msg m = { .type = SK_NODE_NOTHING, .req = req, .text = why };
    if (sk_node_send(n->transport, to, &m) == SK_SEND_FULL)        /* megabytes of questions, and it reads no answer */
        sk_transport_drop(n->transport, to, "it does not read its answers");
}

static void end_send(node *n, node_send **at)
{
    node_send *s = *at;
    *at = s->next;
    sk_spill_part_give(&n->parts, s->part);
    g_free(s);
}

static bool send_part(node *n, node_send *s, const void *bytes, uint64_t size)
{
    uint64_t from = s->sent;
    s->sent += size;
    return sk_transport_send_bulk(n->transport, s->to, s->req, from, &(struct iovec){ (void *)bytes, size }, 1);
}

/* What is in the file goes a part at a time, the next when the one before has left. false: nothing follows. */
static bool send_on(node *n, node_send *s)
{
    uint64_t page = sk_shm_page(), size = MIN(behind_header(s->size) - s->sent, SK_SPILL_PART);
    if (!s->part || !size)
        return false;
    if (sk_node_spill_read(n, s->place + page, s->sent + SK_NODE_BLOB - page, s->part, size))
        return send_part(n, s, s->part, size);
    if (!n->over)                          /* else it has said goodbye */
        say_nothing(n, s->to, s->req, "what was spilled of it is not there");
    return false;
}

/* Or it waits, if there is no part to be had. What has come back while it waited goes by parts all the same: the head does not know that it is read. */
static void begin_send(node *n, node_send **at)
{
    node_send *s = *at;
    bool is_away = s->waits || sk_node_spill_is_away(n, s->place + sk_shm_page()), has_part = true;
    if (is_away && !s->is_gone)
        has_part = (s->part = sk_spill_part_take(&n->parts));
    s->waits = !has_part && errno == EAGAIN;
    if (s->waits)
        return;
    if (!has_part)
        say_nothing(n, s->to, s->req, "it is spilled, and there is no memory to read it with");
    const char *block = sk_shm_at(n->space, s->place);
    if (s->is_gone || !has_part || !send_part(n, s, block + SK_NODE_BLOB, is_away ? sk_shm_page() - SK_NODE_BLOB : behind_header(s->size)))
        end_send(n, at);
}

/* Who has waited for the longest time. */
static node_send **first_that_waits(node *n)
{
    node_send **first = NULL;
    for (node_send **at = &n->sends; *at; at = &(*at)->next)
        if ((*at)->waits)
            first = at;
    return first;
}

/* Not as soon as a part is given back: if that is because the way has broken, who waits for the same peer must not go the next one. */
void sk_node_objects_turn(node *n)
{
    for (node_send **at; !n->over && n->parts.used < SK_SPILL_PARTS && (at = first_that_waits(n)); n->stirred = true)
        begin_send(n, at);
}

/* Whoever asked does not wait for it any more. */
static void forget_waiting(node *n, sk_peer peer)
{
    for (node_send **at = &n->sends; *at;)
        if ((*at)->waits && (*at)->to.id == peer.id)
            end_send(n, at);
        else
            at = &(*at)->next;
}

static void hear_send(node *n, sk_peer to, const sk_node_msg *m)
{
    sk_error err = { 0 };
    char *block = NULL;
    if (!n->space)
        sk_error_set(&err, SK_PROTOCOL, "this node has no objects yet");
    else if (m->size < SK_NODE_BLOB)
        sk_error_set(&err, SK_PROTOCOL, "%llu bytes are no object", (unsigned long long)m->size);
    else if (sk_node_place(n, m->place, m->size, &err))
        block = sk_shm_at(n->space, m->place);
    const sk_blob *blob = (const sk_blob *)block;
    if (blob && (!blob->size || blob->size > behind_header(m->size)))
        sk_error_set(&err, SK_OBJECT_LOST, "node %u has no such object", n->number);
    if (err.code) {
        say_nothing(n, to, m->req, err.message);
        return;
    }
    node_send *send = g_new0(node_send, 1);
    *send = (node_send){ .to = to, .req = m->req, .place = m->place, .size = m->size, .next = n->sends };
    n->sends = send;
    begin_send(n, &n->sends);
}

void sk_node_bulk_sent(void *data, sk_peer peer, uint64_t req, bool sent)
{
    node *n = data;
    node_send **at = &n->sends;
    while (*at && !((*at)->to.id == peer.id && (*at)->req == req && !(*at)->waits))
        at = &(*at)->next;
    if (*at && !(sent && !(*at)->is_gone && !n->over && send_on(n, *at)))
        end_send(n, at);                   /* if it has not been sent, who has asked notices, and asks again */
}

static void cancel_sends(node *n, sk_peer to, uint64_t req)
{
    for (node_send *s = n->sends; s; s = s->next)
        if (s->to.id == to.id && s->req == req) {
            s->is_gone = true;
            sk_transport_cancel(n->transport, to, req);
        }
}

/* ---- what they say ---- */

/* Somebody may still read what is dropped: it must not get zeros for an object. */
/* `from_file`: those too that do not need the pages. */
static void stop_sends(node *n, uint64_t place, uint64_t size, bool from_file, const char *why)
{
    for (node_send *s = n->sends; s; s = s->next)
        if (!s->is_gone && (from_file || !(s->part || s->waits)) && overlap(s->place, s->size, place, size)) {
            s->is_gone = true;
            sk_transport_cancel(n->transport, s->to, s->req);
            say_nothing(n, s->to, s->req, why);
        }
}

static void drop(node *n, uint64_t place, uint64_t size)
{
    stop_sends(n, place, size, true, "the object is not needed any more");
    sk_node_spill_forget(n, place);
    sk_node_spill_forget(n, place + sk_shm_page());            /* the first page of a block is never spilled */
    for (node_pull **at = &n->pulls; *at;)
        if (overlap((*at)->place, (*at)->size, place, size))
            give_up(n, at, SK_CANCELLED, "the object is not needed any more");
        else
            at = &(*at)->next;
    sk_shm_drop(n->space, place, size);
}

static void abandon(node *n, uint64_t req)
{
    for (node_pull **at = &n->pulls; *at; at = &(*at)->next)
        if ((*at)->req == req) {
            if (!(*at)->from->is_head)     /* which knows that */
                sk_node_send(n->transport, (*at)->from->peer, &(sk_node_msg){ .type = SK_NODE_ABANDON, .req = (*at)->ask });
            give_up(n, at, SK_CANCELLED, "it is not needed any more");
            return;
        }
}

static uint64_t size_in(const uint8_t *header)
{
    sk_blob blob;
    memcpy(&blob, header, sizeof blob);
    return blob.size > UINT64_MAX - SK_NODE_BLOB ? UINT64_MAX : blob.size + SK_NODE_BLOB;
}

static void hear_head(node *n, const sk_node_msg *m)
{
    sk_error err = { 0 };
    if (m->type == SK_NODE_PULL) {
        begin_pull(n, m);
    } else if (!sk_node_place(n, m->place, m->type == SK_NODE_HEADER ? size_in(m->header) : m->type == SK_NODE_FORGET ? SK_NODE_BLOB : m->size, &err)) {
        if (err.code == SK_PROTOCOL)
            sk_node_nonsense(n, "%s: %s", sk_node_name(m->type), err.message);
        else if (m->type == SK_NODE_FILL)
            sk_node_starve(n, sk_shm_owner(n->space, m->place), err.message);
    } else if (m->type == SK_NODE_FILL) {
        if (!fill(n, m->place, m->size, &err))
            sk_node_starve(n, sk_shm_owner(n->space, m->place), err.message);
    } else if (m->type == SK_NODE_DROP) {
        drop(n, m->place, m->size);
    } else if (m->type == SK_NODE_SPILL) {
        stop_sends(n, m->place, m->size, false, "it is being spilled");          /* none that anybody waits for: the head has pinned what it fetches from memory */
        sk_node_spill_out(n, m);
    } else if (m->type == SK_NODE_RESTORE) {
        sk_node_spill_back(n, m);
    } else if (m->type == SK_NODE_FORGET) {
        sk_node_spill_forget(n, m->place);
    } else {
        write_header(n, m->place, size_in(m->header), m->header);
    }
}

bool sk_node_objects_hear(node *n, node_peer *from, const sk_node_msg *m)
{
    switch (m->type) {
    case SK_NODE_SEND:
        hear_send(n, from->peer, m);
        return true;
    case SK_NODE_NOTHING: {
        node_pull **at = pull_of(n, from->peer, m->req);
        if (*at)
            give_up(n, at, SK_OBJECT_LOST, m->text);
        return true;
    }
    case SK_NODE_ABANDON:
        if (from->is_head)
            abandon(n, m->req);
        else
            cancel_sends(n, from->peer, m->req);
        return true;
    case SK_NODE_FILL:
    case SK_NODE_DROP:
    case SK_NODE_HEADER:
    case SK_NODE_PULL:
    case SK_NODE_SPILL:
    case SK_NODE_RESTORE:
    case SK_NODE_FORGET:
        if (!from->is_head)
            return false;
        hear_head(n, m);
        return true;
    default:
        return false;
    }
}

/* ---- ends ---- */

void sk_node_peer_is_gone(node *n, node_peer *p, const char *why)
{
    char text[SK_TRANSPORT_WHY + 100];
    snprintf(text, sizeof text, "the node that has it is gone: %.700s", why);
    forget_waiting(n, p->peer);
    for (node_pull **at = &n->pulls; *at;)
        if ((*at)->from == p)
            give_up(n, at, SK_OBJECT_LOST, text);
        else
            at = &(*at)->next;
    for (node_peer **at = &n->peers; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            g_free(p);
            return;
        }
}

/* The transport is closed already, or is about to be: nothing of it is touched. */
void sk_node_objects_close(node *n)
{
    for (node_pull *p = n->pulls, *next; p; p = next, n->pulls = p) {
        next = p->next;
        g_free(p);
    }
    while (n->sends)
        end_send(n, &n->sends);
    for (node_peer *p = n->peers, *next; p; p = next, n->peers = p) {
        next = p->next;
        g_free(p);
    }
    sk_node_spill_close(n);
    sk_shm_free(n->space);
    n->space = NULL;
}
