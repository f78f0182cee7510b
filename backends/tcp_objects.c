/* tcp_objects.c -- where the bytes of objects are, who waits for them, and what the graph says of them. See tcp.c.
 *
 * A place names the same bytes on every node (node_wire.h), so what is known of them is which nodes have them. Of those that another node has made,
 * here is the first page, with the blob's header; the graph needs no more.
 *
 * The scheduler knows an object by its id. Bytes that are an argument by themselves have one, too, where there are several nodes (graph.c puts them first);
 * where there is one it need not know them. */
#include "tcp.h"

#include "object.h"
#include "session.h"
#include "task.h"

#include <assert.h>

/* ---- places ---- */

static sk_blob *placed(const sk_value *v)
{
    return sk_type_has_blob(v->type) && v->type != SK_T_LIST && v->blob && sk_blob_is_shared(v->blob) ? v->blob : NULL;
}

static tcp_place *know(tcp *c, const sk_blob *blob)
{
    uint64_t at = tcp_place_of(c, blob);
    tcp_place *p = sk_idmap_find(&c->places, at);
    if (p)
        return p;
    p = g_new0(tcp_place, 1);
    int maker = tcp_maker_of(c, at);
    *p = (tcp_place){ .place = at, .size = tcp_size_of(blob), .hosts = !maker || tcp_link_of(&c->pn, maker) ? tcp_bit(maker) : 0 };
    sk_idmap_add(&c->places, p);
    return p;
}

/* The scheduler hears of all copies. */
static void tell(tcp *c, tcp_place *p, uint64_t key, bool rebuildable)
{
    tcp_name_place(c, p, key);
    for (unsigned h = 0; h < c->pn.nhosts; h++)
        if (p->hosts & tcp_bit((int)h))
            sk_cluster_object(c->pn.cluster, key, (int64_t)p->size, (int)h, rebuildable);
}

/* NULL: freed. (Inlined, gcc 12 takes that NULL for an address.) */
__attribute__((noinline)) static sk_object *object_at(uint64_t id)
{
    sk_object *o = sk_object_at((uint32_t)id);
    return atomic_load_explicit(&o->generation, relaxed) == (uint32_t)(id >> 32) ? o : NULL;
}

sk_blob *tcp_blob_of_key(uint64_t key)
{
    sk_object *o = object_at(key);
    return o && sk_object_state_of(o) == SK_OBJECT_READY ? placed(&o->value) : NULL;
}

/* ---- who waits for bytes ---- */

void tcp_wake_pulls(tcp *c, uint64_t key)
{
    if (!c->pulls)
        return;
    for (run *r = c->pn.first_run; r; r = r->after)
        if (r->pulls == key)
            pn_wake_run(&c->pn, r);
}

/* ---- what the graph says ---- */

void tcp_made(pnode *n, sk_blob *blob)
{
    tcp *c = tcp_of(n);
    tcp_place *p = know(c, blob);
    tcp_link *l = tcp_link_of(n, tcp_maker_of(c, p->place));
    sk_node_msg m = { .type = SK_NODE_HEADER, .place = p->place };
    memcpy(m.header, blob, sizeof m.header);
    if (l)
        tcp_say(c, l, &m);
}

void tcp_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made)
{
    pnode *n = pn_of(self);
    tcp *c = tcp_of(n);
    pn_enter(n);
    pn_sealed(self, object, bytes, made);
    sk_object *o = object_at(object);
    sk_blob *blob = o ? placed(&o->value) : NULL;
    if (blob) {
        tcp_place *p = know(c, blob);
        tell(c, p, object, made);
        tcp_wake_pulls(c, object);
    }
    pn_leave(n);
}

void tcp_object_freed(sk_backend *self, uint64_t object)
{
    pnode *n = pn_of(self);
    tcp *c = tcp_of(n);
    pn_freed(self, object);
    pn_enter(n);
    tcp_forget_name(c, object);
    sk_cluster_object_freed(n->cluster, object);
    tcp_wake_pulls(c, object);
    pn_leave(n);
}

/* The last reference to a block is gone: all copies go. Any thread, with the turn or without. */
void tcp_freed(pnode *n, sk_blob *blob, size_t size)
{
    tcp *c = tcp_of(n);
    pn_enter(n);
    uint64_t at = tcp_place_of(c, blob);
    int maker = tcp_maker_of(c, at);
    tcp_place *p = sk_idmap_find(&c->places, at);
    size_t page = sk_shm_page();
    pthread_mutex_lock(&n->store_lock);
    for (unsigned h = 0; p && h < n->nhosts; h++)
        if (p->hosts & tcp_bit((int)h) && (int)h != maker) {
            if (h)
                sk_shm_drop(n->hosts[h].store, at, p->size);
            else if (p->size > page)
                sk_shm_drop(n->store, at + page, p->size - page);
        }
    if (maker) {
        sk_shm_release(n->hosts[maker].store, blob);
        sk_shm_drop(n->store, at, page);
    }
    pthread_mutex_unlock(&n->store_lock);
    if (maker)
        sk_store_recharge(size);               /* the caller takes the whole charge back, and there was none */
    else
        pn_release(n, blob);
    if (p)
        tcp_forget_place(c, p);
    pn_leave(n);
}

