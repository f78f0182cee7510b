/* test_tls.c -- two ends of TLS in memory: whom they let in, and what they make of bytes that come in pieces, changed, or not at all. */
#include "backends/tls.h"

#include <check.h>

typedef struct ends {
    sk_tls_self self[2];                   /* who dials, who answers */
    sk_secret secret[2];
    sk_tls *t[2];
    size_t piece;                          /* bytes that go over at once; 0: all there are */
    uint64_t moved[2];                     /* bytes that the end has sent */
    uint64_t spoil;                        /* the answering end sees this byte changed; 0: none */
} ends;

static void ends_init(ends *e)
{
    memset(e, 0, sizeof *e);
    for (int i = 0; i < 2; i++) {
        memset(&e->secret[i], 's', sizeof e->secret[i]);
        e->self[i] = (sk_tls_self){ .secret = &e->secret[i], .cluster = { { 9 } }, .node = { { (unsigned char)(i + 1) } }, .head = i == 1 };
    }
}

static void ends_open(ends *e, const sk_id *server)
{
    sk_error err = { 0 };
    e->t[0] = sk_tls_dial(&e->self[0], server, &err);
    e->t[1] = sk_tls_answer(&e->self[1], &err);
    ck_assert_msg(e->t[0] && e->t[1], "%s", err.message);
}

static void ends_close(ends *e)
{
    sk_tls_free(e->t[0]);
    sk_tls_free(e->t[1]);
}

/* Takes what end i has to send over to the other; was there anything? */
static bool carry(ends *e, int i)
{
    size_t n, room;
    const uint8_t *from = sk_tls_out(e->t[i], &n);
    uint8_t *to = sk_tls_room(e->t[!i], &room);
    n = n < room ? n : room;
    if (e->piece && n > e->piece)
        n = e->piece;
    if (!n)
        return false;
    memcpy(to, from, n);
    if (i == 0 && e->spoil > e->moved[i] && e->spoil <= e->moved[i] + n)
        to[e->spoil - e->moved[i] - 1] ^= 0x40;
    e->moved[i] += n;
    sk_tls_arrived(e->t[!i], n);
    sk_tls_sent(e->t[i], n);
    return true;
}

/* 1 for an end that is through, SK_TLS_BROKEN for one that is not. */
static void shake(ends *e, int step[2])
{
    step[0] = step[1] = SK_TLS_MORE;
    for (bool moves = true; moves; ) {
        for (int i = 0; i < 2; i++)
            if (step[i] == SK_TLS_MORE)
                step[i] = sk_tls_handshake(e->t[i]);
        moves = carry(e, 0);
        moves = carry(e, 1) || moves;
    }
    for (int i = 0; i < 2; i++)            /* an alert that came last */
        if (step[i] == SK_TLS_MORE)
            step[i] = sk_tls_handshake(e->t[i]);
}

static void shake_well(ends *e)
{
    int step[2];
    shake(e, step);
    ck_assert_msg(step[0] == 1 && step[1] == 1, "%d %d: %s / %s", step[0], step[1], sk_tls_error(e->t[0]), sk_tls_error(e->t[1]));
}

START_TEST(ends_with_the_same_secret_meet_and_who_answers_knows_who_has_dialed)
{
    ends e;
    ends_init(&e);
    e.piece = (size_t)_i;
    ends_open(&e, &e.self[1].node);
    shake_well(&e);
    ck_assert_int_eq(sk_tls_client(e.t[1])->bytes[0], 1);
    ck_assert_str_eq(sk_tls_error(e.t[0]), "");
    ck_assert_uint_le(e.moved[0], 1500);   /* link.h lets 2048 come before it knows from whom */
    ends_close(&e);
}
END_TEST

static void refused(ends *e, const sk_id *server, const char *words)
{
    int step[2];
    ends_open(e, server);
    shake(e, step);
    ck_assert_int_eq(step[0], SK_TLS_BROKEN);
    ck_assert_int_eq(step[1], SK_TLS_BROKEN);
    ck_assert_msg(strstr(sk_tls_error(e->t[1]), words) != NULL, "%s", sk_tls_error(e->t[1]));
    ck_assert_msg(strstr(sk_tls_error(e->t[0]), "the secret differs, or it is not the node we look for") != NULL, "%s", sk_tls_error(e->t[0]));
    ck_assert_int_eq(sk_tls_write(e->t[0], "x", 1), SK_TLS_BROKEN);
    ck_assert_int_eq(sk_tls_read(e->t[1], (char[1]){ 0 }, 1), SK_TLS_BROKEN);
}

