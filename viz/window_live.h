/* window_live.h -- a run that goes on (attach.h), as a window knows one (window.h). */
#ifndef SK_WINDOW_LIVE_H
#define SK_WINDOW_LIVE_H

#include "attach.h"
#include "far.h"
#include "window.h"

typedef struct sk_watch {
    sk_attach *attach;
    sk_far *far;             /* NULL: it runs here */
    char *name;              /* "process 4711", "process 4711 at lab-01:7001" */
    sk_window_live window;   /* what it can do; less when the run is over */
    bool asks, wants;        /* the gate was asked to be like this, ... */
    uint64_t gates;          /* ... after so many words about it: the next one is the answer */
    uint64_t refusals;       /* that were told */
    char status[400];
} sk_watch;

/* Of this process; `starts`: it may have just been started, and is waited for. NULL and *err if it cannot be watched.
 * The caller's process is nice from then on. */
sk_watch *sk_watch_open(int pid, bool starts, sk_error *err);
/* Of one at HOST:PORT, where `skate relay` listens: see far.h. */
sk_watch *sk_watch_open_far(const char *address, const char *secret_file, sk_error *err);
void sk_watch_close(sk_watch *l); /* opens the gate, if it is closed from here; NULL is fine */

#endif
