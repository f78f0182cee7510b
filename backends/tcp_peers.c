/* tcp_peers.c -- peers from dial or OPEN to their end: see tcp_peers.h. */
#include "tcp_peers.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- names: a number from 1 on in the lower half, how often it was given in the upper ---- */

sk_tcp_peer *sk_tcp_peer_of(sk_tcp *t, sk_peer peer)
{
    uint32_t number = (uint32_t)peer.id;
    sk_tcp_peer *p = number && number <= t->peers->len ? t->peers->pdata[number - 1] : NULL;
    return p && p->name.id == peer.id ? p : NULL;
}

static sk_tcp_peer *new_peer(sk_tcp *t)
{
    guint i = 0;
    while (i < t->peers->len && t->peers->pdata[i])
        i++;
    if (i == t->peers->len) {
        g_ptr_array_add(t->peers, NULL);
        g_array_append_val(t->generations, (uint32_t){ 0 });
    }
    sk_tcp_peer *p = t->peers->pdata[i] = g_new0(sk_tcp_peer, 1);
    p->tcp = t;
    p->name.id = (uint64_t)++g_array_index(t->generations, uint32_t, i) << 32 | (i + 1);
    p->info.why = p->why;
    p->info.address = p->address;
    p->deadline = SK_NEVER;
    return p;
}

void sk_tcp_free_peer(sk_tcp_peer *p)
{
    sk_bulk_fail(&p->out);
    for (sk_bulk_send *s; (s = sk_bulk_next_over(&p->out)); )
        free(s);
    p->tcp->peers->pdata[(uint32_t)p->name.id - 1] = NULL;
    g_free(p);
}

/* ---- states ---- */

int64_t sk_tcp_awake(const sk_tcp *t) { return t->now - t->away; }

static void move(sk_tcp_peer *p, sk_peer_state from, sk_peer_state to)
{
    assert(p->info.state == from);
    (void)from;
    p->info.state = to;
    p->tcp->config.events->state(p->tcp->config.data, p->name, &p->info);
}

static void is_up(sk_tcp_peer *p, sk_link *l)
{
    sk_tcp *t = p->tcp;
    p->hello = l->hello;
    p->info.hello = &p->hello;
    p->info.encrypted = l->tls;
    p->info.heard_ns = l->said = t->now;
    p->heard = l->heard = l->whole = sk_tcp_awake(t);
    p->deadline = l->deadline = SK_NEVER;
    sk_link_tune(l, t->config.dead_ns, false);
    sk_tcp_look_at(t, t->now + t->config.heartbeat_ns);
    if (!sk_bulk_is_idle(&p->out))
        sk_tcp_chore(p);
    move(p, p->info.dialed ? SK_PEER_AUTHENTICATING : SK_PEER_CONNECTING, SK_PEER_UP);
}

void sk_tcp_doom(sk_tcp_peer *p, sk_peer_end end, const char *format, ...)
{
    if (p->doomed)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(p->why, sizeof p->why, format, list);
    va_end(list);
    p->doomed = true;
    p->info.end = end;
    sk_tcp_chore(p);
}

void sk_tcp_bury(sk_tcp_peer *p)
{
    if (p->control && p->control->link.stage == SK_LINK_OPEN) {
        size_t size = strnlen(p->why, SK_TCP_BYE_MOST);
        sk_link_queue(&p->control->link, SK_TCP_BYE, 0, &(struct iovec){ p->why, size }, 1);
        sk_link_flush(&p->control->link);
    }
    sk_tcp_link *links[] = { p->control, p->bulk };
    p->control = p->bulk = NULL;
    for (int i = 0; i < 2; i++)
        if (links[i])
            sk_link_close(&links[i]->link, p->info.end, "%s", p->why);
    sk_bulk_fail(&p->out);
    sk_tcp_tell_over(p);
    move(p, p->info.state, SK_PEER_DEAD);
    if (p->has_chores)                     /* an event has asked for some */
        g_ptr_array_remove(p->tcp->chores, p);
    sk_tcp_free_peer(p);
}

