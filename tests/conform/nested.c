/* nested.c -- tasks that submit tasks and wait for them, deadlock and how deep it may go. */
#include "conform.h"
#include "other.h"

SK_REMOTE(int64_t, leaf, (int64_t, x)) { return x + 1; }
SK_REMOTE(int64_t, middle, (int64_t, x)) { return sk_get(int64_t, sk_remote(leaf, x)) + 1; }
SK_REMOTE(int64_t, outer, (int64_t, x)) { return sk_get(int64_t, sk_remote(middle, x)) + 1; }

static void a_thousand_nested(void)
{
    static sk_ref refs[1000];
    int n = with_few() ? 100 : 1000;
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(outer, i);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(sk_get(int64_t, refs[i]), i + 3);
    sk_counts counts = sk_stats();
    ck_assert_int_eq((int64_t)counts.tasks_done, 3 * n);
    ck_assert_int_le(counts.threads_peak, 64 * nodes_here());
}

CASE(a_thousand_tasks_nested_three_deep_finish_on_one_worker, .config.workers = 1) { a_thousand_nested(); }
CASE(a_thousand_tasks_nested_three_deep_finish_on_two_workers, .config.workers = 2) { a_thousand_nested(); }
CASE(a_thousand_tasks_nested_three_deep_finish_on_eight_workers, .config.workers = 8) { a_thousand_nested(); }

SK_REMOTE(int64_t, waits_nested, (int64_t, depth))
{
    if (depth == 0)
        return 1;
    sk_ref refs[2] = { sk_remote(waits_nested, depth - 1), sk_remote(waits_nested, depth - 1) };
    sk_wait(refs, 2, 2, SK_FOREVER);
    return sk_get(int64_t, refs[0]) + sk_get(int64_t, refs[1]);
}

SK_REMOTE(int64_t, adds, (int64_t, a), (int64_t, b)) { return a + b; }
SK_REMOTE(int64_t, waits_for_a_tree, (int, leaves))
{
    sk_ref refs[127];
    for (int i = 0; i < leaves; i++)
        refs[i] = sk_remote(adds, i, 0);
    for (int i = 0; i < leaves - 1; i++)
        refs[leaves + i] = sk_remote(adds, refs[2 * i], refs[2 * i + 1]);
    return sk_get(int64_t, refs[2 * leaves - 2]);
}

/* Else another thread would have to be started to do it. (Where bodies are isolated from each other, another process is; each other node has one.) */
CASE(a_task_that_waits_for_a_tree_runs_it_itself, .config.workers = 1)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(waits_for_a_tree, 64)), 63 * 64 / 2);
    int most = backend_can() & SK_CAN_ISOLATE ? nodes_here() + 2 : 1;
    ck_assert_int_le(sk_stats().threads_peak, most);
}

CASE(a_tree_of_waiting_tasks_finishes_on_one_worker, .config.workers = 1)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(waits_nested, 9)), 512);
}

SK_REMOTE(int64_t, fib, (int, n))
{
    if (n < 2)
        return n;
    sk_ref a = sk_remote(fib, n - 1), b = sk_remote(fib, n - 2);
    return sk_get(int64_t, a) + sk_get(int64_t, b);
}

CASE(fibonacci_by_tasks)
{
    bool few = with_few();
    ck_assert_int_eq(sk_get(int64_t, sk_remote(fib, few ? 11 : 16)), few ? 89 : 987);
}

SK_REMOTE(int64_t, fib_by_future, (int, n))
{
    if (n < 2)
        return n;
    return sk_get(int64_t, sk_remote(plus, sk_remote(fib_by_future, n - 1), sk_remote(fib_by_future, n - 2)));
}

CASE(refs_of_children_are_arguments_of_other_children) { ck_assert_int_eq(sk_get(int64_t, sk_remote(fib_by_future, 12)), 144); }

SK_REMOTE(int64_t, counts_down, (int, n)) { return n == 0 ? 0 : 1 + sk_get(int64_t, sk_remote(counts_down, n - 1)); }

/* (On one node, where tasks have processes: the driver's can start so many, others fewer. So it is with a hundred that wait, below.) */
CASE(a_hundred_nested_gets_are_fine, .config.nodes = 1) { ck_assert_int_eq(sk_get(int64_t, sk_remote(counts_down, 100)), 100); }

