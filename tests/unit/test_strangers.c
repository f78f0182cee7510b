/* test_strangers.c -- who must not get in, and what an address may be: garbage, too much, too slow, too many, the wrong secret, no
 * descriptors; authenticated peers that then break the protocol; addresses that are taken, unknown, not ours, or too wide. */
#include "stranger.h"

#include "backends/tcp_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned char generic[8] = { 'S', 'K', 'A', 'U', 0, SK_AUTH_PROTOCOL, 0, SK_AUTH_NO };

#define IS_REFUSED(fd) do {                                                                                 \
        unsigned char told[1000];                                                                           \
        size_t ntold = answer(fd, told, sizeof told);                                                       \
        ck_assert_uint_eq(ntold, SK_AUTH_PROOF_BYTES);                                                      \
        ck_assert(!memcmp(told, generic, 8));                                                               \
        for (int byte = 8; byte < SK_AUTH_PROOF_BYTES; byte++)                                              \
            ck_assert_uint_eq(told[byte], 0);                                                               \
    } while (0)

#define LOGGED(words) ck_assert_msg(strstr(head.log, words) != NULL, "the log has: %s", head.log)

START_TEST(garbage_is_refused_with_one_generic_answer_and_the_reason_is_in_the_log)
{
    pair_open(false);
    int fd = stranger();
    say(fd, "GET / HTTP/1.1\r\nHost: skate\r\nUser-Agent: something that is long enough for a hello of a hundred and eight bytes\r\n\r\n", 113);
    IS_REFUSED(fd);
    LOGGED("127.0.0.1:");
    LOGGED("was refused");
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 1);
    ck_assert_uint_eq(strlen(head.states), 0);
    pair_connect();                        /* nobody else is troubled */
    pair_close();
}
END_TEST

START_TEST(an_endless_stream_is_closed_after_a_few_bytes)
{
    static unsigned char noise[100000];
    pair_open(_i);
    memset(noise, 0x16, sizeof noise);
    int fd = stranger();
    say(fd, noise, sizeof noise);
    unsigned char told[1000];
    ck_assert_uint_le(answer(fd, told, sizeof told), 64);
    ck_assert_uint_le(sk_transport_count(head.t)->bytes_in, _i ? 2048 : 256);
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 1);
    pair_close();
}
END_TEST

START_TEST(a_frame_before_the_handshake_is_refused)
{
    pair_open(false);
    static const sk_frame_kind kinds[] = { { "ANY", 1 << 20, false } };
    static const sk_frame_rules rules = { kinds, 1, 1 << 20, false };
    sk_frame_writer writer = { &rules, 0 };
    unsigned char bytes[SK_FRAME_HEADER + 200] = { 0 };
    sk_frame_seal(&writer, bytes, &(sk_frame_head){ 0 }, &(struct iovec){ bytes + SK_FRAME_HEADER, 200 }, 1);
    int fd = stranger();
    say(fd, bytes, sizeof bytes);
    IS_REFUSED(fd);
    pair_close();
}
END_TEST

/* _i: in TLS. */
START_TEST(who_says_a_byte_a_second_is_closed_after_five)
{
    pair_open(_i);
    int fd = stranger(), silent = stranger();
    UNTIL(sk_transport_count(head.t)->accepted == 2);
    for (int i = 0; i < 4; i++) {
        pair_clock += SECOND;
        say(fd, _i ? "\x16" : "S", 1);
        settle();
    }
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 0);
    pair_clock += SECOND;
    settle();
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 2);
    unsigned char told[100];
    ck_assert_uint_le(answer(fd, told, sizeof told), SK_AUTH_PROOF_BYTES);
    ck_assert_uint_le(answer(silent, told, sizeof told), SK_AUTH_PROOF_BYTES);
    pair_close();
}
END_TEST

START_TEST(who_proves_itself_and_then_does_not_say_what_it_wants_is_closed_after_five_seconds)
{
    pair_open(false);
    int fd = proven_stranger();
    settle();
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 0);
    pair_clock += 5 * (int64_t)SECOND;
    settle();
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 1);
    ck_assert_uint_eq(strlen(head.states), 0);
    unsigned char told[100];
    answer(fd, told, sizeof told);
    pair_close();
}
END_TEST

