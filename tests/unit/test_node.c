/* test_node.c -- a node of a cluster: it joins a head, has workers whose streams it carries, keeps and moves objects, and ends in every way. */
#include "node_head.h"

#include "failing.h"
#include "skate.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

Suite *node_suite(void);

#define ENDS(i, wanted, text) do {                                                                          \
        int status_ = end_of(i);                                                                            \
        ck_assert_msg(status_ == (wanted) && strstr(head.nodes[i].words, text), "status %d: %s", status_, head.nodes[i].words); \
    } while (0)

/* ---- in the workers ---- */

SK_REMOTE(int64_t, node_twice, (int64_t, x)) { return 2 * x; }

SK_REMOTE(int64_t, node_prints)
{
    printf("to out\n");
    fprintf(stderr, "to err\n");
    return 7;
}

/* Never reads its ring again. */
SK_REMOTE(int64_t, node_hangs)
{
    printf("hangs\n");
    for (;;)
        pause();
    return 0;
}

SK_REMOTE(int64_t, node_asks) { return sk_cancelled() ? 4 : 3; }

enum { LARGE = 1 << 20 };
static uint8_t byte_at(size_t i) { return (uint8_t)(i ^ i >> 8); }

SK_REMOTE(sk_array, node_makes)
{
    sk_array a = sk_new_array(SK_U8, LARGE);
    for (size_t i = 0; i < LARGE; i++)
        ((uint8_t *)a.data)[i] = byte_at(i);
    return a;
}

SK_REMOTE(int64_t, node_sums, (sk_array, a))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < a.shape[0]; i++)
        sum += ((const uint8_t *)a.data)[i];
    return sum;
}

static int64_t sum_of_large(void)
{
    int64_t sum = 0;
    for (size_t i = 0; i < LARGE; i++)
        sum += byte_at(i);
    return sum;
}

/* ---- joining ---- */

START_TEST(a_node_says_what_it_has_and_answers_the_clock)
{
    head_open();
    sk_node_order order = order_for();
    start_node(0, &order);
    const sk_node_msg *m = hear(0, SK_NODE_JOIN);
    ck_assert_uint_eq(m->n, SK_NODE_VERSION);
    ck_assert_uint_eq(m->m, 2);
    ck_assert_uint_eq(m->size, 64 << 20);
    ck_assert_uint_eq(m->w, sk_shm_page());
    ck_assert_str_eq(m->text, "a node");
    ck_assert_str_eq(m->other, "gpu=1");
    ck_assert_msg(m->nbytes > 10 && !memcmp(m->bytes, "127.0.0.1:", 10), "%.*s", (int)m->nbytes, m->bytes);
    SAY(0, .type = SK_NODE_CLOCK, .w = 12345);
    ck_assert_uint_eq((m = hear(0, SK_NODE_TIME))->w, 12345);
    ck_assert_uint_gt(m->v, 0);
    welcome(0, 0);
    SAY(0, .type = SK_NODE_CLOCK, .w = 1);
    hear(0, SK_NODE_TIME);
    SAY(0, .type = SK_NODE_LEAVE, .text = "the run is over");
    ENDS(0, SK_NODE_DONE, "as node 1: 2 workers, 0.1 GB of store");
    ck_assert_ptr_nonnull(strstr(head.nodes[0].words, "the run is over"));
    head_close();
}
END_TEST

START_TEST(a_worker_says_hello_and_runs_what_comes_through_its_stream)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 1, 5);
    for (int64_t x = 0; x < 300; x++)      /* more than there are gates */
        ck_assert_int_eq(result_of(&s, &node_twice, &(sk_value){ .type = SK_T_I64, .i64 = x }), 2 * x);
    close_stream(&s);
    head_close();
}
END_TEST

/* ---- objects ---- */

static uint64_t place_of(unsigned i, unsigned slot) { return owner_of(i, slot) * (uint64_t)sk_shm_stride(head.shm); }
static const uint64_t whole = LARGE + SK_NODE_BLOB;            /* of what node_makes makes */

/* Its block, at the first place of the worker's arena. `s->header` is its header then. */
static uint64_t make_large(stream *s)
{
    uint64_t place = place_of(s->node, s->slot);
    sk_msg m;
    order_body(s, &node_makes, NULL);
    get(s, &m, SK_WIRE_ALLOC);
    ck_assert_uint_ge(m.word, whole);
    SAY(s->node, .type = SK_NODE_FILL, .place = place, .size = m.word);
    put(s, &(sk_msg){ .type = SK_WIRE_PLACED, .code = SK_OK, .word = place });
    get(s, &m, SK_WIRE_RAN);
    ck_assert_int_eq(m.code, SK_OK);
    ck_assert_uint_eq(s->got_at, place);
    sk_msg_clear(&m);
    sk_node_msg header = { .type = SK_NODE_HEADER, .place = place };
    memcpy(header.header, s->header, sizeof s->header);
    say(s->node, &header);
    return place;
}

static void pull(unsigned i, uint64_t req, uint64_t place, const stream *maker, const sk_id *from, const char *address)
{
    sk_node_msg m = { .type = SK_NODE_PULL, .req = req, .place = place, .size = whole, .id = *from, .text = address };
    memcpy(m.header, maker->header, sizeof m.header);
    say(i, &m);
}

/* In a worker of this node, of a copy there. */
static int64_t sum_at(stream *s, uint64_t place, const stream *maker)
{
    sk_blob blob;
    memcpy(&blob, maker->header, sizeof blob);
    s->at = place;
    SAY(s->node, .type = SK_NODE_ARENA, .slot = s->slot, .life = s->life, .n = (uint32_t)(place / sk_shm_stride(head.shm)));
    return result_of(s, &node_sums, &(sk_value){ .type = SK_T_ARRAY, .blob = &blob });
}

