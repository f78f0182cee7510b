/* tls.h -- one connection's TLS 1.3 with a key that both ends have beforehand: bytes in, bytes out; no sockets, no clock, no threads.
 *
 * Used for every connection that leaves the machine (FAULTS.md, mode T), through GnuTLS. What is fixed, and why:
 *
 *   TLS 1.3, AES-128-GCM, X25519, PSK with a key exchange     asked for by name: GnuTLS's default here is ChaCha20, four times slower,
 *                                                             and a bare PSK would open old recordings to whoever finds the secret
 *   no tickets, no early data                                 early data can be replayed; a connection is made once
 *   identity "sk1.<client>.<server>", hex                     the pair's own key is derived from the secret and both names, so a message
 *                                                             cannot be sent back to the one who made it (Selfie, RFC 9257); an end that
 *                                                             finds itself on the wrong side refuses
 *
 * Who dials knows the name of a node from the registry, but of the head only HOST:PORT: then the server's name and the cluster's are all
 * zeros, and only a head answers to that, or a relay. After this the handshake of auth.h is done inside, as on loopback, for names, roles and builds.
 *
 * The memory between: ciphertext that has come is in `in`, what is to be sent in `out`, each of SK_TLS_BUFFER. Records are of 16 KiB, but
 * sockets are read and written in whole buffers. Plaintext goes straight into the reader's memory.
 *
 *     while ((n = sk_tls_read(t, to, room)) == SK_TLS_MORE) {
 *         space = sk_tls_room(t, &free);      n = recv(fd, space, free, 0);      sk_tls_arrived(t, n);
 *     }                                                                                                                       */
#ifndef SK_TLS_H
#define SK_TLS_H

#include "error.h"
#include "secret.h"

#include <sys/types.h>

typedef struct sk_tls sk_tls;

enum { SK_TLS_BUFFER = 128 << 10, SK_TLS_MORE = 0, SK_TLS_END = -1, SK_TLS_BROKEN = -2, SK_TLS_CUT = -3 };

typedef struct sk_tls_self {               /* who this end is. Copied but for the secret, which is borrowed until the handshake is over */
    const sk_secret *secret;
    sk_id cluster, node;
    bool head;                             /* or a relay: answers to all zeros too */
} sk_tls_self;

/* The end that dials `server` (NULL: a head), or that is dialed. NULL: GnuTLS does not have what is asked for; *err says. */
sk_tls *sk_tls_dial(const sk_tls_self *self, const sk_id *server, sk_error *err);
sk_tls *sk_tls_answer(const sk_tls_self *self, sk_error *err);
void sk_tls_free(sk_tls *t);               /* NULL is fine */

/* Goes on with the handshake. 1: it is over; SK_TLS_MORE: send what is in `out`, then more must come; SK_TLS_BROKEN: sk_tls_error says why, and
 * what is in `out` (the alert) may still be sent. */
int sk_tls_handshake(sk_tls *t);

/* After the handshake, of the end that was dialed: whom the key belongs to. */
const sk_id *sk_tls_client(const sk_tls *t);

/* Ciphertext. room: where it goes and how much fits, at least 1 after SK_TLS_MORE. out: what is to be sent; sent: so much of it was. */
void *sk_tls_room(sk_tls *t, size_t *room);
void sk_tls_arrived(sk_tls *t, size_t n);
void sk_tls_ended(sk_tls *t);              /* the stream has ended */
const uint8_t *sk_tls_out(const sk_tls *t, size_t *n);
void sk_tls_sent(sk_tls *t, size_t n);

/* Plaintext that is there, at most `room` bytes; else SK_TLS_MORE, SK_TLS_END (the peer has said farewell), SK_TLS_CUT (the stream has ended without one) or SK_TLS_BROKEN. */
ssize_t sk_tls_read(sk_tls *t, void *to, size_t room);

/* Encrypts as much as `out` has room for, and returns how much that was: 0 if there is none. SK_TLS_BROKEN never was seen, but may be. */
ssize_t sk_tls_write(sk_tls *t, const void *from, size_t n);

void sk_tls_farewell(sk_tls *t);           /* "nothing follows", into `out` if there is room */

const char *sk_tls_error(const sk_tls *t); /* for the log, never secret; "" if nothing is wrong */

#endif
