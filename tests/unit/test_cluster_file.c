/* test_cluster_file.c -- cluster files: what they mean, what is said about wrong ones, and the way back to text. */
#include <check.h>
#include <stdio.h>

#include "backends/cluster_file.h"
#include "backends/cluster_units.h"

Suite *cluster_file_suite(void);

static sk_error err;

static sk_cluster_spec *read_text(const char *text) { return sk_cluster_spec_parse(text, strlen(text), "lab.ini", &err); }

static sk_cluster_spec *good(const char *text)
{
    sk_cluster_spec *spec = read_text(text);
    ck_assert_msg(spec != NULL, "%s", err.message);
    return spec;
}

static void bad(const char *text, const char *message)
{
    sk_cluster_spec *spec = read_text(text);
    ck_assert_msg(!spec, "read: %s", text);
    ck_assert_str_eq(err.message, message);
}

START_TEST(units_are_exact)
{
    int64_t x;
    ck_assert(sk_parse_time("1ms", &x) && x == 1000000);
    ck_assert(sk_parse_time("2.5s", &x) && x == 2500000000);
    ck_assert(sk_parse_time("80us", &x) && x == 80000);
    ck_assert(sk_parse_time("10 ns", &x) && x == 10);
    ck_assert(sk_parse_time("0.000000001s", &x) && x == 1);
    ck_assert(!sk_parse_time("0.1ns", &x) && !sk_parse_time("1", &x) && !sk_parse_time("-1s", &x) && !sk_parse_time("s", &x));
    ck_assert(!sk_parse_time("999999999999999999h", &x) && !sk_parse_time("1e3s", &x) && !sk_parse_time("1.2.3s", &x));
    ck_assert(sk_parse_bandwidth("1GB/s", &x) && x == 1000000000);
    ck_assert(sk_parse_bandwidth("100Mbit/s", &x) && x == 12500000);
    ck_assert(!sk_parse_bandwidth("0B/s", &x) && !sk_parse_bandwidth("-1GB/s", &x) && !sk_parse_bandwidth("1GB", &x));
    ck_assert(!sk_parse_bandwidth("1bit/s", &x));
    ck_assert(sk_parse_bytes("500M", &x) && x == 500 << 20);
    ck_assert(sk_parse_bytes("2G", &x) && x == 2LL << 30);
    ck_assert(sk_parse_bytes("1.5K", &x) && x == 1536);
    ck_assert(sk_parse_per_byte("0.1ns", &x) && x == 100000);
    ck_assert_int_eq(sk_overhead_of(&(sk_overhead){ 5, 100000 }, 1000), 105);
}
END_TEST

START_TEST(a_file_says_what_a_cluster_is)
{
    sk_cluster_spec *s = good("# ours\n[cluster]\nnodes = 3\nworkers=8\nresources = licence=1\nstore-bytes = 2G\npolicy = heft\nseed=42\n"
                              "[node.gpu*]\ncount = 2\nresources = gpu=1\nspeed = 0.5\ndisk-bandwidth = 500MB/s\n[node.head]\nworkers=1\n"
                              "[network]\nlatency = 50us\nbandwidth = 10Gbit/s\npulls = 4\n"
                              "[overheads]\nsubmit = 20us\nput-per-byte = 0.1ns\n");
    char room[40];
    uint32_t node;
    ck_assert_uint_eq(s->nodes, 6);
    ck_assert_uint_eq(s->nkinds, 3);
    ck_assert_str_eq(s->policy, "heft");
    ck_assert_uint_eq(s->seed, 42);
    const sk_node_kind *gpu = sk_cluster_spec_node(s, 4);
    ck_assert_int_eq(gpu->workers, 8);
    ck_assert_int_eq(gpu->speed, 5000);
    ck_assert_int_eq(gpu->disk_bandwidth, 500000000);
    ck_assert_int_eq(gpu->store_bytes, 2LL << 30);
    ck_assert_int_eq(gpu->resources.n, 1);
    ck_assert_str_eq(gpu->resources.amounts[0].name, "gpu");
    ck_assert_str_eq(sk_cluster_spec_name(s, 2, room, sizeof room), "node2");
    ck_assert_str_eq(sk_cluster_spec_name(s, 4, room, sizeof room), "gpu1");
    ck_assert_str_eq(sk_cluster_spec_name(s, 5, room, sizeof room), "head");
    ck_assert(sk_cluster_spec_find(s, "gpu1", &node) && node == 4);
    ck_assert(!sk_cluster_spec_find(s, "gpu2", &node) && !sk_cluster_spec_find(s, "gpu01", &node));
    ck_assert_int_eq(sk_cluster_spec_node(s, 5)->workers, 1);
    ck_assert_int_eq(s->bandwidth, 1250000000);
    ck_assert_int_eq(s->latency, 50000);
    ck_assert_int_eq(s->pulls, 4);
    ck_assert_int_eq(s->overheads[SK_OVER_SUBMIT].fixed, 20000);
    ck_assert_int_eq(s->overheads[SK_OVER_PUT].per_byte, 100000);
    sk_cluster_spec_free(s);
}
END_TEST

