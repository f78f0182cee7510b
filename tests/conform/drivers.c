/* drivers.c -- several threads of the program call the API at once. */
#include "conform.h"
#include <pthread.h>

enum { THREADS = 4 };

typedef struct visitor { pthread_t thread; int number; sk_ref ref; int64_t answer; } visitor;

static void all_at_once(void *(*run)(void *), visitor *visitors)
{
    for (int i = 0; i < THREADS; i++) {
        visitors[i].number = i;
        ck_assert(pthread_create(&visitors[i].thread, NULL, run, &visitors[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(visitors[i].thread, NULL);
}

static void *submits_and_gets(void *data)
{
    visitor *v = data;
    sk_scope {
        for (int i = 0; i < 500; i++)
            v->answer += sk_take(int64_t, sk_remote(plus, sk_take(int64_t, sk_remote(same, i)), v->number));
    }
    return NULL;
}

CASE(four_threads_submit_and_get_at_once)
{
    visitor v[THREADS] = { 0 };
    all_at_once(submits_and_gets, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(v[i].answer, 499 * 250 + 500 * i);
    ck_assert_uint_eq(sk_stats().tasks_done, THREADS * 1000);
}

static void *gets_the_shared(void *data)
{
    visitor *v = data;
    v->answer = sk_get(int64_t, v->ref);
    return NULL;
}

CASE(four_threads_get_the_same_task, .not_by_proxy = true)
{
    sk_ref x = sk_put(0);
    for (int i = 0; i < 200; i++)
        x = sk_remote(plus, x, 1);
    visitor v[THREADS] = { { .ref = x }, { .ref = x }, { .ref = x }, { .ref = x } };
    all_at_once(gets_the_shared, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(v[i].answer, 200);
}

static void *waits_for_the_shared(void *data)
{
    visitor *v = data;
    sk_ref refs[2] = { v->ref, sk_promise() };
    v->answer = (int64_t)sk_wait(refs, 2, 1, SK_FOREVER);
    v->answer += refs[0].id == v->ref.id ? 10 : 0;
    sk_drop(refs[1]);
    return NULL;
}

CASE(four_threads_wait_for_the_same_task, .not_by_proxy = true)
{
    sk_ref x = sk_remote(plus, sk_remote(plus, 1, 2), 3);
    visitor v[THREADS] = { { .ref = x }, { .ref = x }, { .ref = x }, { .ref = x } };
    all_at_once(waits_for_the_shared, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(v[i].answer, 11);
}

static void *duplicates_and_drops(void *data)
{
    visitor *v = data;
    for (int i = 0; i < 2000; i++) {
        sk_ref mine = sk_dup(v->ref);
        v->answer += sk_get(int64_t, mine);
        sk_drop(mine);
    }
    return NULL;
}

CASE(four_threads_duplicate_and_drop_the_same_ref, .not_by_proxy = true)
{
    sk_ref x = sk_put(3);
    visitor v[THREADS] = { { .ref = x }, { .ref = x }, { .ref = x }, { .ref = x } };
    all_at_once(duplicates_and_drops, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(v[i].answer, 6000);
    ck_assert_int_eq(sk_get(int64_t, x), 3);
}

static void *makes_one_to_keep(void *data)
{
    visitor *v = data;
    v->ref = sk_remote(plus, v->number, 100);
    return NULL;
}

CASE(a_ref_may_be_used_by_another_thread_than_made_it, .not_by_proxy = true)
{
    visitor v[THREADS] = { 0 };
    all_at_once(makes_one_to_keep, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(sk_take(int64_t, v[i].ref), 100 + i);
}

static void *has_a_failure(void *data)
{
    visitor *v = data;
    char why[32];
    snprintf(why, sizeof why, "thread %d", v->number);
    for (int i = 0; i < 100; i++) {
        sk_ref x = sk_remote(fails, (const char *)why);
        int64_t value;
        sk_error err = { 0 };
        v->answer += !sk_try_get(x, &value, SK_FOREVER, &err) && err.code == SK_TASK && strstr(err.message, why);
        sk_drop(x);
    }
    return NULL;
}

CASE(each_thread_sees_the_failures_of_its_own_tasks)
{
    visitor v[THREADS] = { 0 };
    all_at_once(has_a_failure, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(v[i].answer, 100);
}

static void *scopes_for_itself(void *data)
{
    visitor *v = data;
    sk_ref before = sk_put(v->number);
    for (int i = 0; i < 200; i++)
        sk_scope {
            sk_put(i);
            v->answer += sk_get(int64_t, sk_remote(same, 1));
        }
    v->answer += sk_get(int, before) == v->number;      /* no other thread's scope has dropped it */
    sk_drop(before);
    return NULL;
}

CASE(scopes_belong_to_their_thread)
{
    visitor v[THREADS] = { 0 };
    all_at_once(scopes_for_itself, v);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(v[i].answer, 201);
}

static void *cancels_the_shared(void *data)
{
    visitor *v = data;
    sk_cancel(v->ref, 0);
    return NULL;
}

CASE(four_threads_cancel_the_same_task, .not_by_proxy = true)
{
    for (int round = 0; round < 20; round++) {
        sk_ref gate = sk_promise(), x = sk_remote(same, gate);
        visitor v[THREADS] = { { .ref = x }, { .ref = x }, { .ref = x }, { .ref = x } };
        all_at_once(cancels_the_shared, v);
        (void)FAILS(x, SK_CANCELLED);
    }
    ck_assert_uint_eq(sk_stats().tasks_cancelled, 20);
}

static void *nests(void *data)
{
    visitor *v = data;
    sk_ref refs[20];
    for (int i = 0; i < 20; i++)
        refs[i] = sk_remote(same, i);
    sk_ref list = sk_put(sk_list_of(refs, 20)), sum = sk_remote(sum_list, list);
    v->answer = sk_get(int64_t, sum);
    for (int i = 0; i < 20; i++)
        sk_drop(refs[i]);
    sk_drop(list);
    sk_drop(sum);
    return NULL;
}

CASE(four_threads_run_tasks_that_wait, .config.workers = 1)
{
    for (int round = 0; round < 10; round++) {
        visitor v[THREADS] = { 0 };
        all_at_once(nests, v);
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(v[i].answer, 190);
    }
}
