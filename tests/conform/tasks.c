/* tasks.c -- sk_remote: arguments by value and by ref, several answers, functions from other files, map and reduce. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE                 /* asprintf */
#endif
#include "conform.h"
#include "other.h"

CASE(a_task_adds_two_numbers)
{
    ck_assert(sk_get(double, sk_remote(add, 1.0, 2.0)) == 3);
}

CASE(values_and_refs_mix_as_arguments)
{
    sk_ref one = sk_put(1.0), two = sk_put(2.0);
    ck_assert(sk_get(double, sk_remote(add, one, two)) == 3);
    ck_assert(sk_get(double, sk_remote(add, 1.0, two)) == 3);
    ck_assert(sk_get(double, sk_remote(add, one, 2.0)) == 3);
    ck_assert(sk_get(double, sk_remote(add, one, one)) == 2);
}

CASE(a_task_waits_for_the_task_that_makes_its_argument)
{
    sk_ref x = sk_remote(add, 1.0, 2.0);
    sk_ref y = sk_remote(add, x, x);
    ck_assert(sk_get(double, sk_remote(add, x, y)) == 9);
}

CASE(calls_nest)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, sk_remote(plus, sk_remote(plus, sk_remote(plus, 1, 2), 3),
        sk_remote(plus, sk_remote(plus, 4, 5), 6)), sk_remote(plus, 7, sk_remote(plus, 8, 9)))), 45);
}

CASE(each_argument_is_evaluated_once)
{
    int i = 0;
    sk_ref x = sk_remote(plus, ++i, 10);
    ck_assert_int_eq(i, 1);
    ck_assert_int_eq(sk_get(int64_t, x), 11);
    ck_assert_int_eq(sk_get(int, sk_put(++i)), 2);
    ck_assert_int_eq(i, 2);
}

CASE(a_task_without_arguments_and_answer_can_be_waited_for)
{
    sk_ref x = sk_remote(nothing);
    (void)sk_get(sk_none, x);
    ck_assert_uint_eq(sk_wait(&x, 1, 1, SK_FOREVER), 1);
}

SK_REMOTE(double, eight, (int, a), (unsigned, b), (int64_t, c), (uint64_t, d), (float, e), (double, f), (bool, g), (const char *, h))
{
    return a + 10 * b + 100 * (double)c + 1000 * (double)d + 10000 * e + 100000 * f + 1000000 * g + 10000000 * (double)strlen(h);
}

CASE(a_task_takes_eight_arguments)
{
    ck_assert(sk_get(double, sk_remote(eight, 1, 2u, 3L, 4UL, 5.0f, 6.0, true, "12345678")) == 81654321);
    ck_assert(sk_get(double, sk_remote(eight, sk_put(1), sk_put(2u), sk_put(3L), sk_put(4UL), sk_put(5.0f), sk_put(6.0),
                                       sk_put(true), sk_put("12345678"))) == 81654321);
}

CASE(one_ref_may_be_given_for_every_argument)
{
    sk_ref one = sk_remote(same, 1);
    ck_assert(sk_get(double, sk_remote(eight, one, one, one, one, one, one, one, sk_put(""))) == 1111111);
}

CASE(the_body_is_an_ordinary_function_too)
{
    ck_assert(eight_body(1, 2, 3, 4, 5, 6, false, "") == 654321);
    (void)eight;
}

CASE(submitting_returns_before_the_arguments_are_there)
{
    sk_ref gate = sk_promise();
    sk_ref x = sk_remote(plus, gate, 1), y = sk_remote(plus, x, 1);
    int64_t value;
    ck_assert(!sk_try_get(y, &value, 0, NULL));
    sk_fulfil(gate, 40);
    ck_assert_int_eq(sk_get(int64_t, y), 42);
}

CASE(a_chain_of_a_thousand_tasks_counts_to_a_thousand)
{
    sk_ref x = sk_put(0);
    for (int i = 0; i < 1000; i++)
        x = sk_remote(plus, x, 1);
    ck_assert_int_eq(sk_get(int64_t, x), 1000);
}

CASE(a_thousand_tasks_share_one_argument)
{
    sk_ref gate = sk_promise(), refs[1000];
    for (int i = 0; i < 1000; i++)
        refs[i] = sk_remote(plus, gate, i);
    sk_fulfil(gate, 5);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(sk_get(int64_t, refs[i]), 5 + i);
}

