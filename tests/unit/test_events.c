/* test_events.c -- the event queue: the order, and handles. */
#include <check.h>
#include <stdio.h>
#include <time.h>

#include "backends/events.h"

Suite *events_suite(void);

static uint64_t state;
static uint64_t draw(uint64_t below) { return (state = sk_mix(state)) % below; }

START_TEST(events_come_out_by_time)
{
    sk_events q;
    sk_event e;
    sk_events_init(&q);
    for (int i = 0; i < 5000; i++)
        sk_events_push(&q, (int64_t)draw(1000000), 1, (uint32_t)i, 0);
    int64_t last = 0;
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_le(last, sk_events_next(&q));
        ck_assert(sk_events_pop(&q, &e));
        ck_assert_int_le(last, e.at);
        last = e.at;
    }
    ck_assert(!sk_events_pop(&q, &e) && !sk_events_peek(&q));
    ck_assert_int_eq(sk_events_next(&q), SK_NEVER);
    sk_events_clear(&q);
}
END_TEST

START_TEST(equal_times_come_out_as_they_went_in)
{
    sk_events q;
    sk_event e;
    sk_events_init(&q);
    for (uint32_t i = 0; i < 3000; i++)
        sk_events_push(&q, i % 3, (uint16_t)(i % 3), i, 2 * i);
    for (uint32_t i = 0; i < 3000; i++) {
        ck_assert(sk_events_pop(&q, &e));
        ck_assert_int_eq(e.at, i / 1000);
        ck_assert_uint_eq(e.a, i % 1000 * 3 + i / 1000);
        ck_assert_uint_eq(e.b, 2 * e.a);
        ck_assert_uint_eq(e.kind, i / 1000);
    }
    sk_events_clear(&q);
}
END_TEST

START_TEST(a_moved_event_is_as_if_just_pushed)
{
    sk_events q;
    sk_event e;
    sk_events_init(&q);
    uint32_t h = sk_events_add_handles(&q, 2);
    sk_events_set(&q, h, 10, 7, 70);
    sk_events_push(&q, 20, 8, 0, 0);
    sk_events_set(&q, h, 20, 7, 71);
    sk_events_set(&q, h + 1, 5, 9, 0);
    ck_assert_int_eq(sk_events_when(&q, h), 20);
    sk_events_cancel(&q, h + 1);
    sk_events_cancel(&q, h + 1);
    ck_assert(sk_events_pop(&q, &e) && e.kind == 8);
    ck_assert(sk_events_pop(&q, &e) && e.kind == 7 && e.b == 71 && e.a == h);
    ck_assert_int_eq(sk_events_when(&q, h), SK_NEVER);
    ck_assert(!sk_events_pop(&q, &e));
    sk_events_clear(&q);
}
END_TEST

/* Against a list that is searched from end to end. */
START_TEST(handles_and_pushes_mix)
{
    enum { HANDLES = 40 };
    int64_t at[HANDLES];
    uint64_t order[HANDLES], clock = 0;
    sk_events q;
    sk_event e;
    sk_events_init(&q);
    sk_events_add_handles(&q, HANDLES);
    for (int i = 0; i < HANDLES; i++)
        at[i] = SK_NEVER;
    for (int step = 0; step < 50000; step++) {
        uint32_t h = (uint32_t)draw(HANDLES);
        int64_t when = draw(4) ? (int64_t)draw(50) : SK_NEVER;
        if (draw(3)) {
            sk_events_set(&q, h, at[h] = when, 1, h);
            order[h] = clock++;
            continue;
        }
        int least = -1;
        for (int i = 0; i < HANDLES; i++)
            if (at[i] != SK_NEVER && (least < 0 || at[i] < at[least] || (at[i] == at[least] && order[i] < order[least])))
                least = i;
        ck_assert_int_eq(sk_events_pop(&q, &e), least >= 0);
        if (least >= 0) {
            ck_assert_uint_eq(e.a, (uint32_t)least);
            ck_assert_int_eq(e.at, at[least]);
            at[least] = SK_NEVER;
        }
    }
    sk_events_clear(&q);
}
END_TEST

/* Not a test of speed: prints it, for SK_TEST_SPEED=1. */
START_TEST(speed)
{
    enum { HELD = 10000, ROUNDS = 5000000 };
    if (!getenv("SK_TEST_SPEED"))
        return;
    sk_events q;
    sk_event e;
    sk_events_init(&q);
    for (int i = 0; i < HELD; i++)
        sk_events_push(&q, (int64_t)draw(1000000), 1, 0, 0);
    clock_t begin = clock();
    for (int i = 0; i < ROUNDS; i++) {
        sk_events_pop(&q, &e);
        sk_events_push(&q, e.at + (int64_t)(e.seq * 0x9e3779b97f4a7c15u >> 44), 1, 0, 0);
    }
    double s = (double)(clock() - begin) / CLOCKS_PER_SEC;
    fprintf(stderr, "events: %.1f M pop+push/s with %d held\n", ROUNDS / s / 1e6, HELD);
    sk_events_clear(&q);
}
END_TEST

Suite *events_suite(void)
{
    Suite *suite = suite_create("events");
    TCase *tests = tcase_create("events");
    tcase_add_test(tests, events_come_out_by_time);
    tcase_add_test(tests, equal_times_come_out_as_they_went_in);
    tcase_add_test(tests, a_moved_event_is_as_if_just_pushed);
    tcase_add_test(tests, handles_and_pushes_mix);
    tcase_add_test(tests, speed);
    suite_add_tcase(suite, tests);
    return suite;
}
