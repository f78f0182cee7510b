/* far.c -- tasks on other nodes than the driver's, where these are real: how they are ended, and how their bytes come. */
#include "conform.h"
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAR .by_hand = true, .needs = SK_CAN_NODES | SK_CAN_ISOLATE

SK_REMOTE(int64_t, never_ends, (int64_t, x))
{
    for (;;)
        sk_sleep(0.01 + (double)x);
    return x;
}

SK_REMOTE(int, next_of, (int, x)) { return x + 1; }

SK_REMOTE(sk_array, megabytes_of, (int, megabytes), (int, value))
{
    sk_array a = sk_new_array(SK_U8, (int64_t)megabytes << 20);
    memset(sk_write(uint8_t, a), value, (size_t)megabytes << 20);
    return a;
}

/* All alike? */
SK_REMOTE(int, is_all, (sk_array, a), (int, value))
{
    const uint8_t *p = sk_read(uint8_t, a);
    for (int64_t i = 0; i < sk_len(a); i++)
        if (p[i] != value)
            return 0;
    return 1;
}

SK_REMOTE(int, makes_and_passes_on, (int, value))
{
    static uint8_t mine[70000];
    memset(mine, value, sizeof mine);
    return sk_get(int, sk_remote_with(SK_OPTS(.node = 2), is_all, sk_array_of(mine, sizeof mine), value));
}

SK_REMOTE(const char *, text_of, (int, length), (int, letter))
{
    char *text = malloc((size_t)length + 1);
    memset(text, letter, (size_t)length);
    text[length] = '\0';
    const char *mine = sk_format("%s", text);
    free(text);
    return mine;
}

SK_REMOTE(int, is_text_of, (const char *, text), (int, length), (int, letter))
{
    return strlen(text) == (size_t)length && strspn(text, (char[]){ (char)letter, '\0' }) == (size_t)length;
}

/* Long enough to lie in the store. */
CASE(a_long_text_of_another_node_comes_as_it_was_in_its_first_attempt, FAR)
{
    enum { LONG = 300000 };
    start(&(sk_config){ .workers = 1, .nodes = 3 });
    sk_ref text = sk_remote_with(SK_OPTS(.node = 1), text_of, LONG, 'x');
    ck_assert_int_eq(sk_get(int, sk_remote_with(SK_OPTS(.node = 2), is_text_of, text, LONG, 'x')), 1);
    const char *here = sk_get(const char *, text);
    ck_assert_uint_eq(strlen(here), LONG);
    ck_assert_uint_eq(strspn(here, "x"), LONG);
    ck_assert_uint_eq(sk_stats().retries, 0);
    stop();
}

CASE(a_task_on_another_node_is_ended_when_its_time_is_up, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 2 });
    sk_ref r = sk_remote_with(SK_OPTS(.node = 1, .timeout_s = 0.1), never_ends, (int64_t)0);
    (void)FAILS(r, SK_TASK_TIMEOUT);
    ck_assert_int_eq(sk_get(int, sk_remote_with(SK_OPTS(.node = 1), next_of, 7)), 8);
    stop();
}

CASE(a_task_on_another_node_is_cancelled_by_force, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 2 });
    sk_ref r = sk_remote_with(SK_OPTS(.node = 1), never_ends, (int64_t)0);
    ck_assert_int_eq(sk_get(int, sk_remote(next_of, 7)), 8);
    sk_cancel(r, SK_FORCE);
    (void)FAILS(r, SK_CANCELLED);
    ck_assert_int_eq(sk_get(int, sk_remote_with(SK_OPTS(.node = 1), next_of, 7)), 8);
    stop();
}

