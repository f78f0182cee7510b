/* test_stores.c -- the simulated stores: what makes room, what it takes, and what is refused. */
#include <check.h>
#include <stdlib.h>

#include "backends/stores.h"

Suite *stores_suite(void);

static sk_stores s;
static sk_store_report did;

static void begin(void)
{
    sk_stores_init(&s, 3);
    sk_store_set(&s, 0, 100, 1000000000);
}
static void end(void) { sk_stores_clear(&s); }

static void add(uint64_t object, int64_t size, sk_copy_kind kind)
{
    ck_assert(sk_store_add(&s, 0, 0, object, size, kind, &did));
    sk_store_unpin(&s, 0, object);
}

START_TEST(secondary_copies_go_first_least_recently_used_first)
{
    add(1, 20, SK_COPY_PRIMARY);
    add(2, 20, SK_COPY_SECONDARY);
    add(3, 20, SK_COPY_SECONDARY);
    add(4, 20, SK_COPY_SECONDARY);
    ck_assert(sk_store_pin(&s, 0, 0, 2, &did));          /* used: the newest now */
    sk_store_unpin(&s, 0, 2);
    ck_assert(sk_store_add(&s, 7, 0, 5, 60, SK_COPY_PRIMARY, &did));
    ck_assert_uint_eq(did.nevicted, 2);
    ck_assert(did.evicted[0] == 3 && did.evicted[1] == 4);
    ck_assert_uint_eq(did.nspilled, 0);
    ck_assert_int_eq(did.ready_at, 7);
    ck_assert(!sk_store_has(&s, 0, 3) && sk_store_has(&s, 0, 2));
    ck_assert_int_eq(s.nodes[0].used, 100);
}
END_TEST

START_TEST(primary_copies_go_to_disk_and_come_back)
{
    add(1, 60, SK_COPY_PRIMARY);
    add(2, 30, SK_COPY_SECONDARY);
    ck_assert(sk_store_add(&s, 1000, 0, 3, 90, SK_COPY_PRIMARY, &did));
    ck_assert(did.nevicted == 1 && did.evicted[0] == 2 && did.nspilled == 1 && did.spilled[0] == 1);
    ck_assert_int_eq(did.spilled_bytes, 60);
    ck_assert_int_eq(did.ready_at, 1060);                 /* 1 GB/s is a byte a ns */
    ck_assert(sk_store_has(&s, 0, 1) && sk_store_on_disk(&s, 0, 1));
    ck_assert_int_eq(s.nodes[0].on_disk, 60);
    sk_store_unpin(&s, 0, 3);
    ck_assert(sk_store_pin(&s, 1010, 0, 1, &did));
    ck_assert_int_eq(did.spilled_bytes, 90);
    ck_assert_int_eq(did.restored_bytes, 60);
    ck_assert_int_eq(did.ready_at, 1060 + 90 + 60);       /* one disk: after what it was at */
    ck_assert(!sk_store_on_disk(&s, 0, 1) && sk_store_on_disk(&s, 0, 3));
}
END_TEST

START_TEST(what_is_pinned_stays)
{
    ck_assert(sk_store_add(&s, 0, 0, 1, 50, SK_COPY_SECONDARY, &did));
    add(2, 30, SK_COPY_SECONDARY);
    ck_assert(!sk_store_add(&s, 0, 0, 3, 60, SK_COPY_PRIMARY, &did));
    ck_assert_int_eq(did.need, 60);
    ck_assert_int_eq(did.have, 50);
    ck_assert(sk_store_has(&s, 0, 2));                    /* a refusal changes nothing */
    ck_assert(sk_store_pin(&s, 0, 0, 1, &did));
    sk_store_unpin(&s, 0, 1);
    ck_assert(!sk_store_add(&s, 0, 0, 3, 60, SK_COPY_PRIMARY, &did));
    sk_store_unpin(&s, 0, 1);
    ck_assert(sk_store_add(&s, 0, 0, 3, 60, SK_COPY_PRIMARY, &did));
}
END_TEST

