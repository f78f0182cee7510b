/* task.c -- see task.h. Reading order: records; moving; making ready; running; ending; cancelling. */
#include "task.h"

#include "admit.h"
#include "fn.h"
#include "lineage.h"
#include "session.h"
#include "turnstile.h"
#include "wait.h"

#include <glib.h>
#include <pthread.h>

sk_pool sk_task_pool, sk_big_task_pool;
_Atomic uint32_t sk_cancellations;

/* Guards the extras of a task against being freed while sk_task_alarm, which has only a name, looks at them. */
static pthread_mutex_t alarm_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- records ---- */

unsigned sk_task_cancel_flags(sk_task *t, uint32_t generation)
{
    uint64_t cancel = atomic_load_explicit(&t->cancel, seq_cst);
    return unlikely((cancel >> 32) == generation) ? (unsigned)cancel : 0;
}

const char *sk_task_name_of(const sk_task *t)
{
    return t->extras && t->extras->name ? t->extras->name : t->fn->name;
}

sk_task *sk_task_new(sk_lane *lane, unsigned nargs, unsigned nreturns)
{
    unsigned slots = nargs + (nreturns + 1) / 2;
    bool big = slots > SK_SMALL_ARGS;
    sk_task *t = big ? sk_pool_take(&sk_big_task_pool, &lane->big_tasks, 2) : sk_pool_take(&sk_task_pool, &lane->tasks, 2);
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    if (unlikely(word >> 32 == 0))                /* a fresh record */
        atomic_store_explicit(&t->state, (uint64_t)1 << 32, relaxed);
    t->big = big;
    t->nargs = (uint8_t)nargs;
    t->nreturns = (uint8_t)nreturns;
    t->attempts = 0;
    t->extras = NULL;
    return t;
}

SK_NO_TSAN void sk_task_fetch_outputs(uint64_t name)
{
    sk_task *t = sk_task_at(name);
    /* Of a stale task, any address: prefetching never faults. No helper is called: it would not be spared. */
    if (t->nreturns)
        __builtin_prefetch(*(sk_object **)&t->args[t->nargs], 1);
}

static void free_extras(sk_extras *e)
{
    free(e->name);
    free(e->resources);
    free(e);
}

/* Attempts whose node is gone, but whose stacks have not been left yet: their arguments must stay. With the turn. */
static sk_frame *dead_frames;

static bool is_left_to_a_dead_frame(sk_task *t)
{
    for (sk_frame *f = dead_frames; f; f = f->next_dead)
        if (f->task == t)
            return f->buries = true;
    return false;
}

/* It will not run (again): gives back arguments and record. Its outputs are sealed. */
static void bury(sk_lane *lane, sk_task *t)
{
    if (unlikely(dead_frames != NULL) && is_left_to_a_dead_frame(t))
        return;
    if (unlikely(sk_has_lineage) && sk_flags_of(atomic_load_explicit(&t->state, relaxed)) & SK_FLAG_KEPT)
        sk_lineage_unkeep(t);
    if (unlikely(sk_has_cluster))
        sk_lineage_forget_deaths(sk_task_id(t));
    for (unsigned i = 0; i < t->nargs; i++) {
        sk_slot *s = &t->args[i];
        if (sk_slot_is_pending(s))
            sk_object_unref(lane, s->pending.object, SK_HOLD);
        else if (s->value.type == SK_T_REF)
            sk_session_release_contained(s->value.ref);
        else
            sk_value_clear(&s->value);
    }
    uint64_t next = (atomic_load_explicit(&t->state, relaxed) >> 32) + 1;
    if (unlikely((uint32_t)next == 0))
        next = 1;
    sk_extras *extras = t->extras;
    if (unlikely(extras != NULL)) {
        pthread_mutex_lock(&alarm_lock);
        atomic_store_explicit(&t->state, next << 32, release);
        pthread_mutex_unlock(&alarm_lock);
        free_extras(extras);
    } else {
        atomic_store_explicit(&t->state, next << 32, release);    /* the name is stale from here on */
    }
    sk_keep_stores_apart();                       /* pairs with look_below in wait.c */
    if (t->big)
        sk_pool_give(&sk_big_task_pool, &lane->big_tasks, t);
    else
        sk_pool_give(&sk_task_pool, &lane->tasks, t);
}

