/* lineage.c -- see lineage.h. Reading order: what is remembered; keeping a task; letting it go; losing and making again. */
#include "lineage.h"

#include "idmap.h"
#include "session.h"

#include <glib.h>

/* ---- what is remembered ---- */

/* Of an object with SK_HAS_PAST. `claims`: argument slots of kept tasks that name it; together they have one hold. */
typedef struct past { uint64_t id; uint32_t claims; GSList *shelf; } past;
typedef struct deaths { uint64_t id; GString *text; sk_code code; } deaths;

static sk_idmap pasts, died;
static GPtrArray *to_bury;             /* kept tasks nobody needs any more: a list, so that long lineages do not eat the stack */
static bool is_burying;

static unsigned flags_of(sk_object *o) { return atomic_load_explicit(&o->flags, relaxed); }

static void set_flags(sk_object *o, unsigned set, unsigned clear)
{
    atomic_store_explicit(&o->flags, (uint8_t)((flags_of(o) | set) & ~clear), relaxed);
}

static past *past_of(sk_object *o, bool make)
{
    if (flags_of(o) & SK_HAS_PAST)
        return sk_idmap_find(&pasts, sk_object_id(o));
    if (!make)
        return NULL;
    past *p = g_new0(past, 1);
    p->id = sk_object_id(o);
    sk_idmap_add(&pasts, p);
    set_flags(o, SK_HAS_PAST, 0);
    return p;
}

static void forget_past(sk_object *o, past *p)
{
    set_flags(o, 0, SK_HAS_PAST);
    sk_idmap_remove(&pasts, p->id);
    for (GSList *s = p->shelf; s; s = s->next)
        sk_blob_unref(s->data);
    g_slist_free(p->shelf);
    g_free(p);
}

void sk_lineage_shelve(sk_object *o, bool fails)
{
    if (!(flags_of(o) & SK_OLD_BYTES))
        return;
    past *p = past_of(o, true);
    p->shelf = g_slist_prepend(p->shelf, o->value.blob);
    o->value = (sk_value){ 0 };
    set_flags(o, 0, SK_OLD_BYTES);
    if (fails)
        sk_session.backend->ops->freed((sk_backend *)sk_session.backend, sk_object_id(o));
}

void sk_lineage_note_death(uint64_t task, sk_code code, const char *how)
{
    deaths *d = sk_idmap_find(&died, task);
    if (!d) {
        d = g_new0(deaths, 1);
        *d = (deaths){ .id = task, .text = g_string_new(NULL) };
        sk_idmap_add(&died, d);
    }
    d->code = code;
    g_string_append_printf(d->text, "%s%s", d->text->len ? "; " : "", how);
}

const char *sk_lineage_deaths(uint64_t task, sk_code *code)
{
    deaths *d = sk_idmap_find(&died, task);
    *code = d ? d->code : SK_WORKER_DIED;
    return d ? d->text->str : NULL;
}

void sk_lineage_forget_deaths(uint64_t task)
{
    deaths *d = sk_idmap_find(&died, task);
    if (!d)
        return;
    sk_idmap_remove(&died, task);
    g_string_free(d->text, TRUE);
    g_free(d);
}

void sk_lineage_clear(void)
{
    sk_idmap_free(&pasts);
    sk_idmap_free(&died);
    g_clear_pointer(&to_bury, g_ptr_array_unref);
    sk_has_lineage = is_burying = false;
}

/* ---- keeping a task ---- */

static bool may_run_again(const sk_task *t)
{
    return t->attempts <= (t->extras ? t->extras->max_retries : SK_DEFAULT_RETRIES);
}

/* Nobody but lineage has a claim on it, and it could be made again: its bytes go. */
static void release_bytes(sk_lane *lane, sk_object *o)
{
    if (sk_object_state_of(o) != SK_OBJECT_READY || !(flags_of(o) & SK_REBUILDABLE)
        || atomic_load_explicit(&o->counts, relaxed) != SK_HOLD)
        return;
    sk_session.backend->ops->freed((sk_backend *)sk_session.backend, sk_object_id(o));
    sk_value value = o->value;
    o->value = (sk_value){ 0 };
    sk_object_lose(lane, o, SK_OBJECT_READY, SK_OBJECT_MISSING);
    sk_value_clear(&value);                       /* last: what a list names may go with it */
}

