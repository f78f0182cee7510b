/* faults.c -- nodes crash, freeze, slow down and are cut off: what becomes of tasks and objects, to the nanosecond. Each case describes its
 * cluster; the names of nodes are n0, n1 ... One worker each, unless it says otherwise. */
#include "conform.h"

#include <trace_read.h>

static void describe(const char *text)
{
    const char *path = scratch("cluster");
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    setenv("SKATE_CLUSTER", path, 1);
}

static void on_cluster(const char *text)
{
    describe(text);
    start(NULL);
}

#define AT(seconds) ck_assert_msg((int64_t)(sk_now() * 1e9 + 0.5) == (int64_t)((seconds) * 1e9 + 0.5), "it is %.9f s, not %.9f", sk_now(), (double)(seconds))

/* Everything is given back: before the shutdown drops it all. */
static void end(void)
{
    sk_counts counts = sk_stats();
    ck_assert_uint_eq(counts.objects_live, 0);
    ck_assert_uint_eq(counts.bytes_live, 0);
    stop();
}

static int attempts, finished;

SK_REMOTE(int, naps, (double, seconds))
{
    attempts++;
    sk_sleep(seconds);
    finished++;
    return sk_node();
}

#define VIRTUAL .needs = SK_CAN_VIRTUAL_TIME | SK_CAN_NODES, .by_hand = true, .looks_inside = true

CASE(a_task_whose_node_crashes_runs_again_elsewhere, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\npolicy = fifo\n[faults]\nat 400ms = crash 0\n");
    ck_assert_int_eq(sk_take(int, sk_remote(naps, 1)), 1);
    AT(1.4);
    ck_assert_int_eq(attempts, 2);
    ck_assert_int_eq(finished, 1);
    ck_assert_uint_eq(sk_stats().retries, 1);
    sk_node_info nodes[2];
    ck_assert_uint_eq(sk_nodes(nodes, 2), 2);
    ck_assert(!nodes[0].alive && nodes[1].alive);
    end();
}

/* Killed k times: done after exactly k + 1 attempts, or given up after 4. */
static void killed(int k, const char *crashes)
{
    char text[400];
    snprintf(text, sizeof text, "[cluster]\nnodes = 1\n[faults]\n%s", crashes);
    on_cluster(text);
    sk_ref r = sk_remote(naps, 1);
    if (k < 4) {
        ck_assert_int_eq(sk_take(int, r), 0);
        ck_assert_int_eq(attempts, k + 1);
        ck_assert_int_eq(finished, 1);
    } else {
        sk_error err = FAILS(r, SK_WORKER_DIED);
        CONTAINS(err.message, "naps: died in its last attempt, 4 (max_retries is 3)");
        CONTAINS(err.message, "node 0 crashed at 0.5 s; node 0 crashed at 1.5 s; node 0 crashed at 2.5 s; node 0 crashed at 3.5 s");
        ck_assert_int_eq(attempts, 4);
        ck_assert_int_eq(finished, 0);
        AT(3.5);
        sk_drop(r);
    }
    end();
}
#define CRASH(s) "at " #s ".5s = crash 0 for 250ms\n"
CASE(a_task_nobody_kills_takes_one_attempt, VIRTUAL)       { killed(0, "at 100s = crash 0\n"); }
CASE(a_task_killed_once_takes_two_attempts, VIRTUAL)       { killed(1, CRASH(0)); }
CASE(a_task_killed_twice_takes_three_attempts, VIRTUAL)    { killed(2, CRASH(0) CRASH(1)); }
CASE(a_task_killed_three_times_takes_four_attempts, VIRTUAL) { killed(3, CRASH(0) CRASH(1) CRASH(2)); }
CASE(a_task_killed_four_times_has_died, VIRTUAL)           { killed(4, CRASH(0) CRASH(1) CRASH(2) CRASH(3)); }

