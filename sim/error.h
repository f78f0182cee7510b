/* error.h -- why something failed: a chain of hops from the get back to the root cause.
 *
 * A failed task leaves an sk_failure as the value of every ref it was to make. A task whose argument failed gets a
 * failure of its own, whose cause is the argument's: so the chain names every submit site, root cause last, and the
 * hops are shared, not copied.                                                                        */
#ifndef SK_ERROR_H
#define SK_ERROR_H

#include "base.h"
#include <stdio.h>

typedef struct sk_failure {
    _Atomic uint32_t refs;
    sk_code code;
    const sk_site *site;          /* where the failed task was submitted; may be NULL */
    struct sk_failure *cause;     /* owned; NULL at the root */
    char text[];                  /* "divmod: cannot divide 1 by zero" */
} sk_failure;

/* cause is taken over. Never NULL. */
sk_failure *sk_failure_new(sk_code code, const sk_site *site, sk_failure *cause, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
sk_failure *sk_failure_ref(sk_failure *failure);
void sk_failure_unref(sk_failure *failure);                   /* NULL is fine */
void sk_failure_print(const sk_failure *failure, FILE *out);  /* a line a hop, indented */
/* The chain as text; err may be NULL. */
void sk_error_from_failure(sk_error *err, const sk_failure *failure);
bool sk_error_set(sk_error *err, sk_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));  /* false */

/* Ends the program: "FILE:LINE: message" to stderr, then the chain, flushes what must not be lost. Status 2 for misuse, else 1. */
_Noreturn void sk_die(const sk_site *site, const sk_failure *failure, int status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define sk_misuse(site, ...) sk_die((site), NULL, 2, __VA_ARGS__)
/* Called before the end, by the first thread that dies (others wait for it): writes out the trace. `why`: the message, and the root cause. */
extern void (*sk_die_hook)(const char *why);     /* why: NULL where a signal interrupted anything; then nothing may be taken */
extern int sk_die_status;                        /* for the hook: the status that the program will end with */
/* The same for a mistake that a task has made in another process, which has said what it is. */
_Noreturn void sk_die_of(int status, const char *why);

#endif
