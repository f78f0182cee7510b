/* proxy.h -- the port's remote end: the same calls, written to a channel. See proxy.c. */
#ifndef SK_PROXY_H
#define SK_PROXY_H

#include "port.h"
#include "wire.h"

extern const sk_port sk_proxy_port;

/* Lets this lane (the driver's) make its calls through a socketpair, served by a thread of this process. false if it cannot. */
bool sk_proxy_start(void);
void sk_proxy_stop(void);            /* back to the local graph, which takes over what the driver still holds; at shutdown only */

/* ---- In a worker process (backends/worker.c): the calls of one task after the other ---- */

/* This lane's calls go to the node from now on. Returns the connection, to which the caller adds its channel (read, write) and store (place,
 * blob_at). */
sk_wire *sk_proxy_begin_worker(void);
void sk_proxy_task_begins(void);
void sk_proxy_knows(sk_ref ref);     /* an argument that is a ref itself */
void sk_proxy_task_ended(void);      /* forgets its refs, as the server does */
/* Frames that are no calls of the port. add: written when enough have come together, with the next question, or by flush. */
void sk_proxy_add(const sk_msg *m);
void sk_proxy_flush(void);
sk_wire *sk_proxy_wire(void);
/* The next frame that is no answer: one that came while a task waited for its answers, else one that comes. false: see sk_wire_receive. */
bool sk_proxy_next(sk_msg *m);
const sk_msg *sk_proxy_ask(const sk_msg *m, sk_wire_type type);
extern void (*sk_proxy_before_ask)(void);          /* may add frames, before those of whatever waits for an answer. NULL: nothing */

#endif
