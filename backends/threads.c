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
 * sides first write, then look (seq_cst), so that one of them sees the other: no task is left lying.
 *
 * Pushing without a fence. That fence is a tenth of a small task, and of no use while all leases are taken: nobody is to be woken. So
 * after a while of that pushes go without (PLAIN), and who frees a lease, before it looks for work, makes all threads go through a fence
 * (membarrier: the system interrupts those that run), after which pushes are fenced again. A push before that interrupt is seen by that look; one after
 * it sees that it is to be fenced.
 *
 * Standstill. `awake` counts threads that do not sleep; who brings it to zero asks the core whether that is a deadlock.
 *
 * Reading order: leases; threads; ready; finding work; a worker's life; wait; standstill and drain; alarms; the table. */
#include "backends.h"
#include "deque.h"
#include "park.h"
#include "task.h"

#include <pthread.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SEARCH_NS = 50000, DRIVER_SPIN_NS = 100000, WORKER_SPIN_NS = 3000, YIELD_NS = 4000, EXTRA_THREADS = 256, MOST_NESTED = 1000, BATCH = 32, NO_LEASE = -1,
       PLAIN = 1 << 30, PLAIN_AFTER = 1 << 13, GIFT_NONE = 0, GIFT_SPECIAL = -1 };      /* a gift above 0 is a lease + 1 */

typedef struct thread {
    sk_deque deque, inbox;                 /* see deque.h; the owner never pops from the inbox */
    _Alignas(64) sk_permit permit;         /* anyone gives, the owner takes */
    _Atomic int gift;                      /* what it was woken for; set before the permit is given */
    struct thread *next;                   /* of the idle stack, or of the queue of those that want to go on: under `lock` */
    int lease;                             /* owner only, from here on */
    int nested;                            /* tasks run on top of waits, on this stack */
    unsigned pushed;                       /* into the inbox */
    unsigned fenced;                       /* pushes since it last saw a free lease, or pushes were plain */
    unsigned number, victim;
    bool is_driver;                        /* a thread of the program, not of ours */
    pthread_t handle;
    _Atomic uint64_t steals, parks;        /* the owner writes */
} thread;

typedef struct ring { int64_t at; sk_task_name task; } ring;      /* an alarm */

typedef struct threads {
    struct sk_backend_base base;
    int workers, limit;

    /* Free leases: a Treiber stack; the upper half of the head is a tag against ABA. */
    _Alignas(64) _Atomic uint64_t free_leases;      /* tag << 32 | lease + 1 */
    _Atomic uint32_t *next_lease;
    _Atomic uint32_t pushes;               /* PLAIN: need no fence; or how many threads see to it that they are fenced */
    bool may_be_plain;                     /* there is membarrier */

    _Alignas(64) _Atomic int searching;    /* threads that look for work, or have been woken to */
    _Atomic int resuming;                  /* threads in the queue that want a lease back */
    _Atomic int special;                   /* tasks in `special_queue` */
    _Alignas(64) _Atomic int awake;        /* threads that do not sleep, or sleep for a limited time */
    _Atomic int busy;                      /* the same, without threads of the program */
    _Atomic unsigned nthreads;
    _Atomic(thread *) *all;                /* room for limit + drivers; entries are set once */
    _Atomic bool closing, draining;
    _Atomic int blocked, blocked_peak;     /* tasks */
    _Atomic int busy_elsewhere;            /* threads of ours that are blocked in a wait, or run a task with its own cpus */

    pthread_mutex_t lock;                  /* guards what follows */
    thread *idle, *resume_first, *resume_last, *drainer;
    sk_task_name *special_queue;
    size_t special_first, special_last, special_room;
    int *borrowed, nborrowed;              /* leases that the core has for tasks that bring their own cpus */
    ring *alarms;                          /* a binary heap, the soonest at 0; those of ended tasks stay until their time */
    size_t nalarms, alarms_room;
    thread *gone;                          /* entries of program threads that have ended, for reuse */
    pthread_cond_t alarm_set;
    bool alarm_runs;
    pthread_t alarm_thread;
    int ours;                              /* threads started by us */
} threads;

static void *worker_main(void *data);
static void release_lease(threads *b, int lease);
static bool work_is_visible(threads *b);
static threads *the(sk_backend *self) { return (threads *)self; }

