/* threads_wake.c -- threads of the backend threads start, are woken, and are counted as awake. */
#include "threads_parts.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A lease has been freed, and the caller is about to look for work: pushes that it may not see yet are made visible, later ones are fenced. */
void threads_settle_pushes(threads *b)
{
    atomic_fetch_add_explicit(&b->pushes, 1, seq_cst);      /* until we are through, others may not rely on us */
    atomic_fetch_and_explicit(&b->pushes, ~(uint32_t)PLAIN, seq_cst);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    atomic_fetch_sub_explicit(&b->pushes, 1, seq_cst);
}

void threads_count_awake(threads *b, const thread *t, int n)
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
    threads_count_awake(b, t, 1);
    if (!sk_permit_wake(&t->permit, elsewhere))
        threads_count_awake(b, t, -1);
}

void threads_wake_one(threads *b, thread *t) { wake_beside(b, t, false); }

/* `elsewhere`: the caller works on, too. */
void threads_give(threads *b, thread *t, int gift, bool elsewhere)
{
    atomic_store_explicit(&t->gift, gift, seq_cst);
    wake_beside(b, t, elsewhere);
}

/* Announced, but need not sleep. */
void threads_retract(threads *b, thread *t)
{
    if (!sk_permit_retract(&t->permit))
        threads_count_awake(b, t, -1);             /* whoever woke us has counted us once more */
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
    if (pthread_create(&t->handle, NULL, threads_worker_main, arg) != 0) {
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

/* With as many threads as leases, one without a lease is just about to be idle, or to run a task with its own cpus, and will look for work before. Under
 * the lock. */
static bool has_enough_threads(threads *b)
{
    return b->ours - atomic_load_explicit(&b->busy_elsewhere, seq_cst) >= b->workers;
}

/* Gives the news of a special task to a sleeping thread, or to a new one. */
bool threads_wake_for_special(threads *b)
{
    pthread_mutex_lock(&b->lock);
    thread *t = b->idle;
    if (t)
        b->idle = t->next;
    pthread_mutex_unlock(&b->lock);
    if (!t)
        return spawn(b, GIFT_SPECIAL);
    threads_give(b, t, GIFT_SPECIAL, true);
    return true;
}

/* Wakes a sleeping thread, or starts one, to look for work. It gets no lease: it takes one when it is up, and if the driver, who pushed the work and waits
 * for it, has that one by then and does the work itself, so much the better: to come up takes 50 us and more. false: nobody was woken. */
static bool wake_to_search(threads *b)
{
    pthread_mutex_lock(&b->lock);
    thread *t = b->idle;
    if (t)
        b->idle = t->next;
    bool may_start = !has_enough_threads(b);
    pthread_mutex_unlock(&b->lock);
    if (!t)
        return may_start && spawn(b, GIFT_SEARCH);
    threads_give(b, t, GIFT_SEARCH, true);
    return true;
}

static bool somebody_could(threads *b)
{
    pthread_mutex_lock(&b->lock);
    bool could = b->idle != NULL;
    pthread_mutex_unlock(&b->lock);
    return could;
}

/* There is work: somebody should look for it, unless somebody does, or no lease is free. */
void threads_wake_worker(threads *b)
{
    int none = 0;
    while (threads_has_free_lease(b) && !atomic_load_explicit(&b->searching, seq_cst)
           && atomic_compare_exchange_strong_explicit(&b->searching, &none, 1, seq_cst, relaxed)) {
        if (wake_to_search(b))
            return;                        /* the woken one counts as searching now */
        /* Those who came to wake somebody meanwhile saw us search, and left: so look for them. */
        atomic_fetch_sub_explicit(&b->searching, 1, seq_cst);
        if (!somebody_could(b) || !threads_work_is_visible(b))
            return;
        none = 0;
    }
}

thread *threads_me_at_first(threads *b) /* a thread of the program */
{
    thread *t = new_thread(b, true);
    atomic_fetch_add_explicit(&b->awake, 1, seq_cst);
    sk_thread_set(t);
    return t;
}
