/* test_network.c -- flows: closed forms to the nanosecond, max-min fairness against plain water filling, faults, and the number of events. */
#include <check.h>
#include <stdio.h>
#include <time.h>

#include "backends/network.h"

Suite *network_suite(void);

enum { GB = 1000000000 };
static int64_t done_at[200000];
static uint64_t order[200000], ndone;
static uint64_t state = 5;
static uint64_t draw(uint64_t below) { return (state = sk_mix(state)) % below; }

static void done(void *net, uint64_t user)
{
    done_at[user] = sk_network_now(net);
    order[ndone++] = user;
}
static void finish(sk_network *net) { sk_network_advance(net, SK_NEVER - 1, done, net); }
static void advance(sk_network *net, int64_t to) { sk_network_advance(net, to, done, net); }
static void begin(void)
{
    memset(done_at, 0, sizeof done_at);
    ndone = 0;
}
static int64_t ceiling(__int128 bytes, int64_t bandwidth) { return (int64_t)((bytes * GB + bandwidth - 1) / bandwidth); }

/* ---- closed forms ---- */

START_TEST(one_flow_takes_latency_and_bytes_over_bandwidth)
{
    static const int64_t sizes[] = { 0, 1, 999, 1000000, 123456789, 5000000000000 };
    static const int64_t bandwidths[] = { 1, 1000, 125000000, GB, 999999937, 12500000000, 0 };
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned j = 0; j < sizeof bandwidths / sizeof *bandwidths; j++) {
            if (bandwidths[j] && (double)sizes[i] / (double)bandwidths[j] > 1e8)
                continue;                    /* longer than three years */
            sk_network *net = sk_network_new(2, 50000, bandwidths[j]);
            sk_network_start(net, 7, 0, 1, sizes[i], 0);
            finish(net);
            ck_assert_int_eq(done_at[0], 7 + 50000 + (bandwidths[j] ? ceiling(sizes[i], bandwidths[j]) : 0));
            sk_network_free(net);
        }
}
END_TEST

START_TEST(equal_flows_on_one_card_take_as_many_times_as_long)
{
    for (int n = 1; n <= 100; n++)
        for (int side = 0; side < 2; side++) {
            int64_t bytes = 1000003 + 17 * n;
            sk_network *net = sk_network_new(200, 1000, GB);
            for (int i = 0; i < n; i++)
                sk_network_start(net, 0, side ? 0 : (uint32_t)i + 1, side ? (uint32_t)i + 1 : 0, bytes, (uint64_t)i);
            finish(net);
            for (int i = 0; i < n; i++)
                ck_assert_int_eq(done_at[i], 1000 + n * bytes);
            sk_network_free(net);
        }
}
END_TEST

START_TEST(a_later_flow_gets_its_part_from_then_on)
{
    sk_network *net = sk_network_new(3, 0, GB);
    sk_network_start(net, 0, 0, 1, 1000, 0);
    advance(net, 500);
    sk_network_start(net, 500, 2, 1, 1000, 1);
    finish(net);
    ck_assert_int_eq(done_at[0], 1500);      /* 500 alone, 500 more at half speed */
    ck_assert_int_eq(done_at[1], 2000);
    sk_network_free(net);
}
END_TEST

START_TEST(what_one_cannot_use_others_get)
{
    sk_network *net = sk_network_new(4, 0, GB);
    sk_network_set_bandwidth(net, 0, 1, GB, GB / 5);
    uint32_t slow = sk_network_start(net, 0, 0, 1, 2000, 0), fast = sk_network_start(net, 0, 0, 2, 8000, 1);
    sk_network_advance(net, 0, done, net);
    ck_assert_int_eq(sk_network_rate(net, slow), GB / 5);
    ck_assert_int_eq(sk_network_rate(net, fast), GB / 5 * 4);
    finish(net);
    ck_assert_int_eq(done_at[0], 10000);
    ck_assert_int_eq(done_at[1], 10000);
    ck_assert_uint_eq(order[0], 0);
    ck_assert_uint_eq(order[1], 1);
    sk_network_free(net);
}
END_TEST

