/* cancel.c -- sk_cancel in every state of a task, and timeout_s. */
#include "conform.h"

CASE(a_cancelled_pending_task_never_runs)
{
    sk_ref gate = sk_promise(), task = sk_remote(same, gate);
    sk_cancel(task, 0);
    (void)FAILS(task, SK_CANCELLED);
    sk_fulfil(gate, 1);
    (void)FAILS(task, SK_CANCELLED);
    sk_counts counts = sk_stats();
    ck_assert_uint_eq(counts.attempts, 0);
    ck_assert_uint_eq(counts.tasks_cancelled, 1);
}

CASE(the_message_of_a_cancelled_task_names_its_submit_site)
{
    sk_ref gate = sk_promise();
    int line = __LINE__ + 1;
    sk_ref task = sk_remote(same, gate);
    sk_cancel(task, 0);
    char place[32];
    snprintf(place, sizeof place, "cancel.c:%d", line);
    CONTAINS(FAILS(task, SK_CANCELLED).message, place);
}

CASE(dependants_of_a_cancelled_task_fail)
{
    sk_ref gate = sk_promise(), task = sk_remote(same, gate);
    sk_ref next = sk_remote(plus, task, 1), last = sk_remote(plus, 1, next);
    sk_cancel(task, 0);
    ck_assert(contains_any_case(FAILS(next, SK_TASK).message, "cancel"));
    ck_assert(contains_any_case(FAILS(last, SK_TASK).message, "cancel"));
    ck_assert_uint_eq(sk_stats().attempts, 0);
}

CASE(cancelling_a_finished_task_has_no_effect)
{
    sk_ref task = sk_remote(same, 1), failed = sk_remote(fails, "no");
    ck_assert_int_eq(sk_get(int64_t, task), 1);
    (void)FAILS(failed, SK_TASK);
    sk_cancel(task, 0);
    sk_cancel(failed, SK_FORCE);
    ck_assert_int_eq(sk_get(int64_t, task), 1);
    (void)FAILS(failed, SK_TASK);
    ck_assert_uint_eq(sk_stats().tasks_cancelled, 0);
}

CASE(cancelling_an_object_that_was_put_has_no_effect)
{
    sk_ref x = sk_put(5);
    sk_cancel(x, 0);
    ck_assert_int_eq(sk_get(int, x), 5);
}

CASE(cancelling_twice_is_like_once)
{
    sk_ref gate = sk_promise(), task = sk_remote(same, gate);
    sk_cancel(task, 0);
    sk_cancel(task, SK_ONLY_THIS);
    (void)FAILS(task, SK_CANCELLED);
    ck_assert_uint_eq(sk_stats().tasks_cancelled, 1);
}

CASE(cancelling_one_of_several_answers_cancels_all)
{
    sk_ref gate = sk_promise(), refs[2];
    sk_remote_into(refs, divmod, gate, 2);
    sk_cancel(refs[1], 0);
    (void)FAILS(refs[0], SK_CANCELLED);
    (void)FAILS(refs[1], SK_CANCELLED);
}

