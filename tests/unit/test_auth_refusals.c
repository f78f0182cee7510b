/* test_auth_refusals.c -- whom the handshake refuses: for which reason (that is for the log), and with which bytes (always the same). */
#include "auth_pair.h"

START_TEST(another_secret_is_refused_by_who_connects)
{
    spec[C].secret = &other_secret;
    begin();
    carry(C, 200);
    carry(S, 200);
    failed(C, SK_WHY_PROOF, PROOF_WRONG "/c" OR_ANOTHER);
    unsigned char bytes[SK_AUTH_MOST];
    size_t size = output(C, bytes);
    ck_assert_uint_eq(size, 44);
    ends_with_refusal(bytes, size, SK_AUTH_NO);
    ck_assert_uint_eq(sk_auth_take(&machine[S], bytes, size), size);
    failed(S, SK_WHY_REFUSED, REFUSES_US "/s" OR_LOG);
    S_refuses(0, SK_AUTH_NO);
    ck_assert(!machine[C].is_proven && !machine[S].is_proven);
    ck_assert_int_eq(admissions, 0);
}
END_TEST

START_TEST(a_handshake_is_not_done_twice_with_the_same_bytes)
{
    record();
    S_is_shown(said[0], said[2]);                      /* S has drawn another nonce */
    failed(S, SK_WHY_PROOF, PROOF_WRONG "/s" OR_ANOTHER);
    S_refuses(0, SK_AUTH_NO);
    sk_auth_begin(&machine[C], &spec[C]);              /* and to C, as from S */
    sk_auth_take(&machine[C], said[1], said_size[1]);
    failed(C, SK_WHY_PROOF, PROOF_WRONG "/c" OR_ANOTHER);
    ck_assert_int_eq(admissions, 0);
}
END_TEST

START_TEST(the_proof_of_another_handshake_is_refused)
{
    record();
    begin();
    carry(C, 200);
    carry(S, 200);
    ck_assert_int_eq(machine[C].state, SK_AUTH_JUDGED);
    ck_assert_uint_eq(sk_auth_take(&machine[S], said[2], 44), 44);
    failed(S, SK_WHY_PROOF, PROOF_WRONG "/s" OR_ANOTHER);
    S_refuses(0, SK_AUTH_NO);
    ck_assert_uint_eq(sk_auth_take(&machine[C], said[3], 44), 44);             /* an old READY */
    failed(C, SK_WHY_PROOF, PROOF_WRONG "/c" OR_ANOTHER);
}
END_TEST

START_TEST(what_S_says_does_not_serve_C)
{
    unsigned char bytes[SK_AUTH_MOST];
    begin();
    carry(C, 200);
    ck_assert_uint_eq(output(S, bytes), 152);
    sk_auth_take(&machine[S], bytes + 108, 44);        /* its own proof */
    failed(S, SK_WHY_PROOF, PROOF_WRONG "/s" OR_ANOTHER);
    S_refuses(0, SK_AUTH_NO);
    begin();                                           /* C's own proof as READY */
    carry(C, 200);
    carry(S, 200);
    ck_assert_uint_eq(output(C, bytes), 44);
    sk_auth_take(&machine[C], bytes, 44);
    failed(C, SK_WHY_PROOF, PROOF_WRONG "/c" OR_ANOTHER);
}
END_TEST

#define ECHO "it has our own node id: we talk to ourselves, or to our echo"

START_TEST(an_echo_is_refused_by_both)
{
    unsigned char bytes[SK_AUTH_MOST];
    size_t size;
    begin();
    size = output(C, bytes);
    sk_auth_take(&machine[C], bytes, size);            /* its own HELLO comes back */
    failed(C, SK_WHY_REFLECTED, ECHO);
    ck_assert_uint_eq(output(C, bytes), 0);
    begin();
    size = output(C, bytes);
    memcpy(bytes + 60, &spec[S].node, 16);
    sk_auth_take(&machine[S], bytes, size);
    failed(S, SK_WHY_REFLECTED, ECHO);
    S_refuses(0, SK_AUTH_NO);
}
END_TEST

