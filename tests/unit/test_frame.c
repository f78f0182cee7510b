/* test_frame.c -- frames as the page in frame.h has them, and a reader that is fed in any pieces. What it must not accept has a file of its
 * own, test_frame_wrong.c. */
#include "frame_streams.h"

#include <signal.h>
#include <sys/resource.h>

Suite *frame_suite(void);

/* ---- The page ---- */

START_TEST(a_sealed_header_is_byte_for_byte_what_the_page_says)
{
    static const uint8_t expected[SK_FRAME_HEADER] = {
        'S', 'K', 'F', 'R', 0, 2, 0x80, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0, 0, 11,
        0x30, 0x38, 0x62, 0xaa,
    };
    static const uint8_t ping[SK_FRAME_HEADER] = { 'S', 'K', 'F', 'R', 0, PING, [28] = 0x1c, 0xa4, 0xe6, 0x11 };
    sk_frame_writer w = { &control, 0x0102030405060708 };
    sk_frame_head head = { .type = ASK, .flags = 0x8001, .request = 0xf0f1f2f3f4f5f6f7 };
    struct iovec pieces[] = { { "hello", 5 }, { NULL, 0 }, { " ", 1 }, { "world", 5 } };
    uint8_t header[SK_FRAME_HEADER];
    ck_assert_uint_eq(sk_frame_seal(&w, header, &head, pieces, 4), SK_FRAME_HEADER + 11);
    ck_assert_mem_eq(header, expected, SK_FRAME_HEADER);
    ck_assert_uint_eq(w.sequence, 0x0102030405060709);
    w = (sk_frame_writer){ .rules = &control };
    ck_assert_uint_eq(sk_frame_seal(&w, header, &(sk_frame_head){ .type = PING }, NULL, 0), SK_FRAME_HEADER);
    ck_assert_mem_eq(header, ping, SK_FRAME_HEADER);
    ck_assert_uint_eq(w.sequence, 1);
}
END_TEST

START_TEST(sealing_a_type_that_the_rules_do_not_have_is_our_own_bug)
{
    static const unsigned types[] = { 0, 4, TYPES, 65535 };
    sk_frame_writer w = { .rules = &control };
    uint8_t header[SK_FRAME_HEADER];
    sk_frame_seal(&w, header, &(sk_frame_head){ .type = (uint16_t)types[_i] }, NULL, 0);
}
END_TEST

START_TEST(sealing_more_than_the_type_or_the_connection_takes_is_our_own_bug)
{
    static uint8_t payload[SK_FRAME_CONTROL];
    sk_frame_writer w = { .rules = &control };
    struct iovec pieces[] = { { payload, _i ? SK_FRAME_CONTROL : 50 }, { payload, _i ? 1 : 51 } };
    uint8_t header[SK_FRAME_HEADER];
    sk_frame_seal(&w, header, &(sk_frame_head){ .type = _i ? WIDE : ASK }, pieces, 2);
}
END_TEST

START_TEST(sealing_with_the_number_that_is_never_used_is_our_own_bug)
{
    sk_frame_writer w = { &control, UINT64_MAX };
    uint8_t header[SK_FRAME_HEADER];
    sk_frame_seal(&w, header, &(sk_frame_head){ .type = PING }, NULL, 0);
}
END_TEST

/* ---- Any pieces ---- */

/* Types, lengths around what matters, direct ones too. */
static stream mixed(const sk_frame_rules *rules)
{
    stream s = { .writer = { .rules = rules } };
    add(&s, PING, 0, 1, 0);
    add(&s, ASK, 7, 2, 1);
    add(&s, CHUNK, 0, 3, 50);
    add(&s, ASK, 0xfff7, UINT64_MAX - 200, 100);
    add(&s, CHUNK, PLAY_AWAY, 4, 33);
    add(&s, CHUNK, PLAY_IN_PARTS, 5, 40);
    add(&s, CHUNK, 0, 6, 0);
    add(&s, TASK, 1, 7, 31);
    add(&s, CHUNK, PLAY_CHANGE_MIND, 8, 20);
    add(&s, PING, 0, 9, 0);
    return s;
}

