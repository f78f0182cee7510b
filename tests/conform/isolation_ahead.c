/* isolation_ahead.c -- short tasks are sent to a worker before it has ended the one it runs: nothing of that may show.
 *
 * What a task does here follows from its number: most end at once, so that all of them are known to be short. */
#include "isolation.h"

#include <glib.h>

enum { MANY = 300 };

SK_REMOTE(int64_t, one_more, (int64_t, x)) { return x + 1; }

static void await(const char *file, int64_t n)
{
    while (attempts_in(file) < n)
        usleep(100);
}

SK_REMOTE(int64_t, brief, (const char *, file), (int64_t, x), (int, does))
{
    if (does == DIES_FIRST && attempt(file) == 1)
        die_by(BY_KILL);
    if (does == KILLS_NODE && attempt(file) == 1) {
        kill(getppid(), SIGKILL);
        for (;;)
            pause();
    }
    if (does == WAITS)
        await(file, x);
    if (does == RUNS)
        attempt(file);
    return does == ASKS ? sk_get(int64_t, sk_remote(one_more, x)) - 1 : x;
}

static void learn_that_it_is_brief(void)
{
    sk_ref r[MANY];
    for (int i = 0; i < MANY; i++)
        r[i] = sk_remote(brief, "", i, NOTHING);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
}

/* ---- one worker ----
 *
 * Where there are several nodes, all but one are kept busy: what follows has one worker, in the first case on the driver's node, in the second on
 * another. (To ask for a node is no way: tasks with options are not sent ahead.) */

SK_REMOTE(int64_t, keeps_a_cpu, (const char *, begun), (const char *, end))
{
    attempt(begun);
    await(end, 1);
    return 1;
}

static void on_one_worker(int node, void (*body)(void))
{
    const char *begun = scratch("begun"), *end = scratch("end");
    sk_ref busy[64];
    int nodes = nodes_here();
    for (int i = 0; i < nodes; i++)
        if (i != node)
            busy[i] = sk_remote_with(ON_NODE(i), keeps_a_cpu, begun, end);
    await(begun, nodes - 1);
    body();
    attempt(end);
    for (int i = 0; i < nodes; i++)
        if (i != node)
            ck_assert_int_eq(sk_take(int64_t, busy[i]), 1);
}