CASE(what_is_spilled_on_the_drivers_node_can_be_used_on_another, FAR)
{
    enum { OBJECTS = 8, MEGABYTES = 5 };
    start(&(sk_config){ .workers = 1, .nodes = 2, .store_bytes = 16 << 20 });
    sk_ref made[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        made[i] = sk_remote_with(SK_OPTS(.node = SK_ZERO), megabytes_of, MEGABYTES, i);
    (void)sk_wait(made, OBJECTS, OBJECTS, SK_FOREVER);
    for (int i = 0; i < OBJECTS; i++) {
        ck_assert_int_eq(sk_take(int, sk_remote_with(SK_OPTS(.node = 1), is_all, made[i], i)), 1);
        sk_drop(made[i]);
    }
    stop();
}

CASE(a_program_may_end_while_bytes_are_on_their_way, FAR)
{
    enum { OBJECTS = 4 };
    start(&(sk_config){ .workers = 1, .nodes = 2 });
    sk_ref made[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        made[i] = sk_remote_with(SK_OPTS(.node = 1), megabytes_of, 30, i);
    (void)sk_wait(made, OBJECTS, OBJECTS, SK_FOREVER);         /* starts to fetch them all */
    stop();
}

CASE(a_program_may_end_while_what_it_has_spilled_is_being_sent, FAR)
{
    enum { OBJECTS = 4, MEGABYTES = 20 };
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 32 << 20 });
    sk_ref made[OBJECTS];
    for (int i = 0; i < OBJECTS; i++) {
        made[i] = sk_remote_with(SK_OPTS(.node = SK_ZERO), megabytes_of, MEGABYTES, i);
        (void)sk_wait(&made[i], 1, 1, SK_FOREVER);
    }
    ck_assert_uint_ge(sk_stats().bytes_spilled, 2 * MEGABYTES << 20);
    sk_ref seen[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        seen[i] = sk_remote_with(SK_OPTS(.node = 1 + i % 2), is_all, made[i], i);
    for (int node = 1; node < 3; node++)                       /* by its answer the node has asked for them */
        ck_assert_int_eq(sk_get(int, sk_remote_with(SK_OPTS(.node = node), next_of, 7)), 8);
    for (int i = 0; i < OBJECTS; i++)
        sk_cancel(seen[i], 0);                                 /* nobody waits for what is under way */
    stop();
}

CASE(a_large_value_that_a_task_passes_on_goes_from_node_to_node, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 3 });
    ck_assert_int_eq(sk_get(int, sk_remote_with(SK_OPTS(.node = 1), makes_and_passes_on, 9)), 1);
    ck_assert_uint_eq(sk_stats().transfers, 1);
    stop();
}

/* ---- a store that is full ---- */

SK_REMOTE(int, are_all, (sk_array, a), (int, x), (sk_array, b), (int, y))
{
    const uint8_t *p = sk_read(uint8_t, a), *q = sk_read(uint8_t, b);
    for (int64_t i = 0; i < sk_len(a); i++)
        if (p[i] != x || q[i] != y)
            return 0;
    return 1;
}

static sk_ref made_at(int node, int megabytes, int value) { return sk_remote_with(SK_OPTS(.node = node), megabytes_of, megabytes, value); }
static int is_whole_at(int node, sk_ref r, int value) { return sk_take(int, sk_remote_with(SK_OPTS(.node = node), is_all, r, value)); }

CASE(ten_times_what_the_store_of_a_node_holds_is_kept_there_and_comes_back, FAR)
{
    enum { N = 40 };
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 4 << 20 });
    sk_ref r[N];
    for (int i = 0; i < N; i++)
        r[i] = made_at(1, 1, i);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(is_whole_at(1, r[i * 7 % N], i * 7 % N), 1);
    ck_assert_uint_eq(sk_stats().transfers, 0);
    ck_assert_uint_ge(sk_stats().bytes_spilled, 36 << 20);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(is_whole_at(2, r[i], i), 1);              /* from the file, mostly */
    for (int i = N - 1; i >= 0; i--) {
        sk_array a = sk_get(sk_array, r[i]);
        ck_assert(sk_read(uint8_t, a)[0] == i && sk_read(uint8_t, a)[(1 << 20) - 1] == i);
        sk_drop(r[i]);
    }
    ck_assert_uint_eq(sk_stats().bytes_spilled, 0);
    stop();
}

CASE(copies_of_what_others_have_go_before_anything_is_spilled, FAR)
{
    enum { N = 12 };
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 16 << 20 });
    sk_ref r[N], own = made_at(2, 3, 99);
    for (int i = 0; i < N; i++)
        r[i] = made_at(1, 1, i);
    for (int times = 0; times < 2; times++)
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(is_whole_at(2, r[i], i), 1);
    ck_assert_uint_eq(sk_stats().transfers, N);                    /* they fit */
    sk_ref more = made_at(2, 12, 98);                              /* these need the room of most of them */
    ck_assert_int_eq(is_whole_at(2, more, 98) + is_whole_at(2, own, 99), 2);
    ck_assert_uint_eq(sk_stats().bytes_spilled, 0);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(is_whole_at(2, r[i], i), 1);              /* once more from there */
    ck_assert_uint_gt(sk_stats().transfers, N);
    stop();
}