/* What goes over the wire is the same, whatever is wrong: its length, here. */
START_TEST(whoever_must_not_get_in_is_refused_with_the_reason_on_this_side_only)
{
    static const char *const words[] = { "the secret differs", "the secret differs", "it looks for another node", "it looks for another node",
                                         "it calls itself by our own name" };
    static uint64_t before;
    ends e;
    ends_init(&e);
    const sk_id other = { { 77 } }, *server = &e.self[1].node;
    switch (_i) {
    case 0: e.secret[0].bytes[31] ^= 1; break;
    case 1: e.self[0].cluster.bytes[0]++; break;
    case 2: server = &other; break;
    case 3: server = NULL; e.self[1].head = false; break;
    case 4: e.self[0].node = e.self[1].node; break;
    }
    refused(&e, server, words[_i]);
    before = e.moved[1];
    ends_close(&e);
    ends_init(&e);
    e.secret[0].bytes[0] ^= 1;
    refused(&e, &e.self[1].node, "the secret differs");
    ck_assert_uint_eq(e.moved[1], before);
    ends_close(&e);
}
END_TEST

START_TEST(who_does_not_know_the_head_nor_the_cluster_meets_it_and_nobody_else)
{
    ends e;
    ends_init(&e);
    memset(&e.self[0].cluster, 0, sizeof e.self[0].cluster);
    ends_open(&e, NULL);
    shake_well(&e);
    ends_close(&e);
}
END_TEST

START_TEST(our_own_messages_sent_back_to_us_are_refused)
{
    /* Both ends are the same process: what it says as the one who dials comes back to it as if somebody had dialed. */
    ends e;
    ends_init(&e);
    e.self[0] = e.self[1];
    e.self[0].secret = &e.secret[1];
    const sk_id other = { { 2 } };
    e.self[0].node = e.self[1].node = (sk_id){ { 1 } };
    refused(&e, &other, "it calls itself by our own name");
    ends_close(&e);
}
END_TEST

START_TEST(a_pair_of_nodes_has_another_key_the_other_way_round)
{
    ends e;
    unsigned char one[SK_KEY_BYTES], other[SK_KEY_BYTES];
    ends_init(&e);
    ck_assert(sk_secret_psk(&e.secret[0], &e.self[0].cluster, &e.self[0].node, &e.self[1].node, one, NULL));
    ck_assert(sk_secret_psk(&e.secret[0], &e.self[0].cluster, &e.self[1].node, &e.self[0].node, other, NULL));
    ck_assert(memcmp(one, other, sizeof one) != 0);
}
END_TEST

/* ---- after the handshake ---- */

static uint8_t byte_at(size_t i) { return (uint8_t)(i * 31 ^ i >> 8); }

/* `size` bytes from end i to the other, which reads `room` at a time. */
static void stream(ends *e, int i, size_t size, size_t room)
{
    uint8_t *bytes = malloc(size), *got = malloc(room);
    for (size_t k = 0; k < size; k++)
        bytes[k] = byte_at(k);
    for (size_t in = 0, out = 0; out < size; ) {
        ssize_t n = sk_tls_write(e->t[i], bytes + in, size - in);
        ck_assert_int_ge(n, 0);
        in += (size_t)n;
        bool moves = carry(e, i);
        while ((n = sk_tls_read(e->t[!i], got, room)) > 0) {
            for (ssize_t k = 0; k < n; k++)
                if (got[k] != byte_at(out + (size_t)k))
                    ck_abort_msg("byte %zu is another", out + (size_t)k);
            out += (size_t)n;
            moves = true;
        }
        ck_assert_int_eq(n, SK_TLS_MORE);
        ck_assert(moves);
    }
    free(bytes);
    free(got);
}

START_TEST(what_is_written_is_read_both_ways_whatever_the_pieces)
{
    static const size_t pieces[] = { 0, 1, 777, 65536 };
    ends e;
    ends_init(&e);
    ends_open(&e, &e.self[1].node);
    shake_well(&e);
    e.piece = pieces[_i];
    size_t size = e.piece == 1 ? 100000 : 5000000;
    stream(&e, 0, size, 1 << 20);
    stream(&e, 1, size, 999);
    ends_close(&e);
}
END_TEST