CASE(a_task_without_retries_dies_with_its_node, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 400ms = crash 0\n");
    sk_ref r = sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), naps, 1), next = sk_remote(same, r);
    CONTAINS(FAILS(r, SK_WORKER_DIED).message, "died in its only attempt, 1 (max_retries is 0): node 0 crashed at 0.4 s");
    CONTAINS(FAILS(next, SK_TASK).message, "node 0 crashed at 0.4 s");
    AT(0.4);
    sk_drop(r);
    sk_drop(next);
    end();
}

CASE(a_node_is_back_after_its_time_and_runs_what_waited_for_it, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 1s = crash 1 for 2s\n");
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = 1), naps, 5)), 1);
    AT(8);
    end();
}

CASE(a_scripted_restart_brings_a_node_back, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 1s = crash 1\nat 4s = restart 1\n");
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = 1), naps, 5)), 1);
    AT(9);
    end();
}

static int made;
SK_REMOTE(const char *, makes, (int64_t, i))
{
    made++;
    sk_sleep(1);
    return sk_format("%ld", (long)i);
}
SK_REMOTE(const char *, lengthens, (const char *, text))
{
    made++;
    sk_sleep(1);
    return sk_format("<%s>", text);
}
SK_REMOTE(int64_t, measures, (const char *, text)) { return (int64_t)strlen(text); }

CASE(a_lost_result_is_made_again_when_it_is_needed, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 2s = crash 1 for 500ms\n");
    sk_ref r = sk_remote_with(SK_OPTS(.node = 1), makes, 7);
    ck_assert_uint_eq(sk_wait(&r, 1, 1, 1.5), 1);          /* it is there, but not here: one can be waited for, and not fetched */
    ck_assert_int_eq(made, 1);
    sk_drop(r);
    made = 0;
    sk_ref x = sk_remote_with(SK_OPTS(.node = 1), makes, 42);      /* runs 1 .. 2, is lost as it ends */
    sk_sleep(1.2);
    ck_assert_int_eq(made, 1);                              /* nobody needs it */
    ck_assert_str_eq(sk_get(const char *, x), "42");
    ck_assert_int_eq(made, 2);
    sk_drop(x);
    end();
}

CASE(what_a_lost_result_was_made_of_is_made_again_too, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 3.5s = crash 1 for 500ms\n");
    sk_ref a = sk_remote_with(SK_OPTS(.node = 1), makes, 5), b = sk_remote_with(SK_OPTS(.node = 1), lengthens, a),
           c = sk_remote_with(SK_OPTS(.node = 1), lengthens, b);
    sk_drop(a);                                             /* its bytes go when b is there; what makes it stays */
    sk_sleep(3.2);
    ck_assert_int_eq(made, 3);
    ck_assert_uint_eq(sk_stats().objects_live, 3);
    sk_sleep(0.3);
    ck_assert_str_eq(sk_get(const char *, c), "<<5>>");     /* 0.5 s without the node, then three seconds */
    AT(7);
    ck_assert_int_eq(made, 6);
    sk_drop(b);
    sk_drop(c);
    end();
}

CASE(a_lost_object_that_was_put_is_OBJECT_LOST, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 1s = crash 0 for 1s\n");
    sk_ref x = sk_put("put on node 0");
    int line = __LINE__ - 1;
    sk_sleep(1.5);
    sk_ref n = sk_remote(measures, x);
    sk_error err = FAILS(x, SK_OBJECT_LOST);
    char where[120];
    snprintf(where, sizeof where, "faults.c:%d: the object put here is lost: its last copy was on node 0, which crashed at 1 s", line);
    CONTAINS(err.message, where);
    CONTAINS(FAILS(n, SK_TASK).message, "argument 1 failed");
    CONTAINS(FAILS(n, SK_TASK).message, "node 0, which crashed at 1 s");
    sk_drop(x);
    sk_drop(n);
    end();
}

CASE(a_task_that_waits_for_a_lost_put_fails_with_it, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 1s = crash 0\n");
    sk_ref gate = sk_promise(), x = sk_put("put on node 0");
    sk_ref joined = sk_remote(join, x, gate);
    sk_sleep(1.5);
    sk_fulfil(gate, "there");
    CONTAINS(FAILS(joined, SK_TASK).message, "the object put here is lost");
    sk_drop(gate);
    sk_drop(x);
    sk_drop(joined);
    end();
}

