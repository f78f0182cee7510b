/* test_transport.c -- two transports talk over loopback: control, bulk, states, time; each in clear and inside TLS. Who must not get in is
 * in test_strangers.c. */
#include "link_pair.h"

#include "backends/tcp_peers.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define END_IS(e, kind, words) do {                                                                         \
        ck_assert_int_eq((e).last.end, kind);                                                               \
        ck_assert_msg(strstr((e).why, words) != NULL, "why: %s", (e).why);                                  \
    } while (0)

/* ---- control ---- */

START_TEST(a_peer_that_is_dialed_comes_up_on_both_ends_and_is_who_it_is)
{
    pair_open(_i);
    pair_connect();
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    ck_assert_str_eq(head.states, "UP ");
    ck_assert(node.last.dialed && !head.last.dialed);
    ck_assert_int_eq(node.last.encrypted, _i);
    ck_assert_int_eq(head.last.encrypted, _i);
    ck_assert_int_eq(head.hello.role, SK_ROLE_NODE);
    ck_assert_int_eq(node.hello.node.bytes[0], 'h');
    ck_assert_int_eq(node.hello.cluster.bytes[0], 9);
    ck_assert_str_eq(node.last.address, head.address);
    ck_assert(!strncmp(sk_transport_peer(head.t, head.peer)->address, "127.0.0.1:", 10));
    pair_close();
}
END_TEST

static unsigned char sizes_seed;
static size_t size_of(unsigned i) { return i % 50 == 49 ? SK_TRANSPORT_CONTROL - i : i % 7 == 6 ? 70000 + i : (i * 37 + sizes_seed) % 900; }

static void check_text(end *e, sk_peer peer, uint16_t type, uint64_t req)
{
    (void)peer;
    ck_assert_uint_eq(type, TEXT);
    ck_assert_uint_eq(req, e->ncontrol - 1);
    ck_assert_uint_eq(e->ntext, size_of((unsigned)req));
    for (size_t i = 0; i < e->ntext; i += e->ntext / 100 + 1)
        ck_assert_uint_eq(e->text[i], bulk_byte(i + req));
}