/* Somebody between two that both accept, who lets them talk to each other. */
START_TEST(two_that_accept_do_not_accept_each_other)
{
    unsigned char one[SK_AUTH_MOST], two[SK_AUTH_MOST];
    begin();
    output(C, one);
    sk_auth_take(&machine[S], one, 108);
    ck_assert_uint_eq(output(S, one), 152);            /* what one of them says */
    static sk_auth_spec as_S;
    as_S = spec[S];
    count_up(&as_S.node, sizeof as_S.node, 0x70);
    sk_auth_begin(&machine[C], &as_S);                 /* the other */
    sk_auth_take(&machine[C], one, 108);
    ck_assert_uint_eq(output(C, two), 152);
    sk_auth_take(&machine[C], one + 108, 44);
    failed(C, SK_WHY_PROOF, PROOF_WRONG "/s" OR_ANOTHER);
    sk_auth_take(&machine[S], two + 108, 44);
    failed(S, SK_WHY_PROOF, PROOF_WRONG "/s" OR_ANOTHER);
}
END_TEST

START_TEST(a_role_that_is_not_wanted_is_refused_by_S)
{
    spec[S].peer_roles = 1 << SK_ROLE_NODE;
    spec[C].role = SK_ROLE_WORKER;
    begin();
    talk(200);
    failed(S, SK_WHY_ROLE, "it is a worker (role 3), which is not wanted here");
    failed(C, SK_WHY_REFUSED, "it refuses us, though it knows the secret; its log says why");
    ck_assert(machine[S].is_proven && machine[C].is_proven);
    ck_assert_int_eq(admissions, 0);
}
END_TEST

START_TEST(a_role_that_is_not_wanted_is_refused_by_C)
{
    spec[C].peer_roles = 1 << SK_ROLE_NODE;            /* and S is a driver */
    begin();
    talk(200);
    failed(C, SK_WHY_ROLE, "it is a driver (role 1), which is not wanted here");
    failed(S, SK_WHY_REFUSED, REFUSES_US "/s" OR_LOG);
}
END_TEST

/* Roles that there are not: the machine refuses to say them, so the proof is made here. */
START_TEST(a_role_that_is_none_is_refused_after_its_proof)
{
    static const int roles[] = { 0, 7, 31, 32, 33, 65535 };
    for (size_t i = 0; i < G_N_ELEMENTS(roles); i++) {
        spec[S].peer_roles = ~0u;
        begin();
        machine[C].out[6] = machine[C].hello[0][6] = (unsigned char)(roles[i] >> 8);
        machine[C].out[7] = machine[C].hello[0][7] = (unsigned char)roles[i];
        talk(200);
        g_autofree char *reason = g_strdup_printf("it is a %s (role %d), which is not wanted here", roles[i] ? "stranger" : "nobody", roles[i]);
        failed(S, SK_WHY_ROLE, reason);
        ck_assert(machine[S].is_proven);
    }
}
END_TEST

START_TEST(another_node_than_the_one_that_is_wanted_is_refused)
{
    sk_id wanted;
    count_up(&wanted, sizeof wanted, 0x11);
    spec[S].peer = &wanted;
    begin();
    talk(200);
    failed(S, SK_WHY_PEER, "its node id is 101112131415161718191a1b1c1d1e1f, and 1112131415161718191a1b1c1d1e1f20 is wanted here");
    failed(C, SK_WHY_REFUSED, "it refuses us, though it knows the secret; its log says why");
    spec[S].peer = &spec[C].node;
    spec[C].peer = &wanted;
    begin();
    talk(200);
    failed(C, SK_WHY_PEER, "its node id is 202122232425262728292a2b2c2d2e2f, and 1112131415161718191a1b1c1d1e1f20 is wanted here");
    failed(S, SK_WHY_REFUSED, REFUSES_US "/s" OR_LOG);
    spec[C].peer = &spec[S].node;
    begin();
    talk(200);
    both_are_done();
}
END_TEST

START_TEST(nobody_is_refused)
{
    begin();
    memset(machine[C].out + 60, 0, 16);
    memset(machine[C].hello[0] + 60, 0, 16);
    talk(200);
    failed(S, SK_WHY_PEER, "its node id is all zero, which nobody has");
    begin();
    memset(&machine[S].self.cluster, 0, 16);
    memset(machine[S].hello[0] + 44, 0, 16);
    talk(200);
    failed(C, SK_WHY_PEER, "its cluster id is all zero, which no cluster has");
}
END_TEST

