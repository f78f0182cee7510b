/* test_sends.c -- what is sent from spill files, by the head and by a node: how much of it at a time, in which order, and what becomes of what waits. The
 * transport is none: it notes what it is given, and tells that it has left when the test says so. */
#include "backends/node_parts.h"
#include "backends/tcp.h"

#include "apart.h"

#include <check.h>
#include <stdlib.h>

Suite *sends_suite(void);

enum { PEERS = 3, MANY = 40, PAGES = 3 };

/* ---- memory that is not to be had ---- */

/* Instead of GLib's: the part is the only thing that asks so. (It ends in g_free, that is free.) */
static unsigned failing;                   /* so many calls */
gpointer g_try_malloc(gsize bytes)
{
    if (!failing)
        return malloc(bytes);
    failing--;
    return NULL;
}

/* ---- a transport that notes ---- */

typedef struct given { sk_peer peer; uint64_t req, offset; size_t size; bool has_left; } given;

static GArray *list;                       /* given */
static unsigned nothings, cancelled;
static uint8_t *copy;                      /* of what was given of `copied`, if not NULL */
static uint64_t copied;
static sk_peer_info infos[PEERS + 1];

static bool takes_bulk(sk_transport *t, sk_peer peer, uint64_t req, uint64_t offset, const struct iovec *pieces, size_t n)
{
    (void)t;
    ck_assert_uint_eq(n, 1);
    given g = { peer, req, offset, pieces->iov_len, false };
    if (copy && req == copied)
        memcpy(copy + offset, pieces->iov_base, pieces->iov_len);
    g_array_append_val(list, g);
    return true;
}

static sk_transport_sent hears(sk_transport *t, sk_peer peer, uint16_t type, uint64_t req, const struct iovec *pieces, size_t n)
{
    (void)t, (void)peer, (void)req, (void)pieces, (void)n;
    nothings += type == SK_NODE_NOTHING;
    return SK_SENT;
}

static void cancels(sk_transport *t, sk_peer peer, uint64_t req) { (void)t, (void)peer, (void)req; cancelled++; }
static sk_peer_info *info_of(sk_transport *t, sk_peer peer) { (void)t; return &infos[peer.id]; }

static const sk_transport_ops ops = { .name = "notes", .send = hears, .send_bulk = takes_bulk, .cancel = cancels, .peer = info_of };
static sk_transport notes = { &ops };

static given *given_at(guint i) { return &g_array_index(list, given, i); }

/* The first that has not left. NULL: all have. */
static given *oldest(void)
{
    for (guint i = 0; i < list->len; i++)
        if (!given_at(i)->has_left)
            return given_at(i);
    return NULL;
}

static unsigned begun(void)
{
    unsigned count = 0;
    for (guint i = 0; i < list->len; i++)
        count += given_at(i)->offset == 0;
    return count;
}

/* ---- a node, or a head, with objects that it has spilled ---- */

static sk_error why;
static size_t page, size;                  /* of an object, its header too */
static char directory[40];
static node *n;
static node_peer from[PEERS + 1];
static tcp *c;
static pn_host host;
static tcp_link links[PEERS + 1];