CASE(a_full_store_of_a_node_is_named_with_need_and_have, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 2, .store_bytes = 4 << 20, .spill_dir = "none" });
    sk_ref r[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(is_whole_at(1, r[i] = made_at(1, 1, i), i), 1);
    sk_error err = FAILS(made_at(1, 2, 9), SK_STORE_FULL);
    CONTAINS(err.message, "the object store of node 1 is full: need 2097152 bytes, have ");
    CONTAINS(err.message, " are held by refs, and nothing can be spilled (--sk-spill-dir); drop refs you no longer need, or give more with ");
    sk_drop(r[0]);
    sk_drop(r[1]);
    ck_assert_int_eq(is_whole_at(1, made_at(1, 2, 9), 9), 1);
    stop();
}

CASE(arguments_that_do_not_fit_together_at_a_node_are_store_full, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 4 << 20 });
    sk_ref a = made_at(1, 3, 1), b = made_at(2, 3, 2);
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.node = 1), are_all, a, 1, b, 2), SK_STORE_FULL);
    CONTAINS(err.message, "are_all: the object store of node 1 is full: need ");
    ck_assert_int_eq(is_whole_at(1, b, 2) + is_whole_at(1, a, 1), 2);
    stop();
}

CASE(a_task_waits_at_a_node_until_another_has_given_back_its_room, FAR)
{
    enum { N = 8 };
    start(&(sk_config){ .workers = 3, .nodes = 2, .store_bytes = 4 << 20, .spill_dir = "none" });
    sk_ref r[N];
    for (int i = 0; i < N; i++) {
        sk_ref made = made_at(1, 3, i);
        r[i] = sk_remote_with(SK_OPTS(.node = 1), is_all, made, i);
        sk_drop(made);
    }
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(sk_get(int, r[i]), 1);
    stop();
}

CASE(what_a_node_cannot_spill_stays_in_memory_and_the_store_is_full, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 2, .store_bytes = 4 << 20, .spill_dir = "/nowhere/at/all" });
    sk_ref r[12];
    int whole = 0, full = 0;
    for (int i = 0; i < 12; i++) {
        sk_error err;
        int is = 0;
        r[i] = made_at(1, 1, i);
        if (sk_try_get(sk_remote_with(SK_OPTS(.node = 1), is_all, r[i], i), &is, SK_FOREVER, &err))
            whole += is;
        else
            full += err.code == SK_STORE_FULL || strstr(err.message, "the object store of node 1 is full") != NULL;
    }
    ck_assert_msg(whole >= 2 && full >= 1 && whole + full == 12, "%d whole, %d full", whole, full);
    stop();
}

/* The disk fails: what this process has spilled there is no more. */
static void lose_spill_file(const char *directory)
{
    char path[64], link[500];
    int cut = 0;
    for (int fd = 3; fd < 1000; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        cut += n > 0 && !strncmp(link, directory, strlen(directory)) && ftruncate(fd, 0) == 0;
    }
    ck_assert_int_eq(cut, 1);
}

CASE(what_the_driver_cannot_read_back_from_its_spill_file_is_made_again_or_lost_with_a_reason, FAR)
{
    enum { N = 8 };
    const char *directory = scratch("cut");
    mkdir(directory, 0700);
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 4 << 20, .spill_dir = directory });
    static uint8_t mine[1 << 20];
    sk_ref put = sk_put(sk_array_of(mine, sizeof mine)), copied = made_at(SK_ZERO, 1, 50), r[N];
    ck_assert_int_eq(is_whole_at(1, copied, 50), 1);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(is_whole_at(SK_ZERO, r[i] = made_at(SK_ZERO, 1, i), i), 1);
    ck_assert_uint_ge(sk_stats().bytes_spilled, 5 << 20);
    lose_spill_file(directory);
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.node = 1), is_all, put, 0), SK_TASK);
    CONTAINS(err.message, "the object put here is lost: its last copy was on node 0, where the object was spilled to ");
    for (int i = N - 1; i >= 0; i--) {
        ck_assert_int_eq(is_whole_at(1 + i % 2, r[i], i), 1);
        sk_drop(r[i]);                                         /* nothing can be spilled any more, and the first of these are in memory */
    }
    ck_assert_int_eq(is_whole_at(2, copied, 50), 1);           /* node 1 has it */
    stop();
}

