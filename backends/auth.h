/* auth.h -- the handshake: two processes show each other that they know one secret, without telling it.
 *
 * A state machine for each side, C who has connected and S who was connected to. Bytes in, bytes out: no sockets, no clock, no waiting.
 *
 *     sk_auth_begin(&a, &(sk_auth_spec){ .accepts = true, .secret = &secret, ... });
 *     until it has ended (sk_auth_wants(&a) == 0, and nothing is left to write):
 *         write what sk_auth_output has, say how much of it went: sk_auth_wrote
 *         read at most sk_auth_wants bytes, and give them to sk_auth_take; at the end of the stream, or of patience: sk_auth_stop
 *     a.state is SK_AUTH_DONE, and a.peer is who it says; or SK_AUTH_FAILED, and a.reason is for the log
 *     sk_auth_clear(&a);
 *
 *     1  C -> S   HELLO_C             108 bytes
 *     2  S -> C   HELLO_S  AUTH_S     108 + 44
 *     3  C -> S   AUTH_C              44
 *     4  S -> C   READY or REJECT     44, both of AUTH's layout; mac 0 in REJECT
 *
 *     HELLO  0 "SKHS"  4 version 2  6 role 2  8 flags 4  12 build_id 32  44 cluster_id 16  60 node_id 16  76 nonce 32        all numbers
 *     AUTH   0 "SKAU"  4 version 2  6 status 2  8 flags 4  12 mac 32                                                          big-endian
 *
 *     K_a = HKDF(secret, cluster_id of S, "sk1 auth")       TH = SHA-256(HELLO_C HELLO_S)
 *     mac_S = HMAC(K_a, "sk1 S\0" TH)   mac_C = HMAC(K_a, "sk1 C\0" TH mac_S)   mac of READY = HMAC(K_a, "sk1 R\0" TH mac_C)
 *
 * Two fresh nonces are in TH, so nothing said before serves again; the labels differ, so what one side says does not serve the other; who calls
 * itself by our own node_id is our own echo. It authenticates the beginning only: what follows on the connection is not protected. Hence
 * on loopback only; anywhere else it runs inside TLS (in_tls), which has authenticated both ends before and goes on protecting
 * them: the same messages, with macs of 0 that nobody looks at.
 *
 * Until the peer has proven itself it learns nothing but "no": every refusal is the same 44 bytes (REJECT, status AUTH_FAILED),
 * whatever the reason, which is for the log of this side only. Three exceptions. Another version may be said at once, as soon as the first 8
 * bytes, whose meaning is frozen for ever, are here. BUSY may be said in place of HELLO_S, unread, by who does not begin at all. And who has proven to know the secret is told that the build, the cluster, the room
 * or its node_id is the matter. No more bytes are taken than the messages have: 152 by S, 196 by C.
 *
 * Reading order: what is said; one side of it; the machine. */
#ifndef SK_AUTH_H
#define SK_AUTH_H

#include "secret.h"

enum { SK_AUTH_PROTOCOL = 1, SK_AUTH_HELLO_BYTES = 108, SK_AUTH_PROOF_BYTES = 44, SK_AUTH_MOST = 256 };      /* MOST: before the peer is known */

/* ---- What is said ---- */

typedef enum sk_auth_role {
    SK_ROLE_DRIVER = 1, SK_ROLE_NODE, SK_ROLE_WORKER, SK_ROLE_TOOL,
    SK_ROLE_RELAY, SK_ROLE_VIEWER,         /* of a run that is watched from afar (backends/tool/relay.h): these know each other only */
    SK_ROLE_LAST = SK_ROLE_VIEWER
} sk_auth_role;

typedef enum sk_auth_status {              /* on the wire */
    SK_AUTH_OK, SK_AUTH_NO, SK_AUTH_VERSION, SK_AUTH_BUILD, SK_AUTH_CLUSTER, SK_AUTH_BUSY, SK_AUTH_DUPLICATE_NODE
} sk_auth_status;

enum { SK_AUTH_IN_TLS = 1 };               /* flags of HELLO: as both ends must see it. Those of AUTH are 0 */

typedef struct sk_auth_hello {
    uint16_t version, role;
    uint32_t flags;
    unsigned char build[32];               /* sk_fn_table_id: what functions it has */
    sk_id cluster, node;
    unsigned char nonce[32];
} sk_auth_hello;

/* ---- One side of it ---- */