START_TEST(what_a_worker_makes_is_pulled_by_the_head)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = make_large(&s);
    head.bulk_req = 77;
    head.bulk_to = malloc(head.bulk_room = LARGE);
    SAY(0, .type = SK_NODE_SEND, .req = 77, .place = place, .size = whole);
    UNTIL(head.bulk_got == LARGE);
    for (size_t i = 0; i < LARGE; i++)
        ck_assert_uint_eq(head.bulk_to[i], byte_at(i));
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(a_node_pulls_from_another_and_its_workers_read_the_copy)
{
    stream s, r;
    head_open();
    join(0, NULL);
    join(1, NULL);
    begin_worker(&s, 0, 0, 1);
    begin_worker(&r, 1, 2, 1);
    uint64_t place = make_large(&s);
    pull(1, 5, place, &s, &head.nodes[0].id, head.nodes[0].serves_at);
    ck_assert_uint_eq(hear(1, SK_NODE_ARRIVED)->req, 5);
    ck_assert_int_eq(sum_at(&r, place, &s), sum_of_large());
    SAY(1, .type = SK_NODE_DROP, .place = place, .size = whole);
    pull(1, 6, place, &s, &head.nodes[0].id, head.nodes[0].serves_at);        /* over the same connection */
    ck_assert_uint_eq(hear(1, SK_NODE_ARRIVED)->req, 6);
    ck_assert_int_eq(sum_at(&r, place, &s), sum_of_large());
    close_stream(&r);
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(a_node_pulls_from_the_head)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = 4 * sk_shm_page();    /* of owner 0 */
    sk_blob blob = { .refs = 1, .type = SK_T_ARRAY, .dtype = SK_U8, .ndim = 1, .sealed = 1, .size = LARGE, .shape = { LARGE } };
    memcpy(s.header, &blob, sizeof blob);
    pull(0, 9, place, &s, &head.self.node, "");
    const sk_node_msg *m = hear(0, SK_NODE_SEND);
    ck_assert(m->place == place && m->size == whole);
    uint8_t *bytes = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = byte_at(i);
    ck_assert(sk_transport_send_bulk(head.t, head.nodes[0].peer, m->req, 0, &(struct iovec){ bytes, LARGE }, 1));
    ck_assert_uint_eq(hear(0, SK_NODE_ARRIVED)->req, 9);
    free(bytes);
    ck_assert_int_eq(sum_at(&s, place, &s), sum_of_large());
    close_stream(&s);
    head_close();
}
END_TEST

/* What a worker calls a text, and is none: it ends where its size says, for who reads it where it was made, and elsewhere. */
START_TEST(a_text_that_does_not_end_is_ended_where_it_lies_and_where_it_was_pulled_to)
{
    enum { SHORT = LARGE - 5 };
    stream s;
    head_open();
    join(0, NULL);
    join(1, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = make_large(&s);
    sk_node_msg text = { .type = SK_NODE_HEADER, .place = place };
    sk_blob blob;
    memcpy(&blob, s.header, sizeof blob);
    blob.type = SK_T_STR;
    blob.size = SHORT;
    memcpy(text.header, &blob, sizeof blob);
    memcpy(s.header, &blob, sizeof blob);
    ck_assert_int_ne(byte_at(SHORT - 1), 0);
    head.bulk_to = malloc(head.bulk_room = LARGE);
    pull(1, 5, place, &s, &head.nodes[0].id, head.nodes[0].serves_at);        /* before its node knows that it is a text */
    ck_assert_uint_eq(hear(1, SK_NODE_ARRIVED)->req, 5);
    say(0, &text);
    for (unsigned i = 0; i < 2; i++) {
        head.bulk_got = 0;
        head.bulk_req = 70 + i;
        SAY(i, .type = SK_NODE_SEND, .req = 70 + i, .place = place, .size = whole);
        UNTIL(head.bulk_got == LARGE);
        ck_assert_int_eq(head.bulk_to[SHORT - 1], 0);
        ck_assert_int_eq(head.bulk_to[SHORT - 2], byte_at(SHORT - 2));
        ck_assert_int_eq(head.bulk_to[SHORT], byte_at(SHORT));
    }
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(what_cannot_be_pulled_is_missed_with_a_reason)
{
    stream s = { 0 };
    const sk_node_msg *m;
    head_open();
    join(0, NULL);
    join(1, NULL);
    uint64_t place = place_of(0, 0);
    pull(1, 1, place, &s, &head.nodes[0].id, head.nodes[0].serves_at);        /* nobody has made it */
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 1);
    ck_assert_uint_eq(m->n, SK_OBJECT_LOST);
    ck_assert_ptr_nonnull(strstr(m->text, "node 1 has no such object"));
    pull(1, 2, place, &s, &(sk_id){ { 66 } }, "127.0.0.1:1");                 /* nobody is there */
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 2);
    ck_assert_uint_eq(m->n, SK_OBJECT_LOST);
    pull(1, 3, place, &s, &(sk_id){ { 66 } }, head.nodes[0].serves_at);       /* somebody else is there */
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 3);
    pull(1, 4, place, &s, &head.self.node, "");
    uint64_t ask = hear(1, SK_NODE_SEND)->req;
    pull(1, 5, place, &s, &head.self.node, "");                               /* the same again */
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 5);
    ck_assert_uint_eq(m->n, SK_PROTOCOL);
    SAY(1, .type = SK_NODE_NOTHING, .req = ask, .text = "it was freed");
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 4);
    ck_assert_str_eq(m->text, "it was freed");
    pull(1, 6, place, &s, &head.self.node, "");
    hear(1, SK_NODE_SEND);
    SAY(1, .type = SK_NODE_ABANDON, .req = 6);
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 6);
    ck_assert_uint_eq(m->n, SK_CANCELLED);
    pull(1, 7, (uint64_t)OWNERS * sk_shm_stride(head.shm), &s, &head.self.node, "");
    ck_assert_uint_eq((m = hear(1, SK_NODE_MISSED))->req, 7);
    ck_assert_uint_eq(m->n, SK_PROTOCOL);
    head_close();
}
END_TEST