void sk_task_bury_kept(sk_lane *lane, sk_task *t) { bury(lane, t); }

/* ---- moving ---- */

/* Out of line, so that the fast path keeps its registers. */
__attribute__((noinline, cold))
void sk_task_trace(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state from, sk_task_state to, uint64_t trace_word, uint64_t tick)
{
    bool has_word = to == SK_TASK_RUNNING || to == SK_TASK_FAILED || to == SK_TASK_CANCELLED || (to == SK_TASK_READY && from >= SK_TASK_RUNNING);
    uint32_t number = t->big ? sk_pool_number(&sk_big_task_pool, t) | SK_BIG_TASK : sk_pool_number(&sk_task_pool, t);
    uint64_t *w = sk_trace_record_at(lane->trace, tick ? tick : sk_trace_tick(), SK_TRACE_TASK, from << 4 | to, 1 + has_word);
    w[0] = (uint64_t)generation << 32 | number;
    if (has_word)
        w[1] = trace_word;
    sk_trace_done(lane->trace);
}

bool sk_task_move(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state from, sk_task_state to, uint64_t trace_word)
{
    return sk_task_change(lane, t, generation, from, to, 0, 0, trace_word);
}

/* ---- making ready ---- */

static bool never(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state to, sk_code code, const char *text,
                  sk_failure *cause, bool last_link);

/* From WAITING, NONE or (a retry; `why`: what its last attempt came to) RUNNING or BLOCKED to READY, and on to who runs it. false: it was cancelled. */
static bool make_ready(sk_lane *lane, sk_task *t, uint64_t name, sk_task_state from, sk_code why)
{
    bool unusual = t->extras && t->extras->unusual && !sk_has_cluster;         /* after the move t may be somebody else's */
    if (!sk_task_change(lane, t, (uint32_t)(name >> 32), from, SK_TASK_READY, unusual ? SK_FLAG_QUEUED : 0, SK_FLAG_ADMITTED | SK_FLAG_ROWS, why))
        return false;
    if (unlikely(unusual))
        sk_admit(lane, t, name);
    else
        sk_session.backend->ops->ready((sk_backend *)sk_session.backend, (sk_task_name){ name });
    return true;
}

/* Failing a task fails those that wait for it, and so on: a loop, so that a long chain does not eat the stack. */
static void fail_for_argument(sk_lane *lane, sk_task *t, unsigned argument)
{
    t->seed = (uint64_t)(uintptr_t)lane->failing;              /* the task will not run: its seed is free for a link */
    t->attempts = (uint8_t)argument;
    lane->failing = t;
    if (lane->is_failing)
        return;
    lane->is_failing = true;
    while ((t = lane->failing)) {
        lane->failing = (sk_task *)(uintptr_t)t->seed;
        char text[40];
        snprintf(text, sizeof text, "argument %u failed", t->attempts + 1u);
        sk_failure *cause = sk_failure_ref(sk_object_failure(t->args[t->attempts].pending.object));
        if (!never(lane, t, sk_generation_of(atomic_load_explicit(&t->state, relaxed)), SK_TASK_FAILED, SK_TASK, text, cause, true))
            sk_task_bury_cancelled(lane, t);
    }
    lane->is_failing = false;
}

void sk_task_all_there(sk_lane *lane, sk_task *t)
{
    for (unsigned i = 0; i < t->nargs; i++) {
        sk_slot *s = &t->args[i];
        if (unlikely(sk_slot_is_pending(s) && sk_object_state_of(s->pending.object) == SK_OBJECT_FAILED)) {
            fail_for_argument(lane, t, i);
            return;
        }
    }
    if (!make_ready(lane, t, sk_task_id(t), SK_TASK_WAITING, SK_OK))
        sk_task_bury_cancelled(lane, t);          /* while it waited; this was the last link to it */
}

