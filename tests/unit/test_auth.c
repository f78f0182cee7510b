/* test_auth.c -- the handshake: both machines against each other, cut at every byte, and changed at every bit. The liars are in
 * test_auth_refusals.c.
 *
 * The test vector was computed apart from Skate:
 *
 *     import hmac, hashlib
 *     H = hashlib.sha256
 *     def mac(k, m): return hmac.new(k, m, H).digest()
 *     def hkdf(K, salt, info): return mac(mac(salt, K), info + b"\1")
 *     def b(first, n): return bytes((first + i) & 255 for i in range(n))
 *     def hello(role, node, nonce): return b"SKHS" + bytes((0, 1, 0, role, 0, 0, 0, 0)) + b(0x80, 32) + cluster + node + nonce
 *     K, cluster = b(0, 32), b(0xa0, 16)
 *     hello_C, hello_S = hello(2, b(0x10, 16), b(0x30, 32)), hello(1, b(0x20, 16), b(0x50, 32))
 *     K_a, TH = hkdf(K, cluster, b"sk1 auth"), H(hello_C + hello_S).digest()
 *     mac_S = mac(K_a, b"sk1 S\0" + TH)
 *     mac_C = mac(K_a, b"sk1 C\0" + TH + mac_S)
 *     mac_R = mac(K_a, b"sk1 R\0" + TH + mac_C)
 *     print(K_a.hex(), mac_S.hex(), mac_C.hex(), mac_R.hex())
 *
 * Reading order: what is said; changes on the way; TLS; the machine. */
#include "auth_pair.h"

/* ---- What is said ---- */

static const char hello_C[] = "534b48530001000200000000" "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
                              "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" "101112131415161718191a1b1c1d1e1f"
                              "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f";
static const char hello_S[] = "534b48530001000100000000" "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
                              "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" "202122232425262728292a2b2c2d2e2f"
                              "505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f";
static const char mac_S[] = "04936f64d39e137d0550302ea7365e01ad5b35a8565784e5ad2d1b2aee376668";
static const char mac_C[] = "01c1e2f31d563cdd9a6487cb800b6cf3eedc1f032e9b6aeeeecf302bbac41176";
static const char mac_R[] = "70bb89e39ef3c54d11dae6333c909ef106a67e339e78a8e1b79204b6d3406655";

START_TEST(the_messages_are_those_of_the_test_vector)
{
    g_autofree char *S_says = g_strconcat(hello_S, "534b41550001000000000000", mac_S, NULL);
    g_autofree char *C_says = g_strconcat("534b41550001000000000000", mac_C, NULL), *ready = g_strconcat("534b41550001000000000000", mac_R, NULL);
    const char *said[] = { hello_C, S_says, C_says, ready };
    begin();
    for (int i = 0; i < 4; i++) {
        int from = i % 2 ? S : C;
        unsigned char bytes[SK_AUTH_MOST];
        size_t size = output(from, bytes);
        is_hex(bytes, size, said[i]);
        ck_assert_uint_eq(sk_auth_take(&machine[!from], bytes, size), size);
    }
    both_are_done();
    ck_assert_int_eq(admissions, 1);
}
END_TEST

START_TEST(both_sides_are_done_whatever_pieces_the_bytes_come_in)
{
    for (size_t piece = 1; piece <= 152; piece++) {
        set_up();
        begin();
        talk(piece);
        both_are_done();
    }
}
END_TEST

START_TEST(both_sides_are_done_wherever_each_message_is_cut)
{
    for (size_t cut = 0; cut <= 152; cut++) {
        set_up();
        begin();
        for (int i = 0; i < 4; i++) {
            int from = i % 2 ? S : C;
            unsigned char bytes[SK_AUTH_MOST];
            size_t size = output(from, bytes), first = MIN(cut, size);
            ck_assert_uint_eq(sk_auth_take(&machine[!from], bytes, first), first);
            ck_assert_uint_ge(sk_auth_wants(&machine[!from]), first < size ? size - first : 0);
            ck_assert_uint_eq(sk_auth_take(&machine[!from], bytes + first, size - first), size - first);
        }
        both_are_done();
    }
}
END_TEST

START_TEST(no_machine_wants_more_than_what_is_left_of_the_message)
{
    unsigned char bytes[SK_AUTH_MOST];
    begin();
    for (int i = 0; i < 4; i++) {
        int from = i % 2 ? S : C;
        size_t size = output(from, bytes);
        for (size_t at = 0; at < size; at++) {
            ck_assert_uint_eq(sk_auth_wants(&machine[!from]), size - at);
            ck_assert_uint_eq(sk_auth_take(&machine[!from], bytes + at, 1), 1);
        }
    }
    both_are_done();
    begin();                                           /* a refusal is shorter than what C hopes for */
    ck_assert_uint_eq(sk_auth_take(&machine[C], "SKAU\0\1\0\1", 8), 8);
    ck_assert_uint_eq(sk_auth_wants(&machine[C]), 36);
}
END_TEST