START_TEST(within_a_node_it_takes_no_time)
{
    sk_network *net = sk_network_new(2, 1000, GB);
    sk_network_start(net, 5, 1, 1, 1000000, 0);
    finish(net);
    ck_assert_int_eq(done_at[0], 5);
    sk_network_free(net);
}
END_TEST

/* ---- faults ---- */

START_TEST(a_cut_holds_flows_until_the_repair)
{
    sk_network *net = sk_network_new(3, 0, GB);
    sk_network_start(net, 0, 0, 1, 1000, 0);
    sk_network_start(net, 0, 0, 2, 1000, 1);
    advance(net, 1000);                      /* each has 500 left */
    sk_network_cut(net, 1000, 1, 0, NULL, NULL);
    sk_network_start(net, 1000, 1, 0, 10, 2);
    ck_assert(sk_network_is_cut(net, 0, 1));
    advance(net, 5000);
    ck_assert_int_eq(done_at[1], 1500);
    ck_assert_int_eq(sk_network_next(net), SK_NEVER);
    sk_network_repair(net, 5000, 0, 1);
    finish(net);
    ck_assert_int_eq(done_at[0], 5500);
    ck_assert_int_eq(done_at[2], 5010);
    sk_network_free(net);
}
END_TEST

static uint64_t lost_ones[100], nlost;
static void lost(void *data, uint64_t user)
{
    (void)data;
    lost_ones[nlost++] = user;
}

START_TEST(a_lost_node_takes_its_flows_along)
{
    nlost = 0;
    sk_network *net = sk_network_new(4, 100, GB);
    sk_network_start(net, 0, 0, 1, 1000, 10);
    sk_network_start(net, 0, 1, 2, 1000, 11);
    sk_network_start(net, 0, 0, 2, 1000, 12);
    advance(net, 200);
    sk_network_start(net, 200, 3, 1, 1000, 13);       /* still in its latency */
    sk_network_lose(net, 200, 1, lost, NULL);
    ck_assert_uint_eq(nlost, 3);
    ck_assert(lost_ones[0] == 10 && lost_ones[1] == 11 && lost_ones[2] == 13);
    advance(net, 1900);
    ck_assert_uint_eq(ndone, 1);
    ck_assert_int_eq(done_at[12], 200 + 950);         /* 50 bytes came at half speed */
    nlost = 0;
    sk_network_start(net, 2000, 0, 2, 1000, 14);
    advance(net, 2500);
    sk_network_cut(net, 2500, 0, 2, lost, NULL);
    ck_assert(nlost == 1 && lost_ones[0] == 14);
    sk_network_free(net);
}
END_TEST

START_TEST(a_stopped_or_frozen_flow_makes_room)
{
    sk_network *net = sk_network_new(3, 0, GB);
    uint32_t a = sk_network_start(net, 0, 0, 1, 1000, 0);
    sk_network_start(net, 0, 0, 2, 1000, 1);
    advance(net, 1000);
    sk_network_stop(net, 1000, a);
    advance(net, 1200);
    sk_network_set_bandwidth(net, 1200, 2, 0, 0);
    ck_assert_int_eq(sk_network_next(net), SK_NEVER);
    advance(net, 9000);
    sk_network_set_bandwidth(net, 9000, 2, GB, GB / 10);
    finish(net);
    ck_assert_int_eq(done_at[1], 12000);
    ck_assert_uint_eq(ndone, 1);
    sk_network_free(net);
}
END_TEST

/* ---- against water filling: raise all rates alike; whoever hits a full link stops there ---- */

enum { NODES = 12, FLOWS = 60 };
typedef struct plain { uint32_t link[2]; long double left, rate; int64_t start; bool begun, over; } plain;

static void fill_water(plain *f, int n, const int64_t *bandwidth)
{
    bool fixed[FLOWS];
    for (int i = 0; i < n; i++)
        fixed[i] = !f[i].begun || f[i].over;
    for (;;) {
        long double least = 1e30L;
        int at = -1;
        for (int l = 0; l < 2 * NODES; l++) {
            long double room = (long double)bandwidth[l];
            int open = 0;
            for (int i = 0; i < n; i++)
                if (f[i].begun && !f[i].over && ((int)f[i].link[0] == l || (int)f[i].link[1] == l)) {
                    open += !fixed[i];
                    room -= fixed[i] ? f[i].rate : 0;
                }
            if (open && room / open < least) {
                least = room / open;
                at = l;
            }
        }
        if (at < 0)
            return;
        for (int i = 0; i < n; i++)
            if (!fixed[i] && ((int)f[i].link[0] == at || (int)f[i].link[1] == at)) {
                f[i].rate = least;
                fixed[i] = true;
            }
    }
}

