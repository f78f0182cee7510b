/* test_auth.c -- the handshake: both machines against each other, cut at every byte, changed at every bit, and against liars.
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
 * Reading order: a pair of machines; what is said; refusals; changes on the way; TLS; the machine. */
#include "backends/auth.h"

#include <check.h>
#include <glib.h>

/* ---- A pair of machines ---- */

enum { C, S, BOTH };
static sk_secret secret, other_secret;                 /* bytes 0, 1, 2 ...; 1, 2, 3 ... */
static sk_auth_spec spec[BOTH];                        /* of a pair that fits */
static sk_auth machine[BOTH];
static int next_nonce[BOTH];                           /* its first byte; each that is drawn counts up */
static sk_auth_status admission;
static int admissions;

static void count_up(void *bytes, size_t size, int first)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(first + (int)i);
}

static bool draw(void *context, unsigned char *bytes, size_t size)
{
    count_up(bytes, size, (*(int *)context)++);
    return true;
}

static sk_auth_status admit(void *context, const sk_auth_hello *peer)
{
    (void)context;
    ck_assert_int_eq(peer->role, spec[C].role);
    ck_assert(!memcmp(&peer->node, &spec[C].node, sizeof peer->node));
    admissions++;
    return admission;
}

static void set_up(void)
{
    count_up(&secret, sizeof secret, 0);
    count_up(&other_secret, sizeof other_secret, 1);
    for (int i = 0; i < BOTH; i++) {
        spec[i] = (sk_auth_spec){ .accepts = i == S, .secret = &secret, .secret_name = i == S ? "/s" : "/c", .role = i == S ? SK_ROLE_DRIVER : SK_ROLE_NODE,
                                  .peer_roles = 1 << SK_ROLE_NODE | 1 << SK_ROLE_TOOL | 1 << SK_ROLE_DRIVER, .admit = i == S ? admit : NULL,
                                  .random = draw, .context = &next_nonce[i] };
        count_up(spec[i].build, sizeof spec[i].build, 0x80);
        count_up(&spec[i].cluster, sizeof spec[i].cluster, 0xa0);
        count_up(&spec[i].node, sizeof spec[i].node, i == S ? 0x20 : 0x10);
        next_nonce[i] = i == S ? 0x50 : 0x30;
    }
    admission = SK_AUTH_OK;
    admissions = 0;
}

static void begin(void)
{
    for (int i = 0; i < BOTH; i++)
        sk_auth_begin(&machine[i], &spec[i]);
}

static size_t output(int from, unsigned char *bytes)
{
    size_t size;
    const unsigned char *out = sk_auth_output(&machine[from], &size);
    memcpy(bytes, out, size);
    sk_auth_wrote(&machine[from], size);
    return size;
}

/* Everything that is to be said, in pieces of at most `piece` bytes. */
static void carry(int from, size_t piece)
{
    for (size_t size, n;;) {
        const unsigned char *out = sk_auth_output(&machine[from], &size);
        if (!size)
            return;
        n = MIN(size, piece);
        n = sk_auth_take(&machine[!from], out, n) ? n : size;      /* who has ended takes nothing */
        sk_auth_wrote(&machine[from], n);
    }
}

static void talk(size_t piece)
{
    for (int turn = 0; turn < 4; turn++)
        carry(turn % 2 ? S : C, piece);
}

static void both_are_done(void)
{
    for (int i = 0; i < BOTH; i++) {
        ck_assert_msg(machine[i].state == SK_AUTH_DONE, "%c: %s", "CS"[i], machine[i].reason);
        ck_assert_int_eq(machine[i].why, SK_WHY_NOT);
        ck_assert_str_eq(machine[i].reason, "");
        ck_assert(machine[i].is_proven);
        ck_assert_uint_eq(sk_auth_wants(&machine[i]), 0);
    }
    ck_assert_uint_eq(machine[C].taken, 196);
    ck_assert_uint_eq(machine[S].taken, 152);
    ck_assert_int_eq(machine[C].peer.role, spec[S].role);
    ck_assert(!memcmp(&machine[C].peer.node, &spec[S].node, sizeof spec[S].node));
    ck_assert(!memcmp(&machine[C].peer.cluster, &spec[S].cluster, sizeof spec[S].cluster));
    ck_assert_int_eq(machine[S].peer.role, spec[C].role);
    ck_assert(!memcmp(&machine[S].peer.node, &spec[C].node, sizeof spec[C].node));
}

