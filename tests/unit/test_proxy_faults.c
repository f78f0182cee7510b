/* test_proxy_faults.c -- what the fault proxy does to a connection that is open: it ends, stops, is changed or slowed, at exactly that byte. Each
 * fault is seen by content and counts, never by time. See proxy_stage.h; the faults themselves are tried in test_fault_pipe.c. */
#include "proxy_stage.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

Suite *proxy_faults_suite(void);

START_TEST(rst_after_n_bytes_lets_exactly_n_through_and_resets_both_peers)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_UP, (proxy_faults){ .after = 7, .then = PROXY_RST });
    say(s.client, "seven..and some more");
    hear(s.target, "seven..");
    hear_a_reset(s.target);
    hear_a_reset(s.client);
    wait_for(&s, "dropped", 1);
    ck_assert_uint_eq(counts(&s).up.forwarded, 7);
    ck_assert_uint_eq(counts(&s).open, 0);
    close(s.client);
    close(s.target);
    meet(&s);                                          /* the next one as well */
    say(s.target, "down there is no fault");
    hear(s.client, "down there is no fault");
    say(s.client, "seven..");
    hear(s.target, "seven..");
    hear_a_reset(s.target);
    wait_for(&s, "dropped", 2);
    stage_close(&s);
}
END_TEST

START_TEST(fin_after_n_bytes_lets_exactly_n_through_and_ends_both_peers_streams)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_DOWN, (proxy_faults){ .after = 7, .then = PROXY_FIN });
    say(s.target, "seven..and some more");
    hear(s.client, "seven..");
    hear_the_end(s.client);
    hear_the_end(s.target);
    say(s.client, "this is not read, and not answered with a reset");
    hear_the_end(s.client);
    wait_for(&s, "dropped", 1);
    close(s.client);
    close(s.target);
    s.client = s.target = -1;
    stage_close(&s);
}
END_TEST

START_TEST(a_drop_at_once_does_not_wait_for_a_peer_that_does_not_read)
{
    static const proxy_then ways[] = { PROXY_RST, PROXY_FIN };
    for (int i = 0; i < 2; i++) {
        stage s = { .family = AF_INET };
        int port, little = 4096, there = 0;
        s.listener = listen_on(AF_INET, &port);
        ck_assert_int_eq(setsockopt(s.listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
        s.proxy = proxy_before(AF_INET, port);
        meet(&s);
        static const char data[65536];
        write_all(s.client, data, sizeof data);
        wait_for(&s, "up.forwarded", 16000);
        ck_assert_int_eq(ioctl(s.target, FIONREAD, &there), 0);
        ck_assert_int_lt(there, 16000);                /* the rest is on the way, and stays there */
        set(&s, PROXY_UP, (proxy_faults){ .then = ways[i] });
        wait_for(&s, "dropped", 1);
        stage_close(&s);
    }
}
END_TEST

typedef struct stream { int fd; size_t size; } stream;

static void *write_stream(void *data)
{
    stream *s = data;
    unsigned char piece[65536];
    for (size_t at = 0; at < s->size; ) {
        size_t n = s->size - at < sizeof piece ? s->size - at : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(at + i);
        ssize_t sent = send(s->fd, piece, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    return NULL;
}

/* Reads to the end, a reset, or `size`; how much came, all of it as it was written. */
static size_t read_stream(stage *s, int fd, size_t size)
{
    unsigned char piece[50000];
    size_t at = 0;
    for (ssize_t got; at < size && (got = recv(fd, piece, sizeof piece, 0)) > 0; at += (size_t)got) {
        for (ssize_t i = 0; i < got; i++)
            if (piece[i] != byte_at(at + (size_t)i))
                ck_abort_msg("byte %zu is not as it was written", at + (size_t)i);
        proxy_counts n = counts(s);
        ck_assert_uint_le(n.up.read - n.up.forwarded, PIPE_ROOM);
    }
    return at;
}

START_TEST(a_long_stream_passes_whole_with_at_most_256_KiB_in_the_proxy)
{
    stage s = stage_open(AF_INET);
    stream w = { s.client, 16 << 20 };
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, write_stream, &w), 0);
    ck_assert_uint_eq(read_stream(&s, s.target, w.size), w.size);
    pthread_join(thread, NULL);
    hear_nothing(s.target);
    stage_close(&s);
}
END_TEST

START_TEST(a_long_stream_is_truncated_at_exactly_the_byte_also_if_the_reader_is_slow)
{
    static const proxy_then ways[] = { PROXY_RST, PROXY_FIN };
    for (int i = 0; i < 2; i++) {
        stage s = stage_open(AF_INET);
        set(&s, PROXY_UP, (proxy_faults){ .after = 5000001, .then = ways[i] });
        stream w = { s.client, 8 << 20 };
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, write_stream, &w), 0);
        wait_for(&s, "up.read", 100000);
        ck_assert_uint_eq(read_stream(&s, s.target, w.size), 5000001);
        pthread_join(thread, NULL);                    /* what comes after a FIN is read, and thrown away */
        wait_for(&s, "dropped", 1);
        ck_assert_uint_eq(counts(&s).up.forwarded, 5000001);
        stage_close(&s);
    }
}
END_TEST