static void begin(void)
{
    page = sk_shm_page();
    size = PAGES * page;
    strcpy(directory, "/tmp/sends-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    list = g_array_new(FALSE, FALSE, sizeof(given));
    nothings = cancelled = 0;
    for (unsigned i = 1; i <= PEERS; i++) {
        from[i] = (node_peer){ .peer = { i } };
        links[i] = (tcp_link){ .peer = { i } };
        infos[i] = (sk_peer_info){ .owner = &links[i] };
    }
}

static void end(void)
{
    g_array_free(list, TRUE);
    ck_assert_int_eq(rmdir(directory), 0);
}

static uint8_t byte_at(unsigned object, size_t i) { return (uint8_t)(object * 7 + i / 64 + i); }

static void write_object(char *block, unsigned object)
{
    sk_blob *blob = (sk_blob *)block;
    *blob = (sk_blob){ .type = SK_T_ARRAY, .dtype = SK_U8, .ndim = 1, .sealed = 1, .size = size - sizeof *blob, .refs = 1 };
    for (size_t i = 0; i < blob->size; i++)
        block[sizeof *blob + i] = (char)byte_at(object, i);
}

static bool is_whole(unsigned object)
{
    for (size_t i = 0; i < size - sizeof(sk_blob); i++)
        if (copy[i] != byte_at(object, i))
            return false;
    return true;
}

static uint64_t place_of(unsigned object) { return sk_shm_stride(n->space) + object * size; }

/* Requests are numbered as they come, from 1 on; peers take turns. */
static sk_peer peer_of(uint64_t req) { return (sk_peer){ 1 + req % PEERS }; }

static void ask_node(unsigned object, uint64_t req)
{
    sk_node_msg m = { .type = SK_NODE_SEND, .req = req, .place = place_of(object), .size = size };
    ck_assert(sk_node_objects_hear(n, &from[peer_of(req).id], &m));
}

static void begin_node(void)
{
    begin();
    n = g_new0(node, 1);
    n->space = sk_shm_new_space((size_t)64 << 20, 0, 2, (size_t)8 << 20, &why);
    n->spill = sk_spill_new(directory);
    n->owners = 2;
    n->transport = &notes;
    ck_assert_msg(n->space && sk_shm_add(n->space, 1, &why), "%s", why.message);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert(sk_shm_fill(n->space, place_of(i), size));
        write_object(sk_shm_at(n->space, place_of(i)), i);
        sk_node_spill_out(n, &(sk_node_msg){ .place = place_of(i) + page, .size = size - page, .w = 1 });
        ck_assert(sk_node_spill_is_away(n, place_of(i) + page));
    }
}

static void end_node(void)
{
    sk_node_objects_close(n);
    g_clear_pointer(&n, g_free);
    end();
}

static unsigned node_parts(void) { return n->parts.used; }

static void node_tells(const given *g, bool sent)
{
    sk_node_bulk_sent(n, g->peer, g->req, sent);
    sk_node_objects_turn(n);
}

static sk_blob *blobs[MANY];

static void ask_head(unsigned object, uint64_t req)
{
    tcp_send_bytes(c, &links[peer_of(req).id], &(sk_node_msg){ .req = req, .place = tcp_place_of(c, blobs[object]), .size = size });
}

static void begin_head(void)
{
    begin();
    c = g_new0(tcp, 1);
    c->transport = &notes;
    c->pn.hosts = &host;
    c->pn.nhosts = 1;
    host = (pn_host){ .node = &c->pn };
    pthread_mutex_init(&c->pn.store_lock, NULL);
    c->pn.store = host.store = sk_shm_new((size_t)8 << 20, 1, directory, &why);
    ck_assert_msg(c->pn.store && sk_shm_add(c->pn.store, 0, &why), "%s", why.message);
    for (unsigned i = 0; i < MANY; i++) {
        blobs[i] = sk_shm_alloc(c->pn.store, 0, size);
        write_object((char *)blobs[i], i);
        sk_shm_keep(c->pn.store, blobs[i]);
        tcp_place *p = g_new0(tcp_place, 1);
        *p = (tcp_place){ .place = tcp_place_of(c, blobs[i]), .size = size, .hosts = tcp_bit(0) };
        sk_idmap_add(&c->places, p);
    }
    while (sk_shm_spill(c->pn.store))
        ;
}

static void end_head(void)
{
    tcp_let_sendings_go(c);
    tcp_clear_sendings(c);
    ck_assert_uint_eq(c->parts.used, 0);
    for (unsigned i = 0; i < MANY; i++) {
        tcp_forget_place(c, sk_idmap_find(&c->places, tcp_place_of(c, blobs[i])));
        ck_assert_uint_eq(blobs[i]->refs, 1);
    }
    sk_idmap_free(&c->places);
    sk_shm_free(c->pn.store);
    pthread_mutex_destroy(&c->pn.store_lock);
    g_clear_pointer(&c, g_free);
    end();
}

static unsigned head_parts(void) { return c->parts.used; }

static void head_tells(const given *g, bool sent)
{
    tcp_bulk_sent(c, g->peer, g->req, sent);
    tcp_begin_sendings(c);
}