CASE(a_copy_elsewhere_saves_an_object_that_was_put, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 1s = crash 0\n");
    sk_ref x = sk_put("put on node 0");
    ck_assert_int_eq(sk_take(int64_t, sk_remote_with(SK_OPTS(.node = 1), measures, x)), 13);     /* node 1 has a copy now */
    sk_sleep(1.5);
    ck_assert_str_eq(sk_get(const char *, x), "put on node 0");
    ck_assert_int_eq(sk_take(int64_t, sk_remote(measures, x)), 13);
    sk_drop(x);
    end();
}

SK_REMOTE_OUT(two_texts, ((const char *, a), (const char *, b)), (int64_t, i))
{
    made++;
    sk_sleep(1);
    *a = sk_format("a%ld", (long)i);
    *b = sk_format("b%ld", (long)i);
}

CASE(of_several_answers_those_that_were_lost_are_made_again, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 2s = crash 1 for 1s\n");
    sk_ref two[2];
    sk_remote_into_with(SK_OPTS(.node = 1), two, two_texts, 3);
    ck_assert_str_eq(sk_get(const char *, two[0]), "a3");   /* a copy on node 0 */
    AT(1);
    sk_sleep(1.5);
    ck_assert_str_eq(sk_get(const char *, two[0]), "a3");
    ck_assert_int_eq(made, 1);
    AT(2.5);
    ck_assert_str_eq(sk_get(const char *, two[1]), "b3");
    ck_assert_int_eq(made, 2);
    AT(4);
    sk_drop(two[0]);
    sk_drop(two[1]);
    end();
}

SK_REMOTE(sk_list, lists, (int, n))
{
    made++;
    sk_ref refs[8];
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote_with(SK_OPTS(.node = 1), makes, i);
    sk_sleep(0.25);
    return sk_list_of(refs, (size_t)n);
}

CASE(refs_in_a_list_name_objects_that_can_be_made_again, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\nworkers = 4\n[faults]\nat 3s = crash 1 for 1s\n");
    sk_ref l = sk_remote_with(SK_OPTS(.node = SK_ZERO), lists, 3);
    sk_list list = sk_get(sk_list, l);
    sk_sleep(3.5);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(atoi(sk_get(const char *, list.refs[i])), i);
    ck_assert_int_eq(made, 1 + 3 + 3);
    sk_drop(l);
    end();
}

CASE(the_children_of_a_task_that_dies_are_cancelled_and_submitted_again, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\nworkers = 4\n[faults]\nat 125ms = crash 1 for 1s\n");
    sk_ref l = sk_remote_with(SK_OPTS(.node = 1), lists, 2);
    sk_list list = sk_get(sk_list, l);
    AT(1.375);
    ck_assert_str_eq(sk_get(const char *, list.refs[1]), "1");
    sk_counts counts = sk_stats();
    ck_assert_uint_eq(counts.tasks_cancelled, 2);
    ck_assert_uint_eq(counts.tasks_submitted, 5);
    sk_drop(l);
    end();
}

SK_REMOTE(const char *, waits_for, (sk_list, refs))
{
    attempts++;
    const char *text = sk_get(const char *, refs.refs[0]);
    sk_sleep(1);
    finished++;
    return text;
}

CASE(a_task_that_waits_when_its_node_crashes_leaves_nothing_behind, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 500ms = crash 1 for 100ms\n");
    sk_ref gate = sk_promise(), list = sk_put(sk_list_of(&gate, 1));
    sk_ref r = sk_remote_with(SK_OPTS(.node = 1), waits_for, list);
    sk_sleep(1);
    sk_fulfil(gate, "now");
    ck_assert_str_eq(sk_get(const char *, r), "now");
    AT(2);
    ck_assert_int_eq(attempts, 2);
    ck_assert_int_eq(finished, 1);
    sk_drop(r);
    sk_drop(list);
    sk_drop(gate);
    end();
}

