/* resources.c -- num_cpus, resources, priority: exact to 0.0001, never more than there is, given back to the digit. */
#include "conform.h"
#include <admit.h>
#include <sched.h>

enum { MOST_NODES = 64 };

static sk_resource resource(const char *name)
{
    sk_resource have[16];
    size_t n = sk_resources(have, 16);
    for (size_t i = 0; i < n; i++)
        if (strcmp(have[i].name, name) == 0)
            return have[i];
    ck_abort_msg("there is no resource %s", name);
    return have[0];
}

static double available(const char *name) { return resource(name).available; }

/* What is there and what is free is told of all nodes together; each task's is of one node. */

CASE(resources_lists_cpus_first_and_then_what_was_configured, .config = { .workers = 3, .resources = "gpu=2,licence=0.5" })
{
    sk_resource have[16];
    ck_assert_uint_eq(sk_resources(have, 16), 3);
    ck_assert_str_eq(have[0].name, "cpu");
    int n = nodes_here();
    ck_assert(have[0].total == 3 * n && resource("gpu").total == 2 * n && resource("licence").total == 0.5 * n);
    ck_assert(available("gpu") == 2 * n && available("licence") == 0.5 * n);
}

CASE(resources_says_how_many_there_are_even_when_there_is_less_room, .config.resources = "gpu=2,licence=0.5")
{
    sk_resource have[2] = { { .name = "" }, { .name = "untouched" } };
    ck_assert_uint_eq(sk_resources(have, 1), 3);
    ck_assert_str_eq(have[1].name, "untouched");
    ck_assert_uint_eq(sk_resources(NULL, 0), 3);
}

CASE(ten_tenths_are_one, .needs = SK_CAN_OVERLAP, .config = { .workers = 2, .resources = "unit=1" })
{
    sk_ref gate = sk_promise(), refs[10 * MOST_NODES];
    int n = 10 * nodes_here();
    for (int i = 0; i < n; i++) {           /* each is running when hold_one returns */
        refs[i] = hold_one(gate, SK_OPTS(.resources = "unit=0.1"));
        ck_assert(available("unit") == (n - i - 1) / 10.0);
    }
    ck_assert(available("unit") == 0);
    sk_fulfil(gate, 1);
    ck_assert_uint_eq(sk_wait(refs, (size_t)n, (size_t)n, SK_FOREVER), (size_t)n);
    EVENTUALLY(available("unit") == n / 10);
}

CASE(the_smallest_step_is_a_ten_thousandth, .needs = SK_CAN_OVERLAP, .config = { .workers = 2, .resources = "unit=0.0007" })
{
    sk_ref gate = sk_promise(), refs[7 * MOST_NODES];
    int n = 7 * nodes_here();
    for (int i = 0; i < n; i++) {
        refs[i] = hold_one(gate, SK_OPTS(.resources = "unit=0.0001"));
        ck_assert(available("unit") == (n - i - 1) / 10000.0);
    }
    sk_fulfil(gate, 1);
    ck_assert_uint_eq(sk_wait(refs, (size_t)n, (size_t)n, SK_FOREVER), (size_t)n);
}

static atomic_int inside[MOST_NODES], most;        /* on each node; on any */
static void enter(int amount)
{
    atomic_int *here = &inside[sk_node()];
    int now = atomic_fetch_add(here, amount) + amount, old = most;
    while (now > old && !atomic_compare_exchange_weak(&most, &old, now)) { }
    for (int i = 0; i < 20; i++)
        sched_yield();                      /* gives others the chance to break the rule */
    atomic_fetch_sub(here, amount);
}
SK_REMOTE(int64_t, uses, (int, amount)) { enter(amount); return amount; }

static void many(const sk_options *options, int amount, int n)
{
    sk_ref refs[200];
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote_with(options, uses, amount);
    ck_assert_uint_eq(sk_wait(refs, (size_t)n, (size_t)n, SK_FOREVER), (size_t)n);
}

CASE(never_more_tasks_at_once_than_cpus, .looks_inside = true, .config.workers = 3)
{
    many(NULL, 1, 200);
    ck_assert_int_le(most, 3);
}

