/* frame.c -- see frame.h.
 *
 * The reader has one buffer. Headers, and payloads that fit, are read there and handed out where they lie; what is not whole when more is
 * asked for is moved to the front first. Other payloads have a place elsewhere (their owner's, or `own`): what of them has come into
 * the buffer is copied there, the rest goes there by itself. */
#include "frame.h"

#include "bytes.h"
#include "crc32c.h"

#include <assert.h>
#include <stdarg.h>

enum { MAGIC = 0x534b4652 };               /* "SKFR" */
enum { AT_TYPE = 4, AT_FLAGS = 6, AT_SEQUENCE = 8, AT_REQUEST = 16, AT_LENGTH = 24, AT_CHECKSUM = 28 };

static const sk_frame_kind *kind_of(const sk_frame_rules *rules, unsigned type)
{
    return type < rules->n && rules->kinds[type].name ? &rules->kinds[type] : NULL;
}

static uint32_t most_of(const sk_frame_rules *rules, const sk_frame_kind *kind)
{
    return kind->most < rules->most ? kind->most : rules->most;
}

/* ---- Writing ---- */

size_t sk_frame_seal(sk_frame_writer *w, uint8_t header[SK_FRAME_HEADER], const sk_frame_head *head, const struct iovec *pieces, size_t n)
{
    const sk_frame_kind *kind = kind_of(w->rules, head->type);
    size_t size = 0;
    assert(kind && w->sequence != UINT64_MAX);
    for (size_t i = 0; i < n; i++)
        size += pieces[i].iov_len;
    assert(size <= most_of(w->rules, kind));
    (void)kind;
    sk_bytes_put(header, MAGIC, 4);
    sk_bytes_put(header + AT_TYPE, head->type, 2);
    sk_bytes_put(header + AT_FLAGS, head->flags, 2);
    sk_bytes_put(header + AT_SEQUENCE, w->sequence++, 8);
    sk_bytes_put(header + AT_REQUEST, head->request, 8);
    sk_bytes_put(header + AT_LENGTH, size, 4);
    uint32_t checksum = sk_crc32c(0, header, AT_CHECKSUM);
    for (size_t i = 0; i < n; i++)
        checksum = sk_crc32c(checksum, pieces[i].iov_base, pieces[i].iov_len);
    sk_bytes_put(header + AT_CHECKSUM, checksum, 4);
    return SK_FRAME_HEADER + size;
}

/* ---- What is wrong ---- */

static sk_frame_event die(sk_frame_reader *r)
{
    r->state = SK_FRAME_DEAD;
    r->at = r->end = 0;
    r->to = NULL;
    free(r->own);
    r->own = NULL;
    return SK_FRAME_BROKEN;
}