CASE(a_frozen_node_goes_on_where_it_was, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 500ms = freeze 1 for 2s\n");
    sk_ref sleeps = sk_remote_with(SK_OPTS(.node = 1), naps, 1);
    ck_assert_int_eq(sk_take(int, sleeps), 1);              /* its sleep is over at 1 s, nobody is there to see */
    AT(2.5);
    ck_assert_int_eq(attempts, 1);
    end();
}

SK_REMOTE(int, labours, (double, units))
{
    attempts++;
    sk_compute(units);
    return sk_node();
}

CASE(a_computation_takes_as_much_longer_as_its_node_is_frozen, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 500ms = freeze 1 for 2s\nat 1s = freeze 1 for 3s\n");
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = 1), labours, 1e6)), 1);
    AT(4.5);
    end();
}

CASE(a_node_silent_for_ten_seconds_is_taken_for_dead_and_its_late_result_refused, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\npolicy = fifo\n[faults]\nat 500ms = freeze 0 for 20s\n");
    sk_ref r = sk_remote(naps, 1);
    ck_assert_int_eq(sk_get(int, r), 1);
    AT(11.5);
    ck_assert_int_eq(attempts, 2);
    ck_assert_int_eq(finished, 1);
    sk_sleep(10);
    ck_assert_int_eq(finished, 2);                          /* the first one woke at 20.5 s, and ran to its end */
    ck_assert_int_eq(sk_get(int, r), 1);
    ck_assert_uint_eq(sk_stats().tasks_done, 1);
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = SK_ZERO), naps, 1)), 0);      /* the node is back */
    AT(22.5);
    sk_drop(r);
    end();
}

CASE(a_slow_node_computes_slower_from_then_on, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 1s = slow 1 by 10\nat 5s = slow 1 by 2 for 3s\n");
    /* 2 s of work: 1 s at once; 4 s at a tenth; 1.2 s at half; 0.6 left: 1.2 s */
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = 1), labours, 2e6)), 1);
    AT(6.2);
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = 1), labours, 1e6)), 1);
    AT(7.2 + 0.8 - 0.7 + 0.8);                              /* 0.9 of it in 1.8 s, the rest at full speed */
    end();
}

SK_REMOTE(int64_t, bytes_of, (sk_buf, b)) { return (int64_t)b.size; }

CASE(bytes_wait_until_a_cut_is_over, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[network]\nbandwidth = 1MB/s\n[faults]\nat 0s = cut 0 1 for 3s\n");
    static char bytes[1000000];
    sk_ref x = sk_put(sk_buf_of(bytes, sizeof bytes));
    ck_assert_int_eq(sk_take(int64_t, sk_remote_with(SK_OPTS(.node = 1), bytes_of, x)), 1000000);
    AT(4);
    sk_drop(x);
    end();
}
CASE(a_copy_that_can_be_reached_is_taken_when_a_link_is_cut, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 3\n[network]\nbandwidth = 1MB/s\n[faults]\nat 1.5s = cut 0 2 for 100s\n");
    static char bytes[1000000];
    sk_ref x = sk_put(sk_buf_of(bytes, sizeof bytes));
    ck_assert_int_eq(sk_take(int64_t, sk_remote_with(SK_OPTS(.node = 1), bytes_of, x)), 1000000);
    AT(1);
    sk_sleep(1);
    ck_assert_int_eq(sk_take(int64_t, sk_remote_with(SK_OPTS(.node = 2), bytes_of, x)), 1000000);     /* from node 1 */
    AT(3);
    sk_drop(x);
    end();
}

CASE(what_can_never_be_reached_is_lost_by_name, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 0s = cut 0 1\n");
    sk_ref x = sk_remote_with(SK_OPTS(.node = 1), makes, 1);
    CONTAINS(FAILS(x, SK_OBJECT_LOST).message, "out of reach");
    sk_drop(x);
    end();
}

