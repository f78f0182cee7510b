/* threads.c -- tasks on all cores of one process: work-stealing deques, and one-cpu leases.
 *
 * The idea. There are as many leases as workers; a thread runs ordinary tasks only while it holds one, so never more than
 * `workers` run at once. What a task makes ready goes on its own thread's deque and is taken from there last first (children
 * before siblings, data still in cache); threads without work steal the oldest from others. What a thread without a lease (the driver,
 * mostly) makes ready goes into its inbox, first in, first out; thieves take from it by the batch, since nobody pops there.
 *
 * A waiting thread first tries to run the awaited task itself, if nobody has started it, or what that one needs. Otherwise it puts its lease
 * back, so that another thread (a sleeping one, or a new one) can go on with other tasks; when its wait is over it needs a lease again,
 * and comes before new tasks. The driver has no lease of its own: it borrows a free one to run what it waits for.
 *
 * Sleeping and waking. A thread out of work searches for some tens of microseconds, then sleeps; at most one thread searches at a
 * time. Who pushes a task wakes a sleeper only if a lease is free and nobody searches; a searcher that finds work wakes the next. Both
 * sides first write, then look (seq_cst), so that one of them sees the other: no task is left lying. Who is woken takes a lease when it is up, which
 * takes 50 us and more: the driver, waiting for what it has just pushed, may have that lease meanwhile.
 *
 * Pushing without a fence. That fence is a tenth of a small task, and of no use while all leases are taken: nobody is to be woken. So
 * after a while of that pushes go without (PLAIN), and who frees a lease, before it looks for work, makes all threads go through a fence
 * (membarrier: the system interrupts those that run), after which pushes are fenced again. A push before that interrupt is seen by that look; one after
 * it sees that it is to be fenced.
 *
 * Standstill. `awake` counts threads that do not sleep; who brings it to zero asks the core whether that is a deadlock.
 *
 * Reading order: threads_parts.h; ready; finding work; sleeping; a worker's life; wait; the table. */
#include "threads_parts.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- ready ---- */

static void threads_ready_with_cpus(sk_backend *self, sk_task_name task)
{
    threads *b = threads_of(self);
    pthread_mutex_lock(&b->lock);
    if (b->special_last == b->special_room) {
        size_t n = b->special_last - b->special_first;
        if (b->special_first)
            memmove(b->special_queue, b->special_queue + b->special_first, n * sizeof task);
        b->special_first = 0;
        b->special_last = n;
        if (n >= b->special_room / 2) {
            b->special_room = b->special_room ? 2 * b->special_room : 64;
            b->special_queue = realloc(b->special_queue, b->special_room * sizeof task);
            if (!b->special_queue)
                abort();
        }
    }
    b->special_queue[b->special_last++] = task;
    atomic_fetch_add_explicit(&b->special, 1, seq_cst);
    pthread_mutex_unlock(&b->lock);
    threads_wake_for_special(b);            /* at the limit: the next thread that has nothing to do takes it */
}

static sk_task_name pop_special(threads *b)
{
    sk_task_name task = { 0 };
    if (atomic_load_explicit(&b->special, seq_cst) == 0)
        return task;
    pthread_mutex_lock(&b->lock);
    if (b->special_first < b->special_last) {
        task = b->special_queue[b->special_first++];
        atomic_fetch_sub_explicit(&b->special, 1, seq_cst);
    }
    pthread_mutex_unlock(&b->lock);
    return task;
}

/* Throws out names at the old end that went stale: their tasks were run by who waited for them. */
void threads_prune(sk_deque *inbox)
{
    for (uint64_t name; (name = sk_deque_oldest(inbox)) && !sk_task_is_ready((sk_task_name){ name }); )
        sk_deque_steal_if(inbox, name);
}

static void look_for_work(threads *b);

/* It has been pushed there, but that may not be seen yet. */
__attribute__((noinline)) static void threads_ready_fenced(threads *b, thread *t, sk_deque *where)
{
    sk_deque_publish(where);
    if (threads_has_free_lease(b)) {
        t->fenced = 0;
        threads_wake_worker(b);
    } else if (++t->fenced >= PLAIN_AFTER && b->may_be_plain) {
        uint32_t fenced = 0;
        t->fenced = 0;
        if (atomic_compare_exchange_strong_explicit(&b->pushes, &fenced, PLAIN, seq_cst, relaxed) && threads_has_free_lease(b))
            look_for_work(b);              /* freed since we looked, by somebody who saw that pushes are fenced */
    }
}