/* ---- dialing ---- */

bool sk_tcp_begin(sk_tcp_link *l, const sk_id *node, const sk_id *cluster, sk_error *err)
{
    sk_tcp *t = l->tcp;
    const sk_transport_self *me = t->config.me;
    sk_tls_self self = { .secret = me->secret, .cluster = *cluster, .node = me->node };
    l->link.spec.peer = node;
    t->counts.dialed++;
    return sk_link_dial(&l->link, t->config.encrypt || !sk_address_is_loopback(&l->link.other) ? &self : NULL, node, err);
}

/* The next address that takes a connection, or seems to; each has its part of the time. false: there is none. */
static bool try_next(sk_tcp_peer *p, sk_error *err)
{
    sk_link *l = &p->control->link;
    while (p->trying < p->ntries) {
        l->deadline = p->trying + 1 < p->ntries ? p->tcp->now + p->tcp->config.dial_ns / (int64_t)p->ntries : p->deadline;
        sk_tcp_look_at(p->tcp, l->deadline);
        l->other = p->tries[p->trying++];
        sk_address_print(&l->other, p->address);
        if (sk_tcp_begin(p->control, p->has_node ? &p->node : NULL, &p->tcp->config.me->cluster, err))
            return true;
    }
    return false;
}

sk_peer sk_tcp_dial_all(sk_tcp *t, const sk_address *addresses, size_t n, const sk_id *node, void *owner, sk_error *err)
{
    sk_error why = { 0 };
    sk_tcp_peer *p = new_peer(t);
    p->info.dialed = true;
    p->info.owner = owner;
    memcpy(p->tries, addresses, n * sizeof *addresses);
    p->ntries = n;
    p->has_node = node;
    if (node)
        p->node = *node;
    p->control = sk_tcp_link_new(t, p);
    sk_link_queue(&p->control->link, SK_TCP_OPEN, 0, NULL, 0);
    p->control->link.writer.rules = &t->control;
    t->now = sk_tcp_now(t);
    p->deadline = t->now + t->config.dial_ns;
    if (try_next(p, &why))
        return p->name;
    if (why.code != SK_LIMIT) {
        sk_tcp_doom(p, SK_PEER_UNREACHABLE, "%s", why.message);
        return p->name;
    }
    sk_tcp_link *l = p->control;           /* it is this process that cannot, not that address */
    sk_tcp_free_peer(p);
    sk_tcp_abandon(l);
    if (err)
        *err = why;
    return (sk_peer){ 0 };
}

sk_peer sk_tcp_dial(sk_transport *base, const char *address, const sk_id *node, void *owner, sk_error *err)
{
    sk_tcp *t = (sk_tcp *)base;
    sk_address found[SK_ADDRESS_MOST];
    size_t n = sk_address_find(address, false, found, err);
    for (size_t i = 0; i < n; i++)
        if (!sk_address_is_loopback(&found[i]) && !sk_tcp_may_leave(t, address, "dialed", err))
            return (sk_peer){ 0 };
    return n ? sk_tcp_dial_all(t, found, n, node, owner, err) : (sk_peer){ 0 };
}

/* ---- what a link tells ---- */

#define LINK(l) ((sk_tcp_link *)(l)->owner)

static void connected(sk_link *link)
{
    sk_tcp_link *l = LINK(link);
    if (l->peer && l == l->peer->control)
        move(l->peer, SK_PEER_CONNECTING, SK_PEER_AUTHENTICATING);
}

/* The link is in the middle of reading: what comes of it for the runtime is a chore, for in an event it may call whatever it likes. */
static void heard(sk_link *link)
{
    sk_tcp_link *l = LINK(link);
    link->heard = sk_tcp_awake(l->tcp);
    if (!l->peer)
        return;
    l->peer->heard = link->heard;
    l->peer->info.heard_ns = l->tcp->now;
    if (l->peer->info.state == SK_PEER_SUSPECT) {
        l->peer->is_back = true;
        sk_tcp_chore(l->peer);
    }
}

