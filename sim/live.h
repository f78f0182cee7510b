/* live.h -- lets a viewer of the same user watch this run: it is given the log to read along, and may hold tasks back. With --sk-live.
 *
 * The idea: the viewer reads the log itself, from a descriptor that it is handed; so it can be as slow as it likes, nothing is dropped, and the
 * run pays what a log costs. A thread writes out, fifty times a second while somebody watches, what the lanes have so far.
 *
 * The socket is a stream in the abstract namespace, "skate-live/PID": it goes with the process, whatever ends it. Each end asks the
 * kernel who the other is (SO_PEERCRED): another user, but root, is sent away. All that goes over it are lines:
 *
 *   to the viewer     skate VERSION PID SCALE CAN        first, with the descriptor; SCALE as sk_trace_follow_open wants it; CAN: "gate", "-"
 *                     upto NS                            all that happened before is in the log, but for what a thread writes late
 *                     gate open|closed WAITING           when it has changed: threads that stop there
 *                     no WHY                             the last command was not obeyed; or, first, nothing will come
 *                     end                                the run is over; the log is whole, or will be in a moment
 *   to the program    gate open|closed                   closed: no task starts (turnstile.h)
 *                     step N                             so many do
 *                     kill NODE WORKER                   ends this worker's process by force; WORKER -1: the node (of tcp, if the program has started it)
 *
 * A viewer that leaves opens the gate it has closed, unless somebody has opened it since. Where `skate run` has started one for this process (SKATE_VIEWER_FOR in the environment is its pid), a
 * run that is over sooner than the viewer has come waits for it, two seconds at most: else there would be nothing left to see.
 *
 * From another machine: `skate relay` speaks these lines on both ends (backends/tool/relay.h). */
#ifndef SK_LIVE_H
#define SK_LIVE_H

#include "base.h"

enum { SK_LIVE_VERSION = 1, SK_LIVE_LINE = 200 };
#define SK_LIVE_NAME "skate-live/%d"       /* after a NUL */

/* By sk_init, after the backend has opened: `gate`: the turnstile is there, and closed; if nobody has come to open it in ten seconds, it opens. The
 * log is open. How many threads it has started; 0 and *err: none. */
unsigned sk_live_open(const char *log_path, bool gate, sk_error *err);
void sk_live_close(void);                  /* before the lanes go */

/* Ends a worker's process, or a node (worker -1); false and *why. A backend whose workers are processes sets it before its slot `started` returns; called
 * by the thread above, which has no lane, until the backend's `close`. */
extern bool (*sk_live_kill)(int node, int worker, char *why, size_t room);

#endif
