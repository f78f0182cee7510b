/* park.c -- see park.h. Linux: futexes, and a remedy for kernels that do not know which cores share a cache.
 *
 * A kernel puts a woken thread on an idle core near the one it slept on. Some virtual machines tell it nothing about caches; then no core
 * is near any other, the thread stays where it slept, and if the waker runs there it waits for the end of the waker's
 * time slice: 3 ms instead of 50 us, while another core idles. So: a thread that was woken on its waker's core and came up late
 * says so once, and from then on threads that sleep on the waker's core are kept off it until they are up. */
#include "park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LATE_NS = 700000 };

static _Atomic bool kernel_is_blind;

int64_t sk_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Which cores the sleeper may use, it knows best: it lifts the ban with the set it had. */
static void keep_off(sk_permit *p, int cpu)
{
    cpu_set_t may;
    pid_t thread = atomic_load_explicit(&p->thread, relaxed);
    if (sched_getaffinity(thread, sizeof may, &may) != 0 || !CPU_ISSET(cpu, &may) || CPU_COUNT(&may) < 2)
        return;
    CPU_CLR(cpu, &may);
    atomic_store_explicit(&p->moved, sched_setaffinity(thread, sizeof may, &may) == 0, relaxed);
    atomic_store_explicit(&p->cpu, cpu, relaxed);
}

static void got_up(sk_permit *p)
{
    int64_t at = atomic_exchange_explicit(&p->woken_at, 0, relaxed);
    if (atomic_load_explicit(&p->moved, relaxed)) {
        cpu_set_t may;
        if (sched_getaffinity(0, sizeof may, &may) == 0) {
            CPU_SET(atomic_load_explicit(&p->cpu, relaxed), &may);
            sched_setaffinity(0, sizeof may, &may);
        }
        atomic_store_explicit(&p->moved, false, relaxed);
    } else if (at && sk_monotonic_ns() - at > LATE_NS) {
        atomic_store_explicit(&kernel_is_blind, true, relaxed);
    }
}

bool sk_permit_sleep(sk_permit *p, int64_t deadline)
{
    struct timespec ts = { deadline / 1000000000, deadline % 1000000000 };
    if (!atomic_load_explicit(&p->thread, relaxed))
        atomic_store_explicit(&p->thread, (int)syscall(SYS_gettid), relaxed);
    atomic_store_explicit(&p->cpu, sched_getcpu(), relaxed);
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
    int asleep = -1, cpu;
    if (elsewhere && (cpu = sched_getcpu()) >= 0 && atomic_load_explicit(&p->cpu, relaxed) == cpu) {
        if (!atomic_compare_exchange_strong_explicit(&p->state, &asleep, 2, seq_cst, seq_cst))
            return false;
        if (atomic_load_explicit(&kernel_is_blind, relaxed))
            keep_off(p, cpu);
        else
            atomic_store_explicit(&p->woken_at, sk_monotonic_ns(), relaxed);
        atomic_store_explicit(&p->state, 1, seq_cst);
    } else if (!atomic_compare_exchange_strong_explicit(&p->state, &asleep, 1, seq_cst, seq_cst)) {
        return false;
    }
    syscall(SYS_futex, &p->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return true;
}