void sk_tcp_tell_back(sk_tcp_peer *p)
{
    bool is_back = p->is_back && !p->doomed;
    p->is_back = false;
    if (is_back)
        move(p, SK_PEER_SUSPECT, SK_PEER_UP);
}

static void opened(sk_link *link)
{
    sk_tcp_link *l = LINK(link);
    link->said = l->tcp->now;
    link->heard = link->whole = sk_tcp_awake(l->tcp);
    if (!l->peer)                          /* its OPEN says what it is */
        return;
    link->in.rules = l->number ? &l->tcp->bulk : &l->tcp->control;
    if (!l->number) {
        is_up(l->peer, link);
        return;
    }
    link->deadline = SK_NEVER;
    l->peer->bulk_vain = 0;
    sk_link_tune(link, l->tcp->config.dead_ns, true);
}

/* What is a frame by its form, and cannot be. */
__attribute__((format(printf, 2, 3))) static void refuse(sk_link *link, const char *format, ...)
{
    char what[200];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    sk_frame_refuse(&link->in, "%s", what);
    sk_link_close(link, SK_PEER_BROKEN, "%s", link->in.error.message);
}

/* Accepted, and OPEN(number) has come. Two of one node cannot be: the older one is what the node has given up, and we have not heard of it. */
static void attach(sk_tcp_link *l, uint64_t number)
{
    sk_tcp *t = l->tcp;
    sk_tcp_peer *p = NULL;
    if (number == UINT64_MAX) {
        refuse(&l->link, "has number %llu, which no link for bulk has", (unsigned long long)number);
        return;
    }
    for (guint i = 0; i < t->peers->len && !p; i++) {
        p = t->peers->pdata[i];
        if (p && (p->doomed || p->info.dialed || memcmp(&p->hello.node, &l->link.hello.node, sizeof(sk_id)) != 0))
            p = NULL;
    }
    if (number) {
        if (!p || number <= p->bulk_number) {
            sk_link_close(&l->link, SK_PEER_BROKEN, "it wants to send bulk as link %llu of a peer that %s", (unsigned long long)number,
                          p ? "has had one of that number" : "is none");
            return;
        }
        t->unknown--;
        sk_tcp_attach_bulk(l, p, number);
        return;
    }
    if (p)
        sk_tcp_doom(p, SK_PEER_CLOSED, "it has dialed again");
    t->unknown--;
    p = new_peer(t);
    p->control = l;
    l->peer = p;
    l->link.in.rules = l->link.writer.rules = &t->control;
    sk_address_print(&l->link.other, p->address);
    sk_link_queue(&l->link, SK_TCP_HEARTBEAT, 0, NULL, 0);     /* "I know you": now links for bulk may come */
    sk_tcp_dirty(l);
    is_up(p, &l->link);
}

/* Its words go into logs and onto terminals: nothing but plain characters. */
static void take_leave(sk_tcp_peer *p, const uint8_t *words, size_t size)
{
    char plain[SK_TCP_BYE_MOST + 1];
    for (size_t i = 0; i < size; i++)
        plain[i] = words[i] >= ' ' && words[i] < 127 ? (char)words[i] : '?';
    plain[size] = '\0';
    sk_tcp_doom(p, SK_PEER_CLOSED, "it said: %s", plain);
}