void sk_task_submitted(sk_lane *lane, sk_task *t, uint64_t name)
{
    make_ready(lane, t, name, SK_TASK_NONE, SK_OK);
}

bool sk_task_is_ready(sk_task_name task)
{
    sk_task *t = sk_task_at(task.id);
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    return sk_generation_of(word) == (uint32_t)(task.id >> 32) && sk_state_of(word) == SK_TASK_READY
           && !(sk_flags_of(word) & SK_FLAG_QUEUED);
}

bool sk_task_brings_cpus(sk_task_name task)
{
    uint64_t word = atomic_load_explicit(&sk_task_at(task.id)->state, relaxed);
    return sk_generation_of(word) == (uint32_t)(task.id >> 32) && (sk_flags_of(word) & SK_FLAG_ADMITTED);
}

/* ---- running ---- */

__attribute__((noinline)) static int call_body(sk_frame *frame, const sk_fn *fn, const sk_value *in, sk_value *out)
{
    if (sk_jump_set(frame->jump))                 /* sk_fail, or a wait that ends the task, comes back here */
        return 1;
    fn->run(in, out);
    return 0;
}

bool sk_frame_run(sk_frame *frame, const sk_fn *fn, const sk_value *in, sk_value *out) { return !call_body(frame, fn, in, out); }

/* The same where bodies run elsewhere. What comes back by a jump is a call that the body has made, and that has ended the task. */
__attribute__((noinline)) static int call_body_elsewhere(sk_frame *frame, const sk_fn *fn, const sk_value *in, sk_value *out)
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

/* Arguments as values, borrowed. NULL, or why the task cannot run (owned). */
static sk_failure *gather(sk_task *t, sk_value *in)
{
    char why[160];
    for (unsigned i = 0; i < t->nargs; i++) {
        sk_slot *s = &t->args[i];
        if (sk_slot_is_pending(s)) {
            in[i] = s->pending.object->value;     /* READY: see sk_task_all_there */
            if (unlikely(sk_has_lineage) && sk_object_state_of(s->pending.object) == SK_OBJECT_FAILED)      /* lost since */
                return sk_failure_new(SK_TASK, t->site, sk_failure_ref(sk_object_failure(s->pending.object)), "%s: argument %u failed",
                                      sk_task_name_of(t), i + 1);
        } else {
            in[i] = s->value;
        }
        unsigned want = t->fn->arg_type[i];
        if (likely(in[i].type == want || (want == SK_T_INT && in[i].type == SK_T_I64 && in[i].i64 == (int)in[i].i64)))
            continue;
        if (unlikely(!sk_value_fits(&in[i], (sk_type)want, why, sizeof why)))
            return sk_failure_new(SK_TASK, t->site, NULL, "%s: argument %u %s", sk_task_name_of(t), i + 1, why);
    }
    return NULL;
}

/* What came out: refs get a handle each, so that they outlive the frame; what could not be boxed is the task's failure. */
static sk_failure *collect(sk_task *t, sk_value *out)
{
    for (unsigned i = 0; i < t->nreturns; i++) {
        if (likely(out[i].type < SK_T_STR) || sk_type_has_blob(out[i].type))
            continue;
        const char *why = out[i].type == SK_T_BAD ? out[i].why : "is a ref that was never made, or used after sk_drop";
        if (out[i].type == SK_T_REF && sk_session_hold_contained(out[i].ref))
            continue;
        sk_failure *f = sk_failure_new(out[i].type == SK_T_BAD && strstr(why, "store") ? SK_STORE_FULL : SK_TASK, t->site, NULL,
                                       "%s: answer %u: %s", sk_task_name_of(t), i + 1, why);
        for (unsigned j = 0; j < t->nreturns; j++)
            if (j < i && out[j].type == SK_T_REF)
                sk_session_release_contained(out[j].ref);
            else
                sk_value_clear(&out[j]);
        return f;
    }
    return NULL;
}

