/* processes_store.c -- the objects' bytes on a node of processes: large ones in shared memory (shm.h), small ones in the driver's own. */
#include "processes.h"

#include "session.h"
#include "task.h"

#include <errno.h>

/* Shared memory that is charged already: one block, or why there is none. */
static void *try_to_alloc(pnode *n, unsigned owner, size_t size, bool *is_whole, int *why)
{
    pn_host *h = pn_host_of(n, owner);
    pthread_mutex_lock(&n->store_lock);
    void *block = sk_shm_alloc(h->store, owner, size);
    *why = errno;
    if (block && h->number && !sk_shm_fill(n->store, sk_shm_offset(n->store, block), sk_shm_page())) {     /* its header is here, too */
        sk_shm_release(h->store, block);
        block = NULL;
        *why = ENOMEM;
    }
    *is_whole = block && sk_shm_is_whole(h->store, block);
    pthread_mutex_unlock(&n->store_lock);
    return block;
}

/* What lies on another host is not in this one's account. */
static bool charge(const pn_host *h, size_t size) { return h->number || sk_store_try_charge(size); }
static void discharge(const pn_host *h, size_t size) { sk_store_discharge(h->number ? 0 : size); }

/* Its arena has no place of that length. */
static bool say_no_place(const pnode *n, size_t asked, sk_error *err)
{
    return sk_error_set(err, SK_STORE_FULL, "the object store is full: need %zu bytes in one piece, and the %zu bytes of addresses that each process "
                        "has for its objects (also for those that are spilled) have none so long; drop refs you no longer need, give more with "
                        "--sk-store-bytes, or allow more addresses (ulimit -v)", asked, sk_shm_stride(n->store));
}

/* By the program, to write; sk_blob_new has charged it. In the loop (a long list that arrives) it does not wait. */
void *pn_alloc(sk_backend *self, size_t size)
{
    pnode *n = pn_of(self);
    if (size < SK_PLACED_MIN)
        return sk_store_alloc(size);
    size_t asked = size - sizeof(sk_blob), page = sk_shm_page();
    int why;
    bool is_whole;
    void *block;
    while (!(block = try_to_alloc(n, 0, size, &is_whole, &why))) {
        pn_need need = { .pages = (size + page - 1) / page * page, .asked = asked, .no_memory = why == ENOMEM };
        if (why == ENOSPC ? !say_no_place(n, asked, &sk_alloc_error)
                          : !pn_make_room(n, &need, sk_lane_self == n->lane ? -1 : SK_NEVER, &sk_alloc_error))
            return NULL;
    }
    return block;
}

void pn_release(pnode *n, void *block)
{
    pthread_mutex_lock(&n->store_lock);
    size_t away = sk_shm_away(n->store, block);
    sk_shm_release(n->store, block);
    pthread_mutex_unlock(&n->store_lock);
    if (away)
        sk_store_recharge(away);               /* the caller takes the whole charge back */
}

void pn_free(sk_backend *self, void *bytes, size_t size)
{
    pnode *n = pn_of(self);
    if (!sk_blob_is_shared(bytes)) {
        sk_store_free(bytes, size);
    } else if (n->far) {
        n->far->freed(n, bytes, size);
    } else {
        pn_release(n, bytes);
    }
    pn_room_may_be(n);
}

bool pn_alloc_for(pnode *n, unsigned owner, size_t size, pn_block *out, sk_error *err)
{
    if (size < sizeof(sk_blob))
        return sk_error_set(err, SK_PROTOCOL, "a block of %zu bytes", size);
    size_t asked = size - sizeof(sk_blob), page = sk_shm_page();
    pn_host *h = pn_host_of(n, owner);
    if (size > h->store_bytes)
        return sk_store_say_full(asked, "", err);
    for (;;) {
        int why = EDQUOT;
        bool charged = charge(h, size);
        *out = (pn_block){ .size = size };
        out->blob = charged ? try_to_alloc(n, owner, size, &out->is_whole, &why) : NULL;
        if (out->blob) {
            out->blob->sealed = false;
            return true;
        }
        if (charged)
            discharge(h, size);
        pn_need need = { .host = h, .charge = size, .pages = (size + page - 1) / page * page, .asked = asked, .no_memory = why == ENOMEM };
        if (why == ENOSPC ? !say_no_place(n, asked, err) : !pn_make_room(n, &need, SK_NEVER, err))
            return false;
    }
}

/* ---- what a body will ask for ----
 *
 * Each time that it asks, it waits for us, and we are asleep, or the third on two cpus. Most functions make one result, of a size that does not change
 * from one task to the next: what a function has asked for first, twice running, goes along with its next task. If that one does not take it, or
 * waits for something before it does, it comes back, and the function has to ask again. */
typedef struct pn_habit { size_t size; unsigned times; } pn_habit;

static pn_habit *habit_of(pnode *n, const sk_fn *fn)
{
    if (!n->habits)
        n->habits = g_array_new(FALSE, TRUE, sizeof(pn_habit));
    if (n->habits->len <= fn->index)
        g_array_set_size(n->habits, fn->index + 1);
    return &g_array_index(n->habits, pn_habit, fn->index);
}

void pn_note_asked(pnode *n, run *r, size_t size)
{
    pn_habit *h = habit_of(n, r->fn);
    if (!r->asked)
        *h = (pn_habit){ size, h->size == size ? h->times + 1 : 1 };
    r->asked = true;                       /* also by what came along, see pn_own */
}

