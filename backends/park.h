/* park.h -- a thread sleeps until it is given a permit. Linux: a futex. A port to another system replaces park.c. */
#ifndef SK_PARK_H
#define SK_PARK_H

#include "base.h"

typedef _Atomic int sk_permit;             /* 0: none; 1: there is one; -1: its thread sleeps, or is about to */

/* The owner says that it is about to sleep. false: there is a permit; it has been taken. */
static inline bool sk_permit_announce(sk_permit *p)
{
    int none = 0;
    if (atomic_compare_exchange_strong_explicit(p, &none, -1, seq_cst, seq_cst))
        return true;
    atomic_store_explicit(p, 0, seq_cst);
    return false;
}

/* After announcing: sleeps until there is a permit (takes it, true) or until `deadline` (CLOCK_MONOTONIC ns, SK_NEVER; false). */
bool sk_permit_sleep(sk_permit *p, int64_t deadline);

/* Gives a permit. true if its thread slept, and was woken. Permits do not add up. */
bool sk_permit_give(sk_permit *p);

int64_t sk_monotonic_ns(void);

#endif