/* Another node has it: from there it comes, also to where it was made. */
CASE(what_the_driver_has_put_and_cannot_read_back_comes_from_a_node_that_has_it, FAR)
{
    enum { N = 8 };
    const char *directory = scratch("refill");
    mkdir(directory, 0700);
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 4 << 20, .spill_dir = directory });
    static uint8_t mine[1 << 20];
    memset(mine, 33, sizeof mine);
    sk_ref put = sk_put(sk_array_of(mine, sizeof mine)), r[N];
    ck_assert_int_eq(is_whole_at(1, put, 33), 1);
    ck_assert_int_eq(is_whole_at(2, put, 33), 1);              /* from node 1, for it is its turn */
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(is_whole_at(SK_ZERO, r[i] = made_at(SK_ZERO, 1, i), i), 1);
    ck_assert_int_eq(is_whole_at(2, made_at(2, 3, 7), 7), 1);  /* the copy there goes */
    lose_spill_file(directory);
    ck_assert_int_eq(is_whole_at(2, put, 33), 1);              /* this node is asked first */
    for (int i = 0; i < N; i++)
        sk_drop(r[i]);
    ck_assert_int_eq(is_whole_at(SK_ZERO, put, 33), 1);
    sk_array a = sk_get(sk_array, put);
    ck_assert(sk_read(uint8_t, a)[0] == 33 && sk_read(uint8_t, a)[sizeof mine - 1] == 33);
    stop();
}

/* ---- what the driver's node cannot read back, and is needed there ---- */

enum { MADE = 8 };

/* All of it on the driver's node: the first ones are spilled, and then their file is cut. Room for two is left. */
static void make_and_lose(sk_ref *made, const char *directory)
{
    for (int i = 0; i < MADE; i++)
        ck_assert_int_eq(is_whole_at(SK_ZERO, made[i] = made_at(SK_ZERO, 1, i), i), 1);
    ck_assert_uint_ge(sk_stats().bytes_spilled, 5 << 20);
    lose_spill_file(directory);
    for (int i = MADE - 2; i < MADE; i++)
        sk_drop(made[i]);                                      /* nothing can be spilled any more, and these are in memory */
}

static const char *start_small(int nodes)
{
    const char *directory = scratch("lost");
    mkdir(directory, 0700);
    start(&(sk_config){ .workers = 1, .nodes = nodes, .store_bytes = 4 << 20, .spill_dir = directory });
    return directory;
}

static void get_whole(sk_ref r, int value)
{
    sk_array a = sk_get(sk_array, r);
    const uint8_t *p = sk_read(uint8_t, a);
    for (int64_t i = 0; i < sk_len(a); i++)
        ck_assert_int_eq(p[i], value);
}

CASE(what_the_driver_gets_and_cannot_read_back_is_made_again, FAR)
{
    const char *directory = start_small(2);
    sk_ref made[MADE];
    make_and_lose(made, directory);
    get_whole(made[0], 0);
    stop();
}

CASE(what_the_driver_gets_and_cannot_read_back_comes_from_a_node_that_has_it, FAR)
{
    const char *directory = start_small(2);
    static uint8_t mine[1 << 20];
    memset(mine, 33, sizeof mine);
    sk_ref put = sk_put(sk_array_of(mine, sizeof mine)), made[MADE];
    ck_assert_int_eq(is_whole_at(1, put, 33), 1);
    make_and_lose(made, directory);
    uint64_t before = sk_stats().transfers;
    get_whole(put, 33);
    ck_assert_uint_eq(sk_stats().transfers, before + 1);
    stop();
}

CASE(what_the_driver_has_put_and_cannot_read_back_is_lost_with_a_reason_if_nobody_has_it, FAR)
{
    const char *directory = start_small(2);
    static uint8_t mine[1 << 20];
    sk_ref put = sk_put(sk_array_of(mine, sizeof mine)), made[MADE];
    make_and_lose(made, directory);
    for (int times = 0; times < 2; times++) {
        sk_error err = FAILS(put, SK_OBJECT_LOST);
        CONTAINS(err.message, "the object put here is lost: its last copy was on node 0, where the object was spilled to ");
        CONTAINS(err.message, "the file is shorter than it was");
    }
    stop();
}

