/* stats.c -- sk_stats, sk_nodes: the counts are exact. */
#include "conform.h"

CASE(a_fresh_program_has_counted_nothing)
{
    sk_counts c = sk_stats();
    ck_assert(c.tasks_submitted + c.tasks_done + c.tasks_failed + c.tasks_cancelled + c.attempts + c.retries == 0);
    ck_assert(c.objects_made + c.objects_live + c.bytes_live == 0);
}

CASE(every_end_of_a_task_is_counted)
{
    sk_ref gate = sk_promise(), refs[40];
    for (int i = 0; i < 40; i++)
        refs[i] = i % 4 == 0 ? sk_remote(same, gate) : i % 4 == 1 ? sk_remote(fails, "no") : sk_remote(plus, i, i);
    for (int i = 0; i < 40; i += 8)
        sk_cancel(refs[i], 0);
    sk_fulfil(gate, 1);
    ck_assert_uint_eq(sk_wait(refs, 40, 40, SK_FOREVER), 40);
    sk_counts c = sk_stats();
    ck_assert_uint_eq(c.tasks_submitted, 40);
    ck_assert_uint_eq(c.tasks_cancelled, 5);
    ck_assert_uint_eq(c.tasks_failed, 10);
    ck_assert_uint_eq(c.tasks_done, 25);
    ck_assert_uint_eq(c.attempts, 35);
    ck_assert_uint_eq(c.retries, 0);
    ck_assert_uint_eq(c.objects_made, 41);
    ck_assert_uint_eq(c.objects_live, 41);
}

CASE(every_answer_and_every_put_is_an_object)
{
    sk_ref refs[2];
    sk_put(1);
    sk_remote_into(refs, divmod, 7, 2);
    sk_ref kept = sk_dup(sk_put(2));              /* another reference, not another object */
    sk_promise();
    ck_assert_uint_eq(sk_wait(refs, 2, 2, SK_FOREVER), 2);
    ck_assert_uint_eq(sk_stats().objects_made, 5);
    sk_drop(refs[0]);
    EVENTUALLY(sk_stats().objects_live == 4);
    ck_assert_uint_eq(sk_stats().objects_made, 5);
    sk_drop(kept);
}

CASE(bytes_are_counted_while_they_live)
{
    static unsigned char bytes[100000];
    sk_buf buf = { bytes, sizeof bytes, NULL };
    sk_ref refs[10];
    for (int i = 0; i < 10; i++)
        refs[i] = sk_put(buf);
    sk_counts c = sk_stats();
    ck_assert_uint_ge(c.bytes_live, 1000000);
    ck_assert_uint_lt(c.bytes_live, 1100000);
    for (int i = 0; i < 9; i++)
        sk_drop(refs[i]);
    EVENTUALLY(sk_stats().bytes_live < 200000);
    c = sk_stats();
    ck_assert_uint_ge(c.bytes_live, 100000);
    ck_assert_uint_ge(c.bytes_peak, 1000000);
    ck_assert_uint_lt(c.bytes_peak, 1100000);
}

CASE(numbers_take_no_bytes)
{
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, sk_put(i), 1)), i + 1);
    ck_assert_uint_eq(sk_stats().bytes_live, 0);
}

CASE(workers_are_counted_and_threads_are_few, .config.workers = 3)
{
    sk_ref refs[300];
    for (int i = 0; i < 300; i++)
        refs[i] = sk_remote(same, i);
    ck_assert_uint_eq(sk_wait(refs, 300, 300, SK_FOREVER), 300);
    sk_counts c = sk_stats();
    ck_assert_int_eq(c.workers, 3);                     /* of each node, as in sk_config */
    ck_assert_int_ge(c.threads_peak, 1);
    ck_assert_int_le(c.threads_peak, 8 * nodes_here());
    ck_assert_int_le(c.threads, c.threads_peak);
}

CASE(the_nodes_are_told_in_their_order_and_all_are_alive, .config.workers = 3)
{
    sk_node_info nodes[64];
    size_t n = sk_nodes(nodes, 64);
    ck_assert_uint_eq(n, conform_nodes());
    for (size_t i = 0; i < n; i++)
        ck_assert(nodes[i].node == (int)i && nodes[i].workers == 3 && nodes[i].alive);
    ck_assert_uint_eq(sk_nodes(NULL, 0), n);
    ck_assert_uint_eq(sk_nodes(nodes, 1), n);
}

SK_REMOTE(uint64_t, counts_from_inside) { return sk_stats().tasks_submitted; }

CASE(a_task_may_ask_for_the_counts)
{
    ck_assert_uint_ge(sk_get(uint64_t, sk_remote(counts_from_inside)), 1);
}

CASE(retries_and_attempts_are_counted_apart)
{
    (void)FAILS(sk_remote_with(SK_OPTS(.retry_errors = true, .max_retries = 2), fails, "no"), SK_TASK);
    sk_counts c = sk_stats();
    ck_assert(c.tasks_submitted == 1 && c.attempts == 3 && c.retries == 2 && c.tasks_failed == 1);
}

SK_REMOTE(int64_t, submits, (int, n))
{
    for (int i = 0; i < n; i++)
        (void)sk_get(int64_t, sk_remote(same, i));
    return n;
}

CASE(tasks_of_tasks_are_counted)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(submits, 9)), 9);
    sk_counts c = sk_stats();
    ck_assert(c.tasks_submitted == 10 && c.tasks_done == 10 && c.attempts == 10);
}