START_TEST(what_comes_behind_the_last_message_is_not_taken)
{
    unsigned char bytes[SK_AUTH_MOST + 8];
    begin();
    carry(C, 200);
    carry(S, 200);
    size_t size = output(C, bytes);
    memset(bytes + size, 7, 8);
    ck_assert_uint_eq(sk_auth_take(&machine[S], bytes, size + 8), size);
    size = output(S, bytes);
    memset(bytes + size, 7, 8);
    ck_assert_uint_eq(sk_auth_take(&machine[C], bytes, size + 8), size);
    both_are_done();
}
END_TEST

/* As they differ in nothing else, a peer could be taken for itself if both began with one nonce. */
START_TEST(no_two_handshakes_have_one_nonce)
{
    unsigned char nonce[32];
    spec[C].random = NULL;
    begin();
    memcpy(nonce, machine[C].self.nonce, sizeof nonce);
    begin();
    ck_assert(memcmp(nonce, machine[C].self.nonce, sizeof nonce) != 0);
    talk(200);
    both_are_done();
}
END_TEST

/* ---- Changes on the way ---- */

/* Message i has this bit turned on its way; who hears it is not done, and unless it was the last one, nobody is. */
static void turn_bit(int i, size_t bit)
{
    set_up();
    begin();
    for (int m = 0; m < 4; m++) {
        int from = m % 2 ? S : C;
        unsigned char bytes[SK_AUTH_MOST];
        size_t size = output(from, bytes);
        if (m == i)
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        sk_auth_take(&machine[!from], bytes, size);
    }
    int hearer = i % 2 ? C : S;
    ck_assert_int_ne(machine[hearer].state, SK_AUTH_DONE);
    if (i < 3)
        ck_assert_int_ne(machine[!hearer].state, SK_AUTH_DONE);
    ck_assert_int_eq(admissions, i == 3);
}

START_TEST(a_bit_that_was_turned_anywhere_leads_to_no_end_but_failure)
{
    static const size_t sizes[] = { 108, 152, 44, 44 };
    for (int i = 0; i < 4; i++)
        for (size_t bit = 0; bit < 8 * sizes[i]; bit++)
            turn_bit(i, bit);
}
END_TEST

START_TEST(messages_in_any_other_order_lead_to_no_end_but_failure)
{
    record();
    for (int order = 0; order < 4 * 4 * 4; order++) {
        int m[3] = { order % 4, order / 4 % 4, order / 16 };
        for (int who = 0; who < BOTH; who++) {
            unsigned char bytes[SK_AUTH_MOST];
            set_up();                                  /* the nonces of before: so the right order would be right */
            begin();
            output(who, bytes);
            for (int i = 0; i < 3; i++) {
                sk_auth_take(&machine[who], said[m[i]], said_size[m[i]]);
                output(who, bytes);
            }
            bool is_right = who == S ? m[0] == 0 && m[1] == 2 : m[0] == 1 && m[1] == 3;
            ck_assert_msg((machine[who].state == SK_AUTH_DONE) == is_right, "%c hears %d %d %d: %s", "CS"[who], m[0], m[1], m[2],
                          sk_auth_state_name(machine[who].state));
        }
    }
}
END_TEST

/* ---- Inside TLS ---- */

static void use_tls(void)
{
    for (int i = 0; i < BOTH; i++) {
        spec[i].in_tls = true;
        spec[i].secret = NULL;
        spec[i].peer = &spec[!i].node;
    }
}

START_TEST(inside_tls_the_same_is_said_without_proofs)
{
    use_tls();
    record();
    is_hex(said[0] + 8, 4, "00000001");
    for (int i = 1; i < 4; i++)
        for (size_t at = said_size[i] - 32; at < said_size[i]; at++)
            ck_assert_int_eq(said[i][at], 0);
    memset(said[1] + 120, 1, 32);                      /* nobody looks at them */
    memset(said[2] + 12, 1, 32);
    S_is_shown(said[0], said[2]);
    ck_assert_int_eq(machine[S].state, SK_AUTH_DONE);
}
END_TEST

START_TEST(inside_tls_the_rest_is_looked_at_as_ever)
{
    use_tls();
    spec[C].build[0] ^= 1;
    begin();
    talk(200);
    failed(S, SK_WHY_BUILD, "its table of remote functions is another: build 81818283 there, 80818283 here; run the same program on both ends");
    failed(C, SK_WHY_BUILD, "its table of remote functions is another: build 80818283 there, 81818283 here; run the same program on both ends");
    set_up();
    use_tls();
    sk_id wanted;
    count_up(&wanted, sizeof wanted, 0x11);            /* whom TLS has authenticated, and who speaks, are two */
    spec[S].peer = &wanted;
    begin();
    talk(200);
    failed(S, SK_WHY_PEER, "its node id is 101112131415161718191a1b1c1d1e1f, and 1112131415161718191a1b1c1d1e1f20 is wanted here");
}
END_TEST