START_TEST(who_has_proven_itself_is_told_that_the_cluster_is_another)
{
    count_up(&spec[C].cluster, sizeof spec[C].cluster, 0xa1);
    begin();
    carry(C, 200);
    carry(S, 200);
    carry(C, 200);
    failed(S, SK_WHY_CLUSTER, "it belongs to cluster a1a2a3a4a5a6a7a8a9aaabacadaeafb0, and this is cluster a0a1a2a3a4a5a6a7a8a9aaabacadaeaf, "
                              "which has the same secret");
    unsigned char bytes[SK_AUTH_MOST];
    size_t size = output(S, bytes);
    ck_assert_uint_eq(size, 44);
    ends_with_refusal(bytes, size, SK_AUTH_CLUSTER);
    sk_auth_take(&machine[C], bytes, size);
    failed(C, SK_WHY_CLUSTER, "it belongs to cluster a0a1a2a3a4a5a6a7a8a9aaabacadaeaf, and this is cluster a1a2a3a4a5a6a7a8a9aaabacadaeafb0, "
                              "which has the same secret");
    ck_assert_int_eq(admissions, 0);
}
END_TEST

START_TEST(who_does_not_know_the_cluster_yet_learns_it)
{
    memset(&spec[C].cluster, 0, sizeof spec[C].cluster);
    begin();
    talk(200);
    both_are_done();
}
END_TEST

START_TEST(who_has_proven_itself_is_told_that_the_build_is_another)
{
    spec[C].build[31] ^= 1;
    spec[C].build[0] = 1;
    begin();
    carry(C, 200);
    carry(S, 200);
    carry(C, 200);
    failed(S, SK_WHY_BUILD, "its table of remote functions is another: build 01818283 there, 80818283 here; run the same program on both ends");
    unsigned char bytes[SK_AUTH_MOST];
    size_t size = output(S, bytes);
    ends_with_refusal(bytes, size, SK_AUTH_BUILD);
    sk_auth_take(&machine[C], bytes, size);
    failed(C, SK_WHY_BUILD, "its table of remote functions is another: build 80818283 there, 01818283 here; run the same program on both ends");
    ck_assert(machine[S].is_proven && machine[C].is_proven);           /* so they may go on to say where they differ */
}
END_TEST

START_TEST(a_build_that_differs_in_its_last_bit_is_another)
{
    spec[C].build[31] ^= 1;
    begin();
    talk(200);
    ck_assert_int_eq(machine[S].why, SK_WHY_BUILD);
    ck_assert_int_eq(machine[C].why, SK_WHY_BUILD);
}
END_TEST

/* One that says READY to whatever comes, and knows the secret. */
START_TEST(C_looks_for_itself_whether_S_fits)
{
    begin();
    carry(C, 200);
    carry(S, 200);
    machine[C].self.build[0] ^= 1;
    carry(C, 200);
    carry(S, 200);
    ck_assert_int_eq(machine[S].state, SK_AUTH_DONE);
    failed(C, SK_WHY_BUILD, "its table of remote functions is another: build 80818283 there, 81818283 here; run the same program on both ends");
    begin();
    carry(C, 200);
    carry(S, 200);
    machine[C].self.cluster.bytes[0] ^= 1;
    carry(C, 200);
    carry(S, 200);
    failed(C, SK_WHY_CLUSTER, "it belongs to cluster a0a1a2a3a4a5a6a7a8a9aaabacadaeaf, and this is cluster a1a1a2a3a4a5a6a7a8a9aaabacadaeaf, "
                              "which has the same secret");
}
END_TEST

START_TEST(a_tool_needs_no_functions)
{
    spec[C].role = SK_ROLE_TOOL;
    memset(spec[C].build, 0, sizeof spec[C].build);
    begin();
    talk(200);
    both_are_done();
}
END_TEST

