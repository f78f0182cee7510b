/* frame.h -- how bytes on a connection between nodes are cut into frames, and how a reader that trusts nobody gets them back.
 *
 * All numbers are big-endian. A frame is 32 bytes of header, and a payload:
 *
 *     at  size
 *      0    4   magic "SKFR"
 *      4    2   type       one of the connection's table; it decides how long a payload may be
 *      6    2   flags      the type's own
 *      8    8   sequence   of this direction of this connection: 0, 1, 2 ...
 *     16    8   request    the type's own: which question is this the answer to, which pull is this a part of
 *     24    4   length of the payload; 0 is fine
 *     28    4   CRC-32C of the header before this field, and the payload
 *
 * This is one of three headers that are the page of the protocol: what a frame is; tcp_frames.h, those that the transport says for itself;
 * node_wire.h, those of a head and its nodes. The version of all this is agreed on in the handshake, which comes before the first frame and is none (auth.h). A payload has at
 * most 1 MiB on a control connection, 4 MiB on one for bulk. Sequences do not wrap: the last number is never used (it would take 500
 * years at a frame a nanosecond).
 *
 * The reader is fed with whatever has come, a byte or a megabyte, and hands out the same frames whatever the pieces. Of a header, magic,
 * type, length and sequence are checked before anything is done for its payload; a frame is handed out when its checksum is right as
 * well. What is wrong is said by name, with the byte of the stream at which that frame begins, and is for good: a broken reader takes
 * nothing and gives nothing. It allocates SK_FRAME_BUFFER, and for a payload that does not fit in there, its length.
 *
 * Payloads that are large and belong somewhere (parts of objects) can be read there by recv(), without a copy: the type says so in the
 * table (`direct`), and the owner says where when the header is here. Nobody knows then whether that header is right: a flipped bit may
 * show in the checksum only, 4 MiB later. So the place must be one that this very connection may scribble on (an object that is pulled
 * through it), and what it holds means something only when the frame is whole. And a length that has grown is only a reader that waits
 * for more: against that the owner has heartbeats.
 *
 * No I/O, no clock, no globals. A reader or writer belongs to one thread at a time. Reading order: rules, writing, reading.
 *
 * (sk_frame itself is the frame of a running task, lane.h; here it is sk_frame_head.) */
#ifndef SK_FRAME_H
#define SK_FRAME_H

#include "base.h"
#include "error.h"

#include <sys/uio.h>

enum { SK_FRAME_HEADER = 32, SK_FRAME_CONTROL = 1 << 20, SK_FRAME_BULK = 4 << 20, SK_FRAME_BUFFER = 64 << 10 };

/* ---- Rules: what may come on a connection; a const table, of the same kind on both ends ---- */

typedef struct sk_frame_kind {
    const char *name;          /* "HEARTBEAT"; NULL: there is no such type */
    uint32_t most;             /* bytes of payload; the connection's limit holds as well */
    bool direct;               /* the owner of the reader says where the payload goes */
} sk_frame_kind;

typedef struct sk_frame_rules {
    const sk_frame_kind *kinds;        /* by type */
    unsigned n;
    uint32_t most;             /* SK_FRAME_CONTROL or SK_FRAME_BULK */
    bool exact;                /* the reader asks for no byte beyond its frame: nothing `direct` is ever copied, and each frame takes two
                                  recv() at least. Else it asks for as much as it has room for: many small frames come in one */
} sk_frame_rules;

/* ---- A header ---- */

typedef struct sk_frame_head {
    uint16_t type, flags;
    uint32_t size;             /* of the payload */
    uint64_t sequence, request;
    const uint8_t *payload;    /* received: NULL if it is `direct`; else borrowed until the next call with this reader */
    uint32_t done;             /* received, at SK_FRAME_WHERE: so many bytes of the payload have a place already */
} sk_frame_head;

/* ---- Writing ---- */

typedef struct sk_frame_writer {       /* = { rules } is a new one */
    const sk_frame_rules *rules;
    uint64_t sequence;         /* of the next frame */
} sk_frame_writer;

/* Makes the header for a payload of n pieces, which are read for their checksum and must not change until they are sent. Of `head` it
 * takes type, flags and request. Frames are to be sent in the order in which they are sealed. Returns the size of the whole frame. A type
 * or a length that the rules do not have is our own bug. */