START_TEST(control_messages_arrive_in_order_and_whole_both_ways_also_those_sent_before_the_peer_is_up)
{
    enum { N = 200 };
    pair_open(_i);
    uint8_t *bytes = bulk_bytes(SK_TRANSPORT_CONTROL + N);
    head.on_control = node.on_control = check_text;
    node.peer = dial_to(&node, head.address, NULL);
    end *from[] = { &node, &head };
    for (unsigned sent[2] = { 0 }; sent[0] + sent[1] < 2 * N; ) {
        for (int k = 0; k < 2; k++)
            while (sent[k] < N && from[k]->peer.id) {
                size_t size = size_of(sent[k]), half = size / 3;
                struct iovec pieces[] = { { bytes + sent[k], half }, { NULL, 0 }, { bytes + sent[k] + half, size - half } };
                sk_transport_sent is = sk_transport_send(from[k]->t, from[k]->peer, TEXT, sent[k], pieces, 3);
                ck_assert_int_ne(is, SK_SEND_DEAD);
                if (is == SK_SEND_FULL)
                    break;
                sent[k]++;
            }
        turn(&head);
        turn(&node);
    }
    UNTIL(head.ncontrol == N && node.ncontrol == N);
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(a_full_queue_says_so_and_says_when_there_is_room_again)
{
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(SK_TRANSPORT_CONTROL);
    struct iovec piece = { bytes, SK_TRANSPORT_CONTROL };
    unsigned sent = 0;
    head.is_frozen = true;
    for (int i = 0; i < 1000; i++) {       /* the kernel takes some of it */
        if (sk_transport_send(node.t, node.peer, TEXT, 0, &piece, 1) == SK_SEND_FULL)
            break;
        sent++;
        turn(&node);
    }
    ck_assert_int_eq(sk_transport_send(node.t, node.peer, TEXT, 0, &piece, 1), SK_SEND_FULL);
    ck_assert_uint_le(sk_transport_peer(node.t, node.peer)->control_queued, 4 << 20);
    ck_assert_uint_gt(sk_transport_peer(node.t, node.peer)->control_queued, 2 << 20);
    ck_assert_uint_eq(node.nroom, 0);
    head.is_frozen = false;
    UNTIL(node.nroom == 1 && head.ncontrol == sent);
    ck_assert_int_eq(sk_transport_send(node.t, node.peer, TEXT, 7, &piece, 1), SK_SENT);
    UNTIL(head.ncontrol == sent + 1);
    ck_assert_uint_eq(head.last_req, 7);
    ck_assert_uint_eq(node.nroom, 1);
    free(bytes);
    pair_close();
}
END_TEST

/* Bytes that the queue has moved to make room. */
static uint64_t moved_by_sending(end *e, uint8_t *bytes, size_t size, uint64_t *queued)
{
    uint64_t moved = 0;
    const sk_link *l = &sk_tcp_peer_of((sk_tcp *)e->t, e->peer)->control->link;
    for (;;) {
        const uint8_t *out = l->out;
        size_t at = l->out_at, there = sk_link_queued(l);
        if (sk_transport_send(e->t, e->peer, TEXT, 0, &(struct iovec){ bytes, size }, 1) == SK_SEND_FULL)
            return moved;
        moved += l->out != out || l->out_at != at ? there : 0;
        *queued += size;
    }
}

START_TEST(a_queue_that_is_filled_up_again_and_again_moves_each_byte_a_few_times_at_most)
{
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(4000);
    uint64_t queued = 0, moved = 0;
    for (int i = 0; i < 300; i++) {
        moved += moved_by_sending(&node, bytes, 4000, &queued);
        turn(&node);
        turn(&head);                       /* takes a little of it */
    }
    ck_assert_uint_gt(queued, 12 << 20);
    ck_assert_msg(moved <= 2 * queued, "%llu of %llu", (unsigned long long)moved, (unsigned long long)queued);
    ck_assert_uint_le(sk_tcp_peer_of((sk_tcp *)node.t, node.peer)->control->link.out_room, 8 << 20);
    free(bytes);
    pair_close();
}
END_TEST

/* ---- bulk ---- */

enum { LARGE = 100000000 };
static uint64_t arrived_at_ping, arrived_at_pong;

static void ping_from_the_middle(end *e, sk_peer peer, uint64_t req)
{
    (void)peer;
    (void)req;
    if (e->arrived[0] > LARGE / 4 && !arrived_at_ping) {
        arrived_at_ping = e->arrived[0];
        ck_assert_int_eq(send_text(e, SMALL, 5, "ping"), SK_SENT);
    }
}

static void pong(end *e, sk_peer peer, uint16_t type, uint64_t req)
{
    ck_assert_int_eq(sk_transport_send(e->t, peer, type, req, &(struct iovec){ "pong", 4 }, 1), SK_SENT);
}

static void pong_arrives(end *e, sk_peer peer, uint16_t type, uint64_t req)
{
    (void)peer;
    (void)type;
    ck_assert_uint_eq(req, 5);
    ck_assert_str_eq((char *)e->text, "pong");
    arrived_at_pong = e->arrived[0];
}

/* _i: bit 0 TLS, bit 1 who sends. */
START_TEST(a_hundred_megabytes_arrive_and_control_messages_pass_them_on_their_way)
{
    pair_open(_i & 1);
    pair_connect();
    end *from = _i & 2 ? &node : &head, *to = _i & 2 ? &head : &node;
    uint8_t *bytes = bulk_bytes(LARGE);
    end_make_room(to, LARGE);
    arrived_at_ping = arrived_at_pong = 0;
    to->on_chunk = ping_from_the_middle;
    to->on_control = pong_arrives;
    from->on_control = pong;
    ck_assert(sk_transport_send_bulk(from->t, from->peer, 8, 0, (struct iovec[]){ { bytes, 12345 }, { bytes + 12345, LARGE - 12345 } }, 2));
    ck_assert_uint_eq(sk_transport_peer(from->t, from->peer)->bulk_queued, LARGE);
    UNTIL(to->arrived[0] == LARGE && from->nsent == 1);
    ck_assert(!memcmp(to->memory, bytes, LARGE));
    ck_assert_uint_gt(arrived_at_ping, 0);
    ck_assert_uint_gt(arrived_at_pong, 0);
    ck_assert_uint_lt(arrived_at_pong, LARGE);
    ck_assert_uint_eq(sk_transport_peer(from->t, from->peer)->bulk_queued, 0);
    ck_assert_uint_eq(from->nfailed + to->nfailed + to->nlost + from->nlost, 0);
    free(bytes);
    pair_close();
}
END_TEST

static uint64_t arrived_of_large;
static void small_is_here(end *e, sk_peer peer, uint64_t req)
{
    (void)peer;
    if (req == 1)
        arrived_of_large = e->arrived[0];
}

START_TEST(requests_take_turns_so_a_small_one_overtakes_a_large_one)
{
    enum { SIZE = 32 << 20 };
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(SIZE);
    end_make_room(&node, SIZE + 8 * 4096);
    node.on_chunk = small_is_here;
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, SIZE }, 1));
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 1, 0, &(struct iovec){ bytes, 1000 }, 1));
    UNTIL(node.arrived[0] == SIZE && node.arrived[1] == 1000 && head.nsent == 2);
    ck_assert_uint_lt(arrived_of_large, SIZE / 2);
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(bulk_goes_both_ways_at_once_in_pieces_of_any_size)
{
    enum { SIZE = 3000000 };
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(SIZE);
    end *ends[] = { &head, &node };
    for (int k = 0; k < 2; k++) {
        struct iovec pieces[SK_TRANSPORT_PIECES];
        size_t at = 0;
        end_make_room(ends[k], SIZE + 4096);
        for (int i = 0; i < SK_TRANSPORT_PIECES; i++) {
            size_t size = i == SK_TRANSPORT_PIECES - 1 ? SIZE - at : i % 5 == 4 ? 0 : (size_t)i * i * 17 + 1;
            pieces[i] = (struct iovec){ bytes + at, size };
            at += size;
        }
        ck_assert(sk_transport_send_bulk(ends[k]->t, ends[k]->peer, 16, 0, pieces, SK_TRANSPORT_PIECES));
    }
    UNTIL(head.arrived[0] == SIZE && node.arrived[0] == SIZE && head.nsent + node.nsent == 2);
    for (int k = 0; k < 2; k++)
        ck_assert(!memcmp(ends[k]->memory, bytes, SIZE));
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(a_range_goes_where_its_offset_says_and_one_of_no_bytes_is_announced_too)
{
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(1000);
    end_make_room(&head, 100000);
    ck_assert(sk_transport_send_bulk(node.t, node.peer, 0, 5000, &(struct iovec){ bytes, 1000 }, 1));
    ck_assert(sk_transport_send_bulk(node.t, node.peer, 2, 77, NULL, 0));
    UNTIL(head.nchunks == 2 && node.nsent == 2);
    ck_assert(!memcmp(head.memory + 5000, bytes, 1000));
    ck_assert_uint_eq(head.memory[4999] + head.memory[6000], 0);
    ck_assert_uint_eq(head.last_request, 2);
    ck_assert_uint_eq(head.arrived[2], 0);
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(what_has_no_place_is_passed_over_and_what_follows_arrives)
{
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(2000000);
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, 2000000 }, 1));
    UNTIL(head.nsent == 1 && node.nplaces == (2000000 + SK_BULK_CHUNK - 1) / SK_BULK_CHUNK);
    ck_assert_uint_eq(node.nchunks, 0);
    end_make_room(&node, 10000);
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, 5000 }, 1));
    UNTIL(node.nchunks == 1);
    ck_assert(!memcmp(node.memory, bytes, 5000));
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(what_is_forgotten_is_not_written_to_any_more_not_even_in_the_middle_of_a_chunk)
{
    enum { SIZE = 8 << 20 };
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(SIZE);
    end_make_room(&node, SIZE);
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, SIZE }, 1));
    UNTIL(node.nplaces == 2);              /* in the middle of the second, or behind it */
    sk_transport_forget(node.t, node.peer, 0);
    free(node.memory);                     /* AddressSanitizer looks on */
    node.memory = NULL;
    node.room = 0;
    UNTIL(head.nsent == 1 && node.nplaces >= SIZE / SK_BULK_CHUNK);
    settle();
    ck_assert_uint_le(node.nchunks, 2);
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(what_is_cancelled_ends_and_its_bytes_are_free)
{
    enum { SIZE = 24 << 20 };
    pair_open(_i);
    pair_connect();
    uint8_t *bytes = bulk_bytes(SIZE);
    end_make_room(&node, SIZE + 4096);
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, SIZE }, 1));
    UNTIL(node.nchunks >= 1);
    sk_transport_cancel(head.t, head.peer, 0);
    UNTIL(head.nfailed == 1);
    memset(bytes, 0, SIZE);
    settle();
    ck_assert_uint_lt(node.arrived[0], SIZE);
    for (size_t i = 0; i < node.arrived[0]; i++)
        if (node.memory[i] != bulk_byte(i))
            ck_abort_msg("byte %zu was changed after its end", i);
    ck_assert_uint_eq(sk_transport_peer(head.t, head.peer)->bulk_queued, 0);
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 1, 0, &(struct iovec){ bytes, 1000 }, 1));
    sk_transport_cancel(head.t, head.peer, 1);         /* before anything has left */
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 2, 0, &(struct iovec){ bytes, 1000 }, 1));
    UNTIL(head.nfailed == 2 && head.nsent == 1 && node.arrived[2] == 1000);
    ck_assert_uint_eq(node.arrived[1], 0);
    free(bytes);
    pair_close();
}
END_TEST

