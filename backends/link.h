/* link.h -- one TCP connection to a peer: connecting, TLS where it leaves the machine, the handshake, then frames, until its end.
 *
 * A link does what its descriptor is ready for, and tells its user; it has no clock, no list of others and no loop. Its stages:
 *
 *     CONNECTING -> SECURING (TLS) -> PROVING (auth.h) -> OPEN -> CLOSED         CONNECTING: dialed links; SECURING: where `encrypt`
 *
 * What an end that is not known yet may cost us: 256 bytes (inside TLS; with it, SK_LINK_TLS_MOST), and what a link takes. For how long is its
 * user's to say (deadline).
 *
 * A turn is one recv, or for what is queued one send: then others have theirs. An error of send is not the end: what the other end said
 * before it closed (a refusal, a farewell) may still be read; the end of the stream follows, and then the link closes.
 *
 * Reading order: the user's part; the struct; the calls. */
#ifndef SK_LINK_H
#define SK_LINK_H

#include "address.h"
#include "tls.h"
#include "transport.h"

enum { SK_LINK_TLS_MOST = 2048 };          /* bytes, before the other end of a TLS connection is known */

typedef struct sk_link sk_link;

/* What epoll's data point to: the first thing in whatever has a descriptor. */
typedef struct sk_watch {
    void (*ready)(struct sk_watch *self, uint32_t events);
} sk_watch;

typedef enum sk_link_stage { SK_LINK_CONNECTING, SK_LINK_SECURING, SK_LINK_PROVING, SK_LINK_OPEN, SK_LINK_CLOSED } sk_link_stage;

/* ---- The user's part. After each of these the link may be CLOSED, but is not freed ---- */

typedef struct sk_link_user {
    void (*connected)(sk_link *);          /* dialed: the other end has answered */
    void (*heard)(sk_link *);              /* bytes have come, and nobody has looked at them yet: no call of this link now */
    void (*opened)(sk_link *);             /* it is authenticated: `hello` */
    void (*frame)(sk_link *, const sk_frame_head *);           /* one that is whole */
    void (*where)(sk_link *, const sk_frame_head *);           /* calls sk_frame_into on link->in */
    bool (*more)(sk_link *);               /* `out` is empty: sends what else there is with sk_link_write; is something left? */
    void (*closed)(sk_link *);             /* end and why say how. From sk_link_close too */
} sk_link_user;

struct sk_link {
    sk_watch watch;
    const sk_link_user *user;
    void *owner;                           /* the user's */
    int fd, epoll;
    sk_link_stage stage;
    bool dialed;
    bool armed;                            /* epoll tells when it can be written to */
    bool mute;                             /* send has failed with `error`: only what can be read counts now */
    bool has_read;                         /* in this turn */
    bool was_open;                         /* it has been OPEN */
    int error;
    sk_address other;                      /* its address */
    sk_tls *tls;                           /* NULL: in clear */
    sk_auth *auth;                         /* while PROVING */
    sk_auth_spec spec;
    sk_id client;                          /* accepted in TLS: whom the key belongs to */
    sk_auth_hello hello;                   /* from OPEN on */
    size_t unproven;                       /* bytes that have come before */
    const sk_frame_rules *rules;           /* of what it reads first */
    sk_frame_reader in;                    /* from OPEN on */
    sk_frame_writer writer;
    uint8_t *out;                          /* frames at..end, sealed, to be sent; also before it is OPEN */
    size_t out_at, out_end, out_room;
    uint64_t frames_in, frames_out, bytes_in, bytes_out;
    int64_t heard, whole, said;            /* the user's, by clocks of its own: when a byte came, when a frame was whole, when the last one was queued */
    int64_t deadline;                      /* the user's */
    sk_peer_end end;                       /* CLOSED: how */
    sk_auth_why refused;
    char why[SK_TRANSPORT_WHY];
};

/* ---- The calls ---- */

/* A new link without a connection; frames may be queued. `rules` are of the first frame in both directions; the user changes them behind it
 * (writer.rules, in.rules). `spec` as in auth.h but for in_tls, which is set by the link. */
void sk_link_init(sk_link *l, int epoll, const sk_link_user *user, void *owner, const sk_frame_rules *rules, const sk_auth_spec *spec);

/* Begins to connect to l->other. false: errno, and nothing has changed. Called again when an address did not answer: what is queued stays. */
bool sk_link_dial(sk_link *l, const sk_tls_self *encrypt, const sk_id *server, sk_error *err);

/* Takes over a descriptor that was accepted, from l->other. false: it is the caller's still. */
bool sk_link_accept(sk_link *l, int fd, const sk_tls_self *encrypt, sk_error *err);

/* Once it is known what for: no delay, what the kernel is to do about a dead peer, larger buffers if it is for bulk. */
void sk_link_tune(sk_link *l, int64_t dead_ns, bool bulk);

/* Queues a frame with a copy of its payload. For types of the transport's and the runtime's that are not direct. */
void sk_link_queue(sk_link *l, uint16_t type, uint64_t request, const struct iovec *pieces, size_t n);
size_t sk_link_queued(const sk_link *l);

/* Sends what is queued, and `more`. */
void sk_link_flush(sk_link *l);

/* For `more`: hands pieces to the system; returns how many bytes it took. The rest later: 0 is no error. */
size_t sk_link_write(sk_link *l, const struct iovec *pieces, size_t n);

/* Closes it; `end` and the words are why, unless it has been closed before. */
void sk_link_close(sk_link *l, sk_peer_end end, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What the machine of auth.h says of patience that is over, or of a connection that cannot be had; then closes. */
void sk_link_give_up(sk_link *l, sk_auth_why why);

void sk_link_clear(sk_link *l);            /* of a CLOSED one, or one that never had a connection: frees what it holds */

#endif