START_TEST(what_is_pulled_from_a_node_that_dies_is_missed)
{
    stream s = { 0 };
    head_open();
    join(0, NULL);
    join(1, NULL);
    kill(head.nodes[0].child.pid, SIGSTOP);            /* it is there, and does not answer */
    pull(1, 1, place_of(0, 0), &s, &head.nodes[0].id, head.nodes[0].serves_at);
    kill(head.nodes[0].child.pid, SIGKILL);
    const sk_node_msg *m = hear(1, SK_NODE_MISSED);
    ck_assert_uint_eq(m->req, 1);
    ck_assert_uint_eq(m->n, SK_OBJECT_LOST);
    ck_assert_ptr_nonnull(strstr(m->text, "is gone"));
    head_close();
}
END_TEST

START_TEST(nobody_gets_what_has_been_dropped)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = make_large(&s);
    SAY(0, .type = SK_NODE_DROP, .place = place, .size = whole);
    SAY(0, .type = SK_NODE_SEND, .req = 3, .place = place, .size = whole);
    ck_assert_uint_eq(hear(0, SK_NODE_NOTHING)->req, 3);
    close_stream(&s);
    head_close();
}
END_TEST

static void pull_here(uint64_t req, uint64_t place)
{
    head.bulk_got = 0;
    head.bulk_req = req;
    memset(head.bulk_to, 0, LARGE);
    SAY(0, .type = SK_NODE_SEND, .req = req, .place = place, .size = whole);
    UNTIL(head.bulk_got == LARGE);
    size_t same = 0;                       /* (one assertion: Check writes to its file for each, and the node would take us for dead meanwhile) */
    while (same < LARGE && head.bulk_to[same] == byte_at(same))
        same++;
    ck_assert_uint_eq(same, LARGE);
}

