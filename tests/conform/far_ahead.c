/* far_ahead.c -- short tasks are sent to another node before the one that its worker runs has ended: nothing of that may show. As isolation_ahead.c, which
 * has the bodies; but what was sent can only be had back by asking the node, and meanwhile anything may happen.
 *
 * Node 1 has one worker, and the driver's node as well: what is not told where to go may go to either. */
#include "isolation.h"

#include <glib.h>

enum { MANY = 300 };

#define FAR_AHEAD .needs = SK_CAN_NODES | SK_CAN_ISOLATE, .by_hand = true
#define THERE SK_OPTS(.node = 1)

SK_REMOTE(int64_t, asks_there, (int64_t, x)) { return sk_get(int64_t, sk_remote_with(THERE, one_more, x)) - 1; }

SK_REMOTE(sk_array, counted_from, (int64_t, first), (int64_t, long_))
{
    sk_array a = sk_new_array(SK_I64, long_);
    for (int64_t i = 0; i < long_; i++)
        sk_write(int64_t, a)[i] = first + i;
    return a;
}

SK_REMOTE(int64_t, start_of, (sk_array, a), (const char *, file), (int, does))
{
    if (does == RUNS)
        attempt(file);
    while (does == WAITS && attempts_in(file) < 1)
        usleep(100);
    for (int64_t i = 0; i < sk_len(a); i++)
        if (sk_read(int64_t, a)[i] != sk_read(int64_t, a)[0] + i)
            return -1;
    return sk_read(int64_t, a)[0];
}

static void start_two(void) { start(&(sk_config){ .workers = 1, .nodes = 2 }); }

/* What node 1 was told before it has heard then: it sends the bytes of this array when it comes to that. Nobody waits for it before: they
 * would set out at once. */
static sk_ref made_there(void) { return sk_remote_with(THERE, counted_from, (int64_t)5, (int64_t)100000); }

static void let_it_hear(sk_ref made) { ck_assert_int_eq(sk_read(int64_t, sk_get(sk_array, made))[0], 5); }

static void learn_that_it_is_brief(void)
{
    sk_ref r[MANY];
    for (int i = 0; i < MANY; i++)
        r[i] = sk_remote_with(THERE, brief, "", (int64_t)i, NOTHING);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
}

CASE(answers_of_tasks_sent_ahead_to_another_node_are_their_own, FAR_AHEAD)
{
    start_two();
    for (int round = 0; round < 20; round++)
        learn_that_it_is_brief();
    ck_assert_uint_eq(sk_stats().attempts, 20 * MANY);
    ck_assert_uint_eq(sk_stats().tasks_done, 20 * MANY);
    stop();
}

CASE(only_those_that_die_are_charged_among_tasks_sent_ahead_to_another_node, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    sk_ref r[MANY];
    unsigned deaths = 0;
    for (int i = 0; i < MANY; i++) {
        bool dies = i % 37 == 5;
        deaths += dies;
        char name[30];
        snprintf(name, sizeof name, "attempts %d", i);
        r[i] = sk_remote_with(THERE, brief, dies ? scratch(name) : "", (int64_t)i, dies ? DIES_FIRST : NOTHING);
    }
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
    ck_assert_uint_eq(sk_stats().retries, deaths);
    ck_assert_uint_eq(sk_stats().attempts, 2 * MANY + deaths);
    stop();
}

CASE(a_node_that_is_lost_costs_an_attempt_of_what_ran_and_none_of_what_was_sent_ahead, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    const char *file = scratch("killed");
    sk_ref r[MANY], gate = sk_remote_with(SK_OPTS(.node = SK_ZERO), brief, file, 1, WAITS);      /* so that all others go there */
    for (int i = 0; i < MANY; i++)
        r[i] = sk_remote(brief, i == MANY / 2 ? file : "", (int64_t)i, i == MANY / 2 ? KILLS_NODE : NOTHING);
    ck_assert_int_eq(sk_take(int64_t, gate), 1);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
    ck_assert_uint_eq(sk_stats().retries, 1);
    ck_assert_int_eq(attempts_in(file), 2);
    stop();
}

