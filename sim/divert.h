/* divert.h -- how a worker process leaves its program's path before that has begun.
 *
 * A worker is the driver's program once more, by exec of /proc/self/exe with SKATE_WORKER=TEXT in its environment. What runs in it:
 *
 *   1. the constructors of its shared libraries, the program's own among them: with them the functions in these register, and
 *      libraries are set up as in any process that loads them (so these do run once more, as they must: a task may call into them)
 *   2. the executable's constructors of priority 101: its SK_REMOTE functions register
 *   3. the first of its constructors of priority 102 (skate/remote.h): sk_worker_divert, which does not come back
 *
 * What does not run a second time: the executable's other constructors (of any later priority, and those without), C++'s
 * initialisers of globals in it, and main: they are the program's start-up, which the driver has done and which may open windows,
 * truncate files or print. For the same reason a worker leaves by _exit, without the destructors and atexit handlers of what was not set up.
 *
 * Libraries that main loads later (dlopen) are not in a worker; the fingerprints of the function tables differ then, and say so. */
#ifndef SK_DIVERT_H
#define SK_DIVERT_H

#include "base.h"

/* Comes back at once unless SKATE_WORKER is set and not empty, and `here` lies in the executable. (In a shared library it is too early: the
 * executable's functions have not registered yet.) Else takes SKATE_WORKER out of the environment, so that programs
 * that a task starts are not diverted, and calls sk_worker_entry. `here` NULL: wherever the caller lies; sk_init does so, for executables
 * that use Skate only through a library and have no constructor of their own.
 *
 * SKATE_WORKER=probe: ./program prints the function table that a worker has: "probe: 12 functions, fingerprint 0123456789abcdef". */
void sk_worker_divert(const void *here);

/* The worker's main, by the program's list of backends (backends/backends.c); does not return. `text` is what stood in SKATE_WORKER;
 * it stays valid. */
extern void (*const sk_worker_entry)(const char *text);

#endif
