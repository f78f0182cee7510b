/* limits.c -- what a task's body may not do on a simulated cluster: never yield, overflow its stack, be one too many. And what plain C
 * costs there, if it is to cost anything (--cost live). */
#include "clusters.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define VIRTUAL .needs = SK_CAN_VIRTUAL_TIME, .by_hand = true, .not_by_proxy = true

static atomic_int flag;

static int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * S + ts.tv_nsec;
}

/* ---- a body that does not yield ---- */

SK_REMOTE(int64_t, polls_a_global)
{
    while (!flag) { }
    return 1;
}

static void expect_report(void (*body)(void), const char *function)
{
    ending end = run_apart(body);
    ck_assert_msg(end.status == 1, "status %d: %s", end.status, end.output);
    char place[60];
    snprintf(place, sizeof place, "limits.c:%d: %s, submitted here, has run for 0.2 seconds", end.line, function);
    CONTAINS(end.output, place);
    CONTAINS(end.output, "global variable");
    CONTAINS(end.output, "SKATE_PATIENCE");
}

static void waits_for_a_poller(void)
{
    setenv("SKATE_PATIENCE", "0.2", 1);
    start(NULL);
    WRONG(sk_get(int64_t, sk_remote(polls_a_global)));
}

CASE(a_task_that_waits_for_a_global_is_reported_with_its_line, VIRTUAL)
{
    expect_report(waits_for_a_poller, "polls_a_global");
}

/* The flag is for ThreadSanitizer alone: it hands on a signal only when a program calls libc or uses an atomic, and the clock does
 * neither, so that the watchdog would never ring. */
SK_REMOTE(int64_t, polls_the_clock)
{
    double end = sk_now() + 1;
    while (sk_now() < end && !flag) { }
    return 1;
}

static void waits_for_one_that_polls_the_clock(void)
{
    setenv("SKATE_PATIENCE", "0.2", 1);
    start(NULL);
    WRONG(sk_get(int64_t, sk_remote(polls_the_clock)));
}

CASE(a_task_that_polls_the_clock_is_reported_too, VIRTUAL)
{
    expect_report(waits_for_one_that_polls_the_clock, "polls_the_clock");
}

static sk_ref shared;
static void *gets_it(void *data)
{
    sk_get(int64_t, shared);
    return data;
}

/* The loop runs in another thread, and the signal may come to either. */
static void another_thread_waits_for_a_poller(void)
{
    setenv("SKATE_PATIENCE", "0.2", 1);
    start(NULL);
    WRONG(shared = sk_remote(polls_a_global));
    pthread_t other;
    pthread_create(&other, NULL, gets_it, NULL);
    pthread_join(other, NULL);
}

CASE(a_task_that_hangs_in_another_thread_of_the_program_is_reported, VIRTUAL)
{
    expect_report(another_thread_waits_for_a_poller, "polls_a_global");
}

/* Far longer than the patience in all, but each in time: 20 ms of cpu each, and the driver's own. */
SK_REMOTE(int64_t, computes_a_while)
{
    for (int64_t began = cpu_ns(); cpu_ns() - began < 20 * MS; ) { }
    sk_sleep(1);
    for (int64_t began = cpu_ns(); cpu_ns() - began < 20 * MS; ) { }
    return 1;
}

static void computes_much(void)
{
    setenv("SKATE_PATIENCE", "0.2", 1);
    start(NULL);
    sk_ref refs[15];
    for (int i = 0; i < 15; i++)
        refs[i] = sk_remote(computes_a_while);
    get_all_of(refs, 15);
    for (int64_t began = cpu_ns(); cpu_ns() - began < 400 * MS; ) { }
    stop();
}

CASE(tasks_and_a_driver_that_compute_much_but_give_turns_are_left_alone, VIRTUAL)
{
    ending end = run_apart(computes_much);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
}

/* Each session's only task has used less than the patience when it ends; both together more. */
SK_REMOTE(int64_t, computes_for, (int64_t, ns))
{
    for (int64_t began = cpu_ns(); cpu_ns() - began < ns; ) { }
    return 1;
}

static void computes_in_two_sessions(void)
{
    setenv("SKATE_PATIENCE", "1", 1);
    for (int i = 0; i < 2; i++) {
        start(NULL);
        sk_ref done = sk_remote(computes_for, 900 * MS);
        get_all_of(&done, 1);
        stop();
    }
}