CASE(never_more_than_a_resource_has, .looks_inside = true, .config = { .workers = 4, .resources = "gpu=2" })
{
    many(SK_OPTS(.resources = "gpu=1"), 1, 200);
    ck_assert_int_le(most, 2);
}

CASE(never_more_than_the_cpus_asked_for_allow, .looks_inside = true, .config.workers = 4)
{
    sk_ref refs[150];
    for (int i = 0; i < 150; i++) {
        int cpus = 1 + i % 4;
        refs[i] = sk_remote_with(SK_OPTS(.num_cpus = cpus), uses, cpus);
    }
    ck_assert_uint_eq(sk_wait(refs, 150, 150, SK_FOREVER), 150);
    ck_assert_int_le(most, 4);
}

CASE(a_task_of_all_cpus_runs_among_many_small_ones, .looks_inside = true, .config.workers = 2)
{
    sk_ref refs[101];
    for (int i = 0; i < 50; i++)
        refs[i] = sk_remote(uses, 1);
    refs[50] = sk_remote_with(SK_OPTS(.num_cpus = 2), uses, 2);
    for (int i = 51; i < 101; i++)
        refs[i] = sk_remote(uses, 1);
    ck_assert_uint_eq(sk_wait(refs, 101, 101, SK_FOREVER), 101);
    ck_assert_int_le(most, 2);
}

static atomic_int met;
SK_REMOTE(bool, meets, (int, others))
{
    met++;
    while (met < others)
        sk_sleep(1e-4);                    /* keeps its cpu */
    return true;
}

CASE(two_half_cpus_run_at_once_on_one_worker, .needs = SK_CAN_OVERLAP, .looks_inside = true, .config.workers = 1)
{
    sk_ref a = sk_remote_with(ON_NODE(0, .num_cpus = 0.5), meets, 2), b = sk_remote_with(ON_NODE(0, .num_cpus = 0.5), meets, 2);
    ck_assert(sk_get(bool, a) && sk_get(bool, b));
}

CASE(two_workers_run_two_tasks_at_once, .needs = SK_CAN_OVERLAP, .looks_inside = true, .config.workers = 2)
{
    sk_ref a = sk_remote(meets, 2), b = sk_remote(meets, 2);
    ck_assert(sk_get(bool, a) && sk_get(bool, b));
}

CASE(a_task_that_asks_for_no_cpu_runs_beside_a_full_house, .needs = SK_CAN_OVERLAP, .looks_inside = true, .config.workers = 1)
{
    sk_ref full = sk_remote_with(ON_NODE(0), meets, 2);
    sk_ref none = sk_remote_with(ON_NODE(0, .num_cpus = SK_ZERO), meets, 2);
    ck_assert(sk_get(bool, full) && sk_get(bool, none));
}

/* ---- waiting tasks ---- */

SK_REMOTE(int64_t, asks_a_child, (int64_t, x)) { return sk_get(int64_t, sk_remote(plus, x, 1)); }
SK_REMOTE(int64_t, asks_a_large_child, (int64_t, x)) { return sk_get(int64_t, sk_remote_with(SK_OPTS(.num_cpus = 2), plus, x, 1)); }

CASE(a_waiting_task_gives_up_its_cpu, .config.workers = 1)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(asks_a_child, 1)), 2);
}

CASE(a_waiting_task_gives_up_all_its_cpus, .config.workers = 2)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.num_cpus = 2), asks_a_large_child, 1)), 2);
}

CASE(a_waiting_task_keeps_its_other_resources, .needs = SK_CAN_OVERLAP, .config = { .workers = 2, .resources = "gpu=1" })
{
    sk_ref gate = sk_promise();
    int n = nodes_here();
    sk_ref task = hold_one(gate, SK_OPTS(.resources = "gpu=1"));
    EVENTUALLY(available("cpu") == 2 * n);
    ck_assert(available("gpu") == n - 1);
    sk_fulfil(gate, 1);
    ck_assert_int_eq(sk_get(int64_t, task), 1);
    EVENTUALLY(available("gpu") == n);
}