/* It may begin once; and it has not. */
CASE(a_task_at_the_drivers_node_whose_argument_cannot_be_read_back_runs_when_it_is_made_again, FAR)
{
    const char *directory = start_small(2);
    sk_ref made[MADE];
    make_and_lose(made, directory);
    sk_ref seen = sk_remote_with(SK_OPTS(.node = SK_ZERO, .max_retries = SK_ZERO), is_all, made[0], 0);
    ck_assert_int_eq(sk_get(int, seen), 1);
    ck_assert_uint_eq(sk_stats().tasks_failed, 0);
    stop();
}

/* The first finds it out; others are on their way, or wait. */
CASE(tasks_at_the_drivers_node_whose_argument_cannot_be_read_back_get_it_from_a_node_that_has_it, FAR)
{
    enum { TASKS = 6 };
    const char *directory = start_small(2);
    static uint8_t mine[1 << 20];
    memset(mine, 33, sizeof mine);
    sk_ref put = sk_put(sk_array_of(mine, sizeof mine)), made[MADE], seen[TASKS];
    ck_assert_int_eq(is_whole_at(1, put, 33), 1);
    make_and_lose(made, directory);
    for (int i = 0; i < TASKS; i++)
        seen[i] = sk_remote_with(SK_OPTS(.node = SK_ZERO, .max_retries = SK_ZERO), is_all, put, 33);
    for (int i = 0; i < TASKS; i++)
        ck_assert_int_eq(sk_get(int, seen[i]), 1);
    get_whole(put, 33);
    stop();
}

CASE(a_task_at_the_drivers_node_whose_argument_was_put_and_cannot_be_read_back_fails_with_the_reason, FAR)
{
    const char *directory = start_small(2);
    static uint8_t mine[1 << 20];
    sk_ref put = sk_put(sk_array_of(mine, sizeof mine)), made[MADE];
    make_and_lose(made, directory);
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.node = SK_ZERO), is_all, put, 0), SK_TASK);
    CONTAINS(err.message, "argument 1 failed");
    CONTAINS(err.message, "the object put here is lost: its last copy was on node 0, where the object was spilled to ");
    stop();
}

SK_REMOTE(int, gets_and_looks, (sk_ref, r), (int, value)) { return is_all_body(sk_get(sk_array, r), value); }

CASE(what_a_task_at_the_drivers_node_gets_and_cannot_be_read_back_is_made_again, FAR)
{
    const char *directory = start_small(2);
    sk_ref made[MADE];
    make_and_lose(made, directory);
    ck_assert_int_eq(sk_get(int, sk_remote_with(SK_OPTS(.node = SK_ZERO), gets_and_looks, made[1], 1)), 1);
    stop();
}

/* Each is cancelled at another time: while it is made, or on its way, or when it has come. What comes late must not be seen in the next, which may have
 * its place; and nothing may be left of it (the frame looks). */
static void unwanted_on_its_way(int from)
{
    enum { ROUNDS = 30, MEGABYTES = 8 };
    for (int i = 0; i < ROUNDS; i++) {
        sk_ref a = sk_remote_with(ON_NODE(from), megabytes_of, MEGABYTES, i);
        sk_ref seen = sk_remote_with(ON_NODE(2), is_all, a, i);
        sk_drop(a);
        for (int turn = 0; turn < i * 2000; turn++)
            (void)sk_stats();
        sk_cancel(seen, 0);
        sk_ref next = sk_remote_with(ON_NODE(from), megabytes_of, MEGABYTES, 100 + i);
        ck_assert_int_eq(sk_take(int, sk_remote_with(ON_NODE(2), is_all, next, 100 + i)), 1);
        sk_drop(next);
        int whole = 0;
        sk_error err = { 0 };
        if (sk_try_get(seen, &whole, SK_FOREVER, &err))
            ck_assert_int_eq(whole, 1);
        else
            ck_assert_int_eq(err.code, SK_CANCELLED);
        sk_drop(seen);
    }
}

CASE(what_nobody_wants_any_more_on_its_way_from_the_driver_does_no_harm, .needs = SK_CAN_NODES | SK_CAN_ISOLATE, .config = { .workers = 1, .nodes = 3 })
{
    unwanted_on_its_way(0);
}

CASE(what_nobody_wants_any_more_on_its_way_between_nodes_does_no_harm, .needs = SK_CAN_NODES | SK_CAN_ISOLATE, .config = { .workers = 1, .nodes = 3 })
{
    unwanted_on_its_way(1);
}

