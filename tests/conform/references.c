/* references.c -- sk_drop, sk_dup, sk_scope and what is dropped by itself. What is left at the end of a case the frame counts. */
#include "conform.h"

static uint64_t live(void) { return sk_stats().objects_live; }

CASE(a_dropped_object_is_freed)
{
    uint64_t before = live();
    sk_ref x = sk_put((const char *)"a text of some length that takes bytes in the store");
    ck_assert_uint_eq(live(), before + 1);
    ck_assert_uint_gt(sk_stats().bytes_live, 0);
    sk_drop(x);
    EVENTUALLY(live() == before && sk_stats().bytes_live == 0);
}

CASE(a_duplicate_keeps_the_object)
{
    sk_ref x = sk_put(1), y = sk_dup(x), z = sk_dup(y);
    sk_drop(x);
    ck_assert_int_eq(sk_get(int, y), 1);
    sk_drop(y);
    ck_assert_int_eq(sk_get(int, z), 1);
    sk_drop(z);
    EVENTUALLY(live() == 0);
}

CASE(a_scope_drops_what_was_made_inside)
{
    for (int i = 0; i < 100; i++)
        sk_scope {
            sk_ref x = sk_put(i);
            ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, x, 1)), i + 1);
        }
    EVENTUALLY(live() == 0);
}

CASE(a_scope_can_be_left_by_break)
{
    int i;
    for (i = 0; i < 10; i++) {
        sk_scope {
            sk_put(i);
            if (i == 5)
                break;
            sk_put(i);
        }
    }
    ck_assert_int_eq(i, 10);        /* break leaves the scope, not the loop around it */
    EVENTUALLY(live() == 0);
}

static int leaves_by_return(void)
{
    sk_scope {
        sk_scope {
            sk_put(1);
            return sk_get(int, sk_put(2));
        }
    }
    return 0;
}

static void leaves_by_goto(void)
{
    sk_scope {
        sk_put(1);
        goto out;
    }
out:
    EVENTUALLY(live() == 0);
}

CASE(a_scope_can_be_left_by_return_and_goto)
{
    ck_assert_int_eq(leaves_by_return(), 2);
    EVENTUALLY(live() == 0);
    leaves_by_goto();
}

CASE(scopes_nest)
{
    sk_scope {
        sk_ref outer = sk_put(1);
        sk_scope {
            sk_put(2);
            sk_put(3);
        }
        EVENTUALLY(live() == 1);
        ck_assert_int_eq(sk_get(int, outer), 1);
    }
    EVENTUALLY(live() == 0);
}

CASE(what_was_made_before_a_scope_outlives_it)
{
    sk_ref before = sk_put(1), late;
    sk_scope {
        sk_put(2);
        late = sk_put(3);
        sk_drop(late);              /* dropping by hand inside is fine too */
    }
    ck_assert_int_eq(sk_get(int, before), 1);
    EVENTUALLY(live() == 1);
}

CASE(a_ref_from_before_may_be_dropped_inside_a_scope)
{
    sk_ref before = sk_put(1), other = sk_put(2);
    sk_scope {
        sk_put(3);
        sk_drop(before);
        sk_put(4);
    }
    ck_assert_int_eq(sk_get(int, other), 2);
    EVENTUALLY(live() == 1);
}

CASE(dup_makes_a_reference_that_outlives_the_scope)
{
    sk_ref kept = { 0 };
    sk_scope {
        sk_ref x = sk_put(7);
        kept = sk_dup(x);
    }
    ck_assert_int_eq(sk_get(int, kept), 7);
    sk_drop(kept);
    EVENTUALLY(live() == 0);
}

CASE(dup_outlives_all_scopes_around_it)
{
    sk_ref kept = { 0 };
    sk_scope {
        sk_ref x = sk_put(7);
        sk_scope {
            kept = sk_dup(x);
        }
        ck_assert_int_eq(sk_get(int, kept), 7);
    }
    ck_assert_int_eq(sk_get(int, kept), 7);
    sk_drop(kept);
    EVENTUALLY(live() == 0);
}

SK_REMOTE(int64_t, makes_a_hundred, (int64_t, n))
{
    sk_ref last = sk_put(0);
    for (int64_t i = 0; i < n; i++)
        last = sk_remote(plus, last, 1);
    return sk_get(int64_t, last);
}

CASE(what_a_task_makes_is_dropped_when_it_returns)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(makes_a_hundred, 100)), 100);
    EVENTUALLY(live() == 1);        /* the answer */
}

SK_REMOTE(sk_list, keeps_one_of, (int64_t, n))
{
    sk_ref one = sk_put(n);
    for (int64_t i = 0; i < n; i++)
        sk_put(i);
    return sk_list_of(&one, 1);
}

