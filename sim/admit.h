/* admit.h -- the queue of tasks that ask for anything but one cpu: more, fewer or no cpus, named resources, a priority.
 *
 * Ordinary tasks never come here: each of the backend's workers is a one-cpu lease that they ride without a lock. For
 * the others the core borrows leases from the backend, cuts them up to the ten-thousandth, and hands a task to the
 * backend once it has everything ("admitted"); what is left over goes back. One lock; its users are few.
 *
 * Order: higher priority first, then submission. A task that lacks only cpus keeps those behind it from taking
 * them (or it would starve); one that lacks a named resource does not.                                        */
#ifndef SK_ADMIT_H
#define SK_ADMIT_H

#include "task.h"

void sk_admit_open(const sk_resource_pool *pool);
void sk_admit_close(void);
void sk_admit(sk_lane *lane, sk_task *t, uint64_t name);        /* READY and QUEUED */
/* Takes a cancelled task out of the queue; false: it is just being admitted, and who admits it will bury it. */
bool sk_admit_remove(sk_extras *extras);
void sk_admit_end(sk_lane *lane, sk_extras *extras);            /* an admitted attempt is over */
void sk_admit_block(sk_lane *lane, sk_extras *extras);          /* waits: its cpus are free meanwhile, the rest is kept */
void sk_admit_unblock(sk_lane *lane, sk_extras *extras);
size_t sk_admit_resources(sk_resource *out, size_t max, int64_t ordinary_running);
const sk_resource_pool *sk_admit_pool(void);                    /* totals */
/* Why is this queued task not admitted? Fills `text`; returns the name of a task that holds what it lacks, or 0. */
uint64_t sk_admit_holder(const sk_extras *extras, char *text, size_t room);
size_t sk_admit_waiting(void);

#endif