START_TEST(a_promoted_copy_is_spilled_not_dropped)
{
    add(1, 60, SK_COPY_SECONDARY);
    ck_assert(sk_store_promote(&s, 0, 1));
    ck_assert(!sk_store_promote(&s, 0, 9));
    add(2, 90, SK_COPY_PRIMARY);
    ck_assert(sk_store_on_disk(&s, 0, 1));
}
END_TEST

START_TEST(a_lost_node_is_empty)
{
    add(1, 60, SK_COPY_PRIMARY);
    add(2, 90, SK_COPY_PRIMARY);
    ck_assert(sk_store_add(&s, 0, 1, 1, 60, SK_COPY_SECONDARY, &did));
    sk_store_lose(&s, 0);
    ck_assert(!sk_store_has(&s, 0, 1) && !sk_store_has(&s, 0, 2) && sk_store_has(&s, 1, 1));
    ck_assert(s.nodes[0].used == 0 && s.nodes[0].on_disk == 0 && s.nodes[0].capacity == 100);
    add(1, 100, SK_COPY_PRIMARY);
    ck_assert(sk_store_drop(&s, 0, 1) && !sk_store_drop(&s, 0, 1));
    ck_assert_int_eq(s.nodes[0].used, 0);
}
END_TEST

/* Many random steps: sums agree with a plain table of what should be there. */
START_TEST(sums_agree_after_random_steps)
{
    enum { OBJECTS = 60 };
    uint64_t x = 9;
    struct { int64_t size; int pins; bool here, disk; } plain[OBJECTS] = { 0 };
    for (int step = 0; step < 30000; step++) {
        uint64_t o = (x = sk_mix(x)) % OBJECTS;
        bool ok = true;
        did = (sk_store_report){ 0 };
        if (!plain[o].here) {
            ok = sk_store_add(&s, step, 0, o, plain[o].size = (int64_t)(x >> 32) % 30, (sk_copy_kind)(x >> 50 & 1), &did);
            plain[o].here = ok;
            plain[o].pins = ok;
            plain[o].disk = false;
        } else if (plain[o].pins && x >> 20 & 3) {
            sk_store_unpin(&s, 0, o);
            plain[o].pins--;
        } else if (x >> 22 & 3) {
            ok = sk_store_pin(&s, step, 0, o, &did);
            plain[o].pins += ok;
            plain[o].disk &= !ok;
        } else {
            ck_assert(sk_store_drop(&s, 0, o));
            plain[o].here = false;
            plain[o].pins = 0;
        }
        for (size_t i = 0; i < did.nevicted; i++)
            plain[did.evicted[i]].here = false;
        for (size_t i = 0; i < did.nspilled; i++)
            plain[did.spilled[i]].disk = true;
        int64_t used = 0, pinned = 0, on_disk = 0;
        bool agrees = true;
        for (int i = 0; i < OBJECTS; i++) {
            used += plain[i].here && !plain[i].disk ? plain[i].size : 0;
            on_disk += plain[i].here && plain[i].disk ? plain[i].size : 0;
            pinned += plain[i].here && plain[i].pins ? plain[i].size : 0;
            agrees &= sk_store_has(&s, 0, (uint64_t)i) == plain[i].here;
        }
        ck_assert(agrees);
        ck_assert_int_eq(s.nodes[0].used, used);
        ck_assert_int_eq(s.nodes[0].pinned, pinned);
        ck_assert_int_eq(s.nodes[0].on_disk, on_disk);
        ck_assert_int_le(used, 100);
        ck_assert(ok || did.have < did.need);
    }
    ck_assert_uint_gt(s.spills, 100);
    ck_assert_uint_gt(s.evictions, 100);
}
END_TEST

Suite *stores_suite(void)
{
    Suite *suite = suite_create("stores");
    TCase *tests = tcase_create("stores");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, secondary_copies_go_first_least_recently_used_first);
    tcase_add_test(tests, primary_copies_go_to_disk_and_come_back);
    tcase_add_test(tests, what_is_pinned_stays);
    tcase_add_test(tests, a_promoted_copy_is_spilled_not_dropped);
    tcase_add_test(tests, a_lost_node_is_empty);
    tcase_add_test(tests, sums_agree_after_random_steps);
    suite_add_tcase(suite, tests);
    return suite;
}
