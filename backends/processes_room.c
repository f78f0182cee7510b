/* processes_room.c -- room in the store of a node of processes: what is spilled for it, who waits for it, and who keeps bytes where they are.
 *
 * Whoever needs room gets it in this order: from what nobody reads just now, which goes to the spill file (shm.h), the one that has been idle for the
 * longest time first; then by waiting, as long as something that runs may still give some back; and when nothing can, it is SK_STORE_FULL, with
 * need and have. What is read is pinned: the arguments of an attempt (sent ahead: already before it begins, in a store that is half empty) and what its
 * body has got, until the attempt ends; what the program has got, until it is freed, for a view of it may be looked at any time.
 *
 * An attempt that waits for room (it is `hungry`) keeps its cpu: others that run are what it waits for, and to start more would
 * only make more of them hungry. Only when all stands still it lends its cpu, to what is ready and may use something up. If that does not help
 * either, the youngest gives up: it has done the least, and what it holds may be enough for the others. A thread of the program that puts
 * something turns the loop meanwhile, and gives up last. While the program computes, sleeps or waits with a time limit nobody gives up:
 * it may drop something afterwards.
 *
 * Values below 32 KB that arrive from workers do not wait: they are taken out of the ring in the middle of other work. */
#include "processes.h"

#include "object.h"
#include "session.h"
#include "task.h"

#include <errno.h>

enum { MOST_LENT = 8 };

static bool in_loop(const pnode *n) { return sk_lane_self == n->lane; }

/* ---- who waits ---- */

void pn_room_may_be(pnode *n)
{
    atomic_fetch_add_explicit(&n->room_changes, 1, seq_cst);
    if (atomic_load_explicit(&n->hungry, seq_cst) || atomic_load_explicit(&n->starving, seq_cst))
        sk_bell_ring_anyway(n->bell);
}

bool pn_is_food(const pnode *n)
{
    return atomic_load_explicit(&n->hungry, relaxed) && atomic_load_explicit(&n->room_changes, seq_cst) != n->room_seen;
}

bool pn_feed(pnode *n)
{
    if (!pn_is_food(n))
        return false;
    n->room_seen = atomic_load_explicit(&n->room_changes, seq_cst);
    for (run *r = n->first_run; r; r = r->after)
        if (r->hungry) {
            r->fed = true;
            pn_wake_run(n, r);
        }
    return true;
}

void pn_wake_hungry(pnode *n)
{
    for (run *r = n->first_run; r && atomic_load_explicit(&n->hungry, relaxed); r = r->after)
        if (r->hungry)
            pn_wake_run(n, r);
}

bool pn_end_hunger(pnode *n)
{
    unsigned hungry = atomic_load_explicit(&n->hungry, relaxed), lent = 0;
    for (run *r = n->first_run; r && hungry; r = r->after)
        lent += r->hungry && r->lent;
    for (run *r = n->first_run; r && hungry && lent < MOST_LENT && n->blocked + hungry + 1 < n->most; r = r->after)
        if (r->hungry && !r->lent) {
            r->lent = true;
            sk_cluster_blocked(n->cluster, r->task, r->attempt);
            return true;
        }
    for (run *r = n->last_run; r && hungry; r = r->before)
        if (r->hungry) {
            r->refused = true;
            pn_wake_run(n, r);
            return true;
        }
    return false;
}

/* true: there may be room now. */
static bool wait_in_task(pnode *n, run *r, int64_t deadline)
{
    r->due = r->fed = r->refused = r->lent = false;
    pn_recall(n, r->worker);
    r->hungry = true;
    atomic_fetch_add_explicit(&n->hungry, 1, seq_cst);
    if (deadline != SK_NEVER)
        sk_events_set(&n->events, r->handle, deadline, PN_EVENT_RUN, (uint64_t)(uintptr_t)r);
    while (!r->fed && !r->refused && !r->due && !r->died && !r->moves && pn_is_wanted(r))
        pn_leave_fiber(r);
    sk_events_cancel(&n->events, r->handle);
    atomic_fetch_sub_explicit(&n->hungry, 1, seq_cst);
    r->hungry = false;
    if (r->lent && !r->died)
        sk_cluster_unblocked(n->cluster, r->task, r->attempt);
    return r->fed && !r->refused && !r->died && !r->moves;
}