void sk_object_is_idle(sk_lane *lane, sk_object *o)
{
    past *p = past_of(o, false);
    if (p && p->claims && !sk_session.ending)
        release_bytes(lane, o);
}

/* An argument's hold becomes a claim. */
static void claim(sk_lane *lane, sk_object *o)
{
    past *p = past_of(o, true);
    if (p->claims++)
        sk_object_unref(lane, o, SK_HOLD);        /* all claims have one hold together */
    else
        sk_object_is_idle(lane, o);
}

/* And a hold again. */
static void unclaim(sk_object *o)
{
    past *p = past_of(o, false);
    if (--p->claims)
        sk_object_ref(o, SK_HOLD);
    else if (!p->shelf)
        forget_past(o, p);
}

static bool is_needed(sk_task *t)
{
    for (unsigned i = 0; i < t->nreturns; i++)
        if (sk_task_outputs(t)[i] && flags_of(sk_task_outputs(t)[i]) & SK_REBUILDABLE)
            return true;
    return false;
}

/* Of a node, and may be lost with it. Where nodes are real, what is small travels and is the head's (and lists are). */
static bool lies_in_a_store(const sk_value *v)
{
    return sk_value_has_bytes(v) && (!sk_shared_store.size || (v->type != SK_T_LIST && sk_blob_is_shared(v->blob)));
}

bool sk_lineage_seal(sk_lane *lane, sk_task *t, sk_value *out)
{
    bool again = may_run_again(t);
    for (unsigned i = 0; i < t->nreturns; i++) {
        sk_object *o = sk_task_outputs(t)[i];
        if (!o || sk_object_state_of(o) != SK_OBJECT_PENDING) {        /* freed since, or never lost */
            sk_values_discard(&out[i], 1);
            continue;
        }
        bool has_bytes = lies_in_a_store(&out[i]);
        if (flags_of(o) & SK_OLD_BYTES && !has_bytes)                  /* it had bytes when it was made first: nobody need wait for any */
            sk_session.backend->ops->freed((sk_backend *)sk_session.backend, sk_object_id(o));
        set_flags(o, again && has_bytes ? SK_REBUILDABLE : 0, again && has_bytes ? 0 : SK_REBUILDABLE);
        sk_object_seal(lane, o, out[i], NULL);                         /* o may be gone; then the task's pointer is NULL */
    }
    for (unsigned i = 0; i < t->nreturns && !again; i++)
        if (sk_task_outputs(t)[i])
            set_flags(sk_task_outputs(t)[i], 0, SK_REBUILDABLE);
    if (!again || !is_needed(t))
        return false;
    atomic_fetch_or_explicit(&t->state, (uint64_t)SK_FLAG_KEPT << 8, relaxed);
    for (unsigned i = 0; i < t->nargs; i++)
        if (sk_slot_is_pending(&t->args[i]))
            claim(lane, t->args[i].pending.object);
    return true;
}

/* ---- letting it go ---- */

void sk_lineage_unkeep(sk_task *t)
{
    atomic_fetch_and_explicit(&t->state, ~((uint64_t)SK_FLAG_KEPT << 8), relaxed);
    for (unsigned i = 0; i < t->nargs; i++)
        if (sk_slot_is_pending(&t->args[i]))
            unclaim(t->args[i].pending.object);
}

/* The record of the task that makes it; NULL: gone. */
static sk_task *task_of(sk_object *o)
{
    if (!o->producer)
        return NULL;
    sk_task *t = sk_task_at(o->producer);
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    return sk_generation_of(word) == (uint32_t)(o->producer >> 32) ? t : NULL;
}

void sk_lineage_object_goes(sk_lane *lane, sk_object *o)
{
    sk_lineage_shelve(o, false);
    past *p = past_of(o, false);
    if (p)
        forget_past(o, p);
    sk_task *t = task_of(o);
    if (!t)
        return;
    for (unsigned i = 0; i < t->nreturns; i++)
        if (sk_task_outputs(t)[i] == o)
            sk_task_outputs(t)[i] = NULL;
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    if (sk_state_of(word) != SK_TASK_DONE || (sk_flags_of(word) & (SK_FLAG_KEPT | SK_FLAG_UNNEEDED)) != SK_FLAG_KEPT || is_needed(t))
        return;
    if (!to_bury)
        to_bury = g_ptr_array_new();
    g_ptr_array_add(to_bury, t);
    atomic_fetch_or_explicit(&t->state, (uint64_t)SK_FLAG_UNNEEDED << 8, relaxed);
    if (is_burying)
        return;
    is_burying = true;
    while (to_bury->len)
        sk_task_bury(lane, g_ptr_array_steal_index_fast(to_bury, to_bury->len - 1));
    is_burying = false;
}