/* Both, by the number of a loop. */
static const struct sender {
    void (*begin)(void), (*end)(void), (*ask)(unsigned, uint64_t), (*tells)(const given *, bool);
    unsigned (*parts)(void);
} senders[] = { { begin_node, end_node, ask_node, node_tells, node_parts }, { begin_head, end_head, ask_head, head_tells, head_parts } };

/* The oldest of what was given has left: what follows is seen. */
static bool one_leaves(const struct sender *s)
{
    given *g = oldest();
    if (!g)
        return false;
    g->has_left = true;
    given it = *g;                         /* the list may move */
    s->tells(&it, true);
    return true;
}

/* ---- how many ---- */

START_TEST(of_all_that_is_asked_for_so_much_is_read_at_a_time_as_there_are_parts)
{
    const struct sender *s = &senders[_i];
    s->begin();
    for (uint64_t req = 1; req <= MANY; req++)
        s->ask((unsigned)req - 1, req);
    ck_assert_uint_eq(begun(), SK_SPILL_PARTS);
    ck_assert_uint_eq(s->parts(), SK_SPILL_PARTS);
    unsigned most = 0;
    while (one_leaves(s))
        most = MAX(most, s->parts());
    ck_assert_uint_eq(most, SK_SPILL_PARTS);
    ck_assert_uint_eq(s->parts(), 0);
    ck_assert_uint_eq(nothings, 0);
    uint64_t last = 0, bytes = 0;
    for (guint i = 0; i < list->len; i++) {
        bytes += given_at(i)->size;
        if (given_at(i)->offset == 0)      /* whoever came first is first */
            ck_assert_uint_eq(given_at(i)->req, ++last);
    }
    ck_assert_uint_eq(last, MANY);
    ck_assert_uint_eq(bytes, MANY * (size - sizeof(sk_blob)));
    s->end();
}
END_TEST

START_TEST(what_has_waited_arrives_as_it_was)
{
    const struct sender *s = &senders[_i];
    s->begin();
    copy = g_malloc0(size);
    copied = MANY;
    for (uint64_t req = 1; req <= MANY; req++)
        s->ask((unsigned)req - 1, req);
    while (one_leaves(s))
        ;
    ck_assert(is_whole(MANY - 1));
    g_clear_pointer(&copy, g_free);
    s->end();
}
END_TEST

/* A part that has not left is given back, too. */
START_TEST(one_that_fails_makes_room_for_one_that_waits)
{
    const struct sender *s = &senders[_i];
    s->begin();
    for (uint64_t req = 1; req <= SK_SPILL_PARTS + 2; req++)
        s->ask((unsigned)req - 1, req);
    given it = *given_at(3);
    given_at(3)->has_left = true;
    s->tells(&it, false);
    ck_assert_uint_eq(begun(), SK_SPILL_PARTS + 1);
    ck_assert_uint_eq(given_at(list->len - 1)->req, SK_SPILL_PARTS + 1);
    ck_assert_uint_eq(s->parts(), SK_SPILL_PARTS);
    while (one_leaves(s))
        ;
    ck_assert_uint_eq(begun(), SK_SPILL_PARTS + 2);
    s->end();
}
END_TEST

/* All of that peer's ends at once, and then it asks again: nothing may take the new way for what it has given up. */
START_TEST(what_waits_for_a_peer_whose_way_has_broken_never_begins)
{
    const struct sender *s = &senders[_i];
    enum { BROKEN = 2 };
    s->begin();
    for (uint64_t req = 1; req <= MANY; req++)
        s->ask((unsigned)req - 1, req);
    for (guint i = 0; i < list->len; i++)
        if (given_at(i)->peer.id == BROKEN) {
            given_at(i)->has_left = true;
            given it = *given_at(i);
            if (n)
                sk_node_bulk_sent(n, it.peer, it.req, false);
            else
                tcp_bulk_sent(c, it.peer, it.req, false);
        }
    guint before = list->len;
    if (n)
        sk_node_bulk_lost(n, (sk_peer){ BROKEN }, "cut");
    else
        tcp_forget_waiting(c, (sk_peer){ BROKEN });
    while (one_leaves(s))
        ;
    unsigned others = 0;
    for (guint i = before; i < list->len; i++) {
        ck_assert_uint_ne(given_at(i)->peer.id, BROKEN);
        others += given_at(i)->offset == 0;
    }
    ck_assert_uint_gt(others, SK_SPILL_PARTS / 2);
    ck_assert_uint_eq(s->parts(), 0);
    s->end();
}
END_TEST

