/* test_deque.c -- the work-stealing deque: what is pushed comes out once, from either end, also around a pop in two steps. */
#include "backends/deque.h"

#include <check.h>
#include <pthread.h>

static sk_deque d;

static void begin(void)
{
    d = (sk_deque){ 0 };
    sk_deque_init(&d);
}

static void push(uint64_t name)
{
    ck_assert(sk_deque_push_plain(&d, name));
    sk_deque_publish(&d);
}

/* What its owner does around a claim: `claimed` or not. */
static bool pop_in_two(uint64_t name, bool claimed)
{
    if (!sk_deque_pop_begin(&d, name))
        return false;
    if (!claimed)
        sk_deque_publish(&d);
    sk_deque_pop_end(&d);
    return true;
}

START_TEST(the_owner_pops_the_youngest_and_thieves_take_the_oldest)
{
    begin();
    for (uint64_t i = 1; i <= 3; i++)
        push(i);
    ck_assert_uint_eq(sk_deque_pop(&d), 3);
    ck_assert_uint_eq(sk_deque_steal(&d), 1);
    ck_assert_uint_eq(sk_deque_pop(&d), 2);
    ck_assert_uint_eq(sk_deque_pop(&d), 0);
    ck_assert_uint_eq(sk_deque_steal(&d), 0);
    sk_deque_clear(&d);
}
END_TEST

START_TEST(a_full_ring_takes_no_plain_push_and_grows_for_another)
{
    begin();
    uint64_t n = 0;
    while (sk_deque_push_plain(&d, n + 1))
        n++;
    ck_assert_uint_eq(n, 1024);
    sk_deque_push(&d, ++n);
    ck_assert(sk_deque_push_plain(&d, ++n));
    ck_assert_int_eq(sk_deque_size(&d), (int64_t)n);
    for (uint64_t i = 1; i <= n; i++)
        ck_assert_uint_eq(sk_deque_steal(&d), i);
    ck_assert(sk_deque_is_empty(&d));
    sk_deque_clear(&d);
}
END_TEST

START_TEST(a_pop_in_two_steps_takes_the_youngest_only)
{
    begin();
    ck_assert(!pop_in_two(1, true));
    push(1);
    push(2);
    ck_assert(!pop_in_two(1, true));
    ck_assert(pop_in_two(2, true));
    ck_assert(pop_in_two(1, false));       /* the last one */
    ck_assert(sk_deque_is_empty(&d));
    push(3);
    ck_assert_uint_eq(sk_deque_steal(&d), 3);
    sk_deque_clear(&d);
}
END_TEST

START_TEST(a_thief_between_the_two_steps_loses_nothing_and_repeats_nothing)
{
    begin();
    push(1);
    push(2);
    ck_assert(sk_deque_pop_begin(&d, 2));
    ck_assert_uint_eq(sk_deque_steal(&d), 1);
    ck_assert_uint_eq(sk_deque_steal(&d), 0);
    sk_deque_pop_end(&d);
    push(3);
    push(4);
    ck_assert_uint_eq(sk_deque_steal(&d), 3);
    ck_assert_uint_eq(sk_deque_pop(&d), 4);
    ck_assert(sk_deque_is_empty(&d));
    sk_deque_clear(&d);
}
END_TEST

START_TEST(a_thief_who_had_seen_the_entry_before_the_first_step_takes_it_and_the_owner_goes_on_behind)
{
    begin();
    push(1);
    ck_assert(sk_deque_pop_begin(&d, 1));
    /* It has loaded bottom before, and now moves top. */
    int64_t top = 0;
    ck_assert(atomic_compare_exchange_strong(&d.top, &top, 1));
    sk_deque_pop_end(&d);
    push(2);
    ck_assert_uint_eq(sk_deque_steal(&d), 2);
    ck_assert(sk_deque_is_empty(&d));
    sk_deque_clear(&d);
}
END_TEST

/* ---- an owner and a thief: each name is claimed once, by whoever has it ---- */

enum { NAMES = 200000 };
static _Atomic uint8_t claims[NAMES + 1];
static atomic_bool over;

static bool claim(uint64_t name)
{
    uint8_t none = 0;
    return atomic_compare_exchange_strong(&claims[name], &none, 1);
}

static void *steal_until_it_is_over(void *data)
{
    uint64_t *stolen = data;
    while (!atomic_load(&over)) {
        uint64_t name = sk_deque_steal(&d);
        *stolen += name && claim(name);
    }
    return NULL;
}

START_TEST(beside_a_thief_each_name_is_claimed_by_one_of_the_two)
{
    begin();
    pthread_t thief;
    uint64_t stolen = 0, own = 0, left = 0;
    atomic_store(&over, false);
    ck_assert_int_eq(pthread_create(&thief, NULL, steal_until_it_is_over, &stolen), 0);
    for (uint64_t name = 1; name < NAMES; name += 2) {
        if (!sk_deque_push_plain(&d, name))
            sk_deque_push(&d, name);
        if (!sk_deque_push_plain(&d, name + 1))
            sk_deque_push(&d, name + 1);
        bool pops = sk_deque_pop_begin(&d, name + 1), claimed = claim(name + 1);
        own += claimed;
        if (pops && !claimed)
            sk_deque_publish(&d);
        if (pops)
            sk_deque_pop_end(&d);
    }
    atomic_store(&over, true);
    pthread_join(thief, NULL);
    for (uint64_t name; (name = sk_deque_pop(&d)); )
        left += claim(name);
    ck_assert_uint_eq(stolen + own + left, NAMES);
    sk_deque_clear(&d);
}
END_TEST

Suite *deque_suite(void)
{
    Suite *suite = suite_create("deque");
    TCase *tests = tcase_create("deque");
    tcase_add_test(tests, the_owner_pops_the_youngest_and_thieves_take_the_oldest);
    tcase_add_test(tests, a_full_ring_takes_no_plain_push_and_grows_for_another);
    tcase_add_test(tests, a_pop_in_two_steps_takes_the_youngest_only);
    tcase_add_test(tests, a_thief_between_the_two_steps_loses_nothing_and_repeats_nothing);
    tcase_add_test(tests, a_thief_who_had_seen_the_entry_before_the_first_step_takes_it_and_the_owner_goes_on_behind);
    tcase_add_test(tests, beside_a_thief_each_name_is_claimed_by_one_of_the_two);
    suite_add_tcase(suite, tests);
    return suite;
}
