/* wakes.c -- work that is pushed while somebody goes idle: it must not lie there, for who has pushed it may make no more calls. */
#define _GNU_SOURCE
#include "conform.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

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

static atomic_int policy;

SK_REMOTE(int, says_its_policy)
{
    atomic_store(&policy, sched_getscheduler(0));
    return 0;
}

/* So a worker that comes up does not stop the driver, or a window, which have work of their own. A program that is run in another way keeps it. */
CASE(workers_take_no_core_from_threads_of_the_program, .only_on = "threads", .needs = SK_CAN_OVERLAP, .looks_inside = true, .spins = true)
{
    int mine = sched_getscheduler(0), usual = mine & SCHED_RESET_ON_FORK ? SCHED_OTHER : mine;      /* that a new thread has */
    atomic_store(&policy, -1);
    sk_ref ref = sk_remote(says_its_policy);
    while (atomic_load(&policy) < 0)
        sched_yield();
    ck_assert_int_eq(policy, usual == SCHED_OTHER ? SCHED_BATCH : usual);
    ck_assert_int_eq(sched_getscheduler(0), mine);
    sk_drop(ref);
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)     /* which calls a handler only when the thread is up again */

/* ---- A worker that has been woken, and does not come up: a handler of a signal holds it where it sleeps ---- */

static pthread_t sleeper, runner;
static atomic_int held, let_go;

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void hold_it(int signal)
{
    (void)signal;
    double start = seconds();
    atomic_fetch_add(&held, 1);
    while (!atomic_load(&let_go) && seconds() - start < 10)        /* a bound, so that it ends where nobody runs the task meanwhile */
        sched_yield();
}

SK_REMOTE(int, says_who_runs_it)
{
    runner = pthread_self();
    atomic_fetch_add(&ran, 1);
    return 0;
}

CASE(the_driver_runs_what_it_waits_for_while_a_woken_worker_is_not_up_yet, .needs = SK_CAN_OVERLAP, .looks_inside = true, .spins = true,
     .not_by_proxy = true, .config.workers = 1)
{
    struct sigaction had, now = { .sa_handler = hold_it };
    uint64_t parks = sk_stats().parks;
    ran = held = let_go = 0;
    sk_drop(sk_remote(says_who_runs_it));
    while (sk_stats().parks == parks)  /* the worker has run it, and sleeps */
        sched_yield();
    ck_assert_int_eq(ran, 1);
    sleeper = runner;
    ck_assert(!pthread_equal(sleeper, pthread_self()));
    ck_assert_int_eq(sigaction(SIGUSR1, &now, &had), 0);
    ck_assert_int_eq(pthread_kill(sleeper, SIGUSR1), 0);
    while (!atomic_load(&held))
        sched_yield();
    sk_ref ref = sk_remote(says_who_runs_it);      /* wakes it */
    sk_get(int, ref);
    atomic_store(&let_go, 1);
    ck_assert(pthread_equal(runner, pthread_self()));
    sk_drop(ref);
    sigaction(SIGUSR1, &had, NULL);
}

static pthread_t threads_of_halves[2];
static atomic_int arrived;

SK_REMOTE(int, waits_until_it_has_run, (int, wanted))      /* 1: it has */
{
    double start = seconds();
    threads_of_halves[atomic_fetch_add(&arrived, 1) % 2] = pthread_self();
    while ((atomic_load(&ran) < wanted || atomic_load(&arrived) < 2) && seconds() - start < 10)
        sched_yield();
    return atomic_load(&ran) >= wanted;
}

CASE(what_is_pushed_while_threads_come_up_for_others_is_run, SPINS)
{
    struct sigaction had, now = { .sa_handler = hold_it };
    sk_ref halves[2], ref = { 0 };
    ran = held = let_go = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &now, &had), 0);
    for (int round = 0; round < 2; round++) {
        uint64_t parks = sk_stats().parks;
        arrived = 0;
        for (int i = 0; i < 2; i++)
            halves[i] = sk_remote_with(SK_OPTS(.num_cpus = 0.5), waits_until_it_has_run, round);
        if (round == 1) {              /* both have been woken, and are held where they slept */
            ref = sk_remote(runs);
            atomic_store(&let_go, 1);
            for (double start = seconds(); !atomic_load(&ran) && seconds() - start < 20; )       /* no call that would look for it */
                sched_yield();
        } else {
            while (sk_stats().parks < parks + 2)
                sched_yield();
            for (int i = 0; i < 2; i++)
                ck_assert_int_eq(pthread_kill(threads_of_halves[i], SIGUSR1), 0);
            while (atomic_load(&held) < 2)
                sched_yield();
        }
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(sk_take(int, halves[i]), 1);
    }
    sk_drop(ref);
    sigaction(SIGUSR1, &had, NULL);
}
#endif