static void mixed_came_out(const play *p)
{
    ck_assert_uint_eq(p->n, 10);
    came_out(p, 0, PING, 0, 1, 0);
    came_out(p, 1, ASK, 7, 2, 1);
    came_out(p, 2, CHUNK, 0, 3, 50);
    came_out(p, 3, ASK, 0xfff7, UINT64_MAX - 200, 100);
    came_out(p, 4, CHUNK, PLAY_AWAY, 4, 33);
    came_out(p, 5, CHUNK, PLAY_IN_PARTS, 5, 40);
    came_out(p, 6, CHUNK, 0, 6, 0);
    came_out(p, 7, TASK, 1, 7, 31);
    came_out(p, 8, CHUNK, PLAY_CHANGE_MIND, 8, 20);
    came_out(p, 9, PING, 0, 9, 0);
    ck_assert(!p->frames[2].away && p->frames[4].away && !p->frames[5].away);
}

START_TEST(frames_are_the_same_when_the_stream_is_cut_at_any_byte)
{
    stream s = mixed(all_rules[_i]);
    for (size_t cut = 0; cut <= s.n; cut++) {
        play p;
        play_begin(&p, all_rules[_i]);
        ck_assert_uint_eq(play_feed(&p, s.bytes, cut, 0), cut);
        ck_assert_uint_eq(play_feed(&p, s.bytes + cut, s.n - cut, 0), s.n - cut);
        mixed_came_out(&p);
        ck_assert(sk_frame_close(&p.reader));
        play_end(&p);
    }
    free(s.bytes);
}
END_TEST

START_TEST(frames_are_the_same_a_byte_at_a_time_and_in_pieces_of_any_size)
{
    stream s = mixed(all_rules[_i]);
    for (size_t piece = 1; piece <= 200; piece++) {
        play p;
        play_begin(&p, all_rules[_i]);
        ck_assert_uint_eq(play_feed(&p, s.bytes, s.n, piece), s.n);
        mixed_came_out(&p);
        ck_assert(sk_frame_close(&p.reader));
        play_end(&p);
    }
    free(s.bytes);
}
END_TEST

/* Lengths up to the buffer's and beyond, so that frames begin and end anywhere in it, and some are read into memory of their own. */
START_TEST(frames_of_random_sizes_arrive_in_pieces_of_random_sizes)
{
    enum { MANY = 120 };
    const sk_frame_rules *rules = all_rules[_i];
    stream s = { .writer = { .rules = rules } };
    size_t sizes[MANY];
    play p;
    for (uint64_t i = 0; i < MANY; i++) {
        size_t most = sk_mix(i) % 8 ? 3000 : sk_mix(i + 1000) % 2 ? SK_FRAME_BUFFER + 2 : 200000;
        sizes[i] = sk_mix(i + 2000) % most;
        add(&s, sk_mix(i + 3000) % 3 ? TASK : CHUNK, sk_mix(i + 4000) % 4, i << 20, sizes[i]);
    }
    play_begin(&p, rules);
    for (size_t at = 0, some; at < s.n; at += some) {
        some = sk_mix(at) % (sk_mix(at + 1) % 3 ? 100 : 100000) + 1;
        some = some < s.n - at ? some : s.n - at;
        ck_assert_uint_eq(play_feed(&p, s.bytes + at, some, 0), some);
    }
    ck_assert_uint_eq(p.n, MANY);
    for (uint64_t i = 0; i < MANY; i++)
        came_out(&p, i, sk_mix(i + 3000) % 3 ? TASK : CHUNK, sk_mix(i + 4000) % 4, i << 20, sizes[i]);
    ck_assert(sk_frame_close(&p.reader));
    play_end(&p);
    free(s.bytes);
}
END_TEST

START_TEST(many_small_frames_come_out_of_one_read)
{
    stream s = { .writer = { .rules = &control } };
    play p;
    size_t room;
    for (uint64_t i = 0; i < 1000; i++)
        add(&s, ASK, 0, i, 20);
    ck_assert_uint_le(s.n, SK_FRAME_BUFFER);
    play_begin(&p, &control);
    memcpy(sk_frame_room(&p.reader, &room), s.bytes, s.n);
    ck_assert_uint_eq(room, SK_FRAME_BUFFER);
    p.fed = s.n;
    sk_frame_arrived(&p.reader, s.n);
    ck_assert_int_eq(play_listen(&p), SK_FRAME_MORE);
    ck_assert_uint_eq(p.n, 1000);
    came_out(&p, 999, ASK, 0, 999, 20);
    play_end(&p);
    free(s.bytes);
}
END_TEST

/* ---- Limits ---- */