size_t tcp_keys(pnode *n, sk_task *t, uint64_t *keys)
{
    size_t count = 0;
    for (unsigned i = 0; i < t->nargs; i++) {
        sk_slot *s = &t->args[i];
        bool is_object = sk_slot_is_pending(s);
        if (is_object && placed(&s->pending.object->value))
            keys[count++] = sk_object_id(s->pending.object);
        assert(is_object || !placed(&s->value) || n->nhosts == 1);
    }
    return count;
}

/* ---- pulls ---- */

static bool is_here(tcp *c, uint64_t object, int host)
{
    sk_blob *blob = tcp_blob_of_key(object);
    tcp_place *p = blob ? sk_idmap_find(&c->places, tcp_place_of(c, blob)) : NULL;
    return !p || p->hosts & tcp_bit(host);
}

/* It is there no more: lost, being made again, or freed. */
static bool is_over(uint64_t object)
{
    sk_object *o = object_at(object);
    sk_object_state state = o ? sk_object_state_of(o) : SK_OBJECT_FREED;
    return state == SK_OBJECT_FAILED || state == SK_OBJECT_FREED;
}

static bool is_being_made(uint64_t object)
{
    sk_object *o = object_at(object);
    return o && sk_object_state_of(o) != SK_OBJECT_READY && !is_over(object);
}

static bool has_come(tcp *c, uint64_t object, int host) { return is_over(object) || (!is_being_made(object) && is_here(c, object, host)); }

/* It may go again before we look: then once more. */
static bool has_come_or_comes(tcp *c, uint64_t object, int host)
{
    if (has_come(c, object, host))
        return true;
    if (!is_being_made(object))
        sk_cluster_wanted(c->pn.cluster, object, host);
    return false;
}

static void wait_in_task(tcp *c, run *r, uint64_t object, int64_t deadline)
{
    pnode *n = &c->pn;
    r->due = r->no_bytes = false;
    r->pulls = object;
    c->pulls++;
    n->pulling++;
    pn_recall(n, r->worker);
    bool lends = sk_cluster_copies(n->cluster, object, NULL, 0) == 0 && pn_lend_cpu(n, r);
    if (deadline != SK_NEVER)
        sk_events_set(&n->events, r->handle, deadline, PN_EVENT_RUN, (uint64_t)(uintptr_t)r);
    while (!has_come_or_comes(c, object, r->host->number) && !r->due && !r->died && !r->no_bytes) {
        if (!lends && is_being_made(object))   /* whoever makes it needs a cpu */
            lends = pn_lend_cpu(n, r);
        pn_leave_fiber(r);
    }
    sk_events_cancel(&n->events, r->handle);
    if (lends && !r->died)
        sk_cluster_unblocked(n->cluster, r->task, r->attempt);
    r->pulls = 0;
    c->pulls--;
    n->pulling--;
}

static void wait_in_program(tcp *c, uint64_t object, int64_t deadline)
{
    c->pulls++;
    while (!has_come_or_comes(c, object, 0) && (deadline == SK_NEVER || pn_now() < deadline) && pn_go_on(&c->pn, deadline))
        ;
    c->pulls--;
}

bool tcp_pull(sk_backend *self, uint64_t object, int64_t deadline)
{
    pnode *n = pn_of(self);
    tcp *c = tcp_of(n);
    pn_enter(n);
    run *r = sk_lane_self == n->lane ? n->current : NULL;
    int host = r ? r->host->number : 0;
    bool there = false, pinned = false;
    do {
        there = has_come(c, object, host);
        if (!there)
            sk_cluster_wanted(n->cluster, object, host);
        if (!there && deadline >= pn_now()) {
            if (r)
                wait_in_task(c, r, object, deadline);
            else
                wait_in_program(c, object, deadline);
            there = has_come(c, object, host);
        }
        pinned = there && (is_over(object) || pn_pull(self, object, deadline));
    } while (there && !pinned && !has_come(c, object, host));      /* dropped while we waited for room */
    pn_leave(n);
    return pinned;
}

bool tcp_end_pulls(tcp *c)
{
    bool any = false;
    for (run *r = c->pn.first_run; r && c->pulls; r = r->after)
        if (r->pulls) {
            r->no_bytes = true;
            pn_wake_run(&c->pn, r);
            any = true;
        }
    return any;
}

void tcp_clear_objects(tcp *c)
{
    tcp_clear_fetches(c);
    for (size_t i = 0; c->places.slots && i <= c->places.mask; i++) {
        tcp_place *p = (tcp_place *)c->places.slots[i];
        while (p && p->copies)
            tcp_remove_copy(c, p, p->copies->host);
    }
    sk_idmap_free(&c->names);
    sk_idmap_free(&c->places);
}