size_t sk_frame_seal(sk_frame_writer *w, uint8_t header[SK_FRAME_HEADER], const sk_frame_head *head, const struct iovec *pieces,
                     size_t n);

/* ---- Reading ----
 *
 *     for (;;) {
 *         size_t room;
 *         void *to = sk_frame_room(&r, &room);
 *         ssize_t n = recv(fd, to, room, 0);         ...or gnutls_record_recv; 0: sk_frame_close
 *         sk_frame_arrived(&r, n);
 *         while ((event = sk_frame_next(&r, &head)) != SK_FRAME_MORE)
 *             switch (event) {
 *             case SK_FRAME_WHOLE:  use(&head); break;
 *             case SK_FRAME_WHERE:  sk_frame_into(&r, place_of(head.request) + head.done, ...); break;
 *             case SK_FRAME_BROKEN: say(r.error.message); return;
 *             }
 *     } */

typedef enum sk_frame_event {
    SK_FRAME_MORE,             /* nothing else to say until more bytes come */
    SK_FRAME_WHOLE,            /* a frame, and it is right */
    SK_FRAME_WHERE,            /* a header, for a payload that is `direct`: call sk_frame_into, then sk_frame_next again */
    SK_FRAME_BROKEN            /* for good; r->error says why: SK_PROTOCOL, or SK_LIMIT if there is no memory for a payload */
} sk_frame_event;

typedef struct sk_frame_reader {
    const sk_frame_rules *rules;
    uint64_t sequence;         /* of the frame that was handed out last, or has begun, or must come next */
    uint64_t begins;           /* the byte of the stream at which that frame begins */
    sk_error error;
    /* the rest is frame.c's */
    enum { SK_FRAME_IN_HEADER, SK_FRAME_IN_BUFFER, SK_FRAME_NO_PLACE, SK_FRAME_IN_PLACE, SK_FRAME_HANDED_OUT, SK_FRAME_DEAD } state;
    uint8_t *buffer;           /* bytes at..end of it have not been handed out */
    size_t at, end;
    sk_frame_head head;        /* past IN_HEADER; done: bytes of the payload that have been taken from the stream */
    uint32_t checksum;         /* of what has been taken so far */
    uint32_t stated;           /* the one that the header has */
    uint8_t *to;               /* IN_PLACE: where the next bytes go, `room` at most. NULL: thrown away */
    size_t room;
    uint8_t *own;              /* the payload of a large frame that is not `direct` */
} sk_frame_reader;

void sk_frame_reader_init(sk_frame_reader *r, const sk_frame_rules *rules);      /* rules are borrowed */
void sk_frame_reader_clear(sk_frame_reader *r);        /* may be called twice */

/* Where the next bytes are to be written, and how many at most: at least 1, except NULL and 0 from a broken reader. Only after
 * SK_FRAME_MORE, or in the beginning; holds until the next call. */
void *sk_frame_room(sk_frame_reader *r, size_t *room);

/* So many bytes have been written there. At most the room. */
void sk_frame_arrived(sk_frame_reader *r, size_t n);

/* What is there now. Call until it says SK_FRAME_MORE (or SK_FRAME_BROKEN, which it goes on saying). */
sk_frame_event sk_frame_next(sk_frame_reader *r, sk_frame_head *head);

/* Where a `direct` payload goes on, and how many bytes fit there: at least 1; more than are left is fine; if it is less, there will be
 * another SK_FRAME_WHERE. to NULL: those bytes are thrown away, but count for the checksum. May be called again at any time before the
 * frame is whole, and replaces the place: if an object is freed while a part of it arrives, sk_frame_into(r, NULL, SIZE_MAX). A broken
 * reader has no place any more: nothing happens. */
void sk_frame_into(sk_frame_reader *r, void *to, size_t room);

/* The stream has ended. true: between two frames; false: inside of one (or broken before): the reader is broken and says so. */
bool sk_frame_close(sk_frame_reader *r);

/* The owner has found something wrong with the frame that it was handed last, or is asked a place for. Breaks the reader, whose error then
 * is "protocol error at byte N: frame of type T (NAME) " and these words, which may lie in the payload. false. */
bool sk_frame_refuse(sk_frame_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