/* ---- a turn is short ---- */

static uint8_t refill_bytes[SK_TRANSPORT_CONTROL];
static bool refills;

static void fill_control(end *e, sk_peer peer)
{
    while (refills && sk_transport_send(e->t, peer, TEXT, 0, &(struct iovec){ refill_bytes, 1000 }, 1) == SK_SENT)
        continue;
}

static void fill_bulk(end *e, sk_peer peer)
{
    if (refills)
        ck_assert(sk_transport_send_bulk(e->t, peer, 0, 0, &(struct iovec){ refill_bytes, 1000 }, 1));
}

/* The kernel takes what it is given for a while, though nobody reads it: that must not keep poll from returning, and from reading. */
START_TEST(a_poll_ends_though_its_events_queue_more_each_time)
{
    enum { ROUNDS = 4 };                   /* a poll sends four times at most: twice before it waits, twice after */
    pair_open(_i);
    pair_connect();
    ck_assert(sk_transport_send_bulk(node.t, node.peer, 0, 0, &(struct iovec){ refill_bytes, 1000 }, 1));
    UNTIL(node.nsent == 1);
    settle();
    head.is_frozen = refills = true;
    node.on_room = fill_control;
    node.on_sent = fill_bulk;
    fill_control(&node, node.peer);
    fill_bulk(&node, node.peer);
    for (int i = 0; i < 5; i++) {
        unsigned room = node.nroom, sent = node.nsent;
        turn(&node);
        ck_assert_uint_le(node.nroom - room, ROUNDS);
        ck_assert_uint_le(node.nsent - sent, ROUNDS);
    }
    ck_assert_uint_ge(node.nsent, 5);
    refills = false;
    pair_close();
}
END_TEST