static void frame(sk_link *link, const sk_frame_head *head)
{
    sk_tcp_link *l = LINK(link);
    sk_tcp_peer *p = l->peer;
    sk_tcp *t = l->tcp;
    link->whole = sk_tcp_awake(t);
    if (p && p->doomed)
        return;
    if (!p && head->type == SK_TCP_OPEN) {
        attach(l, head->request);
        return;
    }
    if (l == p->control && link->frames_in == 1 && !sk_bulk_is_idle(&p->out))
        sk_tcp_chore(p);                   /* it has waited for that */
    switch (head->type) {
    case SK_TCP_HEARTBEAT: break;
    case SK_TCP_CHUNK:
        p->bulk_failures = 0;
        sk_bulk_whole(&p->in, link, head, t->config.events, t->config.data, p->name);
        break;
    case SK_TCP_WANT_BULK:
        if (!p->info.dialed)
            refuse(link, "is what only who was dialed says");
        else if (!p->bulk && !p->bulk_again)
            sk_tcp_dial_bulk(p);
        break;
    case SK_TCP_BULK_LOST:
        if (head->request == UINT64_MAX || (p->info.dialed && head->request > p->bulk_number))
            refuse(link, "has number %llu, and there has been no such link for bulk", (unsigned long long)head->request);
        else
            sk_tcp_hear_of_loss(p, head->request, "the other end has lost it");
        break;
    case SK_TCP_BYE: take_leave(p, head->payload, head->size); break;
    default:
        t->hot = l;
        t->config.events->control(t->config.data, p->name, head->type, head->request, head->payload, head->size);
    }
}

static void where(sk_link *link, const sk_frame_head *head)
{
    sk_tcp_link *l = LINK(link);
    if (l->peer->doomed)
        sk_frame_into(&link->in, NULL, SIZE_MAX);
    else
        sk_bulk_where(&l->peer->in, link, head, l->tcp->config.events, l->tcp->config.data, l->peer->name);
}

/* The link has sent all that was queued. */
static bool more(sk_link *link)
{
    sk_tcp_link *l = LINK(link);
    sk_tcp_peer *p = l->peer;
    if (!p)
        return false;
    if (l == p->bulk) {
        bool left = sk_bulk_go_on(&p->out, link, SK_TCP_CHUNK);
        link->said = l->tcp->now;
        if (p->out.over.first)
            sk_tcp_chore(p);
        return left;
    }
    if (l == p->control && p->was_full && !p->doomed) {
        p->was_full = false;
        l->tcp->config.events->room(l->tcp->config.data, p->name);
    }
    return false;
}

static void unknown_left(sk_tcp_link *l)
{
    sk_tcp *t = l->tcp;
    char address[SK_ADDRESS_TEXT];
    t->unknown--;
    t->counts.refused++;
    if (!t->closing)
        sk_tcp_log(t, "%s was refused: %s", sk_address_print(&l->link.other, address), l->link.why);
}

static void closed(sk_link *link)
{
    sk_tcp_link *l = LINK(link);
    sk_tcp_peer *p = l->peer;
    if (!p)
        unknown_left(l);
    else if (link->end == SK_PEER_BROKEN)
        l->tcp->counts.broken++;
    if (p && l == p->control) {
        sk_error why = { 0 };
        if (!l->tcp->closing && p->info.state == SK_PEER_CONNECTING && l->tcp->now < p->deadline && p->trying < p->ntries && try_next(p, &why))
            return;
        p->control = NULL;
        p->info.refused = link->refused;
        p->info.error = link->end == SK_PEER_UNREACHABLE ? link->error : 0;
        sk_tcp_doom(p, link->end, "%s", link->why);
    } else if (p && l == p->bulk) {
        p->bulk = NULL;
        if (!l->tcp->closing && link->was_open)
            sk_tcp_lose_bulk(p, l->number, link->why, true);
        else if (!l->tcp->closing)
            sk_tcp_miss_bulk(p, link->why);
    }
    sk_tcp_discard(l);
}

const sk_link_user sk_tcp_user = {
    .connected = connected, .heard = heard, .opened = opened, .frame = frame, .where = where, .more = more, .closed = closed,
};

/* ---- time ---- */