START_TEST(an_empty_file_is_one_node)
{
    sk_cluster_spec *s = good("");
    ck_assert_uint_eq(s->nodes, 1);
    ck_assert_int_eq(s->kinds[0].workers, 1);
    sk_cluster_spec_free(s);
    s = good("[node.a]\n[node.b]\n");
    ck_assert_uint_eq(s->nodes, 2);
    sk_cluster_spec_free(s);
}
END_TEST

START_TEST(faults_come_by_script_and_by_chance)
{
    sk_cluster_spec *s = good("[cluster]\nnodes=4\n[node.big]\n[faults]\nseed = 9\nat 2s = restart node 3\nat 1.5s = crash node 3; slow 0 by 10 for 1s\n"
                              "at 1s = freeze node big for 300ms; cut 1 node2;\ncrash = every 100s for 2s\nslow = every 60s by 2.5 for 5s\n");
    ck_assert_uint_eq(s->nfaults, 5);
    ck_assert_uint_eq(s->fault_seed, 9);
    const sk_fault *f = s->faults;
    ck_assert(f[0].kind == SK_FAULT_FREEZE && f[0].at == 1000000000 && f[0].node == 4 && f[0].lasts == 300000000);
    ck_assert(f[1].kind == SK_FAULT_CUT && f[1].node == 1 && f[1].other == 2 && f[1].lasts == 0);
    ck_assert(f[2].kind == SK_FAULT_CRASH && f[2].at == 1500000000 && f[2].node == 3);
    ck_assert(f[3].kind == SK_FAULT_SLOW && f[3].by == 100000 && f[3].lasts == 1000000000);
    ck_assert(f[4].kind == SK_FAULT_RESTART);
    ck_assert_int_eq(s->rates[SK_FAULT_CRASH].every, 100000000000);
    ck_assert_int_eq(s->rates[SK_FAULT_SLOW].by, 25000);
    ck_assert_int_eq(s->rates[SK_FAULT_CUT].every, 0);
    sk_cluster_spec_free(s);
}
END_TEST