CASE(a_cancelled_task_is_never_started_again)
{
    sk_ref gate = sk_promise();
    sk_ref task = sk_remote_with(SK_OPTS(.retry_errors = true, .max_retries = 10), same, gate);
    sk_cancel(task, 0);
    sk_fulfil(gate, 1);
    (void)FAILS(task, SK_CANCELLED);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

CASE(cancelling_the_middle_of_a_chain_leaves_its_beginning)
{
    sk_ref gate = sk_promise(), a = sk_remote(same, gate), b = sk_remote(same, a), c = sk_remote(same, b);
    sk_cancel(b, 0);
    sk_fulfil(gate, 4);
    ck_assert_int_eq(sk_get(int64_t, a), 4);
    (void)FAILS(b, SK_CANCELLED);
    (void)FAILS(c, SK_TASK);
}

CASE(every_second_of_a_thousand_pending_tasks_can_be_cancelled)
{
    sk_ref gate = sk_promise(), refs[1000];
    for (int i = 0; i < 1000; i++)
        refs[i] = sk_remote(plus, gate, i);
    for (int i = 0; i < 1000; i += 2)
        sk_cancel(refs[i], 0);
    sk_fulfil(gate, 0);
    for (int i = 1; i < 1000; i += 2)
        ck_assert_int_eq(sk_get(int64_t, refs[i]), i);
    for (int i = 0; i < 1000; i += 2)
        (void)FAILS(refs[i], SK_CANCELLED);
    ck_assert_uint_eq(sk_stats().tasks_cancelled, 500);
    ck_assert_uint_eq(sk_stats().tasks_done, 500);
}

/* ---- running ---- */

/* A task gets its own ref in a list that a promise brings. It works on every backend: the task is running for sure. */
SK_REMOTE(int64_t, cancels_itself, (sk_list, me))
{
    if (sk_cancelled())
        sk_fail("cancelled too early");
    sk_cancel(me.refs[0], 0);
    return sk_cancelled() ? 1 : 2;
}

static sk_ref with_itself(const sk_fn *fn)
{
    sk_ref itself = sk_promise();
    sk_ref task = sk_remote_fn(fn, itself);
    sk_fulfil(itself, sk_list_of(&task, 1));
    sk_drop(itself);
    return task;
}

CASE(the_answer_of_a_cancelled_running_task_is_thrown_away)
{
    (void)FAILS(with_itself(&cancels_itself), SK_CANCELLED);
    sk_counts counts = sk_stats();
    ck_assert_uint_eq(counts.attempts, 1);
    ck_assert_uint_eq(counts.tasks_cancelled, 1);
    ck_assert_uint_eq(counts.tasks_done, 0);
}

SK_REMOTE(int64_t, cancels_itself_and_fails, (sk_list, me))
{
    sk_cancel(me.refs[0], 0);
    sk_fail("too late to fail");
}

CASE(a_cancelled_task_that_fails_is_cancelled)
{
    (void)FAILS(with_itself(&cancels_itself_and_fails), SK_CANCELLED);
}

static atomic_int went_on;
SK_REMOTE(int64_t, cancels_itself_and_waits, (sk_list, me))
{
    sk_cancel(me.refs[0], 0);
    int64_t value = sk_get(int64_t, sk_promise());
    went_on++;
    return value;
}

CASE(a_wait_in_a_cancelled_task_ends_the_task, .looks_inside = true)
{
    (void)FAILS(with_itself(&cancels_itself_and_waits), SK_CANCELLED);
    ck_assert_int_eq(went_on, 0);
}

SK_REMOTE(int64_t, sees_its_child_cancelled, (sk_list, me))
{
    sk_ref gate = sk_promise(), child = sk_remote(same, gate);
    sk_ref kept[1] = { child };
    sk_fulfil(me.refs[1], sk_list_of(kept, 1));
    sk_cancel(me.refs[0], 0);
    return 0;
}

SK_REMOTE(int64_t, loses_only_itself, (sk_list, me))
{
    sk_ref child = sk_remote(same, me.refs[2]);
    sk_ref kept[1] = { child };
    sk_fulfil(me.refs[1], sk_list_of(kept, 1));
    sk_cancel(me.refs[0], SK_ONLY_THIS);
    return 0;
}

static sk_ref with_itself_and(const sk_fn *fn, sk_ref second, sk_ref third)
{
    sk_ref list = sk_promise(), task = sk_remote_fn(fn, list), all[3] = { task, second, third };
    sk_fulfil(list, sk_list_of(all, 3));
    sk_drop(list);
    return task;
}

CASE(the_tasks_a_cancelled_task_submitted_are_cancelled_too)
{
    sk_ref children = sk_promise(), unused = sk_put(0);
    (void)FAILS(with_itself_and(&sees_its_child_cancelled, children, unused), SK_CANCELLED);
    (void)FAILS(sk_get(sk_list, children).refs[0], SK_CANCELLED);
}

CASE(only_this_spares_the_children)
{
    sk_ref children = sk_promise(), gate = sk_promise();
    (void)FAILS(with_itself_and(&loses_only_itself, children, gate), SK_CANCELLED);
    sk_fulfil(gate, 6);
    ck_assert_int_eq(sk_get(int64_t, sk_get(sk_list, children).refs[0]), 6);
}

SK_REMOTE(int64_t, works_until_cancelled, (sk_list, refs))
{
    sk_fulfil(refs.refs[0], 1);
    while (!sk_cancelled())
        sk_compute(10);
    return 1;
}

CASE(a_running_task_sees_that_it_was_cancelled, .needs = SK_CAN_OVERLAP)
{
    sk_ref started = sk_promise();
    sk_ref task = sk_remote(works_until_cancelled, sk_list_of(&started, 1));
    ck_assert_int_eq(sk_get(int64_t, started), 1);
    sk_cancel(task, 0);
    (void)FAILS(task, SK_CANCELLED);
}

CASE(a_task_that_waits_is_cancelled_at_once, .needs = SK_CAN_OVERLAP)
{
    sk_ref gate = sk_promise(), task = hold_one(gate, NULL);
    sk_cancel(task, 0);
    (void)FAILS(task, SK_CANCELLED);        /* though the gate is closed */
}

SK_REMOTE(int64_t, waits_in_three_ways, (sk_list, refs), (int, how))
{
    sk_fulfil(refs.refs[0], 1);
    sk_ref closed[2] = { sk_promise(), sk_promise() };
    int64_t values[2];
    if (how == 0)
        sk_wait(closed, 2, 1, SK_FOREVER);
    else if (how == 1)
        sk_get_all(int64_t, closed, 2, values);
    else
        sk_try_get_all(closed, 2, values, 1e6, NULL);
    return 0;
}

CASE(every_kind_of_wait_ends_when_the_task_is_cancelled, .needs = SK_CAN_OVERLAP)
{
    for (int how = 0; how < 3; how++) {
        sk_ref started = sk_promise();
        sk_ref task = sk_remote(waits_in_three_ways, sk_list_of(&started, 1), how);
        (void)sk_get(int64_t, started);
        sk_cancel(task, 0);
        (void)FAILS(task, SK_CANCELLED);
    }
}

SK_REMOTE(int64_t, waits_for_a_child, (sk_list, refs))
{
    sk_ref child = sk_remote(hold, refs);       /* fulfils refs[0] when it runs */
    return sk_get(int64_t, child);
}

CASE(cancel_reaches_a_running_grandchild, .needs = SK_CAN_OVERLAP)
{
    sk_ref both[2] = { sk_promise(), sk_promise() };
    sk_ref task = sk_remote(waits_for_a_child, sk_list_of(both, 2));
    (void)sk_get(int64_t, both[0]);
    sk_cancel(task, 0);
    (void)FAILS(task, SK_CANCELLED);
    EVENTUALLY(sk_stats().tasks_cancelled == 2);
}

CASE(a_forced_cancel_is_at_least_a_cancel, .needs = SK_CAN_OVERLAP)
{
    sk_ref gate = sk_promise(), task = hold_one(gate, NULL);
    sk_cancel(task, SK_FORCE);
    (void)FAILS(task, SK_CANCELLED);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
}

SK_REMOTE(int64_t, never_looks) { for (;;) { } return 0; }

CASE(force_ends_a_task_that_never_looks, .needs = SK_CAN_KILL)
{
    sk_ref task = sk_remote(never_looks);
    sk_cancel(task, SK_FORCE);
    (void)FAILS(task, SK_CANCELLED);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
}

SK_REMOTE(bool, says_cancelled) { return sk_cancelled(); }

CASE(nobody_is_cancelled_by_default)
{
    ck_assert(!sk_cancelled());
    ck_assert(!sk_get(bool, sk_remote(says_cancelled)));
}

SK_REMOTE(int64_t, cancels_another, (sk_list, refs))
{
    sk_cancel(refs.refs[0], 0);
    return 0;
}

CASE(a_task_can_cancel_a_task_of_the_driver)
{
    sk_ref gate = sk_promise(), victim = sk_remote(same, gate);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(cancels_another, sk_list_of(&victim, 1))), 0);
    (void)FAILS(victim, SK_CANCELLED);
}

