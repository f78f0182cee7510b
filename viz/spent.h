/* spent.h -- where the time of a run's workers went, up to any step. Stats and Compare both show these figures, so they are defined here, once:
 *
 *     workers x time = compute + transfer + scheduling + idle          exactly, to the nanosecond
 *
 * The time is that from the first submission to the last end of a task, so that runs can be compared. While tasks are not over, it is all the time up to
 * now; while all that have been submitted are over, what passes counts when another is submitted. A worker counts as long as its node is there (of a log
 * that names no nodes: since it first ran something). At each moment let there be c workers, r tasks RUNNING, x objects on their way between nodes, and
 * q tasks READY (their arguments exist, and they wait for a worker, or for bytes to come to it). Then
 *
 *     compute     min(r, c) of the workers run tasks
 *     transfer    as many of the others as objects are on their way: they have nothing to do until bytes have come
 *     scheduling  as many of those left as tasks are ready: there is work, and it has not been given out yet
 *     idle        the rest: there was too little work
 *     beyond      r - c, if more run than there are workers: they stand in for others whose tasks wait, or asked for no cpu. Not part of `all`
 *
 * It is reckoned for the whole cluster, not for each node: that an object is on its way to one node is taken for the reason why a worker rests, whichever
 * it is. So `all` is what the workers were there, row by row, and compute + beyond what the tasks were RUNNING.
 *
 * The idea: sums are written down every 64 steps, and counted on from there. A transfer is told of when it has ended; then all since it began is reckoned
 * anew. Grows with the model. */
#ifndef SK_SPENT_H
#define SK_SPENT_H

#include "model.h"

/* A transfer counts for so many steps before its end at most. */
enum { SK_SPENT_BACK = 1 << 20 };

typedef struct sk_spent {
    int64_t from, to;                             /* the time that counts */
    int64_t all;                                  /* workers x time, workers as they come and go */
    int64_t compute, transfer, scheduling, idle;
    int64_t beyond;
    uint32_t workers;                             /* the most there were at once */
    bool open;                                    /* tasks are not over: `to` is now; else the last end */
} sk_spent;

typedef struct sk_spent_check {
    sk_spent sums, after;                         /* after: what has passed since all tasks were over. It counts if there are more */
    uint32_t running, ready, open, workers, seen; /* open: tasks that are not over; seen: in model.workers[] */
    bool begun, named;                            /* a task has been submitted; a node has been named */
} sk_spent_check;

typedef struct sk_spent_fold {
    int64_t *begins;                              /* when transfers began, in order */
    uint32_t nbegins, ntransfers;
    sk_spent_check *checks;                       /* after 0, 64, 128 ... steps */
    uint32_t nchecks;
} sk_spent_fold;

void sk_spent_follow(sk_spent_fold *f, const sk_model *m); /* takes in what is new; zeros are empty */
void sk_spent_clear(sk_spent_fold *f);
/* Up to step k, and on to time ns, which is before the next. The fold has followed the model. O(log n) */
sk_spent sk_spent_at(const sk_spent_fold *f, const sk_model *m, sk_step k, int64_t ns);
/* Of all of a run. O(events) */
sk_spent sk_spent_of(const sk_model *m);

#endif
