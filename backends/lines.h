/* lines.h -- passes on what a process writes into a pipe, so that its lines do not mix with others'.
 *
 * Whole lines are written to a FILE under its lock: what other threads print stands before or after one, never inside. A line longer than
 * SK_LINES_LONGEST passes in pieces, and what is left without a newline at the end of the stream passes as it is. Without a prefix not a byte is
 * added or lost; with one each line begins with it, and so does each piece, which then is a line.
 *
 * A process may change its prefix where it stands in its stream: it writes a *label* (sk_lines_label), which does not pass. So the prefix is exact
 * however late the stream is read. Labels are looked for only where there is a prefix. */
#ifndef SK_LINES_H
#define SK_LINES_H

#include "base.h"

#include <stdio.h>

enum { SK_LINES_LONGEST = 65536, SK_LINES_PREFIX = 256 };      /* a line with its newline; a prefix with its NUL */

typedef struct sk_lines {
    FILE *to;                  /* borrowed */
    bool prefixes;
    char prefix[SK_LINES_PREFIX];          /* "[worker 1] " */
    char *data;                /* n bytes of a line that has not ended */
    size_t n;
    bool cut;                  /* the last piece was given a newline that the stream does not have */
} sk_lines;

void sk_lines_init(sk_lines *l, FILE *to, const char *prefix);      /* prefix NULL: none */

/* What to write, at once, so that what follows has this prefix; returns its length. Few enough bytes that a pipe takes them whole. */
enum { SK_LINES_LABEL = SK_LINES_PREFIX + 16 };
size_t sk_lines_label(char label[SK_LINES_LABEL], const char *prefix);

/* Reads what is there; `fd` is non-blocking. false: the stream has ended, or is broken; what was left has been passed on. A stream that never
 * pauses is left after a megabyte, so that one worker cannot keep its reader from the others. */
bool sk_lines_read(sk_lines *l, int fd);

/* The same with bytes of the stream that somebody else has read: they may come in any pieces. At its end: sk_lines_clear. */
void sk_lines_feed(sk_lines *l, const void *bytes, size_t size);

void sk_lines_clear(sk_lines *l);          /* passes on what is left. May be called twice */

#endif
