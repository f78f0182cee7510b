/* lines.h -- passes on what a process writes into a pipe, so that its lines do not mix with others'.
 *
 * Whole lines are written to a FILE under its lock: what other threads print stands before or after one, never inside. A line longer than
 * SK_LINES_LONGEST passes in pieces, and what is left without a newline at the end of the stream passes as it is. Without a prefix not a byte is
 * added or lost; with one each line begins with it, and so does each piece, which then is a line. */
#ifndef SK_LINES_H
#define SK_LINES_H

#include "base.h"

#include <stdio.h>

enum { SK_LINES_LONGEST = 65536 };         /* with its newline */

typedef struct sk_lines {
    FILE *to;                  /* borrowed */
    const char *prefix;        /* "[worker 1] "; borrowed; NULL: none */
    char *data;                /* n bytes of a line that has not ended */
    size_t n;
    bool cut;                  /* the last piece was given a newline that the stream does not have */
} sk_lines;

void sk_lines_init(sk_lines *l, FILE *to, const char *prefix);

/* Reads what is there; `fd` is non-blocking. false: the stream has ended, or is broken; what was left has been passed on. A stream that never
 * pauses is left after a megabyte, so that one worker cannot keep its reader from the others. */
bool sk_lines_read(sk_lines *l, int fd);

void sk_lines_clear(sk_lines *l);          /* passes on what is left. May be called twice */

#endif