CASE(a_task_that_was_sent_ahead_to_another_node_and_is_cancelled_does_not_run, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    const char *go = scratch("go"), *ran = scratch("ran");
    sk_ref made = made_there(), first = sk_remote_with(THERE, brief, go, 1, WAITS), r[8];
    for (int i = 0; i < 8; i++)
        r[i] = sk_remote_with(THERE, brief, ran, (int64_t)i, RUNS);
    for (int i = 1; i < 8; i++)
        sk_cancel(r[i], 0);
    for (int i = 1; i < 8; i++)
        (void)FAILS(r[i], SK_CANCELLED);
    let_it_hear(made);
    attempt(go);
    ck_assert_int_eq(sk_get(int64_t, first), 1);
    ck_assert_int_eq(sk_get(int64_t, r[0]), 0);
    learn_that_it_is_brief();
    ck_assert_int_eq(attempts_in(ran), 1);
    stop();
}

CASE(what_is_urgent_on_another_node_does_not_wait_for_what_was_sent_there_ahead, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    const char *go = scratch("go"), *ran = scratch("ran");
    sk_ref made = made_there(), first = sk_remote_with(THERE, brief, go, 1, WAITS), r[8];
    for (int i = 0; i < 8; i++)
        r[i] = sk_remote_with(THERE, brief, ran, (int64_t)i, RUNS);
    sk_ref urgent = sk_remote_with(SK_OPTS(.node = 1, .priority = 5), dies_at_first, ran, 0, BY_KILL);      /* says how many have run by then */
    let_it_hear(made);
    attempt(go);
    ck_assert_int_eq(sk_get(int64_t, first), 1);
    ck_assert_int_eq(sk_get(int64_t, urgent), 1);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(sk_get(int64_t, r[i]), i);
    stop();
}

CASE(a_brief_task_on_another_node_that_asks_for_another_there_is_not_behind_itself, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    sk_ref r[MANY];
    for (int i = 0; i < MANY; i++)
        r[i] = i % 50 == 7 ? sk_remote_with(THERE, asks_there, (int64_t)i) : sk_remote_with(THERE, brief, "", (int64_t)i, NOTHING);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
    stop();
}

/* Each time the node is asked to close gates that its worker may be passing. */
CASE(tasks_are_had_back_from_a_node_whatever_its_worker_does_meanwhile, FAR_AHEAD)
{
    enum { EACH = 24 };
    start_two();
    learn_that_it_is_brief();
    for (int round = 0; round < 400; round++) {
        sk_ref r[EACH], ref = sk_remote_with(THERE, turns_for, (int64_t)round % 40);
        for (int i = 0; i < EACH; i++)
            r[i] = sk_remote_with(THERE, brief, "", (int64_t)i, NOTHING);
        sk_cancel(r[EACH - 1], 0);
        ck_assert_int_eq(sk_take(int64_t, ref), round % 40);
        for (int i = 0; i < EACH - 1; i++)
            ck_assert_int_eq(sk_take(int64_t, r[i]), i);
        sk_drop(r[EACH - 1]);
    }
    ck_assert_uint_eq(sk_stats().retries, 0);
    stop();
}

CASE(a_brief_task_on_another_node_that_is_cancelled_by_force_dies_alone, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    const char *never = scratch("never");
    for (int round = 0; round < 4; round++) {
        sk_ref stuck = sk_remote_with(THERE, brief, never, 1, WAITS), r[8];
        for (int i = 0; i < 8; i++)
            r[i] = sk_remote_with(THERE, brief, "", (int64_t)i, NOTHING);
        sk_cancel(stuck, SK_FORCE);
        (void)FAILS(stuck, SK_CANCELLED);
        for (int i = 0; i < 8; i++)
            ck_assert_int_eq(sk_take(int64_t, r[i]), i);
        sk_drop(stuck);
    }
    ck_assert_uint_eq(sk_stats().retries, 0);
    stop();
}

