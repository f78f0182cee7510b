/* closed.c -- closed forms of simulated time without transfers: what a pencil says, to the nanosecond. See clusters.h. */
#include "clusters.h"

/* ---- sleeping and computing ---- */

CASE(a_sleep_takes_its_time_to_the_nanosecond, CLOSED_FORM)
{
    start_on("[cluster]\nworkers = 2\n", NULL);
    static const int64_t times[] = { 1, 999, 1001, 300000001, 570 * 1000000, 1100 * 1000000, 1234567891 };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t began = now_ns();
        sk_sleep((double)times[i] / 1e9);              /* 0.57 * 1e9 is less than 570000000 */
        TOOK(began, times[i]);
        began = now_ns();
        ck_assert_int_eq(sk_get(int64_t, sk_remote(rests, times[i])), times[i]);
        TOOK(began, times[i]);
    }
    stop();
}

SK_REMOTE(sk_none, computes, (double, units))
{
    sk_compute(units);
    return (sk_none){ 0 };
}

SK_REMOTE(sk_none, computes_long, (double, units))
{
    sk_compute(units);
    return (sk_none){ 0 };
}

CASE(a_unit_of_work_is_a_microsecond_divided_by_the_speed_of_the_node, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 1\nworkers = 1\n[node.slow]\nspeed = 0.5\n[node.fast]\nspeed = 4\n", NULL);
    static const struct { int node; int64_t ns; } nodes[] = { { 0, 1000 }, { 1, 2000 }, { 2, 250 } };
    for (int i = 0; i < 3; i++) {
        int64_t began = now_ns();
        sk_ref done = sk_remote_with(at(nodes[i].node), computes, 1000.0);
        get_all_of(&done, 1);
        TOOK(began, 1000 * nodes[i].ns);
        began = now_ns();
        done = sk_remote_with(at(nodes[i].node), rests, 1000 * US);     /* sleeping is equally fast everywhere */
        get_all_of(&done, 1);
        TOOK(began, 1000 * US);
    }
    stop();
}

/* ---- shapes of graphs ---- */

CASE(a_chain_takes_the_sum_of_its_tasks, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 3\nworkers = 4\n", NULL);
    int64_t began = now_ns(), sum = 0;
    sk_ref last = sk_put((int64_t)0);
    for (int i = 1; i <= 50; i++) {
        last = sk_remote(rests_after, i * MS + i, last, (int64_t)1);
        sum += i * MS + i;
    }
    ck_assert_int_eq(sk_get(int64_t, last), 50);
    TOOK(began, sum);
    stop();
}

CASE(a_fork_and_join_takes_both_ends_and_the_waves_between, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 2\nworkers = 4\n", NULL);
    for (int width = 1; width <= 40; width++) {
        int64_t began = now_ns();
        sk_ref fork = sk_remote(rests, 3 * MS), middle[40], join = sk_put((int64_t)0);
        for (int i = 0; i < width; i++)
            middle[i] = sk_remote(rests_after, 10 * MS, fork, (int64_t)0);
        for (int i = 0; i < width; i++)
            join = sk_remote(rests_after, i == width - 1 ? 5 * MS : 0, join, middle[i]);
        sk_get(int64_t, join);
        TOOK(began, 3 * MS + (width + 7) / 8 * 10 * MS + 5 * MS);
    }
    stop();
}

/* Level by level, for all tasks take equally long and 8 divides every level above the last three. */
CASE(a_tree_takes_the_waves_of_its_levels, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 4\nworkers = 2\n", "fifo");
    for (int depth = 0; depth <= 7; depth++) {
        int64_t began = now_ns(), waves = 0;
        sk_ref level[128];
        for (int i = 0; i < 1 << depth; i++)
            level[i] = sk_remote(rests, 1 * MS);
        waves += ((1 << depth) + 7) / 8;
        for (int n = (1 << depth) / 2; n >= 1; n /= 2) {
            for (int i = 0; i < n; i++)
                level[i] = sk_remote(rests_after, 1 * MS, level[2 * i], level[2 * i + 1]);
            waves += (n + 7) / 8;
        }
        ck_assert_int_eq(sk_get(int64_t, level[0]), (1 << depth) * MS);
        TOOK(began, waves * MS);
    }
    stop();
}

