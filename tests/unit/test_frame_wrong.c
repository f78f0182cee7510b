/* test_frame_wrong.c -- each thing that a reader of frames must not accept, with its words; and what its owner does not. */
#include "frame_streams.h"

Suite *frame_wrong_suite(void);

/* ---- What it must not accept ---- */

START_TEST(a_frame_must_begin_with_its_magic)
{
    stream s = { .writer = { .rules = &control } };
    add(&s, ASK, 0, 1, 8);
    add_header(&s, "GET ", ASK, 1, 0, 0);
    breaks(&s, &control, 1, "protocol error at byte 40: a frame begins with 47 45 54 20, not with \"SKFR\"");
    for (int i = 0; i < 4; i++) {
        play p;
        put(s.bytes + 40, 0x534b4652 ^ 1u << 8 * i, 4);
        play_begin(&p, &control);
        play_feed(&p, s.bytes, s.n, 0);
        ck_assert_int_eq(p.reader.state, SK_FRAME_DEAD);
        play_end(&p);
    }
    free(s.bytes);
}
END_TEST

START_TEST(a_type_must_be_one_of_the_connections)
{
    static const unsigned types[] = { 0, 4, TYPES, 256 + ASK, 65535 };
    stream s = { .writer = { .rules = &control } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char message[200];
        s.n = 0;
        add_header(&s, "SKFR", types[i], 0, 0, 0);
        snprintf(message, sizeof message, "protocol error at byte 0: frame of type %u, and this connection has no such type", types[i]);
        breaks(&s, &control, 0, message);
    }
    free(s.bytes);
}
END_TEST

START_TEST(a_frame_that_is_lost_repeated_or_early_is_noticed)
{
    stream s = { .writer = { .rules = &control } };
    add(&s, ASK, 0, 1, 8);
    add(&s, PING, 0, 2, 0);
    memcpy(s.bytes + 40, s.bytes, 32);     /* the first again, and its payload will not even be looked at */
    breaks(&s, &control, 1, "protocol error at byte 40: frame of type 2 (ASK) has sequence 0, must have 1");
    s.n = 40;
    add_header(&s, "SKFR", PING, 2, 0, 0);
    breaks(&s, &control, 1, "protocol error at byte 40: frame of type 1 (PING) has sequence 2, must have 1");
    s.n = 40;
    add_header(&s, "SKFR", PING, (uint64_t)1 << 32 | 1, 0, 0);
    breaks(&s, &control, 1, "protocol error at byte 40: frame of type 1 (PING) has sequence 4294967297, must have 1");
    s.n = 0;
    add_header(&s, "SKFR", PING, 1, 0, 0);
    breaks(&s, &control, 0, "protocol error at byte 0: frame of type 1 (PING) has sequence 1, must have 0");
    free(s.bytes);
}
END_TEST

START_TEST(sequences_end_before_they_would_wrap)
{
    stream s = { .writer = { &control, UINT64_MAX - 1 } };
    sk_frame_reader r;
    sk_frame_head head;
    size_t room;
    add(&s, PING, 0, 1, 0);
    add_header(&s, "SKFR", PING, UINT64_MAX, 0, 0);
    sk_frame_reader_init(&r, &control);
    r.sequence = UINT64_MAX - 1;
    memcpy(sk_frame_room(&r, &room), s.bytes, s.n);
    sk_frame_arrived(&r, s.n);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_WHOLE);
    ck_assert_uint_eq(head.sequence, UINT64_MAX - 1);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_BROKEN);
    ck_assert_str_eq(r.error.message,
                     "protocol error at byte 32: frame of type 1 (PING) has sequence 18446744073709551615, which is never used");
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST

START_TEST(a_wrong_checksum_is_said_with_both)
{
    stream s = { .writer = { .rules = &control } };
    char message[200];
    add(&s, PING, 0, 1, 0);
    add(&s, ASK, 0, 2, 11);
    uint32_t right = sk_crc32c_tables(sk_crc32c_tables(0, s.bytes + 32, 28), s.bytes + 64, 11);
    put(s.bytes + 60, right ^ 1, 4);
    snprintf(message, sizeof message, "protocol error at byte 32: frame of type 2 (ASK) has checksum %08x, its bytes have %08x",
             (unsigned)right ^ 1, (unsigned)right);
    breaks(&s, &control, 1, message);
    free(s.bytes);
}
END_TEST

/* Any one bit: the frame before it comes out, that frame never. If the length has grown, the reader waits until those bytes have come; then
 * it sees that their checksum is another. */
START_TEST(a_bit_that_flips_anywhere_in_a_frame_never_comes_out)
{
    enum { SIZE = 40, MORE_BYTES = SK_FRAME_CONTROL };
    const sk_frame_rules *rules = all_rules[_i];
    for (size_t bit = 0; bit < 8 * (SK_FRAME_HEADER + SIZE); bit++) {
        stream s = { .writer = { .rules = rules } };
        play p;
        add(&s, ASK, 0, 1, 8);
        add(&s, bit % 2 ? CHUNK : WIDE, 0, 2, SIZE);
        s.bytes[40 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        uint32_t length = 0;
        for (int i = 24; i < 28; i++)
            length = length << 8 | s.bytes[40 + i];
        if (length > SIZE && length <= rules->most)
            memset(grow(&s, length), 0, length);
        play_begin(&p, rules);
        play_feed(&p, s.bytes, s.n, 0);
        ck_assert_uint_eq(p.n, 1);
        came_out(&p, 0, ASK, 0, 1, 8);
        ck_assert_int_eq(p.reader.state, SK_FRAME_DEAD);
        ck_assert_uint_eq(p.reader.begins, 40);
        play_end(&p);
        free(s.bytes);
    }
}
END_TEST

START_TEST(after_an_error_nothing_more_comes)
{
    stream s = { .writer = { .rules = &control } };
    play p;
    add_header(&s, "SKFX", PING, 0, 0, 0);
    add(&s, PING, 0, 1, 0);                /* which would be right */
    play_begin(&p, &control);
    ck_assert_uint_eq(play_feed(&p, s.bytes, s.n, 32), 32);        /* and looks at all that a broken reader must not do */
    ck_assert_uint_eq(play_feed(&p, s.bytes + 32, 32, 32), 0);
    ck_assert_uint_eq(p.n, 0);
    broke_with(&p, "protocol error at byte 0: a frame begins with 53 4b 46 58, not with \"SKFR\"");
    play_end(&p);
    free(s.bytes);
}
END_TEST

/* ---- Its owner's part ---- */

START_TEST(a_stream_may_end_only_between_two_frames)
{
    stream s = { .writer = { .rules = &bulk_ahead } };
    char message[200];
    add(&s, ASK, 0, 1, 10);
    add(&s, CHUNK, 0, 2, 9);
    for (size_t cut = 0; cut <= s.n; cut++) {
        play p;
        size_t begins = cut < 42 ? 0 : 42, in = cut - begins;
        play_begin(&p, all_rules[_i]);
        play_feed(&p, s.bytes, cut, 0);
        bool between = in == 0 || cut == s.n;
        ck_assert_int_eq(sk_frame_close(&p.reader), between);
        ck_assert_int_eq(sk_frame_close(&p.reader), between);
        if (in < SK_FRAME_HEADER)
            snprintf(message, sizeof message, "protocol error at byte %zu: the stream ends after %zu of a header's 32 bytes", begins, in);
        else
            snprintf(message, sizeof message, "protocol error at byte %zu: frame of type %s ends after %zu of its %d bytes", begins,
                     begins ? "6 (CHUNK)" : "2 (ASK)", in - SK_FRAME_HEADER, begins ? 9 : 10);
        if (!between) {
            broke_with(&p, message);
            play_look_at_broken(&p);
        }
        play_end(&p);
    }
    free(s.bytes);
}
END_TEST

START_TEST(an_owner_that_refuses_a_frame_breaks_the_reader_with_its_own_words)
{
    stream s = { .writer = { .rules = &control } };
    sk_frame_reader r;
    sk_frame_head head;
    size_t room;
    add(&s, PING, 0, 1, 0);
    add(&s, _i ? TASK : ASK, 0, 2, _i ? SK_FRAME_BUFFER + 1 : 6);
    add(&s, PING, 0, 3, 0);
    sk_frame_reader_init(&r, &control);
    for (size_t at = 0;;) {
        sk_frame_event event = sk_frame_next(&r, &head);
        if (event == SK_FRAME_WHOLE && head.request == 2)
            break;
        if (event == SK_FRAME_MORE) {
            uint8_t *to = sk_frame_room(&r, &room);
            room = room < s.n - at ? room : s.n - at;
            memcpy(to, s.bytes + at, room);
            at += room;
            sk_frame_arrived(&r, room);
        }
    }
    char message[200];
    snprintf(message, sizeof message, "protocol error at byte 32: frame of type %s names a function %02x that nobody has",
             _i ? "3 (TASK)" : "2 (ASK)", byte_at(2));
    ck_assert(!sk_frame_refuse(&r, "names a function %02x that nobody has", head.payload[0]));
    ck_assert_int_eq(r.error.code, SK_PROTOCOL);
    ck_assert_str_eq(r.error.message, message);
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_BROKEN);
    ck_assert(!sk_frame_refuse(&r, "is refused once more"));
    ck_assert_str_eq(r.error.message, message);
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST

START_TEST(an_owner_that_has_no_place_for_a_chunk_can_refuse_it)
{
    stream s = { .writer = { .rules = &bulk } };
    sk_frame_reader r;
    sk_frame_head head;
    uint8_t place[20];
    add(&s, CHUNK, 0, 99, 10);
    read_header(&r, &bulk, &s, &head);
    ck_assert(!sk_frame_refuse(&r, "is for pull %llu, which nobody asked for", (unsigned long long)head.request));
    ck_assert_str_eq(r.error.message, "protocol error at byte 0: frame of type 6 (CHUNK) is for pull 99, which nobody asked for");
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_BROKEN);
    size_t room;
    sk_frame_into(&r, place, sizeof place);                    /* too late, and no harm */
    ck_assert_ptr_null(sk_frame_room(&r, &room));
    ck_assert_int_eq(sk_frame_next(&r, &head), SK_FRAME_BROKEN);
    sk_frame_reader_clear(&r);
    sk_frame_reader_clear(&r);
    free(s.bytes);
}
END_TEST

Suite *frame_wrong_suite(void)
{
    Suite *suite = suite_create("frame_wrong");
    TCase *errors = tcase_create("errors"), *owner = tcase_create("owner");
    tcase_add_test(errors, a_frame_must_begin_with_its_magic);
    tcase_add_test(errors, a_type_must_be_one_of_the_connections);
    tcase_add_test(errors, a_frame_that_is_lost_repeated_or_early_is_noticed);
    tcase_add_test(errors, sequences_end_before_they_would_wrap);
    tcase_add_test(errors, a_wrong_checksum_is_said_with_both);
    tcase_add_loop_test(errors, a_bit_that_flips_anywhere_in_a_frame_never_comes_out, 0, RULES);
    tcase_add_test(errors, after_an_error_nothing_more_comes);
    suite_add_tcase(suite, errors);
    tcase_add_loop_test(owner, a_stream_may_end_only_between_two_frames, 0, RULES);
    tcase_add_loop_test(owner, an_owner_that_refuses_a_frame_breaks_the_reader_with_its_own_words, 0, 2);
    tcase_add_test(owner, an_owner_that_has_no_place_for_a_chunk_can_refuse_it);
    suite_add_tcase(suite, owner);
    return suite;
}
