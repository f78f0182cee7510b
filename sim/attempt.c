/* attempt.c -- a task runs: from READY to RUNNING, the body, and what becomes of it.
 *
 * All of this happens for every task, and is written to be short where nothing is unusual: no options, no cluster, no failure.
 *
 * Reading order: burying; the body; ending (end is the one place that decides); running (start here); a node is gone. */
#include "admit.h"
#include "lineage.h"
#include "session.h"
#include "task.h"

#include <glib.h>

/* ---- burying ---- */

/* Attempts whose node is gone, but whose stacks have not been left yet: their arguments must stay. With the turn. */
static sk_frame *dead_frames;

static bool is_left_to_a_dead_frame(sk_task *t)
{
    for (sk_frame *f = dead_frames; f; f = f->next_dead)
        if (f->task == t)
            return f->buries = true;
    return false;
}

/* What there is more to a record on a cluster. true: it may not go yet. */
SK_COLD static bool is_not_to_go(sk_task *t)
{
    if (dead_frames && is_left_to_a_dead_frame(t))
        return true;
    if (sk_has_lineage && sk_flags_of(atomic_load_explicit(&t->state, relaxed)) & SK_FLAG_KEPT)
        sk_lineage_unkeep(t);
    sk_lineage_forget_deaths(sk_task_id(t));
    return false;
}

SK_HOT void bury(sk_lane *lane, sk_task *t)
{
    if (unlikely(sk_has_cluster) && is_not_to_go(t))
        return;
    for (unsigned i = 0, n = t->nargs; i < n; i++) {
        sk_slot *s = &t->args[i];
        if (sk_slot_is_pending(s))
            sk_object_unref(lane, s->pending.object, SK_HOLD);
        else if (unlikely(s->value.type == SK_T_REF))
            sk_session_release_contained(s->value.ref);
        else
            sk_value_clear(&s->value);
    }
    uint64_t next = (atomic_load_explicit(&t->state, relaxed) >> 32) + 1;
    if (unlikely((uint32_t)next == 0))
        next = 1;
    if (unlikely(t->extras != NULL))
        sk_task_free_extras(t, next << 32);
    else
        atomic_store_explicit(&t->state, next << 32, release); /* the name is stale from here on */
    sk_keep_stores_apart();                                    /* pairs with look_below in wait.c */
    if (unlikely(t->big))
        sk_pool_give(&sk_big_task_pool, &lane->big_tasks, t);
    else
        sk_pool_give(&sk_task_pool, &lane->tasks, t);
}

void sk_task_bury(sk_lane *lane, sk_task *t) { bury(lane, t); }

/* ---- the body ---- */

__attribute__((noinline)) static int call_body(sk_frame *frame, const sk_fn *fn, const sk_value *in,
                                               sk_value *out)
{
    if (sk_jump_set(frame->jump)) /* sk_fail, or a wait that ends the task, comes back here */
        return 1;
    fn->run(in, out);
    return 0;
}

bool sk_frame_run(sk_frame *frame, const sk_fn *fn, const sk_value *in, sk_value *out)
{
    return !call_body(frame, fn, in, out);
}

/* The same where bodies run elsewhere. What comes back by a jump is a call that the body has made, and that has ended the task. */
__attribute__((noinline)) static int call_body_elsewhere(sk_frame *frame, const sk_fn *fn,
                                                         const sk_value *in, sk_value *out)
{
    const sk_backend_ops *ops = sk_session.backend->ops;
    if (sk_jump_set(frame->jump)) {
        ops->leave_body((sk_backend *)sk_session.backend);
        return 1;
    }
    return !ops->run_body((sk_backend *)sk_session.backend, fn, in, out, &frame->failure);
}

void sk_frame_fail(sk_frame *frame, sk_failure *failure)
{
    sk_lane *lane = sk_lane_self;
    while (lane->temps && lane->temps->frame == frame)
        sk_lane_free_temp(lane);
    frame->failure = failure;
    sk_jump_to(frame->jump);
}

/* ---- ending ---- */

SK_COLD static void drop_duplicates(sk_lane *lane, sk_object *o, unsigned n)
{
    atomic_store_explicit(&o->dups, 0, relaxed);
    for (; n > 0; n--)
        sk_object_unref(lane, o, SK_HANDLE);
}