/* ---- the way for bulk breaks ---- */

static bool cut_bulk(end *e)
{
    for (sk_tcp_link *l = ((sk_tcp *)e->t)->links; l; l = l->next)
        if (l->number) {
            shutdown(l->link.fd, SHUT_RDWR);
            return true;
        }
    return false;
}

static uint8_t *again;
static void ask_again(end *e, sk_peer peer)
{
    e->arrived[0] = 0;
    ck_assert_int_eq(sk_transport_send(e->t, peer, SMALL, 0, NULL, 0), SK_SENT);
}
static void send_again(end *e, sk_peer peer, uint16_t type, uint64_t req)
{
    (void)type;
    (void)req;
    ck_assert(sk_transport_send_bulk(e->t, peer, 8, 0, &(struct iovec){ again, 4 << 20 }, 1));
}

/* _i: bit 0 TLS, bit 1 who sends, bit 2 where it is cut. */
START_TEST(a_broken_way_for_bulk_is_told_on_both_ends_and_a_new_one_is_made_while_the_peer_lives)
{
    enum { SIZE = 24 << 20 };
    pair_open(_i & 1);
    pair_connect();
    end *from = _i & 2 ? &node : &head, *to = _i & 2 ? &head : &node;
    again = bulk_bytes(SIZE);
    end_make_room(to, SIZE);
    to->on_lost = ask_again;
    from->on_control = send_again;
    ck_assert(sk_transport_send_bulk(from->t, from->peer, 0, 0, &(struct iovec){ again, SIZE }, 1));
    UNTIL(to->nchunks > 2);
    ck_assert(cut_bulk(_i & 4 ? from : to));
    UNTIL(from->nlost == 1 && to->nlost == 1 && from->nfailed == 1);
    UNTIL(from->nsent == 1 && to->arrived[0] == 4 << 20);
    ck_assert(!memcmp(to->memory, again, 4 << 20));
    settle();
    ck_assert_uint_eq(from->nlost + to->nlost, 2);
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    ck_assert_str_eq(head.states, "UP ");
    free(again);
    pair_close();
}
END_TEST

/* As who reads from a disk does: the next part when the one before has left. */
static unsigned parts_seen;
static void send_next_part(end *e, sk_peer peer)
{
    if (e->nsent == parts_seen)
        return;
    parts_seen = e->nsent;
    ck_assert(sk_transport_send_bulk(e->t, peer, 0, 1000 * parts_seen, &(struct iovec){ again, 1000 }, 1));
}

static void nothing_is_to_be_sent(end *e, sk_peer peer) { ck_assert(sk_bulk_is_idle(&sk_tcp_peer_of((sk_tcp *)e->t, peer)->out)); }

START_TEST(a_part_that_has_left_when_the_way_breaks_is_the_last_of_its_request)
{
    pair_open(_i);
    pair_connect();
    again = bulk_bytes(1000);
    end_make_room(&node, 100000);
    (void)sk_transport_send_bulk(head.t, head.peer, 1, 0, &(struct iovec){ again, 1000 }, 1);
    UNTIL(head.nsent == 1 && node.nchunks == 1);
    parts_seen = head.nsent;
    head.on_sent = send_next_part;
    head.on_lost = nothing_is_to_be_sent;
    sk_tcp_peer *p = sk_tcp_peer_of((sk_tcp *)head.t, head.peer);
    (void)sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ again, 1000 }, 1);
    sk_link_flush(&p->bulk->link);
    ck_assert(p->out.over.first && head.nsent == 1);               /* it has left, and nobody knows */
    sk_tcp_hear_of_loss(p, p->bulk->number, "as the other end says");
    ck_assert_uint_eq(head.nsent, 2);
    ck_assert_uint_eq(head.nfailed, 1);                            /* the part that was sent for that */
    UNTIL(head.nlost == 1 && node.nlost == 1);
    unsigned before = node.nplaces;
    settle();
    ck_assert_uint_eq(node.nplaces, before);
    ck_assert_uint_eq(head.nsent + head.nfailed, 3);
    free(again);
    pair_close();
}
END_TEST

