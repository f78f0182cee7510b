/* test_cluster.c -- the cluster fed with events: who starts where, what is fetched, what a lost node leaves behind. */
#include "cluster.h"
#include "policy.h"

#include <check.h>
#include <glib.h>

static const char *const policies[] = { "random", "fifo", "lifo", "locality", "bottom-up", "b-level", "heft", "power-of-two" };
enum { POLICIES = sizeof policies / sizeof *policies };

static sk_cluster *c;

static void open_cluster(const char *policy, uint64_t seed)
{
    sk_error err = { 0 };
    c = sk_cluster_new(&(sk_cluster_config){ .policy = policy, .seed = seed }, &err);
    ck_assert_msg(c != NULL, "%s", err.message);
}

static void begin(void) { open_cluster("fifo", 1); }
static void end(void) { sk_cluster_check(c); sk_cluster_free(c); }

static void node_up(int node, int cpus, const char *others)
{
    sk_cluster_node spec = { 0 };
    sk_demand demand = { 0 };
    ck_assert(sk_demand_parse(&demand, others, NULL));
    sk_resource_pool_init(&spec.pool, (int64_t)cpus * SK_UNITS, &demand);
    ck_assert(sk_cluster_node_up(c, node, &spec));
}

/* A task as most tests want it: one cpu, anywhere, submitted in the order of its number. */
static sk_cluster_task plain(uint64_t id)
{
    return (sk_cluster_task){ .id = id, .order = id, .demand = { .cpus = SK_UNITS }, .affinity = -1, .home = -1 };
}

static void ready(uint64_t id)
{
    sk_cluster_task t = plain(id);
    sk_cluster_ready(c, &t);
}

static void ready_with(uint64_t id, int affinity, const uint64_t *args, size_t nargs)
{
    sk_cluster_task t = plain(id);
    t.affinity = affinity;
    t.args = args;
    t.nargs = nargs;
    sk_cluster_ready(c, &t);
}

static void ready_for(uint64_t id, double cpus, const char *others)
{
    sk_cluster_task t = plain(id);
    ck_assert(sk_demand_parse(&t.demand, others, NULL));
    sk_units_from_double(cpus, &t.demand.cpus);
    sk_cluster_ready(c, &t);
}

static sk_command expect(sk_command_kind kind)
{
    sk_command got = { 0 };
    ck_assert(sk_cluster_next(c, &got));
    ck_assert_int_eq(got.kind, kind);
    return got;
}

static sk_command expect_start(uint64_t task, int node)
{
    sk_command got = expect(SK_COMMAND_START);
    ck_assert_uint_eq(got.task, task);
    ck_assert_int_eq(got.node, node);
    return got;
}

static sk_command expect_fetch(uint64_t object, int from, int to)
{
    sk_command got = expect(SK_COMMAND_FETCH);
    ck_assert_uint_eq(got.object, object);
    ck_assert_int_eq(got.from, from);
    ck_assert_int_eq(got.node, to);
    return got;
}

static void expect_nothing(void)
{
    sk_command got = { 0 };
    bool more = sk_cluster_next(c, &got);
    ck_assert_msg(!more, "kind %d task %d object %d node %d", got.kind, (int)got.task, (int)got.object, got.node);
    sk_cluster_check(c);
}

static void ended(sk_command start) { ck_assert(sk_cluster_ended(c, start.task, start.attempt, 1)); }
static void arrived(sk_command f) { ck_assert(sk_cluster_arrived(c, f.object, f.node, f.attempt)); }

/* Takes STARTs until there are none. */
static int take_starts(sk_command *out)
{
    int n = 0;
    while (sk_cluster_next(c, &out[n]))
        ck_assert_int_eq(out[n++].kind, SK_COMMAND_START);
    return n;
}

/* ---- Sending ahead ---------------------------------------------------------------------------------------- */

static void ready_light(uint64_t id, int priority)
{
    sk_cluster_task t = plain(id);
    t.is_light = true;
    t.priority = priority;
    sk_cluster_ready(c, &t);
}

static int64_t cpus_free(int node)
{
    sk_cluster_view v;
    ck_assert(sk_cluster_look(c, node, &v));
    return v.pool.cpus_free;
}

