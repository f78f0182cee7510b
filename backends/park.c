/* park.c -- see park.h. Linux: futexes, and a remedy for kernels that do not know which cores share a cache.
 *
 * A kernel puts a woken thread on an idle core near the one it slept on, or near its waker. Some virtual machines tell it nothing about caches; then
 * no core is near any other, the thread is put where it slept or where its waker runs, and if that is the waker's core, it waits for the end of the waker's
 * time slice: 3 ms instead of 50 us, while another core idles. So: where threads came up late on their waker's core twice, all that are woken
 * so are from then on kept off that core until they are up, wherever they slept (a kernel moves them to it also from elsewhere). Only threads of the
 * backend's own are woken that way (`elsewhere`), never the program's. */
#include "park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LATE_NS = 700000, OFTEN = 2 };

_Atomic int sk_permit_late;

int64_t sk_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Refused in some sandboxes, which does no harm. Whoever runs the program in another way than the usual one knows why. */
void sk_thread_gives_way(void)
{
    struct sched_param none = { 0 };
    if (sched_getscheduler(0) == SCHED_OTHER)
        sched_setscheduler(0, SCHED_BATCH, &none);
}

/* Between its announcement and its way out of sk_permit_sleep or sk_permit_retract: the owner waits while a waker is at it. */
static void keep_off(sk_permit *p, int cpu)
{
    cpu_set_t may;
    pid_t thread = atomic_load_explicit(&p->thread, relaxed);
    if (sched_getaffinity(thread, sizeof may, &may) != 0 || !CPU_ISSET(cpu, &may) || CPU_COUNT(&may) < 2)
        return;
    CPU_CLR(cpu, &may);
    if (sched_setaffinity(thread, sizeof may, &may) == 0)
        atomic_store_explicit(&p->banned, cpu + 1, relaxed);
}

/* The owner, awake again, one way or the other. */
static void got_up(sk_permit *p)
{
    int waker = atomic_exchange_explicit(&p->waker, 0, relaxed);
    int banned = atomic_exchange_explicit(&p->banned, 0, relaxed);
    cpu_set_t may;
    if (banned && sched_getaffinity(0, sizeof may, &may) == 0) {
        CPU_SET(banned - 1, &may);
        sched_setaffinity(0, sizeof may, &may);
    }
    if (waker && sched_getcpu() == waker - 1 && sk_monotonic_ns() - atomic_load_explicit(&p->woken_at, relaxed) > LATE_NS)
        atomic_fetch_add_explicit(&sk_permit_late, 1, relaxed);
}

void sk_permit_announce(sk_permit *p)
{
    if (!atomic_load_explicit(&p->thread, relaxed))
        atomic_store_explicit(&p->thread, (int)syscall(SYS_gettid), relaxed);
    atomic_exchange_explicit(&p->state, -1, seq_cst);
}

bool sk_permit_retract(sk_permit *p)
{
    int asleep = -1;
    if (atomic_compare_exchange_strong_explicit(&p->state, &asleep, 0, seq_cst, seq_cst))
        return true;
    while (atomic_load_explicit(&p->state, acquire) == 2)
        sk_pause();
    atomic_store_explicit(&p->state, 0, seq_cst);
    got_up(p);
    return false;
}

bool sk_permit_sleep(sk_permit *p, int64_t deadline)
{
    struct timespec ts = { deadline / 1000000000, deadline % 1000000000 };
    for (;;) {
        int one = 1;
        if (atomic_compare_exchange_strong_explicit(&p->state, &one, 0, seq_cst, seq_cst)) {
            got_up(p);
            return true;
        }
        if (one == 2) {
            sk_pause();
            continue;
        }
        /* FUTEX_WAIT_BITSET takes an absolute time. */
        long r = syscall(SYS_futex, &p->state, FUTEX_WAIT_BITSET_PRIVATE, -1, deadline == SK_NEVER ? NULL : &ts, NULL,
                         FUTEX_BITSET_MATCH_ANY);
        if (r < 0 && errno == ETIMEDOUT) {
            int asleep = -1;
            if (atomic_compare_exchange_strong_explicit(&p->state, &asleep, 0, seq_cst, seq_cst))
                return false;
        }
    }
}

bool sk_permit_wake(sk_permit *p, bool elsewhere)
{
    int asleep = -1, cpu = elsewhere ? sched_getcpu() : -1;
    if (!atomic_compare_exchange_strong_explicit(&p->state, &asleep, cpu < 0 ? 1 : 2, seq_cst, seq_cst))
        return false;
    if (cpu >= 0) {
        if (atomic_load_explicit(&sk_permit_late, relaxed) >= OFTEN) {
            keep_off(p, cpu);
        } else {
            atomic_store_explicit(&p->woken_at, sk_monotonic_ns(), relaxed);
            atomic_store_explicit(&p->waker, cpu + 1, relaxed);
        }
        atomic_store_explicit(&p->state, 1, seq_cst);
    }
    syscall(SYS_futex, &p->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return true;
}