START_TEST(rates_are_max_min_fair)
{
    state = (uint64_t)_i + 100;
    int64_t bandwidth[2 * NODES];
    plain f[FLOWS] = { 0 };
    uint32_t number[FLOWS];
    sk_network *net = sk_network_new(NODES, 0, GB);
    for (uint32_t i = 0; i < NODES; i++) {
        bandwidth[2 * i] = 1000 + (int64_t)draw(_i % 2 ? 5000000000 : 3) * (_i % 2 ? 1 : GB / 2);
        bandwidth[2 * i + 1] = 1000 + (int64_t)draw(_i % 2 ? 5000000000 : 3) * (_i % 2 ? 1 : GB / 2);
        sk_network_set_bandwidth(net, 0, i, bandwidth[2 * i], bandwidth[2 * i + 1]);
    }
    int64_t now = 0;
    for (int i = 0; i < FLOWS; i++) {
        uint32_t from = (uint32_t)draw(_i % 3 ? NODES : 2), to = (from + 1 + (uint32_t)draw(NODES - 1)) % NODES;
        f[i] = (plain){ .link = { 2 * from, 2 * to + 1 }, .left = 1e18L, .begun = true };
        number[i] = sk_network_start(net, now, from, to, SK_MOST_FLOW_BYTES, (uint64_t)i);
        now += (int64_t)draw(3);
        advance(net, now);
        if (draw(4) == 0) {                  /* and one that goes */
            int k = (int)draw((uint64_t)i + 1);
            if (!f[k].over)
                sk_network_stop(net, now, number[k]);
            f[k].over = true;
        }
        advance(net, now);
        fill_water(f, i + 1, bandwidth);
        for (int k = 0; k <= i; k++)
            if (!f[k].over) {
                long double off = (long double)sk_network_rate(net, number[k]) - f[k].rate;
                ck_assert_msg(off < 1.01L && off > -1.01L, "seed %d, flow %d of %d: %lld, not %.3Lf", _i, k, i,
                              (long long)sk_network_rate(net, number[k]), f[k].rate);
            }
    }
    sk_network_free(net);
}
END_TEST

/* Every flow's end too, when they come and go: the plain simulation steps from change to change. */
START_TEST(flows_end_when_they_should)
{
    state = (uint64_t)_i + 1000;
    int64_t bandwidth[2 * NODES];
    for (int l = 0; l < 2 * NODES; l++)
        bandwidth[l] = GB;
    plain f[FLOWS] = { 0 };
    sk_network *net = sk_network_new(NODES, 1000, GB);
    for (int i = 0; i < FLOWS; i++) {
        uint32_t from = (uint32_t)draw(NODES), to = (from + 1 + (uint32_t)draw(NODES - 1)) % NODES;
        int64_t bytes = 1 + (int64_t)draw(1000000);
        f[i] = (plain){ .link = { 2 * from, 2 * to + 1 }, .left = (long double)bytes, .start = 1000 };
        sk_network_start(net, 0, from, to, bytes, (uint64_t)i);
    }
    finish(net);
    ck_assert_uint_eq(ndone, FLOWS);
    long double now = 1000;
    for (int i = 0; i < FLOWS; i++)
        f[i].begun = true;
    for (int gone = 0; gone < FLOWS;) {
        fill_water(f, FLOWS, bandwidth);
        long double step = 1e30L;
        for (int i = 0; i < FLOWS; i++)
            if (!f[i].over && f[i].left / f[i].rate < step)
                step = f[i].left / f[i].rate;
        now += step * 1e9L;
        for (int i = 0; i < FLOWS; i++) {
            f[i].left -= f[i].over ? 0 : f[i].rate * step;
            if (!f[i].over && f[i].left < 1e-6L) {
                f[i].over = true;
                gone++;
                long double off = (long double)done_at[i] - now;
                ck_assert_msg(off > -1 && off < 1 + gone, "seed %d, flow %d: %lld, not %.2Lf", _i, i, (long long)done_at[i], now);
            }
        }
    }
    sk_network_free(net);
}
END_TEST