CASE(what_a_task_returns_lives_with_the_answer)
{
    sk_ref answer = sk_remote(keeps_one_of, 50);
    sk_list list = sk_get(sk_list, answer);
    EVENTUALLY(live() == 2);
    sk_ref kept = sk_dup(list.refs[0]);
    sk_drop(answer);
    EVENTUALLY(live() == 1);
    ck_assert_int_eq(sk_get(int64_t, kept), 50);
    sk_drop(kept);
    EVENTUALLY(live() == 0);
}

SK_REMOTE(int64_t, scopes_inside, (int64_t, n))
{
    uint64_t most = 0, before = sk_stats().objects_live;
    for (int64_t i = 0; i < n; i++)
        sk_scope {
            sk_put(i);
            uint64_t now = sk_stats().objects_live - before;
            most = now > most ? now : most;
        }
    return (int64_t)most;
}

CASE(a_scope_works_inside_a_task) { ck_assert_int_eq(sk_get(int64_t, sk_remote(scopes_inside, 100)), 1); }

CASE(a_list_keeps_the_objects_in_it)
{
    sk_ref refs[10];
    for (int i = 0; i < 10; i++)
        refs[i] = sk_put(i);
    sk_ref list = sk_put(sk_list_of(refs, 10));
    for (int i = 0; i < 10; i++)
        sk_drop(refs[i]);
    EVENTUALLY(live() == 11);
    ck_assert_int_eq(sk_get(int, sk_get(sk_list, list).refs[9]), 9);
    sk_drop(list);
    EVENTUALLY(live() == 0);
}

CASE(a_ref_twice_in_a_list_is_counted_twice)
{
    sk_ref x = sk_put(1), refs[2] = { x, x };
    sk_ref a = sk_put(sk_list_of(refs, 2)), b = sk_put(sk_list_of(refs, 2));
    sk_drop(x);
    sk_drop(a);
    ck_assert_int_eq(sk_get(int, sk_get(sk_list, b).refs[1]), 1);
    sk_drop(b);
    EVENTUALLY(live() == 0);
}

CASE(a_pending_task_keeps_its_arguments)
{
    sk_ref gate = sk_promise(), x = sk_put((const char *)"kept");
    sk_ref task = sk_remote(join, x, gate);
    sk_drop(x);
    sk_fulfil(gate, (const char *)"!");
    sk_drop(gate);
    ck_assert_str_eq(sk_get(const char *, task), "(kept!)");
    EVENTUALLY(live() == 1);
}

CASE(a_task_runs_though_its_answer_was_dropped, .leaves = true)
{
    sk_ref done = sk_promise();
    sk_ref both[2] = { done, sk_put(1) };
    sk_ref task = sk_remote(hold, sk_list_of(both, 2));
    sk_ref after = sk_remote(same, task);
    sk_drop(task);
    ck_assert_int_eq(sk_get(int64_t, after), 1);
    ck_assert_int_eq(sk_get(int64_t, done), 1);
}

CASE(dropping_a_promise_nobody_waits_for_frees_it)
{
    sk_drop(sk_promise());
    EVENTUALLY(live() == 0);
}

CASE(a_list_of_a_list_of_a_list_is_freed_without_deep_recursion)
{
    sk_ref x = sk_put(1);
    for (int i = 0; i < 100000; i++) {
        sk_ref outer = sk_put(sk_list_of(&x, 1));
        sk_drop(x);
        x = outer;
    }
    sk_drop(x);
    EVENTUALLY(live() == 0 && sk_stats().bytes_live == 0);
}

CASE(a_chain_of_a_hundred_thousand_tasks_runs_without_deep_recursion)
{
    sk_ref gate = sk_promise(), x = sk_dup(gate);
    for (int i = 0; i < 100000; i++) {
        sk_ref next = sk_remote(plus, x, 1);
        sk_drop(x);
        x = next;
    }
    sk_fulfil(gate, 0);
    ck_assert_int_eq(sk_get(int64_t, x), 100000);
}

CASE(only_what_is_needed_of_a_long_chain_stays_alive)
{
    sk_ref x = sk_put(0);
    for (int i = 0; i < 1000; i++) {
        sk_ref next = sk_remote(plus, x, 1);
        sk_drop(x);
        x = next;
    }
    ck_assert_int_eq(sk_get(int64_t, x), 1000);
    EVENTUALLY(live() == 1);
}

static void prints_refs(void)
{
    start(NULL);
    for (int i = 0; i < 3; i++)
        sk_put(i);
    size_t total = sk_print_refs();
    printf("total %zu\n", total);
    stop();
}

CASE(print_refs_lists_submit_sites_and_counts, .by_hand = true)
{
    ending end = run_apart(prints_refs);
    CONTAINS(end.output, "references.c");
    CONTAINS(end.output, "3 refs");
    CONTAINS(end.output, "total 3");
    ck_assert_int_eq(end.status, 0);
}

CASE(shutdown_drops_the_drivers_refs_and_runs_what_was_submitted, .leaves = true)
{
    sk_ref x = sk_put(1);
    for (int i = 0; i < 100; i++)
        x = sk_remote(plus, x, 1);
    sk_dup(x);                      /* outlives the frame's scope */
}
