/* memory.h -- want of memory: a limit for this process, whether it is that which has ended it, and whom the kernel has killed for it. Linux only.
 *
 * A worker that runs out of memory mostly does not say so: malloc returns NULL, and the body writes there; GLib aborts; the kernel kills. Its
 * end alone looks like any other crash. What tells them apart:
 *
 *   limits   (ours, or the user's `ulimit -v`) the worker's handlers ask sk_memory_has_run_out: did GLib say so, was the last error of the
 *            crashing thread ENOMEM, or is the process within a megabyte of its limit?
 *   kernel   kills with SIGKILL, and counts it in the control group of the process: the node asks sk_memory_kills when one was killed. */
#ifndef SK_MEMORY_H
#define SK_MEMORY_H

#include "base.h"

/* This process gets no more than so many bytes from now on, for malloc and for stacks of threads (RLIMIT_DATA); memory shared with others, as objects
 * are, does not count. */
enum { SK_MEMORY_LEAST = 1 << 20 };        /* Skate itself needs some */
bool sk_memory_limit(size_t bytes, sk_error *err);

void sk_memory_watch(void);                /* once: from now on GLib's aborts for want of memory are noted */
void sk_memory_forget(void);               /* what has failed so far does not count: somebody else begins */

/* Safe in a handler of signals, on the thread that has crashed. Writes what it knows, "it had run out of memory: ...". */
bool sk_memory_has_run_out(char *text, size_t room);

/* How many processes of this one's control group the kernel has killed so far for want of memory; where there is no such count, of the machine.
 * -1: not known. `root` stands before the paths: "" but in tests. */
int64_t sk_memory_kills(const char *root);

/* The kernel should take a worker before the driver, which holds what all have made. */
void sk_memory_go_first(void);

#endif
