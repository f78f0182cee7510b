/* tcp_room.c -- copies of bytes that a node has got from others, and which of them go when its store is full. See tcp.c.
 *
 * What a node has made stays there: in memory, or in its spill file (shm.h, books). What it has got from others is elsewhere too, so when room is needed
 * (processes_room.c) it is dropped first, what was used longest ago before the rest; and fetched again when somebody needs it. It stays while it is
 * pinned: by an attempt that reads it, by one that is bound there and needs it (the scheduler knows), by a fetch that takes it from there, and at the
 * driver by the program, which may look at it until it is freed. The last copy of what a lost node has made stays, too.
 *
 * Names are the scheduler's: it has one for each object, and several objects may be the same bytes. */
#include "tcp.h"

#include <errno.h>

/* ---- names ---- */

void tcp_name_place(tcp *c, tcp_place *p, uint64_t key)
{
    const tcp_name *old = sk_idmap_find(&c->names, key);
    if (old && old->place == p)
        return;
    if (old)                                   /* it was lost, and made again */
        tcp_forget_name(c, key);
    tcp_name *name = g_new(tcp_name, 1);
    *name = (tcp_name){ key, p, p->names };
    p->names = name;
    sk_idmap_add(&c->names, name);
}

void tcp_forget_name(tcp *c, uint64_t key)
{
    tcp_name *name = sk_idmap_find(&c->names, key);
    if (!name)
        return;
    tcp_name **at = &name->place->names;
    while (*at != name)
        at = &(*at)->next;
    *at = name->next;
    sk_idmap_remove(&c->names, key);
    g_free(name);
}

/* ---- copies ---- */

static size_t size_at(const tcp_copy *k) { return k->of->size - (k->host ? 0 : MIN(sk_shm_page(), k->of->size)); }      /* here the first page is there anyway */

static tcp_copy *copy_of(const tcp_place *p, int host)
{
    tcp_copy *k = p ? p->copies : NULL;
    while (k && k->host != host)
        k = k->next;
    return k;
}

static tcp_copy *copy_at(pn_host *h, const sk_blob *blob)
{
    tcp *c = tcp_of(h->node);
    return copy_of(sk_idmap_find(&c->places, tcp_place_of(c, blob)), h->number);
}

static void into_order(tcp *c, tcp_copy *k)
{
    tcp_copies *all = &c->copies[k->host];
    k->before = all->newest;
    k->after = NULL;
    *(all->newest ? &all->newest->after : &all->oldest) = k;
    all->newest = k;
    atomic_fetch_add_explicit(&all->idle, size_at(k), relaxed);
}

static void out_of_order(tcp *c, tcp_copy *k)
{
    tcp_copies *all = &c->copies[k->host];
    *(k->before ? &k->before->after : &all->oldest) = k->after;
    *(k->after ? &k->after->before : &all->newest) = k->before;
    atomic_fetch_sub_explicit(&all->idle, size_at(k), relaxed);
}

void tcp_add_copy(tcp *c, tcp_place *p, int host)
{
    tcp_copy *k = g_new0(tcp_copy, 1);
    *k = (tcp_copy){ .of = p, .host = host, .serial = ++c->copies_made, .next = p->copies };
    p->copies = k;
    into_order(c, k);
}

void tcp_remove_copy(tcp *c, tcp_place *p, int host)
{
    tcp_copy *k = copy_of(p, host);
    if (!k)
        return;
    if (!k->pins)
        out_of_order(c, k);
    tcp_copy **at = &p->copies;
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    g_free(k);
}

void tcp_forget_place(tcp *c, tcp_place *p)
{
    while (p->names)
        tcp_forget_name(c, p->names->key);
    while (p->copies)
        tcp_remove_copy(c, p, p->copies->host);
    sk_idmap_remove(&c->places, p->place);
    g_free(p);
}

/* ---- pins ---- */

size_t tcp_idle_copies(pn_host *h) { return atomic_load_explicit(&tcp_of(h->node)->copies[h->number].idle, relaxed); }

size_t tcp_copy_takes(pn_host *h, const sk_blob *blob)
{
    const tcp_copy *k = copy_at(h, blob);
    return k && !k->pins ? size_at(k) : 0;
}