START_TEST(tls_on_one_end_only_is_refused)
{
    for (int who = 0; who < BOTH; who++) {
        set_up();
        use_tls();
        spec[who].in_tls = false;
        spec[who].secret = &secret;
        begin();
        talk(200);
        ck_assert_int_eq(machine[C].state, SK_AUTH_FAILED);
        ck_assert_int_eq(machine[S].state, SK_AUTH_FAILED);
        if (who == C)
            failed(C, SK_WHY_PROOF, PROOF_WRONG "/c" OR_ANOTHER);
        else
            failed(C, SK_WHY_MODE, "flags 00000000 in its HELLO, 00000001 in ours: TLS must be on both ends, or on none");
    }
}
END_TEST

START_TEST(flags_that_nobody_knows_are_refused_after_the_proof)
{
    begin();
    machine[C].out[8] = machine[C].hello[0][8] = 0x80;
    talk(200);
    failed(S, SK_WHY_MODE, "flags 80000000 in its HELLO, 00000000 in ours: TLS must be on both ends, or on none");
    begin();
    machine[C].out[8] = 0x80;                          /* turned on the way */
    talk(200);
    failed(C, SK_WHY_PROOF, PROOF_WRONG "/c" OR_ANOTHER);
}
END_TEST

/* ---- The machine ---- */

static bool has_key(const sk_auth *a)
{
    unsigned char key[SK_KEY_BYTES];
    ck_assert(sk_secret_auth_key(&secret, &spec[S].cluster, key, NULL));
    return memmem(a, sizeof *a, key, sizeof key) || memmem(a, sizeof *a, &secret, sizeof secret);
}

START_TEST(a_machine_that_has_ended_keeps_no_key)
{
    begin();
    carry(C, 200);
    ck_assert(has_key(&machine[S]));
    carry(S, 200);
    ck_assert(has_key(&machine[C]));
    carry(C, 200);
    carry(S, 200);
    both_are_done();
    ck_assert(!has_key(&machine[C]) && !has_key(&machine[S]));
    for (int i = 0; i < BOTH; i++) {
        static const unsigned char zeros[sizeof machine[i].in];
        ck_assert(!memcmp(machine[i].expected, zeros, sizeof machine[i].expected));
        ck_assert(!memcmp(machine[i].in, zeros, sizeof zeros));
        ck_assert_ptr_null(machine[i].spec.secret);
    }
    begin();
    carry(C, 200);
    sk_auth_stop(&machine[S], SK_WHY_LATE);
    ck_assert(!has_key(&machine[S]));
    begin();
    carry(C, 200);
    sk_auth_clear(&machine[S]);
    static const sk_auth none;
    ck_assert(!memcmp(&machine[S], &none, sizeof none));
}
END_TEST

START_TEST(who_has_ended_is_not_stopped_again)
{
    begin();
    talk(200);
    sk_auth_stop(&machine[C], SK_WHY_CLOSED);
    sk_auth_stop(&machine[S], SK_WHY_LATE);
    both_are_done();
}
END_TEST

START_TEST(output_goes_in_pieces)
{
    unsigned char bytes[SK_AUTH_MOST];
    size_t size;
    begin();
    carry(C, 200);
    for (size_t i = 0; i < 152; i++) {
        const unsigned char *out = sk_auth_output(&machine[S], &size);
        ck_assert_uint_eq(size, 152 - i);
        bytes[i] = *out;
        sk_auth_wrote(&machine[S], 1);
    }
    sk_auth_take(&machine[C], bytes, 152);
    carry(C, 200);
    carry(S, 200);
    both_are_done();
}
END_TEST

Suite *auth_suite(void)
{
    Suite *suite = suite_create("auth");
    TCase *fine = tcase_create("fine"), *changes = tcase_create("changes"), *tls = tcase_create("tls");
    TCase *machines = tcase_create("machine"), *all[] = { fine, changes, tls, machines };
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, NULL);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_test(fine, the_messages_are_those_of_the_test_vector);
    tcase_add_test(fine, both_sides_are_done_whatever_pieces_the_bytes_come_in);
    tcase_add_test(fine, both_sides_are_done_wherever_each_message_is_cut);
    tcase_add_test(fine, no_machine_wants_more_than_what_is_left_of_the_message);
    tcase_add_test(fine, what_comes_behind_the_last_message_is_not_taken);
    tcase_add_test(fine, no_two_handshakes_have_one_nonce);
    tcase_add_test(changes, a_bit_that_was_turned_anywhere_leads_to_no_end_but_failure);
    tcase_add_test(changes, messages_in_any_other_order_lead_to_no_end_but_failure);
    tcase_add_test(tls, inside_tls_the_same_is_said_without_proofs);
    tcase_add_test(tls, inside_tls_the_rest_is_looked_at_as_ever);
    tcase_add_test(tls, tls_on_one_end_only_is_refused);
    tcase_add_test(tls, flags_that_nobody_knows_are_refused_after_the_proof);
    tcase_add_test(machines, a_machine_that_has_ended_keeps_no_key);
    tcase_add_test(machines, who_has_ended_is_not_stopped_again);
    tcase_add_test(machines, output_goes_in_pieces);
    return suite;
}