CASE(a_grid_of_dependent_tasks_gives_binomials)
{
    sk_ref row[20], next[20];
    for (int i = 0; i < 20; i++)
        row[i] = sk_put(1);
    for (int k = 1; k < 20; k++) {
        next[0] = sk_put(1);
        for (int i = 1; i < 20; i++)
            next[i] = sk_remote(plus, next[i - 1], row[i]);
        memcpy(row, next, sizeof row);
    }
    ck_assert_int_eq(sk_get(int64_t, row[19]), 35345263800);        /* 38 over 19 */
}

CASE(refs_inside_a_list_stay_refs)
{
    sk_ref refs[3] = { sk_put(1), sk_remote(same, 2), sk_put(3) };
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_list, sk_list_of(refs, 3))), 6);
    sk_ref list = sk_put(sk_list_of(refs, 3));
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_list, list)), 6);
}

SK_REMOTE(bool, is_ready, (sk_ref, x))
{
    int64_t value;
    return sk_try_get(x, &value, 0, NULL);
}

CASE(a_parameter_of_type_sk_ref_receives_the_ref_and_does_not_wait)
{
    sk_ref gate = sk_promise();
    ck_assert(!sk_get(bool, sk_remote(is_ready, gate)));
    sk_fulfil(gate, 1);
    ck_assert(sk_get(bool, sk_remote(is_ready, gate)));
}

SK_REMOTE(sk_ref, plus_later, (int64_t, a), (int64_t, b)) { return sk_remote(plus, a, b); }

CASE(a_task_returns_a_ref)
{
    sk_ref outer = sk_remote(plus_later, 1, 2);
    sk_ref inner = sk_get(sk_ref, outer);
    ck_assert_int_eq(sk_get(int64_t, inner), 3);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, inner, 1)), 4);
}

SK_REMOTE(sk_list, count_up, (int64_t, n))
{
    sk_ref refs[100];
    for (int64_t i = 0; i < n; i++)
        refs[i] = sk_remote(same, i);
    return sk_list_of(refs, (size_t)n);
}

CASE(a_task_returns_a_list_of_refs)
{
    sk_ref outer = sk_remote(count_up, 100);
    sk_list list = sk_get(sk_list, outer);
    ck_assert_uint_eq(list.n, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(sk_get(int64_t, list.refs[i]), i);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_list, outer)), 4950);
}

SK_REMOTE(sk_list, the_same_list, (sk_list, refs)) { return refs; }
SK_REMOTE(const char *, the_same_text, (const char *, text)) { return text; }
SK_REMOTE(sk_ref, the_same_ref, (sk_ref, ref)) { return ref; }

CASE(a_task_returns_what_it_was_given)
{
    sk_ref refs[2] = { sk_put(1), sk_put(2) };
    sk_ref list = sk_remote(the_same_list, sk_list_of(refs, 2));
    sk_drop(refs[0]);
    ck_assert_int_eq(sk_get(int, sk_get(sk_list, list).refs[0]), 1);
    ck_assert_str_eq(sk_get(const char *, sk_remote(the_same_text, "text")), "text");
    sk_ref through = sk_remote(the_same_ref, refs[1]);
    sk_drop(refs[1]);
    ck_assert_int_eq(sk_get(int, sk_get(sk_ref, through)), 2);
}

CASE(several_answers_arrive_each_in_its_own_ref)
{
    sk_ref refs[2];
    sk_remote_into(refs, divmod, 17, 5);
    ck_assert_int_eq(sk_get(int64_t, refs[1]), 2);
    ck_assert_int_eq(sk_get(int64_t, refs[0]), 3);
}

CASE(each_of_several_answers_can_be_used_alone)
{
    sk_ref refs[2];
    sk_remote_into(refs, divmod, 17, 5);
    sk_drop(refs[0]);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, refs[1], 40)), 42);
    sk_remote_into(refs, divmod, sk_remote(plus, 10, 7), sk_put(5));
    sk_drop(refs[1]);
    ck_assert_int_eq(sk_get(int64_t, refs[0]), 3);
}

CASE(all_of_several_answers_carry_the_failure)
{
    sk_ref refs[2];
    sk_remote_into(refs, divmod, 17, 0);
    for (int i = 0; i < 2; i++)
        CONTAINS(FAILS(refs[i], SK_TASK).message, "17 divided by zero");
}

SK_REMOTE_OUT(eight_answers, ((int, a), (int, b), (int, c), (int, d), (const char *, e), (double, f), (bool, g), (sk_ref, h)), (int, x))
{
    *a = x, *b = x + 1, *c = x + 2, *d = x + 3;
    *e = "five", *f = 0.5, *g = true, *h = sk_put(x);
}