/* Where it ends with LIMIT, the child of the deepest task is left, and runs when somebody has time: at shutdown on serial. */
CASE(five_thousand_nested_gets_work_or_end_with_limit, .leaves = true)
{
    sk_ref x = sk_remote(counts_down, 5000);
    int64_t value;
    sk_error err = { 0 };
    if (sk_try_get(x, &value, SK_FOREVER, &err))
        ck_assert_int_eq(value, 5000);
    else
        ck_assert_msg(err.code == SK_LIMIT || contains_any_case(err.message, "limit") || contains_any_case(err.message, "too deep"),
                      "%s: %s", sk_code_name(err.code), err.message);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(counts_down, 10)), 10);      /* and life goes on */
}

/* Deeper than all threads together can go, 1000 tasks on each of some 260. What is left at one limit goes on to the next at shutdown: by another hundred
 * processes, where tasks are isolated. ThreadSanitizer copies the whole stack of calls at each malloc: there tests/run has given it a small stack. */
CASE(very_deep_recursion_ends_with_a_named_error, .leaves = true)
{
    sk_error err = error_of(sk_remote(counts_down, with_few() || backend_can() & SK_CAN_ISOLATE ? 5000 : under_tsan ? 300000 : 500000));
    ck_assert_msg(err.code == SK_LIMIT || (err.code == SK_TASK && contains_any_case(err.message, "limit")), "%s: %s",
                  sk_code_name(err.code), err.message);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(counts_down, 10)), 10);
}

SK_REMOTE(sk_none, plants, (int, depth))
{
    if (depth > 0) {
        sk_remote(plants, depth - 1);
        sk_remote(plants, depth - 1);
    }
    return (sk_none){ 0 };
}

CASE(children_nobody_waits_for_run_all_the_same, .needs = SK_CAN_OVERLAP)
{
    (void)sk_get(sk_none, sk_remote(plants, 7));
    EVENTUALLY(sk_stats().tasks_done == 255);
}

SK_REMOTE(const char *, in_order, (const char *, low), (int64_t, pivot), (const char *, high))
{
    return sk_format("%s%ld %s", low, (long)pivot, high);
}

SK_REMOTE(const char *, quicksort, (sk_list, refs))
{
    if (refs.n == 0)
        return "";
    int64_t pivot = sk_get(int64_t, refs.refs[0]);
    sk_ref halves[2];
    sk_remote_into(halves, split, sk_list_of(refs.refs + 1, refs.n - 1), pivot);
    return sk_get(const char *, sk_remote(in_order, sk_remote(quicksort, halves[0]), pivot, sk_remote(quicksort, halves[1])));
}

CASE(quicksort_passes_lists_of_refs_down_the_tree)
{
    sk_ref refs[40];
    char expected[256] = "";
    for (int i = 0; i < 40; i++) {
        refs[i] = sk_put(i * 17 % 40);
        sprintf(expected + strlen(expected), "%d ", i);
    }
    ck_assert_str_eq(sk_get(const char *, sk_remote(quicksort, sk_list_of(refs, 40))), expected);
}

SK_REMOTE(int64_t, keeps_its_promise, (sk_list, refs)) { sk_fulfil(refs.refs[0], 11); return 0; }
SK_REMOTE(int64_t, asks_a_child_by_promise)
{
    sk_ref p = sk_promise();
    sk_ref child = sk_remote(keeps_its_promise, sk_list_of(&p, 1));
    (void)sk_get(int64_t, child);
    return sk_get(int64_t, p);
}

CASE(a_child_can_answer_by_a_promise) { ck_assert_int_eq(sk_get(int64_t, sk_remote(asks_a_child_by_promise)), 11); }

SK_REMOTE(const char *, tree_text, (int, depth), (const char *, name))
{
    if (depth == 0)
        return name;
    sk_ref a = sk_remote(tree_text, depth - 1, sk_format("%s0", name)), b = sk_remote(tree_text, depth - 1, sk_format("%s1", name));
    const char *first = sk_get(const char *, a), *second = sk_get(const char *, b);
    return sk_format("%s,%s", first, second);
}