SK_REMOTE(int64_t, needs_the_gpu_for_its_child) { return sk_get(int64_t, sk_remote_with(ON_NODE(sk_node(), .resources = "gpu=1"), same, 1)); }

/* The child is left, to run when the resource is free again. */
CASE(a_resource_held_across_a_wait_for_a_child_that_needs_it_is_a_deadlock, .leaves = true, .config.resources = "gpu=1")
{
    sk_error err = error_of(sk_remote_with(SK_OPTS(.resources = "gpu=1"), needs_the_gpu_for_its_child));
    ck_assert_int_ne(err.code, SK_OK);
    CONTAINS(err.message, "needs_the_gpu_for_its_child");
    CONTAINS(err.message, "same");
    CONTAINS(err.message, "gpu");
    ck_assert_msg(contains_any_case(err.message, "deadlock"), "%s", err.message);
}

CASE(a_task_gets_a_resource_though_an_earlier_one_that_nobody_waits_for_wants_it_too, .leaves = true, .config.resources = "gpu=1")
{
    for (int i = 0; i < 5; i++)
        sk_remote_with(SK_OPTS(.resources = "gpu=1"), same, i);
    ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "gpu=1"), same, 7)), 7);
}

CASE(resources_come_back_from_failed_and_cancelled_tasks, .config.resources = "gpu=1")
{
    for (int i = 0; i < 20; i++) {
        (void)FAILS(sk_remote_with(SK_OPTS(.resources = "gpu=0.7", .num_cpus = 1.5), fails, "no"), SK_TASK);
        sk_ref gate = sk_promise(), task = sk_remote_with(SK_OPTS(.resources = "gpu=0.7"), same, gate);
        sk_cancel(task, 0);
        (void)FAILS(task, SK_CANCELLED);
    }
    ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "gpu=1"), same, 5)), 5);
}

CASE(a_queued_task_can_be_cancelled_while_it_waits_for_a_resource, .needs = SK_CAN_OVERLAP, .config.resources = "gpu=1")
{
    int node = nodes_here() - 1;
    sk_ref gate = sk_promise(), holder = hold_one(gate, ON_NODE(node, .resources = "gpu=1"));
    sk_ref second = sk_remote_with(ON_NODE(node, .resources = "gpu=1"), same, 2), third = sk_remote_with(ON_NODE(node, .resources = "gpu=1"), same, 3);
    sk_cancel(second, 0);
    (void)FAILS(second, SK_CANCELLED);
    sk_fulfil(gate, 1);
    ck_assert_int_eq(sk_get(int64_t, holder), 1);
    ck_assert_int_eq(sk_get(int64_t, third), 3);
}

/* ---- asking for what is not there ---- */

CASE(more_cpus_than_any_node_has_is_infeasible, .config.workers = 2)
{
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.num_cpus = 4), same, 1), SK_INFEASIBLE);
    CONTAINS(err.message, "asks for 4 cpus, the largest node has 2");
    CONTAINS(err.message, "resources.c");
}

CASE(a_resource_that_no_node_has_is_infeasible)
{
    CONTAINS(FAILS(sk_remote_with(SK_OPTS(.resources = "gpu=1"), same, 1), SK_INFEASIBLE).message, "gpu");
}

CASE(too_much_of_a_resource_is_infeasible, .config.resources = "gpu=2")
{
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.resources = "gpu=2.0001"), same, 1), SK_INFEASIBLE);
    CONTAINS(err.message, "2.0001");
    CONTAINS(err.message, "gpu");
    ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "gpu=2"), same, 1)), 1);
}

CASE(infeasible_is_said_at_once_not_when_the_arguments_are_there)
{
    sk_ref gate = sk_promise(), task = sk_remote_with(SK_OPTS(.num_cpus = 1000), same, gate);
    int64_t value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(task, &value, 0, &err));
    ck_assert_int_eq(err.code, SK_INFEASIBLE);
    ck_assert_uint_eq(sk_stats().tasks_failed, 1);
}