#define CASE_ON_ONE_WORKER(sentence)                                                                                  \
    static void sentence##_there(void);                                                                                    \
    CASE(sentence, ISOLATED, .config.workers = 1) { on_one_worker(0, sentence##_there); }                      \
    CASE(sentence##_on_another_node, ISOLATED | SK_CAN_NODES, .config = { .workers = 1, .nodes = 2 })          \
    {                                                                                                                      \
        on_one_worker(1, sentence##_there);                                                                                \
    }                                                                                                                      \
    static void sentence##_there(void)

SK_REMOTE(sk_array, many_bytes)
{
    sk_array a = sk_new_array(SK_I64, 100000);
    for (int64_t i = 0; i < sk_len(a); i++)
        sk_write(int64_t, a)[i] = 5;
    return a;
}

/* Nobody waits for it before: its bytes would set out at once. */
static sk_ref made_there(void) { return sk_remote(many_bytes); }

/* Another node sends these bytes when it comes to that: what it was told before, it has heard then. (What a worker here is told lies in memory that it
 * looks at between two tasks.) */
static void let_it_hear(sk_ref made) { ck_assert_int_eq(sk_read(int64_t, sk_get(sk_array, made))[0], 5); }

/* ---- tasks that are short ---- */

CASE(answers_of_tasks_sent_ahead_are_their_own, ISOLATED)
{
    for (int round = 0; round < 20; round++)
        learn_that_it_is_brief();
    ck_assert_uint_eq(sk_stats().attempts, 20 * MANY);
    ck_assert_uint_eq(sk_stats().tasks_done, 20 * MANY);
}

static void only_those_that_die_are_charged(void)
{
    learn_that_it_is_brief();
    sk_ref r[MANY];
    unsigned deaths = 0;
    uint64_t before = sk_stats().attempts;
    for (int i = 0; i < MANY; i++) {
        bool dies = i % 37 == 5;
        deaths += dies;
        char name[30];
        snprintf(name, sizeof name, "attempts %d", i);
        r[i] = sk_remote(brief, dies ? scratch(name) : "", i, dies ? DIES_FIRST : NOTHING);
    }
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
    ck_assert_uint_eq(sk_stats().retries, deaths);
    ck_assert_uint_eq(sk_stats().attempts - before, MANY + deaths);
}
CASE(only_those_that_die_are_charged_among_tasks_sent_ahead, ISOLATED) { only_those_that_die_are_charged(); }
CASE_ON_ONE_WORKER(only_those_that_die_are_charged_on_one_worker)      { only_those_that_die_are_charged(); }

CASE(what_was_sent_behind_a_task_that_takes_long_runs_elsewhere, ISOLATED)
{
    learn_that_it_is_brief();
    const char *file = scratch("ran");
    sk_ref r[MANY];
    for (int i = 0; i < MANY; i++)             /* one waits until all that come after it have run */
        r[i] = sk_remote(brief, file, i == 100 ? MANY - 101 : i, i == 100 ? WAITS : i > 100 ? RUNS : NOTHING);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i == 100 ? MANY - 101 : i);
}

CASE_ON_ONE_WORKER(a_task_that_was_sent_ahead_and_is_cancelled_does_not_run)
{
    learn_that_it_is_brief();
    const char *go = scratch("go"), *ran = scratch("ran");
    sk_ref made = made_there(), first = sk_remote(brief, go, 1, WAITS), r[8];
    for (int i = 0; i < 8; i++)
        r[i] = sk_remote(brief, ran, i, RUNS);
    for (int i = 1; i < 8; i++)
        sk_cancel(r[i], 0);
    let_it_hear(made);
    attempt(go);
    ck_assert_int_eq(sk_get(int64_t, first), 1);
    ck_assert_int_eq(sk_get(int64_t, r[0]), 0);
    for (int i = 1; i < 8; i++)
        (void)FAILS(r[i], SK_CANCELLED);
    ck_assert_int_eq(attempts_in(ran), 1);
}

CASE_ON_ONE_WORKER(a_brief_task_that_asks_for_another_is_not_behind_itself)
{
    learn_that_it_is_brief();
    sk_ref r[MANY];
    for (int i = 0; i < MANY; i++)
        r[i] = sk_remote(brief, "", i, i % 50 == 7 ? ASKS : NOTHING);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
}

CASE_ON_ONE_WORKER(what_is_urgent_does_not_wait_for_what_was_sent_ahead)
{
    learn_that_it_is_brief();
    const char *go = scratch("go"), *ran = scratch("ran");
    sk_ref made = made_there(), first = sk_remote(brief, go, 1, WAITS), r[8];
    for (int i = 0; i < 8; i++)
        r[i] = sk_remote(brief, ran, i, RUNS);
    sk_ref urgent = sk_remote_with(SK_OPTS(.priority = 5), dies_at_first, ran, 0, BY_KILL);      /* says how many have run by then */
    let_it_hear(made);
    attempt(go);
    ck_assert_int_eq(sk_get(int64_t, first), 1);
    ck_assert_int_eq(sk_get(int64_t, urgent), 1);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(sk_get(int64_t, r[i]), i);
}

CASE_ON_ONE_WORKER(a_brief_task_that_is_cancelled_by_force_dies_alone)
{
    learn_that_it_is_brief();
    const char *never = scratch("never");
    sk_ref stuck = sk_remote(brief, never, 1, WAITS), r[8];
    for (int i = 0; i < 8; i++)
        r[i] = sk_remote(brief, "", i, NOTHING);
    sk_cancel(stuck, SK_FORCE);
    (void)FAILS(stuck, SK_CANCELLED);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(sk_get(int64_t, r[i]), i);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

SK_REMOTE(int64_t, parent_of_four, (int64_t, x))
{
    sk_ref r[4];
    int64_t sum = 0;
    for (int i = 0; i < 4; i++)
        r[i] = sk_remote(brief, "", x, NOTHING);
    for (int i = 0; i < 4; i++)
        sum += sk_take(int64_t, r[i]);
    return sum;
}

CASE(who_waits_for_brief_tasks_does_not_wait_for_a_long_one_before_them, ISOLATED)
{
    learn_that_it_is_brief();
    for (int round = 0; round < 40; round++) {
        char name[30];
        snprintf(name, sizeof name, "go %d", round);
        const char *go = scratch(name);
        sk_ref stuck = sk_remote(brief, go, 1, WAITS);
        ck_assert_int_eq(sk_take(int64_t, sk_remote(parent_of_four, round)), 4 * round);
        attempt(go);
        ck_assert_int_eq(sk_take(int64_t, stuck), 1);
    }
}

static void turn_for(int64_t us)
{
    for (int64_t end = g_get_monotonic_time() + us; g_get_monotonic_time() < end;)
        ;
}

SK_REMOTE(int64_t, turns_for, (int64_t, us))
{
    turn_for(us);
    return us;
}

/* Some of them have begun, behind a task whose answer is on its way, when they are cancelled: nobody else will end them. */
CASE_ON_ONE_WORKER(brief_tasks_that_never_end_are_ended_by_force_whenever_that_comes)
{
    learn_that_it_is_brief();
    const char *never = scratch("never");
    for (int round = 0; round < 100; round++) {
        sk_ref first = sk_remote(turns_for, 300), stuck = sk_remote(brief, never, 1, WAITS);
        turn_for(200 + round * 2);
        sk_cancel(stuck, SK_FORCE);
        (void)FAILS(stuck, SK_CANCELLED);
        ck_assert_int_eq(sk_take(int64_t, first), 300);
    }
    ck_assert_int_eq(sk_take(int64_t, sk_remote(brief, "", 7, NOTHING)), 7);
}

static void one_asks_while_others_are_had_back(void)
{
    learn_that_it_is_brief();
    char name[30];
    static int round;
    snprintf(name, sizeof name, "go %d", round++);
    const char *go = scratch(name);
    sk_ref first = sk_remote(brief, go, 1, WAITS), r[MANY];
    for (int i = 0; i < MANY; i++)
        r[i] = sk_remote(brief, "", i, i == 0 ? ASKS : NOTHING);
    turn_for(25000);                           /* now it takes long, */
    attempt(go);                               /* ends, */
    sk_ref last = sk_remote(brief, "", 1, NOTHING);            /* and somebody looks whether it does */
    ck_assert_int_eq(sk_take(int64_t, first), 1);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
    ck_assert_int_eq(sk_take(int64_t, last), 1);
}

/* Again and again from the start, when there is one process: it begins to ask while it is to give back what is behind, and the node starts another task, since
 * it does not know that yet. */
CASE(a_node_whose_only_process_waits_gets_another, .needs = SK_CAN_NODES | SK_CAN_ISOLATE, .by_hand = true)
{
    for (int round = 0; round < 10; round++) {
        start(&(sk_config){ .workers = 1, .nodes = 2 });
        on_one_worker(1, one_asks_while_others_are_had_back);
        stop();
    }
}

SK_REMOTE(int64_t, waits_for_one_that_lacks, (const char *, what))
{
    return sk_get(int64_t, sk_remote_with(ON_NODE(sk_node(), .resources = what), one_more, (int64_t)1));
}

CASE(a_time_limit_that_was_kept_does_not_hide_a_deadlock, ISOLATED, .config.nodes = 1, .config.resources = "lock=1")
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote_with(SK_OPTS(.timeout_s = 3600), one_more, (int64_t)1)), 2);
    sk_ref r = sk_remote_with(ON_NODE(nodes_here() - 1, .resources = "lock=1"), waits_for_one_that_lacks, "lock=1");
    (void)FAILS(r, SK_DEADLOCK);
}

/* ---- tasks with arrays: these take longer, and one at most is sent ahead, with what it reads and room for what it makes ---- */

enum { ARRAYS = 60 };

static int64_t longs(int64_t number, bool same) { return (same ? 1 << 18 : 1 << (13 + number % 6)) - 8; }     /* 2 MB with its header; or 64 KB to 2 MB */

SK_REMOTE(sk_array, made, (int64_t, number), (int, same), (const char *, file), (int, does))
{
    if (does == DIES_FIRST && attempt(file) == 1)
        die_by(BY_KILL);
    sk_array a = sk_new_array(SK_I64, does == NOTHING || does == DIES_FIRST ? longs(number, same) : 1);
    for (int64_t i = 0; i < sk_len(a); i++)
        sk_write(int64_t, a)[i] = number + i;
    return a;
}

SK_REMOTE(int64_t, looked_at, (sk_array, a), (int64_t, number), (const char *, file), (int, does))
{
    if (does == DIES_FIRST && attempt(file) == 1)
        die_by(BY_KILL);
    if (does == WAITS)
        await(file, number);
    if (does == RUNS)
        attempt(file);
    for (int64_t i = 0; i < sk_len(a); i++)
        if (sk_read(int64_t, a)[i] != sk_read(int64_t, a)[0] + i)
            return -1;
    return sk_read(int64_t, a)[0];
}

static void make_and_look(bool same, int dies)
{
    sk_ref a[ARRAYS], seen[ARRAYS];
    char name[30];
    for (int i = 0; i < ARRAYS; i++) {
        snprintf(name, sizeof name, "made %d", i);
        a[i] = sk_remote(made, (int64_t)i, same, dies && i % dies == 3 ? scratch(name) : "", dies && i % dies == 3 ? DIES_FIRST : NOTHING);
    }
    for (int i = 0; i < ARRAYS; i++) {
        snprintf(name, sizeof name, "seen %d", i);
        seen[i] = sk_remote(looked_at, a[i], (int64_t)i, dies && i % dies == 5 ? scratch(name) : "", dies && i % dies == 5 ? DIES_FIRST : NOTHING);
        sk_drop(a[i]);
    }
    for (int i = 0; i < ARRAYS; i++)
        ck_assert_int_eq(sk_take(int64_t, seen[i]), i);
}

CASE(arrays_of_tasks_sent_ahead_are_their_own, ISOLATED)
{
    for (int round = 0; round < 4; round++)
        make_and_look(true, 0);
    ck_assert_uint_eq(sk_stats().attempts, 4 * 2 * ARRAYS);
}

CASE(arrays_whose_sizes_change_are_their_own, ISOLATED)
{
    for (int round = 0; round < 4; round++)
        make_and_look(round % 2, 0);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

CASE(arrays_are_whole_in_a_store_that_holds_few_of_them, ISOLATED, .config.store_bytes = 9 << 20)
{
    for (int round = 0; round < 2; round++)
        make_and_look(true, 0);
}

static void only_those_with_arrays_are_charged(void)
{
    uint64_t before = sk_stats().attempts;
    make_and_look(true, 0);
    make_and_look(true, 15);
    ck_assert_uint_eq(sk_stats().retries, 2 * ARRAYS / 15);
    ck_assert_uint_eq(sk_stats().attempts - before, 4 * ARRAYS + 2 * ARRAYS / 15);
}
CASE(only_those_with_arrays_that_die_are_charged, ISOLATED)                       { only_those_with_arrays_are_charged(); }
CASE_ON_ONE_WORKER(only_those_with_arrays_that_die_are_charged_on_one_worker)     { only_those_with_arrays_are_charged(); }

CASE(room_that_came_along_and_was_not_needed_is_free_again, ISOLATED)
{
    make_and_look(true, 0);
    uint64_t before = sk_stats().bytes_live;
    sk_ref r[ARRAYS];
    for (int i = 0; i < ARRAYS; i++)
        r[i] = sk_remote(made, (int64_t)i, true, "", RUNS);
    for (int i = 0; i < ARRAYS; i++)
        ck_assert_int_eq(sk_len(sk_get(sk_array, r[i])), 1);
    EVENTUALLY(sk_stats().bytes_live < before + 100000);
    for (int i = 0; i < ARRAYS; i++)
        sk_drop(r[i]);
    EVENTUALLY(sk_stats().bytes_live == before);
}

CASE_ON_ONE_WORKER(what_a_cancelled_task_was_to_read_is_free_again)
{
    make_and_look(true, 0);
    const char *go = scratch("go"), *ran = scratch("ran");
    sk_ref a[4], r[4];
    for (int i = 0; i < 4; i++)
        a[i] = sk_remote(made, (int64_t)i, true, "", NOTHING);
    sk_wait(a, 4, 4, 3600);
    sk_ref first = sk_remote(looked_at, a[1], (int64_t)1, go, WAITS);
    for (int i = 0; i < 4; i++) {
        r[i] = sk_remote(looked_at, a[i], (int64_t)i, ran, RUNS);
        sk_drop(a[i]);
    }
    for (int i = 0; i < 3; i++)
        sk_cancel(r[i], 0);
    attempt(go);
    ck_assert_int_eq(sk_get(int64_t, first), 1);
    ck_assert_int_eq(sk_get(int64_t, r[3]), 3);
    for (int i = 0; i < 3; i++)
        (void)FAILS(r[i], SK_CANCELLED);
    ck_assert_int_eq(attempts_in(ran), 1);
    make_and_look(true, 0);
}

/* The other worker is never idle: there is always more for it to do. */
CASE(what_was_sent_behind_a_task_that_takes_long_is_had_back_though_nobody_is_idle, ISOLATED)
{
    enum { BEHIND = 8, PLENTY = 400 };
    learn_that_it_is_brief();
    const char *file = scratch("ran");
    static sk_ref more[PLENTY];
    for (int i = 0; i < PLENTY; i++)
        more[i] = sk_remote(turns_for, 200);
    sk_ref r[1 + BEHIND];
    for (int i = 0; i < 1 + BEHIND; i++)
        r[i] = sk_remote(brief, file, BEHIND, i ? RUNS : WAITS);
    for (int i = 0; sk_wait(r, 1, 1, 0) < 1; i++) {
        ck_assert_int_eq(sk_take(int64_t, more[i % PLENTY]), 200);
        more[i % PLENTY] = sk_remote(turns_for, 200);
    }
    for (int i = 0; i < 1 + BEHIND; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), BEHIND);
    for (int i = 0; i < PLENTY; i++)
        sk_drop(more[i]);
}

static int64_t longs_in(int64_t kb) { return kb * 128 - 8; }

SK_REMOTE(sk_array, of_size, (int64_t, kb))
{
    sk_array a = sk_new_array(SK_I64, longs_in(kb));
    for (int64_t i = 0; i < sk_len(a); i++)
        sk_write(int64_t, a)[i] = i;
    return a;
}

SK_REMOTE(sk_array, after_its_child, (int64_t, childs), (int64_t, own))
{
    sk_ref child = sk_remote(of_size, childs);
    sk_scope {
        if (sk_len(sk_take(sk_array, child)) != longs_in(childs))
            sk_fail("the child's array has another length");
    }
    return sk_new_array(SK_I64, longs_in(own));
}

/* Together they are more than the store holds. That it makes one itself is known after two of them. */
CASE(room_that_came_along_is_there_for_the_child_that_a_task_waits_for, ISOLATED, .config = { .workers = 2, .store_bytes = 16 << 20, .spill_dir = "none" })
{
    for (int round = 0; round < 6; round++) {
        sk_ref r = sk_remote(after_its_child, 12 << 10, 6 << 10);
        sk_scope { ck_assert_int_eq(sk_len(sk_get(sk_array, r)), longs_in(6 << 10)); }
        sk_drop(r);
    }
}

SK_REMOTE(sk_buf, text_of_both, (sk_array, a), (sk_array, b))
{
    static char text[25000];
    turn_for(800);
    text[0] = (char)(sk_read(int64_t, a)[1] + sk_read(int64_t, b)[2]);
    return sk_buf_of(text, sizeof text);
}

/* Eight arrays nearly fill the store, and the answers need some of it. Two tasks run, and two wait behind them: all arrays would be pinned. */
CASE(small_answers_find_room_though_tasks_wait_behind_others_with_their_arrays, ISOLATED, .config.store_bytes = 12 << 20)
{
    enum { A = 8, T = 120 };
    sk_ref a[A], t[T];
    for (int i = 0; i < A; i++)
        a[i] = sk_remote(of_size, 1406);
    sk_wait(a, A, A, 3600);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < T; i++)
            t[i] = sk_remote(text_of_both, a[2 * i % A], a[(2 * i + 1) % A]);
        for (int i = 0; i < T; i++)
            ck_assert_int_eq(*(const char *)sk_get(sk_buf, t[i]).data, 3);
        for (int i = 0; i < T; i++)
            sk_drop(t[i]);
    }
    for (int i = 0; i < A; i++)
        sk_drop(a[i]);
}
