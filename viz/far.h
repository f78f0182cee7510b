/* far.h -- a run on another machine. `skate relay PID` there and `skate relay --from` here stand between it and the viewer: the second is started by
 * this, from beside this program, and is to the viewer what a program of this machine is (attach.h).
 *
 *     sk_far *f = sk_far_open("lab-01:7001", "/home/me/.skate-secret", &err);
 *     sk_attach *a = sk_attach_open(sk_far_pid(f), &err);
 *     ... now and then sk_far_reap(f), or a relay that has ended would seem to live ...
 *     sk_attach_close(a);
 *     sk_far_close(f);
 *
 * The relay ends with this process, whatever ends it; that is, with the thread that has called sk_far_open. */
#ifndef SK_FAR_H
#define SK_FAR_H

#include <sys/types.h>

#include "skate.h"

typedef struct sk_far sk_far;

/* Returns when the relay can be attached to. NULL and *err: nobody listens there, the secret is another, it is no relay ... secret_file: NULL: what
 * SKATE_SECRET_FILE in the environment says. */
sk_far *sk_far_open(const char *address, const char *secret_file, sk_error *err);
void sk_far_close(sk_far *f); /* NULL is fine */
pid_t sk_far_pid(const sk_far *f);
const char *sk_far_name(const sk_far *f); /* "process 4711 at lab-01:7001" */
void sk_far_reap(sk_far *f);

#endif
