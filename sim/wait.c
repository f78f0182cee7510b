/* wait.c -- see wait.h. */
#include "wait.h"

#include <string.h>

#include "session.h"

void sk_wait_start(sk_lane *lane, sk_wait *wait, sk_link *links, size_t n, int64_t need, bool stop_on_failure)
{
    wait->links = links;
    wait->nlinks = n;
    wait->linked = 0;
    wait->stop_on_failure = stop_on_failure;
    wait->needs_all = !wait->collects && (need == (int64_t)n && (!stop_on_failure || n == 1));
    wait->looked_at = wait->told = 0;
    wait->is_deep = false;
    wait->deadline = SK_NEVER;
    wait->below = NULL;
    wait->path = NULL;
    wait->npath = wait->path_capacity = 0;
    wait->message = NULL;
    wait->task = lane->frame->id;
    atomic_store_explicit(&wait->code, SK_OK, relaxed);
    atomic_store_explicit(&wait->fired, 0, relaxed);
    atomic_store_explicit(&wait->failed, 0, relaxed);
    atomic_store_explicit(&wait->thread, lane->thread, relaxed);
    atomic_store_explicit(&wait->done, NULL, relaxed);
    atomic_store_explicit(&wait->need, need, relaxed);
    for (size_t i = 0; i < n; i++) {
        sk_link *link = &links[i];
        link->wait = wait;
        link->index = i;
        wait->linked++;
        sk_object_ref(link->object, SK_HOLD);     /* stays while the link may be on its list */
        if (!sk_object_add_waiter(link->object, (uint64_t)(uintptr_t)link | SK_LINK_WAIT, &link->next))
            sk_wait_fire(link, sk_object_state_of(link->object) == SK_OBJECT_FAILED);
        if (atomic_load_explicit(&wait->need, relaxed) <= 0 && !wait->collects) {
            for (size_t j = i + 1; j < n; j++)
                links[j].wait = NULL;             /* never linked */
            break;
        }
    }
}

void sk_wait_fire(sk_link *link, bool failed)
{
    sk_wait *wait = link->wait;
    void *thread = atomic_load_explicit(&wait->thread, relaxed);
    bool over;
    if (wait->collects) {
        sk_link *head = atomic_load_explicit(&wait->done, relaxed);
        do
            link->next = (uint64_t)(uintptr_t)head;
        while (!atomic_compare_exchange_weak_explicit(&wait->done, &head, link, seq_cst, relaxed));   /* pairs with next()'s exchange */
        thread = atomic_load_explicit(&wait->thread, seq_cst);
        over = true;
    } else if (failed && wait->stop_on_failure) {
        uint64_t none = 0;
        atomic_compare_exchange_strong_explicit(&wait->failed, &none, link->index + 1, release, relaxed);
        over = atomic_exchange_explicit(&wait->need, 0, seq_cst) > 0;
    } else {
        over = atomic_fetch_sub_explicit(&wait->need, 1, seq_cst) == 1;      /* before the look at who sleeps: pairs with sk_wait_over */
    }
    atomic_fetch_add_explicit(&wait->fired, 1, release);          /* the last touch: pairs with sk_wait_finish */
    if (over && sk_session.backend->ops->wake)
        sk_session.backend->ops->wake((sk_backend *)sk_session.backend, thread);
}

void sk_wait_finish(sk_wait *wait)
{
    uint32_t out = 0;
    if (atomic_load_explicit(&wait->fired, acquire) != wait->linked) {
        for (size_t i = 0; i < wait->linked; i++)
            out += sk_object_remove_waiter(wait->links[i].object, &wait->links[i]);
        while (atomic_load_explicit(&wait->fired, acquire) != wait->linked - out)
            sk_pause();                           /* a few instructions of another thread */
    }
    for (size_t i = 0; i < wait->linked; i++)
        sk_object_unref(sk_lane_self, wait->links[i].object, SK_HOLD);
    free(wait->path);
    free(wait->message);
    wait->path = NULL;
    wait->message = NULL;
}

/* A timeout of the API in nanoseconds of the backend's clock. */
int64_t sk_wait_deadline_from(double timeout_s)
{
    if (timeout_s >= 9e8)
        return SK_NEVER;
    return sk_session_now() + sk_ns_of(timeout_s);
}

/* ---- blocking ---- */

void sk_wait_trace_begin(sk_lane *lane, sk_site *site, sk_trace_wait how, int64_t need,
                         size_t given, uint64_t object)
{
    uint64_t at = (uint64_t)sk_trace_site(lane->trace, site) << 32;
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_WAIT, how, 4);
    w[0] = lane->frame->id;
    w[1] = (uint64_t)(need < 0 ? 0 : need > UINT32_MAX ? UINT32_MAX : need) << 32 | (uint32_t)given;
    w[2] = at;
    w[3] = object;
    sk_trace_done(lane->trace);
}