CASE(an_infeasible_task_fails_its_dependants_and_is_not_tried_again)
{
    sk_ref task = sk_remote_with(SK_OPTS(.num_cpus = 1000, .retry_errors = true), same, 1);
    CONTAINS(FAILS(sk_remote(plus, task, 1), SK_TASK).message, "1000");
    ck_assert_uint_eq(sk_stats().attempts, 0);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

CASE(a_node_that_does_not_exist_is_infeasible)
{
    int n = nodes_here();
    (void)FAILS(sk_remote_with(SK_OPTS(.node = n), same, 1), SK_INFEASIBLE);
    (void)FAILS(sk_remote_with(SK_OPTS(.node = n + 6), same, 1), SK_INFEASIBLE);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.node = i ? i : SK_ZERO), same, 4)), 4);
}

/* ---- priority ---- */

static atomic_bool open_house;
static atomic_int arrivals;
static int order[64];
SK_REMOTE(int64_t, occupies, (sk_list, started))
{
    sk_fulfil(started.refs[0], 1);
    while (!open_house)
        sk_sleep(1e-4);                    /* keeps its cpu */
    return 0;
}
SK_REMOTE(int64_t, signs_in, (int, number)) { order[arrivals++] = number; return number; }

/* The first fails once; the second, which has what it gave back, keeps it until the first is in the queue again. */
enum { RETRYING = 10 };
SK_REMOTE(int64_t, signs_in_again, (int, number))
{
    order[arrivals++] = number;
    if (arrivals == 1)
        sk_fail("once more");
    while (number == 1 && sk_admit_waiting() < RETRYING - 1)
        sk_sleep(1e-4);                    /* keeps its cpu */
    return number;
}

static void expect_priority_order(const char *resources)
{
    static const int priorities[12] = { 3, -1, 7, 0, 2, 9, -5, 4, 1, 8, -2, 6 };
    sk_ref started = sk_promise(), refs[12];
    sk_ref busy = sk_remote_with(ON_NODE(0, .resources = resources), occupies, sk_list_of(&started, 1));
    (void)sk_get(int64_t, started);
    for (int i = 0; i < 12; i++)
        refs[i] = sk_remote_with(ON_NODE(0, .priority = priorities[i], .resources = resources), signs_in, priorities[i]);
    EVENTUALLY(sk_stats().tasks_submitted == 13);       /* by proxy a submission is on its way for a while */
    open_house = true;
    ck_assert_int_eq(sk_get(int64_t, busy), 0);
    ck_assert_uint_eq(sk_wait(refs, 12, 12, SK_FOREVER), 12);
    for (int i = 1; i < 12; i++)
        ck_assert_msg(order[i - 1] > order[i], "priority %d ran before %d", order[i - 1], order[i]);
}

CASE(with_one_worker_tasks_run_by_priority, .needs = SK_CAN_OVERLAP, .looks_inside = true, .config.workers = 1)
{
    expect_priority_order(NULL);
}

CASE(the_queue_for_a_resource_goes_by_priority, .needs = SK_CAN_OVERLAP, .looks_inside = true, .config = { .workers = 3, .resources = "gpu=1" })
{
    expect_priority_order("gpu=1");
}

/* Two shapes in one queue: one unit of a resource is all there is, so they start one by one. */
CASE(tasks_of_two_shapes_start_by_priority_then_in_the_order_of_submission, .needs = SK_CAN_OVERLAP, .looks_inside = true, .config = { .workers = 3, .resources = "gpu=1,disk=1" })
{
    enum { N = 48 };
    sk_ref started = sk_promise(), refs[N];
    sk_ref busy = sk_remote_with(ON_NODE(0, .resources = "gpu=1,disk=1"), occupies, sk_list_of(&started, 1));
    (void)sk_get(int64_t, started);
    for (int i = 0; i < N; i++)
        refs[i] = sk_remote_with(ON_NODE(0, .priority = i % 3 - 1, .resources = i % 2 ? "gpu=1" : "gpu=1,disk=0.5"), signs_in, i);
    EVENTUALLY(sk_stats().tasks_submitted == N + 1);
    for (int i = 5; i < N; i += 7)
        sk_cancel(refs[i], 0);              /* out of the middle of the queues */
    EVENTUALLY(sk_stats().tasks_cancelled == 7);
    open_house = true;
    ck_assert_int_eq(sk_get(int64_t, busy), 0);
    ck_assert_uint_eq(sk_wait(refs, N, N, SK_FOREVER), N);
    ck_assert_int_eq(arrivals, N - 7);
    for (int i = 1; i < N - 7; i++) {
        int a = order[i - 1], b = order[i];
        ck_assert_msg(a % 3 > b % 3 || (a % 3 == b % 3 && a < b), "task %d (priority %d) started before %d (priority %d)", a, a % 3 - 1, b, b % 3 - 1);
    }
}

