/* object.c -- see object.h. */
#include "object.h"

#include "lineage.h"
#include "session.h"
#include "task.h"
#include "wait.h"

sk_pool sk_object_pool;
bool sk_has_cluster, sk_has_lineage;

/* Before the change: what it lets others do is stamped later. */
void sk_object_trace(sk_lane *lane, sk_object *o, sk_object_state from, sk_object_state to)
{
    bool ready = to == SK_OBJECT_READY, born = from == SK_OBJECT_NONE;
    uint64_t site = born ? (uint64_t)sk_trace_site(lane->trace, o->site) << 32 : 0;
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_OBJECT, from << 4 | to, 1 + 2 * ready + 2 * born);
    *w++ = sk_object_id(o);
    if (ready) {
        *w++ = o->value.type << 56 | sk_value_bytes(&o->value);
        *w++ = sk_type_has_blob(o->value.type) ? 0 : o->value.u64;
    }
    if (born)
        w[0] = site, w[1] = o->maker;
    sk_trace_done(lane->trace);
}

void sk_object_is_wrong(sk_object *o, sk_object_state from, sk_object_state to)
{
    sk_die(o->site, NULL, 1, "skate is wrong: object %llx moves from %d to %d, but is %d",
           (unsigned long long)sk_object_id(o), from, to, atomic_load_explicit(&o->state, relaxed));
}

void sk_object_lose(sk_lane *lane, sk_object *o, sk_object_state from, sk_object_state to) { sk_object_move(lane, o, from, to); }

void sk_object_moved(sk_lane *lane, uint64_t object, int from, int to, uint64_t bytes, int64_t ns)
{
    SK_COUNT_UP(lane->transfers);
    SK_COUNT_ON(lane->bytes_moved, bytes);
    if (!sk_trace_on)
        return;
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_TRANSFER, 0, 4);
    w[0] = object;
    w[1] = bytes;
    w[2] = (uint64_t)(uint32_t)from << 32 | (uint32_t)to;
    w[3] = (uint64_t)ns;
    sk_trace_done(lane->trace);
}

void sk_object_spilled(sk_lane *lane, uint64_t object, int node, uint64_t bytes, bool back)
{
    if (!sk_trace_on)
        return;
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_SPILL, back, 3);
    w[0] = object;
    w[1] = bytes;
    w[2] = (uint64_t)(uint32_t)node << 32;
    sk_trace_done(lane->trace);
}

void sk_object_tell_backend(sk_object *o)
{
    if (sk_value_has_bytes(&o->value))
        sk_session.backend->ops->sealed((sk_backend *)sk_session.backend, sk_object_id(o), sk_value_bytes(&o->value), o->producer != 0);
}

SK_COLD static void tell_freed(sk_object *o)
{
    if (atomic_load_explicit(&o->state, relaxed) == SK_OBJECT_READY && sk_value_has_bytes(&o->value) && !sk_session.ending)
        sk_session.backend->ops->freed((sk_backend *)sk_session.backend, sk_object_id(o));
}

/* A put object: born READY. Value taken over. */
sk_object *sk_object_new_ready(sk_lane *lane, sk_value value, uint64_t maker, sk_site *site)
{
    sk_object *o = sk_object_new(lane, 0, maker, site);
    atomic_store_explicit(&o->state, SK_OBJECT_NONE, relaxed);
    o->value = value;
    atomic_store_explicit(&o->waiters, SK_CLOSED, relaxed);
    sk_object_move(lane, o, SK_OBJECT_NONE, SK_OBJECT_READY);
    if (unlikely(sk_has_cluster))
        sk_object_tell_backend(o);
    return o;
}

sk_object *sk_object_new_promise(sk_lane *lane, uint64_t maker, sk_site *site)
{
    sk_object *o = sk_object_new(lane, 0, maker, site);
    atomic_store_explicit(&o->flags, SK_MADE | SK_PROMISED, release);
    atomic_store_explicit(&o->state, SK_OBJECT_NONE, relaxed);
    sk_object_move(lane, o, SK_OBJECT_NONE, SK_OBJECT_PENDING);
    return o;
}

