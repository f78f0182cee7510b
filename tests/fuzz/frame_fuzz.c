/* frame_fuzz.c -- any bytes, in any pieces, into a frame reader.
 * covers: backends/frame.c
 *
 * What comes out is compared with what a second reader finds, which is given all of the stream at once, has no limit on memory, and is as
 * plain as can be. So the frames are the same whatever the pieces, and an error is the right one, in the right place. frame_play.h
 * looks at the rest: nothing comes after an error, nothing is taken that was not fed, nothing is allocated beyond the cap.
 *
 * Input:  rules u8 (% 3), kind of the rest u8 (even: the stream itself; odd: a script that makes one), seed of the pieces u8, rest.
 * Script: steps, each an op and its arguments; see write_script. Random bytes hardly ever have a right checksum: scripts make good
 * frames, frames that no writer of ours makes but whose checksum is right, and then harm them. */
#include "frame_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PING = 1, ASK = 2, TASK = 3, WIDE = 5, CHUNK = 6, PIECE = 7, TYPES };
static const sk_frame_kind kinds[TYPES] = {
    [PING] = { "PING", 0, false }, [ASK] = { "ASK", 100, false }, [TASK] = { "TASK", SK_FRAME_CONTROL, false },
    [WIDE] = { "WIDE", UINT32_MAX, false }, [CHUNK] = { "CHUNK", SK_FRAME_BULK, true }, [PIECE] = { "PIECE", 1000, true },
};
/* Limits that are a little larger than the buffer: megabytes would be the same paths, a hundred times slower. */
enum { LITTLE = SK_FRAME_BUFFER + 5000, MUCH = SK_FRAME_BUFFER + 15000 };
static const sk_frame_rules rules[] = { { kinds, TYPES, LITTLE, false }, { kinds, TYPES, MUCH, true }, { kinds, TYPES, MUCH, false } };

/* ---- The stream ---- */

typedef struct input { const uint8_t *at, *end; } input;

static unsigned take(input *in, int bytes)
{
    unsigned x = 0;
    for (; bytes && in->at < in->end; bytes--)
        x = x << 8 | *in->at++;
    return x;
}

typedef struct stream { uint8_t *bytes; size_t n, room; sk_frame_writer writer; } stream;
enum { ENOUGH = 100 << 10 };               /* no more steps on a longer stream: many small ones find more than few large ones */

static uint8_t *grow(stream *s, size_t more)
{
    s->n += more;
    if (s->n >= s->room) {
        s->room = 2 * s->n + 4096;
        s->bytes = realloc(s->bytes, s->room);
        PLAY_CHECK(s->bytes);
    }
    return s->bytes + s->n - more;
}

/* Lengths that matter: small, any of 16 bits, around the buffer's, around the type's limit; the long ones seldom. */
static uint32_t take_length(input *in, uint32_t most)
{
    unsigned how = take(in, 1);
    uint32_t x = take(in, 1);
    if (how % 32 == 31 || (how % 8 == 7 && most <= 1000))
        x = most - (most < 8 ? 0 : x % 8);
    else if (how % 16 == 6)
        x += SK_FRAME_BUFFER - 40;
    else if (how % 8 == 5)
        x = x << 8 | take(in, 1);
    return x < most ? x : most;
}

static void write_good(stream *s, input *in)
{
    static const uint16_t types[] = { PING, ASK, TASK, WIDE, CHUNK, PIECE };
    sk_frame_head head = { .type = types[take(in, 1) % 6], .flags = (uint16_t)(take(in, 1) % 9), .request = take(in, 1) };
    uint32_t most = kinds[head.type].most < s->writer.rules->most ? kinds[head.type].most : s->writer.rules->most;
    uint32_t length = take_length(in, most);
    uint8_t *frame = grow(s, SK_FRAME_HEADER + length), *payload = frame + SK_FRAME_HEADER;
    memset(payload, (int)take(in, 1), length);
    struct iovec halves[] = { { payload, length / 2 }, { payload + length / 2, length - length / 2 } };
    PLAY_CHECK(sk_frame_seal(&s->writer, frame, &head, halves, 2) == SK_FRAME_HEADER + length);
}

/* Any type, sequence and length; a short payload, and the right checksum for it. */
static void write_odd(stream *s, input *in)
{
    unsigned length = take(in, 1) % 64;
    uint8_t *h = grow(s, SK_FRAME_HEADER + length);
    memset(h, 0, SK_FRAME_HEADER + length);
    memcpy(h, "SKFR", 4);
    h[4] = (uint8_t)(take(in, 1) % 16 == 0);
    h[5] = (uint8_t)take(in, 1);
    uint64_t sequence = s->writer.sequence + (uint64_t)(int64_t)(int8_t)take(in, 1);
    unsigned claims = take(in, 1) % 4 ? length : take(in, 4);
    for (int i = 0; i < 8; i++)
        h[8 + i] = (uint8_t)(sequence >> (56 - 8 * i));
    for (int i = 0; i < 4; i++)
        h[24 + i] = (uint8_t)(claims >> (24 - 8 * i));
    uint32_t checksum = sk_crc32c(sk_crc32c(0, h, 28), h + SK_FRAME_HEADER, length);
    for (int i = 0; i < 4; i++)
        h[28 + i] = (uint8_t)(checksum >> (24 - 8 * i));
    s->writer.sequence = sequence < UINT32_MAX ? sequence + 1 : 0;
}

