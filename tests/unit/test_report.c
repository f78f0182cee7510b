/* test_report.c -- what `skate ps` is told of worker processes, while the graph forgets tasks whose bodies still run. */
#include "runfile.h"

#include <check.h>
#include <glib.h>
#include <skate.h>
#include <string.h>

Suite *report_suite(void);

enum { MANY = 300, ROUNDS = 3000, SEEN = 5, LOOKS = 50, LATER = 40 };

SK_REMOTE(int64_t, brief_or_endless, (int, is_endless))
{
    while (is_endless)
        g_usleep(1000);
    return 3;
}

SK_REMOTE(int64_t, follows, (int64_t, x)) { return x + 1; }

static void turn_for(int64_t us)
{
    for (int64_t end = g_get_monotonic_time() + us; g_get_monotonic_time() < end;)
        ;
}

SK_REMOTE(int64_t, turns_a_while, (int64_t, us))
{
    turn_for(us);
    return us;
}

/* The task of the only worker, as reported. */
static const char *running_now(void)
{
    static sk_runfile file;
    sk_runfile_fill_rows(&file);
    return file.nrows ? file.rows[0].task : "";
}

/* A task that was sent ahead, and has begun by the time it is cancelled, runs until its process is ended, and its record is another's, or none's, by then. */
START_TEST(a_body_that_nobody_wants_is_reported_by_its_function)
{
    sk_init(NULL, NULL, &(sk_config){ .backend = "processes", .workers = 1 });
    for (int i = 0; i < MANY; i++)         /* it is learnt that it is brief */
        ck_assert_int_eq(sk_take(int64_t, sk_remote(brief_or_endless, 0)), 3);
    int seen = 0;
    for (int round = 0; round < ROUNDS && seen < SEEN; round++) {
        sk_ref first = sk_remote(turns_a_while, 300), endless = sk_remote(brief_or_endless, 1);
        turn_for(200 + round * 4 % 400);
        sk_cancel(endless, SK_FORCE);
        sk_error err;
        int64_t got;
        ck_assert(!sk_try_get(endless, &got, SK_FOREVER, &err));
        ck_assert_int_eq(err.code, SK_CANCELLED);
        ck_assert_int_eq(sk_take(int64_t, first), 300);
        sk_drop(endless);
        sk_ref next = sk_remote_with(SK_OPTS(.name = "next"), brief_or_endless, 0), later[LATER];
        for (int i = 0; i < LATER; i++)    /* one of them has its record */
            later[i] = sk_remote_with(SK_OPTS(.name = "later"), follows, next);
        bool was_seen = false;
        for (int look = 0; look < LOOKS; look++) {
            const char *name = running_now();
            bool may_be_later = sk_wait(&next, 1, 1, 0) == 1;
            ck_assert_msg(!*name || strcmp(name, "brief_or_endless") == 0 || strcmp(name, "turns_a_while") == 0 || strcmp(name, "next") == 0
                          || (may_be_later && strcmp(name, "later") == 0), "\"%s\" runs", name);
            was_seen |= strcmp(name, "brief_or_endless") == 0;
        }
        seen += was_seen;
        for (int i = 0; i < LATER; i++)
            ck_assert_int_eq(sk_take(int64_t, later[i]), 4);
        sk_drop(next);
    }
    ck_assert_int_eq(seen, SEEN);
    sk_shutdown();
}
END_TEST

Suite *report_suite(void)
{
    Suite *s = suite_create("report");
    TCase *report_case = tcase_create("report");
    tcase_add_test(report_case, a_body_that_nobody_wants_is_reported_by_its_function);
    suite_add_tcase(s, report_case);
    return s;
}