START_TEST(who_finds_no_room_or_its_node_id_taken_is_told)
{
    admission = SK_AUTH_BUSY;
    begin();
    talk(200);
    failed(S, SK_WHY_BUSY, "there is no room for one more node");
    failed(C, SK_WHY_BUSY, "it has no room for one more node");
    admission = SK_AUTH_DUPLICATE_NODE;
    begin();
    talk(200);
    failed(S, SK_WHY_DUPLICATE, "there is a node of its node id already: 101112131415161718191a1b1c1d1e1f");
    failed(C, SK_WHY_DUPLICATE, "it has a node of our node id already");
    ck_assert_int_eq(admissions, 2);
}
END_TEST

START_TEST(nothing_is_told_before_the_proof)
{
    spec[C].secret = &other_secret;                    /* and all else is wrong, too */
    spec[C].role = SK_ROLE_WORKER;
    spec[C].build[0] ^= 1;
    spec[C].cluster.bytes[0] ^= 1;
    admission = SK_AUTH_BUSY;
    unsigned char hello[SK_AUTH_MOST], wrong[44] = { 'S', 'K', 'A', 'U', 0, 1 };
    begin();
    output(C, hello);
    S_is_shown(hello, wrong);
    failed(S, SK_WHY_PROOF, PROOF_WRONG "/s" OR_ANOTHER);
    S_refuses(0, SK_AUTH_NO);
    ck_assert(!machine[S].is_proven);
    ck_assert_int_eq(admissions, 0);
}
END_TEST

START_TEST(another_version_is_said_at_once_after_8_bytes)
{
    static const unsigned char frozen[8] = { 'S', 'K', 'H', 'S', 1, 2, 0, 2 };
    begin();
    ck_assert_uint_eq(sk_auth_take(&machine[S], frozen, 7), 7);
    ck_assert_int_eq(machine[S].state, SK_AUTH_GREETING);
    ck_assert_uint_eq(sk_auth_take(&machine[S], frozen + 7, 1), 1);
    failed(S, SK_WHY_VERSION, "it speaks version 258 of the handshake, and this is version 1; both ends need the same Skate");
    S_refuses(0, SK_AUTH_VERSION);
    const unsigned char refusal[8] = { 'S', 'K', 'A', 'U', 1, 2, 0, 2 };       /* what such a one says to us */
    sk_auth_take(&machine[C], refusal, 8);
    failed(C, SK_WHY_VERSION, "it speaks version 258 of the handshake, and this is version 1; both ends need the same Skate");
    begin();
    sk_auth_take(&machine[C], frozen, 8);
    failed(C, SK_WHY_VERSION, "it speaks version 258 of the handshake, and this is version 1; both ends need the same Skate");
}
END_TEST

START_TEST(what_is_not_skate_is_refused)
{
    static const char *const garbage[] = { "GET / HTTP/1.1\r\n", "\0\0\0\0\0\0\0\0", "SKHT\0\1\0\2", "skhs\0\1\0\2", "\x16\x03\x01\x02\0\1\0\1" };
    for (size_t i = 0; i < G_N_ELEMENTS(garbage); i++) {
        const unsigned char *g = (const unsigned char *)garbage[i];
        g_autofree char *reason = g_strdup_printf("not Skate's handshake: %02x%02x%02x%02x where 534b4853 (\"SKHS\") was to come", g[0], g[1], g[2], g[3]);
        begin();
        ck_assert_uint_eq(sk_auth_take(&machine[S], g, 8), 8);
        failed(S, SK_WHY_MAGIC, reason);
        S_refuses(0, SK_AUTH_NO);
        unsigned char out[SK_AUTH_MOST];
        output(C, out);
        sk_auth_take(&machine[C], g, 8);
        failed(C, SK_WHY_MAGIC, reason);
        ck_assert_uint_eq(output(C, out), 0);          /* it may be anybody */
    }
    begin();
    sk_auth_take(&machine[S], "SKAU\0\1\0\1", 8);      /* C may hear that, S may not */
    failed(S, SK_WHY_MAGIC, "not Skate's handshake: 534b4155 where 534b4853 (\"SKHS\") was to come");
    begin();
    carry(C, 200);
    carry(S, 200);
    sk_auth_take(&machine[S], "SKHS\0\1\0\1", 8);
    failed(S, SK_WHY_MAGIC, "not Skate's handshake: 534b4853 where 534b4155 (\"SKAU\") was to come");
    S_refuses(0, SK_AUTH_NO);
    sk_auth_take(&machine[C], "SKHS\0\1\0\1", 8);
    failed(C, SK_WHY_MAGIC, "not Skate's handshake: 534b4853 where 534b4155 (\"SKAU\") was to come");
}
END_TEST