CASE(the_patience_of_a_session_begins_anew, VIRTUAL)
{
    ending end = run_apart(computes_in_two_sessions);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
}

static void with_bad_patience(void)
{
    setenv("SKATE_PATIENCE", "a while", 1);
    start(NULL);
}

CASE(a_patience_that_is_no_number_is_refused, VIRTUAL)
{
    ending end = run_apart(with_bad_patience);
    ck_assert_int_eq(end.status, 2);
    CONTAINS(end.output, "--sk-patience=a while: give seconds");
}

/* ---- stacks ---- */

#if defined(__clang__)
#define AS_WRITTEN __attribute__((noinline, optnone))
#else
#define AS_WRITTEN __attribute__((noinline, noclone, optimize("O0")))
#endif

AS_WRITTEN static int64_t deeper(int64_t n)
{
    volatile char here[200];
    here[n % 200] = 1;
    return n == 0 ? here[0] : deeper(n - 1) + here[n % 200];
}

SK_REMOTE(int64_t, recurses, (int64_t, n)) { return deeper(n); }

static void recurses_without_end(void)
{
    start(NULL);
    WRONG(sk_get(int64_t, sk_remote(recurses, INT64_MAX)));
}

static void expect_overflow(void (*body)(void), const char *function)
{
    ending end = run_apart(body);
    ck_assert_msg(end.status == 1, "status %d: %s", end.status, end.output);
    char place[80];
    snprintf(place, sizeof place, "limits.c:%d: %s, submitted here, has overflowed its stack of ", end.line, function);
    CONTAINS(end.output, place);
    CONTAINS(end.output, "--sk-stack-bytes=");
}

CASE(recursion_without_end_is_caught_by_the_guard_and_named, VIRTUAL)
{
    expect_overflow(recurses_without_end, "recurses");
}

/* More than the stack, less than stack and guard; under sanitizers stacks are twice as large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LARGE = 600000 };
#else
enum { LARGE = 400000 };
#endif

SK_REMOTE(int64_t, has_a_large_array)
{
    volatile char large[LARGE];
    large[0] = 1;
    return large[0];
}

static void runs_one_with_a_large_array(void)
{
    start(NULL);
    WRONG(sk_get(int64_t, sk_remote(has_a_large_array)));
}

CASE(a_frame_larger_than_the_stack_is_caught_by_the_guard, VIRTUAL)
{
    expect_overflow(runs_one_with_a_large_array, "has_a_large_array");
}

static void recurses_deep_on_a_large_stack(void)
{
    setenv("SKATE_STACK_BYTES", "64M", 1);
    start(NULL);
    ck_assert_int_gt(sk_get(int64_t, sk_remote(recurses, (int64_t)20000)), 0);      /* 4 MB at least */
    stop();
}

CASE(a_larger_stack_can_be_had, VIRTUAL)
{
    ending end = run_apart(recurses_deep_on_a_large_stack);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
}

SK_REMOTE(int64_t, writes_to_nowhere)
{
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1;
    return 1;
}

static void runs_one_that_writes_to_nowhere(void)
{
    start(NULL);
    sk_get(int64_t, sk_remote(writes_to_nowhere));
}

CASE(another_crash_in_a_task_is_no_overflow, VIRTUAL)
{
    ending end = run_apart(runs_one_that_writes_to_nowhere);
    ck_assert_int_ne(end.status, 0);
    ck_assert_msg(!strstr(end.output, "overflowed"), "%s", end.output);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CONTAINS(end.output, "task writes_to_nowhere");
    ck_assert_int_eq(end.status, 1000 + SIGSEGV);
#endif
}

/* ---- too many at once ---- */

SK_REMOTE(int64_t, waits_for_the_gate, (sk_list, refs)) { return sk_get(int64_t, refs.refs[0]); }

CASE(a_task_that_would_be_blocked_as_one_too_many_fails_with_limit, VIRTUAL)
{
    setenv("SKATE_TASKS", "50", 1);
    start(NULL);
    sk_ref gate = sk_promise(), refs[200];
    for (int i = 0; i < 200; i++)
        refs[i] = sk_remote(waits_for_the_gate, sk_list_of(&gate, 1));
    sk_sleep(1);
    sk_fulfil(gate, 1);
    int good = 0, limit = 0;
    for (int i = 0; i < 200; i++) {
        sk_error err = error_of(refs[i]);
        good += err.code == SK_OK;
        limit += err.code == SK_LIMIT;
        if (err.code == SK_LIMIT)
            CONTAINS(err.message, "too many tasks are blocked");
    }
    ck_assert_int_eq(good, 49);                 /* the 50th would have to wait */
    ck_assert_int_eq(limit, 151);
    ck_assert_int_eq(sk_stats().blocked_peak, 50);
    stop();
}

