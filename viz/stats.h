/* stats.h -- how long tasks ran, up to any step; and where the time went.
 *
 * The idea: of each function, and of all, the runs that ended stand in the order of their ends, with sums up to each, and every 4096 a histogram with
 * narrow bins: so sums at a step are a search, and the median is a search and a walk over bins. Where few have ended it is exact; else it is
 * right to one part in 32. Grows with the model.
 *
 * A *run* is an attempt of a task from its start to its end (done or failed) without the time it was blocked; what was broken off and tried again is counted as
 * a retry instead.
 *
 * Where the time went is reckoned by spent.h, which it follows along. */
#ifndef SK_STATS_H
#define SK_STATS_H

#include "model.h"
#include "spent.h"

enum { SK_BINS = 64 * 16 };                 /* 16 an octave */

typedef struct sk_ends {                    /* of a function */
    sk_step *at;                            /* when each ended */
    int64_t *ran, *sum, *most;              /* how long it ran; the sum and the longest up to and with it */
    uint32_t n, nran, nsum, nmost;
    uint32_t (*bins)[SK_BINS], nbins;       /* of the first 4096, 8192 ... */
    sk_step *retried;
    uint32_t nretried;
} sk_ends;

typedef struct sk_run_stats {
    sk_ends *fns;                           /* [0] of all, [1 + f] of function f */
    uint32_t nfns;
    sk_step steps;                          /* taken in so far */
    sk_spent_fold spent;
} sk_run_stats;

void sk_run_stats_follow(sk_run_stats *s, const sk_model *m); /* takes in what is new; zeros are empty */
void sk_run_stats_clear(sk_run_stats *s);

typedef struct sk_times { uint32_t runs, retries; int64_t total, mean, median, p95, most; } sk_times;
sk_times sk_run_stats_times(const sk_run_stats *s, uint32_t fn, sk_step k);                /* fn: SK_NO_INDEX: all */
void sk_run_stats_bins(const sk_run_stats *s, uint32_t fn, sk_step k, uint32_t bins[SK_BINS]);
uint32_t sk_bin_of(int64_t ns);
int64_t sk_bin_from(uint32_t bin);          /* the least time in it; that of the next is where it ends */

#endif
