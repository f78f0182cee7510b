/* closed_bytes.c -- closed forms of simulated time with bytes: the network, stores with limits, their disks. See clusters.h.
 *
 * At 1 GB/s a byte takes a nanosecond, so the sums are short. */
#include "clusters.h"

/* ---- one transfer ---- */

CASE(a_transfer_takes_the_latency_and_its_bytes_by_the_bandwidth, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 3\nworkers = 1\n[network]\nlatency = 50us\nbandwidth = 1GB/s\n", NULL);
    static const int64_t sizes[] = { 1, 1000, 1234567, 30 * 1000000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sk_ref made = bytes_on(1, sizes[i]);
        int64_t began = now_ns();
        sk_ref taken = sk_remote_with(at(2), takes_bytes, made);
        ck_assert_int_eq(sk_get(int64_t, taken), sizes[i]);
        TOOK(began, 50 * US + sizes[i]);
        taken = sk_remote_with(at(2), takes_bytes, made);         /* there is a copy now */
        sk_get(int64_t, taken);
        TOOK(began, 50 * US + sizes[i]);
        (void)sk_get(sk_array, made);                             /* the driver is on node 0 */
        TOOK(began, 2 * (50 * US + sizes[i]));
    }
    stop();
}

CASE(a_large_value_takes_the_time_that_an_object_does, CLOSED_FORM)
{
    static unsigned char bytes[2000000];
    start_on("[cluster]\nnodes = 2\nworkers = 1\n[network]\nlatency = 50us\nbandwidth = 1GB/s\n", NULL);
    int64_t began = now_ns();
    sk_get(int64_t, sk_remote_with(at(1), takes_bytes, sk_array_of(bytes, 2000000)));
    TOOK(began, 50 * US + 2000000);
    sk_get(int64_t, sk_remote_with(at(0), takes_bytes, sk_array_of(bytes, 2000000)));
    TOOK(began, 50 * US + 2000000);
    stop();
}

CASE(a_time_that_is_no_whole_nanosecond_is_rounded_up, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 2\nworkers = 1\n[network]\nbandwidth = 3GB/s\n", NULL);
    sk_ref made = bytes_on(1, 1000);
    int64_t began = now_ns();
    (void)sk_get(sk_array, made);
    TOOK(began, 334);                                             /* 333 1/3 */
    stop();
}

CASE(numbers_and_bytes_on_the_same_node_take_no_time, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 2\nworkers = 1\n[network]\nlatency = 1ms\nbandwidth = 1MB/s\n", NULL);
    sk_ref made = bytes_on(1, 1000000);
    int64_t began = now_ns();
    sk_ref taken = sk_remote_with(at(1), takes_bytes, made);
    ck_assert_int_eq(sk_get(int64_t, taken), 1000000);
    TOOK(began, 0);
    stop();
}

/* ---- several ---- */

CASE(two_flows_on_one_card_take_exactly_twice_as_long_as_one, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 4\nworkers = 4\n[network]\nlatency = 10us\nbandwidth = 1GB/s\n", NULL);
    sk_ref a = bytes_on(1, 5 * MB), b = bytes_on(1, 5 * MB), both[2];
    int64_t began = now_ns();
    both[0] = sk_remote_with(at(2), takes_bytes, a);               /* both out of node 1 */
    both[1] = sk_remote_with(at(3), takes_bytes, b);
    get_all_of(both, 2);
    TOOK(began, 10 * US + 10 * MS);
    a = bytes_on(1, 5 * MB);
    b = bytes_on(2, 5 * MB);
    began = now_ns();
    both[0] = sk_remote_with(at(3), takes_bytes, a);               /* both into node 3 */
    both[1] = sk_remote_with(at(3), takes_bytes, b);
    get_all_of(both, 2);
    TOOK(began, 10 * US + 10 * MS);
    stop();
}

CASE(flows_on_different_cards_do_not_disturb_each_other, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 9\nworkers = 4\n[network]\nlatency = 10us\nbandwidth = 1GB/s\n", NULL);
    sk_ref made[8], taken[8];
    for (int i = 0; i < 8; i++)
        made[i] = bytes_on(1 + i, 5 * MB);
    int64_t began = now_ns();
    for (int i = 0; i < 8; i++)                                    /* in a ring: a card sends and receives at full speed at once */
        taken[i] = sk_remote_with(at(1 + (i + 1) % 8), takes_bytes, made[i]);
    get_all_of(taken, 8);
    TOOK(began, 10 * US + 5 * MS);
    stop();
}

SK_REMOTE(int64_t, when_it_has, (sk_array, bytes))
{
    (void)bytes;
    return now_ns();
}