START_TEST(sixty_four_may_be_unknown_at_once_and_the_next_is_closed_at_once)
{
    enum { N = 64 };
    int fds[N];
    unsigned char told[100];
    pair_open(_i);
    for (int i = 0; i < N; i++)
        fds[i] = stranger();
    UNTIL(sk_transport_count(head.t)->accepted == N);
    ck_assert_uint_eq(sk_transport_count(head.t)->shed, 0);
    size_t n = answer(stranger(), told, sizeof told);
    ck_assert_uint_eq(n, _i ? 0 : SK_AUTH_PROOF_BYTES);
    if (n)
        ck_assert_uint_eq(told[7], SK_AUTH_BUSY);
    ck_assert_uint_eq(sk_transport_count(head.t)->shed, 1);
    ck_assert_uint_eq(sk_transport_count(head.t)->accepted, N);
    LOGGED("too many others");
    close(fds[0]);
    UNTIL(sk_transport_count(head.t)->refused == 1);
    pair_connect();                        /* there is room for one again */
    for (int i = 1; i < N; i++)
        close(fds[i]);
    UNTIL(sk_transport_count(head.t)->refused == N);
    pair_close();
}
END_TEST

START_TEST(of_many_who_are_refused_ten_a_second_are_logged_and_the_others_counted)
{
    unsigned char told[100];
    pair_open(false);
    for (int i = 0; i < 30; i++) {
        int fd = stranger();
        shutdown(fd, SHUT_WR);
        answer(fd, told, sizeof told);
    }
    ck_assert_uint_eq(sk_transport_count(head.t)->refused, 30);
    ck_assert_uint_eq(head.nlines, 10);
    int64_t wait;
    sk_transport_watch(head.t, &wait);
    ck_assert(wait <= SECOND);
    pair_clock += SECOND;
    settle();
    ck_assert_uint_eq(head.nlines, 11);
    LOGGED("20 more lines were not logged");
    ck_assert_uint_eq(sk_transport_count(head.t)->log_lines_held, 20);
    pair_close();
}
END_TEST

/* ---- wrong in what they are ---- */

/* node dials, and neither comes up. */
static void refused(void)
{
    node.peer = dial_to(&node, head.address, NULL);
    UNTIL(node.last.state == SK_PEER_DEAD && sk_transport_count(head.t)->refused == 1);
    ck_assert_uint_eq(strlen(head.states), 0);
    ck_assert_str_eq(node.states, "AUTHENTICATING DEAD ");
}

START_TEST(another_secret_is_refused_and_both_ends_say_so_but_not_what_it_is)
{
    static const sk_secret other = { "thirty-two bytes that are other" };
    pair_open(_i);
    node.self.secret = &other;
    refused();
    ck_assert_int_eq(node.last.end, SK_PEER_REFUSED);
    ck_assert_msg(strstr(node.why, "secret differs") != NULL, "%s", node.why);
    LOGGED("secret differs");
    ck_assert(!strstr(head.log, "thirty-two") && !strstr(node.why, "thirty-two"));
    pair_close();
}
END_TEST

START_TEST(another_build_role_or_cluster_is_refused_by_name)
{
    static const char *const words[] = { "table of remote functions", "role", "cluster" };
    pair_open(_i & 1);
    switch (_i / 2) {
    case 0: node.self.build[0]++; break;
    case 1: node.self.role = SK_ROLE_TOOL; break;
    case 2: node.self.cluster.bytes[0]++; break;
    }
    refused();
    ck_assert_int_eq(node.last.end, SK_PEER_REFUSED);
    LOGGED(words[_i / 2]);
    if (_i / 2 != 1)                       /* of roles, who is refused learns nothing */
        ck_assert_msg(strstr(node.why, words[_i / 2]) != NULL, "%s", node.why);
    pair_close();
}
END_TEST