/* ---- nodes that come and go ---- */

/* A node is the parent of its workers. */
SK_REMOTE(int64_t, node_process) { return getppid(); }

SK_REMOTE(int64_t, ends_or_freezes_its_node, (int, sig))
{
    kill(getppid(), sig);
    return never_ends_body(0);
}

/* Of those that are alive, the one with the highest number; in `n` how many there are. */
static int last_alive(int *n)
{
    sk_node_info nodes[64];
    size_t all = sk_nodes(nodes, 64);
    int last = -1;
    *n = 0;
    for (size_t i = 0; i < all && i < 64; i++)
        if (nodes[i].alive) {
            last = nodes[i].node;
            ++*n;
        }
    return last;
}

static int alive(void)
{
    int n;
    last_alive(&n);
    return n;
}

CASE(a_node_that_is_killed_by_its_task_is_lost_and_the_program_goes_on, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 2 });
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.node = 1, .max_retries = SK_ZERO), ends_or_freezes_its_node, SIGKILL), SK_WORKER_DIED);
    CONTAINS(err.message, "node 1");
    EVENTUALLY(alive() == 1);
    ck_assert_int_eq(sk_get(int, sk_remote(next_of, 7)), 8);
    stop();
}

/* Told once, a node waits for its tasks. */
SK_REMOTE(int64_t, tells_its_node_to_end)
{
    for (;;) {
        kill(getppid(), SIGTERM);
        sk_sleep(0.01);
    }
    return 0;
}

CASE(a_task_that_may_begin_once_and_ends_with_a_node_that_left_is_not_told_that_this_does_not_count, FAR)
{
    start(&(sk_config){ .workers = 1, .nodes = 2 });
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.node = 1, .max_retries = SK_ZERO), tells_its_node_to_end), SK_WORKER_DIED);
    CONTAINS(err.message, "was lost, which left: ");
    ck_assert_msg(!strstr(err.message, "does not count"), "%s", err.message);
    stop();
}

CASE(a_node_that_freezes_is_lost_and_joins_again_as_another_when_it_wakes, FAR)
{
    setenv("SKATE_DEAD_AFTER", "2", 1);
    start(&(sk_config){ .workers = 1, .nodes = 2 });
    pid_t node = (pid_t)sk_get(int64_t, sk_remote_with(SK_OPTS(.node = 1), node_process));
    ck_assert_int_ne(node, getpid());
    (void)FAILS(sk_remote_with(SK_OPTS(.node = 1, .max_retries = SK_ZERO), ends_or_freezes_its_node, SIGSTOP), SK_WORKER_DIED);
    ck_assert_int_eq(alive(), 1);
    ck_assert_int_eq(sk_get(int, sk_remote(next_of, 7)), 8);
    kill(node, SIGCONT);
    EVENTUALLY(alive() == 2);
    int n, again = last_alive(&n);
    ck_assert_int_ge(again, 1);
    int64_t process = sk_get(int64_t, sk_remote_with(SK_OPTS(.node = again), node_process));
    ck_assert_int_eq(process, node);
    stop();
}

/* Its number is that of the node it was, and what that one had made is in the books of its store. */
CASE(what_a_node_had_made_before_it_was_lost_is_whole_when_it_is_back_and_its_store_is_full, FAR)
{
    enum { MORE = 6 };
    setenv("SKATE_DEAD_AFTER", "2", 1);
    start(&(sk_config){ .workers = 1, .nodes = 3, .store_bytes = 4 << 20 });
    pid_t node = (pid_t)sk_get(int64_t, sk_remote_with(SK_OPTS(.node = 1), node_process));
    sk_ref mine = made_at(1, 2, 77), more[MORE];
    ck_assert_int_eq(is_whole_at(2, mine, 77), 1);
    (void)FAILS(sk_remote_with(SK_OPTS(.node = 1, .max_retries = SK_ZERO), ends_or_freezes_its_node, SIGSTOP), SK_WORKER_DIED);
    kill(node, SIGCONT);
    EVENTUALLY(alive() == 3);
    for (int i = 0; i < MORE; i++)
        ck_assert_int_eq(is_whole_at(1, more[i] = made_at(1, 1, i), i), 1);
    ck_assert_int_eq(is_whole_at(1, mine, 77), 1);
    for (int i = 0; i < MORE; i++)
        ck_assert_int_eq(is_whole_at(2, more[i], i), 1);
    stop();
}
