/* test_withstand.c -- what the TCP transport bears without harm to peers that do nothing wrong: strangers in all its places, no descriptors, frames
 * of a peer that knows the secret and does not mean well, calls from within its events, a TLS that breaks. */
#include "stranger.h"

#include "backends/gnutls_late.h"
#include "backends/tcp_peers.h"

#include <errno.h>
#include <sys/resource.h>

enum { UNKNOWN = 64, MS = 1000000 };

static bool is_dead(const end *e) { return e->last.state == SK_PEER_DEAD; }

#define HAS(text, words) do { const char *found_ = (text); ck_assert_msg(strstr(found_, words) != NULL, "it says: %s", found_); } while (0)

/* ---- who knows no cluster yet ---- */

START_TEST(a_node_that_has_no_cluster_yet_tells_who_dials_it_that_it_is_busy_and_lives_on)
{
    unsigned char told[100];
    pair_open(_i);
    sk_id cluster = head.self.cluster;
    head.self.cluster = (sk_id){ 0 };
    ck_assert_uint_eq(answer(stranger(), told, sizeof told), _i ? 0 : SK_AUTH_PROOF_BYTES);
    ck_assert(_i || told[7] == SK_AUTH_BUSY);
    ck_assert_uint_eq(sk_transport_count(head.t)->shed, 1);
    HAS(head.log, "cluster");
    head.self.cluster = cluster;
    pair_connect();
    pair_close();
}
END_TEST

/* ---- all places are taken by strangers ---- */

static int strangers[UNKNOWN];

static void let_strangers_in(void)
{
    uint64_t before = sk_transport_count(head.t)->accepted;
    for (int i = 0; i < UNKNOWN; i++)
        strangers[i] = stranger();
    UNTIL(sk_transport_count(head.t)->accepted == before + UNKNOWN);
}

static void send_strangers_away(void)
{
    uint64_t before = sk_transport_count(head.t)->refused;
    for (int i = 0; i < UNKNOWN; i++)
        close(strangers[i]);
    UNTIL(sk_transport_count(head.t)->refused == before + UNKNOWN);
}

static void pass_ms(int ms)
{
    for (int at = 0; at < ms; at += 50) {
        pair_clock += 50 * (int64_t)MS;
        settle();
    }
}

START_TEST(who_finds_all_places_taken_hears_that_it_is_busy_there)
{
    pair_open(_i);
    let_strangers_in();
    node.peer = dial_to(&node, head.address, NULL);
    UNTIL(is_dead(&node));
    if (_i) {                              /* in TLS it is only closed */
        ck_assert_int_eq(node.last.end, SK_PEER_CLOSED);
    } else {
        ck_assert_int_eq(node.last.end, SK_PEER_REFUSED);
        ck_assert_int_eq(node.last.refused, SK_WHY_BUSY);
        HAS(node.why, "busy");
    }
    send_strangers_away();
    pair_close();
}
END_TEST

/* _i: bit 0 TLS, bit 1 who sends. */
START_TEST(peers_outlive_strangers_in_all_places_and_their_bulk_waits_for_one)
{
    static uint8_t bytes[5000];
    pair_open(_i & 1);
    pair_connect();
    settle();
    let_strangers_in();
    end *from = _i & 2 ? &head : &node, *to = _i & 2 ? &node : &head;
    end_make_room(to, sizeof bytes);
    memset(bytes, 7, sizeof bytes);
    ck_assert(sk_transport_send_bulk(from->t, from->peer, 0, 0, &(struct iovec){ bytes, sizeof bytes }, 1));
    pass_ms(2000);
    ck_assert_uint_ge(sk_transport_count(head.t)->shed, 10);
    ck_assert_uint_le(sk_transport_count(head.t)->shed, 40);               /* it does not insist */
    ck_assert_uint_eq(head.nlost + node.nlost + from->nsent + from->nfailed, 0);
    ck_assert_str_eq(head.states, "UP ");
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    send_strangers_away();
    pass_ms(200);
    UNTIL(to->arrived[0] == sizeof bytes && from->nsent == 1);
    ck_assert(!memcmp(to->memory, bytes, sizeof bytes));
    pair_close();
}
END_TEST

