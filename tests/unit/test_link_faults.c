/* test_link_faults.c -- two transports with the fault proxy between them: bytes that come one by one, are changed, lost, late, or end.
 *
 * Whatever happens, an end gets all that was sent, as it was sent, or is told by name what it does not get. Where both ends can only wait, time
 * is moved: so each case ends, by their own deadlines. */
#include "link_pair.h"

#include "proxy/proxy.h"

enum { NOTES = 20, BULK = 70000, QUIET_MS = 20 };

static proxy *between;
static uint8_t *truth;
static sk_peer alive[2];                   /* who was UP last, of head and node */
static char through[40];

static size_t note_size(uint64_t i) { return (size_t)(i * 53 % 400); }

static void check_note(end *e, sk_peer peer, uint16_t type, uint64_t req)
{
    (void)peer;
    ck_assert_uint_eq(type, TEXT);
    ck_assert_uint_eq(req, e->ncontrol - 1);
    ck_assert_uint_eq(e->ntext, note_size(req));
    for (size_t i = 0; i < e->ntext; i++)
        ck_assert_uint_eq(e->text[i], bulk_byte(i + req));
}

/* What has been announced is right at once; all of it when all has come. */
static void check_chunk(end *e, sk_peer peer, uint64_t req)
{
    (void)peer;
    ck_assert_uint_eq(req, 0);
    if (e->arrived[0] == BULK)
        ck_assert(!memcmp(e->memory, truth, BULK));
}

static void speak(end *e, sk_peer peer, const sk_peer_info *info)
{
    if (info->state != SK_PEER_UP || alive[e == &node].id == peer.id)
        return;
    alive[e == &node] = peer;
    for (uint64_t i = 0; i < NOTES; i++)
        ck_assert_int_eq(sk_transport_send(e->t, peer, TEXT, i, &(struct iovec){ truth + i, note_size(i) }, 1), SK_SENT);
    ck_assert(sk_transport_send_bulk(e->t, peer, 0, 0, &(struct iovec){ truth, BULK }, 1));
}

static void set(proxy_direction direction, const proxy_faults *faults) { ck_assert(proxy_set(between, PROXY_ALL, direction, faults)); }

/* node is about to dial; the proxy is there. */
static void begin(bool encrypt)
{
    char why[PROXY_WHY];
    pair_open(encrypt);
    truth = bulk_bytes(BULK + 1000);
    alive[0] = alive[1] = (sk_peer){ 0 };
    between = proxy_open(&(proxy_options){ .target = head.address, .seed = 1 }, why);
    ck_assert_msg(between != NULL, "%s", why);
    snprintf(through, sizeof through, "127.0.0.1:%d", proxy_port(between));
    head.on_state = node.on_state = speak;
    head.on_control = node.on_control = check_note;
    head.on_chunk = node.on_chunk = check_chunk;
    end_make_room(&head, BULK);
    end_make_room(&node, BULK);
}

static void finish(void)
{
    end_close(&node);
    end_close(&head);
    proxy_close(between);
    free(truth);
    ck_assert_uint_eq(descriptors(), descriptors_before);
}

static bool has_all(const end *e) { return e->ncontrol == NOTES && e->arrived[0] == BULK; }
static bool is_dead(const end *e) { return e->last.state == SK_PEER_DEAD; }

/* It has all, or knows why not. The head, of a node that never got in, knows nothing. */
static bool is_settled(const end *e)
{
    return has_all(e) || is_dead(e) || (e->ncontrol == NOTES && e->nlost) || (e == &head && !alive[0].id && is_dead(&node));
}

static void until_settled(void)
{
    for (int seconds = 0; !(is_settled(&head) && is_settled(&node)); ) {
        turn(&head);
        turn(&node);
        if (anything_to_do(QUIET_MS, -1))
            continue;
        pair_clock += SECOND;
        seconds++;
        ck_assert_msg(seconds < 100, "nobody gives up: head %s(%u notes, %d bytes), node %s(%u notes, %d bytes)", head.states, head.ncontrol,
                      (int)head.arrived[0], node.states, node.ncontrol, (int)node.arrived[0]);
    }
    if (is_dead(&head))
        ck_assert(*head.why && head.last.end != SK_PEER_ALIVE);
    if (is_dead(&node))
        ck_assert(*node.why && node.last.end != SK_PEER_ALIVE);
}

/* ---- what must do no harm ---- */

START_TEST(bytes_that_come_one_by_one_late_or_in_odd_pieces_all_arrive)
{
    static const proxy_faults harmless[] = { { .split = 1 }, { .split = 100 }, { .delay_ns = 2000000, .jitter_ns = 3000000 } };
    begin(_i % 2);
    set(PROXY_BOTH, &harmless[_i / 2]);
    node.peer = dial_to(&node, through, NULL);
    UNTIL(has_all(&head) && has_all(&node));
    ck_assert_str_eq(head.states, "UP ");
    ck_assert_str_eq(node.states, "AUTHENTICATING UP ");
    finish();
}
END_TEST

/* ---- what must not be taken for the truth ---- */

enum { FIRST_BYTES = 420, STEP = 13 };     /* the handshake, and some frames */