static void send_on_loss(end *e, sk_peer peer) { (void)sk_transport_send_bulk(e->t, peer, 0, 0, &(struct iovec){ again, 1 << 20 }, 1); }

START_TEST(a_peer_to_which_no_way_for_bulk_holds_is_given_up)
{
    pair_open(0);
    pair_connect();
    again = bulk_bytes(1 << 20);
    head.on_lost = send_on_loss;
    (void)sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ again, 1 << 20 }, 1);
    while (!(head.last.state == SK_PEER_DEAD && node.last.state == SK_PEER_DEAD)) {
        for (sk_tcp_link *l = ((sk_tcp *)node.t)->links; l; l = l->next)
            if (l->number && l->link.stage == SK_LINK_OPEN)
                shutdown(l->link.fd, SHUT_RDWR);           /* before anything comes through */
        turn(&node);
        turn(&head);
    }
    ck_assert_uint_le(head.nlost, 3);
    ck_assert_msg(strstr(head.why, "nothing comes through to it but small messages") || strstr(node.why, "nothing comes through"), "%s", head.why);
    free(again);
    pair_close();
}
END_TEST

/* ---- the end of a peer ---- */

START_TEST(a_peer_that_closes_is_dead_on_the_other_end_and_its_name_is_stale)
{
    pair_open(_i);
    pair_connect();
    sk_peer gone = head.peer;
    uint8_t *bytes = bulk_bytes(1000);
    sk_transport_close(node.t);
    node.t = NULL;
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, 1000 }, 1));
    UNTIL(head.last.state == SK_PEER_DEAD);
    END_IS(head, SK_PEER_CLOSED, "it closed the connection");
    ck_assert_uint_eq(head.nfailed, 1);
    ck_assert(sk_transport_peer(head.t, gone) == NULL);
    ck_assert_int_eq(sk_transport_send(head.t, gone, SMALL, 0, NULL, 0), SK_SEND_DEAD);
    ck_assert(!sk_transport_send_bulk(head.t, gone, 0, 0, NULL, 0));
    sk_transport_cancel(head.t, gone, 0);
    sk_transport_forget(head.t, gone, 0);
    sk_transport_drop(head.t, gone, "");
    end_open(&node);
    pair_connect();
    ck_assert_uint_ne(head.peer.id, gone.id);
    ck_assert(sk_transport_peer(head.t, gone) == NULL);
    free(bytes);
    pair_close();
}
END_TEST

static void drop_it(end *e, sk_peer peer, uint16_t type, uint64_t req)
{
    (void)type;
    (void)req;
    sk_transport_drop(e->t, peer, "the run is over\n\033[31m");
    ck_assert_int_eq(sk_transport_send(e->t, peer, SMALL, 0, NULL, 0), SK_SEND_DEAD);
}

START_TEST(who_is_dropped_learns_why_and_hears_what_was_sent_before)
{
    pair_open(_i);
    pair_connect();
    head.on_control = drop_it;
    ck_assert_int_eq(send_text(&head, TEXT, 1, "before"), SK_SENT);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send_text(&node, TEXT, 0, "drop me"), SK_SENT);
    UNTIL(head.last.state == SK_PEER_DEAD && node.last.state == SK_PEER_DEAD);
    ck_assert_uint_eq(head.ncontrol, 1);
    ck_assert_str_eq((char *)node.text, "before");
    END_IS(head, SK_PEER_LEFT, "the run is over");
    ck_assert_str_eq(node.why, "it said: the run is over??[31m");      /* no words of others' move our cursor */
    ck_assert_int_eq(node.last.end, SK_PEER_CLOSED);
    pair_close();
}
END_TEST

static void drop_when_up(end *e, sk_peer peer, const sk_peer_info *info)
{
    if (info->state == SK_PEER_UP)
        sk_transport_drop(e->t, peer, "not wanted");
}

START_TEST(a_peer_may_be_dropped_in_the_event_that_tells_of_it)
{
    pair_open(_i);
    head.on_state = drop_when_up;
    dial_to(&node, head.address, NULL);
    UNTIL(node.last.state == SK_PEER_DEAD && head.last.state == SK_PEER_DEAD);
    ck_assert_str_eq(head.states, "UP DEAD ");
    END_IS(node, SK_PEER_CLOSED, "not wanted");
    pair_close();
}
END_TEST

START_TEST(a_node_that_dials_again_is_one_peer_and_the_older_connection_ends)
{
    pair_open(_i);
    pair_connect();
    sk_peer first = head.peer, dialed = node.peer;
    node.peer = dial_to(&node, head.address, NULL);
    UNTIL(head.peer.id != first.id && !sk_transport_peer(head.t, first) && !sk_transport_peer(node.t, dialed));
    ck_assert_int_eq(send_text(&head, TEXT, 1, "hello"), SK_SENT);
    UNTIL(node.ncontrol == 1);
    pair_close();
}
END_TEST