/* Not of a store that is half full: it would be missed. */
static bool foresee(pnode *n, const pn_worker *w, const sk_fn *fn, pn_block *out)
{
    const pn_habit *h = habit_of(n, fn);
    size_t size = h->size;
    if (h->times < 2 || atomic_load_explicit(&n->hungry, relaxed) || atomic_load_explicit(&n->starving, relaxed))
        return false;
    pthread_mutex_lock(&n->store_lock);
    bool is_room = sk_shm_live(w->host->store) + size <= w->host->store_bytes / 2;
    pthread_mutex_unlock(&n->store_lock);
    if (!is_room || !charge(w->host, size))
        return false;
    int why;
    *out = (pn_block){ .size = size, .foreseen = true };
    out->blob = try_to_alloc(n, w->slot + 1, size, &out->is_whole, &why);
    if (out->blob) {
        out->blob->sealed = false;
        return true;
    }
    out->size = 0;
    discharge(w->host, size);
    return false;
}

bool pn_foresee(pnode *n, const pn_worker *w, const sk_fn *fn, sk_msg *m, pn_block *out)
{
    if (!foresee(n, w, fn, out))
        return false;
    m->block_at = sk_shm_offset(n->store, out->blob);
    m->block_size = out->size;
    m->flag = out->is_whole;
    return true;
}

void pn_own(run *r, const pn_block *block)
{
    if (r->nown == r->own_room) {
        r->own_room = r->own_room ? 2 * r->own_room : 8;
        r->own = realloc(r->own, r->own_room * sizeof *r->own);
        if (!r->own)
            abort();
    }
    r->own[r->nown++] = *block;
    r->asked |= block->foreseen;
}

/* To a worker. */
bool pn_place(void *served, sk_blob *blob, uint64_t *at)
{
    (void)served;
    if (!sk_blob_is_shared(blob) || !blob->sealed)
        return false;
    pnode *n = (pnode *)sk_session.backend;
    *at = sk_shm_offset(n->store, blob);
    pn_worker *to = n->placing ? n->placing : n->current->worker;
    return pn_give_arena(to, (unsigned)(*at / sk_shm_stride(n->store)));
}

static void take_out(run *r, size_t i) { r->own[i] = r->own[--r->nown]; }

/* Of a block that is elsewhere the header is here, and no text to be looked at: whoever has those bytes sees to it that it ends. */
static bool is_sound(const run *r, const sk_blob *blob)
{
    return r->host->number && blob->type == SK_T_STR ? blob->size > 0 : sk_blob_is_sound(blob);
}

/* What a worker has made is what it says it is, or nothing: the header is its writing. From here on only the node writes there. */
static bool take_over(pnode *n, run *r, size_t i, sk_type type, bool keeps)
{
    pn_block *b = &r->own[i];
    sk_blob *blob = b->blob;
    if (r->worker->wire.header)                /* it is elsewhere: here is only this much of it */
        memcpy(blob, r->worker->wire.header, sizeof *blob);
    if (blob->type != type || sizeof *blob + blob->size != b->size || !is_sound(r, blob))
        return false;
    atomic_store_explicit(&blob->refs, keeps ? 2 : 1, relaxed);
    blob->sealed = true;
    blob->copy = 0;
    blob->fn = r->fn->index;
    blob->maker = 0;
    if (r->host->number)
        n->far->made(n, blob);
    if (keeps) {
        pn_pin_own(n, r, blob);          /* its body may read it, until it ends */
        b->handed_over = true;
    } else
        take_out(r, i);
    return true;
}

/* From a worker. The lowest bit: it still has references, until its task ends. */
sk_blob *pn_blob_at(void *served, sk_type type, uint64_t at)
{
    (void)served;
    pnode *n = (pnode *)sk_session.backend;
    run *r = n->current;
    bool keeps = at & 1;
    unsigned owner;
    at &= ~(uint64_t)1;
    pthread_mutex_lock(&n->store_lock);
    owner = sk_shm_owner(n->store, at);
    size_t size = owner <= n->nslots ? sk_shm_block(pn_host_of(n, owner)->store, at, NULL) : 0;
    pthread_mutex_unlock(&n->store_lock);
    if (!size || !r)
        return NULL;
    sk_blob *blob = sk_shm_at(n->store, at);
    for (size_t i = 0; i < r->nown; i++)
        if (r->own[i].blob == blob && !r->own[i].handed_over)
            return take_over(n, r, i, type, keeps) ? blob : NULL;
    return blob->sealed && blob->type == type ? sk_blob_ref(blob) : NULL;
}

static void free_unsealed(pnode *n, const pn_block *b)
{
    pn_free((sk_backend *)n, b->blob, b->size);
    sk_store_discharge(b->size);
}

void pn_free_foreseen(pnode *n, const pn_block *block) { free_unsealed(n, block); }

void pn_free_block(pnode *n, run *r, uint64_t at)
{
    for (size_t i = 0; i < r->nown; i++)
        if (sk_shm_offset(n->store, r->own[i].blob) == at && !r->own[i].handed_over) {
            if (r->own[i].foreseen)
                habit_of(n, r->fn)->times = 0;
            free_unsealed(n, &r->own[i]);
            take_out(r, i);
            return;
        }
}

void pn_give_back(pnode *n, run *r)
{
    while (r->nown) {
        pn_block b = r->own[--r->nown];
        if (b.foreseen && !b.handed_over && r->ran)
            habit_of(n, r->fn)->times = 0;
        if (b.handed_over)
            sk_blob_unref(b.blob);
        else
            free_unsealed(n, &b);
    }
}