/* _i: bit 0 TLS, bit 1 the direction. */
START_TEST(a_byte_that_is_changed_anywhere_is_never_taken_for_what_was_sent)
{
    for (unsigned at = 0; at < FIRST_BYTES; at += STEP) {
        begin(_i & 1);
        set(_i & 2 ? PROXY_UP : PROXY_DOWN, &(proxy_faults){ .corrupt_at = at, .corrupt_mask = (uint8_t)(1 << at % 8) });
        node.peer = dial_to(&node, through, NULL);
        until_settled();
        ck_assert_msg(is_dead(&head) || is_dead(&node) || head.nlost || node.nlost, "byte %u was changed, and nobody minds", at);
        finish();
    }
}
END_TEST

START_TEST(many_changed_bytes_are_noticed_in_bulk_and_in_messages)
{
    begin(_i & 1);
    set(_i & 2 ? PROXY_UP : PROXY_DOWN, &(proxy_faults){ .corrupt_every = 40000, .after = UINT64_MAX });
    node.peer = dial_to(&node, through, NULL);
    until_settled();
    finish();
}
END_TEST

/* _i: which end, TLS. */
START_TEST(a_connection_that_ends_anywhere_ends_the_peer_or_the_bulk_by_name)
{
    static const proxy_then ends[] = { PROXY_FIN, PROXY_RST, PROXY_HOLD, PROXY_SWALLOW };
    for (unsigned after = 0; after < 1500; after += 97) {
        begin(_i & 1);
        set(after % 2 ? PROXY_UP : PROXY_DOWN, &(proxy_faults){ .after = after, .then = ends[_i / 2] });
        node.peer = dial_to(&node, through, NULL);
        until_settled();
        ck_assert_msg(is_dead(&head) || is_dead(&node) || head.nlost || node.nlost, "it ended after %u bytes, and nobody minds", after);
        finish();
    }
}
END_TEST

/* ---- a way for bulk that freezes ---- */

START_TEST(bulk_that_freezes_between_the_peers_is_lost_and_messages_go_on)
{
    begin(_i);
    node.peer = dial_to(&node, through, NULL);
    UNTIL(has_all(&head) && has_all(&node));
    ck_assert(proxy_set(between, 2, PROXY_BOTH, &(proxy_faults){ .after = PROXY_FROM_NOW, .then = PROXY_HOLD }));
    head.on_control = node.on_control = NULL;
    for (int i = 0; i < 12 && head.nlost + node.nlost == 0; i++) {
        pair_clock += SECOND;
        settle();
        unsigned before = head.ncontrol;
        ck_assert_int_eq(send_text(&node, SMALL, 0, "still here"), SK_SENT);
        UNTIL(head.ncontrol == before + 1);
        UNTIL(sk_transport_peer(head.t, head.peer)->heard_ns == pair_clock);
        ck_assert_int_eq(send_text(&head, SMALL, 0, "I too"), SK_SENT);
        UNTIL(sk_transport_peer(node.t, node.peer)->heard_ns == pair_clock);
    }
    UNTIL(head.nlost == 1 && node.nlost == 1);
    ck_assert_str_eq(head.states, "UP ");
    ck_assert(proxy_set(between, PROXY_ALL, PROXY_BOTH, &(proxy_faults){ 0 }));
    head.arrived[0] = 0;
    ck_assert(sk_transport_send_bulk(node.t, node.peer, 0, 0, &(struct iovec){ truth, BULK }, 1));
    UNTIL(head.arrived[0] == BULK);
    finish();
}
END_TEST

/* ---- nobody there ---- */

START_TEST(a_door_that_is_shut_or_a_hole_is_a_peer_that_cannot_be_reached)
{
    char why[PROXY_WHY];
    begin(false);
    ck_assert_msg(proxy_set_door(between, _i ? PROXY_BLACK_HOLE : PROXY_REFUSE, why), "%s", why);
    node.peer = dial_to(&node, through, NULL);
    if (_i) {
        settle();
        ck_assert_str_eq(node.states, "");
        pair_clock += 5 * (int64_t)SECOND;
    }
    UNTIL(is_dead(&node));
    ck_assert_int_eq(node.last.end, SK_PEER_UNREACHABLE);
    ck_assert_msg(strstr(node.why, _i ? "no answer in time" : "connection refused") != NULL, "%s", node.why);
    finish();
}
END_TEST

Suite *link_faults_suite(void)
{
    Suite *suite = suite_create("link faults");
    TCase *faults = tcase_create("faults");
    tcase_add_loop_test(faults, bytes_that_come_one_by_one_late_or_in_odd_pieces_all_arrive, 0, 6);
    tcase_add_loop_test(faults, a_byte_that_is_changed_anywhere_is_never_taken_for_what_was_sent, 0, 4);
    tcase_add_loop_test(faults, many_changed_bytes_are_noticed_in_bulk_and_in_messages, 0, 4);
    tcase_add_loop_test(faults, a_connection_that_ends_anywhere_ends_the_peer_or_the_bulk_by_name, 0, 8);
    tcase_add_loop_test(faults, bulk_that_freezes_between_the_peers_is_lost_and_messages_go_on, 0, 2);
    tcase_add_loop_test(faults, a_door_that_is_shut_or_a_hole_is_a_peer_that_cannot_be_reached, 0, 2);
    suite_add_tcase(suite, faults);
    return suite;
}
