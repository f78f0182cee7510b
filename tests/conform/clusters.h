/* clusters.h -- for cases about simulated time: a cluster described in the case, a clock in nanoseconds.
 *
 *     CASE(ten_sleeps_..., CLOSED_FORM)
 *     {
 *         start_on("[cluster]\nworkers = 10\n", NULL);
 *         int64_t began = now_ns();
 *         ...
 *         TOOK(began, 500 * MS);
 *         stop();
 *     }
 *
 * A closed form is what a pencil says the run must take; it is compared to the nanosecond. */
#ifndef CLUSTERS_H
#define CLUSTERS_H

#include "conform.h"

#define CLOSED_FORM .needs = SK_CAN_VIRTUAL_TIME, .by_hand = true, .not_by_proxy = true     /* a submission by proxy costs the proxy */

static const int64_t US = 1000, MS = 1000000, S = 1000000000;
enum { KB = 1000, MB = 1000000 };             /* bytes, as networks count */

/* sk_init on the backend under test, with the cluster of this file (see backends/cluster_file.h). policy: NULL is the default. */
void start_on(const char *file, const char *policy);
int64_t now_ns(void);
void took(int64_t began, int64_t ns, int line);
#define TOOK(began, ns) took((began), (ns), __LINE__)
void get_all_of(sk_ref *refs, size_t n);      /* waits until all are there */

SK_REMOTE_DECLARE(int64_t, rests, (int64_t, ns));                              /* sleeps, returns its argument */
SK_REMOTE_DECLARE(int64_t, rests_after, (int64_t, ns), (int64_t, a), (int64_t, b));
SK_REMOTE_DECLARE(sk_array, makes_bytes, (int64_t, n));
SK_REMOTE_DECLARE(int64_t, takes_bytes, (sk_array, bytes));                    /* how many */
SK_REMOTE_DECLARE(int64_t, takes_two, (sk_array, a), (sk_array, b));

sk_options *at(int node);                     /* runs there, and takes no cpu */
/* An object of so many bytes that lies on this node. */
sk_ref bytes_on(int node, int64_t n);

#endif