SK_COLD static void drop_duplicates_of_others(sk_frame *frame)
{
    GHashTableIter it;
    gpointer key, value;
    g_hash_table_iter_init(&it, frame->dups);
    while (g_hash_table_iter_next(&it, &key, &value))
        for (size_t n = GPOINTER_TO_SIZE(value); n > 0; n--)
            sk_session_release_contained((sk_ref){ (uint64_t)(uintptr_t)key });
    g_hash_table_destroy(frame->dups);
    frame->dups = NULL;
}

/* Drops what the frame made and what it duplicated. */
SK_HOT void end_frame(sk_lane *lane, sk_frame *frame)
{
    if (unlikely(frame->waiters != NULL))
        sk_waiter_free_all(frame);
    while (lane->nhandles > frame->handles) {
        uint64_t id = lane->handles[--lane->nhandles];
        sk_object *o = sk_object_at((uint32_t)id);
        uint8_t flags;
        uint16_t dups;
        if (unlikely(!sk_object_is_still_owned(o, id, &flags, &dups)))
            continue;
        if (unlikely(dups))
            drop_duplicates(lane, o, dups - !(flags & SK_MADE));
        atomic_store_explicit(&o->flags, flags & ~SK_MADE, relaxed);
        sk_object_unref(lane, o, SK_HANDLE); /* the last one: o may be gone */
    }
    if (unlikely(lane->nscratch > frame->scratch))
        sk_lane_drop_scratch(lane, frame->scratch);
    if (unlikely(frame->dups != NULL))
        drop_duplicates_of_others(frame);
}

void sk_frame_end(sk_lane *lane, sk_frame *frame) { end_frame(lane, frame); }

void sk_values_discard(sk_value *values, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (values[i].type == SK_T_REF)
            sk_session_release_contained(values[i].ref);
        else
            sk_value_clear(&values[i]);
}

static sk_failure *died(sk_task *t)
{
    sk_code code;
    const char *how = sk_lineage_deaths(sk_task_id(t), &code);
    return sk_failure_new(code, t->site, NULL, "%s: %s %s %u (max_retries is %d)%s%s",
                          sk_task_name_of(t), code == SK_WORKER_OOM ? "ran out of memory" : "died",
                          t->attempts == 1 ? "in its only attempt," : "in its last attempt,",
                          t->attempts, t->extras ? t->extras->max_retries : SK_DEFAULT_RETRIES,
                          how ? ": " : "", how ? how : "");
}

/* An attempt has ended like this: result, retry, failure or cancellation is decided here and nowhere else. *out and *why are those of
 * end, and are dropped where they do not count; *why is made where there is none. */
static inline sk_outcome judge(sk_task *t, unsigned cancel, sk_outcome how, sk_value *out,
                               sk_failure **why, bool *retry)
{
    if (unlikely(cancel)) {
        if (how == SK_ENDED_RESULT)
            sk_values_discard(out, t->nreturns);
        sk_failure_unref(*why);
        *why = NULL;
        how = SK_ENDED_CANCELLED;
    }
    *retry =
        (how == SK_ENDED_DIED || (how == SK_ENDED_ERROR && t->extras && t->extras->retry_errors)) &&
        t->attempts <= (t->extras ? t->extras->max_retries : SK_DEFAULT_RETRIES);
    if (unlikely(how == SK_ENDED_CANCELLED))
        *why = sk_failure_new(SK_CANCELLED, t->site, NULL, "%s: cancelled", sk_task_name_of(t));
    else if (unlikely(how == SK_ENDED_TIME))
        *why = sk_task_timed_out(t);
    else if (unlikely(how == SK_ENDED_DIED && !*retry && !*why))
        *why = died(t);
    return how;
}

/* The attempt has its result. true: lineage keeps the record. */
SK_HOT bool give_result(sk_lane *lane, sk_task *t, uint32_t generation, sk_value *out)
{
    unsigned n = t->nreturns;
    if (unlikely(!sk_task_change(lane, t, generation, SK_TASK_RUNNING, SK_TASK_DONE, 0, 0, 0))) {
        sk_values_discard(out, n); /* its time was up; the refs have failed */
        return false;
    }
    SK_COUNT_UP(lane->done);
    if (unlikely(sk_has_lineage))
        return sk_lineage_seal(lane, t, out);
    unsigned i = 0;
    do
        sk_object_seal_with(lane, sk_task_outputs(t)[i], &out[i], NULL);
    while (unlikely(++i < n));
    return false;
}

