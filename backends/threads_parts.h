/* threads_parts.h -- the backend threads from inside: what its files share. threads.c has the idea.
 *
 *     threads.c       what is ready, who finds it, a worker's life, waiting
 *     threads_wake.c  threads that start, are woken, and are counted as awake
 *     threads_end.c   nobody is awake: standstill, draining; alarms; threads of the program that end                  */
#ifndef SK_THREADS_PARTS_H
#define SK_THREADS_PARTS_H

#include "backends.h"
#include "deque.h"
#include "park.h"
#include "task.h"

#include <pthread.h>

enum { SEARCH_NS = 50000, DRIVER_SPIN_NS = 100000, WORKER_SPIN_NS = 3000, YIELD_NS = 4000, EXTRA_THREADS = 256, MOST_NESTED = 1000, BATCH = 32, NO_LEASE = -1,
       PLAIN = 1 << 30, PLAIN_AFTER = 1 << 13, GIFT_NONE = 0, GIFT_SPECIAL = -1, GIFT_SEARCH = -2 };     /* a gift above 0 is a lease + 1 */

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

static inline threads *threads_of(sk_backend *self) { return (threads *)self; }

/* ---- leases ---- */

static inline int threads_take_lease(threads *b)
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

static inline bool threads_has_free_lease(threads *b)
{
    return (uint32_t)atomic_load_explicit(&b->free_leases, seq_cst) != 0;
}

static inline void threads_push_lease(threads *b, int lease)
{
    uint64_t head = atomic_load_explicit(&b->free_leases, relaxed), next;
    do {
        atomic_store_explicit(&b->next_lease[lease], (uint32_t)head, relaxed);
        next = ((head & ~(uint64_t)UINT32_MAX) + ((uint64_t)1 << 32)) | (uint32_t)(lease + 1);
    } while (!atomic_compare_exchange_weak_explicit(&b->free_leases, &head, next, seq_cst, relaxed));
}

/* ---- threads.c ---- */

void threads_lend_to_core(threads *b, int lease);
bool threads_work_is_visible(threads *b);
void threads_prune(sk_deque *inbox);                           /* throws out names at the old end that went stale */
bool threads_sleep_announced(threads *b, thread *t, int64_t deadline);      /* the permit has been announced. false: it was time */
void *threads_worker_main(void *data);

/* ---- threads_wake.c ---- */

void threads_settle_pushes(threads *b);
/* A lease has been freed, and the caller is about to look for work: pushes that it may not see yet are made visible, later ones are fenced. */
static inline void threads_settle(threads *b)
{
    if (unlikely(atomic_load_explicit(&b->pushes, seq_cst)))
        threads_settle_pushes(b);
}
void threads_count_awake(threads *b, const thread *t, int n);
void threads_wake_one(threads *b, thread *t);                  /* if it sleeps */
void threads_give(threads *b, thread *t, int gift, bool elsewhere);         /* and wakes it. `elsewhere`: the caller works on, too */
void threads_retract(threads *b, thread *t);                   /* announced, but need not sleep */
bool threads_wake_for_special(threads *b);                     /* gives the news of a special task to a sleeping thread, or to a new one */
void threads_wake_worker(threads *b);                          /* there is work: somebody should look for it, unless somebody does, or no lease is free */
SK_COLD thread *threads_me_at_first(threads *b);
static inline thread *threads_me(threads *b)
{
    thread *t = atomic_load_explicit(&sk_lane_self->thread, relaxed);
    return likely(t != NULL) ? t : threads_me_at_first(b);
}

/* ---- threads_end.c ---- */

void threads_standstill(threads *b);                           /* nobody is awake; the caller is about to sleep itself */
void threads_drain(sk_backend *self);
void threads_alarm(sk_backend *self, int64_t at, sk_task_name task);
void threads_thread_gone(sk_backend *self, void *data);

#endif