CASE(a_task_that_would_start_as_one_too_many_fails_with_limit, VIRTUAL)
{
    setenv("SKATE_TASKS", "50", 1);
    start(&(sk_config){ .workers = 100 });
    sk_ref refs[100];
    for (int i = 0; i < 100; i++)
        refs[i] = sk_remote(rests, 1 * MS);     /* all at once: 100 stacks */
    int good = 0, limit = 0;
    for (int i = 0; i < 100; i++) {
        sk_error err = error_of(refs[i]);
        good += err.code == SK_OK;
        limit += err.code == SK_LIMIT;
        if (err.code == SK_LIMIT)
            CONTAINS(err.message, "60 tasks run or are blocked at once, and there is no stack for one more (--sk-tasks)");
    }
    ck_assert_int_eq(good, 60);                 /* a fifth more than may be blocked */
    ck_assert_int_eq(limit, 40);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(rests, 1 * MS)), 1 * MS);      /* there is room again */
    stop();
}

/* ---- what plain C costs ---- */

static void with_cost(const char *cost)
{
    setenv("SKATE_COST", cost, 1);
    start(NULL);
}

static int64_t computed;            /* cpu time that the body has seen pass */

SK_REMOTE(int64_t, burns, (int64_t, ns))
{
    int64_t began = cpu_ns();
    while (cpu_ns() - began < ns) { }
    computed = cpu_ns() - began;
    return 1;
}

/* The body sees less cpu time pass than it is charged for, and the driver more: between these lies virtual time. */
static void burn(double factor)
{
    int64_t virtual = now_ns(), before = cpu_ns();
    ck_assert_int_eq(sk_get(int64_t, sk_remote(burns, 5 * MS)), 1);
    int64_t took = now_ns() - virtual, outside = cpu_ns() - before;
    ck_assert_msg((double)took >= (double)computed * factor * 0.999999 && (double)took <= (double)outside * factor * 1.000001 + 1000,
                  "factor %g: %ld ns of cpu inside, %ld outside, cost %ld", factor, (long)computed, (long)outside, (long)took);
    stop();
}

CASE(with_cost_live_a_body_costs_the_cpu_time_it_took, VIRTUAL)
{
    with_cost("live");
    burn(1);
}

CASE(with_a_factor_it_costs_so_many_times_as_much, VIRTUAL)
{
    with_cost("live*250");
    burn(250);
}

CASE(without_it_plain_c_costs_nothing, VIRTUAL)
{
    with_cost("none");
    int64_t began = now_ns();
    ck_assert_int_eq(sk_get(int64_t, sk_remote(burns, 1 * MS)), 1);
    TOOK(began, 0);
    stop();
}

SK_REMOTE(int64_t, asks_the_time)
{
    int64_t began = now_ns(), cpu = cpu_ns();
    while (cpu_ns() - cpu < 2 * MS) { }
    return now_ns() - began;
}

CASE(a_task_sees_its_own_computing_pass, VIRTUAL)
{
    with_cost("live*10");
    ck_assert_int_ge(sk_get(int64_t, sk_remote(asks_the_time)), 20 * MS);
    stop();
}

CASE(what_the_driver_computes_between_its_calls_costs_too, VIRTUAL)
{
    with_cost("live*10");
    int64_t began = now_ns(), cpu = cpu_ns();
    while (cpu_ns() - cpu < 2 * MS) { }
    ck_assert_int_ge(now_ns() - began, 20 * MS);
    stop();
}

CASE(computing_in_a_task_delays_what_waits_for_it, VIRTUAL)
{
    with_cost("live*100");
    int64_t began = now_ns();                      /* submitting takes its time, too, and the task may be at work meanwhile */
    sk_ref a = sk_remote(burns, 1 * MS), b = sk_remote(rests_after, (int64_t)0, a, (int64_t)1);
    sk_get(int64_t, b);
    ck_assert_int_ge(now_ns() - began, 100 * MS);
    stop();
}
