/* fiber.h -- stacks to run task bodies on, one at a time: a body that waits is left where it is, and another goes on.
 *
 * The idea: a fiber is a thread without a scheduler. It has a stack of its own; it runs only when somebody switches to it, until it
 * switches away or ends. One thread owns all fibers, so nothing here needs a lock, and who runs next is the
 * simulation's choice alone. That thread's ordinary stack is *home*: the event loop lives there.
 *
 *     sk_fiber *f = sk_fiber_new(body, task);       (home)
 *     sk_fiber_switch(f);                           runs body(task) until it waits or ends
 *     sk_fiber_switch(NULL);                        (in body) back home, until somebody switches to us again
 *
 * What a fiber costs. Addresses: 256 KiB of stack and as much of guard; they are reserved, not used. Memory: the pages that were
 * touched: one page of stack for a body that waits at once, two or three below a few calls, and about 1 KB of page tables and kernel
 * records. So 10,000 blocked fibers take 50 to 130 MB; a body that went 100 KB deep keeps these until it ends. The kernel
 * lets a process have 65,530 mappings (vm.max_map_count), and a fiber is two: 30,000 fibers are our limit, and
 * sk_fiber_new then returns NULL rather than letting some malloc fail.
 *
 * Stacks of ended fibers are kept, last in first out. Up to 256 of them, and all of which at most 16 KB were used, stay warm: they keep
 * their pages; those of others go back to the kernel. longjmp works within one fiber, as on any stack. Fibers are known to AddressSanitizer and ThreadSanitizer.  */
#ifndef SK_FIBER_H
#define SK_FIBER_H

#include "base.h"

typedef struct sk_fiber sk_fiber;

typedef struct sk_fiber_counts {
    size_t made, alive, alive_peak;     /* stacks mapped; fibers begun and not ended */
    size_t warm, cold;                  /* stacks in the pool */
} sk_fiber_counts;

/* Stack size of fibers made from now on, in bytes; 0: the default. Only while there are none. Stacks of that size that are there stay. */
void sk_fiber_pool_init(size_t stack_size);
/* Unmaps all stacks. Called at home. Fibers that have not ended are dropped: what their frames own leaks. */
void sk_fiber_pool_clear(void);
/* The same when a session is over, but a few stacks stay for the next one of this process, unless some fiber has not ended. */
void sk_fiber_pool_trim(void);
sk_fiber_counts sk_fiber_pool_counts(void);
size_t sk_fiber_most(void);                                 /* there can be: 30,000 (750 under ThreadSanitizer) */

/* A fiber that will run entry(arg); it starts at the first switch. NULL, errno is set: no memory, or 30,000 are there. */
sk_fiber *sk_fiber_new(void (*entry)(void *), void *arg);
/* Goes on in `to` (NULL: home), and returns when somebody switches back. Not to oneself. */
void sk_fiber_switch(sk_fiber *to);
/* The running fiber ends, its stack is the pool's, and `next` goes on (NULL: home). An entry that returns has done this with NULL. */
_Noreturn void sk_fiber_done(sk_fiber *next);

sk_fiber *sk_fiber_self(void);                              /* NULL: home */
void *sk_fiber_arg(const sk_fiber *fiber);
uint32_t sk_fiber_number(const sk_fiber *fiber);            /* of its stack: 0, 1, ... in the order of mapping */
/* The lowest usable address, and how many bytes there are from it up. */
void *sk_fiber_stack(const sk_fiber *fiber, size_t *size);

/* Which fiber has the guard that this address lies in: it has overflowed its stack. NULL: none. May be called in a signal handler (on
 * another stack: sigaltstack). A frame larger than stack and guard may jump over it, unless compiled with
 * -fstack-clash-protection. */
sk_fiber *sk_fiber_guard_hit(const void *address);

#endif