CASE(views_in_a_task_stay_valid_while_it_waits_for_more)
{
    ck_assert_str_eq(sk_get(const char *, sk_remote(tree_text, 3, "")), "000,001,010,011,100,101,110,111");
}

CASE(a_hundred_tasks_may_wait_at_once, .needs = SK_CAN_OVERLAP, .config.nodes = 1)
{
    sk_ref gate = sk_promise(), refs[100];
    for (int i = 0; i < 100; i++)
        refs[i] = hold_one(gate, NULL);
    EVENTUALLY(sk_stats().blocked_peak == 100);          /* the last may be on its way into the wait */
    sk_fulfil(gate, 2);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(sk_get(int64_t, refs[i]), 2);
}

CASE(ten_thousand_waiting_tasks_finish_or_end_with_limit, .needs = SK_CAN_OVERLAP)
{
    static sk_ref refs[10000];
    int n = with_few() ? 2000 : 10000;
    sk_ref gate = sk_promise();
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(hold, sk_list_of(&gate, 1));
    EVENTUALLY(sk_stats().attempts >= 100);
    sk_fulfil(gate, 1);
    int good = 0, limit = 0;
    for (int i = 0; i < n; i++) {
        sk_error err = error_of(refs[i]);
        good += err.code == SK_OK;
        limit += err.code == SK_LIMIT || contains_any_case(err.message, "limit");
    }
    ck_assert_int_eq(good + limit, n);
    ck_assert_int_gt(good, 0);
    ck_assert_int_le(sk_stats().threads_peak, 5000);
}

/* ---- nothing can happen any more ---- */

CASE(waiting_for_a_promise_that_nobody_keeps_is_a_deadlock)
{
    int64_t value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(sk_promise(), &value, SK_FOREVER, &err));
    ck_assert_int_eq(err.code, SK_DEADLOCK);
    sk_ref two[2] = { sk_promise(), sk_promise() };
    size_t ready = 9;
    ck_assert(!sk_try_wait(two, 2, 1, SK_FOREVER, &ready, &err));
    ck_assert_int_eq(err.code, SK_DEADLOCK);
}

CASE(waiting_for_a_task_that_waits_for_such_a_promise_is_a_deadlock)
{
    sk_ref gate = sk_promise(), task = sk_remote(plus, gate, 1);
    int64_t value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(task, &value, SK_FOREVER, &err));
    ck_assert_int_eq(err.code, SK_DEADLOCK);
    CONTAINS(err.message, "plus");
    sk_fulfil(gate, 1);
    ck_assert_int_eq(sk_get(int64_t, task), 2);         /* the wait ended, the task did not */
}

SK_REMOTE(int64_t, waits_for_the_other, (sk_list, other)) { return sk_get(int64_t, other.refs[0]); }
SK_REMOTE(int64_t, waits_for_the_first, (sk_list, other)) { return sk_get(int64_t, other.refs[0]); }

CASE(two_tasks_that_wait_for_each_other_are_a_deadlock_that_names_both)
{
    sk_ref p = sk_promise(), a = sk_remote(waits_for_the_other, p), b = sk_remote(waits_for_the_first, sk_list_of(&a, 1));
    sk_fulfil(p, sk_list_of(&b, 1));
    sk_drop(p);
    sk_error err = error_of(a);
    ck_assert_int_ne(err.code, SK_OK);
    ck_assert_msg(contains_any_case(err.message, "deadlock"), "%s", err.message);
    CONTAINS(err.message, "waits_for_the_other");
    CONTAINS(err.message, "waits_for_the_first");
    (void)error_of(b);
}

CASE(a_wait_with_a_deadline_is_never_a_deadlock, .leaves = true)
{
    sk_ref gate = sk_promise();
    int64_t value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(sk_remote(same, gate), &value, 0.01, &err));
    ck_assert_int_eq(err.code, SK_TIMEOUT);
}

CASE(a_deadlock_ends_the_driver_with_the_cycle, .dies = 1, .says = { "leaf" })
{
    sk_ref task = sk_remote(leaf, sk_promise());
    WRONG(sk_get(int64_t, task));
}

CASE(shutdown_cancels_what_can_never_run, .leaves = true)
{
    sk_ref gate = sk_promise();
    for (int i = 0; i < 10; i++)
        sk_dup(sk_remote(plus, gate, i));
}