/* ---- time ---- */

/* In steps: a clock that jumps by more than a heartbeat is a sleep to who looks at it. */
static void pass(double seconds)
{
    for (int64_t left = (int64_t)(seconds * SECOND), step = SECOND / 5; left > 0; left -= step) {
        pair_clock += left < step ? left : step;
        settle();
    }
}

START_TEST(heartbeats_keep_peers_up_that_have_nothing_to_say)
{
    pair_open(_i);
    pair_connect();
    uint8_t byte = 0;
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ &byte, 1 }, 1));
    UNTIL(head.nsent == 1 && node.nplaces == 1);
    for (int i = 0; i < 100; i++)
        pass(0.7);
    ck_assert_str_eq(head.states, "UP ");
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    ck_assert_uint_eq(head.nlost + node.nlost, 0);
    uint64_t frames = sk_transport_count(head.t)->frames_in;
    ck_assert_uint_ge(frames, 60);         /* one a second at least, on each of two connections */
    ck_assert_uint_le(frames, 160);
    pair_close();
}
END_TEST

START_TEST(a_silent_peer_is_suspect_then_dead_and_learns_of_it_when_it_wakes)
{
    pair_open(_i);
    pair_connect();
    node.is_frozen = true;
    pass(2.9);
    ck_assert_str_eq(head.states, "UP ");
    pass(0.2);
    ck_assert_str_eq(head.states, "UP SUSPECT ");
    pass(6.8);
    ck_assert_str_eq(head.states, "UP SUSPECT ");
    pass(0.2);
    ck_assert_str_eq(head.states, "UP SUSPECT DEAD ");
    END_IS(head, SK_PEER_SILENT, "silent for 10.1 s");
    node.is_frozen = false;
    UNTIL(node.last.state == SK_PEER_DEAD);
    END_IS(node, SK_PEER_CLOSED, "it said: silent for 10.1 s");
    pair_close();
}
END_TEST

START_TEST(a_byte_makes_a_suspect_up_again)
{
    pair_open(_i);
    head.config.suspect_ns = SECOND / 2;
    head.config.heartbeat_ns = SECOND / 4;
    sk_transport_close(head.t);
    end_open(&head);
    end_listen(&head, "");
    pair_connect();
    node.is_frozen = true;
    pass(0.6);
    ck_assert_str_eq(head.states, "UP SUSPECT ");
    node.is_frozen = false;
    pass(0.5);                             /* its heartbeat is due */
    UNTIL(!strcmp(head.states, "UP SUSPECT UP "));
    pair_close();
}
END_TEST

START_TEST(who_was_stopped_itself_does_not_take_its_peers_for_dead)
{
    pair_open(_i);
    pair_connect();
    node.is_frozen = true;
    for (int i = 0; i < 9; i++)            /* the head speaks, and node's kernel takes it in */
        pass(1.0);
    node.is_frozen = false;
    pair_clock += 20 * (int64_t)SECOND;
    head.is_frozen = true;                 /* so that it does not speak now */
    turn(&node);
    turn(&node);
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    pair_close();
}
END_TEST

/* As by ^Z: nobody has said anything meanwhile, so there is nothing to read when they go on. _i: TLS. */
START_TEST(peers_that_were_stopped_together_find_each_other_alive)
{
    pair_open(_i);
    pair_connect();
    uint8_t byte = 0;
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ &byte, 1 }, 1));
    UNTIL(head.nsent == 1 && node.nplaces == 1);
    settle();
    for (unsigned i = 1; i <= 3; i++) {
        pair_clock += 60 * (int64_t)SECOND;
        turn(&head);
        turn(&node);
        ck_assert(send_text(&head, SMALL, i, "") == SK_SENT && send_text(&node, SMALL, i, "") == SK_SENT);
        UNTIL(head.last_req == i && node.last_req == i);
    }
    ck_assert_str_eq(head.states, "UP ");
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    ck_assert_uint_eq(head.nlost + node.nlost, 0);
    node.is_frozen = true;                 /* and who stays away then is found out as ever */
    pass(12);
    ck_assert_str_eq(head.states, "UP SUSPECT DEAD ");
    pair_close();
}
END_TEST

START_TEST(who_looks_seldom_finds_out_who_is_dead_all_the_same)
{
    pair_open(0);
    pair_connect();
    settle();
    node.is_frozen = true;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_ne(head.last.state, SK_PEER_DEAD);
        pair_clock += 4 * (int64_t)SECOND;
        settle();
    }
    ck_assert_int_eq(head.last.state, SK_PEER_DEAD);
    ck_assert_int_eq(head.last.end, SK_PEER_SILENT);
    pair_close();
}
END_TEST