START_TEST(who_dials_itself_or_finds_another_node_than_it_looks_for_is_refused)
{
    static const sk_id wanted = { { 'x' } };
    pair_open(_i & 1);
    if (_i / 2 == 0)
        node.self.node = head.self.node;
    node.peer = dial_to(&node, head.address, _i / 2 == 0 ? NULL : &wanted);
    UNTIL(node.last.state == SK_PEER_DEAD && sk_transport_count(head.t)->refused == 1);
    ck_assert_int_eq(node.last.end, SK_PEER_REFUSED);
    ck_assert_uint_eq(strlen(head.states), 0);
    pair_close();
}
END_TEST

START_TEST(in_tls_only_a_head_answers_to_who_does_not_know_whom_it_dials)
{
    pair_open(true);
    head.self.role = SK_ROLE_NODE;
    refused();
    LOGGED("it looks for another node than this one");
    head.last.state = node.last.state = 0;
    node.peer = dial_to(&node, head.address, &head.self.node);
    UNTIL(head.last.state == SK_PEER_UP && node.last.state == SK_PEER_UP);
    pair_close();
}
END_TEST

START_TEST(an_end_in_clear_and_one_in_tls_do_not_meet)
{
    pair_open(_i);
    node.config.encrypt = !_i;
    sk_transport_close(node.t);
    end_open(&node);
    node.peer = dial_to(&node, head.address, NULL);
    UNTIL(sk_transport_count(head.t)->refused == 1 && node.last.state == SK_PEER_DEAD);
    pair_close();
}
END_TEST

/* ---- authenticated, then wrong ---- */

START_TEST(a_peer_that_breaks_the_protocol_is_dead_with_the_byte_and_the_frame_and_others_are_not)
{
    static const char *const words[] = { "has length 1048577", "SKFR", "checksum", "sequence", "of type 6", "of type 1," };
    pair_open(false);
    sk_frame_writer writer;
    unsigned char frame[SK_FRAME_HEADER + 8] = { 0 };
    struct iovec none = { frame + SK_FRAME_HEADER, 8 };
    int fd = known_stranger(&writer);
    sk_peer bad = head.peer;
    pair_connect();
    uint8_t *large = calloc(1, (1 << 20) + 1);
    switch (_i) {
    case 0: sk_frame_seal(&writer, frame, &(sk_frame_head){ .type = 16 }, &(struct iovec){ large, (1 << 20) + 1 }, 1); break;
    case 1: memset(frame, 'x', sizeof frame); break;
    case 2: sk_frame_seal(&writer, frame, &(sk_frame_head){ .type = 16 }, &none, 1); frame[35] ^= 1; break;
    case 3: writer.sequence++; sk_frame_seal(&writer, frame, &(sk_frame_head){ .type = 16 }, &none, 1); break;
    case 4: sk_frame_seal(&writer, frame, &(sk_frame_head){ .type = 6 }, &none, 1); break;
    case 5: sk_frame_seal(&writer, frame, &(sk_frame_head){ .type = 1 }, NULL, 0); break;
    }
    say(fd, frame, sizeof frame);
    UNTIL(head.last.state == SK_PEER_DEAD);
    ck_assert_int_eq(head.last.end, SK_PEER_BROKEN);
    ck_assert_msg(strstr(head.why, "protocol error at byte 32") != NULL, "%s", head.why);
    ck_assert_msg(strstr(head.why, words[_i]) != NULL, "%s", head.why);
    ck_assert(sk_transport_peer(head.t, bad) == NULL);
    ck_assert_uint_eq(sk_transport_count(head.t)->broken, 1);
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    send_text(&node, SMALL, 1, "still here");
    UNTIL(head.ncontrol == 1);
    close(fd);
    free(large);
    pair_close();
}
END_TEST

