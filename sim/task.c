/* task.c -- see task.h. Reading order: records; moving; making ready; never; alarms; cancelling. Running and ending: attempt.c. */
#include "task.h"

#include "admit.h"
#include "fn.h"
#include "session.h"
#include "wait.h"

#include <glib.h>
#include <pthread.h>

sk_pool sk_task_pool, sk_big_task_pool;
_Atomic uint32_t sk_cancellations;

/* Guards the extras of a task against being freed while sk_task_alarm, which has only a name, looks at them. */
static pthread_mutex_t alarm_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- records ---- */

const char *sk_task_name_of(const sk_task *t)
{
    return t->extras && t->extras->name ? t->extras->name : t->fn->name;
}

SK_NO_TSAN void sk_task_fetch_outputs(uint64_t name)
{
    sk_task *t = sk_task_at(name);
    /* Of a stale task, any address: prefetching never faults. No helper is called: it would not be spared. */
    unsigned n = t->nargs;
    if (t->nreturns)
        __builtin_prefetch(*(sk_object **)&t->args[n], 1);
    for (unsigned i = 0; i < n; i++)
        if ((*(uint64_t *)&t->args[i].pending.next & 0xff) == SK_T_PENDING)
            __builtin_prefetch(t->args[i].pending.object, 1);
}

void sk_task_free_extras(sk_task *t, uint64_t stale)
{
    sk_extras *e = t->extras;
    pthread_mutex_lock(&alarm_lock);
    atomic_store_explicit(&t->state, stale, release);
    pthread_mutex_unlock(&alarm_lock);
    free(e->name);
    free(e->resources);
    free(e);
}

/* ---- moving ---- */

/* Out of line, so that the fast path keeps its registers. */
SK_COLD void sk_task_trace(sk_lane *lane, sk_task *t, uint32_t generation,
                                                   sk_task_state from, sk_task_state to,
                                                   uint64_t trace_word, uint64_t tick)
{
    bool has_word = to == SK_TASK_RUNNING || to == SK_TASK_FAILED || to == SK_TASK_CANCELLED ||
                    (to == SK_TASK_READY && from >= SK_TASK_RUNNING);
    uint32_t number = sk_task_number(t);
    uint64_t *w = sk_trace_record_at(lane->trace, tick ? tick : sk_trace_tick(), SK_TRACE_TASK,
                                     from << 4 | to, 1 + has_word);
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
    if (!sk_task_make_ready(lane, t, sk_task_id(t), SK_TASK_WAITING, SK_OK))
        sk_task_bury_cancelled(lane, t); /* while it waited; this was the last link to it */
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

/* ---- never ---- */

/* Of a task that runs for the second time, those that are open: the others were not lost, or have been freed. */
void sk_task_seal_all_failed(sk_lane *lane, sk_object **outputs, unsigned n, sk_failure *why)
{
    for (unsigned i = 0; i < n; i++)
        if (likely(outputs[i] && sk_object_state_of(outputs[i]) == SK_OBJECT_PENDING))
            sk_object_seal(lane, outputs[i], (sk_value){ 0 }, sk_failure_ref(why));
    sk_failure_unref(why);
}

/* Two have to do with a cancelled record: who cancels it, until its refs have failed, and who holds the last link to it. The
 * second to be done buries it. (Nobody may wait for the other: both may be one thread, as when a failing ref frees the list that
 * held a promise's last handle, and the promise's failure counts down this very task.) */
static void part_with(sk_lane *lane, sk_task *t, unsigned mine, unsigned others)
{
    if (sk_flags_of(atomic_fetch_or_explicit(&t->state, (uint64_t)mine << 8, acq_rel)) & others)
        sk_task_bury(lane, t);
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
    sk_task_seal_all_failed(
        lane, sk_task_outputs(t), t->nreturns,
        sk_failure_new(code, t->site, cause, "%s: %s", sk_task_name_of(t), text));
    if (ours)
        sk_task_bury(lane, t);
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

/* ---- alarms ---- */

sk_failure *sk_task_timed_out(sk_task *t)
{
    return sk_failure_new(SK_TASK_TIMEOUT, t->site, NULL,
                          "%s: ran longer than its timeout_s of %g s", sk_task_name_of(t),
                          (double)t->extras->timeout / 1e9);
}

void sk_task_start_time(sk_extras *e, int64_t deadline)
{
    pthread_mutex_lock(&alarm_lock);
    e->deadline = deadline;
    pthread_mutex_unlock(&alarm_lock);
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
            why = sk_task_timed_out(t);
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
        sk_task_seal_all_failed(lane, outputs, n, why);
        sk_session_wake_all(); /* its own wait, and those of its children, end */
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

void sk_task_cancel_handles(sk_lane *lane, const uint64_t *handles, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t id = handles[i];
        sk_object *o = sk_object_at((uint32_t)id);
        uint8_t flags;
        uint16_t dups;
        if (sk_object_is_still_owned(o, id, &flags, &dups) && o->producer && !sk_object_is_sealed(o))
            sk_task_cancel(lane, o->producer, 0);
    }
}

void sk_task_cancel_children(sk_lane *lane, sk_frame *frame)
{
    sk_task_cancel_handles(lane, lane->handles + frame->handles, lane->nhandles - frame->handles);
}