START_TEST(what_a_node_has_spilled_is_sent_from_its_file_and_comes_back_as_it_was)
{
    stream s, r;
    size_t page = sk_shm_page(), away = (whole + page - 1) / page * page - page;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    begin_worker(&r, 0, 1, 1);
    uint64_t place = make_large(&s);
    sk_blob blob;
    sk_node_msg m = { .type = SK_NODE_HEADER, .place = place };
    memcpy(&blob, s.header, sizeof blob);
    blob.sealed = true;
    memcpy(m.header, &blob, sizeof blob);
    say(0, &m);
    head.bulk_to = malloc(head.bulk_room = LARGE);
    for (uint64_t times = 0; times < 2; times++) {             /* the second time from what is in the file already */
        SAY(0, .type = SK_NODE_SPILL, .place = place + page, .size = away, .w = 1);
        pull_here(70 + times, place);
        SAY(0, .type = SK_NODE_RESTORE, .place = place + page, .size = away);
        ck_assert_int_eq(sum_at(&r, place, &s), sum_of_large());
        pull_here(80 + times, place);
    }
    SAY(0, .type = SK_NODE_SPILL, .place = place + page, .size = away, .w = 1);
    SAY(0, .type = SK_NODE_DROP, .place = place, .size = whole);
    SAY(0, .type = SK_NODE_SEND, .req = 3, .place = place, .size = whole);
    ck_assert_uint_eq(wait_for(0, SK_NODE_NOTHING)->req, 3);
    close_stream(&r);
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(a_node_whose_spill_file_cannot_be_read_says_so_and_ends)
{
    stream s;
    char directory[] = "/tmp/cut-XXXXXX";
    size_t page = sk_shm_page(), away = (whole + page - 1) / page * page - page;
    head_open();
    ck_assert_ptr_nonnull(mkdtemp(directory));
    spills_to = directory;
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = make_large(&s);
    sk_node_msg m = { .type = SK_NODE_HEADER, .place = place };
    memcpy(m.header, s.header, sizeof m.header);
    say(0, &m);
    head.bulk_to = malloc(head.bulk_room = LARGE);
    SAY(0, .type = SK_NODE_SPILL, .place = place + page, .size = away, .w = 1);
    pull_here(70, place);
    ck_assert_int_eq(cut_files(head.nodes[0].child.pid, directory), 1);
    SAY(0, .type = SK_NODE_SEND, .req = 71, .place = place, .size = whole);
    ck_assert_ptr_nonnull(strstr(wait_for(0, SK_NODE_GOODBYE)->text, "cannot be read back"));
    ENDS(0, SK_NODE_UNABLE, "cannot be read back");
    spills_to = NULL;
    ck_assert_int_eq(rmdir(directory), 0);
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(what_a_node_cannot_spill_it_keeps_and_says_so)
{
    stream s;
    size_t page = sk_shm_page(), away = (whole + page - 1) / page * page - page;
    head_open();
    spills_to = "/nowhere/at/all";
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = make_large(&s);
    SAY(0, .type = SK_NODE_SPILL, .place = place + page, .size = away, .w = 17);
    const sk_node_msg *m = wait_for(0, SK_NODE_UNSPILLED);
    ck_assert(m->place == place + page && m->w == 17);
    SAY(0, .type = SK_NODE_RESTORE, .place = place + page, .size = away);      /* said before we have heard that */
    head.bulk_to = malloc(head.bulk_room = LARGE);
    pull_here(70, place);
    close_stream(&s);
    head_close();
}
END_TEST

/* What is in memory too is not let go because of a copy that somebody has cut since. */
START_TEST(what_a_node_has_in_memory_stays_there_when_its_copy_in_the_file_was_cut)
{
    stream s;
    char directory[] = "/tmp/cut-XXXXXX";
    size_t page = sk_shm_page(), away = (whole + page - 1) / page * page - page;
    head_open();
    ck_assert_ptr_nonnull(mkdtemp(directory));
    spills_to = directory;
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    uint64_t place = make_large(&s);
    head.bulk_to = malloc(head.bulk_room = LARGE);
    SAY(0, .type = SK_NODE_SPILL, .place = place + page, .size = away, .w = 1);
    SAY(0, .type = SK_NODE_RESTORE, .place = place + page, .size = away);
    pull_here(70, place);
    ck_assert_int_eq(cut_files(head.nodes[0].child.pid, directory), 1);
    SAY(0, .type = SK_NODE_SPILL, .place = place + page, .size = away, .w = 2);
    const sk_node_msg *m = wait_for(0, SK_NODE_UNSPILLED);
    ck_assert(m->place == place + page && m->w == 2);
    pull_here(71, place);
    spills_to = NULL;
    ck_assert_int_eq(rmdir(directory), 0);
    close_stream(&s);
    head_close();
}
END_TEST

/* ---- output, ends of workers ---- */

START_TEST(what_a_task_prints_arrives_before_its_answer)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 3);
    for (int i = 0; i < 20; i++) {
        bool heard[3] = { false };
        order_body(&s, &node_prints, NULL);
        const sk_node_msg *m;
        while ((m = next_said(0))->type == SK_NODE_OUTPUT) {
            ck_assert(m->slot == 0 && m->life == 3 && (m->n == 1 || m->n == 2));
            ck_assert_uint_eq(m->nbytes, 7);
            ck_assert_mem_eq(m->bytes, m->n == 1 ? "to out\n" : "to err\n", 7);
            heard[m->n] = true;
        }
        while (m->type == SK_NODE_TAKEN)
            m = next_said(0);
        ck_assert_uint_eq(m->type, SK_NODE_FROM);
        ck_assert(heard[1] && heard[2]);
        SAY(0, .type = SK_NODE_TAKEN, .slot = 0, .life = 3, .n = (uint32_t)m->nbytes);
    }
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(of_a_killed_worker_the_head_hears_how_and_which_bodies_it_had_begun)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 2, 9);
    ck_assert_int_eq(result_of(&s, &node_twice, &(sk_value){ .type = SK_T_I64, .i64 = 4 }), 8);
    order_body(&s, &node_hangs, NULL);
    order_body(&s, &node_hangs, NULL);
    wait_for(0, SK_NODE_OUTPUT);
    SAY(0, .type = SK_NODE_SIGNAL, .slot = 2, .life = 9, .n = SIGKILL);
    const sk_node_msg *m = wait_for(0, SK_NODE_EXITED);
    ck_assert(m->slot == 2 && m->life == 9 && m->n == 0 && m->m == 0);
    ck_assert_ptr_nonnull(strstr(m->text, "was killed by signal 9"));
    ck_assert_uint_eq(m->nbytes, SK_GATES);
    ck_assert_uint_eq(m->bytes[1], SK_GATE_BEGUN);
    ck_assert_uint_eq(m->bytes[2], SK_GATE_BEGUN);
    ck_assert_uint_eq(m->bytes[3], SK_GATE_OPEN);
    SAY(0, .type = SK_NODE_TO, .slot = 2, .life = 9, .bytes = (const uint8_t *)"late", .nbytes = 4);      /* both are passed over */
    SAY(0, .type = SK_NODE_SIGNAL, .slot = 2, .life = 9, .n = SIGKILL);
    close_stream(&s);
    begin_worker(&s, 0, 2, 10);
    SAY(0, .type = SK_NODE_SIGNAL, .slot = 2, .life = 9, .n = SIGKILL);
    ck_assert_int_eq(result_of(&s, &node_twice, &(sk_value){ .type = SK_T_I64, .i64 = 5 }), 10);
    close_stream(&s);
    head_close();
}
END_TEST

/* More often than there are gates. */
START_TEST(tasks_that_were_sent_ahead_are_had_back_as_long_as_they_have_not_begun)
{
    stream s;
    sk_msg m;
    uint8_t number = 0;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    for (int i = 0; i < 100; i++, number = (uint8_t)(number + 3)) {
        order_body(&s, &node_asks, NULL);
        get(&s, &m, SK_WIRE_CANCELLED);    /* it has begun, and waits for us */
        order_body(&s, &node_hangs, NULL);
        order_body(&s, &node_hangs, NULL);
        uint8_t first = (uint8_t)(number + 1), second = (uint8_t)(number + 2), third = (uint8_t)(number + 3);
        SAY(0, .type = SK_NODE_CLOSE, .slot = 0, .life = 1, .n = first, .m = third);
        const sk_node_msg *g = wait_for(0, SK_NODE_GATES);
        ck_assert(g->n == first && g->m == third && g->nbytes == SK_GATES);
        ck_assert_uint_eq(g->bytes[first], SK_GATE_BEGUN);
        ck_assert_uint_eq(g->bytes[second], SK_GATE_CLOSED);
        ck_assert_uint_eq(g->bytes[third], SK_GATE_CLOSED);
        put(&s, &(sk_msg){ .type = SK_WIRE_ANSWER });
        get(&s, &m, SK_WIRE_RAN);
        ck_assert_int_eq(m.values[0].i64, 3);
        sk_msg_clear(&m);
    }
    ck_assert_int_eq(result_of(&s, &node_twice, &(sk_value){ .type = SK_T_I64, .i64 = 4 }), 8);      /* those two have not run */
    SAY(0, .type = SK_NODE_CLOSE, .slot = 0, .life = 1, .n = (uint8_t)(number - 1), .m = number);
    ck_assert_uint_eq(wait_for(0, SK_NODE_GATES)->bytes[number], SK_GATE_DONE);      /* nor is that one any that may yet run */
    close_stream(&s);
    head_close();
}
END_TEST

