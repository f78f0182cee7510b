/* turnstile.h -- where a person holds tasks back: closed, no task starts; a step lets one through. For `skate run --view --gate`.
 *
 * Backends whose threads run tasks themselves need not know of it: the thread stops in sk_task_claim, before the task moves to RUNNING.
 * One that decides for others who starts what (SK_CAN_ISOLATE) asks may_start, has its scheduler keep starts back, and tells of each. What waits for
 * it alone does not stand still: whoever looks for deadlocks, or for the end, has to know. */
#ifndef SK_TURNSTILE_H
#define SK_TURNSTILE_H

#include "base.h"

SK_OURS extern _Atomic bool sk_turnstile_closed;          /* nobody but turnstile.c writes it */
extern _Atomic bool sk_turnstile_is_there;                /* --sk-gate was given: backends keep short what they cannot have back. Set before tasks are */

void sk_turnstile_open_session(bool is_there, bool asks);     /* asks: the backend asks may_start itself. Closed, if it is there */
void sk_turnstile_close_session(void);
void sk_turnstile_set(bool closed);
void sk_turnstile_step(unsigned n);               /* so many more tasks may start */
bool sk_turnstile_may_start(void);
void sk_turnstile_started(void);                  /* one did */
uint64_t sk_turnstile_waiting(void);              /* threads that stop there now */
bool sk_turnstile_pass_slowly(void);

/* A thread that is about to run a task: stops here while it is closed. true: by a step. */
static inline bool sk_turnstile_pass(void)
{
    return unlikely(atomic_load_explicit(&sk_turnstile_closed, relaxed)) && sk_turnstile_pass_slowly();
}

#endif
