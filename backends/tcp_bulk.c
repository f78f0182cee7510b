/* tcp_bulk.c -- the links for bulk: made when needed, bound to their peer, lost by both ends together. See tcp_peers.h. */
#include "tcp_peers.h"

enum { FAILURES = 3 };                     /* links in a row over which nothing went: then the peer is no peer */
static const int64_t AGAIN_NS = 100000000; /* between two tries to make one */

void sk_tcp_tell_over(sk_tcp_peer *p)
{
    const sk_transport_config *c = &p->tcp->config;
    for (sk_bulk_send *s; (s = sk_bulk_next_over(&p->out)); ) {
        uint64_t request = s->request;
        bool sent = !s->failed;
        free(s);
        p->bulk_failures = sent ? 0 : p->bulk_failures;
        c->events->bulk_sent(c->data, p->name, request, sent);
    }
}

void sk_tcp_dial_bulk(sk_tcp_peer *p)
{
    sk_tcp *t = p->tcp;
    sk_error err = { 0 };
    sk_tcp_link *l = p->bulk = sk_tcp_link_new(t, p);
    l->number = ++p->bulk_number;
    p->bulk_again = 0;
    l->link.other = p->control->link.other;
    l->link.deadline = t->now + t->config.dial_ns;
    sk_tcp_look_at(t, l->link.deadline);
    sk_link_queue(&l->link, SK_TCP_OPEN, l->number, NULL, 0);
    l->link.writer.rules = &t->bulk;
    p->in = (sk_bulk_in){ 0 };
    if (sk_tcp_begin(l, &p->hello.node, &p->hello.cluster, &err))
        return;
    p->bulk = NULL;
    sk_tcp_abandon(l);
    sk_tcp_miss_bulk(p, err.message);
}

/* Strangers may have all places there, or somebody all descriptors here: that passes. Where it does not, dead_ns is as long as for any other silence. */
void sk_tcp_miss_bulk(sk_tcp_peer *p, const char *why)
{
    sk_tcp *t = p->tcp;
    if (p->doomed)
        return;
    if (!p->bulk_vain)
        p->bulk_vain = sk_tcp_awake(t);
    if (sk_tcp_awake(t) - p->bulk_vain >= t->config.dead_ns) {
        sk_tcp_doom(p, SK_PEER_BROKEN, "nothing comes through to it but small messages: %s", why);
        return;
    }
    p->bulk_again = t->now + AGAIN_NS;
    sk_tcp_look_at(t, p->bulk_again);
}

void sk_tcp_want_bulk(sk_tcp_peer *p)
{
    if (p->bulk || p->info.state < SK_PEER_UP)
        return;                            /* there is one, or will be */
    if (p->info.dialed) {
        if (p->control->link.frames_in && !p->bulk_again)    /* else its OPEN may be on its way still, and the other end does not know whose bulk that would be */
            sk_tcp_dial_bulk(p);
    } else if (!p->wants_bulk) {
        p->wants_bulk = true;
        sk_link_queue(&p->control->link, SK_TCP_WANT_BULK, 0, NULL, 0);
        sk_tcp_dirty(p->control);
    }
}

/* What has left, or not yet, of this number is lost. First the other end is told, before the runtime can say anything to it. What has left is told before the
 * rest fails: who sends the next part for that sends it in vain, too, and not over the next link, where nobody waits for it. */
void sk_tcp_lose_bulk(sk_tcp_peer *p, uint64_t number, const char *why, bool tell_it)
{
    sk_tcp *t = p->tcp;
    if (p->doomed)
        return;
    p->wants_bulk = false;
    p->bulk_lost = number;
    p->bulk_number = number > p->bulk_number ? number : p->bulk_number;
    p->in = (sk_bulk_in){ 0 };
    if (tell_it) {
        sk_link_queue(&p->control->link, SK_TCP_BULK_LOST, number, NULL, 0);
        sk_tcp_dirty(p->control);
    }
    sk_tcp_tell_over(p);
    sk_bulk_fail(&p->out);
    sk_tcp_tell_over(p);
    t->config.events->bulk_lost(t->config.data, p->name, why);
    if (++p->bulk_failures >= FAILURES)
        sk_tcp_doom(p, SK_PEER_BROKEN, "nothing comes through to it but small messages: %s", why);
}

void sk_tcp_hear_of_loss(sk_tcp_peer *p, uint64_t number, const char *why)
{
    sk_tcp_link *l = p->bulk;
    if (number <= p->bulk_lost || (l && l->number > number))
        return;                            /* that is known, or there is a later one already */
    p->bulk = NULL;
    if (l)
        sk_link_close(&l->link, SK_PEER_CLOSED, "%s", why);
    sk_tcp_lose_bulk(p, number, why, false);
}

void sk_tcp_attach_bulk(sk_tcp_link *l, sk_tcp_peer *p, uint64_t number)
{
    sk_tcp *t = l->tcp;
    if (p->bulk)
        sk_tcp_hear_of_loss(p, p->bulk_number, "the other end has made another");
    l->peer = p;
    l->number = number;
    p->bulk = l;
    p->bulk_number = number;
    p->wants_bulk = false;
    p->in = (sk_bulk_in){ 0 };
    l->link.deadline = SK_NEVER;
    l->link.in.rules = l->link.writer.rules = &t->bulk;
    sk_link_tune(&l->link, t->config.dead_ns, true);
    sk_tcp_look_at(t, t->now + t->config.heartbeat_ns);
    if (!sk_bulk_is_idle(&p->out))
        sk_tcp_dirty(l);
}