sk_object *sk_object_find(sk_ref ref, const char **why)
{
    uint32_t number = (uint32_t)ref.id, generation = sk_ref_generation(ref.id);
    sk_object *o = ref.id ? sk_object_at(number) : NULL;
    if (likely(o && (number & (SK_CHUNK_RECORDS - 1)))) {
        uint32_t now = atomic_load_explicit(&o->generation, relaxed);
        if (likely(now == generation && atomic_load_explicit(&o->counts, relaxed) >> 32))
            return o;
        if (generation && generation <= now) {
            *why = "the ref was used after sk_drop (or after the task or sk_scope that made it ended); keep one with sk_dup";
            return NULL;
        }
    }
    *why = ref.id ? "the ref was never made by sk_put or sk_remote" : "the ref is empty: it was never made by sk_put or sk_remote";
    return NULL;
}

sk_object *sk_object_need_slowly(sk_ref ref, const char *call, const sk_site *site)
{
    const char *why;
    sk_object *o = sk_object_find(ref, &why);
    if (unlikely(!o))
        sk_misuse(site, "%s: %s", call, why);
    return o;
}

/* ---- who waits ---- */

bool sk_object_add_waiter(sk_object *o, uint64_t tagged_link, uint64_t *next_of_link)
{
    bool is_arg = (tagged_link & SK_LINK_TAG) != SK_LINK_WAIT;
    uint64_t head = atomic_load_explicit(&o->waiters, acquire);
    for (;;) {
        if (head & SK_CLOSED)
            return false;
        if (unlikely(head & SK_LOCKED)) {
            sk_pause();
            head = atomic_load_explicit(&o->waiters, acquire);
            continue;
        }
        if (is_arg)
            atomic_store_explicit((_Atomic uint64_t *)next_of_link, head << 8 | SK_T_PENDING, relaxed);
        else
            *next_of_link = head;
        if (atomic_compare_exchange_weak_explicit(&o->waiters, &head, tagged_link, release, acquire))
            return true;                          /* release: pairs with the exchange in sk_object_seal */
    }
}

static uint64_t next_of(uint64_t tagged)
{
    if ((tagged & SK_LINK_TAG) == SK_LINK_WAIT)
        return ((sk_link *)(tagged & ~(uint64_t)SK_LINK_TAG))->next;
    return atomic_load_explicit(&((sk_slot *)(tagged & ~(uint64_t)SK_LINK_TAG))->pending.next, relaxed) >> 8;
}

static void set_next(uint64_t tagged, uint64_t next)
{
    if ((tagged & SK_LINK_TAG) == SK_LINK_WAIT)
        ((sk_link *)(tagged & ~(uint64_t)SK_LINK_TAG))->next = next;
    else
        atomic_store_explicit(&((sk_slot *)(tagged & ~(uint64_t)SK_LINK_TAG))->pending.next, next << 8 | SK_T_PENDING, relaxed);
}

bool sk_object_remove_waiter(sk_object *o, sk_link *link)
{
    uint64_t mine = (uint64_t)(uintptr_t)link | SK_LINK_WAIT, head = atomic_load_explicit(&o->waiters, relaxed);
    for (;;) {                                    /* lock the list */
        if (head & SK_CLOSED)
            return false;
        if (head & SK_LOCKED) {
            sk_pause();
            head = atomic_load_explicit(&o->waiters, relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&o->waiters, &head, head | SK_LOCKED, acquire, relaxed)) {
            break;
        }
    }
    if (head == mine) {
        head = link->next;
    } else {
        uint64_t at = head;
        while (next_of(at) != mine)
            at = next_of(at);
        set_next(at, link->next);
    }
    atomic_store_explicit(&o->waiters, head, release);     /* and unlock */
    return true;
}

void sk_object_tell_waiters(sk_lane *lane, sk_object *o)
{
    bool failed = atomic_load_explicit(&o->state, relaxed) ==
                  SK_OBJECT_FAILED; /* before it is closed: then it may be gone */
    uint64_t head = atomic_load_explicit(&o->waiters, relaxed);
    for (;;) {
        if (unlikely(head & SK_LOCKED)) {
            sk_pause();
            head = atomic_load_explicit(&o->waiters, relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&o->waiters, &head, SK_CLOSED, acq_rel, relaxed)) {
            break;                                /* acquire: the links; release: pairs with sk_object_is_sealed */
        }
    }
    if (unlikely(head == SK_ABANDONED)) {
        sk_object_free(lane, o);
        return;
    }
    while (head) {
        uint64_t next = next_of(head);            /* before telling: the link may be gone after */
        if ((head & SK_LINK_TAG) == SK_LINK_WAIT) {
            sk_wait_fire((sk_link *)(head & ~(uint64_t)SK_LINK_TAG), failed);
        } else {
            sk_task *t = sk_slot_task(head);
            if (atomic_fetch_sub_explicit(&t->missing, 1, acq_rel) == 1)
                sk_task_all_there(lane, t);
        }
        head = next;
    }
}

