/* bench_tree.h -- the two programs whose costs are looked at from several sides (tracing: skate_costs.c, watching: skate_watch.c), once: a tree of empty
 * tasks, and independent tasks of 10 us each. Each returns the seconds that it took. The refs are the program's, in bench_refs. */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <skate.h>

#include "bench.h"

enum { BENCH_SPIN_US = 10 };

static sk_ref bench_refs[BENCH_REFS];   /* BENCH_REFS, of who includes this: 2 x leaves, or more */

SK_REMOTE(int64_t, leaf, (int64_t, number)) { return number; }
SK_REMOTE(int64_t, add, (int64_t, a), (int64_t, b)) { return a + b; }
SK_REMOTE(int, spin)
{
    for (double end = bench_now() + BENCH_SPIN_US * 1e-6; bench_now() < end;)
        bench_pause();
    return 1;
}

static double bench_tree_seconds(int leaves)
{
    double start = bench_now();
    for (int i = 0; i < leaves; i++)
        bench_refs[i] = sk_remote(leaf, i);
    for (int k = 0; k < leaves - 1; k++) {
        bench_refs[leaves + k] = sk_remote(add, bench_refs[2 * k], bench_refs[2 * k + 1]);
        sk_drop(bench_refs[2 * k]);
        sk_drop(bench_refs[2 * k + 1]);
    }
    double sum = sk_take(double, bench_refs[2 * leaves - 2]), seconds = bench_now() - start;
    bench_expect("tree_dag", sum, leaves * (leaves - 1.0) / 2);
    return seconds;
}

static double bench_spin_seconds(int n)
{
    double start = bench_now();
    long sum = 0;
    for (int i = 0; i < n; i++)
        bench_refs[i] = sk_remote(spin);
    for (int i = 0; i < n; i++)
        sum += sk_take(int, bench_refs[i]);
    double seconds = bench_now() - start;
    bench_expect("spin", (double)sum, n);
    return seconds;
}

#endif