/* ---- timeout_s ---- */

SK_REMOTE(int64_t, sleeps_until_cancelled)
{
    while (!sk_cancelled())
        sk_sleep(0.001);
    return 1;
}

CASE(a_task_that_runs_too_long_fails_with_task_timeout)
{
    sk_ref task = sk_remote_with(SK_OPTS(.timeout_s = 0.02), sleeps_until_cancelled);
    sk_ref next = sk_remote(same, task);
    sk_error err = FAILS(task, SK_TASK_TIMEOUT);
    CONTAINS(err.message, "sleeps_until_cancelled");
    CONTAINS(err.message, "cancel.c");
    (void)FAILS(next, SK_TASK);
}

SK_REMOTE(int64_t, turns_until_cancelled)
{
    for (int i = 0; !sk_cancelled(); i++)
        if (i % 64 == 0)
            sk_sleep(0.00001);                 /* on virtual no time passes else */
    return 1;
}

/* It is over before those who wait for it have been told. */
CASE(a_task_that_ends_at_once_when_its_time_is_up_has_timed_out_and_is_no_deadlock, .needs = SK_CAN_OVERLAP)
{
    for (int i = 0; i < 200; i++) {
        sk_ref task = sk_remote_with(SK_OPTS(.timeout_s = 0.001), turns_until_cancelled);
        (void)FAILS(task, SK_TASK_TIMEOUT);
        sk_drop(task);
    }
}

CASE(a_task_that_ends_in_time_has_no_timeout)
{
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.timeout_s = 1000), same, i)), i);
}

CASE(the_time_before_a_task_starts_does_not_count, .needs = SK_CAN_TIME_OUT)
{
    sk_ref gate = sk_promise();
    sk_ref task = sk_remote_with(SK_OPTS(.timeout_s = 30), same, gate);
    sk_ref slow = sk_remote_with(SK_OPTS(.timeout_s = 0.02), sleeps_until_cancelled);
    (void)FAILS(slow, SK_TASK_TIMEOUT);         /* time has passed */
    sk_fulfil(gate, 2);
    ck_assert_int_eq(sk_get(int64_t, task), 2);
}

static atomic_bool let_go;
SK_REMOTE(int64_t, ignores_everything)
{
    while (!let_go)
        sk_compute(10);
    return 1;
}

CASE(a_timeout_is_reported_though_the_body_goes_on, .needs = SK_CAN_OVERLAP | SK_CAN_TIME_OUT, .looks_inside = true)
{
    sk_ref task = sk_remote_with(SK_OPTS(.timeout_s = 0.02), ignores_everything);
    (void)FAILS(task, SK_TASK_TIMEOUT);
    let_go = true;
}

CASE(a_task_that_waits_too_long_times_out, .needs = SK_CAN_TIME_OUT | SK_CAN_OVERLAP)
{
    sk_ref gate = sk_promise();
    sk_ref task = sk_remote_with(SK_OPTS(.timeout_s = 0.02), hold, sk_list_of(&gate, 1));
    (void)FAILS(task, SK_TASK_TIMEOUT);
}