/* ---- the end ---- */

/* The last count is gone before the task has ended that makes it. (A promise has no such task.) */
void sk_object_abandon(sk_lane *lane, sk_object *o)
{
    uint64_t open = 0;
    if (!o->producer || !atomic_compare_exchange_strong_explicit(&o->waiters, &open, SK_ABANDONED, acq_rel, acquire))
        sk_object_free(lane, o);                  /* it is sealed by now */
}

/* With the last handle of a promise goes the last who could fulfil it: then what waits for it fails. */
void sk_object_drop_promise(sk_lane *lane, sk_object *o)
{
    sk_object_ref(o, SK_HOLD);                    /* ours, so that o stays while we look */
    uint64_t left = atomic_fetch_sub_explicit(&o->counts, SK_HANDLE, acq_rel) - SK_HANDLE;
    if (left >> 32 == 0 && left > SK_HOLD && sk_object_state_of(o) == SK_OBJECT_PENDING)
        sk_object_seal(lane, o, (sk_value){ 0 }, sk_failure_new(SK_OBJECT_LOST, o->site, NULL, "a promise was dropped before it was fulfilled"));
    sk_object_unref(lane, o, SK_HOLD);
}

/* Its record is free. */
static inline void forget(sk_lane *lane, sk_object *o, sk_object_state state)
{
    sk_object_move(lane, o, state, SK_OBJECT_FREED);
    uint32_t next = (atomic_load_explicit(&o->generation, relaxed) + 1) & INT32_MAX;
    atomic_store_explicit(&o->generation, next ? next : 1, relaxed);
    SK_COUNT_UP(lane->freed);
    sk_pool_give(&sk_object_pool, &lane->objects, o);
}

static void free_one(sk_lane *lane, sk_object *o)
{
    if (unlikely(sk_has_cluster))
        tell_freed(o);
    if (unlikely(sk_has_lineage))
        sk_lineage_object_goes(lane, o);
    sk_object_state state = (sk_object_state)atomic_load_explicit(&o->state, relaxed);
    if (state == SK_OBJECT_FAILED)
        sk_failure_unref(sk_object_failure(o));
    else if (state == SK_OBJECT_READY && o->value.type == SK_T_REF)
        sk_session_release_contained(o->value.ref);
    else if (state == SK_OBJECT_READY)
        sk_value_clear(&o->value);
    else if (state != SK_OBJECT_MISSING)          /* a promise nobody can fulfil or wait for */
        sk_object_move(lane, o, SK_OBJECT_PENDING, SK_OBJECT_FAILED), state = SK_OBJECT_FAILED;
    forget(lane, o, state);
}

/* No counts left. What it contains may be freed with it; a loop, so that lists of lists of ... do not eat the stack. */
__attribute__((noinline)) static void free_slowly(sk_lane *lane, sk_object *o)
{
    bool contains = sk_type_has_blob(o->value.type) || o->value.type == SK_T_REF;
    if (!contains) {
        free_one(lane, o);
    } else if (lane->freeing) {                   /* later, by the loop below: counts are 0, so waiters is ours */
        atomic_store_explicit(&o->waiters, (uint64_t)(uintptr_t)lane->dying, relaxed);
        lane->dying = o;
    } else {
        lane->freeing = true;
        free_one(lane, o);
        while (lane->dying) {
            sk_object *next = lane->dying;
            lane->dying = (void *)(uintptr_t)atomic_load_explicit(&next->waiters, relaxed);
            free_one(lane, next);
        }
        lane->freeing = false;
    }
}

void sk_object_free(sk_lane *lane, sk_object *o)
{
    if (likely(o->value.type < SK_T_STR &&
               atomic_load_explicit(&o->state, relaxed) == SK_OBJECT_READY && !sk_has_lineage))
        forget(lane, o, SK_OBJECT_READY); /* a number: nobody else has a part in it */
    else
        free_slowly(lane, o);
}