/* _i: what was on its way: a message of a mebibyte, or bulk. A part of it only is read in the first turn after the sleep. */
START_TEST(who_was_stopped_in_the_middle_of_a_frame_does_not_take_that_for_a_stuck_one)
{
    enum { SIZE = SK_TRANSPORT_CONTROL };
    pair_open(_i & 1);
    pair_connect();
    uint8_t *bytes = bulk_bytes(SIZE);
    if (_i & 2)
        ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, SIZE }, 1));
    else
        ck_assert_int_eq(sk_transport_send(head.t, head.peer, TEXT, 0, &(struct iovec){ bytes, SIZE }, 1), SK_SENT);
    UNTIL(sk_transport_count(node.t)->bytes_in > 20000);   /* more than the handshakes, and not all */
    ck_assert_uint_eq(node.ncontrol, 0);
    pair_clock += 11 * (int64_t)SECOND;
    turn(&node);
    head.is_frozen = true;                 /* it would speak of silence */
    settle();
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    ck_assert_uint_eq(node.nlost, 0);
    free(bytes);
    pair_close();
}
END_TEST

START_TEST(bulk_that_gets_stuck_is_lost_though_the_peer_lives)
{
    pair_open(0);
    pair_connect();
    uint8_t *bytes = bulk_bytes(24 << 20);
    ck_assert(sk_transport_send_bulk(head.t, head.peer, 0, 0, &(struct iovec){ bytes, 24 << 20 }, 1));
    UNTIL(node.nplaces > 2);
    for (sk_tcp_link *l = ((sk_tcp *)node.t)->links; l; l = l->next)
        if (l->number)                     /* the node does not read it any more: as if something between had frozen */
            epoll_ctl(l->link.epoll, EPOLL_CTL_DEL, l->link.fd, NULL);
    for (int i = 0; i < 25 && head.nlost == 0; i++)
        pass(0.9);
    UNTIL(head.nlost == 1 && node.nlost == 1);
    ck_assert_uint_eq(head.nfailed, 1);
    ck_assert_str_eq(head.states, "UP ");
    free(bytes);
    pair_close();
}
END_TEST

/* ---- wake, watch ---- */

static void *wake_it(void *t)
{
    for (int i = 0; i < 3; i++)
        sk_transport_wake(t);
    return NULL;
}

START_TEST(poll_returns_when_it_is_woken_from_another_thread)
{
    pthread_t thread;
    pair_open(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_it, head.t), 0);
    sk_transport_poll(head.t, SK_NEVER);
    pthread_join(thread, NULL);
    sk_transport_poll(head.t, 0);          /* rings that came behind it */
    int64_t wait;
    struct pollfd fd = { sk_transport_watch(head.t, &wait), POLLIN, 0 };
    ck_assert_int_eq(poll(&fd, 1, 0), 0);
    ck_assert(wait == SK_NEVER);
    sk_transport_wake(head.t);
    ck_assert_int_eq(poll(&fd, 1, 0), 1);
    pair_close();
}
END_TEST

START_TEST(another_loop_is_told_when_there_is_something_to_do)
{
    pair_open(0);
    pair_connect();
    settle();
    int64_t wait;
    sk_transport_watch(node.t, &wait);
    ck_assert(wait > 0 && wait <= SECOND);                 /* the next heartbeat */
    send_text(&node, SMALL, 0, "x");
    sk_transport_watch(node.t, &wait);
    ck_assert(wait == 0);
    turn(&node);
    struct pollfd fd = { sk_transport_watch(head.t, &wait), POLLIN, 0 };
    ck_assert_int_eq(poll(&fd, 1, PATIENCE_MS), 1);
    pair_close();
}
END_TEST

static void await_bytes(end *e)
{
    int64_t wait;
    struct pollfd fd = { sk_transport_watch(e->t, &wait), POLLIN, 0 };
    ck_assert_int_eq(poll(&fd, 1, PATIENCE_MS), 1);
}

START_TEST(who_only_glances_hears_whom_it_has_heard_last_and_what_is_flushed_has_left)
{
    pair_open(_i);
    pair_connect();
    settle();
    for (unsigned i = 1; i <= 20; i++) {
        end *from = i % 2 ? &node : &head, *to = i % 2 ? &head : &node;
        unsigned had = to->ncontrol;
        send_text(from, SMALL, i, "x");
        sk_transport_flush(from->t);
        ck_assert_uint_eq(sk_transport_peer(from->t, from->peer)->control_queued, 0);
        await_bytes(to);
        sk_transport_glance(to->t);
        ck_assert_uint_eq(to->ncontrol, had + 1);
    }
    ck_assert(((sk_tcp *)head.t)->hot && ((sk_tcp *)node.t)->hot);     /* so it was no poll */
    pair_close();
}
END_TEST

