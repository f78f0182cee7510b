/* serve.h -- the other end of a proxy: makes the calls that arrive on a connection, on the graph in this process. See serve.c. */
#ifndef SK_SERVE_H
#define SK_SERVE_H

#include "wire.h"

/* Serves one connection until its end, in the calling thread, which must not have made anything yet: it becomes the driver that
 * the proxy stands for. Closes fd. What the other end has made stays until the session ends if it said goodbye, and
 * is dropped at once if it died or did not speak Skate's protocol. */
void sk_serve(int fd);

/* ---- For backends whose tasks' bodies run in other processes: the calls of one task ----
 * The calls are made by the caller's lane, in its running frame: so what they make is the task's. A call may end the task and not return.
 * One connection serves one task after the other; the functions that the client has named, `fns`, stay. */

typedef struct sk_served sk_served;
sk_served *sk_served_new(sk_wire *wire, GPtrArray *fns);
void sk_served_turn(sk_served *s);                     /* values on the wire are of this task from now on */
/* One frame other than HELLO: makes the call, adds the answer if there is one. false: no proxy would send it; wire->error says why. */
bool sk_served_call(sk_served *s, sk_msg *m);
sk_ref sk_served_object(const sk_served *s, sk_ref ref);    /* of a ref that came back as an answer */
/* The task is over: what its lists and waiters held is given back. Its frame ends after this. */
void sk_served_end(sk_served *s);

#endif