/* Out of node 1: f1 to 4, f2 to 5. Into node 5: f2, f3 from 2, f4 from 3. A third of 5's card is the fair share of f2, f3, f4; f1 gets
 * what f2 leaves, two thirds of 1's. After 3 ms the three are done (1 MB each) and f1 has moved 2 of its 4 MB: 2 ms more, alone. */
CASE(shares_are_max_min_fair_where_flows_cross, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 6\nworkers = 4\n[network]\nbandwidth = 1GB/s\n", NULL);
    static const struct { int from, to, bytes, ms; } flows[] = { { 1, 4, 4 * MB, 5 }, { 1, 5, MB, 3 }, { 2, 5, MB, 3 }, { 3, 5, MB, 3 } };
    sk_ref made[4], taken[4];
    for (int i = 0; i < 4; i++)
        made[i] = bytes_on(flows[i].from, flows[i].bytes);
    int64_t began = now_ns();
    for (int i = 0; i < 4; i++)
        taken[i] = sk_remote_with(at(flows[i].to), when_it_has, made[i]);
    for (int i = 0; i < 4; i++) {
        int64_t late = sk_get(int64_t, taken[i]) - began - flows[i].ms * MS;
        ck_assert_msg(late >= 0 && late <= 1, "flow %d is %ld ns late", i + 1, (long)late);     /* a third is no whole number of bytes a ns */
    }
    stop();
}

CASE(a_slow_card_is_the_bottleneck_and_leaves_the_rest_to_others, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 3\nworkers = 4\n[node.slow]\nbandwidth = 250MB/s\n[network]\nbandwidth = 1GB/s\n", NULL);
    sk_ref a = bytes_on(1, 1 * MB), b = bytes_on(1, 3 * MB), taken[2];
    int64_t began = now_ns();
    taken[0] = sk_remote_with(at(3), when_it_has, a);              /* a quarter; three quarters are left */
    taken[1] = sk_remote_with(at(2), when_it_has, b);
    ck_assert_int_eq(sk_get(int64_t, taken[0]) - began, 4 * MS);
    ck_assert_int_eq(sk_get(int64_t, taken[1]) - began, 4 * MS);
    stop();
}

static int64_t pulls_of(int n)
{
    sk_ref made[20], taken[20];
    for (int i = 0; i < n; i++)
        made[i] = bytes_on(2 + i, 1 * MB);
    int64_t began = now_ns();
    for (int i = 0; i < n; i++)
        taken[i] = sk_remote_with(at(1), takes_bytes, made[i]);
    get_all_of(taken, (size_t)n);
    int64_t took = now_ns() - began;
    for (int i = 0; i < n; i++)
        sk_drop(made[i]);
    return took;
}

/* Each sender needs a millisecond, and the receiver could take 20 at once: it is the number of pulls that counts. */
CASE(a_node_pulls_at_most_eight_objects_at_once, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 1\nworkers = 1\n[node.receiver]\nworkers = 32\nbandwidth = 100GB/s\n"
             "[node.sender*]\ncount = 20\n[network]\nlatency = 100us\nbandwidth = 1GB/s\n", NULL);
    ck_assert_int_eq(pulls_of(8), 1100 * US);
    ck_assert_int_eq(pulls_of(9), 2200 * US);
    ck_assert_int_eq(pulls_of(16), 2200 * US);
    ck_assert_int_eq(pulls_of(17), 3300 * US);
    stop();
}

CASE(how_many_objects_a_node_pulls_at_once_is_the_clusters_to_say, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 1\nworkers = 1\n[node.receiver]\nworkers = 32\nbandwidth = 100GB/s\n"
             "[node.sender*]\ncount = 20\n[network]\nlatency = 100us\nbandwidth = 1GB/s\npulls = 3\n", NULL);
    ck_assert_int_eq(pulls_of(3), 1100 * US);
    ck_assert_int_eq(pulls_of(4), 2200 * US);
    ck_assert_int_eq(pulls_of(9), 3300 * US);
    stop();
}

/* ---- stores ---- */

/* A store of 10 MB, a disk of 100 MB/s: a megabyte takes 10 ms each way. */
static const char small_store[] = "[cluster]\nnodes = 1\nworkers = 4\n[node.small]\nstore-bytes = 10000000\ndisk-bandwidth = 100MB/s\n"
                                  "[network]\nbandwidth = 1GB/s\n";