CASE(a_task_on_another_node_is_ended_in_time_though_others_are_behind_it, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    sk_ref stuck = sk_remote_with(SK_OPTS(.node = 1, .timeout_s = 0.05), brief, scratch("never"), 1, WAITS), r[8];
    for (int i = 0; i < 8; i++)
        r[i] = sk_remote_with(THERE, brief, "", (int64_t)i, NOTHING);
    (void)FAILS(stuck, SK_TASK_TIMEOUT);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(sk_take(int64_t, r[i]), i);
    stop();
}

/* Some of them have begun, behind a task whose answer is on its way, when they are cancelled: nobody else will end them. */
CASE(brief_tasks_on_another_node_that_never_end_are_ended_by_force_whenever_that_comes, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    const char *never = scratch("never");
    for (int round = 0; round < 50; round++) {
        sk_ref first = sk_remote_with(THERE, turns_for, (int64_t)300), stuck = sk_remote_with(THERE, brief, never, 1, WAITS);
        for (gint64 end = g_get_monotonic_time() + 200 + round * 8; g_get_monotonic_time() < end; )
            ;
        sk_cancel(stuck, SK_FORCE);
        (void)FAILS(stuck, SK_CANCELLED);
        ck_assert_int_eq(sk_take(int64_t, first), 300);
        sk_drop(stuck);
    }
    ck_assert_int_eq(sk_take(int64_t, sk_remote_with(THERE, brief, "", 7, NOTHING)), 7);
    stop();
}

static void make_and_look(void)
{
    enum { ARRAYS = 40 };
    sk_ref a[ARRAYS], seen[ARRAYS];
    for (int i = 0; i < ARRAYS; i++)
        a[i] = sk_remote_with(THERE, counted_from, (int64_t)i, (int64_t)(1 << 16));
    for (int i = 0; i < ARRAYS; i++) {
        seen[i] = sk_remote_with(THERE, start_of, a[i], "", NOTHING);
        sk_drop(a[i]);
    }
    for (int i = 0; i < ARRAYS; i++)
        ck_assert_int_eq(sk_take(int64_t, seen[i]), i);
}

CASE(arrays_of_tasks_sent_ahead_to_another_node_are_their_own, FAR_AHEAD)
{
    start_two();
    for (int round = 0; round < 4; round++)
        make_and_look();
    ck_assert_uint_eq(sk_stats().retries, 0);
    stop();
}

CASE(what_a_cancelled_task_was_to_read_on_another_node_is_free_again, FAR_AHEAD)
{
    start_two();
    make_and_look();
    const char *go = scratch("go"), *ran = scratch("ran");
    sk_ref a[4], r[4];
    for (int i = 0; i < 4; i++)
        a[i] = sk_remote_with(THERE, counted_from, (int64_t)i, (int64_t)(1 << 16));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(sk_take(int64_t, sk_remote_with(THERE, start_of, a[i], "", NOTHING)), i);
    sk_ref first = sk_remote_with(THERE, start_of, a[1], go, WAITS);
    for (int i = 0; i < 4; i++) {
        r[i] = sk_remote_with(THERE, start_of, a[i], ran, RUNS);
        sk_drop(a[i]);
    }
    for (int i = 0; i < 3; i++)
        sk_cancel(r[i], 0);
    attempt(go);
    ck_assert_int_eq(sk_take(int64_t, first), 1);
    ck_assert_int_eq(sk_take(int64_t, r[3]), 3);
    for (int i = 0; i < 3; i++) {
        (void)FAILS(r[i], SK_CANCELLED);
        sk_drop(r[i]);
    }
    EVENTUALLY(sk_stats().bytes_live < 1 << 16);
    stop();
}

CASE(a_program_may_end_while_tasks_are_ahead_on_another_node, FAR_AHEAD)
{
    start_two();
    learn_that_it_is_brief();
    for (int i = 0; i < MANY; i++)
        sk_drop(sk_remote_with(THERE, brief, "", (int64_t)i, NOTHING));
    stop();
}
