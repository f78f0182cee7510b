/* test_frame.c -- frames as the page in frame.h has them; a reader that is fed in any pieces; and each thing that it must not accept. */
#include "backends/crc32c.h"
#include "backends/frame.h"
#include "fuzz/frame_play.h"

#include <check.h>
#include <signal.h>
#include <sys/resource.h>

Suite *frame_suite(void);

enum { PING = 1, ASK = 2, TASK = 3, WIDE = 5, CHUNK = 6, TYPES };
static const sk_frame_kind kinds[TYPES] = {
    [PING] = { "PING", 0, false },
    [ASK] = { "ASK", 100, false },
    [TASK] = { "TASK", SK_FRAME_CONTROL, false },
    [WIDE] = { "WIDE", UINT32_MAX, false },                        /* as much as the connection allows */
    [CHUNK] = { "CHUNK", SK_FRAME_BULK, true },
};
static const sk_frame_rules control = { kinds, TYPES, SK_FRAME_CONTROL, false };
static const sk_frame_rules bulk = { kinds, TYPES, SK_FRAME_BULK, true };
static const sk_frame_rules bulk_ahead = { kinds, TYPES, SK_FRAME_BULK, false };

static unsigned char byte_at(uint64_t i) { return (unsigned char)(sk_mix(i) >> 56); }

/* ---- Streams ---- */

typedef struct stream {
    sk_frame_writer writer;
    uint8_t *bytes;
    size_t n;
} stream;

static uint8_t *grow(stream *s, size_t more)
{
    s->bytes = realloc(s->bytes, s->n + more);
    ck_assert_ptr_nonnull(s->bytes);
    s->n += more;
    return s->bytes + s->n - more;
}

/* Its payload is byte_at(request), byte_at(request + 1), ... */
static void add(stream *s, unsigned type, unsigned flags, uint64_t request, size_t size)
{
    uint8_t *frame = grow(s, SK_FRAME_HEADER + size), *payload = frame + SK_FRAME_HEADER;
    for (size_t i = 0; i < size; i++)
        payload[i] = byte_at(request + i);
    sk_frame_head head = { .type = (uint16_t)type, .flags = (uint16_t)flags, .request = request };
    struct iovec whole = { payload, size };
    ck_assert_uint_eq(sk_frame_seal(&s->writer, frame, &head, &whole, 1), SK_FRAME_HEADER + size);
}

static void put(uint8_t *at, uint64_t x, int bytes)
{
    for (int i = bytes; i-- > 0; x >>= 8)
        at[i] = (uint8_t)x;
}

/* A header that no writer of ours makes, with the right checksum for the payload of zeros that follows it. */
static void add_header(stream *s, const char *magic, unsigned type, uint64_t sequence, uint32_t size, uint32_t zeros)
{
    uint8_t *frame = grow(s, SK_FRAME_HEADER + zeros);
    memset(frame, 0, SK_FRAME_HEADER + zeros);
    memcpy(frame, magic, 4);
    put(frame + 4, type, 2);
    put(frame + 8, sequence, 8);
    put(frame + 24, size, 4);
    put(frame + 28, sk_crc32c_tables(sk_crc32c_tables(0, frame, 28), frame + SK_FRAME_HEADER, zeros), 4);
}

static uint32_t checksum_of(uint64_t request, size_t size)
{
    uint32_t c = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = byte_at(request + i);
        c = sk_crc32c_tables(c, &byte, 1);
    }
    return c;
}

/* Frame i of those that have come out is the one that add() made with these arguments. */
static void came_out(const play *p, size_t i, unsigned type, unsigned flags, uint64_t request, size_t size)
{
    ck_assert_uint_lt(i, p->n);
    const played *f = &p->frames[i];
    ck_assert_uint_eq(f->head.type, type);
    ck_assert_uint_eq(f->head.flags, flags);
    ck_assert_uint_eq(f->head.request, request);
    ck_assert_uint_eq(f->head.size, size);
    ck_assert_uint_eq(f->head.sequence, i);
    if (!f->away)
        ck_assert_uint_eq(f->checksum, checksum_of(request, size));
}

static void broke_with(const play *p, const char *message)
{
    ck_assert_int_eq(p->reader.error.code, SK_PROTOCOL);
    ck_assert_str_eq(p->reader.error.message, message);
}

/* Reads the whole stream, which must break the reader behind `frames` frames with this message, however it comes. */
static void breaks(const stream *s, const sk_frame_rules *rules, size_t frames, const char *message)
{
    static const size_t pieces[] = { 0, 1, 7, 32 };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        play p;
        play_begin(&p, rules);
        play_feed(&p, s->bytes, s->n, pieces[i]);
        broke_with(&p, message);
        ck_assert_uint_eq(p.n, frames);
        play_end(&p);
    }
}

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

static const sk_frame_rules *const all_rules[] = { &control, &bulk, &bulk_ahead };
enum { RULES = 3 };

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

/* A reader that has been given the header of the only frame of the stream. */
static void read_header(sk_frame_reader *r, const sk_frame_rules *rules, const stream *s, sk_frame_head *head)
{
    size_t room;
    sk_frame_reader_init(r, rules);
    uint8_t *to = sk_frame_room(r, &room);
    ck_assert_uint_ge(room, SK_FRAME_HEADER);
    memcpy(to, s->bytes, SK_FRAME_HEADER);
    sk_frame_arrived(r, SK_FRAME_HEADER);
    ck_assert_int_eq(sk_frame_next(r, head), SK_FRAME_WHERE);
    ck_assert_uint_eq(head->done, 0);
}

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

Suite *frame_suite(void)
{
    Suite *suite = suite_create("frame");
    TCase *page = tcase_create("page"), *pieces = tcase_create("pieces"), *limits = tcase_create("limits"),
          *direct = tcase_create("direct"), *errors = tcase_create("errors"), *owner = tcase_create("owner");
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