/* op % 8:  0 1 2 a good frame   3 an odd one   4 raw bytes   5 a byte changes   6 the end is lost   7 a part comes again */
static void write_script(stream *s, input *in)
{
    while (in->at < in->end && s->n < ENOUGH) {
        unsigned op = take(in, 1) % 8;
        if (op <= 2) {
            write_good(s, in);
        } else if (op == 3) {
            write_odd(s, in);
        } else if (op == 4) {
            size_t n = take(in, 1), there = (size_t)(in->end - in->at);
            n = n < there ? n : there;
            memcpy(grow(s, n), in->at, n);
            in->at += n;
        } else if (s->n) {
            size_t at = take(in, 2) % s->n;                        /* from the end: the last frames are what we are about */
            if (op == 5)
                s->bytes[s->n - 1 - at] ^= (uint8_t)(1u << take(in, 1) % 8);
            else if (op == 6)
                s->n -= at;
            else
                for (uint8_t *to = grow(s, at), *end = to + at; to < end; to++)
                    *to = to[-(ptrdiff_t)at];
        }
    }
}

/* ---- The second reader ---- */

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t x = 0;
    while (bytes--)
        x = x << 8 | *at++;
    return x;
}

typedef struct expectation {
    size_t frames;             /* so many are whole */
    uint64_t begins;           /* where the one after them begins */
    const char *error;         /* words of it; NULL: none */
    bool between;              /* the stream ends between two frames */
} expectation;

/* Compares the frames on the way. */
static expectation read_plainly(const sk_frame_rules *r, const uint8_t *bytes, size_t n, const play *p)
{
    expectation e = { 0, 0, NULL, false };
    for (;;) {
        const uint8_t *h = bytes + e.begins;
        size_t left = n - e.begins;
        e.between = left == 0;
        if (left < SK_FRAME_HEADER)
            return e;
        uint64_t type = number(h + 4, 2), sequence = number(h + 8, 8), length = number(h + 24, 4);
        if (memcmp(h, "SKFR", 4))
            e.error = "a frame begins with";
        else if (type != PING && type != ASK && type != TASK && type != WIDE && type != CHUNK && type != PIECE)
            e.error = "no such type";
        else if (length > r->most || (type == PING && length) || (type == ASK && length > 100) || (type == PIECE && length > 1000))
            e.error = "has length";
        else if (sequence != e.frames)
            e.error = "has sequence";
        bool direct = (type == CHUNK || type == PIECE) && length, refused = number(h + 6, 2) & PLAY_REFUSE;
        if (!e.error && refused && direct)
            e.error = ") is refused";
        if (e.error || left < SK_FRAME_HEADER + length)
            return e;
        if (sk_crc32c(sk_crc32c(0, h, 28), h + SK_FRAME_HEADER, length) != number(h + 28, 4)) {
            e.error = "has checksum";
            return e;
        }
        PLAY_CHECK(e.frames < p->n);
        const played *f = &p->frames[e.frames];
        PLAY_CHECK(f->head.type == type && f->head.size == length && f->head.sequence == sequence);
        PLAY_CHECK(f->head.flags == number(h + 6, 2) && f->head.request == number(h + 16, 8));
        PLAY_CHECK(!f->away || direct);
        PLAY_CHECK(f->away || f->checksum == sk_crc32c(0, h + SK_FRAME_HEADER, length));
        PLAY_CHECK(!direct || (f->head.flags & PLAY_CHANGE_MIND) || f->away == !!(f->head.flags & PLAY_AWAY));
        e.frames++;
        if (refused) {
            e.error = ") is refused";
            return e;
        }
        e.begins += SK_FRAME_HEADER + length;
    }
}

/* ---- Once more and once more ---- */

enum { AT_ONCE, ONE_BY_ONE, RANDOM, WAYS };

static void read_in_pieces(const sk_frame_rules *r, const stream *s, int way, uint64_t seed)
{
    play p;
    play_begin(&p, r);
    size_t at = 0;
    while (at < s->n) {
        uint64_t x = sk_mix(seed++);
        size_t most = way == AT_ONCE ? s->n : way == ONE_BY_ONE ? 1 : x % 8 ? x % 100 + 1 : x % 50000 + 1;
        size_t some = most < s->n - at ? most : s->n - at, taken = play_feed(&p, s->bytes + at, some, 0);
        PLAY_CHECK(taken <= some);
        at += taken;
        if (p.reader.state == SK_FRAME_DEAD)
            break;
        PLAY_CHECK(taken == some);
    }
    PLAY_CHECK(p.fed == at);
    expectation e = read_plainly(r, s->bytes, s->n, &p);
    PLAY_CHECK(p.n == e.frames && p.reader.begins <= at && (e.error != NULL) == (p.reader.state == SK_FRAME_DEAD));
    if (!e.error)
        PLAY_CHECK(at == s->n && sk_frame_close(&p.reader) == e.between);
    if (e.error || !e.between) {
        char begins[64];
        snprintf(begins, sizeof begins, "protocol error at byte %llu: ", (unsigned long long)e.begins);
        PLAY_CHECK(strncmp(p.reader.error.message, begins, strlen(begins)) == 0);
        PLAY_CHECK(strstr(p.reader.error.message, e.error ? e.error : " ends after "));
        play_look_at_broken(&p);
    }
    PLAY_CHECK(p.reader.begins == e.begins);
    play_end(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none;
    input in = { size ? data : &none, size ? data + size : &none };
    const sk_frame_rules *r = &rules[take(&in, 1) % 3];
    bool script = take(&in, 1) % 2;
    uint64_t seed = take(&in, 1);
    stream s = { .writer = { .rules = r } };
    grow(&s, 0);                           /* never NULL, with which nothing may be done, not even nothing */
    if (script) {
        write_script(&s, &in);
    } else {
        size_t n = (size_t)(in.end - in.at);
        memcpy(grow(&s, n), in.at, n);
    }
    for (int way = AT_ONCE; way < WAYS; way++)
        if (way != ONE_BY_ONE || s.n <= 4096)
            read_in_pieces(r, &s, way, seed);
    free(s.bytes);
    return 0;
}
