/* gantt_lines.h -- which workers share a line of the Gantt chart, so that thousands of them fit.
 *
 * The idea: as fine as it takes to show all of them. First a line a worker, where neighbours on a node on which nothing ever
 * ran share one; then also whole nodes of that sort; then a line a node, where neighbours that did all the same
 * share one; then nodes (of a single node: workers) in groups of a round number, to be shown as their mean. */
#ifndef SK_GANTT_LINES_H
#define SK_GANTT_LINES_H

#include "timeline.h"

typedef struct sk_gantt_line {
    uint32_t worker, n; /* n rows of t->workers, from this one */
    uint32_t share;     /* of which are not extra ones; at least 1. To divide by for the mean */
    bool alike;         /* which did all the same, or nothing */
} sk_gantt_line;

typedef struct sk_gantt_lines {
    const sk_timeline *t;
    sk_gantt_line *lines;
    uint32_t nlines;
    bool by_node;    /* lines are whole nodes */
    uint64_t *print; /* by row: what ran on it when, as one number; 0: nothing */
} sk_gantt_lines;

sk_gantt_lines sk_gantt_lines_choose(const sk_timeline *t);
void sk_gantt_lines_clear(sk_gantt_lines *c);
/* "worker 3", "node 7>2-5", "node 10-999". To be freed with g_free. */
char *sk_gantt_lines_label(const sk_gantt_lines *c, const sk_gantt_line *l);

#endif