START_TEST(who_only_glances_sends_heartbeats_and_finds_out_who_is_gone)
{
    pair_open(0);
    pair_connect();
    send_text(&node, SMALL, 0, "x");
    UNTIL(head.ncontrol == 1);
    settle();
    uint64_t had = sk_transport_count(head.t)->frames_out;
    pair_clock += 1100 * (int64_t)1000000;
    sk_transport_glance(head.t);
    ck_assert_uint_eq(sk_transport_count(head.t)->frames_out, had + 1);
    end_close(&node);
    await_bytes(&head);
    for (int i = 0; i < 3; i++)            /* the link it would look at is no more */
        sk_transport_glance(head.t);
    ck_assert_str_eq(head.states, "UP DEAD ");
    pair_close();
}
END_TEST

Suite *transport_suite(void)
{
    Suite *suite = suite_create("transport");
    TCase *control = tcase_create("control"), *bulk = tcase_create("bulk"), *ends = tcase_create("ends"), *time = tcase_create("time"),
          *loops = tcase_create("loops");
    tcase_add_loop_test(control, a_peer_that_is_dialed_comes_up_on_both_ends_and_is_who_it_is, 0, 2);
    tcase_add_loop_test(control, control_messages_arrive_in_order_and_whole_both_ways_also_those_sent_before_the_peer_is_up, 0, 2);
    tcase_add_loop_test(control, a_full_queue_says_so_and_says_when_there_is_room_again, 0, 2);
    tcase_add_loop_test(control, a_queue_that_is_filled_up_again_and_again_moves_each_byte_a_few_times_at_most, 0, 2);
    suite_add_tcase(suite, control);
    tcase_add_loop_test(bulk, a_hundred_megabytes_arrive_and_control_messages_pass_them_on_their_way, 0, 4);
    tcase_add_loop_test(bulk, requests_take_turns_so_a_small_one_overtakes_a_large_one, 0, 2);
    tcase_add_loop_test(bulk, bulk_goes_both_ways_at_once_in_pieces_of_any_size, 0, 2);
    tcase_add_loop_test(bulk, a_range_goes_where_its_offset_says_and_one_of_no_bytes_is_announced_too, 0, 2);
    tcase_add_loop_test(bulk, what_has_no_place_is_passed_over_and_what_follows_arrives, 0, 2);
    tcase_add_loop_test(bulk, what_is_forgotten_is_not_written_to_any_more_not_even_in_the_middle_of_a_chunk, 0, 2);
    tcase_add_loop_test(bulk, what_is_cancelled_ends_and_its_bytes_are_free, 0, 2);
    tcase_add_loop_test(bulk, a_poll_ends_though_its_events_queue_more_each_time, 0, 2);
    tcase_add_loop_test(bulk, a_broken_way_for_bulk_is_told_on_both_ends_and_a_new_one_is_made_while_the_peer_lives, 0, 8);
    tcase_add_loop_test(bulk, a_part_that_has_left_when_the_way_breaks_is_the_last_of_its_request, 0, 2);
    tcase_add_test(bulk, a_peer_to_which_no_way_for_bulk_holds_is_given_up);
    suite_add_tcase(suite, bulk);
    tcase_add_loop_test(ends, a_peer_that_closes_is_dead_on_the_other_end_and_its_name_is_stale, 0, 2);
    tcase_add_loop_test(ends, who_is_dropped_learns_why_and_hears_what_was_sent_before, 0, 2);
    tcase_add_loop_test(ends, a_peer_may_be_dropped_in_the_event_that_tells_of_it, 0, 2);
    tcase_add_loop_test(ends, a_node_that_dials_again_is_one_peer_and_the_older_connection_ends, 0, 2);
    suite_add_tcase(suite, ends);
    tcase_add_loop_test(time, heartbeats_keep_peers_up_that_have_nothing_to_say, 0, 2);
    tcase_add_loop_test(time, a_silent_peer_is_suspect_then_dead_and_learns_of_it_when_it_wakes, 0, 2);
    tcase_add_loop_test(time, a_byte_makes_a_suspect_up_again, 0, 2);
    tcase_add_loop_test(time, who_was_stopped_itself_does_not_take_its_peers_for_dead, 0, 2);
    tcase_add_loop_test(time, peers_that_were_stopped_together_find_each_other_alive, 0, 2);
    tcase_add_test(time, who_looks_seldom_finds_out_who_is_dead_all_the_same);
    tcase_add_loop_test(time, who_was_stopped_in_the_middle_of_a_frame_does_not_take_that_for_a_stuck_one, 0, 4);
    tcase_add_test(time, bulk_that_gets_stuck_is_lost_though_the_peer_lives);
    suite_add_tcase(suite, time);
    tcase_add_test(loops, poll_returns_when_it_is_woken_from_another_thread);
    tcase_add_test(loops, another_loop_is_told_when_there_is_something_to_do);
    tcase_add_loop_test(loops, who_only_glances_hears_whom_it_has_heard_last_and_what_is_flushed_has_left, 0, 2);
    tcase_add_test(loops, who_only_glances_sends_heartbeats_and_finds_out_who_is_gone);
    suite_add_tcase(suite, loops);
    return suite;
}