CASE(a_task_that_waits_is_no_deadlock_while_the_driver_goes_on, .needs = SK_CAN_OVERLAP, .config.workers = 1)
{
    for (int round = 0; round < 20; round++) {
        sk_ref gate = sk_promise(), task = hold_one(gate, NULL);
        int64_t value;
        sk_error err = { 0 };
        for (int i = 0; i < 1000; i++) {
            ck_assert(!sk_try_get(task, &value, i % 100 ? 0 : 0.0001, &err));
            ck_assert_msg(err.code == SK_TIMEOUT, "%s: %s", sk_code_name(err.code), err.message);
        }
        sk_fulfil(gate, 5);
        ck_assert_int_eq(sk_get(int64_t, task), 5);
    }
}

CASE(a_task_that_waits_is_no_deadlock_while_the_driver_waits_for_others, .needs = SK_CAN_OVERLAP, .config.workers = 1)
{
    for (int round = 0; round < 20; round++) {
        sk_ref gate = sk_promise(), task = hold_one(gate, NULL);
        for (int i = 0; i < 100; i++)
            ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.num_cpus = i % 3 ? 0 : 0.5), plus, i, sk_remote(same, 1))), i + 1);
        sk_fulfil(gate, 5);
        ck_assert_int_eq(sk_get(int64_t, task), 5);
    }
}

SK_REMOTE(int64_t, waits_for_a_demanding_child, (double, cpus))
{
    return sk_get(int64_t, sk_remote_with(SK_OPTS(.num_cpus = cpus), same, 3));
}

CASE(a_child_that_brings_its_own_cpus_is_no_deadlock_on_one_worker, .config.workers = 1)
{
    static const double cpus[] = { 1, 0.5, 0.0001, SK_ZERO };
    for (int round = 0; round < 100; round++)
        for (int i = 0; i < 4; i++) {
            int64_t value = 0;
            sk_ref task = sk_remote(waits_for_a_demanding_child, cpus[i]);
            EVENTUALLY(sk_try_get(task, &value, 0, NULL));
            ck_assert_int_eq(value, 3);
            sk_drop(task);
            ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.num_cpus = 0.5), waits_for_a_demanding_child, cpus[i])), 3);
        }
}

SK_REMOTE(int64_t, gets_the_first, (sk_list, refs)) { return sk_get(int64_t, refs.refs[0]); }

CASE(a_task_that_waits_for_one_of_low_priority_lends_it_its_worker, .config.workers = 1)
{
    for (int i = 0; i < 1000; i++)
        sk_scope {
            sk_ref low = sk_remote_with(SK_OPTS(.num_cpus = 1, .priority = -1), same, i);
            ck_assert_int_eq(sk_get(int64_t, sk_remote(gets_the_first, sk_list_of(&low, 1))), i);
        }
}

SK_REMOTE(int64_t, the_length, (sk_list, refs), (int64_t, unused)) { return (int64_t)refs.n + unused; }

/* The trace of each case must end with every object freed; so these look at what shutdown does with what can never run. */
CASE(shutdown_gives_back_what_tasks_that_can_never_run_hold, .leaves = true)
{
    sk_ref gate = sk_promise(), refs[3] = { sk_put(1), sk_remote(fails, "no"), gate };
    sk_ref waits = sk_remote(sum_list, sk_list_of(refs, 3)), list = sk_put(sk_list_of(refs, 3));
    sk_ref next = sk_remote(plus, waits, sk_remote(plus, gate, refs[0])), both[2] = { next, list };
    sk_remote(the_length, sk_list_of(both, 2), next);
    sk_remote_into(both, divmod, next, gate);
    sk_remote(the_length, list, both[1]);
}

CASE(shutdown_ends_tasks_that_wait_for_ever, .leaves = true, .needs = SK_CAN_OVERLAP)
{
    sk_ref gate = sk_promise(), x = sk_put(1), lists[3][2] = { { x, gate }, { gate, x }, { gate, gate } };
    for (int i = 0; i < 3; i++) {
        sk_ref task = sk_remote(sum_list, sk_list_of(lists[i], 2));
        sk_remote(plus, task, x);
    }
    (void)hold_one(gate, NULL);
}
