/* fiber_switch.h -- the processor's part of fibers: leave one stack, go on upon another.
 *
 * The idea: to a function that calls it, a switch is a call like any other, which returns much later. So only those registers need
 * saving that the calling convention says a call preserves; they are pushed on the stack that is left, and the stack pointer is all
 * there is to remember. No system call: some 15 ns. swapcontext, the portable way, also keeps the signal mask, for a
 * system call each time.
 *
 * The modes of floating-point arithmetic (rounding, exceptions) belong to a call's preserved state too: a task that sets
 * FE_UPWARD and then waits must not change what others compute. Shadow stacks (CET) are not handled: no libc here turns them on. */
#ifndef SK_FIBER_SWITCH_H
#define SK_FIBER_SWITCH_H

#include <stddef.h>

#if !defined(SK_FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define SK_FIBER_UCONTEXT
#endif

#ifdef SK_FIBER_UCONTEXT
#include <ucontext.h>
typedef struct sk_context { ucontext_t saved; } sk_context;
#else
typedef struct sk_context { void *sp; } sk_context;
#endif

/* ThreadSanitizer keeps a stack of the calls it has seen for each fiber: what runs while fibers change must not be seen. (clang's
 * no_sanitize leaves the calls in.) */
#if defined(__clang__) && __has_attribute(disable_sanitizer_instrumentation)
#define SK_UNSEEN __attribute__((disable_sanitizer_instrumentation))
#else
#define SK_UNSEEN __attribute__((no_sanitize("thread")))
#endif

/* Makes a context that starts `entry` on the stack low .. low+size (both multiples of 16). entry must not return. */
void sk_context_make(sk_context *context, void *low, size_t size, void (*entry)(void));
/* Saves where we are in *from and goes on at *to. Returns when somebody switches to *from. */
void sk_context_switch(sk_context *from, const sk_context *to);

#endif