/* From now on fallocate fails for so many bytes, here and in what is started from here. */
START_TEST(a_worker_for_which_there_is_no_memory_ends_and_it_is_said_why)
{
    stream s;
    head_open();
    size_t size = 3 * sk_shm_page();
    fails(SYS_fallocate, ENOMEM, 3, (uint32_t)size);
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    SAY(0, .type = SK_NODE_FILL, .place = place_of(0, 0), .size = 2 * sk_shm_page());
    SAY(0, .type = SK_NODE_FILL, .place = place_of(0, 0) + 2 * sk_shm_page(), .size = size);
    const sk_node_msg *m = hear(0, SK_NODE_EXITED);
    ck_assert_uint_eq(m->m, 1);
    ck_assert_ptr_nonnull(strstr(m->other, "there is no memory for an object of 0.0 MB on node 1"));
    sk_node_msg p = { .type = SK_NODE_PULL, .req = 4, .place = place_of(0, 1), .size = size, .id = head.self.node };
    say(0, &p);
    ck_assert_uint_eq((m = hear(0, SK_NODE_MISSED))->n, SK_STORE_FULL);
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(a_worker_that_does_not_read_is_sent_no_more_than_there_is_room_for)
{
    static uint8_t bytes[SK_NODE_PIECE];
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    order_body(&s, &node_hangs, NULL);
    wait_for(0, SK_NODE_OUTPUT);
    uint32_t sent = s.sent, taken = 0;
    for (;;) {                             /* as much as the window allows, until a TIME comes before any TAKEN */
        while (sent - taken + sizeof bytes <= SK_NODE_WINDOW) {
            SAY(0, .type = SK_NODE_TO, .slot = 0, .life = 1, .bytes = bytes, .nbytes = sizeof bytes);
            sent += sizeof bytes;
        }
        SAY(0, .type = SK_NODE_CLOCK);
        const sk_node_msg *m;
        uint32_t before = taken;
        while ((m = next_said(0))->type == SK_NODE_TAKEN)
            taken += m->n;
        ck_assert_uint_eq(m->type, SK_NODE_TIME);
        if (taken == before)
            break;
    }
    ck_assert_uint_le(taken, s.sent + SK_WORKER_RING);
    ck_assert_uint_gt(taken, SK_WORKER_RING / 2);
    for (int i = 0; i < 2 * SK_NODE_WINDOW / SK_NODE_PIECE && head.nodes[0].is_up; i++) {      /* a head that does not care */
        sk_node_msg m = { .type = SK_NODE_TO, .slot = 0, .life = 1, .bytes = bytes, .nbytes = sizeof bytes };
        sk_node_send(head.t, head.nodes[0].peer, &m);
        sk_transport_poll(head.t, 0);
    }
    ENDS(0, SK_NODE_NONSENSE, "that have not been passed on");
    close_stream(&s);
    head_close();
}
END_TEST

/* ---- ends of nodes ---- */

/* All that was below it is gone: the pipes to its workers are closed, so is its own; of those the test is the reaper (of orphans, init). */
static pid_t worker_of(unsigned i)
{
    pid_t pid = 0;
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", head.nodes[i].child.pid, head.nodes[i].child.pid);
    g_autofree char *text = NULL;
    if (g_file_get_contents(path, &text, NULL, NULL))
        pid = atoi(text);
    return pid;
}

START_TEST(when_the_head_says_leave_the_node_and_its_workers_end)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    pid_t worker = worker_of(0);
    ck_assert_int_gt(worker, 0);
    SAY(0, .type = SK_NODE_LEAVE, .text = "the run is over");
    ENDS(0, SK_NODE_DONE, "the run is over");
    ck_assert(kill(worker, 0) != 0 && errno == ESRCH);
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(when_the_head_is_gone_the_node_ends_with_HEAD_LOST)
{
    stream s;
    head_open();
    join(0, NULL);
    begin_worker(&s, 0, 0, 1);
    pid_t worker = worker_of(0);
    sk_transport_close(head.t);
    head_listen();                         /* with the port still in `address` */
    ENDS(0, SK_NODE_HEAD_LOST, "HEAD_LOST(127.0.0.1:");
    ck_assert(kill(worker, 0) != 0 && errno == ESRCH);
    close_stream(&s);
    head_close();
}
END_TEST

/* _i: the head is known by its name. */
START_TEST(a_node_whose_head_is_gone_for_a_while_joins_again_as_another)
{
    stream s;
    head_open();
    sk_node_order order = order_for();
    if (_i)
        snprintf(order.head, sizeof order.head, "localhost%s", strrchr(head.address, ':'));
    start_node(0, &order);
    hear(0, SK_NODE_JOIN);
    welcome(0, (int64_t)PATIENCE_MS * 1000000);
    begin_worker(&s, 0, 0, 1);
    close_stream(&s);
    pid_t worker = worker_of(0);
    sk_id before = head.nodes[0].id;
    sk_transport_drop(head.t, head.nodes[0].peer, "silent for 10.0 s");
    wait_for(0, SK_NODE_JOIN);
    ck_assert_uint_eq(head.nodes[0].ups, 2);
    ck_assert(memcmp(&before, &head.nodes[0].id, sizeof before) != 0);
    ck_assert(kill(worker, 0) != 0 && errno == ESRCH);
    welcome(0, 0);
    begin_worker(&s, 0, 0, 1);
    ck_assert_int_eq(result_of(&s, &node_twice, &(sk_value){ .type = SK_T_I64, .i64 = 4 }), 8);
    SAY(0, .type = SK_NODE_LEAVE, .text = "that is all");
    ENDS(0, SK_NODE_DONE, "joins again as another node");
    close_stream(&s);
    head_close();
}
END_TEST

START_TEST(a_node_that_is_told_to_end_waits_for_the_heads_leave_or_to_be_told_again)
{
    static const int signals[] = { SIGTERM, SIGHUP };
    for (size_t i = 0; i < 2; i++) {
        head_open();
        join(0, NULL);
        SAY(0, .type = SK_NODE_CLOCK);
        hear(0, SK_NODE_TIME);
        kill(head.nodes[0].child.pid, signals[i]);
        ck_assert_ptr_nonnull(strstr(hear(0, SK_NODE_LEAVING)->text, "told to end"));
        if (i == 0) {                      /* told once more */
            kill(head.nodes[0].child.pid, signals[i]);
            ck_assert_ptr_nonnull(strstr(hear(0, SK_NODE_GOODBYE)->text, "told to end"));
        } else {
            SAY(0, .type = SK_NODE_LEAVE, .text = "nobody needs it");
        }
        ENDS(0, SK_NODE_DONE, i ? "it has left: nobody needs it" : "what ran here runs elsewhere");
        head_close();
    }
}
END_TEST

START_TEST(a_node_with_another_secret_is_refused)
{
    head_open();
    sk_node_order order = order_for();
    order.secret.bytes[0] ^= 1;
    start_node(0, &order);
    ENDS(0, SK_NODE_STRANGER, "authentication failed: its proof is wrong");
    UNTIL(strstr(head.log, "was refused"));
    head_close();
}
END_TEST

static void register_one_more(void)
{
    static sk_fn one_more = { .name = "aa_only_here", .signature = "int aa_only_here()" };
    sk_fn_register(&one_more);
}

START_TEST(a_node_with_other_functions_is_refused_and_the_first_is_named)
{
    register_one_more();
    head_open();
    sk_node_order order = order_for();
    start_node(0, &order);
    ENDS(0, SK_NODE_REFUSED, "the node has no `aa_only_here`");
    head_close();
}
END_TEST

START_TEST(a_node_with_other_functions_is_refused_by_a_head_that_hears_no_tools_too)
{
    register_one_more();
    head_open();
    head.self.peer_roles = 1u << SK_ROLE_NODE;
    sk_node_order order = order_for();
    start_node(0, &order);
    ENDS(0, SK_NODE_REFUSED, "its table of remote functions is another");
    head_close();
}
END_TEST

START_TEST(a_table_of_functions_arrives_in_pieces_and_nonsense_is_said_to_be_none)
{
    sk_node_table table = { 0 };
    char why[500], *ours = sk_fn_table_text();
    size_t whole = strlen(ours);
    const uint8_t *bytes = (const uint8_t *)ours;
    ck_assert(!sk_node_table_take(&table, &(sk_node_msg){ .size = whole, .bytes = bytes, .nbytes = 10 }, "it", why, sizeof why));
    ck_assert(!sk_node_table_take(&table, &(sk_node_msg){ .size = whole, .bytes = bytes + 10, .nbytes = whole - 11 }, "it", why, sizeof why));
    ck_assert(sk_node_table_take(&table, &(sk_node_msg){ .size = whole, .bytes = bytes + whole - 1, .nbytes = 1 }, "it", why, sizeof why));
    ck_assert_str_eq(why, "it has the same functions after all");
    sk_node_table_clear(&table);
    ck_assert(!sk_node_table_take(&table, &(sk_node_msg){ .size = whole, .bytes = bytes, .nbytes = 10 }, "it", why, sizeof why));
    ck_assert(sk_node_table_take(&table, &(sk_node_msg){ .size = whole + 1, .bytes = bytes, .nbytes = 10 }, "it", why, sizeof why));
    ck_assert_str_eq(why, "it sent no table of functions");
    ck_assert(sk_node_table_take(&table, &(sk_node_msg){ .size = whole, .bytes = bytes, .nbytes = whole }, "it", why, sizeof why));
    ck_assert(sk_node_table_take(&table, &(sk_node_msg){ .size = whole }, "it", why, sizeof why));
    sk_node_table_clear(&table);
    ck_assert(sk_node_table_take(&table, &(sk_node_msg){ .size = UINT64_MAX, .bytes = bytes, .nbytes = 1 }, "it", why, sizeof why));
    ck_assert(sk_node_table_take(&table, &(sk_node_msg){ .size = 0 }, "it", why, sizeof why));      /* a program without functions */
    ck_assert_ptr_nonnull(strstr(why, "it has no `"));
    sk_node_table_clear(&table);
    free(ours);
}
END_TEST

START_TEST(a_node_that_is_refused_by_the_head_says_why)
{
    head_open();
    sk_node_order order = order_for();
    start_node(0, &order);
    hear(0, SK_NODE_JOIN);
    SAY(0, .type = SK_NODE_LEAVE, .text = "there is a node \"a node\" already");
    ENDS(0, SK_NODE_REFUSED, "there is a node \"a node\" already");
    head_close();
}
END_TEST

START_TEST(a_node_whose_head_never_comes_says_so)
{
    head_open();
    sk_node_order order = order_for();
    strcpy(order.head, "127.0.0.1:1");
    start_node(0, &order);
    ENDS(0, SK_NODE_HEAD_LOST, "no head has answered");
    ck_assert_ptr_nonnull(strstr(head.nodes[0].words, "127.0.0.1:1"));
    head_close();
}
END_TEST

START_TEST(a_node_waits_for_a_head_that_has_no_place_for_it_yet)
{
    enum { ALL = 64 };
    int strangers[ALL];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    head_open();
    to.sin_port = htons((uint16_t)atoi(strrchr(head.address, ':') + 1));
    for (int i = 0; i < ALL; i++) {
        strangers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(strangers[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    UNTIL(sk_transport_count(head.t)->accepted == ALL);
    sk_node_order order = order_for();
    order.wait_ns = (int64_t)PATIENCE_MS * 1000000;
    start_node(0, &order);
    UNTIL(sk_transport_count(head.t)->shed == 2);      /* it has tried again */
    for (int i = 0; i < ALL; i++)
        close(strangers[i]);
    hear(0, SK_NODE_JOIN);
    welcome(0, 0);
    SAY(0, .type = SK_NODE_LEAVE, .text = "that is all");
    ENDS(0, SK_NODE_DONE, "too busy");
    head_close();
}
END_TEST

/* A name server may be away for a while, like the head. */
START_TEST(a_node_that_cannot_look_up_its_heads_name_waits_as_for_a_head_that_is_not_there)
{
    head_open();
    sk_node_order order = order_for();
    strcpy(order.head, "no.such.host.invalid:7000");
    order.wait_ns = 1000000;
    start_node(0, &order);
    ENDS(0, SK_NODE_HEAD_LOST, "HEAD_LOST(no.such.host.invalid:7000): no head has answered");
    ck_assert_ptr_nonnull(strstr(head.nodes[0].words, "is not known"));
    head_close();
}
END_TEST

/* _i: which nonsense. */
START_TEST(nonsense_from_the_head_ends_the_node_and_is_named)
{
    uint64_t beyond = (uint64_t)OWNERS * sk_shm_page();
    head_open();
    beyond = (uint64_t)OWNERS * sk_shm_stride(head.shm);
    const struct { bool is_early; const char *words; sk_node_msg m; } cases[] = {
        { true, "START before WELCOME", { .type = SK_NODE_START } },
        { true, "cannot reserve addresses", { .type = SK_NODE_WELCOME, .m = 4, .k = 1, .life = 1, .place = 12345 } },
        { true, "0 workers", { .type = SK_NODE_WELCOME, .m = 4, .k = 1, .place = 2 << 20 } },
        { true, "9 workers from number 1 on, of 4", { .type = SK_NODE_WELCOME, .m = 4, .k = 1, .life = 9, .place = 2 << 20 } },
        { true, "show every 1 s that they live, or be dead after 2 s", { .type = SK_NODE_WELCOME, .m = 4, .k = 1, .life = 1, .place = 2 << 20,
                                                                        .x = 2000000000, .y = 1000000000 } },
        { false, "WELCOME twice", { .type = SK_NODE_WELCOME } },
        { false, "no slot 3", { .type = SK_NODE_START, .slot = SLOTS } },
        { false, "there is no place", { .type = SK_NODE_FILL, .place = beyond, .size = 1 } },
        { false, "there is no place", { .type = SK_NODE_FILL, .place = 1, .size = 4096 } },
        { false, "there is no place", { .type = SK_NODE_FILL, .place = 0, .size = UINT64_MAX } },
        { false, "there is no place", { .type = SK_NODE_DROP, .place = UINT64_MAX, .size = UINT64_MAX } },
        { false, "there is no place", { .type = SK_NODE_DROP } },
        { false, "HEADER: there is no place", { .type = SK_NODE_HEADER, .place = beyond } },
        { false, "JOIN, which a node says", { .type = SK_NODE_JOIN } },
        { false, "no slot 3", { .type = SK_NODE_CLOSE, .slot = SLOTS } },
    };
    ck_assert_int_eq(sizeof cases / sizeof *cases, 15);
    sk_node_order order = order_for();
    start_node(0, &order);
    hear(0, SK_NODE_JOIN);
    if (!cases[_i].is_early)
        welcome(0, 0);
    say(0, &cases[_i].m);
    ck_assert_ptr_nonnull(strstr(hear(0, SK_NODE_GOODBYE)->text, cases[_i].words));
    int status = end_of(0);
    ck_assert(status == SK_NODE_NONSENSE || status == SK_NODE_UNABLE);
    ck_assert_msg(strstr(head.nodes[0].words, cases[_i].words), "%s", head.nodes[0].words);
    head_close();
}
END_TEST

START_TEST(bytes_that_are_no_message_end_the_node)
{
    head_open();
    join(0, NULL);
    SAY(0, .type = SK_NODE_CLOCK);
    hear(0, SK_NODE_TIME);
    struct iovec piece = { "nonsense", 8 };
    sk_transport_send(head.t, head.nodes[0].peer, SK_NODE_FILL, 0, &piece, 1);
    ENDS(0, SK_NODE_NONSENSE, "FILL of 8 bytes");
    head_close();
}
END_TEST

START_TEST(with_few_descriptors_a_worker_fails_to_start_and_the_node_goes_on)
{
    head_open();
    struct rlimit before, few = { 32, 32 };
    getrlimit(RLIMIT_NOFILE, &before);
    few.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &few);
    join(0, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    const sk_node_msg *m = NULL;
    unsigned failed = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        SAY(0, .type = SK_NODE_START, .slot = slot, .life = 1);
        while ((m = next_said(0))->type == SK_NODE_EXITED)
            ;
        failed += m->type == SK_NODE_FAILED;
        if (m->type == SK_NODE_FAILED)
            ck_assert_msg(strstr(m->text, "ulimit -n"), "%s", m->text);
    }
    ck_assert_uint_gt(failed, 0);
    SAY(0, .type = SK_NODE_LEAVE, .text = "that is all");
    ENDS(0, SK_NODE_DONE, "that is all");
    head_close();
}
END_TEST

START_TEST(an_order_comes_through_its_pipe_as_it_was)
{
    sk_node_order order = { .head = "[::1]:7", .serve = "10.0.0.1", .name = "lab 3", .resources = "gpu=2", .workers = 7, .store_bytes = 1234567890123,
                            .wait_ns = 7, .parent = 8, .mark = 9, .says = true, .has_secret = true, .secret = head_secret,
                            .secret_file = "/a file" }, got;
    sk_error err;
    int fd = sk_node_order_send(&order, &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(sk_node_order_receive(fd, &got, &err), "%s", err.message);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_mem_eq(&got, &order, offsetof(sk_node_order, secret_file));
    ck_assert_str_eq(got.secret_file, order.secret_file);
    strcpy(order.name, "two\nlines");
    ck_assert_int_eq(sk_node_order_send(&order, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.message, "name"));
}
END_TEST

START_TEST(what_is_no_order_is_refused_and_no_secret_is_shown)
{
    static const struct { const char *text, *words; } wrong[] = {
        { "", "lacks the head's address" },
        { "head=a:1\nworkers=1\n", "lacks a secret" },
        { "head=a:1\nsecret-file=f\n", "lacks workers" },
        { "head=a:1\nworkers=-1\n", "workers cannot be read" },
        { "colour=red\n", "\"colour\"" },
        { "secret=5ec2e7\n", "secret cannot be read" },
    };
    sk_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int ends[2];
        sk_node_order got;
        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(write(ends[1], wrong[i].text, strlen(wrong[i].text)), (ssize_t)strlen(wrong[i].text));
        close(ends[1]);
        ck_assert(!sk_node_order_receive(ends[0], &got, &err));
        ck_assert_msg(strstr(err.message, wrong[i].words) && !strstr(err.message, "5ec2e7"), "%s", err.message);
    }
}
END_TEST

Suite *node_suite(void)
{
    Suite *suite = suite_create("node");
    TCase *joins = tcase_create("joins"), *objects = tcase_create("objects"), *workers = tcase_create("workers"), *ends = tcase_create("ends");
    tcase_add_test(joins, a_node_says_what_it_has_and_answers_the_clock);
    tcase_add_test(joins, a_worker_says_hello_and_runs_what_comes_through_its_stream);
    tcase_add_test(joins, an_order_comes_through_its_pipe_as_it_was);
    tcase_add_test(joins, what_is_no_order_is_refused_and_no_secret_is_shown);
    suite_add_tcase(suite, joins);
    tcase_add_test(objects, what_a_worker_makes_is_pulled_by_the_head);
    tcase_add_test(objects, a_node_pulls_from_another_and_its_workers_read_the_copy);
    tcase_add_test(objects, a_node_pulls_from_the_head);
    tcase_add_test(objects, a_text_that_does_not_end_is_ended_where_it_lies_and_where_it_was_pulled_to);
    tcase_add_test(objects, what_cannot_be_pulled_is_missed_with_a_reason);
    tcase_add_test(objects, what_is_pulled_from_a_node_that_dies_is_missed);
    tcase_add_test(objects, nobody_gets_what_has_been_dropped);
    tcase_add_test(objects, what_a_node_has_spilled_is_sent_from_its_file_and_comes_back_as_it_was);
    tcase_add_test(objects, a_node_whose_spill_file_cannot_be_read_says_so_and_ends);
    tcase_add_test(objects, what_a_node_has_in_memory_stays_there_when_its_copy_in_the_file_was_cut);
    tcase_add_test(objects, what_a_node_cannot_spill_it_keeps_and_says_so);
    suite_add_tcase(suite, objects);
    tcase_add_test(workers, what_a_task_prints_arrives_before_its_answer);
    tcase_add_test(workers, of_a_killed_worker_the_head_hears_how_and_which_bodies_it_had_begun);
    tcase_add_test(workers, tasks_that_were_sent_ahead_are_had_back_as_long_as_they_have_not_begun);
    tcase_add_test(workers, a_worker_for_which_there_is_no_memory_ends_and_it_is_said_why);
    tcase_add_test(workers, a_worker_that_does_not_read_is_sent_no_more_than_there_is_room_for);
    tcase_add_test(workers, with_few_descriptors_a_worker_fails_to_start_and_the_node_goes_on);
    suite_add_tcase(suite, workers);
    tcase_add_test(ends, when_the_head_says_leave_the_node_and_its_workers_end);
    tcase_add_test(ends, when_the_head_is_gone_the_node_ends_with_HEAD_LOST);
    tcase_add_loop_test(ends, a_node_whose_head_is_gone_for_a_while_joins_again_as_another, 0, 2);
    tcase_add_test(ends, a_node_that_is_told_to_end_waits_for_the_heads_leave_or_to_be_told_again);
    tcase_add_test(ends, a_node_with_another_secret_is_refused);
    tcase_add_test(ends, a_node_with_other_functions_is_refused_and_the_first_is_named);
    tcase_add_test(ends, a_node_with_other_functions_is_refused_by_a_head_that_hears_no_tools_too);
    tcase_add_test(ends, a_table_of_functions_arrives_in_pieces_and_nonsense_is_said_to_be_none);
    tcase_add_test(ends, a_node_that_is_refused_by_the_head_says_why);
    tcase_add_test(ends, a_node_whose_head_never_comes_says_so);
    tcase_add_test(ends, a_node_waits_for_a_head_that_has_no_place_for_it_yet);
    tcase_add_test(ends, a_node_that_cannot_look_up_its_heads_name_waits_as_for_a_head_that_is_not_there);
    tcase_add_loop_test(ends, nonsense_from_the_head_ends_the_node_and_is_named, 0, 15);
    tcase_add_test(ends, bytes_that_are_no_message_end_the_node);
    suite_add_tcase(suite, ends);
    return suite;
}