static void failed(int who, sk_auth_why why, const char *reason)
{
    ck_assert_int_eq(machine[who].state, SK_AUTH_FAILED);
    ck_assert_str_eq(machine[who].reason, reason);
    ck_assert_int_eq(machine[who].why, why);
    ck_assert_uint_eq(sk_auth_wants(&machine[who]), 0);
    ck_assert_uint_eq(sk_auth_take(&machine[who], "SKHS", 4), 0);
}

static void is_hex(const unsigned char *bytes, size_t size, const char *want)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < size; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    ck_assert_str_eq(text->str, want);
}

/* What was said is, at its end, one refusal with this status: always the same 44 bytes. */
static void ends_with_refusal(const unsigned char *bytes, size_t size, int status)
{
    const unsigned char refusal[44] = { 'S', 'K', 'A', 'U', 0, 1, 0, (unsigned char)status };
    ck_assert_uint_ge(size, sizeof refusal);
    ck_assert(!memcmp(bytes + size - sizeof refusal, refusal, sizeof refusal));
}

/* S says this much before its refusal, the refusal, and no more. */
static void S_refuses(size_t before, int status)
{
    unsigned char out[SK_AUTH_MOST];
    size_t size = output(S, out);
    ck_assert_uint_eq(size, before + 44);
    ends_with_refusal(out, size, status);
}

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

/* ---- Refusals ---- */

#define PROOF_WRONG "authentication failed: its proof is wrong; its secret differs from "
#define OR_ANOTHER ", or that was said in another handshake"
#define REFUSES_US "authentication failed: it refuses us; its secret differs from "
#define OR_LOG ", or its log says why"

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

/* C would have noticed; this one goes on. */
static void S_is_shown(const unsigned char *hello, const unsigned char *proof)
{
    unsigned char bytes[SK_AUTH_MOST];
    sk_auth_begin(&machine[S], &spec[S]);
    ck_assert_uint_eq(sk_auth_take(&machine[S], hello, 108), 108);
    ck_assert_uint_eq(output(S, bytes), 152);
    ck_assert_uint_eq(sk_auth_take(&machine[S], proof, 44), 44);
}

/* The four messages of a handshake that was fine. */
static unsigned char said[4][SK_AUTH_MOST];
static size_t said_size[4];

static void record(void)
{
    begin();
    for (int i = 0; i < 4; i++) {
        int from = i % 2 ? S : C;
        said_size[i] = output(from, said[i]);
        sk_auth_take(&machine[!from], said[i], said_size[i]);
    }
    both_are_done();
    admissions = 0;
}

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
    static const int roles[] = { 0, 5, 31, 32, 33, 65535 };
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

START_TEST(a_status_that_cannot_be_is_refused)
{
    for (int status = 1; status < 9; status++) {
        unsigned char bytes[SK_AUTH_MOST];
        g_autofree char *cannot = g_strdup_printf("it refuses us with status %d (%s), which cannot be here", status, sk_auth_status_name((unsigned)status));
        g_autofree char *proves = g_strdup_printf("it proves itself with status %d (%s), which cannot be here", status, sk_auth_status_name((unsigned)status));
        begin();                                       /* in place of HELLO_S: only "no" is believed */
        unsigned char refusal[44] = { 'S', 'K', 'A', 'U', 0, 1, 0, (unsigned char)status };
        ck_assert_uint_eq(sk_auth_take(&machine[C], refusal, 44), 44);
        failed(C, status == 1 ? SK_WHY_REFUSED : SK_WHY_HEADER, status == 1 ? REFUSES_US "/c" OR_LOG : cannot);
        begin();                                       /* in place of AUTH_S */
        carry(C, 200);
        output(S, bytes);
        bytes[108 + 7] = (unsigned char)status;
        sk_auth_take(&machine[C], bytes, 152);
        failed(C, status == 1 ? SK_WHY_REFUSED : SK_WHY_HEADER, status == 1 ? REFUSES_US "/c" OR_LOG : cannot);
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
    TCase *fine = tcase_create("fine"), *refusals = tcase_create("refusals"), *changes = tcase_create("changes"), *tls = tcase_create("tls");
    TCase *machines = tcase_create("machine"), *all[] = { fine, refusals, changes, tls, machines };
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