START_TEST(a_control_connection_takes_a_payload_of_one_mebibyte_and_not_a_byte_more)
{
    stream s = { .writer = { .rules = &control } };
    play p;
    add(&s, WIDE, 0, 11, SK_FRAME_CONTROL);
    add(&s, ASK, 0, 12, 5);
    for (size_t piece = 0; piece <= 4096; piece += 4096) {
        play_begin(&p, &control);
        ck_assert_uint_eq(play_feed(&p, s.bytes, s.n, piece), s.n);
        came_out(&p, 0, WIDE, 0, 11, SK_FRAME_CONTROL);
        came_out(&p, 1, ASK, 0, 12, 5);
        ck_assert_ptr_null(p.reader.own);
        play_end(&p);
    }
    s.n = 0;
    add_header(&s, "SKFR", WIDE, 0, SK_FRAME_CONTROL + 1, 0);
    breaks(&s, &control, 0, "protocol error at byte 0: frame of type 5 (WIDE) has length 1048577, at most 1048576");
    free(s.bytes);
}
END_TEST

START_TEST(a_bulk_connection_takes_a_payload_of_four_mebibytes_and_not_a_byte_more)
{
    stream s = { .writer = { .rules = &bulk } };
    play p;
    add(&s, WIDE, 0, 13, SK_FRAME_BULK);
    add(&s, CHUNK, 0, 14, SK_FRAME_BULK);
    play_begin(&p, &bulk);
    ck_assert_uint_eq(play_feed(&p, s.bytes, s.n, 0), s.n);
    came_out(&p, 0, WIDE, 0, 13, SK_FRAME_BULK);
    came_out(&p, 1, CHUNK, 0, 14, SK_FRAME_BULK);
    play_end(&p);
    s.n = 0;
    add_header(&s, "SKFR", CHUNK, 0, SK_FRAME_BULK + 1, 0);
    breaks(&s, &bulk, 0, "protocol error at byte 0: frame of type 6 (CHUNK) has length 4194305, at most 4194304");
    free(s.bytes);
}
END_TEST

START_TEST(a_type_has_a_limit_of_its_own)
{
    stream s = { .writer = { .rules = &control } };
    add(&s, ASK, 0, 1, 100);
    add_header(&s, "SKFR", ASK, 1, 101, 101);
    breaks(&s, &control, 1, "protocol error at byte 132: frame of type 2 (ASK) has length 101, at most 100");
    s.n = SK_FRAME_HEADER + 100;
    add_header(&s, "SKFR", PING, 1, 1, 1);
    breaks(&s, &control, 1, "protocol error at byte 132: frame of type 1 (PING) has length 1, at most 0");
    s.n = SK_FRAME_HEADER + 100;
    add_header(&s, "SKFR", ASK, 1, UINT32_MAX, 0);
    breaks(&s, &control, 1, "protocol error at byte 132: frame of type 2 (ASK) has length 4294967295, at most 100");
    free(s.bytes);
}
END_TEST

START_TEST(nothing_is_allocated_for_a_payload_before_its_header_is_here_and_right)
{
    stream s = { .writer = { .rules = &control } };
    play p;
    add(&s, TASK, 0, 1, SK_FRAME_BUFFER + 1);
    play_begin(&p, &control);
    play_feed(&p, s.bytes, SK_FRAME_HEADER - 1, 1);
    ck_assert_ptr_null(p.reader.own);
    play_feed(&p, s.bytes + SK_FRAME_HEADER - 1, 1, 1);
    ck_assert_ptr_nonnull(p.reader.own);
    play_end(&p);
    ck_assert_ptr_null(p.reader.own);
    put(s.bytes + 8, 1, 8);                /* the sequence, which is the last thing that is looked at */
    play_begin(&p, &control);
    play_feed(&p, s.bytes, SK_FRAME_HEADER, 1);
    ck_assert_ptr_null(p.reader.own);
    ck_assert_int_eq(p.reader.state, SK_FRAME_DEAD);
    play_end(&p);
    free(s.bytes);
}
END_TEST

