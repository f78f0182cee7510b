/* stats.h -- how long tasks ran, and where the time went, up to any step.
 *
 * The idea: of each function, and of all, the runs that ended stand in the order of their ends, with sums up to each, and every 4096 a histogram with
 * narrow bins: so sums at a step are a search, and the median is a search and a walk over bins. Where few have ended it is exact; else it is
 * right to one part in 32. Grows with the model.
 *
 * A *run* is an attempt of a task from its start to its end (done or failed) without the time it was blocked; what was broken off and tried again is counted as
 * a retry instead.
 *
 * Where the time went: `all` is workers x time: each worker of a node counts as long as its node is there. At each moment let there be c workers, r tasks
 * RUNNING, x objects on their way between nodes, and q tasks READY (their arguments exist, and they wait for a worker, or for bytes to come to it). Then
 *
 *     compute     min(r, c) of the workers run tasks
 *     transfer    as many of the others as objects are on their way: they have nothing to do until bytes have come
 *     scheduling  as many of those left as tasks are ready: there is work, and it has not been given out yet
 *     idle        the rest: there was too little work
 *     beyond      r - c, if more run than there are workers: they stand in for others whose tasks wait, or asked for no cpu. Not part of `all`
 *
 * so the first four add up to `all`, to the nanosecond. It is reckoned for the whole cluster, not for each node: that an object is on its way to one node is
 * taken for the reason why a worker rests, whichever it is. It begins when the nodes are there; what spent.h adds up for Compare begins at the first submission
 * and ends with the last task, so that runs can be compared: its shares are others. */
#ifndef SK_STATS_H
#define SK_STATS_H

#include "model.h"

enum { SK_BINS = 64 * 16 };                 /* 16 an octave */
/* A transfer counts for so many steps before its end at most: it is told of when it ends, and all since it began is reckoned anew. */
enum { SK_STATS_BACK = 1 << 20 };

typedef struct sk_ends {                    /* of a function */
    sk_step *at;                            /* when each ended */
    int64_t *ran, *sum, *most;              /* how long it ran; the sum and the longest up to and with it */
    uint32_t n, nran, nsum, nmost;
    uint32_t (*bins)[SK_BINS], nbins;       /* of the first 4096, 8192 ... */
    sk_step *retried;
    uint32_t nretried;
} sk_ends;

typedef struct sk_where { int64_t all, compute, transfer, scheduling, idle, beyond; } sk_where;
typedef struct sk_where_check { sk_where sums; uint32_t running, ready, workers, seen; bool named; } sk_where_check;

typedef struct sk_run_stats {
    sk_ends *fns;                           /* [0] of all, [1 + f] of function f */
    uint32_t nfns;
    sk_step steps;                          /* taken in so far */
    sk_step *begins;                        /* of transfers, in order */
    uint32_t nbegins, ntransfers;
    sk_where_check *checks;                 /* after 0, 64, 128 ... steps */
    uint32_t nchecks;
} sk_run_stats;

void sk_run_stats_follow(sk_run_stats *s, const sk_model *m); /* takes in what is new; zeros are empty */
void sk_run_stats_clear(sk_run_stats *s);

typedef struct sk_times { uint32_t runs, retries; int64_t total, mean, median, p95, most; } sk_times;
sk_times sk_run_stats_times(const sk_run_stats *s, uint32_t fn, sk_step k);                /* fn: SK_NO_INDEX: all */
void sk_run_stats_bins(const sk_run_stats *s, uint32_t fn, sk_step k, uint32_t bins[SK_BINS]);
uint32_t sk_bin_of(int64_t ns);
int64_t sk_bin_from(uint32_t bin);          /* the least time in it; that of the next is where it ends */
sk_where sk_run_stats_where(const sk_run_stats *s, const sk_model *m, sk_step k, int64_t ns);

#endif