/* ---- leases ---- */

static int take_lease(threads *b)
{
    uint64_t head = atomic_load_explicit(&b->free_leases, seq_cst);
    while ((uint32_t)head) {
        uint32_t below = atomic_load_explicit(&b->next_lease[(uint32_t)head - 1], relaxed);
        uint64_t next = ((head & ~(uint64_t)UINT32_MAX) + ((uint64_t)1 << 32)) | below;
        if (atomic_compare_exchange_weak_explicit(&b->free_leases, &head, next, seq_cst, seq_cst))
            return (int)(uint32_t)head - 1;
    }
    return NO_LEASE;
}

static bool has_free_lease(threads *b)
{
    return (uint32_t)atomic_load_explicit(&b->free_leases, seq_cst) != 0;
}

static void push_lease(threads *b, int lease)
{
    uint64_t head = atomic_load_explicit(&b->free_leases, relaxed), next;
    do {
        atomic_store_explicit(&b->next_lease[lease], (uint32_t)head, relaxed);
        next = ((head & ~(uint64_t)UINT32_MAX) + ((uint64_t)1 << 32)) | (uint32_t)(lease + 1);
    } while (!atomic_compare_exchange_weak_explicit(&b->free_leases, &head, next, seq_cst, relaxed));
}

/* A lease has been freed, and the caller is about to look for work: pushes that it may not see yet are made visible, later ones are fenced. */
SK_COLD static void settle_pushes(threads *b)
{
    atomic_fetch_add_explicit(&b->pushes, 1, seq_cst);      /* until we are through, others may not rely on us */
    atomic_fetch_and_explicit(&b->pushes, ~(uint32_t)PLAIN, seq_cst);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    atomic_fetch_sub_explicit(&b->pushes, 1, seq_cst);
}

static inline void settle(threads *b)
{
    if (unlikely(atomic_load_explicit(&b->pushes, seq_cst)))
        settle_pushes(b);
}

/* ---- threads ---- */

static void count_awake(threads *b, const thread *t, int n)
{
    atomic_fetch_add_explicit(&b->awake, n, seq_cst);
    if (!t->is_driver)
        atomic_fetch_add_explicit(&b->busy, n, seq_cst);
}

/* Wakes a thread if it sleeps. It is counted as awake before it can be: or it could come round to sleep again, count itself
 * off, and find a standstill that is none. */
static void wake_beside(threads *b, thread *t, bool elsewhere)
{
    if (!sk_permit_is_asleep(&t->permit))
        return;                            /* it has not announced: it will look once more after it has */
    count_awake(b, t, 1);
    if (!sk_permit_wake(&t->permit, elsewhere))
        count_awake(b, t, -1);
}

static void wake(threads *b, thread *t) { wake_beside(b, t, false); }

/* `elsewhere`: the caller works on, too. */
static void give(threads *b, thread *t, int gift, bool elsewhere)
{
    atomic_store_explicit(&t->gift, gift, seq_cst);
    wake_beside(b, t, elsewhere);
}

/* Announced, but need not sleep. */
static void retract(threads *b, thread *t)
{
    if (!sk_permit_retract(&t->permit))
        count_awake(b, t, -1);             /* whoever woke us has counted us once more */
}

static thread *new_thread(threads *b, bool is_driver)
{
    if (is_driver) {
        pthread_mutex_lock(&b->lock);
        thread *old = b->gone;
        if (old)
            b->gone = old->next;
        pthread_mutex_unlock(&b->lock);
        if (old)
            return old;
    }
    thread *t = aligned_alloc(64, sizeof *t);
    if (!t)
        abort();
    memset(t, 0, sizeof *t);
    sk_deque_init(&t->deque);
    sk_deque_init(&t->inbox);
    t->is_driver = is_driver;
    t->lease = NO_LEASE;
    pthread_mutex_lock(&b->lock);
    t->number = atomic_load_explicit(&b->nthreads, relaxed);
    if (t->number == (unsigned)b->limit + EXTRA_THREADS) {
        sk_misuse(NULL, "more than %u threads call Skate at the same time; let fewer of the program's threads do so", t->number - 1);
    }
    atomic_store_explicit(&b->all[t->number], t, release);
    atomic_store_explicit(&b->nthreads, t->number + 1, release);    /* pairs with find_work */
    pthread_mutex_unlock(&b->lock);
    return t;
}