/* That is no reason to wait: nobody gives any back who can be asked. */
START_TEST(without_memory_to_read_with_it_is_refused_and_the_next_time_it_is_sent)
{
    const struct sender *s = &senders[_i];
    s->begin();
    copy = g_malloc0(size);
    copied = 4;
    failing = 2;
    s->ask(0, 1);
    s->ask(0, 2);
    ck_assert_uint_eq(nothings, 2);
    ck_assert_uint_eq(list->len, 0);
    ck_assert_uint_eq(s->parts(), 0);
    ck_assert(n ? !n->sends && !n->over : !c->sending);
    for (uint64_t req = 3; req <= SK_SPILL_PARTS + 3; req++)
        s->ask(req == 4 ? 0 : (unsigned)req, req);             /* one waits, and it is its part that cannot be had: */
    failing = 1;
    while (one_leaves(s))
        ;
    ck_assert_uint_eq(failing, 0);
    ck_assert_uint_eq(nothings, 3);
    ck_assert_uint_eq(begun(), SK_SPILL_PARTS);
    ck_assert(is_whole(0));
    ck_assert_uint_eq(s->parts(), 0);
    g_clear_pointer(&copy, g_free);
    s->end();
}
END_TEST

/* ---- a node: what the head says meanwhile ---- */

START_TEST(what_is_dropped_at_a_node_while_it_waits_is_refused_and_never_begins)
{
    begin_node();
    for (uint64_t req = 1; req <= SK_SPILL_PARTS + 2; req++)
        ask_node((unsigned)req - 1, req);
    node_peer head = { .is_head = true };
    sk_node_msg m = { .type = SK_NODE_DROP, .place = place_of(SK_SPILL_PARTS), .size = size };
    ck_assert(sk_node_objects_hear(n, &head, &m));
    ck_assert_uint_eq(nothings, 1);
    while (one_leaves(&senders[0]))
        ;
    for (guint i = 0; i < list->len; i++)
        ck_assert_uint_ne(given_at(i)->req, SK_SPILL_PARTS + 1);
    ck_assert_uint_eq(begun(), SK_SPILL_PARTS + 1);
    ck_assert(!n->sends && !n->over);
    end_node();
}
END_TEST

/* It is read by nobody that the head knows of: so it may go again at any time. */
START_TEST(what_comes_back_at_a_node_while_it_waits_is_sent_also_if_it_goes_again)
{
    begin_node();
    copy = g_malloc0(size);
    copied = SK_SPILL_PARTS + 1;
    for (uint64_t req = 1; req <= SK_SPILL_PARTS + 1; req++)
        ask_node((unsigned)req - 1, req);
    node_peer head = { .is_head = true };
    sk_node_msg m = { .type = SK_NODE_RESTORE, .place = place_of(SK_SPILL_PARTS) + page, .size = size - page, .w = 1 };
    ck_assert(sk_node_objects_hear(n, &head, &m));
    while (begun() <= SK_SPILL_PARTS)
        ck_assert(one_leaves(&senders[0]));
    m.type = SK_NODE_SPILL;
    ck_assert(sk_node_objects_hear(n, &head, &m));
    while (one_leaves(&senders[0]))
        ;
    ck_assert_uint_eq(nothings, 0);
    ck_assert(is_whole(SK_SPILL_PARTS));
    g_clear_pointer(&copy, g_free);
    end_node();
}
END_TEST

/* ---- the head: memory and file ---- */