static void expect_none_ahead(int64_t most_ns)
{
    sk_cluster_next_task next;
    ck_assert(!sk_cluster_ahead(c, 0, most_ns, &next));
    sk_cluster_check(c);
}

static sk_cluster_next_task expect_ahead(uint64_t task)
{
    sk_cluster_next_task next = { 0 };
    ck_assert(sk_cluster_ahead(c, 0, 100, &next));
    ck_assert_uint_eq(next.task, task);
    expect_nothing();
    return next;
}

static int handed_on(sk_command from, sk_cluster_next_task to)
{
    return sk_cluster_handed_on(c, from.task, from.attempt, 1, to.task, to.attempt);
}

/* One cpu that runs task 1, after a task 99 whose end has told how long they take. */
static sk_command one_runs(int cpus, const char *others)
{
    node_up(0, cpus, others);
    ready(99);
    ended(expect_start(99, 0));
    ready(1);
    return expect_start(1, 0);
}

START_TEST(tasks_sent_ahead_take_the_cpu_and_the_row_of_the_one_before_when_that_ends)
{
    sk_command first = one_runs(1, NULL);
    for (uint64_t id = 2; id <= 4; id++)
        ready_light(id, 0);
    sk_cluster_next_task second = expect_ahead(2), third = expect_ahead(3);
    ck_assert_int_eq(second.expected_ns, 1);
    ck_assert_int_eq(cpus_free(0), 0);
    ck_assert_int_eq(handed_on(first, second), first.worker);
    expect_nothing();                      /* 4 does not slip in between */
    ck_assert_int_eq(cpus_free(0), 0);
    ck_assert(!sk_cluster_ended(c, 1, first.attempt, 1));
    ck_assert_int_eq(sk_cluster_handed_on(c, 2, second.attempt, 1, 3, third.attempt), first.worker);
    ck_assert(sk_cluster_ended(c, 3, third.attempt, 1));
    ended(expect_start(4, 0));
    expect_nothing();
    ck_assert_int_eq(cpus_free(0), SK_UNITS);
}
END_TEST

START_TEST(only_light_short_tasks_of_one_cpu_go_ahead_and_only_where_nothing_is_free)
{
    sk_command first = one_runs(2, "gpu=1");
    ready_light(2, 0);
    expect_none_ahead(100);                /* it has been started: a cpu was free */
    sk_command second = expect_start(2, 0);
    ready(3);
    expect_none_ahead(100);                /* not light */
    ck_assert(sk_cluster_cancel(c, 3));
    sk_cluster_task t = plain(4);
    t.is_light = true;
    t.fn = 7;
    sk_cluster_ready(c, &t);
    expect_none_ahead(100);                /* nobody knows how long it takes */
    ck_assert(sk_cluster_cancel(c, 4));
    t = plain(5);
    t.is_light = true;
    ck_assert(sk_demand_parse(&t.demand, "gpu=1", NULL));
    t.demand.cpus = SK_UNITS;
    sk_cluster_ready(c, &t);
    expect_none_ahead(100);
    ck_assert(sk_cluster_cancel(c, 5));
    ready_light(6, 0);
    expect_none_ahead(0);                  /* takes longer than that */
    expect_ahead(6);
    ended(first);
    ended(second);
}
END_TEST

START_TEST(what_is_taken_back_is_queued_where_it_was)
{
    sk_command first = one_runs(1, NULL);
    for (uint64_t id = 2; id <= 4; id++)
        ready_light(id, 0);
    sk_cluster_next_task second = expect_ahead(2), third = expect_ahead(3);
    ck_assert(sk_cluster_taken_back(c, 3, third.attempt));
    ck_assert(!sk_cluster_taken_back(c, 3, third.attempt));
    ck_assert_int_eq(handed_on(first, third), -1);
    ck_assert(sk_cluster_taken_back(c, 2, second.attempt));
    expect_nothing();
    ended(first);
    ended(expect_start(2, 0));
    ended(expect_start(3, 0));
    ended(expect_start(4, 0));
    expect_nothing();
}
END_TEST