START_TEST(a_frame_that_never_becomes_whole_is_an_error_though_bytes_go_on_coming)
{
    pair_open(false);
    sk_frame_writer writer;
    unsigned char frame[SK_FRAME_HEADER + 1000] = { 0 };
    int fd = known_stranger(&writer);
    sk_frame_seal(&writer, frame, &(sk_frame_head){ .type = 16 }, &(struct iovec){ frame + SK_FRAME_HEADER, 1000 }, 1);
    for (int i = 0; i < 10; i++) {
        uint64_t before = sk_transport_count(head.t)->bytes_in;
        say(fd, frame + 40 * i, 40);
        UNTIL(sk_transport_count(head.t)->bytes_in == before + 40);
        ck_assert_str_eq(head.states, "UP ");
        pair_clock += SECOND;
    }
    say(fd, frame + 400, 40);
    settle();
    ck_assert_str_eq(head.states, "UP DEAD ");
    ck_assert_int_eq(head.last.end, SK_PEER_BROKEN);
    ck_assert_msg(strstr(head.why, "none of its frames has become whole for 10.0 s") != NULL, "%s", head.why);
    close(fd);
    pair_close();
}
END_TEST

/* ---- no descriptors ---- */

START_TEST(without_descriptors_who_comes_is_told_busy_nobody_spins_and_later_all_is_well)
{
    int fds[4], more[256], n = 0;
    unsigned char told[100];
    pair_open(false);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(head.address, ':') + 1)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < 4; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit limit, low;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ (rlim_t)fds[3] + 20, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((more[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
        n++;
    ck_assert_int_eq(errno, EMFILE);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
        ck_assert_int_eq(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        ck_assert_uint_eq(answer(fds[i], told, sizeof told), SK_AUTH_PROOF_BYTES);
        ck_assert_uint_eq(told[7], SK_AUTH_BUSY);
        more[n++] = fcntl(0, F_DUPFD_CLOEXEC, 3);      /* in place of that one, which is closed */
    }
    ck_assert_uint_eq(sk_transport_count(head.t)->shed, 4);
    LOGGED("no more descriptors");
    settle();                              /* would never end if it spun */
    while (n)
        close(more[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pair_connect();
    pair_close();
}
END_TEST

START_TEST(that_nobody_can_join_is_logged_once_and_when_it_is_over_with_how_many_were_turned_away)
{
    enum { COME = 30 };
    int fds[COME], more[256], n = 0;
    unsigned char told[100];
    pair_open(false);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(head.address, ':') + 1)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < COME; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit limit, low;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ (rlim_t)fds[COME - 1] + 20, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((more[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
        n++;
    for (int i = 0; i < COME; i++) {       /* ten a second, as nodes do that dial again and again */
        ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
        ck_assert_int_eq(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        ck_assert_uint_eq(answer(fds[i], told, sizeof told), SK_AUTH_PROOF_BYTES);
        more[n++] = fcntl(0, F_DUPFD_CLOEXEC, 3);
        pair_clock += SECOND / 10;
        settle();
    }
    ck_assert_uint_eq(sk_transport_count(head.t)->shed, COME);
    ck_assert_msg(head.nlines == 1, "%u lines: %s", head.nlines, head.log);
    LOGGED("nobody is let in for now: this process has no more descriptors (ulimit -n)");
    pair_clock += 2 * (int64_t)SECOND;
    settle();
    ck_assert_msg(head.nlines == 2, "%u lines: %s", head.nlines, head.log);
    LOGGED("nobody has been turned away for 2 s; before, 30 connections were closed at once");
    while (n)
        close(more[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pair_connect();
    ck_assert_uint_eq(head.nlines, 2);
    pair_close();
}
END_TEST

START_TEST(a_dial_without_descriptors_fails_with_what_to_do)
{
    int more[256], n = 0;
    sk_error err = { 0 };
    pair_open(_i);
    struct rlimit limit, low;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ (rlim_t)descriptors() + 10, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((more[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
        n++;
    ck_assert_uint_eq(sk_transport_dial(node.t, head.address, NULL, NULL, &err).id, 0);
    ck_assert_int_eq(err.code, SK_LIMIT);
    ck_assert_msg(strstr(err.message, "ulimit -n") != NULL, "%s", err.message);
    while (n)
        close(more[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pair_connect();
    pair_close();
}
END_TEST

/* ---- addresses ---- */

static const char *listen_error(const char *address)
{
    static sk_error err;
    char printed[SK_TRANSPORT_ADDRESS];
    ck_assert(!sk_transport_listen(head.t, address, printed, &err));
    return err.message;
}

static const char *dial_error(const char *address)
{
    static sk_error err;
    ck_assert_uint_eq(sk_transport_dial(node.t, address, NULL, NULL, &err).id, 0);
    return err.message;
}

#define HAS(text, words) do { const char *found_ = (text); ck_assert_msg(strstr(found_, words) != NULL, "it says: %s", found_); } while (0)

START_TEST(an_address_that_cannot_be_listened_at_is_an_error_that_says_what_to_do)
{
    pair_open(false);
    HAS(listen_error(head.address), "is in use, perhaps by another run; leave the port out, or 0, and one is chosen");
    HAS(listen_error(head.address), head.address);
    HAS(listen_error("127.0.0.1:70000"), "is not a number from 0 to 65535");
    HAS(listen_error("127.0.0.1:http"), "is not a number from 0 to 65535");
    HAS(listen_error("[::1:7000"), "the bracket is not closed");
    HAS(listen_error("no.such.host.invalid:7000"), "is not known");
    HAS(listen_error("0.0.0.0:0"), "without a secret file");
    HAS(listen_error("0.0.0.0:0"), "skate secret new");
    HAS(listen_error("[::]:0"), "without a secret file");
    head.self.secret_is_file = true;
    HAS(listen_error("192.0.2.1:0"), "is not an address of this machine");
    for (int i = 0; i < 7; i++)
        end_listen(&head, i % 2 ? "127.0.0.1" : ":0");
    HAS(listen_error("127.0.0.1"), "one address too many");
    pair_close();
}
END_TEST

/* An address of this machine that is not loopback, as text. false: it has none. */
static bool an_outer_address(char text[INET_ADDRSTRLEN])
{
    struct ifaddrs *all;
    bool found = false;
    ck_assert_int_eq(getifaddrs(&all), 0);
    for (struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || i->ifa_flags & IFF_LOOPBACK)
            continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text, INET_ADDRSTRLEN);
        found = true;
    }
    freeifaddrs(all);
    return found;
}

/* What goes to an address of one's own does not leave the machine either, but that is not for us to guess. */
START_TEST(with_a_secret_file_all_addresses_may_be_listened_at_and_beyond_loopback_it_is_encrypted)
{
    char outer[INET_ADDRSTRLEN] = "", address[SK_TRANSPORT_ADDRESS];
    pair_open(false);
    head.self.secret_is_file = node.self.secret_is_file = true;
    end_listen(&head, "0.0.0.0");
    ck_assert(!strncmp(head.address, "0.0.0.0:", 8));
    bool has_outer = an_outer_address(outer);
    for (int i = 0; i < 1 + has_outer; i++) {
        snprintf(address, sizeof address, "%s%s", i ? outer : "127.0.0.1", strrchr(head.address, ':'));
        head.last.state = node.last.state = 0;
        node.peer = dial_to(&node, address, NULL);
        UNTIL(head.last.state == SK_PEER_UP && node.last.state == SK_PEER_UP);
        ck_assert_int_eq(head.last.encrypted, i);
        ck_assert_int_eq(node.last.encrypted, i);
        sk_transport_drop(node.t, node.peer, "enough");
        UNTIL(head.last.state == SK_PEER_DEAD && node.last.state == SK_PEER_DEAD);
    }
    pair_close();
}
END_TEST

START_TEST(an_address_that_cannot_be_dialed_is_an_error_at_once_and_one_that_does_not_answer_a_dead_peer)
{
    pair_open(false);
    HAS(dial_error("127.0.0.1"), "it has no port");
    HAS(dial_error(":7000"), "it has no host");
    HAS(dial_error("127.0.0.1:0"), "it has no port");
    HAS(dial_error("no.such.host.invalid:7000"), "is not known");
    HAS(dial_error("192.0.2.1:7000"), "cannot be dialed without a secret file");
    char address[SK_TRANSPORT_ADDRESS];
    snprintf(address, sizeof address, "%s", head.address);
    sk_transport_close(head.t);
    head.t = NULL;
    node.peer = dial_to(&node, address, NULL);
    UNTIL(node.last.state == SK_PEER_DEAD);
    ck_assert_str_eq(node.states, "DEAD ");
    ck_assert_int_eq(node.last.end, SK_PEER_UNREACHABLE);
    HAS(node.why, "connection refused: nobody listens there");
    pair_close();
}
END_TEST

START_TEST(who_answers_the_dial_and_says_nothing_is_given_up_after_five_seconds)
{
    pair_open(_i);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof any;
    ck_assert(bind(fd, (struct sockaddr *)&any, size) == 0 && listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&any, &size) == 0);
    char address[40];
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(any.sin_port));
    node.peer = dial_to(&node, address, NULL);
    UNTIL(!strcmp(node.states, "AUTHENTICATING "));
    pair_clock += 5 * (int64_t)SECOND - 1;
    settle();
    ck_assert_str_eq(node.states, "AUTHENTICATING ");
    pair_clock++;
    settle();
    ck_assert_str_eq(node.states, "AUTHENTICATING DEAD ");
    ck_assert_int_eq(node.last.end, SK_PEER_SILENT);
    close(fd);
    pair_close();
}
END_TEST

START_TEST(peers_meet_over_ipv6_and_by_name)
{
    pair_open(_i & 1);
    sk_error err = { 0 };
    char printed[SK_TRANSPORT_ADDRESS], named[40];
    if (_i < 2 && !sk_transport_listen(head.t, "::1", printed, &err)) {
        HAS(err.message, "IPv6");          /* a machine without */
        pair_close();
        return;
    }
    if (_i < 2)
        ck_assert(!strncmp(printed, "[::1]:", 6));
    snprintf(named, sizeof named, "localhost%s", strrchr(head.address, ':'));
    node.peer = dial_to(&node, _i < 2 ? printed : named, NULL);
    UNTIL(head.last.state == SK_PEER_UP && node.last.state == SK_PEER_UP);
    ck_assert_str_eq(node.last.address, _i < 2 ? printed : head.address);      /* of localhost's, the one that answered */
    pair_close();
}
END_TEST

/* A host of two addresses, put together by hand: at ::1 somebody listens at the same port who accepts nobody any more. _i: which is first. */
START_TEST(an_address_that_does_not_answer_leaves_time_for_the_next_one_of_that_host)
{
    enum { MANY = 20 };
    int others[MANY];
    sk_error err = { 0 };
    pair_open(false);
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(strrchr(head.address, ':') + 1)),
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int full = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (full < 0 || bind(full, (struct sockaddr *)&six, sizeof six) != 0) {
        if (full >= 0)
            close(full);
        pair_close();                      /* no IPv6 here */
        return;
    }
    ck_assert_int_eq(listen(full, 0), 0);
    for (int i = 0; i < MANY; i++) {
        others[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(others[i], (struct sockaddr *)&six, sizeof six);
    }
    sk_address both[2][SK_ADDRESS_MOST], *first = both[_i], *second = both[!_i];
    char text[SK_ADDRESS_TEXT];
    snprintf(text, sizeof text, "[::1]%s", strrchr(head.address, ':'));
    ck_assert(sk_address_find(text, false, both[0], &err) == 1 && sk_address_find(head.address, false, both[1], &err) == 1);
    sk_address list[] = { *first, *second };
    node.peer = sk_tcp_dial_all((sk_tcp *)node.t, list, 2, NULL, NULL, &err);
    ck_assert_uint_ne(node.peer.id, 0);
    if (_i == 0) {
        settle();
        ck_assert_str_eq(node.states, "");
        pair_clock += 5 * (int64_t)SECOND / 2 - 1;
        settle();
        ck_assert_str_eq(node.states, "");
        pair_clock++;
    }
    UNTIL(head.last.state == SK_PEER_UP && node.last.state == SK_PEER_UP);
    ck_assert_str_eq(node.last.address, head.address);
    for (int i = 0; i < MANY; i++)
        close(others[i]);
    close(full);
    pair_close();
}
END_TEST

static bool loopback(const char *text)
{
    sk_address found[SK_ADDRESS_MOST];
    sk_error err = { 0 };
    ck_assert_msg(sk_address_find(text, true, found, &err) == 1, "%s: %s", text, err.message);
    return sk_address_is_loopback(&found[0]);
}

START_TEST(loopback_is_what_does_not_leave_the_machine)
{
    static const char *const inside[] = { "127.0.0.1", "127.255.3.4:80", "::1", "[::1]:80", "::ffff:127.0.0.1", "[::ffff:127.1.2.3]:9", "", ":8" };
    static const char *const outside[] = { "0.0.0.0", "128.0.0.1", "10.0.0.1:7000", "::", "::2", "fe80::1", "::ffff:10.0.0.1", "[::ffff:0.0.0.0]:1", "1.127.0.0" };
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        ck_assert_msg(loopback(inside[i]), "%s", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        ck_assert_msg(!loopback(outside[i]), "%s", outside[i]);
}
END_TEST

Suite *strangers_suite(void)
{
    Suite *suite = suite_create("strangers");
    TCase *unknown = tcase_create("unknown"), *wrong = tcase_create("wrong"), *descriptors_ = tcase_create("no descriptors"), *addresses = tcase_create("addresses");
    tcase_add_test(unknown, garbage_is_refused_with_one_generic_answer_and_the_reason_is_in_the_log);
    tcase_add_loop_test(unknown, an_endless_stream_is_closed_after_a_few_bytes, 0, 2);
    tcase_add_test(unknown, a_frame_before_the_handshake_is_refused);
    tcase_add_loop_test(unknown, who_says_a_byte_a_second_is_closed_after_five, 0, 2);
    tcase_add_test(unknown, who_proves_itself_and_then_does_not_say_what_it_wants_is_closed_after_five_seconds);
    tcase_add_loop_test(unknown, sixty_four_may_be_unknown_at_once_and_the_next_is_closed_at_once, 0, 2);
    tcase_add_test(unknown, of_many_who_are_refused_ten_a_second_are_logged_and_the_others_counted);
    suite_add_tcase(suite, unknown);
    tcase_add_loop_test(wrong, another_secret_is_refused_and_both_ends_say_so_but_not_what_it_is, 0, 2);
    tcase_add_loop_test(wrong, another_build_role_or_cluster_is_refused_by_name, 0, 6);
    tcase_add_loop_test(wrong, who_dials_itself_or_finds_another_node_than_it_looks_for_is_refused, 0, 4);
    tcase_add_test(wrong, in_tls_only_a_head_answers_to_who_does_not_know_whom_it_dials);
    tcase_add_loop_test(wrong, an_end_in_clear_and_one_in_tls_do_not_meet, 0, 2);
    tcase_add_loop_test(wrong, a_peer_that_breaks_the_protocol_is_dead_with_the_byte_and_the_frame_and_others_are_not, 0, 6);
    tcase_add_test(wrong, a_frame_that_never_becomes_whole_is_an_error_though_bytes_go_on_coming);
    suite_add_tcase(suite, wrong);
    tcase_add_test(descriptors_, without_descriptors_who_comes_is_told_busy_nobody_spins_and_later_all_is_well);
    tcase_add_test(descriptors_, that_nobody_can_join_is_logged_once_and_when_it_is_over_with_how_many_were_turned_away);
    tcase_add_loop_test(descriptors_, a_dial_without_descriptors_fails_with_what_to_do, 0, 2);
    suite_add_tcase(suite, descriptors_);
    tcase_add_test(addresses, an_address_that_cannot_be_listened_at_is_an_error_that_says_what_to_do);
    tcase_add_test(addresses, with_a_secret_file_all_addresses_may_be_listened_at_and_beyond_loopback_it_is_encrypted);
    tcase_add_test(addresses, an_address_that_cannot_be_dialed_is_an_error_at_once_and_one_that_does_not_answer_a_dead_peer);
    tcase_add_loop_test(addresses, who_answers_the_dial_and_says_nothing_is_given_up_after_five_seconds, 0, 2);
    tcase_add_loop_test(addresses, peers_meet_over_ipv6_and_by_name, 0, 4);
    tcase_add_loop_test(addresses, an_address_that_does_not_answer_leaves_time_for_the_next_one_of_that_host, 0, 2);
    tcase_add_test(addresses, loopback_is_what_does_not_leave_the_machine);
    suite_add_tcase(suite, addresses);
    return suite;
}