/* What this side says, and what it wants of the other. Copied; what it points to is borrowed until the machine has ended. */
typedef struct sk_auth_spec {
    bool accepts;                          /* S; else C */
    bool in_tls;
    const sk_secret *secret;               /* NULL in TLS */
    const char *secret_name;               /* for messages: its file, or "the secret of this run" */
    sk_auth_role role;
    unsigned peer_roles;                   /* 1 << role, of those it may have */
    unsigned char build[32];               /* compared, unless one of the two is a tool */
    sk_id cluster;                         /* C: all zero if it is not known yet; a->peer has it when the machine is DONE */
    sk_id node;                            /* this process */
    const sk_id *peer;                     /* the node_id that it must have: whom TLS has authenticated, or the registry named. NULL: any */

    /* S, last of all, about a peer that has proven itself and fits: OK, BUSY or DUPLICATE_NODE. NULL: OK. */
    sk_auth_status (*admit)(void *context, const sk_auth_hello *peer);
    /* Where nonces come from, for tests. NULL: sk_secret_fill. */
    bool (*random)(void *context, unsigned char *bytes, size_t size);
    void *context;                         /* of both */
} sk_auth_spec;

/* ---- The machine ---- */

typedef enum sk_auth_state {
    SK_AUTH_GREETING,                      /* HELLO has been sent (C); the other's is awaited */
    SK_AUTH_PROVING,                       /* its AUTH is awaited */
    SK_AUTH_JUDGED,                        /* C: READY or REJECT is awaited */
    SK_AUTH_DONE,                          /* the peer has proven itself, and may go on: so may we, once all output is written */
    SK_AUTH_FAILED,                        /* close it, once all output is written */
} sk_auth_state;

typedef enum sk_auth_why {                 /* it failed. Each has its sentence in `reason`, with what was found */
    SK_WHY_NOT,                            /* it has not */
    SK_WHY_MAGIC,                          /* not Skate's protocol, or not this message */
    SK_WHY_VERSION,
    SK_WHY_HEADER,                         /* flags or status that cannot be */
    SK_WHY_TURN,                           /* S: bytes before it was the peer's turn */
    SK_WHY_REFLECTED,                      /* our own node_id */
    SK_WHY_PROOF,                          /* a mac is wrong: another secret, a replay, a byte changed on the way */
    SK_WHY_MODE,                           /* inside TLS on one end only */
    SK_WHY_ROLE, SK_WHY_PEER,              /* a role, or a node_id, that is not wanted here */
    SK_WHY_CLUSTER, SK_WHY_BUILD, SK_WHY_BUSY, SK_WHY_DUPLICATE,      /* of either side: we found so, or were told */
    SK_WHY_REFUSED,                        /* the peer says no more than that */
    SK_WHY_CLOSED, SK_WHY_LATE,            /* sk_auth_stop */
    SK_WHY_US,                             /* no randomness, or GnuTLS failed */
} sk_auth_why;

typedef struct sk_auth {                   /* one thread at a time. To read: */
    sk_auth_state state;
    sk_auth_why why;
    char reason[640];                      /* one line without a newline; nothing of the secret is in it */
    bool is_proven;                        /* the peer knows the secret (in TLS: has been heard): also where it was refused after that */
    sk_auth_hello peer;                    /* what it says; before DONE or is_proven anybody may have said that */
    size_t taken;                          /* bytes ever */

    sk_auth_spec spec;                     /* the machine's own, from here on */
    sk_auth_hello self;
    unsigned char hello[2][SK_AUTH_HELLO_BYTES];      /* ours, its */
    unsigned char in[SK_AUTH_HELLO_BYTES], out[SK_AUTH_MOST], key[SK_KEY_BYTES], expected[32];
    size_t nin, nout;
} sk_auth;

/* Fails only into the machine: then that has FAILED. A nonce is drawn. */
void sk_auth_begin(sk_auth *, const sk_auth_spec *);

/* How many bytes may be read for it now; 0: it has ended, what else comes belongs to whatever follows. */
size_t sk_auth_wants(const sk_auth *);

/* Takes bytes, in whatever pieces they come, and returns how many: all, unless it has ended before. */
size_t sk_auth_take(sk_auth *, const void *bytes, size_t size);

/* What is to be written, *size of them; and how many of these have been. After the end there may be some: READY, REJECT. */
const unsigned char *sk_auth_output(const sk_auth *, size_t *size);
void sk_auth_wrote(sk_auth *, size_t size);

/* From outside: the stream has ended (SK_WHY_CLOSED), or patience has (SK_WHY_LATE). Nothing, if the machine has ended. */
void sk_auth_stop(sk_auth *, sk_auth_why why);

void sk_auth_clear(sk_auth *);             /* wipes all of it */

/* Words: "driver", "CLUSTER", "proving". Any number may be asked for. */
const char *sk_auth_role_name(unsigned role);
const char *sk_auth_status_name(unsigned status);
const char *sk_auth_state_name(sk_auth_state state);

#endif