SK_HOT void leave_frame(sk_lane *lane, sk_frame *frame, sk_task *t, bool kept)
{
    end_frame(lane, frame);
    lane->frame = frame->below;
    if (likely(!kept))
        bury(lane, t);
}

/* With options, cancelled, failed ... `out` and `why` as in end. */
__attribute__((noinline)) static void end_unusually(sk_lane *lane, sk_task *t, sk_outcome how,
                                                    unsigned cancel, sk_value *out, sk_failure *why)
{
    sk_frame *frame = lane->frame;
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    uint32_t generation = sk_generation_of(word);
    sk_extras *extras = t->extras;
    bool retry, kept = false;
    how = judge(t, cancel, how, out, &why, &retry);
    if ((how == SK_ENDED_CANCELLED || how == SK_ENDED_DIED ||
         sk_flags_of(word) & SK_FLAG_TIMED_OUT) &&
        !(cancel & SK_CANCEL_ONLY_THIS))
        sk_task_cancel_children(lane, frame);

    /* Resources first: who sees the result sees them free. */
    if (extras && extras->admitted)
        sk_admit_end(lane, extras);
    else
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) - 1,
                              relaxed);

    if (how == SK_ENDED_RESULT) {
        kept = give_result(lane, t, generation, out);
    } else if (retry) {
        sk_code code = why ? why->code : SK_WORKER_DIED;
        sk_failure_unref(why);
        SK_COUNT_UP(lane->retries);
        if (extras) /* the next attempt has its own time */
            sk_task_start_time(extras, SK_NEVER);
        end_frame(lane, frame);
        lane->frame = frame->below;
        if (!sk_task_make_ready(lane, t, sk_task_id(t), SK_TASK_RUNNING, code))
            bury(lane, t);
        return;
    } else {
        sk_task_state to = how == SK_ENDED_CANCELLED ? SK_TASK_CANCELLED : SK_TASK_FAILED;
        if (sk_task_change(lane, t, generation, SK_TASK_RUNNING, to, 0, 0, why->code)) {
            if (to == SK_TASK_CANCELLED)
                SK_COUNT_UP(lane->cancelled);
            else
                SK_COUNT_UP(lane->failed);
            sk_task_seal_all_failed(lane, sk_task_outputs(t), t->nreturns, why);
        } else {
            sk_failure_unref(why);
        }
    }
    leave_frame(lane, frame, t, kept);
}

/* The attempt in lane->frame is over; frame and record are gone after this (a retry keeps the record). `out` (nreturns values, taken over)
 * for a result; `why` (taken over) for an error. */
SK_HOT void end(sk_lane *lane, sk_frame *frame, sk_task *t, sk_outcome how, sk_value *out,
                sk_failure *why)
{
    uint32_t generation = sk_generation_of(atomic_load_explicit(&t->state, relaxed));
    unsigned cancel = sk_task_cancel_flags(t, generation);
    if (unlikely(how != SK_ENDED_RESULT || cancel || t->extras)) {
        end_unusually(lane, t, how, cancel, out, why);
        return;
    }
    atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) - 1,
                          relaxed);
    leave_frame(lane, frame, t, give_result(lane, t, generation, out));
}

/* ---- running ---- */

SK_COLD static sk_failure *refuse_argument(sk_task *t, unsigned i, const sk_value *value,
                                           unsigned want)
{
    char why[160];
    if (sk_value_fits(value, (sk_type)want, why, sizeof why))
        return NULL;
    return sk_failure_new(SK_TASK, t->site, NULL, "%s: argument %u %s", sk_task_name_of(t), i + 1,
                          why);
}

SK_COLD static sk_failure *lost_argument(sk_task *t, unsigned i)
{
    return sk_failure_new(SK_TASK, t->site,
                          sk_failure_ref(sk_object_failure(t->args[i].pending.object)),
                          "%s: argument %u failed", sk_task_name_of(t), i + 1);
}