START_TEST(a_frozen_connection_stays_open_and_loses_nothing_when_it_thaws)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_UP, (proxy_faults){ .after = 4, .then = PROXY_HOLD });
    say(s.client, "half a message");
    hear(s.target, "half");
    ck_assert_uint_eq(counts(&s).up.forwarded, 4);
    shutdown(s.client, SHUT_WR);
    say(s.target, "the other direction goes on");
    hear(s.client, "the other direction goes on");
    hear_nothing(s.target);
    ck_assert_uint_eq(counts(&s).open, 1);
    set(&s, PROXY_UP, (proxy_faults){ 0 });
    hear(s.target, " a message");
    hear_the_end(s.target);
    stage_close(&s);
}
END_TEST

START_TEST(a_half_open_connection_reads_everything_and_tells_nothing)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_BOTH, (proxy_faults){ .then = PROXY_SWALLOW });
    say(s.client, "hello?");
    wait_for(&s, "up.swallowed", 6);
    shutdown(s.client, SHUT_WR);
    say(s.target, "are you still there?");
    wait_for(&s, "down.swallowed", 20);
    close_with_reset(s.target);
    s.target = -1;
    set(&s, PROXY_UP, (proxy_faults){ .then = PROXY_SWALLOW });        /* one more turn for all connections */
    hear_nothing(s.client);
    proxy_counts n = counts(&s);
    ck_assert_uint_eq(n.open, 1);
    ck_assert_uint_eq(n.up.forwarded + n.down.forwarded, 0);
    stage_close(&s);
}
END_TEST

START_TEST(a_cut_is_seen_by_the_reader_at_exactly_that_byte)
{
    stage s = stage_open(AF_INET);
    say(s.client, "before ");
    hear(s.target, "before ");
    for (int at = 1; at < 10; at++) {
        set(&s, PROXY_UP, (proxy_faults){ .cut_at = PROXY_FROM_NOW + (uint64_t)at, .gap_ns = HOUR });
        say(s.client, "0123456789");
        wait_for(&s, "up.cuts", (uint64_t)at);
        char got[16] = "";
        ck_assert_int_eq(recv(s.target, got, sizeof got, 0), at);
        ck_assert_int_eq(memcmp(got, "0123456789", (size_t)at), 0);
        set(&s, PROXY_UP, (proxy_faults){ 0 });
        hear(s.target, &"0123456789"[at]);
    }
    stage_close(&s);
}
END_TEST

START_TEST(split_pieces_are_written_one_by_one_and_arrive_whole)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_UP, (proxy_faults){ .split = 1, .gap_ns = HOUR });
    say(s.client, "0123456789");
    wait_for(&s, "up.cuts", 1);
    wait_for(&s, "up.read", 10);
    hear(s.target, "0");
    hear_nothing(s.target);
    ck_assert_uint_eq(counts(&s).up.forwarded, 1);
    set(&s, PROXY_UP, (proxy_faults){ .split = 1 });
    hear(s.target, "123456789");
    ck_assert_uint_eq(counts(&s).up.pieces, 10);
    stage_close(&s);
}
END_TEST

