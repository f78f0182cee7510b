/* wait.c -- sk_wait, sk_try_wait, sk_waiter, sk_try_get_all: who is ready, in which order, and when waiting ends. */
#include "conform.h"

static void promise_all(sk_ref *refs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        refs[i] = sk_promise();
}

CASE(wait_returns_exactly_as_many_as_were_asked_for)
{
    sk_ref refs[5];
    for (int i = 0; i < 5; i++)
        refs[i] = sk_put(i);
    for (size_t k = 1; k <= 5; k++)
        ck_assert_uint_eq(sk_wait(refs, 5, k, SK_FOREVER), k);
}

CASE(of_too_many_ready_ones_the_first_are_taken_and_the_rest_keeps_its_order)
{
    sk_ref refs[5], before[5];
    for (int i = 0; i < 5; i++)
        before[i] = refs[i] = sk_put(i);
    ck_assert_uint_eq(sk_wait(refs, 5, 2, 0), 2);
    ck_assert_mem_eq(refs, before, sizeof refs);
}

CASE(both_parts_keep_the_order_of_the_input)
{
    sk_ref refs[8], p[8];
    promise_all(p, 8);
    memcpy(refs, p, sizeof p);
    sk_fulfil(p[6], 6);             /* completion order 6 1 4 */
    sk_fulfil(p[1], 1);
    sk_fulfil(p[4], 4);
    ck_assert_uint_eq(sk_wait(refs, 8, 3, SK_FOREVER), 3);
    sk_ref expected[8] = { p[1], p[4], p[6], p[0], p[2], p[3], p[5], p[7] };
    ck_assert_mem_eq(refs, expected, sizeof refs);
}

CASE(ready_ones_above_the_number_stay_in_the_second_part_in_their_place)
{
    sk_ref refs[6], p[6];
    promise_all(p, 6);
    memcpy(refs, p, sizeof p);
    sk_fulfil(p[5], 5);
    sk_fulfil(p[3], 3);
    sk_fulfil(p[1], 1);
    ck_assert_uint_eq(sk_wait(refs, 6, 2, SK_FOREVER), 2);
    sk_ref expected[6] = { p[1], p[3], p[0], p[2], p[4], p[5] };
    ck_assert_mem_eq(refs, expected, sizeof refs);
}

CASE(wait_for_none_of_none_returns_0)
{
    ck_assert_uint_eq(sk_wait(NULL, 0, 0, SK_FOREVER), 0);
    ck_assert_uint_eq(sk_wait(NULL, 0, 1, 0), 0);
    size_t count = 7;
    sk_error err;
    ck_assert(sk_try_wait(NULL, 0, 3, SK_FOREVER, &count, &err));
    ck_assert_uint_eq(count, 0);
}

CASE(wait_returns_fewer_when_the_time_runs_out)
{
    sk_ref refs[3], p[3];
    promise_all(p, 3);
    memcpy(refs, p, sizeof p);
    ck_assert_uint_eq(sk_wait(refs, 3, 1, 0), 0);
    ck_assert_mem_eq(refs, p, sizeof p);
    sk_fulfil(p[2], 0);
    ck_assert_uint_eq(sk_wait(refs, 3, 2, 0.01), 1);
    sk_ref expected[3] = { p[2], p[0], p[1] };
    ck_assert_mem_eq(refs, expected, sizeof refs);
}

CASE(waiting_consumes_nothing)
{
    sk_ref x = sk_remote(same, 5);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(sk_wait(&x, 1, 1, SK_FOREVER), 1);
    ck_assert_int_eq(sk_get(int64_t, x), 5);
}

CASE(a_failed_task_counts_as_ready)
{
    sk_ref refs[2] = { sk_promise(), sk_remote(fails, "no") }, failed = refs[1];
    ck_assert_uint_eq(sk_wait(refs, 2, 1, SK_FOREVER), 1);
    ck_assert(refs[0].id == failed.id);
    (void)FAILS(failed, SK_TASK);
}