static bool wait_in_program(pnode *n, uint64_t seen, int64_t deadline)
{
    bool may_be = false;
    pn_enter(n);
    atomic_fetch_add_explicit(&n->starving, 1, seq_cst);     /* nothing with arguments here is sent ahead from now on */
    pn_recall_all(n);
    while (!(may_be = atomic_load_explicit(&n->room_changes, seq_cst) != seen) && (deadline == SK_NEVER || pn_now() < deadline)
           && pn_go_on(n, deadline))
        ;
    atomic_fetch_sub_explicit(&n->starving, 1, seq_cst);
    pn_leave(n);
    return may_be;
}

/* ---- room ---- */

static bool spill_one(pnode *n)
{
    pthread_mutex_lock(&n->store_lock);
    size_t size = sk_shm_spill(n->store);
    pthread_mutex_unlock(&n->store_lock);
    sk_store_discharge(size);
    return size > 0;
}

static bool say_full(pnode *n, size_t asked, sk_error *err)
{
    char more[700];
    pthread_mutex_lock(&n->store_lock);
    uint64_t idle = sk_shm_idle(n->store), left = sk_shm_left(n->store), used = sk_shm_live(n->store) - idle - left;
    uint64_t spilled = sk_shm_spilled(n->store);
    const char *to = sk_shm_spills_to(n->store);
    int length = snprintf(more, sizeof more, "%llu bytes are in use by tasks that run or seen by the program, ", (unsigned long long)used);
    if (to)
        snprintf(more + length, sizeof more - (size_t)length, "%llu are spilled to %.400s and leave %llu here; ", (unsigned long long)spilled, to,
                 (unsigned long long)left);
    else
        snprintf(more + length, sizeof more - (size_t)length, "%llu are held by refs, and nothing can be spilled (--sk-spill-dir); ",
                 (unsigned long long)idle);
    pthread_mutex_unlock(&n->store_lock);
    return sk_store_say_full(asked, more, err);
}

bool pn_make_room(pnode *n, const pn_need *need, int64_t deadline, sk_error *err)
{
    if (!need->only_wait && spill_one(n))
        return true;
    if (in_loop(n) && pn_recall_all(n))          /* they keep what they will need, and have not begun */
        return true;
    uint64_t seen = atomic_load_explicit(&n->room_changes, seq_cst);
    pthread_mutex_lock(&n->store_lock);
    bool fits = sk_store_has_room(need->charge) && sk_shm_room(n->store) >= need->pages;
    pthread_mutex_unlock(&n->store_lock);
    if (fits && !need->no_memory)
        return true;
    bool may_wait = !need->no_memory && (in_loop(n) ? n->current != NULL : true) && (deadline == SK_NEVER || pn_now() < deadline);
    if (may_wait && (in_loop(n) ? wait_in_task(n, n->current, deadline) : wait_in_program(n, seen, deadline)))
        return true;
    return need->no_memory ? sk_error_set(err, SK_STORE_FULL, "the object store has no memory for %zu bytes: the system has none left",
                                          need->asked)
                           : say_full(n, need->asked, err);
}

/* For charges of what is not in the shared store: they do not wait in the loop. */
static bool make_room_for_charge(size_t size, size_t asked, sk_error *err)
{
    pnode *n = (pnode *)sk_session.backend;
    return pn_make_room(n, &(pn_need){ .charge = size, .asked = asked }, in_loop(n) ? -1 : SK_NEVER, err);
}

void pn_room_open(void)  { sk_store_make_room = make_room_for_charge; }
void pn_room_close(void) { sk_store_make_room = NULL; }

/* ---- what is read ---- */

/* Its bytes are here, and stay. false: errno. */
static bool try_to_pin(pnode *n, const sk_blob *blob, bool for_good, sk_error *err)
{
    pthread_mutex_lock(&n->store_lock);
    size_t away = sk_shm_away(n->store, blob);
    bool charged = away && sk_store_try_charge(away), pinned = false;
    errno = EDQUOT;
    if (charged || !away)
        pinned = for_good ? sk_shm_pin_for_good(n->store, blob, err) : sk_shm_pin(n->store, blob, err);
    int why = errno;
    pthread_mutex_unlock(&n->store_lock);
    if (charged && !pinned)
        sk_store_discharge(away);
    errno = why;
    return pinned;
}

