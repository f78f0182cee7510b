/* processes_room.c -- room in the store of a node of processes: what is spilled for it, who waits for it, and who keeps bytes where they are.
 *
 * Whoever needs room gets it in this order: from what nobody reads just now, which goes to the spill file (shm.h), the one that has been idle for the
 * longest time first; then by waiting, as long as something that runs may still give some back; and when nothing can, it is SK_STORE_FULL, with
 * need and have. What is read is pinned: the arguments of an attempt (sent ahead: already before it begins, in a store that is half empty) and what its
 * body has got, until the attempt ends; what the program has got, until it is freed, for a view of it may be looked at any time.
 *
 * An attempt that waits for room (it is `hungry`) keeps its cpu: others that run are what it waits for, and to start more would
 * only make more of them hungry. With several nodes arguments come whether there is room or not, and all that wait may hold some of each other's: when all
 * stands still the oldest may exceed the store of its node for its arguments, if they would fit there alone. Only when all stands still it lends its cpu, to what is ready and may use something up. If that does not help
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

/* ---- who waits ---- */

void pn_room_may_be(pnode *n)
{
    atomic_fetch_add_explicit(&n->room_changes, 1, seq_cst);
    if (atomic_load_explicit(&n->hungry, seq_cst) || atomic_load_explicit(&n->starving, seq_cst))
        pn_ring_anyway(n);
}

bool pn_is_food(const pnode *n)
{
    return atomic_load_explicit(&n->hungry, relaxed) && atomic_load_explicit(&n->room_changes, seq_cst) != n->room_seen;
}

static void feed_all(pnode *n)
{
    n->room_seen = atomic_load_explicit(&n->room_changes, seq_cst);
    for (run *r = n->first_run; r; r = r->after)
        if (r->hungry) {
            r->fed = true;
            pn_wake_run(n, r);
        }
}

bool pn_feed(pnode *n)
{
    if (!pn_is_food(n))
        return false;
    feed_all(n);
    return true;
}

void pn_wake_hungry(pnode *n)
{
    for (run *r = n->first_run; r && atomic_load_explicit(&n->hungry, relaxed); r = r->after)
        if (r->hungry)
            pn_wake_run(n, r);
}

static void lend_room(run *r, size_t bytes)
{
    pthread_mutex_lock(&r->node->store_lock);
    sk_shm_lend(r->host->store, bytes);
    pthread_mutex_unlock(&r->node->store_lock);
    r->host->owes = bytes ? r : NULL;
}

