/* time.c -- sk_now, sk_sleep, sk_compute, sk_say, sk_node, sk_worker: inside a task and in the driver. Nothing here is measured
 * by another clock than the backend's own. */
#include "conform.h"

CASE(time_starts_near_0_and_never_goes_back)
{
    double last = sk_now();
    ck_assert(last >= 0 && last < 3600);
    for (int i = 0; i < 10000; i++) {
        double now = sk_now();
        ck_assert(now >= last);
        last = now;
    }
}

CASE(a_sleep_takes_at_least_its_time)
{
    double before = sk_now();
    sk_sleep(0.02);
    ck_assert(sk_now() - before >= 0.02);
    sk_sleep(0);
}

SK_REMOTE(double, sleeps, (double, seconds))
{
    double before = sk_now();
    sk_sleep(seconds);
    return sk_now() - before;
}

CASE(a_task_can_sleep)
{
    ck_assert(sk_get(double, sk_remote(sleeps, 0.02)) >= 0.02);
}

CASE(a_timed_wait_takes_at_least_its_time)
{
    sk_ref gate = sk_promise();
    double before = sk_now();
    ck_assert_uint_eq(sk_wait(&gate, 1, 1, 0.02), 0);
    ck_assert(sk_now() - before >= 0.02);
}

static atomic_int sleeping[64], most_sleeping;       /* on each node; on any */
SK_REMOTE(int64_t, sleeps_counted, (int, i))
{
    int now = ++sleeping[sk_node()], old = most_sleeping;
    while (now > old && !atomic_compare_exchange_weak(&most_sleeping, &old, now)) { }
    sk_sleep(0.002);
    sleeping[sk_node()]--;
    return i;
}

CASE(a_sleeping_task_keeps_its_cpu, .looks_inside = true, .config.workers = 1)
{
    sk_ref refs[10];
    for (int i = 0; i < 10; i++)
        refs[i] = sk_remote(sleeps_counted, i);
    ck_assert_uint_eq(sk_wait(refs, 10, 10, SK_FOREVER), 10);
    ck_assert_int_eq(most_sleeping, 1);
}

SK_REMOTE(double, works, (double, units))
{
    double before = sk_now();
    sk_compute(units);
    return sk_now() - before;
}

CASE(computing_takes_time_and_returns)
{
    ck_assert(sk_get(double, sk_remote(works, 0)) >= 0);
    ck_assert(sk_get(double, sk_remote(works, 20000)) > 0);
    sk_compute(10);
}

static void says_things(void)
{
    start(NULL);
    sk_say("from the driver %d", 1);
    stop();
}

CASE(say_prints_one_line_with_the_time_in_front, .by_hand = true)
{
    ending end = run_apart(says_things);
    ck_assert_int_eq(end.status, 0);
    const char *text = strstr(end.output, "from the driver 1\n");
    ck_assert_msg(text && text > end.output, "%s", end.output);
    const char *line = text;
    while (line > end.output && line[-1] != '\n')
        line--;
    ck_assert_msg(strpbrk(line, "0123456789") < text, "no time in front: %s", end.output);
}

SK_REMOTE(int64_t, says, (int, i))
{
    sk_say("task %d says something that is long enough to be torn apart", i);
    return i;
}

static void says_much(void)
{
    start(&(sk_config){ .workers = 4 });
    sk_ref refs[100];
    for (int i = 0; i < 100; i++)
        refs[i] = sk_remote(says, i);
    sk_wait(refs, 100, 100, SK_FOREVER);
    stop();
}

CASE(lines_of_several_tasks_are_not_torn_apart, .by_hand = true)
{
    ending end = run_apart(says_much);
    ck_assert_int_eq(end.status, 0);
    ck_assert_uint_eq(count_of(end.output, "\n"), 100);
    ck_assert_uint_eq(count_of(end.output, "says something that is long enough to be torn apart\n"), 100);
}

SK_REMOTE(int, where) { return sk_node() * 1000 + sk_worker(); }

CASE(the_driver_is_on_node_0_and_no_worker)
{
    ck_assert_int_eq(sk_node(), 0);
    ck_assert_int_eq(sk_worker(), -1);
}

CASE(a_task_knows_its_node_and_its_worker, .config.workers = 3)
{
    for (int i = 0; i < 50; i++) {
        int place = sk_get(int, sk_remote(where));
        ck_assert_int_ge(place, 0);
        ck_assert_int_lt(place % 1000, 3);
        ck_assert_int_lt(place / 1000, nodes_here());
    }
    for (int node = 0; node < nodes_here(); node++) {
        int place = sk_get(int, sk_remote_with(ON_NODE(node), where));
        ck_assert_int_eq(place / 1000, node);
    }
    ck_assert_int_eq(sk_worker(), -1);
}

SK_REMOTE(bool, stays_itself)
{
    int before = sk_node();
    (void)sk_get(int, sk_remote(where));
    return sk_node() == before && sk_worker() >= 0 && sk_worker() < 2;
}

CASE(a_task_is_on_some_worker_after_a_wait_too, .config.workers = 2)
{
    ck_assert(sk_get(bool, sk_remote(stays_itself)));
}
