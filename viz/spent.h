/* spent.h -- where the time of a run's workers went:
 *
 *     workers x makespan = compute + transfer + scheduling + idle          exactly, to the nanosecond
 *
 * At any instant between the first submission and the last end of a task, a worker of a node that is there counts as
 *
 *   compute      if a task is RUNNING: as many workers as there are such tasks
 *   transfer     else, if an object is on its way from node to node: one for each
 *   scheduling   else, if a task is READY, which could run: one for each. What it takes to start it
 *   idle         else: there is nothing to do but wait, for tasks that run, or for more
 *
 * More tasks than workers may be RUNNING for a moment (one that was blocked goes on at once): those count once a worker. A run whose tasks have
 * not all ended is counted up to its last event. (stats.h counts all the time that the workers were there, at any step.) */
#ifndef SK_SPENT_H
#define SK_SPENT_H

#include "model.h"

typedef struct sk_spent {
    int64_t from, to;                             /* the makespan */
    int64_t all;                                  /* workers x makespan, workers as they come and go */
    int64_t compute, transfer, scheduling, idle;
    uint32_t workers;                             /* the most there were at once */
} sk_spent;

/* O(events) */
sk_spent sk_spent_of(const sk_model *m);

#endif