static void unpin_last(pnode *n, run *r)
{
    pn_pin pin = r->pins[--r->npins];
    pthread_mutex_lock(&n->store_lock);
    sk_shm_unpin(n->store, pin.blob, pin.serial);
    pthread_mutex_unlock(&n->store_lock);
}

static size_t away_of(pnode *n, const sk_blob *blob)
{
    pthread_mutex_lock(&n->store_lock);
    size_t away = sk_shm_away(n->store, blob);
    pthread_mutex_unlock(&n->store_lock);
    return away;
}

static bool make_room_to_pin(pnode *n, const sk_blob *blob, int why, bool only_wait, int64_t deadline, sk_error *err)
{
    size_t away = away_of(n, blob);
    pn_need need = { .charge = away, .pages = away, .asked = blob->size, .no_memory = why == ENOMEM, .only_wait = only_wait };
    return why != EIO && pn_make_room(n, &need, deadline, err);
}

static uint64_t serial_of(pnode *n, const sk_blob *blob)
{
    pthread_mutex_lock(&n->store_lock);
    uint64_t serial = sk_shm_serial(n->store, blob);
    pthread_mutex_unlock(&n->store_lock);
    return serial;
}

/* It has just been pinned. */
static void note_pin(pnode *n, run *r, const sk_blob *blob)
{
    if (r->npins == r->pin_room) {
        r->pin_room = r->pin_room ? 2 * r->pin_room : 8;
        r->pins = realloc(r->pins, r->pin_room * sizeof *r->pins);
        if (!r->pins)
            abort();
    }
    r->pins[r->npins++] = (pn_pin){ blob, serial_of(n, blob) };
}

static sk_blob *blob_in_store(const sk_value *v)
{
    return sk_type_has_blob(v->type) && v->blob && sk_blob_is_shared(v->blob) ? v->blob : NULL;
}

/* What pinning them takes of what can be had, and is it too much? No bytes are moved to find out. */
static size_t arguments_take(pnode *n, const sk_value *in, unsigned nargs, bool *too_much)
{
    size_t takes = 0;
    pthread_mutex_lock(&n->store_lock);
    for (unsigned i = 0; i < nargs; i++) {
        sk_blob *blob = blob_in_store(&in[i]);
        for (unsigned k = 0; k < i && blob; k++)               /* the same once more takes nothing */
            if (blob_in_store(&in[k]) == blob)
                blob = NULL;
        takes += blob ? sk_shm_takes(n->store, blob) : 0;
    }
    *too_much = takes > sk_shm_available(n->store);
    pthread_mutex_unlock(&n->store_lock);
    return takes;
}

/* All of them or none: two attempts that each waited with half of what they need would wait for each other. */
bool pn_pin_arguments(pnode *n, run *r, const sk_value *in, unsigned nargs, sk_error *err)
{
    size_t before = r->npins, takes;
    bool too_much;
    while (takes = arguments_take(n, in, nargs, &too_much), too_much)
        if (!pn_make_room(n, &(pn_need){ .pages = takes, .asked = takes, .only_wait = true }, SK_NEVER, err))
            return false;
    for (unsigned i = 0; i < nargs; i++) {
        sk_blob *blob = blob_in_store(&in[i]);
        if (!blob)
            continue;
        if (try_to_pin(n, blob, false, err)) {
            note_pin(n, r, blob);
            continue;
        }
        int why = errno;
        bool spilled = why != EIO && spill_one(n);             /* none of those that are pinned by now */
        if (!spilled) {
            while (r->npins > before)
                unpin_last(n, r);                              /* and nobody is told, for nobody has missed it */
            if (!make_room_to_pin(n, blob, why, true, SK_NEVER, err))
                return false;
        }
        i = spilled ? i - 1 : UINT_MAX;                        /* this one again, or all */
    }
    return true;
}

void pn_pin_own(pnode *n, run *r, const sk_blob *blob)
{
    if (try_to_pin(n, blob, false, NULL))
        note_pin(n, r, blob);
}

void pn_unpin_all(pnode *n, run *r)
{
    if (!r->npins)
        return;
    while (r->npins)
        unpin_last(n, r);
    pn_room_may_be(n);
}