START_TEST(a_task_that_was_handed_a_cpu_and_has_not_begun_gives_it_back)
{
    sk_command first = one_runs(1, NULL);
    ready_light(2, 0);
    ready_light(3, 5);
    sk_cluster_next_task third = expect_ahead(3), second = expect_ahead(2);     /* by priority */
    ck_assert_int_eq(third.priority, 5);
    ck_assert_int_eq(handed_on(first, third), first.worker);
    ck_assert(sk_cluster_taken_back(c, 3, third.attempt));
    sk_command again = expect_start(3, 0);
    ck_assert(again.attempt != third.attempt);
    ck_assert(sk_cluster_taken_back(c, 2, second.attempt));
    ended(again);
    ended(expect_start(2, 0));
}
END_TEST

START_TEST(a_large_task_that_waits_is_not_passed_by_tasks_sent_ahead)
{
    sk_command first = one_runs(2, NULL);
    ready_light(2, 0);
    sk_command second = expect_start(2, 0);
    ready_for(3, 2, NULL);
    ready_light(4, 0);
    expect_none_ahead(100);
    ended(first);
    expect_nothing();
    ended(second);
    ended(expect_start(3, 0));
    ended(expect_start(4, 0));
}
END_TEST

START_TEST(behind_a_fenced_attempt_a_task_takes_a_cpu_of_its_own)
{
    sk_command first = one_runs(1, NULL);
    ready_light(2, 0);
    sk_cluster_next_task second = expect_ahead(2);
    ended(first);
    expect_nothing();
    ck_assert_int_eq(cpus_free(0), SK_UNITS);
    ck_assert_int_ge(handed_on(first, second), 0);
    ck_assert_int_eq(cpus_free(0), 0);
    ck_assert(sk_cluster_ended(c, 2, second.attempt, 1));
}
END_TEST

/* ---- Starting and resources ------------------------------------------------------------------------------- */

START_TEST(while_it_is_held_no_task_starts_but_all_else_goes_on)
{
    node_up(0, 2, NULL), node_up(1, 1, NULL);
    ready_with(1, 1, NULL, 0);
    sk_command runs = expect_start(1, 1);
    sk_cluster_hold(c, true);
    ck_assert(!sk_cluster_is_holding(c));
    ready(2), ready(3);
    ck_assert(sk_cluster_is_holding(c));
    expect_nothing();
    sk_cluster_node_lost(c, 1);                       /* behind what is held */
    ck_assert_uint_eq(expect(SK_COMMAND_DIED).attempt, runs.attempt);
    expect_nothing();
    ck_assert(sk_cluster_is_holding(c));
    sk_cluster_hold(c, false);
    ck_assert(!sk_cluster_is_holding(c));
    sk_command second = expect_start(2, 0), third = expect_start(3, 0);
    ended(third), ended(second);
    expect_nothing();
}
END_TEST

START_TEST(a_task_starts_ends_and_gives_back)
{
    sk_cluster_view view;
    node_up(0, 1, NULL);
    ready(7);
    sk_command start = expect_start(7, 0);
    ck_assert_int_eq(start.worker, 0);
    ck_assert(sk_cluster_look(c, 0, &view) && view.running == 1 && view.pool.cpus_free == 0);
    ended(start);
    ck_assert(!sk_cluster_ended(c, 7, start.attempt, 1));
    ck_assert(sk_cluster_look(c, 0, &view) && view.running == 0 && view.pool.cpus_free == SK_UNITS);
    expect_nothing();
}
END_TEST

START_TEST(tasks_wait_for_the_first_node)
{
    ready(1);
    expect_nothing();
    node_up(3, 1, NULL);
    expect_start(1, 3);
}
END_TEST