START_TEST(plain_text_does_not_show_on_the_wire)
{
    ends e;
    size_t n;
    ends_init(&e);
    ends_open(&e, &e.self[1].node);
    shake_well(&e);
    ck_assert_int_eq(sk_tls_write(e.t[0], "a text that one could look for", 30), 30);
    const uint8_t *out = sk_tls_out(e.t[0], &n);
    ck_assert_uint_ge(n, 30);
    ck_assert(!memmem(out, n, "look for", 8));
    ends_close(&e);
}
END_TEST

START_TEST(a_byte_that_was_changed_on_the_way_breaks_it)
{
    ends e;
    char got[100];
    ends_init(&e);
    ends_open(&e, &e.self[1].node);
    shake_well(&e);
    e.spoil = e.moved[0] + (uint64_t)_i;
    ck_assert_int_eq(sk_tls_write(e.t[0], "one hundred marks", 17), 17);
    carry(&e, 0);
    for (int i = 0; i < 3; i++) {
        carry(&e, 1);
        ck_assert_int_le(sk_tls_read(e.t[1], got, sizeof got), 0);
    }
    if (_i != 4 && _i != 5) {              /* its length: then the rest is waited for, until the end */
        ck_assert_int_eq(sk_tls_read(e.t[1], got, sizeof got), SK_TLS_BROKEN);
        ck_assert_str_ne(sk_tls_error(e.t[1]), "");
    }
    sk_tls_ended(e.t[1]);
    ck_assert_int_eq(sk_tls_read(e.t[1], got, sizeof got), _i == 4 || _i == 5 ? SK_TLS_CUT : SK_TLS_BROKEN);
    ends_close(&e);
}
END_TEST

START_TEST(the_end_of_a_stream_is_told_from_one_that_was_cut)
{
    ends e;
    char got[100];
    ends_init(&e);
    ends_open(&e, &e.self[1].node);
    shake_well(&e);
    ck_assert_int_eq(sk_tls_write(e.t[0], "bye", 3), 3);
    if (_i)
        sk_tls_farewell(e.t[0]);
    carry(&e, 0);
    sk_tls_ended(e.t[1]);
    ck_assert_int_eq(sk_tls_read(e.t[1], got, sizeof got), 3);
    ck_assert_int_eq(sk_tls_read(e.t[1], got, sizeof got), _i ? SK_TLS_END : SK_TLS_CUT);
    ck_assert_str_eq(sk_tls_error(e.t[1]), _i ? "" : "the connection ended without a farewell");
    ends_close(&e);
}
END_TEST

START_TEST(a_handshake_that_is_changed_at_any_byte_lets_nobody_in)
{
    ends e;
    int step[2];
    ends_init(&e);
    ends_open(&e, &e.self[1].node);
    shake_well(&e);
    uint64_t size = e.moved[0];
    ends_close(&e);
    for (uint64_t at = 1; at <= size; at++) {
        ends_init(&e);
        e.spoil = at;
        ends_open(&e, &e.self[1].node);
        shake(&e, step);
        ck_assert_msg(step[1] != 1 || at == 3, "byte %d does not matter", (int)at);       /* 3: an old version number, "MUST be ignored" (RFC 8446, 5.1) */
        ends_close(&e);
    }
}
END_TEST

Suite *tls_suite(void)
{
    Suite *suite = suite_create("tls");
    TCase *handshake = tcase_create("handshake"), *bytes = tcase_create("bytes");
    tcase_add_loop_test(handshake, ends_with_the_same_secret_meet_and_who_answers_knows_who_has_dialed, 0, 3);
    tcase_add_loop_test(handshake, whoever_must_not_get_in_is_refused_with_the_reason_on_this_side_only, 0, 5);
    tcase_add_test(handshake, who_does_not_know_the_head_nor_the_cluster_meets_it_and_nobody_else);
    tcase_add_test(handshake, our_own_messages_sent_back_to_us_are_refused);
    tcase_add_test(handshake, a_pair_of_nodes_has_another_key_the_other_way_round);
    tcase_add_test(handshake, a_handshake_that_is_changed_at_any_byte_lets_nobody_in);
    suite_add_tcase(suite, handshake);
    tcase_add_loop_test(bytes, what_is_written_is_read_both_ways_whatever_the_pieces, 0, 4);
    tcase_add_test(bytes, plain_text_does_not_show_on_the_wire);
    tcase_add_loop_test(bytes, a_byte_that_was_changed_on_the_way_breaks_it, 1, 40);
    tcase_add_loop_test(bytes, the_end_of_a_stream_is_told_from_one_that_was_cut, 0, 2);
    suite_add_tcase(suite, bytes);
    return suite;
}