START_TEST(one_corrupted_bit_is_one_wrong_byte)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_UP, (proxy_faults){ .corrupt_at = 3, .corrupt_mask = 1 << 5 });
    say(s.client, "corrupted");
    hear(s.target, "corRupted");
    ck_assert_uint_eq(counts(&s).up.corrupted, 1);
    say(s.target, "corrupted");
    hear(s.client, "corrupted");
    ck_assert_uint_eq(counts(&s).down.corrupted, 0);
    stage_close(&s);
}
END_TEST

START_TEST(delayed_bytes_are_in_the_proxy_until_the_delay_is_over)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_UP, (proxy_faults){ .delay_ns = HOUR });
    say(s.client, "for later");
    shutdown(s.client, SHUT_WR);
    wait_for(&s, "up.read", 9);
    ck_assert_uint_eq(counts(&s).up.forwarded, 0);
    hear_nothing(s.target);
    set(&s, PROXY_UP, (proxy_faults){ .delay_ns = 1000000 });
    hear(s.target, "for later");
    hear_the_end(s.target);
    stage_close(&s);
}
END_TEST

START_TEST(a_rate_lets_a_burst_through_and_holds_the_rest)
{
    stage s = stage_open(AF_INET);
    set(&s, PROXY_UP, (proxy_faults){ .rate = 1, .burst = 5 });
    char data[4096] = "burst";
    write_all(s.client, data, sizeof data);
    hear(s.target, "burst");
    wait_for(&s, "up.read", sizeof data);
    ck_assert_uint_lt(counts(&s).up.forwarded, sizeof data);           /* more than an hour from now */
    set(&s, PROXY_UP, (proxy_faults){ .rate = UINT64_MAX });
    ck_assert_int_eq(recv(s.target, data, sizeof data - 5, MSG_WAITALL), sizeof data - 5);
    ck_assert_uint_eq(counts(&s).up.forwarded, sizeof data);
    stage_close(&s);
}
END_TEST

START_TEST(a_fault_of_one_connection_is_not_one_of_others)
{
    stage s = stage_open(AF_INET), other = s;
    meet(&other);
    ck_assert(proxy_set(s.proxy, 1, PROXY_BOTH, &(proxy_faults){ .then = PROXY_RST }));
    hear_a_reset(s.client);
    hear_a_reset(s.target);
    say(other.client, "here all is well");
    hear(other.target, "here all is well");
    proxy_counts n;
    ck_assert(!proxy_count_one(s.proxy, 1, &n));
    ck_assert(proxy_count_one(s.proxy, 2, &n));
    ck_assert_uint_eq(n.up.forwarded, 16);
    ck_assert(!proxy_set(s.proxy, 1, PROXY_BOTH, &(proxy_faults){ 0 }));
    ck_assert(!proxy_set(s.proxy, 3, PROXY_BOTH, &(proxy_faults){ 0 }));
    close(other.client);
    close(other.target);
    stage_close(&s);
}
END_TEST

Suite *proxy_faults_suite(void)
{
    Suite *suite = suite_create("proxy_faults");
    TCase *c = tcase_create("faults");
    tcase_add_test(c, rst_after_n_bytes_lets_exactly_n_through_and_resets_both_peers);
    tcase_add_test(c, fin_after_n_bytes_lets_exactly_n_through_and_ends_both_peers_streams);
    tcase_add_test(c, a_drop_at_once_does_not_wait_for_a_peer_that_does_not_read);
    tcase_add_test(c, a_long_stream_is_truncated_at_exactly_the_byte_also_if_the_reader_is_slow);
    tcase_add_test(c, a_frozen_connection_stays_open_and_loses_nothing_when_it_thaws);
    tcase_add_test(c, a_half_open_connection_reads_everything_and_tells_nothing);
    tcase_add_test(c, a_cut_is_seen_by_the_reader_at_exactly_that_byte);
    tcase_add_test(c, split_pieces_are_written_one_by_one_and_arrive_whole);
    tcase_add_test(c, one_corrupted_bit_is_one_wrong_byte);
    tcase_add_test(c, delayed_bytes_are_in_the_proxy_until_the_delay_is_over);
    tcase_add_test(c, a_rate_lets_a_burst_through_and_holds_the_rest);
    tcase_add_test(c, a_fault_of_one_connection_is_not_one_of_others);
    tcase_add_test(c, a_long_stream_passes_whole_with_at_most_256_KiB_in_the_proxy);
    suite_add_tcase(suite, c);
    return suite;
}