START_TEST(a_slow_node_is_one_to_a_million_times_slower)
{
    sk_cluster_spec *s = good("[faults]\nat 1s = slow 0 by 1\nat 2s = slow 0 by 1000000\n");
    ck_assert(s->faults[0].by == SK_UNITS && s->faults[1].by == SK_UNITS * (int64_t)1000000);
    sk_cluster_spec_free(s);
    bad("[faults]\nat 1s = slow 0 by 0.5\n",
        "lab.ini:2: [faults] at 1s = slow 0 by 0.5: expected by FACTOR, from 1 to 1000000: so many times slower");
    bad("[faults]\nat 1s = slow 0 by 1000000.0001 for 1s\n",
        "lab.ini:2: [faults] at 1s = slow 0 by 1000000.0001 for 1s: expected by FACTOR, from 1 to 1000000: so many times slower");
    bad("[faults]\nslow = every 60s by 100000000000 for 5s\n",
        "lab.ini:2: [faults] slow = every 60s by 100000000000 for 5s: expected by FACTOR, from 1 to 1000000: so many times slower");
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_line)
{
    bad("[cluster]\n\nworkers = 0\n", "lab.ini:3: [cluster] workers = 0: expected a whole number from 1 to 4096");
    bad("[network]\nbandwidth = -1GB/s", "lab.ini:2: [network] bandwidth = -1GB/s: expected a bandwidth above 0, like 1GB/s or 100Mbit/s");
    bad("[network]\nlatency = fast", "lab.ini:2: [network] latency = fast: expected a time of whole nanoseconds, like 10ns, 80us, 1ms or 2.5s");
    bad("# x\n[netwrok]\n", "lab.ini:2: [netwrok]: there is no such group; there are [cluster] [node.NAME] [network] [overheads] [faults]");
    bad("[network]\npull = 3\n", "lab.ini:2: [network] pull: there is no such key; here are: latency bandwidth pulls");
    bad("[cluster]\npolicy = best\n",
        "lab.ini:2: [cluster] policy = best: expected one of: locality random fifo lifo bottom-up b-level heft power-of-two");
    bad("[node.a]\n[node.b]\n[node.a]\n", "lab.ini:3: [node.a]: is in line 1 already; nodes need different names");
    bad("[node.gpu*]\ncount=4\n[node.gpu3]\n", "lab.ini:3: [node.gpu3]: two nodes may get one name, here and as gpu*; nodes need different names");
    bad("[cluster]\nnodes=4\n[node.node3]\n",
        "lab.ini:3: [node.node3]: two nodes may get one name, here and as node*; nodes need different names");
    bad("[node.a]\ncount=2\n", "lab.ini:2: [node.a] count: several nodes need several names: write [node.a*]");
    bad("[cluster]\nseed=1\nseed=2\n", "lab.ini:3: [cluster] seed: is in line 2 already");
    bad("nodes=4\n", "lab.ini:1: \"nodes=4\": expected [group], key = value (below a [group]), or # comment");
    bad("[cluster]\nnodes 4\n", "lab.ini:2: \"nodes 4\": expected [group], key = value, or # comment");
    bad("[cluster]\nnodes=3\n[faults]\nat 1s = crash node 3\n",
        "lab.ini:4: [faults] at 1s = crash node 3: there is no node 3; expected a number from 0 to 2, or a name like node2");
    bad("[faults]\nat 1s = explode node 0\n",
        "lab.ini:2: [faults] at 1s = explode node 0: expected crash, restart, freeze, slow or cut, and a node: crash node 3; cut 1 2 for 1s");
    bad("[faults]\nat 1s = slow 0\n", "lab.ini:2: [faults] at 1s = slow 0: expected by FACTOR, like by 10");
    bad("[faults]\nat 1s = freeze 0\n", "lab.ini:2: [faults] at 1s = freeze 0: expected for TIME, like for 300ms");
    bad("[faults]\nat noon = crash 0\n", "lab.ini:2: [faults] at noon = crash 0: expected at TIME = FAULT, with a time of whole nanoseconds, "
                                         "like at 1.5s = crash node 3");
    bad("[faults]\nat 1s = crash 0\nat 1s = crash 0\n", "lab.ini:3: [faults] at 1s: is in line 2 already; join the two with ;");
    bad("[faults]\ncrash = 3\n",
        "lab.ini:2: [faults] crash = 3: expected every TIME for TIME: a node's mean time between two, like every 100s for 2s");
    ck_assert(!sk_cluster_spec_load("laptops", &err));
    ck_assert_ptr_nonnull(strstr(err.message, "\"laptops\": there is no such file, and no such preset"));
    ck_assert_ptr_nonnull(strstr(err.message, "the presets are: laptop classroom-32 cluster-1000"));
    ck_assert(!sk_cluster_spec_parse("[cluster]\n\0", 11, "x", &err));
}
END_TEST

static void goes_there_and_back(sk_cluster_spec *s)
{
    char *text = sk_cluster_spec_write(s, "Measured on\nthis machine");
    sk_cluster_spec *again = good(text);
    ck_assert_msg(sk_cluster_spec_equal(s, again), "%s", text);
    free(text);
    sk_cluster_spec_free(again);
    sk_cluster_spec_free(s);
}

