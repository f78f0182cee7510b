/* schedule.h -- how long would this run take with another number of workers? An estimate, by a small simulator.
 *
 * The idea: list scheduling. Each task takes the run time that the log says; where a worker is free, the first task in the order of submission
 * that can start does. A task can start when its arguments are there; when its parent has run as far as it had when it submitted this one; and, of the
 * driver's, when what the driver had got or waited for before is there. A task is done when it has run and what it waited for is done; while it
 * waits, its worker is free. What it leaves out: that starting, moving and waiting take time of their own, which worker has the
 * data, and resources other than a cpu a task. */
#ifndef SK_SCHEDULE_H
#define SK_SCHEDULE_H

#include "model.h"

enum { SK_SCHEDULE_MOST = 20000 }; /* tasks */

/* From the start of the first task to the end of the last, ns. -1: there are no tasks, or too many. */
int64_t sk_schedule_estimate(const sk_model *m, unsigned workers);

#endif