/* A new thread of ours, with its first gift. false if there are enough, or the system has no more. */
static bool spawn(threads *b, int gift)
{
    pthread_mutex_lock(&b->lock);
    bool room = b->ours < b->limit;
    b->ours += room;
    pthread_mutex_unlock(&b->lock);
    if (!room)
        return false;
    thread *t = new_thread(b, false);
    atomic_store_explicit(&t->gift, gift, relaxed);
    atomic_fetch_add_explicit(&b->awake, 1, seq_cst);
    atomic_fetch_add_explicit(&b->busy, 1, seq_cst);
    void *pair[2] = { b, t };
    void **arg = malloc(sizeof pair);
    if (!arg)
        abort();
    memcpy(arg, pair, sizeof pair);
    if (pthread_create(&t->handle, NULL, worker_main, arg) != 0) {
        free(arg);
        t->is_driver = true;               /* never to be joined; its deque stays empty */
        atomic_fetch_sub_explicit(&b->awake, 1, seq_cst);
        atomic_fetch_sub_explicit(&b->busy, 1, seq_cst);
        pthread_mutex_lock(&b->lock);
        b->ours--;
        pthread_mutex_unlock(&b->lock);
        return false;
    }
    return true;
}

/* With as many threads as leases, one without a lease is just about to be idle, and will look for work once more. Under the lock. */
static bool has_enough_threads(threads *b)
{
    return b->ours - atomic_load_explicit(&b->busy_elsewhere, relaxed) >= b->workers;
}

/* Gives the news of a special task to a sleeping thread, or to a new one. */
static bool wake_for_special(threads *b)
{
    pthread_mutex_lock(&b->lock);
    thread *t = b->idle;
    if (t)
        b->idle = t->next;
    pthread_mutex_unlock(&b->lock);
    if (!t)
        return spawn(b, GIFT_SPECIAL);
    give(b, t, GIFT_SPECIAL, true);
    return true;
}

/* Finds the thread first and takes the lease last: a lease out of sight for a moment could be missed, for good, by the core or by a
 * thread that wants to go on. false: nobody was woken. */
static bool wake_with_lease(threads *b)
{
    pthread_mutex_lock(&b->lock);
    thread *t = b->idle;
    if (t)
        b->idle = t->next;
    bool may_start = !has_enough_threads(b);
    pthread_mutex_unlock(&b->lock);
    int lease = t || may_start ? take_lease(b) : NO_LEASE;
    if (lease != NO_LEASE && t) {
        give(b, t, lease + 1, true);
        return true;
    }
    if (lease != NO_LEASE) {
        bool started = spawn(b, lease + 1);
        if (!started)
            release_lease(b, lease);       /* the system has no more threads */
        return started;
    }
    if (t) {
        pthread_mutex_lock(&b->lock);
        t->next = b->idle;
        b->idle = t;
        pthread_mutex_unlock(&b->lock);
    }
    return false;
}

static bool somebody_could(threads *b)
{
    pthread_mutex_lock(&b->lock);
    bool could = b->idle != NULL;
    pthread_mutex_unlock(&b->lock);
    return could;
}

/* There is work: somebody should look for it, unless somebody does, or no lease is free. */
__attribute__((noinline)) static void wake_worker(threads *b)
{
    int none = 0;
    while (has_free_lease(b) && !atomic_load_explicit(&b->searching, seq_cst)
           && atomic_compare_exchange_strong_explicit(&b->searching, &none, 1, seq_cst, relaxed)) {
        if (wake_with_lease(b))
            return;                        /* the woken one counts as searching now */
        /* Those who came to wake somebody meanwhile saw us search, and left: so look for them. */
        atomic_fetch_sub_explicit(&b->searching, 1, seq_cst);
        settle(b);                         /* the lease was ours for a moment */
        if (!somebody_could(b) || !work_is_visible(b))
            return;
        none = 0;
    }
}

SK_COLD static thread *me_at_first(threads *b) /* a thread of the program */
{
    thread *t = new_thread(b, true);
    atomic_fetch_add_explicit(&b->awake, 1, seq_cst);
    sk_thread_set(t);
    return t;
}