START_TEST(more_than_a_HELLO_before_the_answer_is_refused)
{
    g_autofree unsigned char *flood = g_malloc0(1 << 20);
    begin();
    size_t size = output(C, flood);
    ck_assert_uint_eq(sk_auth_take(&machine[S], flood, 1 << 20), size);
    failed(S, SK_WHY_TURN, "it sent more than its HELLO of 108 bytes before it could have our answer");
    ck_assert_uint_eq(machine[S].taken, 108);
    S_refuses(152, SK_AUTH_NO);
}
END_TEST

#define TOO_BUSY "it is too busy to let anybody in: too many others are about to connect, or it has not got that far itself"

START_TEST(a_status_that_cannot_be_is_refused)
{
    for (int status = 1; status < 9; status++) {
        unsigned char bytes[SK_AUTH_MOST];
        g_autofree char *cannot = g_strdup_printf("it refuses us with status %d (%s), which cannot be here", status, sk_auth_status_name((unsigned)status));
        g_autofree char *proves = g_strdup_printf("it proves itself with status %d (%s), which cannot be here", status, sk_auth_status_name((unsigned)status));
        sk_auth_why why = status == 1 ? SK_WHY_REFUSED : status == SK_AUTH_BUSY ? SK_WHY_BUSY : SK_WHY_HEADER;
        const char *told = status == 1 ? REFUSES_US "/c" OR_LOG : status == SK_AUTH_BUSY ? TOO_BUSY : cannot;
        begin();                                       /* in place of HELLO_S: only "no" and "busy" are believed */
        unsigned char refusal[44] = { 'S', 'K', 'A', 'U', 0, 1, 0, (unsigned char)status };
        ck_assert_uint_eq(sk_auth_take(&machine[C], refusal, 44), 44);
        failed(C, why, told);
        begin();                                       /* in place of AUTH_S */
        carry(C, 200);
        output(S, bytes);
        bytes[108 + 7] = (unsigned char)status;
        sk_auth_take(&machine[C], bytes, 152);
        failed(C, why, told);
        begin();                                       /* with a true proof */
        carry(C, 200);
        carry(S, 200);
        ck_assert_uint_eq(output(C, bytes), 44);
        bytes[7] = (unsigned char)status;
        sk_auth_take(&machine[S], bytes, 44);
        failed(S, status == 1 ? SK_WHY_REFUSED : SK_WHY_HEADER, status == 1 ? REFUSES_US "/s" OR_LOG : proves);
        S_refuses(0, SK_AUTH_NO);
        refusal[7] = 7;
        sk_auth_take(&machine[C], refusal, 44);
        failed(C, SK_WHY_HEADER, "it refuses us with status 7 (unknown), which cannot be here");
    }
    begin();
    ck_assert_uint_eq(sk_auth_take(&machine[C], "SKAU\0\1\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 44), 44);
    failed(C, SK_WHY_HEADER, "it refuses us with status 0 (OK), which cannot be here");
}
END_TEST

START_TEST(who_stops_short_is_refused_at_every_byte)
{
    record();
    for (int late = 0; late < 2; late++)
        for (size_t at = 0; at < 152; at++) {
            unsigned char bytes[SK_AUTH_MOST];
            set_up();
            begin();
            sk_auth_take(&machine[S], said[0], MIN(at, 108));
            size_t before = output(S, bytes);
            ck_assert_uint_eq(before, at < 108 ? 0 : 152);
            sk_auth_take(&machine[S], said[2], at < 108 ? 0 : at - 108);
            sk_auth_stop(&machine[S], late ? SK_WHY_LATE : SK_WHY_CLOSED);
            g_autofree char *reason = g_strdup_printf("it %s after %zu bytes, %s: %zu of %d bytes of this message are here",
                                                      late ? "did not go on in time" : "closed the connection", at, at < 108 ? "greeting" : "proving",
                                                      at < 108 ? at : at - 108, at < 108 ? 108 : 44);
            failed(S, late ? SK_WHY_LATE : SK_WHY_CLOSED, reason);
            S_refuses(0, SK_AUTH_NO);
        }
    for (size_t at = 0; at < 196; at++) {
        unsigned char bytes[SK_AUTH_MOST];
        set_up();
        begin();
        output(C, bytes);
        sk_auth_take(&machine[C], said[1], MIN(at, 152));
        output(C, bytes);
        sk_auth_take(&machine[C], said[3], at < 152 ? 0 : at - 152);
        sk_auth_stop(&machine[C], SK_WHY_CLOSED);
        g_autofree char *reason = g_strdup_printf("it closed the connection after %zu bytes, %s: %zu of %d bytes of this message are here", at,
                                                  at < 108 ? "greeting" : at < 152 ? "proving" : "judged",
                                                  at < 108 ? at : at < 152 ? at - 108 : at - 152, at < 108 ? 108 : 44);
        failed(C, SK_WHY_CLOSED, reason);
    }
}
END_TEST

static bool draw_nothing(void *context, unsigned char *bytes, size_t size)
{
    (void)context;
    memset(bytes, 0, size);
    return false;
}

START_TEST(without_randomness_there_is_no_handshake)
{
    spec[C].random = spec[S].random = draw_nothing;
    begin();
    failed(C, SK_WHY_US, "no nonce could be drawn");
    failed(S, SK_WHY_US, "no nonce could be drawn");
    unsigned char bytes[SK_AUTH_MOST];
    ck_assert_uint_eq(output(C, bytes), 0);
    S_refuses(0, SK_AUTH_NO);
}
END_TEST

Suite *auth_refusals_suite(void)
{
    Suite *suite = suite_create("auth_refusals");
    TCase *refusals = tcase_create("refusals");
    tcase_add_checked_fixture(refusals, set_up, NULL);
    suite_add_tcase(suite, refusals);
    tcase_add_test(refusals, another_secret_is_refused_by_who_connects);
    tcase_add_test(refusals, a_handshake_is_not_done_twice_with_the_same_bytes);
    tcase_add_test(refusals, the_proof_of_another_handshake_is_refused);
    tcase_add_test(refusals, what_S_says_does_not_serve_C);
    tcase_add_test(refusals, an_echo_is_refused_by_both);
    tcase_add_test(refusals, two_that_accept_do_not_accept_each_other);
    tcase_add_test(refusals, a_role_that_is_not_wanted_is_refused_by_S);
    tcase_add_test(refusals, a_role_that_is_not_wanted_is_refused_by_C);
    tcase_add_test(refusals, a_role_that_is_none_is_refused_after_its_proof);
    tcase_add_test(refusals, another_node_than_the_one_that_is_wanted_is_refused);
    tcase_add_test(refusals, nobody_is_refused);
    tcase_add_test(refusals, who_has_proven_itself_is_told_that_the_cluster_is_another);
    tcase_add_test(refusals, who_does_not_know_the_cluster_yet_learns_it);
    tcase_add_test(refusals, who_has_proven_itself_is_told_that_the_build_is_another);
    tcase_add_test(refusals, a_build_that_differs_in_its_last_bit_is_another);
    tcase_add_test(refusals, C_looks_for_itself_whether_S_fits);
    tcase_add_test(refusals, a_tool_needs_no_functions);
    tcase_add_test(refusals, who_finds_no_room_or_its_node_id_taken_is_told);
    tcase_add_test(refusals, nothing_is_told_before_the_proof);
    tcase_add_test(refusals, another_version_is_said_at_once_after_8_bytes);
    tcase_add_test(refusals, what_is_not_skate_is_refused);
    tcase_add_test(refusals, more_than_a_HELLO_before_the_answer_is_refused);
    tcase_add_test(refusals, a_status_that_cannot_be_is_refused);
    tcase_add_test(refusals, who_stops_short_is_refused_at_every_byte);
    tcase_add_test(refusals, without_randomness_there_is_no_handshake);
    return suite;
}