CASE(the_driver_survives_all_nodes_and_waits_for_the_first_that_is_back, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\n[faults]\nat 500ms = crash 0 for 5s; crash 1 for 3s\n");
    sk_ref x = sk_remote(makes, 9);
    ck_assert_str_eq(sk_get(const char *, x), "9");
    AT(4.5);
    sk_drop(x);
    end();
}

CASE(a_request_that_only_a_lost_node_could_serve_is_infeasible, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 1\n[node.gpu]\nresources = gpu=1\n[faults]\nat 1s = crash gpu\n");
    sk_sleep(2);
    sk_ref r = sk_remote_with(SK_OPTS(.resources = "gpu=1"), naps, 1);
    FAILS(r, SK_INFEASIBLE);
    sk_drop(r);
    end();
}

SK_REMOTE(int64_t, gets_inside, (sk_ref, ref))
{
    attempts++;
    sk_sleep(2);
    return (int64_t)strlen(sk_get(const char *, ref));
}

CASE(a_task_that_gets_what_must_be_made_again_lends_its_cpu_to_whoever_makes_it, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 2\npolicy = fifo\n[faults]\nat 2s = crash 1\n");
    sk_ref first = sk_remote_with(SK_OPTS(.node = SK_ZERO), naps, 0.5), y = sk_remote(makes, 22);      /* so y is made on node 1 */
    ck_assert_int_eq(sk_take(int64_t, sk_remote_with(SK_OPTS(.node = SK_ZERO), gets_inside, y)), 2);
    AT(3.5);                                                /* asked for at 2.5 s, and made again on node 0 */
    ck_assert_int_eq(made, 2);
    sk_drop(first);
    sk_drop(y);
    end();
}

CASE(a_poll_loop_ends_although_only_the_return_of_a_node_can_move_time, VIRTUAL)
{
    on_cluster("[cluster]\nnodes = 1\n[faults]\nat 500ms = crash 0 for 1s\n");
    sk_ref r = sk_remote(naps, 1);
    while (sk_wait(&r, 1, 1, 0) == 0) { }
    ck_assert_int_eq(sk_take(int, r), 0);
    AT(2.5);
    ck_assert_int_eq(attempts, 2);
    end();
}

/* Its end would be centuries away: it must come neither sooner, nor before now. */
static void never_ends(const char *faults)
{
    char text[400];
    snprintf(text, sizeof text, "[cluster]\nnodes = 2\n[faults]\n%sat 4s = crash 1\n", faults);
    on_cluster(text);
    sk_ref r = sk_remote_with(SK_OPTS(.node = 1, .max_retries = SK_ZERO), labours, 1e12);
    CONTAINS(FAILS(r, SK_WORKER_DIED).message, "node 1 crashed at 4 s");
    AT(4);
    sk_drop(r);
    end();
}
CASE(a_task_slowed_beyond_the_end_of_time_does_not_end_before_now, VIRTUAL)
{
    never_ends("at 1s = slow 1 by 1000000\n");
}
CASE(a_task_put_off_beyond_the_end_of_time_does_not_end_before_now, VIRTUAL)
{
    never_ends("at 1s = slow 1 by 1000000\nat 2s = freeze 1 for 1s\n");
}

CASE(a_program_that_is_over_does_not_wait_for_the_return_of_a_node, VIRTUAL)
{
    describe("[cluster]\nnodes = 4\n[faults]\nat 500ms = crash 3 for 1000s\n");
    const char *path = scratch("run.sktrace");
    start(&(sk_config){ .trace = path });
    ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = SK_ZERO), naps, 1)), 0);
    end();
    sk_reader *log = sk_trace_read_open(path, NULL);
    ck_assert_ptr_nonnull(log);
    sk_cursor *cursor = sk_trace_read_cursor(log);
    uint64_t last = 0;
    for (sk_event e; sk_trace_read_next(cursor, &e); )
        last = (uint64_t)e.ns > last ? (uint64_t)e.ns : last;
    ck_assert_uint_eq(last, 1000000000);
    sk_trace_read_cursor_free(cursor);
    sk_trace_read_close(log);
}
