/* crash.h -- where in the program's source a crash is. For handlers of signals: takes no memory and no lock of ours. Linux only.
 *
 * The handler knows an address. Whose function lies there, and in which line, only the program's debugging information says, and reading that is not for
 * a process that has just crashed: addr2line reads it, in a process of its own, if it is there (it comes with the compiler). */
#ifndef SK_CRASH_H
#define SK_CRASH_H

#include "base.h"

/* "in square at square.c:5"; without -g, or without addr2line, "at 0x12a7 of /home/me/square" and what is missing. The place is
 * the innermost one that lies neither in Skate nor in the C library: there the student's program was. `context` is the third argument of the
 * handler, which must run on the thread that has crashed. */
void sk_crash_place(const void *context, char *text, size_t room);

#endif
