/* turnstile.c -- see turnstile.h. */
#include "turnstile.h"

#include <pthread.h>

_Atomic bool sk_turnstile_closed;
_Atomic bool sk_turnstile_is_there;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static uint64_t tickets, waiting;                 /* tasks that may start though it is closed; threads. Under the lock */
static bool backend_asks;

void sk_turnstile_open_session(bool is_there, bool asks)
{
    atomic_store(&sk_turnstile_is_there, is_there);
    backend_asks = asks;
    tickets = 0;
    atomic_store(&sk_turnstile_closed, is_there);
}

void sk_turnstile_close_session(void)
{
    sk_turnstile_set(false);
    atomic_store(&sk_turnstile_is_there, false);
}

void sk_turnstile_set(bool closed)
{
    pthread_mutex_lock(&lock);
    tickets = 0;
    atomic_store(&sk_turnstile_closed, closed);
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&lock);
}

void sk_turnstile_step(unsigned n)
{
    pthread_mutex_lock(&lock);
    if (atomic_load(&sk_turnstile_closed))
        tickets += n;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&lock);
}

bool sk_turnstile_may_start(void)
{
    if (likely(!atomic_load_explicit(&sk_turnstile_closed, relaxed)))
        return true;
    pthread_mutex_lock(&lock);
    bool may = !atomic_load(&sk_turnstile_closed) || tickets;
    pthread_mutex_unlock(&lock);
    return may;
}

void sk_turnstile_started(void)
{
    if (likely(!atomic_load_explicit(&sk_turnstile_closed, relaxed)))
        return;
    pthread_mutex_lock(&lock);
    if (tickets)
        tickets--;
    pthread_mutex_unlock(&lock);
}

uint64_t sk_turnstile_waiting(void)
{
    pthread_mutex_lock(&lock);
    uint64_t n = waiting;
    pthread_mutex_unlock(&lock);
    return n;
}

bool sk_turnstile_pass_slowly(void)
{
    if (backend_asks)
        return false;
    pthread_mutex_lock(&lock);
    waiting++;
    while (atomic_load(&sk_turnstile_closed) && !tickets)
        pthread_cond_wait(&opened, &lock);
    waiting--;
    bool by_step = atomic_load(&sk_turnstile_closed);
    tickets -= by_step;
    pthread_mutex_unlock(&lock);
    return by_step;
}
