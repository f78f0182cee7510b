/* gantt.h -- a run as text: one row a worker, time from left to right.
 *
 * The idea: each character is a stretch of time. It shows the letter of the function that ran most
 * of it (the legend below the chart says which), lower case if the worker was busy for less than
 * half of it, `.` if nothing ran, `~` if nothing ran and a task was blocked there (in sk_get or
 * sk_wait); for the driver `~` is waiting and `=` everything else. `|` separates two tasks that
 * are long enough to be told apart. Where an attempt did not end well, its last character says so:
 * x ! / (legend). Where there are too many workers for a line each, those that did nothing, or the
 * same, share one, and then neighbours in groups, shown as their mean.
 *
 *     sk_gantt_print(stdout, timeline, 100); */
#ifndef SK_GANTT_H
#define SK_GANTT_H

#include <stdio.h>

#include "timeline.h"

enum { SK_GANTT_COLUMNS = 100 };

/* No line is longer than `columns` characters (50 at least; 0: SK_GANTT_COLUMNS). */
void sk_gantt_print(FILE *out, const sk_timeline *t, int columns);
/* Reads the trace at `path` and prints it. false and *err (may be NULL) if it cannot be read. */
bool sk_gantt_print_file(FILE *out, const char *path, sk_error *err);

#endif