START_TEST(a_peer_to_which_no_way_for_bulk_can_be_made_is_given_up_after_dead_after)
{
    static uint8_t bytes[5000];
    int others[256], n = 0;
    struct rlimit limit, low;
    pair_open(_i);
    pair_connect();
    settle();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ (rlim_t)descriptors() + 10, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((others[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
        n++;
    ck_assert(sk_transport_send_bulk(node.t, node.peer, 0, 0, &(struct iovec){ bytes, sizeof bytes }, 1));
    pass_ms(9900);
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    pass_ms(300);
    ck_assert(is_dead(&node));
    ck_assert_int_eq(node.last.end, SK_PEER_BROKEN);
    HAS(node.why, "nothing comes through to it but small messages");
    HAS(node.why, "ulimit -n");
    ck_assert_uint_eq(node.nfailed, 1);
    while (n)
        close(others[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pair_close();
}
END_TEST

/* ---- the descriptor in reserve ---- */

static int greedy_fd = -1;
static void greedy_log(void *data, const char *line)
{
    on_log(data, line);
    if (greedy_fd < 0)                     /* takes what was given up, before it can be had back */
        greedy_fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
}

START_TEST(a_reserve_that_somebody_else_has_taken_is_had_back_when_there_is_a_descriptor_again)
{
    int others[256], n = 0, waiting[2];
    unsigned char told[100];
    sk_transport_events greedy = pair_events;
    struct rlimit limit, low;
    pair_open(false);
    sk_transport_close(head.t);
    greedy.log = greedy_log;
    head.config.events = &greedy;
    end_open(&head);
    end_listen(&head, "");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 2; i++)
        waiting[i] = stranger();
    low = (struct rlimit){ (rlim_t)descriptors() + 10, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((others[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
        n++;
    settle();
    ck_assert_int_ge(greedy_fd, 0);
    ck_assert_int_lt(((sk_tcp *)head.t)->reserve, 0);
    close(greedy_fd);
    pass_ms(200);
    ck_assert_int_ge(((sk_tcp *)head.t)->reserve, 0);
    while (n)
        close(others[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 2; i++) {
        shutdown(waiting[i], SHUT_WR);
        answer(waiting[i], told, sizeof told);
    }
    pair_connect();
    pair_close();
}
END_TEST

/* ---- a head that does not mean well: whoever dials it meets a plain socket that knows the secret ---- */

static int evil_fd;
static sk_frame_writer evil;

static const sk_frame_kind evil_kinds[] = {
    [SK_TCP_HEARTBEAT] = { "HEARTBEAT", 0, false }, [SK_TCP_WANT_BULK] = { "WANT_BULK", 0, false }, [SK_TCP_BULK_LOST] = { "BULK_LOST", 0, false },
};
static const sk_frame_rules evil_rules = { evil_kinds, sizeof evil_kinds / sizeof *evil_kinds, SK_FRAME_CONTROL, false };

static void evil_say(int type, uint64_t request)
{
    unsigned char bytes[SK_FRAME_HEADER];
    sk_frame_seal(&evil, bytes, &(sk_frame_head){ .type = (uint16_t)type, .request = request }, NULL, 0);
    say(evil_fd, bytes, sizeof bytes);
}

static void evil_prove(void)
{
    sk_auth a;
    sk_auth_begin(&a, &(sk_auth_spec){ .accepts = true, .secret = &pair_secret, .role = SK_ROLE_DRIVER, .peer_roles = 1u << SK_ROLE_NODE,
                                       .build = { 7 }, .cluster = { { 9 } }, .node = { { 'h' } } });
    while (a.state != SK_AUTH_DONE || a.nout) {
        size_t n;
        unsigned char bytes[SK_AUTH_MOST];
        const unsigned char *out = sk_auth_output(&a, &n);
        if (n) {
            say(evil_fd, out, n);
            sk_auth_wrote(&a, n);
            continue;
        }
        turn(&node);
        ssize_t got = recv(evil_fd, bytes, sk_auth_wants(&a), 0);
        if (got > 0)
            sk_auth_take(&a, bytes, (size_t)got);
        ck_assert_int_ne(a.state, SK_AUTH_FAILED);
    }
    sk_auth_clear(&a);
}

/* node is up with it. */
static void meet_evil(void)
{
    char address[40];
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof any;
    ck_assert(bind(door, (struct sockaddr *)&any, size) == 0 && listen(door, 5) == 0 && getsockname(door, (struct sockaddr *)&any, &size) == 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(any.sin_port));
    node.peer = dial_to(&node, address, NULL);
    turn(&node);
    evil_fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_assert_int_ge(evil_fd, 0);
    close(door);
    evil_prove();
    evil = (sk_frame_writer){ &evil_rules, 0 };
    UNTIL(node.last.state == SK_PEER_UP);
}

/* What was heard of it is this link's number: none has been dialed. */
START_TEST(the_loss_of_a_link_that_was_never_dialed_is_not_the_protocol)
{
    static const uint64_t numbers[] = { 1, 5, UINT64_MAX - 1, UINT64_MAX };
    pair_open(false);
    meet_evil();
    evil_say(SK_TCP_HEARTBEAT, 0);
    evil_say(SK_TCP_BULK_LOST, numbers[_i]);
    evil_say(SK_TCP_WANT_BULK, 0);
    UNTIL(is_dead(&node));
    ck_assert_int_eq(node.last.end, SK_PEER_BROKEN);
    HAS(node.why, "BULK_LOST");
    ck_assert_uint_eq(node.nlost, 0);
    close(evil_fd);
    pair_close();
}
END_TEST

/* _i 0: OPEN of a link for bulk; 1: the loss of one; 2: WANT_BULK, which only who was dialed may say. */
START_TEST(numbers_that_cannot_be_and_words_of_the_other_side_end_a_peer_that_has_dialed)
{
    unsigned char frame[SK_FRAME_HEADER];
    sk_frame_writer writer;
    pair_open(false);
    int fd = known_stranger(&writer), bulk = -1;
    if (_i == 0) {
        bulk = proven_stranger();
        evil_fd = bulk;
        static const sk_frame_kind kinds[] = { [SK_TCP_OPEN] = { "OPEN", 0, false } };
        static const sk_frame_rules rules = { kinds, 2, SK_FRAME_BULK, false };
        sk_frame_seal(&(sk_frame_writer){ &rules, 0 }, frame, &(sk_frame_head){ .type = SK_TCP_OPEN, .request = UINT64_MAX }, NULL, 0);
        say(bulk, frame, sizeof frame);
        UNTIL(sk_transport_count(head.t)->refused == 1);
        HAS(head.log, "OPEN");
        ck_assert_str_eq(head.states, "UP ");
        close(bulk);
    } else {
        evil_fd = fd;
        evil = (sk_frame_writer){ &evil_rules, writer.sequence };
        evil_say(_i == 1 ? SK_TCP_BULK_LOST : SK_TCP_WANT_BULK, UINT64_MAX);
        UNTIL(is_dead(&head));
        ck_assert_int_eq(head.last.end, SK_PEER_BROKEN);
        HAS(head.why, _i == 1 ? "BULK_LOST" : "WANT_BULK");
    }
    close(fd);
    pair_close();
}
END_TEST

/* ---- calls from within an event ---- */

static unsigned forgotten;
static void forget_and_scribble(end *e, sk_peer peer, const sk_peer_info *info)
{
    if (info->state != SK_PEER_UP)
        return;
    forgotten++;
    sk_transport_forget(e->t, peer, 1);
    memset(e->memory, 0xee, e->room);      /* it is ours again */
}

/* A chunk is on its way when the receiver has become suspicious; the next byte of it makes the sender UP again. */
START_TEST(what_is_forgotten_when_its_sender_is_up_again_is_not_written_to_though_its_bytes_have_just_come)
{
    enum { SIZE = 250000, FIRST = 50000, HEADERS = SK_FRAME_HEADER + SK_BULK_PREFIX };
    static const sk_frame_kind kinds[] = { [SK_TCP_OPEN] = { "OPEN", 0, false }, [SK_TCP_CHUNK] = { "CHUNK", SK_FRAME_BULK, false } };
    static const sk_frame_rules rules = { kinds, sizeof kinds / sizeof *kinds, SK_FRAME_BULK, false };
    static uint8_t chunk[HEADERS + SIZE];
    sk_frame_writer control, bulk = { &rules, 0 };
    unsigned char frame[SK_FRAME_HEADER];
    pair_open(false);
    int fd = known_stranger(&control);
    settle();
    int way = proven_stranger();
    sk_frame_seal(&bulk, frame, &(sk_frame_head){ .type = SK_TCP_OPEN, .request = 1 }, NULL, 0);
    say(way, frame, sizeof frame);
    end_make_room(&head, 1 << 20);
    settle();
    for (int i = 0; i < SIZE; i++)
        chunk[HEADERS + i] = bulk_byte((size_t)i);
    sk_frame_seal(&bulk, chunk, &(sk_frame_head){ .type = SK_TCP_CHUNK, .request = 1 }, &(struct iovec){ chunk + SK_FRAME_HEADER, SK_BULK_PREFIX + SIZE }, 1);
    say(way, chunk, FIRST);
    settle();
    for (int i = 0; i < 3; i++) {
        pair_clock += SECOND;
        settle();
    }
    ck_assert_str_eq(head.states, "UP SUSPECT ");
    head.on_state = forget_and_scribble;
    say(way, chunk + FIRST, SIZE / 2);
    settle();
    ck_assert_uint_eq(forgotten, 1);
    say(way, chunk + FIRST + SIZE / 2, sizeof chunk - FIRST - SIZE / 2);
    settle();
    for (size_t i = 0; i < head.room; i++)
        ck_assert_uint_eq(head.memory[i], 0xee);
    ck_assert_str_eq(head.states, "UP SUSPECT UP ");
    ck_assert_uint_eq(head.nlost + head.nchunks, 0);   /* passed over, and nothing is wrong with it */
    close(way);
    close(fd);
    pair_close();
}
END_TEST

/* ---- TLS that breaks ---- */

static ssize_t no_record(gnutls_session_t session, const void *bytes, size_t size)
{
    (void)session, (void)bytes, (void)size;
    return GNUTLS_E_INTERNAL_ERROR;
}

/* _i 0: when the proof is to be written; 1: the refusal, when patience is over. */
START_TEST(a_tls_that_cannot_write_during_the_proof_closes_the_link_and_no_more)
{
    sk_gnutls *g = (sk_gnutls *)sk_gnutls_load(NULL);
    pair_open(true);
    if (_i == 0)
        g->gnutls_record_send = no_record;
    node.peer = dial_to(&node, head.address, NULL);
    if (_i == 1) {
        sk_tcp_link *l = ((sk_tcp *)node.t)->links;
        while (l->link.stage != SK_LINK_PROVING) {
            turn(&node);
            if (l->link.stage != SK_LINK_PROVING)
                turn(&head);
        }
        head.is_frozen = true;
        g->gnutls_record_send = no_record;
        pair_clock += 5 * (int64_t)SECOND;
    }
    UNTIL(is_dead(&node));
    head.is_frozen = false;
    UNTIL(sk_transport_count(head.t)->refused == 1);
    ck_assert(*node.why);
    pair_close();
}
END_TEST

/* A process that is killed says no farewell: in clear and in TLS that is the same end. */
START_TEST(a_peer_whose_connection_just_ends_has_closed_it_in_clear_and_in_tls)
{
    pair_open(_i);
    pair_connect();
    settle();
    node.is_frozen = true;
    for (sk_tcp_link *l = ((sk_tcp *)node.t)->links; l; l = l->next)
        shutdown(l->link.fd, SHUT_WR);     /* no alert before it, as by the kernel for a process that is no more */
    UNTIL(is_dead(&head));
    ck_assert_int_eq(head.last.end, SK_PEER_CLOSED);
    ck_assert_str_eq(head.why, "it closed the connection");
    ck_assert_uint_eq(sk_transport_count(head.t)->broken, 0);
    pair_close();
}
END_TEST

/* ---- an address that stands for all ---- */

START_TEST(the_address_that_stands_for_all_of_a_machine_cannot_be_dialed)
{
    static const char *const all[] = { "0.0.0.0:7000", "[::]:7000", "[::ffff:0.0.0.0]:7000" };
    sk_error err = { 0 };
    pair_open(false);
    node.self.secret_is_file = true;
    ck_assert_uint_eq(sk_transport_dial(node.t, all[_i], NULL, NULL, &err).id, 0);
    HAS(err.message, "is no address that can be dialed");
    pair_close();
}
END_TEST

Suite *withstand_suite(void)
{
    Suite *suite = suite_create("withstand");
    TCase *places = tcase_create("places"), *peers = tcase_create("peers"), *tls = tcase_create("tls");
    tcase_add_loop_test(places, a_node_that_has_no_cluster_yet_tells_who_dials_it_that_it_is_busy_and_lives_on, 0, 2);
    tcase_add_loop_test(places, who_finds_all_places_taken_hears_that_it_is_busy_there, 0, 2);
    tcase_add_loop_test(places, peers_outlive_strangers_in_all_places_and_their_bulk_waits_for_one, 0, 4);
    tcase_add_loop_test(places, a_peer_to_which_no_way_for_bulk_can_be_made_is_given_up_after_dead_after, 0, 2);
    tcase_add_test(places, a_reserve_that_somebody_else_has_taken_is_had_back_when_there_is_a_descriptor_again);
    tcase_add_loop_test(places, the_address_that_stands_for_all_of_a_machine_cannot_be_dialed, 0, 3);
    suite_add_tcase(suite, places);
    tcase_add_loop_test(peers, the_loss_of_a_link_that_was_never_dialed_is_not_the_protocol, 0, 4);
    tcase_add_loop_test(peers, numbers_that_cannot_be_and_words_of_the_other_side_end_a_peer_that_has_dialed, 0, 3);
    tcase_add_test(peers, what_is_forgotten_when_its_sender_is_up_again_is_not_written_to_though_its_bytes_have_just_come);
    suite_add_tcase(suite, peers);
    tcase_add_loop_test(tls, a_tls_that_cannot_write_during_the_proof_closes_the_link_and_no_more, 0, 2);
    tcase_add_loop_test(tls, a_peer_whose_connection_just_ends_has_closed_it_in_clear_and_in_tls, 0, 2);
    suite_add_tcase(suite, tls);
    return suite;
}