/* ---- how much work ---- */

static uint32_t pending_n;
static sk_network *big;
static uint32_t on_their_way[4096];
static struct { uint32_t from, to; } waiting[100000];
static uint32_t head_of[4096], next_of[100000];

static void pull(uint32_t to)
{
    while (on_their_way[to] < 8 && head_of[to]) {
        uint32_t i = head_of[to] - 1;
        head_of[to] = next_of[i];
        on_their_way[to]++;
        sk_network_start(big, sk_network_now(big), waiting[i].from, to, 1000 + (int64_t)(sk_mix(i) % 1000000), i);
    }
}
static void pulled(void *unused, uint64_t i)
{
    (void)unused;
    pending_n--;
    done_at[i] = sk_network_now(big);
    on_their_way[waiting[i].to]--;
    pull(waiting[i].to);
}

static void run_pulls(const char *what, uint32_t n, uint32_t sources, double most_events)
{
    big = sk_network_new(4096, 20000, GB);
    memset(on_their_way, 0, sizeof on_their_way);
    memset(head_of, 0, sizeof head_of);
    state = 3;
    for (uint32_t i = 0; i < n; i++) {
        waiting[i].to = sources < 4096 ? (uint32_t)draw(4096) : i / 2 % 4096 / 4;      /* one source for all, or a tree */
        waiting[i].from = sources < 4096 ? (uint32_t)draw(sources) : (uint32_t)draw(4096);
        next_of[i] = head_of[waiting[i].to];
        head_of[waiting[i].to] = i + 1;
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += 1000 + sk_mix(i) % 1000000;
    pending_n = n;
    clock_t start = clock();
    for (uint32_t i = 0; i < 4096; i++)
        pull(i);
    for (int64_t at; (at = sk_network_next(big)) != SK_NEVER;)
        sk_network_advance(big, at, pulled, NULL);
    double s = (double)(clock() - start) / CLOCKS_PER_SEC;
    sk_network_counts c = sk_network_count(big);
    if (getenv("SK_TEST_SPEED"))
        fprintf(stderr, "network: %s: %u flows in %.3f s, %.2f events and %.1f looks at a link a flow, %.3f s simulated\n", what, n, s,
                (double)c.events / n, (double)c.relaxed / n, (double)sk_network_now(big) / 1e9);
    ck_assert_uint_eq(pending_n, 0);
    ck_assert_uint_eq(c.done, n);
    ck_assert_uint_eq(c.bytes, bytes);
    ck_assert_msg((double)c.events <= most_events * n, "%.2f events a flow", (double)c.events / n);
    sk_network_free(big);
}

START_TEST(events_are_in_proportion_to_flows)
{
    run_pulls("tree", 100000, 4096, 2);
    run_pulls("one source", 100000, 1, 2);
    run_pulls("everybody from everybody", 100000, 4095, 2);
}
END_TEST

Suite *network_suite(void)
{
    Suite *suite = suite_create("network");
    TCase *tests = tcase_create("network");
    tcase_add_checked_fixture(tests, begin, NULL);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, one_flow_takes_latency_and_bytes_over_bandwidth);
    tcase_add_test(tests, equal_flows_on_one_card_take_as_many_times_as_long);
    tcase_add_test(tests, a_later_flow_gets_its_part_from_then_on);
    tcase_add_test(tests, what_one_cannot_use_others_get);
    tcase_add_test(tests, within_a_node_it_takes_no_time);
    tcase_add_test(tests, a_cut_holds_flows_until_the_repair);
    tcase_add_test(tests, a_lost_node_takes_its_flows_along);
    tcase_add_test(tests, a_stopped_or_frozen_flow_makes_room);
    tcase_add_loop_test(tests, rates_are_max_min_fair, 0, 40);
    tcase_add_loop_test(tests, flows_end_when_they_should, 0, 20);
    tcase_add_test(tests, events_are_in_proportion_to_flows);
    suite_add_tcase(suite, tests);
    return suite;
}