static void start_alarm(sk_task *t, uint64_t name)
{
    sk_extras *e = t->extras;
    pthread_mutex_lock(&alarm_lock);              /* an alarm of an attempt before may be looking */
    e->deadline = e->timeout == SK_NEVER ? SK_NEVER : sk_session_now() + e->timeout;
    pthread_mutex_unlock(&alarm_lock);
    if (e->deadline != SK_NEVER && sk_session.backend->ops->alarm)
        sk_session.backend->ops->alarm((sk_backend *)sk_session.backend, e->deadline, (sk_task_name){ name });
}

static void end_dead(sk_lane *lane, sk_frame *frame, sk_outcome how, sk_value *out, sk_failure *why);

bool sk_task_run(sk_task_name name, int worker) { return sk_task_run_at(name, 0, worker); }

bool sk_task_run_at(sk_task_name name, int node, int worker)
{
    sk_lane *lane = sk_lane_self;
    sk_task *t = sk_task_at(name.id);
    uint32_t generation = (uint32_t)(name.id >> 32);
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    if (sk_generation_of(word) != generation || sk_state_of(word) != SK_TASK_READY)
        return false;
    bool admitted = sk_flags_of(word) & SK_FLAG_ADMITTED;
    sk_frame frame;
    frame.worker = unlikely(admitted) ? (int)(sk_flags_of(word) >> SK_FLAG_ROW_SHIFT) : worker;
    frame.node = node;
    frame.died = SK_ALIVE;
    bool by_step = sk_turnstile_pass();
    if (!sk_task_change(lane, t, generation, SK_TASK_READY, SK_TASK_RUNNING, 0, 0, sk_frame_place(&frame))) {
        if (unlikely(by_step))                    /* it was cancelled meanwhile: the step is another one's */
            sk_turnstile_step(1);
        return false;
    }
    if (likely(!admitted))
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) + 1, relaxed);

    sk_value in[SK_MAX_ARGS], out[SK_MAX_RETURNS];
    frame.below = lane->frame;
    frame.task = t;
    frame.id = name.id;
    frame.seed = t->seed;
    frame.random = t->seed;
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
    if (unlikely(atomic_load_explicit(&sk_cancellations, relaxed)) && sk_task_is_cancelled(name.id)) {
        how = SK_ENDED_CANCELLED;
    } else if (unlikely((why = gather(t, in)))) {
        how = SK_ENDED_REFUSED;
    } else if (unlikely(sk_has_cluster && sk_session.backend->ops->run_body ? call_body_elsewhere(&frame, t->fn, in, out)
                                                                             : call_body(&frame, t->fn, in, out))) {
        how = frame.failure ? SK_ENDED_ERROR : SK_ENDED_CANCELLED;
        why = frame.failure;
    } else if (unlikely((why = collect(t, out)))) {
        how = SK_ENDED_ERROR;
    }
    if (unlikely(sk_has_cluster))
        sk_session.backend->ops->spend((sk_backend *)sk_session.backend, SK_OTHER, 0);
    if (unlikely(frame.died)) {
        end_dead(lane, &frame, how, out, why);
        return true;
    }
    if (unlikely(t->extras && t->extras->deadline != SK_NEVER && how != SK_ENDED_CANCELLED && sk_session_now() > t->extras->deadline)) {
        if (how == SK_ENDED_RESULT)
            sk_values_discard(out, t->nreturns);
        sk_failure_unref(why);
        why = NULL;
        how = SK_ENDED_TIME;
    }
    sk_task_end(lane, t, how, out, why);
    return true;
}