/* ---- waves ---- */

static void waves_of(int n, double cpus, int64_t ns)
{
    sk_ref refs[64];
    int64_t began = now_ns();
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote_with(SK_OPTS(.num_cpus = cpus), rests, 500 * MS);
    get_all_of(refs, (size_t)n);
    TOOK(began, ns);
}

CASE(tasks_that_ask_for_cpus_run_in_waves, CLOSED_FORM)
{
    start_on("[cluster]\nworkers = 10\n", NULL);
    waves_of(10, 1, 500 * MS);
    waves_of(11, 1, 1000 * MS);
    waves_of(3, 3, 500 * MS);                   /* 9 of 10 cpus */
    waves_of(4, 3, 1000 * MS);
    waves_of(40, 0.25, 500 * MS);
    waves_of(41, 0.25, 1000 * MS);
    waves_of(30, SK_ZERO, 500 * MS);            /* none: no limit */
    stop();
}

CASE(tasks_that_ask_for_a_resource_run_in_waves_and_others_beside_them, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 1\nworkers = 4\n[node.gpu*]\ncount = 2\nresources = gpu=2\n", NULL);
    sk_ref refs[10], other[20];
    int64_t began = now_ns();
    for (int i = 0; i < 10; i++)                /* at most 4 at once on both: 3 waves */
        refs[i] = sk_remote_with(SK_OPTS(.resources = "gpu=1"), rests, 100 * MS);
    for (int i = 0; i < 20; i++)                /* 12 cpus less those 4: 8, then 8, then 4 of 10 */
        other[i] = sk_remote(rests, 100 * MS);
    get_all_of(refs, 10);
    TOOK(began, 300 * MS);
    get_all_of(other, 20);
    TOOK(began, 300 * MS);
    stop();
}

/* ---- overheads ---- */

CASE(each_submission_costs_the_caller_its_overhead, CLOSED_FORM)
{
    start_on("[cluster]\nworkers = 1\n[overheads]\nsubmit = 7us\nsubmit-per-byte = 3ns\n", NULL);
    sk_ref bytes = sk_put((const char *)"0123456789");
    int64_t began = now_ns();
    sk_ref task = sk_remote(nothing);
    TOOK(began, 7 * US);
    sk_remote(same, (int64_t)1);                /* a number has 8 bytes */
    TOOK(began, 2 * 7 * US + 8 * 3);
    sk_remote(join, bytes, bytes);              /* and so has a ref, whatever its object has */
    TOOK(began, 3 * 7 * US + 24 * 3);
    get_all_of(&task, 1);
    TOOK(began, 3 * 7 * US + 24 * 3);
    began = now_ns();
    sk_remote(fails, (const char *)"0123456789");
    int64_t with_bytes = now_ns() - began;
    began = now_ns();
    sk_remote(fails, (const char *)"01234567890123456789");
    ck_assert_int_eq(now_ns() - began - with_bytes, 10 * 3);
    stop();
}

CASE(the_scheduler_takes_one_task_after_the_other, CLOSED_FORM)
{
    start_on("[cluster]\nworkers = 20\n[overheads]\nschedule = 11us\n", NULL);
    sk_ref refs[10];
    int64_t began = now_ns();
    for (int i = 0; i < 10; i++)
        refs[i] = sk_remote(rests, 1 * MS);
    TOOK(began, 0);
    get_all_of(refs, 10);
    TOOK(began, 10 * 11 * US + 1 * MS);
    stop();
}