START_TEST(ten_tasks_of_one_cpu_fill_ten_cpus)
{
    sk_command start[20];
    node_up(0, 10, NULL);
    for (uint64_t i = 1; i <= 11; i++)
        ready(i);
    ck_assert_int_eq(take_starts(start), 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(start[i].worker, i);
    ended(start[4]);
    ck_assert_int_eq(expect_start(11, 0).worker, 4);
    expect_nothing();
}
END_TEST

START_TEST(of_four_tasks_of_three_cpus_three_run_on_ten)
{
    sk_command start[9];
    node_up(0, 10, NULL);
    for (uint64_t i = 1; i <= 4; i++)
        ready_for(i, 3, NULL);
    ck_assert_int_eq(take_starts(start), 3);
    ended(start[0]);
    expect_start(4, 0);
}
END_TEST

START_TEST(tenths_of_thousandths_add_up_exactly)
{
    sk_cluster_view view;
    static sk_command start[10001];
    node_up(0, 1, "gpu=1");
    for (uint64_t i = 1; i <= 10001; i++)
        ready_for(i, 0.0001, "gpu=0.0001");
    ck_assert_int_eq(take_starts(start), 10000);
    ck_assert(sk_cluster_look(c, 0, &view) && view.pool.cpus_free == 0 && view.pool.items[0].free == 0);
    for (int i = 0; i < 10000; i++)
        ended(start[i]);
    ended(expect_start(10001, 0));
    ck_assert(sk_cluster_look(c, 0, &view) && view.pool.cpus_free == SK_UNITS && view.pool.items[0].free == SK_UNITS);
}
END_TEST

START_TEST(the_higher_priority_goes_first_under_every_policy)
{
    for (int p = 0; p < POLICIES; p++) {
        sk_cluster *outer = c;
        open_cluster(policies[p], 5);
        node_up(0, 1, NULL);
        node_up(1, 1, NULL);
        ready(100), ready(101);
        sk_command start[2];
        ck_assert_int_eq(take_starts(start), 2);
        for (uint64_t i = 0; i < 9; i++) {
            sk_cluster_task t = plain(1 + i);
            t.priority = (int)(i * 2 % 9) - 4;      /* each of -4 .. 4 once */
            t.home = (int)i % 2;
            sk_cluster_ready(c, &t);
        }
        for (int priority = 4; priority >= -4; priority--) {
            ended(start[0]);
            start[0] = expect(SK_COMMAND_START);
            ck_assert_int_eq((int)((start[0].task - 1) * 2 % 9) - 4, priority);
        }
        end();
        c = outer;
    }
}
END_TEST

START_TEST(affinity_is_hard)
{
    node_up(0, 4, NULL), node_up(1, 1, NULL);
    ready_with(1, 1, NULL, 0);
    sk_command first = expect_start(1, 1);
    ready_with(2, 1, NULL, 0);
    ready_with(3, 5, NULL, 0);
    expect_nothing();
    ended(first);
    expect_start(2, 1);
    node_up(5, 1, NULL);
    expect_start(3, 5);
}
END_TEST

START_TEST(a_big_task_is_not_starved_by_small_ones)
{
    sk_command start[9];
    node_up(0, 4, NULL);
    for (uint64_t i = 1; i <= 4; i++)
        ready(i);
    ck_assert_int_eq(take_starts(start), 4);
    ready_for(5, 4, NULL);
    ready(6);
    for (int i = 0; i < 3; i++) {
        ended(start[i]);
        expect_nothing();
    }
    ready(7);
    expect_nothing();
    ended(start[3]);
    sk_command big = expect_start(5, 0);
    ended(big);
    expect_start(6, 0);
    expect_start(7, 0);
}
END_TEST

START_TEST(what_lacks_a_named_resource_lets_others_by)
{
    node_up(0, 2, "gpu=1");
    ready_for(1, 1, "gpu=1");
    ready_for(2, 1, "gpu=1");
    ready(3);
    sk_command first = expect_start(1, 0);
    expect_start(3, 0);
    char text[100];
    ck_assert_uint_eq(sk_cluster_holder(c, 2, text, sizeof text), 1);
    ended(first);
    expect_start(2, 0);
}
END_TEST

START_TEST(infeasible_demands_say_why)
{
    char why[100];
    sk_demand d = { .cpus = 4 * SK_UNITS };
    ck_assert(!sk_cluster_is_feasible(c, &d, -1, why, sizeof why));
    ck_assert_str_eq(why, "there is no node");
    node_up(0, 1, "gpu=1"), node_up(1, 2, NULL);
    ck_assert(!sk_cluster_is_feasible(c, &d, -1, why, sizeof why));
    ck_assert_str_eq(why, "asks for 4 cpus, the largest node has 2");
    ck_assert(!sk_cluster_is_feasible(c, &d, 7, why, sizeof why));
    ck_assert_str_eq(why, "must run on node 7, which is not there");
    ck_assert(sk_demand_parse(&d, "gpu=1", NULL));
    d.cpus = 2 * SK_UNITS;
    ck_assert(!sk_cluster_is_feasible(c, &d, -1, why, sizeof why));
    ck_assert_str_eq(why, "asks for things that some node has each, but no node has all of");
    sk_cluster_node spec = { 0 };
    sk_resource_pool_init(&spec.pool, 2 * SK_UNITS, &d);
    sk_cluster_expect(c, 2, &spec);
    ck_assert(sk_cluster_is_feasible(c, &d, -1, why, sizeof why));
    sk_cluster_expect(c, 2, NULL);
    ck_assert(!sk_cluster_is_feasible(c, &d, -1, why, sizeof why));
}
END_TEST

START_TEST(a_blocked_task_lends_its_cpus_and_keeps_the_rest)
{
    sk_cluster_view view;
    node_up(0, 1, "gpu=1");
    ready_for(1, 1, "gpu=1");
    sk_command first = expect_start(1, 0);
    ready(2), ready_for(3, 1, "gpu=1"), ready(4);
    ck_assert(sk_cluster_blocked(c, 1, first.attempt));
    sk_command second = expect_start(2, 0);
    ck_assert_int_eq(second.worker, 1);
    expect_nothing();
    ck_assert(!sk_cluster_blocked(c, 1, first.attempt));
    ck_assert(sk_cluster_unblocked(c, 1, first.attempt));
    ck_assert(sk_cluster_look(c, 0, &view) && view.pool.cpus_free == -SK_UNITS);
    ended(second);
    expect_nothing();                    /* that made good what was oversubscribed */
    ended(first);
    expect_start(3, 0);
}
END_TEST

START_TEST(a_cancelled_task_never_starts)
{
    node_up(0, 1, NULL);
    ready(1), ready(2), ready(3);
    sk_command first = expect_start(1, 0);
    ck_assert(!sk_cluster_cancel(c, 1));
    ck_assert(sk_cluster_cancel(c, 2));
    ck_assert(!sk_cluster_cancel(c, 2));
    ended(first);
    expect_start(3, 0);
    expect_nothing();
}
END_TEST

START_TEST(a_paused_node_starts_nothing)
{
    node_up(0, 1, NULL);
    sk_cluster_node_pause(c, 0, true);
    ready(1);
    expect_nothing();
    sk_cluster_node_pause(c, 0, false);
    expect_start(1, 0);
}
END_TEST

START_TEST(an_unknown_policy_is_refused_with_the_list)
{
    sk_error err = { 0 };
    ck_assert(!sk_cluster_new(&(sk_cluster_config){ .policy = "best" }, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
    for (int p = 0; p < POLICIES; p++)
        ck_assert_msg(strstr(err.message, policies[p]) != NULL, "%s", err.message);
}
END_TEST

/* ---- Objects ----------------------------------------------------------------------------------------------- */

static const uint64_t A = 1001, B = 1002;

START_TEST(locality_puts_a_task_where_its_bytes_are)
{
    sk_cluster *outer = c;
    open_cluster("locality", 1);
    for (int i = 0; i < 4; i++)
        node_up(i, 1, NULL);
    sk_cluster_object(c, A, 100, 3, true);
    sk_cluster_object(c, B, 60, 2, true);
    ready_with(1, -1, (uint64_t[]){ A, B }, 2);
    arrived(expect_fetch(B, 2, 3));
    expect_start(1, 3);
    end();
    c = outer;
}
END_TEST

START_TEST(an_argument_is_fetched_once_for_two_tasks)
{
    node_up(0, 1, NULL), node_up(1, 2, NULL);
    sk_cluster_object(c, A, 100, 0, true);
    ready_with(1, 1, &A, 1);
    ready_with(2, 1, (uint64_t[]){ A, A }, 2);
    sk_cluster_wanted(c, A, 1);
    sk_command f = expect_fetch(A, 0, 1);
    expect_nothing();
    ck_assert(!sk_cluster_arrived(c, A, 1, f.attempt + 1));
    arrived(f);
    expect_start(1, 1), expect_start(2, 1);
    int at[3];
    ck_assert_uint_eq(sk_cluster_copies(c, A, at, 3), 2);
    ck_assert(at[0] == 0 && at[1] == 1);
}
END_TEST

START_TEST(what_only_a_node_has_that_is_to_leave_is_fetched_once)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL), node_up(2, 1, NULL);
    sk_cluster_object(c, A, 100, 1, true);
    sk_cluster_object(c, B, 100, 1, false);
    sk_cluster_object(c, B, 100, 2, false);
    ck_assert_uint_eq(sk_cluster_rescue(c, 1, 0), 1);
    ck_assert_uint_eq(sk_cluster_rescue(c, 1, 0), 1);
    sk_command f = expect_fetch(A, 1, 0);
    expect_nothing();
    arrived(f);
    ck_assert_uint_eq(sk_cluster_rescue(c, 1, 0), 0);
    expect_nothing();
}
END_TEST

START_TEST(inline_objects_need_no_fetch)
{
    sk_cluster *outer = c;
    c = sk_cluster_new(&(sk_cluster_config){ .policy = "fifo", .inline_bytes = 100 }, NULL);
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 100, 0, true);
    ready_with(1, 1, (uint64_t[]){ A, B }, 2);
    expect_start(1, 1);
    end();
    c = outer;
}
END_TEST

