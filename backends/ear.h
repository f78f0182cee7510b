/* ear.h -- a thread that hears a bell (ring.h) for somebody who sleeps in poll: each time it is rung, it writes to an eventfd.
 *
 * Who rings such an owner usually writes to the eventfd itself (sk_bell_ring_by). But a task may have closed it, with all descriptors of its process:
 * then the worker rings the bell, for which it needs none. */
#ifndef SK_EAR_H
#define SK_EAR_H

#include "error.h"
#include "ring.h"

#include <pthread.h>

typedef struct sk_ear {
    sk_bell *bell;
    int fd;
    bool listens;
    _Atomic bool over;
    pthread_t thread;
} sk_ear;

bool sk_ear_open(sk_ear *e, sk_bell *bell, int fd, sk_error *err);     /* both are borrowed */
void sk_ear_close(sk_ear *e);                                          /* one that is all zeros, too; may be called twice */

#endif