#ifndef SK_SANITIZED                        /* sanitizers need the address space themselves */
START_TEST(no_memory_for_a_large_payload_is_an_error_with_a_name)
{
    stream s = { .writer = { .rules = &bulk } };
    sk_frame_reader r;
    sk_frame_head head;
    size_t room;
    add(&s, WIDE, 0, 1, SK_FRAME_BULK);
    sk_frame_reader_init(&r, &bulk);
    memcpy(sk_frame_room(&r, &room), s.bytes, SK_FRAME_HEADER);
    ck_assert_uint_eq(room, SK_FRAME_HEADER);
    sk_frame_arrived(&r, SK_FRAME_HEADER);
    struct rlimit old, none;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
    none = (struct rlimit){ 1, old.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    sk_frame_event event = sk_frame_next(&r, &head);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
    ck_assert_int_eq(event, SK_FRAME_BROKEN);
    ck_assert_int_eq(r.error.code, SK_LIMIT);
    ck_assert_str_eq(r.error.message, "no memory for the 4194304 bytes of a frame of type 5 (WIDE)");
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_BROKEN);
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST
#endif

/* ---- Straight into memory ---- */

START_TEST(a_chunk_is_read_to_where_its_owner_says_and_nowhere_else)
{
    enum { SIZE = 300000 };
    static uint8_t object[SIZE + 1];
    stream s = { .writer = { .rules = &bulk } };
    sk_frame_reader r;
    sk_frame_head head;
    size_t room;
    add(&s, CHUNK, 9, 77, SIZE);
    read_header(&r, &bulk, &s, &head);
    ck_assert_uint_eq(head.type, CHUNK);
    ck_assert_uint_eq(head.flags, 9);
    ck_assert_uint_eq(head.request, 77);
    ck_assert_uint_eq(head.size, SIZE);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHERE);    /* it asks until it is told */
    object[SIZE] = 0xee;
    sk_frame_into(&r, object, sizeof object);                      /* more room than there are bytes */
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_MORE);
    ck_assert_ptr_eq(sk_frame_room(&r, &room), object);
    ck_assert_uint_eq(room, SIZE);
    memcpy(object, s.bytes + SK_FRAME_HEADER, 1000);
    sk_frame_arrived(&r, 1000);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_MORE);
    ck_assert_ptr_eq(sk_frame_room(&r, &room), object + 1000);
    ck_assert_uint_eq(room, SIZE - 1000);
    memcpy(object + 1000, s.bytes + SK_FRAME_HEADER + 1000, SIZE - 1000);
    sk_frame_arrived(&r, SIZE - 1000);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHOLE);
    ck_assert_ptr_null(head.payload);
    ck_assert_uint_eq(head.done, SIZE);
    ck_assert_mem_eq(object, s.bytes + SK_FRAME_HEADER, SIZE);
    ck_assert_uint_eq(object[SIZE], 0xee);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_MORE);
    ck_assert_uint_eq(r.begins, SK_FRAME_HEADER + SIZE);
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST

START_TEST(a_chunk_can_have_several_places_one_after_the_other)
{
    uint8_t first[10], second[90];
    stream s = { .writer = { .rules = &bulk } };
    sk_frame_reader r;
    sk_frame_head head;
    size_t room;
    add(&s, CHUNK, 0, 5, 100);
    read_header(&r, &bulk, &s, &head);
    sk_frame_into(&r, first, sizeof first);
    ck_assert_ptr_eq(sk_frame_room(&r, &room), first);
    ck_assert_uint_eq(room, 10);
    memcpy(first, s.bytes + SK_FRAME_HEADER, 10);
    sk_frame_arrived(&r, 10);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHERE);
    ck_assert_uint_eq(head.done, 10);
    sk_frame_into(&r, second, sizeof second);
    ck_assert_ptr_eq(sk_frame_room(&r, &room), second);
    ck_assert_uint_eq(room, 90);
    memcpy(second, s.bytes + SK_FRAME_HEADER + 10, 90);
    sk_frame_arrived(&r, 90);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHOLE);
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST

/* The object may go while a part of it arrives: what comes later must not be written there, and the frame after it must be found. */
START_TEST(the_rest_of_a_chunk_can_be_thrown_away)
{
    enum { SIZE = 3 * SK_FRAME_BUFFER };
    static uint8_t object[SIZE];
    stream s = { .writer = { .rules = &bulk } };
    sk_frame_reader r;
    sk_frame_head head;
    size_t room;
    add(&s, CHUNK, 0, 5, SIZE);
    add(&s, ASK, 0, 6, 3);
    read_header(&r, &bulk, &s, &head);
    sk_frame_into(&r, object, SIZE);
    sk_frame_room(&r, &room);
    memcpy(object, s.bytes + SK_FRAME_HEADER, 50);
    sk_frame_arrived(&r, 50);
    sk_frame_into(&r, NULL, SIZE_MAX);
    for (size_t at = 50; at < SIZE;) {
        ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_MORE);
        uint8_t *to = sk_frame_room(&r, &room);
        ck_assert(to + room <= object || to >= object + SIZE);
        ck_assert_uint_eq(room, SIZE - at < SK_FRAME_BUFFER ? SIZE - at : SK_FRAME_BUFFER);
        memcpy(to, s.bytes + SK_FRAME_HEADER + at, room);
        at += room;
        sk_frame_arrived(&r, room);
    }
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHOLE);
    ck_assert_uint_eq(head.request, 5);
    for (size_t i = 50; i < SIZE; i++)
        ck_assert_uint_eq(object[i], 0);
    for (size_t at = SK_FRAME_HEADER + SIZE; at < s.n; at += room) {
        ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_MORE);
        uint8_t *to = sk_frame_room(&r, &room);
        ck_assert_uint_le(room, s.n - at);
        memcpy(to, s.bytes + at, room);
        sk_frame_arrived(&r, room);
    }
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHOLE);
    ck_assert_uint_eq(head.request, 6);
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST

START_TEST(what_is_thrown_away_counts_for_the_checksum)
{
    stream s = { .writer = { .rules = &bulk } };
    char message[200];
    add(&s, CHUNK, PLAY_AWAY, 1, 1000);
    uint32_t right = sk_crc32c_tables(sk_crc32c_tables(0, s.bytes, 28), s.bytes + SK_FRAME_HEADER, 1000);
    s.bytes[SK_FRAME_HEADER + 999] ^= 0x80;
    uint32_t now = sk_crc32c_tables(sk_crc32c_tables(0, s.bytes, 28), s.bytes + SK_FRAME_HEADER, 1000);
    snprintf(message, sizeof message, "protocol error at byte 0: frame of type 6 (CHUNK) has checksum %08x, its bytes have %08x",
             (unsigned)right, (unsigned)now);
    breaks(&s, &bulk, 0, message);
    breaks(&s, &bulk_ahead, 0, message);
    free(s.bytes);
}
END_TEST

Suite *frame_suite(void)
{
    Suite *suite = suite_create("frame");
    TCase *page = tcase_create("page"), *pieces = tcase_create("pieces"), *limits = tcase_create("limits"),
          *direct = tcase_create("direct");
    tcase_add_test(page, a_sealed_header_is_byte_for_byte_what_the_page_says);
    tcase_add_loop_test_raise_signal(page, sealing_a_type_that_the_rules_do_not_have_is_our_own_bug, SIGABRT, 0, 4);
    tcase_add_loop_test_raise_signal(page, sealing_more_than_the_type_or_the_connection_takes_is_our_own_bug, SIGABRT, 0, 2);
    tcase_add_test_raise_signal(page, sealing_with_the_number_that_is_never_used_is_our_own_bug, SIGABRT);
    suite_add_tcase(suite, page);
    tcase_add_loop_test(pieces, frames_are_the_same_when_the_stream_is_cut_at_any_byte, 0, RULES);
    tcase_add_loop_test(pieces, frames_are_the_same_a_byte_at_a_time_and_in_pieces_of_any_size, 0, RULES);
    tcase_add_loop_test(pieces, frames_of_random_sizes_arrive_in_pieces_of_random_sizes, 0, RULES);
    tcase_add_test(pieces, many_small_frames_come_out_of_one_read);
    suite_add_tcase(suite, pieces);
    tcase_add_test(limits, a_control_connection_takes_a_payload_of_one_mebibyte_and_not_a_byte_more);
    tcase_add_test(limits, a_bulk_connection_takes_a_payload_of_four_mebibytes_and_not_a_byte_more);
    tcase_add_test(limits, a_type_has_a_limit_of_its_own);
    tcase_add_test(limits, nothing_is_allocated_for_a_payload_before_its_header_is_here_and_right);
#ifndef SK_SANITIZED
    tcase_add_test(limits, no_memory_for_a_large_payload_is_an_error_with_a_name);
#endif
    suite_add_tcase(suite, limits);
    tcase_add_test(direct, a_chunk_is_read_to_where_its_owner_says_and_nowhere_else);
    tcase_add_test(direct, a_chunk_can_have_several_places_one_after_the_other);
    tcase_add_test(direct, the_rest_of_a_chunk_can_be_thrown_away);
    tcase_add_test(direct, what_is_thrown_away_counts_for_the_checksum);
    suite_add_tcase(suite, direct);
    return suite;
}