/* Arguments as values, borrowed. NULL, or why the task cannot run (owned). */
SK_HOT sk_failure *gather(sk_task *t, sk_value *in)
{
    const sk_fn *fn = t->fn;
    sk_failure *why = NULL;
    for (unsigned i = 0, n = t->nargs; i < n && likely(!why); i++) {
        sk_slot *s = &t->args[i];
        if (sk_slot_is_pending(s)) {
            sk_value_copy(&in[i], &s->pending.object->value); /* READY: see sk_task_all_there */
            if (unlikely(sk_has_lineage) &&
                sk_object_state_of(s->pending.object) == SK_OBJECT_FAILED) /* lost since */
                return lost_argument(t, i);
        } else {
            sk_value_copy(&in[i], &s->value);
        }
        unsigned want = fn->arg_type[i];
        if (unlikely(in[i].type != want &&
                     !(want == SK_T_INT && in[i].type == SK_T_I64 && in[i].i64 == (int)in[i].i64)))
            why = refuse_argument(t, i, &in[i], want);
    }
    return why;
}

/* Answer i is a ref, or could not be boxed. */
SK_COLD static sk_failure *collect_unusual(sk_task *t, sk_value *out, unsigned i)
{
    const char *why = out[i].type == SK_T_BAD
                          ? out[i].why
                          : "is a ref that was never made, or used after sk_drop";
    if (out[i].type == SK_T_REF && sk_session_hold_contained(out[i].ref))
        return NULL;
    sk_failure *f =
        sk_failure_new(out[i].type == SK_T_BAD && strstr(why, "store") ? SK_STORE_FULL : SK_TASK,
                       t->site, NULL, "%s: answer %u: %s", sk_task_name_of(t), i + 1, why);
    for (unsigned j = 0; j < t->nreturns; j++)
        if (j < i && out[j].type == SK_T_REF)
            sk_session_release_contained(out[j].ref);
        else
            sk_value_clear(&out[j]);
    return f;
}

/* What came out: refs get a handle each, so that they outlive the frame; what could not be boxed is the task's failure. */
SK_HOT sk_failure *collect(sk_task *t, sk_value *out)
{
    sk_failure *why = NULL;
    for (unsigned i = 0, n = t->nreturns; i < n && likely(!why); i++)
        if (unlikely(out[i].type >= SK_T_REF))
            why = collect_unusual(t, out, i);
    return why;
}

SK_COLD static void start_alarm(sk_task *t, uint64_t name)
{
    sk_extras *e = t->extras;
    sk_task_start_time(e, e->timeout == SK_NEVER ? SK_NEVER : sk_session_now() + e->timeout);
    if (e->deadline != SK_NEVER && sk_session.backend->ops->alarm)
        sk_session.backend->ops->alarm((sk_backend *)sk_session.backend, e->deadline,
                                       (sk_task_name){ name });
}

static void end_dead(sk_lane *lane, sk_frame *frame, sk_outcome how, sk_value *out,
                     sk_failure *why);

bool sk_task_run(sk_task_name name, int worker) { return sk_task_run_at(name, 0, worker); }

bool sk_task_run_at(sk_task_name name, int node, int row)
{
    sk_task *t = sk_task_claim(sk_lane_self, name, node, &row);
    if (t)
        sk_task_run_claimed(sk_lane_self, t, name, node, row);
    return t != NULL;
}

