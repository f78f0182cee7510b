/* errors.c -- sk_fail, how failures travel along the graph, and what their messages say. */
#include "conform.h"
#include <signal.h>

/* "errors.c:LINE" of a submission, to be found in a message. */
#define SITE(line) ({ static char place[32]; snprintf(place, sizeof place, "errors.c:%d", (line)); place; })

CASE(a_failed_task_says_why_and_where_it_was_submitted)
{
    int line = __LINE__ + 1;
    sk_error err = FAILS(sk_remote(fails, "the disk is full"), SK_TASK);
    CONTAINS(err.message, "the disk is full");
    CONTAINS(err.message, "fails");
    CONTAINS(err.message, SITE(line));
}

SK_REMOTE(int64_t, fails_with_figures, (int, a), (double, b)) { sk_fail("%d is not %g", a, b); }

CASE(sk_fail_formats_like_printf)
{
    CONTAINS(FAILS(sk_remote(fails_with_figures, 3, 0.5), SK_TASK).message, "3 is not 0.5");
}

static int64_t fail_from_deep_inside(int64_t depth)
{
    if (depth == 0)
        sk_fail("from deep inside");
    return depth > 1000 ? 0 : fail_from_deep_inside(depth - 1) + 1;
}

SK_REMOTE(int64_t, goes_deep, (int64_t, depth)) { return fail_from_deep_inside(depth); }

CASE(sk_fail_leaves_all_functions_between)
{
    CONTAINS(FAILS(sk_remote(goes_deep, 20), SK_TASK).message, "from deep inside");
}

CASE(a_failed_argument_fails_its_dependants)
{
    sk_ref x = sk_remote(fails, "root");
    CONTAINS(FAILS(sk_remote(plus, x, 1), SK_TASK).message, "root");
    CONTAINS(FAILS(sk_remote(plus, 1, x), SK_TASK).message, "root");
}

static atomic_int runs;
SK_REMOTE(int64_t, counts_runs, (int64_t, x)) { runs++; return x; }

CASE(dependants_of_a_failed_task_never_run, .looks_inside = true)
{
    sk_ref x = sk_remote(counts_runs, sk_remote(fails, "no"));
    (void)FAILS(sk_remote(counts_runs, x), SK_TASK);
    ck_assert_int_eq(runs, 0);
    sk_counts counts = sk_stats();
    ck_assert_uint_eq(counts.tasks_failed, 3);
    ck_assert_uint_eq(counts.attempts, 1);
}

CASE(the_chain_has_one_line_per_hop_and_the_root_cause_last)
{
    int line = __LINE__ + 1;
    sk_ref a = sk_remote(fails, "the root cause");
    sk_ref b = sk_remote(plus, a, 1);
    sk_ref c = sk_remote(same, b);
    sk_error err = FAILS(c, SK_TASK);
    const char *hop[3] = { strstr(err.message, SITE(line + 2)), strstr(err.message, SITE(line + 1)), strstr(err.message, SITE(line)) };
    ck_assert_msg(hop[0] && hop[0] < hop[1] && hop[1] < hop[2], "%s", err.message);
    ck_assert_msg(strchr(hop[0], '\n') < hop[1] && strchr(hop[1], '\n') < hop[2], "hops share a line: %s", err.message);
    const char *last = strrchr(err.message, '\n');
    while (last && last[1] == 0)                /* a newline at the end is no line */
        for (last--; last > err.message && *last != '\n'; last--) { }
    CONTAINS(last, "the root cause");
    CONTAINS(err.message, "same");
    CONTAINS(err.message, "plus");
}

CASE(of_several_failed_arguments_the_first_is_the_cause_even_if_it_fails_last)
{
    sk_ref gate = sk_promise();
    sk_ref late = sk_remote(fails, sk_remote(join, "late", gate)), early = sk_remote(fails, "early");
    sk_ref task = sk_remote(plus, late, early);
    (void)FAILS(early, SK_TASK);
    int64_t value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(task, &value, 0, &err));
    ck_assert_int_eq(err.code, SK_TIMEOUT);     /* it waits for both */
    sk_fulfil(gate, (const char *)"!");
    err = FAILS(task, SK_TASK);
    CONTAINS(err.message, "(late!)");
    ck_assert(!strstr(err.message, "early"));
}

SK_REMOTE(int64_t, gets, (sk_list, refs)) { return sk_get(int64_t, refs.refs[0]); }

