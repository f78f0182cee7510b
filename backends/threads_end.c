/* threads_end.c -- the backend threads when nobody is awake: is that a deadlock, or the end? And alarms, which are still to come then. */
#include "threads_parts.h"

static bool alarm_will_ring(threads *b);

/* ---- standstill and drain ---- */

/* Nobody is awake; the caller is about to sleep itself. */
void threads_standstill(threads *b)
{
    if (atomic_load_explicit(&b->draining, seq_cst) || atomic_load_explicit(&b->closing, seq_cst) || alarm_will_ring(b))
        return;
    if (atomic_load_explicit(&b->awake, seq_cst) > 0)          /* an alarm rings, or has: who comes to sleep last looks */
        return;
    atomic_fetch_add_explicit(&b->awake, 1, seq_cst);          /* while we look, and so that one looks at a time */
    int lease = sk_cpus_wanted() + sk_cpus_wanted_idle() > 0 ? threads_take_lease(b) : NO_LEASE;
    if (lease != NO_LEASE) {
        threads_lend_to_core(b, lease);
        sk_cpus_give(1);
    } else if (!threads_work_is_visible(b) || !threads_has_free_lease(b)) {
        sk_deadlock();
    }
    atomic_fetch_sub_explicit(&b->awake, 1, seq_cst);
}

void threads_drain(sk_backend *self)
{
    threads *b = threads_of(self);
    thread *t = threads_me(b);
    pthread_mutex_lock(&b->lock);
    b->drainer = t;
    pthread_mutex_unlock(&b->lock);
    atomic_store_explicit(&b->draining, true, seq_cst);
    for (;;) {
        if (threads_work_is_visible(b))
            threads_wake_worker(b);
        while (atomic_load_explicit(&b->busy, seq_cst) > 0) {
            sk_permit_announce(&t->permit);
            if (atomic_load_explicit(&b->busy, seq_cst) == 0)
                threads_retract(b, t);
            else
                threads_sleep_announced(b, t, SK_NEVER);
        }
        if (!threads_work_is_visible(b) && atomic_load_explicit(&b->special, seq_cst) == 0 && sk_deadlock() == 0)
            break;
        /* Stale names count as visible: without a free worker to throw them out, do it here. */
        unsigned n = atomic_load_explicit(&b->nthreads, acquire);
        for (unsigned i = 0; i < n; i++) {
            thread *victim = atomic_load_explicit(&b->all[i], acquire);
            threads_prune(&victim->inbox);
            while (!sk_deque_is_empty(&victim->deque)) {
                uint64_t name = sk_deque_steal(&victim->deque);
                if (name && sk_task_is_ready((sk_task_name){ name })) {
                    sk_deque_push(&t->deque, name);
                    break;
                }
            }
        }
    }
    atomic_store_explicit(&b->draining, false, seq_cst);
}

/* ---- alarms ---- */

static void sift(threads *b, size_t i)      /* the entry at i is new: up or down with it */
{
    ring *h = b->alarms, moving = h[i];
    for (; i && moving.at < h[(i - 1) / 2].at; i = (i - 1) / 2)
        h[i] = h[(i - 1) / 2];
    for (size_t child; (child = 2 * i + 1) < b->nalarms; i = child) {
        child += child + 1 < b->nalarms && h[child + 1].at < h[child].at;
        if (moving.at <= h[child].at)
            break;
        h[i] = h[child];
    }
    h[i] = moving;
}

/* Will an alarm end a task that is under way? Then this is no standstill. */
static bool alarm_will_ring(threads *b)
{
    bool found = false;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->nalarms && !found; i++)
        found = sk_task_is_under_way(b->alarms[i].task.id);
    pthread_mutex_unlock(&b->lock);
    return found;
}

static void *alarm_main(void *data)
{
    threads *b = data;
    sk_thread_attach(NULL);
    pthread_mutex_lock(&b->lock);
    while (!atomic_load_explicit(&b->closing, acquire)) {
        if (b->nalarms == 0) {
            pthread_cond_wait(&b->alarm_set, &b->lock);
        } else if (b->alarms[0].at > sk_monotonic_ns()) {
            struct timespec ts = { b->alarms[0].at / 1000000000, b->alarms[0].at % 1000000000 };
            pthread_cond_timedwait(&b->alarm_set, &b->lock, &ts);
        } else {
            atomic_fetch_add_explicit(&b->awake, 1, seq_cst);      /* before it is off the list: one of the two keeps others from taking this for a standstill */
            sk_task_name task = b->alarms[0].task;
            b->alarms[0] = b->alarms[--b->nalarms];
            if (b->nalarms)
                sift(b, 0);
            pthread_mutex_unlock(&b->lock);
            sk_task_alarm(task);
            if (atomic_fetch_sub_explicit(&b->awake, 1, seq_cst) == 1)
                threads_standstill(b);             /* the last thing that could have happened */
            pthread_mutex_lock(&b->lock);
        }
    }
    pthread_mutex_unlock(&b->lock);
    sk_thread_detach();
    return NULL;
}

void threads_alarm(sk_backend *self, int64_t at, sk_task_name task)
{
    threads *b = threads_of(self);
    int64_t real = sk_monotonic_ns() + (at - (int64_t)(sk_now() * 1e9));
    pthread_mutex_lock(&b->lock);
    if (b->nalarms == b->alarms_room) {
        b->alarms_room = b->alarms_room ? 2 * b->alarms_room : 64;
        b->alarms = realloc(b->alarms, b->alarms_room * sizeof *b->alarms);
        if (!b->alarms)
            abort();
    }
    b->alarms[b->nalarms++] = (ring){ real, task };
    sift(b, b->nalarms - 1);
    if (!b->alarm_runs)
        b->alarm_runs = pthread_create(&b->alarm_thread, NULL, alarm_main, b) == 0;
    pthread_cond_signal(&b->alarm_set);
    pthread_mutex_unlock(&b->lock);
}

/* A thread of the program has ended. Its entry keeps its place (thieves look at it) and is reused. */
void threads_thread_gone(sk_backend *self, void *data)
{
    threads *b = threads_of(self);
    thread *t = data;
    pthread_mutex_lock(&b->lock);
    t->next = b->gone;
    b->gone = t;
    pthread_mutex_unlock(&b->lock);
    if (atomic_fetch_sub_explicit(&b->awake, 1, seq_cst) == 1)
        threads_standstill(b);
}
