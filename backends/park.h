/* park.h -- a thread sleeps until it is given a permit. Linux: a futex. A port to another system replaces park.c. */
#ifndef SK_PARK_H
#define SK_PARK_H

#include "base.h"

typedef struct sk_permit {
    _Atomic int state;                     /* 0: awake; -1: asleep, or about to; 2: a waker is at it; 1: woken, not up yet */
    _Atomic int thread;                    /* its owner, who writes this */
    _Atomic int waker;                     /* 1 + the core of who has woken it and works on there; 0: of no interest */
    _Atomic int banned;                    /* 1 + the core that a waker has kept it off; 0: none. The owner lifts that */
    _Atomic int64_t woken_at;              /* goes with waker */
} sk_permit;

/* The owner says that it is about to sleep. Then it must look once more at what it would sleep for, and either retract or sleep:
 * a waker first changes that, then looks at the permit (both seq_cst), so that one of the two sees the other. */
void sk_permit_announce(sk_permit *p);

/* Does not sleep after all. false: it has been woken meanwhile. */
bool sk_permit_retract(sk_permit *p);

static inline bool sk_permit_is_asleep(sk_permit *p) { return atomic_load_explicit(&p->state, seq_cst) == -1; }

/* After announcing: sleeps until woken (true) or until `deadline` (CLOCK_MONOTONIC ns, SK_NEVER; false). */
bool sk_permit_sleep(sk_permit *p, int64_t deadline);

/* Wakes the thread. false: somebody else did, or it is awake. `elsewhere`: the caller goes on with work of its own, so it had better not be
 * on this core. */
bool sk_permit_wake(sk_permit *p, bool elsewhere);

extern _Atomic int sk_permit_late;         /* how often threads came up late on their waker's core; from 2 on they are kept off it. For tests */

/* The calling thread computes: when it wakes it waits until a core is free, or its turn has come, and takes none from a thread that runs, which may be
 * the one that has woken it, and waits for it, or one that draws a window. Threads and processes that it starts are so, too. */
void sk_thread_gives_way(void);

int64_t sk_monotonic_ns(void);

#endif