static inline thread *me(threads *b)
{
    thread *t = atomic_load_explicit(&sk_lane_self->thread, relaxed);
    return likely(t != NULL) ? t : me_at_first(b);
}

/* ---- ready ---- */

static void threads_ready_with_cpus(sk_backend *self, sk_task_name task)
{
    threads *b = the(self);
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
    wake_for_special(b);            /* at the limit: the next thread that has nothing to do takes it */
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
static void prune(sk_deque *inbox)
{
    for (uint64_t name; (name = sk_deque_oldest(inbox)) && !sk_task_is_ready((sk_task_name){ name }); )
        sk_deque_steal_if(inbox, name);
}

/* It has been pushed there, but that may not be seen yet. */
__attribute__((noinline)) static void threads_ready_fenced(threads *b, thread *t, sk_deque *where)
{
    sk_deque_publish(where);
    if (has_free_lease(b)) {
        t->fenced = 0;
        wake_worker(b);
    } else if (++t->fenced >= PLAIN_AFTER && b->may_be_plain) {
        uint32_t fenced = 0;
        t->fenced = 0;
        atomic_compare_exchange_strong_explicit(&b->pushes, &fenced, PLAIN, seq_cst, relaxed);
    }
}

/* From a thread without a lease, the driver's mostly. */
__attribute__((noinline)) static void threads_ready_in_inbox(threads *b, sk_task_name task)
{
    thread *t = me(b);
    if (unlikely(++t->pushed % 512 == 0))
        prune(&t->inbox);
    if (unlikely(!sk_deque_push_plain(&t->inbox, task.id)))
        sk_deque_push(&t->inbox, task.id);
    if (unlikely(atomic_load_explicit(&b->pushes, relaxed) != PLAIN))
        threads_ready_fenced(b, t, &t->inbox);
    else if (unlikely(has_free_lease(b)))
        wake_worker(b);
}

static void threads_ready(sk_backend *self, sk_task_name task)
{
    threads *b = the(self);
    thread *t = atomic_load_explicit(&sk_lane_self->thread, relaxed);
    if (unlikely(!t || t->lease == NO_LEASE)) {
        threads_ready_in_inbox(b, task);
        return;
    }
    if (unlikely(!sk_deque_push_plain(&t->deque, task.id)))
        sk_deque_push(&t->deque, task.id);
    if (unlikely(atomic_load_explicit(&b->pushes, relaxed) != PLAIN))
        threads_ready_fenced(b, t, &t->deque);
    else if (unlikely(has_free_lease(b)))
        wake_worker(b);
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

static bool work_is_visible(threads *b)
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

static void standstill(threads *b);
static bool alarm_will_ring(threads *b);

/* The permit has been announced. Sleeps; a timed sleep does not count as standing still. */
static bool sleep_announced(threads *b, thread *t, int64_t deadline)
{
    atomic_store_explicit(&t->parks, atomic_load_explicit(&t->parks, relaxed) + 1, relaxed);
    if (deadline != SK_NEVER) {
        bool woken = sk_permit_sleep(&t->permit, deadline);
        if (woken)
            count_awake(b, t, -1);         /* who woke us has counted us once more */
        return woken;
    }
    int busy = t->is_driver ? 1 : atomic_fetch_sub_explicit(&b->busy, 1, seq_cst) - 1;
    if (busy == 0 && atomic_load_explicit(&b->draining, seq_cst)) {
        pthread_mutex_lock(&b->lock);
        thread *drainer = b->drainer;
        pthread_mutex_unlock(&b->lock);
        if (drainer && drainer != t)
            wake(b, drainer);
    }
    if (atomic_fetch_sub_explicit(&b->awake, 1, seq_cst) == 1)
        standstill(b);
    return sk_permit_sleep(&t->permit, SK_NEVER);
}

/* Whoever waits to go on comes first. */
static void release_lease(threads *b, int lease)
{
    push_lease(b, lease);
    if (atomic_load_explicit(&b->resuming, seq_cst) == 0)
        return;
    pthread_mutex_lock(&b->lock);
    while (b->resume_first && (lease = take_lease(b)) != NO_LEASE) {
        thread *t = b->resume_first;
        b->resume_first = t->next;
        atomic_fetch_sub_explicit(&b->resuming, 1, seq_cst);
        give(b, t, lease + 1, false);
    }
    pthread_mutex_unlock(&b->lock);
}

static void lend_to_core(threads *b, int lease)
{
    pthread_mutex_lock(&b->lock);
    b->borrowed[b->nborrowed++] = lease;
    pthread_mutex_unlock(&b->lock);
}

/* A lease may have been freed: if there is work, somebody should do it. */
static void look_for_work(threads *b)
{
    settle(b);
    if (work_is_visible(b))
        wake_worker(b);
}

/* This thread does not need its lease any more: to the core, if tasks that bring their own cpus lack one, else to whoever wants it. */
static void hand_in(threads *b, int lease)
{
    if (sk_cpus_wanted() > 0 || (sk_cpus_wanted_idle() > 0 && !work_is_visible(b))) {
        lend_to_core(b, lease);
        sk_cpus_give(1);
    } else {
        release_lease(b, lease);
        bool wanted = sk_cpus_wanted() > 0 || (sk_cpus_wanted_idle() > 0 && !work_is_visible(b));
        if (wanted && (lease = take_lease(b)) != NO_LEASE) {       /* wanted since we looked: see try_all in admit.c */
            lend_to_core(b, lease);
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
            retract(b, t);
        else
            sleep_announced(b, t, SK_NEVER);
    }
    return gift;
}

static void resume(threads *b, thread *t)
{
    t->lease = take_lease(b);
    if (t->lease != NO_LEASE)
        return;
    pthread_mutex_lock(&b->lock);
    atomic_fetch_add_explicit(&b->resuming, 1, seq_cst);
    t->lease = take_lease(b);              /* again, after saying that we want one */
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

/* Starts with a lease, counted as searching. Returns without the lease, when others need it more or there is nothing to do.
 * A thread that only searches puts its lease back meanwhile: the driver may use it to run what it waits for. */
static void work(threads *b, thread *t)
{
    bool searching = true;
    int64_t since = 0;
    for (unsigned idle = 0; ; ) {
        uint64_t name = 0;
        bool wanted = atomic_load_explicit(&b->resuming, relaxed) || sk_cpus_wanted() > 0;
        if (t->lease == NO_LEASE && work_is_visible(b))
            t->lease = take_lease(b);
        if (likely(t->lease != NO_LEASE && !wanted))
            name = find_work(b, t);
        if (name) {
            if (searching) {
                searching = false;
                if (atomic_fetch_sub_explicit(&b->searching, 1, seq_cst) == 1 && has_free_lease(b) && work_is_visible(b))
                    wake_worker(b);        /* one finds work, the next one looks for more */
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
                if (work_is_visible(b))    /* pushed while we still counted as searching */
                    wake_worker(b);
                return;
            }
            if (passed >= YIELD_NS)
                sched_yield();
        }
    }
}

static void *worker_main(void *data)
{
    threads *b = ((void **)data)[0];
    thread *t = ((void **)data)[1];
    free(data);
    sk_thread_attach(t);
    for (;;) {
        int gift = wait_for_gift(b, t);
        if (gift == GIFT_NONE)
            break;
        if (gift > 0) {
            t->lease = gift - 1;
            work(b, t);
        }
        sk_task_name task;
        while ((task = pop_special(b)).id) {
            atomic_fetch_add_explicit(&b->busy_elsewhere, 1, relaxed);
            sk_task_run(task, 0);
            atomic_fetch_sub_explicit(&b->busy_elsewhere, 1, relaxed);
        }
        pthread_mutex_lock(&b->lock);
        t->next = b->idle;
        b->idle = t;
        pthread_mutex_unlock(&b->lock);
        if (atomic_load_explicit(&b->special, seq_cst))        /* came after the last look; somebody must be up */
            wake_for_special(b);
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
    threads *b = the(self);
    thread *t = me(b);
    if (unlikely(t->nested >= MOST_NESTED || (char *)__builtin_frame_address(0) < sk_lane_self->stack_floor))
        return;
    if (likely(t->lease != NO_LEASE)) {
        run_here(t, task);
        *worker = t->lease;
        return;
    }
    t->lease = take_lease(b);
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
            t->lease = take_lease(b);
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
    threads *b = the(self);
    thread *t = me(b);
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
            retract(b, t);
        else if (!sleep_announced(b, t, real))
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
    threads *b = the(self);
    if (data) {
        wake(b, data);
        return;
    }
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);     /* a thread of the program that had no entry yet when it waited */
    for (unsigned i = 0; i < n; i++) {
        thread *t = atomic_load_explicit(&b->all[i], acquire);
        if (t->is_driver)
            wake(b, t);
    }
}

/* ---- standstill and drain ---- */

/* Nobody is awake; the caller is about to sleep itself. */
static void standstill(threads *b)
{
    if (atomic_load_explicit(&b->draining, seq_cst) || atomic_load_explicit(&b->closing, seq_cst) || alarm_will_ring(b))
        return;
    if (atomic_load_explicit(&b->awake, seq_cst) > 0)          /* an alarm rings, or has: who comes to sleep last looks */
        return;
    atomic_fetch_add_explicit(&b->awake, 1, seq_cst);          /* while we look, and so that one looks at a time */
    int lease = sk_cpus_wanted() + sk_cpus_wanted_idle() > 0 ? take_lease(b) : NO_LEASE;
    if (lease != NO_LEASE) {
        lend_to_core(b, lease);
        sk_cpus_give(1);
    } else if (!work_is_visible(b) || !has_free_lease(b)) {
        sk_deadlock();
    }
    atomic_fetch_sub_explicit(&b->awake, 1, seq_cst);
}

static void threads_drain(sk_backend *self)
{
    threads *b = the(self);
    thread *t = me(b);
    pthread_mutex_lock(&b->lock);
    b->drainer = t;
    pthread_mutex_unlock(&b->lock);
    atomic_store_explicit(&b->draining, true, seq_cst);
    for (;;) {
        if (work_is_visible(b))
            wake_worker(b);
        while (atomic_load_explicit(&b->busy, seq_cst) > 0) {
            sk_permit_announce(&t->permit);
            if (atomic_load_explicit(&b->busy, seq_cst) == 0)
                retract(b, t);
            else
                sleep_announced(b, t, SK_NEVER);
        }
        if (!work_is_visible(b) && atomic_load_explicit(&b->special, seq_cst) == 0 && sk_deadlock() == 0)
            break;
        /* Stale names count as visible: without a free worker to throw them out, do it here. */
        unsigned n = atomic_load_explicit(&b->nthreads, acquire);
        for (unsigned i = 0; i < n; i++) {
            thread *victim = atomic_load_explicit(&b->all[i], acquire);
            prune(&victim->inbox);
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
                standstill(b);             /* the last thing that could have happened */
            pthread_mutex_lock(&b->lock);
        }
    }
    pthread_mutex_unlock(&b->lock);
    sk_thread_detach();
    return NULL;
}

static void threads_alarm(sk_backend *self, int64_t at, sk_task_name task)
{
    threads *b = the(self);
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
static void threads_thread_gone(sk_backend *self, void *data)
{
    threads *b = the(self);
    thread *t = data;
    pthread_mutex_lock(&b->lock);
    t->next = b->gone;
    b->gone = t;
    pthread_mutex_unlock(&b->lock);
    if (atomic_fetch_sub_explicit(&b->awake, 1, seq_cst) == 1)
        standstill(b);
}

/* ---- the table ---- */

static bool threads_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    (void)err;
    threads *b = the(self);
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
    me(b);                                 /* the driver */
    for (int i = b->workers - 1; i >= 0; i--)
        push_lease(b, i);
    return true;                           /* threads start when there is work for them */
}

static void threads_close(sk_backend *self)
{
    threads *b = the(self);
    atomic_store_explicit(&b->closing, true, seq_cst);
    unsigned n = atomic_load_explicit(&b->nthreads, acquire);
    for (unsigned i = 0; i < n; i++) {
        thread *t = b->all[i];
        if (!t->is_driver) {
            wake(b, t);
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
    threads *b = the(self);
    int got = 0;
    if (only_if_idle && work_is_visible(b))
        return 0;
    for (int lease; got < n && (lease = take_lease(b)) != NO_LEASE; got++)
        lend_to_core(b, lease);
    return got;
}

static void threads_put_back(sk_backend *self, int n)
{
    threads *b = the(self);
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
    threads *b = the(self);
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