CASE(a_failing_get_in_a_task_fails_the_task_with_the_chain)
{
    sk_ref x = sk_remote(fails, "the root cause");
    int line = __LINE__ + 1;
    sk_error err = FAILS(sk_remote(gets, sk_list_of(&x, 1)), SK_TASK);
    CONTAINS(err.message, "gets");
    CONTAINS(err.message, SITE(line));
    CONTAINS(err.message, "the root cause");
}

SK_REMOTE(int64_t, copes, (sk_list, refs))
{
    int64_t value;
    sk_error err;
    if (sk_try_get(refs.refs[0], &value, SK_FOREVER, &err))
        return value;
    return err.code == SK_TASK && strstr(err.message, "expected") ? -1 : -2;
}

CASE(a_task_can_cope_with_a_failure)
{
    sk_ref x = sk_remote(fails, "expected"), y = sk_put(5);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(copes, sk_list_of(&x, 1))), -1);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(copes, sk_list_of(&y, 1))), 5);
}

CASE(a_failure_can_be_got_again_and_again)
{
    sk_ref x = sk_remote(fails, "still");
    for (int i = 0; i < 3; i++)
        CONTAINS(FAILS(x, SK_TASK).message, "still");
}

CASE(a_long_message_is_cut_with_dots)
{
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    sk_ref x = sk_remote(fails, (const char *)text);
    for (int i = 0; i < 30; i++)
        x = sk_remote(same, x);
    sk_error err = FAILS(x, SK_TASK);
    ck_assert(memchr(err.message, 0, sizeof err.message));
    CONTAINS(err.message, "...");
}

CASE(a_failure_reaches_the_end_of_a_chain_of_ten_thousand)
{
    sk_ref x = sk_remote(fails, "the far root");
    for (int i = 0; i < 10000; i++) {
        sk_ref next = sk_remote(same, x);
        sk_drop(x);
        x = next;
    }
    (void)FAILS(x, SK_TASK);
}

CASE(a_failure_reaches_a_thousand_dependants)
{
    sk_ref gate = sk_promise(), refs[1000], text = sk_remote(join, "late", gate);
    sk_ref root = sk_remote(fails, text);
    for (int i = 0; i < 1000; i++)
        refs[i] = sk_remote(plus, root, i);
    sk_fulfil(gate, (const char *)"!");
    for (int i = 0; i < 1000; i++)
        CONTAINS(FAILS(refs[i], SK_TASK).message, "(late!)");
}

SK_REMOTE(int64_t, makes_much_and_fails)
{
    for (int i = 0; i < 100; i++)
        sk_remote(same, sk_put(i));
    sk_new_array(SK_F64, 1000);
    sk_fail("after making much");
}

CASE(a_failing_task_gives_back_what_it_made, .leaves = true)
{
    (void)FAILS(sk_remote(makes_much_and_fails), SK_TASK);
}

CASE(every_code_has_a_name)
{
    ck_assert_str_eq(sk_code_name(SK_OK), "OK");
    ck_assert_str_eq(sk_code_name(SK_TASK_TIMEOUT), "TASK_TIMEOUT");
    ck_assert_str_eq(sk_code_name(SK_MISUSE), "MISUSE");
    for (int i = 0; i < SK_CODES; i++)
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(sk_code_name((sk_code)i), sk_code_name((sk_code)k));
    ck_assert_ptr_nonnull(sk_code_name((sk_code)999));
}

/* ---- retries: attempts are counted ---- */

static void expect_attempts(const sk_options *options, uint64_t expected)
{
    sk_counts before = sk_stats();
    (void)FAILS(sk_remote_with(options, fails, "again"), SK_TASK);
    sk_counts after = sk_stats();
    ck_assert_uint_eq(after.attempts - before.attempts, expected);
    ck_assert_uint_eq(after.retries - before.retries, expected - 1);
    ck_assert_uint_eq(after.tasks_failed - before.tasks_failed, 1);
}

CASE(a_failed_task_is_not_started_again_unless_asked_for) { expect_attempts(NULL, 1); }
CASE(max_retries_alone_is_for_system_failures) { expect_attempts(SK_OPTS(.max_retries = 5), 1); }
CASE(retry_errors_starts_three_times_again) { expect_attempts(SK_OPTS(.retry_errors = true), 4); }
CASE(retry_errors_keeps_to_max_retries) { expect_attempts(SK_OPTS(.retry_errors = true, .max_retries = 7), 8); }
CASE(retry_errors_with_no_retries_starts_once) { expect_attempts(SK_OPTS(.retry_errors = true, .max_retries = SK_ZERO), 1); }