CASE(an_object_that_was_spilled_takes_the_disk_time_to_come_back, CLOSED_FORM)
{
    start_on(small_store, NULL);
    sk_ref a = bytes_on(1, 6 * MB), b = bytes_on(1, 6 * MB);       /* a goes to disk: 60 ms, beside */
    sk_sleep(1);
    int64_t began = now_ns();
    sk_ref taken = sk_remote_with(at(0), takes_bytes, b);
    sk_get(int64_t, taken);
    TOOK(began, 6 * MS);                                           /* from memory: the network only */
    began = now_ns();
    taken = sk_remote_with(at(0), takes_bytes, a);
    sk_get(int64_t, taken);
    TOOK(began, 60 * MS + 60 * MS + 6 * MS);                       /* b goes out, a comes in, and over the network */
    stop();
}

CASE(an_argument_that_was_spilled_comes_back_before_its_task_starts, CLOSED_FORM)
{
    start_on(small_store, NULL);
    sk_ref a = bytes_on(1, 6 * MB), b = bytes_on(1, 6 * MB);
    sk_sleep(1);
    int64_t began = now_ns();
    sk_ref taken = sk_remote_with(at(1), takes_bytes, a);
    sk_get(int64_t, taken);
    TOOK(began, 60 * MS + 60 * MS);                                /* b goes out, a comes in */
    taken = sk_remote_with(at(1), takes_bytes, a);
    sk_get(int64_t, taken);
    TOOK(began, 60 * MS + 60 * MS);
    sk_drop(b);
    stop();
}

CASE(the_disk_is_busy_until_it_has_spilled, CLOSED_FORM)
{
    start_on(small_store, NULL);
    int64_t began = now_ns();
    sk_ref a = bytes_on(1, 6 * MB), b = bytes_on(1, 6 * MB), taken = sk_remote_with(at(0), takes_bytes, a);
    sk_get(int64_t, taken);
    ck_assert_int_eq((now_ns() - began) / MS, 60 + 60 + 60 + 6);   /* a out, b out, a in, and over the network */
    sk_drop(b);
    stop();
}

/* Two copies of 4 MB, of which the first was used last; a third needs room: the second goes. It is only a copy, so no disk. */
CASE(the_copy_that_was_used_longest_ago_is_evicted_first, CLOSED_FORM)
{
    start_on(small_store, NULL);
    sk_ref a = bytes_on(0, 4 * MB), b = bytes_on(0, 4 * MB), c = bytes_on(0, 4 * MB);
    sk_ref used[] = { a, b, a, c }, taken;
    for (int i = 0; i < 4; i++) {
        taken = sk_remote_with(at(1), takes_bytes, used[i]);
        sk_get(int64_t, taken);
    }
    int64_t began = now_ns();
    taken = sk_remote_with(at(1), takes_bytes, a);
    sk_get(int64_t, taken);
    TOOK(began, 0);
    taken = sk_remote_with(at(1), takes_bytes, b);
    sk_get(int64_t, taken);
    TOOK(began, 4 * MS);
    stop();
}

/* ---- policies that differ ---- */

/* Ten objects on ten nodes, then a task for each: locality finds each its node, random hardly any. */
static int64_t time_of_ten_that_need_bytes(const char *policy)
{
    start_on("[cluster]\nnodes = 11\nworkers = 1\n[network]\nbandwidth = 1GB/s\n", policy);
    sk_ref made[10], taken[10];
    for (int i = 0; i < 10; i++)
        made[i] = bytes_on(1 + i, 1 * MB);
    int64_t began = now_ns();
    for (int i = 0; i < 10; i++)
        taken[i] = sk_remote(takes_bytes, made[i]);
    get_all_of(taken, 10);
    int64_t took = now_ns() - began;
    stop();
    return took;
}

CASE(locality_moves_no_bytes_where_random_does, CLOSED_FORM)
{
    ck_assert_int_eq(time_of_ten_that_need_bytes("locality"), 0);
    ck_assert_int_ge(time_of_ten_that_need_bytes("random"), 1 * MS);
    ck_assert_int_eq(time_of_ten_that_need_bytes("heft"), 0);
}

/* ---- polling ---- */

CASE(polling_for_bytes_lets_them_come, CLOSED_FORM)
{
    start_on("[cluster]\nnodes = 2\nworkers = 1\n[network]\nlatency = 1ms\nbandwidth = 1GB/s\n", NULL);
    sk_ref made = sk_remote_with(at(1), makes_bytes, (int64_t)MB);
    sk_array bytes;
    sk_error err = { 0 };
    int64_t began = now_ns();
    while (!sk_try_get(made, &bytes, 0, &err))
        ck_assert_int_eq(err.code, SK_TIMEOUT);
    TOOK(began, 2 * MS);
    stop();
}