bool pn_end_hunger(pnode *n)
{
    unsigned hungry = atomic_load_explicit(&n->hungry, relaxed), lent = 0;
    if (hungry && n->far && n->retried_at != n->room_seen + 1) {       /* what the scheduler does not need any more can go, and nobody has told them */
        n->retried_at = n->room_seen + 1;
        feed_all(n);
        return true;
    }
    for (run *r = n->first_run; r && hungry && n->nhosts > 1; r = r->after)
        if (r->hungry && r->bundle && !r->host->owes) {
            lend_room(r, r->bundle);
            r->fed = true;
            pn_wake_run(n, r);
            return true;
        }
    for (run *r = n->first_run; r && hungry; r = r->after)
        lent += r->hungry && r->lent;
    for (run *r = n->first_run; r && hungry && lent < MOST_LENT; r = r->after)
        if (r->hungry && !r->lent && r->host->blocked + hungry + 1 < r->host->most) {
            r->lent = true;
            pn_lend_cpu(n, r);
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

static bool spill_one(pn_host *h)
{
    pnode *n = h->node;
    pthread_mutex_lock(&n->store_lock);
    size_t size = sk_shm_spill(h->store);
    pthread_mutex_unlock(&n->store_lock);
    if (!h->number)
        sk_store_discharge(size);
    return size > 0;
}

static bool drop_copy(pn_host *h)
{
    pnode *n = h->node;
    if (!n->far)
        return false;
    pn_enter(n);
    bool did = n->far->drop_copy(h);
    pn_leave(n);
    return did;
}

static size_t room_of(pn_host *h)
{
    pthread_mutex_lock(&h->node->store_lock);
    size_t room = sk_shm_room(h->store);
    pthread_mutex_unlock(&h->node->store_lock);
    return room;
}

bool pn_make_way(pn_host *h, size_t pages)
{
    while (room_of(h) < pages)
        if (!drop_copy(h) && !spill_one(h))
            return false;
    return true;
}

static bool say_full(pn_host *h, size_t asked, sk_error *err)
{
    char more[700];
    pnode *n = h->node;
    pthread_mutex_lock(&n->store_lock);
    uint64_t idle = sk_shm_idle(h->store), left = sk_shm_left(h->store);
    uint64_t used = sk_shm_live(h->store) - idle - left + sk_shm_guests(h->store) - (n->far ? n->far->idle_copies(h) : 0);
    uint64_t spilled = sk_shm_spilled(h->store);
    size_t room = sk_shm_room(h->store);
    const char *to = sk_shm_spills_to(h->store);
    int length = snprintf(more, sizeof more, "%llu bytes are in use by tasks that run or seen by the program, ", (unsigned long long)used);
    if (to)
        snprintf(more + length, sizeof more - (size_t)length, "%llu are spilled to %.400s and leave %llu here; ", (unsigned long long)spilled, to,
                 (unsigned long long)left);
    else
        snprintf(more + length, sizeof more - (size_t)length, "%llu are held by refs, and nothing can be spilled (--sk-spill-dir); ",
                 (unsigned long long)idle);
    pthread_mutex_unlock(&n->store_lock);
    if (!h->number)
        return sk_store_say_full(asked, more, err);
    return sk_error_set(err, SK_STORE_FULL, "the object store of node %d is full: need %zu bytes, have %zu of %zu free; %sdrop refs you no longer need, "
                        "or give more with --sk-store-bytes (of a node that joins: --store-bytes)", h->number, asked, room, h->store_bytes, more);
}

bool pn_make_room(pnode *n, const pn_need *need, int64_t deadline, sk_error *err)
{
    pn_host *h = need->host ? need->host : &n->hosts[0];
    if (!need->only_wait && ((room_of(h) < need->pages && drop_copy(h)) || spill_one(h)))
        return true;
    if (pn_in_loop(n) && pn_recall_all(n))          /* they keep what they will need, and have not begun */
        return true;
    uint64_t seen = atomic_load_explicit(&n->room_changes, seq_cst);
    pthread_mutex_lock(&n->store_lock);
    bool fits = (h->number || sk_store_has_room(need->charge)) && sk_shm_room(h->store) >= need->pages;
    pthread_mutex_unlock(&n->store_lock);
    if (fits && !need->no_memory)
        return true;
    bool may_wait = !need->no_memory && (pn_in_loop(n) ? n->current != NULL : true) && (deadline == SK_NEVER || pn_now() < deadline);
    if (may_wait && (pn_in_loop(n) ? wait_in_task(n, n->current, deadline) : wait_in_program(n, seen, deadline)))
        return true;
    return need->no_memory ? sk_error_set(err, SK_STORE_FULL, "the object store has no memory for %zu bytes: the system has none left",
                                          need->asked)
           : say_full(h, need->asked, err);
}

/* For charges of what is not in the shared store: they do not wait in the loop. */
static bool make_room_for_charge(size_t size, size_t asked, sk_error *err)
{
    pnode *n = (pnode *)sk_session.backend;
    return pn_make_room(n, &(pn_need){ .charge = size, .asked = asked }, pn_in_loop(n) ? -1 : SK_NEVER, err);
}

void pn_room_open(void)  { sk_store_make_room = make_room_for_charge; }
void pn_room_close(void) { sk_store_make_room = NULL; }

/* ---- what is read ---- */

/* Else it is a copy, of what another host has made. */
static bool is_made_at(pn_host *h, const sk_blob *blob)
{
    pnode *n = h->node;
    return !n->far || pn_host_of(n, sk_shm_owner(n->store, sk_shm_offset(n->store, blob))) == h;
}

static bool owes_here(pn_host *h) { return h->owes && pn_in_loop(h->node) && h->owes == h->node->current; }

/* What was lent to one is for nobody else, who may be told first that there may be room. With the store's lock. */
static void ask_for_who_runs(pn_host *h) { sk_shm_borrow(h->store, owes_here(h)); }

/* Of what it cannot read back it may give its copy up, for others have one, or it can be made again: then it is as if it were not here (any more). */
static int reason_not_to_pin(pn_host *h, const sk_blob *blob, const sk_error *err, int why)
{
    return why == EIO && h->node->far && h->node->far->give_up(h, blob, err->message) ? ESTALE : why;
}

/* Its bytes are there, and stay. false: errno. */
static bool try_to_pin(pn_host *h, const sk_blob *blob, bool for_good, sk_error *err)
{
    pnode *n = h->node;
    pthread_mutex_lock(&n->store_lock);
    ask_for_who_runs(h);
    if (!is_made_at(h, blob)) {
        pthread_mutex_unlock(&n->store_lock);
        return n->far->pin_copy(h, blob, for_good);
    }
    size_t away = sk_shm_away(h->store, blob);
    bool charges = away && !h->number, charged = charges && sk_store_try_charge(away), pinned = false;
    if (charges && !charged && owes_here(h)) {
        sk_store_recharge(away);
        charged = true;
    }
    errno = EDQUOT;
    if (charged || !charges)
        pinned = for_good ? sk_shm_pin_for_good(h->store, blob, err) : sk_shm_pin(h->store, blob, err);
    int why = errno;
    pthread_mutex_unlock(&n->store_lock);
    if (charged && !pinned)
        sk_store_discharge(away);
    errno = pinned ? 0 : reason_not_to_pin(h, blob, err, why);
    return pinned;
}

static void unpin(pnode *n, pn_pin pin)
{
    if (!is_made_at(pin.host, pin.blob)) {
        n->far->unpin_copy(pin.host, pin.blob, pin.serial);
        return;
    }
    pthread_mutex_lock(&n->store_lock);
    sk_shm_unpin(pin.host->store, pin.blob, pin.serial);
    pthread_mutex_unlock(&n->store_lock);
}

static size_t away_of(pn_host *h, const sk_blob *blob)
{
    if (!is_made_at(h, blob))
        return 0;
    pthread_mutex_lock(&h->node->store_lock);
    size_t away = sk_shm_away(h->store, blob);
    pthread_mutex_unlock(&h->node->store_lock);
    return away;
}

/* A copy is in memory already; what it takes is taken from others that run. */
static bool make_room_to_pin(pn_host *h, const sk_blob *blob, int why, bool only_wait, int64_t deadline, sk_error *err)
{
    bool is_copy = !is_made_at(h, blob);
    size_t away = away_of(h, blob);
    pn_need need = { .host = h, .charge = away, .pages = is_copy ? h->node->far->copy_takes(h, blob) : away, .asked = blob->size,
                     .no_memory = why == ENOMEM, .only_wait = only_wait || is_copy };
    return why != EIO && why != ESTALE && pn_make_room(h->node, &need, deadline, err);
}

static uint64_t serial_of(pn_host *h, const sk_blob *blob)
{
    if (!is_made_at(h, blob))
        return h->node->far->copy_serial(h, blob);
    pthread_mutex_lock(&h->node->store_lock);
    uint64_t serial = sk_shm_serial(h->store, blob);
    pthread_mutex_unlock(&h->node->store_lock);
    return serial;
}

/* It has just been pinned. */
static void note_pin(run *r, const sk_blob *blob)
{
    if (r->npins == r->pin_room) {
        r->pin_room = r->pin_room ? 2 * r->pin_room : 8;
        r->pins = realloc(r->pins, r->pin_room * sizeof *r->pins);
        if (!r->pins)
            abort();
    }
    r->pins[r->npins++] = (pn_pin){ blob, serial_of(r->host, blob), r->host };
}

/* Lists travel in messages: nobody reads them there. */
static sk_blob *blob_in_store(const sk_value *v)
{
    return sk_type_has_blob(v->type) && v->type != SK_T_LIST && v->blob && sk_blob_is_shared(v->blob) ? v->blob : NULL;
}

/* The same once more takes nothing: NULL. */
static sk_blob *first_in_store(const sk_value *in, unsigned i)
{
    sk_blob *blob = blob_in_store(&in[i]);
    for (unsigned k = 0; k < i && blob; k++)
        if (blob_in_store(&in[k]) == blob)
            return NULL;
    return blob;
}

/* What pinning them takes of what can be had, and is it too much? No bytes are moved to find out. */
static size_t arguments_take(pn_host *h, const sk_value *in, unsigned nargs, bool *too_much)
{
    pnode *n = h->node;
    size_t takes = 0;
    pthread_mutex_lock(&n->store_lock);
    ask_for_who_runs(h);
    for (unsigned i = 0; i < nargs; i++) {
        const sk_blob *blob = first_in_store(in, i);
        takes += !blob ? 0 : is_made_at(h, blob) ? sk_shm_takes(h->store, blob) : n->far->copy_takes(h, blob);
    }
    *too_much = takes > sk_shm_available(h->store, n->far ? n->far->idle_copies(h) : 0);
    pthread_mutex_unlock(&n->store_lock);
    return takes;
}

/* All of them or none: two attempts that each waited with half of what they need would wait for each other. */
static bool pin_arguments(pnode *n, run *r, const sk_value *in, unsigned nargs, sk_error *err)
{
    pn_host *h = r->host;
    size_t before = r->npins, takes;
    bool too_much;
    *err = (sk_error){ 0 };
    while (takes = arguments_take(h, in, nargs, &too_much), too_much)
        if (!pn_make_room(n, &(pn_need){ .host = h, .pages = takes, .asked = takes, .only_wait = true }, SK_NEVER, err))
            return false;
    for (unsigned i = 0; i < nargs; i++) {
        sk_blob *blob = blob_in_store(&in[i]);
        if (!blob)
            continue;
        if (try_to_pin(h, blob, false, err)) {
            note_pin(r, blob);
            continue;
        }
        int why = errno;
        bool spilled = why == EDQUOT && (drop_copy(h) || spill_one(h));        /* none of those that are pinned by now */
        if (!spilled) {
            while (r->npins > before)
                unpin(n, r->pins[--r->npins]);                 /* and nobody is told, for nobody has missed it */
            if (why == ESTALE) {
                r->lacks = g_strdup(err->code ? err->message : "an argument's bytes are not there any more");
                return false;
            }
            if (!make_room_to_pin(h, blob, why, true, SK_NEVER, err))
                return false;
        }
        i = spilled ? i - 1 : UINT_MAX;                        /* this one again, or all */
    }
    return true;
}

bool pn_pin_arguments(pnode *n, run *r, const sk_value *in, unsigned nargs, sk_error *err)
{
    size_t all = 0;
    for (unsigned i = 0; i < nargs; i++)
        all += first_in_store(in, i) ? sizeof(sk_blob) + in[i].blob->size : 0;
    r->bundle = all <= r->host->store_bytes ? all : 0;
    bool pinned = pin_arguments(n, r, in, nargs, err);
    r->bundle = 0;
    return pinned;
}

void pn_pin_own(pnode *n, run *r, const sk_blob *blob)
{
    (void)n;
    sk_error err = { 0 };
    if (try_to_pin(r->host, blob, false, &err))
        note_pin(r, blob);
}

void pn_unpin_all(pnode *n, run *r)
{
    if (r->host->owes == r)
        lend_room(r, 0);
    if (!r->npins)
        return;
    while (r->npins)
        unpin(n, r->pins[--r->npins]);
    pn_room_may_be(n);
}

static bool keep_there(pn_host *h, pn_kept *kept, sk_blob *blob)
{
    sk_error err = { 0 };
    if (away_of(h, blob) || !try_to_pin(h, blob, false, &err))
        return false;
    kept->pins[kept->npins++] = (pn_pin){ sk_blob_ref(blob), serial_of(h, blob), h };
    return true;
}

/* Else what is kept for tasks that have not begun would be missed. */
static bool is_half_empty(pn_host *h)
{
    pthread_mutex_lock(&h->node->store_lock);
    bool is = sk_shm_live(h->store) + sk_shm_guests(h->store) <= h->store_bytes / 2;
    pthread_mutex_unlock(&h->node->store_lock);
    return is;
}

bool pn_keep(pn_host *h, pn_kept *kept, const sk_value *in, unsigned nargs)
{
    pnode *n = h->node;
    bool is_wanted = atomic_load_explicit(&n->hungry, relaxed) || atomic_load_explicit(&n->starving, relaxed);
    for (unsigned i = 0; i < nargs; i++) {
        sk_blob *blob = blob_in_store(&in[i]);
        if (blob && (is_wanted || !is_half_empty(h) || !keep_there(h, kept, blob))) {
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
        unpin(n, kept->pins[i]);
        sk_blob_unref((sk_blob *)kept->pins[i].blob);
    }
    *kept = (pn_kept){ 0 };
    pn_room_may_be(n);
}

/* It gets the same thing again and again, perhaps: most often one of the last. */
static bool is_pinned_by(const run *r, const sk_blob *blob)
{
    size_t looked = 0;
    for (size_t i = r->npins; i-- > 0 && looked++ < 64; )
        if (r->pins[i].blob == blob && r->pins[i].serial == serial_of(r->host, blob))
            return true;
    return false;
}

/* The calling task, or the program, gets this object. */
bool pn_pull(sk_backend *self, uint64_t object, int64_t deadline)
{
    pnode *n = pn_of(self);
    sk_blob *blob = blob_in_store(&sk_object_at((uint32_t)object)->value);
    if (!blob || deadline < 0)                   /* who only waits for it may never get it */
        return true;
    pn_enter(n);
    sk_lane *lane = sk_lane_self;                /* the same whoever turns the loop */
    run *r = pn_in_loop(n) ? n->current : NULL;
    pn_host *h = r ? r->host : &n->hosts[0];
    bool pinned = r && is_pinned_by(r, blob);
    sk_error err = { 0 };
    if (!pinned) {
        sk_blob_ref(blob);
        while (!(pinned = try_to_pin(h, blob, !r, &err)) && make_room_to_pin(h, blob, errno, false, deadline, &err))
            ;
        if (pinned && r)
            note_pin(r, blob);
        sk_blob_unref(blob);
    }
    if (!pinned)
        lane->boxing_error = err;
    pn_leave(n);
    return pinned;
}

/* ---- what is not ---- */

static void tell_spill(void *host, uint64_t object, size_t size, bool back)
{
    sk_object_spilled(sk_lane_self, object, ((pn_host *)host)->number, size, back);
}

void pn_tell_spills(pn_host *h) { sk_shm_listen(h->store, tell_spill, h); }

/* An object that is traced gives its bytes its name until it is freed, so that nothing is written of it afterwards. Where several have the same
 * bytes, the first does. */
static void set_name(pnode *n, uint64_t object, bool is_freed)
{
    const sk_blob *blob = sk_trace_on ? blob_in_store(&sk_object_at((uint32_t)object)->value) : NULL;
    if (!blob || !blob->sealed)
        return;
    pn_host *h = pn_host_of(n, sk_shm_owner(n->store, sk_shm_offset(n->store, blob)));
    pthread_mutex_lock(&n->store_lock);
    uint64_t name = sk_shm_name(h->store, blob);
    if (is_freed ? name == object : !name)
        sk_shm_set_name(h->store, blob, is_freed ? 0 : object);
    pthread_mutex_unlock(&n->store_lock);
}

void pn_freed(sk_backend *self, uint64_t object) { set_name(pn_of(self), object, true); }

static void keep(pnode *n, const sk_value *v)
{
    sk_blob *blob = blob_in_store(v);
    if (!blob || !blob->sealed)                                /* who frees a list reads it, so lists stay */
        return;
    pn_host *h = pn_host_of(n, sk_shm_owner(n->store, sk_shm_offset(n->store, blob)));
    pthread_mutex_lock(&n->store_lock);
    sk_shm_keep(h->store, blob);
    pthread_mutex_unlock(&n->store_lock);
    pn_room_may_be(n);
}

void pn_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made)
{
    (void)bytes, (void)made;
    set_name(pn_of(self), object, false);       /* first: once it is kept it may be spilled */
    keep(pn_of(self), &sk_object_at((uint32_t)object)->value);
}

void pn_keep_arguments(pnode *n, sk_task *t)
{
    for (unsigned i = 0; i < t->nargs; i++)
        if (!sk_slot_is_pending(&t->args[i]))
            keep(n, &t->args[i].value);
}