static atomic_int tries;
SK_REMOTE(int64_t, third_time_lucky, (int64_t, x))
{
    sk_put(x);                      /* must be given back each time */
    sk_new_array(SK_F64, 10);
    if (++tries < 3)
        sk_fail("try %d", (int)tries);
    return x + tries;
}

CASE(a_task_that_succeeds_at_the_third_attempt_has_succeeded, .looks_inside = true)
{
    sk_ref x = sk_remote_with(SK_OPTS(.retry_errors = true), third_time_lucky, sk_put(10));
    ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, x, 1)), 14);
    ck_assert_uint_eq(sk_stats().retries, 2);
    ck_assert_uint_eq(sk_stats().tasks_failed, 0);
}

CASE(a_failed_argument_is_no_reason_to_try_again)
{
    sk_ref x = sk_remote(fails, "no");
    (void)FAILS(x, SK_TASK);
    uint64_t before = sk_stats().attempts;
    (void)FAILS(sk_remote_with(SK_OPTS(.retry_errors = true), same, x), SK_TASK);
    ck_assert_uint_eq(sk_stats().attempts, before);
}

/* ---- what arrives has the wrong type ---- */

CASE(a_ref_of_another_type_fails_the_task_and_names_both_types)
{
    sk_ref text = sk_put((const char *)"seven");
    sk_error err = FAILS(sk_remote(plus, 1, text), SK_TASK);
    CONTAINS(err.message, "argument 2");
    CONTAINS(err.message, "errors.c");
    ck_assert_msg(contains_any_case(err.message, "str") || strstr(err.message, "char"), "%s", err.message);
    CONTAINS(err.message, "int64_t");
}

CASE(a_wrong_type_is_carried_to_the_dependants)
{
    sk_ref x = sk_remote(plus, sk_remote(join, "a", "b"), 1);
    CONTAINS(FAILS(sk_remote(same, x), SK_TASK).message, "argument 1");
}

CASE(a_number_too_large_for_an_int_fails_the_get)
{
    int value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(sk_put(5000000000), &value, SK_FOREVER, &err));
    ck_assert_int_ne(err.code, SK_OK);
    CONTAINS(err.message, "5000000000");
}

CASE(a_get_with_the_wrong_type_fails)
{
    double value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(sk_put((const char *)"text"), &value, SK_FOREVER, &err));
    ck_assert_int_ne(err.code, SK_OK);
    CONTAINS(err.message, "double");
}

/* ---- the driver ends ---- */

CASE(a_failed_get_ends_the_driver_and_prints_the_chain, .dies = 1, .says = { "same", "errors.c", "fails", "the root cause" })
{
    sk_ref x = sk_remote(same, sk_remote(fails, "the root cause"));
    WRONG(sk_get(int64_t, x));
}

CASE(a_failed_get_all_ends_the_driver, .dies = 1, .says = { "the root cause" })
{
    sk_ref refs[2] = { sk_put(1), sk_remote(fails, "the root cause") };
    int64_t values[2];
    WRONG(sk_get_all(int64_t, refs, 2, values));
}

CASE(a_failed_take_ends_the_driver, .dies = 1, .says = { "the root cause" })
{
    WRONG(sk_take(int64_t, sk_remote(fails, "the root cause")));
}

/* ---- a crash where tasks share the program's memory ---- */

SK_REMOTE(int64_t, crashes, (int, x)) { raise(SIGSEGV); return x; }

static void has_a_crash(void)
{
    signal(SIGSEGV, SIG_DFL);       /* a sanitizer has its handler there, and Skate leaves that alone */
    start(NULL);
    printf("submitted at errors.c:%d\n", __LINE__ + 1);
    sk_ref x = sk_remote(crashes, 1);
    (void)error_of(x);
    stop();
}

CASE(a_crash_names_the_task_and_its_submit_site_before_the_program_dies, .by_hand = true, .looks_inside = true)
{
    ending end = run_apart(has_a_crash);
    ck_assert_int_ne(end.status, 0);
    CONTAINS(end.output, "crashes");
    int line = 0;
    ck_assert(sscanf(strstr(end.output, "submitted at "), "submitted at errors.c:%d", &line) == 1);
    ck_assert_msg(count_of(end.output, SITE(line)) >= 2, "%s", end.output);
}