/* From a thread without a lease, the driver's mostly. */
__attribute__((noinline)) static void threads_ready_in_inbox(threads *b, sk_task_name task)
{
    thread *t = threads_me(b);
    if (unlikely(++t->pushed % 512 == 0))
        threads_prune(&t->inbox);
    if (unlikely(!sk_deque_push_plain(&t->inbox, task.id)))
        sk_deque_push(&t->inbox, task.id);
    if (unlikely(atomic_load_explicit(&b->pushes, acquire) != PLAIN))
        threads_ready_fenced(b, t, &t->inbox);
    else if (unlikely(threads_has_free_lease(b)))
        threads_wake_worker(b);
}

static void threads_ready(sk_backend *self, sk_task_name task)
{
    threads *b = threads_of(self);
    thread *t = atomic_load_explicit(&sk_lane_self->thread, relaxed);
    if (unlikely(!t || t->lease == NO_LEASE)) {
        threads_ready_in_inbox(b, task);
        return;
    }
    if (unlikely(!sk_deque_push_plain(&t->deque, task.id)))
        sk_deque_push(&t->deque, task.id);
    if (unlikely(atomic_load_explicit(&b->pushes, acquire) != PLAIN))
        threads_ready_fenced(b, t, &t->deque);
    else if (unlikely(threads_has_free_lease(b)))
        threads_wake_worker(b);
}

/* ---- finding work ---- */

/* A batch out of somebody's inbox: one is returned, the others go on our deque. */
static uint64_t open_inbox(threads *b, thread *t, sk_deque *inbox)
{
    uint64_t names[BATCH];
    int64_t size = sk_deque_size(inbox), before = 0;
    /* While it grows, let it, and look away meanwhile: each look, and each task taken while its neighbours are being written, takes
     * cache lines from the driver that it needs again at once. */
    for (int pauses = 4; size < 16 * BATCH && size != before && pauses <= 256; pauses *= 2) {
        before = size;
        for (int i = 0; i < pauses; i++)
            sk_pause();
        size = sk_deque_size(inbox);
    }
    int64_t share = size / b->workers;
    int n = sk_deque_steal_many(inbox, names, share < 1 ? 1 : share < BATCH ? (int)share : BATCH), kept = 0;
    for (int i = 0; i < n; i++)
        sk_task_fetch(names[i]);           /* they are in the driver's cache: fetch them side by side */
    for (int i = 0; i < n; i++)
        if (sk_task_is_ready((sk_task_name){ names[i] }))
            names[kept++] = names[i];
    for (int i = 0; i < kept; i++)
        sk_task_fetch_outputs(names[i]);
    if (kept > 1)
        sk_deque_push_many(&t->deque, names + 1, kept - 1);
    return kept ? names[0] : 0;
}

static uint64_t find_work(threads *b, thread *t)
{
    uint64_t name;
    while ((name = sk_deque_pop(&t->deque)))
        if (sk_task_is_ready((sk_task_name){ name }))
            return name;
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);
    for (unsigned i = 0; i < n; i++) {
        unsigned at = t->victim + i < n ? t->victim + i : t->victim + i - n;
        thread *victim = atomic_load_explicit(&b->all[at], acquire);
        while (!sk_deque_is_empty(&victim->inbox))
            if ((name = open_inbox(b, t, &victim->inbox)))
                return name;
        if (victim == t)
            continue;
        while (!sk_deque_is_empty(&victim->deque))
            if ((name = sk_deque_steal(&victim->deque)) && sk_task_is_ready((sk_task_name){ name })) {
                t->victim = at;
                atomic_store_explicit(&t->steals, atomic_load_explicit(&t->steals, relaxed) + 1, relaxed);
                return name;
            }
    }
    return 0;
}

bool threads_work_is_visible(threads *b)
{
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);
    for (unsigned i = 0; i < n; i++) {
        thread *t = atomic_load_explicit(&b->all[i], acquire);
        if (!sk_deque_is_empty(&t->inbox) || !sk_deque_is_empty(&t->deque))
            return true;
    }
    return false;
}

/* ---- sleeping ---- */