uint64_t tcp_copy_serial(pn_host *h, const sk_blob *blob)
{
    const tcp_copy *k = copy_at(h, blob);
    return k ? k->serial : 0;
}

static void pin(tcp *c, tcp_copy *k)
{
    if (!k->pins++)
        out_of_order(c, k);
}

bool tcp_pin_copy(pn_host *h, const sk_blob *blob, bool for_good)
{
    tcp *c = tcp_of(h->node);
    tcp_copy *k = copy_at(h, blob);
    errno = ESTALE;
    if (!k)
        return false;
    pthread_mutex_lock(&c->pn.store_lock);
    bool fits = tcp_copy_takes(h, blob) <= sk_shm_available(h->store, tcp_idle_copies(h));
    pthread_mutex_unlock(&c->pn.store_lock);
    errno = EDQUOT;
    if (!fits)
        return false;
    if (!for_good || !k->for_good)
        pin(c, k);
    k->for_good |= for_good;
    return true;
}

void tcp_unpin_copy(pn_host *h, const sk_blob *blob, uint64_t serial)
{
    tcp_copy *k = copy_at(h, blob);
    if (k && k->serial == serial && !--k->pins)
        into_order(tcp_of(h->node), k);
}

/* ---- bytes that are sent ----
 *
 * What anyone has spilled is sent from the file (tcp_fetch.c). */

pn_pin tcp_hold(tcp *c, int host, const sk_blob *blob)
{
    pn_host *h = &c->pn.hosts[host];
    pn_pin held = { blob, 0, h };
    bool is_copy = tcp_maker_of(c, tcp_place_of(c, blob)) != host;
    pthread_mutex_lock(&c->pn.store_lock);
    if (!is_copy && host && !sk_shm_away(h->store, blob) && sk_shm_pin(h->store, blob, NULL))
        held.serial = sk_shm_serial(h->store, blob);
    pthread_mutex_unlock(&c->pn.store_lock);
    tcp_copy *k = is_copy ? copy_at(h, blob) : NULL;
    if (k) {
        pin(c, k);
        held.serial = k->serial;
    }
    return held;
}

void tcp_let_go(tcp *c, pn_pin *held)
{
    if (!held->serial)
        return;
    if (tcp_maker_of(c, tcp_place_of(c, held->blob)) != held->host->number) {
        tcp_unpin_copy(held->host, held->blob, held->serial);
    } else {
        pthread_mutex_lock(&c->pn.store_lock);
        sk_shm_unpin(held->host->store, held->blob, held->serial);
        pthread_mutex_unlock(&c->pn.store_lock);
    }
    held->serial = 0;
    pn_room_may_be(&c->pn);
}

/* ---- room ---- */

static bool is_needed(tcp *c, const tcp_copy *k)
{
    if (!(k->of->hosts & ~tcp_bit(k->host)))
        return true;                           /* the last one */
    for (const tcp_name *name = k->of->names; name; name = name->next) {
        if (sk_cluster_is_pinned(c->pn.cluster, name->key, k->host))
            return true;
        for (const run *r = c->pulls ? c->pn.first_run : NULL; r; r = r->after)
            if (r->pulls == name->key && r->host->number == k->host)
                return true;                   /* it has waited for it, and will have a look */
    }
    return false;
}

static void drop(tcp *c, tcp_copy *k)
{
    tcp_place *p = k->of;
    int host = k->host;
    size_t page = sk_shm_page();
    p->hosts &= ~tcp_bit(host);
    pthread_mutex_lock(&c->pn.store_lock);
    if (host)
        sk_shm_drop(c->pn.hosts[host].store, p->place, p->size);
    else if (p->size > page)
        sk_shm_drop(c->pn.store, p->place + page, p->size - page);
    pthread_mutex_unlock(&c->pn.store_lock);
    tcp_remove_copy(c, p, host);
    for (const tcp_name *name = p->names; name; name = name->next) {
        sk_cluster_copy_gone(c->pn.cluster, name->key, host);
        tcp_wake_pulls(c, name->key);
    }
}

bool tcp_drop_copy(pn_host *h)
{
    tcp *c = tcp_of(h->node);
    for (tcp_copy *k = c->copies[h->number].oldest; k; k = k->after)
        if (!is_needed(c, k)) {
            drop(c, k);
            return true;
        }
    return false;
}