/* Of those that a waiter collects only what is to come, from the first such on: so a long drain stays cheap. */
SK_COLD static void trace_on(sk_lane *lane, sk_wait *wait, sk_trace_wait how)
{
    enum { MOST = 64, LOOKED_AT = 256 };
    uint64_t object[MOST];
    unsigned n = 0;
    while (wait->collects && wait->told < wait->nlinks && sk_object_is_sealed(wait->links[wait->told].object))
        wait->told++;
    for (size_t i = wait->told; i < wait->nlinks && i < (size_t)wait->told + LOOKED_AT && n < MOST; i++)
        if (!wait->collects || !sk_object_is_sealed(wait->links[i].object))
            object[n++] = sk_object_id(wait->links[i].object);
    if (!n)                                /* the last of them came just now */
        return;
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_WAIT_ON, how, 1 + n);
    w[0] = lane->frame->id;
    memcpy(w + 1, object, n * sizeof *object);
    sk_trace_done(lane->trace);
}

void sk_wait_trace_end(sk_lane *lane, sk_trace_wait how, uint64_t ready, int code)
{
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_WAIT_END, how, 3);
    w[0] = lane->frame->id;
    w[1] = ready;
    w[2] = (uint64_t)code;
    sk_trace_done(lane->trace);
}

static sk_code outcome_of(const sk_wait *wait)
{
    sk_code code = (sk_code)atomic_load_explicit(&wait->code, acquire);
    if (code)
        return code;
    bool there = wait->collects ? atomic_load_explicit(&wait->done, relaxed) != NULL : sk_wait_is_satisfied(wait);
    return there ? SK_OK : SK_TIMEOUT;
}

sk_code sk_wait_block(sk_lane *lane, sk_wait *wait, int64_t deadline, sk_site *site, sk_trace_wait how, void *cleanup)
{
    sk_frame *frame = lane->frame;
    wait->deadline = deadline;
    wait->site = site;
    wait->worker = frame->worker;
    bool ours = sk_wait_leave(lane, frame);
    if (ours) {
        if (unlikely(sk_trace_on))
            sk_wait_trace_begin(lane, site, how, atomic_load_explicit(&wait->need, relaxed),
                                wait->nlinks,
                                wait->nlinks ? sk_object_id(wait->links[0].object) : 0);
        if (unlikely(sk_trace_on) && wait->nlinks > 1)
            trace_on(lane, wait, how);
        wait->below = atomic_load_explicit(&lane->waiting, relaxed);
        atomic_store_explicit(&lane->waiting, wait, release);         /* pairs with sk_deadlock, when all are parked */
        sk_session.backend->ops->wait((sk_backend *)sk_session.backend, wait);
        atomic_store_explicit(&lane->waiting, wait->below, release);
        if (unlikely(sk_trace_on))
            sk_wait_trace_end(lane, how, atomic_load_explicit(&wait->fired, relaxed),
                              outcome_of(wait));
        if (frame->task)
            frame->worker = wait->worker;
        ours = sk_wait_come_back(lane, frame);
    }
    if (unlikely(!ours)) {                        /* cancelled, or out of time */
        if (!wait->collects)                      /* a waiter's links live on with the waiter */
            sk_wait_finish(wait);
        free(cleanup);
        sk_frame_fail(frame, NULL);
    }
    return outcome_of(wait);
}

/* ---- for backends ---- */

/* seq_cst: a thread says that it is about to sleep, then looks here; a firing link counts, then looks who sleeps. */
bool sk_wait_over(const sk_wait *wait)
{
    if (wait->collects ? atomic_load_explicit(&wait->done, seq_cst) != NULL
                       : atomic_load_explicit(&wait->need, seq_cst) <= 0)
        return true;
    if (atomic_load_explicit(&wait->code, seq_cst))
        return true;
    return unlikely(atomic_load_explicit(&sk_cancellations, seq_cst)) && wait->task && sk_task_is_cancelled(wait->task);
}

bool sk_wait_is_in_task(const sk_wait *wait)  { return wait->task != 0; }
int64_t sk_wait_deadline(const sk_wait *wait) { return wait->deadline; }
void *sk_wait_thread(const sk_wait *wait)     { return atomic_load_explicit(&wait->thread, relaxed); }
void sk_wait_goes_on(sk_wait *wait, int worker) { wait->worker = worker; }
void sk_wait_give_up(sk_wait *wait)           { atomic_store_explicit(&wait->code, SK_LIMIT, relaxed); }

static void push(sk_wait *wait, uint64_t name)
{
    if (wait->npath == wait->path_capacity) {
        wait->path_capacity = wait->path_capacity ? 2 * wait->path_capacity : 64;
        wait->path = realloc(wait->path, wait->path_capacity * sizeof *wait->path);
        if (!wait->path)
            abort();
    }
    wait->path[wait->npath++] = name;
}