/* The permit has been announced. Sleeps; a timed sleep does not count as standing still. */
bool threads_sleep_announced(threads *b, thread *t, int64_t deadline)
{
    atomic_store_explicit(&t->parks, atomic_load_explicit(&t->parks, relaxed) + 1, relaxed);
    if (deadline != SK_NEVER) {
        bool woken = sk_permit_sleep(&t->permit, deadline);
        if (woken)
            threads_count_awake(b, t, -1);         /* who woke us has counted us once more */
        return woken;
    }
    int busy = t->is_driver ? 1 : atomic_fetch_sub_explicit(&b->busy, 1, seq_cst) - 1;
    if (busy == 0 && atomic_load_explicit(&b->draining, seq_cst)) {
        pthread_mutex_lock(&b->lock);
        thread *drainer = b->drainer;
        pthread_mutex_unlock(&b->lock);
        if (drainer && drainer != t)
            threads_wake_one(b, drainer);
    }
    if (atomic_fetch_sub_explicit(&b->awake, 1, seq_cst) == 1)
        threads_standstill(b);
    return sk_permit_sleep(&t->permit, SK_NEVER);
}

/* Whoever waits to go on comes first. */
static void release_lease(threads *b, int lease)
{
    threads_push_lease(b, lease);
    if (atomic_load_explicit(&b->resuming, seq_cst) == 0)
        return;
    pthread_mutex_lock(&b->lock);
    while (b->resume_first && (lease = threads_take_lease(b)) != NO_LEASE) {
        thread *t = b->resume_first;
        b->resume_first = t->next;
        atomic_fetch_sub_explicit(&b->resuming, 1, seq_cst);
        threads_give(b, t, lease + 1, false);
    }
    pthread_mutex_unlock(&b->lock);
}

void threads_lend_to_core(threads *b, int lease)
{
    pthread_mutex_lock(&b->lock);
    b->borrowed[b->nborrowed++] = lease;
    pthread_mutex_unlock(&b->lock);
}

/* A lease may have been freed: if there is work, somebody should do it. */
static void look_for_work(threads *b)
{
    threads_settle(b);
    if (threads_work_is_visible(b))
        threads_wake_worker(b);
}

/* Are there tasks that run only where nobody else wants to, and is there no other work? */
static bool idle_tasks_may_run(threads *b)
{
    if (sk_cpus_wanted_idle() == 0)
        return false;
    threads_settle(b);
    return !threads_work_is_visible(b);
}

/* This thread does not need its lease any more: to the core, if tasks that bring their own cpus lack one, else to whoever wants it. */
static void hand_in(threads *b, int lease)
{
    if (sk_cpus_wanted() > 0 || idle_tasks_may_run(b)) {
        threads_lend_to_core(b, lease);
        sk_cpus_give(1);
    } else {
        release_lease(b, lease);
        bool wanted = sk_cpus_wanted() > 0 || idle_tasks_may_run(b);
        if (wanted && (lease = threads_take_lease(b)) != NO_LEASE) {       /* wanted since we looked: see try_all in admit.c */
            threads_lend_to_core(b, lease);
            sk_cpus_give(1);
        }
    }
    look_for_work(b);
}

static int wait_for_gift(threads *b, thread *t)
{
    int gift;
    while ((gift = atomic_exchange_explicit(&t->gift, GIFT_NONE, seq_cst)) == GIFT_NONE
           && !atomic_load_explicit(&b->closing, seq_cst)) {
        sk_permit_announce(&t->permit);
        if (atomic_load_explicit(&t->gift, seq_cst) != GIFT_NONE || atomic_load_explicit(&b->closing, seq_cst))
            threads_retract(b, t);
        else
            threads_sleep_announced(b, t, SK_NEVER);
    }
    return gift;
}

static void resume(threads *b, thread *t)
{
    t->lease = threads_take_lease(b);
    if (t->lease != NO_LEASE)
        return;
    pthread_mutex_lock(&b->lock);
    atomic_fetch_add_explicit(&b->resuming, 1, seq_cst);
    t->lease = threads_take_lease(b);              /* again, after saying that we want one */
    if (t->lease != NO_LEASE) {
        atomic_fetch_sub_explicit(&b->resuming, 1, seq_cst);
    } else {
        t->next = NULL;
        if (b->resume_first)
            b->resume_last->next = t;
        else
            b->resume_first = t;
        b->resume_last = t;
    }
    pthread_mutex_unlock(&b->lock);
    while (t->lease == NO_LEASE)
        t->lease = wait_for_gift(b, t) - 1;
}

/* ---- a worker's life ---- */

/* Starts counted as searching, without a lease. Returns without one, when others need it more or there is nothing to do.
 * A thread that only searches puts its lease back meanwhile: the driver may use it to run what it waits for. */