CASE(a_cancelled_task_counts_as_ready)
{
    sk_ref gate = sk_promise(), refs[2] = { gate, sk_remote(same, gate) };
    sk_cancel(refs[1], 0);
    ck_assert_uint_eq(sk_wait(refs, 2, 1, SK_FOREVER), 1);
    ck_assert(refs[1].id == gate.id);
}

CASE(try_wait_calls_duplicates_misuse)
{
    sk_ref x = sk_put(1), refs[3] = { x, sk_put(2), x };
    size_t count = 7;
    sk_error err = { 0 };
    ck_assert(!sk_try_wait(refs, 3, 1, 0, &count, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
    CONTAINS(err.message, "twice");
}

CASE(try_wait_calls_a_wrong_number_misuse)
{
    sk_ref refs[2] = { sk_put(1), sk_put(2) };
    size_t count;
    sk_error err = { 0 };
    ck_assert(!sk_try_wait(refs, 2, 0, 0, &count, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
    err = (sk_error){ 0 };
    ck_assert(!sk_try_wait(refs, 2, 3, 0, &count, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
}

CASE(try_wait_calls_a_negative_timeout_misuse)
{
    sk_ref x = sk_put(1);
    size_t count;
    sk_error err = { 0 };
    ck_assert(!sk_try_wait(&x, 1, 1, -1, &count, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
    ck_assert(!sk_try_wait(&x, 1, 1, __builtin_nan(""), &count, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
}

CASE(try_get_and_try_get_all_call_a_negative_timeout_misuse)
{
    sk_ref refs[2] = { sk_put(1), sk_put(2) };
    int value = 7, values[2] = { 7, 7 };
    const double wrong[2] = { -0.5, __builtin_nan("") };
    for (int i = 0; i < 2; i++) {
        char place[40];
        sk_error err = { 0 };
        snprintf(place, sizeof place, "wait.c:%d: sk_try_get:", __LINE__ + 1);
        ck_assert(!sk_try_get(refs[0], &value, wrong[i], &err));
        ck_assert_int_eq(err.code, SK_MISUSE);
        CONTAINS(err.message, place);
        CONTAINS(err.message, i ? "nan" : "-0.5");
        err = (sk_error){ 0 };
        snprintf(place, sizeof place, "wait.c:%d: sk_try_get_all:", __LINE__ + 1);
        ck_assert(!sk_try_get_all(refs, 2, values, wrong[i], &err));
        ck_assert_int_eq(err.code, SK_MISUSE);
        CONTAINS(err.message, place);
    }
    ck_assert(value == 7 && values[0] == 7 && values[1] == 7);
    ck_assert_int_eq(sk_get(int, refs[0]), 1);          /* nothing was consumed */
}

CASE(very_long_timeouts_do_not_overflow)
{
    sk_ref x = sk_remote(same, 1);
    ck_assert_uint_eq(sk_wait(&x, 1, 1, 1e18), 1);
    ck_assert_uint_eq(sk_wait(&x, 1, 1, __builtin_inf()), 1);
    int64_t value;
    ck_assert(sk_try_get(sk_remote(same, 2), &value, 1e12, NULL));
}

CASE(a_loop_of_waits_drains_every_task_once)
{
    sk_ref refs[200];
    int64_t sum = 0;
    for (int i = 0; i < 200; i++)
        refs[i] = sk_remote(same, i);
    for (size_t left = 200; left > 0; left--) {
        ck_assert_uint_eq(sk_wait(refs, left, 1, SK_FOREVER), 1);
        sum += sk_take(int64_t, refs[0]);
        memmove(refs, refs + 1, (left - 1) * sizeof *refs);
    }
    ck_assert_int_eq(sum, 199 * 100);
}

CASE(polling_makes_progress_on_every_backend)
{
    sk_ref refs[10];
    for (int i = 0; i < 10; i++)
        refs[i] = sk_remote(same, i);
    EVENTUALLY(sk_wait(refs, 10, 10, 0) == 10);
    sk_ref x = sk_remote(plus, sk_remote(plus, 1, 2), 3);
    int64_t value = 0;
    EVENTUALLY(sk_try_get(x, &value, 0, NULL));
    ck_assert_int_eq(value, 6);
}

CASE(a_wait_for_some_does_not_need_the_rest)
{
    sk_ref refs[3] = { sk_promise(), sk_remote(same, 1), sk_remote(same, 2) };
    ck_assert_uint_eq(sk_wait(refs, 3, 2, SK_FOREVER), 2);
    ck_assert_int_eq(sk_get(int64_t, refs[0]) + sk_get(int64_t, refs[1]), 3);
}

SK_REMOTE(int64_t, first_of, (sk_list, list))
{
    sk_ref refs[16];
    memcpy(refs, list.refs, list.n * sizeof *refs);
    sk_wait(refs, list.n, 1, SK_FOREVER);
    return sk_get(int64_t, refs[0]);
}

CASE(a_task_can_wait, .config.workers = 1)
{
    sk_ref refs[3] = { sk_promise(), sk_promise(), sk_remote(same, 9) };
    ck_assert_int_eq(sk_get(int64_t, sk_remote(first_of, sk_list_of(refs, 3))), 9);
}

CASE(a_wait_ends_in_time_while_a_task_runs, .needs = SK_CAN_OVERLAP | SK_CAN_TIME_OUT)
{
    sk_ref gate = sk_promise(), task = hold_one(gate, NULL);
    ck_assert_uint_eq(sk_wait(&task, 1, 1, 0.01), 0);
    int64_t value;
    sk_error err;
    ck_assert(!sk_try_get(task, &value, 0.01, &err));
    ck_assert_int_eq(err.code, SK_TIMEOUT);
    sk_fulfil(gate, 3);
    ck_assert_int_eq(sk_get(int64_t, task), 3);
}

/* ---- sk_try_get_all ---- */

CASE(get_all_reports_the_first_failure_without_waiting_for_the_rest)
{
    sk_ref refs[3] = { sk_promise(), sk_remote(same, 1), sk_remote(fails, "early") };
    int64_t values[3];
    sk_error err = { 0 };
    ck_assert(!sk_try_get_all(refs, 3, values, SK_FOREVER, &err));
    ck_assert_int_eq(err.code, SK_TASK);
    CONTAINS(err.message, "early");
}

CASE(get_all_gives_up_in_time_and_consumes_nothing)
{
    sk_ref refs[2] = { sk_remote(same, 1), sk_promise() };
    int64_t values[2];
    sk_error err = { 0 };
    ck_assert(!sk_try_get_all(refs, 2, values, 0.01, &err));
    ck_assert_int_eq(err.code, SK_TIMEOUT);
    sk_fulfil(refs[1], 2);
    ck_assert(sk_try_get_all(refs, 2, values, SK_FOREVER, &err));
    ck_assert(values[0] == 1 && values[1] == 2);
}

SK_REMOTE(int64_t, get_all_of, (sk_list, list))
{
    int64_t values[16];
    sk_get_all(int64_t, list.refs, list.n, values);
    return values[0];
}

CASE(get_all_in_a_task_fails_the_task_at_the_first_failure)
{
    sk_ref refs[2] = { sk_promise(), sk_remote(fails, "early") };
    CONTAINS(FAILS(sk_remote(get_all_of, sk_list_of(refs, 2)), SK_TASK).message, "early");
}

/* ---- sk_waiter ---- */

CASE(a_waiter_hands_out_every_ref_once)
{
    sk_ref refs[100], one;
    int64_t sum = 0;
    for (int i = 0; i < 100; i++)
        refs[i] = i % 2 ? sk_remote(same, i) : sk_put(i);
    sk_waiter *waiter = sk_waiter_new(refs, 100);
    for (size_t left = 100; left > 0; left--) {
        ck_assert_uint_eq(sk_waiter_left(waiter), left);
        ck_assert(sk_waiter_next(waiter, &one, SK_FOREVER));
        sum += sk_get(int64_t, one);
    }
    ck_assert_uint_eq(sk_waiter_left(waiter), 0);
    ck_assert(!sk_waiter_next(waiter, &one, SK_FOREVER));
    sk_waiter_free(waiter);
    ck_assert_int_eq(sum, 4950);
}

CASE(a_waiter_hands_out_in_the_order_of_completion)
{
    sk_ref p[6], one;
    promise_all(p, 6);
    sk_waiter *waiter = sk_waiter_new(p, 6);
    static const int order[6] = { 4, 0, 5, 2, 1, 3 };
    for (int i = 0; i < 6; i++)
        sk_fulfil(p[order[i]], order[i]);
    for (int i = 0; i < 6; i++) {
        ck_assert(sk_waiter_next(waiter, &one, 0));
        ck_assert(one.id == p[order[i]].id);
    }
    sk_waiter_free(waiter);
}

CASE(a_waiter_times_out_and_goes_on)
{
    sk_ref p[2], one;
    promise_all(p, 2);
    sk_waiter *waiter = sk_waiter_new(p, 2);
    ck_assert(!sk_waiter_next(waiter, &one, 0));
    ck_assert(!sk_waiter_next(waiter, &one, 0.01));
    ck_assert_uint_eq(sk_waiter_left(waiter), 2);
    sk_fulfil(p[1], 1);
    ck_assert(sk_waiter_next(waiter, &one, 0) && one.id == p[1].id);
    ck_assert_uint_eq(sk_waiter_left(waiter), 1);
    sk_waiter_free(waiter);         /* before the end */
}

CASE(a_waiter_hands_out_duplicates_twice)
{
    sk_ref x = sk_put(3), y = sk_remote(same, 4), refs[4] = { x, y, x, y }, one;
    sk_waiter *waiter = sk_waiter_new(refs, 4);
    int64_t sum = 0;
    while (sk_waiter_next(waiter, &one, SK_FOREVER))
        sum += sk_get(int64_t, one);
    ck_assert_int_eq(sum, 14);
    sk_waiter_free(waiter);
}

CASE(a_waiter_hands_out_failed_tasks_too)
{
    sk_ref refs[2] = { sk_remote(fails, "no"), sk_remote(same, 1) }, one;
    sk_waiter *waiter = sk_waiter_new(refs, 2);
    int failed = 0;
    while (sk_waiter_next(waiter, &one, SK_FOREVER))
        failed += error_of(one).code == SK_TASK;
    ck_assert_int_eq(failed, 1);
    sk_waiter_free(waiter);
}

CASE(a_waiter_of_none_is_done_at_once_and_free_takes_null)
{
    sk_ref one;
    sk_waiter *waiter = sk_waiter_new((sk_ref *)NULL, 0);
    ck_assert(!sk_waiter_next(waiter, &one, SK_FOREVER));
    sk_waiter_free(waiter);
    sk_waiter_free(NULL);
}

SK_REMOTE(int64_t, drain, (sk_list, list))
{
    int64_t sum = 0;
    sk_ref one;
    sk_waiter *waiter = sk_waiter_new(list.refs, list.n);
    while (sk_waiter_next(waiter, &one, SK_FOREVER))
        sum += sk_get(int64_t, one);
    sk_waiter_free(waiter);
    return sum;
}

CASE(a_task_can_drain_ten_thousand_refs, .config.workers = 1)
{
    sk_ref *refs = calloc(10000, sizeof *refs);
    for (int i = 0; i < 10000; i++)
        refs[i] = sk_remote(same, i);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(drain, sk_list_of(refs, 10000))), 49995000);
    free(refs);
}