CASE(a_retry_comes_before_what_was_submitted_after_it, .needs = SK_CAN_OVERLAP, .own_queue = true, .looks_inside = true, .config = { .workers = 3, .resources = "gpu=1" })
{
    sk_ref started = sk_promise(), refs[RETRYING];
    sk_ref busy = sk_remote_with(SK_OPTS(.resources = "gpu=1"), occupies, sk_list_of(&started, 1));
    (void)sk_get(int64_t, started);
    for (int i = 0; i < RETRYING; i++)
        refs[i] = sk_remote_with(SK_OPTS(.resources = "gpu=1", .retry_errors = true, .max_retries = 1), signs_in_again, i);
    EVENTUALLY(sk_stats().tasks_submitted == RETRYING + 1);
    open_house = true;
    ck_assert_int_eq(sk_get(int64_t, busy), 0);
    ck_assert_uint_eq(sk_wait(refs, RETRYING, RETRYING, SK_FOREVER), RETRYING);
    ck_assert_int_eq(arrivals, RETRYING + 1);
    static const int expected[RETRYING + 1] = { 0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9 };
    for (int i = 0; i <= RETRYING; i++)
        ck_assert_int_eq(order[i], expected[i]);
}

CASE(what_becomes_ready_late_is_queued_where_it_was_submitted, .needs = SK_CAN_OVERLAP, .own_queue = true, .looks_inside = true, .config = { .workers = 3, .resources = "gpu=1" })
{
    enum { N = 20 };
    sk_ref started = sk_promise(), gates[N], refs[N];
    sk_ref busy = sk_remote_with(SK_OPTS(.resources = "gpu=1"), occupies, sk_list_of(&started, 1));
    (void)sk_get(int64_t, started);
    for (int i = 0; i < N; i++)
        refs[i] = sk_remote_with(SK_OPTS(.resources = "gpu=1"), signs_in, gates[i] = sk_promise());
    for (int i = 0; i < N; i++)
        sk_fulfil(gates[i * 7 % N], i * 7 % N);         /* every one of them, in no order */
    EVENTUALLY(sk_admit_waiting() == N);
    open_house = true;
    ck_assert_int_eq(sk_get(int64_t, busy), 0);
    ck_assert_uint_eq(sk_wait(refs, N, N, SK_FOREVER), N);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(order[i], i);
}

CASE(twenty_thousand_tasks_can_queue_for_a_resource, .config = { .workers = 2, .resources = "gpu=1,disk=1" })
{
    enum { N = 20000 };
    static sk_ref refs[N];
    int64_t sum = 0, number;
    for (int i = 0; i < N; i++)
        refs[i] = sk_remote_with(SK_OPTS(.priority = i % 5 ? 0 : i, .resources = i % 2 ? "gpu=1" : "gpu=0.5,disk=1"), same, i);
    ck_assert_uint_eq(sk_wait(refs, N, N, SK_FOREVER), N);
    for (int i = 0; i < N; i++, sum += number)
        number = sk_get(int64_t, refs[i]);
    ck_assert_int_eq(sum, (int64_t)N * (N - 1) / 2);
}

CASE(a_name_given_in_the_options_is_shown_instead_of_the_functions)
{
    char name[] = "sixth step";
    sk_ref task = sk_remote_with(SK_OPTS(.name = name), fails, "no");
    memset(name, '?', sizeof name - 1);         /* it was copied */
    CONTAINS(FAILS(task, SK_TASK).message, "sixth step");
}
