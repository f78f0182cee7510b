/* wait.h -- somebody waits for objects: sk_get, sk_get_all, sk_wait, sk_waiter all stand on this.
 *
 * A wait puts a link on each awaited object that is not there yet; a sealed object fires its link, which counts down how many are
 * still needed. The thread blocks in the backend until the wait is over, then takes its unfired links out again.
 * A link may be firing in another thread while the wait ends; so the wait's memory stays until every link has been
 * either taken out or fired to its end (sk_wait_finish).                                                    */
#ifndef SK_WAIT_H
#define SK_WAIT_H

#include "admit.h"
#include "object.h"
#include "task.h"

typedef struct sk_wait {
    _Atomic int64_t need;                /* over at 0 or below */
    _Atomic uint32_t fired;              /* links fired to their end */
    _Atomic int code;                    /* an sk_code that ended it, not SK_OK: SK_DEADLOCK, SK_LIMIT */
    _Atomic uint64_t failed;             /* stop_on_failure: index + 1 of the first failed link */
    _Atomic(void *) thread;              /* whom to wake */
    _Atomic(sk_link *) done;             /* collects: fired links, last first */
    bool stop_on_failure, collects;
    bool needs_all;                      /* every link, with or without failure: its tasks may be run on top of it */
    bool is_deep;                        /* needs_all: too many steps down to what could run */
    uint32_t looked_at;                  /* needs_all: links before this one have been */
    uint32_t told;                       /* collects: links before this one have fired, says the log */
    int worker;                          /* where the task goes on; set by the backend */
    int64_t deadline;
    uint64_t task;                       /* who waits; 0: the driver */
    sk_site *site;
    sk_link *links;                      /* nlinks, of which the first nlinked have been put on lists */
    size_t nlinks;
    uint32_t linked;
    struct sk_wait *below;               /* the wait of the frame below, on the same lane */
    uint64_t *path;                      /* sk_wait_next's walk */
    size_t npath, path_capacity;
    char *message;                       /* with SK_DEADLOCK: who waits for whom; owned */
} sk_wait;

/* links: room for n; stays borrowed until sk_wait_finish. objects are those of links[i].object. Counts those that are there already. */
void sk_wait_start(sk_lane *lane, sk_wait *wait, sk_link *links, size_t n, int64_t need, bool stop_on_failure);
/* Blocks the calling lane; moves its task to BLOCKED and back. Returns SK_OK, SK_TIMEOUT, SK_DEADLOCK, SK_LIMIT; does not return
 * if the task was cancelled or timed out meanwhile. `cleanup` is freed in that case. */
sk_code sk_wait_block(sk_lane *lane, sk_wait *wait, int64_t deadline, sk_site *site,
                      sk_trace_wait how, void *cleanup);
void sk_wait_finish(sk_wait *wait);
/* Are the objects there? (sk_wait_over is also true when the wait is to end without them.) */
static inline bool sk_wait_is_satisfied(const sk_wait *wait) { return atomic_load_explicit(&wait->need, acquire) <= 0; }
void sk_wait_fire(sk_link *link, bool failed);
int64_t sk_wait_deadline_from(double timeout_s);

SK_COLD void sk_wait_trace_begin(sk_lane *lane, sk_site *site, sk_trace_wait how, int64_t need,
                                 size_t given, uint64_t object);
SK_COLD void sk_wait_trace_end(sk_lane *lane, sk_trace_wait how, uint64_t ready, int code);

/* The running task of the frame (if it is one) waits, and goes on. false: its time was up. */
SK_HOT bool sk_wait_leave(sk_lane *lane, sk_frame *frame)
{
    sk_task *t = frame->task;
    if (!t)
        return true;
    if (unlikely(frame->died) || !sk_task_change(lane, t, (uint32_t)(frame->id >> 32),
                                                 SK_TASK_RUNNING, SK_TASK_BLOCKED, 0, 0, 0))
        return false;
    if (unlikely(t->extras && t->extras->admitted))
        sk_admit_block(lane, t->extras);
    else
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) - 1,
                              relaxed);
    return true;
}

SK_HOT bool sk_wait_come_back(sk_lane *lane, sk_frame *frame)
{
    sk_task *t = frame->task;
    if (!t)
        return true;
    if (unlikely(frame->died)) /* another attempt may have the task by now */
        return false;
    if (unlikely(t->extras && t->extras->admitted))
        sk_admit_unblock(lane, t->extras);
    else
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) + 1,
                              relaxed);
    return sk_task_change(lane, t, (uint32_t)(frame->id >> 32), SK_TASK_BLOCKED, SK_TASK_RUNNING, 0,
                          0, sk_frame_place(frame)) &&
           !(unlikely(atomic_load_explicit(&sk_cancellations, relaxed)) &&
             sk_task_is_cancelled(frame->id));
}

/* Runs the task that makes o on top of this one, if the backend lets it. Whether o is sealed then is for the caller to see. */
SK_HOT void sk_wait_run_here(sk_lane *lane, sk_object *o, sk_site *site)
{
    sk_backend *backend = (sk_backend *)sk_session.backend;
    sk_frame *frame = lane->frame;
    uint64_t producer = o->producer,
             word = atomic_load_explicit(&sk_task_at(producer)->state, relaxed);
    if (sk_generation_of(word) != (uint32_t)(producer >> 32) ||
        sk_state_of(word) != SK_TASK_READY ||
        sk_flags_of(word) & (SK_FLAG_QUEUED | SK_FLAG_ADMITTED | SK_FLAG_TIMED))
        return;
    int worker = frame->worker;
    if (!sk_wait_leave(lane, frame))
        sk_frame_fail(frame, NULL);
    if (unlikely(sk_trace_on))
        sk_wait_trace_begin(lane, site, SK_WAIT_GET, 1, 1, sk_object_id(o));
    sk_session.backend->ops->run_here(backend, (sk_task_name){ producer }, &worker);
    if (unlikely(sk_trace_on))
        sk_wait_trace_end(lane, SK_WAIT_GET, sk_object_is_sealed(o),
                          sk_object_is_sealed(o) ? SK_OK : SK_TIMEOUT);
    if (frame->task)
        frame->worker = worker;
    if (!sk_wait_come_back(lane, frame))
        sk_frame_fail(frame, NULL);
}

#endif
