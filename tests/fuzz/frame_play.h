/* frame_play.h -- feeds a stream to a frame reader in pieces, and keeps what comes out: for the fuzz target and the unit tests.
 *
 * On the way it looks at what must hold whatever the bytes are, and aborts where it does not:
 *   - there is room for a byte until the reader is broken, and none after; what is broken stays so, and says the same
 *   - each frame has the next sequence, a type of the rules, a length within the limits, and begins where the one before has ended
 *   - memory of the reader's own is there only for a header that has been checked, and only if the payload does not fit in the buffer
 *   - an `exact` reader never asks for a byte beyond the frame
 * Each place for a `direct` payload is a block of its own, of just the size that was said: AddressSanitizer sees a byte too many. */
#ifndef FRAME_PLAY_H
#define FRAME_PLAY_H

#include "backends/crc32c.h"
#include "backends/frame.h"

#include <stdio.h>

#define PLAY_CHECK(what)                                                                         \
    do {                                                                                         \
        if (!(what)) {                                                                           \
            fprintf(stderr, "%s:%d: this does not hold: %s\n", __FILE__, __LINE__, #what);       \
            abort();                                                                             \
        }                                                                                        \
    } while (0)

/* Flags of a frame say what the owner does with a `direct` payload; or with the frame, as soon as it knows of it. */
enum { PLAY_AWAY = 1, PLAY_IN_PARTS = 2, PLAY_CHANGE_MIND = 4, PLAY_REFUSE = 8 };

typedef struct played {
    sk_frame_head head;        /* its payload is NULL */
    uint32_t checksum;         /* of the payload */
    bool away;                 /* which was thrown away, some of it at least; then the checksum is 0 */
} played;

typedef struct play {
    sk_frame_reader reader;
    uint64_t fed;              /* bytes that the reader has been given */
    uint64_t begins;           /* where the next frame must begin */
    played *frames;
    size_t n, allocated;
    uint8_t *part;             /* the place that has been given last, and how large it is */
    size_t part_size;
    uint32_t parts;            /* checksum of the parts before it */
    bool away;                 /* some of the payload was thrown away */
} play;

static inline void play_begin(play *p, const sk_frame_rules *rules)
{
    *p = (play){ .fed = 0 };
    sk_frame_reader_init(&p->reader, rules);
}

static inline void play_end(play *p)
{
    sk_frame_reader_clear(&p->reader);
    free(p->part);
    free(p->frames);
    *p = (play){ .fed = 0 };
}

static inline void play_close_part(play *p)
{
    p->parts = sk_crc32c(p->parts, p->part, p->part_size);
    free(p->part);
    p->part = NULL;
    p->part_size = 0;
}

static inline void play_give_place(play *p, const sk_frame_head *head)
{
    play_close_part(p);
    size_t left = head->size - head->done, part = head->flags & PLAY_IN_PARTS ? head->size / 3 + 1 : left;
    PLAY_CHECK(left > 0 && head->done < head->size && !head->payload);
    if (head->done == 0) {
        p->parts = 0;
        p->away = false;
    }
    part = part < left ? part : left;
    if (head->flags & PLAY_AWAY) {
        p->away = true;
        sk_frame_into(&p->reader, NULL, part);
        return;
    }
    p->part = malloc(part);
    PLAY_CHECK(p->part);
    p->part_size = part;
    sk_frame_into(&p->reader, p->part, part);
}

static inline void play_keep(play *p, const sk_frame_head *head)
{
    const sk_frame_rules *rules = p->reader.rules;
    PLAY_CHECK(head->type < rules->n && rules->kinds[head->type].name);
    const sk_frame_kind *kind = &rules->kinds[head->type];
    PLAY_CHECK(head->size <= kind->most && head->size <= rules->most && head->done == head->size);
    PLAY_CHECK(head->sequence == p->n && (head->payload || kind->direct));
    PLAY_CHECK(!p->reader.own || (head->size > SK_FRAME_BUFFER && !kind->direct));
    played one = { .head = *head };
    one.head.payload = NULL;
    if (!kind->direct) {
        one.checksum = sk_crc32c(0, head->payload, head->size);
    } else if (head->size) {
        PLAY_CHECK(!head->payload);
        play_close_part(p);
        one.away = p->away;
        one.checksum = p->away ? 0 : p->parts;
    }
    if (p->n == p->allocated) {
        p->allocated = 2 * p->allocated + 16;
        p->frames = realloc(p->frames, p->allocated * sizeof *p->frames);
        PLAY_CHECK(p->frames);
    }
    p->frames[p->n++] = one;
}

/* All that the reader has to say now. */
static inline sk_frame_event play_listen(play *p)
{
    for (;;) {
        sk_frame_head head;
        switch (sk_frame_next(&p->reader, &head)) {
        case SK_FRAME_MORE: return SK_FRAME_MORE;
        case SK_FRAME_WHERE:
            if (head.flags & PLAY_REFUSE)
                PLAY_CHECK(!sk_frame_refuse(&p->reader, "is refused"));
            else
                play_give_place(p, &head);
            break;
        case SK_FRAME_WHOLE:
            PLAY_CHECK(p->reader.begins == p->begins);
            p->begins += SK_FRAME_HEADER + (uint64_t)head.size;
            PLAY_CHECK(p->begins <= p->fed);
            play_keep(p, &head);
            if (head.flags & PLAY_REFUSE)
                PLAY_CHECK(!sk_frame_refuse(&p->reader, "is refused"));
            break;
        case SK_FRAME_BROKEN: return SK_FRAME_BROKEN;
        }
    }
}

static inline void play_look_at_broken(play *p)
{
    sk_frame_head head;
    sk_error error = p->reader.error;
    size_t room = 1;
    PLAY_CHECK(error.code == SK_PROTOCOL && error.message[0]);
    PLAY_CHECK(sk_frame_next(&p->reader, &head) == SK_FRAME_BROKEN);
    PLAY_CHECK(sk_frame_room(&p->reader, &room) == NULL && room == 0);
    PLAY_CHECK(!sk_frame_close(&p->reader) && !sk_frame_refuse(&p->reader, "is refused again"));
    PLAY_CHECK(!p->reader.own && memcmp(&error, &p->reader.error, sizeof error) == 0);
}

/* How many bytes are certainly those of the frame that has begun. */
static inline uint64_t play_wanted(const play *p)
{
    const sk_frame_reader *r = &p->reader;
    return r->begins + SK_FRAME_HEADER + (r->state == SK_FRAME_IN_HEADER ? 0 : r->head.size);
}

/* n bytes, at most `piece` at a time; piece 0: as many as there is room for. Returns how many have been taken: all, unless it broke. */
static inline size_t play_feed(play *p, const uint8_t *bytes, size_t n, size_t piece)
{
    size_t at = 0;
    while (at < n && play_listen(p) == SK_FRAME_MORE) {
        size_t room = 0;
        uint8_t *to = sk_frame_room(&p->reader, &room);
        PLAY_CHECK(to && room > 0);
        PLAY_CHECK(room <= SK_FRAME_BUFFER || (p->reader.state == SK_FRAME_IN_PLACE && room <= p->reader.head.size));
        PLAY_CHECK(!p->reader.own || p->reader.state == SK_FRAME_IN_PLACE);
        PLAY_CHECK(!p->reader.rules->exact || p->fed + room <= play_wanted(p));
        size_t some = n - at < room ? n - at : room;
        some = piece && piece < some ? piece : some;
        memcpy(to, bytes + at, some);
        at += some;
        p->fed += some;
        sk_frame_arrived(&p->reader, some);
        /* An object may be freed while a part of it arrives. */
        const sk_frame_head *head = &p->reader.head;
        if (p->reader.state == SK_FRAME_IN_PLACE && (head->flags & PLAY_CHANGE_MIND) && !p->reader.own && head->done < head->size) {
            sk_frame_into(&p->reader, NULL, SIZE_MAX);
            free(p->part);
            p->part = NULL;
            p->part_size = 0;
            p->away = true;
        }
    }
    if (play_listen(p) == SK_FRAME_BROKEN)
        play_look_at_broken(p);
    return at;
}

#endif