static void beat(sk_tcp_link *l)
{
    sk_tcp *t = l->tcp;
    int64_t next = l->link.said + t->config.heartbeat_ns;
    if (next <= t->now) {
        if (sk_link_queued(&l->link) == 0 && (!l->number || sk_bulk_is_idle(&l->peer->out))) {
            sk_link_queue(&l->link, SK_TCP_HEARTBEAT, 0, NULL, 0);
            sk_tcp_dirty(l);
        }
        l->link.said = t->now;             /* else it has enough to say */
        next = t->now + t->config.heartbeat_ns;
    }
    sk_tcp_look_at(t, next);
}

#define STUCK "bytes come, but none of its frames has become whole for %.1f s"

/* Bytes come, and no frame becomes whole: a length was changed on its way, perhaps, and heartbeats would fill it up for hours. */
static bool is_stuck(sk_tcp *t, const sk_link *l)
{
    sk_tcp_look_at(t, l->whole + t->away + t->config.dead_ns);
    return sk_tcp_awake(t) - l->whole >= t->config.dead_ns;
}

static void judge_bulk(sk_tcp_peer *p)
{
    sk_tcp *t = p->tcp;
    sk_link *l = &p->bulk->link;
    if (l->stage != SK_LINK_OPEN) {
        if (t->now >= l->deadline)
            sk_link_give_up(l, SK_WHY_LATE);
        else
            sk_tcp_look_at(t, l->deadline);
    } else if (sk_tcp_awake(t) - l->heard >= t->config.dead_ns) {
        sk_link_close(l, SK_PEER_SILENT, "silent for %.1f s", (double)(sk_tcp_awake(t) - l->heard) * 1e-9);
    } else if (is_stuck(t, l)) {
        sk_link_close(l, SK_PEER_BROKEN, STUCK, (double)(sk_tcp_awake(t) - l->whole) * 1e-9);
    } else {
        sk_tcp_look_at(t, l->heard + t->away + t->config.dead_ns);
        beat(p->bulk);
    }
}

void sk_tcp_judge(sk_tcp_peer *p)
{
    sk_tcp *t = p->tcp;
    if (p->doomed)
        return;
    if (p->info.state < SK_PEER_UP) {
        int64_t deadline = p->info.state == SK_PEER_CONNECTING ? p->control->link.deadline : p->deadline;
        if (t->now >= deadline)
            sk_link_give_up(&p->control->link, SK_WHY_LATE);
        else
            sk_tcp_look_at(t, deadline);
        return;
    }
    int64_t silence = sk_tcp_awake(t) - p->heard;
    if (silence >= t->config.dead_ns) {
        sk_tcp_doom(p, SK_PEER_SILENT, "silent for %.1f s", (double)silence * 1e-9);
        return;
    }
    if (is_stuck(t, &p->control->link)) {
        sk_tcp_doom(p, SK_PEER_BROKEN, STUCK, (double)(sk_tcp_awake(t) - p->control->link.whole) * 1e-9);
        return;
    }
    if (silence >= t->config.suspect_ns && p->info.state == SK_PEER_UP)
        move(p, SK_PEER_UP, SK_PEER_SUSPECT);
    if (p->doomed)
        return;
    sk_tcp_look_at(t, p->heard + t->away + (p->info.state == SK_PEER_UP ? t->config.suspect_ns : t->config.dead_ns));
    beat(p->control);
    if (p->bulk)
        judge_bulk(p);
    else if (p->bulk_again && t->now >= p->bulk_again)
        sk_tcp_dial_bulk(p);
    else if (p->bulk_again)
        sk_tcp_look_at(t, p->bulk_again);
}

void sk_tcp_judge_unknown(sk_tcp_link *l)
{
    if (l->tcp->now >= l->link.deadline)
        sk_link_give_up(&l->link, SK_WHY_LATE);
    else
        sk_tcp_look_at(l->tcp, l->link.deadline);
}