/* Drops what the frame made and what it duplicated. */
void sk_frame_end(sk_lane *lane, sk_frame *frame)
{
    if (unlikely(frame->waiters != NULL))
        sk_waiter_free_all(frame);
    while (lane->nhandles > frame->handles) {
        uint64_t id = lane->handles[--lane->nhandles];
        sk_object *o = sk_pool_at(&sk_object_pool, (uint32_t)id);
        uint8_t flags;
        uint16_t dups;
        if (!sk_object_is_still_owned(o, id, &flags, &dups))
            continue;
        if (unlikely(dups)) {
            atomic_store_explicit(&o->dups, 0, relaxed);
            for (unsigned n = dups - !(flags & SK_MADE); n > 0; n--)
                sk_object_unref(lane, o, SK_HANDLE);
        }
        atomic_store_explicit(&o->flags, flags & ~SK_MADE, relaxed);
        sk_object_unref(lane, o, SK_HANDLE);      /* the last one: o may be gone */
    }
    if (unlikely(lane->nscratch > frame->scratch))
        sk_lane_drop_scratch(lane, frame->scratch);
    if (unlikely(frame->dups != NULL)) {
        GHashTableIter it;
        gpointer key, value;
        g_hash_table_iter_init(&it, frame->dups);
        while (g_hash_table_iter_next(&it, &key, &value))
            for (size_t n = GPOINTER_TO_SIZE(value); n > 0; n--)
                sk_session_release_contained((sk_ref){ (uint64_t)(uintptr_t)key });
        g_hash_table_destroy(frame->dups);
        frame->dups = NULL;
    }
}

/* ---- ending ---- */

void sk_values_discard(sk_value *values, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (values[i].type == SK_T_REF)
            sk_session_release_contained(values[i].ref);
        else
            sk_value_clear(&values[i]);
}

/* Of a task that runs for the second time, those that are open: the others were not lost, or have been freed. */
static void seal_all_failed(sk_lane *lane, sk_object **outputs, unsigned n, sk_failure *why)
{
    for (unsigned i = 0; i < n; i++)
        if (likely(outputs[i] && sk_object_state_of(outputs[i]) == SK_OBJECT_PENDING))
            sk_object_seal(lane, outputs[i], (sk_value){ 0 }, sk_failure_ref(why));
    sk_failure_unref(why);
}

static sk_failure *timed_out(sk_task *t)
{
    return sk_failure_new(SK_TASK_TIMEOUT, t->site, NULL, "%s: ran longer than its timeout_s of %g s", sk_task_name_of(t),
                          (double)t->extras->timeout / 1e9);
}

static sk_failure *died(sk_task *t)
{
    sk_code code;
    const char *how = sk_lineage_deaths(sk_task_id(t), &code);
    return sk_failure_new(code, t->site, NULL, "%s: %s %s %u (max_retries is %d)%s%s", sk_task_name_of(t),
                          code == SK_WORKER_OOM ? "ran out of memory" : "died", t->attempts == 1 ? "in its only attempt," : "in its last attempt,", t->attempts,
                          t->extras ? t->extras->max_retries : SK_DEFAULT_RETRIES, how ? ": " : "", how ? how : "");
}

/* An attempt has ended like this: result, retry, failure or cancellation is decided here and nowhere else. *out and *why are those of
 * sk_task_end, and are dropped where they do not count; *why is made where there is none. */
static inline sk_outcome judge(sk_task *t, unsigned cancel, sk_outcome how, sk_value *out, sk_failure **why, bool *retry)
{
    if (unlikely(cancel)) {
        if (how == SK_ENDED_RESULT)
            sk_values_discard(out, t->nreturns);
        sk_failure_unref(*why);
        *why = NULL;
        how = SK_ENDED_CANCELLED;
    }
    *retry = (how == SK_ENDED_DIED || (how == SK_ENDED_ERROR && t->extras && t->extras->retry_errors))
             && t->attempts <= (t->extras ? t->extras->max_retries : SK_DEFAULT_RETRIES);
    if (unlikely(how == SK_ENDED_CANCELLED))
        *why = sk_failure_new(SK_CANCELLED, t->site, NULL, "%s: cancelled", sk_task_name_of(t));
    else if (unlikely(how == SK_ENDED_TIME))
        *why = timed_out(t);
    else if (unlikely(how == SK_ENDED_DIED && !*retry && !*why))
        *why = died(t);
    return how;
}

