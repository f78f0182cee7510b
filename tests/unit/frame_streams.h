/* frame_streams.h -- streams of frames, right ones and wrong ones, and what must come out: for test_frame.c and test_frame_wrong.c. */
#ifndef FRAME_STREAMS_H
#define FRAME_STREAMS_H

#include "backends/crc32c.h"
#include "backends/frame.h"
#include "fuzz/frame_play.h"

#include <check.h>

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

static const sk_frame_rules *const all_rules[] = { &control, &bulk, &bulk_ahead };
enum { RULES = 3 };

static inline unsigned char byte_at(uint64_t i) { return (unsigned char)(sk_mix(i) >> 56); }

typedef struct stream {
    sk_frame_writer writer;
    uint8_t *bytes;
    size_t n;
} stream;

static inline uint8_t *grow(stream *s, size_t more)
{
    s->bytes = realloc(s->bytes, s->n + more);
    ck_assert_ptr_nonnull(s->bytes);
    s->n += more;
    return s->bytes + s->n - more;
}

/* Its payload is byte_at(request), byte_at(request + 1), ... */
static inline void add(stream *s, unsigned type, unsigned flags, uint64_t request, size_t size)
{
    uint8_t *frame = grow(s, SK_FRAME_HEADER + size), *payload = frame + SK_FRAME_HEADER;
    for (size_t i = 0; i < size; i++)
        payload[i] = byte_at(request + i);
    sk_frame_head head = { .type = (uint16_t)type, .flags = (uint16_t)flags, .request = request };
    struct iovec whole = { payload, size };
    ck_assert_uint_eq(sk_frame_seal(&s->writer, frame, &head, &whole, 1), SK_FRAME_HEADER + size);
}

static inline void put(uint8_t *at, uint64_t x, int bytes)
{
    for (int i = bytes; i-- > 0; x >>= 8)
        at[i] = (uint8_t)x;
}

/* A header that no writer of ours makes, with the right checksum for the payload of zeros that follows it. */
static inline void add_header(stream *s, const char *magic, unsigned type, uint64_t sequence, uint32_t size, uint32_t zeros)
{
    uint8_t *frame = grow(s, SK_FRAME_HEADER + zeros);
    memset(frame, 0, SK_FRAME_HEADER + zeros);
    memcpy(frame, magic, 4);
    put(frame + 4, type, 2);
    put(frame + 8, sequence, 8);
    put(frame + 24, size, 4);
    put(frame + 28, sk_crc32c_tables(sk_crc32c_tables(0, frame, 28), frame + SK_FRAME_HEADER, zeros), 4);
}

static inline uint32_t checksum_of(uint64_t request, size_t size)
{
    uint32_t c = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = byte_at(request + i);
        c = sk_crc32c_tables(c, &byte, 1);
    }
    return c;
}

/* Frame i of those that have come out is the one that add() made with these arguments. */
static inline void came_out(const play *p, size_t i, unsigned type, unsigned flags, uint64_t request, size_t size)
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

static inline void broke_with(const play *p, const char *message)
{
    ck_assert_int_eq(p->reader.error.code, SK_PROTOCOL);
    ck_assert_str_eq(p->reader.error.message, message);
}

/* Reads the whole stream, which must break the reader behind `frames` frames with this message, however it comes. */
static inline void breaks(const stream *s, const sk_frame_rules *rules, size_t frames, const char *message)
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

/* A reader that has been given the header of the only frame of the stream. */
static inline void read_header(sk_frame_reader *r, const sk_frame_rules *rules, const stream *s, sk_frame_head *head)
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

#endif