/* ---- losing, and making again ---- */

static void fail(sk_lane *lane, sk_object *o, const char *where)
{
    sk_failure *why = o->producer
        ? sk_failure_new(SK_OBJECT_LOST, o->site, NULL, "the answer of the task submitted here is lost: its last copy was on %s, and the "
                         "task has run as often as it may (give it more max_retries)", where)
        : sk_failure_new(SK_OBJECT_LOST, o->site, NULL, "the object put here is lost: its last copy was on %s, and what was put cannot "
                         "be made again (return it from a task, then it can)", where);
    sk_lineage_shelve(o, false);
    o->value = (sk_value){ SK_T_BAD, { .blob = (struct sk_blob *)why } };
    sk_object_lose(lane, o, SK_OBJECT_MISSING, SK_OBJECT_FAILED);
    sk_session.backend->ops->freed((sk_backend *)sk_session.backend, sk_object_id(o));     /* who waits for its bytes waits no more */
}

/* From MISSING to PENDING, and its task on the list of those to be run; or FAILED. */
static void want(sk_lane *lane, sk_object *o, const char *where, GPtrArray *work)
{
    sk_task *t = task_of(o);
    uint64_t word = t ? atomic_load_explicit(&t->state, relaxed) : 0;
    bool is_under_way = t && sk_state_of(word) < SK_TASK_DONE;         /* for another of its answers */
    bool is_kept = t && sk_state_of(word) == SK_TASK_DONE && sk_flags_of(word) & SK_FLAG_KEPT && may_run_again(t);
    if (!(flags_of(o) & SK_REBUILDABLE) || !(is_under_way || is_kept)) {
        fail(lane, o, where);
        return;
    }
    sk_object_lose(lane, o, SK_OBJECT_MISSING, SK_OBJECT_PENDING);
    atomic_store_explicit(&o->waiters, 0, relaxed);                    /* the list is open again */
    if (is_under_way)
        return;
    sk_lineage_unkeep(t);
    sk_task_move(lane, t, (uint32_t)(o->producer >> 32), SK_TASK_DONE, SK_TASK_WAITING, 0);
    g_ptr_array_add(work, t);
}

/* Its arguments: those that are there count, those that are missing are wanted too. */
static void run_again(sk_lane *lane, sk_task *t, const char *where, GPtrArray *work)
{
    int32_t there = 1;
    atomic_store_explicit(&lane->done, atomic_load_explicit(&lane->done, relaxed) - 1, relaxed);      /* it is so no more */
    atomic_store_explicit(&t->missing, t->nargs + 1, relaxed);
    for (unsigned i = 0; i < t->nargs; i++) {
        sk_slot *s = &t->args[i];
        if (!sk_slot_is_pending(s)) {
            there++;
            continue;
        }
        sk_object *o = s->pending.object;
        atomic_store_explicit(&s->pending.next, SK_T_PENDING, relaxed);
        if (sk_object_state_of(o) == SK_OBJECT_MISSING)
            want(lane, o, where, work);
        uint64_t link = (uint64_t)(uintptr_t)s | (t->big ? SK_LINK_BIG_ARG : SK_LINK_ARG);
        there += !sk_object_add_waiter(o, link, (uint64_t *)&s->pending.next);
    }
    if (atomic_fetch_sub_explicit(&t->missing, there, acq_rel) == there)
        sk_task_all_there(lane, t);
}

void sk_lineage_lost(sk_lane *lane, uint64_t object, const char *where)
{
    sk_object *o = sk_object_at((uint32_t)object);
    if (atomic_load_explicit(&o->generation, relaxed) != (uint32_t)(object >> 32) || sk_object_state_of(o) != SK_OBJECT_READY)
        return;                                   /* freed meanwhile, or known already */
    GPtrArray *work = g_ptr_array_new();
    set_flags(o, SK_OLD_BYTES, 0);
    sk_object_lose(lane, o, SK_OBJECT_READY, SK_OBJECT_MISSING);
    want(lane, o, where, work);
    for (guint i = 0; i < work->len; i++)         /* a list, so that a long lineage does not eat the stack */
        run_again(lane, work->pdata[i], where, work);
    g_ptr_array_unref(work);
}