START_TEST(what_is_written_reads_back_the_same)
{
    for (const sk_cluster_preset *p = sk_cluster_presets; p->name; p++) {
        sk_cluster_spec *s = sk_cluster_spec_load(p->name, &err);
        ck_assert_msg(s != NULL, "%s", err.message);
        goes_there_and_back(s);
    }
    goes_there_and_back(good(""));
    goes_there_and_back(good("[cluster]\nresources=a=0.5,b=3\nspeed=1.25\n[node.x]\nresources=\nbandwidth=7B/s\n[node.y*]\ncount=3\n"));
    goes_there_and_back(good("[node.x]\nworkers=2\n[overheads]\nsubmit=1.000001s\nget-per-byte=12.345ps\n"));
    goes_there_and_back(good("[cluster]\nnodes=4\n[faults]\nat 1s=crash 1 for 2s; cut 0 1\nat 0s=slow 2 by 1.5\nfreeze=every 3s for 1ms\n"));
    goes_there_and_back(sk_cluster_spec_from_settings(10000, 8, "gpu=2", 1 << 30, &err));
    ck_assert(!sk_cluster_spec_from_settings(1, 1, "gpu", 0, &err));
}
END_TEST

START_TEST(equal_nodes_are_one_record)
{
    sk_cluster_spec *s = good("[cluster]\nnodes = 10000\n");
    ck_assert_uint_eq(s->nodes, 10000);
    ck_assert_uint_eq(s->nkinds, 1);
    sk_cluster_spec_free(s);
}
END_TEST

/* Text with random changes is read, or something is said. */
START_TEST(random_changes_do_no_harm)
{
    static const char *const seeds[] = { "[faults]\nat 1s = crash 0; slow 0 by 2 for 1s\ncut = every 1s\nfreeze = every 2s for 1ms\n",
                                         "[node.a*]\ncount=3\nresources=a=1,b=2\n[node.b]\nspeed=0.5\n[overheads]\nput-per-byte=1ps\n" };
    static const char spice[] = "\n[]=;#*. 09-/sGB\\\xc3\x01";
    uint64_t x = 77;
    int read = 0;
    for (int round = 0; round < 6000; round++) {
        char text[2000];
        const char *from = round % 5 < 3 ? sk_cluster_presets[round % 5].text : seeds[round % 5 - 3];
        size_t n = strlen(from);
        memcpy(text, from, n);
        for (uint64_t k = 1 + (x = sk_mix(x)) % 4; k > 0; k--) {
            size_t at = (x = sk_mix(x)) % n, length = (x = sk_mix(x)) % 12;
            if (x >> 40 & 1) {
                text[at] = spice[(x >> 20) % (sizeof spice - 1)];
            } else if (at + length < n) {            /* out, or there twice */
                if (x >> 41 & 1)
                    memmove(text + at, text + at + length, (n -= length) - at);
                else if (n + length < sizeof text)
                    memmove(text + at + length, text + at, (n += length) - at - length);
            }
        }
        err.message[0] = '\0';
        sk_cluster_spec *s = sk_cluster_spec_parse(text, n, "fuzz", &err);
        ck_assert(s || err.message[0]);
        if (s) {
            read++;
            goes_there_and_back(s);
        }
    }
    ck_assert_int_gt(read, 100);
}
END_TEST

Suite *cluster_file_suite(void)
{
    Suite *suite = suite_create("cluster_file");
    TCase *tests = tcase_create("cluster_file");
    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, units_are_exact);
    tcase_add_test(tests, a_file_says_what_a_cluster_is);
    tcase_add_test(tests, an_empty_file_is_one_node);
    tcase_add_test(tests, faults_come_by_script_and_by_chance);
    tcase_add_test(tests, a_slow_node_is_one_to_a_million_times_slower);
    tcase_add_test(tests, what_is_wrong_is_named_with_its_line);
    tcase_add_test(tests, what_is_written_reads_back_the_same);
    tcase_add_test(tests, equal_nodes_are_one_record);
    tcase_add_test(tests, random_changes_do_no_harm);
    suite_add_tcase(suite, tests);
    return suite;
}