static void work(threads *b, thread *t)
{
    bool searching = true;
    int64_t since = 0;
    for (unsigned idle = 0; ; ) {
        uint64_t name = 0;
        bool wanted = atomic_load_explicit(&b->resuming, relaxed) || sk_cpus_wanted() > 0;
        if (t->lease == NO_LEASE && threads_work_is_visible(b))
            t->lease = threads_take_lease(b);
        if (likely(t->lease != NO_LEASE && !wanted))
            name = find_work(b, t);
        if (name) {
            if (searching) {
                searching = false;
                if (atomic_fetch_sub_explicit(&b->searching, 1, seq_cst) == 1 && threads_has_free_lease(b) && threads_work_is_visible(b))
                    threads_wake_worker(b);        /* one finds work, the next one looks for more */
            }
            idle = 0;
            sk_task_run((sk_task_name){ name }, t->lease);
            continue;
        }
        bool leave = wanted || atomic_load_explicit(&b->closing, acquire)
                     || (!searching && atomic_load_explicit(&b->searching, relaxed) > 0);
        if (!leave && !searching) {
            searching = true;
            atomic_fetch_add_explicit(&b->searching, 1, seq_cst);
        }
        if (leave && searching) {
            searching = false;
            atomic_fetch_sub_explicit(&b->searching, 1, seq_cst);
        }
        if (t->lease != NO_LEASE) {
            int lease = t->lease;
            t->lease = NO_LEASE;
            hand_in(b, lease);             /* looks for work once more after the lease is free */
        }
        if (leave)
            return;
        if (idle++ == 0)
            since = sk_monotonic_ns();
        for (int i = 0; i < 8; i++)
            sk_pause();
        if (idle % 4 == 0) {
            int64_t passed = sk_monotonic_ns() - since;
            if (passed >= SEARCH_NS) {
                atomic_fetch_sub_explicit(&b->searching, 1, seq_cst);
                if (threads_work_is_visible(b))    /* pushed while we still counted as searching */
                    threads_wake_worker(b);
                return;
            }
            if (passed >= YIELD_NS)
                sched_yield();
        }
    }
}

void *threads_worker_main(void *data)
{
    threads *b = ((void **)data)[0];
    thread *t = ((void **)data)[1];
    free(data);
    sk_thread_attach(t);
    sk_thread_gives_way();
    for (;;) {
        int gift = wait_for_gift(b, t);
        if (gift == GIFT_NONE)
            break;
        if (gift == GIFT_SEARCH)
            work(b, t);
        sk_task_name task;
        while ((task = pop_special(b)).id) {
            atomic_fetch_add_explicit(&b->busy_elsewhere, 1, seq_cst);
            look_for_work(b);              /* for whoever has pushed meanwhile, and took us for a thread that will look */
            sk_task_run(task, 0);
            atomic_fetch_sub_explicit(&b->busy_elsewhere, 1, relaxed);
        }
        pthread_mutex_lock(&b->lock);
        t->next = b->idle;
        b->idle = t;
        pthread_mutex_unlock(&b->lock);
        if (atomic_load_explicit(&b->special, seq_cst))        /* came after the last look; somebody must be up */
            threads_wake_for_special(b);
        look_for_work(b);
    }
    sk_thread_detach();
    return NULL;
}

/* ---- wait ---- */

/* It is going to be run here: takes its name out of our queues, if it is where it can be taken, and stale ones above it. */
__attribute__((noinline)) static void take_out(thread *t, sk_task_name task)
{
    if (!sk_deque_steal_if(&t->inbox, task.id))
        for (uint64_t top; (top = sk_deque_peek(&t->deque)) && (top == task.id || !sk_task_is_ready((sk_task_name){ top })); )
            if (sk_deque_pop(&t->deque) == task.id)
                break;
}

/* Runs the awaited task on top of this one. `t` holds a lease. */
static inline void run_here(thread *t, sk_task_name task)
{
    sk_lane *lane = sk_lane_self;
    bool pops = sk_deque_pop_begin(&t->deque, task.id);
    if (!pops)
        take_out(t, task);
    int row = t->lease;
    sk_task *claimed = sk_task_claim(lane, task, 0, &row);
    if (pops && unlikely(!claimed))
        sk_deque_publish(&t->deque);       /* somebody was faster, and that may have been seen without a locked instruction */
    if (pops)
        sk_deque_pop_end(&t->deque);
    if (claimed) {
        t->nested++;
        sk_task_run_claimed(lane, claimed, task, 0, row);
        t->nested--;
    }
}