CASE(a_task_gives_eight_answers)
{
    sk_ref r[8];
    sk_remote_into(r, eight_answers, 10);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(sk_get(int, r[i]), 10 + i);
    ck_assert_str_eq(sk_get(const char *, r[4]), "five");
    ck_assert(sk_get(double, r[5]) == 0.5 && sk_get(bool, r[6]));
    ck_assert_int_eq(sk_get(int, sk_get(sk_ref, r[7])), 10);
}

SK_REMOTE_DECLARE(bool, is_odd, (int64_t, n));
SK_REMOTE(bool, is_even, (int64_t, n)) { return n == 0 || sk_get(bool, sk_remote(is_odd, n - 1)); }
SK_REMOTE(bool, is_odd, (int64_t, n)) { return n != 0 && sk_get(bool, sk_remote(is_even, n - 1)); }

CASE(functions_may_call_each_other_before_their_definition)
{
    ck_assert(sk_get(bool, sk_remote(is_even, 40)));
    ck_assert(!sk_get(bool, sk_remote(is_even, 41)));
}

CASE(a_function_known_only_at_run_time_can_be_submitted)
{
    const sk_fn *functions[2] = { &add, &plus };
    ck_assert(sk_get(double, sk_remote_fn(functions[0], 1.5, 2)) == 3.5);
    ck_assert_int_eq(sk_get(int64_t, sk_remote_fn(functions[1], sk_put(1), 2)), 3);
}

CASE(map_calls_a_function_for_each_ref)
{
    sk_ref in[50], out[50];
    for (int i = 0; i < 50; i++)
        in[i] = sk_put(i);
    sk_map(same, in, 50, out);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(sk_get(int64_t, out[i]), i);
    sk_map(same, in, 0, out);
}

/* What the documentation says: fn(x0,x1), fn(x2,x3), ...; level by level; the last one left over goes up as it is. */
static void reduce_by_hand(char **texts, size_t n)
{
    while (n > 1) {
        size_t half = 0;
        for (size_t i = 0; i < n; i += 2, half++) {
            char *pair = NULL;
            if (i + 1 < n)
                ck_assert(asprintf(&pair, "(%s%s)", texts[i], texts[i + 1]) > 0);
            else
                pair = strdup(texts[i]);
            free(texts[i]);
            if (i + 1 < n)
                free(texts[i + 1]);
            texts[half] = pair;
        }
        n = half;
    }
}

CASE(reduce_combines_neighbours_in_order_for_every_length)
{
    for (size_t n = 1; n <= 33; n++) {
        sk_ref refs[33];
        char *texts[33];
        for (size_t i = 0; i < n; i++) {
            char letter[2] = { (char)(i < 26 ? 'a' + i : 'A' + i - 26), 0 };
            texts[i] = strdup(letter);
            refs[i] = sk_put((const char *)letter);
        }
        reduce_by_hand(texts, n);
        sk_ref all = sk_reduce(join, refs, n);
        ck_assert_str_eq(sk_get(const char *, all), texts[0]);
        sk_drop(all);
        free(texts[0]);
    }
}

CASE(reduce_of_one_duplicates_it)
{
    sk_ref x = sk_put(7), y = sk_reduce(plus, &x, 1);
    sk_drop(x);
    ck_assert_int_eq(sk_get(int64_t, y), 7);
    sk_drop(y);                             /* a duplicate outlives a scope */
}

CASE(reduce_borrows_its_refs_and_drops_what_it_makes)
{
    sk_ref refs[16];
    for (int i = 0; i < 16; i++)
        refs[i] = sk_put(i);
    sk_ref sum = sk_reduce(plus, refs, 16);
    ck_assert_int_eq(sk_get(int64_t, sum), 120);
    EVENTUALLY(sk_stats().objects_live == 17);
    ck_assert_int_eq(sk_get(int, refs[15]), 15);
}

CASE(reduce_may_begin_before_its_objects_are_there)
{
    sk_ref refs[5];
    for (int i = 0; i < 5; i++)
        refs[i] = i == 2 ? sk_promise() : sk_put(i);
    sk_ref sum = sk_reduce(plus, refs, 5);
    sk_fulfil(refs[2], 2);
    ck_assert_int_eq(sk_get(int64_t, sum), 10);
}

CASE(a_function_may_live_in_another_file_under_the_name_of_a_c_function)
{
    ck_assert_int_eq(sk_get(int64_t, submit_read(41)), 42);
}

CASE(a_function_with_several_answers_may_live_in_another_file)
{
    sk_ref refs[5], halves[2];
    for (int i = 0; i < 5; i++)
        refs[i] = sk_put(i);
    sk_remote_into(halves, split, sk_list_of(refs, 5), 3);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_list, halves[0])), 0 + 1 + 2);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_list, halves[1])), 3 + 4);
}