/* Walks from the top of the path down to a task that can run. 0: this way is barred. */
static uint64_t walk(sk_wait *wait)
{
    while (wait->npath) {
        uint64_t name = wait->path[wait->npath - 1];
        sk_task *t = sk_task_at(name);
        uint64_t word = atomic_load_explicit(&t->state, acquire);
        sk_task_state state = sk_state_of(word);
        if (sk_generation_of(word) != (uint32_t)(name >> 32) || state >= SK_TASK_DONE) {
            wait->npath--;
        } else if (state == SK_TASK_READY) {
            if (!(sk_flags_of(word) & SK_FLAG_QUEUED))
                return name;
            char lacks[100];                      /* waits for resources: perhaps of a task that only has to be run */
            uint64_t holder = sk_admit_holder(t->extras, lacks, sizeof lacks);
            if (holder && sk_task_is_ready((sk_task_name){ holder }))
                return holder;
            break;
        } else if (state != SK_TASK_WAITING) {
            break;                                /* below us on the stack */
        } else {
            uint64_t producer = 0;
            for (unsigned i = 0; i < t->nargs && !producer; i++)
                if (sk_slot_is_pending(&t->args[i]) && !sk_object_is_sealed(t->args[i].pending.object)) {
                    producer = t->args[i].pending.object->producer;
                    if (!producer)
                        goto barred;              /* a promise */
                }
            if (!producer)
                goto barred;
            push(wait, producer);
        }
    }
barred:
    wait->npath = 0;
    return 0;
}

/* A ready task that this one, or its arguments, or theirs ... need; beside other threads, for which a record is a moving thing. As with a
 * seqlock: what is read of a waiting task counts only if its state is the same after as before, for then it has held its arguments all the
 * while, and they have held their producers' names. From the last argument to the first: thieves come from the other end. */
enum { MOST_STEPS = 64 };

SK_NO_TSAN static uint64_t look_below(sk_wait *wait, uint64_t name)
{
    for (int steps = 0; steps < MOST_STEPS; steps++) {
        sk_task *t = sk_task_at(name);
        uint64_t word = t ? atomic_load_explicit(&t->state, acquire) : 0, below = 0;
        if (sk_generation_of(word) != (uint32_t)(name >> 32))
            return 0;
        if (sk_state_of(word) == SK_TASK_READY)
            return sk_flags_of(word) & (SK_FLAG_QUEUED | SK_FLAG_ADMITTED | SK_FLAG_TIMED) ? 0 : name;
        if (sk_state_of(word) != SK_TASK_WAITING)
            return 0;
        for (unsigned i = __atomic_load_n(&t->nargs, __ATOMIC_ACQUIRE); i-- > 0 && !below; ) {
            bool pending = (atomic_load_explicit(&t->args[i].pending.next, acquire) & 0xff) == SK_T_PENDING;
            sk_object *o = __atomic_load_n(&t->args[i].pending.object, __ATOMIC_ACQUIRE);
            if (!pending)
                continue;
            if (atomic_load_explicit(&t->state, relaxed) != word)
                return 0;                         /* before o is followed: it may be anything */
            if (sk_object_is_sealed(o))
                continue;
            uint64_t producer = __atomic_load_n(&o->producer, __ATOMIC_ACQUIRE);
            if (atomic_load_explicit(&t->state, relaxed) != word || !producer)
                return 0;
            uint64_t its = atomic_load_explicit(&sk_task_at(producer)->state, relaxed);
            if (sk_state_of(its) == SK_TASK_WAITING || sk_state_of(its) == SK_TASK_READY)
                below = producer;
        }
        if (!below)
            return 0;
        name = below;
    }
    wait->is_deep = true;                         /* a long chain: walking down it again and again would cost more than it brings */
    return 0;
}

sk_task_name sk_wait_next(sk_wait *wait, bool alone)
{
    if (alone && wait->npath) {
        uint64_t name = walk(wait);
        if (name)
            return (sk_task_name){ name };
    }
    if (!alone && !wait->needs_all)
        return (sk_task_name){ 0 };               /* of several objects, another may be there first */
    for (uint32_t i = alone ? 0 : wait->looked_at; i < wait->linked; i++) {
        if (!alone)
            wait->looked_at = wait->linked == 1 ? 0 : i;      /* each is looked at until it is there or runs elsewhere, then no more */
        sk_object *o = wait->links[i].object;
        if (!o->producer || sk_object_is_sealed(o))
            continue;
        uint64_t name = 0;
        if (alone) {
            push(wait, o->producer);
            name = walk(wait);
        } else if (!wait->is_deep) {
            name = look_below(wait, o->producer);
        }
        if (name)
            return (sk_task_name){ name };
    }
    return (sk_task_name){ 0 };
}
