/* profile.h -- who was busy how much, at any scale: what lets a timeline of a million tasks be drawn by its pixels instead of its tasks.
 *
 * The idea: of each worker the slices in order, and the sum of their times up to each; so how busy it was in any stretch is two binary
 * searches. Of the whole run the sum over all workers, kept every 64 steps. Grows with the model. */
#ifndef SK_PROFILE_H
#define SK_PROFILE_H

#include "model.h"

typedef struct sk_profile_row {    /* of a worker, of one sort: that ran, or that was blocked */
    uint32_t *slices, n;           /* in order of begin; all but the last few have ended */
    int64_t *busy;                 /* the sum of those before each */
    uint32_t nbusy;
} sk_profile_row;

enum { SK_PROFILE_WAITS = 64 };

typedef struct sk_profile {
    sk_profile_row (*rows)[2];     /* by worker: [0] RUNNING, [1] BLOCKED */
    uint32_t nrows, nslices;       /* slices taken in so far */
    int64_t *area;                 /* the time all workers together had run, at step 64 i */
    uint32_t *running;             /* how many ran then */
    uint32_t narea, nrunning;
    uint32_t *waits, nwaits, nseen; /* waits of the driver, as they began; so many of all waits were looked at */
    sk_step *wait_end;             /* of each SK_PROFILE_WAITS of them: when the last one ended, SK_NEVER while one is open */
    uint32_t nwait_end;
} sk_profile;

void sk_profile_follow(sk_profile *p, const sk_model *m); /* takes in what is new; zeros are empty */
void sk_profile_clear(sk_profile *p);

/* The first slice of the row that begins at this time or later. */
uint32_t sk_profile_from(const sk_profile_row *r, const sk_model *m, int64_t ns);
/* How long it was busy in [from, to), looking no further than `now`; and which slice was the longest of those, up to a few looked at. */
int64_t sk_profile_busy(const sk_profile_row *r, const sk_model *m, int64_t from, int64_t to, int64_t now, uint32_t *longest);
/* The time that all workers together had run at `ns`. */
int64_t sk_profile_work(const sk_profile *p, const sk_model *m, int64_t ns);

#endif