static bool keep_here(pnode *n, pn_kept *kept, sk_blob *blob)
{
    if (away_of(n, blob) || !try_to_pin(n, blob, false, NULL))
        return false;
    kept->pins[kept->npins++] = (pn_pin){ sk_blob_ref(blob), serial_of(n, blob) };
    return true;
}

/* Else what is kept for tasks that have not begun would be missed. */
static bool is_half_empty(pnode *n)
{
    pthread_mutex_lock(&n->store_lock);
    bool is = sk_shm_live(n->store) <= n->base.settings->store_bytes / 2;
    pthread_mutex_unlock(&n->store_lock);
    return is;
}

bool pn_keep(pnode *n, pn_kept *kept, const sk_value *in, unsigned nargs)
{
    bool is_wanted = atomic_load_explicit(&n->hungry, relaxed) || atomic_load_explicit(&n->starving, relaxed);
    for (unsigned i = 0; i < nargs; i++) {
        sk_blob *blob = blob_in_store(&in[i]);
        if (blob && (is_wanted || !is_half_empty(n) || !keep_here(n, kept, blob))) {
            pn_let_go(n, kept);
            return false;
        }
    }
    return true;
}

void pn_let_go(pnode *n, pn_kept *kept)
{
    if (!kept || (!kept->npins && !kept->block.size))
        return;
    if (kept->block.size)
        pn_free_foreseen(n, &kept->block);
    for (unsigned i = 0; i < kept->npins; i++) {
        pthread_mutex_lock(&n->store_lock);
        sk_shm_unpin(n->store, kept->pins[i].blob, kept->pins[i].serial);
        pthread_mutex_unlock(&n->store_lock);
        sk_blob_unref((sk_blob *)kept->pins[i].blob);
    }
    *kept = (pn_kept){ 0 };
    pn_room_may_be(n);
}

/* It gets the same thing again and again, perhaps: most often one of the last. */
static bool is_pinned_by(pnode *n, const run *r, const sk_blob *blob)
{
    size_t looked = 0;
    for (size_t i = r->npins; i-- > 0 && looked++ < 64; )
        if (r->pins[i].blob == blob && r->pins[i].serial == serial_of(n, blob))
            return true;
    return false;
}

/* The calling task, or the program, gets this object. */
bool pn_pull(sk_backend *self, uint64_t object, int64_t deadline)
{
    pnode *n = pn_of(self);
    sk_blob *blob = blob_in_store(&((sk_object *)sk_pool_at(&sk_object_pool, (uint32_t)object))->value);
    if (!blob || deadline < 0)                   /* who only waits for it may never get it */
        return true;
    pn_enter(n);
    sk_lane *lane = sk_lane_self;                /* the same whoever turns the loop */
    run *r = in_loop(n) ? n->current : NULL;
    bool pinned = r && is_pinned_by(n, r, blob);
    sk_error err = { 0 };
    if (!pinned) {
        sk_blob_ref(blob);
        while (!(pinned = try_to_pin(n, blob, !r, &err)) && make_room_to_pin(n, blob, errno, false, deadline, &err))
            ;
        if (pinned && r)
            note_pin(n, r, blob);
        sk_blob_unref(blob);
    }
    if (!pinned)
        lane->boxing_error = err;
    pn_leave(n);
    return pinned;
}

/* ---- what is not ---- */

static void keep(pnode *n, const sk_value *v)
{
    sk_blob *blob = blob_in_store(v);
    if (!blob || v->type == SK_T_LIST || !blob->sealed)        /* who frees a list reads it */
        return;
    pthread_mutex_lock(&n->store_lock);
    sk_shm_keep(n->store, blob);
    pthread_mutex_unlock(&n->store_lock);
    pn_room_may_be(n);
}

void pn_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made)
{
    (void)bytes, (void)made;
    keep(pn_of(self), &((sk_object *)sk_pool_at(&sk_object_pool, (uint32_t)object))->value);
}

void pn_keep_arguments(pnode *n, sk_task *t)
{
    for (unsigned i = 0; i < t->nargs; i++)
        if (!sk_slot_is_pending(&t->args[i]))
            keep(n, &t->args[i].value);
}