/* The attempt that runs in lane->frame is over. */
void sk_task_end(sk_lane *lane, sk_task *t, sk_outcome how, sk_value *out, sk_failure *why)
{
    sk_frame *frame = lane->frame;
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    uint32_t generation = sk_generation_of(word);
    unsigned flags = sk_flags_of(word);
    sk_extras *extras = t->extras;
    unsigned cancel = sk_task_cancel_flags(t, generation);
    bool retry, kept = false;
    how = judge(t, cancel, how, out, &why, &retry);
    if (unlikely(how == SK_ENDED_CANCELLED || how == SK_ENDED_DIED || flags & SK_FLAG_TIMED_OUT) && !(cancel & SK_CANCEL_ONLY_THIS))
        sk_task_cancel_children(lane, frame);

    /* Resources first: who sees the result sees them free. */
    if (unlikely(extras && extras->admitted))
        sk_admit_end(lane, extras);
    else
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) - 1, relaxed);

    if (likely(how == SK_ENDED_RESULT)) {
        if (likely(sk_task_change(lane, t, generation, SK_TASK_RUNNING, SK_TASK_DONE, 0, 0, 0))) {
            SK_COUNT_UP(lane->done);
            if (unlikely(sk_has_lineage))
                kept = sk_lineage_seal(lane, t, out);
            else for (unsigned i = 0; i < t->nreturns; i++)
                sk_object_seal(lane, sk_task_outputs(t)[i], out[i], NULL);
        } else {
            sk_values_discard(out, t->nreturns);  /* its time was up; the refs have failed */
        }
    } else if (retry) {
        sk_code code = why ? why->code : SK_WORKER_DIED;
        sk_failure_unref(why);
        SK_COUNT_UP(lane->retries);
        if (extras) {                             /* the next attempt has its own time */
            pthread_mutex_lock(&alarm_lock);
            extras->deadline = SK_NEVER;
            pthread_mutex_unlock(&alarm_lock);
        }
        sk_frame_end(lane, frame);
        lane->frame = frame->below;
        if (!make_ready(lane, t, sk_task_id(t), SK_TASK_RUNNING, code))
            bury(lane, t);
        return;
    } else {
        sk_task_state to = how == SK_ENDED_CANCELLED ? SK_TASK_CANCELLED : SK_TASK_FAILED;
        if (sk_task_change(lane, t, generation, SK_TASK_RUNNING, to, 0, 0, why->code)) {
            if (to == SK_TASK_CANCELLED)
                SK_COUNT_UP(lane->cancelled);
            else
                SK_COUNT_UP(lane->failed);
            seal_all_failed(lane, sk_task_outputs(t), t->nreturns, why);
        } else {
            sk_failure_unref(why);
        }
    }
    sk_frame_end(lane, frame);
    lane->frame = frame->below;
    if (likely(!kept))
        bury(lane, t);
}

/* ---- an attempt's node is gone ---- */

static void cancel_handles(sk_lane *lane, const uint64_t *handles, size_t n);

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
    if (state != SK_TASK_RUNNING && state != SK_TASK_BLOCKED) {        /* its time was up before, and its refs have failed */
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
    if (!(cancel & SK_CANCEL_ONLY_THIS))          /* as in Ray: who submitted them is gone, and submits them again if it is tried again */
        cancel_handles(lane, strand->handles + frame->handles, strand->nhandles - frame->handles);
    if (state == SK_TASK_RUNNING)
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) - 1, relaxed);
    if (t->extras)                                /* the next attempt has its own time */
        t->extras->deadline = SK_NEVER;
    if (retry) {
        SK_COUNT_UP(lane->retries);
        make_ready(lane, t, frame->id, state, code);
        return;
    }
    sk_task_change(lane, t, generation, state, end == SK_ENDED_CANCELLED ? SK_TASK_CANCELLED : SK_TASK_FAILED, 0, 0, why->code);
    if (end == SK_ENDED_CANCELLED)
        SK_COUNT_UP(lane->cancelled);
    else
        SK_COUNT_UP(lane->failed);
    seal_all_failed(lane, sk_task_outputs(t), t->nreturns, why);
    bury(lane, t);                                /* that is, left to the frame */
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

