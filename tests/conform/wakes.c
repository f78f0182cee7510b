/* wakes.c -- work that is pushed while somebody goes idle: it must not lie there, for who has pushed it may make no more calls. */
#include "conform.h"
#include <sched.h>

#define SPINS .needs = SK_CAN_OVERLAP, .looks_inside = true, .spins = true, .not_by_proxy = true, .config.workers = 2

enum { ROUNDS = 20, DEPTH = 13 };      /* a tree of so many levels: enough tasks for a backend to find out that nobody is idle */

static atomic_int goes, ran;

SK_REMOTE(int, tree_of, (int, depth))
{
    if (depth == 0)
        return 1;
    sk_ref x = sk_remote(tree_of, depth - 1), y = sk_remote(tree_of, depth - 1);
    return sk_get(int, y) + sk_get(int, x);
}

SK_REMOTE(int, runs)
{
    atomic_fetch_add(&ran, 1);
    return 0;
}

SK_REMOTE(int, holds_until_it_goes)
{
    while (!atomic_load(&goes))
        sched_yield();
    return 0;
}

SK_REMOTE(int, pushes_and_spins, (int, round))
{
    int leaves = sk_get(int, sk_remote(tree_of, DEPTH));
    atomic_store(&goes, 1);            /* who holds the other worker lets it go now, while we push */
    sk_remote(runs);
    while (atomic_load(&ran) < round) { }
    return leaves;
}

static void drive(bool driver_holds)
{
    ran = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        goes = 0;
        sk_ref pushes = sk_remote(pushes_and_spins, round), holds = sk_remote(holds_until_it_goes);
        if (driver_holds)
            sk_get(int, holds);        /* runs it here, if nobody has begun */
        while (atomic_load(&ran) < round)
            sched_yield();
        ck_assert_int_eq(sk_get(int, pushes), 1 << DEPTH);
        sk_drop(pushes);
        sk_drop(holds);
    }
}

CASE(what_is_pushed_while_a_worker_goes_idle_is_run, SPINS) { drive(false); }
CASE(what_is_pushed_while_the_driver_goes_idle_is_run, SPINS) { drive(true); }
