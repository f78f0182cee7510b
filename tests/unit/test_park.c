/* test_park.c -- permits: who is woken on its waker's core is kept off it, and not for longer than until it is up. */
#include "backends/park.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

typedef struct owner {
    sk_permit permit;
    pthread_barrier_t announced, woken;
    bool sleeps;
    bool was_woken;
    int before, meanwhile, after;          /* cores it may use */
} owner;

static int cores(void)
{
    cpu_set_t may;
    ck_assert_int_eq(sched_getaffinity(0, sizeof may, &may), 0);
    return CPU_COUNT(&may);
}

static void *own(void *data)
{
    owner *o = data;
    o->before = cores();
    sk_permit_announce(&o->permit);
    pthread_barrier_wait(&o->announced);
    pthread_barrier_wait(&o->woken);
    o->meanwhile = cores();
    o->was_woken = o->sleeps ? sk_permit_sleep(&o->permit, SK_NEVER) : !sk_permit_retract(&o->permit);
    o->after = cores();
    return NULL;
}

/* The waker goes to where its sleeper announced, and says that it works on there. */
static void wake_it_on_its_core(owner *o)
{
    pthread_t thread;
    cpu_set_t had, its;
    pthread_barrier_init(&o->announced, NULL, 2);
    pthread_barrier_init(&o->woken, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, own, o), 0);
    pthread_barrier_wait(&o->announced);
    ck_assert_int_eq(sched_getaffinity(0, sizeof had, &had), 0);
    CPU_ZERO(&its);
    CPU_SET(atomic_load(&o->permit.cpu), &its);
    ck_assert_int_eq(sched_setaffinity(0, sizeof its, &its), 0);
    atomic_store(&sk_permit_late, 2);
    ck_assert(sk_permit_wake(&o->permit, true));
    ck_assert(!sk_permit_wake(&o->permit, true));
    ck_assert_int_eq(sched_setaffinity(0, sizeof had, &had), 0);
    pthread_barrier_wait(&o->woken);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&o->announced);
    pthread_barrier_destroy(&o->woken);
    ck_assert(o->was_woken);
    ck_assert_int_eq(o->meanwhile, o->before > 1 ? o->before - 1 : 1);
    ck_assert_int_eq(o->after, o->before);
}

START_TEST(a_thread_is_kept_off_its_wakers_core_until_it_is_up)
{
    owner o = { .sleeps = true };
    wake_it_on_its_core(&o);
}
END_TEST

START_TEST(a_thread_that_does_not_sleep_after_all_may_use_all_cores_again)
{
    owner o = { .sleeps = false };
    wake_it_on_its_core(&o);
}
END_TEST

Suite *park_suite(void)
{
    Suite *suite = suite_create("park");
    TCase *tests = tcase_create("park");
    tcase_add_test(tests, a_thread_is_kept_off_its_wakers_core_until_it_is_up);
    tcase_add_test(tests, a_thread_that_does_not_sleep_after_all_may_use_all_cores_again);
    suite_add_tcase(suite, tests);
    return suite;
}
