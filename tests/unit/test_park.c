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
    int core;                              /* where it announced */
    int before, meanwhile, after;          /* cores it may use */
    bool may_use_wakers;                   /* meanwhile */
    int wakers;
} owner;

static int cores(void)
{
    cpu_set_t may;
    ck_assert_int_eq(sched_getaffinity(0, sizeof may, &may), 0);
    return CPU_COUNT(&may);
}

static bool may_use(int core)
{
    cpu_set_t may;
    ck_assert_int_eq(sched_getaffinity(0, sizeof may, &may), 0);
    return CPU_ISSET(core, &may);
}

/* Another one that this thread may use; the same if there is none. */
static int another_core(int core)
{
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (i != core && may_use(i))
            return i;
    return core;
}

static void *own(void *data)
{
    owner *o = data;
    o->before = cores();
    sk_permit_announce(&o->permit);
    o->core = sched_getcpu();
    pthread_barrier_wait(&o->announced);
    pthread_barrier_wait(&o->woken);
    o->meanwhile = cores();
    o->may_use_wakers = may_use(o->wakers);
    o->was_woken = o->sleeps ? sk_permit_sleep(&o->permit, SK_NEVER) : !sk_permit_retract(&o->permit);
    o->after = cores();
    return NULL;
}

/* The waker goes to where its sleeper announced, or to another core, and says that it works on there. */
static void wake_it(owner *o, bool from_its_core)
{
    pthread_t thread;
    cpu_set_t had, its;
    pthread_barrier_init(&o->announced, NULL, 2);
    pthread_barrier_init(&o->woken, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, own, o), 0);
    pthread_barrier_wait(&o->announced);
    ck_assert_int_eq(sched_getaffinity(0, sizeof had, &had), 0);
    o->wakers = from_its_core ? o->core : another_core(o->core);
    CPU_ZERO(&its);
    CPU_SET(o->wakers, &its);
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
    ck_assert(o->may_use_wakers == (o->before == 1));
    ck_assert_int_eq(o->after, o->before);
}

START_TEST(a_thread_is_kept_off_its_wakers_core_until_it_is_up)
{
    owner o = { .sleeps = true };
    wake_it(&o, true);
}
END_TEST

START_TEST(a_thread_that_slept_elsewhere_is_kept_off_its_wakers_core_too)
{
    owner o = { .sleeps = true };
    wake_it(&o, false);
}
END_TEST

START_TEST(a_thread_that_does_not_sleep_after_all_may_use_all_cores_again)
{
    owner o = { .sleeps = false };
    wake_it(&o, true);
}
END_TEST

static void *give_way(void *data)
{
    sk_thread_gives_way();
    *(int *)data = sched_getscheduler(0);
    return NULL;
}

START_TEST(a_thread_that_computes_takes_no_core_from_one_that_runs)
{
    pthread_t thread;
    int policy = -1, before = sched_getscheduler(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, give_way, &policy), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(policy, before == SCHED_OTHER ? SCHED_BATCH : before);
    ck_assert_int_eq(sched_getscheduler(0), before);
}
END_TEST

Suite *park_suite(void)
{
    Suite *suite = suite_create("park");
    TCase *tests = tcase_create("park");
    tcase_add_test(tests, a_thread_that_computes_takes_no_core_from_one_that_runs);
    tcase_add_test(tests, a_thread_is_kept_off_its_wakers_core_until_it_is_up);
    tcase_add_test(tests, a_thread_that_slept_elsewhere_is_kept_off_its_wakers_core_too);
    tcase_add_test(tests, a_thread_that_does_not_sleep_after_all_may_use_all_cores_again);
    suite_add_tcase(suite, tests);
    return suite;
}