void sk_task_run_claimed(sk_lane *lane, sk_task *t, sk_task_name name, int node, int row)
{
    sk_value in[SK_MAX_ARGS], out[SK_MAX_RETURNS];
    sk_frame frame;
    frame.worker = row;
    frame.node = node;
    frame.died = SK_ALIVE;
    frame.below = lane->frame;
    frame.task = t;
    frame.id = name.id;
    frame.seed = frame.random = t->seed;
    frame.submitted = 0;
    frame.handles = lane->nhandles;
    frame.scratch = lane->nscratch;
    frame.scopes = 0;
    frame.failure = NULL;
    frame.dups = NULL;
    frame.waiters = NULL;
    lane->frame = &frame;
    t->attempts++;
    SK_COUNT_UP(lane->attempts);
    if (unlikely(t->extras != NULL))
        start_alarm(t, name.id);

    sk_outcome how = SK_ENDED_RESULT;
    sk_failure *why = NULL;
    if (unlikely(atomic_load_explicit(&sk_cancellations, relaxed)) &&
        sk_task_is_cancelled(name.id)) {
        how = SK_ENDED_CANCELLED;
    } else if (unlikely((why = gather(t, in)))) {
        how = SK_ENDED_REFUSED;
    } else if (unlikely(unlikely(sk_has_cluster) && sk_session.backend->ops->run_body
                            ? call_body_elsewhere(&frame, t->fn, in, out)
                            : call_body(&frame, t->fn, in, out))) {
        how = frame.failure ? SK_ENDED_ERROR : SK_ENDED_CANCELLED;
        why = frame.failure;
    } else if (unlikely((why = collect(t, out)))) {
        how = SK_ENDED_ERROR;
    }
    if (unlikely(sk_has_cluster)) {
        sk_session.backend->ops->spend((sk_backend *)sk_session.backend, SK_OTHER, 0);
        if (unlikely(frame.died)) {
            end_dead(lane, &frame, how, out, why);
            return;
        }
    }
    if (unlikely(t->extras && t->extras->deadline != SK_NEVER && how != SK_ENDED_CANCELLED &&
                 sk_session_now() > t->extras->deadline)) {
        if (how == SK_ENDED_RESULT)
            sk_values_discard(out, t->nreturns);
        sk_failure_unref(why);
        why = NULL;
        how = SK_ENDED_TIME;
    }
    end(lane, &frame, t, how, out, why);
}

/* ---- an attempt's node is gone ---- */

void sk_task_died(sk_lane *lane, sk_strand *strand, sk_death death, sk_code code, const char *how, sk_charge charge)
{
    sk_frame *frame = strand->frame;
    sk_task *t = frame->task;
    bool is_known = frame->died;
    frame->died = (uint8_t)death;
    if (is_known)
        return;
    frame->buries = false;
    frame->next_dead = dead_frames;
    dead_frames = frame;
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    uint32_t generation = (uint32_t)(frame->id >> 32);
    sk_task_state state = sk_state_of(word);
    if (state != SK_TASK_RUNNING &&
        state != SK_TASK_BLOCKED) { /* its time was up before, and its refs have failed */
        frame->buries = true;
        return;
    }
    unsigned cancel = sk_task_cancel_flags(t, generation);
    sk_failure *why = NULL;
    bool retry;
    bool is_free = charge == SK_NOT_BEGUN || (charge == SK_TAKEN_AWAY && (!t->extras || t->extras->max_retries != 0));
    t->attempts -= is_free;
    g_autofree char *said = g_strconcat(how, is_free ? " (which does not count)" : "", NULL);
    sk_lineage_note_death(frame->id, code, said);
    sk_outcome end = judge(t, cancel, SK_ENDED_DIED, NULL, &why, &retry);
    if (!(cancel &
          SK_CANCEL_ONLY_THIS)) /* as in Ray: who submitted them is gone, and submits them again if it is tried again */
        sk_task_cancel_handles(lane, strand->handles + frame->handles,
                               strand->nhandles - frame->handles);
    if (state == SK_TASK_RUNNING)
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) - 1,
                              relaxed);
    if (t->extras) /* the next attempt has its own time */
        t->extras->deadline = SK_NEVER;
    if (retry) {
        SK_COUNT_UP(lane->retries);
        sk_task_make_ready(lane, t, frame->id, state, code);
        return;
    }
    sk_task_change(lane, t, generation, state,
                   end == SK_ENDED_CANCELLED ? SK_TASK_CANCELLED : SK_TASK_FAILED, 0, 0, why->code);
    if (end == SK_ENDED_CANCELLED)
        SK_COUNT_UP(lane->cancelled);
    else
        SK_COUNT_UP(lane->failed);
    sk_task_seal_all_failed(lane, sk_task_outputs(t), t->nreturns, why);
    bury(lane, t); /* that is, left to the frame */
}

/* Its stack has been left. What it brings is refused: the task has been decided on. */
static void end_dead(sk_lane *lane, sk_frame *frame, sk_outcome how, sk_value *out, sk_failure *why)
{
    sk_task *t = frame->task;
    if (how == SK_ENDED_RESULT)
        sk_values_discard(out, t->nreturns);
    sk_failure_unref(why);
    sk_frame_end(lane, frame);
    lane->frame = frame->below;
    sk_frame **at = &dead_frames;
    while (*at != frame)
        at = &(*at)->next_dead;
    *at = frame->next_dead;
    if (frame->buries)
        bury(lane, t);
}