/* Two have to do with a cancelled record: who cancels it, until its refs have failed, and who holds the last link to it. The
 * second to be done buries it. (Nobody may wait for the other: both may be one thread, as when a failing ref frees the list that
 * held a promise's last handle, and the promise's failure counts down this very task.) */
static void part_with(sk_lane *lane, sk_task *t, unsigned mine, unsigned others)
{
    if (sk_flags_of(atomic_fetch_or_explicit(&t->state, (uint64_t)mine << 8, acq_rel)) & others)
        bury(lane, t);
}

/* From NONE, WAITING or READY straight to the end. */
static bool never(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state to, sk_code code, const char *text,
                  sk_failure *cause, bool last_link)
{
    uint64_t word;
    sk_task_state from;
    do {
        word = atomic_load_explicit(&t->state, relaxed);
        from = sk_state_of(word);
        if (sk_generation_of(word) != generation || from > SK_TASK_READY) {
            sk_failure_unref(cause);
            return false;
        }
    } while (!sk_task_change(lane, t, generation, from, to, 0, 0, code));
    word = atomic_load_explicit(&t->state, relaxed);          /* the flags may have changed before the move */
    if (unlikely(sk_has_cluster) && from == SK_TASK_READY)
        sk_session.backend->ops->forget((sk_backend *)sk_session.backend, (sk_task_name){ sk_task_id(t) });
    bool queued = sk_flags_of(word) & SK_FLAG_QUEUED, admitted = sk_flags_of(word) & SK_FLAG_ADMITTED;
    bool ours = from != SK_TASK_WAITING || last_link;         /* else links lead to it; the last to fire buries it */
    if (queued && !sk_admit_remove(t->extras))
        ours = false;
    if (admitted)
        sk_admit_end(lane, t->extras);
    if (to == SK_TASK_CANCELLED)
        SK_COUNT_UP(lane->cancelled);
    else
        SK_COUNT_UP(lane->failed);
    seal_all_failed(lane, sk_task_outputs(t), t->nreturns, sk_failure_new(code, t->site, cause, "%s: %s", sk_task_name_of(t), text));
    if (ours)
        bury(lane, t);
    else
        part_with(lane, t, SK_FLAG_SEALED, SK_FLAG_LET_GO);
    return true;
}

bool sk_task_never(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state to, sk_code code, const char *text)
{
    return never(lane, t, generation, to, code, text, NULL, false);
}

void sk_task_bury_cancelled(sk_lane *lane, sk_task *t)
{
    part_with(lane, t, SK_FLAG_LET_GO, SK_FLAG_SEALED);
}

/* The task's time may be up. Its body may be running still: it is fenced off, its result will be refused. */
void sk_task_alarm(sk_task_name name)
{
    sk_lane *lane = sk_lane_get("sk_task_alarm", NULL);
    sk_task *t = sk_task_at(name.id);
    uint32_t generation = (uint32_t)(name.id >> 32);
    sk_object *outputs[SK_MAX_RETURNS];
    sk_failure *why = NULL;
    int64_t again = 0;
    unsigned n = 0;
    pthread_mutex_lock(&alarm_lock);
    uint64_t word = atomic_load_explicit(&t->state, acquire);
    sk_task_state state = sk_state_of(word);
    if (sk_generation_of(word) == generation && (state == SK_TASK_RUNNING || state == SK_TASK_BLOCKED)) {
        if (t->extras->deadline > sk_session_now()) {
            again = t->extras->deadline;         /* SK_NEVER: it has just begun, and will set an alarm */
        } else {
            why = timed_out(t);
            n = t->nreturns;
            memcpy(outputs, sk_task_outputs(t), n * sizeof *outputs);
            while (!sk_task_change(lane, t, generation, state, SK_TASK_FAILED, SK_FLAG_TIMED_OUT, 0, SK_TASK_TIMEOUT)) {
                word = atomic_load_explicit(&t->state, acquire);
                state = sk_state_of(word);
                if (sk_generation_of(word) != generation || (state != SK_TASK_RUNNING && state != SK_TASK_BLOCKED)) {
                    n = 0;
                    break;
                }
            }
        }
    }
    pthread_mutex_unlock(&alarm_lock);
    if (n) {
        atomic_fetch_add_explicit(&sk_cancellations, 1, relaxed);
        SK_COUNT_UP(lane->failed);
        seal_all_failed(lane, outputs, n, why);
        sk_session_wake_all();                    /* its own wait, and those of its children, end */
    } else {
        sk_failure_unref(why);
        if (again && again != SK_NEVER && sk_session.backend->ops->alarm)
            sk_session.backend->ops->alarm((sk_backend *)sk_session.backend, again, name);
    }
}