START_TEST(resources_are_taken_when_a_task_starts_not_while_it_pulls)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 100, 0, true);
    ready_with(1, 1, &A, 1);
    sk_command f = expect_fetch(A, 0, 1);
    ready_with(2, 1, NULL, 0);
    sk_command second = expect_start(2, 1);
    arrived(f);
    ready_with(3, 1, NULL, 0);
    expect_nothing();                     /* the bound one comes first */
    ended(second);
    expect_start(1, 1);
}
END_TEST

START_TEST(a_node_pulls_eight_at_once_gets_before_arguments)
{
    node_up(0, 9, NULL), node_up(1, 20, NULL);
    for (uint64_t i = 0; i < 12; i++) {
        sk_cluster_object(c, 100 + i, 10, 0, true);
        if (i < 11)
            ready_with(1 + i, 1, (uint64_t[]){ 100 + i }, 1);
    }
    sk_command f[8];
    for (uint64_t i = 0; i < 8; i++)
        f[i] = expect_fetch(100 + i, 0, 1);
    expect_nothing();
    sk_cluster_wanted(c, 111, 1);
    sk_cluster_wanted(c, 110, 1);         /* queues as an argument already */
    arrived(f[3]);
    expect_fetch(111, 0, 1);
    expect_start(4, 1);
    arrived(f[0]), arrived(f[1]);
    sk_command got[9];
    int n = 0;
    while (sk_cluster_next(c, &got[n]))
        n++;
    uint64_t fetched[2], k = 0;
    for (int i = 0; i < n; i++)
        if (got[i].kind == SK_COMMAND_FETCH)
            fetched[k++] = got[i].object;
    ck_assert(k == 2 && fetched[0] == 110 && fetched[1] == 108);
}
END_TEST

