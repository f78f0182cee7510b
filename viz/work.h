/* work.h -- how long the tasks of each group (model.h) had run at any time: what sums over all tasks of a run are made of, by function or by
 * submit line, at the cost of groups instead of tasks.
 *
 * The idea: a group has run for the integral of how many of its tasks were RUNNING. That is kept now and then; a time in between goes on from
 * there, or from where the last question was, if that is near. Grows with the model. */
#ifndef SK_WORK_H
#define SK_WORK_H

#include "model.h"

typedef struct sk_work_row { int64_t ran, since; uint32_t running; } sk_work_row; /* of a group: up to `since`; and so many have run from then on */

typedef struct sk_work {
    sk_work_row *row; uint32_t nrow;                  /* where the last question, or follow, has got to: step `at` */
    sk_step at;
    struct sk_work_check { sk_step step; uint32_t first, n; } *checks; uint32_t nchecks; /* rows of that step: in kept[] */
    sk_work_row *kept; uint32_t nkept;
    int64_t *answer; uint32_t nanswer;
    sk_step followed;
} sk_work;

void sk_work_follow(sk_work *w, const sk_model *m); /* takes in what is new; zeros are empty */
void sk_work_clear(sk_work *w);
/* By group, at this time: good until the next call. What runs at the end of the model is taken to go on. */
const int64_t *sk_work_at(sk_work *w, const sk_model *m, int64_t ns);

#endif