/* The pages are had back for somebody who reads it here, in the middle of what is sent. */
START_TEST(what_comes_back_at_the_head_while_it_is_sent_goes_on_from_memory)
{
    begin_head();
    copy = g_malloc0(size);
    copied = 1;
    ask_head(0, 1);
    ck_assert_uint_eq(c->parts.used, 1);
    ck_assert(sk_shm_pin(c->pn.store, blobs[0], &why));
    ck_assert_int_eq(cut_files(getpid(), directory), 1);           /* nothing can come from there any more */
    while (one_leaves(&senders[1]))
        ;
    ck_assert(is_whole(0));
    ck_assert_uint_eq(nothings, 0);
    g_clear_pointer(&copy, g_free);
    end_head();
}
END_TEST

START_TEST(what_has_come_back_at_the_head_is_sent_from_memory_in_one_piece_and_stays_there_meanwhile)
{
    begin_head();
    copy = g_malloc0(size);
    copied = 1;
    ask_head(0, 1);                        /* from the file, */
    while (one_leaves(&senders[1]))
        ;
    ck_assert(is_whole(0));
    ck_assert(sk_shm_pin(c->pn.store, blobs[0], &why));
    sk_shm_unpin(c->pn.store, blobs[0], sk_shm_serial(c->pn.store, blobs[0]));
    guint before = list->len;
    memset(copy, 0, size);
    copied = 2;
    ask_head(0, 2);                        /* and once more, from memory */
    ck_assert_uint_eq(list->len, before + 1);
    ck_assert_uint_eq(given_at(before)->size, size - sizeof(sk_blob));
    ck_assert_uint_eq(c->parts.used, 0);
    ck_assert_uint_eq(sk_shm_spill(c->pn.store), 0);               /* it is pinned, and all others are away */
    while (one_leaves(&senders[1]))
        ;
    ck_assert(is_whole(0));
    ck_assert_uint_gt(sk_shm_spill(c->pn.store), 0);
    memset(copy, 0, size);
    copied = 3;
    ask_head(0, 3);                        /* and from the file again */
    while (one_leaves(&senders[1]))
        ;
    ck_assert(is_whole(0));
    g_clear_pointer(&copy, g_free);
    end_head();
}
END_TEST

START_TEST(what_waits_at_the_head_for_bytes_that_are_found_to_be_lost_is_told_so)
{
    begin_head();
    for (uint64_t req = 1; req <= SK_SPILL_PARTS + 3; req++)
        ask_head(0, req);                  /* all want the same */
    ck_assert_int_eq(cut_files(getpid(), directory), 1);
    while (one_leaves(&senders[1]))
        ;
    ck_assert_uint_eq(nothings, SK_SPILL_PARTS + 3);
    ck_assert_uint_eq(begun(), SK_SPILL_PARTS);
    ck_assert_ptr_null(c->sending);
    end_head();
}
END_TEST

Suite *sends_suite(void)
{
    Suite *suite = suite_create("sends");
    TCase *parts = tcase_create("parts"), *meanwhile = tcase_create("meanwhile");
    tcase_add_loop_test(parts, of_all_that_is_asked_for_so_much_is_read_at_a_time_as_there_are_parts, 0, 2);
    tcase_add_loop_test(parts, what_has_waited_arrives_as_it_was, 0, 2);
    tcase_add_loop_test(parts, one_that_fails_makes_room_for_one_that_waits, 0, 2);
    tcase_add_loop_test(parts, what_waits_for_a_peer_whose_way_has_broken_never_begins, 0, 2);
    tcase_add_loop_test(parts, without_memory_to_read_with_it_is_refused_and_the_next_time_it_is_sent, 0, 2);
    suite_add_tcase(suite, parts);
    tcase_add_test(meanwhile, what_is_dropped_at_a_node_while_it_waits_is_refused_and_never_begins);
    tcase_add_test(meanwhile, what_comes_back_at_a_node_while_it_waits_is_sent_also_if_it_goes_again);
    tcase_add_test(meanwhile, what_comes_back_at_the_head_while_it_is_sent_goes_on_from_memory);
    tcase_add_test(meanwhile, what_has_come_back_at_the_head_is_sent_from_memory_in_one_piece_and_stays_there_meanwhile);
    tcase_add_test(meanwhile, what_waits_at_the_head_for_bytes_that_are_found_to_be_lost_is_told_so);
    suite_add_tcase(suite, meanwhile);
    return suite;
}