START_TEST(bundles_are_admitted_whole)
{
    sk_cluster_node spec = { .store_bytes = 200 };
    sk_resource_pool_init(&spec.pool, 4 * SK_UNITS, &(sk_demand){ 0 });
    node_up(0, 1, NULL);
    ck_assert(sk_cluster_node_up(c, 1, &spec));
    for (uint64_t i = 0; i < 4; i++)
        sk_cluster_object(c, 100 + i, 100, 0, true);
    ready_with(1, 1, (uint64_t[]){ 100, 101 }, 2);
    ready_with(2, 1, (uint64_t[]){ 102, 103 }, 2);
    sk_command a = expect_fetch(100, 0, 1), b = expect_fetch(101, 0, 1);
    expect_nothing();
    arrived(a);
    expect_nothing();
    arrived(b);
    expect_fetch(102, 0, 1), expect_fetch(103, 0, 1);
    expect_start(1, 1);
}
END_TEST

START_TEST(a_failed_fetch_is_tried_elsewhere)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL), node_up(2, 1, NULL);
    sk_cluster_object(c, A, 9, 0, true);
    sk_cluster_object(c, A, 9, 2, true);
    sk_cluster_wanted(c, A, 1);
    sk_command f = expect(SK_COMMAND_FETCH);
    sk_cluster_fetch_failed(c, A, 1, f.attempt);
    sk_command again = expect_fetch(A, 2 - f.from, 1);
    sk_cluster_fetch_failed(c, A, 1, f.attempt);      /* stale */
    expect_nothing();
    arrived(again);
}
END_TEST