static void threads_run_here(sk_backend *self, sk_task_name task, int *worker)
{
    threads *b = threads_of(self);
    thread *t = threads_me(b);
    if (unlikely(t->nested >= MOST_NESTED || (char *)__builtin_frame_address(0) < sk_lane_self->stack_floor))
        return;
    if (likely(t->lease != NO_LEASE)) {
        run_here(t, task);
        *worker = t->lease;
        return;
    }
    t->lease = threads_take_lease(b);
    if (t->lease == NO_LEASE)
        return;
    run_here(t, task);
    int lease = t->lease;
    t->lease = NO_LEASE;
    hand_in(b, lease);
}

/* What a waiting thread can do itself: tasks that the wait needs, as long as there are any and a lease. It may have been without one, and is so
 * again after. Returns whether it ran any. */
static bool help(threads *b, thread *t, sk_wait *wait)
{
    bool borrowed = false, ran = false;
    for (sk_task_name task; !sk_wait_over(wait) && (task = sk_wait_next(wait, false)).id; ran = true) {
        if (sk_task_brings_cpus(task) || t->nested >= MOST_NESTED || sk_stack_is_low())
            break;
        if (t->lease == NO_LEASE) {
            t->lease = threads_take_lease(b);
            borrowed = t->lease != NO_LEASE;
        }
        if (t->lease == NO_LEASE)
            break;
        run_here(t, task);
        if (borrowed && (atomic_load_explicit(&b->resuming, relaxed) || sk_cpus_wanted() > 0))
            break;                         /* others need the lease more */
    }
    if (borrowed && t->lease != NO_LEASE) {
        int lease = t->lease;
        t->lease = NO_LEASE;
        hand_in(b, lease);
    }
    return ran;
}

static void threads_wait(sk_backend *self, sk_wait *wait)
{
    threads *b = threads_of(self);
    thread *t = threads_me(b);
    int64_t deadline = sk_wait_deadline(wait), start = 0;
    bool had_lease = t->lease != NO_LEASE, in_task = sk_wait_is_in_task(wait);
    for (unsigned turns = 0; !sk_wait_over(wait); turns++) {
        if (deadline == SK_NEVER && help(b, t, wait))
            turns = 0;
        if (turns == 0) {
            start = sk_monotonic_ns();
        } else if (turns % 8 == 0) {
            int64_t passed = sk_monotonic_ns() - start;
            if (passed >= (in_task ? WORKER_SPIN_NS : DRIVER_SPIN_NS))
                break;
            if (passed >= YIELD_NS)
                sched_yield();             /* who has work to do may have this core */
        }
        sk_pause();
    }
    if (sk_wait_over(wait)) {
        if (had_lease)                     /* a task that ran on top may have waited, and come back with another lease */
            sk_wait_goes_on(wait, t->lease);
        return;
    }
    if (t->lease != NO_LEASE) {            /* lend it */
        int lease = t->lease;
        t->lease = NO_LEASE;
        hand_in(b, lease);
    }
    if (in_task) {
        int now = atomic_fetch_add_explicit(&b->blocked, 1, relaxed) + 1, peak = atomic_load_explicit(&b->blocked_peak, relaxed);
        while (now > peak && !atomic_compare_exchange_weak_explicit(&b->blocked_peak, &peak, now, relaxed, relaxed))
            ;
        if (now >= b->limit)               /* nobody would be left to run what we wait for */
            sk_wait_give_up(wait);
    }
    if (!t->is_driver)
        atomic_fetch_add_explicit(&b->busy_elsewhere, 1, relaxed);
    look_for_work(b);                      /* now there may be a thread too few */
    int64_t real = deadline == SK_NEVER ? SK_NEVER : sk_monotonic_ns() + (deadline - (int64_t)(sk_now() * 1e9));
    while (!sk_wait_over(wait)) {
        sk_permit_announce(&t->permit);
        if (sk_wait_over(wait))
            threads_retract(b, t);
        else if (!threads_sleep_announced(b, t, real))
            break;
    }
    if (!t->is_driver)
        atomic_fetch_sub_explicit(&b->busy_elsewhere, 1, relaxed);
    if (in_task)
        atomic_fetch_sub_explicit(&b->blocked, 1, relaxed);
    if (had_lease) {
        resume(b, t);
        sk_wait_goes_on(wait, t->lease);
    }
}

