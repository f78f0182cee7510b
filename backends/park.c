/* park.c -- see park.h. */
#include "park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t sk_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

bool sk_permit_sleep(sk_permit *p, int64_t deadline)
{
    struct timespec ts = { deadline / 1000000000, deadline % 1000000000 };
    for (;;) {
        int one = 1;
        if (atomic_compare_exchange_strong_explicit(p, &one, 0, seq_cst, seq_cst))
            return true;
        /* FUTEX_WAIT_BITSET takes an absolute time. */
        long r = syscall(SYS_futex, p, FUTEX_WAIT_BITSET_PRIVATE, -1, deadline == SK_NEVER ? NULL : &ts, NULL,
                         FUTEX_BITSET_MATCH_ANY);
        if (r < 0 && errno == ETIMEDOUT) {
            int asleep = -1;
            if (atomic_compare_exchange_strong_explicit(p, &asleep, 0, seq_cst, seq_cst))
                return false;
        }
    }
}

bool sk_permit_wake(sk_permit *p)
{
    int asleep = -1;
    if (!atomic_compare_exchange_strong_explicit(p, &asleep, 1, seq_cst, seq_cst))
        return false;
    syscall(SYS_futex, p, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return true;
}