/* The words may lie in the payload: first they are copied, then it is freed. */
static sk_frame_event wrong(sk_frame_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static sk_frame_event wrong(sk_frame_reader *r, const char *format, ...)
{
    char words[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(words, sizeof words, format, ap);
    va_end(ap);
    sk_error_set(&r->error, SK_PROTOCOL, "protocol error at byte %llu: %s", (unsigned long long)r->begins, words);
    return die(r);
}

#define FRAME "frame of type %u (%s) "
#define FRAME_OF(r) (unsigned)(r)->head.type, (r)->rules->kinds[(r)->head.type].name

bool sk_frame_refuse(sk_frame_reader *r, const char *format, ...)
{
    if (r->state != SK_FRAME_DEAD) {
        assert(r->state != SK_FRAME_IN_HEADER);
        char words[384];
        va_list ap;
        va_start(ap, format);
        vsnprintf(words, sizeof words, format, ap);
        va_end(ap);
        wrong(r, FRAME "%s", FRAME_OF(r), words);
    }
    return false;
}

/* ---- Reading ---- */

void sk_frame_reader_init(sk_frame_reader *r, const sk_frame_rules *rules)
{
    assert(rules->most <= SK_FRAME_BULK);
    *r = (sk_frame_reader){ .rules = rules, .state = SK_FRAME_IN_HEADER, .buffer = malloc(SK_FRAME_BUFFER) };
    if (!r->buffer)
        abort();
}

void sk_frame_reader_clear(sk_frame_reader *r)
{
    free(r->buffer);
    free(r->own);
    r->buffer = r->own = NULL;
    r->state = SK_FRAME_DEAD;
}

/* The frame that was handed out is done with. */
static void go_on(sk_frame_reader *r)
{
    if (r->state != SK_FRAME_HANDED_OUT)
        return;
    if (r->head.payload && !r->own)
        r->at += r->head.size;
    free(r->own);
    r->own = NULL;
    r->begins += SK_FRAME_HEADER + (uint64_t)r->head.size;
    r->sequence++;
    r->state = SK_FRAME_IN_HEADER;
}

/* The checks of a header, in the order in which its fields mean something. */
static bool take_header(sk_frame_reader *r)
{
    const uint8_t *h = r->buffer + r->at;
    if (sk_bytes_get(h, 4) != MAGIC) {
        wrong(r, "a frame begins with %02x %02x %02x %02x, not with \"SKFR\"", h[0], h[1], h[2], h[3]);
        return false;
    }
    r->head = (sk_frame_head){ .type = (uint16_t)sk_bytes_get(h + AT_TYPE, 2), .flags = (uint16_t)sk_bytes_get(h + AT_FLAGS, 2),
                               .size = (uint32_t)sk_bytes_get(h + AT_LENGTH, 4), .sequence = sk_bytes_get(h + AT_SEQUENCE, 8),
                               .request = sk_bytes_get(h + AT_REQUEST, 8) };
    r->stated = (uint32_t)sk_bytes_get(h + AT_CHECKSUM, 4);
    r->checksum = sk_crc32c(0, h, AT_CHECKSUM);
    const sk_frame_kind *kind = kind_of(r->rules, r->head.type);
    if (!kind)
        wrong(r, "frame of type %u, and this connection has no such type", (unsigned)r->head.type);
    else if (r->head.size > most_of(r->rules, kind))
        wrong(r, FRAME "has length %u, at most %u", FRAME_OF(r), (unsigned)r->head.size, (unsigned)most_of(r->rules, kind));
    else if (r->head.sequence == UINT64_MAX)
        wrong(r, FRAME "has sequence %llu, which is never used", FRAME_OF(r), (unsigned long long)UINT64_MAX);
    else if (r->head.sequence != r->sequence)
        wrong(r, FRAME "has sequence %llu, must have %llu", FRAME_OF(r), (unsigned long long)r->head.sequence,
              (unsigned long long)r->sequence);
    else
        r->at += SK_FRAME_HEADER;
    return r->state != SK_FRAME_DEAD;
}

/* Where the payload is to be read. */
static bool find_place(sk_frame_reader *r)
{
    uint32_t size = r->head.size;
    if (r->rules->kinds[r->head.type].direct) {
        r->state = size ? SK_FRAME_NO_PLACE : SK_FRAME_IN_PLACE;
        r->to = NULL;
        r->room = 0;
    } else if (size <= SK_FRAME_BUFFER) {
        r->state = SK_FRAME_IN_BUFFER;
    } else {
        r->state = SK_FRAME_IN_PLACE;
        r->to = r->own = malloc(size);
        r->room = size;
        if (!r->own) {
            sk_error_set(&r->error, SK_LIMIT, "no memory for the %u bytes of a frame of type %u (%s)", (unsigned)size, FRAME_OF(r));
            die(r);
        }
    }
    return r->state != SK_FRAME_DEAD;
}

/* n more bytes of the payload, which lie at `from`, are where they belong. */
static void count_in(sk_frame_reader *r, const uint8_t *from, size_t n)
{
    r->checksum = sk_crc32c(r->checksum, from, n);
    r->to = r->to ? r->to + n : NULL;
    r->room -= n;
    r->head.done += (uint32_t)n;
}

void sk_frame_into(sk_frame_reader *r, void *to, size_t room)
{
    if (r->state == SK_FRAME_DEAD)         /* whoever frees an object need not know that its pull has failed */
        return;
    assert((r->state == SK_FRAME_NO_PLACE || r->state == SK_FRAME_IN_PLACE) && !r->own && room);
    size_t left = r->head.size - r->head.done;
    r->to = to;
    r->room = room < left ? room : left;
    r->state = SK_FRAME_IN_PLACE;
}

void *sk_frame_room(sk_frame_reader *r, size_t *room)
{
    assert(r->state != SK_FRAME_HANDED_OUT && r->state != SK_FRAME_NO_PLACE);
    if (r->state == SK_FRAME_DEAD) {
        *room = 0;
        return NULL;
    }
    if (r->state == SK_FRAME_IN_PLACE) {
        assert(r->at == r->end && r->room);        /* sk_frame_next has seen to that */
        *room = r->to || r->room < SK_FRAME_BUFFER ? r->room : SK_FRAME_BUFFER;
        return r->to ? r->to : r->buffer;
    }
    size_t have = r->end - r->at;
    if (r->at)                             /* so a byte is moved once at most: then its frame is in front */
        memmove(r->buffer, r->buffer + r->at, have);
    r->at = 0;
    r->end = have;
    size_t needs = r->state == SK_FRAME_IN_HEADER ? SK_FRAME_HEADER : r->head.size;
    *room = (r->rules->exact ? needs : SK_FRAME_BUFFER) - have;
    return r->buffer + have;
}

void sk_frame_arrived(sk_frame_reader *r, size_t n)
{
    if (r->state == SK_FRAME_IN_PLACE) {
        assert(n <= r->room);
        count_in(r, r->to ? r->to : r->buffer, n);
    } else {
        assert(r->state != SK_FRAME_DEAD && n <= SK_FRAME_BUFFER - r->end);
        r->end += n;
    }
}

/* Moves what the buffer has of it to its place. */
static void take_payload(sk_frame_reader *r)
{
    size_t there = r->end - r->at, n = there < r->room ? there : r->room;
    if (n && r->to)
        memcpy(r->to, r->buffer + r->at, n);
    count_in(r, r->buffer + r->at, n);
    r->at += n;
    if (!r->room && r->head.done < r->head.size)
        r->state = SK_FRAME_NO_PLACE;
}

sk_frame_event sk_frame_next(sk_frame_reader *r, sk_frame_head *head)
{
    go_on(r);
    if (r->state == SK_FRAME_IN_HEADER) {
        if (r->end - r->at < SK_FRAME_HEADER)
            return SK_FRAME_MORE;
        if (!take_header(r) || !find_place(r))
            return SK_FRAME_BROKEN;
    }
    if (r->state == SK_FRAME_IN_PLACE)
        take_payload(r);
    switch (r->state) {
    case SK_FRAME_DEAD: return SK_FRAME_BROKEN;
    case SK_FRAME_NO_PLACE: *head = r->head; return SK_FRAME_WHERE;
    case SK_FRAME_IN_BUFFER:
        if (r->end - r->at < r->head.size)
            return SK_FRAME_MORE;
        r->head.payload = r->buffer + r->at;
        r->checksum = sk_crc32c(r->checksum, r->head.payload, r->head.size);
        r->head.done = r->head.size;
        break;
    default:
        if (r->head.done < r->head.size)
            return SK_FRAME_MORE;
        r->head.payload = r->own;
    }
    if (r->checksum != r->stated)
        return wrong(r, FRAME "has checksum %08x, its bytes have %08x", FRAME_OF(r), (unsigned)r->stated, (unsigned)r->checksum);
    r->state = SK_FRAME_HANDED_OUT;
    *head = r->head;
    return SK_FRAME_WHOLE;
}

bool sk_frame_close(sk_frame_reader *r)
{
    go_on(r);
    if (r->state == SK_FRAME_IN_HEADER && r->at == r->end)
        return true;
    size_t there = r->end - r->at;
    if (r->state == SK_FRAME_IN_HEADER)
        wrong(r, "the stream ends after %zu of a header's %d bytes", there, SK_FRAME_HEADER);
    else if (r->state != SK_FRAME_DEAD)
        wrong(r, FRAME "ends after %zu of its %u bytes", FRAME_OF(r), r->head.done + there, (unsigned)r->head.size);
    return false;
}