START_TEST(freeing_an_object_ends_its_fetches)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 9, 0, true);
    sk_cluster_wanted(c, A, 1);
    sk_command f = expect_fetch(A, 0, 1);
    sk_cluster_object_freed(c, A);
    ck_assert(!sk_cluster_arrived(c, A, 1, f.attempt));
    sk_cluster_object(c, B, 9, 0, true);
    sk_cluster_wanted(c, B, 1);
    sk_cluster_object_freed(c, B);        /* before anybody heard of the fetch */
    expect_nothing();
    ck_assert_uint_eq(sk_cluster_copies(c, A, NULL, 0), 0);
}
END_TEST

START_TEST(an_object_that_was_freed_may_come_again)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 9, 0, true);
    sk_cluster_wanted(c, A, 1);
    sk_command f = expect_fetch(A, 0, 1);
    sk_cluster_object_freed(c, A);        /* its record stays as long as that fetch */
    sk_cluster_object(c, A, 9, 0, true);
    ck_assert_uint_eq(sk_cluster_copies(c, A, NULL, 0), 1);
    ck_assert(sk_cluster_arrived(c, A, 1, f.attempt));
    ck_assert_uint_eq(sk_cluster_copies(c, A, NULL, 0), 2);
    expect_nothing();
}
END_TEST

/* ---- Losing nodes --------------------------------------------------------------------------------------------- */

START_TEST(a_lost_node_ends_its_attempts_and_late_results_are_refused)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    ready_with(1, 1, NULL, 0);
    sk_command old = expect_start(1, 1);
    sk_cluster_node_lost(c, 1);
    sk_command died = expect(SK_COMMAND_DIED);
    ck_assert(died.task == 1 && died.attempt == old.attempt && died.node == 1);
    ck_assert(!sk_cluster_ended(c, 1, old.attempt, 1));
    ready(1);
    sk_command again = expect_start(1, 0);
    ck_assert(!sk_cluster_ended(c, 1, old.attempt, 1));
    ended(again);
}
END_TEST

START_TEST(a_start_nobody_has_seen_is_taken_back)
{
    node_up(0, 1, NULL);
    ready(1);
    sk_cluster_node_lost(c, 0);
    node_up(1, 1, NULL);
    expect_start(1, 1);
    expect_nothing();
}
END_TEST

START_TEST(queued_work_leaves_a_lost_node_and_a_node_may_come_back)
{
    sk_cluster_view view;
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 9, 0, true);
    ready_with(1, 1, NULL, 0), ready_with(2, 1, NULL, 0);
    expect_start(1, 1);
    sk_cluster_node_lost(c, 1);
    expect(SK_COMMAND_DIED);
    expect_nothing();
    node_up(1, 2, NULL);
    expect_start(2, 1);
    ck_assert(sk_cluster_look(c, 1, &view) && view.incarnation == 2 && view.pool.cpus_free == SK_UNITS);
}
END_TEST

START_TEST(a_cached_copy_is_used_before_anything_is_rebuilt)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL), node_up(2, 1, NULL);
    sk_cluster_object(c, A, 9, 1, true);
    sk_cluster_wanted(c, A, 2);
    arrived(expect_fetch(A, 1, 2));
    sk_cluster_node_lost(c, 1);
    ready_with(1, 0, &A, 1);
    sk_command f = expect_fetch(A, 2, 0);
    expect_nothing();
    sk_cluster_node_lost(c, 2);           /* while it is under way: nothing is left */
    sk_command rebuild = expect(SK_COMMAND_REBUILD);
    ck_assert_uint_eq(rebuild.object, A);
    ck_assert_int_ge(rebuild.node, 0);     /* the node that lost it */
    ck_assert(!sk_cluster_arrived(c, A, 0, f.attempt));
    expect_nothing();
    sk_cluster_object(c, A, 9, 0, true);
    expect_start(1, 0);
}
END_TEST

START_TEST(rebuilding_waits_until_somebody_needs_it)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 9, 1, true);
    sk_cluster_node_lost(c, 1);
    expect_nothing();
    sk_cluster_wanted(c, A, 0);
    ready_with(1, -1, &A, 1);
    ck_assert_uint_eq(expect(SK_COMMAND_REBUILD).object, A);
    expect_nothing();
    node_up(1, 1, NULL);
    sk_cluster_object(c, A, 9, 1, true);
    sk_command got[3];
    int n = 0;
    while (sk_cluster_next(c, &got[n]))
        n++;
    ck_assert_int_eq(n, 1);               /* one fetch serves the get and the task, or the task runs where it is */
}
END_TEST