static void threads_wake(sk_backend *self, void *data)
{
    threads *b = threads_of(self);
    if (data) {
        threads_wake_one(b, data);
        return;
    }
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);     /* a thread of the program that had no entry yet when it waited */
    for (unsigned i = 0; i < n; i++) {
        thread *t = atomic_load_explicit(&b->all[i], acquire);
        if (t->is_driver)
            threads_wake_one(b, t);
    }
}

/* ---- the table ---- */

static bool threads_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    (void)err;
    threads *b = threads_of(self);
    b->workers = settings->workers;
    b->limit = settings->workers + EXTRA_THREADS;
    b->next_lease = calloc((size_t)b->workers, sizeof *b->next_lease);
    b->all = calloc((size_t)b->limit + EXTRA_THREADS, sizeof *b->all);
    b->borrowed = calloc((size_t)b->workers, sizeof *b->borrowed);
    if (!b->next_lease || !b->all || !b->borrowed)
        abort();
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->alarm_set, &attr);
    pthread_condattr_destroy(&attr);
    b->may_be_plain = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    threads_me(b);                                 /* the driver */
    for (int i = b->workers - 1; i >= 0; i--)
        threads_push_lease(b, i);
    return true;                           /* threads start when there is work for them */
}

static void threads_close(sk_backend *self)
{
    threads *b = threads_of(self);
    atomic_store_explicit(&b->closing, true, seq_cst);
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);
    for (unsigned i = 0; i < n; i++) {
        thread *t = b->all[i];
        if (!t->is_driver) {
            threads_wake_one(b, t);
            pthread_join(t->handle, NULL);
        }
    }
    if (b->alarm_runs) {
        pthread_mutex_lock(&b->lock);
        pthread_cond_signal(&b->alarm_set);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->alarm_thread, NULL);
    }
    for (unsigned i = 0; i < n; i++) {
        thread *t = b->all[i];
        sk_deque_clear(&t->deque);
        sk_deque_clear(&t->inbox);
        free(t);
    }
    free(b->alarms);
    sk_thread_set(NULL);
    free(b->special_queue);
    free(b->borrowed);
    free((void *)b->next_lease);
    free((void *)b->all);
    pthread_cond_destroy(&b->alarm_set);
    pthread_mutex_destroy(&b->lock);
}

static int threads_take_workers(sk_backend *self, int n, bool only_if_idle)
{
    threads *b = threads_of(self);
    int got = 0;
    if (only_if_idle)
        threads_settle(b);
    if (only_if_idle && threads_work_is_visible(b))
        return 0;
    for (int lease; got < n && (lease = threads_take_lease(b)) != NO_LEASE; got++)
        threads_lend_to_core(b, lease);
    return got;
}

static void threads_put_back(sk_backend *self, int n)
{
    threads *b = threads_of(self);
    while (n-- > 0) {
        pthread_mutex_lock(&b->lock);
        int lease = b->borrowed[--b->nborrowed];
        pthread_mutex_unlock(&b->lock);
        release_lease(b, lease);
    }
    look_for_work(b);
}

static void threads_counts(sk_backend *self, sk_counts *counts)
{
    threads *b = threads_of(self);
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);
    counts->steals = counts->parks = 0;
    for (unsigned i = 0; i < n; i++) {
        thread *t = atomic_load_explicit(&b->all[i], acquire);
        counts->steals += atomic_load_explicit(&t->steals, relaxed);
        counts->parks += atomic_load_explicit(&t->parks, relaxed);
    }
    pthread_mutex_lock(&b->lock);
    counts->threads = counts->threads_peak = b->ours;
    pthread_mutex_unlock(&b->lock);
    counts->blocked_peak = atomic_load_explicit(&b->blocked_peak, relaxed);
}

const sk_backend_ops sk_backend_threads = {
    .version = SK_BACKEND_VERSION,
    .can = SK_CAN_OVERLAP | SK_CAN_TIME_OUT,
    .name = "threads",
    .summary = "all cores of this process: work-stealing threads (the default)",
    .size = sizeof(threads),
    .open = threads_open,
    .close = threads_close,
    .ready = threads_ready,
    .ready_with_cpus = threads_ready_with_cpus,
    .wait = threads_wait,
    .run_here = threads_run_here,
    .wake = threads_wake,
    .drain = threads_drain,
    .alarm = threads_alarm,
    .thread_gone = threads_thread_gone,
    .take_workers = threads_take_workers,
    .put_back = threads_put_back,
    .counts = threads_counts,
};