CASE(each_start_takes_the_worker_its_overhead, CLOSED_FORM)
{
    start_on("[cluster]\nworkers = 2\n[overheads]\ndispatch = 13us\n", NULL);
    sk_ref refs[6];
    int64_t began = now_ns();
    for (int i = 0; i < 6; i++)
        refs[i] = sk_remote(rests, 1 * MS);
    get_all_of(refs, 6);
    TOOK(began, 3 * (13 * US + 1 * MS));
    stop();
}

SK_REMOTE(int64_t, gets_and_puts, (sk_list, refs))
{
    int64_t began = now_ns();
    sk_get(int64_t, refs.refs[0]);
    ck_assert_int_eq(now_ns() - began, 17 * US + 4);
    sk_put((int64_t)1);
    return now_ns() - began;
}

CASE(getting_and_putting_cost_their_overheads_in_the_driver_and_in_tasks, CLOSED_FORM)
{
    start_on("[cluster]\nworkers = 2\n[overheads]\nget = 17us\nget-per-byte = 0.5ns\nput = 19us\nput-per-byte = 0.25ns\n", NULL);
    int64_t began = now_ns();
    sk_ref x = sk_put((int64_t)5);              /* a number has 8 bytes: 8 * 0.25 and 8 * 0.5 ns */
    TOOK(began, 19 * US + 2);
    sk_get(int64_t, x);
    TOOK(began, 36 * US + 6);
    sk_ref task = sk_remote(gets_and_puts, sk_list_of(&x, 1));
    ck_assert_int_eq(sk_get(int64_t, task), 36 * US + 6);
    TOOK(began, 36 * US + 6 + 36 * US + 6 + 17 * US + 4);
    sk_array array = sk_zeros(SK_F64, 1000, 1000);
    began = now_ns();
    sk_ref big = sk_put(array);
    int64_t put = now_ns() - began;
    ck_assert_int_eq(put, 19 * US + 2 * MS);
    began = now_ns();
    (void)sk_get(sk_array, big);
    TOOK(began, 17 * US + 4 * MS);
    stop();
}

/* ---- policies that differ ---- */

static int64_t makespan_of_a_long_one_last(const char *policy)
{
    start_on("[cluster]\nworkers = 2\n", policy);
    sk_ref refs[9];
    refs[0] = sk_remote(computes, 1000.0);              /* both functions become known */
    refs[1] = sk_remote(computes_long, 4000.0);
    get_all_of(refs, 2);
    int64_t began = now_ns();
    for (int i = 0; i < 8; i++)
        refs[i] = sk_remote(computes, 1000.0);
    refs[8] = sk_remote(computes_long, 4000.0);
    get_all_of(refs, 9);
    int64_t took = now_ns() - began;
    stop();
    return took;
}

/* 8 of 1 ms, then one of 4 ms. fifo: 4 ms of short ones on both, then the long one alone. b-level: the long one first, the short
 * ones beside it; 12 ms of work on 2 cpus. The first of all starts at once, before the long one is known. */
CASE(b_level_beats_fifo_where_the_longest_comes_last, CLOSED_FORM)
{
    ck_assert_int_eq(makespan_of_a_long_one_last("fifo"), 8 * MS);
    ck_assert_int_eq(makespan_of_a_long_one_last("lifo"), 6 * MS);
    ck_assert_int_eq(makespan_of_a_long_one_last("b-level"), 6 * MS);
    ck_assert_int_eq(makespan_of_a_long_one_last("heft"), 6 * MS);
}

SK_REMOTE(int, computes_where, (double, units))
{
    sk_compute(units);
    return sk_node();
}

static int node_of_one(const char *policy)
{
    start_on("[cluster]\nnodes = 4\nworkers = 1\n[node.fast]\nspeed = 10\n", policy);
    int node = sk_get(int, sk_remote(computes_where, 1000.0));
    stop();
    return node;
}

CASE(heft_uses_the_fast_node, CLOSED_FORM)
{
    ck_assert_int_eq(node_of_one("heft"), 4);
    ck_assert_int_eq(node_of_one("fifo"), 0);
    ck_assert_int_eq(node_of_one("bottom-up"), 0);
}
