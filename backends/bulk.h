/* bulk.h -- objects over one link: ranges of memory cut into chunks on one end, put where they belong on the other.
 *
 * A chunk is a frame: its request is in the header, its payload begins with 8 bytes, the offset of what follows within the request. The sender
 * has a few chunks sealed and not yet sent (the window); who has the next chunk is the request that has waited longest, so all of them
 * advance together. A chunk is of one piece; no byte is copied on this side of the socket on either end, but for the first 64 KiB that the
 * reader may have taken with the header.
 *
 * Chunks are of SK_BULK_CHUNK: the checksum is computed just before the kernel copies the bytes, while they are in the cache. */
#ifndef SK_BULK_H
#define SK_BULK_H

#include "link.h"

enum {
    SK_BULK_CHUNK = 256 << 10,             /* bytes of a chunk that are the request's, at most */
    SK_BULK_PREFIX = 8,
    SK_BULK_WINDOW = 16,                   /* chunks, a power of two */
    SK_BULK_TURN = 1 << 20,                /* bytes that are sealed ahead */
};

/* ---- Sending ---- */

typedef struct sk_bulk_send {              /* from send_bulk to bulk_sent */
    struct sk_bulk_send *next;
    uint64_t request, offset;              /* of the next chunk */
    size_t n, piece, at;                   /* pieces; where the next chunk begins */
    unsigned sealed;                       /* chunks in the window */
    bool ends;                             /* no chunk follows */
    bool failed;
    struct iovec pieces[];
} sk_bulk_send;

typedef struct sk_bulk_list { sk_bulk_send *first, *last; } sk_bulk_list;

typedef struct sk_bulk_chunk {
    uint8_t head[SK_FRAME_HEADER + SK_BULK_PREFIX];
    struct iovec data;
    size_t gone;                           /* bytes of head and data that have left */
    sk_bulk_send *of;
} sk_bulk_chunk;

typedef struct sk_bulk_out {               /* all zeros is a new one */
    sk_bulk_list waiting;                  /* with chunks to seal, in turn */
    sk_bulk_list over;                     /* to be told */
    sk_bulk_chunk window[SK_BULK_WINDOW];
    unsigned at, n;                        /* of the window */
    size_t ahead;                          /* bytes in it */
    uint64_t queued;                       /* bytes in all */
} sk_bulk_out;

void sk_bulk_add(sk_bulk_out *b, uint64_t request, uint64_t offset, const struct iovec *pieces, size_t n);

/* The request gets no more chunks. Those in the window go on; over when they have left. */
void sk_bulk_cancel(sk_bulk_out *b, uint64_t request);

/* Nothing of it leaves any more: all is over, and failed. */
void sk_bulk_fail(sk_bulk_out *b);

/* Seals and sends for a turn (sk_link_user.more); is something left? */
bool sk_bulk_go_on(sk_bulk_out *b, sk_link *l, uint16_t type);

bool sk_bulk_is_idle(const sk_bulk_out *b);            /* nothing waits, nothing is in the window */

sk_bulk_send *sk_bulk_next_over(sk_bulk_out *b);       /* the caller's to free; NULL: no more */

/* ---- Receiving ---- */

typedef struct sk_bulk_in {                /* all zeros is a new one; holds for one link */
    uint8_t prefix[SK_BULK_PREFIX];
    uint64_t request, offset;              /* of the chunk that comes */
    size_t size;
    bool placed;                           /* its bytes go to the runtime's memory */
} sk_bulk_in;

/* From sk_link_user. Asks events->bulk_place, tells events->bulk. */
void sk_bulk_where(sk_bulk_in *b, sk_link *l, const sk_frame_head *head, const sk_transport_events *events, void *data, sk_peer peer);
void sk_bulk_whole(sk_bulk_in *b, sk_link *l, const sk_frame_head *head, const sk_transport_events *events, void *data, sk_peer peer);

void sk_bulk_forget(sk_bulk_in *b, sk_link *l, uint64_t request);

#endif