START_TEST(a_put_object_without_copies_is_lost)
{
    node_up(0, 1, NULL), node_up(1, 1, NULL);
    sk_cluster_object(c, A, 9, 1, false);
    sk_cluster_object(c, B, 9, 1, false);
    sk_cluster_copy_gone(c, A, 1);
    ck_assert_uint_eq(expect(SK_COMMAND_LOST).object, A);
    ready_with(1, -1, &A, 1);
    ck_assert_uint_eq(expect(SK_COMMAND_LOST).object, A);
    ck_assert(sk_cluster_cancel(c, 1));
    sk_cluster_node_lost(c, 1);
    ck_assert_uint_eq(expect(SK_COMMAND_LOST).object, B);
    expect_nothing();
}
END_TEST

Suite *cluster_suite(void)
{
    Suite *suite = suite_create("cluster");
    TCase *all = tcase_create("events");
    tcase_add_checked_fixture(all, begin, end);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_task_starts_ends_and_gives_back);
    tcase_add_test(all, while_it_is_held_no_task_starts_but_all_else_goes_on);
    tcase_add_test(all, tasks_wait_for_the_first_node);
    tcase_add_test(all, ten_tasks_of_one_cpu_fill_ten_cpus);
    tcase_add_test(all, of_four_tasks_of_three_cpus_three_run_on_ten);
    tcase_add_test(all, tenths_of_thousandths_add_up_exactly);
    tcase_add_test(all, the_higher_priority_goes_first_under_every_policy);
    tcase_add_test(all, affinity_is_hard);
    tcase_add_test(all, a_big_task_is_not_starved_by_small_ones);
    tcase_add_test(all, what_lacks_a_named_resource_lets_others_by);
    tcase_add_test(all, infeasible_demands_say_why);
    tcase_add_test(all, a_blocked_task_lends_its_cpus_and_keeps_the_rest);
    tcase_add_test(all, a_cancelled_task_never_starts);
    tcase_add_test(all, a_paused_node_starts_nothing);
    tcase_add_test(all, an_unknown_policy_is_refused_with_the_list);
    tcase_add_test(all, locality_puts_a_task_where_its_bytes_are);
    tcase_add_test(all, an_argument_is_fetched_once_for_two_tasks);
    tcase_add_test(all, inline_objects_need_no_fetch);
    tcase_add_test(all, tasks_sent_ahead_take_the_cpu_and_the_row_of_the_one_before_when_that_ends);
    tcase_add_test(all, only_light_short_tasks_of_one_cpu_go_ahead_and_only_where_nothing_is_free);
    tcase_add_test(all, what_is_taken_back_is_queued_where_it_was);
    tcase_add_test(all, a_task_that_was_handed_a_cpu_and_has_not_begun_gives_it_back);
    tcase_add_test(all, a_large_task_that_waits_is_not_passed_by_tasks_sent_ahead);
    tcase_add_test(all, behind_a_fenced_attempt_a_task_takes_a_cpu_of_its_own);
    tcase_add_test(all, resources_are_taken_when_a_task_starts_not_while_it_pulls);
    tcase_add_test(all, what_only_a_node_has_that_is_to_leave_is_fetched_once);
    tcase_add_test(all, a_node_pulls_eight_at_once_gets_before_arguments);
    tcase_add_test(all, bundles_are_admitted_whole);
    tcase_add_test(all, a_failed_fetch_is_tried_elsewhere);
    tcase_add_test(all, freeing_an_object_ends_its_fetches);
    tcase_add_test(all, an_object_that_was_freed_may_come_again);
    tcase_add_test(all, a_lost_node_ends_its_attempts_and_late_results_are_refused);
    tcase_add_test(all, a_start_nobody_has_seen_is_taken_back);
    tcase_add_test(all, queued_work_leaves_a_lost_node_and_a_node_may_come_back);
    tcase_add_test(all, a_cached_copy_is_used_before_anything_is_rebuilt);
    tcase_add_test(all, rebuilding_waits_until_somebody_needs_it);
    tcase_add_test(all, a_put_object_without_copies_is_lost);
    suite_add_tcase(suite, all);
    return suite;
}