/* ---- cancelling ---- */

bool sk_task_is_cancelled(uint64_t name)
{
    bool self = true;
    while (name) {
        sk_task *t = sk_task_at(name);
        uint64_t word = atomic_load_explicit(&t->state, acquire);
        if (sk_generation_of(word) != (uint32_t)(name >> 32))
            return false;                         /* an ancestor that has ended */
        unsigned cancel = sk_task_cancel_flags(t, (uint32_t)(name >> 32));
        if (sk_flags_of(word) & SK_FLAG_TIMED_OUT || (cancel && (self || !(cancel & SK_CANCEL_ONLY_THIS))))
            return true;
        uint64_t parent = atomic_load_explicit(&t->parent, acquire);
        if (sk_generation_of(atomic_load_explicit(&t->state, relaxed)) != (uint32_t)(name >> 32))
            return false;
        name = parent;
        self = false;
    }
    return false;
}

void sk_task_cancel(sk_lane *lane, uint64_t name, int flags)
{
    sk_task *t = sk_task_at(name);
    uint32_t generation = (uint32_t)(name >> 32);
    uint64_t request = (uint64_t)generation << 32 | SK_CANCEL_REQUESTED | (flags & SK_ONLY_THIS ? SK_CANCEL_ONLY_THIS : 0);
    atomic_fetch_add_explicit(&sk_cancellations, 1, relaxed);
    for (;;) {
        uint64_t word = atomic_load_explicit(&t->state, acquire);
        sk_task_state state = sk_state_of(word);
        if (sk_generation_of(word) != generation || state >= SK_TASK_DONE)
            return;
        if (state <= SK_TASK_READY) {
            if (sk_task_never(lane, t, generation, SK_TASK_CANCELLED, SK_CANCELLED, "cancelled before it ran"))
                return;
        } else {
            /* If the task has ended meanwhile, the request says nothing to the next one in this record ... unless that one's own
             * has just been made: hence the exchange only of what is older. */
            uint64_t old = atomic_load_explicit(&t->cancel, relaxed);
            do
                if ((old >> 32) > generation)
                    return;
            while (!atomic_compare_exchange_weak_explicit(&t->cancel, &old, request, seq_cst, relaxed));
            if (flags & SK_FORCE && sk_session.backend->ops->kill)
                sk_session.backend->ops->kill((sk_backend *)sk_session.backend, (sk_task_name){ name });
            sk_session_wake_all();
            return;
        }
    }
}

static void cancel_handles(sk_lane *lane, const uint64_t *handles, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t id = handles[i];
        sk_object *o = sk_pool_at(&sk_object_pool, (uint32_t)id);
        uint8_t flags;
        uint16_t dups;
        if (sk_object_is_still_owned(o, id, &flags, &dups) && o->producer && !sk_object_is_sealed(o))
            sk_task_cancel(lane, o->producer, 0);
    }
}

void sk_task_cancel_children(sk_lane *lane, sk_frame *frame)
{
    cancel_handles(lane, lane->handles + frame->handles, lane->nhandles - frame->handles);
}
