/* export.h -- what `skate trace` can make of a timeline. Each writes the whole of one form to
 * `out`; write errors stay in the stream, for the caller to find with ferror. Tasks are called 1,
 * 2, 3 ... in the order of their submission, 0 is the driver, in all of them.
 *
 *   summary.c   figures, workers, functions, critical path, for people
 *   refs.c      objects by the line that made them: what was freed when, and what only grows
 *   chrome.c    Chrome trace JSON, for ui.perfetto.dev: a process a node, a track a worker, arrows
 *               for dependencies
 *   dot.c       the task graph for Graphviz
 *   csv.c       a line a task, for spreadsheets and pandas; and a line a transfer: what moved from
 *               which node to which, and when */
#ifndef SK_EXPORT_H
#define SK_EXPORT_H

#include <stdio.h>

#include "timeline.h"

void sk_summary_print(FILE *out, const sk_timeline *t, const char *path);
/* What is missing from the trace, a line each ("TRUNCATED: ..."); nothing if it is whole. Returns
 * how many lines. */
unsigned sk_summary_warn(FILE *out, const sk_timeline *t);
void sk_refs_print(FILE *out, const sk_timeline *t);
void sk_chrome_write(FILE *out, const sk_timeline *t);
void sk_dot_write(FILE *out, const sk_timeline *t);
void sk_csv_write(FILE *out, const sk_timeline *t);
void sk_transfers_write(FILE *out, const sk_timeline *t);

#endif
